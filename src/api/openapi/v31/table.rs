//! Tables and views: the schemas of their rows, and what can be done at their paths.
//!
//! A row as it is read has all columns; one that is inserted needs those that have no other value;
//! one that changes others needs none. So there are three schemas. Only the first one tells
//! defaults: a generated client would send them otherwise, and a PATCH change what nobody meant.

use super::embed::{Embed, embeds};
use super::example::example_object;
use super::literal::literal;
use super::names::path_segment;
use super::operation::Operation;
use super::parameter::{Profile, write_filters, write_profile, write_reference};
use super::response::{write_empty, write_errors, write_rows_reference};
use super::schema::{self, Null, write_type};
use super::scope::{Scope, ScopedColumn, ScopedTable};
use crate::openapi::foreign_key::foreign_key;
use crate::openapi::json::Object;

/// Which row it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    Read,
    Inserted,
    Updated,
}

/// Writes the schemas of a table's rows.
pub(super) fn write_rows(schemas: &mut Object<'_>, scope: &Scope<'_>, table: &ScopedTable<'_>) {
    let mut write = |name: &str, row| {
        schemas.object(name, |schema| write_row(schema, scope, table, row));
    };
    write(&table.component, Row::Read);
    if table.can.insert {
        write(&format!("{}.insert", table.component), Row::Inserted);
    }
    if table.can.update {
        write(&format!("{}.update", table.component), Row::Updated);
    }
}

/// Writes the path of a table, as far as the role may do anything there.
pub(super) fn write_path(paths: &mut Object<'_>, scope: &Scope<'_>, table: &ScopedTable<'_>) {
    if !table.can.select && !table.is_written() {
        return;
    }
    let name = table.table.name.name.as_str();
    paths.object(&format!("/{}", path_segment(name)), |path| {
        if table.can.select {
            write_read(path, scope, table);
        }
        if table.can.insert {
            write_insert(path, scope, table);
        }
        let mut key = table.key().peekable();
        let has_key = key.peek().is_some() && key.all(|scoped| scoped.filter.is_some());
        if table.can.insert && table.can.update && has_key {
            write_upsert(path, scope, table);
        }
        if table.can.update {
            write_update(path, scope, table);
        }
        if table.can.delete {
            write_delete(path, scope, table);
        }
    });
}

fn operation<'a>(verb: &str, what: &str, table: &'a ScopedTable<'_>) -> Operation<'a> {
    Operation {
        id: format!("{verb}{}", table.operation),
        tag: &table.component,
        summary: format!("{what} `{}`", table.table.name.name),
        description: table.table.description.as_deref(),
    }
}

fn write_read(path: &mut Object<'_>, scope: &Scope<'_>, table: &ScopedTable<'_>) {
    operation("read", "Reads rows of", table).write(
        path,
        "get",
        |parameters| {
            write_filters(parameters, table, &[]);
            write_reference(parameters, &table.select);
            for key in [
                "order",
                "limit",
                "offset",
                "and",
                "or",
                "range",
                "preferRead",
            ] {
                write_reference(parameters, key);
            }
            write_profile(parameters, scope, Profile::Accept);
        },
        |_| {},
        |responses| {
            write_rows_reference(responses, "200", table);
            write_rows_reference(responses, "206", table);
            write_errors(responses, &[300, 400, 401, 403, 404, 406, 416]);
        },
    );
}

fn write_insert(path: &mut Object<'_>, scope: &Scope<'_>, table: &ScopedTable<'_>) {
    operation("insert", "Inserts rows into", table).write(
        path,
        "post",
        |parameters| {
            write_reference(parameters, &table.select);
            for key in ["columns", "on_conflict", "preferInsert"] {
                write_reference(parameters, key);
            }
            write_profile(parameters, scope, Profile::Content);
        },
        |operation| {
            let component = format!("{}.insert", table.component);
            // Also one row alone is taken. But a choice between a row and an array of them becomes
            // code that does not compile (openapi-generator, typescript-fetch).
            let example = [b"[", insert_example(scope, table).as_slice(), b"]"].concat();
            write_body(operation, &example, |schema| {
                schema.string("type", "array");
                schema.object("items", |items| {
                    schema::write_reference(items, &component, Null::Refused);
                });
            });
        },
        |responses| {
            write_rows_reference(responses, "201", table);
            // All of them were there already.
            write_rows_reference(responses, "200", table);
            write_errors(responses, &[300, 400, 401, 403, 404, 406, 409]);
        },
    );
}

fn write_upsert(path: &mut Object<'_>, scope: &Scope<'_>, table: &ScopedTable<'_>) {
    operation("upsert", "Writes a row, by its key, to", table).write(
        path,
        "put",
        |parameters| {
            for scoped in table.key() {
                parameters.object(|parameter| write_key_filter(parameter, scoped));
            }
            write_reference(parameters, &table.select);
            write_reference(parameters, "columns");
            write_reference(parameters, "preferWrite");
            write_profile(parameters, scope, Profile::Content);
        },
        |operation| {
            let component = format!("{}.insert", table.component);
            write_body(operation, &upsert_example(scope, table), |schema| {
                schema::write_reference(schema, &component, Null::Refused);
            });
        },
        |responses| {
            write_rows_reference(responses, "200", table);
            write_rows_reference(responses, "201", table);
            write_empty(responses, "204", "The row is written.");
            write_errors(responses, &[300, 400, 401, 403, 404, 405, 406, 409]);
        },
    );
}

fn write_update(path: &mut Object<'_>, scope: &Scope<'_>, table: &ScopedTable<'_>) {
    operation("update", "Changes rows of", table).write(
        path,
        "patch",
        |parameters| {
            write_filters(parameters, table, &[]);
            write_reference(parameters, &table.select);
            for key in ["and", "or", "columns", "preferWrite"] {
                write_reference(parameters, key);
            }
            write_profile(parameters, scope, Profile::Content);
        },
        |operation| {
            let component = format!("{}.update", table.component);
            write_body(operation, &update_example(scope, table), |schema| {
                schema::write_reference(schema, &component, Null::Refused);
            });
        },
        |responses| {
            write_rows_reference(responses, "200", table);
            write_empty(responses, "204", "The rows are changed.");
            write_errors(responses, &[300, 400, 401, 403, 404, 406, 409]);
        },
    );
}

fn write_delete(path: &mut Object<'_>, scope: &Scope<'_>, table: &ScopedTable<'_>) {
    operation("delete", "Deletes rows of", table).write(
        path,
        "delete",
        |parameters| {
            write_filters(parameters, table, &[]);
            write_reference(parameters, &table.select);
            for key in ["and", "or", "preferWrite"] {
                write_reference(parameters, key);
            }
            write_profile(parameters, scope, Profile::Content);
        },
        |_| {},
        |responses| {
            write_rows_reference(responses, "200", table);
            write_empty(responses, "204", "The rows are deleted.");
            write_errors(responses, &[300, 400, 401, 403, 404, 406, 409]);
        },
    );
}

fn write_key_filter(parameter: &mut Object<'_>, scoped: &ScopedColumn<'_>) {
    parameter.string("name", scoped.column.name.as_str());
    parameter.string("in", "query");
    parameter.string("description", "The value of the key, after `eq.`.");
    parameter.boolean("required", true);
    parameter.object("schema", |schema| {
        schema.string("type", "string");
        schema.string("pattern", r"^eq\.");
    });
}

fn write_body(operation: &mut Object<'_>, example: &[u8], schema: impl Fn(&mut Object<'_>)) {
    operation.object("requestBody", |body| {
        body.boolean("required", true);
        body.object("content", |content| {
            content.object("application/json", |media_type| {
                media_type.object("schema", |object| schema(object));
                media_type.written("example", example);
            });
            content.object("text/csv", |media_type| {
                media_type.object("schema", |schema| schema.string("type", "string"));
            });
        });
    });
}

fn write_row(schema: &mut Object<'_>, scope: &Scope<'_>, table: &ScopedTable<'_>, row: Row) {
    schema.string("type", "object");
    schema.optional_string("description", table.table.description.as_deref());
    let columns = || table.columns.iter().filter(move |column| row.has(column));
    let required = columns().filter(|column| row.needs(column));
    schema.strings(
        "required",
        required.map(|column| column.column.name.as_str()),
    );
    schema.object("properties", |properties| {
        for scoped in columns() {
            properties.object(scoped.column.name.as_str(), |property| {
                write_column(property, scope, table, scoped, row);
            });
        }
        if row == Row::Read {
            write_embeds(properties, scope, table);
        }
    });
}

impl Row {
    fn has(self, scoped: &ScopedColumn<'_>) -> bool {
        match self {
            Row::Read => true,
            Row::Inserted | Row::Updated => !scoped.is_read_only,
        }
    }

    fn needs(self, scoped: &ScopedColumn<'_>) -> bool {
        match self {
            Row::Read => true,
            Row::Inserted => !scoped.column.nullable && scoped.column.default.is_none(),
            Row::Updated => false,
        }
    }
}

fn write_column(
    property: &mut Object<'_>,
    scope: &Scope<'_>,
    table: &ScopedTable<'_>,
    scoped: &ScopedColumn<'_>,
    row: Row,
) {
    let column = scoped.column;
    let null = if column.nullable {
        Null::Allowed
    } else {
        Null::Refused
    };
    write_type(property, scope, scoped.data_type(), null);
    if row != Row::Read {
        property.optional_string("description", column.description.as_deref());
        return;
    }
    let is_key = table.table.primary_key.contains(&column.name);
    let relationships = scope
        .catalog
        .relationships_of(&table.table.name, scope.schema);
    let reference = foreign_key(&column.name, relationships)
        .map(|(table, column)| format!("Refers to `{table}.{column}`."));
    let texts = column.description.clone().into_iter();
    let texts = texts.chain(is_key.then(|| "Primary key.".to_owned()));
    let texts: Vec<String> = texts.chain(reference).collect();
    if !texts.is_empty() {
        property.string("description", &texts.join("\n\n"));
    }
    if scoped.is_read_only {
        property.boolean("readOnly", true);
    }
    let default = scoped
        .default()
        .and_then(|expression| literal(scope, scoped.data_type(), expression));
    if let Some(default) = default {
        property.written("default", &default);
    }
    property.string("x-postgresql-type", scoped.data_type());
}

/// Members that are there if they are asked for. A column comes before a relation of its name.
fn write_embeds(properties: &mut Object<'_>, scope: &Scope<'_>, table: &ScopedTable<'_>) {
    let embeds = embeds(scope, table);
    let mut by_key: Vec<&Embed<'_>> = embeds.iter().collect();
    by_key.sort_by_key(|embed| embed.key);
    for group in by_key.chunk_by(|a, b| a.key == b.key) {
        if table.table.column(group[0].key).is_none() {
            properties.object(group[0].key, |property| write_embed(property, group));
        }
    }
}

fn write_embed(property: &mut Object<'_>, ways: &[&Embed<'_>]) {
    let to_one = ways.iter().find(|embed| embed.is_to_one);
    let to_many = ways.iter().find(|embed| !embed.is_to_one);
    let many = |schema: &mut Object<'_>, embed: &Embed<'_>| {
        schema.string("type", "array");
        schema.object("items", |items| {
            schema::write_reference(items, embed.component, Null::Refused);
        });
    };
    match (to_one, to_many) {
        (Some(one), None) => schema::write_reference(property, one.component, Null::Allowed),
        (None, Some(embed)) => many(property, embed),
        (Some(one), Some(embed)) => property.array("anyOf", |choices| {
            choices.object(|choice| many(choice, embed));
            choices.object(|choice| {
                schema::write_reference(choice, one.component, Null::Refused);
            });
            choices.object(|choice| choice.string("type", "null"));
        }),
        (None, None) => {}
    }
    let selects: Vec<String> = ways
        .iter()
        .map(|embed| format!("`{}(*)`", embed.select))
        .collect();
    property.string(
        "description",
        &format!("There if `select` has {}.", selects.join(" or ")),
    );
    property.boolean("readOnly", true);
    property.strings("x-embed", ways.iter().map(|embed| embed.select.as_str()));
}

/// What can be inserted as it stands: columns that need a value, and those that may have one and
/// do not point elsewhere.
fn insert_example(scope: &Scope<'_>, table: &ScopedTable<'_>) -> Vec<u8> {
    example_of(scope, table, |scoped| {
        let is_wanted = scoped.column.default.is_none() && !is_foreign_key(scope, table, scoped);
        Row::Inserted.needs(scoped) || is_wanted
    })
}

fn upsert_example(scope: &Scope<'_>, table: &ScopedTable<'_>) -> Vec<u8> {
    example_of(scope, table, |scoped| {
        Row::Inserted.needs(scoped) || table.table.primary_key.contains(&scoped.column.name)
    })
}

fn update_example(scope: &Scope<'_>, table: &ScopedTable<'_>) -> Vec<u8> {
    example_of(scope, table, |scoped| {
        !table.table.primary_key.contains(&scoped.column.name)
            && !is_foreign_key(scope, table, scoped)
    })
}

fn is_foreign_key(scope: &Scope<'_>, table: &ScopedTable<'_>, scoped: &ScopedColumn<'_>) -> bool {
    let relationships = scope
        .catalog
        .relationships_of(&table.table.name, scope.schema);
    foreign_key(&scoped.column.name, relationships).is_some()
}

fn example_of(
    scope: &Scope<'_>,
    table: &ScopedTable<'_>,
    is_wanted: impl Fn(&ScopedColumn<'_>) -> bool,
) -> Vec<u8> {
    let columns = table.columns.iter();
    let columns = columns.filter(|scoped| !scoped.is_read_only && is_wanted(scoped));
    let members = columns.map(|scoped| (scoped.column.name.as_str(), scoped.data_type()));
    example_object(scope, members)
}
