//! Responses that operations share: those with rows, and the errors, with what their codes mean.

use super::schema::{Null, write_reference, write_word};
use super::scope::{Scope, ScopedTable};
use crate::error::codes;
use crate::openapi::json::Object;

/// Codes, and what they say.
type Meanings = &'static [(&'static str, &'static str)];

/// The statuses of errors, what they are called, and what PostgreSQL's own codes among them mean.
const ERRORS: [(u16, &str, Meanings); 9] = [
    (
        300,
        "There are several things that the request could mean.",
        &[],
    ),
    (
        400,
        "The request, or a value in it, is not what it should be.",
        &[
            ("22P02", "A value is not of its type."),
            ("23502", "A column that needs a value got none."),
            (
                "23514",
                "A value is not allowed by a condition of the table.",
            ),
            ("42703", "No column of that name."),
            ("P0001", "An exception that a function raised."),
        ],
    ),
    (
        401,
        "A token is needed, or is not valid.",
        &[(
            "42501",
            "The role for requests without a token may not do that.",
        )],
    ),
    (
        403,
        "The role may not do that.",
        &[("42501", "A privilege or a policy is missing.")],
    ),
    (
        404,
        "There is no such thing.",
        &[
            ("42P01", "No table of that name."),
            ("42883", "No function of that name."),
        ],
    ),
    (
        405,
        "The method cannot be used here.",
        &[("25006", "A function that is called by GET tried to write.")],
    ),
    (406, "Nothing that is accepted can be given.", &[]),
    (
        409,
        "It contradicts other rows.",
        &[
            (
                "23503",
                "A foreign key points to nothing, or still points here.",
            ),
            ("23505", "A row with that key is there already."),
        ],
    ),
    (416, "There are no rows in that range.", &[]),
];

/// Headers that responses have.
const HEADERS: [(&str, &str); 3] = [
    (
        "Content-Range",
        "Which rows these are, and of how many: `0-9/100`; the number is `*` if it was not asked \
         for.",
    ),
    ("Location", "The address of the row that was written."),
    ("Preference-Applied", "The preferences that were followed."),
];

/// Writes all responses.
pub(super) fn write_responses(responses: &mut Object<'_>, scope: &Scope<'_>) {
    for (status, summary, of_postgresql) in ERRORS {
        responses.object(&format!("error{status}"), |response| {
            let codes = codes::TABLE.iter().filter(|row| row.status == status);
            let codes = codes.map(|row| (row.text, row.meaning));
            let all = codes.chain(of_postgresql.iter().copied());
            write_error(response, scope, summary, all);
        });
    }
    responses.object("error5XX", |response| {
        let codes = codes::TABLE.iter().filter(|row| row.status >= 500);
        write_error(
            response,
            scope,
            "The server or the database has failed.",
            codes.map(|row| (row.text, row.meaning)),
        );
    });
    for table in &scope.tables {
        responses.object(&rows(table), |response| write_rows(response, scope, table));
    }
}

/// Writes the headers that responses refer to.
pub(super) fn write_headers(headers: &mut Object<'_>) {
    for (name, description) in HEADERS {
        headers.object(name, |header| {
            header.string("description", description);
            header.object("schema", |schema| schema.string("type", "string"));
        });
    }
}

/// What the body of an error is.
pub(super) fn write_error_schema(schema: &mut Object<'_>) {
    schema.string("type", "object");
    schema.strings("required", ["code", "message"]);
    schema.object("properties", |properties| {
        properties.object("code", |code| {
            code.string("type", "string");
            code.string(
                "description",
                "`PGRST…` for what the server finds, otherwise PostgreSQL's SQLSTATE.",
            );
        });
        properties.object("message", |message| message.string("type", "string"));
        properties.object("details", |details| {
            details.string("description", "A text, or a list of what could be meant.");
        });
        properties.object("hint", |hint| write_word(hint, "string", Null::Allowed));
    });
}

/// Writes references to errors with these statuses, and that to those of the server.
pub(super) fn write_errors(responses: &mut Object<'_>, statuses: &[u16]) {
    for status in statuses {
        write_response(responses, &status.to_string(), &format!("error{status}"));
    }
    write_response(responses, "5XX", "error5XX");
}

/// Writes a reference to the response with rows of a table.
pub(super) fn write_rows_reference(
    responses: &mut Object<'_>,
    status: &str,
    table: &ScopedTable<'_>,
) {
    write_response(responses, status, &rows(table));
}

/// Writes a response that has no body.
pub(super) fn write_empty(responses: &mut Object<'_>, status: &str, description: &str) {
    responses.object(status, |response| {
        response.string("description", description);
        write_header_references(response);
    });
}

/// Writes a member that refers to the headers.
pub(super) fn write_header_references(response: &mut Object<'_>) {
    response.object("headers", |headers| {
        for (name, _) in HEADERS {
            headers.object(name, |header| {
                header.string("$ref", &format!("#/components/headers/{name}"));
            });
        }
    });
}

/// Writes the media types of rows, the first of which is what whoever accepts anything gets.
pub(super) fn write_row_types(
    content: &mut Object<'_>,
    scope: &Scope<'_>,
    row: impl Fn(&mut Object<'_>),
) {
    let array = |media_type: &mut Object<'_>, items: &dyn Fn(&mut Object<'_>)| {
        media_type.object("schema", |schema| {
            schema.string("type", "array");
            schema.object("items", |object| items(object));
        });
    };
    // What is null is missing there, so that it is no row as it is described.
    let any = |schema: &mut Object<'_>| schema.string("type", "object");
    content.object("application/json", |media_type| array(media_type, &row));
    content.object("application/vnd.pgrst.object+json", |media_type| {
        media_type.object("schema", |schema| row(schema));
    });
    content.object(
        "application/vnd.pgrst.array+json;nulls=stripped",
        |media_type| {
            array(media_type, &any);
        },
    );
    content.object(
        "application/vnd.pgrst.object+json;nulls=stripped",
        |media_type| {
            media_type.object("schema", any);
        },
    );
    content.object("text/csv", |media_type| {
        media_type.object("schema", |schema| schema.string("type", "string"));
    });
    if scope.config.db_plan_enabled {
        content.object("application/vnd.pgrst.plan+json", |media_type| {
            media_type.object("schema", |schema| schema.string("type", "array"));
        });
    }
}

fn rows(table: &ScopedTable<'_>) -> String {
    format!("{}.rows", table.component)
}

fn write_response(responses: &mut Object<'_>, status: &str, component: &str) {
    responses.object(status, |response| {
        response.string("$ref", &format!("#/components/responses/{component}"));
    });
}

fn write_rows(response: &mut Object<'_>, scope: &Scope<'_>, table: &ScopedTable<'_>) {
    response.string(
        "description",
        &format!("Rows of `{}`.", table.table.name.name),
    );
    write_header_references(response);
    response.object("content", |content| {
        write_row_types(content, scope, |row| {
            write_reference(row, &table.component, Null::Refused);
        });
    });
}

fn write_error<'c>(
    response: &mut Object<'_>,
    scope: &Scope<'_>,
    summary: &str,
    codes: impl Iterator<Item = (&'c str, &'c str)>,
) {
    let codes: Vec<String> = codes
        .map(|(code, meaning)| format!("- `{code}`: {meaning}"))
        .collect();
    let description = match codes.as_slice() {
        [] => summary.to_owned(),
        _ => format!("{summary}\n\n{}", codes.join("\n")),
    };
    response.string("description", &description);
    response.object("content", |content| {
        content.object("application/json", |media_type| {
            media_type.object("schema", |schema| {
                write_reference(schema, &scope.error, Null::Refused);
            });
        });
    });
}
