//! The server side of HTTP/1.1: bytes in, requests out; response heads in, bytes out.
//!
//! It stands apart because everything here faces an untrusted peer and nothing here needs a socket
//! or a clock: a [`Connection`] is fed bytes and says what they amount to, so each rule can be
//! tested and fuzzed with plain byte strings. What the requests mean is decided elsewhere.
//!
//! Invariant: there is one reading of where a request ends. Whatever two parsers could read
//! differently (RFC 9112 §11.2) is a [`Refusal`], and every refusal closes the connection.
//!
//! Cost of a request that came whole: one pass of `httparse`, one look at each field, no allocation
//! and no copy. A response head is appended to a buffer of the caller.

mod buffer;
mod chunked;
mod connection;
mod date;
pub mod event_stream;
mod field;
mod head;
mod limits;
mod refusal;
mod request;
pub mod response;
mod span;
mod target;
mod token;
mod version;

#[cfg(test)]
mod tests;

pub use buffer::Buffer;
pub use connection::{Connection, Phase, Progress};
pub use date::HttpDate;
pub use limits::Limits;
pub use refusal::Refusal;
pub use request::{Headers, HeadersIter, Request, Target};
pub use version::Version;
