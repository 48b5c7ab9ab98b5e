//! Names: identifiers, literals, type names, and text that PostgreSQL printed.
//!
//! Each is checked once, where it is made, and is then safe to write: whoever holds one of these
//! types need not think about quoting again. None of them can hold a NUL byte.

use std::borrow::Borrow;
use std::fmt;

/// A name of a column, table, schema, function or alias; written in double quotes.
///
/// Source: PostgreSQL documentation, chapter 4.1.1 "Identifiers and Key Words".
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ident(Box<str>);

/// The text holds a NUL, which no identifier of PostgreSQL can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidIdent;

impl Ident {
    /// Takes any text but one with a NUL.
    pub fn new(name: impl Into<Box<str>>) -> Result<Ident, InvalidIdent> {
        let name = name.into();
        if name.contains('\0') {
            Err(InvalidIdent)
        } else {
            Ok(Ident(name))
        }
    }

    /// Takes the text before the first NUL.
    ///
    /// Parity: PostgREST cuts names from the URL there (`trimNullChars`) and answers with what
    /// PostgreSQL says about the rest.
    pub fn before_nul(name: &str) -> Ident {
        let end = name.find('\0').unwrap_or(name.len());
        Ident(name[..end].into())
    }

    /// The name without quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Appends the name in double quotes, with quotes inside doubled.
    pub(crate) fn write_quoted(&self, out: &mut String) {
        out.push('"');
        push_doubling(out, &self.0, '"');
        out.push('"');
    }

    /// The same list as text.
    pub fn quoted_list<'a>(names: impl IntoIterator<Item = &'a Ident>) -> String {
        let mut out = Vec::new();
        Ident::write_quoted_list(&mut out, names.into_iter().map(Ident::as_str));
        String::from_utf8(out).expect("names are UTF-8, and quoting adds ASCII")
    }

    /// Appends a list of names as the value of a setting such as `search_path`: quoted,
    /// comma-separated, each up to its first NUL.
    pub fn write_quoted_list<'a>(out: &mut Vec<u8>, names: impl IntoIterator<Item = &'a str>) {
        for (index, name) in names.into_iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(b", ");
            }
            out.push(b'"');
            for byte in name.bytes().take_while(|&byte| byte != 0) {
                if byte == b'"' {
                    out.push(b'"');
                }
                out.push(byte);
            }
            out.push(b'"');
        }
    }
}

impl Borrow<str> for Ident {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A name with its schema; without one, the search path of the transaction decides.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QualifiedName {
    /// The schema, if it is known.
    pub schema: Option<Ident>,
    /// The name inside the schema.
    pub name: Ident,
}

impl QualifiedName {
    /// A name in a schema.
    pub fn new(schema: Ident, name: Ident) -> QualifiedName {
        QualifiedName {
            schema: Some(schema),
            name,
        }
    }

    /// A name that the search path, or a `FROM` item, resolves.
    pub fn bare(name: Ident) -> QualifiedName {
        QualifiedName { schema: None, name }
    }
}

impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => write!(f, "{}", self.name),
        }
    }
}

/// A name that SQL wants as a string, such as a key of a JSON object. Values are parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal(Box<str>);

impl Literal {
    /// Takes any text but one with a NUL.
    pub fn new(text: impl Into<Box<str>>) -> Result<Literal, InvalidIdent> {
        let text = text.into();
        if text.contains('\0') {
            Err(InvalidIdent)
        } else {
            Ok(Literal(text))
        }
    }

    /// Appends `'…'`, or `E'…'` when there are backslashes, which then mean themselves whatever
    /// `standard_conforming_strings` says.
    pub(crate) fn write_quoted(&self, out: &mut String) {
        if self.0.contains('\\') {
            out.push_str("E'");
            push_doubling(out, &self.0.replace('\\', "\\\\"), '\'');
        } else {
            out.push('\'');
            push_doubling(out, &self.0, '\'');
        }
        out.push('\'');
    }
}

impl From<&Ident> for Literal {
    fn from(name: &Ident) -> Literal {
        Literal(name.0.clone())
    }
}

/// The target of a cast in the URL. It stands bare in the statement, for `"int"` in quotes would
/// not be the type `int`; so only words are let through.
///
/// Grammar: `word (" "+ word)*`, where a word is of letters, ASCII digits, `_` and `$`, and does
/// not start with `$`: that would be a parameter (`$1`) or open a dollar-quoted string (`$$`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TypeName(Box<str>);

/// The text is not a list of plain words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidTypeName;

impl TypeName {
    /// Checks the text against the grammar above; blanks at the ends are dropped.
    pub fn new(text: &str) -> Result<TypeName, InvalidTypeName> {
        let text = text.trim_matches(' ');
        let is_word_char = |c: char| c.is_alphabetic() || c.is_ascii_digit() || "_$".contains(c);
        let mut words = text.split(' ').filter(|word| !word.is_empty());
        let clean = words.all(|word| !word.starts_with('$') && word.chars().all(is_word_char));
        if clean && !text.is_empty() {
            Ok(TypeName(text.into()))
        } else {
            Err(InvalidTypeName)
        }
    }

    /// The words as they came.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// SQL that PostgreSQL itself printed: `format_type`, default expressions, function names.
///
/// Made only where the catalog is decoded (`api/catalog/decode.rs`; `tests/it/tidy.rs` checks it).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CatalogSql(Box<str>);

impl CatalogSql {
    /// Trusts the text, which must have come from a query on PostgreSQL's catalogs.
    pub fn from_postgresql(text: impl Into<Box<str>>) -> CatalogSql {
        CatalogSql(text.into())
    }

    /// The text as PostgreSQL printed it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Appends the name of a type. PostgreSQL leaves out the schema of its own types, of which
    /// only those that are words of the grammar are safe from others of the same name.
    pub(crate) fn write_type(&self, out: &mut String) {
        let first = self.0.split([' ', '(', '[']).next().unwrap_or_default();
        if !self.0.contains('.') && !KEYWORD_TYPES.contains(&first) {
            out.push_str("pg_catalog.");
        }
        out.push_str(&self.0);
    }
}

/// The first words of the types that are not called as their row in `pg_type` is.
///
/// Source: `format_type_extended` in PostgreSQL's `format_type.c`.
const KEYWORD_TYPES: &[&str] = &[
    "bigint",
    "bit",
    "boolean",
    "character",
    "double",
    "integer",
    "interval",
    "numeric",
    "real",
    "smallint",
    "time",
    "timestamp",
];

fn push_doubling(out: &mut String, text: &str, quote: char) {
    for c in text.chars() {
        if c == quote {
            out.push(quote);
        }
        out.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_ident(name: &str, expected: &str) {
        let mut out = String::new();
        Ident::new(name).unwrap().write_quoted(&mut out);
        assert_eq!(out, expected);
    }

    #[test]
    fn identifiers_are_quoted() {
        check_ident("films", r#""films""#);
        check_ident("a\"b", r#""a""b""#);
        check_ident("", r#""""#);
        check_ident("日本", r#""日本""#);
        assert_eq!(Ident::new("a\0b"), Err(InvalidIdent));
        assert_eq!(Ident::before_nul("a\0b").as_str(), "a");
    }

    #[test]
    fn lists_of_identifiers_are_a_search_path() {
        let mut path = Vec::new();
        Ident::write_quoted_list(&mut path, ["api", "SPECIAL \"@/\\#~_-", "a\0b"]);
        assert_eq!(path, br##""api", "SPECIAL ""@/\#~_-", "a""##);
    }

    #[track_caller]
    fn check_literal(text: &str, expected: &str) {
        let mut out = String::new();
        Literal::new(text).unwrap().write_quoted(&mut out);
        assert_eq!(out, expected);
    }

    #[test]
    fn literals_are_quoted() {
        check_literal("id", "'id'");
        check_literal("o'clock", "'o''clock'");
        check_literal("a\\b'c", "E'a\\\\b''c'");
        assert!(Literal::new("\0").is_err());
    }

    #[test]
    fn type_names_are_plain_words() {
        for good in [
            "int",
            "timestamp with time zone",
            "_text",
            "int4 ",
            "a$b",
            "größe",
        ] {
            assert!(TypeName::new(good).is_ok(), "{good}");
        }
        for bad in [
            "", " ", "$1", "int $1", "$$", "int;", "int)", "a\"b", "a'b", "a\0", "a\tb",
        ] {
            assert_eq!(TypeName::new(bad), Err(InvalidTypeName), "{bad}");
        }
    }

    #[track_caller]
    fn check_type(printed: &str, expected: &str) {
        let mut out = String::new();
        CatalogSql::from_postgresql(printed).write_type(&mut out);
        assert_eq!(out, expected);
    }

    #[test]
    fn types_are_written_with_their_schema() {
        check_type("text", "pg_catalog.text");
        check_type("\"char\"[]", "pg_catalog.\"char\"[]");
        check_type("timetz", "pg_catalog.timetz");
        check_type("api.light", "api.light");
        check_type("\"My.Own\".\"text\"", "\"My.Own\".\"text\"");
        for of_the_grammar in [
            "integer[]",
            "numeric(6,2)",
            "bit varying(3)",
            "timestamp(3) with time zone",
            "double precision",
        ] {
            check_type(of_the_grammar, of_the_grammar);
        }
    }

    #[test]
    fn qualified_names_show_their_schema() {
        let films = Ident::before_nul("films");
        assert_eq!(QualifiedName::bare(films.clone()).to_string(), "films");
        let api = Ident::before_nul("api");
        assert_eq!(QualifiedName::new(api, films).to_string(), "api.films");
    }
}
