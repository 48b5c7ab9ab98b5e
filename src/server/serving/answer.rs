//! Asks PostgreSQL, and writes the response while it answers.
//!
//! One flight: the batch goes out in one write, the replies are read until the connection is idle
//! again. The response is complete in the client's output only when the transaction has ended, so
//! that nobody is told of something that was then rolled back. A large body of a read is the
//! exception: its rows are final when they arrive, and memory must not depend on its size.

use crate::log;
use crate::net::Socket;
use crate::observing::timing::Phase;
use crate::serving::aim::{Elsewhere, Server, is_of_replicas};
use crate::serving::desk::{Desk, Host};
use crate::serving::grant::size_of;
use crate::serving::remainder::{BODY_CHUNK_BYTES, SPOOLED_AT_ONCE_BYTES, read_to_the_end};
use crate::serving::reply::{Misanswered, ResponseWriter};
use crate::serving::rows::{Rows, Taken};
use crate::serving::spool::SpoolFile;
use crate::serving::together::SLOW_AFTER;
use crate::serving::watch::{QUERY_CANCELED, Watch};
use crate::sync::{Instant, in_simulation};
use corerest_api::Error as ApiError;
use corerest_api::channel::ChannelName;
use corerest_api::{AccessMode, Answer, AnswerSize, Batch, Body, Context, DatabaseError};
use corerest_api::{FirstRow, Frame, Pace, Pending, Position, Response, ResultSet};
use corerest_api::{ask_position, finish, finish_first_row, finish_lines, guard_position};
use corerest_config::ErrorVerbosity;
use corerest_pg::{Connection, Error, Lease, ReadBatch, Reply, RequestBody, Retry, Row, Sink};
use corerest_sql::Statement;
use corerest_wire::pg::ServerError;
use std::cell::Cell;

/// A body larger than this is passed on as it comes. Below it, a copy in memory is cheap, and
/// frees the connection before the client has read a byte.
const PASSED_ON_BYTES_MIN: usize = in_simulation(1 << 10, 256 << 10);

/// How many columns of rows that are sent one by one are about the head.
const HEAD_COLUMNS: usize = 4;

/// How much is read of rows that nobody wants: more time than that takes asking PostgreSQL to stop.
const UNWANTED_BYTES_MAX: usize = in_simulation(1 << 10, 256 << 10);

/// What the client of a write is told when its connection to PostgreSQL is lost.
const UNKNOWN_OUTCOME: &str = "it is unknown whether the request was carried out";

/// What the guard says of a replica that has not replayed enough.
const DIVISION_BY_ZERO: &str = "22012";

/// What a server says that takes no writes, as all do of which the transactions only read.
const READ_ONLY: &str = "25006";

/// More bytes than as many names as a client may hear have.
const CHANNELS_BYTES_MAX: usize = 64 << 10;

/// How many connections a batch is sent on at the most: one can be ended just when it was opened.
pub(super) const CONNECTIONS_MAX: usize = 3;

/// How much of the response is in the output.
#[derive(Debug)]
pub(crate) enum Asked {
    /// All of it; the connection is idle.
    Completely,
    /// The head, and the beginning of the body; the rest is still with PostgreSQL.
    BodyFollows,
    /// The head, and the rows that had come; the others are still with PostgreSQL.
    RowsFollow(Rows),
    /// The head; the body is in a file, for there was no memory for it.
    BodySpooled(SpoolFile),
    /// Nothing yet: its client is going to hear these channels, and this is its head.
    Hears(Response, Vec<ChannelName>),
    /// Nothing: the client is gone, and PostgreSQL has stopped.
    Cancelled,
    /// Nothing: this server will not do, and another one may.
    Elsewhere(Elsewhere),
}

/// What PostgreSQL is asked, and what for.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    /// What it was prepared with.
    pub(crate) context: Context<'a>,
    /// The statements.
    pub(crate) batch: &'a Batch,
    /// What becomes of the answer.
    pub(crate) pending: &'a Pending,
    /// The body of the request, which may be a parameter.
    pub(crate) request_body: &'a [u8],
    /// Who wants to know.
    pub(crate) client: &'a Socket,
    /// Who is asked.
    pub(crate) server: Server,
    /// Whether a replica has said something that will do if nothing comes of this.
    pub(crate) is_second_opinion: bool,
    /// Where the log ends behind what was written, if that is to be told.
    pub(crate) position: &'a Cell<Option<Position>>,
}

/// Why there is no answer.
enum Failure {
    /// The conversation with PostgreSQL has failed.
    Connection(Error),
    /// PostgreSQL has not said what the batch promises: one main row. A bug of ours.
    Rows(Misanswered),
}

/// What is asked before the batch, of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guard {
    /// Nothing, or it was answered.
    None,
    /// It has not said yet that it has replayed what the batch must see.
    Unanswered,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Connection(error)
    }
}

impl From<Misanswered> for Failure {
    fn from(error: Misanswered) -> Failure {
        Failure::Rows(error)
    }
}

/// Sends the batch and writes the response, be it a success or an error.
pub(crate) fn ask(
    desk: &Desk<'_>,
    lease: &mut Lease,
    question: &Question<'_>,
    writer: &mut ResponseWriter<'_>,
) -> Asked {
    let Question { batch, pending, .. } = *question;
    let mut watch = match question.context.config.server_cancel_on_disconnect {
        true => Watch::of(batch.access, question.client),
        false => Watch::Off,
    };
    let asked = persist(desk.host, lease, question, &mut watch, writer);
    if let Ok(Asked::BodyFollows | Asked::RowsFollow(_)) = asked {
        lease.connection().pass_on();
    }
    asked.unwrap_or_else(|failure| {
        lease.reset();
        if watch.is_over() {
            // Nobody wants to know; but a connection was lost on the way.
            desk.host.health().suspect();
            return Asked::Cancelled;
        }
        let error = match failure {
            Failure::Connection(error) if question.may_go_elsewhere() => {
                writer.retract();
                log::warn(&format!("A replica has failed: {error}"));
                return Asked::Elsewhere(match error {
                    Error::Connect(_) | Error::NotBegun { .. } => Elsewhere::NotBegun,
                    _ => Elsewhere::Lost,
                });
            }
            Failure::Connection(error) if question.is_second_opinion => {
                writer.retract();
                desk.host.health().suspect();
                log::warn(&format!("The primary was not there: {error}"));
                return Asked::Elsewhere(Elsewhere::Unanswered);
            }
            Failure::Connection(error) => {
                desk.host.health().suspect();
                if let Some(words) = error.last_words() {
                    warn_of_statement_mode(&database_error(words.clone()));
                }
                api_error(&error, batch.access)
            }
            Failure::Rows(error) => ApiError::Internal {
                details: format!("The server has met a bug of its own: {error}."),
            },
        };
        log::api_error(&error);
        writer.replace(&pending.error(&error));
        Asked::Completely
    })
}

/// Takes the answer to a batch that was sent together with others, whose first statement has this
/// number, and writes the response. If there is none, the batch is to be sent by itself, even if
/// the connection is of no more use, and this is how soon it was known.
pub(crate) fn take_answer(
    lease: &mut Lease,
    batch: &Batch,
    pending: &Pending,
    first: usize,
    writer: &mut ResponseWriter<'_>,
) -> Result<(), Pace> {
    let mut turn = Turn::begin();
    let mut is_there = false;
    loop {
        let connection = lease.connection();
        let Some(reply) = turn.next_reply(connection) else {
            turn.cancel(lease);
            continue;
        };
        match reply {
            Ok(Reply::Row(row)) if row.statement == first + batch.main.statement => {
                let body = write_main_row(row, batch, pending, None, writer);
                let copied = match body {
                    Ok(BodyUse::Skip) => Ok(0),
                    Ok(BodyUse::Copy) => connection.take_body(writer.body(), usize::MAX),
                    // What is so large is not waited for by others.
                    _ => continue,
                };
                is_there = copied.is_ok();
            }
            Ok(Reply::Row(_) | Reply::Settled) => {}
            Ok(Reply::Done) if is_there => return Ok(()),
            Ok(Reply::Failed(error)) if !error.ends_session() => is_there = false,
            // If a statement was outdated, the replies were read to the end of this batch.
            Ok(Reply::Done | Reply::Failed(_)) | Err(_) => return Err(turn.pace()),
        }
    }
}

/// Reads the answer to a batch that was sent together with others, and that is to be sent by
/// itself whatever the answer is.
pub(crate) fn skip_answer(lease: &mut Lease) {
    let mut turn = Turn::begin();
    loop {
        match turn.next_reply(lease.connection()) {
            None => turn.cancel(lease),
            Some(Ok(Reply::Done) | Err(_)) => return,
            Some(Ok(Reply::Failed(error))) if error.ends_session() => return,
            Some(Ok(Reply::Row(_) | Reply::Settled | Reply::Failed(_))) => {}
        }
    }
}

/// The turn of one of several batches, which must not hold up the others: what its client asks for
/// may take longer than what others of its shape did.
struct Turn {
    begin: Instant,
    is_cancelled: bool,
}

impl Turn {
    fn begin() -> Turn {
        Turn {
            begin: Instant::now(),
            is_cancelled: false,
        }
    }

    /// What PostgreSQL says next; `None` when it has taken too long.
    fn next_reply<'c>(&self, connection: &'c mut Connection) -> Option<Result<Reply<'c>, Error>> {
        if self.is_cancelled {
            return Some(connection.next_reply());
        }
        // What has come is read in any case.
        let left = SLOW_AFTER.saturating_sub(self.begin.elapsed());
        connection.next_reply_within(left).transpose()
    }

    /// PostgreSQL is asked to cancel. Should it be at the next one by then, that is asked again,
    /// too.
    fn cancel(&mut self, lease: &mut Lease) {
        self.is_cancelled = true;
        if let Err(error) = lease.cancel() {
            log::warn(&format!("Cannot cancel a query: {error}"));
        }
    }

    /// How soon there was to be an answer.
    fn pace(&self) -> Pace {
        match self.is_cancelled {
            true => Pace::Slow,
            // A function that often fails is not to be called twice as often as it is asked for.
            false => Pace::Late,
        }
    }
}

/// Sends the batch until there is an answer, as long as that is safe.
fn persist(
    host: &dyn Host,
    lease: &mut Lease,
    question: &Question<'_>,
    watch: &mut Watch<'_>,
    writer: &mut ResponseWriter<'_>,
) -> Result<Asked, Failure> {
    let batch = question.batch;
    // The price of a look is nothing beside that of a write, whose outcome would be unknown.
    if batch.access == AccessMode::ReadWrite && lease.connection().is_stale() {
        lease.reconnect().map_err(Error::from)?;
    }
    let mut is_prepared_anew = false;
    let mut connections = 1;
    loop {
        let error = match converse(host, lease, question, watch, writer) {
            Err(Failure::Connection(error)) => error,
            asked => return asked,
        };
        let may_reconnect = match error.retry() {
            // A statement was prepared for a table that has changed since.
            Retry::SameConnection if !is_prepared_anew => {
                warn_of_second_flight(&error, batch);
                is_prepared_anew = true;
                writer.retract();
                continue;
            }
            Retry::SameConnection | Retry::Never => false,
            // A connection that died while it was idle is found out only by using it.
            Retry::OtherConnection => connections < CONNECTIONS_MAX,
            // Once only, for it may be the query that brings PostgreSQL down. Instead of a replica
            // another server is asked.
            Retry::IfReadOnly => {
                batch.access == AccessMode::ReadOnly
                    && connections == 1
                    && !question.may_go_elsewhere()
            }
        };
        if !may_reconnect || watch.is_over() {
            return Err(error.into());
        }
        if let Error::Unsuited(_) = error {
            // What functions did outside of the transaction happens twice.
            log::warn(&format!(
                "A write was refused, and is sent to another server: {error}"
            ));
        }
        lease.reconnect().map_err(Error::from)?;
        host.health().look_again();
        connections += 1;
        writer.retract();
    }
}

/// Tells why a batch is sent again, if somebody should know. The request is answered all the same.
///
/// Statements that are missing, or there already, are a pooler's work, or that of SQL which
/// discards them. Nothing tells which for certain: poolers invent the process ids that they give.
///
/// Parity: PostgREST says so, too, and ends (Logger.hs, AppState/Pool.hs).
fn warn_of_second_flight(error: &Error, batch: &Batch) {
    let Error::Outdated { error, statement } = error else {
        return;
    };
    if matches!(error.code.as_str(), "42P05" | "26000") {
        log::warn(&format!(
            "If you are using connection poolers in transaction mode, \
             try setting db-prepared-statements to false. \
             If you are not, look for SQL with DISCARD or DEALLOCATE. {}",
            verbose_json(database_error((**error).clone()))
        ));
    }
    // Whatever functions do in a transaction was rolled back.
    if *statement > batch.settings + 1 {
        log::warn(&format!(
            "A request was sent to PostgreSQL again, for a prepared statement no longer fits the \
             database. What ran before it, such as db-pre-request, ran twice; what it did outside \
             of the transaction has happened twice. {}",
            verbose_json(database_error((**error).clone()))
        ));
    }
}

/// A pooler that lends its servers for single statements has met a transaction of ours: those of
/// requests look like one statement, unless they fail.
///
/// Parity: PostgREST, whose transactions never do, says so and ends.
fn warn_of_statement_mode(error: &DatabaseError) {
    const REFUSAL: &str = "transaction blocks not allowed in statement pooling mode";
    if error.code == "08P01" && error.message == REFUSAL {
        log::warn(&format!(
            "Connection poolers in statement mode are not supported.{}",
            verbose_json(error.clone())
        ));
    }
}

fn verbose_json(error: DatabaseError) -> String {
    let body = ApiError::Database(error)
        .response(ErrorVerbosity::Verbose)
        .body;
    String::from_utf8_lossy(&body).into_owned()
}

fn converse(
    host: &dyn Host,
    lease: &mut Lease,
    question: &Question<'_>,
    watch: &mut Watch<'_>,
    writer: &mut ResponseWriter<'_>,
) -> Result<Asked, Failure> {
    let Question { batch, pending, .. } = *question;
    let convert = |sink: &mut Sink<'_>| {
        batch.body.write(question.request_body, sink);
    };
    let body = match batch.body.converted_bytes() {
        None => RequestBody::Plain(batch.body.part_of(question.request_body)),
        Some(bytes) => RequestBody::Converted {
            bytes,
            write: &convert,
        },
    };
    let connection = lease.connection();
    if batch.tells_position {
        connection.ask_behind(ask_position());
    }
    let guarded = question.guarded_statements();
    let statements = guarded.as_deref().unwrap_or(&batch.statements);
    let guise = pending.guise().filter(|_| guarded.is_none());
    match guise {
        Some(_) => connection.send_quiet(ReadBatch {
            statements,
            request_body: batch.body.part_of(question.request_body),
            guise,
        })?,
        None if batch.resets_session => connection.send_and_reset(statements, body)?,
        None => connection.send(statements, body)?,
    }
    // Statements are counted without the guard from here on.
    let ahead = statements.len() - batch.statements.len();
    let mut guard = match ahead {
        0 => Guard::None,
        _ => Guard::Unanswered,
    };
    let mut is_settled = false;
    let mut has_failed = false;
    let mut estimate = None;
    let mut elsewhere = None;
    let mut hears = None;
    let mut unwanted: Option<Unwanted> = None;
    let mut lines = (batch.main.answer == Answer::Lines).then(Vec::new);
    let mut refused = None;
    loop {
        let connection = lease.connection();
        let reply = if watch.is_on() {
            connection.next_reply_if_soon()?
        } else {
            match connection.next_reply() {
                // What was asked for is done, and only where the log ends is not known.
                Err(error) if is_settled => {
                    log::warn(&format!("A position of the log was not told: {error}"));
                    return Ok(settled(elsewhere, question, writer));
                }
                reply => Some(reply?),
            }
        };
        let Some(reply) = reply else {
            watch.wait(lease);
            continue;
        };
        match reply {
            Reply::Row(_) if guard == Guard::Unanswered => guard = Guard::None,
            Reply::Row(row) if is_settled => {
                let timeline = timeline_of(row);
                let position = take_position(connection, &timeline)?;
                if !has_failed {
                    question.position.set(position);
                }
            }
            Reply::Settled => is_settled = true,
            Reply::Failed(error) if is_settled => {
                log::warn(&format!(
                    "A position of the log was not told: {}",
                    error.message
                ));
            }
            Reply::Row(row)
                if row.statement == batch.main.statement + ahead
                    && matches!(batch.main.answer, Answer::Rows(_))
                    && (unwanted.is_some() || watch.is_over()) =>
            {
                let bytes = row.body_bytes.unwrap_or(0);
                if let Some(unwanted) = &mut unwanted {
                    unwanted.note(bytes, watch, lease);
                }
            }
            Reply::Row(row)
                if row.statement == batch.main.statement + ahead
                    && let Answer::Rows(frame) = batch.main.answer =>
            {
                let rows = write_first_row(row, frame, pending, estimate.as_deref(), writer);
                let Some(mut rows) = rows? else {
                    unwanted = Some(Unwanted::default());
                    continue;
                };
                let out = writer.body();
                let before = out.len();
                match rows.take_arrived(connection, out, BODY_CHUNK_BYTES)? {
                    // What has not come at once is much, or takes its time.
                    Taken::Some => {
                        pending.note_size(AnswerSize::Large);
                        return Ok(Asked::RowsFollow(rows));
                    }
                    Taken::All => {
                        pending.note_size(size_of(out.len() - before));
                        writer.close();
                        return Ok(Asked::Completely);
                    }
                    // Nothing was sent yet, so there is a response of its own for that.
                    Taken::Failed(error) if question.goes_elsewhere(&error, guard) => {
                        return go_elsewhere(connection, error, guard, writer);
                    }
                    Taken::Failed(error) => {
                        unwanted = Some(Unwanted::default());
                        let is_over = connection.is_broken();
                        write_failure(database_error(error), is_over, pending, writer);
                        if is_over {
                            return Ok(Asked::Completely);
                        }
                    }
                }
            }
            Reply::Row(row)
                if row.statement == batch.main.statement + ahead
                    && batch.main.answer == Answer::Lines =>
            {
                let lines = lines.get_or_insert_default();
                connection.take_body(lines, usize::MAX)?;
                lines.push(b'\n');
            }
            Reply::Row(row) if row.statement == batch.main.statement + ahead => {
                let body = write_main_row(row, batch, pending, estimate.as_deref(), writer)?;
                match body {
                    BodyUse::Skip => {}
                    BodyUse::Copy => drop(connection.take_body(writer.body(), usize::MAX)?),
                    BodyUse::PassOn => {
                        if connection.take_body(writer.body(), BODY_CHUNK_BYTES)? > 0 {
                            return Ok(Asked::BodyFollows);
                        }
                    }
                    BodyUse::Spool => elsewhere = Some(spool(host, connection)?),
                    BodyUse::Hear(response) => {
                        hears = read_channels(connection, response, pending, writer)?;
                    }
                }
            }
            Reply::Row(row) if Some(row.statement) == batch.estimate.map(|at| at + ahead) => {
                let mut answer = Vec::new();
                connection.take_body(&mut answer, usize::MAX)?;
                estimate = Some(answer);
            }
            Reply::Row(_) => {}
            Reply::Failed(error) if watch.has_caused(&error) => {
                writer.retract();
                read_to_the_end(connection)?;
                return Ok(Asked::Cancelled);
            }
            Reply::Failed(error) if unwanted.as_ref().is_some_and(|it| it.has_caused(&error)) => {}
            Reply::Failed(error) if question.goes_elsewhere(&error, guard) => {
                return go_elsewhere(connection, error, guard, writer);
            }
            Reply::Failed(error) => {
                has_failed = true;
                lines = None;
                elsewhere = None;
                hears = None;
                let is_over = connection.is_broken();
                if error.code == READ_ONLY && batch.access == AccessMode::ReadWrite {
                    refused = Some(Box::new(error.clone()));
                }
                write_failure(database_error(error), is_over, pending, writer);
                if is_over {
                    return Ok(Asked::Completely);
                }
            }
            Reply::Done if watch.is_over() && matches!(batch.main.answer, Answer::Rows(_)) => {
                return Ok(Asked::Cancelled);
            }
            Reply::Done => {
                // Whoever cannot even say what it is will not do, either.
                if let Some(error) = refused
                    && !lease.suits().unwrap_or(false)
                {
                    return Err(Error::Unsuited(error).into());
                }
                if let Some(lines) = lines {
                    writer.write(&finish_lines(&question.context, pending, lines))?;
                }
                if let Some((response, names)) = hears {
                    return Ok(Asked::Hears(response, names));
                }
                return Ok(settled(elsewhere, question, writer));
            }
        }
    }
}

/// The timeline, of the row that says where the log ends.
pub(super) fn timeline_of(row: Row<'_>) -> Vec<u8> {
    let timeline = row.columns.into_iter().next().flatten();
    timeline.unwrap_or_default().to_vec()
}

/// Where the log ends, of the same row; `None` if it does not say.
pub(super) fn take_position(
    connection: &mut Connection,
    timeline: &[u8],
) -> Result<Option<Position>, Error> {
    let mut lsn = Vec::new();
    connection.take_body(&mut lsn, usize::MAX)?;
    Ok(Position::of_answer(timeline, &lsn))
}

impl Question<'_> {
    /// Whether another server may be asked instead.
    fn may_go_elsewhere(&self) -> bool {
        matches!(self.server, Server::Replica(_)) && self.batch.access == AccessMode::ReadOnly
    }

    /// Whether another server is asked because of this. Whatever goes wrong with the guard, only
    /// that it succeeds says that a replica will do.
    fn goes_elsewhere(&self, error: &ServerError, guard: Guard) -> bool {
        self.may_go_elsewhere()
            && (guard == Guard::Unanswered || error.ends_session() || is_of_replicas(&error.code))
    }

    /// The statements of the batch, behind the question whether they can be asked here.
    fn guarded_statements(&self) -> Option<Vec<Statement>> {
        let after = self.batch.after.filter(|_| self.may_go_elsewhere())?;
        let own = self.batch.statements.iter().cloned();
        Some([guard_position(after)].into_iter().chain(own).collect())
    }
}

/// Leaves a server that will not do, with nothing of its answer written.
fn go_elsewhere(
    connection: &mut Connection,
    error: ServerError,
    guard: Guard,
    writer: &mut ResponseWriter<'_>,
) -> Result<Asked, Failure> {
    writer.retract();
    let is_over = connection.is_broken();
    if !is_over {
        read_to_the_end(connection)?;
    }
    Ok(Asked::Elsewhere(match guard {
        _ if is_over => Elsewhere::Lost,
        Guard::Unanswered if error.code == DIVISION_BY_ZERO => Elsewhere::Behind,
        Guard::Unanswered | Guard::None => Elsewhere::Refused(Box::new(database_error(error))),
    }))
}

/// The batch is over, and its answer is written, but for a body that is elsewhere.
fn settled(
    body: Option<BodyPlace>,
    question: &Question<'_>,
    writer: &mut ResponseWriter<'_>,
) -> Asked {
    match body {
        // No row is no answer, and the caller finds that out.
        None => Asked::Completely,
        Some(BodyPlace::File(file)) => Asked::BodySpooled(file),
        Some(BodyPlace::Nowhere(bytes)) => {
            let error = ApiError::AnswerTooLarge {
                bytes,
                is_rolled_back: question.batch.is_rolled_back,
            };
            log::api_error(&error);
            writer.replace(&question.pending.error(&error));
            Asked::Completely
        }
    }
}

/// Writes the response to what PostgreSQL has refused, perhaps with its last words.
///
/// Parity: of a session that was ended, the client learns no more than that (libpq's words; hasql
/// asks for a rollback, and reports how that went). The log has the reason, too.
fn write_failure(
    error: DatabaseError,
    is_over: bool,
    pending: &Pending,
    writer: &mut ResponseWriter<'_>,
) {
    warn_of_statement_mode(&error);
    let mut response = pending.database_error(error.clone());
    if response.status >= 500 {
        log::api_error(&ApiError::Database(error));
    }
    if is_over {
        let details = Some("no connection to the server\n".to_owned());
        let error = ApiError::DatabaseClient { details };
        log::api_error(&error);
        response = pending.error(&error);
    }
    writer.replace(&response);
}

/// Rows of a response that says everything in its head, or that is an error. There may be a whole
/// table of them, so PostgreSQL is asked to stop when there are many.
#[derive(Default)]
struct Unwanted {
    bytes: usize,
    is_cancelled: bool,
}

impl Unwanted {
    /// One more has come, with a body of so many bytes.
    fn note(&mut self, body_bytes: usize, watch: &Watch<'_>, lease: &mut Lease) {
        self.bytes += 1 + body_bytes;
        if self.bytes <= UNWANTED_BYTES_MAX || self.is_cancelled || watch.is_over() {
            return;
        }
        self.is_cancelled = true;
        if let Err(error) = lease.cancel() {
            log::warn(&format!("Cannot cancel a query: {error}"));
        }
    }

    /// Whether PostgreSQL has stopped because we asked it to.
    fn has_caused(&self, error: &ServerError) -> bool {
        self.is_cancelled && error.code == QUERY_CANCELED
    }
}

/// What is to be done with the last column of the main row.
enum BodyUse {
    /// It is not sent.
    Skip,
    /// It is copied into the output.
    Copy,
    /// Its beginning is copied, and the rest passed on.
    PassOn,
    /// It is brought into a file, for there is no memory for it.
    Spool,
    /// It names what the client is going to hear, behind this head.
    Hear(Response),
}

/// Where the large answer of a write is, when it is not in memory.
enum BodyPlace {
    /// In a file.
    File(SpoolFile),
    /// It had so many bytes, for which there was no room either. What was asked for is done.
    Nowhere(usize),
}

/// Brings the body of a write into a file: it is to be sent when the transaction has ended, and
/// until then it must be somewhere.
fn spool(host: &dyn Host, connection: &mut Connection) -> Result<BodyPlace, Error> {
    let bytes = connection.body_bytes_left();
    let Some(mut file) = host.spool_room(bytes as u64).and_then(SpoolFile::new) else {
        return Ok(BodyPlace::Nowhere(bytes));
    };
    let mut piece = Vec::new();
    while connection.body_bytes_left() > 0 {
        piece.clear();
        connection.take_body(&mut piece, SPOOLED_AT_ONCE_BYTES)?;
        if file.append(&piece) < piece.len() {
            return Ok(BodyPlace::Nowhere(bytes));
        }
    }
    Ok(BodyPlace::File(file))
}

/// Reads what the client is going to hear: nothing, if that is so, or if there is something else to
/// be said, which is written.
fn read_channels(
    connection: &mut Connection,
    response: Response,
    pending: &Pending,
    writer: &mut ResponseWriter<'_>,
) -> Result<Option<(Response, Vec<ChannelName>)>, Failure> {
    let bytes = connection.body_bytes_left();
    let mut text = Vec::new();
    if bytes <= CHANNELS_BYTES_MAX {
        connection.take_body(&mut text, usize::MAX)?;
    }
    let names = match bytes <= CHANNELS_BYTES_MAX {
        true => ChannelName::parse_list(&text),
        false => Err(ApiError::Channel {
            message: "The function names too many channels".to_owned(),
            details: format!("The names have {bytes} bytes."),
        }),
    };
    match names {
        Err(error) => {
            log::api_error(&error);
            writer.write(&pending.error(&error))?;
        }
        // Who has nothing to hear need not come again, as this status says to EventSource.
        Ok(names) if names.is_empty() => writer.write(&Response {
            status: 204,
            body: Body::Absent,
            ..response
        })?,
        Ok(names) => return Ok(Some((response, names))),
    }
    Ok(None)
}

/// Writes the response up to the last column of the row.
fn write_main_row(
    row: Row<'_>,
    batch: &Batch,
    pending: &Pending,
    estimate: Option<&[u8]>,
    writer: &mut ResponseWriter<'_>,
) -> Result<BodyUse, Misanswered> {
    let mut columns = [None; ResultSet::COLUMNS];
    let count = row.columns.len();
    for (column, value) in columns.iter_mut().zip(row.columns) {
        *column = value;
    }
    let body_bytes = row.body_bytes.unwrap_or(0);
    let facts = writer.facts();
    facts.lap(Phase::Transaction);
    let response = finish(pending, &columns[..count.min(ResultSet::COLUMNS)], estimate);
    facts.lap(Phase::Response);
    if response.body == Body::Events {
        return Ok(BodyUse::Hear(response));
    }
    if response.body != Body::LastColumn || !facts.sends_body(response.status) {
        if let Body::Bytes(bytes) = &response.body {
            pending.note_size(size_of(bytes.len()));
        }
        writer.write(&response)?;
        return Ok(BodyUse::Skip);
    }
    pending.note_size(size_of(body_bytes));
    writer.begin(&response, body_bytes)?;
    Ok(if body_bytes <= PASSED_ON_BYTES_MIN {
        BodyUse::Copy
    } else if batch.access == AccessMode::ReadOnly {
        BodyUse::PassOn
    } else if writer.make_room(body_bytes) {
        BodyUse::Copy
    } else {
        BodyUse::Spool
    })
}

/// Writes the head of a response whose rows are sent one by one, from the first of them. Without a
/// body there is no more to be done with them.
fn write_first_row(
    row: Row<'_>,
    frame: Frame,
    pending: &Pending,
    estimate: Option<&[u8]>,
    writer: &mut ResponseWriter<'_>,
) -> Result<Option<Rows>, Misanswered> {
    let statement = row.statement;
    let columns: Vec<Option<&[u8]>> = row.columns.collect();
    let first = match row.body_bytes {
        Some(_) => FirstRow::Row,
        None => FirstRow::Nothing,
    };
    let facts = writer.facts();
    facts.lap(Phase::Transaction);
    let response = finish_first_row(pending, &columns, first, estimate);
    facts.lap(Phase::Response);
    if response.body != Body::LastColumn || !facts.sends_body(response.status) {
        writer.write(&response)?;
        return Ok(None);
    }
    let transfer = writer.begin_open(&response)?;
    let opening = columns.get(HEAD_COLUMNS).copied().flatten();
    Ok(Some(Rows::new(
        statement,
        frame,
        transfer,
        opening.unwrap_or_default(),
        first == FirstRow::Row,
    )))
}

pub(super) fn database_error(error: ServerError) -> DatabaseError {
    DatabaseError {
        code: error.code,
        message: error.message,
        detail: error.detail,
        hint: error.hint,
        authenticated: false,
    }
}

/// A connection that is lost tells nothing about a write that was on its way: the client must know
/// that it may have happened.
pub(super) fn api_error(error: &Error, access: AccessMode) -> ApiError {
    match error {
        Error::Connect(error) => ApiError::DatabaseConnection {
            details: Some(error.to_string()),
        },
        Error::Unsuited(error) => ApiError::DatabaseConnection {
            details: Some(error.message.clone()),
        },
        Error::Lost { .. } | Error::Protocol(_) if access == AccessMode::ReadWrite => {
            ApiError::DatabaseClient {
                details: Some(format!("{error}; {UNKNOWN_OUTCOME}")),
            }
        }
        Error::Lost { .. }
        | Error::NotBegun { .. }
        | Error::Protocol(_)
        | Error::Server(_)
        | Error::Outdated { .. } => ApiError::DatabaseClient {
            details: Some(error.to_string()),
        },
        Error::Encode(_) | Error::SurplusRow => ApiError::Internal {
            details: error.to_string(),
        },
    }
}
