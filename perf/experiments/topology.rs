//! Where PostgreSQL is, and what its queries do: threads that are too few leave connections unused,
//! and threads that are too many take the CPUs from it. Nothing tells the server which is the case.
//!
//! Each cell is measured as the server comes, and with fixed numbers of threads; it should not be
//! worse than the best of these.

use std::io;

use super::sweeps::put_away;
use super::{Column, Setup};
use crate::contestant::{Database, Variant};
use crate::generator::{self, Options};
use crate::report;
use crate::request::Request;
use crate::scenario::POINT;

/// Twice as many clients as there are connections at most.
const CLIENTS: usize = 40;
const POOLS: [usize; 3] = [4, 10, 20];
/// How long a query takes by itself, in milliseconds.
const TIMES_MS: [&str; 4] = ["0.1", "1", "4", "20"];
/// What it does meanwhile: functions of `schema.sql`.
const KINDS: [&str; 2] = ["wait", "work"];
const FAR_US: u64 = 1_000;
/// What `server-threads-per-core` is; the first is the default.
const THREADS: [Option<usize>; 3] = [None, Some(3), Some(5)];

#[derive(Clone, Copy)]
enum Place {
    UnixSocket,
    Loopback,
    Far,
}

const PLACES: [(&str, Place); 3] = [
    ("Unix socket", Place::UnixSocket),
    ("loopback", Place::Loopback),
    ("1 ms away", Place::Far),
];

struct Cell {
    name: String,
    place: Place,
    request: Request,
    pool: usize,
    threads: Option<usize>,
}

pub(super) fn run(setup: &Setup) -> io::Result<Vec<Column>> {
    let cells = cells();
    let names: Vec<&str> = cells.iter().map(|cell| cell.name.as_str()).collect();
    setup.rounds(&names, |name| {
        let cell = cells.iter().find(|cell| cell.name == name);
        measure(setup, cell.expect("it is one of these names"))
    })
}

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for (place_name, place) in PLACES {
        for (query, request) in queries() {
            for pool in POOLS {
                for threads in THREADS {
                    let fixed = threads.map(|count| format!(", {count} threads"));
                    let fixed = fixed.unwrap_or_default();
                    cells.push(Cell {
                        name: format!("{place_name}, {query}, pool {pool}{fixed}"),
                        place,
                        request: request.clone(),
                        pool,
                        threads,
                    });
                }
            }
        }
    }
    cells
}

/// What is asked, by its name.
fn queries() -> Vec<(String, Request)> {
    let calls = KINDS.into_iter().flat_map(|kind| {
        TIMES_MS.map(|ms| {
            let request = Request::get(&format!("/rpc/{kind}?ms={ms}"));
            (format!("{kind} {ms} ms"), request)
        })
    });
    let point = Request::get("/items?id=eq.1");
    calls.chain([("lookup".to_owned(), point)]).collect()
}

fn measure(setup: &Setup, cell: &Cell) -> io::Result<report::Numbers> {
    let near = Database {
        pool: cell.pool,
        ..setup.database.clone()
    };
    let (database, _proxy) = match cell.place {
        Place::UnixSocket => (near, None),
        Place::Loopback => {
            let host = "127.0.0.1".to_owned();
            (Database { host, ..near }, None)
        }
        Place::Far => {
            let (far, proxy) = put_away(setup, &near, FAR_US)?;
            (far, Some(proxy))
        }
    };
    let threads = cell.threads.map(|count| count.to_string());
    let threads = threads.map(|count| ("PGRST_SERVER_THREADS_PER_CORE", count));
    let variant = Variant {
        settings: threads.into_iter().collect(),
        ..Variant::default()
    };
    let running = setup.server_at(&database, &variant)?;
    let outcome = generator::run(&Options {
        connections: CLIENTS,
        request: cell.request.clone(),
        body_contains: "1".to_owned(),
        ..setup.options(&running, &POINT)
    })?;
    Ok(report::numbers_of(&outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_has_a_name_of_its_own() {
        let cells = cells();
        let mut names: Vec<&str> = cells.iter().map(|cell| cell.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), cells.len());
    }
}
