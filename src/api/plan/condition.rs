//! Conditions: filters, and the trees that `and` and `or` make of them. A filter for null on the
//! name of an embedded relation asks whether that has rows.

use super::field::Columns;
use super::read_plan::{Condition, Embed, EmbedIs, PlannedFilter};
use crate::request::ast::{Filter, IsValue, LogicTree, Negation, Operation};

/// Plans a filter of a relation with these embeds.
pub(super) fn plan_filter<'a>(
    columns: Columns<'a>,
    embeds: &[Embed<'a>],
    filter: &'a Filter,
) -> Condition<'a> {
    if let Some(on_embed) = plan_embed_filter(embeds, filter) {
        return on_embed;
    }
    Condition::Filter(PlannedFilter {
        field: columns.filtered(filter),
        negation: filter.negation,
        operation: &filter.operation,
    })
}

/// Plans a tree of a relation with these embeds.
pub(super) fn plan_logic<'a>(
    columns: Columns<'a>,
    embeds: &[Embed<'a>],
    tree: &'a LogicTree,
) -> Condition<'a> {
    match tree {
        LogicTree::Filter(filter) => plan_filter(columns, embeds, filter),
        LogicTree::Group(negation, operator, members) => {
            let members = members
                .iter()
                .map(|member| plan_logic(columns, embeds, member));
            Condition::Group(*negation, *operator, members.collect())
        }
    }
}

/// Parity: every other operator, and `is.not_null`, is about a column of that name.
fn plan_embed_filter<'a>(embeds: &[Embed<'a>], filter: &Filter) -> Option<Condition<'a>> {
    if !filter.field.json_path.is_empty() || filter.operation != Operation::Is(IsValue::Null) {
        return None;
    }
    let index = embeds
        .iter()
        .position(|embed| *embed.key == filter.field.name)?;
    let is = match filter.negation {
        Negation::Plain => EmbedIs::Absent,
        Negation::Negated => EmbedIs::Present,
    };
    Some(Condition::Embedded(is, index))
}
