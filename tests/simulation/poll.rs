//! Waiting for one of several things, as epoll does it, and the bells and alarms that are among
//! them.
//!
//! What is ready is reported as long as it is, to whichever thread looks; what was asked for once
//! is reported once, and then not until it is asked for again.

use crate::pipe::{Listening, Stream, is_readable, is_writable};
use crate::world::World;
use std::time::Duration;

/// What can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A stream, by its pipes.
    Stream {
        /// The one that is read.
        from: usize,
        /// The one that is written.
        to: usize,
    },
    /// A door.
    Listener(usize),
    /// A bell.
    Bell(usize),
    /// An alarm.
    Alarm(usize),
}

/// Something that has a source.
pub trait Watched {
    /// What it is waited for by.
    fn source(&self) -> Source;
}

impl Watched for Stream {
    fn source(&self) -> Source {
        Stream::source(self)
    }
}

impl Watched for Listening {
    fn source(&self) -> Source {
        Listening::source(self)
    }
}

/// What a stream is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Bytes, or the end.
    Read,
    /// Room.
    Write,
}

#[derive(Debug, Default)]
pub(crate) struct PollState {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    source: Source,
    token: u64,
    interest: Interest,
    is_once: bool,
    is_armed: bool,
}

impl PollState {
    pub(crate) fn forget(&mut self, source: &Source) {
        self.entries.retain(|entry| entry.source != *source);
    }
}

/// What threads of a core wait for.
#[derive(Debug)]
pub struct Poll(usize);

impl Poll {
    /// One without anything.
    pub fn new() -> Poll {
        Poll(World::with(|world| {
            world.polls.push(PollState::default());
            world.polls.len() - 1
        }))
    }

    /// Adds something that is reported as long as it is ready; `false` if it is there.
    pub fn add_shared(&self, watched: &impl Watched, token: u64) -> bool {
        self.add_entry(watched.source(), token, Interest::Read, false)
    }

    /// Adds something that is reported once; `false` if it is there.
    pub fn add(&self, watched: &impl Watched, token: u64, interest: Interest) -> bool {
        self.add_entry(watched.source(), token, interest, true)
    }

    fn add_entry(&self, source: Source, token: u64, interest: Interest, is_once: bool) -> bool {
        World::change(|world| {
            let entries = &mut world.polls[self.0].entries;
            if entries.iter().any(|entry| entry.source == source) {
                return false;
            }
            entries.push(Entry {
                source,
                token,
                interest,
                is_once,
                is_armed: true,
            });
            true
        })
    }

    /// Asks for it once more; `false` if it is not there.
    pub fn rearm(&self, watched: &impl Watched, token: u64, interest: Interest) -> bool {
        let source = watched.source();
        World::change(|world| {
            let mut entries = world.polls[self.0].entries.iter_mut();
            let entry = entries.find(|entry| entry.source == source);
            entry.is_some_and(|entry| {
                entry.token = token;
                entry.interest = interest;
                entry.is_armed = true;
                true
            })
        })
    }

    /// Takes it out; `false` if it is not there.
    pub fn remove(&self, watched: &impl Watched) -> bool {
        let source = watched.source();
        World::with(|world| {
            let before = world.polls[self.0].entries.len();
            world.polls[self.0].forget(&source);
            world.polls[self.0].entries.len() < before
        })
    }

    /// Whether it is waited for.
    pub fn watches(&self, watched: &impl Watched) -> bool {
        let source = watched.source();
        World::with(|world| {
            let mut entries = world.polls[self.0].entries.iter();
            entries.any(|entry| entry.source == source)
        })
    }

    /// Waits until something is ready, for so long at the most, and returns the tokens.
    pub fn wait(&self, at_most: Option<Duration>) -> Vec<u64> {
        let until = World::with(|world| at_most.map(|time| world.now + time));
        let ready = World::wait(until, |world| {
            let ready: Vec<usize> = (0..world.polls[self.0].entries.len())
                .filter(|index| is_ready(world, &world.polls[self.0].entries[*index]))
                .collect();
            let tokens: Vec<u64> = ready
                .into_iter()
                .map(|index| {
                    let entry = &mut world.polls[self.0].entries[index];
                    entry.is_armed = !entry.is_once;
                    entry.token
                })
                .collect();
            (!tokens.is_empty()).then_some(tokens)
        });
        ready.unwrap_or_default()
    }
}

impl Default for Poll {
    fn default() -> Poll {
        Poll::new()
    }
}

fn is_ready(world: &World, entry: &Entry) -> bool {
    entry.is_armed
        && match (entry.source, entry.interest) {
            (Source::Stream { from, .. }, Interest::Read) => is_readable(world, from),
            (Source::Stream { to, .. }, Interest::Write) => is_writable(world, to),
            (Source::Listener(number), _) => !world.backlogs[number].0.is_empty(),
            (Source::Bell(number), _) => world.bells[number] > 0,
            (Source::Alarm(number), _) => {
                world.alarms[number].due.is_some_and(|due| due <= world.now)
            }
        }
}

/// Wakes somebody.
#[derive(Debug)]
pub struct Bell(usize);

impl Bell {
    /// A silent one.
    pub fn new() -> Bell {
        Bell(World::with(|world| {
            world.bells.push(0);
            world.bells.len() - 1
        }))
    }

    /// Rings it.
    pub fn ring(&self) {
        World::change(|world| world.bells[self.0] += 1);
    }

    /// Silences it.
    pub fn silence(&self) {
        World::with(|world| world.bells[self.0] = 0);
    }
}

impl Default for Bell {
    fn default() -> Bell {
        Bell::new()
    }
}

impl Watched for Bell {
    fn source(&self) -> Source {
        Source::Bell(self.0)
    }
}

#[derive(Debug, Default)]
pub(crate) struct AlarmState {
    pub(crate) due: Option<Duration>,
}

/// Goes off at a time.
#[derive(Debug)]
pub struct Alarm(usize);

impl Alarm {
    /// One that is not set.
    pub fn new() -> Alarm {
        Alarm(World::with(|world| {
            world.alarms.push(AlarmState::default());
            world.alarms.len() - 1
        }))
    }

    /// Goes off once, after this time.
    pub fn set(&self, after: Duration) {
        World::change(|world| {
            let due = world.now + after;
            world.alarms[self.0].due = Some(due);
        });
    }

    /// Whether it has gone off since it was last asked.
    pub fn has_gone_off(&self) -> bool {
        World::with(|world| {
            let now = world.now;
            let due = &mut world.alarms[self.0].due;
            due.take_if(|due| *due <= now).is_some()
        })
    }
}

impl Default for Alarm {
    fn default() -> Alarm {
        Alarm::new()
    }
}

impl Watched for Alarm {
    fn source(&self) -> Source {
        Source::Alarm(self.0)
    }
}
