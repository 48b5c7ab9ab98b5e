//! What `corerest --check` asks a database: facts that tell whether a configuration will serve, and
//! whether it serves more than somebody means it to.
//!
//! Source: PostgreSQL's documentation, "System Catalogs", and "System Administration Functions"
//! for what may be asked without rights.

use crate::catalog::DecodeError;
use crate::document::OneDocument;
use corerest_sql::{Ident, SystemBuf, system_sql};
use serde::Deserialize;

/// What is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Suspects<'a> {
    /// `db-anon-role`
    pub anonymous: Option<&'a str>,
    /// `db-schemas`
    pub schemas: &'a [String],
    /// `db-extra-search-path`
    pub search_path: &'a [String],
    /// The functions that the configuration names.
    pub functions: &'a [Named<'a>],
}

/// A function that the configuration names, to be called without arguments.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// The schemas that it may be in; none if it may be in any.
    pub schemas: &'a [String],
    /// Its name in there.
    pub name: &'a str,
    /// Who calls it.
    pub callers: Callers,
}

/// Who calls a function that the configuration names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callers {
    /// The login role.
    Login,
    /// All roles that requests may run as.
    Requests,
}

/// The answers.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Facts {
    /// The role that the server logs in as.
    pub login: Login,
    /// That of requests without a token; `None` if there is no such role, or none is asked about.
    pub anonymous: Option<Anonymous>,
    /// Of the schemas that are asked about, those that exist.
    pub schemas: Vec<Schema>,
    /// Of the schemas of the search path, those that exist.
    pub search_path: Vec<String>,
    /// The functions that are asked about, in that order.
    pub functions: Vec<Function>,
    /// The server and this session.
    pub server: Server,
}

/// The login role.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Login {
    /// Its name.
    pub name: String,
    /// Whether it is a superuser.
    pub is_superuser: bool,
    /// Whether row-level security does not hold for it.
    pub bypasses_rls: bool,
    /// Whether it may create roles, and so give itself what others have.
    pub creates_roles: bool,
    /// How many connections it may have; negative if that is not limited.
    pub connection_limit: i32,
    /// How many roles requests may run as.
    pub roles: i64,
    /// Those whose rights it has without becoming them.
    pub inherits_of: Vec<String>,
}

/// The role of requests without a token.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Anonymous {
    /// Whether the login role may become it.
    pub is_granted: bool,
    /// Whether row-level security does not hold for it.
    pub bypasses_rls: bool,
    /// Whether it is a superuser.
    pub is_superuser: bool,
}

/// A schema that is served.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Schema {
    /// Its name.
    pub name: String,
    /// Whether the role of requests without a token may use it; `None` if there is none.
    pub anonymous_may_use: Option<bool>,
    /// Whether it has any right to anything in there; `None` if there is no such role.
    pub anonymous_may_ask: Option<bool>,
    /// How many tables and views there are.
    pub relations: i64,
    /// How many functions there are.
    pub routines: i64,
    /// The tables without a primary key.
    pub without_key: Vec<String>,
    /// The tables without row-level security that requests without a token may write to.
    pub written_by_anybody: Vec<String>,
    /// The views that those who ask may use, and behind which row-level security does not hold for
    /// them: they read with the rights of an owner who is exempt from it.
    pub views_past_policies: Vec<String>,
    /// The functions that everybody may call, because nobody has taken that right away, and that
    /// run with the rights of their owner. Those of triggers and extensions do not count.
    pub definers_for_everybody: Vec<String>,
    /// How many functions everybody may call, without those of triggers and extensions.
    pub for_everybody: i64,
}

/// A function that the configuration names.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Function {
    /// Whether there is one of that name.
    pub is_there: bool,
    /// Whether one of them can be called without arguments.
    pub is_callable: bool,
    /// Whether several can, of those that are found first.
    pub is_ambiguous: bool,
    /// Whether all that could are for triggers, which cannot be called.
    pub is_for_triggers: bool,
    /// The callers who may not call it.
    pub refuses: Vec<String>,
}

/// The server, and the session that asks.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Server {
    /// `max_connections`
    pub max_connections: i64,
    /// How many of them are not for everybody.
    pub reserved_connections: i64,
    /// Whether the session is encrypted, if that is told.
    pub is_encrypted: Option<bool>,
    /// The process of the session, as PostgreSQL has it.
    pub process_id: i32,
    /// Whether the server is a standby.
    pub is_standby: bool,
    /// `track_activities`
    pub tracks_activities: bool,
}

/// Asks for the document for [`decode_facts`].
pub fn ask_facts(about: Suspects<'_>) -> OneDocument {
    OneDocument::of(Vec::new(), |out| {
        system_sql!(out, "json_build_object('login', (");
        write_login(out);
        system_sql!(out, "), 'anonymous', (");
        write_anonymous(out, about.anonymous);
        system_sql!(out, "), 'schemas', (");
        write_schemas(out, about);
        system_sql!(out, "), 'search_path', (");
        write_search_path(out, about.search_path);
        system_sql!(out, "), 'functions', json_build_array(");
        for (index, function) in about.functions.iter().enumerate() {
            if index > 0 {
                system_sql!(out, ", ");
            }
            write_function(out, function, about.anonymous);
        }
        system_sql!(out, "), 'server', (");
        write_server(out);
        system_sql!(out, "))");
    })
}

/// Decodes the answer, and leaves its bytes in disorder.
///
/// # Errors
/// If it is not what the statement answers with.
pub fn decode_facts(document: &mut [u8]) -> Result<Facts, DecodeError> {
    simd_json::serde::from_slice(document)
        .map_err(|error| DecodeError::Malformed(error.to_string()))
}

fn write_login(out: &mut SystemBuf) {
    system_sql!(
        out,
        "
SELECT json_build_object(
  'name', role.rolname,
  'is_superuser', role.rolsuper,
  'bypasses_rls', role.rolbypassrls,
  'creates_roles', role.rolcreaterole,
  'connection_limit', role.rolconnlimit,
  'roles', (SELECT count(*) FROM pg_catalog.pg_auth_members AS membership
            WHERE membership.member = role.oid),
  'inherits_of', (
    SELECT coalesce(json_agg(DISTINCT other.rolname ORDER BY other.rolname), '[]')
    FROM pg_catalog.pg_auth_members AS membership
    JOIN pg_catalog.pg_roles AS other ON other.oid = membership.roleid
    WHERE membership.member = role.oid AND left(other.rolname::text, 3) <> 'pg_'
    AND pg_has_role(role.oid, other.oid, 'USAGE')))
FROM pg_catalog.pg_roles AS role WHERE role.rolname = current_user"
    );
}

fn write_anonymous(out: &mut SystemBuf, name: Option<&str>) {
    system_sql!(
        out,
        "
SELECT json_build_object(
  'is_granted', pg_has_role(current_user, role.oid, 'MEMBER'),
  'bypasses_rls', role.rolbypassrls,
  'is_superuser', role.rolsuper)
FROM pg_catalog.pg_roles AS role WHERE role.rolname = "
    );
    out.param(name.map(str::as_bytes));
    system_sql!(out, "::text");
}

fn write_schemas(out: &mut SystemBuf, about: Suspects<'_>) {
    system_sql!(
        out,
        "
SELECT coalesce(json_agg(json_build_object(
  'name', schema.nspname,
  'anonymous_may_use', has_schema_privilege(anonymous.oid, schema.oid, 'USAGE'),
  'anonymous_may_ask', CASE WHEN anonymous.oid IS NOT NULL THEN EXISTS (
    SELECT FROM pg_catalog.pg_class AS relation
    WHERE relation.relnamespace = schema.oid AND relation.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND (has_table_privilege(anonymous.oid, relation.oid, 'DELETE')
         OR has_any_column_privilege(anonymous.oid, relation.oid, 'SELECT, INSERT, UPDATE')))
    OR EXISTS (
    SELECT FROM pg_catalog.pg_proc AS routine
    WHERE routine.pronamespace = schema.oid AND routine.prokind = 'f'
    AND has_function_privilege(anonymous.oid, routine.oid, 'EXECUTE')) END,
  'relations', (
    SELECT count(*) FROM pg_catalog.pg_class AS relation
    WHERE relation.relnamespace = schema.oid AND relation.relkind IN ('r', 'p', 'v', 'm', 'f')),
  'routines', (
    SELECT count(*) FROM pg_catalog.pg_proc AS routine
    WHERE routine.pronamespace = schema.oid AND routine.prokind = 'f'),
  'without_key', (
    SELECT coalesce(json_agg(relation.relname ORDER BY relation.relname), '[]')
    FROM pg_catalog.pg_class AS relation
    WHERE relation.relnamespace = schema.oid AND relation.relkind IN ('r', 'p')
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS key
                    WHERE key.conrelid = relation.oid AND key.contype = 'p')),
  'written_by_anybody', (
    SELECT coalesce(json_agg(relation.relname ORDER BY relation.relname), '[]')
    FROM pg_catalog.pg_class AS relation
    WHERE relation.relnamespace = schema.oid AND relation.relkind IN ('r', 'p')
    AND NOT relation.relrowsecurity
    AND (has_table_privilege(anonymous.oid, relation.oid, 'DELETE')
         OR has_any_column_privilege(anonymous.oid, relation.oid, 'INSERT, UPDATE'))),
  'views_past_policies', ("
    );
    write_views_past_policies(out, about.anonymous);
    system_sql!(
        out,
        "),
  'definers_for_everybody', coalesce(everybody.definers, '[]'),
  'for_everybody', everybody.routines
)), '[]')
FROM pg_catalog.pg_namespace AS schema
CROSS JOIN LATERAL (
  SELECT count(*) AS routines,
    json_agg(routine.proname ORDER BY routine.proname)
      FILTER (WHERE routine.prosecdef) AS definers
  FROM pg_catalog.pg_proc AS routine
  WHERE routine.pronamespace = schema.oid AND routine.prokind = 'f'
  AND routine.prorettype <> ALL (
      '{pg_catalog.trigger,pg_catalog.event_trigger}'::pg_catalog.regtype[])
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS membership
                  WHERE membership.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
                  AND membership.objid = routine.oid AND membership.deptype = 'e')
  AND has_function_privilege('public', routine.oid, 'EXECUTE')) AS everybody
LEFT JOIN pg_catalog.pg_roles AS anonymous ON anonymous.rolname = "
    );
    out.param(about.anonymous.map(str::as_bytes));
    system_sql!(out, "::text WHERE schema.nspname = ANY (");
    write_names(out, about.schemas);
    system_sql!(out, "::text[])");
}

/// Views whose owners are exempt from the policies of what they read, directly or through views. A
/// relation is read with the rights of the owner of the view that names it, or, where that view has
/// `security_invoker`, of whoever asks, through however many others.
///
/// Source: PostgreSQL's documentation, `CREATE VIEW` and "Row Security Policies".
fn write_views_past_policies(out: &mut SystemBuf, anonymous: Option<&str>) {
    system_sql!(
        out,
        "
    SELECT coalesce(json_agg(exposed.relname ORDER BY exposed.relname), '[]')
    FROM pg_catalog.pg_class AS exposed
    WHERE exposed.relnamespace = schema.oid AND exposed.relkind = 'v'
    AND EXISTS (
      SELECT FROM pg_catalog.pg_roles AS role
      WHERE NOT role.rolsuper AND NOT role.rolbypassrls
      AND (has_table_privilege(role.oid, exposed.oid, 'DELETE')
           OR has_any_column_privilege(role.oid, exposed.oid, 'SELECT, INSERT, UPDATE'))
      AND "
    );
    write_callers(out, Callers::Requests, anonymous);
    system_sql!(
        out,
        ")
    AND EXISTS (
      WITH RECURSIVE reached AS (
        SELECT exposed.oid AS oid
        UNION
        SELECT dependency.refobjid
        FROM reached
        JOIN pg_catalog.pg_class AS view ON view.oid = reached.oid AND view.relkind = 'v'
        JOIN pg_catalog.pg_rewrite AS rule ON rule.ev_class = view.oid
        JOIN pg_catalog.pg_depend AS dependency ON dependency.objid = rule.oid
          AND dependency.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
          AND dependency.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass)
      SELECT FROM reached
      JOIN pg_catalog.pg_class AS view ON view.oid = reached.oid AND view.relkind = 'v'
      JOIN pg_catalog.pg_roles AS owner ON owner.oid = view.relowner
      JOIN pg_catalog.pg_rewrite AS rule ON rule.ev_class = view.oid
      JOIN pg_catalog.pg_depend AS dependency ON dependency.objid = rule.oid
        AND dependency.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
        AND dependency.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
      JOIN pg_catalog.pg_class AS base ON base.oid = dependency.refobjid
        AND base.relkind IN ('r', 'p') AND base.relrowsecurity
      WHERE (owner.rolsuper OR owner.rolbypassrls
        OR NOT base.relforcerowsecurity AND pg_has_role(owner.oid, base.relowner, 'USAGE'))
      AND NOT EXISTS (
        SELECT FROM pg_options_to_table(view.reloptions) AS option
        WHERE option.option_name = 'security_invoker' AND option.option_value::bool))"
    );
}

fn write_search_path(out: &mut SystemBuf, names: &[String]) {
    system_sql!(
        out,
        "
SELECT coalesce(json_agg(schema.nspname), '[]') FROM pg_catalog.pg_namespace AS schema
WHERE schema.nspname = ANY ("
    );
    write_names(out, names);
    system_sql!(out, "::text[])");
}

fn write_function(out: &mut SystemBuf, function: &Named<'_>, anonymous: Option<&str>) {
    system_sql!(
        out,
        "(
SELECT json_build_object(
  'is_there', cardinality(found.named) > 0,
  'is_callable', cardinality(found.callable) > 0,
  'is_ambiguous', (
    SELECT count(*) > 1
    FROM pg_catalog.pg_proc AS routine
    JOIN pg_catalog.pg_namespace AS schema ON schema.oid = routine.pronamespace
    WHERE routine.oid = ANY (found.callable)
    AND array_position("
    );
    write_names(out, function.schemas);
    system_sql!(
        out,
        "::text[], schema.nspname::text) = found.first),
  'is_for_triggers', found.of_triggers > 0 AND found.callable = '{}',
  'refuses', (
    SELECT coalesce(json_agg(role.rolname ORDER BY role.rolname), '[]')
    FROM pg_catalog.pg_roles AS role
    WHERE "
    );
    write_callers(out, function.callers, anonymous);
    system_sql!(
        out,
        "
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_proc AS routine
                    WHERE routine.oid = ANY (found.callable)
                    AND has_schema_privilege(role.oid, routine.pronamespace, 'USAGE')
                    AND has_function_privilege(role.oid, routine.oid, 'EXECUTE'))))
FROM (
  SELECT coalesce(array_agg(routine.oid), '{}') AS named,
    coalesce(array_agg(routine.oid) FILTER (WHERE suits.is_callable), '{}') AS callable,
    count(*) FILTER (WHERE suits.is_for_triggers) AS of_triggers,
    min(array_position("
    );
    write_names(out, function.schemas);
    system_sql!(
        out,
        "::text[], schema.nspname::text)) FILTER (WHERE suits.is_callable) AS first
  FROM pg_catalog.pg_proc AS routine
  JOIN pg_catalog.pg_namespace AS schema ON schema.oid = routine.pronamespace
  CROSS JOIN LATERAL (
    SELECT routine.prorettype = ANY (
      '{pg_catalog.trigger,pg_catalog.event_trigger}'::pg_catalog.regtype[]) AS is_for_triggers)
    AS returns
  CROSS JOIN LATERAL (
    SELECT returns.is_for_triggers,
      NOT returns.is_for_triggers AND routine.pronargs <= routine.pronargdefaults AS is_callable)
    AS suits
  WHERE routine.proname = "
    );
    out.param(Some(Ident::before_nul(function.name).as_str().as_bytes()));
    system_sql!(
        out,
        "::text AND routine.prokind = 'f' AND schema.nspname = ANY (coalesce(nullif("
    );
    write_names(out, function.schemas);
    system_sql!(
        out,
        "::text[], '{}'), ARRAY[schema.nspname::text]))) AS found)"
    );
}

/// Who has been granted to the login role may be the role of a request, but for PostgreSQL's own
/// roles, which are granted for what they may do.
fn write_callers(out: &mut SystemBuf, callers: Callers, anonymous: Option<&str>) {
    match callers {
        Callers::Login => system_sql!(out, "role.rolname = current_user"),
        Callers::Requests => {
            system_sql!(out, "(role.rolname = ");
            out.param(anonymous.map(str::as_bytes));
            system_sql!(
                out,
                "::text OR role.oid IN (
      SELECT membership.roleid FROM pg_catalog.pg_auth_members AS membership
      JOIN pg_catalog.pg_roles AS login ON login.oid = membership.member
      WHERE login.rolname = current_user)) AND left(role.rolname::text, 3) <> 'pg_'"
            );
        }
    }
}

/// An array of names; a name in quotation marks is written alike in both grammars.
fn write_names(out: &mut SystemBuf, names: &[String]) {
    let names = names.iter().map(|name| {
        let name = Ident::before_nul(name).as_str().to_owned();
        format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
    });
    let list = format!("{{{}}}", names.collect::<Vec<_>>().join(","));
    out.param(Some(list.as_bytes()));
}

fn write_server(out: &mut SystemBuf) {
    system_sql!(
        out,
        "
SELECT json_build_object(
  'max_connections', current_setting('max_connections')::int8,
  'reserved_connections', (
    SELECT coalesce(sum(setting.setting::int8), 0) FROM pg_catalog.pg_settings AS setting
    WHERE setting.name IN ('superuser_reserved_connections', 'reserved_connections')),
  'is_encrypted', (SELECT tls.ssl FROM pg_catalog.pg_stat_ssl AS tls
                   WHERE tls.pid = pg_backend_pid()),
  'process_id', pg_backend_pid(),
  'is_standby', pg_is_in_recovery(),
  'tracks_activities', current_setting('track_activities')::bool)"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use corerest_sql::Param;

    #[test]
    fn names_are_elements_of_an_array() {
        let mut out = SystemBuf::new();
        write_names(&mut out, &["a".into(), "b\"c\\,{d".into()]);
        let [_, statement] = out.finish();
        assert_eq!(
            statement.params.iter().next(),
            Some(Param::Value(br#"{"a","b\"c\\,{d"}"#))
        );
    }

    #[test]
    fn other_documents_are_errors() {
        for other in ["", "null", "[]", "{}", r#"{"login":{"name":1}}"#] {
            assert!(decode_facts(&mut other.as_bytes().to_vec()).is_err());
        }
    }
}
