//! The control plane: one thread that connects, loads the catalog, and keeps an eye on PostgreSQL.
//!
//! ```text
//!            ┌──────────────── loading ◀─────────────────────────────┐
//! start ──▶ loading ──loaded──▶ watching ──reload asked──▶           │
//!             │  ▲                  └──connection lost───────────────┘
//!      failed │  │ 1, 2, 4 … 32 s
//!             ▼  │
//!           waiting
//! ```
//! It works beside the cores, with a connection of its own, and publishes what it has loaded as a
//! new snapshot. A reload that fails leaves the old catalog serving.

use crate::auth::Authenticator;
use crate::boot::exit_with;
use crate::cores::Cores;
use crate::health::Health;
use crate::log;
use crate::snapshot::Snapshot;
use corerest_api::catalog::{self, Catalog, Scope};
use corerest_api::error::{DatabaseError, Error as ApiError};
use corerest_config::{Config, ErrorVerbosity};
use corerest_pg::connect::{self, ConnectError, OpenOptions, Target};
use corerest_pg::{Connection, Error, Preparation, Reply};
use corerest_sql::Ident;
use corerest_wire::pg::ServerError;
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

/// How often the idle connection is looked at.
const WATCH: Duration = Duration::from_millis(500);

/// The waits between attempts to connect double from one second up to this.
const RETRY_SECONDS_MAX: u64 = 32;

/// How long connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(30);

/// The oldest PostgreSQL that works, as `server_version_num` counts.
const PG_VERSION_MIN: i32 = 140_000;

/// What the control plane can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Load the catalog again.
    ReloadCatalog,
    /// A core could not reach PostgreSQL: see whether it is gone.
    Suspect,
    /// The server ends.
    Stop,
}

/// How the first attempts to load the catalog went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The first attempt is over.
    Attempted,
    /// The catalog is loaded.
    Loaded,
}

/// The control plane.
pub(crate) struct Control {
    pub(crate) config: Arc<Config>,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) target: Arc<Target>,
    pub(crate) cores: Arc<Cores>,
    pub(crate) health: Arc<Health>,
    pub(crate) commands: Receiver<Command>,
    pub(crate) progress: SyncSender<Progress>,
}

/// Why there is no catalog.
enum LoadError {
    Connect(ConnectError),
    Query(Error),
    Server(ServerError),
    Decode(String),
}

/// Whether the control plane goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Going {
    On,
    Stopping,
}

impl Control {
    /// The life of the thread.
    pub(crate) fn run(self) {
        let Some(mut connection) = self.load_until_loaded() else {
            return;
        };
        loop {
            let lost = match self.commands.recv_timeout(WATCH) {
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(Command::ReloadCatalog) => true,
                Ok(Command::Suspect) | Err(RecvTimeoutError::Timeout) => {
                    self.health.clear_suspicion();
                    connection.is_stale()
                }
            };
            if lost {
                match self.load_until_loaded() {
                    Some(fresh) => connection = fresh,
                    None => return,
                }
            }
        }
    }

    /// Tries until it succeeds, and returns the connection to watch; `None` when stopping.
    fn load_until_loaded(&self) -> Option<Connection> {
        let mut retry_seconds = 1;
        loop {
            match self.load() {
                Ok(connection) => {
                    self.health.on_loaded();
                    let _ = self.progress.try_send(Progress::Loaded);
                    return Some(connection);
                }
                Err(error) => self.on_load_failed(&error, retry_seconds),
            }
            let _ = self.progress.try_send(Progress::Attempted);
            if self.wait(Duration::from_secs(retry_seconds)) == Going::Stopping {
                return None;
            }
            retry_seconds = (retry_seconds * 2).min(RETRY_SECONDS_MAX);
        }
    }

    fn on_load_failed(&self, error: &LoadError, retry_seconds: u64) {
        log::error(&error.log_line(&self.config));
        if matches!(error, LoadError::Connect(error) if error.is_permanent()) {
            exit_with("");
        }
        self.health.on_failed(retry_seconds);
        let seconds =
            format!("Attempting to reconnect to the database in {retry_seconds} seconds...");
        log::error(&seconds);
    }

    fn wait(&self, duration: Duration) -> Going {
        let end = Instant::now() + duration;
        loop {
            let rest = end.saturating_duration_since(Instant::now());
            match self.commands.recv_timeout(rest) {
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => return Going::Stopping,
                Ok(Command::ReloadCatalog) => return Going::On,
                Ok(Command::Suspect) => self.health.clear_suspicion(),
                Err(RecvTimeoutError::Timeout) => return Going::On,
            }
        }
    }

    /// Connects, loads, publishes.
    fn load(&self) -> Result<Connection, LoadError> {
        let options = OpenOptions {
            attempt_timeout: CONNECT_MAX,
        };
        let session = connect::open(&self.target, &options).map_err(LoadError::Connect)?;
        session
            .warnings
            .iter()
            .for_each(|warning| log::warn(warning));
        let mut connection = Connection::new(session, Preparation::Unnamed);
        let catalog = self.load_catalog(&mut connection)?;
        let catalog = Some(Arc::new(catalog));
        self.cores.publish(Snapshot {
            config: Arc::clone(&self.config),
            authenticator: Arc::clone(&self.authenticator),
            catalog,
        });
        Ok(connection)
    }

    fn load_catalog(&self, connection: &mut Connection) -> Result<Catalog, LoadError> {
        let started = Instant::now();
        let mut document = fetch(
            connection,
            Scope {
                schemas: &idents(&self.config.db_schemas),
                extra_search_path: &idents(&self.config.db_extra_search_path),
            },
        )?;
        let queried = started.elapsed();
        let catalog = catalog::decode(&mut document);
        let catalog = catalog.map_err(|error| LoadError::Decode(error.to_string()))?;
        check_version(&catalog);
        log::notice(&format!(
            "Successfully connected to {}",
            catalog.pg_version.full_text
        ));
        log::notice(&format!(
            "Schema cache queried in {:.1} milliseconds",
            milliseconds(queried)
        ));
        log::notice(&format!("Schema cache loaded {}", catalog.summary()));
        let loaded = started.elapsed() - queried;
        log::notice(&format!(
            "Schema cache loaded in {:.1} milliseconds",
            milliseconds(loaded)
        ));
        Ok(catalog)
    }
}

fn idents(names: &[String]) -> Vec<Ident> {
    names.iter().map(|name| Ident::before_nul(name)).collect()
}

/// The document that describes the database.
fn fetch(connection: &mut Connection, scope: Scope<'_>) -> Result<Vec<u8>, LoadError> {
    let statements = catalog::statements(scope);
    let last = statements.len() - 1;
    connection.send(&statements).map_err(LoadError::Query)?;
    let mut document = Vec::new();
    let mut failed = None;
    loop {
        if connection.is_broken() {
            return failed.map_or(Ok(document), |error| Err(LoadError::Server(error)));
        }
        match connection.next_reply().map_err(LoadError::Query)? {
            Reply::Row(row) if row.statement == last => {
                connection
                    .take_body(&mut document, usize::MAX)
                    .map_err(LoadError::Query)?;
            }
            Reply::Row(_) => {}
            Reply::Failed(error) => failed = Some(error),
            Reply::Done => return failed.map_or(Ok(document), |e| Err(LoadError::Server(e))),
        }
    }
}

fn check_version(catalog: &Catalog) {
    let version = &catalog.pg_version;
    if version.number < PG_VERSION_MIN {
        exit_with(&format!(
            "Cannot run in this PostgreSQL version ({}), CoreREST needs at least {}",
            version.text,
            PG_VERSION_MIN / 10_000,
        ));
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

impl LoadError {
    fn log_line(&self, config: &Config) -> String {
        let json =
            String::from_utf8_lossy(&self.api_error().response(ErrorVerbosity::Verbose).body)
                .into_owned();
        match self {
            LoadError::Connect(_) => format!("Failed to establish a connection. {json}"),
            _ => format!(
                "Failed to load the schema cache using db-schemas={} and \
                 db-extra-search-path={}. {json}",
                config.db_schemas.join(","),
                config.db_extra_search_path.join(","),
            ),
        }
    }

    fn api_error(&self) -> ApiError {
        match self {
            LoadError::Connect(error) => ApiError::DatabaseConnection {
                details: Some(error.message()),
            },
            LoadError::Query(error) => ApiError::DatabaseClient {
                details: Some(error.to_string()),
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

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}
