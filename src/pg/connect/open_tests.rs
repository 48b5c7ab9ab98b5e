//! Tests of opening sessions against servers that misbehave in every way we could think of.

use std::net::TcpListener;

use super::super::authenticate::tests::{ScramServer, request};
use super::super::cancel;
use super::super::environment::Environment;
use super::super::fake_server::{Client, FakeServer, message, welcome};
use super::*;

fn parse(text: &str) -> Target {
    let environment = Environment::default().with_user("me");
    Target::parse(text, &environment).expect("the test writes valid parameters")
}

fn target(port: u16, more: &str) -> Target {
    parse(&format!(
        "host=127.0.0.1 port={port} sslmode=disable password=s3cret {more}"
    ))
}

fn try_open(target: &Target) -> Result<Session, ConnectError> {
    let options = OpenOptions {
        attempt_timeout: Duration::from_secs(10),
        ..OpenOptions::default()
    };
    open(target, &options)
}

/// Opens a session against a script for one client and returns what became of it.
fn against(
    more: &str,
    script: impl Fn(&mut Client) + Send + 'static,
) -> Result<Session, ConnectError> {
    let server = FakeServer::start(1, move |_, client| script(client));
    let result = try_open(&target(server.port, more));
    server.join();
    result
}

fn cause(result: Result<Session, ConnectError>) -> Cause {
    let error = result.expect_err("the server is bad");
    assert!(!error.message().contains("s3cret"), "{error}");
    error.cause().expect("an attempt was made").clone()
}

#[test]
fn a_session_knows_what_the_server_told() {
    let server = FakeServer::start(1, |_, client| {
        let startup = client.startup();
        let expected = b"\0\x03\0\0user\0me\0database\0app\0client_encoding\0UTF8\0\
                         application_name\0x\0\0";
        assert_eq!(startup, expected);
        client.say(&welcome("off", "on"));
        let mut goodbye = Vec::new();
        client
            .stream
            .read_to_end(&mut goodbye)
            .expect("the client closes");
        assert_eq!(goodbye, b"X\0\0\0\x04");
    });
    let target = target(server.port, "application_name=x dbname=app");
    let session = try_open(&target).expect("it is fine");
    assert_eq!(session.parameters.server_version(), Some("15.4"));
    assert_eq!(session.parameters.in_hot_standby(), Some(true));
    assert_eq!(
        session.parameters.default_transaction_read_only(),
        Some(false)
    );
    assert_eq!(session.key.map(|key| key.process_id), Some(7));
    assert!(session.warnings.is_empty());
    session.close();
    server.join();
}

/// The server's side of a whole startup with SCRAM, cut off after `limit` bytes.
fn scram_until(limit: usize, client: &mut Client) -> bool {
    let mut left = limit;
    let mut say = |client: &mut Client, bytes: &[u8]| {
        let count = bytes.len().min(left);
        client.say(&bytes[..count]);
        left -= count;
        count == bytes.len()
    };
    let mut server = ScramServer::new("s3cret", 1);
    client.startup();
    if !say(client, &request(10, b"SCRAM-SHA-256\0\0")) {
        return false;
    }
    let first = client.message();
    let first = String::from_utf8_lossy(&first[18..]).into_owned();
    if !say(client, &request(11, server.challenge(&first).as_bytes())) {
        return false;
    }
    let last = String::from_utf8_lossy(&client.message()).into_owned();
    let mut rest = request(12, server.proof(&last).as_bytes());
    rest.extend(welcome("off", "off"));
    say(client, &rest)
}

#[test]
fn a_server_that_closes_after_any_byte_causes_a_clean_error() {
    let mut limit = 0;
    loop {
        let (sender, complete) = std::sync::mpsc::channel();
        let result = against("", move |client| {
            let complete = scram_until(limit, client);
            sender.send(complete).expect("the test waits");
        });
        if complete.recv().expect("the script ran") {
            assert!(result.is_ok(), "{result:?}");
            break;
        }
        assert_eq!(cause(result), Cause::Closed, "after {limit} bytes");
        limit += 1;
    }
    assert!(limit > 250, "the script was cut everywhere");
}

#[test]
fn a_server_that_sends_byte_by_byte_is_understood() {
    let result = against("", |client| {
        client.startup();
        for byte in welcome("off", "off") {
            client.say(&[byte]);
        }
    });
    assert!(result.is_ok(), "{result:?}");
}

#[test]
fn a_wrong_proof_of_the_server_is_refused() {
    let result = against("", |client| {
        let mut server = ScramServer::new("other", 1);
        client.startup();
        client.say(&request(10, b"SCRAM-SHA-256\0\0"));
        let first = String::from_utf8_lossy(&client.message()[18..]).into_owned();
        client.say(&request(11, server.challenge(&first).as_bytes()));
        let last = String::from_utf8_lossy(&client.message()).into_owned();
        client.say(&request(12, server.proof(&last).as_bytes()));
        client.say(&welcome("off", "off"));
    });
    assert!(matches!(cause(result), Cause::Authentication(_)));
}

#[test]
fn a_huge_iteration_count_is_refused() {
    let result = against("", |client| {
        let mut server = ScramServer::new("s3cret", 2_000_000_000);
        client.startup();
        client.say(&request(10, b"SCRAM-SHA-256\0\0"));
        let first = String::from_utf8_lossy(&client.message()[18..]).into_owned();
        client.say(&request(11, server.challenge(&first).as_bytes()));
    });
    assert!(matches!(cause(result), Cause::Authentication(_)));
}

#[test]
fn an_error_during_startup_is_told_in_the_words_of_the_server() {
    let refusal = |client: &mut Client| {
        client.startup();
        client.say(&message(
            b'E',
            b"SFATAL\0VFATAL\0C3D000\0Mdatabase \"x\" does not exist\0\0",
        ));
    };
    let server = FakeServer::start(1, move |_, client| refusal(client));
    let port = server.port;
    let error = try_open(&target(port, "")).expect_err("it refuses");
    server.join();
    assert_eq!(
        error.message(),
        format!(
            "connection to server at \"127.0.0.1\", port {port} failed: \
             FATAL:  database \"x\" does not exist\n"
        )
    );
    assert_eq!(
        error.server_error().map(|error| error.code.as_str()),
        Some("3D000")
    );
    assert!(!error.is_permanent());
}

#[test]
fn an_error_after_authentication_is_told_too() {
    let result = against("", |client| {
        client.startup();
        client.say(&request(0, b""));
        client.say(&message(b'S', b"server_version\x0015\0"));
        client.say(&message(
            b'E',
            b"SFATAL\0C57P03\0Mthe system is starting up\0\0",
        ));
    });
    assert!(matches!(cause(result), Cause::Server(error) if error.code == "57P03"));
}

#[test]
fn garbage_is_refused() {
    for garbage in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"\x15\x03\x01\0\x02\x02\x28",
        b"R\0\0\0\x03",
        b"R\xff\xff\xff\xff",
        b"R\0\x0f\xff\xff", // too long for a startup, and it never comes
        b"E\0\0\0\x05S",
        b"Z\0\0\0\x05I",
        b"D\0\0\0\x06\0\0",
    ] {
        let result = against("", move |client| {
            client.startup();
            client.say(garbage);
        });
        assert!(matches!(cause(result), Cause::Protocol(_)), "{garbage:?}");
    }
}

#[test]
fn bytes_after_ready_are_refused() {
    let result = against("", |client| {
        client.startup();
        let mut bytes = welcome("off", "off");
        bytes.extend(message(b'C', b"SELECT 1\0"));
        client.say(&bytes);
    });
    assert!(matches!(cause(result), Cause::Protocol(_)));
}

#[test]
fn a_server_that_is_never_ready_is_given_up() {
    let result = against("", |client| {
        client.startup();
        client.say(&request(0, b""));
        client.say(&message(b'S', b"a\0b\0").repeat(STARTUP_MESSAGES_MAX));
    });
    assert!(matches!(cause(result), Cause::Protocol(_)));
}

#[test]
fn a_silent_server_is_given_up_at_the_deadline() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("the system has a free port");
    let port = silent.local_addr().expect("it is bound").port();
    for mode in ["disable", "require"] {
        let options = OpenOptions {
            attempt_timeout: Duration::from_millis(30),
            ..OpenOptions::default()
        };
        let target = parse(&format!("host=127.0.0.1 port={port} sslmode={mode}"));
        let error = open(&target, &options).expect_err("nobody answers");
        assert_eq!(error.cause(), Some(&Cause::TimedOut));
        assert!(error.message().ends_with("failed: timeout expired\n"));
    }
}

#[test]
fn without_a_password_the_error_says_so_and_is_permanent() {
    let server = FakeServer::start(1, |_, client| {
        client.startup();
        client.say(&request(3, b""));
    });
    let target = parse(&format!(
        "host=127.0.0.1 port={} sslmode=disable",
        server.port
    ));
    let error = try_open(&target).expect_err("no password");
    server.join();
    assert!(
        error
            .message()
            .ends_with("failed: fe_sendauth: no password supplied\n")
    );
    assert!(error.is_password_failure());
}

#[test]
fn nobody_listening_reads_as_in_libpq() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the system has a free port");
        listener.local_addr().expect("it is bound").port()
    };
    let error = try_open(&target(port, "")).expect_err("nobody listens");
    assert_eq!(
        error.message(),
        format!(
            "connection to server at \"127.0.0.1\", port {port} failed: Connection refused\n\
             \tIs the server running on that host and accepting TCP/IP connections?\n"
        )
    );
    let error = try_open(&parse("host=/nonexistent port=1")).expect_err("no such socket");
    assert_eq!(
        error.message(),
        "connection to server on socket \"/nonexistent/.s.PGSQL.1\" failed: \
         No such file or directory\n\
         \tIs the server running locally and accepting connections on that socket?\n"
    );
}

#[test]
fn a_server_without_tls_is_used_in_plain_text_or_refused() {
    for (mode, accepted) in [("prefer", true), ("require", false), ("verify-full", false)] {
        let server = FakeServer::start(1, |_, client| {
            assert_eq!(client.startup(), b"\x04\xd2\x16\x2f"); // SSLRequest
            client.say(b"N");
            if !client.startup().is_empty() {
                client.say(&welcome("off", "off"));
            }
        });
        let text = format!("host=127.0.0.1 port={} sslmode={mode}", server.port);
        let result = try_open(&parse(&text));
        server.join();
        match result {
            Ok(session) => assert!(accepted && !session.stream.is_encrypted()),
            Err(error) => {
                assert!(!accepted, "{error}");
                let text = "failed: server does not support SSL, but SSL was required\n";
                assert!(error.message().ends_with(text), "{error}");
            }
        }
    }
}

#[test]
fn strange_answers_to_the_request_for_tls_are_refused() {
    let check = |answer: &'static [u8], text: &str| {
        let server = FakeServer::start(1, move |_, client| {
            client.startup();
            client.say(answer);
            client.hang_up();
        });
        let target = parse(&format!(
            "host=127.0.0.1 port={} sslmode=require",
            server.port
        ));
        let error = try_open(&target).expect_err("a strange answer");
        server.join();
        assert!(error.message().contains(text), "{error}");
    };
    check(b"", "server closed the connection unexpectedly");
    check(b"X", "received invalid response to SSL negotiation: 0x58");
    check(
        b"EFATAL: shown to nobody",
        "server sent an error response during SSL exchange",
    );
    check(b"SR\0\0\0\x08\0\0\0\0", "SSL ");
    check(b"S\x16\x03\x03\0\x01x", "SSL ");
}

#[test]
fn prefer_falls_back_to_plain_text_if_the_handshake_fails() {
    let server = FakeServer::start(2, |number, client| {
        let content = client.startup();
        if number == 0 {
            client.say(b"Snot a handshake");
            client.hang_up();
        } else {
            assert!(content.starts_with(b"\0\x03\0\0"));
            client.say(&welcome("off", "off"));
        }
    });
    let text = format!("host=127.0.0.1 port={} sslmode=prefer", server.port);
    let session = try_open(&parse(&text)).expect("the second attempt succeeds");
    server.join();
    assert!(!session.stream.is_encrypted());
}

#[test]
fn hosts_are_tried_in_order_until_one_will_do() {
    let standby = FakeServer::start(1, |_, client| {
        client.startup();
        client.say(&welcome("off", "on"));
    });
    let primary = FakeServer::start(1, |_, client| {
        client.startup();
        client.say(&welcome("off", "off"));
    });
    let text = format!(
        "host=/nonexistent,127.0.0.1,127.0.0.1 port=1,{},{} sslmode=disable \
         target_session_attrs=read-write",
        standby.port, primary.port
    );
    let session = try_open(&parse(&text)).expect("the third will do");
    let port = primary.port;
    standby.join();
    primary.join();
    assert!(
        session
            .address
            .to_string()
            .ends_with(&format!("port {port}"))
    );
}

#[test]
fn if_no_host_will_do_each_says_why() {
    let server = FakeServer::start(2, |number, client| {
        client.startup();
        client.say(&welcome(if number == 0 { "off" } else { "on" }, "off"));
    });
    let port = server.port;
    let more = "target_session_attrs=standby";
    let text = format!("host=127.0.0.1,127.0.0.1 port={port} sslmode=disable {more}");
    let error = try_open(&parse(&text)).expect_err("no standby");
    server.join();
    let line = format!(
        "connection to server at \"127.0.0.1\", port {port} failed: \
         server is not in hot standby mode\n"
    );
    assert_eq!(error.message(), line.repeat(2));
}

#[test]
fn prefer_standby_takes_a_primary_in_the_end() {
    let server = FakeServer::start(2, |_, client| {
        client.startup();
        client.say(&welcome("off", "off"));
    });
    let result = try_open(&target(server.port, "target_session_attrs=prefer-standby"));
    server.join();
    assert!(result.is_ok(), "{result:?}");
}

#[test]
fn a_refused_login_ends_the_search() {
    let server = FakeServer::start(1, |_, client| {
        client.startup();
        client.say(&message(
            b'E',
            b"SFATAL\0C28P01\0Mpassword authentication failed\0\0",
        ));
    });
    let port = server.port;
    let text = format!("host=127.0.0.1,127.0.0.1 port={port} sslmode=disable");
    let error = try_open(&parse(&text)).expect_err("it refuses");
    server.join();
    assert!(error.is_password_failure());
    assert!(matches!(error, ConnectError::Failed(attempts) if attempts.len() == 1));
}

#[test]
fn a_server_that_does_not_report_its_state_is_asked() {
    let result = against("target_session_attrs=primary", |client| {
        client.startup();
        client.say(&request(0, b""));
        client.say(&message(b'Z', b"I"));
        let question = client.message();
        assert!(question.starts_with(b"SELECT ") && question.ends_with(b"\0"));
        client.say(&message(b'D', b"\0\x02\0\0\0\x01f\0\0\0\x01f"));
        client.say(&message(b'C', b"SELECT 1\0"));
        client.say(&message(b'Z', b"I"));
    });
    assert!(result.is_ok(), "{result:?}");
}

#[test]
fn an_idle_stream_is_stale_once_the_server_spoke_or_left() {
    for speaks in [true, false] {
        let (sender, go) = std::sync::mpsc::channel::<()>();
        let go = std::sync::Mutex::new(go);
        let server = FakeServer::start(1, move |_, client| {
            client.startup();
            client.say(&welcome("off", "off"));
            let go = go.lock().expect("one client");
            go.recv().expect("the test says when");
            if speaks {
                client.say(&message(b'E', b"SFATAL\0C57P01\0Mgoodbye\0\0"));
            }
        });
        let mut session = try_open(&target(server.port, "")).expect("it is fine");
        assert!(!session.stream.is_stale());
        sender.send(()).expect("the server waits");
        server.join();
        assert!(session.stream.is_stale());
    }
}

#[test]
fn a_cancel_request_repeats_the_key_to_the_same_server() {
    let server = FakeServer::start(2, |number, client| {
        let content = client.startup();
        if number == 0 {
            client.say(&welcome("off", "off"));
        } else {
            assert_eq!(content, b"\x04\xd2\x16\x2e\0\0\0\x07\0\0\0\x09");
        }
    });
    let target = target(server.port, "");
    let session = try_open(&target).expect("it is fine");
    let token = session.cancel_token().expect("there is a key");
    cancel(&target, &token, &OpenOptions::default()).expect("it is delivered");
    server.join();
}

#[test]
fn a_cancel_request_that_nobody_confirms_may_still_be_on_its_way() {
    let (sender, go) = std::sync::mpsc::channel::<()>();
    let go = std::sync::Mutex::new(go);
    let server = FakeServer::start(2, move |number, client| {
        client.startup();
        if number == 0 {
            client.say(&welcome("off", "off"));
        } else {
            let go = go.lock().expect("one client");
            go.recv().expect("the test says when");
        }
    });
    let target = target(server.port, "");
    let session = try_open(&target).expect("it is fine");
    let token = session.cancel_token().expect("there is a key");
    let options = OpenOptions {
        attempt_timeout: Duration::from_millis(50),
        ..OpenOptions::default()
    };
    let error = cancel(&target, &token, &options).expect_err("it was not closed");
    assert!(error.to_string().contains("timeout"), "{error}");
    sender.send(()).expect("the server waits");
    server.join();
}

#[test]
fn a_server_that_has_another_port_at_its_other_end_does_not_see_us() {
    let tcp = Address::Tcp {
        host: "localhost".to_owned(),
        address: "127.0.0.1:5432".parse().expect("it is valid"),
    };
    let unix = |path: &str| Address::Unix { path: path.into() };
    let (own, other) = (Some(50_000), Some(50_001));
    for (address, local_port, client_port, port, sees_us) in [
        (&tcp, own, own, "5432", true),
        // As it is in a container whose port has another number outside.
        (&tcp, own, own, "6432", true),
        (&tcp, own, other, "5432", false),
        (&tcp, own, None, "5432", false),
        (&tcp, None, None, "5432", false),
        (&unix("/run/.s.PGSQL.5432"), None, None, "5432", true),
        (&unix("@/run/.s.PGSQL.5432"), None, None, "5432", true),
        (&unix("/run/.s.PGSQL.6432"), None, None, "5432", false),
        (&unix("/run/.s.PGSQL.5432"), None, other, "5432", false),
    ] {
        let seen = Seen {
            client_port,
            port: port.to_owned(),
        };
        let found = seen.is_of(local_port, address);
        assert_eq!(found, sees_us, "{address:?} {client_port:?} {port}");
    }
}
