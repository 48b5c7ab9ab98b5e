//! Inserts whose body comes in parts: what is asked of PostgreSQL for each, and what the response
//! is when the last one was written.
//!
//! ```text
//! first part:  BEGIN, settings, pre-request, INSERT      [`Batch::first_flight`]
//! each other:  INSERT                                    [`Batch::part_flight`]
//! the end:     (constraints) COMMIT, or ROLLBACK         [`Batch::last_flight`]
//! ```
//! The statements are those of any insert, in an explicit transaction; each part is the body that
//! the main statement has as its parameter.

use super::asked::Asked;
use super::context::Context;
use super::mutate::Flights;
use super::pending::{Pending, Prepared};
use crate::auth::Identity;
use crate::error::Error;
use crate::plan::plan_arrays;
use crate::query::Batch;
use crate::request::media_type::MediaType;
use crate::request::payload::intake::{PartEnd, no_first_record};
use crate::request::payload::{Content, Intake, PartForm, Payload};
use crate::request::preferences::RepresentationPreference;
use crate::request::{Action, ApiRequest, HttpRequest, Mutation};
use crate::response::{Response, ResultSet};
use corerest_sql::Statement;

/// A body up to this length is taken as a whole, and so are the parts of a longer one, but for what
/// is behind their last whole record.
pub const PART_BYTES: usize = 1 << 20;

/// The longest record that a part can grow for.
pub const RECORD_BYTES_MAX: usize = 8 << 20;

/// What a request has become whose body comes in parts.
#[derive(Debug)]
pub enum PreparedUpload {
    /// The answer does not wait for more.
    Reply(Response),
    /// The first part holds no whole record.
    WantsMore,
    /// PostgreSQL has to be asked.
    Begin(Box<Intake>, Batch, Pending),
}

/// Whether the body of a request may come in parts, as far as its head tells. If it is short, it
/// does not.
pub fn comes_in_parts(context: &Context<'_>, http: &HttpRequest<'_>) -> bool {
    if http.method != "POST" {
        return false;
    }
    let content_type = http.header("content-type").map(MediaType::parse);
    let Some(content_type) = content_type.filter(Intake::takes) else {
        return false;
    };
    let Ok(request) = ApiRequest::parse_head(context.config, http) else {
        return false;
    };
    let is_insert = matches!(
        request.action,
        Action::MutateRelation {
            mutation: Mutation::Create,
            ..
        }
    );
    // CSV of any length has always been taken, whatever was to come of it.
    let is_new = matches!(content_type, MediaType::JsonLines(_));
    is_insert && (is_new || wants(&request).is_none())
}

/// What the client wants that needs the body as a whole.
fn wants(request: &ApiRequest<'_>) -> Option<&'static str> {
    if request.preferences.representation == Some(RepresentationPreference::Full) {
        return Some("So many rows cannot be returned");
    }
    let mut accepted = request.accept.iter();
    accepted
        .any(|accepted| matches!(accepted, MediaType::Plan(_)))
        .then_some("The plan of an upload cannot be shown")
}

/// Turns a request into a reply, or into the statements for its parts, of which `http.body` is the
/// first.
pub fn prepare_upload(
    context: &Context<'_>,
    http: &HttpRequest<'_>,
    caller: Result<Identity, Error>,
    end: PartEnd,
) -> PreparedUpload {
    try_prepare(context, http, caller, end).unwrap_or_else(|error| {
        PreparedUpload::Reply(error.response(context.config.client_error_verbosity).into())
    })
}

fn try_prepare(
    context: &Context<'_>,
    http: &HttpRequest<'_>,
    caller: Result<Identity, Error>,
    end: PartEnd,
) -> Result<PreparedUpload, Error> {
    let identity = caller?;
    let catalog = context.catalog.ok_or(Error::NoSchemaCache)?;
    let mut begun = None;
    let mut request =
        ApiRequest::parse_with(context.config, http, |_, content_type, columns, part| {
            let intake = Intake::begin(content_type, columns, part, end)?;
            if intake.is_none() && (end == PartEnd::Last || part.len() > RECORD_BYTES_MAX) {
                return Err(no_first_record(content_type, part.len()));
            }
            let payload = intake.as_ref().map(Payload::in_parts);
            begun = intake;
            Ok(payload)
        })?;
    let Some(mut intake) = begun else {
        return Ok(PreparedUpload::WantsMore);
    };
    if let Some(what) = wants(&request) {
        return Err(Error::BodyInParts {
            message: what.to_owned(),
            bytes_max: PART_BYTES,
        });
    }
    let Action::MutateRelation { name, mutation } = &request.action else {
        return Err(Error::Internal {
            details: "A body came in parts for something else than rows.".to_owned(),
        });
    };
    let elements = plan_arrays(catalog, name, intake.columns(), &request.preferences);
    if let Some(elements) = elements
        && intake.gather(elements)
        && let Some(payload) = &mut request.payload
    {
        payload.content = Content::Parts(PartForm::Arrays);
    }
    let asked = Asked::new(context, catalog, &request, &identity);
    match asked.prepare_write(name, *mutation, Flights::Several)? {
        Prepared::Ask(batch, pending) => {
            Ok(PreparedUpload::Begin(Box::new(intake), batch, pending))
        }
        Prepared::Reply(response) => Ok(PreparedUpload::Reply(response)),
    }
}

impl Batch {
    /// The statements of the first part.
    pub fn first_flight(&self) -> &[Statement] {
        &self.statements[..=self.main.statement]
    }

    /// The statement of each other part.
    pub fn part_flight(&self) -> &[Statement] {
        &self.statements[self.main.statement..=self.main.statement]
    }

    /// The statements that end it.
    pub fn last_flight(&self) -> &[Statement] {
        &self.statements[self.main.statement + 1..]
    }
}

/// What the main statement has answered to the parts so far.
#[derive(Clone, Debug, Default)]
pub struct PartAnswers {
    rows: i64,
    /// The columns of the last one.
    columns: Vec<Option<Vec<u8>>>,
    /// The key of the only row.
    location: Option<Vec<u8>>,
}

/// The place of the number of rows, and that of the key, in a row of the main statement.
const PAGE: usize = 1;
const LOCATION: usize = 4;

impl PartAnswers {
    /// Notes the row that the main statement has answered with.
    ///
    /// # Errors
    /// If it is another row than it was asked for.
    pub fn note<'a>(
        &mut self,
        columns: impl Iterator<Item = Option<&'a [u8]>>,
    ) -> Result<(), Error> {
        let columns: Vec<Option<&[u8]>> = columns.collect();
        let result = ResultSet::decode(&columns).map_err(|invalid| Error::Internal {
            details: invalid.to_string(),
        })?;
        self.rows += result.page;
        if let Some(location) = result.location {
            self.location = Some(location.to_vec());
        }
        let owned = columns.iter().map(|column| column.map(<[u8]>::to_vec));
        self.columns = owned.collect();
        Ok(())
    }

    /// What is wrong with the number of rows.
    pub fn refuse(&self, pending: &Pending) -> Option<Error> {
        pending.check.refuse(self.rows)
    }

    /// The row of a statement that would have written all of them.
    pub(super) fn row(mut self) -> Vec<Option<Vec<u8>>> {
        if let Some(page) = self.columns.get_mut(PAGE) {
            *page = Some(self.rows.to_be_bytes().to_vec());
        }
        if let Some(location) = self.columns.get_mut(LOCATION) {
            *location = self.location.filter(|_| self.rows == 1);
        }
        self.columns
    }
}
