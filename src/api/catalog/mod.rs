//! The database's shape as this server needs it: what PostgREST calls the schema cache.
//!
//! [`ask_catalog`] is one query on PostgreSQL's catalogs that answers with JSON,
//! [`decode_catalog`] turns the answer into a [`Catalog`], purely. The catalog is immutable and
//! shared by all cores; a reload makes a new one.

mod decode;
mod detect;
mod dump;
mod fuzzy;
mod hint;
mod lineage;
mod load;
mod meaning;
mod media_handler;
mod near_names;
mod node_tree;
mod primary_key;
mod relationship;
mod representation;
mod routine;
mod row_type;
mod schema_cache;
mod section;
mod server;
mod table;
mod text;
mod timings;
mod version;

pub use decode::decode_catalog;
pub use load::{Scope, ask_catalog};
pub(crate) use media_handler::{HandlerKind, MediaHandler};
pub(crate) use relationship::{
    Cardinality, ComputedRelationship, DetectedRelationship, Junction, Relationship,
};
pub use routine::IsolationLevel;
pub(crate) use routine::{ReturnType, ReturnedType, Routine, RoutineParameter, Volatility};
pub(crate) use row_type::RowType;
pub use schema_cache::Catalog;
pub(crate) use section::routines::write_parameters as write_routine_parameters;
pub use server::PgVersion;
pub(crate) use server::TransactionDefaults;
pub(crate) use table::{Column, Table, TableKind, Writable};
pub use text::DecodeError;
pub use version::{ask_version, decode_version, pause_statement};

#[cfg(test)]
mod tests;
