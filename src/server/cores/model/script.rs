//! A script for two cores: what clients send, in which pieces, how they read, when they leave, what
//! PostgreSQL does with each statement, when time passes, and in which order the threads run. It is
//! bytes, so that a fuzzer can write it (`scripts/fuzz 60 core`).
//!
//! ```text
//! script = plan fortune directions step*      fortune, directions = LENGTH BYTE*
//! ```
//! What has to hold: each request has one answer, its own, in order, or a reason why it has none;
//! nothing panics; what the server holds for its clients is bounded; and when no more happens, each
//! client has been closed within the deadlines, and no client, connection or byte is left.

use super::super::shared::{Cores, CoresSettings, Patience};
use super::super::threads::start_simulated;
use super::SIMULATED_STEPS_MAX;
use super::core::{cores_of, snapshot};
use super::postgresql::{Backend, Fault, Fortune, Script};
use super::transcript::Transcript;
use crate::net::Listener;
use crate::serving::memory::{Addresses, Memory};
use crate::serving::spool::Spool;
use crate::state::fleet::Fleet;
use crate::state::health::Health;
use crate::state::orders::Orders;
use crate::sync::Instant;
use corerest_config::Config;
use corerest_simulation::{Listening, Received, Sent, Stream, World, follow, sleep};
use corerest_wire::http::Limits;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const CLIENTS: usize = 4;

/// No script is longer.
const STEPS_MAX: usize = 80;

/// So many places that no client is closed for another one.
const PLENTY: usize = STEPS_MAX + CLIENTS;

/// The longest that anything takes of which nobody hears any more: to wait for a connection, for a
/// PostgreSQL that is silent, for each request of a pipeline, and for a client that is idle.
const END: Duration = Duration::from_secs(900);

/// How long a client may be away before the server may have lost its patience with it.
const SHORT_ABSENCE: Duration = Duration::from_secs(1);

/// What each client may make the server hold, however much there is: a head, a body, what came
/// behind them, and the end of an answer, with the room that buffers grow by.
const HELD_BY_EACH_MAX: usize = 64 << 10;

/// Bytes of a script, taken one after the other; when they are used up, all is 0.
#[derive(Debug)]
struct Tape(Vec<u8>, usize);

impl Tape {
    fn byte(&mut self) -> u8 {
        self.1 += 1;
        self.0.get(self.1 - 1).copied().unwrap_or_default()
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()]
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let begin = self.1.min(self.0.len());
        let end = (begin + count).min(self.0.len());
        self.1 = end;
        self.0[begin..end].to_vec()
    }

    fn part(&mut self) -> Tape {
        let count = usize::from(self.byte());
        Tape(self.take(count), 0)
    }

    fn is_over(&self) -> bool {
        self.1 >= self.0.len()
    }
}

/// What PostgreSQL does. The lock is nobody's to wait for.
struct Told(Mutex<Tape>);

impl Told {
    fn with<T>(&self, work: impl FnOnce(&mut Tape) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Script for Told {
    fn is_away(&self) -> bool {
        self.with(|tape| tape.byte() == 255)
    }

    fn fault(&self) -> Option<Fault> {
        self.with(|tape| {
            Some(match tape.byte() % 24 {
                1 => Fault::Slow(Duration::from_millis(5)),
                2 => Fault::Slow(Duration::from_secs(2)),
                3 => Fault::Fails,
                4 => Fault::SilentAndGone,
                5 => Fault::Ends,
                6 => Fault::SilentWithin(tape.byte()),
                7 => Fault::CutWithin(tape.byte()),
                8 => Fault::Aside,
                9 => Fault::NoRow,
                10 => Fault::TwoRows,
                11 => Fault::RowAndError,
                12 => Fault::Columns(tape.byte()),
                13 => Fault::Strange(tape.byte(), u32::from(tape.byte())),
                14 => Fault::Strange(tape.byte(), u32::MAX >> (tape.byte() % 32)),
                15 => Fault::Slow(Duration::from_millis(100)),
                _ => return None,
            })
        })
    }
}

/// What a world is like.
#[derive(Clone, Copy)]
struct Plan {
    /// Of each core.
    connections: usize,
    places: usize,
    memory_bytes_max: usize,
    slow_readers_max: usize,
    has_spool: bool,
    shutdown: Option<Duration>,
}

impl Plan {
    fn of(tape: &mut Tape) -> Plan {
        let (first, second) = (tape.byte(), tape.byte());
        let bit = |byte: u8, number: u8| byte >> number & 1 == 1;
        Plan {
            connections: 1 + usize::from(first & 1),
            places: match first >> 1 & 3 {
                0 => 2,
                // Those who have left may be served for a while.
                _ => PLENTY,
            },
            memory_bytes_max: match second & 3 {
                0 => 3 << 10,
                1 => 12 << 10,
                _ => usize::MAX,
            },
            slow_readers_max: usize::from(first >> 3 & 3),
            has_spool: bit(first, 5),
            shutdown: [None, Some(Duration::ZERO), Some(Duration::from_millis(300))]
                [usize::from(second >> 2) % 3],
        }
    }

    /// Whether the server may have to end a client for others.
    fn is_scarce(&self) -> bool {
        self.places < PLENTY || self.memory_bytes_max < usize::MAX
    }
}

fn limits() -> Limits {
    Limits {
        line_bytes_max: 300,
        header_bytes_max: 600,
        headers_max: 10,
        body_bytes_max: 3_000,
        unadmitted_body_bytes_max: 200,
        pipelined_bytes_max: 400,
    }
}

fn make_cores(plan: Plan, backend: &Backend) -> Arc<Cores> {
    let seconds = Duration::from_secs;
    let spool = Config {
        server_max_spool_bytes: if plan.has_spool { 1 << 20 } else { 0 },
        server_spool_directory: std::env::temp_dir().display().to_string(),
        ..Config::default()
    };
    let settings = CoresSettings {
        snapshot: snapshot(),
        key_board: Arc::default(),
        health: Arc::new(Health::new(Arc::new(Orders::default()))),
        patience: Patience {
            idle: seconds(8),
            header: seconds(4),
            body: seconds(4),
            write: seconds(6),
            acquisition: seconds(5),
            shutdown: plan.shutdown,
        },
        limits: limits(),
        clients_max: plan.places,
        memory: Memory::new(plan.memory_bytes_max, Addresses::Plenty),
        spool: Arc::new(Spool::open(&spool)),
        slow_readers_max: plan.slow_readers_max,
        fleet: Arc::new(Fleet::new(Vec::new(), seconds(10), true)),
    };
    cores_of(settings, plan.connections, backend)
}

/// Runs a script.
///
/// # Panics
/// If something does not hold.
pub(crate) fn follow_script(data: &[u8]) {
    let mut script = Tape(data.to_vec(), 0);
    let plan = Plan::of(&mut script);
    let fortune = script.part().0;
    let directions = script.part().0;
    let steps = script.take(usize::MAX >> 1);
    follow(&directions, SIMULATED_STEPS_MAX, move || {
        World::begin();
        Hand::run(plan, &fortune, Tape(steps.clone(), 0));
        World::end();
    });
}

/// A client, who does what the script says.
#[derive(Default)]
struct Client {
    stream: Option<Stream>,
    /// What it has not sent yet.
    queue: Vec<u8>,
    transcript: Transcript,
    has_finished: bool,
}

impl Client {
    /// Sends so much of what it has, as far as there is room.
    fn send(&mut self, at_most: usize) {
        let (Some(stream), false) = (&self.stream, self.has_finished) else {
            return;
        };
        let mut left = at_most.min(self.queue.len());
        while left > 0 {
            match stream.send(&self.queue[..left]) {
                Sent::Bytes(count) => {
                    self.transcript.sent.extend(self.queue.drain(..count));
                    left -= count;
                }
                Sent::WouldBlock | Sent::Closed => return,
            }
        }
    }

    /// Reads so much of what is there, and says whether there was anything.
    fn read(&mut self, at_most: usize) -> bool {
        let mut has_read = false;
        let mut space = vec![0; at_most.min(1 << 10)];
        let mut left = at_most;
        while let Some(stream) = &self.stream
            && left > 0
        {
            let room = left.min(space.len());
            match stream.receive(&mut space[..room]) {
                Received::Bytes(count) => {
                    self.transcript.got.extend_from_slice(&space[..count]);
                    left -= count;
                    has_read = true;
                }
                Received::WouldBlock => break,
                Received::Closed => {
                    self.stream = None;
                    has_read = true;
                }
            }
        }
        has_read
    }

    /// It leaves, and another one may come in its place and say what it wanted to say.
    fn leave(&mut self) {
        if self.stream.take().is_some() {
            self.transcript.is_over = true;
        }
        self.end();
    }

    /// Looks at all that it has got.
    fn end(&mut self) {
        let next = Client {
            queue: std::mem::take(&mut self.queue),
            ..Client::default()
        };
        std::mem::replace(self, next).transcript.check(&limits());
    }
}

/// Carries the script out.
struct Hand {
    plan: Plan,
    cores: Arc<Cores>,
    at_door: Listening,
    clients: [Client; CLIENTS],
    requests: usize,
    has_stopped: bool,
}

impl Hand {
    fn run(plan: Plan, fortune: &[u8], mut steps: Tape) {
        let told = Told(Mutex::new(Tape(fortune.to_vec(), 0)));
        let at_door = Listening::new();
        let cores = make_cores(plan, &Backend::new(Fortune::Told(Arc::new(told))));
        let threads = start_simulated(&cores);
        let listener = Listener::new(at_door.another(), 0);
        cores.listen(listener).expect("it is simulated");
        let mut hand = Hand {
            plan,
            cores,
            at_door,
            clients: Default::default(),
            requests: 0,
            has_stopped: false,
        };
        for _ in 0..STEPS_MAX {
            if steps.is_over() {
                break;
            }
            hand.step(&mut steps);
            hand.check_memory();
        }
        hand.wait_for_the_end();
        hand.stop();
        threads.into_iter().for_each(|thread| thread.join());
        let gauges = hand.cores.gauges();
        assert_eq!((gauges.waiting, gauges.slow_readers), (0, 0));
        assert_eq!((gauges.memory_bytes, gauges.spool_bytes), (0, 0));
        for core in gauges.cores {
            assert_eq!((core.clients, core.connections_used), (0, 0));
        }
        assert_eq!(hand.cores.door.taken(), 0);
    }

    fn step(&mut self, steps: &mut Tape) {
        let step = steps.byte();
        let client = usize::from(step) % CLIENTS;
        match usize::from(step) / CLIENTS % 12 {
            0 => self.connect(client, steps.one_of(&[700, 90, 3_000, 300])),
            1 | 2 => {
                let request = self.request(steps.byte());
                self.clients[client].queue.extend(request);
            }
            3 => {
                let count = usize::from(steps.byte() % 16);
                let bytes = steps.take(count);
                self.clients[client].queue.extend(bytes);
            }
            4 => self.clients[client].send(usize::from(steps.byte())),
            5 | 6 => self.clients[client].send(usize::MAX),
            7 => drop(self.clients[client].read(usize::from(steps.byte()))),
            8 => drop(self.clients[client].read(usize::MAX)),
            9 => self.end_sending(client, steps.byte()),
            10 => self.pass_time(steps.one_of(&[0, 1, 30, 120, 900, 2_500, 5_000, 12_000])),
            _ => match steps.byte() {
                0xff => self.stop(),
                _ => self.pass_time(1),
            },
        }
    }

    fn connect(&mut self, number: usize, room: usize) {
        let client = &mut self.clients[number];
        client.leave();
        // Nobody is at the door any more.
        if self.has_stopped {
            return;
        }
        client.stream = Some(self.at_door.connect(room));
        client.transcript.may_be_cut_off = self.plan.is_scarce();
    }

    fn end_sending(&mut self, number: usize, how: u8) {
        let client = &mut self.clients[number];
        match &client.stream {
            Some(stream) if how.is_multiple_of(2) => {
                stream.finish_sending();
                client.has_finished = true;
                client.transcript.is_over = true;
            }
            _ => client.leave(),
        }
    }

    fn stop(&mut self) {
        if !std::mem::replace(&mut self.has_stopped, true) {
            for client in &mut self.clients {
                client.transcript.may_be_cut_off = true;
            }
            self.cores.stop();
        }
    }

    fn pass_time(&mut self, millis: u64) {
        let time = Duration::from_millis(millis);
        if time >= SHORT_ABSENCE {
            for client in &mut self.clients {
                client.transcript.may_be_cut_off |= client.stream.is_some();
            }
        }
        sleep(time);
    }

    /// A request of this kind, about a row that no other one is about.
    fn request(&mut self, kind: u8) -> Vec<u8> {
        self.requests += 1;
        let id = 100 + 7 * self.requests % 800;
        let get = format!("/plants?select=id,name&id=eq.{id} HTTP/1.1\r\nHost: x\r\n");
        let post = "POST /plants HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
        let body = format!("{{\"id\":{id},\"name\":\"n\"}}");
        match kind % 18 {
            0 | 1 => format!("GET {get}\r\n"),
            // A large row.
            2 => {
                let get = get.replace(&format!("eq.{id}"), &format!("eq.{}", id / 10 * 10));
                format!("GET {get}\r\n")
            }
            3 => "OPTIONS /plants HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
            4 => format!("HEAD {get}\r\n"),
            5 => format!("GET {get}Connection: close\r\n\r\n"),
            6 => format!("{post}Content-Length: {}\r\n\r\n{body}", body.len()),
            7 => {
                let (first, second) = body.split_at(9);
                let second_length = second.len();
                let chunks = format!("9\r\n{first}\r\n{second_length:x}\r\n{second}\r\n0\r\n\r\n");
                format!("{post}Transfer-Encoding: chunked\r\n\r\n{chunks}")
            }
            8 => {
                let length = body.len();
                let more = format!("Expect: 100-continue\r\nContent-Length: {length}");
                format!("{post}{more}\r\n\r\n{body}")
            }
            // Larger than what is taken unseen, and than what is taken at all.
            9 | 10 => {
                let name = "n".repeat(if kind % 18 == 9 { 2_000 } else { 4_000 });
                let body = format!("{{\"id\":{id},\"name\":\"{name}\"}}");
                format!("{post}Content-Length: {}\r\n\r\n{body}", body.len())
            }
            11 => format!("GET /nothing?id=eq.{id} HTTP/1.1\r\nHost: x\r\n\r\n"),
            12 => format!("GET {get}Authorization: Bearer x\r\n\r\n"),
            13 => format!("GET {get}X: {}\r\n\r\n", "x".repeat(700)),
            14 => ["DELETE ", &get, "\r\n"].concat(),
            15 => {
                let length = body.len();
                let prefer = "Prefer: return=representation";
                format!("{post}{prefer}\r\nContent-Length: {length}\r\n\r\n{body}")
            }
            16 => format!("GET {}\r\n", get.replace("HTTP/1.1", "HTTP/1.0")),
            _ => format!("GET {get}Accept: text/csv\r\n\r\n"),
        }
        .into_bytes()
    }

    /// All say what they still have to say and read what there is, until the server has ended
    /// each of them.
    fn wait_for_the_end(&mut self) {
        let began = Instant::now();
        loop {
            let mut has_moved = false;
            for client in &mut self.clients {
                client.send(usize::MAX);
                has_moved |= client.read(usize::MAX);
                if client.stream.is_none() {
                    client.end();
                }
            }
            self.check_memory();
            if self.clients.iter().all(|client| client.stream.is_none()) {
                return;
            }
            // With the beginnings of time, what the server says comes before its patience ends.
            let pause = if has_moved { 1 } else { 400 };
            sleep(Duration::from_millis(pause));
            assert!(began.elapsed() < END, "somebody is never closed");
        }
    }

    fn check_memory(&self) {
        let gauges = self.cores.gauges();
        let most = CLIENTS * HELD_BY_EACH_MAX;
        assert!(
            gauges.memory_bytes <= most,
            "{} bytes are held",
            gauges.memory_bytes
        );
    }
}

#[cfg(test)]
mod tests {
    use super::follow_script;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// What the fuzzer has found to be worth keeping.
    const CORPUS: &str = include_str!("../../../../tests/fuzz/corpora/core");

    /// Scripts that are made of those, with bytes changed.
    const CHANGED: u64 = 3_000;

    fn follow_and_show(script: &[u8]) {
        let followed = catch_unwind(AssertUnwindSafe(|| follow_script(script)));
        assert!(
            followed.is_ok(),
            "the script was b\"{}\"",
            script.escape_ascii()
        );
    }

    #[test]
    fn any_script_ends_with_an_answer_to_each_request() {
        let kept = CORPUS.lines().map(|line| STANDARD_NO_PAD.decode(line));
        let kept: Vec<Vec<u8>> = kept.map(|line| line.expect("it is base64")).collect();
        assert!(!kept.is_empty());
        kept.iter().for_each(|script| follow_and_show(script));
        let mut state = 1_u64;
        let mut below = |end: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005) + 1;
            (state >> 33) as usize % end
        };
        for _ in 0..CHANGED {
            let mut script = kept[below(kept.len())].clone();
            let other = &kept[below(kept.len())];
            let at = below(script.len() + 1);
            script.extend_from_slice(&other[below(other.len() + 1)..]);
            script.insert(at, below(256) as u8);
            let changed = below(script.len());
            script[changed] = below(256) as u8;
            follow_and_show(&script);
        }
    }
}
