//! The operating system's side of the network: sockets, epoll, timers, CPUs.
//!
//! Thin wrappers around `rustix`, so that the rest of the server reads in its own words. Nothing
//! in here knows about HTTP or requests.

mod affinity;
mod hand_over;
mod listen;
mod poll;
mod reserve;
mod socket;
mod visit;

pub(crate) use affinity::{available_cpus, pin_to, wait_for_turn};
pub(crate) use hand_over::HANDSHAKES_MAX;
pub(crate) use listen::{Accepted, Listener, ReusePort, bind_tcp, bind_unix};
pub(crate) use poll::{Alarm, Bell, Interest, Poll};
pub(crate) use reserve::Reserve;
pub(crate) use socket::{Received, Sent, Socket};
