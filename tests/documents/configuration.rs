//! The part of `docs/configuration.md` that is made: every key, as the table has it.

use crate::facts;
use corerest_config::Key;

/// What stands behind this line in the page is made.
pub const MARK: &str = "<!-- Made from src/config/keys/table.rs by corerest-documents. -->\n";

/// Every key with its documentation, in Markdown.
#[must_use]
pub fn keys_in_markdown() -> String {
    facts::keys().map(entry).collect()
}

fn entry(key: &Key) -> String {
    let name = key.name;
    let mut facts = vec![facts::kind(key)];
    match (facts::default(key), key.sample) {
        (Some(value), _) => facts.push(format!("default `{value}`")),
        (None, "") => facts.push("no default".to_owned()),
        (None, sample) => facts.push(format!("no default; as in `{sample}`")),
    }
    facts.push(format!("`{}`", key.environment_name()));
    facts.extend(
        key.in_database_name()
            .map(|name| format!("in the database `{name}`")),
    );
    facts.extend(facts::older_name(key).map(|older| format!("also called `{older}`")));
    facts.push(
        match key.reloadable {
            true => "a reload changes it",
            false => "a restart changes it",
        }
        .to_owned(),
    );
    let ours = match facts::is_ours(key) {
        true => "**CoreREST's own.** ",
        false => "",
    };
    let (facts, doc) = (facts.join(" · "), in_markdown(key.doc));
    format!("\n### {name}\n\n{facts}\n\n{ours}{doc}\n")
}

/// The documentation is plain text, and some signs are more than that in Markdown.
fn in_markdown(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        if matches!(character, '*' | '_' | '<' | '[' | '`' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}
