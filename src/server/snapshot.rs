//! What requests are answered from: one configuration and one catalog, swapped whole.
//!
//! Each thread keeps the snapshot it last saw and compares one number per request; the lock is
//! taken only when there is a new one. So a request sees one snapshot from start to end, and
//! cores share nothing that is written while nothing is reloaded.

use crate::auth::Authenticator;
use corerest_api::Context;
use corerest_api::catalog::Catalog;
use corerest_api::role_settings::RoleSettings;
use corerest_config::Config;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A configuration with the catalog that was loaded for it.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// The configuration.
    pub(crate) config: Arc<Config>,
    /// What it says about tokens.
    pub(crate) authenticator: Arc<Authenticator>,
    /// The settings of the roles that requests run as.
    pub(crate) role_settings: Arc<RoleSettings>,
    /// The catalog, once it has been loaded.
    pub(crate) catalog: Option<Arc<Catalog>>,
}

impl Snapshot {
    /// What a request is prepared with.
    pub(crate) fn context(&self) -> Context<'_> {
        Context {
            config: &self.config,
            catalog: self.catalog.as_deref(),
            role_settings: &self.role_settings,
        }
    }
}

/// Where the newest snapshot is published.
#[derive(Debug)]
pub(crate) struct Publication {
    current: Mutex<Arc<Snapshot>>,
    edition: AtomicU64,
}

/// A thread's own copy of the newest snapshot.
#[derive(Debug)]
pub(crate) struct Subscription {
    snapshot: Arc<Snapshot>,
    edition: u64,
}

impl Publication {
    /// Publishes the first snapshot.
    pub(crate) fn new(snapshot: Snapshot) -> Publication {
        Publication {
            current: Mutex::new(Arc::new(snapshot)),
            edition: AtomicU64::new(0),
        }
    }

    /// Replaces the snapshot. Requests that have begun keep theirs.
    pub(crate) fn publish(&self, snapshot: Snapshot) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(snapshot);
        self.edition.fetch_add(1, Ordering::Release);
    }

    /// The newest snapshot.
    pub(crate) fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A copy for a thread.
    pub(crate) fn subscribe(&self) -> Subscription {
        let edition = self.edition.load(Ordering::Acquire);
        Subscription {
            snapshot: self.current(),
            edition,
        }
    }
}

impl Subscription {
    /// The newest snapshot.
    pub(crate) fn current(&mut self, publication: &Publication) -> &Arc<Snapshot> {
        // The number is read before the snapshot: a newer snapshot under an older number is only
        // fetched once more.
        let edition = publication.edition.load(Ordering::Acquire);
        if edition != self.edition {
            self.snapshot = publication.current();
            self.edition = edition;
        }
        &self.snapshot
    }
}
