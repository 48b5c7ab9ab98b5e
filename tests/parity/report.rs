//! What came of it, for whoever wants to change from one server to the other.

use crate::comparison::Outcome;
use crate::connection::Base;
use crate::json::quoted;
use crate::page;
use crate::requests::Kind;
use crate::run::{Difference, Outcomes};
use std::fmt::Write;

/// More of an answer's body is not shown.
const BODY_CHARS_MAX: usize = 600;
/// So much of it is shown before the first byte that differs.
const CONTEXT_BYTES: usize = 100;

/// Both servers, and how many differences are shown.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The one server.
    pub ours: &'a Base,
    /// The other.
    pub others: &'a Base,
    /// The token of all requests, which is not shown.
    pub token: Option<&'a str>,
    /// So many of the listed, and of the others, are shown.
    pub shown: usize,
}

impl Report<'_> {
    /// As text for people.
    pub fn text(&self, outcomes: &Outcomes) -> String {
        let mut text = format!(
            "CoreREST is {}, the other one {}.\n\n",
            self.ours, self.others
        );
        let unlisted = outcomes.differences.iter().filter(|it| it.rows.is_empty());
        let unlisted: Vec<&Difference> = unlisted.collect();
        for difference in unlisted.iter().take(self.shown) {
            self.write_difference(&mut text, difference);
        }
        write_more(
            &mut text,
            unlisted.len().saturating_sub(self.shown),
            "not listed",
        );
        let mut rows: Vec<&str> = Vec::new();
        for difference in &outcomes.differences {
            for row in &difference.rows {
                if !rows.contains(row) {
                    rows.push(row);
                    // One of each is enough: the page tells the rest.
                    self.write_difference(&mut text, difference);
                }
            }
        }
        write_counts(&mut text, outcomes);
        text
    }

    fn write_difference(&self, text: &mut String, difference: &Difference) {
        let parts: Vec<String> = difference.parts.iter().map(ToString::to_string).collect();
        let place = match difference.rows.is_empty() {
            true => "not listed in docs/differences.md".to_owned(),
            false => {
                let titles: Vec<String> =
                    difference.rows.iter().map(|row| page::title(row)).collect();
                format!("listed in docs/differences.md as {}", titles.join(" and "))
            }
        };
        let differs = format!("{} differ: {}", difference.request.kind, parts.join(", "));
        let _ = writeln!(text, "{differs} ({place})\n  {}", self.curl(difference));
        let from = first_difference(&difference.ours, &difference.others);
        write_answer(text, "CoreREST", &difference.ours, from);
        write_answer(text, "the other", &difference.others, from);
        text.push('\n');
    }

    /// The command that asks the other server the same.
    fn curl(&self, difference: &Difference) -> String {
        let request = &difference.request;
        let mut command = match request.method {
            "GET" => "curl -i".to_owned(),
            "HEAD" => "curl -I".to_owned(),
            method => format!("curl -i -X {method}"),
        };
        for (name, value) in &request.headers {
            let is_secret = self
                .token
                .is_some_and(|token| *value == format!("Bearer {token}"));
            let header = match is_secret {
                true => "\"Authorization: Bearer $TOKEN\"".to_owned(),
                false => in_shell(&format!("{name}: {value}")),
            };
            let _ = write!(command, " -H {header}");
        }
        if let Some(body) = &request.body {
            let _ = write!(command, " --data-binary {}", in_shell(body));
        }
        let url = format!("{}{}", self.others, request.target);
        let _ = write!(command, " -g {}", in_shell(&url));
        command
    }

    /// As JSON, all of it.
    pub fn json(&self, outcomes: &Outcomes) -> String {
        let differences = outcomes.differences.iter().map(|it| {
            let strings = |items: Vec<String>| {
                let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
                format!("[{}]", items.join(","))
            };
            let from = first_difference(&it.ours, &it.others);
            let side = |outcome: &Outcome| match outcome {
                Ok(answer) => format!(
                    "{{\"status\":{},\"body\":{}}}",
                    answer.status,
                    quoted(&shortened(&answer.text(), from))
                ),
                Err(why) => quoted(why),
            };
            format!(
                "{{\"kind\":{},\"curl\":{},\"parts\":{},\"rows\":{},\"corerest\":{},\"other\":{}}}",
                quoted(&it.request.kind.to_string()),
                quoted(&self.curl(it)),
                strings(it.parts.iter().map(ToString::to_string).collect()),
                strings(it.rows.iter().map(|&row| row.to_owned()).collect()),
                side(&it.ours),
                side(&it.others),
            )
        });
        let counts = outcomes.counts.iter().map(|(kind, counts)| {
            format!(
                "{}:{{\"asked\":{},\"listed\":{},\"unlisted\":{},\"unsteady\":{}}}",
                quoted(&kind.to_string()),
                counts.asked,
                counts.listed,
                counts.unlisted,
                counts.unsteady
            )
        });
        format!(
            "{{\"counts\":{{{}}},\"differences\":[{}]}}\n",
            counts.collect::<Vec<_>>().join(","),
            differences.collect::<Vec<_>>().join(",\n")
        )
    }
}

fn write_counts(text: &mut String, outcomes: &Outcomes) {
    let _ = writeln!(
        text,
        "{:22}{:>8}{:>8}{:>12}{:>10}",
        "", "asked", "listed", "not listed", "unsteady"
    );
    for kind in Kind::ALL {
        let counts = outcomes.counts.get(&kind).copied().unwrap_or_default();
        let _ = writeln!(
            text,
            "{kind:22}{:>8}{:>8}{:>12}{:>10}",
            counts.asked, counts.listed, counts.unlisted, counts.unsteady
        );
    }
    let statuses = outcomes.statuses.iter();
    let statuses: Vec<String> = statuses
        .map(|(status, count)| format!("{status}: {count}"))
        .collect();
    let _ = writeln!(text, "answers by status: {}", statuses.join(", "));
    let asked: usize = outcomes.counts.values().map(|counts| counts.asked).sum();
    let verdict = match outcomes.unlisted() {
        0 => "nothing differs that docs/differences.md does not list".to_owned(),
        1 => "1 answer differs in a way that docs/differences.md does not list".to_owned(),
        count => format!("{count} answers differ in ways that docs/differences.md does not list"),
    };
    let _ = writeln!(text, "{asked} requests: {verdict}.");
}

fn write_more(text: &mut String, count: usize, what: &str) {
    if count > 0 {
        let _ = writeln!(
            text,
            "… and {count} more that are {what} (--show {count})\n"
        );
    }
}

fn write_answer(text: &mut String, who: &str, outcome: &Outcome, from: usize) {
    match outcome {
        Ok(answer) => {
            let _ = writeln!(text, "  {who}: {}", answer.status);
            for name in crate::comparison::HEADERS {
                if let Some(value) = answer.header(name) {
                    let _ = writeln!(text, "    {name}: {value}");
                }
            }
            for line in shortened(&answer.text(), from).lines() {
                let _ = writeln!(text, "    {line}");
            }
        }
        Err(why) => {
            let _ = writeln!(text, "  {who}: {why}");
        }
    }
}

/// Where the bodies begin to differ, in bytes.
fn first_difference(ours: &Outcome, others: &Outcome) -> usize {
    let (Ok(ours), Ok(others)) = (ours, others) else {
        return 0;
    };
    let mut pairs = ours.body.iter().zip(&others.body);
    pairs.position(|(one, other)| one != other).unwrap_or(0)
}

/// A body that fits on the screen: from its beginning, if the difference is near, or from there.
fn shortened(body: &str, from: usize) -> String {
    let mut begin = match from < BODY_CHARS_MAX / 2 {
        true => 0,
        false => from.min(body.len()) - CONTEXT_BYTES,
    };
    while !body.is_char_boundary(begin) {
        begin -= 1;
    }
    let rest = &body[begin..];
    let before = if begin > 0 { "… " } else { "" };
    match rest.char_indices().nth(BODY_CHARS_MAX) {
        Some((end, _)) => format!("{before}{} …", &rest[..end]),
        None => format!("{before}{rest}"),
    }
}

/// A word for a shell.
fn in_shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::{in_shell, shortened};

    #[test]
    fn of_long_bodies_the_part_that_differs_is_shown() {
        assert_eq!(shortened("[1]", 1), "[1]");
        let long = format!("{}x{}", "é".repeat(5000), "b".repeat(5000));
        let shown = shortened(&long, 10_000);
        assert!(shown.starts_with("… é") && shown.contains("éxb") && shown.ends_with("b …"));
        assert!(shortened(&long, 3).starts_with('é'));
        // The other one may have ended there.
        assert_eq!(shortened(&"é".repeat(500), 2000).chars().count(), 52);
    }

    #[test]
    fn words_for_a_shell_are_whole() {
        assert_eq!(in_shell("it's"), r"'it'\''s'");
    }
}
