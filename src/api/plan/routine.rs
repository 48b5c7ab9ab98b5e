//! Chooses the routine that a call means: the one whose parameters its arguments fill.
//!
//! The name is not enough, for PostgreSQL's functions can be overloaded, and the types of the
//! arguments are not known: the query string has texts. So the names of the arguments decide, and
//! for a body that is not an object, the type of the single parameter that it could be.
//!
//! Source: PostgREST's documentation, `references/api/functions`; the cases are in `RpcSpec`.

use crate::catalog::{Catalog, Routine};
use crate::error::{Error, UnnamedParameter};
use crate::request::Invocation;
use crate::request::media_type::MediaType;
use corerest_sql::{Ident, QualifiedName};

/// What is known of a call before its routine is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoutineCall<'a> {
    /// The name in the path, in the schema of the request.
    pub name: &'a QualifiedName,
    /// The names of the arguments in any order; one may stand there twice.
    pub arguments: &'a [&'a str],
    /// The media type of the body.
    pub content_type: &'a MediaType,
    /// How it is called.
    pub invocation: Invocation,
}

/// The one routine that fits. One with a single parameter without a name is meant only if no
/// other fits.
///
/// # Errors
/// `PGRST202` if none fits, `PGRST203` if PostgreSQL could be meant to call more than one.
pub(crate) fn find_routine<'c>(
    catalog: &'c Catalog,
    call: &RoutineCall<'_>,
) -> Result<&'c Routine, Error> {
    let overloads = catalog.routines(call.name);
    let unnamed = call.unnamed_parameter();
    let by_names = overloads
        .iter()
        .filter(|routine| fits_names(routine, call.arguments, unnamed));
    if let Some(routine) = only(by_names)? {
        return Ok(routine);
    }
    let by_body = overloads
        .iter()
        .filter(|routine| fits_body(routine, unnamed));
    only(by_body)?.ok_or_else(|| no_routine(catalog, call, unnamed))
}

impl RoutineCall<'_> {
    /// The single parameter without a name that the body could be.
    fn unnamed_parameter(&self) -> UnnamedParameter {
        match (self.invocation, self.content_type) {
            (Invocation::Post, MediaType::ApplicationJson) => UnnamedParameter::Json,
            (Invocation::Post, MediaType::TextPlain) => UnnamedParameter::Text,
            (Invocation::Post, MediaType::TextXml) => UnnamedParameter::Xml,
            (Invocation::Post, MediaType::OctetStream) => UnnamedParameter::Bytea,
            _ => UnnamedParameter::None,
        }
    }
}

/// The first of them, if there is one.
fn only<'c>(mut routines: impl Iterator<Item = &'c Routine>) -> Result<Option<&'c Routine>, Error> {
    let first = routines.next();
    match (first, routines.next()) {
        (Some(first), Some(second)) => {
            let candidates = [first, second].into_iter().chain(routines);
            Err(Error::AmbiguousRoutine {
                candidates: candidates.map(signature).collect(),
            })
        }
        _ => Ok(first),
    }
}

/// Whether each argument is for a parameter and each parameter has an argument or a default.
///
/// Parity: a routine without parameters takes no body, unless the body is JSON (or a form), which
/// is an object of no arguments then.
fn fits_names(routine: &Routine, arguments: &[&str], unnamed: UnnamedParameter) -> bool {
    let parameters = &routine.parameters;
    if parameters.is_empty() {
        return arguments.is_empty() && !is_whole_body(unnamed);
    }
    let mut required = parameters.iter().filter(|parameter| parameter.required);
    let all_known = arguments
        .iter()
        .all(|argument| routine.parameter(argument).is_some());
    all_known && required.all(|parameter| arguments.contains(&parameter.name.as_str()))
}

/// Whether the body is the value of one parameter, and never an object of arguments.
fn is_whole_body(unnamed: UnnamedParameter) -> bool {
    match unnamed {
        UnnamedParameter::Text | UnnamedParameter::Xml | UnnamedParameter::Bytea => true,
        UnnamedParameter::None | UnnamedParameter::Json => false,
    }
}

/// Whether the body can be the routine's only parameter.
fn fits_body(routine: &Routine, unnamed: UnnamedParameter) -> bool {
    let [parameter] = routine.parameters.as_slice() else {
        return false;
    };
    let types: &[&str] = match unnamed {
        UnnamedParameter::None => &[],
        UnnamedParameter::Json => &["json", "jsonb"],
        UnnamedParameter::Text => &["text"],
        UnnamedParameter::Xml => &["xml"],
        UnnamedParameter::Bytea => &["bytea"],
    };
    parameter.name.as_str().is_empty() && types.contains(&parameter.data_type.as_str())
}

/// `api.add(a => integer, b => integer)`
fn signature(routine: &Routine) -> String {
    let parameters = routine.parameters.iter();
    let parameters: Vec<String> = parameters
        .map(|parameter| format!("{} => {}", parameter.name, parameter.data_type.as_str()))
        .collect();
    format!("{}({})", routine.name, parameters.join(", "))
}

/// Parity: the arguments are shown sorted, each once.
fn no_routine(catalog: &Catalog, call: &RoutineCall<'_>, unnamed: UnnamedParameter) -> Error {
    let mut arguments = call.arguments.to_vec();
    arguments.sort_unstable();
    arguments.dedup();
    let hint = if is_whole_body(unnamed) {
        None
    } else {
        catalog.routine_hint(call.name, &arguments)
    };
    let schema = call.name.schema.as_ref().map_or("", Ident::as_str);
    Error::NoRoutine {
        schema: schema.to_owned(),
        name: call.name.name.as_str().to_owned(),
        arguments: arguments.into_iter().map(str::to_owned).collect(),
        unnamed,
        hint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::decode_catalog;

    const GET: Invocation = Invocation::Read {
        headers_only: false,
    };
    const JSON: MediaType = MediaType::ApplicationJson;

    /// A catalog of functions, each as `name(parameter type, other type=)`; `=` is a default.
    fn catalog(functions: &[&str]) -> Catalog {
        let routines: Vec<String> = functions.iter().map(|function| row(function)).collect();
        let document = format!(
            r#"{{"server": {{"version_number": 1, "version": "", "full_version": ""}},
                "tables": [], "columns": [], "routines": [{}]}}"#,
            routines.join(", ")
        );
        decode_catalog(&mut document.into_bytes()).unwrap()
    }

    fn row(function: &str) -> String {
        let (name, parameters) = function.strip_suffix(')').unwrap().split_once('(').unwrap();
        let parameters = parameters.split(", ").filter(|text| !text.is_empty());
        let parameters: Vec<String> = parameters
            .map(|parameter| {
                let (name, kind) = parameter.split_once(' ').unwrap();
                let required = !kind.ends_with('=');
                let kind = kind.trim_end_matches('=');
                format!(
                    r#"{{"name": "{name}", "data_type": "{kind}", "cast_type": null,
                        "required": {required}, "variadic": false}}"#
                )
            })
            .collect();
        format!(
            r#"{{"schema": "api", "name": "{name}", "description": null,
                "parameters": [{}], "returned_schema": "pg_catalog", "returned_name": "int4",
                "returns_set": false, "is_composite": false, "is_alias": false,
                "volatility": "v", "has_variadic": false, "settings": null}}"#,
            parameters.join(", ")
        )
    }

    #[track_caller]
    fn find(
        functions: &[&str],
        (invocation, content_type): (Invocation, MediaType),
        name: &str,
        arguments: &[&str],
    ) -> Result<String, Error> {
        let catalog = catalog(functions);
        let call = RoutineCall {
            name: &QualifiedName::new(Ident::before_nul("api"), Ident::before_nul(name)),
            arguments,
            content_type: &content_type,
            invocation,
        };
        find_routine(&catalog, &call).map(signature)
    }

    /// The parameters of the routine that is found, or the message of the error.
    #[track_caller]
    fn check(
        functions: &[&str],
        call: (Invocation, MediaType),
        arguments: &[&str],
        expected: &str,
    ) {
        let found = find(functions, call, "f", arguments);
        let shown = found.unwrap_or_else(|error| match error {
            Error::NoRoutine { .. } => "none".to_owned(),
            Error::AmbiguousRoutine { candidates } => candidates.join(" or "),
            other => panic!("{other:?}"),
        });
        assert_eq!(shown.replace("api.f", ""), expected, "{arguments:?}");
    }

    #[test]
    fn arguments_are_for_the_parameters_of_their_names() {
        let functions = ["f(a integer, b integer)", "other(a integer)"];
        let both = "(a => integer, b => integer)";
        for call in [
            (GET, JSON),
            (Invocation::Post, JSON),
            (GET, MediaType::TextCsv),
        ] {
            check(&functions, call.clone(), &["a", "b"], both);
            check(&functions, call.clone(), &["b", "a", "b"], both);
            check(&functions, call.clone(), &["a"], "none");
            check(&functions, call.clone(), &["a", "b", "c"], "none");
            check(&functions, call.clone(), &["A", "B"], "none");
            check(&functions, call, &[], "none");
        }
    }

    #[test]
    fn defaults_need_no_argument() {
        let only = ["f(a integer=, b integer=)"];
        let found = "(a => integer, b => integer)";
        for arguments in [&[][..], &["a"], &["b"], &["a", "b"]] {
            check(&only, (GET, JSON), arguments, found);
        }
        check(&only, (GET, JSON), &["c"], "none");
        let some = ["f(a integer, b integer=)"];
        check(&some, (GET, JSON), &["a"], found);
        check(&some, (GET, JSON), &["a", "b"], found);
        check(&some, (GET, JSON), &["b"], "none");
        check(&some, (GET, JSON), &[], "none");
    }

    #[test]
    fn overloads_are_told_apart_by_names_and_never_by_types() {
        let functions = [
            "f()",
            "f(a integer)",
            "f(a integer, b integer)",
            "f(b text)",
        ];
        check(&functions, (GET, JSON), &[], "()");
        check(&functions, (GET, JSON), &["a"], "(a => integer)");
        check(
            &functions,
            (GET, JSON),
            &["a", "b"],
            "(a => integer, b => integer)",
        );
        check(&functions, (GET, JSON), &["b"], "(b => text)");
        let functions = ["f(a text, b integer=)", "f(a xml)", "f(a integer)", "f()"];
        let all = "(a => integer) or (a => xml) or (a => text, b => integer)";
        check(&functions, (GET, JSON), &["a"], all);
        check(
            &functions,
            (GET, JSON),
            &["a", "b"],
            "(a => text, b => integer)",
        );
    }

    #[test]
    fn a_body_fills_a_single_parameter_without_a_name() {
        let functions = [
            "f( json)",
            "f( text)",
            "f( xml)",
            "f( bytea)",
            "f( integer)",
        ];
        let post = Invocation::Post;
        for (content_type, expected) in [
            (MediaType::ApplicationJson, "( => json)"),
            (MediaType::TextPlain, "( => text)"),
            (MediaType::TextXml, "( => xml)"),
            (MediaType::OctetStream, "( => bytea)"),
            (MediaType::TextCsv, "none"),
            (MediaType::UrlEncoded, "none"),
        ] {
            check(&functions, (GET, content_type.clone()), &["x"], "none");
            check(&functions, (GET, content_type.clone()), &[], "none");
            check(&functions, (post, content_type), &["x"], expected);
        }
        check(&["f( jsonb)"], (post, JSON), &[], "( => jsonb)");
        check(&["f(a json)"], (post, JSON), &[], "none");
        let both = ["f( jsonb)", "f( json)"];
        check(&both, (post, JSON), &["x"], "( => json) or ( => jsonb)");
    }

    #[test]
    fn names_come_before_a_parameter_without_one() {
        let functions = ["f()", "f( json)", "f( bytea)", "f(x integer)"];
        let post = Invocation::Post;
        check(&functions, (post, JSON), &["x"], "(x => integer)");
        check(&functions, (post, JSON), &["y"], "( => json)");
        check(&functions, (post, JSON), &[], "()");
        // The body is there, even if it is empty, so no parameters is not what is meant.
        check(
            &functions,
            (post, MediaType::OctetStream),
            &[],
            "( => bytea)",
        );
        check(&functions, (post, MediaType::TextPlain), &[], "none");
        check(&functions, (GET, MediaType::OctetStream), &[], "()");
    }

    #[test]
    fn a_call_that_fits_none_is_told_in_order_and_with_a_hint() {
        let functions = [
            "add(a integer, b integer)",
            "f( integer)",
            "f(x integer, y integer)",
        ];
        let told =
            |call, name: &str, arguments: &[&str]| match find(&functions, call, name, arguments) {
                Err(Error::NoRoutine {
                    arguments,
                    unnamed,
                    hint,
                    ..
                }) => (arguments.join(" "), unnamed, hint),
                other => panic!("{other:?}"),
            };
        let hint = |text: &str| Some(format!("Perhaps you meant to call the function api.{text}"));
        let (none, json) = (UnnamedParameter::None, UnnamedParameter::Json);
        let expected = ("a b smth".to_owned(), none, hint("add(a, b)"));
        assert_eq!(told((GET, JSON), "add", &["smth", "b", "a", "b"]), expected);
        let expected = (String::new(), none, hint("add"));
        assert_eq!(told((GET, JSON), "addd", &[]), expected);
        let expected = ("a".to_owned(), json, None);
        assert_eq!(told((Invocation::Post, JSON), "subtract", &["a"]), expected);
        let expected = ("x".to_owned(), json, hint("f(x, y)"));
        assert_eq!(told((Invocation::Post, JSON), "f", &["x"]), expected);
        let text = (Invocation::Post, MediaType::TextPlain);
        let expected = (String::new(), UnnamedParameter::Text, None);
        assert_eq!(told(text, "addd", &[]), expected);
    }
}
