//! Why bytes of the server cannot be a message.
//!
//! It stands apart because every part of a message can be wrong, and the parts know nothing of
//! the whole.

/// Why bytes of the server cannot be a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// No message of the protocol has this tag.
    UnknownTag(u8),
    /// The declared length is below the minimum, above the limit, or does not fit the content.
    BadLength,
    /// A string has no end within its message.
    UnterminatedString,
    /// The message is longer than what it contains.
    TrailingBytes,
    /// ReadyForQuery carries a status letter that does not exist.
    UnknownTransactionStatus(u8),
    /// A field of a fixed set has a value outside of it.
    InvalidValue,
    /// A row prefix was asked for, but the next message is another one.
    NotARow(u8),
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DecodeError::UnknownTag(tag) => {
                write!(f, "unknown message type 0x{tag:02x} from the server")
            }
            DecodeError::BadLength => f.write_str("invalid message length from the server"),
            DecodeError::UnterminatedString => f.write_str("unterminated string from the server"),
            DecodeError::TrailingBytes => f.write_str("extraneous data in a message"),
            DecodeError::UnknownTransactionStatus(status) => {
                write!(f, "unknown transaction status 0x{status:02x}")
            }
            DecodeError::InvalidValue => f.write_str("invalid value in a message"),
            DecodeError::NotARow(tag) => write!(f, "message type 0x{tag:02x} is not a row"),
        }
    }
}

impl std::error::Error for DecodeError {}
