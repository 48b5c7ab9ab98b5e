//! Whether a core gets round to what happens: its bell is rung, and one of its threads answers.
//!
//! ```text
//! answered ──ask(): the bell is rung──▶ asked, since then ──a thread silences the bell──▶ answered
//!     └──the last clients are gone, and the threads end──▶ ended: nobody is to answer
//! ```
//! One thread of a core never waits for PostgreSQL, so an answer takes no longer than what the
//! core has before it in its queue. Requests pay nothing for it.

use crate::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The pulse of a core: one of the two numbers below, or since when it has not answered, in
/// milliseconds.
#[derive(Debug)]
pub(super) struct Pulse(AtomicU64);

/// A thread has come round since the bell was rung.
const ANSWERED: u64 = 0;

/// There are no threads any more.
const ENDED: u64 = u64::MAX;

impl Pulse {
    pub(super) fn new() -> Pulse {
        Pulse(AtomicU64::new(ANSWERED))
    }

    /// Notes that the bell is about to be rung, at this time, and says whether the core has
    /// answered every time when it was rung more than `patience` before.
    pub(super) fn ask(&self, now: Duration, patience: Duration) -> bool {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        // From 1 to ENDED - 1, whatever the time.
        let now = millis(now).clamp(1, ENDED - 1);
        let asked = self
            .0
            .compare_exchange(ANSWERED, now, Ordering::Relaxed, Ordering::Relaxed);
        match asked {
            Ok(_) | Err(ENDED) => true,
            Err(since) => now.saturating_sub(since) <= millis(patience),
        }
    }

    /// A thread has silenced the bell.
    pub(super) fn answer(&self) {
        self.0.store(ANSWERED, Ordering::Relaxed);
    }

    /// The threads end.
    pub(super) fn end(&self) {
        self.0.store(ENDED, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pulse: &Pulse, now: u64, expected: bool) {
        let patience = Duration::from_secs(5);
        assert_eq!(pulse.ask(Duration::from_millis(now), patience), expected);
    }

    #[test]
    fn a_core_that_has_not_answered_for_too_long_is_stuck_until_it_answers() {
        let pulse = Pulse::new();
        check(&pulse, 0, true);
        check(&pulse, 4_000, true);
        check(&pulse, 5_001, true);
        check(&pulse, 5_002, false);
        check(&pulse, 9_000, false);
        pulse.answer();
        check(&pulse, 20_000, true);
        check(&pulse, 26_000, false);
        pulse.end();
        check(&pulse, 90_000, true);
    }
}
