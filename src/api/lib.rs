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
//! `error, document → catalog, auth → openapi, request → plan → query → response`; what the
//! database says about the server itself ([`database_config`], [`role_settings`], [`channel`])
//! stands beside the catalog.

pub mod auth;
pub mod catalog;
pub mod channel;
pub mod database_config;
pub mod document;
pub mod error;
mod exchange;
pub mod openapi;
pub mod plan;
pub mod query;
pub mod request;
pub mod response;
pub mod role_settings;

pub use exchange::{
    Context, Pending, Prepared, Shapes, finish, finish_lines, prepare, prepare_in_steps,
};
