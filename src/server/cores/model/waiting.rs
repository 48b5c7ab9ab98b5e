//! The queue of parked requests beside the pools of two cores, and the pulse: nobody is forgotten.
//!
//! The steps are those of `Worker`: who has a connection, and a place if the answer will be large,
//! serves the oldest request, who has none parks and rings for the other core. There is no clock in
//! this model that would find what was forgotten a second later, so it would wait for ever.

use super::super::events::{Event, Events};
use super::super::parking::Parking;
use super::super::pulse::Pulse;
use super::check;
use super::core::janitor;
use super::postgresql::{Backend, Faults, Fortune};
use crate::serving::aim::{Connected, Server, WaitsFor};
use crate::serving::grant::{Grant, HeldPlace, Places};
use crate::sync::Instant;
use corerest_api::AnswerSize;
use corerest_pg::connect::ConnectError;
use corerest_pg::{Lease, Pool, PoolSettings, Preparation};
use corerest_simulation::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use corerest_simulation::{choose, sleep, spawn, step};
use std::sync::{Arc, mpsc};
use std::time::Duration;

const CORES: usize = 2;
/// How many threads of each core get a request; one more waits for the bell.
const SERVING: usize = 2;
const REQUESTS: usize = CORES * SERVING;
/// How many large answers each core brings at a time.
const PLACES: usize = 1;

/// Two cores of one connection each, or of two with a place for one large answer.
struct House {
    pools: Vec<Arc<Pool>>,
    places: Vec<Arc<Places>>,
    bells: Vec<Events>,
    parking: Parking<AnswerSize>,
    /// Whether an answer has shown that all are.
    are_large: AtomicBool,
    done: AtomicUsize,
}

impl House {
    fn new() -> House {
        let size = 1 + choose(2);
        let pool = || {
            Arc::new(Pool::new(PoolSettings {
                connector: Arc::new(Backend::new(Fortune::Chance(Faults::NONE))),
                size,
                idle_max: Duration::from_secs(600),
                lifetime_max: Duration::from_secs(600),
                preparation: Preparation::Named,
                silence: None,
                silences: Arc::default(),
                janitor: janitor(),
                watch: |_| {},
            }))
        };
        House {
            pools: (0..CORES).map(|_| pool()).collect(),
            places: (0..CORES).map(|_| Arc::default()).collect(),
            bells: (0..CORES).map(|_| Events::new().unwrap()).collect(),
            parking: Parking::new(),
            are_large: AtomicBool::new(false),
            done: AtomicUsize::new(0),
        }
    }

    fn ask(&self) {
        (0..choose(3)).for_each(|_| step());
        if choose(2) == 1 {
            self.are_large.store(true, Ordering::SeqCst);
        }
        if self.done.fetch_add(1, Ordering::SeqCst) + 1 == REQUESTS {
            self.bells.iter().for_each(Events::ring);
        }
    }

    /// As `Service::connection` does.
    fn grant(&self, core: usize, size: AnswerSize) -> Option<Grant> {
        if self.parking.is_before(WaitsFor::Primary, size) {
            return None;
        }
        let place = match size {
            AnswerSize::Usual => None,
            AnswerSize::Large => Some(self.places[core].take(PLACES)?),
        };
        let lease = self.pools[core].take()?.expect("nothing goes wrong");
        Some(granted(lease, place))
    }

    /// As `Worker::park` and `Worker::serve_waiting` do.
    fn request(&self, core: usize) {
        let size = [AnswerSize::Usual, AnswerSize::Large][choose(2)];
        match self.grant(core, size) {
            Some(grant) => {
                self.ask();
                drop(grant);
            }
            None => {
                let deadline = Instant::now() + Duration::from_secs(10);
                self.parking.park(WaitsFor::Primary, size, size, deadline);
                let other = 1 - core;
                if self.pools[other].has_room() && self.has_next(other) {
                    self.bells[other].ring();
                }
            }
        }
        self.serve_waiting(core);
    }

    fn has_next(&self, core: usize) -> bool {
        self.parking
            .has_next(WaitsFor::Primary, || self.places[core].are_free(PLACES))
    }

    fn serve_waiting(&self, core: usize) {
        while self.has_next(core) {
            let Some(lease) = self.pools[core].take() else {
                return;
            };
            let lease = lease.expect("nothing goes wrong");
            let take_place = || self.places[core].take(PLACES);
            let size_of = |size: &AnswerSize| match self.are_large.load(Ordering::SeqCst) {
                true => Some(AnswerSize::Large),
                false => Some(*size),
            };
            match self
                .parking
                .take_oldest(WaitsFor::Primary, size_of, take_place)
            {
                None => drop(lease),
                Some((size, place)) => {
                    assert!(place.is_some() || size == AnswerSize::Usual);
                    let grant = granted(lease, place);
                    self.ask();
                    drop(grant);
                }
            }
        }
    }
}

#[test]
fn a_parked_request_is_served_as_soon_as_a_connection_is_free() {
    check(
        "a_parked_request_is_served_as_soon_as_a_connection_is_free",
        || {
            let house = Arc::new(House::new());
            let mut threads = Vec::new();
            for core in 0..CORES {
                let waiting = Arc::clone(&house);
                threads.push(spawn(move || {
                    while waiting.done.load(Ordering::SeqCst) < REQUESTS {
                        if waiting.bells[core].next(None) == Event::Bell {
                            waiting.serve_waiting(core);
                        }
                    }
                }));
                for _ in 0..SERVING {
                    let serving = Arc::clone(&house);
                    threads.push(spawn(move || serving.request(core)));
                }
            }
            threads.into_iter().for_each(|thread| thread.join());
            assert_eq!(house.done.load(Ordering::SeqCst), REQUESTS);
            assert!(house.parking.is_empty());
            assert!(house.pools.iter().all(|pool| pool.leased() == 0));
            let (end, ended) = mpsc::channel();
            janitor().execute(move || {
                let _ = end.send(());
            });
            ended.recv().expect("it does one thing after the other");
        },
    );
}

/// Two cores of some connections each to a primary and to a replica, which will do or will not.
struct FleetHouse {
    primaries: Vec<Arc<Pool>>,
    replicas: Vec<Arc<Pool>>,
    is_usable: AtomicBool,
    bells: Vec<Events>,
    parking: Parking<AnswerSize>,
    done: AtomicUsize,
}

impl FleetHouse {
    fn new() -> FleetHouse {
        let House {
            pools,
            bells,
            parking,
            done,
            ..
        } = House::new();
        FleetHouse {
            primaries: pools,
            replicas: House::new().pools,
            is_usable: AtomicBool::new(true),
            bells,
            parking,
            done,
        }
    }

    /// As `Cores::connection` does.
    fn connection(&self, core: usize, what: WaitsFor) -> Option<Result<Lease, ConnectError>> {
        match what {
            WaitsFor::Replica if self.is_usable.load(Ordering::SeqCst) => {
                self.replicas[core].take()
            }
            WaitsFor::Replica => self.primaries[core].take_as_guest(1),
            WaitsFor::Primary | WaitsFor::Replay => self.primaries[core].take(),
        }
    }

    /// As `Cores::can_serve_parked` does.
    fn has_room(&self, core: usize, what: WaitsFor) -> bool {
        match what {
            WaitsFor::Replica if self.is_usable.load(Ordering::SeqCst) => {
                self.replicas[core].has_room()
            }
            WaitsFor::Replica => self.primaries[core].has_room_for_guest(1),
            WaitsFor::Primary | WaitsFor::Replay => self.primaries[core].has_room(),
        }
    }

    fn ask(&self) {
        (0..choose(3)).for_each(|_| step());
        if self.done.fetch_add(1, Ordering::SeqCst) + 1 == REQUESTS {
            self.bells.iter().for_each(Events::ring);
        }
    }

    fn request(&self, core: usize, what: WaitsFor) {
        let connection = match self.parking.is_line_empty(what) {
            true => self.connection(core, what),
            false => None,
        };
        match connection {
            Some(connection) => {
                self.ask();
                drop(connection);
            }
            None => {
                let deadline = Instant::now() + Duration::from_secs(10);
                self.parking
                    .park(what, AnswerSize::Usual, AnswerSize::Usual, deadline);
                let other = 1 - core;
                if LINES
                    .iter()
                    .any(|line| !self.parking.is_line_empty(*line) && self.has_room(other, *line))
                {
                    self.bells[other].ring();
                }
            }
        }
        self.serve_waiting(core);
    }

    fn serve_waiting(&self, core: usize) {
        for line in LINES {
            while !self.parking.is_line_empty(line) {
                let Some(connection) = self.connection(core, line) else {
                    break;
                };
                let no_place = || None::<()>;
                if self
                    .parking
                    .take_oldest(line, |size| Some(*size), no_place)
                    .is_some()
                {
                    self.ask();
                }
                drop(connection);
                if !self.parking.is_empty() {
                    // As the worker does, which looks at all lines again after it has served one.
                    return self.serve_waiting(core);
                }
            }
        }
    }

    /// As the watcher of the replica and `Cores::on_fleet_changed` do.
    fn change(&self, is_usable: bool) {
        self.is_usable.store(is_usable, Ordering::SeqCst);
        if !self.parking.is_line_empty(WaitsFor::Replica) {
            self.bells.iter().for_each(Events::ring);
        }
    }
}

/// A connection to the primary.
fn granted(lease: Lease, place: Option<HeldPlace>) -> Grant {
    let server = Server::Primary;
    Grant::new(Connected { lease, server }, place)
}

const LINES: [WaitsFor; 2] = [WaitsFor::Primary, WaitsFor::Replica];

#[test]
fn parked_reads_are_served_whatever_becomes_of_the_replica() {
    check(
        "parked_reads_are_served_whatever_becomes_of_the_replica",
        || {
            let house = Arc::new(FleetHouse::new());
            let mut threads = Vec::new();
            for core in 0..CORES {
                let waiting = Arc::clone(&house);
                threads.push(spawn(move || {
                    while waiting.done.load(Ordering::SeqCst) < REQUESTS {
                        if waiting.bells[core].next(None) == Event::Bell {
                            waiting.serve_waiting(core);
                        }
                    }
                }));
                let serving = Arc::clone(&house);
                threads.push(spawn(move || {
                    (0..SERVING).for_each(|_| serving.request(core, LINES[choose(2)]));
                }));
            }
            let watching = Arc::clone(&house);
            threads.push(spawn(move || {
                (0..3).for_each(|_| watching.change(choose(2) == 0));
            }));
            threads.into_iter().for_each(|thread| thread.join());
            assert_eq!(house.done.load(Ordering::SeqCst), REQUESTS);
            assert!(house.parking.is_empty());
            let mut pools = house.primaries.iter().chain(&house.replicas);
            assert!(pools.all(|pool| pool.leased() == 0));
            let (end, ended) = mpsc::channel();
            janitor().execute(move || {
                let _ = end.send(());
            });
            ended.recv().expect("it does one thing after the other");
        },
    );
}

#[test]
fn a_core_that_gets_on_is_never_taken_for_one_that_is_stuck() {
    check(
        "a_core_that_gets_on_is_never_taken_for_one_that_is_stuck",
        || {
            const PATIENCE: Duration = Duration::from_secs(5);
            let core = Arc::new((Events::new().unwrap(), Pulse::new()));
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let core = Arc::clone(&core);
                    spawn(move || {
                        let (events, pulse) = &*core;
                        while events.next(Some(Duration::from_secs(60))) == Event::Bell {
                            events.on_bell();
                            pulse.answer();
                        }
                        pulse.end();
                    })
                })
                .collect();
            let asking: Vec<_> = (0..2)
                .map(|_| {
                    let core = Arc::clone(&core);
                    spawn(move || {
                        let (events, pulse) = &*core;
                        let made = Instant::now();
                        for _ in 0..3 {
                            assert!(pulse.ask(made.elapsed(), PATIENCE));
                            events.ring();
                            sleep(Duration::from_secs(10));
                        }
                    })
                })
                .collect();
            asking.into_iter().for_each(|thread| thread.join());
            threads.into_iter().for_each(|thread| thread.join());
        },
    );
}
