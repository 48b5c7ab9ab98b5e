//! What can be measured: the scenarios of the table, and one entry here for everything else.
//!
//! Contestants take turns within each round, so that a machine that becomes slower or faster
//! meanwhile does so for all. An experiment gives columns, and knows nothing about tables, files
//! and plots.

mod arguments;
mod beside;
mod compare;
mod events;
mod growth;
mod large;
mod open;
mod soak;
mod sweeps;
mod topology;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use corerest_api::{Catalog, decode_catalog};

pub use self::arguments::Arguments;
use crate::contestant::{self, Database, Running, Variant};
use crate::generator::{self, Options, Pace, SystemCalls};
use crate::pgbench::Duty;
use crate::recorded;
use crate::report::{self, Numbers};
use crate::request::Request;
use crate::response;
use crate::scenario::{SCENARIOS, Scenario};
use crate::system_calls;

const WARM_UP: Duration = Duration::from_secs(1);
/// System calls are counted for so long: their number per request hardly varies.
const COUNTING: Duration = Duration::from_secs(1);
/// As much of an unexpected answer as is told.
const TOLD_BYTES_MAX: usize = 300;

/// A contestant or variant: its name, and its numbers round by round.
pub type Column = (String, Vec<Numbers>);

/// Something to measure that is no scenario of the table.
struct Experiment {
    /// Its name on the command line, and of its files.
    name: &'static str,
    /// What it shows.
    about: &'static str,
    run: fn(&Setup) -> io::Result<Vec<Column>>,
}

const EXPERIMENTS: [Experiment; 14] = [
    Experiment {
        name: "stall",
        about: "a row by its key, 64 clients, beside clients whose queries take a second",
        run: beside::stall,
    },
    Experiment {
        name: "idle",
        about: "a row by its key, beside thousands of connections that do nothing",
        run: beside::idle,
    },
    Experiment {
        name: "open",
        about: "a row by its key, at half the rate of the closed loop",
        run: open::run,
    },
    Experiment {
        name: "connections",
        about: "a row by its key, by the number of clients",
        run: sweeps::connections,
    },
    Experiment {
        name: "cores",
        about: "a row by its key, by server-cores",
        run: sweeps::cores,
    },
    Experiment {
        name: "unix",
        about: "a row by its key, over TCP and over a Unix socket",
        run: sweeps::unix,
    },
    Experiment {
        name: "remote",
        about: "a row by its key, 128 clients, db-pool 40: PostgreSQL is near, behind a proxy, and \
                behind one that adds a millisecond, by server-threads-per-core",
        run: sweeps::remote,
    },
    Experiment {
        name: "topology",
        about: "queries that wait or work, from 0.1 to 20 ms, 40 clients, by where PostgreSQL is, \
                db-pool and server-threads-per-core (goal: 0.95 of the best number of threads)",
        run: topology::run,
    },
    Experiment {
        name: "stream_json",
        about: "one answer of about a gigabyte as JSON, and the same statement by psql (goals: \
                the peak RSS grows by at most 32 MiB, and the rate is no lower than psql's)",
        run: large::stream_json,
    },
    Experiment {
        name: "stream_csv",
        about: "one answer of about a gigabyte as CSV, the same statement by psql, and the rows, \
                of which psql itself makes CSV",
        run: large::stream_csv,
    },
    Experiment {
        name: "upload",
        about: "an insert of rows from one large body of JSON (goal: the peak RSS grows by at \
                most 1.2 times the body)",
        run: large::upload,
    },
    Experiment {
        name: "events",
        about: "a row by its key, beside a thousand clients that hear a hundred events a second, \
                and ten thousand that hear (goals: 0.9 of the rate, an event's p99 100 ms, and \
                64 MiB)",
        run: events::run,
    },
    Experiment {
        name: "growth",
        about: "a row by its key, by how many relations, schemas, roles, shapes and clients \
                there are",
        run: growth::run,
    },
    Experiment {
        name: "soak",
        about: "ten scenarios at once for minutes, four clients each, and the server's memory",
        run: soak::run,
    },
];

/// The names of all that can be measured.
pub fn names() -> impl Iterator<Item = &'static str> {
    let compared = SCENARIOS.iter().map(|scenario| scenario.name);
    compared.chain(EXPERIMENTS.iter().map(|experiment| experiment.name))
}

/// What the scenario or experiment of that name shows.
#[must_use]
pub fn about(name: &str) -> Option<&'static str> {
    let found = EXPERIMENTS
        .iter()
        .find(|experiment| experiment.name == name);
    let scenario = || Scenario::find(name).map(|scenario| scenario.title);
    found.map(|experiment| experiment.about).or_else(scenario)
}

/// Runs the scenario or experiment of that name.
pub fn run(setup: &Setup, name: &str) -> io::Result<Vec<Column>> {
    if let Some(scenario) = Scenario::find(name) {
        return compare::run(setup, scenario);
    }
    let experiment = EXPERIMENTS
        .iter()
        .find(|experiment| experiment.name == name);
    match experiment {
        Some(experiment) => (experiment.run)(setup),
        None => Err(io::Error::other("there is no such scenario")),
    }
}

/// What all measurements have in common.
#[derive(Debug)]
pub struct Setup {
    /// What the user asks for.
    pub arguments: Arguments,
    /// The folder of the results.
    pub results: PathBuf,
    programs: PathBuf,
    database: Database,
    catalog: Catalog,
    system_calls: SystemCalls,
}

impl Setup {
    /// Reads the environment that `scripts/postgres` makes, and records the catalog.
    pub fn new(arguments: Arguments) -> io::Result<Self> {
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
        let own = std::env::current_exe()?;
        let beside = own.parent().map(Path::to_owned).unwrap_or_default();
        let results = arguments.results_folder();
        fs::create_dir_all(&results)?;
        let catalog = record_catalog(&arguments.perf, &database)?;
        let system_calls = match system_calls::check_available() {
            Ok(()) => SystemCalls::Counted,
            Err(_) => SystemCalls::Ignored,
        };
        let setup = Self {
            system_calls,
            programs: arguments.programs.clone().unwrap_or(beside),
            arguments,
            results,
            database,
            catalog,
        };
        compare::record_scripts(&setup)?;
        if let SystemCalls::Ignored = setup.system_calls {
            eprintln!("perf cannot count system calls here; they will be missing.");
        }
        Ok(setup)
    }

    /// Another program of this package.
    fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    fn duty(&self) -> Duty {
        Duty {
            warm_up: WARM_UP,
            measured: Duration::from_secs(self.arguments.seconds.max(1)),
        }
    }

    fn server(&self) -> io::Result<Running> {
        self.server_with(&Variant::default())
    }

    /// The version that the server is compared with.
    fn server_before(&self) -> io::Result<Running> {
        let before = self.arguments.before.as_ref();
        let before = before.ok_or_else(|| io::Error::other("--before names no server"))?;
        contestant::start_server(before, &self.database, &Variant::default())
    }

    fn server_with(&self, variant: &Variant) -> io::Result<Running> {
        self.server_at(&self.database, variant)
    }

    fn server_at(&self, database: &Database, variant: &Variant) -> io::Result<Running> {
        contestant::start_server(&self.arguments.server, database, variant)
    }

    /// Each name once per round, in turn.
    fn rounds(
        &self,
        names: &[impl AsRef<str>],
        mut measure: impl FnMut(&str) -> io::Result<Numbers>,
    ) -> io::Result<Vec<Column>> {
        let mut columns: Vec<Column> = names
            .iter()
            .map(|name| (name.as_ref().to_owned(), Vec::new()))
            .collect();
        for _ in 0..self.arguments.rounds {
            for (name, rounds) in &mut columns {
                rounds.push(measure(name)?);
            }
        }
        Ok(columns)
    }

    /// Loads a server with a scenario, and then for a second more to count its system calls.
    fn load(
        &self,
        running: &Running,
        scenario: &Scenario,
        adapt: impl FnOnce(Options) -> Options,
    ) -> io::Result<Numbers> {
        let options = adapt(self.options(running, scenario));
        check_answer(&options)?;
        let mut numbers = report::numbers_of(&generator::run(&options)?);
        if self.system_calls == SystemCalls::Ignored {
            return Ok(numbers);
        }
        let counted = generator::run(&Options {
            warm_up: COUNTING / 2,
            measured: COUNTING,
            idle_connections: 0,
            system_calls: SystemCalls::Counted,
            ..options
        })?;
        if let Some(calls) = report::system_calls(&counted) {
            let end = numbers
                .iter()
                .position(|(name, _)| *name == "postgres_cpu_us");
            numbers.insert(end.unwrap_or(numbers.len()), ("server_system_calls", calls));
        }
        Ok(numbers)
    }

    fn options(&self, running: &Running, scenario: &Scenario) -> Options {
        let Duty { warm_up, measured } = self.duty();
        Options {
            target: running.target.clone(),
            connections: self.arguments.connections,
            pace: Pace::Closed,
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
            system_calls: SystemCalls::Ignored,
        }
    }

    /// Before a measurement: undoes what the one before has written.
    fn reset(&self, scenario: &Scenario) -> io::Result<()> {
        if scenario.reset.is_empty() {
            return Ok(());
        }
        run_sql(scenario.reset)
    }
}

/// Runs SQL as a superuser.
fn run_sql(sql: &str) -> io::Result<()> {
    let status = Command::new("psql").args(["-Xqc", sql]).status()?;
    if !status.success() {
        return Err(io::Error::other(format!("psql: {status}")));
    }
    Ok(())
}

/// Reads the catalog of the database and keeps it beside the scripts that are made from it.
fn record_catalog(perf: &Path, database: &Database) -> io::Result<Catalog> {
    let mut document = recorded::load_document(database)?;
    let folder = perf.join("ceiling");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("catalog.json"), &document)?;
    decode_catalog(&mut document).map_err(|error| io::Error::other(error.to_string()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_say_what_they_show() {
        let all: Vec<&str> = names().collect();
        for (index, name) in all.iter().enumerate() {
            assert!(!all[..index].contains(name), "{name} is there twice");
            assert!(about(name).is_some_and(|about| !about.is_empty()), "{name}");
        }
    }
}
