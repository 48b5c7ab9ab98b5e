//! Requests that are made of one kind of part, as many of them as there is room for: for finding
//! out how the work grows with them.
//!
//! Each kind is a function of a length. What is done with a request is all that is done with it
//! before PostgreSQL: the wire reads it, its claims are checked, and it is prepared three times, so
//! that its shape is learned, if it has one, and used.

use corerest_api::internals::prepare;
use corerest_api::{
    Catalog, ClaimRules, Claims, Context, HttpRequest, Identity, Prepared, RoleSettings, Shapes,
    finish,
};
use corerest_config::{Config, Sources};
use corerest_sql::Param;
use corerest_wire::http::{Buffer, Connection, Limits, Progress};
use std::hint::black_box;

/// A kind of part.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// What it is.
    pub name: &'static str,
    /// The lengths that are compared.
    pub lengths: [usize; 2],
    work: Work,
}

/// Where the parts are; each of these makes the part with this number.
#[derive(Clone, Copy, Debug)]
enum Work {
    /// Lines of the head, behind a request line.
    Lines(&'static str, fn(usize) -> String),
    /// What is between these two texts in a request line.
    Target(&'static str, fn(usize) -> String, &'static str),
    /// The same for parts that are there twice, in two forms: all of the one, and all of the other.
    Twice(&'static str, fn(usize) -> String, fn(usize) -> String),
    /// One header, with what comes before the parts and behind them.
    Header(&'static str, fn(usize) -> String, &'static str),
    /// A body, for this request line, with this media type, between two texts.
    Body(
        [&'static str; 2],
        &'static str,
        fn(usize) -> String,
        &'static str,
    ),
    /// Claims, for this path to the role.
    Claims(
        &'static str,
        &'static str,
        fn(usize) -> String,
        &'static str,
    ),
    /// A configured path to the role.
    Path(fn(usize) -> String),
    /// `response.headers`, as SQL leaves it.
    Answer(&'static str, fn(usize) -> String, &'static str),
    /// A body in chunks of this part, which come in pieces of so many bytes.
    Chunks(fn(usize) -> String, usize),
    /// A head that comes in pieces of so many bytes.
    Pieces(usize),
}

/// There may be 256 headers.
const LINES: [usize; 2] = [250, 2_300];
const HEAD: [usize; 2] = [4_000, 40_000];
const BODY: [usize; 2] = [10_000, 100_000];

const fn kind(name: &'static str, lengths: [usize; 2], work: Work) -> Kind {
    Kind {
        name,
        lengths,
        work,
    }
}

const fn target(
    name: &'static str,
    before: &'static str,
    part: fn(usize) -> String,
    behind: &'static str,
) -> Kind {
    kind(name, HEAD, Work::Target(before, part, behind))
}

const fn body(
    name: &'static str,
    request: [&'static str; 2],
    before: &'static str,
    part: fn(usize) -> String,
    behind: &'static str,
) -> Kind {
    kind(name, BODY, Work::Body(request, before, part, behind))
}

const PREFLIGHT: &str = "Access-Control-Request-Method: GET\r\nOrigin: a\r\n\
                         Access-Control-Request-Headers: ";

const INSERT: [&str; 2] = ["POST /seeds", "application/json"];
const INSERT_CSV: [&str; 2] = ["POST /seeds", "text/csv"];
const INSERT_FORM: [&str; 2] = ["POST /seeds", "application/x-www-form-urlencoded"];
const CALL: [&str; 2] = ["POST /rpc/greet", "application/json"];
const CALL_FORM: [&str; 2] = ["POST /rpc/total", "application/x-www-form-urlencoded"];

/// All kinds.
pub const KINDS: &[Kind] = &[
    kind(
        "headers",
        LINES,
        Work::Lines("GET /plants", |i| format!("X-{i}: {i}")),
    ),
    kind(
        "headers of one name",
        LINES,
        Work::Lines("GET /plants", |i| format!("X-One: {i}")),
    ),
    kind(
        "headers Prefer",
        LINES,
        Work::Lines("GET /plants", |i| format!("Prefer: odd={i}")),
    ),
    kind("a head in pieces", [600, 6_000], Work::Pieces(7)),
    kind(
        "chunks",
        BODY,
        Work::Chunks(|_| "1\r\n1\r\n".into(), 60_000),
    ),
    kind(
        "chunks in pieces",
        BODY,
        Work::Chunks(|_| "2\r\n11\r\n".into(), 7),
    ),
    kind(
        "cookies",
        HEAD,
        Work::Header("Cookie: ", |i| format!("c{i}=1;"), ""),
    ),
    kind(
        "cookies of one name",
        HEAD,
        Work::Header("Cookie: ", |i| format!("c={i};"), ""),
    ),
    kind(
        "cookies without names",
        HEAD,
        Work::Header("Cookie: ", |_| ";".into(), ""),
    ),
    kind(
        "preferences",
        HEAD,
        Work::Header("Prefer: ", |i| format!("p{i}=1,"), "count=exact"),
    ),
    kind(
        "preferences, strict",
        HEAD,
        Work::Header("Prefer: ", |i| format!("p{i},"), "handling=strict"),
    ),
    kind(
        "accepted types",
        HEAD,
        Work::Header("Accept: ", |i| format!("a/b{i};q=0.{},", i % 7), "*/*"),
    ),
    kind(
        "accepted parameters",
        HEAD,
        Work::Header("Accept: text/csv", |i| format!(";p{i}=1"), ""),
    ),
    kind(
        "a type's parameters",
        HEAD,
        Work::Header("Content-Type: text/csv", |i| format!(";p{i}=1"), ""),
    ),
    kind(
        "plan options",
        HEAD,
        Work::Header(
            "Accept: application/vnd.pgrst.plan;options=",
            |_| "wal|".into(),
            "wal",
        ),
    ),
    kind(
        "digits of Range",
        HEAD,
        Work::Header("Range: 1-", |i| (i % 10).to_string(), ""),
    ),
    kind(
        "dots of a token",
        HEAD,
        Work::Header("Authorization: Bearer ", |_| "a.".into(), ""),
    ),
    kind(
        "profiles",
        HEAD,
        Work::Header("Accept-Profile: ", |i| format!("a{i},"), ""),
    ),
    kind(
        "preflight headers",
        HEAD,
        Work::Header(PREFLIGHT, |i| format!("X-{i},"), ""),
    ),
    target("path segments", "/plants", |_| "/a".into(), ""),
    target("escapes of a path", "/", |_| "%41".into(), ""),
    target("unknown name", "/", |i| format!("{}", i % 10), ""),
    target("empty parameters", "/plants?", |_| "&".into(), "id=eq.1"),
    target("filters", "/plants?", |i| format!("id=neq.{i}&"), "id=eq.1"),
    target(
        "filters of many columns",
        "/plants?",
        |i| format!("c{i}=eq.1&"),
        "id=eq.1",
    ),
    target(
        "filters with escapes",
        "/plants?name=eq.",
        |_| "%C3%A9+".into(),
        "",
    ),
    target("limits", "/plants?", |i| format!("limit={i}&"), "limit=1"),
    target("orders", "/plants?", |_| "order=id&".into(), "order=id"),
    target(
        "order terms",
        "/plants?order=",
        |i| format!("c{i}.desc.nullslast,"),
        "id",
    ),
    target(
        "order terms of relations",
        "/plants?select=id,pests(id)&order=",
        |i| format!("pests(c{i}),"),
        "id",
    ),
    target("columns", "/plants?select=", |i| format!("c{i},"), "id"),
    target(
        "columns, the same one",
        "/plants?select=",
        |_| "id,".into(),
        "id",
    ),
    target(
        "aliases and casts",
        "/plants?select=",
        |i| format!("a{i}:id::text,"),
        "id",
    ),
    target(
        "quoted columns",
        "/plants?select=",
        |i| format!("\"c,{i}\","),
        "id",
    ),
    target(
        "aggregates",
        "/plants?select=",
        |i| format!("a{i}:id.count(),"),
        "id",
    ),
    target(
        "JSON steps",
        "/plants?select=facts",
        |i| format!("-%3Ea{i}"),
        "",
    ),
    target(
        "JSON filters",
        "/plants?",
        |i| format!("facts-%3Ea-%3E%3Eb=eq.{i}&"),
        "id=eq.1",
    ),
    target(
        "embeds",
        "/plants?select=id,",
        |i| format!("a{i}:pests(id),"),
        "name",
    ),
    target(
        "spread embeds",
        "/pests?select=id,",
        |i| format!("...plants(a{i}:id),"),
        "name",
    ),
    target(
        "computed embeds",
        "/beds?select=id,",
        |i| format!("a{i}:within(id),"),
        "name",
    ),
    target(
        "unknown embeds",
        "/plants?select=id,",
        |i| format!("a{i}(id),"),
        "name",
    ),
    target(
        "nested embeds",
        "/plants?select=id,",
        |_| "pests(plants(id)),".into(),
        "name",
    ),
    target(
        "embeds, deeper and deeper",
        "/plants?select=",
        |_| "pests(plants(".into(),
        "",
    ),
    kind(
        "embeds and their filters",
        HEAD,
        Work::Twice(
            "/plants?select=id",
            |i| format!(",a{i}:pests(id)"),
            |i| format!("&a{i}.id=eq.1"),
        ),
    ),
    target(
        "conditions",
        "/plants?or=(",
        |i| format!("id.eq.{i},"),
        "id.eq.1)",
    ),
    target(
        "nested conditions",
        "/plants?or=(",
        |i| format!("and(id.eq.{i},id.eq.2),"),
        "id.eq.1)",
    ),
    target(
        "conditions, deeper and deeper",
        "/plants?or=(",
        |_| "and(".into(),
        "",
    ),
    target(
        "parameters of conditions",
        "/plants?",
        |i| format!("or=(id.eq.{i},id.eq.2)&"),
        "id=eq.1",
    ),
    target("nots", "/plants?id=", |_| "not.".into(), "eq.1"),
    target("a list", "/plants?id=in.(", |i| format!("{i},"), "1)"),
    target(
        "a list of quoted texts",
        "/plants?id=in.(",
        |i| format!("\"{i}\\\"\","),
        "1)",
    ),
    target(
        "patterns",
        "/plants?name=like(any).{",
        |i| format!("a{i}*,"),
        "b}",
    ),
    target("an array", "/plants?tags=cs.{", |i| format!("{i},"), "1}"),
    target(
        "a range",
        "/plants?height=sl.(",
        |i| format!("{}", i % 10),
        ",2)",
    ),
    target("columns=", "/seeds?columns=", |i| format!("c{i},"), "id"),
    target(
        "on_conflict=",
        "/seeds?on_conflict=",
        |i| format!("c{i},"),
        "id",
    ),
    target("arguments", "/rpc/greet?", |i| format!("a{i}=1&"), "name=a"),
    target(
        "arguments of one name",
        "/rpc/greet?",
        |i| format!("name={i}&"),
        "name=a",
    ),
    target(
        "variadic arguments",
        "/rpc/total?",
        |i| format!("numbers={i}&"),
        "numbers=1",
    ),
    target(
        "filters of a call",
        "/rpc/evergreens?",
        |i| format!("id=neq.{i}&"),
        "id=eq.1",
    ),
    body(
        "rows",
        INSERT,
        "[",
        |i| format!("{{\"id\":{i},\"name\":\"a\"}},"),
        "{\"id\":1,\"name\":\"a\"}]",
    ),
    body(
        "rows with keys in any order",
        INSERT,
        "[{\"a\":1,\"b\":2,\"c\":3}",
        |i| [",{\"c\":1,\"b\":2,\"a\":3}", ",{\"b\":1,\"a\":2,\"c\":3}"][i % 2].into(),
        "]",
    ),
    body("keys", INSERT, "{", |i| format!("\"c{i}\":1,"), "\"id\":1}"),
    body(
        "keys of a call",
        CALL,
        "{",
        |i| format!("\"c{i}\":1,"),
        "\"name\":1}",
    ),
    body(
        "the same key",
        INSERT,
        "{",
        |_| "\"id\":1,".into(),
        "\"id\":1}",
    ),
    body(
        "keys with escapes",
        INSERT,
        "{",
        |i| format!("\"\\u0063{i}\":1,"),
        "\"id\":1}",
    ),
    body(
        "rows of many keys",
        INSERT,
        "[{\"a0\":1",
        |i| match i % 1000 {
            0 => "},{\"a0\":1".into(),
            number => format!(",\"a{number}\":1"),
        },
        "}]",
    ),
    body(
        "values of an array",
        INSERT,
        "{\"id\":[",
        |i| format!("{i},"),
        "1]}",
    ),
    body("brackets", INSERT, "{\"id\":", |_| "[".into(), ""),
    body(
        "a text with escapes",
        INSERT,
        "{\"name\":\"",
        |_| "\\u00e9\\n".into(),
        "\"}",
    ),
    body("digits", INSERT, "{\"id\":", |_| "1".into(), "}"),
    body(
        "lines of CSV",
        INSERT_CSV,
        "id,name\n",
        |i| format!("{i},a\n"),
        "",
    ),
    body(
        "quotes of CSV",
        INSERT_CSV,
        "id,name\n",
        |i| format!("\"{i}\",\"a\"\"\n\"\n"),
        "",
    ),
    body(
        "columns of CSV",
        INSERT_CSV,
        "",
        |i| format!("c{i},"),
        "id\n1\n",
    ),
    body(
        "columns of CSV, the same",
        INSERT_CSV,
        "",
        |_| "id,".into(),
        "id\n1\n",
    ),
    body(
        "values of a line of CSV",
        INSERT_CSV,
        "id,name\n",
        |i| format!("{i},"),
        "1\n",
    ),
    body(
        "fields of a form",
        INSERT_FORM,
        "",
        |i| format!("c{i}=1&"),
        "id=1",
    ),
    body(
        "a field of a form, again",
        INSERT_FORM,
        "",
        |i| format!("id={i}&"),
        "id=1",
    ),
    body(
        "fields of a call's form",
        CALL_FORM,
        "",
        |i| format!("numbers={i}&"),
        "numbers=1",
    ),
    body(
        "unknown fields of a call",
        CALL_FORM,
        "",
        |i| format!("c{i}=1&"),
        "numbers=1",
    ),
    kind(
        "claims",
        HEAD,
        Work::Claims("$.role", "{", |i| format!("\"c{i}\":1,"), "\"role\":\"a\"}"),
    ),
    kind(
        "claims of one name",
        HEAD,
        Work::Claims("$.role", "{", |_| "\"c\":1,".into(), "\"role\":\"a\"}"),
    ),
    kind(
        "roles",
        HEAD,
        Work::Claims(
            "$.r[?search(@, '^(a|b)+c{1,3}$')]",
            "{\"r\":[",
            |i| format!("\"ab{i}\","),
            "\"abc\"]}",
        ),
    ),
    kind(
        "one long role",
        HEAD,
        Work::Claims(
            "$.r[?search(@, '(a|b)*c')]",
            "{\"r\":[\"",
            |_| "ab".into(),
            "\"]}",
        ),
    ),
    kind(
        "audiences",
        HEAD,
        Work::Claims(
            "$.role",
            "{\"role\":\"a\",\"aud\":[",
            |i| format!("\"a{i}\","),
            "\"us\"]}",
        ),
    ),
    kind(
        "descendants",
        HEAD,
        Work::Claims(
            "$..x[0]",
            "{\"a\":[",
            |i| format!("{{\"b\":{i}}},"),
            "{\"x\":[\"a\"]}]}",
        ),
    ),
    kind(
        "claims with numbers",
        HEAD,
        Work::Claims("$.role", "{\"role\":\"a\",\"exp\":", |_| "9".into(), "}"),
    ),
    kind("a path of steps", HEAD, Work::Path(|i| format!(".a{i}"))),
    kind(
        "a path of filters",
        HEAD,
        Work::Path(|i| format!("[?@.a == {i}]")),
    ),
    kind(
        "headers of SQL",
        BODY,
        Work::Answer("[", |i| format!("{{\"X-{i}\":\"a\"}},"), "{\"X\":\"a\"}]"),
    ),
];

/// So many parts that they are about as long.
fn text(length: usize, before: &str, part: fn(usize) -> String, behind: &str) -> String {
    let mut text = before.to_owned();
    let mut number = 0;
    while text.len() < length {
        text.push_str(&part(number));
        number += 1;
    }
    text.push_str(behind);
    text
}

/// What is there for all kinds.
pub struct World {
    catalog: Catalog,
    config: Config,
}

impl World {
    /// With the catalog of the plan cases.
    #[must_use]
    pub fn new(catalog: Catalog) -> World {
        World {
            catalog,
            config: config("$.role").expect("it is good"),
        }
    }

    /// Hands over what is to be measured for a kind and a length, once.
    pub fn measure(&self, kind: &Kind, length: usize, measure: &mut dyn FnMut(&mut dyn FnMut())) {
        match kind.work {
            Work::Lines(line, part) => {
                let lines = |number| part(number) + "\r\n";
                let mut text = format!("{line} HTTP/1.1\r\nHost: a\r\n");
                let mut number = 0;
                while text.len() < length {
                    text.push_str(&lines(number));
                    number += 1;
                }
                self.ask(&text, usize::MAX, "", measure);
            }
            Work::Target(before, part, behind) => {
                let target = text(length, before, part, behind);
                let method = match target.contains("columns=") || target.contains("on_conflict=") {
                    true => "POST",
                    false => "GET",
                };
                let head = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n");
                self.ask(&head, usize::MAX, "", measure);
            }
            Work::Twice(before, first, second) => {
                let mut target = before.to_owned();
                let mut others = String::new();
                let mut number = 0;
                while target.len() + others.len() < length {
                    target.push_str(&first(number));
                    others.push_str(&second(number));
                    number += 1;
                }
                let head = format!("GET {target}{others} HTTP/1.1\r\nHost: a\r\n");
                self.ask(&head, usize::MAX, "", measure);
            }
            Work::Header(before, part, behind) => {
                let header = text(length, before, part, behind);
                let method = match header.contains("Access-Control") {
                    true => "OPTIONS",
                    false => "GET",
                };
                let head = format!("{method} /plants HTTP/1.1\r\nHost: a\r\n{header}\r\n");
                self.ask(&head, usize::MAX, "", measure);
            }
            Work::Body([line, media_type], before, part, behind) => {
                let body = text(length, before, part, behind);
                let head = format!("{line} HTTP/1.1\r\nHost: a\r\nContent-Type: {media_type}\r\n");
                self.ask(&head, usize::MAX, &body, measure);
            }
            Work::Pieces(piece) => {
                let value = "x".repeat(length);
                let head = format!("GET /plants HTTP/1.1\r\nHost: a\r\nX: {value}\r\n");
                self.ask(&head, piece, "", measure);
            }
            Work::Chunks(part, piece) => {
                let mut bytes =
                    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
                bytes.extend(text(length, "", part, "0\r\n\r\n").into_bytes());
                measure(&mut || drop(black_box(read(&bytes, piece))));
            }
            Work::Claims(path, before, part, behind) => {
                let claims = text(length, before, part, behind);
                let config = config(path).expect("the path is good");
                measure(&mut || drop(black_box(identify(&config, claims.as_bytes()))));
            }
            Work::Path(part) => {
                let path = text(length, "$", part, "");
                measure(&mut || drop(black_box(config(&path))));
            }
            Work::Answer(before, part, behind) => {
                self.answer(&text(length, before, part, behind), measure)
            }
        }
    }

    /// The whole way of a request. The head is given without its last line break.
    fn ask(&self, head: &str, piece: usize, body: &str, measure: &mut dyn FnMut(&mut dyn FnMut())) {
        let length = match body {
            "" => String::new(),
            body => format!("Content-Length: {}\r\n", body.len()),
        };
        let bytes = format!("{head}{length}\r\n{body}").into_bytes();
        let mut outcome = None;
        measure(&mut || {
            let connection = read(&bytes, piece);
            let request = connection.request();
            let target = request.target();
            let headers: Vec<(&str, &[u8])> = request.headers.iter().collect();
            let http = HttpRequest {
                method: request.method,
                path: target.path,
                query: target.query,
                headers: &headers,
                body: request.body,
            };
            let shapes = Shapes::new();
            for _ in 0..3 {
                outcome = Some(self.prepare(&http, &shapes));
            }
        });
        drop(outcome);
    }

    fn prepare(&self, http: &HttpRequest<'_>, shapes: &Shapes) -> Prepared {
        let context = Context {
            config: &self.config,
            catalog: Some(&self.catalog),
            role_settings: &RoleSettings::default(),
            shapes: Some(shapes),
        };
        let caller = identify(&self.config, b"{\"role\":\"author\"}");
        let prepared = prepare(&context, http, Ok(caller.expect("it is good")));
        if let Prepared::Ask(batch, _) = &prepared {
            for statement in &batch.statements {
                let values = statement.params.iter();
                let bytes: usize = values
                    .map(|value| match value {
                        Param::Value(bytes) => bytes.len(),
                        Param::Null | Param::RequestBody => 0,
                    })
                    .sum();
                black_box(bytes);
            }
        }
        prepared
    }

    fn answer(&self, headers: &str, measure: &mut dyn FnMut(&mut dyn FnMut())) {
        let http = HttpRequest {
            method: "GET",
            path: "/plants",
            ..HttpRequest::default()
        };
        let Prepared::Ask(_, pending) = self.prepare(&http, &Shapes::new()) else {
            panic!("a read is asked");
        };
        let one = 1_i64.to_be_bytes();
        let columns = [None, Some(&one[..]), Some(headers.as_bytes()), None];
        measure(&mut || drop(black_box(finish(&pending, &columns, None))));
    }
}

/// Reads a request that comes in pieces of so many bytes.
fn read(bytes: &[u8], piece: usize) -> Connection {
    let limits = Limits {
        headers_max: 256,
        line_bytes_max: 1 << 17,
        header_bytes_max: 1 << 17,
        ..Limits::default()
    };
    let mut connection = Connection::new();
    connection.lend_buffer(Buffer::new());
    let mut rest = bytes;
    loop {
        let space = connection.recv_space(&limits, |_| true);
        let space = space.expect("there is memory");
        let count = space.len().min(rest.len()).min(piece);
        assert!(count > 0, "it is a whole request, and there is room for it");
        space[..count].copy_from_slice(&rest[..count]);
        connection.received(count);
        rest = &rest[count..];
        let mut progress = connection.next(&limits);
        if progress == Ok(Progress::Head) {
            connection.admit_body();
            progress = connection.next(&limits);
        }
        match progress {
            Ok(Progress::NeedMore | Progress::NeedMoreAfterContinue) => {}
            Ok(Progress::Request) => return connection,
            Ok(Progress::Head | Progress::Part | Progress::LastPart) => {
                unreachable!("the body is admitted as a whole")
            }
            Err(refusal) => panic!("{refusal:?}"),
        }
    }
}

fn config(path: &str) -> Result<Config, String> {
    let settings = [
        ("PGRST_DB_SCHEMAS", "api"),
        ("PGRST_DB_ANON_ROLE", "anonymous"),
        ("PGRST_DB_AGGREGATES_ENABLED", "true"),
        ("PGRST_DB_PLAN_ENABLED", "true"),
        ("PGRST_JWT_AUD", "us"),
        ("PGRST_JWT_ROLE_CLAIM_KEY", path),
    ];
    let environment = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let loaded = Config::load(Sources {
        environment: &environment,
        ..Sources::default()
    });
    loaded
        .map(|loaded| loaded.config)
        .map_err(|error| error.to_string())
}

fn identify(config: &Config, claims: &[u8]) -> Result<Identity, String> {
    Claims::parse(claims)
        .and_then(|claims| ClaimRules::new(config).identify(config, &claims, 0))
        .map_err(|error| format!("{error:?}"))
}
