//! Statements that were prepared once, and a database that changes: what no longer fits is prepared
//! anew without a failed request, and what is the client's fault, or a function's, is asked once.

use corerest_tests::client::{Client, request};
use corerest_tests::cluster::{Cluster, Database};
use corerest_tests::server::Server;

/// A `db-pre-request` whose calls are counted, whether their transactions were rolled back or not:
/// by a temporary sequence, the one kind that counts in transactions which only read.
fn count_calls(database: &Database) {
    database.run(
        "CREATE FUNCTION api.count_calls() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS \
           $$ BEGIN CREATE TEMPORARY SEQUENCE calls; END $$; \
         CREATE FUNCTION api.calls() RETURNS bigint LANGUAGE plpgsql STABLE SECURITY DEFINER AS \
           $$ BEGIN RETURN currval('pg_temp.calls') - 1; END $$; \
         CREATE FUNCTION api.count() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS \
           $$ BEGIN IF to_regclass('pg_temp.calls') IS NOT NULL THEN \
                PERFORM nextval('pg_temp.calls'); END IF; END $$; \
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA api TO PUBLIC",
    );
}

/// The calls so far, without the one for this question.
fn calls(client: &mut Client) -> String {
    client.get("/rpc/calls").text().to_owned()
}

fn start(database: &Database) -> (Server, Client) {
    let settings = [("db-pool", "1"), ("db-pre-request", "api.count")];
    let server = Server::start(database, &settings);
    let mut client = server.client();
    let (status, text) = send(&mut client, "POST", "/rpc/count_calls", "{}");
    assert!(status < 300, "{text}");
    (server, client)
}

fn send(client: &mut Client, method: &str, target: &str, body: &str) -> (u16, String) {
    let length = body.len().to_string();
    let headers = [
        ("Content-Length", length.as_str()),
        ("Content-Type", "application/json"),
        ("Prefer", "return=representation"),
    ];
    let mut bytes = request(method, target, &headers);
    bytes.extend(body.as_bytes());
    client.send(&bytes);
    let answer = client.read(method);
    (answer.status, answer.text().to_owned())
}

#[test]
fn bad_values_are_asked_once_and_good_statements_are_kept() {
    let database = Cluster::shared().database();
    count_calls(&database);
    database.run("CREATE TABLE api.pots (id integer); GRANT ALL ON api.pots TO PUBLIC");
    let (server, mut client) = start(&database);
    for number in 0..10 {
        assert_eq!(client.get("/plants?select=id&id=eq.1").status, 200);
        let answer = client.get(&format!("/plants?select=id&id=eq.bad{number}"));
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(answer.text().contains("22P02"), "{}", answer.text());
    }
    assert_eq!(calls(&mut client), "20");
    for _ in 0..10 {
        let good = send(&mut client, "DELETE", "/pots?id=eq.1", "");
        assert_eq!(good, (200, "[]".to_owned()));
        assert_eq!(send(&mut client, "DELETE", "/pots?id=eq.x", "").0, 400);
    }
    // And the question itself.
    assert_eq!(calls(&mut client), "41");
    server.stop();
}

#[test]
fn a_column_with_another_type_is_read_and_written_right_at_once() {
    let database = Cluster::shared().database();
    count_calls(&database);
    database.run(
        "CREATE TABLE api.pots (id integer, size integer); \
         INSERT INTO api.pots VALUES (1, 1), (2, 2); GRANT ALL ON api.pots TO PUBLIC",
    );
    let (server, mut client) = start(&database);
    let ask = |client: &mut Client, size: &str| {
        let answer = client.get("/pots?select=id,size&id=eq.1");
        let expected = format!(r#"[{{"id":1,"size":{size}}}]"#);
        assert_eq!((answer.status, answer.text()), (200, &*expected));
        let answer = client.get("/pots?select=id&size=eq.1&order=id");
        assert_eq!((answer.status, answer.text()), (200, r#"[{"id":1}]"#));
        let changed = send(client, "PATCH", "/pots?size=eq.1&select=id", r#"{"id":1}"#);
        assert_eq!(changed, (200, r#"[{"id":1}]"#.to_owned()));
        let deleted = send(client, "DELETE", "/pots?size=eq.7&select=id", "");
        assert_eq!(deleted, (200, "[]".to_owned()));
    };
    ask(&mut client, "1");
    ask(&mut client, "1");
    let become_type = |column_type: &str| {
        database.run(&format!(
            "ALTER TABLE api.pots DROP size; ALTER TABLE api.pots ADD size {column_type}; \
             UPDATE api.pots SET size = id"
        ));
    };
    become_type("text");
    ask(&mut client, r#""1""#);
    become_type("bigint");
    ask(&mut client, "1");
    let warning = server.stderr.wait_for("has happened twice");
    assert!(warning.contains("42883"), "{warning}");
    server.stop();
}

/// The rows of functions in PL/pgSQL. What stays the same in a statement is not enough for its plan
/// to be right: with `text` it would show an address, and with `bigint` the backend would crash.
#[test]
fn rows_of_a_function_whose_type_has_changed_are_right_at_once() {
    let database = Cluster::shared().database();
    count_calls(&database);
    database.run(
        "CREATE TABLE api.pots (id integer, size integer); CREATE TABLE api.log (n bigint); \
         CREATE FUNCTION api.pots_of(n integer) RETURNS SETOF api.pots LANGUAGE plpgsql AS \
           $$ BEGIN INSERT INTO api.log VALUES (n); \
             RETURN QUERY EXECUTE 'SELECT * FROM api.pots'; END $$; \
         CREATE FUNCTION api.pot() RETURNS api.pots LANGUAGE plpgsql STABLE AS \
           $$ DECLARE pot api.pots; BEGIN \
             EXECUTE 'SELECT * FROM api.pots' INTO pot; RETURN pot; END $$; \
         CREATE FUNCTION api.best_pots(api.plants) RETURNS SETOF api.pots \
           LANGUAGE plpgsql STABLE AS $$ BEGIN \
             RETURN QUERY EXECUTE 'SELECT * FROM api.pots'; END $$; \
         INSERT INTO api.pots VALUES (1, 2); GRANT ALL ON api.pots, api.log TO PUBLIC",
    );
    let (server, mut client) = start(&database);
    let mut number = 0;
    let mut ask = |client: &mut Client, sizes: &str| {
        let pot = format!(r#"{{"id":1,{sizes}}}"#);
        let pots = format!("[{pot}]");
        number += 1;
        let body = format!(r#"{{"n":{number}}}"#);
        let answer = send(client, "POST", "/rpc/pots_of", &body);
        assert_eq!(answer, (200, pots.clone()));
        let answer = client.get("/rpc/pot");
        assert_eq!((answer.status, answer.text()), (200, &*pot));
        let answer = client.get("/plants?select=best_pots(*)&id=eq.1");
        let related = answer.text().replace(' ', "");
        assert_eq!(
            (answer.status, &*related),
            (200, &*format!(r#"[{{"best_pots":{pots}}}]"#))
        );
        // Nothing was written twice.
        assert_eq!(
            database.one("SELECT count(*)::text FROM api.log"),
            number.to_string()
        );
    };
    ask(&mut client, r#""size":2"#);
    ask(&mut client, r#""size":2"#);
    for (change, sizes) in [
        ("ALTER size TYPE bigint", r#""size":2"#),
        ("ALTER size TYPE text", r#""size":"2""#),
        ("ADD depth integer DEFAULT 5", r#""size":"2","depth":5"#),
        (
            "ALTER size TYPE bigint USING 777777777777777777",
            r#""size":777777777777777777,"depth":5"#,
        ),
        ("DROP size", r#""depth":5"#),
        ("RENAME depth TO height", r#""height":5"#),
    ] {
        database.run(&format!("ALTER TABLE api.pots {change}"));
        ask(&mut client, sizes);
    }
    assert!(server.is_silent_about("has happened twice"));
    server.stop();
}

#[test]
fn a_column_whose_values_are_all_refused_is_looked_at_again() {
    let database = Cluster::shared().database();
    count_calls(&database);
    let create = |id_type: &str| {
        database.run(&format!(
            "DROP TABLE IF EXISTS api.pets; CREATE TABLE api.pets (id {id_type}, name text); \
             INSERT INTO api.pets (name) VALUES ('Tom'); GRANT SELECT ON api.pets TO PUBLIC"
        ));
    };
    create("integer");
    let (server, mut client) = start(&database);
    assert_eq!(client.get("/pets?select=name&id=eq.1").text(), "[]");
    create("text");
    // Nobody has told us, and for all that is known it is the client who is wrong.
    for _ in 0..3 {
        assert_eq!(client.get("/pets?select=name&id=eq.x").status, 400);
    }
    assert_eq!(client.get("/pets?select=name&id=eq.x").text(), "[]");
    assert_eq!(calls(&mut client), "5");
    server.stop();
}

#[test]
fn what_an_immutable_function_raises_while_a_statement_is_planned_is_asked_once() {
    let database = Cluster::shared().database();
    count_calls(&database);
    database.run(
        "CREATE FUNCTION api.checked(value text) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS \
           $$ BEGIN IF length(value) = 5 THEN \
             RAISE EXCEPTION USING errcode = value, message = 'no'; END IF; RETURN 1; END $$; \
         GRANT EXECUTE ON FUNCTION api.checked(text) TO PUBLIC",
    );
    let (server, mut client) = start(&database);
    for code in ["42883", "42P01", "0A000", "XX000", "26000", "42703"] {
        assert_eq!(client.get("/rpc/checked?value=good").text(), "1");
        let answer = client.get(&format!("/rpc/checked?value={code}"));
        assert!(answer.text().contains(code), "{}", answer.text());
    }
    assert_eq!(calls(&mut client), "12");
    server.stop();
}

#[test]
fn more_shapes_than_a_connection_keeps_are_no_mix_up() {
    let database = Cluster::shared().database();
    let columns: Vec<String> = (0..8).map(|number| format!("c{number}")).collect();
    let types: Vec<String> = columns
        .iter()
        .map(|name| format!("{name} integer"))
        .collect();
    database.run(&format!(
        "CREATE TABLE api.wide ({}); GRANT SELECT ON api.wide TO PUBLIC",
        types.join(", ")
    ));
    let server = Server::start(&database, &[("db-pool", "1")]);
    let mut client = server.client();
    let target = |shape: usize| {
        let chosen = columns.iter().enumerate();
        let chosen = chosen.filter(|(place, _)| (shape + 1) >> place & 1 == 1);
        let chosen: Vec<&str> = chosen.map(|(_, name)| &**name).collect();
        format!("/wide?select={}&c0=eq.1", chosen.join(","))
    };
    for _ in 0..3 {
        for shape in 0..199 {
            assert_eq!(client.get(&target(shape)).status, 200);
        }
        for _ in 0..2 {
            client.send(request("GET", &target(0), &[("Prefer", "timezone=UTC")]));
            assert_eq!(client.read("GET").status, 200);
        }
    }
    assert!(server.is_silent_about("prepared statement"));
    server.stop();
}
