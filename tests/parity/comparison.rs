//! What differs between two answers to one request, as far as a client can rely on it.
//!
//! Without `order` the order of rows is PostgreSQL's business, and so is that of embedded rows
//! always: there the rows are compared as a set. A member's place in its object counts, for CSV
//! shows it.

use crate::connection::Answer;
use crate::json::Json;
use crate::requests::Request;
use std::fmt;

/// The headers of the API. The others (`Date`, `Server`, what concerns the connection) are not
/// compared.
pub const HEADERS: [&str; 11] = [
    "Content-Range",
    "Content-Type",
    "Content-Location",
    "Preference-Applied",
    "Location",
    "Allow",
    "Content-Profile",
    "Proxy-Status",
    "WWW-Authenticate",
    "Vary",
    "Range-Unit",
];

/// An answer, or why there is none.
pub type Outcome = Result<Answer, String>;

/// A part of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// One of both has not answered.
    Answer,
    /// The status.
    Status,
    /// A header.
    Header(&'static str),
    /// The body.
    Body,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Answer => "answered at all",
            Part::Status => "status",
            Part::Header(name) => name,
            Part::Body => "body",
        })
    }
}

/// The parts that differ.
pub fn differing(request: &Request, ours: &Outcome, others: &Outcome) -> Vec<Part> {
    let (ours, others) = match (ours, others) {
        (Ok(ours), Ok(others)) => (ours, others),
        // Both have said nothing, each in its own way.
        (Err(_), Err(_)) => return Vec::new(),
        _ => return vec![Part::Answer],
    };
    let mut parts = Vec::new();
    if ours.status != others.status {
        parts.push(Part::Status);
    }
    let differ = |name: &&&str| ours.header(name) != others.header(name);
    parts.extend(HEADERS.iter().filter(differ).map(|name| Part::Header(name)));
    if !is_same_body(request, ours, others) {
        parts.push(Part::Body);
    }
    parts
}

fn is_same_body(request: &Request, ours: &Answer, others: &Answer) -> bool {
    if ours.body == others.body {
        return true;
    }
    let (one, other) = (ours.text(), others.text());
    if let (Some(one), Some(other)) = (Json::parse(&one), Json::parse(&other)) {
        return comparable(request, one) == comparable(request, other);
    }
    let is_csv = |answer: &Answer| {
        let media_type = answer.header("Content-Type");
        media_type.is_some_and(|value| value.starts_with("text/csv"))
    };
    let is_set = is_csv(ours) && is_csv(others) && !request.has_order();
    is_set && lines_as_set(&one) == lines_as_set(&other)
}

/// What is left of a body when its undefined orders are.
fn comparable(request: &Request, body: Json) -> Json {
    match body {
        Json::Array(rows) if request.has_order() => {
            Json::Array(rows.into_iter().map(Json::sorted).collect())
        }
        // Each server says where it is itself.
        description if description.member("swagger").is_some() => description
            .without("host")
            .without("basePath")
            .without("schemes"),
        body => body.sorted(),
    }
}

/// The head, and the other lines in the order of their texts.
fn lines_as_set(text: &str) -> (Option<&str>, Vec<&str>) {
    let mut lines = text.lines();
    let head = lines.next();
    let mut rest: Vec<&str> = lines.collect();
    rest.sort_unstable();
    (head, rest)
}

#[cfg(test)]
mod tests {
    use super::{Part, differing};
    use crate::connection::Answer;
    use crate::requests::Request;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers = headers
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()));
        Answer {
            status,
            headers: headers.collect(),
            body: body.as_bytes().to_vec(),
        }
    }

    #[track_caller]
    fn check(target: &str, ours: Answer, others: Answer, expected: &[Part]) {
        let request = Request {
            target: target.to_owned(),
            ..Request::default()
        };
        assert_eq!(
            differing(&request, &Ok(ours), &Ok(others)),
            expected,
            "{target}"
        );
    }

    #[track_caller]
    fn check_bodies(target: &str, ours: &str, others: &str, is_same: bool) {
        let expected: &[Part] = if is_same { &[] } else { &[Part::Body] };
        check(
            target,
            answer(200, &[], ours),
            answer(200, &[], others),
            expected,
        );
    }

    #[test]
    fn status_headers_of_the_api_and_body_count() {
        let same = answer(200, &[("Vary", "Accept"), ("Date", "now")], "[]");
        let dated = answer(
            200,
            &[("vary", "Accept"), ("Date", "then"), ("Server", "x")],
            "[]",
        );
        check("/t", same.clone(), dated, &[]);
        let moved = answer(206, &[("Content-Range", "0-1/*")], "[1]");
        let parts = [
            Part::Status,
            Part::Header("Content-Range"),
            Part::Header("Vary"),
            Part::Body,
        ];
        check("/t", same.clone(), moved, &parts);
        let request = Request::default();
        let late = || Err("no answer in 10 s".to_owned());
        assert_eq!(differing(&request, &late(), &Ok(same)), [Part::Answer]);
        assert_eq!(differing(&request, &late(), &late()), []);
    }

    #[test]
    fn rows_are_a_set_unless_their_order_was_asked_for() {
        check_bodies("/t", "[{\"a\":1},{\"a\":2}]", "[{\"a\":2},{\"a\":1}]", true);
        check_bodies(
            "/t?order=a",
            "[{\"a\":1},{\"a\":2}]",
            "[{\"a\":2},{\"a\":1}]",
            false,
        );
        check_bodies("/t?order=a", "[{\"a\":[1,2]}]", "[{\"a\":[2,1]}]", true);
        check_bodies("/t", "[{\"a\":1}]", "[{\"a\":1},{\"a\":1}]", false);
        check_bodies("/t", "[{\"a\":1,\"b\":2}]", "[{\"b\":2,\"a\":1}]", false);
        check_bodies("/t", "\"text\"", "text", false);
    }

    #[test]
    fn lines_of_csv_are_a_set_behind_their_head() {
        let csv = |body| answer(200, &[("Content-Type", "text/csv; charset=utf-8")], body);
        check("/t", csv("a\n1\n2\n"), csv("a\n2\n1\n"), &[]);
        check(
            "/t?order=a",
            csv("a\n1\n2\n"),
            csv("a\n2\n1\n"),
            &[Part::Body],
        );
        check("/t", csv("a\n1\n"), csv("1\na\n"), &[Part::Body]);
    }

    #[test]
    fn a_description_may_say_where_its_server_is() {
        let of =
            |host, title| format!("{{\"swagger\":\"2.0\",\"host\":\"{host}\",\"t\":\"{title}\"}}");
        check_bodies("/", &of("a:1", "x"), &of("b:2", "x"), true);
        check_bodies("/", &of("a:1", "x"), &of("b:2", "y"), false);
    }
}
