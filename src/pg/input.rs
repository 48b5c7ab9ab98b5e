//! The bytes that have arrived from the server and are not yet taken.
//!
//! One buffer per connection, filled by as few reads as possible. It grows for a message that is
//! larger, and goes back to its usual size afterwards; the last column of a row never has to fit.
//! Notices, which nobody reads, can be thrown away while what is around them stays
//! ([`Input::drop_notices`]), and one that is larger than the buffer is thrown away as it arrives.

use corerest_wire::pg::limits::CONTROL_MESSAGE_BYTES_MAX;
use corerest_wire::pg::peek_header;
use std::io;

/// Usual size: the reply to a typical request fits, and is read by one system call.
const USUAL_BYTES: usize = 16 << 10;

/// No read has less room, however much stays in the buffer: a notice of megabytes that passes
/// through what is left of it must not be read byte by byte.
const ROOM_BYTES_MIN: usize = 4 << 10;

/// A window of bytes over a buffer.
#[derive(Debug, Default)]
pub(crate) struct Input {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// How many of the next bytes belong to a notice of which the beginning was thrown away. All
    /// that is in the buffer is whole messages then.
    skipped: usize,
}

impl Input {
    /// The bytes that are not yet taken.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    /// Takes bytes from the front.
    pub(crate) fn consume(&mut self, count: usize) {
        assert!(count <= self.len(), "more bytes taken than have arrived");
        self.start += count;
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Takes bytes from the front and lends them; they stay in the buffer until the next read.
    pub(crate) fn take_front(&mut self, count: usize) -> &[u8] {
        let taken = self.start..self.start + count;
        self.consume(count);
        &self.buffer[taken]
    }

    /// Puts bytes into the empty buffer, which were read with the end of a body.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        assert!(
            self.len() == 0 && self.skipped == 0,
            "a body is read when its beginning was taken"
        );
        if self.buffer.len() < bytes.len() {
            self.buffer.resize(bytes.len(), 0);
        }
        self.buffer[..bytes.len()].copy_from_slice(bytes);
        self.end = bytes.len();
    }

    /// Reads once, with what reads. Fails with `UnexpectedEof` when the other side has closed, and
    /// with `OutOfMemory` if there is no room for a large message.
    pub(crate) fn fill(
        &mut self,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        self.make_room()?;
        match read(&mut self.buffer[self.end..])? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.end += count;
                if self.skipped > 0 {
                    self.skip(count);
                }
                Ok(())
            }
        }
    }

    /// Throws away what belongs to a notice among so many bytes that have just arrived.
    fn skip(&mut self, count: usize) {
        let skipped = count.min(self.skipped);
        let first = self.end - count;
        self.buffer.copy_within(first + skipped..self.end, first);
        self.end -= skipped;
        self.skipped -= skipped;
    }

    /// Throws away the notices behind the first `seen` bytes, the last one also if it has not come
    /// to its end, and returns up to where it has looked, which is beyond what has arrived if a
    /// message that stays has not. What is no message stays, for whoever can say what is wrong.
    pub(crate) fn drop_notices(&mut self, seen: usize) -> usize {
        const NOTICE: u8 = b'N';
        // Everything moves once at the most, however many notices are between: to where it stays.
        let mut from = self.start + seen;
        let mut to = from;
        let mut missing = 0;
        while let Some((tag, length)) = peek(&self.buffer[..self.end], from) {
            let message = 1 + length.max(4);
            let arrived = message.min(self.end - from);
            if tag == NOTICE && (4..=CONTROL_MESSAGE_BYTES_MAX).contains(&length) {
                self.skipped = message - arrived;
            } else {
                self.buffer.copy_within(from..from + arrived, to);
                to += arrived;
                missing = message - arrived;
            }
            from += arrived;
        }
        if from <= self.end {
            self.buffer.copy_within(from..self.end, to);
            self.end -= from - to;
        }
        to + missing - self.start
    }

    fn make_room(&mut self) -> io::Result<()> {
        if self.len() == 0 && self.buffer.len() > USUAL_BYTES {
            self.buffer.truncate(USUAL_BYTES);
            self.buffer.shrink_to_fit();
        }
        if self.buffer.len() - self.end < ROOM_BYTES_MIN && self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() - self.end < ROOM_BYTES_MIN {
            let size = (self.buffer.len() * 2).max(USUAL_BYTES);
            let more = size - self.buffer.len();
            let room = self.buffer.try_reserve_exact(more);
            room.map_err(|_| io::ErrorKind::OutOfMemory)?;
            self.buffer.resize(size, 0);
        }
        Ok(())
    }
}

/// Tag and length of the message that begins there, if so much of it has arrived.
fn peek(bytes: &[u8], from: usize) -> Option<(u8, usize)> {
    bytes.get(from..).and_then(peek_header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn fill(input: &mut Input, stream: &mut &[u8]) -> io::Result<()> {
        input.fill(|space| stream.read(space))
    }

    #[test]
    fn bytes_are_kept_until_they_are_taken() {
        let data: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
        let mut stream = &data[..];
        let mut input = Input::default();
        let mut taken = Vec::new();
        while taken.len() < data.len() {
            if !stream.is_empty() {
                fill(&mut input, &mut stream).unwrap();
            }
            let count = input.len().div_ceil(2);
            taken.extend_from_slice(&input.bytes()[..count]);
            input.consume(count);
        }
        assert_eq!(taken, data);
        let end = fill(&mut input, &mut stream).unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn the_buffer_grows_for_a_large_message_and_shrinks_again() {
        let data = vec![7; 8 * USUAL_BYTES];
        let mut stream = &data[..];
        let mut input = Input::default();
        while input.len() < data.len() {
            fill(&mut input, &mut stream).unwrap();
        }
        input.consume(data.len());
        fill(&mut input, &mut &b"next"[..]).unwrap();
        assert_eq!(input.bytes(), b"next");
        assert_eq!(input.buffer.len(), USUAL_BYTES);
    }

    fn message(tag: u8, content: usize) -> Vec<u8> {
        let length = u32::try_from(content + 4).unwrap();
        let mut bytes = vec![tag];
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.resize(bytes.len() + content, tag);
        bytes
    }

    /// In pieces of every size, what is left is the same.
    #[test]
    fn notices_are_thrown_away_wherever_the_bytes_are_cut() {
        let kept = [message(b'1', 0), message(b'S', 40), message(b'D', 7)];
        let all = [
            message(b'N', 3),
            kept[0].clone(),
            message(b'N', 100),
            message(b'N', 0),
            kept[1].clone(),
            kept[2].clone(),
            message(b'N', 9),
        ];
        let all = all.concat();
        for size in 1..=all.len() {
            let mut input = Input::default();
            let mut seen = 0;
            for piece in all.chunks(size) {
                fill(&mut input, &mut &piece[..]).unwrap();
                seen = input.drop_notices(seen);
            }
            assert_eq!(input.bytes(), kept.concat(), "in pieces of {size}");
        }
    }

    #[test]
    fn a_notice_of_any_size_takes_no_room() {
        let notice = message(b'N', 3 << 20);
        let mut stream = &notice[..];
        let mut input = Input::default();
        while !stream.is_empty() {
            fill(&mut input, &mut stream).unwrap();
            input.drop_notices(0);
        }
        assert_eq!(input.buffer.len(), USUAL_BYTES);
        fill(&mut input, &mut &b"next"[..]).unwrap();
        assert_eq!(input.bytes(), b"next");
    }

    #[test]
    fn a_notice_behind_what_stays_is_not_read_byte_by_byte() {
        let kept = message(b'S', USUAL_BYTES - 6);
        let all = [kept.clone(), message(b'N', 3 << 20)].concat();
        let mut input = Input::default();
        let (mut stream, mut seen, mut reads) = (&all[..], 0, 0);
        while !stream.is_empty() {
            fill(&mut input, &mut stream).unwrap();
            seen = input.drop_notices(seen);
            reads += 1;
        }
        assert_eq!(input.bytes(), kept);
        assert!(input.buffer.len() <= 2 * USUAL_BYTES);
        assert!(reads <= all.len() / ROOM_BYTES_MIN, "{reads}");
    }

    #[test]
    fn what_is_no_message_is_not_thrown_away() {
        for bytes in [
            &b"N\0\0\0\x03abc"[..],
            b"N\xff\xff\xff\xffabc",
            b"\xff\0\0\0\0N",
        ] {
            for cut in 1..=bytes.len() {
                let mut input = Input::default();
                let mut seen = 0;
                for piece in bytes.chunks(cut) {
                    fill(&mut input, &mut &piece[..]).unwrap();
                    seen = input.drop_notices(seen);
                }
                assert_eq!(input.bytes(), bytes, "in pieces of {cut}");
            }
        }
    }
}
