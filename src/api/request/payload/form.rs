//! A body in the syntax of a query string: `application/x-www-form-urlencoded`.
//!
//! The grammar is that of `query_string`, blanks, `;` and all. Bytes that are not UTF-8 become
//! U+FFFD, as the WHATWG URL standard has it for forms.

use super::super::query_string::parse_pairs;
use crate::error::json::{JsonText, write_json_object};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A body of nothing but `&` would else need 48 bytes for each of its own. No table has as many
/// columns; a variadic argument may have as many values, but not in a form.
const PAIRS_MAX: usize = 100_000;

type Pairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// All pairs in their order; one without a value has an empty one.
pub(super) fn parse(body: &[u8]) -> Result<Pairs<'_>, String> {
    let separators = body.iter().filter(|byte| matches!(byte, b'&' | b';'));
    if separators.count() >= PAIRS_MAX {
        return Err(format!("A form has at most {PAIRS_MAX} fields"));
    }
    Ok(match String::from_utf8_lossy(body) {
        Cow::Borrowed(text) => with_values(text),
        Cow::Owned(text) => with_values(&text).into_iter().map(into_owned).collect(),
    })
}

fn with_values(text: &str) -> Pairs<'_> {
    parse_pairs(text)
        .into_iter()
        .map(|pair| (pair.key, pair.value.unwrap_or_default()))
        .collect()
}

fn into_owned(
    (key, value): (Cow<'_, str>, Cow<'_, str>),
) -> (Cow<'static, str>, Cow<'static, str>) {
    (Cow::Owned(key.into_owned()), Cow::Owned(value.into_owned()))
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
