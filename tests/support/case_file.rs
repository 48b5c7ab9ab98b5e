//! Case files: a request and its answer, as text that a reviewer reads without a manual.
//!
//! ```text
//! # What comes before the first title is for the reader.
//! ### the title, a sentence
//! GET /items?id=eq.2
//! Prefer: count=exact
//! ----
//! 206
//! Content-Range: 0-0/2
//! Vary: *
//! !Location
//!
//! [{"id":2}]
//! ```
//! Above the line is the request, with an empty line before a body if it has one. Below it is
//! the status (with its reason, if that matters), the headers that matter (`*` for any value, `!`
//! for absent ones), and behind an empty line the body (`*` for any). With `UPDATE=1` the
//! expectations are replaced by what came; the diff is for the reviewer to judge.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The line between what is asked and what is expected.
const DIVIDER: &str = "----";

/// A file of cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseFile {
    /// Where it is.
    pub path: PathBuf,
    introduction: String,
    /// Its cases.
    pub cases: Vec<Case>,
}

/// One case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Case {
    /// A sentence.
    pub title: String,
    /// The number of the line it begins at.
    pub line: usize,
    /// What is asked.
    pub question: Section,
    /// What is expected.
    pub expected: Section,
}

/// What stands above the divider, or below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// The request line, or the status.
    pub first: String,
    /// Headers, as lines.
    pub headers: Vec<String>,
    /// What follows the first empty line.
    pub body: String,
}

impl CaseFile {
    /// All case files in a folder, by name.
    ///
    /// # Panics
    /// If there are none, or one is malformed.
    pub fn load_all(folder: &Path) -> Vec<CaseFile> {
        let entries = std::fs::read_dir(folder).unwrap_or_else(|_| panic!("{}", folder.display()));
        let paths = entries.flatten().map(|entry| entry.path());
        let mut paths: Vec<PathBuf> = paths
            .filter(|path| path.extension().is_some_and(|it| it == "case"))
            .collect();
        paths.sort();
        assert!(!paths.is_empty(), "no cases in {}", folder.display());
        paths.into_iter().map(CaseFile::load).collect()
    }

    fn load(path: PathBuf) -> CaseFile {
        let text = std::fs::read_to_string(&path).expect("it was just listed");
        let mut file = CaseFile {
            path,
            introduction: String::new(),
            cases: Vec::new(),
        };
        let mut blocks: Vec<(usize, Vec<&str>)> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            match (line.strip_prefix("### "), blocks.last_mut()) {
                (Some(title), _) => blocks.push((index + 1, vec![title])),
                (None, Some((_, lines))) => lines.push(line),
                (None, None) => writeln!(file.introduction, "{line}").expect("memory is enough"),
            }
        }
        for (line, lines) in blocks {
            let place = format!("{}:{line}", file.path.display());
            file.cases.push(Case::parse(line, &lines, &place));
        }
        file
    }

    /// Writes the file again.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn save(&self) {
        let cases: Vec<String> = self.cases.iter().map(Case::text).collect();
        let text = format!("{}{}", self.introduction, cases.join("\n"));
        std::fs::write(&self.path, text).expect("it could be read");
    }
}

impl Case {
    #[track_caller]
    fn parse(line: usize, lines: &[&str], place: &str) -> Case {
        let divider = lines.iter().position(|line| *line == DIVIDER);
        let divider = divider.unwrap_or_else(|| panic!("{place}: no {DIVIDER}"));
        Case {
            title: lines[0].to_owned(),
            line,
            question: Section::parse(&lines[1..divider]),
            expected: Section::parse(&lines[divider + 1..]),
        }
    }

    fn text(&self) -> String {
        let (question, expected) = (self.question.text(), self.expected.text());
        format!("### {}\n{question}{DIVIDER}\n{expected}", self.title)
    }
}

impl Section {
    fn parse(lines: &[&str]) -> Section {
        let empty = lines
            .iter()
            .position(|line| line.is_empty())
            .unwrap_or(lines.len());
        let body = lines.get(empty + 1..).unwrap_or_default().join("\n");
        let head = &lines[..empty];
        Section {
            first: head.first().copied().unwrap_or_default().to_owned(),
            headers: head.iter().skip(1).map(|&line| line.to_owned()).collect(),
            body: body.trim_end().to_owned(),
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for line in std::iter::once(&self.first).chain(&self.headers) {
            text.push_str(line);
            text.push('\n');
        }
        if !self.body.is_empty() {
            text.push('\n');
            text.push_str(&self.body);
            text.push('\n');
        }
        text
    }
}

/// Whether expectations are to be rewritten.
pub fn is_update() -> bool {
    std::env::var_os("UPDATE").is_some_and(|value| value == "1")
}
