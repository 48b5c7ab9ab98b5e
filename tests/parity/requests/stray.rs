//! What is not there, what cannot be understood, and what the server says of itself.

use super::{Kind, Request, Subject};
use crate::values::name;

/// Of the server as a whole.
pub(super) fn of_server() -> Vec<Request> {
    let mut out = Vec::new();
    for method in ["GET", "HEAD", "OPTIONS", "POST", "DELETE"] {
        out.push(Request::get(Kind::Description, "/".to_owned()).method(method));
    }
    for accept in ["application/openapi+json", "application/json", "text/csv"] {
        let root = Request::get(Kind::Description, "/".to_owned());
        out.push(root.header("Accept", accept));
    }
    for path in [
        "/no_such_table",
        "/rpc/no_such_function",
        "/a/b",
        "/rpc",
        "/rpc/",
    ] {
        for method in ["GET", "HEAD", "POST", "DELETE"] {
            out.push(Request::get(Kind::Unknown, path.to_owned()).method(method));
        }
    }
    let get = |target: &str| Request::get(Kind::Unknown, target.to_owned());
    out.push(get("/").header("Accept-Profile", "no_such_schema"));
    out.push(get("/").header("Authorization", "Bearer nonsense"));
    out.push(get("/").header("Authorization", "Basic YTpi"));
    out
}

/// Beside the names of a relation.
pub(super) fn of_relation(subject: &Subject<'_>, out: &mut Vec<Request>) {
    let relation = subject.relation;
    let path = &subject.path;
    let get = |kind, target: String| Request::get(kind, target);
    out.push(get(Kind::Unknown, format!("{path}x")));
    out.push(get(Kind::Unknown, format!("/rpc{path}")));
    for query in [
        "select=no_such_column",
        "select=no_such_relation(*)",
        "select=*,no_such_relation!no_such_hint(*)",
        "no_such_column=eq.1",
        "no_such_relation.id=eq.1",
        "no_such_relation=not.is.null",
        "columns=no_such_column",
    ] {
        out.push(subject.get(Kind::Unknown, query));
    }
    out.push(get(Kind::Unknown, format!("{path}?order=no_such_column")));
    let Some(first) = relation.columns.first() else {
        return;
    };
    let first = name(&first.name);
    for query in [
        format!("select={first}x"),
        format!("{first}=is.nothing"),
        format!("{first}=xyz.1"),
        format!("{first}=1"),
        format!("{first}=in.(1,2"),
        format!("{first}=eq(some).1"),
        format!("or=({first}.eq.1"),
        "or=()".to_owned(),
        "and=x".to_owned(),
        format!("order={first}.up"),
        format!("order={first}..desc"),
        "select=(".to_owned(),
        format!("select={first},,"),
        format!("select={first}::"),
        format!("select={first}::no_such_type"),
        "select=*,a(b".to_owned(),
        format!("{first}=eq.%"),
        format!("{first}=eq.%00"),
        format!("{first}=eq.%FF"),
        format!("{first}=in.(%22%22)"),
        format!("{first}=in.()"),
        "=".to_owned(),
        "&&".to_owned(),
    ] {
        out.push(subject.get(Kind::Malformed, &query));
    }
    for (header, value) in [
        ("Range", "a-b"),
        ("Range", "bytes=0-1"),
        ("Prefer", "count=nonsense"),
        ("Prefer", "handling=strict, nonsense=1"),
        ("Accept", "nonsense"),
        ("Accept", "application/vnd.pgrst.plan+json;for=\"x\""),
    ] {
        out.push(subject.get(Kind::Malformed, "").header(header, value));
    }
    for method in ["PUT", "TRACE", "LINK"] {
        out.push(get(Kind::Malformed, path.clone()).method(method));
    }
}
