//! Tests of the document as a whole, from a catalog as PostgreSQL answers.

use super::*;
use crate::catalog::decode_catalog;
use crate::openapi::describe;
use corerest_config::OpenApiVersion;
use corerest_sql::Ident;
use simd_json::OwnedValue;
use simd_json::prelude::{ValueArrayAccess, ValueObjectAccess};

const EVERYTHING: &str = r#"{"comment": null}"#;

/// The schema `api` with three tables, one of which is only read, and functions; and another.
fn catalog() -> Catalog {
    let tables = [
        table(1, "api", "films", r#""Films\n\nAll of them.""#, 28),
        table(2, "api", "directors", "null", 4),
        table(3, "api", "recent", r#""Films of now""#, 0),
        table(4, "other", "hidden", "null", 28),
    ];
    let columns = [
        column(1, 1, "id", "bigint", r#""default": "nextval('x')""#),
        column(
            1,
            2,
            "title",
            "character varying",
            r#""max_length": 40, "default": "''""#,
        ),
        column(
            1,
            3,
            "director",
            "integer",
            r#""description": "Who made it""#,
        ),
        column(
            1,
            4,
            "kind",
            "api.kind",
            r#""enum_labels": ["a", "b"], "nullable": true"#,
        ),
        column(1, 5, "tags", "text[]", r#""nullable": true"#),
        column(1, 6, "notes", "jsonb[]", r#""nullable": true"#),
        column(1, 7, "rest", "json", r#""nullable": true"#),
        column(2, 1, "id", "integer", r#""description": "The number""#),
        column(3, 1, "id", "bigint", r#""nullable": true"#),
        column(3, 2, "offset", "bigint", r#""nullable": true"#),
        column(3, 3, "order", "text", r#""nullable": true"#),
        column(4, 1, "id", "smallint", ""),
    ];
    let routines = [
        routine(
            "add",
            "i",
            &[
                ("b", "integer", false, false),
                ("a", "integer[]", true, false),
            ],
        ),
        routine("add", "i", &[]),
        routine("join", "s", &[("parts", "text[]", true, true)]),
        routine("reset", "v", &[]),
        routine(
            "shift",
            "i",
            &[
                ("", "integer", true, false),
                ("by", "integer", true, false),
                ("", "text", true, false),
            ],
        ),
    ];
    let text = format!(
        r#"{{"server": {{"version_number": 150018, "version": "", "full_version": ""}},
            "schemas": ["api", "other"], "tables": [{}], "columns": [{}], "routines": [{}],
            "foreign_keys": [{{"name": "key", "table": 1, "table_schema": "api",
                "table_name": "films", "foreign_table": 2, "foreign_schema": "api",
                "foreign_name": "directors", "is_unique": false, "columns": [
                    {{"position": 3, "name": "director", "foreign_position": 1,
                      "foreign_name": "id"}}]}}]}}"#,
        tables.join(","),
        columns.join(","),
        routines.join(",")
    );
    decode_catalog(&mut text.into_bytes()).unwrap()
}

/// A table; directors have a primary key.
fn table(oid: u32, schema: &str, name: &str, comment: &str, commands: u32) -> String {
    let key = if name == "directors" { "[1]" } else { "null" };
    format!(
        r#"{{"oid": {oid}, "schema": "{schema}", "name": "{name}", "description": {comment},
            "is_view": false, "writable_commands": {commands}, "primary_key": {key}}}"#
    )
}

/// A column; members replace the usual ones.
fn column(relation: u32, position: u32, name: &str, data_type: &str, members: &str) -> String {
    let usual = [
        ("description", "null"),
        ("nullable", "false"),
        ("max_length", "null"),
        ("default", "null"),
        ("enum_labels", "null"),
    ];
    let usual = usual
        .iter()
        .filter(|(name, _)| !members.contains(&format!("\"{name}\":")));
    let usual = usual.map(|(name, value)| format!(r#""{name}": {value},"#));
    let usual: String = usual.collect();
    let comma = if members.is_empty() { "" } else { "," };
    format!(
        r#"{{{usual} {members}{comma} "relation": {relation}, "position": {position},
            "name": "{name}", "data_type": "{data_type}", "nominal_type": "{data_type}"}}"#
    )
}

/// A function of parameters: name, type, whether it is required, whether it is variadic.
fn routine(name: &str, volatility: &str, parameters: &[(&str, &str, bool, bool)]) -> String {
    let parameters = parameters
        .iter()
        .map(|(name, data_type, required, variadic)| {
            format!(
                r#"{{"name": "{name}", "data_type": "{data_type}", "cast_type": null,
                "required": {required}, "variadic": {variadic}}}"#
            )
        });
    let parameters: Vec<String> = parameters.collect();
    let parameters = parameters.join(",");
    format!(
        r#"{{"schema": "api", "name": "{name}", "description": "Does\n{name}.",
            "parameters": [{parameters}], "returned_schema": "pg_catalog",
            "returned_name": "int4", "returns_set": false, "is_composite": false,
            "is_alias": false, "volatility": "{volatility}", "has_variadic": false,
            "settings": null}}"#
    )
}

fn parse(json: &str) -> OwnedValue {
    simd_json::to_owned_value(&mut json.as_bytes().to_vec()).unwrap()
}

fn document(config: &Config, answer: &str) -> String {
    let schema = Ident::before_nul("api");
    let document = describe(
        config,
        OpenApiVersion::V2,
        &catalog(),
        &schema,
        &mut answer.as_bytes().to_vec(),
    );
    String::from_utf8(document.unwrap()).unwrap()
}

/// The value at the end of a path such as `paths > /films > get`, or null.
fn at<'v>(value: &'v OwnedValue, path: &str) -> Option<&'v OwnedValue> {
    path.split(" > ")
        .try_fold(value, |value, step| match step.parse::<usize>() {
            Ok(index) => value.get_idx(index),
            Err(_) => value.get(step),
        })
}

#[track_caller]
fn check_in(answer: &str, path: &str, expected: &str) {
    let document = parse(&document(&Config::default(), answer));
    let null = OwnedValue::default();
    assert_eq!(
        at(&document, path).unwrap_or(&null),
        &parse(expected),
        "{path}"
    );
}

#[track_caller]
fn check(path: &str, expected: &str) {
    check_in(EVERYTHING, path, expected);
}

/// The file has the document with line breaks, and blanks after them, that the document has not.
#[test]
fn members_are_in_the_order_of_postgrest() {
    let answer = r#"{"comment": "T\nD", "tables": ["directors"], "routines": []}"#;
    let expected: String = include_str!("small.json")
        .lines()
        .map(str::trim_start)
        .collect();
    let expected = expected.replace("VERSION", VERSION);
    assert_eq!(document(&Config::default(), answer), expected);
}

#[test]
fn the_comment_on_the_schema_is_title_and_description() {
    let usual = r#"{"title": "PostgREST API", "version": "VERSION",
        "description": "This is a dynamic API generated by PostgREST"}"#;
    check("info", &usual.replace("VERSION", VERSION));
    check_in(r#"{"comment": "A\n\nB\nC"}"#, "info > title", r#""A""#);
    check_in(
        r#"{"comment": "A\n\nB\nC"}"#,
        "info > description",
        r#""B\nC""#,
    );
    check_in(r#"{"comment": "A"}"#, "info > description", r#""""#);
}

#[test]
fn columns_tell_their_type_their_keys_and_their_default() {
    let films = "definitions > films > properties > ";
    let check = |column: &str, expected| check(&format!("{films}{column}"), expected);
    check("id", r#"{"format": "int64", "type": "integer"}"#);
    check(
        "title",
        r#"{"default": "''", "format": "character varying", "maxLength": 40, "type": "string"}"#,
    );
    check("director > format", r#""int32""#);
    check(
        "director > description",
        concat!(
            r#""Who made it\n\nNote:\nThis is a Foreign Key to `directors.id`."#,
            r#"<fk table='directors' column='id'/>""#
        ),
    );
    check(
        "kind",
        r#"{"enum": ["a", "b"], "format": "api.kind", "type": "string"}"#,
    );
    check(
        "tags",
        r#"{"format": "text[]", "items": {"type": "string"}, "type": "array"}"#,
    );
    check(
        "notes",
        r#"{"format": "jsonb[]", "items": {}, "type": "array"}"#,
    );
    check("rest", r#"{"format": "json"}"#);
}

#[test]
fn definitions_tell_what_is_required() {
    check(
        "definitions > films > description",
        r#""Films\n\nAll of them.""#,
    );
    check(
        "definitions > films > required",
        r#"["id", "title", "director"]"#,
    );
    check("definitions > films > type", r#""object""#);
    check(
        "definitions > recent",
        r#"{"description": "Films of now", "type": "object",
            "properties": {"id": {"format": "int64", "type": "integer"},
                           "offset": {"format": "int64", "type": "integer"},
                           "order": {"format": "text", "type": "string"}}}"#,
    );
}

#[test]
fn tables_are_read_and_written_as_far_as_they_can_be() {
    check("paths > /films > get > summary", r#""Films""#);
    check("paths > /films > get > description", r#""All of them.""#);
    check("paths > /films > patch > tags", r#"["films"]"#);
    check("paths > /directors > delete > summary", "null");
    check("paths > /recent > get > summary", r#""Films of now""#);
    check("paths > /recent > get > description", "null");
    check("paths > /recent > post", "null");
    check("paths > /films > put", "null");
    check("paths > /hidden", "null");
}

#[test]
fn functions_are_called_by_get_if_they_do_not_write() {
    check("paths > /rpc/reset > get", "null");
    check(
        "paths > /rpc/reset > post",
        r##"{"description": "reset.", "summary": "Does", "tags": ["(rpc) reset"],
            "parameters": [
                {"in": "body", "name": "args", "required": true,
                 "schema": {"description": "Does\nreset.", "type": "object"}},
                {"$ref": "#/parameters/preferParams"}],
            "produces": ["application/json", "application/vnd.pgrst.object+json;nulls=stripped",
                "application/vnd.pgrst.object+json"],
            "responses": {"200": {"description": "OK"}}}"##,
    );
    check("paths > /rpc/join > post > tags", r#"["(rpc) join"]"#);
}

#[test]
fn the_overload_with_the_most_parameters_is_described() {
    check(
        "paths > /rpc/add > get > parameters",
        r#"[{"format": "int32", "in": "query", "name": "b", "required": false, "type": "integer"},
            {"format": "integer[]", "in": "query", "name": "a", "required": true,
             "type": "string"}]"#,
    );
    check(
        "paths > /rpc/add > post > parameters > 0 > schema",
        r#"{"description": "Does\nadd.", "required": ["a"], "type": "object", "properties": {
            "a": {"format": "integer[]", "items": {"type": "integer"}, "type": "array"},
            "b": {"format": "int32", "type": "integer"}}}"#,
    );
}

#[test]
fn a_variadic_argument_is_given_several_times() {
    check(
        "paths > /rpc/join > get > parameters",
        r#"[{"collectionFormat": "multi", "in": "query", "name": "parts", "required": true,
            "items": {"format": "text", "type": "string"}, "type": "array"}]"#,
    );
}

#[test]
fn only_what_the_role_may_use_is_described() {
    let answer = r#"{"comment": null, "tables": ["recent", "unknown"], "routines": [
        {"name": "new", "description": null, "volatility": "s", "parameters": [
            {"name": "kind", "data_type": "kind", "required": true, "variadic": false}]}]}"#;
    check_in(answer, "paths > /recent > get > tags", r#"["recent"]"#);
    for path in ["/films", "/unknown", "/rpc/add"] {
        check_in(answer, &format!("paths > {path}"), "null");
    }
    check_in(answer, "definitions > films", "null");
    check_in(
        answer,
        "paths > /rpc/new > get > parameters",
        r#"[{"format": "kind", "in": "query", "name": "kind", "required": true,
            "type": "string"}]"#,
    );
    let nothing = r#"{"comment": null, "tables": [], "routines": []}"#;
    check_in(nothing, "definitions", "null");
}

#[test]
fn parameters_that_prefer_nothing_have_no_words() {
    check(
        "parameters > preferParams",
        r#"{"name": "Prefer", "description": "Preference", "required": false, "in": "header",
            "type": "string"}"#,
    );
    check("parameters > preferCount > enum", r#"["count=none"]"#);
    check("parameters > rangeUnit > default", r#""items""#);
}

#[test]
fn security_is_described_if_it_is_active() {
    check("security", "null");
    check("securityDefinitions", "null");
    let config = Config {
        openapi_security_active: true,
        ..Config::default()
    };
    let document = parse(&document(&config, EVERYTHING));
    assert_eq!(at(&document, "security"), Some(&parse(r#"[{"JWT": []}]"#)));
    let definitions = r#"{"JWT": {"name": "Authorization", "in": "header", "type": "apiKey",
        "description": "Add the token prepending \"Bearer \" (without quotes) to it"}}"#;
    assert_eq!(
        at(&document, "securityDefinitions"),
        Some(&parse(definitions))
    );
}

#[test]
fn a_proxy_is_where_the_api_is() {
    let config = Config {
        openapi_server_proxy_uri: Some("https://example.com/api".to_owned()),
        ..Config::default()
    };
    let document = document(&config, EVERYTHING);
    let expected = r#""host":"example.com:443","basePath":"/api","schemes":["https"],"#;
    assert!(document.contains(expected), "{document}");
}

#[test]
fn an_answer_that_is_none_is_an_error() {
    let schema = Ident::before_nul("api");
    for answer in ["", "null", "[]", r#"{"comment": null, "tables": 1}"#] {
        let described = describe(
            &Config::default(),
            OpenApiVersion::V2,
            &catalog(),
            &schema,
            &mut answer.as_bytes().to_vec(),
        );
        assert!(described.is_err(), "{answer}");
    }
}

/// What a validator of Swagger 2.0 wants: no parameter twice, and no name twice among the required.
#[test]
fn nothing_is_there_twice() {
    let reference = |key: &str| format!(r##"{{"$ref": "#/parameters/{key}"}}"##);
    let keys = [
        "rowFilter.recent.id",
        "select",
        "order",
        "range",
        "rangeUnit",
        "offset",
        "limit",
    ];
    let references: Vec<String> = keys
        .into_iter()
        .chain(["preferCount"])
        .map(reference)
        .collect();
    check(
        "paths > /recent > get > parameters",
        &format!("[{}]", references.join(",")),
    );
    let argument = |name: &str| {
        format!(
            r#"{{"format": "int32", "in": "query", "name": "{name}", "required": true,
                "type": "integer"}}"#
        )
    };
    check(
        "paths > /rpc/shift > get > parameters",
        &format!("[{},{}]", argument(""), argument("by")),
    );
    check(
        "paths > /rpc/shift > post > parameters > 0 > schema > required",
        r#"["", "by"]"#,
    );
}
