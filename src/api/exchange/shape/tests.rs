//! What is learned, and when it is used. That it is right is checked by the fuzz target
//! `statements` and the cases of `tests/cases/plan`, for all they have.

use super::*;
use crate::catalog::{Catalog, decode_catalog};
use crate::exchange::prepare_in_steps;
use crate::role_settings::RoleSettings;
use corerest_config::{Config, Sources};
use std::sync::LazyLock;

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| {
    let document = include_bytes!("../../../../tests/cases/plan/catalog.json");
    decode_catalog(&mut document.to_vec()).unwrap()
});

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let environment = [
        ("PGRST_DB_SCHEMAS", "api"),
        ("PGRST_DB_ANON_ROLE", "anyone"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let loaded = Config::load(Sources {
        environment: &environment,
        ..Sources::default()
    });
    loaded.unwrap().config
});

/// From `/path?query`, or `METHOD /path?query body`.
fn http(request: &str) -> HttpRequest<'_> {
    let mut words = request.splitn(3, ' ');
    let (method, target, body) = match request.starts_with('/') {
        true => ("GET", request, ""),
        false => (
            words.next().unwrap(),
            words.next().unwrap(),
            words.next().unwrap_or(""),
        ),
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    HttpRequest {
        method,
        path,
        query,
        body: body.as_bytes(),
        ..HttpRequest::default()
    }
}

fn ask(shapes: Option<&Shapes>, target: &str) -> Prepared {
    let context = Context {
        config: &CONFIG,
        catalog: Some(&CATALOG),
        role_settings: &RoleSettings::default(),
        shapes,
    };
    let identity = Identity {
        role: "anyone".into(),
        claims: "{}".into(),
    };
    prepare_in_steps(&context, &http(target), Ok(identity), &|| {})
}

fn is_known(shapes: &Shapes, target: &str) -> bool {
    let http = http(target);
    let outline = Outline::of(&http, &RoleSettings::default(), "anyone").unwrap();
    matches!(shapes.kept().known.peek(&*outline.key), Some(Some(_)))
}

/// Asks for `first` twice; then `second` is answered from what was learned, if it can be.
#[track_caller]
fn check(first: &str, second: &str, is_learned: bool) {
    let shapes = Shapes::new();
    for _ in 0..2 {
        assert!(!is_known(&shapes, second));
        assert_eq!(ask(Some(&shapes), first), ask(None, first));
    }
    assert_eq!(is_known(&shapes, second), is_learned, "{first}");
    assert_eq!(ask(Some(&shapes), second), ask(None, second), "{second}");
}

#[test]
fn a_shape_is_known_from_the_third_request_on() {
    check("/plants", "/plants", true);
    check("/plants?id=eq.1", "/plants?id=eq.2", true);
    check(
        "/plants?id=gt.1&name=neq.a&select=name,pests(name)&pests.name=eq.x&order=id&limit=3",
        "/plants?id=gt.77&name=neq.B.c&select=name,pests(name)&pests.name=eq.1:2&order=id&limit=3",
        true,
    );
    // The same value twice, and values that have changed places.
    check(
        "/plants?id=gt.1&height=lt.1",
        "/plants?id=gt.2&height=lt.1",
        true,
    );
    check("/rpc/greet?name=a", "/rpc/greet?name=b", true);
}

#[test]
fn writes_have_shapes_too() {
    check(
        r#"POST /seeds {"id":1,"packets":2}"#,
        r#"POST /seeds {"packets":"x", "id":null}"#,
        true,
    );
    check(
        r#"POST /seeds {"id":1,"packets":2}"#,
        r#"POST /seeds {"packets":1}"#,
        false,
    );
    check(
        r#"PATCH /seeds?id=eq.1 {"packets":2}"#,
        r#"PATCH /seeds?id=eq.7 {"packets":3}"#,
        true,
    );
    check(
        r#"PUT /seeds?id=eq.1 {"id":1,"name":"a"}"#,
        r#"PUT /seeds?id=eq.2 {"id":2,"name":"b"}"#,
        true,
    );
    check("DELETE /seeds?id=eq.1", "DELETE /seeds?id=eq.2", true);
    check(
        r#"POST /rpc/greet {"name":"a"}"#,
        r#"POST /rpc/greet {"name":"b"}"#,
        true,
    );
}

#[test]
fn other_values_are_part_of_the_shape() {
    check("/plants?id=in.(1,2)", "/plants?id=in.(1,3)", false);
    check("/plants?limit=5", "/plants?limit=6", false);
    check("/plants?name=eq.a%20b", "/plants?name=eq.a%20c", false);
}

/// Values that only look like those of filters, or that go into a longer one.
#[test]
fn values_that_go_nowhere_or_into_others_have_no_shape() {
    check("/plants?columns=eq.a", "/plants?columns=eq.b", false);
    check(
        "/rpc/total?numbers=1&numbers=2",
        "/rpc/total?numbers=1&numbers=3",
        false,
    );
    check(
        "/rpc/greet?name=a&name=b",
        "/rpc/greet?name=b&name=b",
        false,
    );
}

#[test]
fn errors_have_no_shape() {
    check("/no_such?id=eq.1", "/no_such?id=eq.2", false);
    check("/plants?nothing.id=eq.1", "/plants?nothing.id=eq.2", false);
}

#[test]
fn a_client_that_sends_our_other_values_teaches_nothing() {
    let target = format!("/plants?id=eq.{}", other_value(0));
    check(&target, "/plants?id=eq.1", false);
}

#[test]
fn outlines_that_come_once_are_not_learned() {
    let shapes = Shapes::new();
    for number in 0..1000 {
        ask(Some(&shapes), &format!("/plants?limit={number}"));
    }
    assert!(
        shapes.kept().known.len() < 10,
        "but for outlines that share a place"
    );
}
