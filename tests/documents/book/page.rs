//! A page, and the blocks of code in it.

use std::path::Path;

/// A Markdown file.
#[derive(Debug)]
pub(crate) struct Page {
    /// From the root of the repository.
    pub(crate) name: String,
    pub(crate) blocks: Vec<Block>,
}

/// A block of code.
#[derive(Debug)]
pub(crate) struct Block {
    /// `page:line`, for messages.
    pub(crate) place: String,
    pub(crate) language: String,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn read(root: &Path, name: &str) -> Page {
        let text = std::fs::read_to_string(root.join(name));
        let text = text.unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut blocks = Vec::new();
        let mut open: Option<Block> = None;
        for (index, line) in text.lines().enumerate() {
            match (&mut open, line.strip_prefix("```")) {
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(block), None) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                (None, Some(language)) => {
                    open = Some(Block {
                        place: format!("{name}:{}", index + 1),
                        language: language.to_owned(),
                        text: String::new(),
                    });
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{name}: a block is open at the end");
        Page {
            name: name.to_owned(),
            blocks,
        }
    }
}

impl Block {
    /// Its lines without comments, and without those that belong to the line before.
    pub(crate) fn commands(&self) -> Vec<&str> {
        let lines = self.text.lines();
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with(['#', ' ']));
        lines.collect()
    }
}
