//! `select=`.
//!
//! ```text
//! forest   = (item ("," item)*)?
//! item     = "..." name embed "(" forest ")"
//!          | alias? name embed "(" forest ")"
//!          | "*"
//!          | alias? "count()" cast?
//!          | alias? field cast? ("." aggregate "()")? cast?
//! alias    = name ":"
//! embed    = ("!" ("left" | "inner" | name))*         at most twice
//! cast     = "::" words
//! ```
//!
//! Parity: what follows a forest that has come to its end is not looked at, as in `id)`.

use super::ast::{Aggregate, Field, JoinType, SelectField, SelectItem, SelectRelation};
use super::field::{alias, cast, field, ident, is_of_name, name};
use super::parse_log::Log;
use super::parser::{Failed, Parsed, Parser};
use corerest_sql::Ident;
use std::borrow::Cow;

const AGGREGATES: &[(&str, Aggregate)] = &[
    ("sum", Aggregate::Sum),
    ("avg", Aggregate::Avg),
    ("count", Aggregate::Count),
];

/// Those that begin with the same letter, so that each has to be tried in full.
const EXTREMES: &[(&str, Aggregate)] = &[("max", Aggregate::Max), ("min", Aggregate::Min)];

/// `forest`
pub(super) fn forest<L: Log>(p: &mut Parser<'_, L>) -> Parsed<Vec<SelectItem>> {
    let items = p.option(|p| p.separated(item, |p| p.lexeme(|p| p.literal(","))))?;
    Ok(items.unwrap_or_default())
}

fn item<L: Log>(p: &mut Parser<'_, L>) -> Parsed<SelectItem> {
    if let Some(name) = p.plain_word() {
        return Ok(SelectItem::Field(plain_field(Ident::before_nul(name))));
    }
    p.either(
        |p| {
            let head = p.attempt(|p| p.lexeme(spread_head))?;
            with_children(p, head).map(SelectItem::Spread)
        },
        |p| {
            p.either(
                |p| {
                    let head = p.attempt(|p| p.lexeme(relation_head))?;
                    with_children(p, head).map(SelectItem::Relation)
                },
                |p| select_field(p).map(SelectItem::Field),
            )
        },
    )
}

fn with_children<L: Log>(p: &mut Parser<'_, L>, head: SelectRelation) -> Parsed<SelectRelation> {
    p.literal("(")?;
    let select = p.nested(forest)?;
    p.literal(")")?;
    Ok(SelectRelation { select, ..head })
}

fn spread_head<L: Log>(p: &mut Parser<'_, L>) -> Parsed<SelectRelation> {
    p.literal("...")?;
    let relation = ident(p)?;
    let (hint, join) = embed(p)?;
    p.peek("(")?;
    Ok(SelectRelation {
        relation,
        alias: None,
        hint,
        join,
        select: Vec::new(),
    })
}

fn relation_head<L: Log>(p: &mut Parser<'_, L>) -> Parsed<SelectRelation> {
    let alias = alias(p)?;
    let relation = name(p)?;
    if relation == "count" {
        return Err(Failed);
    }
    let (hint, join) = embed(p)?;
    p.peek("(")?;
    Ok(SelectRelation {
        relation: Ident::before_nul(&relation),
        alias: alias.map(owned),
        hint,
        join,
        select: Vec::new(),
    })
}

/// What follows one exclamation mark.
enum Embed {
    Join(JoinType),
    Hint(Ident),
}

/// Of two hints or two joins, the first counts.
fn embed<L: Log>(p: &mut Parser<'_, L>) -> Parsed<(Option<Ident>, Option<JoinType>)> {
    let (mut hint, mut join) = (None, None);
    for _ in 0..2 {
        match p.option(embed_parameter)? {
            Some(Embed::Hint(name)) => hint = hint.or(Some(name)),
            Some(Embed::Join(kind)) => join = join.or(Some(kind)),
            None => {}
        }
    }
    Ok((hint, join))
}

fn embed_parameter<L: Log>(p: &mut Parser<'_, L>) -> Parsed<Embed> {
    p.literal("!")?;
    p.either(|p| p.attempt(join), |p| p.attempt(ident).map(Embed::Hint))
}

/// To PostgREST a hint that begins with one of these words is an error.
fn join<L: Log>(p: &mut Parser<'_, L>) -> Parsed<Embed> {
    let join = p.one_of(&[("left", JoinType::Left), ("inner", JoinType::Inner)])?;
    if p.is_before(|c| c == '-' || (c != ' ' && is_of_name(c))) {
        return Err(Failed);
    }
    Ok(Embed::Join(join))
}

fn select_field<L: Log>(p: &mut Parser<'_, L>) -> Parsed<SelectField> {
    p.lexeme(|p| {
        p.either(
            |p| p.attempt(star),
            |p| p.either(|p| p.attempt(count), full_field),
        )
    })
}

fn star<L: Log>(p: &mut Parser<'_, L>) -> Parsed<SelectField> {
    p.literal("*")?;
    end_of_item(p)?;
    Ok(plain_field(Ident::before_nul("*")))
}

/// A field with nothing around it.
fn plain_field(name: Ident) -> SelectField {
    SelectField {
        field: Field {
            name,
            json_path: Vec::new(),
        },
        aggregate: None,
        aggregate_cast: None,
        cast: None,
        alias: None,
    }
}

fn count<L: Log>(p: &mut Parser<'_, L>) -> Parsed<SelectField> {
    let alias = alias(p)?;
    p.literal("count()")?;
    let aggregate_cast = cast(p)?;
    end_of_item(p)?;
    Ok(SelectField {
        aggregate: Some(Aggregate::Count),
        aggregate_cast,
        alias: alias.map(owned),
        ..plain_field(Ident::before_nul("*"))
    })
}

fn full_field<L: Log>(p: &mut Parser<'_, L>) -> Parsed<SelectField> {
    let alias = alias(p)?;
    let field = field(p)?;
    let first_cast = cast(p)?;
    let aggregate = p.option(|p| p.attempt(aggregate))?;
    let aggregate_cast = cast(p)?;
    end_of_item(p)?;
    Ok(SelectField {
        field,
        aggregate,
        aggregate_cast,
        cast: first_cast,
        alias: alias.map(owned),
    })
}

fn aggregate<L: Log>(p: &mut Parser<'_, L>) -> Parsed<Aggregate> {
    p.literal(".")?;
    let aggregate = p.either(|p| p.one_of_predictive(AGGREGATES), |p| p.one_of(EXTREMES))?;
    p.literal("()")?;
    Ok(aggregate)
}

fn end_of_item<L: Log>(p: &mut Parser<'_, L>) -> Parsed<()> {
    for follower in [")", ","] {
        if p.peek(follower).is_ok() {
            return Ok(());
        }
    }
    p.end()
}

fn owned(name: Cow<'_, str>) -> Ident {
    Ident::before_nul(&name)
}
