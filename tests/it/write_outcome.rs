//! The wire to PostgreSQL is cut after byte n of a write, or of the replies to it, for n = 0, 1, 2,
//! … until a write passes; then the database itself is asked.
//!
//! What the client is told must be true: whoever reads 2xx has written, whoever reads an error has
//! not, or reads that nobody knows. Nothing is ever written twice.

use corerest_tests::client::Client;
use corerest_tests::cluster::Cluster;
use corerest_tests::proxy::Proxy;
use corerest_tests::server::Server;
use corerest_tests::waiting::until;

/// More bytes than any of these flights has.
const FLIGHT_BYTES_MAX: u64 = 6000;

/// A write that the database can be asked about. `{n}` stands for a number that is another one
/// each time.
#[derive(Clone, Copy)]
struct Write {
    method: &'static str,
    target: &'static str,
    prefer: &'static str,
    body: &'static str,
    /// How many times it was done, as SQL.
    done: &'static str,
}

const INSERT: Write = Write {
    method: "POST",
    target: "/diary",
    prefer: "return=minimal",
    body: r#"{"line": "{n}"}"#,
    done: "SELECT count(*)::text FROM api.diary WHERE line = '{n}'",
};
const INSERT_AND_READ: Write = Write {
    prefer: "return=representation",
    ..INSERT
};
const UPDATE: Write = Write {
    method: "PATCH",
    target: "/seeds?id=eq.1",
    prefer: "return=representation, handling=strict, max-affected=1",
    body: r#"{"packets": {n}}"#,
    done: "SELECT count(*)::text FROM api.seeds WHERE id = 1 AND packets = {n}",
};
const PUT: Write = Write {
    method: "PUT",
    target: "/shelves?rack=eq.{n}&place=eq.1",
    prefer: "return=minimal",
    body: r#"{"rack": {n}, "place": 1}"#,
    done: "SELECT count(*)::text FROM api.shelves WHERE rack = {n}",
};
const DELETE: Write = Write {
    method: "DELETE",
    target: "/numbers?n=eq.{n}",
    prefer: "return=minimal",
    body: "",
    done: "SELECT (1 - count(*))::text FROM api.numbers WHERE n = {n}",
};
const CALL: Write = Write {
    method: "POST",
    target: "/rpc/sow_many",
    prefer: "return=representation",
    body: r#"{"seeds": [{"id": {n}, "name": "sown"}]}"#,
    done: "SELECT count(*)::text FROM api.seeds WHERE id = {n}",
};

/// Which way the bytes go that are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Requests,
    Replies,
}

/// What has been seen of a run of cuts.
#[derive(Debug, Default)]
struct Tally {
    succeeded: u32,
    undone: u32,
    /// Done, and the client was told that nobody knows.
    done_unknown: u32,
}

/// Writes with every cut until one write passes uncut; `step` leaves cuts out.
#[track_caller]
fn check(settings: &[(&str, &str)], write: Write, direction: Direction, step: usize) -> Tally {
    let cluster = Cluster::shared();
    let database = cluster.database();
    database.run("GRANT DELETE ON api.numbers TO anonymous");
    let proxy = Proxy::start(cluster.socket());
    let uri = database.uri_at_port(proxy.port);
    let mut all = vec![("db-uri", &*uri), ("db-pool", "1")];
    all.extend_from_slice(settings);
    let mut server = Server::spawn(&all);
    server.await_listening();
    server.await_ready();
    let mut client = server.client();
    let mut observer = database.connect();
    let mut tally = Tally::default();
    for bytes in (0..FLIGHT_BYTES_MAX).step_by(step) {
        let number = (100 + bytes).to_string();
        // A connection is there before the bytes are counted.
        let answer = client.get("/fifteen?limit=1");
        assert!([200, 503].contains(&answer.status), "{}", answer.text());
        match direction {
            Direction::Requests => proxy.cut_requests_after(bytes),
            Direction::Replies => proxy.cut_after(bytes),
        }
        let (status, text) = send(&mut client, &server, write, &number);
        let was_cut = proxy.disarm();
        await_rest(&mut observer);
        let done = one(&mut observer, &write.done.replace("{n}", &number));
        let place = format!("{direction:?} cut after {bytes} bytes: {status} {text}: done {done}");
        match (status, &*done) {
            (200..=299, "1") => tally.succeeded += 1,
            (503, "0") => tally.undone += 1,
            (503, "1") => {
                assert!(text.contains("it is unknown whether"), "{place}");
                tally.done_unknown += 1;
            }
            _ => panic!("{place}"),
        }
        assert!(was_cut || status < 300, "{place}");
        if !was_cut {
            assert!(proxy.cuts() > 5, "nothing was cut");
            server.stop();
            return tally;
        }
    }
    panic!("no write ever passed");
}

fn send(client: &mut Client, server: &Server, write: Write, number: &str) -> (u16, String) {
    let body = write.body.replace("{n}", number);
    let target = write.target.replace("{n}", number);
    client.send(format!(
        "{} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Prefer: {}\r\nContent-Length: {}\r\n\r\n{body}",
        write.method,
        write.prefer,
        body.len()
    ));
    let answer = client.read(write.method);
    if answer.closes() {
        *client = server.client();
    }
    (answer.status, answer.text().to_owned())
}

/// Waits until nothing is being done that a client has asked for: a session whose client has gone
/// finishes what it has.
fn await_rest(observer: &mut postgres::Client) {
    let busy = "SELECT count(*)::text FROM pg_stat_activity
                 WHERE datname = current_database() AND usename = 'authenticator'
                   AND state <> 'idle'";
    until("PostgreSQL to come to rest", || one(observer, busy) == "0");
}

/// The first column of the only row.
fn one(observer: &mut postgres::Client, sql: &str) -> String {
    let row = observer.query_one(sql, &[]);
    row.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
        .get(0)
}

#[test]
fn an_insert_is_what_the_client_is_told_wherever_the_replies_are_cut() {
    let tally = check(&[], INSERT, Direction::Replies, 1);
    assert!(tally.done_unknown > 0 && tally.succeeded > 0, "{tally:?}");
}

#[test]
fn an_insert_is_what_the_client_is_told_wherever_the_request_is_cut() {
    let tally = check(&[], INSERT_AND_READ, Direction::Requests, 7);
    assert!(tally.undone > 10 && tally.done_unknown == 0, "{tally:?}");
}

#[test]
fn so_is_an_insert_with_unnamed_statements_and_a_pre_request_function() {
    let settings = [
        ("db-prepared-statements", "false"),
        ("db-pre-request", "private.check_request"),
    ];
    check(&settings, INSERT_AND_READ, Direction::Replies, 3);
    check(&settings, INSERT, Direction::Requests, 31);
}

#[test]
fn so_are_updates_puts_deletions_and_calls() {
    for write in [UPDATE, PUT, DELETE, CALL] {
        check(&[], write, Direction::Replies, 7);
        check(&[], write, Direction::Requests, 97);
    }
}
