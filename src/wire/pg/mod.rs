//! The PostgreSQL protocol, version 3.0, as functions over bytes.
//!
//! This folder turns bytes into borrowed messages ([`backend`]), appends messages to a buffer
//! ([`frontend`]) and knows which replies a pipelined batch still waits for ([`expected`]).
//! It opens no socket and reads no clock, so that every state can be tested and fuzzed alone.
//! Invariant: whatever the peer sends, the answer is a message, "more bytes" or an error;
//! never a panic, never an allocation, never a read beyond a declared length.

pub mod backend;
mod decode_error;
pub mod expected;
mod fields;
pub mod frontend;
mod header;
pub mod limits;
mod row;
mod scan;

#[cfg(test)]
mod samples;

pub use backend::{
    Authentication, BackendKey, CommandTag, Mechanisms, Message, TransactionStatus, decode,
};
pub use decode_error::DecodeError;
pub use expected::{Expected, ExpectedReplies, ProtocolViolation, StatementIndex, Step};
pub use fields::{ErrorFields, ServerError};
pub use frontend::{EncodeError, Parameter};
pub use header::peek_header;
pub use row::{Columns, DataRow, FieldDescription, LastColumn, RowDescription, RowPrefix};
pub use row::{FieldDescriptions, decode_row_prefix, decoded_columns};
