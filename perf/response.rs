//! Where an HTTP/1.1 response ends, for a client that sends one request at a time.
//!
//! Only what a well-behaved server sends is understood: a body with `Content-Length`, a chunked
//! one, or none. Anything else is an error, because a generator that guesses measures nonsense.

use std::io::{self, Read, Write};

use crate::request::{Pieces, Request};
use crate::target::{Stream, Target};

const HEADERS_MAX: usize = 64;

/// A complete response at the start of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// The status code.
    pub status: u16,
    /// The body as it came; of a chunked one, with its chunk headers.
    pub body: &'a [u8],
    /// How many bytes of the buffer are this response.
    pub length: usize,
}

/// Why bytes are not a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The status line or a header is malformed, or there are too many headers.
    Head,
    /// Neither a length nor chunks: the end of the body is unknown.
    Framing,
}

/// The response at the start of `buffer`, or `None` if more bytes are needed.
pub fn decode(buffer: &[u8]) -> Result<Option<Response<'_>>, DecodeError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let head_length = match head.parse(buffer) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(DecodeError::Head),
    };
    let status = head.code.ok_or(DecodeError::Head)?;
    let rest = &buffer[head_length..];
    let body_length = if matches!(status, 204 | 304) {
        Some(0)
    } else if let Some(value) = header(head.headers, "content-length") {
        let length = value.parse::<usize>().map_err(|_| DecodeError::Framing)?;
        (rest.len() >= length).then_some(length)
    } else if header(head.headers, "transfer-encoding") == Some("chunked") {
        chunked_length(rest)?
    } else {
        return Err(DecodeError::Framing);
    };
    Ok(body_length.map(|body_length| Response {
        status,
        body: &rest[..body_length],
        length: head_length + body_length,
    }))
}

/// One request on a connection of its own, which blocks: status and body.
pub fn fetch(target: &Target, request: &Request) -> io::Result<(u16, Vec<u8>)> {
    fetch_on(&mut target.connect()?, request)
}

/// One request on a connection that is open already, which stays open.
pub fn fetch_on(stream: &mut Stream, request: &Request) -> io::Result<(u16, Vec<u8>)> {
    let mut text = Vec::new();
    Pieces::of(request).write(1, &mut text);
    stream.write_all(&text)?;
    let mut received = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        received.extend_from_slice(&piece[..count]);
        let decoded = decode(&received).map_err(|error| io::Error::other(format!("{error:?}")))?;
        if let Some(response) = decoded {
            return Ok((response.status, response.body.to_vec()));
        }
    }
}

fn header<'a>(headers: &[httparse::Header<'a>], name: &str) -> Option<&'a str> {
    let found = headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(found.value).ok()
}

/// The length of a chunked body with its last chunk; there are no trailers (RFC 9112, 7.1).
fn chunked_length(body: &[u8]) -> Result<Option<usize>, DecodeError> {
    let mut position = 0;
    loop {
        let (size_line, size) = match httparse::parse_chunk_size(&body[position..]) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(DecodeError::Framing),
        };
        let size = usize::try_from(size).map_err(|_| DecodeError::Framing)?;
        position = position
            .saturating_add(size_line + "\r\n".len())
            .saturating_add(size);
        if position > body.len() {
            return Ok(None);
        }
        if size == 0 {
            return Ok(Some(position));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes `bytes` cut off everywhere, then whole, then with the next response behind it.
    #[track_caller]
    fn check(bytes: &str, expected: Result<(u16, &str), DecodeError>) {
        let Ok((status, body)) = expected else {
            assert_eq!(decode(bytes.as_bytes()).map(|_| ()), expected.map(|_| ()));
            return;
        };
        for end in 0..bytes.len() {
            assert_eq!(
                decode(&bytes.as_bytes()[..end]),
                Ok(None),
                "cut off at {end}"
            );
        }
        let whole = Response {
            status,
            body: body.as_bytes(),
            length: bytes.len(),
        };
        assert_eq!(decode(bytes.as_bytes()), Ok(Some(whole)));
        let twice = bytes.repeat(2);
        assert_eq!(decode(twice.as_bytes()), Ok(Some(whole)));
    }

    #[test]
    fn a_length_ends_the_body() {
        check(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
            Ok((200, "[]")),
        );
        check(
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            Ok((404, "")),
        );
    }

    #[test]
    fn the_empty_chunk_ends_the_body() {
        let chunks = "2\r\n[]\r\n0\r\n\r\n";
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        check(&format!("{head}{chunks}"), Ok((200, chunks)));
    }

    #[test]
    fn no_content_has_no_body() {
        check("HTTP/1.1 204 No Content\r\n\r\n", Ok((204, "")));
    }

    #[test]
    fn a_body_without_an_end_is_refused() {
        check("HTTP/1.1 200 OK\r\n\r\n[]", Err(DecodeError::Framing));
        check(
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            Err(DecodeError::Framing),
        );
        check("SSH-2.0-x\r\n", Err(DecodeError::Head));
    }
}
