//! Relief for requests that wait for connections which only wait for slow readers: when, and whom.
//!
//! ```text
//! a request is parked, a slow reader rests ──▶ alarm ──the request still waits──▶ spooled
//!                                                               └─ no room ──▶ left, or cut off
//! ```
//! As long as nobody waits for a connection, a slow reader may keep its own: to spool an answer
//! costs the disk, and a client that is only slow for a moment would pay for it. And requests wait
//! for moments on any busy server, so that alone is no reason, either.
//!
//! Each core has a list of those who hold connections of its pool, so it is never longer than the
//! pool, and a thread that spools has a connection of its own core in hand: another one is free.
//! Nobody looks at the list as long as no request is parked.

use crate::net::Alarm;
use crate::serving::client::ClientToken;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{Instant, Mutex, lock};
use std::io;
use std::time::Duration;

/// How long a request waits before an answer is spooled for it. Nobody minds that much beside a
/// second in the queue, and a client at the speed of its line seldom rests for so long.
const SPOOLED_AFTER: Duration = Duration::from_millis(50);

/// How long a request waits before an answer is cut off for it. Half of the time that it would
/// wait in vain, if that is shorter.
const CUT_OFF_AFTER: Duration = Duration::from_secs(1);

/// What may be done for requests of which the oldest has waited so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    Nothing,
    Spool,
    SpoolOrCutOff,
}

/// What is to be done after this wait, where requests wait for so long at the most.
pub(super) fn measure(waited: Duration, timeout: Duration) -> Measure {
    if waited < SPOOLED_AFTER {
        Measure::Nothing
    } else if waited < CUT_OFF_AFTER.min(timeout / 2) {
        Measure::Spool
    } else {
        Measure::SpoolOrCutOff
    }
}

/// The slow readers of a core, the one that has not been served for the longest time first.
#[derive(Debug, Default)]
pub(super) struct SlowReaders {
    list: Mutex<Vec<SlowReader>>,
    /// Their number. Sequentially consistent: who adds one looks for parked requests after it, and
    /// who parks a request looks for slow readers after it; one of the two sees the other.
    count: AtomicUsize,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SlowReader {
    /// The client.
    pub(super) token: ClientToken,
    /// Since when it rests.
    pub(super) since: Instant,
    /// How much it has still to be sent; `None` if it cannot be spooled.
    pub(super) bytes: Option<u64>,
}

impl SlowReaders {
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// A client rests.
    pub(super) fn add(&self, reader: SlowReader) {
        let mut list = lock(&self.list);
        list.push(reader);
        self.count.store(list.len(), Ordering::SeqCst);
    }

    /// A client is served.
    pub(super) fn remove(&self, token: ClientToken) {
        let mut list = lock(&self.list);
        list.retain(|reader| reader.token != token);
        self.count.store(list.len(), Ordering::SeqCst);
    }

    /// The first one.
    pub(super) fn first(&self) -> Option<SlowReader> {
        lock(&self.list).first().copied()
    }

    /// The first one that is chosen, with what it is chosen for. It stays in the list.
    pub(super) fn find<T>(
        &self,
        mut choose: impl FnMut(&SlowReader) -> Option<T>,
    ) -> Option<(SlowReader, T)> {
        let list = lock(&self.list);
        list.iter()
            .find_map(|reader| choose(reader).map(|chosen| (*reader, chosen)))
    }
}

/// Wakes a thread of a core when parked requests have waited for so long that something is to be
/// done for them.
#[derive(Debug)]
pub(super) struct ReliefAlarm {
    pub(super) alarm: Alarm,
    /// Sequentially consistent: who sets it has parked a request or noted a slow reader before
    /// that, and who clears it looks for both after that.
    is_set: AtomicBool,
}

impl ReliefAlarm {
    /// One that is not set.
    pub(super) fn new() -> io::Result<ReliefAlarm> {
        Ok(ReliefAlarm {
            alarm: Alarm::new()?,
            is_set: AtomicBool::new(false),
        })
    }

    /// Sees to it that a thread looks for slow readers soon.
    pub(super) fn set(&self) {
        if !self.is_set.swap(true, Ordering::SeqCst) {
            // The descriptor is a timer and the time is valid, so this cannot fail.
            let _ = self.alarm.set(SPOOLED_AFTER);
        }
    }

    /// It has gone off, and the thread that calls this looks.
    pub(super) fn clear(&self) {
        if self.alarm.has_gone_off() {
            self.is_set.store(false, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_is_wanted_is_found() {
        let since = Instant::now();
        let reader = |index: usize, bytes: u64| SlowReader {
            token: ClientToken::new(index, 0),
            since,
            bytes: Some(bytes),
        };
        let readers = SlowReaders::default();
        assert!(readers.is_empty());
        readers.add(reader(1, 50));
        readers.add(reader(2, 10));
        readers.add(reader(3, 10));
        let small = |r: &SlowReader| r.bytes.filter(|bytes| *bytes < 20);
        assert_eq!(readers.find(small), Some((reader(2, 10), 10)));
        readers.remove(ClientToken::new(2, 0));
        assert_eq!(readers.find(small), Some((reader(3, 10), 10)));
        assert_eq!(readers.first(), Some(reader(1, 50)));
        assert_eq!(readers.len(), 2);
    }

    #[track_caller]
    fn check(waited_ms: u64, timeout_ms: u64, expected: Measure) {
        let (waited, timeout) = (
            Duration::from_millis(waited_ms),
            Duration::from_millis(timeout_ms),
        );
        assert_eq!(measure(waited, timeout), expected);
    }

    #[test]
    fn the_longer_a_request_waits_the_more_is_done_for_it() {
        check(49, 10_000, Measure::Nothing);
        check(50, 10_000, Measure::Spool);
        check(999, 10_000, Measure::Spool);
        check(1000, 10_000, Measure::SpoolOrCutOff);
        check(500, 1000, Measure::SpoolOrCutOff);
    }
}
