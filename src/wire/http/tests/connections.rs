//! From one request to the next: persistence, pipelining, waiting, and the memory behind it.
//!
//! Here a connection is held in the hand between steps, as the server does.

use super::*;

#[test]
fn http_11_persists_unless_closed() {
    assert!(check_accepted(get("")).contains("keep=true"));
    assert!(check_accepted(get("Connection: upgrade\r\n")).contains("keep=true"));
    assert!(check_accepted(get("Connection: closed\r\n")).contains("keep=true"));
    assert!(check_accepted(get("Connection: close\r\n")).contains("keep=false"));
    assert!(check_accepted(get("Connection: upgrade , CLOSE\r\n")).contains("keep=false"));
    let two = get("Connection: keep-alive\r\nConnection: close\r\n");
    assert!(check_accepted(two).contains("keep=false"));
}

#[test]
fn http_10_closes_without_keep_alive() {
    let http_10 = |lines: &str| check_accepted(format!("GET / HTTP/1.0\r\n{lines}\r\n"));
    assert!(http_10("").contains("keep=false"));
    assert!(http_10("Connection: Keep-Alive\r\n").contains("keep=true"));
    assert!(http_10("Connection: keep-alive, close\r\n").contains("keep=false"));
}

#[test]
fn the_connection_header_follows_version_and_wish() {
    use response::ConnectionHeader::{Close, Implied, KeepAlive};
    for (input, expected) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Implied),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            Close,
        ),
        (
            "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            KeepAlive,
        ),
        ("GET / HTTP/1.0\r\n\r\n", Close),
    ] {
        let connection = complete(input.as_bytes(), &limits());
        assert_eq!(connection.request().connection_header(), expected);
    }
}

#[test]
fn pipelined_requests_come_one_after_the_other() {
    let input = [
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
        "POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nde",
        "GET /4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET /5 HTTP/1.1\r\nHost: a\r\n\r\n",
    ];
    check(
        input.concat(),
        &[
            "GET /1 ? Http11 @a keep=true Host=a []",
            "POST /2 ? Http11 @a keep=true Host=a Transfer-Encoding=chunked [abc]",
            "POST /3 ? Http11 @a keep=true Host=a Content-Length=2 [de]",
            "GET /4 ? Http11 @a keep=false Host=a Connection=close []",
        ],
    );
}

#[test]
fn a_broken_request_after_a_good_one_is_refused() {
    check(
        format!("{}GET / HTTP/1.1\r\n\r\n", get("")),
        &["GET / ? Http11 @a keep=true Host=a []", "MissingHost"],
    );
    // The classic of request smuggling: bytes behind the body are a request of their own.
    check(
        post("Content-Length: 1\r\n", "xGARBAGE"),
        &["POST / ? Http11 @a keep=true Host=a Content-Length=1 [x]"],
    );
}

#[test]
fn a_client_that_waits_is_told_to_continue_once() {
    let limits = limits();
    let head = post("Content-Length: 3\r\nExpect: 100-Continue\r\n", "");
    let mut connection = fed(head.as_bytes(), &limits);
    assert_eq!(connection.next(&limits), Ok(Progress::Head));
    assert_eq!(
        connection.next(&limits),
        Ok(Progress::Head),
        "until somebody has looked"
    );
    connection.admit_body();
    assert_eq!(
        connection.next(&limits),
        Ok(Progress::NeedMoreAfterContinue)
    );
    assert_eq!(connection.next(&limits), Ok(Progress::NeedMore));
    assert_eq!(connection.phase(), Phase::Body);

    let chunks = post("Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n", "");
    let mut connection = fed(chunks.as_bytes(), &limits);
    assert_eq!(connection.next(&limits), Ok(Progress::Head));
    connection.admit_body();
    assert_eq!(
        connection.next(&limits),
        Ok(Progress::NeedMoreAfterContinue)
    );
}

#[test]
fn a_client_that_does_not_wait_is_not_told_to_continue() {
    let limits = limits();
    let begun = post("Content-Length: 3\r\nExpect: 100-continue\r\n", "a");
    let mut connection = fed(begun.as_bytes(), &limits);
    assert_eq!(connection.next(&limits), Ok(Progress::Head));
    connection.admit_body();
    assert_eq!(connection.next(&limits), Ok(Progress::NeedMore));
    let none = post("Content-Length: 0\r\nExpect: 100-continue\r\n", "");
    assert_eq!(
        fed(none.as_bytes(), &limits).next(&limits),
        Ok(Progress::Request)
    );
    let old = "POST / HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    assert_eq!(
        fed(old.as_bytes(), &limits).next(&limits),
        Ok(Progress::NeedMore)
    );
    let large = post("Content-Length: 3000\r\nExpect: 100-continue\r\n", "");
    let mut connection = fed(large.as_bytes(), &limits);
    assert_eq!(connection.next(&limits), Ok(Progress::Head));
    connection.admit_body();
    assert_eq!(connection.next(&limits), Err(Refusal::BodyTooLarge));
}

#[test]
fn other_expectations_are_refused() {
    check_refused(get("Expect: 200-ok\r\n"), Refusal::UnknownExpectation);
    check_refused(get("Expect:\r\n"), Refusal::UnknownExpectation);
    check_refused(
        get("Expect: 100-continue, x\r\n"),
        Refusal::UnknownExpectation,
    );
    check_accepted("GET / HTTP/1.0\r\nExpect: x\r\n\r\n");
}

#[test]
fn phases_follow_the_request() {
    let limits = limits();
    assert_eq!(Connection::new().phase(), Phase::Idle);
    for (input, phase) in [("G", Phase::Head), ("GET / HTTP/1.1\r\n", Phase::Head)] {
        assert_eq!(feed(&[input.as_bytes()], &limits).phase, Some(phase));
    }
    let mut connection = complete(get("").as_bytes(), &limits);
    assert_eq!(connection.phase(), Phase::Answering);
    assert_eq!(connection.next(&limits), Ok(Progress::Request));
    connection.finish_request();
    assert_eq!(connection.phase(), Phase::Idle);
    let mut connection = complete(get("Connection: close\r\n").as_bytes(), &limits);
    connection.finish_request();
    assert_eq!(connection.phase(), Phase::Closing);
    assert!(space_of(&mut connection, &limits).is_empty());
}

#[test]
fn a_refusal_is_final() {
    let limits = limits();
    let mut connection = fed(b"\0", &limits);
    assert_eq!(connection.next(&limits), Err(Refusal::InvalidMethod));
    assert_eq!(connection.next(&limits), Err(Refusal::InvalidMethod));
    assert_eq!(connection.phase(), Phase::Closing);
    assert!(space_of(&mut connection, &limits).is_empty());
}

#[test]
fn a_refused_head_request_is_known_for_one() {
    let limits = limits();
    for (input, is_head) in [
        (
            "HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
            true,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
            false,
        ),
        ("HEADER / HTTP/1.1\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\nHEAD /#\r\n\r\n", true),
        ("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n\0", false),
    ] {
        let mut connection = fed(input.as_bytes(), &limits);
        while connection.next(&limits).is_ok() {
            connection.finish_request();
        }
        assert_eq!(connection.is_head(), is_head, "{input}");
    }
}

#[test]
fn a_connection_that_is_given_up_holds_nothing() {
    let limits = limits();
    for input in [
        "",
        "GET",
        "HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\na",
        "GET /# HTTP/1.1\r\n\r\n",
    ] {
        let mut connection = fed(input.as_bytes(), &limits);
        let _ = connection.next(&limits);
        connection.give_up();
        assert_eq!(connection.phase(), Phase::Closing, "{input}");
        assert!(connection.reclaim_buffer().is_some(), "{input}");
        assert_eq!(connection.buffer_capacity(), 0, "{input}");
        assert_eq!(connection.is_head(), input.starts_with("HEAD"), "{input}");
    }
}

#[test]
fn an_idle_client_gives_its_buffer_back() {
    let limits = limits();
    let mut connection = Connection::new();
    assert!(connection.reclaim_buffer().is_none());
    assert!(connection.lend_buffer(Buffer::new()).is_none());
    let input = get("");
    let mut connection = complete(input.as_bytes(), &limits);
    assert!(connection.reclaim_buffer().is_none());
    connection.finish_request();
    let buffer = connection.reclaim_buffer().unwrap();
    assert!(connection.reclaim_buffer().is_none());
    let capacity = buffer.capacity();
    assert!(connection.lend_buffer(buffer).is_none());
    let space = space_of(&mut connection, &limits);
    space[..input.len()].copy_from_slice(input.as_bytes());
    connection.received(input.len());
    let refused = connection.lend_buffer(Buffer::new());
    assert!(
        refused.is_some(),
        "a client with bytes keeps its own buffer"
    );
    assert_eq!(connection.next(&limits), Ok(Progress::Request));
    assert_eq!(connection.buffer_capacity(), capacity);
}

#[test]
fn a_client_with_a_partial_request_keeps_its_buffer() {
    let limits = limits();
    let mut connection = fed(format!("{}G", get("")).as_bytes(), &limits);
    assert_eq!(connection.next(&limits), Ok(Progress::Request));
    connection.finish_request();
    assert!(connection.reclaim_buffer().is_none());
}

#[test]
fn a_declared_length_takes_no_memory() {
    let limits = Limits {
        body_bytes_max: u64::MAX,
        ..limits()
    };
    let head = post("Content-Length: 1000000000000\r\n", "");
    let mut connection = fed(head.as_bytes(), &limits);
    assert_eq!(connection.next(&limits), Ok(Progress::Head));
    assert_eq!(connection.declared_body_bytes(), Some(1_000_000_000_000));
    connection.admit_body();
    assert_eq!(connection.next(&limits), Ok(Progress::NeedMore));
    assert!(!space_of(&mut connection, &limits).is_empty());
    assert!(connection.buffer_capacity() <= 16 * 1024);
}

/// It is shown without a byte of the body, and may be answered without one.
#[test]
fn a_head_is_looked_at_before_a_large_body() {
    let limits = limits();
    for body in [
        "",
        "1234",
        "12345",
        "12345GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let input = post("Content-Length: 5\r\n", body);
        let mut connection = fed(input.as_bytes(), &limits);
        assert_eq!(connection.next(&limits), Ok(Progress::Head), "{body:?}");
        let request = connection.request();
        assert_eq!((request.method, request.body), ("POST", &b""[..]));
        assert!(!request.keep_alive, "what follows is not a request");
        assert!(space_of(&mut connection, &limits).is_empty());
        connection.finish_request();
        assert_eq!(connection.phase(), Phase::Closing);
        assert_eq!(connection.next(&limits), Ok(Progress::NeedMore));
    }
    let small = post("Content-Length: 4\r\n", "");
    let mut connection = fed(small.as_bytes(), &limits);
    assert_eq!(connection.next(&limits), Ok(Progress::NeedMore));
}

#[test]
fn a_body_in_chunks_is_looked_at_when_it_has_become_large() {
    let limits = limits();
    let mut connection = fed(chunked("3\r\nabc\r\n").as_bytes(), &limits);
    assert_eq!(connection.next(&limits), Ok(Progress::NeedMore));
    let piece = b"2\r\nde\r\n";
    space_of(&mut connection, &limits)[..piece.len()].copy_from_slice(piece);
    connection.received(piece.len());
    assert_eq!(connection.next(&limits), Ok(Progress::Head));
    assert_eq!(connection.declared_body_bytes(), None);
    connection.admit_body();
    let end = b"0\r\n\r\n";
    space_of(&mut connection, &limits)[..end.len()].copy_from_slice(end);
    connection.received(end.len());
    assert_eq!(connection.next(&limits), Ok(Progress::Request));
    assert_eq!(connection.request().body, b"abcde");
}

#[test]
fn a_buffer_that_may_not_grow_ends_the_connection() {
    let limits = Limits {
        body_bytes_max: 1 << 40,
        ..limits()
    };
    let head = post("Content-Length: 100000\r\n", "");
    let mut asked = Vec::new();
    let mut connection = Connection::new();
    let space = connection.recv_space(&limits, |size| {
        asked.push(size);
        true
    });
    space.unwrap()[..head.len()].copy_from_slice(head.as_bytes());
    connection.received(head.len());
    assert_eq!(connection.next(&limits), Ok(Progress::Head));
    connection.admit_body();
    loop {
        let may_grow = |size| {
            asked.push(size);
            size < 50_000
        };
        match connection.recv_space(&limits, may_grow) {
            Ok(space) => {
                let count = space.len();
                connection.received(count);
                assert_eq!(connection.next(&limits), Ok(Progress::NeedMore));
            }
            Err(refusal) => {
                assert_eq!(refusal, Refusal::OutOfMemory);
                break;
            }
        }
    }
    assert_eq!(asked, [1102, 8 << 10, 16 << 10, 32 << 10, 64 << 10]);
    assert_eq!(connection.next(&limits), Err(Refusal::OutOfMemory));
    assert_eq!(connection.phase(), Phase::Closing);
}

#[test]
fn a_large_buffer_has_little_room_to_spare() {
    let limits = Limits {
        body_bytes_max: 1 << 40,
        ..limits()
    };
    let size = 20 << 20;
    let input = chunked(&format!("{size:x}\r\n"));
    let mut connection = fed(input.as_bytes(), &limits);
    let mut sent = 0;
    while sent < size {
        match connection.next(&limits).unwrap() {
            Progress::Head => connection.admit_body(),
            _ => {
                let count = space_of(&mut connection, &limits).len().min(size - sent);
                connection.received(count);
                sent += count;
            }
        }
    }
    let capacity = connection.buffer_capacity();
    assert!(capacity < size + size / 10, "{capacity}");
}

#[test]
fn memory_follows_the_body_and_not_its_framing() {
    let limits = Limits {
        body_bytes_max: 100_000,
        ..limits()
    };
    let input = chunked(&format!(
        "{}0\r\n\r\n",
        "1;x=0123456789\r\na\r\n".repeat(500)
    ));
    let mut connection = Connection::new();
    let mut capacity_max = 0;
    for piece in input.as_bytes().chunks(50) {
        space_of(&mut connection, &limits)[..piece.len()].copy_from_slice(piece);
        connection.received(piece.len());
        if connection.next(&limits) == Ok(Progress::Head) {
            connection.admit_body();
            connection.next(&limits).unwrap();
        }
        capacity_max = capacity_max.max(connection.buffer_capacity());
    }
    assert_eq!(connection.request().body, "a".repeat(500).as_bytes());
    assert!(capacity_max <= 8 * 1024, "{capacity_max}");
}

#[test]
fn the_backlog_of_a_client_is_bounded() {
    let limits = limits();
    let mut connection = complete(get("").as_bytes(), &limits);
    let mut backlog = 0;
    loop {
        let space = space_of(&mut connection, &limits);
        if space.is_empty() {
            break;
        }
        let count = space.len();
        space.fill(b'x');
        connection.received(count);
        backlog += count;
    }
    assert_eq!(backlog, limits.pipelined_bytes_max);
    assert_eq!(connection.request().target().path, "/");
}

#[test]
fn fields_are_found_in_any_case() {
    let input = get("X-One: 1\r\nx-one: 2\r\n");
    let connection = complete(input.as_bytes(), &limits());
    let headers = connection.request().headers;
    assert_eq!(headers.get("x-ONE"), Some(&b"1"[..]));
    assert_eq!(headers.get_all("X-One").collect::<Vec<_>>(), [b"1", b"2"]);
    assert_eq!(headers.get("X-Two"), None);
    assert_eq!((headers.len(), headers.is_empty()), (3, false));
    let names: Vec<_> = headers.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["Host", "X-One", "x-one"]);
}

#[test]
fn debug_output_shows_no_secrets() {
    let lines = "Authorization: Bearer secret\r\nContent-Length: 6\r\n";
    let input = post(lines, "secret").replace("POST / ", "POST /login?token=secret ");
    let connection = complete(input.as_bytes(), &limits());
    let request = connection.request();
    let shown = format!("{request:?} {connection:?}");
    assert!(
        shown.contains("\"/login\"") && shown.contains("Authorization"),
        "{shown}"
    );
    assert!(
        !shown.contains("secret") && !shown.contains("115, 101"),
        "{shown}"
    );
}

#[test]
fn a_connection_is_small() {
    assert!(
        size_of::<Connection>() <= 256,
        "{}",
        size_of::<Connection>()
    );
}
