//! Clients that are slow, hasty, wrong, hostile, or gone, against the running server.
//!
//! What a stream of bytes means is tested beside the parser, byte by byte; here it is shown that
//! the server acts on it: who is answered, who is closed, and that everybody else is served
//! meanwhile.

use corerest_tests::client::{Address, Client, ClientError, request};
use corerest_tests::cluster::Cluster;
use corerest_tests::server::{Server, unused_path};
use corerest_tests::waiting::until;
use std::net::ToSocketAddrs;
use std::os::unix::fs::PermissionsExt;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// One server for all tests that leave it as it was.
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&Cluster::shared().database(), &[("db-schemas", "api")]))
}

fn start(settings: &[(&str, &str)]) -> Server {
    Server::start(&Cluster::shared().database(), settings)
}

const PLANT: &str = "/plants?select=id&id=eq.1";

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let mut client = server().client();
    let mut bytes = Vec::new();
    for id in 1..=50 {
        let method = if id % 7 == 0 { "HEAD" } else { "GET" };
        bytes.extend(request(
            method,
            &format!("/numbers?select=n&n=eq.{id}"),
            &[],
        ));
    }
    client.send(bytes);
    for id in 1..=50 {
        let is_head = id % 7 == 0;
        let answer = client.read(if is_head { "HEAD" } else { "GET" });
        let body = if is_head {
            String::new()
        } else {
            format!("[{{\"n\":{id}}}]")
        };
        assert_eq!((answer.status, answer.text()), (200, &*body));
    }
    client.expect_usable();
}

#[test]
fn pipelined_requests_behind_an_error_are_answered() {
    let mut client = server().client();
    let mut bytes = request("GET", "/failures?name=eq.division", &[]);
    bytes.extend(request("GET", "/no/such/path", &[]));
    bytes.extend(request("GET", PLANT, &[]));
    client.send(bytes);
    assert_eq!(client.read("GET").status, 400);
    assert_eq!(client.read("GET").status, 404);
    assert_eq!(client.read("GET").text(), r#"[{"id":1}]"#);
    client.expect_usable();
}

#[test]
fn a_request_may_arrive_byte_by_byte() {
    let mut client = server().client();
    for byte in request("GET", PLANT, &[("X-Colour", "green")]) {
        client.send([byte]);
    }
    assert_eq!(client.read("GET").text(), r#"[{"id":1}]"#);
    client.expect_usable();
}

#[track_caller]
fn check_persistence(head: &str, stays: bool) {
    let mut client = server().client();
    client.send(head);
    let answer = client.read(head.split(' ').next().expect("a method"));
    assert_eq!((answer.status, answer.closes()), (200, !stays), "{head}");
    if stays {
        client.expect_usable();
    } else {
        client.expect_closed();
    }
}

#[test]
fn connections_stay_open_as_the_version_and_the_header_say() {
    check_persistence("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", true);
    check_persistence("HEAD /nothing HTTP/1.1\r\nHost: a\r\n\r\n", true);
    check_persistence(
        "GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        false,
    );
    check_persistence(
        "HEAD /nothing HTTP/1.1\r\nHost: a\r\nconnection: CLOSE\r\n\r\n",
        false,
    );
    check_persistence("GET /nothing HTTP/1.0\r\n\r\n", false);
    check_persistence(
        "GET /nothing HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        true,
    );
    check_persistence(
        "GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: a, close\r\n\r\n",
        false,
    );
}

#[test]
fn a_body_that_nobody_wants_does_not_become_a_request() {
    let mut client = server().client();
    let smuggled = request("GET", "/vault", &[]);
    let length = smuggled.len();
    let mut bytes =
        format!("GET {PLANT} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    bytes.extend(&smuggled);
    bytes.extend(
        format!("GET {PLANT} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").bytes(),
    );
    bytes.extend(format!("{length:x};note=\"x\"\r\n").bytes());
    bytes.extend(&smuggled);
    bytes.extend(b"\r\n0\r\nTrailer: x\r\n\r\n");
    client.send(bytes);
    for _ in 0..2 {
        assert_eq!(client.read("GET").text(), r#"[{"id":1}]"#);
    }
    client.expect_usable();
}

#[test]
fn a_client_that_waits_for_continue_gets_it() {
    let mut client = server().client();
    client.send(format!(
        "GET {PLANT} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    ));
    client.read_continue();
    client.send("abc");
    assert_eq!(client.read("GET").text(), r#"[{"id":1}]"#);
    client.expect_usable();
}

#[track_caller]
fn check_refused(bytes: impl AsRef<[u8]>, status: u16) {
    let shown = bytes.as_ref()[..bytes.as_ref().len().min(60)]
        .escape_ascii()
        .to_string();
    let mut client = server().client();
    // The server may refuse, and close, before it has read everything.
    let _ = client.try_send(bytes.as_ref());
    let answer = client.try_read("GET");
    let answer = answer.unwrap_or_else(|error| panic!("{shown}: {error}"));
    assert_eq!(answer.status, status, "{shown}");
    assert!(
        answer.closes(),
        "{shown}: the connection is not announced to close"
    );
    client.expect_closed();
}

#[test]
fn every_refusal_is_answered_and_then_closed() {
    for head in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        "GET /#x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
        "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc",
        "\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03",
    ] {
        check_refused(head, 400);
    }
    check_refused(
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999\r\n\r\n",
        413,
    );
    check_refused(
        format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(70_000)),
        414,
    );
    check_refused("GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n", 417);
    let long = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "a".repeat(80_000)
    );
    check_refused(long, 431);
    let many = format!(
        "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
        "X: a\r\n".repeat(300)
    );
    check_refused(many, 431);
    check_refused(
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        501,
    );
    check_refused("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505);
    check_refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
    server().client().expect_usable();
}

#[test]
fn what_was_asked_before_a_refusal_is_answered() {
    let mut client = server().client();
    let mut bytes = request("GET", PLANT, &[]);
    bytes.extend(b"nonsense\r\n\r\n");
    client.send(bytes);
    assert_eq!(client.read("GET").text(), r#"[{"id":1}]"#);
    assert_eq!(client.read("GET").status, 400);
    client.expect_closed();
}

#[test]
fn long_urls_within_the_limit_are_served() {
    let ids: Vec<String> = (1..8000).map(|id| id.to_string()).collect();
    let target = format!("/numbers?select=n&order=n&limit=1&n=in.({})", ids.join(","));
    assert!(target.len() > 38_000);
    assert_eq!(server().client().get(&target).text(), r#"[{"n":1}]"#);
}

/// Checks what becomes of a client that stops after these bytes, and that it happens not much
/// later than after a second, while another client is served.
#[track_caller]
fn check_deadline(key: &str, bytes: &[u8], expected: Result<u16, ClientError>) {
    let server = start(&[(key, "1")]);
    let mut stuck = server.client();
    let begin = Instant::now();
    stuck.send(bytes);
    let mut other = server.client();
    other.wait_at_most(Duration::from_secs(1));
    until("the deadline", || {
        assert_eq!(other.get(PLANT).status, 200);
        begin.elapsed() > Duration::from_millis(700)
    });
    let got = stuck.try_read("GET");
    let took = begin.elapsed();
    assert_eq!(got.map(|answer| answer.status), expected);
    stuck.expect_closed();
    assert!(
        took > Duration::from_millis(800) && took < Duration::from_secs(5),
        "{took:?}"
    );
    server.stop();
}

#[test]
fn a_head_that_does_not_end_is_answered_with_408() {
    check_deadline("server-header-timeout", b"GET / HTTP/1.1\r\nHost:", Ok(408));
}

#[test]
fn a_body_that_does_not_come_is_answered_with_408() {
    let head = b"GET /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab";
    check_deadline("server-body-timeout", head, Ok(408));
}

#[test]
fn a_client_that_asks_nothing_is_closed_without_a_word() {
    check_deadline("server-idle-timeout", b"", Err(ClientError::Closed));
}

#[test]
fn a_head_that_trickles_in_has_one_deadline() {
    let server = start(&[("server-header-timeout", "1")]);
    let mut slow = server.client();
    slow.wait_at_most(Duration::from_millis(100));
    let begin = Instant::now();
    slow.send("GET / HTTP/1.1\r\nHost: a\r\n");
    let answer = loop {
        match slow.try_read("GET") {
            Err(ClientError::TimedOut) => slow.send("X: y\r\n"),
            answer => break answer.expect("it is refused"),
        }
        assert!(
            begin.elapsed() < Duration::from_secs(5),
            "it may trickle for ever"
        );
    };
    assert_eq!(answer.status, 408);
    server.stop();
}

/// Checks that a client may go on for longer than the deadline, if each of its requests begins
/// with the end of the one before.
#[track_caller]
fn check_deadline_of_each(key: &str, begin: &str, end: &str) {
    let server = start(&[(key, "1")]);
    let mut client = server.client();
    let began = Instant::now();
    client.send(begin);
    until("twice the time to pass", || {
        client.send(format!("{end}{begin}"));
        assert_eq!(client.read("GET").status, 200);
        began.elapsed() > Duration::from_millis(2_500)
    });
    client.leave("its request does not end");
    server.stop();
}

#[test]
fn heads_that_overlap_have_a_deadline_each() {
    let begin = "GET /nothing HTTP/1.1\r\nHost: a\r\n";
    check_deadline_of_each("server-header-timeout", begin, "\r\n");
}

#[test]
fn bodies_that_overlap_have_a_deadline_each() {
    let begin = "GET /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab";
    check_deadline_of_each("server-body-timeout", begin, "cde");
}

/// After so many requests at once, others have their turn before the client goes on.
#[test]
fn a_head_behind_many_requests_has_the_same_deadline() {
    const REQUESTS: usize = 100;
    let server = start(&[("server-header-timeout", "1")]);
    let mut stuck = server.client();
    let begin = Instant::now();
    let mut bytes = request("GET", "/nothing", &[]).repeat(REQUESTS);
    bytes.extend(b"GET / HTTP/1.1\r\n");
    stuck.send(bytes);
    for _ in 0..REQUESTS {
        assert_eq!(stuck.read("GET").status, 200);
    }
    assert_eq!(stuck.read("GET").status, 408);
    assert!(begin.elapsed() < Duration::from_secs(5));
    stuck.expect_closed();
    server.stop();
}

#[test]
fn a_client_that_does_not_read_is_closed_and_delays_nobody() {
    let server = start(&[("server-write-timeout", "1"), ("db-pool", "2")]);
    let mut stuck: Vec<Client> = (0..4).map(|_| server.client()).collect();
    for client in &mut stuck {
        client.send(request("GET", "/huge", &[]));
    }
    let mut other = server.client();
    // With two connections to PostgreSQL, this works only if the four let go of theirs.
    let answer = other.get(PLANT);
    assert_eq!((answer.status, answer.text()), (200, r#"[{"id":1}]"#));
    let begin = Instant::now();
    until("the write deadline", || {
        assert_eq!(other.get(PLANT).status, 200);
        begin.elapsed() > Duration::from_secs(3)
    });
    for client in &mut stuck {
        let answer = client.try_read("GET");
        assert!(answer.is_err(), "it should have been cut off");
    }
    server.stop();
}

#[test]
fn a_large_answer_to_a_slow_reader_needs_little_memory() {
    const BYTES_MIN: usize = 49_000_000;
    let server = start(&[("db-pool", "3")]);
    assert_eq!(server.client().get(PLANT).status, 200);
    let before = server.resident_bytes();
    let mut slow = server.client();
    slow.send(request("GET", "/huge", &[]));
    let mut other = server.client();
    let mut received = slow.read_some(64 * 1024).expect("it begins at once").len();
    // A pause longer than any connection to PostgreSQL is trusted to live unseen.
    let begin = Instant::now();
    until("the pause to end", || {
        assert_eq!(other.get(PLANT).status, 200);
        begin.elapsed() > Duration::from_millis(1500)
    });
    let mut most = 0;
    while received < BYTES_MIN {
        received += slow.read_some(64 * 1024).expect("it is passed on").len();
        if received / 1_000_000 != (received.saturating_sub(64 * 1024)) / 1_000_000 {
            assert_eq!(other.get(PLANT).text(), r#"[{"id":1}]"#);
            most = most.max(server.resident_bytes());
        }
    }
    let grown = most.saturating_sub(before);
    assert!(
        grown < 16 << 20,
        "{grown} bytes more for an answer of 50 MB"
    );
    slow.leave("it has counted the bytes itself, and not to the last");
    server.stop();
}

#[test]
fn a_large_answer_is_complete() {
    let answer = server().client().get("/huge?order=n&limit=40000");
    assert_eq!(answer.status, 200);
    let text = answer.text();
    assert_eq!(text.matches("\"n\":").count(), 40_000);
    assert!(text.starts_with("[{\"n\":1,") && text.ends_with("xxx\"}]"));
    assert_eq!(answer.header("Content-Range"), Some("0-39999/*"));
}

#[test]
fn clients_that_disappear_leave_nothing_behind() {
    let server = start(&[("db-pool", "2")]);
    for _ in 0..20 {
        let mut half = server.client();
        half.send("GET /plants HTTP/1.1\r\nHo");
        half.leave("it disappears before its head is complete");
        let mut napping = server.client();
        napping.send(request("GET", "/naps?milliseconds=eq.100", &[]));
        napping.leave("it disappears before its answer is there");
        let mut hasty = server.client();
        hasty.send(request("GET", "/huge", &[]));
        let _ = hasty.read_some(1000);
        hasty.leave("it disappears within its answer");
    }
    let mut client = server.client();
    assert_eq!(client.get(PLANT).status, 200);
    client.expect_usable();
    server.stop();
}

#[test]
fn a_client_that_has_finished_sending_is_answered() {
    let mut client = server().client();
    client.send(request("GET", PLANT, &[]));
    client.finish_sending();
    assert_eq!(client.read("GET").text(), r#"[{"id":1}]"#);
}

#[test]
fn a_unix_socket_has_its_mode_and_is_removed_at_the_end() {
    let path = unused_path("socket");
    let name = path.to_str().expect("we chose it");
    std::fs::write(&path, "").expect("a stale file");
    std::fs::remove_file(&path).expect("it was just written");
    let stale = std::os::unix::net::UnixListener::bind(&path).expect("the name is free");
    drop(stale);
    let server = start(&[
        ("server-unix-socket", name),
        ("server-unix-socket-mode", "640"),
    ]);
    assert_eq!(*server.address(), Address::Unix(path.clone()));
    let mode = std::fs::metadata(&path)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o640);
    assert_eq!(server.client().get(PLANT).text(), r#"[{"id":1}]"#);
    server.stop();
}

#[test]
fn special_hosts_are_addresses() {
    // Whichever the machine names first, and that may be ::1.
    let localhost = ("localhost", 0).to_socket_addrs();
    let localhost = localhost
        .ok()
        .and_then(|mut found| found.next())
        .expect("it has an address");
    let localhost = localhost.to_string();
    for (host, expected) in [
        ("!4", "0.0.0.0:"),
        ("*4", "0.0.0.0:"),
        ("127.0.0.1", "127.0.0.1:"),
        ("localhost", localhost.trim_end_matches('0')),
    ] {
        let server = start(&[("server-host", host)]);
        let line = server.stderr.wait_for("API server listening on ");
        assert!(
            line.contains(&format!("listening on {expected}")),
            "{host}: {line}"
        );
        server.stop();
    }
}

#[test]
fn more_clients_than_allowed_do_not_stop_the_others() {
    let server = start(&[("server-max-connections", "10")]);
    let mut first = server.client();
    assert_eq!(first.get(PLANT).status, 200);
    let crowd: Vec<Client> = (0..30).map(|_| server.client()).collect();
    assert_eq!(first.get(PLANT).status, 200);
    drop(crowd);
    until("room for a new client", || {
        let mut client = server.client();
        client
            .try_exchange("GET", PLANT, &[])
            .is_ok_and(|answer| answer.status == 200)
    });
    server.stop();
}

#[test]
fn a_thousand_idle_clients_are_no_burden() {
    let server = start(&[]);
    let mut idle: Vec<Client> = (0..1000).map(|_| server.client()).collect();
    for client in idle.iter_mut().step_by(50) {
        assert_eq!(client.get(PLANT).status, 200);
    }
    assert_eq!(server.client().get(PLANT).status, 200);
    assert_eq!(
        idle.last_mut()
            .expect("there are a thousand")
            .get(PLANT)
            .status,
        200
    );
    drop(idle);
    server.stop();
}

/// In the words of the API, for what is percent-encoded in a target gets them, too.
#[test]
fn a_target_whose_bytes_are_not_utf8_is_refused_as_json() {
    for target in ["/plants?name=neq.caf\u{e9}", "/caf\u{e9}", "/\u{e9}?a#b"] {
        for method in ["DELETE", "HEAD"] {
            let line = format!("{method} {target} HTTP/1.1\r\n");
            let latin1 = line.chars().map(|character| character as u8);
            let mut client = server().client();
            client.send([latin1.collect(), b"Host: a\r\n\r\n".to_vec()].concat());
            let answer = client.read(method);
            assert_eq!(answer.status, 400, "{line}");
            let proxy_status = Some("PostgREST; error=PGRST100");
            assert_eq!(answer.header("Proxy-Status"), proxy_status);
            if method != "HEAD" {
                assert_eq!(
                    answer.text(),
                    concat!(
                        r#"{"code":"PGRST100","details":"It has bytes that are no text","#,
                        r#""hint":null,"message":"The request target is not UTF-8"}"#
                    )
                );
            }
            assert!(answer.closes());
            client.expect_closed();
        }
    }
    server().client().expect_usable();
}

/// Names in Latin-1 come with all kinds of requests. What decides about a request is not guessed.
#[test]
fn bytes_that_are_not_utf8_in_headers_are_replaced_where_they_decide_nothing() {
    let ask = |target: &str, headers: &[u8]| {
        let line = format!("GET {target} HTTP/1.1\r\nHost: a\r\n");
        let mut client = server().client();
        client.send([line.as_bytes(), headers, b"\r\n\r\n"].concat());
        client.read("GET")
    };
    let settings = "/request?select=headers->>x-name,cookies";
    let settings = ask(settings, b"X-Name: caf\xe9\r\nCookie: a=caf\xe9; b=1");
    let expected = "[{\"x-name\":\"caf\u{fffd}\",\"cookies\":{\"a\":\"caf\u{fffd}\",\"b\":\"1\"}}]";
    assert_eq!(settings.text(), expected);
    let strict = ask(PLANT, b"Prefer: handling=strict, tx=rollback\xe9");
    assert_eq!(strict.status, 400);
    let accept = ask(PLANT, b"Accept: application/json\xe9");
    assert_eq!(accept.status, 406);
    let profile = ask(PLANT, b"Accept-Profile: api\xe9");
    assert_eq!(profile.status, 406);
}

/// RFC 9110, section 9.3.2.
#[test]
fn a_refused_head_request_gets_no_body() {
    let mut client = server().client();
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n");
    let answer = client.read("HEAD");
    assert_eq!(answer.status, 400);
    assert_ne!(answer.header("Content-Length"), Some("0"));
    client.expect_closed();
}
