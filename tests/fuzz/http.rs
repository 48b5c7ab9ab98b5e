//! The HTTP side of the wire: one reading of a stream, whatever the pieces.
//!
//! Properties: nothing panics; the pieces in which bytes arrive change neither the requests nor the
//! refusal; a request lies within the bytes that came; what was accepted is well-formed; and a
//! request written again in plain form is read as the same request.

use corerest_wire::http::{Connection, Limits, Phase, Progress, Request, Version};

/// Requests to start from, good and bad.
pub(crate) const HTTP_SEEDS: &[&[u8]] = &[
    b"\x03\x00GET /films?id=eq.1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\x21\x01\r\nHEAD http://b:80/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"\x40\x02GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n\
      GET / HTTP/1.1\r\nHost: [::1]:1\r\n\r\n",
    b"\x55\x03POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
      OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n",
    b"\x60\x04POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
      3;x=\"y\"\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: u\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\x70\x05PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\nx",
    b"\x18\x06PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x19\x07GET / HTTP/1.1\nHost: a\n\n",
    b"\x1a\x08POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\
      Transfer-Encoding: gzip, chunked\r\n\r\n",
    b"\x1b\x09GET / HTTP/1.1\r\nHost: a\r\nCookie: \t a=b; c=\xff \t\r\nX-Empty:\r\n\r\n",
];

/// What a stream amounted to.
#[derive(Debug, PartialEq)]
struct Transcript {
    requests: Vec<Plain>,
    ending: String,
}

/// A request, owned.
#[derive(Clone, Debug, PartialEq)]
struct Plain {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    keep_alive: bool,
}

/// The first two bytes choose the limits and where the rest is split.
pub fn http_request(data: &[u8]) {
    let [split, step, stream @ ..] = data else {
        return;
    };
    let limits = limits(*step >> 4);
    let whole = read(&[stream], &limits);
    let at = usize::from(*split) * (stream.len() + 1) / 256;
    assert_eq!(
        read(&[&stream[..at], &stream[at..]], &limits),
        whole,
        "split at {at}"
    );
    let step = usize::from(step % 16) + 1;
    let pieces: Vec<&[u8]> = stream.chunks(step).collect();
    assert_eq!(read(&pieces, &limits), whole, "in pieces of {step}");
    for request in &whole.requests {
        check_round_trip(request);
    }
}

/// The same for one stream, cut at each place and into single bytes, with the usual limits.
pub fn http_in_any_pieces(stream: &[u8]) {
    let limits = Limits::default();
    let whole = read(&[stream], &limits);
    for at in 1..stream.len() {
        let pieces = [&stream[..at], &stream[at..]];
        assert_eq!(read(&pieces, &limits), whole, "split at {at}");
    }
    let pieces: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(read(&pieces, &limits), whole, "byte by byte");
}

/// Generous limits, or ones that short inputs reach.
fn limits(choice: u8) -> Limits {
    let limits = Limits::default();
    match choice % 4 {
        0 => limits,
        1 => Limits {
            line_bytes_max: 30,
            header_bytes_max: 80,
            headers_max: 2,
            ..limits
        },
        2 => Limits {
            line_bytes_max: 90,
            header_bytes_max: 60,
            ..limits
        },
        _ => Limits {
            body_bytes_max: 5,
            pipelined_bytes_max: 1,
            ..limits
        },
    }
}

fn read(pieces: &[&[u8]], limits: &Limits) -> Transcript {
    let mut connection = Connection::new();
    let mut transcript = Transcript {
        requests: Vec::new(),
        ending: String::new(),
    };
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() && connection.phase() != Phase::Closing {
            let space = connection.recv_space(limits, |_| true).unwrap();
            let count = space.len().min(rest.len());
            assert!(count > 0, "an open client can send");
            space[..count].copy_from_slice(&rest[..count]);
            connection.received(count);
            rest = &rest[count..];
            drain(&mut connection, limits, &mut transcript);
        }
    }
    if transcript.ending.is_empty() {
        transcript.ending = format!("{:?}", connection.phase());
    }
    transcript
}

fn drain(connection: &mut Connection, limits: &Limits, transcript: &mut Transcript) {
    loop {
        match connection.next(limits) {
            Ok(Progress::NeedMore | Progress::NeedMoreAfterContinue) => return,
            Ok(Progress::Head) => connection.admit_body(),
            Ok(Progress::Part | Progress::LastPart) => unreachable!("no body is taken in parts"),
            Ok(Progress::Request) => {
                transcript
                    .requests
                    .push(plain(&connection.request(), limits));
                connection.finish_request();
            }
            Err(refusal) => {
                assert!((400..600).contains(&refusal.status()));
                assert_eq!(connection.phase(), Phase::Closing);
                transcript.ending = format!("{refusal:?}");
                return;
            }
        }
    }
}

/// The request as plain data, after checking what must hold for every accepted one.
fn plain(request: &Request<'_>, limits: &Limits) -> Plain {
    let target = request.target();
    assert!(!request.method.is_empty());
    assert!(target.path.starts_with('/') || (target.path == "*" && request.method == "OPTIONS"));
    assert!(
        target
            .raw
            .chars()
            .all(|c| c > ' ' && c != '\x7f' && c != '#')
    );
    assert!(target.raw.len() <= limits.line_bytes_max);
    assert!(request.body.len() as u64 <= limits.body_bytes_max);
    assert!(request.headers.len() <= limits.headers_max);
    assert_eq!(request.head_only, request.method == "HEAD");
    let hosts = request.headers.get_all("host").count();
    assert!(hosts == 1 || (hosts == 0 && request.version == Version::Http10));
    for (name, value) in request.headers {
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()));
        assert!(
            !value
                .iter()
                .any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f)
        );
        assert_eq!(value.trim_ascii(), value);
    }
    Plain {
        method: request.method.to_owned(),
        path: target.path.to_owned(),
        query: target.query.to_owned(),
        headers: request
            .headers
            .iter()
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .collect(),
        body: request.body.to_owned(),
        keep_alive: request.keep_alive,
    }
}

/// Writes the request with a length instead of chunks and reads it again.
fn check_round_trip(request: &Plain) {
    let framing = [
        "content-length",
        "transfer-encoding",
        "connection",
        "expect",
    ];
    let mut expected = request.clone();
    expected
        .headers
        .retain(|(name, _)| !framing.contains(&name.to_ascii_lowercase().as_str()));
    if !expected
        .headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        expected.headers.push(("Host".to_owned(), Vec::new()));
    }
    let connection = if expected.keep_alive {
        "keep-alive"
    } else {
        "close"
    };
    for (name, value) in [
        ("Connection", connection),
        ("Content-Length", &expected.body.len().to_string()),
    ] {
        expected
            .headers
            .push((name.to_owned(), value.as_bytes().to_owned()));
    }
    let Plain {
        method,
        path,
        query,
        ..
    } = &expected;
    let mark = if query.is_empty() { "" } else { "?" };
    let mut stream = format!("{method} {path}{mark}{query} HTTP/1.1\r\n").into_bytes();
    for (name, value) in &expected.headers {
        stream.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    stream.extend_from_slice(b"\r\n");
    stream.extend_from_slice(&expected.body);
    let limits = Limits {
        headers_max: 200,
        ..Limits::default()
    };
    let read_again = read(&[&stream], &limits);
    assert_eq!(
        read_again.requests,
        [expected],
        "read again: {}",
        read_again.ending
    );
}

#[cfg(test)]
mod tests {
    use super::{HTTP_SEEDS, http_request};

    #[test]
    fn a_stream_has_one_reading() {
        crate::smoke(http_request, HTTP_SEEDS, 20_000);
    }
}
