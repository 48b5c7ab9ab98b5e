//! The OpenAPI 3.1 description over the wire: who gets it, what it is about, and that it grows as
//! the schema does. What is in it is tried in `api/openapi/v31`, and what others make of it by
//! `scripts/clients`, which needs their programs.

use corerest_tests::client::Client;
use corerest_tests::cluster::Cluster;
use corerest_tests::server::Server;
use simd_json::OwnedValue;
use simd_json::prelude::*;

/// What it is called: by its registered type to who has asked by that, and otherwise like 2.0.
const OAI: &str = "application/vnd.oai.openapi+json;version=3.1";
const V31: &str = "application/openapi+json;version=3.1; charset=utf-8";
const V20: &str = "application/openapi+json; charset=utf-8";

fn parse(body: &[u8]) -> OwnedValue {
    simd_json::from_slice(&mut body.to_vec()).expect("it is JSON")
}

/// Which version a document says that it is of.
fn version(document: &OwnedValue) -> &str {
    let member = document.get("openapi").or_else(|| document.get("swagger"));
    member
        .and_then(|member| member.as_str())
        .expect("it is a description")
}

fn names(document: &OwnedValue, path: &[&str]) -> Vec<String> {
    let mut value = document;
    for name in path {
        value = value.get(*name).expect(name);
    }
    let members = value.as_object().expect("it is an object");
    let mut names: Vec<String> = members.keys().map(ToString::to_string).collect();
    names.sort_unstable();
    names
}

#[track_caller]
fn check(client: &mut Client, accept: &str, content_type: &str, expected: &str) {
    let answer = client.exchange("GET", "/", &[("Accept", accept)]);
    assert_eq!(answer.status, 200, "{accept}: {}", answer.text());
    assert_eq!(
        answer.header("Content-Type"),
        Some(content_type),
        "{accept}"
    );
    assert_eq!(version(&parse(&answer.body)), expected, "{accept}");
    let head = client.exchange("HEAD", "/", &[("Accept", accept)]);
    assert_eq!((head.status, head.body.len()), (200, 0), "{accept}");
    assert_eq!(head.header("Content-Type"), Some(content_type), "{accept}");
}

#[test]
fn it_is_given_to_whoever_asks_for_it_or_to_everybody() {
    let database = Cluster::shared().database();
    let [old, new] = ["2.0", "3.1"].map(|version| {
        let settings = [
            ("openapi-version", version),
            ("openapi-server-proxy-uri", "https://example.com/"),
        ];
        Server::start(&database, &settings)
    });
    let usual = Server::start(
        &database,
        &[("openapi-server-proxy-uri", "https://example.com/")],
    );
    for server in [&old, &new] {
        let client = &mut server.client();
        check(client, OAI, OAI, "3.1.0");
        check(
            client,
            "Application/VND.OAI.OpenAPI+JSON; Version=3.1",
            OAI,
            "3.1.0",
        );
        check(client, "application/openapi+json;version=3.1", V31, "3.1.0");
        check(client, "application/openapi+json;version=2.0", V20, "2.0");
    }
    let client = &mut old.client();
    check(client, "*/*", V20, "2.0");
    check(client, "application/json", V20, "2.0");
    check(client, "application/openapi+json", V20, "2.0");
    let client = &mut new.client();
    check(client, "*/*", V31, "3.1.0");
    check(client, "application/openapi+json", V31, "3.1.0");
    let accept = [("Accept", "application/vnd.oai.openapi+json;version=3.2")];
    assert_eq!(old.client().exchange("GET", "/", &accept).status, 406);
    // The key changes nothing for those who say what they want, nor for others while it is 2.0.
    assert_eq!(old.client().get("/").body, usual.client().get("/").body);
    for server in [old, new, usual] {
        server.stop();
    }
}

#[test]
fn each_schema_has_its_own_and_issuers_are_ways_to_a_token() {
    let database = Cluster::shared().database();
    let settings = [
        ("db-schemas", "api,other"),
        ("openapi-version", "3.1"),
        ("openapi-security-active", "true"),
        // Nobody answers there, and nobody need.
        ("jwt-issuers", "http://127.0.0.1:9/realms/a"),
    ];
    let server = Server::start(&database, &settings);
    let mut client = server.client();
    let document = parse(&client.get("/").body);
    assert!(names(&document, &["paths"]).contains(&"/beds".to_owned()));
    assert_eq!(
        names(&document, &["components", "securitySchemes"]),
        ["bearer", "openId"]
    );
    let url = document
        .get("components")
        .and_then(|components| components.get("securitySchemes"))
        .and_then(|schemes| schemes.get("openId"))
        .and_then(|scheme| scheme.get("openIdConnectUrl"))
        .and_then(|url| url.as_str());
    let expected = "http://127.0.0.1:9/realms/a/.well-known/openid-configuration";
    assert_eq!(url, Some(expected));
    let other = client.exchange("GET", "/", &[("Accept-Profile", "other")]);
    assert_eq!(other.header("Content-Profile"), Some("other"));
    let other = parse(&other.body);
    let paths = names(&other, &["paths"]);
    assert!(paths.contains(&"/plants".to_owned()) && !paths.contains(&"/beds".to_owned()));
    let parameters = names(&other, &["components", "parameters"]);
    assert!(
        parameters.contains(&"acceptProfile".to_owned()),
        "{parameters:?}"
    );
    let nobody = client.exchange("GET", "/", &[("Accept-Profile", "nobodys")]);
    assert_eq!(nobody.status, 406);
    server.stop();
}

/// Types that double their size, a chain of types, and strings of bits of the greatest length.
#[test]
fn types_of_any_size_do_not_make_it_long() {
    let database = Cluster::shared().database();
    database.run(
        "CREATE SCHEMA large;
         CREATE TYPE large.t0 AS (a int, b int);
         CREATE TYPE large.c0 AS (a int);
         CREATE DOMAIN large.d0 AS int;
         DO $$ BEGIN FOR n IN 1 .. 22 LOOP
           EXECUTE format('CREATE TYPE large.t%s AS (a large.t%s, b large.t%2$s)', n, n - 1);
         END LOOP; END $$;
         DO $$ BEGIN FOR n IN 1 .. 1000 LOOP
           EXECUTE format('CREATE TYPE large.c%s AS (a large.c%s)', n, n - 1);
           EXECUTE format('CREATE DOMAIN large.d%s AS large.d%s', n, n - 1);
         END LOOP; END $$;
         CREATE TABLE large.a (id int PRIMARY KEY, t large.t22, d large.d1000 DEFAULT '1',
           x bit(83886080), y bit(83886080));
         CREATE FUNCTION large.f(c large.c1000, t large.t22, d large.d1000 DEFAULT 1) RETURNS int
           LANGUAGE sql AS 'SELECT 1';
         GRANT USAGE ON SCHEMA large TO anonymous;
         GRANT ALL ON large.a TO anonymous",
    );
    let server = Server::start(&database, &[("db-schemas", "large")]);
    let mut client = server.client();
    for (version, bytes_max) in [("2.0", 30_000), ("3.1", 400_000)] {
        let accept = format!("application/openapi+json;version={version}");
        let answer = client.exchange("GET", "/", &[("Accept", &accept)]);
        assert_eq!(answer.status, 200, "{version}");
        let length = answer.body.len();
        assert!(length < bytes_max, "{version}: {length} bytes");
        let document = parse(&answer.body);
        assert_eq!(names(&document, &["paths"]).len(), 3, "{version}");
    }
    server.stop();
}

/// Each of them can be embedded in the table that they all refer to, and that table in each of
/// them: twice the tables are twice the bytes, and not four times.
#[test]
fn a_table_that_all_others_refer_to_does_not_make_it_long() {
    let database = Cluster::shared().database();
    database.run(
        "DO $$
         DECLARE size integer; number integer;
         BEGIN
           FOREACH size IN ARRAY ARRAY[150, 300] LOOP
             EXECUTE format('CREATE SCHEMA hub_%s; \
               CREATE TABLE hub_%1$s.hub (id integer PRIMARY KEY)', size);
             FOR number IN 1 .. size LOOP
               EXECUTE format('CREATE TABLE hub_%s.t%s (id integer PRIMARY KEY, \
                 hub_id integer REFERENCES hub_%1$s.hub, \
                 other_id integer REFERENCES hub_%1$s.hub)', size, number);
             END LOOP;
             EXECUTE format('GRANT USAGE ON SCHEMA hub_%s TO anonymous; \
               GRANT SELECT ON ALL TABLES IN SCHEMA hub_%1$s TO anonymous', size);
           END LOOP;
         END $$",
    );
    let settings = [
        ("db-schemas", "hub_150,hub_300"),
        ("openapi-version", "3.1"),
    ];
    let server = Server::start(&database, &settings);
    let mut client = server.client();
    let [half, whole] = ["hub_150", "hub_300"].map(|schema| {
        let answer = client.exchange("GET", "/", &[("Accept-Profile", schema)]);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.body
    });
    let document = parse(&whole);
    assert_eq!(names(&document, &["paths"]).len(), 302);
    // Two ways from each, and two back, all of them with what tells them apart.
    let text = String::from_utf8(whole.clone()).expect("it is JSON");
    for way in ["`hub!t300_hub_id_fkey(*)`", "`t300!t300_other_id_fkey(*)`"] {
        assert!(text.contains(way), "{way}");
    }
    assert!(
        whole.len() < half.len() * 9 / 4,
        "{} and {}",
        half.len(),
        whole.len()
    );
    assert!(whole.len() < 302 * 8192, "{}", whole.len());
    server.stop();
}
