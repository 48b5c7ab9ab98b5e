//! What the query string says, as a tree.
//!
//! These types are the border between the URL's grammar and everything behind it: the parsers in
//! this folder make them, the planner reads them, and nobody looks at the URL's text again.
//! They keep the request's words and know nothing of the catalog.
//!
//! Source: PostgREST's documentation, `references/api/tables_views` and `url_grammar`.

use corerest_sql::{Ident, TypeName};

/// A column, a computed field or an argument, with the way into its JSON: `data->a->>b`.
/// The name `*` stands for all columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// The name of the column.
    pub name: Ident,
    /// The steps into its value, outermost first.
    pub json_path: Vec<JsonStep>,
}

/// One step of a JSON path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonStep {
    /// What the step yields.
    pub arrow: JsonArrow,
    /// Where it goes.
    pub operand: JsonOperand,
}

/// The two arrows of PostgreSQL's JSON operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonArrow {
    /// `->`: the value as JSON.
    Json,
    /// `->>`: the value as text.
    Text,
}

/// The right side of an arrow. Both kinds become parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JsonOperand {
    /// A key of an object.
    Key(String),
    /// An index of an array, with its sign, as in `+1` or `-2`.
    Index(String),
}

/// One item of `select=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SelectItem {
    /// `alias:field::cast.aggregate()::cast`
    Field(SelectField),
    /// `alias:relation!hint!inner(…)`
    Relation(SelectRelation),
    /// `...relation!hint!inner(…)`
    Spread(SelectRelation),
}

/// A selected field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SelectField {
    /// The field; `*` for all, and for a bare `count()`.
    pub field: Field,
    /// The aggregate function over it.
    pub aggregate: Option<Aggregate>,
    /// The cast of the aggregate's result.
    pub aggregate_cast: Option<TypeName>,
    /// The cast of the field.
    pub cast: Option<TypeName>,
    /// The key in the answer, when it is not the field's name.
    pub alias: Option<Ident>,
}

/// An embedded or spread relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SelectRelation {
    /// A table, view, computed relationship, foreign key or column.
    pub relation: Ident,
    /// The key in the answer; never set on a spread.
    pub alias: Option<Ident>,
    /// Which of several relationships is meant.
    pub hint: Option<Ident>,
    /// `!inner` or `!left`.
    pub join: Option<JoinType>,
    /// What is selected from it.
    pub select: Vec<SelectItem>,
}

/// How an embedded relation restricts its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JoinType {
    /// Parents without a match are dropped.
    Inner,
    /// All parents stay.
    Left,
}

/// The aggregate functions of `select=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aggregate {
    /// `sum()`
    Sum,
    /// `avg()`
    Avg,
    /// `max()`
    Max,
    /// `min()`
    Min,
    /// `count()`
    Count,
}

/// The names of the embedded relations that lead to a node of `select=`; empty for the root.
pub(crate) type EmbedPath = Vec<Ident>;

/// Something that belongs to a node of `select=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct At<T> {
    /// The node.
    pub path: EmbedPath,
    /// What belongs to it.
    pub item: T,
}

/// `field=operation`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    /// The left side.
    pub field: Field,
    /// Whether `not.` stands before the operator.
    pub negation: Negation,
    /// The operator and its value.
    pub operation: Operation,
}

/// Whether a condition is negated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Negation {
    /// `not.`
    Negated,
    /// As it stands.
    Plain,
}

/// An operator with its right side. Values keep the text of the URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// `cs.{1,2}`
    Simple(SimpleOperator, String),
    /// `eq.1`, `like(any).{a*,b*}`
    Quantified(QuantifiedOperator, Option<Quantifier>, String),
    /// `in.(1,2)`
    In(Vec<String>),
    /// `is.null`
    Is(IsValue),
    /// `isdistinct.1`
    IsDistinctFrom(String),
    /// `fts(english).cat`
    FullText(FullTextOperator, Option<TypeName>, String),
}

/// Operators that take one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SimpleOperator {
    /// `neq`
    NotEqual,
    /// `cs`
    Contains,
    /// `cd`
    ContainedIn,
    /// `ov`
    Overlaps,
    /// `sl`
    StrictlyLeft,
    /// `sr`
    StrictlyRight,
    /// `nxr`
    NotExtendsRight,
    /// `nxl`
    NotExtendsLeft,
    /// `adj`
    Adjacent,
}

/// Operators that also take `(any)` and `(all)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QuantifiedOperator {
    /// `eq`
    Equal,
    /// `gte`
    GreaterOrEqual,
    /// `gt`
    Greater,
    /// `lte`
    LessOrEqual,
    /// `lt`
    Less,
    /// `like`
    Like,
    /// `ilike`
    ILike,
    /// `match`
    Match,
    /// `imatch`
    IMatch,
}

/// How an operator goes over an array of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantifier {
    /// `(any)`
    Any,
    /// `(all)`
    All,
}

/// The right sides of `is.`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IsValue {
    /// `is.null`
    Null,
    /// `is.not_null`
    NotNull,
    /// `is.true`
    True,
    /// `is.false`
    False,
    /// `is.unknown`
    Unknown,
}

/// The full-text operators, by the function that reads the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FullTextOperator {
    /// `fts`: `to_tsquery`
    Plain,
    /// `plfts`: `plainto_tsquery`
    PlainTo,
    /// `phfts`: `phraseto_tsquery`
    PhraseTo,
    /// `wfts`: `websearch_to_tsquery`
    WebSearch,
}

/// `and=(…)`, `or=(…)`, and what is inside them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogicTree {
    /// `not.and(…)`, `or(…)`
    Group(Negation, LogicOperator, Vec<LogicTree>),
    /// `id.eq.1`
    Filter(Filter),
}

/// How the members of a group are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogicOperator {
    /// `and`
    And,
    /// `or`
    Or,
}

/// One term of `order=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OrderTerm {
    /// The embedded relation in `order=relation(field)`.
    pub relation: Option<Ident>,
    /// What is ordered by.
    pub field: Field,
    /// `asc` or `desc`, if said.
    pub direction: Option<OrderDirection>,
    /// `nullsfirst` or `nullslast`, if said.
    pub nulls: Option<OrderNulls>,
}

/// The direction of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrderDirection {
    /// `asc`
    Ascending,
    /// `desc`
    Descending,
}

/// Where NULLs go in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrderNulls {
    /// `nullsfirst`
    First,
    /// `nullslast`
    Last,
}
