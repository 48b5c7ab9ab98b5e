//! Tells what came of the faults: lines on the screen, and a table in Markdown.

use crate::trial::Row;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

/// What the file begins with.
const INTRODUCTION: &str = "\
# What came of the faults

Written by `scripts/faults`; [README.md](../README.md) says what is done. Eight clients read, insert
and call, each write with an id of its own, which is looked up in the end.

- *Lost*: a success whose row is not there. *Twice*: a row that is there more than once.
  *Definite-but-done*: an error that did not say that nobody knows, and the row is there for all
  that.
- *Unknown*: an error that did say so, or no answer, and how many of those were done.
- *First good* and *last error* count from the end of the fault; */ready* is for how long it and the
  requests said different things. All times are the worst of all trials.
- An empty last column is a row that kept its limits.

";

const HEAD: &str = "\
| fault | trials | requests | errors | unknown (done) | lost | twice | definite-but-done \
| first good s | last error s | longest s | /ready s | |
|---|---|---|---|---|---|---|---|---|---|---|---|---|
";

/// A line of the table.
pub fn line(row: &Row) -> String {
    if let Some(why) = &row.skipped {
        return format!("| {} | skipped: {why} | | | | | | | | | | | |", row.name);
    }
    let audit = &row.audit;
    let errors = audit.errors.iter();
    let errors: Vec<String> = errors
        .map(|(kind, count)| format!("{kind}: {count}"))
        .collect();
    let errors = match errors.is_empty() {
        true => "none".to_owned(),
        false => errors.join(", "),
    };
    let times = &row.times;
    format!(
        "| {} | {} | {} | {errors} | {} ({}) | {} | {} | {} | {:.3} | {:.2} | {:.2} | {:.2} | {} |",
        row.name,
        row.trials,
        audit.requests,
        audit.unknown,
        audit.unknown_done,
        audit.lost,
        audit.twice,
        audit.definite_but_done,
        times.first_good,
        times.last_error,
        times.longest,
        times.ready,
        match row.has_passed() {
            true => "".to_owned(),
            false => format!(
                "**FAILED:** {}",
                row.failures.join("; ").replace(['\n', '|'], " ")
            ),
        }
    )
}

/// Appends a section to a file, and begins it if it is not there.
///
/// # Errors
/// If the file cannot be written.
pub fn append(path: &Path, section: &str) -> std::io::Result<()> {
    let introduction = match path.exists() {
        true => "",
        false => INTRODUCTION,
    };
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    writeln!(file, "{introduction}{section}")
}

/// The section of a run.
pub fn section(versions: &str, rows: &[Row]) -> String {
    let mut text = format!("## {versions}\n\n{HEAD}");
    for row in rows {
        let _ = writeln!(text, "{}", line(row));
    }
    let tried = rows.iter().filter(|row| row.skipped.is_none());
    let requests: usize = tried.clone().map(|row| row.audit.requests).sum();
    let failed = tried.clone().filter(|row| !row.has_passed()).count();
    let _ = writeln!(
        text,
        "\n{} faults, {requests} requests, {failed} rows failed.",
        tried.count()
    );
    text
}
