//! Waiting for something that nobody announces, with a deadline.
//!
//! Whatever can be waited for (a line of a log, bytes of a socket, the end of a process's output)
//! is; this is for the rest.

use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine, shorter than anybody's patience.
pub const LONG: Duration = Duration::from_secs(20);

/// How often is looked.
const GLANCE: Duration = Duration::from_millis(10);

/// Waits until there is an answer.
///
/// # Panics
/// If there is none for [`LONG`].
#[track_caller]
pub fn until_some<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LONG;
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(Instant::now() < deadline, "in vain: waited for {what}");
        std::thread::park_timeout(GLANCE);
    }
}

/// Waits until the condition holds.
///
/// # Panics
/// If it does not hold for [`LONG`].
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    until_some(what, || condition().then_some(()));
}
