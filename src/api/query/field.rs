//! Fields: `"table"."column"->$1`, casts, aggregates.
//!
//! Columns are qualified by their table's name, so that a computed field, which is a function of
//! the row, is found like a column.

use crate::plan::{PlannedField, PlannedSelect, TextSearch, ToJson};
use crate::request::ast::{Aggregate, JsonArrow, JsonOperand, JsonStep};
use corerest_sql::{ConstSql, Ident, SqlBuf, sql, sql_text};

/// Appends a field of the relation that `FROM` calls `table`.
pub(super) fn write_field(out: &mut SqlBuf, table: &Ident, field: &PlannedField<'_>) {
    match field.to_tsvector {
        None => write_plain_field(out, table, field),
        Some(TextSearch(configuration)) => {
            sql!(out, "to_tsvector(");
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
    if !field.json_path.is_empty() && field.to_json == ToJson::Convert {
        sql!(out, "to_jsonb(");
        write_column(out, table, field.name);
        sql!(out, ")");
    } else {
        write_column(out, table, field.name);
    }
    for step in field.json_path {
        write_json_step(out, step);
    }
}

fn write_column(out: &mut SqlBuf, table: &Ident, column: &Ident) {
    out.ident(table);
    sql!(out, ".");
    if column.as_str() == "*" {
        sql!(out, "*");
    } else {
        out.ident(column);
    }
}

fn write_json_step(out: &mut SqlBuf, step: &JsonStep) {
    out.constant(match step.arrow {
        JsonArrow::Json => sql_text!("->"),
        JsonArrow::Text => sql_text!("->>"),
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
    if let Some(aggregate) = item.aggregate {
        if item.aggregate_cast.is_some() {
            sql!(out, "CAST(");
        }
        out.constant(aggregate_sql(aggregate));
        sql!(out, "(");
        write_cast_field(out, table, item);
        sql!(out, ")");
        if let Some(cast) = item.aggregate_cast {
            sql!(out, " AS ");
            out.type_name(cast);
            sql!(out, ")");
        }
    } else {
        write_cast_field(out, table, item);
    }
    if let Some(alias) = &item.alias {
        sql!(out, " AS ");
        out.ident(alias);
    }
}

fn write_cast_field(out: &mut SqlBuf, table: &Ident, item: &PlannedSelect<'_>) {
    let Some(cast) = item.cast else {
        return write_field(out, table, &item.field);
    };
    sql!(out, "CAST(");
    write_field(out, table, &item.field);
    sql!(out, " AS ");
    out.type_name(cast);
    sql!(out, ")");
}

fn aggregate_sql(aggregate: Aggregate) -> ConstSql {
    match aggregate {
        Aggregate::Sum => sql_text!("SUM"),
        Aggregate::Avg => sql_text!("AVG"),
        Aggregate::Max => sql_text!("MAX"),
        Aggregate::Min => sql_text!("MIN"),
        Aggregate::Count => sql_text!("COUNT"),
    }
}

/// Appends ` GROUP BY …` with what is selected beside the aggregates, if there are any.
pub(super) fn write_group_by(out: &mut SqlBuf, table: &Ident, select: &[PlannedSelect<'_>]) {
    let mut grouped = select
        .iter()
        .filter(|item| item.aggregate.is_none())
        .peekable();
    if grouped.peek().is_none() || select.iter().all(|item| item.aggregate.is_none()) {
        return;
    }
    sql!(out, " GROUP BY ");
    out.separated(sql_text!(", "), grouped, |out, item| match &item.alias {
        Some(alias) => out.ident(alias),
        None => write_field(out, table, &item.field),
    });
}
