//! JSONPath (RFC 9535), as far as PostgREST has it: everything but the function extensions
//! `length`, `count`, `match` and `value`; `search` is there.
//!
//! ```text
//! path       = "$" *segment                               ; blanks before each segment
//! segment    = [".."] "[" selector *( "," selector ) "]" / "." name / "..name" / ".*" / "..*"
//! selector   = string / index / slice / "*" / "?" condition
//! condition  = all *( "||" all )          all = basic *( "&&" basic )
//! basic      = ["!"] "(" condition ")" / comparable op comparable / ["!"] ( query / search )
//! search     = "search(" argument "," argument ")"        argument = literal / query
//! comparable = literal / ("@" / "$") *( "." name / "[" ( string / index ) "]" )
//! ```
//! Display writes a path that reads as the same path.

mod parser;
mod path;
#[cfg(test)]
mod tests;

pub use self::path::{
    Argument, Comparable, Comparison, Condition, JsonPath, Literal, Reach, Root, Search, Segment,
    Selection, Selector, SingularQuery, SingularSegment,
};

use super::cursor::Refusal;

impl JsonPath {
    pub(super) fn parse(text: &str) -> Result<JsonPath, Refusal> {
        parser::parse(text)
    }
}
