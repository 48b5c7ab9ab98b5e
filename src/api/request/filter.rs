//! Filters: `id=eq.1`, and the same inside of `and=` and `or=`.
//!
//! ```text
//! filter     = "not."? (in | is | isdistinct | full text | simple | quantified)
//! in         = "in." "(" element ("," element)* ")"      an empty one is none, but in quotes
//! is         = "is." ("null" | "not_null" | "true" | "false" | "unknown")     in any case
//! isdistinct = "isdistinct." value
//! full text  = ("fts" | "plfts" | "phfts" | "wfts") ("(" words ")")? "." value
//! simple     = ("neq" | "cs" | …) "." value
//! quantified = ("eq" | "gte" | …) ("(any)" | "(all)")? "." value
//! ```
//!
//! Parity: behind the value of `in` and `is` anything may follow; it is not looked at.

use super::ast::{
    FullTextOperator, IsValue, Negation, Operation, QuantifiedOperator, Quantifier, SimpleOperator,
};
use super::field::{delimiter, quoted, type_name};
use super::parse_log::Log;
use super::parser::{Failed, Parsed, Parser};

/// Where a value stands, which decides what ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FilterPlace {
    /// The rest of a parameter.
    Parameter,
    /// A member of a logical group: quoted, an array in braces, or up to `,` or `)`.
    Group,
}

const IS_VALUES: &[(&str, IsValue)] = &[
    ("null", IsValue::Null),
    ("not_null", IsValue::NotNull),
    ("true", IsValue::True),
    ("false", IsValue::False),
    ("unknown", IsValue::Unknown),
];

const FULL_TEXT_OPERATORS: &[(&str, FullTextOperator)] = &[
    ("fts", FullTextOperator::Plain),
    ("plfts", FullTextOperator::PlainTo),
    ("phfts", FullTextOperator::PhraseTo),
    ("wfts", FullTextOperator::WebSearch),
];

const SIMPLE_OPERATORS: &[(&str, SimpleOperator)] = &[
    ("neq", SimpleOperator::NotEqual),
    ("cs", SimpleOperator::Contains),
    ("cd", SimpleOperator::ContainedIn),
    ("ov", SimpleOperator::Overlaps),
    ("sl", SimpleOperator::StrictlyLeft),
    ("sr", SimpleOperator::StrictlyRight),
    ("nxr", SimpleOperator::NotExtendsRight),
    ("nxl", SimpleOperator::NotExtendsLeft),
    ("adj", SimpleOperator::Adjacent),
];

/// Where one name begins another, the longer one comes first.
const QUANTIFIED_OPERATORS: &[(&str, QuantifiedOperator)] = &[
    ("eq", QuantifiedOperator::Equal),
    ("gte", QuantifiedOperator::GreaterOrEqual),
    ("gt", QuantifiedOperator::Greater),
    ("lte", QuantifiedOperator::LessOrEqual),
    ("lt", QuantifiedOperator::Less),
    ("like", QuantifiedOperator::Like),
    ("ilike", QuantifiedOperator::ILike),
    ("match", QuantifiedOperator::Match),
    ("imatch", QuantifiedOperator::IMatch),
];

/// `filter`
pub(super) fn condition<L: Log>(
    p: &mut Parser<'_, L>,
    place: FilterPlace,
) -> Parsed<(Negation, Operation)> {
    let negation = match p.option(negation)? {
        Some(()) => Negation::Negated,
        None => Negation::Plain,
    };
    let operation = p.label("operator (eq, gt, ...)", |p| operation(p, place))?;
    Ok((negation, operation))
}

/// `not.`
pub(super) fn negation<L: Log>(p: &mut Parser<'_, L>) -> Parsed<()> {
    p.attempt(|p| {
        p.literal("not")?;
        delimiter(p)
    })
}

fn operation<L: Log>(p: &mut Parser<'_, L>, place: FilterPlace) -> Parsed<Operation> {
    if p.attempt(|p| operator(p, "in")).is_ok() {
        return list(p).map(Operation::In);
    }
    if p.attempt(|p| operator(p, "is")).is_ok() {
        return is_value(p).map(Operation::Is);
    }
    if p.attempt(|p| operator(p, "isdistinct")).is_ok() {
        return value(p, place).map(Operation::IsDistinctFrom);
    }
    p.either(
        |p| p.attempt(|p| full_text(p, place)),
        |p| {
            p.either(
                |p| p.attempt(|p| simple(p, place)),
                |p| p.attempt(|p| quantified(p, place)),
            )
        },
    )
}

fn operator<L: Log>(p: &mut Parser<'_, L>, name: &'static str) -> Parsed<()> {
    p.literal(name)?;
    delimiter(p)
}

fn is_value<L: Log>(p: &mut Parser<'_, L>) -> Parsed<IsValue> {
    p.label("isVal: (null, not_null, true, false, unknown)", |p| {
        for &(word, value) in IS_VALUES {
            if p.attempt(|p| p.word_in_any_case(word)).is_ok() {
                return Ok(value);
            }
        }
        Err(Failed)
    })
}

fn full_text<L: Log>(p: &mut Parser<'_, L>, place: FilterPlace) -> Parsed<Operation> {
    let operator = p.one_of(FULL_TEXT_OPERATORS)?;
    let configuration = p.option(|p| p.attempt(|p| in_parentheses(p, type_name)))?;
    delimiter(p)?;
    Ok(Operation::FullText(
        operator,
        configuration,
        value(p, place)?,
    ))
}

fn simple<L: Log>(p: &mut Parser<'_, L>, place: FilterPlace) -> Parsed<Operation> {
    let operator = p.label("unknown single value operator", |p| {
        p.one_of(SIMPLE_OPERATORS)
    })?;
    delimiter(p)?;
    Ok(Operation::Simple(operator, value(p, place)?))
}

fn quantified<L: Log>(p: &mut Parser<'_, L>, place: FilterPlace) -> Parsed<Operation> {
    let operator = p.label("unknown single value operator", |p| {
        p.one_of(QUANTIFIED_OPERATORS)
    })?;
    let quantifier = p.option(|p| p.attempt(|p| in_parentheses(p, quantifier)))?;
    delimiter(p)?;
    Ok(Operation::Quantified(
        operator,
        quantifier,
        value(p, place)?,
    ))
}

fn quantifier<L: Log>(p: &mut Parser<'_, L>) -> Parsed<Quantifier> {
    p.either(
        |p| p.attempt(|p| p.literal("any")).map(|()| Quantifier::Any),
        |p| p.literal("all").map(|()| Quantifier::All),
    )
}

fn in_parentheses<'a, L: Log, T>(
    p: &mut Parser<'a, L>,
    inside: fn(&mut Parser<'a, L>) -> Parsed<T>,
) -> Parsed<T> {
    p.literal("(")?;
    let inside = inside(p)?;
    p.literal(")")?;
    Ok(inside)
}

fn value<L: Log>(p: &mut Parser<'_, L>, place: FilterPlace) -> Parsed<String> {
    match place {
        FilterPlace::Parameter => Ok(p.take_while(|_| true, &[]).to_owned()),
        FilterPlace::Group => p.either(quoted_element, |p| {
            p.either(
                |p| p.attempt(array),
                |p| Ok(p.take_while(is_element, &[]).to_owned()),
            )
        }),
    }
}

/// `{1,2}` with its braces.
fn array<L: Log>(p: &mut Parser<'_, L>) -> Parsed<String> {
    p.literal("{")?;
    let inside = p.take_while(|c| c != '{' && c != '}', &[]);
    p.literal("}")?;
    Ok(format!("{{{inside}}}"))
}

fn list<L: Log>(p: &mut Parser<'_, L>) -> Parsed<Vec<String>> {
    p.lexeme(|p| p.literal("("))?;
    let mut is_quoted = false;
    let element = |p: &mut Parser<'_, L>| {
        p.either(
            |p| quoted_element(p).inspect(|_| is_quoted = true),
            |p| Ok(p.take_while(is_element, &[]).to_owned()),
        )
    };
    let elements = p.separated(element, |p| p.literal(","))?;
    p.lexeme(|p| p.literal(")"))?;
    // To PostgREST an empty text in quotes is no element either. Clients mean no rows by `()`.
    let is_empty = matches!(elements.as_slice(), [only] if only.is_empty() && !is_quoted);
    Ok(if is_empty { Vec::new() } else { elements })
}

/// Quotes count only if they enclose the whole element.
fn quoted_element<L: Log>(p: &mut Parser<'_, L>) -> Parsed<String> {
    p.attempt(|p| {
        let text = quoted(p)?;
        p.not_followed_by(is_element, None)?;
        Ok(text.into_owned())
    })
}

fn is_element(c: char) -> bool {
    c != ',' && c != ')'
}
