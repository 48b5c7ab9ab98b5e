//! The section of the owners: whether one role can change what a read of a relation runs. What the
//! catalog says of a relation is true until it is loaded again, and an owner who replaces a view
//! tells nobody; so where there are several, nothing may be built on it that concerns the requests
//! of others. Superusers can change everything anyway.
//!
//! It can be changed by the owner of the relation, of its schema, who may drop it, and of each
//! relation that it reads.

use super::{SchemaNames, write_readings};
use corerest_sql::{SystemBuf, system_sql};

/// Appends the query for a boolean.
pub(in crate::catalog) fn write_value(out: &mut SystemBuf, exposed: &SchemaNames) {
    system_sql!(out, "WITH RECURSIVE ");
    write_readings(out);
    system_sql!(
        out,
        ", read (oid) AS (
  SELECT class.oid FROM pg_catalog.pg_class AS class
   WHERE class.relkind IN ('r', 'p', 'm', 'v', 'f') AND class.relnamespace = ANY ("
    );
    exposed.write_oids(out);
    system_sql!(
        out,
        ")
  UNION
  SELECT reading.relation FROM read JOIN reading ON reading.reader = read.oid
), owner (oid) AS (
  SELECT unnest(ARRAY[class.relowner, CASE pg_catalog.pg_get_userbyid(namespace.nspowner)
           WHEN 'pg_database_owner' THEN database.datdba ELSE namespace.nspowner END])
    FROM read
    JOIN pg_catalog.pg_class AS class ON class.oid = read.oid
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    JOIN pg_catalog.pg_database AS database
      ON database.datname = pg_catalog.current_database()
)
SELECT count(DISTINCT owner.oid) <= 1
  FROM owner
  JOIN pg_catalog.pg_roles AS role ON role.oid = owner.oid
 WHERE NOT role.rolsuper
"
    );
}
