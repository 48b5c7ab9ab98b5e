//! Loading from the outside: sources in, a line of the dump or an error or warnings out.

use super::*;
use crate::dump::dump;
use crate::sources::File;

const SECRET: &str = "reallyreallyreallyreallyverysafe";

fn read_file(path: &str) -> Result<Vec<u8>, String> {
    match path {
        "uri" => Ok(b" postgresql://from-a-file \n\n".to_vec()),
        "secret" => Ok(format!("{SECRET}\n\n").into_bytes()),
        "short" => Ok(b"short\n".to_vec()),
        "latin" => Ok(vec![0xE9; 40]),
        "b64" => Ok(b" cmVhbGx5cmVhbGx5cmVhbGx5cmVhbGx5dmVyeXNhZmU. \n".to_vec()),
        _ => Err("does not exist".to_owned()),
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn load(
    file: &str,
    environment: &[(&str, &str)],
    database: &[(&str, &str)],
) -> Result<Loaded, ConfigError> {
    Config::load(Sources {
        file: Some(File {
            path: "server.conf",
            text: file,
        }),
        environment: &pairs(environment),
        database: &pairs(database),
        db_uri: None,
        read_file: &read_file,
    })
}

#[track_caller]
fn load_environment(environment: &[(&str, &str)]) -> Loaded {
    load("", environment, &[]).unwrap_or_else(|error| panic!("{environment:?}: {error}"))
}

/// The dump of the configuration must have this line.
#[track_caller]
fn check_sources(
    file: &str,
    environment: &[(&str, &str)],
    database: &[(&str, &str)],
    expected: &str,
) {
    let loaded = load(file, environment, database).unwrap_or_else(|error| panic!("{error}"));
    let dumped = dump(&loaded.config);
    assert!(
        dumped.lines().any(|line| line == expected),
        "no {expected} in {dumped}"
    );
}

#[track_caller]
fn check(name: &str, value: &str, expected: &str) {
    check_sources("", &[(name, value)], &[], expected);
}

#[track_caller]
fn check_error(environment: &[(&str, &str)], expected: &str) {
    let error = load("", environment, &[]).expect_err("it must be refused");
    assert_eq!(error.to_string(), format!("Error in config {expected}"));
}

#[test]
fn nothing_set_gives_the_defaults_without_warnings() {
    let loaded = Config::load(Sources::default()).expect("the defaults are valid");
    assert_eq!(
        loaded,
        Loaded {
            config: Config::default(),
            warnings: Vec::new()
        }
    );
}

#[test]
fn the_database_goes_before_the_environment_and_that_before_the_file() {
    let (file, environment) = ("db-schemas = \"f\"", ("PGRST_DB_SCHEMAS", "e"));
    let database = ("pgrst.db_schemas", "d");
    check_sources(file, &[], &[], "db-schemas = \"f\"");
    check_sources(file, &[environment], &[], "db-schemas = \"e\"");
    check_sources(file, &[environment], &[database], "db-schemas = \"d\"");
    check_sources(file, &[], &[database], "db-schemas = \"d\"");
}

#[test]
fn an_empty_value_hides_the_sources_behind_it() {
    let file = "db-schemas = \"f\"\ndb-pool = 5\nlog-query = true";
    check_sources(
        file,
        &[("PGRST_DB_SCHEMAS", "")],
        &[],
        "db-schemas = \"public\"",
    );
    check_sources(file, &[("PGRST_DB_POOL", "")], &[], "db-pool = 10");
    check_sources(file, &[("PGRST_LOG_QUERY", "")], &[], "log-query = false");
    check_sources(
        "",
        &[("PGRST_DB_ANON_ROLE", "a")],
        &[("pgrst.db_anon_role", "")],
        "db-anon-role = \"\"",
    );
}

#[test]
fn an_empty_search_path_is_a_value() {
    check(
        "PGRST_DB_EXTRA_SEARCH_PATH",
        "",
        "db-extra-search-path = \"\"",
    );
    let loaded = load_environment(&[("PGRST_DB_EXTRA_SEARCH_PATH", "")]);
    assert!(loaded.config.db_extra_search_path.is_empty());
    check_sources(
        "db-extra-search-path = \"\"",
        &[],
        &[],
        "db-extra-search-path = \"\"",
    );
}

#[test]
fn what_cannot_be_set_in_the_database_is_ignored_there() {
    for (name, value) in [
        ("pgrst.db_pool", "1"),
        ("pgrst.log_level", "ignored"),
        ("pgrst.not_existing", "x"),
        ("pgrst.max_rows", "1"),
        ("pgrst.server_port", "ignored"),
    ] {
        let loaded = load("", &[], &[(name, value)]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(loaded.config, Config::default(), "{name}");
    }
    check_sources(
        "",
        &[],
        &[("pgrst.jwt_cache_max_entries", "5")],
        "jwt-cache-max-entries = 5",
    );
}

#[test]
fn older_names_are_accepted_in_file_and_environment() {
    check("PGRST_DB_SCHEMA", "s", "db-schemas = \"s\"");
    check("PGRST_MAX_ROWS", "7", "db-max-rows = 7");
    check("PGRST_PRE_REQUEST", "f", "db-pre-request = \"f\"");
    check("PGRST_ROOT_SPEC", "f", "db-root-spec = \"f\"");
    check(
        "PGRST_ROLE_CLAIM_KEY",
        "$.r",
        "jwt-role-claim-key = \"$$.r\"",
    );
    check(
        "PGRST_SECRET_IS_BASE64",
        "true",
        "jwt-secret-is-base64 = true",
    );
    check("PGRST_DB_POOL_TIMEOUT", "7", "db-pool-max-idletime = 7");
    check_sources("max-rows = 7", &[], &[], "db-max-rows = 7");
}

#[test]
fn a_key_goes_before_its_older_name_except_for_one() {
    check_sources(
        "db-max-rows = 1",
        &[("PGRST_MAX_ROWS", "2")],
        &[],
        "db-max-rows = 1",
    );
    let file = "db-pool-timeout = 2\ndb-pool-max-idletime = 1";
    check_sources(file, &[], &[], "db-pool-max-idletime = 2");
    let file = "db-max-rows = \"none\"\nmax-rows = 2";
    check_sources(file, &[], &[], "db-max-rows = 2");
}

#[test]
fn the_admin_server_listens_where_the_server_does() {
    check("PGRST_SERVER_HOST", "*6", "admin-server-host = \"*6\"");
    check_sources(
        "admin-server-host = \"!4\"\nserver-host = \"*6\"",
        &[],
        &[],
        "admin-server-host = \"!4\"",
    );
    check_sources(
        "admin-server-host = \"a\"\nserver-host = \"b\"",
        &[],
        &[],
        "admin-server-host = \"a\"",
    );
}

#[test]
fn app_settings_come_sorted_from_file_and_environment() {
    let file = "app.settings.b = \"f\"\napp.settings.a = \"f\"\napp.settings.x.y = \"not seen\"\n\
                app.settings.n = 5\napp { settings { g = \"\" } }";
    let environment = [
        ("PGRST_APP_SETTINGS_b", "e"),
        ("PGRST_APP_SETTINGS_C.d", "e"),
    ];
    let loaded = load(file, &environment, &[]).unwrap_or_else(|error| panic!("{error}"));
    let expected = [
        ("app.settings.C.d", "e"),
        ("app.settings.a", "f"),
        ("app.settings.b", "e"),
        ("app.settings.g", ""),
        ("app.settings.n", "Number 5.0"),
    ];
    assert_eq!(loaded.config.app_settings, pairs(&expected));
}

#[test]
fn a_file_can_use_the_environment() {
    check_sources(
        "db-uri = \"$(URI)\"",
        &[("URI", "x=$y")],
        &[],
        "db-uri = \"x=$y\"",
    );
}

#[test]
fn numbers_and_booleans_that_cannot_be_read_fall_back_with_a_warning() {
    let loaded = load(
        "db-max-rows = true\ndb-channel-enabled = 13",
        &[("PGRST_DB_POOL", "ten")],
        &[],
    );
    let loaded = loaded.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(loaded.config, Config::default());
    assert_eq!(
        loaded.warnings,
        [
            "The value of the config key db-channel-enabled is not a boolean, so it is ignored",
            "The value of the config key db-max-rows is not an integer, so it is ignored",
            "The value of the config key db-pool is not an integer, so it is ignored",
        ]
    );
}

#[test]
fn ports_are_not_judged_here() {
    check("PGRST_SERVER_PORT", "0", "server-port = 0");
    check("PGRST_ADMIN_SERVER_PORT", "-1", "admin-server-port = -1");
}

#[test]
fn very_long_durations_are_shortened() {
    check(
        "PGRST_DB_POOL_MAX_LIFETIME",
        "9223372036854775807",
        "db-pool-max-lifetime = 2147483647",
    );
}

#[test]
fn the_connection_string_can_be_in_a_file() {
    check(
        "PGRST_DB_URI",
        "@uri",
        "db-uri = \"postgresql://from-a-file\"",
    );
    check_error(
        &[("PGRST_DB_URI", "@none")],
        "cannot read none (db-uri): does not exist",
    );
    check_error(
        &[("PGRST_DB_URI", "@latin")],
        "cannot read latin (db-uri): it is not UTF-8",
    );
}

#[test]
fn a_reload_keeps_the_connection_string() {
    let db_uri = Secret::new("old".to_owned());
    let environment = pairs(&[("PGRST_DB_URI", "@none")]);
    let sources = Sources {
        db_uri: Some(&db_uri),
        environment: &environment,
        ..Sources::default()
    };
    let loaded = Config::load(sources).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(loaded.config.db_uri, db_uri);
}

#[track_caller]
fn check_secret(environment: &[(&str, &str)], expected: &[u8]) {
    let config = load_environment(environment).config;
    assert_eq!(
        config
            .jwt_secret
            .as_ref()
            .map(|secret| secret.expose().as_slice()),
        Some(expected)
    );
}

#[test]
fn a_secret_is_text_or_base64_or_in_a_file() {
    let base64 = ("PGRST_JWT_SECRET_IS_BASE64", "true");
    check_secret(&[("PGRST_JWT_SECRET", SECRET)], SECRET.as_bytes());
    check_secret(
        &[("PGRST_JWT_SECRET", "@secret")],
        format!("{SECRET}\n").as_bytes(),
    );
    check_secret(&[("PGRST_JWT_SECRET", "@latin")], &[0xE9; 40]);
    check_secret(&[("PGRST_JWT_SECRET", "@b64"), base64], SECRET.as_bytes());
    let url_safe = "_-7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u4=";
    let mut expected = vec![0xFF, 0xEE];
    expected.resize(32, 0xEE);
    check_secret(&[("PGRST_JWT_SECRET", url_safe), base64], &expected);
}

#[test]
fn a_json_web_key_may_be_short() {
    for key in ["{\"kty\":\"oct\",\"k\":\"aGk\"}", " {\"keys\":[]} "] {
        check_secret(&[("PGRST_JWT_SECRET", key)], key.as_bytes());
    }
}

#[test]
fn wrong_secrets_are_refused() {
    let short = "The JWT secret must be at least 32 characters long.";
    check_error(&[("PGRST_JWT_SECRET", "short_secret")], short);
    check_error(&[("PGRST_JWT_SECRET", &SECRET[1..])], short);
    check_error(&[("PGRST_JWT_SECRET", "@short")], short);
    check_error(&[("PGRST_JWT_SECRET", "{\"a\":1}")], short);
    check_error(
        &[("PGRST_JWT_SECRET", "@none")],
        "cannot read none (jwt-secret): does not exist",
    );
    let base64 = ("PGRST_JWT_SECRET_IS_BASE64", "true");
    let message = "The JWT secret is not base64: Invalid symbol 32, offset 2.";
    check_error(&[("PGRST_JWT_SECRET", "no base-64!"), base64], message);
    check_error(&[("PGRST_JWT_SECRET", "c2hvcnQ="), base64], short);
}

#[test]
fn places_of_keys_that_anybody_could_change_are_refused() {
    let uri = "PGRST_JWT_JWKS_URI";
    let issuers = "PGRST_JWT_ISSUERS";
    let http = "\"http://a.example/k\" is not https, so that anybody on the way could give other \
                keys (jwt-jwks-allow-http)";
    check_error(
        &[(uri, "https://b.example/k, http://a.example/k")],
        &format!("Invalid jwt-jwks-uri: {http}"),
    );
    check_error(
        &[(
            issuers,
            r#"[{"issuer":"a","jwks_uri":"http://a.example/k"}]"#,
        )],
        &format!("Invalid jwt-issuers: {http}"),
    );
    let both = "jwt-jwks-uri and jwt-issuers cannot be set both: give the issuer a \"jwks_uri\"";
    check_error(
        &[(uri, "https://a.example"), (issuers, "https://a.example")],
        both,
    );
    check_error(
        &[(issuers, "@none")],
        "cannot read none (jwt-issuers): does not exist",
    );
    check_error(
        &[(issuers, "@short")],
        "cannot read short (jwt-issuers): \"short\" is not a URL",
    );
}

#[test]
fn wrong_words_are_refused() {
    check_error(
        &[("PGRST_CLIENT_ERROR_VERBOSITY", "invalid")],
        "Invalid client-error-verbosity. Check your configuration.",
    );
    check_error(
        &[("PGRST_LOG_LEVEL", "never")],
        "Invalid logging level. Check your configuration.",
    );
    check_error(
        &[("PGRST_LOG_LEVEL", "Error")],
        "Invalid logging level. Check your configuration.",
    );
    check_error(
        &[("PGRST_DB_TX_END", "random")],
        "Invalid transaction termination. Check your configuration.",
    );
    for mode in ["follow-", "ignore-", ".#$$%&$%/"] {
        let message = "Invalid openapi-mode. Check your configuration.";
        check_error(&[("PGRST_OPENAPI_MODE", mode)], message);
    }
    for version in ["3", "3.10", "Number", "2.0 "] {
        let message = "Invalid openapi-version: it is 2.0 or 3.1.";
        check_error(&[("PGRST_OPENAPI_VERSION", version)], message);
    }
}

#[test]
fn wrong_values_are_refused() {
    check_error(
        &[
            ("PGRST_SERVER_PORT", "3001"),
            ("PGRST_ADMIN_SERVER_PORT", "3001"),
        ],
        "admin-server-port cannot be the same as server-port",
    );
    check_error(
        &[("PGRST_ADMIN_SERVER_PORT", "3000")],
        "admin-server-port cannot be the same as server-port",
    );
    for (value, schema) in [
        ("pg_catalog", "pg_catalog"),
        ("public, information_schema", "information_schema"),
        ("information_schema,pg_catalog", "pg_catalog"),
    ] {
        let message = format!("db-schemas does not allow schema: '{schema}'");
        check_error(&[("PGRST_DB_SCHEMAS", value)], &message);
        check_error(&[("PGRST_DB_SCHEMA", value)], &message);
    }
    check_error(
        &[("PGRST_JWT_AUD", "foo://%%$$^^.com")],
        "jwt-aud should be a string or a valid URI",
    );
    check_error(
        &[(
            "PGRST_OPENAPI_SERVER_PROXY_URI",
            "htp:/@@localhorst.invalid",
        )],
        "Malformed proxy uri, a correct example: https://example.com:8443/basePath",
    );
    check_error(
        &[("PGRST_SERVER_UNIX_SOCKET_MODE", "800")],
        "Invalid server-unix-socket-mode: not an octal",
    );
    check_error(
        &[("PGRST_ADMIN_SERVER_UNIX_SOCKET_MODE", "778")],
        "Invalid admin-server-unix-socket-mode: needs to be between 600 and 777",
    );
    check_error(
        &[("PGRST_JWT_ROLE_CLAIM_KEY", "role.other")],
        "\"failed to parse role-claim-key value (role.other)\" (line 1, column 1): expected $ or .",
    );
}

#[test]
fn numbers_out_of_their_bounds_are_refused() {
    check_error(
        &[("PGRST_DB_POOL", "0")],
        "Invalid db-pool: needs to be between 1 and 262143",
    );
    check_error(
        &[("PGRST_DB_POOL_TIMEOUT", "-1")],
        "Invalid db-pool-timeout: needs to be at least 0",
    );
    check_error(
        &[("PGRST_SERVER_MAX_HEADER_BYTES", "100")],
        "Invalid server-max-header-bytes: needs to be between 1024 and 16777216",
    );
    check_error(
        &[("PGRST_SERVER_MAX_BODY_BYTES", "1073741824")],
        "Invalid server-max-body-bytes: needs to be between 1 and 1073741823",
    );
    check_error(
        &[("PGRST_SERVER_IDLE_TIMEOUT", "0")],
        "Invalid server-idle-timeout: needs to be at least 1",
    );
}

#[track_caller]
fn check_file_error(text: &str, expected: &str) {
    let error = load(text, &[], &[]).expect_err(text);
    assert_eq!(error.to_string(), format!("Error in config {expected}"));
}

#[test]
fn wrong_types_in_a_file_are_refused_where_text_is_needed() {
    let message = "Invalid db-schemas: it must be a string, not a list";
    check_file_error("db-schemas = [\"a\", \"b\"]", message);
    check_file_error(
        "app.settings.a = []",
        "Invalid app.settings.a: it must be a string, not a list",
    );
    check_file_error(
        "server-unix-socket-mode = 660",
        "Invalid server-unix-socket-mode: not an octal",
    );
    check_file_error(
        "db-uri = \"a\\u0000\"",
        "Invalid db-uri: it contains a NUL character",
    );
    check_file_error(
        "app.settings.a = \"\\u0000\"",
        "Invalid app.settings.a: it contains a NUL character",
    );
    check_file_error(
        "db-uri = 'x'",
        "server.conf:1:10: strings stand in double quotes, not in single quotes",
    );
}

#[test]
fn unknown_keys_are_ignored() {
    let loaded = load("not-existing = \"x\"", &[("PGRST_NOT_EXISTING", "x")], &[]);
    let loaded = loaded.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.warnings.len(), 2);
}

#[test]
fn the_old_syntax_of_the_role_claim_key_is_warned_about() {
    let loaded = load_environment(&[("PGRST_JWT_ROLE_CLAIM_KEY", ".role")]);
    let first =
        "WARNING: The config `jwt-role-claim-key=.\"role\"` is using the deprecated JSPath syntax.";
    assert_eq!(loaded.warnings[0], first);
    assert_eq!(loaded.warnings.len(), 2);
}

#[test]
fn names_that_are_no_key_are_told() {
    let file = "db-anon-rol = \"a\"\nbanana = 1\nserver { core = 2 }\nhost = \"h\"\n\
                db-uri = \"postgres://$(host)\"\napp.settings.x = \"y\"\nmax-rows = 5\n";
    let environment = [
        ("PGRST_DB_SCHEMA", "a"),
        ("PGRST_DB_POOOL", "1"),
        ("PGRST_APP_SETTINGS_Z", "z"),
        ("PGRST_", ""),
        ("HOME", "/"),
    ];
    let loaded = load(file, &environment, &[]).unwrap();
    assert_eq!(
        loaded.warnings,
        [
            "There is no config key banana, so it is ignored",
            "There is no config key db-anon-rol; did you mean db-anon-role?",
            "There is no config key server.core; did you mean server-cores?",
            "There is no config key PGRST_DB_POOOL; did you mean PGRST_DB_POOL?",
            "There is no config key PGRST_, so it is ignored",
        ]
    );
}
