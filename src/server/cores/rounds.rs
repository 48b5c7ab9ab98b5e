//! Rounds: what is told to those who hear events goes to all clients of a core at a time.
//!
//! ```text
//! quiet ──told──▶ due ──alarm──▶ under way: a slice, a slice, … ──▶ resting ──▶ quiet, or due
//! ```
//! Whoever tells something never writes to a client: the core's own threads do, and no two of them
//! at a time, so that everybody hears everything in one order. After a round the core rests for
//! some times as long as the round took: few who hear are told at once, and many cost a bounded
//! part of the CPU, for what is told meanwhile is written in one piece.
//!
//! Invariant: while something waits to be told, the alarm is set, or a thread is in a slice and
//! sets it afterwards, also if it panics ([`Slice`]). `model::rounds` tries it.

use crate::net::Alarm;
use crate::serving::hearing::{Audience, WAITING_BYTES_MAX, Word};
use crate::state::channels::Place;
use crate::sync::{Instant, Mutant, Mutex, is_mutant, lock};
use corerest_wire::http::event_stream::Part;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// How many clients are written to before others have their turn.
const SLICE: usize = 64;

/// How many times as long as a round a core rests after it, and for how long at the most.
const REST_FACTOR: u32 = 8;
const REST_MAX: Duration = Duration::from_millis(50);

/// How much may wait to be told. More than that at a time is a flood; who is told of the loss comes
/// again.
const WORDS_MAX: usize = 4_096;

/// How many mailboxes something is put into before those are served who have it: some
/// milliseconds.
const PUT_MAX: usize = 64 << 10;

/// How many bytes are put into mailboxes before those are served who have them. A mailbox that its
/// client has emptied takes as much, so whoever takes what it hears is not cut off for a burst,
/// such as the notifications of one transaction.
const PUT_BYTES_MAX: usize = WAITING_BYTES_MAX / 2;

/// How often something is sent to those who hear nothing, so that whoever is in between does not
/// take them for dead: less than half of what proxies wait.
const BEAT: Duration = Duration::from_secs(15);

/// As soon as possible, but after what happens meanwhile.
const AT_ONCE: Duration = Duration::ZERO;

/// The rounds of a core.
#[derive(Debug)]
pub(super) struct Rounds {
    pub(super) audience: Arc<Audience>,
    pub(super) alarm: Alarm,
    state: Mutex<State>,
    next_beat: Mutex<Option<Instant>>,
}

#[derive(Debug)]
struct State {
    words: VecDeque<Word>,
    /// Those who have something in their mailboxes.
    due: VecDeque<Place>,
    /// Whether the alarm is set, or a thread is in a slice.
    is_awake: bool,
    /// How long this round has taken so far.
    took: Duration,
    /// When the next one may begin.
    next: Option<Instant>,
}

/// A part of a round: those who are to be served by the thread that has it. When it is dropped, the
/// round goes on.
pub(super) struct Slice<'a> {
    rounds: &'a Rounds,
    pub(super) due: VecDeque<Place>,
    began: Instant,
}

impl Rounds {
    /// Nobody hears anything yet.
    pub(super) fn new() -> io::Result<Rounds> {
        Ok(Rounds {
            audience: Arc::default(),
            alarm: Alarm::new()?,
            state: Mutex::new(State {
                words: VecDeque::new(),
                due: VecDeque::new(),
                is_awake: false,
                took: Duration::ZERO,
                next: None,
            }),
            next_beat: Mutex::new(None),
        })
    }

    /// Something is to be told.
    pub(super) fn tell(&self, word: Word) {
        let mut state = lock(&self.state);
        if state.words.len() >= WORDS_MAX {
            // Nothing is left out silently: whoever hears comes again, and asks what has changed.
            state
                .words
                .retain(|word| matches!(word, Word::Ready(_) | Word::Refused(..)));
            state.words.push_back(Word::End);
        }
        state.words.push_back(word);
        if !state.is_awake {
            state.is_awake = true;
            let rests = state.next.map_or(AT_ONCE, |next| {
                next.saturating_duration_since(Instant::now())
            });
            self.set_alarm(rests);
        }
    }

    /// The alarm has gone off, and the thread that calls this serves some of those who are due.
    pub(super) fn slice(&self) -> Option<Slice<'_>> {
        if !self.alarm.has_gone_off() {
            return None;
        }
        let began = Instant::now();
        let mut state = lock(&self.state);
        let state = &mut *state;
        if state.due.is_empty() {
            let (mut put, mut bytes) = (0, 0);
            while put < PUT_MAX
                && bytes < PUT_BYTES_MAX
                && let Some(word) = state.words.pop_front()
            {
                put += self.audience.tell(&word, &mut state.due);
                bytes += word.bytes();
            }
        }
        let count = state.due.len().min(SLICE);
        Some(Slice {
            rounds: self,
            due: state.due.drain(..count).collect(),
            began,
        })
    }

    /// Shows those who hear that somebody is there, if it is time for that.
    pub(super) fn beat(&self, now: Instant) {
        let mut next = lock(&self.next_beat);
        if next.is_some_and(|next| now < next) {
            return;
        }
        *next = Some(now + BEAT);
        drop(next);
        if self.audience.len() > 0 {
            self.tell(Word::ToAll(Part::comment()));
        }
    }

    fn set_alarm(&self, after: Duration) {
        // The descriptor is a timer and the time is valid, so this cannot fail.
        let _ = self.alarm.set(after);
    }
}

impl Drop for Slice<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.rounds.state);
        let now = Instant::now();
        state.took += now.saturating_duration_since(self.began);
        // Those that a panic has left.
        state.due.extend(self.due.drain(..));
        if !state.due.is_empty() {
            return self.rounds.set_alarm(AT_ONCE);
        }
        let rest = (std::mem::take(&mut state.took) * REST_FACTOR).min(REST_MAX);
        state.next = Some(now + rest);
        if state.words.is_empty() || is_mutant(Mutant::RoundForgets) {
            state.is_awake = false;
        } else {
            self.rounds.set_alarm(rest);
        }
    }
}

#[cfg(all(test, not(feature = "model")))]
mod tests {
    use super::*;
    use crate::serving::hearing::{Letter, Mailbox};
    use crate::serving::output::Output;
    use corerest_api::channel::ChannelName;
    use corerest_wire::http::event_stream::StreamFraming;

    #[test]
    fn whoever_takes_what_it_hears_hears_a_burst_whole() {
        const EVENTS: usize = 500;
        let place = Place { core: 0, number: 7 };
        let names = ChannelName::parse_list(b"a").unwrap();
        let rounds = Rounds::new().unwrap();
        let mailbox = Arc::new(Mailbox::new(place));
        rounds.audience.add(&names, &mailbox);
        mailbox.begin();
        let part = Part::event("a", None, &"x".repeat(7_000));
        for _ in 0..EVENTS {
            rounds.tell(Word::Event(names[0].clone(), part.clone()));
        }
        let mut heard = 0;
        let deadline = Instant::now() + Duration::from_secs(60);
        while heard < EVENTS {
            assert!(Instant::now() < deadline, "{heard} were heard");
            let Some(mut slice) = rounds.slice() else {
                std::thread::yield_now();
                continue;
            };
            for _ in slice.due.drain(..) {
                match mailbox.open(StreamFraming::Chunked, &mut Output::default()) {
                    Letter::Sent(events) => heard += events,
                    other => panic!("{other:?} after {heard}"),
                }
                // It is written, and so it is asked for what comes next.
                let nothing = mailbox.open(StreamFraming::Chunked, &mut Output::default());
                assert_eq!(nothing, Letter::Nothing);
            }
        }
    }
}
