//! The row that a main statement answers with: counts, what SQL says about the response, and the
//! rows as a body.
//!
//! `json_agg` over a subquery is the fastest way to a JSON array that was measured (1,000 rows:
//! 2.15 ms; `array_to_json` 2.9, `string_agg` 2.8, one row each 2.6).

use super::rows::write_number;
use crate::plan::{Negotiated, Representation, RowsCheck, WRONG_ROWS};
use crate::request::media_type::{Nulls, PlanFormat, PlanMediaType, PlanOption};
use crate::request::payload::Content;
use corerest_sql::{ConstSql, SqlBuf, sql, sql_text};

/// For a statement without columns of its own.
pub(super) const NOTHING_MORE: Option<fn(&mut SqlBuf)> = None;

/// What a row of the answer is.
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

/// Appends `EXPLAIN`, if the plan of the statement is asked for.
pub(super) fn write_explain(out: &mut SqlBuf, plan: Option<&PlanMediaType>) {
    let Some(plan) = plan else {
        return;
    };
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
pub(super) fn write_page(out: &mut SqlBuf, kind: RowKind, check: &RowsCheck) {
    if check.is_nothing() {
        write_rows_count(out, kind);
    } else {
        sql!(out, "CASE WHEN ");
        if check.one.is_some() {
            write_rows_count(out, kind);
            sql!(out, " = 1");
        }
        if let Some(rows) = check.at_most {
            if check.one.is_some() {
                sql!(out, " AND ");
            }
            write_rows_count(out, kind);
            sql!(out, " <= ");
            write_number(out, i128::from(rows));
            sql!(out, "::bigint");
        }
        sql!(out, " THEN ");
        write_rows_count(out, kind);
        sql!(out, " ELSE (");
        out.param(Some(WRONG_ROWS.as_bytes()));
        sql!(out, "::text || ");
        write_rows_count(out, kind);
        sql!(out, ")::bigint END");
    }
    sql!(out, " AS page, ");
}

/// A count of the row variable, for a bare `count(*)` lets PostgreSQL drop the columns of the
/// subquery, and with them the errors of casts and functions that HEAD must show like GET.
pub(super) fn write_rows_count(out: &mut SqlBuf, kind: RowKind) {
    out.constant(match kind {
        RowKind::Row | RowKind::Value => sql_text!("pg_catalog.count(_row)"),
        RowKind::OnlyRow | RowKind::OnlyValue => sql_text!("1::bigint"),
    });
}

/// Appends the settings, what `write_more` appends, and the body.
pub(super) fn write_settings_and_body(
    out: &mut SqlBuf,
    kind: RowKind,
    negotiated: &Negotiated<'_>,
    write_more: Option<impl FnOnce(&mut SqlBuf)>,
) {
    let settings = sql_text!(
        "nullif(current_setting('response.headers', true), '') AS headers, \
         nullif(current_setting('response.status', true), '') AS status"
    );
    let write_more = |out: &mut SqlBuf| {
        if let Some(write_more) = write_more {
            write_more(out);
            sql!(out, ", ");
        }
    };
    let write_body = |out: &mut SqlBuf| {
        write_body(out, kind, negotiated.representation);
        sql!(out, " AS body");
    };
    if negotiated.plan.is_some() {
        // Parity: in an execution plan the body comes before the settings (PlanSpec).
        write_more(out);
        write_body(out);
        sql!(out, ", ");
        out.constant(settings);
    } else {
        out.constant(settings);
        sql!(out, ", ");
        write_more(out);
        write_body(out);
    }
}

/// Appends ` FROM (…) _row` with the rows that `write` appends.
///
/// CSV reads one row twice, for its first line has the columns' names. Its rows have a name of
/// their own, which [`write_named_rows`] gave them.
pub(super) fn write_from_rows(
    out: &mut SqlBuf,
    representation: Representation<'_>,
    write: impl FnOnce(&mut SqlBuf),
) {
    if representation == Representation::Csv {
        sql!(out, " FROM _rows AS _row");
    } else {
        sql!(out, " FROM (");
        write(out);
        sql!(out, ") _row");
    }
}

/// Appends `_rows AS (…)` if the body needs it.
pub(super) fn write_named_rows(
    out: &mut SqlBuf,
    separator: ConstSql,
    representation: Representation<'_>,
    write: impl FnOnce(&mut SqlBuf),
) {
    if representation == Representation::Csv {
        out.constant(separator);
        sql!(out, "_rows AS (");
        write(out);
        sql!(out, ") ");
    }
}

/// Appends what the body of the request became as a parameter.
pub(super) fn write_content(out: &mut SqlBuf, content: &Content<'_>) {
    if content.is_request_body() {
        out.param_request_body();
    } else {
        out.param_with(|value| content.write(value));
    }
}

fn write_body(out: &mut SqlBuf, kind: RowKind, representation: Representation<'_>) {
    match representation {
        Representation::Json(nulls) => match kind {
            RowKind::Row => write_array(out, nulls, sql_text!("json_agg(_row)")),
            RowKind::Value => write_array(out, nulls, sql_text!("json_agg(_row.pgrst_scalar)")),
            RowKind::OnlyRow | RowKind::OnlyValue => write_object(out, kind, nulls),
        },
        Representation::Object(nulls) => write_object(out, kind, nulls),
        Representation::Csv => sql!(
            out,
            "(SELECT coalesce(string_agg(name, ','), '') FROM \
             (SELECT json_object_keys(row_to_json(_first)) AS name FROM \
             (SELECT * FROM _rows LIMIT 1) AS _first) AS _names) || E'\\n' || \
             coalesce(string_agg(left(right(_row::text, -1), -1), E'\\n'), '')"
        ),
        Representation::GeoJson => sql!(
            out,
            "json_build_object('type', 'FeatureCollection', \
             'features', coalesce(json_agg(ST_AsGeoJSON(_row)::json), '[]'))"
        ),
        Representation::Custom(handler) => {
            out.name(&handler.function);
            match (&handler.target, kind) {
                (_, RowKind::OnlyValue) => sql!(out, "(_row.pgrst_scalar)"),
                (None, _) => sql!(out, "(_row)"),
                (Some(target), _) => {
                    sql!(out, "(_row::");
                    out.name(target);
                    sql!(out, ")");
                }
            }
        }
        Representation::Nothing => sql!(out, "''::text"),
    }
}

fn write_array(out: &mut SqlBuf, nulls: Nulls, rows: ConstSql) {
    sql!(out, "coalesce(");
    write_stripped(out, nulls, |out| out.constant(rows));
    sql!(out, ", '[]')");
}

fn write_object(out: &mut SqlBuf, kind: RowKind, nulls: Nulls) {
    sql!(out, "coalesce(");
    write_stripped(out, nulls, |out| {
        out.constant(match kind {
            RowKind::OnlyValue => sql_text!("json_agg(_row.pgrst_scalar)->0"),
            RowKind::Row | RowKind::OnlyRow | RowKind::Value => sql_text!("json_agg(_row)->0"),
        });
    });
    sql!(out, ", 'null')");
}

fn write_stripped(out: &mut SqlBuf, nulls: Nulls, write: impl FnOnce(&mut SqlBuf)) {
    match nulls {
        Nulls::Kept => write(out),
        Nulls::Stripped => {
            sql!(out, "json_strip_nulls(");
            write(out);
            sql!(out, ")");
        }
    }
}
