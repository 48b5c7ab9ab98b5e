//! What threads share: the standard library's, or those of a simulation that tries all orders.
//!
//! Invariant: files of which a model is made take their atomics and locks from here. An order that
//! a simulation cannot see is one that it cannot try.

#[cfg(feature = "model")]
pub(crate) use corerest_simulation::{Instant, sync::atomic};
#[cfg(not(feature = "model"))]
pub(crate) use std::{sync::atomic, time::Instant};

/// A moment at which a simulation may let another thread go on.
pub(crate) fn step() {
    #[cfg(feature = "model")]
    corerest_simulation::step();
}
