//! The section of the foreign keys, of all schemas: relationships of views come from keys between
//! tables that are not exposed.
//!
//! Parity: a key of a partitioned table counts once, with the parents; the copies that PostgreSQL
//! makes for each partition have a `conparentid`. A key is one-to-one if exactly its columns are
//! a primary key or a unique constraint; a unique index alone does not count.

use super::{Position, RelationOid};
use corerest_sql::{SystemBuf, system_sql};
use serde::Deserialize;

/// A foreign key.
#[derive(Deserialize)]
pub(in crate::catalog) struct ForeignKeyRow<'a> {
    pub(in crate::catalog) name: &'a str,
    pub(in crate::catalog) table: RelationOid,
    pub(in crate::catalog) table_schema: &'a str,
    pub(in crate::catalog) table_name: &'a str,
    pub(in crate::catalog) foreign_table: RelationOid,
    pub(in crate::catalog) foreign_schema: &'a str,
    pub(in crate::catalog) foreign_name: &'a str,
    pub(in crate::catalog) is_unique: bool,
    #[serde(borrow)]
    pub(in crate::catalog) columns: Vec<KeyColumnRow<'a>>,
}

/// A pair of columns, in the order of the key.
#[derive(Deserialize)]
pub(in crate::catalog) struct KeyColumnRow<'a> {
    pub(in crate::catalog) position: Position,
    pub(in crate::catalog) name: &'a str,
    pub(in crate::catalog) foreign_position: Position,
    pub(in crate::catalog) foreign_name: &'a str,
}

/// Appends the query for the rows.
///
/// `@>` and `<@` compare the columns as sets: their order in the two constraints may differ.
pub(in crate::catalog) fn write_rows(out: &mut SystemBuf) {
    system_sql!(
        out,
        "
SELECT COALESCE(pg_catalog.json_agg(foreign_keys), '[]') FROM (
  SELECT key.conname AS name,
         key.conrelid::int8 AS table, table_namespace.nspname AS table_schema,
         class.relname AS table_name,
         key.confrelid::int8 AS foreign_table, foreign_namespace.nspname AS foreign_schema,
         foreign_class.relname AS foreign_name,
         EXISTS (
           SELECT FROM pg_catalog.pg_constraint AS identity
            WHERE identity.conrelid = key.conrelid AND identity.contype IN ('p', 'u')
              AND identity.conkey @> key.conkey AND identity.conkey <@ key.conkey
         ) AS is_unique,
         pair.columns
    FROM pg_catalog.pg_constraint AS key
    JOIN pg_catalog.pg_class AS class ON class.oid = key.conrelid
    JOIN pg_catalog.pg_namespace AS table_namespace ON table_namespace.oid = class.relnamespace
    JOIN pg_catalog.pg_class AS foreign_class ON foreign_class.oid = key.confrelid
    JOIN pg_catalog.pg_namespace AS foreign_namespace
      ON foreign_namespace.oid = foreign_class.relnamespace
    CROSS JOIN LATERAL (
      SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
               'position', attribute.attnum, 'name', attribute.attname,
               'foreign_position', foreign_attribute.attnum,
               'foreign_name', foreign_attribute.attname) ORDER BY part.number) AS columns
        FROM ROWS FROM (pg_catalog.unnest(key.conkey), pg_catalog.unnest(key.confkey))
             WITH ORDINALITY AS part (position, foreign_position, number)
        JOIN pg_catalog.pg_attribute AS attribute
          ON attribute.attrelid = key.conrelid AND attribute.attnum = part.position
        JOIN pg_catalog.pg_attribute AS foreign_attribute
          ON foreign_attribute.attrelid = key.confrelid
         AND foreign_attribute.attnum = part.foreign_position
    ) AS pair
   WHERE key.contype = 'f' AND key.conparentid = 0 AND pair.columns IS NOT NULL
) AS foreign_keys
"
    );
}
