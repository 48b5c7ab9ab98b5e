//! Events: what hearing clients cost those who ask, how late they hear, and how much memory they
//! take.
//!
//! All hear one channel. A payload is the time at which it was sent, so whoever hears it knows how
//! long it was on its way.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use super::{Column, Setup, run_sql};
use crate::contestant::{Running, Variant};
use crate::histogram::Histogram;
use crate::processes::Memory;
use crate::report::Numbers;
use crate::scenario::POINT;
use crate::target::Target;

/// Beside the lookups so many hear …
const HEARING: usize = 1_000;
/// … so many events a second.
const RATE: u64 = 100;
/// How many hear when memory is measured.
const MANY: usize = 10_000;

const ALONE: &str = "alone";
const BESIDE: &str = "beside 1000 who hear 100 a second";
const CROWD: &str = "10000 who hear one event each second";

const PREPARE: &str = "
  drop function if exists bench.hear();
  drop domain if exists bench.\"text/event-stream\";
  create domain bench.\"text/event-stream\" as text;
  create function bench.hear() returns bench.\"text/event-stream\"
    language sql stable as $$ select 'bench' $$;";
const CLEAN_UP: &str = "drop function bench.hear(); drop domain bench.\"text/event-stream\";";

const REQUEST: &[u8] = b"GET /rpc/hear HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n";

pub(super) fn run(setup: &Setup) -> io::Result<Vec<Column>> {
    run_sql(PREPARE)?;
    let columns = setup.rounds(&[ALONE, BESIDE, CROWD], |name| {
        let running = setup.server_with(&Variant {
            settings: vec![("PGRST_SERVER_EVENTS_ENABLED", "true".to_owned())],
            ..Variant::default()
        })?;
        match name {
            ALONE => setup.load(&running, &POINT, |options| options),
            BESIDE => beside(setup, &running),
            _ => crowd(setup, &running),
        }
    });
    run_sql(CLEAN_UP)?;
    columns
}

fn beside(setup: &Setup, running: &Running) -> io::Result<Numbers> {
    let crowd = Crowd::gather(&running.target, HEARING)?;
    let teller = Teller::start(setup, Duration::from_micros(1_000_000 / RATE))?;
    let mut numbers = setup.load(running, &POINT, |options| options)?;
    teller.stop();
    let heard = crowd.leave()?;
    numbers.extend(heard.numbers());
    Ok(numbers)
}

fn crowd(setup: &Setup, running: &Running) -> io::Result<Numbers> {
    let resident = || Memory::of_process(running.pid()).map(|memory| memory.resident_kib);
    let before = resident()?;
    let crowd = Crowd::gather(&running.target, MANY)?;
    let gathered = resident()?;
    let teller = Teller::start(setup, Duration::from_secs(1))?;
    thread::sleep(setup.duty().measured);
    teller.stop();
    let after = resident()?;
    let heard = crowd.leave()?;
    let mib = |kib: u64| kib.saturating_sub(before) as f64 / 1024.0;
    let mut numbers = vec![
        ("streams_mib", mib(gathered)),
        ("streams_mib_after", mib(after)),
    ];
    numbers.extend(heard.numbers());
    Ok(numbers)
}

/// Clients that hear, and a thread that reads for all of them.
struct Crowd {
    count: usize,
    is_over: Arc<AtomicBool>,
    reader: thread::JoinHandle<io::Result<Heard>>,
}

/// What they have heard.
struct Heard {
    latencies: Histogram,
    /// How many streams have ended by themselves.
    ended: u64,
    clients: usize,
}

impl Heard {
    fn numbers(&self) -> Numbers {
        let micros = |duration: Duration| duration.as_secs_f64() * 1e6;
        let latencies = &self.latencies;
        vec![
            ("events", latencies.total() as f64),
            (
                "events_each",
                latencies.total() as f64 / self.clients as f64,
            ),
            ("event_p50_us", micros(latencies.percentile(0.5))),
            ("event_p99_us", micros(latencies.percentile(0.99))),
            ("event_max_us", micros(latencies.max())),
            ("streams_ended", self.ended as f64),
        ]
    }
}

/// The moment from which times in payloads count.
fn since_start() -> Duration {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

impl Crowd {
    /// Returns when all hear.
    fn gather(target: &Target, count: usize) -> io::Result<Crowd> {
        let Target::Tcp(address) = target else {
            return Err(io::Error::other("clients that hear come over TCP"));
        };
        let poll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut streams = Vec::with_capacity(count);
        for number in 0..count {
            let mut stream = TcpStream::connect(address)?;
            stream.write_all(REQUEST)?;
            let mut head = [0; 4096];
            let length = stream.read(&mut head)?;
            if !head[..length].starts_with(b"HTTP/1.1 200") {
                let told = String::from_utf8_lossy(&head[..length]).into_owned();
                return Err(io::Error::other(told));
            }
            stream.set_nonblocking(true)?;
            let data = EventData::new_u64(number as u64);
            epoll::add(&poll, &stream, data, EventFlags::IN)?;
            streams.push(stream);
        }
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let reader = thread::spawn(move || read(&poll, streams, &over));
        Ok(Crowd {
            count,
            is_over,
            reader,
        })
    }

    fn leave(self) -> io::Result<Heard> {
        // The last event is on its way.
        thread::sleep(Duration::from_millis(500));
        self.is_over.store(true, Ordering::Relaxed);
        let heard = self.reader.join();
        let mut heard = heard.map_err(|_| io::Error::other("the reader has panicked"))??;
        heard.clients = self.count;
        Ok(heard)
    }
}

fn read(
    poll: &impl std::os::fd::AsFd,
    mut streams: Vec<TcpStream>,
    is_over: &AtomicBool,
) -> io::Result<Heard> {
    let mut heard = Heard {
        latencies: Histogram::default(),
        ended: 0,
        clients: 0,
    };
    let nothing = epoll::Event {
        flags: EventFlags::empty(),
        data: EventData::new_u64(0),
    };
    let mut events = [nothing; 256];
    let mut bytes = [0; 16 << 10];
    let patience = Timespec {
        tv_sec: 0,
        tv_nsec: 50_000_000,
    };
    while !is_over.load(Ordering::Relaxed) {
        let count = epoll::wait(poll, &mut events, Some(&patience))?;
        for event in &events[..count] {
            let data = event.data;
            let stream = &mut streams[data.u64() as usize];
            match stream.read(&mut bytes) {
                Ok(0) => {
                    heard.ended += 1;
                    epoll::delete(poll, stream)?;
                }
                // An event is small and comes in one piece, or the next one has none.
                Ok(length) => note(&bytes[..length], &mut heard.latencies),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(heard)
}

fn note(bytes: &[u8], latencies: &mut Histogram) {
    let now = since_start();
    let text = String::from_utf8_lossy(bytes);
    for line in text.lines() {
        let sent = line.strip_prefix("data: ");
        if let Some(nanoseconds) = sent.and_then(|sent| sent.parse().ok()) {
            latencies.record(now.saturating_sub(Duration::from_nanos(nanoseconds)));
        }
    }
}

/// A thread that notifies at a steady rate.
struct Teller {
    is_over: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Teller {
    fn start(setup: &Setup, pause: Duration) -> io::Result<Teller> {
        let database = &setup.database;
        let mut client = Client::connect(
            &format!(
                "host={} port={} dbname={} user=authenticator",
                database.host, database.port, database.name
            ),
            NoTls,
        )
        .map_err(io::Error::other)?;
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        since_start();
        let thread = thread::spawn(move || {
            let began = Instant::now();
            let mut told = 0;
            while !over.load(Ordering::Relaxed) {
                let sent = since_start().as_nanos().to_string();
                if client
                    .execute("SELECT pg_notify('bench', $1)", &[&sent])
                    .is_err()
                {
                    break;
                }
                told += 1;
                thread::sleep((pause * told).saturating_sub(began.elapsed()));
            }
        });
        Ok(Teller { is_over, thread })
    }

    fn stop(self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = self.thread.join();
    }
}
