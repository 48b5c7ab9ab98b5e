//! The table of all keys, sorted by name.
//!
//! The documentation of an entry is what `--example` prints. It says what a value does and, for
//! our own keys, why the default is what it is. What entries of one type have in common stands
//! in [`entry`](super::entry).

use std::num::NonZeroUsize;

use super::entry::{
    bare, bare_or_empty, count, duration, in_file, integer, joined, parse_keys_urls,
    parse_openapi_version, parse_proxy_uri, parse_schemas, parsed, put, quoted, quoted_or_empty,
    show_secret, split_list,
};
use super::{Aliases, Apply, Key, Kind, Origin};
use crate::config::{
    ErrorVerbosity, FunctionName, LogFormat, LogLevel, OpenApiMode, OpenApiVersion, Port,
    SessionReset, SocketMode, TransactionEnd,
};
use crate::issuers::{Issuers, KeysUrl};
use crate::replicas::split_uris;
use crate::role_claim::RoleClaimKey;
use crate::secret::Secret;
use crate::uri::parse_audience;

/// PostgreSQL allocates no value of 1 GiB or more (MaxAllocSize).
const POSTGRES_VALUE_MAX: i64 = 0x3FFF_FFFF;

/// So long is remembered where the primary was.
const REPLICA_LAG_MAX: i64 = 3600;

/// PostgreSQL itself takes no more (MAX_BACKENDS).
const POSTGRES_CONNECTIONS_MAX: i64 = 0x3_FFFF;

/// Every key there is.
pub const KEYS: &[Key] = &[
    word!(
        "admin-server-host",
        admin_server_host,
        "The address that the admin server listens on. Unset, it is that of server-host."
    ),
    integer(
        "admin-server-port",
        i64::MIN,
        i64::MAX,
        "The port of the admin server, with its health checks and metrics. Unset, there is no \
         admin server. It cannot be the same as server-port.",
        |c, n| c.admin_server_port = Some(Port(n)),
        |c| bare_or_empty(c.admin_server_port),
    )
    .sample("3001"),
    text!(
        "admin-server-unix-socket",
        admin_server_unix_socket,
        "A Unix socket for the admin server, instead of a port."
    )
    .sample("\"/run/corerest/admin.sock\""),
    parsed(
        "admin-server-unix-socket-mode",
        Kind::Octal,
        "The access mode of that socket, between 600 and 777.",
        |c, text| {
            put(
                &mut c.admin_server_unix_socket_mode,
                SocketMode::parse("admin-server-unix-socket-mode", &text),
            )
        },
        |c| quoted(c.admin_server_unix_socket_mode),
    ),
    Key {
        apply: Apply::AppSettings,
        ..parsed(
            "app.settings.*",
            Kind::Prefix,
            "Settings of the application. Every key with this prefix is set in each transaction \
             under its full name, for SQL to read with current_setting.",
            |_, _| Ok(()),
            |_| quoted(""),
        )
    }
    .sample("\"a value\"")
    .reloadable(),
    choice!(
        "client-error-verbosity",
        client_error_verbosity,
        ErrorVerbosity,
        "How much an error tells the client: with minimal, only its code and message."
    )
    .reloadable()
    .in_database(),
    boolean!(
        "db-aggregates-enabled",
        db_aggregates_enabled,
        "Allow aggregate functions in select. They can make requests expensive."
    )
    .reloadable()
    .in_database(),
    text!(
        "db-anon-role",
        db_anon_role,
        "The role for requests without a token. Unset, such requests are refused."
    )
    .sample("\"anon\"")
    .reloadable()
    .in_database(),
    word!(
        "db-channel",
        db_channel,
        "The channel whose notifications reload the schema cache and the configuration."
    )
    .reloadable(),
    boolean!(
        "db-channel-enabled",
        db_channel_enabled,
        "Listen on db-channel. Switch it off behind a pooler that works by transaction."
    )
    .reloadable(),
    boolean!(
        "db-config",
        db_config,
        "Read configuration from the database, too."
    )
    .reloadable(),
    Key {
        apply: Apply::TextOrEmpty(|c, text| {
            c.db_extra_search_path = match text.as_str() {
                "" => Vec::new(),
                _ => split_list(&text),
            }
        }),
        ..list!(
            "db-extra-search-path",
            db_extra_search_path,
            "Schemas that the search path of every request has behind the schema of the request. \
             They are not exposed. Empty, there are none."
        )
    }
    .reloadable()
    .in_database(),
    list!(
        "db-hoisted-tx-settings",
        db_hoisted_tx_settings,
        "Settings of a function that are set for its whole transaction, not only inside of it."
    )
    .reloadable()
    .in_database(),
    integer(
        "db-max-rows",
        i64::MIN,
        i64::MAX,
        "The most rows that one request gets. Unset, there is no limit.",
        |c, n| c.db_max_rows = Some(n),
        |c| bare_or_empty(c.db_max_rows),
    )
    .sample("1000")
    .alias(Aliases::After("max-rows"))
    .reloadable()
    .in_database(),
    boolean!(
        "db-plan-enabled",
        db_plan_enabled,
        "Answer with the execution plan to Accept: application/vnd.pgrst.plan."
    )
    .reloadable()
    .in_database(),
    integer(
        "db-pool",
        1,
        POSTGRES_CONNECTIONS_MAX,
        "The most connections to the database, for requests of all cores together.",
        |c, n| c.db_pool = NonZeroUsize::new(count(n)).unwrap_or(NonZeroUsize::MIN),
        |c| bare(c.db_pool),
    ),
    seconds!(
        "db-pool-acquisition-timeout",
        db_pool_acquisition_timeout,
        0,
        "Seconds that a request waits for a connection; then it is answered with 504."
    ),
    boolean!(
        "db-pool-automatic-recovery",
        db_pool_automatic_recovery,
        "Connect again after the database was lost. If false, the server ends instead."
    )
    .reloadable(),
    // Parity: the alias wins over the key (Config.hs).
    seconds!(
        "db-pool-max-idletime",
        db_pool_max_idletime,
        0,
        "Seconds after which an idle connection to the database is closed."
    )
    .alias(Aliases::Before("db-pool-timeout")),
    seconds!(
        "db-pool-max-lifetime",
        db_pool_max_lifetime,
        0,
        "Seconds after which a connection to the database is replaced by a new one."
    ),
    function!(
        "db-pre-config",
        db_pre_config,
        "A function that sets configuration in the database, with set_config."
    )
    .sample("\"private.pre_config\"")
    .reloadable()
    .in_database(),
    function!(
        "db-pre-request",
        db_pre_request,
        "A function that is called in every transaction before the request itself."
    )
    .sample("\"private.check_request\"")
    .alias(Aliases::After("pre-request"))
    .reloadable()
    .in_database(),
    boolean!(
        "db-prepared-statements",
        db_prepared_statements,
        "Prepare statements. Switch it off behind a pooler that works by transaction and does \
         not know prepared statements."
    )
    .reloadable()
    .in_database(),
    boolean!(
        "db-replica-fallback",
        db_replica_fallback,
        "Whether reads go to the primary while no replica will do. They take half of its \
         connections at most, so that writes are not kept waiting. If false, they are answered \
         with 503."
    )
    .own(),
    integer(
        "db-replica-max-lag",
        1,
        REPLICA_LAG_MAX,
        "Seconds that a replica may be behind the primary; one that is further behind, or that \
         nothing is known of, is asked for nothing until it has caught up.",
        |c, n| c.db_replica_max_lag = duration(n),
        |c| bare(c.db_replica_max_lag.as_secs()),
    )
    .own(),
    function!(
        "db-root-spec",
        db_root_spec,
        "A function that answers requests to / instead of the OpenAPI description."
    )
    .sample("\"root\"")
    .alias(Aliases::After("root-spec"))
    .reloadable()
    .in_database(),
    parsed(
        "db-schemas",
        Kind::List,
        "The schemas that are exposed. The first one is used unless the request names another.",
        |c, text| put(&mut c.db_schemas, parse_schemas(&text)),
        |c| quoted(c.db_schemas.join(",")),
    )
    .alias(Aliases::After("db-schema"))
    .reloadable()
    .in_database(),
    choice!(
        "db-session-reset",
        db_session_reset,
        SessionReset,
        "After which requests the session of their connection is put in order, so that settings, \
         temporary tables, locks and the like of one are not seen by the next. touched: after \
         calls, writes, and reads that may run a function of the database's; always: after each; \
         none: as PostgREST. Settings that PostgreSQL reports, such as client_encoding and \
         TimeZone, never stay."
    )
    .reloadable()
    .own(),
    boolean!(
        "db-stream-rows",
        db_stream_rows,
        "Send the rows of JSON as PostgreSQL finds them, always, as the header Prefer: stream asks \
         for. Their number is not known before the first one, so Content-Range is told only with \
         Prefer: count."
    )
    .reloadable()
    .own(),
    choice!(
        "db-tx-end",
        db_tx_end,
        TransactionEnd,
        "How a transaction ends. With allow-override, the header Prefer: tx=commit or \
         tx=rollback decides."
    )
    .in_database(),
    parsed(
        "db-uri",
        Kind::Text,
        "The connection to PostgreSQL: a URI, or key=value pairs as libpq reads them. What is \
         missing comes from PGHOST, PGUSER and the like. \"@file\" reads it from a file.",
        |c, text| put(&mut c.db_uri, Ok(Secret::new(text))),
        |c| quoted(c.db_uri.expose()),
    ),
    parsed(
        "db-uri-read-replicas",
        Kind::Text,
        "The connections to replicas, which answer reads: URIs, with blanks, line ends or commas \
         between them, or one connection of key=value pairs; each may name several hosts. \
         \"@file\" reads them from a file. There are db-pool connections to each of them.",
        |c, text| put(&mut c.db_uri_read_replicas, Ok(split_uris(&text))),
        |c| quoted(joined(&c.db_uri_read_replicas)),
    )
    .sample("\"postgres://authenticator@replica.internal/app\"")
    .own(),
    milliseconds!(
        "internal-schema-cache-query-sleep",
        internal_schema_cache_query_sleep,
        "Milliseconds to sleep in the queries that load the schema cache."
    ),
    milliseconds!(
        "internal-schema-cache-query-sleep-before-queries",
        internal_schema_cache_query_sleep_before_queries,
        "Milliseconds to sleep before the queries that load the schema cache."
    ),
    parsed(
        "jwt-aud",
        Kind::Text,
        "The audience that tokens must be meant for. With a colon in it, it must be a URI.",
        |c, text| put(&mut c.jwt_aud, parse_audience(text)),
        |c| quoted_or_empty(c.jwt_aud.as_ref()),
    )
    .sample("\"https://api.example.com\"")
    .reloadable()
    .in_database(),
    integer(
        "jwt-cache-max-entries",
        0,
        i64::MAX,
        "The most tokens whose checked signatures are remembered; 0 remembers none.",
        |c, n| c.jwt_cache_max_entries = count(n),
        |c| bare(c.jwt_cache_max_entries),
    )
    .reloadable()
    .in_database(),
    parsed(
        "jwt-issuers",
        Kind::Text,
        "Whose tokens are taken: URLs of issuers with commas between them, as tokens have them in \
         iss. Their keys are fetched as /.well-known/openid-configuration says, and count for \
         their own tokens only; jwt-secret goes on for tokens of nobody in the list. Or a JSON \
         array of objects with issuer, and perhaps jwks_uri, audience and role_claim_key, which \
         count instead of what the issuer says, jwt-aud and jwt-role-claim-key. \"@file\" reads \
         either from a file.",
        |c, text| {
            let named = |why| format!("Invalid jwt-issuers: {why}");
            put(&mut c.jwt_issuers, Issuers::parse(&text).map_err(named))
        },
        |c| quoted(in_file(&c.jwt_issuers)),
    )
    .sample("\"https://login.example.com\"")
    .reloadable()
    .own(),
    boolean!(
        "jwt-jwks-allow-http",
        jwt_jwks_allow_http,
        "Fetch keys by http, too, and not from this machine alone. Whoever is on the way to them \
         can be anybody then, so it is for networks in which nobody is."
    )
    .reloadable()
    .own(),
    text!(
        "jwt-jwks-ca-file",
        jwt_jwks_ca_file,
        "Certificates (PEM) that vouch for those whom keys are fetched from, beside those that the \
         system has."
    )
    .sample("\"/etc/corerest/ca.pem\"")
    .reloadable()
    .own(),
    parsed(
        "jwt-jwks-uri",
        Kind::List,
        "URLs of sets of public keys (JSON Web Key Sets) that tokens are checked with, beside \
         jwt-secret: https, http from this machine alone, or file:. They are fetched again as \
         often as their Cache-Control says, every 1 to 60 minutes. Not together with jwt-issuers.",
        |c, text| put(&mut c.jwt_jwks_uri, parse_keys_urls(&text)),
        |c| {
            let urls: Vec<&str> = c.jwt_jwks_uri.iter().map(KeysUrl::as_str).collect();
            quoted(in_file(urls.join(",")))
        },
    )
    .reloadable()
    .own(),
    parsed(
        "jwt-role-claim-key",
        Kind::Text,
        "Where a token has its role: a JSONPath (RFC 9535). In a file, each $ is written $$.",
        |c, text| put(&mut c.jwt_role_claim_key, RoleClaimKey::parse(&text)),
        |c| quoted(in_file(&c.jwt_role_claim_key)),
    )
    .alias(Aliases::After("role-claim-key"))
    .reloadable()
    .in_database(),
    parsed(
        "jwt-secret",
        Kind::Text,
        "What tokens are checked with: a secret of at least 32 characters, or a JSON Web Key or \
         key set. \"@file\" reads it from a file.",
        |c, text| put(&mut c.jwt_secret, Ok(Some(Secret::new(text.into_bytes())))),
        show_secret,
    )
    .sample("\"at least 32 characters of a secret\"")
    .reloadable()
    .in_database(),
    boolean!(
        "jwt-secret-is-base64",
        jwt_secret_is_base64,
        "Whether jwt-secret is base64."
    )
    .alias(Aliases::After("secret-is-base64"))
    .reloadable()
    .in_database(),
    boolean!(
        "jwt-strict-keys",
        jwt_strict_keys,
        "Whether keys that are weaker than the standards want them are refused: RSA under 2048 \
         bits, secrets in JSON Web Keys that are shorter than their hash, key_ops without verify, \
         and sets in which no key verifies. Otherwise the log warns of them."
    )
    .reloadable()
    .own(),
    choice!(
        "log-format",
        log_format,
        LogFormat,
        "What a line of the log looks like. text: as PostgREST writes it; json: an object on a \
         line, for programs that collect logs."
    )
    .reloadable()
    .own(),
    choice!(
        "log-level",
        log_level,
        LogLevel,
        "What is logged. crit: start and recovery; error: also requests answered with 5xx; \
         warn: also 4xx; info: all requests; debug: also the inner life of the server."
    )
    .reloadable(),
    boolean!(
        "log-query",
        log_query,
        "Log the SQL of the requests that log-level logs."
    )
    .reloadable(),
    boolean!(
        "log-query-string",
        log_query_string,
        "Log the query strings of requests, and of their Referer headers. They have the values of \
         filters and arguments in them."
    )
    .reloadable()
    .own(),
    choice!(
        "openapi-mode",
        openapi_mode,
        OpenApiMode,
        "Whose privileges decide what the OpenAPI description at / shows: those of the role of \
         the request, nobody's, or disabled for no description at all."
    )
    .reloadable()
    .in_database(),
    boolean!(
        "openapi-security-active",
        openapi_security_active,
        "Say in the OpenAPI description that requests are authenticated."
    )
    .reloadable()
    .in_database(),
    parsed(
        "openapi-server-proxy-uri",
        Kind::Text,
        "The address of the API for the OpenAPI description, where a proxy stands before it.",
        |c, text| put(&mut c.openapi_server_proxy_uri, parse_proxy_uri(text)),
        |c| quoted_or_empty(c.openapi_server_proxy_uri.as_ref()),
    )
    .sample("\"https://api.example.com/v1\"")
    .in_database(),
    Key {
        kind: Kind::OneOf(OpenApiVersion::WORDS),
        ..parsed(
            "openapi-version",
            Kind::Text,
            "The version of OpenAPI that the description at / is written in, unless the client \
             asks for one (Accept: application/openapi+json;version=3.1).",
            |c, text| put(&mut c.openapi_version, parse_openapi_version(&text)),
            |c| quoted(c.openapi_version),
        )
    }
    .reloadable()
    .own(),
    seconds!(
        "server-body-timeout",
        server_body_timeout,
        1,
        "Seconds in which 16 KiB of a request body must arrive, or the rest of it; then it is \
         answered with 408. A slow but steady upload is not cut off. Of a body that is written \
         part by part it is 256 KiB, for a transaction is open as long."
    )
    .own(),
    boolean!(
        "server-cancel-on-disconnect",
        server_cancel_on_disconnect,
        "Cancel the query of a read whose client goes away before the answer, so that nothing is \
         computed for nobody, and its connection is used again at once. A client that only says \
         that it has no more to send counts as gone, as with nginx; the log has status 499. Writes \
         are never cancelled."
    )
    .own(),
    boolean!(
        "server-console-enabled",
        server_console_enabled,
        "Show a console to browsers at /, and one about the server at / of the admin server. \
         Everybody who reaches the server may open it, and sees what the API shows to the role of \
         their token; besides, the page knows the exposed schemas, the anonymous role, and the \
         port of the admin server. Clients that do not prefer HTML notice nothing."
    )
    .reloadable()
    .own(),
    integer(
        "server-cores",
        0,
        4096,
        "How many cores there are, each with its own threads and its own share of db-pool, so \
         never more than db-pool. 0 is one for each CPU that the process may use at a time, by its \
         affinity and by the quotas of its control group, and no more than half of db-pool.",
        |c, n| c.server_cores = NonZeroUsize::new(count(n)),
        |c| bare(c.server_cores.map_or(0, NonZeroUsize::get)),
    )
    .own(),
    list!(
        "server-cors-allowed-origins",
        server_cors_allowed_origins,
        "The origins whose pages may read answers (CORS). Empty, all may."
    )
    .in_database(),
    boolean!(
        "server-events-enabled",
        server_events_enabled,
        "Whether a GET with Accept: text/event-stream of a function that returns the domain \
         \"text/event-stream\" hears events: the function returns the names of channels, one a \
         line, and whatever is notified on them is passed on (Server-Sent Events) until the client \
         leaves. For that the server has one more connection, which must lead to PostgreSQL \
         itself, or to a pooler that keeps sessions. false, what the function returns is the \
         answer, as PostgREST has it."
    )
    .reloadable()
    .own(),
    seconds!(
        "server-header-timeout",
        server_header_timeout,
        1,
        "Seconds from the first byte of a request to the end of its headers; then it is answered \
         with 408. Headers fit into a few packets; a client that needs longer is stuck, or holds \
         connections on purpose."
    )
    .own(),
    word!(
        "server-host",
        server_host,
        "The address to listen on: a host or an address, or one of * and *4 (any, IPv4 first), \
         *6 (any, IPv6 first), !4 (any IPv4), !6 (any IPv6)."
    ),
    seconds!(
        "server-idle-timeout",
        server_idle_timeout,
        1,
        "Seconds after which an idle client connection is closed. It must be longer than the \
         proxy in front keeps connections, usually 60, or the proxy sends a request into a \
         connection that is just being closed."
    )
    .own(),
    integer(
        "server-max-body-bytes",
        1,
        POSTGRES_VALUE_MAX,
        "The largest request body; 413 beyond it. A body is one parameter of a statement, and \
         PostgreSQL takes none of 1 GiB or more; the default leaves a MiB for what surrounds it. \
         Inserts of lines of JSON and of CSV are taken in parts, and may be longer.",
        |c, n| c.server_max_body_bytes = count(n),
        |c| bare(c.server_max_body_bytes),
    )
    .own(),
    integer(
        "server-max-channels",
        1,
        i32::MAX as i64,
        "How many channels the server listens to for those who hear events \
         (server-events-enabled), all of them together; whoever wants another one is answered with \
         503. PostgreSQL looks through all of them for each notification, so the default is what \
         costs it nothing.",
        |c, n| c.server_max_channels = count(n),
        |c| bare(c.server_max_channels),
    )
    .reloadable()
    .own(),
    integer(
        "server-max-connections",
        1,
        i32::MAX as i64,
        "The most client connections at once; further ones wait to be accepted. The limit of \
         open files bounds it, too. It keeps the memory bounded, and is far above what a proxy \
         opens. When all places are taken, clients that have asked for nothing, and those that \
         have been idle for the longest, are closed for new ones, or else those whose bodies do \
         not come on, and the log says so once a minute.",
        |c, n| c.server_max_connections = count(n),
        |c| bare(c.server_max_connections),
    )
    .own(),
    integer(
        "server-max-header-bytes",
        1024,
        16 * 1024 * 1024,
        "The longest head of a request: line and headers. 431 beyond it, and 414 for a line of \
         more than seven eighths of it. URLs with long filters must fit, which PostgREST takes up \
         to 50 KiB; the default is the next power of two.",
        |c, n| c.server_max_header_bytes = count(n),
        |c| bare(c.server_max_header_bytes),
    )
    .own(),
    integer(
        "server-max-memory",
        0,
        i64::MAX,
        "How many bytes all clients together may make the server hold: bodies of requests, \
         beginnings of requests, and answers that are not sent yet. Beyond that, who asks for more \
         gets 503 with Retry-After (413 if the body alone is larger), and the others go on; the \
         answer of a write goes to the spool instead. Unset, it is half of what the process may \
         use: the least of its control groups' limits, its own (ulimit), and the machine's memory. \
         0 sets no limit.",
        |c, n| c.server_max_memory = Some(count(n)),
        |c| bare_or_empty(c.server_max_memory),
    )
    .sample("1073741824")
    .own(),
    integer(
        "server-max-slow-readers",
        0,
        POSTGRES_CONNECTIONS_MAX,
        "How many connections to PostgreSQL may wait for clients that read slowly, while other \
         requests have waited for a connection for a second and the spool \
         (server-max-spool-bytes) is full. Beyond that, the answer that has stood still for the \
         longest time is cut off: its client's connection is closed, and the log says why. Unset, \
         it is half of db-pool, so that the other half serves the others.",
        |c, n| c.server_max_slow_readers = Some(count(n)),
        |c| bare_or_empty(c.server_max_slow_readers),
    )
    .sample("5")
    .own(),
    integer(
        "server-max-spool-bytes",
        0,
        i64::MAX,
        "How many bytes of answers may wait in files for clients that read slowly. An answer is \
         brought there, if it is still with PostgreSQL, when other requests wait for its \
         connection, and never before. The default is four of the largest answers. There are as \
         many files at a time as a sixteenth of the limit of open files. 0 writes no files.",
        |c, n| c.server_max_spool_bytes = n.unsigned_abs(),
        |c| bare(c.server_max_spool_bytes),
    )
    .own(),
    boolean!(
        "server-pin-cores",
        server_pin_cores,
        "Pin the threads of a core to its CPU, so that their data stays in its caches, where the \
         process has CPUs of its own: some of all, by taskset, cpusets or CPUAffinity, and no \
         quota. With PostgreSQL on the same machine they are never pinned: its processes would \
         crowd one CPU while the other idles. Threads that are not pinned run as SCHED_BATCH, so \
         as not to interrupt others."
    )
    .own(),
    integer(
        "server-port",
        i64::MIN,
        i64::MAX,
        "The port to listen on. With 0 the system chooses one, which is logged.",
        |c, n| c.server_port = Port(n),
        |c| bare(c.server_port),
    ),
    boolean!(
        "server-reuseport",
        server_reuseport,
        "Let other processes listen on the same port (SO_REUSEPORT), to replace this one."
    ),
    integer(
        "server-shutdown-grace",
        0,
        3600,
        "Seconds from the first SIGTERM until connections without a request are closed. From its \
         first moment on, each answer says Connection: close, and /ready is 503. On a port that \
         no other process has taken over, new clients are served as long, so that a load balancer \
         has time to notice: set it to what that needs, and keep it below TimeoutStopSec or \
         terminationGracePeriodSeconds of who stops it. Unset, it is 5 if another process has \
         taken over, for nobody waits for this one, and 0 otherwise, for a stop should be short.",
        |c, n| c.server_shutdown_grace = Some(duration(n)),
        |c| bare_or_empty(c.server_shutdown_grace.map(|grace| grace.as_secs())),
    )
    .sample("10")
    .own(),
    word!(
        "server-spool-directory",
        server_spool_directory,
        "The folder for the files of server-max-spool-bytes, which have no name and mode 0600. If \
         none can be made there, the log says so at the start, and there is no spool. The default \
         is on a disk where /tmp is in memory."
    )
    .own(),
    integer(
        "server-threads-per-core",
        0,
        1024,
        "Threads on each CPU. 0 is one for each connection in the core's share of db-pool, so \
         that all of them can be busy, and one more that answers the clients meanwhile. Fewer \
         leave connections unused, since one thread always stays free.",
        |c, n| c.server_threads_per_core = NonZeroUsize::new(count(n)),
        |c| bare(c.server_threads_per_core.map_or(0, NonZeroUsize::get)),
    )
    .own(),
    boolean!(
        "server-timing-enabled",
        server_timing_enabled,
        "Tell in the header Server-Timing how long the parts of a request took."
    )
    .reloadable()
    .in_database(),
    text!(
        "server-trace-header",
        server_trace_header,
        "A request header that is sent back with the answer, to trace requests."
    )
    .sample("\"X-Request-Id\"")
    .reloadable()
    .in_database(),
    text!(
        "server-unix-socket",
        server_unix_socket,
        "A Unix socket to listen on, instead of a port."
    )
    .sample("\"/run/corerest/corerest.sock\""),
    parsed(
        "server-unix-socket-mode",
        Kind::Octal,
        "The access mode of that socket, between 600 and 777.",
        |c, text| {
            put(
                &mut c.server_unix_socket_mode,
                SocketMode::parse("server-unix-socket-mode", &text),
            )
        },
        |c| quoted(c.server_unix_socket_mode),
    ),
    seconds!(
        "server-write-timeout",
        server_write_timeout,
        1,
        "Seconds in which a client must take some more of its answer, or its connection is \
         closed. Only standing still counts."
    )
    .own(),
    boolean!(
        "url-use-legacy-target-names",
        url_use_legacy_target_names,
        "Let filters name an embedded table although it has an alias in the request."
    )
    .reloadable()
    .in_database(),
];
