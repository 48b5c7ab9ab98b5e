//! The stream of events that a client of `EventSource` reads, and the chunks that it comes in.
//!
//! ```text
//! event   = [ "id:" id LF ] "event:" name LF 1*( "data:" line LF ) LF
//! retry   = "retry:" milliseconds LF LF
//! comment = ":" LF LF
//! ```
//! An event is made once for all who hear it, as one chunk; whoever speaks HTTP/1.0 is sent what is
//! in the chunk. A line of the data ends where the other side would end it: at LF, CR LF or CR.
//! Invariant: what is in an event cannot end its line, so nobody who notifies can make up a second
//! event, or another field of this one.
//!
//! Source: WHATWG HTML, "Server-sent events" (9.2.5 and 9.2.6); RFC 9112, section 7.1.

use std::ops::Range;
use std::sync::Arc;

/// The chunk that ends the body.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A part of a stream, to be sent to many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    is_event: bool,
    chunk: Arc<[u8]>,
    inside: Range<usize>,
}

/// How the client finds the end of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamFraming {
    /// The last chunk is it.
    Chunked,
    /// The connection ends with it: the client speaks HTTP/1.0.
    UntilClose,
}

impl Part {
    /// An event. A name that is more than one line is cut at the end of the first, and an id, too.
    pub fn event(name: &str, id: Option<&str>, data: &str) -> Part {
        let mut text = String::with_capacity(data.len() + name.len() + 64);
        if let Some(id) = id {
            push_field(&mut text, "id", first_line(id));
        }
        push_field(&mut text, "event", first_line(name));
        for line in lines(data) {
            push_field(&mut text, "data", line);
        }
        text.push('\n');
        Part {
            is_event: true,
            ..Part::of(&text)
        }
    }

    /// What nobody hears, and shows that somebody is there.
    pub fn comment() -> Part {
        Part::of(":\n\n")
    }

    /// How long the client is to wait before it comes again.
    pub fn retry(milliseconds: u64) -> Part {
        Part::of(&format!("retry: {milliseconds}\n\n"))
    }

    fn of(text: &str) -> Part {
        let mut chunk = format!("{:x}\r\n", text.len()).into_bytes();
        let start = chunk.len();
        chunk.extend_from_slice(text.as_bytes());
        let inside = start..chunk.len();
        chunk.extend_from_slice(b"\r\n");
        Part {
            is_event: false,
            chunk: chunk.into(),
            inside,
        }
    }

    /// Its bytes for such a client.
    pub fn bytes(&self, framing: StreamFraming) -> &[u8] {
        match framing {
            StreamFraming::Chunked => &self.chunk,
            StreamFraming::UntilClose => &self.chunk[self.inside.clone()],
        }
    }

    /// Whether somebody hears it.
    pub fn is_event(&self) -> bool {
        self.is_event
    }

    /// How many bytes it holds, for everybody together.
    pub fn len(&self) -> usize {
        self.chunk.len()
    }

    /// Whether there is nothing in it, which never is.
    pub fn is_empty(&self) -> bool {
        self.chunk.is_empty()
    }
}

/// A space after the colon is not part of the value, so that one that begins with a space keeps it.
fn push_field(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push_str(": ");
    out.push_str(value);
    out.push('\n');
}

fn first_line(text: &str) -> &str {
    text.split(['\r', '\n']).next().unwrap_or("")
}

/// The lines of a text, as the other side splits them; one that is empty has an empty line.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(at) = text.find(['\r', '\n']) else {
            rest = None;
            return Some(text);
        };
        let end = if text[at..].starts_with("\r\n") { 2 } else { 1 };
        rest = Some(&text[at + end..]);
        Some(&text[..at])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, id: Option<&str>, data: &str, expected: &str) {
        let part = Part::event(name, id, data);
        let inside = part.bytes(StreamFraming::UntilClose);
        assert_eq!(std::str::from_utf8(inside), Ok(expected));
        let chunk = format!("{:x}\r\n{expected}\r\n", expected.len());
        assert_eq!(part.bytes(StreamFraming::Chunked), chunk.as_bytes());
        assert_eq!(part.len(), chunk.len());
    }

    #[test]
    fn an_event_has_its_name_and_a_line_for_each_line_of_its_data() {
        check("a", None, "x", "event: a\ndata: x\n\n");
        check("a b", None, "", "event: a b\ndata: \n\n");
        check("a", Some("7"), "x", "id: 7\nevent: a\ndata: x\n\n");
        check("a", None, " x", "event: a\ndata:  x\n\n");
        check("a", None, "x\n", "event: a\ndata: x\ndata: \n\n");
        check(
            "a",
            None,
            "1\n2\r\n3\r4\n\n6\r\r8",
            "event: a\ndata: 1\ndata: 2\ndata: 3\ndata: 4\ndata: \ndata: 6\ndata: \ndata: 8\n\n",
        );
        check("ä", None, "€\u{2028}x", "event: ä\ndata: €\u{2028}x\n\n");
    }

    #[test]
    fn nothing_in_an_event_begins_another_field() {
        check("a\ndata: b", None, "x", "event: a\ndata: x\n\n");
        check("a", Some("7\r\rid: 8"), "x", "id: 7\nevent: a\ndata: x\n\n");
        check(
            "a",
            None,
            "\n\nevent: b",
            "event: a\ndata: \ndata: \ndata: event: b\n\n",
        );
    }

    #[test]
    fn the_longest_payload_of_postgresql_fits_into_what_a_client_may_have_waiting() {
        let name = "n".repeat(63);
        let worst = Part::event(&name, None, &"\n".repeat(7999));
        assert!(worst.len() < 64 << 10, "{}", worst.len());
    }

    #[test]
    fn what_is_no_event_has_no_data() {
        assert_eq!(Part::comment().bytes(StreamFraming::UntilClose), b":\n\n");
        assert_eq!(
            Part::retry(1500).bytes(StreamFraming::Chunked),
            b"d\r\nretry: 1500\n\n\r\n"
        );
    }
}
