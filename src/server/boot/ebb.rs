//! Gives memory back to the system when clients have needed much of it, and need it no more, and
//! when a reload has replaced what requests are answered from.
//!
//! Large blocks go back by themselves ([`give_back_memory`](net::give_back_memory)). Of small ones,
//! such as the beginnings of requests, the allocator keeps what lies between others: 6,000 clients
//! had sent 60 KB of heads each and left, and 364 of 387 MB were still there. A catalog is made of
//! small ones, too: after five reloads with 10,000 relations, 89 MB were there instead of 43.

use crate::cores::Cores;
use crate::net;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How often is looked.
const TICK: Duration = Duration::from_secs(1);

/// How much less clients must hold than they did: to look for what is free takes a millisecond for
/// some megabytes, in which the thread that wants memory next may have to wait.
const EBB_BYTES: usize = 16 << 20;

/// Looks for as long as the process lives. It has a thread of its own, for no other one may wait
/// for the allocator so long.
pub(super) fn watch(cores: &Arc<Cores>) -> ! {
    let mut tide = Tide::default();
    let mut replaced = Replaced::default();
    loop {
        thread::park_timeout(TICK);
        let is_out = tide.is_out(cores.memory_held());
        let is_replaced = replaced.is_gone(cores.edition());
        if is_out || is_replaced {
            net::return_free_memory();
        }
    }
}

/// What requests were answered from before.
#[derive(Debug, Default)]
struct Replaced {
    /// What was published when memory was given back, and at the last look.
    given_back: u64,
    seen: u64,
}

impl Replaced {
    /// Whether it was replaced so long ago that requests have let go of it, and its memory is to be
    /// given back: that is at the second look.
    fn is_gone(&mut self, edition: u64) -> bool {
        let is_gone = edition == self.seen && edition != self.given_back;
        self.seen = edition;
        if is_gone {
            self.given_back = edition;
        }
        is_gone
    }
}

/// How much clients have held since memory was given back.
#[derive(Debug, Default)]
struct Tide {
    high: usize,
}

impl Tide {
    /// Whether so much less is held now that memory is to be given back.
    fn is_out(&mut self, held: usize) -> bool {
        self.high = self.high.max(held);
        let is_out = self.high - held >= EBB_BYTES;
        if is_out {
            self.high = held;
        }
        is_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_once_for_each_ebb() {
        let mut tide = Tide::default();
        let held = [0, 10, 20, 5, 3, 3, 10, 20, 4, 0].map(|mebibytes| mebibytes << 20);
        let out = held.map(|held| tide.is_out(held));
        let mut expected = [false; 10];
        expected[4] = true;
        expected[8] = true;
        assert_eq!(out, expected);
    }

    #[test]
    fn memory_is_given_back_once_for_what_was_replaced_a_while_ago() {
        let mut replaced = Replaced::default();
        let gone = [0, 0, 1, 1, 1, 2, 3, 3, 3].map(|edition| replaced.is_gone(edition));
        let expected = [0, 0, 0, 1, 0, 0, 0, 1, 0].map(|gone| gone == 1);
        assert_eq!(gone, expected);
    }
}
