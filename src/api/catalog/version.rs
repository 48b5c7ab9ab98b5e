//! The version of the server, before anything else is asked of it.
//!
//! The catalog holds it, too; but whether the server is one that we can work with has to be known
//! before the first statement that an older one would not understand.

use super::PgVersion;
use super::section::server::{ServerRow, write_rows};
use super::text::DecodeError;
use crate::document::OneDocument;
use corerest_sql::{SqlBuf, Statement, sql};

/// Asks for the document for [`decode_version`].
pub fn ask_version() -> OneDocument {
    OneDocument::of(Vec::new(), write_rows)
}

/// Decodes the answer, and leaves its bytes in disorder.
///
/// # Errors
/// If it is not what the statement answers with.
pub fn decode_version(document: &mut [u8]) -> Result<PgVersion, DecodeError> {
    let row: Result<ServerRow<'_>, _> = simd_json::serde::from_slice(document);
    row.map(|row| row.pg_version())
        .map_err(|error| DecodeError::Malformed(error.to_string()))
}

/// A pause before or after the catalog is read: PostgREST's tests want a slow one
/// (`internal-schema-cache-query-sleep`).
pub fn pause_statement(milliseconds: i64) -> Statement {
    let mut out = SqlBuf::new();
    sql!(out, "SELECT pg_catalog.pg_sleep(");
    let seconds = milliseconds as f64 / 1000.0;
    out.param(Some(seconds.to_string().as_bytes()));
    sql!(out, ")");
    out.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_decoded_and_nothing_else() {
        let mut document =
            br#"{"version_number":140009,"version":"14.9","full_version":"PostgreSQL 14.9 on x"}"#
                .to_vec();
        let expected = PgVersion {
            number: 140_009,
            text: "14.9".to_owned(),
            full_text: "PostgreSQL 14.9 on x".to_owned(),
        };
        assert_eq!(decode_version(&mut document), Ok(expected));
        for other in ["", "null", "[]", r#"{"version_number":"14"}"#] {
            assert!(
                decode_version(&mut other.as_bytes().to_vec()).is_err(),
                "{other}"
            );
        }
    }

    #[test]
    fn a_pause_is_a_value() {
        let statement = pause_statement(500);
        assert_eq!(statement.text.as_str(), "SELECT pg_catalog.pg_sleep($1)");
        assert_eq!(statement.params.len(), 1);
    }
}
