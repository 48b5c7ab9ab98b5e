//! Comparing JSON: as values, so that white space and the order of members do not matter.

use simd_json::OwnedValue;

/// The value of a text, if it is JSON.
pub fn parse(text: &[u8]) -> Option<OwnedValue> {
    simd_json::to_owned_value(&mut text.to_vec()).ok()
}

/// Whether two texts are the same value; or the same text, if they are not JSON.
pub fn equal(one: &[u8], other: &[u8]) -> bool {
    match (parse(one), parse(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one.trim_ascii() == other.trim_ascii(),
    }
}

#[cfg(test)]
mod tests {
    use super::equal;

    #[track_caller]
    fn check(one: &str, other: &str, expected: bool) {
        assert_eq!(
            equal(one.as_bytes(), other.as_bytes()),
            expected,
            "{one} and {other}"
        );
    }

    #[test]
    fn values_are_compared_and_not_their_spelling() {
        check(
            r#"{"a":1,"b":[true]}"#,
            "{\"b\" : [ true ],\n \"a\": 1}",
            true,
        );
        check("[1,2]", "[2,1]", false);
        check("1", "\"1\"", false);
        check("{}", "[]", false);
        check("", "", true);
        check("plain text", "plain text\n", true);
        check("plain text", "other text", false);
        check("", "[]", false);
    }
}
