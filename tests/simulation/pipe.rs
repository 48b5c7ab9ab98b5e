//! Streams: two pipes, each with room for so many bytes.

use crate::poll::Source;
use crate::world::World;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// One direction of a stream.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    bytes: VecDeque<u8>,
    room: usize,
    /// Nothing more will be written.
    is_finished: bool,
    /// Nothing will be read any more.
    is_abandoned: bool,
}

/// Clients who have connected and were not accepted, and whether the door is there at all.
#[derive(Debug, Default)]
pub(crate) struct Backlog(pub(crate) VecDeque<Stream>);

/// One end of a stream; it is closed when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Stream(Arc<End>);

#[derive(Debug)]
struct End {
    from: usize,
    to: usize,
}

/// What an attempt to read has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes.
    Bytes(usize),
    /// Nothing now.
    WouldBlock,
    /// The other side has finished.
    Closed,
}

/// What an attempt to write has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// So many bytes.
    Bytes(usize),
    /// There is no room now.
    WouldBlock,
    /// Nobody reads any more.
    Closed,
}

/// Two ends of a stream, with room for so many bytes in each direction.
pub fn pair(room: usize) -> (Stream, Stream) {
    World::with(|world| {
        let first = world.pipes.len();
        for _ in 0..2 {
            world.pipes.push(Pipe {
                room,
                ..Pipe::default()
            });
        }
        let end = |from, to| Stream(Arc::new(End { from, to }));
        (end(first, first + 1), end(first + 1, first))
    })
}

impl Stream {
    /// Reads what is there.
    pub fn receive(&self, space: &mut [u8]) -> Received {
        World::change(|world| {
            let pipe = &mut world.pipes[self.0.from];
            if pipe.bytes.is_empty() {
                return match pipe.is_finished {
                    true => Received::Closed,
                    false => Received::WouldBlock,
                };
            }
            let count = pipe.bytes.len().min(space.len());
            for (to, from) in space.iter_mut().zip(pipe.bytes.drain(..count)) {
                *to = from;
            }
            Received::Bytes(count)
        })
    }

    /// Writes what there is room for.
    pub fn send(&self, bytes: &[u8]) -> Sent {
        World::change(|world| {
            let pipe = &mut world.pipes[self.0.to];
            if pipe.is_abandoned || pipe.is_finished {
                return Sent::Closed;
            }
            let count = (pipe.room - pipe.bytes.len()).min(bytes.len());
            if count == 0 {
                return Sent::WouldBlock;
            }
            pipe.bytes.extend(&bytes[..count]);
            Sent::Bytes(count)
        })
    }

    /// Says that nothing more will be written.
    pub fn finish_sending(&self) {
        World::change(|world| world.pipes[self.0.to].is_finished = true);
    }

    /// Whether the other side has finished, or is gone.
    pub fn is_gone(&self) -> bool {
        World::with(|world| world.pipes[self.0.from].is_finished)
    }

    /// Waits until it can be read from, or written to if that is wanted, for so long at the most.
    /// `None` if the time has come first.
    pub fn wait(&self, also_to_write: bool, at_most: Option<Duration>) -> Option<Ready> {
        let until = World::with(|world| at_most.map(|time| world.now + time));
        World::wait(until, |world| {
            let ready = Ready {
                read: self.is_readable(world),
                write: also_to_write && self.is_writable(world),
            };
            (ready.read || ready.write).then_some(ready)
        })
    }

    /// Waits until there is room to write, or nobody who reads.
    pub fn wait_to_write(&self) {
        World::wait(None, |world| self.is_writable(world).then_some(()));
    }

    /// Waits until this stream can be read from, or the other one's peer is gone, and says whether
    /// it is the latter.
    pub fn is_outlived_by(&self, other: &Stream) -> bool {
        World::wait(None, |world| {
            if self.is_readable(world) {
                return Some(false);
            }
            world.pipes[other.0.from].is_finished.then_some(true)
        })
        .expect("it is waited for without end")
    }

    fn is_readable(&self, world: &World) -> bool {
        is_readable(world, self.0.from)
    }

    fn is_writable(&self, world: &World) -> bool {
        is_writable(world, self.0.to)
    }

    pub(crate) fn source(&self) -> Source {
        Source::Stream {
            from: self.0.from,
            to: self.0.to,
        }
    }
}

/// What can be done with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// It can be read from, or has ended.
    pub read: bool,
    /// It can be written to, or nobody reads it any more.
    pub write: bool,
}

pub(crate) fn is_readable(world: &World, from: usize) -> bool {
    let pipe = &world.pipes[from];
    !pipe.bytes.is_empty() || pipe.is_finished
}

pub(crate) fn is_writable(world: &World, to: usize) -> bool {
    let pipe = &world.pipes[to];
    pipe.is_abandoned || pipe.is_finished || pipe.bytes.len() < pipe.room
}

impl Drop for End {
    fn drop(&mut self) {
        World::change_silently(|world| {
            world.pipes[self.to].is_finished = true;
            world.pipes[self.from].is_abandoned = true;
            let closed = Source::Stream {
                from: self.from,
                to: self.to,
            };
            world.polls.iter_mut().for_each(|poll| poll.forget(&closed));
        });
    }
}

/// A door that clients come to.
#[derive(Debug)]
pub struct Listening(usize);

impl Listening {
    /// One to which nobody has come.
    pub fn new() -> Listening {
        Listening(World::with(|world| {
            world.backlogs.push(Backlog::default());
            world.backlogs.len() - 1
        }))
    }

    /// The same door, for those who come.
    pub fn another(&self) -> Listening {
        Listening(self.0)
    }

    /// Comes to it, with room for so many bytes in each direction.
    pub fn connect(&self, room: usize) -> Stream {
        let (ours, theirs) = pair(room);
        World::change(|world| world.backlogs[self.0].0.push_back(theirs));
        ours
    }

    /// The next one who has come.
    pub fn accept(&self) -> Option<Stream> {
        World::with(|world| world.backlogs[self.0].0.pop_front())
    }

    pub(crate) fn source(&self) -> Source {
        Source::Listener(self.0)
    }
}

impl Default for Listening {
    fn default() -> Listening {
        Listening::new()
    }
}
