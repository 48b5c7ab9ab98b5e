//! Tests of the document as a whole, from a catalog as PostgreSQL answers.

use crate::catalog::{Catalog, decode_catalog};
use crate::openapi::describe;
use corerest_config::{Config, OpenApiVersion, Sources};
use corerest_sql::Ident;
use simd_json::OwnedValue;
use simd_json::prelude::*;
use std::collections::{BTreeSet, HashSet};
use std::fmt::Write;
use std::time::Instant;

/// Films with directors, twice; a table with hard names; one that is only read.
fn catalog() -> Catalog {
    let mut columns = String::new();
    let mut column = |relation: u32, position: u32, name: &str, data_type: &str, rest: &str| {
        let comma = if columns.is_empty() { "" } else { "," };
        write!(
            columns,
            r#"{comma}{{"relation": {relation}, "position": {position}, "name": "{name}",
                "description": null, "data_type": "{data_type}", "nominal_type": "{data_type}",
                "max_length": null, "enum_labels": null, {rest}}}"#
        )
        .unwrap();
    };
    let (needed, free) = (
        r#""nullable": false, "default": null"#,
        r#""nullable": true, "default": null"#,
    );
    column(1, 1, "id", "bigint", needed);
    column(
        1,
        2,
        "title",
        "character varying(40)",
        r#""nullable": false, "default": "''::text""#,
    );
    column(1, 3, "director", "integer", free);
    column(1, 4, "author", "integer", free);
    column(
        1,
        5,
        "kind",
        "api.kind",
        r#""nullable": true, "default": "'b'::api.kind""#,
    );
    column(1, 6, "kinds", "api.kind[]", free);
    column(
        1,
        7,
        "year",
        "api.year",
        r#""nullable": false, "default": "1999""#,
    );
    column(1, 8, "place", "api.point", free);
    column(1, 9, "total", "numeric", free);
    column(
        1,
        10,
        "seen",
        "timestamp with time zone",
        r#""nullable": true, "default": "now()""#,
    );
    column(
        1,
        11,
        "facts",
        "jsonb",
        r#""nullable": false, "default": "'{\"a\": 1}'::jsonb""#,
    );
    column(1, 12, "order", "text", free);
    column(2, 1, "id", "integer", needed);
    column(3, 1, "a/b~c", "text", needed);
    column(3, 2, r#"say \"x\""#, "text", free);
    column(3, 3, "enum", "text", free);
    column(3, 4, " ", "text", free);
    column(3, 5, "a.b", "text", free);
    column(4, 1, "id", "integer", free);
    let table = |oid: u32, name: &str, commands: u32, key: &str| {
        format!(
            r#"{{"oid": {oid}, "schema": "api", "name": "{name}", "description": null,
                "is_view": false, "writable_commands": {commands}, "primary_key": {key}}}"#
        )
    };
    let key = |name: &str, position: u32, column: &str| {
        format!(
            r#"{{"name": "{name}", "table": 1, "table_schema": "api", "table_name": "films",
                "foreign_table": 2, "foreign_schema": "api", "foreign_name": "directors",
                "is_unique": false, "columns": [{{"position": {position}, "name": "{column}",
                "foreign_position": 1, "foreign_name": "id"}}]}}"#
        )
    };
    let tables = [
        table(1, "films", 28, "[1]"),
        table(2, "directors", 28, "[1]"),
        table(3, r"a/b {c}%~", 28, "[1]"),
        table(4, "films!", 0, "null"),
    ];
    let keys = [
        key("by_director", 3, "director"),
        key("by_author", 4, "author"),
    ];
    let text = format!(
        r#"{{"server": {{"version_number": 150018, "version": "", "full_version": ""}},
            "schemas": ["api"], "tables": [{}], "columns": [{columns}], "foreign_keys": [{}]}}"#,
        tables.join(","),
        keys.join(",")
    );
    decode_catalog(&mut text.into_bytes()).unwrap()
}

const TYPES: &str = r#"[
    {"printed": "api.kind", "schema": "api", "name": "kind", "kind": "e", "comment": "A kind",
     "base": null, "labels": ["a", "b"], "checks": null, "attributes": null},
    {"printed": "api.year", "schema": "api", "name": "year", "kind": "d", "comment": null,
     "base": "integer", "labels": null, "checks": ["CHECK ((VALUE > 1900))"],
     "attributes": null},
    {"printed": "api.point", "schema": "api", "name": "point", "kind": "c", "comment": null,
     "base": null, "labels": null, "checks": null, "attributes": [
        {"name": "x", "data_type": "double precision"}, {"name": "kind", "data_type": "api.kind"}]},
    {"printed": "api.unused", "schema": "api", "name": "unused", "kind": "e", "comment": null,
     "base": null, "labels": ["x"], "checks": null, "attributes": null},
    {"printed": "api.films", "schema": "api", "name": "films", "kind": "r", "comment": null,
     "base": null, "labels": null, "checks": null, "attributes": null}]"#;

const ROUTINES: &str = r#"[
    {"name": "add", "description": "Adds.", "volatility": "i", "parameters": [
        {"name": "a", "data_type": "integer", "required": true, "variadic": false},
        {"name": "b", "data_type": "integer", "required": false, "variadic": false}],
     "defaults": [null, "2"], "returned": "integer", "returns_set": false, "columns": null},
    {"name": "add", "description": null, "volatility": "v", "parameters": [
        {"name": "a", "data_type": "text", "required": true, "variadic": false}],
     "defaults": null, "returned": "text", "returns_set": false, "columns": null},
    {"name": "best", "description": null, "volatility": "s", "parameters": [],
     "defaults": null, "returned": "api.films", "returns_set": true, "columns": null},
    {"name": "report", "description": null, "volatility": "s", "parameters": [
        {"name": "words", "data_type": "text[]", "required": true, "variadic": true}],
     "defaults": null, "returned": "record", "returns_set": true, "columns": [
        {"name": "kind", "data_type": "api.kind"}, {"name": "n", "data_type": "bigint"}]},
    {"name": "upload", "description": null, "volatility": "v", "parameters": [
        {"name": "", "data_type": "bytea", "required": true, "variadic": false}],
     "defaults": null, "returned": "void", "returns_set": false, "columns": null}]"#;

fn answer(more: &str) -> String {
    format!(
        r#"{{"comment": null, {more} "read_only": [["films", "total"]], "types": {TYPES},
            "routines": {ROUTINES}}}"#
    )
}

fn parse(json: &str) -> OwnedValue {
    simd_json::to_owned_value(&mut json.as_bytes().to_vec()).unwrap()
}

fn document_of(config: &Config, catalog: &Catalog, answer: &str) -> OwnedValue {
    let schema = Ident::before_nul("api");
    let mut answer = answer.as_bytes().to_vec();
    let document = describe(config, OpenApiVersion::V31, catalog, &schema, &mut answer);
    simd_json::to_owned_value(&mut document.unwrap()).unwrap()
}

fn document() -> OwnedValue {
    document_of(&Config::default(), &catalog(), &answer(""))
}

/// The value at the end of a path such as `paths > /films > get`, or null.
fn at<'v>(value: &'v OwnedValue, path: &str) -> Option<&'v OwnedValue> {
    path.split(" > ")
        .try_fold(value, |value, step| match step.parse::<usize>() {
            Ok(index) if value.is_array() => value.get_idx(index),
            _ => value.get(step),
        })
}

#[track_caller]
fn check_in(document: &OwnedValue, path: &str, expected: &str) {
    let null = OwnedValue::default();
    let found = at(document, path).unwrap_or(&null);
    assert_eq!(found, &parse(expected), "{path}: {}", found.encode());
}

#[track_caller]
fn check(path: &str, expected: &str) {
    check_in(&document(), path, expected);
}

/// Every object in the document, with the name of the member that it is.
fn visit(value: &OwnedValue, on_member: &mut dyn FnMut(&str, &OwnedValue)) {
    if let Some(object) = value.as_object() {
        for (name, member) in object.iter() {
            on_member(name, member);
            visit(member, on_member);
        }
    }
    for element in value.as_array().into_iter().flatten() {
        visit(element, on_member);
    }
}

fn assert_is_sound(document: &OwnedValue) -> usize {
    let mut ids = HashSet::new();
    let mut references = BTreeSet::new();
    visit(document, &mut |name, member| match name {
        "operationId" => assert!(ids.insert(member.to_string()), "{member} is there twice"),
        "$ref" => {
            references.insert(member.as_str().unwrap().to_owned());
        }
        _ => {}
    });
    for reference in &references {
        let path = reference.strip_prefix("#/").unwrap().replace('/', " > ");
        assert!(at(document, &path).is_some(), "{reference} leads nowhere");
    }
    for components in ["schemas", "parameters", "responses"] {
        let names = at(document, &format!("components > {components}")).unwrap();
        for name in names.as_object().unwrap().keys() {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            assert!(name.chars().all(is_plain), "{name}");
        }
    }
    references.len()
}

#[test]
fn references_lead_somewhere_and_names_are_there_once() {
    assert!(assert_is_sound(&document()) > 40);
    let nothing = r#"{"comment": null, "tables": [], "rights": [], "routines": []}"#;
    assert_is_sound(&document_of(&Config::default(), &catalog(), nothing));
}

#[test]
fn a_row_has_all_columns_and_says_what_they_are() {
    let film = "components > schemas > films > ";
    check(
        &format!("{film}required"),
        r#"["id", "title", "director", "author", "kind", "kinds", "year", "place", "total",
            "seen", "facts", "order"]"#,
    );
    let check = |column: &str, expected| check(&format!("{film}properties > {column}"), expected);
    check(
        "id",
        r#"{"type": "integer", "format": "int64", "description": "Primary key.",
            "x-postgresql-type": "bigint"}"#,
    );
    check(
        "title",
        r#"{"type": "string", "maxLength": 40, "default": "",
            "x-postgresql-type": "character varying(40)"}"#,
    );
    check("director > type", r#"["integer", "null"]"#);
    check("director > description", r#""Refers to `directors.id`.""#);
    check(
        "kind > anyOf",
        r##"[{"$ref": "#/components/schemas/kind"}, {"type": "null"}]"##,
    );
    check("kind > default", r#""b""#);
    check(
        "kinds > items",
        r##"{"$ref": "#/components/schemas/kind"}"##,
    );
    check(
        "year",
        r##"{"$ref": "#/components/schemas/year", "default": 1999,
            "x-postgresql-type": "api.year"}"##,
    );
    check("total > readOnly", "true");
    check("seen > format", r#""date-time""#);
    check("seen > default", "null");
    check(
        "facts",
        r#"{"default": {"a": 1}, "x-postgresql-type": "jsonb"}"#,
    );
}

#[test]
fn types_are_described_once_and_only_if_they_are_used() {
    let schemas = "components > schemas > ";
    check(
        &format!("{schemas}kind"),
        r#"{"description": "A kind", "type": "string", "enum": ["a", "b"]}"#,
    );
    check(
        &format!("{schemas}year"),
        r#"{"description": "CHECK ((VALUE > 1900))", "type": "integer", "format": "int32"}"#,
    );
    check(
        &format!("{schemas}point > properties > kind > anyOf > 0"),
        r##"{"$ref": "#/components/schemas/kind"}"##,
    );
    check(&format!("{schemas}unused"), "null");
}

#[test]
fn what_is_inserted_needs_only_what_has_no_other_value() {
    let insert = "components > schemas > films.insert > ";
    check(&format!("{insert}required"), r#"["id"]"#);
    check(&format!("{insert}properties > total"), "null");
    check(&format!("{insert}properties > title > default"), "null");
    check("components > schemas > films.update > required", "null");
    check(
        "paths > /films > post > requestBody > content > application/json > example",
        r#"[{"id": 1, "kinds": ["a"], "place": {"x": 1.5, "kind": "a"}, "order": "text"}]"#,
    );
    check(
        "paths > /films > put > requestBody > content > application/json > example",
        r#"{"id": 1}"#,
    );
}

#[test]
fn ambiguous_embeds_have_hints() {
    let document = document();
    let select = at(
        &document,
        "components > parameters > films.select > description",
    )
    .unwrap();
    let select = select.as_str().unwrap();
    for embed in [
        "`directors!by_director(*)`: one",
        "`directors!by_author(*)`: one",
    ] {
        assert!(select.contains(embed), "{select}");
    }
    check(
        "components > schemas > directors > properties > films",
        r##"{"type": "array", "items": {"$ref": "#/components/schemas/films"},
            "description": "There if `select` has `films!by_author(*)` or `films!by_director(*)`.",
            "readOnly": true, "x-embed": ["films!by_author", "films!by_director"]}"##,
    );
}

#[test]
fn hard_names_are_spelled_as_addresses_and_queries_want_them() {
    let document = document();
    let path = "paths > /a%2Fb%20%7Bc%7D%25~ > ";
    check_in(
        &document,
        &format!("{path}get > operationId"),
        r#""readABC""#,
    );
    let schema = "components > schemas > a_b__c___ > properties > ";
    for column in ["a/b~c", "say \"x\"", "enum", " ", "a.b"] {
        let found = at(&document, &format!("{schema}{column}"));
        assert!(found.is_some(), "{column}");
    }
    let filters = at(&document, &format!("{path}get > parameters")).unwrap();
    let filters = filters.encode();
    assert!(filters.contains("a_b__c___.enum"), "{filters}");
    // What would have to be in quotes has no parameter, and cannot be a key of PUT.
    assert!(!filters.contains("a_b__c___.a_b"), "{filters}");
    check_in(&document, &format!("{path}put"), "null");
    // The second of two that differ in punctuation only.
    check_in(
        &document,
        "paths > /films > get > operationId",
        r#""readFilms""#,
    );
    let other = "paths > /films%21 > get > operationId";
    check_in(&document, other, r#""readFilms2""#);
}

#[test]
fn filters_have_the_operators_of_their_type() {
    check(
        "components > parameters > films.id > schema",
        r##"{"$ref": "#/components/schemas/filter.ordered"}"##,
    );
    let filter = "components > schemas > filter.";
    check(
        &format!("{filter}enum > pattern"),
        r#""^(not\\.)?(eq|neq|gt|gte|lt|lte|in|isdistinct|is)(\\([^)]*\\))?\\.""#,
    );
    check(
        &format!("{filter}array > examples"),
        r#"["cs.{a,b}", "ov.{a}"]"#,
    );
    check(&format!("{filter}network"), "null");
}

#[test]
fn functions_tell_arguments_defaults_overloads_and_rows() {
    let schemas = "components > schemas > ";
    check(
        "paths > /rpc/add > get > parameters > 0 > schema > type",
        r#""integer""#,
    );
    check(
        "paths > /rpc/add > post > requestBody > content > application/json > schema",
        r##"{"anyOf": [{"$ref": "#/components/schemas/add.args"},
            {"$ref": "#/components/schemas/add.args_2"}]}"##,
    );
    check(
        &format!("{schemas}add.args_2 > properties > b > default"),
        "2",
    );
    check(
        &format!("{schemas}report.row > required"),
        r#"["kind", "n"]"#,
    );
    check(
        "paths > /rpc/report > get > parameters > 0",
        r#"{"name": "words", "in": "query", "required": true, "schema":
            {"type": "array", "items": {"type": "string"}, "x-postgresql-type": "text[]"}}"#,
    );
    let best = "paths > /rpc/best > get > responses > 200 > content > application/json > schema";
    check(
        &format!("{best} > items"),
        r##"{"$ref": "#/components/schemas/films"}"##,
    );
    let upload = "paths > /rpc/upload > post > ";
    check(
        &format!("{upload}requestBody > content"),
        r#"{"application/octet-stream": {"schema": {"type": "string"}}}"#,
    );
    check("paths > /rpc/upload > get", "null");
    check(&format!("{upload}responses > 200"), "null");
    check(
        &format!("{upload}responses > 204 > description"),
        r#""The function returns nothing.""#,
    );
}

#[test]
fn only_what_the_role_may_do_is_described() {
    let rights = r#""tables": ["films", "directors"], "rights": [
        {"name": "films", "select": true, "insert": false, "update": true, "delete": false},
        {"name": "directors", "select": false, "insert": true, "update": false,
         "delete": false}],"#;
    let document = document_of(&Config::default(), &catalog(), &answer(rights));
    assert_is_sound(&document);
    let methods = |path: &str| {
        let path = at(&document, &format!("paths > {path}")).unwrap();
        let mut methods: Vec<String> = path.as_object().unwrap().keys().cloned().collect();
        methods.sort();
        methods
    };
    assert_eq!(methods("/films"), ["get", "patch"]);
    assert_eq!(methods("/directors"), ["post"]);
    check_in(&document, "paths > /films%21", "null");
    check_in(&document, "components > schemas > films.insert", "null");
}

#[test]
fn errors_tell_their_codes() {
    let document = document();
    for (status, code) in [
        (300, "PGRST201"),
        (400, "PGRST100"),
        (401, "PGRST301"),
        (403, "42501"),
        (404, "PGRST205"),
        (406, "PGRST107"),
        (409, "23505"),
        (416, "PGRST103"),
    ] {
        let path = format!("components > responses > error{status} > description");
        let description = at(&document, &path).unwrap().as_str().unwrap();
        assert!(
            description.contains(&format!("\n- `{code}`: ")),
            "{description}"
        );
    }
}

#[test]
fn security_profiles_and_address_follow_the_configuration() {
    let config = Config {
        db_schemas: vec!["main".to_owned(), "api".to_owned()],
        db_anon_role: Some("web".to_owned()),
        openapi_security_active: true,
        openapi_server_proxy_uri: Some("https://example.com/api/".to_owned()),
        ..Config::default()
    };
    let document = document_of(&config, &catalog(), &answer(""));
    assert_is_sound(&document);
    check_in(&document, "security", r#"[{"bearer": []}, {}]"#);
    check_in(
        &document,
        "components > securitySchemes > bearer",
        r#"{"type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "A token, whose role the request has."}"#,
    );
    check_in(
        &document,
        "servers",
        r#"[{"url": "https://example.com/api"}]"#,
    );
    let profile = "components > parameters > contentProfile > ";
    check_in(&document, &format!("{profile}required"), "true");
    check_in(&document, &format!("{profile}schema > enum"), r#"["api"]"#);
    check_in(
        &document,
        "paths > / > get > parameters > 0 > schema > enum",
        r#"["main", "api"]"#,
    );
    check("security", "null");
    check("components > parameters > contentProfile", "null");
    check("servers", r#"[{"url": "http://0.0.0.0:3000"}]"#);
}

/// Who has a page about himself is asked there how to get a token; the others are only named.
#[test]
fn issuers_are_ways_to_a_token() {
    let issuers = r#"[{"issuer": "https://id.example.com/realms/a/"},
        {"issuer": "https://other.example.com", "audience": "api"},
        {"issuer": "a name", "jwks_uri": "https://keys.example.com/set"}]"#;
    let environment = [
        ("PGRST_JWT_ISSUERS", issuers),
        ("PGRST_OPENAPI_SECURITY_ACTIVE", "true"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let loaded = Config::load(Sources {
        environment: &environment,
        ..Sources::default()
    });
    let document = document_of(&loaded.unwrap().config, &catalog(), &answer(""));
    assert_is_sound(&document);
    check_in(
        &document,
        "security",
        r#"[{"bearer": []}, {"openId": []}, {"openId2": []}]"#,
    );
    check_in(
        &document,
        "components > securitySchemes > bearer > description",
        concat!(
            r#""A token, whose role the request has. It is taken from these issuers:"#,
            r"\n- `https://id.example.com/realms/a/`",
            r"\n- `https://other.example.com`, for the audience `api`",
            r#"\n- `a name`""#,
        ),
    );
    check_in(
        &document,
        "components > securitySchemes > openId",
        r#"{"type": "openIdConnect", "openIdConnectUrl":
            "https://id.example.com/realms/a/.well-known/openid-configuration"}"#,
    );
    check_in(
        &document,
        "components > securitySchemes > openId2 > openIdConnectUrl",
        r#""https://other.example.com/.well-known/openid-configuration""#,
    );
    check_in(&document, "components > securitySchemes > openId3", "null");
}

#[test]
fn the_comment_on_the_schema_is_title_and_description() {
    let answer = |comment: &str| format!(r#"{{"comment": {comment}, "routines": []}}"#);
    let document = document_of(&Config::default(), &catalog(), &answer(r#""A\n\nB""#));
    check_in(&document, "info > title", r#""A""#);
    check_in(&document, "info > description", r#""B""#);
    check("info > title", r#""PostgREST API""#);
}

/// The document for a table whose columns are of these types, with the types that there are.
fn document_of_types(types: &[String], columns: &[&str]) -> Vec<u8> {
    let columns = columns.iter().zip(1..).map(|(data_type, position)| {
        format!(
            r#"{{"relation": 1, "position": {position}, "name": "c{position}",
                "description": null, "data_type": "{data_type}", "nominal_type": "{data_type}",
                "max_length": null, "enum_labels": null, "nullable": true, "default": "'1'"}}"#
        )
    });
    let columns: Vec<String> = columns.collect();
    let text = format!(
        r#"{{"server": {{"version_number": 150018, "version": "", "full_version": ""}},
            "schemas": ["api"], "columns": [{}], "tables": [{{"oid": 1, "schema": "api",
            "name": "a", "description": null, "is_view": false, "writable_commands": 28,
            "primary_key": null}}]}}"#,
        columns.join(",")
    );
    let catalog = decode_catalog(&mut text.into_bytes()).unwrap();
    let types = types.join(",");
    let answer = format!(r#"{{"comment": null, "routines": [], "types": [{types}]}}"#);
    let schema = Ident::before_nul("api");
    let mut answer = answer.into_bytes();
    let config = Config::default();
    describe(&config, OpenApiVersion::V31, &catalog, &schema, &mut answer).unwrap()
}

fn type_row(name: &str, kind: &str, base: &str, attributes: &str) -> String {
    format!(
        r#"{{"printed": "api.{name}", "schema": "api", "name": "{name}", "kind": "{kind}",
            "comment": null, "base": {base}, "labels": null, "checks": null,
            "attributes": {attributes}}}"#
    )
}

/// Each has two attributes of the one before it, so a whole value of `t20` has a million numbers.
fn doubling_types(count: usize) -> Vec<String> {
    let attribute = |name: &str, data_type: &str| {
        format!(r#"{{"name": "{name}", "data_type": "{data_type}"}}"#)
    };
    let types = (0..=count).map(|number| {
        let below = match number {
            0 => "integer".to_owned(),
            _ => format!("api.t{}", number - 1),
        };
        let attributes = [attribute("a", &below), attribute("b", &below)].join(",");
        type_row(
            &format!("t{number}"),
            "c",
            "null",
            &format!("[{attributes}]"),
        )
    });
    types.collect()
}

fn update_example(document: &[u8]) -> OwnedValue {
    let document = simd_json::to_owned_value(&mut document.to_vec()).unwrap();
    let path = "paths > /a > patch > requestBody > content > application/json > example";
    at(&document, path).expect("there is an example").clone()
}

#[test]
fn an_example_has_an_end_however_types_are_nested() {
    let [small, large] = [20, 40].map(|count| {
        let top = format!("api.t{count}");
        document_of_types(
            &doubling_types(count),
            &["integer", &top, "api.t1", "integer"],
        )
    });
    assert!(small.len() < 40_000, "{} bytes", small.len());
    assert!(large.len() < small.len() * 2, "{} bytes", large.len());
    let example = update_example(&small);
    // What is not nested is told in any case.
    assert!(example.get("c1").is_some() && example.get("c4").is_some());
    assert!(example.encode().len() < 5_000, "{}", example.encode());
    let document = document_of_types(&doubling_types(2), &["api.t2"]);
    let pair = |a: &str| format!(r#"{{"a": {a}, "b": {a}}}"#);
    let whole = pair(&pair(&pair("1")));
    let whole = parse(&format!(r#"{{"c1": {whole}}}"#));
    assert_eq!(update_example(&document), whole);
}

#[test]
fn chains_of_types_are_followed_to_an_end() {
    let count = 10_000;
    let chain = |kind: &'static str| -> Vec<String> {
        let types = (0..=count).map(|number| {
            let below = match number {
                0 => "integer".to_owned(),
                _ => format!("api.t{}", number - 1),
            };
            let name = format!("t{number}");
            match kind {
                "c" => {
                    let attributes = format!(r#"[{{"name": "a", "data_type": "{below}"}}]"#);
                    type_row(&name, "c", "null", &attributes)
                }
                "array" => type_row(&name, "d", &format!(r#""{below}[]""#), "null"),
                _ => type_row(&name, "d", &format!(r#""{below}""#), "null"),
            }
        });
        types.collect()
    };
    for kind in ["c", "d", "array"] {
        let document = document_of_types(&chain(kind), &["api.t10000", "api.t5"]);
        assert!(document.len() < count * 200, "{} bytes", document.len());
        let example = update_example(&document);
        assert!(
            example
                .get("c1")
                .is_none_or(|value| value.encode().len() < 100)
        );
        assert!(example.get("c2").is_some(), "{kind}");
    }
}

#[test]
fn long_strings_of_bits_have_no_example() {
    let columns = ["bit(3)", "bit(256)", "bit(257)", "bit(83886080)", "integer"];
    let document = document_of_types(&[], &columns);
    assert!(document.len() < 40_000, "{} bytes", document.len());
    let example = update_example(&document);
    let length = |column: &str| example.get(column)?.as_str().map(str::len);
    let lengths = ["c1", "c2", "c3", "c4"].map(length);
    assert_eq!(lengths, [Some(3), Some(256), None, None]);
    assert!(example.get("c5").is_some());
}

/// Tables of ten columns, each with a key to one before it.
fn many_tables(count: u32, parent: fn(u32) -> u32) -> Catalog {
    let columns = (1..=count).flat_map(|table| {
        (1..=10).map(move |position| {
            format!(
                r#"{{"relation": {table}, "position": {position}, "name": "column_{position}",
                    "description": null, "data_type": "integer", "nominal_type": "integer",
                    "max_length": null, "enum_labels": null, "nullable": true,
                    "default": null}}"#
            )
        })
    });
    let columns: Vec<String> = columns.collect();
    let tables = (1..=count).map(|table| {
        format!(
            r#"{{"oid": {table}, "schema": "api", "name": "table_{table}", "description": null,
                "is_view": false, "writable_commands": 28, "primary_key": [1]}}"#
        )
    });
    let tables: Vec<String> = tables.collect();
    let keys = (2..=count).map(|table| {
        let parent = parent(table);
        format!(
            r#"{{"name": "key_{table}", "table": {table}, "table_schema": "api",
                "table_name": "table_{table}", "foreign_table": {parent},
                "foreign_schema": "api", "foreign_name": "table_{parent}", "is_unique": false,
                "columns": [{{"position": 2, "name": "column_2", "foreign_position": 1,
                "foreign_name": "column_1"}}]}}"#
        )
    });
    let keys: Vec<String> = keys.collect();
    let text = format!(
        r#"{{"server": {{"version_number": 150018, "version": "", "full_version": ""}},
            "schemas": ["api"], "tables": [{}], "columns": [{}], "foreign_keys": [{}]}}"#,
        tables.join(","),
        columns.join(","),
        keys.join(",")
    );
    decode_catalog(&mut text.into_bytes()).unwrap()
}

/// Neither bytes nor time may grow faster than the schema. The machine may be busy, so that the
/// shortest of some runs counts, and four times the tables may take eight times as long.
#[track_caller]
fn check_growth(parent: fn(u32) -> u32) {
    let measure = |count: u32| {
        let catalog = many_tables(count, parent);
        let schema = Ident::before_nul("api");
        let runs = (0..3).map(|_| {
            let mut answer = br#"{"comment": null, "routines": []}"#.to_vec();
            let began = Instant::now();
            let config = Config::default();
            let document =
                describe(&config, OpenApiVersion::V31, &catalog, &schema, &mut answer).unwrap();
            (began.elapsed(), document.len())
        });
        runs.min().expect("there were runs")
    };
    let (short, small) = measure(125);
    let (long, large) = measure(500);
    assert!(large < small * 5, "{small} and {large} bytes");
    assert!(long < short * 8, "{short:?} and {long:?}");
}

#[test]
fn a_schema_of_500_tables_takes_its_share_of_time_and_bytes() {
    check_growth(|table| table / 2);
}

#[test]
fn so_does_a_table_that_all_others_refer_to() {
    check_growth(|_| 1);
}
