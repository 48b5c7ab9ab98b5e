//! Whether a constant piece of SQL says in which schema its operators, functions and types are.
//!
//! A name without a schema is looked up in the search path of whoever executes the statement, and
//! who may create there decides what it means: an operator, function or type that fits the
//! arguments exactly wins over one of `pg_catalog` that fits by a conversion. Some words are
//! operators in disguise: `IN`, `NULLIF` and `BETWEEN` look for `=` and `<=` in the path, too.
//!
//! The check runs while compiling, so it is a small scanner of `const fn`s, and strict: what it
//! does not understand it refuses.
//!
//! Source: PostgreSQL's documentation, chapter 10 "Type Conversion", and `parse_oper.c`.

/// What is written before an operator in parentheses to say its schema.
const OPERATOR: &str = "OPERATOR";

/// The schema that everything must be in.
const SCHEMA: &str = "pg_catalog";

/// Words before a parenthesis that are no names of functions, or of which the grammar itself says
/// that they are PostgreSQL's.
const SYNTAX: &[&str] = &[
    "ALL", "AND", "ANY", "AS", "BY", "CAST", "COALESCE", "CONFLICT", "ELSE", "EXISTS", "EXPLAIN",
    "FROM", "LATERAL", "NOT", "ON", "OPERATOR", "OR", "OVER", "SELECT", "THEN", "VALUES", "WHEN",
    "WHERE",
];

/// Types that are keywords, which the grammar takes from `pg_catalog`.
const KEYWORD_TYPES: &[&str] = &["BIGINT", "BOOLEAN", "INT", "INTEGER", "SMALLINT"];

/// Words that look for an operator in the search path.
const HIDDEN_OPERATORS: &[&str] = &[
    "BETWEEN", "ILIKE", "IN", "LIKE", "NATURAL", "NULLIF", "OVERLAPS", "SIMILAR", "USING",
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Before the beginning, or behind the end.
    Nothing,
    Word,
    Quoted,
    Operator,
    /// A parenthesis, a comma, a dot, a colon; each is one of its own.
    Mark,
}

#[derive(Clone, Copy)]
struct Token {
    kind: Kind,
    start: usize,
    end: usize,
}

const NOTHING: Token = Token {
    kind: Kind::Nothing,
    start: 0,
    end: 0,
};

/// Whether every operator, function and type in the text is in `pg_catalog` by its name.
pub const fn names_its_schemas(text: &str) -> bool {
    let text = text.as_bytes();
    // The last four tokens, the latest first.
    let mut before = [NOTHING; 4];
    let mut token = next_token(text, 0);
    while !matches!(token.kind, Kind::Nothing) {
        let after = next_token(text, token.end);
        let is_fine = match token.kind {
            Kind::Operator => is_fine_operator(text, token, &before),
            Kind::Word => is_fine_word(text, token, after),
            Kind::Mark => is_fine_mark(text, token, &before, after),
            Kind::Quoted | Kind::Nothing => true,
        };
        if !is_fine {
            return false;
        }
        before = [token, before[0], before[1], before[2]];
        token = after;
    }
    true
}

/// An asterisk that stands for columns is none, and neither is `:=`.
const fn is_fine_operator(text: &[u8], token: Token, before: &[Token; 4]) -> bool {
    let [last, second, third, fourth] = *before;
    let has_schema = is_mark(text, last, b'.')
        && is(text, second, SCHEMA)
        && is_mark(text, third, b'(')
        && is(text, fourth, OPERATOR);
    let stands_for_columns = is(text, token, "*")
        && (matches!(last.kind, Kind::Nothing)
            || is_mark(text, last, b'(')
            || is_mark(text, last, b'.')
            || is(text, last, "SELECT")
            || is(text, last, "UNLISTEN"));
    let is_assignment = is(text, token, "=") && is_mark(text, last, b':');
    has_schema || stands_for_columns || is_assignment
}

const fn is_fine_word(text: &[u8], token: Token, after: Token) -> bool {
    if is_one_of(text, token, HIDDEN_OPERATORS) {
        return false;
    }
    if is(text, token, "CASE") {
        return is(text, after, "WHEN");
    }
    if is(text, token, "DISTINCT") && is(text, after, "FROM") {
        return is(text, next_token(text, after.end), "NULL");
    }
    true
}

/// A word and a parenthesis are a function, two colons and a word a type.
const fn is_fine_mark(text: &[u8], token: Token, before: &[Token; 4], after: Token) -> bool {
    let [last, second, third, _] = *before;
    if is_mark(text, token, b'(') && matches!(last.kind, Kind::Word) {
        if is_mark(text, second, b'.') {
            return is(text, third, SCHEMA);
        }
        // `AS _(…)` names columns.
        return is_one_of(text, last, SYNTAX) || is(text, second, "AS");
    }
    if is_mark(text, token, b':') && is_mark(text, last, b':') {
        return match after.kind {
            // What is written next names itself.
            Kind::Nothing => true,
            Kind::Word if is(text, after, SCHEMA) => {
                is_mark(text, next_token(text, after.end), b'.')
            }
            Kind::Word => is_one_of(text, after, KEYWORD_TYPES),
            Kind::Quoted | Kind::Operator | Kind::Mark => false,
        };
    }
    true
}

const fn next_token(text: &[u8], from: usize) -> Token {
    let mut start = from;
    while start < text.len() && text[start].is_ascii_whitespace() {
        start += 1;
    }
    if start == text.len() {
        return NOTHING;
    }
    let first = text[start];
    let mut end = start + 1;
    let kind = if is_word_byte(first) {
        while end < text.len() && is_word_byte(text[end]) {
            end += 1;
        }
        Kind::Word
    } else if first == b'\'' || first == b'"' {
        while end < text.len() && text[end] != first {
            end += 1;
        }
        if end < text.len() {
            end += 1;
        }
        Kind::Quoted
    } else if is_operator_byte(first) {
        while end < text.len() && is_operator_byte(text[end]) {
            end += 1;
        }
        Kind::Operator
    } else {
        Kind::Mark
    };
    Token { kind, start, end }
}

const fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || !byte.is_ascii()
}

const fn is_operator_byte(byte: u8) -> bool {
    matches!(
        byte,
        b'+' | b'-'
            | b'*'
            | b'/'
            | b'<'
            | b'>'
            | b'='
            | b'~'
            | b'!'
            | b'@'
            | b'#'
            | b'%'
            | b'^'
            | b'&'
            | b'|'
            | b'`'
            | b'?'
    )
}

const fn is_mark(text: &[u8], token: Token, mark: u8) -> bool {
    matches!(token.kind, Kind::Mark) && text[token.start] == mark
}

const fn is_one_of(text: &[u8], token: Token, words: &[&str]) -> bool {
    let mut at = 0;
    while at < words.len() {
        if is(text, token, words[at]) {
            return true;
        }
        at += 1;
    }
    false
}

/// Whether a token is a word, or an operator, whatever its case.
const fn is(text: &[u8], token: Token, expected: &str) -> bool {
    let expected = expected.as_bytes();
    if matches!(token.kind, Kind::Quoted) || token.end - token.start != expected.len() {
        return false;
    }
    let mut at = 0;
    while at < expected.len() {
        if !text[token.start + at].eq_ignore_ascii_case(&expected[at]) {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_its_schemas_is_fine() {
        for text in [
            "SELECT * FROM (",
            "UNLISTEN *",
            "*",
            "pg_catalog.count(*)",
            "SELECT pg_catalog.set_config('a = b', 'c()', true), ",
            "a OPERATOR(pg_catalog.=) b OPERATOR(pg_catalog.->>)'x'",
            "'x'::pg_catalog.text, null::bigint, null::",
            "coalesce(pg_catalog.json_agg(_row), '[]')",
            "CASE WHEN a IS NOT DISTINCT FROM NULL THEN 1 END",
            "\"count\" := ",
            ") AS _(",
            "WITH pgrst_source AS (",
            " ON CONFLICT(",
        ] {
            assert!(names_its_schemas(text), "{text}");
        }
    }

    #[test]
    fn what_leaves_it_to_the_search_path_is_refused() {
        for text in [
            " = ",
            "a * b",
            "count(*)",
            "Lower (",
            "api.lower(",
            "a OPERATOR(api.=) b",
            "OPERATOR(=)",
            "'x'::text",
            "'x'::\"text\"",
            "'x'::pg_catalog",
            "a IN (1)",
            "nullif(a, b)",
            "a between 1 and 2",
            "a LIKE 'x'",
            "JOIN b USING (id)",
            "CASE a WHEN 1 THEN",
            "CASE",
            "a IS DISTINCT FROM b",
            "a IS DISTINCT FROM ",
            "'a' || 'b'",
        ] {
            assert!(!names_its_schemas(text), "{text}");
        }
    }
}
