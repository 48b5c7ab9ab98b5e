//! A scenario of the table: pgbench's ceiling, the server, and for one of them the baseline.

use std::io;
use std::path::PathBuf;

use super::{Column, Setup};
use crate::ceiling;
use crate::contestant::{self, Promises, Running};
use crate::pgbench;
use crate::scenario::{Opponents, SCENARIOS, Scenario};

/// Everybody who takes part, in turn.
pub(super) fn run(setup: &Setup, scenario: &Scenario) -> io::Result<Vec<Column>> {
    let script = ceiling::script(scenario, &setup.catalog)?;
    let takes_part = |name: &&str| match *name {
        "ceiling" => script.is_some(),
        "before" => setup.arguments.before.is_some(),
        "baseline" | "tuned" | "axum" | "axum-bare" => scenario.opponents == Opponents::Baseline,
        _ => true,
    };
    let twin = match scenario.opponents {
        Opponents::Scenario(name) => Scenario::find(name),
        Opponents::None | Opponents::Baseline => None,
    };
    let others = setup
        .arguments
        .against
        .iter()
        .map(|(name, _)| name.as_str());
    let names = setup.arguments.contestants.split(',').filter(takes_part);
    let names = names.chain(others);
    let names: Vec<&str> = names.chain(twin.map(|twin| twin.name)).collect();
    setup.rounds(&names, |name| {
        setup.reset(scenario)?;
        if let Some(twin) = twin.filter(|twin| twin.name == name) {
            return setup.load(&setup.server()?, twin, |options| options);
        }
        let running = match (name, &script) {
            ("ceiling", Some(script)) => {
                let file = script_path(setup, scenario);
                return pgbench::run(&file, script, &setup.database, setup.duty());
            }
            ("server", _) => setup.server()?,
            ("before", _) => setup.server_before()?,
            ("baseline", _) => baseline(setup, None)?,
            ("tuned", _) => baseline(setup, Some(setup.arguments.pool))?,
            ("axum", _) => peer(setup, Promises::Kept)?,
            ("axum-bare", _) => peer(setup, Promises::None)?,
            (other, _) => {
                let found = setup
                    .arguments
                    .against
                    .iter()
                    .find(|(name, _)| name == other);
                let (_, command) = found
                    .ok_or_else(|| io::Error::other(format!("no contestant is called {other}")))?;
                contestant::start_command(command, &setup.database)?
            }
        };
        setup.load(&running, scenario, |options| options)
    })
}

pub(super) fn script_path(setup: &Setup, scenario: &Scenario) -> PathBuf {
    let folder = setup.arguments.perf.join("ceiling");
    folder.join(scenario.name).with_extension("sql")
}

/// Writes the scripts of all scenarios, so that the files are always of one version.
pub(super) fn record_scripts(setup: &Setup) -> io::Result<()> {
    for scenario in &SCENARIOS {
        if let Some(script) = ceiling::script(scenario, &setup.catalog)? {
            std::fs::write(script_path(setup, scenario), script.text)?;
        }
    }
    Ok(())
}

fn baseline(setup: &Setup, workers: Option<usize>) -> io::Result<Running> {
    contestant::start_baseline(&setup.program("baseline"), &setup.database, workers)
}

fn peer(setup: &Setup, promises: Promises) -> io::Result<Running> {
    contestant::start_peer(&setup.program("peer"), &setup.database, promises)
}
