//! The HTTP request as the wire hands it over, and what is read from it without a grammar.
//!
//! Values of headers are bytes, which become text where text is meant; path segments, cookies and
//! the query string are decoded here or next door, and never again.
//!
//! What is no UTF-8 in a path or a query string is refused. In a header it becomes U+FFFD, for
//! settings and messages: clients, and proxies between, send names and places in Latin-1 along with
//! requests that have nothing to do with them. What a header decides is decided by its bytes.

use super::query_string::{NotUtf8, Plus, decode_text};
use std::borrow::Cow;

/// An HTTP request. Everything borrows from the connection's buffers.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpRequest<'a> {
    /// The method.
    pub method: &'a str,
    /// The path as it was sent, still percent-encoded.
    pub path: &'a str,
    /// The query string as it was sent, without its `?`.
    pub query: &'a str,
    /// The headers in their order.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The body.
    pub body: &'a [u8],
}

impl<'a> HttpRequest<'a> {
    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }

    /// The header as text.
    pub(super) fn text_header(&self, name: &str) -> Option<Cow<'a, str>> {
        self.header(name).map(String::from_utf8_lossy)
    }

    /// The segments of the path, decoded. `/` has none; a slash at the end begins an empty one.
    ///
    /// # Errors
    /// The first segment that is no text.
    pub(super) fn path_segments(&self) -> Result<Vec<Cow<'a, str>>, NotUtf8> {
        if self.path.is_empty() || self.path == "/" {
            return Ok(Vec::new());
        }
        let path = self.path.strip_prefix('/').unwrap_or(self.path);
        path.split('/')
            .map(|segment| decode_text(segment, Plus::Plus))
            .collect()
    }

    /// The cookies in their order, for `request.cookies`.
    ///
    /// Parity: quotes around the whole of a value are taken off, and what is between them is as it
    /// was; those of a name stay.
    pub(crate) fn cookies(&self) -> Vec<(String, String)> {
        let Some(header) = self.text_header("cookie") else {
            return Vec::new();
        };
        let cookie = |cookie: &str| {
            let (name, value) = cookie.split_once('=').unwrap_or((cookie, ""));
            let quoted = value.strip_prefix('"');
            let value = quoted
                .and_then(|value| value.strip_suffix('"'))
                .unwrap_or(value);
            (name.trim_start_matches(' ').to_owned(), value.to_owned())
        };
        header.split_terminator(';').map(cookie).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_path(path: &str, expected: &[&str]) {
        let http = HttpRequest {
            path,
            ..HttpRequest::default()
        };
        assert_eq!(http.path_segments().unwrap(), expected, "{path}");
    }

    #[test]
    fn paths_are_decoded_after_they_are_split() {
        check_path("", &[]);
        check_path("/", &[]);
        check_path("/films", &["films"]);
        check_path("films", &["films"]);
        check_path("/rpc/add", &["rpc", "add"]);
        check_path("/films/", &["films", ""]);
        check_path("//", &["", ""]);
        check_path("/a%2Fb", &["a/b"]);
        check_path("/a+b%20c", &["a+b c"]);
        check_path("/%C3%A9%", &["é%"]);
    }

    #[test]
    fn a_segment_that_is_not_utf8_is_no_text() {
        let http = HttpRequest {
            path: "/rpc/caf%E9",
            ..HttpRequest::default()
        };
        assert_eq!(http.path_segments(), Err(NotUtf8("caf%E9".to_owned())));
    }

    #[track_caller]
    fn check_cookies(header: &str, expected: &[(&str, &str)]) {
        let headers: [(&str, &[u8]); 1] = [("CookIe", header.as_bytes())];
        let http = HttpRequest {
            headers: &headers,
            ..HttpRequest::default()
        };
        let cookies = http.cookies();
        let cookies: Vec<(&str, &str)> = cookies
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        assert_eq!(cookies, expected, "{header}");
    }

    #[test]
    fn cookies_are_split() {
        check_cookies("", &[]);
        check_cookies("a=b", &[("a", "b")]);
        check_cookies("a=b; c=d=e;f", &[("a", "b"), ("c", "d=e"), ("f", "")]);
        check_cookies("a=b ;", &[("a", "b ")]);
    }

    #[test]
    fn quotes_around_a_cookie_are_taken_off() {
        check_cookies(r#"a="x y"; b="""#, &[("a", "x y"), ("b", "")]);
        check_cookies(r#"a="x\"y"; b="x\""#, &[("a", r#"x\"y"#), ("b", r"x\")]);
        check_cookies(r#"a=""x""; b="é=1""#, &[("a", r#""x""#), ("b", "é=1")]);
        for other in [
            r#"""#, r#""x"#, r#"x""#, r#""b"c"#, r#" "x""#, r#""x" "#, "'x'",
        ] {
            check_cookies(&format!("a={other};"), &[("a", other)]);
        }
        // A semicolon ends a cookie, and quotes do not help.
        check_cookies(r#"a="x;y""#, &[("a", r#""x"#), (r#"y""#, "")]);
        check_cookies(r#""a"=x"#, &[(r#""a""#, "x")]);
    }

    #[test]
    fn the_first_header_of_a_name_counts() {
        let headers: [(&str, &[u8]); 2] = [("Accept", b"a"), ("accept", b"b")];
        let http = HttpRequest {
            headers: &headers,
            ..HttpRequest::default()
        };
        assert_eq!(http.header("ACCEPT"), Some(&b"a"[..]));
        assert_eq!(http.header("Prefer"), None);
    }
}
