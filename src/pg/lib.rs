//! The way to PostgreSQL: connecting, sending batches, and keeping connections.
//!
//! Threads block in here, and only in here. A request borrows a [`Lease`] from its core's
//! [`Pool`], sends one batch in one write, and reads the replies as they come.
//!
//! Invariant: nothing in this crate knows about HTTP. A connection whose state is in any doubt
//! (half a reply read, a transaction left open, a protocol violation) is never used again.

pub mod connect;
mod connection;
mod error;
mod input;
#[cfg(feature = "internals")]
pub mod internals;
mod pool;
mod prepared;
mod silence;
mod sync;

pub use connection::{
    Connection, Notification, Preparation, ReadBatch, Reply, RequestBody, Row, Sink,
};
pub use error::{Error, Retry};
pub use pool::{
    Closing, ConnectionEvent, Connector, Lease, Pool, PoolSettings, TargetConnector,
    is_out_of_connections,
};
pub use silence::{Finding, NOTED_AFTER, Silences, Silent};
