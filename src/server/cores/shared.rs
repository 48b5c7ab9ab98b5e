//! What the threads of all cores share, and what a client, a request or a connection is to them.
//!
//! A request that finds no connection is parked ([`super::parking`]), and so is one that would be
//! served before others that wait: the one that has waited longest comes first.
//!
//! Invariant: a core has more threads than connections to PostgreSQL ([`super::placing`]), and a
//! thread blocks only with a connection of its own core in hand: where a body follows from another
//! core's connection, the client moves there ([`Cores::rest`]). So one thread of each core is
//! always free for the clients, and a slow query delays nobody but its own client. The simulation
//! of a whole core fails when one has to wait although nobody is before it.

use super::awaiting::{Awaiting, AwaitingClient};
use super::clients::{Clients, RestedUntil};
use super::crew::Crew;
use super::door::{Admission, Door};
use super::events::{ALARM, Event, Events, RELIEF, ROUND};
use super::idleness::Idleness;
use super::parking::Parking;
use super::placing::{Share, emptiest};
use super::pulse::Pulse;
use super::rear::Rear;
use super::relief::{Measure, ReliefAlarm, SlowReader, SlowReaders, measure};
use super::rounds::Rounds;
use crate::log;
use crate::net::{Accepted, Alarm, HANDSHAKES_MAX, Interest, Listener, Reserve, Socket};
use crate::observing::gauges::{CoreGauges, Gauges, ReplicaGauges};
use crate::observing::tally::Tally;
use crate::serving::aim::{Aim, Connected, Quest, Server, Unreachable, WaitsFor};
use crate::serving::client::{Client, ClientToken};
use crate::serving::grant::{HeldPlace, Places};
use crate::serving::handle::WaitingRequest;
use crate::serving::hearing::Word;
use crate::serving::memory::Memory;
use crate::serving::spool::{Room, Spool, files_possible};
use crate::state::channels::{Channels, Place};
use crate::state::fleet::Fleet;
use crate::state::health::Health;
use crate::state::key_board::KeyBoard;
use crate::state::snapshot::{Publication, Snapshot};
use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Instant, Mutant, Mutex, RwLock, is_mutant, lock, sleep};
use corerest_api::{AnswerSize, Position, Standing};
use corerest_pg::connect::ConnectError;
use corerest_pg::{Lease, Pool, Preparation, is_out_of_connections};
use corerest_wire::http;
use rustix::process::{Resource, getrlimit};
use std::fmt;
use std::io;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// How often deadlines of clients are looked at. They are whole seconds, and nobody can tell
/// whether an idle connection was closed after 75 or after 76 of them.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// How often whoever stops the server, and then each thread, looks whether the clients are gone.
pub(super) const STOPPING_TICK: Duration = Duration::from_millis(20);

/// How long clients without a request keep their connections when another process has taken over,
/// unless the configuration says otherwise: many times the pause between two requests of a client
/// who is at work. Nobody waits for the end of the older process.
const HAND_OVER_GRACE: Duration = Duration::from_secs(5);

/// How long a request may be on its way after an answer, or after its client has connected: most
/// round trips are shorter, and nobody notices that a stop is longer by that.
pub(super) const ON_ITS_WAY: Duration = Duration::from_millis(100);

/// How long a new client is let be before it may be closed for others, when all places are taken:
/// its request is on its way.
pub(super) const SILENT_SPARED: Duration = ON_ITS_WAY;

/// The same for a client that is between two requests, in the middle of a head, or in that of a
/// body of which nothing much comes: longer than the pause of one who is at work.
const IDLE_SPARED: Duration = Duration::from_secs(1);

/// How many of those between two requests are closed at a time, by each core: they are worth
/// something, unlike those that never ask. A few more than there are new ones at a time, and no
/// large part of all.
const EVICTED_AT_ONCE: usize = 16;
const EVICTED_PART: usize = 16;

/// This part of all places is for clients who hear no events. Those who do stay for long, and are
/// never closed for new ones.
const STREAMLESS_PART: usize = 4;

/// When somebody was told that all places are taken.
static FULL_WARNED: log::Seldom = log::Seldom::new();

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
    /// With a client that has no request when the server ends; `None` for what suits the end.
    pub(crate) shutdown: Option<Duration>,
}

/// What all cores share. On the fast path it is only read.
pub(crate) struct Cores {
    pub(super) cores: Vec<Core>,
    pub(super) parking: Parking<ParkedClient>,
    pub(super) awaiting: Awaiting<AwaitingClient>,
    pub(super) key_board: Arc<KeyBoard>,
    pub(super) door: Arc<Door>,
    pub(super) publication: Publication,
    pub(super) health: Arc<Health>,
    pub(super) fleet: Arc<Fleet>,
    pub(super) patience: Patience,
    pub(super) limits: http::Limits,
    /// What clients hear.
    pub(super) channels: Arc<Channels>,
    memory: Arc<Memory>,
    spool: Arc<Spool>,
    /// The uploads that are under way, on all cores.
    uploads: Arc<Places>,
    /// How many connections may wait for clients when others need them and the spool has no room.
    slow_readers_max: usize,
    /// Held by the thread that counts them, until it has cut one off.
    cutting_off: Mutex<()>,
    ending: AtomicBool,
    stopping: AtomicBool,
    /// A file descriptor to give away when there are no more, so that a client can be accepted
    /// and told so instead of being left waiting. Who accepts as usual only shares the lock.
    reserve: RwLock<Reserve>,
    made: Instant,
}

/// One CPU's share.
pub(super) struct Core {
    pub(super) share: Share,
    pub(super) events: Events,
    pub(super) alarm: Alarm,
    pub(super) clients: Mutex<Clients>,
    client_count: AtomicUsize,
    /// Clients that rest while a connection of this core's pool waits for them.
    slow_readers: SlowReaders,
    pub(super) relief_alarm: ReliefAlarm,
    pub(super) rounds: Rounds,
    pub(super) crew: Crew,
    pub(super) pulse: Pulse,
    /// How many requests were answered, or parked. Only whether it changes matters.
    pub(super) answered: AtomicU64,
    /// Its connections to the primary.
    pub(super) pool: Arc<Pool>,
    /// How many of its connections may bring large answers.
    large: Arc<Places>,
    /// How often the primary was asked, where there are replicas.
    primary_asked: AtomicU64,
    /// Its connections to each replica.
    replicas: Vec<ReplicaPool>,
    /// Where threads are that have stepped back.
    pub(super) rear: Rear,
    /// What each of its threads counts.
    pub(super) tallies: Vec<Arc<Tally>>,
}

/// The connections of a core to a replica.
struct ReplicaPool {
    pool: Arc<Pool>,
    /// How often requests have asked it. Only the threads of the core write it.
    asked: AtomicU64,
}

/// What requests wait for replicas to replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Awaited {
    /// Whether it is something that was written.
    pub(crate) is_written: bool,
    /// The first position that is behind the end of the log, as far as that is known.
    pub(crate) beyond: Option<Position>,
}

impl Awaited {
    /// Whether a server that has come so far shows that some of it was written after all.
    pub(crate) fn is_shown_by(&self, standing: &Standing) -> bool {
        self.beyond.is_some_and(|beyond| {
            beyond.timeline <= standing.timeline && beyond.lsn <= standing.end
        })
    }
}

/// A client whose request waits for a connection.
pub(super) struct ParkedClient {
    pub(super) client: Box<Client>,
    pub(super) waiting: Box<WaitingRequest>,
}

/// What frees a connection.
pub(super) enum Relief {
    /// The client's answer is brought into the spool, where it has this room.
    Spool(Box<Client>, Room),
    /// The client's answer ends here.
    CutOff(Box<Client>),
}

/// What the cores are made of.
pub(crate) struct CoresSettings {
    /// What the first requests are answered from.
    pub(crate) snapshot: Snapshot,
    /// What is being fetched for tokens whose keys are not there.
    pub(crate) key_board: Arc<KeyBoard>,
    /// How PostgreSQL is, and whom to tell that it may be gone.
    pub(crate) health: Arc<Health>,
    /// How the replicas are.
    pub(crate) fleet: Arc<Fleet>,
    /// The deadlines of clients.
    pub(crate) patience: Patience,
    /// The limits of requests.
    pub(crate) limits: http::Limits,
    /// How many clients may be connected.
    pub(crate) clients_max: usize,
    /// What clients may make the server hold.
    pub(crate) memory: Arc<Memory>,
    /// Where answers wait for slow readers.
    pub(crate) spool: Arc<Spool>,
    /// How many connections may, when there is no room.
    pub(crate) slow_readers_max: usize,
}

impl Cores {
    /// Makes cores that have no threads yet. The pool of a replica is made by its number.
    pub(crate) fn new(
        settings: CoresSettings,
        shares: &[Share],
        pool: impl Fn(&Share, Server) -> Pool,
    ) -> io::Result<Cores> {
        let cores = shares.iter();
        let replicas = settings.fleet.replicas().len();
        let servers = 1 + replicas;
        let replicas = |share: &Share| {
            let pools = (0..replicas).map(|replica| pool(share, Server::Replica(replica)));
            pools.collect()
        };
        let idleness = Arc::new(Idleness::of_our_cpus());
        let cores = cores.map(|share| {
            let primary = pool(share, Server::Primary);
            Core::new(*share, primary, replicas(share), Arc::clone(&idleness))
        });
        let cores = cores.collect::<io::Result<Vec<Core>>>()?;
        let polls = cores.iter().map(|core| Arc::clone(&core.events.poll));
        let clients_max = settings.clients_max.min(clients_possible(shares, servers));
        Ok(Cores {
            door: Door::new(clients_max, polls.collect()),
            cores,
            parking: Parking::new(),
            awaiting: Awaiting::new(),
            key_board: settings.key_board,
            publication: Publication::new(settings.snapshot),
            health: settings.health,
            fleet: settings.fleet,
            patience: settings.patience,
            limits: settings.limits,
            channels: Arc::new(Channels::new()?),
            memory: settings.memory,
            spool: settings.spool,
            uploads: Arc::default(),
            slow_readers_max: settings.slow_readers_max,
            cutting_off: Mutex::new(()),
            ending: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            reserve: RwLock::new(Reserve::new()?),
            made: Instant::now(),
        })
    }

    /// Opens the door: every core takes clients from this socket.
    pub(crate) fn listen(&self, listener: Listener) -> io::Result<()> {
        self.door.open(listener)
    }

    /// Whether somebody who connects is answered within this time, or would have to wait because
    /// there are as many clients as there may be. Blocks for as long as that takes.
    pub(crate) fn serves_clients(&self, patience: Duration) -> bool {
        let Some(listener) = self.door.listener() else {
            return false;
        };
        if self.door.is_full() {
            return listener.is_reachable();
        }
        // The last places may have been taken meanwhile.
        listener.answers(patience) || self.door.is_full()
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

    /// Stops: the end is announced first, then nobody is let in any more, and then the clients
    /// without a request go, and the threads when there are no more clients. Blocks as long as
    /// clients have time for another request, to which the answer announces the end.
    ///
    /// ```text
    /// end announced ──grace (handshakes, at a hand-over)──▶ door closed
    ///       ──nobody left, grace over, and nothing ON_ITS_WAY──▶ stopping
    /// ```
    pub(crate) fn stop(&self) {
        let began = Instant::now();
        self.ending.store(true, Ordering::SeqCst);
        let is_taken_over = self.door.listener().map(|listener| listener.leave());
        let default = match is_taken_over {
            Some(true) => HAND_OVER_GRACE,
            Some(false) | None => Duration::ZERO,
        };
        let grace = self.patience.shutdown.unwrap_or(default);
        match is_taken_over {
            Some(true) => sleep(HANDSHAKES_MAX),
            // Whoever has set it waits for a load balancer to notice, which sends clients as long.
            Some(false) if !grace.is_zero() => sleep(grace),
            Some(false) | None => {}
        }
        self.close_door();
        // They come to somebody else now.
        self.end_streams();
        let over = (began + grace).max(Instant::now() + ON_ITS_WAY);
        let waits = !is_mutant(Mutant::ClosesUnannounced);
        while waits && self.door.taken() > 0 && Instant::now() < over {
            sleep(STOPPING_TICK);
        }
        self.stopping.store(true, Ordering::SeqCst);
        for core in &self.cores {
            core.crew.close_bench();
            core.events.ring();
        }
    }

    /// Lets nobody in any more but those whom the kernel has connected already: they would be cut
    /// off without a word. Those at a socket that lives on are its next owner's.
    fn close_door(&self) {
        if let Some(listener) = self.door.close()
            && !listener.lives_on()
        {
            while let Ok(Some(accepted)) = listener.accept() {
                self.place(accepted, self.door.admit());
            }
        }
    }

    /// What the cores are and do at this moment.
    pub(crate) fn gauges(&self) -> Gauges {
        let cores = self.cores.iter().map(|core| CoreGauges {
            tallies: core.tallies.clone(),
            clients: core.client_count.load(Ordering::Relaxed),
            streams: core.rounds.audience.len(),
            connections: core.pool.connections(),
            connections_used: core.pool.leased(),
            connections_max: core.share.connections,
            asked: core.primary_asked.load(Ordering::Relaxed),
            replicas: core.replicas.iter().map(ReplicaPool::gauges).collect(),
        });
        Gauges {
            cores: cores.collect(),
            waiting: self.parking.len(),
            channels: self.channels.count(),
            listening: self.channels.listening(),
            streams_max: self.streams_max(),
            slow_readers: self.slow_readers(),
            spool_bytes: self.spool.bytes(),
            spool_bytes_max: self.spool.bytes_max(),
            clients_max: self.door.places(),
            clients_evicted: self.door.evicted(),
            memory_bytes: self.memory.held(),
            memory_bytes_max: self.memory.bytes_max(),
            memory_refusals: self.memory.refusals(),
        }
    }

    /// What requests are answered from at this moment.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.publication.current()
    }

    /// What is being fetched for tokens whose keys are not there.
    pub(crate) fn key_board(&self) -> &Arc<KeyBoard> {
        &self.key_board
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.cores.len()
    }

    /// Replaces what requests are answered from by what is made of it.
    pub(crate) fn publish(&self, make: impl FnOnce(&Snapshot) -> Snapshot) {
        self.publication.publish(make);
        // Whether there is anything to hear may have changed.
        self.channels.bell().ring();
    }

    /// How often that was done.
    pub(crate) fn edition(&self) -> u64 {
        self.publication.edition()
    }

    /// Something else was published, and those who hear have to ask anew: whether they may hear
    /// what they hear was decided by what has changed. Whoever has just begun to hear looks
    /// afterwards by what.
    pub(crate) fn end_streams(&self) {
        self.tell(&Word::End);
    }

    /// Whether this is what requests are answered from at this moment.
    pub(super) fn is_current(&self, snapshot: &Arc<Snapshot>) -> bool {
        Arc::ptr_eq(snapshot, &self.publication.current())
    }

    /// What clients hear.
    pub(crate) fn channels(&self) -> &Arc<Channels> {
        &self.channels
    }

    /// Tells something to those who hear it, on all cores.
    pub(crate) fn tell(&self, word: &Word) {
        for core in &self.cores {
            core.rounds.tell(word.clone());
        }
    }

    /// Tells something to one of them.
    pub(crate) fn tell_one(&self, place: Place, word: Word) {
        self.cores[place.core].rounds.tell(word);
    }

    /// How many clients may hear events: the other places are for those who ask for something.
    pub(super) fn streams_max(&self) -> usize {
        let places = self.door.places();
        (places - places / STREAMLESS_PART).max(1)
    }

    /// Whether as many clients hear events as may.
    pub(super) fn are_streams_full(&self) -> bool {
        let cores = self.cores.iter();
        let streams: usize = cores.map(|core| core.rounds.audience.len()).sum();
        streams >= self.streams_max()
    }

    /// A fetch of keys has ended: those who wait for one look again. Whoever is about to wait has
    /// not seen that it has ended, and looks at once.
    pub(crate) fn rouse_awaiting(&self) {
        self.cores.iter().for_each(|core| core.events.ring());
    }

    /// Replaces the connections to PostgreSQL; those in use are replaced after their request.
    pub(crate) fn flush_connections(&self) {
        self.pools().for_each(|pool| pool.flush());
        log::debug(|| "Database connection pool flushed".to_owned());
    }

    /// Replaces the connections to one server.
    pub(crate) fn flush_connections_to(&self, server: Server) {
        for core in &self.cores {
            match server {
                Server::Primary => core.pool.flush(),
                Server::Replica(replica) => core.replicas[replica].pool.flush(),
            }
        }
    }

    /// Closes a connection to the primary, which has no room for another one of ours: one that is
    /// idle, or the next that comes back, but not the last one. Requests open none in its place for
    /// a second, and wait for those that are left. Says whether there is one to close.
    pub(crate) fn make_room(&self) -> bool {
        let pools = || self.cores.iter().map(|core| &core.pool);
        if pools().map(|pool| pool.connections()).sum::<usize>() < 2 {
            return false;
        }
        pools().for_each(|pool| pool.hold_back());
        if !pools().any(|pool| pool.close_idle())
            && let Some(largest) = pools().max_by_key(|pool| pool.connections())
        {
            largest.close_next(true);
        }
        true
    }

    /// Nobody waits for that any more.
    pub(crate) fn end_making_room(&self) {
        self.cores
            .iter()
            .for_each(|core| core.pool.close_next(false));
    }

    /// Whether connections to a replica were opened that lead to a primary.
    pub(crate) fn has_met_primary(&self, replica: usize) -> bool {
        let mut cores = self.cores.iter();
        cores.any(|core| core.replicas[replica].pool.has_met_primary())
    }

    /// Whether connections opened from now on keep their statements.
    pub(crate) fn set_preparation(&self, preparation: Preparation) {
        self.pools()
            .for_each(|pool| pool.set_preparation(preparation));
    }

    fn pools(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.cores.iter().flat_map(|core| {
            let replicas = core.replicas.iter().map(|replica| &replica.pool);
            [&core.pool].into_iter().chain(replicas)
        })
    }

    /// The clients of a core that may go for others, now that all places are taken; empty if they
    /// are not. Somebody hears of it, once a minute.
    #[expect(
        clippy::vec_box,
        reason = "clients live in boxes, and are moved as such"
    )]
    pub(super) fn take_dispensable(&self, index: usize) -> Vec<Box<Client>> {
        if !self.door.is_full() || self.is_stopping() {
            return Vec::new();
        }
        let now = Instant::now();
        let at_most = self
            .door
            .places()
            .div_ceil(EVICTED_PART)
            .min(EVICTED_AT_ONCE);
        let until = RestedUntil {
            silent: now + self.patience.idle.saturating_sub(SILENT_SPARED),
            head: now + self.patience.header.saturating_sub(IDLE_SPARED),
            idle: now + self.patience.idle.saturating_sub(IDLE_SPARED),
            body: now + self.patience.body.saturating_sub(IDLE_SPARED),
        };
        let clients = lock(&self.cores[index].clients).take_dispensable(until, at_most);
        self.door.evicts(clients.len());
        log::warn_seldom(&FULL_WARNED, || {
            format!(
                "As many clients are connected as there may be: {}. Those that have been idle for \
                 the longest are closed for new ones ({} so far). See server-max-connections and \
                 the limit of open files.",
                self.door.places(),
                self.door.evicted()
            )
        });
        clients
    }

    /// How much memory clients make the server hold.
    pub(crate) fn memory_held(&self) -> usize {
        self.memory.held()
    }

    /// Whether all places for clients are taken.
    pub(super) fn is_full(&self) -> bool {
        self.door.is_full()
    }

    /// Does something while no core accepts a client.
    pub(crate) fn while_nobody_accepts<T>(&self, work: impl FnOnce() -> T) -> T {
        let _reserve = self.reserve.write().unwrap_or_else(PoisonError::into_inner);
        work()
    }

    /// Accepts a client, unless there are no more file descriptors but those in reserve.
    pub(super) fn accept(&self, listener: &Listener) -> io::Result<Option<Accepted>> {
        let _reserve = self.reserve.read().unwrap_or_else(PoisonError::into_inner);
        listener.accept()
    }

    /// Turns a client away when there are no more file descriptors.
    pub(super) fn turn_away(&self, listener: &Listener) {
        let mut reserve = self.reserve.write().unwrap_or_else(PoisonError::into_inner);
        if let Ok(Some(accepted)) = reserve.accept(listener) {
            reserve.put_back(accepted.fd);
        }
    }

    /// Whether each response says that its connection ends.
    pub(crate) fn announces_end(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// Whether clients without a request are closed.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Whether all clients are gone, and no other one can come.
    pub(super) fn is_deserted(&self) -> bool {
        self.stopping.load(Ordering::SeqCst) && self.door.taken() == 0
    }

    /// Brings a new client to the core with the fewest.
    pub(super) fn place(&self, accepted: Accepted, place: Admission) {
        let counts = self.cores.iter();
        let counts = counts.map(|core| core.client_count.load(Ordering::Relaxed));
        let home = emptiest(counts);
        let core = &self.cores[home];
        let token = core.reserve(place);
        let deadline = Instant::now() + self.patience.idle;
        let socket = Socket::new(accepted.fd);
        let memory = self.memory.open();
        let peer = accepted.peer;
        let mut client = Client::new(token, home, socket.clone(), peer, memory, deadline);
        client.is_visitor = accepted.is_visitor;
        lock(&core.clients).rest(Box::new(client));
        self.wait_for(home, token, || {
            core.events
                .poll
                .add(&socket, token.number(), Interest::Read)
        });
    }

    /// Brings a client back to its core, to wait there: to that of its connection, if one waits
    /// for it, so that no thread ever reads from another core's connection.
    pub(super) fn rest(&self, mut client: Box<Client>, interest: Interest) {
        let moves_to = client
            .connected_to()
            .filter(|core| *core != client.home && !is_mutant(Mutant::ClientsStay));
        if let Some(core) = moves_to {
            self.move_home(&mut client, core);
        }
        self.note_slow_reader(&mut client);
        let (home, token) = (client.home, client.token);
        let core = &self.cores[home];
        // The socket is held until it is registered again: should the client expire in between,
        // its number is not given to another one.
        let socket = client.socket.clone();
        lock(&core.clients).rest(client);
        self.wait_for(home, token, || match moves_to {
            None => core.events.poll.rearm(&socket, token.number(), interest),
            Some(_) => core.events.poll.add(&socket, token.number(), interest),
        });
    }

    /// Another core is the client's from now on.
    fn move_home(&self, client: &mut Client, home: usize) {
        // It fails only where the client is not waited for.
        let _ = self.cores[client.home].events.poll.remove(&client.socket);
        let place = self.cores[client.home].give_up(client.token);
        client.home = home;
        client.token = self.cores[home].reserve(place);
    }

    /// Has epoll wait for a resting client. If it cannot, out of memory, the client is dropped like
    /// any other that cannot be kept.
    fn wait_for(&self, home: usize, token: ClientToken, register: impl FnOnce() -> io::Result<()>) {
        if register().is_err()
            && let Some(client) = self.take(home, token)
        {
            self.close(client);
        }
    }

    /// Takes a resting client to serve it; `None` for a late event.
    pub(super) fn take(&self, home: usize, token: ClientToken) -> Option<Box<Client>> {
        let client = lock(&self.cores[home].clients).take(token)?;
        self.forget_slow_reader(&client);
        Some(client)
    }

    /// Has a client that was taken, and not served, be the next again.
    pub(super) fn put_back(&self, mut client: Box<Client>) {
        self.note_slow_reader(&mut client);
        let core = &self.cores[client.home];
        let event = Event::Client(client.token, client.other_side);
        lock(&core.clients).rest(client);
        core.events.put_back(event);
    }

    /// Ends a client's connection. Nothing of it is in a list any more.
    pub(super) fn close(&self, client: Box<Client>) {
        let (home, token) = (client.home, client.token);
        drop(client);
        self.cores[home].release(token);
    }

    /// A connection for a request on this core: `None` if it has to wait for one.
    ///
    /// # Errors
    /// If there will be none soon.
    pub(super) fn connection(
        &self,
        index: usize,
        aim: Aim,
    ) -> Option<Result<Connected, Unreachable>> {
        let lease = match aim {
            Aim::Primary => self.to_primary(index, self.cores[index].pool.take())?,
            Aim::Replica { after } => match self.to_replica(index, after) {
                Ok(connected) => return Some(Ok(connected)),
                Err(Lack::Busy) => return None,
                Err(Lack::NoReplica) if self.fleet.falls_back() => {
                    let core = &self.cores[index];
                    self.to_primary(index, core.pool.take_as_guest(core.guests_max()))?
                }
                Err(Lack::NoReplica) => return Some(Err(Unreachable::NoReplica)),
            },
        };
        let server = Server::Primary;
        Some(lease.map(|lease| Connected { lease, server }))
    }

    /// What has come of taking a connection to the primary. One that has no room for another
    /// connection can be reached through those of the other cores; so the request waits for them.
    fn to_primary(
        &self,
        index: usize,
        taken: Option<Result<Lease, ConnectError>>,
    ) -> Option<Result<Lease, Unreachable>> {
        match taken? {
            Err(error) if is_out_of_connections(&error) && self.others_connected(index) => None,
            Err(error) => Some(Err(Unreachable::Connect(error))),
            Ok(lease) => {
                if lease.is_new() {
                    self.health.look_again();
                }
                Some(Ok(lease))
            }
        }
    }

    /// A request asks a server, by a connection of this core.
    pub(super) fn note_asked(&self, index: usize, server: Server) {
        let core = &self.cores[index];
        let asked = match server {
            Server::Primary if self.has_replicas() => &core.primary_asked,
            Server::Primary => return,
            Server::Replica(replica) => &core.replicas[replica].asked,
        };
        asked.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection of this core to the usable replica of which it has the fewest in use, rather
    /// to one that has replayed this. Those that cannot be reached are left out from now on.
    fn to_replica(&self, index: usize, after: Option<Position>) -> Result<Connected, Lack> {
        let core = &self.cores[index];
        let mut lack = Lack::NoReplica;
        let mut tried = Vec::new();
        loop {
            let replicas = self.fleet.replicas().iter().zip(&core.replicas).enumerate();
            let usable = replicas
                .filter(|(replica, (known, _))| known.is_usable() && !tried.contains(replica));
            let best = usable.min_by_key(|(_, (known, own))| {
                let is_behind = after.is_some_and(|after| known.replayed() < after.lsn);
                (!own.pool.has_room(), is_behind, own.pool.leased())
            });
            let Some((replica, (_, own))) = best else {
                return Err(lack);
            };
            match own.pool.take() {
                Some(Ok(lease)) => {
                    let server = Server::Replica(replica);
                    return Ok(Connected { lease, server });
                }
                Some(Err(error)) => _ = self.lose(replica, &error),
                None => lack = Lack::Busy,
            }
            tried.push(replica);
        }
    }

    /// A replica was lost, or could not be reached. Returns whether that is news, and told.
    pub(crate) fn lose(&self, replica: usize, why: &dyn fmt::Display) -> bool {
        let is_news = self.fleet.lose(replica);
        if is_news {
            log::warn(&self.left_out(replica, why));
            self.on_fleet_changed();
        }
        is_news
    }

    /// What is said of a replica that is not asked.
    pub(crate) fn left_out(&self, replica: usize, why: &dyn fmt::Display) -> String {
        let name = self.fleet.replicas()[replica].name();
        format!("The replica {name} is left out: {why}")
    }

    /// Whether there are any.
    pub(super) fn has_replicas(&self) -> bool {
        !self.fleet.replicas().is_empty()
    }

    /// How the replicas are.
    pub(crate) fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// What those wait for that wait for replicas, as far as the log is known to go.
    pub(crate) fn awaited(&self) -> Awaited {
        let end = self.fleet.end();
        let after = |parked: &ParkedClient| parked.waiting.quest.after();
        let beyond = |parked: &ParkedClient| after(parked).filter(|after| Some(*after) > end);
        let least = self.parking.least(WaitsFor::Replay, after);
        Awaited {
            is_written: least.is_some() && least <= end,
            beyond: self.parking.least(WaitsFor::Replay, beyond),
        }
    }

    /// The primary was looked at, and its log ended here: whoever waits for what is not written
    /// asks the primary, as if no replica had replayed it in time.
    pub(crate) fn end_hopeless(&self, look: u64, end: Position) {
        let is_hopeless = |quest: &Quest| quest.is_hopeless(look, end);
        self.end_wait_for_replay(WaitsFor::Primary, is_hopeless, Quest::on_not_replayed);
    }

    /// What is known of the replicas has changed: reads may have somewhere else to go now.
    pub(crate) fn on_fleet_changed(&self) {
        let is_replayed = |quest: &Quest| {
            let after = quest.after();
            after.is_some_and(|after| self.fleet.has_replayed(after))
        };
        self.end_wait_for_replay(WaitsFor::Replica, is_replayed, Quest::on_replayed);
    }

    /// Whoever has waited for a replay for long enough waits for a connection of this line.
    fn end_wait_for_replay(
        &self,
        line: WaitsFor,
        is_over: impl Fn(&Quest) -> bool,
        tell: impl Fn(&mut Quest),
    ) {
        // All of that line count as usual until they wait for a connection.
        let if_over =
            |parked: &ParkedClient| is_over(&parked.waiting.quest).then_some(AnswerSize::Usual);
        let no_place = || None::<()>;
        let next = || {
            self.parking
                .take_oldest(WaitsFor::Replay, if_over, no_place)
        };
        while let Some((mut parked, None)) = next() {
            tell(&mut parked.waiting.quest);
            let size = parked.waiting.size_before();
            let deadline = Instant::now() + self.patience.acquisition;
            self.parking.park(line, parked, size, deadline);
        }
        if !self.parking.is_line_empty(line) {
            self.cores.iter().for_each(|core| core.events.ring());
        }
    }

    fn others_connected(&self, index: usize) -> bool {
        let others = self.cores.iter().enumerate();
        let mut others = others.filter(|(other, _)| *other != index);
        others.any(|(_, core)| core.pool.connections() > 0)
    }

    /// Wakes the other cores that have a free connection for a parked request.
    pub(super) fn offer_parked(&self, from: usize) {
        for (index, core) in self.cores.iter().enumerate() {
            if index != from && self.can_serve_parked(core) {
                core.events.ring();
                return;
            }
        }
    }

    fn can_serve_parked(&self, core: &Core) -> bool {
        core.pool.has_room() && self.has_next(core, WaitsFor::Primary)
            || self.has_next(core, WaitsFor::Replica) && self.has_room_for_read(core)
    }

    /// Whether a request is parked that a core with such a connection could answer.
    pub(super) fn has_next(&self, core: &Core, what: WaitsFor) -> bool {
        self.parking.has_next(what, || core.has_large_place())
    }

    /// Whether a read would get a connection on this core, or hear that it gets none.
    fn has_room_for_read(&self, core: &Core) -> bool {
        self.has_room_at_replicas(core).unwrap_or_else(|| {
            !self.fleet.falls_back() || core.pool.has_room_for_guest(core.guests_max())
        })
    }

    /// Whether the core has a connection to a replica that will do; `None` if none will.
    fn has_room_at_replicas(&self, core: &Core) -> Option<bool> {
        let replicas = self.fleet.replicas().iter().zip(&core.replicas);
        let usable = replicas.filter(|(known, _)| known.is_usable());
        let mut rooms = usable.map(|(_, own)| own.pool.has_room());
        let first = rooms.next()?;
        Some(first || rooms.any(|has_room| has_room))
    }

    /// Whether no other thread of the core could get a connection for a client that comes; where
    /// replicas answer reads, one for a read, for most clients read. Nor for one that is parked.
    pub(super) fn is_exhausted(&self, index: usize) -> bool {
        let core = &self.cores[index];
        let has_room = self.has_room_at_replicas(core);
        !has_room.unwrap_or_else(|| core.pool.has_room()) && !self.can_serve_parked(core)
    }

    /// A client is about to rest at the core of the connection that waits for it, if one does.
    fn note_slow_reader(&self, client: &mut Client) {
        let unwritten = client.output.unwritten().len() as u64;
        let Some(body) = client.body.as_mut().filter(|body| body.core().is_some()) else {
            return;
        };
        let bytes = body.bytes_to_spool().map(|bytes| bytes + unwritten);
        let core = &self.cores[client.home];
        core.slow_readers.add(SlowReader {
            token: client.token,
            since: Instant::now(),
            bytes,
        });
        if !self.parking.is_empty() {
            core.relief_alarm.set();
        }
    }

    /// A client is no longer at rest.
    pub(super) fn forget_slow_reader(&self, client: &Client) {
        if client.body.is_some() {
            self.cores[client.home].slow_readers.remove(client.token);
        }
    }

    /// A place for an upload, or how many there may be at a time if all are taken. Each has a
    /// connection to itself, so others find as many as there are cores, if there are more.
    pub(super) fn upload_place(&self) -> Result<HeldPlace, usize> {
        let cores = self.cores.iter();
        let connections: usize = cores.map(|core| core.share.connections).sum();
        let at_most = connections.saturating_sub(self.cores.len()).max(1);
        self.uploads.take(at_most).ok_or(at_most)
    }

    /// Room in the spool for an answer, if there is so much.
    pub(super) fn reserve_spool(&self, bytes: u64) -> Option<Room> {
        self.spool.reserve(bytes)
    }

    /// A request was parked.
    pub(super) fn expect_relief(&self) {
        let cores = self.cores.iter();
        cores
            .filter(|core| !core.slow_readers.is_empty())
            .for_each(|core| core.relief_alarm.set());
    }

    /// How many connections wait for clients.
    fn slow_readers(&self) -> usize {
        let cores = self.cores.iter();
        cores.map(|core| core.slow_readers.len()).sum()
    }

    /// What a core can do for the requests that wait for a connection.
    pub(super) fn relief(&self, index: usize) -> Option<Relief> {
        let core = &self.cores[index];
        if core.slow_readers.is_empty() {
            return None;
        }
        let left = self.parking.next_deadline_for_connection()?;
        core.relief_alarm.set(); // for the next thread, should this one find a long answer
        let timeout = self.patience.acquisition;
        let waited = timeout.saturating_sub(left.saturating_duration_since(Instant::now()));
        let measure = measure(waited, timeout);
        if measure == Measure::Nothing {
            return None;
        }
        let fits = |reader: &SlowReader| self.spool.reserve(reader.bytes?);
        match core.slow_readers.find(fits) {
            // Unless it has begun to read on in this moment.
            Some((reader, room)) => {
                let client = self.take(index, reader.token)?;
                Some(Relief::Spool(client, room))
            }
            None if measure == Measure::SpoolOrCutOff => self.to_cut_off(),
            None => None,
        }
    }

    /// The one of all slow readers that has not been served for the longest time, if there are
    /// too many of them. One thread at a time, or two would see the same one too many.
    fn to_cut_off(&self) -> Option<Relief> {
        let _counting = self.cutting_off.try_lock().ok()?;
        if self.slow_readers() <= self.slow_readers_max {
            return None;
        }
        let cores = self.cores.iter().enumerate();
        let firsts = cores.filter_map(|(home, core)| Some((home, core.slow_readers.first()?)));
        let (home, reader) = firsts.min_by_key(|(_, reader)| reader.since)?;
        let client = self.take(home, reader.token)?;
        Some(Relief::CutOff(client))
    }
}

impl Core {
    fn new(
        share: Share,
        pool: Pool,
        replicas: Vec<Pool>,
        idleness: Arc<Idleness>,
    ) -> io::Result<Core> {
        let events = Events::new()?;
        let alarm = Alarm::new()?;
        events.poll.add_shared(&alarm, ALARM)?;
        let relief_alarm = ReliefAlarm::new()?;
        events.poll.add_shared(&relief_alarm.alarm, RELIEF)?;
        let rounds = Rounds::new()?;
        events.poll.add_shared(&rounds.alarm, ROUND)?;
        Ok(Core {
            share,
            events,
            alarm,
            clients: Mutex::new(Clients::default()),
            client_count: AtomicUsize::new(0),
            slow_readers: SlowReaders::default(),
            relief_alarm,
            rounds,
            crew: Crew::new(share.threads, idleness),
            pulse: Pulse::new(),
            answered: AtomicU64::new(0),
            pool: Arc::new(pool),
            large: Arc::default(),
            primary_asked: AtomicU64::new(0),
            replicas: replicas.into_iter().map(ReplicaPool::new).collect(),
            rear: Rear::default(),
            tallies: (0..share.threads).map(|_| Arc::default()).collect(),
        })
    }

    /// A place for a large answer, if one is free.
    pub(super) fn large_place(&self) -> Option<HeldPlace> {
        self.large.take(self.large_at_once())
    }

    /// Whether there is one.
    pub(super) fn has_large_place(&self) -> bool {
        self.large.are_free(self.large_at_once())
    }

    /// How many of its connections may bring large answers: one fewer than are of use at a time,
    /// for whoever wants little.
    fn large_at_once(&self) -> usize {
        let at_once = self.crew.needed().min(self.share.connections);
        at_once.saturating_sub(1).max(1)
    }

    /// How many connections to the primary reads may take that have no replica: half of them, so
    /// that writes always find the other half.
    fn guests_max(&self) -> usize {
        self.share.connections.div_ceil(2)
    }

    /// A number that changes as long as those get on who have the connections that are exhausted
    /// first ([`Cores::is_exhausted`]): where there are replicas, writes that get on say nothing of
    /// them.
    pub(super) fn progress(&self) -> u64 {
        match self.replicas.is_empty() {
            true => self.answered.load(Ordering::Relaxed),
            false => {
                let replicas = self.replicas.iter();
                replicas.map(|own| own.asked.load(Ordering::Relaxed)).sum()
            }
        }
    }

    /// A seat for a client that comes.
    fn reserve(&self, place: Admission) -> ClientToken {
        self.client_count.fetch_add(1, Ordering::Relaxed);
        lock(&self.clients).reserve(place)
    }

    /// The seat of a client that leaves the core is free.
    fn give_up(&self, token: ClientToken) -> Admission {
        self.client_count.fetch_sub(1, Ordering::Relaxed);
        lock(&self.clients).release(token)
    }

    /// A client is gone: its seat is free, and its place.
    pub(super) fn release(&self, token: ClientToken) {
        drop(self.give_up(token));
    }
}

/// Why there is no connection to a replica.
enum Lack {
    /// Those that will do are busy.
    Busy,
    /// None will do.
    NoReplica,
}

impl ReplicaPool {
    fn new(pool: Pool) -> ReplicaPool {
        ReplicaPool {
            pool: Arc::new(pool),
            asked: AtomicU64::new(0),
        }
    }

    fn gauges(&self) -> ReplicaGauges {
        ReplicaGauges {
            connections: self.pool.connections(),
            connections_used: self.pool.leased(),
            asked: self.asked.load(Ordering::Relaxed),
        }
    }
}

/// How many clients there are file descriptors for. Connections to PostgreSQL, the spool's files,
/// what threads read of their delays, the admin server and the control plane need some, too: to
/// know how the server is matters most when it is full.
fn clients_possible(shares: &[Share], servers: usize) -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let connections: usize = shares.iter().map(|share| share.connections).sum();
    let threads: usize = shares.iter().map(|share| share.threads).sum();
    let own = servers * connections + threads + 5 * shares.len();
    let others = own + files_possible().min(limit) + OTHER_DESCRIPTORS;
    // Where there are few, the others will hardly need all of theirs.
    limit.saturating_sub(others).max(limit / 4).max(1)
}
