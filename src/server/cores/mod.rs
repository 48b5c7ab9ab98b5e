//! Cores: a CPU's threads, its clients, and its connections to PostgreSQL.
//!
//! The threads of a core are leader and followers by turns. Whichever is free waits in epoll; the
//! one that gets a ready client owns it, reads, plans, blocks on PostgreSQL, writes, and waits
//! again. There is no hand-off on this path, and no lock held across a system call.
//!
//! ```text
//! threads, hearing, uploading ─▶ shared ─▶ door, events, clients, parking, crew, relief, rounds,
//!                                          pulse, placing, rear
//! ```
//! [`shared`] is what they have in common, [`threads`] what each of them does, with [`hearing`] for
//! those who hear events, and [`uploading`] for those who send a body in parts; the others are what
//! they agree through, each a small protocol of its own.

mod awaiting;
mod clients;
mod crew;
mod door;
mod events;
mod flights;
mod gathering;
mod hearing;
mod idleness;
mod parking;
mod placing;
mod pulse;
mod rear;
mod relief;
mod rounds;
mod shared;
mod threads;
mod uploading;

#[cfg(feature = "model")]
mod model;

#[cfg(feature = "model")]
pub(crate) use model::script::follow_script;
pub(crate) use placing::{Footing, Share, divide};
pub(crate) use shared::{Awaited, Cores, CoresSettings, Patience};
pub(crate) use threads::start;
