//! What a thread of a core does for clients that hear events.
//!
//! ```text
//! subscribe ──in force──▶ begin_stream ──▶ hear ⇄ rest ──▶ end: retry, the last chunk, closed
//!     └─ rest ── Ready ─────▶┘               └─ deaf, gone ──▶ closed
//! ```
//! A file of its own beside [`super::threads`], of which it is a part: nothing in here is about
//! requests. No thread waits for such a client, and none holds a connection for it.

use super::threads::{Readable, Worker, flush};
use crate::log;
use crate::net::{Interest, Received};
use crate::serving::client::{Client, ClientToken};
use crate::serving::handle;
use crate::serving::hearing::{Hearing, Letter, Opening};
use crate::serving::output::Flushed;
use crate::state::channels::{Joined, Place};
use crate::sync::{Instant, unix_seconds};
use corerest_api::Error;
use corerest_api::channel::ChannelName;
use corerest_wire::http::Phase;
use std::time::Duration;

/// How much of what a client says is thrown away at a time, before others have their turn.
const READ_AT_ONCE: usize = 16;

/// A time that does not come: years of an idle client.
const NEVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// When somebody was told that clients do not take what they wanted to hear.
static DEAF_WARNED: log::Seldom = log::Seldom::new();

/// How far a client has come that hears.
enum Heard {
    /// It has what there was.
    All,
    /// It takes no more now.
    Some,
    /// Its response can begin.
    Begins,
    /// PostgreSQL does not take one of its channels, for this reason.
    Refused(String),
    /// It has the end.
    Ended,
    /// It does not take what it wanted to hear.
    Deaf,
    /// It is gone.
    Gone,
}

impl Worker {
    /// A client is going to hear these channels: at once if they are in force, or when they are.
    pub(super) fn subscribe(
        &mut self,
        mut client: Box<Client>,
        opening: Box<Opening>,
        names: Vec<ChannelName>,
    ) {
        if self.cores.are_streams_full() {
            let at_most = self.cores.streams_max();
            return self.refuse_stream(client, &opening, &Error::TooManyStreams { at_most });
        }
        let place = Place {
            core: client.home,
            number: client.token.number(),
        };
        let audience = &self.cores.cores[client.home].rounds.audience;
        let begun = Hearing::begin(&self.cores.channels, audience, place, names.into(), opening);
        let (hearing, joined) = match begun {
            Ok(begun) => begun,
            Err((_, opening)) => {
                let at_most = opening.snapshot.config.server_max_channels;
                return self.refuse_stream(client, &opening, &Error::TooManyChannels { at_most });
            }
        };
        client.hearing = Some(Box::new(hearing));
        match joined {
            Joined::InForce => self.begin_stream(client),
            Joined::Waits => {
                // Its request has been let in, and lies in its buffer until it is answered.
                let bytes = client.bytes_held();
                client.memory.keep(bytes);
                client.deadline = Instant::now() + self.cores.patience.acquisition;
                self.rest_hearing(client, Interest::Read);
            }
        }
    }

    /// Brings a client to rest, and serves it if something has come for it meanwhile.
    fn rest_hearing(&mut self, client: Box<Client>, interest: Interest) {
        let mut resting = Some((client, interest));
        while let Some((client, interest)) = resting.take() {
            let mailbox = hearing(&client).mailbox.clone();
            let (home, token) = (client.home, client.token);
            self.cores.rest(client, interest);
            if mailbox.is_due(interest == Interest::Write)
                && let Some(client) = self.cores.take(home, token)
            {
                resting = self.hear_once(client);
            }
        }
    }

    /// Does for a client that hears whatever there is to be done now.
    pub(super) fn hear(&mut self, client: Box<Client>) {
        if let Some((client, interest)) = self.hear_once(client) {
            self.rest_hearing(client, interest);
        }
    }

    /// The same; what is returned comes to rest.
    fn hear_once(&mut self, mut client: Box<Client>) -> Option<(Box<Client>, Interest)> {
        loop {
            self.take_in_hand(&client);
            client.output.lend_buffer(&mut self.output);
            let heard = self.read_letters(&mut client);
            client.output.reclaim_buffer(&mut self.output);
            self.in_hand = None;
            let interest = match heard {
                Heard::All => Interest::Read,
                Heard::Some => Interest::Write,
                Heard::Begins => {
                    self.open_stream(&mut client);
                    continue;
                }
                Heard::Refused(why) => {
                    let opening = opening(&mut client);
                    let message = "PostgreSQL does not take the name of a channel".to_owned();
                    let error = Error::Channel {
                        message,
                        details: why,
                    };
                    self.refuse_stream(client, &opening, &error);
                    return None;
                }
                Heard::Ended => {
                    client.hearing = None;
                    // It has been told that its connection ends.
                    self.serve(client, Readable::No);
                    return None;
                }
                Heard::Deaf => {
                    self.cut_off_deaf(client);
                    return None;
                }
                Heard::Gone => {
                    self.cores.close(client);
                    return None;
                }
            };
            if !self.keep_hearing(&mut client, interest) {
                self.cut_off_deaf(client);
                return None;
            }
            return Some((client, interest));
        }
    }

    /// Sends a client what has come for it.
    fn read_letters(&mut self, client: &mut Client) -> Heard {
        let tally = self.observer.tally();
        let mailbox = hearing(client).mailbox.clone();
        let framing = hearing(client).framing;
        loop {
            match flush(client, tally) {
                Flushed::Completely => {}
                // Who takes nothing is not waited for when the stream is over.
                Flushed::Partly if mailbox.is_over() => return Heard::Deaf,
                Flushed::Partly => return Heard::Some,
                Flushed::Failed => return Heard::Gone,
            }
            match mailbox.open(framing, &mut client.output) {
                Letter::Nothing => return Heard::All,
                Letter::Begin => return Heard::Begins,
                Letter::Refuse(why) => return Heard::Refused(why),
                Letter::Sent(events) => tally.events.add(events as u64),
                Letter::Last(events) => {
                    tally.events.add(events as u64);
                    return match flush(client, tally) {
                        Flushed::Completely => Heard::Ended,
                        Flushed::Partly => Heard::Deaf,
                        Flushed::Failed => Heard::Gone,
                    };
                }
                Letter::Overrun => return Heard::Deaf,
            }
        }
    }

    /// Sets the deadline of a client that rests, and holds the memory of what it has not taken, if
    /// there is so much.
    fn keep_hearing(&self, client: &mut Client, interest: Interest) -> bool {
        let now = Instant::now();
        if interest == Interest::Write {
            client.output.shrink();
        }
        let bytes = client.bytes_held();
        let hearing = client.hearing.as_mut().expect("it hears");
        if !hearing.mailbox.has_begun() {
            client.memory.keep(bytes);
            return true;
        }
        // What it does not take has one deadline, however often something is added.
        hearing.blocked_until = match interest {
            Interest::Read => None,
            Interest::Write => hearing
                .blocked_until
                .or(Some(now + self.cores.patience.write)),
        };
        let ends = hearing.ends.unwrap_or(now + NEVER);
        client.deadline = hearing.blocked_until.map_or(ends, |until| until.min(ends));
        client.memory.hold(bytes)
    }

    /// A client that hears can be read from, or written to. What it says after its request is not
    /// answered, as its response has said, so it ends the stream.
    pub(super) fn attend(&mut self, mut client: Box<Client>) {
        let mut waste = [0; 4096];
        let mut has_spoken = false;
        for _ in 0..READ_AT_ONCE {
            match client.socket.receive(&mut waste) {
                Received::Bytes(_) => has_spoken = true,
                Received::WouldBlock => break,
                Received::Closed => return self.cores.close(client),
            }
        }
        let hearing = client.hearing.as_mut().expect("it hears");
        hearing.has_spoken |= has_spoken;
        if hearing.has_spoken {
            hearing.mailbox.end();
        }
        self.hear(client);
    }

    fn begin_stream(&mut self, mut client: Box<Client>) {
        self.open_stream(&mut client);
        self.hear(client);
    }

    /// Begins the response of a client, whose channels are in force.
    fn open_stream(&mut self, client: &mut Client) {
        self.take_in_hand(client);
        let opening = opening(client);
        client.output.lend_buffer(&mut self.output);
        self.at_desk_of(&opening.snapshot, |desk| {
            handle::begin_stream(desk, client, &opening)
        });
        let is_followed = client.requests.phase() == Phase::Head;
        client.requests.give_up();
        self.reclaim_buffers(client);
        let now = Instant::now();
        let began = i64::try_from(unix_seconds()).unwrap_or(i64::MAX);
        let hearing = client.hearing.as_mut().expect("it hears");
        hearing.has_spoken |= is_followed;
        let expiry = opening.pending.expiry();
        hearing.ends = expiry.map(|expiry| {
            let left = expiry.end_of_what_began(began).saturating_sub(began);
            let left = Duration::from_secs(u64::try_from(left).unwrap_or(0));
            now + left.min(NEVER)
        });
        hearing.mailbox.begin();
        // Whoever publishes another snapshot ends the streams that have begun by then.
        let is_outdated = !self.cores.is_current(&opening.snapshot);
        if is_outdated || self.cores.is_stopping() || hearing.has_spoken {
            hearing.mailbox.end();
        }
    }

    /// Answers a client with why it cannot hear what it wanted to.
    fn refuse_stream(&mut self, mut client: Box<Client>, opening: &Opening, error: &Error) {
        self.take_in_hand(&client);
        client.hearing = None;
        self.lend_buffers(&mut client);
        self.at_desk_of(&opening.snapshot, |desk| {
            handle::refuse_stream(desk, &mut client, opening, error)
        });
        self.reclaim_buffers(&mut client);
        client.output.shrink();
        self.in_hand = None;
        // It can be written to at once. Served here, one who has sent a thousand such requests
        // would have them answered each within the other.
        self.rest(client, Interest::Write);
    }

    /// The time of a client is over: to wait for its channels, to hear them, or to take something;
    /// or the server ends.
    pub(super) fn on_end_of_hearing(&mut self, mut client: Box<Client>) {
        let now = Instant::now();
        let hearing = client.hearing.as_mut().expect("it hears");
        let is_over = hearing.ends.is_some_and(|ends| ends <= now);
        let is_stopping = self.cores.is_stopping();
        match hearing.mailbox.has_begun() {
            true if is_over || is_stopping => {
                hearing.mailbox.end();
                self.hear(client);
            }
            true => self.cut_off_deaf(client),
            // The head tells it that there is somebody, and the end that it should come again.
            false if is_stopping => self.begin_stream(client),
            false => {
                let opening = opening(&mut client);
                self.refuse_stream(client, &opening, &Error::NotListening);
            }
        }
    }

    fn cut_off_deaf(&mut self, client: Box<Client>) {
        self.observer.tally().deaf.add(1);
        log::warn_seldom(&DEAF_WARNED, || {
            "A stream of events was cut off, for its client does not take them, or there is no \
             memory for them (server-max-memory)."
                .to_owned()
        });
        self.cores.close(client);
    }

    /// Tells those who hear something of it.
    pub(super) fn on_round(&mut self) {
        let cores = self.cores.clone();
        let Some(mut slice) = cores.cores[self.index].rounds.slice() else {
            return;
        };
        while let Some(place) = slice.due.pop_front() {
            if let Some(client) = cores.take(self.index, ClientToken::from_place(place)) {
                self.hear(client);
            }
        }
    }
}

fn hearing(client: &Client) -> &Hearing {
    client.hearing.as_ref().expect("it hears")
}

/// What the response of a client begins with, which it has not yet.
fn opening(client: &mut Client) -> Box<Opening> {
    let hearing = client.hearing.as_mut().expect("it hears");
    hearing.opening.take().expect("it has not begun")
}
