//! The row type of a relation, which functions return.
//!
//! PostgreSQL plans a statement anew when a relation has changed that stands in it. One that calls
//! a function names none, and its plan goes on taking the rows for what they were: with a column
//! of another type it says `attribute 1 of type record has wrong type`, or shows bytes as what
//! they are not, or the backend crashes; a new column is not there. A relation's OID as a constant
//! makes the plan depend on it.
//!
//! Source: PostgreSQL's `extract_query_dependencies` (setrefs.c); found by asking 15.

use corerest_sql::Literal;
use serde::Deserialize;

/// The row type of a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct RowType(u32);

impl RowType {
    /// The OID of the relation. A number needs no privilege, which a name would.
    pub(crate) fn relation(self) -> Literal {
        Literal::new(self.0.to_string()).expect("digits are no NUL")
    }
}
