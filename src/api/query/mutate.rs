//! Writes: a statement that changes rows, and reads what was changed.
//!
//! ```text
//! WITH pgrst_source AS (INSERT … SELECT … FROM json_to_recordset($1) … RETURNING …)
//! SELECT … FROM (SELECT … FROM pgrst_source AS "films" …) _row
//! ```
//! The values are one parameter, whatever their number, so equal shapes give equal texts.

use super::answer::{CheckTime, MainStatement, RowKind, write_page};
use super::body::{write_content, write_from_rows, write_named_rows, write_settings_and_body};
use super::by_path::ASSIGNED;
use super::condition::Conditions;
use super::field::{write_column, write_transformed};
use super::rows::{WRITTEN, write_rows};
use super::settings::Overrides;
use crate::plan::{
    Change, Condition, Conflict, MutatePlan, Negotiated, ReadPlan, Representation, RowsCheck,
    Values, WrittenColumn,
};
use crate::request::payload::{ARRAYS_MARK, Content, JsonForm, PartForm};
use crate::request::preferences::{MissingPreference, ResolutionPreference};
use corerest_sql::{Ident, Literal, SqlBuf, sql, sql_text};
use std::sync::LazyLock;

/// The name of the rows of the body.
static BODY: LazyLock<Ident> = LazyLock::new(|| Ident::before_nul("pgrst_body"));

/// Whether the answer says where a new row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Location<'a> {
    /// By the columns of the primary key.
    By(&'a [Ident]),
    /// It does not.
    Unsaid,
}

/// The main statement of a write.
pub(crate) fn write_mutation(
    plan: &MutatePlan<'_>,
    read: &ReadPlan<'_>,
    negotiated: &Negotiated<'_>,
    check: &RowsCheck,
    location: Location<'_>,
) -> MainStatement {
    let (mut out, answer) = MainStatement::begin(negotiated.plan.as_ref());
    let kind = RowKind::Row;
    let representation = negotiated.representation;
    let write_answer = |out: &mut SqlBuf| match representation {
        // What is not shown is not computed either.
        Representation::Nothing => sql!(out, "SELECT * FROM pgrst_source"),
        _ => write_rows(out, read),
    };
    sql!(out, "WITH ");
    out.constant(WRITTEN);
    sql!(out, " AS (");
    write_change(&mut out, plan);
    sql!(out, ")");
    write_named_rows(&mut out, sql_text!(", "), kind, negotiated, write_answer);
    sql!(out, " SELECT ");
    write_new_rows_count(&mut out, &plan.change);
    sql!(out, " AS total, ");
    let aggregated = write_page(
        &mut out,
        kind,
        answer,
        negotiated,
        check,
        CheckTime::BehindStatement,
    );
    let write_location = |out: &mut SqlBuf| {
        write_location(out, location);
        sql!(out, " AS location");
    };
    write_settings_and_body(
        &mut out,
        kind,
        negotiated,
        Overrides::Possible,
        Some(write_location),
    );
    write_from_rows(&mut out, kind, negotiated, write_answer);
    MainStatement::finish(out, aggregated)
}

fn write_change(out: &mut SqlBuf, plan: &MutatePlan<'_>) {
    match &plan.change {
        Change::Insert {
            values,
            conflict,
            conditions,
            counts_new,
        } => {
            write_insert(out, plan, values);
            write_insert_conditions(out, conditions, *counts_new);
            if let Some(conflict) = conflict {
                write_conflict(out, values, conflict);
            }
        }
        Change::Update { values, conditions } => {
            if values.columns.is_empty() {
                return write_no_update(out, plan);
            }
            write_update(out, plan, values);
            write_where(out, plan, conditions);
        }
        Change::Delete { conditions } => {
            sql!(out, "DELETE FROM ");
            out.name(plan.table);
            write_where(out, plan, conditions);
        }
    }
    write_returning(out, plan);
}

fn write_insert(out: &mut SqlBuf, plan: &MutatePlan<'_>, values: &Values<'_>) {
    sql!(out, "INSERT INTO ");
    out.name(plan.table);
    if !values.columns.is_empty() {
        sql!(out, "(");
        out.separated(sql_text!(", "), &values.columns, |out, column| {
            out.ident(column.name)
        });
        sql!(out, ")");
    }
    sql!(out, " SELECT ");
    out.separated(sql_text!(", "), &values.columns, |out, column| {
        write_column(out, &BODY, column.name);
    });
    write_values(out, values);
}

/// Appends what a PUT asks of the row, and what counts the new rows: one up for each row that is
/// tried, one down for each that was there. Both are true whatever the count is.
fn write_insert_conditions(out: &mut SqlBuf, conditions: &[Condition<'_>], counts_new: bool) {
    if counts_new {
        sql!(
            out,
            " WHERE pg_catalog.set_config('pgrst.inserted', (pg_catalog.concat('0', \
             pg_catalog.current_setting('pgrst.inserted', true))::int OPERATOR(pg_catalog.+) 1\
             )::pg_catalog.text, true) OPERATOR(pg_catalog.<>) '0'"
        );
    }
    if !conditions.is_empty() {
        out.constant(if counts_new {
            sql_text!(" AND ")
        } else {
            sql_text!(" WHERE ")
        });
        let table = &*BODY;
        let write_embedded = None;
        let conditions_of = Conditions {
            table,
            write_embedded,
        };
        conditions_of.write(out, conditions);
    }
}

fn write_conflict(out: &mut SqlBuf, values: &Values<'_>, conflict: &Conflict<'_>) {
    sql!(out, " ON CONFLICT(");
    out.separated(sql_text!(", "), &conflict.columns, |out, column| {
        out.ident(column)
    });
    sql!(out, ") ");
    let updates = conflict.resolution == ResolutionPreference::MergeDuplicates;
    if !updates || values.columns.is_empty() {
        sql!(out, "DO NOTHING");
        return;
    }
    sql!(out, "DO UPDATE SET ");
    out.separated(sql_text!(", "), &values.columns, |out, column| {
        out.ident(column.name);
        out.constant(ASSIGNED);
        sql!(out, "EXCLUDED.");
        out.ident(column.name);
    });
    sql!(
        out,
        " WHERE pg_catalog.set_config('pgrst.inserted', (pg_catalog.concat('0', \
         pg_catalog.current_setting('pgrst.inserted', true))::int OPERATOR(pg_catalog.-) 1\
         )::pg_catalog.text, true) OPERATOR(pg_catalog.<>) '-1'"
    );
}

fn write_update(out: &mut SqlBuf, plan: &MutatePlan<'_>, values: &Values<'_>) {
    sql!(out, "UPDATE ");
    out.name(plan.table);
    sql!(out, " SET ");
    out.separated(sql_text!(", "), &values.columns, |out, column| {
        out.ident(column.name);
        out.constant(ASSIGNED);
        write_column(out, &BODY, column.name);
    });
    write_values(out, values);
}

/// An update of no columns has no syntax. It changes nothing, and its answer must have the columns
/// that are read from it.
fn write_no_update(out: &mut SqlBuf, plan: &MutatePlan<'_>) {
    sql!(out, "SELECT ");
    if plan.returning.is_empty() {
        sql!(out, "NULL");
    }
    out.separated(sql_text!(", "), &plan.returning, |out, column| {
        write_column(out, &plan.table.name, column);
    });
    sql!(out, " FROM ");
    out.name(plan.table);
    sql!(out, " WHERE false");
}

fn write_where(out: &mut SqlBuf, plan: &MutatePlan<'_>, conditions: &[Condition<'_>]) {
    if !conditions.is_empty() {
        sql!(out, " WHERE ");
        let conditions_of = Conditions {
            table: &plan.table.name,
            write_embedded: None,
        };
        conditions_of.write(out, conditions);
    }
}

fn write_returning(out: &mut SqlBuf, plan: &MutatePlan<'_>) {
    sql!(out, " RETURNING ");
    if plan.returning.is_empty() {
        // The number of rows is always asked for.
        sql!(out, "1");
    }
    out.separated(sql_text!(", "), &plan.returning, |out, column| {
        write_column(out, &plan.table.name, column);
    });
}

/// Appends ` FROM (…) pgrst_body`: the body as rows of the columns' types.
fn write_values(out: &mut SqlBuf, values: &Values<'_>) {
    if *values.content == Content::Parts(PartForm::Arrays) {
        return write_arrays(out, values);
    }
    let shape = values.content.shape();
    sql!(out, " FROM ");
    if values.missing == MissingPreference::Default && !values.columns.is_empty() {
        write_completed(out, values, shape);
        sql!(out, ", LATERAL ");
    }
    sql!(out, "(SELECT ");
    if values.columns.is_empty() {
        match shape {
            JsonForm::Object => sql!(out, "FROM (VALUES (1)) AS _"),
            JsonForm::Array => {
                sql!(out, "FROM pg_catalog.json_array_elements(");
                write_content(out, values.content);
                sql!(out, "::pg_catalog.json) AS _");
            }
        }
    } else {
        out.separated(sql_text!(", "), &values.columns, |out, column| {
            write_transformed(out, column.transform, |out| out.ident(column.name));
            if column.transform.is_some() {
                sql!(out, " AS ");
                out.ident(column.name);
            }
        });
        write_record(out, values, shape);
    }
    sql!(out, ") AS ");
    out.ident(&BODY);
}

/// The same for an array of each column. The body is split once, and not for each of them: what has
/// an offset is not made a part of the query around it.
fn write_arrays(out: &mut SqlBuf, values: &Values<'_>) {
    sql!(out, " FROM (SELECT ");
    let columns = values.columns.iter().zip(1..);
    out.separated(sql_text!(", "), columns, |out, (column, place)| {
        sql!(out, "pg_catalog.unnest(_split.arrays[");
        out.place(place);
        sql!(out, "]::");
        out.catalog_type(column.data_type);
        sql!(out, "[]) AS ");
        out.ident(column.name);
    });
    sql!(out, " FROM (SELECT pg_catalog.string_to_array(");
    write_content(out, values.content);
    sql!(out, "::pg_catalog.text, ");
    out.constant(ARRAYS_MARK);
    sql!(out, ") AS arrays OFFSET 0) AS _split) AS ");
    out.ident(&BODY);
}

/// Appends the body as a record of the columns, which have their types there, or as several.
fn write_record(out: &mut SqlBuf, values: &Values<'_>, shape: JsonForm) {
    sql!(out, " FROM ");
    match values.missing {
        MissingPreference::Null => {
            out.constant(match shape {
                JsonForm::Object => sql_text!("pg_catalog.json_to_record("),
                JsonForm::Array => sql_text!("pg_catalog.json_to_recordset("),
            });
            write_content(out, values.content);
            sql!(out, "::pg_catalog.json)");
        }
        MissingPreference::Default => out.constant(match shape {
            JsonForm::Object => sql_text!("pg_catalog.jsonb_to_record(_completed.value)"),
            JsonForm::Array => sql_text!("pg_catalog.jsonb_to_recordset(_completed.value)"),
        }),
    }
    sql!(out, " AS _(");
    out.separated(sql_text!(", "), &values.columns, |out, column| {
        out.ident(column.name);
        sql!(out, " ");
        match column.transform {
            Some(_) => sql!(out, "pg_catalog.json"),
            None => out.catalog_type(column.data_type),
        }
    });
    sql!(out, ")");
}

/// Appends the body with the defaults of what is missing in it.
fn write_completed(out: &mut SqlBuf, values: &Values<'_>, shape: JsonForm) {
    let write_body = |out: &mut SqlBuf| {
        write_content(out, values.content);
        sql!(out, "::pg_catalog.jsonb");
    };
    match shape {
        JsonForm::Object => {
            sql!(out, "(SELECT ");
            write_defaults(out, &values.columns);
            sql!(out, " OPERATOR(pg_catalog.||) ");
            write_body(out);
            sql!(out, " AS value)");
        }
        JsonForm::Array => {
            sql!(out, "(SELECT pg_catalog.jsonb_agg(");
            write_defaults(out, &values.columns);
            sql!(
                out,
                " OPERATOR(pg_catalog.||) elem) AS value FROM pg_catalog.jsonb_array_elements("
            );
            write_body(out);
            sql!(out, ") elem)");
        }
    }
    sql!(out, " AS _completed");
}

/// Appends an object with the defaults, over which an object of the body is laid. They are written
/// out for each object, for a default may be a sequence. A function takes 100 arguments, so they
/// are an object for each 50 of them; with PostgREST more are an error.
fn write_defaults(out: &mut SqlBuf, columns: &[WrittenColumn<'_>]) {
    let defaults = columns
        .iter()
        .filter_map(|column| Some((column.name, column.default?)));
    let defaults: Vec<_> = defaults.collect();
    let objects = match defaults.is_empty() {
        true => vec![&defaults[..]],
        false => defaults.chunks(DEFAULTS_MAX).collect(),
    };
    let between = sql_text!(" OPERATOR(pg_catalog.||) ");
    out.separated(between, objects, |out, object| {
        sql!(out, "pg_catalog.jsonb_build_object(");
        out.separated(sql_text!(", "), object, |out, &(name, default)| {
            out.literal(&Literal::from(name));
            sql!(out, ", ");
            out.catalog(default);
        });
        sql!(out, ")");
    });
}

/// How many names with their defaults the arguments of a function can be (`FUNC_MAX_ARGS`).
const DEFAULTS_MAX: usize = 50;

fn write_new_rows_count(out: &mut SqlBuf, change: &Change<'_>) {
    if change.counts_new() {
        sql!(
            out,
            "CASE WHEN pg_catalog.current_setting('pgrst.inserted', true) \
             OPERATOR(pg_catalog.<>) '' \
             THEN pg_catalog.current_setting('pgrst.inserted', true)::bigint END"
        );
    } else {
        sql!(out, "null::bigint");
    }
}

/// Appends the primary key of the only row, as an array of names and values.
fn write_location(out: &mut SqlBuf, location: Location<'_>) {
    let Location::By(key) = location else {
        return sql!(out, "null::pg_catalog.json");
    };
    sql!(
        out,
        "CASE WHEN pg_catalog.count(_row) OPERATOR(pg_catalog.=) 1 THEN \
         (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(_key.key, _key.value)) \
         FROM pg_catalog.json_each_text((\
         SELECT pg_catalog.row_to_json(_new) FROM pgrst_source AS _new LIMIT 1)) AS _key \
         WHERE _key.key OPERATOR(pg_catalog.=) ANY (ARRAY["
    );
    out.separated(sql_text!(", "), key, |out, column| {
        out.literal(&Literal::from(column))
    });
    sql!(out, "]::pg_catalog.text[])) END");
}
