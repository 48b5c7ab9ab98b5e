//! Which bodies are looked at, and what PostgreSQL gets of them.

use super::*;
use corerest_sql::QualifiedName;

fn ident(name: &str) -> Ident {
    Ident::new(name).expect("it has no NUL")
}

fn mutate(mutation: Mutation) -> Action {
    let name = QualifiedName::bare(ident("films"));
    Action::MutateRelation { name, mutation }
}

fn call(invocation: Invocation) -> Action {
    let name = QualifiedName::bare(ident("add"));
    Action::CallRoutine { name, invocation }
}

const CREATE: Mutation = Mutation::Create;
const POST: Invocation = Invocation::Post;

/// Shows a payload as its kind, its columns, and what PostgreSQL gets.
fn shown(payload: &Payload<'_>) -> String {
    let kind = match &payload.content {
        Content::Json { .. } | Content::Empty => "json",
        Content::Csv(_) => "csv",
        Content::Lines { .. } => "lines",
        Content::Parts(_) => "parts",
        Content::Form(_) => "form",
        Content::Raw(_) => "raw",
    };
    let mut written = Vec::new();
    payload.content.write(&mut written);
    format!(
        "{kind} {:?} {} {}",
        payload.content.shape(),
        Ident::quoted_list(&payload.columns),
        String::from_utf8_lossy(&written)
    )
}

#[track_caller]
fn check(action: Action, content_type: &str, columns: &[&str], body: &str, expected: &str) {
    let columns: BTreeSet<Ident> = columns.iter().map(|name| ident(name)).collect();
    let columns = Some(&columns).filter(|columns| !columns.is_empty());
    let content_type = MediaType::parse(content_type.as_bytes());
    let found = match Payload::parse(&action, &content_type, columns, body.as_bytes()) {
        Ok(Some(payload)) => shown(&payload),
        Ok(None) => "none".to_owned(),
        Err(Error::InvalidBody { message }) => format!("error {message}"),
        Err(other) => panic!("{other:?}"),
    };
    assert_eq!(found, expected, "{body}");
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

#[test]
fn a_byte_order_mark_is_no_part_of_the_text() {
    let expected = r#"json Object "id" {"id":1}"#;
    let marked = "\u{feff}{\"id\":1}";
    check(mutate(CREATE), JSON, &[], marked, expected);
    check(mutate(CREATE), JSON, &["id"], marked, expected);
    check(call(POST), JSON, &[], "\u{feff}", "json Array  ");
    let rows = r#"csv Array "id" [{"id":"1"}]"#;
    for marked in ["\u{feff}id\r\n1\r\n", "\u{feff}\"id\"\n1\n"] {
        check(mutate(CREATE), "text/csv", &[], marked, rows);
    }
    let fields = r#"form Object "id" {"id":"1"}"#;
    check(mutate(CREATE), FORM, &[], "\u{feff}id=1", fields);
    // One is enough; and what is no text of ours is not looked at.
    let twice = "\u{feff}\u{feff}{}";
    check(
        mutate(CREATE),
        JSON,
        &[],
        twice,
        "error Empty or invalid json",
    );
    check(
        call(POST),
        "text/plain",
        &[],
        "\u{feff}a",
        "raw Array  \u{feff}a",
    );
}

#[test]
fn json_goes_on_as_it_came() {
    let text = r#" {"b" : 1.50, "a":1e999, "a":null}"#;
    let expected = format!(r#"json Object "a", "b" {text}"#);
    check(mutate(CREATE), JSON, &[], text, &expected);
    check(call(POST), JSON, &[], text, &expected);
    let text = r#"[{"id":12345678901234567890.10},{"id":2}]"#;
    check(
        mutate(Mutation::Update),
        JSON,
        &[],
        text,
        &format!(r#"json Array "id" {text}"#),
    );
    check(
        mutate(CREATE),
        JSON,
        &[],
        "[{}, {}]",
        "json Array  [{}, {}]",
    );
    check(mutate(CREATE), JSON, &[], "{}", "json Object  {}");
}

#[test]
fn what_is_no_object_becomes_an_empty_array() {
    for body in ["[]", " [ ] ", "1", "\"a\"", "null"] {
        check(mutate(CREATE), JSON, &[], body, "json Array  []");
        check(call(POST), JSON, &[], body, "json Array  []");
    }
}

#[test]
fn no_body_is_a_call_without_arguments_and_else_an_error() {
    check(call(POST), JSON, &[], "", "json Array  ");
    for mutation in [CREATE, Mutation::Update, Mutation::SingleUpsert] {
        check(
            mutate(mutation),
            JSON,
            &[],
            "",
            "error Empty or invalid json",
        );
    }
    check(call(POST), JSON, &[], " ", "error Empty or invalid json");
}

#[test]
fn bad_json_is_refused() {
    for action in [mutate(CREATE), mutate(Mutation::SingleUpsert), call(POST)] {
        check(
            action.clone(),
            JSON,
            &[],
            "}{ x = 2",
            "error Empty or invalid json",
        );
        let mixed = r#"[{"id":1}, 123, "x", {"id":2}]"#;
        check(action, JSON, &[], mixed, "error All object keys must match");
    }
}

#[test]
fn with_columns_json_is_not_looked_at() {
    let body = r#" [{"a":1},{"b":2}, nonsense"#;
    let expected = format!(r#"json Array "a", "z" {body}"#);
    check(mutate(CREATE), JSON, &["z", "a"], body, &expected);
    check(mutate(Mutation::Update), JSON, &["z", "a"], body, &expected);
    check(call(POST), JSON, &["z", "a"], body, &expected);
    check(
        mutate(CREATE),
        JSON,
        &["z"],
        "\r\n\t {",
        "json Object \"z\" \r\n\t {",
    );
    check(mutate(CREATE), JSON, &["z"], "", "json Array \"z\" ");
    check(call(POST), JSON, &["z"], "", "json Array \"z\" ");
}

#[test]
fn put_csv_and_forms_ignore_columns() {
    let body = r#"{"a":1}"#;
    check(
        mutate(Mutation::SingleUpsert),
        JSON,
        &["z"],
        body,
        r#"json Object "a" {"a":1}"#,
    );
    check(
        mutate(CREATE),
        "text/csv",
        &["z"],
        "a\n1",
        r#"csv Array "a" [{"a":"1"}]"#,
    );
    check(
        mutate(CREATE),
        FORM,
        &["z"],
        "a=1",
        r#"form Object "a" {"a":"1"}"#,
    );
}

#[test]
fn csv_is_an_array_of_objects() {
    for action in [mutate(CREATE), mutate(Mutation::Update), call(POST)] {
        let csv = "a,b\nNULL,foo";
        check(
            action.clone(),
            "text/csv",
            &[],
            csv,
            r#"csv Array "a", "b" [{"a":null,"b":"foo"}]"#,
        );
        let error = "error parse error (not enough input) at \"\"";
        check(action.clone(), "text/csv", &[], "", error);
        check(action, "text/csv", &[], "a\n", "csv Array  []");
    }
}

#[test]
fn a_form_is_an_object_for_a_table() {
    let check = |body: &str, expected: &str| check(mutate(CREATE), FORM, &[], body, expected);
    check(
        "b=forms+are+fun&a=%24%33%2e9\"&c",
        r#"form Object "a", "b", "c" {"a":"$3.9\"","b":"forms are fun","c":""}"#,
    );
    check("a=1&b=2&a=3", r#"form Object "a", "b" {"a":"3","b":"2"}"#);
    check("?a=1;b=2=3", r#"form Object "a", "b" {"a":"1","b":"2=3"}"#);
    check("", "form Object  {}");
    check("a=%C3%A9%", r#"form Object "a" {"a":"é%"}"#);
}

#[test]
fn a_form_that_is_not_utf8_is_refused() {
    for action in [mutate(CREATE), mutate(Mutation::Update), call(POST)] {
        let check = |body: &[u8], expected: &str| {
            let parsed = Payload::parse(&action, &MediaType::UrlEncoded, None, body);
            let message = format!("The form is not UTF-8: {expected}");
            assert_eq!(parsed, Err(Error::InvalidBody { message }));
        };
        check(
            b"a=1&b=caf%E9",
            "'caf%E9' stands for bytes that are no text",
        );
        check(b"%ff=1", "'%ff' stands for bytes that are no text");
        check(b"a=1&b=caf\xE9", "byte 10 begins no character");
    }
}

#[test]
fn a_form_keeps_repeated_arguments() {
    let body = b"v=hi&v=there&w";
    let payload = Payload::parse(&call(POST), &MediaType::UrlEncoded, None, body);
    let payload = payload.expect("it is a form").expect("calls have a body");
    let Content::Form(form) = &payload.content else {
        panic!("{payload:?}");
    };
    let pairs: Vec<(&str, &str)> = form.pairs.iter().map(|(k, v)| (&**k, &**v)).collect();
    assert_eq!(pairs, [("v", "hi"), ("v", "there"), ("w", "")]);
    assert_eq!(Ident::quoted_list(&payload.columns), r#""v", "w""#);
    check(call(POST), FORM, &[], "", "form Object  {}");
}

#[test]
fn a_form_has_an_end() {
    let body = "&".repeat(200_000);
    let expected = "error A form has at most 100000 fields";
    check(mutate(CREATE), FORM, &[], &body, expected);
    let body = "&".repeat(99_999);
    check(
        mutate(CREATE),
        FORM,
        &[],
        &body,
        r#"form Object "" {"":""}"#,
    );
}

#[test]
fn functions_take_their_only_argument_as_it_is() {
    for content_type in ["text/plain", "text/xml", "application/octet-stream"] {
        check(
            call(POST),
            content_type,
            &[],
            "\u{0}<a>",
            "raw Array  \u{0}<a>",
        );
        check(call(POST), content_type, &["z"], "", "raw Array  ");
        let expected = format!("error Content-Type not acceptable: {content_type}");
        check(mutate(CREATE), content_type, &[], "x", &expected);
    }
    let geojson = "error Content-Type not acceptable: application/geo+json";
    check(call(POST), "application/geo+json", &[], "{}", geojson);
    check(
        mutate(CREATE),
        "a/b",
        &["z"],
        "{}",
        "error Content-Type not acceptable: a/b",
    );
}

#[test]
fn only_writes_and_calls_have_a_body() {
    let name = QualifiedName::bare(ident("films"));
    let headers_only = false;
    for action in [
        mutate(Mutation::Delete),
        call(Invocation::Read { headers_only }),
        Action::ReadRelation {
            name: name.clone(),
            headers_only,
        },
        Action::RelationInfo { name: name.clone() },
        Action::RoutineInfo { name },
        Action::SchemaInfo,
    ] {
        check(action, "a/b", &["z"], "}{", "none");
    }
}

#[test]
fn what_may_be_made_of_a_body_is_known_before() {
    let made = |path, content_type: &[u8]| {
        let http = HttpRequest {
            method: "POST",
            path,
            query: "",
            headers: &[("content-type", content_type)],
            body: b"",
        };
        bytes_made_of(&http, 100)
    };
    let form = FORM.as_bytes();
    assert_eq!(made("/films", form), 100);
    assert_eq!(made("/rpc/find", form), 300);
    assert_eq!(made("/%72pc/find", form), 300);
    assert_eq!(made("/rpc/find", b"application/json"), 0);
}
