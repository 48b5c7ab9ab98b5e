//! A body in the syntax of a query string: `application/x-www-form-urlencoded`.
//!
//! The grammar is that of `query_string`, blanks, `;` and all. Bytes that are not UTF-8 are
//! refused, although the WHATWG URL standard wants U+FFFD for them: it would be stored.

use super::super::query_string::{Pair, parse_pairs};
use super::mark::without_mark;
use crate::json::{JsonText, write_json_object};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A body of nothing but `&` would else need 48 bytes for each of its own. No table has as many
/// columns; a variadic argument may have as many values, but not in a form.
const PAIRS_MAX: usize = 100_000;

type Pairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// All pairs in their order; one without a value has an empty one.
pub(super) fn parse<'a>(body: &'a [u8]) -> Result<Pairs<'a>, String> {
    let separators = body.iter().filter(|byte| matches!(byte, b'&' | b';'));
    if separators.count() >= PAIRS_MAX {
        return Err(format!("A form has at most {PAIRS_MAX} fields"));
    }
    let text = str::from_utf8(without_mark(body));
    let text = text.map_err(|error| {
        let mark_bytes = body.len() - without_mark(body).len();
        let place = mark_bytes + error.valid_up_to() + 1;
        format!("The form is not UTF-8: byte {place} begins no character")
    })?;
    let pairs = parse_pairs(text);
    let pairs = pairs.map_err(|text| format!("The form is not UTF-8: {}", text.details()))?;
    let with_value = |pair: Pair<'a>| (pair.key, pair.value.unwrap_or_default());
    Ok(pairs.into_iter().map(with_value).collect())
}

/// Each key once, with its last value.
pub(super) fn last_of_each(pairs: Pairs<'_>) -> Pairs<'_> {
    pairs
        .into_iter()
        .collect::<BTreeMap<_, _>>()
        .into_iter()
        .collect()
}

/// Appends an object whose values are strings.
pub(super) fn write_json(out: &mut Vec<u8>, pairs: &[(Cow<'_, str>, Cow<'_, str>)]) {
    let members = pairs
        .iter()
        .map(|(key, value)| (key.as_ref(), JsonText::String(value)));
    write_json_object(out, members);
}
