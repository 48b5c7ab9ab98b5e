//! Bytes on their way to a client, and how far they have come.
//!
//! Nobody but this file's friends appends to them: a response is appended by its
//! [`ResponseWriter`](super::reply::ResponseWriter), what follows it by its
//! [`Remainder`](super::remainder::Remainder), and what is no response has a function of its own.

use crate::net::{Sent, Socket};
use crate::observing::tally::Count;
use corerest_wire::http::response::CONTINUE;

/// Buffers that grew beyond this are given back after the request.
pub(crate) const KEPT_BYTES_MAX: usize = 256 << 10;

/// Bytes to a client, of which the first ones may be written already.
#[derive(Debug, Default)]
pub(crate) struct Output {
    bytes: Vec<u8>,
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

    /// How much memory it holds.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// What is not yet written.
    pub(crate) fn unwritten(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// Takes what is not yet written, and the memory with it.
    pub(super) fn take_unwritten(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.drain(..std::mem::take(&mut self.written));
        bytes
    }

    /// Where responses, and what follows them, are appended.
    pub(super) fn end(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Appends what tells a client to send its body.
    pub(crate) fn push_continue(&mut self) {
        self.bytes.extend_from_slice(CONTINUE);
    }

    /// Appends a part of a stream.
    pub(super) fn push_part(&mut self, part: &[u8]) {
        self.bytes.extend_from_slice(part);
    }

    /// Keeps no more memory than what is not yet written needs.
    pub(crate) fn shrink(&mut self) {
        self.bytes.drain(..std::mem::take(&mut self.written));
        self.bytes.shrink_to_fit();
    }

    /// Lends it the memory of a thread, which is taken and left empty if there is none yet.
    pub(crate) fn lend_buffer(&mut self, buffer: &mut Vec<u8>) {
        if self.is_empty() && self.bytes.capacity() == 0 {
            self.bytes = std::mem::take(buffer);
            self.clear();
        }
    }

    /// Gives the memory back, if there is nothing in it; what has become large is freed.
    pub(crate) fn reclaim_buffer(&mut self, buffer: &mut Vec<u8>) {
        if self.is_empty() {
            self.clear();
            *buffer = std::mem::take(&mut self.bytes);
            if buffer.capacity() > KEPT_BYTES_MAX {
                *buffer = Vec::new();
            }
        }
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

    fn clear(&mut self) {
        self.bytes.clear();
        self.written = 0;
    }
}
