//! Every bound of the protocol code, each with its reason.
//!
//! The peer is hostile and the application may be careless: both meet the same table.
//! Limits that depend on each other are tied by constant assertions at the end.

/// Longest message we read, counted like the protocol does: length field included, tag not.
///
/// PostgreSQL builds each message in one buffer that cannot pass 1 GiB, so a longer
/// declaration is garbage or an attack, and we stop before waiting for it.
pub const MESSAGE_BYTES_MAX: usize = 1 << 30;

/// Longest message we write; the server refuses more than this ("invalid message length").
pub const SENT_MESSAGE_BYTES_MAX: usize = (1 << 30) - 2;

/// Longest single parameter of a Bind; PostgreSQL cannot hold a longer `text` anyway.
///
/// Without this check a length can wrap around 32 bits, and the rest of the value is then read
/// by the server as messages of its own: SQL injection through a number (GHSA-x9vc-6hfv-hg8c).
pub const PARAMETER_BYTES_MAX: usize = (1 << 30) - 1;

/// Most parameters of a Bind: the count is an unsigned 16-bit number on the wire.
pub const PARAMETERS_MAX: usize = u16::MAX as usize;

/// Longest message outside of results: answers to startup, notices, notifications.
///
/// Error fields carry at most a statement and its context; a notification payload has less than
/// 8000 bytes. 16 MiB leaves room for `RAISE` with a large detail and still bounds memory.
pub const CONTROL_MESSAGE_BYTES_MAX: usize = 16 << 20;

/// Longest beginning of a row, up to its last column, which is passed on and never kept whole.
///
/// It is a few numbers, and what functions say about the response (`response.headers`).
pub const ROW_HEAD_BYTES_MAX: usize = CONTROL_MESSAGE_BYTES_MAX;

/// Longest message before the server has proven who it is; libpq accepts 30,000 here too.
pub const HANDSHAKE_MESSAGE_BYTES_MAX: usize = 30_000;

/// Longest startup packet, which the server refuses beyond 10,000 bytes.
pub const STARTUP_BYTES_MAX: usize = 10_000;

/// Most replies a connection may wait for at once.
///
/// A request has at most a handful of statements with four replies each, so a queue of this
/// length means that batches are written without their answers being read: a bug.
pub const EXPECTED_REPLIES_MAX: usize = 4096;

const _: () = assert!(PARAMETERS_MAX <= 65_535);
const _: () = assert!(MESSAGE_BYTES_MAX <= i32::MAX as usize);
const _: () = assert!(SENT_MESSAGE_BYTES_MAX <= i32::MAX as usize);
const _: () = assert!(PARAMETER_BYTES_MAX <= i32::MAX as usize);
const _: () = assert!(HANDSHAKE_MESSAGE_BYTES_MAX <= CONTROL_MESSAGE_BYTES_MAX);
const _: () = assert!(CONTROL_MESSAGE_BYTES_MAX <= MESSAGE_BYTES_MAX);
const _: () = assert!(STARTUP_BYTES_MAX <= SENT_MESSAGE_BYTES_MAX);
