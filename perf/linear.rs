//! `linear`: shows that the work for a request grows as its length does, whatever it is made of.
//!
//! Each kind of part in [`growing`](corerest_perf::growing) is counted at a length and at ten times
//! that. Sorting takes n log n: from 1,000 parts to 10,000 that is 13.3 times the comparisons, and
//! fewer parts have more in common that does not grow at all. What is quadratic grows by up to a
//! hundred times.

use corerest_api::decode_catalog;
use corerest_perf::callgrind;
use corerest_perf::growing::{KINDS, World};
use std::env;
use std::fs;
use std::hint::black_box;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// How much more may be done for ten times as much.
const GROWTH_MAX: f64 = 13.5;

/// The function's name as callgrind has it.
const MEASURED: &str = "linear::measured";

fn main() -> io::Result<ExitCode> {
    let is_run = env::args().nth(1).as_deref() == Some("--run");
    if is_run {
        return run().map(|()| ExitCode::SUCCESS);
    }
    let counts = callgrind::count(MEASURED)?;
    let shows_all = env::args().nth(1).as_deref() == Some("--all");
    let mut out = io::stdout();
    let mut is_worse = false;
    for pair in counts.chunks(2) {
        let [(name, few), (_, many)] = pair else {
            return Err(io::Error::other("a length was not counted"));
        };
        let growth = *many as f64 / (*few).max(1) as f64;
        let is_too_much = growth > GROWTH_MAX;
        is_worse |= is_too_much;
        if is_too_much || shows_all {
            writeln!(out, "{name:<34} {few:>12} {many:>14} {growth:>7.1}")?;
        }
    }
    if is_worse {
        writeln!(
            out,
            "The last number is the growth for ten times the length, at most {GROWTH_MAX}."
        )?;
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Inside of valgrind: prints the name of each kind, once for each of its lengths.
fn run() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut document = fs::read(root.join("../tests/cases/plan/catalog.json"))?;
    let catalog =
        decode_catalog(&mut document).map_err(|error| io::Error::other(error.to_string()))?;
    let world = World::new(catalog);
    let wanted = env::var("KIND").unwrap_or_default();
    let mut names = String::new();
    for kind in KINDS.iter().filter(|kind| kind.name.contains(&wanted)) {
        for length in kind.lengths {
            names.push_str(kind.name);
            names.push('\n');
            world.measure(kind, length, &mut |work| measured(work));
        }
    }
    io::stdout().write_all(names.as_bytes())
}

/// Callgrind counts what happens in here, and only that.
#[inline(never)]
fn measured(work: &mut dyn FnMut()) {
    work();
    black_box(());
}
