//! How long the server is waited for, and who is told that it says nothing.

use super::{Advance, Connection, Silence, Telling, is_would_block};
use crate::connect::{Direction, Readiness};
use crate::error::Error;
use crate::silence::{Silences, Silent};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

impl Connection {
    /// From now on [`next_reply_if_soon`](Connection::next_reply_if_soon) waits for no longer than
    /// this at a time.
    pub fn tell_silence(&mut self, after: Duration) {
        self.silence.told_after = Some(after);
    }

    /// From now on the connection is lost when the server says nothing for so long while it owes
    /// something, but for those who want to be told of it.
    pub fn set_patience(&mut self, patience: Duration) {
        self.silence.lost_after = Some(patience);
    }

    /// The connection is lost when the rest of the batch takes longer than this, whatever the
    /// server says meanwhile.
    pub fn give_batch(&mut self, rest: Duration) {
        self.silence.lost_at = Some(Instant::now() + rest);
    }

    /// From now on silence is noted in this list.
    pub fn note_silence_in(&mut self, list: Arc<Silences>) {
        self.silence.list = Some(list);
    }

    /// Something of the answer to this batch is passed on, so that it has to be waited for.
    pub fn pass_on(&mut self) {
        self.silence.is_passed_on = true;
    }

    /// After how long its silence is to be noted, if it is.
    pub fn noted_after(&self) -> Option<Duration> {
        self.silence.list.as_ref().map(|list| list.noted_after())
    }

    /// Notes that the server is silent, until it says something. Waiting in here does it, too.
    pub fn note_silence(&mut self) {
        if self.note.is_none()
            && let Some(list) = &self.silence.list
            && let Some(closer) = self.session.stream.closer()
        {
            let silent = Silent::of(&self.session, !self.silence.is_passed_on);
            self.note = Some(list.note(silent, closer));
        }
    }

    /// Whether something has come, be it the end; waited for as long as
    /// [`tell_silence`](Connection::tell_silence) said, or else as patience lasts.
    ///
    /// # Errors
    /// [`Error::Lost`] if the connection breaks.
    pub fn has_more_soon(&mut self) -> Result<bool, Error> {
        if self.input.len() > 0 {
            return Ok(true);
        }
        self.has_arrived_soon()
    }

    /// The same, whatever has been read before.
    ///
    /// # Errors
    /// As above.
    pub fn has_arrived_soon(&mut self) -> Result<bool, Error> {
        match self.silence.told_after {
            None => self.await_or_lose(Direction::Read).map(|_| true),
            Some(told_after) => {
                let ready = self.await_for(Direction::Read, Some(told_after))?;
                Ok(ready != Readiness::NONE)
            }
        }
    }

    /// Waits until something has come, be it the end, for as long as patience lasts.
    ///
    /// # Errors
    /// [`Error::Lost`] if the connection breaks, or patience ends.
    pub fn await_arrival(&mut self) -> Result<(), Error> {
        self.await_or_lose(Direction::Read).map(drop)
    }

    /// Reads once, for as long as that may take.
    pub(super) fn fill(&mut self) -> Result<(), Error> {
        while !self.try_fill()? {
            self.await_or_lose(Direction::Read)?;
        }
        Ok(())
    }

    /// Reads once, or says that nothing has come. Waiting comes first, for there is nothing yet as
    /// a rule.
    pub(super) fn fill_or_tell(&mut self, telling: &mut Telling) -> Result<Advance, Error> {
        let Some(after) = telling.after else {
            self.await_or_lose(Direction::Read)?;
            self.fill()?;
            return Ok(Advance::More);
        };
        if after.is_zero() {
            return Ok(match self.try_fill()? {
                true => Advance::More,
                false => Advance::Silence,
            });
        }
        let since = *telling.since.get_or_insert_with(Instant::now);
        loop {
            let left = after.saturating_sub(since.elapsed());
            if left.is_zero() {
                return Ok(Advance::Silence);
            }
            let ready = self.await_for(Direction::Read, Some(left))?;
            if ready.read && self.try_fill()? {
                return Ok(Advance::More);
            }
        }
    }

    /// Reads once, and says whether there was something.
    pub(super) fn try_fill(&mut self) -> Result<bool, Error> {
        self.lose_if_overdue()?;
        let stream = &mut self.session.stream;
        match self.input.fill(|space| stream.try_read(space)) {
            Ok(()) => Ok(true),
            Err(error) if is_would_block(&error) => Ok(false),
            Err(error) => Err(self.lost(error)),
        }
    }

    /// Waits for as long as it may take.
    pub(super) fn await_or_lose(&mut self, direction: Direction) -> Result<Readiness, Error> {
        let Silence {
            lost_after,
            lost_at,
            ..
        } = self.silence;
        let rest = lost_at.map(|at| at.saturating_duration_since(Instant::now()));
        match self.await_for(direction, rest.or(lost_after))? {
            Readiness::NONE => Err(self.lost(io::ErrorKind::TimedOut.into())),
            ready => Ok(ready),
        }
    }

    /// Whoever does not stop talking is looked at, too.
    pub(super) fn lose_if_overdue(&mut self) -> Result<(), Error> {
        match self.silence.lost_at {
            Some(at) if at <= Instant::now() => Err(self.lost(io::ErrorKind::TimedOut.into())),
            _ => Ok(()),
        }
    }

    /// All waiting for the server is here.
    fn await_for(
        &mut self,
        direction: Direction,
        limit: Option<Duration>,
    ) -> Result<Readiness, Error> {
        let mut limit = limit;
        if let Some(noted_after) = self.noted_after()
            && self.note.is_none()
            && limit.is_none_or(|limit| limit > noted_after)
        {
            let ready = self.await_at_most(direction, Some(noted_after))?;
            if ready != Readiness::NONE {
                return Ok(ready);
            }
            self.note_silence();
            limit = limit.map(|limit| limit - noted_after);
        }
        let ready = self.await_at_most(direction, limit)?;
        if ready != Readiness::NONE {
            self.note = None;
        }
        Ok(ready)
    }

    fn await_at_most(
        &mut self,
        direction: Direction,
        limit: Option<Duration>,
    ) -> Result<Readiness, Error> {
        let ready = self.session.stream.wait(direction, limit);
        ready.map_err(|error| self.lost(error))
    }
}
