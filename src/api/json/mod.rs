//! JSON that is read or written outside of PostgreSQL and beside the bodies of requests: claims
//! and keys, what SQL says about a response, errors, settings.
//!
//! It lies below all other modules, so that each reads by [`Json::parse`], which refuses what is
//! nested too deeply. A reader that recurses as deep as the text does would let whoever writes a
//! function of the database end the process (`tests/it/tidy.rs` keeps others out).

mod value;
mod writing;

pub use value::{Json, Members};
pub(crate) use writing::{JsonText, write_json_characters, write_json_object, write_json_string};
