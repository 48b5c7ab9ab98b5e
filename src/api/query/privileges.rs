//! The statement about what the role of the request may do with the relations of a schema, which
//! the console shows, and about the functions that make relations of them: the description, which
//! is PostgREST's, does not tell those.
//!
//! Its answer is one JSON object:
//!
//! ```json
//! {"privileges":
//!    {"films": {"select": true, "insert": false, "update": ["title"], "delete": false}},
//!  "computed": [{"table": "films", "name": "sequels", "target": "films", "toOne": false}]}
//! ```
//! Where only some columns may be written or read, these are named.

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
        "SELECT pg_catalog.json_build_object('privileges', \
         (SELECT coalesce(pg_catalog.json_object_agg(class.relname, pg_catalog.json_build_object("
    );
    member!(out, "select", "SELECT");
    member!(out, "insert", "INSERT");
    member!(out, "update", "UPDATE");
    sql!(
        out,
        "'delete', pg_catalog.has_table_privilege(class.oid, 'DELETE'))), '{}') \
         FROM pg_catalog.pg_class AS class \
         WHERE class.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f}'::pg_catalog.\"char\"[]) \
         AND class.relnamespace OPERATOR(pg_catalog.=) namespace.oid "
    );
    // Of what the role may not use at all it need not know.
    sql!(
        out,
        "AND (pg_catalog.has_table_privilege(class.oid, 'SELECT, INSERT, UPDATE, DELETE') \
         OR pg_catalog.has_any_column_privilege(class.oid, 'SELECT, INSERT, UPDATE'))), \
         'computed', "
    );
    write_computed(&mut out);
    sql!(
        out,
        ")::pg_catalog.text AS body FROM (SELECT pg_catalog.max(namespace.oid) AS oid \
         FROM pg_catalog.pg_namespace AS namespace \
         WHERE namespace.nspname OPERATOR(pg_catalog.=) "
    );
    out.param(Some(schema.as_str().as_bytes()));
    sql!(out, ") AS namespace");
    out.finish()
}

/// Appends the functions that the role may call, from a row of the schema to rows of it. What is
/// one of them the catalog decides (`catalog/section/computed_relationships.rs`).
fn write_computed(out: &mut SqlBuf) {
    sql!(
        out,
        "(SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(\
         'table', class.relname, 'name', function.proname, 'target', target.relname, \
         'toOne', NOT function.proretset OR function.prorows OPERATOR(pg_catalog.=) 1) \
         ORDER BY function.proname, class.relname), '[]') \
         FROM pg_catalog.pg_proc AS function \
         JOIN pg_catalog.pg_class AS class \
         ON class.reltype OPERATOR(pg_catalog.=) function.proargtypes[0] \
         JOIN pg_catalog.pg_class AS target \
         ON target.reltype OPERATOR(pg_catalog.=) function.prorettype \
         WHERE function.pronargs OPERATOR(pg_catalog.=) 1 \
         AND function.pronamespace OPERATOR(pg_catalog.=) namespace.oid \
         AND class.relnamespace OPERATOR(pg_catalog.=) namespace.oid \
         AND target.relnamespace OPERATOR(pg_catalog.=) namespace.oid \
         AND class.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f}'::pg_catalog.\"char\"[]) \
         AND target.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f}'::pg_catalog.\"char\"[]) \
         AND pg_catalog.has_function_privilege(function.oid, 'EXECUTE'))"
    );
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
