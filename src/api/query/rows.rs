//! The rows of a plan: `SELECT … FROM … WHERE … GROUP BY … ORDER BY … LIMIT …`, and the same for
//! counting them.

use super::condition::Conditions;
use super::embed::{EmbedConditions, EmbedItem, embed_items, write_joins};
use super::field::{write_column, write_field, write_select_item};
use crate::plan::{PlannedOrder, ReadPlan, Source};
use crate::request::ast::{JoinType, OrderDirection, OrderNulls};
use crate::request::range::Range;
use corerest_sql::{ConstSql, Ident, SqlBuf, sql, sql_text};

/// The name of what a write or a function gives, which the rows of the answer are read from.
///
/// Parity: execution plans show it.
pub(super) const WRITTEN: ConstSql = sql_text!("pgrst_source");

/// Appends the rows of a plan.
pub(super) fn write_rows(out: &mut SqlBuf, plan: &ReadPlan<'_>) {
    write_select(out, plan);
    write_from(out, plan);
    write_joins(out, plan);
    write_where(out, plan, EmbedConditions::Joined);
    write_group_by(out, plan);
    write_order(out, plan);
    write_range(out, &plan.range);
}

/// Appends one row for each row that there would be without a limit.
///
/// An inner join becomes `EXISTS`, so that it counts rows of the root and computes nothing of
/// what it would embed.
pub(super) fn write_counted_rows(out: &mut SqlBuf, plan: &ReadPlan<'_>) {
    sql!(out, "SELECT 1");
    write_from(out, plan);
    write_where(out, plan, EmbedConditions::Counted);
}

fn write_select(out: &mut SqlBuf, plan: &ReadPlan<'_>) {
    sql!(out, "SELECT ");
    if plan.select.is_empty() && plan.embeds.is_empty() {
        // Parity: an empty `select=` selects everything (`defSelect` in QueryBuilder.hs).
        out.ident(&plan.name);
        sql!(out, ".*");
    }
    out.separated(sql_text!(", "), &plan.select, |out, item| {
        write_select_item(out, &plan.name, item);
    });
    for (index, item) in embed_items(plan).enumerate() {
        if index > 0 || !plan.select.is_empty() {
            sql!(out, ", ");
        }
        item.write(out);
    }
}

fn write_from(out: &mut SqlBuf, plan: &ReadPlan<'_>) {
    sql!(out, " FROM ");
    let is_renamed = match &plan.from {
        Source::Table(table) => {
            out.name(table);
            table.name != *plan.name
        }
        Source::Function {
            function,
            argument,
            argument_type,
        } => {
            out.name(function);
            sql!(out, "(");
            out.ident(argument);
            sql!(out, "::");
            out.name(argument_type);
            sql!(out, ")");
            true
        }
        Source::Written => {
            out.constant(WRITTEN);
            true
        }
    };
    if is_renamed {
        sql!(out, " AS ");
        out.ident(&plan.name);
    }
    if let Some(junction) = plan.junction {
        sql!(out, ", ");
        out.name(&junction.table);
    }
}

fn write_where(out: &mut SqlBuf, plan: &ReadPlan<'_>, style: EmbedConditions) {
    let mut separator = sql_text!(" WHERE ");
    if !plan.conditions.is_empty() {
        out.constant(separator);
        separator = sql_text!(" AND ");
        let conditions = Conditions {
            table: &plan.name,
            embeds: Some((plan, style)),
        };
        conditions.write(out, &plan.conditions);
    }
    for joined in &plan.joined {
        out.constant(separator);
        separator = sql_text!(" AND ");
        write_column(out, &joined.column.0, joined.column.1);
        sql!(out, " = ");
        write_column(out, &joined.equals.0, joined.equals.1);
    }
    if style == EmbedConditions::Counted {
        for embed in plan
            .embeds
            .iter()
            .filter(|embed| embed.join == JoinType::Inner)
        {
            out.constant(separator);
            separator = sql_text!(" AND ");
            sql!(out, "EXISTS (");
            write_counted_rows(out, &embed.plan);
            sql!(out, ")");
        }
    }
}

/// Appends ` GROUP BY …` with what is selected beside the aggregates, if there are any.
fn write_group_by(out: &mut SqlBuf, plan: &ReadPlan<'_>) {
    if !plan.is_aggregated() {
        return;
    }
    let mut separator = sql_text!(" GROUP BY ");
    for item in plan.select.iter().filter(|item| item.aggregate.is_none()) {
        out.constant(separator);
        separator = sql_text!(", ");
        match &item.alias {
            Some(alias) => out.ident(alias),
            None => write_field(out, &plan.name, &item.field),
        }
    }
    for item in embed_items(plan).filter(|item| !EmbedItem::is_aggregated(item)) {
        out.constant(separator);
        separator = sql_text!(", ");
        item.write_group_term(out);
    }
}

fn write_order(out: &mut SqlBuf, plan: &ReadPlan<'_>) {
    if plan.order.is_empty() {
        return;
    }
    sql!(out, " ORDER BY ");
    out.separated(sql_text!(", "), &plan.order, |out, term| {
        write_field(out, ordered_relation(plan, term), &term.field);
        out.constant(direction_sql(term.direction));
        out.constant(nulls_sql(term.nulls));
    });
}

fn ordered_relation<'p>(plan: &'p ReadPlan<'_>, term: &PlannedOrder<'_>) -> &'p Ident {
    match term.embed {
        Some(index) => &plan.embeds[index].name,
        None => &plan.name,
    }
}

fn direction_sql(direction: Option<OrderDirection>) -> ConstSql {
    match direction {
        None => sql_text!(""),
        Some(OrderDirection::Ascending) => sql_text!(" ASC"),
        Some(OrderDirection::Descending) => sql_text!(" DESC"),
    }
}

fn nulls_sql(nulls: Option<OrderNulls>) -> ConstSql {
    match nulls {
        None => sql_text!(""),
        Some(OrderNulls::First) => sql_text!(" NULLS FIRST"),
        Some(OrderNulls::Last) => sql_text!(" NULLS LAST"),
    }
}

fn write_range(out: &mut SqlBuf, range: &Range) {
    if range.is_all() {
        return;
    }
    match range.limit() {
        None => sql!(out, " LIMIT ALL OFFSET "),
        Some(limit) => {
            sql!(out, " LIMIT ");
            write_number(out, limit);
            sql!(out, " OFFSET ");
        }
    }
    write_number(out, range.offset());
}

/// Appends a number as a parameter.
pub(super) fn write_number(out: &mut SqlBuf, number: i128) {
    out.param(Some(number.to_string().as_bytes()));
}
