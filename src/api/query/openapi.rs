//! The statement about the API itself: what the role of the request may use in a schema.
//!
//! Its answer is one text, of which [`describe`](crate::openapi::describe) makes the document. It
//! reads PostgreSQL's catalogs at the time of the request, for privileges change without a reload.
//!
//! Parity: types are printed as the search path of the request lets them be, without the schema if
//! that is in it; in the catalog they have it. For OpenAPI 3.1 they are printed as in the catalog,
//! and what it needs beyond that (types, what functions return, who may write) is asked for here,
//! so that a catalog that nobody wants described so takes no longer to load and no more room.

use super::answer::MainStatement;
use super::openapi_details::{self as detailed, write_accessible_tables, write_is_exposed};
use crate::catalog::write_routine_parameters;
use corerest_config::{OpenApiMode, OpenApiVersion};
use corerest_sql::{Ident, SqlBuf, Statement, sql};

/// The main statement of a request for the description of a schema. Where privileges do not
/// matter, the catalog knows all but the comment on the schema.
pub(crate) fn write_openapi(
    version: OpenApiVersion,
    mode: OpenApiMode,
    schema: &Ident,
) -> MainStatement {
    MainStatement::of_lines(match version {
        OpenApiVersion::V2 => write_document(mode, schema),
        OpenApiVersion::V31 => detailed::write_document(mode, schema),
    })
}

fn write_document(mode: OpenApiMode, schema: &Ident) -> Statement {
    let mut out = SqlBuf::new();
    sql!(
        out,
        "SELECT pg_catalog.json_build_object(\
         'comment', pg_catalog.obj_description(namespace.oid, 'pg_namespace')"
    );
    match mode {
        OpenApiMode::FollowPrivileges => {
            sql!(out, ", 'tables', (");
            sql!(
                out,
                "SELECT coalesce(pg_catalog.json_agg(class.relname), '[]')"
            );
            write_accessible_tables(&mut out);
            sql!(out, "), 'routines', (");
            write_routines(&mut out);
            sql!(out, ")");
        }
        OpenApiMode::IgnorePrivileges | OpenApiMode::Disabled => {}
    }
    // The name of a type may not have quotes: it is shown, and known by its name.
    // An outer join: a schema that is gone has nothing to show, and there is a row to say so.
    sql!(
        out,
        ")::pg_catalog.text AS body FROM \
         (VALUES (pg_catalog.set_config('quote_all_identifiers', 'off', true))) AS request \
         LEFT JOIN pg_catalog.pg_namespace AS namespace \
         ON namespace.nspname OPERATOR(pg_catalog.=) "
    );
    out.param(Some(schema.as_str().as_bytes()));
    out.finish()
}

/// Appends the query for the functions in the `namespace` that the role may execute.
///
/// The CASE keeps PostgreSQL from asking for the privileges on its own three thousand functions.
fn write_routines(out: &mut SqlBuf) {
    sql!(
        out,
        "SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(\
         'name', function.proname, 'description', comment.description, \
         'volatility', function.provolatile, 'parameters', input.parameters)), '[]') \
         FROM pg_catalog.pg_proc AS function \
         LEFT JOIN pg_catalog.pg_description AS comment \
         ON comment.classoid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass \
         AND comment.objoid OPERATOR(pg_catalog.=) function.oid \
         AND comment.objsubid OPERATOR(pg_catalog.=) 0 \
         CROSS JOIN LATERAL ("
    );
    write_routine_parameters(out);
    sql!(
        out,
        ") AS input WHERE CASE WHEN function.pronamespace OPERATOR(pg_catalog.=) namespace.oid \
         THEN pg_catalog.has_function_privilege(function.oid, 'EXECUTE') END"
    );
    write_is_exposed(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(mode: OpenApiMode, schema: &str) -> Statement {
        write_document(mode, &Ident::before_nul(schema))
    }

    #[test]
    fn the_schema_is_a_value() {
        let statement = statement(OpenApiMode::FollowPrivileges, r#"it's "API""#);
        assert!(!statement.text.as_str().contains("API"));
        assert_eq!(statement.params.len(), 1);
        let other = self::statement(OpenApiMode::FollowPrivileges, "other");
        assert_eq!(statement.text, other.text);
    }

    #[test]
    fn privileges_are_asked_for_where_they_matter() {
        let follows = statement(OpenApiMode::FollowPrivileges, "api");
        let ignores = statement(OpenApiMode::IgnorePrivileges, "api");
        for word in [
            "has_table_privilege",
            "has_function_privilege",
            "is_callable",
        ] {
            assert!(follows.text.as_str().contains(word), "{word}");
            assert!(!ignores.text.as_str().contains(word), "{word}");
        }
        assert!(ignores.text.as_str().contains("obj_description"));
    }
}
