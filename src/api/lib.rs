//! The meaning of a request: what PostgREST's documentation says, as pure functions.
//!
//! ```text
//! Head → ApiRequest → Plan → Batch → (PostgreSQL) → Response
//!        request      plan   query                  response
//! ```
//!
//! Two verbs carry the whole domain: [`prepare_in_steps`] turns a request into a reply or a batch
//! of statements, [`finish`] turns what PostgreSQL answered into a response. Nothing in here does
//! I/O, reads a clock or the environment; the catalog and the configuration are arguments.
//!
//! Invariant: a module uses only what is to its left in
//! `json → error, document → catalog, auth → openapi, request → plan → query → response → console`;
//! what the database says about the server itself (`database_config`, `facts`, `role_settings`,
//! [`channel`]) stands beside the catalog.
//!
//! The modules are private, and what is exported here is what the server uses. The packages
//! `tests`, `fuzz` and `perf` look further inside, through the feature `internals`; `scripts/check`
//! also builds the server without it.

// What only `internals` exports is public for nobody without it; with it, the lint sees the rest.
#![cfg_attr(not(feature = "internals"), allow(unreachable_pub))]

mod auth;
mod backends;
mod catalog;
pub mod channel;
mod console;
mod database_config;
mod document;
mod error;
mod exchange;
mod facts;
#[cfg(feature = "internals")]
pub mod internals;
mod json;
mod openapi;
mod plan;
mod position;
mod query;
mod request;
mod response;
mod role_settings;

// From a request to its statements, and from what PostgreSQL answers to the response.
pub use error::{DatabaseError, Error, JwtClaimsFault, JwtFault};
pub use exchange::{AnswerSize, Company, Context, Pace, Pending, Prepared, Shapes};
pub use exchange::{finish, finish_first_row, finish_lines};
pub use exchange::{prepare_in_steps, refuse_by_head};
pub use plan::Frame;
pub use query::{AccessMode, Answer, Batch, Reach, rollback};
pub use request::{BodyForm, HttpRequest, bytes_made_of};
pub use response::{Body, CorsHeaders, FirstRow, Response, ResultSet, is_vary};

// Bodies that come in parts.
pub use exchange::{PART_BYTES, PartAnswers, PreparedUpload, RECORD_BYTES_MAX};
pub use exchange::{comes_in_parts, finish_upload, prepare_upload};

pub use request::{Intake, PartEnd, Records};

// The page for browsers, of which the admin server has a part.
pub use console::{ConsoleFile, console_file};

// Who makes a request. Tokens are verified by the server, which reads its keys and their headers
// with the JSON of claims.
pub use auth::{ClaimRules, Claims, Expiry, Identity, bearer_token};
pub use json::{Json, Members};

// What the database is asked for before there are requests. Each question is a document of its
// own, and has a function that decodes the answer.
pub use backends::{Backend, ask_backends, decode_backends};
pub use catalog::{Catalog, DecodeError, PgVersion, Scope, ask_catalog, decode_catalog};
pub use catalog::{ask_version, decode_version, pause_statement};
pub use database_config::{ask_database_config, decode_database_config};
pub use document::OneDocument;
pub use facts::{Anonymous, Callers, Facts, Function, Named, Schema, Suspects};
pub use facts::{ask_facts, decode_facts};
pub use position::{CONSISTENCY_TOKEN, Position, Standing};
pub use position::{ask_position, ask_standing, decode_standing, guard_position};
pub use role_settings::{RoleSettings, ask_role_settings, decode_role_settings};
