//! Fuzz targets as plain functions, and a way to run them without a fuzzer.
//!
//! Each target takes bytes and panics if a property does not hold. The binaries in `fuzz_targets`
//! hand them to libFuzzer (`scripts/fuzz`); [`smoke()`] hands them mutated seeds, which is enough
//! to find a property that broke, takes seconds, and needs only the stable compiler. What libFuzzer
//! has found to be worth keeping is in `corpora`, a file for each target.

mod access_line;
mod answers;
mod catalog;
mod choices;
mod claims;
mod config_file;
mod connection_string;
mod conversation;
mod corpus;
mod headers;
mod http;
mod intake;
mod jwt_token;
mod key_set;
mod payload;
mod postgres_messages;
mod query_string;
mod server_model;
mod smoke;
mod sql_scan;
mod statements;

pub use access_line::access_line;
pub use answers::answers;
pub use catalog::catalog;
pub use claims::claims;
pub use config_file::config_file;
pub use connection_string::connection_string;
pub use conversation::conversation;
pub use corpus::{pack, unpack};
pub use headers::headers;
pub use http::{http_in_any_pieces, http_request};
pub use intake::intake;
pub use jwt_token::jwt_token;
pub use key_set::key_set;
pub use payload::payload;
pub use postgres_messages::postgres_messages;
pub use query_string::query_string;
pub use smoke::smoke;
pub use statements::statements;

/// Something to be fuzzed.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it is called.
    pub name: &'static str,
    /// Panics if a property does not hold for these bytes.
    pub run: fn(&[u8]),
    /// Inputs to start from.
    pub seeds: &'static [&'static [u8]],
    /// What libFuzzer has found beyond them, packed.
    pub corpus: &'static str,
}

macro_rules! targets {
    ($($name:ident $seeds:path),* $(,)?) => {
        /// All of them.
        pub const TARGETS: &[Target] = &[$(Target {
            name: stringify!($name),
            run: $name,
            seeds: $seeds,
            corpus: include_str!(concat!("corpora/", stringify!($name))),
        }),*];
    };
}

targets! {
    http_request http::HTTP_SEEDS,
    query_string query_string::QUERY_STRING_SEEDS,
    headers headers::HEADER_SEEDS,
    payload payload::PAYLOAD_SEEDS,
    intake intake::INTAKE_SEEDS,
    statements statements::STATEMENT_SEEDS,
    answers answers::ANSWER_SEEDS,
    claims claims::CLAIM_SEEDS,
    jwt_token jwt_token::TOKEN_SEEDS,
    key_set key_set::SET_SEEDS,
    access_line access_line::LINE_SEEDS,
    config_file config_file::CONFIG_FILE_SEEDS,
    connection_string connection_string::CONNECTION_SEEDS,
    postgres_messages postgres_messages::MESSAGE_SEEDS,
    conversation conversation::CONVERSATION_SEEDS,
    catalog catalog::CATALOG_SEEDS,
}
