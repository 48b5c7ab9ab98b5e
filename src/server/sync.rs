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

/// Locks, also after a panic of whoever held the lock before: that was a bug of ours, and what is
/// behind our locks are tables, queues and numbers that no operation leaves half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
