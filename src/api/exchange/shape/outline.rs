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
use crate::role_settings::RoleSettings;

/// A longer outline is not worth its memory.
const KEY_BYTES_MAX: usize = 2 << 10;

/// More values are not worth the trouble.
const VALUES_MAX: usize = 32;

/// Stands for a value. No byte of a query string, a name or a header's text is this one.
const GAP: u8 = 0xFF;

/// Stands between the parts.
const BOUNDARY: u8 = 0xFE;

/// The operators behind which a value is nothing but a value: it becomes one parameter of the
/// statement as it is, in whatever form it has.
const PLAIN_OPERATORS: [&str; 6] = ["eq.", "neq.", "gt.", "gte.", "lt.", "lte."];

/// The headers that a read depends on, besides those that become settings.
const HEADERS: [&str; 4] = ["accept", "accept-profile", "prefer", "range"];

/// A request without its values, and the values.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::exchange) struct Outline<'a> {
    pub(super) key: Vec<u8>,
    /// In the order of the query string. They are written with unreserved characters and colons,
    /// so they need no decoding.
    pub(in crate::exchange) values: Vec<&'a str>,
}

impl<'a> Outline<'a> {
    /// The outline of a read; `None` for everything else.
    pub(in crate::exchange) fn of(
        http: &HttpRequest<'a>,
        role_settings: &RoleSettings,
        role: &str,
    ) -> Option<Outline<'a>> {
        if !matches!(http.method, "GET" | "HEAD") {
            return None;
        }
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
        outline.take_headers(http);
        // All roles without settings of their own are alike.
        if role_settings.has(role) {
            outline.key.extend_from_slice(role.as_bytes());
        }
        let is_small = outline.key.len() <= KEY_BYTES_MAX && outline.values.len() <= VALUES_MAX;
        is_small.then_some(outline)
    }

    /// The query string with other values.
    pub(in crate::exchange) fn query_with(
        http: &HttpRequest<'_>,
        value: impl Fn(usize) -> String,
    ) -> String {
        let is_call = is_call(http.path);
        let mut number = 0;
        let pieces = http.query.split_inclusive(['&', ';']).map(|piece| {
            let (pair, separator) = match piece.strip_suffix(['&', ';']) {
                Some(pair) => (pair, &piece[pair.len()..]),
                None => (piece, ""),
            };
            match split_value(pair, is_call) {
                Some((before, _)) => {
                    number += 1;
                    format!("{before}{}{separator}", value(number - 1))
                }
                None => piece.to_owned(),
            }
        });
        pieces.collect()
    }

    fn take_query(&mut self, http: &HttpRequest<'a>) {
        let is_call = is_call(http.path);
        for piece in http.query.split_inclusive(['&', ';']) {
            let pair = piece.strip_suffix(['&', ';']).unwrap_or(piece);
            match split_value(pair, is_call) {
                Some((before, value)) => {
                    self.key.extend_from_slice(before.as_bytes());
                    self.key.push(GAP);
                    self.values.push(value);
                    self.key.extend_from_slice(&piece.as_bytes()[pair.len()..]);
                }
                None => self.key.extend_from_slice(piece.as_bytes()),
            }
        }
    }

    fn take_headers(&mut self, http: &HttpRequest<'_>) {
        for (name, value) in http.headers {
            let known = HEADERS
                .iter()
                .position(|known| known.eq_ignore_ascii_case(name));
            if let Some(number) = known {
                self.key.push(number as u8);
                self.key.extend_from_slice(value);
                self.key.push(BOUNDARY);
            }
        }
    }
}

fn is_call(path: &str) -> bool {
    path.starts_with("/rpc/")
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

    #[test]
    fn only_reads_have_outlines_and_only_small_ones() {
        let of = |method, query: &str| {
            let http = HttpRequest {
                method,
                path: "/t",
                query,
                ..HttpRequest::default()
            };
            Outline::of(&http, &RoleSettings::default(), "anyone").is_some()
        };
        assert!(of("GET", "a=eq.1") && of("HEAD", ""));
        assert!(!of("POST", "") && !of("PATCH", "a=eq.1") && !of("OPTIONS", ""));
        assert!(!of("GET", &"a".repeat(KEY_BYTES_MAX)));
        assert!(!of("GET", &"a=eq.1&".repeat(VALUES_MAX + 1)));
    }

    #[test]
    fn headers_that_matter_are_part_of_it_in_any_case() {
        let of = |headers: &[(&str, &[u8])]| {
            let http = HttpRequest {
                method: "GET",
                path: "/t",
                headers,
                ..HttpRequest::default()
            };
            Outline::of(&http, &RoleSettings::default(), "anyone")
                .unwrap()
                .key
        };
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
