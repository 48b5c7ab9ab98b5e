//! A real standby that follows its primary: reads are served by it, writes are refused, and when
//! it is gone, whoever else is in `db-uri` takes over, if that is wanted.

use corerest_tests::client::{Answer, Client, request};
use corerest_tests::cluster::{Cluster, Database, Stop};
use corerest_tests::server::Server;
use corerest_tests::waiting::until;
use std::sync::OnceLock;

const ON_STANDBY: &str = "/rpc/is_standby";

/// A primary, its standby, and a database with a function that tells which of them was asked.
fn start_pair() -> (Cluster, Cluster, Database) {
    let primary = Cluster::start(&["wal_writer_delay = 10ms"]);
    let database = primary.database();
    database.run(
        "CREATE FUNCTION api.is_standby() RETURNS boolean LANGUAGE sql STABLE \
         AS 'SELECT pg_is_in_recovery()'; \
         CREATE TABLE api.memos (n integer); GRANT ALL ON api.memos TO PUBLIC",
    );
    let standby = primary.start_standby();
    (primary, standby, database)
}

/// The one for tests that stop nobody.
fn shared_pair() -> &'static (Cluster, Cluster, Database) {
    static PAIR: OnceLock<(Cluster, Cluster, Database)> = OnceLock::new();
    PAIR.get_or_init(start_pair)
}

fn start(uri: &str, settings: &[(&str, &str)]) -> Server {
    let mut all = vec![("db-uri", uri)];
    all.extend_from_slice(settings);
    let mut server = Server::spawn(&all);
    server.await_listening();
    server.await_ready();
    server
}

fn post(client: &mut Client, target: &str, body: &str) -> Answer {
    let length = body.len().to_string();
    let mut bytes = request("POST", target, &[("Content-Length", &length)]);
    bytes.extend(body.as_bytes());
    client.send(&bytes);
    client.read("POST")
}

#[test]
fn reads_go_to_the_standby_and_writes_are_refused() {
    let (primary, standby, database) = shared_pair();
    // The primary comes first, and is passed over.
    let uri = database.uri_of_many(&[primary, standby], "read-only");
    let server = start(&uri, &[]);
    let mut client = server.client();
    assert_eq!(client.get(ON_STANDBY).text(), "true");
    assert_eq!(
        client.get("/plants?select=id&id=eq.1").text(),
        r#"[{"id":1}]"#
    );
    let answer = post(&mut client, "/memos", r#"{"n":1}"#);
    assert_eq!(answer.status, 405, "{}", answer.text());
    assert!(
        answer.text().contains(r#""code":"25006""#),
        "{}",
        answer.text()
    );
    let answer = post(&mut client, ON_STANDBY, "{}");
    assert_eq!((answer.status, answer.text()), (200, "true"));
    server.stop();
}

/// Nobody can listen on a standby, so the listener goes to the primary.
#[test]
fn what_the_primary_notifies_reloads_the_catalog_of_the_standby() {
    let (primary, standby, database) = shared_pair();
    let uri = database.uri_of_many(&[standby, primary], "read-only");
    let server = start(&uri, &[]);
    let mut client = server.client();
    assert_eq!(client.get("/fresh").status, 404);
    database.run("CREATE TABLE api.fresh AS SELECT 1 AS id; GRANT SELECT ON api.fresh TO PUBLIC");
    let copy = standby.copy_of(database);
    until("the standby to follow", || {
        copy.one("SELECT (to_regclass('api.fresh') IS NOT NULL)::text") == "true"
    });
    database.run("NOTIFY pgrst, 'reload schema'");
    until("the new table", || client.get("/fresh").status == 200);
    assert_eq!(client.get(ON_STANDBY).text(), "true");
    server.stop();
}

#[test]
fn the_primary_takes_over_from_a_standby_that_has_stopped_if_it_may() {
    let (primary, standby, database) = start_pair();
    let uri = database.uri_of_many(&[&standby, &primary], "prefer-standby");
    let server = start(&uri, &[("db-pool", "2")]);
    let mut client = server.client();
    assert_eq!(client.get(ON_STANDBY).text(), "true");
    standby.stop(Stop::Fast);
    until("the primary to answer", || {
        client.get(ON_STANDBY).text() == "false"
    });
    assert_eq!(post(&mut client, "/memos", r#"{"n":1}"#).status, 201);
    server.await_ready();
    standby.start_again();
    // Those who are connected to the primary stay so, until the connections are replaced.
    assert_eq!(client.get(ON_STANDBY).text(), "false");
    database.run("NOTIFY pgrst, 'reload schema'");
    until("the standby to answer", || {
        client.get(ON_STANDBY).text() == "true"
    });
    server.stop();
}

#[test]
fn without_its_standby_a_server_that_shall_only_read_waits_for_it() {
    let (primary, standby, database) = start_pair();
    let uri = database.uri_of_many(&[&standby, &primary], "read-only");
    let server = start(&uri, &[("db-pool", "2")]);
    let mut client = server.client();
    assert_eq!(client.get(ON_STANDBY).text(), "true");
    standby.stop(Stop::Immediate);
    let answer = client.get(ON_STANDBY);
    assert_eq!(answer.status, 503, "{}", answer.text());
    standby.start_again();
    until("the standby to answer", || {
        let mut client = server.client();
        let answer = client.get(ON_STANDBY);
        assert!([200, 503].contains(&answer.status), "{}", answer.text());
        answer.text() == "true"
    });
    server.await_ready();
    server.stop();
}
