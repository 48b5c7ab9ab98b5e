//! The pure pieces of a request's way through the server, with fixed inputs: for counting their
//! instructions.
//!
//! ```text
//! head → prepare → encode ─(PostgreSQL: a reply made here)→ decode → finish → answer
//! ```
//! The requests are those of the scenarios, the catalog is the recorded one, and nothing is read
//! but that file: no clock, no socket, no database.

use std::hint::black_box;
use std::io;

use corerest_api::internals::prepare;
use corerest_api::{Batch, Catalog, Context, HttpRequest, Pending, Prepared, Response};
use corerest_api::{RoleSettings, Shapes, finish};
use corerest_sql::Param;
use corerest_wire::http::response::{BodyFraming, ConnectionHeader, ResponseHead, write_head};
use corerest_wire::http::{Buffer, Connection, Limits, Progress};
use corerest_wire::pg::frontend::{self, Parameter};
use corerest_wire::pg::{self, Message};

use crate::ceiling;
use crate::request::Pieces;
use crate::scenario::Scenario;

/// The scenarios whose requests are taken: a read, embeds, writes, a call, and an error.
const SCENARIOS: [&str; 8] = [
    "point",
    "page",
    "embed_to_many",
    "insert",
    "update",
    "rpc_rows",
    "read_token",
    "not_found",
];
const ID: u32 = 4_711;
/// As long as the names of prepared statements are.
const STATEMENT: &str = "c0123456789abcdef0123456789abcdef0123456789abcdef";
const DATE: &str = "Mon, 01 Jan 2024 00:00:00 GMT";
/// The body of an answer, the last column of its row.
const BODY: &[u8] = br#"[{"id":4711,"name":"item number 4711","price":723.50,"stock":11}]"#;

/// What is done with each piece: its name, and a run of it.
pub type Measure<'a> = &'a mut dyn FnMut(&str, &mut dyn FnMut());

/// Hands over all pieces, always in the same order.
pub fn for_each_piece(catalog: &Catalog, measure: Measure<'_>) -> io::Result<()> {
    for name in SCENARIOS {
        let scenario = Scenario::find(name).expect("the names are those of scenarios");
        measure_scenario(scenario, catalog, measure)?;
    }
    Ok(())
}

fn measure_scenario(
    scenario: &Scenario,
    catalog: &Catalog,
    measure: Measure<'_>,
) -> io::Result<()> {
    let piece = |piece: &str| format!("{} {piece}", scenario.name);
    let request = scenario.request().with_id(ID);
    let mut bytes = Vec::new();
    Pieces::of(&request).write(ID, &mut bytes);
    let mut client = Client::new();
    measure(&piece("head"), &mut || client.read(&bytes));

    let config = ceiling::config()?;
    let caller = ceiling::caller(&config, &request)?;
    let headers = ceiling::Headers::of(&request);
    let lines = headers.lines();
    let http = headers.http(&request, &lines);
    let context = Context {
        config: &config,
        catalog: Some(catalog),
        role_settings: &RoleSettings::default(),
        shapes: None,
    };
    let http = || black_box::<&HttpRequest<'_>>(&http);
    let prepared = || prepare(&context, http(), Ok(caller.clone()));
    measure(&piece("prepare"), &mut || drop(black_box(prepared())));
    // The shape is learned the second time.
    let shapes = Shapes::new();
    let with_shapes = Context {
        shapes: Some(&shapes),
        ..context
    };
    let shaped = || prepare(&with_shapes, http(), Ok(caller.clone()));
    (0..2).for_each(|_| drop(shaped()));
    measure(&piece("shaped"), &mut || drop(black_box(shaped())));

    let mut out = Vec::new();
    let response = match prepared() {
        Prepared::Reply(response) => response,
        Prepared::Ask(batch, pending) => {
            let encode = &mut || encode(&mut out, &batch, http().body);
            measure(&piece("encode"), encode);
            let reply = reply(&batch);
            measure(&piece("decode"), &mut || decode(&reply));
            let finished = || finish_request(scenario, &pending);
            measure(&piece("finish"), &mut || drop(black_box(finished())));
            finished()
        }
    };
    let mut out = Vec::new();
    measure(&piece("answer"), &mut || write_answer(&mut out, &response));
    Ok(())
}

/// A client's connection, whose request comes in one piece.
struct Client {
    connection: Connection,
    limits: Limits,
}

impl Client {
    fn new() -> Self {
        let mut connection = Connection::new();
        connection.lend_buffer(Buffer::new());
        Self {
            connection,
            limits: Limits::default(),
        }
    }

    fn read(&mut self, bytes: &[u8]) {
        let space = self
            .connection
            .recv_space(&self.limits, |_| true)
            .expect("there is memory");
        space[..bytes.len()].copy_from_slice(bytes);
        self.connection.received(bytes.len());
        let progress = self.connection.next(&self.limits);
        assert_eq!(progress, Ok(Progress::Request), "it is complete");
        black_box(self.connection.request());
        self.connection.finish_request();
    }
}

/// The batch as it goes to PostgreSQL when all of its statements have been prepared.
fn encode(out: &mut Vec<u8>, batch: &Batch, body: &[u8]) {
    out.clear();
    for statement in &batch.statements {
        let parameters = statement.params.iter().map(|value| match value {
            Param::Value(bytes) => Parameter::Value(bytes),
            Param::RequestBody => Parameter::Elsewhere(body.len()),
            Param::Null => Parameter::Null,
        });
        frontend::bind(out, STATEMENT, parameters).expect("scenarios have short values");
        frontend::execute(out);
    }
    frontend::sync(out);
    black_box(&out);
}

/// What PostgreSQL replies to a batch: a row of each statement, of which the main one's ends
/// with the body.
fn reply(batch: &Batch) -> Vec<u8> {
    let mut out = Vec::new();
    for index in 0..batch.statements.len() {
        put(&mut out, b'2', &[]);
        let mut row = vec![0, 5];
        let null = (-1_i32).to_be_bytes();
        let eight = 8_i32.to_be_bytes();
        let length = i32::try_from(BODY.len())
            .expect("it is short")
            .to_be_bytes();
        row.extend([&null[..], &eight, &1_i64.to_be_bytes(), &null, &null].concat());
        match index == batch.main.statement {
            true => row.extend([&length[..], BODY].concat()),
            false => row.extend(null),
        }
        put(&mut out, b'D', &row);
        put(&mut out, b'C', b"SELECT 1\0");
    }
    put(&mut out, b'Z', b"I");
    out
}

fn put(out: &mut Vec<u8>, tag: u8, body: &[u8]) {
    let length = i32::try_from(body.len() + 4).expect("it is short");
    out.push(tag);
    out.extend(length.to_be_bytes());
    out.extend(body);
}

fn decode(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let decoded = pg::decode(bytes).expect("it is well-formed");
        let (message, length) = decoded.expect("it is complete");
        if let Message::DataRow(row) = message {
            for column in row {
                let _ = black_box(column);
            }
        }
        bytes = &bytes[length..];
    }
}

/// From a row that says that one row was found or written.
fn finish_request(scenario: &Scenario, pending: &Pending) -> Response {
    let one = 1_i64.to_be_bytes();
    let columns = [None, Some(&one[..]), None, None, None];
    // A write has one column more.
    let count = if scenario.method == "GET" { 4 } else { 5 };
    finish(pending, black_box(&columns[..count]), None)
}

fn write_answer(out: &mut Vec<u8>, response: &Response) {
    out.clear();
    let head = ResponseHead {
        status: response.status,
        reason: response.reason.as_deref(),
        date: DATE,
        server: "corerest",
        connection: ConnectionHeader::Implied,
        body: BodyFraming::of(response.status, false, BODY.len() as u64),
    };
    let headers = response.headers.iter();
    write_head(
        out,
        &head,
        headers.map(|header| (header.name.as_ref(), header.value.as_bytes())),
    );
    black_box(&out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_piece_of_every_scenario_runs_as_often_as_it_is_asked_to() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("ceiling/catalog.json");
        let mut document = std::fs::read(file).expect("it is recorded");
        let catalog = corerest_api::decode_catalog(&mut document).expect("it is a catalog");
        let mut names = Vec::new();
        let measure = &mut |name: &str, work: &mut dyn FnMut()| {
            work();
            work();
            names.push(name.to_owned());
        };
        for_each_piece(&catalog, measure).expect("all can be prepared");
        // Seven pieces each, but only four of a request that needs no database.
        assert_eq!(names.len(), 7 * SCENARIOS.len() - 3);
        assert_eq!(names[0], "point head");
    }
}
