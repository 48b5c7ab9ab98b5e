//! The documents that are made and not written: the manual pages, the completions of shells, and
//! the page of all configuration keys.
//!
//! They come from the table of keys (`src/config/keys`) and from the command line
//! (`src/server/cli.rs`), which say everything once, so they cannot lie. `cargo run -p
//! corerest-documents -- FOLDER` writes those that are installed; the page of keys is a part of
//! the book, and a test compares it (`UPDATE=1` writes it).

mod command_line;
mod completions;
mod configuration;
mod facts;
mod manual;
#[cfg(test)]
mod tests;

use std::time::SystemTime;

pub use configuration::{MARK, keys_in_markdown};

/// A file that is installed.
#[derive(Debug)]
pub struct Document {
    /// The name that whoever reads it expects.
    pub name: &'static str,
    /// What is in it.
    pub text: String,
}

/// All files that are installed, as of a moment: manual pages have a date.
#[must_use]
pub fn documents(now: SystemTime) -> Vec<Document> {
    let date = time::OffsetDateTime::from(now).date().to_string();
    [
        ("corerest.1", manual::program(&date)),
        ("corerest.conf.5", manual::configuration_file(&date)),
        ("corerest.bash", completions::bash()),
        ("_corerest", completions::zsh()),
        ("corerest.fish", completions::fish()),
    ]
    .map(|(name, text)| Document { name, text })
    .into()
}
