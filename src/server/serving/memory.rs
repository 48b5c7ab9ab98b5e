//! How much memory clients may make the server hold, all of them together.
//!
//! What a thread serves a client with is the thread's own and bounded (its buffers). Here counts
//! what stays with a client when the thread goes on, the beginning of a request or the end of an
//! answer, and what grows beyond the thread's buffers: a large body, and the large answer of a
//! write. Whoever would exceed the sum is refused, and nobody else notices.
//!
//! Invariant: the sum of all [`Held`] is never more than `server-max-memory`, but for requests that
//! wait for a connection ([`Held::keep`]): those have been let in before, and while they hold more
//! than that, only small ones are let in. What was held is given back when a `Held` is dropped, so
//! a client that ends in whatever way leaves nothing behind.

use std::sync::Arc;
// A sum that nobody waits for is no protocol between threads: a model need not come in between.
use std::sync::atomic::{AtomicUsize, Ordering};

/// What is left for everybody else when a client gets memory in a process whose address space is
/// limited. What is not for clients cannot be refused, and would end the process.
const HEADROOM_BYTES: usize = 48 << 20;

/// Whether the process can run out of addresses before it runs out of what there is for clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Addresses {
    /// There is no limit of them.
    Plenty,
    /// There is one (`ulimit -v`), and nobody knows how much of it the C library has set aside. So
    /// it is tried each time whether there are enough.
    Limited,
}

/// The account of all clients.
#[derive(Debug)]
pub(crate) struct Memory {
    bytes_max: usize,
    addresses: Addresses,
    held: AtomicUsize,
    /// How often there was none for somebody because others held it.
    refusals: AtomicUsize,
}

/// One client's part in it.
#[derive(Debug)]
pub(crate) struct Held {
    memory: Arc<Memory>,
    bytes: usize,
}

impl Memory {
    /// An account of at most so many bytes.
    pub(crate) fn new(bytes_max: usize, addresses: Addresses) -> Arc<Memory> {
        Arc::new(Memory {
            bytes_max,
            addresses,
            held: AtomicUsize::new(0),
            refusals: AtomicUsize::new(0),
        })
    }

    /// How many bytes there may be at most.
    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Whether those that wait for a connection hold more than there may be.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.held() > self.bytes_max
    }

    /// How many bytes are held.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Whether there is room for so many bytes that are announced. Nothing is held for them.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        let is_free = bytes <= self.bytes_max.saturating_sub(self.held());
        if !is_free {
            self.on_refusal(bytes);
        }
        is_free
    }

    /// Who wants more than all that there may be was not refused for want of it.
    fn on_refusal(&self, bytes: usize) {
        if bytes <= self.bytes_max {
            self.refusals.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often there was none for somebody because others held it.
    pub(crate) fn refusals(&self) -> usize {
        self.refusals.load(Ordering::Relaxed)
    }

    /// Whether there are addresses for so many bytes more, and for everybody else.
    fn has_addresses(&self, more: usize) -> bool {
        match self.addresses {
            Addresses::Plenty => true,
            Addresses::Limited => {
                // More than the C library takes from what it has, and never touched.
                let wanted = more.saturating_add(HEADROOM_BYTES);
                Vec::<u8>::new().try_reserve_exact(wanted).is_ok()
            }
        }
    }

    /// Takes so many bytes more, if there are so many.
    fn reserve(&self, more: usize) -> bool {
        let fits = |held: usize| {
            let sum = held.checked_add(more)?;
            (sum <= self.bytes_max).then_some(sum)
        };
        let reserved = self
            .held
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        reserved.is_ok()
    }

    /// A part for a client that holds nothing.
    pub(crate) fn open(self: &Arc<Memory>) -> Held {
        Held {
            memory: Arc::clone(self),
            bytes: 0,
        }
    }
}

impl Held {
    /// The account that it is a part of.
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Holds so many bytes from now on, more or fewer than before, if there are so many. Costs
    /// nothing as long as that does not change.
    pub(crate) fn hold(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        if more == 0 {
            self.keep(bytes);
            return true;
        }
        let is_there = self.memory.has_addresses(more) && self.memory.reserve(more);
        if is_there {
            self.bytes = bytes;
        } else {
            self.memory.on_refusal(bytes);
        }
        is_there
    }

    /// Holds so many bytes more, if there are so many.
    pub(crate) fn hold_more(&mut self, bytes: usize) -> bool {
        match self.bytes.checked_add(bytes) {
            Some(sum) => self.hold(sum),
            None => false,
        }
    }

    /// Holds so many bytes from now on, whether there are so many or not: they are there already.
    pub(crate) fn keep(&mut self, bytes: usize) {
        let held = &self.memory.held;
        if bytes > self.bytes {
            held.fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else if bytes < self.bytes {
            held.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.keep(0);
    }
}

#[cfg(all(test, not(feature = "model")))]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_bounded_and_given_back() {
        let memory = Memory::new(100, Addresses::Plenty);
        let mut first = memory.open();
        let mut second = memory.open();
        assert!(first.hold(60));
        assert!(!second.hold(41));
        assert!(second.hold(40));
        assert!(!second.hold_more(1));
        assert!(first.hold(10));
        assert!(second.hold_more(50));
        assert_eq!(memory.held(), 100);
        assert!(!first.hold(usize::MAX), "the sum would overflow");
        assert_eq!(memory.refusals(), 2, "what never has room does not count");
        assert!(memory.has_room(0) && !memory.has_room(1));
        assert_eq!(memory.refusals(), 3);
        assert!(!second.hold_more(usize::MAX), "the sum would overflow");
        drop(second);
        assert_eq!(memory.held(), 10);
        drop(first);
        assert_eq!(memory.held(), 0);
    }

    #[test]
    fn addresses_are_looked_for_where_they_are_limited() {
        let memory = Memory::new(usize::MAX, Addresses::Limited);
        let mut held = memory.open();
        assert!(held.hold(1 << 20));
        assert!(!held.hold(usize::MAX >> 2), "no machine has as many");
        assert_eq!(memory.held(), 1 << 20);
    }

    #[test]
    fn what_is_there_already_is_kept_and_counts() {
        let memory = Memory::new(100, Addresses::Plenty);
        let mut waiting = memory.open();
        waiting.keep(150);
        assert_eq!(memory.held(), 150);
        assert!(!memory.open().hold(1));
        assert!(waiting.hold(120), "less than before");
        waiting.keep(90);
        assert!(memory.open().hold(10));
    }
}
