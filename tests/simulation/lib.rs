//! A world in which threads, sockets and time are a program's own, so that what several threads do
//! can be tried in any order, again and again, and the same way once more.
//!
//! ```text
//! server, with the feature `model` ─▶ locks, atomics: shuttle's
//!                                  ─▶ time, sleeping, epoll, sockets, bells, alarms: the world's
//! ```
//! [`shuttle`] runs one thread at a time and chooses who is next at each step that others could
//! notice. The [world](World) knows which of them wait, and for what. When all of them do, nothing
//! can happen any more but that time goes on: it jumps to the next deadline, so a minute takes no
//! longer than a moment; and if there is none, they would wait for ever, which is a failure.
//!
//! Invariant: whatever is random comes from the seed of the run, which a failure tells
//! ([`explore()`]), or from the bytes that it follows ([`follow()`]).

mod explore;
mod locks;
mod pipe;
mod poll;
mod time;
mod world;

pub use explore::{Exploration, explore, follow};
pub use locks::{Mutex, MutexGuard, RwLock};
pub use pipe::{Listening, Received, Sent, Stream, pair};
pub use poll::{Alarm, Bell, Interest, Poll, Source, Watched};
pub use shuttle::sync;
pub use time::{Condvar, Instant, WaitTimeoutResult, sleep};
pub use world::{Task, World, choose, is_lucky, spawn, step};
