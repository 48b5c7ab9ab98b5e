//! What wakes the threads of a core, and the queue of what no thread has begun to deal with.
//!
//! What has happened waits in one queue for all threads, so that clients have their turn in order,
//! and none waits behind a thread that blocks. Whoever gets more than one event at a time queues
//! the others and rings the bell for another thread.
//!
//! Invariant: while events are queued and a thread waits, the bell rings, or somebody is about to
//! ring it. So it is rung by whoever queues events, whoever takes one and leaves others, and
//! whoever has silenced it while there are some; it is silenced where it is heard, never after it
//! was rung for others; and no thread sits down while [`Events::are_queued`]. `model::events` tries
//! it with threads that are held up by what they take.

use crate::net::{Bell, OtherSide, Poll};
use crate::serving::client::ClientToken;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutant, Mutex, is_mutant, lock};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Tokens of what is not a client. Clients' tokens would need a table of 2^32 places to reach them.
pub(super) const LISTENER: u64 = u64::MAX;
const BELL: u64 = u64::MAX - 1;
pub(super) const ALARM: u64 = u64::MAX - 2;
pub(super) const RELIEF: u64 = u64::MAX - 3;
pub(super) const ROUND: u64 = u64::MAX - 4;

/// Everything that can wake a thread of a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A resting client can be read from, or written to.
    Client(ClientToken, OtherSide),
    /// A new client waits.
    Listener,
    /// Events are queued, another core has parked a request, or the server is stopping.
    Bell,
    /// Deadlines are due.
    Alarm,
    /// Requests wait for connections that wait for slow readers.
    Relief,
    /// Something is to be told to those who hear events.
    Round,
    /// Nothing, for as long as the thread wanted to wait.
    Nothing,
}

impl Event {
    fn of_token(token: u64, other_side: OtherSide) -> Event {
        match token {
            LISTENER => Event::Listener,
            BELL => Event::Bell,
            ALARM => Event::Alarm,
            RELIEF => Event::Relief,
            ROUND => Event::Round,
            number => Event::Client(ClientToken::from_event(number), other_side),
        }
    }
}

/// The events of a core.
#[derive(Debug)]
pub(super) struct Events {
    pub(super) poll: Arc<Poll>,
    bell: Bell,
    queue: Mutex<VecDeque<Event>>,
    /// How many threads wait for something to happen.
    idle_threads: AtomicUsize,
}

impl Events {
    /// Nothing that could happen yet, but the bell.
    pub(super) fn new() -> io::Result<Events> {
        let poll = Arc::new(Poll::new()?);
        let bell = Bell::new()?;
        poll.add_shared(&bell, BELL)?;
        Ok(Events {
            poll,
            bell,
            queue: Mutex::default(),
            idle_threads: AtomicUsize::new(0),
        })
    }

    /// Wakes a thread that waits.
    pub(super) fn ring(&self) {
        self.bell.ring();
    }

    /// The next thing to be done on this core.
    pub(super) fn next(&self, at_most: Option<Duration>) -> Event {
        if let Some(event) = self.queued(0) {
            return event;
        }
        // Whoever queues events looks for idle threads after that, and whoever gets idle looks
        // for events after that: one of the two sees the other.
        self.idle_threads.fetch_add(1, Ordering::SeqCst);
        let event = self.queued(1).unwrap_or_else(|| self.wait(at_most));
        self.idle_threads.fetch_sub(1, Ordering::SeqCst);
        event
    }

    /// The bell was heard by whoever calls this.
    pub(super) fn on_bell(&self) {
        if is_mutant(Mutant::BellSilencedLate) {
            self.bell.silence();
        }
    }

    /// Whether there are events that no thread has begun to deal with.
    pub(super) fn are_queued(&self) -> bool {
        !lock(&self.queue).is_empty()
    }

    /// Whether the next thing to be done is for a client, and no other thread is there to do it.
    pub(super) fn is_client_queued(&self) -> bool {
        self.idle_threads.load(Ordering::SeqCst) == 0
            && matches!(lock(&self.queue).front(), Some(Event::Client(..)))
    }

    /// Takes it.
    pub(super) fn queued_client(&self) -> Option<(ClientToken, OtherSide)> {
        if self.idle_threads.load(Ordering::SeqCst) > 0 {
            return None;
        }
        let mut queue = lock(&self.queue);
        match queue.front() {
            Some(&Event::Client(token, other_side)) => {
                queue.pop_front();
                Some((token, other_side))
            }
            _ => None,
        }
    }

    /// What was taken is the next thing to be done again, perhaps by another thread.
    pub(super) fn put_back(&self, event: Event) {
        lock(&self.queue).push_front(event);
        if self.idle_threads.load(Ordering::SeqCst) > 0 {
            self.ring();
        }
    }

    /// Takes the next event. Whoever does may be held up by it, so if there are more, another
    /// thread is woken, apart from so many who count as waiting and do not.
    fn queued(&self, apart_from: usize) -> Option<Event> {
        let mut queue = lock(&self.queue);
        let event = queue.pop_front();
        let are_more = !queue.is_empty();
        drop(queue);
        if are_more && self.idle_threads.load(Ordering::SeqCst) > apart_from {
            self.ring();
        }
        event
    }

    /// Waits for something to happen; what is more than one thread can do is queued.
    fn wait(&self, at_most: Option<Duration>) -> Event {
        let mut first = None;
        let mut others = VecDeque::new();
        let mut has_heard_bell = false;
        let waited = self.poll.wait(at_most, |token, other_side| {
            let event = Event::of_token(token, other_side);
            if event == Event::Bell && !is_mutant(Mutant::BellSilencedLate) {
                // Not later: it may be rung below, for the others.
                self.bell.silence();
                has_heard_bell = true;
            }
            match first {
                None => first = Some(event),
                Some(_) => others.push_back(event),
            }
        });
        // The only errors are those of a wrong call: the descriptor is valid while we live.
        waited.expect("the epoll instance is open");
        // Whoever has heard the bell may have been rung for because of what is queued, and does
        // something else first.
        if !others.is_empty() || has_heard_bell {
            let mut queue = lock(&self.queue);
            queue.append(&mut others);
            let are_queued = !queue.is_empty();
            drop(queue);
            // This thread counts itself.
            if are_queued && self.idle_threads.load(Ordering::SeqCst) > 1 {
                self.ring();
            }
        }
        first.unwrap_or(Event::Nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_ONCE: Option<Duration> = Some(Duration::ZERO);

    /// Events of which the bell and another one have happened, in this order.
    fn bell_and_another() -> (Events, Bell) {
        let events = Events::new().unwrap();
        let another = Bell::new().unwrap();
        events.poll.add_shared(&another, RELIEF).unwrap();
        events.ring();
        another.ring();
        (events, another)
    }

    fn is_ringing(events: &Events) -> bool {
        let mut rings = false;
        let waited = events.poll.wait(AT_ONCE, |token, _| rings |= token == BELL);
        waited.unwrap();
        rings
    }

    #[test]
    fn whoever_hears_the_bell_and_more_leaves_it_ringing_for_another_thread() {
        let (events, another) = bell_and_another();
        events.idle_threads.store(1, Ordering::SeqCst);
        assert_eq!(events.next(AT_ONCE), Event::Bell);
        another.silence();
        assert!(events.are_queued());
        assert!(is_ringing(&events));
        assert_eq!(events.next(AT_ONCE), Event::Relief);
        assert!(!events.are_queued());
    }

    #[test]
    fn with_nobody_to_wake_nobody_is_rung_for() {
        let (events, another) = bell_and_another();
        assert_eq!(events.next(AT_ONCE), Event::Bell);
        another.silence();
        assert!(!is_ringing(&events));
        assert_eq!(events.next(AT_ONCE), Event::Relief);
        assert_eq!(events.next(AT_ONCE), Event::Nothing);
    }
}
