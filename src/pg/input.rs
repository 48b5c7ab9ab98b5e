//! The bytes that have arrived from the server and are not yet taken.
//!
//! One buffer per connection, filled by as few reads as possible. It grows for a message that is
//! larger, and goes back to its usual size afterwards; the last column of a row never has to fit.

use std::io::{self, Read};

/// Usual size: the reply to a typical request fits, and is read by one system call.
const USUAL_BYTES: usize = 16 << 10;

/// A window of bytes over a buffer.
#[derive(Debug, Default)]
pub(crate) struct Input {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
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
            self.len() == 0,
            "a body is read when its beginning was taken"
        );
        if self.buffer.len() < bytes.len() {
            self.buffer.resize(bytes.len(), 0);
        }
        self.buffer[..bytes.len()].copy_from_slice(bytes);
        self.end = bytes.len();
    }

    /// Reads once. Fails with `UnexpectedEof` when the other side has closed.
    pub(crate) fn fill(&mut self, stream: &mut impl Read) -> io::Result<()> {
        self.make_room();
        let count = read_some(stream, &mut self.buffer[self.end..])?;
        self.end += count;
        Ok(())
    }

    fn make_room(&mut self) {
        if self.len() == 0 && self.buffer.len() > USUAL_BYTES {
            self.buffer.truncate(USUAL_BYTES);
            self.buffer.shrink_to_fit();
        }
        if self.end == self.buffer.len() && self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            let size = (self.buffer.len() * 2).max(USUAL_BYTES);
            self.buffer.resize(size, 0);
        }
    }
}

/// Reads at least one byte; an interrupted read is tried again.
pub(crate) fn read_some(stream: &mut impl Read, space: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(space) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => return Ok(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_kept_until_they_are_taken() {
        let data: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
        let mut stream = &data[..];
        let mut input = Input::default();
        let mut taken = Vec::new();
        while taken.len() < data.len() {
            if !stream.is_empty() {
                input.fill(&mut stream).unwrap();
            }
            let count = input.len().div_ceil(2);
            taken.extend_from_slice(&input.bytes()[..count]);
            input.consume(count);
        }
        assert_eq!(taken, data);
        assert_eq!(
            input.fill(&mut stream).unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
    }

    #[test]
    fn the_buffer_grows_for_a_large_message_and_shrinks_again() {
        let data = vec![7; 8 * USUAL_BYTES];
        let mut stream = &data[..];
        let mut input = Input::default();
        while input.len() < data.len() {
            input.fill(&mut stream).unwrap();
        }
        input.consume(data.len());
        input.fill(&mut &b"next"[..]).unwrap();
        assert_eq!(input.bytes(), b"next");
        assert_eq!(input.buffer.len(), USUAL_BYTES);
    }
}
