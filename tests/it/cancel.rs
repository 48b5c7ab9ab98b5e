//! Clients that go away before their answer: reads are cancelled, writes are not, and nobody else
//! is disturbed.

use corerest_tests::client::{Client, ClientError, request};
use corerest_tests::cluster::{Cluster, Database};
use corerest_tests::server::{Server, unused_path};
use corerest_tests::waiting::until;
use rustix::process::Signal;
use std::fs;
use std::time::{Duration, Instant};

const PLANT: &str = "/plants?select=id&id=eq.1";
const PLANT_JSON: &str = r#"[{"id":1}]"#;
const LONG_NAP: &str = "/naps?milliseconds=eq.30000";

/// What the fixture does not have: something slow that writes, and something slow that talks.
const FUNCTIONS: &str = "
    CREATE FUNCTION api.whoami() RETURNS integer LANGUAGE sql STABLE AS 'SELECT pg_backend_pid()';
    CREATE FUNCTION api.grumble() RETURNS void LANGUAGE plpgsql STABLE AS $$
      BEGIN RAISE WARNING 'not yet'; PERFORM pg_sleep(30); END $$;
    CREATE FUNCTION api.note_slowly(line text) RETURNS void LANGUAGE plpgsql AS $$
      BEGIN PERFORM pg_sleep(0.5); INSERT INTO api.diary (line) VALUES (line); END $$;";

fn start(settings: &[(&str, &str)]) -> (Database, Server) {
    let database = Cluster::shared().database();
    database.run(FUNCTIONS);
    let server = Server::start(&database, settings);
    (database, server)
}

/// The sessions of the server that are asleep in a query.
fn sleepers(session: &mut postgres::Client) -> Vec<i32> {
    let sql = "SELECT pid FROM pg_stat_activity
                WHERE datname = current_database() AND wait_event = 'PgSleep'";
    let rows = session.query(sql, &[]).expect("PostgreSQL is there");
    rows.iter().map(|row| row.get(0)).collect()
}

/// Sends a request that sleeps, and returns which session sleeps when it does.
fn fall_asleep(client: &mut Client, bytes: &[u8], session: &mut postgres::Client) -> i32 {
    client.send(bytes);
    until("PostgreSQL to be asleep", || sleepers(session).len() == 1);
    sleepers(session)[0]
}

/// Waits until nobody sleeps, for less time than it would take to wake up of himself.
#[track_caller]
fn await_cancelled(session: &mut postgres::Client) {
    until("the query to be cancelled", || sleepers(session).is_empty());
}

fn cancelled(server: &Server) -> u64 {
    let answer = server.admin().get("/metrics");
    let mut lines = answer.text().lines();
    let count = lines.find_map(|line| line.strip_prefix("corerest_requests_cancelled_total "));
    let count = count.and_then(|count| count.parse().ok());
    count.expect("there is such a metric")
}

fn await_cancellations(server: &Server, count: u64) {
    until("the requests to be counted", || cancelled(server) == count);
}

/// The requests that the access log calls given up.
fn given_up(server: &Server) -> usize {
    let lines = server.stdout.lines();
    lines.iter().filter(|line| line.contains("\" 499 ")).count()
}

fn write(target: &str, body: &str) -> Vec<u8> {
    let length = body.len().to_string();
    let headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", &*length),
    ];
    let mut bytes = request("POST", target, &headers);
    bytes.extend_from_slice(body.as_bytes());
    bytes
}

fn await_diary(database: &Database, line: &str) {
    let sql = format!("SELECT count(*)::text FROM api.diary WHERE line = '{line}'");
    until("the write to be committed", || database.one(&sql) == "1");
}

#[test]
fn a_read_whose_client_goes_is_cancelled_and_its_connection_is_used_again() {
    let (database, server) = start(&[("db-pool", "1"), ("log-level", "warn")]);
    let mut session = database.connect();
    for (count, target) in [(1, LONG_NAP), (2, "/rpc/grumble")] {
        let mut client = server.client();
        let sleeper = fall_asleep(&mut client, &request("GET", target, &[]), &mut session);
        client.leave("the test is about that");
        await_cancelled(&mut session);
        let answer = server.client().get("/rpc/whoami");
        assert_eq!(answer.text(), sleeper.to_string());
        await_cancellations(&server, count);
    }
    until("both to be logged", || given_up(&server) == 2);
    server.stop();
}

#[test]
fn a_client_that_resets_its_connection_is_gone_too() {
    let (database, server) = start(&[("db-pool", "1")]);
    let mut session = database.connect();
    let mut client = server.client();
    let mut bytes = request("GET", PLANT, &[]);
    bytes.extend(request("GET", LONG_NAP, &[]));
    fall_asleep(&mut client, &bytes, &mut session);
    client.leave("its first answer has not been read, so closing is a reset");
    await_cancelled(&mut session);
    assert_eq!(server.client().get(PLANT).text(), PLANT_JSON);
    server.stop();
}

#[test]
fn a_client_that_has_finished_sending_does_not_wait_for_slow_answers() {
    let (database, server) = start(&[("db-pool", "1")]);
    let mut client = server.client();
    let nap = request("GET", LONG_NAP, &[]);
    fall_asleep(&mut client, &nap, &mut database.connect());
    client.finish_sending();
    client.expect_closed();
    await_cancellations(&server, 1);
    server.stop();
}

#[test]
fn a_client_that_stays_is_answered_whatever_else_it_sends() {
    let (database, server) = start(&[("db-pool", "2")]);
    let mut client = server.client();
    let nap = request("GET", "/naps?milliseconds=eq.500", &[]);
    fall_asleep(&mut client, &nap, &mut database.connect());
    client.send(request("GET", PLANT, &[]));
    let slept = client.read("GET");
    assert_eq!(slept.text(), r#"[{"milliseconds":500,"slept":0.5}]"#);
    assert_eq!(client.read("GET").text(), PLANT_JSON);
    assert_eq!(cancelled(&server), 0);
    server.stop();
}

#[test]
fn a_write_whose_client_goes_is_committed() {
    let (database, server) = start(&[("db-pool", "1")]);
    let mut client = server.client();
    let bytes = write("/rpc/note_slowly", r#"{"line": "written for nobody"}"#);
    fall_asleep(&mut client, &bytes, &mut database.connect());
    client.leave("the test is about that");
    await_diary(&database, "written for nobody");
    assert_eq!(server.client().get(PLANT).text(), PLANT_JSON);
    assert_eq!(cancelled(&server), 0);
    server.stop();
}

#[test]
fn of_those_that_wait_for_a_connection_only_reads_are_given_up() {
    let (database, server) = start(&[("db-pool", "1")]);
    let mut client = server.client();
    let nap = request("GET", "/naps?milliseconds=eq.1000", &[]);
    fall_asleep(&mut client, &nap, &mut database.connect());
    for _ in 0..20 {
        let mut reading = server.client();
        reading.send(request("GET", LONG_NAP, &[]));
        reading.leave("its read is to be given up");
    }
    let mut writing = server.client();
    writing.send(write("/diary", r#"{"line": "parked"}"#));
    writing.leave("its write is to be carried out nevertheless");
    let mut last = server.client();
    last.send(request("GET", PLANT, &[]));
    assert_eq!(client.read("GET").status, 200);
    assert_eq!(last.read("GET").text(), PLANT_JSON);
    await_diary(&database, "parked");
    await_cancellations(&server, 20);
    server.stop();
}

/// While the server is stopped by a signal they come, ask, and reset their connections.
#[test]
fn of_those_who_left_before_their_request_was_looked_at_only_reads_are_given_up() {
    let path = unused_path("left");
    let path = path.to_str().expect("we chose it");
    for listening in [&[][..], &[("server-unix-socket", path)]] {
        let (database, server) = start(listening);
        server.signal(Signal::STOP);
        let stat = format!("/proc/{}/stat", server.id());
        until("the server to be stopped", || {
            let stat = fs::read_to_string(&stat).expect("it is our child");
            stat.contains(") T ")
        });
        for _ in 0..3 {
            let mut reading = server.client();
            reading.send(request("GET", PLANT, &[]).repeat(5));
            reading.reset("nobody is to be asked for it");
        }
        let mut writing = server.client();
        writing.send(write("/diary", r#"{"line": "before it left"}"#));
        writing.reset("its write is to be carried out nevertheless");
        server.signal(Signal::CONT);
        await_diary(&database, "before it left");
        await_cancellations(&server, 3);
        assert_eq!(server.client().get(PLANT).text(), PLANT_JSON);
        server.stop();
    }
}

#[test]
fn nothing_is_cancelled_where_that_is_switched_off() {
    let settings = [("db-pool", "1"), ("server-cancel-on-disconnect", "false")];
    let (database, server) = start(&settings);
    let mut session = database.connect();
    let mut client = server.client();
    let nap = request("GET", "/naps?milliseconds=eq.1000", &[]);
    fall_asleep(&mut client, &nap, &mut session);
    client.leave("the test is about that");
    // The only connection is the sleeper's.
    assert_eq!(server.client().get(PLANT).text(), PLANT_JSON);
    assert_eq!(cancelled(&server), 0);
    server.stop();
}

/// Clients that come and go, at any moment of their queries and just after them, must not have
/// anybody else's query cancelled, although they share its connection.
#[test]
fn clients_that_stay_are_not_disturbed_by_those_that_come_and_go() {
    // With a connection for each there is nothing to wait for, and queries are cancelled; with
    // fewer, those of which the client has gone are next to those of clients that stay.
    for connections in ["16", "4"] {
        check_that_nobody_is_disturbed(connections);
    }
}

fn check_that_nobody_is_disturbed(connections: &str) {
    let (_, server) = start(&[("db-pool", connections)]);
    let end = Instant::now() + Duration::from_secs(2);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let server = &server;
            scope.spawn(move || come_and_go(server, number, end));
            scope.spawn(move || stay(server, end));
        }
    });
    assert!(cancelled(&server) > 10, "{}", cancelled(&server));
    assert!(server.is_silent_about("57014"), "{}", server.stderr.text());
    assert!(server.is_silent_about("cancel"), "{}", server.stderr.text());
    server.stop();
}

fn come_and_go(server: &Server, number: u64, end: Instant) {
    for round in 0_u64.. {
        if Instant::now() > end {
            return;
        }
        let mut client = server.client();
        client.send(request("GET", "/naps?milliseconds=eq.100", &[]));
        let patience = 20 + (number * 13 + round * 7) % 100;
        client.wait_at_most(Duration::from_millis(patience));
        match client.try_read("GET") {
            Ok(answer) => assert_eq!(answer.status, 200, "{}", answer.text()),
            Err(ClientError::TimedOut) => client.leave("its patience is over"),
            Err(error) => panic!("{error}"),
        }
    }
}

fn stay(server: &Server, end: Instant) {
    let mut client = server.client();
    while Instant::now() < end {
        let answer = client.get("/naps?milliseconds=eq.100");
        assert_eq!(answer.text(), r#"[{"milliseconds":100,"slept":0.1}]"#);
        for _ in 0..10 {
            assert_eq!(client.get(PLANT).text(), PLANT_JSON);
        }
    }
}
