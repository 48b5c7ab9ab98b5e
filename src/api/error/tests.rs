//! Every error, as the client sees it: a row for each code, and the special cases of PostgreSQL's.
//! A code of the table that has no row here fails a test.

use super::codes::TABLE;
use super::*;

/// The error as `status code`, headers but the constant ones, and the body.
fn show(response: &ErrorResponse) -> String {
    let reason = response
        .reason
        .as_deref()
        .map_or(String::new(), |reason| format!(" {reason}"));
    let mut out = format!("{} {}{reason}\n", response.status, response.code);
    for (name, value) in &response.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let constant = value == "application/json; charset=utf-8"
            || value == format!("PostgREST; error={}", response.code);
        if !constant {
            out.push_str(&format!("{name}: {value}\n"));
        }
    }
    out + std::str::from_utf8(&response.body).unwrap()
}

/// In `expected`, four blanks begin a line and six go on with the one before.
#[track_caller]
fn check(error: &Error, expected: &str) {
    let shown = show(&error.response(ErrorVerbosity::Verbose));
    assert_eq!(
        shown,
        expected.replace("\n      ", "").replace("\n    ", "\n"),
        "{error:?}"
    );
}

fn text(text: &str) -> String {
    text.to_owned()
}

/// One error of each code at least, with its status and its body.
fn samples() -> Vec<(Error, &'static str)> {
    vec![
        (
            Error::DatabaseConnection {
                details: Some(text("no route")),
            },
            r#"503 PGRST000
    {"code":"PGRST000","details":"no route","hint":null,"message":"Database connection error."}"#,
        ),
        (
            Error::DatabaseClient { details: None },
            r#"503 PGRST001
    {"code":"PGRST001","details":null,"hint":null,"message":"Database client error. Retrying
       the connection."}"#,
        ),
        (
            Error::NoSchemaCache,
            r#"503 PGRST002
    {"code":"PGRST002","details":null,"hint":null,"message":"Could not query the database for
       the schema cache. Retrying."}"#,
        ),
        (
            Error::PoolTimeout,
            r#"504 PGRST003
    {"code":"PGRST003","details":null,"hint":null,"message":"Timed out acquiring connection
       from connection pool."}"#,
        ),
        (
            Error::QueryParameter {
                message: text("\"m\""),
                details: text("d"),
            },
            r#"400 PGRST100
    {"code":"PGRST100","details":"d","hint":null,"message":"\"m\""}"#,
        ),
        (
            Error::InvalidRpcMethod {
                method: text("PUT"),
            },
            r#"405 PGRST101
    {"code":"PGRST101","details":null,"hint":null,"message":"Cannot use the PUT method on RPC"}"#,
        ),
        (
            Error::InvalidBody {
                message: text("Empty or invalid json"),
            },
            r#"400 PGRST102
    {"code":"PGRST102","details":null,"hint":null,"message":"Empty or invalid json"}"#,
        ),
        (
            Error::InvalidRecord {
                message: text("Empty or invalid json"),
                line: 12,
                byte: 345,
            },
            r#"400 PGRST102
    {"code":"PGRST102","details":"Line 12 of the body, at byte 345","hint":null,"message":"Empty
       or invalid json"}"#,
        ),
        (
            Error::BodyInParts {
                message: text("So many rows cannot be returned"),
                bytes_max: 1_048_576,
            },
            r#"400 PGRST102
    {"code":"PGRST102","details":"The body has more than 1048576 bytes","hint":"Send Prefer:
       return=minimal or return=headers-only","message":"So many rows cannot be returned"}"#,
        ),
        (
            Error::TooManyUploads { at_most: 3 },
            r#"503 PGRSTX03
    {"code":"PGRSTX03","details":"There may be 3, so that others find connections
       (db-pool).","hint":"Try again when others have ended","message":"As many uploads are under
       way as may be"}"#,
        ),
        (
            Error::UploadEnded,
            r#"503 PGRSTX04
    {"code":"PGRSTX04","details":null,"hint":"Try again","message":"The server stops, and has
       rolled the upload back"}"#,
        ),
        (
            Error::RangeNegativeLimit,
            r#"416 PGRST103
    {"code":"PGRST103","details":"Limit should be greater than or equal to
       zero.","hint":null,"message":"Requested range not satisfiable"}"#,
        ),
        (
            Error::RangeLowerAboveUpper,
            r#"416 PGRST103
    {"code":"PGRST103","details":"The lower boundary must be lower than or equal to the upper
       boundary in the Range header.","hint":null,"message":"Requested range not
       satisfiable"}"#,
        ),
        (
            Error::RangeOutOfBounds {
                offset: text("100"),
                total: text("15"),
            },
            r#"416 PGRST103
    {"code":"PGRST103","details":"An offset of 100 was requested, but there are only 15
       rows.","hint":null,"message":"Requested range not satisfiable"}"#,
        ),
        (
            Error::PutFilters,
            r#"405 PGRST105
    {"code":"PGRST105","details":null,"hint":null,"message":"Filters must include all and only
       primary key columns with 'eq' operators"}"#,
        ),
        (
            Error::UnacceptableSchema {
                schema: text("x"),
                exposed: vec![text("v1"), text("v2")],
            },
            r#"406 PGRST106
    {"code":"PGRST106","details":null,"hint":"Only the following schemas are exposed: v1,
       v2","message":"Invalid schema: x"}"#,
        ),
        (
            Error::MediaTypeNotAvailable {
                accepted: vec![text("a/b"), text("c/d")],
            },
            r#"406 PGRST107
    {"code":"PGRST107","details":null,"hint":null,"message":"None of these media types are
       available: a/b, c/d"}"#,
        ),
        (
            Error::NotEmbedded {
                resource: text("films"),
                alias: None,
            },
            r#"400 PGRST108
    {"code":"PGRST108","details":null,"hint":"Verify that 'films' is included in the 'select'
       query parameter.","message":"'films' is not an embedded resource in this request"}"#,
        ),
        (
            Error::NotEmbedded {
                resource: text("films"),
                alias: Some(TargetAlias {
                    name: text("films"),
                    alias: text("f"),
                }),
            },
            r#"400 PGRST108
    {"code":"PGRST108","details":"Target names are not allowed in filters if they have an
       alias","hint":"Change 'films' to 'f' in filters, orders or limits.","message":"'films'
       is not an embedded resource in this request"}"#,
        ),
        (
            Error::GucHeaders,
            r#"500 PGRST111
    {"code":"PGRST111","details":null,"hint":null,"message":"response.headers guc must be a
       JSON array composed of objects with a single key and a string value"}"#,
        ),
        (
            Error::GucStatus,
            r#"500 PGRST112
    {"code":"PGRST112","details":null,"hint":null,"message":"response.status guc must be a
       valid status code"}"#,
        ),
        (
            Error::PutLimit,
            r#"400 PGRST114
    {"code":"PGRST114","details":null,"hint":null,"message":"limit/offset querystring
       parameters are not allowed for PUT"}"#,
        ),
        (
            Error::PutKeyMismatch,
            r#"400 PGRST115
    {"code":"PGRST115","details":null,"hint":null,"message":"Payload values do not match URL in
       primary key column(s)"}"#,
        ),
        (
            Error::NotSingular { rows: 5 },
            r#"406 PGRST116
    {"code":"PGRST116","details":"The result contains 5 rows","hint":null,"message":"Cannot
       coerce the result to a single JSON object"}"#,
        ),
        (
            Error::UnsupportedMethod {
                method: text("CONNECT"),
            },
            r#"405 PGRST117
    {"code":"PGRST117","details":null,"hint":null,"message":"Unsupported HTTP method: CONNECT"}"#,
        ),
        (
            Error::RelatedOrderNotToOne {
                origin: text("a"),
                target: text("b"),
            },
            r#"400 PGRST118
    {"code":"PGRST118","details":"'a' and 'b' do not form a many-to-one or one-to-one
       relationship","hint":null,"message":"A related order on 'b' is not possible"}"#,
        ),
        (
            Error::UnacceptableFilter { target: text("b") },
            r#"400 PGRST120
    {"code":"PGRST120","details":"Only is null or not is null filters are allowed on embedded
       resources","hint":null,"message":"Bad operator on the 'b' embedded resource"}"#,
        ),
        (
            Error::InvalidRaise(InvalidRaise::NoDetail),
            r#"500 PGRST121
    {"code":"PGRST121","details":"DETAIL is missing in the RAISE statement","hint":"DETAIL must
       be a JSON object with obligatory keys: 'status', 'headers' and optional key:
       'status_text'.","message":"Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\"
       error"}"#,
        ),
        (
            Error::InvalidPreferences {
                preferences: vec![text("a=b"), text("c")],
            },
            r#"400 PGRST122
    {"code":"PGRST122","details":"Invalid preferences: a=b, c","hint":null,"message":"Invalid
       preferences given with handling=strict"}"#,
        ),
        (
            Error::AggregatesNotAllowed,
            r#"400 PGRST123
    {"code":"PGRST123","details":null,"hint":null,"message":"Use of aggregate functions is not
       allowed"}"#,
        ),
        (
            Error::MaxAffectedExceeded { rows: 14 },
            r#"400 PGRST124
    {"code":"PGRST124","details":"The query affects 14 rows","hint":null,"message":"Query
       result exceeds max-affected preference constraint"}"#,
        ),
        (
            Error::InvalidPath,
            r#"404 PGRST125
    {"code":"PGRST125","details":null,"hint":null,"message":"Invalid path specified in request
       URL"}"#,
        ),
        (
            Error::OpenApiDisabled,
            r#"404 PGRST126
    {"code":"PGRST126","details":null,"hint":null,"message":"Root endpoint metadata is disabled"}"#,
        ),
        (
            Error::NotImplemented {
                details: text("why"),
            },
            r#"400 PGRST127
    {"code":"PGRST127","details":"why","hint":null,"message":"Feature not implemented"}"#,
        ),
        (
            Error::MaxAffectedRpc,
            r#"400 PGRST128
    {"code":"PGRST128","details":null,"hint":null,"message":"Function must return SETOF or
       TABLE when max-affected preference is used with handling=strict"}"#,
        ),
        (
            Error::NoRelationship {
                parent: text("films"),
                child: text("role"),
                embed_hint: None,
                schema: text("api"),
                hint: Some(text("Perhaps you meant 'roles' instead of 'role'.")),
            },
            r#"400 PGRST200
    {"code":"PGRST200","details":"Searched for a foreign key relationship between 'films' and
       'role' in the schema 'api', but no matches were found.","hint":"Perhaps you meant
       'roles' instead of 'role'.","message":"Could not find a relationship between 'films' and
       'role' in the schema cache"}"#,
        ),
        (
            Error::NoRelationship {
                parent: text("a"),
                child: text("b"),
                embed_hint: Some(text("c")),
                schema: text("api"),
                hint: None,
            },
            r#"400 PGRST200
    {"code":"PGRST200","details":"Searched for a foreign key relationship between 'a' and 'b'
       using the hint 'c' in the schema 'api', but no matches were
       found.","hint":null,"message":"Could not find a relationship between 'a' and 'b' in the
       schema cache"}"#,
        ),
        (
            Error::AmbiguousRelationship {
                parent: text("a"),
                child: text("b"),
                candidates: vec![
                    RelationshipCandidate {
                        cardinality: "many-to-one",
                        embedding: text("a with b"),
                        relationship: text("k1 using a(x) and b(id)"),
                        target: text("b!k1"),
                    },
                    RelationshipCandidate {
                        cardinality: "many-to-one",
                        embedding: text("a with b"),
                        relationship: text("k2 using a(y) and b(id)"),
                        target: text("b!k2"),
                    },
                ],
            },
            r#"300 PGRST201
    {"code":"PGRST201","details":[{"cardinality":"many-to-one","embedding":"a with
       b","relationship":"k1 using a(x) and b(id)"},{"cardinality":"many-to-one","embedding":"a
       with b","relationship":"k2 using a(y) and b(id)"}],"hint":"Try changing 'b' to one of
       the following: 'b!k1', 'b!k2'. Find the desired relationship in the 'details'
       key.","message":"Could not embed because more than one relationship was found for 'a'
       and 'b'"}"#,
        ),
        (
            no_routine(&["a", "b"], UnnamedParameter::Json),
            r#"404 PGRST202
    {"code":"PGRST202","details":"Searched for the function api.f with parameters a, b or with
       a single unnamed json/jsonb parameter, but no matches were found in the schema
       cache.","hint":"Perhaps","message":"Could not find the function api.f(a, b) in the
       schema cache"}"#,
        ),
        (
            no_routine(&["a"], UnnamedParameter::None),
            r#"404 PGRST202
    {"code":"PGRST202","details":"Searched for the function api.f with parameter a, but no
       matches were found in the schema cache.","hint":"Perhaps","message":"Could not find the
       function api.f(a) in the schema cache"}"#,
        ),
        (
            no_routine(&[], UnnamedParameter::Json),
            r#"404 PGRST202
    {"code":"PGRST202","details":"Searched for the function api.f without parameters or with a
       single unnamed json/jsonb parameter, but no matches were found in the schema
       cache.","hint":"Perhaps","message":"Could not find the function api.f without parameters
       in the schema cache"}"#,
        ),
        (
            no_routine(&[], UnnamedParameter::Bytea),
            r#"404 PGRST202
    {"code":"PGRST202","details":"Searched for the function api.f with a single unnamed bytea
       parameter, but no matches were found in the schema cache.","hint":null,"message":"Could
       not find the function api.f in the schema cache"}"#,
        ),
        (
            Error::AmbiguousRoutine {
                candidates: vec![text("s.f(a => int)"), text("s.f()")],
            },
            r#"300 PGRST203
    {"code":"PGRST203","details":null,"hint":"Try renaming the parameters or the function
       itself in the database so function overloading can be resolved","message":"Could not
       choose the best candidate function between: s.f(a => int), s.f()"}"#,
        ),
        (
            Error::ColumnNotFound {
                relation: text("t"),
                column: text("c"),
            },
            r#"400 PGRST204
    {"code":"PGRST204","details":null,"hint":null,"message":"Could not find the 'c' column of
       't' in the schema cache"}"#,
        ),
        (
            Error::TableNotFound {
                schema: text("api"),
                table: text("film"),
                hint: None,
            },
            r#"404 PGRST205
    {"code":"PGRST205","details":null,"hint":null,"message":"Could not find the table
       'api.film' in the schema cache"}"#,
        ),
        (
            Error::JwtSecretMissing,
            r#"500 PGRST300
    {"code":"PGRST300","details":null,"hint":null,"message":"Server lacks JWT secret"}"#,
        ),
        (
            Error::JwtInvalid(JwtFault::Parts(2)),
            r#"401 PGRST301
    WWW-Authenticate: Bearer error="invalid_token", error_description="Expected 3 parts in JWT;
       got 2"
    {"code":"PGRST301","details":null,"hint":null,"message":"Expected 3 parts in JWT; got 2"}"#,
        ),
        (
            Error::JwtInvalid(JwtFault::Key(text("none"))),
            r#"401 PGRST301
    WWW-Authenticate: Bearer error="invalid_token", error_description="No suitable key or wrong
       key type"
    {"code":"PGRST301","details":"none","hint":null,"message":"No suitable key or wrong key
       type"}"#,
        ),
        (
            Error::JwtKeysMissing { retry_seconds: 4 },
            r#"503 PGRSTX02
    Retry-After: 4
    {"code":"PGRSTX02","details":null,"hint":null,"message":"The keys that the JWT is to be verified
       with have not come yet. Retrying."}"#,
        ),
        (
            Error::JwtRequired,
            r#"401 PGRST302
    WWW-Authenticate: Bearer
    {"code":"PGRST302","details":null,"hint":null,"message":"Anonymous access is disabled"}"#,
        ),
        (
            Error::JwtClaims(JwtClaimsFault::ExpNotNumber),
            r#"401 PGRST303
    WWW-Authenticate: Bearer error="invalid_token", error_description="The JWT 'exp' claim must
       be a number"
    {"code":"PGRST303","details":null,"hint":null,"message":"The JWT 'exp' claim must be a
       number"}"#,
        ),
        (
            Error::NoRoutineOfName {
                schema: text("api"),
                name: text("f"),
                hint: Some(text("Perhaps")),
            },
            r#"404 PGRST202
    {"code":"PGRST202","details":"Searched for the function api.f with any parameters, but no
       matches were found in the schema cache.","hint":"Perhaps","message":"Could not find the
       function api.f in the schema cache"}"#,
        ),
        (
            Error::AnswerTooLarge {
                bytes: 5,
                is_rolled_back: false,
            },
            r#"507 PGRSTX01
    {"code":"PGRSTX01","details":"The answer has 5 bytes.","hint":"Ask for less with select, or
       with Prefer: return=minimal","message":"The request was carried out, but there is no memory
       for its answer"}"#,
        ),
        (
            Error::NoMemoryForAnswer {
                bytes: 5,
                may_fit: true,
            },
            r#"503 PGRSTX05
    {"code":"PGRSTX05","details":"The answer has 5 bytes (server-max-memory).","hint":"Try
       again","message":"Clients hold all the memory that they may"}"#,
        ),
        (
            Error::NoMemoryForAnswer {
                bytes: 5,
                may_fit: false,
            },
            r#"503 PGRSTX05
    {"code":"PGRSTX05","details":"The answer has 5 bytes
       (server-max-memory).","hint":null,"message":"The answer is larger than all that clients may
       hold"}"#,
        ),
        (
            Error::Channel {
                message: text("A channel's name is too long"),
                details: text("It has 64 bytes."),
            },
            r#"500 PGRSTX10
    {"code":"PGRSTX10","details":"It has 64 bytes.","hint":null,"message":"A channel's name is too
       long"}"#,
        ),
        (
            Error::TooManyChannels { at_most: 5 },
            r#"503 PGRSTX11
    {"code":"PGRSTX11","details":"There may be 5 (server-max-channels).","hint":"Try again when
       others have left","message":"The server listens to as many channels as it may"}"#,
        ),
        (
            Error::TooManyStreams { at_most: 5 },
            r#"503 PGRSTX13
    {"code":"PGRSTX13","details":"There may be 5, three quarters of all clients
       (server-max-connections).","hint":"Try again when others have left","message":"As many
       clients hear events as may"}"#,
        ),
        (
            Error::NotListening,
            r#"503 PGRSTX12
    {"code":"PGRSTX12","details":null,"hint":"Try again","message":"Notifications of the database
       are not heard at this time"}"#,
        ),
        (
            Error::Internal {
                details: text("bug"),
            },
            r#"500 PGRSTX00
    {"code":"PGRSTX00","details":null,"hint":null,"message":"bug"}"#,
        ),
    ]
}

fn no_routine(arguments: &[&str], unnamed: UnnamedParameter) -> Error {
    Error::NoRoutine {
        schema: text("api"),
        name: text("f"),
        arguments: arguments.iter().map(|argument| text(argument)).collect(),
        unnamed,
        hint: Some(text("Perhaps")),
    }
}

#[test]
fn each_error_has_its_words() {
    for (error, expected) in samples() {
        check(&error, expected);
    }
}

#[test]
fn no_code_is_without_a_sample() {
    let samples = samples();
    for row in TABLE {
        let known = samples.iter().any(|(error, _)| {
            let response = error.response(ErrorVerbosity::Minimal);
            (response.code.as_str(), response.status) == (row.text, row.status)
        });
        assert!(known, "{} has no sample", row.text);
    }
}

#[test]
fn minimal_errors_say_no_more_than_code_and_message() {
    let error = Error::UnacceptableSchema {
        schema: text("x"),
        exposed: vec![],
    };
    let response = error.response(ErrorVerbosity::Minimal);
    assert_eq!(
        response.body,
        br#"{"code":"PGRST106","message":"Invalid schema: x"}"#
    );
    assert_eq!(response.headers.len(), 2);
}

#[test]
fn errors_name_their_code_for_proxies() {
    let response = Error::InvalidPath.response(ErrorVerbosity::Verbose);
    let headers: Vec<(&str, &[u8])> = response
        .headers
        .iter()
        .map(|(name, value)| (&**name, value.as_bytes()))
        .collect();
    assert_eq!(
        headers,
        [
            ("Content-Type", &b"application/json; charset=utf-8"[..]),
            ("Proxy-Status", b"PostgREST; error=PGRST125"),
        ]
    );
}

fn database(code: &str, message: &str) -> DatabaseError {
    DatabaseError {
        code: text(code),
        message: text(message),
        ..DatabaseError::default()
    }
}

fn status_of(error: &Error) -> u16 {
    error.response(ErrorVerbosity::Minimal).status
}

#[track_caller]
fn check_sqlstate(code: &str, message: &str, status: u16) {
    assert_eq!(
        status_of(&Error::Database(database(code, message))),
        status,
        "{code} {message}"
    );
}

#[test]
fn sqlstates_have_statuses() {
    for (codes, status) in [
        ("08000 08006 53000 53300 57P01", 503),
        (
            "09000 25000 25P02 2D000 38000 39000 3B000 40001 53400 54001 55006 57014 58030",
            500,
        ),
        ("F0000 HV000 P0000 P0002 XX000 42P17", 500),
        ("0L000 0P000 28000 28P01", 403),
        ("23503 23505", 409),
        ("25006", 405),
        ("42883 42P01", 404),
        (
            "P0001 22P02 22023 23502 23514 42601 42703 01000 00000 ZZZZZ P 0 é1",
            400,
        ),
    ] {
        for code in codes.split(' ') {
            check_sqlstate(code, "m", status);
        }
    }
    check_sqlstate("", "m", 400);
}

#[test]
fn some_sqlstates_depend_on_the_message() {
    check_sqlstate("21000", "more than one row returned", 500);
    check_sqlstate("21000", "UPDATE requires a WHERE clause", 400);
    check_sqlstate("22023", "role \"x\" does not exist", 401);
    check_sqlstate("22023", "parameter \"x\" does not exist", 400);
    check_sqlstate("42883", "function f() does not exist", 404);
    check_sqlstate("42883", "function xmlagg(xml) does not exist", 406);
}

#[test]
fn privileges_depend_on_who_asks() {
    let denied = |authenticated| {
        Error::Database(DatabaseError {
            authenticated,
            ..database("42501", "denied")
        })
    };
    check(
        &denied(true),
        r#"403 42501
    {"code":"42501","details":null,"hint":null,"message":"denied"}"#,
    );
    check(
        &denied(false),
        r#"401 42501
    WWW-Authenticate: Bearer
    {"code":"42501","details":null,"hint":null,"message":"denied"}"#,
    );
}

#[test]
fn database_errors_keep_what_postgresql_says() {
    let error = DatabaseError {
        detail: Some(text("Key (id)=(1)\nexists.")),
        hint: Some(text("h")),
        ..database("23505", "duplicate \"k\"")
    };
    check(
        &Error::Database(error),
        r#"409 23505
    {"code":"23505","details":"Key (id)=(1)\nexists.","hint":"h","message":"duplicate \"k\""}"#,
    );
}

#[test]
fn sql_can_choose_the_status() {
    check(
        &Error::Database(database("PT402", "Payment Required")),
        r#"402 PT402 Payment Required
    {"code":"PT402","details":null,"hint":null,"message":"Payment Required"}"#,
    );
    check(
        &Error::Database(database("PT401", "a\r\nX: y")),
        "401 PT401 a  X: y\nWWW-Authenticate: Bearer\n\
         {\"code\":\"PT401\",\"details\":null,\"hint\":null,\"message\":\"a\\r\\nX: y\"}",
    );
    for code in ["PTabc", "PT", "PT100", "PT000", "PT-1"] {
        let response = Error::Database(database(code, "m")).response(ErrorVerbosity::Verbose);
        assert_eq!((response.status, response.reason), (500, None), "{code}");
    }
}

#[test]
fn a_long_message_is_cut_for_the_status_line() {
    let long = "€".repeat(100_000);
    let raised = Error::Database(database("PT400", &long));
    let response = raised.response(ErrorVerbosity::Verbose);
    assert_eq!(response.reason, Some("€".repeat(85)));
    let body = String::from_utf8(response.body).unwrap();
    assert!(body.contains(&long));
    let status_text = raise(
        r#"{"code":"123","message":"m"}"#,
        Some(&format!(
            r#"{{"status":400,"status_text":"{}","headers":{{}}}}"#,
            "x".repeat(300)
        )),
    );
    let response = status_text.response(ErrorVerbosity::Verbose);
    assert_eq!(response.reason, Some("x".repeat(256)));
}

fn raise(message: &str, detail: Option<&str>) -> Error {
    Error::Database(DatabaseError {
        detail: detail.map(text),
        ..database("PGRST", message)
    })
}

#[test]
fn sql_can_make_the_whole_response() {
    check(
        &raise(
            r#"{"code":"123","message":"ABC","details":"DEF","hint":"XYZ"}"#,
            Some(r#"{"status":332,"status_text":"My Custom Status","headers":{"X-Header":"str"}}"#),
        ),
        r#"332 123 My Custom Status
    X-Header: str
    {"code":"123","details":"DEF","hint":"XYZ","message":"ABC"}"#,
    );
    check(
        &raise(
            r#"{"code":"123","message":"ABC","hint":null,"more":[1]}"#,
            Some(r#"{"status":4.01e2,"headers":{}}"#),
        ),
        r#"401 123
    {"code":"123","details":null,"hint":null,"message":"ABC"}"#,
    );
}

#[test]
fn what_is_raised_is_malformed_if_it_is_nested_too_deeply() {
    let message = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"code":"1","message":"m","more":{open}{close}}}"#)
    };
    let detail = r#"{"status":400,"headers":{}}"#;
    for depth in [10, 127, 128, 129, 1_000, 10_000, 1_000_000] {
        let error = raise(&message(depth), Some(detail));
        let response = error.response(ErrorVerbosity::Verbose);
        let expected = if depth <= 128 { "1" } else { "PGRST121" };
        assert_eq!(response.code, expected, "{depth}");
    }
}

#[test]
fn raised_headers_cannot_break_the_response() {
    let headers = r#"{"X-A":"1\r\nX-B: 2","bad name":"x","Content-Length":"1",
        "transfer-encoding":"chunked","content-type":"text/plain","X-Z":"é"}"#;
    let detail = format!(r#"{{"status":200,"headers":{headers},"status_text":"a\nb"}}"#);
    check(
        &raise(r#"{"code":"a\nb","message":""}"#, Some(&detail)),
        "200 a\nb a b\nProxy-Status: PostgREST; error=a b\nX-A: 1  X-B: 2\nX-Z: é\n\
         content-type: text/plain\n\
         {\"code\":\"a\\nb\",\"details\":null,\"hint\":null,\"message\":\"\"}",
    );
    for status in ["100", "0", "-1", "65736", "1000"] {
        let detail = format!(r#"{{"status":{status},"headers":{{}}}}"#);
        let error = raise(r#"{"code":"1","message":"m"}"#, Some(&detail));
        assert_eq!(status_of(&error), 500, "{status}");
    }
}

#[track_caller]
fn check_invalid_raise(message: &str, detail: Option<&str>, expected: &InvalidRaise) {
    let response = raise(message, detail).response(ErrorVerbosity::Verbose);
    let expected = Error::InvalidRaise(expected.clone()).response(ErrorVerbosity::Verbose);
    assert_eq!(response, expected, "{message} {detail:?}");
}

#[test]
fn raised_json_has_a_shape() {
    let good = r#"{"code":"1","message":"m"}"#;
    for message in [
        "INVALID",
        "",
        "[]",
        "1",
        r#"{"code":"1"}"#,
        r#"{"message":"m"}"#,
        r#"{"code":1,"message":"m"}"#,
        r#"{"code":"1","message":"m","hint":1}"#,
    ] {
        let expected = InvalidRaise::Message(text(message));
        check_invalid_raise(message, None, &expected);
    }
    check_invalid_raise(good, None, &InvalidRaise::NoDetail);
    for detail in [
        "INVALID",
        "[]",
        r#"{"status":200}"#,
        r#"{"headers":{}}"#,
        r#"{"status":"200","headers":{}}"#,
        r#"{"status":200.5,"headers":{}}"#,
        r#"{"status":200,"headers":{"a":1}}"#,
        r#"{"status":200,"headers":[]}"#,
        r#"{"status":200,"headers":{},"status_text":1}"#,
    ] {
        check_invalid_raise(good, Some(detail), &InvalidRaise::Detail(text(detail)));
    }
    check(
        &raise("INVALID", Some("{}")),
        r#"500 PGRST121
    {"code":"PGRST121","details":"Invalid JSON value for MESSAGE: 'INVALID'","hint":"MESSAGE
       must be a JSON object with obligatory keys: 'code', 'message' and optional keys:
       'details', 'hint'.","message":"Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\"
       error"}"#,
    );
    let body = raise("INVALID", None)
        .response(ErrorVerbosity::Verbose)
        .body;
    assert_eq!(
        body.len(),
        263,
        "the length that PostgREST's own tests expect"
    );
}
