//! What is accepted, what is refused, and that the pieces in which bytes arrive make no difference.
//!
//! Every check feeds its input whole, in two parts split at each byte, and byte by byte. All must
//! give the same requests and the same refusal.

mod bodies;
mod connections;
mod heads;
mod parts;

use super::*;
use std::fmt::Write;

fn limits() -> Limits {
    Limits {
        line_bytes_max: 200,
        header_bytes_max: 600,
        headers_max: 10,
        body_bytes_max: 1000,
        unadmitted_body_bytes_max: 4,
        pipelined_bytes_max: 500,
    }
}

/// One line for each request, and the refusal if there was one.
#[derive(Debug, Default, PartialEq)]
struct Transcript {
    text: String,
    phase: Option<Phase>,
}

fn feed(pieces: &[&[u8]], limits: &Limits) -> Transcript {
    let mut connection = Connection::new();
    let mut transcript = Transcript::default();
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let space = space_of(&mut connection, limits);
            let count = space.len().min(rest.len());
            space[..count].copy_from_slice(&rest[..count]);
            connection.received(count);
            rest = &rest[count..];
            if !drain(&mut connection, limits, &mut transcript) {
                break;
            }
            assert!(
                !space_of(&mut connection, limits).is_empty(),
                "an open client can send"
            );
        }
    }
    transcript.phase = Some(connection.phase());
    transcript
}

fn space_of<'a>(connection: &'a mut Connection, limits: &Limits) -> &'a mut [u8] {
    connection.recv_space(limits, |_| true).unwrap()
}

/// Takes all complete requests. False when the connection is closing.
fn drain(connection: &mut Connection, limits: &Limits, transcript: &mut Transcript) -> bool {
    loop {
        match connection.next(limits) {
            Ok(Progress::NeedMore | Progress::NeedMoreAfterContinue) => {
                return connection.phase() != Phase::Closing;
            }
            Ok(Progress::Head) => connection.admit_body(),
            Ok(Progress::Part | Progress::LastPart) => unreachable!("no body is taken in parts"),
            Ok(Progress::Request) => {
                describe(&connection.request(), &mut transcript.text);
                connection.finish_request();
            }
            Err(refusal) => {
                let line = format!("{refusal:?}\n");
                if !transcript.text.ends_with(&line) {
                    transcript.text.push_str(&line);
                }
                return false;
            }
        }
    }
}

fn describe(request: &Request<'_>, out: &mut String) {
    let Target { path, query, .. } = request.target();
    write!(
        out,
        "{} {path} ?{query} {:?}",
        request.method, request.version
    )
    .unwrap();
    write!(out, " @{} keep={}", request.host(), request.keep_alive).unwrap();
    for (name, value) in request.headers {
        write!(out, " {name}={}", value.escape_ascii()).unwrap();
    }
    writeln!(out, " [{}]", request.body.escape_ascii()).unwrap();
}

/// The transcript, after making sure that it does not depend on the pieces.
#[track_caller]
fn transcript(input: &[u8], limits: &Limits) -> String {
    let whole = feed(&[input], limits);
    for at in 0..=input.len() {
        let split = feed(&[&input[..at], &input[at..]], limits);
        assert_eq!(split, whole, "split at {at} of {}", input.escape_ascii());
    }
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(
        feed(&bytes, limits),
        whole,
        "byte by byte: {}",
        input.escape_ascii()
    );
    whole.text
}

/// The input gives these lines, one for each request.
#[track_caller]
fn check(input: impl AsRef<[u8]>, expected: &[&str]) {
    let text = transcript(input.as_ref(), &limits());
    assert_eq!(
        text.lines().collect::<Vec<_>>(),
        expected,
        "{}",
        input.as_ref().escape_ascii()
    );
}

/// The input is one request and no more.
#[track_caller]
fn check_accepted(input: impl AsRef<[u8]>) -> String {
    let text = transcript(input.as_ref(), &limits());
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(
        text.ends_with("]\n"),
        "{text}{}",
        input.as_ref().escape_ascii()
    );
    text
}

#[track_caller]
fn check_refused(input: impl AsRef<[u8]>, refusal: Refusal) {
    check(input, &[&format!("{refusal:?}")]);
}

/// A GET request with these lines after `Host`.
fn get(lines: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

fn post(lines: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n{body}")
}

fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", body)
}

/// A connection after these bytes, which all fit.
fn fed(input: &[u8], limits: &Limits) -> Connection {
    let mut connection = Connection::new();
    let space = space_of(&mut connection, limits);
    space[..input.len()].copy_from_slice(input);
    connection.received(input.len());
    connection
}

/// A connection after these bytes, which are one request.
fn complete(input: &[u8], limits: &Limits) -> Connection {
    let mut connection = fed(input, limits);
    let mut progress = connection.next(limits);
    if progress == Ok(Progress::Head) {
        connection.admit_body();
        progress = connection.next(limits);
    }
    assert_eq!(progress, Ok(Progress::Request));
    connection
}
