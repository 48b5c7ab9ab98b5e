//! What every message begins with: its tag and its length.
//!
//! It stands apart because a row is looked at before all of it has arrived, which needs the header
//! and nothing else of the other messages.

use super::decode_error::DecodeError;
use super::limits::{CONTROL_MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX};

/// Bytes before the body: the tag and the length.
pub(super) const HEADER_BYTES: usize = 5;

/// Tag and length of the next message, as soon as both have arrived.
///
/// The length is the one on the wire: it counts itself and the body, not the tag. It is not yet
/// judged; [`decode`](super::decode) and [`decode_row_prefix`](super::decode_row_prefix) do that.
pub fn peek_header(buf: &[u8]) -> Option<(u8, usize)> {
    let header = buf.first_chunk::<HEADER_BYTES>()?;
    let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
    Some((header[0], length as usize))
}

/// Refuses tags that no server message has, before its length is believed.
pub(super) fn check_tag(tag: u8) -> Result<(), DecodeError> {
    match tag {
        b'1' | b'2' | b'3' | b'A' | b'C' | b'D' | b'E' | b'G' | b'H' | b'I' | b'K' | b'N'
        | b'R' | b'S' | b'T' | b'V' | b'W' | b'Z' | b'c' | b'd' | b'n' | b's' | b't' | b'v' => {
            Ok(())
        }
        _ => Err(DecodeError::UnknownTag(tag)),
    }
}

/// Refuses lengths that the kind of message cannot have, before we wait for the body.
pub(super) fn check_length(tag: u8, length: usize) -> Result<(), DecodeError> {
    let allowed = match tag {
        b'1' | b'2' | b'3' | b'I' | b'n' | b's' | b'c' => 4..=4,
        b'Z' => 5..=5,
        b'K' => 12..=12,
        b'D' | b'd' => 4..=MESSAGE_BYTES_MAX,
        _ => 4..=CONTROL_MESSAGE_BYTES_MAX,
    };
    if allowed.contains(&length) {
        Ok(())
    } else {
        Err(DecodeError::BadLength)
    }
}
