//! The section of the columns, of all the relations in [`tables`](super::tables).
//!
//! Parity, from PostgREST's query on the same catalogs:
//! - `data_type` of a built-in type is without its length (`character varying`), of another type
//!   with its modifier (`extensions.geometry(Point,4326)`); a domain counts as its base type if
//!   that is built-in, and keeps its own name if not.
//! - The default of a domain counts when the column has none of its own; an identity column has
//!   the `nextval` of its sequence if values may be given (`BY DEFAULT`), none if not (`ALWAYS`).
//! - A domain's greatest length is that of the type directly below it.
//!
//! Only the expression of a generated column mentions columns, and that is no default. So defaults
//! are printed without a relation: with one, PostgreSQL would prepare the names of all its columns
//! for each of them, 1.5 s for a table of 900.

use super::{Position, RelationOid, SchemaNames, write_domain_bases};
use crate::catalog::Column;
use crate::catalog::text::{DecodeError, ident, printed};
use corerest_sql::{SystemBuf, system_sql};
use serde::Deserialize;

/// A column.
#[derive(Deserialize)]
pub(in crate::catalog) struct ColumnRow<'a> {
    pub(in crate::catalog) relation: RelationOid,
    pub(in crate::catalog) position: Position,
    name: &'a str,
    description: Option<&'a str>,
    nullable: bool,
    data_type: &'a str,
    nominal_type: &'a str,
    max_length: Option<i32>,
    default: Option<&'a str>,
    enum_labels: Option<Vec<&'a str>>,
}

/// Appends the query for the rows.
pub(in crate::catalog) fn write_rows(out: &mut SystemBuf, exposed: &SchemaNames) {
    system_sql!(
        out,
        "
SELECT COALESCE(pg_catalog.json_agg(columns), '[]') FROM (
  WITH RECURSIVE "
    );
    write_domain_bases(out);
    system_sql!(
        out,
        r#"
  SELECT class.oid::int8 AS relation, attribute.attnum AS position, attribute.attname AS name,
         comment.description,
         NOT (attribute.attnotnull OR type.typtype = 'd' AND type.typnotnull) AS nullable,
         CASE WHEN base.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
           THEN pg_catalog.format_type(base.oid, NULL)
           ELSE pg_catalog.format_type(type.oid, attribute.atttypmod)
         END AS data_type,
         pg_catalog.format_type(type.oid, attribute.atttypmod) AS nominal_type,
         CASE
           WHEN direct.modifier = -1 THEN NULL
           WHEN direct.type = ANY ('{pg_catalog.bpchar,pg_catalog.varchar}'::pg_catalog.regtype[])
             THEN direct.modifier - 4
           WHEN direct.type = ANY ('{pg_catalog.bit,pg_catalog.varbit}'::pg_catalog.regtype[])
             THEN direct.modifier
         END AS max_length,
         CASE
           WHEN attribute.attgenerated <> '' THEN NULL
           WHEN attribute.atthasdef THEN pg_catalog.pg_get_expr(attrdef.adbin, 0)
           WHEN type.typtype = 'd' THEN pg_catalog.pg_get_expr(type.typdefaultbin, 0)
           WHEN attribute.attidentity = 'd' THEN (
             SELECT pg_catalog.format('nextval(%L)', sequence.objid::pg_catalog.regclass)
               FROM pg_catalog.pg_depend AS sequence
              WHERE sequence.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                AND sequence.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                AND sequence.refobjid = class.oid AND sequence.refobjsubid = attribute.attnum
                AND sequence.deptype = 'i'
              LIMIT 1)
         END AS "default",
         CASE WHEN base.typtype = 'e' THEN (
           SELECT pg_catalog.array_agg(label.enumlabel ORDER BY label.enumsortorder)
             FROM pg_catalog.pg_enum AS label
            WHERE label.enumtypid = base.oid)
         END AS enum_labels
    FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = class.oid
    JOIN pg_catalog.pg_type AS type ON type.oid = attribute.atttypid
    CROSS JOIN LATERAL (
      SELECT CASE type.typtype WHEN 'd' THEN type.typbasetype ELSE type.oid END AS type,
             CASE type.typtype WHEN 'd' THEN type.typtypmod ELSE attribute.atttypmod END AS modifier
    ) AS direct
    LEFT JOIN domain_base ON domain_base.domain = type.oid
    JOIN pg_catalog.pg_type AS base ON base.oid = COALESCE(domain_base.base, type.oid)
    LEFT JOIN pg_catalog.pg_attrdef AS attrdef
      ON attrdef.adrelid = class.oid AND attrdef.adnum = attribute.attnum
    LEFT JOIN pg_catalog.pg_description AS comment
      ON comment.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
     AND comment.objoid = class.oid AND comment.objsubid = attribute.attnum
   WHERE attribute.attnum > 0 AND NOT attribute.attisdropped
     AND class.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT class.relispartition
     AND namespace.oid = ANY ("#
    );
    exposed.write_oids(out);
    system_sql!(out, ")\n) AS columns\n");
}

impl ColumnRow<'_> {
    /// The column as a type.
    pub(in crate::catalog) fn column(&self) -> Result<Column, DecodeError> {
        let labels = self.enum_labels.iter().flatten();
        Ok(Column {
            name: ident(self.name)?,
            description: self.description.map(str::to_owned),
            nullable: self.nullable,
            data_type: printed(self.data_type),
            nominal_type: printed(self.nominal_type),
            max_length: self.max_length,
            default: self.default.map(printed),
            enum_labels: labels.map(|&label| label.to_owned()).collect(),
        })
    }
}
