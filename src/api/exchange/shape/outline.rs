//! The outline of a request: what is left when the values of its filters and arguments are taken
//! out. Requests with equal outlines are planned alike, whatever the values are.
//!
//! ```text
//! GET /films?year=gte.1990&genre=eq.drama&order=year    with Prefer: count=exact
//! GET /films?year=gte.§&genre=eq.§&order=year           "1990", "drama"
//! ```
//! It is found without understanding the request: a parameter that looks like a plain filter gives
//! up its value, everything else stays as it is. A wrong guess does no harm, for a shape is learned
//! only if it can be shown where each value goes ([`super::Shape::learn`]).

use crate::request::HttpRequest;
use crate::request::media_type::MediaType;
use crate::request::payload::{self, JsonForm};
use crate::role_settings::RoleSettings;

/// A longer outline is not worth its memory.
const KEY_BYTES_MAX: usize = 2 << 10;

/// More values are not worth the trouble.
const VALUES_MAX: usize = 32;

/// The keys of a longer body are looked for once, when it is planned.
const BODY_BYTES_MAX: usize = 64 << 10;

/// Stands for a value. No byte of a query string, a name or a header's text is this one.
const GAP: u8 = 0xFF;

/// Stands between the parts. No text has this byte.
const BOUNDARY: u8 = 0xFE;

/// The operators behind which a value is nothing but a value: it becomes one parameter of the
/// statement as it is, in whatever form it has.
const PLAIN_OPERATORS: [&str; 6] = ["eq.", "neq.", "gt.", "gte.", "lt.", "lte."];

/// The headers that a plan depends on; the others only become settings.
const HEADERS: [&str; 6] = [
    "accept",
    "accept-profile",
    "content-profile",
    "content-type",
    "prefer",
    "range",
];

/// A request without its values, and the values.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::exchange) struct Outline<'a> {
    pub(super) key: Vec<u8>,
    /// In the order of the query string. They are written with unreserved characters and colons,
    /// so they need no decoding.
    pub(in crate::exchange) values: Vec<&'a str>,
}

impl<'a> Outline<'a> {
    /// The outline of a read, of a deletion, or of a write or call with a body of JSON; `None` for
    /// everything else.
    pub(in crate::exchange) fn of(
        http: &HttpRequest<'a>,
        role_settings: &RoleSettings,
        role: &str,
    ) -> Option<Outline<'a>> {
        let has_body = match http.method {
            "GET" | "HEAD" | "DELETE" => false,
            "POST" | "PATCH" | "PUT" => true,
            _ => return None,
        };
        let mut outline = Outline {
            key: Vec::with_capacity(256),
            values: Vec::with_capacity(4),
        };
        outline.key.extend_from_slice(http.method.as_bytes());
        outline.key.push(BOUNDARY);
        outline.key.extend_from_slice(http.path.as_bytes());
        outline.key.push(BOUNDARY);
        outline.take_query(http);
        outline.key.push(BOUNDARY);
        // All roles without settings of their own are alike.
        if role_settings.has(role) {
            outline.key.extend_from_slice(role.as_bytes());
        }
        outline.key.push(BOUNDARY);
        outline.take_headers(http);
        outline.key.push(BOUNDARY);
        if has_body {
            outline.take_body(http)?;
        }
        let is_small = outline.key.len() <= KEY_BYTES_MAX && outline.values.len() <= VALUES_MAX;
        is_small.then_some(outline)
    }

    /// The query string with other values.
    pub(in crate::exchange) fn query_with(
        http: &HttpRequest<'_>,
        value: impl Fn(usize) -> String,
    ) -> String {
        let mut query = String::new();
        let mut count = 0;
        for piece in pieces(http) {
            query.push_str(piece.before);
            if let Some((_, after)) = piece.value {
                query.push_str(&value(count));
                query.push_str(after);
                count += 1;
            }
        }
        query
    }

    fn take_query(&mut self, http: &HttpRequest<'a>) {
        for piece in pieces(http) {
            self.key.extend_from_slice(piece.before.as_bytes());
            if let Some((value, after)) = piece.value {
                self.key.push(GAP);
                self.values.push(value);
                self.key.extend_from_slice(after.as_bytes());
            }
        }
    }

    /// The keys of the body: the columns that are written, or the arguments.
    fn take_body(&mut self, http: &HttpRequest<'_>) -> Option<()> {
        // With `columns=` the body is not looked at, so there is less to spare.
        if http.body.len() > BODY_BYTES_MAX || http.query.contains("columns") {
            return None;
        }
        let content_type = match http.header("content-type") {
            // As nearly all clients write it, it needs no parser.
            None | Some(b"application/json") => MediaType::ApplicationJson,
            Some(other) => MediaType::parse(other),
        };
        let (shape, columns) = payload::outline(&content_type, http.body)?;
        self.key.push(match shape {
            JsonForm::Object => b'{',
            JsonForm::Array => b'[',
        });
        for column in &columns {
            self.key.extend_from_slice(column.as_str().as_bytes());
            self.key.push(BOUNDARY);
        }
        Some(())
    }

    /// Values may hold any bytes, so their lengths are there, too: else one header could look like
    /// two, and a client could teach shapes for requests that are not its own.
    fn take_headers(&mut self, http: &HttpRequest<'_>) {
        for (name, value) in http.headers {
            let known = HEADERS
                .iter()
                .position(|known| known.eq_ignore_ascii_case(name));
            if let Some(number) = known {
                self.key.push(number as u8);
                self.key.extend_from_slice(&value.len().to_le_bytes());
                self.key.extend_from_slice(value);
            }
        }
    }
}

/// A parameter of a query string as it stands there, with the separator behind it.
struct Piece<'a> {
    /// All of it, or what stands before its value.
    before: &'a str,
    /// The value, if it is a plain one, and the separator.
    value: Option<(&'a str, &'a str)>,
}

fn pieces<'a>(http: &HttpRequest<'a>) -> impl Iterator<Item = Piece<'a>> {
    let is_call = http.path.starts_with("/rpc/");
    http.query.split_inclusive(['&', ';']).map(move |piece| {
        let pair = piece.strip_suffix(['&', ';']).unwrap_or(piece);
        match split_value(pair, is_call) {
            Some((before, value)) => Piece {
                before,
                value: Some((value, &piece[pair.len()..])),
            },
            None => Piece {
                before: piece,
                value: None,
            },
        }
    })
}

/// A parameter up to its value, and the value, if it is a plain one.
fn split_value(pair: &str, is_call: bool) -> Option<(&str, &str)> {
    let (_, right) = pair.split_once('=')?;
    let operator = PLAIN_OPERATORS
        .iter()
        .find(|operator| right.starts_with(**operator));
    let value = match operator {
        Some(operator) => &right[operator.len()..],
        // Whatever has no dot cannot be a filter: it is the argument of a function.
        None if is_call && !right.contains('.') => right,
        None => return None,
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~:".contains(&byte);
    let before = &pair[..pair.len() - value.len()];
    (!value.is_empty() && value.bytes().all(is_plain)).then_some((before, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(target: &str, expected: &str, values: &[&str]) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let http = HttpRequest {
            method: "GET",
            path,
            query,
            ..HttpRequest::default()
        };
        let outline = Outline::of(&http, &RoleSettings::default(), "anyone").unwrap();
        let mut query = outline
            .key
            .split(|&byte| byte == BOUNDARY)
            .nth(2)
            .unwrap()
            .to_vec();
        for byte in &mut query {
            if *byte == GAP {
                *byte = b'*';
            }
        }
        assert_eq!(String::from_utf8(query).unwrap(), expected, "{target}");
        assert_eq!(outline.values, values, "{target}");
        let same = Outline::query_with(&http, |number| outline.values[number].to_owned());
        assert_eq!(same, http.query);
        let other = Outline::query_with(&http, |_| "*".to_owned());
        assert_eq!(other, expected);
    }

    #[test]
    fn plain_values_are_taken_out() {
        check("/t", "", &[]);
        check("/t?id=eq.1", "id=eq.*", &["1"]);
        check(
            "/t?a=gte.-1.5&b=lt.2024-01-01T00:00:00;r.c=neq.x_~&",
            "a=gte.*&b=lt.*;r.c=neq.*&",
            &["-1.5", "2024-01-01T00:00:00", "x_~"],
        );
        check(
            "/rpc/f?a=1&b=x-y&c=gt.3",
            "a=*&b=*&c=gt.*",
            &["1", "x-y", "3"],
        );
    }

    #[test]
    fn everything_else_stays() {
        for query in [
            "select=a,b&order=a.desc&limit=5",
            "id=eq.",
            "id=eq.a%20b",
            "id=eq.a+b",
            "id=eq.é",
            "id=eq",
            "id=eq(any).{1}",
            "id=not.eq.1",
            "id=in.(1,2)",
            "id=like.a*",
            "or=(a.eq.1,b.eq.2)",
            "id",
            "&;&",
        ] {
            check(&format!("/t?{query}"), query, &[]);
        }
        check("/rpc/f?a=1.5&b=is.null", "a=1.5&b=is.null", &[]);
    }

    fn key(method: &str, query: &str, body: &[u8]) -> Option<Vec<u8>> {
        let http = HttpRequest {
            method,
            path: "/t",
            query,
            body,
            ..HttpRequest::default()
        };
        let outline = Outline::of(&http, &RoleSettings::default(), "anyone");
        outline.map(|outline| outline.key)
    }

    #[test]
    fn outlines_are_small_and_not_of_everything() {
        assert!(key("GET", "a=eq.1", b"").is_some() && key("HEAD", "", b"").is_some());
        assert!(key("OPTIONS", "", b"").is_none());
        assert!(key("GET", &"a".repeat(KEY_BYTES_MAX), b"").is_none());
        assert!(key("GET", &"a=eq.1&".repeat(VALUES_MAX + 1), b"").is_none());
    }

    #[test]
    fn of_a_body_its_keys_and_its_shape_are_left() {
        let one = key("POST", "", br#"{"a":1,"b":2}"#).unwrap();
        assert_eq!(
            key("POST", "", br#"{ "b": "x", "a": null }"#),
            Some(one.clone())
        );
        assert_ne!(key("PATCH", "", br#"{"a":1,"b":2}"#), Some(one.clone()));
        assert_ne!(key("POST", "", br#"{"a":1}"#), Some(one.clone()));
        assert_ne!(key("POST", "", br#"[{"a":1,"b":2}]"#), Some(one));
        for body in ["", "1", "{", r#"[{"a":1},{"b":2}]"#] {
            assert_eq!(key("POST", "", body.as_bytes()), None, "{body}");
        }
        assert!(key("POST", "columns=a", br#"{"a":1}"#).is_none());
        assert!(key("DELETE", "id=eq.1", b"whatever").is_some());
    }

    fn of(headers: &[(&str, &[u8])]) -> Vec<u8> {
        let http = HttpRequest {
            method: "GET",
            path: "/t",
            headers,
            ..HttpRequest::default()
        };
        let outline = Outline::of(&http, &RoleSettings::default(), "anyone");
        outline.unwrap().key
    }

    /// Whatever bytes a value has, it is one header.
    #[test]
    fn no_header_looks_like_two() {
        let two = of(&[("Prefer", b"count=exact"), ("Range", b"0-9")]);
        let start = of(&[]).len() - 1;
        let forged = &two[start..two.len() - 1];
        for skipped in 0..forged.len() {
            assert_ne!(of(&[("Prefer", &forged[skipped..])]), two);
        }
        assert_ne!(of(&[("Prefer", b"count=exact\xFE\x050-9")]), two);
    }

    #[test]
    fn headers_that_matter_are_part_of_it_in_any_case() {
        assert_eq!(of(&[("Host", b"a"), ("Cookie", b"b=c")]), of(&[]));
        assert_eq!(
            of(&[("PREFER", b"count=exact")]),
            of(&[("prefer", b"count=exact")])
        );
        assert_ne!(of(&[("Prefer", b"count=exact")]), of(&[]));
        assert_ne!(of(&[("Prefer", b"x")]), of(&[("Range", b"x")]));
        assert_ne!(
            of(&[("Accept", b"a"), ("Accept", b"b")]),
            of(&[("Accept", b"ab")])
        );
    }
}
