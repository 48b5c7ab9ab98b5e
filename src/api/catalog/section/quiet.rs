//! The section of the quiet relations: reading one runs no code but PostgreSQL's own, and none that
//! reads settings. So it leaves nothing in the session (`db-session-reset=touched`), has nothing to
//! say about the response, and does not see what others have said.
//!
//! What is not known for certain is loud:
//! - a foreign table, and one with a policy that asks anything of the database's own but the row
//!   itself: a function, an operator, a type, another relation; or calls one of PostgreSQL's
//!   volatile functions; or reads a setting in which others speak of the response, or that has no
//!   name there;
//! - a view that uses a function, an operator or a type of the database's own, or one of
//!   PostgreSQL's volatile functions, `set_config` among them, or one that reads a setting, a
//!   relation or a value of a type by its name;
//! - a table with an index, statistics, a partition key or a constraint that calls a function of
//!   the database's own: PostgreSQL computes what is constant in these when it plans a read;
//! - a column of a type of the database's own, or a row with a cast, for those have functions; but
//!   an enum has none, nor has a domain over a type of PostgreSQL's, unless there is a cast; what
//!   a domain checks is run where a view makes a value of it;
//! - a column of a type for which there is an operator of the database's own that a
//!   filter could mean: filters look them up in the search path;
//! - a view of something loud, and a parent of it.
//!
//! PostgreSQL's own functions are not among the dependencies of a view, so they are looked for in
//! its stored query. What `initdb` has made has an OID below 16384.

use super::{SchemaNames, write_readings};
use corerest_sql::{SystemBuf, system_sql};

/// Appends the query for an array of OIDs.
pub(in crate::catalog) fn write_rows(out: &mut SystemBuf, exposed: &SchemaNames) {
    system_sql!(
        out,
        r#"
WITH RECURSIVE loud_type AS (
  SELECT type.oid FROM pg_catalog.pg_type AS type
   WHERE type.oid::int8 >= 16384
     AND NOT (type.typtype = 'e' OR type.typtype = 'c'
              OR type.typtype = 'd' AND type.typbasetype::int8 < 16384)
  UNION
  SELECT conversion.castsource FROM pg_catalog.pg_cast AS conversion
   WHERE conversion.castsource::int8 >= 16384 AND conversion.castfunc::int8 >= 16384
), loud_function AS (
  SELECT function.oid FROM pg_catalog.pg_proc AS function
   WHERE function.provolatile = 'v' OR function.proname IN ('pg_input_is_valid',
         'pg_input_error_info', 'pg_input_error_message')
      OR function.proname ~ '^(table|schema|database)_to_xml'
), loud_query AS (
  SELECT rule.ev_class AS oid
    FROM pg_catalog.pg_rewrite AS rule
    JOIN pg_catalog.pg_depend AS dependency
      ON dependency.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
     AND dependency.objid = rule.oid
   WHERE dependency.refclassid <> ALL (
           '{pg_catalog.pg_class,pg_catalog.pg_constraint}'::pg_catalog.regclass[])
     AND dependency.refobjid::int8 >= 16384
     AND NOT (dependency.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass
              AND NOT EXISTS (SELECT FROM loud_type WHERE loud_type.oid = dependency.refobjid)
              AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS checked
                               WHERE checked.contypid = dependency.refobjid)
              AND NOT EXISTS (SELECT FROM pg_catalog.pg_type AS row_type
                               WHERE row_type.oid = dependency.refobjid
                                 AND row_type.typtype = 'c'))
  UNION
  SELECT rule.ev_class
    FROM pg_catalog.pg_rewrite AS rule
    CROSS JOIN LATERAL pg_catalog.unnest((
           pg_catalog.string_to_array(rule.ev_action::text, ' :funcid '))[2:]) AS part (text)
    JOIN pg_catalog.pg_proc AS function
      ON function.oid = pg_catalog.split_part(part.text, ' ', 1)::pg_catalog.oid
   WHERE rule.ev_class::int8 >= 16384
     AND (function.proname = 'current_setting'
          OR function.oid IN (SELECT loud_function.oid FROM loud_function))
), loud_policy AS (
  SELECT policy.polrelid AS oid
    FROM pg_catalog.pg_policy AS policy
    JOIN pg_catalog.pg_depend AS dependency
      ON dependency.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass
     AND dependency.objid = policy.oid
   WHERE dependency.refobjid::int8 >= 16384
     AND NOT (dependency.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
              AND dependency.refobjid = policy.polrelid)
  UNION
  SELECT policy.polrelid
    FROM pg_catalog.pg_policy AS policy
    CROSS JOIN LATERAL pg_catalog.unnest((
           pg_catalog.string_to_array(policy.polqual::text, 'funcid '))[2:]) AS part (text)
    JOIN loud_function
      ON loud_function.oid = pg_catalog.split_part(part.text, ' ', 1)::pg_catalog.oid
  UNION
  SELECT policy.polrelid
    FROM pg_catalog.pg_policy AS policy
    CROSS JOIN LATERAL pg_catalog.pg_get_expr(policy.polqual, policy.polrelid) AS expression (text)
   WHERE expression.text ~ 'response[.]'
      OR pg_catalog.regexp_replace(
           expression.text, 'current_setting[(]''[^'']*''::text[,)]', '', 'g')
         ~ 'current_setting'
), loud_planning (oid) AS (
  SELECT COALESCE(index.indrelid, statistics.stxrelid, checked.conrelid, dependency.objid)
    FROM pg_catalog.pg_depend AS dependency
    LEFT JOIN pg_catalog.pg_index AS index
      ON dependency.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
     AND index.indexrelid = dependency.objid
    LEFT JOIN pg_catalog.pg_statistic_ext AS statistics
      ON dependency.classid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass
     AND statistics.oid = dependency.objid
    LEFT JOIN pg_catalog.pg_constraint AS checked
      ON dependency.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
     AND checked.oid = dependency.objid
   WHERE dependency.classid = ANY (
           '{pg_catalog.pg_class,pg_catalog.pg_statistic_ext,pg_catalog.pg_constraint}'
           ::pg_catalog.regclass[])
     AND dependency.refclassid = ANY (
           '{pg_catalog.pg_proc,pg_catalog.pg_operator}'::pg_catalog.regclass[])
     AND dependency.refobjid::int8 >= 16384
), loud_operand (type) AS (
  SELECT operand.type
    FROM pg_catalog.pg_operator AS operator
    CROSS JOIN LATERAL (VALUES (operator.oprleft), (operator.oprright)) AS operand (type)
   WHERE operator.oid::int8 >= 16384
     AND operator.oprname = ANY ('{=,<>,<,<=,>,>=,~~,~~*,~,~*,@>,<@,&&,<<,>>,&<,&>,-|-,@@,->,->>}'
                                 ::pg_catalog.name[])
), loud_itself AS (
  SELECT class.oid FROM pg_catalog.pg_class AS class
   WHERE class.relkind = 'f'
      OR class.relrowsecurity AND class.oid IN (SELECT loud_policy.oid FROM loud_policy)
      OR class.reltype IN (SELECT loud_type.oid FROM loud_type)
  UNION
  SELECT attribute.attrelid FROM pg_catalog.pg_attribute AS attribute
   WHERE attribute.attnum > 0 AND NOT attribute.attisdropped
     AND (attribute.atttypid IN (SELECT loud_type.oid FROM loud_type)
          OR attribute.atttypid IN (
            SELECT type.oid FROM pg_catalog.pg_type AS type
             WHERE type.oid::int8 >= 16384 AND type.typtype = 'c'))
  UNION
  SELECT attribute.attrelid
    FROM pg_catalog.pg_attribute AS attribute
    JOIN pg_catalog.pg_type AS type ON type.oid = attribute.atttypid
   WHERE attribute.attnum > 0 AND NOT attribute.attisdropped
     AND EXISTS (
       SELECT FROM loud_operand
         JOIN pg_catalog.pg_type AS operand ON operand.oid = loud_operand.type
        WHERE operand.typtype = 'p' OR operand.oid IN (type.oid, type.typbasetype))
  UNION
  SELECT loud_query.oid FROM loud_query
  UNION
  SELECT loud_planning.oid FROM loud_planning
), "#
    );
    write_readings(out);
    system_sql!(
        out,
        r#", loud (oid) AS (
  SELECT loud_itself.oid FROM loud_itself
  UNION
  SELECT reading.reader FROM loud JOIN reading ON reading.relation = loud.oid
)
SELECT COALESCE(pg_catalog.json_agg(class.oid::int8), '[]')
  FROM pg_catalog.pg_class AS class
 WHERE class.relkind IN ('r', 'p', 'm', 'v')
   AND NOT EXISTS (SELECT FROM loud WHERE loud.oid = class.oid)
   AND class.relnamespace = ANY ("#
    );
    exposed.write_oids(out);
    system_sql!(out, ")\n");
}
