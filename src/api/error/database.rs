//! Errors that PostgreSQL reports, and the HTTP statuses they become.
//!
//! Source: PostgREST's documentation, `references/errors`, and PostgreSQL's, appendix A.

use super::HeaderValue;
use super::beginning::beginning;
use super::respond::{Details, ErrorResponse, Wording, respond};
use corerest_config::ErrorVerbosity;

/// An ErrorResponse message of PostgreSQL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseError {
    /// The SQLSTATE.
    pub code: String,
    /// The message.
    pub message: String,
    /// The detail, if there is one.
    pub detail: Option<String>,
    /// The hint, if there is one.
    pub hint: Option<String>,
    /// Whether the request came with a token, which decides between 401 and 403.
    pub authenticated: bool,
}

/// The text, or its beginning. PostgreSQL repeats values that it cannot read, however long they
/// are, and each of their bytes may be six of JSON.
fn shown(text: &str) -> String {
    const SHOWN_BYTES_MAX: usize = 1 << 20;
    beginning(text, SHOWN_BYTES_MAX).to_owned()
}

impl DatabaseError {
    pub(super) fn response(&self, verbosity: ErrorVerbosity) -> ErrorResponse {
        let wording = Wording {
            code: self.code.clone(),
            message: shown(&self.message),
            details: Details::from(self.detail.as_deref().map(shown)),
            hint: self.hint.as_deref().map(shown),
        };
        let (status, reason) = match self.chosen_status() {
            Some(status) => (status, Some(self.message.as_str())),
            None => (self.status(), None),
        };
        let challenge = (status == 401).then(|| {
            (
                "WWW-Authenticate".into(),
                HeaderValue::of_constant("Bearer"),
            )
        });
        respond(status, reason, &wording, challenge, verbosity)
    }

    /// `PTxyz`: SQL chooses the status, and the message is its reason phrase.
    fn chosen_status(&self) -> Option<u16> {
        let status = self.code.strip_prefix("PT")?;
        final_status(status.parse().ok()?)
    }

    fn status(&self) -> u16 {
        let message = &self.message;
        match self.code.as_str() {
            "23503" | "23505" => 409,
            "25006" => 405,
            // Only the extension pg-safeupdate blames the client with this code.
            "21000" if message.ends_with("requires a WHERE clause") => 400,
            "21000" => 500,
            // The role of the token.
            "22023" if message.starts_with("role") && message.ends_with("does not exist") => 401,
            "53400" => 500,
            "57P01" => 503,
            "P0001" => 400,
            // There is no XML without libxml, so that the media type cannot be produced.
            "42883" if message.starts_with("function xmlagg(") => 406,
            "42883" | "42P01" => 404,
            "42P17" => 500,
            "42501" if self.authenticated => 403,
            "42501" => 401,
            _ => class_status(&self.code),
        }
    }
}

/// The status of a class of SQLSTATEs, which is their first two characters.
fn class_status(code: &str) -> u16 {
    match code.get(..2).unwrap_or(code) {
        "08" | "53" => 503,
        "0L" | "0P" | "28" => 403,
        "09" | "25" | "2D" | "38" | "39" | "3B" | "40" | "54" | "55" | "57" | "58" | "F0"
        | "HV" | "P0" | "PT" | "XX" => 500,
        _ => 400,
    }
}

/// A status that SQL chose, if it can be one of a final answer. A client would wait for ever for
/// what comes after a status below 200.
pub(super) fn final_status(status: i64) -> Option<u16> {
    u16::try_from(status)
        .ok()
        .filter(|status| (200..=999).contains(status))
}
