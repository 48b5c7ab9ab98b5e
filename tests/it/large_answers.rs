//! Large answers are begun by a few at a time, so that whoever wants little has a connection.

use corerest_tests::client::{Client, request};
use corerest_tests::cluster::{Cluster, Database};
use corerest_tests::server::Server;
use corerest_tests::waiting::until;

const PLANT: &str = "/plants?select=id&id=eq.1";
const PLANT_JSON: &str = r#"[{"id":1}]"#;

/// How many may be begun at a time on a core with three connections to a PostgreSQL beside it.
const AT_ONCE: i64 = 2;

/// An answer of so many bytes, which is held up as long as somebody has the lock.
const FUNCTION: &str = "
    CREATE FUNCTION api.held_up(bytes integer) RETURNS text LANGUAGE plpgsql STABLE AS $$
      BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN repeat('x', bytes); END $$;";

const LARGE: &str = "/rpc/held_up?bytes=100000";

fn start() -> (Database, Server) {
    let database = Cluster::shared().database();
    database.run(FUNCTION);
    let settings = [("db-pool", "3"), ("server-cores", "1")];
    let server = Server::start(&database, &settings);
    (database, server)
}

/// The requests that PostgreSQL has begun with, and that are held up there.
fn held_up(session: &mut postgres::Client) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND wait_event = 'advisory'";
    let row = session.query_one(sql, &[]).expect("PostgreSQL is there");
    row.get(0)
}

fn ask(server: &Server, target: &str) -> Client {
    let mut client = server.client();
    client.send(request("GET", target, &[]));
    client
}

/// Eight clients ask, of whom a few are begun with and held up, and others have their answers
/// meanwhile. Those who have asked go on then.
#[track_caller]
fn check_others_beside(
    server: &Server,
    session: &mut postgres::Client,
    target: &str,
) -> Vec<Client> {
    session
        .execute("SELECT pg_advisory_lock(4711)", &[])
        .unwrap();
    let clients = (0..8).map(|_| ask(server, target)).collect();
    until("as many to be begun as may be", || {
        held_up(session) == AT_ONCE
    });
    for _ in 0..20 {
        assert_eq!(server.client().get(PLANT).text(), PLANT_JSON);
    }
    assert_eq!(held_up(session), AT_ONCE);
    session
        .execute("SELECT pg_advisory_unlock(4711)", &[])
        .unwrap();
    clients
}

#[test]
fn clients_who_want_large_answers_leave_a_connection_to_the_others() {
    let (database, server) = start();
    let mut session = database.connect();
    // The shape is noted, learned, and used; the third answer shows how large it is.
    for _ in 0..3 {
        assert_eq!(server.client().get(LARGE).status, 200);
    }
    let mut large = check_others_beside(&server, &mut session, LARGE);
    for client in &mut large {
        assert_eq!(client.read("GET").text().len(), 100_002);
    }
    server.stop();
}

/// The server makes them, so they take its own time, and memory, whoever asks.
#[test]
fn clients_who_want_descriptions_leave_a_connection_to_the_others() {
    let database = Cluster::shared().database();
    database.run(
        "CREATE FUNCTION api.gate() RETURNS void LANGUAGE plpgsql AS $$
           BEGIN IF current_setting('request.path') = '/' THEN
             PERFORM pg_advisory_xact_lock_shared(4711); END IF; END $$",
    );
    let settings = [
        ("db-pool", "3"),
        ("server-cores", "1"),
        ("db-pre-request", "api.gate"),
    ];
    let server = Server::start(&database, &settings);
    let mut session = database.connect();
    let mut descriptions = check_others_beside(&server, &mut session, "/");
    for client in &mut descriptions {
        assert_eq!(client.read("GET").status, 200);
    }
    server.stop();
}

/// A small answer is what the last request of the shape had.
#[test]
fn what_has_become_small_is_no_longer_held_back() {
    let (database, server) = start();
    let mut session = database.connect();
    for target in [LARGE, LARGE, LARGE, "/rpc/held_up?bytes=1"] {
        assert_eq!(server.client().get(target).status, 200);
    }
    session
        .execute("SELECT pg_advisory_lock(4711)", &[])
        .unwrap();
    let mut small: Vec<Client> = (0..3)
        .map(|_| ask(&server, "/rpc/held_up?bytes=1"))
        .collect();
    until("all to be begun", || held_up(&mut session) == 3);
    session
        .execute("SELECT pg_advisory_unlock(4711)", &[])
        .unwrap();
    for client in &mut small {
        assert_eq!(client.read("GET").text(), "\"x\"");
    }
    server.stop();
}
