//! The grammar of the configuration file: text in, directives with their lines out.
//!
//! It is the grammar of the Haskell package configurator-pg, because the files exist already:
//!
//! ```text
//! file       = *directive                         ; separated by line ends
//! directive  = "import" string
//!            / key "=" value
//!            / key "{" *directive "}"             ; prefixes every key inside with "key."
//!            / "#;" directive                     ; a directive that is commented out as a whole
//! key        = word *( "." word )                 ; a word starts with a letter
//! value      = "true" / "on" / "false" / "off" / string / number / "[" [value *("," value)] "]"
//! string     = DQUOTE *( char / "\" ("n" / "t" / "r" / DQUOTE / "\" / "u" 4HEXDIG) ) DQUOTE
//! number     = 1*DIGIT [ "." 1*DIGIT ] [ "e" ["+" / "-"] 1*DIGIT ]     ; there is no minus sign
//! ```
//! A comment is `#` up to the end of the line.

use crate::value::{Decimal, Value};

/// Groups and lists inside of each other. Nobody nests ten; the limit keeps the stack.
const DEPTH_MAX: usize = 64;

/// One statement of the file.
#[derive(Debug, PartialEq)]
pub(crate) enum Directive {
    Bind {
        key: String,
        value: Value,
        at: Position,
    },
    Group {
        key: String,
        directives: Vec<Directive>,
    },
    Import {
        path: String,
        at: Position,
    },
}

impl Directive {
    /// Where its value begins, if that is a string.
    fn string(&self) -> Option<Position> {
        match self {
            Directive::Bind {
                value: Value::Text(_),
                at,
                ..
            } => Some(*at),
            _ => None,
        }
    }
}

/// A place in the file, counted from 1, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// What the grammar does not allow, and where.
#[derive(Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) at: Position,
    pub(crate) reason: String,
}

/// Reads a whole file.
pub(crate) fn parse(text: &str) -> Result<Vec<Directive>, Refusal> {
    let mut parser = Parser {
        text,
        offset: 0,
        depth: 0,
    };
    let directives = parser.directives()?;
    match parser.peek() {
        None => Ok(directives),
        Some('}') => Err(parser.refusal("there is no open { for this }")),
        Some(_) => Err(parser.expected("a key, such as db-uri")),
    }
}

struct Parser<'a> {
    text: &'a str,
    offset: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    /// Directives up to the end, or to something that starts none.
    fn directives(&mut self) -> Result<Vec<Directive>, Refusal> {
        let mut directives = Vec::new();
        self.skip_lines();
        loop {
            let dropped = self.eat("#;");
            if dropped {
                self.skip_blanks();
            }
            let Some(directive) = self.directive()? else {
                return if dropped {
                    Err(self.expected("a key after #;"))
                } else {
                    Ok(directives)
                };
            };
            let string = directive.string();
            if !dropped {
                directives.push(directive);
            }
            self.skip_rest_of_line();
            if !self.eat("\n") && !self.eat("\r\n") {
                return match self.peek() {
                    None | Some('}') => Ok(directives),
                    Some(_) => Err(self.no_end_of_line(string)),
                };
            }
            self.skip_lines();
        }
    }

    /// A string that has begun on an earlier line took the next one's opening quote for its end.
    fn no_end_of_line(&self, string: Option<Position>) -> Refusal {
        let line = self.position().line;
        match string {
            Some(at) if at.line < line => Refusal {
                at,
                reason: format!(
                    "this string goes on to line {line}: is its closing quote missing?"
                ),
            },
            _ => self.expected("the end of the line"),
        }
    }

    fn directive(&mut self) -> Result<Option<Directive>, Refusal> {
        let at = self.position();
        let Some(key) = self.key()? else {
            return Ok(None);
        };
        self.skip_lines();
        if key == "import" {
            return match self.eat("\"") {
                true => Ok(Some(Directive::Import {
                    path: self.string()?,
                    at,
                })),
                false => Err(self.expected("the path of a file in double quotes")),
            };
        }
        if self.eat("=") {
            self.skip_lines();
            let at = self.position();
            let value = self.value()?;
            return Ok(Some(Directive::Bind { key, value, at }));
        }
        if !self.eat("{") {
            return Err(self.expected("= or {"));
        }
        self.enter()?;
        let directives = self.directives()?;
        self.depth -= 1;
        match self.eat("}") {
            true => Ok(Some(Directive::Group { key, directives })),
            false => Err(self.expected("a key or }")),
        }
    }

    fn key(&mut self) -> Result<Option<String>, Refusal> {
        let start = self.offset;
        if !self.peek().is_some_and(char::is_alphabetic) {
            return Ok(None);
        }
        loop {
            self.eat_while(|c| c.is_alphanumeric() || c == '_' || c == '-');
            if !self.eat(".") {
                return Ok(Some(self.text[start..self.offset].to_owned()));
            }
            if !self.peek().is_some_and(char::is_alphabetic) {
                return Err(self.expected("a letter"));
            }
        }
    }

    fn value(&mut self) -> Result<Value, Refusal> {
        for (word, boolean) in [
            ("on", true),
            ("off", false),
            ("true", true),
            ("false", false),
        ] {
            if self.eat(word) {
                return Ok(Value::Boolean(boolean));
            }
        }
        match self.peek() {
            Some('"') => {
                self.offset += 1;
                self.string().map(Value::Text)
            }
            Some('[') => self.list(),
            Some(c) if c.is_ascii_digit() => self.number(),
            Some('\'') => Err(self.refusal("strings stand in double quotes, not in single quotes")),
            Some('-') => Err(self.refusal("a negative number must be written as a string: \"-1\"")),
            _ => Err(self.expected("a value (text needs double quotes)")),
        }
    }

    fn list(&mut self) -> Result<Value, Refusal> {
        self.offset += 1;
        self.enter()?;
        self.skip_lines();
        let mut values = Vec::new();
        while !self.eat("]") {
            if !values.is_empty() {
                if !self.eat(",") {
                    return Err(self.expected(", or ]"));
                }
                self.skip_lines();
            }
            values.push(self.value()?);
            self.skip_lines();
        }
        self.depth -= 1;
        Ok(Value::List(values))
    }

    fn number(&mut self) -> Result<Value, Refusal> {
        let (at, start) = (self.position(), self.offset);
        self.eat_while(|c| c.is_ascii_digit());
        if self.eat(".") {
            self.eat_while(|c| c.is_ascii_digit());
        }
        if self.eat("e") || self.eat("E") {
            let _ = self.eat("+") || self.eat("-");
            self.eat_while(|c| c.is_ascii_digit());
        }
        let reason = || "this is not a number; a string needs double quotes".to_owned();
        Decimal::parse(&self.text[start..self.offset])
            .map(Value::Number)
            .ok_or_else(|| Refusal {
                at,
                reason: reason(),
            })
    }

    /// The rest of a string, after its opening quote. It may go over several lines.
    fn string(&mut self) -> Result<String, Refusal> {
        let opening = Parser {
            offset: self.offset - 1,
            ..*self
        };
        let mut string = String::new();
        loop {
            match self.next() {
                None => return Err(opening.refusal("this string has no closing quote")),
                Some('"') => return Ok(string),
                Some('\\') => string.push(self.escape()?),
                Some(c) => string.push(c),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Refusal> {
        let backslash = Parser {
            offset: self.offset - 1,
            ..*self
        };
        match self.next() {
            Some('n') => Ok('\n'),
            Some('t') => Ok('\t'),
            Some('r') => Ok('\r'),
            Some(c @ ('"' | '\\')) => Ok(c),
            Some('u') => self
                .utf16_escape()
                .ok_or_else(|| backslash.refusal("\\u needs four hexadecimal digits of UTF-16")),
            _ => Err(backslash.refusal("only \\n \\t \\r \\\" \\\\ and \\u are known; write \\\\")),
        }
    }

    /// One character after `\u`, which above U+FFFF takes a second `\u`.
    fn utf16_escape(&mut self) -> Option<char> {
        let first = self.hexadecimal_unit()?;
        let mut units = vec![first];
        if (0xD800..0xDC00).contains(&first) {
            if !self.eat("\\u") {
                return None;
            }
            units.push(self.hexadecimal_unit()?);
        }
        char::decode_utf16(units).next()?.ok()
    }

    fn hexadecimal_unit(&mut self) -> Option<u16> {
        let digits = self.text.get(self.offset..self.offset + 4)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        self.offset += 4;
        u16::from_str_radix(digits, 16).ok()
    }

    fn enter(&mut self) -> Result<(), Refusal> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.refusal("groups and lists are nested too deeply"));
        }
        Ok(())
    }

    /// White space, line ends and comments, but not the `#;` that comments out a directive.
    fn skip_lines(&mut self) {
        loop {
            self.eat_while(char::is_whitespace);
            if self.peek() != Some('#') || self.text[self.offset..].starts_with("#;") {
                return;
            }
            self.eat_while(|c| c != '\n' && c != '\r');
        }
    }

    fn skip_blanks(&mut self) {
        self.eat_while(|c| c == ' ' || c == '\t');
    }

    fn skip_rest_of_line(&mut self) {
        self.skip_blanks();
        if self.peek() == Some('#') {
            // A comment ends before the "\r" of "\r\n", or that line end would not be seen.
            self.eat_while(|c| c != '\n' && c != '\r');
        }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.offset..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.offset += next.len_utf8();
        Some(next)
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.text[self.offset..].starts_with(token);
        if found {
            self.offset += token.len();
        }
        found
    }

    fn eat_while(&mut self, fits: impl Fn(char) -> bool) {
        let rest = &self.text[self.offset..];
        self.offset += rest.find(|c| !fits(c)).unwrap_or(rest.len());
    }

    fn position(&self) -> Position {
        let before = &self.text[..self.offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    fn refusal(&self, reason: &str) -> Refusal {
        Refusal {
            at: self.position(),
            reason: reason.to_owned(),
        }
    }

    fn expected(&self, what: &str) -> Refusal {
        let found = match self.peek() {
            None => "the end of the file".to_owned(),
            Some('\n' | '\r') => "the end of the line".to_owned(),
            Some(c) => format!("'{c}'"),
        };
        self.refusal(&format!("expected {what}, found {found}"))
    }
}
