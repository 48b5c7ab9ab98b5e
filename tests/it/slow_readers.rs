//! Clients that read large answers slowly, or not at all: they stop nobody, take no memory, and get
//! every byte in the end, or are cut off when there is no other way.
//!
//! They are behind a Unix socket, which holds little of what they do not read.

use corerest_tests::client::{Answer, Client, ClientError, request};
use corerest_tests::cluster::{Cluster, Database};
use corerest_tests::proxy::Proxy;
use corerest_tests::server::{Server, unused_path};
use corerest_tests::waiting::until;
use rustix::process::Signal;
use std::time::{Duration, Instant};

const PLANT: &str = "/plants?select=id&id=eq.1";
const LONG_LINE: &str = "/long_lines?select=line";

/// The answer's length: three quarters of it fit into no socket of the way.
const BODY_BYTES: usize = (2 << 20) + r#"[{"line":""}]"#.len();

/// A line of 2 MiB in which every position looks different, kept as it is sent.
const LINES: &str = "
    CREATE TABLE api.long_lines (line text);
    ALTER TABLE api.long_lines ALTER COLUMN line SET STORAGE EXTERNAL;
    INSERT INTO api.long_lines SELECT string_agg(md5(g::text), '') FROM generate_series(1, 65536) g;
    GRANT SELECT ON api.long_lines TO anonymous;";

/// A server with two connections and a Unix socket, and a long line in its database.
fn start(settings: &[(&str, &str)]) -> (Database, Server) {
    let database = Cluster::shared().database();
    database.run(LINES);
    let server = start_on(&database, &database.uri(), settings);
    (database, server)
}

fn start_on(database: &Database, uri: &str, settings: &[(&str, &str)]) -> Server {
    let socket = unused_path("api");
    let mut all = vec![
        ("db-uri", uri),
        ("db-pool", "2"),
        ("server-unix-socket", socket.to_str().expect("we chose it")),
    ];
    all.extend_from_slice(settings);
    Server::start(database, &all)
}

fn expected(database: &Database) -> String {
    let line = database.one("SELECT line FROM api.long_lines");
    format!(r#"[{{"line":"{line}"}}]"#)
}

#[track_caller]
fn check_long(answer: &Answer, expected: &str) {
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body.len(), BODY_BYTES);
    assert!(answer.text() == expected, "other bytes than PostgreSQL's");
}

/// Asks for a long line and does not read the answer.
fn slow_reader(server: &Server) -> Client {
    let mut client = server.client();
    client.send(request("GET", LONG_LINE, &[]));
    client
}

/// So many of them, each with a connection in hand.
fn holders(server: &Server, count: u32) -> Vec<Client> {
    let readers = (0..count).map(|_| slow_reader(server)).collect();
    server.await_metric("corerest_slow_readers", f64::from(count));
    readers
}

/// How many files without a name it has open.
fn nameless_files(server: &Server) -> usize {
    let folder = format!("/proc/{}/fd", server.id());
    let entries = std::fs::read_dir(folder).expect("it runs").flatten();
    let targets = entries.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    targets
        .filter(|target| target.to_string_lossy().ends_with(" (deleted)"))
        .count()
}

#[track_caller]
fn check_cut_off(answer: Result<Answer, ClientError>) {
    match answer {
        Err(ClientError::Malformed(why)) if why.contains("bytes of the body") => {}
        Err(ClientError::Broken(_)) => {}
        other => panic!("it should be cut off: {other:?}"),
    }
}

#[test]
fn a_hundred_slow_readers_stop_nobody_and_get_every_byte() {
    const MEMORY_GROWTH_BYTES_MAX: u64 = 32 << 20;
    let (database, server) = start(&[]);
    let expected = expected(&database);
    check_long(&server.client().get(LONG_LINE), &expected);
    let before = server.resident_bytes();
    let mut readers: Vec<Client> = (0..100).map(|_| slow_reader(&server)).collect();
    for _ in 0..10 {
        let begin = Instant::now();
        let answer = server.client().get(PLANT);
        assert_eq!(
            answer.status,
            200,
            "after {:?}: {}",
            begin.elapsed(),
            answer.text()
        );
    }
    // They may be begun a few at a time, behind those who went on meanwhile.
    until("what they do not read to be kept for them", || {
        server.metric("corerest_spool_bytes") > 90.0 * BODY_BYTES as f64 / 2.0
    });
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < MEMORY_GROWTH_BYTES_MAX, "{} KiB", grown >> 10);
    for reader in &mut readers {
        check_long(&reader.read("GET"), &expected);
        reader.expect_usable();
    }
    server.await_metric("corerest_spool_bytes", 0.0);
    assert_eq!(nameless_files(&server), 0);
    server.stop();
}

#[test]
fn nobody_is_spooled_while_there_are_connections_for_the_others() {
    let (database, server) = start(&[("server-cores", "1")]);
    let mut readers = holders(&server, 1);
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(300) {
        assert_eq!(server.client().get(PLANT).status, 200);
    }
    assert_eq!(server.metric("corerest_spool_bytes"), 0.0);
    assert_eq!(server.metric("corerest_slow_readers"), 1.0);
    check_long(&readers[0].read("GET"), &expected(&database));
    server.stop();
}

#[test]
fn readers_that_are_spooled_and_gone_leave_nothing_behind() {
    let (_database, server) = start(&[]);
    let readers = holders(&server, 2);
    assert_eq!(server.client().get(PLANT).status, 200);
    until("a file", || nameless_files(&server) > 0);
    assert!(server.metric("corerest_spool_bytes") > BODY_BYTES as f64 / 2.0);
    for reader in readers {
        reader.leave("it is gone within its answer");
    }
    server.await_metric("corerest_spool_bytes", 0.0);
    until("no files", || nameless_files(&server) == 0);
    assert_eq!(server.client().get(PLANT).status, 200);
    server.stop();
}

#[test]
fn readers_that_are_spooled_and_take_nothing_are_closed_in_the_end() {
    let (_database, server) = start(&[("server-write-timeout", "1")]);
    let mut readers = holders(&server, 2);
    assert_eq!(server.client().get(PLANT).status, 200);
    server.await_metric("corerest_spool_bytes", 0.0);
    until("no files", || nameless_files(&server) == 0);
    for reader in &mut readers {
        check_cut_off(reader.try_read("GET"));
    }
    server.stop();
}

#[test]
fn a_server_that_stops_waits_for_readers_that_are_spooled() {
    let (database, mut server) = start(&[]);
    let mut readers = holders(&server, 2);
    assert_eq!(server.client().get(PLANT).status, 200);
    server.signal(Signal::TERM);
    server.stderr.wait_for("Received termination");
    for reader in &mut readers {
        check_long(&reader.read("GET"), &expected(&database));
    }
    // Not `stop`: a second signal would end it at once, whoever is still being served.
    assert_eq!(server.await_exit().code(), Some(0));
}

#[test]
fn http_10_and_head_are_as_ever() {
    let (database, server) = start(&[]);
    let expected = expected(&database);
    let mut old = server.client();
    old.send(format!("GET {LONG_LINE} HTTP/1.0\r\n\r\n"));
    let mut others = holders_besides(&server, 1);
    for _ in 0..3 {
        let answer = server.client().exchange("HEAD", LONG_LINE, &[]);
        assert_eq!((answer.status, answer.body.len()), (200, 0));
    }
    assert!(server.metric("corerest_spool_bytes") > 0.0);
    let answer = old.read("GET");
    check_long(&answer, &expected);
    old.expect_closed();
    check_long(&others[0].read("GET"), &expected);
    server.stop();
}

/// One more slow reader, besides so many others that are there already.
fn holders_besides(server: &Server, others: u32) -> Vec<Client> {
    let readers = vec![slow_reader(server)];
    server.await_metric("corerest_slow_readers", f64::from(others + 1));
    readers
}

/// Without room, one of two slow readers has to go, so that a third client is answered.
#[track_caller]
fn check_that_one_is_cut_off(database: &Database, server: &Server, readers: &mut [Client]) {
    let begin = Instant::now();
    assert_eq!(server.client().get(PLANT).status, 200);
    let waited = begin.elapsed();
    assert!(waited > Duration::from_millis(900), "{waited:?}");
    server
        .stderr
        .wait_for("A response was cut off: its client reads too slowly");
    assert_eq!(server.client().get(PLANT).status, 200);
    let expected = expected(database);
    let mut cut_off = 0;
    for reader in readers {
        match reader.try_read("GET") {
            Ok(answer) => check_long(&answer, &expected),
            refused => {
                check_cut_off(refused);
                cut_off += 1;
            }
        }
    }
    assert_eq!(cut_off, 1);
}

#[test]
fn without_a_spool_too_many_slow_readers_are_cut_off() {
    let (database, server) = start(&[("server-max-spool-bytes", "0")]);
    let mut readers = holders(&server, 2);
    check_that_one_is_cut_off(&database, &server, &mut readers);
    assert_eq!(nameless_files(&server), 0);
    server.stop();
}

#[test]
fn slow_readers_may_be_allowed_to_hold_all_connections() {
    let settings = [
        ("server-max-spool-bytes", "0"),
        ("server-max-slow-readers", "2"),
        ("db-pool-acquisition-timeout", "2"),
    ];
    let (database, server) = start(&settings);
    let mut readers = holders(&server, 2);
    assert_eq!(server.client().get(PLANT).status, 504);
    for reader in &mut readers {
        check_long(&reader.read("GET"), &expected(&database));
    }
    assert_eq!(server.client().get(PLANT).status, 200);
    server.stop();
}

#[test]
fn a_full_spool_takes_no_more() {
    let (database, server) = start(&[("server-max-spool-bytes", "3000000")]);
    let mut readers = holders(&server, 2);
    // Two connections for three of them: one is brought into the spool, which is full then.
    readers.push(slow_reader(&server));
    until("the first to be spooled", || {
        server.metric("corerest_spool_bytes") > 0.0 && server.metric("corerest_slow_readers") == 2.0
    });
    check_that_one_is_cut_off(&database, &server, &mut readers);
    server.await_metric("corerest_spool_bytes", 0.0);
    server.stop();
}

#[test]
fn a_folder_that_takes_no_files_is_told_of_and_is_no_spool() {
    let (database, server) = start(&[("server-spool-directory", "/nowhere/at/all")]);
    server
        .stderr
        .wait_for("Cannot make files in /nowhere/at/all");
    let mut readers = holders(&server, 2);
    check_that_one_is_cut_off(&database, &server, &mut readers);
    server.stop();
}

#[test]
fn a_folder_that_is_gone_later_is_told_of_too() {
    let folder = unused_path("spool");
    std::fs::create_dir(&folder).expect("we chose the name");
    let setting = folder.to_str().expect("we chose it");
    let (database, server) = start(&[("server-spool-directory", setting)]);
    std::fs::remove_dir(&folder).expect("the files in it have no names");
    let mut readers = holders(&server, 2);
    check_that_one_is_cut_off(&database, &server, &mut readers);
    server.stderr.wait_for("Cannot write an answer to");
    server.stop();
}

#[test]
fn postgresql_dies_while_an_answer_is_spooled() {
    let database = Cluster::shared().database();
    database.run(LINES);
    // Long enough that the wire between us and PostgreSQL does not hold the rest of it.
    database.run("UPDATE api.long_lines SET line = repeat(line, 8)");
    let proxy = Proxy::start(Cluster::shared().socket());
    let uri = database.uri_at_port(proxy.port);
    let server = start_on(&database, &uri, &[("db-pool", "1")]);
    assert_eq!(server.client().get(PLANT).status, 200);
    proxy.cut_after(15 << 20);
    let mut reader = slow_reader(&server);
    server.await_metric("corerest_slow_readers", 1.0);
    assert_eq!(server.client().get(PLANT).status, 200);
    assert_eq!(proxy.cuts(), 1);
    server.stderr.wait_for("A response was cut off");
    check_cut_off(reader.try_read("GET"));
    server.await_metric("corerest_spool_bytes", 0.0);
    assert_eq!(nameless_files(&server), 0);
    server.stop();
}
