//! Waiting for a server that takes its time, without being deaf to everything else.
//!
//! A connection that [tells silence](Connection::tell_silence) lets go of its thread for a moment
//! whenever nothing has come for a while ([`Connection::next_reply_if_soon`]), so that whoever
//! asks can look whether the answer is still wanted. All other waiting goes on until bytes come.
//!
//! It is `poll` that waits for a reply, and not `recv`: a Unix socket wakes whoever blocks in
//! `recv` also when the other side has taken in what was sent, and that is after each request.
//! Beside a busy PostgreSQL this was one of two switches of threads, and a whole one of its
//! processes could be kept from its CPU for a tenth of a second (p99 of 25 rows with embedded
//! ones: 20 to 80 ms instead of 9).

use super::{Advance, Connection, Reply};
use crate::error::Error;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

/// What it means that nothing came for so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// The connection is lost; never, if there is no limit.
    IsLoss(Option<Duration>),
    /// The server is busy, and whoever wants to know is told so.
    IsTold(Duration),
}

/// What waiting has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    Bytes,
    Nothing,
}

impl Connection {
    /// From now on [`next_reply_if_soon`](Connection::next_reply_if_soon) waits for no longer than
    /// this at a time.
    pub fn tell_silence(&mut self, after: Duration) {
        self.silence = Silence::IsTold(after);
    }

    /// As [`next_reply`](Connection::next_reply), but `None` when nothing has come for as long as
    /// [`tell_silence`](Connection::tell_silence) said; then it may be called again.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// As there.
    pub fn next_reply_if_soon(&mut self) -> Result<Option<Reply<'_>>, Error> {
        match self.proceed()? {
            Advance::Silence => Ok(None),
            advance => self.reply(advance).map(Some),
        }
    }

    /// Reads once, for as long as that may take.
    pub(super) fn fill(&mut self) -> Result<(), Error> {
        let filled = self.input.fill(&mut self.session.stream);
        filled.map_err(|error| self.lost(error))?;
        self.on_bytes();
        Ok(())
    }

    /// Reads once, or says that nothing has come.
    pub(super) fn fill_if_soon(&mut self) -> Result<Advance, Error> {
        let awaited = self.await_bytes().map_err(|error| self.lost(error))?;
        match (awaited, self.silence) {
            (Awaited::Bytes, _) => self.fill().map(|()| Advance::More),
            (Awaited::Nothing, Silence::IsTold(_)) => Ok(Advance::Silence),
            (Awaited::Nothing, Silence::IsLoss(_)) => {
                Err(self.lost(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    /// Blocks until something comes, or nothing has for too long.
    fn await_bytes(&mut self) -> io::Result<Awaited> {
        if self.session.stream.has_buffered_bytes() {
            return Ok(Awaited::Bytes);
        }
        let limit = match self.silence {
            Silence::IsLoss(limit) => limit,
            Silence::IsTold(after) => Some(after),
        };
        // One that is too long for the kernel is none.
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        let stream = self.session.stream.as_fd();
        loop {
            match poll(&mut [PollFd::new(&stream, PollFlags::IN)], limit.as_ref()) {
                Ok(0) => return Ok(Awaited::Nothing),
                Ok(_) => return Ok(Awaited::Bytes),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
