//! The bytes that have arrived from the server and are not yet taken.
//!
//! One buffer per connection, filled by as few reads as possible. It grows for a message that is
//! larger, and goes back to its usual size afterwards; the last column of a row never has to fit.
//! Notices, which nobody reads, can be thrown away while what is around them stays
//! ([`Input::sift`]); one that is larger than the buffer is thrown away as it arrives.

use corerest_wire::pg::limits::CONTROL_MESSAGE_BYTES_MAX;
use corerest_wire::pg::peek_header;
use std::io;

/// Usual size: the reply to a typical request fits, and is read by one system call.
const USUAL_BYTES: usize = 16 << 10;

/// No read is for less: what stays in the buffer must not cut what passes through it to bytes.
const ROOM_BYTES_MIN: usize = 4 << 10;

/// A window of bytes over a buffer.
#[derive(Debug, Default)]
pub(crate) struct Input {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// How many of the bytes that arrive next belong to a message that was thrown away. What is in
    /// the buffer is whole messages then.
    skip: usize,
}

/// How far the messages of an input have been sifted.
#[derive(Debug, Default)]
pub(crate) struct Sifted {
    /// Where the next message begins, from the first byte that is not taken. It may not have
    /// arrived yet.
    next: usize,
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
            self.len() == 0 && self.skip == 0,
            "a body is read when its beginning was taken"
        );
        if self.buffer.len() < bytes.len() {
            self.buffer.resize(bytes.len(), 0);
        }
        self.buffer[..bytes.len()].copy_from_slice(bytes);
        self.end = bytes.len();
    }

    /// Reads once, with what reads at least one byte unless it fails or the other side has closed,
    /// which is `UnexpectedEof`.
    pub(crate) fn fill(
        &mut self,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        self.make_room();
        let count = match read(&mut self.buffer[self.end..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => count,
        };
        self.end += count;
        if self.skip > 0 {
            self.skip_first(count);
        }
        Ok(())
    }

    /// Of the bytes that have just arrived, throws away what belongs to a message that was.
    fn skip_first(&mut self, count: usize) {
        let skipped = self.skip.min(count);
        let first = self.end - count;
        self.buffer.copy_within(first + skipped..self.end, first);
        self.end -= skipped;
        self.skip -= skipped;
    }

    /// Throws away the notices among the messages that have arrived since the last time, also one
    /// of which only the beginning has. Nothing was taken meanwhile. What is no message stays, for
    /// those who look at it and know what to say.
    pub(crate) fn sift(&mut self, sifted: &mut Sifted) {
        let mut from = self.start + sifted.next;
        let mut to = from;
        let mut missing = 0;
        while let Some((tag, length)) = peek(&self.buffer[..self.end], from) {
            let total = 1 + length.max(4);
            let arrived = total.min(self.end - from);
            if tag == b'N' && (4..=CONTROL_MESSAGE_BYTES_MAX).contains(&length) {
                self.skip = total - arrived;
            } else {
                self.buffer.copy_within(from..from + arrived, to);
                to += arrived;
                missing = total - arrived;
            }
            from += arrived;
        }
        if from <= self.end {
            self.buffer.copy_within(from..self.end, to);
            self.end = to + (self.end - from);
        }
        sifted.next = to + missing - self.start;
    }

    fn make_room(&mut self) {
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
            self.buffer.resize(size, 0);
        }
    }
}

/// Tag and length of the message that begins there, if so much of it has arrived.
fn peek(bytes: &[u8], from: usize) -> Option<(u8, usize)> {
    bytes.get(from..).and_then(peek_header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::fake_server::message;
    use std::io::Read;

    #[test]
    fn bytes_are_kept_until_they_are_taken() {
        let data: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
        let mut stream = &data[..];
        let mut input = Input::default();
        let mut taken = Vec::new();
        while taken.len() < data.len() {
            if !stream.is_empty() {
                input.fill(|space| stream.read(space)).unwrap();
            }
            let count = input.len().div_ceil(2);
            taken.extend_from_slice(&input.bytes()[..count]);
            input.consume(count);
        }
        assert_eq!(taken, data);
        assert_eq!(
            input.fill(|space| stream.read(space)).unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
    }

    #[test]
    fn the_buffer_grows_for_a_large_message_and_shrinks_again() {
        let data = vec![7; 8 * USUAL_BYTES];
        let mut stream = &data[..];
        let mut input = Input::default();
        while input.len() < data.len() {
            input.fill(|space| stream.read(space)).unwrap();
        }
        input.consume(data.len());
        input.fill(|space| (&b"next"[..]).read(space)).unwrap();
        assert_eq!(input.bytes(), b"next");
        assert_eq!(input.buffer.len(), USUAL_BYTES);
    }

    /// The bytes in two pieces, sifted after each.
    fn sifted(bytes: &[u8], cut: usize) -> Input {
        let mut input = Input::default();
        let mut sifted = Sifted::default();
        for mut piece in [&bytes[..cut], &bytes[cut..]] {
            while !piece.is_empty() {
                input.fill(|space| piece.read(space)).unwrap();
                input.sift(&mut sifted);
            }
        }
        input
    }

    #[test]
    fn only_notices_are_thrown_away_wherever_the_bytes_are_cut() {
        let kept = [
            message(b'1', b""),
            message(b'S', b"a\0N\0"),
            message(b'N', b"")[..3].to_vec(),
        ];
        let notice = message(b'N', b"Mwords\0\0");
        let mut bytes = notice.clone();
        for message in &kept {
            bytes.extend([&notice[..], &notice, message].concat());
        }
        for cut in 0..=bytes.len() {
            assert_eq!(sifted(&bytes, cut).bytes(), kept.concat(), "{cut}");
        }
    }

    #[test]
    fn the_rest_of_a_notice_is_thrown_away_when_it_arrives() {
        let bytes = message(b'N', b"Mwords\0\0");
        for cut in 5..bytes.len() {
            let mut input = sifted(&bytes[..cut], 0);
            assert_eq!(input.len(), 0);
            let rest = [&bytes[cut..], b"next"].concat();
            input.fill(|space| (&rest[..]).read(space)).unwrap();
            assert_eq!(input.bytes(), b"next", "{cut}");
        }
    }

    #[test]
    fn a_huge_notice_needs_no_memory() {
        let kept = message(b'S', &vec![b'x'; USUAL_BYTES - 6]);
        let bytes = [kept.clone(), message(b'N', &vec![b'x'; 4 << 20])].concat();
        let input = sifted(&bytes, kept.len());
        assert_eq!(input.bytes(), kept);
        assert!(input.buffer.len() <= 2 * USUAL_BYTES);
    }

    #[test]
    fn what_is_no_message_stays() {
        for bytes in [
            &b"N\0\0\0\x03abc"[..],
            b"N\xff\xff\xff\xffabc",
            b"\xff\0\0\0\0N",
        ] {
            for cut in 0..=bytes.len() {
                assert_eq!(sifted(bytes, cut).bytes(), bytes);
            }
        }
    }
}
