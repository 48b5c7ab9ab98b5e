//! Finds out what a field of the request needs in SQL, from its column's type.
//!
//! PostgreSQL converts most things by itself. Three it does not: a JSON path into what is not
//! JSON, a full-text search in what is not a `tsvector`, and neither for a field that is not in
//! the catalog.

use crate::catalog::Table;
use crate::request::ast::{Field, JsonStep};
use corerest_sql::{Ident, TypeName};

/// A field of the request, with the conversions that its column's type asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedField<'a> {
    /// The column, or a computed field, which PostgreSQL resolves by itself.
    pub name: &'a Ident,
    /// The way into its value.
    pub json_path: &'a [JsonStep],
    /// Whether `to_jsonb(column)` must come before the path: arrows work on JSON only.
    pub to_json: ToJson,
    /// Whether `to_tsvector(column)` must stand around it, and with which configuration.
    pub to_tsvector: Option<TextSearch<'a>>,
}

/// Whether a column is converted before its path is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToJson {
    /// The column is of another type, or unknown.
    Convert,
    /// The column is JSON already. Converting it again would keep its indexes from being used.
    AsIs,
}

/// A conversion to `tsvector`, with the text search configuration if the request names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextSearch<'a>(pub Option<&'a TypeName>);

impl<'a> PlannedField<'a> {
    /// Plans a field of a table.
    pub fn plan(table: &Table, field: &'a Field) -> PlannedField<'a> {
        let nominal_type = table
            .column(field.name.as_str())
            .map(|c| c.nominal_type.as_str());
        let to_json = match nominal_type {
            Some("json" | "jsonb") => ToJson::AsIs,
            _ => ToJson::Convert,
        };
        PlannedField {
            name: &field.name,
            json_path: &field.json_path,
            to_json,
            to_tsvector: None,
        }
    }

    /// The same for the left side of a full-text filter: only a `tsvector` is searched as it is.
    pub fn plan_text_search(
        table: &Table,
        field: &'a Field,
        configuration: Option<&'a TypeName>,
    ) -> PlannedField<'a> {
        let data_type = table
            .column(field.name.as_str())
            .map(|c| c.data_type.as_str());
        // A computed field is not in the catalog; what it is, PostgreSQL finds out.
        let is_other = data_type.is_some_and(|data_type| data_type != "tsvector");
        let to_tsvector = is_other.then_some(TextSearch(configuration));
        PlannedField {
            to_tsvector,
            ..PlannedField::plan(table, field)
        }
    }
}
