//! What clients may make the server hold: what their heads decide costs nothing, the sum of the
//! rest is bounded, and whoever would exceed it is refused while the others are served.

use corerest_tests::client::{Answer, Client, ClientError, request};
use corerest_tests::cluster::{Cluster, Database};
use corerest_tests::server::Server;
use corerest_tests::waiting::{until, until_some};
use rustix::process::Signal;
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;

const SCHEMA: &str = "
    create schema store;
    create table store.w (id int, t text);
    create function store.fat(bytes int) returns text language plpgsql as $$
    begin insert into store.w values (bytes); return repeat('x', bytes); end $$;
    create function store.size(json) returns int language sql as 'select length($1::text)';
    create function store.done(n int) returns bigint language sql stable as
        'select count(*) from store.w where id = n';
    create function store.raw(bytea) returns int language sql as 'select length($1)';
    create function store.text(t text) returns int language sql as 'select length(t)';
    create function store.number(n int) returns int language sql as 'select n';
    create function store.texts(variadic t text[]) returns int language sql as
        'select cardinality(t)';
    create function store.wait() returns int language plpgsql as
        $$ begin perform pg_advisory_xact_lock_shared(4712); return 1; end $$;
    do $$ begin execute (select 'create table store.wide (' || string_agg('c' || n || ' int', ',')
        || ')' from generate_series(1, 300) n); end $$;
    do $$ begin execute (select 'create table store.open (' || string_agg('c' || n || ' int', ',')
        || ')' from generate_series(1, 300) n); end $$;
    grant usage on schema store to anonymous;
    grant all on store.w, store.open to anonymous;
";

/// Clients who begin to send a body, and how much they send of it.
const CROWD: usize = 24;
const BODY_BYTES: usize = 3 * MIB;

fn database() -> Database {
    let database = Cluster::shared().database();
    database.run(SCHEMA);
    database
}

fn start(database: &Database, settings: &[(&str, &str)]) -> Server {
    let mut all = vec![("db-schemas", "store"), ("db-pool", "4")];
    all.extend_from_slice(settings);
    Server::start(database, &all)
}

/// The head of a POST with a body of so many bytes.
fn head(target: &str, bytes: usize, headers: &[(&str, &str)]) -> Vec<u8> {
    let length = bytes.to_string();
    let mut all = vec![("Content-Length", &*length)];
    all.extend_from_slice(headers);
    request("POST", target, &all)
}

/// A JSON text of so many bytes.
fn json(bytes: usize) -> Vec<u8> {
    let mut text = b"[{\"id\":1,\"t\":\"".to_vec();
    text.resize(bytes - 3, b'x');
    text.extend_from_slice(b"\"}]");
    text
}

fn post(client: &mut Client, target: &str, body: &[u8], headers: &[(&str, &str)]) -> Answer {
    client.send(head(target, body.len(), headers));
    client.send(body);
    client.read("POST")
}

fn metric(server: &Server, name: &str) -> usize {
    let answer = server.admin().get("/metrics");
    let line = answer
        .text()
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .map(str::to_owned);
    line.expect("there is such a metric")
        .parse()
        .expect("it is a number")
}

fn held(server: &Server) -> usize {
    metric(server, "corerest_client_memory_bytes")
}

const BAD_TOKEN: (&str, &str) = ("Authorization", "Bearer not.a.token");

/// Sends a head whose body does not come, and checks the answer.
#[track_caller]
fn check_head(server: &Server, head: &[u8], status: u16) {
    let mut client = server.client();
    client.send(head);
    let answer = client.read("POST");
    assert_eq!(answer.status, status, "{}", answer.text());
    assert!(answer.closes(), "the body would be taken for a request");
    client.leave("its body is not wanted");
}

#[test]
fn a_head_is_answered_without_its_body() {
    let database = database();
    let server = start(
        &database,
        &[("jwt-secret", "a secret of thirty-two characters")],
    );
    let large = 900 * MIB;
    for expect in [&[][..], &[("Expect", "100-continue")]] {
        let with = |header: (&'static str, &'static str)| [expect, &[header]].concat();
        check_head(&server, &head("/w", large, &with(BAD_TOKEN)), 401);
        check_head(&server, &head("/nowhere", large, expect), 404);
        check_head(&server, &head("/rpc/nothing", large, expect), 404);
        let image = with(("Content-Type", "image/png"));
        check_head(&server, &head("/w", large, &image), 400);
        check_head(&server, &head("/w?select=x(*)", large, expect), 400);
    }
    let text = String::from_utf8(head("/rpc/fat", large, &[])).expect("it is ASCII");
    check_head(&server, text.replace("POST", "PUT").as_bytes(), 405);
    check_head(&server, &head("/w", 2000 * MIB, &[]), 413);
    // A client that waits is answered however small its body is.
    let waits = [("Expect", "100-continue"), BAD_TOKEN];
    check_head(&server, &head("/w", 2, &waits), 401);
    assert_eq!(held(&server), 0);
    server.stop();
}

#[test]
fn a_body_without_a_right_to_it_takes_no_memory() {
    let database = database();
    let server = start(
        &database,
        &[("jwt-secret", "a secret of thirty-two characters")],
    );
    check_head(&server, &head("/w", 900 * MIB, &[BAD_TOKEN]), 401);
    let before = server.resident_bytes();
    let senders: Vec<Client> = (0..4)
        .map(|_| {
            let mut client = server.client();
            client.send(head("/w", 150 * MIB, &[BAD_TOKEN]));
            // It is thrown away, so that the answer arrives.
            (0..150).for_each(|_| client.send([b' '; MIB]));
            assert_eq!(client.read("POST").status, 401);
            client
        })
        .collect();
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown <= 8 << 20, "{grown} bytes");
    drop(senders);
    server.stop();
}

/// Whoever closed while the body is on its way would take the answer back.
#[test]
fn an_answer_to_a_head_arrives_although_the_body_is_sent() {
    let database = database();
    let server = start(&database, &[("server-max-memory", "2000000")]);
    for (target, bytes, status) in [
        ("/nowhere", 100_000, 404),
        ("/nowhere", 5_000_000, 404),
        ("/w", 5_000_000, 413),
    ] {
        for _ in 0..5 {
            let mut client = server.client();
            client.send(head(target, bytes, &[]));
            client.send(vec![b' '; bytes]);
            let answer = client.read("POST");
            assert_eq!(answer.status, status, "{target} {bytes}");
            assert!(answer.closes());
            client.expect_closed();
        }
    }
    until("nothing to be in flight", || {
        metric(&server, "corerest_http_requests_in_flight") == 0
    });
    server.stop();
}

#[test]
fn the_sum_of_all_bodies_is_bounded() {
    let database = database();
    let server = start(&database, &[("server-max-memory", "4000000")]);
    let body = json(3_000_000);
    let mut first = server.client();
    first.send(head("/w", body.len(), &[]));
    first.send(&body[..2_500_000]);
    until("the first half to be there", || held(&server) > 2_400_000);
    let refusals = || metric(&server, "corerest_client_memory_refusals_total");
    assert_eq!(refusals(), 0);
    let mut second = server.client();
    second.send(head("/w", body.len(), &[]));
    let refused = second.read("POST");
    assert_eq!(refused.status, 503);
    assert_eq!(refusals(), 1);
    assert!(refused.header("Retry-After").is_some() && refused.closes());
    second.leave("there is no memory for its body");
    // What is too large for all of it will never have room.
    check_head(&server, &head("/w", 4_000_001, &[]), 413);
    // Whoever needs little is served.
    assert_eq!(server.client().get("/rpc/done?n=1").text(), "0");
    let small = post(&mut server.client(), "/w", &json(10_000), &[]);
    assert_eq!(small.status, 201);
    first.send(&body[2_500_000..]);
    assert_eq!(first.read("POST").status, 201);
    until("the memory to be given back", || held(&server) == 0);
    let mut second = server.client();
    assert_eq!(post(&mut second, "/w", &body, &[]).status, 201);
    server.stop();
}

#[test]
fn a_body_of_unknown_length_is_refused_when_it_has_become_too_large() {
    let database = database();
    let server = start(&database, &[("server-max-memory", "2000000")]);
    let mut client = server.client();
    client.send(request("POST", "/w", &[("Transfer-Encoding", "chunked")]));
    let chunk = [b"10000\r\n", &[b' '; 65_536][..], b"\r\n"].concat();
    (0..100).for_each(|_| client.send(&chunk));
    // It would never fit.
    assert_eq!(client.read("POST").status, 413);
    until("the memory to be given back", || held(&server) == 0);
    client.leave("it was refused in the middle");
    server.stop();
}

#[test]
fn beginnings_of_requests_count_too() {
    let database = database();
    let server = start(&database, &[("server-max-memory", "200000")]);
    let begun = |server: &Server| {
        let mut client = server.client();
        client.send(format!(
            "GET /w HTTP/1.1\r\nHost: a\r\nX: {}",
            "x".repeat(40_000)
        ));
        client
    };
    let mut clients = vec![begun(&server)];
    until("the first to be there", || held(&server) > 40_000);
    let refused = loop {
        let before = held(&server);
        let mut next = begun(&server);
        next.wait_at_most(Duration::from_millis(300));
        match next.try_read("GET") {
            Err(ClientError::TimedOut) => assert!(held(&server) > before),
            answer => break answer.expect("it is refused"),
        }
        clients.push(next);
    };
    assert_eq!(refused.status, 503);
    assert!(clients.len() >= 2, "{}", clients.len());
    for mut client in clients {
        client.send("\r\n\r\n");
        assert_eq!(client.read("GET").status, 200);
    }
    server.stop();
}

/// The answer of a write must be somewhere until its transaction has ended.
#[test]
fn a_large_answer_of_a_write_waits_in_a_file_when_there_is_no_memory() {
    let database = database();
    let server = start(&database, &[("server-max-memory", "1000000")]);
    let mut client = server.client();
    let answer = post(&mut client, "/rpc/fat", br#"{"bytes":3000000}"#, &[]);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body.len(), 3_000_002);
    assert_eq!(client.get("/rpc/done?n=3000000").text(), "1");
    client.expect_usable();
    assert_eq!(held(&server), 0);
    server.stop();
}

#[test]
fn an_answer_that_has_room_nowhere_is_owned_up_to() {
    let database = database();
    let settings = [
        ("server-max-memory", "1000000"),
        ("server-max-spool-bytes", "0"),
        ("db-tx-end", "commit-allow-override"),
    ];
    let server = start(&database, &settings);
    let mut client = server.client();
    let answer = post(&mut client, "/rpc/fat", br#"{"bytes":3000000}"#, &[]);
    assert_eq!(answer.status, 507);
    assert!(answer.text().contains(r#""code":"PGRSTX01""#));
    // It was carried out, once.
    assert_eq!(client.get("/rpc/done?n=3000000").text(), "1");
    let rolled_back = [("Prefer", "tx=rollback")];
    let answer = post(
        &mut client,
        "/rpc/fat",
        br#"{"bytes":2000000}"#,
        &rolled_back,
    );
    assert_eq!(answer.status, 507);
    assert!(answer.text().contains("rolled back"), "{}", answer.text());
    assert_eq!(client.get("/rpc/done?n=2000000").text(), "0");
    client.expect_usable();
    server.stop();
}

/// The most memory that the server has had so far.
fn peak_bytes(server: &Server) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id()));
    let status = status.expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kibibytes = number.and_then(|text| text.parse::<usize>().ok());
    kibibytes.expect("the kernel says so") * 1024
}

/// It is held until its answer is complete, and so is that: the transaction may yet fail.
#[track_caller]
fn check_upload(content_type: &str, body: &[u8], representation: &str) {
    let database = database();
    let server = start(&database, &[]);
    let headers = [("Content-Type", content_type), ("Prefer", representation)];
    let mut client = server.client();
    // The prepared statements, and what else the first one makes.
    assert_eq!(
        post(&mut client, "/w", &body[..0], &headers).status / 100,
        4
    );
    let before = peak_bytes(&server);
    let answer = post(&mut client, "/w", body, &headers);
    assert_eq!(answer.status, 201, "{}", answer.text());
    let grown = peak_bytes(&server) - before;
    let both = body.len() + answer.body.len();
    // Threads have buffers of their own, up to 256 KiB.
    let most = both + both / 10 + MIB;
    assert!(grown <= most, "{grown} bytes for {both}");
    server.stop();
}

#[test]
fn an_upload_needs_no_more_memory_than_its_own() {
    let row = format!("7,{}\n", "x".repeat(10_000));
    let rows = "id,t\n".to_owned() + &row.repeat(30 * MIB / row.len());
    for representation in ["return=minimal", "return=representation"] {
        check_upload("application/json", &json(30 * MIB), representation);
        check_upload("text/csv", rows.as_bytes(), representation);
    }
}

/// A body that is made to become more than it is: whom it is for, its media type, and how many
/// hundredths of its own length the server may need for it and what is made of it.
struct Made {
    what: &'static str,
    target: &'static str,
    content_type: &'static str,
    body: Vec<u8>,
    hundredths: usize,
    /// What the answer is.
    status: u16,
}

/// What a server needs beside: a buffer of each thread, names, keys, one part of an upload.
const BESIDE_BYTES: usize = 12 * MIB;

/// `begin`, then `unit` until it is so long, then `end`.
fn filled(begin: &str, unit: &[u8], bytes: usize, end: &str) -> Vec<u8> {
    let filling = unit.repeat(bytes / unit.len());
    [begin.as_bytes(), &filling, end.as_bytes()].concat()
}

/// An array of one object with as many keys as fit in so many bytes, all of them different.
fn distinct_keys(bytes: usize) -> Vec<u8> {
    let members = (0..bytes / 11).map(|n| format!("\"{n:07}\":0"));
    format!("[{{{}}}]", members.collect::<Vec<_>>().join(",")).into_bytes()
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const CSV: &str = "text/csv";
const LINES: &str = "application/x-ndjson";

fn hostile_bodies() -> Vec<Made> {
    let size = 16 * MIB;
    let wide: String = (1..=300).map(|n| format!("c{n},")).collect();
    let open: &str = format!("/open?columns={}", wide.trim_end_matches(',')).leak();
    let made = |what, target, content_type, body, hundredths, status| Made {
        what,
        target,
        content_type,
        body,
        hundredths,
        status,
    };
    vec![
        made(
            "one key, many times",
            "/wide",
            JSON,
            filled("[{", b"\"\":0,", size, "\"\":0}]"),
            110,
            400,
        ),
        made("many keys", "/wide", JSON, distinct_keys(size), 110, 400),
        made(
            "a long key",
            "/wide",
            JSON,
            filled("{\"", b"\\u0001", size, "\":0}"),
            110,
            400,
        ),
        made(
            "long keys",
            "/wide",
            JSON,
            filled(
                "[{\"",
                &[b"x".repeat(MIB).as_slice(), b"\":0,\""].concat(),
                size,
                "\":0}]",
            ),
            110,
            400,
        ),
        made(
            "a form of control characters",
            "/wide",
            FORM,
            filled("c1=", b"\x01", size, ""),
            110,
            401,
        ),
        made(
            "a form that is coded",
            "/wide",
            FORM,
            filled("c1=", b"+", size, ""),
            220,
            401,
        ),
        made(
            "a long name in a form",
            "/wide",
            FORM,
            filled("", b"\x01", size, "=1"),
            110,
            400,
        ),
        made(
            "many names in a form",
            "/wide",
            FORM,
            filled("", b"&%01", size, ""),
            110,
            400,
        ),
        made(
            "a form that is no text",
            "/wide",
            FORM,
            filled("c1=%ff", b"\x01", size, ""),
            220,
            400,
        ),
        made(
            "lines without the columns",
            open,
            LINES,
            filled("", b"{}\n", 64 << 10, ""),
            110,
            201,
        ),
        made(
            "a line of many keys",
            "/wide",
            LINES,
            filled("{", b"\"\":0,", 7 * MIB, "\"\":0}\n{}"),
            110,
            400,
        ),
        made(
            "a long name in CSV",
            "/wide",
            CSV,
            filled("", b"\x01", size, "\n1"),
            110,
            400,
        ),
        made(
            "a short name and a long one in CSV",
            "/wide",
            CSV,
            filled("c1,", b"\x01", size, "\n1,1"),
            110,
            400,
        ),
        made(
            "a long value in CSV",
            "/wide",
            CSV,
            filled("c1\n", b"\x01", size, ""),
            110,
            401,
        ),
        made(
            "short rows of CSV",
            "/wide",
            CSV,
            filled("c1,c2,c3\n", b",,\n", size, ""),
            110,
            401,
        ),
        made(
            "bytes for a function",
            "/rpc/raw",
            "application/octet-stream",
            filled("", b"\x01", size, ""),
            110,
            200,
        ),
        made(
            "a form for a function",
            "/rpc/text",
            FORM,
            filled("t=", b"\x01", size, ""),
            220,
            200,
        ),
        made(
            "a form for many arguments",
            "/rpc/texts",
            FORM,
            filled(
                "t=a",
                &[b"\"".repeat(1000).as_slice(), b"&t="].concat(),
                size,
                "",
            ),
            320,
            200,
        ),
        made(
            "a form for an argument without a name",
            "/rpc/size",
            FORM,
            filled("t=a", b"\x01", size / 3, ""),
            110,
            404,
        ),
        made(
            "a form for no function",
            "/rpc/text",
            FORM,
            filled("", b"\x01", size, "=1"),
            110,
            404,
        ),
        made(
            "a form for a number",
            "/rpc/number",
            FORM,
            filled("n=", b"\x01", 15 * MIB, ""),
            500,
            400,
        ),
        made(
            "JSON for no function",
            "/rpc/text",
            JSON,
            filled("{\"", b"\\u0001", size, "\":1}"),
            110,
            404,
        ),
    ]
}

/// Whoever sends less than all that clients may hold is not to have the server need many times of
/// that. Of many of them PostgreSQL says that he has not the right, when it has got all of it.
#[test]
fn what_is_made_of_a_body_is_no_larger_than_it() {
    let database = database();
    let mut wrong = Vec::new();
    for made in hostile_bodies() {
        let server = start(&database, &[("server-max-memory", "256000000")]);
        // CSV whose rows are wanted does not come in parts.
        let prefer = match made.content_type {
            CSV => "return=representation",
            _ => "return=minimal",
        };
        let headers = [("Content-Type", made.content_type), ("Prefer", prefer)];
        let mut client = server.client();
        post(&mut client, made.target, b"", &headers);
        let before = peak_bytes(&server);
        client = server.client();
        let answer = post(&mut client, made.target, &made.body, &headers);
        let grown = peak_bytes(&server) - before;
        let what = made.what;
        if grown > made.body.len() * made.hundredths / 100 + BESIDE_BYTES {
            wrong.push(format!("{what}: {grown} bytes for {}", made.body.len()));
        }
        if answer.status != made.status {
            let (status, expected) = (answer.status, made.status);
            wrong.push(format!("{what}: {status} and not {expected}"));
        }
        if answer.closes() {
            client.leave("it was refused");
        }
        server.stop();
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What is made of a request is held with it as long as it waits for a connection.
#[test]
fn requests_that_wait_for_a_connection_count_with_what_is_made_of_them() {
    let database = database();
    let settings = [("server-max-memory", "1500000"), ("db-pool", "1")];
    let server = start(&database, &settings);
    let mut gate = database.connect();
    gate.execute("SELECT pg_advisory_lock(4712)", &[])
        .expect("it locks");
    let mut holder = server.client();
    holder.send(head("/rpc/wait", 0, &[]));
    until("the connection to be taken", || {
        metric(&server, "corerest_http_requests_in_flight") == 1
    });
    let body = filled("t=", b"x", 60_000, "");
    let mut waiting: Vec<Client> = Vec::new();
    let refused = loop {
        let before = held(&server);
        assert!(before < 2_000_000, "{before} bytes for {}", waiting.len());
        let mut client = server.client();
        client.send(head("/rpc/text", body.len(), &[("Content-Type", FORM)]));
        client.send(&body);
        client.wait_at_most(Duration::from_millis(20));
        let refused = until_some(
            "an answer, or to wait with what is made of it",
            || match client.try_read("POST") {
                Err(ClientError::TimedOut) => {
                    (held(&server) >= before + 2 * body.len()).then_some(None)
                }
                answer => Some(Some(answer.expect("it is refused"))),
            },
        );
        if let Some(refused) = refused {
            break refused;
        }
        waiting.push(client);
    };
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(waiting.len() >= 5, "{}", waiting.len());
    gate.execute("SELECT pg_advisory_unlock(4712)", &[])
        .expect("it unlocks");
    assert_eq!(holder.read("POST").status, 200);
    for mut client in waiting {
        client.wait_at_most(Duration::from_secs(30));
        assert_eq!(client.read("POST").text(), "60000");
    }
    until("the memory to be given back", || held(&server) == 0);
    server.stop();
}

#[test]
fn a_description_without_room_is_refused_as_a_whole() {
    let database = database();
    database.run(
        "DO $$ BEGIN FOR n IN 1..300 LOOP
           EXECUTE format('CREATE TABLE store.t%s (id int, a text, b text, c text)', n);
           EXECUTE format('GRANT SELECT ON store.t%s TO anonymous', n);
         END LOOP; END $$",
    );
    let server = start(&database, &[("server-max-memory", "3145728")]);
    let mut reader = server.client();
    let whole = reader.get("/");
    let bytes = whole.body.len();
    assert_eq!(whole.status, 200);
    assert!(bytes > MIB / 4, "{bytes} bytes are not many");
    let mut holder = server.client();
    holder.send(head("/rpc/size", 3 * MIB - 1000, &[]));
    holder.send(&json(3 * MIB - 1000)[..3 * MIB - 200_000]);
    until("the body to come", || held(&server) > 2 * MIB + MIB / 2);
    let refused = reader.get("/");
    let text = refused.text();
    assert_eq!(refused.status, 503, "{text}");
    assert!(
        text.contains("PGRSTX05") && text.contains(&bytes.to_string()),
        "{text}"
    );
    assert!(refused.header("Retry-After").is_some());
    holder.leave("the end is never sent");
    until("the memory to be there", || held(&server) < MIB);
    let again = reader.get("/");
    assert_eq!((again.status, again.body.len()), (200, bytes));
    server.stop();
}

#[test]
fn memory_is_given_back_when_nobody_needs_it() {
    let database = database();
    let server = start(&database, &[]);
    post(&mut server.client(), "/rpc/size", &json(MIB), &[]);
    let before = server.resident_bytes();
    // The allocator learns from those that it has given back what it keeps of the next ones.
    for _ in 0..3 {
        let clients: Vec<Client> = (0..CROWD)
            .map(|_| {
                let mut client = server.client();
                client.send(head("/rpc/size", 2 * BODY_BYTES, &[]));
                client.send(json(BODY_BYTES));
                client
            })
            .collect();
        let all = CROWD * BODY_BYTES;
        until("the bodies to come", || held(&server) > all / 2);
        for client in clients {
            client.leave("the other half is never sent");
        }
        until("the clients to be gone", || held(&server) < MIB);
    }
    until("the memory to be given back", || {
        server.resident_bytes() < before + 16 * MIB as u64
    });
}

/// What lies between others of its size, too.
#[test]
fn memory_of_unfinished_heads_is_given_back() {
    let server = start(&database(), &[]);
    let before = server.resident_bytes();
    let head = format!("GET /w HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(60_000));
    let clients = 1_000;
    let beginnings: Vec<Client> = (0..clients)
        .map(|_| {
            let mut client = server.client();
            client.send(&head);
            client
        })
        .collect();
    let all = clients * head.len();
    until("the heads to come", || held(&server) > all / 2);
    for client in beginnings {
        client.leave("its head is never finished");
    }
    until("the memory to be given back", || {
        server.resident_bytes() < before + 32 * MIB as u64
    });
    server.stop();
}

/// With a limit of the whole process, and bodies and answers that are far beyond it. Most of the
/// address space is what the C library sets aside for its threads, and never uses; so there may be
/// room for none of the bodies.
#[test]
fn nothing_that_comes_from_outside_ends_the_process() {
    let database = database();
    let settings = [("db-schemas", "store")];
    let server = Server::start_with_memory(&database, 600 * MIB, &settings);
    let mut other = server.client();
    assert_eq!(other.get("/rpc/done?n=1").status, 200);
    // Beyond what all clients together may hold.
    check_head(&server, &head("/w", 700 * MIB, &[]), 413);
    let body = json(40 * MIB);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = server.client();
                    client.send(head("/rpc/size", body.len(), &[]));
                    let taken = body.chunks(MIB).all(|piece| client.try_send(piece).is_ok());
                    match client.try_read("POST") {
                        Ok(answer) => answer.status,
                        // It was still sending when it was refused.
                        Err(error) if !taken => {
                            client.leave(&error.to_string());
                            503
                        }
                        Err(error) => panic!("{error}"),
                    }
                })
            })
            .collect();
        runs.into_iter()
            .map(|run| run.join().expect("it returns"))
            .collect()
    });
    assert!(
        statuses.iter().all(|status| [200, 503].contains(status)),
        "{statuses:?}"
    );
    for (content_type, made, statuses) in [
        (
            JSON,
            filled("[{", b"\"\":0,", 60 * MIB, "\"\":0}]"),
            [400, 503],
        ),
        (FORM, filled("t=", b"\x01", 20 * MIB, ""), [201, 503]),
    ] {
        let mut client = server.client();
        let answer = post(&mut client, "/w", &made, &[("Content-Type", content_type)]);
        assert!(statuses.contains(&answer.status), "{}", answer.text());
        if answer.closes() {
            client.leave("it was refused");
        }
    }
    let fat = format!(r#"{{"bytes":{}}}"#, 150 * MIB);
    let mut client = server.client();
    client.send(head("/rpc/fat", fat.len(), &[]));
    client.send(fat);
    let mut received = 0;
    while received < 150 * MIB {
        received += client.read_some(MIB).expect("it is in a file").len();
    }
    client.leave("it has counted the bytes itself");
    assert_eq!(other.get("/rpc/done?n=1").status, 200);
    server.stop();
}

#[test]
fn a_body_that_trickles_in_has_a_deadline() {
    let database = database();
    let server = start(&database, &[("server-body-timeout", "1")]);
    let mut slow = server.client();
    slow.wait_at_most(Duration::from_millis(100));
    let begin = Instant::now();
    slow.send(head("/w", MIB, &[]));
    let answer = loop {
        match slow.try_read("POST") {
            Err(ClientError::TimedOut) => slow.send("["),
            answer => break answer.expect("it is refused"),
        }
        let waited = begin.elapsed();
        assert!(waited < Duration::from_secs(5), "it may trickle for ever");
    };
    assert_eq!(answer.status, 408);
    server.stop();
}

/// There is no more after reloads than before them.
#[test]
fn memory_of_a_catalog_that_was_replaced_is_given_back() {
    let database = database();
    database.run(
        "DO $$ DECLARE columns text; BEGIN
           SELECT string_agg(format('column_%s text', n), ', ') INTO columns
             FROM generate_series(1, 100) AS n;
           FOR n IN 1..500 LOOP
             EXECUTE format('CREATE TABLE store.wide_%s (%s)', n, columns);
           END LOOP; END $$",
    );
    let server = start(&database, &[]);
    server.await_ready();
    let before = server.resident_bytes();
    let loads = || {
        server
            .stderr
            .text()
            .matches("Schema cache loaded in")
            .count()
    };
    for _ in 0..3 {
        let loaded = loads();
        server.signal(Signal::USR1);
        until("the catalog to be loaded", || loads() > loaded);
    }
    until("the old one's memory to be given back", || {
        server.resident_bytes() < before + before / 4
    });
    server.stop();
}
