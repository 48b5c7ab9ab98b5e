//! What is loaded from the database, apart from what requests ask for: the version of the server,
//! the configuration and the settings of roles that are kept in it, and the catalog.
//!
//! Each load has a connection of its own, so that it sees the settings that the login role has
//! now. The statements and the meaning of their answers are `corerest-api`'s.

use crate::log;
use corerest_api::{
    Catalog, DatabaseError, DecodeError, Error as ApiError, OneDocument, PgVersion,
};
use corerest_api::{RoleSettings, Scope, ask_catalog, ask_database_config, ask_role_settings};
use corerest_api::{ask_version, decode_catalog, decode_database_config, decode_role_settings};
use corerest_api::{decode_version, pause_statement};
use corerest_config::{Config, ErrorVerbosity, FunctionName};
use corerest_pg::connect::{self, ConnectError, OpenOptions, Target};
use corerest_pg::{Connection, Error, Preparation, Reply};
use corerest_sql::{Ident, Statement};
use corerest_wire::pg::ServerError;
use std::time::{Duration, Instant};

/// How long connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(30);

/// What is said of a connection that had broken before.
pub(crate) const GONE: &str = "no connection to the server";

/// Why something could not be loaded.
#[derive(Debug)]
pub(crate) enum LoadError {
    /// PostgreSQL could not be reached.
    Connect(ConnectError),
    /// The connection broke.
    Query(Box<Error>),
    /// The connection had broken before.
    Gone,
    /// PostgreSQL refused the query.
    Server(ServerError),
    /// PostgreSQL answered with something else.
    Decode(String),
}

/// A catalog, and how long it took.
#[derive(Debug)]
pub(crate) struct LoadedCatalog {
    pub(crate) catalog: Catalog,
    /// To ask PostgreSQL.
    pub(crate) queried: Duration,
    /// To make the catalog of its answer.
    pub(crate) decoded: Duration,
}

/// Connects, and finds out to what.
pub(crate) fn connect(target: &Target) -> Result<(Connection, PgVersion), LoadError> {
    let options = OpenOptions {
        attempt_timeout: CONNECT_MAX,
    };
    let session = connect::open(target, &options).map_err(LoadError::Connect)?;
    session
        .warnings
        .iter()
        .for_each(|warning| log::warn(warning));
    let mut connection = Connection::new(session, Preparation::Unnamed);
    let mut document = ask_for(&mut connection, &ask_version())?;
    let version = decode_version(&mut document).map_err(not_decoded)?;
    Ok((connection, version))
}

/// The configuration in the database.
pub(crate) fn load_database_config(
    connection: &mut Connection,
    pre_config: Option<&FunctionName>,
) -> Result<Vec<(String, String)>, LoadError> {
    let question = ask_database_config(pre_config);
    let mut document = ask_for(connection, &question)?;
    decode_database_config(&mut document).map_err(not_decoded)
}

/// The settings of the roles that requests may run as.
pub(crate) fn load_role_settings(
    connection: &mut Connection,
    version: &PgVersion,
) -> Result<RoleSettings, LoadError> {
    let question = ask_role_settings(version.number);
    let mut document = ask_for(connection, &question)?;
    decode_role_settings(&mut document).map_err(not_decoded)
}

/// The catalog.
pub(crate) fn load_catalog(
    connection: &mut Connection,
    config: &Config,
) -> Result<LoadedCatalog, LoadError> {
    let started = Instant::now();
    let pause = |milliseconds: Option<i64>| milliseconds.map(pause_statement);
    let question = ask_catalog(Scope {
        schemas: &idents(&config.db_schemas),
        extra_search_path: &idents(&config.db_extra_search_path),
    });
    let question = question.between(
        pause(config.internal_schema_cache_query_sleep_before_queries),
        pause(config.internal_schema_cache_query_sleep),
    );
    let mut document = ask_for(connection, &question)?;
    let queried = started.elapsed();
    let catalog = decode_catalog(&mut document).map_err(not_decoded)?;
    Ok(LoadedCatalog {
        catalog,
        queried,
        decoded: started.elapsed() - queried,
    })
}

/// The one document that is asked for.
fn ask_for(connection: &mut Connection, question: &OneDocument) -> Result<Vec<u8>, LoadError> {
    let documents = execute(connection, question.statements(), Some(question.asks()))?;
    match <[Vec<u8>; 1]>::try_from(documents) {
        Ok([document]) => Ok(document),
        Err(documents) => Err(LoadError::Decode(format!(
            "{} rows came where one was asked for",
            documents.len()
        ))),
    }
}

/// Executes statements, and returns the last column of each row of one of them.
pub(crate) fn execute(
    connection: &mut Connection,
    statements: &[Statement],
    wanted: Option<usize>,
) -> Result<Vec<Vec<u8>>, LoadError> {
    if connection.is_broken() {
        return Err(LoadError::Gone);
    }
    connection.send(statements, &[])?;
    let mut documents = Vec::new();
    let mut failed = None;
    loop {
        match connection.next_reply()? {
            Reply::Row(row) if Some(row.statement) == wanted => {
                let mut document = Vec::new();
                connection.take_body(&mut document, usize::MAX)?;
                documents.push(document);
            }
            Reply::Row(_) => {}
            Reply::Failed(error) => failed = Some(error),
            Reply::Done => return failed.map_or(Ok(documents), |e| Err(LoadError::Server(e))),
        }
        if connection.is_broken() {
            return failed.map_or(Err(LoadError::Gone), |e| Err(LoadError::Server(e)));
        }
    }
}

fn idents(names: &[String]) -> Vec<Ident> {
    names.iter().map(|name| Ident::before_nul(name)).collect()
}

fn not_decoded(error: DecodeError) -> LoadError {
    LoadError::Decode(error.to_string())
}

impl From<Error> for LoadError {
    fn from(error: Error) -> LoadError {
        LoadError::Query(Box::new(error))
    }
}

impl LoadError {
    /// Whether only a change of the configuration can help.
    pub(crate) fn is_permanent(&self) -> bool {
        matches!(self, LoadError::Connect(error) if error.is_permanent())
    }

    /// Whether PostgreSQL was there.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self, LoadError::Server(_) | LoadError::Decode(_))
    }

    /// What clients would be told, as the log shows it.
    pub(crate) fn json(&self) -> String {
        let response = self.api_error().response(ErrorVerbosity::Verbose);
        String::from_utf8_lossy(&response.body).into_owned()
    }

    fn api_error(&self) -> ApiError {
        match self {
            LoadError::Connect(error) => ApiError::DatabaseConnection {
                details: Some(error.message()),
            },
            LoadError::Query(error) => ApiError::DatabaseClient {
                details: Some(error.to_string()),
            },
            LoadError::Gone => ApiError::DatabaseClient {
                details: Some(GONE.to_owned()),
            },
            LoadError::Server(error) => ApiError::Database(DatabaseError {
                code: error.code.clone(),
                message: error.message.clone(),
                detail: error.detail.clone(),
                hint: error.hint.clone(),
                authenticated: false,
            }),
            LoadError::Decode(text) => ApiError::Internal {
                details: text.clone(),
            },
        }
    }
}
