//! Conditions: filters, and the trees that `and` and `or` make of them. A filter for null on the
//! name of an embedded relation asks whether that has rows.

use super::embed::Embed;
use super::field::{Columns, PlannedField};
use crate::request::ast::{Filter, IsValue, LogicOperator, LogicTree, Negation, Operation};

/// A condition on a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition<'a> {
    /// Several, joined.
    Group(Negation, LogicOperator, Vec<Condition<'a>>),
    /// One on a field.
    Filter(PlannedFilter<'a>),
    /// One on an embedded relation: whether it has rows.
    Embedded(EmbedIs, usize),
}

/// What is asked of an embedded relation; which one, its place among the embeds says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbedIs {
    /// `relation=is.null`
    Absent,
    /// `relation=not.is.null`
    Present,
}

/// A comparison of a field with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedFilter<'a> {
    /// The left side.
    pub field: PlannedField<'a>,
    /// Whether `NOT` stands before it.
    pub negation: Negation,
    /// The operator and the right side.
    pub operation: &'a Operation,
}

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
