//! How much of the CPUs' time nobody uses.
//!
//! Where PostgreSQL answers at once, more requests at a time are of use only as long as there are
//! CPUs for them ([`Crew`](super::crew::Crew)); what a thread waits for a CPU does not tell that by
//! itself, for threads that wait for PostgreSQL most of the time do not wait for a CPU meanwhile.

use crate::net::{CpuTimes, Ticks};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Instant, Mutex, lock};
use std::time::Duration;

/// How often is looked, at the most. The kernel's clock ticks a hundred times a second on each CPU,
/// and twenty ticks tell a twentieth.
const TICKS_MIN: usize = 20;
const TICK: Duration = Duration::from_millis(10);
const WINDOW_MIN: Duration = Duration::from_millis(50);

/// Shared by all cores: to look takes some microseconds for each CPU of the machine. One thread
/// looks when that is due, and nobody waits for it.
#[derive(Debug)]
pub(super) struct Idleness {
    times: Option<CpuTimes>,
    /// What the times were at the last look. Only who looks has it.
    ticks: Mutex<Ticks>,
    window: Duration,
    made: Instant,
    /// When somebody looks next, in microseconds.
    window_ends: AtomicU64,
    /// What was seen last: the number of the look, and in the last byte the percentage.
    last: AtomicU64,
}

/// What was seen last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// How much of the time nobody used, in percent.
    pub(super) idle: u64,
    /// Each look has another one.
    number: u64,
}

/// Nothing was seen.
const NOTHING: u64 = 0xff;

impl Idleness {
    /// That of the CPUs which this process may use.
    pub(super) fn of_our_cpus() -> Idleness {
        let times = CpuTimes::of_ours();
        let cpus = times.as_ref().map_or(1, CpuTimes::cpus).max(1);
        Idleness {
            ticks: Mutex::new(times.as_ref().map(CpuTimes::read).unwrap_or_default()),
            window: (TICK * TICKS_MIN.div_ceil(cpus) as u32).max(WINDOW_MIN),
            made: Instant::now(),
            window_ends: AtomicU64::new(0),
            last: AtomicU64::new(NOTHING),
            times,
        }
    }

    /// Looks, if that is due; `None` if nothing is known.
    pub(super) fn look(&self) -> Option<Look> {
        if let Some(times) = &self.times
            && self.is_due()
        {
            let ticks = times.read();
            let before = std::mem::replace(&mut *lock(&self.ticks), ticks);
            if let Some(idle) = idle(before, ticks) {
                let number = (self.last.load(Ordering::Relaxed) >> 8) + 1;
                self.last.store(number << 8 | idle, Ordering::Relaxed);
            }
        }
        let last = self.last.load(Ordering::Relaxed);
        let (number, idle) = (last >> 8, last & 0xff);
        (idle != NOTHING).then_some(Look { idle, number })
    }

    /// Says so to one thread.
    fn is_due(&self) -> bool {
        let now = self.made.elapsed().as_micros() as u64;
        let ends = self.window_ends.load(Ordering::Relaxed);
        let next = now + self.window.as_micros() as u64;
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        let window_ends = &self.window_ends;
        now >= ends && window_ends.compare_exchange(ends, next, set, fetch).is_ok()
    }
}

/// How much of the time between the two, in percent, if any has passed.
fn idle(before: Ticks, after: Ticks) -> Option<u64> {
    let all = after.all.checked_sub(before.all)?;
    // Waiting for a disk is taken back from the idle time at times.
    let idle = after.idle.saturating_sub(before.idle);
    (idle * 100)
        .checked_div(all)
        .map(|percent| percent.min(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_is_what_nobody_used() {
        let ticks = |idle, all| Ticks { idle, all };
        assert_eq!(idle(ticks(5, 10), ticks(6, 20)), Some(10));
        assert_eq!(idle(ticks(5, 10), ticks(15, 20)), Some(100));
        assert_eq!(idle(ticks(5, 10), ticks(4, 20)), Some(0), "taken back");
        assert_eq!(idle(ticks(5, 10), ticks(5, 10)), None, "no time has passed");
        assert_eq!(idle(ticks(5, 10), Ticks::default()), None);
    }
}
