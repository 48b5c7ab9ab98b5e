//! The section of the exposed schemas: those in `db-schemas`. Relationships reach into all
//! schemas, and those that lead to another one are sorted out by it.

use super::SchemaNames;
use corerest_sql::{SystemBuf, system_sql};

/// Appends the query for the names, an array.
pub(in crate::catalog) fn write_rows(out: &mut SystemBuf, exposed: &SchemaNames) {
    system_sql!(
        out,
        "
SELECT COALESCE(pg_catalog.json_agg(namespace.nspname), '[]')
  FROM pg_catalog.pg_namespace AS namespace
 WHERE namespace.oid = ANY ("
    );
    exposed.write_oids(out);
    system_sql!(out, ")\n");
}
