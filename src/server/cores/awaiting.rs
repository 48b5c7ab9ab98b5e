//! Requests whose tokens name keys that are being fetched.
//!
//! No thread waits with them. Each is looked at again when a fetch has ended since it looked for
//! its key, and for the last time at its deadline.
//!
//! Nobody is forgotten: whoever puts a request here looks after that whether a fetch has ended, and
//! whoever ends one rings for all cores after that (`model::keys`).
//!
//! Invariant: the queue holds at most one request per client, and the one that has seen the fewest
//! fetches end comes first.

use crate::serving::client::Client;
use crate::serving::handle::LacksKeys;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Instant, Mutex, lock};
use std::collections::VecDeque;

/// A client whose request waits for keys.
pub(super) struct AwaitingClient {
    pub(super) client: Box<Client>,
    pub(super) lacks: LacksKeys,
}

/// The queue of those that wait.
pub(super) struct Awaiting<R> {
    queue: Mutex<VecDeque<Waiting<R>>>,
    /// Its length, so that a thread need not lock it to see that nobody waits.
    length: AtomicUsize,
}

/// A request that waits.
struct Waiting<R> {
    request: R,
    /// How many fetches had ended when it looked for its key.
    ended_seen: u64,
    deadline: Instant,
}

/// A request that is to be looked at again.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Due<R> {
    pub(super) request: R,
    pub(super) deadline: Instant,
}

impl<R> Awaiting<R> {
    pub(super) fn new() -> Awaiting<R> {
        Awaiting {
            queue: Mutex::new(VecDeque::new()),
            length: AtomicUsize::new(0),
        }
    }

    /// Lets a request wait until its deadline.
    pub(super) fn add(&self, request: R, ended_seen: u64, deadline: Instant) {
        let mut queue = lock(&self.queue);
        // Threads see the numbers in another order than they come here.
        let at = queue.partition_point(|waiting| waiting.ended_seen <= ended_seen);
        let waiting = Waiting {
            request,
            ended_seen,
            deadline,
        };
        queue.insert(at, waiting);
        self.length.store(queue.len(), Ordering::SeqCst);
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.length.load(Ordering::SeqCst) == 0
    }

    /// Takes a request for which something may have come: so many fetches have ended now.
    pub(super) fn take_due(&self, ended: impl Fn() -> u64) -> Option<Due<R>> {
        if self.is_empty() {
            return None;
        }
        let mut queue = lock(&self.queue);
        let is_due = queue.front()?.ended_seen != ended();
        let taken = if is_due { queue.pop_front() } else { None };
        self.length.store(queue.len(), Ordering::SeqCst);
        taken.map(Due::of)
    }

    /// Takes a request whose deadline has passed.
    pub(super) fn take_expired(&self, now: Instant) -> Option<Due<R>> {
        if self.is_empty() {
            return None;
        }
        let mut queue = lock(&self.queue);
        let at = queue.iter().position(|waiting| waiting.deadline <= now)?;
        let taken = queue.remove(at);
        self.length.store(queue.len(), Ordering::SeqCst);
        taken.map(Due::of)
    }

    /// When the next one expires.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        if self.is_empty() {
            return None;
        }
        let queue = lock(&self.queue);
        queue.iter().map(|waiting| waiting.deadline).min()
    }
}

impl<R> Due<R> {
    fn of(waiting: Waiting<R>) -> Due<R> {
        Due {
            request: waiting.request,
            deadline: waiting.deadline,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn whoever_has_seen_the_least_comes_first_and_nobody_before_there_is_more() {
        let now = Instant::now();
        let awaiting = Awaiting::new();
        awaiting.add("b", 1, now);
        awaiting.add("a", 0, now);
        awaiting.add("c", 1, now);
        let due = |ended| awaiting.take_due(|| ended).map(|due| due.request);
        assert_eq!(due(1), Some("a"));
        assert_eq!(due(1), None);
        assert_eq!(due(2), Some("b"));
        assert!(!awaiting.is_empty());
        assert_eq!(due(2), Some("c"));
        assert!(awaiting.is_empty());
        assert_eq!(due(3), None);
    }

    #[test]
    fn each_expires_at_its_own_deadline() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let awaiting = Awaiting::new();
        assert_eq!(awaiting.next_deadline(), None);
        awaiting.add("late", 0, now + 2 * second);
        awaiting.add("early", 0, now + second);
        assert_eq!(awaiting.next_deadline(), Some(now + second));
        let expired = |at| awaiting.take_expired(at).map(|due| due.request);
        assert_eq!(expired(now), None);
        assert_eq!(expired(now + second), Some("early"));
        assert_eq!(expired(now + second), None);
        assert_eq!(expired(now + 2 * second), Some("late"));
    }
}
