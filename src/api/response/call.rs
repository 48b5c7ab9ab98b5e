//! The response of a call. What a function returns has ranges and counts like a table; `void` is
//! 204, whatever else is wanted.

use super::read::{RowsSent, add_vary, content_type, out_of_bounds};
use super::{Body, FirstRow, Header, Response, ResultSet, overrides};
use crate::auth::Expiry;
use crate::catalog::Routine;
use crate::error::Error;
use crate::request::ApiRequest;
use crate::request::media_type::MediaType;
use crate::request::range::Range;
use corerest_config::{Config, ErrorVerbosity};

/// What is remembered of a call until PostgreSQL has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CallPending {
    returns_void: bool,
    headers_only: bool,
    /// Whether the answer is what is notified from now on, and for how long its caller may hear it.
    pub(crate) hears: Option<Hears>,
    range: Range,
    media_type: MediaType,
    preference_applied: Option<String>,
    content_profile: Option<String>,
    verbosity: ErrorVerbosity,
    sent: RowsSent,
}

/// How long a caller may hear what is notified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hears {
    /// When its token expires, if it does.
    pub(crate) until: Option<Expiry>,
}

impl CallPending {
    /// Takes from the request what its response needs.
    pub(crate) fn new(
        config: &Config,
        request: &ApiRequest<'_>,
        routine: &Routine,
        headers_only: bool,
        media_type: MediaType,
        sent: RowsSent,
    ) -> CallPending {
        CallPending {
            returns_void: routine.returns_void(),
            headers_only,
            hears: None,
            range: request.range,
            media_type,
            preference_applied: request.preferences.applied_to_call(sent.is_one_by_one()),
            content_profile: request.content_profile(),
            verbosity: config.client_error_verbosity,
            sent,
        }
    }

    /// The response, from the main row.
    ///
    /// # Errors
    /// `PGRST111` and `PGRST112` if SQL set headers or a status that are none.
    pub(crate) fn respond(&self, result: &ResultSet<'_>) -> Result<Response, Error> {
        let (status, content_range) = self
            .range
            .status_and_content_range(result.page, result.total);
        self.response(status, Some(content_range), result)
    }

    /// The same for rows that are sent one by one, from the first of them.
    ///
    /// # Errors
    /// As above.
    pub(crate) fn respond_to_first(
        &self,
        result: &ResultSet<'_>,
        first: FirstRow,
    ) -> Result<Response, Error> {
        let (status, content_range) = self.sent.head(&self.range, first, result.total, true);
        self.response(status, content_range, result)
    }

    fn response(
        &self,
        status: u16,
        content_range: Option<String>,
        result: &ResultSet<'_>,
    ) -> Result<Response, Error> {
        // What is to come has neither an end nor a number of rows, is nobody's to keep, and of use
        // at once or never.
        let mut headers: Vec<Header> = match self.hears {
            None => {
                let range = content_range.map(|range| Header::new("Content-Range", range));
                range.into_iter().collect()
            }
            Some(_) => vec![
                Header::new("Cache-Control", "no-store, no-transform"),
                Header::new("X-Accel-Buffering", "no"),
            ],
        };
        let applied = self.preference_applied.iter();
        headers.extend(applied.map(|p| Header::new("Preference-Applied", p.as_bytes())));
        if !self.returns_void {
            headers.push(content_type(&self.media_type));
            let profile = self.content_profile.iter();
            headers.extend(profile.map(|p| Header::new("Content-Profile", p.as_bytes())));
        }
        let body = match status {
            _ if self.returns_void || self.headers_only => Body::Absent,
            416 => Body::Bytes(out_of_bounds(&self.range, result.total, self.verbosity)),
            _ => Body::LastColumn,
        };
        let mut response = Response {
            status: if self.returns_void { 204 } else { status },
            reason: None,
            headers,
            body,
        };
        overrides::apply(&mut response, result.status, result.headers)?;
        // Another status ends the matter: EventSource does not come again.
        if self.hears.is_some() && response.status == 200 && response.body == Body::LastColumn {
            response.body = Body::Events;
        }
        add_vary(&mut response.headers);
        Ok(response)
    }
}
