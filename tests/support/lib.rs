//! What the tests stand on: a PostgreSQL of their own, the server as a black box, and a client
//! that forgives nothing.
//!
//! Nothing in here knows what PostgREST does; that stands in the tests and their case files.
//! Invariant: whatever a test run starts ends with it, even when it is killed, because every
//! process is watched by one that waits for a pipe of ours to close.

pub mod case_file;
pub mod client;
pub mod cluster;
pub mod events;
pub mod front;
pub mod issuer;
pub mod json;
pub mod log;
pub mod pooler;
pub mod proxy;
pub mod server;
pub mod waiting;
pub mod watchdog;
