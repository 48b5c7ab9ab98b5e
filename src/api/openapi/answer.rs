//! What PostgreSQL answers to the statement of the description (`query/openapi.rs`; for OpenAPI 3.1
//! `query/openapi_details.rs`): one JSON object.
//!
//! ```json
//! {"comment": "…", "tables": ["…"], "routines": [{"name": "…", "parameters": [], …}]}
//! ```
//!
//! `tables` and `routines` are what the role may use. They are missing when that does not matter,
//! and then everything in the catalog is described. What only 3.1 asks for is missing for 2.0.

use super::routine::{DescribedParameter, DescribedReturn, DescribedRoutine};
use crate::catalog::Volatility;
use serde::Deserialize;
use std::fmt;

/// The answer.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Answer<'a> {
    /// The comment on the schema.
    pub(super) comment: Option<&'a str>,
    /// The names of the tables.
    #[serde(borrow, default)]
    pub(super) tables: Option<Vec<&'a str>>,
    /// The functions.
    #[serde(borrow, default)]
    routines: Option<Vec<RoutineRow<'a>>>,
    /// What the role may do with each table, where that matters.
    #[serde(borrow, default)]
    pub(super) rights: Option<Vec<RightsRow<'a>>>,
    /// Table and column, where PostgreSQL generates the values and takes no others.
    #[serde(borrow, default)]
    pub(super) read_only: Vec<(&'a str, &'a str)>,
    /// The types that are not PostgreSQL's own.
    #[serde(borrow, default)]
    pub(super) types: Vec<TypeRow<'a>>,
}

/// What the role may do with a table, or with a column of it at least.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct RightsRow<'a> {
    pub(super) name: &'a str,
    pub(super) select: bool,
    pub(super) insert: bool,
    pub(super) update: bool,
    pub(super) delete: bool,
}

/// A type.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct TypeRow<'a> {
    /// As `format_type` prints it, with its schema.
    pub(super) printed: &'a str,
    pub(super) schema: &'a str,
    pub(super) name: &'a str,
    /// `typtype`, or `r` for the row type of a relation.
    pub(super) kind: &'a str,
    pub(super) comment: Option<&'a str>,
    /// What a domain is made of.
    pub(super) base: Option<&'a str>,
    /// The labels of an enum.
    #[serde(borrow)]
    pub(super) labels: Option<Vec<&'a str>>,
    /// The conditions of a domain.
    #[serde(borrow)]
    pub(super) checks: Option<Vec<&'a str>>,
    /// The attributes of a composite type.
    #[serde(borrow)]
    pub(super) attributes: Option<Vec<AttributeRow<'a>>>,
}

/// A member of a composite type, or of the rows that a function declares.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct AttributeRow<'a> {
    pub(super) name: &'a str,
    pub(super) data_type: &'a str,
}

/// The answer is not of the shape that the statement asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InvalidAnswer(String);

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct RoutineRow<'a> {
    name: &'a str,
    description: Option<&'a str>,
    /// `provolatile`
    volatility: &'a str,
    #[serde(borrow)]
    parameters: Vec<ParameterRow<'a>>,
    /// The default of each parameter, if one has any.
    #[serde(borrow, default)]
    defaults: Option<Vec<Option<&'a str>>>,
    returned: Option<&'a str>,
    #[serde(default)]
    returns_set: bool,
    #[serde(borrow, default)]
    columns: Option<Vec<AttributeRow<'a>>>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct ParameterRow<'a> {
    name: &'a str,
    data_type: &'a str,
    required: bool,
    variadic: bool,
}

impl<'a> Answer<'a> {
    /// Decodes the answer in place.
    pub(super) fn decode(answer: &'a mut [u8]) -> Result<Answer<'a>, InvalidAnswer> {
        simd_json::serde::from_slice(answer).map_err(|error| InvalidAnswer(error.to_string()))
    }

    /// The functions, if they were asked for.
    pub(super) fn routines(&self) -> Option<Vec<DescribedRoutine<'a>>> {
        let routines = self.routines.as_ref()?.iter();
        Some(routines.map(RoutineRow::described).collect())
    }
}

impl<'a> RoutineRow<'a> {
    fn described(&self) -> DescribedRoutine<'a> {
        let defaults = self.defaults.iter().flatten().copied();
        let defaults = defaults.chain(std::iter::repeat(None));
        let parameters = self.parameters.iter().zip(defaults);
        let parameters = parameters.map(|(parameter, default)| DescribedParameter {
            name: parameter.name,
            data_type: own_name(parameter.data_type),
            required: parameter.required,
            variadic: parameter.variadic,
            default,
        });
        let columns = self.columns.iter().flatten();
        let returned = self.returned.map(|data_type| DescribedReturn {
            data_type,
            is_set: self.returns_set,
            columns: columns
                .map(|column| (column.name, column.data_type))
                .collect(),
        });
        DescribedRoutine {
            name: self.name,
            comment: self.description,
            parameters: parameters.collect(),
            volatility: match self.volatility {
                "i" => Volatility::Immutable,
                "s" => Volatility::Stable,
                _ => Volatility::Volatile,
            },
            returned,
        }
    }
}

impl fmt::Display for InvalidAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InvalidAnswer(reason) = self;
        write!(f, "the answer about the API is malformed: {reason}")
    }
}

impl std::error::Error for InvalidAnswer {}

/// What a type of PostgreSQL's own is called. It is printed with its schema when another one of its
/// name comes before it in the search path of the request; that is no other type for clients.
fn own_name(printed_type: &str) -> &str {
    printed_type
        .strip_prefix("pg_catalog.")
        .unwrap_or(printed_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_asked_for_is_missing() {
        let mut answer = br#"{"comment": null}"#.to_vec();
        let answer = Answer::decode(&mut answer).unwrap();
        assert_eq!((answer.comment, &answer.tables), (None, &None));
        assert_eq!(answer.routines(), None);
    }

    #[test]
    fn names_and_routines_are_decoded() {
        let mut answer = br#"{"comment": "a \"b\"", "tables": ["films"], "routines": [
            {"name": "add", "description": "Adds.", "volatility": "i", "parameters": [
                {"name": "a", "data_type": "integer", "required": true, "variadic": false}]},
            {"name": "f", "description": null, "volatility": "v", "parameters": []}]}"#
            .to_vec();
        let answer = Answer::decode(&mut answer).unwrap();
        assert_eq!(answer.comment, Some("a \"b\""));
        assert_eq!(answer.tables.as_deref(), Some(&["films"][..]));
        let add = DescribedRoutine {
            name: "add",
            comment: Some("Adds."),
            parameters: vec![DescribedParameter {
                name: "a",
                data_type: "integer",
                required: true,
                variadic: false,
                default: None,
            }],
            volatility: Volatility::Immutable,
            returned: None,
        };
        let f = DescribedRoutine {
            name: "f",
            comment: None,
            parameters: Vec::new(),
            volatility: Volatility::Volatile,
            returned: None,
        };
        assert_eq!(answer.routines(), Some(vec![add, f]));
    }

    #[test]
    fn other_answers_are_refused() {
        for text in [
            "",
            "[]",
            "{",
            r#"{"comment": 1}"#,
            r#"{"comment": "a", "tables": {}}"#,
        ] {
            assert!(
                Answer::decode(&mut text.as_bytes().to_vec()).is_err(),
                "{text}"
            );
        }
    }
}
