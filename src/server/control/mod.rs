//! The control plane: one thread that connects, loads, publishes, and keeps an eye on PostgreSQL.
//!
//! ```text
//!            ┌──────────────── loading ◀─────────────────────────────┐
//! start ──▶ loading ──loaded──▶ watching ──reload asked──▶           │
//!             │  ▲                  └──connection lost───────────────┘
//!      failed │  │ 1, 2, 4 … 32 s
//!             ▼  │
//!           waiting
//! ```
//! It works beside the cores and publishes what it has loaded as a new snapshot. A reload that
//! fails leaves the old catalog serving, and a configuration that is wrong changes nothing. While
//! the listener is connected, its connection tells that PostgreSQL is there; without a listener
//! this thread keeps one open for that.

mod backoff;
pub(crate) mod conversation;
pub(crate) mod ear;
pub(crate) mod following;
pub(crate) mod inquiry;
pub(crate) mod keys;
pub(crate) mod listener;
pub(crate) mod loading;
pub(crate) mod reload;
pub(crate) mod sources;
pub(crate) mod systemd;

use crate::cores::Cores;
use crate::exit::exit_with;
use crate::log;
use crate::state::health::{Health, Listening};
use crate::state::orders::{Order, Orders};
use crate::state::snapshot::Snapshot;
use backoff::Backoff;
use conversation::{Conversation, LoadError, Witness};
use corerest_api::channel;
use corerest_api::{Catalog, PgVersion, Shapes};
use corerest_config::Config;
use corerest_pg::Preparation;
use corerest_pg::connect::SharedTarget;
use inquiry::Inquiry;
use keys::KeyKeeper;
use listener::Wanted;
use loading::LoadedCatalog;
use reload::{Configuration, log_database_unreadable};
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant};

/// How often the idle connection is looked at.
const WATCH: Duration = Duration::from_millis(500);

/// How long after somebody was told to look again he is told the next time.
const LOOK_PAUSE: Duration = Duration::from_millis(200);

/// How long after a reload the next one of the same kind begins at the earliest.
const RELOAD_PAUSE: Duration = Duration::from_millis(100);

/// How long after a look at a database that was suspected the next one is taken.
const SUSPECT_PAUSE: Duration = Duration::from_secs(1);

/// Where a connection was closed for another one of ours: how often that is tried, and how long
/// after the last time. One that is in use comes back when its request is over.
const ROOM_LOOKS: u32 = 50;
const ROOM_LOOK: Duration = Duration::from_millis(20);

/// How long the first load waits for the listener to be ready, so that nothing is missed between
/// the two.
const LISTENER_WAIT_MAX: Duration = Duration::from_secs(1);

/// The oldest PostgreSQL that works, as `server_version_num` counts.
const PG_VERSION_MIN: i32 = 140_000;

/// How the first attempts to load the catalog went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The first attempt is over.
    Attempted,
    /// The catalog is loaded.
    Loaded,
    /// The server ends, and does not wait for the catalog.
    Stopped,
}

/// The control plane.
pub(crate) struct Control {
    pub(crate) configuration: Configuration,
    pub(crate) target: Arc<SharedTarget>,
    pub(crate) inquiry: Arc<Inquiry>,
    pub(crate) cores: Arc<Cores>,
    pub(crate) health: Arc<Health>,
    pub(crate) orders: Arc<Orders>,
    pub(crate) wanted: Arc<Wanted>,
    pub(crate) progress: SyncSender<Progress>,
    pub(crate) keys: KeyKeeper,
    pub(crate) catalog: Option<Arc<Catalog>>,
    /// The idle connection that tells that PostgreSQL is there.
    pub(crate) watched: Option<Conversation>,
    /// When the last load began that succeeded.
    pub(crate) loaded_since: Option<Instant>,
    /// Whether a connection of a request's was closed for one that could not be opened so far.
    pub(crate) has_made_room: bool,
    /// Whether something was published while streams went on that have begun before.
    pub(crate) has_published: bool,
}

/// Whether the control plane goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Going {
    On,
    Stopping,
}

impl Control {
    /// The life of the thread.
    pub(crate) fn run(mut self) {
        if self.await_listener() == Going::Stopping || self.load_catalog() == Going::Stopping {
            return;
        }
        loop {
            let going = match self.orders.next(Instant::now() + WATCH) {
                Some(Order::Stop) => Going::Stopping,
                Some(Order::ReloadCatalog) => self.load_catalog(),
                Some(Order::ReloadConfig) => self.reload_config(),
                Some(Order::Listener) if self.has_missed_notifications() => self.load_catalog(),
                Some(Order::Listener) => Going::On,
                Some(Order::Suspect) => self.look(),
                Some(Order::LookAgain) => self.hurry_listener(),
                None if self.is_watching_lost() => self.load_catalog(),
                None => Going::On,
            };
            if going == Going::Stopping {
                return;
            }
        }
    }

    /// Waits for the first attempt of the listener. What it hears before the first load is no
    /// reason for a second one.
    fn await_listener(&self) -> Going {
        if !self.config().db_channel_enabled {
            return Going::On;
        }
        let deadline = Instant::now() + LISTENER_WAIT_MAX;
        loop {
            match self.orders.next(deadline) {
                Some(Order::Stop) => return Going::Stopping,
                Some(Order::Listener) | None => return Going::On,
                Some(
                    Order::ReloadConfig | Order::ReloadCatalog | Order::Suspect | Order::LookAgain,
                ) => {}
            }
        }
    }

    fn config(&self) -> &Config {
        &self.configuration.config
    }

    /// Whether something may have been told after the last load had begun, and before anybody
    /// listened.
    fn has_missed_notifications(&self) -> bool {
        match (self.health.listening(), self.loaded_since) {
            (Listening::Since(listening), Some(loaded)) => loaded < listening,
            (Listening::Off | Listening::Down | Listening::Since(_), _) => false,
        }
    }

    /// Whether the connection that is watched is gone. Without a listener there has to be one.
    fn is_watching_lost(&mut self) -> bool {
        if self.config().db_channel_enabled {
            self.watched = None;
            return false;
        }
        self.loaded_since.is_some() && self.watched.as_mut().is_none_or(is_stale)
    }

    /// Sees whether PostgreSQL is gone.
    fn look(&mut self) -> Going {
        self.health.clear_suspicion();
        self.orders.rest(Order::Suspect, SUSPECT_PAUSE);
        // What has taken one connection away without a word may have taken others.
        self.inquiry.hurry();
        let is_lost = match &mut self.watched {
            Some(watched) => is_stale(watched),
            None => match self.connect() {
                Ok(_) => false,
                // It is there, and those who are connected are served.
                Err(error) => !error.is_for_want_of_room(),
            },
        };
        if is_lost {
            return self.load_catalog();
        }
        Going::On
    }

    /// Somebody wants to know whether the server is ready, and it is not for want of the listener.
    fn hurry_listener(&self) -> Going {
        self.orders.rest(Order::LookAgain, LOOK_PAUSE);
        if self.health.listening() == Listening::Down {
            self.wanted.hurry();
        }
        Going::On
    }

    fn connect(&self) -> Result<(Conversation, PgVersion), LoadError> {
        let witness: Arc<dyn Witness> = self.inquiry.clone();
        Conversation::begin(&self.target.current(), Some(witness))
    }

    /// The same, for what must not wait until there is room: requests can do without one of their
    /// connections for a moment. PostgREST reloads through its pool, so there may be as many as
    /// that and the listener's. Should others be quicker to take the room, no more is made before
    /// there was some.
    fn connect_at_once(&mut self) -> Result<(Conversation, PgVersion), LoadError> {
        let mut connected = self.connect();
        if is_for_want_of_room(&connected) && !self.has_made_room && self.cores.make_room() {
            self.has_made_room = true;
            for _ in 0..ROOM_LOOKS {
                thread::sleep(ROOM_LOOK);
                connected = self.connect();
                if !is_for_want_of_room(&connected) {
                    break;
                }
            }
            self.cores.end_making_room();
        }
        self.has_made_room &= connected.is_err();
        connected
    }

    /// Tries until the catalog is loaded, or until trying again is of no use.
    fn load_catalog(&mut self) -> Going {
        self.orders.withdraw(Order::ReloadCatalog);
        let mut backoff = Backoff::new();
        let mut has_lost_one = false;
        loop {
            self.watched = None;
            let is_reload = self.loaded_since.is_some();
            if is_reload {
                systemd::reloading();
            }
            let loaded = self.try_load();
            self.end_outdated_streams();
            if is_reload {
                // Also when it has failed: requests are answered from the old catalog.
                systemd::ready();
            }
            let error = match loaded {
                Ok(()) => {
                    if self.health.listening() == Listening::Down {
                        self.wanted.hurry();
                    }
                    let _ = self.progress.try_send(Progress::Loaded);
                    self.orders.rest(Order::ReloadCatalog, RELOAD_PAUSE);
                    return Going::On;
                }
                Err(error) => error,
            };
            // One connection may be lost while others are well: nobody need hear of that.
            if error.is_loss() && is_reload && !std::mem::replace(&mut has_lost_one, true) {
                log::warn(&format!("Loading the schema cache again. {}", error.json()));
                continue;
            }
            self.on_load_failed(&error);
            if self.has_another_password(&error) {
                continue;
            }
            if !self.config().db_pool_automatic_recovery {
                // PostgREST does not try a failed query again either.
                let _ = self.progress.try_send(Progress::Attempted);
                return Going::On;
            }
            let retry_seconds = backoff.next();
            self.health.on_retry_in(retry_seconds);
            let _ = self.progress.try_send(Progress::Attempted);
            log::notice(&format!(
                "Attempting to reconnect to the database in {retry_seconds} seconds..."
            ));
            if self.wait(Duration::from_secs(retry_seconds), &error) == Going::Stopping {
                return Going::Stopping;
            }
        }
    }

    fn on_load_failed(&self, error: &LoadError) {
        self.health.on_failed();
        let json = error.json();
        self.health.schema_loads.attempts.on_failure(json.clone());
        // What was right once is an outage like another: the old password may come back.
        if error.is_permanent() && self.loaded_since.is_none() {
            exit_with(&format!("Failed to establish a connection. {json}"));
        }
        if error.is_answer() {
            let config = self.config();
            return log::warn(&format!(
                "Failed to load the schema cache using db-schemas={} and \
                 db-extra-search-path={}. {json}",
                config.db_schemas.join(","),
                config.db_extra_search_path.join(","),
            ));
        }
        log::warn(&format!("Failed to query the PostgreSQL version. {json}"));
        if !self.config().db_pool_automatic_recovery {
            exit_with("Automatic recovery disabled, exiting.");
        }
    }

    /// Whether the password was wrong, and the configuration names another one by now.
    fn has_another_password(&self, error: &LoadError) -> bool {
        let LoadError::Connect(error) = error else {
            return false;
        };
        error.is_password_failure()
            && self
                .configuration
                .target_now()
                .is_ok_and(|now| self.target.take_password_of(&now))
    }

    /// Waits for the next attempt. What asks for a load makes it come at once, and so does whoever
    /// has seen that PostgreSQL is back, if it could not be connected to.
    fn wait(&mut self, duration: Duration, error: &LoadError) -> Going {
        let deadline = Instant::now() + duration;
        loop {
            match self.orders.next(deadline) {
                Some(Order::LookAgain) => {
                    self.orders.rest(Order::LookAgain, LOOK_PAUSE);
                    if matches!(error, LoadError::Connect(_)) && self.connect().is_ok() {
                        return Going::On;
                    }
                }
                Some(Order::Stop) => return Going::Stopping,
                Some(Order::ReloadConfig) => _ = self.reload_config(),
                Some(Order::Suspect) => {
                    self.health.clear_suspicion();
                    self.orders.rest(Order::Suspect, SUSPECT_PAUSE);
                }
                Some(Order::Listener) if self.health.listening() == Listening::Down => {}
                Some(Order::ReloadCatalog | Order::Listener) | None => return Going::On,
            }
        }
    }

    /// Connects, loads, publishes.
    fn try_load(&mut self) -> Result<(), LoadError> {
        let (mut conversation, version) = self.connect_at_once()?;
        self.check_version(&version);
        if self.config().db_config {
            self.reload_config_through(&mut conversation, &version);
        }
        let began = Instant::now();
        let loaded = loading::load_catalog(&mut conversation, self.config());
        let loaded = loaded.inspect_err(|_| self.health.schema_loads.on_failure())?;
        self.on_loaded(loaded);
        self.loaded_since = Some(began);
        self.watched = None;
        if !self.config().db_channel_enabled {
            conversation.execute(&[channel::stay_statement()], None)?;
            self.watched = Some(conversation);
        }
        self.health.on_loaded();
        Ok(())
    }

    fn check_version(&self, version: &PgVersion) {
        if version.number < PG_VERSION_MIN {
            exit_with(&format!(
                "Cannot run in this PostgreSQL version ({}), CoreREST needs at least {}.0",
                version.text,
                PG_VERSION_MIN / 10_000,
            ));
        }
        log::notice(&format!("Successfully connected to {}", version.full_text));
        log::notice(&format!(
            "Connection Pool initialized with a maximum size of {} connections",
            self.config().db_pool
        ));
    }

    fn on_loaded(&mut self, loaded: LoadedCatalog) {
        let summary = loaded.catalog.summary();
        let timings = loaded.catalog.timings;
        for schema in &loaded.catalog.missing_schemas {
            log::warn(&format!(
                "The schema {schema} of db-extra-search-path does not exist"
            ));
        }
        // One line, however many there are: whoever owns a schema can make thousands. Their names
        // may have line breaks, which a debug text has not.
        if let [first, ..] = &*loaded.catalog.trimmed_views {
            log::warn(&format!(
                "The view {:?} shows the columns of the foreign key {:?} in too many ways: of \
                 each only the first counts for relationships (such views and keys: {})",
                first.view.to_string(),
                first.foreign_key.as_str(),
                loaded.catalog.trimmed_views.len()
            ));
        }
        self.catalog = Some(Arc::new(loaded.catalog));
        self.publish();
        // Sessions remember what the login role's settings were, and statements what tables were.
        self.cores.flush_connections();
        self.health.schema_loads.on_success(loaded.queried);
        log::notice(&format!(
            "Schema cache queried in {:.1} milliseconds",
            milliseconds(loaded.queried)
        ));
        log::debug(|| timings.to_string());
        log::notice(&format!("Schema cache loaded {summary}"));
        log::notice(&format!(
            "Schema cache loaded in {:.1} milliseconds",
            milliseconds(loaded.decoded)
        ));
    }

    /// Reads the configuration again, through a connection of its own if the database has a say.
    fn reload_config(&mut self) -> Going {
        let is_serving = self.loaded_since.is_some();
        if is_serving {
            systemd::reloading();
        }
        if !self.config().db_config {
            self.apply_config();
        } else {
            match self.connect_at_once() {
                Ok((mut conversation, version)) => {
                    self.reload_config_through(&mut conversation, &version);
                }
                Err(error) => {
                    log_database_unreadable(&error);
                    self.apply_config();
                }
            }
        }
        self.end_outdated_streams();
        self.keys.fetch_all();
        if is_serving {
            systemd::ready();
        }
        self.orders.rest(Order::ReloadConfig, RELOAD_PAUSE);
        Going::On
    }

    fn reload_config_through(&mut self, conversation: &mut Conversation, version: &PgVersion) {
        self.orders.withdraw(Order::ReloadConfig);
        self.configuration.read_database(conversation, version);
        self.apply_config();
    }

    /// Makes the configuration that the sources give now the one in effect.
    fn apply_config(&mut self) {
        let named_before = self.config().db_prepared_statements;
        if let Err(error) = self.configuration.reload() {
            log::warn(&format!("Failed reloading config: {error}"));
            return self.health.config_reloads.on_failure(error);
        }
        let config = self.config();
        log::configure(config);
        self.wanted.update(config);
        if config.db_prepared_statements != named_before {
            self.cores.set_preparation(preparation(config));
            self.cores.flush_connections();
        }
        self.publish();
        self.keys.configure(&self.configuration);
        self.health.config_reloads.on_success();
        log::notice("Config reloaded");
    }

    /// Ends the streams that began before something was published: once for a reload, whatever was.
    fn end_outdated_streams(&mut self) {
        if std::mem::take(&mut self.has_published) {
            self.cores.end_streams();
        }
    }

    fn publish(&mut self) {
        self.has_published = true;
        let authenticator = &self.configuration.authenticator;
        self.cores.publish(|current| Snapshot {
            config: Arc::clone(&self.configuration.config),
            authenticator: Arc::new(authenticator.with_keys_of(&current.authenticator)),
            role_settings: Arc::clone(&self.configuration.role_settings),
            catalog: self.catalog.clone(),
            shapes: (0..self.cores.count()).map(|_| Shapes::new()).collect(),
        });
        if !self.config().server_events_enabled {
            // Should it be switched on again before the ear has noticed, nobody relies on the
            // connection that ends.
            self.cores.channels().on_lost();
        }
    }
}

/// Whether connections for requests keep their statements.
pub(crate) fn preparation(config: &Config) -> Preparation {
    match config.db_prepared_statements {
        true => Preparation::Named,
        false => Preparation::Unnamed,
    }
}

fn is_for_want_of_room<T>(connected: &Result<T, LoadError>) -> bool {
    connected
        .as_ref()
        .is_err_and(LoadError::is_for_want_of_room)
}

fn is_stale(conversation: &mut Conversation) -> bool {
    conversation.connection().is_stale()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}
