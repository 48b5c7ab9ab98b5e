//! Which row of `docs/differences.md` tells of a difference.
//!
//! One of both servers is CoreREST, and which one is not asked: a rule looks at the request, and at
//! the two answers in the order in which it names them. A rule is narrow; what it does not know is
//! a difference that nobody has written down, and that is what the whole is for.

use crate::comparison::Part;
use crate::connection::Answer;
use crate::json::Json;
use crate::requests::Request;

/// A request and its two answers.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// What was asked.
    pub request: &'a Request,
    /// CoreREST's answer.
    pub ours: &'a Answer,
    /// The other's.
    pub others: &'a Answer,
}

/// When a row tells of a part of an answer.
struct Rule {
    row: &'static str,
    covers: fn(&Asked<'_>, Part) -> bool,
}

const RULES: &[Rule] = &[
    // The version in the description.
    Rule {
        row: "N2",
        covers: |it, part| part == Part::Body && it.same_descriptions_but_for(&["info"]),
    },
    // Which of two columns of a view is its key.
    Rule {
        row: "U2",
        covers: |it, part| {
            part == Part::Body
                && (it.codes() == ("PGRST201", "PGRST201") && it.same_but_for("details")
                    || it.same_descriptions_but_for(&["info", "definitions", "parameters"]))
        },
    },
    // Equally near candidates of a hint.
    Rule {
        row: "U1",
        covers: |it, part| {
            let is_guess = |answer| text(answer, "hint").starts_with("\"Perhaps you meant");
            part == Part::Body
                && it.same_but_for("hint")
                && (is_guess(it.ours) && is_guess(it.others))
        },
    },
    Rule {
        row: "T1",
        covers: |it, _| it.query_has("%00") && it.statuses() == (400, 200),
    },
    Rule {
        row: "T2",
        covers: |it, _| !is_utf8(&it.request.target) && it.statuses() == (400, 500),
    },
    Rule {
        row: "T4",
        covers: |it, part| {
            let has_found = it.ours.status < 300 && it.others.status < 300;
            let is_of_rows = matches!(part, Part::Body | Part::Header("Content-Range"));
            it.query_has("in.(%22%22)") && has_found && is_of_rows
        },
    },
    Rule {
        row: "T5",
        covers: |it, _| {
            let is_beyond_ascii = it.query_has("%E2") || it.query_has("%F0");
            let is_text = is_utf8(&it.request.target);
            is_beyond_ascii && is_text && it.is_better_than("PGRST100")
        },
    },
    Rule {
        row: "T6",
        covers: |it, _| {
            it.request.target.matches('(').count() > 100 && it.codes() == ("PGRST100", "")
        },
    },
    Rule {
        row: "T8",
        covers: |it, _| {
            (it.query_has("!left") || it.query_has("!inner")) && it.is_better_than("PGRST100")
        },
    },
    Rule {
        row: "T9",
        covers: |it, _| it.query_has("offset=") && it.is_better_than("PGRST100"),
    },
    Rule {
        row: "W1",
        covers: |it, _| {
            it.request.method != "GET" && it.request.has_order() && it.is_better_than("42703")
        },
    },
    Rule {
        row: "W4",
        covers: |it, _| {
            let prefer = it.request.header_value("Prefer").unwrap_or_default();
            prefer.contains("missing=default") && it.is_better_than("54023")
        },
    },
    Rule {
        row: "R1",
        covers: |it, _| it.is_better_than("42803"),
    },
    Rule {
        row: "R3",
        covers: |it, _| it.is_better_than("42809") || it.is_better_than("22007"),
    },
    Rule {
        row: "R4",
        covers: |it, part| {
            let accept = it.request.header_value("Accept").unwrap_or_default();
            let is_empty = it.others.body.trim_ascii().is_empty();
            let is_head = it.ours.text().lines().count() == 1;
            part == Part::Body && accept.contains("text/csv") && is_empty && is_head
        },
    },
    Rule {
        row: "R5",
        covers: |it, _| {
            it.request.target.starts_with("/rpc/")
                && it.request.has_order()
                && it.is_better_than("42703")
        },
    },
    Rule {
        row: "H1",
        covers: |it, part| {
            let of = |answer: &Answer| answer.header("Content-Location").map(str::to_owned);
            part == Part::Header("Content-Location")
                && of(it.ours).is_some_and(|once| Some(encoded_again(&once)) == of(it.others))
        },
    },
    Rule {
        row: "H2",
        covers: |it, part| {
            let vary = it.ours.header("Vary").unwrap_or_default();
            part == Part::Header("Vary") && vary.contains("Origin")
        },
    },
];

/// The rows that tell of these parts, or none if one of the parts is in no row.
pub fn rows(asked: &Asked<'_>, parts: &[Part]) -> Vec<&'static str> {
    let mut rows = Vec::new();
    for part in parts {
        let mut rules = RULES.iter();
        let Some(rule) = rules.find(|rule| (rule.covers)(asked, *part)) else {
            return Vec::new();
        };
        if !rows.contains(&rule.row) {
            rows.push(rule.row);
        }
    }
    rows
}

impl Asked<'_> {
    fn statuses(&self) -> (u16, u16) {
        (self.ours.status, self.others.status)
    }

    fn codes(&self) -> (&'static str, &'static str) {
        (code(self.ours), code(self.others))
    }

    fn query_has(&self, piece: &str) -> bool {
        let query = self.request.target.split_once('?');
        query.is_some_and(|(_, query)| query.contains(piece))
    }

    /// The other one gives this code, and CoreREST does what was asked.
    fn is_better_than(&self, refused: &str) -> bool {
        self.ours.status < 300 && text(self.others, "code") == format!("\"{refused}\"")
    }

    /// Whether nothing differs but one member.
    fn same_but_for(&self, member: &str) -> bool {
        let without = |answer| Some(parsed(answer)?.without(member));
        let (ours, others) = (without(self.ours), without(self.others));
        ours.is_some() && ours == others
    }

    fn same_descriptions_but_for(&self, members: &[&str]) -> bool {
        let rest = |answer| {
            let body = parsed(answer)?;
            body.member("swagger")?;
            let own = ["host", "basePath", "schemes"];
            let mut names = members.iter().chain(&own);
            Some(names.by_ref().fold(body, |body, name| body.without(name)))
        };
        let (ours, others) = (rest(self.ours), rest(self.others));
        ours.is_some() && ours == others
    }
}

fn parsed(answer: &Answer) -> Option<Json> {
    Json::parse(&answer.text())
}

/// A member of an object, as it is written.
fn text(answer: &Answer, member: &str) -> String {
    let body = parsed(answer);
    let value = body.as_ref().and_then(|body| body.member(member));
    value.map(Json::to_string).unwrap_or_default()
}

/// The codes that rules ask for.
fn code(answer: &Answer) -> &'static str {
    match &*text(answer, "code") {
        "\"PGRST100\"" => "PGRST100",
        "\"PGRST201\"" => "PGRST201",
        _ => "",
    }
}

/// What becomes of a text that is percent-encoded, when each byte of it is taken for a character.
fn encoded_again(once: &str) -> String {
    let mut out = String::new();
    let mut rest = once;
    while let Some(at) = rest.find('%') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let byte = escape
            .get(1..3)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte {
            Some(byte @ 0x80..) => {
                for byte in char::from(byte).to_string().bytes() {
                    out.push_str(&format!("%{byte:02X}"));
                }
                rest = &escape[3..];
            }
            _ => {
                out.push('%');
                rest = &escape[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// Whether it is text when it is decoded.
fn is_utf8(target: &str) -> bool {
    let mut bytes = Vec::new();
    let mut rest = target.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let hex = behind
            .get(..2)
            .and_then(|hex| std::str::from_utf8(hex).ok());
        let escaped = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (first, escaped) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            _ => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    std::str::from_utf8(&bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{Asked, RULES, encoded_again, is_utf8, rows};
    use crate::comparison::{Part, differing};
    use crate::connection::Answer;
    use crate::page;
    use crate::requests::Request;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
        }
    }

    #[track_caller]
    fn check(target: &str, ours: &Answer, others: &Answer, expected: &[&str]) {
        let request = Request {
            method: "GET",
            target: target.to_owned(),
            ..Request::default()
        };
        let parts = differing(&request, &Ok(ours.clone()), &Ok(others.clone()));
        assert!(!parts.is_empty(), "{target}");
        let request = &request;
        assert_eq!(
            rows(
                &Asked {
                    request,
                    ours,
                    others
                },
                &parts
            ),
            expected,
            "{target}"
        );
    }

    #[test]
    fn rules_name_rows_of_the_page() {
        let page = page::rows(page::TEXT);
        for rule in RULES {
            assert!(page.iter().any(|row| row.name == rule.row), "{}", rule.row);
        }
    }

    #[test]
    fn what_the_page_tells_is_found_in_it_and_nothing_else() {
        let refused = answer(400, r#"{"code":"22021"}"#);
        let found = answer(200, "[{\"id\":1}]");
        check("/t?a=eq.a%00b", &refused, &found, &["T1"]);
        check("/t?a=eq.ab", &refused, &found, &[]);
        // The other way round it is a fault.
        check("/t?a=eq.a%00b", &found, &refused, &[]);
        let broken = answer(500, "Something went wrong");
        check("/t?a=eq.%E9", &answer(400, "{}"), &broken, &["T2"]);
        check("/t?a=eq.%C3%A9", &answer(400, "{}"), &broken, &[]);
        let unread = answer(400, r#"{"code":"PGRST100"}"#);
        check("/t?preis_%E2%82%AC=eq.5", &found, &unread, &["T5"]);
        check("/t?preis_%E2%82%AC=eq.5", &unread, &found, &[]);
        check("/t?preis=eq.5", &found, &unread, &[]);
        check("/t?a=in.(%22%22)", &found, &answer(200, "[]"), &["T4"]);
        check("/t?a=in.(%22%22)", &found, &unread, &[]);
        let hint = |name: &str, message: &str| {
            let body = format!(
                "{{\"code\":\"PGRST205\",\"hint\":\"Perhaps you meant '{name}'\",\
                 \"message\":\"{message}\"}}"
            );
            answer(404, &body)
        };
        check("/ab", &hint("aa", "m"), &hint("ac", "m"), &["U1"]);
        check("/ab", &hint("aa", "m"), &hint("ac", "n"), &[]);
        let described = |version: &str, paths: &str| {
            let body = format!(
                "{{\"swagger\":\"2.0\",\"info\":{{\"version\":\"{version}\"}},\
                 \"paths\":\"{paths}\"}}"
            );
            answer(200, &body)
        };
        check("/", &described("1", "p"), &described("2", "p"), &["N2"]);
        check("/", &described("1", "p"), &described("2", "q"), &[]);
    }

    #[test]
    fn each_part_needs_a_row() {
        let with = |location: &str, body: &str| Answer {
            headers: vec![("Content-Location".to_owned(), location.to_owned())],
            ..answer(200, body)
        };
        let (once, twice) = ("/t?a=eq.Lu%C3%ADs", "/t?a=eq.Lu%C3%83%C2%ADs");
        assert_eq!(encoded_again(once), twice);
        check(
            "/t?a=eq.Lu%C3%ADs",
            &with(once, "[]"),
            &with(twice, "[]"),
            &["H1"],
        );
        check(
            "/t?a=eq.Lu%C3%ADs",
            &with(once, "[]"),
            &with(twice, "[1]"),
            &[],
        );
        check(
            "/t?a=eq.Lu%C3%ADs",
            &with(once, "[]"),
            &with("/u", "[]"),
            &[],
        );
        let part = Part::Header("Content-Location");
        assert_eq!(part.to_string(), "Content-Location");
    }

    #[test]
    fn bytes_are_told_from_text() {
        assert!(is_utf8("/t?a=eq.Lu%C3%ADs%"));
        assert!(!is_utf8("/t?a=eq.Lu%EDs"));
    }
}
