//! The query that reads the catalog: one statement, one row, one column, a JSON document.
//!
//! The document is an object of sections; what a section reads and how its rows become types
//! stands in [`section`], one file each. One statement means one snapshot of the
//! database and one round trip, and PostgreSQL writes JSON faster than a client reads rows.
//!
//! It is parsed and executed with a search path that holds nothing but `pg_catalog`
//! (`OneDocument`), so that PostgreSQL prints every name with its schema, except those of
//! `pg_catalog`.
//!
//! Time zones are not read: `pg_timezone_names` opens a thousand files (0.1 to 0.3 s), and
//! PostgreSQL refuses a wrong `Prefer: timezone` by itself, with the error that clients know.

use super::section::{self, SchemaNames};
use super::timings::write_reading;
use crate::document::OneDocument;
use corerest_sql::{Ident, SqlBuf, Statement, SystemBuf, sql, system_sql};

/// Where the catalog comes from.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// `db-schemas`: the exposed schemas.
    pub schemas: &'a [Ident],
    /// `db-extra-search-path`: views in these schemas may stand between exposed views and tables.
    pub extra_search_path: &'a [Ident],
}

impl<'a> From<&'a [Ident]> for Scope<'a> {
    /// These exposed schemas, without an extra search path.
    fn from(schemas: &'a [Ident]) -> Scope<'a> {
        Scope {
            schemas,
            extra_search_path: &[],
        }
    }
}

/// Asks for the catalog: the document for [`decode_catalog`](super::decode_catalog).
///
/// It fails with PostgreSQL's `schema "…" does not exist` when one of the exposed schemas is
/// missing.
pub fn ask_catalog<'a>(scope: impl Into<Scope<'a>>) -> OneDocument {
    let scope = scope.into();
    OneDocument::of(vec![without_jit()], |out| write_document(out, scope))
}

/// Compiling the query costs more than it gains: 640 instead of 430 ms for 5,000 tables.
fn without_jit() -> Statement {
    let mut out = SqlBuf::new();
    sql!(out, "SELECT pg_catalog.set_config('jit', 'off', true)");
    out.finish()
}

fn write_document(out: &mut SystemBuf, scope: Scope<'_>) {
    let exposed = SchemaNames::new(scope.schemas);
    let search_path = SchemaNames::new(scope.extra_search_path);
    system_sql!(out, "SELECT pg_catalog.json_build_object('began', ");
    write_reading(out);
    system_sql!(out, ", 'server', (");
    section::server::write_rows(out);
    system_sql!(out, "), 'schemas', (");
    section::schemas::write_rows(out, &exposed);
    system_sql!(out, "), 'missing_schemas', (");
    search_path.write_missing(out);
    system_sql!(out, "), 'tables', (");
    section::tables::write_rows(out, &exposed);
    system_sql!(out, "), 'columns', (");
    section::columns::write_rows(out, &exposed);
    system_sql!(out, "), 'quiet', (");
    section::quiet::write_rows(out, &exposed);
    system_sql!(out, "), 'has_one_owner', (");
    section::owners::write_value(out, &exposed);
    system_sql!(out, "), 'tables_read', ");
    write_reading(out);
    system_sql!(out, ", 'views', (");
    section::views::write_rows(out, &exposed, &search_path);
    system_sql!(out, "), 'primary_keys', (");
    section::primary_keys::write_rows(out);
    system_sql!(out, "), 'keys_read', ");
    write_reading(out);
    system_sql!(out, ", 'foreign_keys', (");
    section::foreign_keys::write_rows(out);
    system_sql!(out, "), 'foreign_keys_read', ");
    write_reading(out);
    system_sql!(out, ", 'routines', (");
    section::routines::write_rows(out, &exposed);
    system_sql!(out, "), 'routines_read', ");
    write_reading(out);
    system_sql!(out, ", 'computed_relationships', (");
    section::computed_relationships::write_rows(out, &exposed);
    system_sql!(out, "), 'computed_relationships_read', ");
    write_reading(out);
    system_sql!(out, ", 'representations', (");
    section::representations::write_rows(out);
    system_sql!(out, "), 'representations_read', ");
    write_reading(out);
    system_sql!(out, ", 'media_handlers', (");
    section::media_handlers::write_rows(out, &exposed);
    system_sql!(out, "), 'media_handlers_read', ");
    write_reading(out);
    system_sql!(out, ")");
}

#[cfg(test)]
mod tests {
    use super::*;
    use corerest_sql::Param;

    #[test]
    fn schemas_are_values_and_never_text() {
        let schemas = ["test", r#"SPECIAL "@/\#~_-"#].map(Ident::before_nul);
        let extra_search_path = [Ident::before_nul("public")];
        let statement = |scope: Scope<'_>| {
            let mut out = SystemBuf::new();
            write_document(&mut out, scope);
            let [_, statement] = out.finish();
            statement
        };
        let other = [Ident::before_nul("other")];
        let other = statement(other.as_slice().into());
        let statement = statement(Scope {
            schemas: &schemas,
            extra_search_path: &extra_search_path,
        });
        assert_eq!(statement.text, other.text);
        let exposed: &[u8] = br#"{"\"test\"","\"SPECIAL \"\"@/\\#~_-\""}"#;
        let search_path: &[u8] = br#"{"\"public\""}"#;
        assert!(!statement.params.is_empty());
        let mut values = statement.params.iter();
        let expected = [Param::Value(exposed), Param::Value(search_path)];
        assert!(values.all(|value| expected.contains(&value)));
    }
}
