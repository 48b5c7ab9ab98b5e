//! The connections of one core.
//!
//! `r2d2` keeps them: it knows which are idle, and closes those that are idle or alive for too
//! long. Around it stands what it does not do. Its `try_get` does not grow the pool, and its `get`
//! waits, which a thread that serves clients must never do; so the pool counts the leases itself
//! ([`Pool::take`] never waits for another request), and what r2d2 holds are slots: opening a slot
//! is instant, and whoever gets an empty one connects for himself and sees his own error.
//!
//! Invariant: there are never more leases, and so never more connections, than `size`.

use crate::connect::{self, ConnectError, OpenOptions, Target};
use crate::connection::{Connection, Preparation};
use r2d2::ManageConnection;
use scheduled_thread_pool::ScheduledThreadPool;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// An idle connection is looked at before it is used if it has been idle for so long: a server
/// that went away in the meantime is noticed then, and a busy pool saves the system call.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// How long no connections are opened after PostgreSQL had no room for one.
const HELD_BACK: Duration = Duration::from_secs(1);

/// How long r2d2 may take to open an empty slot. Its thread only has to wake up.
const SLOT_WAIT_MAX: Duration = Duration::from_secs(5);

/// How a pool is made.
#[derive(Clone)]
pub struct PoolSettings {
    /// Where to connect to.
    pub target: Arc<Target>,
    /// How many connections there may be.
    pub size: usize,
    /// How long a connection may be idle (`db-pool-max-idletime`).
    pub idle_max: Duration,
    /// How long a connection may live (`db-pool-max-lifetime`).
    pub lifetime_max: Duration,
    /// How long connecting may take.
    pub options: OpenOptions,
    /// Whether statements are kept.
    pub preparation: Preparation,
    /// The thread that opens slots and closes idle connections, shared by all pools.
    pub janitor: Arc<ScheduledThreadPool>,
}

/// The connections of one core.
pub struct Pool {
    slots: r2d2::Pool<Slots>,
    settings: PoolSettings,
    /// Until when no further connections are opened, in milliseconds since `made`: PostgreSQL has
    /// no room for them, and those of other cores may be idle.
    held_back_until: AtomicU64,
    made: Instant,
    /// Sequentially consistent: whoever frees a place looks for parked requests after it, and who
    /// parks a request looks for free places after it; one of the two must see the other.
    leased: AtomicUsize,
}

/// A connection of the pool, lent to one request at a time.
pub struct Lease {
    pool: Arc<Pool>,
    slot: r2d2::PooledConnection<Slots>,
}

/// What r2d2 keeps: a place for a connection.
struct Slot {
    connection: Option<Connection>,
}

#[derive(Clone, Copy, Debug)]
struct Slots;

/// Opening a slot cannot fail.
#[derive(Debug)]
enum Never {}

impl ManageConnection for Slots {
    type Connection = Slot;
    type Error = Never;

    fn connect(&self) -> Result<Slot, Never> {
        Ok(Slot { connection: None })
    }

    fn is_valid(&self, _slot: &mut Slot) -> Result<(), Never> {
        Ok(())
    }

    fn has_broken(&self, slot: &mut Slot) -> bool {
        !slot.connection.as_ref().is_some_and(Connection::is_idle)
    }
}

impl fmt::Display for Never {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl std::error::Error for Never {}

impl Pool {
    /// An empty pool; it connects on demand.
    pub fn new(settings: PoolSettings) -> Pool {
        let slots = r2d2::Pool::builder()
            .max_size(u32::try_from(settings.size).unwrap_or(u32::MAX))
            .min_idle(Some(0))
            .test_on_check_out(false)
            .idle_timeout(Some(settings.idle_max))
            .max_lifetime(Some(settings.lifetime_max))
            .connection_timeout(SLOT_WAIT_MAX)
            .thread_pool(settings.janitor.clone())
            .build_unchecked(Slots);
        Pool {
            slots,
            settings,
            held_back_until: AtomicU64::new(0),
            made: Instant::now(),
            leased: AtomicUsize::new(0),
        }
    }

    /// A connection, if not all of them are taken; connects if none is idle. Never waits for
    /// another request.
    ///
    /// # Errors
    /// If PostgreSQL cannot be reached.
    pub fn take(self: &Arc<Pool>) -> Option<Result<Lease, ConnectError>> {
        let size = self.settings.size;
        let next = |leased| (leased < size).then_some(leased + 1);
        self.leased
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, next)
            .ok()?;
        let Some(slot) = self.slot() else {
            self.leased.fetch_sub(1, Ordering::SeqCst);
            return None;
        };
        let mut lease = Lease {
            pool: Arc::clone(self),
            slot,
        };
        Some(lease.make_ready().map(|()| lease))
    }

    fn slot(&self) -> Option<r2d2::PooledConnection<Slots>> {
        match self.slots.try_get() {
            Some(slot) => Some(slot),
            None if self.is_held_back() => None,
            None => self.slots.get().ok(),
        }
    }

    /// Whether [`take`](Pool::take) would give a connection at this moment.
    pub fn has_room(&self) -> bool {
        let leased = self.leased.load(Ordering::SeqCst);
        leased < self.settings.size && (!self.is_held_back() || leased < self.connections())
    }

    /// How many connections are open, in use or idle.
    pub fn connections(&self) -> usize {
        self.slots.state().connections as usize
    }

    fn connect(&self) -> Result<Connection, ConnectError> {
        let session = connect::open(&self.settings.target, &self.settings.options);
        let session = session.inspect_err(|error| {
            if is_out_of_connections(error) {
                let until = self.made.elapsed() + HELD_BACK;
                let until = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
                self.held_back_until.store(until, Ordering::SeqCst);
            }
        })?;
        Ok(Connection::new(session, self.settings.preparation))
    }

    fn is_held_back(&self) -> bool {
        match self.held_back_until.load(Ordering::SeqCst) {
            0 => false,
            until => self.made.elapsed().as_millis() < u128::from(until),
        }
    }
}

/// Whether PostgreSQL, the role or the database has all the connections it may have.
pub fn is_out_of_connections(error: &ConnectError) -> bool {
    error
        .server_error()
        .is_some_and(|error| error.code == "53300")
}

impl Lease {
    /// The connection.
    ///
    /// # Panics
    /// After [`reset`](Lease::reset).
    pub fn connection(&mut self) -> &mut Connection {
        self.slot
            .connection
            .as_mut()
            .expect("a lease has a connection until it is reset")
    }

    /// Replaces the connection by a new one.
    ///
    /// # Errors
    /// If PostgreSQL cannot be reached.
    pub fn reconnect(&mut self) -> Result<(), ConnectError> {
        self.reset();
        self.make_ready()
    }

    /// Drops the connection, which is in an unknown state. The lease is of no more use then,
    /// except to [`reconnect`](Lease::reconnect).
    pub fn reset(&mut self) {
        self.slot.connection = None;
    }

    /// Connects if there is no connection, or a dead one.
    fn make_ready(&mut self) -> Result<(), ConnectError> {
        if self.slot.connection.as_mut().is_some_and(is_dead) {
            self.reset();
        }
        if self.slot.connection.is_none() {
            self.slot.connection = Some(self.pool.connect()?);
        }
        Ok(())
    }
}

fn is_dead(connection: &mut Connection) -> bool {
    let idle = connection.last_used().elapsed();
    connection.is_broken() || (idle > TRUSTED_IDLE && connection.is_stale())
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = &mut self.slot.connection {
            connection.touch(Instant::now());
        }
        // r2d2 takes the slot back when the fields are dropped, which is after this; a request
        // that takes the place in between waits in `get` for that moment.
        self.pool.leased.fetch_sub(1, Ordering::SeqCst);
    }
}
