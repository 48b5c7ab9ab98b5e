//! `docs/differences.md` says what CoreREST does: each of its requests is asked, and the answer
//! must be the one in the table.
//!
//! The first piece of code in the second cell is the request, as `METHOD target`, or, with `\r\n`
//! in it, all of its bytes. Those behind it are headers, settings (`key=value`) and a body. In the
//! fourth cell the first piece is the status; a header must have the value that stands there, or
//! begin with it before `…`; anything else must occur in the answer. What stands behind "no" must
//! not be in its head.

use corerest_parity::page::{self, Row, code};
use corerest_tests::client::{Answer, Client, ClientError};
use corerest_tests::cluster::{Cluster, Database};
use corerest_tests::server::Server;
use std::collections::BTreeMap;

/// What the page names, and what there is to ask for.
const FIXTURE: &str = include_str!("../fixtures/differences.sql");
/// In these sections a row may be about something else than an answer.
const BESIDE_REQUESTS: [&str; 2] = ["Beside the requests", "What is left to chance"];
/// Of this one's, the admin server is asked.
const OF_ADMIN: &str = "The admin server";
/// What all tokens below are signed with.
const SECRET: &str = "a secret that only the tests know";
/// What stands in the page for a token.
const TOKENS: [(&str, &str); 4] = [
    // {"role":"anonymous"}
    (
        "<token>",
        concat!(
            "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbnltb3VzIn0.TlqMrlE6FUWdPeampAS9PL2TBRSF7EJ",
            "v_3F-Tp_y-KQ"
        ),
    ),
    // The same with "crit":["exp"] in the header.
    (
        "<token with crit>",
        concat!(
            "eyJhbGciOiJIUzI1NiIsImNyaXQiOlsiZXhwIl19.eyJyb2xlIjoiYW5vbnltb3VzIn0.5xjWoVdeX2G",
            "4qmMUcwCA0ptkHnZS532hWhwE9lM0PTo"
        ),
    ),
    // {"role":"anonymous","nbf":4102444800.5}
    (
        "<token that is not valid before 4102444800.5>",
        concat!(
            "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbnltb3VzIiwibmJmIjo0MTAyNDQ0ODAwLjV9.OMOinQ",
            "ig2mqRPMIcB6-oiUW1hWVuI5fnCucCnAu9vPY"
        ),
    ),
    // {"role":"anonymous\u0000x"}
    (
        "<token with a NUL in its role>",
        concat!(
            "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbnltb3VzXHUwMDAweCJ9.Unv73FODhXtnjR46ZvfC0P",
            "6SqUMcyPgZZg3soPHuQ48"
        ),
    ),
];

#[test]
fn the_page_of_differences_is_true() {
    let database = Cluster::shared().database();
    database.run(FIXTURE);
    let mut servers = Servers {
        database,
        running: BTreeMap::new(),
    };
    let mut wrong = Vec::new();
    let mut asked = 0;
    for row in page::rows(page::TEXT) {
        if !is_request(&row) {
            assert!(
                BESIDE_REQUESTS.contains(&row.section),
                "{} asks nothing",
                row.name
            );
            continue;
        }
        asked += 1;
        let question = Question::parse(&row);
        let answer = servers.ask(&row, &question);
        let checked = answer.and_then(|it| check(&row, &it));
        wrong.extend(checked.err());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(asked > 30, "{asked} rows were asked");
    for server in servers.running.into_values() {
        server.stop();
    }
}

fn is_request(row: &Row<'_>) -> bool {
    let first = code(row.asked).first().copied().unwrap_or_default();
    let method = first.split_once(' ').map_or("", |(method, _)| method);
    !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// What a row asks.
#[derive(Debug)]
struct Question {
    method: String,
    bytes: Vec<u8>,
    settings: Vec<(String, String)>,
}

impl Question {
    fn parse(row: &Row<'_>) -> Question {
        let pieces = code(row.asked);
        let first = pieces.first().expect(row.name);
        let method = first.split(' ').next().unwrap_or_default();
        let mut settings = Vec::new();
        let mut headers = Vec::new();
        let mut body = Vec::new();
        for piece in &pieces[1..] {
            let setting = piece.split_once('=');
            let is_key = |key: &str| corerest_config::KEYS.iter().any(|known| known.name == key);
            if let Some((key, value)) = setting.filter(|(key, _)| is_key(key)) {
                settings.push((key.to_owned(), value.to_owned()));
            } else if is_header(piece) {
                headers.push(with_tokens(piece));
            } else {
                body = expanded(piece);
            }
        }
        let mut bytes = expanded(first);
        if !first.contains("\\r\\n") {
            bytes = encoded(&bytes);
            headers.insert(0, "Host: localhost".to_owned());
            if !body.is_empty() {
                headers.push(format!("Content-Length: {}", body.len()));
                if !headers.iter().any(|line| line.starts_with("Content-Type:")) {
                    headers.push("Content-Type: application/json".to_owned());
                }
            }
            let head = format!(" HTTP/1.1\r\n{}\r\n\r\n", headers.join("\r\n"));
            bytes.extend(head.into_bytes());
            bytes.extend(body);
        }
        Question {
            method: method.to_owned(),
            bytes,
            settings,
        }
    }
}

fn is_header(piece: &str) -> bool {
    let name = piece.split_once(": ").map_or("", |(name, _)| name);
    let is_part = |c: char| c.is_ascii_alphabetic() || c == '-';
    name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(is_part)
}

fn with_tokens(text: &str) -> String {
    let mut text = text.to_owned();
    for (name, token) in TOKENS {
        text = text.replace(name, token);
    }
    text
}

/// A request line with its target percent-encoded, as far as it has to be.
fn encoded(line: &[u8]) -> Vec<u8> {
    let method = line.iter().position(|byte| *byte == b' ').unwrap_or(0);
    let (method, target) = line.split_at(method + 1);
    let mut out = method.to_vec();
    for byte in target {
        match byte {
            b'"' | b'{' | b'}' | b' ' | 0x80.. => out.extend(format!("%{byte:02X}").bytes()),
            byte => out.push(*byte),
        }
    }
    out
}

/// The bytes of a piece of code: `\r`, `\n` and `\u{…}` are what they are in Rust, `{x#}*2` is
/// `x1x2`.
fn expanded(piece: &str) -> Vec<u8> {
    let text = piece
        .replace("\\r", "\r")
        .replace("\\n", "\n")
        .replace("\\u{feff}", "\u{feff}");
    let mut out = String::new();
    let mut rest = &*text;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        let repeated = rest[open..].split_once("}*").map(|(inner, behind)| {
            let digits = behind.find(|c: char| !c.is_ascii_digit());
            let (count, behind) = behind.split_at(digits.unwrap_or(behind.len()));
            (&inner[1..], count.parse::<usize>(), behind)
        });
        match repeated {
            Some((inner, Ok(count), behind)) if !inner.contains('}') => {
                let each = (1..=count).map(|number| inner.replace('#', &number.to_string()));
                out.extend(each);
                rest = behind;
            }
            _ => {
                out.push('{');
                rest = &rest[open + 1..];
            }
        }
    }
    out.push_str(rest);
    out.into_bytes()
}

/// A server for each set of settings.
struct Servers {
    database: Database,
    running: BTreeMap<Vec<(String, String)>, Server>,
}

impl Servers {
    fn ask(&mut self, row: &Row<'_>, question: &Question) -> Result<Answer, String> {
        let database = &self.database;
        let start = || {
            let mut settings = vec![
                ("db-schemas", "library"),
                ("db-tx-end", "rollback-allow-override"),
                ("jwt-secret", SECRET),
            ];
            let own = question.settings.iter();
            settings.extend(own.map(|(key, value)| (&**key, &**value)));
            Server::start(database, &settings)
        };
        let server = self
            .running
            .entry(question.settings.clone())
            .or_insert_with(start);
        let mut client = match row.section == OF_ADMIN {
            true => server.admin(),
            false => server.client(),
        };
        let answer = ask(&mut client, question);
        let answer = answer.map_err(|error| format!("{}: {}\n  {error}", row.name, row.asked));
        client.leave("the next row has a connection of its own");
        answer
    }
}

fn ask(client: &mut Client, question: &Question) -> Result<Answer, ClientError> {
    client.try_send(&question.bytes)?;
    client.try_read(&question.method)
}

fn check(row: &Row<'_>, answer: &Answer) -> Result<(), String> {
    let mut head = format!("HTTP/1.1 {} {}\n", answer.status, answer.reason);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\n"));
    }
    let body = String::from_utf8_lossy(&answer.body);
    let pieces = code(row.corerest);
    let status = pieces.first().copied().unwrap_or_default();
    let mut missing = Vec::new();
    if status != answer.status.to_string() {
        missing.push(status);
    }
    // What stands between the pieces says whether they are there.
    let words: Vec<&str> = row.corerest.split('`').step_by(2).collect();
    for (index, piece) in pieces.iter().enumerate().skip(1) {
        let sought = piece.replace("{version}", env!("CARGO_PKG_VERSION"));
        let sought = sought.strip_suffix('…').unwrap_or(&sought);
        let is_there = match words[index].trim_end().ends_with(" no") {
            true => !head.contains(sought),
            false => head.contains(sought) || body.contains(sought),
        };
        if !is_there {
            missing.push(piece);
        }
    }
    let shown: String = body.chars().take(400).collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "{}: {}\n  should give {}\n  what is not so: {}\n{head}\n{shown}",
            row.name,
            row.asked,
            row.corerest,
            missing.join(", ")
        )),
    }
}

#[test]
fn the_parts_of_a_request_are_told_apart() {
    let row = Row {
        name: "X1",
        section: "",
        asked: "`POST /books?{a#}*3{b}*0` with `Prefer: return=minimal`, `db-max-rows=2` \
                and `{\"id\":1}\\n`",
        postgrest: "",
        corerest: "",
        why: "",
    };
    let question = Question::parse(&row);
    let text = String::from_utf8(question.bytes).expect("it is ASCII");
    let (head, body) = text.split_once("\r\n\r\n").expect("there are both");
    let lines: Vec<&str> = head.lines().collect();
    assert_eq!(lines[0], "POST /books?a1a2a3 HTTP/1.1");
    assert!(lines.contains(&"Prefer: return=minimal"), "{head}");
    assert_eq!(body, "{\"id\":1}\n");
    assert_eq!(
        question.settings,
        [("db-max-rows".to_owned(), "2".to_owned())]
    );
}

#[test]
fn an_answer_that_is_not_the_one_in_the_table_is_noticed() {
    let answer = Answer {
        status: 400,
        reason: "mmm".to_owned(),
        headers: vec![("Vary".to_owned(), "Origin".to_owned())],
        body: b"{\"code\":\"22021\"}".to_vec(),
    };
    for (corerest, is_right) in [
        ("`400` `22021`", true),
        ("`200`", false),
        ("`400` `PGRST100`", false),
        ("`400`, `Vary: Ori…`, and no `Allow`", true),
        ("`400`, `Vary: Accept`", false),
        ("`400`, and no `Vary`", false),
        ("so it is", false),
    ] {
        let row = Row {
            name: "X1",
            section: "",
            asked: "",
            postgrest: "",
            corerest,
            why: "",
        };
        assert_eq!(check(&row, &answer).is_ok(), is_right, "{corerest}");
    }
}
