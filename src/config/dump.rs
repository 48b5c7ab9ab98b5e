//! `--dump-config`: the configuration in the format that PostgREST prints it.
//!
//! One `key = value` on a line, sorted by line, every key of PostgREST, and then those of ours
//! that are not at their defaults. What PostgREST's format can say can be loaded again; secrets are
//! in clear.

use crate::config::Config;
use crate::keys::{Apply, KEYS, Key, Origin, quoted};

/// The configuration as a file.
#[must_use]
pub fn dump(config: &Config) -> String {
    let keys = KEYS.iter().filter(|key| is_shown(key, config));
    let mut lines: Vec<String> = keys
        .map(|key| format!("{} = {}\n", key.name, (key.show)(config)))
        .collect();
    lines.extend(
        config
            .app_settings
            .iter()
            .map(|(name, value)| format!("{name} = {}\n", quoted(value))),
    );
    lines.sort();
    lines.concat()
}

fn is_shown(key: &Key, config: &Config) -> bool {
    match (key.apply, key.origin) {
        (Apply::AppSettings, _) | (_, Origin::PostgRestTests) => false,
        (_, Origin::PostgRest) => true,
        (_, Origin::CoreRest) => (key.show)(config) != key.default_value(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::{File, Sources};

    fn load(text: &str) -> Config {
        let file = Some(File { path: "f", text });
        let loaded = Config::load(Sources {
            file,
            ..Sources::default()
        });
        loaded
            .unwrap_or_else(|error| panic!("{text}: {error}"))
            .config
    }

    /// The lines of a file that are not in the dump of the defaults, as they are dumped; and a
    /// dump that is loaded must dump as itself.
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let dumped = dump(&load(text));
        assert_eq!(
            dump(&load(&dumped)),
            dumped,
            "{text} does not load from its dump"
        );
        let defaults = dump(&Config::default());
        let unusual: Vec<&str> = dumped
            .lines()
            .filter(|line| !defaults.lines().any(|known| known == *line))
            .collect();
        assert_eq!(unusual, expected, "{text}");
    }

    #[test]
    fn all_keys_of_postgrest_are_dumped_in_order_and_none_of_ours() {
        let dumped = dump(&Config::default());
        let names: Vec<&str> = dumped
            .lines()
            .filter_map(|line| line.split_once(" = "))
            .map(|(name, _)| name)
            .collect();
        let expected: Vec<&str> = KEYS
            .iter()
            .filter(|key| key.origin == Origin::PostgRest && key.name != "app.settings.*")
            .map(|key| key.name)
            .collect();
        assert_eq!((names.len(), dumped.ends_with('\n')), (45, true));
        assert_eq!(names, expected);
    }

    #[test]
    fn values_are_dumped_by_their_type() {
        check(
            "db-anon-role = \"a \\\"b\\\"\"",
            &["db-anon-role = \"a \\\"b\\\"\""],
        );
        check("db-max-rows = 1e3", &["db-max-rows = 1000"]);
        check("db-schemas = \"a,  b ,c\"", &["db-schemas = \"a,b,c\""]);
        check(
            "db-extra-search-path = \"\"",
            &["db-extra-search-path = \"\""],
        );
        check("db-pre-request = \"s.f\"", &["db-pre-request = \"s.f\""]);
        check("db-tx-end = \"rollback\"", &["db-tx-end = \"rollback\""]);
        check("db-config = false", &["db-config = false"]);
        check(
            "server-unix-socket-mode = \"0777\"",
            &["server-unix-socket-mode = \"777\""],
        );
        check("admin-server-port = 3001", &["admin-server-port = 3001"]);
        check(
            "jwt-role-claim-key = \"$$.a['\\\"']\"",
            &["jwt-role-claim-key = \"$$.a['\\\"']\""],
        );
        check(
            "jwt-jwks-uri = \"https://a.example/k?v=$$1, file:///k\"",
            &["jwt-jwks-uri = \"https://a.example/k?v=$$1,file:///k\""],
        );
        let issuers = "[{\\\"issuer\\\":\\\"a\\\",\\\"jwks_uri\\\":\\\"https://a.example\\\",\
                       \\\"role_claim_key\\\":\\\"$$['\\\\\\\"']\\\"}]";
        check(
            &format!("jwt-issuers = \"{issuers}\""),
            &[&format!("jwt-issuers = \"{issuers}\"")],
        );
        check(
            "jwt-role-claim-key = \".$$a\"",
            &["jwt-role-claim-key = \".\\\"$$a\\\"\""],
        );
        check(
            "jwt-role-claim-key = \"$$['\\\\t']\"",
            &["jwt-role-claim-key = \"$$['\\\\u0009']\""],
        );
        check(
            "app.settings.b = 1\napp.settings.a = \"x\"",
            &["app.settings.a = \"x\"", "app.settings.b = \"Number 1.0\""],
        );
    }

    #[test]
    fn a_base64_secret_is_dumped_as_base64() {
        let secret = "c2VjdXJpdHl0aHJvdWdob2JzY3VyaXR5aW5iYXNlNjQ=";
        let text = format!("jwt-secret = \"{secret}\"\njwt-secret-is-base64 = true");
        let line = format!("jwt-secret = \"{secret}\"");
        check(&text, &[&line, "jwt-secret-is-base64 = true"]);
    }

    #[test]
    fn our_own_keys_are_dumped_if_they_are_not_at_their_defaults() {
        check("log-format = \"text\"", &[]);
        check("log-format = \"json\"", &["log-format = \"json\""]);
        check(
            "server-cores = 0\nserver-pin-cores = true\nserver-idle-timeout = 75",
            &[],
        );
        check(
            "server-cores = 2\nserver-threads-per-core = 3\nserver-pin-cores = false",
            &[
                "server-cores = 2",
                "server-pin-cores = false",
                "server-threads-per-core = 3",
            ],
        );
    }
}
