//! Connections to PostgreSQL that go silent without ending, as behind a firewall that has
//! forgotten them: nobody waits for ever, and what works is not disturbed.

use corerest_tests::client::Client;
use corerest_tests::cluster::{Cluster, Database, Stop};
use corerest_tests::proxy::Proxy;
use corerest_tests::server::Server;
use corerest_tests::waiting::until;
use std::time::{Duration, Instant};

const PLANT: &str = "/plants?select=id&id=eq.1";

/// A server whose way to a database leads through a proxy.
struct Behind {
    database: Database,
    proxy: Proxy,
    server: Server,
}

impl Behind {
    fn start(settings: &[(&str, &str)]) -> Behind {
        let cluster = Cluster::shared();
        let database = cluster.database();
        let proxy = Proxy::start(cluster.socket());
        let uri = database.uri_at_port(proxy.port);
        let mut all = vec![("db-uri", &*uri)];
        all.extend_from_slice(settings);
        let mut server = Server::spawn(&all);
        server.await_listening();
        server.await_ready();
        Behind {
            database,
            proxy,
            server,
        }
    }

    /// How many sessions of the server do this at the moment, or have done it last.
    fn sessions(&self, state: &str, query: &str) -> String {
        self.database.one(&format!(
            "SELECT count(*)::text FROM pg_stat_activity
              WHERE usename = 'authenticator' AND datname = current_database()
                AND state = '{state}' AND query ~ '{query}'"
        ))
    }

    /// Sends requests by clients of their own, of which PostgreSQL answers each, and nobody hears
    /// it. What comes after that is heard.
    fn ask_unheard(&self, requests: &[&str]) -> Vec<Client> {
        // Connections of the pool are there before.
        let mut naps: Vec<Client> = requests.iter().map(|_| self.server.client()).collect();
        for client in &mut naps {
            client.send(get("/naps?milliseconds=eq.300"));
        }
        for client in &mut naps {
            assert_eq!(client.read("GET").status, 200);
        }
        self.proxy.freeze();
        let clients: Vec<Client> = requests
            .iter()
            .map(|request| {
                let mut client = self.server.client();
                client.send(request);
                client
            })
            .collect();
        until("PostgreSQL to have answered", || {
            self.proxy.silent() == requests.len() as u64
        });
        self.proxy.thaw();
        clients
    }
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

fn post_diary(line: &str) -> String {
    let body = format!(r#"{{"line":"{line}"}}"#);
    format!(
        "POST /diary HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Prefer: return=minimal\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The whole pool is silent. Its sessions are found to have nothing to do, so the reads are asked
/// again, and of the write nobody knows.
#[test]
fn a_silent_pool_is_found_out() {
    let behind = Behind::start(&[("db-pool", "3"), ("db-channel-enabled", "false")]);
    let mut clients = behind.ask_unheard(&[&get(PLANT), &get(PLANT), &post_diary("unheard")]);
    for client in &mut clients[..2] {
        let answer = client.read("GET");
        assert_eq!((answer.status, answer.text()), (200, r#"[{"id":1}]"#));
    }
    let answer = clients[2].read("POST");
    assert_eq!(answer.status, 503);
    assert!(
        answer.text().contains("it is unknown whether"),
        "{}",
        answer.text()
    );
    assert_eq!(behind.server.client().get(PLANT).status, 200);
    behind.server.stop();
}

/// One that is at work for long is left alone.
#[test]
fn a_slow_query_is_not_taken_for_a_silent_connection() {
    let behind = Behind::start(&[("db-pool", "1"), ("db-channel-enabled", "false")]);
    let mut client = behind.server.client();
    let answer = client.get("/naps?milliseconds=eq.14000");
    assert_eq!(answer.status, 200, "{}", answer.text());
    behind.server.stop();
}

/// The clients of silent connections leave. PostgreSQL is asked to cancel, and says nothing to
/// that either; the connection is not waited for.
#[test]
fn a_silent_connection_whose_client_has_left_is_dropped() {
    let settings = [("db-pool", "1"), ("db-pool-acquisition-timeout", "30")];
    let behind = Behind::start(&settings);
    let clients = behind.ask_unheard(&[&get(PLANT)]);
    for client in clients {
        client.leave("it has waited for long enough");
    }
    assert_eq!(behind.server.client().get(PLANT).status, 200);
    // The other way to find out takes twice as long.
    assert!(behind.server.is_silent_about("lost without a word"));
    behind.server.stop();
}

/// A load of the catalog is under way when its connection goes silent.
#[test]
fn a_control_plane_that_is_silent_is_found_out() {
    let sleep = [("internal-schema-cache-query-sleep", "300")];
    let behind = Behind::start(&sleep);
    behind.database.run("NOTIFY pgrst");
    until("the load to begin", || {
        behind.sessions("active", "pg_sleep") == "1"
    });
    behind.proxy.freeze();
    until("the load to end", || {
        behind.sessions("active", "pg_sleep") == "0"
    });
    behind.proxy.thaw();
    behind
        .database
        .run("CREATE TABLE api.news (id int); GRANT ALL ON api.news TO anonymous; NOTIFY pgrst");
    let mut client = behind.server.client();
    until("the catalog to be loaded", || {
        client.get("/news").status == 200
    });
    behind.server.stop();
}

/// Listener and control plane are connected, and hear nothing after that.
#[test]
fn a_start_into_silence_comes_to_an_end() {
    let cluster = Cluster::shared();
    let database = cluster.database();
    let proxy = Proxy::start(cluster.socket());
    let uri = database.uri_at_port(proxy.port);
    proxy.freeze_after_startup();
    let mut server = Server::spawn(&[("db-uri", &*uri)]);
    until("both to be asked", || proxy.silent() >= 2);
    proxy.thaw();
    server.await_listening();
    server.await_ready();
    assert_eq!(server.client().get(PLANT).status, 200);
    server.stop();
}

/// When PostgreSQL is back, whoever asks whether the server is ready makes it look.
#[test]
fn readiness_follows_the_truth() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    let server = Server::start(&database, &[]);
    cluster.stop(Stop::Fast);
    server.stderr.wait_for("database in 8 seconds...");
    cluster.start_again();
    let begin = Instant::now();
    server.await_ready();
    assert!(
        begin.elapsed() < Duration::from_secs(4),
        "{:?}",
        begin.elapsed()
    );
    server.stop();
}

/// What the login role may not exceed is for requests.
#[test]
fn the_catalog_takes_longer_than_a_statement_may() {
    let database = Cluster::shared().database();
    // So many that it takes PostgreSQL a tenth of a second to list them.
    database.run(
        "DO $$ BEGIN FOR n IN 1..500 LOOP
           EXECUTE format('CREATE TABLE api.many_%s (id int PRIMARY KEY, a int, b text)', n);
         END LOOP; END $$",
    );
    database.run(&format!(
        "ALTER ROLE authenticator IN DATABASE {} SET statement_timeout = '40ms'",
        database.name
    ));
    let server = Server::start(&database, &[]);
    let answer = server.client().get("/naps?milliseconds=eq.5000");
    assert_eq!(answer.status, 500, "{}", answer.text());
    assert!(answer.text().contains("57014"), "{}", answer.text());
    server.stop();
}

/// Somebody finds out also while the server ends.
#[test]
fn a_silent_write_does_not_hold_up_the_end() {
    let mut behind = Behind::start(&[("db-pool", "1"), ("db-channel-enabled", "false")]);
    let mut clients = behind.ask_unheard(&[&post_diary("unheard at the end")]);
    behind.server.signal(rustix::process::Signal::TERM);
    let answer = clients[0].read("POST");
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.closes());
    // A second signal would end it at once.
    assert_eq!(behind.server.await_exit().code(), Some(0));
}
