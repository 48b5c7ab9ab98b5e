//! The protocols between threads, and a whole core, tried in many orders of their steps.
//!
//! Each model is a few threads that do with the real thing what the server does, and a condition
//! that has to hold in the end; that all of them wait without end is a failure of itself. What
//! they would not find is worth nothing, so those that stand for a fault that was there once are
//! shown to find it, put back as a [`Mutant`]. `RUNS=1000000` tries more orders, and `SEED=…` runs
//! the one again that has failed.

mod core;
mod door;
mod events;
mod keys;
mod postgresql;
mod reloading;
mod rounds;
mod schedulers;
pub(super) mod script;
mod streams;
mod transcript;
mod waiting;

use crate::sync::{Mutant, set_mutant};
use corerest_simulation::{Exploration, World, explore};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How many orders of its steps a protocol is tried in.
const RUNS: u64 = 100_000;

/// No model of a protocol needs so many steps.
const STEPS_MAX: usize = 50_000;

/// A whole core takes more.
const SIMULATED_STEPS_MAX: usize = 2_000_000;

/// Tries a protocol.
fn check(name: &str, run: impl Fn() + Send + Sync + 'static) {
    check_runs(name, RUNS, STEPS_MAX, run);
}

/// Tries something in so many orders of its steps.
fn check_runs(name: &str, runs: u64, steps_max: usize, run: impl Fn() + Send + Sync + 'static) {
    let exploration = Exploration { runs, steps_max };
    explore(name, exploration, move || {
        World::begin();
        run();
        World::end();
    });
}

/// Shows that a fault would be found.
fn check_is_found(
    name: &str,
    mutant: Mutant,
    steps_max: usize,
    run: impl Fn() + Send + Sync + 'static,
) {
    set_mutant(Some(mutant));
    let attempt = catch_unwind(AssertUnwindSafe(|| {
        check_runs(name, RUNS, steps_max, run);
    }));
    set_mutant(None);
    assert!(attempt.is_err(), "{mutant:?} is not found by {name}");
}
