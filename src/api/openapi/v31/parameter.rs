//! Parameters that operations share, and refer to by their key.

use super::embed::embeds;
use super::scope::{Scope, ScopedTable};
use crate::openapi::json::{Array, Object};

/// A parameter that has nothing to do with a table.
pub(super) struct Shared {
    pub(super) key: &'static str,
    pub(super) name: &'static str,
    /// `header` or `query`.
    place: &'static str,
    json_type: &'static str,
    description: &'static str,
    examples: &'static [&'static str],
}

/// The keys have no dot, so that they are none of a table's.
pub(super) const SHARED: [Shared; 14] = [
    query(
        "select",
        "string",
        "The columns, with commas between them.",
        &["*"],
    ),
    query(
        "order",
        "string",
        "Columns with commas between them, each perhaps followed by `.asc` or `.desc`, and \
         `.nullsfirst` or `.nullslast`.",
        &["id.desc.nullslast"],
    ),
    query("limit", "integer", "How many rows there are at most.", &[]),
    query(
        "offset",
        "integer",
        "How many rows are left out at the beginning.",
        &[],
    ),
    query(
        "and",
        "string",
        "Conditions that all must hold, in parentheses.",
        &["(id.gte.1,or(id.lt.9,id.is.null))"],
    ),
    query(
        "or",
        "string",
        "Conditions of which one must hold, in parentheses.",
        &["(id.eq.1,id.eq.2)"],
    ),
    query(
        "columns",
        "string",
        "The columns that are written; other members of the body are ignored.",
        &[],
    ),
    query(
        "on_conflict",
        "string",
        "The columns by which a row is known to be there already, with a preference of \
         `resolution`. They have to be unique together; without it, it is the primary key.",
        &[],
    ),
    header(
        "range",
        "Range",
        "The rows from the first number to the second one, counted from 0.",
        &["0-24"],
    ),
    header(
        "preferRead",
        "Prefer",
        "With commas between them: `count=exact`, `count=planned` or `count=estimated`, whose \
         result is in `Content-Range`; `handling=strict`; `timezone=…`.",
        &["count=exact"],
    ),
    header(
        "preferInsert",
        "Prefer",
        "With commas between them: `return=representation` for the rows as they were written, \
         `return=headers-only` or `return=minimal`; `resolution=merge-duplicates` or \
         `resolution=ignore-duplicates`; `missing=default`; `count=exact`; `tx=rollback` where \
         that is allowed; `handling=strict`; `timezone=…`.",
        &["return=representation"],
    ),
    header(
        "preferWrite",
        "Prefer",
        "With commas between them: `return=representation` for the rows as they were written, \
         `return=headers-only` or `return=minimal`; `max-affected=…` with `handling=strict`; \
         `count=exact`; `tx=rollback` where that is allowed; `timezone=…`.",
        &["return=representation"],
    ),
    header(
        "preferCall",
        "Prefer",
        "With commas between them: `count=exact`, `count=planned` or `count=estimated`; \
         `max-affected=…` with `handling=strict`; `tx=rollback` where that is allowed; \
         `timezone=…`.",
        &["count=exact"],
    ),
    header(
        "prefer",
        "Prefer",
        "With commas between them: `handling=strict`; `timezone=…`.",
        &["handling=strict"],
    ),
];

/// Which schema is meant, of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Profile {
    /// Of what is read.
    Accept,
    /// Of what is written.
    Content,
}

const fn query(
    name: &'static str,
    json_type: &'static str,
    description: &'static str,
    examples: &'static [&'static str],
) -> Shared {
    Shared {
        key: name,
        name,
        place: "query",
        json_type,
        description,
        examples,
    }
}

const fn header(
    key: &'static str,
    name: &'static str,
    description: &'static str,
    examples: &'static [&'static str],
) -> Shared {
    Shared {
        key,
        name,
        place: "header",
        json_type: "string",
        description,
        examples,
    }
}

/// Writes all parameters.
pub(super) fn write_parameters(parameters: &mut Object<'_>, scope: &Scope<'_>) {
    for shared in &SHARED {
        parameters.object(shared.key, |parameter| shared.write(parameter));
    }
    for profile in [Profile::Accept, Profile::Content] {
        if scope.config.db_schemas.len() > 1 {
            parameters.object(profile.key(), |parameter| profile.write(parameter, scope));
        }
    }
    for table in &scope.tables {
        parameters.object(&table.select, |parameter| {
            write_select(parameter, scope, table)
        });
        for scoped in &table.columns {
            let Some(key) = &scoped.filter else {
                continue;
            };
            parameters.object(key, |parameter| {
                parameter.string("name", scoped.column.name.as_str());
                parameter.string("in", "query");
                parameter.optional_string("description", scoped.column.description.as_deref());
                parameter.object("schema", |schema| {
                    let component = scope.filter_component(scoped.data_type());
                    schema.string("$ref", &format!("#/components/schemas/{component}"));
                });
            });
        }
    }
}

/// Writes references to the filters of a table, but not to those of these names.
pub(super) fn write_filters(parameters: &mut Array<'_>, table: &ScopedTable<'_>, without: &[&str]) {
    for scoped in &table.columns {
        let name = scoped.column.name.as_str();
        if let Some(key) = scoped.filter.as_ref().filter(|_| !without.contains(&name)) {
            write_reference(parameters, key);
        }
    }
}

/// Writes a reference to a parameter.
pub(super) fn write_reference(parameters: &mut Array<'_>, key: &str) {
    parameters.object(|reference| {
        reference.string("$ref", &format!("#/components/parameters/{key}"));
    });
}

/// Writes a reference to the parameter that says which schema is meant, if there are several.
pub(super) fn write_profile(parameters: &mut Array<'_>, scope: &Scope<'_>, profile: Profile) {
    if scope.config.db_schemas.len() > 1 {
        write_reference(parameters, profile.key());
    }
}

impl Shared {
    fn write(&self, parameter: &mut Object<'_>) {
        parameter.string("name", self.name);
        parameter.string("in", self.place);
        parameter.string("description", self.description);
        parameter.object("schema", |schema| {
            schema.string("type", self.json_type);
            if self.json_type == "integer" {
                schema.number("minimum", 0);
            }
            schema.strings("examples", self.examples.iter().copied());
        });
    }
}

impl Profile {
    fn key(self) -> &'static str {
        match self {
            Profile::Accept => "acceptProfile",
            Profile::Content => "contentProfile",
        }
    }

    /// The header. The document is about one schema, so there is one value; without it, the first
    /// of the schemas is meant.
    fn write(self, parameter: &mut Object<'_>, scope: &Scope<'_>) {
        let default = scope.config.db_schemas.first();
        let is_default = default.is_some_and(|schema| schema == scope.schema.as_str());
        parameter.string(
            "name",
            match self {
                Profile::Accept => "Accept-Profile",
                Profile::Content => "Content-Profile",
            },
        );
        parameter.string("in", "header");
        parameter.boolean("required", !is_default);
        let others: Vec<String> = scope
            .config
            .db_schemas
            .iter()
            .map(|schema| format!("`{schema}`"))
            .collect();
        parameter.string(
            "description",
            &format!(
                "The schema that this document describes, one of {}.",
                others.join(", ")
            ),
        );
        parameter.object("schema", |schema| {
            schema.string("type", "string");
            schema.strings("enum", [scope.schema.as_str()]);
        });
    }
}

/// The columns that are wanted, and what can be embedded.
fn write_select(parameter: &mut Object<'_>, scope: &Scope<'_>, table: &ScopedTable<'_>) {
    let embeds = embeds(scope, table);
    let mut description = "The columns, with commas between them; rows have no others then. \
         `name:column` renames one, `column::type` casts it, `column->key` looks into it."
        .to_owned();
    if !embeds.is_empty() {
        description.push_str("\n\nRelated rows are embedded with their own columns:");
        for embed in &embeds {
            description.push_str(&format!("\n- `{}(*)`", embed.select));
            description.push_str(if embed.is_to_one {
                ": one, or null"
            } else {
                ": an array"
            });
        }
    }
    parameter.string("name", "select");
    parameter.string("in", "query");
    parameter.string("description", &description);
    parameter.object("schema", |schema| {
        schema.string("type", "string");
        let embedded = embeds.first().map(|embed| format!("*,{}(*)", embed.select));
        schema.strings("examples", ["*"].into_iter().chain(embedded.as_deref()));
    });
}
