//! The section of the computed relationships: functions from a row of one relation to rows of
//! another, whose SQL the user wrote.
//!
//! Parity: it leads to one row if the function returns no set, or declares `ROWS 1`.

use super::SchemaNames;
use crate::catalog::text::{DecodeError, qualified};
use crate::catalog::{ComputedRelationship, RowType};
use corerest_sql::{SystemBuf, system_sql};
use serde::Deserialize;

/// A function that is a relationship.
#[derive(Deserialize)]
pub(in crate::catalog) struct ComputedRelationshipRow<'a> {
    function_schema: &'a str,
    function_name: &'a str,
    table_schema: &'a str,
    table_name: &'a str,
    foreign_schema: &'a str,
    foreign_name: &'a str,
    #[serde(default)]
    row_type: Option<RowType>,
    to_one: bool,
}

/// Appends the query for the rows.
pub(in crate::catalog) fn write_rows(out: &mut SystemBuf, exposed: &SchemaNames) {
    system_sql!(
        out,
        "
SELECT COALESCE(pg_catalog.json_agg(computed), '[]') FROM (
  SELECT function_namespace.nspname AS function_schema, function.proname AS function_name,
         namespace.nspname AS table_schema, class.relname AS table_name,
         foreign_namespace.nspname AS foreign_schema, foreign_class.relname AS foreign_name,
         foreign_class.oid::int8 AS row_type,
         NOT function.proretset OR function.prorows = 1 AS to_one
    FROM pg_catalog.pg_proc AS function
    JOIN pg_catalog.pg_namespace AS function_namespace
      ON function_namespace.oid = function.pronamespace
    JOIN pg_catalog.pg_class AS class ON class.reltype = function.proargtypes[0]
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    JOIN pg_catalog.pg_class AS foreign_class ON foreign_class.reltype = function.prorettype
    JOIN pg_catalog.pg_namespace AS foreign_namespace
      ON foreign_namespace.oid = foreign_class.relnamespace
   WHERE function.pronargs = 1
     AND class.relkind IN ('r', 'p', 'v', 'm', 'f')
     AND foreign_class.relkind IN ('r', 'p', 'v', 'm', 'f')
     AND namespace.oid = ANY ("
    );
    exposed.write_oids(out);
    system_sql!(out, ")\n) AS computed\n");
}

impl ComputedRelationshipRow<'_> {
    /// The relationship as a type.
    pub(in crate::catalog) fn relationship(&self) -> Result<ComputedRelationship, DecodeError> {
        let table = qualified(self.table_schema, self.table_name)?;
        let foreign_table = qualified(self.foreign_schema, self.foreign_name)?;
        Ok(ComputedRelationship {
            function: qualified(self.function_schema, self.function_name)?,
            is_self: table == foreign_table,
            table,
            foreign_table,
            row_type: self.row_type,
            to_one: self.to_one,
        })
    }
}
