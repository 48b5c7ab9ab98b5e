//! The query string as pairs, and its canonical form.
//!
//! ```text
//! query = pair (("&" | ";") pair)*        an empty piece is a pair with an empty key
//! pair  = key ("=" value)?                "+" is a blank, %XX a byte, any other "%" itself
//! ```
//!
//! Source: the WHATWG URL standard, `application/x-www-form-urlencoded`, with the older `;`.

use crate::error::{Error, beginning};
use std::borrow::Cow;

/// Text that stands for bytes that are no UTF-8, as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotUtf8(pub(super) String);

impl NotUtf8 {
    /// A value of a form can be as long as a body, and its beginning is enough.
    fn of(text: &str) -> NotUtf8 {
        const SHOWN_BYTES_MAX: usize = 4 << 10;
        NotUtf8(beginning(text, SHOWN_BYTES_MAX).to_owned())
    }

    /// What the client is told whose path or query string it is a part of.
    pub(super) fn refused(self, whole: &str) -> Error {
        Error::QueryParameter {
            message: format!("The {whole} is not UTF-8"),
            details: self.details(),
        }
    }

    /// What is wrong with which part.
    pub(super) fn details(&self) -> String {
        format!("'{}' stands for bytes that are no text", self.0)
    }
}

/// A parameter. Without `=` it has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair<'a> {
    pub(super) key: Cow<'a, str>,
    pub(super) value: Option<Cow<'a, str>>,
}

/// All parameters in their order.
///
/// Parity: to bytes that are not UTF-8 PostgREST answers 500. They are never replaced by others,
/// for a filter that is not the one that was sent lets other rows through.
///
/// # Errors
/// The first key or value that is no text.
pub(super) fn parse_pairs(query: &str) -> Result<Vec<Pair<'_>>, NotUtf8> {
    let pair = |(key, value): (_, Option<_>)| {
        Ok(Pair {
            key: decode_text(key, Plus::Blank)?,
            value: value
                .map(|value| decode_text(value, Plus::Blank))
                .transpose()?,
        })
    };
    split(query).map(pair).collect()
}

/// The parameters sorted by key and written anew, as `Content-Location` shows them.
///
/// Parity: parameters with the same key become one, with their values joined by commas; one
/// without a value gets an empty one.
pub(super) fn canonical(query: &str) -> String {
    let decode_pair = |(key, value): (&'_ str, Option<&'_ str>)| {
        let value = value.unwrap_or_default();
        (
            decode(key, Plus::Blank).into_owned(),
            decode(value, Plus::Blank).into_owned(),
        )
    };
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = split(query).map(decode_pair).collect();
    pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut out = String::with_capacity(query.len() + 16);
    for (index, (key, value)) in pairs.iter().enumerate() {
        if index > 0 && pairs[index - 1].0 == *key {
            out.push(',');
        } else {
            if index > 0 {
                out.push('&');
            }
            escape(&mut out, key);
            out.push('=');
        }
        escape(&mut out, value);
    }
    out
}

/// What `+` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plus {
    /// A blank, as in a query string.
    Blank,
    /// Itself, as in a path.
    Plus,
}

/// A percent-encoded text.
pub(super) fn decode_text(text: &str, plus: Plus) -> Result<Cow<'_, str>, NotUtf8> {
    match decode(text, plus) {
        Cow::Borrowed(_) => Ok(Cow::Borrowed(text)),
        Cow::Owned(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Cow::Owned(text)),
            Err(_) => Err(NotUtf8::of(text)),
        },
    }
}

fn split(query: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let query = query.strip_prefix('?').unwrap_or(query);
    // A separator at the very end does not begin another pair.
    query
        .split_terminator(['&', ';'])
        .map(|pair| match pair.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (pair, None),
        })
}

fn decode(text: &str, plus: Plus) -> Cow<'_, [u8]> {
    let bytes = text.as_bytes();
    let is_coded = |byte: u8| byte == b'%' || (byte == b'+' && plus == Plus::Blank);
    if !bytes.iter().any(|&byte| is_coded(byte)) {
        return Cow::Borrowed(bytes);
    }
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        let (byte, after) = match (byte, after) {
            (b'+', _) if plus == Plus::Blank => (b' ', after),
            (b'%', &[high, low, ref behind @ ..]) => match hex_pair(high, low) {
                Some(byte) => (byte, behind),
                None => (b'%', after),
            },
            _ => (byte, after),
        };
        decoded.push(byte);
        rest = after;
    }
    Cow::Owned(decoded)
}

fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// Everything but RFC 3986's unreserved characters becomes `%XX`, byte by byte.
pub(crate) fn escape(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, expected: &[(&str, Option<&str>)]) {
        let pairs = parse_pairs(query).expect("it is UTF-8");
        let pairs: Vec<(&str, Option<&str>)> = pairs
            .iter()
            .map(|pair| (&*pair.key, pair.value.as_deref()))
            .collect();
        assert_eq!(pairs, expected, "{query}");
    }

    #[test]
    fn pairs_are_decoded() {
        check("", &[]);
        check("?a=1", &[("a", Some("1"))]);
        check(
            "a=1&b=2;c=3",
            &[("a", Some("1")), ("b", Some("2")), ("c", Some("3"))],
        );
        check("a&b=", &[("a", None), ("b", Some(""))]);
        check("a=1&", &[("a", Some("1"))]);
        check("&a=1", &[("", None), ("a", Some("1"))]);
        check("a&&b", &[("a", None), ("", None), ("b", None)]);
        check("a=b=c", &[("a", Some("b=c"))]);
        check("a+b=c+d%20e", &[("a b", Some("c d e"))]);
        check("a=%C3%a9", &[("a", Some("é"))]);
        check("é=ü", &[("é", Some("ü"))]);
    }

    #[test]
    fn broken_percent_signs_stand_for_themselves() {
        check("a=%", &[("a", Some("%"))]);
        check("a=%4", &[("a", Some("%4"))]);
        check("a=%Q1", &[("a", Some("%Q1"))]);
        check("a=%%41", &[("a", Some("%A"))]);
        check("a=%+1", &[("a", Some("% 1"))]);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_no_text() {
        #[track_caller]
        fn check(query: &str, expected: &str) {
            assert_eq!(parse_pairs(query), Err(NotUtf8(expected.to_owned())));
        }
        check("a=%ff", "%ff");
        check("a=1&%C3=1&%ff", "%C3");
        check("%ff", "%ff");
        check("é=caf%E9", "caf%E9");
        // Half a character here and half there is none.
        check("a=%C3&%A9=b", "%C3");
        // Surrogates, and more bytes than needed.
        check("a=%ED%A0%80", "%ED%A0%80");
        check("a=%C0%AF", "%C0%AF");
    }

    #[track_caller]
    fn check_canonical(query: &str, expected: &str) {
        assert_eq!(canonical(query), expected, "{query}");
    }

    #[test]
    fn the_canonical_form_is_sorted_and_escaped() {
        check_canonical("", "");
        check_canonical("a=1&c=3&b=2&d", "a=1&b=2&c=3&d=");
        check_canonical("select=id,name&id=eq.1", "id=eq.1&select=id%2Cname");
        check_canonical("a=x y&B=-_.~*", "B=-_.~%2A&a=x%20y");
        check_canonical("a=%c3%a9+%ff", "a=%C3%A9%20%FF");
    }

    #[test]
    fn equal_keys_share_one_parameter_in_the_canonical_form() {
        check_canonical("b=2&a=1&b=1&b", "a=1&b=2,1,");
    }
}
