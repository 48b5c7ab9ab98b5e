//! JSON as it stands in tokens and keys, and in what SQL says about a response.
//!
//! ```text
//! value  = "null" / "true" / "false" / number / string / array / object     ; RFC 8259
//! ```
//! The claims of a token go on to PostgreSQL, so numbers stay as they were written instead of
//! passing through a float, which is why no general reader is used. Members of an object are
//! sorted by name and unique, as in PostgREST: paths walk through them in that order.
//!
//! Invariant: a value is never nested deeper than [`DEPTH_MAX`], so walking it may recurse.

use super::writing::write_json_string;

/// How deep values may be nested. Real ones need less than 10; 128 frames of a recursive walk fit
/// on the smallest stack.
const DEPTH_MAX: usize = 128;

/// A JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// A number, as it was written.
    Number(String),
    /// A string without its escapes.
    Text(String),
    /// An array.
    Array(Vec<Json>),
    /// An object.
    Object(Members),
}

/// The members of an object, sorted by name, each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members(Vec<(String, Json)>);

impl Json {
    /// Reads one value with nothing but white space around it; `None` if that is not what the
    /// bytes are.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Json> {
        let text = str::from_utf8(bytes).ok()?;
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(0)?;
        reader.skip_blanks();
        (reader.at == text.len()).then_some(value)
    }

    /// The string, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The elements, if it is an array.
    pub(crate) fn elements(&self) -> Option<&[Json]> {
        match self {
            Json::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// The members, if it is an object.
    pub(crate) fn members(&self) -> Option<&Members> {
        match self {
            Json::Object(members) => Some(members),
            _ => None,
        }
    }

    /// Appends the value without any white space.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Json::Null => out.extend_from_slice(b"null"),
            Json::Boolean(true) => out.extend_from_slice(b"true"),
            Json::Boolean(false) => out.extend_from_slice(b"false"),
            Json::Number(number) => out.extend_from_slice(number.as_bytes()),
            Json::Text(text) => write_json_string(out, text),
            Json::Array(elements) => {
                out.push(b'[');
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    element.write(out);
                }
                out.push(b']');
            }
            Json::Object(members) => members.write(out),
        }
    }
}

impl Members {
    fn new(mut members: Vec<(String, Json)>) -> Members {
        // Parity: of members with the same name the first one counts (aeson's decoder), and it
        // is the only one that PostgreSQL gets to see. The sort is stable, dedup keeps the first.
        members.sort_by(|(left, _), (right, _)| left.cmp(right));
        members.dedup_by(|later, first| later.0 == first.0);
        Members(members)
    }

    /// The value under a name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Json> {
        let found = self
            .0
            .binary_search_by(|(member, _)| member.as_str().cmp(name));
        found.ok().map(|at| &self.0[at].1)
    }

    /// The members in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Json)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Appends the object without any white space.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        self.write_replacing(out, None);
    }

    /// Appends the object with one member put in the place of any that has its name.
    pub(crate) fn write_with(&self, out: &mut Vec<u8>, name: &str, value: &Json) {
        self.write_replacing(out, Some((name, value)));
    }

    fn write_replacing(&self, out: &mut Vec<u8>, replacement: Option<(&str, &Json)>) {
        let name = replacement.map(|(name, _)| name);
        let before = self
            .iter()
            .take_while(|(member, _)| name.is_none_or(|name| *member < name));
        let after = self
            .iter()
            .skip_while(|(member, _)| name.is_none_or(|name| *member <= name));
        out.push(b'{');
        for (index, (member, value)) in before.chain(replacement).chain(after).enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_json_string(out, member);
            out.push(b':');
            value.write(out);
        }
        out.push(b'}');
    }
}

/// The unread rest of a text.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        if depth > DEPTH_MAX {
            return None;
        }
        self.skip_blanks();
        match self.peek()? {
            b'n' => self.word("null", Json::Null),
            b't' => self.word("true", Json::Boolean(true)),
            b'f' => self.word("false", Json::Boolean(false)),
            b'"' => self.string().map(Json::Text),
            b'[' => self.array(depth),
            b'{' => self.object(depth),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Option<Json> {
        let found = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        self.at += word.len();
        found.then_some(value)
    }

    fn array(&mut self, depth: usize) -> Option<Json> {
        self.at += 1;
        let mut elements = Vec::new();
        self.skip_blanks();
        if self.eat(b']') {
            return Some(Json::Array(elements));
        }
        loop {
            elements.push(self.value(depth + 1)?);
            self.skip_blanks();
            if self.eat(b']') {
                return Some(Json::Array(elements));
            }
            self.eat(b',').then_some(())?;
        }
    }

    fn object(&mut self, depth: usize) -> Option<Json> {
        self.at += 1;
        let mut members = Vec::new();
        self.skip_blanks();
        if self.eat(b'}') {
            return Some(Json::Object(Members(members)));
        }
        loop {
            self.skip_blanks();
            let name = self.string()?;
            self.skip_blanks();
            self.eat(b':').then_some(())?;
            members.push((name, self.value(depth + 1)?));
            self.skip_blanks();
            if self.eat(b'}') {
                return Some(Json::Object(Members::new(members)));
            }
            self.eat(b',').then_some(())?;
        }
    }

    /// `-? (0 / 1-9 *digit) ["." 1*digit] [("e" / "E") ["+" / "-"] 1*digit]`
    fn number(&mut self) -> Option<Json> {
        let start = self.at;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Some(Json::Number(self.text[start..self.at].to_owned()))
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn string(&mut self) -> Option<String> {
        self.eat(b'"').then_some(())?;
        let mut text = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest
                .bytes()
                .position(|byte| byte == b'"' || byte == b'\\' || byte < b' ')?;
            text.push_str(&rest[..plain]);
            self.at += plain;
            if self.eat(b'"') {
                return Some(text);
            }
            self.eat(b'\\').then_some(())?;
            text.push(self.escaped()?);
        }
    }

    fn escaped(&mut self) -> Option<char> {
        let byte = self.peek()?;
        self.at += 1;
        Some(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return None,
        })
    }

    /// Four hexadecimal digits, or two times four for a pair of surrogates.
    fn unicode(&mut self) -> Option<char> {
        let first = self.hexadecimal()?;
        if !(0xD800..0xDC00).contains(&first) {
            // A second half alone is refused here.
            return char::from_u32(first);
        }
        (self.eat(b'\\') && self.eat(b'u')).then_some(())?;
        let second = self.hexadecimal()?;
        if !(0xDC00..0xE000).contains(&second) {
            return None;
        }
        char::from_u32(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
    }

    fn hexadecimal(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        // from_str_radix would take a sign.
        let all_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        all_digits.then(|| u32::from_str_radix(digits, 16).ok())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let value = Json::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text} is refused"));
        let mut written = Vec::new();
        value.write(&mut written);
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }

    #[test]
    fn values_are_written_without_white_space() {
        check(" null\n", "null");
        check("[ true , false,[ ],{ }]", "[true,false,[],{}]");
        check("{\"a\" : [1 , \"b\"]}\r\n\t", "{\"a\":[1,\"b\"]}");
        check(
            r#""a\"\\\/\b\f\n\r\tA\u00e9\ud83d\ude00""#,
            "\"a\\\"\\\\/\\u0008\\u000c\\n\\r\\tAé😀\"",
        );
        check("\"\\u0000\"", "\"\\u0000\"");
    }

    #[test]
    fn numbers_stay_as_they_were_written() {
        for number in [
            "0",
            "-0",
            "10",
            "1.50",
            "1e3",
            "1E+3",
            "-1.0e-3",
            "0.1",
            "12345678901234567890.123456789",
        ] {
            check(number, number);
        }
    }

    #[test]
    fn members_are_sorted_and_the_first_of_a_name_counts() {
        check(
            r#"{"b":1,"a":2,"b":3,"A":{"d":1,"d":2}}"#,
            r#"{"A":{"d":1},"a":2,"b":1}"#,
        );
        check("{\"\\u0061\":1,\"a\":2}", "{\"a\":1}");
    }

    #[test]
    fn a_member_is_put_in_its_place() {
        let role = Json::Text("x".to_owned());
        for (before, expected) in [
            ("{}", r#"{"role":"x"}"#),
            (r#"{"a":1}"#, r#"{"a":1,"role":"x"}"#),
            (
                r#"{"z":1,"role":{"y":2},"a":1}"#,
                r#"{"a":1,"role":"x","z":1}"#,
            ),
        ] {
            let Some(Json::Object(members)) = Json::parse(before.as_bytes()) else {
                panic!("{before} is an object");
            };
            let mut written = Vec::new();
            members.write_with(&mut written, "role", &role);
            assert_eq!(String::from_utf8(written).unwrap(), expected);
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        for text in [
            "",
            " ",
            "nul",
            "nullx",
            "True",
            "'a'",
            "\"",
            "\"a",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u+123\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\udc00\"",
            "\"\n\"",
            "[",
            "[1",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{1:1}",
            "01",
            "-",
            "+1",
            ".5",
            "1.",
            "1e",
            "1e+",
            "0x1",
            "NaN",
            "-01",
            "1 2",
            "{}{}",
            "\u{feff}{}",
            "\"\\u00é\"",
        ] {
            assert_eq!(Json::parse(text.as_bytes()), None, "{text:?}");
        }
        for bytes in [&b"\"\xff\""[..], b"\"\xed\xa0\x80\"", b"{}\0"] {
            assert_eq!(Json::parse(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_nested_too_deeply_is_refused() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Json::parse(nested(DEPTH_MAX + 1).as_bytes()).is_some());
        assert!(Json::parse(nested(DEPTH_MAX + 2).as_bytes()).is_none());
        assert!(Json::parse("[".repeat(1 << 20).as_bytes()).is_none());
        assert!(Json::parse("{\"a\":".repeat(1 << 18).as_bytes()).is_none());
    }
}
