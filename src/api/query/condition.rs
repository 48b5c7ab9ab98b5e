//! Conditions: filters, and the trees that `and` and `or` make of them.
//!
//! An operator is an enum here, and its SQL a constant; its right side is always a parameter. To
//! add an operator: the enum in `request/ast.rs`, its parser in `request/`, a line in `by_path.rs`.

use super::by_path::{
    EQUALS_ANY, IS_DISTINCT_FROM, full_text_operator, quantified_operator, simple_operator,
};
use super::field::{write_field, write_transformed};
use crate::plan::{Condition, EmbedIs, PlannedFilter};
use crate::request::ast::{
    IsValue, LogicOperator, Negation, Operation, QuantifiedOperator, Quantifier,
};
use corerest_sql::{CatalogSql, ConstSql, Ident, SqlBuf, sql, sql_text};

/// Appends whether the embedded relation at a place has rows.
pub(super) type WriteEmbedded<'p> = &'p dyn Fn(&mut SqlBuf, EmbedIs, usize);

/// What conditions are written with: how columns are called, and what embeds look like.
#[derive(Clone, Copy)]
pub(super) struct Conditions<'p> {
    /// The name of the relation.
    pub(super) table: &'p Ident,
    /// Appends a condition on an embedded relation, which is given by its place; only reads have
    /// any.
    pub(super) write_embedded: Option<WriteEmbedded<'p>>,
}

impl Conditions<'_> {
    /// Appends the conditions, joined by `AND`.
    pub(super) fn write(&self, out: &mut SqlBuf, conditions: &[Condition<'_>]) {
        out.separated(sql_text!(" AND "), conditions, |out, condition| {
            self.write_one(out, condition);
        });
    }

    fn write_one(&self, out: &mut SqlBuf, condition: &Condition<'_>) {
        match condition {
            Condition::Filter(filter) => write_filter(out, self.table, filter),
            Condition::Embedded(is, index) => {
                let write = self
                    .write_embedded
                    .expect("only reads have embeds to be filtered");
                write(out, *is, *index);
            }
            Condition::Group(negation, operator, members) => {
                write_negation(out, *negation);
                sql!(out, "(");
                let separator = match operator {
                    LogicOperator::And => sql_text!(" AND "),
                    LogicOperator::Or => sql_text!(" OR "),
                };
                out.separated(separator, members, |out, member| {
                    self.write_one(out, member)
                });
                sql!(out, ")");
            }
        }
    }
}

fn write_negation(out: &mut SqlBuf, negation: Negation) {
    if negation == Negation::Negated {
        sql!(out, "NOT ");
    }
}

fn write_filter(out: &mut SqlBuf, table: &Ident, filter: &PlannedFilter<'_>) {
    write_negation(out, filter.negation);
    write_field(out, table, &filter.field);
    let transform = filter.field.transform;
    match filter.operation {
        Operation::Simple(operator, value) => {
            out.constant(simple_operator(*operator));
            write_transformed(out, transform, |out| out.param(Some(value.as_bytes())));
        }
        Operation::Quantified(operator, quantifier, value) => {
            out.constant(quantified_operator(*operator));
            write_quantified_value(out, *operator, *quantifier, value, transform);
        }
        Operation::In(values) => write_in(out, values, transform),
        Operation::Is(value) => out.constant(is_sql(*value)),
        Operation::IsDistinctFrom(value) => {
            out.constant(IS_DISTINCT_FROM);
            write_transformed(out, transform, |out| out.param(Some(value.as_bytes())));
        }
        Operation::FullText(operator, configuration, value) => {
            out.constant(full_text_operator(*operator));
            if let Some(configuration) = configuration {
                out.param(Some(configuration.as_str().as_bytes()));
                sql!(out, ", ");
            }
            out.param(Some(value.as_bytes()));
            sql!(out, ")");
        }
    }
}

fn write_quantified_value(
    out: &mut SqlBuf,
    operator: QuantifiedOperator,
    quantifier: Option<Quantifier>,
    value: &str,
    transform: Option<&CatalogSql>,
) {
    match quantifier {
        None => {}
        Some(Quantifier::Any) => sql!(out, "ANY("),
        Some(Quantifier::All) => sql!(out, "ALL("),
    }
    match operator {
        // `*` spares clients the escaping of `%` in a URL.
        QuantifiedOperator::Like | QuantifiedOperator::ILike => {
            out.param(Some(value.replace('*', "%").as_bytes()));
        }
        _ if quantifier.is_some() => {
            write_array(out, transform, |out| out.param(Some(value.as_bytes())));
        }
        _ => write_transformed(out, transform, |out| out.param(Some(value.as_bytes()))),
    }
    if quantifier.is_some() {
        sql!(out, ")");
    }
}

/// `= ANY('{…}')` and not `IN (…)`: the list is one parameter, so that its length does not make
/// another statement, and an empty list is valid.
fn write_in(out: &mut SqlBuf, values: &[String], transform: Option<&CatalogSql>) {
    out.constant(EQUALS_ANY);
    write_array(out, transform, |out| {
        out.param_with(|literal| write_array_literal(literal, values));
    });
    sql!(out, ")");
}

/// Appends the array that `write` appends, with a function around each element.
fn write_array(out: &mut SqlBuf, transform: Option<&CatalogSql>, write: impl FnOnce(&mut SqlBuf)) {
    if transform.is_none() {
        return write(out);
    }
    sql!(out, "SELECT ");
    write_transformed(out, transform, |out| {
        sql!(out, "pg_catalog.unnest(");
        write(out);
        sql!(out, "::pg_catalog.text[])");
    });
}

/// The text form of an array. Source: PostgreSQL's documentation, 8.15.2 "Array Value Input".
pub(super) fn write_array_literal(out: &mut Vec<u8>, values: &[impl AsRef<str>]) {
    out.push(b'{');
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.push(b'"');
        for &byte in value.as_ref().as_bytes() {
            if matches!(byte, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(byte);
        }
        out.push(b'"');
    }
    out.push(b'}');
}

fn is_sql(value: IsValue) -> ConstSql {
    match value {
        IsValue::Null => sql_text!(" IS NULL"),
        IsValue::NotNull => sql_text!(" IS NOT NULL"),
        IsValue::True => sql_text!(" IS TRUE"),
        IsValue::False => sql_text!(" IS FALSE"),
        IsValue::Unknown => sql_text!(" IS UNKNOWN"),
    }
}
