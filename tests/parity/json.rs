//! JSON as a tree that keeps what a parser for programs would lose: the order of members, members
//! of one name, and how numbers are written.

use std::fmt;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Json {
    /// A number, a string, or one of the three words, as it is written.
    Scalar(String),
    /// A list.
    Array(Vec<Json>),
    /// Members in their order.
    Object(Vec<(String, Json)>),
}

/// How deep it may be.
const DEPTH_MAX: usize = 200;

impl Json {
    /// The value of a text, if it is one.
    pub fn parse(text: &str) -> Option<Json> {
        let mut rest = text;
        let value = value(&mut rest, 0)?;
        rest.trim().is_empty().then_some(value)
    }

    /// The same with the elements of all arrays in the order of their texts.
    #[must_use]
    pub fn sorted(self) -> Json {
        match self {
            Json::Scalar(text) => Json::Scalar(text),
            Json::Array(items) => {
                let mut items: Vec<Json> = items.into_iter().map(Json::sorted).collect();
                items.sort();
                Json::Array(items)
            }
            Json::Object(members) => Json::Object(
                members
                    .into_iter()
                    .map(|(name, value)| (name, value.sorted()))
                    .collect(),
            ),
        }
    }

    /// The member of that name, whose text it is with its quotes.
    pub fn member(&self, name: &str) -> Option<&Json> {
        let Json::Object(members) = self else {
            return None;
        };
        let found = members.iter().find(|(known, _)| *known == quoted(name));
        found.map(|(_, value)| value)
    }

    /// The same without the member of that name.
    #[must_use]
    pub fn without(self, name: &str) -> Json {
        match self {
            Json::Object(mut members) => {
                members.retain(|(known, _)| *known != quoted(name));
                Json::Object(members)
            }
            other => other,
        }
    }
}

/// As short as it can be.
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Scalar(text) => f.write_str(text),
            Json::Array(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if index > 0 { "," } else { "" })?;
                }
                f.write_str("]")
            }
            Json::Object(members) => {
                f.write_str("{")?;
                for (index, (name, value)) in members.iter().enumerate() {
                    write!(f, "{}{name}:{value}", if index > 0 { "," } else { "" })?;
                }
                f.write_str("}")
            }
        }
    }
}

fn value(rest: &mut &str, depth: usize) -> Option<Json> {
    if depth > DEPTH_MAX {
        return None;
    }
    *rest = rest.trim_start();
    match rest.chars().next()? {
        '[' => {
            let mut items = Vec::new();
            let mut next = open(rest, ']');
            while next {
                items.push(value(rest, depth + 1)?);
                next = goes_on(rest, ']')?;
            }
            Some(Json::Array(items))
        }
        '{' => {
            let mut members = Vec::new();
            let mut next = open(rest, '}');
            while next {
                *rest = rest.trim_start();
                let name = string(rest)?;
                *rest = rest.trim_start().strip_prefix(':')?;
                members.push((name, value(rest, depth + 1)?));
                next = goes_on(rest, '}')?;
            }
            Some(Json::Object(members))
        }
        '"' => Some(Json::Scalar(string(rest)?)),
        _ => {
            let end = rest.find([',', ']', '}', ' ', '\n', '\r', '\t']);
            let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
            let is_value = matches!(word, "true" | "false" | "null") || word.parse::<f64>().is_ok();
            *rest = behind;
            is_value.then(|| Json::Scalar(word.to_owned()))
        }
    }
}

/// Takes the opening bracket; whether something stands behind it.
fn open(rest: &mut &str, closing: char) -> bool {
    *rest = rest[1..].trim_start();
    match rest.strip_prefix(closing) {
        Some(behind) => {
            *rest = behind;
            false
        }
        None => true,
    }
}

/// Whether a comma came, and not the end.
fn goes_on(rest: &mut &str, closing: char) -> Option<bool> {
    *rest = rest.trim_start();
    let next = rest.chars().next()?;
    *rest = &rest[next.len_utf8()..];
    match next {
        ',' => Some(true),
        next => (next == closing).then_some(false),
    }
}

/// A string with its quotes, as it is written.
fn string(rest: &mut &str) -> Option<String> {
    let mut is_escaped = false;
    let begin = rest.strip_prefix('"')?;
    for (at, byte) in begin.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => {
                let (text, behind) = rest.split_at(at + 2);
                *rest = behind;
                return Some(text.to_owned());
            }
            _ => {}
        }
    }
    None
}

/// Text as a string of JSON.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str(r"\\"),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::{Json, quoted};

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let parsed = Json::parse(text).map(|json| json.to_string());
        assert_eq!(parsed.as_deref(), expected, "{text}");
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        check(
            " [ 1.50 , \"a\\\"]\" , {} ]\n",
            Some("[1.50,\"a\\\"]\",{}]"),
        );
        check(
            "{\"b\": 1, \"a\": [null], \"b\": 2}",
            Some("{\"b\":1,\"a\":[null],\"b\":2}"),
        );
        check("\"ü\"", Some("\"ü\""));
        check("[1,]", None);
        check("[1", None);
        check("{\"a\"}", None);
        check("[1] 2", None);
        check("a", None);
        check(&"[".repeat(100_000), None);
    }

    #[test]
    fn the_order_of_elements_is_put_aside_and_that_of_members_is_not() {
        let sorted = |text: &str| Json::parse(text).expect("it is JSON").sorted();
        assert_eq!(sorted("[2,{\"a\":[3,1]},1]"), sorted("[1,2,{\"a\":[1,3]}]"));
        assert_ne!(sorted("[{\"a\":1,\"b\":2}]"), sorted("[{\"b\":2,\"a\":1}]"));
        assert_ne!(sorted("[1,1]"), sorted("[1]"));
        assert_eq!(quoted("a\"\\\n"), "\"a\\\"\\\\\\u000a\"");
    }
}
