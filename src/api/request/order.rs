//! `order=`, and the lists of names in `columns=` and `on_conflict=`.
//!
//! ```text
//! order     = term ("," term)*
//! term      = (name "(" field ")" | field) ("." direction)? ("." nulls)?
//! direction = "asc" | "desc"
//! nulls     = "nullsfirst" | "nullslast"
//! names     = name ("," name)*
//! ```

use super::ast::{OrderDirection, OrderNulls, OrderTerm};
use super::field::{delimiter, field, ident};
use super::parse_log::Log;
use super::parser::{Parsed, Parser};
use corerest_sql::Ident;

/// `order`
pub(super) fn order<L: Log>(p: &mut Parser<'_, L>) -> Parsed<Vec<OrderTerm>> {
    p.separated(
        |p| p.lexeme(|p| p.either(|p| p.attempt(related_term), plain_term)),
        |p| p.literal(","),
    )
}

/// `names`
pub(super) fn names<L: Log>(p: &mut Parser<'_, L>) -> Parsed<Vec<Ident>> {
    p.separated(ident, |p| p.lexeme(|p| p.literal(",")))
}

fn related_term<L: Log>(p: &mut Parser<'_, L>) -> Parsed<OrderTerm> {
    let relation = ident(p)?;
    p.literal("(")?;
    let field = field(p)?;
    p.literal(")")?;
    let (direction, nulls) = modifiers(p)?;
    Ok(OrderTerm {
        relation: Some(relation),
        field,
        direction,
        nulls,
    })
}

fn plain_term<L: Log>(p: &mut Parser<'_, L>) -> Parsed<OrderTerm> {
    let field = field(p)?;
    let (direction, nulls) = modifiers(p)?;
    Ok(OrderTerm {
        relation: None,
        field,
        direction,
        nulls,
    })
}

fn modifiers<L: Log>(
    p: &mut Parser<'_, L>,
) -> Parsed<(Option<OrderDirection>, Option<OrderNulls>)> {
    let direction = p.option(|p| {
        p.either(
            |p| modifier(p, "asc", OrderDirection::Ascending),
            |p| modifier(p, "desc", OrderDirection::Descending),
        )
    })?;
    let nulls = p.either(
        |p| {
            let nulls = p.option(nulls)?;
            end_of_term(p)?;
            Ok(nulls)
        },
        |p| end_of_term(p).map(|()| None),
    )?;
    Ok((direction, nulls))
}

fn nulls<L: Log>(p: &mut Parser<'_, L>) -> Parsed<OrderNulls> {
    p.either(
        |p| modifier(p, "nullsfirst", OrderNulls::First),
        |p| modifier(p, "nullslast", OrderNulls::Last),
    )
}

fn modifier<L: Log, T>(p: &mut Parser<'_, L>, word: &'static str, meaning: T) -> Parsed<T> {
    p.attempt(|p| {
        delimiter(p)?;
        p.literal(word)
    })?;
    Ok(meaning)
}

fn end_of_term<L: Log>(p: &mut Parser<'_, L>) -> Parsed<()> {
    p.either(|p| p.peek(","), Parser::end)
}
