//! The older language of `jwt-role-claim-key`, from before PostgREST 16.
//!
//! ```text
//! path   = 1*( key / index / filter )          ; a filter only at the end
//! key    = "." ( 1*( letter / digit / "_" / "$" / "@" ) / quoted )
//! index  = "[" 1*DIGIT "]"
//! filter = "[?(@" op quoted ")]"               ; spaces around op
//! op     = "==" / "!=" / "^==" / "==^" / "*=="
//! quoted = DQUOTE *( any character but DQUOTE ) DQUOTE
//! ```

use std::fmt;

use super::cursor::{Cursor, Refusal};

/// A path: steps from the claims to the role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyPath(Vec<LegacyStep>);

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LegacyStep {
    /// Into a member of an object.
    Key(String),
    /// Into an element of an array, from 0.
    Index(usize),
    /// To the first string in an array that passes the test. It is the last step.
    Filter(StringTest, String),
}

/// How a filter compares the strings of an array with its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StringTest {
    /// `==`
    Equals,
    /// `!=`
    Differs,
    /// `^==`
    StartsWith,
    /// `==^`
    EndsWith,
    /// `*==`
    Contains,
}

impl LegacyPath {
    /// The steps, from the outside to the inside.
    #[must_use]
    pub fn steps(&self) -> &[LegacyStep] {
        &self.0
    }

    pub(super) fn parse(text: &str) -> Result<LegacyPath, Refusal> {
        let mut cursor = Cursor::new(text);
        let mut steps = Vec::new();
        while cursor.peek().is_some() {
            let step = if cursor.eat(".") {
                parse_key(&mut cursor)?
            } else if cursor.eat("[?(") {
                parse_filter(&mut cursor)?
            } else if cursor.eat("[") {
                parse_index(&mut cursor)?
            } else {
                break;
            };
            let is_last = matches!(step, LegacyStep::Filter(..));
            steps.push(step);
            if is_last && cursor.peek().is_some() {
                return Err(cursor.refusal("the end, because a filter is the last step"));
            }
        }
        match (steps.is_empty(), cursor.peek()) {
            (false, None) => Ok(LegacyPath(steps)),
            (true, _) => Err(cursor.refusal("$ or .")),
            (false, Some(_)) => Err(cursor.refusal(". or [ or the end")),
        }
    }
}

fn parse_key(cursor: &mut Cursor<'_>) -> Result<LegacyStep, Refusal> {
    if cursor.peek() == Some('"') {
        return parse_quoted(cursor).map(LegacyStep::Key);
    }
    match cursor.eat_while(|c| c.is_alphanumeric() || "_$@".contains(c)) {
        "" => Err(cursor.refusal("a key or a double quote")),
        key => Ok(LegacyStep::Key(key.to_owned())),
    }
}

fn parse_index(cursor: &mut Cursor<'_>) -> Result<LegacyStep, Refusal> {
    let start = *cursor;
    let digits = cursor.eat_while(|c| c.is_ascii_digit());
    let index = digits
        .parse()
        .map_err(|_| start.refusal("an index such as 0"))?;
    cursor.expect("]", "]")?;
    Ok(LegacyStep::Index(index))
}

fn parse_filter(cursor: &mut Cursor<'_>) -> Result<LegacyStep, Refusal> {
    cursor.expect("@", "@")?;
    cursor.eat_while(char::is_whitespace);
    // "==^" stands before its beginning "==".
    let tests = [
        ("==^", StringTest::EndsWith),
        ("==", StringTest::Equals),
        ("!=", StringTest::Differs),
        ("^==", StringTest::StartsWith),
        ("*==", StringTest::Contains),
    ];
    let Some((_, test)) = tests.into_iter().find(|(operator, _)| cursor.eat(operator)) else {
        return Err(cursor.refusal("==, !=, ^==, ==^ or *=="));
    };
    cursor.eat_while(char::is_whitespace);
    let text = parse_quoted(cursor)?;
    cursor.expect(")]", ")]")?;
    Ok(LegacyStep::Filter(test, text))
}

fn parse_quoted(cursor: &mut Cursor<'_>) -> Result<String, Refusal> {
    cursor.expect("\"", "a string in double quotes")?;
    let text = cursor.eat_while(|c| c != '"');
    cursor.expect("\"", "a closing double quote")?;
    Ok(text.to_owned())
}

impl fmt::Display for LegacyPath {
    /// The path with all keys in quotes, as PostgREST prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| step.fmt(f))
    }
}

impl fmt::Display for LegacyStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LegacyStep::Key(key) => write!(f, ".\"{key}\""),
            LegacyStep::Index(index) => write!(f, "[{index}]"),
            LegacyStep::Filter(test, text) => {
                let operator = match test {
                    StringTest::Equals => "==",
                    StringTest::Differs => "!=",
                    StringTest::StartsWith => "^==",
                    StringTest::EndsWith => "==^",
                    StringTest::Contains => "*==",
                };
                write!(f, "[?(@ {operator} \"{text}\")]")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let path = LegacyPath::parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        assert_eq!(path.to_string(), expected);
        let again = LegacyPath::parse(expected).unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(again, path, "{expected} does not read as {text}");
    }

    #[test]
    fn paths_are_read_and_shown() {
        check(".role", ".\"role\"");
        check(".a.b_$@[12]", ".\"a\".\"b_$@\"[12]");
        check("[0].rôle", "[0].\"rôle\"");
        check(".\"https://x.org/roles\"[0]", ".\"https://x.org/roles\"[0]");
        check(".roles[?(@ == \"a\")]", ".\"roles\"[?(@ == \"a\")]");
        check(".roles[?(@!=\"a\")]", ".\"roles\"[?(@ != \"a\")]");
        check(".roles[?(@^==  \"a\")]", ".\"roles\"[?(@ ^== \"a\")]");
        check(".roles[?(@ ==^ \"\")]", ".\"roles\"[?(@ ==^ \"\")]");
        check("[?(@ *== \"a b\")]", "[?(@ *== \"a b\")]");
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            ".",
            "role",
            ".role.",
            "[",
            "[]",
            "[a]",
            "[0",
            "[-1]",
            "[99999999999999999999999]",
            ".\"open",
            ".a b",
            ".a[?(@ == \"x\")].b",
            ".a[?(@ == x)]",
            ".a[?(@ == \"x\"]",
            ".a[?(@ = \"x\")]",
            ".a[?($ == \"x\")]",
            ".a[?@ == \"x\"]",
        ] {
            assert!(LegacyPath::parse(text).is_err(), "{text:?}");
        }
    }
}
