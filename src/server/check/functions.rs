//! The functions that the configuration names, and what is wrong with them: each request calls
//! them, or each reload, so one that is not there is an outage.

use super::finding::Finding;
use super::name::quoted;
use corerest_api::{Callers, Function, Named};
use corerest_config::{Config, FunctionName, OpenApiMode};

/// A function that a key of the configuration names.
pub(super) struct NamedFunction<'a> {
    key: &'static str,
    /// As it is written in SQL.
    text: String,
    /// Where it is looked for; nowhere in particular if there is none.
    schemas: Vec<String>,
    name: &'a str,
    callers: Callers,
}

/// Those of this configuration that are called.
pub(super) fn named(config: &Config) -> Vec<NamedFunction<'_>> {
    let pre_config = config.db_pre_config.as_ref().filter(|_| config.db_config);
    // The path is that of the login role, which only it knows.
    let pre_config = pre_config.map(|name| function("db-pre-config", name, &[], Callers::Login));
    // Requests have another path, with the schema that they ask for: this is that of most.
    let first = config.db_schemas.get(..1).unwrap_or_default();
    let path = [first, &config.db_extra_search_path].concat();
    let pre_request = config.db_pre_request.as_ref();
    let pre_request =
        pre_request.map(|name| function("db-pre-request", name, &path, Callers::Requests));
    let root = config.db_root_spec.as_ref();
    let root = root.filter(|_| config.openapi_mode != OpenApiMode::Disabled);
    // It is called as /rpc/… is: its schema is that of the request, whatever is written before it.
    let root = root.map(|name| NamedFunction {
        schemas: first.to_vec(),
        ..function("db-root-spec", name, &[], Callers::Requests)
    });
    [pre_config, pre_request, root]
        .into_iter()
        .flatten()
        .collect()
}

fn function<'a>(
    key: &'static str,
    name: &'a FunctionName,
    path: &[String],
    callers: Callers,
) -> NamedFunction<'a> {
    let schemas = match &name.schema {
        Some(schema) => vec![schema.clone()],
        None => path.to_vec(),
    };
    let prefix = name.schema.as_deref().map(|schema| quoted(schema) + ".");
    NamedFunction {
        key,
        text: prefix.unwrap_or_default() + &quoted(&name.name),
        schemas,
        name: &name.name,
        callers,
    }
}

impl NamedFunction<'_> {
    /// What PostgreSQL is asked about it.
    pub(super) fn question(&self) -> Named<'_> {
        Named {
            schemas: &self.schemas,
            name: self.name,
            callers: self.callers,
        }
    }

    /// What its answer means.
    pub(super) fn judge(&self, found: &Function, anonymous: Option<&str>) -> Option<Finding> {
        let text = &self.text;
        if !found.is_there {
            let place = match self.schemas.as_slice() {
                [] => String::new(),
                schemas => format!(" in {}", schemas.join(", ")),
            };
            let message = format!("There is no function {text}{place}.");
            return Some(Finding::error(self.key, message));
        }
        if found.is_for_triggers {
            let message = format!("{text} is a function for triggers, and cannot be called.");
            return Some(Finding::error(self.key, message));
        }
        if found.is_ambiguous {
            let message = format!(
                "Several functions {text} can be called without arguments, so the call is refused \
                 as ambiguous."
            );
            return Some(Finding::error(self.key, message));
        }
        if !found.is_callable {
            let message = format!("{text} cannot be called without arguments.");
            return Some(Finding::error(self.key, message));
        }
        let roles = found.refuses.join(", ");
        let message = format!("{text} may not be called by {roles}.");
        let is_refused = |role: &str| found.refuses.iter().any(|refused| refused == role);
        let finding = match self.callers {
            _ if found.refuses.is_empty() => return None,
            Callers::Login => Finding::error(self.key, message),
            Callers::Requests if anonymous.is_some_and(is_refused) => {
                Finding::error(self.key, message)
            }
            Callers::Requests => Finding::warning(self.key, message),
        };
        let to: Vec<String> = found.refuses.iter().map(|role| quoted(role)).collect();
        Some(finding.remedy(format!(
            "GRANT EXECUTE ON FUNCTION {text}() TO {}; and USAGE on its schema.",
            to.join(", ")
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(schema: Option<&str>, name: &str) -> Option<FunctionName> {
        Some(FunctionName {
            schema: schema.map(str::to_owned),
            name: name.to_owned(),
        })
    }

    fn config() -> Config {
        Config {
            db_schemas: vec!["api".to_owned(), "other".to_owned()],
            db_extra_search_path: vec!["public".to_owned()],
            db_pre_config: parsed(Some("auth"), "settings"),
            db_pre_request: parsed(None, "check"),
            db_root_spec: parsed(Some("ignored"), "root"),
            ..Config::default()
        }
    }

    #[test]
    fn each_is_looked_for_where_it_is_called() {
        let config = config();
        let named = named(&config);
        let places: Vec<_> = named
            .iter()
            .map(|function| (function.key, function.name, function.schemas.join(",")))
            .collect();
        let places: Vec<_> = places
            .iter()
            .map(|(key, name, schemas)| (*key, *name, schemas.as_str()))
            .collect();
        assert_eq!(
            places,
            [
                ("db-pre-config", "settings", "auth"),
                ("db-pre-request", "check", "api,public"),
                ("db-root-spec", "root", "api"),
            ]
        );
    }

    #[test]
    fn what_is_not_called_is_not_looked_for() {
        let config = Config {
            db_config: false,
            openapi_mode: OpenApiMode::Disabled,
            db_pre_request: None,
            ..config()
        };
        assert!(named(&config).is_empty());
    }

    #[track_caller]
    fn check(found: &Function, expected: Option<(Severity, &str)>) {
        let config = config();
        let judged = named(&config)[1].judge(found, Some("anon"));
        let judged = judged.map(|finding| (finding.severity, finding.message));
        let expected = expected.map(|(severity, message)| (severity, message.to_owned()));
        assert_eq!(judged, expected);
    }

    use super::super::finding::Severity;

    #[test]
    fn a_function_is_there_and_may_be_called_by_all() {
        let mut found = Function::default();
        check(
            &found,
            Some((
                Severity::Error,
                "There is no function check in api, public.",
            )),
        );
        found.is_there = true;
        check(
            &found,
            Some((Severity::Error, "check cannot be called without arguments.")),
        );
        found.is_for_triggers = true;
        check(
            &found,
            Some((
                Severity::Error,
                "check is a function for triggers, and cannot be called.",
            )),
        );
        found.is_for_triggers = false;
        found.is_callable = true;
        check(&found, None);
        found.is_ambiguous = true;
        check(
            &found,
            Some((
                Severity::Error,
                "Several functions check can be called without arguments, so the call is refused \
                 as ambiguous.",
            )),
        );
        found.is_ambiguous = false;
        found.refuses = vec!["clerk".to_owned()];
        check(
            &found,
            Some((Severity::Warning, "check may not be called by clerk.")),
        );
        found.refuses.insert(0, "anon".to_owned());
        check(
            &found,
            Some((Severity::Error, "check may not be called by anon, clerk.")),
        );
    }
}
