//! Large bodies: how fast they are passed on, and how much memory the server needs for it.
//!
//! The rows of an answer are made by a view while they are read (`bench.flood`), and psql runs the
//! server's own statement in turn, so that what PostgreSQL needs to make the answer is in both.
//! Each round has a server of its own, which has answered one small request before.

use std::cell::Cell;
use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Column, Setup, run_sql};
use crate::ceiling;
use crate::contestant::Running;
use crate::processes::{Memory, Work};
use crate::report::{self, Numbers};
use crate::request::Request;
use crate::response;
use crate::transfer::{self, Framing, Transfer};

const MIB: f64 = 1024.0 * 1024.0;
/// A row of `bench.flood` as JSON: `{"id":12345,"payload":"…"}` and the comma before it.
const FLOOD_ROW_BYTES: usize = 10_229;
/// A row of an upload.
const LABEL_BYTES: usize = 1_000;

/// psql with the server's own statement …
const SAME_STATEMENT: &str = "psql";
/// … and with the rows, which psql itself makes CSV of.
const ROWS: &str = "psql, rows";

pub(super) fn stream_json(setup: &Setup) -> io::Result<Vec<Column>> {
    stream(setup, "application/json", &["server", SAME_STATEMENT])
}

pub(super) fn stream_csv(setup: &Setup) -> io::Result<Vec<Column>> {
    stream(setup, "text/csv", &["server", SAME_STATEMENT, ROWS])
}

fn stream(setup: &Setup, accept: &str, names: &[&str]) -> io::Result<Vec<Column>> {
    let rows = (setup.arguments.stream_mib << 20) / FLOOD_ROW_BYTES;
    let request = Request {
        headers: vec![("Accept".to_owned(), accept.to_owned())],
        ..Request::get(&format!("/flood?limit={rows}"))
    };
    // psql does not say how much it got: as much as the server, which is measured before.
    let bytes = Cell::new(0);
    setup.rounds(names, |name| match name {
        SAME_STATEMENT => {
            let sql = ceiling::executed(&request, &setup.catalog)?;
            Ok(speed(bytes.get(), psql("--no-align", &sql)?))
        }
        ROWS => {
            let sql = format!("select * from bench.flood limit {rows}");
            Ok(speed(bytes.get(), psql("--csv", &[sql])?))
        }
        _ => {
            let running = setup.server()?;
            let (transfer, mut numbers) = observe(&running, &request, Framing::Length)?;
            check_status(&transfer, 200)?;
            bytes.set(transfer.body_bytes);
            let first_byte_ms = transfer.first_byte.as_secs_f64() * 1e3;
            numbers.insert(0, ("first_byte_ms", first_byte_ms));
            Ok([speed(transfer.body_bytes, transfer.total), numbers].concat())
        }
    })
}

fn psql(format: &str, statements: &[String]) -> io::Result<Duration> {
    let begin = Instant::now();
    let mut psql = Command::new("psql");
    psql.args(["-Xqt", format, "--output=/dev/null"]);
    for statement in statements {
        psql.args(["--command", statement]);
    }
    let status = psql.stdin(Stdio::null()).status()?;
    if !status.success() {
        return Err(io::Error::other(format!("psql: {status}")));
    }
    Ok(begin.elapsed())
}

pub(super) fn upload(setup: &Setup) -> io::Result<Vec<Column>> {
    let label = "x".repeat(LABEL_BYTES);
    let row = format!(r#"{{"label":"{label}","amount":12345}}"#);
    let count = (setup.arguments.upload_mib << 20) / (row.len() + 1);
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let request = Request {
        method: "POST".to_owned(),
        headers: vec![
            header("Content-Type", "application/json"),
            header("Prefer", "return=minimal"),
        ],
        body: format!("[{}]", vec![row; count].join(",")),
        ..Request::get("/entries")
    };
    setup.rounds(&["with a length", "chunked"], |name| {
        run_sql("truncate bench.entries")?;
        let framing = match name {
            "chunked" => Framing::Chunks,
            _ => Framing::Length,
        };
        let running = setup.server()?;
        let (transfer, numbers) = observe(&running, &request, framing)?;
        check_status(&transfer, 201)?;
        let body_bytes = request.body.len() as u64;
        let growth = report::number(&numbers, "peak_growth_mib").unwrap_or_default();
        let mut all = speed(body_bytes, transfer.total);
        all.push(("growth_over_body", growth / (body_bytes as f64 / MIB)));
        Ok([all, numbers].concat())
    })
}

/// A transfer, and what it took of the server.
fn observe(
    running: &Running,
    request: &Request,
    framing: Framing,
) -> io::Result<(Transfer, Numbers)> {
    let pid = running.pid();
    response::fetch(&running.target, &Request::get("/items?id=eq.1"))?;
    let (memory, work) = (Memory::of_process(pid)?, Work::of_process(pid)?);
    let transfer = transfer::run(&running.target, request, framing)?;
    // When this is answered, what the transfer needed has been given back.
    response::fetch(&running.target, &Request::get("/items?id=eq.1"))?;
    let (memory_after, work) = (Memory::of_process(pid)?, Work::of_process(pid)?.since(work));
    let growth_kib = memory_after.peak_kib.saturating_sub(memory.peak_kib);
    let numbers = vec![
        ("peak_growth_mib", growth_kib as f64 / 1024.0),
        (
            "resident_after_mib",
            memory_after.resident_kib as f64 / 1024.0,
        ),
        ("server_cpu_ms", work.cpu.as_secs_f64() * 1e3),
        ("server_system_ms", work.system.as_secs_f64() * 1e3),
        ("server_switches", work.context_switches as f64),
    ];
    Ok((transfer, numbers))
}

fn speed(bytes: u64, total: Duration) -> Numbers {
    let mib = bytes as f64 / MIB;
    let seconds = total.as_secs_f64();
    vec![
        ("body_mib", mib),
        ("seconds", seconds),
        ("mib_per_second", mib / seconds),
    ]
}

fn check_status(transfer: &Transfer, expected: u16) -> io::Result<()> {
    if transfer.status != expected {
        let status = transfer.status;
        return Err(io::Error::other(format!("{status} instead of {expected}")));
    }
    Ok(())
}
