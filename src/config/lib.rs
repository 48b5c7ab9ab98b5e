//! The configuration: one table of keys, and what follows from it.
//!
//! [`KEYS`] lists every key with its documentation, its type, and how it gets into a [`Config`]
//! and out again. [`Config::load`] fills a `Config` from the sources (database > environment >
//! file > default), [`dump()`] prints it in PostgREST's format, [`example()`] prints a commented
//! file come from the same entries.
//!
//! Invariant: this crate does no I/O and reads no environment. It is given the contents.
//! Invariant: a loaded `Config` is valid; nobody checks it again.

mod config;
mod dump;
mod error;
mod example;
mod file;
mod issuers;
mod keys;
mod load;
mod replicas;
mod role_claim;
mod secret;
mod sources;
mod uri;
mod value;

pub use config::{
    Config, ErrorVerbosity, FunctionName, LogFormat, LogLevel, OpenApiMode, OpenApiVersion, Port,
    SessionReset, SocketMode, TransactionEnd,
};
pub use dump::dump;
pub use error::ConfigError;
pub use example::example;
pub use issuers::{Issuer, Issuers, KeysScheme, KeysUrl};
pub use keys::{Aliases, KEYS, Key, Kind, Origin, in_database_names};
pub use load::Loaded;
pub use role_claim::{
    Argument, Comparable, Comparison, Condition, JsonPath, LegacyPath, LegacyStep, Literal, Reach,
    RoleClaimKey, Root, Search, Segment, Selection, Selector, SingularQuery, SingularSegment,
    StringTest,
};
pub use secret::Secret;
pub use sources::{File, Sources};
pub use value::Decimal;
