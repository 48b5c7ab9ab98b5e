//! Writes the SQL of a plan. Nothing in here can fail: what can was the plan.
//!
//! A request is one [`Batch`]: the statements of one transaction, in the order in which they are
//! sent, in one write. The row of the main statement carries, in this order, what
//! [`ResultSet`](crate::response::ResultSet) decodes; the body is its last column, so that the
//! head of the response can be written before the body has arrived.
//!
//! Invariant: equal shapes of request give equal texts. Values, numbers too, are parameters.

mod answer;
mod body;
mod by_path;
mod call;
mod condition;
mod embed;
mod field;
mod mutate;
mod openapi;
mod openapi_details;
mod privileges;
mod read;
mod rows;
mod settings;
mod transaction;

pub use answer::Answer;
pub(crate) use answer::MainStatement;
pub(crate) use call::write_call;
pub(crate) use mutate::{Location, write_mutation};
pub(crate) use openapi::write_openapi;
pub(crate) use privileges::write_privileges;
pub(crate) use read::{Count, write_count_estimate, write_read};
pub use settings::AccessMode;
pub(crate) use settings::{Circumstances, Overrides, write_guise, write_settings};
pub(crate) use transaction::TransactionEnd;
pub use transaction::{Batch, Reach, rollback};
pub(crate) use transaction::{Parts, write_pre_request};
