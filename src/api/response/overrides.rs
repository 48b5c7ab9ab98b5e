//! What SQL may say about the response, through `response.status` and `response.headers`.
//!
//! Source: PostgREST's documentation, `references/transactions` ("Response Headers" and
//! "Response Status Code").

use super::{Header, Response};
use crate::error::{Error, HeaderValue, is_free_name};
use crate::json::Json;
use std::borrow::Cow;

/// Applies both settings to a response. A header of SQL replaces ours of the same name.
///
/// # Errors
/// `PGRST111` and `PGRST112` if they are not what they must be.
pub(super) fn apply(
    response: &mut Response,
    status: Option<&[u8]>,
    headers: Option<&[u8]>,
) -> Result<(), Error> {
    if let Some(status) = status {
        response.status = decode_status(status).ok_or(Error::GucStatus)?;
    }
    if let Some(headers) = headers {
        let theirs = decode_headers(headers).ok_or(Error::GucHeaders)?;
        let is_theirs = |ours: &Header| {
            theirs
                .iter()
                .any(|header| header.name.eq_ignore_ascii_case(&ours.name))
        };
        response.headers.retain(|ours| !is_theirs(ours));
        response.headers.extend(theirs);
    }
    Ok(())
}

/// Parity: digits at the start are enough (`decimal` in Response.hs). Statuses that are no final
/// answer would leave the client waiting, and are refused.
fn decode_status(text: &[u8]) -> Option<u16> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let status: u16 = std::str::from_utf8(&text[..digits]).ok()?.parse().ok()?;
    (200..=999).contains(&status).then_some(status)
}

/// An array of objects with a single key each, whose value is a string.
fn decode_headers(text: &[u8]) -> Option<Vec<Header>> {
    let value = Json::parse(text)?;
    let mut headers = Vec::new();
    for item in value.elements()? {
        let mut members = item.members()?.iter();
        let (name, value) = members.next().filter(|_| members.len() == 0)?;
        let value = value.text()?;
        if is_free_name(name) {
            let value = HeaderValue::sanitized(value.as_bytes());
            headers.push(Header {
                name: Cow::Owned(name.to_owned()),
                value,
            });
        }
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::Body;

    fn response() -> Response {
        let headers = vec![Header::new("Content-Type", "application/json")];
        Response {
            status: 200,
            reason: None,
            headers,
            body: Body::LastColumn,
        }
    }

    #[track_caller]
    fn check_headers(text: &str, expected: Option<&[(&str, &str)]>) {
        let mut response = response();
        let result = apply(&mut response, None, Some(text.as_bytes()));
        let Some(expected) = expected else {
            assert!(matches!(result, Err(Error::GucHeaders)), "{text}");
            return;
        };
        result.unwrap();
        let got: Vec<_> = response
            .headers
            .iter()
            .map(|h| (&*h.name, h.value.as_bytes()))
            .collect();
        let expected: Vec<_> = expected.iter().map(|(n, v)| (*n, v.as_bytes())).collect();
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn headers_of_sql_replace_and_extend_ours() {
        let json = ("Content-Type", "application/json");
        check_headers("[]", Some(&[json]));
        check_headers(
            r#"[{"X-A":"1"},{"X-A":"2"}]"#,
            Some(&[json, ("X-A", "1"), ("X-A", "2")]),
        );
        check_headers(
            r#"[{"content-type":"text/x"}]"#,
            Some(&[("content-type", "text/x")]),
        );
    }

    #[test]
    fn headers_of_sql_cannot_break_the_framing() {
        let json = ("Content-Type", "application/json");
        check_headers(
            r#"[{"Content-Length":"1"},{"transfer-encoding":"chunked"}]"#,
            Some(&[json]),
        );
        check_headers(r#"[{"a b":"1"},{"":"1"},{"a\r\nb":"1"}]"#, Some(&[json]));
        check_headers(
            r#"[{"x":"a\r\nSet-Cookie: b"}]"#,
            Some(&[json, ("x", "a  Set-Cookie: b")]),
        );
    }

    #[test]
    fn headers_that_are_no_headers_are_an_error() {
        for text in [
            "",
            "{}",
            "1",
            "[1]",
            r#"[{"a":1}]"#,
            r#"[{"a":"1","b":"2"}]"#,
            "[{}]",
            "[",
        ] {
            check_headers(text, None);
        }
    }

    #[test]
    fn headers_that_are_nested_are_an_error_at_any_depth() {
        for depth in [2, 127, 128, 129, 1_000, 10_000, 1_000_000] {
            let (open, close) = ("[".repeat(depth), "]".repeat(depth));
            check_headers(&format!("{open}{close}"), None);
            check_headers(&format!(r#"[{{"X-A":{open}{close}}}]"#), None);
            check_headers(&open, None);
        }
    }

    #[test]
    fn statuses_are_numbers_of_final_answers() {
        assert_eq!(decode_status(b"418"), Some(418));
        assert_eq!(decode_status(b"201 Created"), Some(201));
        for text in [&b"abc"[..], b"", b"-1", b"100", b"99999999", b"0"] {
            assert_eq!(decode_status(text), None);
        }
    }
}
