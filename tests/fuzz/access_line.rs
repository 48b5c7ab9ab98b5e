//! The access log: the line of any request, as text and as JSON.
//!
//! Properties: nothing panics; it is one line, in which no control character stands; read again, by
//! the rules of the format and nothing else, its fields are those of the request, whatever is in
//! them; and what hides queries hides them.

use crate::choices::Choices;
use corerest_fuzz_server::Logged;
use corerest_wire::http::{Buffer, Connection, Limits, Progress, Request, Version};
use simd_json::prelude::{ValueAsScalar, ValueObjectAccess};
use std::net::IpAddr;

/// What is logged of it, the role, and the request, whole or in parts.
pub(crate) const LINE_SEEDS: &[&[u8]] = &[
    b"\x00\x03webGET /plants?id=eq.1 HTTP/1.1\r\nHost: a\r\nUser-Agent: curl/7.64\r\n\r\n",
    b"\x01\x08a\" [x] \"bHEAD /%22\"x HTTP/1.0\r\nReferer: http://a/b?c#d\r\n\r\n",
    b"\x06\x04a b\nGET / HTTP/1.1\r\nHost: a\r\nUser-Agent: \" 200 \\ \"\xc2\x9b\xff\x9b\r\n\r\n",
    b"\x10\x00\x03GET\x0d/plants?x=\xc3\xa9\x05a \"b\\\x05c\\\" d\x03\x2d\x2d\x2d",
    b"\x1b\x03\xe2\x80\xa8\x05PATCH\x02/\"\x02\xe2\x9b\x03\xe2\xc2\x85\x00",
    b"\x17\x01-\x04POST\x06/a\\\"?b\x01\\\x01\"\x01x",
];

const STAMP: &str = "26/Jul/2021:01:56:38 -0500";
const STATUS: u16 = 418;
const SIZE: u64 = 56;

/// What is logged of it, the role, and the request, whole or in parts.
pub fn access_line(data: &[u8]) {
    let mut choices = Choices::new(data);
    let what = choices.byte();
    let role = choices.text();
    let stream = match what & 0x10 {
        0 => choices.take(usize::MAX).to_vec(),
        _ => request_of(&mut choices),
    };
    let limits = Limits::default();
    let mut connection = Connection::new();
    connection.lend_buffer(Buffer::new());
    let Ok(space) = connection.recv_space(&limits, |_| true) else {
        return;
    };
    let count = space.len().min(stream.len());
    space[..count].copy_from_slice(&stream[..count]);
    connection.received(count);
    if !matches!(connection.next(&limits), Ok(Progress::Request)) {
        return;
    }
    let peers = [None, Some("10.0.0.1"), Some("::1"), Some("::ffff:1.2.3.4")];
    let peer = peers[usize::from(what >> 2) % peers.len()];
    let logged = Logged {
        peer: peer.map(|peer| peer.parse().expect("it is an address")),
        role: (what & 1 == 0).then_some(role),
        request: connection.request(),
        status: STATUS,
        size: (what & 0x20 == 0).then_some(SIZE),
        shows_queries: what & 2 == 0,
    };
    check_line(&logged, &logged.line(STAMP));
    check_object(&logged, logged.object());
}

fn request_of(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut request = [choices.bytes(), b" ", choices.bytes()].concat();
    request.extend_from_slice(b" HTTP/1.1\r\nHost: a\r\n");
    for name in ["Referer", "User-Agent", "traceparent"] {
        let value = choices.bytes();
        if !value.is_empty() {
            request.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
    }
    request.extend_from_slice(b"\r\n");
    request
}

/// What is to be logged, in the order of the line.
struct Expected {
    peer: String,
    role: Option<Vec<u8>>,
    method: String,
    path: Vec<u8>,
    query: Option<Vec<u8>>,
    protocol: &'static str,
    referer: Option<Vec<u8>>,
    agent: Option<Vec<u8>>,
}

impl Expected {
    fn of(logged: &Logged<'_>) -> Expected {
        let Request {
            method, version, ..
        } = logged.request;
        let header = |name| logged.request.headers.get(name).map(<[u8]>::to_vec);
        let target = logged.request.target();
        let mut referer = header("referer");
        if !logged.shows_queries
            && let Some(url) = &mut referer
            && let Some(end) = url.iter().position(|byte| b"?#".contains(byte))
        {
            url.truncate(end);
        }
        Expected {
            peer: logged
                .peer
                .map_or("unknownSocket".to_owned(), |peer| match peer {
                    IpAddr::V6(six) => match six.to_ipv4_mapped() {
                        Some(four) => four.to_string(),
                        None => six.to_string(),
                    },
                    four => four.to_string(),
                }),
            role: logged.role.map(|role| role.as_bytes().to_vec()),
            method: method.to_owned(),
            path: target.path.as_bytes().to_vec(),
            query: (logged.shows_queries && !target.query.is_empty())
                .then(|| target.query.as_bytes().to_vec()),
            protocol: match version {
                Version::Http10 => "HTTP/1.0",
                Version::Http11 => "HTTP/1.1",
            },
            referer,
            agent: header("user-agent"),
        }
    }
}

fn check_line(logged: &Logged<'_>, line: &[u8]) {
    let shown = line.escape_ascii();
    check_characters(line);
    let expected = Expected::of(logged);
    // address - role [time] "request" status size "referer" "agent"
    let fields = fields(&line[..line.len() - 1]);
    let [
        peer,
        dash,
        role,
        time,
        request,
        status,
        size,
        referer,
        agent,
    ] = &fields[..]
    else {
        panic!("{shown} has {} fields", fields.len());
    };
    assert_eq!(peer, expected.peer.as_bytes(), "{shown}");
    assert_eq!(dash, b"-", "{shown}");
    assert_eq!(time, STAMP.as_bytes(), "{shown}");
    assert_eq!(
        *role,
        printable(expected.role.as_deref().unwrap_or(b"-")),
        "{shown}"
    );
    let mut target = expected.path;
    if let Some(query) = expected.query {
        target.push(b'?');
        target.extend(query);
    }
    let words: Vec<&[u8]> = request.split(|byte| *byte == b' ').collect();
    let target = printable(&target);
    // What was a control character is a blank.
    let blanks = target.iter().filter(|byte| **byte == b' ').count();
    assert_eq!(words.len(), 3 + blanks, "{shown}");
    let whole = [
        expected.method.as_bytes(),
        &target,
        expected.protocol.as_bytes(),
    ]
    .join(&b' ');
    assert_eq!(*request, whole, "{shown}");
    assert_eq!(status, STATUS.to_string().as_bytes(), "{shown}");
    let size_expected = logged.size.map_or("-".to_owned(), |size| size.to_string());
    assert_eq!(size, size_expected.as_bytes(), "{shown}");
    assert_eq!(
        *referer,
        printable(expected.referer.as_deref().unwrap_or_default()),
        "{shown}"
    );
    assert_eq!(
        *agent,
        printable(expected.agent.as_deref().unwrap_or_default()),
        "{shown}"
    );
}

/// The fields of a line: between quotes, between brackets where the time is, or between blanks. A
/// backslash stands before what would be something else, and `\x20` is a blank.
fn fields(line: &[u8]) -> Vec<Vec<u8>> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let end = match (rest.first(), fields.len()) {
            (Some(b'['), 3) => b']',
            (Some(b'"'), _) => b'"',
            _ => b' ',
        };
        if end != b' ' {
            rest = &rest[1..];
        }
        let mut field = Vec::new();
        let mut has_ended = end == b' ';
        while let Some((first, behind)) = rest.split_first() {
            rest = behind;
            match first {
                b'\\' if rest.starts_with(b"x20") => {
                    field.push(b' ');
                    rest = &rest[3..];
                }
                b'\\' => {
                    let (next, behind) = rest.split_first().expect("a backslash is not the last");
                    assert!(
                        b"\"\\".contains(next),
                        "{} in {}",
                        *next,
                        line.escape_ascii()
                    );
                    field.push(*next);
                    rest = behind;
                }
                byte if *byte == end => {
                    has_ended = true;
                    if end != b' ' && !rest.is_empty() {
                        assert_eq!(rest[0], b' ', "{}", line.escape_ascii());
                        rest = &rest[1..];
                    }
                    break;
                }
                byte => {
                    assert_ne!(*byte, b'"', "a bare quote in {}", line.escape_ascii());
                    field.push(*byte);
                }
            }
        }
        assert!(has_ended, "{} does not end", line.escape_ascii());
        fields.push(field);
        if rest.is_empty() {
            return fields;
        }
    }
}

/// Blanks for control characters, those of C1 also where they are bytes that are no UTF-8.
fn printable(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in bytes.utf8_chunks() {
        let blank = |character: char| match character.is_control() {
            true => ' ',
            false => character,
        };
        let valid: String = chunk.valid().chars().map(blank).collect();
        out.extend(valid.bytes());
        let blank = |byte: &u8| {
            if (0x80..0xa0).contains(byte) {
                b' '
            } else {
                *byte
            }
        };
        out.extend(chunk.invalid().iter().map(blank));
    }
    out
}

fn check_characters(line: &[u8]) {
    let shown = line.escape_ascii();
    let (end, line) = line.split_last().expect("it is not empty");
    assert_eq!(*end, b'\n', "{shown}");
    for chunk in line.utf8_chunks() {
        assert!(!chunk.valid().contains(char::is_control), "{shown}");
        let is_control = |byte: &u8| (0x80..0xa0).contains(byte);
        // The first bytes of a character that is cut off are not told from others.
        assert!(!chunk.invalid().iter().any(is_control), "{shown}");
    }
}

fn check_object(logged: &Logged<'_>, mut line: Vec<u8>) {
    let shown = line.escape_ascii().to_string();
    check_characters(&line);
    let value = simd_json::to_owned_value(&mut line).expect("it is JSON");
    let text = |name: &str| {
        value
            .get(name)
            .map(|text| text.as_str().expect("it is a string"))
    };
    let expected = Expected::of(logged);
    let lossy =
        |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let peer = logged.peer.map(|_| &*expected.peer);
    assert_eq!(text("remote"), peer, "{shown}");
    for (name, bytes) in [
        ("role", expected.role.as_deref()),
        ("method", Some(expected.method.as_bytes())),
        ("path", Some(&*expected.path)),
        ("query", expected.query.as_deref()),
        ("protocol", Some(expected.protocol.as_bytes())),
        ("referer", expected.referer.as_deref()),
        ("user_agent", expected.agent.as_deref()),
    ] {
        assert_eq!(text(name), lossy(bytes).as_deref(), "{name} of {shown}");
    }
    let number = |name: &str| value.get(name).map(|number| number.as_u64());
    assert_eq!(number("status"), Some(Some(u64::from(STATUS))), "{shown}");
    assert_eq!(number("bytes"), logged.size.map(Some), "{shown}");
    if let Some(trace) = text("traceparent") {
        assert_eq!(
            logged.request.headers.get("traceparent"),
            Some(trace.as_bytes())
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{LINE_SEEDS, access_line};

    #[test]
    fn any_request_is_one_line_that_can_be_read() {
        crate::smoke(access_line, LINE_SEEDS, 50_000);
    }
}
