//! Time, as a number that goes on when nothing else can happen.

use crate::locks::MutexGuard;
use crate::world::World;
use std::ops::{Add, AddAssign, Sub};
use std::sync::{LockResult, PoisonError};
use std::time::Duration;

/// A moment, like [`std::time::Instant`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl Instant {
    /// This moment.
    pub fn now() -> Instant {
        Instant(World::with(|world| world.now))
    }

    /// How long it is ago.
    pub fn elapsed(&self) -> Duration {
        Instant::now().saturating_duration_since(*self)
    }

    /// From the other moment to this one, or nothing if that is later.
    pub fn saturating_duration_since(&self, earlier: Instant) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The same, as [`std::time::Instant`] has both.
    pub fn duration_since(&self, earlier: Instant) -> Duration {
        self.saturating_duration_since(earlier)
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, time: Duration) -> Instant {
        Instant(self.0 + time)
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, time: Duration) {
        self.0 += time;
    }
}

impl Sub<Instant> for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.saturating_duration_since(earlier)
    }
}

/// Waits for so long.
pub fn sleep(time: Duration) {
    let until = World::with(|world| world.now + time);
    World::wait(Some(until), |_| None::<()>);
}

/// A condition variable whose time-outs come with the time of the world: those of shuttle's never
/// come.
#[derive(Debug)]
pub struct Condvar(usize);

/// Whether the time had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Whether the time had come before anybody has notified.
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

impl Default for Condvar {
    fn default() -> Condvar {
        Condvar::new()
    }
}

impl Condvar {
    /// One that nobody waits for.
    pub fn new() -> Condvar {
        Condvar(World::with(|world| {
            world.conditions.push(0);
            world.conditions.len() - 1
        }))
    }

    /// Wakes all who wait.
    pub fn notify_all(&self) {
        World::change(|world| world.conditions[self.0] += 1);
    }

    /// Wakes one who waits: all, in fact, which is allowed, for they have to look again anyway.
    pub fn notify_one(&self) {
        self.notify_all();
    }

    /// Gives the lock back, waits to be notified, and takes the lock again.
    ///
    /// # Errors
    /// If somebody has panicked who held it.
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        match self.wait_until(guard, None) {
            Ok((guard, _)) => Ok(guard),
            Err(poisoned) => Err(PoisonError::new(poisoned.into_inner().0)),
        }
    }

    /// The same, for so long at the most.
    ///
    /// # Errors
    /// If somebody has panicked who held it.
    pub fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        time: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let until = World::with(|world| world.now + time);
        self.wait_until(guard, Some(until))
    }

    fn wait_until<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        until: Option<Duration>,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        // Read before the lock is given back: whoever notifies after that is noticed.
        let before = World::with(|world| world.conditions[self.0]);
        let mutex = MutexGuard::release(guard);
        let notified = World::wait(until, |world| {
            (world.conditions[self.0] != before).then_some(())
        });
        let result = WaitTimeoutResult(notified.is_none());
        // All threads of a run are one of the operating system's, so to this it looks as if whoever
        // gives a lock back while another thread panics did so himself.
        match mutex.lock() {
            Ok(guard) => Ok((guard, result)),
            Err(poisoned) => Err(PoisonError::new((poisoned.into_inner(), result))),
        }
    }
}
