//! The connections of one core.
//!
//! `r2d2` keeps them: it knows which are idle, and closes those that are idle or alive for too
//! long when nobody comes; the pool itself looks at that, too, whenever one is lent or comes back.
//! Around it stands what it does not do. Its `try_get` does not grow the pool, and its `get`
//! waits, which a thread that serves clients must never do; so the pool counts the leases itself
//! ([`Pool::take`] never waits for another request), and what r2d2 holds are slots: opening a slot
//! is instant, and whoever gets an empty one connects for himself and sees his own error.
//!
//! A flush starts a new edition: connections of older ones are closed, the idle ones at once and
//! those in use when they come back. A new session knows nothing of how the database was before.
//!
//! Invariant: there are never more leases, and so never more connections, than `size`, for each
//! lease holds a [`Place`]; and whoever has a place gets a slot at once, which the models of
//! `cores` check: r2d2 has a slot back before its place is free.

use crate::connect::{
    self, CancelToken, ConnectError, FACTS, OpenOptions, Session, SessionFacts, SharedTarget,
};
use crate::connection::{Connection, Preparation, Reply, RequestBody};
use crate::error::Error;
use crate::silence::Silences;
use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crate::sync::step;
use corerest_sql::{SqlBuf, sql};
use r2d2::ManageConnection;
use scheduled_thread_pool::ScheduledThreadPool;
use std::fmt;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// An idle connection is looked at before it is used if it has been idle for so long: a server
/// that went away in the meantime is noticed then, and a busy pool saves the system call.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// How long no connections are opened after PostgreSQL had no room for one.
const HELD_BACK: Duration = Duration::from_secs(1);

/// The edition of a connection that is closed after its request, as if it were an old one.
const DISTRUSTED: u64 = u64::MAX;

/// How long the rest of a batch may take after the server was asked to cancel.
const CANCELLED_MAX: Duration = Duration::from_secs(5);

/// How long r2d2 may take to open an empty slot. Its thread only has to wake up.
const SLOT_WAIT_MAX: Duration = Duration::from_secs(5);

/// How soon whoever waits for a slot looks again. r2d2 tells nobody of those that it drops, and a
/// [`flush`](Pool::flush) holds some for a moment.
const SLOT_LOOK: Duration = Duration::from_millis(2);

/// How the pool comes to sessions. A simulation has its own way.
pub trait Connector: Send + Sync {
    /// Opens a session.
    ///
    /// # Errors
    /// If PostgreSQL cannot be reached, or refuses.
    fn open(&self) -> Result<Session, ConnectError>;

    /// Asks the server to cancel what a session is doing, as [`connect::cancel`] does.
    ///
    /// # Errors
    /// If it is in doubt whether the request will still arrive.
    fn cancel(&self, token: &CancelToken) -> Result<(), ConnectError>;

    /// Whether a session is still what was wanted when it was opened, which it is asked for. A
    /// simulation's always is.
    ///
    /// # Errors
    /// If the connection breaks.
    fn suits(&self, _connection: &mut Connection) -> Result<bool, Error> {
        Ok(true)
    }
}

/// The way to a real PostgreSQL.
#[derive(Clone)]
pub struct TargetConnector {
    /// Where to connect to.
    pub target: Arc<SharedTarget>,
    /// How long connecting may take.
    pub options: OpenOptions,
    /// The oldest timeline that a primary may be on now, if somebody knows.
    pub timeline_min: Option<Arc<dyn Fn() -> u32 + Send + Sync>>,
}

impl Connector for TargetConnector {
    fn open(&self) -> Result<Session, ConnectError> {
        let mut options = self.options;
        if let Some(timeline_min) = &self.timeline_min {
            options.timeline_min = timeline_min();
        }
        connect::open(&self.target.current(), &options)
    }

    fn cancel(&self, token: &CancelToken) -> Result<(), ConnectError> {
        connect::cancel(&self.target.current(), token, &self.options)
    }

    fn suits(&self, connection: &mut Connection) -> Result<bool, Error> {
        let target = self.target.current();
        if target.takes_any_session() {
            return Ok(true);
        }
        let facts = ask_for_facts(connection)?;
        Ok(facts.is_none_or(|facts| target.suits(facts)))
    }
}

/// What a session is now, if it tells.
fn ask_for_facts(connection: &mut Connection) -> Result<Option<SessionFacts>, Error> {
    let mut question = SqlBuf::new();
    sql!(question, FACTS);
    connection.send(&[question.finish()], RequestBody::NONE)?;
    let mut facts = None;
    loop {
        match connection.next_reply()? {
            Reply::Row(row) => {
                let read_only = row.columns.into_iter().next().flatten() == Some(b"on");
                let mut standby = Vec::new();
                connection.take_body(&mut standby, usize::MAX)?;
                facts = Some(SessionFacts {
                    read_only,
                    standby: standby == b"t",
                });
            }
            Reply::Failed(_) | Reply::Settled => {}
            Reply::Done => return Ok(facts),
        }
        if connection.is_broken() {
            return Ok(None);
        }
    }
}

/// How a pool is made.
#[derive(Clone)]
pub struct PoolSettings {
    /// How sessions are opened and cancelled.
    pub connector: Arc<dyn Connector>,
    /// How many connections there may be.
    pub size: usize,
    /// How long a connection may be idle (`db-pool-max-idletime`). With 0, none is used twice.
    pub idle_max: Duration,
    /// How long a connection may live (`db-pool-max-lifetime`). With 0, none is used twice.
    pub lifetime_max: Duration,
    /// Whether statements are kept. [`Pool::set_preparation`] changes it.
    pub preparation: Preparation,
    /// After how long a silent server is told of, by [`Connection::next_reply_if_soon`]. `None`:
    /// never.
    pub silence: Option<Duration>,
    /// Where connections are noted whose server says nothing for long.
    pub silences: Arc<Silences>,
    /// The thread that opens slots and closes idle connections, shared by all pools.
    pub janitor: Arc<ScheduledThreadPool>,
    /// Who is told what becomes of connections.
    pub watch: fn(ConnectionEvent),
}

/// What becomes of a connection, which is named as by [`Lease::id`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// It was opened.
    Opened(i32),
    /// It was closed.
    Closed(i32, Closing),
}

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// It lived for too long.
    Lifetime,
    /// It was idle for too long.
    Idle,
    /// It broke.
    Broken,
    /// The pool has no more use for it.
    Release,
    /// Its session is no longer as it was when it was opened.
    Leftovers,
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
    /// How many of those are lent to guests.
    guests: AtomicUsize,
    /// Counts the flushes; a connection belongs to the edition that it was opened in.
    edition: AtomicU64,
    /// Whether the next one that comes back is closed ([`Pool::close_next`]).
    is_one_too_many: AtomicBool,
    /// Whether one was opened since the last flush that leads to a primary, as it has said itself.
    has_met_primary: AtomicBool,
    /// Whether connections opened from now on prepare their statements under a name.
    names_statements: AtomicBool,
}

/// A connection of the pool, lent to one request at a time.
pub struct Lease {
    /// Declared before its place, so that r2d2 has it back before another request may want one.
    slot: r2d2::PooledConnection<Slots>,
    place: Place,
    is_new: bool,
}

/// One of the leases that there may be, for as long as it is there.
struct Place {
    pool: Arc<Pool>,
    /// Whether it counts among the guests.
    is_guest: bool,
}

/// What r2d2 keeps: a place for a connection.
struct Slot {
    /// Boxed, because r2d2 moves the slot half a dozen times on its way to a request and back.
    connection: Option<Box<Connection>>,
    edition: u64,
    opened: Instant,
    slots: Slots,
}

#[derive(Clone, Copy, Debug)]
struct Slots {
    idle_max: Duration,
    lifetime_max: Duration,
    watch: fn(ConnectionEvent),
}

/// Opening a slot cannot fail.
#[derive(Debug)]
enum Never {}

impl ManageConnection for Slots {
    type Connection = Slot;
    type Error = Never;

    fn connect(&self) -> Result<Slot, Never> {
        Ok(Slot {
            connection: None,
            edition: 0,
            opened: Instant::now(),
            slots: *self,
        })
    }

    fn is_valid(&self, _slot: &mut Slot) -> Result<(), Never> {
        Ok(())
    }

    fn has_broken(&self, slot: &mut Slot) -> bool {
        step();
        !slot.connection.as_deref().is_some_and(Connection::is_idle)
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
            .idle_timeout(reaped_after(settings.idle_max))
            .max_lifetime(reaped_after(settings.lifetime_max))
            .connection_timeout(SLOT_WAIT_MAX)
            .thread_pool(settings.janitor.clone())
            .build_unchecked(Slots {
                idle_max: settings.idle_max,
                lifetime_max: settings.lifetime_max,
                watch: settings.watch,
            });
        Pool {
            slots,
            names_statements: AtomicBool::new(settings.preparation == Preparation::Named),
            settings,
            held_back_until: AtomicU64::new(0),
            made: Instant::now(),
            leased: AtomicUsize::new(0),
            guests: AtomicUsize::new(0),
            edition: AtomicU64::new(0),
            is_one_too_many: AtomicBool::new(false),
            has_met_primary: AtomicBool::new(false),
        }
    }

    /// Whether connections opened from now on keep their statements (`db-prepared-statements`);
    /// a [`flush`](Pool::flush) makes it hold for all.
    pub fn set_preparation(&self, preparation: Preparation) {
        let named = preparation == Preparation::Named;
        self.names_statements.store(named, Ordering::Relaxed);
    }

    /// Replaces all connections by new ones: idle ones are closed now, those in use after their
    /// request.
    pub fn flush(&self) {
        self.has_met_primary.store(false, Ordering::SeqCst);
        self.edition.fetch_add(1, Ordering::SeqCst);
        // All of them are held until the end, for r2d2 would give out the same one again.
        let mut idle = Vec::new();
        while idle.len() < self.settings.size
            && let Some(mut slot) = self.slots.try_get()
        {
            self.forget_if_old(&mut slot);
            idle.push(slot);
        }
    }

    /// Closes a connection, for PostgreSQL has no room for somebody else's. Says whether there was
    /// an idle one.
    pub fn close_idle(&self) -> bool {
        let slot = self.slots.try_get();
        slot.map(|mut slot| slot.close(Closing::Release)).is_some()
    }

    /// The same, for the next that comes back, or not any more.
    pub fn close_next(&self, is_one_too_many: bool) {
        self.is_one_too_many
            .store(is_one_too_many, Ordering::Relaxed);
    }

    /// Closes a connection that must not be used for another request. r2d2 looks every now and
    /// then, and forgets connections that are due only then.
    ///
    /// Parity: hasql-pool looks when a connection is taken and when it is given back, so that a
    /// limit of 0 is one request.
    fn close_if_due(&self, slot: &mut Slot) {
        self.forget_if_old(slot);
        if let Some(connection) = slot.connection.as_deref()
            && connection.is_idle()
            && connection.has_leftovers()
        {
            slot.close(Closing::Leftovers);
        }
        if let Some(connection) = slot.connection.as_deref()
            && connection.is_idle()
            && let Some(why) = slot.is_due(connection)
        {
            slot.close(why);
        }
    }

    fn forget_if_old(&self, slot: &mut Slot) {
        if slot.edition != self.edition.load(Ordering::SeqCst) {
            slot.close(Closing::Release);
        }
    }

    /// A connection, if not all of them are taken; connects if none is idle. Never waits for
    /// another request.
    ///
    /// # Errors
    /// If PostgreSQL cannot be reached.
    pub fn take(self: &Arc<Pool>) -> Option<Result<Lease, ConnectError>> {
        let place = self.place()?;
        let mut lease = Lease {
            slot: self.slot()?,
            place,
            is_new: false,
        };
        Some(lease.make_ready().map(|()| lease))
    }

    /// The same for a guest, who usually has another pool, unless so many of them are here.
    ///
    /// # Errors
    /// If PostgreSQL cannot be reached.
    pub fn take_as_guest(
        self: &Arc<Pool>,
        guests_max: usize,
    ) -> Option<Result<Lease, ConnectError>> {
        let next = |guests| (guests < guests_max).then_some(guests + 1);
        self.guests
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, next)
            .ok()?;
        let taken = self.take();
        match taken {
            Some(Ok(mut lease)) => {
                lease.place.is_guest = true;
                Some(Ok(lease))
            }
            None | Some(Err(_)) => {
                self.guests.fetch_sub(1, Ordering::SeqCst);
                taken
            }
        }
    }

    /// Whether a connection that leads to a primary was opened since the last flush.
    pub fn has_met_primary(&self) -> bool {
        self.has_met_primary.load(Ordering::SeqCst)
    }

    /// Whether [`take_as_guest`](Pool::take_as_guest) would give a connection at this moment.
    pub fn has_room_for_guest(&self, guests_max: usize) -> bool {
        self.guests.load(Ordering::SeqCst) < guests_max && self.has_room()
    }

    fn place(self: &Arc<Pool>) -> Option<Place> {
        let size = self.settings.size;
        let next = |leased| (leased < size).then_some(leased + 1);
        self.leased
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, next)
            .ok()?;
        Some(Place {
            pool: Arc::clone(self),
            is_guest: false,
        })
    }

    fn slot(&self) -> Option<r2d2::PooledConnection<Slots>> {
        match self.slots.try_get() {
            Some(slot) => Some(slot),
            None if self.is_held_back() => None,
            None => {
                let slot = self.new_slot();
                self.await_janitor();
                slot
            }
        }
    }

    /// A slot for somebody who has a place.
    fn new_slot(&self) -> Option<r2d2::PooledConnection<Slots>> {
        let deadline = Instant::now() + SLOT_WAIT_MAX;
        while Instant::now() < deadline {
            if let Ok(slot) = self.slots.get_timeout(SLOT_LOOK) {
                return Some(slot);
            }
            step();
        }
        let is_tested = cfg!(any(debug_assertions, feature = "model"));
        assert!(!is_tested, "there is a slot for each place");
        None
    }

    /// The thread that opens slots is none of a simulation's. Were it the last one that has this
    /// pool in hand, it would close simulated connections where there are none.
    fn await_janitor(&self) {
        if !cfg!(feature = "model") {
            return;
        }
        let (done, is_done) = mpsc::channel();
        self.settings.janitor.execute(move || {
            let _ = done.send(());
        });
        let _ = is_done.recv();
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

    /// How many connections are in use.
    pub fn leased(&self) -> usize {
        self.leased.load(Ordering::SeqCst)
    }

    fn connect(&self) -> Result<Connection, ConnectError> {
        let session = self.settings.connector.open().inspect_err(|error| {
            if is_out_of_connections(error) {
                self.hold_back();
            }
        })?;
        if session.parameters.in_hot_standby() == Some(false) {
            self.has_met_primary.store(true, Ordering::SeqCst);
        }
        let preparation = match self.names_statements.load(Ordering::Relaxed) {
            true => Preparation::Named,
            false => Preparation::Unnamed,
        };
        let mut connection = Connection::new(session, preparation);
        connection.note_silence_in(Arc::clone(&self.settings.silences));
        if let Some(after) = self.settings.silence {
            connection.tell_silence(after);
        }
        Ok(connection)
    }

    /// Opens no further connections for a second.
    pub fn hold_back(&self) {
        let until = self.made.elapsed() + HELD_BACK;
        let until = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
        self.held_back_until.store(until, Ordering::SeqCst);
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
    /// What names the connection in the log: the process id of its server (`pg_stat_activity.pid`),
    /// or 0 if a pooler did not tell it, or if there is no connection.
    pub fn id(&self) -> i32 {
        let connection = self.slot.connection.as_deref();
        connection.map_or(0, Connection::server_process)
    }

    /// Whether its connection was opened for this lease, and not used before.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Whether nothing is under way on the connection, and it can be used again.
    pub fn is_idle(&self) -> bool {
        let connection = self.slot.connection.as_deref();
        self.slot.edition != DISTRUSTED && connection.is_some_and(Connection::is_idle)
    }

    /// Whether there is no connection any more, or one that can never be used again.
    pub fn is_lost(&self) -> bool {
        let connection = self.slot.connection.as_deref();
        connection.is_none_or(Connection::is_broken)
    }

    /// The connection.
    ///
    /// # Panics
    /// After [`reset`](Lease::reset).
    pub fn connection(&mut self) -> &mut Connection {
        self.slot
            .connection
            .as_deref_mut()
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

    /// Whether the session is still what the connection string asks for: a server can become
    /// read-only under it, and behind a pooler the server can be another one by now.
    ///
    /// # Errors
    /// If the connection breaks.
    pub fn suits(&mut self) -> Result<bool, Error> {
        let connector = Arc::clone(&self.place.pool.settings.connector);
        connector.suits(self.connection())
    }

    /// Asks the server to cancel what the connection is doing, and returns when the server has
    /// passed that on: whatever is asked after that is not cancelled. If it is in doubt, the
    /// connection is not used again. It is lost when the batch is not over some seconds later.
    ///
    /// # Errors
    /// If the server cannot be reached.
    pub fn cancel(&mut self) -> Result<(), ConnectError> {
        let connection = self.slot.connection.as_deref();
        let Some(token) = connection.and_then(Connection::cancel_token) else {
            return Ok(());
        };
        let cancelled = self.place.pool.settings.connector.cancel(&token);
        self.connection().give_batch(CANCELLED_MAX);
        if cancelled.is_err() {
            self.slot.edition = DISTRUSTED;
        }
        cancelled
    }

    /// Drops the connection, which is in an unknown state. The lease is of no more use then,
    /// except to [`reconnect`](Lease::reconnect).
    pub fn reset(&mut self) {
        self.slot.close(Closing::Broken);
    }

    /// Connects if there is no connection, or a dead one.
    fn make_ready(&mut self) -> Result<(), ConnectError> {
        let pool = Arc::clone(&self.place.pool);
        pool.close_if_due(&mut self.slot);
        if self.slot.connection.as_deref_mut().is_some_and(is_dead) {
            self.reset();
        }
        if self.slot.connection.is_none() {
            // Read before it connects: a flush in between counts it as old.
            self.slot.edition = pool.edition.load(Ordering::SeqCst);
            self.slot.connection = Some(Box::new(pool.connect()?));
            self.slot.opened = Instant::now();
            self.is_new = true;
            (self.slot.slots.watch)(ConnectionEvent::Opened(self.id()));
        }
        Ok(())
    }
}

impl Slot {
    fn close(&mut self, why: Closing) {
        if let Some(connection) = self.connection.take() {
            (self.slots.watch)(ConnectionEvent::Closed(connection.server_process(), why));
        }
    }

    /// Why r2d2, which does not say, has dropped it.
    fn reason(&self, connection: &Connection) -> Closing {
        match self.is_due(connection) {
            _ if !connection.is_idle() => Closing::Broken,
            Some(why) => why,
            None => Closing::Release,
        }
    }

    /// Whether the connection has lived or been idle for as long as it may.
    fn is_due(&self, connection: &Connection) -> Option<Closing> {
        if self.opened.elapsed() >= self.slots.lifetime_max {
            Some(Closing::Lifetime)
        } else if connection.last_used().elapsed() >= self.slots.idle_max {
            Some(Closing::Idle)
        } else {
            None
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let connection = self.connection.as_deref();
        if let Some(why) = connection.map(|connection| self.reason(connection)) {
            self.close(why);
        }
    }
}

/// r2d2 takes no limits of 0; those are kept by the pool alone. So are all of them in a simulation,
/// whose connections no thread of the real world may touch.
fn reaped_after(limit: Duration) -> Option<Duration> {
    (!limit.is_zero() && !cfg!(feature = "model")).then_some(limit)
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
        let pool = &self.place.pool;
        pool.close_if_due(&mut self.slot);
        if pool.is_one_too_many.load(Ordering::Relaxed)
            && self.slot.connection.is_some()
            && pool.is_one_too_many.swap(false, Ordering::Relaxed)
        {
            self.slot.close(Closing::Release);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_guest {
            self.pool.guests.fetch_sub(1, Ordering::SeqCst);
        }
        self.pool.leased.fetch_sub(1, Ordering::SeqCst);
    }
}
