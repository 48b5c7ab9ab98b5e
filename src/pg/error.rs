//! What can go wrong on the way to PostgreSQL, and whether trying again is safe.
//!
//! Nobody guesses from texts: what may be sent again is said by [`Error::retry`], from how far
//! the batch had come when its connection broke.

use crate::connect::ConnectError;
use corerest_wire::pg::{DecodeError, EncodeError, ProtocolViolation, ServerError};
use std::fmt;
use std::io;

/// A failed batch, or a failed connection.
#[derive(Debug)]
pub enum Error {
    /// PostgreSQL could not be reached.
    Connect(ConnectError),
    /// PostgreSQL reported an error; the transaction was rolled back.
    Server(ServerError),
    /// The connection broke, so that the outcome of a write is unknown.
    Lost {
        /// What the operating system said, or the server.
        source: io::Error,
    },
    /// The connection had ended before the server looked at the batch: nothing of it was done.
    NotBegun {
        /// What the operating system said, or the server.
        source: io::Error,
    },
    /// The server refused the batch, which was rolled back, for it is no longer what the connection
    /// string asks for ([`Lease::suits`](crate::Lease::suits)).
    Unsuited(Box<ServerError>),
    /// The server sent what the protocol does not allow.
    Protocol(ProtocolError),
    /// The batch was rolled back because a prepared statement of it no longer fits the database,
    /// or is not there any more. The connection prepares it anew when the batch is sent again.
    Outdated {
        /// What PostgreSQL said.
        error: Box<ServerError>,
        /// The place of that statement in its batch, from 0. Those before it had been executed:
        /// what they did outside of the transaction happens twice if the batch is sent again.
        statement: usize,
    },
    /// A row came although whoever asked was promised no more. What is left of the batch was not
    /// read, so the connection is not used again.
    SurplusRow,
    /// The batch cannot be written: a parameter is too long, or a name holds a NUL.
    Encode(EncodeError),
}

/// A message that cannot be read, or that nobody expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// The bytes are no message.
    Decode(DecodeError),
    /// The message is out of turn.
    Violation(ProtocolViolation),
}

/// Whether the same batch may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// On the same connection, also if it writes: nothing of it is left, except what functions do
    /// outside of transactions.
    SameConnection,
    /// On another connection, also if it writes: nothing of it was begun, or is left.
    OtherConnection,
    /// On another connection, if it only reads, and if nothing of the answer was passed on.
    IfReadOnly,
    /// Never.
    Never,
}

impl Error {
    /// Whether the same batch may be sent again.
    pub fn retry(&self) -> Retry {
        match self {
            Error::NotBegun { .. } | Error::Unsuited(_) => Retry::OtherConnection,
            Error::Lost { .. } => Retry::IfReadOnly,
            Error::Outdated { .. } => Retry::SameConnection,
            _ => Retry::Never,
        }
    }

    /// What the server has said before it closed a connection whose batch it did not begin with.
    pub fn last_words(&self) -> Option<&ServerError> {
        match self {
            Error::Lost { source } | Error::NotBegun { source } => source.get_ref()?.downcast_ref(),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Connect(error) => write!(f, "{error}"),
            Error::Server(error) => write!(f, "{}: {}", error.severity, error.message),
            Error::Outdated { error, .. } | Error::Unsuited(error) => {
                write!(f, "{}: {}", error.severity, error.message)
            }
            Error::Lost { source } | Error::NotBegun { source } => {
                write!(f, "the connection to the server was lost: {source}")
            }
            Error::SurplusRow => f.write_str("the server sent a row too many"),
            Error::Protocol(ProtocolError::Decode(error)) => write!(f, "{error}"),
            Error::Protocol(ProtocolError::Violation(error)) => write!(f, "{error}"),
            Error::Encode(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<EncodeError> for Error {
    fn from(error: EncodeError) -> Error {
        Error::Encode(error)
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Error {
        Error::Protocol(ProtocolError::Decode(error))
    }
}

impl From<ProtocolViolation> for Error {
    fn from(error: ProtocolViolation) -> Error {
        Error::Protocol(ProtocolError::Violation(error))
    }
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Error {
        Error::Connect(error)
    }
}
