//! Behind a real PgBouncer, transactions of one connection go to different servers: no request
//! fails, and none is answered by the statement of another.

use corerest_tests::client::request;
use corerest_tests::cluster::{Cluster, Database};
use corerest_tests::pooler::{PoolMode, Pooler};
use corerest_tests::server::Server;
use rustix::process::Signal;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What PostgREST tells whoever should switch named statements off.
const HINT: &str = "If you are using connection poolers in transaction mode, \
                    try setting db-prepared-statements to false. ";

const CLIENTS: usize = 6;
const ROUNDS: usize = 60;

/// A table of its own for each of so many statements, in which there is a number that no other has.
fn make_tables(database: &Database, count: usize) {
    for number in 0..count {
        database.run(&format!(
            "CREATE TABLE api.only_{number} AS SELECT {number} AS n, 'x'::text AS t; \
             GRANT SELECT, INSERT, DELETE ON api.only_{number} TO PUBLIC"
        ));
    }
}

fn start(pooler: &Pooler, database: &Database, settings: &[(&str, &str)]) -> Server {
    let uri = pooler.uri(database);
    let mut all = vec![
        ("db-uri", uri.as_str()),
        ("db-pool", "6"),
        // It would hear nothing: PgBouncer does not pass notifications on.
        ("db-channel-enabled", "false"),
    ];
    all.extend_from_slice(settings);
    let mut server = Server::spawn(&all);
    server.await_listening();
    server.await_ready();
    server
}

/// Many statements at a time on several servers of the same database, each in another order.
fn check_answers(servers: &[&Server]) {
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let answered = &answered;
            let server = servers[number % servers.len()];
            scope.spawn(move || {
                let mut client = server.client();
                for round in 0..ROUNDS {
                    let table = (number * 5 + round * 7) % 12;
                    let answer = client.get(&format!("/only_{table}?select=n&t=eq.x"));
                    let expected = format!(r#"[{{"n":{table}}}]"#);
                    assert_eq!((answer.status, answer.text()), (200, &*expected));
                    let row = format!(r#"{{"n":{},"t":"{number}"}}"#, round + 100);
                    let target = format!("/only_{table}");
                    let length = row.len().to_string();
                    let mut bytes = request("POST", &target, &[("Content-Length", &length)]);
                    bytes.extend(row.as_bytes());
                    client.send(&bytes);
                    let answer = client.read("POST");
                    assert_eq!(answer.status, 201, "{}", answer.text());
                    answered.fetch_add(2, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(answered.into_inner(), 2 * CLIENTS * ROUNDS);
}

/// Each write has happened exactly once, however often it was sent.
fn check_writes(database: &Database, times: usize) {
    let tables: Vec<String> = (0..12)
        .map(|number| format!("SELECT n, t FROM api.only_{number} WHERE n >= 100"))
        .collect();
    let all = tables.join(" UNION ALL ");
    let count = database.one(&format!("SELECT count(*)::text FROM ({all}) AS rows"));
    assert_eq!(count, (times * CLIENTS * ROUNDS).to_string());
}

#[test]
fn named_statements_are_never_mixed_up_behind_a_pooler_that_does_not_know_them() {
    let cluster = Cluster::shared();
    let database = cluster.database();
    make_tables(&database, 12);
    let settings: &[&str] = match Pooler::follows_statements() {
        true => &["max_prepared_statements = 0"],
        false => &[],
    };
    let pooler = Pooler::start(cluster, PoolMode::Transaction, settings);
    let one = start(&pooler, &database, &[]);
    let other = start(&pooler, &database, &[]);
    check_answers(&[&one, &other]);
    check_writes(&database, 1);
    let line = one.stderr.wait_for(HINT);
    assert!(line.contains(r#""code":""#), "{line}");
    // New connections, among the statements that the old ones have left behind.
    one.signal(Signal::USR1);
    one.stderr.wait_for("Schema cache loaded in");
    check_answers(&[&one, &other]);
    check_writes(&database, 2);
    one.stop();
    other.stop();
}

#[test]
fn without_named_statements_a_pooler_is_not_noticed() {
    let cluster = Cluster::shared();
    let database = cluster.database();
    make_tables(&database, 12);
    let pooler = Pooler::start(cluster, PoolMode::Transaction, &[]);
    let unnamed = [("db-prepared-statements", "false")];
    let one = start(&pooler, &database, &unnamed);
    let other = start(&pooler, &database, &unnamed);
    check_answers(&[&one, &other]);
    check_writes(&database, 1);
    assert!(one.is_silent_about(HINT) && other.is_silent_about(HINT));
    let prepared = format!(
        "SELECT count(*)::text FROM pg_stat_activity WHERE datname = '{}' AND query LIKE '%only_%'",
        database.name
    );
    assert_ne!(database.one(&prepared), "0", "the pooler was not used");
    one.stop();
    other.stop();
}

/// Its sessions are somebody else's, too.
#[test]
fn nothing_is_worn_in_a_session_of_a_pooler() {
    let cluster = Cluster::shared();
    let database = cluster.database();
    let settings = ["default_pool_size = 1"];
    let pooler = Pooler::start(cluster, PoolMode::Transaction, &settings);
    let server = start(&pooler, &database, &[("db-pool", "1")]);
    let mut client = server.client();
    for _ in 0..100 {
        assert_eq!(client.get("/plants?select=id&id=eq.1").status, 200);
    }
    let mut other = postgres::Client::connect(&pooler.uri(&database), postgres::NoTls)
        .expect("the pooler is there");
    let sql = "SELECT current_setting('role') || current_setting('default_transaction_read_only')";
    let messages = other.simple_query(sql).expect("PostgreSQL is there");
    let row = messages.iter().find_map(|message| match message {
        postgres::SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    assert_eq!(row, Some("noneoff"));
    server.stop();
}

/// PgBouncer 1.21 and later know named statements; Debian 12 has an earlier one.
#[test]
fn a_pooler_that_follows_statements_is_not_noticed_either() {
    if !Pooler::follows_statements() {
        return;
    }
    let cluster = Cluster::shared();
    let database = cluster.database();
    make_tables(&database, 12);
    let settings = ["max_prepared_statements = 100"];
    let pooler = Pooler::start(cluster, PoolMode::Transaction, &settings);
    let one = start(&pooler, &database, &[]);
    let other = start(&pooler, &database, &[]);
    check_answers(&[&one, &other]);
    check_writes(&database, 1);
    assert!(one.is_silent_about(HINT) && other.is_silent_about(HINT));
    one.stop();
    other.stop();
}

/// What is one statement to a pooler works, and the rest is explained to whoever reads the log.
#[test]
fn a_pooler_in_statement_mode_is_found_out() {
    let cluster = Cluster::shared();
    let database = cluster.database();
    make_tables(&database, 1);
    let pooler = Pooler::start(cluster, PoolMode::Statement, &[]);
    let server = start(&pooler, &database, &[("db-tx-end", "rollback")]);
    let mut client = server.client();
    let answer = client.get("/only_0?select=n&t=eq.x");
    assert_eq!((answer.status, answer.text()), (200, r#"[{"n":0}]"#));
    let answer = client.get("/only_0?select=n&n=eq.x");
    assert!(answer.status >= 400, "{}", answer.text());
    let line = server
        .stderr
        .wait_for("Connection poolers in statement mode are not supported.{");
    assert!(line.contains("transaction blocks not allowed"), "{line}");
    let answer = client.get("/only_0?select=n&t=eq.x");
    assert_eq!((answer.status, answer.text()), (200, r#"[{"n":0}]"#));
    server.stop();
}
