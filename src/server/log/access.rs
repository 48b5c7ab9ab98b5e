//! A line of the access log, in Apache's combined format.
//!
//! ```text
//! 127.0.0.1 - web_anon [26/Jul/2021:01:56:38 -0500] "GET /clients HTTP/1.1" 200 56 "" "curl/7.64"
//! address   - role     [time]                       "request"      status size referer agent
//! ```
//! Written byte by byte into a buffer that is there already, since at `log-level=info` there is
//! one for each request.
//!
//! Invariant: it is one line with an even number of bare quotes, whatever the client has sent.

use corerest_wire::http::{Request, Version};
use std::io::Write;
use std::net::IpAddr;

/// What the line says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access<'a> {
    /// Where the client is; `None` behind a Unix socket.
    pub(crate) peer: Option<IpAddr>,
    /// The role that the request ran as, if it got as far as that.
    pub(crate) role: Option<&'a str>,
    /// The request.
    pub(crate) request: Request<'a>,
    /// The status of the response.
    pub(crate) status: u16,
    /// Its Content-Length, if it has one.
    pub(crate) size: Option<u64>,
}

impl Access<'_> {
    /// Appends the line.
    pub(super) fn write_line(&self, out: &mut Vec<u8>, stamp: &str) {
        match self.peer {
            Some(address) => drop(write!(out, "{}", address.to_canonical())),
            None => out.push(b'-'),
        }
        out.extend_from_slice(b" - ");
        write_escaped(out, self.role.unwrap_or("-").as_bytes());
        out.extend_from_slice(b" [");
        out.extend_from_slice(stamp.as_bytes());
        out.extend_from_slice(b"] \"");
        self.write_request(out);
        out.extend_from_slice(b"\" ");
        write_number(out, u64::from(self.status));
        out.push(b' ');
        match self.size {
            Some(size) => write_number(out, size),
            None => out.push(b'-'),
        }
        for header in ["referer", "user-agent"] {
            out.extend_from_slice(b" \"");
            write_escaped(out, self.request.headers.get(header).unwrap_or_default());
            out.push(b'"');
        }
        out.push(b'\n');
    }

    fn write_request(&self, out: &mut Vec<u8>) {
        let request = &self.request;
        out.extend_from_slice(request.method.as_bytes());
        out.push(b' ');
        let target = request.target();
        write_escaped(out, target.path.as_bytes());
        if !target.query.is_empty() {
            out.push(b'?');
            write_escaped(out, target.query.as_bytes());
        }
        out.extend_from_slice(match request.version {
            Version::Http10 => b" HTTP/1.0",
            Version::Http11 => b" HTTP/1.1",
        });
    }
}

/// Quotes and backslashes get a backslash, as Apache writes them: a quote in a User-Agent must not
/// end the field. Control bytes are not in a request, but they may be in the name of a role.
fn write_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    let is_plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | 0..0x20 | 0x7f);
    if bytes.iter().all(is_plain) {
        return out.extend_from_slice(bytes);
    }
    for byte in bytes {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            0..0x20 | 0x7f => out.push(b' '),
            _ => out.push(*byte),
        }
    }
}

fn write_number(out: &mut Vec<u8>, number: u64) {
    // Writing into memory cannot fail.
    let _ = write!(out, "{number}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use corerest_wire::http::{Buffer, Connection, Limits, Progress};

    #[track_caller]
    fn check(bytes: &str, peer: Option<&str>, role: Option<&str>, expected: &str) {
        let mut connection = Connection::new();
        connection.lend_buffer(Buffer::new());
        let space = connection.recv_space(&Limits::default());
        space[..bytes.len()].copy_from_slice(bytes.as_bytes());
        connection.received(bytes.len());
        assert_eq!(connection.next(&Limits::default()), Ok(Progress::Request));
        let access = Access {
            peer: peer.map(|address| address.parse().unwrap()),
            role,
            request: connection.request(),
            status: 200,
            size: role.map(|role| role.len() as u64),
        };
        let mut line = Vec::new();
        access.write_line(&mut line, "NOW");
        assert_eq!(String::from_utf8(line).unwrap(), format!("{expected}\n"));
    }

    #[test]
    fn lines_are_in_the_combined_format() {
        check(
            "GET /clients HTTP/1.1\r\nHost: a\r\nUser-Agent: curl/7.64\r\n\r\n",
            Some("127.0.0.1"),
            Some("web_anon"),
            r#"127.0.0.1 - web_anon [NOW] "GET /clients HTTP/1.1" 200 8 "" "curl/7.64""#,
        );
        check(
            "HEAD /t?id=eq.1 HTTP/1.0\r\nReferer: http://a/b\r\n\r\n",
            None,
            None,
            r#"- - - [NOW] "HEAD /t?id=eq.1 HTTP/1.0" 200 - "http://a/b" """#,
        );
        check(
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            Some("::ffff:10.0.0.1"),
            None,
            r#"10.0.0.1 - - [NOW] "GET / HTTP/1.1" 200 - "" """#,
        );
    }

    #[test]
    fn nothing_that_a_client_sends_ends_a_field() {
        check(
            "GET /%22\"x HTTP/1.1\r\nHost: a\r\nUser-Agent: a\" 200 \\ \"b\r\n\r\n",
            Some("::1"),
            Some("a\"\nb"),
            r#"::1 - a\" b [NOW] "GET /%22\"x HTTP/1.1" 200 4 "" "a\" 200 \\ \"b""#,
        );
    }
}
