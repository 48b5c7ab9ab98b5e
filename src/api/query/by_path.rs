//! What PostgreSQL looks up in the search path of the request: its schema and
//! `db-extra-search-path`, with the rights of the role of the request. There is nothing else of
//! the kind: other constants name their schema, or do not compile.
//!
//! - The operator of a filter. A client's `eq` means the `=` of the column's type, which may be of
//!   an extension (`citext`, `ltree`, PostGIS), and an extension may have an operator for one of
//!   PostgreSQL's own types (`intarray`'s `&&` has its own index).
//! - `=` between the columns of a relationship: keys may have such types, too.
//! - The aggregates `sum`, `avg`, `max` and `min`, which such types bring along.
//! - `to_tsvector` of a column whose type is not PostgreSQL's own.
//! - An arrow on what may not be JSON, in an order by an embedded relation (`hstore` has one), or
//!   behind `->>`, where PostgreSQL's error names the operator as it was asked for.
//! - `ST_AsGeoJSON`: nobody knows in which schema PostGIS is.
//!
//! Three more are no constants, and stand where they are written: the type of a client's cast; the
//! default of a column, with `Prefer: missing=default`, which PostgreSQL prints without the schema
//! of its own functions, operators and types; and a function of the configuration without a schema.
//!
//! Parity: PostgREST leaves all of these to the path, and most of what else it writes.

use crate::request::ast::{Aggregate, FullTextOperator, QuantifiedOperator, SimpleOperator};
use corerest_sql::{ConstSql, sql_text, sql_text_by_path};

/// Between the columns of a relationship.
pub(super) const JOINED_BY: ConstSql = sql_text_by_path!(" = ");

/// No operator at all: it gives a column of a written row its value.
pub(super) const ASSIGNED: ConstSql = sql_text_by_path!(" = ");

/// Before a list of values, one of which it is to be.
pub(super) const EQUALS_ANY: ConstSql = sql_text_by_path!(" = ANY(");

/// It is an `=` with another answer to NULL.
pub(super) const IS_DISTINCT_FROM: ConstSql = sql_text_by_path!(" IS DISTINCT FROM ");

/// What is searched, of a type that is not PostgreSQL's own.
pub(super) const TO_TSVECTOR: ConstSql = sql_text_by_path!("to_tsvector(");

/// The arrow to a member, as it is.
pub(super) const ARROW: ConstSql = sql_text_by_path!("->");

/// The arrow to a member, as text.
pub(super) const TEXT_ARROW: ConstSql = sql_text_by_path!("->>");

/// A row as a feature of GeoJSON, a text.
pub(super) const FEATURE: ConstSql = sql_text_by_path!("ST_AsGeoJSON(_row)");

pub(super) fn simple_operator(operator: SimpleOperator) -> ConstSql {
    match operator {
        SimpleOperator::NotEqual => sql_text_by_path!(" <> "),
        SimpleOperator::Contains => sql_text_by_path!(" @> "),
        SimpleOperator::ContainedIn => sql_text_by_path!(" <@ "),
        SimpleOperator::Overlaps => sql_text_by_path!(" && "),
        SimpleOperator::StrictlyLeft => sql_text_by_path!(" << "),
        SimpleOperator::StrictlyRight => sql_text_by_path!(" >> "),
        SimpleOperator::NotExtendsRight => sql_text_by_path!(" &< "),
        SimpleOperator::NotExtendsLeft => sql_text_by_path!(" &> "),
        SimpleOperator::Adjacent => sql_text_by_path!(" -|- "),
    }
}

pub(super) fn quantified_operator(operator: QuantifiedOperator) -> ConstSql {
    match operator {
        QuantifiedOperator::Equal => sql_text_by_path!(" = "),
        QuantifiedOperator::GreaterOrEqual => sql_text_by_path!(" >= "),
        QuantifiedOperator::Greater => sql_text_by_path!(" > "),
        QuantifiedOperator::LessOrEqual => sql_text_by_path!(" <= "),
        QuantifiedOperator::Less => sql_text_by_path!(" < "),
        QuantifiedOperator::Like => sql_text_by_path!(" like "),
        QuantifiedOperator::ILike => sql_text_by_path!(" ilike "),
        QuantifiedOperator::Match => sql_text_by_path!(" ~ "),
        QuantifiedOperator::IMatch => sql_text_by_path!(" ~* "),
    }
}

/// The operator is by the path, the function behind it is PostgreSQL's own.
pub(super) fn full_text_operator(operator: FullTextOperator) -> ConstSql {
    match operator {
        FullTextOperator::Plain => sql_text_by_path!(" @@ pg_catalog.to_tsquery("),
        FullTextOperator::PlainTo => sql_text_by_path!(" @@ pg_catalog.plainto_tsquery("),
        FullTextOperator::PhraseTo => sql_text_by_path!(" @@ pg_catalog.phraseto_tsquery("),
        FullTextOperator::WebSearch => sql_text_by_path!(" @@ pg_catalog.websearch_to_tsquery("),
    }
}

/// The name of an aggregate, all but one by the path: what is counted may be of any type.
pub(super) fn aggregate(aggregate: Aggregate) -> ConstSql {
    match aggregate {
        Aggregate::Sum => sql_text_by_path!("SUM"),
        Aggregate::Avg => sql_text_by_path!("AVG"),
        Aggregate::Max => sql_text_by_path!("MAX"),
        Aggregate::Min => sql_text_by_path!("MIN"),
        Aggregate::Count => sql_text!("pg_catalog.COUNT"),
    }
}
