//! Which channels somebody wants to hear, and which of them PostgreSQL has been told of.
//!
//! ```text
//!          join                 LISTEN is done
//! unknown ─────▶ wanted ──────────────────────────▶ in force ──the last one leaves──▶ unwanted
//!                  ▲  └─ PostgreSQL refuses ─▶ refused  │                               │
//!                  └──────── the connection is lost ────┘           UNLISTEN is told ──▶ unknown
//! ```
//! The cores join and leave for their clients, and the thread that listens ([`Channels::bell`]
//! wakes it) sees to it that PostgreSQL knows. A client that joins a channel which is not in force
//! waits ([`Joined::Waits`]) until it is: what is notified after his response has begun, he hears.
//!
//! Invariant: a channel is known as long as somebody has joined it, or PostgreSQL has been told of
//! it and not yet of its end; a client who waits for nothing is not among those who wait.

use crate::net::Bell;
use crate::sync::{Mutex, lock};
use corerest_api::channel::ChannelName;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

/// A client, as those know it who do not know clients: its core, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) core: usize,
    pub(crate) number: u64,
}

/// The channels of all clients.
#[derive(Debug)]
pub(crate) struct Channels {
    state: Mutex<State>,
    /// Whether PostgreSQL is listened to; `None` if nobody is to hear anything.
    listening: Mutex<Option<bool>>,
    bell: Bell,
}

#[derive(Debug, Default)]
struct State {
    known: HashMap<ChannelName, Channel>,
    /// How many of them somebody wants.
    wanted: usize,
    waiting: HashMap<Place, Arc<[ChannelName]>>,
}

#[derive(Debug)]
struct Channel {
    members: usize,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Wanted,
    InForce,
    Refused,
}

/// Whether a client has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joined {
    /// All its channels are in force.
    InForce,
    /// Somebody will say when they are.
    Waits,
}

/// There would be more channels than there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

impl Channels {
    /// None yet.
    ///
    /// # Errors
    /// If there are no file descriptors left.
    pub(crate) fn new() -> io::Result<Channels> {
        Ok(Channels {
            state: Mutex::default(),
            listening: Mutex::default(),
            bell: Bell::new()?,
        })
    }

    /// Rings when there is something to tell PostgreSQL.
    pub(crate) fn bell(&self) -> &Bell {
        &self.bell
    }

    /// A client wants to hear these channels, each named once.
    ///
    /// # Errors
    /// If there would be more than `at_most`. Nothing has changed then.
    pub(crate) fn join(
        &self,
        place: Place,
        names: &Arc<[ChannelName]>,
        at_most: usize,
    ) -> Result<Joined, TooMany> {
        let mut state = lock(&self.state);
        let new = names.iter().filter(|name| !state.is_wanted(name)).count();
        if new > 0 && state.wanted + new > at_most {
            return Err(TooMany);
        }
        state.wanted += new;
        for name in &**names {
            let channel = state.known.entry(name.clone()).or_insert(Channel {
                members: 0,
                stage: Stage::Wanted,
            });
            channel.members += 1;
            // What PostgreSQL has refused it may take now.
            if channel.stage == Stage::Refused {
                channel.stage = Stage::Wanted;
            }
        }
        if state.are_in_force(names) {
            return Ok(Joined::InForce);
        }
        state.waiting.insert(place, Arc::clone(names));
        drop(state);
        self.bell.ring();
        Ok(Joined::Waits)
    }

    /// A client who has joined these channels wants to hear them no longer.
    pub(crate) fn leave(&self, place: Place, names: &[ChannelName]) {
        let mut state = lock(&self.state);
        state.waiting.remove(&place);
        let mut is_any_left = false;
        for name in names {
            let channel = state.known.get_mut(name);
            let channel = channel.expect("who leaves has joined");
            channel.members -= 1;
            if channel.members == 0 {
                state.wanted -= 1;
                is_any_left = true;
            }
        }
        drop(state);
        if is_any_left {
            self.bell.ring();
        }
    }

    /// Whether PostgreSQL is listened to at this moment; `None` if nobody is to hear anything.
    pub(crate) fn listening(&self) -> Option<bool> {
        *lock(&self.listening)
    }

    /// The same, told by the thread that listens.
    pub(crate) fn set_listening(&self, listening: Option<bool>) {
        *lock(&self.listening) = listening;
    }

    /// How many somebody wants.
    pub(crate) fn count(&self) -> usize {
        lock(&self.state).wanted
    }

    /// Those that PostgreSQL has not been told of.
    pub(crate) fn to_listen(&self) -> Vec<ChannelName> {
        let state = lock(&self.state);
        let wanted = state.known.iter();
        let wanted =
            wanted.filter(|(_, channel)| channel.stage == Stage::Wanted && channel.members > 0);
        wanted.map(|(name, _)| name.clone()).collect()
    }

    /// Those that nobody wants any more and PostgreSQL was told of. They are unknown from now on:
    /// who joins one of them waits until PostgreSQL is told again.
    pub(crate) fn take_unwanted(&self) -> Vec<ChannelName> {
        let mut state = lock(&self.state);
        let unwanted = state.known.extract_if(|_, channel| channel.members == 0);
        let told = unwanted.filter(|(_, channel)| channel.stage == Stage::InForce);
        told.map(|(name, _)| name).collect()
    }

    /// PostgreSQL has been told of these channels. Those clients are returned who need not wait
    /// any longer.
    pub(crate) fn on_listening(&self, names: &[ChannelName]) -> Vec<Place> {
        let mut state = lock(&self.state);
        for name in names {
            // The thread that tells PostgreSQL is the one that forgets channels.
            let channel = state.known.get_mut(name);
            channel.expect("it was to be listened to").stage = Stage::InForce;
        }
        let state = &mut *state;
        let (known, waiting) = (&state.known, &mut state.waiting);
        let is_ready = |names: &[ChannelName]| {
            let mut stages = names.iter().filter_map(|name| known.get(name));
            stages.all(|channel| channel.stage == Stage::InForce)
        };
        let ready = waiting.extract_if(|_, names| is_ready(names));
        ready.map(|(place, _)| place).collect()
    }

    /// PostgreSQL does not take a channel. Those clients are returned who wait for it.
    pub(crate) fn on_refused(&self, name: &ChannelName) -> Vec<Place> {
        let mut state = lock(&self.state);
        if let Some(channel) = state.known.get_mut(name) {
            channel.stage = Stage::Refused;
        }
        let waiting = state.waiting.extract_if(|_, names| names.contains(name));
        waiting.map(|(place, _)| place).collect()
    }

    /// The connection is lost: PostgreSQL has to be told of everything anew.
    pub(crate) fn on_lost(&self) {
        let mut state = lock(&self.state);
        for channel in state.known.values_mut() {
            channel.stage = Stage::Wanted;
        }
    }
}

impl State {
    fn is_wanted(&self, name: &ChannelName) -> bool {
        let channel = self.known.get(name);
        channel.is_some_and(|channel| channel.members > 0)
    }

    fn are_in_force(&self, names: &[ChannelName]) -> bool {
        let mut stages = names.iter().map(|name| self.known[name].stage);
        stages.all(|stage| stage == Stage::InForce)
    }
}

#[cfg(all(test, not(feature = "model")))]
mod tests {
    use super::*;

    fn place(number: u64) -> Place {
        Place { core: 0, number }
    }

    fn names(text: &str) -> Arc<[ChannelName]> {
        let lines = text.replace(' ', "\n");
        ChannelName::parse_list(lines.as_bytes()).unwrap().into()
    }

    fn told(names: &[ChannelName]) -> Vec<String> {
        let mut told: Vec<String> = names.iter().map(|name| name.as_str().to_owned()).collect();
        told.sort_unstable();
        told
    }

    #[test]
    fn who_joins_waits_until_all_channels_are_in_force() {
        let channels = Channels::new().unwrap();
        let (a, ab, b) = (names("a"), names("a b"), names("b"));
        assert_eq!(channels.join(place(1), &a, 9), Ok(Joined::Waits));
        assert_eq!(channels.on_listening(&channels.to_listen()), [place(1)]);
        assert_eq!(channels.join(place(2), &a, 9), Ok(Joined::InForce));
        assert_eq!(channels.join(place(3), &ab, 9), Ok(Joined::Waits));
        assert_eq!(told(&channels.to_listen()), ["b"]);
        assert_eq!(channels.on_listening(&a), []);
        assert_eq!(channels.on_listening(&b), [place(3)]);
        channels.on_lost();
        assert_eq!(channels.join(place(4), &a, 9), Ok(Joined::Waits));
        assert_eq!(told(&channels.to_listen()), ["a", "b"]);
        channels.leave(place(4), &a);
        assert_eq!(channels.on_listening(&channels.to_listen()), []);
    }

    #[test]
    fn a_channel_that_nobody_wants_is_forgotten_and_waited_for_again() {
        let channels = Channels::new().unwrap();
        let a = names("a");
        assert_eq!(channels.join(place(1), &a, 9), Ok(Joined::Waits));
        channels.leave(place(1), &a);
        assert_eq!(channels.count(), 0);
        assert_eq!(channels.take_unwanted(), [], "PostgreSQL does not know it");
        assert_eq!(channels.join(place(1), &a, 9), Ok(Joined::Waits));
        assert_eq!(channels.on_listening(&a), [place(1)]);
        channels.leave(place(1), &a);
        assert_eq!(
            channels.join(place(2), &a, 9),
            Ok(Joined::InForce),
            "in time"
        );
        assert_eq!(channels.take_unwanted(), []);
        channels.leave(place(2), &a);
        assert_eq!(told(&channels.take_unwanted()), ["a"]);
        assert_eq!(channels.join(place(3), &a, 9), Ok(Joined::Waits));
    }

    #[test]
    fn there_are_so_many_channels_at_the_most_and_any_number_of_members() {
        let channels = Channels::new().unwrap();
        assert_eq!(channels.join(place(1), &names("a b"), 2), Ok(Joined::Waits));
        assert_eq!(channels.join(place(2), &names("b a"), 2), Ok(Joined::Waits));
        assert_eq!(channels.join(place(3), &names("b c"), 2), Err(TooMany));
        assert_eq!(channels.join(place(3), &names("b"), 1), Ok(Joined::Waits));
        assert_eq!(channels.count(), 2);
        channels.leave(place(1), &names("a b"));
        channels.leave(place(2), &names("a b"));
        assert_eq!(channels.join(place(4), &names("c"), 2), Ok(Joined::Waits));
        assert_eq!(channels.count(), 2);
    }

    #[test]
    fn what_is_refused_is_not_tried_again_before_somebody_asks_for_it() {
        let channels = Channels::new().unwrap();
        let (a, b) = (names("a"), names("b"));
        assert_eq!(channels.join(place(1), &a, 9), Ok(Joined::Waits));
        assert_eq!(channels.join(place(2), &b, 9), Ok(Joined::Waits));
        assert_eq!(channels.on_refused(&a[0]), [place(1)]);
        assert_eq!(told(&channels.to_listen()), ["b"]);
        assert_eq!(channels.join(place(3), &a, 9), Ok(Joined::Waits));
        assert_eq!(told(&channels.to_listen()), ["a", "b"]);
        channels.leave(place(1), &a);
        channels.leave(place(3), &a);
        assert_eq!(channels.take_unwanted(), []);
    }
}
