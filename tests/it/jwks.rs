//! Keys that others publish (`jwt-jwks-uri`, `jwt-issuers`): fetched from a real web server, which
//! rotates them, and does whatever it can do wrong.

use crate::events;
use crate::metrics::scrape;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use corerest_tests::client::{Client, request};
use corerest_tests::cluster::Cluster;
use corerest_tests::events::{End, Stream};
use corerest_tests::issuer::{Authority, DISCOVERY, Manner, Page, Signer, Web, discovery, key_set};
use corerest_tests::log::Log;
use corerest_tests::server::{Server, command, unused_path, variable};
use corerest_tests::waiting::until;
use corerest_tests::watchdog;
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const KEYS: &str = "/keys";

/// What a request with this token is answered with, and the role that it ran as.
fn ask(client: &mut Client, token: &str) -> (u16, String) {
    let header = format!("Bearer {token}");
    let answer = client.exchange("GET", "/request?select=role", &[("Authorization", &header)]);
    (answer.status, answer.text().to_owned())
}

#[track_caller]
fn check_role(client: &mut Client, token: &str, role: &str) {
    let (status, text) = ask(client, token);
    assert!(status == 200 && text.contains(role), "{status} {text}");
}

#[track_caller]
fn check_refused(client: &mut Client, token: &str, details: &str) {
    let (status, text) = ask(client, token);
    let is_told = text.contains("PGRST301") && text.contains(details);
    assert!(status == 401 && is_told, "{status} {text}");
}

const UNKNOWN: &str = "No suitable key was found to decode the JWT";

fn claims(issuer: &str, role: &str) -> String {
    format!(r#"{{"iss":"{issuer}","role":"{role}"}}"#)
}

/// How often keys were fetched, with that result.
fn fetches(server: &Server, result: &str) -> f64 {
    let samples = scrape(server);
    let wanted = samples.iter().filter(|(name, _)| {
        name.starts_with("corerest_jwks_fetches_total")
            && name.contains(&format!("result=\"{result}\""))
    });
    wanted.map(|(_, value)| value).sum()
}

fn fetches_that_have_ended(server: &Server) -> f64 {
    let results = ["changed", "unchanged", "failed"];
    results.iter().map(|result| fetches(server, result)).sum()
}

/// Has all keys fetched again, by reading the configuration again, and waits for it.
#[track_caller]
fn fetch_again(server: &Server, sources: usize) {
    let before = fetches_that_have_ended(server);
    server.signal(Signal::USR2);
    until("the keys to be fetched again", || {
        fetches_that_have_ended(server) >= before + sources as f64
    });
}

#[test]
fn keys_are_fetched_by_https_and_rotated_without_a_refused_request() {
    let authority = Authority::new();
    let web = Web::secure(&authority);
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    web.set(KEYS, key_set(&[&old]));
    let url = format!("{}{KEYS}", web.url());
    let settings = [
        ("jwt-jwks-uri", url.as_str()),
        ("jwt-jwks-ca-file", authority.file()),
        ("jwt-secret", "a secret of more than 32 characters"),
    ];
    let server = Server::start(&Cluster::shared().database(), &settings);
    let client = &mut server.client();
    let token = |signer: &Signer| signer.token(r#"{"role":"gardener"}"#);
    check_role(client, &token(&old), "gardener");
    // The new key is published, and its first token makes the server fetch it, and waits for it.
    web.set(KEYS, key_set(&[&new, &old]));
    check_role(client, &token(&new), "gardener");
    check_role(client, &token(&old), "gardener");
    assert_eq!(web.times_asked(KEYS), 2);
    // The old one is withdrawn.
    web.set(KEYS, key_set(&[&new]));
    fetch_again(&server, 1);
    check_refused(client, &token(&old), UNKNOWN);
    check_role(client, &token(&new), "gardener");
    // Anonymous requests and those with other tokens have nothing to do with any of it.
    assert!(
        client
            .get("/request?select=role")
            .text()
            .contains("anonymous")
    );
    let samples = scrape(&server);
    assert_eq!(
        samples[&format!("corerest_jwks_keys{{source=\"{url}\"}}")],
        1.0
    );
    let age = samples[&format!("corerest_jwks_age_seconds{{source=\"{url}\"}}")];
    assert!((0.0..20.0).contains(&age), "{age}");
    server.stop();
}

#[test]
fn an_issuer_is_asked_where_his_keys_are_and_they_are_for_his_tokens_only() {
    let authority = Authority::new();
    let [a, b] = [Web::secure(&authority), Web::secure(&authority)];
    let [key_a, key_b] = [Signer::new("1"), Signer::new("1")];
    for (web, key) in [(&a, &key_a), (&b, &key_b)] {
        web.set(
            DISCOVERY,
            discovery(web.url(), &format!("{}{KEYS}", web.url())),
        );
        web.set(KEYS, key_set(&[key]));
    }
    let issuers = format!(
        r#"[{{"issuer":"{}"}},
            {{"issuer":"{}","audience":"us","role_claim_key":"$.deep.role"}}]"#,
        a.url(),
        b.url()
    );
    let file = unused_path("issuers");
    std::fs::write(&file, &issuers).expect("the temporary folder can be written");
    let from_file = format!("@{}", file.display());
    let settings = [
        ("jwt-issuers", from_file.as_str()),
        ("jwt-jwks-ca-file", authority.file()),
    ];
    let server = Server::start(&Cluster::shared().database(), &settings);
    let client = &mut server.client();
    check_role(
        client,
        &key_a.token(&claims(a.url(), "gardener")),
        "gardener",
    );
    let of_b = format!(
        r#"{{"iss":"{}","aud":["x","us"],"deep":{{"role":"gardener"}},"role":"nobody"}}"#,
        b.url()
    );
    check_role(client, &key_b.token(&of_b), "gardener");
    let (status, text) = ask(client, &key_b.token(&claims(b.url(), "gardener")));
    assert!(
        status == 401 && text.contains("JWT not in audience"),
        "{text}"
    );
    // Each signs for the other, with a key of the same name.
    let no_key = "None of the keys was able to decode the JWT";
    check_refused(client, &key_b.token(&claims(a.url(), "gardener")), no_key);
    check_refused(client, &key_a.token(&of_b), no_key);
    let nobody = "The issuer of the JWT is not one of jwt-issuers";
    check_refused(
        client,
        &key_a.token(&claims("https://nobody.example", "gardener")),
        nobody,
    );
    check_refused(client, &key_a.token(r#"{"role":"gardener"}"#), nobody);
    let _ = std::fs::remove_file(&file);
    server.stop();
}

#[test]
fn tokens_whose_keys_never_came_are_told_to_come_again() {
    let authority = Authority::new();
    let web = Web::secure(&authority);
    let key = Signer::new("1");
    let settings = [
        ("jwt-issuers", web.url()),
        ("jwt-jwks-ca-file", authority.file()),
    ];
    let server = Server::start(&Cluster::shared().database(), &settings);
    server.stderr.wait_for("Cannot fetch the keys of");
    let client = &mut server.client();
    let token = key.token(&claims(web.url(), "gardener"));
    let header = format!("Bearer {token}");
    let answer = client.exchange("GET", "/request?select=role", &[("Authorization", &header)]);
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.text().contains("PGRSTX02"), "{}", answer.text());
    let seconds = answer
        .header("Retry-After")
        .and_then(|it| it.parse::<u64>().ok());
    assert!(
        seconds.is_some_and(|seconds| (1..=33).contains(&seconds)),
        "{seconds:?}"
    );
    // Whoever has no token of his is served.
    assert_eq!(client.get("/request?select=role").status, 200);
    web.set(
        DISCOVERY,
        discovery(web.url(), &format!("{}{KEYS}", web.url())),
    );
    web.set(KEYS, key_set(&[&key]));
    until("the keys to come", || ask(client, &token).0 == 200);
    let failures = server.stderr.lines();
    let failures = failures
        .iter()
        .filter(|line| line.contains("Cannot fetch the keys"));
    assert_eq!(failures.count(), 1);
    server.stop();
}

#[test]
fn requests_wait_for_keys_that_are_being_fetched_and_hold_no_thread() {
    let authority = Authority::new();
    let web = Web::secure(&authority);
    let [old, new] = [Signer::new("old"), Signer::new("new")];
    web.set(KEYS, key_set(&[&old]));
    let url = format!("{}{KEYS}", web.url());
    let settings = [
        ("jwt-jwks-uri", url.as_str()),
        ("jwt-jwks-ca-file", authority.file()),
        ("server-cores", "1"),
        ("db-pool", "2"),
    ];
    let server = Server::start(&Cluster::shared().database(), &settings);
    let token = |signer: &Signer| signer.token(r#"{"role":"gardener"}"#);
    check_role(&mut server.client(), &token(&old), "gardener");
    // Many more requests than threads wait for a server that does not answer.
    web.set(KEYS, key_set(&[&new, &old]).said(Manner::Never));
    let large = format!("{{}}{}", " ".repeat(100_000));
    let requests = [
        format!(
            "GET /request?select=role HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n",
            token(&new)
        ),
        // Of this one the head decides, before its body comes.
        format!(
            "POST /rpc/keep_json HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{large}",
            token(&new),
            large.len()
        ),
    ];
    let mut waiting: Vec<Client> = (0..20).map(|_| server.client()).collect();
    let client = &mut server.client();
    for (index, client) in waiting.iter_mut().enumerate() {
        client.send(&requests[index % 2]);
    }
    // Meanwhile others are served.
    check_role(client, &token(&old), "gardener");
    until("the keys to be asked for", || web.times_asked(KEYS) == 2);
    web.set(KEYS, key_set(&[&new, &old]));
    for (index, client) in waiting.iter_mut().enumerate() {
        let answer = client.read(if index % 2 == 0 { "GET" } else { "POST" });
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    server.stop();
}

#[test]
fn a_request_waits_two_seconds_for_a_key_and_not_longer() {
    let authority = Authority::new();
    let web = Web::secure(&authority);
    let [old, new] = [Signer::new("old"), Signer::new("new")];
    web.set(KEYS, key_set(&[&old]));
    let url = format!("{}{KEYS}", web.url());
    let settings = [
        ("jwt-jwks-uri", url.as_str()),
        ("jwt-jwks-ca-file", authority.file()),
    ];
    let server = Server::start(&Cluster::shared().database(), &settings);
    let client = &mut server.client();
    let token = |signer: &Signer| signer.token(r#"{"role":"gardener"}"#);
    check_role(client, &token(&old), "gardener");
    web.set(KEYS, key_set(&[&new, &old]).said(Manner::Never));
    let began = Instant::now();
    check_refused(client, &token(&new), UNKNOWN);
    let waited = began.elapsed();
    let bounds = Duration::from_millis(1900)..Duration::from_millis(3500);
    assert!(bounds.contains(&waited), "{waited:?}");
    // The fetch has its five seconds, and the keys that are there stay.
    server
        .stderr
        .wait_for("it takes more than 5 seconds. Those that are there stay.");
    check_role(client, &token(&old), "gardener");
    server.stop();
}

/// A client that waits for a key which nobody tells.
fn wait_in_vain(server: &Server, web: &Web, signer: &Signer, claims: &str) -> Client {
    let asked = web.times_asked(KEYS);
    let mut client = server.client();
    let authorization = format!("Bearer {}", signer.token(claims));
    let headers = [("Authorization", authorization.as_str())];
    client.send(request("GET", "/request?select=role", &headers));
    until("the keys to be asked for", || web.times_asked(KEYS) > asked);
    client
}

#[test]
fn whoever_waits_for_a_key_is_answered_when_the_server_ends() {
    let authority = Authority::new();
    let web = Web::secure(&authority);
    let [old, new] = [Signer::new("old"), Signer::new("new")];
    web.set(KEYS, key_set(&[&old]));
    let url = format!("{}{KEYS}", web.url());
    let settings = [
        ("jwt-jwks-uri", url.as_str()),
        ("jwt-jwks-ca-file", authority.file()),
    ];
    let mut server = Server::start(&Cluster::shared().database(), &settings);
    let claims = r#"{"role":"gardener"}"#;
    check_role(&mut server.client(), &old.token(claims), "gardener");
    web.set(KEYS, key_set(&[&new, &old]).said(Manner::Never));
    let mut waiting = wait_in_vain(&server, &web, &new, claims);
    server.signal(Signal::TERM);
    assert_eq!(waiting.read("GET").status, 401);
    assert!(server.await_exit().success());
}

#[test]
fn whoever_waits_for_the_keys_of_an_issuer_hears_that_he_is_none_any_more() {
    let authority = Authority::new();
    let web = Web::secure(&authority);
    let [old, new] = [Signer::new("old"), Signer::new("new")];
    web.set(KEYS, key_set(&[&old]));
    let name = web.url();
    let file = unused_path("config");
    let write = |issuer: &str| {
        let keys = format!("{name}{KEYS}");
        let issuers = format!(r#"[{{"issuer":"{issuer}","jwks_uri":"{keys}"}}]"#);
        let issuers = issuers.replace('"', "\\\"");
        let text = format!(
            "jwt-issuers = \"{issuers}\"\njwt-jwks-ca-file = \"{}\"\n",
            authority.file()
        );
        std::fs::write(&file, text).expect("the temporary folder can be written");
    };
    write(name);
    let server = Server::start_with_file(&Cluster::shared().database(), &file, &[]);
    let claims = claims(name, "gardener");
    check_role(&mut server.client(), &old.token(&claims), "gardener");
    web.set(KEYS, key_set(&[&new, &old]).said(Manner::Never));
    let mut waiting = wait_in_vain(&server, &web, &new, &claims);
    write("somebody else");
    server.signal(Signal::USR2);
    let answer = waiting.read("GET");
    let is_told = answer.text().contains("not one of jwt-issuers");
    assert!(answer.status == 401 && is_told, "{}", answer.text());
    server.stop();
}

#[test]
fn one_whose_keys_never_come_does_not_keep_others_from_rotating_theirs() {
    let authority = Authority::new();
    let [web, dead] = [Web::secure(&authority), Web::secure(&authority)];
    let [old, new] = [Signer::new("old"), Signer::new("new")];
    web.set(KEYS, key_set(&[&old]));
    dead.set(KEYS, Page::status(500));
    let urls = format!("{}{KEYS},{}{KEYS}", dead.url(), web.url());
    let settings = [
        ("jwt-jwks-uri", urls.as_str()),
        ("jwt-jwks-ca-file", authority.file()),
    ];
    let server = Server::start(&Cluster::shared().database(), &settings);
    let client = &mut server.client();
    let token = |signer: &Signer| signer.token(r#"{"role":"gardener"}"#);
    check_role(client, &token(&old), "gardener");
    web.set(KEYS, key_set(&[&new, &old]));
    check_role(client, &token(&new), "gardener");
    server.stop();
}

#[test]
fn whoever_hears_events_by_a_withdrawn_key_hears_no_more() {
    let authority = Authority::new();
    let web = Web::secure(&authority);
    let [old, new] = [Signer::new("old"), Signer::new("new")];
    web.set(KEYS, key_set(&[&old]));
    let url = format!("{}{KEYS}", web.url());
    let settings = [
        ("jwt-jwks-uri", url.as_str()),
        ("jwt-jwks-ca-file", authority.file()),
        ("server-events-enabled", "true"),
    ];
    let server = Server::start(&events::database(Cluster::shared()), &settings);
    let claims = r#"{"role":"gardener"}"#;
    let authorization = format!("Bearer {}", old.token(claims));
    check_role(&mut server.client(), &old.token(claims), "gardener");
    let headers = [("Authorization", authorization.as_str())];
    let open = || Stream::open(server.address(), "/rpc/hear", &headers);
    let mut stream = open();
    assert_eq!(stream.status(), "200", "{}", stream.head);
    // Its keys come by themselves: an unknown one has them fetched.
    web.set(KEYS, key_set(&[&new]));
    check_role(&mut server.client(), &new.token(claims), "gardener");
    assert_eq!(stream.rest(), (vec![], End::Whole));
    assert_eq!(open().status(), "401");
    server.stop();
}

#[test]
fn tokens_of_nobody_make_one_fetch() {
    let authority = Authority::new();
    let web = Web::secure(&authority);
    let [good, other] = [Signer::new("good"), Signer::new("other")];
    web.set(KEYS, key_set(&[&good]));
    let url = format!("{}{KEYS}", web.url());
    let settings = [
        ("jwt-jwks-uri", url.as_str()),
        ("jwt-jwks-ca-file", authority.file()),
    ];
    let server = Server::start(&Cluster::shared().database(), &settings);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let client = &mut server.client();
                for _ in 0..100 {
                    check_refused(client, &other.token(r#"{"role":"gardener"}"#), UNKNOWN);
                }
            });
        }
    });
    assert_eq!(web.times_asked(KEYS), 2);
    // A pipeline of them is answered one by one, in turn.
    let client = &mut server.client();
    let token = other.token("{}");
    let get = format!(
        "GET /request?select=role HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    client.send(get.repeat(2000));
    for _ in 0..2000 {
        assert_eq!(client.read("GET").status, 401);
    }
    server.stop();
}

/// What a server does, and what is said of it. The keys that are there stay.
#[track_caller]
fn check_hostile(server: &Server, web: &Web, good: &str, page: Page, told: &str) {
    web.set(KEYS, page);
    let said = || {
        let lines = server.stderr.lines().into_iter();
        let said = lines.filter(|line| line.contains("Cannot fetch the keys"));
        said.collect::<Vec<String>>()
    };
    let before = said().len();
    server.signal(Signal::USR2);
    until("somebody to hear of it", || said().len() > before);
    let said = said().pop().unwrap_or_default();
    assert!(said.contains(told), "{told}: {said}");
    check_role(&mut server.client(), good, "gardener");
}

#[test]
fn whatever_a_server_does_the_keys_that_are_there_stay() {
    let authority = Authority::new();
    let web = Web::secure(&authority);
    let elsewhere = Web::secure(&authority);
    let plain = Web::plain();
    let key = Signer::new("1");
    let good = key.token(r#"{"role":"gardener"}"#);
    let right = key_set(&[&key]);
    web.set(KEYS, right.clone());
    let url = format!("{}{KEYS}", web.url());
    let settings = [
        ("jwt-jwks-uri", url.as_str()),
        ("jwt-jwks-ca-file", authority.file()),
    ];
    let server = Server::start(&Cluster::shared().database(), &settings);
    check_role(&mut server.client(), &good, "gardener");
    plain.set(KEYS, right.clone());
    elsewhere.set(KEYS, right.clone());
    elsewhere.set("/round", Page::redirection(302, "round"));
    let many = vec![key.jwk(); 101].join(",");
    let long = format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(1 << 20));
    let hostile = [
        (Page::status(500), "it was answered with 500"),
        (Page::status(404), "it was answered with 404"),
        (Page::status(304), "it was answered with 304"),
        (Page::status(204), "it was answered with 204"),
        (
            Page::json("<html>Sign in</html>"),
            "it is not a JSON object",
        ),
        (Page::json(""), "it is not a JSON object"),
        (Page::json(key.jwk()), "it has no array \"keys\""),
        (
            Page::json(format!(r#"{{"keys":[{many}]}}"#)),
            "it has 101 keys",
        ),
        (Page::json(long), "its answer has more than 1 MiB"),
        (
            right.clone().said(Manner::Endlessly),
            "its answer has more than 1 MiB",
        ),
        (
            right.clone().said(Manner::Slowly),
            "it takes more than 5 seconds",
        ),
        (
            right.clone().said(Manner::Never),
            "it takes more than 5 seconds",
        ),
        (right.clone().said(Manner::CutOff), "Cannot fetch the keys"),
        (
            right.clone().header(&format!("X: {}", "x".repeat(20_000))),
            "header",
        ),
        (Page::status(302), "does not say where"),
        (
            Page::redirection(302, &format!("{}{KEYS}", plain.url())),
            "another scheme",
        ),
        (
            Page::redirection(302, "file:///etc/passwd"),
            "another scheme",
        ),
        (
            Page::redirection(302, KEYS),
            "it leads elsewhere, more than 3 times",
        ),
        (
            Page::redirection(307, &format!("{}/round", elsewhere.url())),
            "it leads elsewhere, more than 3 times",
        ),
    ];
    for (page, told) in hostile {
        check_hostile(&server, &web, &good, page, told);
        // It is said once, and again after it was well.
        web.set(KEYS, right.clone());
        fetch_again(&server, 1);
    }
    assert_eq!(plain.asked(), []);
    // Three times elsewhere is well.
    web.set(KEYS, Page::redirection(301, "/a/1"));
    web.set("/a/1", Page::redirection(308, "2"));
    web.set(
        "/a/2",
        Page::redirection(303, &format!("{}{KEYS}", elsewhere.url())),
    );
    fetch_again(&server, 1);
    assert_eq!(elsewhere.times_asked(KEYS), 1);
    check_role(&mut server.client(), &good, "gardener");
    // A set that is empty is one: everything is withdrawn.
    web.set(KEYS, key_set(&[]));
    fetch_again(&server, 1);
    server.stderr.wait_for("has no key that verifies tokens");
    check_refused(&mut server.client(), &good, UNKNOWN);
    server.stop();
}

#[test]
fn whoever_answers_for_somebody_else_is_not_listened_to() {
    let authority = Authority::new();
    let stranger = Authority::new();
    let key = Signer::new("1");
    let plain = Web::plain();
    plain.set(KEYS, key_set(&[&key]));
    let database = Cluster::shared().database();
    let check = |web: &Web, page: Page, told: &str| {
        web.set(DISCOVERY, page);
        web.set(KEYS, key_set(&[&key]));
        let settings = [
            ("jwt-issuers", web.url()),
            ("jwt-jwks-ca-file", authority.file()),
        ];
        let server = Server::start(&database, &settings);
        let said = server.stderr.wait_for("Cannot fetch the keys");
        assert!(said.contains(told), "{told}: {said}");
        let token = key.token(&claims(web.url(), "gardener"));
        assert_eq!(ask(&mut server.client(), &token).0, 503);
    };
    let web = Web::secure(&authority);
    let keys = format!("{}{KEYS}", web.url());
    let other = format!("{}/", web.url());
    check(&web, discovery(&other, &keys), "to the byte");
    check(&web, discovery("https://a.example", &keys), "to the byte");
    check(
        &web,
        Page::json(format!(r#"{{"jwks_uri":"{keys}"}}"#)),
        "it has no \"issuer\"",
    );
    check(
        &web,
        Page::json(format!(r#"{{"issuer":"{}"}}"#, web.url())),
        "it has no \"jwks_uri\"",
    );
    check(&web, Page::json("[]"), "it is not a JSON object");
    check(
        &web,
        discovery(web.url(), "file:///etc/passwd"),
        "is a file",
    );
    check(
        &web,
        discovery(web.url(), "http://a.example/keys"),
        "is not https",
    );
    let downwards = format!("{}{KEYS}", plain.url());
    check(&web, discovery(web.url(), &downwards), "is not https, as");
    check(&web, discovery(web.url(), "keys"), "is not a URL");
    // Certificates of others, and of nobody who is trusted.
    let right = |web: &Web| discovery(web.url(), &format!("{}{KEYS}", web.url()));
    let named = Web::named(&authority, "somebody.example");
    check(&named, right(&named), "invalid peer certificate");
    let unknown = Web::secure(&stranger);
    check(&unknown, right(&unknown), "invalid peer certificate");
}

#[test]
fn what_is_known_is_not_sent_again() {
    let authority = Authority::new();
    let web = Web::secure(&authority);
    let key = Signer::new("1");
    web.set(KEYS, key_set(&[&key]).header("ETag: \"1\""));
    let url = format!("{}{KEYS}", web.url());
    let settings = [
        ("jwt-jwks-uri", url.as_str()),
        ("jwt-jwks-ca-file", authority.file()),
    ];
    let server = Server::start(&Cluster::shared().database(), &settings);
    let token = key.token(r#"{"role":"gardener"}"#);
    check_role(&mut server.client(), &token, "gardener");
    for _ in 0..2 {
        fetch_again(&server, 1);
        check_role(&mut server.client(), &token, "gardener");
    }
    let asked = web.asked();
    let statuses: Vec<u16> = asked.iter().filter_map(|asked| asked.status).collect();
    assert_eq!(statuses, [200, 304, 304]);
    assert_eq!(asked[1].known.as_deref(), Some("\"1\""));
    assert_eq!(
        (fetches(&server, "changed"), fetches(&server, "unchanged")),
        (1.0, 2.0)
    );
    web.set(KEYS, key_set(&[]).header("ETag: \"2\""));
    fetch_again(&server, 1);
    check_refused(&mut server.client(), &token, UNKNOWN);
    server.stop();
}

#[test]
fn keys_may_be_in_a_file() {
    let key = Signer::new("1");
    let file = unused_path("keys");
    std::fs::write(&file, key_set(&[&key]).body).expect("the temporary folder can be written");
    let url = format!("file://{}", file.display());
    let server = Server::start(&Cluster::shared().database(), &[("jwt-jwks-uri", &url)]);
    let token = key.token(r#"{"role":"gardener"}"#);
    check_role(&mut server.client(), &token, "gardener");
    std::fs::write(&file, key_set(&[]).body).expect("it was written before");
    fetch_again(&server, 1);
    check_refused(&mut server.client(), &token, UNKNOWN);
    std::fs::remove_file(&file).expect("it is there");
    server.stop();
}

/// What `--check` says of keys, with these settings, and whether all is well.
fn checked(settings: &[(&str, &str)]) -> (String, bool) {
    let database = Cluster::shared().database();
    let uri = database.uri();
    let mut command = command();
    command.arg("--check");
    let usual = [
        ("db-uri", &*uri),
        ("db-anon-role", "anonymous"),
        ("db-schemas", "api"),
    ];
    for (key, value) in usual.iter().chain(settings) {
        command.env(variable(key), value);
    }
    let output = command.output().expect("it can be started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let about = text.lines().filter(|line| line.contains(": jwt-"));
    let about: Vec<&str> = about.filter(|line| !line.contains("jwt-aud")).collect();
    (about.join("\n"), output.status.success())
}

#[test]
fn check_says_what_is_wrong_with_keys() {
    let authority = Authority::new();
    let web = Web::secure(&authority);
    let key = Signer::new("1");
    let url = format!("{}{KEYS}", web.url());
    let by_url = [
        ("jwt-jwks-uri", &*url),
        ("jwt-jwks-ca-file", authority.file()),
    ];
    web.set(KEYS, key_set(&[&key]));
    assert_eq!(checked(&by_url), (String::new(), true));
    web.set(KEYS, Page::json(r#"{"keys":[{"kty":"oct","k":"AQAB"}]}"#));
    let (said, is_well) = checked(&by_url);
    let secret = "Key 1 is ignored: it is a secret, and everybody can read it";
    let none = format!("error: jwt-jwks-uri: {url} has no key that verifies tokens.");
    assert_eq!(
        said,
        format!("{none}\nwarning: jwt-jwks-uri: {url}: {secret}.")
    );
    assert!(!is_well);
    web.set(KEYS, Page::status(503));
    let told = format!("The keys of {url} cannot be fetched. {url}: it was answered with 503.");
    assert_eq!(
        checked(&by_url),
        (format!("error: jwt-jwks-uri: {told}"), false)
    );
    let (said, _) = checked(&[("jwt-jwks-uri", &url)]);
    assert!(said.contains("invalid peer certificate"), "{said}");
    let issuer = [
        ("jwt-issuers", web.url()),
        ("jwt-jwks-ca-file", authority.file()),
    ];
    web.set(DISCOVERY, discovery("https://somebody.example", &url));
    let (said, _) = checked(&issuer);
    assert!(said.contains("which is not"), "{said}");
    web.set(DISCOVERY, discovery(web.url(), &url));
    web.set(KEYS, key_set(&[&key]));
    assert_eq!(checked(&issuer), (String::new(), true));
}

/// Tokens of three issuers, of whom one after the other rotates his keys while requests go on.
/// None that is valid may be refused, and none whose key is withdrawn is accepted when the
/// withdrawal was fetched. `ROTATIONS=100` is the long run.
#[test]
fn rotations_under_load_refuse_nobody_and_withdrawn_keys_are_dead() {
    let rotations = std::env::var("ROTATIONS")
        .ok()
        .and_then(|it| it.parse().ok());
    let rotations: usize = rotations.unwrap_or(20);
    let authority = Authority::new();
    let webs: Vec<Web> = (0..3).map(|_| Web::secure(&authority)).collect();
    let mut signers: Vec<Signer> = (0..3).map(|_| Signer::new("0")).collect();
    let token = |web: &Web, signer: &Signer| signer.token(&claims(web.url(), "gardener"));
    let tokens: Vec<RwLock<String>> = webs
        .iter()
        .zip(&signers)
        .map(|(web, signer)| RwLock::new(token(web, signer)))
        .collect();
    for (web, signer) in webs.iter().zip(&signers) {
        web.set(
            DISCOVERY,
            discovery(web.url(), &format!("{}{KEYS}", web.url())),
        );
        web.set(KEYS, key_set(&[signer]));
    }
    let issuers: Vec<&str> = webs.iter().map(Web::url).collect();
    let settings = [
        ("jwt-issuers", &*issuers.join(",")),
        ("jwt-jwks-ca-file", authority.file()),
        ("log-level", "crit"),
    ];
    let server = Server::start(&Cluster::shared().database(), &settings);
    let is_over = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    let began = Instant::now();
    thread::scope(|scope| {
        for number in 0..6 {
            let (server, tokens) = (&server, &tokens);
            let (is_over, answered) = (&is_over, &answered);
            scope.spawn(move || {
                let client = &mut server.client();
                while !is_over.load(Ordering::SeqCst) {
                    // Held while it is used: it is withdrawn when nobody uses it any more.
                    let token = tokens[number % 3].read().expect("nobody has panicked");
                    let header = format!("Bearer {token}");
                    let request =
                        request("GET", "/request?select=role", &[("Authorization", &header)]);
                    client.send(request.repeat(8));
                    for _ in 0..8 {
                        let answer = client.read("GET");
                        assert_eq!(answer.status, 200, "{}", answer.text());
                        assert!(answer.text().contains("gardener"), "{}", answer.text());
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let client = &mut server.client();
        for rotation in 0..rotations {
            let whose = rotation % 3;
            let (web, signer) = (&webs[whose], &mut signers[whose]);
            let next = Signer::new(&(rotation + 1).to_string());
            web.set(KEYS, key_set(&[&next, signer]));
            fetch_again(&server, 3);
            let old = std::mem::replace(
                &mut *tokens[whose].write().expect("nobody has panicked"),
                token(web, &next),
            );
            web.set(KEYS, key_set(&[&next]));
            fetch_again(&server, 3);
            for _ in 0..10 {
                check_refused(client, &old, UNKNOWN);
            }
            *signer = next;
        }
        is_over.store(true, Ordering::SeqCst);
    });
    let (answered, seconds) = (answered.into_inner(), began.elapsed().as_secs_f64());
    let rate = answered as f64 / seconds;
    eprintln!("{rotations} rotations, {answered} valid tokens answered, {rate:.0} a second");
    assert!(answered > rotations * 8, "{answered}");
    server.stop();
}

/// The npm package `oidc-provider`, in the folder that `OIDC_PROVIDER` names. It ends when it is
/// dropped.
struct Provider(Child);

impl Provider {
    fn start(modules: &str, port: u16, key_id: &str) -> Provider {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/support/oidc-provider.mjs");
        let mut child = Command::new("node")
            .args([script, &port.to_string(), key_id, modules])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node can be started");
        watchdog::watch(child.id());
        let said = Log::collect(child.stdout.take().expect("it is piped"));
        let provider = Provider(child);
        said.wait_for("listening");
        provider
    }

    /// A token for its one client.
    fn token(port: u16) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        let secret = STANDARD.encode("shop:the%20secret%20of%20the%20shop");
        let body = "grant_type=client_credentials";
        let request = format!(
            "POST /token HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Basic {secret}\r\n\
             Connection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("it answers");
        let (_, rest) = text
            .split_once("\"access_token\":\"")
            .unwrap_or_else(|| panic!("{text}"));
        rest.split('"').next().unwrap_or_default().to_owned()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        watchdog::forget(self.0.id());
    }
}

/// Discovery, a login by client credentials, and a rotation, with one request each.
#[test]
fn a_real_openid_provider_is_understood() {
    let Ok(modules) = std::env::var("OIDC_PROVIDER") else {
        eprintln!("skipped: OIDC_PROVIDER names no folder with the npm package oidc-provider");
        return;
    };
    let port = {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
        free.expect("there is a port").port()
    };
    let issuer = format!("http://localhost:{port}");
    let issuers = format!(r#"[{{"issuer":"{issuer}","audience":"shop"}}]"#);
    let provider = Provider::start(&modules, port, "first");
    let server = Server::start(&Cluster::shared().database(), &[("jwt-issuers", &issuers)]);
    let client = &mut server.client();
    let first = Provider::token(port);
    check_role(client, &first, "gardener");
    drop(provider);
    let _provider = Provider::start(&modules, port, "second");
    check_role(client, &Provider::token(port), "gardener");
    check_refused(client, &first, UNKNOWN);
    server.stop();
}
