//! The statements of a request, put together to one transaction.
//!
//! Everything between two `Sync`s is one implicit transaction of PostgreSQL: it commits at the
//! `Sync` and rolls back at any error, so that a plain request needs no BEGIN and no COMMIT.
//! Only a transaction that must end in a rollback, or wants another isolation level or access than
//! the session's default, says so itself.
//!
//! Source: PostgreSQL's documentation, 55.2.3 "Extended Query" and 55.2.4 "Pipelining".

use super::answer::{Answer, Main, MainStatement};
use super::settings::{AccessMode, Overrides};
use crate::catalog::{IsolationLevel, TransactionDefaults};
use crate::position::Position;
use crate::request::payload::BodyForm;
use corerest_config::FunctionName;
use corerest_sql::{Ident, Param, QualifiedName, SqlBuf, SqlText, Statement, sql, sql_text};

/// The statements of one transaction, sent in one write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// In the order in which they are executed.
    pub statements: Vec<Statement>,
    /// Which of them makes the settings.
    pub settings: usize,
    /// Which of them gives what the response is made of, and as what.
    pub main: Main,
    /// Which of them asks the planner for a number of rows, if one does.
    pub estimate: Option<usize>,
    /// Whether it may be sent a second time when its connection turns out to be dead.
    pub access: AccessMode,
    /// In what form the body of the request is a parameter, if it is one.
    pub body: BodyForm,
    /// Whether nothing that it does is to stay.
    pub is_rolled_back: bool,
    /// Whether its session is to be put in order behind it.
    pub resets_session: bool,
    /// Whether it promises to change nothing, so that nobody minds if it is carried out twice.
    pub(crate) is_repeatable: bool,
    /// What its settings are made for.
    pub(crate) overrides: Overrides,
    /// Whether the rows of a relation are passed on as they come.
    pub(crate) is_streamed: bool,
    /// Which servers can carry it out.
    pub reach: Reach,
    /// What a server must have replayed that carries it out.
    pub after: Option<Position>,
    /// Whether its client wants to know where the log ends behind it.
    pub tells_position: bool,
}

/// Which servers can carry out a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The primary.
    Primary,
    /// Any replica, too.
    Replica,
    /// The same, but for a replica that must have replayed something: the whole transaction sees
    /// what its first statement has seen, and nothing can be asked before that.
    ReplicaAsItIs,
}

/// How a transaction ends when nothing fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransactionEnd {
    /// What was written stays.
    Commit,
    /// Nothing stays: `Prefer: tx=rollback`, or `db-tx-end`.
    Rollback,
}

/// The statements of a request, before they are in order.
pub(crate) struct Parts {
    pub(crate) settings: Statement,
    pub(crate) pre_request: Option<Statement>,
    pub(crate) estimate: Option<Statement>,
    pub(crate) main: MainStatement,
    pub(crate) access: AccessMode,
    pub(crate) body: BodyForm,
    pub(crate) end: TransactionEnd,
    pub(crate) isolation: IsolationLevel,
    /// How a transaction begins that does not say otherwise.
    pub(crate) defaults: TransactionDefaults,
    /// Whether it is explicit in any case.
    pub(crate) is_explicit: bool,
    pub(crate) resets_session: bool,
    pub(crate) is_repeatable: bool,
    pub(crate) overrides: Overrides,
    pub(crate) is_streamed: bool,
    /// Whether it may be carried out by a replica, for all that it does.
    pub(crate) is_replicable: bool,
    pub(crate) tells_position: bool,
}

impl Parts {
    /// A standby knows no serializable transactions; and whoever rolls back wants to try something.
    fn reach(&self) -> Reach {
        match self.isolation {
            _ if !self.is_replicable || self.end == TransactionEnd::Rollback => Reach::Primary,
            IsolationLevel::Serializable => Reach::Primary,
            IsolationLevel::RepeatableRead => Reach::ReplicaAsItIs,
            IsolationLevel::ReadCommitted => Reach::Replica,
        }
    }

    /// Whether an implicit transaction is not what is wanted.
    fn is_explicit(&self) -> bool {
        let other_access = self.defaults.read_only && self.access == AccessMode::ReadWrite;
        self.is_explicit
            || self.end == TransactionEnd::Rollback
            || self.isolation != self.defaults.isolation
            || other_access
    }

    fn begin(&self) -> Statement {
        let mut out = SqlBuf::new();
        out.constant(match self.isolation {
            IsolationLevel::ReadCommitted => sql_text!("BEGIN ISOLATION LEVEL READ COMMITTED"),
            IsolationLevel::RepeatableRead => sql_text!("BEGIN ISOLATION LEVEL REPEATABLE READ"),
            IsolationLevel::Serializable => sql_text!("BEGIN ISOLATION LEVEL SERIALIZABLE"),
        });
        // A standby refuses READ WRITE at once, and not with the error that its clients know.
        if self.defaults.read_only && self.access == AccessMode::ReadWrite {
            sql!(out, " READ WRITE");
        }
        out.finish()
    }
}

impl Batch {
    /// Puts the statements of a request in order.
    ///
    /// The estimate comes before the main statement, so that all numbers of the response's head
    /// are known when the body begins to arrive.
    pub(crate) fn assemble(parts: Parts) -> Batch {
        let mut statements = Vec::with_capacity(7);
        let is_explicit = parts.is_explicit();
        let reach = parts.reach();
        if is_explicit {
            statements.push(parts.begin());
        }
        let settings = statements.len();
        statements.push(parts.settings);
        statements.extend(parts.pre_request);
        let estimate = parts.estimate.map(|statement| {
            statements.push(statement);
            statements.len() - 1
        });
        let (main, late_check) = parts.main.push_to(&mut statements);
        if parts.end == TransactionEnd::Rollback {
            // A rollback would hide what deferred constraints have to say.
            statements.push(check_deferred_constraints());
        }
        statements.extend(late_check);
        match parts.end {
            TransactionEnd::Rollback => statements.push(rollback()),
            TransactionEnd::Commit if is_explicit => statements.push(commit()),
            TransactionEnd::Commit => {}
        }
        Batch {
            statements,
            settings,
            main,
            estimate,
            access: parts.access,
            body: parts.body,
            is_rolled_back: parts.end == TransactionEnd::Rollback,
            resets_session: parts.resets_session,
            is_repeatable: parts.is_repeatable,
            overrides: parts.overrides,
            is_streamed: parts.is_streamed,
            reach,
            after: None,
            tells_position: parts.tells_position,
        }
    }

    /// Whether it may be one of several in one flight: a read that may be carried out twice; in an
    /// implicit transaction, so that nothing is left open when it fails; and with one row.
    pub fn can_go_together(&self) -> bool {
        self.is_repeatable
            && self.access == AccessMode::ReadOnly
            && self.settings == 0
            && !self.is_rolled_back
            && self.main.answer == Answer::OneRow
            && self.estimate.is_none()
            && self.sends_body_as_it_came()
            && !self.resets_session
            && !self.tells_position
            && self.after.is_none()
    }

    /// Whether its body is no parameter, or one that is not converted.
    fn sends_body_as_it_came(&self) -> bool {
        let mut params = self.statements.iter().flat_map(|it| it.params.iter());
        self.body.converted_bytes().is_none() || !params.any(|it| it == Param::RequestBody)
    }

    /// How many bytes are held for it.
    pub fn bytes(&self) -> usize {
        let of_statement = |it: &Statement| it.text.as_str().len() + it.params.bytes();
        self.statements.iter().map(of_statement).sum()
    }

    /// Whether it finds its settings where those of an earlier one stay in the session, too: none
    /// of the database's own code runs, which could change them, or look how they were made.
    pub(crate) fn can_find_settings(&self) -> bool {
        self.overrides == Overrides::Impossible && self.can_go_together()
    }

    /// The texts, for the log.
    pub fn texts(&self) -> impl Iterator<Item = &SqlText> {
        self.statements.iter().map(|statement| &statement.text)
    }
}

/// The call of `db-pre-request`.
pub(crate) fn write_pre_request(function: &FunctionName) -> Statement {
    let name = Ident::before_nul(&function.name);
    let schema = function.schema.as_deref().map(Ident::before_nul);
    let mut out = SqlBuf::new();
    sql!(out, "SELECT ");
    out.name(&QualifiedName { schema, name });
    sql!(out, "()");
    out.finish()
}

fn commit() -> Statement {
    let mut out = SqlBuf::new();
    sql!(out, "COMMIT");
    out.finish()
}

fn check_deferred_constraints() -> Statement {
    let mut out = SqlBuf::new();
    sql!(out, "SET CONSTRAINTS ALL IMMEDIATE");
    out.finish()
}

/// What ends a transaction of which nothing is to stay.
pub fn rollback() -> Statement {
    let mut out = SqlBuf::new();
    sql!(out, "ROLLBACK");
    out.finish()
}
