//! The rows of a plan: `SELECT … FROM … WHERE … GROUP BY … ORDER BY … LIMIT …`, and the same for
//! counting them.
//!
//! Embedded relations are lateral joins:
//! ```text
//! SELECT "films"."title", pg_catalog.to_jsonb("films_directors_1".*) AS "directors"
//!   FROM "api"."films"
//!   LEFT JOIN LATERAL (SELECT … WHERE "directors_1"."id" = "films"."director_id")
//!          AS "films_directors_1" ON TRUE
//! ```
//! A to-one relation is joined as it is, so that PostgreSQL may turn the lateral join into a hash
//! join. A to-many relation is aggregated inside its join. The rows of an embedded relation are
//! rows again, which is why joins and conditions on them stand in this file.

use super::by_path::JOINED_BY;
use super::condition::Conditions;
use super::embed::embed_items;
use super::field::{write_column, write_field, write_select_item};
use crate::catalog::RowType;
use crate::plan::{Embed, EmbedIs, EmbedShape, PlannedOrder, ReadPlan, Source, SpreadItem, again};
use crate::request::ast::{JoinType, OrderDirection, OrderNulls};
use crate::request::range::Range;
use corerest_sql::{ConstSql, Ident, SqlBuf, sql, sql_text};

/// The name of what a write or a function gives, which the rows of the answer are read from.
///
/// Parity: execution plans show it.
pub(super) const WRITTEN: ConstSql = sql_text!("pgrst_source");

/// How it is found out whether an embedded relation has rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EmbedConditions {
    /// By the join, which is there.
    Joined,
    /// By a subquery: a count has no joins.
    Counted,
}

/// Appends the rows of a plan.
pub(super) fn write_rows(out: &mut SqlBuf, plan: &ReadPlan<'_>) {
    write_all_rows(out, plan);
    write_range(out, &plan.range);
}

fn write_all_rows(out: &mut SqlBuf, plan: &ReadPlan<'_>) {
    write_select(out, plan);
    write_from(out, plan);
    write_joins(out, plan);
    write_where(out, plan, EmbedConditions::Joined);
    write_group_by(out, plan);
    write_order(out, plan);
}

/// Appends the rows of the root of an answer.
///
/// How many rows a parameter for `LIMIT` lets through PostgreSQL does not know when it plans for
/// all its values: it guesses a tenth of the table, finds that too expensive, and plans anew for
/// each request, which takes longer than a page of 25 rows itself. A constant that is at least as
/// large lets it keep its plan; the parameters around it say which of those rows it is.
/// (`perf/sql/page-25`: 240 instead of 337 µs.)
pub(super) fn write_root_rows(out: &mut SqlBuf, plan: &ReadPlan<'_>) {
    let Some(at_most) = rounded_limit(&plan.range) else {
        return write_rows(out, plan);
    };
    sql!(out, "SELECT * FROM (");
    write_all_rows(out, plan);
    out.constant(at_most);
    sql!(out, ") _page");
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

/// Appends a condition that is always true, and makes the plan depend on the rows' type. Planning
/// takes it away.
pub(super) fn write_dependency(out: &mut SqlBuf, row_type: RowType) {
    out.literal(&row_type.relation());
    sql!(out, "::pg_catalog.oid IS NOT NULL");
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
            ..
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
    if let Some(junction) = &plan.junction {
        sql!(out, ", ");
        out.name(junction.table);
        if junction.table.name != *junction.name {
            sql!(out, " AS ");
            out.ident(&junction.name);
        }
    }
}

fn write_where(out: &mut SqlBuf, plan: &ReadPlan<'_>, style: EmbedConditions) {
    let mut separator = sql_text!(" WHERE ");
    if let Source::Function {
        row_type: Some(row_type),
        ..
    } = plan.from
    {
        out.constant(separator);
        separator = sql_text!(" AND ");
        write_dependency(out, row_type);
    }
    if !plan.conditions.is_empty() {
        out.constant(separator);
        separator = sql_text!(" AND ");
        let conditions = Conditions {
            table: &plan.name,
            write_embedded: Some(&|out, is, index| {
                write_embed_condition(out, &plan.embeds[index], is, style);
            }),
        };
        conditions.write(out, &plan.conditions);
    }
    for joined in &plan.joined {
        out.constant(separator);
        separator = sql_text!(" AND ");
        write_column(out, &joined.column.0, joined.column.1);
        out.constant(JOINED_BY);
        write_column(out, &joined.equals.0, joined.equals.1);
    }
    let required = plan.embeds.iter().filter(|embed| match style {
        EmbedConditions::Counted => embed.join == JoinType::Inner,
        EmbedConditions::Joined => is_better_found_first(embed),
    });
    for embed in required {
        out.constant(separator);
        separator = sql_text!(" AND ");
        sql!(out, "EXISTS (");
        match style {
            EmbedConditions::Counted => write_counted_rows(out, &embed.plan),
            // The names belong to the join: execution plans show them.
            EmbedConditions::Joined => write_counted_rows(out, &again(&embed.plan)),
        }
        sql!(out, ")");
    }
}

/// Whether an inner join to many rows is said a second time, as a condition. The join itself
/// aggregates, so PostgreSQL can only try row after row of the relation around; with the condition
/// it may begin with the rows that are filtered. (`perf/sql/inner-many-rare`: 14 ms for 12 s.)
///
/// The condition knows nothing of aggregates and limits, with which there may be rows although it
/// does not hold, or none although it does.
fn is_better_found_first(embed: &Embed<'_>) -> bool {
    let plan = &embed.plan;
    let is_to_many = matches!(
        embed.shape,
        EmbedShape::Array(_) | EmbedShape::SpreadMany(_)
    );
    let begins_with_first = plan.range.offset() == 0;
    let ends_after_first = plan.range.limit().is_none_or(|limit| limit > 0);
    embed.join == JoinType::Inner
        && is_to_many
        && is_filtered(plan)
        && begins_with_first
        && ends_after_first
        && !plan.is_aggregated()
}

fn is_filtered(plan: &ReadPlan<'_>) -> bool {
    let mut inside = plan
        .embeds
        .iter()
        .filter(|embed| embed.join == JoinType::Inner);
    !plan.conditions.is_empty() || inside.any(|embed| is_filtered(&embed.plan))
}

/// Appends the joins of the embeds of a plan.
fn write_joins(out: &mut SqlBuf, plan: &ReadPlan<'_>) {
    for embed in &plan.embeds {
        out.constant(match embed.join {
            JoinType::Inner => sql_text!(" INNER JOIN LATERAL ("),
            JoinType::Left => sql_text!(" LEFT JOIN LATERAL ("),
        });
        let is_aggregated = match &embed.shape {
            EmbedShape::Object(_) | EmbedShape::SpreadOne(_) => {
                write_rows(out, &embed.plan);
                false
            }
            EmbedShape::Array(_) => {
                write_array(out, embed, &[]);
                true
            }
            EmbedShape::SpreadMany(items) => {
                write_array(out, embed, items);
                true
            }
        };
        sql!(out, ") AS ");
        out.ident(&embed.name);
        if is_aggregated && embed.join == JoinType::Inner {
            sql!(out, " ON ");
            write_column(out, &embed.name, &embed.name);
            sql!(out, " IS NOT NULL");
        } else {
            sql!(out, " ON TRUE");
        }
    }
}

/// Appends the rows of an embed as one array, and the columns of a spread one as an array each.
/// The aggregates see the rows in the order in which the subquery gives them.
///
/// Source: PostgreSQL's documentation, 9.21 "Aggregate Functions", on input from a sorted subquery.
fn write_array(out: &mut SqlBuf, embed: &Embed<'_>, items: &[SpreadItem<'_>]) {
    let name = &embed.name;
    sql!(out, "SELECT pg_catalog.jsonb_agg(");
    out.ident(name);
    sql!(out, ") AS ");
    out.ident(name);
    for item in items {
        sql!(out, ", coalesce(pg_catalog.jsonb_agg(");
        write_column(out, name, &item.name);
        sql!(out, "), '[]') AS ");
        out.ident(&item.name);
    }
    sql!(out, " FROM (");
    write_rows(out, &embed.plan);
    sql!(out, ") AS ");
    out.ident(name);
}

/// Appends the condition that an embedded relation has rows, or has none.
fn write_embed_condition(out: &mut SqlBuf, embed: &Embed<'_>, is: EmbedIs, style: EmbedConditions) {
    match style {
        EmbedConditions::Joined => {
            out.ident(&embed.name);
            // `IS NULL` would be true for a row of nulls, too.
            out.constant(match is {
                EmbedIs::Absent => sql_text!(" IS NOT DISTINCT FROM NULL"),
                EmbedIs::Present => sql_text!(" IS DISTINCT FROM NULL"),
            });
        }
        EmbedConditions::Counted => {
            out.constant(match is {
                EmbedIs::Absent => sql_text!("NOT EXISTS ("),
                EmbedIs::Present => sql_text!("EXISTS ("),
            });
            write_counted_rows(out, &embed.plan);
            sql!(out, ")");
        }
    }
}

/// Appends ` GROUP BY …` with what is selected beside the aggregates, if there are any.
///
/// What has a name of the request is called by its place: by that name PostgreSQL would find a
/// column of the relation first. (An expression with parameters cannot be repeated.) Behind a `*`
/// that is left to PostgreSQL nobody knows the place.
fn write_group_by(out: &mut SqlBuf, plan: &ReadPlan<'_>) {
    if !plan.is_aggregated() {
        return;
    }
    let mut separator = sql_text!(" GROUP BY ");
    let mut place = Some(0);
    for item in &plan.select {
        let is_all_columns = item.aggregate.is_none() && item.field.name.as_str() == "*";
        place = place.filter(|_| !is_all_columns).map(|place| place + 1);
        if item.aggregate.is_some() {
            continue;
        }
        out.constant(separator);
        separator = sql_text!(", ");
        let is_represented = item.field.transform.is_some() && item.field.json_path.is_empty();
        match (&item.alias, place) {
            // JSON knows no equality, but the value that it is written from does.
            _ if is_represented => write_field(out, &plan.name, &item.field),
            (Some(_), Some(place)) => out.place(place),
            (Some(alias), None) => out.ident(alias),
            (None, _) => write_field(out, &plan.name, &item.field),
        }
    }
    for item in embed_items(plan) {
        place = place.map(|place| place + 1);
        if item.is_aggregated() {
            continue;
        }
        out.constant(separator);
        separator = sql_text!(", ");
        item.write_group_term(out, place);
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

/// ` LIMIT` with the power of two that lets all rows of a range through; none for ranges without a
/// limit, and for those that are so large that a table is rarely larger.
fn rounded_limit(range: &Range) -> Option<ConstSql> {
    let limit = range
        .limit()
        .filter(|limit| *limit > 0 && range.offset() >= 0)?;
    let rows = u32::try_from(limit.checked_add(range.offset())?).ok()?;
    let power = rows.checked_next_power_of_two()?.trailing_zeros();
    LIMITS.get(power as usize).copied()
}

const LIMITS: [ConstSql; 17] = [
    sql_text!(" LIMIT 1"),
    sql_text!(" LIMIT 2"),
    sql_text!(" LIMIT 4"),
    sql_text!(" LIMIT 8"),
    sql_text!(" LIMIT 16"),
    sql_text!(" LIMIT 32"),
    sql_text!(" LIMIT 64"),
    sql_text!(" LIMIT 128"),
    sql_text!(" LIMIT 256"),
    sql_text!(" LIMIT 512"),
    sql_text!(" LIMIT 1024"),
    sql_text!(" LIMIT 2048"),
    sql_text!(" LIMIT 4096"),
    sql_text!(" LIMIT 8192"),
    sql_text!(" LIMIT 16384"),
    sql_text!(" LIMIT 32768"),
    sql_text!(" LIMIT 65536"),
];

/// Appends a number as a parameter.
pub(super) fn write_number(out: &mut SqlBuf, number: i128) {
    out.param(Some(number.to_string().as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(limit: Option<i128>, offset: i128, expected: Option<ConstSql>) {
        let range = Range::of_limit_and_offset(limit, offset);
        assert_eq!(rounded_limit(&range), expected, "{limit:?} {offset}");
    }

    #[test]
    fn limits_are_rounded_up_so_that_no_row_is_lost() {
        check(Some(1), 0, Some(sql_text!(" LIMIT 1")));
        check(Some(25), 0, Some(sql_text!(" LIMIT 32")));
        check(Some(32), 0, Some(sql_text!(" LIMIT 32")));
        check(Some(32), 1, Some(sql_text!(" LIMIT 64")));
        check(Some(25), 10_000, Some(sql_text!(" LIMIT 16384")));
        check(Some(65_536), 0, Some(sql_text!(" LIMIT 65536")));
        check(Some(65_537), 0, None);
        check(Some(0), 0, None);
        check(Some(1), -1, None);
        check(None, 5, None);
        check(Some(1 << 90), 1 << 90, None);
    }
}
