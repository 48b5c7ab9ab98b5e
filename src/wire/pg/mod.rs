//! The PostgreSQL protocol, version 3.0, as functions over bytes.
//!
//! This folder turns bytes into borrowed messages ([`backend`]), appends messages to a buffer
//! ([`frontend`]) and knows which replies a pipelined batch still waits for ([`expected`]).
//! It opens no socket and reads no clock, so that every state can be tested and fuzzed alone.
//! Invariant: whatever the peer sends, the answer is a message, "more bytes" or an error;
//! never a panic, never an allocation, never a read beyond a declared length.

pub mod backend;
pub mod expected;
mod fields;
pub mod frontend;
pub mod limits;
mod row;
mod scan;

#[cfg(test)]
mod samples;

pub use backend::{
    Authentication, BackendKey, CommandTag, DecodeError, Mechanisms, Message, TransactionStatus,
    decode, peek_header,
};
pub use expected::{Expected, ExpectedReplies, ProtocolViolation, StatementIndex, Step};
pub use fields::{ErrorFields, ServerError};
pub use frontend::{EncodeError, Parameter};
pub use row::{Columns, DataRow, FieldDescription, LastColumn, RowDescription, RowPrefix};
pub use row::{FieldDescriptions, decode_row_prefix, decoded_columns};
