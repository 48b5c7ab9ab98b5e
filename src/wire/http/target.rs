//! The request target, and hosts.
//!
//! Stands apart because the four forms of a target (RFC 9112 §3.2) are a small grammar of their
//! own. It works on positions, so that the result outlives the borrow of the buffer.
//! Invariant: a path is empty, `*`, or begins with `/`; nothing is decoded here.

use super::refusal::Refusal;
use super::span::Span;
use super::token::is_reg_name_byte;

/// Where the parts of a target lie, counted from its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TargetParts {
    pub(super) path: Span,
    pub(super) query: Span,
    /// The host and port of the absolute form.
    pub(super) authority: Option<Span>,
}

/// `request-target = origin-form / absolute-form / authority-form / asterisk-form`
///
/// The bytes are visible ASCII or UTF-8 already. Which of the visible ones RFC 3986 wants escaped
/// is not checked: clients send `"`, `{` and `|` raw in filters, and Warp takes them.
pub(super) fn parse_target(method: &[u8], target: &[u8]) -> Result<TargetParts, Refusal> {
    if method == b"CONNECT" {
        return Err(Refusal::InvalidTarget);
    }
    match target {
        [b'/', ..] => split_query(target, 0, None),
        b"*" if method == b"OPTIONS" => {
            let query = Span::new(1, 1);
            Ok(TargetParts {
                path: Span::new(0, 1),
                query,
                authority: None,
            })
        }
        _ => parse_absolute(target),
    }
}

/// `absolute-form = scheme "://" authority path-abempty [ "?" query ]`, scheme http or https.
fn parse_absolute(target: &[u8]) -> Result<TargetParts, Refusal> {
    let start = scheme_length(target).ok_or(Refusal::InvalidTarget)?;
    let length = target[start..]
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?' | b'#'))
        .unwrap_or(target.len() - start);
    let authority = &target[start..start + length];
    if authority.is_empty() || !is_host(authority) {
        return Err(Refusal::InvalidHost);
    }
    split_query(
        target,
        start + length,
        Some(Span::new(start, start + length)),
    )
}

/// The length of `http://` or `https://` at the beginning.
fn scheme_length(target: &[u8]) -> Option<usize> {
    let colon = target.iter().position(|byte| *byte == b':')?;
    let scheme = &target[..colon];
    let known = scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
    (known && target[colon..].starts_with(b"://")).then_some(colon + 3)
}

fn split_query(
    target: &[u8],
    path_start: usize,
    authority: Option<Span>,
) -> Result<TargetParts, Refusal> {
    let end = target.len();
    let mut question_mark = None;
    for (index, byte) in target.iter().enumerate().skip(path_start) {
        match byte {
            b'#' => return Err(Refusal::FragmentInTarget),
            b'?' if question_mark.is_none() => question_mark = Some(index),
            _ => {}
        }
    }
    let path_end = question_mark.unwrap_or(end);
    let query_start = question_mark.map_or(end, |index| index + 1);
    let path = Span::new(path_start, path_end);
    Ok(TargetParts {
        path,
        query: Span::new(query_start, end),
        authority,
    })
}

/// `uri-host [ ":" port ]`, which may be empty in a `Host` field (RFC 9112 §3.2).
pub(super) fn is_host(bytes: &[u8]) -> bool {
    match bytes {
        [b'[', rest @ ..] => match rest.iter().position(|byte| *byte == b']') {
            Some(end) => is_ip_literal(&rest[..end]) && is_port_suffix(&rest[end + 1..]),
            None => false,
        },
        _ => {
            let end = bytes.iter().position(|byte| !is_reg_name_byte(*byte));
            let end = end.unwrap_or(bytes.len());
            (end > 0 || bytes.is_empty()) && is_port_suffix(&bytes[end..])
        }
    }
}

/// Only the characters of an IPv6 address are checked: nothing is routed by it.
fn is_ip_literal(bytes: &[u8]) -> bool {
    bytes.len() >= 2
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
}

/// `[ ":" *DIGIT ]` with a number that can be a port.
fn is_port_suffix(bytes: &[u8]) -> bool {
    match bytes {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &str, target: &str, path: &str, query: &str, authority: Option<&str>) {
        let parts = parse_target(method.as_bytes(), target.as_bytes()).unwrap();
        let part = |span: Span| &target[span.range()];
        assert_eq!(part(parts.path), path);
        assert_eq!(part(parts.query), query);
        assert_eq!(parts.authority.map(part), authority);
    }

    #[track_caller]
    fn check_refused(method: &str, target: &str, refusal: Refusal) {
        assert_eq!(
            parse_target(method.as_bytes(), target.as_bytes()),
            Err(refusal)
        );
    }

    #[test]
    fn origin_form_is_split_at_the_first_question_mark() {
        check("GET", "/", "/", "", None);
        check("GET", "/films", "/films", "", None);
        check("GET", "/films?", "/films", "", None);
        check(
            "GET",
            "/films?id=eq.1&a=b?c/d",
            "/films",
            "id=eq.1&a=b?c/d",
            None,
        );
        check("GET", "//films/%2F?x", "//films/%2F", "x", None);
        check("GET", "/films?a={\"b\"|c}", "/films", "a={\"b\"|c}", None);
        check("GET", "/фильмы?имя=ж", "/фильмы", "имя=ж", None);
    }

    #[test]
    fn absolute_form_gives_its_authority() {
        check(
            "GET",
            "http://a.example/films?x=1",
            "/films",
            "x=1",
            Some("a.example"),
        );
        check(
            "GET",
            "HTTPS://a.example:3000/",
            "/",
            "",
            Some("a.example:3000"),
        );
        check("GET", "http://a.example", "", "", Some("a.example"));
        check("GET", "http://[::1]:80?x=1", "", "x=1", Some("[::1]:80"));
    }

    #[test]
    fn asterisk_form_is_for_options_only() {
        check("OPTIONS", "*", "*", "", None);
        check_refused("GET", "*", Refusal::InvalidTarget);
        check_refused("OPTIONS", "*?", Refusal::InvalidTarget);
    }

    #[test]
    fn other_forms_are_refused() {
        check_refused("CONNECT", "a.example:443", Refusal::InvalidTarget);
        check_refused("CONNECT", "/films", Refusal::InvalidTarget);
        check_refused("GET", "a.example:443", Refusal::InvalidTarget);
        check_refused("GET", "films", Refusal::InvalidTarget);
        check_refused("GET", "?x=1", Refusal::InvalidTarget);
        check_refused("GET", "ftp://a.example/", Refusal::InvalidTarget);
        check_refused("GET", "http:/a.example/", Refusal::InvalidTarget);
    }

    #[test]
    fn absolute_form_needs_a_plain_host() {
        check_refused("GET", "http:///films", Refusal::InvalidHost);
        check_refused("GET", "http://?x", Refusal::InvalidHost);
        check_refused("GET", "http://user@a.example/", Refusal::InvalidHost);
        check_refused("GET", "http://a.example:port/", Refusal::InvalidHost);
    }

    #[test]
    fn fragments_are_refused() {
        check_refused("GET", "/films#top", Refusal::FragmentInTarget);
        check_refused("GET", "/films?x=1#top", Refusal::FragmentInTarget);
        check_refused("GET", "http://a.example#top", Refusal::FragmentInTarget);
    }

    #[test]
    fn hosts_are_checked_for_their_characters() {
        for host in [
            "",
            "a",
            "a.example:80",
            "127.0.0.1:",
            "[::1]",
            "[::ffff:1.2.3.4]:65535",
            "a_b",
        ] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            ":80", "a b", "a/b", "a@b", "a:b", "a:1:2", "a:123456", "[::1", "[]", "[g::]", "a]",
            "a?b", "a\\b", "é", "a#b", "[::1]x", "<a>",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }
}
