//! A connection that is granted to a request, and the place of a large answer, if it has one.
//! Uploads have places of the same kind, for they keep their connections.
//!
//! Large answers are begun by a few at a time on each core: without that, clients who all ask for
//! one have all connections and all threads, and whoever wants a row waits behind them. Which
//! answers will be large is known from earlier ones ([`corerest_api::Pending::size_before`]).
//!
//! Invariant: a place is free again with the connection that it was taken for, whatever ends that,
//! so whoever looks after freed connections needs to look after nothing else.

use crate::serving::aim::{Connected, Server};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::in_simulation;
use corerest_api::AnswerSize;
use corerest_pg::Lease;
use std::sync::Arc;

/// An answer from so many bytes on is large: it takes PostgreSQL, and us, many times as long as a
/// few rows do.
const LARGE_BYTES_MIN: usize = in_simulation(256, 64 << 10);

/// The size of an answer with a body of so many bytes.
pub(crate) fn size_of(body_bytes: usize) -> AnswerSize {
    match body_bytes >= LARGE_BYTES_MIN {
        true => AnswerSize::Large,
        false => AnswerSize::Usual,
    }
}

/// A connection for one request.
pub(crate) struct Grant {
    pub(crate) lease: Lease,
    /// What it leads to.
    pub(crate) server: Server,
    /// Given back after the connection: fields are dropped in their order.
    _place: Option<HeldPlace>,
}

impl Grant {
    /// The answer is to be a usual one, or has this place.
    pub(crate) fn new(connected: Connected, place: Option<HeldPlace>) -> Grant {
        let Connected { lease, server } = connected;
        Grant {
            lease,
            server,
            _place: place,
        }
    }
}

/// The places for large answers of a core, or for the uploads of all. How many there are is for the
/// cores to say, each time.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Sequentially consistent, like the leases of a pool: who frees a place looks for parked
    /// requests after it, and who parks one looks for a place after it; one of the two sees the
    /// other.
    taken: AtomicUsize,
}

/// One of them, which is free again when it is dropped.
#[derive(Debug)]
pub(crate) struct HeldPlace(Arc<Places>);

impl Places {
    /// Takes one of so many, if one is free.
    pub(crate) fn take(self: &Arc<Places>, at_most: usize) -> Option<HeldPlace> {
        let next = |taken| (taken < at_most).then_some(taken + 1);
        self.taken
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, next)
            .ok()?;
        Some(HeldPlace(Arc::clone(self)))
    }

    /// Whether one of so many is free.
    pub(crate) fn are_free(&self, at_most: usize) -> bool {
        self.taken.load(Ordering::SeqCst) < at_most
    }
}

impl Drop for HeldPlace {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(all(test, not(feature = "model")))]
mod tests {
    use super::*;

    #[test]
    fn there_are_so_many_places_and_each_is_free_again() {
        let places = Arc::<Places>::default();
        let (first, second) = (places.take(2), places.take(2));
        assert!(first.is_some() && second.is_some());
        assert!(places.take(2).is_none());
        assert!(!places.are_free(2));
        assert!(!places.are_free(1), "there may be fewer now");
        drop(first);
        assert!(places.are_free(2));
        assert!(places.take(2).is_some());
    }

    #[test]
    fn answers_are_large_from_64_kib_on() {
        assert_eq!(size_of((64 << 10) - 1), AnswerSize::Usual);
        assert_eq!(size_of(64 << 10), AnswerSize::Large);
    }
}
