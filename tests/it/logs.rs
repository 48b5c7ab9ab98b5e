//! What the server says of requests, and what it never says.

use corerest_tests::client::{Client, request};
use corerest_tests::cluster::{Cluster, Database, Stop};
use corerest_tests::json;
use corerest_tests::log::Log;
use corerest_tests::server::{Server, command, unused_path, variable};
use corerest_tests::waiting::until;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl, fstat};
use rustix::process::Signal;
use simd_json::prelude::ValueAsObject;
use std::collections::BTreeMap;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const LEVELS: [&str; 5] = ["crit", "error", "warn", "info", "debug"];
pub(crate) const SECRET: &str = "a secret that only these tests know.";
/// `{"role":"anonymous"}`, signed with the secret.
pub(crate) const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyb2xlIjoiYW5vbnltb3VzIn0\
     .suohch8ZPkU5a6jCYKsfbnke8zKBOAUaJ6h9w9ntUB8";
/// The same with another claim.
pub(crate) const OTHER_TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9\
     .eyJyb2xlIjoiYW5vbnltb3VzIiwibiI6Mn0\
     .hUtLo_9ofBqZuHwzQv3DYITf9-SWAwQ_d1aRffkRQ0s";
/// One that expired in 2020.
pub(crate) const OLD_TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9\
     .eyJyb2xlIjoiYW5vbnltb3VzIiwiZXhwIjoxNjAwMDAwMDAwfQ\
     .wsRbwpu19S5mVcLKdXRwRgUmJhaV1FbtgVOisFL4-HY";

/// The lines of a log once the server has ended.
#[track_caller]
fn all_lines(server: Server, pick: impl Fn(&Server) -> Log) -> Vec<String> {
    let log = pick(&server);
    server.stop();
    log.whole().lines().map(str::to_owned).collect()
}

/// Without the time, which stands between brackets.
fn timeless(line: &str) -> String {
    let (before, rest) = line.split_once('[').expect("it has a time");
    let (time, after) = rest.split_once(']').expect("the time ends");
    assert_eq!(time.len(), "26/Jul/2021:01:56:38 -0500".len(), "{line}");
    format!("{before}[]{after}")
}

#[test]
fn the_level_decides_which_requests_are_logged() {
    let database = Cluster::shared().database();
    let all = [
        r#"127.0.0.1 - - [] "GET /plants HTTP/1.1" 500 "#,
        r#"127.0.0.1 - anonymous [] "GET /plant HTTP/1.1" 404 "#,
        r#"127.0.0.1 - anonymous [] "GET /plants?id=eq.1 HTTP/1.1" 200 "#,
    ];
    for (level, count) in LEVELS.into_iter().zip([0, 1, 2, 3, 3]) {
        let server = Server::start(&database, &[("log-level", level)]);
        let mut client = server.client();
        let token = format!("Bearer {TOKEN}");
        let headers = [("Authorization", &*token)];
        assert_eq!(client.exchange("GET", "/plants", &headers).status, 500);
        assert_eq!(client.get("/plant").status, 404);
        assert_eq!(client.get("/plants?id=eq.1").status, 200);
        let lines = all_lines(server, |server| server.stdout.clone());
        assert_eq!(lines.len(), count, "{level}: {lines:?}");
        for (line, expected) in lines.iter().zip(all) {
            assert!(timeless(line).starts_with(expected), "{level}: {line}");
        }
    }
}

#[test]
fn a_line_has_role_target_size_referer_and_agent() {
    let database = Cluster::shared().database();
    let settings = [("log-level", "info"), ("jwt-secret", SECRET)];
    let server = Server::start(&database, &settings);
    let mut client = server.client();
    let as_whom = |token: &str| format!("Bearer {token}");
    let (good, old) = (as_whom(TOKEN), as_whom(OLD_TOKEN));
    let target = "/plants?select=id&id=eq.1";
    let agent = r#"a "browser""#;
    let headers = [
        ("Authorization", &*good),
        ("Referer", "http://a.example/"),
        ("User-Agent", agent),
    ];
    assert_eq!(client.exchange("GET", target, &headers).text().len(), 10);
    assert_eq!(client.exchange("HEAD", target, &[]).status, 200);
    let headers = [("Authorization", &*old)];
    let refused = client.exchange("GET", target, &headers);
    assert_eq!(refused.status, 401);
    let lines = all_lines(server, |server| server.stdout.clone());
    let lines: Vec<String> = lines.iter().map(|line| timeless(line)).collect();
    let size = refused.body.len();
    let get = format!(r#""GET {target} HTTP/1.1""#);
    let expected = [
        format!(r#"127.0.0.1 - anonymous [] {get} 200 10 "http://a.example/" "a \"browser\"""#),
        format!(r#"127.0.0.1 - anonymous [] "HEAD {target} HTTP/1.1" 200 - "" """#),
        format!(r#"127.0.0.1 - - [] {get} 401 {size} "" """#),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn statements_are_logged_as_the_level_says_if_that_is_wanted() {
    let database = Cluster::shared().database();
    for (level, reads, failures) in [
        ("crit", 0, 0),
        ("error", 0, 0),
        ("warn", 0, 1),
        ("info", 1, 1),
    ] {
        let settings = [("log-level", level), ("log-query", "true")];
        let server = Server::start(&database, &settings);
        let mut client = server.client();
        assert_eq!(client.get("/plants?id=eq.2140007001").status, 200);
        assert_eq!(client.get("/failures?name=eq.division").status, 400);
        let lines = all_lines(server, |server| server.stderr.clone());
        let count = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
        assert_eq!(count(r#"FROM "api"."plants""#), reads, "{level}: {lines:?}");
        assert_eq!(count(r#"FROM "api"."failures""#), failures, "{level}");
        assert_eq!(count("set_config("), reads + failures, "{level}");
        assert_eq!(count("2140007001"), 0, "a value is in the log: {lines:?}");
    }
}

#[test]
fn statements_are_not_logged_unless_that_is_wanted() {
    let database = Cluster::shared().database();
    let server = Server::start(&database, &[("log-level", "debug")]);
    assert_eq!(server.client().get("/plants?id=eq.1").status, 200);
    let lines = all_lines(server, |server| server.stderr.clone());
    assert!(
        !lines.iter().any(|line| line.contains("set_config(")),
        "{lines:?}"
    );
    for said in [
        "Trying to borrow a connection from pool",
        " is being established",
        " is available due to connection establishment",
        " is used",
        " is available due to session success",
        "Borrowed a connection from the pool",
    ] {
        assert!(
            lines.iter().any(|line| line.ends_with(said)),
            "{said}: {lines:?}"
        );
    }
}

/// The parts of the query of the catalog take no longer than all of it.
#[test]
fn how_long_the_parts_of_the_schema_cache_took_is_told_when_debugging() {
    const NAMES: [&str; 7] = [
        "tables",
        "keydeps",
        "rels",
        "funcs",
        "comprels",
        "dreps",
        "mhandlers",
    ];
    let database = Cluster::shared().database();
    let server = Server::start(&database, &[("log-level", "debug")]);
    let line = server.stderr.wait_for("+0000: tables: ");
    let (_, timings) = line.split_once("+0000: ").expect("it was found by that");
    let timings = timings.split(", ").map(|timing| {
        let (name, timing) = timing.split_once(": ").expect("it has a name");
        let number = timing.strip_suffix(" ms").expect("it has a unit");
        (name, number.parse::<f64>().expect("it is a number"))
    });
    let (names, timings): (Vec<&str>, Vec<f64>) = timings.unzip();
    assert_eq!(names, NAMES);
    assert!(timings.iter().all(|timing| *timing > 0.0), "{line}");
    let all = server.stderr.wait_for("Schema cache queried in ");
    let (_, all) = all.split_once("queried in ").expect("it was found by that");
    let all = all.strip_suffix(" milliseconds").expect("it has a unit");
    let all: f64 = all.parse().expect("it is a number");
    assert!(timings.iter().sum::<f64>() <= all + 0.1, "{line}: {all}");
    server.stop();
    let server = Server::start(&database, &[("log-level", "info")]);
    let lines = all_lines(server, |server| server.stderr.clone());
    assert!(!lines.iter().any(|line| line.contains("keydeps: ")));
}

/// What nobody may read in a log, wherever it comes from: the configuration, or a request.
const NEVER_LOGGED: [(&str, &str); 7] = [
    ("the password", "PASSWORD-MARK"),
    ("the secret of tokens", SECRET),
    ("an application setting", "SETTING-MARK"),
    ("a cookie", "COOKIE-MARK"),
    ("a value of a body", "BODY-MARK"),
    ("a token's claims", "eyJyb2xlIjoiYW5vbnltb3VzIiwibiI6Mn0"),
    ("a token's signature", "hUtLo_9ofBqZuHwzQv3DYITf9"),
];

/// README says what is logged; this is that table. The message of an error on our side is, and may
/// be of a value's making.
#[test]
fn what_is_secret_stands_nowhere_and_values_where_it_is_said() {
    let database = Cluster::shared().database();
    database.run(
        "CREATE FUNCTION api.explode(message text) RETURNS void LANGUAGE plpgsql AS \
         $$BEGIN RAISE EXCEPTION '%', message USING errcode = 'XX000'; END$$; \
         GRANT EXECUTE ON FUNCTION api.explode TO anonymous",
    );
    let uri = format!("{} password=PASSWORD-MARK", database.uri());
    let kinds = [("text", "true"), ("text", "false"), ("json", "false")];
    for (number, level) in LEVELS.into_iter().enumerate() {
        for (format, shown) in kinds {
            let settings = [
                ("db-uri", uri.as_str()),
                ("jwt-secret", SECRET),
                ("app.settings.mark", "SETTING-MARK"),
                ("url-use-legacy-target-names", "true"),
                ("log-level", level),
                ("log-format", format),
                ("log-query", "true"),
                ("log-query-string", shown),
            ];
            let server = Server::start(&database, &settings);
            let mut client = server.client();
            let bearer = format!("Bearer {OTHER_TOKEN}");
            let spoilt = format!("Bearer {OTHER_TOKEN}x");
            let headers = [
                ("Cookie", "c=COOKIE-MARK"),
                ("Referer", "http://a.example/p?REFERER-MARK"),
                ("Content-Type", "application/json"),
            ];
            for authorization in [bearer, spoilt] {
                let headers = [&headers[..], &[("Authorization", &*authorization)]].concat();
                let target = "/plants?name=eq.QUERY-MARK";
                client.exchange("GET", target, &headers);
                let mut ask = |target: &str, body: &str| {
                    let length = body.len().to_string();
                    let mut headers = headers.clone();
                    headers.push(("Content-Length", &*length));
                    client.send([&request("POST", target, &headers)[..], body.as_bytes()].concat());
                    client.read("POST").status
                };
                ask("/plants", r#"{"name": "BODY-MARK", "nonsense": 1}"#);
                ask("/plants?columns=id", r#"{"id": "BODY-MARK"}"#);
                ask("/rpc/explode", r#"{"message": "RAISED-MARK"}"#);
            }
            let (access, diagnostics) = (server.stdout.clone(), server.stderr.clone());
            server.stop();
            let (access, diagnostics) = (access.whole(), diagnostics.whole());
            let what = format!("{level}, {format}, log-query-string={shown}");
            for (name, mark) in NEVER_LOGGED {
                assert!(!access.contains(mark), "{what}: {name} in {access}");
                assert!(
                    !diagnostics.contains(mark),
                    "{what}: {name} in {diagnostics}"
                );
            }
            let is_info = number >= 3;
            for mark in ["QUERY-MARK", "REFERER-MARK"] {
                let is_there = access.contains(mark);
                let is_expected =
                    shown == "true" && number >= if mark == "QUERY-MARK" { 2 } else { 1 };
                assert_eq!(is_there, is_expected, "{what}: {mark} in {access}");
                assert!(
                    !diagnostics.contains(mark),
                    "{what}: {mark} in {diagnostics}"
                );
            }
            assert_eq!(access.contains("/plants"), number >= 2, "{what}: {access}");
            assert_eq!(
                access.contains("\" 200 ") || access.contains(":200"),
                is_info,
                "{what}"
            );
            assert!(!access.contains("RAISED-MARK"), "{what}: {access}");
            let is_raised = diagnostics.contains("RAISED-MARK");
            assert_eq!(is_raised, number >= 1, "{what}: {diagnostics}");
        }
    }
}

#[test]
fn what_fails_on_our_side_is_logged_as_json() {
    let database = Cluster::shared().database();
    let settings = [
        ("log-level", "error"),
        ("client-error-verbosity", "minimal"),
    ];
    let server = Server::start(&database, &settings);
    let mut client = server.client();
    let answer = client.get("/failures?name=eq.internal");
    assert_eq!(answer.status, 500, "{}", answer.text());
    assert_eq!(client.get("/failures?name=eq.division").status, 400);
    let line = server.stderr.wait_for(r#"{"code":"#);
    assert!(line.contains(r#""details":"#), "all details: {line}");
    let lines = all_lines(server, |server| server.stderr.clone());
    let errors = lines.iter().filter(|line| line.contains(r#"{"code":"#));
    assert_eq!(errors.count(), 1, "{lines:?}");
}

#[test]
fn requests_that_got_no_connection_are_mentioned_once_in_a_while() {
    let database = Cluster::shared().database();
    let settings = [("db-pool", "1"), ("db-pool-acquisition-timeout", "1")];
    let server = Server::start(&database, &settings);
    let mut napping = server.client();
    napping.send(request("GET", "/naps?milliseconds=eq.5000", &[]));
    await_nap(&database);
    let mut waiting: Vec<_> = (0..6).map(|_| server.client()).collect();
    for client in &mut waiting {
        client.send(request("GET", "/plants", &[]));
    }
    for client in &mut waiting {
        assert_eq!(client.read("GET").status, 504);
    }
    server.stderr.wait_for("PGRST003");
    assert_eq!(napping.read("GET").status, 200);
    let (access, diagnostics) = (server.stdout.clone(), server.stderr.clone());
    server.stop();
    assert_eq!(access.whole().matches("\" 504 ").count(), 6);
    let mentioned = diagnostics.whole().matches("PGRST003").count();
    assert!((1..=2).contains(&mentioned), "{}", diagnostics.text());
}

#[test]
fn an_outage_is_mentioned_once_in_a_while() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    let began = Instant::now();
    let server = Server::start(&database, &[]);
    cluster.stop(Stop::Immediate);
    let mut client = server.client();
    let mut is_unreachable = || {
        client
            .get("/plants")
            .text()
            .contains(r#""code":"PGRST000""#)
    };
    until("the outage", &mut is_unreachable);
    for _ in 0..100 {
        assert!(is_unreachable());
    }
    let diagnostics = server.stderr.clone();
    server.stderr.wait_for(r#"{"code":"PGRST000""#);
    server.stop();
    let text = diagnostics.whole();
    let mentioned = text.matches(r#" +0000: {"code":"PGRST000""#).count() as u64;
    let at_most = 1 + began.elapsed().as_secs() / 5;
    assert!((1..=at_most).contains(&mentioned), "{text}");
}

fn await_nap(database: &Database) {
    let sql = format!(
        "SELECT count(*)::text FROM pg_stat_activity \
         WHERE datname = '{}' AND wait_event = 'PgSleep'",
        database.name
    );
    until("the nap to begin", || database.one(&sql) == "1");
}

#[test]
fn a_log_that_nobody_reads_holds_nobody_up() {
    let database = Cluster::shared().database();
    let mut command = command();
    command
        .env(variable("db-uri"), database.uri())
        .env(variable("db-anon-role"), "anonymous")
        .env(variable("db-schemas"), "api")
        .env(variable("server-host"), "127.0.0.1")
        .env(variable("server-port"), "0")
        .env(variable("log-level"), "info");
    let mut child = command.spawn().expect("the server can be started");
    let stderr = Log::collect(child.stderr.take().expect("its output is a pipe"));
    let line = stderr.wait_for("API server listening on ");
    let place = line.rsplit(' ').next().expect("it has words");
    let address = corerest_tests::client::Address::parse(place);
    let mut client = corerest_tests::client::Client::connect(&address);
    let target = format!("/nowhere?{}", "x".repeat(20_000));
    for _ in 0..1_000 {
        assert_eq!(client.get(&target).status, 404);
    }
    // Twenty megabytes; each of the threads may keep one. The rest is counted, and then forgotten.
    let mut stdout = child.stdout.take().expect("its output is a pipe");
    let reader = std::thread::spawn(move || {
        let mut read = Vec::new();
        stdout.read_to_end(&mut read).map(|_| read)
    });
    stderr.wait_for("lines of the log were lost");
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).expect("it is positive");
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it is our child");
    assert!(child.wait().expect("it is our child").success());
    let read = reader.join().expect("it only reads").expect("it is a pipe");
    let read = String::from_utf8(read).expect("we sent ASCII");
    assert!(
        read.lines().all(|line| line.ends_with(r#" "" """#)),
        "only whole lines"
    );
    assert!((1..1_000).contains(&read.lines().count()));
}

/// A pipe with no room for another byte. It blocks whoever writes into it.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("there can be a pipe");
    let flags = fcntl_getfl(&writer).expect("it is open");
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).expect("it is open");
    for size in [1 << 16, 1] {
        let bytes = vec![b'.'; size];
        while writer.write(&bytes).is_ok() {}
    }
    fcntl_setfl(&writer, flags).expect("it is open");
    (reader, writer)
}

/// A server with these outputs is reloaded, and ends when it is told to: by one signal when it is
/// idle, by two when a request is under way.
#[track_caller]
fn check_unread(command: impl Fn() -> Command, settings: &[(&str, &str)]) {
    let database = Cluster::shared().database();
    for is_busy in [false, true] {
        let mut server = Server::start_unheard(&database, command(), settings);
        let mut client = server.client();
        let table = if is_busy { "unread_2" } else { "unread_1" };
        let target = format!("/{table}");
        assert_eq!(client.get(&target).status, 404);
        database.run(&format!(
            "CREATE TABLE api.{table} (id int); GRANT SELECT ON api.{table} TO anonymous; \
             NOTIFY pgrst"
        ));
        until("the schema cache to be reloaded", || {
            client.get(&target).status == 200
        });
        if is_busy {
            client.send(request("GET", "/naps?milliseconds=eq.30000", &[]));
            await_nap(&database);
            server.signal(Signal::TERM);
            until("the end to have begun", || {
                Client::try_connect(server.address()).is_err()
            });
        }
        let told = Instant::now();
        server.signal(Signal::TERM);
        let status = server.await_exit();
        assert_eq!(status.code(), Some(i32::from(is_busy)));
        let taken = told.elapsed();
        assert!(taken < Duration::from_secs(5), "{taken:?}");
        client.leave("the server has ended");
    }
}

#[test]
fn a_server_whose_diagnostics_nobody_reads_reloads_and_ends() {
    let (_reader, writer) = full_pipe();
    let with_full_stderr = || {
        let mut command = command();
        command.stderr(writer.try_clone().expect("it is open"));
        command
    };
    check_unread(with_full_stderr, &[("log-level", "debug")]);
}

#[test]
fn a_server_whose_access_log_nobody_reads_reloads_and_ends() {
    let (_reader, writer) = full_pipe();
    let with_full_stdout = || {
        let mut command = command();
        command.stdout(writer.try_clone().expect("it is open"));
        command
    };
    check_unread(with_full_stdout, &[("log-level", "info")]);
    let with_both_full = || {
        let mut command = with_full_stdout();
        command.stderr(writer.try_clone().expect("it is open"));
        command
    };
    check_unread(with_both_full, &[("log-level", "info")]);
}

/// The access log being stuck does not silence the diagnostics.
#[test]
fn one_stream_that_nobody_reads_does_not_silence_the_other() {
    let database = Cluster::shared().database();
    let (_reader, writer) = full_pipe();
    let mut command = command();
    command.stdout(writer);
    let mut server = Server::start_unheard(&database, command, &[("log-level", "info")]);
    assert_eq!(server.client().get("/plants?id=eq.1").status, 200);
    database.run("NOTIFY pgrst, 'reload config'");
    server.stderr.wait_for("Config reloaded");
    server.signal(Signal::TERM);
    server.stderr.wait_for("Received termination unix signal");
    assert_eq!(server.await_exit().code(), Some(0));
}

#[test]
fn a_server_that_cannot_start_ends_although_nobody_reads_why() {
    let (_reader, writer) = full_pipe();
    let mut command = command();
    command.stderr(writer);
    let mut server = Server::spawn_by(command, &[("log-level", "nonsense")]);
    assert_eq!(server.await_exit().code(), Some(1));
}

#[test]
fn closed_outputs_are_harmless() {
    let database = Cluster::shared().database();
    let (reader, writer) = std::io::pipe().expect("there can be a pipe");
    drop(reader);
    let mut command = command();
    command
        .stdout(writer.try_clone().expect("it is open"))
        .stderr(writer);
    let server = Server::start_unheard(&database, command, &[("log-level", "debug")]);
    let mut client = server.client();
    assert_eq!(client.get("/plants?id=eq.1").status, 200);
    assert_eq!(client.get("/failures?name=eq.internal").status, 500);
    server.stop();
}

/// A pipe that the server must take for systemd's journal, and what comes out of it.
fn journal(mut command: Command) -> (Command, Log) {
    let (reader, writer) = std::io::pipe().expect("there can be a pipe");
    let status = fstat(&writer).expect("it is open");
    command
        .env(
            "JOURNAL_STREAM",
            format!("{}:{}", status.st_dev, status.st_ino),
        )
        .stdout(writer.try_clone().expect("it is open"))
        .stderr(writer);
    (command, Log::collect(reader))
}

#[test]
fn the_journal_gets_priorities_and_no_time_of_ours() {
    let database = Cluster::shared().database();
    let (command, log) = journal(command());
    let settings = [("log-level", "debug"), ("log-query", "true")];
    let server = Server::start_unheard(&database, command, &settings);
    let mut client = server.client();
    assert_eq!(client.get("/plants?id=eq.1").status, 200);
    assert_eq!(client.get("/failures?name=eq.internal").status, 500);
    server.stop();
    let lines: Vec<String> = log.whole().lines().map(str::to_owned).collect();
    let begin = |line: &String| {
        let mut chars = line.chars();
        chars.next() == Some('<')
            && matches!(chars.next(), Some('2'..='7'))
            && chars.next() == Some('>')
    };
    assert!(lines.iter().all(begin), "{lines:?}");
    for said in [
        "<5>Starting CoreREST",
        "<5>API server listening on ",
        "<7>Connection ",
        "<6>SELECT pg_catalog.num_nonnulls(",
        r#"<6>unknownSocket - anonymous ["#,
        r#"<3>{"code":"#,
        "<5>Received termination unix signal SIGTERM",
    ] {
        assert!(
            lines.iter().any(|line| line.starts_with(said)),
            "{said}: {lines:?}"
        );
    }
    let (command, log) = journal(corerest_tests::server::command());
    let mut server = Server::spawn_by(command, &[("log-level", "nonsense")]);
    assert_eq!(server.await_exit().code(), Some(1));
    assert!(log.whole().starts_with("<2>"), "{}", log.text());
}

/// The members of a line, which is a JSON object.
#[track_caller]
fn object(line: &str) -> BTreeMap<String, String> {
    let value = json::parse(line.as_bytes()).unwrap_or_else(|| panic!("not JSON: {line}"));
    let members = value.as_object().expect("it is an object").iter();
    let members = members.map(|(name, value)| (name.clone(), value.to_string()));
    members.collect()
}

#[test]
fn lines_are_json_if_that_is_wanted() {
    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let database = Cluster::shared().database();
    let settings = [
        ("log-format", "json"),
        ("log-level", "info"),
        ("log-query", "true"),
    ];
    let server = Server::start(&database, &settings);
    let mut client = server.client();
    let headers = [("User-Agent", "\"a\\"), ("traceparent", TRACE)];
    let target = "/plants?select=id&id=eq.1";
    assert_eq!(client.exchange("GET", target, &headers).status, 200);
    assert_eq!(client.get("/failures?name=eq.internal").status, 500);
    let (access, diagnostics) = (server.stdout.clone(), server.stderr.clone());
    server.stop();
    let access: Vec<_> = access.lines().iter().map(|line| object(line)).collect();
    let mut first = access[0].clone();
    let time = first.remove("time").expect("each line has it");
    assert_eq!(time.len(), "2026-01-01T00:00:00.123Z".len(), "{time}");
    let duration = first.remove("duration_ms").expect("requests have it");
    assert!(
        duration.parse::<f64>().is_ok_and(|it| it > 0.0),
        "{duration}"
    );
    let expected = [
        ("level", "info"),
        ("remote", "127.0.0.1"),
        ("role", "anonymous"),
        ("method", "GET"),
        ("path", "/plants"),
        ("query", "select=id&id=eq.1"),
        ("protocol", "HTTP/1.1"),
        ("status", "200"),
        ("bytes", "10"),
        ("user_agent", "\"a\\"),
        ("traceparent", TRACE),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(first, BTreeMap::from(expected));
    assert_eq!(access[1]["status"], "500");
    let lines = diagnostics.lines();
    let diagnostics: Vec<_> = lines.iter().map(|line| object(line)).collect();
    let find = |level: &str, begin: &str| {
        let mut lines = diagnostics.iter();
        lines.any(|line| line["level"] == level && line["message"].starts_with(begin))
    };
    assert!(find("notice", "Starting CoreREST "), "{lines:?}");
    assert!(find("info", "SELECT pg_catalog.num_nonnulls("), "{lines:?}");
    assert!(find("error", r#"{"code":"#), "{lines:?}");
    assert!(
        find("notice", "Received termination unix signal"),
        "{lines:?}"
    );
}

#[test]
fn the_format_changes_with_a_reload() {
    let database = Cluster::shared().database();
    let file = unused_path("configuration");
    std::fs::write(&file, "log-format = \"text\"").expect("the folder is ours");
    let server = Server::start_with_file(&database, &file, &[("log-level", "info")]);
    assert_eq!(server.client().get("/plants?id=eq.1").status, 200);
    let line = server.stdout.wait_for("/plants?id=eq.1");
    assert!(line.starts_with("127.0.0.1 - anonymous ["), "{line}");
    std::fs::write(&file, "log-format = \"json\"").expect("the folder is ours");
    server.signal(Signal::USR2);
    let line = server.stderr.wait_for(r#""message":"Config reloaded""#);
    assert_eq!(object(&line)["level"], "notice");
    assert_eq!(server.client().get("/plants?id=eq.2").status, 200);
    let line = server.stdout.wait_for("id=eq.2");
    assert_eq!(object(&line)["path"], "/plants");
    std::fs::write(&file, "log-format = \"xml\"").expect("the folder is ours");
    server.signal(Signal::USR2);
    server.stderr.wait_for("Invalid log-format.");
    server.stop();
    let _ = std::fs::remove_file(&file);
}

/// A variable that a child of a service has inherited is about another file.
#[test]
fn what_is_not_the_journal_has_a_time() {
    let mut command = command();
    command.env("JOURNAL_STREAM", "1:2");
    let server = Server::spawn_by(command, &[("db-uri", "postgres://127.0.0.1:1/nowhere")]);
    let line = server.stderr.wait_for("Starting CoreREST");
    assert!(line.contains(" +0000: Starting CoreREST"), "{line}");
}

#[test]
fn nothing_secret_is_ever_printed() {
    let database = Cluster::shared().database();
    let password = "swordfish";
    let uri = format!("{} password={password}", database.uri());
    let settings = [
        ("db-uri", &*uri),
        ("jwt-secret", SECRET),
        ("log-level", "debug"),
        ("log-query", "true"),
    ];
    let mut server = Server::start(&database, &settings);
    let mut client = server.client();
    let wrong = format!("{TOKEN}x");
    for token in [TOKEN, OLD_TOKEN, &wrong] {
        let header = format!("Bearer {token}");
        let headers = [("Authorization", &*header), ("Cookie", "session=tuna")];
        client.exchange("GET", "/plants", &headers);
        client.exchange("GET", "/failures?name=eq.internal", &headers);
    }
    let mut said = String::new();
    for path in ["/metrics", "/schema_cache", "/live", "/config"] {
        said += server.admin().get(path).text();
    }
    server.signal(rustix::process::Signal::TERM);
    assert!(server.await_exit().success());
    said += &server.stdout.whole();
    said += &server.stderr.whole();
    // Where the password is of use, and does not work.
    let unreachable = format!("postgres://someone:{password}@127.0.0.1:1/nowhere");
    let settings = [
        ("db-uri", &*unreachable),
        ("jwt-secret", SECRET),
        ("log-level", "debug"),
    ];
    let server = Server::spawn(&settings);
    server.stderr.wait_for("Attempting to reconnect");
    said += &server.stderr.text();
    let signatures = [TOKEN, OLD_TOKEN].map(|token| token.rsplit('.').next().unwrap_or(token));
    for secret in [SECRET, password, "tuna", signatures[0], signatures[1]] {
        assert!(!said.contains(secret), "{secret} is in:\n{said}");
    }
}

#[test]
fn the_time_is_local() {
    let program = command().get_program().to_owned();
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("TZ", "XYZ-5:30")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let server = Server::spawn_by(command, &[("db-uri", "postgres://127.0.0.1:1/nowhere")]);
    let line = server.stderr.wait_for("Starting CoreREST");
    assert!(line.contains(" +0530: Starting CoreREST"), "{line}");
}
