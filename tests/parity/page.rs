//! `docs/differences.md`, as far as a program reads it: the rows of its tables.

/// The page itself.
pub const TEXT: &str = include_str!("../../docs/differences.md");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// Its name, a letter and a number.
    pub name: &'a str,
    /// The heading above it.
    pub section: &'a str,
    /// What is asked, or where else the difference shows.
    pub asked: &'a str,
    /// What PostgREST does.
    pub postgrest: &'a str,
    /// What CoreREST does.
    pub corerest: &'a str,
    /// Why.
    pub why: &'a str,
}

/// All rows of a page.
///
/// # Panics
/// If one has not five cells.
pub fn rows(text: &str) -> Vec<Row<'_>> {
    let mut section = "";
    let mut rows = Vec::new();
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading;
        }
        let Some(inner) = line.strip_prefix("| ").and_then(|it| it.strip_suffix(" |")) else {
            continue;
        };
        // A bar within a cell is written `\|`, as everywhere in tables of Markdown.
        let cells: Vec<&str> = inner.split(" | ").map(str::trim).collect();
        if !is_name(cells[0]) {
            continue;
        }
        let [name, asked, postgrest, corerest, why] = cells[..] else {
            panic!("not five cells: {line}");
        };
        rows.push(Row {
            name,
            section,
            asked,
            postgrest,
            corerest,
            why,
        });
    }
    rows
}

fn is_name(cell: &str) -> bool {
    let digits = cell.strip_prefix(|c: char| c.is_ascii_uppercase());
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// The pieces of a cell in the style of code.
pub fn code(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The row of that name, for people: its name and the beginning of what it is about.
pub fn title(name: &str) -> String {
    let rows = rows(TEXT);
    match rows.iter().find(|row| row.name == name) {
        Some(row) => format!("{name}, {}: {}", row.section, row.why),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{TEXT, code, rows};
    use std::collections::BTreeSet;

    #[test]
    fn rows_have_five_cells() {
        let text = "## A\n| | request |\n|---|---|\n| A1 | `GET /a` | 1 | `200` `x` | because |\n";
        let rows = rows(text);
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].name, rows[0].section), ("A1", "A"));
        assert_eq!(code(rows[0].corerest), ["200", "x"]);
        assert_eq!(rows[0].why, "because");
    }

    #[test]
    fn names_of_rows_are_given_once() {
        let rows = rows(TEXT);
        let names: BTreeSet<&str> = rows.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), rows.len());
        assert!(names.len() > 30, "{names:?}");
    }
}
