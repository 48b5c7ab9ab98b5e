//! Bodies that come in parts: all of their rows are written, or none; what is wrong is told with
//! its line; and a client who sends slowly, leaves or lies costs nobody anything.

use corerest_tests::client::{Answer, Client, request};
use corerest_tests::cluster::{Cluster, Database};
use corerest_tests::server::Server;
use corerest_tests::waiting::until;
use std::fmt::Write;
use std::time::Duration;

const NDJSON: (&str, &str) = ("Content-Type", "application/x-ndjson");
const CSV: (&str, &str) = ("Content-Type", "text/csv");

const SCHEMA: &str = "
    CREATE SCHEMA store;
    CREATE TABLE store.rows (id int PRIMARY KEY, line text DEFAULT 'none', at int);
    CREATE TABLE store.loud (id int PRIMARY KEY, line text);
    CREATE TABLE store.flights (count int);
    CREATE FUNCTION store.note() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO store.flights SELECT count(*) FROM new_rows;
        PERFORM set_config('response.headers', '[{\"X-Who\": \"' || current_user || '\"}]', true);
        RETURN NULL;
      END $$;
    CREATE TRIGGER note AFTER INSERT ON store.loud REFERENCING NEW TABLE AS new_rows
      FOR EACH STATEMENT EXECUTE FUNCTION store.note();
    CREATE TABLE store.late (id int, UNIQUE (id) DEFERRABLE INITIALLY DEFERRED);
    CREATE TABLE store.own (id int, owner text DEFAULT current_user);
    ALTER TABLE store.own ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON store.own USING (true) WITH CHECK (id < 1000000);
    CREATE TABLE store.slow (id int, line text);
    CREATE FUNCTION store.nap() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN PERFORM pg_sleep(30); RETURN NULL; END $$;
    CREATE TRIGGER nap AFTER INSERT ON store.slow FOR EACH STATEMENT EXECUTE FUNCTION store.nap();
    GRANT USAGE ON SCHEMA store TO anonymous;
    GRANT ALL ON ALL TABLES IN SCHEMA store TO anonymous;";

fn start(settings: &[(&str, &str)]) -> (Database, Server) {
    let database = Cluster::shared().database();
    database.run(SCHEMA);
    database.run(KINDS);
    let mut all = vec![
        ("db-schemas", "store"),
        ("db-pool", "4"),
        ("log-level", "info"),
    ];
    all.extend_from_slice(settings);
    let server = Server::start(&database, &all);
    (database, server)
}

/// The head of an upload whose body comes in chunks.
fn head(target: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut all = vec![("Transfer-Encoding", "chunked")];
    all.extend_from_slice(headers);
    request("POST", target, &all)
}

fn chunk(data: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", data.len()).into_bytes();
    chunk.extend_from_slice(data);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

/// Lines of JSON with these numbers, of about 100 bytes each.
fn lines(ids: std::ops::Range<u32>) -> String {
    let mut text = String::new();
    for id in ids {
        let line = "x".repeat(70);
        writeln!(text, r#"{{"id":{id},"line":"{line}"}}"#).expect("a string takes all");
    }
    text
}

/// Two parts, of which the second repeats a number of the first.
fn late() -> String {
    let ids = (0..100_000).chain(7..8);
    ids.map(|id| format!("{{\"id\":{id}}}\n")).collect()
}

/// As many as make five parts.
const MANY: u32 = 50_000;

#[track_caller]
fn post(client: &mut Client, target: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
    let length = body.len().to_string();
    let mut all = vec![("Content-Length", &*length)];
    all.extend_from_slice(headers);
    client.send(request("POST", target, &all));
    // A refused one need not be read to its end.
    let _ = client.try_send(body.as_bytes());
    client.read("POST")
}

#[track_caller]
fn check_count(database: &Database, table: &str, count: u32) {
    let sql = format!("SELECT count(*)::text FROM store.{table}");
    assert_eq!(database.one(&sql), count.to_string(), "rows of {table}");
}

/// Whether no session of the server has a transaction open.
fn is_quiet(database: &Database) -> bool {
    let sql = "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() \
               AND pid <> pg_backend_pid() AND backend_type = 'client backend' \
               AND (state <> 'idle' OR wait_event = 'PgSleep')";
    database.one(sql) == "0"
}

/// Sessions that are in a transaction and wait for more.
fn waiting(database: &Database) -> usize {
    let sql = "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() \
               AND state = 'idle in transaction'";
    database.one(sql).parse().expect("it is a number")
}

#[test]
fn lines_of_any_number_are_written_in_one_transaction() {
    let (database, server) = start(&[]);
    let mut client = server.client();
    let body = lines(0..MANY);
    let answer = post(&mut client, "/rows", &body, &[NDJSON]);
    assert_eq!((answer.status, answer.text()), (201, ""));
    assert_eq!(answer.header("Content-Range"), Some("*/*"));
    check_count(&database, "rows", MANY);
    let transactions = "SELECT count(DISTINCT xmin::text)::text FROM store.rows";
    assert_eq!(database.one(transactions), "1");
    let wrong = "SELECT count(*)::text FROM store.rows WHERE line <> repeat('x', 70)";
    assert_eq!(database.one(wrong), "0");
    // The connection goes on, and so it does in chunks, however they are cut.
    client.send(head(
        "/rows?select=id",
        &[NDJSON, ("Prefer", "count=exact")],
    ));
    for piece in lines(MANY..2 * MANY).as_bytes().chunks(99_991) {
        client.send(chunk(piece));
    }
    client.send("0\r\n\r\n");
    let answer = client.read("POST");
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.header("Content-Range"), Some("*/50000"));
    assert_eq!(answer.header("Preference-Applied"), Some("count=exact"));
    check_count(&database, "rows", 2 * MANY);
    assert_eq!(
        client.get("/rows?id=eq.7&select=id").text(),
        r#"[{"id":7}]"#
    );
    server.stop();
}

#[test]
fn a_short_body_is_an_array_like_any_other() {
    let (database, server) = start(&[]);
    let mut client = server.client();
    let full = ("Prefer", "return=representation");
    let body = "\u{feff}{\"id\":1,\"line\":\"a\"}\r\n\n  {\"line\":\"b\",\"id\":2}  ";
    for content_type in ["application/x-ndjson", "application/jsonl; charset=utf-8"] {
        let answer = post(
            &mut client,
            "/rows?select=id,line",
            body,
            &[("Content-Type", content_type), full],
        );
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_eq!(
            answer.text(),
            "[{\"id\":1,\"line\":\"a\"}, \n {\"id\":2,\"line\":\"b\"}]"
        );
        database.run("TRUNCATE store.rows");
    }
    let answer = post(&mut client, "/rows", "", &[NDJSON, full]);
    assert_eq!((answer.status, answer.text()), (201, "[]"));
    let answer = post(&mut client, "/rows", "{\"id\":1}\n{\"id\":2,}\n", &[NDJSON]);
    assert_eq!(answer.status, 400);
    let place = r#""details":"Line 2 of the body, at byte 17""#;
    assert!(answer.text().contains(place), "{}", answer.text());
    for (method, target) in [("PATCH", "/rows?id=eq.1"), ("PUT", "/rows?id=eq.1")] {
        let answer = client.exchange(method, target, &[NDJSON]);
        assert_eq!(answer.status, 400, "{method}");
        assert!(
            answer.text().contains("Content-Type not acceptable"),
            "{method}"
        );
    }
    check_count(&database, "rows", 0);
    server.stop();
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_nothing_remains() {
    let (database, server) = start(&[]);
    let good = lines(0..MANY);
    let check = |body: &str, status: u16, expected: &[&str]| {
        let mut client = server.client();
        let answer = post(&mut client, "/rows", body, &[NDJSON]);
        assert_eq!(answer.status, status, "{}", answer.text());
        for part in expected {
            assert!(answer.text().contains(part), "{part}: {}", answer.text());
        }
        assert_eq!(
            answer.header("Content-Type"),
            Some("application/json; charset=utf-8")
        );
        client.leave("its body may be wanted no more");
        until("the transaction to end", || is_quiet(&database));
        check_count(&database, "rows", 0);
    };
    let place = format!("Line {} of the body, at byte {}\"", MANY + 1, good.len());
    check(
        &format!("{good}[1]\n{}", lines(MANY..2 * MANY)),
        400,
        &["PGRST102", &place],
    );
    check(
        &format!("{good}{{\"id\":1}}\n"),
        400,
        &["All object keys must match", &place],
    );
    check(&format!("{good}{{\"id\":"), 400, &["Empty or invalid json"]);
    check(
        &format!("[1]\n{good}"),
        400,
        &["Line 1 of the body, at byte 0\""],
    );
    check(&format!("{{\"no\":1}}\n{good}"), 400, &["PGRST204", "no"]);
    // Twice the same key, in the last part, which PostgreSQL finds.
    check(
        &format!("{good}{}", lines(7..8)),
        409,
        &[
            "23505",
            "Key (id)=(7) already exists.",
            "It is about one of the lines ",
            "50001, in the bytes ",
        ],
    );
    check(
        &format!("{good}{{\"id\":1.5,\"line\":null}}\n"),
        400,
        &["22P02"],
    );
    let long = format!("{good}{{\"id\":1,\"line\":\"{}\"}}", "y".repeat(9 << 20));
    check(
        &long,
        400,
        &["A record is longer than 8388608 bytes", "Line 50001 of"],
    );
    check(
        &" \n".repeat(5 << 20),
        400,
        &["There is no object in the first"],
    );
    server.stop();
}

#[test]
fn what_is_told_by_the_framing_ends_it_too() {
    let (database, server) = start(&[]);
    let mut client = server.client();
    client.send(head("/rows", &[NDJSON]));
    client.send(chunk(lines(0..MANY).as_bytes()));
    until("the transaction to be open", || waiting(&database) == 1);
    client.send("this is no size\r\n");
    assert_eq!(client.read("POST").status, 400);
    until("the transaction to end", || is_quiet(&database));
    check_count(&database, "rows", 0);
    server.stop();
}

#[test]
fn a_client_that_leaves_leaves_nothing() {
    let (database, server) = start(&[]);
    let body = lines(0..MANY);
    for part in 0..20 {
        let mut client = server.client();
        let length = body.len().to_string();
        client.send(request(
            "POST",
            "/rows",
            &[NDJSON, ("Content-Length", &length)],
        ));
        client.send(&body.as_bytes()[..body.len() * part / 20]);
        if body.len() * part / 20 > 1 << 20 {
            until("the transaction to be open", || waiting(&database) == 1);
        }
        match part % 2 {
            0 => client.reset("it is not there any more"),
            _ => client.leave("it is not there any more"),
        }
        until("the transaction to end", || is_quiet(&database));
        check_count(&database, "rows", 0);
    }
    let uploads = || {
        let lines = server.stdout.lines();
        lines.iter().filter(|line| line.contains("\" 499 ")).count()
    };
    until("the log to say so", || uploads() >= 10);
    assert_eq!(server.client().get("/rows").text(), "[]");
    server.stop();
}

#[test]
fn a_client_that_says_nothing_more_or_too_little_is_answered() {
    let (database, server) = start(&[("server-body-timeout", "1")]);
    for dribbles in [false, true] {
        let mut client = server.client();
        client.send(head("/rows", &[NDJSON]));
        client.send(chunk(lines(0..MANY).as_bytes()));
        until("the transaction to be open", || waiting(&database) == 1);
        // The reader of the answer and the one who sends are the same.
        client.wait_at_most(Duration::from_millis(50));
        let answer = corerest_tests::waiting::until_some("an answer", || {
            if dribbles {
                let _ = client.try_send(&chunk(b" \n"));
            }
            client.try_read("POST").ok()
        });
        assert_eq!(answer.status, 408);
        until("the transaction to end", || is_quiet(&database));
        check_count(&database, "rows", 0);
    }
    server.stop();
}

#[test]
fn others_find_connections_while_there_are_uploads() {
    let (database, server) = start(&[("server-cores", "1")]);
    let mut clients: Vec<Client> = (0..3)
        .map(|number| {
            let mut client = server.client();
            client.send(head("/rows", &[NDJSON]));
            client.send(chunk(lines(number * MANY..(number + 1) * MANY).as_bytes()));
            client
        })
        .collect();
    until("the transactions to be open", || waiting(&database) == 3);
    let mut refused = server.client();
    refused.send(head("/rows", &[NDJSON]));
    let _ = refused.try_send(&chunk(lines(0..MANY).as_bytes()));
    let answer = refused.read("POST");
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.text().contains("PGRSTX03") && answer.text().contains("There may be 3"));
    assert!(answer.header("Retry-After").is_some());
    refused.leave("its body is not wanted");
    for _ in 0..20 {
        assert_eq!(server.client().get("/rows").text(), "[]");
    }
    for client in &mut clients {
        client.send("0\r\n\r\n");
        assert_eq!(client.read("POST").status, 201);
    }
    check_count(&database, "rows", 3 * MANY);
    server.stop();
}

#[test]
fn a_stop_ends_an_upload_and_says_so() {
    let (database, mut server) = start(&[]);
    let mut client = server.client();
    client.send(head("/rows", &[NDJSON]));
    client.send(chunk(lines(0..MANY).as_bytes()));
    until("the transaction to be open", || waiting(&database) == 1);
    server.signal(rustix::process::Signal::TERM);
    let answer = client.read("POST");
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("PGRSTX04"), "{}", answer.text());
    client.leave("the server is gone");
    assert!(server.await_exit().success());
    until("the transaction to end", || is_quiet(&database));
    check_count(&database, "rows", 0);
}

#[test]
fn a_client_that_leaves_while_postgresql_is_at_work_has_it_stopped() {
    let (database, server) = start(&[]);
    let mut client = server.client();
    client.send(head("/rows", &[NDJSON]));
    client.send(chunk(lines(0..MANY).as_bytes()));
    until("the transaction to be open", || waiting(&database) == 1);
    // Somebody else has the next row, so PostgreSQL waits for him.
    let mut other = database.connect();
    let mut transaction = other.transaction().expect("it begins");
    transaction
        .execute("INSERT INTO store.rows (id) VALUES (50000)", &[])
        .expect("it is free");
    client.send(chunk(lines(MANY..MANY + 15_000).as_bytes()));
    let is_blocked = || {
        let sql = "SELECT count(*)::text FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                   AND datname = current_database()";
        database.one(sql) == "1"
    };
    until("PostgreSQL to wait", is_blocked);
    client.leave("it is not there any more");
    until("PostgreSQL to wait no more", || !is_blocked());
    drop(transaction);
    until("the transaction to end", || is_quiet(&database));
    check_count(&database, "rows", 0);
    server.stop();
}

#[test]
fn upserts_columns_defaults_and_counts_are_those_of_other_inserts() {
    let (database, server) = start(&[]);
    let mut client = server.client();
    let body = lines(0..MANY);
    let with = |client: &mut Client, target: &str, body: &str, prefer: &str| {
        let answer = post(client, target, body, &[NDJSON, ("Prefer", prefer)]);
        let range = answer.header("Content-Range").map(str::to_owned);
        (answer.status, range.unwrap_or_default())
    };
    let merge = "resolution=merge-duplicates, count=exact";
    let counted = "*/50000".to_owned();
    assert_eq!(
        with(&mut client, "/rows", &body, merge),
        (201, counted.clone())
    );
    // All of them were there.
    assert_eq!(
        with(&mut client, "/rows?on_conflict=id", &body, merge),
        (200, counted)
    );
    let ignore = "resolution=ignore-duplicates, count=exact";
    let half = lines(MANY / 2..MANY + MANY / 2);
    let new = "*/25000".to_owned();
    assert_eq!(with(&mut client, "/rows", &half, ignore), (201, new));
    check_count(&database, "rows", MANY + MANY / 2);
    database.run("TRUNCATE store.rows");
    // Keys that nobody wants, and a column that some have not.
    let mixed: String = (0..MANY)
        .map(|id| match id % 2 {
            0 => format!("{{\"id\":{id},\"more\":\"{}\"}}\n", "z".repeat(60)),
            _ => format!("{{\"at\":7,\"line\":\"mine\",\"id\":{id}}}\n"),
        })
        .collect();
    let target = "/rows?columns=id,line";
    assert_eq!(with(&mut client, target, &mixed, "missing=default").0, 201);
    let found = "SELECT string_agg(DISTINCT id % 2 || coalesce(line, '') || coalesce(at, 0), ',') \
                 FROM store.rows";
    assert_eq!(database.one(found), "0none0,1mine0");
    database.run("TRUNCATE store.rows");
    let rollback = [NDJSON, ("Prefer", "tx=rollback, count=exact")];
    let (other, rolled) = start(&[("db-tx-end", "commit-allow-override")]);
    let answer = post(&mut rolled.client(), "/rows", &body, &rollback);
    assert_eq!(
        (answer.status, answer.header("Content-Range")),
        (201, Some("*/50000"))
    );
    check_count(&other, "rows", 0);
    let answer = post(&mut rolled.client(), "/late", &late(), &rollback);
    assert_eq!(answer.status, 409, "{}", answer.text());
    rolled.stop();
    server.stop();
}

#[test]
fn the_number_of_rows_and_deferred_constraints_are_checked_before_the_end() {
    let (database, server) = start(&[]);
    let mut client = server.client();
    let singular = ("Accept", "application/vnd.pgrst.object+json");
    let answer = post(&mut client, "/rows", &lines(0..MANY), &[NDJSON, singular]);
    assert_eq!(answer.status, 406, "{}", answer.text());
    assert!(
        answer.text().contains("The result contains 50000 rows"),
        "{}",
        answer.text()
    );
    check_count(&database, "rows", 0);
    let answer = post(&mut client, "/late", &late(), &[NDJSON]);
    assert_eq!(answer.status, 409, "{}", answer.text());
    check_count(&database, "late", 0);
    let one = format!("{{\"id\":1,\"line\":\"{}\"}}\n", "w".repeat(3 << 20));
    let headers_only = ("Prefer", "return=headers-only");
    let answer = post(
        &mut client,
        "/rows",
        &one,
        &[NDJSON, headers_only, singular],
    );
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.header("Location"), Some("/rows?id=eq.1"));
    let answer = post(
        &mut client,
        "/rows",
        &lines(2..MANY),
        &[NDJSON, headers_only],
    );
    assert_eq!((answer.status, answer.header("Location")), (201, None));
    let full = ("Prefer", "return=representation");
    let answer = post(&mut client, "/rows", &lines(0..MANY), &[NDJSON, full]);
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(
        answer.text().contains("So many rows cannot be returned"),
        "{}",
        answer.text()
    );
    server.stop();
}

#[test]
fn roles_policies_and_what_sql_says_count_as_for_other_writes() {
    let (database, server) = start(&[("db-session-reset", "touched")]);
    let mut client = server.client();
    let answer = post(&mut client, "/loud", &lines(0..MANY), &[NDJSON]);
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.header("X-Who"), Some("anonymous"));
    // A trigger for statements is called for each part.
    let parts: u32 = database
        .one("SELECT count(*)::text FROM store.flights")
        .parse()
        .expect("it is a number");
    assert!((4..=8).contains(&parts), "{parts}");
    let body: String = (950_000..1_100_000)
        .map(|id| format!("{{\"id\":{id}}}\n"))
        .collect();
    let answer = post(&mut client, "/own", &body, &[NDJSON]);
    assert_eq!(answer.status, 401, "{}", answer.text());
    assert!(answer.text().contains("42501"), "{}", answer.text());
    check_count(&database, "own", 0);
    server.stop();
}

#[test]
fn csv_beyond_what_is_taken_as_a_whole_comes_in_parts() {
    let (database, server) = start(&[]);
    let mut client = server.client();
    let row = |id: u32| {
        format!(
            "{id},\"a, \"\"b\"\"\nsecond {}\",NULL\r\n",
            "line ".repeat(10)
        )
    };
    let rows: String = (0..MANY).map(row).collect();
    let counted = ("Prefer", "count=exact");
    let answer = post(
        &mut client,
        "/rows",
        &format!("id,line,at\n{rows}"),
        &[CSV, counted],
    );
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.header("Content-Range"), Some("*/50000"));
    let right = format!("a, \"b\"\nsecond {}", "line ".repeat(10));
    let wrong =
        format!("SELECT count(*)::text FROM store.rows WHERE line <> '{right}' OR at IS NOT NULL");
    assert_eq!(database.one(&wrong), "0");
    database.run("TRUNCATE store.rows");
    // What is wrong is told with its line; each row has two.
    let answer = post(
        &mut client,
        "/rows",
        &format!("id,line,at\n{rows}1,2\n"),
        &[CSV],
    );
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(
        answer
            .text()
            .contains("All lines must have same number of fields")
    );
    assert!(
        answer.text().contains("Line 100002 of the body"),
        "{}",
        answer.text()
    );
    let mut client = server.client();
    let answer = post(
        &mut client,
        "/rows",
        &format!("id,line,at\n{rows}1,a\"b,2\n"),
        &[CSV],
    );
    assert!(
        answer.text().contains("Line 100002 of the body"),
        "{}",
        answer.text()
    );
    client.leave("its body may be wanted no more");
    check_count(&database, "rows", 0);
    // With the rows it is still taken as a whole.
    let mut client = server.client();
    let full = ("Prefer", "return=representation");
    let answer = post(
        &mut client,
        "/rows?select=id",
        &format!("id,line,at\n{rows}"),
        &[CSV, full],
    );
    assert_eq!(answer.status, 201);
    assert!(answer.text().ends_with("{\"id\":49999}]"));
    server.stop();
}

#[test]
fn memory_does_not_depend_on_the_length() {
    let (database, server) = start(&[("server-max-memory", "33554432"), ("db-pool", "2")]);
    let mut client = server.client();
    assert_eq!(
        post(&mut client, "/loud", &lines(0..MANY), &[NDJSON]).status,
        201
    );
    database.run("TRUNCATE store.loud");
    let before = server.resident_bytes();
    client.send(head("/loud?columns=id", &[NDJSON]));
    let line = format!("\"line\":\"{}\"}}\n", "x".repeat(1000));
    for piece in 0..1000_u32 {
        let ids = piece * 100..(piece + 1) * 100;
        let piece: String = ids.map(|id| format!("{{\"id\":{id},{line}")).collect();
        client.send(chunk(piece.as_bytes()));
    }
    client.send("0\r\n\r\n");
    let answer = client.read("POST");
    assert_eq!(answer.status, 201, "{}", answer.text());
    check_count(&database, "loud", 100_000);
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 16 << 20, "{} KiB", grown >> 10);
    server.stop();
}

#[test]
fn a_connection_that_is_lost_in_the_middle_leaves_nothing() {
    let (database, server) = start(&[]);
    let end_sessions = "SELECT count(pg_terminate_backend(pid))::text FROM pg_stat_activity \
                        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let mut client = server.client();
    client.send(head("/rows", &[NDJSON]));
    client.send(chunk(lines(0..MANY).as_bytes()));
    until("the transaction to be open", || waiting(&database) == 1);
    database.one(end_sessions);
    let _ = client.try_send(&chunk(lines(MANY..2 * MANY).as_bytes()));
    let answer = client.read("POST");
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.text().contains("PGRST001"), "{}", answer.text());
    client.leave("its body is not wanted any more");
    until("the transaction to end", || is_quiet(&database));
    check_count(&database, "rows", 0);
    // One that has died while it was idle costs nobody anything.
    assert_eq!(server.client().get("/rows").status, 200);
    database.one(end_sessions);
    let answer = post(&mut server.client(), "/rows", &lines(0..MANY), &[NDJSON]);
    assert_eq!(answer.status, 201, "{}", answer.text());
    check_count(&database, "rows", MANY);
    server.stop();
}

/// Every type that is read from an array of its column, and some that are not.
const KINDS: &str = "
    CREATE TYPE store.mood AS ENUM ('sad', 'happy, \"so\"');
    CREATE DOMAIN store.small AS int CHECK (VALUE < 100);
    CREATE TABLE store.kinds (
      n int, i2 smallint, i8 bigint, num numeric, num2 numeric(8,2), f4 real, f8 double precision,
      t text, v varchar(9), c char(4), b boolean, u uuid, d date, tm time, tmz timetz,
      ts timestamp(3), tz timestamptz, iv interval, by bytea, ip inet, net cidr, mac macaddr,
      j json, jb jsonb,
      mood store.mood);
    CREATE TABLE store.kinds_of_others (LIKE store.kinds, list int[], small store.small);
    CREATE TABLE store.kinds_by_lines (LIKE store.kinds);
    CREATE TABLE store.kinds_of_others_by_lines (LIKE store.kinds_of_others);
    GRANT ALL ON ALL TABLES IN SCHEMA store TO anonymous;";

/// Objects with these members, and none of the others.
const DIFFICULT: [&str; 11] = [
    r#""i2":-7,"i8":9223372036854775807,"num":1e400,"num2":1.005,"f4":0.1,"f8":1e-300"#,
    r#""t":"a \"b\" \\ {,} \u001e\u001e\n","v":"NULL","c":"""#,
    r#""b":true,"u":"0E984725-C51C-4BF4-9960-E1C80E27ABA0""#,
    r#""d":"2024-02-29","tm":"23:59:60","tmz":"01:02:03+04""#,
    r#""ts":"2024-01-01T00:00:00.1239","tz":"now""#,
    r#""iv":"P1Y2M3DT4H","by":"\\xdeadbeef","ip":"::1/64""#,
    r#""net":"10.0.0.0/8","mac":"08:00:2b:01:02:03""#,
    r#""j":{"a" : [1, "\u0001", null]},"jb":{"b":2,"a":"x\\y","b":3},"mood":"happy, \"so\"""#,
    r#""j":"text","jb":"\u00e9\ud83d\ude00","t":{"a" : "b"},"v":17,"b":"yes""#,
    r#""j":1.50,"jb":-0.0,"t":1.50,"num":"NaN","f8":"-Infinity","i2":"12","c":null,"d":"infinity""#,
    r#""j":null,"jb":null,"t":"","b":null,"by":"abc","iv":"00:00:00""#,
];

#[test]
fn a_value_becomes_the_same_whichever_way_it_comes() {
    let (database, server) = start(&[]);
    let mut client = server.client();
    let mut lines = String::new();
    for (n, members) in DIFFICULT.iter().cycle().take(24_000).enumerate() {
        writeln!(lines, "{{\"n\":{n},{members}}}").expect("a string takes all");
    }
    let all = "n,i2,i8,num,num2,f4,f8,t,v,c,b,u,d,tm,tmz,ts,tz,iv,by,ip,net,mac,j,jb,mood";
    let array = format!("[{}]", lines.trim_end().replace('\n', ","));
    let json = ("Content-Type", "application/json");
    for (table, columns) in [
        ("kinds", all),
        ("kinds_of_others", &format!("{all},list,small")),
    ] {
        let by_array = format!("/{table}?columns={columns}");
        let answer = post(&mut client, &by_array, &array, &[json]);
        assert_eq!(answer.status, 201, "{table}: {}", answer.text());
        let by_lines = format!("/{table}_by_lines?columns={columns}");
        let answer = post(&mut client, &by_lines, &lines, &[NDJSON]);
        assert_eq!(answer.status, 201, "{table}: {}", answer.text());
        // But for `now`, which is when it came.
        let without_now = "to_jsonb(t) || jsonb_build_object('tz', tz IS NULL, 'j', j::text)";
        let differing = format!(
            "SELECT count(*)::text FROM (SELECT n, {without_now} AS row FROM store.{table} t) a \
             FULL JOIN (SELECT n, {without_now} AS row FROM store.{table}_by_lines t) b USING (n) \
             WHERE a.row IS DISTINCT FROM b.row"
        );
        assert_eq!(database.one(&differing), "0", "{table}");
        check_count(&database, &format!("{table}_by_lines"), 24_000);
    }
    // What is wrong is wrong in the same words.
    for (members, code) in [
        (r#""i2":40000"#, "22003"),
        (r#""n":"x""#, "22P02"),
        (r#""v":"0123456789""#, "22001"),
        (r#""mood":"none""#, "22P02"),
        (r#""d":"2023-02-29""#, "22008"),
        (r#""jb":"a","b":"perhaps""#, "22P02"),
    ] {
        let message = |answer: &Answer| {
            let text = answer.text();
            let end = text.find("\"message\"").expect("it has one");
            (answer.status, text[end..].to_owned())
        };
        let target = "/kinds?columns=n,i2,v,mood,d,jb,b";
        let answer = post(&mut client, target, &format!("[{{{members}}}]"), &[json]);
        assert!(answer.text().contains(code), "{}", answer.text());
        let expected = message(&answer);
        let body = format!("{lines}{{{members}}}\n");
        let answer = post(&mut client, target, &body, &[NDJSON]);
        assert_eq!(message(&answer), expected);
    }
    // What no text of PostgreSQL has is told with its line.
    let body = format!("{lines}{{\"t\":\"\\u0000\"}}\n");
    let answer = post(&mut client, "/kinds?columns=t", &body, &[NDJSON]);
    assert_eq!(answer.status, 400);
    assert!(
        answer.text().contains("Line 24001 of the body"),
        "{}",
        answer.text()
    );
    check_count(&database, "kinds", 24_000);
    server.stop();
}
