//! Links that lead nowhere: in the pages as they are written, and in the book that is made of them.
//!
//! Other people's pages are not asked. Links to our own repository are looked up in it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Where files of the repository are on the web.
const REPOSITORY: &str = "https://github.com/corerest/corerest/blob/main/";

/// The links of the book's pages that lead nowhere, as `page: link`.
///
/// # Errors
/// If a page cannot be read.
pub fn broken_in_book(book: &Path, repository: &Path) -> std::io::Result<Vec<String>> {
    let mut broken = Vec::new();
    for entry in std::fs::read_dir(book)? {
        let page = entry?.path();
        let name = page.file_name().unwrap_or_default().to_string_lossy();
        // The one has all pages once more, and the other may be shown anywhere.
        let is_odd = name == "print.html" || name == "404.html";
        if page.extension().is_none_or(|it| it != "html") || is_odd {
            continue;
        }
        let text = std::fs::read_to_string(&page)?;
        let links = [attributes(&text, "href"), attributes(&text, "src")];
        for link in links.into_iter().flatten() {
            if !leads_somewhere(&link, &page, repository) {
                broken.push(format!("{name}: {link}"));
            }
        }
    }
    Ok(broken)
}

/// The links of a Markdown file that lead nowhere.
///
/// # Errors
/// If it cannot be read.
pub fn broken_in_markdown(file: &Path, repository: &Path) -> std::io::Result<Vec<String>> {
    let text = std::fs::read_to_string(file)?;
    let targets = text.split("](").skip(1);
    let targets = targets.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()));
    let broken = targets.filter(|link| !leads_somewhere(link, file, repository));
    let name = file.strip_prefix(repository).unwrap_or(file).display();
    Ok(broken.map(|link| format!("{name}: {link}")).collect())
}

/// The sources that a Markdown file names (`` `server/main.rs` ``, by the end of their paths) and
/// that the repository does not have.
///
/// # Errors
/// If a file or a folder cannot be read.
pub fn missing_sources(file: &Path, repository: &Path) -> std::io::Result<Vec<String>> {
    let mut sources = Vec::new();
    for folder in ["src", "tests", "perf"] {
        collect_sources(&repository.join(folder), &mut sources)?;
    }
    let text = std::fs::read_to_string(file)?;
    let named = text.split('`').skip(1).step_by(2);
    let named = named.filter(|name| name.ends_with(".rs") && !name.contains(['*', '{', ' ']));
    let missing = named.filter(|name| !sources.iter().any(|source| source.ends_with(name)));
    let page = file.strip_prefix(repository).unwrap_or(file).display();
    Ok(missing.map(|name| format!("{page}: {name}")).collect())
}

fn collect_sources(folder: &Path, sources: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect_sources(&path, sources)?;
        } else if path.extension().is_some_and(|it| it == "rs") {
            sources.push(path);
        }
    }
    Ok(())
}

fn attributes(html: &str, name: &str) -> Vec<String> {
    let start = format!(" {name}=\"");
    let values = html.split(&start).skip(1);
    let values = values.filter_map(|rest| Some(rest.split_once('"')?.0));
    values.map(|value| value.replace("&amp;", "&")).collect()
}

fn leads_somewhere(link: &str, from: &Path, repository: &Path) -> bool {
    let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
    let file: PathBuf = match target.strip_prefix(REPOSITORY) {
        Some(path) => repository.join(path),
        None if target.contains("://") || target.starts_with("mailto:") => return true,
        None if target.is_empty() => from.to_owned(),
        None => from.parent().unwrap_or(from).join(target),
    };
    if anchor.is_empty() {
        return file.exists();
    }
    match std::fs::read_to_string(&file) {
        Ok(text) if file.extension().is_some_and(|it| it == "html") => {
            text.contains(&format!("id=\"{anchor}\""))
        }
        Ok(text) => headings(&text).contains(anchor),
        Err(_) => false,
    }
}

/// What headings are called in links, by mdBook and by GitHub.
fn headings(markdown: &str) -> BTreeSet<String> {
    let mut in_code = false;
    let mut names = BTreeSet::new();
    for line in markdown.lines() {
        in_code ^= line.starts_with("```");
        if let Some(title) = line.strip_prefix('#').filter(|_| !in_code) {
            let title = title.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter_map(|character| match character {
                ' ' => Some('-'),
                '-' | '_' => Some(character),
                _ => Some(character).filter(|it| it.is_alphanumeric()),
            });
            names.insert(kept.collect());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_files_and_headings_are_looked_up() {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .expect("it is in the repository");
        let from = repository.join("docs/moving.md");
        for (link, expected) in [
            ("differences.md", true),
            ("differences.md#going-back", true),
            ("#2-change-one-word", true),
            ("../README.md", true),
            ("https://example.com/nowhere", true),
            (&format!("{REPOSITORY}SECURITY.md#hardening"), true),
            ("difference.md", false),
            ("differences.md#going-forth", false),
            ("#3-change-one-word", false),
            (&format!("{REPOSITORY}SECURITY.md#softening"), false),
        ] {
            let leads = leads_somewhere(link, &from, repository);
            assert_eq!(leads, expected, "{link}");
        }
    }
}
