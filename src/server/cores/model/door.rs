//! The door at its limit: whoever comes is let in some time, however the others come and go.

use super::super::door::Door;
use super::super::events::LISTENER;
use super::{STEPS_MAX, check, check_is_found};
use crate::net::{Bell, Listener, Poll};
use crate::sync::Mutant;
use corerest_simulation::sync::atomic::{AtomicUsize, Ordering};
use corerest_simulation::{Listening, Received, choose, spawn, step};
use std::sync::Arc;

const BELL: u64 = 1;
const PLACES: usize = 2;
const CLIENTS: usize = 5;

/// Clients come, are let in by either core, stay for a moment, and leave. Nobody is left outside.
fn clients_come_and_go() {
    let at_door = Listening::new();
    let cores = 2 + choose(2);
    let polls: Vec<_> = (0..cores).map(|_| Arc::new(Poll::new().unwrap())).collect();
    let door = Door::new(1 + choose(PLACES), polls.clone());
    let bells: Vec<_> = (0..cores).map(|_| Arc::new(Bell::new().unwrap())).collect();
    for (poll, bell) in polls.iter().zip(&bells) {
        poll.add_shared(&**bell, BELL).unwrap();
    }
    door.open(Listener::new(at_door.another(), 0)).unwrap();
    let cores: Vec<_> = polls
        .into_iter()
        .map(|poll| {
            let door = Arc::clone(&door);
            spawn(move || core(&poll, &door))
        })
        .collect();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let at_door = at_door.another();
            spawn(move || {
                let client = at_door.connect(1);
                while client.receive(&mut [0]) != Received::Closed {
                    client.wait(false, None);
                }
            })
        })
        .collect();
    for client in clients {
        client.join();
    }
    assert!(door.close().is_some());
    bells.iter().for_each(|bell| bell.ring());
    cores.into_iter().for_each(|core| core.join());
    assert_eq!(door.taken(), 0, "all have left");
}

/// What a core does when there is somebody at the door.
fn core(poll: &Poll, door: &Arc<Door>) {
    loop {
        let mut is_over = false;
        let mut is_anybody_there = false;
        poll.wait(None, |token, _| match token {
            LISTENER => is_anybody_there = true,
            _ => is_over = true,
        })
        .unwrap();
        if is_anybody_there && let Some(listener) = door.listener() {
            let let_in = door.let_in(
                2,
                || listener.accept(),
                |accepted, place| {
                    (0..choose(3)).for_each(|_| step());
                    // The order in which a client's life ends.
                    drop(accepted);
                    drop(place);
                },
            );
            let_in.unwrap();
        }
        if is_over {
            return;
        }
    }
}

#[test]
fn nobody_is_left_outside() {
    check("nobody_is_left_outside", clients_come_and_go);
}

#[test]
fn a_door_that_says_late_that_it_is_paused_is_found() {
    check_is_found(
        "clients_come_and_go",
        Mutant::DoorSaysItLate,
        STEPS_MAX,
        clients_come_and_go,
    );
}

/// The server stops while clients come: everybody who was let in leaves, and nobody enters when
/// it was seen that all are gone.
#[test]
fn nobody_enters_a_house_that_was_seen_closed_and_empty() {
    check(
        "nobody_enters_a_house_that_was_seen_closed_and_empty",
        || {
            let at_door = Listening::new();
            let poll = Arc::new(Poll::new().unwrap());
            let door = Door::new(PLACES, vec![Arc::clone(&poll)]);
            let placed = Arc::new(AtomicUsize::new(0));
            let opened = {
                let (door, at_door) = (Arc::clone(&door), at_door.another());
                spawn(move || door.open(Listener::new(at_door, 0)).unwrap())
            };
            let come = {
                let at_door = at_door.another();
                spawn(move || drop(at_door.connect(1)))
            };
            let entering = {
                let (door, placed) = (Arc::clone(&door), Arc::clone(&placed));
                spawn(move || {
                    if let Some(listener) = door.listener() {
                        let place = |_, place| {
                            placed.fetch_add(1, Ordering::SeqCst);
                            drop(place);
                        };
                        door.let_in(2, || listener.accept(), place).unwrap();
                    }
                })
            };
            let closed = door.close();
            if door.taken() == 0 {
                // As a thread does that ends: from now on nobody may be let in.
                let before = placed.load(Ordering::SeqCst);
                entering.join();
                assert_eq!(placed.load(Ordering::SeqCst), before);
            } else {
                entering.join();
            }
            opened.join();
            come.join();
            assert_eq!(door.taken(), 0);
            assert!(door.listener().is_none(), "it is closed for good");
            if let Some(listener) = closed {
                assert!(!poll.watches(&*listener));
            }
        },
    );
}
