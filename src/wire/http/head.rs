//! The head of a request: the request line and the header fields.
//!
//! `httparse` finds the parts; this file adds what it leaves open. `httparse` takes LF alone as a
//! line end and skips any number of empty lines first, so the line ends are checked again here, at
//! the cost of one look per line. Then the fields that frame the message get their meaning.
//!
//! Invariant: [`outline`] succeeds for a prefix of the stream if and only if [`HeadScan`] finds the
//! end of the head there and the lines are valid, so that it does not matter in which pieces a
//! head arrives. All positions count from the first byte of the request line.

use std::mem::MaybeUninit;

use super::field::{BodyLength, Expectation, MessageFields};
use super::limits::{HEADERS_CEILING, Limits};
use super::refusal::Refusal;
use super::span::{FieldSpan, Span};
use super::target::parse_target;
use super::version::Version;

/// Everything known about a head, except its fields, which lie in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) length: usize,
    pub(super) method: Span,
    pub(super) target: Span,
    pub(super) path: Span,
    pub(super) query: Span,
    /// From the absolute form or from `Host`; empty if there is neither.
    pub(super) host: Span,
    pub(super) version: Version,
    pub(super) keep_alive: bool,
    pub(super) body: BodyLength,
    pub(super) expectation: Expectation,
}

/// A head whose lines are in order but whose fields have no meaning yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outline {
    method: Span,
    target: Span,
    version: Version,
    length: usize,
}

/// Finds the lines of a head and the positions of its fields; `None` if it is not complete.
///
/// Why it failed is only to be believed after [`HeadScan`] found the end of the head.
pub(super) fn outline(
    bytes: &[u8],
    fields: &mut Vec<FieldSpan>,
    limits: &Limits,
) -> Result<Option<Outline>, Refusal> {
    let mut room = [const { MaybeUninit::uninit() }; HEADERS_CEILING];
    let count_max = limits.headers_max.min(HEADERS_CEILING);
    let mut parsed = httparse::Request::new(&mut []);
    let length = match parsed.parse_with_uninit_headers(bytes, &mut room[..count_max]) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        // The request line was judged before, so this is a line of the rest that begins with CR.
        Err(httparse::Error::NewLine) => return Err(Refusal::BareCarriageReturn),
        Err(error) => return Err(refusal_for(error)),
    };
    let (Some(method), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(Refusal::InvalidRequestLine);
    };
    let version = if version == 0 {
        Version::Http10
    } else {
        Version::Http11
    };
    let method = Span::new(0, method.len());
    let target = Span::new(
        method.range().end + 1,
        method.range().end + 1 + target.len(),
    );
    let mut at = target.range().end + " HTTP/1.1".len();
    if at > limits.line_bytes_max {
        return Err(Refusal::RequestLineTooLong);
    }
    at = line_end(bytes, at)?;
    fields.clear();
    for field in parsed.headers.iter() {
        let name = Span::new(at, at + field.name.len());
        let value_start = skip_whitespace(bytes, name.range().end + 1);
        let value = Span::new(value_start, value_start + field.value.len());
        fields.push(FieldSpan { name, value });
        at = line_end(bytes, skip_whitespace(bytes, value.range().end))?;
    }
    at = line_end(bytes, at)?;
    assert_eq!(at, length, "the lines are contiguous");
    Ok(Some(Outline {
        method,
        target,
        version,
        length,
    }))
}

/// The position behind the CR LF that stands here.
fn line_end(bytes: &[u8], at: usize) -> Result<usize, Refusal> {
    match bytes.get(at..at + 2) {
        Some(b"\r\n") => Ok(at + 2),
        _ => Err(Refusal::BareLineFeed),
    }
}

fn skip_whitespace(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t')) {
        at += 1;
    }
    at
}

fn refusal_for(error: httparse::Error) -> Refusal {
    match error {
        httparse::Error::HeaderName => Refusal::InvalidHeaderName,
        httparse::Error::HeaderValue => Refusal::InvalidHeaderValue,
        httparse::Error::NewLine | httparse::Error::Token | httparse::Error::Status => {
            Refusal::InvalidRequestLine
        }
        httparse::Error::TooManyHeaders => Refusal::TooManyHeaders,
        httparse::Error::Version => Refusal::UnsupportedVersion,
    }
}

/// Gives the fields of a head their meaning. `bytes` begins with the head.
pub(super) fn interpret(
    bytes: &[u8],
    fields: &mut [FieldSpan],
    outline: Outline,
) -> Result<Head, Refusal> {
    let Outline {
        method,
        target,
        version,
        length,
    } = outline;
    let parts = parse_target(&bytes[method.range()], &bytes[target.range()])?;
    let shift = target.range().start;
    let mut noted = MessageFields::default();
    for (index, field) in fields.iter().enumerate() {
        noted.note(
            index,
            &bytes[field.name.range()],
            &bytes[field.value.range()],
        )?;
    }
    if version == Version::Http11 && noted.host.is_none() {
        return Err(Refusal::MissingHost);
    }
    let authority = parts.authority.map(|span| span.shifted(shift));
    let host_field = noted.host.map(|index| &mut fields[index]);
    // RFC 9112 §3.2.2: the host of the absolute form wins, for everyone who looks.
    let host = match (authority, host_field) {
        (Some(authority), Some(field)) => {
            field.value = authority;
            authority
        }
        (Some(authority), None) => authority,
        (None, Some(field)) => field.value,
        (None, None) => Span::default(),
    };
    let body = noted.body_length(version)?;
    Ok(Head {
        length,
        method,
        target,
        path: parts.path.shifted(shift),
        query: parts.query.shifted(shift),
        host,
        version,
        keep_alive: noted.keep_alive(version),
        body,
        expectation: noted.expectation(version)?,
    })
}

/// Looks for the end of a head that comes in pieces, reading each byte once.
///
/// It judges the request line as soon as it is complete, so that a wrong protocol is answered at
/// once. Other lines are judged when the head is complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct HeadScan {
    scanned: usize,
    line_start: usize,
}

impl HeadScan {
    /// Whether nothing has been scanned yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.scanned == 0
    }

    /// The length of the head if its end is among these bytes.
    pub(super) fn advance(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
    ) -> Result<Option<usize>, Refusal> {
        while let Some(line_feed) = self.next_line_feed(bytes, limits)? {
            let line = &bytes[self.line_start..line_feed];
            if !line.ends_with(b"\r") {
                return Err(Refusal::BareLineFeed);
            }
            if self.line_start == 0 {
                check_request_line(&bytes[..=line_feed])?;
            } else if line.len() == 1 {
                return Ok(Some(line_feed + 1));
            }
            self.line_start = line_feed + 1;
            self.scanned = line_feed + 1;
        }
        Ok(None)
    }

    fn next_line_feed(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<usize>, Refusal> {
        let (bytes_max, too_large) = if self.line_start == 0 {
            (limits.request_line_bytes(), Refusal::RequestLineTooLong)
        } else {
            (limits.head_bytes(), Refusal::HeadTooLarge)
        };
        let end = bytes.len().min(bytes_max);
        let unseen = &bytes[self.scanned.min(end)..end];
        match unseen.iter().position(|byte| *byte == b'\n') {
            Some(index) => Ok(Some(self.scanned + index)),
            None if bytes.len() >= bytes_max => Err(too_large),
            None => {
                self.scanned = end;
                Ok(None)
            }
        }
    }
}

/// Judges a request line, given with its line end.
fn check_request_line(line: &[u8]) -> Result<(), Refusal> {
    match httparse::Request::new(&mut []).parse(line) {
        Ok(_) => Ok(()),
        Err(httparse::Error::Version) if !names_a_version(line) => Err(Refusal::InvalidRequestLine),
        Err(httparse::Error::Token) if !has_utf8_target(line) => Err(Refusal::TargetNotUtf8),
        Err(error) => Err(refusal_for(error)),
    }
}

/// Whether the second word of the line is UTF-8, if it is there.
fn has_utf8_target(line: &[u8]) -> bool {
    let target = line.split(|byte| *byte == b' ').nth(1);
    str::from_utf8(target.unwrap_or_default()).is_ok()
}

/// `HTTP-version = "HTTP/" DIGIT "." DIGIT` as the third and last word of the line.
fn names_a_version(line: &[u8]) -> bool {
    match line.split(|byte| *byte == b' ').nth(2).unwrap_or_default() {
        [
            b'H',
            b'T',
            b'T',
            b'P',
            b'/',
            major,
            b'.',
            minor,
            b'\r',
            b'\n',
        ] => major.is_ascii_digit() && minor.is_ascii_digit(),
        _ => false,
    }
}
