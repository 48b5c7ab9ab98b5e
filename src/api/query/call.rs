//! Calls: a statement that calls a function, and reads what it returns.
//!
//! ```text
//! WITH pgrst_source AS (SELECT … FROM "api"."search"("word" := $1::text) pgrst_call)
//! SELECT … FROM (SELECT … FROM pgrst_source AS "films" …) _row
//! ```
//! The function stands in `FROM`, where PostgreSQL may put its body into the query instead of
//! calling it, and filters reach the tables inside.

use super::answer::{CheckTime, MainStatement, RowKind, write_page};
use super::body::{
    NOTHING_MORE, write_content, write_each_row, write_from_rows, write_named_rows,
    write_settings_and_body,
};
use super::condition::write_array_literal;
use super::field::write_column;
use super::read::{Count, write_total, write_total_beside};
use super::rows::{WRITTEN, write_dependency, write_rows};
use super::settings::Overrides;
use super::transaction::TransactionEnd;
use crate::catalog::{Routine, RoutineParameter};
use crate::plan::{Argument, Arguments, CallPlan, Negotiated, ReadPlan, RowsCheck};
use crate::request::payload::{Content, JsonForm};
use corerest_sql::{Ident, SqlBuf, sql, sql_text};
use std::sync::LazyLock;

/// The name of what a function returns.
static CALL: LazyLock<Ident> = LazyLock::new(|| Ident::before_nul("pgrst_call"));

/// The main statement of a call.
pub(crate) fn write_call(
    plan: &CallPlan<'_>,
    read: &ReadPlan<'_>,
    negotiated: &Negotiated<'_>,
    check: &RowsCheck,
    count: Count,
    end: TransactionEnd,
) -> MainStatement {
    let (mut out, answer) = MainStatement::begin(negotiated.plan.as_ref());
    let kind = row_kind(plan.routine);
    let write_answer = |out: &mut SqlBuf| write_rows(out, read);
    sql!(out, "WITH ");
    out.constant(WRITTEN);
    sql!(out, " AS (SELECT ");
    write_returned(&mut out, plan);
    write_source(&mut out, plan);
    sql!(out, ")");
    if let Some(frame) = negotiated.frame {
        sql!(out, " SELECT ");
        write_total_beside(&mut out, read, count);
        sql!(out, " AS total, ");
        write_each_row(
            &mut out,
            kind,
            negotiated,
            Overrides::Possible,
            write_answer,
        );
        return MainStatement::finish_rows(out, frame);
    }
    write_named_rows(&mut out, sql_text!(", "), kind, negotiated, write_answer);
    sql!(out, " SELECT ");
    write_total(&mut out, read, kind, answer, negotiated, count);
    sql!(out, " AS total, ");
    let time = match end {
        TransactionEnd::Commit => CheckTime::WithRow,
        TransactionEnd::Rollback => CheckTime::BehindDeferred,
    };
    let aggregated = write_page(&mut out, kind, answer, negotiated, check, time);
    write_settings_and_body(
        &mut out,
        kind,
        negotiated,
        Overrides::Possible,
        NOTHING_MORE,
    );
    write_from_rows(&mut out, kind, negotiated, write_answer);
    MainStatement::finish(out, aggregated)
}

fn row_kind(routine: &Routine) -> RowKind {
    match (routine.returns_single(), is_value(routine)) {
        (true, true) => RowKind::OnlyValue,
        (true, false) => RowKind::OnlyRow,
        (false, true) => RowKind::Value,
        (false, false) => RowKind::Row,
    }
}

fn is_value(routine: &Routine) -> bool {
    routine.returns_scalar() || routine.returns_set_of_scalar()
}

fn write_returned(out: &mut SqlBuf, plan: &CallPlan<'_>) {
    if is_value(plan.routine) {
        sql!(out, "pgrst_call.pgrst_scalar");
    } else if plan.columns.is_empty() {
        sql!(out, "pgrst_call.*");
    } else {
        out.separated(sql_text!(", "), &plan.columns, |out, column| {
            write_column(out, &CALL, column);
        });
    }
}

fn write_source(out: &mut SqlBuf, plan: &CallPlan<'_>) {
    sql!(out, " FROM ");
    if let Arguments::Members(parameters, content) = &plan.arguments {
        write_members(out, parameters, content);
        sql!(out, ", LATERAL ");
    }
    if is_value(plan.routine) {
        sql!(out, "(SELECT ");
        write_invocation(out, plan);
        sql!(out, " pgrst_scalar) pgrst_call");
    } else {
        write_invocation(out, plan);
        sql!(out, " pgrst_call");
    }
    if let Some(row_type) = plan.routine.row_type() {
        sql!(out, " WHERE ");
        write_dependency(out, row_type);
    }
}

fn write_invocation(out: &mut SqlBuf, plan: &CallPlan<'_>) {
    out.name(&plan.routine.name);
    sql!(out, "(");
    match &plan.arguments {
        Arguments::None => {}
        Arguments::Body(parameter, content) => write_body_argument(out, parameter, content),
        Arguments::Members(parameters, _) => {
            out.separated(sql_text!(", "), parameters, |out, parameter| {
                write_parameter(out, parameter);
                sql!(out, "pgrst_body.");
                out.ident(&parameter.name);
            });
        }
        Arguments::Texts(texts) => {
            out.separated(sql_text!(", "), texts, |out, (parameter, argument)| {
                write_parameter(out, parameter);
                match argument {
                    Argument::One(text) => out.param(Some(text.as_bytes())),
                    Argument::Variadic(texts) => {
                        out.param_with(|literal| write_array_literal(literal, texts));
                    }
                }
                sql!(out, "::");
                out.catalog_type(&parameter.cast_type);
            });
        }
    }
    sql!(out, ")");
}

/// Appends `"name" := `, with `VARIADIC` before it where the array is all the arguments.
fn write_parameter(out: &mut SqlBuf, parameter: &RoutineParameter) {
    if parameter.variadic {
        sql!(out, "VARIADIC ");
    }
    out.ident(&parameter.name);
    sql!(out, " := ");
}

fn write_body_argument(out: &mut SqlBuf, parameter: &RoutineParameter, content: &Content<'_>) {
    write_content(out, content);
    sql!(out, "::");
    out.catalog_type(&parameter.data_type);
}

/// Appends the members of the body as one row. Of an array, the first object counts.
fn write_members(out: &mut SqlBuf, parameters: &[&RoutineParameter], content: &Content<'_>) {
    sql!(out, "(SELECT * FROM ");
    out.constant(match content.shape() {
        JsonForm::Object => sql_text!("pg_catalog.json_to_record("),
        JsonForm::Array => sql_text!("pg_catalog.json_to_recordset("),
    });
    write_content(out, content);
    sql!(out, "::pg_catalog.json) AS _(");
    out.separated(sql_text!(", "), parameters, |out, parameter| {
        out.ident(&parameter.name);
        sql!(out, " ");
        out.catalog_type(&parameter.cast_type);
    });
    sql!(out, ") LIMIT 1) pgrst_body");
}
