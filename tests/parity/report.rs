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

/// Both servers, and how many differences are shown.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The one server.
    pub ours: &'a Base,
    /// The other.
    pub others: &'a Base,
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
        write_answer(text, "CoreREST", &difference.ours);
        write_answer(text, "the other", &difference.others);
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
            let value = match &**name {
                "Authorization" => "Bearer $TOKEN",
                _ => value,
            };
            let header = format!("{name}: {value}");
            let _ = write!(
                command,
                " -H {}",
                in_shell(&header).replace("$TOKEN", "'\"$TOKEN\"'")
            );
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
            let side = |outcome: &Outcome| match outcome {
                Ok(answer) => format!(
                    "{{\"status\":{},\"body\":{}}}",
                    answer.status,
                    quoted(&shortened(&answer.text()))
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

fn write_answer(text: &mut String, who: &str, outcome: &Outcome) {
    match outcome {
        Ok(answer) => {
            let _ = writeln!(text, "  {who}: {}", answer.status);
            for name in crate::comparison::HEADERS {
                if let Some(value) = answer.header(name) {
                    let _ = writeln!(text, "    {name}: {value}");
                }
            }
            for line in shortened(&answer.text()).lines() {
                let _ = writeln!(text, "    {line}");
            }
        }
        Err(why) => {
            let _ = writeln!(text, "  {who}: {why}");
        }
    }
}

fn shortened(body: &str) -> String {
    match body.char_indices().nth(BODY_CHARS_MAX) {
        Some((end, _)) => format!("{} …", &body[..end]),
        None => body.to_owned(),
    }
}

/// A word for a shell.
fn in_shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
