//! Defaults that are constants, as JSON.
//!
//! ```text
//! 42   true   'text'::text   E'a\\b'::text   '-1'::integer
//! '{}'::jsonb   '{}'::text[]   ARRAY[]::text[]
//! ```
//!
//! What is any other expression has no value until a row is written, and is not told.

use super::scope::{Kind, Scope};
use crate::json::{Json, write_json_string};
use crate::openapi::number::is_number;

/// The value of an expression of that type, if it is a constant, and short enough.
pub(super) fn literal(scope: &Scope<'_>, data_type: &str, expression: &str) -> Option<Vec<u8>> {
    match scope.kind_below_domains(data_type) {
        Kind::Array(_) => is_empty_array(expression).then(|| b"[]".to_vec()),
        Kind::Enum(row) => {
            let text = quoted(expression)?;
            let is_label = row.labels.iter().flatten().any(|label| *label == text);
            is_label.then(|| json_string(&text))
        }
        Kind::Builtin(builtin, printed) => match builtin.json_type {
            Some("boolean") => {
                matches!(expression, "true" | "false").then(|| expression.as_bytes().to_vec())
            }
            Some("integer" | "number") => {
                let text = quoted(expression).unwrap_or_else(|| expression.to_owned());
                is_number(&text).then(|| text.into_bytes())
            }
            Some("string") => {
                let text = quoted(expression)?;
                // Only what a client would see is told, and PostgreSQL prints it otherwise here.
                let is_as_seen = match builtin.format {
                    Some("date") => is_date(&text),
                    Some("uuid") | None => true,
                    Some(_) => false,
                };
                let max = printed.max_length().unwrap_or(usize::MAX);
                (is_as_seen && text.chars().count() <= max).then(|| json_string(&text))
            }
            None => {
                let text = quoted(expression)?;
                let is_json = matches!(builtin.name, "json" | "jsonb");
                (is_json && Json::parse(text.as_bytes()).is_some()).then(|| text.into_bytes())
            }
            Some(_) => None,
        },
        Kind::Domain(_) | Kind::Composite(_) | Kind::Row(_) | Kind::AnyJson => None,
    }
}

fn json_string(text: &str) -> Vec<u8> {
    let mut json = Vec::new();
    write_json_string(&mut json, text);
    json
}

/// The text between the quotes of a constant, which may have a cast behind it and nothing else.
fn quoted(expression: &str) -> Option<String> {
    let (escapes, rest) = match expression.strip_prefix("E'") {
        Some(rest) => (true, rest),
        None => (false, expression.strip_prefix('\'')?),
    };
    let mut text = String::with_capacity(rest.len());
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '\'' => match chars.as_str().strip_prefix('\'') {
                Some(behind) => {
                    text.push('\'');
                    chars = behind.chars();
                }
                None => break,
            },
            // PostgreSQL writes no other escape than that of the backslash itself.
            '\\' if escapes => text.push(chars.next()?),
            other => text.push(other),
        }
    }
    let cast = chars.as_str();
    let is_of_type = |c: char| {
        c.is_alphanumeric() || matches!(c, '_' | ' ' | '.' | '"' | '(' | ')' | ',' | '[' | ']')
    };
    let is_cast = cast
        .strip_prefix("::")
        .is_some_and(|name| name.chars().all(is_of_type));
    (cast.is_empty() || is_cast).then_some(text)
}

fn is_empty_array(expression: &str) -> bool {
    let has_no_element = expression.strip_prefix("ARRAY[]::");
    let is_plain = |name: &str| !name.contains(['|', '\'', ':']);
    has_no_element.is_some_and(is_plain) || quoted(expression).as_deref() == Some("{}")
}

/// `2024-01-31`
fn is_date(text: &str) -> bool {
    let is_digit = |place: usize| text.as_bytes()[place].is_ascii_digit();
    text.len() == 10
        && text.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            place => is_digit(place),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_lose_quotes_and_cast() {
        assert_eq!(quoted("'it''s'::text").as_deref(), Some("it's"));
        assert_eq!(quoted(r"E'a\\b'::text").as_deref(), Some(r"a\b"));
        assert_eq!(quoted(r"'a\b'").as_deref(), Some(r"a\b"));
        assert_eq!(quoted("''::character varying(3)").as_deref(), Some(""));
        assert_eq!(quoted("'a'::\"odd type\"[]").as_deref(), Some("a"));
        for expression in [
            "'a'::text || 'b'::text",
            "('a'::text)::date",
            "now()",
            "'a",
            "'a''",
            "E'a\\",
            "'a'::text + 1",
            "",
            "42",
        ] {
            assert_eq!(quoted(expression), None, "{expression}");
        }
    }

    #[test]
    fn dates_have_their_dashes() {
        assert!(is_date("2024-01-31"));
        for text in [
            "infinity",
            "2024-01-31 BC",
            "24-01-31",
            "2024/01/31",
            "2024-01-3é",
        ] {
            assert!(!is_date(text), "{text}");
        }
    }

    #[test]
    fn empty_arrays_are_written_in_two_ways() {
        assert!(is_empty_array("'{}'::text[]") && is_empty_array("ARRAY[]::text[]"));
        assert!(!is_empty_array("ARRAY[1]") && !is_empty_array("'{1}'::integer[]"));
        assert!(!is_empty_array("ARRAY[]::text[] || 'a'::text"));
    }
}
