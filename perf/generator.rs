//! The load generator: keep-alive, one request in flight per connection, closed loop or open.
//!
//! ```text
//! closed: connect → send → wait for the whole response → check, count → send …
//! open:   connect → rest ⇄ send when one is due → wait for the whole response → check, count
//! ```
//! Each thread owns its connections and one epoll. A second class of slow clients can run on
//! the same threads: they wait, they do not work, so they do not disturb the clients that are
//! measured. A closed loop hides queueing behind a stalled server (coordinated omission); read
//! p99 together with the requests per second, and compare at equal numbers of connections.
//! In an open loop, requests are due at even distances, and each latency counts from that moment,
//! so that neither a busy server nor a late generator makes it look shorter.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::fd::OwnedFd;

use crate::histogram::Histogram;
use crate::processes::{Memory, Work};
use crate::request::{Pieces, Request};
use crate::response::{self, Response};
use crate::system_calls::Counter;
use crate::target::{Stream, Target};

/// Looking into every body would cost more than the rest of the client; one in this many.
const BODIES_CHECKED_ONE_IN: u64 = 64;
/// As many events as one call can report; more wait for the next call.
const EVENTS_MAX: usize = 256;
/// The time that was measured, as a part of that between the looks at its ends. Beyond, the work
/// that was seen says nothing about the time that was measured, and is not reported.
const LATENESS: RangeInclusive<f64> = 0.7..=1.4;
/// How much is read at once: most of a large answer, and little enough for a stack.
const READ_BYTES: usize = 64 << 10;
/// A server that answers an idle client's only request later than this is not idle.
const IDLE_ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);

/// What to send, for how long, and whom to watch meanwhile.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server.
    pub target: Target,
    /// How many clients are measured.
    pub connections: usize,
    /// When they ask.
    pub pace: Pace,
    /// What they ask; its number is a random one.
    pub request: Request,
    /// The highest random number; the lowest is 1.
    pub id_max: u32,
    /// The status of a good response.
    pub status: u16,
    /// What the body must contain; `{id}` becomes the number that was asked for.
    pub body_contains: String,
    /// How many clients of the slow class run beside them.
    pub slow_connections: usize,
    /// What the slow class asks.
    pub slow_request: Request,
    /// How many connections are opened first, used once, and left alone.
    pub idle_connections: usize,
    /// Threads of the generator.
    pub threads: usize,
    /// Time before counting begins.
    pub warm_up: Duration,
    /// Time of counting.
    pub measured: Duration,
    /// The server's process.
    pub server_pid: Option<u32>,
    /// PostgreSQL's postmaster.
    pub postgres_pid: Option<u32>,
    /// Whether the server's system calls are counted, which slows it down.
    pub system_calls: SystemCalls,
}

/// When the clients that are measured ask. Slow ones always ask as soon as they are answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// As soon as they are answered.
    Closed,
    /// At so many moments per second, of all clients together.
    Open {
        /// The requests per second.
        rate: f64,
    },
}

/// Whether system calls are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SystemCalls {
    /// They are not.
    #[default]
    Ignored,
    /// They are, where that is possible.
    Counted,
}

/// What clients of one class have seen.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// The latencies of the good responses.
    pub latencies: Histogram,
    /// Responses with another status or body than the expected one.
    pub wrong: u64,
    /// Connections that the server has closed; each is opened again.
    pub disconnects: u64,
}

impl Tally {
    fn merge(&mut self, other: &Self) {
        self.latencies.merge(&other.latencies);
        self.wrong += other.wrong;
        self.disconnects += other.disconnects;
    }
}

/// What a run has found.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The clients that are measured.
    pub fast: Tally,
    /// The slow clients.
    pub slow: Tally,
    /// Time of counting.
    pub elapsed: Duration,
    /// Idle connections that the server had closed by the end.
    pub idle_closed: usize,
    /// The server's work while counting.
    pub server: Option<Work>,
    /// The server's memory at the end.
    pub server_memory: Option<Memory>,
    /// The system calls of the server while counting.
    pub server_system_calls: Option<u64>,
    /// PostgreSQL's work while counting.
    pub postgres: Option<Work>,
    /// The generator's own work.
    pub generator: Option<Work>,
}

/// Runs the load and measures.
pub fn run(options: &Options) -> io::Result<Outcome> {
    let idle = open_idle(options)?;
    let begin = Instant::now() + options.warm_up;
    let window = Window {
        begin,
        end: begin + options.measured,
    };
    let counter = attach_counter(options);
    let shared = Arc::new(options.clone());
    let threads: Vec<_> = (0..options.threads)
        .map(|index| {
            let options = Arc::clone(&shared);
            thread::spawn(move || Driver::new(&options, window, index)?.run())
        })
        .collect();

    sleep_until(window.begin);
    let counter = counter.and_then(|mut counter| counter.enable().ok().map(|()| counter));
    let before = Watched::look(options)?;
    sleep_until(window.end);
    let after = Watched::look(options)?;
    let system_calls = counter.and_then(|counter| counter.finish().ok());

    let mut outcome = Outcome {
        elapsed: options.measured,
        server_system_calls: system_calls,
        ..Outcome::default()
    };
    for thread in threads {
        let [fast, slow] = thread
            .join()
            .map_err(|_| io::Error::other("a thread panicked"))??;
        outcome.fast.merge(&fast);
        outcome.slow.merge(&slow);
    }
    if let Some(watched) = after.since(&before, options.measured) {
        outcome.server = watched.server;
        outcome.postgres = watched.postgres;
        outcome.generator = Some(watched.generator);
    }
    outcome.server_memory = options.server_pid.map(Memory::of_process).transpose()?;
    outcome.idle_closed = count_closed(idle)?;
    Ok(outcome)
}

/// What cannot be counted here is not counted, and missing in the outcome.
fn attach_counter(options: &Options) -> Option<Counter> {
    let pid = match options.system_calls {
        SystemCalls::Ignored => None,
        SystemCalls::Counted => options.server_pid,
    };
    Counter::attach(pid?).ok()
}

/// Responses count if they arrive within this time.
#[derive(Clone, Copy)]
struct Window {
    begin: Instant,
    end: Instant,
}

/// The work of all that are watched, at a moment.
struct Watched {
    at: Instant,
    server: Option<Work>,
    postgres: Option<Work>,
    generator: Work,
}

impl Watched {
    fn look(options: &Options) -> io::Result<Self> {
        Ok(Self {
            at: Instant::now(),
            server: options.server_pid.map(Work::of_process).transpose()?,
            postgres: options.postgres_pid.map(Work::of_tree).transpose()?,
            generator: Work::of_process(std::process::id())?,
        })
    }

    /// The work of the time that was measured. Looks come late on a busy machine; what they have
    /// seen in a little more or less than that time is turned into what they would have seen.
    fn since(&self, before: &Self, measured: Duration) -> Option<Self> {
        let looked = self.at - before.at;
        let factor = measured.as_secs_f64() / looked.as_secs_f64();
        let work = |now: Work, then: Work| now.since(then).scaled(factor);
        let of = |(now, then): (Work, Work)| work(now, then);
        LATENESS.contains(&factor).then(|| Self {
            at: self.at,
            server: self.server.zip(before.server).map(of),
            postgres: self.postgres.zip(before.postgres).map(of),
            generator: work(self.generator, before.generator),
        })
    }
}

fn sleep_until(instant: Instant) {
    thread::sleep(instant.saturating_duration_since(Instant::now()));
}

/// One request each, so that the server has done for them all that it does for a client.
fn open_idle(options: &Options) -> io::Result<Vec<Stream>> {
    raise_file_limit()?;
    let request = options.request.with_id(1);
    (0..options.idle_connections)
        .map(|_| {
            let mut stream = options.target.connect()?;
            stream.set_read_timeout(IDLE_ANSWER_WAIT_MAX)?;
            response::fetch_on(&mut stream, &request)?;
            Ok(stream)
        })
        .collect()
}

/// As many connections as the system allows, for this process and for those it starts.
pub fn raise_file_limit() -> io::Result<()> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    Ok(rustix::process::setrlimit(
        rustix::process::Resource::Nofile,
        raised,
    )?)
}

/// On an open connection there is nothing to read; a closed one answers at once.
fn count_closed(idle: Vec<Stream>) -> io::Result<usize> {
    let mut closed = 0;
    for mut stream in idle {
        stream.set_nonblocking()?;
        let answer = stream.read(&mut [0; 1]);
        closed += usize::from(!would_block(&answer));
    }
    Ok(closed)
}

fn would_block<T>(result: &io::Result<T>) -> bool {
    result
        .as_ref()
        .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Fast,
    Slow,
}

struct Client {
    class: Class,
    stream: Stream,
    id: u32,
    /// When the request was sent, or was due.
    since: Instant,
    /// The request, and how much of it the socket has taken.
    request: Vec<u8>,
    sent_bytes: usize,
    received: Vec<u8>,
}

impl Client {
    /// Writes what the socket takes, and says whether that was all that was left.
    fn write(&mut self) -> io::Result<bool> {
        while self.sent_bytes < self.request.len() {
            let written = self.stream.write(&self.request[self.sent_bytes..]);
            if would_block(&written) {
                return Ok(false);
            }
            self.sent_bytes += written?;
        }
        Ok(true)
    }
}

/// One thread of the generator.
struct Driver<'a> {
    options: &'a Options,
    request: Pieces,
    slow_request: Pieces,
    window: Window,
    epoll: OwnedFd,
    clients: Vec<Client>,
    /// In an open loop.
    schedule: Option<Schedule>,
    random: Random,
    fast: Tally,
    slow: Tally,
    responses: u64,
}

impl<'a> Driver<'a> {
    fn new(options: &'a Options, window: Window, index: usize) -> io::Result<Self> {
        let mut driver = Self {
            options,
            request: Pieces::of(&options.request),
            slow_request: Pieces::of(&options.slow_request),
            window,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            clients: Vec::new(),
            schedule: Schedule::new(options, index),
            random: Random(0x9E37_79B9_7F4A_7C15 ^ (index as u64 + 1)),
            fast: Tally::default(),
            slow: Tally::default(),
            responses: 0,
        };
        let fast = share(options.connections, options.threads, index);
        let slow = share(options.slow_connections, options.threads, index);
        for position in 0..fast + slow {
            let class = if position < fast {
                Class::Fast
            } else {
                Class::Slow
            };
            let stream = driver.connect(position)?;
            let client = Client {
                class,
                stream,
                id: 0,
                since: Instant::now(),
                request: Vec::new(),
                sent_bytes: 0,
                received: Vec::new(),
            };
            driver.clients.push(client);
            driver.go_on(position)?;
        }
        Ok(driver)
    }

    fn run(mut self) -> io::Result<[Tally; 2]> {
        let mut events = Vec::with_capacity(EVENTS_MAX);
        loop {
            self.send_due()?;
            let now = Instant::now();
            if now >= self.window.end {
                return Ok([self.fast, self.slow]);
            }
            let next = self.schedule.as_ref().and_then(Schedule::next);
            let until = next.map_or(self.window.end, |next| next.min(self.window.end));
            let left = until.saturating_duration_since(now);
            let mut timeout = Timespec::try_from(left).map_err(io::Error::other)?;
            if next.is_some() {
                // To the microsecond: `epoll_wait` counts milliseconds, so what is due would be
                // sent half of one late, and be counted as that much slower.
                let mut epoll = [PollFd::new(&self.epoll, PollFlags::IN)];
                match poll(&mut epoll, Some(&timeout)) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
                timeout = Timespec::default();
            }
            let buffer = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&self.epoll, buffer, Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in events.drain(..) {
                let (position, flags) = (event.data.u64() as usize, event.flags);
                if flags.contains(epoll::EventFlags::OUT) {
                    self.on_writable(position)?;
                }
                if flags != epoll::EventFlags::OUT {
                    self.on_readable(position)?;
                }
            }
        }
    }

    fn connect(&self, position: usize) -> io::Result<Stream> {
        let stream = self.options.target.connect()?;
        stream.set_nonblocking()?;
        let data = epoll::EventData::new_u64(position as u64);
        epoll::add(&self.epoll, &stream, data, epoll::EventFlags::IN)?;
        Ok(stream)
    }

    /// What a client does that waits for nothing: it rests if there is a schedule for it.
    fn go_on(&mut self, position: usize) -> io::Result<()> {
        let is_fast = self.clients[position].class == Class::Fast;
        match self.schedule.as_mut().filter(|_| is_fast) {
            Some(schedule) => schedule.resting.push_back(position),
            None => self.send(position, Instant::now())?,
        }
        Ok(())
    }

    fn send_due(&mut self) -> io::Result<()> {
        while let Some((position, due)) = self.schedule.as_mut().and_then(Schedule::take_due) {
            self.send(position, due)
                .or_else(|_| self.on_disconnect(position))?;
        }
        Ok(())
    }

    fn send(&mut self, position: usize, since: Instant) -> io::Result<()> {
        let client = &mut self.clients[position];
        client.id = self.random.next_up_to(self.options.id_max);
        let pieces = match client.class {
            Class::Fast => &self.request,
            Class::Slow => &self.slow_request,
        };
        client.request.clear();
        client.sent_bytes = 0;
        pieces.write(client.id, &mut client.request);
        client.since = since;
        if !client.write()? {
            self.watch(position, epoll::EventFlags::IN | epoll::EventFlags::OUT)?;
        }
        Ok(())
    }

    /// Only large requests come here: a small one fits into an empty socket's buffer.
    fn on_writable(&mut self, position: usize) -> io::Result<()> {
        match self.clients[position].write() {
            Ok(true) => self.watch(position, epoll::EventFlags::IN),
            Ok(false) => Ok(()),
            Err(_) => self.on_disconnect(position),
        }
    }

    fn watch(&self, position: usize, flags: epoll::EventFlags) -> io::Result<()> {
        let data = epoll::EventData::new_u64(position as u64);
        let stream = &self.clients[position].stream;
        Ok(epoll::modify(&self.epoll, stream, data, flags)?)
    }

    fn on_readable(&mut self, position: usize) -> io::Result<()> {
        let client = &mut self.clients[position];
        let mut piece = [0; READ_BYTES];
        let count = match client.stream.read(&mut piece) {
            Ok(0) => return self.on_disconnect(position),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(_) => return self.on_disconnect(position),
        };
        client.received.extend_from_slice(&piece[..count]);
        let received = std::mem::take(&mut client.received);
        let decoded = response::decode(&received)
            .map_err(|error| io::Error::other(format!("not a response: {error:?}")))?;
        let Some(response) = decoded else {
            self.clients[position].received = received;
            return Ok(());
        };
        self.count(position, response);
        let mut empty = received;
        empty.clear();
        self.clients[position].received = empty;
        self.go_on(position)
            .or_else(|_| self.on_disconnect(position))
    }

    fn count(&mut self, position: usize, response: Response<'_>) {
        let now = Instant::now();
        let client = &self.clients[position];
        self.responses += 1;
        if now < self.window.begin || now > self.window.end {
            return;
        }
        let looks_right = client.class == Class::Slow
            || !self.responses.is_multiple_of(BODIES_CHECKED_ONE_IN)
            || contains(response.body, &self.options.body_contains, client.id);
        let (tally, expected_status) = match client.class {
            Class::Fast => (&mut self.fast, self.options.status),
            Class::Slow => (&mut self.slow, 200),
        };
        if response.status == expected_status && looks_right {
            tally
                .latencies
                .record(now.saturating_duration_since(client.since));
        } else {
            tally.wrong += 1;
        }
    }

    /// Closing the old socket takes it out of the epoll.
    fn on_disconnect(&mut self, position: usize) -> io::Result<()> {
        match self.clients[position].class {
            Class::Fast => self.fast.disconnects += 1,
            Class::Slow => self.slow.disconnects += 1,
        }
        let stream = self.connect(position)?;
        self.clients[position].stream = stream;
        self.clients[position].received.clear();
        match &self.schedule {
            // It had no request that could be lost.
            Some(schedule) if schedule.resting.contains(&position) => Ok(()),
            Some(_) => self.send(position, self.clients[position].since),
            None => self.send(position, Instant::now()),
        }
    }
}

/// The moments at which the requests of a thread are due in an open loop.
#[derive(Debug)]
struct Schedule {
    due: Instant,
    interval: Duration,
    /// The clients that wait for nothing; the one that has rested longest comes first.
    resting: VecDeque<usize>,
}

impl Schedule {
    /// The threads take turns.
    fn new(options: &Options, index: usize) -> Option<Self> {
        let Pace::Open { rate } = options.pace else {
            return None;
        };
        let step = Duration::from_secs_f64(1.0 / rate.max(1.0));
        let threads = u32::try_from(options.threads).unwrap_or(u32::MAX);
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        Some(Self {
            due: Instant::now() + step * index,
            interval: step * threads,
            resting: VecDeque::new(),
        })
    }

    /// When there is something to do; without a client that rests, a response comes first.
    fn next(&self) -> Option<Instant> {
        (!self.resting.is_empty()).then_some(self.due)
    }

    /// A client, and the moment at which its request was due. Requests that find no client stay
    /// due.
    fn take_due(&mut self) -> Option<(usize, Instant)> {
        if self.due > Instant::now() {
            return None;
        }
        let position = self.resting.pop_front()?;
        let due = self.due;
        self.due += self.interval;
        Some((position, due))
    }
}

/// How many of `total` the thread `index` of `threads` takes.
fn share(total: usize, threads: usize, index: usize) -> usize {
    total / threads + usize::from(index < total % threads)
}

fn contains(body: &[u8], template: &str, id: u32) -> bool {
    let expected = template.replace("{id}", &id.to_string());
    expected.is_empty()
        || body
            .windows(expected.len())
            .any(|part| part == expected.as_bytes())
}

/// The xorshift generator of Marsaglia: enough to spread requests over a table.
struct Random(u64);

impl Random {
    fn next_up_to(&mut self, max: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as u32 % max.max(1) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Shutdown, TcpListener, TcpStream};

    fn options(target: Target) -> Options {
        Options {
            target,
            connections: 3,
            pace: Pace::Closed,
            request: Request::get("/items?id=eq.{id}"),
            id_max: 9,
            status: 200,
            body_contains: "\"id\":{id}".into(),
            slow_connections: 1,
            slow_request: Request::get("/items?id=eq.0"),
            idle_connections: 2,
            threads: 2,
            warm_up: Duration::ZERO,
            measured: Duration::from_millis(100),
            server_pid: Some(std::process::id()),
            postgres_pid: None,
            system_calls: SystemCalls::Ignored,
        }
    }

    /// A server that answers each request with the number that it ends with.
    fn serve(answer: fn(&str) -> String) -> io::Result<Target> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let target = Target::Tcp(listener.local_addr()?);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || answer_all(stream, answer));
            }
        });
        Ok(target)
    }

    fn answer_all(mut stream: TcpStream, answer: fn(&str) -> String) -> io::Result<()> {
        let mut buffer = [0; 1024];
        loop {
            let count = stream.read(&mut buffer)?;
            let text = String::from_utf8_lossy(&buffer[..count]);
            let Some((_, id)) = text.lines().next().and_then(|line| line.split_once("eq.")) else {
                return stream.shutdown(Shutdown::Both);
            };
            let body = answer(id.trim_end_matches(" HTTP/1.1"));
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all((head + &body).as_bytes())?;
        }
    }

    #[test]
    fn good_answers_are_counted_by_class() {
        let target = serve(|id| format!("[{{\"id\":{id}}}]")).expect("local socket");
        let outcome = run(&options(target)).expect("runs");
        assert!(outcome.fast.latencies.total() > 0 && outcome.slow.latencies.total() > 0);
        assert_eq!((outcome.fast.wrong, outcome.fast.disconnects), (0, 0));
        assert_eq!(outcome.idle_closed, 0);
    }

    #[test]
    fn an_open_loop_asks_no_more_often_than_its_rate() {
        let target = serve(|id| format!("[{{\"id\":{id}}}]")).expect("local socket");
        let outcome = run(&Options {
            pace: Pace::Open { rate: 200.0 },
            measured: Duration::from_secs(1),
            ..options(target)
        })
        .expect("runs");
        let count = outcome.fast.latencies.total();
        // A closed loop would be answered some 10,000 times.
        assert!((1..=201).contains(&count), "{count}");
        assert_eq!((outcome.fast.wrong, outcome.fast.disconnects), (0, 0));
    }

    #[test]
    fn what_finds_no_client_stays_due() {
        let open = Options {
            pace: Pace::Open { rate: 1e6 },
            ..options(Target::local(1))
        };
        let mut schedule = Schedule::new(&open, 0).expect("it is open");
        let begin = schedule.due;
        assert_eq!(schedule.take_due(), None);
        schedule.resting.extend([7, 8]);
        assert_eq!(schedule.take_due(), Some((7, begin)));
        assert_eq!(schedule.next(), Some(begin + schedule.interval));
        assert!(Schedule::new(&options(Target::local(1)), 0).is_none());
    }

    /// A server that answers whatever comes, once it has read so many bytes.
    fn serve_after(bytes: usize) -> io::Result<Target> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let target = Target::Tcp(listener.local_addr()?);
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                thread::spawn(move || -> io::Result<()> {
                    let mut request = vec![0; bytes];
                    loop {
                        stream.read_exact(&mut request)?;
                        assert_eq!(request.last(), Some(&b'!'));
                        stream.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")?;
                    }
                });
            }
        });
        Ok(target)
    }

    #[test]
    fn a_request_that_fills_the_socket_is_sent_whole() {
        let request = Request {
            method: "POST".to_owned(),
            body: "x".repeat(8 << 20) + "!",
            ..Request::get("/entries")
        };
        let mut text = Vec::new();
        Pieces::of(&request).write(1, &mut text);
        let target = serve_after(text.len()).expect("local socket");
        let outcome = run(&Options {
            request,
            status: 201,
            body_contains: String::new(),
            slow_connections: 0,
            idle_connections: 0,
            // As long as it takes to send some of them on a busy machine.
            measured: Duration::from_secs(1),
            ..options(target)
        })
        .expect("runs");
        assert!(outcome.fast.latencies.total() > 0);
        assert_eq!((outcome.fast.wrong, outcome.fast.disconnects), (0, 0));
    }

    #[test]
    fn looks_that_come_far_too_late_are_not_reported() {
        let look = |at| Watched {
            at,
            server: None,
            postgres: None,
            generator: Work::default(),
        };
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let late = |by: f64| look(start + second.mul_f64(by)).since(&look(start), second);
        assert!(late(0.9).is_some() && late(1.2).is_some());
        assert!(late(0.001).is_none() && late(2.0).is_none());
    }

    #[test]
    fn a_wrong_body_is_noticed() {
        let target = serve(|_| "[]".into()).expect("local socket");
        let outcome = run(&options(target)).expect("runs");
        assert!(outcome.fast.wrong > 0);
    }

    #[test]
    fn connections_are_shared_out_completely() {
        for total in 0..10 {
            assert_eq!(
                (0..3).map(|index| share(total, 3, index)).sum::<usize>(),
                total
            );
        }
    }
}
