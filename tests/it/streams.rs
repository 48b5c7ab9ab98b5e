//! Rows that are sent one by one: the same bytes as if they came as a whole, their end is told or
//! missing, and whoever reads them slowly, or not at all, costs nobody anything.

use crate::cases;
use corerest_tests::client::{Answer, Client, ClientError, request};
use corerest_tests::cluster::{Cluster, Database};
use corerest_tests::server::{Server, unused_path};
use corerest_tests::waiting::until;

const LINES: (&str, &str) = ("Accept", "application/x-ndjson");

/// A row of 100 KiB, as many as are asked for: more than any buffer holds. The view fails in the
/// middle, and the other one takes its time.
const SCHEMA: &str = "
    CREATE TABLE api.wide (id int PRIMARY KEY, line text);
    ALTER TABLE api.wide ALTER COLUMN line SET STORAGE EXTERNAL;
    INSERT INTO api.wide
      SELECT g, (SELECT string_agg(md5((g * 10000 + h)::text), '') FROM generate_series(1, 3200) h)
        FROM generate_series(1, 40) g;
    CREATE VIEW api.broken AS SELECT id, line, 1 / (id - 30) AS one FROM api.wide;
    CREATE VIEW api.forged AS
      SELECT id, line, CASE WHEN id > 30 THEN (chr(10) || 'FORGED' || chr(27) || id)::int END AS one
        FROM api.wide ORDER BY id;
    CREATE VIEW api.tired AS
      SELECT id, line, CASE WHEN id > 20 THEN pg_sleep(1)::text END AS nap
        FROM api.wide ORDER BY id;
    CREATE VIEW api.endless AS
      SELECT wide.* FROM api.wide, api.wide a, api.wide b, api.wide c, api.wide d;
    CREATE FUNCTION api.judge() RETURNS void LANGUAGE plpgsql AS $$
      DECLARE headers json := current_setting('request.headers')::json;
      BEGIN
        PERFORM set_config('response.status', headers ->> 'x-status', true),
                set_config('response.headers', headers ->> 'x-headers', true);
      END $$;
    GRANT SELECT ON api.wide, api.broken, api.forged, api.tired, api.endless TO anonymous;";

fn start(settings: &[(&str, &str)]) -> (Database, Server) {
    let database = Cluster::shared().database();
    database.run(SCHEMA);
    let socket = unused_path("api");
    let mut all = vec![
        ("db-pool", "2"),
        ("log-level", "error"),
        ("server-unix-socket", socket.to_str().expect("we chose it")),
    ];
    all.extend_from_slice(settings);
    let server = Server::start(&database, &all);
    (database, server)
}

/// All rows as lines.
fn expected(database: &Database) -> String {
    let lines = "string_agg(row_to_json(wide)::text || chr(10), '' ORDER BY id)";
    database.one(&format!("SELECT {lines} FROM api.wide"))
}

#[track_caller]
fn check_lines(answer: &Answer, expected: &str) {
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("Transfer-Encoding"), Some("chunked"));
    assert!(answer.text() == expected, "other bytes than PostgreSQL's");
}

#[track_caller]
fn check_cut_off(answer: Result<Answer, ClientError>) {
    match answer {
        Err(ClientError::Malformed(why)) if why.contains("without its last chunk") => {}
        Err(ClientError::Broken(_)) => {}
        other => panic!("it should be cut off: {other:?}"),
    }
}

/// All cases that read, as a whole and row by row.
#[test]
fn the_bytes_are_the_same_as_if_they_came_as_a_whole() {
    let mut streamed = 0;
    for (settings, questions) in cases::reads() {
        let database = Cluster::shared().database();
        let with = |more: &[(&str, &str)]| {
            let mut all: Vec<(&str, &str)> = settings.iter().map(|(k, v)| (&**k, &**v)).collect();
            all.extend_from_slice(more);
            Server::start(&database, &all)
        };
        let (whole, always) = (with(&[]), with(&[("db-stream-rows", "true")]));
        for question in questions {
            let ask = |client: &mut Client, prefer: &str| {
                let text = question.replacen("\r\n", &format!("\r\n{prefer}"), 1);
                client.send(text);
                client.read("GET")
            };
            let expected = ask(&mut whole.client(), "");
            for got in [
                ask(&mut whole.client(), "Prefer: stream\r\n"),
                ask(&mut always.client(), ""),
            ] {
                assert_eq!(got.status, expected.status, "{question}");
                let (got_text, text) = (got.body.escape_ascii(), expected.body.escape_ascii());
                assert_eq!(got_text.to_string(), text.to_string(), "{question}");
                streamed += usize::from(got.header("Transfer-Encoding").is_some());
            }
        }
        whole.stop();
        always.stop();
    }
    assert!(streamed > 300, "only {streamed} were sent row by row");
}

#[test]
fn rows_that_fit_nowhere_come_whole() {
    let (database, server) = start(&[]);
    let before = server.resident_bytes();
    check_lines(
        &server.client().exchange("GET", "/wide", &[LINES]),
        &expected(&database),
    );
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 8 << 20, "{} KiB", grown >> 10);
    server.stop();
}

/// The value of a row stands in PostgreSQL's message.
#[test]
fn what_a_row_says_is_no_line_of_the_log() {
    let (_database, server) = start(&[]);
    let mut client = server.client();
    client.send(request("GET", "/forged", &[LINES]));
    check_cut_off(client.try_read("GET"));
    let line = server.stderr.wait_for("A response was cut off: ERROR");
    assert!(line.contains("FORGED"), "it is a part of that line: {line}");
    let log = server.stderr.clone();
    server.stop();
    assert!(!log.whole().contains('\u{1b}'));
}

#[test]
fn an_error_before_the_first_byte_is_an_answer_and_one_behind_it_an_end() {
    let (database, server) = start(&[]);
    let answer = server
        .client()
        .exchange("GET", "/broken?id=eq.30", &[LINES]);
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("22012"), "{}", answer.text());
    for prefer in [LINES, ("Prefer", "stream")] {
        let mut client = server.client();
        client.send(request("GET", "/broken", &[prefer]));
        check_cut_off(client.try_read("GET"));
    }
    server.await_metric("corerest_responses_cut_off_total", 2.0);
    assert!(!server.is_silent_about("A response was cut off: ERROR: division by zero"));
    // The connections have not suffered.
    check_lines(
        &server.client().exchange("GET", "/wide", &[LINES]),
        &expected(&database),
    );
    server.stop();
}

#[test]
fn a_client_of_http_10_gets_no_chunks_and_the_end() {
    let (_database, server) = start(&[]);
    let mut client = server.client();
    client.send(
        "GET /wide?limit=2 HTTP/1.0\r\nConnection: keep-alive\r\nAccept: application/jsonl\r\n\r\n",
    );
    let mut bytes = Vec::new();
    while let Ok(more) = client.read_some(1 << 20)
        && !more.is_empty()
    {
        bytes.extend(more);
    }
    client.leave("its answer has been read as bytes");
    let text = String::from_utf8(bytes).expect("it is text");
    let (head, body) = text.split_once("\r\n\r\n").expect("there is a head");
    assert!(head.contains("\r\nConnection: close"), "{head}");
    assert!(
        !head.contains("Transfer-Encoding") && !head.contains("Content-Length"),
        "{head}"
    );
    assert_eq!(body.lines().count(), 2);
    assert!(body.ends_with("\"}\n"), "the last line is whole");
    server.stop();
}

/// Compiling a query keeps its first row waiting, and making JSON of rows is no faster for it.
#[test]
fn a_query_whose_rows_come_one_by_one_is_not_compiled() {
    let (database, server) = start(&[]);
    database.run(
        "CREATE VIEW api.compiling AS SELECT current_setting('jit') AS jit;
         GRANT SELECT ON api.compiling TO PUBLIC; NOTIFY pgrst",
    );
    let mut client = server.client();
    until("the view to be known", || {
        client.get("/compiling").status == 200
    });
    assert_eq!(client.get("/compiling").text(), r#"[{"jit":"on"}]"#);
    let answer = client.exchange("GET", "/compiling", &[LINES]);
    assert_eq!(answer.text(), "{\"jit\":\"off\"}\n");
    server.stop();
}

#[test]
fn a_head_has_no_body_and_its_connection_goes_on() {
    let (database, server) = start(&[]);
    let mut client = server.client();
    let answer = client.exchange("HEAD", "/wide", &[LINES]);
    assert_eq!(answer.header("Content-Type"), Some("application/x-ndjson"));
    assert_eq!(answer.header("Transfer-Encoding"), None);
    check_lines(
        &client.exchange("GET", "/wide", &[LINES]),
        &expected(&database),
    );
    server.stop();
}

#[test]
fn slow_readers_are_spooled_and_get_every_row() {
    let (database, server) = start(&[]);
    let expected = expected(&database);
    let mut readers: Vec<Client> = (0..20)
        .map(|_| {
            let mut client = server.client();
            client.send(request("GET", "/wide", &[LINES]));
            client
        })
        .collect();
    // There are two connections, and twenty who would keep one.
    assert_eq!(
        server.client().get("/wide?select=id&id=eq.1").text(),
        r#"[{"id":1}]"#
    );
    assert!(server.metric("corerest_spool_bytes") > 1e7);
    for reader in &mut readers {
        check_lines(&reader.read("GET"), &expected);
        reader.expect_usable();
    }
    server.await_metric("corerest_spool_bytes", 0.0);
    server.stop();
}

#[test]
fn a_slow_reader_is_cut_off_where_there_is_no_spool() {
    let (_database, server) = start(&[
        ("db-pool", "1"),
        ("server-max-spool-bytes", "0"),
        ("server-max-slow-readers", "0"),
    ]);
    let mut reader = server.client();
    reader.send(request("GET", "/wide", &[LINES]));
    server.await_metric("corerest_slow_readers", 1.0);
    assert_eq!(
        server.client().get("/wide?select=id&id=eq.1").text(),
        r#"[{"id":1}]"#
    );
    check_cut_off(reader.try_read("GET"));
    server.await_metric("corerest_responses_cut_off_total", 1.0);
    server.stop();
}

#[test]
fn a_client_that_goes_among_the_rows_has_its_query_cancelled() {
    let (database, server) = start(&[("db-pool", "1")]);
    let mut client = server.client();
    client.send(request("GET", "/tired", &[LINES]));
    let beginning = client.read_some(1 << 10).expect("rows come before the nap");
    assert!(beginning.starts_with(b"HTTP/1.1 200 OK"));
    client.leave("the test is about that");
    let asleep = "SELECT count(*)::text FROM pg_stat_activity
                  WHERE query LIKE '%tired%' AND state = 'active' AND pid <> pg_backend_pid()";
    until("the query to be cancelled", || database.one(asleep) == "0");
    assert_eq!(
        server.client().get("/wide?select=id&id=eq.1").text(),
        r#"[{"id":1}]"#
    );
    server.stop();
}

/// 40^5 rows of 100 KiB would be read for ever, for a response that has none of them.
#[test]
fn rows_that_nobody_wants_are_not_read_to_their_end() {
    let (database, server) = start(&[("db-pool", "1"), ("db-pre-request", "api.judge")]);
    let mut client = server.client();
    for (header, status) in [
        (("X-Status", "304"), 304),
        (("X-Status", "204"), 204),
        (("X-Headers", "nonsense"), 500),
    ] {
        let answer = client.exchange("GET", "/endless", &[LINES, header]);
        assert_eq!(answer.status, status, "{}", answer.text());
        let busy = "SELECT count(*)::text FROM pg_stat_activity
                    WHERE datname = current_database() AND state = 'active'
                      AND pid <> pg_backend_pid()";
        assert_eq!(database.one(busy), "0");
        check_lines(
            &client.exchange("GET", "/wide", &[LINES]),
            &expected(&database),
        );
    }
    server.stop();
}
