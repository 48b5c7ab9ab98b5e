//! Running the same thing with many seeds.

use shuttle::scheduler::{PctScheduler, RandomScheduler, Schedule, Scheduler, Task, TaskId};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
    let number = |variable: &str| std::env::var(variable).ok()?.parse::<u64>().ok();
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..1 + number("RUNS").unwrap_or(exploration.runs),
    };
    let config = config(exploration.steps_max);
    let seed = Arc::new(AtomicU64::new(0));
    let scheduler = OneAfterTheOther {
        seeds,
        seed: Arc::clone(&seed),
        current: Box::new(RandomScheduler::new_from_seed(0, 1)),
    };
    let runner = Runner::new(scheduler, config);
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| runner.run(run))) {
        eprintln!("{name} fails with SEED={}", seed.load(Ordering::Relaxed));
        resume_unwind(panic);
    }
}

fn config(steps_max: usize) -> Config {
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::None;
    config.max_steps = MaxSteps::FailAfter(steps_max);
    config.silence_warnings = true;
    config.stack_size = 256 << 10;
    config
}

/// Runs it once, in the order that these bytes say: each tells who is next and for how long,
/// unless it has to wait before that. When they are used up, all take turns.
///
/// # Panics
/// If the run does.
pub fn follow(directions: &[u8], steps_max: usize, run: impl Fn() + Send + Sync + 'static) {
    let scheduler = Directed {
        directions: directions.to_vec(),
        used: 0,
        has_run: false,
        steps_left: 0,
    };
    Runner::new(scheduler, config(steps_max)).run(run);
}

/// How many steps a thread may take when nobody says more.
const TURN: u32 = 64;

struct Directed {
    directions: Vec<u8>,
    used: usize,
    has_run: bool,
    /// Until somebody else is next.
    steps_left: u32,
}

impl Scheduler for Directed {
    fn new_execution(&mut self) -> Option<Schedule> {
        (!std::mem::replace(&mut self.has_run, true)).then(|| Schedule::new(0))
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        let goes_on = |task: &&&Task| Some(task.id()) == current;
        if self.steps_left > 0 && !is_yielding && runnable.iter().any(|task| goes_on(&task)) {
            self.steps_left -= 1;
            return current;
        }
        let others: Vec<TaskId> = runnable
            .iter()
            .filter(|task| !goes_on(task) || runnable.len() == 1)
            .map(|task| task.id())
            .collect();
        let next = match self.directions.get(self.used) {
            Some(direction) => {
                self.steps_left = 1 << (direction >> 5);
                usize::from(direction & 31) % others.len()
            }
            None => {
                self.steps_left = TURN;
                let behind = others.iter().position(|other| Some(*other) > current);
                behind.unwrap_or_default()
            }
        };
        self.used += 1;
        Some(others[next])
    }

    /// Nothing is random.
    fn next_u64(&mut self) -> u64 {
        0
    }
}

/// A scheduler for each seed. They share a runner, which keeps the memory of threads.
struct OneAfterTheOther {
    seeds: Range<u64>,
    seed: Arc<AtomicU64>,
    current: Box<dyn Scheduler + Send>,
}

impl Scheduler for OneAfterTheOther {
    fn new_execution(&mut self) -> Option<Schedule> {
        let seed = self.seeds.next()?;
        self.seed.store(seed, Ordering::Relaxed);
        self.current = match seed % 2 {
            0 => Box::new(RandomScheduler::new_from_seed(seed, 1)),
            _ => Box::new(PctScheduler::new_from_seed(seed, DEPTH, 1)),
        };
        self.current.new_execution()
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        self.current.next_task(runnable, current, is_yielding)
    }

    fn next_u64(&mut self) -> u64 {
        self.current.next_u64()
    }
}
