//! `bench`: runs the scenarios, prints tables of medians, keeps the raw numbers.
//!
//! Contestants take turns within each round, so that a machine that becomes slower or faster
//! meanwhile does so for all. `scripts/bench` starts PostgreSQL and then this program.
//!
//! - the scenarios of `scenario.rs`: pgbench's ceiling, the server, and for one of them the
//!   baseline;
//! - `stall`: a row by its key, beside clients whose queries take a second, and without them;
//! - `idle`: the same beside thousands of connections that do nothing, and without them.
#![allow(
    clippy::print_stdout,
    reason = "printing the result is what this program is for"
)]

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use argh::FromArgs;
use corerest_api::catalog::{self, Catalog};
use corerest_perf::ceiling;
use corerest_perf::contestant::{self, Database, Running};
use corerest_perf::generator::{self, Options};
use corerest_perf::pgbench::{self, Duty};
use corerest_perf::recorded;
use corerest_perf::report::{self, Numbers};
use corerest_perf::request::Request;
use corerest_perf::response;
use corerest_perf::scenario::{Opponents, POINT, SCENARIOS, Scenario};
use corerest_perf::tables;

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
    /// names of scenarios, stall and idle among them, with commas between (all)
    #[argh(option, default = "\"all\".into()")]
    scenario: String,
    /// which of ceiling,server,baseline,tuned take part (all)
    #[argh(option, default = "\"ceiling,server,baseline,tuned\".into()")]
    contestants: String,
    /// rounds (2)
    #[argh(option, default = "2")]
    rounds: usize,
    /// seconds of each measurement (5)
    #[argh(option, default = "5")]
    seconds: u64,
    /// keep-alive connections, except in stall (32)
    #[argh(option, default = "32")]
    connections: usize,
    /// connections to PostgreSQL (10)
    #[argh(option, default = "10")]
    pool: usize,
    /// idle connections in idle (10000)
    #[argh(option, default = "10_000")]
    idle: usize,
    /// folder of the results (results in the folder perf)
    #[argh(option)]
    results: Option<PathBuf>,
    /// only record the catalog and write the ceiling's scripts
    #[argh(switch)]
    record: bool,
}

/// In `stall`: so many measured clients …
const STALL_CONNECTIONS: usize = 64;
/// … beside so many whose queries take a second.
const SLOW_CONNECTIONS: usize = 4;
const WARM_UP: Duration = Duration::from_secs(1);
/// As much of an unexpected answer as is told.
const TOLD_BYTES_MAX: usize = 300;

fn main() -> io::Result<ExitCode> {
    let bench = Bench::new(argh::from_env())?;
    bench.record_scripts()?;
    if bench.arguments.record {
        return Ok(ExitCode::SUCCESS);
    }
    let mut failures = Vec::new();
    for name in bench.names() {
        // One scenario that fails should not cost an hour of the others.
        if let Err(error) = bench.run(name) {
            eprintln!("{name}: {error}");
            failures.push(name);
        }
    }
    let table = tables::markdown(&bench.results)?;
    fs::write(bench.results.join("scenarios.md"), &table)?;
    println!("{table}");
    if failures.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("failed: {}", failures.join(", "));
    Ok(ExitCode::FAILURE)
}

/// A contestant or variant: its name, and its numbers round by round.
type Column = (String, Vec<Numbers>);

struct Bench {
    arguments: Arguments,
    baseline: PathBuf,
    results: PathBuf,
    database: Database,
    catalog: Catalog,
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
        let default_results = arguments.perf.join("results");
        let results = arguments.results.clone().unwrap_or(default_results);
        fs::create_dir_all(&results)?;
        let catalog = record_catalog(&arguments.perf, &database)?;
        Ok(Self {
            arguments,
            baseline,
            results,
            database,
            catalog,
        })
    }

    fn names(&self) -> Vec<&str> {
        if self.arguments.scenario != "all" {
            return self.arguments.scenario.split(',').collect();
        }
        let compared = SCENARIOS.iter().map(|scenario| scenario.name);
        compared.chain(["stall", "idle"]).collect()
    }

    fn run(&self, name: &str) -> io::Result<()> {
        let columns = match (name, Scenario::find(name)) {
            (_, Some(scenario)) => self.compare(scenario)?,
            ("stall", None) => self.stall()?,
            ("idle", None) => self.idle()?,
            (_, None) => return Err(io::Error::other("there is no such scenario")),
        };
        self.publish(name, &columns)
    }

    fn script_path(&self, scenario: &Scenario) -> PathBuf {
        let folder = self.arguments.perf.join("ceiling");
        folder.join(scenario.name).with_extension("sql")
    }

    /// Writes the scripts of all scenarios, so that the files are always of one version.
    fn record_scripts(&self) -> io::Result<()> {
        for scenario in &SCENARIOS {
            if let Some(script) = ceiling::script(scenario, &self.catalog)? {
                fs::write(self.script_path(scenario), script.text)?;
            }
        }
        Ok(())
    }

    fn compare(&self, scenario: &Scenario) -> io::Result<Vec<Column>> {
        let script = ceiling::script(scenario, &self.catalog)?;
        let takes_part = |name: &&str| match *name {
            "ceiling" => script.is_some(),
            "baseline" | "tuned" => scenario.opponents == Opponents::Baseline,
            _ => true,
        };
        let twin = match scenario.opponents {
            Opponents::Scenario(name) => Scenario::find(name),
            Opponents::None | Opponents::Baseline => None,
        };
        let names = self.arguments.contestants.split(',').filter(takes_part);
        let names: Vec<&str> = names.chain(twin.map(|twin| twin.name)).collect();
        self.rounds(&names, |name| {
            reset(scenario)?;
            if let Some(twin) = twin.filter(|twin| twin.name == name) {
                return self.load(&self.server()?, twin, |options| options);
            }
            let running = match (name, &script) {
                ("ceiling", Some(script)) => {
                    let file = self.script_path(scenario);
                    return pgbench::run(&file, script, &self.database, self.duty());
                }
                ("server", _) => self.server()?,
                ("baseline", _) => self.baseline(None)?,
                ("tuned", _) => self.baseline(Some(self.arguments.pool))?,
                (other, _) => {
                    return Err(io::Error::other(format!("no contestant is called {other}")));
                }
            };
            self.load(&running, scenario, |options| options)
        })
    }

    fn duty(&self) -> Duty {
        Duty {
            warm_up: WARM_UP,
            measured: Duration::from_secs(self.arguments.seconds.max(1)),
        }
    }

    fn stall(&self) -> io::Result<Vec<Column>> {
        let together = format!("beside {SLOW_CONNECTIONS} slow");
        self.rounds(&["alone", &together], |name| {
            let slow_connections = if name == "alone" { 0 } else { SLOW_CONNECTIONS };
            self.load(&self.server()?, &POINT, |options| Options {
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
            self.load(&self.server()?, &POINT, |options| Options {
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
        scenario: &Scenario,
        adapt: impl FnOnce(Options) -> Options,
    ) -> io::Result<Numbers> {
        let Duty { warm_up, measured } = self.duty();
        let options = Options {
            target: running.target.clone(),
            connections: self.arguments.connections,
            request: scenario.request(),
            id_max: scenario.id_max,
            status: scenario.status,
            body_contains: scenario.body_contains.to_owned(),
            slow_connections: 0,
            slow_request: Request::get("/slow"),
            idle_connections: 0,
            threads: 1,
            warm_up,
            measured,
            server_pid: Some(running.pid()),
            postgres_pid: Some(self.database.pid),
        };
        check_answer(&options)?;
        Ok(report::numbers_of(&generator::run(&adapt(options))?))
    }

    /// Writes the medians, and each round, to the folder of results, and prints the medians.
    fn publish(&self, scenario: &str, columns: &[Column]) -> io::Result<()> {
        let mut medians: Vec<(String, Numbers)> = columns
            .iter()
            .map(|(name, rounds)| (name.clone(), report::medians(rounds)))
            .collect();
        add_ratios(&mut medians);
        let text = format!("{}\n{}", self.heading(scenario), report::table(&medians));
        fs::write(self.results.join(format!("{scenario}.txt")), &text)?;
        let raw = self.results.join(format!("{scenario}.json"));
        fs::write(raw, raw_json(columns))?;
        println!("{text}");
        Ok(())
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

/// Reads the catalog of the database and keeps it beside the scripts that are made from it.
fn record_catalog(perf: &Path, database: &Database) -> io::Result<Catalog> {
    let mut document = recorded::load_document(database)?;
    let folder = perf.join("ceiling");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("catalog.json"), &document)?;
    catalog::decode(&mut document).map_err(|error| io::Error::other(error.to_string()))
}

/// Before a measurement: undoes what the one before has written.
fn reset(scenario: &Scenario) -> io::Result<()> {
    if scenario.reset.is_empty() {
        return Ok(());
    }
    let status = Command::new("psql")
        .args(["-Xqc", scenario.reset])
        .status()?;
    if !status.success() {
        return Err(io::Error::other(format!("psql: {status}")));
    }
    Ok(())
}

/// An answer that is wrong from the start is told before it is measured.
fn check_answer(options: &Options) -> io::Result<()> {
    let (status, body) = response::fetch(&options.target, &options.request)?;
    if status != options.status {
        let told = &body[..body.len().min(TOLD_BYTES_MAX)];
        let expected = options.status;
        let told = String::from_utf8_lossy(told);
        return Err(io::Error::other(format!(
            "{status} instead of {expected}: {told}"
        )));
    }
    Ok(())
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
