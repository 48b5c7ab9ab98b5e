//! The sections of the catalog document, one file each: its SQL and the rows that it gives.
//!
//! A section reads one kind of object, knows nothing of the others, and refers to them by OID;
//! [`decode_catalog`](super::decode_catalog) puts them together. The field names of a row are
//! the column names of its query, so the two are read side by side.

pub(super) mod columns;
pub(super) mod computed_relationships;
pub(super) mod foreign_keys;
pub(super) mod media_handlers;
pub(super) mod owners;
pub(super) mod primary_keys;
pub(super) mod quiet;
pub(super) mod representations;
pub(super) mod routines;
pub(super) mod schemas;
pub(super) mod server;
pub(super) mod tables;
pub(super) mod views;

use corerest_sql::{Ident, SystemBuf, system_sql};
use serde::Deserialize;

/// The number by which PostgreSQL's catalogs know a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
pub(super) struct RelationOid(pub(super) u32);

/// Where a column stands in its relation: `attnum`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
pub(super) struct Position(pub(super) i32);

/// The schemas in a setting such as `db-schemas`, as the value of a parameter.
pub(super) struct SchemaNames {
    array: String,
}

impl SchemaNames {
    /// Writes the array literal of quoted names. They are quoted twice: `regnamespace` reads
    /// identifiers, which fold to lower case without quotes, and the array wants its own.
    pub(super) fn new(schemas: &[Ident]) -> SchemaNames {
        let elements: Vec<String> = schemas.iter().map(array_element).collect();
        SchemaNames {
            array: format!("{{{}}}", elements.join(",")),
        }
    }

    /// Appends the schemas as an array of `regnamespace`.
    ///
    /// To be compared with rows of `pg_namespace`, of which there are few: the names are looked
    /// up again for each row.
    pub(super) fn write_oids(&self, out: &mut SystemBuf) {
        out.param(Some(self.array.as_bytes()));
        system_sql!(out, "::text[]::pg_catalog.regnamespace[]");
    }

    /// The same, without those that do not exist.
    pub(super) fn write_known_oids(&self, out: &mut SystemBuf) {
        system_sql!(out, "ARRAY(SELECT to_regnamespace(name) FROM unnest(");
        out.param(Some(self.array.as_bytes()));
        system_sql!(out, "::text[]) AS listed (name))");
    }

    /// Appends the query for the names of those that do not exist, an array.
    pub(super) fn write_missing(&self, out: &mut SystemBuf) {
        system_sql!(out, "SELECT COALESCE(json_agg(name), '[]') FROM unnest(");
        out.param(Some(self.array.as_bytes()));
        system_sql!(
            out,
            "::text[]) AS listed (name) WHERE to_regnamespace(name) IS NULL"
        );
    }
}

/// Appends the CTE `reading`: which relation reads which, a view what it is made from, and a parent
/// its children.
pub(super) fn write_readings(out: &mut SystemBuf) {
    system_sql!(
        out,
        "reading (reader, relation) AS (
  SELECT rule.ev_class, dependency.refobjid
    FROM pg_catalog.pg_rewrite AS rule
    JOIN pg_catalog.pg_depend AS dependency
      ON dependency.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
     AND dependency.objid = rule.oid
     AND dependency.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
  UNION
  SELECT child.inhparent, child.inhrelid FROM pg_catalog.pg_inherits AS child
)"
    );
}

/// Appends the CTE `domain_base`: each domain with the type below all domains. It starts from
/// the domains alone, for there is a row in `pg_type` for every table, and one for its array.
pub(super) fn write_domain_bases(out: &mut SystemBuf) {
    system_sql!(
        out,
        "domain_base (domain, base) AS (
    SELECT domain.oid, base.oid
      FROM pg_catalog.pg_type AS domain
      JOIN pg_catalog.pg_type AS base ON base.oid = domain.typbasetype
     WHERE domain.typtype = 'd' AND base.typtype <> 'd'
    UNION ALL
    SELECT domain.oid, below.base
      FROM domain_base AS below
      JOIN pg_catalog.pg_type AS domain ON domain.typbasetype = below.domain
     WHERE domain.typtype = 'd'
  )"
    );
}

fn array_element(schema: &Ident) -> String {
    let identifier = Ident::quoted_list([schema]);
    let escaped = identifier.replace('\\', r"\\").replace('"', r#"\""#);
    format!("\"{escaped}\"")
}
