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

mod hearing;
mod leftovers;
mod notification;
mod outdated;
mod parameters;
mod reset;
mod sending;
#[cfg(test)]
mod tests;
mod waiting;
mod wardrobe;

pub use notification::Notification;

use self::leftovers::Leftovers;
use self::outdated::Judgement;
pub use self::parameters::{RequestBody, Sink};
use self::reset::Reset;
pub use self::wardrobe::ReadBatch;
use self::wardrobe::Wardrobe;
use crate::connect::{CancelToken, Direction, ServerIdentity, Session};
use crate::error::Error;
use crate::input::Input;
use crate::prepared::{PreparedStatements, StatementName};
use crate::silence::{Note, Silences};
use corerest_sql::Statement;
use corerest_wire::pg::limits::ROW_HEAD_BYTES_MAX;
use corerest_wire::pg::{
    self, Columns, ErrorFields, Expected, ExpectedReplies, LastColumn, Message, ServerError,
    StatementIndex, Step, TransactionStatus, frontend,
};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What PostgreSQL says after the last row has this much room behind a body, so that one read
/// brings both.
const END_BYTES: usize = 64;

/// Somebody may not do that.
const NO_PRIVILEGE: &str = "42501";

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

    /// Where the server is.
    pub fn address(&self) -> &crate::connect::Address {
        &self.session.address
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
