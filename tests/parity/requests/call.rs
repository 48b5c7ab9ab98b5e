//! Functions: by POST and GET, with all arguments, some, and one too many.

use super::{Kind, Request, Subject, TX};
use crate::catalog::{Catalog, Function, Parameter};
use crate::json::quoted;
use crate::seed::Seed;
use crate::values::{as_json, encoded, name, of_type};

/// Everything about one function.
pub(super) fn of_function(
    function: &Function,
    catalog: &Catalog,
    seed: &mut Seed,
    out: &mut Vec<Request>,
) {
    let path = format!("/rpc/{}", encoded(&function.name));
    let named = function.parameters.iter().filter(|it| !it.name.is_empty());
    let named: Vec<&Parameter> = named.collect();
    let values: Vec<String> = named
        .iter()
        .map(|parameter| seed.one_of(&of_type(&parameter.of)).clone())
        .collect();
    let required = named.len().saturating_sub(function.defaults);
    for count in [named.len(), required, named.len().saturating_sub(1)] {
        let arguments: Vec<(&Parameter, &String)> =
            named.iter().copied().zip(&values).take(count).collect();
        let post = Request::get(Kind::Call, path.clone())
            .method("POST")
            .json(body(&arguments));
        out.push(rolled_back(post));
        let query = query(&arguments);
        let get = Request::get(Kind::Call, format!("{path}?{query}"));
        out.push(get.clone().method("HEAD"));
        out.push(get.clone().header("Accept", "text/csv"));
        let single = get.clone();
        out.push(single.header("Accept", "application/vnd.pgrst.object+json"));
        out.push(get.clone().header("Prefer", "count=exact"));
        out.push(get);
    }
    let options = Request::get(Kind::Call, path.clone());
    out.push(options.method("OPTIONS"));
    let all: Vec<(&Parameter, &String)> = named.iter().copied().zip(&values).collect();
    let query = query(&all);
    out.push(Request::get(
        Kind::Call,
        format!("{path}?{query}&no_such_argument=1"),
    ));
    unnamed(function, &path, out);
    if let Some(relation) = function
        .returns
        .as_ref()
        .and_then(|it| catalog.relation(it))
    {
        let subject = Subject::new(relation);
        let page = subject.page();
        let glue = if query.is_empty() { "" } else { "&" };
        let get = Request::get(Kind::Call, format!("{path}?{query}{glue}{page}"));
        out.push(get.clone());
        out.push(get.clone().header("Accept", "text/csv"));
        out.push(get.header("Range", "0-0").header("Prefer", "count=exact"));
        if let Some(first) = relation.columns.first() {
            let first = name(&first.name);
            let target = format!("{path}?{query}{glue}select={first}&{page}");
            out.push(Request::get(Kind::Call, target));
        }
    }
}

/// A whole body instead of arguments.
fn unnamed(function: &Function, path: &str, out: &mut Vec<Request>) {
    if function.parameters.len() != 1 || !function.parameters[0].name.is_empty() {
        return;
    }
    for (media_type, body) in [
        ("application/json", r#"{"a": [1, null]}"#),
        ("text/plain", "some text"),
        ("application/octet-stream", "bytes"),
        ("text/xml", "<a>b</a>"),
    ] {
        let mut post = Request::get(Kind::Call, path.to_owned()).method("POST");
        post.body = Some(body.to_owned());
        out.push(rolled_back(post.header("Content-Type", media_type)));
    }
    let empty = Request::get(Kind::Call, path.to_owned()).method("POST");
    out.push(rolled_back(empty));
}

fn rolled_back(request: Request) -> Request {
    request.header("Prefer", TX)
}

fn body(arguments: &[(&Parameter, &String)]) -> String {
    let members = arguments.iter().map(|(parameter, value)| {
        format!(
            "{}:{}",
            quoted(&parameter.name),
            as_json(&parameter.of, value)
        )
    });
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

fn query(arguments: &[(&Parameter, &String)]) -> String {
    let pairs = arguments
        .iter()
        .map(|(parameter, value)| format!("{}={}", encoded(&parameter.name), encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}
