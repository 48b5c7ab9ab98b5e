//! `--example`: a configuration file that explains itself.
//!
//! It is made from the table of keys, so it cannot forget one. Every key stands there with its
//! documentation, commented out, at its default or at a sample; used as it is, the file changes
//! nothing.

use crate::keys::{KEYS, Key, Kind, Origin};

/// Columns of the documentation, with its `## `.
const WIDTH: usize = 88;

/// The commented file.
#[must_use]
pub fn example() -> String {
    let keys = KEYS
        .iter()
        .filter(|key| key.origin != Origin::PostgRestTests);
    keys.map(example_of).collect::<Vec<_>>().join("\n")
}

fn example_of(key: &Key) -> String {
    let mut doc = key.doc.to_owned();
    if let Kind::OneOf(words) = key.kind {
        doc.push_str(&format!(" One of: {}.", words.join(", ")));
    }
    let name = key.name.replace('*', "name");
    let value = match key.sample {
        "" => key.default_value(),
        sample => sample.to_owned(),
    };
    let doc: String = wrap(&doc)
        .iter()
        .map(|line| format!("## {line}\n"))
        .collect();
    format!("{doc}# {name} = {value}\n")
}

fn wrap(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() + "##  ".len() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::sources::{File, Sources};

    fn load(text: &str) -> Config {
        let file = Some(File {
            path: "example",
            text,
        });
        Config::load(Sources {
            file,
            ..Sources::default()
        })
        .expect("the example is right")
        .config
    }

    #[test]
    fn the_example_used_as_it_is_changes_nothing() {
        assert_eq!(load(&example()), Config::default());
    }

    #[test]
    fn every_line_of_the_example_can_be_commented_in() {
        let example = example();
        let lines: Vec<&str> = example
            .lines()
            .filter_map(|line| line.strip_prefix("# "))
            .collect();
        let config = load(&lines.join("\n"));
        assert_eq!(lines.len(), KEYS.len() - 2);
        assert_eq!(config.db_anon_role.as_deref(), Some("anon"));
        assert_eq!(
            config.app_settings,
            [("app.settings.name".to_owned(), "a value".to_owned())]
        );
    }

    #[test]
    fn every_key_in_the_example_is_documented_within_the_width() {
        for entry in example().split("\n\n") {
            assert!(entry.starts_with("## "), "{entry}");
        }
        assert!(example().lines().all(|line| line.len() <= 130));
        assert!(
            example()
                .lines()
                .all(|line| !line.starts_with("##") || line.len() <= WIDTH)
        );
    }
}
