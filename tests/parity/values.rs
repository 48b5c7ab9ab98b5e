//! Values for a type, as text: some of the data, some made up, and one that does not fit.

use crate::catalog::{Column, Type};
use crate::json::quoted;
use crate::seed::Seed;

/// Values that a type has.
pub fn of_type(of: &Type) -> Vec<String> {
    if !of.labels.is_empty() {
        return of.labels.iter().take(3).cloned().collect();
    }
    let values: &[&str] = match &*of.name {
        "uuid" => &["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
        "boolean" => &["true", "false"],
        "date" => &["2024-02-29", "1999-12-31"],
        "time without time zone" | "time with time zone" => &["12:34:56"],
        "json" | "jsonb" => &[r#"{"a": [1, null], "b": "x"}"#, "[]"],
        "bytea" => &[r"\x00ff"],
        "xml" => &["<a>b</a>"],
        "bit" | "bit varying" | "\"bit\"" => &["1010"],
        "tsvector" => &["a b"],
        "inet" | "cidr" => &["10.0.0.1"],
        name if name.ends_with("[]") && of.category == "A" => &["{}", "{1,2}"],
        _ => match &*of.category {
            "N" => &["0", "1", "42", "-7", "100000"],
            "D" => &["2024-02-29 12:00:00", "1999-12-31"],
            "T" => &["1 day", "02:00:00"],
            "R" => &["[1,10)", "empty"],
            "B" => &["true"],
            _ => &["a", "", "Ünï, (x)", "50%", "it's \"so\""],
        },
    };
    values.iter().map(|&value| value.to_owned()).collect()
}

/// A value for a column: one of its own as often as not.
pub fn of_column(column: &Column, seed: &mut Seed) -> String {
    if !column.samples.is_empty() && seed.below(2) == 0 {
        return seed.one_of(&column.samples).clone();
    }
    seed.one_of(&of_type(&column.of)).clone()
}

/// A value as JSON has it.
pub fn as_json(of: &Type, value: &str) -> String {
    let is_number = of.category == "N" && value.parse::<f64>().is_ok_and(f64::is_finite);
    let is_boolean = of.name == "boolean" && matches!(value, "true" | "false");
    match is_number || is_boolean || of.is_json() {
        true => value.to_owned(),
        false => quoted(value),
    }
}

/// A value as a list in a filter has it.
pub fn in_list(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', r"\\").replace('"', "\\\""))
}

/// Text as a part of a path or a query string.
pub fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'*' | b',' => {
                out.push(char::from(byte));
            }
            b'(' | b')' | b':' | b'!' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// A name as `select`, a filter or `order` has it: in quotes, if it needs them.
pub fn name(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    match !name.is_empty() && name.chars().all(is_plain) {
        true => name.to_owned(),
        false => encoded(&in_list(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::{encoded, name};

    #[test]
    fn names_and_values_arrive_as_they_are() {
        assert_eq!(name("id"), "id");
        assert_eq!(name("with space"), "%22with%20space%22");
        assert_eq!(name("quo\"te"), "%22quo%5C%22te%22");
        assert_eq!(encoded("a&b=ü"), "a%26b%3D%C3%BC");
    }
}
