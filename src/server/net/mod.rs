//! The operating system's side of the network: sockets, epoll, timers, CPUs.
//!
//! Thin wrappers around `rustix`, so that the rest of the server reads in its own words. Nothing
//! in here knows about HTTP or requests.

#[cfg(not(feature = "model"))]
mod affinity;
#[cfg(not(feature = "model"))]
mod allocation;
mod beside;
#[cfg(not(feature = "model"))]
mod cpu_times;
#[cfg(not(feature = "model"))]
mod hand_over;
mod hasty;
#[cfg(not(feature = "model"))]
mod listen;
#[cfg(not(feature = "model"))]
mod poll;
#[cfg(not(feature = "model"))]
mod reserve;
#[cfg(not(feature = "model"))]
mod run_delay;
#[cfg(feature = "model")]
mod simulated;
#[cfg(not(feature = "model"))]
mod socket;
#[cfg(not(feature = "model"))]
mod standard_output;
mod ticks;
#[cfg(not(feature = "model"))]
mod visit;

#[cfg(not(feature = "model"))]
mod real {
    pub(crate) use super::affinity::{available_cpus, pin_to, wait_for_turn};
    pub(crate) use super::allocation::{give_back_memory, return_free_memory, share_heaps};
    pub(crate) use super::cpu_times::CpuTimes;
    pub(crate) use super::hand_over::HANDSHAKES_MAX;
    pub(crate) use super::listen::{Accepted, Listener, ReusePort, bind_tcp, bind_unix};
    pub(crate) use super::poll::{Alarm, Bell, Interest, Poll};
    pub(crate) use super::reserve::Reserve;
    pub(crate) use super::run_delay::RunDelay;
    pub(crate) use super::socket::{Received, Sent, Socket};
    pub(crate) use super::standard_output::is_standard_output_missing;
}

pub(crate) use beside::{Beside, OtherSide};
pub(crate) use hasty::Hasty;
#[cfg(not(feature = "model"))]
pub(crate) use real::*;
#[cfg(feature = "model")]
pub(crate) use simulated::*;
pub(crate) use ticks::Ticks;
