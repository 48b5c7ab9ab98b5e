//! The texts of the document that the catalog is decoded from, as types.
//!
//! Invariant: text becomes [`CatalogSql`] here and nowhere else; `tests/it/tidy.rs` checks it.

use corerest_sql::{CatalogSql, Ident, QualifiedName};
use std::fmt;

/// Why a document is not a catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// It is not JSON, or a section is missing or has another shape; the text says where.
    Malformed(String),
    /// A name holds a NUL, which no name in PostgreSQL can.
    InvalidName,
}

/// A name from the catalog.
pub(super) fn ident(name: &str) -> Result<Ident, DecodeError> {
    Ident::new(name).map_err(|_| DecodeError::InvalidName)
}

/// A name in a schema from the catalog.
pub(super) fn qualified(schema: &str, name: &str) -> Result<QualifiedName, DecodeError> {
    Ok(QualifiedName::new(ident(schema)?, ident(name)?))
}

/// SQL that PostgreSQL printed into the document.
pub(super) fn printed(text: &str) -> CatalogSql {
    CatalogSql::from_postgresql(text)
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::Malformed(reason) => {
                write!(f, "the answer to the catalog query is malformed: {reason}")
            }
            DecodeError::InvalidName => write!(f, "the catalog holds a name with a NUL"),
        }
    }
}

impl std::error::Error for DecodeError {}
