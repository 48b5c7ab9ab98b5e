//! Reads a statement as the scanner of PostgreSQL does, as far as it takes to see where quotes,
//! parentheses and parameters begin and end.
//!
//! Stands apart from the code that writes statements: what is safe is decided here a second time.
//!
//! Source: PostgreSQL documentation, chapter 4.1 "Lexical Structure".

use corerest_sql::Statement;
use std::collections::BTreeSet;

/// Panics unless the statement is a whole one, with as many parameters as it has values.
pub(crate) fn check_statement(statement: &Statement) {
    let text = statement.text.as_str();
    let numbers = match parameters(text) {
        Ok(numbers) => numbers,
        Err(wrong) => panic!("{wrong} in {text}"),
    };
    let expected: BTreeSet<usize> = (1..=statement.params.len()).collect();
    assert_eq!(numbers, expected, "parameters of {text}");
}

/// The numbers of the parameters in a statement, or what is wrong with it.
fn parameters(text: &str) -> Result<BTreeSet<usize>, &'static str> {
    let mut numbers = BTreeSet::new();
    let mut open = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = match first {
            0 => return Err("a NUL"),
            b'"' => behind_quote(after, b'"', Backslash::Itself)?,
            b'\'' => behind_quote(after, b'\'', Backslash::Itself)?,
            b'E' | b'e' if after.first() == Some(&b'\'') => {
                behind_quote(&after[1..], b'\'', Backslash::Escape)?
            }
            b'$' => {
                let end = after.iter().position(|byte| !byte.is_ascii_digit());
                let (digits, behind) = after.split_at(end.unwrap_or(after.len()));
                let digits = std::str::from_utf8(digits).expect("digits are ASCII");
                let number = digits.parse().map_err(|_| "a dollar without a number")?;
                if behind.first().copied().is_some_and(is_word_byte) {
                    return Err("a word right behind a parameter");
                }
                numbers.insert(number);
                behind
            }
            byte if is_word_byte(*byte) => {
                let end = after.iter().position(|byte| !is_word_byte(*byte));
                &after[end.unwrap_or(after.len())..]
            }
            b'(' | b'[' => {
                open.push(*first);
                after
            }
            b')' | b']' => {
                let fits = matches!((open.pop(), first), (Some(b'('), b')') | (Some(b'['), b']'));
                if !fits {
                    return Err("a parenthesis that was not opened");
                }
                after
            }
            b';' => return Err("a semicolon"),
            b'-' if after.first() == Some(&b'-') => return Err("a comment"),
            b'/' if after.first() == Some(&b'*') => return Err("a comment"),
            b'\\' => return Err("a backslash"),
            _ => after,
        };
    }
    match open.is_empty() {
        true => Ok(numbers),
        false => Err("a parenthesis that is not closed"),
    }
}

/// What a backslash is inside of quotes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Backslash {
    Itself,
    Escape,
}

/// What comes behind the quote that closes. Two of them are one that does not.
fn behind_quote(mut rest: &[u8], quote: u8, backslash: Backslash) -> Result<&[u8], &'static str> {
    loop {
        rest = match rest {
            [first, second, rest @ ..] if *first == quote && *second == quote => rest,
            [first, rest @ ..] if *first == quote => return Ok(rest),
            [b'\\', _, rest @ ..] if backslash == Backslash::Escape => rest,
            // Where `standard_conforming_strings` is off it would be an escape.
            [b'\\', ..] if quote == b'\'' => return Err("a backslash in a plain string"),
            [0, ..] => return Err("a NUL"),
            [_, rest @ ..] => rest,
            [] => return Err("a quote that is not closed"),
        };
    }
}

/// What a name, a keyword or a number goes on with. A dollar inside of them is theirs.
fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::parameters;

    #[track_caller]
    fn check(text: &str, expected: Result<&[usize], &str>) {
        let expected = expected.map(|numbers| numbers.iter().copied().collect());
        assert_eq!(parameters(text), expected, "{text}");
    }

    #[test]
    fn whole_statements_tell_their_parameters() {
        check(
            "SELECT a$1, $2::int[], \"$3;\" FROM t WHERE b->$1",
            Ok(&[1, 2]),
        );
        check(r"SELECT '; -- $1 /* ''', E'\'; \\', E'$9'''", Ok(&[]));
        check(r#"SELECT "a""b--(", f(ARRAY[$10])"#, Ok(&[10]));
        check(r"SELECT name'a'", Ok(&[]));
    }

    #[test]
    fn what_is_not_whole_is_noticed() {
        check("SELECT 'a", Err("a quote that is not closed"));
        check("SELECT \"a\"\"", Err("a quote that is not closed"));
        check(r"SELECT E'a\'", Err("a quote that is not closed"));
        check(r"SELECT 'a\'", Err("a backslash in a plain string"));
        check("SELECT 1; DROP", Err("a semicolon"));
        check("SELECT 1 -- a", Err("a comment"));
        check("SELECT 1 /* a", Err("a comment"));
        check("SELECT $$a$$", Err("a dollar without a number"));
        check("SELECT $a$;$a$", Err("a dollar without a number"));
        check("SELECT $1a", Err("a word right behind a parameter"));
        check("SELECT (1]", Err("a parenthesis that was not opened"));
        check("SELECT 1)", Err("a parenthesis that was not opened"));
        check("SELECT (1", Err("a parenthesis that is not closed"));
        check("SELECT 'a\0'", Err("a NUL"));
    }
}
