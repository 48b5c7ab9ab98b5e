//! What to connect to, as a type that cannot be wrong.
//!
//! [`Target::parse`] takes the connection string and the environment, fills in libpq's defaults and
//! refuses what it does not understand; afterwards nothing is checked again. It reads no file:
//! the password file and certificates are read when a session is opened, so that changes of them
//! need no restart, as with libpq.
//! Invariant: the password is in [`Password`], which does not print.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::address::{Address, Endpoint, Place};
use super::attributes::{SessionFacts, TargetSessionAttributes};
use super::authenticate::{AuthMethods, ChannelBindingMode};
use super::conninfo::{self, Settings};
use super::environment::Environment;
use super::error::ConnectError;
use super::keywords::{KEYWORDS, SESSION_VARIABLES, Support};
use super::password::Password;
use super::socket::Keepalive;
use super::tls::{CertificateMode, TlsMode, TlsSettings, TlsVersion};

/// Where Debian's libpq looks for Unix sockets; upstream's default, `/tmp`, is world-writable.
pub(super) const DEFAULT_SOCKET_DIRECTORY: &str = "/var/run/postgresql";
const DEFAULT_PORT: u16 = 5432;
/// libpq rounds 1 up to 2 because a whole handshake in less than a second is often too strict.
const CONNECT_TIMEOUT_MIN: Duration = Duration::from_secs(2);

/// Whether hosts are tried in the order given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HostOrder {
    AsGiven,
    Random,
}

/// What to connect to.
#[derive(Clone, Debug)]
pub struct Target {
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) host_order: HostOrder,
    pub(super) user: String,
    pub(super) database: String,
    pub(super) password: Option<Password>,
    pub(super) password_file: Option<PathBuf>,
    pub(super) application_name: Option<String>,
    pub(super) fallback_application_name: Option<String>,
    pub(super) options: Option<String>,
    /// Settings of the session that come from variables such as `PGTZ`.
    pub(super) session_settings: Vec<(&'static str, String)>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) keepalive: Keepalive,
    pub(super) session_attributes: TargetSessionAttributes,
    pub(super) channel_binding: ChannelBindingMode,
    pub(super) auth_methods: AuthMethods,
    pub(super) tls: TlsSettings,
}

impl Target {
    /// Reads a connection string in either syntax; what it lacks comes from the environment.
    pub fn parse(text: &str, environment: &Environment) -> Result<Target, ConnectError> {
        let values = Values {
            settings: conninfo::parse(text)?,
            environment,
        };
        values.check_refused()?;
        let user = values
            .text("user")
            .or(environment.user().map(str::to_owned));
        let user = user.ok_or_else(|| ConnectError::Parameters("no user name given".into()))?;
        let timeout: Option<i32> = values.number("connect_timeout")?;
        let mut target = Target {
            endpoints: endpoints(&values)?,
            host_order: values
                .choice("load_balance_hosts")?
                .unwrap_or(HostOrder::AsGiven),
            database: values.text("dbname").unwrap_or_else(|| user.clone()),
            user,
            password: values.text("password").map(Password::new),
            password_file: values.file("passfile", ".pgpass"),
            application_name: values.text("application_name"),
            fallback_application_name: values.text("fallback_application_name"),
            options: values.text("options"),
            session_settings: values.session_settings(),
            connect_timeout: timeout
                .and_then(|seconds| u64::try_from(seconds).ok())
                .filter(|&seconds| seconds > 0)
                .map(|seconds| Duration::from_secs(seconds).max(CONNECT_TIMEOUT_MIN)),
            keepalive: keepalive(&values)?,
            session_attributes: values.choice("target_session_attrs")?.unwrap_or_default(),
            channel_binding: values.choice("channel_binding")?.unwrap_or_default(),
            auth_methods: values.choice("require_auth")?.unwrap_or_default(),
            tls: tls_settings(&values)?,
        };
        target.check_zero_bytes()?;
        target.tls.check()?;
        if target.channel_binding == ChannelBindingMode::Require {
            target.auth_methods = target.auth_methods.only_scram();
        }
        Ok(target)
    }

    /// The same target with a name to show in `pg_stat_activity` if the user chose none.
    pub fn with_fallback_application_name(mut self, name: impl Into<String>) -> Target {
        self.fallback_application_name = Some(name.into());
        self
    }

    /// The same target with another demand on the session, as a listener needs that must write.
    pub fn with_session_attributes(mut self, attributes: TargetSessionAttributes) -> Target {
        self.session_attributes = attributes;
        self
    }

    /// Whether a standby is wanted if there is one, and another server if there is none.
    pub fn prefers_standby(&self) -> bool {
        self.session_attributes == TargetSessionAttributes::PreferStandby
    }

    /// Whether any session will do.
    pub(crate) fn takes_any_session(&self) -> bool {
        self.session_attributes == TargetSessionAttributes::Any
    }

    /// Whether a session that is so is what `target_session_attrs` asks for.
    pub(crate) fn suits(&self, facts: SessionFacts) -> bool {
        self.session_attributes.check(facts).is_ok()
    }

    /// The same target for who wants to write: what the user has not decided is a primary.
    pub fn for_primary(self) -> Target {
        match self.session_attributes {
            TargetSessionAttributes::Any => {
                self.with_session_attributes(TargetSessionAttributes::Primary)
            }
            _ => self,
        }
    }

    /// The hosts and ports, as the user has called them.
    pub fn hosts(&self) -> String {
        let hosts = self.endpoints.iter().map(|endpoint| {
            let Endpoint { name, place, port } = endpoint;
            match place {
                Place::Directory(folder) if name.is_empty() => format!("{folder}:{port}"),
                Place::Numeric(address) if name.is_empty() => format!("{address}:{port}"),
                _ => format!("{name}:{port}"),
            }
        });
        hosts.collect::<Vec<_>>().join(",")
    }

    /// The same target, but for this one server of it, and whatever kind of session it gives.
    pub(crate) fn at(mut self, host: &str, address: &Address) -> Target {
        let (place, port) = match address {
            Address::Tcp { address, .. } => (Place::Numeric(address.ip()), address.port()),
            Address::Unix { path } => {
                let text = path.to_string_lossy();
                let (folder, port) = text.rsplit_once("/.s.PGSQL.").unwrap_or((&text, ""));
                let port = port.parse().unwrap_or(DEFAULT_PORT);
                (Place::Directory(folder.to_owned()), port)
            }
        };
        let name = host.to_owned();
        self.endpoints = vec![Endpoint { name, place, port }];
        self.with_session_attributes(TargetSessionAttributes::Any)
    }

    /// Whether PostgreSQL shares this machine's CPUs with us: all hosts are Unix sockets or
    /// loopback addresses.
    pub fn is_local(&self) -> bool {
        self.endpoints.iter().all(Endpoint::is_local)
    }

    /// The user to log in as.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The database to connect to.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// What a session is opened with, apart from `user` and `database`.
    pub(super) fn startup_settings(&self) -> Vec<(&str, &str)> {
        let name = self
            .application_name
            .as_ref()
            .or(self.fallback_application_name.as_ref());
        let mut settings = vec![("client_encoding", "UTF8")];
        settings.extend(name.map(|name| ("application_name", name.as_str())));
        settings.extend(
            self.options
                .iter()
                .map(|options| ("options", options.as_str())),
        );
        let session = self.session_settings.iter();
        settings.extend(session.map(|(name, value)| (*name, value.as_str())));
        settings
    }

    /// A zero byte ends a string on the wire, so it must not get that far.
    fn check_zero_bytes(&self) -> Result<(), ConnectError> {
        let password = self
            .password
            .as_ref()
            .map(Password::bytes)
            .unwrap_or_default();
        let strings = [self.user.as_bytes(), self.database.as_bytes(), password];
        let settings = self.startup_settings();
        let settings = settings.iter().map(|(_, value)| value.as_bytes());
        if strings
            .into_iter()
            .chain(settings)
            .any(|text| text.contains(&0))
        {
            let text = "a connection parameter contains a zero byte";
            return Err(ConnectError::Parameters(text.into()));
        }
        Ok(())
    }
}

/// The values of keywords: from the string, else from the environment.
struct Values<'e> {
    settings: Settings,
    environment: &'e Environment,
}

impl Values<'_> {
    /// The value if it is there and not empty; an empty one hides the variable, as in libpq.
    fn text(&self, name: &str) -> Option<String> {
        let given = self.settings.iter().rev().find(|(found, _)| *found == name);
        let value = match given {
            Some((_, value)) => Some(value.as_str()),
            None => {
                let keyword = KEYWORDS.iter().find(|keyword| keyword.name == name);
                debug_assert!(keyword.is_some(), "{name} is in the table");
                keyword
                    .and_then(|keyword| keyword.variable)
                    .and_then(|variable| self.environment.variable(variable))
            }
        };
        value.filter(|value| !value.is_empty()).map(str::to_owned)
    }

    fn number<N: FromStr>(&self, name: &str) -> Result<Option<N>, ConnectError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        text.trim().parse().map(Some).map_err(|_| {
            ConnectError::Parameters(format!(
                "invalid integer value \"{text}\" for connection option \"{name}\""
            ))
        })
    }

    fn choice<C: FromStr>(&self, name: &str) -> Result<Option<C>, ConnectError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        text.parse()
            .map(Some)
            .map_err(|_| ConnectError::Parameters(format!("invalid {name} value: \"{text}\"")))
    }

    /// A file that is named, or else this one below the home directory.
    fn file(&self, name: &str, below_home: &str) -> Option<PathBuf> {
        let named = self.text(name).map(PathBuf::from);
        named.or_else(|| Some(self.environment.home()?.join(below_home)))
    }

    fn flag(&self, name: &str) -> Result<bool, ConnectError> {
        let value: Option<i64> = self.number(name)?;
        Ok(value != Some(0))
    }

    fn session_settings(&self) -> Vec<(&'static str, String)> {
        SESSION_VARIABLES
            .iter()
            .filter_map(|(variable, setting)| {
                let value = self.environment.variable(variable)?;
                // libpq lets "default" mean what the server has.
                (!value.eq_ignore_ascii_case("default")).then(|| (*setting, value.to_owned()))
            })
            .collect()
    }

    fn check_refused(&self) -> Result<(), ConnectError> {
        for keyword in KEYWORDS {
            let Support::RefusedExcept(harmless) = keyword.support else {
                continue;
            };
            match self.text(keyword.name) {
                Some(value) if !harmless.contains(&value.as_str()) => {
                    let name = keyword.name;
                    let text = format!("connection option \"{name}\" is not supported");
                    return Err(ConnectError::Parameters(text));
                }
                Some(_) | None => {}
            }
        }
        Ok(())
    }
}

/// Puts the lists of `host`, `hostaddr` and `port` together.
fn endpoints(values: &Values<'_>) -> Result<Vec<Endpoint>, ConnectError> {
    let list = |name| -> Vec<String> {
        let text = values.text(name).unwrap_or_default();
        text.split(',').map(|item| item.trim().to_owned()).collect()
    };
    let (hosts, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
    let with_addresses = values.text("hostaddr").is_some();
    let count = if with_addresses {
        addresses.len()
    } else {
        hosts.len()
    };
    if with_addresses && values.text("host").is_some() && hosts.len() != count {
        return Err(ConnectError::Parameters(format!(
            "could not match {} host names to {count} hostaddr values",
            hosts.len()
        )));
    }
    if ports.len() != 1 && ports.len() != count {
        return Err(ConnectError::Parameters(format!(
            "could not match {} port numbers to {count} hosts",
            ports.len()
        )));
    }
    (0..count)
        .map(|at| {
            let name = hosts.get(at).cloned().unwrap_or_default();
            let address = addresses.get(at).filter(|text| !text.is_empty());
            let port = parse_port(if ports.len() == 1 {
                &ports[0]
            } else {
                &ports[at]
            })?;
            endpoint(name, address.map(String::as_str), port)
        })
        .collect()
}

fn endpoint(name: String, address: Option<&str>, port: u16) -> Result<Endpoint, ConnectError> {
    let place = match address {
        Some(text) => Place::Numeric(text.parse().map_err(|_| {
            ConnectError::Parameters(format!(
                "could not parse network address \"{text}\": Name or service not known"
            ))
        })?),
        None if name.is_empty() => Place::Directory(DEFAULT_SOCKET_DIRECTORY.to_owned()),
        None if name.starts_with(['/', '@']) => Place::Directory(name.clone()),
        None => match name.parse::<IpAddr>() {
            Ok(address) => Place::Numeric(address),
            Err(_) => Place::Name,
        },
    };
    Ok(Endpoint { name, place, port })
}

/// The text is not repeated unless it is a number: an unescaped `/` in a password makes the
/// password's first half the "port" of a URI.
fn parse_port(text: &str) -> Result<u16, ConnectError> {
    if text.is_empty() {
        return Ok(DEFAULT_PORT);
    }
    match text.parse() {
        Ok(0) | Err(_) => Err(ConnectError::Parameters(
            if text.bytes().all(|byte| byte.is_ascii_digit()) {
                format!("invalid port number: \"{text}\"")
            } else {
                "invalid port number (in a URI, write \"/\" in a password as %2F)".to_owned()
            },
        )),
        Ok(port) => Ok(port),
    }
}

/// How the death of a server is noticed when the user does not say how.
///
/// The system's own values are two hours for a server that owes an answer, and a quarter of an
/// hour for one that takes in nothing. With these it is twenty seconds for either, while a network
/// may be away for ten without costing a connection.
const KEEPALIVE: Keepalive = Keepalive {
    enabled: true,
    idle: Some(Duration::from_secs(15)),
    interval: Some(Duration::from_secs(5)),
    count: Some(3),
    user_timeout_ms: Some(15_000),
};

fn keepalive(values: &Values<'_>) -> Result<Keepalive, ConnectError> {
    // Zero and negative numbers mean "what the system does", as in libpq.
    let positive = |name, default: Option<u32>| -> Result<Option<u32>, ConnectError> {
        let value: Option<i64> = values.number(name)?;
        Ok(match value {
            None => default,
            Some(value) => u32::try_from(value).ok().filter(|&value| value > 0),
        })
    };
    let seconds = |name, default: Option<Duration>| {
        let default = default.and_then(|default| u32::try_from(default.as_secs()).ok());
        let value = positive(name, default)?;
        Ok(value.map(|value| Duration::from_secs(value.into())))
    };
    Ok(Keepalive {
        enabled: values.flag("keepalives")?,
        idle: seconds("keepalives_idle", KEEPALIVE.idle)?,
        interval: seconds("keepalives_interval", KEEPALIVE.interval)?,
        count: positive("keepalives_count", KEEPALIVE.count)?,
        user_timeout_ms: positive("tcp_user_timeout", KEEPALIVE.user_timeout_ms)?,
    })
}

fn tls_settings(values: &Values<'_>) -> Result<TlsSettings, ConnectError> {
    let root_file = values.text("sslrootcert");
    let from_system = root_file.as_deref() == Some("system");
    let default_mode = if from_system {
        TlsMode::VerifyFull
    } else {
        TlsMode::Prefer
    };
    let home = |file: &str| -> Option<PathBuf> {
        values
            .environment
            .home()
            .map(|home: &Path| home.join(".postgresql").join(file))
    };
    let file = |name, default| {
        let named = values.text(name).map(PathBuf::from);
        named.or_else(|| home(default))
    };
    Ok(TlsSettings {
        mode: values.choice("sslmode")?.unwrap_or(default_mode),
        negotiation: values.choice("sslnegotiation")?.unwrap_or_default(),
        roots_from_system: from_system,
        root_file: root_file
            .filter(|_| !from_system)
            .map(PathBuf::from)
            .or(home("root.crt")),
        certificate_mode: values
            .choice("sslcertmode")?
            .unwrap_or(CertificateMode::Allow),
        certificate_file: file("sslcert", "postgresql.crt"),
        key_file: file("sslkey", "postgresql.key"),
        server_name: values.flag("sslsni")?,
        version_min: values
            .choice("ssl_min_protocol_version")?
            .unwrap_or(TlsVersion::Old),
        version_max: values
            .choice("ssl_max_protocol_version")?
            .unwrap_or(TlsVersion::Tls13),
    })
}

impl FromStr for HostOrder {
    type Err = ();

    fn from_str(text: &str) -> Result<HostOrder, ()> {
        match text {
            "disable" => Ok(HostOrder::AsGiven),
            "random" => Ok(HostOrder::Random),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
#[path = "target_tests.rs"]
mod tests;
