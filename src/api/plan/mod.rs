//! Decides what a request does, against the catalog: names become tables and columns, the
//! `Accept` header becomes a representation, and what cannot be done becomes an error.
//!
//! Plans borrow from the request and the catalog and live only until their SQL is written. After
//! planning nothing can fail any more: `query` writes whatever a plan says.
//!
//! Invariant: a plan holds no text of the request that is not an [`Ident`](corerest_sql::Ident),
//! a [`TypeName`](corerest_sql::TypeName) or a value, and values become parameters.

mod field;
mod negotiate;
mod read;

pub use field::{PlannedField, TextSearch, ToJson};
pub use negotiate::{Representation, negotiate};
pub use read::{Condition, PlannedFilter, PlannedOrder, PlannedSelect, ReadPlan, plan_read};
