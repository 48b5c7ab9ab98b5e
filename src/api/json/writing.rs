//! Writing JSON: the few shapes that are made outside of PostgreSQL.
//!
//! The escapes are those of PostgREST's encoder, so that bodies are equal byte for byte: quotes,
//! backslashes and what is below the blank, and nothing else.

/// Appends a string with its quotes.
pub(crate) fn write_json_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    write_json_characters(out, text);
    out.push(b'"');
}

/// Appends what is between the quotes of a string, or a part of it.
pub(crate) fn write_json_characters(out: &mut Vec<u8>, text: &str) {
    // Without branches, which the compiler turns into vector instructions.
    if text
        .bytes()
        .fold(false, |found, byte| found | is_escaped(byte))
    {
        write_escaped(out, text);
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

fn is_escaped(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

fn write_escaped(out: &mut Vec<u8>, text: &str) {
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        if !is_escaped(byte) {
            continue;
        }
        out.extend_from_slice(&text.as_bytes()[plain..at]);
        plain = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        }
    }
    out.extend_from_slice(&text.as_bytes()[plain..]);
}

/// Appends an object. The members are written in the order given.
pub(crate) fn write_json_object<'a>(
    out: &mut Vec<u8>,
    members: impl IntoIterator<Item = (&'a str, JsonText<'a>)>,
) {
    out.push(b'{');
    for (index, (name, value)) in members.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_json_string(out, name);
        out.push(b':');
        match value {
            JsonText::Null => out.extend_from_slice(b"null"),
            JsonText::String(text) => write_json_string(out, text),
            JsonText::Written(json) => out.extend_from_slice(json),
        }
    }
    out.push(b'}');
}

/// A member of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonText<'a> {
    /// `null`
    Null,
    /// A string, not yet escaped.
    String(&'a str),
    /// JSON that is written already.
    Written(&'a [u8]),
}

impl<'a> From<Option<&'a str>> for JsonText<'a> {
    fn from(text: Option<&'a str>) -> JsonText<'a> {
        text.map_or(JsonText::Null, JsonText::String)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let mut out = Vec::new();
        write_json_string(&mut out, text);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn strings_are_escaped_where_they_must_be() {
        check("", r#""""#);
        check("plain", r#""plain""#);
        check("\"a\\b\"", r#""\"a\\b\"""#);
        check("a\nb\rc\td", r#""a\nb\rc\td""#);
        check("\0\u{8}\u{c}\u{1f}", r#""\u0000\u0008\u000c\u001f""#);
        check("/<>&'\u{7f}é日😀\u{2028}", "\"/<>&'\u{7f}é日😀\u{2028}\"");
    }

    #[test]
    fn objects_keep_the_order_of_their_members() {
        let mut out = Vec::new();
        let members = [
            ("b", JsonText::Null),
            ("a\"", JsonText::String("x\n")),
            ("c", JsonText::Written(b"[1]")),
        ];
        write_json_object(&mut out, members);
        assert_eq!(out, br#"{"b":null,"a\"":"x\n","c":[1]}"#);
        out.clear();
        write_json_object(&mut out, []);
        assert_eq!(out, b"{}");
    }
}
