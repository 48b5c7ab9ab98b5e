//! What the server is and does at a moment, as numbers that nobody counts: they are asked for.

use crate::observing::tally::Tally;
use std::sync::Arc;

/// The numbers of all cores.
#[derive(Debug)]
pub(crate) struct Gauges {
    /// Those of each core.
    pub(crate) cores: Vec<CoreGauges>,
    /// How many requests wait for a connection.
    pub(crate) waiting: usize,
    /// How many channels are listened to for clients.
    pub(crate) channels: usize,
    /// Whether they are listened to at this moment; `None` if clients hear nothing.
    pub(crate) listening: Option<bool>,
    /// How many clients may hear events.
    pub(crate) streams_max: usize,
    /// How many connections to PostgreSQL wait for clients.
    pub(crate) slow_readers: usize,
    /// How many bytes of answers are in files.
    pub(crate) spool_bytes: u64,
    /// How many there may be.
    pub(crate) spool_bytes_max: u64,
    /// How many clients there may be.
    pub(crate) clients_max: usize,
    /// How many were closed for others.
    pub(crate) clients_evicted: usize,
    /// How many bytes clients make the server hold.
    pub(crate) memory_bytes: usize,
    /// How many they may.
    pub(crate) memory_bytes_max: usize,
    /// How often there was none for a client.
    pub(crate) memory_refusals: usize,
}

/// The numbers of a core.
#[derive(Debug)]
pub(crate) struct CoreGauges {
    /// What each of its threads has counted.
    pub(crate) tallies: Vec<Arc<Tally>>,
    /// Its clients.
    pub(crate) clients: usize,
    /// Those of them that hear events.
    pub(crate) streams: usize,
    /// Its connections to PostgreSQL that are open.
    pub(crate) connections: usize,
    /// Those of them that are in use.
    pub(crate) connections_used: usize,
    /// How many there may be.
    pub(crate) connections_max: usize,
    /// How often the primary was asked, where there are replicas.
    pub(crate) asked: u64,
    /// Its replicas.
    pub(crate) replicas: Vec<ReplicaGauges>,
}

/// The numbers of a core about a replica.
#[derive(Debug)]
pub(crate) struct ReplicaGauges {
    /// Connections to it that are open.
    pub(crate) connections: usize,
    /// Those of them that are in use.
    pub(crate) connections_used: usize,
    /// How often it was asked.
    pub(crate) asked: u64,
}
