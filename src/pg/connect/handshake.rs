//! Reading and writing of whole messages until the session is ready.
//!
//! It is apart from the connection's later life because other rules hold here: messages are small
//! and bounded, everything is under one deadline, and speed does not matter.

use std::io::{Read, Write};
use std::time::Instant;

use corerest_wire::pg::limits::HANDSHAKE_MESSAGE_BYTES_MAX;
use corerest_wire::pg::{Message, decode, peek_header};

use super::error::Cause;
use super::stream::Stream;
use super::tls::io_cause;

/// A stream with what has been read from it and not yet been looked at.
pub(super) struct Handshake {
    stream: Stream,
    buffer: Vec<u8>,
    /// How much of the buffer the last message took.
    consumed: usize,
}

impl Handshake {
    pub(super) fn new(stream: Stream) -> Handshake {
        Handshake {
            stream,
            buffer: Vec::new(),
            consumed: 0,
        }
    }

    /// Another deadline than that of the whole attempt.
    pub(super) fn set_deadline(&mut self, deadline: Instant) {
        self.stream.set_deadline(Some(deadline));
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), Cause> {
        if bytes.is_empty() {
            return Ok(());
        }
        let sent = self
            .stream
            .write_all(bytes)
            .and_then(|()| self.stream.flush());
        sent.map_err(|error| io_cause(&error))
    }

    /// Waits for the next message.
    pub(super) fn receive(&mut self) -> Result<Message<'_>, Cause> {
        self.buffer.drain(..self.consumed);
        self.consumed = 0;
        while decode(&self.buffer)?.is_none() {
            let length = peek_header(&self.buffer).map_or(0, |(_, length)| length);
            if length > HANDSHAKE_MESSAGE_BYTES_MAX {
                return Err(Cause::Protocol(
                    "invalid message length during startup".to_owned(),
                ));
            }
            self.fill()?;
        }
        let Some((message, used)) = decode(&self.buffer)? else {
            unreachable!("the loop ends when a message is complete");
        };
        self.consumed = used;
        Ok(message)
    }

    fn fill(&mut self) -> Result<(), Cause> {
        let mut chunk = [0_u8; 4096];
        let count = self
            .stream
            .read(&mut chunk)
            .map_err(|error| io_cause(&error))?;
        if count == 0 {
            return Err(Cause::Closed);
        }
        self.buffer.extend_from_slice(&chunk[..count]);
        Ok(())
    }

    /// The stream, once the last message was looked at and nothing came after it.
    pub(super) fn finish(self) -> Result<Stream, Cause> {
        if self.buffer.len() > self.consumed {
            return Err(Cause::Protocol(
                "the server sent an unasked reply".to_owned(),
            ));
        }
        Ok(self.stream)
    }
}
