//! One large body, down or up: how fast it moves, and when its answer begins.
//!
//! Nothing is kept of an answer, so that its size does not matter here; only its framing is
//! followed, because a transfer that was cut off must not count.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use crate::request::{HOST, Request};
use crate::target::{Stream, Target};

const HEAD_BYTES_MAX: usize = 64 << 10;
const HEADERS_MAX: usize = 64;
const PIECE_BYTES: usize = 256 << 10;
/// A chunk of a chunked request.
const CHUNK_BYTES: usize = 64 << 10;

/// What a transfer was like.
#[derive(Clone, Copy, Debug)]
pub struct Transfer {
    /// The status of the answer.
    pub status: u16,
    /// The bytes of its body.
    pub body_bytes: u64,
    /// From the begin of the request to the first byte of the answer.
    pub first_byte: Duration,
    /// From there to its last byte.
    pub total: Duration,
}

/// How a request says where its body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// With `Content-Length`.
    Length,
    /// In chunks.
    Chunks,
}

/// Sends a request on a connection of its own, and reads the whole answer.
pub fn run(target: &Target, request: &Request, framing: Framing) -> io::Result<Transfer> {
    let mut stream = target.connect()?;
    let begin = Instant::now();
    // A server that refuses a body answers before it has read it.
    let sent = send(&mut stream, request, framing);
    let mut buffer = vec![0; PIECE_BYTES];
    let mut received = Vec::new();
    let mut first_byte = None;
    let head = loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 || received.len() > HEAD_BYTES_MAX {
            return Err(sent.err().unwrap_or(io::ErrorKind::UnexpectedEof.into()));
        }
        first_byte.get_or_insert_with(|| begin.elapsed());
        received.extend_from_slice(&buffer[..count]);
        if let Some(head) = Head::parse(&received)? {
            break head;
        }
    };
    let mut body = head.body;
    let mut body_bytes = body.feed(&received[head.length..])?;
    while !body.is_complete() {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        body_bytes += body.feed(&buffer[..count])?;
    }
    Ok(Transfer {
        status: head.status,
        body_bytes,
        first_byte: first_byte.unwrap_or_default(),
        total: begin.elapsed(),
    })
}

fn send(stream: &mut Stream, request: &Request, framing: Framing) -> io::Result<()> {
    let Request { method, target, .. } = request;
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {HOST}\r\n");
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let body = request.body.as_bytes();
    if framing == Framing::Chunks {
        stream.write_all((head + "Transfer-Encoding: chunked\r\n\r\n").as_bytes())?;
        for chunk in body.chunks(CHUNK_BYTES) {
            let size = format!("{:x}\r\n", chunk.len());
            stream.write_all(&[size.as_bytes(), chunk, b"\r\n"].concat())?;
        }
        return stream.write_all(b"0\r\n\r\n");
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    stream.write_all((head + "\r\n").as_bytes())?;
    stream.write_all(body)
}

struct Head {
    status: u16,
    length: usize,
    body: Body,
}

impl Head {
    fn parse(bytes: &[u8]) -> io::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut head = httparse::Response::new(&mut headers);
        let Ok(parsed) = head.parse(bytes) else {
            return Err(io::Error::other("not a response"));
        };
        let httparse::Status::Complete(length) = parsed else {
            return Ok(None);
        };
        let value = |name: &str| {
            let mut headers = head.headers.iter();
            let found = headers.find(|header| header.name.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(found.value).ok()
        };
        let body = match value("content-length") {
            Some(length) => Body::Length(length.parse().map_err(io::Error::other)?),
            None if value("transfer-encoding") == Some("chunked") => Body::Size(Vec::new()),
            None => Body::Length(0),
        };
        Ok(Some(Self {
            status: head.code.unwrap_or(0),
            length,
            body,
        }))
    }
}

/// What is still to come of a body.
#[derive(Debug, PartialEq, Eq)]
enum Body {
    /// So many bytes.
    Length(u64),
    /// The rest of a line with a chunk's size, of which this is there.
    Size(Vec<u8>),
    /// So many bytes of a chunk, and the end of its line.
    Chunk(u64),
    /// Nothing: the last chunk was there.
    End,
}

impl Body {
    fn is_complete(&self) -> bool {
        matches!(self, Self::Length(0) | Self::End)
    }

    /// Takes what has come, and says how much of it is the body's.
    fn feed(&mut self, mut bytes: &[u8]) -> io::Result<u64> {
        let mut count = 0;
        while !bytes.is_empty() && !self.is_complete() {
            match self {
                Self::Length(left) | Self::Chunk(left) if *left > 0 => {
                    let taken = bytes
                        .len()
                        .min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= taken as u64;
                    count += taken as u64;
                    bytes = &bytes[taken..];
                }
                Self::Chunk(_) => *self = Self::Size(Vec::new()),
                Self::Size(line) => {
                    line.push(bytes[0]);
                    bytes = &bytes[1..];
                    if let Some(size) = chunk_size(line)? {
                        *self = size;
                    }
                }
                Self::Length(_) | Self::End => {}
            }
        }
        Ok(count)
    }
}

/// Of a complete line, which the end of the chunk before may precede. After the last chunk comes
/// an empty line; there are no trailers.
fn chunk_size(line: &[u8]) -> io::Result<Option<Body>> {
    let Some(line) = line.strip_suffix(b"\r\n") else {
        return Ok(None);
    };
    let Ok(text) = std::str::from_utf8(line) else {
        return Err(io::Error::other("a chunk without a size"));
    };
    match text.trim_start() {
        "" => Ok(None),
        "0" => Ok(Some(Body::End)),
        size => {
            let size = u64::from_str_radix(size, 16).map_err(io::Error::other)?;
            Ok(Some(Body::Chunk(size)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    #[track_caller]
    fn check(mut body: Body, bytes: &[u8], expected: u64) {
        let begin = format!("{body:?}");
        // Byte by byte, which is every way to split it.
        let parts = bytes.iter().map(std::slice::from_ref);
        let count: u64 = parts.map(|part| body.feed(part).expect("valid")).sum();
        assert_eq!(count, expected, "{begin}");
        assert!(body.is_complete(), "{begin}: {body:?}");
    }

    #[test]
    fn bodies_end_where_they_should() {
        check(Body::Length(0), b"", 0);
        check(Body::Length(3), b"abc", 3);
        check(
            Body::Size(Vec::new()),
            b"3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n",
            19,
        );
        let mut body = Body::Size(Vec::new());
        assert!(body.feed(b"x\r\n").is_err());
    }

    #[test]
    fn a_body_goes_up_in_chunks_and_the_answer_comes_down() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let target = Target::Tcp(listener.local_addr().expect("bound"));
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client comes");
            let mut received = Vec::new();
            while !received.ends_with(b"0\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("more comes");
                received.push(byte[0]);
            }
            let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n[]";
            stream.write_all(answer).expect("open");
            String::from_utf8(received).expect("text")
        });
        let request = Request {
            method: "POST".to_owned(),
            body: "hello".to_owned(),
            ..Request::get("/entries")
        };
        let transfer = run(&target, &request, Framing::Chunks).expect("complete");
        assert_eq!((transfer.status, transfer.body_bytes), (201, 2));
        let received = server.join().expect("no panic");
        assert!(
            received.ends_with("chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
            "{received}"
        );
    }
}
