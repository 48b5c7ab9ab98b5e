//! The two protocols CoreREST speaks, as state without sockets.
//!
//! [`http`] is the server side of HTTP/1.1, [`pg`] the client side of the PostgreSQL protocol. Both
//! are fed bytes and say what they amount to, so every rule is tested with byte strings alone.
//!
//! Invariant: no I/O, no clock, and nothing that knows PostgREST. Peers are hostile: every length,
//! count and nesting is bounded before memory is taken for it.

#[cfg(any(test, target_env = "musl"))]
mod compare;
pub mod http;
pub mod pg;
