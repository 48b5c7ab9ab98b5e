//! Runs the cases of `cases/http` against the server and a real PostgreSQL.
//!
//! Each folder is a feature with a server of its own: the folder's file `config` has settings as
//! `key = value` lines, and a `client` line in it keeps the same connection for all its cases.
//! How a case is written stands in `support/case_file.rs`; `{version}` in an expected body is that
//! of the server.

use corerest_tests::case_file::{Case, CaseFile, Section, is_update};
use corerest_tests::client::{Answer, Client};
use corerest_tests::cluster::Cluster;
use corerest_tests::json;
use corerest_tests::server::Server;
use std::path::{Path, PathBuf};

/// A body longer than this is written over several lines, if it is an array of JSON.
const LINE_MAX: usize = 100;
/// Headers that a new case records when they are there.
const TELLING: [&str; 5] = [
    "Content-Range",
    "Location",
    "Preference-Applied",
    "Proxy-Status",
    "WWW-Authenticate",
];
/// The usual media type, which a new case does not record.
const JSON: &str = "application/json; charset=utf-8";

#[test]
fn every_http_case_is_answered_as_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/http");
    let entries = std::fs::read_dir(root).expect("the cases are part of the sources");
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    let failures: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> = folders
            .iter()
            .map(|folder| {
                scope.spawn(move || {
                    // What one folder writes is not seen by the others.
                    let database = Cluster::shared().database();
                    let settings = settings(folder);
                    let settings: Vec<(&str, &str)> = settings
                        .iter()
                        .map(|(key, value)| (&**key, &**value))
                        .collect();
                    let server = Server::start(&database, &settings);
                    let failures = run_folder(folder, &server);
                    server.stop();
                    failures
                })
            })
            .collect();
        runs.into_iter()
            .flat_map(|run| run.join().expect("see above"))
            .collect()
    });
    assert!(
        failures.is_empty(),
        "{}\n{} cases failed",
        failures.join("\n\n"),
        failures.len()
    );
}

/// Keys, and their values.
pub(crate) type Settings = Vec<(String, String)>;

/// The settings of each folder, and its requests that read, as they are sent.
pub(crate) fn reads() -> Vec<(Settings, Vec<String>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/http");
    let entries = std::fs::read_dir(root).expect("the cases are part of the sources");
    let of_folder = |folder: PathBuf| {
        let files = CaseFile::load_all(&folder);
        let cases = files.iter().flat_map(|file| &file.cases);
        let reads = cases.filter(|case| case.question.first.starts_with("GET "));
        (
            settings(&folder),
            reads.map(|case| bytes(&case.question)).collect(),
        )
    };
    entries
        .flatten()
        .map(|entry| of_folder(entry.path()))
        .collect()
}

fn settings(folder: &Path) -> Settings {
    let text = std::fs::read_to_string(folder.join("config")).unwrap_or_default();
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let setting = |line: &str| {
        let (key, value) = line
            .split_once('=')
            .unwrap_or_else(|| panic!("config: {line}"));
        (key.trim().to_owned(), value.trim().to_owned())
    };
    lines.map(setting).collect()
}

fn run_folder(folder: &Path, server: &Server) -> Vec<String> {
    let mut failures = Vec::new();
    for mut file in CaseFile::load_all(folder) {
        // One connection for all cases of a file: what one answer leaves behind breaks the next.
        let mut client = server.client();
        for case in &mut file.cases {
            let place = format!("{}:{}: {}", file.path.display(), case.line, case.title);
            match ask(&mut client, server, &case.question) {
                Err(error) => {
                    failures.push(format!("{place}\n  {error}"));
                    client = server.client();
                }
                Ok(answer) if is_update() => case.expected = recorded(case, &answer),
                Ok(answer) => {
                    let wrong = differences(&case.expected, &answer);
                    if !wrong.is_empty() {
                        failures.push(format!("{place}\n  {}", wrong.join("\n  ")));
                    }
                }
            }
        }
        // What came behind the last answer, or late, is in the way of this one.
        if let Err(error) = client.try_exchange("GET", "/no/such/path", &[]) {
            let place = file.path.display();
            failures.push(format!("{place}: behind the last case: {error}"));
        }
        if is_update() {
            file.save();
        }
    }
    failures
}

/// The request, as it is sent.
fn bytes(question: &Section) -> String {
    let mut text = format!("{} HTTP/1.1\r\n", question.first);
    let mut headers = question.headers.clone();
    if !headers.iter().any(|line| line.starts_with("Host:")) {
        headers.insert(0, "Host: localhost".to_owned());
    }
    if !question.body.is_empty() {
        headers.push(format!("Content-Length: {}", question.body.len()));
    }
    for line in &headers {
        text.push_str(line);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    text.push_str(&question.body);
    text
}

fn ask(client: &mut Client, server: &Server, question: &Section) -> Result<Answer, String> {
    let method = question.first.split(' ').next().unwrap_or_default();
    let text = bytes(question);
    let answer = client
        .try_send(text.as_bytes())
        .and_then(|()| client.try_read(method));
    let answer = answer.map_err(|error| error.to_string())?;
    if answer.closes() {
        client.expect_closed();
        *client = server.client();
    }
    Ok(answer)
}

fn differences(expected: &Section, answer: &Answer) -> Vec<String> {
    let mut wrong = Vec::new();
    let (status, reason) = expected
        .first
        .split_once(' ')
        .unwrap_or((&expected.first, ""));
    if status != answer.status.to_string() || (!reason.is_empty() && reason != answer.reason) {
        wrong.push(format!(
            "status {} {}, not {}",
            answer.status, answer.reason, expected.first
        ));
    }
    for line in &expected.headers {
        wrong.extend(header_difference(line, answer));
    }
    // A case cannot tell line breaks at the end of a text; its Content-Length can.
    let wanted = with_version(&expected.body);
    let same = json::equal(wanted.as_bytes(), &answer.body)
        || wanted.as_bytes() == answer.body.trim_ascii_end();
    if wanted != "*" && !same {
        let body = String::from_utf8_lossy(&answer.body);
        wrong.push(format!("body     {body}\n  expected {wanted}"));
    }
    wrong
}

/// The whole workspace has one version.
fn with_version(body: &str) -> String {
    body.replace("{version}", env!("CARGO_PKG_VERSION"))
}

fn header_difference(line: &str, answer: &Answer) -> Option<String> {
    if let Some(absent) = line.strip_prefix('!') {
        let value = answer.header(absent)?;
        return Some(format!("there should be no {absent}, but it is {value:?}"));
    }
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    match (answer.header(name), value.trim()) {
        (Some(_), "*") => None,
        (Some(got), value) if got == value => None,
        (Some(got), value) => Some(format!("{name} is {got:?}, not {value:?}")),
        (None, _) => Some(format!("{name} is missing")),
    }
}

/// The expectations that this answer meets.
fn recorded(case: &Case, answer: &Answer) -> Section {
    let old = &case.expected;
    let is_new = old.first.is_empty();
    let first = match old.first.contains(' ') {
        true => format!("{} {}", answer.status, answer.reason),
        false => answer.status.to_string(),
    };
    let mut headers = Vec::new();
    for line in &old.headers {
        let name = line
            .trim_start_matches('!')
            .split(':')
            .next()
            .unwrap_or_default();
        headers.push(match (answer.header(name), line.ends_with(": *")) {
            (None, _) => format!("!{name}"),
            (Some(_), true) => line.clone(),
            (Some(value), false) => format!("{name}: {value}"),
        });
    }
    if is_new {
        let told = TELLING
            .iter()
            .filter_map(|name| Some((name, answer.header(name)?)));
        headers.extend(told.map(|(name, value)| format!("{name}: {value}")));
        let other_type = answer.header("Content-Type").filter(|value| *value != JSON);
        headers.extend(other_type.map(|value| format!("Content-Type: {value}")));
    }
    let is_same = json::equal(with_version(&old.body).as_bytes(), &answer.body);
    let body = match (&*old.body, is_same) {
        ("*", _) => "*".to_owned(),
        (same, true) if !is_new => same.to_owned(),
        _ => readable(&String::from_utf8_lossy(&answer.body)),
    };
    Section {
        first,
        headers,
        body,
    }
}

/// PostgreSQL separates the rows of an array by a line break already.
fn readable(body: &str) -> String {
    match body.len() > LINE_MAX && !body.contains('\n') {
        true => body.replace(",\"details\":", ",\n \"details\":"),
        false => body.replace(", \n ", ",\n ").trim_end().to_owned(),
    }
}
