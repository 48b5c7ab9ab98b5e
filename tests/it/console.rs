//! The console over the wire: who gets it, who does not, and that nobody else notices. What it does
//! in a browser is tried by `scripts/console-test`.

use corerest_tests::client::{Answer, Client};
use corerest_tests::cluster::Cluster;
use corerest_tests::server::{Server, unused_path};
use corerest_tests::waiting::{until, until_some};
use simd_json::OwnedValue;
use simd_json::prelude::*;
use std::fs;

/// What browsers ask for a page with.
const BROWSER: (&str, &str) = (
    "Accept",
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
);
/// A relation that a function makes.
const COMPUTED: &str =
    r#"{"table" : "beds", "name" : "tallest", "target" : "plants", "toOne" : true}"#;
const HTML: Option<&str> = Some("text/html; charset=utf-8");

/// All that tells an answer, but for when it was given.
fn told(answer: Answer) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let headers = answer.headers.into_iter();
    let headers = headers.filter(|(name, _)| !name.eq_ignore_ascii_case("date"));
    (answer.status, headers.collect(), answer.body)
}

/// One server with the console and one without, which are alike in all else.
fn servers() -> [Server; 2] {
    let database = Cluster::shared().database();
    ["true", "false"].map(|is_on| {
        let settings = [
            ("server-console-enabled", is_on),
            ("openapi-server-proxy-uri", "https://example.com/"),
            ("jwt-secret", "a secret that only the tests know"),
        ];
        Server::start(&database, &settings)
    })
}

#[test]
fn who_does_not_prefer_html_notices_nothing() {
    let [with, without] = servers();
    let (mut a, mut b) = (with.client(), without.client());
    for (method, target, accept) in [
        ("GET", "/", "*/*"),
        ("HEAD", "/", "application/json"),
        ("GET", "/", "application/openapi+json, text/html;q=0.5"),
        ("GET", "/", "text/csv"),
        ("GET", "/", "text/html;q=0"),
        ("OPTIONS", "/", BROWSER.1),
        ("POST", "/", BROWSER.1),
        ("GET", "/plants?id=eq.1", BROWSER.1),
        ("GET", "/plants?id=eq.1", "text/html"),
        ("GET", "/.console", BROWSER.1),
        ("GET", "/.console/none.js", BROWSER.1),
        ("DELETE", "/.console/app.js", "*/*"),
    ] {
        let ask = |client: &mut Client| {
            let headers = [("Accept", accept)];
            told(client.exchange(method, target, &headers))
        };
        assert_eq!(ask(&mut a), ask(&mut b), "{method} {target} {accept}");
    }
    with.stop();
    without.stop();
}

#[test]
fn browsers_get_the_page_where_it_is_switched_on() {
    let [with, without] = servers();
    let mut client = with.client();
    let page = client.exchange("GET", "/", &[BROWSER]);
    assert_eq!((page.status, page.header("Content-Type")), (200, HTML));
    let policy = page
        .header("Content-Security-Policy")
        .expect("there is one");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    let tag = page.header("ETag").expect("there is one").to_owned();
    let known = ("If-None-Match", tag.as_str());
    let again = client.exchange("GET", "/", &[BROWSER, known]);
    assert_eq!((again.status, again.body.len()), (304, 0));
    let head = client.exchange("HEAD", "/", &[BROWSER]);
    assert_eq!((head.status, head.header("Content-Type")), (200, HTML));
    // Whoever has a token that is none gets the page all the same, and says so there.
    let stranger = ("Authorization", "Bearer nonsense");
    assert_eq!(
        client.exchange("GET", "/", &[BROWSER, stranger]).status,
        200
    );
    let privileges = "/.console/privileges.json";
    assert_eq!(client.exchange("GET", privileges, &[stranger]).status, 401);
    let privileges = client.get(privileges);
    let privileges = privileges.text();
    for expected in [r#""plants" : {"select" : true"#, COMPUTED] {
        assert!(privileges.contains(expected), "{expected}: {privileges}");
    }

    let mut client = without.client();
    assert_eq!(client.exchange("GET", "/", &[BROWSER]).status, 200);
    assert_ne!(
        client
            .exchange("GET", "/", &[BROWSER])
            .header("Content-Type"),
        HTML
    );
    assert_eq!(
        client
            .exchange("GET", "/", &[("Accept", "text/html")])
            .status,
        406
    );
    assert_eq!(client.get("/.console/app.js").status, 404);
    assert_eq!(client.get("/.console/privileges.json").status, 404);
    with.stop();
    without.stop();
}

#[test]
fn the_admin_server_has_its_page_only_then() {
    let [with, without] = servers();
    let page = with.admin().get("/");
    assert_eq!((page.status, page.header("Content-Type")), (200, HTML));
    let script = with.admin().get("/.console/admin.js");
    let content_type = script.header("Content-Type");
    assert_eq!(content_type, Some("text/javascript; charset=utf-8"));
    assert_eq!(with.admin().get("/.console/none").status, 404);
    assert_eq!(with.admin().get("/live").status, 200);
    assert_eq!(without.admin().get("/").status, 404);
    assert_eq!(without.admin().get("/.console/admin.js").status, 404);
    with.stop();
    without.stop();
}

const STATE: &str = "/.console/state.json";
const RELOAD_SCHEMA: &str = "/.console/reload/schema";
const RELOAD_CONFIG: &str = "/.console/reload/config";
/// What the page sends with its orders.
const ORDER: (&str, &str) = ("CoreREST-Console", "reload");

/// The last attempt at loading that: when, and why it failed.
fn last(server: &Server, what: &str) -> Option<(f64, Option<String>)> {
    let answer = server.admin().get(STATE);
    assert_eq!(answer.status, 200);
    let mut text = answer.body;
    let state: OwnedValue = simd_json::from_slice(&mut text).expect("it is JSON");
    let attempt = state.get(what).filter(|attempt| !attempt.is_null())?;
    let at = attempt.get("at").and_then(|at| at.as_f64());
    let error = attempt.get("error").and_then(|error| error.as_str());
    Some((at.expect("it is a number"), error.map(str::to_owned)))
}

/// Asks for a reload, and waits for the attempt: why it failed.
fn reload(server: &Server, path: &str, what: &str) -> Option<String> {
    let before = last(server, what).map(|(at, _)| at);
    let answer = server.admin().exchange("POST", path, &[ORDER]);
    assert_eq!(answer.status, 202, "{path}");
    let (_, error) = until_some("it to be loaded", || {
        last(server, what).filter(|(at, _)| Some(*at) != before)
    });
    error
}

#[test]
fn the_admin_servers_page_loads_again_and_tells_what_was_wrong() {
    let database = Cluster::shared().database();
    let file = unused_path("config");
    fs::write(&file, "db-max-rows = 1\n").expect("the temporary folder can be written");
    let settings = [("server-console-enabled", "true")];
    let server = Server::start_with_file(&database, &file, &settings);
    let mut client = server.client();
    let (_, error) = last(&server, "schemaCache").expect("it was loaded at the start");
    assert_eq!(error, None);

    database.run("CREATE TABLE api.novelties (id int); GRANT SELECT ON api.novelties TO anonymous");
    assert_eq!(client.get("/novelties").status, 404);
    assert_eq!(reload(&server, RELOAD_SCHEMA, "schemaCache"), None);
    until("the new table to be there", || {
        client.get("/novelties").status == 200
    });

    fs::write(&file, "db-max-rows = many\n").expect("the temporary folder can be written");
    let error = reload(&server, RELOAD_CONFIG, "configuration");
    let error = error.expect("a text needs quotation marks");
    assert!(error.contains("expected a value"), "{error}");
    assert_eq!(
        client.get("/plants?select=id").text().matches("id").count(),
        1
    );
    fs::write(&file, "db-max-rows = 2\n").expect("the temporary folder can be written");
    assert_eq!(reload(&server, RELOAD_CONFIG, "configuration"), None);
    until("the configuration to be in effect", || {
        client.get("/plants?select=id").text().matches("id").count() == 2
    });
    server.stop();
    fs::remove_file(&file).expect("it is there");
}

/// Somebody else's page can have a browser send this much, and must not be obeyed.
#[test]
fn the_admin_server_takes_orders_from_its_own_page_only() {
    let [with, without] = servers();
    let both = |server| [last(server, "schemaCache"), last(server, "configuration")];
    let before = both(&with);
    let ask = |server: &Server, method: &str, path: &str, headers: &[(&str, &str)]| {
        server.admin().exchange(method, path, headers).status
    };
    let foreign = ("Sec-Fetch-Site", "cross-site");
    let sibling = ("Sec-Fetch-Site", "same-site");
    let own = ("Sec-Fetch-Site", "same-origin");
    for (method, path, headers, status) in [
        ("POST", RELOAD_SCHEMA, vec![], 403),
        ("POST", RELOAD_SCHEMA, vec![own], 403),
        ("POST", RELOAD_SCHEMA, vec![ORDER, foreign], 403),
        ("POST", RELOAD_SCHEMA, vec![ORDER, sibling], 403),
        ("GET", RELOAD_SCHEMA, vec![ORDER], 405),
        ("HEAD", RELOAD_CONFIG, vec![ORDER], 405),
        // No answer allows another page to send the header.
        ("OPTIONS", RELOAD_SCHEMA, vec![foreign], 405),
        ("POST", "/.console/reload/", vec![ORDER], 404),
        ("POST", "/.console/reload/all", vec![ORDER], 404),
    ] {
        assert_eq!(
            ask(&with, method, path, &headers),
            status,
            "{method} {path} {headers:?}"
        );
    }
    assert_eq!(both(&with), before);
    assert_eq!(ask(&with, "POST", RELOAD_SCHEMA, &[ORDER, own]), 202);
    until("the order to be carried out", || {
        both(&with)[0] != before[0]
    });
    for (method, path) in [
        ("GET", STATE),
        ("POST", RELOAD_SCHEMA),
        ("POST", RELOAD_CONFIG),
    ] {
        assert_eq!(ask(&without, method, path, &[ORDER]), 404, "{path}");
    }
    with.stop();
    without.stop();
}

/// The name of somebody's page may lead here (DNS rebinding): for a browser it is a page of ours
/// then, and all that tells is the name.
#[test]
fn a_page_whose_name_leads_to_the_admin_server_gets_nothing_of_the_console() {
    let database = Cluster::shared().database();
    let settings = [
        ("server-console-enabled", "true"),
        ("admin-server-host", "admin.example.com"),
    ];
    let server = Server::start(&database, &settings);
    let ask = |host: &str, method: &str, path: &str| {
        let mut client = server.admin();
        let own = "Sec-Fetch-Site: same-origin\r\nCoreREST-Console: reload\r\n";
        client.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{own}\r\n"
        ));
        client.read(method)
    };
    let asked = [
        ("GET", "/", 200),
        ("GET", "/.console/admin.js", 200),
        ("GET", STATE, 200),
        ("POST", RELOAD_SCHEMA, 202),
        ("POST", RELOAD_CONFIG, 202),
    ];
    let before = last(&server, "schemaCache");
    for host in [
        "evil.example",
        "evil.example:3001",
        "127.0.0.1.evil.example",
    ] {
        for (method, path, _) in asked {
            let answer = ask(host, method, path);
            assert_eq!(answer.status, 403, "{host} {method} {path}");
            assert!(answer.text().contains("Open it by IP address"));
        }
        // What PostgREST has is for everybody, as it is there.
        for path in ["/live", "/ready", "/metrics", "/schema_cache"] {
            assert_eq!(ask(host, "GET", path).status, 200, "{host} {path}");
        }
    }
    assert_eq!(last(&server, "schemaCache"), before);
    let own = [
        "127.0.0.1:3001",
        "[::1]:3001",
        "localhost",
        "admin.example.com",
    ];
    for host in own {
        for (method, path, status) in asked {
            assert_eq!(ask(host, method, path).status, status, "{host} {path}");
        }
    }
    server.stop();
}
