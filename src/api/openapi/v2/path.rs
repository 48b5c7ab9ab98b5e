//! Paths: what can be done where, and with what.
//!
//! Parity: the members of an operation are in the order of the alphabet; those of a path are in
//! that of OpenAPI's specification: GET, POST, DELETE, PATCH.

use super::data_type::{JsonType, element_type, format};
use super::definition::{write_items, write_type};
use super::parameter::{write_body_reference, write_filter_references, write_reference};
use crate::catalog::{Table, Volatility};
use crate::openapi::comment::Comment;
use crate::openapi::json::{Array, Object};
use crate::openapi::routine::{DescribedParameter, DescribedRoutine};
use std::collections::BTreeMap;

/// What a row alone is, without and with its nulls.
pub(super) const SINGULAR: [&str; 2] = [
    "application/vnd.pgrst.object+json;nulls=stripped",
    "application/vnd.pgrst.object+json",
];

/// What a path leads to.
enum Target<'a> {
    /// The description itself.
    Root,
    Table(&'a Table),
    Routine(&'a DescribedRoutine<'a>),
}

/// The members that the operations of a path share.
struct Operation<'a> {
    summary: Option<&'a str>,
    description: Option<&'a str>,
    tag: &'a str,
    produces: &'a [&'a str],
}

/// Writes all paths.
pub(super) fn write_paths(
    paths: &mut Object<'_>,
    tables: &[&Table],
    routines: &[DescribedRoutine<'_>],
) {
    let root = ("/".to_owned(), Target::Root);
    let tables = tables.iter();
    let tables = tables.map(|table| (format!("/{}", table.name.name), Target::Table(table)));
    let routines = routines.iter();
    let routines =
        routines.map(|routine| (format!("/rpc/{}", routine.name), Target::Routine(routine)));
    let all: Vec<_> = [root].into_iter().chain(tables).chain(routines).collect();
    paths.distinct_objects(&all, |path, target| match target {
        Target::Root => write_root(path),
        Target::Table(table) => write_table(path, table),
        Target::Routine(routine) => write_routine(path, routine),
    });
}

impl<'a> Operation<'a> {
    fn new(comment: Option<&'a str>, tag: &'a str, produces: &'a [&'a str]) -> Operation<'a> {
        let comment = comment.map(Comment::split);
        Operation {
            summary: comment.map(|comment| comment.summary),
            description: comment
                .map(|comment| comment.description)
                .filter(|description| !description.is_empty()),
            tag,
            produces,
        }
    }

    fn write(
        &self,
        path: &mut Object<'_>,
        method: &str,
        parameters: impl FnOnce(&mut Array<'_>),
        responses: impl FnOnce(&mut Object<'_>),
    ) {
        path.object(method, |operation| {
            operation.optional_string("description", self.description);
            operation.filled_array("parameters", parameters);
            operation.strings("produces", self.produces.iter().copied());
            operation.object("responses", responses);
            operation.optional_string("summary", self.summary);
            operation.strings("tags", [self.tag]);
        });
    }
}

fn write_root(path: &mut Object<'_>) {
    let operation = Operation {
        summary: Some("OpenAPI description (this document)"),
        description: None,
        tag: "Introspection",
        produces: &["application/openapi+json", "application/json"],
    };
    operation.write(
        path,
        "get",
        |_| {},
        |responses| write_response(responses, "200", "OK"),
    );
}

/// Parity: a table to which anything can be written shows all methods, and never PUT.
fn write_table(path: &mut Object<'_>, table: &Table) {
    let operation = Operation::new(table.description.as_deref(), table.name.name.as_str(), &[]);
    write_read(path, &operation, table);
    let writable = table.writable;
    if !(writable.insert || writable.update || writable.delete) {
        return;
    }
    operation.write(
        path,
        "post",
        |parameters| {
            write_body_reference(parameters, table);
            write_reference(parameters, "select");
            write_reference(parameters, "preferPost");
        },
        |responses| write_response(responses, "201", "Created"),
    );
    operation.write(
        path,
        "delete",
        |parameters| {
            write_filter_references(parameters, table, |_| true);
            write_reference(parameters, "preferReturn");
        },
        |responses| write_response(responses, "204", "No Content"),
    );
    operation.write(
        path,
        "patch",
        |parameters| {
            write_filter_references(parameters, table, |_| true);
            write_body_reference(parameters, table);
            write_reference(parameters, "preferReturn");
        },
        |responses| write_response(responses, "204", "No Content"),
    );
}

fn write_read(path: &mut Object<'_>, operation: &Operation<'_>, table: &Table) {
    let shared = [
        "select",
        "order",
        "range",
        "rangeUnit",
        "offset",
        "limit",
        "preferCount",
    ];
    operation.write(
        path,
        "get",
        |parameters| {
            // Whoever writes the name of such a column means what is shared.
            write_filter_references(parameters, table, |column| !shared.contains(&column));
            for key in shared {
                write_reference(parameters, key);
            }
        },
        |responses| {
            responses.object("200", |response| {
                response.string("description", "OK");
                response.object("schema", |schema| {
                    schema.object("items", |items| {
                        items.string("$ref", &format!("#/definitions/{}", table.name.name));
                    });
                    schema.string("type", "array");
                });
            });
            write_response(responses, "206", "Partial Content");
        },
    );
}

fn write_response(responses: &mut Object<'_>, status: &str, description: &str) {
    responses.object(status, |response| {
        response.string("description", description)
    });
}

/// A function that may write is not called by GET.
fn write_routine(path: &mut Object<'_>, routine: &DescribedRoutine<'_>) {
    let tag = format!("(rpc) {}", routine.name);
    let produces = ["application/json", SINGULAR[0], SINGULAR[1]];
    let operation = Operation::new(routine.comment, &tag, &produces);
    if routine.volatility != Volatility::Volatile {
        operation.write(
            path,
            "get",
            |parameters| {
                for argument in routine.distinct_parameters() {
                    parameters.object(|parameter| write_argument(parameter, argument));
                }
            },
            |responses| write_response(responses, "200", "OK"),
        );
    }
    operation.write(
        path,
        "post",
        |parameters| {
            parameters.object(|body| write_body(body, routine));
            write_reference(parameters, "preferParams");
        },
        |responses| write_response(responses, "200", "OK"),
    );
}

/// An argument in the query string. A variadic one may be given several times; another array is
/// written as PostgreSQL's `{…}`, which is a string.
fn write_argument(parameter: &mut Object<'_>, argument: &DescribedParameter<'_>) {
    let json_type = JsonType::of(argument.data_type).unwrap_or(JsonType::String);
    if argument.variadic {
        let element = element_type(argument.data_type);
        parameter.string("collectionFormat", "multi");
        parameter.string("in", "query");
        parameter.object("items", |items| {
            items.string("format", format(element));
            write_type(items, JsonType::of(element));
        });
        parameter.string("name", argument.name);
        parameter.boolean("required", argument.required);
        write_type(parameter, Some(json_type));
    } else {
        let json_type = match json_type {
            JsonType::Array => JsonType::String,
            other => other,
        };
        parameter.string("format", format(argument.data_type));
        parameter.string("in", "query");
        parameter.string("name", argument.name);
        parameter.boolean("required", argument.required);
        write_type(parameter, Some(json_type));
    }
}

/// The arguments as the members of an object, by name.
fn write_body(body: &mut Object<'_>, routine: &DescribedRoutine<'_>) {
    let arguments = routine.parameters.iter();
    let by_name: BTreeMap<&str, &DescribedParameter> = arguments
        .map(|argument| (argument.name, argument))
        .collect();
    body.string("in", "body");
    body.string("name", "args");
    body.boolean("required", true);
    body.object("schema", |schema| {
        schema.optional_string("description", routine.comment);
        schema.filled_object("properties", |properties| {
            for (name, argument) in by_name {
                properties.object(name, |property| {
                    property.string("format", format(argument.data_type));
                    write_items(property, argument.data_type);
                    write_type(property, JsonType::of(argument.data_type));
                });
            }
        });
        let required = routine.distinct_parameters();
        let required = required.filter(|argument| argument.required);
        schema.strings("required", required.map(|argument| argument.name));
        schema.string("type", "object");
    });
}
