//! A complete request, as views into the bytes it came in.
//!
//! Stands apart from the parser because this is what the rest of the server sees of it.
//! Invariant: everything here was checked when the head was parsed: the method is a token, the
//! target is UTF-8 without control bytes or spaces, values have no control bytes but HTAB.

use std::fmt;
use std::slice;

use super::head::Head;
use super::response::ConnectionHeader;
use super::span::{FieldSpan, Span};
use super::version::Version;

/// A request, borrowed from its connection.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The method, as sent: methods are case-sensitive.
    pub method: &'a str,
    /// The version in the request line.
    pub version: Version,
    /// The header fields.
    pub headers: Headers<'a>,
    /// The body, with chunks joined; empty if there is none.
    pub body: &'a [u8],
    /// Whether the client lets the connection persist.
    pub keep_alive: bool,
    /// Whether this is a HEAD request, whose response has no body.
    pub head_only: bool,
    target: TargetSpans,
    host: Span,
}

/// The parts of the target in the message.
#[derive(Clone, Copy)]
struct TargetSpans {
    raw: Span,
    path: Span,
    query: Span,
}

/// The request target; nothing is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// The whole target as it stands in the request line.
    pub raw: &'a str,
    /// Begins with `/`, or is `*` for `OPTIONS *`.
    pub path: &'a str,
    /// Without the `?`; empty if there is none.
    pub query: &'a str,
}

impl<'a> Request<'a> {
    pub(super) fn new(
        head: &Head,
        message: &'a [u8],
        fields: &'a [FieldSpan],
        body: &'a [u8],
    ) -> Self {
        let method = method(&message[head.method.range()]);
        Request {
            method,
            version: head.version,
            headers: Headers { message, fields },
            body,
            keep_alive: head.keep_alive,
            head_only: method == "HEAD",
            target: TargetSpans {
                raw: head.target,
                path: head.path,
                query: head.query,
            },
            host: head.host,
        }
    }

    /// What is requested. Looks at all of its bytes, so ask once.
    pub fn target(&self) -> Target<'a> {
        let TargetSpans { raw, path, query } = self.target;
        let (path, query) = (path.within(raw), query.within(raw));
        let raw = text(&self.headers.message[raw.range()]);
        Target {
            raw,
            // `http://a.example` without a path means `/` (RFC 9112 §3.2.2).
            path: if path.is_empty() { "/" } else { &raw[path] },
            query: &raw[query],
        }
    }

    /// The host and port of an absolute target, or else the `Host` field; empty if there is none.
    pub fn host(&self) -> &'a str {
        text(&self.headers.message[self.host.range()])
    }

    /// What the response has to say about the connection, if the server does not want to close it.
    pub fn connection_header(&self) -> ConnectionHeader {
        match (self.keep_alive, self.version) {
            (false, _) => ConnectionHeader::Close,
            (true, Version::Http10) => ConnectionHeader::KeepAlive,
            (true, Version::Http11) => ConnectionHeader::Implied,
        }
    }
}

impl fmt::Debug for Request<'_> {
    /// Shows neither query nor body nor values: they may be secrets, and debug output goes to logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.target().path)
            .field("version", &self.version)
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The header fields of a request, in the order they came.
#[derive(Clone, Copy)]
pub struct Headers<'a> {
    message: &'a [u8],
    fields: &'a [FieldSpan],
}

impl<'a> Headers<'a> {
    /// The value of the first field of this name, in whatever case it was sent.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        let message = self.message;
        self.fields
            .iter()
            .find(|field| message[field.name.range()].eq_ignore_ascii_case(name.as_bytes()))
            .map(|field| &message[field.value.range()])
    }

    /// The values of all fields of this name.
    pub fn get_all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let message = self.message;
        self.fields
            .iter()
            .filter(move |field| message[field.name.range()].eq_ignore_ascii_case(name.as_bytes()))
            .map(move |field| &message[field.value.range()])
    }

    /// All names, as sent, and values without the white space around them.
    pub fn iter(&self) -> HeadersIter<'a> {
        HeadersIter {
            message: self.message,
            fields: self.fields.iter(),
        }
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

impl<'a> IntoIterator for Headers<'a> {
    type Item = (&'a str, &'a [u8]);
    type IntoIter = HeadersIter<'a>;

    fn into_iter(self) -> HeadersIter<'a> {
        self.iter()
    }
}

impl fmt::Debug for Headers<'_> {
    /// Shows names only: values may be secrets, and debug output goes to logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|(name, _)| name))
            .finish()
    }
}

/// The fields of a request, one after the other.
#[derive(Clone)]
pub struct HeadersIter<'a> {
    message: &'a [u8],
    fields: slice::Iter<'a, FieldSpan>,
}

impl fmt::Debug for HeadersIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeadersIter")
            .field("remaining", &self.fields.len())
            .finish()
    }
}

impl<'a> Iterator for HeadersIter<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let field = self.fields.next()?;
        Some((
            text(&self.message[field.name.range()]),
            &self.message[field.value.range()],
        ))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.fields.size_hint()
    }
}

impl ExactSizeIterator for HeadersIter<'_> {}

/// The usual methods need no check of their bytes.
fn method(bytes: &[u8]) -> &str {
    match bytes {
        b"GET" => "GET",
        b"POST" => "POST",
        b"PATCH" => "PATCH",
        other => text(other),
    }
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("names, hosts and targets were checked when they were parsed")
}
