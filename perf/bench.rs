//! `bench`: runs the scenarios, prints tables of medians, keeps the raw numbers.
//!
//! Contestants take turns within each round, so that a machine that becomes slower or faster
//! meanwhile does so for all. `scripts/bench` starts PostgreSQL and then this program.
//!
//! - `point`: a row by its key; pgbench's ceiling, the server, the baseline.
//! - `stall`: the same beside clients whose queries take a second, and without them.
//! - `idle`: the same beside thousands of connections that do nothing, and without them.
#![allow(
    clippy::print_stdout,
    reason = "printing the result is what this program is for"
)]

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use argh::FromArgs;
use corerest_perf::contestant::{self, Ceiling, Database, Running};
use corerest_perf::generator::{self, Options};
use corerest_perf::report::{self, Numbers};

/// Compare the server with PostgreSQL's ceiling and with the baseline.
#[derive(FromArgs)]
struct Arguments {
    /// the server's binary
    #[argh(option)]
    server: PathBuf,
    /// the baseline's binary (baseline, beside this program)
    #[argh(option)]
    baseline: Option<PathBuf>,
    /// the folder perf of the sources (perf)
    #[argh(option, default = "\"perf\".into()")]
    perf: PathBuf,
    /// which of point,stall,idle (all)
    #[argh(option, default = "\"point,stall,idle\".into()")]
    scenarios: String,
    /// which of ceiling,server,baseline,tuned take part in point (all)
    #[argh(option, default = "\"ceiling,server,baseline,tuned\".into()")]
    contestants: String,
    /// rounds (3)
    #[argh(option, default = "3")]
    rounds: usize,
    /// seconds of each measurement (5)
    #[argh(option, default = "5")]
    seconds: u64,
    /// keep-alive connections in point and idle (32)
    #[argh(option, default = "32")]
    connections: usize,
    /// connections to PostgreSQL (10)
    #[argh(option, default = "10")]
    pool: usize,
    /// idle connections in idle (10000)
    #[argh(option, default = "10_000")]
    idle: usize,
}

/// In `stall`: so many measured clients …
const STALL_CONNECTIONS: usize = 64;
/// … beside so many whose queries take a second.
const SLOW_CONNECTIONS: usize = 4;
const WARM_UP: Duration = Duration::from_secs(1);

fn main() -> io::Result<()> {
    let bench = Bench::new(argh::from_env())?;
    for scenario in bench.arguments.scenarios.split(',') {
        let columns = match scenario {
            "point" => bench.point()?,
            "stall" => bench.stall()?,
            "idle" => bench.idle()?,
            other => return Err(io::Error::other(format!("no scenario is called {other}"))),
        };
        bench.publish(scenario, &columns)?;
    }
    Ok(())
}

/// A contestant or variant: its name, and its numbers round by round.
type Column = (String, Vec<Numbers>);

struct Bench {
    arguments: Arguments,
    baseline: PathBuf,
    database: Database,
}

impl Bench {
    fn new(arguments: Arguments) -> io::Result<Self> {
        generator::raise_file_limit()?;
        let environment = |name: &str| {
            std::env::var(name).map_err(|_| io::Error::other(format!("{name} is not set")))
        };
        let pid = environment("POSTGRES_PID")?;
        let database = Database {
            host: environment("PGHOST")?,
            port: environment("PGPORT")?,
            name: environment("PGDATABASE")?,
            pid: pid.parse().map_err(io::Error::other)?,
            pool: arguments.pool,
        };
        let baseline = match &arguments.baseline {
            Some(path) => path.clone(),
            None => std::env::current_exe()?.with_file_name("baseline"),
        };
        Ok(Self {
            arguments,
            baseline,
            database,
        })
    }

    fn point(&self) -> io::Result<Vec<Column>> {
        let names: Vec<&str> = self.arguments.contestants.split(',').collect();
        let ceiling = Ceiling {
            script: self.arguments.perf.join("ceiling/point_lookup.sql"),
        };
        let measured = Duration::from_secs(self.arguments.seconds);
        self.rounds(&names, |name| match name {
            "ceiling" => ceiling.run(&self.database, measured),
            "server" => self.load(&self.server()?, |options| options),
            "baseline" => self.load(&self.baseline(None)?, |options| options),
            "tuned" => self.load(&self.baseline(Some(self.arguments.pool))?, |options| {
                options
            }),
            other => Err(io::Error::other(format!("no contestant is called {other}"))),
        })
    }

    fn stall(&self) -> io::Result<Vec<Column>> {
        let together = format!("beside {SLOW_CONNECTIONS} slow");
        self.rounds(&["alone", &together], |name| {
            let slow_connections = if name == "alone" { 0 } else { SLOW_CONNECTIONS };
            self.load(&self.server()?, |options| Options {
                connections: STALL_CONNECTIONS,
                slow_connections,
                ..options
            })
        })
    }

    fn idle(&self) -> io::Result<Vec<Column>> {
        let together = format!("beside {} idle", self.arguments.idle);
        self.rounds(&["alone", &together], |name| {
            let idle_connections = if name == "alone" {
                0
            } else {
                self.arguments.idle
            };
            self.load(&self.server()?, |options| Options {
                idle_connections,
                ..options
            })
        })
    }

    fn server(&self) -> io::Result<Running> {
        contestant::start_server(&self.arguments.server, &self.database)
    }

    fn baseline(&self, workers: Option<usize>) -> io::Result<Running> {
        contestant::start_baseline(&self.baseline, &self.database, workers)
    }

    /// Each name once per round, in turn.
    fn rounds(
        &self,
        names: &[&str],
        measure: impl Fn(&str) -> io::Result<Numbers>,
    ) -> io::Result<Vec<Column>> {
        let mut columns: Vec<Column> = names
            .iter()
            .map(|name| ((*name).to_owned(), Vec::new()))
            .collect();
        for _ in 0..self.arguments.rounds {
            for (name, rounds) in &mut columns {
                rounds.push(measure(name)?);
            }
        }
        Ok(columns)
    }

    fn load(
        &self,
        running: &Running,
        adapt: impl FnOnce(Options) -> Options,
    ) -> io::Result<Numbers> {
        let options = Options {
            target: running.target.clone(),
            connections: self.arguments.connections,
            path: "/items?id=eq.{id}".into(),
            id_max: 100_000,
            body_contains: "\"id\":{id},".into(),
            slow_connections: 0,
            slow_path: "/slow".into(),
            idle_connections: 0,
            threads: 1,
            warm_up: WARM_UP,
            measured: Duration::from_secs(self.arguments.seconds),
            server_pid: Some(running.pid()),
            postgres_pid: Some(self.database.pid),
        };
        Ok(report::numbers_of(&generator::run(&adapt(options))?))
    }

    /// Prints the medians and writes them, and each round, to `perf/results`.
    fn publish(&self, scenario: &str, columns: &[Column]) -> io::Result<()> {
        let mut medians: Vec<(String, Numbers)> = columns
            .iter()
            .map(|(name, rounds)| (name.clone(), report::medians(rounds)))
            .collect();
        add_ratios(&mut medians);
        let text = format!("{}\n{}", self.heading(scenario), report::table(&medians));
        println!("{text}");

        let results = self.arguments.perf.join("results");
        fs::create_dir_all(&results)?;
        fs::write(results.join(format!("{scenario}.txt")), text)?;
        fs::write(results.join(format!("{scenario}.json")), raw_json(columns))
    }

    fn heading(&self, scenario: &str) -> String {
        let Arguments {
            rounds,
            seconds,
            pool,
            connections,
            ..
        } = &self.arguments;
        let connections = if scenario == "stall" {
            &STALL_CONNECTIONS
        } else {
            connections
        };
        let cpus = std::thread::available_parallelism().map_or(0, usize::from);
        format!(
            "{scenario}: {connections} connections, db-pool {pool}, medians of {rounds} rounds \
             of {seconds} s\n{cpus} CPUs ({}), shared by server, generator and {}\n",
            cpu_model(),
            postgres_version(),
        )
    }
}

/// Beneath the rate: how much of the ceiling, of the baseline, or of the first variant it is.
fn add_ratios(medians: &mut [(String, Numbers)]) {
    let rate = |numbers: &Numbers| report::number(numbers, "requests_per_second");
    for (reference, label) in [
        ("ceiling", "of_ceiling"),
        ("baseline", "of_baseline"),
        ("tuned", "of_tuned"),
        ("alone", "of_alone"),
    ] {
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
        let rounds: Vec<String> = rounds.iter().map(report::json).collect();
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
