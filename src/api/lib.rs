//! The meaning of a request: what PostgREST's documentation says, as pure functions.
//!
//! ```text
//! Head → ApiRequest → Plan → Batch → (PostgreSQL) → Response
//!        request      plan   query                  response
//! ```
//!
//! Two verbs carry the whole domain: [`prepare`] turns a request into a reply or a batch of
//! statements, [`finish`] turns what PostgreSQL answered into a response. Nothing in here does
//! I/O, reads a clock or the environment; the catalog and the configuration are arguments.
//!
//! Invariant: a module uses only what is to its left in
//! `error, catalog → auth, request → plan → query → response`.

pub mod auth;
pub mod catalog;
pub mod error;
mod exchange;
pub mod plan;
pub mod query;
pub mod request;
pub mod response;

pub use exchange::{Context, Pending, Prepared, finish, finish_lines, prepare, prepare_in_steps};
