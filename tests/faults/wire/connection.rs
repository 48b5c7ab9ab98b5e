//! One connection of the proxy: two threads, each of which passes on what one side says.

use super::{Shared, Weather};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

/// How often those who wait look.
const GLANCE: Duration = Duration::from_millis(5);

/// A connection.
#[derive(Debug)]
pub struct Connection {
    client: TcpStream,
    server: TcpStream,
    is_silent: AtomicBool,
    is_over: AtomicBool,
    /// The process id of PostgreSQL's session; 0 before the login is over.
    backend: AtomicI32,
}

impl Connection {
    /// Ends it as if both sides had.
    pub fn cut(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }

    /// Ends it by RST, as a machine does that has never heard of it.
    pub fn reset(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        for stream in [&self.client, &self.server] {
            let _ = rustix::net::connect_unspec(stream);
        }
    }

    /// From now on nothing passes, and nobody is told, not even of its end: as if a firewall had
    /// forgotten it.
    pub fn silence(&self) {
        self.is_silent.store(true, Ordering::SeqCst);
    }

    /// It passes again.
    pub fn unsilence(&self) {
        self.is_silent.store(false, Ordering::SeqCst);
    }

    /// The process id of its session.
    pub fn backend(&self) -> i32 {
        self.backend.load(Ordering::SeqCst)
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    fn is_silent(&self) -> bool {
        self.is_silent.load(Ordering::SeqCst)
    }
}

/// Passes on what both sides say, until one of them ends it.
pub(super) fn join(
    shared: &Arc<Shared>,
    client: TcpStream,
    server: TcpStream,
) -> Option<Arc<Connection>> {
    client
        .set_nodelay(true)
        .and(server.set_nodelay(true))
        .ok()?;
    let is_forgotten = shared.weather() == Weather::SilentAfterLogin;
    let connection = Arc::new(Connection {
        client,
        server,
        is_silent: AtomicBool::new(false),
        is_over: AtomicBool::new(false),
        backend: AtomicI32::new(0),
    });
    let (of_requests, wire) = (Arc::clone(&connection), Arc::clone(shared));
    std::thread::spawn(move || {
        let (mut from, mut to) = (&of_requests.client, &of_requests.server);
        let mut bytes = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut bytes)
            && await_passage(&wire, &of_requests)
            && to.write_all(&bytes[..count]).is_ok()
        {}
        end(&wire, &of_requests);
    });
    let (of_replies, wire) = (Arc::clone(&connection), Arc::clone(shared));
    std::thread::spawn(move || {
        pass_replies(&wire, &of_replies, is_forgotten);
        end(&wire, &of_replies);
    });
    Some(connection)
}

/// The other side hears of the end when it could hear anything.
fn end(wire: &Shared, connection: &Connection) {
    if await_passage(wire, connection) {
        connection.cut();
    }
}

/// Waits until bytes pass. `false` when there is nobody any more for whom they could.
fn await_passage(wire: &Shared, connection: &Connection) -> bool {
    while !connection.is_over() {
        if !connection.is_silent() && wire.weather() != Weather::Pause {
            return true;
        }
        std::thread::park_timeout(GLANCE);
    }
    false
}

fn pass_replies(wire: &Shared, connection: &Connection, is_forgotten: bool) {
    let (mut from, mut to) = (&connection.server, &connection.client);
    let mut bytes = [0; 16 * 1024];
    let mut login = Some(Vec::new());
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if !await_passage(wire, connection) {
            return;
        }
        let passed = match wire.weather() {
            // What the login says is not touched: the session is what the fault is about.
            _ if login.is_some() => to.write_all(&bytes[..count]),
            weather => pass_in(weather, wire, &mut to, &mut bytes[..count]),
        };
        if passed.is_err() {
            return;
        }
        if let Some(said) = &mut login {
            said.extend_from_slice(&bytes[..count]);
            if let Some(backend) = backend_of_login(said) {
                connection.backend.store(backend, Ordering::SeqCst);
                connection
                    .is_silent
                    .fetch_or(is_forgotten, Ordering::SeqCst);
                login = None;
            }
        }
    }
}

fn pass_in(
    weather: Weather,
    wire: &Shared,
    to: &mut &TcpStream,
    bytes: &mut [u8],
) -> std::io::Result<()> {
    match weather {
        Weather::Fine | Weather::Pause | Weather::SilentAfterLogin => {}
        Weather::Trickle => return bytes.iter().try_for_each(|byte| to.write_all(&[*byte])),
        Weather::Delay(max_ms) => crate::last_ms(wire.chance(max_ms + 1)),
        Weather::Corrupt(percent) => {
            if wire.chance(100) < percent {
                let at = wire.chance(bytes.len() as u64) as usize;
                bytes[at] ^= 1 << wire.chance(8);
            }
        }
        Weather::Halve => {
            to.write_all(&bytes[..bytes.len() / 2])?;
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    to.write_all(bytes)
}

/// The process id in what PostgreSQL has said, if the login is over. What is encrypted is taken
/// for one of which nobody knows the session.
fn backend_of_login(said: &[u8]) -> Option<i32> {
    if said.first() == Some(&b'S') {
        return Some(-1);
    }
    let (mut at, mut backend) = (0, 0);
    while let Some(head) = said.get(at..at + 5) {
        let number_at = |at: usize| {
            let bytes = said.get(at..at + 4)?;
            Some(i32::from_be_bytes(
                bytes.try_into().expect("there are four"),
            ))
        };
        let length = usize::try_from(number_at(at + 1)?).ok()? + 1;
        match head[0] {
            b'K' => backend = number_at(at + 5)?,
            b'Z' => return Some(backend),
            _ => {}
        }
        at += length;
    }
    None
}
