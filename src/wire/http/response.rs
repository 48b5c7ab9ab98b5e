//! Response heads. The framing of a response is decided here and only here.
//!
//! Stands apart because its fields come from SQL functions among others: whatever they say, the
//! bytes written here must be one response and not two. So the fields that frame a message are
//! dropped when they come from outside, and control bytes in values become spaces.
//! Invariant: the output is one status line and fields, each on one line, and an empty line.

use super::token::{has_control, is_control, is_token};

/// Most heads are shorter.
const HEAD_BYTES_USUAL: usize = 512;

/// The interim response that asks for the body.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What stands in a head besides the caller's fields.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    /// Three digits; a larger number is written as 999.
    pub status: u16,
    /// Instead of the phrase that belongs to the status.
    pub reason: Option<&'a str>,
    /// An IMF-fixdate, written as it is; see [`HttpDate`](super::HttpDate).
    pub date: &'a str,
    /// The name of the server, written as it is.
    pub server: &'a str,
    /// What to say about the connection.
    pub connection: ConnectionHeader,
    /// How the client finds the end of the body.
    pub body: BodyFraming,
}

/// How the client finds the end of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// No body and no `Content-Length`.
    None,
    /// So many bytes follow, or would if it were not HEAD.
    Length(u64),
    /// `Transfer-Encoding: chunked`: as many bytes as come, up to the last chunk.
    Chunked,
    /// The connection ends with it: clients of HTTP/1.0 know no chunks.
    UntilClose,
}

/// What a response says about the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionHeader {
    /// Nothing: HTTP/1.1 connections persist.
    Implied,
    /// `Connection: keep-alive`, for clients of HTTP/1.0 who asked for it.
    KeepAlive,
    /// `Connection: close`.
    Close,
}

impl BodyFraming {
    /// The framing of a body of this length, which must be left out if the answer is `None`: after
    /// HEAD, and where the status forbids it, a body would be read as the next response.
    pub fn of(status: u16, head_only: bool, body_bytes: u64) -> Self {
        if head_only || !status_has_body(status) {
            BodyFraming::None
        } else {
            BodyFraming::Length(body_bytes)
        }
    }
}

/// Whether responses of this status have a body (RFC 9112 §6.3).
pub fn status_has_body(status: u16) -> bool {
    !matches!(status, 0..200 | 204 | 304)
}

/// Appends a response head.
///
/// `Date` and `Server` among the caller's fields replace ours. A field whose name is no token is
/// left out, since there is no harmless way to write it.
pub fn write_head<'h>(
    out: &mut Vec<u8>,
    head: &ResponseHead<'_>,
    headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
) {
    out.reserve(HEAD_BYTES_USUAL);
    write_status_line(out, head);
    let mut own = OwnFields::default();
    for (name, value) in headers {
        if own.yields_to(name) && is_token(name.as_bytes()) {
            write_field(out, name, value);
        }
    }
    if !own.date_replaced {
        write_own_field(out, b"Date: ", head.date);
    }
    if !own.server_replaced {
        write_own_field(out, b"Server: ", head.server);
    }
    match head.connection {
        ConnectionHeader::Implied => {}
        ConnectionHeader::KeepAlive => out.extend_from_slice(b"Connection: keep-alive\r\n"),
        ConnectionHeader::Close => out.extend_from_slice(b"Connection: close\r\n"),
    }
    match head.body {
        BodyFraming::Length(length) if status_has_body(head.status) => {
            write_content_length(out, length);
        }
        BodyFraming::Length(length) => {
            debug_assert!(length == 0, "a body after status {}", head.status);
        }
        BodyFraming::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        BodyFraming::None | BodyFraming::UntilClose => {}
    }
    out.extend_from_slice(b"\r\n");
}

/// A chunk that grows at the end of a buffer. Its size is written before it when it is known.
#[derive(Clone, Copy, Debug)]
pub struct OpenChunk {
    start: usize,
}

/// The digits of most sizes: those of a chunk that is a buffer of 4 to 64 KiB.
const SIZE_DIGITS_USUAL: usize = 4;

/// What ends a body of chunks (RFC 9112 §7.1).
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

impl OpenChunk {
    /// Begins a chunk: what is appended from now on is its data.
    pub fn begin(out: &mut Vec<u8>) -> OpenChunk {
        let start = out.len();
        out.extend_from_slice(b"0000\r\n");
        OpenChunk { start }
    }

    /// How many bytes it has.
    pub fn len(self, out: &[u8]) -> usize {
        out.len() - self.start - SIZE_DIGITS_USUAL - 2
    }

    /// Whether there is nothing in it.
    pub fn is_empty(self, out: &[u8]) -> bool {
        self.len(out) == 0
    }

    /// Ends it. One without data would be the last, so of that nothing is left.
    pub fn end(self, out: &mut Vec<u8>) {
        let length = self.len(out);
        if length == 0 {
            return out.truncate(self.start);
        }
        let size = format!("{length:x}");
        let digits = self.start..self.start + SIZE_DIGITS_USUAL;
        if size.len() == SIZE_DIGITS_USUAL {
            out[digits].copy_from_slice(size.as_bytes());
        } else {
            out.splice(digits, size.bytes());
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Which of our own fields the caller's fields replace.
#[derive(Default)]
struct OwnFields {
    date_replaced: bool,
    server_replaced: bool,
}

impl OwnFields {
    /// Whether a field of this name may come from the caller.
    fn yields_to(&mut self, name: &str) -> bool {
        match name.len() {
            4 if name.eq_ignore_ascii_case("date") => self.date_replaced = true,
            6 if name.eq_ignore_ascii_case("server") => self.server_replaced = true,
            _ => return !is_framing(name),
        }
        true
    }
}

/// The fields that say where a message ends or what becomes of the connection.
fn is_framing(name: &str) -> bool {
    match name.len() {
        7 => name.eq_ignore_ascii_case("trailer") || name.eq_ignore_ascii_case("upgrade"),
        10 => name.eq_ignore_ascii_case("connection") || name.eq_ignore_ascii_case("keep-alive"),
        14 => name.eq_ignore_ascii_case("content-length"),
        17 => name.eq_ignore_ascii_case("transfer-encoding"),
        _ => false,
    }
}

/// `status-line = HTTP-version SP status-code SP [ reason-phrase ] CRLF`; we always answer as
/// HTTP/1.1 (RFC 9110 §2.5).
fn write_status_line(out: &mut Vec<u8>, head: &ResponseHead<'_>) {
    if head.status == 200 && head.reason.is_none() {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    let status = head.status.min(999);
    let digit = |number: u16| b'0' + (number % 10) as u8;
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(&[digit(status / 100), digit(status / 10), digit(status), b' ']);
    write_value(out, head.reason.unwrap_or(reason_phrase(status)).as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn write_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    write_value(out, value);
    out.extend_from_slice(b"\r\n");
}

/// A field whose value needs no second look, because it is ours.
fn write_own_field(out: &mut Vec<u8>, name: &[u8], value: &str) {
    out.extend_from_slice(name);
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Control bytes become spaces, as RFC 9110 §5.5 advises for CR, LF and NUL.
fn write_value(out: &mut Vec<u8>, value: &[u8]) {
    if has_control(value) {
        out.extend(
            value
                .iter()
                .map(|byte| if is_control(*byte) { b' ' } else { *byte }),
        );
    } else {
        out.extend_from_slice(value);
    }
}

fn write_content_length(out: &mut Vec<u8>, length: u64) {
    out.extend_from_slice(b"Content-Length: ");
    out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// The phrase that belongs to a status; empty for a status without a name.
///
/// Parity: where RFC 9110 renamed a status (413, 414, 416), the older name, which PostgREST sends.
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        305 => "Use Proxy",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Requested Range Not Satisfiable",
        417 => "Expectation Failed",
        418 => "I'm a teapot",
        421 => "Misdirected Request",
        422 => "Unprocessable Entity",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        508 => "Loop Detected",
        511 => "Network Authentication Required",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn head(status: u16, body: BodyFraming) -> ResponseHead<'static> {
        let connection = ConnectionHeader::Implied;
        ResponseHead {
            status,
            reason: None,
            date: DATE,
            server: "corerest",
            connection,
            body,
        }
    }

    #[track_caller]
    fn check(head: &ResponseHead<'_>, headers: &[(&str, &[u8])], expected: &str) {
        let mut out = b"before".to_vec();
        write_head(&mut out, head, headers.iter().copied());
        let expected = format!("before{}", expected.replace('\n', "\r\n"));
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn a_head_has_status_line_fields_and_an_empty_line() {
        check(
            &head(200, BodyFraming::Length(12_345)),
            &[("Content-Type", b"application/json; charset=utf-8")],
            "HTTP/1.1 200 OK\nContent-Type: application/json; charset=utf-8\n\
             Date: Sun, 06 Nov 1994 08:49:37 GMT\nServer: corerest\nContent-Length: 12345\n\n",
        );
    }

    #[test]
    fn bodyless_responses_have_no_content_length() {
        let rest = "Date: Sun, 06 Nov 1994 08:49:37 GMT\nServer: corerest\n\n";
        check(
            &head(204, BodyFraming::of(204, false, 10)),
            &[],
            &format!("HTTP/1.1 204 No Content\n{rest}"),
        );
        check(
            &head(304, BodyFraming::of(304, false, 10)),
            &[],
            &format!("HTTP/1.1 304 Not Modified\n{rest}"),
        );
        check(
            &head(200, BodyFraming::of(200, true, 10)),
            &[],
            &format!("HTTP/1.1 200 OK\n{rest}"),
        );
        check(
            &head(204, BodyFraming::Length(0)),
            &[],
            &format!("HTTP/1.1 204 No Content\n{rest}"),
        );
    }

    #[test]
    fn framing_follows_status_and_method() {
        assert_eq!(BodyFraming::of(200, false, 0), BodyFraming::Length(0));
        assert_eq!(
            BodyFraming::of(201, false, u64::MAX),
            BodyFraming::Length(u64::MAX)
        );
        for status in [0, 100, 101, 199, 204, 304] {
            assert_eq!(BodyFraming::of(status, false, 7), BodyFraming::None);
        }
        assert_eq!(BodyFraming::of(404, true, 7), BodyFraming::None);
    }

    #[test]
    fn lengths_are_written_in_full() {
        for length in [0, 9, 10, 99, 100, u64::MAX] {
            let mut out = Vec::new();
            write_content_length(&mut out, length);
            assert_eq!(out, format!("Content-Length: {length}\r\n").into_bytes());
        }
    }

    #[test]
    fn the_connection_field_follows_the_decision() {
        for (connection, line) in [
            (ConnectionHeader::Close, "Connection: close\n"),
            (ConnectionHeader::KeepAlive, "Connection: keep-alive\n"),
            (ConnectionHeader::Implied, ""),
        ] {
            let head = ResponseHead {
                connection,
                ..head(200, BodyFraming::Length(0))
            };
            let expected = format!(
                "HTTP/1.1 200 OK\nDate: {DATE}\nServer: corerest\n{line}Content-Length: 0\n\n"
            );
            check(&head, &[], &expected);
        }
    }

    #[test]
    fn fields_cannot_change_the_framing() {
        check(
            &head(200, BodyFraming::Length(2)),
            &[
                ("content-length", b"0"),
                ("Transfer-Encoding", b"chunked"),
                ("CONNECTION", b"close"),
                ("Keep-Alive", b"timeout=5"),
                ("Upgrade", b"h2c"),
                ("Trailer", b"X"),
                ("Allow", b"GET"),
            ],
            "HTTP/1.1 200 OK\nAllow: GET\nDate: Sun, 06 Nov 1994 08:49:37 GMT\n\
             Server: corerest\nContent-Length: 2\n\n",
        );
    }

    #[test]
    fn fields_cannot_split_the_response() {
        check(
            &head(200, BodyFraming::None),
            &[
                ("A", b"x\r\nSet-Cookie: a=b"),
                ("B", b"\0\x7f\ty"),
                ("C\r\nD", b"z"),
                ("E F", b"z"),
                ("", b"z"),
                ("G", b""),
            ],
            "HTTP/1.1 200 OK\nA: x  Set-Cookie: a=b\nB:   \ty\nG: \n\
             Date: Sun, 06 Nov 1994 08:49:37 GMT\nServer: corerest\n\n",
        );
    }

    #[test]
    fn reasons_cannot_split_the_response() {
        let head = ResponseHead {
            reason: Some("No\r\nX: y"),
            ..head(402, BodyFraming::None)
        };
        let expected = format!("HTTP/1.1 402 No  X: y\nDate: {DATE}\nServer: corerest\n\n");
        check(&head, &[], &expected);
    }

    #[test]
    fn fields_of_the_caller_replace_date_and_server() {
        check(
            &head(200, BodyFraming::None),
            &[("date", b"today"), ("SERVER", b"mine")],
            "HTTP/1.1 200 OK\ndate: today\nSERVER: mine\n\n",
        );
    }

    #[test]
    fn every_status_is_written_with_three_digits() {
        let rest = format!("Date: {DATE}\nServer: corerest\n\n");
        check(
            &head(599, BodyFraming::None),
            &[],
            &format!("HTTP/1.1 599 \n{rest}"),
        );
        check(
            &head(7, BodyFraming::None),
            &[],
            &format!("HTTP/1.1 007 \n{rest}"),
        );
        check(
            &head(65_535, BodyFraming::None),
            &[],
            &format!("HTTP/1.1 999 \n{rest}"),
        );
        check(
            &head(416, BodyFraming::None),
            &[],
            &format!("HTTP/1.1 416 Requested Range Not Satisfiable\n{rest}"),
        );
    }
}
