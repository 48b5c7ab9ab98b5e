//! The response of a write. What it says, and whether it has a body, depends on what was done and
//! on `Prefer: return`.

use super::read::{add_vary, content_type};
use super::{Body, Header, Response, ResultSet, overrides};
use crate::error::Error;
use crate::json::Json;
use crate::plan::MutatePlan;
use crate::request::media_type::MediaType;
use crate::request::preferences::{
    CountPreference, RepresentationPreference, ResolutionPreference,
};
use crate::request::query_string::escape;
use crate::request::range::content_range;
use crate::request::{ApiRequest, Mutation};

/// What is remembered of a write until PostgreSQL has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MutatePending {
    mutation: Mutation,
    table: String,
    shows_rows: bool,
    counts: bool,
    merges_duplicates: bool,
    media_type: MediaType,
    preference_applied: Option<String>,
    content_profile: Option<String>,
}

impl MutatePending {
    /// Takes from the request what its response needs.
    pub(crate) fn new(
        request: &ApiRequest<'_>,
        plan: &MutatePlan<'_>,
        mutation: Mutation,
        has_conflict_columns: bool,
        media_type: MediaType,
    ) -> MutatePending {
        let preferences = &request.preferences;
        let merge = Some(ResolutionPreference::MergeDuplicates);
        MutatePending {
            mutation,
            table: plan.table.name.to_string(),
            shows_rows: preferences.representation == Some(RepresentationPreference::Full),
            counts: matches!(
                preferences.count,
                Some(CountPreference::Exact | CountPreference::Estimated)
            ),
            merges_duplicates: preferences.resolution == merge,
            media_type,
            preference_applied: preferences.applied_to_write(mutation, has_conflict_columns),
            content_profile: request.content_profile(),
        }
    }

    /// The response, from the main row.
    ///
    /// # Errors
    /// `PGRST111` and `PGRST112` if SQL set headers or a status that are none.
    pub(crate) fn respond(&self, result: &ResultSet<'_>) -> Result<Response, Error> {
        let mut headers = Vec::with_capacity(8);
        if self.mutation == Mutation::Create {
            headers.extend(self.location(result).map(|l| Header::new("Location", l)));
        }
        headers.extend(
            self.content_range(result.page)
                .map(|r| Header::new("Content-Range", r)),
        );
        let applied = self.preference_applied.iter();
        headers.extend(applied.map(|p| Header::new("Preference-Applied", p.as_bytes())));
        if self.shows_rows {
            headers.push(content_type(&self.media_type));
            let profile = self.content_profile.iter();
            headers.extend(profile.map(|p| Header::new("Content-Profile", p.as_bytes())));
        }
        let mut response = Response {
            status: self.status(result.total.unwrap_or(0)),
            reason: None,
            headers,
            body: self.body(),
        };
        overrides::apply(&mut response, result.status, result.headers)?;
        add_vary(&mut response.headers);
        Ok(response)
    }

    /// `new_rows` are known of upserts only.
    fn status(&self, new_rows: i64) -> u16 {
        match self.mutation {
            Mutation::Create if self.merges_duplicates && new_rows <= 0 => 200,
            Mutation::Create => 201,
            _ if !self.shows_rows => 204,
            Mutation::SingleUpsert if new_rows > 0 => 201,
            Mutation::SingleUpsert | Mutation::Update | Mutation::Delete => 200,
        }
    }

    fn body(&self) -> Body {
        match self.mutation {
            _ if self.shows_rows => Body::LastColumn,
            Mutation::Create => Body::Bytes(Vec::new()),
            Mutation::SingleUpsert | Mutation::Update | Mutation::Delete => Body::Absent,
        }
    }

    fn content_range(&self, rows: i64) -> Option<String> {
        let total = self.counts.then_some(rows);
        match self.mutation {
            Mutation::Create | Mutation::Delete => Some(content_range(1, 0, total)),
            Mutation::Update => Some(content_range(0, i128::from(rows) - 1, total)),
            Mutation::SingleUpsert => None,
        }
    }

    /// Where the new row is, by its primary key: `/films?id=eq.7`.
    fn location(&self, result: &ResultSet<'_>) -> Option<String> {
        let key = Json::parse(result.location?)?;
        let mut location = format!("/{}", self.table);
        for (index, column) in key.elements()?.iter().enumerate() {
            let [name, value] = column.elements()? else {
                return None;
            };
            location.push(if index == 0 { '?' } else { '&' });
            let value = value
                .text()
                .map_or("is.null".to_owned(), |value| format!("eq.{value}"));
            escape(&mut location, name.text()?.as_bytes());
            location.push('=');
            escape(&mut location, value.as_bytes());
        }
        Some(location)
    }
}
