//! Requests that lack keys beside the thread that fetches them: nobody is forgotten.
//!
//! The steps are those of `Worker::look_for_keys`, `await_keys` and `serve_awaiting`, and of the
//! keys' thread. There is no clock in this model that would find what was forgotten at its
//! deadline, so it would wait for ever.

use super::super::awaiting::Awaiting;
use super::super::events::{Event, Events};
use super::check;
use crate::sync::Instant;
use corerest_simulation::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use corerest_simulation::{choose, spawn, step};
use std::sync::Arc;
use std::time::Duration;

const CORES: usize = 2;
const REQUESTS: usize = 3;

/// Two cores, and keys that come once.
struct House {
    bells: Vec<Events>,
    awaiting: Awaiting<()>,
    /// How many editions of the keys were published: the first one is what requests lack.
    published: AtomicU64,
    /// How many fetches have ended.
    ended: AtomicU64,
    done: AtomicUsize,
}

impl House {
    /// Looks for the key, and waits for it if it is not there.
    fn look_for_keys(&self) {
        let ended_seen = self.ended.load(Ordering::SeqCst);
        if self.published.load(Ordering::SeqCst) > 0 {
            if self.done.fetch_add(1, Ordering::SeqCst) + 1 == REQUESTS {
                self.bells.iter().for_each(Events::ring);
            }
            return;
        }
        let deadline = Instant::now() + Duration::from_secs(2);
        self.awaiting.add((), ended_seen, deadline);
    }

    fn serve_awaiting(&self) {
        let ended = || self.ended.load(Ordering::SeqCst);
        while self.awaiting.take_due(ended).is_some() {
            self.look_for_keys();
        }
    }
}

#[test]
fn a_request_that_waits_for_keys_sees_them_when_they_have_come() {
    check(
        "a_request_that_waits_for_keys_sees_them_when_they_have_come",
        || {
            let house = Arc::new(House {
                bells: (0..CORES).map(|_| Events::new().unwrap()).collect(),
                awaiting: Awaiting::new(),
                published: AtomicU64::new(0),
                ended: AtomicU64::new(0),
                done: AtomicUsize::new(0),
            });
            let mut threads = Vec::new();
            for core in 0..CORES {
                let waiting = Arc::clone(&house);
                threads.push(spawn(move || {
                    while waiting.done.load(Ordering::SeqCst) < REQUESTS {
                        if waiting.bells[core].next(None) == Event::Bell {
                            waiting.serve_awaiting();
                        }
                    }
                }));
            }
            for _ in 0..REQUESTS {
                let asking = Arc::clone(&house);
                threads.push(spawn(move || {
                    asking.look_for_keys();
                    asking.serve_awaiting();
                }));
            }
            let fetching = Arc::clone(&house);
            threads.push(spawn(move || {
                // A fetch that brings nothing may come before.
                for brings in [false, true] {
                    (0..choose(3)).for_each(|_| step());
                    if brings {
                        fetching.published.fetch_add(1, Ordering::SeqCst);
                    }
                    fetching.ended.fetch_add(1, Ordering::SeqCst);
                    fetching.bells.iter().for_each(Events::ring);
                }
            }));
            threads.into_iter().for_each(|thread| thread.join());
            assert_eq!(house.done.load(Ordering::SeqCst), REQUESTS);
            assert!(house.awaiting.is_empty());
        },
    );
}
