//! The door: how many clients may be inside, and whether anybody looks out for the next one.
//!
//! ```text
//! not yet open ──open()──▶ open ──the places are taken──▶ paused
//!        │                  │ ▲                             │ │
//!        │                  │ └───a client leaves───────────┘ │
//!        └────close()───────┴─────────▶ closed ◀──────────────┘
//! ```
//! While it is open, each core is woken by new clients; while it is paused none is, and they wait
//! in the kernel's queue. A client has a [`Admission`] before it is accepted, and it comes back
//! wherever the client's life ends.
//!
//! Invariant: the listener is in the poll of each core, or the door is paused and no place is
//! free, or whoever has freed one is about to open it. The state and what the polls know change
//! together, under one lock; `model::door` tries all that can come in between.

use super::events::LISTENER;
use crate::net::{Accepted, Listener, Poll};
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{Mutant, Mutex, is_mutant, lock};
use std::io;
use std::sync::Arc;

/// The way in.
#[derive(Debug)]
pub(crate) struct Door {
    state: Mutex<State>,
    /// Whether it may be paused, for those who leave and need not lock it. It is set before the
    /// places are counted, and those who leave look here after they were counted: one of the two
    /// sees the other.
    may_be_paused: AtomicBool,
    /// Set before the server stops, and looked at after a place was taken: see [`Door::enter`].
    is_closed: AtomicBool,
    taken: AtomicUsize,
    places: usize,
    /// How many clients were closed for others. Only a number that is shown.
    evicted: AtomicUsize,
    polls: Vec<Arc<Poll>>,
}

#[derive(Debug)]
enum State {
    NotYetOpen,
    Open(Arc<Listener>),
    Paused(Arc<Listener>),
    Closed,
}

/// A client's place; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Admission(Arc<Door>);

impl Door {
    /// A door with so many places, to which the cores with these polls look.
    pub(super) fn new(places: usize, polls: Vec<Arc<Poll>>) -> Arc<Door> {
        Arc::new(Door {
            state: Mutex::new(State::NotYetOpen),
            may_be_paused: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            taken: AtomicUsize::new(0),
            places,
            evicted: AtomicUsize::new(0),
            polls,
        })
    }

    /// Lets clients of this listener in, unless the server has been stopped meanwhile.
    ///
    /// # Errors
    /// If a core cannot be told of it.
    pub(super) fn open(&self, listener: Listener) -> io::Result<()> {
        let mut state = lock(&self.state);
        if matches!(*state, State::NotYetOpen) {
            for poll in &self.polls {
                poll.add_shared(&listener, LISTENER)?;
            }
            *state = State::Open(Arc::new(listener));
        }
        Ok(())
    }

    /// Lets nobody in any more, and gives the listener back if it was open.
    pub(super) fn close(&self) -> Option<Arc<Listener>> {
        let mut state = lock(&self.state);
        self.is_closed.store(true, Ordering::SeqCst);
        match std::mem::replace(&mut *state, State::Closed) {
            State::Open(listener) => {
                self.ignore(&listener);
                Some(listener)
            }
            State::Paused(listener) => Some(listener),
            State::NotYetOpen | State::Closed => None,
        }
    }

    /// The listener, if clients can be accepted from it.
    pub(super) fn listener(&self) -> Option<Arc<Listener>> {
        match &*lock(&self.state) {
            State::Open(listener) | State::Paused(listener) => Some(Arc::clone(listener)),
            State::NotYetOpen | State::Closed => None,
        }
    }

    /// Whether all places are taken.
    pub(super) fn is_full(&self) -> bool {
        self.taken() >= self.places
    }

    /// How many places there are.
    pub(super) fn places(&self) -> usize {
        self.places
    }

    /// So many clients are closed for others.
    pub(super) fn evicts(&self, count: usize) {
        self.evicted.fetch_add(count, Ordering::Relaxed);
    }

    /// How many clients were closed for others so far.
    pub(super) fn evicted(&self) -> usize {
        self.evicted.load(Ordering::Relaxed)
    }

    /// How many places are taken.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    /// Lets in those who wait, so many at the most, as long as there are places: `accept` gets the
    /// next one, and `place` brings it to its seat. When the places are taken the door is paused.
    ///
    /// # Errors
    /// If one cannot be accepted.
    pub(super) fn let_in(
        self: &Arc<Door>,
        at_most: usize,
        accept: impl Fn() -> io::Result<Option<Accepted>>,
        place: impl Fn(Accepted, Admission),
    ) -> io::Result<()> {
        for _ in 0..at_most {
            let Some(free) = self.enter() else {
                self.pause();
                break;
            };
            match accept()? {
                Some(accepted) => place(accepted, free),
                None => break,
            }
        }
        Ok(())
    }

    /// A place for a client that has not been accepted yet: `None` if all are taken, or if the
    /// door is closed. Whoever sees the door closed and no place taken knows that nobody enters
    /// any more.
    fn enter(self: &Arc<Door>) -> Option<Admission> {
        let next = |taken| (taken < self.places).then_some(taken + 1);
        self.taken
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, next)
            .ok()?;
        let place = Admission(Arc::clone(self));
        (!self.is_closed.load(Ordering::SeqCst)).then_some(place)
    }

    /// A place for a client whom the kernel has connected already when the server stops, were it
    /// one too many.
    pub(super) fn admit(self: &Arc<Door>) -> Admission {
        self.taken.fetch_add(1, Ordering::SeqCst);
        Admission(Arc::clone(self))
    }

    /// Leaves new clients waiting in the kernel's queue until a place is free.
    fn pause(&self) {
        let mut state = lock(&self.state);
        let State::Open(listener) = &*state else {
            return;
        };
        if !is_mutant(Mutant::DoorSaysItLate) {
            self.may_be_paused.store(true, Ordering::SeqCst);
        }
        if self.is_full() {
            self.ignore(listener);
            *state = State::Paused(Arc::clone(listener));
            self.may_be_paused.store(true, Ordering::SeqCst);
        } else {
            self.may_be_paused.store(false, Ordering::SeqCst);
        }
    }

    fn resume(&self) {
        let mut state = lock(&self.state);
        let State::Paused(listener) = &*state else {
            return;
        };
        // Should the kernel be out of memory for one poll, the others are enough; if for all, it
        // is tried again when the next client leaves.
        if !self.is_full()
            && self
                .polls
                .iter()
                .filter(|poll| watch(poll, listener))
                .count()
                > 0
        {
            self.may_be_paused.store(false, Ordering::SeqCst);
            *state = State::Open(Arc::clone(listener));
        }
    }

    fn ignore(&self, listener: &Listener) {
        for poll in &self.polls {
            // It fails only where it is not watched.
            let _ = poll.remove(listener);
        }
    }
}

fn watch(poll: &Poll, listener: &Listener) -> bool {
    poll.add_shared(listener, LISTENER).is_ok()
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::SeqCst);
        if self.0.may_be_paused.load(Ordering::SeqCst) {
            self.0.resume();
        }
    }
}
