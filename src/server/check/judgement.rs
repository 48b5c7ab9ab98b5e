//! What facts mean for a configuration. Nothing in here asks anybody anything.

use super::finding::Finding;
use super::name::quoted;
use crate::auth::{PublishedKeys, Source};
use corerest_api::{Facts, Schema};
use corerest_config::Config;

/// So many names are told of each kind; the rest is counted.
const NAMES_MAX: usize = 5;

/// What the configuration alone tells.
pub(super) fn of_configuration(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    let issuers = config.jwt_issuers.list();
    let is_by_secret = config.jwt_secret.is_some() || !config.jwt_jwks_uri.is_empty();
    if config.db_anon_role.is_none() && !is_by_secret && issuers.is_empty() {
        found.push(
            Finding::error(
                "db-anon-role",
                "Neither db-anon-role nor jwt-secret is set, so every request is refused.",
            )
            .remedy(
                "Set db-anon-role for requests without a token, or jwt-secret, jwt-jwks-uri or \
                 jwt-issuers for tokens.",
            ),
        );
    }
    let has_no_audience = issuers.iter().any(|issuer| issuer.audience.is_none());
    if (is_by_secret || has_no_audience) && config.jwt_aud.is_none() {
        found.push(
            Finding::warning(
                "jwt-aud",
                "It is not set, so tokens that were made for other services are taken, too.",
            )
            .remedy("Set it to the audience of your tokens."),
        );
    }
    if config.admin_server_port.is_none() && config.admin_server_unix_socket.is_none() {
        found.push(Finding::warning(
            "admin-server-port",
            "It is not set, so there are no health checks and no metrics.",
        ));
    }
    found
}

/// What our side knows of the session that has asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    /// The process that it was told to cancel.
    pub(super) process_id: i32,
    /// Whether it does not leave the machine.
    pub(super) is_local: bool,
}

/// What those who publish keys tell.
pub(super) fn of_keys(
    source: &Source,
    fetched: Result<Option<PublishedKeys>, String>,
) -> Vec<Finding> {
    let about = match source {
        Source::Uri(_) => "jwt-jwks-uri",
        Source::Issuer { .. } => "jwt-issuers",
    };
    let keys = match fetched {
        Ok(keys) => keys,
        Err(why) => {
            let message = format!("The keys of {source} cannot be fetched. {why}.");
            return vec![Finding::error(about, message)];
        }
    };
    let mut found = Vec::new();
    if let Some(keys) = keys {
        if keys.count() == 0 {
            let message = format!("{source} has no key that verifies tokens.");
            found.push(Finding::error(about, message));
        }
        let remarks = keys.remarks().iter();
        found.extend(remarks.map(|remark| {
            let message = format!("{source}: {remark}.");
            Finding::warning(about, message)
        }));
    }
    found
}

/// What the database tells.
pub(super) fn of_facts(config: &Config, facts: &Facts, session: Session) -> Vec<Finding> {
    let mut found = Vec::new();
    roles(config, facts, &mut found);
    for name in &config.db_schemas {
        match facts.schemas.iter().find(|schema| schema.name == *name) {
            Some(schema) => look_at_schema(config, schema, &mut found),
            None => found.push(
                Finding::error("db-schemas", format!("There is no schema {name}."))
                    .remedy(format!("CREATE SCHEMA {};", quoted(name))),
            ),
        }
    }
    for name in &config.db_extra_search_path {
        if !facts.search_path.contains(name) {
            let message = format!("There is no schema {name}.");
            found.push(Finding::warning("db-extra-search-path", message));
        }
    }
    connections(config, facts, session, &mut found);
    found
}

fn roles(config: &Config, facts: &Facts, found: &mut Vec<Finding>) {
    let login = &facts.login;
    if login.is_superuser || login.bypasses_rls || login.creates_roles {
        let why = match (login.is_superuser, login.bypasses_rls) {
            (true, _) => "is a superuser",
            (false, true) => "has BYPASSRLS",
            (false, false) => "has CREATEROLE",
        };
        found.push(
            Finding::warning(
                "db-uri",
                format!(
                    "The login role {} {why}; it needs no more than LOGIN NOINHERIT.",
                    login.name
                ),
            )
            .remedy("Log in as a role that has only been granted those that requests run as."),
        );
    }
    // A superuser has all rights anyway.
    if !login.is_superuser && !login.inherits_of.is_empty() {
        let roles = list(&login.inherits_of);
        found.push(
            Finding::warning(
                "db-uri",
                format!(
                    "The login role {} inherits from roles that requests run as, so it may do what \
                     they may without becoming them: {roles}.",
                    login.name
                ),
            )
            .remedy(format!(
                "ALTER ROLE {} NOINHERIT; and, from PostgreSQL 16 on, GRANT … TO {} WITH INHERIT \
                 FALSE; for each.",
                quoted(&login.name),
                quoted(&login.name)
            )),
        );
    }
    let Some(name) = &config.db_anon_role else {
        return;
    };
    let Some(role) = &facts.anonymous else {
        found.push(
            Finding::error("db-anon-role", format!("There is no role {name}."))
                .remedy(format!("CREATE ROLE {} NOLOGIN;", quoted(name))),
        );
        return;
    };
    if !role.is_granted {
        found.push(
            Finding::error(
                "db-anon-role",
                format!("The login role {} may not become {name}.", login.name),
            )
            .remedy(format!(
                "GRANT {} TO {};",
                quoted(name),
                quoted(&login.name)
            )),
        );
    }
    if role.is_superuser || role.bypasses_rls {
        let message =
            format!("Row-level security does not hold for {name}, that is for everybody.");
        found.push(Finding::warning("db-anon-role", message));
    }
}

fn look_at_schema(config: &Config, schema: &Schema, found: &mut Vec<Finding>) {
    let name = &schema.name;
    if schema.relations == 0 && schema.routines == 0 {
        let message = format!("The schema {name} has no table, view or function.");
        found.push(Finding::warning("db-schemas", message));
    }
    if let (Some(false), Some(role)) = (schema.anonymous_may_use, &config.db_anon_role) {
        found.push(
            Finding::warning(
                "db-schemas",
                format!("{role} may not use the schema {name}."),
            )
            .remedy(format!(
                "GRANT USAGE ON SCHEMA {} TO {};",
                quoted(name),
                quoted(role)
            )),
        );
    }
    let has_something = schema.relations + schema.routines > 0;
    if let (Some(true), Some(false), true, Some(role)) = (
        schema.anonymous_may_use,
        schema.anonymous_may_ask,
        has_something,
        &config.db_anon_role,
    ) {
        let message = format!("{role} has no right to anything in the schema {name}.");
        found.push(Finding::warning("db-anon-role", message).remedy(format!(
            "GRANT SELECT ON … TO {}, unless each request is to bring a token.",
            quoted(role)
        )));
    }
    if !schema.without_key.is_empty() {
        let tables = list(&schema.without_key);
        found.push(Finding::warning(
            "tables",
            format!("No primary key in {name}: {tables}. PUT, Location and upserts need one."),
        ));
    }
    if !schema.written_by_anybody.is_empty() {
        let tables = list(&schema.written_by_anybody);
        found.push(
            Finding::warning(
                "tables",
                format!(
                    "Requests without a token may write to these of {name}, and row-level \
                     security is off: {tables}."
                ),
            )
            .remedy("ALTER TABLE … ENABLE ROW LEVEL SECURITY; and policies, or REVOKE."),
        );
    }
    if !schema.views_past_policies.is_empty() {
        let views = list(&schema.views_past_policies);
        found.push(
            Finding::warning(
                "views",
                format!(
                    "Row-level security does not hold for who asks through these views of {name}, \
                     for their owners are exempt from it: {views}."
                ),
            )
            .remedy(
                "ALTER VIEW … SET (security_invoker = true); from PostgreSQL 15 on, or \
                 ALTER VIEW … OWNER TO a role that the policies hold for, if that is not meant.",
            ),
        );
    }
    if !schema.definers_for_everybody.is_empty() {
        let functions = list(&schema.definers_for_everybody);
        found.push(
            Finding::warning(
                "functions",
                format!(
                    "Everybody may call these SECURITY DEFINER functions of {name}: {functions}."
                ),
            )
            .remedy(
                "REVOKE EXECUTE ON FUNCTION … FROM PUBLIC; and GRANT it to whom it is meant for.",
            ),
        );
    }
    if schema.for_everybody > 0 {
        found.push(
            Finding::warning(
                "functions",
                format!(
                    "Everybody may call {} of the functions of {name}.",
                    schema.for_everybody
                ),
            )
            .remedy(format!(
                "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC; \
                 REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA {} FROM PUBLIC; if that is not meant.",
                quoted(name)
            )),
        );
    }
}

fn connections(config: &Config, facts: &Facts, session: Session, found: &mut Vec<Finding>) {
    let server = &facts.server;
    let free = server.max_connections - server.reserved_connections;
    // The listener, the control plane's own, and the ear.
    let others = 2 + i64::from(config.server_events_enabled);
    let wanted = i64::try_from(config.db_pool.get())
        .unwrap_or(i64::MAX)
        .saturating_add(others);
    let limit = i64::from(facts.login.connection_limit);
    if wanted > free {
        found.push(
            Finding::warning(
                "db-pool",
                format!(
                    "{wanted} connections are wanted, and PostgreSQL has {free} (max_connections)."
                ),
            )
            .remedy("Lower db-pool; twice PostgreSQL's CPUs are enough for most."),
        );
    } else if limit >= 0 && wanted > limit {
        found.push(Finding::warning(
            "db-pool",
            format!(
                "{wanted} connections are wanted, and {} may have {limit} (CONNECTION LIMIT).",
                facts.login.name
            ),
        ));
    }
    let is_pooled = session.process_id != server.process_id;
    if is_pooled {
        let finding = Finding::warning(
            "db-uri",
            "There is a pooler before PostgreSQL: the process that answers is not the one that was \
             announced.",
        );
        found.push(
            match (config.db_channel_enabled, config.db_prepared_statements) {
                (true, true) => finding.remedy(
                    "In transaction mode, set db-channel-enabled=false, and \
                 db-prepared-statements=false if it does not keep prepared statements.",
                ),
                (true, false) => {
                    finding.remedy("In transaction mode, set db-channel-enabled=false.")
                }
                (false, true) => finding.remedy(
                    "In transaction mode, set db-prepared-statements=false if it does not keep \
                 prepared statements.",
                ),
                (false, false) => finding,
            },
        );
    }
    if is_pooled && config.server_events_enabled {
        found.push(
            Finding::warning(
                "server-events-enabled",
                "There is a pooler before PostgreSQL. In transaction mode nothing is heard through \
                 it, and nothing tells so.",
            )
            .remedy("Have db-uri lead to PostgreSQL itself, or to a pooler in session mode."),
        );
    }
    if !session.is_local && server.is_encrypted == Some(false) && !is_pooled {
        found.push(
            Finding::warning("db-uri", "The connection to PostgreSQL is not encrypted.")
                .remedy("Set sslmode=verify-full, unless the network is your own."),
        );
    }
    if !server.tracks_activities {
        found.push(Finding::warning(
            "track_activities",
            "It is off, so it cannot be told whether a connection that says nothing is at work.",
        ));
    }
}

fn list(names: &[String]) -> String {
    let shown = names[..names.len().min(NAMES_MAX)].join(", ");
    match names.len().saturating_sub(NAMES_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            db_anon_role: Some("anon".to_owned()),
            db_schemas: vec!["api".to_owned()],
            db_extra_search_path: vec!["public".to_owned()],
            ..Config::default()
        }
    }

    /// A database of which nothing is to be said.
    fn facts() -> Facts {
        let mut facts = Facts::default();
        facts.login.name = "authenticator".to_owned();
        facts.login.connection_limit = -1;
        facts.anonymous = Some(corerest_api::Anonymous {
            is_granted: true,
            ..Default::default()
        });
        facts.schemas.push(Schema {
            name: "api".to_owned(),
            anonymous_may_use: Some(true),
            anonymous_may_ask: Some(true),
            relations: 1,
            ..Default::default()
        });
        facts.search_path.push("public".to_owned());
        facts.server.max_connections = 100;
        facts.server.process_id = 7;
        facts.server.tracks_activities = true;
        facts
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Facts), expected: &[&str]) {
        check_from(true, change, expected);
    }

    #[track_caller]
    fn check_from(is_local: bool, change: impl FnOnce(&mut Facts), expected: &[&str]) {
        let mut facts = facts();
        change(&mut facts);
        let session = Session {
            process_id: 7,
            is_local,
        };
        let found = of_facts(&config(), &facts, session);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.message.contains(expected), "{found:?}, {expected}");
        }
    }

    #[test]
    fn what_is_right_is_not_spoken_of() {
        check(|_| {}, &[]);
    }

    #[test]
    fn roles_must_be_there_and_granted() {
        check(|facts| facts.anonymous = None, &["There is no role anon"]);
        check(
            |facts| facts.anonymous = Some(corerest_api::Anonymous::default()),
            &["authenticator may not become anon"],
        );
        check(
            |facts| facts.login.is_superuser = true,
            &["is a superuser; it needs no more"],
        );
        let inherits = |facts: &mut Facts| facts.login.inherits_of = vec!["anon".into()];
        check(inherits, &["without becoming them: anon"]);
        check(
            |facts| {
                facts.login.is_superuser = true;
                inherits(facts);
            },
            &["is a superuser"],
        );
    }

    #[test]
    fn schemas_are_looked_into() {
        check(|facts| facts.schemas.clear(), &["no schema api"]);
        check(|facts| facts.schemas[0].relations = 0, &["has no table"]);
        check(
            |facts| facts.schemas[0].anonymous_may_use = Some(false),
            &["anon may not use the schema api"],
        );
        check(
            |facts| facts.schemas[0].anonymous_may_ask = Some(false),
            &["anon has no right to anything in the schema api"],
        );
        check(
            |facts| {
                facts.schemas[0].without_key = (1..=7).map(|number| format!("t{number}")).collect();
            },
            &["t1, t2, t3, t4, t5 and 2 more"],
        );
        check(
            |facts| facts.schemas[0].written_by_anybody.push("t".to_owned()),
            &["row-level security is off: t"],
        );
        check(
            |facts| facts.schemas[0].views_past_policies.push("v".to_owned()),
            &["through these views of api, for their owners are exempt from it: v"],
        );
        check(
            |facts| facts.schemas[0].definers_for_everybody.push("f".to_owned()),
            &["SECURITY DEFINER functions of api: f"],
        );
        check(
            |facts| facts.schemas[0].for_everybody = 3,
            &["may call 3 of the functions of api"],
        );
        check(|facts| facts.search_path.clear(), &["no schema public"]);
    }

    #[test]
    fn connections_are_counted_and_looked_at() {
        check(|facts| facts.server.max_connections = 11, &["has 11"]);
        check(|facts| facts.login.connection_limit = 3, &["may have 3"]);
        check(|facts| facts.server.process_id = 8, &["a pooler"]);
        let in_clear = |facts: &mut Facts| facts.server.is_encrypted = Some(false);
        check(in_clear, &[]);
        check_from(false, in_clear, &["not encrypted"]);
        check(|facts| facts.server.tracks_activities = false, &["is off"]);
    }

    #[test]
    fn events_need_a_connection_more_and_no_pooler() {
        let config = Config {
            server_events_enabled: true,
            ..config()
        };
        let mut facts = facts();
        facts.server.max_connections = 12;
        let session = Session {
            process_id: 7,
            is_local: true,
        };
        assert!(
            of_facts(&config, &facts, session)[0]
                .message
                .contains("13 connections")
        );
        facts.server.max_connections = 13;
        assert_eq!(of_facts(&config, &facts, session), []);
        facts.server.process_id = 8;
        let found = of_facts(&config, &facts, session);
        assert_eq!(found[1].about, "server-events-enabled");
    }

    #[test]
    fn a_configuration_lets_somebody_in() {
        let nobody = of_configuration(&Config::default());
        assert!(nobody[0].message.contains("every request is refused"));
        let some = of_configuration(&config());
        assert!(some.iter().all(|found| found.about == "admin-server-port"));
    }
}
