//! The list of connection strings in `db-uri-read-replicas`.
//!
//! A connection string may name several hosts, with commas between them, and in the form of
//! key=value pairs it has blanks. So what separates is the beginning of a URI behind a blank, a
//! line end or a comma; a text that does not begin with a URI is one connection string, whole.

use crate::secret::Secret;

const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// The connection strings of a list.
pub(crate) fn split_uris(text: &str) -> Vec<Secret<String>> {
    let text = text.trim();
    if !begins_uri(text) {
        let only = (!text.is_empty()).then(|| Secret::new(text.to_owned()));
        return only.into_iter().collect();
    }
    let begins = |(at, separator): (usize, &str)| {
        let next = at + separator.len();
        begins_uri(&text[next..]).then_some(next)
    };
    let separators = text.match_indices(is_separator);
    let starts: Vec<usize> = [0]
        .into_iter()
        .chain(separators.filter_map(begins))
        .collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let pieces = starts.iter().zip(ends).map(|(&from, to)| &text[from..to]);
    pieces
        .map(|piece| Secret::new(piece.trim_end_matches(is_separator).to_owned()))
        .collect()
}

fn begins_uri(text: &str) -> bool {
    SCHEMES.iter().any(|scheme| text.starts_with(scheme))
}

fn is_separator(c: char) -> bool {
    c == ',' || c.is_ascii_whitespace()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let uris = split_uris(text);
        let uris: Vec<&str> = uris.iter().map(|uri| uri.expose().as_str()).collect();
        assert_eq!(uris, expected, "{text:?}");
    }

    #[test]
    fn a_uri_begins_behind_a_blank_a_line_end_or_a_comma() {
        check("postgres://a/x", &["postgres://a/x"]);
        check(
            " postgres://a/x postgresql://b\n\tpostgres://c , postgres://d,postgres://e, ",
            &[
                "postgres://a/x",
                "postgresql://b",
                "postgres://c",
                "postgres://d",
                "postgres://e",
            ],
        );
    }

    #[test]
    fn each_may_have_several_hosts() {
        check(
            "postgres://u:p@a:1,b:2/x?target_session_attrs=any,postgres://c,d/x",
            &[
                "postgres://u:p@a:1,b:2/x?target_session_attrs=any",
                "postgres://c,d/x",
            ],
        );
        // Not behind a separator: it is a part of the password.
        check(
            "postgres://u:xpostgres://@a",
            &["postgres://u:xpostgres://@a"],
        );
    }

    #[test]
    fn what_is_no_uri_is_one_connection_string() {
        check("host=a,b user=u", &["host=a,b user=u"]);
        check("@/run/secrets/replicas", &["@/run/secrets/replicas"]);
        check(" \n", &[]);
    }
}
