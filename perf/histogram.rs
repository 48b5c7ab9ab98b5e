//! Latencies in logarithmic buckets: constant memory, a relative error of at most 1/32.
//!
//! A value's bucket is its highest set bit and the five bits below it, as in HdrHistogram.
//! Percentiles answer the upper edge of their bucket, so an error is never in our favour.

use std::time::Duration;

const SUB_BUCKET_BITS: u32 = 5;
const SUB_BUCKETS: usize = 1 << SUB_BUCKET_BITS;
/// 64-bit nanoseconds have at most this many groups of sub-buckets.
const GROUPS: usize = 64 - SUB_BUCKET_BITS as usize + 1;

/// How often each latency was seen.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; GROUPS * SUB_BUCKETS],
            total: 0,
            max: Duration::ZERO,
        }
    }
}

impl Histogram {
    /// Counts one latency.
    pub fn record(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket_of(nanos)] += 1;
        self.total += 1;
        self.max = self.max.max(latency);
    }

    /// Adds what another thread has counted.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    /// The number of latencies counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The longest latency, exactly.
    #[must_use]
    pub fn max(&self) -> Duration {
        self.max
    }

    /// The latency that `fraction` of all did not exceed; zero if there are none.
    #[must_use]
    pub fn percentile(&self, fraction: f64) -> Duration {
        let rank = (self.total as f64 * fraction).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_nanos(upper_edge_of(bucket)).min(self.max);
            }
        }
        self.max
    }
}

fn bucket_of(nanos: u64) -> usize {
    let exponent = nanos.max(1).ilog2();
    if exponent < SUB_BUCKET_BITS {
        return nanos as usize;
    }
    let group = (exponent - SUB_BUCKET_BITS + 1) as usize;
    let within = (nanos >> (exponent - SUB_BUCKET_BITS)) as usize & (SUB_BUCKETS - 1);
    group * SUB_BUCKETS + within
}

fn upper_edge_of(bucket: usize) -> u64 {
    let (group, within) = (bucket / SUB_BUCKETS, (bucket % SUB_BUCKETS) as u128);
    if group == 0 {
        return within as u64;
    }
    let edge = (within + SUB_BUCKETS as u128 + 1) << (group - 1);
    u64::try_from(edge - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket_within_one_part_in_32() {
        let powers = (0..64).flat_map(|bit| [1_u64 << bit, (1_u64 << bit) - 1, 3 << (bit / 2)]);
        for value in powers.chain([u64::MAX]) {
            let edge = upper_edge_of(bucket_of(value));
            assert!(edge >= value, "{value} above its edge {edge}");
            assert!(
                edge - value <= value / 32,
                "{value} too far below its edge {edge}"
            );
        }
    }

    #[test]
    fn percentiles_of_a_hundred_even_values() {
        let mut latencies = Histogram::default();
        for millis in 1..=100 {
            latencies.record(Duration::from_millis(millis));
        }
        for (fraction, expected) in [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0)] {
            let found = latencies.percentile(fraction).as_secs_f64() * 1e3;
            assert!(
                (expected..=expected * 1.04).contains(&found),
                "{fraction}: {found}"
            );
        }
        assert_eq!(latencies.total(), 100);
    }

    #[test]
    fn an_empty_histogram_answers_zero() {
        assert_eq!(Histogram::default().percentile(0.99), Duration::ZERO);
    }
}
