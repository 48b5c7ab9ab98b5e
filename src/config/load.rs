//! From sources to a [`Config`].
//!
//! A key takes its value from the database, or else the environment, or else the file; a value
//! that is set there but empty hides the ones behind it. The table of keys says what to do with
//! a value. What concerns more than one key, or needs another file, happens afterwards, here.

#[cfg(test)]
mod tests;
mod unknown;

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::config::Config;
use crate::error::ConfigError;
use crate::file;
use crate::issuers::Issuers;
use crate::keys::{Apply, KEYS, Key, environment_name};
use crate::replicas::split_uris;
use crate::secret::Secret;
use crate::sources::Sources;
use crate::value::Value;

/// HS256 needs a key as long as its hash (RFC 7518, section 3.2).
const SECRET_BYTES_MIN: usize = 32;

/// What loading gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Lines for the log: about values that were ignored, keys that have no effect yet, and old
    /// syntax.
    pub warnings: Vec<String>,
}

impl Config {
    /// Fills a configuration from the sources.
    ///
    /// # Errors
    /// If a file is unreadable or breaks its grammar, or a key has a value that it cannot have.
    pub fn load(sources: Sources<'_>) -> Result<Loaded, ConfigError> {
        let file = file::evaluate(&sources)?;
        let mut loading = Loading {
            sources,
            file,
            config: Config::default(),
            warnings: Vec::new(),
        };
        for key in KEYS {
            loading.load_key(key).map_err(ConfigError::Value)?;
        }
        loading.finish_admin_server().map_err(ConfigError::Value)?;
        loading.finish_db_uri()?;
        loading.finish_replicas()?;
        loading.finish_jwt_secret()?;
        loading.finish_jwt_issuers()?;
        loading.check_jwks().map_err(ConfigError::Value)?;
        loading.warn();
        Ok(Loaded {
            config: loading.config,
            warnings: loading.warnings,
        })
    }
}

struct Loading<'a> {
    sources: Sources<'a>,
    file: file::Evaluated,
    config: Config,
    warnings: Vec<String>,
}

impl Loading<'_> {
    /// Gives a key its value, if one of its names has one that can be used.
    fn load_key(&mut self, key: &Key) -> Result<(), String> {
        if let Apply::AppSettings = key.apply {
            return self.load_app_settings();
        }
        for name in key.names() {
            let Some(value) = self.value(key, name) else {
                continue;
            };
            if matches!(&*value, Value::Text(text) if text.contains('\0')) {
                return Err(format!("Invalid {name}: it contains a NUL character"));
            }
            let value = value.into_owned();
            if self.apply(key, name, &value)? {
                break;
            }
            if value != Value::Text(String::new()) {
                let kind = if let Apply::Boolean(_) = key.apply {
                    "a boolean"
                } else {
                    "an integer"
                };
                self.warnings.push(format!(
                    "The value of the config key {name} is not {kind}, so it is ignored"
                ));
            }
        }
        Ok(())
    }

    /// Whether the value could be used. Text that is empty, or not the number or the boolean
    /// that is needed, cannot, and counts as not set.
    fn apply(&mut self, key: &Key, name: &str, value: &Value) -> Result<bool, String> {
        let text = || match value.text() {
            Some(text) => Ok(text.into_owned()),
            None => Err(format!("Invalid {name}: it must be a string, not a list")),
        };
        match key.apply {
            Apply::Text(set) => match text()? {
                text if text.is_empty() => return Ok(false),
                text => set(&mut self.config, text)?,
            },
            Apply::TextOrEmpty(set) => set(&mut self.config, text()?),
            Apply::Integer { min, max, set } => match value.integer() {
                Some(integer) if (min..=max).contains(&integer) => set(&mut self.config, integer),
                Some(_) => return Err(out_of_bounds(name, min, max)),
                None => return Ok(false),
            },
            Apply::Boolean(set) => match value.boolean() {
                Some(boolean) => set(&mut self.config, boolean),
                None => return Ok(false),
            },
            Apply::AppSettings => unreachable!("load_key took the other way"),
        }
        Ok(true)
    }

    /// The value under one name, from the source that counts.
    fn value(&self, key: &Key, name: &str) -> Option<Cow<'_, Value>> {
        let from_text = |text: &str| Cow::Owned(Value::Text(text.to_owned()));
        let in_database_name = key.in_database_name().filter(|_| name == key.name);
        let in_database = in_database_name.and_then(|in_database_name| {
            self.sources
                .database
                .iter()
                .find(|(known, _)| *known == in_database_name)
        });
        if let Some((_, text)) = in_database {
            return Some(from_text(text));
        }
        match self.sources.environment_variable(&environment_name(name)) {
            Some(text) => Some(from_text(text)),
            None => self.file.bindings.get(name).map(Cow::Borrowed),
        }
    }

    /// Parity: in the file the prefix has one more word behind it, so `app.settings.a.b` is not
    /// seen. In the environment, the rest of the variable is the name, in the case it has.
    fn load_app_settings(&mut self) -> Result<(), String> {
        let mut app_settings = BTreeMap::new();
        for (name, value) in &self.file.bindings {
            if name
                .strip_prefix("app.settings.")
                .is_some_and(|word| !word.contains('.'))
            {
                let refusal = || format!("Invalid {name}: it must be a string, not a list");
                let text = value.text().ok_or_else(refusal)?;
                app_settings.insert(name.clone(), text.into_owned());
            }
        }
        for (name, value) in self.sources.environment {
            if let Some(word) = name.strip_prefix("PGRST_APP_SETTINGS_") {
                app_settings.insert(format!("app.settings.{word}"), value.clone());
            }
        }
        if let Some((name, _)) = app_settings.iter().find(|(_, text)| text.contains('\0')) {
            return Err(format!("Invalid {name}: it contains a NUL character"));
        }
        self.config.app_settings = app_settings.into_iter().collect();
        Ok(())
    }

    fn finish_admin_server(&mut self) -> Result<(), String> {
        let Config {
            server_host,
            server_port,
            admin_server_port,
            ..
        } = &self.config;
        if *admin_server_port == Some(*server_port) {
            return Err("admin-server-port cannot be the same as server-port".to_owned());
        }
        if !self.is_set("admin-server-host") {
            self.config.admin_server_host = server_host.clone();
        }
        Ok(())
    }

    fn is_set(&self, name: &str) -> bool {
        let mut keys = KEYS.iter().filter(|key| key.name == name);
        keys.any(|key| {
            self.value(key, name)
                .is_some_and(|value| *value != Value::Text(String::new()))
        })
    }

    fn finish_db_uri(&mut self) -> Result<(), ConfigError> {
        if let Some(db_uri) = self.sources.db_uri {
            self.config.db_uri = db_uri.clone();
        } else if let Some(path) = self.config.db_uri.expose().strip_prefix('@') {
            let text = self.read_text("db-uri", path)?;
            self.config.db_uri = Secret::new(text.trim().to_owned());
        }
        Ok(())
    }

    fn finish_replicas(&mut self) -> Result<(), ConfigError> {
        if let [only] = &*self.config.db_uri_read_replicas
            && let Some(path) = only.expose().strip_prefix('@')
        {
            let text = self.read_text("db-uri-read-replicas", path)?;
            self.config.db_uri_read_replicas = split_uris(&text);
        }
        Ok(())
    }

    fn read_text(&self, key: &'static str, path: &str) -> Result<String, ConfigError> {
        let bytes = self.read_file(key, path)?;
        String::from_utf8(bytes).map_err(|_| ConfigError::File {
            key,
            path: path.to_owned(),
            reason: "it is not UTF-8".to_owned(),
        })
    }

    fn finish_jwt_secret(&mut self) -> Result<(), ConfigError> {
        let Some(secret) = &self.config.jwt_secret else {
            return Ok(());
        };
        let mut bytes = secret.expose().clone();
        if let Some(path) = bytes.strip_prefix(b"@") {
            let path = String::from_utf8_lossy(path).into_owned();
            bytes = self.read_file("jwt-secret", &path)?;
            // Exactly one line end: whoever wants the secret to end in one writes two.
            if bytes.last() == Some(&b'\n') {
                bytes.pop();
            }
        }
        if self.config.jwt_secret_is_base64 {
            bytes = decode_base64(&bytes).map_err(ConfigError::Value)?;
        }
        if bytes.len() < SECRET_BYTES_MIN && !looks_like_jwk(&bytes) {
            let message = "The JWT secret must be at least 32 characters long.";
            return Err(ConfigError::Value(message.to_owned()));
        }
        self.config.jwt_secret = Some(Secret::new(bytes));
        Ok(())
    }

    fn finish_jwt_issuers(&mut self) -> Result<(), ConfigError> {
        let Some(path) = self.config.jwt_issuers.file() else {
            return Ok(());
        };
        let bytes = self.read_file("jwt-issuers", path)?;
        let issuers = match str::from_utf8(&bytes) {
            Ok(text) if !text.starts_with('@') => Issuers::parse(text),
            Ok(_) => Err("it names another file".to_owned()),
            Err(_) => Err("it is not UTF-8".to_owned()),
        };
        self.config.jwt_issuers = issuers.map_err(|reason| ConfigError::File {
            key: "jwt-issuers",
            path: path.to_owned(),
            reason,
        })?;
        Ok(())
    }

    /// Keys that nobody on the way can have written, and of which it is known whose they are.
    fn check_jwks(&self) -> Result<(), String> {
        let Config {
            jwt_jwks_uri,
            jwt_issuers,
            jwt_jwks_allow_http,
            ..
        } = &self.config;
        if !jwt_jwks_uri.is_empty() && !jwt_issuers.list().is_empty() {
            let instead = "give the issuer a \"jwks_uri\"";
            return Err(format!(
                "jwt-jwks-uri and jwt-issuers cannot be set both: {instead}"
            ));
        }
        for url in jwt_jwks_uri {
            let checked = url.check_way(*jwt_jwks_allow_http);
            checked.map_err(|why| format!("Invalid jwt-jwks-uri: {why}"))?;
        }
        for issuer in jwt_issuers.list() {
            let url = issuer.url_asked();
            let checked = url.and_then(|url| url.check_way(*jwt_jwks_allow_http));
            checked.map_err(|why| format!("Invalid jwt-issuers: {why}"))?;
        }
        Ok(())
    }

    fn read_file(&self, key: &'static str, path: &str) -> Result<Vec<u8>, ConfigError> {
        (self.sources.read_file)(path).map_err(|reason| ConfigError::File {
            key,
            path: path.to_owned(),
            reason,
        })
    }

    /// Says what has no effect, or will stop having one.
    fn warn(&mut self) {
        let role_claim_key = &self.config.jwt_role_claim_key;
        let deprecated = role_claim_key.deprecation_warning().into_iter().flatten();
        self.warnings.extend(deprecated);
        let unknown = unknown::warnings(&self.file, self.sources.environment);
        self.warnings.extend(unknown);
    }
}

fn out_of_bounds(name: &str, min: i64, max: i64) -> String {
    if max == i64::MAX {
        return format!("Invalid {name}: needs to be at least {min}");
    }
    format!("Invalid {name}: needs to be between {min} and {max}")
}

/// Decodes base64, also in its alphabet for URLs, and with `.` for padding.
fn decode_base64(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let text = String::from_utf8_lossy(bytes);
    let standard = text
        .trim()
        .replace('-', "+")
        .replace('_', "/")
        .replace('.', "=");
    STANDARD
        .decode(standard)
        .map_err(|error| format!("The JWT secret is not base64: {error}"))
}

/// Whether a secret has the outer shape of a JSON Web Key or of a set of them, which may be
/// short. Whether it is one is decided where keys are read.
fn looks_like_jwk(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim();
    let is_object = text.starts_with('{') && text.ends_with('}');
    is_object && (text.contains("\"kty\"") || text.contains("\"keys\""))
}
