//! The section of the routines: the functions of the exposed schemas, which `/rpc/…` calls.
//!
//! Parity, from PostgREST's query on the same catalogs:
//! - Procedures, aggregates and window functions are left out, and so are triggers.
//! - A function whose parameters have no names is callable only if it has one, of a type that a
//!   body can be: `bytea`, `json`, `jsonb`, `text` or `xml`. If it has other names (as an `OUT`
//!   parameter gives it), then those without count as named.
//! - Whoever returns columns (`TABLE`, `OUT`, `INOUT`) returns a composite, even of one column.
//!
//! Unlike PostgREST's, a name is that of its parameter when an `OUT` stands before an `IN`.

use super::{SchemaNames, write_domain_bases};
use crate::catalog::text::{DecodeError, ident, printed, qualified};
use crate::catalog::{
    IsolationLevel, ReturnType, ReturnedType, Routine, RoutineParameter, RowType, Volatility,
};
use corerest_sql::{SqlBuf, SystemBuf, sql, system_sql};
use serde::Deserialize;

/// A function.
#[derive(Deserialize)]
pub(in crate::catalog) struct RoutineRow<'a> {
    schema: &'a str,
    name: &'a str,
    description: Option<&'a str>,
    #[serde(borrow)]
    parameters: Vec<ParameterRow<'a>>,
    returned_schema: &'a str,
    returned_name: &'a str,
    returns_set: bool,
    is_composite: bool,
    is_alias: bool,
    #[serde(default)]
    row_type: Option<RowType>,
    /// `provolatile`
    volatility: &'a str,
    has_variadic: bool,
    /// `proconfig`: texts such as `work_mem=4MB`.
    settings: Option<Vec<&'a str>>,
}

/// A parameter that takes a value.
#[derive(Deserialize)]
pub(in crate::catalog) struct ParameterRow<'a> {
    name: &'a str,
    data_type: &'a str,
    /// If a cast needs another.
    cast_type: Option<&'a str>,
    required: bool,
    variadic: bool,
}

/// Appends the query for the rows.
pub(in crate::catalog) fn write_rows(out: &mut SystemBuf, exposed: &SchemaNames) {
    system_sql!(
        out,
        "
SELECT COALESCE(pg_catalog.json_agg(routines), '[]') FROM (
  WITH RECURSIVE "
    );
    write_domain_bases(out);
    system_sql!(
        out,
        r#"
  SELECT namespace.nspname AS schema, function.proname AS name, comment.description,
         input.parameters,
         base_namespace.nspname AS returned_schema,
         COALESCE(class.relname, base.typname) AS returned_name,
         function.proretset AS returns_set,
         base.typtype = 'c'
           OR COALESCE(function.proargmodes && '{t,b,o}'::pg_catalog."char"[], false)
           AS is_composite,
         base.oid <> function.prorettype AS is_alias,
         NULLIF(base.typrelid, 0)::int8 AS row_type,
         function.provolatile AS volatility,
         function.provariadic <> 0 AS has_variadic,
         function.proconfig AS settings
    FROM pg_catalog.pg_proc AS function
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = function.pronamespace
    LEFT JOIN domain_base ON domain_base.domain = function.prorettype
    JOIN pg_catalog.pg_type AS base
      ON base.oid = COALESCE(domain_base.base, function.prorettype)
    JOIN pg_catalog.pg_namespace AS base_namespace ON base_namespace.oid = base.typnamespace
    LEFT JOIN pg_catalog.pg_class AS class ON class.oid = base.typrelid
    LEFT JOIN pg_catalog.pg_description AS comment
      ON comment.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass
     AND comment.objoid = function.oid AND comment.objsubid = 0
    CROSS JOIN LATERAL ("#
    );
    write_parameters(out);
    system_sql!(
        out,
        ") AS input
   WHERE function.prokind = 'f' AND base.oid <> 'pg_catalog.trigger'::pg_catalog.regtype
     AND input.is_callable
     AND namespace.oid = ANY ("
    );
    exposed.write_oids(out);
    system_sql!(out, ")\n) AS routines\n");
}

/// Appends the query for what goes into a `function`, one row.
///
/// A cast to `bit` or `character` would cut the value to one, so it is to the type that varies.
///
/// It is part of a request, too, so every name in it has its schema.
pub(crate) fn write_parameters(out: &mut SqlBuf) {
    sql!(
        out,
        r#"
      SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object(
               'name', COALESCE(argument.name, ''),
               'data_type', pg_catalog.format_type(argument.type, NULL),
               'cast_type', CASE
                 WHEN argument.type OPERATOR(pg_catalog.=) 'pg_catalog.bit'::pg_catalog.regtype
                   THEN 'bit varying'
                 WHEN argument.type OPERATOR(pg_catalog.=) 'pg_catalog.bit[]'::pg_catalog.regtype
                   THEN 'bit varying[]'
                 WHEN argument.type OPERATOR(pg_catalog.=) 'pg_catalog.bpchar'::pg_catalog.regtype
                   THEN 'character varying'
                 WHEN argument.type OPERATOR(pg_catalog.=) 'pg_catalog.bpchar[]'::pg_catalog.regtype
                   THEN 'character varying[]'
               END,
               'required', argument.number OPERATOR(pg_catalog.<=)
                 (function.pronargs OPERATOR(pg_catalog.-) function.pronargdefaults),
               'variadic', COALESCE(argument.mode OPERATOR(pg_catalog.=) 'v', false)
             ) ORDER BY argument.number), '[]') AS parameters,
             pg_catalog.count(argument.name) OPERATOR(pg_catalog.=) pg_catalog.count(*)
               OR pg_catalog.count(*) OPERATOR(pg_catalog.=) 1
                 AND pg_catalog.bool_and(argument.type OPERATOR(pg_catalog.=) ANY (
                   '{pg_catalog.bytea,pg_catalog.json,pg_catalog.jsonb,pg_catalog.text,
                     pg_catalog.xml}'::pg_catalog.regtype[])) AS is_callable
        FROM (
          SELECT part.type, part.name, part.mode,
                 pg_catalog.row_number() OVER (ORDER BY part.position) AS number
            FROM ROWS FROM (
                   pg_catalog.unnest(
                     COALESCE(function.proallargtypes, function.proargtypes::pg_catalog.oid[])),
                   pg_catalog.unnest(function.proargnames),
                   pg_catalog.unnest(function.proargmodes))
                 WITH ORDINALITY AS part (type, name, mode, position)
           WHERE COALESCE(part.mode, 'i')
                 OPERATOR(pg_catalog.=) ANY ('{i,b,v}'::pg_catalog."char"[])
        ) AS argument"#
    );
}

impl RoutineRow<'_> {
    /// The routine as a type.
    pub(in crate::catalog) fn routine(&self) -> Result<Routine, DecodeError> {
        let parameters = self.parameters.iter().map(ParameterRow::parameter);
        let settings = self.settings.iter().flatten();
        let settings: Vec<(String, String)> = settings
            .filter_map(|setting| setting.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Ok(Routine {
            name: qualified(self.schema, self.name)?,
            description: self.description.map(str::to_owned),
            parameters: parameters.collect::<Result<_, _>>()?,
            returns: self.returns()?,
            volatility: match self.volatility {
                "i" => Volatility::Immutable,
                "s" => Volatility::Stable,
                _ => Volatility::Volatile,
            },
            has_variadic: self.has_variadic,
            isolation_level: isolation_level(&settings),
            settings,
        })
    }

    fn returns(&self) -> Result<ReturnType, DecodeError> {
        let name = qualified(self.returned_schema, self.returned_name)?;
        let returned = if self.is_composite {
            ReturnedType::Composite {
                name,
                is_alias: self.is_alias,
                row_type: self.row_type,
            }
        } else {
            ReturnedType::Scalar(name)
        };
        Ok(if self.returns_set {
            ReturnType::SetOf(returned)
        } else {
            ReturnType::Single(returned)
        })
    }
}

impl ParameterRow<'_> {
    fn parameter(&self) -> Result<RoutineParameter, DecodeError> {
        Ok(RoutineParameter {
            name: ident(self.name)?,
            data_type: printed(self.data_type),
            cast_type: printed(self.cast_type.unwrap_or(self.data_type)),
            required: self.required,
            variadic: self.variadic,
        })
    }
}

fn isolation_level(settings: &[(String, String)]) -> Option<IsolationLevel> {
    let (_, level) = settings
        .iter()
        .find(|(name, _)| name == "default_transaction_isolation")?;
    Some(IsolationLevel::of_setting(level))
}
