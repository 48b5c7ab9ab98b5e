//! Statements about PostgreSQL's own catalogs.
//!
//! They are long, and would be unreadable with a schema before each operator. So they are parsed
//! with a search path that holds nothing but `pg_catalog`. A setting that a statement makes counts
//! from the next statement on, for names are looked up before anything of a statement is executed.
//!
//! Invariant: what is written with [`system_sql!`](crate::system_sql) comes with the statement that
//! makes the path, before it: [`SystemBuf::finish`] gives both, and nothing else takes it. Whoever
//! sends them sends them in this order, in one transaction; and does not prepare the first without
//! executing it before the second is parsed, which in one batch is always so.

use crate::{SqlBuf, Statement, SystemSql, sql};
use std::ops::{Deref, DerefMut};

/// A statement in the making whose bare names are those of `pg_catalog`.
#[derive(Debug, Default)]
pub struct SystemBuf(SqlBuf);

impl SystemBuf {
    /// An empty statement.
    pub fn new() -> SystemBuf {
        SystemBuf(SqlBuf::new())
    }

    /// Appends a constant; [`system_sql!`](crate::system_sql) is the short form.
    pub fn system_constant(&mut self, text: SystemSql) {
        self.0.system_constant(text);
    }

    /// The statement that makes the search path for the transaction, and the one that was written.
    pub fn finish(self) -> [Statement; 2] {
        [search_path(), self.0.finish()]
    }
}

impl Deref for SystemBuf {
    type Target = SqlBuf;

    fn deref(&self) -> &SqlBuf {
        &self.0
    }
}

impl DerefMut for SystemBuf {
    fn deref_mut(&mut self) -> &mut SqlBuf {
        &mut self.0
    }
}

/// `pg_temp` is named because it would come first if it was not: behind a pooler, a session may
/// have temporary relations of others, and a relation is a type, too.
fn search_path() -> Statement {
    let mut out = SqlBuf::new();
    sql!(
        out,
        "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)"
    );
    out.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system_sql;

    #[test]
    fn the_search_path_comes_before_the_statement() {
        let mut out = SystemBuf::new();
        system_sql!(out, "SELECT lower(");
        out.param(Some(b"A"));
        system_sql!(out, ") = 'a'");
        let [path, statement] = out.finish();
        assert!(path.text.as_str().contains("'search_path'"));
        assert_eq!(statement.text.as_str(), "SELECT lower($1) = 'a'");
        assert_eq!(statement.params.len(), 1);
    }
}
