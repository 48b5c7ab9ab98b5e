//! Names that are no key: mistyped, or left from another version. PostgREST says nothing of them.

use crate::file;
use crate::keys::{Apply, KEYS, environment_name};

/// How like a key a name must be to be taken for it, from 0 to 1.
const ALIKE_MIN: f64 = 0.8;

/// The beginning of the environment variables that are ours, and of those that set settings.
const OURS: &str = "PGRST_";
const OF_SETTINGS: &str = "PGRST_APP_SETTINGS_";

/// What the log should say of them. A name in the file that stands in another value, as `$(name)`,
/// is no mistake.
pub(super) fn warnings(file: &file::Evaluated, environment: &[(String, String)]) -> Vec<String> {
    let file::Evaluated { bindings, used } = file;
    let in_file = bindings
        .keys()
        .filter(|name| !is_key(name) && !used.contains(*name))
        .map(|name| (name.clone(), nearest(name, |key| key.to_owned())));
    let names: Vec<String> = names().map(environment_name).collect();
    let variables = environment.iter();
    let in_environment = variables
        .map(|(name, _)| name)
        .filter(|name| name.starts_with(OURS) && !name.starts_with(OF_SETTINGS))
        .filter(|name| !names.contains(name))
        .map(|name| (name.clone(), nearest(name, environment_name)));
    in_file
        .chain(in_environment)
        .map(|(name, meant)| match meant {
            Some(meant) => format!("There is no config key {name}; did you mean {meant}?"),
            None => format!("There is no config key {name}, so it is ignored"),
        })
        .collect()
}

fn names() -> impl Iterator<Item = &'static str> {
    KEYS.iter()
        .filter(|key| !matches!(key.apply, Apply::AppSettings))
        .flat_map(|key| key.names())
}

fn is_key(name: &str) -> bool {
    name.starts_with("app.settings.") || names().any(|known| known == name)
}

fn nearest(name: &str, written: impl Fn(&str) -> String) -> Option<String> {
    names()
        .map(|known| {
            let known = written(known);
            (strsim::normalized_damerau_levenshtein(name, &known), known)
        })
        .filter(|(alike, _)| *alike >= ALIKE_MIN)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}
