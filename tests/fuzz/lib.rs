//! Fuzz targets as plain functions, and a way to run them without a fuzzer.
//!
//! Each target takes bytes and panics if a property does not hold. The binaries in `fuzz_targets`
//! hand them to libFuzzer; [`smoke()`] hands them mutated seeds, which is enough to find a property
//! that broke, takes seconds, and needs only the stable compiler.

mod claims;
mod config_file;
mod http;
mod payload;
mod smoke;
mod sql_scan;
mod statements;

pub use claims::{CLAIM_SEEDS, claims};
pub use config_file::{CONFIG_FILE_SEEDS, config_file};
pub use http::{HTTP_SEEDS, http_in_any_pieces, http_request};
pub use payload::{PAYLOAD_SEEDS, payload};
pub use smoke::smoke;
pub use statements::{STATEMENT_SEEDS, statements};
