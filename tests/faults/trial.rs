//! Runs a fault as often as is asked for, and measures what comes after.

use crate::fault::Fault;
use crate::ledger::{Audit, Entry, Kind, audit};
use crate::load::Load;
use crate::readiness::Readiness;
use crate::world::World;
use corerest_tests::cluster::Cluster;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// Before and after a fault, each client has so many good answers.
const GOOD_ANSWERS: u64 = 5;

/// How much longer than promised is waited for those.
const GRACE: Duration = Duration::from_secs(10);

/// A row of the report.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// The fault's name.
    pub name: &'static str,
    /// How often it was tried.
    pub trials: u32,
    /// What came of the requests.
    pub audit: Audit,
    /// The worst of all trials.
    pub times: Times,
    /// What should not be; a row without any has passed.
    pub failures: Vec<String>,
    /// Why it was not tried here.
    pub skipped: Option<String>,
}

/// In seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// From the end of the fault to the first good answer to a request that was sent after it.
    pub first_good: f64,
    /// From the end of the fault to when the last request was sent that failed.
    pub last_error: f64,
    /// The longest request.
    pub longest: f64,
    /// How long `/ready` and the requests said different things.
    pub ready: f64,
}

/// When a fault began and ended, and when everything was well again.
#[derive(Clone, Copy, Debug)]
struct Trial {
    ended: Instant,
    calm: Instant,
}

/// Tries a fault so many times. What is in `spare` may be used, and something is left there.
pub fn run(fault: &Fault, trials: u32, spare: &mut Option<Cluster>) -> Row {
    let mut row = Row {
        name: fault.name,
        skipped: fault.stage.missing(),
        ..Row::default()
    };
    if row.skipped.is_none() {
        let tried = without_panic(|| try_all(fault, trials, &mut row, spare));
        row.failures.extend(tried.err());
    }
    row
}

/// What stands around the server is a test's, and panics when it is not as it should be.
fn without_panic<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(act)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        text.unwrap_or_default()
    })
}

fn try_all(fault: &Fault, trials: u32, row: &mut Row, spare: &mut Option<Cluster>) {
    let mut entries = Vec::new();
    let mut rows = HashMap::new();
    let of_each_world = match fault.stage.is_used_up() {
        true => 1,
        false => trials,
    };
    while row.trials < trials && row.failures.is_empty() {
        let is_usual = fault.stage.has_usual_cluster();
        let used_again = if is_usual { spare.take() } else { None };
        let mut world = World::build(fault.stage, fault.settings, used_again);
        let readiness = Readiness::watch(world.server.admin_address());
        let load = Load::start(world.server.address(), fault.habits);
        let mut seen = Vec::new();
        for _ in 0..of_each_world {
            row.trials += 1;
            let tried = without_panic(|| try_once(fault, &mut world, &load, &readiness));
            match tried.flatten() {
                Ok(trial) => seen.push(trial),
                Err(why) => {
                    row.failures.push(why);
                    break;
                }
            }
            if world.has_complaints() {
                break;
            }
        }
        let of_world = load.finish();
        for trial in &seen {
            row.times.add(trial, &of_world, &readiness);
        }
        row.failures.extend(world.complaints());
        rows.extend(world.rows());
        entries.extend(of_world);
        if is_usual && row.failures.is_empty() {
            *spare = Some(world.into_cluster());
        }
    }
    row.judge(fault, &entries, &rows);
}

fn try_once(
    fault: &Fault,
    world: &mut World,
    load: &Load,
    readiness: &Readiness,
) -> Result<Trial, String> {
    await_calm(world, load, readiness, GRACE).map_err(|why| format!("before the fault: {why}"))?;
    (fault.act)(world);
    let ended = world.take_end().unwrap_or_else(Instant::now);
    readiness.follow(world.server.admin_address());
    let promised = fault.limits.back.max(fault.limits.ready) + fault.limits.longest;
    let patience = Duration::from_secs_f64(promised) + GRACE;
    await_calm(world, load, readiness, patience)
        .map_err(|why| format!("after the fault: {why}"))?;
    Ok(Trial {
        ended,
        calm: Instant::now(),
    })
}

/// Waits until each client has had some more good answers, and `/ready` is 200.
fn await_calm(
    world: &mut World,
    load: &Load,
    readiness: &Readiness,
    patience: Duration,
) -> Result<(), String> {
    let before = load.good();
    let deadline = Instant::now() + patience;
    loop {
        let now = load.good();
        let mut both = before.iter().zip(&now);
        let is_served = both.all(|(before, now)| now - before >= GOOD_ANSWERS);
        if is_served && readiness.is_ready() {
            return Ok(());
        }
        if !world.server.is_running() {
            return Err("there is no server".to_owned());
        }
        if Instant::now() > deadline {
            let starving = before.iter().zip(&now).filter(|(a, b)| a == b).count();
            let ready = readiness.is_ready();
            return Err(format!(
                "{} s: {starving} clients without an answer, ready: {ready}",
                patience.as_secs()
            ));
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

impl Times {
    fn add(&mut self, trial: &Trial, entries: &[Entry], readiness: &Readiness) {
        let after = entries
            .iter()
            .filter(|entry| entry.began >= trial.ended && entry.began <= trial.calm);
        let (good, bad): (Vec<&Entry>, Vec<&Entry>) =
            after.partition(|entry| entry.outcome.is_good());
        let good_at = good.iter().map(|entry| entry.ended).min();
        let good_at = good_at.unwrap_or(trial.calm);
        let bad_at = bad.iter().map(|entry| entry.began).max();
        let ready_at = readiness.since(trial.calm).unwrap_or(trial.calm);
        let ready_at = ready_at.max(trial.ended);
        let behind = match ready_at > good_at {
            true => ready_at - good_at,
            false => good_at - ready_at,
        };
        raise(&mut self.first_good, good_at - trial.ended);
        let last_error = bad_at.map_or(Duration::ZERO, |at| at - trial.ended);
        raise(&mut self.last_error, last_error);
        raise(&mut self.ready, behind);
    }
}

fn raise(number: &mut f64, candidate: Duration) {
    *number = number.max(candidate.as_secs_f64());
}

impl Row {
    /// Whether it kept all promises.
    pub fn has_passed(&self) -> bool {
        self.failures.is_empty()
    }

    fn judge(&mut self, fault: &Fault, entries: &[Entry], rows: &HashMap<i64, usize>) {
        self.audit = audit(entries, rows);
        for entry in entries {
            raise(&mut self.times.longest, entry.ended - entry.began);
        }
        self.failures.extend(self.audit.crimes(fault.may_be_wrong));
        let unexpected = entries.iter().filter(|entry| {
            let outcome = &entry.outcome;
            let may_fail = fault.errors.contains(&outcome.status())
                && !(fault.reads_go_on && entry.kind == Kind::Read);
            outcome.is_error() && !may_fail
        });
        let (count, first) = (unexpected.clone().count(), unexpected.clone().next());
        if let Some(first) = first {
            let Entry { kind, outcome, .. } = first;
            let text = format!("{count} errors that may not be, first of {kind:?}: {outcome:?}");
            self.failures.push(text);
        }
        let Times {
            first_good,
            last_error,
            longest,
            ready,
        } = self.times;
        for (what, took, limit) in [
            ("first good answer", first_good, fault.limits.back),
            ("last error", last_error, fault.limits.back),
            ("longest request", longest, fault.limits.longest),
            ("/ready", ready, fault.limits.ready),
        ] {
            if took > limit {
                self.failures
                    .push(format!("{what} {took:.2} s > {limit} s"));
            }
        }
    }
}
