//! The console over the wire: who gets it, who does not, and that nobody else notices. What it does
//! in a browser is tried by `scripts/console-test`.

use corerest_tests::client::{Answer, Client};
use corerest_tests::cluster::Cluster;
use corerest_tests::server::Server;

/// What browsers ask for a page with.
const BROWSER: (&str, &str) = (
    "Accept",
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
);
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
    assert!(privileges.text().contains(r#""plants" : {"select" : true"#));

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
