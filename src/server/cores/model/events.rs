//! Events of a core: each is dealt with, although threads are held up.

use super::super::events::{Event, Events};
use super::{STEPS_MAX, check, check_is_found};
use crate::net::{Interest, Socket};
use crate::sync::Mutant;
use corerest_simulation::sync::atomic::{AtomicUsize, Ordering};
use corerest_simulation::{Bell, Poll, is_lucky, pair, spawn};
use std::sync::Arc;

const CLIENTS: usize = 4;

/// One more than can be held up at a time.
const THREADS: usize = 3;

/// What threads of the model share.
struct Shared {
    events: Events,
    /// How many clients were dealt with.
    done: AtomicUsize,
    /// How many threads may still be held up.
    tickets: AtomicUsize,
    /// Whoever is held up waits for this.
    all_done: Bell,
}

/// Clients have something to say, the bell is rung, and after whatever has woken it a thread may be
/// held up until all clients were dealt with: by a query, or by a request that was parked.
fn threads_are_held_up() {
    let shared = Arc::new(Shared {
        events: Events::new().unwrap(),
        done: AtomicUsize::new(0),
        tickets: AtomicUsize::new(THREADS - 1),
        all_done: Bell::new(),
    });
    let mut theirs = Vec::new();
    let mut ours = Vec::new();
    for number in 0..CLIENTS {
        let (client, server) = pair(1);
        let socket = Socket::new(server);
        let poll = &shared.events.poll;
        poll.add(&socket, number as u64, Interest::Read).unwrap();
        theirs.push(client);
        ours.push(socket);
    }
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let shared = Arc::clone(&shared);
            spawn(move || thread(&shared))
        })
        .collect();
    let ringing = {
        let shared = Arc::clone(&shared);
        spawn(move || shared.events.ring())
    };
    for client in &theirs {
        client.send(b"x");
    }
    ringing.join();
    threads.into_iter().for_each(|thread| thread.join());
}

fn thread(shared: &Shared) {
    loop {
        match shared.events.next(None) {
            Event::Client(..) => on_client(shared),
            Event::Bell => shared.events.on_bell(),
            _ => {}
        }
        if is_lucky(2) && take_ticket(&shared.tickets) {
            let held_up = Poll::new();
            held_up.add_shared(&shared.all_done, 0);
            held_up.wait(None);
        }
        if shared.done.load(Ordering::SeqCst) == CLIENTS {
            return shared.events.ring();
        }
    }
}

fn on_client(shared: &Shared) {
    let done = shared.done.fetch_add(1, Ordering::SeqCst) + 1;
    if done == CLIENTS {
        shared.all_done.ring();
        // As a server that stops: each thread that gets up rings for the next one.
        shared.events.ring();
    }
}

fn take_ticket(tickets: &AtomicUsize) -> bool {
    let less = |tickets: usize| tickets.checked_sub(1);
    let taken = tickets.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
    taken.is_ok()
}

#[test]
fn every_event_is_dealt_with_while_a_thread_is_free() {
    check(
        "every_event_is_dealt_with_while_a_thread_is_free",
        threads_are_held_up,
    );
}

#[test]
fn a_bell_that_is_silenced_too_late_is_found() {
    check_is_found(
        "threads_are_held_up",
        Mutant::BellSilencedLate,
        STEPS_MAX,
        threads_are_held_up,
    );
}
