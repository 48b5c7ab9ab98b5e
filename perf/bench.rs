//! `bench`: runs the scenarios, prints tables of medians, keeps the raw numbers.
//!
//! `scripts/bench` starts PostgreSQL and then this program. What can be measured is in
//! `experiments`; here is what becomes of the numbers: a table on the screen and in a file, the
//! raw numbers, and the tables and figures of all that has been measured so far.
#![allow(
    clippy::print_stdout,
    reason = "printing the result is what this program is for"
)]

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, ExitCode};

use corerest_perf::experiments::{self, Arguments, Column, Setup};
use corerest_perf::figures;
use corerest_perf::report::{self as numbers, Numbers};
use corerest_perf::tables;

/// The columns that others are compared with, and what the ratio is called.
const REFERENCES: [(&str, &str); 12] = [
    ("ceiling", "of_ceiling"),
    ("before", "of_before"),
    ("baseline", "of_baseline"),
    ("tuned", "of_tuned"),
    ("axum", "of_axum"),
    ("axum-bare", "of_axum_bare"),
    ("alone", "of_alone"),
    ("32", "of_32"),
    ("1 core", "of_1_core"),
    ("tcp", "of_tcp"),
    ("near", "of_near"),
    ("proxy", "of_proxy"),
];

fn main() -> io::Result<ExitCode> {
    let arguments: Arguments = argh::from_env();
    if arguments.scenario == "list" {
        for name in experiments::names() {
            println!(
                "{name:<15} {}",
                experiments::about(name).unwrap_or_default()
            );
        }
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.report {
        return report(&arguments.results_folder()).map(|()| ExitCode::SUCCESS);
    }
    let setup = Setup::new(arguments)?;
    if setup.arguments.record {
        return Ok(ExitCode::SUCCESS);
    }
    let names: Vec<&str> = match &setup.arguments.scenario[..] {
        "all" => experiments::names().collect(),
        some => some.split(',').collect(),
    };
    let mut failures = Vec::new();
    for name in names {
        // One scenario that fails should not cost an hour of the others.
        let result = experiments::run(&setup, name);
        if let Err(error) = result.and_then(|columns| publish(&setup, name, &columns)) {
            eprintln!("{name}: {error}");
            failures.push(name);
        }
    }
    report(&setup.results)?;
    if failures.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("failed: {}", failures.join(", "));
    Ok(ExitCode::FAILURE)
}

/// Makes tables and figures of all results in a folder.
fn report(folder: &Path) -> io::Result<()> {
    let table = tables::markdown(folder)?;
    fs::write(folder.join("scenarios.md"), &table)?;
    let experiments = tables::experiments(folder)?;
    fs::write(folder.join("experiments.md"), experiments)?;
    figures::draw(folder)?;
    println!("{table}");
    Ok(())
}

/// Writes the medians, and each round, to the folder of results, and prints the medians.
fn publish(setup: &Setup, scenario: &str, columns: &[Column]) -> io::Result<()> {
    let mut medians: Vec<(String, Numbers)> = columns
        .iter()
        .map(|(name, rounds)| (name.clone(), numbers::medians(rounds)))
        .collect();
    add_ratios(&mut medians);
    let heading = heading(&setup.arguments, scenario);
    let text = format!("{heading}\n{}", numbers::table(&medians));
    fs::write(setup.results.join(format!("{scenario}.txt")), &text)?;
    let raw = setup.results.join(format!("{scenario}.json"));
    fs::write(raw, raw_json(columns))?;
    println!("{text}");
    Ok(())
}

fn heading(arguments: &Arguments, scenario: &str) -> String {
    let Arguments {
        rounds,
        seconds,
        pool,
        connections,
        ..
    } = arguments;
    let about = experiments::about(scenario).unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{scenario}: {about}\n{connections} connections and db-pool {pool} if nothing else is \
         said, medians of {rounds} rounds of {seconds} s\n{cpus} CPUs ({}), shared by server, \
         generator and {}\n",
        cpu_model(),
        postgres_version(),
    )
}

/// Beneath the rate: how much of the ceiling, of the baseline, or of another variant it is.
fn add_ratios(medians: &mut [(String, Numbers)]) {
    let rate = |numbers: &Numbers| numbers::number(numbers, "requests_per_second");
    for (reference, label) in REFERENCES {
        let found = medians.iter().find(|(name, _)| name == reference);
        let Some(whole) = found.and_then(|(_, numbers)| rate(numbers)) else {
            continue;
        };
        for (_, numbers) in &mut *medians {
            if let Some(part) = rate(numbers) {
                numbers.insert(1, (label, part / whole));
            }
        }
    }
}

fn raw_json(columns: &[Column]) -> String {
    let mut text = String::from("{");
    for (index, (name, rounds)) in columns.iter().enumerate() {
        let separator = if index == 0 { "" } else { "," };
        let rounds: Vec<String> = rounds.iter().map(numbers::json).collect();
        let _ = write!(
            text,
            "{separator}\n  \"{name}\": [\n    {}\n  ]",
            rounds.join(",\n    ")
        );
    }
    text + "\n}\n"
}

fn cpu_model() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info.lines().find(|line| line.starts_with("model name"));
    let model = line.and_then(|line| line.split_once(": "));
    model.map_or_else(
        || std::env::consts::ARCH.to_owned(),
        |(_, model)| model.to_owned(),
    )
}

fn postgres_version() -> String {
    let output = Command::new("psql")
        .args(["-XAtc", "show server_version"])
        .output();
    let version = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    format!("PostgreSQL {}", version.unwrap_or_default().trim())
}
