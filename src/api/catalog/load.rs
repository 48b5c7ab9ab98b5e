//! The query that reads the catalog: one statement, one row, one column, a JSON document.
//!
//! The document is an object of sections; what a section reads and how its rows become types
//! stands in [`section`](super::section), one file each. One statement means one snapshot of the
//! database and one round trip, and PostgreSQL writes JSON faster than a client reads rows.
//!
//! Time zones are not read: `pg_timezone_names` opens a thousand files (0.1 to 0.3 s), and
//! PostgreSQL refuses a wrong `Prefer: timezone` by itself, with the error that clients know.

use super::section::{self, ExposedSchemas};
use corerest_sql::{Ident, SqlBuf, Statement, sql};

/// The batch that loads the catalog of the schemas in `db-schemas`; its last statement answers
/// with one row of one column, the document for [`decode`](super::decode()).
///
/// It fails with PostgreSQL's `schema "…" does not exist` when one of them is missing.
pub fn statements(schemas: &[Ident]) -> Vec<Statement> {
    vec![without_jit(), statement(schemas)]
}

/// Compiling the query costs more than it gains: 640 instead of 430 ms for 5,000 tables.
fn without_jit() -> Statement {
    let mut out = SqlBuf::new();
    sql!(out, "SELECT pg_catalog.set_config('jit', 'off', true)");
    out.finish()
}

fn statement(schemas: &[Ident]) -> Statement {
    let exposed = ExposedSchemas::new(schemas);
    let mut out = SqlBuf::new();
    sql!(out, "SELECT pg_catalog.json_build_object('server', (");
    section::server::write_rows(&mut out);
    sql!(out, "), 'tables', (");
    section::tables::write_rows(&mut out, &exposed);
    sql!(out, "), 'columns', (");
    section::columns::write_rows(&mut out, &exposed);
    sql!(out, "))::text FROM ");
    write_empty_search_path(&mut out);
    out.finish()
}

/// Makes PostgreSQL print every name with its schema, except those of `pg_catalog`.
///
/// Names are printed while a row is projected, and the row comes from here, so the setting is
/// made before the first name. It is local: it ends with the transaction, which for a statement
/// on its own is the statement.
fn write_empty_search_path(out: &mut SqlBuf) {
    sql!(
        out,
        "(SELECT pg_catalog.set_config('search_path', '', true)) AS path"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_values_and_never_text() {
        let schemas = ["test", r#"SPECIAL "@/\#~_-"#].map(Ident::before_nul);
        let statement = statement(&schemas);
        let other = super::statement(&[Ident::before_nul("other")]);
        assert_eq!(statement.text, other.text);
        let expected: &[u8] = br#"{"\"test\"","\"SPECIAL \"\"@/\\#~_-\""}"#;
        assert!(!statement.params.is_empty());
        assert!(statement.params.iter().all(|value| value == Some(expected)));
    }
}
