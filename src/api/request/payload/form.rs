//! A body in the syntax of a query string: `application/x-www-form-urlencoded`.
//!
//! The grammar is that of `query_string`, blanks, `;` and all. Bytes that are not UTF-8 are
//! refused, although the WHATWG URL standard wants U+FFFD for them: it would be stored.

use super::super::query_string::{Pair, parse_pairs};
use super::mark::without_mark;
use super::pieces::{Pieces, json_string_bytes};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// A body of nothing but `&` would else need 48 bytes for each of its own. No table has as many
/// columns; a variadic argument may have as many values, but not in a form.
const PAIRS_MAX: usize = 100_000;

type Texts<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Which pairs of a form count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairs {
    /// All of them.
    All,
    /// For each key the last one, in the order of the keys.
    LastOfEach,
}

/// A form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form<'a> {
    /// Its pairs.
    pub pairs: Texts<'a>,
    /// Which of those that came they are.
    pub which: Pairs,
}

impl<'a> Form<'a> {
    /// Reads a form.
    pub(super) fn parse(body: &'a [u8], which: Pairs) -> Result<Form<'a>, String> {
        let pairs = parse(body)?;
        let pairs = match which {
            Pairs::All => pairs,
            Pairs::LastOfEach => last_of_each(pairs),
        };
        Ok(Form { pairs, which })
    }

    /// How long it is as an object.
    pub(super) fn json_bytes(&self) -> usize {
        let members = self
            .pairs
            .iter()
            .map(|(key, value)| json_string_bytes(key) + ":".len() + json_string_bytes(value));
        let commas = self.pairs.len().saturating_sub(1);
        "{}".len() + members.sum::<usize>() + commas
    }

    /// Writes an object whose values are strings, piece by piece.
    pub(super) fn write_json(&self, sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) {
        let mut out = Pieces::new(self.json_bytes(), sink);
        out.push(b"{");
        for (index, (key, value)) in self.pairs.iter().enumerate() {
            if index > 0 {
                out.push(b",");
            }
            out.push_string(key);
            out.push(b":");
            out.push_string(value);
        }
        out.push(b"}");
        out.finish();
    }
}

/// Writes the JSON of the form that `body` is, which was parsed before.
pub(super) fn convert(body: &[u8], which: Pairs, sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) {
    let form = Form::parse(body, which).expect("it has been read before");
    form.write_json(sink);
}

/// All pairs in their order; one without a value has an empty one.
fn parse<'a>(body: &'a [u8]) -> Result<Texts<'a>, String> {
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
fn last_of_each<'a>(pairs: Texts<'a>) -> Texts<'a> {
    pairs
        .into_iter()
        .collect::<BTreeMap<_, _>>()
        .into_iter()
        .collect()
}
