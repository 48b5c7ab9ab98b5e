//! The section of the domain representations: casts by which a domain is written as JSON, and
//! read from JSON or from the text of a query string.
//!
//! Parity: only implicit casts by a function that the connecting role may execute count.

use corerest_sql::{SystemBuf, system_sql};
use serde::Deserialize;

/// A cast.
#[derive(Deserialize)]
pub(in crate::catalog) struct RepresentationRow<'a> {
    pub(in crate::catalog) source: &'a str,
    pub(in crate::catalog) target: &'a str,
    /// As PostgreSQL quotes it.
    pub(in crate::catalog) function: &'a str,
}

/// Appends the query for the rows. A function is told with its schema, also one of `pg_catalog`:
/// requests call it, and have another search path.
pub(in crate::catalog) fn write_rows(out: &mut SystemBuf) {
    system_sql!(
        out,
        "
SELECT COALESCE(pg_catalog.json_agg(representations), '[]') FROM (
  SELECT pg_catalog.format_type(source.oid, NULL) AS source,
         pg_catalog.format_type(target.oid, NULL) AS target,
         pg_catalog.format('%I.%I', namespace.nspname, function.proname) AS function
    FROM pg_catalog.pg_cast AS conversion
    JOIN pg_catalog.pg_proc AS function ON function.oid = conversion.castfunc
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = function.pronamespace
    JOIN pg_catalog.pg_type AS source ON source.oid = conversion.castsource
    JOIN pg_catalog.pg_type AS target ON target.oid = conversion.casttarget
   WHERE conversion.castcontext = 'i' AND conversion.castmethod = 'f'
     AND pg_catalog.has_function_privilege(conversion.castfunc, 'execute')
     AND (source.typtype = 'd'
            AND target.oid IN ('pg_catalog.json'::pg_catalog.regtype,
                               'pg_catalog.text'::pg_catalog.regtype)
       OR target.typtype = 'd'
            AND source.oid IN ('pg_catalog.json'::pg_catalog.regtype,
                               'pg_catalog.text'::pg_catalog.regtype))
) AS representations
"
    );
}
