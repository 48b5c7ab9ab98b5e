//! Rounds: everybody hears everything that is told, in its order, while others have clients in
//! hand.

use super::super::events::{Event, Events, ROUND};
use super::super::rounds::Rounds;
use super::{STEPS_MAX, check, check_is_found};
use crate::serving::hearing::{Letter, Mailbox, Word};
use crate::serving::output::Output;
use crate::state::channels::Place;
use crate::sync::{Mutant, Mutex, lock};
use corerest_api::channel::ChannelName;
use corerest_simulation::{choose, spawn, step};
use corerest_wire::http::event_stream::{Part, StreamFraming};
use std::sync::Arc;

const CLIENTS: usize = 2;
const TELLERS: usize = 2;
const THREADS: usize = 2;

/// How much each teller tells.
const TOLD: usize = 2;

/// A core of which nothing is left but those who hear.
struct Hall {
    events: Events,
    rounds: Rounds,
    mailboxes: Vec<Arc<Mailbox>>,
    /// What each client was sent; nothing while somebody has it in hand.
    clients: Vec<Mutex<Option<Output>>>,
}

impl Hall {
    fn new() -> Hall {
        let events = Events::new().unwrap();
        let rounds = Rounds::new().unwrap();
        events.poll.add_shared(&rounds.alarm, ROUND).unwrap();
        let names = ChannelName::parse_list(b"a").unwrap();
        let mailbox = |number| {
            let place = Place {
                core: 0,
                number: number as u64,
            };
            let mailbox = Arc::new(Mailbox::new(place));
            rounds.audience.add(&names, &mailbox);
            mailbox.begin();
            mailbox
        };
        let mailboxes = (0..CLIENTS).map(mailbox).collect();
        let clients = (0..CLIENTS).map(|_| Mutex::new(Some(Output::default())));
        Hall {
            mailboxes,
            clients: clients.collect(),
            events,
            rounds,
        }
    }

    /// As `Worker::hear` and `Worker::rest_hearing` do.
    fn hear(&self, client: usize) {
        let mailbox = &self.mailboxes[client];
        while let Some(mut output) = self.take(client) {
            (0..choose(3)).for_each(|_| step());
            while mailbox.open(StreamFraming::UntilClose, &mut output) != Letter::Nothing {}
            *lock(&self.clients[client]) = Some(output);
            if !mailbox.is_due(false) {
                return;
            }
        }
    }

    /// A function of its own, for the condition of a loop holds its lock until the end of the body.
    fn take(&self, client: usize) -> Option<Output> {
        lock(&self.clients[client]).take()
    }

    /// Whether everybody has heard everything. Whoever is in hand has not.
    fn is_over(&self) -> bool {
        self.clients.iter().all(|client| {
            let client = lock(client);
            let heard = client.as_ref().map(Output::unwritten);
            heard.is_some_and(|heard| events(heard).len() == TELLERS * TOLD)
        })
    }

    fn thread(&self) {
        loop {
            match self.events.next(None) {
                Event::Round => {
                    if let Some(mut slice) = self.rounds.slice() {
                        while let Some(place) = slice.due.pop_front() {
                            self.hear(place.number as usize);
                        }
                    }
                }
                Event::Bell => self.events.on_bell(),
                _ => {}
            }
            if self.is_over() {
                return self.events.ring();
            }
        }
    }
}

/// The data of the events of a stream.
fn events(stream: &[u8]) -> Vec<&str> {
    let text = std::str::from_utf8(stream).unwrap();
    let lines = text.lines();
    lines
        .filter_map(|line| line.strip_prefix("data: "))
        .collect()
}

fn everybody_hears() {
    let hall = Arc::new(Hall::new());
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let hall = Arc::clone(&hall);
            spawn(move || hall.thread())
        })
        .collect();
    // A client is ready for other reasons, too.
    let meddling = {
        let hall = Arc::clone(&hall);
        spawn(move || {
            hall.hear(choose(CLIENTS));
            // It may have been the last one to have a client in hand.
            hall.events.ring();
        })
    };
    let tellers: Vec<_> = (0..TELLERS)
        .map(|teller| {
            let hall = Arc::clone(&hall);
            spawn(move || {
                let [name] = &ChannelName::parse_list(b"a").unwrap()[..] else {
                    unreachable!("one was named");
                };
                for number in 0..TOLD {
                    let part = Part::event("a", None, &format!("{teller}{number}"));
                    hall.rounds.tell(Word::Event(name.clone(), part));
                }
            })
        })
        .collect();
    tellers.into_iter().for_each(|teller| teller.join());
    meddling.join();
    threads.into_iter().for_each(|thread| thread.join());
    let heard: Vec<String> = hall
        .clients
        .iter()
        .map(|client| {
            let client = lock(client);
            let output = client.as_ref().expect("nobody has it in hand");
            events(output.unwritten()).join(" ")
        })
        .collect();
    assert_eq!(heard[0], heard[1], "all hear in one order");
    for teller in 0..TELLERS {
        let at = |number: usize| heard[0].find(&format!("{teller}{number}"));
        assert!(at(0) < at(1), "{}", heard[0]);
    }
}

#[test]
fn everybody_hears_everything_in_its_order() {
    check("everybody_hears_everything_in_its_order", everybody_hears);
}

#[test]
fn a_round_that_forgets_what_comes_meanwhile_is_found() {
    check_is_found(
        "everybody_hears",
        Mutant::RoundForgets,
        STEPS_MAX,
        everybody_hears,
    );
}
