//! `instructions`: counts the instructions of the hot path's pieces, and compares them with what
//! they were (`instructions.txt`). A gate, for unlike times they are the same on a busy machine.
//!
//! ```text
//! instructions ──▶ valgrind --tool=callgrind ──▶ instructions --run
//!                  a dump after each `measured`  each piece: a few times, then once `measured`
//! ```
//! What they depend on besides the code, and hence the tolerances:
//! - The seeds of hash maps and the addresses of memory differ from run to run: some 0.1 %.
//! - The C library chooses its `memcpy` and the like by the CPU. Here it is told to know nothing
//!   newer than SSE2. Crates that look at the CPU themselves see AVX2 or not, as the host has it;
//!   on a host without, or another architecture, nothing is compared.
//! - Other versions of the C library: below 3 %. Other compilers: up to 10 %; make it anew then.
//! - What is inlined depends on the order of the compiler's pieces of work, and that on the path of
//!   the sources: up to 87 in a piece of 1,837.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::hint::black_box;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, ExitCode};

use corerest_api::{Catalog, decode_catalog};
use corerest_perf::{callgrind, hot_path};

/// How much more than in the baseline is too much, made with the same compiler …
const TOLERANCE: f64 = 0.03;
/// … and with another one.
const TOLERANCE_OF_COMPILERS: f64 = 0.10;
/// So many more are never too much.
const TOLERATED: u64 = 100;
/// Before a piece is measured: memory is there, and the allocator has its lists.
const WARM_UP_RUNS: usize = 4;
/// Of so many runs the mean is told: allocators have better and worse moments.
const MEASURED_RUNS: u64 = 16;
/// The function's name as callgrind has it.
const MEASURED: &str = "instructions::measured";
fn main() -> io::Result<ExitCode> {
    let perf = Path::new(env!("CARGO_MANIFEST_DIR"));
    let catalog = perf.join("ceiling/catalog.json");
    if env::args().nth(1).as_deref() == Some("--run") {
        return run(&catalog).map(|()| ExitCode::SUCCESS);
    }
    let file = perf.join("instructions.txt");
    let found = Counts {
        conditions: conditions()?,
        instructions: count()?,
    };
    if env::var_os("UPDATE").is_some_and(|value| value == "1") {
        fs::write(&file, found.text())?;
        return Ok(ExitCode::SUCCESS);
    }
    let baseline = Counts::parse(&fs::read_to_string(&file)?);
    let verdict = compare(&baseline, &found);
    io::stdout().write_all(verdict.told.as_bytes())?;
    Ok(match verdict.is_worse {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

/// Inside of valgrind: prints the name of each piece, in the order in which they are measured.
fn run(catalog: &Path) -> io::Result<()> {
    let catalog = catalog_of(fs::read(catalog)?)?;
    let mut names = String::new();
    hot_path::for_each_piece(&catalog, &mut |name, work| {
        names.push_str(name);
        names.push('\n');
        for _ in 0..WARM_UP_RUNS {
            work();
        }
        measured(work);
    })?;
    io::stdout().write_all(names.as_bytes())
}

fn catalog_of(mut document: Vec<u8>) -> io::Result<Catalog> {
    decode_catalog(&mut document).map_err(|error| io::Error::other(error.to_string()))
}

/// Callgrind counts what happens in here, and only that.
#[inline(never)]
fn measured(work: &mut dyn FnMut()) {
    for _ in 0..MEASURED_RUNS {
        work();
    }
    black_box(());
}

/// Instructions of one run of each piece.
type Instructions = BTreeMap<String, u64>;

/// What was counted, and where.
#[derive(Debug, PartialEq, Eq)]
struct Counts {
    conditions: Conditions,
    instructions: Instructions,
}

/// What numbers must have in common to be compared.
#[derive(Debug, Default, PartialEq, Eq)]
struct Conditions {
    cpu: String,
    compiler: String,
}

fn conditions() -> io::Result<Conditions> {
    let output = Command::new("rustc").arg("--version").output()?;
    let compiler = String::from_utf8_lossy(&output.stdout);
    Ok(Conditions {
        cpu: format!("{}{}", env::consts::ARCH, newer_instructions()),
        compiler: compiler.trim().to_owned(),
    })
}

#[cfg(target_arch = "x86_64")]
fn newer_instructions() -> &'static str {
    match std::arch::is_x86_feature_detected!("avx2") {
        true => " with AVX2",
        false => " without AVX2",
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn newer_instructions() -> &'static str {
    ""
}

/// Runs this program in valgrind.
fn count() -> io::Result<Instructions> {
    let counts = callgrind::count(MEASURED)?.into_iter();
    Ok(counts
        .map(|(name, total)| (name, total / MEASURED_RUNS))
        .collect())
}

impl Counts {
    fn text(&self) -> String {
        let Conditions { cpu, compiler } = &self.conditions;
        let mut text = format!("# cpu: {cpu}\n# compiler: {compiler}\n");
        for (name, count) in &self.instructions {
            text.push_str(&format!("{name:<24} {count:>8}\n"));
        }
        text
    }

    fn parse(text: &str) -> Self {
        let condition = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().to_owned()
        };
        let counts = text.lines().filter_map(|line| {
            let (name, count) = line.rsplit_once(' ')?;
            Some((name.trim().to_owned(), count.parse().ok()?))
        });
        Self {
            conditions: Conditions {
                cpu: condition("# cpu: "),
                compiler: condition("# compiler: "),
            },
            instructions: counts.collect(),
        }
    }
}

/// What has become of the numbers.
struct Verdict {
    told: String,
    is_worse: bool,
}

fn compare(baseline: &Counts, found: &Counts) -> Verdict {
    let (then, now) = (&baseline.conditions, &found.conditions);
    let mut told = String::new();
    if then.cpu != now.cpu {
        told = format!(
            "instructions: those of {} are not compared with {}\n",
            now.cpu, then.cpu
        );
        return Verdict {
            told,
            is_worse: false,
        };
    }
    let tolerance = match then.compiler == now.compiler {
        true => TOLERANCE,
        false => TOLERANCE_OF_COMPILERS,
    };
    if then.compiler != now.compiler {
        told = format!(
            "instructions: {} instead of {}\n",
            now.compiler, then.compiler
        );
    }
    let mut is_worse = false;
    for (name, count) in &found.instructions {
        let Some(before) = baseline.instructions.get(name) else {
            told.push_str(&format!("{name}: {count} instructions, and no baseline\n"));
            is_worse = true;
            continue;
        };
        let change = *count as f64 / (*before).max(1) as f64 - 1.0;
        if change.abs() > tolerance && count.abs_diff(*before) > TOLERATED {
            let percent = change * 100.0;
            told.push_str(&format!(
                "{name}: {count} instructions instead of {before} ({percent:+.1} %)\n"
            ));
            is_worse |= change > 0.0;
        }
    }
    for name in baseline.instructions.keys() {
        if !found.instructions.contains_key(name) {
            told.push_str(&format!("{name}: not counted any more\n"));
            is_worse = true;
        }
    }
    if !told.is_empty() {
        told.push_str("To take these for the baseline: UPDATE=1 scripts/check instructions\n");
    }
    Verdict { told, is_worse }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(compiler: &str, pieces: &[(&str, u64)]) -> Counts {
        let pieces = pieces.iter();
        Counts {
            conditions: Conditions {
                cpu: "x86_64 with AVX2".to_owned(),
                compiler: compiler.to_owned(),
            },
            instructions: pieces
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect(),
        }
    }

    #[track_caller]
    fn check(found: &Counts, is_worse: bool, told: &str) {
        let verdict = compare(&counts("rustc 1", &[("point head", 10_000)]), found);
        assert_eq!(verdict.is_worse, is_worse, "{}", verdict.told);
        match told {
            "" => assert_eq!(verdict.told, ""),
            some => assert!(verdict.told.contains(some), "{}", verdict.told),
        }
    }

    #[test]
    fn more_instructions_are_worse_and_fewer_are_told() {
        check(&counts("rustc 1", &[("point head", 10_290)]), false, "");
        check(
            &counts("rustc 1", &[("point head", 10_310)]),
            true,
            "(+3.1 %)",
        );
        check(
            &counts("rustc 1", &[("point head", 9_000)]),
            false,
            "UPDATE=1",
        );
        check(&counts("rustc 1", &[("page head", 1)]), true, "no baseline");
        let small = counts("rustc 1", &[("point head", 1_000)]);
        for (count, is_worse) in [(1_100, false), (1_101, true)] {
            let found = counts("rustc 1", &[("point head", count)]);
            assert_eq!(compare(&small, &found).is_worse, is_worse, "{count}");
        }
        check(&counts("rustc 1", &[]), true, "point head: not counted");
    }

    #[test]
    fn another_compiler_may_differ_more_and_another_cpu_is_not_compared() {
        check(
            &counts("rustc 2", &[("point head", 10_990)]),
            false,
            "instead of rustc 1",
        );
        check(
            &counts("rustc 2", &[("point head", 11_010)]),
            true,
            "(+10.1 %)",
        );
        let mut elsewhere = counts("rustc 1", &[("point head", 50_000)]);
        elsewhere.conditions.cpu = "aarch64".to_owned();
        check(&elsewhere, false, "not compared");
    }

    #[test]
    fn the_file_says_what_was_written() {
        let written = counts(
            "rustc 1.95.0 (abc)",
            &[("point head", 7), ("point prepare", 8)],
        );
        assert_eq!(Counts::parse(&written.text()), written);
    }
}
