//! More requests than connections to PostgreSQL: who waits, who does not, and for how long.

use corerest_tests::client::{Client, request};
use corerest_tests::cluster::{Cluster, Database};
use corerest_tests::server::Server;
use corerest_tests::waiting::until;
use std::time::{Duration, Instant};

/// A nap that is longer than any test waits, in milliseconds.
const LONG_NAP: u32 = 30_000;

const PLANT: &str = "/plants?select=id&id=eq.1";

fn nap(milliseconds: u32) -> String {
    format!("/naps?milliseconds=eq.{milliseconds}")
}

/// Starts a nap, and returns when PostgreSQL has begun with it.
fn begin_nap(server: &Server, database: &Database, milliseconds: u32, count: usize) -> Client {
    let mut client = server.client();
    client.send(request("GET", &nap(milliseconds), &[]));
    await_naps(database, count);
    client
}

/// Nobody has waited for it, or the test would not have come here.
fn give_up(napping: Client) {
    napping.leave("the test is over before it wakes up");
}

fn await_naps(database: &Database, count: usize) {
    let sql = format!(
        "SELECT count(*)::text FROM pg_stat_activity \
         WHERE datname = '{}' AND wait_event = 'PgSleep'",
        database.name
    );
    let mut session = database.connect();
    until("the nap to begin", || {
        let row = session.query_one(&sql, &[]).expect("PostgreSQL is there");
        row.get::<_, String>(0) == count.to_string()
    });
}

#[test]
fn requests_wait_in_line_and_are_all_answered() {
    let database = Cluster::shared().database();
    let server = Server::start(&database, &[("db-pool", "1")]);
    let mut napping = begin_nap(&server, &database, 1000, 1);
    let mut waiting: Vec<Client> = (0..40).map(|_| server.client()).collect();
    for client in &mut waiting {
        client.send(request("GET", PLANT, &[]));
    }
    for client in &mut waiting {
        assert_eq!(client.read("GET").text(), r#"[{"id":1}]"#);
    }
    assert_eq!(
        napping.read("GET").text(),
        r#"[{"milliseconds":1000,"slept":1}]"#
    );
    server.stop();
}

#[test]
fn requests_that_wait_too_long_get_504_at_their_own_deadline() {
    let database = Cluster::shared().database();
    let settings = [("db-pool", "1"), ("db-pool-acquisition-timeout", "1")];
    let server = Server::start(&database, &settings);
    let napping = begin_nap(&server, &database, LONG_NAP, 1);
    let mut waiting: Vec<Client> = (0..10).map(|_| server.client()).collect();
    let begin = Instant::now();
    for client in &mut waiting {
        client.send(request("GET", PLANT, &[]));
    }
    for client in &mut waiting {
        let answer = client.read("GET");
        assert_eq!(answer.status, 504, "{}", answer.text());
        assert!(answer.text().contains("PGRST003"), "{}", answer.text());
        client.expect_usable();
    }
    // One after the other, they would have waited for ten seconds.
    let took = begin.elapsed();
    let expected = Duration::from_millis(900)..Duration::from_millis(9000);
    assert!(expected.contains(&took), "{took:?}");
    give_up(napping);
    until("the connection to be free", || {
        server.client().get(PLANT).status == 200
    });
    server.stop();
}

#[test]
fn requests_that_need_no_database_are_answered_while_all_connections_are_busy() {
    let database = Cluster::shared().database();
    let server = Server::start(&database, &[("db-pool", "2")]);
    let napping = [1, 2].map(|count| begin_nap(&server, &database, LONG_NAP, count));
    let mut parked = server.client();
    parked.send(request("GET", PLANT, &[]));
    // Several clients, so that each core has some of them.
    for _ in 0..8 {
        let mut client = server.client();
        assert_eq!(client.get("/no/such/path").status, 404);
        assert_eq!(client.get("/plants?id=foo.1").status, 400);
        assert_eq!(client.get("/plant").status, 404);
        client.send("nonsense\r\n\r\n");
        assert_eq!(client.read("GET").status, 400);
    }
    assert_eq!(server.try_admin("/live"), Some(200));
    assert_eq!(server.try_admin("/ready"), Some(200));
    napping.into_iter().for_each(give_up);
    assert_eq!(parked.read("GET").status, 200);
    server.stop();
}

#[test]
fn one_busy_connection_does_not_stop_the_clients_of_any_core() {
    let database = Cluster::shared().database();
    let server = Server::start(&database, &[("db-pool", "2")]);
    let napping = begin_nap(&server, &database, LONG_NAP, 1);
    for _ in 0..16 {
        assert_eq!(server.client().get(PLANT).text(), r#"[{"id":1}]"#);
    }
    give_up(napping);
    server.stop();
}

#[test]
fn fast_requests_do_not_wait_for_slow_ones_beside_them() {
    let database = Cluster::shared().database();
    let server = Server::start(&database, &[("db-pool", "8")]);
    let napping = [1, 2, 3, 4].map(|count| begin_nap(&server, &database, LONG_NAP, count));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = server.client();
                for _ in 0..20 {
                    assert_eq!(client.get(PLANT).text(), r#"[{"id":1}]"#);
                }
            });
        }
    });
    napping.into_iter().for_each(give_up);
    server.stop();
}

#[test]
fn a_waiting_client_that_disappears_leaves_its_place_to_the_next() {
    let database = Cluster::shared().database();
    let server = Server::start(&database, &[("db-pool", "1")]);
    let mut napping = begin_nap(&server, &database, 1000, 1);
    for _ in 0..20 {
        let mut client = server.client();
        client.send(request("GET", &nap(500), &[]));
        client.leave("it disappears");
    }
    let mut last = server.client();
    last.send(request("GET", PLANT, &[]));
    assert_eq!(napping.read("GET").status, 200);
    assert_eq!(last.read("GET").text(), r#"[{"id":1}]"#);
    server.stop();
}

#[test]
fn never_more_connections_than_the_pool_allows() {
    let database = Cluster::shared().database();
    let server = Server::start(&database, &[("db-pool", "3")]);
    let sql = format!(
        "SELECT count(*)::text FROM pg_stat_activity \
         WHERE datname = '{}' AND usename = 'authenticator' AND query LIKE '%naps%'",
        database.name
    );
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                let answer = server.client().get(&nap(300));
                assert_eq!(answer.status, 200);
            });
        }
        await_naps(&database, 3);
        let count: u32 = database.one(&sql).parse().expect("it is a number");
        assert!(count <= 3, "{count} connections");
    });
    server.stop();
}
