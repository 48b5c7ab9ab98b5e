//! Reads: the statement whose rows are a table's, and the counts beside it: of the page, of all
//! rows there would be, or the planner's guess.

use super::answer::{Answer, CheckTime, MainStatement, RowKind, write_page, write_rows_count};
use super::body::{
    NOTHING_MORE, write_each_row, write_from_rows, write_named_rows, write_settings_and_body,
};
use super::rows::{write_counted_rows, write_number, write_root_rows, write_rows};
use super::settings::Overrides;
use crate::plan::{Frame, Negotiated, ReadPlan, RowsCheck};
use crate::request::preferences::CountPreference;
use corerest_sql::{SqlBuf, Statement, sql, sql_text};

/// What is counted besides the rows of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    /// What the client prefers.
    pub(crate) preference: Option<CountPreference>,
    /// `db-max-rows`: with `count=estimated` no more than one row beyond it is counted.
    pub(crate) rows_max: Option<i64>,
}

/// The main statement of a read.
pub(crate) fn write_read(
    plan: &ReadPlan<'_>,
    negotiated: &Negotiated<'_>,
    count: Count,
    overrides: Overrides,
) -> MainStatement {
    if let Some(frame) = negotiated.frame {
        return write_rows_one_by_one(plan, negotiated, count, overrides, frame);
    }
    let (mut out, answer) = MainStatement::begin(negotiated.plan.as_ref());
    let kind = RowKind::Row;
    let write_answer = |out: &mut SqlBuf| match &negotiated.plan {
        // Parity: the plan that is shown is that of the rows as they are asked for.
        Some(_) => write_rows(out, plan),
        None => write_root_rows(out, plan),
    };
    write_named_rows(&mut out, sql_text!("WITH "), kind, negotiated, write_answer);
    sql!(out, "SELECT ");
    write_total(&mut out, plan, kind, answer, negotiated, count);
    sql!(out, " AS total, ");
    let check = RowsCheck::default();
    let aggregated = write_page(
        &mut out,
        kind,
        answer,
        negotiated,
        &check,
        CheckTime::WithRow,
    );
    write_settings_and_body(&mut out, kind, negotiated, overrides, NOTHING_MORE);
    write_from_rows(&mut out, kind, negotiated, write_answer);
    MainStatement::finish(out, aggregated)
}

/// The same, with rows that are sent as they come.
fn write_rows_one_by_one(
    plan: &ReadPlan<'_>,
    negotiated: &Negotiated<'_>,
    count: Count,
    overrides: Overrides,
    frame: Frame,
) -> MainStatement {
    let (mut out, _) = MainStatement::begin(None);
    sql!(out, "SELECT ");
    write_total_beside(&mut out, plan, count);
    sql!(out, " AS total, ");
    write_each_row(&mut out, RowKind::Row, negotiated, overrides, |out| {
        write_root_rows(out, plan)
    });
    MainStatement::finish_rows(out, frame)
}

/// The statement that asks the planner how many rows there are: `EXPLAIN (FORMAT JSON)`.
pub(crate) fn write_count_estimate(plan: &ReadPlan<'_>) -> Statement {
    let mut out = SqlBuf::new();
    sql!(out, "EXPLAIN (FORMAT JSON) ");
    write_counted_rows(&mut out, plan);
    out.finish()
}

/// Appends how many rows there would be without a limit, or NULL if nobody asked.
pub(super) fn write_total(
    out: &mut SqlBuf,
    plan: &ReadPlan<'_>,
    kind: RowKind,
    answer: Answer,
    negotiated: &Negotiated<'_>,
    count: Count,
) {
    match count.preference {
        None | Some(CountPreference::Planned) => sql!(out, "null::bigint"),
        // Without a limit the page is everything, and counting twice would be wasted.
        Some(_) if count.counts_page(plan) => write_rows_count(out, kind, answer, negotiated),
        Some(_) => write_total_beside(out, plan, count),
    }
}

/// Appends the same as a subquery, for rows that are not counted as they are sent.
pub(super) fn write_total_beside(out: &mut SqlBuf, plan: &ReadPlan<'_>, count: Count) {
    match count.preference {
        None | Some(CountPreference::Planned) => sql!(out, "null::bigint"),
        Some(preference) => {
            sql!(out, "(SELECT pg_catalog.count(*) FROM (");
            if count.counts_groups(plan) {
                write_rows(out, plan);
            } else {
                write_counted_rows(out, plan);
            }
            if let (CountPreference::Estimated, Some(rows_max)) = (preference, count.rows_max) {
                sql!(out, " LIMIT ");
                write_number(out, i128::from(rows_max) + 1);
            }
            sql!(out, ") _counted)");
        }
    }
}

impl Count {
    /// Whether rows are grouped, and the groups counted.
    ///
    /// Parity: with a range PostgREST counts the rows that are grouped.
    fn counts_groups(self, plan: &ReadPlan<'_>) -> bool {
        plan.is_aggregated() && self.counts_page(plan)
    }

    /// Whether the page is everything, so that its rows are what is counted.
    fn counts_page(self, plan: &ReadPlan<'_>) -> bool {
        self.rows_max.is_none() && plan.range.is_all()
    }
}
