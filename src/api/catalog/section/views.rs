//! The section of the views' definitions, from which the columns of tables below them are found.
//!
//! Parity: a chain of views is followed through the exposed schemas and `db-extra-search-path`;
//! the table at its end may be anywhere. Schemas of `db-extra-search-path` need not exist, as in a
//! search path; with PostgREST they must.
//!
//! PostgreSQL stores the parsed query as a tree of nodes in text form, of which only the target
//! list is wanted. That is a small part (1.5 of 10 MB for 281 views), and is cut out here when
//! there is only one list; a list inside a subquery must not be taken for that of the view, so
//! then the whole tree is sent, and [`node_tree`](crate::catalog::node_tree) finds its way.

use super::{RelationOid, SchemaNames};
use corerest_sql::{SystemBuf, system_sql};
use serde::Deserialize;

/// A view.
#[derive(Deserialize)]
pub(in crate::catalog) struct ViewRow<'a> {
    pub(in crate::catalog) view: RelationOid,
    /// The query as a `pg_node_tree`; it may be shortened to one whose only field is its target
    /// list. Names in it can hold anything, but braces and parentheses are escaped there.
    pub(in crate::catalog) definition: &'a str,
}

/// Appends the query for the rows. `OFFSET 0` keeps PostgreSQL from splitting the text once for
/// each mention of `parts`.
pub(in crate::catalog) fn write_rows(
    out: &mut SystemBuf,
    exposed: &SchemaNames,
    search_path: &SchemaNames,
) {
    system_sql!(
        out,
        "
SELECT COALESCE(pg_catalog.json_agg(views), '[]') FROM (
  SELECT split.view,
         CASE pg_catalog.cardinality(split.parts)
           WHEN 2 THEN '({QUERY :targetList ({TARGETENTRY ' || split.parts[2]
           ELSE split.tree
         END AS definition
    FROM (
      SELECT class.oid::int8 AS view, rule.ev_action::text AS tree,
             pg_catalog.string_to_array(rule.ev_action::text, ' :targetList ({TARGETENTRY ')
               AS parts
        FROM pg_catalog.pg_class AS class
        JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
        JOIN pg_catalog.pg_rewrite AS rule ON rule.ev_class = class.oid AND rule.ev_type = '1'
       WHERE class.relkind IN ('v', 'm') AND (namespace.oid = ANY ("
    );
    exposed.write_oids(out);
    system_sql!(out, ") OR namespace.oid = ANY (");
    search_path.write_known_oids(out);
    system_sql!(out, "))\n      OFFSET 0) AS split\n) AS views\n");
}
