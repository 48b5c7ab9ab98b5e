//! Embedded relations as lateral joins.
//!
//! ```text
//! SELECT "films"."title", to_jsonb("films_directors_1".*) AS "directors"
//!   FROM "api"."films"
//!   LEFT JOIN LATERAL (SELECT … WHERE "directors_1"."id" = "films"."director_id")
//!          AS "films_directors_1" ON TRUE
//! ```
//! A to-one relation is joined as it is, so that PostgreSQL may turn the lateral join into a hash
//! join. A to-many relation is aggregated inside its join.
//!
//! Parity: what is embedded is `jsonb`, whose text has its own spaces and order of keys (QuerySpec
//! tests a length). It can also be compared, which `GROUP BY` needs. PostgREST makes JSON and casts
//! it; `to_jsonb` and `jsonb_agg` give the same bytes in three quarters of the time (`perf/sql`).

use super::field::{write_aggregated, write_column};
use super::rows::{write_counted_rows, write_rows};
use crate::plan::{Embed, EmbedIs, EmbedShape, ReadPlan, SpreadItem, Visibility};
use crate::request::ast::JoinType;
use corerest_sql::{SqlBuf, sql, sql_text};

/// How it is found out whether an embedded relation has rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EmbedConditions {
    /// By the join, which is there.
    Joined,
    /// By a subquery: a count has no joins.
    Counted,
}

/// Appends the items of the select list that the embeds of a plan give.
pub(super) fn embed_items<'p, 'a>(
    plan: &'p ReadPlan<'a>,
) -> impl Iterator<Item = EmbedItem<'p, 'a>> {
    plan.embeds.iter().flat_map(|embed| {
        let visible = match embed.shape {
            EmbedShape::Object(visibility) | EmbedShape::Array(visibility) => {
                visibility == Visibility::Shown
            }
            EmbedShape::SpreadOne(_) | EmbedShape::SpreadMany(_) => false,
        };
        let whole = visible.then_some(EmbedItem::Whole(embed));
        let spread = embed.shape.spread_items().iter();
        whole
            .into_iter()
            .chain(spread.map(move |item| EmbedItem::Spread(embed, item)))
    })
}

/// What an embed adds to the select list.
#[derive(Clone, Copy)]
pub(super) enum EmbedItem<'p, 'a> {
    /// The object or array.
    Whole(&'p Embed<'a>),
    /// A column of a spread relation.
    Spread(&'p Embed<'a>, &'p SpreadItem<'a>),
}

impl EmbedItem<'_, '_> {
    pub(super) fn write(&self, out: &mut SqlBuf) {
        match self {
            EmbedItem::Whole(embed) => {
                let name = &embed.name;
                if let EmbedShape::Object(_) = embed.shape {
                    sql!(out, "to_jsonb(");
                    out.ident(name);
                    sql!(out, ".*)");
                } else {
                    sql!(out, "coalesce(");
                    write_column(out, name, name);
                    sql!(out, ", '[]')");
                }
                sql!(out, " AS ");
                out.ident(embed.key);
            }
            EmbedItem::Spread(embed, item) => {
                write_aggregated(out, item.aggregate, item.aggregate_cast, |out| {
                    write_column(out, &embed.name, &item.name);
                });
                if let Some(alias) = &item.alias {
                    sql!(out, " AS ");
                    out.ident(alias);
                }
            }
        }
    }

    /// Appends the term of `GROUP BY`, for an item that is none of an aggregate.
    pub(super) fn write_group_term(&self, out: &mut SqlBuf) {
        match self {
            EmbedItem::Whole(embed) => out.ident(embed.key),
            EmbedItem::Spread(embed, item) => write_column(out, &embed.name, &item.name),
        }
    }

    pub(super) fn is_aggregated(&self) -> bool {
        match self {
            EmbedItem::Whole(_) => false,
            EmbedItem::Spread(_, item) => item.aggregate.is_some(),
        }
    }
}

/// Appends the joins of the embeds of a plan.
pub(super) fn write_joins(out: &mut SqlBuf, plan: &ReadPlan<'_>) {
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
    sql!(out, "SELECT jsonb_agg(");
    out.ident(name);
    sql!(out, ") AS ");
    out.ident(name);
    for item in items {
        sql!(out, ", coalesce(jsonb_agg(");
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
pub(super) fn write_embed_condition(
    out: &mut SqlBuf,
    embed: &Embed<'_>,
    is: EmbedIs,
    style: EmbedConditions,
) {
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
