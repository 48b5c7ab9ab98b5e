//! Runs the faults: `scripts/faults` is the long form, and `scripts/test` runs the short one.

use argh::FromArgs;
use corerest_faults::fault::{Effort, Fault};
use corerest_faults::trial::{Row, run};
use corerest_faults::{faults, report, versions};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Breaks everything around the server, under load, and compares what clients are told with what
/// was done.
#[derive(FromArgs)]
struct Arguments {
    /// two trials of the quick ones
    #[argh(switch)]
    short: bool,
    /// how often each is tried (20; 2 in the short form)
    #[argh(option)]
    trials: Option<u32>,
    /// how many faults at a time (1; 3 in the short form)
    #[argh(option)]
    parallel: Option<usize>,
    /// what limits of time are multiplied by (1; 2 in the short form)
    #[argh(option)]
    slack: Option<f64>,
    /// a file that the table is appended to
    #[argh(option)]
    report: Option<PathBuf>,
    /// names the faults, and runs none
    #[argh(switch)]
    list: bool,
    /// only faults whose name contains one of these
    #[argh(positional)]
    names: Vec<String>,
}

impl Arguments {
    fn wants(&self, fault: &Fault) -> bool {
        let is_named = self.names.iter().any(|name| fault.name.contains(&**name));
        is_named || self.names.is_empty() && (!self.short || fault.effort == Effort::Quick)
    }

    fn trials(&self, fault: &Fault) -> u32 {
        let wanted = self.trials.unwrap_or(if self.short { 2 } else { 20 });
        match fault.effort {
            Effort::Quick | Effort::Long => wanted,
            Effort::AtMost(count) => wanted.min(count),
        }
    }

    fn slack(&self) -> f64 {
        self.slack.unwrap_or(if self.short { 2.0 } else { 1.0 })
    }

    fn parallel(&self) -> usize {
        self.parallel.unwrap_or(if self.short { 3 } else { 1 })
    }
}

fn main() -> ExitCode {
    let arguments: Arguments = argh::from_env();
    let mut chosen = faults::all();
    chosen.retain(|fault| arguments.wants(fault));
    for fault in &mut chosen {
        fault.limits = fault.limits.times(arguments.slack());
    }
    if arguments.list || chosen.is_empty() {
        for fault in faults::all() {
            say(fault.name);
        }
        return ExitCode::from(u8::from(!arguments.list));
    }
    let began = Instant::now();
    let rows = run_all(&arguments, &chosen);
    let text = report::section(&versions::told(), &rows);
    say(&format!("\n{text}"));
    say(&format!("{} s", began.elapsed().as_secs()));
    if let Some(path) = &arguments.report {
        report::append(path, &text).expect("the report can be written");
    }
    ExitCode::from(u8::from(!rows.iter().all(Row::has_passed)))
}

/// Some at a time, each in a world of its own; the rows come in the order of the faults.
fn run_all(arguments: &Arguments, chosen: &[Fault]) -> Vec<Row> {
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..arguments.parallel() {
            scope.spawn(|| {
                let mut spare = None;
                while let Some(index) = Some(next.fetch_add(1, Ordering::SeqCst))
                    && let Some(fault) = chosen.get(index)
                {
                    let row = run(fault, arguments.trials(fault), &mut spare);
                    say(&report::line(&row));
                    let mut rows = rows.lock().expect("nobody panics with it");
                    rows.push((index, row));
                }
            });
        }
    });
    let mut rows = rows.into_inner().expect("nobody panicked with it");
    rows.sort_by_key(|(index, _)| *index);
    rows.into_iter().map(|(_, row)| row).collect()
}

fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
