//! A proxy on the way to PostgreSQL, which does with the bytes what it is told.
//!
//! A fault is either a deed to connections that are open (cut, reset, silenced) or a weather, in
//! which all of them live until it changes.

mod connection;

pub use self::connection::Connection;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// PostgreSQL's.
const PORT: u16 = 5432;

/// The system chooses one.
pub const PORT_ANY: u16 = 0;

/// The proxy; what it has made ends when it is dropped.
#[derive(Debug)]
pub struct Wire {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    weather: Mutex<Weather>,
    connections: Mutex<Vec<Arc<Connection>>>,
    is_closed: AtomicBool,
    chance: AtomicU64,
}

/// What happens to the bytes of all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// They pass.
    Fine,
    /// They wait.
    Pause,
    /// Replies come one byte at a time.
    Trickle,
    /// Each piece of a reply waits up to so many milliseconds.
    Delay(u64),
    /// In so many percent of the pieces of replies, a byte is another one.
    Corrupt(u64),
    /// Of each piece of a reply comes the first half, then the end.
    Halve,
    /// Connections that are made now say nothing more after the login, for good.
    SilentAfterLogin,
}

impl Wire {
    /// Starts one on a port of 127.0.0.1, for a PostgreSQL at this address.
    pub fn start(upstream: Ipv4Addr) -> Wire {
        Wire::start_at((Ipv4Addr::LOCALHOST, PORT_ANY).into(), upstream)
    }

    /// The same, elsewhere.
    ///
    /// # Panics
    /// If that is no place of ours.
    pub fn start_at(place: SocketAddr, upstream: Ipv4Addr) -> Wire {
        let listener = TcpListener::bind(place).expect("there are free ports");
        let wire = Wire {
            address: listener.local_addr().expect("it is bound"),
            shared: Arc::new(Shared {
                upstream: (upstream, PORT).into(),
                weather: Mutex::new(Weather::Fine),
                connections: Mutex::new(Vec::new()),
                is_closed: AtomicBool::new(false),
                chance: AtomicU64::new(0x9e37_79b9_7f4a_7c15),
            }),
        };
        wire.accept_from(listener);
        wire
    }

    /// Changes the weather.
    pub fn set(&self, weather: Weather) {
        *self
            .shared
            .weather
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = weather;
    }

    /// The connections that are open, in the order they were made.
    pub fn connections(&self) -> Vec<Arc<Connection>> {
        let mut connections = self.shared.connections();
        connections.retain(|connection| !connection.is_over());
        connections.clone()
    }

    /// The connection to this session of PostgreSQL.
    ///
    /// # Panics
    /// If there is none.
    pub fn connection_of(&self, backend: i32) -> Arc<Connection> {
        let connections = self.connections().into_iter();
        let mut found = connections.filter(|connection| connection.backend() == backend);
        found.next().expect("the session came this way")
    }

    /// Nobody listens any more.
    pub fn close_port(&self) {
        self.shared.is_closed.store(true, Ordering::SeqCst);
        // Wakes the one who does.
        let _ = TcpStream::connect(self.address);
        corerest_tests::waiting::until("the port to be closed", || {
            TcpStream::connect(self.address).is_err()
        });
    }

    /// Somebody listens again.
    ///
    /// # Panics
    /// If the port is taken.
    pub fn open_port(&self) {
        self.shared.is_closed.store(false, Ordering::SeqCst);
        let listener = TcpListener::bind(self.address).expect("it was ours");
        self.accept_from(listener);
    }

    fn accept_from(&self, listener: TcpListener) {
        let shared = Arc::clone(&self.shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.is_closed.load(Ordering::SeqCst) {
                    return;
                }
                shared.connect(client);
            }
        });
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.set(Weather::Fine);
        self.shared.is_closed.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        for connection in self.connections() {
            connection.cut();
        }
    }
}

impl Shared {
    /// Who is not served upstream is not served here.
    fn connect(self: &Arc<Self>, client: TcpStream) {
        let Ok(server) = TcpStream::connect(self.upstream) else {
            return;
        };
        if let Some(connection) = connection::join(self, client, server) {
            self.connections().push(connection);
        }
    }

    fn connections(&self) -> MutexGuard<'_, Vec<Arc<Connection>>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn weather(&self) -> Weather {
        *self.weather.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number below the limit, by chance (xorshift).
    fn chance(&self, limit: u64) -> u64 {
        let next = |mut number: u64| {
            number ^= number << 13;
            number ^= number >> 7;
            number ^ (number << 17)
        };
        let drawn = self
            .chance
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |number| {
                Some(next(number))
            });
        drawn.unwrap_or_default() % limit
    }
}
