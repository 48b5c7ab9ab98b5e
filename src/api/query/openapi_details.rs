//! The statement for OpenAPI 3.1, and what it shares with the one for 2.0.
//!
//! ```json
//! {"comment": "…", "tables": ["…"], "rights": [{"name": "…", "select": true, …}],
//!  "read_only": [["table", "column"]], "routines": [{…}], "types": [{"printed": "…", …}]}
//! ```
//!
//! What each member means stands where it is decoded, in `openapi/answer.rs`.

use crate::catalog::write_routine_parameters;
use corerest_config::OpenApiMode;
use corerest_sql::{Ident, SqlBuf, Statement, sql};

/// The statement. Without a path every type is printed with its schema, as in the catalog.
pub(super) fn write_document(mode: OpenApiMode, schema: &Ident) -> Statement {
    let mut out = SqlBuf::new();
    let follows = match mode {
        OpenApiMode::FollowPrivileges => true,
        OpenApiMode::IgnorePrivileges | OpenApiMode::Disabled => false,
    };
    sql!(
        out,
        "SELECT pg_catalog.json_build_object(\
         'comment', pg_catalog.obj_description(namespace.oid, 'pg_namespace')"
    );
    if follows {
        sql!(
            out,
            ", 'tables', (SELECT coalesce(pg_catalog.json_agg(class.relname), '[]')"
        );
        write_accessible_tables(&mut out);
        sql!(out, "), 'rights', (");
        write_rights(&mut out);
        sql!(out, ")");
    }
    sql!(out, ", 'read_only', (");
    write_read_only_columns(&mut out);
    sql!(out, "), 'routines', (");
    write_routines(&mut out, follows);
    sql!(out, "), 'types', (");
    write_types(&mut out);
    sql!(
        out,
        "))::pg_catalog.text AS body FROM \
         (VALUES (pg_catalog.set_config('quote_all_identifiers', 'off', true), \
         pg_catalog.set_config('search_path', '', true))) AS request \
         LEFT JOIN pg_catalog.pg_namespace AS namespace \
         ON namespace.nspname OPERATOR(pg_catalog.=) "
    );
    out.param(Some(schema.as_str().as_bytes()));
    out.finish()
}

/// Appends FROM and WHERE of the relations in the `namespace` on which the role has any privilege
/// at all, be it on a column only.
pub(super) fn write_accessible_tables(out: &mut SqlBuf) {
    sql!(
        out,
        " FROM pg_catalog.pg_class AS class \
         WHERE class.relnamespace OPERATOR(pg_catalog.=) namespace.oid \
         AND class.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f}'::pg_catalog.\"char\"[]) \
         AND (pg_catalog.pg_has_role(class.relowner, 'USAGE') \
         OR pg_catalog.has_table_privilege(class.oid, \
         'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') \
         OR pg_catalog.has_any_column_privilege(class.oid, \
         'SELECT, INSERT, UPDATE, REFERENCES'))"
    );
}

/// Appends what else is true of a `function` with that `input` that can be called.
pub(super) fn write_is_exposed(out: &mut SqlBuf) {
    sql!(
        out,
        " AND function.prokind OPERATOR(pg_catalog.=) 'f' \
         AND function.prorettype OPERATOR(pg_catalog.<>) 'pg_catalog.trigger'::pg_catalog.regtype \
         AND input.is_callable"
    );
}

/// Appends the query for what the role may do with each relation.
fn write_rights(out: &mut SqlBuf) {
    sql!(
        out,
        "SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(\
         'name', class.relname, \
         'select', pg_catalog.has_any_column_privilege(class.oid, 'SELECT'), \
         'insert', pg_catalog.has_any_column_privilege(class.oid, 'INSERT'), \
         'update', pg_catalog.has_any_column_privilege(class.oid, 'UPDATE'), \
         'delete', pg_catalog.has_table_privilege(class.oid, 'DELETE'))), '[]')"
    );
    write_accessible_tables(out);
}

/// Appends the query for the columns that are generated, always. Only few are.
fn write_read_only_columns(out: &mut SqlBuf) {
    sql!(
        out,
        "SELECT coalesce(pg_catalog.json_agg(\
         pg_catalog.json_build_array(class.relname, attribute.attname)), '[]') \
         FROM pg_catalog.pg_class AS class \
         JOIN pg_catalog.pg_attribute AS attribute \
         ON attribute.attrelid OPERATOR(pg_catalog.=) class.oid \
         AND attribute.attnum OPERATOR(pg_catalog.>) 0 AND NOT attribute.attisdropped \
         WHERE class.relnamespace OPERATOR(pg_catalog.=) namespace.oid \
         AND class.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f}'::pg_catalog.\"char\"[]) \
         AND (attribute.attidentity OPERATOR(pg_catalog.=) 'a' \
         OR attribute.attgenerated OPERATOR(pg_catalog.<>) '')"
    );
}

/// Appends the query for the functions in the `namespace`, with what they return.
///
/// The CASE keeps PostgreSQL from asking for the privileges on its own three thousand functions.
fn write_routines(out: &mut SqlBuf, follows: bool) {
    sql!(
        out,
        "SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(\
         'name', function.proname, 'description', comment.description, \
         'volatility', function.provolatile, 'parameters', input.parameters, \
         'defaults', input_defaults.expressions, \
         'returned', pg_catalog.format_type(function.prorettype, NULL), \
         'returns_set', function.proretset, 'columns', output.columns)), '[]') \
         FROM pg_catalog.pg_proc AS function \
         LEFT JOIN pg_catalog.pg_description AS comment \
         ON comment.classoid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass \
         AND comment.objoid OPERATOR(pg_catalog.=) function.oid \
         AND comment.objsubid OPERATOR(pg_catalog.=) 0 \
         CROSS JOIN LATERAL ("
    );
    write_routine_parameters(out);
    sql!(out, ") AS input CROSS JOIN LATERAL (");
    write_default_expressions(out);
    sql!(out, ") AS input_defaults CROSS JOIN LATERAL (");
    write_returned_columns(out);
    sql!(
        out,
        ") AS output WHERE CASE WHEN function.pronamespace OPERATOR(pg_catalog.=) namespace.oid \
         THEN "
    );
    if follows {
        sql!(
            out,
            "pg_catalog.has_function_privilege(function.oid, 'EXECUTE')"
        );
    } else {
        sql!(out, "true");
    }
    sql!(out, " END");
    write_is_exposed(out);
}

/// Appends the query for the defaults of what goes into a `function`, in its order.
fn write_default_expressions(out: &mut SqlBuf) {
    sql!(
        out,
        "SELECT pg_catalog.json_agg(pg_catalog.pg_get_function_arg_default(\
         function.oid, part.position::pg_catalog.int4) ORDER BY part.position) AS expressions \
         FROM ROWS FROM (pg_catalog.unnest(coalesce(function.proallargtypes, \
         function.proargtypes::pg_catalog.oid[])), pg_catalog.unnest(function.proargmodes)) \
         WITH ORDINALITY AS part (type, mode, position) \
         WHERE function.pronargdefaults OPERATOR(pg_catalog.>) 0 AND coalesce(part.mode, 'i') \
         OPERATOR(pg_catalog.=) ANY ('{i,b,v}'::pg_catalog.\"char\"[])"
    );
}

/// Appends the query for the columns that a `function` declares by `TABLE`, `OUT` or `INOUT`.
fn write_returned_columns(out: &mut SqlBuf) {
    sql!(
        out,
        "SELECT pg_catalog.json_agg(pg_catalog.json_build_object(\
         'name', coalesce(part.name, ''), \
         'data_type', pg_catalog.format_type(part.type, NULL)) ORDER BY part.position) AS columns \
         FROM ROWS FROM (pg_catalog.unnest(function.proallargtypes), \
         pg_catalog.unnest(function.proargnames), pg_catalog.unnest(function.proargmodes)) \
         WITH ORDINALITY AS part (type, name, mode, position) \
         WHERE part.mode OPERATOR(pg_catalog.=) ANY ('{t,b,o}'::pg_catalog.\"char\"[])"
    );
}

/// Appends the query for the types that are not PostgreSQL's own: enums, domains, composite types,
/// the row types of the relations in the `namespace`, and those that are JSON to clients, which
/// have a cast to it. Many relations have no row here, for there may be many.
fn write_types(out: &mut SqlBuf) {
    sql!(
        out,
        "SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(\
         'printed', pg_catalog.format_type(type.oid, NULL), \
         'schema', owner.nspname, 'name', type.typname, \
         'kind', CASE WHEN class.relkind OPERATOR(pg_catalog.<>) 'c' THEN 'r' \
         ELSE type.typtype END, \
         'comment', pg_catalog.obj_description(type.oid, 'pg_type'), \
         'base', CASE WHEN type.typtype OPERATOR(pg_catalog.=) 'd' \
         THEN pg_catalog.format_type(type.typbasetype, type.typtypmod) END, \
         'labels', CASE WHEN type.typtype OPERATOR(pg_catalog.=) 'e' THEN (\
         SELECT pg_catalog.json_agg(label.enumlabel ORDER BY label.enumsortorder) \
         FROM pg_catalog.pg_enum AS label \
         WHERE label.enumtypid OPERATOR(pg_catalog.=) type.oid) END, \
         'checks', CASE WHEN type.typtype OPERATOR(pg_catalog.=) 'd' THEN (\
         SELECT pg_catalog.json_agg(pg_catalog.pg_get_constraintdef(checked.oid) \
         ORDER BY checked.conname) \
         FROM pg_catalog.pg_constraint AS checked \
         WHERE checked.contypid OPERATOR(pg_catalog.=) type.oid \
         AND checked.contype OPERATOR(pg_catalog.=) 'c') END, \
         'attributes', CASE WHEN class.relkind OPERATOR(pg_catalog.=) 'c' THEN (\
         SELECT pg_catalog.json_agg(pg_catalog.json_build_object(\
         'name', attribute.attname, 'data_type', \
         pg_catalog.format_type(attribute.atttypid, attribute.atttypmod)) \
         ORDER BY attribute.attnum) \
         FROM pg_catalog.pg_attribute AS attribute \
         WHERE attribute.attrelid OPERATOR(pg_catalog.=) class.oid \
         AND attribute.attnum OPERATOR(pg_catalog.>) 0 AND NOT attribute.attisdropped) END)), \
         '[]') \
         FROM pg_catalog.pg_type AS type \
         JOIN pg_catalog.pg_namespace AS owner \
         ON owner.oid OPERATOR(pg_catalog.=) type.typnamespace \
         LEFT JOIN pg_catalog.pg_class AS class \
         ON class.oid OPERATOR(pg_catalog.=) type.typrelid \
         WHERE owner.nspname OPERATOR(pg_catalog.<>) ALL \
         ('{pg_catalog,information_schema,pg_toast}'::pg_catalog.name[]) \
         AND CASE WHEN type.typtype OPERATOR(pg_catalog.=) ANY ('{e,d}'::pg_catalog.\"char\"[]) \
         THEN true WHEN type.typtype OPERATOR(pg_catalog.=) 'c' \
         THEN class.relkind OPERATOR(pg_catalog.=) 'c' \
         OR class.relnamespace OPERATOR(pg_catalog.=) namespace.oid \
         AND class.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f}'::pg_catalog.\"char\"[]) \
         WHEN type.typtype OPERATOR(pg_catalog.=) 'b' \
         THEN EXISTS (SELECT FROM pg_catalog.pg_cast AS json_cast \
         WHERE json_cast.castsource OPERATOR(pg_catalog.=) type.oid \
         AND json_cast.casttarget OPERATOR(pg_catalog.=) 'pg_catalog.json'::pg_catalog.regtype) \
         ELSE false END"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_a_value_and_privileges_are_asked_for_where_they_matter() {
        let statement = |mode| write_document(mode, &Ident::before_nul(r#"it's "API""#));
        let follows = statement(OpenApiMode::FollowPrivileges);
        let ignores = statement(OpenApiMode::IgnorePrivileges);
        for statement in [&follows, &ignores] {
            assert!(!statement.text.as_str().contains("API"));
            assert_eq!(statement.params.len(), 1);
        }
        for word in ["has_table_privilege", "has_function_privilege"] {
            assert!(follows.text.as_str().contains(word), "{word}");
            assert!(!ignores.text.as_str().contains(word), "{word}");
        }
    }
}
