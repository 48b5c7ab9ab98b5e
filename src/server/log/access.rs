//! A line of the access log, in Apache's combined format or as JSON.
//!
//! ```text
//! 127.0.0.1 - web_anon [26/Jul/2021:01:56:38 -0500] "GET /clients HTTP/1.1" 200 56 "" "curl/7.64"
//! address   - role     [time]                       "request"      status size referer agent
//! ```
//! Written byte by byte into a buffer that is there already, since at `log-level=info` there is
//! one for each request.
//!
//! Invariant: it is one line with an even number of bare quotes, whatever the client has sent; or
//! one JSON object.

use super::json::Object;
use super::target::before_query;
use corerest_wire::http::{Request, Version};
use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

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
    /// From the whole request to its answer, as in the histogram of requests.
    pub(crate) duration: Duration,
    /// Whether queries are in it (`log-query-string`).
    pub(crate) shows_queries: bool,
}

impl Access<'_> {
    /// Appends the line.
    pub(crate) fn write_line(&self, out: &mut Vec<u8>, stamp: &str) {
        match self.peer {
            Some(address) => drop(write!(out, "{}", address.to_canonical())),
            // As PostgREST's library calls it.
            None => out.extend_from_slice(b"unknownSocket"),
        }
        out.extend_from_slice(b" - ");
        write_role(out, self.role);
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
            write_escaped(out, self.header(header).unwrap_or_default());
            out.push(b'"');
        }
        out.push(b'\n');
    }

    /// Appends it as an object (`log-format=json`).
    pub(crate) fn write_object(&self, out: &mut Vec<u8>) {
        let request = &self.request;
        let target = request.target();
        let header = |name| self.header(name);
        let mut object = Object::begin(out, "info");
        if let Some(address) = self.peer {
            object.plain("remote", format_args!("\"{}\"", address.to_canonical()));
        }
        object.text_if_any("role", self.role.map(str::as_bytes));
        object.text("method", request.method.as_bytes());
        object.text("path", target.path.as_bytes());
        let query = Some(target.query).filter(|query| self.shows(query));
        object.text_if_any("query", query.map(str::as_bytes));
        object.text("protocol", protocol(request.version).as_bytes());
        object.plain("status", self.status);
        if let Some(size) = self.size {
            object.plain("bytes", size);
        }
        let micros = self.duration.as_micros();
        let (millis, fraction) = (micros / 1000, micros % 1000);
        object.plain("duration_ms", format_args!("{millis}.{fraction:03}"));
        object.text_if_any("referer", header("referer"));
        object.text_if_any("user_agent", header("user-agent"));
        let traceparent = header("traceparent").filter(|value| is_traceparent(value));
        object.text_if_any("traceparent", traceparent);
        object.end();
    }

    /// Whether this query is logged.
    fn shows(&self, query: &str) -> bool {
        self.shows_queries && !query.is_empty()
    }

    /// A header as it is logged: a Referer has a query of its own.
    fn header(&self, name: &str) -> Option<&[u8]> {
        let value = self.request.headers.get(name)?;
        Some(match name {
            "referer" if !self.shows_queries => before_query(value),
            _ => value,
        })
    }

    fn write_request(&self, out: &mut Vec<u8>) {
        let request = &self.request;
        out.extend_from_slice(request.method.as_bytes());
        out.push(b' ');
        let target = request.target();
        write_escaped(out, target.path.as_bytes());
        if self.shows(target.query) {
            out.push(b'?');
            write_escaped(out, target.query.as_bytes());
        }
        out.push(b' ');
        out.extend_from_slice(protocol(request.version).as_bytes());
    }
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::Http10 => "HTTP/1.0",
        Version::Http11 => "HTTP/1.1",
    }
}

/// Whether it is what W3C Trace Context has in its version 00, which is the only one:
/// `"00-" 32HEXDIGLC "-" 16HEXDIGLC "-" 2HEXDIGLC`, and neither id is all zeros.
fn is_traceparent(value: &[u8]) -> bool {
    let is_hex = |part: &[u8]| {
        let mut bytes = part.iter();
        bytes.all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_id = |part: &[u8]| is_hex(part) && part.iter().any(|byte| *byte != b'0');
    value.len() == 55
        && value.starts_with(b"00-")
        && is_id(&value[3..35])
        && value[35] == b'-'
        && is_id(&value[36..52])
        && value[52] == b'-'
        && is_hex(&value[53..])
}

/// The role stands between blanks and not between quotes, so a blank in it would be the end of the
/// field, and what is behind it be read as the time and the request: `x [now] "GET / HTTP/1.1"`.
fn write_role(out: &mut Vec<u8>, role: Option<&str>) {
    let begin = out.len();
    match role {
        None => out.push(b'-'),
        // Two quotes, as Apache writes the name of nobody.
        Some("") => out.extend_from_slice(b"\"\""),
        Some(role) => write_escaped(out, role.as_bytes()),
    }
    if out[begin..].contains(&b' ') {
        let written = out.split_off(begin);
        for byte in written {
            match byte {
                b' ' => out.extend_from_slice(b"\\x20"),
                _ => out.push(byte),
            }
        }
    }
}

/// Quotes and backslashes get a backslash, as Apache writes them: a quote in a User-Agent must not
/// end the field. Control characters become blanks, for whoever reads the log in a terminal: those
/// of ASCII may be in the name of a role, and those behind it (C1; U+009B begins a command)
/// in a header, as bytes or in UTF-8.
fn write_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    let is_plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | 0..0x20 | 0x7f..0xa0);
    if bytes.iter().all(is_plain) {
        return out.extend_from_slice(bytes);
    }
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' | '\\' => out.extend_from_slice(&[b'\\', character as u8]),
                _ if character.is_control() => out.push(b' '),
                _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        let others = chunk.invalid().iter();
        out.extend(others.map(|byte| match byte {
            0x80..0xa0 => b' ',
            _ => *byte,
        }));
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

    /// Writes the line for a request.
    fn line(
        bytes: &[u8],
        peer: Option<&str>,
        role: Option<&str>,
        write: impl FnOnce(&Access<'_>, &mut Vec<u8>),
    ) -> Vec<u8> {
        line_with(true, bytes, peer, role, write)
    }

    fn line_with(
        shows_queries: bool,
        bytes: &[u8],
        peer: Option<&str>,
        role: Option<&str>,
        write: impl FnOnce(&Access<'_>, &mut Vec<u8>),
    ) -> Vec<u8> {
        let mut connection = Connection::new();
        connection.lend_buffer(Buffer::new());
        let space = connection.recv_space(&Limits::default(), |_| true).unwrap();
        space[..bytes.len()].copy_from_slice(bytes);
        connection.received(bytes.len());
        assert_eq!(connection.next(&Limits::default()), Ok(Progress::Request));
        let access = Access {
            peer: peer.map(|address| address.parse().unwrap()),
            role,
            request: connection.request(),
            status: 200,
            size: role.map(|role| role.len() as u64),
            duration: Duration::from_micros(12_034),
            shows_queries,
        };
        let mut line = Vec::new();
        write(&access, &mut line);
        line
    }

    #[track_caller]
    fn check(bytes: &str, peer: Option<&str>, role: Option<&str>, expected: &str) {
        let line = line(bytes.as_bytes(), peer, role, |access, out| {
            access.write_line(out, "NOW");
        });
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
            r#"unknownSocket - - [NOW] "HEAD /t?id=eq.1 HTTP/1.0" 200 - "http://a/b" """#,
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
            r#"::1 - a\"\x20b [NOW] "GET /%22\"x HTTP/1.1" 200 4 "" "a\" 200 \\ \"b""#,
        );
    }

    #[test]
    fn a_role_is_one_field() {
        check(
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            None,
            Some("a - b [NOW] \"GET /other HTTP/1.1\" 200 0"),
            concat!(
                r#"unknownSocket - a\x20-\x20b\x20[NOW]\x20\"GET\x20/other\x20"#,
                r#"HTTP/1.1\"\x20200\x200 [NOW] "GET / HTTP/1.1" 200 39 "" """#,
            ),
        );
        check(
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            None,
            Some(""),
            r#"unknownSocket - "" [NOW] "GET / HTTP/1.1" 200 0 "" """#,
        );
    }

    #[test]
    fn no_control_character_reaches_a_terminal() {
        let agents: [(&[u8], &[u8]); 5] = [
            (b"a\x9b31mb", b"a 31mb"),
            ("a\u{9b}31mb".as_bytes(), b"a 31mb"),
            (
                "a\u{85}\u{a0}\u{e9}".as_bytes(),
                "a \u{a0}\u{e9}".as_bytes(),
            ),
            (
                "\u{251b}\u{6d0b}\"".as_bytes(),
                "\u{251b}\u{6d0b}\\\"".as_bytes(),
            ),
            (b"\xff\xc2 \xe2\x9b", b"\xff\xc2 \xe2 "),
        ];
        for (agent, expected) in agents {
            let head = b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: ";
            let request = [head, agent, b"\r\n\r\n"].concat();
            let line = line(&request, None, None, |access, out| {
                access.write_line(out, "NOW");
            });
            let begin = br#"unknownSocket - - [NOW] "GET / HTTP/1.1" 200 - "" ""#;
            let expected = [begin, expected, b"\"\n"].concat();
            assert_eq!(line, expected, "{}", String::from_utf8_lossy(&line));
            assert!(!line.contains(&0x9b) || std::str::from_utf8(&line).is_ok());
        }
    }

    #[test]
    fn queries_can_be_left_out_and_that_of_the_referer_is_too() {
        let head = b"GET /t?id=eq.SECRET HTTP/1.1\r\nHost: a\r\n\
                     Referer: http://a/b?SECRET#SECRET\r\n\r\n";
        let text = line_with(false, head, None, None, |access, out| {
            access.write_line(out, "NOW");
        });
        let expected = "unknownSocket - - [NOW] \"GET /t HTTP/1.1\" 200 - \"http://a/b\" \"\"\n";
        assert_eq!(String::from_utf8_lossy(&text), expected);
        let object = line_with(false, head, None, None, |access, out| {
            access.write_object(out);
        });
        let object = String::from_utf8_lossy(&object);
        assert!(object.contains(r#""path":"/t","protocol""#), "{object}");
        assert!(object.contains(r#""referer":"http://a/b""#), "{object}");
    }

    /// Without the time.
    #[track_caller]
    fn check_object(head: &str, peer: Option<&str>, role: Option<&str>, expected: &str) {
        let line = line(head.as_bytes(), peer, role, |access, out| {
            access.write_object(out);
        });
        let line = String::from_utf8(line).expect("it is JSON");
        let (time, rest) = line.split_once(',').expect("it has members");
        assert_eq!(time.len(), r#"{"time":"2021-07-26T06:56:38.009Z""#.len());
        assert_eq!(rest, format!("\"level\":\"info\",{expected}}}\n"));
    }

    #[test]
    fn objects_have_what_there_is() {
        check_object(
            "GET /t?a=eq.\"\\ HTTP/1.1\r\nHost: a\r\nReferer: \r\nUser-Agent: \"b\"\r\n\
             traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n",
            Some("::ffff:10.0.0.1"),
            Some("a\n"),
            &[
                r#""remote":"10.0.0.1","role":"a\u000a","method":"GET","path":"/t","#,
                r#""query":"a=eq.\"\\","protocol":"HTTP/1.1","status":200,"bytes":2,"#,
                r#""duration_ms":12.034,"referer":"","user_agent":"\"b\"","#,
                r#""traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01""#,
            ]
            .concat(),
        );
        check_object(
            "HEAD / HTTP/1.0\r\ntraceparent: 00\r\n\r\n",
            None,
            None,
            "\"method\":\"HEAD\",\"path\":\"/\",\"protocol\":\"HTTP/1.0\",\"status\":200,\
             \"duration_ms\":12.034",
        );
    }

    #[test]
    fn hostile_headers_do_not_end_an_object() {
        for byte in 0x20..=0xff_u8 {
            if byte == 0x7f {
                continue;
            }
            let mut head = b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: a".to_vec();
            head.extend_from_slice(&[byte, b'"', byte, b'\\', byte, byte]);
            head.extend_from_slice(b"z\r\n\r\n");
            let mut line = line(&head, None, None, |access, out| access.write_object(out));
            let breaks = line.iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(breaks, 1, "{byte}");
            let value = simd_json::to_owned_value(&mut line).expect("it is JSON");
            let agent = value["user_agent"].to_string();
            assert!(agent.starts_with('a') && agent.ends_with('z'), "{agent}");
        }
    }

    #[test]
    fn a_traceparent_has_its_form() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert!(is_traceparent(good.as_bytes()));
        for wrong in [
            "",
            &good[1..],
            &format!("{good}0"),
            &good.to_uppercase(),
            &good.replacen("00", "01", 1),
            &good.replace('-', "_"),
            &good.replace("f067aa0ba902b7", "00000000000000"),
            &good.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &good.replace("01", "0\""),
        ] {
            assert!(!is_traceparent(wrong.as_bytes()), "{wrong}");
        }
    }
}
