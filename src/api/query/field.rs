//! Fields: `"table"."column"->$1`, casts, aggregates.
//!
//! Columns are qualified by their table's name, so that a computed field, which is a function of
//! the row, is found like a column.

use super::by_path::{self, ARROW, TEXT_ARROW, TO_TSVECTOR};
use crate::plan::{PlannedAggregate, PlannedField, PlannedSelect, RowOrField};
use crate::plan::{TextSearch, ToJson, TypeOwner};
use crate::request::ast::{JsonArrow, JsonOperand, JsonStep};
use corerest_sql::{CatalogSql, Ident, SqlBuf, TypeName, sql, sql_text};

/// Appends a field of the relation that `FROM` calls `table`.
pub(super) fn write_field(out: &mut SqlBuf, table: &Ident, field: &PlannedField<'_>) {
    match field.to_tsvector {
        None => write_plain_field(out, table, field),
        Some(TextSearch {
            configuration,
            owner,
        }) => {
            out.constant(match owner {
                TypeOwner::PostgreSql => sql_text!("pg_catalog.to_tsvector("),
                TypeOwner::Unknown => TO_TSVECTOR,
            });
            if let Some(configuration) = configuration {
                out.param(Some(configuration.as_str().as_bytes()));
                sql!(out, ", ");
            }
            write_plain_field(out, table, field);
            sql!(out, ")");
        }
    }
}

fn write_plain_field(out: &mut SqlBuf, table: &Ident, field: &PlannedField<'_>) {
    if field.row == RowOrField::Row {
        out.ident(table);
        return;
    }
    if !field.json_path.is_empty() && field.to_json == ToJson::Convert {
        sql!(out, "pg_catalog.to_jsonb(");
        write_column(out, table, field.name);
        sql!(out, ")");
    } else {
        write_column(out, table, field.name);
    }
    let mut is_json = field.to_json != ToJson::Unknown;
    for step in field.json_path {
        write_json_step(out, step, is_json);
        is_json &= step.arrow == JsonArrow::Json;
    }
}

/// Appends `"table"."column"`, or `"table".*`.
pub(super) fn write_column(out: &mut SqlBuf, table: &Ident, column: &Ident) {
    out.ident(table);
    sql!(out, ".");
    if column.as_str() == "*" {
        sql!(out, "*");
    } else {
        out.ident(column);
    }
}

/// Appends `function(…)`, if there is one, around what `write` appends.
pub(super) fn write_transformed(
    out: &mut SqlBuf,
    function: Option<&CatalogSql>,
    write: impl FnOnce(&mut SqlBuf),
) {
    let Some(function) = function else {
        return write(out);
    };
    out.catalog(function);
    sql!(out, "(");
    write(out);
    sql!(out, ")");
}

fn write_json_step(out: &mut SqlBuf, step: &JsonStep, is_json: bool) {
    out.constant(match (is_json, step.arrow) {
        (true, JsonArrow::Json) => sql_text!(" OPERATOR(pg_catalog.->) "),
        (true, JsonArrow::Text) => sql_text!(" OPERATOR(pg_catalog.->>) "),
        (false, JsonArrow::Json) => ARROW,
        (false, JsonArrow::Text) => TEXT_ARROW,
    });
    match &step.operand {
        JsonOperand::Key(key) => out.param(Some(key.as_bytes())),
        JsonOperand::Index(index) => {
            out.param(Some(index.as_bytes()));
            sql!(out, "::int");
        }
    }
}

/// Appends an item of the select list.
pub(super) fn write_select_item(out: &mut SqlBuf, table: &Ident, item: &PlannedSelect<'_>) {
    write_aggregated(out, item.aggregate.as_ref(), |out| {
        write_cast(out, item.cast, |out| {
            write_transformed(out, item.field.transform, |out| {
                write_field(out, table, &item.field);
            });
        });
    });
    if let Some(alias) = &item.alias {
        sql!(out, " AS ");
        out.ident(alias);
    }
}

/// Appends the aggregate, if there is one, and what becomes of its result, around what `write`
/// appends.
pub(super) fn write_aggregated(
    out: &mut SqlBuf,
    aggregate: Option<&PlannedAggregate<'_>>,
    write: impl FnOnce(&mut SqlBuf),
) {
    let Some(aggregate) = aggregate else {
        return write(out);
    };
    let write_result = |out: &mut SqlBuf| {
        out.constant(by_path::aggregate(aggregate.function));
        sql!(out, "(");
        write(out);
        sql!(out, ")");
    };
    write_cast(out, aggregate.cast, |out| match aggregate.represented {
        None => write_result(out),
        Some(represented) => write_transformed(out, Some(represented.function), |out| {
            sql!(out, "CAST(");
            write_result(out);
            sql!(out, " AS ");
            out.catalog_type(represented.domain);
            sql!(out, ")");
        }),
    });
}

fn write_cast(out: &mut SqlBuf, cast: Option<&TypeName>, write: impl FnOnce(&mut SqlBuf)) {
    let Some(cast) = cast else {
        return write(out);
    };
    sql!(out, "CAST(");
    write(out);
    sql!(out, " AS ");
    out.type_name(cast);
    sql!(out, ")");
}
