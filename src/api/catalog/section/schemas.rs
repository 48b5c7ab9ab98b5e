//! The section of the exposed schemas: those in `db-schemas`. Relationships reach into all
//! schemas, and those that lead to another one are sorted out by it.
//!
//! Their comments, which title and describe the API, are a list of their own: most have none.

use super::SchemaNames;
use corerest_sql::{SqlBuf, sql};
use serde::Deserialize;

/// A comment on a schema.
#[derive(Deserialize)]
pub(in crate::catalog) struct SchemaCommentRow<'a> {
    pub(in crate::catalog) schema: &'a str,
    pub(in crate::catalog) description: &'a str,
}

/// Appends the query for the names, an array.
pub(in crate::catalog) fn write_rows(out: &mut SqlBuf, exposed: &SchemaNames) {
    sql!(
        out,
        "
SELECT COALESCE(pg_catalog.json_agg(namespace.nspname), '[]')
  FROM pg_catalog.pg_namespace AS namespace
 WHERE namespace.oid = ANY ("
    );
    exposed.write_oids(out);
    sql!(out, ")\n");
}

/// Appends the query for the comments.
pub(in crate::catalog) fn write_comments(out: &mut SqlBuf, exposed: &SchemaNames) {
    sql!(
        out,
        "
SELECT COALESCE(pg_catalog.json_agg(comments), '[]') FROM (
  SELECT namespace.nspname AS schema, comment.description
    FROM pg_catalog.pg_namespace AS namespace
    JOIN pg_catalog.pg_description AS comment
      ON comment.classoid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
     AND comment.objoid = namespace.oid AND comment.objsubid = 0
   WHERE namespace.oid = ANY ("
    );
    exposed.write_oids(out);
    sql!(out, ")\n) AS comments\n");
}
