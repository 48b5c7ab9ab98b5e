//! Requests that wait for a connection to PostgreSQL.
//!
//! No thread waits with them. A request for which no connection is free is parked here, by any
//! core, and taken by the next thread of any core that has one; or it expires at its deadline.
//!
//! The oldest comes first, with one exception. A request whose answer will be large also needs one
//! of its core's few places for those ([`crate::serving::grant`]); while there is none, younger
//! requests with usual answers come before it. It is next when a place is free, so neither kind
//! keeps the other from its turn.
//!
//! Nobody is forgotten: whoever parks a request looks for a free connection after that, and
//! whoever frees a connection looks for parked requests after that. With both in one total order
//! (`SeqCst`, here and in `corerest_pg::Pool`), at least one of the two sees the other.
//!
//! Invariant: the queue holds at most one request per client, so `server-max-connections` bounds
//! it, and with one timeout for all, the oldest request is also the first to expire.

use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Instant, Mutex, lock};
use corerest_api::AnswerSize;
use std::collections::VecDeque;

/// A queue of waiting requests, oldest first.
pub(crate) struct Parking<R> {
    queues: Mutex<Queues<R>>,
    /// Their lengths, so that a core without parked requests to serve need not lock them.
    usual: AtomicUsize,
    large: AtomicUsize,
}

/// Those with usual answers and those with large ones, each in the order in which they came.
struct Queues<R> {
    usual: VecDeque<Parked<R>>,
    large: VecDeque<Parked<R>>,
}

struct Parked<R> {
    request: R,
    deadline: Instant,
}

impl<R> Parking<R> {
    pub(crate) fn new() -> Parking<R> {
        Parking {
            queues: Mutex::new(Queues {
                usual: VecDeque::new(),
                large: VecDeque::new(),
            }),
            usual: AtomicUsize::new(0),
            large: AtomicUsize::new(0),
        }
    }

    /// Parks a request until its deadline.
    pub(crate) fn park(&self, request: R, size: AnswerSize, deadline: Instant) {
        let mut queues = lock(&self.queues);
        queues.of(size).push_back(Parked { request, deadline });
        self.note_lengths(&queues);
    }

    /// Whether nothing is parked.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many requests are parked.
    pub(crate) fn len(&self) -> usize {
        self.usual.load(Ordering::SeqCst) + self.large.load(Ordering::SeqCst)
    }

    /// Whether a request with such an answer that has just come has to wait behind others.
    pub(crate) fn is_before(&self, newcomer: AnswerSize) -> bool {
        match newcomer {
            AnswerSize::Usual => self.usual.load(Ordering::SeqCst) > 0,
            AnswerSize::Large => !self.is_empty(),
        }
    }

    /// Whether there is a request for whoever has a connection, and perhaps a place for a large
    /// answer.
    pub(crate) fn has_next(&self, is_place_free: impl FnOnce() -> bool) -> bool {
        self.usual.load(Ordering::SeqCst) > 0
            || self.large.load(Ordering::SeqCst) > 0 && is_place_free()
    }

    /// Takes the request that has waited longest, with a place if its answer will be large; of
    /// those with usual answers if there is no place.
    pub(crate) fn take_oldest<P>(
        &self,
        take_place: impl FnOnce() -> Option<P>,
    ) -> Option<(R, Option<P>)> {
        if self.is_empty() {
            return None;
        }
        let mut queues = lock(&self.queues);
        let place = match (queues.usual.front(), queues.large.front()) {
            (Some(usual), Some(large)) if usual.deadline <= large.deadline => None,
            (_, Some(_)) => take_place(),
            (_, None) => None,
        };
        let size = match place {
            Some(_) => AnswerSize::Large,
            None => AnswerSize::Usual,
        };
        let taken = queues.of(size).pop_front();
        self.note_lengths(&queues);
        taken.map(|parked| (parked.request, place))
    }

    /// Takes the request that has waited longest, if its deadline has passed.
    pub(crate) fn take_expired(&self, now: Instant) -> Option<R> {
        if self.is_empty() {
            return None;
        }
        let mut queues = lock(&self.queues);
        let (size, deadline) = queues.first_to_expire()?;
        let taken = match deadline <= now {
            true => queues.of(size).pop_front(),
            false => None,
        };
        self.note_lengths(&queues);
        taken.map(|parked| parked.request)
    }

    /// When the next request expires.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        if self.is_empty() {
            return None;
        }
        let first = lock(&self.queues).first_to_expire();
        first.map(|(_, deadline)| deadline)
    }

    fn note_lengths(&self, queues: &Queues<R>) {
        self.usual.store(queues.usual.len(), Ordering::SeqCst);
        self.large.store(queues.large.len(), Ordering::SeqCst);
    }
}

impl<R> Queues<R> {
    fn of(&mut self, size: AnswerSize) -> &mut VecDeque<Parked<R>> {
        match size {
            AnswerSize::Usual => &mut self.usual,
            AnswerSize::Large => &mut self.large,
        }
    }

    fn first_to_expire(&self) -> Option<(AnswerSize, Instant)> {
        let first = |size, queue: &VecDeque<Parked<R>>| Some((size, queue.front()?.deadline));
        let both = [
            first(AnswerSize::Usual, &self.usual),
            first(AnswerSize::Large, &self.large),
        ];
        let both = both.into_iter().flatten();
        both.min_by_key(|(_, deadline)| *deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AnswerSize::{Large, Usual};
    use std::time::Duration;

    const NO_PLACE: fn() -> Option<()> = || None;
    const PLACE: fn() -> Option<()> = || Some(());

    #[test]
    fn the_oldest_request_comes_first() {
        let now = Instant::now();
        let parking = Parking::new();
        assert_eq!(parking.take_oldest(PLACE), None);
        parking.park("a", Usual, now);
        parking.park("b", Usual, now);
        assert!(!parking.is_empty());
        assert_eq!(parking.take_oldest(PLACE), Some(("a", None)));
        assert_eq!(parking.take_oldest(PLACE), Some(("b", None)));
        assert!(parking.is_empty());
    }

    #[test]
    fn large_answers_wait_for_a_place_and_others_do_not_wait_for_them() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let parking = Parking::new();
        parking.park("large", Large, start);
        assert!(parking.is_before(Large));
        assert!(!parking.is_before(Usual));
        assert!(!parking.has_next(|| false));
        assert!(parking.has_next(|| true));
        assert_eq!(parking.take_oldest(NO_PLACE), None);
        parking.park("usual", Usual, start + second);
        parking.park("younger", Usual, start + 2 * second);
        assert!(parking.is_before(Usual));
        assert!(parking.has_next(|| false));
        assert_eq!(parking.take_oldest(NO_PLACE), Some(("usual", None)));
        assert_eq!(parking.take_oldest(PLACE), Some(("large", Some(()))));
        parking.park("large", Large, start + 3 * second);
        assert_eq!(parking.len(), 2);
        assert_eq!(parking.take_oldest(PLACE), Some(("younger", None)));
        assert_eq!(parking.take_oldest(PLACE), Some(("large", Some(()))));
        assert!(parking.is_empty());
    }

    #[test]
    fn requests_expire_at_their_own_deadline() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let parking = Parking::new();
        assert_eq!(parking.next_deadline(), None);
        parking.park("a", Usual, start + second);
        parking.park("b", Large, start + 2 * second);
        parking.park("c", Usual, start + 3 * second);
        assert_eq!(parking.take_expired(start), None);
        assert_eq!(parking.next_deadline(), Some(start + second));
        assert_eq!(parking.take_expired(start + second), Some("a"));
        assert_eq!(parking.next_deadline(), Some(start + 2 * second));
        assert_eq!(parking.take_expired(start + second), None);
        assert_eq!(parking.take_expired(start + 3 * second), Some("b"));
        assert_eq!(parking.take_expired(start + 3 * second), Some("c"));
    }
}
