//! `--check`: what is wrong with a configuration, and with the database that it leads to, in plain
//! words, before production finds out.
//!
//! An error is what keeps the server, or a part of what is configured, from working; a warning is
//! what works, and may not be meant. Nothing is changed, and nothing is served.

mod finding;
mod functions;
mod judgement;
mod name;
mod replicas;

use crate::boot;
use crate::cli::OutputFormat;
use crate::control::conversation::{Conversation, LoadError};
use crate::control::loading;
use crate::control::reload::Configuration;
use crate::control::sources::ConfigSources;
use crate::log;
use corerest_api::Named;
use corerest_config::Config;
use finding::{Finding, Severity};
use functions::NamedFunction;
use judgement::Session;
use std::fmt::Write;
use std::thread;
use std::time::Duration;

/// What was found, as it is printed, and whether there is no error in it.
pub(crate) struct Report {
    pub(crate) text: String,
    pub(crate) is_good: bool,
}

/// Looks at the configuration in this file and in the environment.
pub(crate) fn check(file: Option<&str>, format: OutputFormat) -> Report {
    let mut findings = Vec::new();
    match Configuration::load(ConfigSources::of_process(file)) {
        Ok(configuration) => look_at(configuration, &mut findings),
        Err(reason) => findings.push(Finding::error("configuration", reason)),
    }
    // Stable, so that those of one severity stay in the order in which things were looked at.
    findings.sort_by_key(|finding| finding.severity);
    Report {
        text: match format {
            OutputFormat::Text => as_text(&findings),
            OutputFormat::Json => as_json(&findings),
        },
        is_good: count(&findings, Severity::Error) == 0,
    }
}

fn look_at(mut configuration: Configuration, findings: &mut Vec<Finding>) {
    if let Err(finding) = look_at_database(&mut configuration, findings) {
        findings.push(finding);
    }
    look_at_keys(&configuration, findings);
    let warnings = configuration.warnings().iter();
    findings.extend(warnings.map(|warning| Finding::warning("configuration", warning.as_str())));
    findings.extend(judgement::of_configuration(&configuration.config));
}

/// Fetches from each who publishes keys, once, all of them at the same time.
fn look_at_keys(configuration: &Configuration, findings: &mut Vec<Finding>) {
    let sources = configuration.authenticator.sources();
    let fetcher = &configuration.fetcher;
    thread::scope(|scope| {
        let fetches: Vec<_> = sources
            .iter()
            .map(|source| (source, scope.spawn(|| fetcher.fetch(source, None))))
            .collect();
        for (source, fetch) in fetches {
            let fetched = fetch.join();
            let fetched = fetched.unwrap_or_else(|_| Err("a bug of this program".to_owned()));
            findings.extend(judgement::of_keys(source, fetched.map(|it| it.keys)));
        }
    });
}

/// How long PostgreSQL may say nothing before there is no more waiting for it.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Connects, reads what the database says about the configuration, and asks it for the facts.
fn look_at_database(
    configuration: &mut Configuration,
    findings: &mut Vec<Finding>,
) -> Result<(), Finding> {
    let unreachable = |reason: String| Finding::error("db-uri", reason);
    let target = boot::target(&configuration.config);
    let target = target.map_err(|error| unreachable(error.to_string()))?;
    // Without a witness, who would find out that an answer takes its time: whoever asks now wants
    // to hear that there is none.
    let (mut conversation, version) =
        Conversation::begin(&target, None).map_err(|error| unreachable(plain(error)))?;
    conversation.connection().set_patience(SILENCE_MAX);
    if configuration.config.db_config {
        configuration.read_database(&mut conversation, &version);
        // File and environment were right without the database.
        configuration.reload().map_err(|reason| {
            let message = format!("The settings in the database are wrong: {reason}");
            Finding::error("configuration", message)
        })?;
    }
    let config: &Config = &configuration.config;
    let named = functions::named(config);
    let asked: Vec<Named<'_>> = named.iter().map(NamedFunction::question).collect();
    let facts = loading::load_facts(&mut conversation, config, &asked)
        .map_err(|error| unreachable(plain(error)))?;
    let connection = conversation.connection();
    let session = Session {
        process_id: connection.server_process(),
        is_local: connection.address().is_local(),
    };
    findings.extend(judgement::of_facts(config, &facts, session));
    for (function, fact) in named.iter().zip(&facts.functions) {
        findings.extend(function.judge(fact, config.db_anon_role.as_deref()));
    }
    if !config.db_uri_read_replicas.is_empty() {
        let primary =
            replicas::standing(&mut conversation).map_err(|error| unreachable(plain(error)))?;
        findings.extend(replicas::look_at(config, &primary, plain));
    }
    let is_known_to_fail = count(findings, Severity::Error) > 0;
    if !is_known_to_fail && let Err(error) = loading::load_catalog(&mut conversation, config) {
        let message = format!("The schema cache cannot be loaded: {}", plain(error));
        findings.push(Finding::error("db-schemas", message));
    }
    Ok(())
}

fn plain(error: LoadError) -> String {
    match error {
        LoadError::Connect(error) => error.to_string(),
        LoadError::Server(error) => error.to_string(),
        other => other.json(),
    }
}

fn count(findings: &[Finding], severity: Severity) -> usize {
    let those = findings.iter().filter(|found| found.severity == severity);
    those.count()
}

fn as_text(findings: &[Finding]) -> String {
    let mut out = String::new();
    for Finding {
        severity,
        about,
        message,
        remedy,
    } in findings
    {
        let _ = writeln!(out, "{}: {about}: {message}", severity.word());
        if let Some(remedy) = remedy {
            let _ = writeln!(out, "    {remedy}");
        }
    }
    let errors = count(findings, Severity::Error);
    let warnings = count(findings, Severity::Warning);
    let _ = match errors + warnings {
        0 => writeln!(out, "Nothing is wrong."),
        _ => writeln!(out, "errors: {errors}, warnings: {warnings}"),
    };
    out
}

fn as_json(findings: &[Finding]) -> String {
    let mut out = format!(
        "{{\"errors\":{},\"warnings\":{},\"findings\":[",
        count(findings, Severity::Error),
        count(findings, Severity::Warning)
    );
    for (index, finding) in findings.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        let _ = write!(
            out,
            "{{\"severity\":\"{}\",\"about\":{},\"message\":{},\"remedy\":{}}}",
            finding.severity.word(),
            log::json_text(finding.about),
            log::json_text(&finding.message),
            finding
                .remedy
                .as_deref()
                .map_or("null".to_owned(), log::json_text),
        );
    }
    out.push_str("]}\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_text_or_json() {
        let findings = [
            Finding::error("db-anon-role", "a \"b\"").remedy("CREATE ROLE"),
            Finding::warning("db-pool", "c"),
        ];
        assert_eq!(
            as_text(&findings),
            "error: db-anon-role: a \"b\"\n    CREATE ROLE\nwarning: db-pool: c\n\
             errors: 1, warnings: 1\n"
        );
        assert_eq!(
            as_json(&findings),
            r#"{"errors":1,"warnings":1,"findings":[{"severity":"error","about":"db-anon-role",
            "message":"a \"b\"","remedy":"CREATE ROLE"},{"severity":"warning","about":"db-pool",
            "message":"c","remedy":null}]}"#
                .replace("\n            ", "")
                + "\n"
        );
        assert_eq!(as_text(&[]), "Nothing is wrong.\n");
    }
}
