//! What `query` promises of the answer to a main statement, and the writer that keeps the promise.
//!
//! The server makes one response of one row. So a main statement has an aggregate and no `GROUP
//! BY` on its outside: whatever is left after filters, limits and joins, none or many, it answers
//! with one row. An execution plan is the exception: it has lines. Rows that are sent as they come
//! are another one: each has the columns of the one row, all but the body alike, and where there is
//! none, there is one without a body. So a head is always made of the first row.
//!
//! What the number of rows must be is checked by a statement, too ([`CheckTime`]).
//!
//! Invariant: a [`MainStatement`] is made by [`MainStatement::finish`] only, which wants an
//! [`Aggregated`], and that only [`write_page`] gives, which has written the aggregate; or by
//! [`MainStatement::finish_rows`].

use super::rows::write_number;
use crate::plan::{Frame, Negotiated, Representation, RowsCheck, WRONG_ROWS};
use crate::request::media_type::{PlanFormat, PlanMediaType, PlanOption};
use corerest_sql::{SqlBuf, Statement, sql, sql_text};

/// The main statement of a [`Batch`](super::Batch), and what it answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Main {
    /// Which of the statements it is.
    pub statement: usize,
    /// What it answers with, unless it fails.
    pub answer: Answer,
}

/// What the answer to a main statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Exactly one row: the columns of a [`ResultSet`](crate::response::ResultSet), and the body
    /// as the last one.
    OneRow,
    /// Rows of one column each, which are the lines of a text: an execution plan, or what there is
    /// to be said of a schema.
    Lines,
    /// At least one row, each with the columns of a [`ResultSet`](crate::response::ResultSet),
    /// perhaps with what stands before the rows as one column more, and one row of the body as the
    /// last one: NULL in the only row if there is none.
    Rows(Frame),
}

/// A main statement that answers as it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MainStatement {
    statement: Statement,
    answer: Answer,
    late_check: Option<LateCheck>,
}

/// When the number of rows is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckTime {
    /// When the main statement has ended: foreign keys and triggers speak behind its last row, and
    /// what they have to say comes first.
    BehindStatement,
    /// With the row of the main statement, which is all there is of it: what a function changes
    /// has been checked when it returns.
    WithRow,
    /// Behind the deferred constraints, where they speak because nothing is to stay.
    BehindDeferred,
}

/// A check that is a statement of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LateCheck {
    statement: Statement,
    time: CheckTime,
}

/// What a row is that the answer is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowKind {
    /// A row of a table, or of what a function returns a set of.
    Row,
    /// The one row that a function returns.
    OnlyRow,
    /// The one value that a function returns, in the column `pgrst_scalar`.
    OnlyValue,
    /// One of the values that a function returns a set of, in the column `pgrst_scalar`.
    Value,
}

/// The select list of a statement keeps what its answer is to be: for one row, it has an aggregate.
pub(super) struct Aggregated {
    answer: Answer,
    late_check: Option<LateCheck>,
}

impl MainStatement {
    /// Begins a statement, with `EXPLAIN` if its plan is asked for.
    pub(super) fn begin(plan: Option<&PlanMediaType>) -> (SqlBuf, Answer) {
        let mut out = SqlBuf::new();
        match plan {
            None => (out, Answer::OneRow),
            Some(plan) => {
                write_explain(&mut out, plan);
                (out, Answer::Lines)
            }
        }
    }

    /// Whether its rows are passed on as they come.
    pub(crate) fn is_streamed(&self) -> bool {
        matches!(self.answer, Answer::Rows(_))
    }

    /// Ends what was begun.
    pub(super) fn finish(out: SqlBuf, aggregated: Aggregated) -> MainStatement {
        MainStatement {
            statement: out.finish(),
            answer: aggregated.answer,
            late_check: aggregated.late_check,
        }
    }

    /// Ends a statement whose rows are sent one by one: all that [`write_each_row`] gives.
    ///
    /// [`write_each_row`]: super::body::write_each_row
    pub(super) fn finish_rows(out: SqlBuf, frame: Frame) -> MainStatement {
        MainStatement {
            statement: out.finish(),
            answer: Answer::Rows(frame),
            late_check: None,
        }
    }

    /// A statement whose rows are lines, however many there are.
    pub(super) fn of_lines(statement: Statement) -> MainStatement {
        MainStatement {
            statement,
            answer: Answer::Lines,
            late_check: None,
        }
    }

    /// Puts it behind the other statements of a batch. What is left comes behind the deferred
    /// constraints.
    pub(super) fn push_to(self, statements: &mut Vec<Statement>) -> (Main, Option<Statement>) {
        statements.push(self.statement);
        let main = Main {
            statement: statements.len() - 1,
            answer: self.answer,
        };
        match self.late_check {
            Some(check) if check.time == CheckTime::BehindDeferred => (main, Some(check.statement)),
            check => {
                statements.extend(check.map(|check| check.statement));
                (main, None)
            }
        }
    }
}

fn write_explain(out: &mut SqlBuf, plan: &PlanMediaType) {
    out.constant(match plan.format {
        PlanFormat::Json => sql_text!("EXPLAIN (FORMAT JSON"),
        PlanFormat::Text => sql_text!("EXPLAIN (FORMAT TEXT"),
    });
    for option in &plan.options {
        out.constant(match option {
            PlanOption::Analyze => sql_text!(", ANALYZE"),
            PlanOption::Verbose => sql_text!(", VERBOSE"),
            PlanOption::Settings => sql_text!(", SETTINGS"),
            PlanOption::Buffers => sql_text!(", BUFFERS"),
            PlanOption::Wal => sql_text!(", WAL"),
        });
    }
    sql!(out, ") ");
}

/// Appends the number of rows that are called `_row`, or an error if it is not what it must be.
/// Whatever the kind, it is an aggregate, if there is to be one row.
///
/// A check that is another statement finds the number in a setting.
pub(super) fn write_page(
    out: &mut SqlBuf,
    kind: RowKind,
    answer: Answer,
    negotiated: &Negotiated<'_>,
    check: &RowsCheck,
    time: CheckTime,
) -> Aggregated {
    let write_count = |out: &mut SqlBuf| write_rows_count(out, kind, answer, negotiated);
    let late_check = match time {
        _ if check.is_nothing() => {
            write_count(out);
            None
        }
        CheckTime::WithRow => {
            write_checked(out, check, write_count);
            None
        }
        CheckTime::BehindStatement | CheckTime::BehindDeferred => {
            sql!(out, "pg_catalog.set_config('corerest.rows', ");
            write_count(out);
            sql!(out, "::pg_catalog.text, true)::bigint");
            let statement = late_check(check);
            Some(LateCheck { statement, time })
        }
    };
    sql!(out, " AS page, ");
    Aggregated { answer, late_check }
}

fn late_check(check: &RowsCheck) -> Statement {
    let mut out = SqlBuf::new();
    sql!(out, "SELECT ");
    write_checked(&mut out, check, |out| {
        sql!(out, "pg_catalog.current_setting('corerest.rows')::bigint");
    });
    out.finish()
}

/// Appends a number, or an error if it is not what it must be.
fn write_checked(out: &mut SqlBuf, check: &RowsCheck, write_count: impl Fn(&mut SqlBuf)) {
    sql!(out, "CASE WHEN ");
    if check.one.is_some() {
        write_count(out);
        sql!(out, " OPERATOR(pg_catalog.=) 1");
    }
    if let Some(rows) = check.at_most {
        if check.one.is_some() {
            sql!(out, " AND ");
        }
        write_count(out);
        sql!(out, " OPERATOR(pg_catalog.<=) ");
        write_number(out, i128::from(rows));
        sql!(out, "::bigint");
    }
    sql!(out, " THEN ");
    write_count(out);
    sql!(out, " ELSE (");
    out.param(Some(WRONG_ROWS.as_bytes()));
    sql!(out, "::pg_catalog.text OPERATOR(pg_catalog.||) ");
    write_count(out);
    sql!(out, ")::bigint END");
}

/// Without a body a count of the row variable, for a bare `count(*)` lets PostgreSQL drop the
/// columns of the subquery, and with them the errors of casts and functions that HEAD must show.
/// With one, whose aggregate reads all columns, the rows need not be put together twice.
///
/// What a function returns one of counts as one, be it filtered out or joined to several.
///
/// Parity: PostgREST has a plain `1` there, which lets PostgreSQL drop the columns, too: HEAD does
/// not call a stable function for its value. In an execution plan the `1` is as it is there.
pub(super) fn write_rows_count(
    out: &mut SqlBuf,
    kind: RowKind,
    answer: Answer,
    negotiated: &Negotiated<'_>,
) {
    let is_read = negotiated.representation != Representation::Nothing;
    out.constant(match (kind, answer) {
        (RowKind::Row | RowKind::Value, Answer::OneRow) if is_read => {
            sql_text!("pg_catalog.count(*)")
        }
        (RowKind::Row | RowKind::Value, _) => sql_text!("pg_catalog.count(_row)"),
        (RowKind::OnlyRow | RowKind::OnlyValue, Answer::OneRow) => {
            sql_text!("(CASE WHEN pg_catalog.count(*) IS NULL THEN 0 ELSE 1 END)::bigint")
        }
        (RowKind::OnlyRow | RowKind::OnlyValue, Answer::Lines | Answer::Rows(_)) => {
            sql_text!("1::bigint")
        }
    });
}
