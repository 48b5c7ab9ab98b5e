//! The section of the media type handlers: what returns a domain that is named like a media type.
//!
//! Two kinds, in exposed schemas: an aggregate over the rows of a relation (or over `anyelement`,
//! that is, of all), and a function whose value is such a document already. Of the second kind
//! PostgREST takes the domain itself for the handler: it is called like a cast.
//!
//! Parity: a set-producer function is no handler. If two aggregates claim the same, PostgREST
//! takes the one that PostgreSQL happens to tell last, we the last in the alphabet.

use super::SchemaNames;
use crate::catalog::text::{DecodeError, qualified};
use crate::catalog::{HandlerKind, MediaHandler};
use corerest_sql::{SystemBuf, system_sql};
use serde::Deserialize;

/// A handler.
#[derive(Deserialize)]
pub(in crate::catalog) struct MediaHandlerRow<'a> {
    handler_schema: &'a str,
    handler_name: &'a str,
    target_schema: &'a str,
    target_name: &'a str,
    /// The domain's name.
    pub(in crate::catalog) media_type: &'a str,
    is_cast: bool,
}

/// The name of the domain of handlers that answer whatever is asked for.
const ANY: &str = "*/*";

/// Appends the query for the rows.
pub(in crate::catalog) fn write_rows(out: &mut SystemBuf, exposed: &SchemaNames) {
    system_sql!(
        out,
        r#"
SELECT COALESCE(pg_catalog.json_agg(handlers ORDER BY handlers.handler_schema,
                                                      handlers.handler_name), '[]')
  FROM (
  WITH media_type AS (
    SELECT type.oid, namespace.nspname AS schema, type.typname AS name
      FROM pg_catalog.pg_type AS type
      JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = type.typnamespace
     WHERE type.typtype = 'd'
       AND (type.typname = '*/*'
         OR type.typname::text OPERATOR(pg_catalog.~) '^[A-Za-z0-9.-]+/[A-Za-z0-9.+-]+$')
  ), producer AS (
    SELECT function.oid, function.proname AS name, function.prokind AS kind,
           function.proretset AS is_set, function.pronargs AS arguments,
           function.proargtypes[0] AS argument, namespace.nspname AS schema,
           media_type.schema AS domain_schema, media_type.name AS media_type
      FROM media_type
      JOIN pg_catalog.pg_proc AS function ON function.prorettype = media_type.oid
      JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = function.pronamespace
     WHERE namespace.oid = ANY ("#
    );
    exposed.write_oids(out);
    system_sql!(
        out,
        ")
  )
  SELECT producer.schema AS handler_schema, producer.name AS handler_name,
         namespace.nspname AS target_schema, target.typname AS target_name, producer.media_type,
         false AS is_cast
    FROM producer
    JOIN pg_catalog.pg_type AS target ON target.oid = producer.argument
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = target.typnamespace
    LEFT JOIN pg_catalog.pg_class AS class ON class.oid = target.typrelid
   WHERE producer.kind = 'a' AND producer.arguments = 1
     AND (class.relkind IN ('r', 'p', 'v', 'm', 'f')
       OR target.oid = 'pg_catalog.anyelement'::pg_catalog.regtype)
  UNION ALL
  SELECT producer.domain_schema, producer.media_type,
         producer.schema, producer.name, producer.media_type, true
    FROM producer
   WHERE producer.kind = 'f' AND NOT producer.is_set
) AS handlers
"
    );
}

impl MediaHandlerRow<'_> {
    /// The handler as a type.
    pub(in crate::catalog) fn handler(&self) -> Result<MediaHandler, DecodeError> {
        let target = match (self.target_schema, self.target_name) {
            ("pg_catalog", "anyelement") => None,
            (schema, name) => Some(qualified(schema, name)?),
        };
        let resolved = match self.media_type {
            ANY => "application/octet-stream",
            named => named,
        };
        Ok(MediaHandler {
            function: qualified(self.handler_schema, self.handler_name)?,
            kind: if self.is_cast {
                HandlerKind::Cast
            } else {
                HandlerKind::Aggregate
            },
            target,
            media_type: resolved.to_owned(),
        })
    }
}
