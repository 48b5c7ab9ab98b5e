//! An open loop: requests are due at a fixed rate, whether or not the ones before are answered.
//!
//! A closed loop hides how long requests would have waited behind a server that stalls. The rate
//! is half of what the closed loop has reached just before, in the same round, so that waiting is
//! the server's fault and not a matter of too many requests. Two generators look at it: ours, and
//! oha where it is installed. Beside them pgbench, with the server's own statements at the same
//! rate, shows what this machine lets PostgreSQL alone do.

use std::cell::Cell;
use std::io;

use super::{Column, Setup, compare};
use crate::ceiling;
use crate::generator::{Options, Pace};
use crate::oha;
use crate::pgbench;
use crate::report;
use crate::scenario::POINT;

const CLOSED: &str = "closed loop";
const OPEN: &str = "open loop";
const OHA: &str = "open loop, oha";
const CEILING: &str = "open loop, pgbench";
/// The part of the closed loop's rate.
const LOAD: f64 = 0.5;

pub(super) fn run(setup: &Setup) -> io::Result<Vec<Column>> {
    let binary = oha::find(setup.arguments.oha.as_deref());
    if let Err(error) = &binary {
        eprintln!("{error}. Its column will be missing.");
    }
    let names = [CLOSED, OPEN, CEILING, OHA];
    let count = if binary.is_ok() { 4 } else { 3 };
    let rate = Cell::new(0.0);
    let script = ceiling::script(&POINT, &setup.catalog)?;
    let script = script.expect("a lookup asks PostgreSQL");
    setup.rounds(&names[..count], |name| {
        if name == CEILING {
            let file = compare::script_path(setup, &POINT);
            let (database, duty) = (&setup.database, setup.duty());
            let mut numbers = pgbench::run_at_rate(&file, &script, database, duty, rate.get())?;
            numbers.insert(0, ("asked_per_second", rate.get()));
            return Ok(numbers);
        }
        let running = setup.server()?;
        let mut numbers = match (name, &binary) {
            (OHA, Ok(binary)) => {
                let load = oha::Load {
                    running: &running,
                    scenario: &POINT,
                    connections: setup.arguments.connections,
                    rate: rate.get(),
                };
                oha::run(binary, &load, setup.duty())?
            }
            (OPEN, _) => setup.load(&running, &POINT, |options| Options {
                pace: Pace::Open { rate: rate.get() },
                ..options
            })?,
            _ => setup.load(&running, &POINT, |options| options)?,
        };
        if name == CLOSED {
            let reached = report::number(&numbers, "requests_per_second");
            rate.set(reached.unwrap_or_default() * LOAD);
        } else {
            numbers.insert(0, ("asked_per_second", rate.get()));
        }
        Ok(numbers)
    })
}
