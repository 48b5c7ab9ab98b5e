//! Why there is no session.
//!
//! The texts are libpq's where libpq has one: PostgREST shows them in the `details` of its error
//! body, and scripts look for them. Whether to try again is read from the variants, not the texts.
//! Invariant: no text contains a password, and none contains a piece of the connection string
//! that could be one.

use std::io;

use corerest_wire::pg::{DecodeError, EncodeError, ServerError};

use super::address::Address;

/// No session could be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// The connection string or a variable is wrong; only the user can help.
    Parameters(String),
    /// Every host was tried; the attempts in order, at least one.
    Failed(Vec<Attempt>),
}

/// One try to open a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The place that was tried; `None` if the host name led to none.
    pub address: Option<Address>,
    /// What went wrong.
    pub cause: Cause,
    /// Something the operator should read, such as a password file that was ignored.
    pub warning: Option<String>,
}

/// What went wrong in one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The host name is not known; name and reason.
    UnknownHost(String, String),
    /// Nobody listens there, or the network does not lead there.
    Unreachable(io::ErrorKind, String),
    /// The time for one attempt was over.
    TimedOut,
    /// The server closed the connection without a word.
    Closed,
    /// Reading or writing failed in the middle.
    Io(io::ErrorKind, String),
    /// TLS was demanded and the server has none, or its certificate or handshake is bad.
    Tls(String),
    /// The server wants a password, and none was given.
    PasswordMissing,
    /// We refuse how the server authenticates us, or it failed to prove itself.
    Authentication(String),
    /// The server refused the session.
    Server(ServerError),
    /// The session was fine but is not what `target_session_attrs` asks for.
    SessionAttributes(&'static str),
    /// The server broke the protocol.
    Protocol(String),
    /// A local file (certificate, key) is missing or unusable.
    LocalFile(String),
}

impl ConnectError {
    /// The text as libpq would give it: a line (or several) for each attempt.
    pub fn message(&self) -> String {
        match self {
            ConnectError::Parameters(text) => format!("{text}\n"),
            ConnectError::Failed(attempts) => attempts.iter().map(Attempt::line).collect(),
        }
    }

    /// What the last attempt died of.
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            ConnectError::Parameters(_) => None,
            ConnectError::Failed(attempts) => attempts.last().map(|attempt| &attempt.cause),
        }
    }

    /// What the server said, if it was the server that refused.
    pub fn server_error(&self) -> Option<&ServerError> {
        match self.cause()? {
            Cause::Server(error) => Some(error),
            _ => None,
        }
    }

    /// What the operator should read besides, such as that a password file was ignored.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        let attempts = match self {
            ConnectError::Parameters(_) => &[][..],
            ConnectError::Failed(attempts) => attempts,
        };
        attempts
            .iter()
            .filter_map(|attempt| attempt.warning.as_deref())
    }

    /// Whether any attempt failed because of the password: trying again cannot help.
    ///
    /// Parity: PostgREST exits when the failure says "password authentication failed" or
    /// "no password supplied", and keeps trying after every other one.
    pub fn is_password_failure(&self) -> bool {
        match self {
            ConnectError::Parameters(_) => false,
            ConnectError::Failed(attempts) => attempts
                .iter()
                .any(|attempt| attempt.cause.is_password_failure()),
        }
    }

    /// Whether only a change of configuration can help, so that a retry loop is pointless.
    pub fn is_permanent(&self) -> bool {
        matches!(self, ConnectError::Parameters(_)) || self.is_password_failure()
    }
}

impl std::fmt::Display for ConnectError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.message().trim_end())
    }
}

impl std::error::Error for ConnectError {}

const TCP_QUESTION: &str =
    "\n\tIs the server running on that host and accepting TCP/IP connections?";
const UNIX_QUESTION: &str =
    "\n\tIs the server running locally and accepting connections on that socket?";

impl Attempt {
    pub(super) fn new(address: Option<Address>, cause: Cause) -> Attempt {
        Attempt {
            address,
            cause,
            warning: None,
        }
    }

    fn line(&self) -> String {
        let cause = &self.cause;
        let Some(address) = &self.address else {
            return format!("{cause}\n");
        };
        let question = match (address, cause) {
            (Address::Tcp { .. }, Cause::Unreachable(..)) => TCP_QUESTION,
            (Address::Unix { .. }, Cause::Unreachable(..)) => UNIX_QUESTION,
            _ => "",
        };
        format!("connection to {address} failed: {cause}{question}\n")
    }
}

impl Cause {
    fn is_password_failure(&self) -> bool {
        match self {
            Cause::PasswordMissing => true,
            // 28P01 is the code of "password authentication failed"; 28000 is the one for
            // everything else about logins, some of which an administrator may be fixing.
            Cause::Server(error) => error.code == "28P01",
            _ => false,
        }
    }

    /// Whether libpq would go on to the next host after this.
    pub(super) fn allows_next_host(&self) -> bool {
        match self {
            Cause::UnknownHost(..)
            | Cause::Unreachable(..)
            | Cause::TimedOut
            | Cause::Closed
            | Cause::Io(..)
            | Cause::SessionAttributes(_) => true,
            // "The database system is starting up" and the like: another host may be ready.
            Cause::Server(error) => error.code == "57P03",
            Cause::Tls(_)
            | Cause::PasswordMissing
            | Cause::Authentication(_)
            | Cause::Protocol(_)
            | Cause::LocalFile(_) => false,
        }
    }

    /// What a failed read or write means.
    pub(super) fn of_io(error: &io::Error) -> Cause {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Cause::TimedOut,
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => Cause::Closed,
            kind => Cause::Io(kind, system_text(error)),
        }
    }
}

/// The operating system's words without the "(os error 111)" that Rust appends.
pub(super) fn system_text(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Cause::UnknownHost(name, reason) => {
                write!(
                    f,
                    "could not translate host name \"{name}\" to address: {reason}"
                )
            }
            Cause::TimedOut => f.write_str("timeout expired"),
            Cause::Closed => f.write_str(
                "server closed the connection unexpectedly\n\
                 \tThis probably means the server terminated abnormally\n\
                 \tbefore or while processing the request.",
            ),
            Cause::PasswordMissing => f.write_str("fe_sendauth: no password supplied"),
            Cause::Server(error) => write!(f, "{error}"),
            Cause::SessionAttributes(text) => f.write_str(text),
            Cause::Unreachable(_, text)
            | Cause::Io(_, text)
            | Cause::Tls(text)
            | Cause::Authentication(text)
            | Cause::Protocol(text)
            | Cause::LocalFile(text) => f.write_str(text),
        }
    }
}

impl From<DecodeError> for Cause {
    fn from(error: DecodeError) -> Cause {
        Cause::Protocol(error.to_string())
    }
}

impl From<EncodeError> for Cause {
    fn from(error: EncodeError) -> Cause {
        Cause::Protocol(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(address: Address, cause: Cause) -> ConnectError {
        ConnectError::Failed(vec![Attempt::new(Some(address), cause)])
    }

    fn tcp(host: &str) -> Address {
        Address::Tcp {
            host: host.to_owned(),
            address: "127.0.0.1:5432".parse().expect("an address"),
        }
    }

    fn refused() -> Cause {
        let error = io::Error::from_raw_os_error(111);
        Cause::Unreachable(error.kind(), system_text(&error))
    }

    #[test]
    fn refused_connections_read_as_in_libpq() {
        assert_eq!(
            failed(tcp("127.0.0.1"), refused()).message(),
            "connection to server at \"127.0.0.1\", port 5432 failed: Connection refused\n\
             \tIs the server running on that host and accepting TCP/IP connections?\n"
        );
        assert_eq!(
            failed(tcp("localhost"), refused()).message(),
            "connection to server at \"localhost\" (127.0.0.1), port 5432 failed: \
             Connection refused\n\
             \tIs the server running on that host and accepting TCP/IP connections?\n"
        );
        let path = "/run/.s.PGSQL.5432".into();
        assert_eq!(
            failed(Address::Unix { path }, refused()).message(),
            "connection to server on socket \"/run/.s.PGSQL.5432\" failed: Connection refused\n\
             \tIs the server running locally and accepting connections on that socket?\n"
        );
    }

    #[test]
    fn a_wrong_password_is_permanent_and_other_refusals_are_not() {
        let refusal = |code: &str| {
            let error = ServerError {
                severity: "FATAL".into(),
                code: code.into(),
                message: "password authentication failed for user \"x\"".into(),
                ..ServerError::default()
            };
            failed(tcp("127.0.0.1"), Cause::Server(error))
        };
        assert!(refusal("28P01").is_permanent());
        assert_eq!(
            refusal("28P01").message(),
            "connection to server at \"127.0.0.1\", port 5432 failed: \
             FATAL:  password authentication failed for user \"x\"\n"
        );
        for code in ["28000", "57P03", "53300", "3D000"] {
            assert!(!refusal(code).is_permanent(), "{code}");
        }
        assert!(failed(tcp("h"), Cause::PasswordMissing).is_permanent());
        assert!(!failed(tcp("h"), refused()).is_permanent());
        assert!(ConnectError::Parameters("x".into()).is_permanent());
    }

    #[test]
    fn several_attempts_are_told_in_order() {
        let unknown = Cause::UnknownHost("a".into(), "Name or service not known".into());
        let unknown = Attempt::new(None, unknown);
        let timeout = Attempt::new(Some(tcp("127.0.0.1")), Cause::TimedOut);
        assert_eq!(
            ConnectError::Failed(vec![unknown, timeout]).to_string(),
            "could not translate host name \"a\" to address: Name or service not known\n\
             connection to server at \"127.0.0.1\", port 5432 failed: timeout expired"
        );
    }
}
