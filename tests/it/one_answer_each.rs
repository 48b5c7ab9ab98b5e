//! Every request gets exactly one answer, its own, in its turn, whatever was asked.
//!
//! Requests are put together by chance from everything that decides which statement is made and
//! what becomes of its rows, and are sent in pipelines over few connections to a server with fewer
//! connections to PostgreSQL. Each has a mark, which comes back with its answer
//! (`server-trace-header`), and the client refuses every byte that was not asked for. What the
//! answers say is the business of the cases; here only whose they are.
//!
//! A failure prints its seed: `SEED=…` runs it again, `REQUESTS=…` sets how many requests.

use corerest_tests::client::{Client, ClientError};
use corerest_tests::cluster::{Cluster, Database};
use corerest_tests::server::Server;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const REQUESTS: usize = 45_000;
const CONNECTIONS: u64 = 4;
const PIPELINE_MAX: usize = 8;

/// An answer that takes longer does not come.
const PATIENCE: Duration = Duration::from_secs(8);

/// Relations, and a function for each kind of result and of argument.
const SCHEMA: &str = r#"
    CREATE SCHEMA desk;
    GRANT USAGE ON SCHEMA desk TO anonymous;
    CREATE TABLE desk.t (id int PRIMARY KEY, name text, d jsonb);
    CREATE TABLE desk.c (id int PRIMARY KEY, t_id int REFERENCES desk.t, note text);
    CREATE TABLE desk.w (id serial PRIMARY KEY, x int, y text);
    CREATE VIEW desk.v AS SELECT id, name FROM desk.t;
    INSERT INTO desk.t SELECT g, 'name ' || g, '{"a": 1}' FROM generate_series(1, 5) g;
    INSERT INTO desk.c SELECT g, 1 + g % 5, 'note' FROM generate_series(1, 12) g;
    INSERT INTO desk.w (x, y) SELECT g, 'y' FROM generate_series(1, 10) g;
    GRANT ALL ON ALL TABLES IN SCHEMA desk TO anonymous;
    GRANT ALL ON ALL SEQUENCES IN SCHEMA desk TO anonymous;

    CREATE DOMAIN desk."text/x" AS text;
    CREATE DOMAIN desk."text/list" AS text;
    CREATE DOMAIN desk."*/*" AS bytea;

    CREATE FUNCTION desk.scalar(a int) RETURNS int LANGUAGE sql STABLE AS 'SELECT a + 1';
    CREATE FUNCTION desk.nought() RETURNS int LANGUAGE sql STABLE AS 'SELECT NULL::int';
    CREATE FUNCTION desk.void() RETURNS void LANGUAGE sql AS '';
    CREATE FUNCTION desk.one_row() RETURNS desk.t LANGUAGE sql STABLE AS
      'SELECT * FROM desk.t WHERE id = 1';
    CREATE FUNCTION desk.no_row() RETURNS desk.t LANGUAGE sql STABLE AS
      'SELECT * FROM desk.t WHERE false';
    CREATE FUNCTION desk.rows() RETURNS SETOF desk.t LANGUAGE sql STABLE AS
      'SELECT * FROM desk.t';
    CREATE FUNCTION desk.scalars(n int) RETURNS SETOF int LANGUAGE sql STABLE AS
      'SELECT generate_series(1, n)';
    CREATE FUNCTION desk.pair(a int, OUT low int, OUT high int) LANGUAGE sql STABLE AS
      'SELECT a, a + 1';
    CREATE FUNCTION desk.table_of(n int) RETURNS TABLE (a int, b text) LANGUAGE sql STABLE AS
      'SELECT g, g::text FROM generate_series(1, n) g';
    CREATE FUNCTION desk.comp(desk.t) RETURNS SETOF desk.c ROWS 1 LANGUAGE sql STABLE AS
      'SELECT * FROM desk.c WHERE t_id IN ($1.id, $1.id + 1)';
    CREATE FUNCTION desk.add(x int) RETURNS desk.w LANGUAGE sql AS
      'INSERT INTO desk.w (x) VALUES (x) RETURNING *';
    CREATE FUNCTION desk.json_in(json) RETURNS json LANGUAGE sql STABLE AS 'SELECT $1';
    CREATE FUNCTION desk.text_in(text) RETURNS text LANGUAGE sql STABLE AS 'SELECT $1';
    CREATE FUNCTION desk.bytes_in(bytea) RETURNS bytea LANGUAGE sql STABLE AS 'SELECT $1';
    CREATE FUNCTION desk.fail(a int) RETURNS int LANGUAGE sql STABLE AS 'SELECT 1 / (a - a)';
    CREATE FUNCTION desk.text_x(a text) RETURNS desk."text/x" LANGUAGE sql STABLE AS
      $$ SELECT ('X' || a)::desk."text/x" $$;
    CREATE FUNCTION desk.any_type() RETURNS desk."*/*" LANGUAGE sql STABLE AS
      $$ SELECT 'any'::bytea::desk."*/*" $$;
    CREATE FUNCTION desk.to_list(desk."text/list", anyelement) RETURNS desk."text/list"
      LANGUAGE sql STABLE AS $$ SELECT left($1 || '-' || $2::text, 200)::desk."text/list" $$;
    CREATE AGGREGATE desk.as_list(anyelement)
      (SFUNC = desk.to_list, STYPE = desk."text/list", INITCOND = '');
"#;

const METHODS: &[&str] = &[
    "GET", "GET", "GET", "GET", "HEAD", "HEAD", "HEAD", "HEAD", "POST", "POST", "POST", "PATCH",
    "PUT", "DELETE", "OPTIONS", "BREW",
];

const TARGETS: &[&str] = &[
    "/t?",
    "/t?",
    "/v?",
    "/c?",
    "/w?",
    "/w?",
    "/rpc/scalar?a=1",
    "/rpc/scalar?a=x",
    "/rpc/nought?",
    "/rpc/void?",
    "/rpc/one_row?",
    "/rpc/one_row?",
    "/rpc/no_row?",
    "/rpc/rows?",
    "/rpc/scalars?n=3",
    "/rpc/scalars?n=60000",
    "/rpc/pair?a=1",
    "/rpc/table_of?n=2",
    "/rpc/add?x=1",
    "/rpc/json_in?",
    "/rpc/text_in?",
    "/rpc/bytes_in?",
    "/rpc/fail?a=1",
    "/rpc/text_x?a=1",
    "/rpc/any_type?",
    "/rpc/missing?",
    "/missing?",
    "/?",
    "/far/too/deep?",
];

const PARAMETERS: &[&str] = &[
    "limit=0",
    "limit=1",
    "limit=2",
    "limit=-1",
    "offset=1",
    "offset=100",
    "id=eq.1",
    "id=eq.2",
    "id=gt.0",
    "id=eq.-1",
    "id=eq.x",
    "or=(id.eq.1,id.eq.2)",
    "d->>a=eq.1",
    "order=id.desc",
    "order=nope",
    "select=id",
    "select=nope",
    "select=id,c(id)",
    "select=id,c!inner(id)&c.id=eq.-1",
    "select=id,c(id)&c.limit=0",
    "select=id,...c(note)",
    "select=id,comp(id)",
    "select=id,comp!inner(id)",
    "select=id,comp(id)&comp.id=eq.-1",
    "select=id,comp!inner(id)&comp.limit=0",
    "select=id,...comp(note)",
    "select=id,t(name)",
    "select=id.count()",
    "columns=x",
    "on_conflict=id",
];

const HEADERS: &[&str] = &[
    "Accept: application/json",
    "Accept: text/csv",
    "Accept: application/x-ndjson",
    "Accept: application/jsonl",
    "Accept: application/vnd.pgrst.object+json",
    "Accept: application/vnd.pgrst.object+json;nulls=stripped",
    "Accept: application/vnd.pgrst.array+json;nulls=stripped",
    "Accept: application/vnd.pgrst.plan",
    "Accept: application/vnd.pgrst.plan+json; for=\"text/csv\"; options=verbose",
    "Accept: application/geo+json",
    "Accept: application/octet-stream",
    "Accept: text/x",
    "Accept: text/x",
    "Accept: text/list",
    "Accept: text/list",
    "Accept: text/plain",
    "Accept: */*",
    "Accept: text/unheard-of",
    "Accept: text/unheard-of, */*;q=0.1",
    "Accept: ;;;",
    "Range: 0-0",
    "Range: 1-",
    "Range: 5-2",
    "Range: 100-200",
    "Prefer: stream",
    "Prefer: stream, count=exact",
    "Prefer: return=minimal",
    "Prefer: return=headers-only",
    "Prefer: return=representation",
    "Prefer: count=exact",
    "Prefer: count=planned",
    "Prefer: count=estimated",
    "Prefer: handling=strict, max-affected=1",
    "Prefer: handling=strict, nonsense",
    "Prefer: tx=rollback, return=representation",
    "Prefer: tx=commit, count=exact",
    "Prefer: resolution=merge-duplicates, missing=default",
    "Prefer: resolution=ignore-duplicates",
    "Prefer: timezone=Asia/Tokyo",
    "Authorization: Bearer not.a.token",
    "Authorization: Basic YTpi",
    "Accept-Profile: nowhere",
    "Content-Profile: nowhere",
];

/// Bodies, with their media types.
const BODIES: &[(&str, &str)] = &[
    ("application/json", r#"{"x": 1}"#),
    ("application/json", r#"{"id": 1, "x": 2, "y": "z"}"#),
    ("application/json", r#"[{"x": 1}, {"x": 2}]"#),
    ("application/json", r#"{"a": 1}"#),
    ("application/json", r#"{"n": 2}"#),
    ("application/json", "{}"),
    ("application/json", "[]"),
    ("application/json", r#"{"x": "#),
    ("application/json", "7"),
    ("application/json", ""),
    ("text/csv", "x,y\n1,a\n2,b\n"),
    ("text/csv", "x,y\n1\n"),
    ("text/plain", "only words"),
    ("application/octet-stream", "\0\u{1}\u{2}"),
    ("application/x-www-form-urlencoded", "x=1&y=a"),
    ("nonsense", "nonsense"),
];

/// So long is a body that is made longer.
const LONG_BODY_BYTES: usize = 150_000;

/// Numbers by chance, the same for the same seed (splitmix64).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let end = u64::try_from(end).expect("it is small");
        usize::try_from((mixed ^ (mixed >> 31)) % end).expect("it is small")
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// A request, and the mark by which its answer is known.
struct Request {
    method: &'static str,
    mark: String,
    bytes: Vec<u8>,
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connected {
    Stays,
    /// An answer has said so.
    Ends,
}

impl Request {
    fn new(method: &'static str, target: &str, headers: &str, body: &str, mark: String) -> Request {
        let bytes = format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\nX-Mark: {mark}\r\n{headers}\r\n{body}"
        );
        Request {
            method,
            mark,
            bytes: bytes.into_bytes(),
        }
    }

    fn by_chance(chance: &mut Chance, mark: String) -> Request {
        let method = chance.pick(METHODS);
        let mut target = chance.pick(TARGETS).to_owned();
        for _ in 0..chance.below(3) {
            target.push('&');
            target.push_str(chance.pick(PARAMETERS));
        }
        // The names of headers that are there already: twice is another subject.
        let mut names = Vec::new();
        let mut headers = String::new();
        for _ in 0..chance.below(4) {
            let line = chance.pick(HEADERS);
            let name = line.split(':').next();
            if !names.contains(&name) {
                names.push(name);
                headers.push_str(&format!("{line}\r\n"));
            }
        }
        let has_body = match method {
            "POST" | "PATCH" | "PUT" => !chance.one_in(8),
            _ => chance.one_in(10),
        };
        let body = match has_body {
            true => body_by_chance(chance, &mut headers),
            false => String::new(),
        };
        Request::new(method, &target, &headers, &body, mark)
    }

    /// Asks nothing of PostgreSQL, and is always answered in the same way.
    fn last(mark: String) -> Request {
        Request::new("OPTIONS", "/t", "", "", mark)
    }

    /// Whether an error may be the answer to its head, which ends the connection.
    fn has_large_body(&self) -> bool {
        self.bytes.len() > LONG_BODY_BYTES
    }

    /// Its first bytes, for a message.
    fn shown(&self) -> String {
        let shown = &self.bytes[..self.bytes.len().min(600)];
        String::from_utf8_lossy(shown).replace("\r\n", " | ")
    }
}

/// A body as it is sent, and its headers.
fn body_by_chance(chance: &mut Chance, headers: &mut String) -> String {
    let (media_type, body) = chance.pick(BODIES);
    headers.push_str(&format!("Content-Type: {media_type}\r\n"));
    let mut body = body.to_owned();
    if chance.one_in(30) {
        body = body.replace('1', &format!("1{}", " ".repeat(LONG_BODY_BYTES)));
    }
    if chance.one_in(4) {
        headers.push_str("Transfer-Encoding: chunked\r\n");
        let (first, second) = body.split_at(body.len() / 2);
        let chunks = [first, second].map(|part| match part {
            "" => String::new(),
            part => format!("{:x}\r\n{part}\r\n", part.len()),
        });
        return chunks.concat() + "0\r\n\r\n";
    }
    headers.push_str(&format!("Content-Length: {}\r\n", body.len()));
    body
}

/// Sends requests in one piece and reads their answers.
fn ask_all(client: &mut Client, requests: &[Request]) -> Result<Connected, String> {
    let bytes: Vec<u8> = requests.iter().flat_map(|r| r.bytes.clone()).collect();
    let sent = client.try_send(&bytes);
    sent.map_err(|error| format!("not sent: {error}"))?;
    for (number, request) in requests.iter().enumerate() {
        let place = || format!("answer {} to: {}", number + 1, request.shown());
        let answer = match client.try_read(request.method) {
            Ok(answer) => answer,
            Err(error) => return Err(format!("{}\n  {error}", place())),
        };
        if answer.header("X-Mark") != Some(&request.mark) {
            return Err(format!("{}\n  is another's: {answer:?}", place()));
        }
        if answer.closes() && answer.status >= 400 && request.has_large_body() {
            return Ok(Connected::Ends);
        }
        if answer.closes() {
            return Err(format!("{}\n  closes the connection: {answer:?}", place()));
        }
    }
    Ok(Connected::Stays)
}

/// Asks by chance, over one connection, until one goes wrong anywhere.
fn ask_by_chance(
    server: &Server,
    mut chance: Chance,
    requests: usize,
    over: &AtomicBool,
) -> Result<(), String> {
    let mut client = server.client();
    client.wait_at_most(PATIENCE);
    let mut number = 0;
    while number < requests && !over.load(Ordering::Relaxed) {
        let count = 1 + chance.below(PIPELINE_MAX);
        let marks = number..number + count;
        let mut pipeline: Vec<Request> = marks
            .map(|mark| Request::by_chance(&mut chance, mark.to_string()))
            .collect();
        pipeline.push(Request::last(format!("last-{number}")));
        number += pipeline.len();
        let asked = ask_all(&mut client, &pipeline);
        if asked == Ok(Connected::Ends) {
            client.leave("what was sent behind a large body is not taken");
            client = server.client();
            client.wait_at_most(PATIENCE);
        } else if let Err(error) = asked {
            over.store(true, Ordering::Relaxed);
            let asked: Vec<String> = pipeline.iter().map(Request::shown).collect();
            client.leave("what it gets is of no use any more");
            return Err(format!(
                "after {number}: {error}\n of {}",
                asked.join("\n    ")
            ));
        }
    }
    Ok(())
}

fn number_of(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("it is a number"))
}

/// Another one each time, unless `SEED` says which.
pub(crate) fn seed_of_this_run() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("it is after 1970").as_secs();
    number_of("SEED").unwrap_or(now)
}

fn start() -> (Database, Server) {
    let database = Cluster::shared().database();
    database.run(SCHEMA);
    let settings = [
        ("db-schemas", "desk"),
        ("db-pool", "2"),
        ("db-aggregates-enabled", "true"),
        ("db-plan-enabled", "true"),
        ("db-tx-end", "rollback-allow-override"),
        ("server-trace-header", "X-Mark"),
        ("log-level", "error"),
    ];
    let server = Server::start(&database, &settings);
    (database, server)
}

#[test]
fn every_request_by_chance_gets_its_own_answer_in_its_turn() {
    let seed = seed_of_this_run();
    let requests = number_of("REQUESTS").and_then(|number| usize::try_from(number).ok());
    let each = requests.unwrap_or(REQUESTS).div_ceil(4);
    let (_database, server) = start();
    let over = AtomicBool::new(false);
    let failures: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..CONNECTIONS)
            .map(|number| {
                let chance = Chance(seed.wrapping_mul(CONNECTIONS).wrapping_add(number));
                let (server, over) = (&server, &over);
                scope.spawn(move || ask_by_chance(server, chance, each, over))
            })
            .collect();
        let ends = runs.into_iter().map(|run| run.join().expect("it returns"));
        ends.filter_map(Result::err).collect()
    });
    assert!(
        failures.is_empty(),
        "SEED={seed}: {}",
        failures.join("\n\n")
    );
    assert!(server.is_silent_about("panicked"));
    server.stop();
}

/// Where PostgreSQL gives no row, or more than one, for what has one row in general.
const ODD_COUNTS: &[(&str, &str, &str)] = &[
    ("HEAD", "/rpc/scalar?a=1&limit=0", "*/*"),
    ("HEAD", "/rpc/scalar?a=1&offset=1", "*/*"),
    ("HEAD", "/rpc/one_row?id=eq.2", "*/*"),
    ("HEAD", "/rpc/one_row?limit=0", "*/*"),
    ("HEAD", "/rpc/one_row?offset=1", "*/*"),
    (
        "HEAD",
        "/rpc/one_row?select=id,c!inner(id)&c.id=eq.-1",
        "*/*",
    ),
    ("HEAD", "/rpc/one_row?select=id,comp(id)", "*/*"),
    ("HEAD", "/rpc/one_row?select=id,...comp(note)", "*/*"),
    ("HEAD", "/rpc/no_row?id=eq.1", "*/*"),
    ("HEAD", "/rpc/pair?a=1&low=eq.0", "*/*"),
    ("HEAD", "/rpc/text_x?a=1&limit=0", "text/x"),
    ("GET", "/rpc/text_x?a=1&limit=0", "text/x"),
    ("GET", "/rpc/text_x?a=1&offset=1", "text/x"),
    ("GET", "/rpc/any_type?limit=0", "*/*"),
    ("GET", "/rpc/one_row?select=id,comp(id)", "application/json"),
    ("GET", "/rpc/one_row?id=eq.2", "application/json"),
    ("GET", "/rpc/scalar?a=1&limit=0", "application/json"),
];

#[test]
fn functions_of_which_no_row_or_several_are_left_are_answered_once() {
    const NOT_LONG: Duration = Duration::from_millis(1500);
    let (_database, server) = start();
    let mut failures = Vec::new();
    for (method, target, media_type) in ODD_COUNTS {
        let mut client = server.client();
        client.wait_at_most(NOT_LONG);
        let accept = format!("Accept: {media_type}\r\n");
        let requests = [
            Request::new(method, target, &accept, "", "first".to_owned()),
            Request::last("last".to_owned()),
        ];
        if let Err(error) = ask_all(&mut client, &requests) {
            let what = match error.contains(&ClientError::TimedOut.to_string()) {
                true => "none",
                false => "another's",
            };
            failures.push(format!("{method} {target} ({media_type}): {what}: {error}"));
            client.leave("what it gets is of no use any more");
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    server.stop();
}
