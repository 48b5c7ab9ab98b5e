//! The header fields that decide where a request ends and what follows it.
//!
//! They stand together because their rules refer to each other (RFC 9112 §6.3), and because this is
//! the place where request smuggling is prevented. Every other field passes by unread.
//! Invariant: when in doubt, refuse. No field that has two readings is repaired.

use super::refusal::Refusal;
use super::target::is_host;
use super::token::trim_whitespace;
use super::version::Version;

/// How the end of the body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyLength {
    /// So many bytes; none when no field says anything.
    Known(u64),
    /// Chunks, the last of them empty.
    Chunked,
}

/// Whether the client waits for `100 Continue`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expectation {
    None,
    Continue,
}

/// What the fields seen so far say.
#[derive(Debug, Default)]
pub(super) struct MessageFields {
    /// The index of the `Host` field.
    pub(super) host: Option<usize>,
    content_length: Option<u64>,
    transfer_encoding: TransferEncoding,
    connection_close: bool,
    connection_keep_alive: bool,
    expect_continue: bool,
    expect_unknown: bool,
}

/// The codings of all `Transfer-Encoding` fields, in the order they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum TransferEncoding {
    #[default]
    Absent,
    /// Others than `chunked` only.
    Unsupported,
    Chunked,
    /// Others, and then `chunked`.
    UnsupportedChunked,
}

impl MessageFields {
    /// Takes note of one field; most are not looked at beyond the length of their name.
    pub(super) fn note(&mut self, index: usize, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.note_host(index, value),
            6 if name.eq_ignore_ascii_case(b"expect") => {
                let known = value.eq_ignore_ascii_case(b"100-continue");
                self.expect_continue |= known;
                self.expect_unknown |= !known;
                Ok(())
            }
            10 if name.eq_ignore_ascii_case(b"connection") => {
                self.note_connection(value);
                Ok(())
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => self.note_content_length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                self.note_transfer_encoding(value)
            }
            _ => Ok(()),
        }
    }

    fn note_host(&mut self, index: usize, value: &[u8]) -> Result<(), Refusal> {
        if self.host.is_some() {
            return Err(Refusal::RepeatedHost);
        }
        if !is_host(value) {
            return Err(Refusal::InvalidHost);
        }
        self.host = Some(index);
        Ok(())
    }

    /// `Connection = #connection-option`. Options that we do not know (`upgrade`) are no error.
    fn note_connection(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',').map(trim_whitespace) {
            self.connection_close |= option.eq_ignore_ascii_case(b"close");
            self.connection_keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// RFC 9110 §8.6 allows to accept repeated equal values; no honest client sends them.
    fn note_content_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.content_length.is_some() {
            return Err(Refusal::RepeatedContentLength);
        }
        self.content_length = Some(parse_decimal(value).ok_or(Refusal::InvalidContentLength)?);
        Ok(())
    }

    /// `Transfer-Encoding = #transfer-coding`; parameters make a coding an unknown one.
    fn note_transfer_encoding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        use TransferEncoding::{Absent, Chunked, Unsupported, UnsupportedChunked};
        for coding in value.split(|byte| *byte == b',').map(trim_whitespace) {
            if coding.is_empty() {
                return Err(Refusal::InvalidTransferEncoding);
            }
            let chunked = coding.eq_ignore_ascii_case(b"chunked");
            self.transfer_encoding = match (self.transfer_encoding, chunked) {
                (Absent, true) => Chunked,
                (Unsupported, true) => UnsupportedChunked,
                (Absent | Unsupported, false) => Unsupported,
                (Chunked | UnsupportedChunked, _) => return Err(Refusal::ChunkedNotFinal),
            };
        }
        Ok(())
    }

    /// What all fields together say about the body.
    pub(super) fn body_length(&self, version: Version) -> Result<BodyLength, Refusal> {
        if self.transfer_encoding == TransferEncoding::Absent {
            return Ok(BodyLength::Known(self.content_length.unwrap_or(0)));
        }
        if self.content_length.is_some() {
            return Err(Refusal::AmbiguousLength);
        }
        if version == Version::Http10 {
            return Err(Refusal::TransferEncodingInHttp10);
        }
        match self.transfer_encoding {
            TransferEncoding::Chunked => Ok(BodyLength::Chunked),
            TransferEncoding::Absent
            | TransferEncoding::Unsupported
            | TransferEncoding::UnsupportedChunked => Err(Refusal::UnsupportedTransferCoding),
        }
    }

    /// HTTP/1.0 knows no expectations and must be spared the interim response (RFC 9110 §10.1.1).
    pub(super) fn expectation(&self, version: Version) -> Result<Expectation, Refusal> {
        match version {
            Version::Http10 => Ok(Expectation::None),
            Version::Http11 if self.expect_unknown => Err(Refusal::UnknownExpectation),
            Version::Http11 if self.expect_continue => Ok(Expectation::Continue),
            Version::Http11 => Ok(Expectation::None),
        }
    }

    /// Whether the client lets the connection persist (RFC 9112 §9.3).
    pub(super) fn keep_alive(&self, version: Version) -> bool {
        let wanted = match version {
            Version::Http10 => self.connection_keep_alive,
            Version::Http11 => true,
        };
        wanted && !self.connection_close
    }
}

/// `1*DIGIT`: no sign, no space, no list, at most the 20 digits of a `u64`.
fn parse_decimal(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() || bytes.len() > 20 {
        return None;
    }
    bytes.iter().try_fold(0u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}
