//! A body on its way into PostgreSQL, part by part, in one transaction.
//!
//! ```text
//! first part ──begin──▶ open ──take: a part──▶ PostgreSQL works on it, while the next one comes
//!                         ▲                          │ take: waits for it, and sends the next
//!                         └──────────────────────────┘
//!      the last part ──end──▶ COMMIT     anything else ──abandon──▶ ROLLBACK
//! ```
//! Between the parts the client rests like any other, with the connection put aside for it. A
//! thread has it in hand only while it sends a part, or waits for PostgreSQL to have written the
//! one before.
//!
//! Invariant: whoever ends an upload has the connection's core: a client rests at that
//! ([`Upload::core`]), so that a thread waits only for connections of its own core.

use crate::log;
use crate::observing::Exchange;
use crate::serving::answer::{CONNECTIONS_MAX, api_error, database_error};
use crate::serving::answer::{take_position, timeline_of};
use crate::serving::desk::Host;
use crate::serving::grant::{Grant, HeldPlace};
use crate::state::snapshot::Snapshot;
use crate::sync::{Mutant, in_simulation, is_mutant};
use corerest_api::{AccessMode, Batch, DatabaseError, Error as ApiError, Pending, Position};
use corerest_api::{Intake, PartAnswers, PartEnd, RECORD_BYTES_MAX, Records, Response};
use corerest_api::{ask_position, finish_upload, rollback};
use corerest_pg::{Connection, Error, Lease, Reply, RequestBody, Retry, Sink};
use corerest_sql::Statement;
use std::sync::Arc;

/// How much of a body is a part.
pub(crate) const PART_BYTES: usize = in_simulation(512, corerest_api::PART_BYTES);

/// What an upload begins with: the first part was read, and PostgreSQL was not asked.
pub(crate) struct FirstPart {
    pub(crate) intake: Box<Intake>,
    /// What was read of it, and how long that is.
    pub(crate) records: Records,
    pub(crate) bytes: usize,
    /// One of the few uploads at a time.
    pub(crate) place: HeldPlace,
}

/// An upload that has begun.
pub(crate) struct Upload {
    /// What it was prepared with.
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) batch: Batch,
    pub(crate) pending: Pending,
    pub(crate) exchange: Exchange,
    grant: Grant,
    core: usize,
    intake: Box<Intake>,
    answers: PartAnswers,
    /// What PostgreSQL is writing.
    flight: Option<Records>,
    /// Given back after the connection: fields are dropped in their order.
    _place: HeldPlace,
}

/// What has become of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// So many bytes of it are with PostgreSQL.
    Bytes(usize),
    /// It holds no whole record, and has to be longer than this.
    Wants(usize),
}

/// Why an upload ends before its body does, or in spite of it.
pub(crate) enum Failure {
    /// PostgreSQL has refused records, or what came before or after them.
    Database(Box<DatabaseError>),
    /// The connection was lost.
    Connection(Error, AccessMode),
    /// Something else is wrong.
    Refused(ApiError),
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Failure {
        Failure::Refused(error)
    }
}

impl Failure {
    /// Nothing of the upload is left, whatever has become of the connection.
    fn of(error: Error) -> Failure {
        Failure::Connection(error, AccessMode::ReadOnly)
    }

    /// The same, if it was the server's last word: that is not about any record.
    fn at_end_of_session(self) -> Failure {
        let Failure::Database(last_word) = self else {
            return self;
        };
        log::api_error(&ApiError::Database(*last_word));
        let details = Some("no connection to the server\n".to_owned());
        let error = ApiError::DatabaseClient { details };
        log::api_error(&error);
        Failure::Refused(error)
    }

    /// The response that tells.
    pub(crate) fn response(self, host: &dyn Host, pending: &Pending) -> Response {
        let error = match self {
            Failure::Database(error) => {
                let response = pending.database_error((*error).clone());
                if response.status >= 500 {
                    log::api_error(&ApiError::Database(*error));
                }
                return response;
            }
            Failure::Connection(error, access) => {
                host.health().suspect();
                let error = api_error(&error, access);
                log::api_error(&error);
                error
            }
            Failure::Refused(error) => error,
        };
        pending.error(&error)
    }
}

impl Upload {
    /// Begins the transaction with the first part, and waits until PostgreSQL has written it: if a
    /// connection is dead, or a statement outdated, that shows now, and the part is still here.
    ///
    /// # Errors
    /// Nothing is left of it.
    pub(crate) fn begin(
        host: &dyn Host,
        mut grant: Grant,
        core: usize,
        snapshot: &Arc<Snapshot>,
        (batch, pending): (&Batch, &Pending),
        first: FirstPart,
        (part, exchange): (&[u8], Exchange),
    ) -> Result<Upload, Failure> {
        let text = &part[..first.bytes];
        let answers = send_first(host, &mut grant.lease, batch, &first, text);
        let answers = answers.inspect_err(|failure| match failure {
            Failure::Connection(..) => grant.lease.reset(),
            Failure::Database(_) | Failure::Refused(_) => settle_failed(&mut grant.lease, batch),
        })?;
        Ok(Upload {
            snapshot: Arc::clone(snapshot),
            batch: batch.clone(),
            pending: pending.clone(),
            exchange,
            grant,
            core,
            intake: first.intake,
            answers,
            flight: None,
            _place: first.place,
        })
    }

    /// The core whose connection it has.
    pub(crate) fn core(&self) -> usize {
        self.core
    }

    /// The connection.
    pub(crate) fn lease(&mut self) -> &mut Lease {
        &mut self.grant.lease
    }

    /// Sends the whole records of a part, or the first of them, when PostgreSQL has written those
    /// before.
    ///
    /// # Errors
    /// The upload is to be [abandoned](Upload::abandon).
    pub(crate) fn take(&mut self, part: &[u8], end: PartEnd) -> Result<Taken, Failure> {
        let count = self.intake.cut(part, end);
        if count == 0 && end == PartEnd::Open {
            return match part.len() > RECORD_BYTES_MAX {
                true => Err(self.intake.too_long(RECORD_BYTES_MAX).into()),
                false => Ok(Taken::Wants((2 * part.len()).min(RECORD_BYTES_MAX))),
            };
        }
        let text = &part[..count];
        // It is looked at while PostgreSQL writes.
        let records = self.intake.read(text)?;
        let taken = records.text_bytes();
        self.land()?;
        if records.count > 0 {
            let convert = |sink: &mut Sink<'_>| self.intake.write(text, &records, sink);
            let body = RequestBody::Converted {
                bytes: records.parameter_bytes,
                write: &convert,
            };
            let connection = self.grant.lease.connection();
            let sent = connection.send_open(self.batch.part_flight(), body);
            sent.map_err(Failure::of)?;
            self.flight = Some(records);
        }
        Ok(Taken::Bytes(taken))
    }

    /// Waits until PostgreSQL has written what it was sent.
    fn land(&mut self) -> Result<(), Failure> {
        let Some(records) = self.flight.take() else {
            return Ok(());
        };
        let connection = self.grant.lease.connection();
        read_part(connection, 0, &mut self.answers, &records)
    }

    /// Ends the transaction behind the last part, and says where the log ends behind it, if that
    /// is to be told.
    ///
    /// # Errors
    /// The upload is to be [abandoned](Upload::abandon).
    pub(crate) fn end(&mut self) -> Result<(Response, Option<Position>), Failure> {
        self.land()?;
        if let Some(error) = self.answers.refuse(&self.pending) {
            return Err(error.into());
        }
        let connection = self.grant.lease.connection();
        if self.batch.tells_position {
            connection.ask_behind(ask_position());
        }
        let position = send_last(connection, &self.batch)?;
        let answers = std::mem::take(&mut self.answers);
        Ok((finish_upload(&self.pending, answers), position))
    }

    /// Leaves nothing of it.
    pub(crate) fn abandon(mut self) {
        if is_mutant(Mutant::LostUploadIsWritten) {
            return drop(self.end());
        }
        let lease = &mut self.grant.lease;
        if self.flight.take().is_some() && !lease.connection().is_broken() {
            if let Err(error) = lease.cancel() {
                log::warn(&format!("Cannot cancel a query: {error}"));
            }
            if read_away(lease.connection()).is_err() {
                return lease.reset();
            }
        }
        settle_failed(lease, &self.batch);
    }
}

/// Sends the first part until there is an answer, as long as that is safe.
fn send_first(
    host: &dyn Host,
    lease: &mut Lease,
    batch: &Batch,
    first: &FirstPart,
    text: &[u8],
) -> Result<PartAnswers, Failure> {
    let FirstPart {
        intake, records, ..
    } = first;
    let convert = |sink: &mut Sink<'_>| intake.write(text, records, sink);
    let body = RequestBody::Converted {
        bytes: records.parameter_bytes,
        write: &convert,
    };
    if lease.connection().is_stale() {
        lease
            .reconnect()
            .map_err(|error| Failure::of(error.into()))?;
    }
    let mut is_prepared_anew = false;
    let mut connections = 1;
    loop {
        let mut answers = PartAnswers::default();
        let connection = lease.connection();
        let read = match connection.send_open(batch.first_flight(), body) {
            Ok(()) => read_part(connection, batch.main.statement, &mut answers, records),
            Err(error) => Err(Failure::of(error)),
        };
        let error = match read {
            Ok(()) => return Ok(answers),
            Err(Failure::Connection(error, _)) => error,
            Err(failure) => return Err(failure),
        };
        match error.retry() {
            Retry::SameConnection if !is_prepared_anew => is_prepared_anew = true,
            Retry::OtherConnection if connections < CONNECTIONS_MAX => {
                lease
                    .reconnect()
                    .map_err(|error| Failure::of(error.into()))?;
                host.health().look_again();
                connections += 1;
            }
            Retry::SameConnection | Retry::OtherConnection | Retry::IfReadOnly | Retry::Never => {
                return Err(Failure::of(error));
            }
        }
    }
}

/// Reads what PostgreSQL has to say to a part, with this main statement.
fn read_part(
    connection: &mut Connection,
    main: usize,
    answers: &mut PartAnswers,
    records: &Records,
) -> Result<(), Failure> {
    let mut failed = None;
    loop {
        match connection.next_reply().map_err(Failure::of)? {
            Reply::Row(row) if row.statement == main => answers.note(row.columns)?,
            Reply::Row(_) | Reply::Settled => {}
            Reply::Failed(error) => {
                let mut error = database_error(error);
                let where_it_is = format!("It is about {records} of the body");
                error.hint = Some(match error.hint {
                    Some(hint) => format!("{hint} ({where_it_is})"),
                    None => where_it_is,
                });
                failed = Some(Failure::Database(Box::new(error)));
            }
            Reply::Done => return failed.map_or(Ok(()), Err),
        }
        if connection.is_broken()
            && let Some(failure) = failed
        {
            return Err(failure.at_end_of_session());
        }
    }
}

/// Sends what ends the transaction, and reads what PostgreSQL has to say to it.
fn send_last(connection: &mut Connection, batch: &Batch) -> Result<Option<Position>, Failure> {
    // Whether it was committed is unknown if the connection is lost from here on.
    let lost = |error| Failure::Connection(error, AccessMode::ReadWrite);
    let statements = batch.last_flight();
    match batch.resets_session {
        true => connection.send_and_reset(statements, RequestBody::NONE),
        false => connection.send(statements, RequestBody::NONE),
    }
    .map_err(lost)?;
    let mut failed = None;
    let mut is_settled = false;
    let mut position = None;
    loop {
        let reply = match connection.next_reply() {
            // What was asked for is done, and only where the log ends is not known.
            Err(_) if is_settled => return Ok(None),
            reply => reply.map_err(lost)?,
        };
        match reply {
            Reply::Settled => is_settled = true,
            Reply::Row(row) if is_settled => {
                let timeline = timeline_of(row);
                position = take_position(connection, &timeline).map_err(lost)?;
            }
            Reply::Row(_) => {}
            Reply::Failed(_) if is_settled => {}
            Reply::Failed(error) => {
                failed = Some(Failure::Database(Box::new(database_error(error))));
            }
            Reply::Done => {
                return match failed {
                    Some(failure) => Err(failure),
                    None => Ok(position),
                };
            }
        }
        if connection.is_broken()
            && let Some(failure) = failed
        {
            return Err(failure.at_end_of_session());
        }
    }
}

/// Brings a connection in order on which nothing of an upload is to stay.
fn settle_failed(lease: &mut Lease, batch: &Batch) {
    let rollback = [rollback()];
    let connection = lease.connection();
    let statements: &[Statement] = match (connection.is_open(), connection.is_idle()) {
        (true, _) => &rollback,
        (false, true) if batch.resets_session => &[],
        (false, true) => return,
        (false, false) => return lease.reset(),
    };
    let sent = match batch.resets_session {
        true => connection.send_and_reset(statements, RequestBody::NONE),
        false => connection.send(statements, RequestBody::NONE),
    };
    if sent.and_then(|()| read_away(connection)).is_err() {
        lease.reset();
    }
}

/// Reads replies that nobody wants, to the end of the batch.
fn read_away(connection: &mut Connection) -> Result<(), Error> {
    while !matches!(connection.next_reply()?, Reply::Done) {
        if connection.is_broken() {
            return Ok(());
        }
    }
    Ok(())
}
