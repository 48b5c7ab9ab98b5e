//! PostgreSQL says much before it has heard everything: a request with a large body, and before it
//! a function that raises notices. Whoever writes all before it reads waits for ever, and so does
//! PostgreSQL.

use corerest_tests::client::{Client, request};
use corerest_tests::cluster::{Cluster, Database};
use corerest_tests::proxy::Proxy;
use corerest_tests::server::Server;
use std::time::Duration;

/// Notices of a kilobyte, as many as the request says.
const SCHEMA: &str = "
    CREATE FUNCTION private.talk() RETURNS void LANGUAGE plpgsql AS $$
      DECLARE n int := coalesce(current_setting('request.headers', true)::json->>'x-notices', '0');
      BEGIN FOR i IN 1..n LOOP RAISE NOTICE '%', repeat('n', 1000); END LOOP; END $$;
    GRANT EXECUTE ON FUNCTION private.talk() TO anonymous;
    CREATE FUNCTION api.length_of(text) RETURNS int LANGUAGE sql STABLE AS 'SELECT length($1)';";

const BODY_BYTES: usize = 20_000_000;

/// Much longer than it takes.
const PATIENCE: Duration = Duration::from_secs(10);

const PLANT: &str = "/plants?select=id&id=eq.1";

fn start(uri: impl FnOnce(&Database) -> String) -> Server {
    let database = Cluster::shared().database();
    database.run(SCHEMA);
    let uri = uri(&database);
    let settings = [
        ("db-uri", &*uri),
        ("db-pool", "2"),
        ("db-pre-request", "private.talk"),
        ("server-max-body-bytes", "30000000"),
    ];
    Server::start(&database, &settings)
}

/// Sends the body, and so many notices are raised before PostgreSQL reads it.
fn send(client: &mut Client, notices: u32) {
    client.wait_at_most(PATIENCE);
    let headers = [
        ("X-Notices", &*notices.to_string()),
        ("Content-Type", "text/plain"),
        ("Content-Length", &*BODY_BYTES.to_string()),
    ];
    client.send(request("POST", "/rpc/length_of", &headers));
    client.send(vec![b'x'; BODY_BYTES]);
}

#[track_caller]
fn check_answer(client: &mut Client, notices: u32) {
    let answer = client.try_read("POST");
    let answer = answer.unwrap_or_else(|error| panic!("behind {notices} notices: {error}"));
    let expected = BODY_BYTES.to_string();
    assert_eq!((answer.status, answer.text()), (200, &*expected));
}

#[track_caller]
fn check(server: &Server, notices: u32) {
    let mut client = server.client();
    send(&mut client, notices);
    check_answer(&mut client, notices);
    client.expect_usable();
}

#[test]
fn notices_before_a_large_body_are_taken_over_a_unix_socket() {
    let server = start(Database::uri);
    for notices in [0, 50, 100, 1000] {
        check(&server, notices);
    }
    server.stop();
}

#[test]
fn two_such_requests_hold_nobody_up() {
    let server = start(Database::uri);
    let mut talking = [server.client(), server.client()];
    for client in &mut talking {
        send(client, 1000);
    }
    let mut other = server.client();
    other.wait_at_most(PATIENCE);
    for _ in 0..20 {
        assert_eq!(other.get(PLANT).status, 200);
    }
    for client in &mut talking {
        check_answer(client, 1000);
    }
    server.stop();
}

#[test]
fn notices_before_a_large_body_are_taken_over_tcp() {
    let proxy = Proxy::start(Cluster::shared().socket());
    let server = start(|database| database.uri_at_port(proxy.port));
    for notices in [0, 1000, 30_000] {
        check(&server, notices);
    }
    server.stop();
}
