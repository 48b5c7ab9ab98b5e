//! The configuration in effect, and how the next one is made.
//!
//! ```text
//! database ──read_database()──▶ settings, as read last ─┐
//! file, environment ────────────────────────────────────┴─reload()──▶ configuration in effect
//! ```
//! Invariant: what cannot be read, or is wrong, changes nothing. When the database cannot be asked,
//! what it said last still counts: a secret that is kept there must not vanish with it.

use crate::auth::Authenticator;
use crate::control::conversation::{Conversation, LoadError};
use crate::control::keys::fetching::Fetcher;
use crate::control::loading;
use crate::control::sources::ConfigSources;
use crate::log;
use corerest_api::{PgVersion, RoleSettings};
use corerest_config::{Config, Loaded};
use corerest_pg::connect::{Environment, Target};
use std::sync::Arc;

/// The configuration in effect, and what it was made of.
pub(crate) struct Configuration {
    sources: ConfigSources,
    /// What the database said last.
    database: Vec<(String, String)>,
    /// The warnings that the log has already.
    warnings: Vec<String>,
    pub(crate) config: Arc<Config>,
    pub(crate) authenticator: Arc<Authenticator>,
    /// How keys are fetched.
    pub(crate) fetcher: Arc<Fetcher>,
    pub(crate) role_settings: Arc<RoleSettings>,
}

impl Configuration {
    /// The configuration of file and environment, for the start.
    ///
    /// # Errors
    /// A text for the operator.
    pub(crate) fn load(sources: ConfigSources) -> Result<Configuration, String> {
        let Loaded {
            config,
            mut warnings,
        } = sources.load(&[], None)?;
        let authenticator = Authenticator::new(&config)?;
        warnings.extend_from_slice(authenticator.warnings());
        let fetcher = Arc::new(Fetcher::new(&config)?);
        Ok(Configuration {
            sources,
            database: Vec::new(),
            warnings,
            authenticator: Arc::new(authenticator),
            fetcher,
            config: Arc::new(config),
            role_settings: Arc::default(),
        })
    }

    /// What somebody should know about it.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// What the log should say about it at the start.
    pub(crate) fn warn(&self) {
        self.warnings.iter().for_each(|warning| log::warn(warning));
    }

    /// Asks the database for its part. It is in effect after the next [`reload`](Self::reload).
    ///
    /// Parity: it is asked as the configuration in effect says, also for `db-pre-config`, which
    /// the database can set, too (`readInDbConfig` in AppState/Reload.hs).
    pub(crate) fn read_database(&mut self, conversation: &mut Conversation, version: &PgVersion) {
        let pre_config = self.config.db_pre_config.as_ref();
        match loading::load_database_config(conversation, pre_config) {
            Ok(database) => self.database = database,
            Err(error) => log_database_unreadable(&error),
        }
        match loading::load_role_settings(conversation, version) {
            Ok(role_settings) => self.role_settings = Arc::new(role_settings),
            Err(error) => log::warn(&format!(
                "Failed to query the role settings. {}",
                error.json()
            )),
        }
    }

    /// What its sources would connect to if the server started now.
    ///
    /// # Errors
    /// A text for the operator.
    pub(crate) fn target_now(&self) -> Result<Target, String> {
        let Loaded { config, .. } = self.sources.load(&[], None)?;
        let target = Target::parse(config.db_uri.expose(), &Environment::of_process());
        target.map_err(|error| error.to_string())
    }

    /// Makes the next configuration of what the sources say now.
    ///
    /// # Errors
    /// A text for the operator, if it is wrong; the one in effect stays.
    pub(crate) fn reload(&mut self) -> Result<(), String> {
        let database = match self.config.db_config {
            true => self.database.as_slice(),
            false => &[],
        };
        let loaded = self.sources.load(database, Some(&self.config.db_uri))?;
        let Loaded {
            mut config,
            mut warnings,
        } = loaded;
        // There are pools for those of the start. A request that is planned for others would go
        // to the primary, as a guest.
        if config.db_uri_read_replicas != self.config.db_uri_read_replicas {
            warnings.push("Other db-uri-read-replicas are asked after a restart".to_owned());
            let asked = &self.config.db_uri_read_replicas;
            config.db_uri_read_replicas.clone_from(asked);
        }
        let authenticator = Authenticator::new(&config)?;
        warnings.extend_from_slice(authenticator.warnings());
        self.fetcher = Arc::new(Fetcher::new(&config)?);
        self.authenticator = Arc::new(authenticator);
        if !config.db_config {
            self.database.clear();
            self.role_settings = Arc::default();
        }
        self.config = Arc::new(config);
        // A reload is no news to whoever was warned before.
        let is_new = |warning: &&String| !self.warnings.contains(warning);
        warnings
            .iter()
            .filter(is_new)
            .for_each(|warning| log::warn(warning));
        self.warnings = warnings;
        Ok(())
    }
}

/// The database could not be asked. What it said last still counts.
pub(crate) fn log_database_unreadable(error: &LoadError) {
    log::warn(&format!(
        "Failed to query database settings for the config parameters.{}",
        error.json()
    ));
}
