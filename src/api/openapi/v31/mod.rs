//! The OpenAPI 3.1 document, with JSON Schema 2020-12.
//!
//! It is ours, and made for programs: that generate clients, validate, or talk. So names are such
//! that code can be made of them, everything that has a name of its own is a component, and all
//! references lead to `#/components`.
//!
//! ```text
//! schemas     films · films.insert · films.update · each type · f.args · f.row · filter.… · error
//! parameters  films.title · films.select · order · preferRead …
//! responses   films.rows · error404 …
//! ```
//!
//! Its size grows as the schema does: examples of types that are made of others have an end
//! (`example`). Source: <https://spec.openapis.org/oas/v3.1.1>.

mod builtin;
mod embed;
mod example;
mod filter;
mod literal;
mod names;
mod operation;
mod parameter;
mod printed;
mod response;
mod routine;
mod schema;
mod scope;
mod security;
mod table;

use super::address::Address;
use super::answer::Answer;
use super::comment::Comment;
use super::json::{Array, Object};
use super::subject::{Subject, VERSION};
use crate::catalog::{Catalog, Table};
use corerest_config::Config;
use operation::Operation;
use response::{write_error_schema, write_errors, write_headers, write_responses};
use scope::Scope;
use std::collections::BTreeMap;

/// Writes the members of the document.
pub(super) fn write<'a>(
    subject: Subject<'a>,
    answer: &'a Answer<'a>,
    document: &mut Object<'_>,
    config: &'a Config,
    catalog: &'a Catalog,
) {
    write_document(&Scope::new(config, catalog, subject, answer), document);
}

fn write_document(scope: &Scope<'_>, document: &mut Object<'_>) {
    document.string("openapi", "3.1.0");
    document.object("info", |info| write_info(scope, info));
    document.array("servers", |servers| {
        servers.object(|server| server.string("url", &Address::of(scope.config).url()));
    });
    document.array("tags", |tags| write_tags(scope, tags));
    document.object("paths", |paths| {
        paths.object("/", |path| write_root(scope, path));
        for table in &scope.tables {
            table::write_path(paths, scope, table);
        }
        for routine in &scope.routines {
            routine::write_path(paths, scope, routine);
        }
    });
    document.object("components", |components| {
        write_components(scope, components)
    });
    if scope.config.openapi_security_active {
        security::write_requirements(document, scope.config);
    }
    document.object("externalDocs", |docs| {
        docs.string("description", "PostgREST Documentation");
        docs.string("url", "https://postgrest.org/en/v16/references/api.html");
    });
}

fn write_info(scope: &Scope<'_>, info: &mut Object<'_>) {
    let comment = scope.comment.map(Comment::split);
    let title = comment.map_or("PostgREST API", |comment| comment.summary);
    info.string("title", title);
    let description = comment.map(|comment| comment.description);
    info.optional_string("description", description.filter(|text| !text.is_empty()));
    info.string("version", VERSION);
}

/// What operations are grouped by, each once: a table may be called like the functions are.
fn write_tags(scope: &Scope<'_>, tags: &mut Array<'_>) {
    let tables = scope.tables.iter();
    let tables = tables.map(|scoped| (scoped.component.as_str(), Some(scoped.table)));
    let functions = scope.routines.iter().map(|_| (routine::TAG, None));
    // Of two that are alike the last one is kept, which is the table.
    let all: BTreeMap<&str, Option<&Table>> = [(ROOT_TAG, None)]
        .into_iter()
        .chain(functions)
        .chain(tables)
        .collect();
    for (name, table) in all {
        tags.object(|tag| {
            tag.string("name", name);
            let comment = table.and_then(|table| table.description.as_deref());
            tag.optional_string("description", comment);
            let called = table.map(|table| table.name.name.as_str());
            tag.optional_string("x-displayName", called.filter(|called| *called != name));
        });
    }
}

const ROOT_TAG: &str = "Introspection";

fn write_root(scope: &Scope<'_>, path: &mut Object<'_>) {
    let operation = Operation {
        id: "describe".to_owned(),
        tag: ROOT_TAG,
        summary: "OpenAPI description (this document)".to_owned(),
        description: None,
    };
    operation.write(
        path,
        "get",
        |parameters| {
            if scope.config.db_schemas.len() > 1 {
                parameters.object(|parameter| write_any_profile(scope, parameter));
            }
        },
        |_| {},
        |responses| {
            responses.object("200", |response| {
                response.string("description", "The description.");
                response.object("content", |content| {
                    for name in [
                        "application/json",
                        "application/openapi+json",
                        "application/openapi+json;version=3.1",
                        "application/vnd.oai.openapi+json;version=3.1",
                    ] {
                        content.object(name, |media_type| {
                            media_type.object("schema", |schema| schema.string("type", "object"));
                        });
                    }
                });
            });
            write_errors(responses, &[401, 404, 406]);
        },
    );
}

/// Each schema has a description of its own.
fn write_any_profile(scope: &Scope<'_>, parameter: &mut Object<'_>) {
    parameter.string("name", "Accept-Profile");
    parameter.string("in", "header");
    parameter.string("description", "The schema that is described.");
    parameter.object("schema", |schema| {
        schema.string("type", "string");
        schema.strings("enum", scope.config.db_schemas.iter().map(String::as_str));
    });
}

fn write_components(scope: &Scope<'_>, components: &mut Object<'_>) {
    components.object("schemas", |schemas| {
        for table in &scope.tables {
            table::write_rows(schemas, scope, table);
        }
        for routine in &scope.routines {
            routine::write_schemas(schemas, scope, routine);
        }
        for (component, row) in &scope.types {
            schemas.object(component, |schema| {
                schema::write_named_type(schema, scope, row);
            });
        }
        for (filter, component) in scope.filters() {
            schemas.object(component, |schema| filter.write(schema));
        }
        schemas.object(&scope.error, write_error_schema);
    });
    components.object("parameters", |parameters| {
        parameter::write_parameters(parameters, scope);
    });
    components.object("responses", |responses| write_responses(responses, scope));
    components.object("headers", write_headers);
    if scope.config.openapi_security_active {
        security::write_schemes(components, scope.config);
    }
}

#[cfg(test)]
mod tests;
