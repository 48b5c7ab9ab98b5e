//! The ceiling: the statements of a request, sent by a client that does nothing else.
//!
//! ```text
//! Scenario ──prepare (the server's own)──▶ statements, values ──▶ ceiling/<name>.sql ──▶ pgbench
//! ```
//! One flush, one Sync, hence one implicit transaction, as the server has it. The values of the
//! request come as variables (`--define`), so that they are parameters here, too. The files are
//! written from the catalog of the running database, and a test compares them with what the
//! recorded catalog gives: they show in a diff how a change of the server changes its SQL.

use std::ffi::OsString;
use std::fmt::Write;
use std::io;
use std::os::unix::ffi::OsStringExt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use corerest_api::internals::prepare;
use corerest_api::{Batch, Catalog, ClaimRules, Claims, Context, HttpRequest, Identity, Prepared};
use corerest_api::{RoleSettings, bearer_token};
use corerest_config::{Config, Sources};
use corerest_sql::{Param, Statement};

use crate::request::{HOST, Request};
use crate::scenario::{SETTINGS, Scenario};

/// The number that the statements are made with. A value that equals it becomes a random one
/// again; one that only contains it stays as it is, for pgbench cannot put texts together.
const SAMPLE_ID: u32 = 4_711;
/// As much of a value as its comment shows.
const SHOWN_CHARS_MAX: usize = 70;

/// A pgbench script with what it needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The script.
    pub text: String,
    /// The role of the request. pgbench prepares its statements before it has switched roles,
    /// which takes a role that may use the tables.
    pub role: String,
    /// The variables that do not change: `name=value`.
    pub definitions: Vec<OsString>,
}

/// The script of a scenario; `None` if its request needs no database.
pub fn script(scenario: &Scenario, catalog: &Catalog) -> io::Result<Option<Script>> {
    let config = config()?;
    let request = scenario.request().with_id(SAMPLE_ID);
    let caller = caller(&config, &request)?;
    let role = caller.role.clone();
    let Some(batch) = batch(&config, catalog, &request, caller) else {
        return Ok(None);
    };
    let mut writer = Writer {
        body: request.body.as_bytes(),
        statements: String::new(),
        comments: String::new(),
        definitions: Vec::new(),
        values: 0,
    };
    for statement in &batch.statements {
        writer.write_statement(statement)?;
    }
    Ok(Some(Script {
        text: writer.finish(scenario),
        role: role.to_string(),
        definitions: writer.definitions,
    }))
}

/// The statement that answers a request, as SQL for psql: prepared, so that its parameters stay
/// parameters, and executed.
pub fn executed(request: &Request, catalog: &Catalog) -> io::Result<[String; 2]> {
    let config = config()?;
    let caller = caller(&config, request)?;
    let batch = batch(&config, catalog, request, caller);
    let batch = batch.ok_or_else(|| io::Error::other("the request needs no database"))?;
    // What comes before it are settings.
    let statement = batch.statements.last().expect("a batch has statements");
    let values: Vec<String> = statement
        .params
        .iter()
        .map(|value| match value {
            Param::Value(bytes) => quoted(&String::from_utf8_lossy(bytes)),
            Param::RequestBody => quoted(&request.body),
            Param::Null => "null".to_owned(),
        })
        .collect();
    let arguments = match &values[..] {
        [] => String::new(),
        some => format!("({})", some.join(", ")),
    };
    let text = statement.text.as_str();
    Ok([
        format!("prepare request as {text}"),
        format!("execute request{arguments}"),
    ])
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The configuration that the server is started with.
pub(crate) fn config() -> io::Result<Config> {
    let environment = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let loaded = Config::load(Sources {
        environment: &environment,
        ..Sources::default()
    });
    Ok(loaded.map_err(|error| invalid(&error))?.config)
}

/// Whose request it is. The server has verified the token when it gets here.
pub(crate) fn caller(config: &Config, request: &Request) -> io::Result<Identity> {
    let mut headers = request.headers.iter();
    let header = headers.find(|(name, _)| name == "Authorization");
    let token = header.and_then(|(_, value)| bearer_token(value.as_bytes()));
    let claims = match token.map(|token| token.split(|byte| *byte == b'.').nth(1)) {
        None => b"{}".to_vec(),
        Some(payload) => URL_SAFE_NO_PAD
            .decode(payload.unwrap_or_default())
            .map_err(|error| invalid(&error))?,
    };
    Claims::parse(&claims)
        .and_then(|claims| ClaimRules::new(config).identify(config, &claims, 0))
        .map_err(|error| io::Error::other(format!("{error:?}")))
}

fn batch(config: &Config, catalog: &Catalog, request: &Request, caller: Identity) -> Option<Batch> {
    let headers = Headers::of(request);
    let context = Context {
        config,
        catalog: Some(catalog),
        role_settings: &RoleSettings::default(),
        shapes: None,
    };
    match prepare(
        &context,
        &headers.http(request, &headers.lines()),
        Ok(caller),
    ) {
        Prepared::Ask(batch, _) => Some(batch),
        Prepared::Reply(_) => None,
    }
}

/// The headers of a request as the server gets them, with those that clients add.
pub(crate) struct Headers<'a> {
    own: &'a [(String, String)],
    length: Option<String>,
}

impl<'a> Headers<'a> {
    pub(crate) fn of(request: &'a Request) -> Self {
        let length = request.body.len();
        Self {
            own: &request.headers,
            length: (length > 0).then(|| length.to_string()),
        }
    }

    /// Names and values.
    pub(crate) fn lines(&self) -> Vec<(&str, &[u8])> {
        let own = self.own.iter();
        let own = own.map(|(name, value)| (name.as_str(), value.as_bytes()));
        let length = self.length.iter();
        let length = length.map(|length| ("Content-Length", length.as_bytes()));
        [("Host", HOST.as_bytes())]
            .into_iter()
            .chain(own)
            .chain(length)
            .collect()
    }

    /// The request with them.
    pub(crate) fn http<'r>(
        &self,
        request: &'r Request,
        lines: &'r [(&'r str, &'r [u8])],
    ) -> HttpRequest<'r> {
        let target = request.target.as_str();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        HttpRequest {
            method: &request.method,
            path,
            query,
            headers: lines,
            body: request.body.as_bytes(),
        }
    }
}

struct Writer<'a> {
    /// The body of the request, which a statement may name as a value.
    body: &'a [u8],
    statements: String,
    comments: String,
    definitions: Vec<OsString>,
    values: usize,
}

impl Writer<'_> {
    fn write_statement(&mut self, statement: &Statement) -> io::Result<()> {
        let mut rest = statement.text.as_str();
        check_colons(rest)?;
        for (index, value) in statement.params.iter().enumerate() {
            let placeholder = format!("${}", index + 1);
            let (before, after) = rest.split_once(&placeholder).ok_or_else(|| {
                io::Error::other(format!("{placeholder} is not where it should be"))
            })?;
            self.statements.push_str(before);
            self.write_value(value);
            rest = after;
        }
        let _ = writeln!(self.statements, "{rest};");
        Ok(())
    }

    fn write_value(&mut self, value: Param<'_>) {
        let bytes = match value {
            Param::Value(bytes) => bytes,
            Param::RequestBody => self.body,
            // What is not defined is NULL to pgbench.
            Param::Null => return self.statements.push_str(":nothing"),
        };
        if bytes == SAMPLE_ID.to_string().as_bytes() {
            return self.statements.push_str(":id");
        }
        if bytes.is_empty() {
            // It cannot be defined, but any type takes it.
            return self.statements.push_str("''");
        }
        self.values += 1;
        let name = format!("v{}", self.values);
        let _ = write!(self.statements, ":{name}");
        let _ = writeln!(self.comments, "--   {name}: {}", shown(bytes));
        let definition = [name.as_bytes(), b"=", bytes].concat();
        self.definitions.push(OsString::from_vec(definition));
    }

    fn finish(&self, scenario: &Scenario) -> String {
        let Scenario {
            method,
            target,
            id_max,
            ..
        } = scenario;
        format!(
            "-- {method} {target}, with\n{}-- Written by the benchmark from what the server would \
             send; see perf/ceiling.rs.\n\\set id random(1, {id_max})\n\\startpipeline\n\
             {}\\endpipeline\n",
            self.comments, self.statements
        )
    }
}

/// pgbench takes each name behind a single colon for a variable, also inside of a literal.
fn check_colons(text: &str) -> io::Result<()> {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii();
    let bytes = text.as_bytes();
    let is_variable = |at: usize| {
        bytes[at] == b':'
            && (at == 0 || bytes[at - 1] != b':')
            && bytes.get(at + 1).is_some_and(is_name)
    };
    if (0..bytes.len()).any(is_variable) {
        return Err(io::Error::other(format!(
            "pgbench would read a variable in: {text}"
        )));
    }
    Ok(())
}

fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).replace('\n', " ");
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        None => text,
        Some((end, _)) => format!("{} … ({} bytes)", &text[..end], bytes.len()),
    }
}

fn invalid(error: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::SCENARIOS;
    use std::fs;
    use std::path::Path;

    /// `UPDATE=1` writes the files anew; a change of the schema takes `scripts/bench --record`.
    #[test]
    fn the_scripts_are_what_the_server_would_send() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("ceiling");
        let mut document = fs::read(folder.join("catalog.json")).expect("it is recorded");
        let catalog = corerest_api::decode_catalog(&mut document).expect("it is a catalog");
        let is_update = std::env::var_os("UPDATE").is_some_and(|value| value == "1");
        for scenario in &SCENARIOS {
            let path = folder.join(scenario.name).with_extension("sql");
            let script = script(scenario, &catalog).expect("pgbench can run it");
            let Some(script) = script else {
                assert!(!path.exists(), "{} needs no database", scenario.name);
                continue;
            };
            if is_update {
                fs::write(&path, &script.text).expect("the folder is ours");
            }
            let file = fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(file, script.text, "{}: run with UPDATE=1", path.display());
        }
    }

    #[test]
    fn psql_executes_what_the_server_would_send() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("ceiling");
        let mut document = fs::read(folder.join("catalog.json")).expect("it is recorded");
        let catalog = corerest_api::decode_catalog(&mut document).expect("it is a catalog");
        let request = Request::get("/items?name=eq.it's&limit=3");
        let [prepare, execute] = executed(&request, &catalog).expect("it needs the database");
        assert!(
            prepare.starts_with("prepare request as SELECT"),
            "{prepare}"
        );
        assert!(execute.starts_with("execute request('it''s'"), "{execute}");
    }

    #[test]
    fn a_colon_that_pgbench_would_misread_is_refused() {
        for text in [
            "SELECT 1::bigint",
            "f(\"a\" := 1)",
            "': '",
            "'{\"a\":\"b\"}'",
        ] {
            assert!(check_colons(text).is_ok(), "{text}");
        }
        for text in ["'a:b'", "x[1:2]", ":a"] {
            assert!(check_colons(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_long_value_is_shown_in_part() {
        assert_eq!(shown(b"short"), "short");
        assert!(shown(&[b'x'; 500]).ends_with("x … (500 bytes)"));
    }
}
