//! Batches that ask PostgreSQL for one document: the catalog, the configuration in the database,
//! the settings of roles, the version of the server.
//!
//! They take as long as they take: a `statement_timeout` of the login role is for requests. Nor
//! does it matter how PostgreSQL writes names and values for the login role.
//!
//! Invariant: the statement that asks is parsed with a search path that holds nothing but
//! `pg_catalog`: it is a [`SystemBuf`]'s, whose path is made right before it. What stands before
//! that is parsed with the path of the login role, and names its schemas.
//!
//! Invariant: one statement of such a batch gives the document, as one row of one column; its
//! text is a `SELECT` without `FROM`, which is one row whatever stands in it. The fields are
//! private, and [`OneDocument::of`] is the only way to make one.

use corerest_sql::{SqlBuf, Statement, SystemBuf, sql, system_sql};

/// A batch of which one statement answers with one row of one column, a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneDocument {
    statements: Vec<Statement>,
    asks: usize,
}

impl OneDocument {
    /// Asks for the value that `write` appends, after `before`. A query stands in parentheses.
    pub(crate) fn of(before: Vec<Statement>, write: impl FnOnce(&mut SystemBuf)) -> OneDocument {
        let mut out = SystemBuf::new();
        system_sql!(out, "SELECT (");
        write(&mut out);
        system_sql!(out, ")::text AS document");
        let mut statements = vec![without_timeout()];
        statements.extend(before);
        statements.push(with_usual_texts());
        statements.extend(out.finish());
        OneDocument {
            asks: statements.len() - 1,
            statements,
        }
    }

    /// The same, with statements around it whose answers nobody wants, and which are to end as the
    /// login role's statements do.
    ///
    /// Parity: PostgREST's tests make a load fail by a pause that is longer than the role's
    /// `statement_timeout`.
    #[must_use]
    pub fn between(self, before: Option<Statement>, after: Option<Statement>) -> OneDocument {
        let asks = self.asks + usize::from(before.is_some());
        let mut statements = self.statements;
        statements.splice(0..0, before);
        if let Some(after) = after {
            statements.extend([with_timeout_of_role(), after]);
        }
        OneDocument { asks, statements }
    }

    /// What is sent, in this order.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// Which of the statements gives the document.
    pub fn asks(&self) -> usize {
        self.asks
    }
}

/// For the transaction, so that a pooler passes it on to nobody. It holds from the next statement
/// on, for PostgreSQL starts the time anew with each of them.
fn without_timeout() -> Statement {
    let mut out = SqlBuf::new();
    sql!(
        out,
        "SELECT pg_catalog.set_config('statement_timeout', '0', true)"
    );
    out.finish()
}

/// For what PostgreSQL prints: types are compared by their names, which may not have quotes then,
/// and a default is read again in requests, where dates may be meant to be written in another way.
/// `TimeZone` stays as it is, for what it prints is read alike by all.
fn with_usual_texts() -> Statement {
    let mut out = SqlBuf::new();
    sql!(
        out,
        "SELECT pg_catalog.set_config('quote_all_identifiers', 'off', true), \
         pg_catalog.set_config('standard_conforming_strings', 'on', true), \
         pg_catalog.set_config('bytea_output', 'hex', true), \
         pg_catalog.set_config('extra_float_digits', '1', true), \
         pg_catalog.set_config('datestyle', 'ISO', true), \
         pg_catalog.set_config('intervalstyle', 'postgres', true)"
    );
    out.finish()
}

fn with_timeout_of_role() -> Statement {
    let mut out = SqlBuf::new();
    sql!(
        out,
        "SELECT pg_catalog.set_config(name, reset_val, true) FROM pg_catalog.pg_settings \
         WHERE name OPERATOR(pg_catalog.=) 'statement_timeout'"
    );
    out.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(number: &str) -> Statement {
        let mut out = SqlBuf::new();
        out.param(Some(number.as_bytes()));
        out.finish()
    }

    #[test]
    fn the_statement_that_asks_is_known_whatever_stands_around_it() {
        let write = |out: &mut SystemBuf| system_sql!(out, "SELECT '{}'");
        let alone = OneDocument::of(Vec::new(), write);
        let text = |document: &OneDocument| {
            let statement = &document.statements()[document.asks()];
            statement.text.as_str().to_owned()
        };
        let expected = "SELECT (SELECT '{}')::text AS document";
        assert_eq!(text(&alone), expected);
        let after_one = OneDocument::of(vec![statement("1")], write);
        assert_eq!(text(&after_one), expected);
        let between = after_one.between(Some(statement("0")), Some(statement("2")));
        assert_eq!(text(&between), expected);
        assert_eq!(between.statements().len(), 8);
        assert_eq!(between.statements()[1], without_timeout());
        let path = between.statements()[4].text.as_str();
        assert!(path.contains("'search_path', 'pg_catalog, pg_temp', true"));
        assert_eq!(between.statements()[3], with_usual_texts());
        assert_eq!(between.statements()[6], with_timeout_of_role());
        assert_eq!(between.asks(), 5);
    }
}
