//! The response of a read.
//!
//! It is made when the row's columns before the body are known; whatever it says of the rows, it
//! says from the counts, and the body passes by unseen.

use super::{Body, Header, Response, ResultSet, overrides};
use crate::error::{Error, HeaderValue};
use crate::request::ApiRequest;
use crate::request::media_type::MediaType;
use crate::request::preferences::CountPreference;
use crate::request::range::Range;
use corerest_config::{Config, ErrorVerbosity};
use corerest_sql::QualifiedName;

const JSON: HeaderValue = HeaderValue::of_constant("application/json; charset=utf-8");
/// How many headers most responses have at most: Vary comes last.
const HEADERS_USUAL_MAX: usize = 6;

const VARY: HeaderValue = HeaderValue::of_constant("Accept, Prefer, Range");

/// What is remembered of a read until PostgreSQL has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadPending {
    headers_only: bool,
    range: Range,
    rows_max: Option<i64>,
    count: Option<CountPreference>,
    /// The only thing about it that depends on the values of filters.
    pub(crate) content_location: String,
    media_type: MediaType,
    preference_applied: Option<String>,
    content_profile: Option<String>,
    verbosity: ErrorVerbosity,
}

impl ReadPending {
    /// Takes from the request what its response needs.
    pub(crate) fn new(
        config: &Config,
        request: &ApiRequest<'_>,
        name: &QualifiedName,
        headers_only: bool,
        media_type: MediaType,
    ) -> ReadPending {
        ReadPending {
            headers_only,
            range: request.range,
            rows_max: config.db_max_rows,
            count: request.preferences.count,
            content_location: content_location(name, &request.query.canonical),
            media_type,
            preference_applied: request.preferences.applied_to_read(),
            content_profile: request.content_profile(),
            verbosity: config.client_error_verbosity,
        }
    }

    /// The response, from the main row and what the planner estimated.
    ///
    /// # Errors
    /// `PGRST116` if one row was to come and another number did; `PGRST111` and `PGRST112` if SQL
    /// set headers or a status that are none.
    pub(crate) fn respond(
        &self,
        result: &ResultSet<'_>,
        estimate: Option<i64>,
    ) -> Result<Response, Error> {
        if matches!(self.media_type, MediaType::SingularJson(_)) && result.page != 1 {
            return Err(Error::NotSingular { rows: result.page });
        }
        let total = self.total(result.total, estimate);
        let (status, content_range) = self.range.status_and_content_range(result.page, total);
        let mut headers = Vec::with_capacity(HEADERS_USUAL_MAX);
        headers.extend([
            Header::new("Content-Range", content_range),
            Header::new("Content-Location", self.content_location.as_bytes()),
            content_type(&self.media_type),
        ]);
        let profile = self
            .content_profile
            .iter()
            .map(|p| Header::new("Content-Profile", p.as_bytes()));
        headers.extend(profile);
        let applied = self
            .preference_applied
            .iter()
            .map(|p| Header::new("Preference-Applied", p.as_bytes()));
        headers.extend(applied);
        let body = match status {
            _ if self.headers_only => Body::Absent,
            416 => Body::Bytes(out_of_bounds(&self.range, total, self.verbosity)),
            _ => Body::LastColumn,
        };
        let mut response = Response {
            status,
            reason: None,
            headers,
            body,
        };
        overrides::apply(&mut response, result.status, result.headers)?;
        add_vary(&mut response.headers);
        Ok(response)
    }

    /// The total that Content-Range shows. With `count=estimated`, the planner is believed once
    /// there are more rows than `db-max-rows`.
    ///
    /// Parity: without `db-max-rows` that is always so (`Just n > Nothing` in MainTx.hs).
    fn total(&self, counted: Option<i64>, estimate: Option<i64>) -> Option<i64> {
        match self.count {
            None => None,
            Some(CountPreference::Exact) => counted,
            Some(CountPreference::Planned) => estimate,
            Some(CountPreference::Estimated) => {
                if counted > self.rows_max {
                    counted.max(estimate)
                } else {
                    counted
                }
            }
        }
    }
}

/// The body of a response to a request for rows beyond the last.
pub(super) fn out_of_bounds(
    range: &Range,
    total: Option<i64>,
    verbosity: ErrorVerbosity,
) -> Vec<u8> {
    let error = Error::RangeOutOfBounds {
        offset: range.offset().to_string(),
        total: total.unwrap_or(0).to_string(),
    };
    error.response(verbosity).body
}

/// JSON, which nearly all answers are, is a constant.
pub(super) fn content_type(media_type: &MediaType) -> Header {
    match media_type {
        MediaType::ApplicationJson => Header::constant("Content-Type", JSON),
        other => Header::new("Content-Type", other.content_type()),
    }
}

fn content_location(name: &QualifiedName, canonical_query: &str) -> String {
    let separator = if canonical_query.is_empty() { "" } else { "?" };
    format!("/{}{separator}{canonical_query}", name.name)
}

/// Caches must know which headers of the request the answer depends on.
pub(super) fn add_vary(headers: &mut Vec<Header>) {
    if !headers
        .iter()
        .any(|header| header.name.eq_ignore_ascii_case("vary"))
    {
        headers.push(Header::constant("Vary", VARY));
    }
}
