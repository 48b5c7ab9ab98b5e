//! Relief for requests that wait for connections which only wait for slow readers.
//!
//! ```text
//! a request is parked, a slow reader rests ──▶ alarm ──the request still waits──▶ spooled
//!                                                               └─ no room ──▶ left, or cut off
//! ```
//! As long as nobody waits for a connection, a slow reader may keep its own: to spool an answer
//! costs the disk, and a client that is only slow for a moment would pay for it. And requests wait
//! for moments on any busy server, so that alone is no reason, either.
//!
//! A core spools only for the connections of its own pool, wherever their clients are at home: a
//! thread that spools has a connection of its core in hand, so another one is free.

use super::slow_readers::SlowReader;
use super::{Core, Cores};
use crate::serving::client::{Client, Token};
use crate::serving::spool::Room;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long a request waits before an answer is spooled for it. Nobody minds that much beside a
/// second in the queue, and a client at the speed of its line seldom rests for so long.
const SPOOLED_AFTER: Duration = Duration::from_millis(50);

/// How long a request waits before an answer is cut off for it. Half of the time that it would
/// wait in vain, if that is shorter.
const CUT_OFF_AFTER: Duration = Duration::from_secs(1);

/// What frees a connection.
pub(super) enum Relief {
    /// The client's answer is brought into the spool, where it has this room.
    Spool(Box<Client>, Room),
    /// The client's answer ends here.
    CutOff(Box<Client>),
}

/// What may be done for requests of which the oldest has waited so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measure {
    Nothing,
    Spool,
    SpoolOrCutOff,
}

fn measure(waited: Duration, timeout: Duration) -> Measure {
    if waited < SPOOLED_AFTER {
        Measure::Nothing
    } else if waited < CUT_OFF_AFTER.min(timeout / 2) {
        Measure::Spool
    } else {
        Measure::SpoolOrCutOff
    }
}

impl Cores {
    /// A client is about to rest.
    pub(super) fn note_slow_reader(&self, client: &mut Client) {
        let unwritten = client.output.unwritten().len() as u64;
        let Some(body) = &mut client.body else {
            return;
        };
        let bytes = body.bytes_to_spool().map(|bytes| bytes + unwritten);
        let Some(core) = body.core() else {
            return;
        };
        self.cores[core].slow_readers.add(SlowReader {
            token: client.token,
            home: client.home,
            since: Instant::now(),
            bytes,
        });
        if !self.parking.is_empty() {
            self.cores[core].expect_relief();
        }
    }

    /// A client is no longer at rest.
    pub(super) fn forget_slow_reader(&self, client: &Client) {
        if let Some(core) = client.body.as_ref().and_then(|body| body.core()) {
            self.cores[core]
                .slow_readers
                .remove(client.home, client.token);
        }
    }

    /// A request was parked.
    pub(super) fn expect_relief(&self) {
        let cores = self.cores.iter();
        cores
            .filter(|core| !core.slow_readers.is_empty())
            .for_each(Core::expect_relief);
    }

    /// How many connections wait for clients.
    pub(crate) fn slow_readers(&self) -> usize {
        let cores = self.cores.iter();
        cores.map(|core| core.slow_readers.len()).sum()
    }

    /// What a core can do for the requests that wait for a connection.
    pub(super) fn relief(&self, index: usize) -> Option<Relief> {
        let core = &self.cores[index];
        if core.slow_readers.is_empty() {
            return None;
        }
        let left = self.parking.next_deadline()?;
        core.expect_relief(); // by the next thread, should this one find a long answer
        let timeout = self.patience.acquisition;
        let waited = timeout.saturating_sub(left.saturating_duration_since(Instant::now()));
        let measure = measure(waited, timeout);
        if measure == Measure::Nothing {
            return None;
        }
        let fits = |reader: &SlowReader| self.spool.reserve(reader.bytes?);
        match core.slow_readers.find(fits) {
            // Unless it has begun to read on in this moment.
            Some((reader, room)) => {
                let client = self.take(reader.home, reader.token)?;
                Some(Relief::Spool(client, room))
            }
            None if measure == Measure::SpoolOrCutOff => self.to_cut_off(),
            None => None,
        }
    }

    /// The one of all slow readers that has not been served for the longest time, if there are
    /// too many of them. One thread at a time, or two would see the same one too many.
    fn to_cut_off(&self) -> Option<Relief> {
        let _counting = self.cutting_off.try_lock().ok()?;
        if self.slow_readers() <= self.slow_readers_max {
            return None;
        }
        let firsts = self
            .cores
            .iter()
            .filter_map(|core| core.slow_readers.first());
        let reader = firsts.min_by_key(|reader| reader.since)?;
        let client = self.take(reader.home, reader.token)?;
        Some(Relief::CutOff(client))
    }

    /// Takes a resting client to serve it; `None` for a late event.
    pub(super) fn take(&self, home: usize, token: Token) -> Option<Box<Client>> {
        let client = self.cores[home].take(token)?;
        self.forget_slow_reader(&client);
        Some(client)
    }
}

impl Core {
    /// Sees to it that a thread looks for slow readers soon.
    fn expect_relief(&self) {
        if !self.expects_relief.swap(true, Ordering::SeqCst) {
            // The descriptor is a timer and the time is valid, so this cannot fail.
            let _ = self.relief_alarm.set(SPOOLED_AFTER);
        }
    }

    /// The alarm for that has gone off, and the thread that calls this looks.
    pub(super) fn on_relief_alarm(&self) {
        if self.relief_alarm.has_gone_off() {
            self.expects_relief.store(false, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
