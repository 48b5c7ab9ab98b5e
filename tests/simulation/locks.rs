//! Locks: shuttle's, with a guard that knows its mutex, which waiting for a condition needs.

pub use shuttle::sync::RwLock;
use std::ops::{Deref, DerefMut};
use std::sync::{LockResult, TryLockError, TryLockResult};

/// A lock.
#[derive(Debug, Default)]
pub struct Mutex<T>(shuttle::sync::Mutex<T>);

/// It is held.
#[derive(Debug)]
pub struct MutexGuard<'a, T> {
    guard: shuttle::sync::MutexGuard<'a, T>,
    mutex: &'a Mutex<T>,
}

impl<T> Mutex<T> {
    /// A lock around this.
    pub fn new(value: T) -> Mutex<T> {
        Mutex(shuttle::sync::Mutex::new(value))
    }

    /// Waits until nobody holds it.
    ///
    /// # Errors
    /// If somebody has panicked who held it.
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let held = |guard| MutexGuard { guard, mutex: self };
        self.0
            .lock()
            .map(held)
            .map_err(|poisoned| std::sync::PoisonError::new(held(poisoned.into_inner())))
    }

    /// Takes it if nobody holds it.
    ///
    /// # Errors
    /// If somebody does, or has panicked while he did.
    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        let held = |guard| MutexGuard { guard, mutex: self };
        self.0.try_lock().map(held).map_err(|error| match error {
            TryLockError::WouldBlock => TryLockError::WouldBlock,
            TryLockError::Poisoned(poisoned) => {
                TryLockError::Poisoned(std::sync::PoisonError::new(held(poisoned.into_inner())))
            }
        })
    }
}

impl<'a, T> MutexGuard<'a, T> {
    /// Gives the lock back, and returns whose it was.
    pub(crate) fn release(guard: MutexGuard<'a, T>) -> &'a Mutex<T> {
        guard.mutex
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}
