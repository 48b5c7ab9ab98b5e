//! Waiting for a server that takes its time, without being deaf to everything else.
//!
//! A connection that [tells silence](Connection::tell_silence) lets go of its thread for a moment
//! whenever nothing has come for a while ([`Connection::next_reply_if_soon`]), so that whoever
//! asks can look whether the answer is still wanted. All other waiting goes on until bytes come.
//!
//! Cost: none as long as the server answers in time, for the limit is set once, on the socket.

use super::{Advance, Connection, Reply};
use crate::connect::Stream;
use crate::error::Error;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::time::Duration;

/// What it means that nothing came for as long as the socket waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// The connection is lost.
    IsLoss,
    /// The server is busy, and whoever wants to know is told so.
    IsTold,
}

impl Connection {
    /// From now on [`next_reply_if_soon`](Connection::next_reply_if_soon) waits for no longer than
    /// this at a time.
    ///
    /// # Errors
    /// If the socket is broken.
    pub fn tell_silence(&mut self, after: Duration) -> Result<(), Error> {
        self.silence = Silence::IsTold;
        let set = self.session.stream.set_read_timeout(Some(after));
        set.map_err(|error| self.lost(error))
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

    /// Blocks until something comes.
    pub(super) fn await_bytes(&mut self) -> Result<(), Error> {
        let awaited = await_bytes(&self.session.stream);
        awaited.map_err(|error| self.lost(error))
    }

    /// Reads once, for as long as that may take.
    pub(super) fn fill(&mut self) -> Result<(), Error> {
        let mut stream = Patient {
            stream: &mut self.session.stream,
            silence: self.silence,
        };
        let filled = self.input.fill(&mut stream);
        filled.map_err(|error| self.lost(error))?;
        self.on_bytes();
        Ok(())
    }

    /// Reads once, or says that nothing has come.
    pub(super) fn fill_if_soon(&mut self) -> Result<Advance, Error> {
        match self.input.fill(&mut self.session.stream) {
            Ok(()) => {
                self.on_bytes();
                Ok(Advance::More)
            }
            Err(error) if is_silence(&error, self.silence) => Ok(Advance::Silence),
            Err(error) => Err(self.lost(error)),
        }
    }
}

/// A stream on which silence only means to wait on.
pub(super) struct Patient<'a> {
    pub(super) stream: &'a mut Stream,
    pub(super) silence: Silence,
}

impl Read for Patient<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.stream.read(space) {
                Err(error) if is_silence(&error, self.silence) => await_bytes(self.stream)?,
                read => return read,
            }
        }
    }
}

/// Not `TimedOut`: that is the kernel's word for a peer that does not acknowledge.
fn is_silence(error: &io::Error, silence: Silence) -> bool {
    silence == Silence::IsTold && error.kind() == io::ErrorKind::WouldBlock
}

fn await_bytes(stream: &Stream) -> io::Result<()> {
    let stream = stream.as_fd();
    match poll(&mut [PollFd::new(&stream, PollFlags::IN)], None) {
        // Whoever looks in vain waits again.
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
