//! One connection: a batch goes out in one write, its replies come back one by one.
//!
//! ```text
//! idle ──send()──▶ answering ──next_reply()──▶ Row ──take_body()──▶ answering … ──▶ Done ──▶ idle
//!                      │ any error but the server's own
//!                      └──▶ broken: is_broken(), never used again
//! ```
//! One error leaves it idle: [`Error::Outdated`], after which the same batch may be sent again.
//! The batch is one implicit transaction, unless its statements say BEGIN. One that leaves a
//! transaction open (it failed before its ROLLBACK) is rolled back before the connection is idle.
//!
//! Cost of a batch of known statements: one write, one wait, one read, no allocation. A large
//! parameter, such as the body of an upload, is written from where it is, and a large body is read
//! to where it shall be, piece by piece.
//!
//! **Writing.** What the server says while a batch is being written is taken in whenever there is
//! no room to write: PostgreSQL with more to say than its buffer holds stops reading, and both
//! would wait for each other for ever. Notices, which a function can raise by the megabyte, are
//! thrown away at once.
//!
//! **Waiting.** [`Connection::wait`] is all that waits, with a limit or without. A connection that
//! [tells silence](Connection::tell_silence) lets go of its thread for a moment whenever nothing
//! has come for a while ([`Connection::next_reply_if_soon`]), so that whoever asks can look whether
//! the answer is still wanted. All other waiting goes on until bytes come.
//! It is `poll` that waits for a reply, and not `recv`: a Unix socket wakes whoever blocks in
//! `recv` also when the other side has taken in what was sent, and that is after each request.
//! Beside a busy PostgreSQL this was one of two switches of threads, and a whole one of its
//! processes could be kept from its CPU for a tenth of a second (p99 of 25 rows with embedded
//! ones: 20 to 80 ms instead of 9).
//!
//! **Hearing.** Only who asks for it hears what other sessions tell with NOTIFY: a request's
//! connection ignores notifications, which come to it only when SQL of the user has said LISTEN.
//! Who listens waits on the descriptor, together with what else can wake him, and then takes
//! notifications until there are no more.
//!
//! Invariant: no notification is lost but with the connection.

mod notification;
mod outdated;
mod parameters;
#[cfg(test)]
mod tests;

pub use notification::Notification;

use self::notification::{Notifications, TooMany};
use self::parameters::{Gap, Parameters};
use crate::connect::{CancelToken, Interest, Ready, Session};
use crate::error::{Answered, Error};
use crate::input::{Input, Sifted};
use crate::prepared::{Lookup, PreparedStatements, StatementName};
use corerest_sql::Statement;
use corerest_wire::pg::limits::CONTROL_MESSAGE_BYTES_MAX;
use corerest_wire::pg::{
    self, Columns, Expected, ExpectedReplies, LastColumn, Message, ServerError, StatementIndex,
    Step, TransactionStatus, frontend,
};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// What PostgreSQL says after the last row has this much room behind a body, so that one read
/// brings both.
const END_BYTES: usize = 64;

/// So much may have arrived, notices apart, before a batch is written. The answers to what stands
/// before a large parameter are short, but one of them may be an error, with the largest fields
/// that there are. Beyond that the server answers what it has not been asked.
const ARRIVED_WHILE_WRITING_BYTES_MAX: usize = CONTROL_MESSAGE_BYTES_MAX + (1 << 20);

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
    session: Session,
    input: Input,
    output: Vec<u8>,
    expected: ExpectedReplies,
    prepared: PreparedStatements,
    preparation: Preparation,
    state: State,
    /// Whether the server has done anything of the current batch.
    begun: Begun,
    last_used: Instant,
    /// The statements of the batch that earlier batches have prepared.
    reused: Vec<(StatementIndex, StatementName)>,
    /// What was heard, if anybody listens.
    notifications: Option<Notifications>,
    /// What it means that the server says nothing.
    silence: Silence,
}

/// Whether the server has done anything of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begun {
    No,
    Yes,
}

/// What the connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing: a batch may be sent.
    Idle,
    /// A batch is being answered.
    Answering(Answered),
    /// A row's last column is being read; so many of its bytes are still to come.
    InBody(usize),
    /// Something went wrong that only a new connection can mend.
    Broken,
}

/// What it means that nothing came for so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Silence {
    /// The connection is lost; never, if there is no limit.
    IsLoss(Option<Duration>),
    /// The server is busy, and whoever wants to know is told so.
    IsTold(Duration),
}

/// Whether the server is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    There,
    /// It has closed the connection. What it has said before can still be read.
    Gone,
}

/// What a read that does not wait has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrived {
    Bytes,
    Nothing,
}

/// What [`Connection::next_reply`] has found.
#[derive(Debug)]
pub enum Reply<'a> {
    /// A row of a statement.
    Row(Row<'a>),
    /// PostgreSQL refused a statement; [`Reply::Done`] follows.
    Failed(ServerError),
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

impl Connection {
    /// Takes over a session that is ready for queries.
    pub fn new(session: Session, preparation: Preparation) -> Connection {
        Connection {
            session,
            input: Input::default(),
            output: Vec::new(),
            expected: ExpectedReplies::default(),
            prepared: PreparedStatements::new(),
            preparation,
            state: State::Idle,
            begun: Begun::No,
            last_used: Instant::now(),
            reused: Vec::new(),
            notifications: None,
            silence: Silence::IsLoss(None),
        }
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

    /// Whether the connection can never be used again.
    pub fn is_broken(&self) -> bool {
        self.state == State::Broken
    }

    /// Whether the connection may be put back: nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.state == State::Idle
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
    pub fn send(&mut self, statements: &[Statement], request_body: &[u8]) -> Result<(), Error> {
        assert!(
            self.state == State::Idle,
            "the last batch was read to its end"
        );
        self.output.clear();
        self.reused.clear();
        let gap = match self.encode(statements, request_body) {
            Ok(gap) => gap,
            Err(error) => {
                self.prepared.forget_unparsed();
                self.expected.clear();
                return Err(error.into());
            }
        };
        self.state = State::Answering(Answered::NotAtAll);
        self.begun = Begun::No;
        self.write_output(gap)
    }

    /// A server that has closed the connection may have said why before it did. So its last words
    /// are read like any reply, and that there are none, or no more, breaks the connection then.
    fn write_output(&mut self, gap: Option<Gap<'_>>) -> Result<(), Error> {
        let mut output = std::mem::take(&mut self.output);
        let parts = match gap {
            None => [&output[..], &[], &[]],
            Some(Gap { at, value }) => [&output[..at], value, &output[at..]],
        };
        let mut sifted = Sifted::default();
        for part in parts {
            if self.write(part, &mut sifted)? == Peer::Gone {
                break;
            }
        }
        shrink(&mut output);
        self.output = output;
        Ok(())
    }

    /// Writes all of it, and takes in what the server says meanwhile.
    fn write(&mut self, mut bytes: &[u8], sifted: &mut Sifted) -> Result<Peer, Error> {
        loop {
            match self.session.stream.try_write(&mut bytes) {
                Ok(()) => return Ok(Peer::There),
                Err(error) if is_end(&error) => return Ok(Peer::Gone),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(self.lost(error)),
            }
            let ready = self.wait_or_lose(Interest::Both)?;
            if ready == Ready::Reading && self.take_in(sifted)? == Peer::Gone {
                return Ok(Peer::Gone);
            }
        }
    }

    /// Reads once while a batch is being written, for whoever reads the replies later.
    fn take_in(&mut self, sifted: &mut Sifted) -> Result<Peer, Error> {
        match self.try_fill() {
            Ok(_) => {}
            Err(error) if is_end(&error) => return Ok(Peer::Gone),
            Err(error) => return Err(self.lost(error)),
        }
        self.input.sift(sifted);
        if self.input.len() > ARRIVED_WHILE_WRITING_BYTES_MAX {
            let source = io::Error::other("the server says too much before it has read the batch");
            return Err(self.lost(source));
        }
        Ok(Peer::There)
    }

    /// Writes the batch, and returns which value is missing in it.
    fn encode<'p>(
        &mut self,
        statements: &'p [Statement],
        request_body: &'p [u8],
    ) -> Result<Option<Gap<'p>>, pg::EncodeError> {
        self.encode_closing()?;
        let mut gap = None;
        for (index, statement) in statements.iter().enumerate() {
            let index = StatementIndex(u16::try_from(index).expect("a batch is a handful"));
            let mut parameters = Parameters {
                of: statement,
                request_body,
                gap: &mut gap,
            };
            match self.preparation {
                Preparation::Named if self.prepared.keeps(&statement.text) => {
                    self.encode_named(&mut parameters, index)?;
                }
                Preparation::Named | Preparation::Unnamed => {
                    frontend::parse(&mut self.output, "", statement.text.as_str())?;
                    self.expected.push(index, Expected::ParseComplete);
                    self.encode_execution("", &mut parameters, index)?;
                }
            }
        }
        frontend::sync(&mut self.output);
        self.expected.push_sync();
        Ok(gap)
    }

    fn encode_named(
        &mut self,
        parameters: &mut Parameters<'_, '_>,
        index: StatementIndex,
    ) -> Result<(), pg::EncodeError> {
        let statement = parameters.of;
        let name = match self.prepared.look_up(&statement.text) {
            Lookup::Prepared(name) => {
                self.reused.push((index, name.clone()));
                name
            }
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
        loop {
            match self.proceed()? {
                Advance::Silence => {}
                advance => return self.reply(advance),
            }
        }
    }

    /// Goes on until something matters.
    fn proceed(&mut self) -> Result<Advance, Error> {
        assert!(self.state != State::Idle, "a batch was sent");
        self.skip_body()?;
        loop {
            match self.advance()? {
                Advance::More => {}
                advance => return Ok(advance),
            }
        }
    }

    fn reply(&mut self, advance: Advance) -> Result<Reply<'_>, Error> {
        match advance {
            Advance::More | Advance::Silence => unreachable!("neither of them matters"),
            Advance::Row(head) => self.lend_row(head).map(Reply::Row),
            Advance::Failed(error) if error.ends_session() => self.ended(error),
            Advance::Failed(error) => Ok(Reply::Failed(error)),
            Advance::Outdated(error) => Err(self.on_outdated(error)),
            Advance::Done => Ok(Reply::Done),
        }
    }

    /// Takes in one message, or finds the beginning of a row.
    fn advance(&mut self) -> Result<Advance, Error> {
        let arrived = match self.input.bytes().first() {
            Some(b'D') => self.row_head()?.map(Advance::Row),
            _ => self.message()?,
        };
        match arrived {
            Some(advance) => Ok(advance),
            None => self.fill_if_soon(),
        }
    }

    /// The sizes of the row at the front of the input, once all but its last column is there.
    fn row_head(&mut self) -> Result<Option<RowHead>, Error> {
        let decoded = pg::decode_row_prefix(self.input.bytes());
        let head = decoded.map(|prefix| prefix.map(|prefix| RowHead::of(&prefix)));
        head.map_err(|error| self.broken(error.into()))
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
            Message::ErrorResponse(fields) => Some(fields.to_server_error()),
            _ => None,
        };
        let notification = self.notification_of(&message);
        if matches!(message, Message::ParseComplete) {
            self.prepared.on_parsed();
        }
        self.input.consume(length);
        if let Some(notification) = notification {
            self.keep(notification)?;
        }
        match step.map_err(|violation| self.broken(violation.into()))? {
            Step::Failed(_) => {
                let error = error.expect("only an error fails a batch");
                Ok(Some(self.judge(error, due)))
            }
            Step::Ready(status) => self.on_ready(status).map(Some),
            Step::Asynchronous => Ok(Some(Advance::More)),
            Step::Acknowledged(_) | Step::Row(_) | Step::RowsComplete(_) => {
                self.begun = Begun::Yes;
                Ok(Some(Advance::More))
            }
        }
    }

    /// The server has ended the session. If it did so before it looked at the batch, the
    /// connection was dead already when the batch was sent: replies come in order, so there would
    /// be one before the error otherwise.
    fn ended(&mut self, error: ServerError) -> Result<Reply<'_>, Error> {
        self.state = State::Broken;
        match self.begun {
            Begun::Yes => Ok(Reply::Failed(error)),
            Begun::No => {
                let source = io::Error::new(io::ErrorKind::ConnectionAborted, error);
                Err(Error::Lost {
                    source,
                    answered: Answered::NotAtAll,
                })
            }
        }
    }

    fn on_ready(&mut self, status: TransactionStatus) -> Result<Advance, Error> {
        self.prepared.forget_unparsed();
        if status == TransactionStatus::Idle {
            self.state = State::Idle;
            return Ok(Advance::Done);
        }
        self.roll_back()?;
        Ok(Advance::More)
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
            None | Some(0) => State::Answering(Answered::Partly),
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
            match self.session.stream.try_append(out) {
                Ok(0) => return Err(self.lost(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait_or_lose(Interest::Reading)?;
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
                0 => State::Answering(Answered::Partly),
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

    /// Reads once, and waits before it if nothing has come.
    fn fill(&mut self) -> Result<(), Error> {
        loop {
            match self.try_fill() {
                Ok(Arrived::Bytes) => return Ok(()),
                Ok(Arrived::Nothing) => self.wait_or_lose(Interest::Reading)?,
                Err(error) => return Err(self.lost(error)),
            };
        }
    }

    /// Waits and reads once, or says that nothing has come. A reply is rarely there already when
    /// it is asked for, so reading before would be a call for nothing.
    fn fill_if_soon(&mut self) -> Result<Advance, Error> {
        if let Silence::IsTold(after) = self.silence {
            if self.wait(Interest::Reading, Some(after))? == Ready::Nothing {
                return Ok(Advance::Silence);
            }
        } else {
            self.wait_or_lose(Interest::Reading)?;
        }
        let filled = self.try_fill();
        filled.map_err(|error| self.lost(error))?;
        Ok(Advance::More)
    }

    /// Reads what has arrived.
    fn try_fill(&mut self) -> io::Result<Arrived> {
        let stream = &mut self.session.stream;
        match self.input.fill(|space| stream.try_read(space)) {
            Ok(()) => {
                self.on_bytes();
                Ok(Arrived::Bytes)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Arrived::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Waits for as long as the server may be silent, which is for ever unless silence is loss.
    fn wait_or_lose(&mut self, interest: Interest) -> Result<Ready, Error> {
        let limit = match self.silence {
            Silence::IsLoss(limit) => limit,
            Silence::IsTold(_) => None,
        };
        match self.wait(interest, limit)? {
            Ready::Nothing => Err(self.lost(io::ErrorKind::TimedOut.into())),
            ready => Ok(ready),
        }
    }

    /// All waiting for the server is here.
    fn wait(&mut self, interest: Interest, limit: Option<Duration>) -> Result<Ready, Error> {
        let waited = self.session.stream.wait(interest, limit);
        waited.map_err(|error| self.lost(error))
    }

    /// From now on notifications are kept, and no read waits for longer than this: who listens
    /// wants to know when the server has gone silent.
    ///
    /// # Errors
    /// None any more; it is a limit of ours, and not of the socket.
    pub fn keep_notifications(&mut self, patience: Duration) -> Result<(), Error> {
        self.notifications = Some(Notifications::default());
        self.silence = Silence::IsLoss(Some(patience));
        Ok(())
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
        self.notifications.as_mut()?.take_next()
    }

    fn notification_of(&self, message: &Message<'_>) -> Option<Notification> {
        self.notifications.as_ref()?;
        Notification::of(message)
    }

    fn keep(&mut self, notification: Notification) -> Result<(), Error> {
        let kept = self.notifications.get_or_insert_default();
        let kept = kept.keep(notification);
        kept.map_err(|TooMany| self.lost(io::Error::other("too many notifications at a time")))
    }

    fn on_bytes(&mut self) {
        if self.state == State::Answering(Answered::NotAtAll) {
            self.state = State::Answering(Answered::Partly);
        }
    }

    fn lost(&mut self, source: io::Error) -> Error {
        let answered = match self.state {
            State::Answering(answered) => answered,
            _ => Answered::Partly,
        };
        self.broken(Error::Lost { source, answered })
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
    /// A statement that was prepared earlier has failed before it was executed.
    Outdated(ServerError),
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

/// Whether the other side has closed.
fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

/// A large upload must not keep its memory for the life of the connection.
fn shrink(output: &mut Vec<u8>) {
    const KEPT_BYTES_MAX: usize = 64 << 10;
    if output.capacity() > KEPT_BYTES_MAX {
        *output = Vec::new();
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.session.stream.as_fd()
    }
}

impl Drop for Connection {
    /// Says goodbye, so that the server does not log a lost client. Nobody waits for an answer.
    fn drop(&mut self) {
        if self.state != State::Broken {
            let mut goodbye = Vec::new();
            frontend::terminate(&mut goodbye);
            let _ = self.session.stream.try_write(&mut &goodbye[..]);
        }
    }
}
