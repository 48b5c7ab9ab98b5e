//! The crew, and relief for slow readers: whoever is needed gets up.

use super::super::crew::Crew;
use super::super::idleness::Idleness;
use super::super::parking::Parking;
use super::super::relief::{ReliefAlarm, SlowReader, SlowReaders};
use super::check;
use crate::net::{Bell, Poll};
use crate::serving::aim::WaitsFor;
use crate::serving::client::ClientToken;
use crate::sync::Instant;
use corerest_api::AnswerSize;
use corerest_simulation::sync::atomic::{AtomicUsize, Ordering};
use corerest_simulation::{is_lucky, sleep, spawn};
use std::sync::Arc;
use std::time::Duration;

/// Two more than are at work while queries are fast.
const THREADS: usize = 5;

/// With delays that a simulation makes.
fn crew() -> Crew {
    let crew = Crew::new(THREADS, Arc::new(Idleness::of_our_cpus()));
    (0..THREADS).for_each(|thread| crew.enlist(thread));
    crew
}

/// Queries that are only answered when all of them are asked: as many as there are threads. The
/// crew brings everybody to work for that, and nobody sleeps longer than the watcher's doze.
#[test]
fn slow_queries_bring_the_whole_crew_to_work() {
    check("slow_queries_bring_the_whole_crew_to_work", || {
        let crew = Arc::new(crew());
        let asked = Arc::new(AtomicUsize::new(0));
        let begin = Instant::now();
        let threads: Vec<_> = (0..THREADS)
            .map(|number| {
                let (crew, asked) = (Arc::clone(&crew), Arc::clone(&asked));
                spawn(move || {
                    // Something before, after which it may sit down.
                    crew.begin(number);
                    if is_lucky(2) {
                        sleep(Duration::from_millis(1));
                    }
                    crew.end(number);
                    crew.begin(number);
                    match (is_lucky(2), is_lucky(2)) {
                        (true, true) => crew.expect_to_wait(number),
                        (true, false) => {
                            crew.note_way(number, Duration::from_micros(200));
                            crew.expect_quick(number);
                        }
                        (false, _) => {}
                    }
                    asked.fetch_add(1, Ordering::SeqCst);
                    while asked.load(Ordering::SeqCst) < THREADS {
                        sleep(Duration::from_millis(5));
                    }
                    // Nobody sits down after this, or the last ones would sit for ever.
                    crew.close_bench();
                    crew.end(number);
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join());
        let took = begin.elapsed();
        assert!(took < Duration::from_millis(100), "{took:?}");
    });
}

#[test]
fn a_bench_that_is_closed_is_left_by_all() {
    check("a_bench_that_is_closed_is_left_by_all", || {
        let crew = Arc::new(crew());
        let threads: Vec<_> = (0..THREADS)
            .map(|number| {
                let crew = Arc::clone(&crew);
                spawn(move || {
                    for _ in 0..2 {
                        crew.begin(number);
                        crew.end(number);
                    }
                })
            })
            .collect();
        crew.close_bench();
        threads.into_iter().for_each(|thread| thread.join());
    });
}

/// A request is parked and a slow reader rests, in any order: the core looks at both of them, and
/// not later than the alarm says.
#[test]
fn a_parked_request_and_a_slow_reader_find_each_other() {
    const RELIEF: u64 = 1;
    const STOP: u64 = 2;
    check("a_parked_request_and_a_slow_reader_find_each_other", || {
        let parking = Arc::new(Parking::new());
        let readers = Arc::new(SlowReaders::default());
        let alarm = Arc::new(ReliefAlarm::new().unwrap());
        let poll = Arc::new(Poll::new().unwrap());
        let stop = Arc::new(Bell::new().unwrap());
        poll.add_shared(&alarm.alarm, RELIEF).unwrap();
        poll.add_shared(&*stop, STOP).unwrap();
        let found = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (poll, alarm, stop) = (poll.clone(), alarm.clone(), stop.clone());
                let (parking, readers) = (parking.clone(), readers.clone());
                let found = Arc::clone(&found);
                spawn(move || {
                    loop {
                        let mut is_over = false;
                        poll.wait(None, |token, _| match token {
                            RELIEF => alarm.clear(),
                            _ => is_over = true,
                        })
                        .unwrap();
                        // As `Cores::relief` does.
                        if !readers.is_empty() && parking.next_deadline_for_connection().is_some() {
                            found.fetch_add(1, Ordering::SeqCst);
                            stop.ring();
                        }
                        if is_over {
                            return;
                        }
                    }
                })
            })
            .collect();
        let parked = {
            let (parking, readers, alarm) = (parking.clone(), readers.clone(), alarm.clone());
            spawn(move || {
                parking.park(
                    WaitsFor::Primary,
                    (),
                    AnswerSize::Usual,
                    Instant::now() + Duration::from_secs(10),
                );
                // As `Cores::expect_relief` does.
                if !readers.is_empty() {
                    alarm.set();
                }
            })
        };
        // As `Cores::note_slow_reader` does.
        readers.add(SlowReader {
            token: ClientToken::new(0, 0),
            since: Instant::now(),
            bytes: None,
        });
        if !parking.is_empty() {
            alarm.set();
        }
        parked.join();
        threads.into_iter().for_each(|thread| thread.join());
        assert!(found.load(Ordering::SeqCst) > 0);
    });
}
