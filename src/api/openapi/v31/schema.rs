//! Types as JSON Schema 2020-12.

use super::scope::{Kind, Scope};
use crate::openapi::answer::TypeRow;
use crate::openapi::json::Object;

/// Whether a value may be null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Null {
    Allowed,
    Refused,
}

/// Writes the members of the schema of values of a type.
pub(super) fn write_type(schema: &mut Object<'_>, scope: &Scope<'_>, data_type: &str, null: Null) {
    match scope.kind(data_type) {
        Kind::Array(element) => {
            write_word(schema, "array", null);
            schema.object("items", |items| {
                write_type(items, scope, element, Null::Refused);
            });
        }
        Kind::Enum(row) | Kind::Domain(row) | Kind::Composite(row) => {
            match scope.component(row.printed) {
                Some(component) => write_reference(schema, component, null),
                None => write_named_type(schema, scope, row),
            }
        }
        Kind::Row(Some(component)) => write_reference(schema, component, null),
        Kind::Row(None) => write_word(schema, "object", null),
        Kind::AnyJson => {}
        Kind::Builtin(builtin, printed) => {
            let Some(word) = builtin.json_type else {
                return;
            };
            write_word(schema, word, null);
            schema.optional_string("format", builtin.format);
            if let Some(max_length) = printed.max_length() {
                schema.number("maxLength", max_length);
            }
        }
    }
}

/// Writes the schema of a type that has a component of its own.
pub(super) fn write_named_type(schema: &mut Object<'_>, scope: &Scope<'_>, row: &TypeRow<'_>) {
    let checks = row.checks.iter().flatten();
    let texts: Vec<&str> = row.comment.into_iter().chain(checks.copied()).collect();
    let description = texts.join("\n\n");
    schema.optional_string(
        "description",
        Some(description.as_str()).filter(|text| !text.is_empty()),
    );
    if let Some(labels) = &row.labels {
        schema.string("type", "string");
        // An empty list would allow nothing, which is true; but it is no schema for many readers.
        schema.strings("enum", labels.iter().copied());
    }
    if let Some(base) = row.base.filter(|_| !scope.is_represented(row.printed)) {
        write_type(schema, scope, base, Null::Refused);
    }
    if let Some(attributes) = &row.attributes {
        schema.string("type", "object");
        schema.object("properties", |properties| {
            for attribute in attributes {
                properties.object(attribute.name, |property| {
                    write_type(property, scope, attribute.data_type, Null::Allowed);
                });
            }
        });
    }
}

/// Writes a reference to a schema.
pub(super) fn write_reference(schema: &mut Object<'_>, component: &str, null: Null) {
    let target = format!("#/components/schemas/{component}");
    match null {
        Null::Refused => schema.string("$ref", &target),
        Null::Allowed => schema.array("anyOf", |choices| {
            choices.object(|choice| choice.string("$ref", &target));
            choices.object(|choice| choice.string("type", "null"));
        }),
    }
}

/// Writes the word for a type.
pub(super) fn write_word(schema: &mut Object<'_>, word: &str, null: Null) {
    match null {
        Null::Refused => schema.string("type", word),
        Null::Allowed => schema.strings("type", [word, "null"]),
    }
}
