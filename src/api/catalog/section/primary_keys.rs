//! The section of the primary keys, of all schemas: a view has the key of the tables below it.
//!
//! Those of PostgreSQL's own catalogs are among them, for a view may show these, too.

use super::{Position, RelationOid};
use corerest_sql::{SystemBuf, system_sql};
use serde::Deserialize;

/// A primary key.
#[derive(Deserialize)]
pub(in crate::catalog) struct PrimaryKeyRow<'a> {
    pub(in crate::catalog) table: RelationOid,
    pub(in crate::catalog) table_schema: &'a str,
    pub(in crate::catalog) table_name: &'a str,
    pub(in crate::catalog) is_partition: bool,
    /// In the order of the key.
    pub(in crate::catalog) columns: Vec<Position>,
}

/// Appends the query for the rows.
pub(in crate::catalog) fn write_rows(out: &mut SystemBuf) {
    system_sql!(
        out,
        "
SELECT COALESCE(pg_catalog.json_agg(primary_keys), '[]') FROM (
  SELECT class.oid::int8 AS table, namespace.nspname AS table_schema,
         class.relname AS table_name, class.relispartition AS is_partition,
         key.conkey AS columns
    FROM pg_catalog.pg_constraint AS key
    JOIN pg_catalog.pg_class AS class ON class.oid = key.conrelid
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
   WHERE key.contype = 'p'
) AS primary_keys
"
    );
}
