//! Responses: status, headers, and where the body comes from.
//!
//! A response is made when the numbers of the main row are known, which is before its body has
//! arrived; so the body is described here, and the shell passes the bytes on.

mod call;
mod cors;
mod explain;
mod info;
mod message;
mod mutate;
mod openapi;
mod overrides;
mod read;
mod result_set;

pub(crate) use call::{CallPending, Hears};
pub(crate) use cors::preflight;
pub use cors::{CorsHeaders, is_vary};
pub(crate) use explain::ExplainPending;
pub(crate) use info::{relation_info, routine_info, schema_info};
pub(crate) use message::Header;
pub use message::{Body, Response};
pub(crate) use mutate::MutatePending;
pub(crate) use openapi::OpenApiPending;
pub(crate) use read::{ReadPending, RowsSent};
pub use result_set::{FirstRow, ResultSet};
