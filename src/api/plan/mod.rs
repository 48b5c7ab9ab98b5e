//! Decides what a request does, against the catalog: names become tables and columns, the
//! `Accept` header becomes a representation, and what cannot be done becomes an error.
//!
//! Plans borrow from the request and the catalog and live only until their SQL is written. After
//! planning nothing can fail any more: `query` writes whatever a plan says.
//!
//! Invariant: a plan holds no text of the request that is not an [`Ident`](corerest_sql::Ident),
//! a [`TypeName`](corerest_sql::TypeName) or a value, and values become parameters.

mod again;
mod call;
mod condition;
mod embed;
mod field;
mod frame;
mod mutate;
mod negotiate;
mod order;
mod quiet;
mod read;
mod read_plan;
mod relationship;
mod routine;
mod rows_check;
mod select;
mod short_name;
mod tree;

pub(crate) use again::again;
pub(crate) use call::{Argument, Arguments, CallPlan};
pub(crate) use call::{argument_names, plan_call};
pub(crate) use field::{PlannedField, RowOrField, TextSearch, ToJson, TypeOwner};
pub use frame::Frame;
pub(crate) use mutate::{Change, Conflict, MutatePlan, Values, WrittenColumn};
pub(crate) use mutate::{plan_arrays, plan_mutate};
pub(crate) use negotiate::{Negotiated, Representation, Wanted, negotiate};
pub(crate) use quiet::is_quiet;
pub(crate) use read::{PlannedRead, Root, RootRows, find_table, plan_read};
pub(crate) use read_plan::{
    Condition, Embed, EmbedIs, EmbedShape, PlannedFilter, PlannedOrder, ReadPlan, Source,
    SpreadItem, Visibility,
};
pub(crate) use routine::{RoutineCall, find_routine};
pub(crate) use rows_check::RowsCheck;
pub(crate) use rows_check::WRONG_ROWS;
pub(crate) use select::{PlannedAggregate, PlannedSelect};
