//! Bytes on their way to a client, and how far they have come.

use crate::net::{Sent, Socket};
use crate::observing::tally::Count;

/// Bytes to a client, of which the first ones may be written already.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// All bytes.
    pub(crate) bytes: Vec<u8>,
    written: usize,
}

/// How far writing has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Everything is written.
    Completely,
    /// The client takes no more now.
    Partly,
    /// The client is gone.
    Failed,
}

impl Output {
    pub(crate) fn is_empty(&self) -> bool {
        self.written == self.bytes.len()
    }

    /// What is not yet written.
    pub(crate) fn unwritten(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.written = 0;
    }

    /// Writes until everything is written or the client takes no more.
    pub(crate) fn flush(&mut self, socket: &Socket, sent: &Count) -> Flushed {
        while self.written < self.bytes.len() {
            match socket.send(&self.bytes[self.written..]) {
                Sent::Bytes(count) => {
                    self.written += count;
                    sent.add(count as u64);
                }
                Sent::WouldBlock => return Flushed::Partly,
                Sent::Closed => return Flushed::Failed,
            }
        }
        self.clear();
        Flushed::Completely
    }
}
