//! Methods, paths, profiles and ranges: whole requests against a small configuration.
//! What is in the query string is tested beside its parsers.

use super::*;
use corerest_config::{Config, ErrorVerbosity};

fn config(schemas: &[&str]) -> Config {
    let db_schemas = schemas.iter().map(|schema| (*schema).to_owned()).collect();
    Config {
        db_schemas,
        ..Config::default()
    }
}

fn parse<'a>(
    config: &Config,
    target: &'a str,
    headers: &'a [(&'a str, &'a [u8])],
) -> Result<ApiRequest<'a>, Error> {
    let (method, target) = target.split_once(' ').unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    ApiRequest::parse(
        config,
        &HttpRequest {
            method,
            path,
            query,
            headers,
            body: b"{}",
        },
    )
}

fn show(outcome: Result<ApiRequest<'_>, Error>) -> String {
    let request = match outcome {
        Ok(request) => request,
        Err(error) => {
            let response = error.response(ErrorVerbosity::Verbose);
            return format!("{} {}", response.status, response.code);
        }
    };
    match request.action {
        Action::ReadRelation { name, headers_only } => format!("read {name} {headers_only}"),
        Action::MutateRelation { name, mutation } => format!("{mutation:?} {name}"),
        Action::CallRoutine { name, invocation } => format!("call {name} {invocation:?}"),
        Action::ReadSchema {
            schema,
            headers_only,
        } => format!("schema {schema} {headers_only}"),
        Action::RelationInfo { name } => format!("about {name}"),
        Action::RoutineInfo { name } => format!("about function {name}"),
        Action::SchemaInfo => "about the schema".to_owned(),
    }
}

#[track_caller]
fn check(target: &str, expected: &str) {
    assert_eq!(
        show(parse(&config(&["api"]), target, &[])),
        expected,
        "{target}"
    );
}

#[test]
fn methods_and_paths_make_actions() {
    check("GET /films", "read api.films false");
    check("HEAD /films", "read api.films true");
    check("POST /films", "Create api.films");
    check("PUT /films", "SingleUpsert api.films");
    check("PATCH /films", "Update api.films");
    check("DELETE /films", "Delete api.films");
    check("OPTIONS /films", "about api.films");
    check("GET /rpc/add", "call api.add Read { headers_only: false }");
    check("HEAD /rpc/add", "call api.add Read { headers_only: true }");
    check("POST /rpc/add", "call api.add Post");
    check("OPTIONS /rpc/add", "about function api.add");
    check("GET /", "schema api false");
    check("HEAD /", "schema api true");
    check("OPTIONS /", "about the schema");
    check("GET /rpc", "read api.rpc false");
    check("GET /%C3%A9%2Fx", "read api.é/x false");
}

#[test]
fn other_methods_and_paths_are_refused() {
    check("GET /films%00x", "404 PGRST205");
    check("GET /rpc/add%00x", "404 PGRST125");
    for method in ["PUT", "PATCH", "DELETE", "CONNECT", "get", ""] {
        check(&format!("{method} /rpc/add"), "405 PGRST101");
    }
    for target in [
        "TRACE /films",
        "get /films",
        "POST /",
        "PUT /",
        "PATCH /",
        "DELETE /",
        " /",
    ] {
        check(target, "405 PGRST117");
    }
    for path in [
        "/films/",
        "/films/1",
        "//",
        "/rpc/",
        "/rpc/a/b",
        "/RPC/add",
        "/rpc/add/",
    ] {
        let expected = match path {
            "/rpc/" => "call api. Read { headers_only: false }",
            _ => "404 PGRST125",
        };
        check(&format!("GET {path}"), expected);
    }
}

#[test]
fn the_root_can_be_a_function_or_nothing() {
    let mut config = config(&["api"]);
    config.openapi_mode = OpenApiMode::Disabled;
    assert_eq!(show(parse(&config, "GET /", &[])), "404 PGRST126");
    assert_eq!(
        show(parse(&config, "GET /films", &[])),
        "read api.films false"
    );
    config.openapi_mode = OpenApiMode::FollowPrivileges;
    let name = "root".to_owned();
    config.db_root_spec = Some(corerest_config::FunctionName {
        schema: Some("private".to_owned()),
        name,
    });
    let expected = "call api.root Read { headers_only: false }";
    assert_eq!(show(parse(&config, "GET /", &[])), expected);
}

#[track_caller]
fn check_schema(schemas: &[&str], target: &str, header: (&str, &str), expected: &str) {
    let headers = [(header.0, header.1.as_bytes())];
    let config = config(schemas);
    let shown = match parse(&config, target, &headers) {
        Ok(request) => format!("{} {}", request.schema, request.negotiated_by_profile),
        Err(error) => error.response(ErrorVerbosity::Verbose).code,
    };
    assert_eq!(shown, expected, "{target} {header:?}");
}

#[test]
fn profiles_choose_the_schema() {
    let two = &["v1", "v2"][..];
    check_schema(&["v1"], "GET /t", ("X", ""), "v1 false");
    check_schema(&["v1"], "GET /t", ("Accept-Profile", "v1"), "v1 true");
    check_schema(two, "GET /t", ("X", ""), "v1 true");
    for method in ["GET", "HEAD", "OPTIONS"] {
        let target = format!("{method} /t");
        check_schema(two, &target, ("accept-profile", "v2"), "v2 true");
        check_schema(two, &target, ("content-profile", "v2"), "v1 true");
        check_schema(two, &target, ("accept-profile", "V2"), "PGRST106");
    }
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let target = format!("{method} /t");
        check_schema(two, &target, ("Content-Profile", "v2"), "v2 true");
        check_schema(two, &target, ("Accept-Profile", "v2"), "v1 true");
        check_schema(two, &target, ("Content-Profile", ""), "PGRST106");
    }
    let not_text: [(&str, &[u8]); 1] = [("Accept-Profile", b"\xff")];
    let refused = parse(&config(&["\u{fffd}"]), "GET /t", &not_text);
    assert_eq!(show(refused), "406 PGRST106");
}

#[test]
fn errors_are_found_in_a_fixed_order() {
    let headers: [(&str, &[u8]); 2] = [("Accept-Profile", b"x"), ("Range", b"9-1")];
    let check = |target: &str, headers: &[(&str, &[u8])], expected: &str| {
        assert_eq!(
            show(parse(&config(&["api"]), target, headers)),
            expected,
            "{target}"
        );
    };
    check("GET /a/b?id=x", &headers, "404 PGRST125");
    check("TRACE /a?id=x", &headers, "406 PGRST106");
    check("TRACE /a?id=x", &headers[1..], "405 PGRST117");
    check("GET /a?id=x", &headers[1..], "400 PGRST100");
    check("GET /a/b/%E9", &headers, "400 PGRST100");
    check("TRACE /a?id=%E9", &headers, "406 PGRST106");
    check("TRACE /a?id=%E9", &headers[1..], "405 PGRST117");
    check("GET /a?id=eq.%E9", &headers[1..], "400 PGRST100");
    check("GET /a?id=eq.x", &headers[1..], "416 PGRST103");
}

#[track_caller]
fn check_range(target: &str, header: &str, expected: &str) {
    let headers = [("Range", header.as_bytes())];
    let config = config(&["api"]);
    let shown = match parse(&config, target, &headers) {
        Ok(request) => format!("{}+{:?}", request.range.offset(), request.range.limit()),
        Err(error) => {
            String::from_utf8(error.response(ErrorVerbosity::Verbose).body).unwrap()[..31].into()
        }
    };
    assert_eq!(shown, expected, "{target} {header}");
}

#[test]
fn ranges_come_from_parameters_and_the_header_of_get() {
    check_range("GET /t?limit=5", "2-9", "2+Some(3)");
    check_range("HEAD /t?limit=5", "2-9", "0+Some(5)");
    check_range("HEAD /t", "9-2", "0+None");
    check_range("GET /t?limit=0", "9-2", "0+Some(0)");
    check_range("GET /t", "9-2", r#"{"code":"PGRST103","details":"T"#);
    check_range("GET /t?limit=-1", "", r#"{"code":"PGRST103","details":"L"#);
    check_range("PUT /t?limit=1", "", r#"{"code":"PGRST114","details":nu"#);
    check_range("PUT /t?offset=0", "1-2", "0+None");
}

#[test]
fn functions_that_are_read_take_arguments_from_the_query() {
    let config = config(&["api"]);
    let request = parse(&config, "GET /rpc/add?a=1&b=eq.2", &[]).unwrap();
    assert_eq!(
        request.query.arguments,
        [(Ident::before_nul("a"), "1".to_owned())]
    );
    assert_eq!(request.query.filters.len(), 1);
    check("POST /rpc/add?a=1", "400 PGRST100");
    check("OPTIONS /rpc/add?a=1", "400 PGRST100");
}

#[test]
fn headers_have_defaults() {
    let config = config(&["api"]);
    let request = parse(&config, "GET /films", &[]).unwrap();
    assert_eq!(request.accept, [MediaType::Any]);
    assert_eq!(request.content_type, MediaType::ApplicationJson);
    assert_eq!(request.preferences, Preferences::default());
    assert_eq!(request.http.cookies(), []);
    let headers: [(&str, &[u8]); 4] = [
        ("ACCEPT", b"text/csv;q=0.1, */*"),
        ("Content-Type", b"text/csv"),
        ("Prefer", b"count=exact, tx=rollback"),
        ("Cookie", b"a=b"),
    ];
    let request = parse(&config, "GET /films?b=eq.1&a=eq.2", &headers).unwrap();
    assert_eq!(request.accept, [MediaType::Any, MediaType::TextCsv]);
    assert_eq!(request.content_type, MediaType::TextCsv);
    assert_eq!(
        request.preferences.applied().as_deref(),
        Some("count=exact")
    );
    assert_eq!(request.http.cookies(), [("a".to_owned(), "b".to_owned())]);
    assert_eq!(request.query.canonical, "a=eq.2&b=eq.1");
}

#[test]
fn no_bytes_in_headers_or_paths_make_it_panic() {
    let config = config(&["api"]);
    let pieces: [&[u8]; 16] = [
        b"",
        b";q=",
        b"-",
        b"1",
        b",",
        b";",
        b"=",
        b"\"",
        b"/",
        b"%",
        b" ",
        b"\xff",
        b"\xc3",
        b"*",
        b"timezone=",
        b"application/vnd.pgrst.plan;for=",
    ];
    let mut state = 42_u64;
    let mut random_bytes = || -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..8 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            bytes.extend_from_slice(pieces[usize::from((state >> 60) as u8)]);
        }
        bytes
    };
    for _ in 0..5_000 {
        let names = [
            "Accept",
            "Content-Type",
            "Prefer",
            "Range",
            "Cookie",
            "Accept-Profile",
        ];
        let values: Vec<Vec<u8>> = names.iter().map(|_| random_bytes()).collect();
        let headers: Vec<(&str, &[u8])> = names
            .iter()
            .zip(&values)
            .map(|(name, value)| (*name, &**value))
            .collect();
        let path = String::from_utf8_lossy(&random_bytes()).into_owned();
        let http = HttpRequest {
            method: "GET",
            path: &path,
            query: &path,
            headers: &headers[..5],
            body: b"",
        };
        let _ = ApiRequest::parse(&config, &http).map(|request| request.http.cookies());
        let _ = ApiRequest::parse(
            &config,
            &HttpRequest {
                headers: &headers,
                path: "/t",
                ..http
            },
        );
        for value in &values {
            let parsed = accept::parse_accept(value);
            let _: Vec<String> = parsed.iter().map(MediaType::content_type).collect();
        }
    }
}
