//! What only the packages `tests`, `fuzz` and `perf` see, with the feature `internals`.

pub use crate::catalog::IsolationLevel;
pub use crate::request::media_type::{JsonLinesName, MediaType};
pub use crate::request::payload::{Content, JsonForm, Payload};
pub use crate::request::{Action, Invocation, Mutation};

use crate::error::codes;
use crate::request::accept::parse_accept;
use crate::request::payload::{Element, Intake};
use crate::request::preferences::{Preferences, Servers, TransactionChoice};
use crate::request::query_params::{FilterStyle, QueryParams};
use crate::{Context, Error, HttpRequest, Identity, Prepared, prepare_in_steps};
use corerest_sql::Ident;

/// The media types of an `Accept` header, the most wanted first.
pub fn accepted(value: &[u8]) -> Vec<MediaType> {
    parse_accept(value)
}

/// Has the records of a body become an array of texts for each column; what these are called.
pub fn gather_texts(intake: &mut Intake) -> Option<Vec<String>> {
    let columns = intake.columns().clone();
    let names = columns.iter().map(Ident::to_string).collect();
    let columns = columns.into_iter().map(|column| (column, Element::Text));
    intake.gather(columns.collect()).then_some(names)
}

/// What a query string asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct ParsedQuery(QueryParams);

impl ParsedQuery {
    /// Reads it; a parameter without an operator is an error, or an argument.
    ///
    /// # Errors
    /// If the request would be refused.
    pub fn parse(query: &str, may_have_arguments: bool) -> Result<ParsedQuery, Error> {
        let style = match may_have_arguments {
            true => FilterStyle::OrArgument,
            false => FilterStyle::OperatorNeeded,
        };
        QueryParams::parse(style, query).map(ParsedQuery)
    }

    /// It, sorted and escaped anew.
    pub fn canonical(&self) -> &str {
        &self.0.canonical
    }
}

/// What a client prefers.
#[derive(Debug, PartialEq, Eq)]
pub struct ParsedPreferences(Preferences);

impl ParsedPreferences {
    /// Reads all headers of a request.
    pub fn parse(http: &HttpRequest<'_>) -> ParsedPreferences {
        ParsedPreferences(Preferences::parse(
            TransactionChoice::Client,
            Servers::Several,
            http,
        ))
    }

    /// The value of `Preference-Applied`.
    pub fn applied(&self) -> Option<String> {
        self.0.applied()
    }

    /// What is no preference that is known.
    pub fn invalid(&self) -> &[String] {
        &self.0.invalid
    }
}

/// [`prepare_in_steps`] for those who do not ask when.
pub fn prepare(
    context: &Context<'_>,
    http: &HttpRequest<'_>,
    caller: Result<Identity, Error>,
) -> Prepared {
    prepare_in_steps(context, http, caller, &|| {})
}

/// The codes of all errors.
pub fn error_codes() -> impl Iterator<Item = &'static str> {
    codes::TABLE.iter().map(|row| row.text)
}
