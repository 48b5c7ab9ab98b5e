//! What threads agree through: locks, atomics, and the time.
//!
//! Whatever is a protocol between threads takes them from here and from nowhere else, so that
//! they can be a model checker's (feature `model`): then each of their steps is a place where
//! another thread may come in between, and time is a number that a simulation moves.

#[cfg(feature = "model")]
pub(crate) use corerest_simulation::{
    Condvar, Instant, Mutex, MutexGuard, RwLock, sleep, sync::atomic,
};
#[cfg(not(feature = "model"))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, RwLock, atomic};
#[cfg(not(feature = "model"))]
pub(crate) use std::thread::sleep;
#[cfg(not(feature = "model"))]
pub(crate) use std::time::Instant;

use std::sync::PoisonError;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The wall clock, in seconds since 1970: for what clients and tokens are told.
pub(crate) fn unix_seconds() -> u64 {
    unix_time().as_secs()
}

/// The wall clock, since 1970: for the log.
pub(crate) fn unix_time() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// A fault that was there once, to be put back so that the tests of `cores/model` can show that
/// they would find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// The door is paused before it says so, and whoever leaves in between opens it to nobody.
    DoorSaysItLate,
    /// The bell is silenced by whoever has heard it, and not where it is heard.
    BellSilencedLate,
    /// A client stays at its core while it is sent a body from another core's connection.
    ClientsStay,
    /// A server that ends closes connections at once, though no answer has said so.
    ClosesUnannounced,
    /// A thread that ends does not ring for the next one.
    LeavesQuietly,
    /// What is told while a round is under way is left to the next one who tells something.
    RoundForgets,
    /// Of those who were asked together, the first without an answer goes with a lost connection.
    FlightDropsFirst,
    /// Rows that PostgreSQL has failed to finish end like others.
    FailedRowsEndWell,
    /// What a client has sent of an upload is written, though it left before the end.
    LostUploadIsWritten,
}

/// Whether this fault is to be made. In the server, it never is.
#[cfg(not(feature = "model"))]
pub(crate) const fn is_mutant(_: Mutant) -> bool {
    false
}

#[cfg(feature = "model")]
thread_local! {
    static MUTANT: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// Whether this fault is to be made.
#[cfg(feature = "model")]
pub(crate) fn is_mutant(mutant: Mutant) -> bool {
    MUTANT.get() == Some(mutant)
}

/// Makes this fault from now on, or none.
#[cfg(feature = "model")]
pub(crate) fn set_mutant(mutant: Option<Mutant>) {
    MUTANT.set(mutant);
}

/// A size: the first one where everything is small and nothing takes time.
pub(crate) const fn in_simulation(simulated: usize, real: usize) -> usize {
    if cfg!(feature = "model") {
        simulated
    } else {
        real
    }
}

/// Locks, also after a panic of whoever held the lock before: that was a bug of ours, and what is
/// behind our locks are tables, queues and numbers that no operation leaves half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
