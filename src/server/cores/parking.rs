//! Requests that wait for a connection to PostgreSQL.
//!
//! No thread waits with them. A request for which no connection is free is parked here, by any
//! core, and taken by the next thread of any core that has one; or it expires at its deadline.
//!
//! The oldest comes first, with one exception. A request whose answer will be large also needs one
//! of its core's few places for those ([`crate::serving::grant`]); while there is none, younger
//! requests with usual answers come before it. It is next when a place is free, so neither kind
//! keeps the other from its turn. What a request's answer will be like is asked again when it is
//! its turn: of many that are parked at once, none is known to be large before the first answer.
//!
//! There is a line for each thing that requests wait for: the primary, a replica, or what a replica
//! has not replayed. A connection takes from the lines that it can serve, so none passes over
//! requests that are not for it; and reads that wait for replicas delay no write.
//!
//! Nobody is forgotten: whoever parks a request looks for a free connection after that, and
//! whoever frees a connection looks for parked requests after that. With both in one total order
//! (`SeqCst`, here and in `corerest_pg::Pool`), at least one of the two sees the other. The same
//! holds for what becomes of replicas (`state::fleet`): whoever changes it looks here after that.
//!
//! Invariant: the lines hold at most one request per client, so `server-max-connections` bounds
//! them, and with one timeout for all of a line, the oldest request is also the first to expire.

use crate::serving::aim::WaitsFor;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Instant, Mutex, lock};
use corerest_api::AnswerSize;
use std::collections::VecDeque;

/// How far behind the oldest request is looked for one that fits.
const LOOKED_AT: usize = 64;

/// What requests wait for.
const LINES: [WaitsFor; 3] = [WaitsFor::Primary, WaitsFor::Replica, WaitsFor::Replay];

/// Waiting requests, oldest first.
pub(crate) struct Parking<R> {
    lines: [Line<R>; LINES.len()],
    /// How many there are, so that a core without parked requests to serve need not lock anything.
    length: AtomicUsize,
}

/// Requests that wait for the same.
struct Line<R> {
    queues: Mutex<Queues<R>>,
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
            lines: LINES.map(|_| Line::new()),
            length: AtomicUsize::new(0),
        }
    }

    fn line(&self, what: WaitsFor) -> &Line<R> {
        &self.lines[what as usize]
    }

    /// Parks a request until its deadline.
    pub(crate) fn park(&self, what: WaitsFor, request: R, size: AnswerSize, deadline: Instant) {
        let line = self.line(what);
        let mut queues = lock(&line.queues);
        queues.of(size).push_back(Parked { request, deadline });
        line.note_lengths(&queues);
        self.length.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether nothing is parked.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether nothing waits for this.
    pub(crate) fn is_line_empty(&self, what: WaitsFor) -> bool {
        self.line(what).is_empty()
    }

    /// The least of what the requests have that wait for this.
    pub(crate) fn least<T: Ord>(&self, what: WaitsFor, of: impl Fn(&R) -> Option<T>) -> Option<T> {
        let line = self.line(what);
        if line.is_empty() {
            return None;
        }
        let queues = lock(&line.queues);
        let all = queues.usual.iter().chain(&queues.large);
        all.filter_map(|parked| of(&parked.request)).min()
    }

    /// How many requests are parked.
    pub(crate) fn len(&self) -> usize {
        self.length.load(Ordering::SeqCst)
    }

    /// Whether a request with such an answer that has just come has to wait behind others.
    pub(crate) fn is_before(&self, what: WaitsFor, newcomer: AnswerSize) -> bool {
        let line = self.line(what);
        match newcomer {
            AnswerSize::Usual => line.usual.load(Ordering::SeqCst) > 0,
            AnswerSize::Large => !line.is_empty(),
        }
    }

    /// Whether there is a request for whoever has a connection, and perhaps a place for a large
    /// answer.
    pub(crate) fn has_next(&self, what: WaitsFor, is_place_free: impl FnOnce() -> bool) -> bool {
        let line = self.line(what);
        line.usual.load(Ordering::SeqCst) > 0
            || line.large.load(Ordering::SeqCst) > 0 && is_place_free()
    }

    /// Takes the request that has waited longest for this, of those that fit, with a place if its
    /// answer will be large; of those with usual answers if there is no place. `size_of` says how
    /// large the answer will be, as far as is known by now, of a request that fits.
    pub(crate) fn take_oldest<P>(
        &self,
        what: WaitsFor,
        size_of: impl Fn(&R) -> Option<AnswerSize>,
        take_place: impl FnOnce() -> Option<P>,
    ) -> Option<(R, Option<P>)> {
        let line = self.line(what);
        if line.is_empty() {
            return None;
        }
        let mut queues = lock(&line.queues);
        let usual = loop {
            match first_that_fits(&queues.usual, &size_of) {
                Some(first) if first.size == AnswerSize::Large => queues.note_large(first.at),
                first => break first,
            }
        };
        let large = first_that_fits(&queues.large, &size_of);
        let place = match (&usual, &large) {
            (Some(usual), Some(large)) if usual.deadline <= large.deadline => None,
            (_, Some(_)) => take_place(),
            (_, None) => None,
        };
        let taken = match place {
            Some(_) => large.and_then(|large| queues.large.remove(large.at)),
            None => usual.and_then(|usual| queues.usual.remove(usual.at)),
        };
        line.note_lengths(&queues);
        let taken = taken?;
        self.length.fetch_sub(1, Ordering::SeqCst);
        Some((taken.request, place))
    }

    /// Takes a request whose deadline has passed, and says what it has waited for.
    pub(crate) fn take_expired(&self, now: Instant) -> Option<(WaitsFor, R)> {
        let taken = |what| {
            let line = self.line(what);
            if line.is_empty() {
                return None;
            }
            let mut queues = lock(&line.queues);
            let (size, deadline) = queues.first_to_expire()?;
            let taken = match deadline <= now {
                true => queues.of(size).pop_front()?,
                false => return None,
            };
            line.note_lengths(&queues);
            self.length.fetch_sub(1, Ordering::SeqCst);
            Some((what, taken.request))
        };
        LINES.into_iter().find_map(taken)
    }

    /// When the next request expires.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let lines = self.lines.iter();
        lines.filter_map(Line::next_deadline).min()
    }

    /// When the next request expires that waits for a connection.
    pub(crate) fn next_deadline_for_connection(&self) -> Option<Instant> {
        let lines = [WaitsFor::Primary, WaitsFor::Replica].map(|what| self.line(what));
        lines.into_iter().filter_map(Line::next_deadline).min()
    }
}

impl<R> Line<R> {
    fn new() -> Line<R> {
        Line {
            queues: Mutex::new(Queues {
                usual: VecDeque::new(),
                large: VecDeque::new(),
            }),
            usual: AtomicUsize::new(0),
            large: AtomicUsize::new(0),
        }
    }

    fn is_empty(&self) -> bool {
        self.usual.load(Ordering::SeqCst) + self.large.load(Ordering::SeqCst) == 0
    }

    fn next_deadline(&self) -> Option<Instant> {
        if self.is_empty() {
            return None;
        }
        let first = lock(&self.queues).first_to_expire();
        first.map(|(_, deadline)| deadline)
    }

    /// What has gone from one queue to the other is at no time in none of them.
    fn note_lengths(&self, queues: &Queues<R>) {
        self.large.store(queues.large.len(), Ordering::SeqCst);
        self.usual.store(queues.usual.len(), Ordering::SeqCst);
    }
}

impl<R> Queues<R> {
    fn of(&mut self, size: AnswerSize) -> &mut VecDeque<Parked<R>> {
        match size {
            AnswerSize::Usual => &mut self.usual,
            AnswerSize::Large => &mut self.large,
        }
    }

    /// The answer to a request that was parked for a usual one will be large. It stays as old as it
    /// is.
    fn note_large(&mut self, at: usize) {
        if let Some(parked) = self.usual.remove(at) {
            let is_older = |other: &Parked<R>| other.deadline <= parked.deadline;
            let place = self.large.partition_point(is_older);
            self.large.insert(place, parked);
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

/// A request that fits.
struct Fitting {
    at: usize,
    deadline: Instant,
    /// As far as is known by now.
    size: AnswerSize,
}

/// The oldest one of a queue.
fn first_that_fits<R>(
    queue: &VecDeque<Parked<R>>,
    size_of: impl Fn(&R) -> Option<AnswerSize>,
) -> Option<Fitting> {
    let mut oldest = queue.iter().take(LOOKED_AT).enumerate();
    oldest.find_map(|(at, parked)| {
        Some(Fitting {
            at,
            deadline: parked.deadline,
            size: size_of(&parked.request)?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use AnswerSize::{Large, Usual};
    use WaitsFor::{Primary, Replay, Replica};
    use std::time::Duration;

    const ANY: fn(&&str) -> Option<AnswerSize> = |_| Some(Usual);

    const NO_PLACE: fn() -> Option<()> = || None;
    const PLACE: fn() -> Option<()> = || Some(());

    #[test]
    fn the_oldest_request_comes_first() {
        let now = Instant::now();
        let parking = Parking::new();
        assert_eq!(parking.take_oldest(Primary, ANY, PLACE), None);
        parking.park(Primary, "a", Usual, now);
        parking.park(Primary, "b", Usual, now);
        assert!(!parking.is_empty());
        assert_eq!(parking.take_oldest(Primary, ANY, PLACE), Some(("a", None)));
        assert_eq!(parking.take_oldest(Primary, ANY, PLACE), Some(("b", None)));
        assert!(parking.is_empty());
    }

    #[test]
    fn large_answers_wait_for_a_place_and_others_do_not_wait_for_them() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let parking = Parking::new();
        parking.park(Primary, "large", Large, start);
        assert!(parking.is_before(Primary, Large));
        assert!(!parking.is_before(Primary, Usual));
        assert!(!parking.has_next(Primary, || false));
        assert!(parking.has_next(Primary, || true));
        assert_eq!(parking.take_oldest(Primary, ANY, NO_PLACE), None);
        parking.park(Primary, "usual", Usual, start + second);
        parking.park(Primary, "younger", Usual, start + 2 * second);
        assert!(parking.is_before(Primary, Usual));
        assert!(parking.has_next(Primary, || false));
        assert_eq!(
            parking.take_oldest(Primary, ANY, NO_PLACE),
            Some(("usual", None))
        );
        assert_eq!(
            parking.take_oldest(Primary, ANY, PLACE),
            Some(("large", Some(())))
        );
        parking.park(Primary, "large", Large, start + 3 * second);
        assert_eq!(parking.len(), 2);
        assert_eq!(
            parking.take_oldest(Primary, ANY, PLACE),
            Some(("younger", None))
        );
        assert_eq!(
            parking.take_oldest(Primary, ANY, PLACE),
            Some(("large", Some(())))
        );
        assert!(parking.is_empty());
    }

    #[test]
    fn requests_expire_at_their_own_deadline() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let parking = Parking::new();
        assert_eq!(parking.next_deadline(), None);
        parking.park(Primary, "a", Usual, start + second);
        parking.park(Primary, "b", Large, start + 2 * second);
        parking.park(Primary, "c", Usual, start + 3 * second);
        assert_eq!(parking.take_expired(start), None);
        assert_eq!(parking.next_deadline(), Some(start + second));
        assert_eq!(parking.take_expired(start + second), Some((Primary, "a")));
        assert_eq!(parking.next_deadline(), Some(start + 2 * second));
        assert_eq!(parking.take_expired(start + second), None);
        assert_eq!(
            parking.take_expired(start + 3 * second),
            Some((Primary, "b"))
        );
        assert_eq!(
            parking.take_expired(start + 3 * second),
            Some((Primary, "c"))
        );
    }

    #[test]
    fn what_is_known_of_an_answer_only_now_counts() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let parking = Parking::new();
        parking.park(Primary, "large 1", Usual, start);
        parking.park(Primary, "large 2", Usual, start + second);
        parking.park(Primary, "usual", Usual, start + 2 * second);
        parking.park(Primary, "large 3", Large, start + 3 * second);
        let known = |request: &&str| match request.starts_with("large") {
            true => Some(Large),
            false => Some(Usual),
        };
        assert_eq!(
            parking.take_oldest(Primary, known, NO_PLACE),
            Some(("usual", None))
        );
        assert!(!parking.has_next(Primary, || false));
        assert_eq!(parking.next_deadline(), Some(start));
        for large in ["large 1", "large 2", "large 3"] {
            assert_eq!(
                parking.take_oldest(Primary, known, PLACE),
                Some((large, Some(())))
            );
        }
        assert!(parking.is_empty());
    }

    #[test]
    fn the_least_of_a_line_is_found_however_many_are_before() {
        let now = Instant::now();
        let parking = Parking::new();
        (0..100).for_each(|number| parking.park(Replay, 100 - number, Usual, now));
        parking.park(Replica, 0, Large, now);
        let least = |what, of: fn(&i32) -> Option<i32>| parking.least(what, of);
        assert_eq!(least(Replay, |number| Some(*number)), Some(1));
        let beyond = |number: &i32| (*number > 50).then_some(*number);
        assert_eq!(least(Replay, beyond), Some(51));
        assert_eq!(least(Replica, beyond), None);
        assert_eq!(least(Primary, |number| Some(*number)), None);
    }

    #[test]
    fn each_line_has_its_own_order() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let parking = Parking::new();
        parking.park(Primary, "write", Usual, start + 9 * second);
        parking.park(Replica, "read", Usual, start + 10 * second);
        parking.park(Replay, "token", Usual, start + second);
        assert_eq!(parking.len(), 3);
        assert_eq!(parking.next_deadline(), Some(start + second));
        let for_connection = parking.next_deadline_for_connection();
        assert_eq!(for_connection, Some(start + 9 * second));
        assert_eq!(
            parking.take_oldest(Replica, ANY, NO_PLACE),
            Some(("read", None))
        );
        assert_eq!(parking.take_oldest(Replica, ANY, NO_PLACE), None);
        let expired = parking.take_expired(start + 2 * second);
        assert_eq!(expired, Some((Replay, "token")));
        assert!(parking.is_line_empty(Replay) && !parking.is_empty());
    }

    #[test]
    fn the_oldest_that_fits_is_taken_from_between() {
        let now = Instant::now();
        let parking = Parking::new();
        (0..100).for_each(|number| parking.park(Replica, number, Usual, now));
        let take = |fits: fn(&i32) -> bool| {
            let size_of = |number: &i32| fits(number).then_some(Usual);
            let taken = parking.take_oldest(Replica, size_of, NO_PLACE);
            taken.map(|(number, _)| number)
        };
        assert_eq!(take(|number| *number > 40), Some(41));
        assert_eq!(take(|number| *number > 40), Some(42));
        // It is not looked for for ever.
        assert_eq!(take(|number| *number > 90), None);
        assert_eq!(take(|_| true), Some(0));
        assert_eq!(parking.len(), 97);
    }
}
