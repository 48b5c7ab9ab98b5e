//! The protocols between threads, and a whole core, tried in many orders of their steps.
//!
//! Each model is a few threads that do with the real thing what the server does, and a condition
//! that has to hold in the end; that all of them wait without end is a failure of itself. What
//! they would not find is worth nothing, so those that stand for a fault that was there once are
//! shown to find it, put back as a [`Mutant`]. `RUNS=1000000` tries more orders, and `SEED=…` runs
//! the one again that has failed.

mod door;
mod events;
mod reloading;
mod schedulers;

use crate::sync::{Mutant, set_mutant};
use corerest_simulation::{Exploration, World, explore};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How many orders of its steps a protocol is tried in.
const RUNS: u64 = 100_000;

/// No model of a protocol needs so many steps.
const STEPS_MAX: usize = 50_000;

/// Tries a protocol.
fn check(name: &str, run: impl Fn() + Send + Sync + 'static) {
    let exploration = Exploration {
        runs: RUNS,
        steps_max: STEPS_MAX,
    };
    explore(name, exploration, move || {
        World::begin();
        run();
    });
}

/// Shows that a fault would be found.
fn check_is_found(name: &str, mutant: Mutant, run: impl Fn() + Send + Sync + 'static) {
    set_mutant(Some(mutant));
    let attempt = catch_unwind(AssertUnwindSafe(|| check(name, run)));
    set_mutant(None);
    assert!(attempt.is_err(), "{mutant:?} is not found by {name}");
}
