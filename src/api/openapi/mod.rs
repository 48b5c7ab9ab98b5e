//! The description of the API: an OpenAPI document of what a schema has to offer.
//!
//! ```text
//! catalog + configuration + answer of PostgreSQL (what the role may use) → subject → document
//! ```

mod address;
mod answer;
mod comment;
mod foreign_key;
mod json;
mod number;
mod routine;
mod subject;
mod v2;
mod v31;

pub(crate) use answer::InvalidAnswer;

use crate::catalog::Catalog;
use answer::Answer;
use corerest_config::{Config, OpenApiVersion};
use corerest_sql::Ident;
use json::write_object;
use subject::Subject;

/// Writes the document about a schema, from what PostgreSQL answered to the statement about it.
///
/// # Errors
/// If the answer is not of the shape that the statement asks for.
pub(crate) fn describe(
    config: &Config,
    version: OpenApiVersion,
    catalog: &Catalog,
    schema: &Ident,
    answer: &mut [u8],
) -> Result<Vec<u8>, InvalidAnswer> {
    let answer = Answer::decode(answer)?;
    let subject = Subject::of(catalog, schema, &answer);
    let mut out = Vec::with_capacity(64 << 10);
    write_object(&mut out, |document| match version {
        OpenApiVersion::V2 => v2::write(&subject, document, config, catalog),
        OpenApiVersion::V31 => v31::write(subject, &answer, document, config, catalog),
    });
    Ok(out)
}
