//! What one thread counts. Its numbers are added to those of the other threads when somebody asks.
//!
//! Each number is an atomic only so that another thread may read it: the thread that owns the tally
//! is the only one that writes, so counting is a load, an addition and a store, without a locked
//! instruction, in cache lines that no other thread writes to.
//!
//! Invariant: numbers never get smaller, as Prometheus expects of counters.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The methods that are counted by name; the last one stands for all others.
pub(crate) const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS", "other",
];

/// The classes of status that a response may have.
pub(crate) const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The upper bounds of a histogram's buckets in microseconds; the last bucket has none.
pub(crate) const BOUNDS_MICROSECONDS: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// A number that one thread adds to.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// Adds to it. Only the thread that owns it may.
    pub(crate) fn add(&self, more: u64) {
        self.set(self.read().wrapping_add(more));
    }

    /// Replaces it by a larger one. Only the thread that owns it may.
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// What it was a moment ago.
    pub(crate) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How long something took, many times.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    /// How often it took longer than the bound before, and not longer than this one.
    buckets: [Count; BOUNDS_MICROSECONDS.len() + 1],
    nanoseconds: Count,
}

impl Histogram {
    /// It took so long once more. Most take least, so looking from below finds the bucket soon.
    pub(crate) fn record(&self, took: Duration) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bounds = BOUNDS_MICROSECONDS.iter();
        let bucket = bounds
            .take_while(|bound| *bound * 1_000 < nanoseconds)
            .count();
        self.buckets[bucket].add(1);
        self.nanoseconds.add(nanoseconds);
    }

    /// How often it took as long as the bucket says, bucket by bucket.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = u64> {
        self.buckets.iter().map(Count::read)
    }

    /// How long it took altogether.
    pub(crate) fn seconds(&self) -> f64 {
        Duration::from_nanos(self.nanoseconds.read()).as_secs_f64()
    }
}

/// The numbers of one thread. Aligned, so that no line of the cache has two writers; 128 bytes,
/// because CPUs fetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Tally {
    /// Requests that were begun. Those that were answered are in `requests`.
    pub(crate) begun: Count,
    requests: [[Count; CLASSES.len()]; METHODS.len()],
    /// From the last byte of a request until its response is written.
    pub(crate) total: Histogram,
    /// Until there was a connection to PostgreSQL, for requests that needed one.
    pub(crate) waiting: Histogram,
    /// From there until PostgreSQL had answered.
    pub(crate) database: Histogram,
    /// What clients have sent that was not a request.
    pub(crate) refused: Count,
    /// Bytes that came from clients.
    pub(crate) received: Count,
    /// Bytes that were taken by clients.
    pub(crate) sent: Count,
    /// Events that were told to clients, each time.
    pub(crate) events: Count,
    /// Streams that were cut off because their clients took nothing.
    pub(crate) deaf: Count,
    /// Requests that waited for a connection in vain.
    pub(crate) pool_timeouts: Count,
    /// Reads that were given up because their clients were gone.
    pub(crate) cancelled: Count,
    /// Requests that were asked together with others.
    pub(crate) together: Count,
    /// Responses that were begun and could not be brought to their end.
    pub(crate) cut_off: Count,
    /// Tokens that were looked for in the cache.
    pub(crate) jwt_requests: Count,
    /// Those that were there.
    pub(crate) jwt_hits: Count,
    /// Tokens that made room for others.
    pub(crate) jwt_evictions: Count,
}

impl Tally {
    /// A request was answered.
    pub(crate) fn answered(&self, method: &str, status: u16) {
        self.requests[method_index(method)][class_index(status)].add(1);
    }

    /// Requests that were answered, by method and class of status.
    pub(crate) fn requests(&self) -> impl Iterator<Item = (usize, usize, u64)> {
        let methods = self.requests.iter().enumerate();
        methods.flat_map(|(method, classes)| {
            let classes = classes.iter().enumerate();
            classes.map(move |(class, count)| (method, class, count.read()))
        })
    }
}

fn method_index(method: &str) -> usize {
    let named = METHODS[..METHODS.len() - 1].iter();
    let index = named.clone().position(|known| *known == method);
    index.unwrap_or(METHODS.len() - 1)
}

fn class_index(status: u16) -> usize {
    usize::from(status / 100).clamp(1, CLASSES.len()) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_into_the_bucket_up_to_their_bound() {
        let histogram = Histogram::default();
        for microseconds in [0, 99, 100, 101, 250, 1_000_000, 10_000_000, 10_000_001] {
            histogram.record(Duration::from_micros(microseconds));
        }
        let buckets: Vec<u64> = histogram.buckets().collect();
        assert_eq!(buckets[0], 3);
        assert_eq!(buckets[1], 2);
        assert_eq!(buckets[12], 1);
        assert_eq!(buckets[15], 1);
        assert_eq!(buckets[16], 1);
        assert_eq!(buckets.iter().sum::<u64>(), 8);
        assert!((histogram.seconds() - 21.000_551).abs() < 1e-9);
    }

    #[test]
    fn requests_are_counted_by_method_and_class() {
        let tally = Tally::default();
        for (method, status) in [("GET", 200), ("GET", 206), ("BREW", 405), ("PUT", 999)] {
            tally.answered(method, status);
        }
        let counted: Vec<_> = tally
            .requests()
            .filter(|(_, _, count)| *count > 0)
            .collect();
        assert_eq!(counted, [(0, 1, 2), (4, 4, 1), (7, 3, 1)]);
    }
}
