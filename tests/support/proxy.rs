//! A proxy before PostgreSQL that cuts the wire where it is told to.
//!
//! It reads PostgreSQL's messages only as far as it must to know when a flight of replies begins:
//! the bytes of the start-up are never cut, so that "byte n" means byte n of an answer.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A proxy, for as long as the process lives.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// Its port on 127.0.0.1.
    pub port: u16,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    replies: Cut,
    requests: Cut,
    frozen: AtomicBool,
    /// The same, but what belongs to a start-up passes.
    frozen_after_startup: AtomicBool,
    /// Where replies are cut, nobody hears of it, and everything is frozen.
    cuts_silently: AtomicBool,
    /// How many connections are silent for ever.
    silent: AtomicU64,
    cuts: AtomicU64,
    /// How long the way of each reply is, in milliseconds.
    way: AtomicU64,
}

/// When one direction of the wire is cut.
#[derive(Debug, Default)]
struct Cut {
    /// How many bytes pass before the wire is cut, if it is to be cut.
    allowed: AtomicU64,
    armed: AtomicBool,
    /// How many bytes have passed since the last arming.
    passed: AtomicU64,
}

impl Proxy {
    /// Starts one for the cluster whose socket this is.
    ///
    /// # Panics
    /// If there is no port.
    pub fn start(socket: PathBuf) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
        let port = listener.local_addr().expect("it is bound").port();
        let state = Arc::new(State::default());
        let proxy = Proxy {
            port,
            state: Arc::clone(&state),
        };
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                connect(client, &socket, &state);
            }
        });
        proxy
    }

    /// From now on, so many bytes of replies pass; then the connection that carries the next one
    /// is cut, once.
    pub fn cut_after(&self, bytes: u64) {
        self.state.replies.arm(bytes);
    }

    /// The same, but the network behind the proxy is gone from then on: nothing ends, and nobody
    /// answers anybody, until [`thaw`](Proxy::thaw).
    pub fn fall_silent_after(&self, bytes: u64) {
        self.state.cuts_silently.store(true, Ordering::SeqCst);
        self.cut_after(bytes);
    }

    /// The same for requests. Those of a start-up count, so there should be a connection already.
    pub fn cut_requests_after(&self, bytes: u64) {
        self.state.requests.arm(bytes);
    }

    /// Nothing is cut any more. Whether something had been, since it was armed.
    pub fn disarm(&self) -> bool {
        let replies = self.state.replies.disarm();
        let requests = self.state.requests.disarm();
        !(replies || requests)
    }

    /// From now on, no reply passes on any connection that is open, and none of them ends: as if a
    /// firewall had forgotten them. Those that are made after [`thaw`](Proxy::thaw) are well.
    pub fn freeze(&self) {
        self.state.frozen.store(true, Ordering::SeqCst);
    }

    /// The same, but sessions can be opened: it is the first reply after that which does not pass.
    pub fn freeze_after_startup(&self) {
        self.state
            .frozen_after_startup
            .store(true, Ordering::SeqCst);
    }

    /// What was frozen stays so.
    pub fn thaw(&self) {
        self.state.cuts_silently.store(false, Ordering::SeqCst);
        self.state.frozen.store(false, Ordering::SeqCst);
        self.state
            .frozen_after_startup
            .store(false, Ordering::SeqCst);
    }

    /// From now on, replies are so many milliseconds on their way; what comes meanwhile goes along.
    pub fn delay_replies(&self, milliseconds: u64) {
        self.state.way.store(milliseconds, Ordering::SeqCst);
    }

    /// How many connections have something to say and are silent for ever.
    pub fn silent(&self) -> u64 {
        self.state.silent.load(Ordering::SeqCst)
    }

    /// How many times the wire has been cut.
    pub fn cuts(&self) -> u64 {
        self.state.cuts.load(Ordering::SeqCst)
    }
}

fn connect(client: TcpStream, socket: &Path, state: &Arc<State>) {
    let Ok(server) = UnixStream::connect(socket) else {
        return;
    };
    let _ = client.set_nodelay(true);
    let (Ok(mut to_server), Ok(mut from_client)) = (server.try_clone(), client.try_clone()) else {
        return;
    };
    let of_requests = Arc::clone(state);
    std::thread::spawn(move || {
        let all = pass_requests(&mut from_client, &mut to_server, &of_requests);
        let _ = to_server.shutdown(Shutdown::Both);
        if all.is_none() {
            let _ = from_client.shutdown(Shutdown::Both);
        }
    });
    let state = Arc::clone(state);
    std::thread::spawn(move || {
        pass_replies(server, &client, &state);
        let _ = client.shutdown(Shutdown::Both);
    });
}

/// Passes them until the client ends, or until the wire is cut, which is `None`.
fn pass_requests(client: &mut TcpStream, server: &mut UnixStream, state: &State) -> Option<()> {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = client.read(&mut bytes) {
        let passing = state.admit(&state.requests, count);
        let written = server.write_all(&bytes[..passing]);
        if passing < count {
            return None;
        }
        written.ok()?;
    }
    Some(())
}

fn pass_replies(mut server: UnixStream, mut client: &TcpStream, state: &State) {
    let mut started = Startup::default();
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = server.read(&mut bytes) {
        if state.frozen.load(Ordering::SeqCst) {
            return say_nothing(&mut server, state);
        }
        let way = Duration::from_millis(state.way.load(Ordering::SeqCst));
        let count = match way.is_zero() {
            true => count,
            false => count + what_comes_within(way, &mut server, &mut bytes[count..]),
        };
        let replies_from = started.end_within(&bytes[..count]);
        let (startup, replies) = bytes[..count].split_at(replies_from);
        let Ok(()) = client.write_all(startup) else {
            return;
        };
        if !replies.is_empty() && state.frozen_after_startup.load(Ordering::SeqCst) {
            return say_nothing(&mut server, state);
        }
        let passing = state.admit(&state.replies, replies.len());
        let is_cut = passing < replies.len();
        let falls_silent = is_cut && state.cuts_silently.load(Ordering::SeqCst);
        if falls_silent {
            state.frozen.store(true, Ordering::SeqCst);
        }
        let Ok(()) = client.write_all(&replies[..passing]) else {
            return;
        };
        if falls_silent {
            return say_nothing(&mut server, state);
        }
        if is_cut {
            return;
        }
    }
}

/// Reads what comes within so long a time.
fn what_comes_within(time: Duration, server: &mut UnixStream, bytes: &mut [u8]) -> usize {
    let end = Instant::now() + time;
    let mut count = 0;
    while let Some(left) = end.checked_duration_since(Instant::now())
        && !left.is_zero()
    {
        server.set_read_timeout(Some(left)).expect("it is not zero");
        match server.read(&mut bytes[count..]) {
            Ok(more @ 1..) => count += more,
            Ok(0) | Err(_) => break,
        }
    }
    server.set_read_timeout(None).expect("it is a socket");
    count
}

/// For ever: reading on tells when PostgreSQL ends it.
fn say_nothing(server: &mut UnixStream, state: &State) {
    state.silent.fetch_add(1, Ordering::SeqCst);
    let mut bytes = [0; 16 * 1024];
    while matches!(server.read(&mut bytes), Ok(1..)) {}
}

impl State {
    /// How many of so many bytes pass.
    fn admit(&self, cut: &Cut, count: usize) -> usize {
        let passing = cut.admit(count);
        if passing < count {
            self.cuts.fetch_add(1, Ordering::SeqCst);
        }
        passing
    }
}

impl Cut {
    fn arm(&self, bytes: u64) {
        self.passed.store(0, Ordering::SeqCst);
        self.allowed.store(bytes, Ordering::SeqCst);
        self.armed.store(true, Ordering::SeqCst);
    }

    /// Whether it was still armed.
    fn disarm(&self) -> bool {
        self.armed.swap(false, Ordering::SeqCst)
    }

    fn admit(&self, count: usize) -> usize {
        if count == 0 || !self.armed.load(Ordering::SeqCst) {
            return count;
        }
        let passed = self.passed.fetch_add(count as u64, Ordering::SeqCst);
        let left = self.allowed.load(Ordering::SeqCst).saturating_sub(passed);
        if left >= count as u64 {
            return count;
        }
        // Only one connection is cut for each arming.
        if !self.disarm() {
            return count;
        }
        usize::try_from(left).expect("it is less than the count")
    }
}

/// Follows the messages up to the first ReadyForQuery.
#[derive(Debug, Default)]
struct Startup {
    /// The beginning of a message that has not come completely.
    pending: Vec<u8>,
    over: bool,
}

impl Startup {
    /// Where in these bytes the start-up ends.
    fn end_within(&mut self, bytes: &[u8]) -> usize {
        if self.over {
            return 0;
        }
        let before = self.pending.len();
        self.pending.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(head) = self.pending.get(at..at + 5) {
            let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize + 1;
            let kind = head[0];
            if self.pending.len() < at + length {
                break;
            }
            at += length;
            if kind == b'Z' {
                self.over = true;
                return at - before;
            }
        }
        bytes.len()
    }
}
