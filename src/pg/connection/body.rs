//! The last column of a row: the body of a response, which may be larger than memory should be.
//!
//! It is taken piece by piece, in whatever size the caller likes, and the connection remembers how
//! much is still to come.

use super::{Connection, State};
use crate::error::{Answered, Error};

/// What PostgreSQL says after the last row has this much room behind a body, so that one read
/// brings both.
const END_BYTES: usize = 64;

impl Connection {
    /// How many bytes of the current row's last column were not yet taken.
    pub fn body_bytes_left(&self) -> usize {
        match self.state {
            State::InBody(missing) => missing,
            State::Idle | State::Answering(_) | State::Broken => 0,
        }
    }

    /// Moves bytes of the current row's last column to the end of `out`, blocking until they are
    /// there, and returns how many are still to come: `count` of them, or more if they have come
    /// already and `out` has the capacity.
    ///
    /// # Errors
    /// [`Error::Lost`] if the connection breaks.
    pub fn take_body(&mut self, out: &mut Vec<u8>, count: usize) -> Result<usize, Error> {
        let State::InBody(missing) = self.state else {
            return Ok(0);
        };
        let wanted = missing.min(count);
        let buffered = self.input.len().min(wanted);
        out.extend_from_slice(&self.input.bytes()[..buffered]);
        self.input.consume(buffered);
        let mut remaining = missing - buffered;
        if buffered < wanted {
            remaining -= self.read_body(out, wanted - buffered, remaining)?;
        }
        self.state = match remaining {
            0 => State::Answering(Answered::Partly),
            remaining => State::InBody(remaining),
        };
        Ok(remaining)
    }

    /// Reads so many bytes, or more of those that are missing, straight into the caller's buffer.
    /// The room for them is made once, and not for each of the reads: PostgreSQL sends 8 KiB at a
    /// time. What comes with the last of them is the next message.
    fn read_body(
        &mut self,
        out: &mut Vec<u8>,
        wanted: usize,
        missing: usize,
    ) -> Result<usize, Error> {
        let start = out.len();
        out.reserve(wanted + END_BYTES);
        while out.len() - start < wanted {
            let appended = self.session.stream.append(out);
            appended.map_err(|error| self.lost(error))?;
        }
        let end = out.len().min(start + missing);
        self.input.put(&out[end..]);
        out.truncate(end);
        Ok(end - start)
    }

    /// Throws away what was not taken.
    pub(super) fn skip_body(&mut self) -> Result<(), Error> {
        while let State::InBody(remaining) = self.state {
            let buffered = self.input.len().min(remaining);
            self.input.consume(buffered);
            self.state = match remaining - buffered {
                0 => State::Answering(Answered::Partly),
                rest => State::InBody(rest),
            };
            if let State::InBody(_) = self.state {
                self.fill()?;
            }
        }
        Ok(())
    }
}
