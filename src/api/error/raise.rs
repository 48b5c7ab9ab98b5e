//! `RAISE SQLSTATE 'PGRST'`: SQL decides about the whole response.
//!
//! ```text
//! MESSAGE = {"code": text, "message": text, "details": text?, "hint": text?}
//! DETAIL  = {"status": number, "headers": {name: text, …}, "status_text": text?}
//! ```
//! Keys other than these are not looked at.

use super::database::final_status;
use super::respond::{Details, ErrorResponse, Wording, respond};
use super::{DatabaseError, HeaderValue, is_free_name};
use crate::json::{Json, Members};
use corerest_config::ErrorVerbosity;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What is wrong with the JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidRaise {
    /// The MESSAGE, with its text.
    Message(String),
    /// The DETAIL, with its text.
    Detail(String),
    /// There is no DETAIL.
    NoDetail,
}

/// A response that SQL decided about.
pub(super) struct Raise {
    wording: Wording,
    status: i64,
    status_text: Option<String>,
    headers: BTreeMap<String, String>,
}

impl Raise {
    pub(super) const SQLSTATE: &'static str = "PGRST";

    /// The message is judged first, then whether there is a detail, then the detail.
    pub(super) fn parse(error: &DatabaseError) -> Result<Raise, InvalidRaise> {
        let wording = parse_message(&error.message)
            .ok_or_else(|| InvalidRaise::Message(error.message.clone()))?;
        let detail = error.detail.as_ref().ok_or(InvalidRaise::NoDetail)?;
        parse_detail(wording, detail).ok_or_else(|| InvalidRaise::Detail(detail.clone()))
    }

    pub(super) fn response(self, verbosity: ErrorVerbosity) -> ErrorResponse {
        let status = final_status(self.status).unwrap_or(500);
        let free = self
            .headers
            .into_iter()
            .filter(|(name, _)| is_free_name(name));
        let headers =
            free.map(|(name, value)| (Cow::Owned(name), HeaderValue::sanitized(value.as_bytes())));
        respond(
            status,
            self.status_text.as_deref(),
            &self.wording,
            headers,
            verbosity,
        )
    }
}

fn parse_message(text: &str) -> Option<Wording> {
    let json = Json::parse(text.as_bytes())?;
    let json = json.members()?;
    Some(Wording {
        code: json.find("code")?.text()?.to_owned(),
        message: json.find("message")?.text()?.to_owned(),
        details: Details::from(optional_text(json, "details")?),
        hint: optional_text(json, "hint")?,
    })
}

fn parse_detail(wording: Wording, text: &str) -> Option<Raise> {
    let json = Json::parse(text.as_bytes())?;
    let json = json.members()?;
    let mut headers = BTreeMap::new();
    for (name, value) in json.find("headers")?.members()?.iter() {
        headers.insert(name.to_owned(), value.text()?.to_owned());
    }
    Some(Raise {
        wording,
        status: whole_number(json.find("status")?)?,
        status_text: optional_text(json, "status_text")?,
        headers,
    })
}

/// A text that may be missing or null; `None` if it is something else.
fn optional_text(json: &Members, key: &str) -> Option<Option<String>> {
    match json.find(key) {
        None | Some(Json::Null) => Some(None),
        Some(value) => value.text().map(|text| Some(text.to_owned())),
    }
}

/// `404`, `404.0` and `4.04e2` are the same number.
fn whole_number(json: &Json) -> Option<i64> {
    let Json::Number(text) = json else {
        return None;
    };
    text.parse().ok().or_else(|| {
        let number: f64 = text.parse().ok()?;
        let whole = number.fract() == 0.0 && number.abs() < 1e15;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it is whole, and small enough"
        )]
        whole.then_some(number as i64)
    })
}
