//! One connection: a batch goes out in one write, its replies come back one by one.
//!
//! ```text
//! idle ──send()──▶ answering ──next_reply()──▶ Row ──take_body()──▶ answering … ──▶ Done ──▶ idle
//!  │                   │ any error but the server's own                          └─▶ open
//!  │                   └──▶ broken: is_broken(), never used again                     │
//!  └────── send_open() ──▶ answering ◀── send_open(), send() ─────────────────────────┘
//! ```
//! One error leaves it idle: [`Error::Outdated`], after which the same batch may be sent again.
//! The batch is one implicit transaction, unless its statements say BEGIN. One that leaves a
//! transaction open (it failed before its ROLLBACK) is rolled back before the connection is idle;
//! but the one of [`Connection::send_open`], unless it has failed, goes on with the next batch.
//! Several batches can go out in one write, too, each a transaction of its own: after the `Done` of
//! one come the replies to the next.
//!
//! The socket never blocks. While a batch is written, what arrives is read as well: a server that
//! has much to say before it has read all of it stops reading when nobody takes that, and then
//! both sides would wait for ever. There is one place that waits (`Stream::wait`), and it is `poll`
//! and not `recv`: a Unix socket wakes whoever blocks in `recv` also when the other side has taken
//! in what was sent, and that is after each request. Beside a busy PostgreSQL this was one of two
//! switches of threads, and a whole one of its processes could be kept from its CPU for a tenth of
//! a second (p99 of 25 rows with embedded ones: 20 to 80 ms instead of 9).
//!
//! Cost of a batch of known statements: one write, one poll, one read, no allocation. A large
//! parameter, such as the body of an upload, is written from where it is, and the last column of a
//! row, the body of a response, is taken piece by piece, in whatever size the caller likes.

mod leftovers;
mod notification;
mod outdated;
mod parameters;
mod reset;
#[cfg(test)]
mod tests;
mod wardrobe;

pub use notification::Notification;

use self::leftovers::Leftovers;
use self::outdated::Judgement;
use self::parameters::{Gap, Parameters};
pub use self::parameters::{RequestBody, Sink};
use self::reset::Reset;
pub use self::wardrobe::ReadBatch;
use self::wardrobe::{Making, UNDRESS, UNDRESS_STATEMENTS, Wardrobe};
use crate::connect::{CancelToken, Direction, Readiness, ServerIdentity, Session};
use crate::error::Error;
use crate::input::Input;
use crate::prepared::{Lookup, PreparedStatements, StatementName};
use crate::silence::{Note, Silences, Silent};
use corerest_sql::Statement;
use corerest_wire::pg::limits::{CONTROL_MESSAGE_BYTES_MAX, ROW_HEAD_BYTES_MAX};
use corerest_wire::pg::{
    self, Columns, ErrorFields, Expected, ExpectedReplies, LastColumn, Message, ServerError,
    StatementIndex, Step, TransactionStatus, frontend,
};
use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What PostgreSQL says after the last row has this much room behind a body, so that one read
/// brings both.
const END_BYTES: usize = 64;

/// What may arrive, apart from notices, before a batch is written, and has to be kept in memory:
/// acknowledgements, the rows of settings and of a pre-request; or an error instead of all that
/// follows, which is the answer of the request and may be as long as one can be.
const AHEAD_BYTES_MAX: usize = CONTROL_MESSAGE_BYTES_MAX + (1 << 20);

/// Somebody may not do that.
const NO_PRIVILEGE: &str = "42501";

/// So many notifications at a time are a mistake, or an attack on our memory.
const NOTIFICATIONS_MAX: usize = 10_000;

/// Whether statements are prepared under a name and kept (`db-prepared-statements`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preparation {
    /// Named, once per connection.
    Named,
    /// Unnamed, each time anew: for poolers that move transactions between servers.
    Unnamed,
}

/// An open connection.
pub struct Connection {
    /// That it is silent. It goes before the socket does.
    note: Option<Note>,
    session: Session,
    input: Input,
    output: Vec<u8>,
    expected: ExpectedReplies,
    prepared: PreparedStatements,
    preparation: Preparation,
    state: State,
    outcome: Outcome,
    last_used: Instant,
    /// The statements of the batch that earlier batches have prepared.
    reused: Vec<(StatementIndex, StatementName)>,
    /// Those that it parses under a name.
    parsed: Vec<(StatementIndex, StatementName)>,
    /// What was heard, if anybody listens.
    notifications: Option<VecDeque<Notification>>,
    /// What it means that the server says nothing.
    silence: Silence,
    /// What is not as it was when the session was opened.
    leftovers: Leftovers,
    /// What is asked behind the batch, when it is over.
    behind: Behind,
    /// Whether the session is put in order behind the batch.
    reset: Reset,
    /// What the session wears.
    wardrobe: Wardrobe,
    /// How many batches were sent together with the one that is being answered, and come after it.
    following: usize,
    /// Whether statements of what is under way were found to be mixed up: one cause of many.
    is_mixed_up: bool,
    /// Whether a transaction that the batch leaves open is to stay so.
    stays_open: bool,
    /// Whether the first statement makes what differs from the settings that are worn.
    makes_rest: bool,
}

/// A statement behind a batch, which is no part of it.
#[derive(Debug)]
enum Behind {
    /// There is none.
    None,
    /// It is to go with the next batch.
    Wanted(Statement),
    /// It was sent.
    Due,
}

/// What is known of what has become of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Nothing: the server has acknowledged nothing yet.
    Unknown,
    /// The server ended before it began, or not a byte has left us; or the session stayed
    /// read-only, so that nothing of a write can be left.
    NotBegun,
    /// The server has begun, so there is a reply for all that it has done.
    Begun,
    /// A statement has failed, so nothing will be left of it.
    Failed,
    /// It has said COMMIT, and that was acknowledged.
    Committed,
}

/// For how long the server may say nothing while it owes something.
#[derive(Clone, Debug, Default)]
struct Silence {
    /// After this it is told of, where somebody wants to know.
    told_after: Option<Duration>,
    /// After this the connection is lost.
    lost_after: Option<Duration>,
    /// When it is lost if the batch is not over, whatever is said meanwhile.
    lost_at: Option<Instant>,
    /// Where it is noted.
    list: Option<Arc<Silences>>,
    /// Whether something of the answer was passed on, so that nobody else can be asked for it.
    is_passed_on: bool,
}

/// What the connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing: a batch may be sent.
    Idle,
    /// Nothing, but a transaction is open, which the next batch goes on with.
    Open,
    /// A batch is being answered.
    Answering,
    /// A row's last column is being read; so many of its bytes are still to come.
    InBody(usize),
    /// Something went wrong that only a new connection can mend.
    Broken,
}

/// What [`Connection::next_reply`] has found.
#[derive(Debug)]
pub enum Reply<'a> {
    /// A row of a statement.
    Row(Row<'a>),
    /// PostgreSQL refused a statement; [`Reply::Done`] follows.
    Failed(ServerError),
    /// The same as [`Reply::Done`], of a batch with a statement behind it: that one is answered
    /// next, in a transaction of its own, and then comes the other.
    Settled,
    /// The batch is over, and what it wrote is committed, unless it failed or said ROLLBACK.
    Done,
}

/// A row, whose last column is taken by [`Connection::take_body`].
#[derive(Debug)]
pub struct Row<'a> {
    /// The place of the statement in its batch, from 0.
    pub statement: usize,
    /// The columns before the last; inside, `None` is NULL.
    pub columns: Columns<'a>,
    /// The length of the last column in bytes; `None` if it is NULL.
    pub body_bytes: Option<usize>,
}

/// After how long whoever waits is told that there is no reply yet; at once with zero.
#[derive(Clone, Copy, Debug)]
struct Telling {
    after: Option<Duration>,
    /// When it had to be waited for.
    since: Option<Instant>,
}

impl Telling {
    const NEVER: Telling = Telling {
        after: None,
        since: None,
    };
}

impl Connection {
    /// Takes over a session that is ready for queries.
    pub fn new(session: Session, preparation: Preparation) -> Connection {
        Connection {
            note: None,
            session,
            input: Input::default(),
            output: Vec::new(),
            expected: ExpectedReplies::default(),
            prepared: PreparedStatements::new(),
            preparation,
            state: State::Idle,
            outcome: Outcome::Unknown,
            last_used: Instant::now(),
            reused: Vec::new(),
            parsed: Vec::new(),
            notifications: None,
            silence: Silence::default(),
            leftovers: Leftovers::default(),
            behind: Behind::None,
            reset: Reset::None,
            wardrobe: Wardrobe::default(),
            following: 0,
            is_mixed_up: false,
            stays_open: false,
            makes_rest: false,
        }
    }

    /// The stream of the simulation.
    #[cfg(feature = "model")]
    pub fn as_simulated(&self) -> &corerest_simulation::Stream {
        self.session.stream.as_simulated()
    }

    /// What a request to cancel needs; `None` if a pooler did not tell it.
    pub fn cancel_token(&self) -> Option<CancelToken> {
        self.session.cancel_token()
    }

    /// The process id of its server; 0 if a pooler did not tell it.
    pub fn server_process(&self) -> i32 {
        let key = self.session.key.as_ref();
        key.map_or(0, |key| key.process_id)
    }

    /// Whether its server is a standby, if it has said so.
    pub fn is_with_standby(&self) -> bool {
        self.session.parameters.in_hot_standby() == Some(true)
    }

    /// Who its server is, if that is known for certain.
    pub fn server(&self) -> Option<&ServerIdentity> {
        self.session.server()
    }

    /// Whether the connection can never be used again.
    pub fn is_broken(&self) -> bool {
        self.state == State::Broken
    }

    /// Whether the connection may be put back: nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    /// Whether nothing is under way but a transaction, which goes on with the next batch.
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Whether a batch has left something that the next one would find, and that could not be put
    /// in order. The connection must not be used again, then.
    pub fn has_leftovers(&self) -> bool {
        self.leftovers.is_any()
    }

    /// When it was last given back.
    pub fn last_used(&self) -> Instant {
        self.last_used
    }

    /// Notes that it was used until now.
    pub fn touch(&mut self, now: Instant) {
        self.last_used = now;
    }

    /// Whether the server has closed the connection, or said something, while it was idle.
    pub fn is_stale(&mut self) -> bool {
        self.state != State::Idle || self.input.len() > 0 || self.session.stream.is_stale()
    }

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
    /// its own [`Reply::Done`] whatever becomes of the others; their statements are counted on from
    /// one to the next. Only batches are sent of which every statement is prepared, and which fit
    /// what the session wears: as many of the first ones as that is true of. Returns how many those
    /// are; if none, nothing is sent.
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
    fn write_output(&mut self, gap: Option<Gap<'_>>) -> Result<(), Error> {
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
    fn encode_transaction<'p>(
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
    fn encode_closing(&mut self) -> Result<(), pg::EncodeError> {
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

    /// Blocks until the server has said something that matters. A body that was not taken is
    /// skipped.
    ///
    /// # Errors
    /// Any error but [`Error::Outdated`] breaks the connection; what PostgreSQL itself reports is a
    /// [`Reply::Failed`].
    ///
    /// # Panics
    /// If no batch is being answered: nothing would ever come.
    pub fn next_reply(&mut self) -> Result<Reply<'_>, Error> {
        let advance = self.proceed(Telling::NEVER)?;
        self.reply(advance)
    }

    /// Goes on until something matters, be it time that is to be told of.
    fn proceed(&mut self, mut telling: Telling) -> Result<Advance, Error> {
        assert!(
            !matches!(self.state, State::Idle | State::Open),
            "a batch was sent"
        );
        self.skip_body()?;
        loop {
            match self.advance(&mut telling)? {
                Advance::More => {}
                advance => return Ok(advance),
            }
        }
    }

    fn reply(&mut self, advance: Advance) -> Result<Reply<'_>, Error> {
        match advance {
            Advance::More | Advance::Silence => unreachable!("neither of them matters"),
            Advance::Row(head) => self.lend_row(head).map(Reply::Row),
            Advance::Ended(error, is_own_word) => self.ended(error, is_own_word),
            Advance::Failed(error) => Ok(Reply::Failed(error)),
            Advance::Outdated(error, index) => Err(self.on_outdated(error, index)),
            Advance::Settled => Ok(Reply::Settled),
            Advance::Done => Ok(Reply::Done),
        }
    }

    /// Takes in one message, or finds the beginning of a row.
    fn advance(&mut self, telling: &mut Telling) -> Result<Advance, Error> {
        if self.reset == Reset::Begun {
            return Ok(self.advance_reset(telling));
        }
        let arrived = match self.input.bytes().first() {
            Some(b'D') => self.row_head()?.map(Advance::Row),
            _ => self.message()?,
        };
        match arrived {
            Some(advance) => Ok(advance),
            None => self.fill_or_tell(telling),
        }
    }

    /// The sizes of the row at the front of the input, once all but its last column is there.
    fn row_head(&mut self) -> Result<Option<RowHead>, Error> {
        let decoded = pg::decode_row_prefix(self.input.bytes());
        let head = decoded.map(|prefix| prefix.map(|prefix| RowHead::of(&prefix)));
        match head {
            Ok(None) if self.input.len() > ROW_HEAD_BYTES_MAX => {
                let text = "the columns before the body are too large";
                Err(self.lost(io::Error::other(text)))
            }
            Ok(head) => Ok(head),
            Err(error) => Err(self.broken(error.into())),
        }
    }

    /// Takes in the message at the front of the input, once all of it is there.
    fn message(&mut self) -> Result<Option<Advance>, Error> {
        let (message, length) = match pg::decode(self.input.bytes()) {
            Ok(Some(decoded)) => decoded,
            Ok(None) => return Ok(None),
            Err(error) => return Err(self.broken(error.into())),
        };
        let due = self.expected.front();
        let step = self.expected.on(&message);
        let error = match message {
            Message::ErrorResponse(fields) => Some((
                fields.to_server_error(),
                outdated::judge(fields, due, &self.reused),
                is_own_word(&fields),
            )),
            _ => None,
        };
        let is_commit =
            matches!(message, Message::CommandComplete(tag) if tag.bytes() == b"COMMIT");
        if self.outcome == Outcome::Unknown && is_farewell(&message) {
            self.outcome = Outcome::NotBegun;
        }
        let is_of_dress =
            self.wardrobe.is_dressed() && matches!(message, Message::ParameterStatus { .. });
        if step == Ok(Step::Asynchronous) && !is_of_dress {
            let is_heard = self.notifications.is_some();
            self.leftovers
                .on(&message, &self.session.parameters, is_heard);
        }
        let notification = self.notification_of(&message);
        self.input.consume(length);
        if let Some(notification) = notification {
            self.keep(notification)?;
        }
        match step.map_err(|violation| self.broken(violation.into()))? {
            Step::Failed(_) if self.wardrobe.is_undressing() => {
                let (error, ..) = error.expect("only an error fails a batch");
                self.outcome = Outcome::NotBegun;
                Err(self.lost(io::Error::new(io::ErrorKind::ConnectionAborted, error)))
            }
            Step::Failed(_) => {
                let (error, judgement, is_own_word) = error.expect("only an error fails a batch");
                Ok(Some(match error.ends_session() {
                    true => Advance::Ended(error, is_own_word),
                    false => self.on_refused(error, judgement, due),
                }))
            }
            Step::Ready(status) => self.on_ready(status).map(Some),
            Step::Asynchronous => Ok(Some(Advance::More)),
            // Nothing of the batch.
            _ if self.wardrobe.is_undressing() => Ok(Some(Advance::More)),
            Step::Acknowledged(_) | Step::Row(_) | Step::RowsComplete(_) => {
                self.on_progress(due);
                self.outcome = match self.outcome {
                    _ if is_commit => Outcome::Committed,
                    Outcome::Unknown => Outcome::Begun,
                    known => known,
                };
                Ok(Some(Advance::More))
            }
        }
    }

    /// Tells the cache of statements what the server has done with one, given what was due.
    fn on_progress(&mut self, due: Option<(Expected, StatementIndex)>) {
        match due {
            Some((Expected::ParseComplete, index)) => self.prepared.on_parsed(index),
            Some((Expected::BindComplete, index)) if self.prepared.has_misfits() => {
                if let Some(name) = name_at(&self.reused, index) {
                    self.prepared.on_fit(name);
                }
            }
            _ => {}
        }
    }

    /// Draws the consequences for the statements that are prepared.
    fn on_refused(
        &mut self,
        error: ServerError,
        judgement: Judgement,
        due: Option<(Expected, StatementIndex)>,
    ) -> Advance {
        self.prepared.on_failed();
        self.outcome = Outcome::Failed;
        let index = due.map_or(StatementIndex(0), |(_, index)| index);
        match judgement {
            Judgement::Answer if self.makes_rest && error.code == NO_PRIVILEGE => {
                if index == StatementIndex(0) {
                    self.wardrobe.refuse();
                    return Advance::Outdated(error, index);
                }
            }
            Judgement::Answer => {
                if matches!(due, Some((Expected::BindComplete, _)))
                    && let Some(name) = name_at(&self.parsed, index)
                {
                    self.prepared.on_own_answer(name, &error.code);
                }
            }
            Judgement::Misfit(place) => self.prepared.on_misfit(&self.reused[place].1),
            Judgement::MixedUp => {
                if !std::mem::replace(&mut self.is_mixed_up, true) {
                    self.prepared.distrust();
                }
                return Advance::Outdated(error, index);
            }
            Judgement::Outdated(place) => {
                let (_, name) = &self.reused[place];
                if !self.prepared.is_own_answer(name, &error.code) {
                    // All of them, for there is no third attempt: what has changed may concern
                    // more than one.
                    for (_, name) in &self.reused {
                        self.prepared.forget(name);
                    }
                    return Advance::Outdated(error, index);
                }
            }
        }
        Advance::Failed(error)
    }

    /// Reads to the end of the batch, so that it can be sent again.
    fn on_outdated(&mut self, error: ServerError, StatementIndex(index): StatementIndex) -> Error {
        let mut telling = Telling::NEVER;
        loop {
            match self.advance(&mut telling) {
                Ok(Advance::Done) => {
                    return Error::Outdated {
                        error: Box::new(error),
                        statement: usize::from(index),
                    };
                }
                Ok(Advance::Ended(error, _)) => {
                    let source = io::Error::new(io::ErrorKind::ConnectionAborted, error);
                    return self.lost(source);
                }
                Ok(_) => {}
                Err(error) => return error,
            }
        }
    }

    /// The session was ended with these words, in the middle of a batch, by PostgreSQL itself or
    /// by somebody in between. PostgreSQL replies in order, so what it has not acknowledged before
    /// it has not done. A pooler may have lost a server that has done everything.
    fn ended(&mut self, error: ServerError, is_own_word: bool) -> Result<Reply<'_>, Error> {
        match self.outcome {
            Outcome::Committed => {
                self.state = State::Broken;
                Ok(Reply::Done)
            }
            Outcome::Begun if is_own_word => {
                self.state = State::Broken;
                Ok(Reply::Failed(error))
            }
            Outcome::Failed => {
                self.state = State::Broken;
                Ok(Reply::Failed(error))
            }
            Outcome::Unknown | Outcome::NotBegun | Outcome::Begun => {
                let source = io::Error::new(io::ErrorKind::ConnectionAborted, error);
                Err(self.lost(source))
            }
        }
    }

    fn on_ready(&mut self, status: TransactionStatus) -> Result<Advance, Error> {
        if self.wardrobe.is_undressing() {
            self.wardrobe.on_bare();
            return Ok(Advance::More);
        }
        if matches!(self.behind, Behind::Due) {
            self.behind = Behind::None;
            return Ok(Advance::Settled);
        }
        if self.reset == Reset::Due {
            self.reset = Reset::Begun;
            return Ok(Advance::More);
        }
        if self.stays_open && status == TransactionStatus::InTransaction {
            self.on_over();
            self.state = State::Open;
            return Ok(Advance::Done);
        }
        if let Some(following) = self.following.checked_sub(1) {
            if status != TransactionStatus::Idle {
                let text = "one of several batches has left its transaction open";
                return Err(self.lost(io::Error::other(text)));
            }
            self.following = following;
            self.outcome = Outcome::Unknown;
            self.on_over();
            return Ok(Advance::Done);
        }
        if status != TransactionStatus::Idle {
            self.on_over();
            self.roll_back()?;
            return Ok(Advance::More);
        }
        self.on_over();
        self.wardrobe.on_over(self.outcome == Outcome::Failed);
        if self.leftovers.is_any() {
            return Ok(self.put_in_order());
        }
        self.state = State::Idle;
        Ok(Advance::Done)
    }

    /// Sends a reset of its own, behind a batch that has left something; its replies are read like
    /// the others. It is another flight, and far less than a new connection.
    fn put_in_order(&mut self) -> Advance {
        self.output.clear();
        self.reused.clear();
        self.parsed.clear();
        self.leftovers.on_reset();
        self.reset = Reset::Begun;
        let mut gap = None;
        let no_body = RequestBody::Plain(&[]);
        let sent = self
            .encode_closing()
            .and_then(|()| self.encode_transaction(reset::statements(), 0, no_body, &mut gap))
            .map_err(Error::from)
            .and_then(|()| {
                self.prepared.on_sent();
                self.write_output(gap)
            });
        match sent {
            Ok(()) => Advance::More,
            Err(_) => self.lose_to_reset(),
        }
    }

    fn on_over(&mut self) {
        self.prepared.on_over();
        self.silence.lost_at = None;
    }

    /// Takes in what the server says of the reset.
    fn advance_reset(&mut self, telling: &mut Telling) -> Advance {
        self.try_advance_reset(telling)
            .unwrap_or_else(|_| self.lose_to_reset())
    }

    /// The batch before the reset is over, so whatever goes wrong in it costs the connection, and
    /// nobody an answer.
    fn lose_to_reset(&mut self) -> Advance {
        self.state = State::Broken;
        Advance::Done
    }

    fn try_advance_reset(&mut self, telling: &mut Telling) -> Result<Advance, Error> {
        let Some((message, length)) = pg::decode(self.input.bytes())? else {
            return self.fill_or_tell(telling);
        };
        let due = self.expected.front();
        let step = self.expected.on(&message);
        match message {
            // A batch that has left a transaction open is among the causes.
            Message::ErrorResponse(_) | Message::DataRow(_) => self.leftovers.on_other(),
            _ => self.leftovers.on(&message, &self.session.parameters, true),
        }
        self.input.consume(length);
        match step.map_err(|violation| self.broken(violation.into()))? {
            Step::Ready(status) => {
                self.reset = Reset::None;
                self.wardrobe.on_bare();
                self.on_over();
                self.state = match status {
                    TransactionStatus::Idle => State::Idle,
                    TransactionStatus::InTransaction | TransactionStatus::Failed => State::Broken,
                };
                Ok(Advance::Done)
            }
            Step::Acknowledged(_) => {
                self.on_progress(due);
                Ok(Advance::More)
            }
            _ => Ok(Advance::More),
        }
    }

    /// Ends a transaction that a failed batch has left open; its reply is read like the others.
    fn roll_back(&mut self) -> Result<(), Error> {
        self.output.clear();
        frontend::parse(&mut self.output, "", "ROLLBACK")?;
        frontend::bind(&mut self.output, "", [])?;
        frontend::execute(&mut self.output);
        frontend::sync(&mut self.output);
        for expected in [
            Expected::ParseComplete,
            Expected::BindComplete,
            Expected::Rows,
        ] {
            self.expected.push(StatementIndex(0), expected);
        }
        self.expected.push_sync();
        self.write_output(None)
    }

    /// Lends the row at the front of the input. Its columns stay in the buffer until the next
    /// read, so they count as taken already.
    fn lend_row(&mut self, head: RowHead) -> Result<Row<'_>, Error> {
        let statement = match self.expected.on_row() {
            Ok(Step::Row(StatementIndex(index))) => usize::from(index),
            Ok(_) => unreachable!("on_row() answers with a row"),
            Err(violation) => return Err(self.broken(violation.into())),
        };
        self.state = match head.body_bytes {
            None | Some(0) => State::Answering,
            Some(length) => State::InBody(length),
        };
        Ok(Row {
            statement,
            columns: pg::decoded_columns(self.input.take_front(head.bytes)),
            body_bytes: head.body_bytes,
        })
    }

    /// How many bytes of the current row's last column were not yet taken.
    pub fn body_bytes_left(&self) -> usize {
        match self.state {
            State::InBody(missing) => missing,
            State::Idle | State::Open | State::Answering | State::Broken => 0,
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
            0 => State::Answering,
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
        if out.try_reserve_exact(wanted + END_BYTES).is_err() {
            return Err(self.lost(io::ErrorKind::OutOfMemory.into()));
        }
        while out.len() - start < wanted {
            self.lose_if_overdue()?;
            match self.session.stream.try_append(out) {
                Ok(0) => return Err(self.lost(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) if is_would_block(&error) => {
                    self.await_or_lose(Direction::Read)?;
                }
                Err(error) => return Err(self.lost(error)),
            }
        }
        let end = out.len().min(start + missing);
        self.input.put(&out[end..]);
        out.truncate(end);
        Ok(end - start)
    }

    /// Throws away what was not taken.
    fn skip_body(&mut self) -> Result<(), Error> {
        while let State::InBody(remaining) = self.state {
            let buffered = self.input.len().min(remaining);
            self.input.consume(buffered);
            self.state = match remaining - buffered {
                0 => State::Answering,
                rest => State::InBody(rest),
            };
            if let State::InBody(_) = self.state {
                self.fill()?;
            }
        }
        Ok(())
    }

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

    /// As [`next_reply`](Connection::next_reply), but `None` when nothing has come for as long as
    /// [`tell_silence`](Connection::tell_silence) said; then it may be called again.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// As there.
    pub fn next_reply_if_soon(&mut self) -> Result<Option<Reply<'_>>, Error> {
        self.next_reply_told(self.silence.told_after)
    }

    /// As [`next_reply`](Connection::next_reply), but `None` when there is none for so long,
    /// whatever else the server says meanwhile; then it may be called again.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// As there.
    pub fn next_reply_within(&mut self, limit: Duration) -> Result<Option<Reply<'_>>, Error> {
        self.next_reply_told(Some(limit))
    }

    fn next_reply_told(&mut self, after: Option<Duration>) -> Result<Option<Reply<'_>>, Error> {
        match self.proceed(Telling { after, since: None })? {
            Advance::Silence => Ok(None),
            advance => self.reply(advance).map(Some),
        }
    }

    /// As [`next_reply`](Connection::next_reply), but `None` when there is no more of it now.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// As there.
    pub fn next_reply_if_there(&mut self) -> Result<Option<Reply<'_>>, Error> {
        self.next_reply_told(Some(Duration::ZERO))
    }

    /// Moves bytes of the current row's last column to the end of `out`, as many as have come but
    /// no more than that, and returns how many.
    ///
    /// # Errors
    /// [`Error::Lost`] if the connection breaks.
    pub fn take_body_if_there(
        &mut self,
        out: &mut Vec<u8>,
        bytes_max: usize,
    ) -> Result<usize, Error> {
        let wanted = self.body_bytes_left().min(bytes_max);
        if wanted == 0 || self.input.len() == 0 && !self.try_fill()? {
            return Ok(0);
        }
        let count = self.input.len().min(wanted);
        self.take_body(out, count)?;
        Ok(count)
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
    fn fill(&mut self) -> Result<(), Error> {
        while !self.try_fill()? {
            self.await_or_lose(Direction::Read)?;
        }
        Ok(())
    }

    /// Reads once, or says that nothing has come. Waiting comes first, for there is nothing yet as
    /// a rule.
    fn fill_or_tell(&mut self, telling: &mut Telling) -> Result<Advance, Error> {
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
    fn try_fill(&mut self) -> Result<bool, Error> {
        self.lose_if_overdue()?;
        let stream = &mut self.session.stream;
        match self.input.fill(|space| stream.try_read(space)) {
            Ok(()) => Ok(true),
            Err(error) if is_would_block(&error) => Ok(false),
            Err(error) => Err(self.lost(error)),
        }
    }

    /// Waits for as long as it may take.
    fn await_or_lose(&mut self, direction: Direction) -> Result<Readiness, Error> {
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
    fn lose_if_overdue(&mut self) -> Result<(), Error> {
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

    /// From now on notifications are kept.
    pub fn keep_notifications(&mut self) {
        self.notifications = Some(VecDeque::new());
    }

    /// Where the server is.
    pub fn address(&self) -> &crate::connect::Address {
        &self.session.address
    }

    /// Whether there is something to be heard that the descriptor does not show.
    pub fn has_unheard(&mut self) -> bool {
        self.input.len() > 0 || self.session.stream.has_buffered_bytes()
    }

    /// Takes in what has arrived; to be called when the descriptor is readable, or when there is
    /// something [unheard](Connection::has_unheard).
    ///
    /// # Errors
    /// If the connection has ended. What the server says about that is an [`Error::Server`].
    ///
    /// # Panics
    /// If a batch is being answered.
    pub fn hear(&mut self) -> Result<(), Error> {
        assert!(
            self.state == State::Idle,
            "the last batch was read to its end"
        );
        if !self.hear_buffered()? {
            self.fill()?;
            self.hear_buffered()?;
        }
        Ok(())
    }

    /// Takes in the messages that have been read, and says whether there was one.
    fn hear_buffered(&mut self) -> Result<bool, Error> {
        let mut is_any = false;
        while let Some((message, length)) = pg::decode(self.input.bytes())? {
            is_any = true;
            if let Message::ErrorResponse(fields) = message {
                let error = fields.to_server_error();
                return Err(self.broken(Error::Server(error)));
            }
            let notification = self.notification_of(&message);
            let step = self.expected.on(&message);
            self.input.consume(length);
            step.map_err(|violation| self.broken(violation.into()))?;
            if let Some(notification) = notification {
                self.keep(notification)?;
            }
        }
        Ok(is_any)
    }

    /// The next one that was heard.
    pub fn next_notification(&mut self) -> Option<Notification> {
        self.notifications.as_mut()?.pop_front()
    }

    fn notification_of(&self, message: &Message<'_>) -> Option<Notification> {
        let Message::NotificationResponse {
            channel, payload, ..
        } = message
        else {
            return None;
        };
        self.notifications.as_ref()?;
        Some(Notification {
            channel: String::from_utf8_lossy(channel).into_owned(),
            payload: String::from_utf8_lossy(payload).into_owned(),
        })
    }

    fn keep(&mut self, notification: Notification) -> Result<(), Error> {
        let kept = self.notifications.get_or_insert_default();
        if kept.len() >= NOTIFICATIONS_MAX {
            let source = io::Error::other("too many notifications at a time");
            return Err(self.lost(source));
        }
        kept.push_back(notification);
        Ok(())
    }

    fn lost(&mut self, source: io::Error) -> Error {
        self.broken(match self.outcome {
            Outcome::NotBegun => Error::NotBegun { source },
            Outcome::Unknown | Outcome::Begun | Outcome::Failed | Outcome::Committed => {
                Error::Lost { source }
            }
        })
    }

    fn broken(&mut self, error: Error) -> Error {
        self.state = State::Broken;
        error
    }
}

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

/// What one step through the input has brought.
enum Advance {
    More,
    /// Nothing has come for a while.
    Silence,
    Row(RowHead),
    Failed(ServerError),
    /// The session was ended, and whether PostgreSQL itself says so.
    Ended(ServerError, bool),
    /// A statement that was prepared earlier has failed before it was executed.
    Outdated(ServerError, StatementIndex),
    Settled,
    Done,
}

/// The sizes of a row.
#[derive(Clone, Copy, Debug)]
struct RowHead {
    /// Of the message up to the content of its last column.
    bytes: usize,
    /// Of that content; `None` if it is NULL.
    body_bytes: Option<usize>,
}

impl RowHead {
    fn of(prefix: &pg::RowPrefix<'_>) -> RowHead {
        match prefix.last {
            LastColumn::Missing | LastColumn::Null => RowHead {
                bytes: prefix.message_bytes,
                body_bytes: None,
            },
            LastColumn::Value { length, offset, .. } => RowHead {
                bytes: offset,
                body_bytes: Some(length),
            },
        }
    }
}

/// The name of the statement at a place of the batch, if the list has it.
fn name_at(
    list: &[(StatementIndex, StatementName)],
    index: StatementIndex,
) -> Option<&StatementName> {
    let found = list.iter().find(|(place, _)| *place == index);
    found.map(|(_, name)| name)
}

/// Whether PostgreSQL says with this that it ends the session. Replies come in order, so if nothing
/// was acknowledged before it, nothing of the batch was done, nor will be. Where it ends without an
/// error message, it is `quickdie` that gives a warning.
fn is_farewell(message: &Message<'_>) -> bool {
    match message {
        Message::ErrorResponse(error) => {
            is_own_word(error) && error.to_server_error().ends_session()
        }
        Message::NoticeResponse(notice) => {
            notice.code().starts_with(b"57P0") && notice.routine() == Some(b"quickdie")
        }
        _ => false,
    }
}

/// Whether PostgreSQL itself says this, and no pooler: only PostgreSQL tells where in its source
/// the words come from.
fn is_own_word(error: &ErrorFields<'_>) -> bool {
    error.routine().is_some()
}

/// A large upload must not keep its memory for the life of the connection.
fn shrink(output: &mut Vec<u8>) {
    const KEPT_BYTES_MAX: usize = 64 << 10;
    if output.capacity() > KEPT_BYTES_MAX {
        *output = Vec::new();
    }
}

impl Drop for Connection {
    /// Says goodbye, so that the server does not log a lost client. Nobody waits for an answer.
    fn drop(&mut self) {
        if self.state != State::Broken {
            let mut goodbye = Vec::new();
            frontend::terminate(&mut goodbye);
            // It is not worth any waiting.
            let _ = self.session.stream.try_write(&goodbye);
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.session.stream.as_fd()
    }
}

fn is_would_block(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}
