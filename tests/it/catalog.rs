//! What the catalog says of a database, and what it costs to ask.

use corerest_api::ask_catalog;
use corerest_sql::{Ident, Param};
use corerest_tests::client::request;
use corerest_tests::cluster::Cluster;
use corerest_tests::json::equal;
use corerest_tests::server::Server;
use postgres::Client;
use postgres::types::ToSql;
use std::time::{Duration, Instant};

/// Asks as the server does, in one transaction.
fn ask(connection: &mut Client, schema: &str) -> (String, Duration) {
    let asked = ask_catalog([Ident::before_nul(schema)].as_slice());
    let mut transaction = connection.transaction().expect("it is idle");
    let mut document = String::new();
    let began = Instant::now();
    for (place, statement) in asked.statements().iter().enumerate() {
        let values: Vec<Vec<String>> = statement
            .params
            .iter()
            .map(|value| list(value, schema))
            .collect();
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        let row = transaction.query_one(statement.text.as_str(), &values);
        let row = row.expect("the query is right");
        if place == asked.asks() {
            document = row.get(0);
        }
    }
    let took = began.elapsed();
    transaction.commit().expect("nothing was written");
    (document, took)
}

/// The elements of an array: none, or the schema.
fn list(value: Param<'_>, schema: &str) -> Vec<String> {
    match value {
        Param::Value(b"{}") => Vec::new(),
        Param::Value(_) => vec![schema.to_owned()],
        other => panic!("{other:?} is no list of schemas"),
    }
}

/// The defaults of a schema's columns, with their names, in the order of the positions.
fn defaults(connection: &mut Client, schema: &str) -> Vec<(String, Option<String>)> {
    let (document, _) = ask(connection, schema);
    let rows = connection.query(
        "SELECT name, \"default\" FROM json_to_recordset($1::text::json -> 'columns') \
           AS columns (position int, name text, \"default\" text) ORDER BY position",
        &[&document],
    );
    let rows = rows.expect("it is the document");
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[test]
fn a_generated_column_has_no_default_and_others_have_theirs() {
    let database = Cluster::shared().database();
    let version = database.one("SHOW server_version_num");
    let is_18 = version.parse::<u32>().expect("it is a number") >= 180_000;
    let virtually = if is_18 { "VIRTUAL" } else { "STORED" };
    database.run(&format!(
        "CREATE SCHEMA boxes; \
         CREATE FUNCTION boxes.first() RETURNS int LANGUAGE sql AS 'SELECT 1'; \
         CREATE DOMAIN boxes.size AS int DEFAULT 7; \
         CREATE TABLE boxes.boxes (id int DEFAULT boxes.first(), size boxes.size, \
           \"the name\" text DEFAULT 'a ''box''', \
           twice int GENERATED ALWAYS AS (id * 2) STORED, \
           thrice int GENERATED ALWAYS AS (id * 3) {virtually})"
    ));
    let defaults = defaults(&mut database.connect(), "boxes");
    let some = |name: &str, text: &str| (name.to_owned(), Some(text.to_owned()));
    let none = |name: &str| (name.to_owned(), None);
    let expected = [
        some("id", "boxes.first()"),
        some("size", "7"),
        some("the name", "'a ''box'''::text"),
        none("twice"),
        none("thrice"),
    ];
    assert_eq!(defaults, expected);
}

/// The same number of defaults takes as long in one table as in many; it was forty times as long.
#[test]
fn a_wide_table_with_defaults_is_read_as_fast_as_many_narrow_ones() {
    let database = Cluster::shared().database();
    let create = |schema: &str, tables: usize, columns: usize| {
        database.run(&format!("CREATE SCHEMA {schema}"));
        let columns: Vec<String> = (0..columns)
            .map(|number| format!("c{number} int DEFAULT {number}"))
            .collect();
        for number in 0..tables {
            let columns = columns.join(", ");
            database.run(&format!("CREATE TABLE {schema}.t{number} ({columns})"));
        }
    };
    create("wide", 1, 900);
    create("narrow", 90, 10);
    let mut connection = database.connect();
    let mut least = |schema: &str| {
        let times = (0..3).map(|_| ask(&mut connection, schema).1);
        times.min().expect("there are three")
    };
    let (wide, narrow) = (least("wide"), least("narrow"));
    assert!(wide < 6 * narrow, "{wide:?}, and in many {narrow:?}");
}

/// What `ALTER ROLE … SET` can do to the login role. Types that are printed with quotes were none
/// that the catalog knew, so that domains lost their representations.
#[test]
fn settings_of_the_login_role_change_nothing_of_it() {
    let database = Cluster::shared().database();
    database.run(
        "CREATE TABLE api.moments (day date DEFAULT '2024-02-01', \
           took interval DEFAULT '1 day 2h', bytes bytea DEFAULT '\\x00ff', \
           path text DEFAULT 'c\\d', ratio float8 DEFAULT 0.1::float8 / 3)",
    );
    let mut connection = database.connect();
    let mut without_clock = |settings: &str| -> String {
        connection.batch_execute(settings).expect("they can be set");
        let (document, _) = ask(&mut connection, "api");
        let row = connection.query_one(
            "SELECT (jsonb_object_agg(key, value) FILTER \
               (WHERE key <> 'began' AND key NOT LIKE '%read'))::text \
             FROM jsonb_each($1::text::jsonb)",
            &[&document],
        );
        row.expect("it is a document").get(0)
    };
    let usual = without_clock("SELECT");
    assert!(usual.contains("'2024-02-01'::date"), "{usual}");
    for setting in [
        "quote_all_identifiers = on",
        "datestyle = 'German, DMY'",
        "intervalstyle = 'sql_standard'",
        "bytea_output = 'escape'",
        "extra_float_digits = -10",
        "standard_conforming_strings = off",
        "search_path = api",
        "lc_messages = 'C'",
        "transform_null_equals = on",
    ] {
        assert!(
            without_clock(&format!("SET {setting}")) == usual,
            "{setting}"
        );
    }
}

#[test]
fn a_description_is_the_same_when_the_login_role_quotes_all_names() {
    let cluster = Cluster::shared();
    let describe = |setting: &str| {
        let database = cluster.database();
        database.run(&format!(
            "ALTER ROLE authenticator IN DATABASE {} SET quote_all_identifiers = {setting}",
            database.name
        ));
        let settings = [("openapi-server-proxy-uri", "http://example.com/")];
        let server = Server::start(&database, &settings);
        let mut client = server.client();
        let description = client.get("/").text().to_owned();
        let domain = client
            .get("/paints?select=colour&limit=1")
            .text()
            .to_owned();
        server.stop();
        (description, domain)
    };
    assert_eq!(describe("on"), describe("off"));
}

#[test]
fn a_schema_of_the_extra_search_path_need_not_exist() {
    let database = Cluster::shared().database();
    database
        .run("CREATE SCHEMA \"Tools\"; CREATE VIEW \"Tools\".kinds AS SELECT * FROM api.plants");
    let settings = [("db-extra-search-path", "nowhere,Tools,public")];
    let server = Server::start(&database, &settings);
    server
        .stderr
        .wait_for("The schema \"nowhere\" of db-extra-search-path does not exist");
    assert!(server.is_silent_about("\"Tools\" of db-extra"));
    assert_eq!(
        server.client().get("/plants?select=id&id=eq.1").text(),
        r#"[{"id":1}]"#
    );
    server.stop();
}

/// Without a limit, it would be 1.7 million relationships and their inverses.
#[test]
fn a_view_that_repeats_the_columns_of_a_key_is_loaded() {
    let database = Cluster::shared().database();
    database.run(
        "CREATE TABLE api.p (a int, b int, c int, d int, PRIMARY KEY (a, b, c, d));
         CREATE TABLE api.q (id int PRIMARY KEY, a int, b int, c int, d int,
           CONSTRAINT q_p FOREIGN KEY (a, b, c, d) REFERENCES api.p);
         INSERT INTO api.p VALUES (1, 2, 3, 4);
         INSERT INTO api.q VALUES (7, 1, 2, 3, 4);
         DO $$ DECLARE columns text; BEGIN
         SELECT string_agg(format('%1$s AS %1$s%2$s', name, number), ', ') INTO columns
           FROM unnest('{a,b,c,d}'::text[]) name, generate_series(1, 36) number;
         EXECUTE 'CREATE VIEW api.vq AS SELECT id, ' || columns || ' FROM api.q'; END $$;
         GRANT SELECT ON api.p, api.vq TO anonymous",
    );
    let server = Server::start(&database, &[]);
    let warning = "The view \"api.vq\" shows the columns of the foreign key \"q_p\" in too many";
    server.stderr.wait_for(warning);
    let mut client = server.client();
    assert_eq!(
        client.get("/vq?select=id,p(d)").text(),
        r#"[{"id":7,"p":{"d": 4}}]"#
    );
    server.await_ready();
    // One for each time it is loaded: twice, if the listener was late.
    let log = server.stderr.text();
    let loads = log.matches("Schema cache queried").count();
    assert_eq!(log.matches(warning).count(), loads);
    assert!(server.resident_bytes() < 100 << 20);
    server.stop();
}

/// A function of PostgreSQL takes 100 arguments, 50 names with their defaults.
#[test]
fn more_defaults_than_a_function_takes_fill_in_what_is_missing() {
    let database = Cluster::shared().database();
    let columns: Vec<String> = (0..120)
        .map(|number| format!("c{number} int DEFAULT {number}"))
        .collect();
    database.run(&format!(
        "CREATE TABLE api.settings ({}); GRANT ALL ON api.settings TO PUBLIC",
        columns.join(", ")
    ));
    let server = Server::start(&database, &[]);
    let mut client = server.client();
    let names: Vec<String> = (0..120).map(|number| format!("c{number}")).collect();
    let target = format!("/settings?select=c0,c1,c119&columns={}", names.join(","));
    for (body, expected) in [
        (r#"{"c1":-1}"#, r#"[{"c0":0,"c1":-1,"c119":119}]"#),
        (
            r#"[{"c1":-1},{"c119":-2}]"#,
            r#"[{"c0":0,"c1":-1,"c119":119}, {"c0":0,"c1":1,"c119":-2}]"#,
        ),
    ] {
        let length = body.len().to_string();
        let headers = [
            ("Content-Length", length.as_str()),
            ("Content-Type", "application/json"),
            ("Prefer", "missing=default, return=representation"),
        ];
        let mut bytes = request("POST", &target, &headers);
        bytes.extend(body.as_bytes());
        client.send(&bytes);
        let answer = client.read("POST");
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert!(
            equal(answer.text().as_bytes(), expected.as_bytes()),
            "{}",
            answer.text()
        );
    }
    server.stop();
}
