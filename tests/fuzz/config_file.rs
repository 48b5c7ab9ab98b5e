//! The configuration file: any text is refused or is a configuration that can be shown.
//!
//! Properties: nothing panics; and the dump of what was loaded is a file that loads, without the
//! environment and the files that the first one referred to, and has the same dump, as far as
//! the format can say it.

use corerest_config::{Config, ConfigError, File, Sources, dump};

/// Files to start from.
pub(crate) const CONFIG_FILE_SEEDS: &[&[u8]] = &[
    b"db-uri = \"postgres://u:p@h/d\"\ndb-schemas = \"a, \\\"b\\\", c\"\n\
      db-anon-role = \"$(VAR)\"\n",
    b"# all of it\nserver-port = 3001\nadmin-server-port = 1e3\nserver-host = \"!6\"\n\n",
    b"jwt-secret = \"a secret of more than 32 characters\"\njwt-aud = \"a\\u00e9\\n\\t\\\\\"\n",
    b"jwt-secret = \"c2VjdXJpdHl0aHJvdWdob2JzY3VyaXR5aW5iYXNlNjQ=\"\njwt-secret-is-base64 = true",
    b"jwt-secret = \"@secret\"\ndb-uri = \"@uri\"\nlog-level = \"debug\"\n",
    b"jwt-secret = \"@octets\"\njwt-role-claim-key = \"$$..a[?search(@.b, '^c')]['d', 1:2]\"\n",
    b"jwt-role-claim-key = \".a.\\\"b-c\\\"[0][?(@ ^== \\\"d\\\")]\"\nrole-claim-key = \".x\"\n",
    b"app.settings.a = \"x$(VAR)$$\"\napp { settings { b = 1 c = [1, \"2\"] d = true } }\n",
    b"import \"other\"\nserver-unix-socket-mode = \"0777\"\nserver-unix-socket = \"/s\"\n",
    b"#; db-pool = 5\ndb-pool = 6\ndb-config = off\ndb-tx-end = \"rollback-allow-override\"\n",
    b"db-pre-request = \"s.f\"\ndb-root-spec = \".g\"\ndb-pre-config = \"h.\"\ndb-max-rows = 1.5\n",
    b"db-pre-request = \".f.g\"\ndb-root-spec = \".g2\ndb-max-rows = 2h.\"\n\
      db-pre-config = \".h.\"\n",
    b"server-cores = 2\nserver-pin-cores = false\nserver-cors-allowed-origins = \"http://a, b\"\n",
    b"openapi-server-proxy-uri = \"https://a.test:1/b\"\nopenapi-mode = \"disabled\"\r\n",
    b"server-trace-header = \"X-Id\"\ndb-hoisted-tx-settings = \"a,b\"\nmax-rows = \"7\"\n",
];

/// A file.
pub fn config_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let variables = [
        ("VAR", "a $(VAR) \"value\""),
        ("HOME", "/"),
        ("PGRST_DB_CHANNEL", "loud"),
    ];
    let environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let Ok(config) = load(text, &environment, &read_file) else {
        return;
    };
    let shown = dump(&config);
    if !can_be_loaded(&shown) {
        return;
    }
    let again = load(&shown, &[], &|_| Err("it stands alone".to_owned()));
    let again = again.unwrap_or_else(|error| panic!("{error} in {shown}"));
    assert_eq!(dump(&again), shown);
}

fn load(
    text: &str,
    environment: &[(String, String)],
    read_file: &dyn Fn(&str) -> Result<Vec<u8>, String>,
) -> Result<Config, ConfigError> {
    let loaded = Config::load(Sources {
        file: Some(File { path: "f", text }),
        environment,
        read_file,
        ..Sources::default()
    });
    loaded.map(|loaded| loaded.config)
}

fn read_file(path: &str) -> Result<Vec<u8>, String> {
    match path {
        "secret" => Ok(b"a secret that stands in a file of its own\n".to_vec()),
        "octets" => Ok(b"\xff\x00 is how some octets begin that are no text\n".to_vec()),
        "uri" => Ok(b" postgres://h/$(d)\n".to_vec()),
        "other" => Ok(b"db-anon-role = \"b\"\napp.settings.z = \"$(VAR)\"".to_vec()),
        _ => Err("there is no such file".to_owned()),
    }
}

/// The format, which is PostgREST's, leaves some dumps unreadable: there are no numbers below zero
/// in a file, and in texts only quotes are escaped, although a file would also need `\\` for a
/// backslash and `$$` for a dollar sign. The path of the role is the exception. And a secret from
/// a file may be any octets, of which only UTF-8 without NUL can be shown. A list of a single blank
/// name is shown like one that was not given, which then has its default.
fn can_be_loaded(dump: &str) -> bool {
    // A text with line breaks may look as if it were that path.
    let paths = dump.matches("jwt-role-claim-key = ").count();
    if paths > 1 || dump.contains(['\0', char::REPLACEMENT_CHARACTER]) {
        return false;
    }
    let mut lines = dump
        .lines()
        .filter(|line| !line.starts_with("jwt-role-claim-key = "));
    lines.all(|line| {
        // A text that ends in a backslash takes the closing quote for one of its own.
        let is_open = line.ends_with("\\\"");
        let is_unescaped = line.replace("\\\"", "").contains(['\\', '$']);
        let is_blank_list = matches!(line, "db-schemas = \"\"" | "db-extra-search-path = \"\"");
        !is_open && !is_unescaped && !is_blank_list && !line.contains(" = -")
    })
}

#[cfg(test)]
mod tests {
    use super::{CONFIG_FILE_SEEDS, config_file};

    #[test]
    fn a_file_is_refused_or_loads_from_its_dump() {
        crate::smoke(config_file, CONFIG_FILE_SEEDS, 20_000);
    }
}
