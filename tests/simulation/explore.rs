//! Running the same thing with many seeds.

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

/// How many runs there are, and which.
#[derive(Clone, Copy, Debug)]
pub struct Exploration {
    /// How many seeds, unless `RUNS` says otherwise.
    pub runs: u64,
    /// Steps after which a run has gone astray.
    pub steps_max: usize,
}

/// How many steps away from a plain order of threads PCT looks for faults.
const DEPTH: usize = 3;

/// Runs it once with each seed, from 1: every other one at random, the others by PCT, which finds
/// what needs few but well placed changes of threads. The variable `SEED` runs a single one,
/// `RUNS` makes them more or less.
///
/// # Panics
/// If a run does, after having said with which seed.
pub fn explore(name: &str, exploration: Exploration, run: impl Fn() + Send + Sync + 'static) {
    let run = Arc::new(run);
    let number = |variable: &str| std::env::var(variable).ok()?.parse::<u64>().ok();
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..1 + number("RUNS").unwrap_or(exploration.runs),
    };
    for seed in seeds {
        let attempt = catch_unwind(AssertUnwindSafe(|| match seed % 2 {
            0 => run_once(RandomScheduler::new_from_seed(seed, 1), exploration, &run),
            _ => run_once(
                PctScheduler::new_from_seed(seed, DEPTH, 1),
                exploration,
                &run,
            ),
        }));
        if let Err(panic) = attempt {
            eprintln!("{name} fails with SEED={seed}");
            resume_unwind(panic);
        }
    }
}

fn run_once(
    scheduler: impl Scheduler + 'static,
    exploration: Exploration,
    run: &Arc<impl Fn() + Send + Sync + 'static>,
) {
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::None;
    config.max_steps = MaxSteps::FailAfter(exploration.steps_max);
    config.silence_warnings = true;
    config.stack_size = 256 << 10;
    let run = Arc::clone(run);
    Runner::new(scheduler, config).run(move || run());
}
