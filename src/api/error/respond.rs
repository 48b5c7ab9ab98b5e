//! From the words of an error to the response that tells them. It knows no error: what PostgreSQL
//! reports and what SQL raises are told with it, too.

use super::beginning::beginning;
use super::header::HeaderValue;
use crate::json::{JsonText, write_json_object};
use corerest_config::ErrorVerbosity;
use std::borrow::Cow;

/// An error as a response. Content-Length and the like are the wire's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorResponse {
    /// The HTTP status; never one that promises another answer.
    pub status: u16,
    /// A reason phrase other than the usual one, without line breaks.
    pub reason: Option<String>,
    /// The code.
    pub code: String,
    /// The headers in their order.
    pub headers: Vec<(Cow<'static, str>, HeaderValue)>,
    /// JSON.
    pub body: Vec<u8>,
}

/// The words of an error.
pub(crate) struct Wording {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) details: Details,
    pub(crate) hint: Option<String>,
}

/// The details of an error.
pub(crate) enum Details {
    None,
    Text(String),
    /// A JSON document, already written.
    Json(Vec<u8>),
}

impl From<Option<String>> for Details {
    fn from(text: Option<String>) -> Details {
        text.map_or(Details::None, Details::Text)
    }
}

/// Puts a response together. Headers given replace our own of the same name.
pub(super) fn respond(
    status: u16,
    reason: Option<&str>,
    wording: &Wording,
    headers: impl IntoIterator<Item = (Cow<'static, str>, HeaderValue)>,
    verbosity: ErrorVerbosity,
) -> ErrorResponse {
    let theirs: Vec<_> = headers.into_iter().collect();
    let proxy_status = format!("PostgREST; error={}", wording.code);
    let mut all: Vec<(Cow<'static, str>, HeaderValue)> = vec![
        (
            "Content-Type".into(),
            HeaderValue::of_constant("application/json; charset=utf-8"),
        ),
        (
            "Proxy-Status".into(),
            HeaderValue::sanitized(proxy_status.as_bytes()),
        ),
    ];
    all.retain(|(ours, _)| {
        !theirs
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case(ours))
    });
    all.extend(theirs);
    ErrorResponse {
        status,
        reason: reason.map(reason_phrase),
        code: wording.code.clone(),
        headers: all,
        body: write_body(wording, verbosity),
    }
}

/// How much of a message the status line has. The body has more of it, and clients and proxies do
/// not take a line of any length.
const REASON_BYTES_MAX: usize = 256;

fn reason_phrase(message: &str) -> String {
    beginning(message, REASON_BYTES_MAX).replace(['\r', '\n', '\0'], " ")
}

fn write_body(wording: &Wording, verbosity: ErrorVerbosity) -> Vec<u8> {
    let mut body = Vec::with_capacity(256);
    let code = ("code", JsonText::String(&wording.code));
    let message = ("message", JsonText::String(&wording.message));
    match verbosity {
        ErrorVerbosity::Minimal => write_json_object(&mut body, [code, message]),
        ErrorVerbosity::Verbose => {
            let details = match &wording.details {
                Details::None => JsonText::Null,
                Details::Text(text) => JsonText::String(text),
                Details::Json(json) => JsonText::Written(json),
            };
            let hint = JsonText::from(wording.hint.as_deref());
            let members = [code, ("details", details), ("hint", hint), message];
            write_json_object(&mut body, members);
        }
    }
    body
}
