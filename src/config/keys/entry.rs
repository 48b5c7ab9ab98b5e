//! What the entries of the table are made with.
//!
//! A macro for each type of field, so that an entry names its field once; and the functions that
//! turn text into values and values into the text of the dump. A rule for one key only (what a
//! schema may be called) is a function here, next to the type that it makes.

use std::fmt::Display;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Aliases, Apply, Key, Kind, Origin};
use crate::config::{Config, OpenApiVersion};
use crate::issuers::{KeysUrl, check_number};
use crate::secret::Secret;
use crate::uri;

/// A key for one optional text.
macro_rules! text {
    ($name:literal, $field:ident, $doc:literal) => {
        parsed(
            $name,
            Kind::Text,
            $doc,
            |c, text| put(&mut c.$field, Ok(Some(text))),
            |c| quoted_or_empty(c.$field.as_ref()),
        )
    };
}

/// A key for one text that always has a value.
macro_rules! word {
    ($name:literal, $field:ident, $doc:literal) => {
        parsed(
            $name,
            Kind::Text,
            $doc,
            |c, text| put(&mut c.$field, Ok(text)),
            |c| quoted(&c.$field),
        )
    };
}

/// A key for an optional function.
macro_rules! function {
    ($name:literal, $field:ident, $doc:literal) => {
        parsed(
            $name,
            Kind::Function,
            $doc,
            |c, text| put(&mut c.$field, Ok(Some(FunctionName::parse(&text)))),
            |c| quoted_or_empty(c.$field.as_ref()),
        )
    };
}

/// A key for a list of names.
macro_rules! list {
    ($name:literal, $field:ident, $doc:literal) => {
        parsed(
            $name,
            Kind::List,
            $doc,
            |c, text| put(&mut c.$field, Ok(split_list(&text))),
            |c| quoted(c.$field.join(",")),
        )
    };
}

/// A key for one word of a closed set.
macro_rules! choice {
    ($name:literal, $field:ident, $type:ty, $doc:literal) => {
        parsed(
            $name,
            Kind::OneOf(<$type>::WORDS),
            $doc,
            |c, text| put(&mut c.$field, <$type>::parse(&text)),
            |c| quoted(c.$field),
        )
    };
}

/// A key for yes or no.
macro_rules! boolean {
    ($name:literal, $field:ident, $doc:literal) => {
        Key {
            kind: Kind::Boolean,
            apply: Apply::Boolean(|c, boolean| c.$field = boolean),
            ..parsed(
                $name,
                Kind::Boolean,
                $doc,
                |_, _| Ok(()),
                |c| bare(c.$field),
            )
        }
    };
}

/// A key for a duration.
macro_rules! seconds {
    ($name:literal, $field:ident, $min:literal, $doc:literal) => {
        integer(
            $name,
            $min,
            i64::MAX,
            $doc,
            |c, n| c.$field = duration(n),
            |c| bare(c.$field.as_secs()),
        )
    };
}

/// A key of PostgREST's own tests.
macro_rules! milliseconds {
    ($name:literal, $field:ident, $doc:literal) => {
        Key {
            origin: Origin::PostgRestTests,
            ..integer(
                $name,
                0,
                i64::MAX,
                $doc,
                |c, n| c.$field = Some(n),
                |c| bare_or_empty(c.$field),
            )
        }
    };
}

pub(super) const fn parsed(
    name: &'static str,
    kind: Kind,
    doc: &'static str,
    set: fn(&mut Config, String) -> Result<(), String>,
    show: fn(&Config) -> String,
) -> Key {
    Key {
        name,
        aliases: Aliases::None,
        kind,
        reloadable: false,
        in_database: false,
        origin: Origin::PostgRest,
        doc,
        sample: "",
        apply: Apply::Text(set),
        show,
    }
}

pub(super) const fn integer(
    name: &'static str,
    min: i64,
    max: i64,
    doc: &'static str,
    set: fn(&mut Config, i64),
    show: fn(&Config) -> String,
) -> Key {
    let apply = Apply::Integer { min, max, set };
    Key {
        apply,
        ..parsed(name, Kind::Integer, doc, |_, _| Ok(()), show)
    }
}

impl Key {
    pub(super) const fn sample(self, sample: &'static str) -> Key {
        Key { sample, ..self }
    }

    pub(super) const fn alias(self, aliases: Aliases) -> Key {
        Key { aliases, ..self }
    }

    pub(super) const fn reloadable(self) -> Key {
        Key {
            reloadable: true,
            ..self
        }
    }

    pub(super) const fn in_database(self) -> Key {
        Key {
            in_database: true,
            ..self
        }
    }

    pub(super) const fn own(self) -> Key {
        Key {
            origin: Origin::CoreRest,
            ..self
        }
    }
}

pub(super) fn put<T>(field: &mut T, value: Result<T, String>) -> Result<(), String> {
    *field = value?;
    Ok(())
}

/// A number that the bounds of its key keep above zero.
pub(super) fn count(n: i64) -> usize {
    usize::try_from(n).unwrap_or(0)
}

/// Seconds, at most 68 years, because a deadline is a sum of a clock and a duration and must not
/// overflow.
pub(super) fn duration(seconds: i64) -> Duration {
    Duration::from_secs(u64::from(
        i32::try_from(seconds).unwrap_or(i32::MAX).unsigned_abs(),
    ))
}

/// Items between commas. White space around them does not count.
pub(super) fn split_list(text: &str) -> Vec<String> {
    text.split(',').map(|item| item.trim().to_owned()).collect()
}

pub(super) fn parse_schemas(text: &str) -> Result<Vec<String>, String> {
    let schemas = split_list(text);
    // The catalogs of PostgreSQL would show every table and function of the database.
    for refused in ["pg_catalog", "information_schema"] {
        if schemas.iter().any(|schema| schema == refused) {
            return Err(format!("db-schemas does not allow schema: '{refused}'"));
        }
    }
    Ok(schemas)
}

pub(super) fn parse_keys_urls(text: &str) -> Result<Vec<KeysUrl>, String> {
    let urls = text.split(',').map(str::trim).filter(|url| !url.is_empty());
    let urls: Result<Vec<KeysUrl>, String> = urls.map(KeysUrl::parse).collect();
    let checked = urls.and_then(|urls| check_number(urls.len()).map(|()| urls));
    checked.map_err(|why| format!("Invalid jwt-jwks-uri: {why}"))
}

pub(super) fn parse_proxy_uri(text: String) -> Result<Option<String>, String> {
    if !uri::is_proxy_uri(&text) {
        let example = "https://example.com:8443/basePath";
        return Err(format!("Malformed proxy uri, a correct example: {example}"));
    }
    Ok(Some(text))
}

/// A version looks like a number, and is one without its quotes, which reaches a text with the name
/// of its type in front.
pub(super) fn parse_openapi_version(text: &str) -> Result<OpenApiVersion, String> {
    OpenApiVersion::parse(text.strip_prefix("Number ").unwrap_or(text))
}

/// Text as the dump quotes it.
///
/// Parity: only quotes are escaped (Config.hs, toText). A text with a backslash or a dollar sign
/// is printed as it is, although a file would need `\\` and `$$` for it.
pub(crate) fn quoted(value: impl Display) -> String {
    format!("\"{}\"", value.to_string().replace('"', "\\\""))
}

pub(super) fn quoted_or_empty(value: Option<impl Display>) -> String {
    value.map_or_else(|| quoted(""), quoted)
}

/// Connection strings in the form that is read again.
pub(super) fn joined(uris: &[Secret<String>]) -> String {
    let uris: Vec<&str> = uris.iter().map(|uri| uri.expose().as_str()).collect();
    uris.join(" ")
}

pub(super) fn bare(value: impl Display) -> String {
    value.to_string()
}

pub(super) fn bare_or_empty(value: Option<impl Display>) -> String {
    value.map_or_else(|| quoted(""), bare)
}

/// A text as a file needs it, except for the quotes, so that the dump can be loaded again.
pub(super) fn in_file(value: impl Display) -> String {
    value.to_string().replace('\\', "\\\\").replace('$', "$$")
}

/// The secret as it was configured, for `--dump-config` only.
pub(super) fn show_secret(config: &Config) -> String {
    let secret = config
        .jwt_secret
        .as_ref()
        .map_or(&[][..], |secret| secret.expose());
    match config.jwt_secret_is_base64 {
        true => quoted(STANDARD.encode(secret)),
        false => quoted(String::from_utf8_lossy(secret)),
    }
}
