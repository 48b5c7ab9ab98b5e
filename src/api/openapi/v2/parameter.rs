//! Parameters that operations share, and refer to by their key.
//!
//! Each table has one for its body, and each of its columns one for its filter.

use crate::catalog::{Column, Table};
use crate::openapi::json::{Array, Object};

/// A parameter that has nothing to do with a table.
struct SharedParameter {
    key: &'static str,
    name: &'static str,
    description: &'static str,
    /// `header` or `query`.
    place: &'static str,
    /// If it can have only certain values.
    words: &'static [&'static str],
    /// What it is if it is missing.
    default: Option<&'static str>,
}

const SHARED: [SharedParameter; 11] = [
    prefer("preferParams", &[]),
    prefer(
        "preferReturn",
        &["return=representation", "return=minimal", "return=none"],
    ),
    prefer("preferCount", &["count=none"]),
    prefer(
        "preferPost",
        &[
            "return=representation",
            "return=minimal",
            "return=none",
            "resolution=ignore-duplicates",
            "resolution=merge-duplicates",
        ],
    ),
    query("select", "Filtering Columns"),
    query("on_conflict", "On Conflict"),
    query("order", "Ordering"),
    header("range", "Range", None),
    header("rangeUnit", "Range-Unit", Some("items")),
    query("offset", PAGINATION),
    query("limit", PAGINATION),
];

const PAGINATION: &str = "Limiting and Pagination";

const fn prefer(key: &'static str, words: &'static [&'static str]) -> SharedParameter {
    SharedParameter {
        key,
        name: "Prefer",
        description: "Preference",
        place: "header",
        words,
        default: None,
    }
}

const fn query(key: &'static str, description: &'static str) -> SharedParameter {
    SharedParameter {
        key,
        name: key,
        description,
        place: "query",
        words: &[],
        default: None,
    }
}

const fn header(
    key: &'static str,
    name: &'static str,
    default: Option<&'static str>,
) -> SharedParameter {
    SharedParameter {
        key,
        name,
        description: PAGINATION,
        place: "header",
        words: &[],
        default,
    }
}

/// A parameter of a table.
enum TableParameter<'a> {
    /// A row of the table, as the body of a request.
    Body(&'a Table),
    /// A filter on a column.
    Filter(&'a Column),
}

/// Writes all parameters.
pub(super) fn write_parameters(parameters: &mut Object<'_>, tables: &[&Table]) {
    for shared in &SHARED {
        parameters.object(shared.key, |parameter| shared.write(parameter));
    }
    let mut of_tables = Vec::new();
    for table in tables {
        of_tables.push((body_key(table), TableParameter::Body(table)));
        let columns = table.columns.iter();
        of_tables.extend(
            columns.map(|column| (filter_key(table, column), TableParameter::Filter(column))),
        );
    }
    parameters.distinct_objects(&of_tables, |parameter, of_table| of_table.write(parameter));
}

/// Writes references to the filters of a table, for those columns.
pub(super) fn write_filter_references(
    parameters: &mut Array<'_>,
    table: &Table,
    is_wanted: impl Fn(&str) -> bool,
) {
    let columns = table.columns.iter();
    for column in columns.filter(|column| is_wanted(column.name.as_str())) {
        write_reference(parameters, &filter_key(table, column));
    }
}

/// Writes a reference to the body of a table.
pub(super) fn write_body_reference(parameters: &mut Array<'_>, table: &Table) {
    write_reference(parameters, &body_key(table));
}

/// Writes a reference to a parameter.
pub(super) fn write_reference(parameters: &mut Array<'_>, key: &str) {
    parameters.object(|reference| reference.string("$ref", &format!("#/parameters/{key}")));
}

fn body_key(table: &Table) -> String {
    format!("body.{}", table.name.name)
}

fn filter_key(table: &Table, column: &Column) -> String {
    format!("rowFilter.{}.{}", table.name.name, column.name)
}

impl SharedParameter {
    fn write(&self, parameter: &mut Object<'_>) {
        parameter.string("name", self.name);
        parameter.string("description", self.description);
        parameter.boolean("required", false);
        parameter.optional_string("default", self.default);
        parameter.strings("enum", self.words.iter().copied());
        parameter.string("in", self.place);
        parameter.string("type", "string");
    }
}

impl TableParameter<'_> {
    fn write(&self, parameter: &mut Object<'_>) {
        match self {
            TableParameter::Body(table) => {
                let name = table.name.name.as_str();
                parameter.string("name", name);
                parameter.string("description", name);
                parameter.boolean("required", false);
                parameter.string("in", "body");
                parameter.object("schema", |schema| {
                    schema.string("$ref", &format!("#/definitions/{name}"));
                });
            }
            TableParameter::Filter(column) => {
                parameter.string("name", column.name.as_str());
                parameter.optional_string("description", column.description.as_deref());
                parameter.boolean("required", false);
                parameter.string("in", "query");
                parameter.string("type", "string");
            }
        }
    }
}
