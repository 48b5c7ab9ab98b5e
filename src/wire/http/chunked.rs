//! Bodies in chunks (RFC 9112 §7.1), decoded where they lie.
//!
//! Stands apart because it is a state machine of its own. The data of each chunk is moved down over
//! the framing before it, so that the finished body is one slice and no second buffer is needed.
//!
//! ```text
//! Size ──► Data ──► DataEnd ──► Size …          Size (0) ──► Trailers ──► Done
//! ```
//!
//! Invariant: `body_start <= write <= read`; what lies between `write` and `read` is dead.

use super::limits::{
    CHUNK_EXTENSION_BYTES_MAX, CHUNK_LINE_BYTES_MAX, CHUNK_SIZE_DIGITS_MAX, Limits,
    TRAILER_BYTES_MAX,
};
use super::refusal::Refusal;
use super::token::{has_control, is_token, is_token_byte};

/// How far a chunked body has been decoded. Positions count from the start of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChunkedBody {
    body_start: usize,
    /// The end of the decoded data.
    write: usize,
    /// The first byte that was not looked at yet.
    read: usize,
    step: Step,
    extension_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Size,
    Data { remaining: u64 },
    DataEnd,
    Trailers { bytes: usize, count: usize },
    Done,
}

impl ChunkedBody {
    pub(super) fn new(body_start: usize) -> Self {
        ChunkedBody {
            body_start,
            write: body_start,
            read: body_start,
            step: Step::Size,
            extension_bytes: 0,
        }
    }

    /// Where the decoded body ends.
    pub(super) fn body_end(&self) -> usize {
        self.write
    }

    /// How long the body is at least: what was decoded, and what is left of the present chunk.
    pub(super) fn told_bytes(&self) -> u64 {
        let decoded = (self.write - self.body_start) as u64;
        match self.step {
            Step::Data { remaining } => decoded.saturating_add(remaining),
            Step::Size | Step::DataEnd | Step::Trailers { .. } | Step::Done => decoded,
        }
    }

    /// Where the undecoded bytes begin; behind a finished body, the next request.
    pub(super) fn read_position(&self) -> usize {
        self.read
    }

    /// Tells that the bytes between the decoded and the undecoded ones were removed.
    pub(super) fn gap_closed(&mut self) {
        self.read = self.write;
    }

    /// Tells that so many bytes of the decoded data were removed.
    pub(super) fn shorten(&mut self, count: usize) {
        self.write -= count;
        self.read -= count;
    }

    /// Decodes what is there. `message` is the message as far as it has arrived. True when the
    /// body is complete.
    pub(super) fn advance(&mut self, message: &mut [u8], limits: &Limits) -> Result<bool, Refusal> {
        loop {
            let progressed = match self.step {
                Step::Size => self.read_size(message)?,
                Step::Data { remaining } => self.move_data(message, remaining),
                Step::DataEnd => self.read_data_end(message)?,
                Step::Trailers { bytes, count } => {
                    self.read_trailer(message, bytes, count, limits)?
                }
                Step::Done => return Ok(true),
            };
            self.invariants(message);
            if !progressed {
                return Ok(false);
            }
        }
    }

    /// `chunk-size [ chunk-ext ] CRLF`
    fn read_size(&mut self, message: &[u8]) -> Result<bool, Refusal> {
        let unread = &message[self.read..];
        let Some(line) = line_of(unread, CHUNK_LINE_BYTES_MAX, Refusal::ChunkExtensionTooLong)?
        else {
            return Ok(false);
        };
        let digits = line
            .iter()
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        let size = parse_hexadecimal(&line[..digits]).ok_or(Refusal::InvalidChunkSize)?;
        let extension = &line[digits..];
        // Anything but `;` belongs to no extension: `5 `, `5,`, `0x5`, `5\r`.
        if !extension.is_empty() && !skip_whitespace(extension).starts_with(b";") {
            return Err(Refusal::InvalidChunkSize);
        }
        if !is_chunk_extension(extension) {
            return Err(Refusal::InvalidChunkExtension);
        }
        self.extension_bytes += extension.len();
        if self.extension_bytes > CHUNK_EXTENSION_BYTES_MAX {
            return Err(Refusal::ChunkExtensionTooLong);
        }
        self.read += line.len() + 2;
        self.step = match size {
            0 => Step::Trailers { bytes: 0, count: 0 },
            remaining => Step::Data { remaining },
        };
        Ok(true)
    }

    fn move_data(&mut self, message: &mut [u8], remaining: u64) -> bool {
        let available = message.len() - self.read;
        let taken = usize::try_from(remaining).map_or(available, |wanted| wanted.min(available));
        message.copy_within(self.read..self.read + taken, self.write);
        self.read += taken;
        self.write += taken;
        let remaining = remaining - taken as u64;
        self.step = if remaining == 0 {
            Step::DataEnd
        } else {
            Step::Data { remaining }
        };
        remaining == 0
    }

    fn read_data_end(&mut self, message: &[u8]) -> Result<bool, Refusal> {
        match message[self.read..] {
            [b'\r', b'\n', ..] => {
                self.read += 2;
                self.step = Step::Size;
                Ok(true)
            }
            [] | [b'\r'] => Ok(false),
            _ => Err(Refusal::InvalidChunkEnd),
        }
    }

    /// `trailer-section = *( field-line CRLF )`, and the empty line. Trailers are dropped: merging
    /// them into the header would let a client add fields behind the back of a proxy.
    fn read_trailer(
        &mut self,
        message: &[u8],
        bytes: usize,
        count: usize,
        limits: &Limits,
    ) -> Result<bool, Refusal> {
        let unread = &message[self.read..];
        let room = TRAILER_BYTES_MAX - bytes;
        let Some(line) = line_of(unread, room, Refusal::TrailersTooLarge)? else {
            return Ok(false);
        };
        self.read += line.len() + 2;
        if line.is_empty() {
            self.step = Step::Done;
            return Ok(true);
        }
        if !is_field_line(line) {
            return Err(Refusal::InvalidTrailer);
        }
        if count >= limits.headers_max {
            return Err(Refusal::TooManyHeaders);
        }
        self.step = Step::Trailers {
            bytes: bytes + line.len() + 2,
            count: count + 1,
        };
        Ok(true)
    }

    fn invariants(&self, message: &[u8]) {
        debug_assert!(self.body_start <= self.write);
        debug_assert!(self.write <= self.read);
        debug_assert!(self.read <= message.len());
    }
}

/// The first line without its line end, which must come within `bytes_max`; `None` if it has not
/// arrived yet.
fn line_of(unread: &[u8], bytes_max: usize, too_long: Refusal) -> Result<Option<&[u8]>, Refusal> {
    let window = &unread[..unread.len().min(bytes_max)];
    match window.iter().position(|byte| *byte == b'\n') {
        Some(line_feed) => match &window[..line_feed] {
            [line @ .., b'\r'] => Ok(Some(line)),
            _ => Err(Refusal::BareLineFeed),
        },
        None if unread.len() >= bytes_max => Err(too_long),
        None => Ok(None),
    }
}

/// `chunk-size = 1*HEXDIG`, at most 16 of them.
fn parse_hexadecimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > CHUNK_SIZE_DIGITS_MAX {
        return None;
    }
    digits.iter().try_fold(0u64, |number, byte| {
        let digit = char::from(*byte).to_digit(16)?;
        Some(number << 4 | u64::from(digit))
    })
}

/// `chunk-ext = *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )`
///
/// Bad white space is read and never sent (RFC 9112 §7.1.1). It moves no end of a line, so those
/// who stop at it and those who do not find the same data behind. At the end of the line it
/// belongs to nothing.
fn is_chunk_extension(mut rest: &[u8]) -> bool {
    while let [b';', after @ ..] = skip_whitespace(rest) {
        let Some(after_name) = skip_token(skip_whitespace(after)) else {
            return false;
        };
        let [b'=', value @ ..] = skip_whitespace(after_name) else {
            rest = after_name;
            continue;
        };
        let after_value = match skip_whitespace(value) {
            [b'"', quoted @ ..] => skip_quoted(quoted),
            value => skip_token(value),
        };
        match after_value {
            Some(after_value) => rest = after_value,
            None => return false,
        }
    }
    rest.is_empty()
}

/// What follows spaces and tabs.
fn skip_whitespace(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

/// What follows a token; `None` if there is no token.
fn skip_token(bytes: &[u8]) -> Option<&[u8]> {
    let length = bytes
        .iter()
        .take_while(|byte| is_token_byte(**byte))
        .count();
    (length > 0).then(|| &bytes[length..])
}

/// What follows the closing quote of a `quoted-string`, given what follows the opening one.
fn skip_quoted(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        bytes = match bytes {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', b'\t' | b' '..=b'~', rest @ ..] => rest,
            [b'\t' | b' '..=b'[' | b']'..=b'~', rest @ ..] => rest,
            _ => return None,
        };
    }
}

/// `field-line = field-name ":" OWS field-value OWS`
fn is_field_line(line: &[u8]) -> bool {
    match line.iter().position(|byte| *byte == b':') {
        Some(colon) => is_token(&line[..colon]) && !has_control(&line[colon + 1..]),
        None => false,
    }
}
