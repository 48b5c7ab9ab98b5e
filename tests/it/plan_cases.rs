//! Runs the cases of `cases/plan`: from a request to SQL, with a recorded catalog and no
//! PostgreSQL.
//!
//! Expected is `ask` and the statements, each with its parameters, or the status and body of a
//! reply that needs no database. A `Config: key=value` line above the divider is a setting and no
//! header. The settings statement, which is the same everywhere, is shown in `settings.case` only.
//!
//! The catalog is that of `fixtures/api.sql`; `UPDATE=catalog` records it anew.

use bytes::BytesMut;
use corerest_api::internals::prepare;
use corerest_api::{Answer, Batch, Body, BodyForm, Catalog, Context, HttpRequest, Identity};
use corerest_api::{Prepared, Response, RoleSettings, Shapes};
use corerest_api::{ask_catalog, decode_catalog, refuse_by_head};
use corerest_config::{Config, Sources};
use corerest_sql::{Ident, Param, Statement};
use corerest_tests::case_file::{CaseFile, Section, is_update};
use corerest_tests::cluster::Cluster;
use corerest_tests::server::variable;
use postgres::Client;
use postgres::error::SqlState;
use postgres::types::{Format, FromSql, IsNull, ToSql, Type};
use std::collections::HashMap;
use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;

/// The catalog of the schema `api`.
const CATALOG: &str = "catalog.json";

#[test]
fn every_plan_case_gives_the_sql_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/plan");
    if std::env::var_os("UPDATE").is_some_and(|value| value == "catalog") {
        std::fs::write(folder.join(CATALOG), recorded_catalog()).expect("it could be read");
    }
    let mut document = std::fs::read(folder.join(CATALOG)).expect("it is there");
    let catalog = decode_catalog(&mut document).expect("it is a recorded one");
    let mut failures = Vec::new();
    for mut file in CaseFile::load_all(&folder) {
        let with_settings = file.path.ends_with("settings.case");
        for case in &mut file.cases {
            let got = answer(&catalog, &case.question, with_settings);
            if is_update() {
                case.expected = got;
            } else if case.expected != got {
                let place = format!("{}:{}: {}", file.path.display(), case.line, case.title);
                let expected = &case.expected;
                failures.push(format!(
                    "{place}\n  got      {} {}\n  expected {} {}",
                    got.first, got.body, expected.first, expected.body
                ));
            }
        }
        if is_update() {
            file.save();
        }
    }
    assert!(
        failures.is_empty(),
        "{}\n{} cases failed",
        failures.join("\n\n"),
        failures.len()
    );
}

#[test]
fn what_is_called_like_a_parameter_is_filtered_if_it_is_there() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/plan");
    let document = std::fs::read_to_string(folder.join(CATALOG)).expect("it is there");
    let catalog = |column: &str| {
        let document = document.replace("\"litres\"", &format!("\"{column}\""));
        decode_catalog(&mut document.into_bytes()).expect("it is a recorded one")
    };
    let is_filtered_by = |column: &str, catalog: &Catalog, request: &str| {
        let question = Section {
            first: request.to_owned(),
            ..empty()
        };
        answer(catalog, &question, false)
            .body
            .contains(&format!("\"{column}\" = $"))
    };
    let is_filtered = |catalog: &Catalog, request: &str| is_filtered_by("offset", catalog, request);
    let (with, without) = (catalog("offset"), catalog("litres"));
    for request in [
        "GET /waterings?select=id&offset=eq.5",
        "GET /plantings?select=pieces,waterings(id)&waterings.offset=eq.5",
        "DELETE /waterings?offset=eq.5",
    ] {
        assert!(is_filtered(&with, request), "{request}");
        assert!(!is_filtered(&without, request), "{request}");
    }
    assert!(!is_filtered(&with, "GET /waterings?offset=5"));
    for (column, methods) in [
        ("columns", &["GET", "HEAD", "DELETE"]),
        ("on_conflict", &["GET", "HEAD", "DELETE"]),
    ] {
        let with = catalog(column);
        for method in methods {
            let request = format!("{method} /waterings?{column}=eq.5");
            assert!(is_filtered_by(column, &with, &request), "{request}");
            assert!(!is_filtered_by(column, &without, &request), "{request}");
            let request = format!("{method} /waterings?{column}=id");
            assert!(!is_filtered_by(column, &with, &request), "{request}");
        }
    }
}

/// What a database with the fixture answers. PostgreSQL writes each row on a line of its own.
fn recorded_catalog() -> String {
    let schema = [Ident::before_nul("api")];
    let mut client = Cluster::shared().database().connect();
    let mut transaction = client.transaction().expect("the database is there");
    let mut document = String::new();
    for statement in ask_catalog(&schema[..]).statements() {
        let values = in_text_format(statement, b"");
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        let row = transaction.query_one(statement.text.as_str(), &values);
        document = row.expect("PostgreSQL knows its catalog").get(0);
    }
    document + "\n"
}

/// The values of a statement.
pub(super) fn in_text_format(statement: &Statement, request_body: &[u8]) -> Vec<AsText> {
    let values = statement.params.iter().map(|value| match value {
        Param::Value(value) => AsText(value.to_vec()),
        Param::RequestBody => AsText(request_body.into()),
        Param::Null => panic!("no statement of these tests has one"),
    });
    values.collect()
}

/// A value in PostgreSQL's text format, whatever its type is.
#[derive(Debug)]
pub(super) struct AsText(Vec<u8>);

impl ToSql for AsText {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    postgres::types::to_sql_checked!();
}

fn answer(catalog: &Catalog, question: &Section, with_settings: bool) -> Section {
    match prepared(catalog, question) {
        Prepared::Ask(batch, _) => Section {
            first: "ask".to_owned(),
            body: shown(&batch, question, with_settings),
            ..empty()
        },
        Prepared::Reply(response) => {
            let body = match response.body {
                Body::Bytes(bytes) => String::from_utf8(bytes).expect("replies are UTF-8"),
                Body::Absent | Body::LastColumn | Body::Events => String::new(),
            };
            Section {
                first: response.status.to_string(),
                body,
                ..empty()
            }
        }
    }
}

fn empty() -> Section {
    Section::default()
}

fn prepared(catalog: &Catalog, question: &Section) -> Prepared {
    let mut environment = vec![
        (variable("db-anon-role"), "anonymous".to_owned()),
        (variable("db-schemas"), "api".to_owned()),
    ];
    let mut headers = Vec::new();
    for line in &question.headers {
        let (name, value) = line
            .split_once(": ")
            .expect("a header, or Config: key=value");
        match (name, value.split_once('=')) {
            ("Config", Some((key, value))) => environment.push((variable(key), value.to_owned())),
            _ => headers.push((name, value.as_bytes())),
        }
    }
    let loaded = Config::load(Sources {
        environment: &environment,
        ..Sources::default()
    });
    let config = loaded.expect("the case has a good configuration").config;
    let (method, target) = question
        .first
        .split_once(' ')
        .expect("a method and a target");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let http = HttpRequest {
        method,
        path,
        query,
        headers: &headers,
        body: question.body.as_bytes(),
    };
    let caller = Identity {
        role: "anonymous".into(),
        claims: r#"{"role":"anonymous"}"#.into(),
    };
    let context = Context {
        config: &config,
        catalog: Some(catalog),
        role_settings: &RoleSettings::default(),
        shapes: None,
    };
    let planned = prepare(&context, &http, Ok(caller.clone()));
    // A shape is learned the second time, and used the third.
    let shapes = Shapes::new();
    let context = Context {
        shapes: Some(&shapes),
        ..context
    };
    for _ in 0..3 {
        assert_eq!(prepare(&context, &http, Ok(caller.clone())), planned);
    }
    check_head(&context, &http, caller, &planned);
    planned
}

/// The head of a request is refused if nothing that the body could be saves it, and as the whole
/// would be.
fn check_head(context: &Context<'_>, http: &HttpRequest<'_>, caller: Identity, planned: &Prepared) {
    let head = HttpRequest { body: b"", ..*http };
    let Some(refused) = refuse_by_head(context, &head, Ok(caller)) else {
        return;
    };
    let text = |response: &Response| match &response.body {
        Body::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Body::Absent | Body::LastColumn | Body::Events => String::new(),
    };
    match planned {
        Prepared::Reply(response) => {
            assert_eq!(refused.status, response.status, "{}", text(&refused));
            // The names that were searched for are in the body.
            let is_routine = text(&refused).contains("with any parameters");
            assert!(is_routine || refused == *response, "{}", text(&refused));
        }
        Prepared::Ask(..) => panic!("refused by its head: {}", text(&refused)),
    }
}

/// The body of a request, in the form in which PostgreSQL gets it.
fn body_of(batch: &Batch, question: &Section) -> Vec<u8> {
    let mut written = Vec::new();
    batch.body.write(question.body.as_bytes(), &mut |piece| {
        written.extend_from_slice(piece);
        ControlFlow::Continue(())
    });
    if let Some(bytes) = batch.body.converted_bytes() {
        assert_eq!(written.len(), bytes, "PostgreSQL is told the length before");
    }
    written
}

fn shown(batch: &Batch, question: &Section, with_settings: bool) -> String {
    let is_settings = |statement: &Statement| statement.text.as_str().contains("'search_path'");
    let mut text = String::new();
    for statement in &batch.statements {
        check_parameters(statement);
        if with_settings || !is_settings(statement) {
            text.push_str(statement.text.as_str());
            text.push('\n');
            for (index, value) in statement.params.iter().enumerate() {
                let value = match value {
                    Param::Null => "NULL".to_owned(),
                    Param::Value(value) => value.escape_ascii().to_string(),
                    Param::RequestBody if batch.body == BodyForm::AsItCame => "the body".to_owned(),
                    Param::RequestBody => {
                        format!("the body, as {}", body_of(batch, question).escape_ascii())
                    }
                };
                text.push_str(&format!("  -- ${}: {value}\n", index + 1));
            }
        }
    }
    text.trim_end().to_owned()
}

/// Each parameter is used, and none is used that is not there.
#[track_caller]
fn check_parameters(statement: &Statement) {
    let text = statement.text.as_str();
    let count = statement.params.len();
    for number in 1..=count {
        assert!(uses(text, number), "${number} of {count} in {text}");
    }
    assert!(!uses(text, count + 1), "more than {count} in {text}");
}

fn uses(text: &str, number: usize) -> bool {
    let name = format!("${number}");
    let mut places = text.match_indices(&name);
    places.any(|(at, _)| !text[at + name.len()..].starts_with(|c: char| c.is_ascii_digit()))
}

/// The protocol counts the parameters of a statement in 16 bits.
#[test]
fn a_request_with_more_values_than_postgresql_takes_is_refused() {
    let catalog_text = include_str!("../cases/plan/catalog.json");
    let catalog =
        decode_catalog(&mut catalog_text.as_bytes().to_vec()).expect("it is a recorded one");
    let question = |count: usize| Section {
        first: format!("GET /plants?or=({})", vec!["id.eq.1"; count].join(",")),
        ..empty()
    };
    let most = usize::from(u16::MAX);
    assert!(matches!(
        prepared(&catalog, &question(most)),
        Prepared::Ask(..)
    ));
    let refused = answer(&catalog, &question(most + 1), false);
    let expected = r#"{"code":"PGRST100","details":"There are 65536, "#;
    assert_eq!(refused.first, "400");
    assert!(refused.body.starts_with(expected), "{}", refused.body);
}

#[test]
fn requests_of_equal_shape_give_equal_text() {
    let catalog_text = include_str!("../cases/plan/catalog.json");
    let catalog =
        decode_catalog(&mut catalog_text.as_bytes().to_vec()).expect("it is a recorded one");
    let texts = |target: &str| {
        // What follows a vertical line is the body of a POST.
        let (first, body) = match target.split_once('|') {
            Some((target, body)) => (format!("POST {target}"), body.to_owned()),
            None => (format!("GET {target}"), String::new()),
        };
        let question = Section {
            first,
            body,
            ..empty()
        };
        let Prepared::Ask(batch, _) = prepared(&catalog, &question) else {
            panic!("{target} is not asked");
        };
        batch
            .texts()
            .map(|text| text.as_str().to_owned())
            .collect::<Vec<String>>()
    };
    for (one, other) in [
        ("/plants?id=eq.1", "/plants?id=eq.2"),
        ("/plants?id=in.(1)", "/plants?id=in.(1,2,3,4,5)"),
        ("/plants?name=like.a*", "/plants?name=like.*'*\"$1"),
        // Limits are rounded up to powers of two for the planner: these are within four rows.
        ("/plants?limit=1&offset=2", "/plants?limit=3&offset=1"),
        (
            "/plants?or=(id.eq.1,name.eq.a)",
            "/plants?or=(id.eq.2,name.eq.\"b,c\")",
        ),
        (
            "/plants?name=eq.a&id=gt.1",
            "/plants?name=eq.'; drop table plants --&id=gt.2",
        ),
        ("/plants?tags=cs.{a}", "/plants?tags=cs.{a,b}"),
        ("/plants?words=fts.a", "/plants?words=fts.b"),
        ("/plants?id=eq(any).{1}", "/plants?id=eq(any).{1,2}"),
        (
            "/plants?select=id,pests(id)&pests.id=eq.1&pests.limit=1",
            "/plants?select=id,pests(id)&pests.id=eq.2&pests.limit=20",
        ),
        ("/rpc/add?a=1&b=2", "/rpc/add?a=3&b='; drop table plants"),
        ("/rpc/total?numbers=1", "/rpc/total?numbers=1&numbers=2"),
        (
            "/rpc/keep_json|{}",
            r#"/rpc/keep_json|{"a":"'; drop table plants"}"#,
        ),
        (
            r#"/seeds|{"id":1,"name":"a"}"#,
            r#"/seeds|{"name":"'; drop table plants","id":"\u0031"}"#,
        ),
        (
            r#"/seeds|[{"id":1}]"#,
            r#"/seeds|[{"id":1},{"id":2},{"id":3}]"#,
        ),
    ] {
        assert_eq!(texts(one), texts(other), "{one} and {other}");
    }
}

#[test]
fn no_value_of_a_request_is_in_its_sql() {
    let catalog_text = include_str!("../cases/plan/catalog.json");
    let catalog =
        decode_catalog(&mut catalog_text.as_bytes().to_vec()).expect("it is a recorded one");
    let operators: HashMap<&str, &str> = HashMap::from([
        ("eq", "7654321"),
        ("in", "(7654321,\"a'b\")"),
        ("like", "7654321*"),
        ("cs", "{7654321}"),
        ("fts", "7654321"),
        ("isdistinct", "7654321"),
        ("match", "7654321'"),
    ]);
    for (operator, value) in operators {
        let first = format!("GET /plants?name={operator}.{value}&limit=7654321");
        let Prepared::Ask(batch, _) = prepared(&catalog, &Section { first, ..empty() }) else {
            panic!("{operator} is not asked");
        };
        check_no_value(&batch, operator);
    }
    for (first, body) in [
        ("POST /seeds", r#"{"id": 7654321, "name": "7654321"}"#),
        ("PATCH /seeds?id=eq.7654321", r#"{"name": "7654321"}"#),
        ("PUT /seeds?id=eq.7654321", r#"{"id": 7654321}"#),
        ("DELETE /seeds?id=in.(7654321)", ""),
        ("POST /rpc/add", r#"{"a": 7654321, "b": 1}"#),
        ("GET /rpc/add?a=7654321&b=7654321", ""),
        ("GET /rpc/total?numbers=7654321", ""),
        (
            "GET /plants?select=pests(id)&pests.id=eq.7654321&pests.limit=7654321",
            "",
        ),
    ] {
        let question = Section {
            first: first.to_owned(),
            body: body.to_owned(),
            ..empty()
        };
        let Prepared::Ask(batch, _) = prepared(&catalog, &question) else {
            panic!("{first} is not asked");
        };
        check_no_value(&batch, first);
    }
}

#[track_caller]
fn check_no_value(batch: &Batch, what: &str) {
    for text in batch.texts() {
        let text = text.as_str();
        assert!(!text.contains("7654321"), "{what}: {text}");
    }
}

/// The server makes one response of one row: whatever is asked for, and whatever is left of it. Of
/// rows that are sent one by one there is at least one, for the head is made of the first.
#[test]
fn every_main_statement_answers_with_one_row() {
    let catalog_text = include_str!("../cases/plan/catalog.json");
    let catalog =
        decode_catalog(&mut catalog_text.as_bytes().to_vec()).expect("it is a recorded one");
    let database = Cluster::shared().database();
    let mut client = database.connect();
    let mut asked = 0;
    for (target, column) in [
        ("/plants", Some("id")),
        ("/rpc/evergreens", Some("id")),
        ("/rpc/plant?id=1", Some("id")),
        ("/rpc/pairs?n=2", Some("a")),
        ("/rpc/halves?n=2", Some("low")),
        ("/rpc/numbers_to?n=2", None),
        ("/rpc/add?a=1&b=2", None),
        ("/rpc/no_text", None),
        ("/rpc/do_nothing", None),
        ("/rpc/page", None),
        ("/rpc/picture", None),
        ("/rpc/file", None),
    ] {
        for accepted in [
            "*/*",
            "application/vnd.pgrst.object+json",
            "application/vnd.pgrst.array+json;nulls=stripped",
            "text/csv",
            "application/x-ndjson",
            "text/html",
            "image/png",
            "text/vnd.garden.list",
            "text/vnd.garden.card",
        ] {
            for query in queries(column) {
                let separator = if target.contains('?') { '&' } else { '?' };
                for (method, count) in [
                    ("GET", "exact"),
                    ("GET", "exact, stream"),
                    ("HEAD", "exact"),
                    ("HEAD", "planned"),
                ] {
                    let question = Section {
                        first: format!("{method} {target}{separator}{query}"),
                        headers: vec![
                            format!("Accept: {accepted}"),
                            format!("Prefer: count={count}"),
                        ],
                        ..empty()
                    };
                    asked += usize::from(check_one_row(&mut client, &catalog, &question));
                }
            }
        }
    }
    assert!(asked > 1000, "only {asked} were asked");
}

/// What may be wanted of rows with that column, or without any.
fn queries(column: Option<&str>) -> Vec<String> {
    let mut queries = ["", "limit=0", "offset=1", "limit=1&offset=7"]
        .map(str::to_owned)
        .to_vec();
    if let Some(column) = column {
        queries.push(format!("{column}=eq.1"));
        queries.push(format!("{column}=eq.-1"));
        queries.push(format!("select={column}&limit=0"));
    }
    if column == Some("id") {
        queries.push("select=id,pests!inner(id)&pests.id=eq.-1".to_owned());
        queries.push("select=id,two_beds(id)".to_owned());
        queries.push("select=id,...two_beds(bed:id)".to_owned());
    }
    queries
}

/// A value of any type, of which nobody wants to know more than that it is there.
struct Unread;

impl FromSql<'_> for Unread {
    fn from_sql(_: &Type, _: &[u8]) -> Result<Unread, Box<dyn Error + Sync + Send>> {
        Ok(Unread)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Whether it was asked at all, and not refused before. An error is an answer, too.
fn check_one_row(client: &mut Client, catalog: &Catalog, question: &Section) -> bool {
    let Prepared::Ask(batch, _) = prepared(catalog, question) else {
        return false;
    };
    let is_one = match batch.main.answer {
        Answer::OneRow => true,
        Answer::Rows(_) => false,
        Answer::Lines => panic!("{question:?}: no lines were asked for"),
    };
    let statement = &batch.statements[batch.main.statement];
    let values = in_text_format(statement, &body_of(&batch, question));
    let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
    let text = statement.text.as_str();
    match client.query(text, &values) {
        Ok(rows) if is_one => assert_eq!(rows.len(), 1, "{question:?}: {text}"),
        Ok(rows) => {
            let has_body = |row: &postgres::Row| {
                let body: Option<Unread> = row.get(row.len() - 1);
                body.is_some()
            };
            let is_right = match &*rows {
                [] => false,
                [_] => true,
                rows => rows.iter().all(has_body),
            };
            assert!(is_right, "{question:?}: {} rows: {text}", rows.len());
        }
        Err(error) => {
            // One object was wanted, and there was another number of rows.
            let is_refused = error.code() == Some(&SqlState::INVALID_TEXT_REPRESENTATION);
            assert!(is_refused, "{question:?}: {error:?}: {text}");
        }
    }
    true
}
