//! The wire to PostgreSQL is cut after byte n of the replies, for n = 0, 1, 2, … until a request
//! passes: every answer is right, for a read of which nothing was passed on is sent again.

use corerest_tests::client::ClientError;
use corerest_tests::cluster::Cluster;
use corerest_tests::proxy::Proxy;
use corerest_tests::server::Server;

const PLANT: &str = "/plants?select=id,name&id=eq.3";
const BODY: &str = r#"[{"id":3,"name":"Yew"}]"#;

/// More bytes than any of these flights has.
const FLIGHT_BYTES_MAX: u64 = 4000;

/// How the rows of an answer are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    /// All of them, when the transaction has ended.
    Together,
    /// As PostgreSQL sends them. On a busy machine the first may come before a cut that the last
    /// comes behind.
    AsTheyCome,
}

/// Asks with every cut until one request passes uncut; `step` leaves cuts out.
#[track_caller]
fn check_every_cut(settings: &[(&str, &str)], target: &str, body: &str, step: usize) {
    check_every_cut_of(Sent::Together, settings, target, body, step);
}

#[track_caller]
fn check_every_cut_of(
    rows: Sent,
    settings: &[(&str, &str)],
    target: &str,
    body: &str,
    step: usize,
) {
    let cluster = Cluster::shared();
    let database = cluster.database();
    let proxy = Proxy::start(cluster.socket());
    let uri = database.uri_at_port(proxy.port);
    let mut all = vec![("db-uri", &*uri), ("db-pool", "1")];
    all.extend_from_slice(settings);
    let mut server = Server::spawn(&all);
    server.await_listening();
    server.await_ready();
    let mut client = server.client();
    for bytes in (0..FLIGHT_BYTES_MAX).step_by(step) {
        // A connection is there before the bytes are counted.
        assert_eq!(client.get("/fifteen?limit=1").status, 200);
        proxy.cut_after(bytes);
        let answer = client.try_exchange("GET", target, &[]);
        let was_cut = proxy.disarm();
        let answer = match answer {
            Ok(answer) => answer,
            // What was passed on before the cut cannot be taken back; its client has seen the end.
            Err(_) if was_cut && rows == Sent::AsTheyCome => {
                client = server.client();
                continue;
            }
            Err(error) => panic!("cut after {bytes} bytes: {error}"),
        };
        let found = (answer.status, answer.text());
        assert_eq!(found, (200, body), "cut after {bytes} bytes");
        if answer.closes() {
            client = server.client();
        }
        if !was_cut {
            assert!(proxy.cuts() > 10, "nothing was cut");
            client.expect_usable();
            server.stop();
            return;
        }
    }
    panic!("no request ever passed");
}

#[test]
fn a_read_is_right_wherever_the_wire_is_cut() {
    check_every_cut(&[], PLANT, BODY, 1);
}

#[test]
fn so_is_one_row_by_row() {
    let settings = [("db-stream-rows", "true")];
    check_every_cut_of(Sent::AsTheyCome, &settings, PLANT, BODY, 1);
}

#[test]
fn so_is_a_read_with_unnamed_statements() {
    check_every_cut(&[("db-prepared-statements", "false")], PLANT, BODY, 3);
}

#[test]
fn so_is_a_read_in_an_explicit_transaction() {
    check_every_cut(&[("db-tx-end", "rollback")], PLANT, BODY, 3);
}

#[test]
fn so_is_a_read_with_a_pre_request_function() {
    check_every_cut(
        &[("db-pre-request", "private.check_request")],
        PLANT,
        BODY,
        3,
    );
}

#[test]
fn rows_that_are_cut_are_never_taken_for_all_of_them() {
    let cluster = Cluster::shared();
    let database = cluster.database();
    let proxy = Proxy::start(cluster.socket());
    let uri = database.uri_at_port(proxy.port);
    let mut server = Server::spawn(&[("db-uri", &uri), ("db-pool", "1")]);
    server.await_listening();
    server.await_ready();
    let lines: [(&str, &str); 1] = [("Accept", "application/x-ndjson")];
    let mut answered = 0;
    for bytes in (0..100_000).step_by(3_001).chain([300_000, 1_000_000]) {
        assert_eq!(server.client().get("/fifteen?limit=1").status, 200);
        proxy.cut_after(bytes);
        let mut client = server.client();
        // Nothing is read twice but what nobody has seen.
        match client.try_exchange("GET", "/huge?limit=10000&order=n", &lines) {
            Ok(answer) => {
                assert_eq!(answer.status, 200, "cut after {bytes}: {}", answer.text());
                let count = answer.text().lines().count();
                assert_eq!(count, 10_000, "cut after {bytes}");
                answered += 1;
            }
            Err(ClientError::Malformed(why)) => {
                assert!(
                    why.contains("without its last chunk"),
                    "cut after {bytes}: {why}"
                );
            }
            Err(error) => panic!("cut after {bytes}: {error}"),
        }
        proxy.disarm();
    }
    assert!(
        answered > 0 && proxy.cuts() > 20,
        "{answered}, {}",
        proxy.cuts()
    );
    server.stop();
}

#[test]
fn a_large_answer_that_is_cut_is_never_taken_for_a_whole_one() {
    let cluster = Cluster::shared();
    let database = cluster.database();
    let proxy = Proxy::start(cluster.socket());
    let uri = database.uri_at_port(proxy.port);
    let mut server = Server::spawn(&[("db-uri", &uri), ("db-pool", "1")]);
    server.await_listening();
    server.await_ready();
    for bytes in [0, 100, 1000, 100_000, 1_000_000, 5_000_000] {
        proxy.cut_after(bytes);
        let mut client = server.client();
        match client.try_exchange("GET", "/huge?limit=10000&order=n", &[]) {
            Ok(answer) if answer.status == 200 => {
                assert_eq!(
                    answer.text().matches("\"n\":").count(),
                    10_000,
                    "cut after {bytes}"
                );
            }
            Ok(answer) => assert_eq!(answer.status, 503, "cut after {bytes}: {}", answer.text()),
            // The client was promised a length and has seen that it did not come.
            Err(_) => {}
        }
        proxy.disarm();
        let mut client = server.client();
        let answer = client.get(PLANT);
        assert!(
            [200, 503].contains(&answer.status),
            "after {bytes}: {}",
            answer.text()
        );
        assert_eq!(client.get(PLANT).text(), BODY, "after {bytes}");
    }
    assert!(proxy.cuts() >= 6);
    server.stop();
}
