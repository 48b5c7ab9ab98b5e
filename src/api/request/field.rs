//! Names, fields and the ways into their JSON: what all grammars of the query string share.
//!
//! ```text
//! name       = quoted | words ("-" words)*        words: ASCII's letters and digits, "_", "$",
//!                                                 blanks, and whatever is not ASCII
//! quoted     = '"' ([^\"] | "\" any)* '"'
//! field      = name path
//! path       = (("->>" | "->") (index | key))*
//! index      = "-"? digit+                        followed by "->", "::", ".", "," or the end
//! key        = quoted | part ("-" part)*          part: anything but ( - : . , > )
//! tree path  = name ("." name)* path              the last name is the field's
//! ```
//!
//! Parity: all of them may be followed by anything; what is left of the text is not looked at
//! (`id:x=eq.1` filters on `id`).

use super::ast::{EmbedPath, Field, JsonArrow, JsonOperand, JsonStep};
use super::parse_log::{Log, Message};
use super::parser::{Parsed, Parser};
use corerest_sql::{Ident, TypeName};
use std::borrow::Cow;

/// `name`. Quotes and outer blanks are gone.
pub(super) fn name<'a, L: Log>(p: &mut Parser<'a, L>) -> Parsed<Cow<'a, str>> {
    p.label("field name (* or [a..z0..9_$])", |p| {
        p.either(quoted, |p| joined_by_dashes(p, name_part))
    })
}

/// `name`, as the name of something in the database.
pub(super) fn ident<L: Log>(p: &mut Parser<'_, L>) -> Parsed<Ident> {
    name(p).map(|name| Ident::before_nul(&name))
}

/// `alias:`, not followed by another colon, which would be a cast.
pub(super) fn alias<'a, L: Log>(p: &mut Parser<'a, L>) -> Parsed<Option<Cow<'a, str>>> {
    p.option(|p| {
        p.attempt(|p| {
            let alias = name(p)?;
            p.literal(":")?;
            p.not_followed_by(|c| c == ':', Some(Message::ExpectedText(":")))?;
            Ok(alias)
        })
    })
}

/// `field`
pub(super) fn field<L: Log>(p: &mut Parser<'_, L>) -> Parsed<Field> {
    p.lexeme(|p| {
        let name = ident(p)?;
        let json_path = json_path(p)?;
        Ok(Field { name, json_path })
    })
}

/// `tree path`
pub(super) fn tree_path<L: Log>(p: &mut Parser<'_, L>) -> Parsed<(EmbedPath, Field)> {
    let first = ident(p)?;
    let mut names = p.many(vec![first], |p| {
        delimiter(p)?;
        ident(p)
    })?;
    let json_path = json_path(p)?;
    let name = names.pop().expect("there is a first name");
    Ok((names, Field { name, json_path }))
}

/// `.`
pub(super) fn delimiter<L: Log>(p: &mut Parser<'_, L>) -> Parsed<()> {
    p.label("delimiter (.)", |p| p.literal("."))
}

/// `::type`, with the words of the type.
pub(super) fn cast<L: Log>(p: &mut Parser<'_, L>) -> Parsed<Option<TypeName>> {
    p.option(|p| {
        p.literal("::")?;
        type_name(p)
    })
}

/// The words of a type, or of a text search configuration.
///
/// Parity: PostgREST takes any words and lets PostgreSQL complain about those that are not a
/// name of a type, such as `$1`. Such words are refused here.
pub(super) fn type_name<L: Log>(p: &mut Parser<'_, L>) -> Parsed<TypeName> {
    let words = words(p, char::is_alphabetic)?;
    match TypeName::new(&words) {
        Ok(name) => Ok(name),
        Err(_) => p.refuse("a name of plain words is needed here"),
    }
}

/// `quoted`
pub(super) fn quoted<'a, L: Log>(p: &mut Parser<'a, L>) -> Parsed<Cow<'a, str>> {
    p.literal("\"")?;
    let mut text = Cow::Borrowed(p.take_while(|c| c != '\\' && c != '"', &[]));
    while p.option(|p| p.literal("\\"))?.is_some() {
        let escaped = p.any_char()?;
        let text = text.to_mut();
        text.push(escaped);
        text.push_str(p.take_while(|c| c != '\\' && c != '"', &[]));
    }
    p.literal("\"")?;
    Ok(text)
}

/// Parity: PostgREST takes letters only beyond ASCII. No other character means anything there.
fn name_part<'a, L: Log>(p: &mut Parser<'a, L>) -> Parsed<Cow<'a, str>> {
    words(p, |_| true)
}

/// Whether a name may begin with it, or go on.
pub(super) fn is_of_name(c: char) -> bool {
    is_word(c, |_| true)
}

fn is_word(c: char, is_other: impl Fn(char) -> bool) -> bool {
    match c.is_ascii() {
        true => c.is_ascii_alphanumeric() || matches!(c, '_' | ' ' | '$'),
        false => is_other(c),
    }
}

/// Words of ASCII, and of those other characters.
fn words<'a, L: Log>(
    p: &mut Parser<'a, L>,
    is_other: impl Fn(char) -> bool,
) -> Parsed<Cow<'a, str>> {
    let is_word = |c| is_word(c, &is_other);
    let words = p.take_while1(is_word, &["letter", "digit"])?;
    Ok(Cow::Borrowed(words.trim_matches(|c| c == ' ')))
}

fn key_part<'a, L: Log>(p: &mut Parser<'a, L>) -> Parsed<Cow<'a, str>> {
    let is_free = |c| !matches!(c, '(' | '-' | ':' | '.' | ',' | '>' | ')');
    let part = p.take_while1(is_free, &[])?;
    Ok(Cow::Borrowed(part.trim_matches(is_space)))
}

/// White space as Haskell sees it, which does not count the line separators of Unicode.
fn is_space(c: char) -> bool {
    c.is_whitespace() && !matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// A dash belongs to a name unless it begins an arrow.
fn joined_by_dashes<'a, L: Log>(
    p: &mut Parser<'a, L>,
    part: fn(&mut Parser<'a, L>) -> Parsed<Cow<'a, str>>,
) -> Parsed<Cow<'a, str>> {
    let mut joined = part(p)?;
    while p.option(|p| p.attempt(dash))?.is_some() {
        let next = part(p)?;
        let joined = joined.to_mut();
        joined.push('-');
        joined.push_str(&next);
        p.forget_options();
    }
    Ok(joined)
}

fn dash<L: Log>(p: &mut Parser<'_, L>) -> Parsed<()> {
    p.literal("-")?;
    p.not_followed_by(|c| c == '>', Some(Message::ExpectedText(">")))
}

/// `path`
fn json_path<L: Log>(p: &mut Parser<'_, L>) -> Parsed<Vec<JsonStep>> {
    p.many(Vec::new(), |p| {
        let arrow = p.one_of(&[("->>", JsonArrow::Text), ("->", JsonArrow::Json)])?;
        let operand = p.either(
            |p| p.attempt(index).map(JsonOperand::Index),
            |p| p.attempt(key).map(JsonOperand::Key),
        )?;
        Ok(JsonStep { arrow, operand })
    })
}

fn index<L: Log>(p: &mut Parser<'_, L>) -> Parsed<String> {
    let sign = match p.option(|p| p.literal("-"))? {
        Some(()) => '-',
        None => '+',
    };
    let digits = p.take_while1(|c| c.is_ascii_digit(), &["digit"])?;
    end_of_index(p)?;
    Ok(format!("{sign}{digits}"))
}

/// Parity: `)` does not end an index, so that in `rel(data->0)` the zero is a key.
fn end_of_index<L: Log>(p: &mut Parser<'_, L>) -> Parsed<()> {
    for follower in ["->", "::", ".", ","] {
        if p.peek(follower).is_ok() {
            return Ok(());
        }
    }
    p.end()
}

fn key<L: Log>(p: &mut Parser<'_, L>) -> Parsed<String> {
    p.label("any non reserved character different from: .,>()", |p| {
        p.either(quoted, |p| joined_by_dashes(p, key_part))
            .map(Cow::into_owned)
    })
}
