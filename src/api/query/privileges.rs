//! The statement about what the role of the request may do with the relations of a schema, which
//! the console shows.
//!
//! Its answer is one JSON object: `{"films": {"select": true, "insert": false, "update": ["title"],
//! "delete": false}}`. Where only some columns may be written or read, these are named.

use super::answer::MainStatement;
use corerest_sql::{Ident, SqlBuf, Statement, sql};

/// Appends a member about a privilege that there is for columns, too.
macro_rules! member {
    ($out:ident, $name:literal, $privilege:literal) => {
        sql!(
            $out,
            concat!(
                "'",
                $name,
                "', CASE WHEN pg_catalog.has_table_privilege(class.oid, '",
                $privilege,
                "') THEN 'true'::pg_catalog.json ",
                "WHEN pg_catalog.has_any_column_privilege(class.oid, '",
                $privilege,
                "') THEN (SELECT pg_catalog.json_agg(attribute.attname ORDER BY attribute.attnum) ",
                "FROM pg_catalog.pg_attribute AS attribute ",
                "WHERE attribute.attrelid OPERATOR(pg_catalog.=) class.oid ",
                "AND attribute.attnum OPERATOR(pg_catalog.>) 0 AND NOT attribute.attisdropped ",
                "AND pg_catalog.has_column_privilege(class.oid, attribute.attnum, '",
                $privilege,
                "')) ELSE 'false'::pg_catalog.json END, "
            )
        )
    };
}

/// The main statement of a request for the privileges on what is in a schema.
pub(crate) fn write_privileges(schema: &Ident) -> MainStatement {
    MainStatement::of_lines(write_document(schema))
}

fn write_document(schema: &Ident) -> Statement {
    let mut out = SqlBuf::new();
    sql!(
        out,
        "SELECT coalesce(pg_catalog.json_object_agg(class.relname, pg_catalog.json_build_object("
    );
    member!(out, "select", "SELECT");
    member!(out, "insert", "INSERT");
    member!(out, "update", "UPDATE");
    sql!(
        out,
        "'delete', pg_catalog.has_table_privilege(class.oid, 'DELETE'))), '{}')::pg_catalog.text \
         AS body FROM pg_catalog.pg_class AS class \
         JOIN pg_catalog.pg_namespace AS namespace \
         ON namespace.oid OPERATOR(pg_catalog.=) class.relnamespace \
         WHERE class.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f}'::pg_catalog.\"char\"[]) \
         AND namespace.nspname OPERATOR(pg_catalog.=) "
    );
    out.param(Some(schema.as_str().as_bytes()));
    // Of what the role may not use at all it need not know.
    sql!(
        out,
        " AND (pg_catalog.has_table_privilege(class.oid, 'SELECT, INSERT, UPDATE, DELETE') \
         OR pg_catalog.has_any_column_privilege(class.oid, 'SELECT, INSERT, UPDATE'))"
    );
    out.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_a_value() {
        let statement = write_document(&Ident::before_nul(r#"it's "API""#));
        assert!(!statement.text.as_str().contains("API"));
        assert_eq!(statement.params.len(), 1);
        let other = write_document(&Ident::before_nul("other"));
        assert_eq!(statement.text, other.text);
    }
}
