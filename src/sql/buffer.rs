//! The one place where a statement is put together.
//!
//! A [`SqlBuf`] collects text and values side by side; that they fit, `$n` for the n-th value, is
//! its only job, and nobody else writes a `$`.

use crate::{CatalogSql, ConstSql, Ident, Literal, Params, QualifiedName, SystemSql, TypeName};
use std::sync::Arc;

/// A finished SQL text, which only a [`SqlBuf`] makes. Equal shapes of request give equal texts,
/// so it is also the key under which a connection remembers its prepared statements. Clones are
/// cheap.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SqlText(Arc<str>);

impl SqlText {
    /// The text, for the protocol and for logs.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text with the values of its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The text, with `$1 … $n`.
    pub text: SqlText,
    /// The values of `$1 … $n`.
    pub params: Params,
}

/// A statement in the making. See the crate's documentation for what may enter it.
#[derive(Debug, Default)]
pub struct SqlBuf {
    text: String,
    /// What the text will be, if that is known before; then it is not written again.
    known: Option<SqlText>,
    params: Params,
}

impl SqlBuf {
    /// An empty statement. Room for a typical read is set aside at once: growing it step by step
    /// copies the text four times.
    pub fn new() -> SqlBuf {
        SqlBuf {
            text: String::with_capacity(1024),
            known: None,
            params: Params::new(),
        }
    }

    /// A statement whose text is known from an earlier one of the same shape: only its values are
    /// collected. Debug builds write the text nevertheless, and compare.
    pub fn of_known_text(text: &SqlText) -> SqlBuf {
        SqlBuf {
            text: String::new(),
            known: Some(text.clone()),
            params: Params::new(),
        }
    }

    /// Appends a constant; [`sql!`](crate::sql) is the short form.
    pub fn constant(&mut self, text: ConstSql) {
        self.write(|out| out.push_str(text.as_str()));
    }

    /// Appends a constant in which names are without their schema.
    pub(crate) fn system_constant(&mut self, text: SystemSql) {
        self.write(|out| out.push_str(text.as_str()));
    }

    /// Appends `"name"`.
    pub fn ident(&mut self, name: &Ident) {
        self.write(|out| name.write_quoted(out));
    }

    /// Appends `"schema"."name"`, or `"name"`.
    pub fn name(&mut self, name: &QualifiedName) {
        self.write(|out| {
            if let Some(schema) = &name.schema {
                schema.write_quoted(out);
                out.push('.');
            }
            name.name.write_quoted(out);
        });
    }

    /// Appends `'text'`.
    pub fn literal(&mut self, literal: &Literal) {
        self.write(|out| literal.write_quoted(out));
    }

    /// Appends a type name as it is.
    pub fn type_name(&mut self, name: &TypeName) {
        self.write(|out| out.push_str(name.as_str()));
    }

    /// Appends a type as PostgreSQL printed it, with its schema if that is `pg_catalog`, too.
    pub fn catalog_type(&mut self, sql: &CatalogSql) {
        self.write(|out| sql.write_type(out));
    }

    /// Appends what PostgreSQL printed.
    pub fn catalog(&mut self, sql: &CatalogSql) {
        self.write(|out| out.push_str(sql.as_str()));
    }

    /// Appends the place of an item in the select list, for `GROUP BY`, or in an array: from 1 on.
    pub fn place(&mut self, place: usize) {
        self.write(|out| out.push_str(&place.to_string()));
    }

    /// Appends `$n` for a value; `None` is NULL.
    pub fn param(&mut self, value: Option<&[u8]>) {
        let number = self.params.push(value);
        self.write_parameter_number(number);
    }

    /// Appends `$n` for a value that is written piece by piece.
    pub fn param_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let number = self.params.push_with(write);
        self.write_parameter_number(number);
    }

    /// Appends `$n` for the body of the request as it came, which is not copied.
    pub fn param_request_body(&mut self) {
        let number = self.params.push_request_body();
        self.write_parameter_number(number);
    }

    /// Calls `write` for each item, with `separator` between.
    pub fn separated<T>(
        &mut self,
        separator: ConstSql,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut SqlBuf, T),
    ) {
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.constant(separator);
            }
            write(self, item);
        }
    }

    /// The statement is complete.
    pub fn finish(self) -> Statement {
        let text = match self.known {
            Some(known) => {
                debug_assert_eq!(&*known.0, self.text, "the shape is the same");
                known
            }
            None => SqlText(self.text.into()),
        };
        Statement {
            text,
            params: self.params,
        }
    }

    fn write(&mut self, write: impl FnOnce(&mut String)) {
        if self.known.is_none() || cfg!(debug_assertions) {
            write(&mut self.text);
        }
    }

    fn write_parameter_number(&mut self, number: usize) {
        self.write(|out| push_parameter_number(out, number));
    }
}

/// Digit by digit: the formatting machinery takes longer than the rest of a small statement.
fn push_parameter_number(out: &mut String, number: usize) {
    out.push('$');
    let mut digits = [0; 20];
    let mut rest = number;
    let mut first = digits.len();
    while rest > 0 {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend(digits[first..].iter().map(|&digit| char::from(digit)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{sql, sql_text};

    #[test]
    fn every_kind_of_text_is_written_in_its_own_way() {
        let mut out = SqlBuf::new();
        sql!(out, "SELECT ");
        let columns = [Ident::before_nul("id"), Ident::before_nul("full name")];
        out.separated(sql_text!(", "), &columns, SqlBuf::ident);
        sql!(out, ", CAST(x AS ");
        out.type_name(&TypeName::new("double precision").unwrap());
        sql!(out, "), ");
        out.literal(&Literal::new("it's").unwrap());
        sql!(out, ", ");
        out.catalog(&CatalogSql::from_postgresql("now()"));
        sql!(out, " FROM ");
        out.name(&QualifiedName::new(
            Ident::before_nul("api"),
            Ident::before_nul("t"),
        ));
        sql!(out, " WHERE a OPERATOR(pg_catalog.=) ");
        out.param(Some(b"1; DROP TABLE t"));
        sql!(out, " AND b OPERATOR(pg_catalog.=) ");
        out.param_with(|value| value.extend_from_slice(b"{1,2}"));
        let statement = out.finish();
        assert_eq!(
            statement.text.as_str(),
            concat!(
                r#"SELECT "id", "full name", CAST(x AS double precision), 'it''s', now()"#,
                r#" FROM "api"."t" WHERE a OPERATOR(pg_catalog.=) $1"#,
                r#" AND b OPERATOR(pg_catalog.=) $2"#
            )
        );
        assert_eq!(statement.params.len(), 2);
    }

    #[test]
    fn a_known_text_is_taken_over() {
        let write = |out: &mut SqlBuf, value: &[u8]| {
            sql!(out, "SELECT ");
            out.param(Some(value));
        };
        let mut first = SqlBuf::new();
        write(&mut first, b"1");
        let first = first.finish();
        let mut second = SqlBuf::of_known_text(&first.text);
        write(&mut second, b"2");
        let second = second.finish();
        assert_eq!(second.text, first.text);
        assert_ne!(second.params, first.params);
    }

    #[test]
    fn parameters_are_numbered_from_one() {
        let mut out = SqlBuf::new();
        for _ in 0..101 {
            out.param(None);
        }
        let text = out.finish().text;
        assert!(text.as_str().starts_with("$1$2$3$4$5$6$7$8$9$10$11"));
        assert!(text.as_str().ends_with("$99$100$101"));
    }
}
