//! Definitions: what a row of a table is, column by column.
//!
//! Parity: a column's description tells of the keys that the column is, in words and in a tag that
//! clients look for (`<pk/>`, `<fk table='…' column='…'/>`).

use super::data_type::{JsonType, default_json, element_type, format};
use crate::catalog::{Column, Relationship, Table};
use crate::openapi::foreign_key::foreign_key;
use crate::openapi::json::Object;
use corerest_sql::CatalogSql;

/// Writes the members of a table's definition. The relationships are those to its own schema.
pub(super) fn write_definition(
    definition: &mut Object<'_>,
    table: &Table,
    relationships: &[Relationship],
) {
    definition.optional_string("description", table.description.as_deref());
    let required = table.columns.iter().filter(|column| !column.nullable);
    definition.strings("required", required.map(|column| column.name.as_str()));
    definition.filled_object("properties", |properties| {
        for column in &table.columns {
            properties.object(column.name.as_str(), |property| {
                write_property(property, table, column, relationships);
            });
        }
    });
    definition.string("type", "object");
}

/// Writes the member `items` of something that is an array.
pub(super) fn write_items(parent: &mut Object<'_>, data_type: &str) {
    if JsonType::of(data_type) == Some(JsonType::Array) {
        parent.object("items", |items| {
            write_type(items, JsonType::of(element_type(data_type)));
        });
    }
}

/// Writes the member `type`, unless anything may stand there.
pub(super) fn write_type(parent: &mut Object<'_>, json_type: Option<JsonType>) {
    parent.optional_string("type", json_type.map(JsonType::as_str));
}

fn write_property(
    property: &mut Object<'_>,
    table: &Table,
    column: &Column,
    relationships: &[Relationship],
) {
    let data_type = column.data_type.as_str();
    let default = column.default.as_ref().map(CatalogSql::as_str);
    if let Some(default) =
        default.and_then(|default| default_json(data_type, default, column.max_length))
    {
        property.written("default", &default);
    }
    let description = description(table, column, relationships);
    property.optional_string("description", description.as_deref());
    property.strings("enum", column.enum_labels.iter().map(String::as_str));
    property.string("format", format(data_type));
    write_items(property, data_type);
    if let Some(max_length) = column.max_length {
        property.written("maxLength", max_length.to_string().as_bytes());
    }
    write_type(property, JsonType::of(data_type));
}

/// The comment on a column, and the keys that it is.
fn description(table: &Table, column: &Column, relationships: &[Relationship]) -> Option<String> {
    let primary = table.primary_key.contains(&column.name);
    let primary = primary.then(|| "This is a Primary Key.<pk/>".to_owned());
    let foreign = foreign_key(&column.name, relationships).map(|(table, column)| {
        format!(
            "This is a Foreign Key to `{table}.{column}`.<fk table='{table}' column='{column}'/>"
        )
    });
    let keys: Vec<String> = primary.into_iter().chain(foreign).collect();
    if keys.is_empty() {
        return column.description.clone();
    }
    let comment = column.description.iter();
    let comment: String = comment.map(|comment| format!("{comment}\n\n")).collect();
    Some(format!("{comment}Note:\n{}", keys.join("\n")))
}
