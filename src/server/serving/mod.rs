//! The story of one request, from the bytes that came in to the bytes that go out.
//!
//! ```text
//! client ─▶ handle ─▶ answer ─▶ reply ─▶ output, and perhaps a remainder that follows it
//! ```
//! Nothing in here knows which thread serves a request, or how it came by it.

pub(crate) mod aim;
pub(crate) mod answer;
pub(crate) mod client;
pub(crate) mod clock;
pub(crate) mod desk;
pub(crate) mod grant;
pub(crate) mod handle;
pub(crate) mod hearing;
pub(crate) mod memory;
pub(crate) mod output;
pub(crate) mod remainder;
pub(crate) mod reply;
pub(crate) mod rows;
pub(crate) mod spool;
pub(crate) mod together;
pub(crate) mod upload;
pub(crate) mod watch;
