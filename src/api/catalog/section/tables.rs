//! The section of tables, views, materialized views, foreign and partitioned tables.
//!
//! Parity: PostgREST exposes these five kinds, without partitions, whatever the privileges, and
//! never those of `pg_catalog` and `information_schema`; only a view or a foreign table is asked
//! which writes it takes, a materialized view takes none.

use super::{Position, RelationOid, SchemaNames};
use crate::catalog::{TableKind, Writable};
use corerest_sql::{SystemBuf, system_sql};
use serde::Deserialize;

/// A relation.
#[derive(Deserialize)]
pub(in crate::catalog) struct TableRow<'a> {
    pub(in crate::catalog) oid: RelationOid,
    pub(in crate::catalog) schema: &'a str,
    pub(in crate::catalog) name: &'a str,
    pub(in crate::catalog) description: Option<&'a str>,
    is_view: bool,
    /// A bit for each command, at its place in PostgreSQL's `enum CmdType`.
    writable_commands: u32,
    /// The positions of the key's columns.
    pub(in crate::catalog) primary_key: Option<Vec<Position>>,
}

const UPDATE: u32 = 1 << 2;
const INSERT: u32 = 1 << 3;
const DELETE: u32 = 1 << 4;

/// Appends the query for the rows. The 28 is UPDATE, INSERT and DELETE together.
///
/// `pg_relation_is_updatable` opens the view, which is most of the time that this query takes,
/// so it is called once and not once for each command.
pub(in crate::catalog) fn write_rows(out: &mut SystemBuf, exposed: &SchemaNames) {
    system_sql!(
        out,
        "
SELECT COALESCE(pg_catalog.json_agg(tables), '[]') FROM (
  SELECT class.oid::int8, namespace.nspname AS schema, class.relname AS name,
         comment.description, class.relkind IN ('v', 'm') AS is_view,
         CASE
           WHEN class.relkind IN ('r', 'p') THEN 28
           WHEN class.relkind IN ('v', 'f')
             THEN pg_catalog.pg_relation_is_updatable(class.oid, true) & 28
           ELSE 0
         END AS writable_commands,
         key.conkey AS primary_key
    FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    LEFT JOIN pg_catalog.pg_constraint AS key
      ON key.conrelid = class.oid AND key.contype = 'p'
    LEFT JOIN pg_catalog.pg_description AS comment
      ON comment.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
     AND comment.objoid = class.oid AND comment.objsubid = 0
   WHERE class.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT class.relispartition
     AND namespace.nspname NOT IN ('pg_catalog', 'information_schema')
     AND namespace.oid = ANY ("
    );
    exposed.write_oids(out);
    system_sql!(out, ")\n) AS tables\n");
}

impl TableRow<'_> {
    /// What kind of relation it is.
    pub(in crate::catalog) fn kind(&self) -> TableKind {
        if self.is_view {
            TableKind::View
        } else {
            TableKind::Table
        }
    }

    /// Which commands it takes.
    pub(in crate::catalog) fn writable(&self) -> Writable {
        Writable {
            insert: self.writable_commands & INSERT != 0,
            update: self.writable_commands & UPDATE != 0,
            delete: self.writable_commands & DELETE != 0,
        }
    }
}
