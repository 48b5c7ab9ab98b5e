//! What embedded relations add to the select list of the relation around them; their joins are
//! written with the rows ([`rows`](super::rows)), for these have embedded relations again.
//!
//! Parity: what is embedded is `jsonb`, whose text has its own spaces and order of keys (QuerySpec
//! tests a length). It can also be compared, which `GROUP BY` needs. PostgREST makes JSON and casts
//! it; `to_jsonb` and `jsonb_agg` give the same bytes in three quarters of the time (`perf/sql`).

use super::field::{write_aggregated, write_column};
use crate::plan::{Embed, EmbedShape, ReadPlan, SpreadItem, Visibility};
use corerest_sql::{SqlBuf, sql};

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
                    sql!(out, "pg_catalog.to_jsonb(");
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
                write_aggregated(out, item.aggregate.as_ref(), |out| {
                    write_column(out, &embed.name, &item.name);
                });
                if let Some(alias) = &item.alias {
                    sql!(out, " AS ");
                    out.ident(alias);
                }
            }
        }
    }

    /// Appends the term of `GROUP BY`, for an item that is none of an aggregate, by its place in
    /// the select list if that is known.
    pub(super) fn write_group_term(&self, out: &mut SqlBuf, place: Option<usize>) {
        match (self, place) {
            (EmbedItem::Whole(_), Some(place)) => out.place(place),
            (EmbedItem::Whole(embed), None) => out.ident(embed.key),
            (EmbedItem::Spread(embed, item), _) => write_column(out, &embed.name, &item.name),
        }
    }

    pub(super) fn is_aggregated(&self) -> bool {
        match self {
            EmbedItem::Whole(_) => false,
            EmbedItem::Spread(_, item) => item.aggregate.is_some(),
        }
    }
}
