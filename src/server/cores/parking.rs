//! Requests that wait for a connection to PostgreSQL.
//!
//! No thread waits with them. A request for which no connection is free is parked here, by any
//! core, and taken by the next thread of any core that has one; or it expires at its deadline.
//!
//! Nobody is forgotten: whoever parks a request looks for a free connection after that, and
//! whoever frees a connection looks for parked requests after that. With both in one total order
//! (`SeqCst`, here and in `corerest_pg::Pool`), at least one of the two sees the other.
//!
//! Invariant: the queue holds at most one request per client, so `server-max-connections` bounds
//! it, and with one timeout for all, the oldest request is also the first to expire.

use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Instant, Mutex, lock};
use std::collections::VecDeque;

/// A queue of waiting requests, oldest first.
pub(crate) struct Parking<R> {
    queue: Mutex<VecDeque<Parked<R>>>,
    /// Its length, so that a core without parked requests to serve need not lock it.
    length: AtomicUsize,
}

struct Parked<R> {
    request: R,
    deadline: Instant,
}

impl<R> Parking<R> {
    pub(crate) fn new() -> Parking<R> {
        Parking {
            queue: Mutex::new(VecDeque::new()),
            length: AtomicUsize::new(0),
        }
    }

    /// Parks a request until its deadline.
    pub(crate) fn park(&self, request: R, deadline: Instant) {
        let mut queue = lock(&self.queue);
        queue.push_back(Parked { request, deadline });
        self.length.store(queue.len(), Ordering::SeqCst);
    }

    /// Whether nothing is parked.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many requests are parked.
    pub(crate) fn len(&self) -> usize {
        self.length.load(Ordering::SeqCst)
    }

    /// Takes the request that has waited longest.
    pub(crate) fn take_oldest(&self) -> Option<R> {
        self.take_if(|_| true)
    }

    /// Takes the request that has waited longest, if its deadline has passed.
    pub(crate) fn take_expired(&self, now: Instant) -> Option<R> {
        self.take_if(|parked| parked.deadline <= now)
    }

    /// When the next request expires.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        if self.is_empty() {
            None
        } else {
            lock(&self.queue).front().map(|parked| parked.deadline)
        }
    }

    fn take_if(&self, wanted: impl Fn(&Parked<R>) -> bool) -> Option<R> {
        if self.is_empty() {
            return None;
        }
        let mut queue = lock(&self.queue);
        let taken = if wanted(queue.front()?) {
            queue.pop_front()
        } else {
            None
        };
        self.length.store(queue.len(), Ordering::SeqCst);
        taken.map(|parked| parked.request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_oldest_request_comes_first() {
        let now = Instant::now();
        let parking = Parking::new();
        assert_eq!(parking.take_oldest(), None);
        parking.park("a", now);
        parking.park("b", now);
        assert!(!parking.is_empty());
        assert_eq!(parking.take_oldest(), Some("a"));
        assert_eq!(parking.take_oldest(), Some("b"));
        assert!(parking.is_empty());
    }

    #[test]
    fn requests_expire_at_their_own_deadline() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let parking = Parking::new();
        assert_eq!(parking.next_deadline(), None);
        parking.park("a", start + second);
        parking.park("b", start + 2 * second);
        assert_eq!(parking.take_expired(start), None);
        assert_eq!(parking.next_deadline(), Some(start + second));
        assert_eq!(parking.take_expired(start + second), Some("a"));
        assert_eq!(parking.take_expired(start + second), None);
        assert_eq!(parking.take_expired(start + 3 * second), Some("b"));
    }
}
