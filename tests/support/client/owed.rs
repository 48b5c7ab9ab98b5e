//! Which answers a client is owed: what it has sent, cut into requests.
//!
//! It is lenient, because tests send nonsense, too: whatever ends like a head is a request, and
//! one that the server refuses closes the connection, so it does not matter how the rest is cut.
//! Invariant: bytes of which no request has come yet are remembered as one that is begun.

use std::collections::VecDeque;

/// What follows in the stream of bytes that a client sends.
#[derive(Debug)]
enum Next {
    /// A head; these bytes of it are there.
    Head(Vec<u8>),
    /// So many bytes of a body or of a chunk, and then whatever is said.
    Bytes(usize, Then),
    /// The size of a chunk; these bytes of the line are there.
    ChunkSize(Vec<u8>),
    /// Lines up to an empty one.
    Trailer(Vec<u8>),
}

#[derive(Clone, Copy, Debug)]
enum Then {
    Head,
    ChunkSize,
}

/// The answers that are owed to a client.
#[derive(Debug)]
pub(super) struct Owed {
    next: Next,
    methods: VecDeque<String>,
}

impl Default for Owed {
    fn default() -> Owed {
        Owed {
            next: Next::Head(Vec::new()),
            methods: VecDeque::new(),
        }
    }
}

impl Owed {
    /// The client sends these bytes.
    pub(super) fn on_sent(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = self.take(bytes);
        }
    }

    /// How many answers are owed for whole heads.
    pub(super) fn count(&self) -> usize {
        self.methods.len()
    }

    /// Whether a request has begun, and its head has not ended.
    pub(super) fn has_begun(&self) -> bool {
        matches!(&self.next, Next::Head(head) if !head.is_empty())
    }

    /// Whether an answer may come.
    pub(super) fn is_any(&self) -> bool {
        !self.methods.is_empty() || self.has_begun()
    }

    /// An answer has come. Returns the method it is for, unless the request is only begun.
    pub(super) fn pop(&mut self) -> Option<String> {
        self.methods.pop_front()
    }

    /// Nothing more will come.
    pub(super) fn clear(&mut self) {
        *self = Owed::default();
    }

    /// Takes some of the bytes, and returns the others.
    fn take<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        match &mut self.next {
            Next::Bytes(left, then) => {
                let count = bytes.len().min(*left);
                *left -= count;
                if *left == 0 {
                    self.next = match then {
                        Then::Head => Next::Head(Vec::new()),
                        Then::ChunkSize => Next::ChunkSize(Vec::new()),
                    };
                }
                &bytes[count..]
            }
            Next::Head(head) => {
                head.push(bytes[0]);
                if head.ends_with(b"\r\n\r\n") {
                    let head = std::mem::take(head);
                    self.on_head(&String::from_utf8_lossy(&head));
                }
                &bytes[1..]
            }
            Next::ChunkSize(line) => {
                line.push(bytes[0]);
                if line.ends_with(b"\r\n") {
                    self.next = after_size_line(&String::from_utf8_lossy(line));
                }
                &bytes[1..]
            }
            Next::Trailer(lines) => {
                lines.push(bytes[0]);
                if lines == b"\r\n" || lines.ends_with(b"\r\n\r\n") {
                    self.next = Next::Head(Vec::new());
                }
                &bytes[1..]
            }
        }
    }

    fn on_head(&mut self, head: &str) {
        let method = head.split_ascii_whitespace().next().unwrap_or_default();
        self.methods.push_back(method.to_owned());
        let header = |wanted: &str| {
            let mut headers = head.lines().filter_map(|line| line.split_once(':'));
            let found = headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.trim())
        };
        let length = header("Content-Length").and_then(|text| text.parse().ok());
        self.next = match (header("Transfer-Encoding"), length) {
            (Some(_), _) => Next::ChunkSize(Vec::new()),
            (None, Some(length @ 1..)) => Next::Bytes(length, Then::Head),
            (None, _) => Next::Head(Vec::new()),
        };
    }
}

fn after_size_line(line: &str) -> Next {
    let digits = line.split(';').next().unwrap_or_default().trim();
    match usize::from_str_radix(digits, 16) {
        Ok(0) => Next::Trailer(Vec::new()),
        // A line break follows the bytes.
        Ok(size) => Next::Bytes(size.saturating_add(2), Then::ChunkSize),
        // It is refused.
        Err(_) => Next::Head(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::Owed;

    /// However the bytes are cut, these methods are owed, and whether one more is begun.
    #[track_caller]
    fn check(bytes: &str, methods: &[&str], has_begun: bool) {
        for size in 1..=bytes.len() {
            let mut owed = Owed::default();
            for piece in bytes.as_bytes().chunks(size) {
                owed.on_sent(piece);
            }
            assert_eq!(owed.methods, methods, "{bytes:?} by {size}");
            assert_eq!(owed.has_begun(), has_begun, "{bytes:?} by {size}");
        }
    }

    #[test]
    fn requests_are_counted_and_their_bodies_are_not() {
        check("", &[], false);
        check("GET / HT", &[], true);
        check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", &["GET"], false);
        check("nonsense\r\n\r\nHEAD", &["nonsense"], true);
        check(
            "HEAD / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            &["HEAD", "GET"],
            false,
        );
        check(
            "POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\nGET\r\n\r\nabPUT / HTTP/1.1\r\n\r\n",
            &["POST", "PUT"],
            false,
        );
        check(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
             A;x=y\r\nGET\r\n\r\nabc\r\n0\r\n\r\nHEAD / HTTP/1.1\r\n\r\n",
            &["POST", "HEAD"],
            false,
        );
        check(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\nGE",
            &["POST"],
            true,
        );
    }
}
