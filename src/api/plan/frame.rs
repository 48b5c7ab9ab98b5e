//! Rows that are sent one by one, and what stands around them.
//!
//! PostgreSQL makes a body as one value before it sends the first byte of it. Where the rows are
//! sent as they come, each is a row of the statement's result, neither side holds more of them than
//! are on their way, and what an aggregate would write between them is written by the server.
//!
//! Invariant: with its frame a body is, to the byte, what the aggregate gives (`it/streams.rs`
//! compares them for all cases that read).

use crate::catalog::{ReturnedType, Routine};
use crate::request::media_type::Nulls;
use corerest_sql::Ident;

/// What stands around rows that are sent one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Before the first one.
    pub before: &'static str,
    /// Between two.
    pub between: &'static str,
    /// Behind each.
    pub behind_each: &'static str,
    /// Behind the last one.
    pub after: &'static str,
    /// Whether each row is one line, so that line breaks inside become blanks: JSON may have them
    /// between its tokens, and nowhere else.
    pub one_line: bool,
}

impl Frame {
    /// What `json_agg` writes around rows.
    pub(crate) const ARRAY: Frame = Frame {
        before: "[",
        between: ", \n ",
        behind_each: "",
        after: "]",
        one_line: false,
    };

    /// What `json_agg` writes around values that are neither arrays nor composite.
    pub(crate) const ARRAY_OF_VALUES: Frame = Frame {
        between: ", ",
        ..Frame::ARRAY
    };

    /// What `json_strip_nulls` makes of that.
    pub(crate) const ARRAY_STRIPPED: Frame = Frame {
        between: ",",
        ..Frame::ARRAY
    };

    /// A line for each.
    pub(crate) const LINES: Frame = Frame {
        before: "",
        between: "",
        behind_each: "\n",
        after: "",
        one_line: true,
    };

    /// A line for each, and the last one has no end. The first line is a column of the result.
    pub(crate) const CSV: Frame = Frame {
        before: "",
        between: "\n",
        behind_each: "",
        after: "",
        one_line: false,
    };

    /// The frame of an array of rows, or of what a function returns a set of; `None` if it is not
    /// known. What `json_agg` writes between values depends on their type: of PostgreSQL's own,
    /// names tell which are arrays, and which are composite.
    pub(crate) fn of_array(nulls: Nulls, routine: Option<&Routine>) -> Option<Frame> {
        let returned = routine.map(Routine::returned_type);
        let of_values = match returned {
            Some(ReturnedType::Scalar(name)) => {
                let schema = name.schema.as_ref().map(Ident::as_str);
                let name = name.name.as_str();
                let is_structured =
                    name.starts_with('_') || matches!(name, "record" | "oidvector" | "int2vector");
                if schema != Some("pg_catalog") || is_structured {
                    return None;
                }
                true
            }
            Some(ReturnedType::Composite { .. }) | None => false,
        };
        Some(match (nulls, of_values) {
            (Nulls::Stripped, _) => Frame::ARRAY_STRIPPED,
            (Nulls::Kept, true) => Frame::ARRAY_OF_VALUES,
            (Nulls::Kept, false) => Frame::ARRAY,
        })
    }
}
