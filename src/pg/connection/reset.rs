//! Putting a session in order, so that nothing is left of what has run in it.
//!
//! It is what `DISCARD ALL` does but for two things, and so needs no flight of its own, and spares
//! the statements that we have prepared: `DISCARD ALL` takes them, too, and cannot stand in a
//! transaction of several statements. Statements that SQL has prepared are only looked for: a row
//! of the last statement tells that there are some, and then the session has to end.
//!
//! Source: PostgreSQL's documentation of DISCARD.

use corerest_sql::{SqlBuf, Statement, sql_text};
use std::sync::LazyLock;

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reset {
    /// It is not wanted.
    None,
    /// It stands behind the batch that is being answered.
    Due,
    /// The batch is over, and what comes now is about the session.
    Begun,
}

/// The statements of a reset, which are one transaction.
pub(super) fn statements() -> &'static [Statement] {
    static STATEMENTS: LazyLock<Vec<Statement>> = LazyLock::new(|| {
        let texts = [
            // It ends `SET ROLE`, too, and gives back the right to all that follows; but before
            // PostgreSQL 15.9, and the like, not for good (CVE-2024-10978).
            sql_text!("SET SESSION AUTHORIZATION DEFAULT"),
            sql_text!("RESET ROLE"),
            sql_text!("RESET ALL"),
            sql_text!("CLOSE ALL"),
            sql_text!("UNLISTEN *"),
            sql_text!("DISCARD TEMP"),
            sql_text!("DISCARD SEQUENCES"),
            sql_text!(
                "SELECT WHERE pg_catalog.pg_advisory_unlock_all() IS NULL \
                 OR EXISTS (SELECT FROM pg_catalog.pg_prepared_statements WHERE from_sql)"
            ),
        ];
        let statements = texts.into_iter().map(|text| {
            let mut out = SqlBuf::new();
            out.constant(text);
            out.finish()
        });
        statements.collect()
    });
    &STATEMENTS
}
