//! Cores: a CPU's threads, its clients, and its connections to PostgreSQL.
//!
//! The threads of a core are leader and followers by turns. Whichever is free waits in epoll; the
//! one that gets a ready client owns it, reads, plans, blocks on PostgreSQL, writes, and waits
//! again. There is no hand-off on this path, and no lock held across a system call.
//!
//! Invariant: a core has more threads than connections to PostgreSQL. A thread blocks only with a
//! connection in hand, so one thread is always free for the other clients, and a slow query delays
//! nobody but its own client. A request that finds no connection is parked ([`parking`]).

mod clients;
mod crew;
mod events;
mod footing;
mod parking;
pub(crate) mod placing;
mod pulse;
mod relief;
mod slow_readers;
mod threads;

use crate::log;
use crate::net::{Accepted, Alarm, HANDSHAKES_MAX, Interest, Listener, Reserve, Socket};
use crate::observing::tally::Tally;
use crate::serving::client::{Client, Token};
use crate::serving::handle;
use crate::serving::spool::Spool;
use crate::state::health::Health;
use crate::state::snapshot::{Publication, Snapshot};
use clients::Clients;
use corerest_pg::connect::ConnectError;
use corerest_pg::{Lease, Pool, Preparation, is_out_of_connections};
use corerest_wire::http;
use crew::Crew;
use events::{ALARM, Event, Events, LISTENER, RELIEF};
use parking::Parking;
use placing::{Share, emptiest};
use pulse::Pulse;
use rustix::process::{Resource, getrlimit};
use slow_readers::SlowReaders;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use crew::CrewSize;
pub(crate) use footing::Footing;
pub(crate) use threads::Worker;

/// How often deadlines of clients are looked at. They are whole seconds, and nobody can tell
/// whether an idle connection was closed after 75 or after 76 of them.
const TICK: Duration = Duration::from_secs(1);

/// File descriptors that are neither clients' nor connections' nor a core's own: standard streams,
/// signals, listeners, the control plane's connections, and the admin server with its clients.
const OTHER_DESCRIPTORS: usize = 48;

/// The deadlines of clients, from the `server-*-timeout` keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// With a client that has no request.
    pub(crate) idle: Duration,
    /// With a head that has begun.
    pub(crate) header: Duration,
    /// With a body of which nothing comes.
    pub(crate) body: Duration,
    /// With a client that takes nothing of its response.
    pub(crate) write: Duration,
    /// With a request that waits for a connection.
    pub(crate) acquisition: Duration,
}

/// What all cores share. On the fast path it is only read.
pub(crate) struct Cores {
    cores: Vec<Core>,
    parking: Parking<ParkedRequest>,
    listener: Mutex<Option<Arc<Listener>>>,
    publication: Publication,
    pub(crate) health: Arc<Health>,
    pub(crate) patience: Patience,
    pub(crate) limits: http::Limits,
    pub(crate) spool: Arc<Spool>,
    /// How many connections may wait for clients when others need them and the spool has no room.
    slow_readers_max: usize,
    /// Held by the thread that counts them, until it has cut one off.
    cutting_off: Mutex<()>,
    clients_max: usize,
    /// Whether new clients are left waiting, because there are `clients_max`.
    paused: AtomicBool,
    stopping: AtomicBool,
    /// A file descriptor to give away when there are no more, so that a client can be accepted
    /// and told so instead of being left waiting. Who accepts as usual only shares the lock.
    reserve: RwLock<Reserve>,
    made: Instant,
}

/// One CPU's share.
pub(crate) struct Core {
    share: Share,
    events: Events,
    alarm: Alarm,
    clients: Mutex<Clients>,
    client_count: AtomicUsize,
    /// Clients of any core that rest while a connection of this core's pool waits for them.
    slow_readers: SlowReaders,
    relief_alarm: Alarm,
    /// Whether that alarm is set.
    expects_relief: AtomicBool,
    crew: Crew,
    pulse: Pulse,
    /// How many requests were answered, or parked. Only whether it changes matters.
    answered: AtomicU64,
    pool: Arc<Pool>,
    /// What each of its threads counts.
    tallies: Vec<Arc<Tally>>,
}

/// What a core is and does at a moment, for the metrics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gauges<'a> {
    /// What each of its threads has counted.
    pub(crate) tallies: &'a [Arc<Tally>],
    /// Its clients.
    pub(crate) clients: usize,
    /// Its connections to PostgreSQL that are open.
    pub(crate) connections: usize,
    /// Those of them that are in use.
    pub(crate) connections_used: usize,
    /// How many there may be.
    pub(crate) connections_max: usize,
}

/// A client whose request waits for a connection.
struct ParkedRequest {
    client: Box<Client>,
    parked: Box<handle::Parked>,
}

/// What the cores are made of.
pub(crate) struct CoresSettings {
    /// What the first requests are answered from.
    pub(crate) snapshot: Snapshot,
    /// How PostgreSQL is, and whom to tell that it may be gone.
    pub(crate) health: Arc<Health>,
    /// The deadlines of clients.
    pub(crate) patience: Patience,
    /// The limits of requests.
    pub(crate) limits: http::Limits,
    /// How many clients may be connected.
    pub(crate) clients_max: usize,
    /// Where answers wait for slow readers.
    pub(crate) spool: Arc<Spool>,
    /// How many connections may, when there is no room.
    pub(crate) slow_readers_max: usize,
    /// How many threads are needed at work.
    pub(crate) crew_size: CrewSize,
}

impl Cores {
    /// Makes cores that have no threads yet.
    pub(crate) fn new(
        settings: CoresSettings,
        shares: &[Share],
        pool: impl Fn(&Share) -> Pool,
    ) -> io::Result<Cores> {
        let cores = shares.iter();
        let cores = cores.map(|share| Core::new(*share, pool(share), settings.crew_size));
        Ok(Cores {
            cores: cores.collect::<io::Result<_>>()?,
            parking: Parking::new(),
            listener: Mutex::new(None),
            publication: Publication::new(settings.snapshot),
            health: settings.health,
            patience: settings.patience,
            limits: settings.limits,
            spool: settings.spool,
            slow_readers_max: settings.slow_readers_max,
            cutting_off: Mutex::new(()),
            clients_max: settings.clients_max.min(clients_possible(shares)),
            paused: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            reserve: RwLock::new(Reserve::new()?),
            made: Instant::now(),
        })
    }

    /// Starts the threads.
    pub(crate) fn start(
        self: &Arc<Cores>,
        footing: Footing,
    ) -> io::Result<Vec<thread::JoinHandle<()>>> {
        let mut threads = Vec::new();
        for (index, core) in self.cores.iter().enumerate() {
            core.alarm.set(TICK)?;
            for number in 0..core.share.threads {
                let cores = Arc::clone(self);
                let builder = thread::Builder::new().name(format!("core{index}-{number}"));
                let worker = move || Worker::new(cores, index, number).run(footing);
                threads.push(builder.spawn(worker)?);
            }
        }
        Ok(threads)
    }

    /// Opens the doors: every core takes clients from this socket.
    pub(crate) fn listen(&self, listener: Listener) -> io::Result<()> {
        let listener = Arc::new(listener);
        *lock(&self.listener) = Some(Arc::clone(&listener));
        self.cores
            .iter()
            .try_for_each(|core| core.events.poll.add_shared(&*listener, LISTENER))
    }

    /// Whether clients can reach the server.
    pub(crate) fn is_reachable(&self) -> bool {
        lock(&self.listener)
            .as_ref()
            .is_some_and(|listener| listener.is_reachable())
    }

    /// Whether all cores get round to what happens: none has been asked for longer than `patience`
    /// without an answer. They are asked now, and answer to the next call.
    pub(crate) fn get_on(&self, patience: Duration) -> bool {
        let now = self.made.elapsed();
        self.cores.iter().fold(true, |all, core| {
            let answers = core.pulse.ask(now, patience);
            core.events.ring();
            all && answers
        })
    }

    /// Stops accepting. Threads end when their core has no more clients. Blocks for a moment if
    /// another process takes over.
    pub(crate) fn stop(&self) {
        let listener = lock(&self.listener).clone();
        if listener.is_some_and(|listener| listener.leave()) {
            thread::sleep(HANDSHAKES_MAX);
        }
        let listener = lock(&self.listener).take();
        if let Some(listener) = listener {
            for core in &self.cores {
                let _ = core.events.poll.remove(&*listener);
            }
            // Whom the kernel has connected already would be cut off without a word.
            while let Ok(Some(accepted)) = listener.accept() {
                self.place(accepted);
            }
        }
        self.stopping.store(true, Ordering::SeqCst);
        for core in &self.cores {
            core.crew.close_bench();
            core.events.ring();
        }
    }

    /// What each core is and does at this moment.
    pub(crate) fn gauges(&self) -> impl Iterator<Item = Gauges<'_>> {
        self.cores.iter().map(|core| Gauges {
            tallies: &core.tallies,
            clients: core.client_count.load(Ordering::Relaxed),
            connections: core.pool.connections(),
            connections_used: core.pool.leased(),
            connections_max: core.share.connections,
        })
    }

    /// How many requests wait for a connection.
    pub(crate) fn parked(&self) -> usize {
        self.parking.len()
    }

    /// What requests are answered from at this moment.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.publication.current()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.cores.len()
    }

    /// Replaces what requests are answered from.
    pub(crate) fn publish(&self, snapshot: Snapshot) {
        self.publication.publish(snapshot);
    }

    /// Replaces the connections to PostgreSQL; those in use are replaced after their request.
    pub(crate) fn flush_connections(&self) {
        self.cores.iter().for_each(|core| core.pool.flush());
        log::debug(|| "Database connection pool flushed".to_owned());
    }

    /// Whether connections opened from now on keep their statements.
    pub(crate) fn set_preparation(&self, preparation: Preparation) {
        let pools = self.cores.iter().map(|core| &core.pool);
        pools.for_each(|pool| pool.set_preparation(preparation));
    }

    /// Does something while no core accepts a client.
    pub(crate) fn while_nobody_accepts<T>(&self, work: impl FnOnce() -> T) -> T {
        let _reserve = self.reserve.write().unwrap_or_else(PoisonError::into_inner);
        work()
    }

    /// Accepts a client, unless there are no more file descriptors but those in reserve.
    fn accept(&self, listener: &Listener) -> io::Result<Option<Accepted>> {
        let _reserve = self.reserve.read().unwrap_or_else(PoisonError::into_inner);
        listener.accept()
    }

    /// Turns a client away when there are no more file descriptors.
    fn turn_away(&self, listener: &Listener) {
        let mut reserve = self.reserve.write().unwrap_or_else(PoisonError::into_inner);
        if let Ok(Some(accepted)) = reserve.accept(listener) {
            reserve.put_back(accepted.fd);
        }
    }

    /// Whether no further requests are taken.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Whether no more clients are taken.
    fn is_full(&self) -> bool {
        self.client_counts().sum::<usize>() >= self.clients_max
    }

    /// Leaves new clients waiting in the kernel's queue until one of ours is gone.
    fn pause_accepting(&self) {
        if self.paused.swap(true, Ordering::SeqCst) {
            return;
        }
        if let Some(listener) = &*lock(&self.listener) {
            for core in &self.cores {
                let _ = core.events.poll.remove(&**listener);
            }
        }
        if !self.is_full() {
            self.resume_accepting();
        }
    }

    fn resume_accepting(&self) {
        if !self.paused.swap(false, Ordering::SeqCst) {
            return;
        }
        if let Some(listener) = &*lock(&self.listener) {
            for core in &self.cores {
                // It can only be there already, added by whoever resumes at the same time.
                let _ = core.events.poll.add_shared(&**listener, LISTENER);
            }
        }
    }

    fn client_counts(&self) -> impl Iterator<Item = usize> {
        self.cores
            .iter()
            .map(|core| core.client_count.load(Ordering::SeqCst))
    }

    /// Brings a new client to the core with the fewest.
    fn place(&self, accepted: Accepted) {
        let home = emptiest(self.client_counts());
        let core = &self.cores[home];
        let socket = Socket::new(accepted.fd);
        core.client_count.fetch_add(1, Ordering::SeqCst);
        let mut clients = lock(&core.clients);
        let token = clients.reserve();
        let deadline = Instant::now() + self.patience.idle;
        let mut client = Client::new(token, home, socket.clone(), deadline);
        client.peer = accepted.peer;
        clients.rest(Box::new(client));
        drop(clients);
        // Out of memory for epoll: the client is dropped like any other that cannot be kept.
        if core
            .events
            .poll
            .add(&socket, token.number(), Interest::Read)
            .is_err()
            && let Some(client) = core.take(token)
        {
            self.close(client);
        }
    }

    /// Brings a client back to its core, to wait there.
    fn rest(&self, mut client: Box<Client>, interest: Interest) {
        self.note_slow_reader(&mut client);
        let core = &self.cores[client.home];
        // The socket is held until it is registered again: should the client expire in between,
        // its number is not given to another one.
        let socket = client.socket.clone();
        let token = client.token;
        lock(&core.clients).rest(client);
        if core
            .events
            .poll
            .rearm(&socket, token.number(), interest)
            .is_err()
            && let Some(client) = core.take(token)
        {
            self.close(client);
        }
    }

    /// Ends a client's connection.
    fn close(&self, client: Box<Client>) {
        self.forget_slow_reader(&client);
        let core = &self.cores[client.home];
        let token = client.token;
        drop(client);
        lock(&core.clients).release(token);
        core.client_count.fetch_sub(1, Ordering::SeqCst);
        if self.paused.load(Ordering::SeqCst) {
            self.resume_accepting();
        }
    }

    /// A connection for a request on this core: `None` if it has to wait for one.
    ///
    /// # Errors
    /// If PostgreSQL cannot be reached. One that has no room for another connection can, through
    /// those of the other cores; so the request waits for them.
    pub(crate) fn connection(&self, index: usize) -> Option<Result<Lease, ConnectError>> {
        let connection = self.cores[index].pool.take()?;
        match &connection {
            Err(error) if is_out_of_connections(error) && self.others_connected(index) => None,
            _ => Some(connection),
        }
    }

    /// A thread of a core is about to ask for something that makes it wait for the disk.
    pub(crate) fn expect_to_wait(&self, index: usize, thread: usize) {
        self.cores[index].crew.expect_to_wait(thread);
    }

    fn others_connected(&self, index: usize) -> bool {
        let others = self
            .cores
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index);
        others
            .map(|(_, core)| core.pool.connections())
            .sum::<usize>()
            > 0
    }

    /// Wakes the other cores that have a free connection for a parked request.
    fn offer_parked(&self, from: usize) {
        for (index, core) in self.cores.iter().enumerate() {
            if index != from && core.pool.has_room() {
                core.events.ring();
                return;
            }
        }
    }
}

impl Core {
    fn new(share: Share, pool: Pool, crew_size: CrewSize) -> io::Result<Core> {
        let events = Events::new()?;
        let alarm = Alarm::new()?;
        events.poll.add_shared(&alarm, ALARM)?;
        let relief_alarm = Alarm::new()?;
        events.poll.add_shared(&relief_alarm, RELIEF)?;
        Ok(Core {
            share,
            events,
            alarm,
            clients: Mutex::new(Clients::default()),
            client_count: AtomicUsize::new(0),
            slow_readers: SlowReaders::default(),
            relief_alarm,
            expects_relief: AtomicBool::new(false),
            crew: Crew::new(crew_size, share.threads),
            pulse: Pulse::new(),
            answered: AtomicU64::new(0),
            pool: Arc::new(pool),
            tallies: (0..share.threads).map(|_| Arc::default()).collect(),
        })
    }

    fn take(&self, token: Token) -> Option<Box<Client>> {
        lock(&self.clients).take(token)
    }
}

/// A panic while the lock was held would have been a bug of ours; the data is a table or a queue
/// whose operations do not leave it half done, so the others go on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many clients there are file descriptors for. Connections to PostgreSQL, the admin server and
/// the control plane need some, too: to know how the server is matters most when it is full.
fn clients_possible(shares: &[Share]) -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let connections: usize = shares.iter().map(|share| share.connections).sum();
    let others = connections + 4 * shares.len() + OTHER_DESCRIPTORS;
    limit.saturating_sub(others).max(1)
}
