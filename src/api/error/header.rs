//! Values and names of response headers.
//!
//! A response is lines of text, and some of that text comes from SQL: messages of errors,
//! `response.headers`. A line break in there would begin a header, or a body, of somebody else's
//! choosing. So a value is made here, where that cannot happen, or not at all.

use std::borrow::Cow;
use std::fmt;

/// The value of a response header, or a reason phrase: without CR, LF and NUL.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HeaderValue(Cow<'static, [u8]>);

impl HeaderValue {
    /// Takes any bytes; CR, LF and NUL become blanks, as RFC 9110, section 5.5 says.
    pub(crate) fn sanitized(value: impl Into<Vec<u8>>) -> HeaderValue {
        let mut value = value.into();
        value
            .iter_mut()
            .filter(|byte| matches!(byte, b'\r' | b'\n' | 0))
            .for_each(|byte| *byte = b' ');
        HeaderValue(Cow::Owned(value))
    }

    /// Takes a constant of our own.
    ///
    /// # Panics
    /// If it holds CR, LF or NUL; in a constant, that is while compiling.
    pub(crate) const fn of_constant(value: &'static str) -> HeaderValue {
        let bytes = value.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            assert!(
                !matches!(bytes[at], b'\r' | b'\n' | 0),
                "the constant is a header value"
            );
            at += 1;
        }
        HeaderValue(Cow::Borrowed(bytes))
    }

    /// The bytes of the value.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for HeaderValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(&self.0), f)
    }
}

/// The headers that decide where a response ends. They are made by the wire, and by nobody else.
const FRAMING: [&str; 7] = [
    "Connection",
    "Content-Length",
    "Keep-Alive",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
];

/// Whether SQL may set a header of that name: a token of RFC 9110, section 5.6.2, that has
/// nothing to do with framing.
pub(crate) fn is_free_name(name: &str) -> bool {
    let is_token_char = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let is_token = !name.is_empty() && name.bytes().all(is_token_char);
    is_token
        && !FRAMING
            .iter()
            .any(|framing| framing.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_hold_no_line_breaks() {
        let value = HeaderValue::sanitized(b"a\r\nSet-Cookie: b\0\tc\xff");
        assert_eq!(value.as_bytes(), b"a  Set-Cookie: b \tc\xff");
        assert_eq!(HeaderValue::sanitized(b"").as_bytes(), b"");
    }

    #[test]
    fn names_are_tokens_that_do_not_frame() {
        for free in ["X-Header", "content-type", "a", "!#$%&'*+-.^_`|~1"] {
            assert!(is_free_name(free), "{free}");
        }
        for not in [
            "",
            "a b",
            "a:",
            "a\r\n",
            "é",
            "Content-LENGTH",
            "transfer-encoding",
            "connection",
        ] {
            assert!(!is_free_name(not), "{not}");
        }
    }
}
