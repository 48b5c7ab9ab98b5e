//! Whole cores, in a world where everything goes wrong that can: clients that leave, send half a
//! request, or read slowly; a PostgreSQL that is slow, silent, refuses, is cut off in the middle of
//! a reply; no file descriptors. What goes wrong when comes from the seed.
//!
//! What has to hold: each request has one response, its own, in order; nobody waits for longer
//! than deadlines allow; and in the end no client, no connection and no place is missing.

use super::super::placing::Share;
use super::super::shared::{Cores, CoresSettings, Patience};
use super::super::threads::start_simulated;
use super::postgresql::{Backend, Faults, Fortune, SHORT, SILENT_IN_THE_MIDDLE, SLOW, WORN};
use super::{SIMULATED_STEPS_MAX, check_is_found, check_runs};
use crate::auth::Authenticator;
use crate::net::Listener;
use crate::serving::memory::{Addresses, Memory};
use crate::serving::spool::Spool;
use crate::state::fleet::Fleet;
use crate::state::health::Health;
use crate::state::orders::Orders;
use crate::state::snapshot::Snapshot;
use crate::sync::{Instant, Mutant, Mutex, lock};
use corerest_api::{Catalog, Shapes, decode_catalog};
use corerest_config::Config;
use corerest_pg::{Pool, PoolSettings, Preparation};
use corerest_simulation::{
    Listening, Received, Sent, Stream, Task, choose, is_lucky, sleep, spawn,
};
use corerest_wire::http::Limits;
use scheduled_thread_pool::ScheduledThreadPool;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How many worlds there are.
const RUNS: u64 = 10_000;

const CLIENTS: usize = 4;

/// Room in a client's socket: a large body does not fit.
pub(super) const CLIENT_ROOM: usize = 700;

/// The longest that a request may take: to wait for a connection, then for a PostgreSQL that is
/// silent before it is cut off, and for a client that is slow.
pub(super) const LONGEST: Duration = Duration::from_secs(200);

/// How long an answer takes that needs no PostgreSQL: one thread of each core is always free, and
/// sooner or later the clock of its core wakes it.
const AT_ONCE: Duration = Duration::from_secs(2);

/// How long clients without a request may be let be when the server ends.
const GRACE: Duration = Duration::from_millis(300);

/// What is the same in every world, and takes long to make.
struct Fixture {
    config: Arc<Config>,
    catalog: Arc<Catalog>,
    authenticator: Arc<Authenticator>,
    janitor: Arc<ScheduledThreadPool>,
}

fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let config = Config {
            db_anon_role: Some("anonymous".to_owned()),
            db_schemas: vec!["api".to_owned()],
            ..Config::default()
        };
        let document = include_bytes!("../../../../tests/cases/plan/catalog.json");
        let catalog = decode_catalog(&mut document.to_vec()).expect("it was recorded");
        Fixture {
            authenticator: Arc::new(Authenticator::new(&config).expect("it is valid")),
            config: Arc::new(config),
            catalog: Arc::new(catalog),
            janitor: Arc::new(ScheduledThreadPool::new(1)),
        }
    })
}

/// The thread that opens slots for r2d2.
pub(super) fn janitor() -> Arc<ScheduledThreadPool> {
    Arc::clone(&fixture().janitor)
}

/// What every world begins with.
pub(super) fn snapshot() -> Snapshot {
    let fixture = fixture();
    Snapshot {
        config: Arc::clone(&fixture.config),
        authenticator: Arc::clone(&fixture.authenticator),
        role_settings: Arc::default(),
        catalog: Some(Arc::clone(&fixture.catalog)),
        shapes: [Shapes::new(), Shapes::new()].into(),
    }
}

pub(super) fn make_cores(plan: Plan, backend: &Backend) -> Arc<Cores> {
    let Plan {
        connections,
        faults,
        places,
        ..
    } = plan;
    let seconds = Duration::from_secs;
    let config = Config {
        server_max_spool_bytes: if faults.one_of > 0 && is_lucky(2) {
            1 << 20
        } else {
            0
        },
        server_spool_directory: std::env::temp_dir().display().to_string(),
        ..Config::default()
    };
    let settings = CoresSettings {
        snapshot: snapshot(),
        key_board: Arc::default(),
        health: Arc::new(Health::new(Arc::new(Orders::default()))),
        fleet: Arc::new(Fleet::new(Vec::new(), seconds(10), true)),
        patience: Patience {
            idle: seconds(75),
            header: seconds(10),
            body: seconds(10),
            write: seconds(30),
            acquisition: seconds(10),
            shutdown: [None, Some(Duration::ZERO), Some(GRACE)][choose(3)],
        },
        limits: Limits {
            unadmitted_body_bytes_max: 256,
            ..Limits::default()
        },
        clients_max: places,
        memory: Memory::new(usize::MAX, Addresses::Plenty),
        spool: Arc::new(Spool::open(&config)),
        slow_readers_max: if faults.one_of > 0 { choose(3) } else { 2 },
    };
    cores_of(settings, connections, backend)
}

/// Two cores, with so many connections each.
pub(super) fn cores_of(
    settings: CoresSettings,
    connections: usize,
    backend: &Backend,
) -> Arc<Cores> {
    let seconds = Duration::from_secs;
    let share = |cpu| Share {
        cpu,
        connections,
        threads: connections + 1,
    };
    let shares = [share(0), share(1)];
    let pool = |share: &Share, _| {
        Pool::new(PoolSettings {
            connector: Arc::new(backend.clone()),
            size: share.connections,
            idle_max: seconds(600),
            lifetime_max: seconds(1800),
            preparation: Preparation::Named,
            silence: Some(crate::serving::watch::SLOW),
            silences: Arc::default(),
            janitor: janitor(),
            watch: |_| {},
        })
    };
    Arc::new(Cores::new(settings, &shares, pool).expect("it is simulated"))
}

/// A request, and what its answer is known by.
struct Asked {
    id: usize,
    is_options: bool,
}

fn request(asked: &Asked) -> String {
    match asked.is_options {
        true => "OPTIONS /plants HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        false => format!(
            "GET /plants?select=id,name&id=eq.{} HTTP/1.1\r\nHost: x\r\n\r\n",
            asked.id
        ),
    }
}

/// What a client does besides asking.
#[derive(Clone, Copy)]
struct Manners {
    reads_slowly: bool,
    leaves_early: bool,
    stops_in_a_request: bool,
}

/// The life of a client: a pipeline of requests, and their answers.
fn client(at_door: &Listening, number: usize, plan: Plan) {
    let stream = at_door.connect(CLIENT_ROOM);
    let began = Instant::now();
    let manners = Manners {
        reads_slowly: is_lucky(3),
        leaves_early: is_lucky(6),
        stops_in_a_request: is_lucky(8),
    };
    let asked: Vec<Asked> = (0..1 + choose(plan.requests))
        .map(|index| Asked {
            id: 100 * (number + 1) + 10 * index + choose(6),
            is_options: is_lucky(3),
        })
        .collect();
    let mut text: String = asked.iter().map(request).collect();
    if manners.stops_in_a_request {
        text.push_str("GET /pla");
    }
    if !send(&stream, text.as_bytes()) {
        return;
    }
    let mut reader = Reader {
        stream: &stream,
        bytes: Vec::new(),
        is_slow: manners.reads_slowly,
    };
    let count = if manners.leaves_early {
        choose(asked.len())
    } else {
        asked.len()
    };
    for (index, asked) in asked.iter().take(count).enumerate() {
        match reader.answer() {
            Answer::Whole(answer) => {
                answer.check(asked);
                if index == 0 && asked.is_options && plan.places >= CLIENTS {
                    let took = began.elapsed();
                    assert!(
                        manners.reads_slowly || took < AT_ONCE,
                        "client {number} needs no PostgreSQL, and waited for {took:?}"
                    );
                }
            }
            Answer::CutOff => return,
            Answer::None => {
                let was_turned_away = plan.fails_to_accept_one_of > 0 && index == 0;
                assert!(
                    was_turned_away || plan.faults.panics_one_of > 0,
                    "client {number} has no answer to its request {index}"
                );
                return;
            }
        }
    }
    let took = began.elapsed();
    assert!(took < LONGEST, "client {number} was served in {took:?}");
    if !manners.leaves_early && !manners.stops_in_a_request {
        assert_eq!(reader.bytes, b"", "behind the last answer");
    }
    if is_lucky(3) {
        // Until the server has had enough of it.
        while matches!(reader.more(), More::Bytes) {}
    }
}

pub(super) fn send(stream: &Stream, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        match stream.send(bytes) {
            Sent::Bytes(count) => bytes = &bytes[count..],
            Sent::WouldBlock => stream.wait_to_write(),
            Sent::Closed => return false,
        }
    }
    true
}

pub(super) struct Reader<'a> {
    pub(super) stream: &'a Stream,
    pub(super) bytes: Vec<u8>,
    pub(super) is_slow: bool,
}

/// How an answer begins that is written before all of its body has come.
const WITH_BODY: &[u8] = b"HTTP/1.1 200 ";

pub(super) enum More {
    Bytes,
    End,
}

pub(super) enum Answer {
    Whole(Response),
    /// It ends within its body, as one does whose connection to PostgreSQL has broken; or within
    /// its head, if the client had not taken all of that.
    CutOff,
    None,
}

pub(super) struct Response {
    pub(super) status: u16,
    /// Whether the connection ends with it.
    pub(super) closes: bool,
    pub(super) body: Vec<u8>,
}

impl Reader<'_> {
    pub(super) fn more(&mut self) -> More {
        if self.is_slow && is_lucky(4) {
            sleep(Duration::from_millis(700));
        }
        let mut space = [0; 256];
        loop {
            match self.stream.receive(&mut space) {
                Received::Bytes(count) => {
                    self.bytes.extend_from_slice(&space[..count]);
                    return More::Bytes;
                }
                Received::WouldBlock => drop(self.stream.wait(false, None)),
                Received::Closed => return More::End,
            }
        }
    }

    /// Where the next one of these ends; `None` if the connection ends before.
    pub(super) fn find(&mut self, wanted: &[u8]) -> Option<usize> {
        loop {
            let mut windows = self.bytes.windows(wanted.len());
            if let Some(at) = windows.position(|bytes| bytes == wanted) {
                return Some(at + wanted.len());
            }
            if matches!(self.more(), More::End) {
                return None;
            }
        }
    }

    pub(super) fn answer(&mut self) -> Answer {
        let Some(head_end) = self.find(b"\r\n\r\n") else {
            let begun = self.bytes.len().min(WITH_BODY.len());
            // Nothing else has a body that may break.
            assert_eq!(self.bytes[..begun], WITH_BODY[..begun], "a head ends");
            return match begun {
                0 => Answer::None,
                _ => Answer::CutOff,
            };
        };
        let head: Vec<u8> = self.bytes.drain(..head_end).collect();
        let head = String::from_utf8(head).expect("heads are ASCII");
        let status = head
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .unwrap_or_else(|| panic!("no status line: {head:?}"));
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "))
            .map_or(0, |length| length.parse().expect("it is a number"));
        while self.bytes.len() < length {
            if matches!(self.more(), More::End) {
                return Answer::CutOff;
            }
        }
        let body = self.bytes.drain(..length).collect();
        Answer::Whole(Response {
            status,
            closes: head.contains("\r\nConnection: close\r\n"),
            body,
        })
    }
}

impl Response {
    /// It is the one to this request: its body says so, unless it is an error.
    fn check(&self, asked: &Asked) {
        let body = String::from_utf8_lossy(&self.body);
        match self.status {
            200 if asked.is_options => {}
            200 => {
                let mark = format!("[{{\"id\":{}", asked.id);
                assert!(
                    body.starts_with(&mark),
                    "{} has the answer {body}",
                    asked.id
                );
            }
            400 | 500 | 503 | 504 => assert!(body.starts_with('{'), "{body}"),
            other => panic!("status {other}: {body}"),
        }
    }
}

/// What a world is like.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    /// Of each core.
    pub(super) connections: usize,
    pub(super) faults: Faults,
    /// For clients.
    pub(super) places: usize,
    /// The most that a client asks.
    pub(super) requests: usize,
    /// How often there is no descriptor; 0: always.
    pub(super) fails_to_accept_one_of: usize,
}

impl Plan {
    /// A PostgreSQL with its faults.
    pub(super) fn backend(self) -> Backend {
        Backend::new(Fortune::Chance(self.faults))
    }
}

/// One world.
fn a_world(plan: Plan) {
    let at_door = Listening::new();
    let cores = make_cores(plan, &plan.backend());
    let threads = start_simulated(&cores);
    let listener = Listener::new(at_door.another(), plan.fails_to_accept_one_of);
    cores.listen(listener).expect("it is simulated");
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let at_door = at_door.another();
            spawn(move || client(&at_door, number, plan))
        })
        .collect();
    clients.into_iter().for_each(|client| client.join());
    end(&cores, threads);
    for core in cores.gauges().cores {
        let together = core.tallies.iter().map(|tally| tally.together.read());
        TOGETHER.fetch_add(together.sum(), Ordering::Relaxed);
    }
}

/// Stops the cores of a world whose clients have left: nothing is missing.
pub(super) fn end(cores: &Cores, threads: Vec<Task>) {
    cores.stop();
    threads.into_iter().for_each(|thread| thread.join());
    let gauges = cores.gauges();
    assert_eq!((gauges.waiting, gauges.slow_readers), (0, 0));
    for core in gauges.cores {
        assert_eq!((core.clients, core.connections_used), (0, 0));
    }
    assert_eq!(cores.door.taken(), 0);
}

fn any_world() {
    a_world(Plan {
        connections: 1 + choose(2),
        faults: Faults {
            one_of: [0, 3, 8][choose(3)],
            panics_one_of: [0, 0, 0, 4][choose(4)],
        },
        places: 2 + choose(CLIENTS),
        requests: 3,
        fails_to_accept_one_of: [0, 0, 4][choose(3)],
    });
}

/// How many reads went together, in all worlds.
static TOGETHER: AtomicU64 = AtomicU64::new(0);

/// Each core has one connection, and clients ask for rows by the same statement, so that some of
/// them wait and are known to be quick: they go together, whatever becomes of them.
fn clients_wait_for_one_connection() {
    a_world(Plan {
        connections: 1,
        faults: Faults {
            one_of: [0, 8, 20][choose(3)],
            panics_one_of: [0, 0, 0, 4][choose(4)],
        },
        places: 2 * CLIENTS,
        requests: 6,
        fails_to_accept_one_of: 0,
    });
}

/// A slow query keeps core 0's only connection, and a client of that core gets the other one for a
/// large answer, which it takes only when PostgreSQL has fallen silent in the middle of it. Whoever
/// comes to core 0 then, and needs no PostgreSQL, is answered at once.
fn a_connection_of_another_core_falls_silent() {
    let plan = Plan {
        connections: 1,
        faults: Faults::NONE,
        places: 5,
        requests: 1,
        fails_to_accept_one_of: 0,
    };
    let at_door = Listening::new();
    let cores = make_cores(plan, &plan.backend());
    let threads = start_simulated(&cores);
    let listener = Listener::new(at_door.another(), 0);
    cores.listen(listener).expect("it is simulated");
    // The cores take them by turns.
    let enter = |id: usize| {
        let before = cores.door.taken();
        let stream = at_door.connect(CLIENT_ROOM);
        while cores.door.taken() == before {
            sleep(Duration::from_millis(1));
        }
        let asked = Asked {
            id,
            is_options: id == 0,
        };
        assert!(send(&stream, request(&asked).as_bytes()));
        sleep(Duration::from_millis(100));
        stream
    };
    let read = |stream: &Stream| {
        let mut reader = Reader {
            stream,
            bytes: Vec::new(),
            is_slow: false,
        };
        assert!(matches!(reader.answer(), Answer::Whole(_)));
    };
    let slow = enter(SLOW);
    let short = enter(SHORT);
    let large = enter(SILENT_IN_THE_MIDDLE);
    let others = enter(0);
    read(&short);
    sleep(Duration::from_secs(2));
    let reading = spawn(move || {
        let mut reader = Reader {
            stream: &large,
            bytes: Vec::new(),
            is_slow: false,
        };
        assert!(matches!(reader.answer(), Answer::Whole(_)));
    });
    sleep(Duration::from_millis(100));
    let began = Instant::now();
    read(&enter(0));
    let took = began.elapsed();
    assert!(
        took < AT_ONCE,
        "it needs no PostgreSQL, and waited for {took:?}"
    );
    read(&others);
    read(&slow);
    reading.join();
    drop((slow, short, others));
    cores.stop();
    threads.into_iter().for_each(|thread| thread.join());
}

/// The longest pause between two requests of a client, and before the first one.
const PAUSE_MS_MAX: usize = 90;

/// A client that asks again and again, and does not look whether its connection has ended. It has
/// an answer to each request, until one says that the connection ends with it. Then it leaves, or
/// waits until it is closed.
fn regular_client(stream: &Stream, number: usize, requests: usize, may_be_left: bool) {
    let mut reader = Reader {
        stream,
        bytes: Vec::new(),
        is_slow: false,
    };
    for index in 0..1 + choose(requests) {
        if is_lucky(2) {
            sleep(Duration::from_millis(choose(PAUSE_MS_MAX) as u64));
        }
        let asked = Asked {
            id: 100 * (number + 1) + 10 * index + choose(6),
            is_options: is_lucky(3),
        };
        let answer = match send(stream, request(&asked).as_bytes()) {
            true => reader.answer(),
            false => Answer::None,
        };
        match answer {
            Answer::Whole(answer) => {
                answer.check(&asked);
                if answer.closes {
                    assert!(matches!(reader.more(), More::End), "more after the end");
                    return;
                }
            }
            Answer::CutOff => panic!("client {number} is cut off"),
            Answer::None => {
                assert!(
                    may_be_left && index == 0,
                    "client {number} was not told that its request {index} is not taken"
                );
                return;
            }
        }
    }
    if is_lucky(2) {
        assert!(matches!(reader.more(), More::End), "more than it asked for");
    }
}

/// How long threads may take when the last client is gone.
const LAST_TO_LEAVE_MAX: Duration = Duration::from_millis(200);

/// The server ends while clients ask: it is stopped, or another process takes over, or gets the
/// socket after it, with those who were not accepted.
fn the_server_ends_under_its_clients() {
    let plan = Plan {
        connections: 1 + choose(2),
        faults: Faults::NONE,
        places: 2 + choose(CLIENTS),
        requests: 4,
        fails_to_accept_one_of: 0,
    };
    let at_door = Listening::new();
    let cores = make_cores(plan, &plan.backend());
    let threads = start_simulated(&cores);
    let mut listener = Listener::new(at_door.another(), 0);
    listener.is_taken_over = is_lucky(2);
    listener.lives_on = is_lucky(3);
    let lives_on = listener.lives_on;
    cores.listen(listener).expect("it is simulated");
    let last_left = Arc::new(Mutex::new(Instant::now()));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let stream = at_door.connect(CLIENT_ROOM);
            let last_left = Arc::clone(&last_left);
            spawn(move || {
                regular_client(&stream, number, plan.requests, lives_on);
                drop(stream);
                *lock(&last_left) = Instant::now();
            })
        })
        .collect();
    if is_lucky(2) {
        sleep(Duration::from_millis(choose(2 * PAUSE_MS_MAX) as u64));
    }
    cores.stop();
    let stopped = Instant::now();
    threads.into_iter().for_each(|thread| thread.join());
    let took = (*lock(&last_left)).max(stopped).elapsed();
    assert!(took < LAST_TO_LEAVE_MAX, "threads took {took:?} to leave");
    let left = std::iter::from_fn(|| at_door.accept()).count();
    assert!(lives_on || left == 0, "{left} wait for nobody");
    clients.into_iter().for_each(|client| client.join());
    assert_eq!(cores.door.taken(), 0);
}

#[test]
fn an_end_is_announced_before_a_request_is_not_taken() {
    let name = "an_end_is_announced_before_a_request_is_not_taken";
    let run = the_server_ends_under_its_clients;
    check_runs(name, RUNS, SIMULATED_STEPS_MAX, run);
}

#[test]
fn a_connection_that_ends_without_a_word_is_found() {
    let name = "the_server_ends_under_its_clients";
    let run = the_server_ends_under_its_clients;
    check_is_found(name, Mutant::ClosesUnannounced, SIMULATED_STEPS_MAX, run);
}

#[test]
fn a_thread_that_leaves_others_asleep_is_found() {
    let name = "the_server_ends_under_its_clients";
    let run = the_server_ends_under_its_clients;
    check_is_found(name, Mutant::LeavesQuietly, SIMULATED_STEPS_MAX, run);
}

#[test]
fn a_silent_connection_holds_up_nobody_but_its_client() {
    let name = "a_silent_connection_holds_up_nobody_but_its_client";
    let run = a_connection_of_another_core_falls_silent;
    check_runs(name, RUNS / 10, SIMULATED_STEPS_MAX, run);
}

#[test]
fn a_client_whose_core_waits_for_another_ones_connection_is_found() {
    let name = "a_connection_of_another_core_falls_silent";
    let run = a_connection_of_another_core_falls_silent;
    check_is_found(name, Mutant::ClientsStay, SIMULATED_STEPS_MAX, run);
}

#[test]
fn each_request_has_its_answer_and_nothing_is_lost() {
    let name = "each_request_has_its_answer_and_nothing_is_lost";
    check_runs(name, RUNS, SIMULATED_STEPS_MAX, any_world);
}

#[test]
fn reads_that_go_together_have_each_their_own_answer() {
    let name = "reads_that_go_together_have_each_their_own_answer";
    let run = clients_wait_for_one_connection;
    check_runs(name, RUNS / 2, SIMULATED_STEPS_MAX, run);
    let together = TOGETHER.load(Ordering::Relaxed);
    assert!(together > 0, "none went together");
    let worn = WORN.load(Ordering::Relaxed);
    assert!(worn > 0, "each has taken on its role anew");
}

#[test]
fn a_client_that_goes_with_the_connection_of_others_is_found() {
    let name = "clients_wait_for_one_connection";
    let run = clients_wait_for_one_connection;
    check_is_found(name, Mutant::FlightDropsFirst, SIMULATED_STEPS_MAX, run);
}
