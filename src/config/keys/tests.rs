//! The table as a whole: complete, in order, documented, and consistent with itself.

use super::*;

/// Every key that PostgREST 16 documents, and the two that only its tests use.
const POSTGREST: &[&str] = &[
    "admin-server-host",
    "admin-server-port",
    "admin-server-unix-socket",
    "admin-server-unix-socket-mode",
    "app.settings.*",
    "client-error-verbosity",
    "db-aggregates-enabled",
    "db-anon-role",
    "db-channel",
    "db-channel-enabled",
    "db-config",
    "db-extra-search-path",
    "db-hoisted-tx-settings",
    "db-max-rows",
    "db-plan-enabled",
    "db-pool",
    "db-pool-acquisition-timeout",
    "db-pool-automatic-recovery",
    "db-pool-max-idletime",
    "db-pool-max-lifetime",
    "db-pre-config",
    "db-pre-request",
    "db-prepared-statements",
    "db-root-spec",
    "db-schemas",
    "db-tx-end",
    "db-uri",
    "internal-schema-cache-query-sleep",
    "internal-schema-cache-query-sleep-before-queries",
    "jwt-aud",
    "jwt-cache-max-entries",
    "jwt-role-claim-key",
    "jwt-secret",
    "jwt-secret-is-base64",
    "log-level",
    "log-query",
    "openapi-mode",
    "openapi-security-active",
    "openapi-server-proxy-uri",
    "server-cors-allowed-origins",
    "server-host",
    "server-port",
    "server-reuseport",
    "server-timing-enabled",
    "server-trace-header",
    "server-unix-socket",
    "server-unix-socket-mode",
    "url-use-legacy-target-names",
];

fn names(wanted: impl Fn(&Key) -> bool) -> Vec<&'static str> {
    KEYS.iter()
        .filter(|key| wanted(key))
        .map(|key| key.name)
        .collect()
}

#[test]
fn the_table_has_every_key_of_postgrest() {
    assert_eq!(names(|key| key.origin != Origin::CoreRest), POSTGREST);
}

#[test]
fn our_own_keys_are_these_and_are_not_in_the_database() {
    let ours = names(|key| key.origin == Origin::CoreRest);
    assert_eq!(
        ours,
        [
            "db-replica-fallback",
            "db-replica-max-lag",
            "db-session-reset",
            "db-stream-rows",
            "db-uri-read-replicas",
            "jwt-issuers",
            "jwt-jwks-allow-http",
            "jwt-jwks-ca-file",
            "jwt-jwks-uri",
            "jwt-strict-keys",
            "log-format",
            "log-query-string",
            "openapi-version",
            "server-body-timeout",
            "server-cancel-on-disconnect",
            "server-console-enabled",
            "server-cores",
            "server-events-enabled",
            "server-header-timeout",
            "server-idle-timeout",
            "server-max-body-bytes",
            "server-max-channels",
            "server-max-connections",
            "server-max-header-bytes",
            "server-max-memory",
            "server-max-slow-readers",
            "server-max-spool-bytes",
            "server-pin-cores",
            "server-shutdown-grace",
            "server-spool-directory",
            "server-threads-per-core",
            "server-write-timeout",
        ]
    );
    for key in KEYS.iter().filter(|key| key.origin == Origin::CoreRest) {
        let facts = (key.in_database, key.reloadable);
        let reloadable = [
            "db-session-reset",
            "db-stream-rows",
            "jwt-issuers",
            "jwt-jwks-allow-http",
            "jwt-jwks-ca-file",
            "jwt-jwks-uri",
            "jwt-strict-keys",
            "log-format",
            "log-query-string",
            "openapi-version",
            "server-console-enabled",
            "server-events-enabled",
            "server-max-channels",
        ];
        let is_reloadable = reloadable.contains(&key.name);
        assert_eq!(facts, (false, is_reloadable), "{}", key.name);
    }
}

#[test]
fn the_table_is_sorted_and_documented() {
    assert!(KEYS.is_sorted_by(|a, b| a.name < b.name));
    for key in KEYS {
        let doc = key.doc;
        assert!(
            doc.len() > 20 && doc.ends_with('.') && !doc.contains("  "),
            "{}",
            key.name
        );
    }
}

#[test]
fn words_have_a_default_among_them() {
    for key in KEYS {
        if let Kind::OneOf(words) = key.kind {
            let default = key.default_value();
            assert!(words.contains(&default.trim_matches('"')), "{}", key.name);
        }
    }
}

#[test]
fn names_are_derived_for_every_source() {
    let key = KEYS
        .iter()
        .find(|key| key.name == "db-max-rows")
        .expect("it is in the table");
    assert_eq!(key.environment_name(), "PGRST_DB_MAX_ROWS");
    assert_eq!(key.in_database_name().as_deref(), Some("pgrst.db_max_rows"));
    assert_eq!(key.names().collect::<Vec<_>>(), ["db-max-rows", "max-rows"]);
    let prefix = KEYS
        .iter()
        .find(|key| key.kind == Kind::Prefix)
        .expect("it is in the table");
    assert_eq!(prefix.environment_name(), "PGRST_APP_SETTINGS_*");
}

#[test]
fn the_keys_in_the_database_are_these() {
    let mut names: Vec<String> = in_database_names().collect();
    names.sort();
    let expected = [
        "client_error_verbosity",
        "db_aggregates_enabled",
        "db_anon_role",
        "db_extra_search_path",
        "db_hoisted_tx_settings",
        "db_max_rows",
        "db_plan_enabled",
        "db_pre_config",
        "db_pre_request",
        "db_prepared_statements",
        "db_root_spec",
        "db_schemas",
        "db_tx_end",
        "jwt_aud",
        "jwt_cache_max_entries",
        "jwt_role_claim_key",
        "jwt_secret",
        "jwt_secret_is_base64",
        "openapi_mode",
        "openapi_security_active",
        "openapi_server_proxy_uri",
        "server_cors_allowed_origins",
        "server_timing_enabled",
        "server_trace_header",
        "url_use_legacy_target_names",
    ];
    assert_eq!(names, expected.map(|name| format!("pgrst.{name}")));
}
