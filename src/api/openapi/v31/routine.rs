//! Functions: the schemas of their arguments and rows, and the calls at their paths.
//!
//! Overloads share a path, so they share its operations: the body is that of one of them, and in
//! the query string there may be the arguments of any.

use super::example::example_object;
use super::literal::literal;
use super::names::path_segment;
use super::operation::Operation;
use super::parameter::{Profile, write_profile, write_reference};
use super::response::{write_empty, write_errors, write_header_references, write_row_types};
use super::schema::{self, Null, write_type, write_word};
use super::scope::{Kind, Overload, Scope, ScopedRoutine};
use crate::catalog::Volatility;
use crate::openapi::json::{Array, Object};
use crate::openapi::routine::{DescribedParameter, DescribedReturn};

/// The tag of all functions: they are called alike.
pub(super) const TAG: &str = "rpc";

/// Writes the schemas of a function's arguments and of the rows that it declares.
pub(super) fn write_schemas(
    schemas: &mut Object<'_>,
    scope: &Scope<'_>,
    routine: &ScopedRoutine<'_>,
) {
    for overload in &routine.overloads {
        if overload.unnamed().is_none() && !overload.routine.parameters.is_empty() {
            schemas.object(&overload.arguments, |schema| {
                write_arguments(schema, scope, overload);
            });
        }
        if let (Some(row), Some(returned)) = (&overload.row, &overload.routine.returned) {
            schemas.object(row, |schema| write_row(schema, scope, returned));
        }
    }
}

/// Writes the path of a function. One that may write is not called by GET.
pub(super) fn write_path(paths: &mut Object<'_>, scope: &Scope<'_>, routine: &ScopedRoutine<'_>) {
    paths.object(&format!("/rpc/{}", path_segment(routine.name)), |path| {
        let mut overloads = routine.overloads.iter();
        let is_queried = |overload: &Overload<'_>| {
            overload.routine.volatility != Volatility::Volatile && overload.unnamed().is_none()
        };
        if overloads.any(is_queried) {
            let queried: Vec<&Overload<'_>> = routine
                .overloads
                .iter()
                .filter(|overload| is_queried(overload))
                .collect();
            operation("query", routine, &queried).write(
                path,
                "get",
                |parameters| write_query(parameters, scope, &queried),
                |_| {},
                |responses| write_responses(responses, scope, &queried),
            );
        }
        let all: Vec<&Overload<'_>> = routine.overloads.iter().collect();
        operation("call", routine, &all).write(
            path,
            "post",
            |parameters| {
                write_reading(parameters, &all, &[]);
                write_reference(parameters, "preferCall");
                write_profile(parameters, scope, Profile::Content);
            },
            |operation| write_body(operation, scope, &all),
            |responses| write_responses(responses, scope, &all),
        );
    });
}

fn operation<'a>(
    verb: &str,
    routine: &'a ScopedRoutine<'_>,
    overloads: &[&'a Overload<'_>],
) -> Operation<'a> {
    let mut comments = overloads.iter().rev();
    Operation {
        id: format!("{verb}{}", routine.operation),
        tag: TAG,
        summary: format!("Calls `{}`", routine.name),
        description: comments.find_map(|overload| overload.routine.comment),
    }
}

impl Overload<'_> {
    /// The parameter that has no name, which is the body itself.
    fn unnamed(&self) -> Option<&DescribedParameter<'_>> {
        match self.routine.parameters.as_slice() {
            [only] if only.name.is_empty() => Some(only),
            _ => None,
        }
    }

    /// Whether it returns rows, which can be ordered, limited, and have columns.
    fn returns_rows(&self, scope: &Scope<'_>) -> bool {
        self.routine.returned.as_ref().is_some_and(|returned| {
            self.row.is_some()
                || matches!(
                    scope.kind(returned.data_type),
                    Kind::Row(_) | Kind::Composite(_)
                )
        })
    }
}

/// Parameters that say which rows, and what of them; but not those that are arguments.
fn write_reading(parameters: &mut Array<'_>, overloads: &[&Overload<'_>], without: &[&str]) {
    let mut returned = overloads.iter().filter_map(|o| o.routine.returned.as_ref());
    if returned.any(|returned| returned.is_set) {
        let keys = ["select", "order", "limit", "offset"];
        for key in keys.into_iter().filter(|key| !without.contains(key)) {
            write_reference(parameters, key);
        }
    }
}

fn write_query(parameters: &mut Array<'_>, scope: &Scope<'_>, overloads: &[&Overload<'_>]) {
    let mut names: Vec<&str> = Vec::new();
    for overload in overloads {
        for argument in overload.routine.distinct_parameters() {
            if names.contains(&argument.name) {
                continue;
            }
            names.push(argument.name);
            let is_required = overloads.iter().all(|other| {
                let mut arguments = other.routine.parameters.iter();
                arguments.any(|other| other.name == argument.name && other.required)
            });
            parameters.object(|parameter| {
                write_argument(parameter, scope, overloads, argument, is_required);
            });
        }
    }
    write_reading(parameters, overloads, &names);
    write_reference(parameters, "preferCall");
    write_profile(parameters, scope, Profile::Accept);
}

/// An argument in the query string. A variadic one may be given several times; another array, JSON
/// and a composite value are texts there, as PostgreSQL reads them.
fn write_argument(
    parameter: &mut Object<'_>,
    scope: &Scope<'_>,
    overloads: &[&Overload<'_>],
    argument: &DescribedParameter<'_>,
    is_required: bool,
) {
    let all = overloads.iter().flat_map(|o| &o.routine.parameters);
    let mut alike = all.filter(|other| other.name == argument.name);
    let is_of_one_type = alike.all(|other| other.data_type == argument.data_type);
    parameter.string("name", argument.name);
    parameter.string("in", "query");
    parameter.boolean("required", is_required);
    parameter.object("schema", |schema| {
        match scope.kind(argument.data_type) {
            Kind::Array(element) if argument.variadic && is_of_one_type => {
                schema.string("type", "array");
                schema.object("items", |items| {
                    write_type(items, scope, element, Null::Refused);
                });
            }
            Kind::Builtin(builtin, _) if builtin.json_type.is_some() && is_of_one_type => {
                write_type(schema, scope, argument.data_type, Null::Refused);
            }
            Kind::Enum(_) if is_of_one_type => {
                write_type(schema, scope, argument.data_type, Null::Refused);
            }
            _ => schema.string("type", "string"),
        }
        schema.string("x-postgresql-type", argument.data_type);
    });
}

fn write_arguments(schema: &mut Object<'_>, scope: &Scope<'_>, overload: &Overload<'_>) {
    schema.string("type", "object");
    schema.optional_string("description", overload.routine.comment);
    let required = overload.routine.distinct_parameters();
    let required = required.filter(|argument| argument.required);
    schema.strings("required", required.map(|argument| argument.name));
    schema.object("properties", |properties| {
        for argument in overload.routine.distinct_parameters() {
            properties.object(argument.name, |property| {
                write_type(property, scope, argument.data_type, Null::Allowed);
                let default = argument
                    .default
                    .and_then(|expression| literal(scope, argument.data_type, expression));
                if let Some(default) = default {
                    property.written("default", &default);
                }
                property.string("x-postgresql-type", argument.data_type);
            });
        }
    });
}

/// The body of a call: the arguments of one of the overloads, or the one that has no name.
fn write_body(operation: &mut Object<'_>, scope: &Scope<'_>, overloads: &[&Overload<'_>]) {
    let named: Vec<&Overload<'_>> = overloads
        .iter()
        .copied()
        .filter(|o| o.unnamed().is_none() && !o.routine.parameters.is_empty())
        .collect();
    let unnamed: Vec<&DescribedParameter<'_>> =
        overloads.iter().filter_map(|o| o.unnamed()).collect();
    if named.is_empty() && unnamed.is_empty() {
        return;
    }
    let is_json =
        |parameter: &&DescribedParameter<'_>| matches!(parameter.data_type, "json" | "jsonb");
    let takes_nothing = overloads
        .iter()
        .any(|overload| overload.routine.parameters.iter().all(|p| !p.required));
    operation.object("requestBody", |body| {
        body.boolean("required", !takes_nothing);
        body.object("content", |content| {
            if unnamed.iter().any(is_json) {
                content.object("application/json", |media_type| {
                    media_type.object("schema", |_| {});
                });
            } else if !named.is_empty() {
                content.object("application/json", |media_type| {
                    media_type.object("schema", |schema| {
                        write_any(schema, &named);
                    });
                    let example = named.last().map(|overload| arguments(scope, overload));
                    if let Some(example) = example {
                        media_type.written("example", &example);
                    }
                });
            }
            for (data_type, name) in [
                ("text", "text/plain"),
                ("xml", "text/xml"),
                ("bytea", "application/octet-stream"),
            ] {
                if unnamed
                    .iter()
                    .any(|parameter| parameter.data_type == data_type)
                {
                    content.object(name, |media_type| {
                        media_type.object("schema", |schema| schema.string("type", "string"));
                    });
                }
            }
        });
    });
}

fn write_any(schema: &mut Object<'_>, named: &[&Overload<'_>]) {
    match named {
        [only] => schema::write_reference(schema, &only.arguments, Null::Refused),
        several => schema.array("anyOf", |choices| {
            for overload in several {
                choices.object(|choice| {
                    schema::write_reference(choice, &overload.arguments, Null::Refused);
                });
            }
        }),
    }
}

/// Arguments that can be sent as they are.
fn arguments(scope: &Scope<'_>, overload: &Overload<'_>) -> Vec<u8> {
    let arguments = overload.routine.distinct_parameters();
    let arguments = arguments.filter(|argument| argument.required);
    example_object(
        scope,
        arguments.map(|argument| (argument.name, argument.data_type)),
    )
}

fn write_row(schema: &mut Object<'_>, scope: &Scope<'_>, returned: &DescribedReturn<'_>) {
    let mut columns = returned.columns.clone();
    // Two that have no name, or the same one, are one member.
    let mut names = std::collections::HashSet::new();
    columns.retain(|(name, _)| names.insert(*name));
    schema.string("type", "object");
    schema.strings("required", columns.iter().map(|(name, _)| *name));
    schema.object("properties", |properties| {
        for (name, data_type) in &columns {
            properties.object(name, |property| {
                write_type(property, scope, data_type, Null::Allowed);
            });
        }
    });
}

fn write_responses(responses: &mut Object<'_>, scope: &Scope<'_>, overloads: &[&Overload<'_>]) {
    let is_void = |overload: &&&Overload<'_>| {
        let returned = overload.routine.returned.as_ref();
        returned.is_some_and(|returned| returned.data_type == "void")
    };
    let answering: Vec<&&Overload<'_>> = overloads.iter().filter(|o| !is_void(o)).collect();
    if let Some(last) = answering.last() {
        responses.object("200", |response| {
            response.string("description", "What the function returns.");
            write_header_references(response);
            response.object("content", |content| {
                // Which of several it is depends on the arguments.
                match answering.as_slice() {
                    [only] => write_content(content, scope, only),
                    _ => content.object("application/json", |media_type| {
                        media_type.object("schema", |schema| {
                            if answering
                                .iter()
                                .all(|o| o.routine.returned == last.routine.returned)
                            {
                                write_returned(schema, scope, last);
                            }
                        });
                    }),
                }
            });
        });
    }
    if overloads.iter().any(|overload| is_void(&overload)) {
        write_empty(responses, "204", "The function returns nothing.");
    }
    write_errors(responses, &[300, 400, 401, 403, 404, 405, 406, 409, 416]);
}

fn write_content(content: &mut Object<'_>, scope: &Scope<'_>, overload: &Overload<'_>) {
    let is_set = overload.routine.returned.as_ref().is_some_and(|r| r.is_set);
    if is_set && overload.returns_rows(scope) {
        write_row_types(content, scope, |row| write_value(row, scope, overload));
        return;
    }
    content.object("application/json", |media_type| {
        media_type.object("schema", |schema| write_returned(schema, scope, overload));
    });
}

/// What is returned, one or many.
fn write_returned(schema: &mut Object<'_>, scope: &Scope<'_>, overload: &Overload<'_>) {
    if overload.routine.returned.as_ref().is_some_and(|r| r.is_set) {
        write_word(schema, "array", Null::Refused);
        schema.object("items", |items| write_value(items, scope, overload));
    } else {
        write_value(schema, scope, overload);
    }
}

/// What is returned, one of it. A function that is not known has said nothing about that.
fn write_value(schema: &mut Object<'_>, scope: &Scope<'_>, overload: &Overload<'_>) {
    let Some(returned) = &overload.routine.returned else {
        return;
    };
    if let Some(row) = &overload.row {
        return schema::write_reference(schema, row, Null::Refused);
    }
    let null = if overload.returns_rows(scope) {
        Null::Refused
    } else {
        Null::Allowed
    };
    write_type(schema, scope, returned.data_type, null);
}
