//! What OpenAPI calls the types of PostgreSQL, and their defaults as JSON.
//!
//! Parity: a type goes by the name that `format_type` prints, which ends in `[]` if it is an array.

use crate::json::{Json, write_json_string};
use crate::openapi::number::is_number;

/// A type of OpenAPI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JsonType {
    /// `array`
    Array,
    /// `boolean`
    Boolean,
    /// `integer`
    Integer,
    /// `number`
    Number,
    /// `string`
    String,
}

impl JsonType {
    /// The type for a type of PostgreSQL; none where anything may stand.
    pub(super) fn of(data_type: &str) -> Option<JsonType> {
        match data_type {
            "boolean" => Some(JsonType::Boolean),
            "smallint" | "integer" | "bigint" => Some(JsonType::Integer),
            "numeric" | "real" | "double precision" => Some(JsonType::Number),
            "json" | "jsonb" => None,
            array if array.ends_with("[]") => Some(JsonType::Array),
            _ => Some(JsonType::String),
        }
    }

    /// The word for it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            JsonType::Array => "array",
            JsonType::Boolean => "boolean",
            JsonType::Integer => "integer",
            JsonType::Number => "number",
            JsonType::String => "string",
        }
    }
}

/// The format: PostgreSQL's name, but for integers, whose size has a name in OpenAPI.
pub(super) fn format(data_type: &str) -> &str {
    match data_type {
        "smallint" | "integer" => "int32",
        "bigint" => "int64",
        other => other,
    }
}

/// The type of an array's elements.
pub(super) fn element_type(data_type: &str) -> &str {
    data_type.strip_suffix("[]").unwrap_or(data_type)
}

/// A default as JSON, if it is a constant that can be read as one.
///
/// Parity: of what is no number, array or truth value, any expression is taken for a text:
/// `now()` is shown as a string. But not if that is longer than the column may be, for then the
/// description would not be valid.
pub(super) fn default_json(
    data_type: &str,
    expression: &str,
    max_length: Option<i32>,
) -> Option<Vec<u8>> {
    if JsonType::of(data_type) == Some(JsonType::String) {
        let fits = |text: &String| {
            let length = text.chars().count();
            max_length.is_none_or(|max| usize::try_from(max).is_ok_and(|max| length <= max))
        };
        // PostgreSQL prints `character` by its other name there.
        let mut readings = [data_type, "bpchar"].into_iter();
        let text = readings.find_map(|name| default_text(name, expression).filter(fits))?;
        let mut out = Vec::new();
        write_json_string(&mut out, &text);
        return Some(out);
    }
    let text = expression.trim_ascii();
    (is_number(text) || matches!(text, "true" | "false")).then(|| text.as_bytes().to_vec())
}

/// Parity: the text between the quotes is read as if it stood in a JSON string, with its escapes;
/// what cannot stand there, such as a quote or a line break, leaves the column without a default.
fn default_text(data_type: &str, expression: &str) -> Option<String> {
    let constant = expression
        .strip_suffix(data_type)
        .and_then(|rest| rest.strip_suffix("::"));
    let text = match constant {
        Some(quoted) => quoted.trim_matches('\''),
        None => expression,
    };
    let json = format!("\"{text}\"");
    let value = Json::parse(json.as_bytes())?;
    value.text().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_type(data_type: &str, json_type: Option<JsonType>, expected_format: &str) {
        assert_eq!(JsonType::of(data_type), json_type, "{data_type}");
        assert_eq!(format(data_type), expected_format, "{data_type}");
    }

    #[test]
    fn types_have_a_type_and_a_format() {
        check_type("text", Some(JsonType::String), "text");
        check_type(
            "character varying",
            Some(JsonType::String),
            "character varying",
        );
        check_type("test.mood", Some(JsonType::String), "test.mood");
        check_type(
            "timestamp with time zone",
            Some(JsonType::String),
            "timestamp with time zone",
        );
        check_type("boolean", Some(JsonType::Boolean), "boolean");
        check_type("smallint", Some(JsonType::Integer), "int32");
        check_type("integer", Some(JsonType::Integer), "int32");
        check_type("bigint", Some(JsonType::Integer), "int64");
        check_type("numeric", Some(JsonType::Number), "numeric");
        check_type("real", Some(JsonType::Number), "real");
        check_type(
            "double precision",
            Some(JsonType::Number),
            "double precision",
        );
        check_type("json", None, "json");
        check_type("jsonb", None, "jsonb");
        check_type("integer[]", Some(JsonType::Array), "integer[]");
    }

    #[test]
    fn arrays_have_elements() {
        assert_eq!(element_type("text[]"), "text");
        assert_eq!(element_type("text[][]"), "text[]");
        assert_eq!(element_type("text"), "text");
    }

    #[track_caller]
    fn check_default(data_type: &str, expression: &str, expected: Option<&str>) {
        let json = default_json(data_type, expression, None);
        let json = json.map(|json| String::from_utf8(json).unwrap());
        assert_eq!(json.as_deref(), expected, "{expression}");
    }

    #[track_caller]
    fn check_short(data_type: &str, expression: &str, max: i32, expected: Option<&str>) {
        let json = default_json(data_type, expression, Some(max));
        let json = json.map(|json| String::from_utf8(json).unwrap());
        assert_eq!(json.as_deref(), expected, "{expression}");
    }

    #[test]
    fn a_default_is_no_longer_than_the_column() {
        check_short("character", "'q'::bpchar", 1, Some("\"q\""));
        check_short("character", "'q'::bpchar", 11, Some("\"'q'::bpchar\""));
        check_short("character", "'qq'::bpchar", 1, None);
        check_short(
            "character varying",
            "'éé'::character varying",
            2,
            Some("\"éé\""),
        );
        check_short("character varying", "CURRENT_USER", 5, None);
        check_short(
            "character varying",
            "CURRENT_USER",
            12,
            Some("\"CURRENT_USER\""),
        );
    }

    #[test]
    fn texts_lose_their_quotes_and_their_cast() {
        check_default("text", "'default'::text", Some(r#""default""#));
        check_default("text", "''::text", Some(r#""""#));
        check_default("date", "'1900-01-01'::date", Some(r#""1900-01-01""#));
        check_default("test.mood", "'ok'::test.mood", Some(r#""ok""#));
        check_default("text", "'it''s'::text", Some(r#""it''s""#));
        check_default(
            "text",
            "'a'::character varying",
            Some(r#""'a'::character varying""#),
        );
        check_default("timestamp without time zone", "now()", Some(r#""now()""#));
        check_default("text", r"E'a\\b'::text", Some(r#""E'a\\b""#));
    }

    #[test]
    fn texts_that_are_no_json_strings_are_no_defaults() {
        check_default("text", r#"'say "a"'::text"#, None);
        check_default("text", "'a\nb'::text", None);
        check_default("text", r#"'a\'::text"#, None);
        check_default("text", r#"'","b'::text"#, None);
    }

    #[test]
    fn numbers_and_truth_values_are_themselves() {
        check_default("integer", "42", Some("42"));
        check_default("numeric", "42.20", Some("42.20"));
        check_default("numeric", "-0.5e-3", Some("-0.5e-3"));
        check_default(
            "numeric",
            "12345678901234567890123",
            Some("12345678901234567890123"),
        );
        check_default("boolean", "false", Some("false"));
        check_default("boolean", "true", Some("true"));
    }

    #[test]
    fn expressions_are_no_defaults_of_numbers() {
        check_default("integer", "nextval('items_id_seq'::regclass)", None);
        check_default("integer", "'-1'::integer", None);
        check_default("integer", "(2 + 2)", None);
        check_default("boolean", "NULL::boolean", None);
        check_default("jsonb", "'{}'::jsonb", None);
        check_default("integer[]", "ARRAY[1]", None);
        for text in [
            "", "-", "01", "1.", ".5", "1e", "1e+", "0x1", "1_0", "+1", "1 2",
        ] {
            check_default("numeric", text, None);
        }
    }
}
