//! `and=(…)` and `or=(…)`.
//!
//! ```text
//! tree = field "." filter
//!      | "not."? ("and" | "or") "(" tree ("," tree)* ")"
//! path = name ("." name)*          the key of the parameter; ends in "and" or "or"
//! ```

use super::ast::{EmbedPath, Filter, LogicOperator, LogicTree, Negation};
use super::field::{delimiter, field, ident};
use super::filter::{FilterPlace, condition, negation};
use super::parse_log::Log;
use super::parser::{Parsed, Parser};
use corerest_sql::Ident;

/// `tree`
pub(super) fn tree<L: Log>(p: &mut Parser<'_, L>) -> Parsed<LogicTree> {
    p.either(|p| p.attempt(filter).map(LogicTree::Filter), group)
}

/// The embedded relation that a parameter is for, and the operator at its end, which takes the
/// `not` from wherever it stands.
pub(super) fn path<L: Log>(p: &mut Parser<'_, L>) -> Parsed<(EmbedPath, String)> {
    let mut names = p.separated(ident, delimiter)?;
    let negated = names.iter().any(is_not);
    let operator = names.pop().expect("a separated list is not empty");
    names.retain(|name| !is_not(name));
    let not = if negated { "not." } else { "" };
    Ok((names, format!("{not}{operator}")))
}

fn is_not(name: &Ident) -> bool {
    name.as_str() == "not"
}

fn filter<L: Log>(p: &mut Parser<'_, L>) -> Parsed<Filter> {
    let field = field(p)?;
    delimiter(p)?;
    let (negation, operation) = condition(p, FilterPlace::Group)?;
    Ok(Filter {
        field,
        negation,
        operation,
    })
}

fn group<L: Log>(p: &mut Parser<'_, L>) -> Parsed<LogicTree> {
    let negation = p.label("negation operator (not)", |p| p.option(negation))?;
    let negation = match negation {
        Some(()) => Negation::Negated,
        None => Negation::Plain,
    };
    let operator = p.label("logic operator (and, or)", operator)?;
    p.lexeme(|p| p.literal("("))?;
    let members = p.nested(|p| p.separated(tree, |p| p.lexeme(|p| p.literal(","))))?;
    p.lexeme(|p| p.literal(")"))?;
    Ok(LogicTree::Group(negation, operator, members))
}

fn operator<L: Log>(p: &mut Parser<'_, L>) -> Parsed<LogicOperator> {
    p.either(
        |p| p.attempt(|p| p.literal("and")).map(|()| LogicOperator::And),
        |p| p.literal("or").map(|()| LogicOperator::Or),
    )
}
