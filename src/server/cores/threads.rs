//! A thread of a core: waits for an event, deals with it, waits again.
//!
//! What it does for a client is told in [`Worker::advance`]; what a request means is elsewhere
//! ([`crate::serving::handle`]). System calls of a request that finds its connection warm:
//! epoll_wait, recv, write, poll and read to PostgreSQL, send, epoll_ctl.
//!
//! Invariant: a panic costs one client and never a thread, nor the client's place: [`Worker::run`]
//! goes on after it, and gives back what [`InHand`] has noted.

use super::awaiting::{AwaitingClient, Due};
use super::events::Event;
use super::gathering::Gathering;
use super::placing::Footing;
use super::shared::{
    Core, Cores, ON_ITS_WAY, ParkedClient, Relief, SILENT_SPARED, STOPPING_TICK, TICK,
};
use crate::auth::Verifier;
use crate::exit;
use crate::log;
use crate::net::{Interest, Listener, Received};
use crate::observing::Observer;
use crate::observing::tally::Tally;
use crate::serving::aim::{Aim, Connected, Server, Unreachable, WaitsFor};
use crate::serving::client::{After, Client, ClientToken};
use crate::serving::clock::Clock;
use crate::serving::desk::{Desk, Gathers, Host};
use crate::serving::grant::{Grant, HeldPlace};
use crate::serving::handle::{
    self, Concluded, Finished, Handled, KeyPatience, LacksKeys, Looked, WaitingRequest,
};
use crate::serving::hearing::Opening;
use crate::serving::output::{Flushed, KEPT_BYTES_MAX};
use crate::serving::remainder::{Follows, Spooling};
use crate::serving::reply::refuse;
use crate::serving::spool::Room;
use crate::serving::together::TOGETHER_MAX;
use crate::serving::upload::PART_BYTES;
use crate::state::health::Health;
use crate::state::key_board::KeyBoard;
use crate::state::snapshot::{Snapshot, Subscription};
use crate::sync::atomic::Ordering;
use crate::sync::{Instant, Mutant, is_mutant, lock};
use corerest_api::channel::ChannelName;
use corerest_api::{AnswerSize, PartEnd, Position};
use corerest_wire::http::{self, Phase, Progress, Refusal};
use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How many steps are taken for one client before the others have their turn: one that sends
/// request after request without a pause must not have a thread for itself.
const STEPS_AT_ONCE: usize = 64;

/// How long a read waits for a replica that has replayed what it must have seen.
const REPLAY_MAX: Duration = Duration::from_secs(1);

/// How many clients a thread accepts before it looks at those it has.
const ACCEPTED_AT_ONCE: usize = 16;

/// When somebody was told that clients hold all that they may.
static NO_MEMORY_WARNED: log::Seldom = log::Seldom::new();

/// How much of a body must come in `server-body-timeout`: a few hundred bytes a second, with the
/// default.
const BODY_PROGRESS_BYTES: usize = 16 << 10;

/// The same of an upload, whose transaction others may have to wait for: 4 KiB a second, with the
/// default.
pub(super) const UPLOAD_PROGRESS_BYTES: usize = 256 << 10;

/// How long what a refused client still sends is thrown away, so that it can read the refusal: a
/// socket that is closed with unread bytes in it takes the response back.
pub(super) const DRAINING: Duration = Duration::from_secs(5);

/// How long a request waits for the keys of its token: longer than most fetches take, and not so
/// long that whoever sends tokens of nobody holds much.
const KEYS_WAIT_MAX: Duration = Duration::from_secs(2);

/// How much of it is thrown away before the others have their turn.
const DRAINED_AT_ONCE: usize = 64;

/// A thread, with the buffers it lends to the clients it serves.
pub(super) struct Worker {
    pub(super) cores: Arc<Cores>,
    pub(super) index: usize,
    pub(super) number: usize,
    subscription: Subscription,
    clock: Clock,
    /// Those that no client has now.
    inputs: Vec<http::Buffer>,
    pub(super) output: Vec<u8>,
    verifier: Verifier,
    pub(super) observer: Observer,
    /// How long it waits for the next event, at most.
    at_most: Option<Duration>,
    pub(super) in_hand: Option<InHand>,
    /// Whether parked reads come before what waits for the primary, this time.
    reads_first: bool,
    /// Whether requests that may go together are gathered.
    pub(super) gathers: Gathers,
    pub(super) gathering: Gathering,
    /// Clients whose deadlines have passed, and of whom it has not thought yet.
    expired: VecDeque<Box<Client>>,
}

/// The place of the client that a thread is about to serve, in case it comes to nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct InHand {
    home: usize,
    token: ClientToken,
}

/// What becomes of a client after it was served.
pub(super) enum Next {
    /// It waits for this.
    Rest(Interest),
    /// Its request waits for a connection.
    Park(Box<WaitingRequest>),
    /// Its request is to be asked together with others.
    Join(Box<WaitingRequest>),
    /// Its request is to be asked by itself, behind those that are gathered.
    StandBack(Box<WaitingRequest>),
    /// It is going to hear these channels.
    Hear(Box<Opening>, Vec<ChannelName>),
    /// Its request waits for keys.
    AwaitKeys(AwaitsKeys),
    /// Its connection ends.
    Close,
}

/// A request that waits for keys.
pub(super) struct AwaitsKeys {
    lacks: LacksKeys,
    /// How many fetches had ended when it looked for them.
    ended_seen: u64,
    deadline: Instant,
}

/// Whether a request that waited was served; then there may be more, and no thread must sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Served {
    No,
    Yes,
}

/// Whether the socket may have bytes for us, as far as we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readable {
    Maybe,
    No,
}

/// What a thread does for the requests it serves.
struct Service<'a> {
    cores: &'a Cores,
    index: usize,
    number: usize,
    gathers: Gathers,
}

impl Host for Service<'_> {
    /// Parked requests come first: whoever has just come waits behind them.
    fn connection(&self, aim: Aim, size: AnswerSize) -> Option<Result<Grant, Unreachable>> {
        if self.cores.parking.is_before(line_of(aim), size) {
            return None;
        }
        let place = match size {
            AnswerSize::Usual => None,
            AnswerSize::Large => Some(self.cores.cores[self.index].large_place()?),
        };
        let connection = self.cores.connection(self.index, aim)?;
        Some(connection.map(|connected| Grant::new(connected, place)))
    }

    fn gathers(&self) -> Gathers {
        self.gathers
    }

    fn has_company(&self, aim: Aim) -> bool {
        match self.gathers {
            Gathers::No => false,
            Gathers::First => self.cores.cores[self.index].events.is_client_queued(),
            Gathers::More(gathered) => aim == gathered,
        }
    }

    fn upload_place(&self) -> Result<HeldPlace, usize> {
        self.cores.upload_place()
    }

    fn can_tell(&self, position: Position) -> bool {
        self.cores.fleet.can_tell(position)
    }

    fn loses(&self, replica: usize) {
        let _ = self.cores.lose(replica, &"a request has lost it");
    }

    fn spool_room(&self, bytes: u64) -> Option<Room> {
        self.cores.reserve_spool(bytes)
    }

    fn asks(&self, server: Server) {
        self.cores.note_asked(self.index, server);
    }

    fn expect_to_wait(&self) {
        self.cores.cores[self.index]
            .crew
            .expect_to_wait(self.number);
    }

    fn expect(&self, is_quick: bool) {
        let crew = &self.cores.cores[self.index].crew;
        match is_quick {
            true => crew.expect_quick(self.number),
            false => crew.expect_usual(self.number),
        }
    }

    fn note_way(&self, took: Duration) {
        self.cores.cores[self.index]
            .crew
            .note_way(self.number, took);
    }

    fn announces_end(&self) -> bool {
        self.cores.announces_end()
    }

    fn key_board(&self) -> &KeyBoard {
        &self.cores.key_board
    }

    fn health(&self) -> &Health {
        &self.cores.health
    }
}

/// Starts the threads of all cores.
///
/// # Errors
/// If there cannot be so many.
pub(crate) fn start(
    cores: &Arc<Cores>,
    footing: Footing,
) -> io::Result<Vec<thread::JoinHandle<()>>> {
    let mut threads = Vec::new();
    for (index, core) in cores.cores.iter().enumerate() {
        core.alarm.set(TICK)?;
        for number in 0..core.share.threads {
            let name = format!("core{index}-{number}");
            let worker = Worker::new(Arc::clone(cores), index, number);
            threads.push(exit::spawn_vital(name, move || worker.run(footing))?);
        }
    }
    Ok(threads)
}

/// The same, in a simulation.
#[cfg(feature = "model")]
pub(super) fn start_simulated(cores: &Arc<Cores>) -> Vec<corerest_simulation::Task> {
    let mut threads = Vec::new();
    for (index, core) in cores.cores.iter().enumerate() {
        core.alarm.set(TICK).expect("it is simulated");
        for number in 0..core.share.threads {
            let worker = Worker::new(Arc::clone(cores), index, number);
            threads.push(corerest_simulation::spawn(move || {
                worker.run(Footing::InTurn);
            }));
        }
    }
    threads
}

impl Worker {
    /// A thread of the core with this number.
    fn new(cores: Arc<Cores>, index: usize, number: usize) -> Worker {
        let observer = Observer::new(Arc::clone(&cores.cores[index].tallies[number]));
        let subscription = cores.publication.subscribe();
        Worker {
            cores,
            index,
            number,
            subscription,
            clock: Clock::new(),
            inputs: Vec::new(),
            output: Vec::new(),
            verifier: Verifier::new(),
            observer,
            at_most: None,
            in_hand: None,
            reads_first: false,
            gathers: Gathers::No,
            gathering: Gathering::default(),
            expired: VecDeque::new(),
        }
    }

    /// The life of the thread.
    fn run(mut self, footing: Footing) {
        if !cfg!(feature = "model") {
            log::adopt_this_thread();
        }
        if let Err(error) = footing.take(self.core().share.cpu) {
            log::warn(&format!("A thread cannot be {footing}: {error}"));
        }
        self.core().crew.enlist(self.number);
        loop {
            match catch_unwind(AssertUnwindSafe(|| self.step())) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => return,
                Err(_) => self.recover(),
            }
        }
    }

    /// Waits for an event and deals with it.
    fn step(&mut self) -> ControlFlow<()> {
        // What a panic has left.
        self.disperse();
        while let Some(client) = self.expired.pop_front() {
            self.on_deadline(client);
        }
        self.let_others_go_first();
        let event = self.core().events.next(self.at_most);
        self.core().crew.begin(self.number);
        match event {
            Event::Client(token, other_side) => {
                if let Some(mut client) = self.cores.take(self.index, token) {
                    client.other_side = other_side;
                    self.serve_event(client);
                }
            }
            Event::Listener => self.accept(),
            Event::Bell => {
                self.core().events.on_bell();
                self.core().pulse.answer();
            }
            Event::Alarm => self.on_alarm(),
            Event::Relief => self.core().relief_alarm.clear(),
            Event::Round => self.on_round(),
            Event::Nothing => {}
        }
        let mut waiting = self.serve_waiting();
        if waiting == Served::No {
            waiting = self.serve_awaiting();
        }
        if waiting == Served::No {
            waiting = self.relieve();
        }
        // Nobody sits down while there is something to do: whoever queued it has rung for one.
        if waiting == Served::No && !self.core().events.are_queued() {
            self.core().crew.end(self.number);
        }
        let is_first_to_stop = self.cores.is_stopping() && self.at_most.is_none();
        self.at_most = match (waiting, self.cores.is_stopping()) {
            (Served::Yes, _) => Some(Duration::ZERO),
            (Served::No, true) => Some(STOPPING_TICK),
            (Served::No, false) => None,
        };
        if self.cores.is_stopping() {
            if is_first_to_stop {
                self.core().events.ring(); // for the next thread of this core
            }
            self.dismiss_resting();
            if self.cores.is_deserted() {
                // Once more: the one who has heard it may have been up already.
                if !is_mutant(Mutant::LeavesQuietly) {
                    self.core().events.ring();
                }
                self.core().pulse.end();
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// Goes on after a panic, which is logged where it happened. The client, if there was one, went
    /// with it, and its connection to PostgreSQL is not used again.
    fn recover(&mut self) {
        if let Some(InHand { home, token }) = self.in_hand.take() {
            self.cores.cores[home].release(token);
        }
        self.observer.recovers();
        self.at_most = Some(Duration::ZERO);
    }

    pub(super) fn core(&self) -> &Core {
        &self.cores.cores[self.index]
    }

    /// A free thread of a core whose connections are all in use steps back for a moment, as long as
    /// the others get on: whoever of them is done takes the next client with a connection in hand,
    /// on a warm CPU. Taking it here would only park its request, for two switches of threads more,
    /// and all that come after it: the queue ends only when no client has anything to ask. When the
    /// others do not get on, their queries are slow, and this thread must be there for the clients.
    fn let_others_go_first(&self) {
        let is_exhausted = || self.cores.is_exhausted(self.index);
        if is_exhausted() {
            let progress = || is_exhausted().then(|| self.core().progress());
            self.core().rear.wait_while_changing(progress);
        }
    }

    /// Something has come from a client, or it can be written to.
    pub(super) fn serve_event(&mut self, client: Box<Client>) {
        match client.hearing.is_some() {
            false => self.serve_with_others(client),
            true => self.attend(client),
        }
    }

    /// Serves a client until there is nothing more to do for it now.
    pub(super) fn serve(&mut self, mut client: Box<Client>, readable: Readable) {
        self.take_in_hand(&client);
        self.lend_buffers(&mut client);
        let next = self.advance(&mut client, readable);
        self.leave(client, next);
    }

    /// Brings a client to where it waits for what comes next.
    pub(super) fn leave(&mut self, mut client: Box<Client>, next: Next) {
        self.reclaim_buffers(&mut client);
        self.in_hand = None;
        match next {
            Next::Close if client.upload.is_some() => self.lose_upload(client),
            Next::Rest(interest) => self.rest(client, interest),
            Next::Park(waiting) => self.park(client, waiting),
            Next::Join(waiting) | Next::StandBack(waiting) => {
                let parked = ParkedClient { client, waiting };
                self.end_waiting(parked, handle::ask_by_itself);
            }
            Next::Hear(opening, names) => self.subscribe(client, opening, names),
            Next::AwaitKeys(awaits) => self.await_keys(client, awaits),
            Next::Close => self.cores.close(client),
        }
    }

    pub(super) fn take_in_hand(&mut self, client: &Client) {
        self.in_hand = Some(InHand {
            home: client.home,
            token: client.token,
        });
    }

    /// Writes what is due, then takes the next request, and so on until the client has to be
    /// waited for.
    pub(super) fn advance(&mut self, client: &mut Client, mut readable: Readable) -> Next {
        for _ in 0..STEPS_AT_ONCE {
            match flush(client, self.observer.tally()) {
                Flushed::Completely if client.after == After::Close => return end(client),
                Flushed::Completely => {}
                Flushed::Partly => return Next::Rest(Interest::Write),
                Flushed::Failed => return Next::Close,
            }
            if client.after == After::Drain {
                return drain(client);
            }
            let progress = client.requests.next(&self.cores.limits);
            if let Ok(Progress::Request | Progress::Head | Progress::LastPart) = progress {
                // What comes behind it has a deadline of its own.
                client.phase = Phase::Answering;
            }
            match progress {
                Ok(Progress::Request) => match handle::hold_what_is_made(client) {
                    Some(refusal) => self.refuse(client, refusal),
                    None => {
                        if let ControlFlow::Break(next) = self.handle(client) {
                            return next;
                        }
                    }
                },
                Ok(Progress::Head) => {
                    if let ControlFlow::Break(next) = self.decide_by_head(client) {
                        return next;
                    }
                }
                Ok(Progress::Part) => {
                    if let ControlFlow::Break(next) = self.take_part(client, PartEnd::Open) {
                        return next;
                    }
                }
                Ok(Progress::LastPart) => {
                    if let ControlFlow::Break(next) = self.take_part(client, PartEnd::Last) {
                        return next;
                    }
                }
                Ok(Progress::NeedMoreAfterContinue) => client.output.push_continue(),
                Ok(Progress::NeedMore) if readable == Readable::No => {
                    return Next::Rest(Interest::Read);
                }
                Ok(Progress::NeedMore) => match self.receive(client) {
                    Some(more) => readable = more,
                    None => return Next::Close,
                },
                Err(refusal) => self.refuse(client, refusal),
            }
        }
        // It can be written to at once, so this only puts it behind the others.
        Next::Rest(Interest::Write)
    }

    /// Answers one request, unless it has to wait.
    fn handle(&mut self, client: &mut Client) -> ControlFlow<Next> {
        client.has_asked = true;
        let handled = self.at_desk(|desk, verifier| handle::handle(desk, verifier, client));
        self.core().answered.fetch_add(1, Ordering::Relaxed);
        match handled {
            Handled::Finished(Finished { .. }) => ControlFlow::Continue(()),
            Handled::Waits(waiting) => ControlFlow::Break(Next::Park(waiting)),
            Handled::Joins(waiting) => ControlFlow::Break(Next::Join(waiting)),
            Handled::StandsBack(waiting) => ControlFlow::Break(Next::StandBack(waiting)),
            Handled::Hears(opening, names) => ControlFlow::Break(Next::Hear(opening, names)),
            Handled::LacksKeys(lacks) => {
                self.look_for_keys(client, lacks, Instant::now() + KEYS_WAIT_MAX)
            }
        }
    }

    /// Answers a request whose body is not worth its memory, or lets the body come, unless it has
    /// to wait.
    fn decide_by_head(&mut self, client: &mut Client) -> ControlFlow<Next> {
        client.has_asked = true;
        match self.look_at_head(client, KeyPatience::Unasked) {
            None => ControlFlow::Continue(()),
            Some(lacks) => self.look_for_keys(client, lacks, Instant::now() + KEYS_WAIT_MAX),
        }
    }

    fn look_at_head(&mut self, client: &mut Client, patience: KeyPatience) -> Option<LacksKeys> {
        let looked =
            self.at_desk(|desk, verifier| handle::look_at_head(desk, verifier, client, patience));
        match looked {
            Looked::Admitted => client.requests.admit_body(),
            Looked::AdmittedInParts => client.requests.admit_body_in_parts(PART_BYTES),
            Looked::Finished(Finished { .. }) => client.deadline = Instant::now() + DRAINING,
            Looked::Refused(refusal) => self.refuse(client, refusal),
            Looked::LacksKeys => return Some(LacksKeys::Head),
        }
        None
    }

    /// Looks once more at a request whose token names a key that was not there. It waits if one
    /// more fetch may bring it, until its deadline.
    fn look_for_keys(
        &mut self,
        client: &mut Client,
        lacks: LacksKeys,
        deadline: Instant,
    ) -> ControlFlow<Next> {
        // Before the snapshot is: what comes later is seen by the next look.
        let ended_seen = self.cores.key_board.ended();
        let patience = match deadline <= Instant::now() {
            true => KeyPatience::Over,
            false => KeyPatience::Until(ended_seen),
        };
        let lacks = match lacks {
            LacksKeys::Head => match self.look_at_head(client, patience) {
                None => return ControlFlow::Continue(()),
                Some(lacks) => lacks,
            },
            LacksKeys::Request(exchange) => match self.at_desk(|desk, verifier| {
                handle::handle_again(desk, verifier, client, &exchange, patience)
            }) {
                Handled::Finished(Finished { .. }) => return ControlFlow::Continue(()),
                Handled::Waits(waiting) => return ControlFlow::Break(Next::Park(waiting)),
                Handled::Joins(waiting) => return ControlFlow::Break(Next::Join(waiting)),
                Handled::StandsBack(waiting) => {
                    return ControlFlow::Break(Next::StandBack(waiting));
                }
                Handled::Hears(opening, names) => {
                    return ControlFlow::Break(Next::Hear(opening, names));
                }
                Handled::LacksKeys(lacks) => lacks,
            },
        };
        ControlFlow::Break(Next::AwaitKeys(AwaitsKeys {
            lacks,
            ended_seen,
            deadline,
        }))
    }

    /// Does something with what the thread has at hand for a request.
    pub(super) fn at_desk<T>(&mut self, work: impl FnOnce(&Desk<'_>, &mut Verifier) -> T) -> T {
        let cores = &self.cores;
        let snapshot = self.subscription.current(&cores.publication);
        let desk = Desk {
            snapshot: &snapshot,
            host: &Service {
                cores,
                index: self.index,
                number: self.number,
                gathers: self.gathers,
            },
            core: self.index,
            clock: self.clock.refreshed(),
            observer: &self.observer,
        };
        let done = work(&desk, &mut self.verifier);
        drop(snapshot);
        self.subscription.renew(&cores.publication);
        done
    }

    /// The same, for a request that was prepared with a snapshot and has waited since.
    pub(super) fn at_desk_of<T>(
        &mut self,
        snapshot: &Arc<Snapshot>,
        work: impl FnOnce(&Desk<'_>) -> T,
    ) -> T {
        work(&Desk {
            snapshot,
            host: &Service {
                cores: &self.cores,
                index: self.index,
                number: self.number,
                gathers: Gathers::No,
            },
            core: self.index,
            clock: self.clock.refreshed(),
            observer: &self.observer,
        })
    }

    /// Reads once. A read that did not fill the buffer has taken everything there was.
    fn receive(&mut self, client: &mut Client) -> Option<Readable> {
        let Client {
            requests, memory, ..
        } = client;
        // As much as a thread keeps is its own, and counted when it stays with the client.
        let mut is_beyond_all = false;
        let may_grow = |bytes: usize| {
            is_beyond_all = bytes > memory.memory().bytes_max();
            bytes <= KEPT_BYTES_MAX || memory.hold(bytes)
        };
        let space = match requests.recv_space(&self.cores.limits, may_grow) {
            Ok(space) => space,
            Err(refusal) => {
                // What is larger than all that there may be will not fit later either.
                let refusal = match is_beyond_all {
                    true => Refusal::BodyTooLarge,
                    false => refusal,
                };
                self.refuse(client, refusal);
                return Some(Readable::No);
            }
        };
        if space.is_empty() {
            return Some(Readable::No);
        }
        let size = space.len();
        match client.socket.receive(space) {
            Received::Bytes(count) => {
                client.requests.received(count);
                client.came = client.came.saturating_add(count);
                self.observer.tally().received.add(count as u64);
                Some(if count < size {
                    Readable::No
                } else {
                    Readable::Maybe
                })
            }
            Received::WouldBlock => Some(Readable::No),
            Received::Closed => None,
        }
    }

    pub(super) fn refuse(&mut self, client: &mut Client, refusal: Refusal) {
        if let Some(upload) = client.upload.take() {
            self.observer.breaks_off(refusal.status());
            upload.abandon();
        }
        self.at_desk(|desk, _| refuse(&mut client.output, &client.requests, refusal, desk));
        // What has come is of no use, and need not be held while the client hears of it.
        client.requests.give_up();
        if refusal == Refusal::OutOfMemory {
            log::warn_seldom(&NO_MEMORY_WARNED, || {
                "A client was refused, for the others hold all the memory that clients may \
                 (server-max-memory)."
                    .to_owned()
            });
        }
        self.observer.tally().refused.add(1);
        client.after = After::Drain;
        client.deadline = Instant::now() + DRAINING;
    }

    /// Serves the request that is parked for the longest time, if this core has a connection for
    /// it. One of each line and no more: while another core parks one after the other, this core's
    /// own clients would not get their turn. Those that wait for the primary and those that wait
    /// for replicas come first by turns, for a connection to the primary can serve both where no
    /// replica will do.
    fn serve_waiting(&mut self) -> Served {
        if self.cores.parking.is_empty() {
            return Served::No;
        }
        let mut lines = [Aim::Primary, Aim::Replica { after: None }];
        if self.reads_first {
            lines.reverse();
        }
        self.reads_first = !self.reads_first;
        let served = lines.into_iter().map(|aim| self.serve_line(aim));
        served.fold(Served::No, |all, served| match served {
            Served::Yes => Served::Yes,
            Served::No => all,
        })
    }

    fn serve_line(&mut self, aim: Aim) -> Served {
        let line = line_of(aim);
        while self.cores.has_next(self.core(), line) {
            let Some(connection) = self.cores.connection(self.index, aim) else {
                return Served::No;
            };
            let Some((parked, place)) = self.take_parked(line, &connection) else {
                // Another thread was faster. Whoever has parked a request meanwhile has not seen
                // this connection free, so it is given back before looking once more.
                drop(connection);
                continue;
            };
            self.take_in_hand(&parked.client);
            let connection = connection.map(|connected| Grant::new(connected, place));
            match connection {
                connection if handle::is_abandoned(&parked.client, &parked.waiting) => {
                    drop(connection);
                    self.end_waiting(parked, handle::abandon);
                }
                Ok(grant) if parked.waiting.may_go_together(&parked.client) => {
                    self.serve_parked_together(parked, grant);
                }
                connection => self.end_waiting(parked, |desk, client, waiting| {
                    handle::resume(desk, client, waiting, Some(connection))
                }),
            }
            self.core().answered.fetch_add(1, Ordering::Relaxed);
            return Served::Yes;
        }
        Served::No
    }

    /// The oldest request of the line, rather one that this replica has replayed enough for, with a
    /// place if its answer will be large.
    fn take_parked(
        &self,
        line: WaitsFor,
        connection: &Result<Connected, Unreachable>,
    ) -> Option<(ParkedClient, Option<HeldPlace>)> {
        let parking = &self.cores.parking;
        let take_place = || self.core().large_place();
        if let Ok(Connected {
            server: Server::Replica(replica),
            ..
        }) = connection
        {
            let replayed = self.cores.fleet.replicas()[*replica].replayed();
            let size_of = |parked: &ParkedClient| {
                let after = parked.waiting.quest.after();
                let fits = after.is_none_or(|after| after.lsn <= replayed);
                fits.then(|| parked.waiting.size_before())
            };
            if let Some(taken) = parking.take_oldest(line, size_of, take_place) {
                return Some(taken);
            }
        }
        let size_of = |parked: &ParkedClient| Some(parked.waiting.size_before());
        parking.take_oldest(line, size_of, take_place)
    }

    /// Answers a request that was parked, and goes on with its client.
    pub(super) fn end_waiting(
        &mut self,
        parked: ParkedClient,
        answer: impl FnOnce(&Desk<'_>, &mut Client, Box<WaitingRequest>) -> Concluded,
    ) {
        let ParkedClient {
            mut client,
            waiting,
        } = parked;
        self.take_in_hand(&client);
        self.lend_buffers(&mut client);
        let snapshot = Arc::clone(&waiting.snapshot);
        let concluded = self.at_desk_of(&snapshot, |desk| answer(desk, &mut client, waiting));
        match concluded {
            Concluded::Finished(Finished { .. }) => {
                self.drain_from_now(&mut client);
                self.serve(client, Readable::No);
            }
            Concluded::Uploads => {
                client.came = UPLOAD_PROGRESS_BYTES;
                self.serve(client, Readable::Maybe);
            }
            Concluded::Waits(waiting) => self.leave(client, Next::Park(waiting)),
            Concluded::Hears(opening, names) => self.leave(client, Next::Hear(opening, names)),
        }
    }

    /// Lets a request wait for keys. Should they have come meanwhile, this thread finds it next, in
    /// `serve_awaiting`.
    fn await_keys(&mut self, mut client: Box<Client>, awaits: AwaitsKeys) {
        let bytes = client.bytes_held();
        client.memory.keep(bytes);
        let AwaitsKeys {
            lacks,
            ended_seen,
            deadline,
        } = awaits;
        let client = AwaitingClient { client, lacks };
        self.cores.awaiting.add(client, ended_seen, deadline);
    }

    /// Looks again at a request for whose token keys may have come.
    fn serve_awaiting(&mut self) -> Served {
        let due = self
            .cores
            .awaiting
            .take_due(|| self.cores.key_board.ended());
        match due {
            Some(due) => {
                self.look_again(due);
                Served::Yes
            }
            None => Served::No,
        }
    }

    fn look_again(&mut self, due: Due<AwaitingClient>) {
        let AwaitingClient { mut client, lacks } = due.request;
        self.take_in_hand(&client);
        self.lend_buffers(&mut client);
        let next = match self.look_for_keys(&mut client, lacks, due.deadline) {
            ControlFlow::Continue(()) => self.advance(&mut client, Readable::No),
            ControlFlow::Break(next) => next,
        };
        self.leave(client, next);
    }

    /// Parks a request, and sees to it that a connection that has become free meanwhile takes it.
    fn park(&mut self, mut client: Box<Client>, waiting: Box<WaitingRequest>) {
        let bytes = client.bytes_held() + waiting.bytes();
        client.memory.keep(bytes);
        let what = waiting.quest.waits_for();
        let (patience, size) = match what {
            WaitsFor::Primary | WaitsFor::Replica => {
                (self.cores.patience.acquisition, waiting.size_before())
            }
            WaitsFor::Replay => (REPLAY_MAX, AnswerSize::Usual),
        };
        let mut parked = ParkedClient { client, waiting };
        if what == WaitsFor::Replay {
            let looks = self.cores.fleet.primary_looks();
            parked.waiting.quest.awaits_replay(looks);
        }
        let deadline = Instant::now() + patience;
        self.cores.parking.park(what, parked, size, deadline);
        if what == WaitsFor::Replay {
            // It may have been replayed meanwhile.
            self.cores.on_fleet_changed();
            self.cores.fleet.hurry();
            return self.set_alarm();
        }
        // This thread looks at its own core's connections next, in `serve_waiting`.
        self.cores.offer_parked(self.index);
        self.cores.expect_relief();
    }

    /// Frees a connection that waits for a slow reader, if requests have waited long enough for
    /// one.
    fn relieve(&mut self) -> Served {
        match self.cores.relief(self.index) {
            None => return Served::No,
            Some(Relief::Spool(client, room)) => self.spool(client, room),
            Some(Relief::CutOff(client)) => {
                log::error(
                    "A response was cut off: its client reads too slowly while others wait, and \
                     there is no room for it (server-max-slow-readers, server-max-spool-bytes, or \
                     the limit of open files).",
                );
                self.observer.tally().cut_off.add(1);
                self.cores.close(client);
                // The connection may be another core's.
                self.cores.offer_parked(self.index);
            }
        }
        Served::Yes
    }

    /// Brings the rest of a response into the spool.
    fn spool(&mut self, mut client: Box<Client>, room: Room) {
        self.take_in_hand(&client);
        let Client {
            body,
            output,
            socket,
            ..
        } = &mut *client;
        let body = body.as_mut().expect("a slow reader has a body to read");
        let spooled = body.spool(room, output, socket);
        self.in_hand = None;
        match spooled {
            Ok(Spooling::Completely) => self.rest(client, Interest::Write),
            // Its deadline stays as it was, for it may be spooled again and again.
            Ok(Spooling::Partly) => self.cores.rest(client, Interest::Write),
            Ok(Spooling::ClientGone) => self.cores.close(client),
            Err(error) => {
                log::error(&format!("A response was cut off: {error}"));
                self.observer.tally().cut_off.add(1);
                self.cores.close(client);
            }
        }
    }

    fn on_alarm(&mut self) {
        if !self.core().alarm.has_gone_off() {
            return;
        }
        let now = Instant::now();
        let expired = lock(&self.core().clients).take_expired(now);
        expired
            .iter()
            .for_each(|client| self.cores.forget_slow_reader(client));
        self.expired = expired.into();
        while let Some(client) = self.expired.pop_front() {
            self.on_deadline(client);
        }
        while let Some((what, parked)) = self.cores.parking.take_expired(now) {
            match what {
                WaitsFor::Primary | WaitsFor::Replica => {
                    self.end_waiting(parked, handle::give_up);
                }
                WaitsFor::Replay => self.end_waiting(parked, handle::ask_primary),
            }
        }
        while let Some(due) = self.cores.awaiting.take_expired(now) {
            self.look_again(due);
        }
        self.core().rounds.beat(now);
        self.make_way();
        self.set_alarm();
    }

    /// The next time to look at deadlines, and at those who may go when all places are taken.
    fn set_alarm(&self) {
        let deadlines = [
            self.cores.parking.next_deadline(),
            self.cores.awaiting.next_deadline(),
        ];
        let next = deadlines.into_iter().flatten().min();
        let most = if self.cores.is_full() {
            SILENT_SPARED
        } else {
            TICK
        };
        let now = Instant::now();
        let next = next.map_or(most, |at| at.saturating_duration_since(now).min(most));
        // The descriptor is a timer and the time is valid, so this cannot fail.
        let _ = self.core().alarm.set(next);
    }

    /// Closes clients for those who wait to be accepted, if all places are taken: never one with a
    /// whole request, and one whose request has just come is answered.
    fn make_way(&mut self) {
        self.expired = self.cores.take_dispensable(self.index).into();
        while let Some(mut client) = self.expired.pop_front() {
            if client.requests.phase() == Phase::Idle {
                self.on_deadline(client);
                continue;
            }
            self.take_in_hand(&client);
            if client.requests.phase() == Phase::Body {
                let before = client.came;
                self.lend_buffers(&mut client);
                let received = self.receive(&mut client);
                if received.is_some() && client.came > before {
                    self.serve(client, Readable::Maybe);
                    continue;
                }
                self.reclaim_buffers(&mut client);
            }
            // It has begun, so it is told; and it has no more time to hear of it.
            self.refuse(&mut client, Refusal::RequestTimeout);
            let _ = client
                .output
                .flush(&client.socket, &self.observer.tally().sent);
            self.close(client);
        }
    }

    /// A client has let its deadline pass. One that has just sent something is served after all:
    /// a connection is never closed with a request in it.
    fn on_deadline(&mut self, mut client: Box<Client>) {
        if client.hearing.is_some() {
            return self.on_end_of_hearing(client);
        }
        if client.upload.is_some() && self.cores.is_stopping() {
            return self.end_upload(client);
        }
        self.take_in_hand(&client);
        match client.requests.phase() {
            Phase::Idle if client.is_done() => {
                self.lend_buffers(&mut client);
                match self.receive(&mut client) {
                    Some(_) if client.requests.phase() != Phase::Idle => {
                        self.serve(client, Readable::Maybe);
                    }
                    _ => self.close(client),
                }
            }
            Phase::Head | Phase::Body if client.is_done() => {
                self.refuse(&mut client, Refusal::RequestTimeout);
                self.serve(client, Readable::No);
            }
            _ => self.close(client),
        }
    }

    fn close(&mut self, client: Box<Client>) {
        if client.upload.is_some() {
            return self.lose_upload(client);
        }
        self.in_hand = None;
        self.cores.close(client);
    }

    /// Lets a client wait, with the deadline of what it is doing, if there is memory for that.
    pub(super) fn rest(&mut self, mut client: Box<Client>, interest: Interest) {
        let bytes = client.bytes_held();
        if !client.memory.hold(bytes) {
            return self.rest_without_memory(client);
        }
        let patience = &self.cores.patience;
        let phase = client.requests.phase();
        let wait = match (interest, phase) {
            _ if client.after == After::Drain => None,
            (Interest::Write, _) => Some(patience.write),
            // A head has one deadline from its first byte on, however slowly the others come.
            (Interest::Read, Phase::Head) if client.phase == Phase::Head => None,
            (Interest::Read, Phase::Head) => Some(patience.header),
            // A body holds memory: it must come on, and not a byte now and then.
            (Interest::Read, Phase::Body)
                if client.phase == Phase::Body && client.came < progress_bytes(&client) =>
            {
                None
            }
            (Interest::Read, Phase::Body) => Some(patience.body),
            (Interest::Read, _) => Some(patience.idle),
        };
        if let Some(wait) = wait {
            client.deadline = Instant::now() + wait;
            client.came = 0;
        }
        client.phase = match interest {
            Interest::Read => phase,
            Interest::Write => Phase::Answering,
        };
        self.cores.rest(client, interest);
    }

    /// There is no memory to keep what the client has sent, or has still to be sent. An answer that
    /// is begun cannot become another one.
    fn rest_without_memory(&mut self, mut client: Box<Client>) {
        if client.is_done() && client.after != After::Drain {
            self.refuse(&mut client, Refusal::OutOfMemory);
            // It holds nothing any more, unless it does not even take that.
            return self.serve(client, Readable::No);
        }
        log::error(
            "A response was cut off: its client reads too slowly, and there is no memory for it \
             (server-max-memory).",
        );
        self.observer.tally().cut_off.add(1);
        self.cores.close(client);
    }

    pub(super) fn lend_buffers(&mut self, client: &mut Client) {
        let input = self.inputs.pop().unwrap_or_default();
        if let Some(own) = client.requests.lend_buffer(input) {
            self.inputs.push(own);
        }
        client.output.lend_buffer(&mut self.output);
    }

    /// A client that waits for its next request holds no memory but its own few fields.
    pub(super) fn reclaim_buffers(&mut self, client: &mut Client) {
        if let Some(mut buffer) = client.requests.reclaim_buffer() {
            // A gathering takes more than one of them.
            if self.inputs.len() < TOGETHER_MAX {
                buffer.shrink_to(KEPT_BYTES_MAX);
                self.inputs.push(buffer);
            }
        }
        client.output.reclaim_buffer(&mut self.output);
    }

    fn accept(&mut self) {
        let Some(listener) = self.cores.door.listener() else {
            return;
        };
        let accepted = self.cores.door.let_in(
            ACCEPTED_AT_ONCE,
            || self.cores.accept(&listener),
            |accepted, place| self.cores.place(accepted, place),
        );
        if let Err(error) = accepted {
            self.on_accept_failed(&listener, &error);
        }
        if self.cores.is_full() {
            self.set_alarm();
        }
    }

    /// There are no more file descriptors. The waiting client is told so by being closed, with the
    /// help of a descriptor kept for that: left alone, it would wake this thread for ever.
    fn on_accept_failed(&self, listener: &Listener, error: &io::Error) {
        log::error(&format!("Cannot accept a client: {error}"));
        self.cores.turn_away(listener);
    }

    /// While the server stops: closes the clients that are at rest. Whoever has not rested for long
    /// may have another request on its way, and was not told in the last answer that it will not
    /// be taken, if that was begun before the end.
    fn dismiss_resting(&mut self) {
        let rested = self.cores.patience.idle.saturating_sub(ON_ITS_WAY);
        let until = Instant::now() + rested;
        let is_done = |client: &Client| {
            if client.hearing.is_some() || client.upload.is_some() {
                return true;
            }
            let has_rested = client.deadline <= until || is_mutant(Mutant::ClosesUnannounced);
            let is_idle = client.requests.phase() == Phase::Idle && client.is_done();
            is_idle && client.after != After::Drain && has_rested
        };
        let resting = lock(&self.core().clients).take_all(is_done);
        self.expired = resting.into();
        while let Some(client) = self.expired.pop_front() {
            // A request that arrived just now is answered, like those before it.
            self.on_deadline(client);
        }
    }
}

/// How much must come in `server-body-timeout`: more while a transaction is open for it.
fn progress_bytes(client: &Client) -> usize {
    match client.upload {
        None => BODY_PROGRESS_BYTES,
        Some(_) => UPLOAD_PROGRESS_BYTES,
    }
}

/// Where requests wait that aim there.
pub(super) fn line_of(aim: Aim) -> WaitsFor {
    match aim {
        Aim::Primary => WaitsFor::Primary,
        Aim::Replica { .. } => WaitsFor::Replica,
    }
}

/// Writes what there is for a client; a body that PostgreSQL still has is passed on as it comes.
pub(super) fn flush(client: &mut Client, tally: &Tally) -> Flushed {
    let sent = &tally.sent;
    loop {
        match client.output.flush(&client.socket, sent) {
            Flushed::Completely => {}
            flushed => return flushed,
        }
        let Some(body) = &mut client.body else {
            return Flushed::Completely;
        };
        match body.send_spooled(&client.socket, sent) {
            Flushed::Completely => {}
            flushed => return flushed,
        }
        match body.take_more(&mut client.output, &client.socket) {
            Ok(Follows::More) => {}
            Ok(Follows::Nothing) => client.body = None,
            Ok(Follows::ClientGone) => {
                tally.cancelled.add(1);
                return Flushed::Failed;
            }
            Err(error) => {
                log::error(&format!("A response was cut off: {error}"));
                tally.cut_off.add(1);
                return Flushed::Failed;
            }
        }
    }
}

/// Ends a connection whose last response is written. Should the client have sent more than was
/// taken, closing would take back what it has not read yet, so that is thrown away first.
fn end(client: &mut Client) -> Next {
    match client.socket.receive(&mut [0; 4096]) {
        Received::Bytes(_) => {
            client.after = After::Drain;
            client.deadline = Instant::now() + DRAINING;
            drain(client)
        }
        Received::WouldBlock | Received::Closed => Next::Close,
    }
}

/// Throws away what a client still sends that is not listened to any more.
fn drain(client: &mut Client) -> Next {
    client.socket.finish_sending();
    let mut waste = [0; 16 << 10];
    for _ in 0..DRAINED_AT_ONCE {
        match client.socket.receive(&mut waste) {
            Received::Bytes(_) => {}
            Received::WouldBlock => return Next::Rest(Interest::Read),
            Received::Closed => return Next::Close,
        }
    }
    // There is more, until its deadline at the most.
    match client.deadline <= Instant::now() {
        true => Next::Close,
        false => Next::Rest(Interest::Read),
    }
}
