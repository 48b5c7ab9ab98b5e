//! How batches go out: what their messages are, and that what arrives meanwhile is read.

use super::parameters::{Gap, Parameters, RequestBody};
use super::reset::{self, Reset};
use super::wardrobe::{Making, ReadBatch, UNDRESS, UNDRESS_STATEMENTS};
use super::{Behind, Connection, Outcome, Preparation, State, is_would_block};
use crate::connect::Direction;
use crate::error::Error;
use crate::prepared::{Lookup, StatementName};
use corerest_sql::Statement;
use corerest_wire::pg::limits::CONTROL_MESSAGE_BYTES_MAX;
use corerest_wire::pg::{self, Expected, StatementIndex, frontend};
use std::io;
use std::ops::ControlFlow;

/// What may arrive, apart from notices, before a batch is written, and has to be kept in memory:
/// acknowledgements, the rows of settings and of a pre-request; or an error instead of all that
/// follows, which is the answer of the request and may be as long as one can be.
const AHEAD_BYTES_MAX: usize = CONTROL_MESSAGE_BYTES_MAX + (1 << 20);

/// How far writing a batch has come.
#[derive(Debug, Default)]
struct WriteProgress {
    /// Up to where the input was looked through for notices.
    seen: usize,
    /// Whether the server has got a byte.
    is_begun: bool,
}

/// Whether a server goes on while it is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ahead {
    Goes,
    /// It will read nothing more.
    Ended,
}

impl Connection {
    /// Sends the statements of one batch in one write, or in three if one of them has a large
    /// parameter, which `request_body` may be: it is sent from where it is. That the server has
    /// closed the connection is said by the replies.
    ///
    /// # Errors
    /// [`Error::Encode`] leaves the connection as it was, [`Error::Lost`] breaks it.
    pub fn send(
        &mut self,
        statements: &[Statement],
        request_body: RequestBody<'_>,
    ) -> Result<(), Error> {
        self.send_flight(statements, request_body, Reset::None)
    }

    /// The same, and the transaction that it begins, or goes on with, stays open when the batch is
    /// over, unless the batch has failed.
    ///
    /// # Errors
    /// As [`send`](Connection::send).
    pub fn send_open(
        &mut self,
        statements: &[Statement],
        request_body: RequestBody<'_>,
    ) -> Result<(), Error> {
        self.send_flight(statements, request_body, Reset::None)?;
        self.stays_open = true;
        Ok(())
    }

    /// The same, and has the session put in order when the batch is over, whatever becomes of it.
    /// It is the same write, and costs the server's time, but no other flight. Of what cannot be
    /// put in order it [has leftovers](Connection::has_leftovers) then.
    ///
    /// # Errors
    /// As [`send`](Connection::send).
    pub fn send_and_reset(
        &mut self,
        statements: &[Statement],
        request_body: RequestBody<'_>,
    ) -> Result<(), Error> {
        self.send_flight(statements, request_body, Reset::Due)
    }

    /// Has a statement sent behind the next batch, in the same write, to be executed when that is
    /// over. Its rows have the number behind the batch's last statement.
    pub fn ask_behind(&mut self, statement: Statement) {
        self.behind = Behind::Wanted(statement);
    }

    /// The same as [`send`](Connection::send), for a batch that leaves nothing: what its settings
    /// would make is left out as far as the session has it.
    ///
    /// # Errors
    /// As [`send`](Connection::send).
    pub fn send_quiet(&mut self, batch: ReadBatch<'_>) -> Result<(), Error> {
        self.begin_flight(Reset::None);
        let making = self.making_of_first(batch);
        let encoded = self.encode_first_read(batch, making, true);
        encoded.map_err(|error| self.on_not_encoded(error))?;
        self.depart(None)
    }

    /// Sends several batches in one write. Each is a transaction of its own, and is answered up to
    /// its own [`Done`](super::Reply::Done) whatever becomes of the others; their statements are
    /// counted on from one to the next. Only batches are sent of which every statement is prepared,
    /// and which fit what the session wears: as many of the first ones as that is true of. Returns
    /// how many those are; if none, nothing is sent.
    ///
    /// # Errors
    /// As [`send`](Connection::send).
    pub fn send_together<'b>(
        &mut self,
        batches: impl IntoIterator<Item = ReadBatch<'b>>,
    ) -> Result<usize, Error> {
        self.begin_flight(Reset::None);
        let mut sent = 0;
        let mut statements = 0;
        let mut are_quiet = true;
        let mut batches = batches.into_iter().peekable();
        while let Some(batch) = batches.next() {
            let making = match sent {
                0 => Some(self.making_of_first(batch)),
                _ => self.wardrobe.fit(batch),
            };
            let Some(making) = making.filter(|making| self.is_ready(batch, *making)) else {
                break;
            };
            are_quiet &= batch.guise.is_some();
            // Those behind it would have to know what has become of it; and of what was reported,
            // nobody could tell whether it is worn or was left.
            let may_dress =
                are_quiet && batches.peek().is_none() && self.is_ready(batch, Making::ForSession);
            let encoded = match sent {
                0 => self.encode_first_read(batch, making, may_dress),
                _ => self.encode_read(batch, making, statements, may_dress),
            };
            encoded.map_err(|error| self.on_not_encoded(error))?;
            statements += batch.statements.len();
            sent += 1;
        }
        if sent > 0 {
            self.following = sent - 1;
            self.depart(None)?;
        }
        Ok(sent)
    }

    fn is_ready(&self, batch: ReadBatch<'_>, making: Making) -> bool {
        let own = batch.statements.iter().skip(1);
        let mut texts = making
            .text(batch)
            .into_iter()
            .chain(own.map(|own| &own.text));
        self.preparation == Preparation::Named
            && texts.all(|text| self.prepared.keeps(text) && self.prepared.is_ready(text))
    }

    /// How the settings are made of a batch before which the session can be undressed.
    fn making_of_first(&self, batch: ReadBatch<'_>) -> Making {
        match self.can_dress() && !self.wardrobe.is_outworn() {
            true => self.wardrobe.fit(batch).unwrap_or(Making::Whole),
            false => Making::Whole,
        }
    }

    /// Whether settings can be made for the session, which must be ours alone.
    fn can_dress(&self) -> bool {
        self.preparation == Preparation::Named
            && self.session.is_direct()
            && !self.wardrobe.is_refused()
    }

    fn send_flight(
        &mut self,
        statements: &[Statement],
        request_body: RequestBody<'_>,
        reset: Reset,
    ) -> Result<(), Error> {
        self.begin_flight(reset);
        let gap = self.encode(statements, request_body);
        let gap = gap.map_err(|error| self.on_not_encoded(error))?;
        self.depart(gap)
    }

    fn begin_flight(&mut self, reset: Reset) {
        assert!(
            matches!(self.state, State::Idle | State::Open),
            "the last batch was read to its end"
        );
        self.stays_open = false;
        self.makes_rest = false;
        self.is_mixed_up = false;
        self.silence.is_passed_on = false;
        self.output.clear();
        self.reused.clear();
        self.parsed.clear();
        self.reset = reset;
    }

    fn on_not_encoded(&mut self, error: pg::EncodeError) -> Error {
        self.prepared.on_not_sent();
        self.wardrobe.on_not_sent();
        self.expected.clear();
        error.into()
    }

    fn depart(&mut self, gap: Option<Gap<'_>>) -> Result<(), Error> {
        self.prepared.on_sent();
        self.state = State::Answering;
        self.outcome = Outcome::Unknown;
        self.write_output(gap)
    }

    /// A server that has closed the connection may have said why before it did. So its last words
    /// are read like any reply, and that there are none, or no more, breaks the connection then.
    fn on_write_failed(&mut self, error: io::Error) -> Result<(), Error> {
        match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Ok(()),
            _ => Err(self.lost(error)),
        }
    }

    /// Writes the output, and the value that is missing in it.
    pub(super) fn write_output(&mut self, gap: Option<Gap<'_>>) -> Result<(), Error> {
        let output = std::mem::take(&mut self.output);
        let mut progress = WriteProgress::default();
        let written = self.write_with_gap(&output, gap, &mut progress);
        self.output = output;
        shrink(&mut self.output);
        match written? {
            Ahead::Goes => self.flush(&mut progress),
            Ahead::Ended => Ok(()),
        }
    }

    fn write_with_gap(
        &mut self,
        output: &[u8],
        gap: Option<Gap<'_>>,
        progress: &mut WriteProgress,
    ) -> Result<Ahead, Error> {
        let Some(Gap { at, value }) = gap else {
            return self.write(output, progress);
        };
        if self.write(&output[..at], progress)? == Ahead::Ended {
            return Ok(Ahead::Ended);
        }
        let ahead = match value {
            RequestBody::Plain(bytes) => self.write(bytes, progress)?,
            RequestBody::Converted { bytes, write } => {
                let mut left = bytes;
                let mut written = Ok(Ahead::Goes);
                write(&mut |piece| {
                    // The message has told how long it is.
                    let Some(rest) = left.checked_sub(piece.len()) else {
                        return ControlFlow::Break(());
                    };
                    left = rest;
                    written = self.write(piece, progress);
                    match written {
                        Ok(Ahead::Goes) => ControlFlow::Continue(()),
                        Ok(Ahead::Ended) | Err(_) => ControlFlow::Break(()),
                    }
                });
                match written? {
                    Ahead::Goes if left > 0 => {
                        let text = "a value is not as long as was said";
                        return Err(self.lost(io::Error::other(text)));
                    }
                    ahead => ahead,
                }
            }
        };
        match ahead {
            Ahead::Goes => self.write(&output[at..], progress),
            Ahead::Ended => Ok(Ahead::Ended),
        }
    }

    /// Writes these bytes, and takes in what arrives meanwhile.
    fn write(&mut self, mut left: &[u8], progress: &mut WriteProgress) -> Result<Ahead, Error> {
        while !left.is_empty() {
            match self.session.stream.try_write(left) {
                Ok(count) => {
                    left = &left[count..];
                    progress.is_begun = true;
                }
                Err(error) if is_would_block(&error) => {
                    if self.read_ahead(&mut progress.seen)? == Ahead::Ended {
                        return Ok(Ahead::Ended);
                    }
                }
                Err(error) => {
                    if !progress.is_begun && self.outcome == Outcome::Unknown {
                        self.outcome = Outcome::NotBegun;
                    }
                    return self.on_write_failed(error).map(|()| Ahead::Ended);
                }
            }
        }
        Ok(Ahead::Goes)
    }

    /// Sees to it that nothing of what was written is still here.
    fn flush(&mut self, progress: &mut WriteProgress) -> Result<(), Error> {
        loop {
            match self.session.stream.try_flush() {
                Ok(()) => return Ok(()),
                Err(error) if is_would_block(&error) => {
                    if self.read_ahead(&mut progress.seen)? == Ahead::Ended {
                        return Ok(());
                    }
                }
                Err(error) => return self.on_write_failed(error),
            }
        }
    }

    /// Waits until there is room to write, and takes in what comes before that. Notices are thrown
    /// away, however many there are.
    fn read_ahead(&mut self, seen: &mut usize) -> Result<Ahead, Error> {
        let ready = self.await_or_lose(Direction::Both)?;
        if !ready.read {
            return Ok(Ahead::Goes);
        }
        let stream = &mut self.session.stream;
        match self.input.fill(|space| stream.try_read(space)) {
            Ok(()) => {}
            Err(error) if is_would_block(&error) => return Ok(Ahead::Goes),
            // What it has said before that is read like any reply, and then that it is gone.
            Err(_) => return Ok(Ahead::Ended),
        }
        *seen = self.input.drop_notices(*seen);
        if self.input.len() > AHEAD_BYTES_MAX {
            let text = "it says too much before it has read what it is asked";
            return Err(self.lost(io::Error::other(text)));
        }
        Ok(Ahead::Goes)
    }

    /// Writes the batch, and returns which value is missing in it.
    fn encode<'p>(
        &mut self,
        statements: &'p [Statement],
        request_body: RequestBody<'p>,
    ) -> Result<Option<Gap<'p>>, pg::EncodeError> {
        let request_body = request_body.wanted_by(statements);
        self.wardrobe.interrupt();
        self.encode_undressing()?;
        self.encode_closing()?;
        let mut gap = None;
        self.encode_transaction(statements, 0, request_body, &mut gap)?;
        self.encode_behind(statements.len())?;
        if self.reset == Reset::Due {
            let first = statements.len();
            self.encode_transaction(
                reset::statements(),
                first,
                RequestBody::Plain(&[]),
                &mut gap,
            )?;
        }
        Ok(gap)
    }

    /// Takes off what the session wears.
    fn encode_undressing(&mut self) -> Result<(), pg::EncodeError> {
        if self.wardrobe.take_off() {
            frontend::query(&mut self.output, UNDRESS)?;
            for _ in 0..UNDRESS_STATEMENTS {
                self.expected.push(StatementIndex(0), Expected::Rows);
            }
            self.expected.push_sync();
        }
        Ok(())
    }

    fn encode_first_read(
        &mut self,
        batch: ReadBatch<'_>,
        making: Making,
        may_dress: bool,
    ) -> Result<(), pg::EncodeError> {
        if making == Making::Whole {
            self.encode_undressing()?;
        }
        self.encode_closing()?;
        self.encode_read(batch, making, 0, may_dress)
    }

    /// Writes a batch that reads, whose settings are made so, or for the session if they may be.
    fn encode_read(
        &mut self,
        batch: ReadBatch<'_>,
        making: Making,
        first: usize,
        may_dress: bool,
    ) -> Result<(), pg::EncodeError> {
        let is_worth_dressing =
            making == Making::Whole && self.can_dress() && self.wardrobe.is_worth_dressing(batch);
        let making = match is_worth_dressing && may_dress {
            true => {
                self.wardrobe.try_on(batch);
                Making::ForSession
            }
            false => making,
        };
        let Some((settings, own)) = batch.statements.split_first() else {
            return Ok(());
        };
        if let Some(settings) = making.statement(settings, batch.guise) {
            self.encode_statement(&settings, first, RequestBody::NONE, None)?;
            self.makes_rest = matches!(making, Making::Rest(_));
        }
        let body = RequestBody::Plain(batch.request_body);
        for (index, statement) in (first + 1..).zip(own) {
            self.encode_statement(statement, index, body, None)?;
        }
        frontend::sync(&mut self.output);
        self.expected.push_sync();
        Ok(())
    }

    /// The statement is not kept: nothing about it can be outdated, so nothing that goes wrong with
    /// it has the batch sent again.
    fn encode_behind(&mut self, index: usize) -> Result<(), pg::EncodeError> {
        let Behind::Wanted(statement) = std::mem::replace(&mut self.behind, Behind::None) else {
            return Ok(());
        };
        let index = StatementIndex(u16::try_from(index).expect("a batch is a handful"));
        frontend::parse(&mut self.output, "", statement.text.as_str())?;
        self.expected.push(index, Expected::ParseComplete);
        let mut parameters = Parameters {
            of: &statement,
            request_body: RequestBody::NONE,
            gap: None,
        };
        self.encode_execution("", &mut parameters, index)?;
        frontend::sync(&mut self.output);
        self.expected.push_sync();
        self.behind = Behind::Due;
        Ok(())
    }

    /// Writes statements that are one transaction; the first one has this index.
    pub(super) fn encode_transaction<'p>(
        &mut self,
        statements: &'p [Statement],
        first: usize,
        request_body: RequestBody<'p>,
        gap: &mut Option<Gap<'p>>,
    ) -> Result<(), pg::EncodeError> {
        for (index, statement) in (first..).zip(statements) {
            self.encode_statement(statement, index, request_body, Some(gap))?;
        }
        frontend::sync(&mut self.output);
        self.expected.push_sync();
        Ok(())
    }

    fn encode_statement<'p>(
        &mut self,
        statement: &'p Statement,
        index: usize,
        request_body: RequestBody<'p>,
        gap: Option<&mut Option<Gap<'p>>>,
    ) -> Result<(), pg::EncodeError> {
        let index = StatementIndex(u16::try_from(index).expect("a batch is a handful"));
        let mut parameters = Parameters {
            of: statement,
            request_body,
            gap,
        };
        match self.preparation {
            Preparation::Named if self.prepared.keeps(&statement.text) => {
                self.encode_named(&mut parameters, index)
            }
            Preparation::Named | Preparation::Unnamed => {
                frontend::parse(&mut self.output, "", statement.text.as_str())?;
                self.expected.push(index, Expected::ParseComplete);
                self.encode_execution("", &mut parameters, index)
            }
        }
    }

    /// Closes what was forgotten. PostgreSQL does not mind names that it does not know.
    pub(super) fn encode_closing(&mut self) -> Result<(), pg::EncodeError> {
        for name in self.prepared.closing() {
            frontend::close_statement(&mut self.output, name.as_str())?;
            let index = StatementIndex(0);
            self.expected.push(index, Expected::CloseComplete);
        }
        Ok(())
    }

    fn encode_named(
        &mut self,
        parameters: &mut Parameters<'_, '_>,
        index: StatementIndex,
    ) -> Result<(), pg::EncodeError> {
        let statement = parameters.of;
        let name = match self.prepared.look_up(&statement.text, index) {
            Lookup::Prepared(name) => {
                self.reused.push((index, name.clone()));
                name
            }
            Lookup::Parsed(name) => name,
            Lookup::Parse(name) => {
                self.encode_parse(&name, statement, index)?;
                name
            }
            Lookup::Replace(name) => {
                frontend::close_statement(&mut self.output, name.as_str())?;
                self.expected.push(index, Expected::CloseComplete);
                self.encode_parse(&name, statement, index)?;
                name
            }
        };
        self.encode_execution(name.as_str(), parameters, index)
    }

    fn encode_parse(
        &mut self,
        name: &StatementName,
        statement: &Statement,
        index: StatementIndex,
    ) -> Result<(), pg::EncodeError> {
        frontend::parse(&mut self.output, name.as_str(), statement.text.as_str())?;
        self.expected.push(index, Expected::ParseComplete);
        self.parsed.push((index, name.clone()));
        Ok(())
    }

    fn encode_execution(
        &mut self,
        name: &str,
        parameters: &mut Parameters<'_, '_>,
        index: StatementIndex,
    ) -> Result<(), pg::EncodeError> {
        parameters.bind(&mut self.output, name)?;
        self.expected.push(index, Expected::BindComplete);
        frontend::execute(&mut self.output);
        self.expected.push(index, Expected::Rows);
        Ok(())
    }
}

/// A large upload must not keep its memory for the life of the connection.
fn shrink(output: &mut Vec<u8>) {
    const KEPT_BYTES_MAX: usize = 64 << 10;
    if output.capacity() > KEPT_BYTES_MAX {
        *output = Vec::new();
    }
}
