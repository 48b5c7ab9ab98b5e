//! Which replies the server still owes us.
//!
//! A batch is written at once and answered later, so each reply has to be matched to the statement
//! it belongs to. The queue is filled while the batch is encoded and emptied by `on`.
//!
//! ```text
//!  push(..)             on(the reply in turn)    on(ReadyForQuery)
//! empty ──────▶ waiting ──────▶ waiting … ─────────────────▶ empty
//!                  │ on(ErrorResponse): what is due before the next ReadyForQuery is dropped
//!                  └──────────▶ failed ─────on(ReadyForQuery)──▶ empty
//!                               push(..) with no Sync due: not queued
//! ```
//! Invariant: a reply out of turn is a [`ProtocolViolation`]; the connection must then be dropped,
//! because nobody can tell any more whose rows come next.

use std::collections::VecDeque;

use super::backend::{Message, TransactionStatus};
use super::limits::EXPECTED_REPLIES_MAX;

/// The place of a statement in its batch, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatementIndex(pub u16);

/// One reply, or run of replies, that a message of ours will be answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The answer to Parse.
    ParseComplete,
    /// The answer to Bind.
    BindComplete,
    /// The answer to Describe of a portal: RowDescription or NoData.
    Description,
    /// The answer to Execute: rows, then CommandComplete, EmptyQueryResponse or PortalSuspended.
    Rows,
    /// The answer to Close.
    CloseComplete,
    /// The answer to Sync.
    ReadyForQuery,
}

/// What a message means for the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A notice, a notification or a changed setting: it belongs to no statement.
    Asynchronous,
    /// ParseComplete, BindComplete, CloseComplete, RowDescription or NoData of this statement.
    Acknowledged(StatementIndex),
    /// A row of this statement; more may follow.
    Row(StatementIndex),
    /// This statement has returned all of its rows.
    RowsComplete(StatementIndex),
    /// The batch failed at this statement; what comes next is ReadyForQuery.
    ///
    /// `None` if no statement is to blame: a deferred constraint that fails at Sync, or a second
    /// error, as when the session is terminated while the first one is reported.
    Failed(Option<StatementIndex>),
    /// The batch is over.
    Ready(TransactionStatus),
}

/// The server sent what nothing of ours can be answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolViolation {
    /// Something came although nothing was asked.
    Unsolicited,
    /// Another reply than this one was due.
    OutOfTurn(Expected),
}

impl std::fmt::Display for ProtocolViolation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ProtocolViolation::Unsolicited => f.write_str("the server sent an unasked reply"),
            ProtocolViolation::OutOfTurn(due) => {
                write!(f, "the server sent another reply than {due:?}")
            }
        }
    }
}

impl std::error::Error for ProtocolViolation {}

#[derive(Clone, Copy, Debug)]
struct Entry {
    expected: Expected,
    statement: StatementIndex,
}

/// The queue of replies due, oldest first.
#[derive(Debug, Default)]
pub struct ExpectedReplies {
    queue: VecDeque<Entry>,
    /// Set by an error, cleared by ReadyForQuery; then only that, or another error, may come.
    failed: bool,
}

impl ExpectedReplies {
    /// Notes that a message of `statement` was written whose answer is `expected`.
    ///
    /// After a flight that ended in Flush has failed, the server skips everything up to our next
    /// Sync. What is pushed before that Sync will not be answered, so it is not queued.
    ///
    /// # Panics
    ///
    /// If thousands of replies are outstanding: batches are written and never read.
    pub fn push(&mut self, statement: StatementIndex, expected: Expected) {
        assert!(
            self.queue.len() < EXPECTED_REPLIES_MAX,
            "batches are written without reading their replies"
        );
        let skipped = self.failed && self.queue.is_empty();
        if !skipped || expected == Expected::ReadyForQuery {
            self.queue.push_back(Entry {
                expected,
                statement,
            });
        }
        self.invariants();
    }

    /// Notes that a Sync was written.
    pub fn push_sync(&mut self) {
        self.push(StatementIndex(u16::MAX), Expected::ReadyForQuery);
    }

    /// Whether nothing is due, so that any byte is a surprise.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && !self.failed
    }

    /// Whether the batch failed and the session has not come back to ReadyForQuery.
    ///
    /// If no Sync was sent yet, one has to be: nothing else brings the session back.
    pub fn is_failed(&self) -> bool {
        self.failed
    }

    /// The reply that is due next, and the statement it belongs to.
    pub fn front(&self) -> Option<(Expected, StatementIndex)> {
        let entry = self.queue.front()?;
        Some((entry.expected, entry.statement))
    }

    /// Forgets everything, for a connection that is being replaced.
    pub fn clear(&mut self) {
        self.queue.clear();
        self.failed = false;
    }

    /// Takes in one message of the server.
    pub fn on(&mut self, message: &Message<'_>) -> Result<Step, ProtocolViolation> {
        if is_asynchronous(message) {
            return Ok(Step::Asynchronous);
        }
        let due = self.queue.front().copied();
        let step = match (due, message) {
            (Some(due), Message::ErrorResponse(_)) => self.on_error(due),
            (Some(due), _) => self.on_reply(due, message)?,
            (None, Message::ErrorResponse(_)) if self.failed => Step::Failed(None),
            (None, _) => return Err(ProtocolViolation::Unsolicited),
        };
        self.invariants();
        Ok(step)
    }

    /// Takes in a row whose last column is still arriving, as [`on`](Self::on) would the whole row.
    pub fn on_row(&mut self) -> Result<Step, ProtocolViolation> {
        match self.queue.front() {
            None => Err(ProtocolViolation::Unsolicited),
            Some(due) if due.expected == Expected::Rows => Ok(Step::Row(due.statement)),
            Some(due) => Err(ProtocolViolation::OutOfTurn(due.expected)),
        }
    }

    fn on_error(&mut self, due: Entry) -> Step {
        // The server skips every message up to the next Sync; those of a later batch it answers.
        while self
            .queue
            .front()
            .is_some_and(|entry| entry.expected != Expected::ReadyForQuery)
        {
            self.queue.pop_front();
        }
        self.failed = true;
        match due.expected {
            Expected::ReadyForQuery => Step::Failed(None),
            _ => Step::Failed(Some(due.statement)),
        }
    }

    fn on_reply(&mut self, due: Entry, message: &Message<'_>) -> Result<Step, ProtocolViolation> {
        let statement = due.statement;
        let step = match (due.expected, message) {
            (Expected::Rows, Message::DataRow(_)) => return Ok(Step::Row(statement)),
            (
                Expected::Rows,
                Message::CommandComplete(_)
                | Message::EmptyQueryResponse
                | Message::PortalSuspended,
            ) => Step::RowsComplete(statement),
            (Expected::ParseComplete, Message::ParseComplete)
            | (Expected::BindComplete, Message::BindComplete)
            | (Expected::CloseComplete, Message::CloseComplete)
            | (Expected::Description, Message::RowDescription(_) | Message::NoData) => {
                Step::Acknowledged(statement)
            }
            (Expected::ReadyForQuery, Message::ReadyForQuery(status)) => {
                self.failed = false;
                Step::Ready(*status)
            }
            (expected, _) => return Err(ProtocolViolation::OutOfTurn(expected)),
        };
        self.queue.pop_front();
        Ok(step)
    }

    /// A failed batch waits for ReadyForQuery and for nothing before it.
    fn invariants(&self) {
        let due = self.queue.front().map(|entry| entry.expected);
        debug_assert!(!self.failed || matches!(due, None | Some(Expected::ReadyForQuery)));
    }
}

fn is_asynchronous(message: &Message<'_>) -> bool {
    matches!(
        message,
        Message::NoticeResponse(_)
            | Message::ParameterStatus { .. }
            | Message::NotificationResponse { .. }
    )
}

#[cfg(test)]
#[path = "expected_tests.rs"]
mod tests;
