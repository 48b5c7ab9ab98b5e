//! What there is to say of a configuration key beside its documentation, in words.

use corerest_config::{Aliases, KEYS, Key, Kind, Origin};

/// The keys that users set: all but those of PostgREST's own tests.
pub(crate) fn keys() -> impl Iterator<Item = &'static Key> {
    KEYS.iter()
        .filter(|key| key.origin != Origin::PostgRestTests)
}

/// What a value looks like.
pub(crate) fn kind(key: &Key) -> String {
    match key.kind {
        Kind::Text => "text".to_owned(),
        Kind::List => "a list of names, with commas between them".to_owned(),
        Kind::Function => "the name of a function".to_owned(),
        Kind::Octal => "an octal number, in quotes".to_owned(),
        Kind::OneOf(words) => format!("one of {}", words.join(", ")),
        Kind::Integer => "a whole number".to_owned(),
        Kind::Boolean => "true or false".to_owned(),
        Kind::Prefix => "text, for each name".to_owned(),
    }
}

/// The default as it is written in a file, if there is one.
pub(crate) fn default(key: &Key) -> Option<String> {
    Some(key.default_value()).filter(|value| value != "\"\"")
}

/// An older name that still counts.
pub(crate) fn older_name(key: &Key) -> Option<&'static str> {
    match key.aliases {
        Aliases::None => None,
        Aliases::After(name) | Aliases::Before(name) => Some(name),
    }
}

/// Whether PostgREST does not know it.
pub(crate) fn is_ours(key: &Key) -> bool {
    key.origin == Origin::CoreRest
}
