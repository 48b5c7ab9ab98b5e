//! The waits between attempts to connect.

/// They double from one second up to this.
const SECONDS_MAX: u64 = 32;

/// How long to wait after the next failure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    seconds: u64,
}

impl Backoff {
    /// After a success.
    pub(super) fn new() -> Backoff {
        Backoff { seconds: 1 }
    }

    /// The seconds to wait now, after one more failure.
    pub(super) fn next(&mut self) -> u64 {
        let seconds = self.seconds;
        self.seconds = (seconds * 2).min(SECONDS_MAX);
        seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_half_a_minute() {
        let mut backoff = Backoff::new();
        let waits: Vec<u64> = (0..7).map(|_| backoff.next()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 32]);
    }
}
