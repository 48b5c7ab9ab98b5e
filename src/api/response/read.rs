//! The response of a read.
//!
//! It is made when the row's columns before the body are known; whatever it says of the rows, it
//! says from the counts, and the body passes by unseen.

use super::{Body, FirstRow, Header, Response, ResultSet, overrides};
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

/// How the rows of an answer are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowsSent {
    /// As a whole.
    Together,
    /// One by one; whether an exact total tells how many they will be.
    OneByOne {
        /// It does.
        total_tells: bool,
        /// `db-max-rows`
        rows_max: Option<i64>,
    },
}

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
    sent: RowsSent,
}

impl ReadPending {
    /// Takes from the request what its response needs.
    pub(crate) fn new(
        config: &Config,
        request: &ApiRequest<'_>,
        name: &QualifiedName,
        headers_only: bool,
        media_type: MediaType,
        sent: RowsSent,
    ) -> ReadPending {
        ReadPending {
            headers_only,
            range: request.range,
            rows_max: config.db_max_rows,
            count: request.preferences.count,
            content_location: content_location(name, &request.query.canonical),
            media_type,
            preference_applied: request.preferences.applied_to_read(sent.is_one_by_one()),
            content_profile: request.content_profile(),
            verbosity: config.client_error_verbosity,
            sent,
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
        self.response(status, Some(content_range), total, result)
    }

    /// The same for rows that are sent one by one, from the first of them.
    ///
    /// # Errors
    /// As above, but there is no other number than one.
    pub(crate) fn respond_to_first(
        &self,
        result: &ResultSet<'_>,
        first: FirstRow,
        estimate: Option<i64>,
    ) -> Result<Response, Error> {
        let total = self.total(result.total, estimate);
        let is_exact = self.count == Some(CountPreference::Exact);
        let (status, content_range) = self.sent.head(&self.range, first, total, is_exact);
        self.response(status, content_range, total, result)
    }

    fn response(
        &self,
        status: u16,
        content_range: Option<String>,
        total: Option<i64>,
        result: &ResultSet<'_>,
    ) -> Result<Response, Error> {
        let mut headers = Vec::with_capacity(HEADERS_USUAL_MAX);
        headers.extend(content_range.map(|range| Header::new("Content-Range", range)));
        headers.extend([
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

impl RowsSent {
    pub(super) fn is_one_by_one(self) -> bool {
        self != RowsSent::Together
    }

    /// The status of rows that are sent one by one, and the `Content-Range`.
    pub(super) fn head(
        self,
        range: &Range,
        first: FirstRow,
        total: Option<i64>,
        is_exact: bool,
    ) -> (u16, Option<String>) {
        let (total_tells, rows_max) = match self {
            RowsSent::Together => (false, None),
            RowsSent::OneByOne {
                total_tells,
                rows_max,
            } => (total_tells && is_exact, rows_max),
        };
        match first {
            FirstRow::Row => range
                .restricted_to(rows_max)
                .expected_status_and_content_range(total, total_tells),
            FirstRow::Nothing => {
                let (status, range) = range.status_and_content_range(0, total);
                (status, Some(range))
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
