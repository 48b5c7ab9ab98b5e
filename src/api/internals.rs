//! What only the packages `tests`, `fuzz` and `perf` see, with the feature `internals`.

pub use crate::catalog::IsolationLevel;
pub use crate::request::media_type::MediaType;
pub use crate::request::payload::{Content, JsonForm, Payload};
pub use crate::request::{Action, Invocation, Mutation};

use crate::error::codes;
use crate::{Context, Error, HttpRequest, Identity, Prepared, prepare_in_steps};

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
