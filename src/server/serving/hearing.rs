//! A client that hears events: what waits for it, and who of a core's clients hears what.
//!
//! ```text
//! joins ──all its channels are in force──▶ begun: head ──▶ event, event … ──▶ retry, the end
//!   └──not in time, refused──▶ an error                         └─ deaf ──▶ cut off
//! ```
//! A client that hears rests in the table of its core like others; what it is to be sent lies in
//! its [`Mailbox`], where whoever has the client in hand takes it. So a part of the stream is put
//! there for a client that is just being served, too.
//!
//! Invariant: whoever puts something into a mailbox looks for the client after that, and whoever
//! brings the client to rest looks into the mailbox after that: one of the two finds both. What
//! waits for a client is at most [`WAITING_BYTES_MAX`], with what its socket has not taken.

use crate::observing::Exchange;
use crate::serving::output::Output;
use crate::state::channels::{Channels, Joined, Place, TooMany};
use crate::state::snapshot::Snapshot;
use crate::sync::{Instant, Mutex, lock};
use corerest_api::channel::ChannelName;
use corerest_api::{Pending, Response};
use corerest_wire::http::event_stream::{LAST_CHUNK, Part, StreamFraming};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// How much may wait for a client that takes it slowly. The longest event fits in.
pub(crate) const WAITING_BYTES_MAX: usize = 64 << 10;

/// When a client is to come again after the stream has ended, in milliseconds: all of them at the
/// same time would be as many requests at once as there were streams.
const RETRY_MIN: u64 = 1_000;
const RETRY_SPREAD: u64 = 4_000;

/// What waits for a client.
#[derive(Debug)]
pub(crate) struct Mailbox {
    place: Place,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    stage: Stage,
    waiting: VecDeque<Part>,
    /// How many bytes wait, with those that were taken and are not known to be sent.
    bytes: usize,
    taken: usize,
}

/// How far the stream has come.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// There is no head yet.
    Joined,
    /// The channels are in force, and there is no head yet.
    Ready,
    /// PostgreSQL does not take a channel, for this reason.
    Refused(String),
    /// There is a head.
    Begun,
    /// What waits is the last.
    Ending,
    /// There was more than the client takes.
    Overrun,
}

/// What there is to be done for a client that hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Letter {
    /// Nothing.
    Nothing,
    /// Its response can begin.
    Begin,
    /// Its response is that it cannot, for this reason.
    Refuse(String),
    /// What waited for it is in its output: so many events.
    Sent(usize),
    /// The same, and nothing comes after it.
    Last(usize),
    /// It has not taken what it was sent, and more has come than waits for anybody.
    Overrun,
}

/// Who of a core's clients hears what.
#[derive(Debug, Default)]
pub(crate) struct Audience {
    members: Mutex<Members>,
}

#[derive(Debug, Default)]
struct Members {
    all: HashMap<Place, Arc<Mailbox>>,
    by_channel: HashMap<ChannelName, HashMap<Place, Arc<Mailbox>>>,
}

/// What is to be told.
#[derive(Clone, Debug)]
pub(crate) enum Word {
    /// Something was notified.
    Event(ChannelName, Part),
    /// Everybody hears this.
    ToAll(Part),
    /// The channels of this client are in force.
    Ready(Place),
    /// PostgreSQL does not take a channel of this client, for this reason.
    Refused(Place, String),
    /// All streams end.
    End,
}

/// What a response begins with that waits for its channels to be in force.
pub(crate) struct Opening {
    /// What the request was prepared with.
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) pending: Pending,
    pub(crate) response: Response,
    pub(crate) framing: StreamFraming,
    pub(crate) exchange: Exchange,
}

impl Word {
    /// How much it puts into a mailbox.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Word::Event(_, part) | Word::ToAll(part) => part.len(),
            Word::Ready(_) | Word::Refused(..) | Word::End => 0,
        }
    }
}

/// A client's part in it. It hears no longer when this is dropped.
pub(crate) struct Hearing {
    channels: Arc<Channels>,
    audience: Arc<Audience>,
    names: Arc<[ChannelName]>,
    pub(crate) mailbox: Arc<Mailbox>,
    /// What its response begins with, until it has.
    pub(crate) opening: Option<Box<Opening>>,
    pub(crate) framing: StreamFraming,
    /// When its caller may hear no longer.
    pub(crate) ends: Option<Instant>,
    /// Until when it is waited for, if it takes nothing.
    pub(crate) blocked_until: Option<Instant>,
    /// Whether it has sent something after its request, to which there will be no answer.
    pub(crate) has_spoken: bool,
}

impl Hearing {
    /// A client at this place wants to hear these channels, each named once.
    ///
    /// # Errors
    /// If there would be more channels than there may be, for all clients.
    pub(crate) fn begin(
        channels: &Arc<Channels>,
        audience: &Arc<Audience>,
        place: Place,
        names: Arc<[ChannelName]>,
        opening: Box<Opening>,
    ) -> Result<(Hearing, Joined), (TooMany, Box<Opening>)> {
        let mailbox = Arc::new(Mailbox::new(place));
        // First, for it may be ready before it is known that it waits.
        audience.add(&names, &mailbox);
        let at_most = opening.snapshot.config.server_max_channels;
        let joined = match channels.join(place, &names, at_most) {
            Ok(joined) => joined,
            Err(too_many) => {
                audience.remove(&names, place);
                return Err((too_many, opening));
            }
        };
        let hearing = Hearing {
            channels: Arc::clone(channels),
            audience: Arc::clone(audience),
            names,
            mailbox,
            framing: opening.framing,
            opening: Some(opening),
            ends: None,
            blocked_until: None,
            has_spoken: false,
        };
        Ok((hearing, joined))
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        self.audience.remove(&self.names, self.mailbox.place);
        self.channels.leave(self.mailbox.place, &self.names);
    }
}

impl Audience {
    /// This client hears these channels.
    pub(crate) fn add(&self, names: &[ChannelName], mailbox: &Arc<Mailbox>) {
        let mut members = lock(&self.members);
        let place = mailbox.place;
        members.all.insert(place, Arc::clone(mailbox));
        for name in names {
            let hears = members.by_channel.entry(name.clone()).or_default();
            hears.insert(place, Arc::clone(mailbox));
        }
    }

    fn remove(&self, names: &[ChannelName], place: Place) {
        let mut members = lock(&self.members);
        members.all.remove(&place);
        for name in names {
            if let Some(hears) = members.by_channel.get_mut(name) {
                hears.remove(&place);
                if hears.is_empty() {
                    members.by_channel.remove(name);
                }
            }
        }
        // What many have needed is not kept for a few.
        if members.all.len() < members.all.capacity() / 8 {
            members.all.shrink_to_fit();
            members.by_channel.shrink_to_fit();
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        lock(&self.members).all.len()
    }

    /// Puts a word into the mailboxes of those who hear it. Each of those is noted who has
    /// something in it now and had not before. Returns how many mailboxes it looked at.
    pub(crate) fn tell(&self, word: &Word, due: &mut VecDeque<Place>) -> usize {
        let members = lock(&self.members);
        match word {
            Word::Event(channel, part) => {
                let Some(hears) = members.by_channel.get(channel) else {
                    return 1;
                };
                hears.values().for_each(|mailbox| mailbox.put(part, due));
                hears.len()
            }
            Word::ToAll(part) => {
                let begun = members.all.values().filter(|mailbox| mailbox.has_begun());
                begun.for_each(|mailbox| mailbox.put(part, due));
                members.all.len()
            }
            Word::Ready(place) => members.change(*place, Stage::Ready, due),
            Word::Refused(place, why) => members.change(*place, Stage::Refused(why.clone()), due),
            Word::End => {
                let ending = members.all.values().filter(|mailbox| mailbox.end());
                due.extend(ending.map(|mailbox| mailbox.place));
                members.all.len()
            }
        }
    }
}

impl Members {
    /// A client that waits for its response need not wait any longer.
    fn change(&self, place: Place, stage: Stage, due: &mut VecDeque<Place>) -> usize {
        if let Some(mailbox) = self.all.get(&place) {
            let mut state = lock(&mailbox.state);
            if state.stage == Stage::Joined {
                state.stage = stage;
                due.push_back(place);
            }
        }
        1
    }
}

impl Mailbox {
    /// Nothing waits for a client at this place, whose response has not begun.
    pub(crate) fn new(place: Place) -> Mailbox {
        Mailbox {
            place,
            state: Mutex::new(State {
                stage: Stage::Joined,
                waiting: VecDeque::new(),
                bytes: 0,
                taken: 0,
            }),
        }
    }

    fn put(&self, part: &Part, due: &mut VecDeque<Place>) {
        let mut state = lock(&self.state);
        // What is told before the head is there was committed before the client has seen it.
        if state.stage != Stage::Begun {
            return;
        }
        // Whoever was noted before, and has not been looked for, is not noted twice.
        let is_new = state.waiting.is_empty();
        if state.bytes + part.len() > WAITING_BYTES_MAX {
            state.stage = Stage::Overrun;
            state.waiting = VecDeque::new();
        } else {
            state.bytes += part.len();
            state.waiting.push_back(part.clone());
        }
        if is_new || state.stage == Stage::Overrun {
            due.push_back(self.place);
        }
    }

    /// Whether there is a head.
    pub(crate) fn has_begun(&self) -> bool {
        let state = lock(&self.state);
        matches!(state.stage, Stage::Begun | Stage::Ending | Stage::Overrun)
    }

    /// The stream ends with what waits, and with when to come again, if it has begun. Whether
    /// there is something new to be done for its client.
    pub(crate) fn end(&self) -> bool {
        let mut state = lock(&self.state);
        let has_begun = state.stage == Stage::Begun;
        if has_begun {
            state.stage = Stage::Ending;
        }
        has_begun
    }

    /// Its client's response has begun.
    pub(crate) fn begin(&self) {
        lock(&self.state).stage = Stage::Begun;
    }

    /// How much waits in it.
    pub(crate) fn bytes(&self) -> usize {
        let state = lock(&self.state);
        state.bytes - state.taken
    }

    /// Whether there is something to be done for its client, who takes nothing at this time if it
    /// is blocked.
    pub(crate) fn is_due(&self, is_blocked: bool) -> bool {
        let state = lock(&self.state);
        match state.stage {
            Stage::Joined => false,
            Stage::Begun => !is_blocked && !state.waiting.is_empty(),
            Stage::Ready | Stage::Refused(_) | Stage::Ending | Stage::Overrun => true,
        }
    }

    /// Whether a client that takes nothing is not waited for any longer.
    pub(crate) fn is_over(&self) -> bool {
        matches!(lock(&self.state).stage, Stage::Ending | Stage::Overrun)
    }

    /// Takes what waits. What was taken before has been written.
    pub(crate) fn open(&self, framing: StreamFraming, output: &mut Output) -> Letter {
        let mut state = lock(&self.state);
        state.bytes -= std::mem::take(&mut state.taken);
        let is_last = match &state.stage {
            Stage::Joined => return Letter::Nothing,
            Stage::Ready => return Letter::Begin,
            Stage::Refused(why) => return Letter::Refuse(why.clone()),
            Stage::Overrun => return Letter::Overrun,
            Stage::Begun if state.waiting.is_empty() => return Letter::Nothing,
            Stage::Begun => false,
            Stage::Ending => true,
        };
        state.taken = state.bytes;
        let mut events = 0;
        for part in state.waiting.drain(..) {
            output.push_part(part.bytes(framing));
            events += usize::from(part.is_event());
        }
        // A burst is over; what it has needed is not kept for all that have heard it.
        state.waiting = VecDeque::new();
        if !is_last {
            return Letter::Sent(events);
        }
        output.push_part(Part::retry(self.retry_milliseconds()).bytes(framing));
        if framing == StreamFraming::Chunked {
            output.push_part(LAST_CHUNK);
        }
        Letter::Last(events)
    }

    /// What is known of a client's place is spread as well as anything.
    fn retry_milliseconds(&self) -> u64 {
        let spread = self.place.number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        RETRY_MIN + spread % RETRY_SPREAD
    }
}

#[cfg(all(test, not(feature = "model")))]
mod tests {
    use super::*;

    const PLACE: Place = Place { core: 0, number: 7 };

    fn audience() -> (Audience, Arc<Mailbox>, ChannelName) {
        let names = ChannelName::parse_list(b"a").unwrap();
        let audience = Audience::default();
        let mailbox = Arc::new(Mailbox::new(PLACE));
        audience.add(&names, &mailbox);
        (audience, mailbox, names[0].clone())
    }

    /// Tells something, and returns who is to be looked for.
    fn tell(audience: &Audience, word: &Word) -> Vec<Place> {
        let mut due = VecDeque::new();
        audience.tell(word, &mut due);
        due.into()
    }

    fn open(mailbox: &Mailbox) -> (Letter, String) {
        let mut output = Output::default();
        let letter = mailbox.open(StreamFraming::UntilClose, &mut output);
        let text = String::from_utf8(output.unwritten().to_vec()).unwrap();
        (letter, text)
    }

    #[test]
    fn a_client_hears_what_comes_behind_its_head_and_is_noted_once() {
        let (audience, mailbox, name) = audience();
        let event = |data| Word::Event(name.clone(), Part::event("a", None, data));
        assert_eq!(tell(&audience, &event("before")), []);
        assert_eq!(tell(&audience, &Word::Ready(PLACE)), [PLACE]);
        assert_eq!(tell(&audience, &Word::Ready(PLACE)), [], "it was told");
        assert_eq!(open(&mailbox).0, Letter::Begin);
        mailbox.begin();
        assert!(!mailbox.is_due(false));
        assert_eq!(tell(&audience, &event("1")), [PLACE]);
        assert_eq!(tell(&audience, &event("2")), []);
        assert!(mailbox.is_due(false) && !mailbox.is_due(true));
        let both = "event: a\ndata: 1\n\nevent: a\ndata: 2\n\n";
        assert_eq!(open(&mailbox), (Letter::Sent(2), both.to_owned()));
        assert_eq!(open(&mailbox).0, Letter::Nothing);
        let comment = Word::ToAll(Part::comment());
        assert_eq!(tell(&audience, &comment), [PLACE]);
        assert_eq!(tell(&audience, &Word::End), [PLACE]);
        assert_eq!(tell(&audience, &event("late")), []);
        let (letter, text) = open(&mailbox);
        assert_eq!(letter, Letter::Last(0));
        assert!(text.starts_with(":\n\nretry: "), "{text}");
    }

    #[test]
    fn so_much_waits_for_a_client_and_no_more() {
        let (audience, mailbox, name) = audience();
        mailbox.begin();
        let part = Part::event("a", None, &"x".repeat(8_000));
        let word = Word::Event(name, part.clone());
        let fit = WAITING_BYTES_MAX / part.len();
        assert_eq!(tell(&audience, &word), [PLACE]);
        for _ in 1..fit {
            assert_eq!(tell(&audience, &word), []);
        }
        assert_eq!(mailbox.bytes(), fit * part.len());
        // What was taken waits as long as it is not known to be written.
        assert_eq!(open(&mailbox).0, Letter::Sent(fit));
        assert_eq!(mailbox.bytes(), 0, "it is the output's");
        assert_eq!(tell(&audience, &word), [PLACE]);
        assert_eq!(open(&mailbox).0, Letter::Overrun);
        assert!(mailbox.is_over() && mailbox.is_due(true));
        assert_eq!(tell(&audience, &word), []);
    }

    #[test]
    fn what_is_refused_is_told_with_the_reason() {
        let (audience, mailbox, _) = audience();
        let word = Word::Refused(PLACE, "no".to_owned());
        assert_eq!(tell(&audience, &word), [PLACE]);
        assert_eq!(open(&mailbox).0, Letter::Refuse("no".to_owned()));
        assert_eq!(tell(&audience, &Word::End), []);
    }
}
