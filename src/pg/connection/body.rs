//! The last column of a row: the body of a response, which may be larger than memory should be.
//!
//! It is taken piece by piece, in whatever size the caller likes, and the connection remembers how
//! much is still to come.

use super::waiting::Patient;
use super::{Connection, State};
use crate::error::{Answered, Error};
use crate::input::read_some;

/// A body of which more than this is missing is read straight into the caller's buffer.
const DIRECT_READ_BYTES_MIN: usize = 8 << 10;

impl Connection {
    /// How many bytes of the current row's last column were not yet taken.
    pub fn body_bytes_left(&self) -> usize {
        match self.state {
            State::InBody(missing) => missing,
            State::Idle | State::Answering(_) | State::Broken => 0,
        }
    }

    /// Moves bytes of the current row's last column to the end of `out`, at most `count` of them,
    /// blocking until they are there, and returns how many are still to come.
    ///
    /// # Errors
    /// [`Error::Lost`] if the connection breaks.
    pub fn take_body(&mut self, out: &mut Vec<u8>, count: usize) -> Result<usize, Error> {
        let State::InBody(missing) = self.state else {
            return Ok(0);
        };
        let mut wanted = missing.min(count);
        let remaining = missing - wanted;
        while wanted > 0 {
            let buffered = self.input.len().min(wanted);
            out.extend_from_slice(&self.input.bytes()[..buffered]);
            self.input.consume(buffered);
            wanted -= buffered;
            if wanted >= DIRECT_READ_BYTES_MIN {
                self.read_directly(out, wanted)?;
                wanted = 0;
            } else if wanted > 0 {
                self.fill()?;
            }
        }
        self.state = if remaining == 0 {
            State::Answering(Answered::Partly)
        } else {
            State::InBody(remaining)
        };
        Ok(remaining)
    }

    /// Reads so many bytes into the caller's buffer. The room for them is made once, and not for
    /// each of the reads: PostgreSQL sends 8 KiB at a time.
    fn read_directly(&mut self, out: &mut Vec<u8>, wanted: usize) -> Result<(), Error> {
        let mut end = out.len();
        out.resize(end + wanted, 0);
        let mut stream = Patient {
            stream: &mut self.session.stream,
            silence: self.silence,
        };
        while end < out.len() {
            match read_some(&mut stream, &mut out[end..]) {
                Ok(count) => end += count,
                Err(error) => {
                    out.truncate(end);
                    return Err(self.lost(error));
                }
            }
        }
        Ok(())
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
