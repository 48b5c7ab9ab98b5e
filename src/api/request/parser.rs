//! A small parser engine whose error messages are those of Parsec.
//!
//! Clients see the parse errors of the query string, and PostgREST makes them with Haskell's
//! Parsec; so the rules that decide which expectations are shown are part of the interface. They
//! are: an alternative is tried only if the one before consumed nothing; the error that got
//! furthest wins; errors at the same place are joined, in order.
//!
//! A grammar is written once, as functions over [`Parser`], and runs with one of two [`Log`]s:
//! [`Silent`], which keeps nothing and costs nothing, and [`ParseError`], which keeps everything.
//! [`run`] tries the first and, only if the input is refused, the second.
//!
//! Invariant: no decision depends on the log, so both runs accept the same inputs.

use super::parse_error::ParseError;
use super::parse_log::{Log, Message, Outcome, Silent};

/// How deep parentheses of `select=`, `and=` and `or=` may nest.
///
/// The grammars and everything that walks their trees recurse, so the depth must have an end
/// long before a thread's stack does; PostgreSQL itself gives up on deep expressions. A hundred
/// levels are several times what any client library writes.
pub(crate) const NESTING_MAX: usize = 100;

/// The input was refused; the reason is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed;

/// What a grammar function returns.
pub(crate) type Parsed<T> = Result<T, Failed>;

/// Parses a text. The grammar is given twice, once for each log.
pub(crate) fn run<'a, T>(
    text: &'a str,
    fast: impl FnOnce(&mut Parser<'a, Silent>) -> Parsed<T>,
    faithful: impl FnOnce(&mut Parser<'a, ParseError>) -> Parsed<T>,
) -> Result<T, ParseError> {
    if let Ok(tree) = fast(&mut Parser::new(text)) {
        return Ok(tree);
    }
    let mut parser = Parser::<ParseError>::new(text);
    faithful(&mut parser).map_err(|Failed| parser.log)
}

/// One run, with the log of the caller's choice.
#[cfg(test)]
pub(crate) fn run_one<'a, L: Log, T>(
    text: &'a str,
    grammar: impl FnOnce(&mut Parser<'a, L>) -> Parsed<T>,
) -> Parsed<T> {
    grammar(&mut Parser::new(text))
}

/// An input and a place in it.
pub(crate) struct Parser<'a, L> {
    text: &'a str,
    offset: usize,
    nesting: usize,
    log: L,
}

impl<'a, L: Log> Parser<'a, L> {
    fn new(text: &'a str) -> Parser<'a, L> {
        Parser {
            text,
            offset: 0,
            nesting: 0,
            log: L::unknown(0),
        }
    }

    #[inline]
    fn rest(&self) -> &'a str {
        &self.text[self.offset..]
    }

    #[inline]
    fn consume(&mut self, bytes: usize) {
        self.offset += bytes;
        self.log = L::unknown(self.offset);
    }

    /// Takes the log away, so that a part of the grammar can be looked at alone.
    fn take_log(&mut self) -> L {
        std::mem::replace(&mut self.log, L::unknown(self.offset))
    }

    fn expected(&mut self, message: Message, unexpected: Option<char>) {
        self.log.add(self.offset, message);
        self.log.add(self.offset, Message::Unexpected(unexpected));
    }

    /// Refuses with a sentence of our own.
    pub(crate) fn refuse<T>(&mut self, sentence: &'static str) -> Parsed<T> {
        self.log.add(self.offset, Message::Sentence(sentence));
        Err(Failed)
    }

    /// A constant text. If it begins well but does not end well, its beginning is consumed.
    #[inline]
    pub(crate) fn literal(&mut self, text: &'static str) -> Parsed<()> {
        let rest = self.rest().as_bytes();
        // Most texts that are tried differ in their first byte.
        if rest.first() == text.as_bytes().first() && rest.starts_with(text.as_bytes()) {
            self.consume(text.len());
            return Ok(());
        }
        let pairs = rest.iter().zip(text.as_bytes());
        let matched = pairs.take_while(|(a, b)| a == b).count();
        if L::KEEPS {
            // The constants are ASCII, so that any beginning of one ends at a character.
            let unexpected = self.rest()[matched..].chars().next();
            self.expected(Message::ExpectedText(text), unexpected);
        }
        self.offset += matched;
        Err(Failed)
    }

    /// A constant word in any case.
    pub(crate) fn word_in_any_case(&mut self, word: &'static str) -> Parsed<()> {
        for at in 0..word.len() {
            let expected = &word[at..at + 1];
            match self.rest().chars().next() {
                Some(c)
                    if c.is_ascii() && c.eq_ignore_ascii_case(&(word.as_bytes()[at] as char)) =>
                {
                    self.consume(1);
                }
                other => {
                    self.expected(Message::ExpectedText(expected), other);
                    return Err(Failed);
                }
            }
        }
        Ok(())
    }

    /// Any character.
    pub(crate) fn any_char(&mut self) -> Parsed<char> {
        match self.rest().chars().next() {
            Some(c) => {
                self.consume(c.len_utf8());
                Ok(c)
            }
            None => {
                self.log.add(self.offset, Message::Unexpected(None));
                Err(Failed)
            }
        }
    }

    /// A plain word that a comma, a closing parenthesis or the end follows, which is what most
    /// names are. Only the first run looks for it, for it leaves no reasons behind.
    #[inline]
    pub(crate) fn plain_word(&mut self) -> Option<&'a str> {
        if L::KEEPS {
            return None;
        }
        let rest = self.rest();
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let end = rest.bytes().take_while(is_word).count();
        let follower = rest.as_bytes().get(end);
        if end == 0 || !matches!(follower, None | Some(b',' | b')')) {
            return None;
        }
        self.consume(end);
        Some(&rest[..end])
    }

    /// As many characters of a class as there are; `labels` are the names of the class.
    #[inline]
    pub(crate) fn take_while(
        &mut self,
        class: impl Fn(char) -> bool,
        labels: &[&'static str],
    ) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !class(c)).unwrap_or(rest.len());
        if end > 0 {
            self.consume(end);
        }
        if L::KEEPS {
            for label in labels {
                self.log.add(self.offset, Message::Expected(label));
            }
            let unexpected = rest[end..].chars().next();
            self.log.add(self.offset, Message::Unexpected(unexpected));
        }
        &rest[..end]
    }

    /// Like [`Parser::take_while`], but at least one.
    #[inline]
    pub(crate) fn take_while1(
        &mut self,
        class: impl Fn(char) -> bool,
        labels: &[&'static str],
    ) -> Parsed<&'a str> {
        match self.take_while(class, labels) {
            "" => Err(Failed),
            text => Ok(text),
        }
    }

    /// Succeeds, without moving, if the text comes next.
    #[inline]
    pub(crate) fn peek(&mut self, text: &'static str) -> Parsed<()> {
        if self.rest().starts_with(text) {
            return Ok(());
        }
        let start = self.offset;
        let refused = self.literal(text);
        self.offset = start;
        refused
    }

    /// Whether a character of the class is next. PostgREST's grammar has no such look: what it
    /// would complain about is not changed by it.
    pub(crate) fn is_before(&self, class: impl Fn(char) -> bool) -> bool {
        self.rest().chars().next().is_some_and(class)
    }

    /// Succeeds, without moving, if no character of the class comes next.
    #[inline]
    pub(crate) fn not_followed_by(
        &mut self,
        class: impl Fn(char) -> bool,
        label: Option<Message>,
    ) -> Parsed<()> {
        match self.rest().chars().next() {
            Some(c) if class(c) => {
                // Parsec blames the place behind the character here.
                let behind = self.offset + c.len_utf8();
                self.log.add(behind, Message::UnexpectedChar(c));
                Err(Failed)
            }
            other => {
                if let Some(label) = label {
                    self.log.add(self.offset, label);
                }
                self.log.add(self.offset, Message::Unexpected(other));
                Ok(())
            }
        }
    }

    /// Succeeds at the end of the input.
    #[inline]
    pub(crate) fn end(&mut self) -> Parsed<()> {
        let next = self.rest().chars().next();
        self.log.add(self.offset, Message::Expected("end of input"));
        match next {
            None => {
                self.log.add(self.offset, Message::Unexpected(None));
                Ok(())
            }
            Some(c) => {
                self.log.add(self.offset, Message::UnexpectedChar(c));
                Err(Failed)
            }
        }
    }

    /// Goes back to the start if the grammar refuses.
    #[inline]
    pub(crate) fn attempt<T>(&mut self, grammar: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let start = self.offset;
        let earlier = self.take_log();
        let outcome = grammar(self);
        if outcome.is_err() {
            self.offset = start;
        }
        if self.offset == start {
            self.log.join_after(earlier);
        }
        outcome
    }

    /// Names what the grammar stands for, if it refuses without having consumed anything.
    #[inline]
    pub(crate) fn label<T>(
        &mut self,
        label: &'static str,
        grammar: impl FnOnce(&mut Self) -> Parsed<T>,
    ) -> Parsed<T> {
        let start = self.offset;
        let earlier = self.take_log();
        let outcome = grammar(self);
        if self.offset == start {
            let how = match outcome {
                Ok(_) => Outcome::Accepted,
                Err(Failed) => Outcome::Refused,
            };
            self.log.relabel(label, how);
            self.log.join_after(earlier);
        }
        outcome
    }

    /// The second grammar, if the first refuses without having consumed anything.
    #[inline]
    pub(crate) fn either<T>(
        &mut self,
        first: impl FnOnce(&mut Self) -> Parsed<T>,
        second: impl FnOnce(&mut Self) -> Parsed<T>,
    ) -> Parsed<T> {
        let start = self.offset;
        match first(self) {
            Err(Failed) if self.offset == start => second(self),
            outcome => outcome,
        }
    }

    /// The grammar, or nothing if it refuses without having consumed anything.
    #[inline]
    pub(crate) fn option<T>(
        &mut self,
        grammar: impl FnOnce(&mut Self) -> Parsed<T>,
    ) -> Parsed<Option<T>> {
        self.either(|p| grammar(p).map(Some), |_| Ok(None))
    }

    /// Like [`Parser::one_of`], but a text that only begins well ends the search.
    #[inline]
    pub(crate) fn one_of_predictive<T: Copy>(&mut self, table: &[(&'static str, T)]) -> Parsed<T> {
        let start = self.offset;
        for &(text, meaning) in table {
            if self.literal(text).is_ok() {
                return Ok(meaning);
            }
            if self.offset != start {
                break;
            }
        }
        Err(Failed)
    }

    /// The first of the texts that comes next, with what it stands for.
    #[inline]
    pub(crate) fn one_of<T: Copy>(&mut self, table: &[(&'static str, T)]) -> Parsed<T> {
        for &(text, meaning) in table {
            if self.attempt(|p| p.literal(text)).is_ok() {
                return Ok(meaning);
            }
        }
        Err(Failed)
    }

    /// Forgets what the grammar could also have taken here, as Parsec's repetition does.
    #[inline]
    pub(crate) fn forget_options(&mut self) {
        self.log = L::unknown(self.offset);
    }

    /// The grammar as often as it accepts. It must consume something when it does.
    #[inline]
    pub(crate) fn many<T>(
        &mut self,
        mut into: Vec<T>,
        mut grammar: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        loop {
            let start = self.offset;
            match grammar(self) {
                Ok(item) => {
                    debug_assert!(self.offset > start, "a repeated grammar consumes something");
                    into.push(item);
                    self.forget_options();
                }
                Err(Failed) if self.offset == start => return Ok(into),
                Err(Failed) => return Err(Failed),
            }
        }
    }

    /// One or more items with something between them.
    #[inline]
    pub(crate) fn separated<T, S>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Parsed<T>,
        mut separator: impl FnMut(&mut Self) -> Parsed<S>,
    ) -> Parsed<Vec<T>> {
        let first = vec![item(self)?];
        self.many(first, |p| {
            separator(p)?;
            item(p)
        })
    }

    /// The grammar with blanks around it.
    #[inline]
    pub(crate) fn lexeme<T>(&mut self, grammar: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let is_blank = |c| c == ' ' || c == '\t';
        self.take_while(is_blank, &[]);
        let outcome = grammar(self)?;
        self.take_while(is_blank, &[]);
        Ok(outcome)
    }

    /// The inside of a pair of parentheses. See [`NESTING_MAX`].
    pub(crate) fn nested<T>(&mut self, grammar: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.nesting == NESTING_MAX {
            return self.refuse("parentheses must not be nested more than 100 levels deep");
        }
        self.nesting += 1;
        let outcome = grammar(self);
        self.nesting -= 1;
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the combinators do with a text: the tree, or `line:column` and the details.
    #[track_caller]
    fn check(text: &str, grammar: fn(&mut Parser<'_, ParseError>) -> Parsed<()>, expected: &str) {
        let mut parser = Parser::<ParseError>::new(text);
        let outcome = match grammar(&mut parser) {
            Ok(()) => format!("ok at {}", parser.offset),
            Err(Failed) => {
                let (line, column) = parser.log.position(text);
                format!("{line}:{column} {}", parser.log.details())
            }
        };
        assert_eq!(outcome, expected, "{text:?}");
    }

    #[test]
    fn a_text_blames_its_first_wrong_character_at_its_start() {
        check(
            "abd",
            |p| p.literal("abc"),
            r#"1:1 unexpected "d" expecting "abc""#,
        );
        check(
            "ab",
            |p| p.literal("abc"),
            r#"1:1 unexpected end of input expecting "abc""#,
        );
        check("abcd", |p| p.literal("abc"), "ok at 3");
    }

    #[test]
    fn alternatives_join_their_expectations_only_if_nothing_was_consumed() {
        check(
            "c",
            |p| p.either(|p| p.literal("ax"), |p| p.literal("b")),
            r#"1:1 unexpected "c" expecting "ax" or "b""#,
        );
        check(
            "ab",
            |p| p.either(|p| p.literal("ax"), |p| p.literal("ab")),
            r#"1:1 unexpected "b" expecting "ax""#,
        );
        check(
            "ab",
            |p| p.either(|p| p.attempt(|p| p.literal("ax")), |p| p.literal("ab")),
            "ok at 2",
        );
    }

    #[test]
    fn the_furthest_error_wins() {
        let grammar: fn(&mut Parser<'_, ParseError>) -> Parsed<()> = |p| {
            p.either(
                |p| p.attempt(|p| p.literal("a").and_then(|()| p.literal("b"))),
                |p| p.literal("c"),
            )
        };
        check("ax", grammar, r#"1:2 unexpected "x" expecting "b""#);
        check("x", grammar, r#"1:1 unexpected "x" expecting "a" or "c""#);
    }

    #[test]
    fn labels_stand_for_grammars_that_consumed_nothing() {
        let grammar: fn(&mut Parser<'_, ParseError>) -> Parsed<()> =
            |p| p.label("thing", |p| p.literal("a").and_then(|()| p.literal("b")));
        check("x", grammar, r#"1:1 unexpected "x" expecting thing"#);
        check("ax", grammar, r#"1:2 unexpected "x" expecting "b""#);
    }

    #[test]
    fn the_end_is_not_expected_where_it_is_unexpected() {
        check(
            "",
            |p| {
                p.either(
                    |p| p.literal("a"),
                    |p| p.end().and_then(|()| p.literal("b")),
                )
            },
            r#"1:1 unexpected end of input expecting "a" or "b""#,
        );
        check(
            "x",
            |p| p.end(),
            "1:1 unexpected 'x' expecting end of input",
        );
    }

    #[test]
    fn tabs_and_lines_move_the_column() {
        let grammar: fn(&mut Parser<'_, ParseError>) -> Parsed<()> = |p| {
            p.take_while(|c| c != 'x', &[]);
            p.literal("y")
        };
        check("\tx", grammar, r#"1:9 unexpected "x" expecting "y""#);
        check("ab\tx", grammar, r#"1:9 unexpected "x" expecting "y""#);
        check("ab\nc\rx", grammar, r#"2:3 unexpected "x" expecting "y""#);
        check("éx", grammar, r#"1:2 unexpected "x" expecting "y""#);
    }

    #[test]
    fn nesting_has_an_end() {
        fn parentheses<L: Log>(p: &mut Parser<'_, L>) -> Parsed<()> {
            p.literal("(")?;
            p.nested(|p| p.option(parentheses))?;
            Ok(())
        }
        check(&"(".repeat(NESTING_MAX), parentheses, "ok at 100");
        check(
            &"(".repeat(5_000),
            parentheses,
            "1:102 parentheses must not be nested more than 100 levels deep",
        );
    }
}
