//! A type as PostgreSQL prints it (`format_type`), taken apart.
//!
//! ```text
//! character varying(40)[]   timestamp(3) with time zone   api."odd(name)"   api.light[]
//! ```

use std::borrow::Cow;

/// A printed type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Printed<'a> {
    /// The type, or that of the elements, without its modifier.
    pub(super) name: Cow<'a, str>,
    /// What stands in parentheses.
    pub(super) modifier: Option<&'a str>,
    /// Whether it is an array.
    pub(super) is_array: bool,
}

impl<'a> Printed<'a> {
    /// Takes it apart.
    pub(super) fn parse(text: &'a str) -> Printed<'a> {
        let element = text.trim_end_matches("[]");
        let is_array = element.len() < text.len();
        let (name, modifier) = match parentheses(element) {
            Some((open, close)) => {
                let (before, behind) = (&element[..open], &element[close + 1..]);
                let name = match behind {
                    "" => before.into(),
                    _ => format!("{before}{behind}").into(),
                };
                (name, Some(&element[open + 1..close]))
            }
            None => (element.into(), None),
        };
        Printed {
            name,
            modifier,
            is_array,
        }
    }

    /// The greatest length of a text or a string of bits, if it has one.
    pub(super) fn max_length(&self) -> Option<usize> {
        let has_length = matches!(
            &*self.name,
            "character varying" | "character" | "bit varying" | "bit"
        );
        self.modifier
            .filter(|_| has_length && !self.is_array)
            .and_then(|modifier| modifier.parse().ok())
    }
}

/// Where the first pair of parentheses is that is not part of a quoted name.
fn parentheses(text: &str) -> Option<(usize, usize)> {
    let mut is_quoted = false;
    let open = text.find(|c| {
        is_quoted ^= c == '"';
        c == '(' && !is_quoted
    })?;
    let close = open + text[open..].find(')')?;
    Some((open, close))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, name: &str, modifier: Option<&str>, is_array: bool) {
        let printed = Printed::parse(text);
        let parts = (&*printed.name, printed.modifier, printed.is_array);
        assert_eq!(parts, (name, modifier, is_array), "{text}");
    }

    #[test]
    fn names_modifiers_and_arrays_are_told_apart() {
        check("integer", "integer", None, false);
        check(
            "character varying(40)[]",
            "character varying",
            Some("40"),
            true,
        );
        check(
            "timestamp(3) with time zone",
            "timestamp with time zone",
            Some("3"),
            false,
        );
        check("numeric(4,1)", "numeric", Some("4,1"), false);
        check(
            "geo.geometry(Point,4326)",
            "geo.geometry",
            Some("Point,4326"),
            false,
        );
        check(r#"api."odd(name)""#, r#"api."odd(name)""#, None, false);
        check(r#"api."a""(b)""[]"[]"#, r#"api."a""(b)""[]""#, None, true);
        check("x(", "x(", None, false);
        check("", "", None, false);
    }

    #[test]
    fn texts_and_bits_have_a_greatest_length() {
        for (text, length) in [
            ("character varying(40)", Some(40)),
            ("bit(3)", Some(3)),
            ("character varying(40)[]", None),
            ("numeric(4)", None),
            ("text", None),
        ] {
            assert_eq!(Printed::parse(text).max_length(), length, "{text}");
        }
    }
}
