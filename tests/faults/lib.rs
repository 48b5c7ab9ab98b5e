//! The fault suite: everything around the server breaks, under load, and what clients were told is
//! compared with what was done.
//!
//! A fault is one entry in a table of [`faults`]; [`trial`] runs it, the [`ledger`] judges it, and
//! [`report`] tells. To add one, add an entry.

pub mod fault;
pub mod faults;
pub mod ledger;
pub mod load;
pub mod network;
pub mod readiness;
pub mod report;
pub mod stage;
pub mod trial;
pub mod versions;
pub mod wire;
pub mod world;

use std::time::{Duration, Instant};

/// Lets a fault last: its duration is part of it.
pub fn last(duration: Duration) {
    let end = Instant::now() + duration;
    while Instant::now() < end {
        std::thread::park_timeout(end.saturating_duration_since(Instant::now()));
    }
}

/// The same in milliseconds.
pub fn last_ms(milliseconds: u64) {
    last(Duration::from_millis(milliseconds));
}
