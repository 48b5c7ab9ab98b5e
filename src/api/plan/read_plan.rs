//! What the plan of a read is: a tree, for an embedded relation is a read, too.
//!
//! The types stand together because they hold each other; each part is planned in a file of its
//! own, and [`read`](super::read) puts them together.

use super::field::PlannedField;
use super::select::{PlannedAggregate, PlannedSelect};
use crate::catalog::{Relationship, RowType};
use crate::request::ast::{
    JoinType, LogicOperator, Negation, Operation, OrderDirection, OrderNulls,
};
use crate::request::range::Range;
use corerest_sql::{Ident, QualifiedName};
use std::borrow::Cow;

/// A read of one relation, and of those inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadPlan<'a> {
    /// What is read.
    pub from: Source<'a>,
    /// What it is called in the query.
    pub name: Cow<'a, Ident>,
    /// The table that a many-to-many relationship goes through.
    pub junction: Option<JoinedTable<'a>>,
    /// How the rows belong to a row of the relation around.
    pub joined: Vec<JoinedColumns<'a>>,
    /// What is selected.
    pub select: Vec<PlannedSelect<'a>>,
    /// What every row must fulfil.
    pub conditions: Vec<Condition<'a>>,
    /// The order of the rows.
    pub order: Vec<PlannedOrder<'a>>,
    /// Which of the rows, with `db-max-rows` applied.
    pub range: Range,
    /// The relations inside.
    pub embeds: Vec<Embed<'a>>,
}

/// What a read is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source<'a> {
    /// A table or view.
    Table(&'a QualifiedName),
    /// A function of the row around: a computed relationship.
    Function {
        /// The function.
        function: &'a QualifiedName,
        /// The name of the row around.
        argument: Ident,
        /// Its type, for the function may be overloaded.
        argument_type: &'a QualifiedName,
        /// The type of its rows.
        row_type: Option<RowType>,
    },
    /// What the statement before it wrote or called.
    Written,
}

/// A table beside the one that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JoinedTable<'a> {
    /// The table.
    pub table: &'a QualifiedName,
    /// What it is called in the query.
    pub name: Cow<'a, Ident>,
}

/// Two columns that are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JoinedColumns<'a> {
    /// A column of the relation, or of the junction.
    pub column: (Ident, &'a Ident),
    /// A column of the relation around, or of the relation.
    pub equals: (Ident, &'a Ident),
}

impl ReadPlan<'_> {
    /// Whether rows are grouped here: by aggregates of its own, or of relations spread into it.
    pub(crate) fn is_aggregated(&self) -> bool {
        let moved = self
            .embeds
            .iter()
            .flat_map(|embed| embed.shape.spread_items());
        self.select.iter().any(|item| item.aggregate.is_some())
            || moved.into_iter().any(|item| item.aggregate.is_some())
    }

    /// Whether its rows are as many as are counted without what is selected: nothing is grouped,
    /// and no row is left out for want of one that is embedded and cut off.
    pub(crate) fn is_counted_as_read(&self) -> bool {
        let asks_for_embedded = self.conditions.iter().any(Condition::is_about_embedded);
        let decides = |embed: &&Embed<'_>| embed.join == JoinType::Inner || asks_for_embedded;
        let mut deciding = self.embeds.iter().filter(decides);
        !self.is_aggregated()
            && deciding.all(|embed| embed.plan.range.is_all() && embed.plan.is_counted_as_read())
    }

    /// Whether all columns and nothing else is selected, by their own names: only then are the
    /// rows of the type that a media type handler of the relation takes.
    pub(crate) fn selects_whole_rows(&self) -> bool {
        let is_star = matches!(self.select.as_slice(), [only] if only.field.name.as_str() == "*");
        is_star && self.embeds.is_empty()
    }
}

/// An embedded relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Embed<'a> {
    /// How its rows are found.
    pub plan: ReadPlan<'a>,
    /// Its alias, or else the name that the request calls it by.
    pub key: &'a Ident,
    /// The relationship that leads to it.
    pub relationship: &'a Relationship,
    /// The name of its lateral join.
    pub name: Ident,
    /// Whether rows without it are dropped.
    pub join: JoinType,
    /// What it looks like in the answer.
    pub shape: EmbedShape<'a>,
}

/// What an embedded relation looks like in the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EmbedShape<'a> {
    /// `{…}`, or null.
    Object(Visibility),
    /// `[…]`
    Array(Visibility),
    /// Its columns are columns of the row around it.
    SpreadOne(Vec<SpreadItem<'a>>),
    /// Its columns are columns of the row around it, each an array.
    SpreadMany(Vec<SpreadItem<'a>>),
}

/// Whether an embed is in the answer, or only there to filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visibility {
    /// It is.
    Shown,
    /// It selects nothing, as in `relation()`.
    Hidden,
}

/// A column that a spread relation gives to the row around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SpreadItem<'a> {
    /// What the relation calls it.
    pub name: Ident,
    /// An aggregate that was moved outwards.
    pub aggregate: Option<PlannedAggregate<'a>>,
    /// What the row around it calls the aggregate's result.
    pub alias: Option<Cow<'a, Ident>>,
}

impl<'a> EmbedShape<'a> {
    /// The columns of a spread relation.
    pub(crate) fn spread_items(&self) -> &[SpreadItem<'a>] {
        match self {
            EmbedShape::SpreadOne(items) | EmbedShape::SpreadMany(items) => items,
            EmbedShape::Object(_) | EmbedShape::Array(_) => &[],
        }
    }
}

/// A condition on a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition<'a> {
    /// Several, joined.
    Group(Negation, LogicOperator, Vec<Condition<'a>>),
    /// One on a field.
    Filter(PlannedFilter<'a>),
    /// One on an embedded relation: whether it has rows.
    Embedded(EmbedIs, usize),
}

impl Condition<'_> {
    /// Whether it asks for an embedded relation anywhere.
    fn is_about_embedded(&self) -> bool {
        match self {
            Condition::Group(_, _, inside) => inside.iter().any(Condition::is_about_embedded),
            Condition::Filter(_) => false,
            Condition::Embedded(..) => true,
        }
    }
}

/// What is asked of an embedded relation; which one, its place among the embeds says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EmbedIs {
    /// `relation=is.null`
    Absent,
    /// `relation=not.is.null`
    Present,
}

/// A comparison of a field with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedFilter<'a> {
    /// The left side.
    pub field: PlannedField<'a>,
    /// Whether `NOT` stands before it.
    pub negation: Negation,
    /// The operator and the right side.
    pub operation: &'a Operation,
}

/// One term of the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedOrder<'a> {
    /// The embedded relation whose field it is, by its place among the embeds.
    pub embed: Option<usize>,
    /// What is ordered by.
    pub field: PlannedField<'a>,
    /// The direction, if said.
    pub direction: Option<OrderDirection>,
    /// Where NULLs go, if said.
    pub nulls: Option<OrderNulls>,
}
