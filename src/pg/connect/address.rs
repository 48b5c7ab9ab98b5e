//! Where a server is.
//!
//! An [`Endpoint`] is what the user wrote, an [`Address`] is one place it stands for; a name may
//! stand for several. The wording is libpq's, since it begins every message about a connection.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// One host of the connection string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// The `host`, as written; empty if only `hostaddr` was given. It is what certificates and
    /// the password file are compared with.
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) port: u16,
}

/// How to find the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A name to look up.
    Name,
    /// An address given by `hostaddr`, or a `host` that is one.
    ///
    /// Messages name it by its address, also if `host` names it too, as in libpq.
    Numeric(IpAddr),
    /// A directory of Unix sockets, or `@` and an abstract name.
    Directory(String),
}

impl Endpoint {
    /// Whether the server runs on this machine, as far as can be told without looking it up.
    pub(super) fn is_local(&self) -> bool {
        match &self.place {
            Place::Directory(_) => true,
            Place::Numeric(address) => address.is_loopback(),
            Place::Name => self.name.eq_ignore_ascii_case("localhost"),
        }
    }

    /// The host that the password file has a line for.
    pub(super) fn password_file_host(&self, default_directory: &str) -> String {
        match &self.place {
            Place::Directory(directory) if directory == default_directory => "localhost".into(),
            Place::Numeric(address) if self.name.is_empty() => address.to_string(),
            Place::Name | Place::Numeric(_) | Place::Directory(_) => self.name.clone(),
        }
    }
}

/// A place a connection was, or can be, made to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A TCP address.
    Tcp {
        /// The name that was looked up, or the address if none had to be.
        host: String,
        /// The address that was connected to.
        address: SocketAddr,
    },
    /// A Unix socket.
    Unix {
        /// The path, or `@` and the name of an abstract socket.
        path: PathBuf,
    },
}

impl Address {
    /// Whether what is said there does not leave this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Address::Tcp { address, .. } => address.ip().to_canonical().is_loopback(),
            Address::Unix { .. } => true,
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Address::Unix { path } => write!(f, "server on socket \"{}\"", path.display()),
            Address::Tcp { host, address } => {
                let (ip, port) = (address.ip(), address.port());
                write!(f, "server at \"{host}\"")?;
                if *host != ip.to_string() {
                    write!(f, " ({ip})")?;
                }
                write!(f, ", port {port}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_to_a_loopback_address_or_a_unix_socket_stays_on_the_machine() {
        let check = |address: &str, expected| {
            let address = Address::Tcp {
                host: String::new(),
                address: address.parse().unwrap(),
            };
            assert_eq!(address.is_local(), expected, "{address}");
        };
        check("127.0.0.1:5432", true);
        check("[::1]:5432", true);
        check("[::ffff:127.0.0.1]:5432", true);
        check("10.0.0.1:5432", false);
        check("[2001:db8::1]:5432", false);
        let path = "/run/postgresql/.s.PGSQL.5432".into();
        assert!(Address::Unix { path }.is_local());
    }
}
