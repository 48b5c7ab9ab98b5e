//! A session that was opened: its stream, and what its server has told about itself.

use corerest_wire::pg::{BackendKey, frontend};

use super::address::Address;
use super::stream::Stream;

/// An authenticated session that waits for its first batch.
#[derive(Debug)]
pub struct Session {
    /// The bytes; nothing of them was read beyond ReadyForQuery.
    pub stream: Stream,
    /// What a cancel request needs; poolers may give none.
    pub key: Option<BackendKey>,
    /// What the server reported about itself.
    pub parameters: ServerParameters,
    /// Where the server is.
    pub address: Address,
    /// Things the operator should read, such as a password file that was ignored.
    pub warnings: Vec<String>,
    /// How the user has called that.
    pub(crate) host: String,
    /// Who the server says that it is, if it was asked.
    pub(super) identity: Option<ServerIdentity>,
    /// Whether the server sees the other end of our own socket.
    pub(super) sees_us: bool,
}

/// Who a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerIdentity {
    /// The process id of the session's server.
    pub process_id: i32,
    /// When PostgreSQL was started, in seconds since 1970: another one at the same address, behind
    /// a load balancer or after a failover, was started at another time.
    pub started: String,
}

impl Session {
    /// A session of a simulation, which has been opened.
    #[cfg(feature = "model")]
    pub fn simulated(stream: corerest_simulation::Stream) -> Session {
        // Its server is PostgreSQL itself.
        let process_id = 1;
        Session {
            key: Some(BackendKey {
                process_id,
                secret: 0,
            }),
            identity: Some(ServerIdentity {
                process_id,
                started: String::new(),
            }),
            sees_us: true,
            ..Session::of_stream(Stream::simulated(stream))
        }
    }

    /// A session that was opened on this socket.
    #[cfg(feature = "internals")]
    pub(crate) fn of_socket(socket: std::os::fd::OwnedFd) -> Session {
        Session::of_stream(Stream::of_socket(socket))
    }

    /// A session that somebody else has opened. Nobody can cancel what it does.
    #[cfg(any(feature = "internals", feature = "model"))]
    fn of_stream(stream: Stream) -> Session {
        let path = "/given".into();
        Session {
            stream,
            key: None,
            parameters: ServerParameters::default(),
            address: Address::Unix { path },
            warnings: Vec::new(),
            host: String::new(),
            identity: None,
            sees_us: false,
        }
    }

    /// Who the server is, if that is known for certain: a pooler gives a process id that is not its
    /// server's.
    pub fn server(&self) -> Option<&ServerIdentity> {
        let key = self.key?;
        let identity = self.identity.as_ref();
        identity.filter(|identity| identity.process_id == key.process_id)
    }

    /// Whether nobody is known to stand between us and the server, so that the session is ours as
    /// long as the connection is there. Some poolers pass on the process id of the first server
    /// that they have given us; but what the server has at its other end is the pooler, then. So it
    /// is where ports are translated on the way, and that cannot be told apart.
    pub fn is_direct(&self) -> bool {
        self.sees_us && self.server().is_some()
    }

    /// What [`cancel`](super::cancel()) needs, independent of the session's life.
    pub fn cancel_token(&self) -> Option<CancelToken> {
        Some(CancelToken {
            address: self.address.clone(),
            host: self.host.clone(),
            key: self.key?,
            encrypted: self.stream.is_encrypted(),
        })
    }

    /// Ends the session politely.
    pub fn close(mut self) {
        let mut goodbye = Vec::new();
        frontend::terminate(&mut goodbye);
        // Without waiting: a server that does not read must not delay us.
        let _ = self.stream.try_write(&goodbye);
        self.stream.shutdown();
    }
}

/// The settings that the server reports when a session starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerParameters(Vec<(String, String)>);

impl ServerParameters {
    /// The value of a reported setting.
    pub fn value(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The server's version, such as `15.4 (Debian 15.4-1)`.
    pub fn server_version(&self) -> Option<&str> {
        self.value("server_version")
    }

    /// Whether the server is a standby, if it says so (since PostgreSQL 14).
    pub fn in_hot_standby(&self) -> Option<bool> {
        self.value("in_hot_standby").map(|value| value == "on")
    }

    /// Whether transactions are read-only by default, if the server says so (since 14).
    pub fn default_transaction_read_only(&self) -> Option<bool> {
        self.value("default_transaction_read_only")
            .map(|value| value == "on")
    }

    /// Takes in a ParameterStatus, at the start or later.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        let name = String::from_utf8_lossy(name);
        let value = String::from_utf8_lossy(value).into_owned();
        match self.0.iter_mut().find(|(found, _)| *found == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.into_owned(), value)),
        }
    }
}

/// What identifies a session towards its server, to be used from another thread.
#[derive(Clone, Debug)]
pub struct CancelToken {
    pub(super) address: Address,
    pub(super) host: String,
    pub(super) key: BackendKey,
    pub(super) encrypted: bool,
}
