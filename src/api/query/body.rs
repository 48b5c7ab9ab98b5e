//! The row that a main statement answers with: counts, what SQL says about the response, and the
//! rows as a body.
//!
//! `json_agg` over a subquery is the fastest way to a JSON array that was measured (1,000 rows:
//! 2.15 ms; `array_to_json` 2.9, `string_agg` 2.8, one row each 2.6).

use super::answer::RowKind;
use super::by_path::FEATURE;
use super::settings::Overrides;
use crate::catalog::{HandlerKind, MediaHandler};
use crate::plan::{Negotiated, Representation};
use crate::request::media_type::Nulls;
use crate::request::payload::Content;
use corerest_sql::{ConstSql, SqlBuf, sql, sql_text};

/// For a statement without columns of its own.
pub(super) const NOTHING_MORE: Option<fn(&mut SqlBuf)> = None;

/// Appends the settings, unless there is nothing in them, what `write_more` appends, and the body.
pub(super) fn write_settings_and_body(
    out: &mut SqlBuf,
    kind: RowKind,
    negotiated: &Negotiated<'_>,
    overrides: Overrides,
    write_more: Option<impl FnOnce(&mut SqlBuf)>,
) {
    let settings = sql_text!(
        "pg_catalog.current_setting('response.headers', true) AS headers, \
         pg_catalog.current_setting('response.status', true) AS status"
    );
    let write_more = |out: &mut SqlBuf| {
        if let Some(write_more) = write_more {
            write_more(out);
            sql!(out, ", ");
        }
    };
    let write_body = |out: &mut SqlBuf| {
        write_body(out, kind, negotiated);
        sql!(out, " AS body");
    };
    if negotiated.plan.is_some() {
        // Parity: in an execution plan the body comes before the settings (PlanSpec).
        write_more(out);
        write_body(out);
        sql!(out, ", ");
        out.constant(settings);
    } else {
        if overrides == Overrides::Possible {
            out.constant(settings);
            sql!(out, ", ");
        }
        write_more(out);
        write_body(out);
    }
}

/// Appends ` FROM (…) _row` with the rows that `write` appends, or the name that
/// [`write_named_rows`] gave them.
pub(super) fn write_from_rows(
    out: &mut SqlBuf,
    kind: RowKind,
    negotiated: &Negotiated<'_>,
    write: impl FnOnce(&mut SqlBuf),
) {
    if has_named_rows(kind, negotiated) {
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
    kind: RowKind,
    negotiated: &Negotiated<'_>,
    write: impl FnOnce(&mut SqlBuf),
) {
    if has_named_rows(kind, negotiated) {
        out.constant(separator);
        sql!(out, "_rows AS (");
        write(out);
        sql!(out, ") ");
    }
}

/// Whether the body reads the first row apart from the others, so that the rows need a name.
///
/// The first line of CSV has the columns' names, of a row of nulls where there is none. And a cast
/// is no aggregate: it is applied to the first row in a query of its own, which gives nothing
/// where there is no row.
fn has_named_rows(kind: RowKind, negotiated: &Negotiated<'_>) -> bool {
    match negotiated.representation {
        Representation::Csv => true,
        Representation::Custom(handler) => is_cast_of_first(handler, kind, negotiated),
        Representation::Json(_)
        | Representation::JsonLines
        | Representation::Object(_)
        | Representation::GeoJson
        | Representation::Nothing => false,
    }
}

/// Parity: a plan that is shown has the cast as it is (PlanSpec), for lines need no aggregate.
fn is_cast_of_first(handler: &MediaHandler, kind: RowKind, negotiated: &Negotiated<'_>) -> bool {
    match kind {
        RowKind::OnlyRow | RowKind::OnlyValue => {
            handler.kind == HandlerKind::Cast && negotiated.plan.is_none()
        }
        RowKind::Row | RowKind::Value => false,
    }
}

/// Appends what the body of the request became as a parameter.
pub(super) fn write_content(out: &mut SqlBuf, content: &Content<'_>) {
    if content.body_form().is_some() {
        out.param_request_body();
    } else {
        out.param_with(|value| content.write(value));
    }
}

fn write_body(out: &mut SqlBuf, kind: RowKind, negotiated: &Negotiated<'_>) {
    match negotiated.representation {
        Representation::Json(nulls) => match kind {
            RowKind::Row => write_array(out, nulls, sql_text!("pg_catalog.json_agg(_row)")),
            RowKind::Value => write_array(
                out,
                nulls,
                sql_text!("pg_catalog.json_agg(_row.pgrst_scalar)"),
            ),
            RowKind::OnlyRow | RowKind::OnlyValue => write_object(out, kind, nulls),
        },
        Representation::Object(nulls) => write_object(out, kind, nulls),
        Representation::Csv => sql!(
            out,
            "(SELECT coalesce(pg_catalog.string_agg(name, ','), '') FROM \
             (SELECT pg_catalog.json_object_keys(pg_catalog.row_to_json(_first)) AS name FROM \
             (SELECT _rows.* FROM (SELECT) AS _one LEFT JOIN _rows ON TRUE LIMIT 1) AS _first) \
             AS _names) OPERATOR(pg_catalog.||) E'\\n' \
             OPERATOR(pg_catalog.||) coalesce(pg_catalog.string_agg(pg_catalog.left(\
             pg_catalog.right(_row::pg_catalog.text, '-1'::int), '-1'::int), E'\\n'), '')"
        ),
        Representation::JsonLines => write_lines(out, kind),
        Representation::GeoJson => {
            sql!(
                out,
                "pg_catalog.json_build_object('type', 'FeatureCollection', \
                 'features', coalesce(pg_catalog.json_agg("
            );
            out.constant(FEATURE);
            sql!(out, "::pg_catalog.json), '[]'))");
        }
        Representation::Custom(handler) if is_cast_of_first(handler, kind, negotiated) => {
            sql!(out, "(SELECT ");
            write_handled(out, kind, handler);
            sql!(out, " FROM _rows AS _row LIMIT 1)");
        }
        Representation::Custom(handler) => write_handled(out, kind, handler),
        Representation::Nothing => sql!(out, "''::pg_catalog.text"),
    }
}

/// Appends, behind the total, all else that rows have which are sent one by one, and ` FROM` with
/// what `write` appends. There is always a row: where there is none of the rows, its body is NULL.
///
/// What is the same for each row is a subquery of its own, which PostgreSQL asks once, and not
/// before the first row has been found: so a function has set its headers by then. That the empty
/// row on the left comes first changes neither the order of the others nor that PostgreSQL sends
/// each as it finds it, for a nested loop is the only join that it can do here.
pub(super) fn write_each_row(
    out: &mut SqlBuf,
    kind: RowKind,
    negotiated: &Negotiated<'_>,
    overrides: Overrides,
    write: impl Fn(&mut SqlBuf),
) {
    sql!(out, "null::bigint AS page, ");
    out.constant(match overrides {
        Overrides::Possible => sql_text!(
            "(SELECT pg_catalog.current_setting('response.headers', true)) AS headers, \
             (SELECT pg_catalog.current_setting('response.status', true)) AS status, "
        ),
        Overrides::Impossible => {
            sql_text!("null::pg_catalog.text AS headers, null::pg_catalog.text AS status, ")
        }
    });
    match negotiated.representation {
        Representation::Csv => {
            write_names(out, &write);
            sql!(
                out,
                " AS names, pg_catalog.left(pg_catalog.right(_row::pg_catalog.text, '-1'::int), \
                 '-1'::int)"
            );
        }
        Representation::Json(nulls) => write_stripped(out, nulls, |out| write_row(out, kind)),
        Representation::JsonLines
        | Representation::Object(_)
        | Representation::GeoJson
        | Representation::Custom(_)
        | Representation::Nothing => write_row(out, kind),
    }
    sql!(out, " AS body FROM (SELECT) AS _one LEFT JOIN LATERAL (");
    write(out);
    sql!(out, ") _row ON TRUE");
}

/// Appends a row as JSON, or NULL if there is none.
fn write_row(out: &mut SqlBuf, kind: RowKind) {
    out.constant(match kind {
        RowKind::Row | RowKind::OnlyRow => sql_text!("pg_catalog.row_to_json(_row)"),
        RowKind::Value | RowKind::OnlyValue => sql_text!(
            "CASE WHEN _row IS DISTINCT FROM NULL \
             THEN coalesce(pg_catalog.to_json(_row.pgrst_scalar), 'null') END"
        ),
    });
}

/// Appends the line with the names of the columns of rows that are written a second time, and of
/// which none is looked for.
fn write_names(out: &mut SqlBuf, write: impl Fn(&mut SqlBuf)) {
    sql!(
        out,
        "(SELECT coalesce(pg_catalog.string_agg(name, ','), '') OPERATOR(pg_catalog.||) E'\\n' \
         FROM (SELECT pg_catalog.json_object_keys(pg_catalog.row_to_json(_first)) AS name FROM \
         (SELECT _rows.* FROM (SELECT) AS _one LEFT JOIN LATERAL (SELECT * FROM ("
    );
    write(out);
    sql!(
        out,
        ") AS _all LIMIT '0'::bigint) AS _rows ON TRUE) AS _first) AS _names)"
    );
}

/// Appends a line of JSON for each row: no line of it has a line break inside.
fn write_lines(out: &mut SqlBuf, kind: RowKind) {
    sql!(out, "coalesce(pg_catalog.string_agg(pg_catalog.translate(");
    out.constant(match kind {
        RowKind::Row | RowKind::OnlyRow => {
            sql_text!("pg_catalog.row_to_json(_row)::pg_catalog.text")
        }
        RowKind::Value | RowKind::OnlyValue => {
            sql_text!("coalesce(pg_catalog.to_json(_row.pgrst_scalar)::pg_catalog.text, 'null')")
        }
    });
    sql!(
        out,
        ", E'\\n\\r', '  ') OPERATOR(pg_catalog.||) E'\\n', ''), '')"
    );
}

fn write_handled(out: &mut SqlBuf, kind: RowKind, handler: &MediaHandler) {
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

fn write_array(out: &mut SqlBuf, nulls: Nulls, rows: ConstSql) {
    sql!(out, "coalesce(");
    write_stripped(out, nulls, |out| out.constant(rows));
    sql!(out, ", '[]')");
}

fn write_object(out: &mut SqlBuf, kind: RowKind, nulls: Nulls) {
    sql!(out, "coalesce(");
    write_stripped(out, nulls, |out| {
        out.constant(match kind {
            RowKind::OnlyValue => {
                sql_text!("pg_catalog.json_agg(_row.pgrst_scalar) OPERATOR(pg_catalog.->) 0")
            }
            RowKind::Row | RowKind::OnlyRow | RowKind::Value => {
                sql_text!("pg_catalog.json_agg(_row) OPERATOR(pg_catalog.->) 0")
            }
        });
    });
    sql!(out, ", 'null')");
}

fn write_stripped(out: &mut SqlBuf, nulls: Nulls, write: impl FnOnce(&mut SqlBuf)) {
    match nulls {
        Nulls::Kept => write(out),
        Nulls::Stripped => {
            sql!(out, "pg_catalog.json_strip_nulls(");
            write(out);
            sql!(out, ")");
        }
    }
}
