//! The configuration itself: every key under its name, with a type that fits.
//!
//! A `Config` is always usable: whoever holds one does not check it again. The defaults stand
//! here and nowhere else; [`KEYS`](crate::KEYS) reads them from [`Config::default`].

use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use crate::issuers::{Issuers, KeysUrl};
use crate::role_claim::{JsonPath, RoleClaimKey};
use crate::secret::Secret;

/// Everything that can be configured. The fields are named like the keys.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    missing_docs,
    reason = "the documentation of a key stands in its entry in KEYS"
)]
pub struct Config {
    pub admin_server_host: String,
    pub admin_server_port: Option<Port>,
    pub admin_server_unix_socket: Option<String>,
    pub admin_server_unix_socket_mode: SocketMode,
    /// Full names (`app.settings.x`) and values, sorted by name.
    pub app_settings: Vec<(String, String)>,
    pub client_error_verbosity: ErrorVerbosity,
    pub db_aggregates_enabled: bool,
    pub db_anon_role: Option<String>,
    pub db_channel: String,
    pub db_channel_enabled: bool,
    pub db_config: bool,
    pub db_extra_search_path: Vec<String>,
    pub db_hoisted_tx_settings: Vec<String>,
    pub db_max_rows: Option<i64>,
    pub db_plan_enabled: bool,
    /// At least 1.
    pub db_pool: NonZeroUsize,
    pub db_pool_acquisition_timeout: Duration,
    pub db_pool_automatic_recovery: bool,
    pub db_pool_max_idletime: Duration,
    pub db_pool_max_lifetime: Duration,
    pub db_pre_config: Option<FunctionName>,
    pub db_pre_request: Option<FunctionName>,
    pub db_prepared_statements: bool,
    /// Whether reads may go to the primary when no replica will do.
    pub db_replica_fallback: bool,
    pub db_replica_max_lag: Duration,
    pub db_root_spec: Option<FunctionName>,
    /// Never empty; the first one is the default schema.
    pub db_schemas: Vec<String>,
    pub db_session_reset: SessionReset,
    pub db_stream_rows: bool,
    pub db_tx_end: TransactionEnd,
    /// The connection string, already read from its file if it was `@file`.
    pub db_uri: Secret<String>,
    /// The connection strings, already read from their file if they were `@file`.
    pub db_uri_read_replicas: Vec<Secret<String>>,
    pub internal_schema_cache_query_sleep: Option<i64>,
    pub internal_schema_cache_query_sleep_before_queries: Option<i64>,
    pub jwt_aud: Option<String>,
    pub jwt_cache_max_entries: usize,
    pub jwt_issuers: Issuers,
    pub jwt_jwks_allow_http: bool,
    pub jwt_jwks_ca_file: Option<String>,
    pub jwt_jwks_uri: Vec<KeysUrl>,
    pub jwt_role_claim_key: RoleClaimKey,
    /// The key itself: read from its file if it was `@file`, and no longer base64.
    pub jwt_secret: Option<Secret<Vec<u8>>>,
    pub jwt_secret_is_base64: bool,
    pub jwt_strict_keys: bool,
    pub log_format: LogFormat,
    pub log_level: LogLevel,
    pub log_query: bool,
    pub log_query_string: bool,
    pub openapi_mode: OpenApiMode,
    pub openapi_security_active: bool,
    pub openapi_server_proxy_uri: Option<String>,
    pub openapi_version: OpenApiVersion,
    pub server_body_timeout: Duration,
    pub server_cancel_on_disconnect: bool,
    pub server_console_enabled: bool,
    /// `None`: one core for each CPU.
    pub server_cores: Option<NonZeroUsize>,
    /// Empty: every origin.
    pub server_cors_allowed_origins: Vec<String>,
    pub server_events_enabled: bool,
    pub server_header_timeout: Duration,
    pub server_host: String,
    pub server_idle_timeout: Duration,
    pub server_max_body_bytes: usize,
    pub server_max_channels: usize,
    pub server_max_connections: usize,
    pub server_max_header_bytes: usize,
    /// `None`: half of what the process may use; 0: no limit.
    pub server_max_memory: Option<usize>,
    /// `None`: half of the pool.
    pub server_max_slow_readers: Option<usize>,
    pub server_max_spool_bytes: u64,
    pub server_pin_cores: bool,
    pub server_port: Port,
    pub server_reuseport: bool,
    /// `None`: some seconds after a hand-over, and none otherwise.
    pub server_shutdown_grace: Option<Duration>,
    pub server_spool_directory: String,
    /// `None`: the core's share of the pool, and one.
    pub server_threads_per_core: Option<NonZeroUsize>,
    pub server_timing_enabled: bool,
    pub server_trace_header: Option<String>,
    pub server_unix_socket: Option<String>,
    pub server_unix_socket_mode: SocketMode,
    pub server_write_timeout: Duration,
    pub url_use_legacy_target_names: bool,
}

impl Default for Config {
    fn default() -> Config {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Config {
            admin_server_host: "!4".to_owned(),
            admin_server_port: None,
            admin_server_unix_socket: None,
            admin_server_unix_socket_mode: SocketMode::DEFAULT,
            app_settings: Vec::new(),
            client_error_verbosity: ErrorVerbosity::Verbose,
            db_aggregates_enabled: false,
            db_anon_role: None,
            db_channel: "pgrst".to_owned(),
            db_channel_enabled: true,
            db_config: true,
            db_extra_search_path: names(&["public"]),
            db_hoisted_tx_settings: names(&[
                "statement_timeout",
                "plan_filter.statement_cost_limit",
                "default_transaction_isolation",
            ]),
            db_max_rows: None,
            db_plan_enabled: false,
            db_pool: const { NonZeroUsize::new(10).unwrap() },
            db_pool_acquisition_timeout: Duration::from_secs(10),
            db_pool_automatic_recovery: true,
            db_pool_max_idletime: Duration::from_secs(30),
            db_pool_max_lifetime: Duration::from_secs(1800),
            db_pre_config: None,
            db_pre_request: None,
            db_prepared_statements: true,
            db_replica_fallback: true,
            db_replica_max_lag: Duration::from_secs(10),
            db_root_spec: None,
            db_schemas: names(&["public"]),
            db_session_reset: SessionReset::None,
            db_stream_rows: false,
            db_tx_end: TransactionEnd::Commit,
            db_uri: Secret::new("postgresql://".to_owned()),
            db_uri_read_replicas: Vec::new(),
            internal_schema_cache_query_sleep: None,
            internal_schema_cache_query_sleep_before_queries: None,
            jwt_aud: None,
            jwt_cache_max_entries: 1000,
            jwt_issuers: Issuers::default(),
            jwt_jwks_allow_http: false,
            jwt_jwks_ca_file: None,
            jwt_jwks_uri: Vec::new(),
            jwt_role_claim_key: RoleClaimKey::JsonPath(JsonPath::role()),
            jwt_secret: None,
            jwt_secret_is_base64: false,
            jwt_strict_keys: false,
            log_format: LogFormat::Text,
            log_level: LogLevel::Error,
            log_query: false,
            log_query_string: true,
            openapi_mode: OpenApiMode::FollowPrivileges,
            openapi_security_active: false,
            openapi_server_proxy_uri: None,
            openapi_version: OpenApiVersion::V2,
            server_body_timeout: Duration::from_secs(60),
            server_cancel_on_disconnect: true,
            server_console_enabled: false,
            server_cores: None,
            server_cors_allowed_origins: Vec::new(),
            server_events_enabled: false,
            server_header_timeout: Duration::from_secs(30),
            server_host: "!4".to_owned(),
            server_idle_timeout: Duration::from_secs(75),
            server_max_body_bytes: 1023 * 1024 * 1024,
            server_max_channels: 1000,
            server_max_connections: 65_536,
            server_max_header_bytes: 65_536,
            server_max_memory: None,
            server_max_slow_readers: None,
            server_max_spool_bytes: 4 << 30,
            server_pin_cores: true,
            server_port: Port(3000),
            server_reuseport: false,
            server_shutdown_grace: None,
            server_spool_directory: "/var/tmp".to_owned(),
            server_threads_per_core: None,
            server_timing_enabled: false,
            server_trace_header: None,
            server_unix_socket: None,
            server_unix_socket_mode: SocketMode::DEFAULT,
            server_write_timeout: Duration::from_secs(60),
            url_use_legacy_target_names: true,
        }
    }
}

/// The name of a function, perhaps with its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionName {
    /// The text before the first dot. Without it, the search path decides.
    pub schema: Option<String>,
    /// The text after it.
    pub name: String,
}

impl FunctionName {
    pub(crate) fn parse(text: &str) -> FunctionName {
        match text.split_once('.') {
            // Parity: nothing behind the dot means that there is no schema (toQi).
            None => FunctionName {
                schema: None,
                name: text.to_owned(),
            },
            Some((name, "")) => FunctionName {
                schema: None,
                name: name.to_owned(),
            },
            Some((schema, name)) => FunctionName {
                schema: Some(schema.to_owned()).filter(|schema| !schema.is_empty()),
                name: name.to_owned(),
            },
        }
    }
}

/// As a configuration would say it.
///
/// Parity: PostgREST (`dumpQi`) leaves out the dot before a name of several parts that has no
/// schema, and what it shows of such a name is another function.
impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.")?,
            None if self.name.contains('.') => f.write_str(".")?,
            None => {}
        }
        f.write_str(&self.name)
    }
}

/// A TCP port as it was configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Port(pub(crate) i64);

impl Port {
    /// The port, if it is one.
    ///
    /// Parity: a number that is no port is found out when the port is bound or called, not when
    /// the configuration is loaded (test/io/test_cli.py sets `admin-server-port` to -1).
    #[must_use]
    pub fn number(self) -> Option<u16> {
        u16::try_from(self.0).ok()
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The access mode of a Unix socket, between 600 and 777 octal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketMode(u32);

impl SocketMode {
    const DEFAULT: SocketMode = SocketMode(0o660);

    /// The bits for `chmod`.
    #[must_use]
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Parity: what follows the octal digits is ignored, so `660x` is 660 (readOct).
    pub(crate) fn parse(key: &str, text: &str) -> Result<SocketMode, String> {
        let end = text.find(|c: char| !c.is_digit(8)).unwrap_or(text.len());
        match u32::from_str_radix(&text[..end], 8) {
            _ if end == 0 => Err(format!("Invalid {key}: not an octal")),
            Ok(bits @ 0o600..=0o777) => Ok(SocketMode(bits)),
            _ => Err(format!("Invalid {key}: needs to be between 600 and 777")),
        }
    }
}

impl fmt::Display for SocketMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:o}", self.0)
    }
}

/// A closed set of words: an enum, its words, and the way between them.
macro_rules! words {
    (
        $(#[$about:meta])* $name:ident, $refusal:literal,
        { $($(#[$doc:meta])* $variant:ident = $word:literal,)* }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $name {
            /// All words that can be configured.
            pub(crate) const WORDS: &'static [&'static str] = &[$($word),*];

            pub(crate) fn parse(text: &str) -> Result<$name, String> {
                match text {
                    $($word => Ok($name::$variant),)*
                    _ => Err($refusal.to_owned()),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $($name::$variant => $word,)*
                })
            }
        }
    };
}

words! {
    /// How much an error tells the client.
    ErrorVerbosity, "Invalid client-error-verbosity. Check your configuration.",
    {
        /// Only `code` and `message`.
        Minimal = "minimal",
        /// Also `details` and `hint`.
        Verbose = "verbose",
    }
}

words! {
    /// After which requests a session is put in order.
    SessionReset, "Invalid db-session-reset. Check your configuration.",
    {
        /// After none.
        None = "none",
        /// After those that may have run code of the database's own.
        Touched = "touched",
        /// After each.
        Always = "always",
    }
}

words! {
    /// What a line of the log looks like.
    LogFormat, "Invalid log-format. Check your configuration.",
    {
        /// As PostgREST writes it, for people.
        Text = "text",
        /// A JSON object.
        Json = "json",
    }
}

words! {
    /// What is logged; each level includes those before it.
    LogLevel, "Invalid logging level. Check your configuration.",
    {
        /// Start-up and recovery only.
        Crit = "crit",
        /// Requests answered with 5xx.
        Error = "error",
        /// Requests answered with 4xx.
        Warn = "warn",
        /// All requests.
        Info = "info",
        /// The life of the pool and of the schema cache.
        Debug = "debug",
    }
}

words! {
    /// Whose privileges decide what the OpenAPI description shows.
    OpenApiMode, "Invalid openapi-mode. Check your configuration.",
    {
        /// Those of the role of the request.
        FollowPrivileges = "follow-privileges",
        /// Nobody's: everything exposed is shown.
        IgnorePrivileges = "ignore-privileges",
        /// There is no description.
        Disabled = "disabled",
    }
}

words! {
    /// Which version of OpenAPI the description is written in, unless the client says.
    OpenApiVersion, "Invalid openapi-version: it is 2.0 or 3.1.",
    {
        /// 2.0, as PostgREST writes it.
        V2 = "2.0",
        /// 3.1, with JSON Schema 2020-12.
        V31 = "3.1",
    }
}

words! {
    /// How the transaction of a request ends, if it does not fail.
    TransactionEnd, "Invalid transaction termination. Check your configuration.",
    {
        /// Always committed.
        Commit = "commit",
        /// Committed, unless the client prefers `tx=rollback`.
        CommitAllowOverride = "commit-allow-override",
        /// Always rolled back.
        Rollback = "rollback",
        /// Rolled back, unless the client prefers `tx=commit`.
        RollbackAllowOverride = "rollback-allow-override",
    }
}

impl TransactionEnd {
    /// Whether `Prefer: tx=…` is obeyed.
    #[must_use]
    pub fn allow_override(self) -> bool {
        match self {
            TransactionEnd::CommitAllowOverride | TransactionEnd::RollbackAllowOverride => true,
            TransactionEnd::Commit | TransactionEnd::Rollback => false,
        }
    }

    /// Whether a request without a preference is rolled back.
    #[must_use]
    pub fn rollback_by_default(self) -> bool {
        match self {
            TransactionEnd::Rollback | TransactionEnd::RollbackAllowOverride => true,
            TransactionEnd::Commit | TransactionEnd::CommitAllowOverride => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_function_name(text: &str, schema: Option<&str>, name: &str) {
        let function = FunctionName::parse(text);
        assert_eq!(
            (function.schema.as_deref(), function.name.as_str()),
            (schema, name),
            "{text}"
        );
        assert_eq!(
            FunctionName::parse(&function.to_string()),
            function,
            "{text}"
        );
    }

    #[test]
    fn a_function_name_is_split_at_its_first_dot() {
        check_function_name("f", None, "f");
        check_function_name("s.f", Some("s"), "f");
        check_function_name("s.f.g", Some("s"), "f.g");
        check_function_name("f.", None, "f");
        check_function_name(".f", None, "f");
        check_function_name(".f.", None, "f.");
        check_function_name(".f.g", None, "f.g");
    }

    #[track_caller]
    fn check_mode(text: &str, expected: Result<&str, &str>) {
        let mode = SocketMode::parse("k", text).map(|mode| mode.to_string());
        assert_eq!(
            mode.as_deref().map_err(String::as_str),
            expected,
            "{text:?}"
        );
    }

    #[test]
    fn socket_modes_are_octal_and_let_the_owner_read_and_write() {
        check_mode("600", Ok("600"));
        check_mode("777", Ok("777"));
        check_mode("0660", Ok("660"));
        check_mode("660x", Ok("660"));
        check_mode("577", Err("Invalid k: needs to be between 600 and 777"));
        check_mode("599", Err("Invalid k: needs to be between 600 and 777"));
        check_mode("778", Err("Invalid k: needs to be between 600 and 777"));
        check_mode(
            "777777777777777777",
            Err("Invalid k: needs to be between 600 and 777"),
        );
        check_mode("800", Err("Invalid k: not an octal"));
        check_mode("rw", Err("Invalid k: not an octal"));
        check_mode("-660", Err("Invalid k: not an octal"));
    }

    #[test]
    fn transaction_ends_know_their_two_answers() {
        let answers = |end: TransactionEnd| (end.rollback_by_default(), end.allow_override());
        assert_eq!(answers(TransactionEnd::Commit), (false, false));
        assert_eq!(answers(TransactionEnd::CommitAllowOverride), (false, true));
        assert_eq!(answers(TransactionEnd::Rollback), (true, false));
        assert_eq!(answers(TransactionEnd::RollbackAllowOverride), (true, true));
    }

    #[test]
    fn ports_outside_of_the_range_are_kept_but_have_no_number() {
        assert_eq!((Port(-1).number(), Port(65_536).number()), (None, None));
        assert_eq!(
            (Port(0).number(), Port(65_535).number()),
            (Some(0), Some(65_535))
        );
    }

    #[test]
    fn secrets_do_not_show_in_a_printed_config() {
        let config = Config {
            db_uri: Secret::new("postgres://u:hunter2@h/d".to_owned()),
            jwt_secret: Some(Secret::new(b"hunter2".to_vec())),
            ..Config::default()
        };
        let printed = format!("{config:?}");
        assert!(printed.contains("db_uri: REDACTED, "), "{printed}");
        assert!(printed.contains("jwt_secret: Some(REDACTED)"), "{printed}");
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}
