//! What requests are answered from: one configuration and one catalog, swapped whole.
//!
//! Each thread keeps the newest snapshot, under a lock of its own that nobody waits for, and
//! compares one number per request; the shared lock is taken only when there is a new one. So a
//! request sees one snapshot from start to end, and cores share nothing that is written while
//! nothing is reloaded. Whoever publishes renews what idle threads keep: catalogs are large, and
//! a thread may be idle for days.

use crate::auth::Authenticator;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard, lock};
use corerest_api::{Catalog, Context, RoleSettings, Shapes};
use corerest_config::Config;
use std::ops::Deref;
use std::sync::Arc;

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
    /// The shapes of requests that were planned with these, for each core.
    pub(crate) shapes: Arc<[Shapes]>,
}

impl Snapshot {
    /// What a request is prepared with on a core.
    pub(crate) fn context(&self, core: usize) -> Context<'_> {
        Context {
            config: &self.config,
            catalog: self.catalog.as_deref(),
            role_settings: &self.role_settings,
            shapes: self.shapes.get(core),
        }
    }
}

/// Where the newest snapshot is published.
#[derive(Debug)]
pub(crate) struct Publication {
    current: Mutex<Arc<Snapshot>>,
    edition: AtomicU64,
    /// What the threads keep.
    kept: Mutex<Vec<Arc<Mutex<Kept>>>>,
}

/// What a thread keeps: it has the newest snapshot at hand.
#[derive(Debug)]
pub(crate) struct Subscription {
    /// Locked while a request is answered from it. Nobody else ever waits for the lock.
    kept: Arc<Mutex<Kept>>,
    edition_seen: u64,
}

#[derive(Debug)]
struct Kept {
    snapshot: Arc<Snapshot>,
    edition: u64,
}

/// A snapshot that a request is answered from.
#[derive(Debug)]
pub(crate) struct InUse<'a>(MutexGuard<'a, Kept>);

impl Publication {
    /// Publishes the first snapshot.
    pub(crate) fn new(snapshot: Snapshot) -> Publication {
        Publication {
            current: Mutex::new(Arc::new(snapshot)),
            edition: AtomicU64::new(0),
            kept: Mutex::new(Vec::new()),
        }
    }

    /// Replaces the snapshot by one that is made of it, also that of idle threads: they may stay so
    /// for long. Requests that have begun keep theirs. Nobody else publishes meanwhile, so that
    /// nothing is lost of what several threads publish.
    pub(crate) fn publish(&self, make: impl FnOnce(&Snapshot) -> Snapshot) {
        {
            let mut current = lock(&self.current);
            let next = Arc::new(make(&current));
            *current = next;
        }
        self.edition.fetch_add(1, Ordering::SeqCst);
        for kept in &*lock(&self.kept) {
            // A thread that is busy sees to it itself, after its request.
            if let Ok(mut kept) = kept.try_lock() {
                kept.renew(self);
            }
        }
    }

    /// How many have been published after the first one.
    pub(crate) fn edition(&self) -> u64 {
        self.edition.load(Ordering::Acquire)
    }

    /// The newest snapshot.
    pub(crate) fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&lock(&self.current))
    }

    /// For a thread.
    pub(crate) fn subscribe(&self) -> Subscription {
        let edition = self.edition();
        let snapshot = self.current();
        let kept = Arc::new(Mutex::new(Kept { snapshot, edition }));
        lock(&self.kept).push(Arc::clone(&kept));
        Subscription {
            kept,
            edition_seen: edition,
        }
    }
}

impl Subscription {
    /// The newest snapshot, for a request.
    pub(crate) fn current(&mut self, publication: &Publication) -> InUse<'_> {
        let mut kept = lock(&self.kept);
        self.edition_seen = kept.renew(publication);
        InUse(kept)
    }

    /// Gives an old snapshot back: to be called after a request. Should the publisher find the
    /// thread still busy, and this find nothing new yet, the next request gives it back.
    pub(crate) fn renew(&mut self, publication: &Publication) {
        if publication.edition.load(Ordering::SeqCst) != self.edition_seen {
            self.edition_seen = lock(&self.kept).renew(publication);
        }
    }
}

impl Kept {
    /// Returns which edition it is.
    fn renew(&mut self, publication: &Publication) -> u64 {
        // The number is read before the snapshot: a newer snapshot under an older number is only
        // fetched once more.
        let edition = publication.edition();
        if edition != self.edition {
            self.snapshot = publication.current();
            self.edition = edition;
        }
        edition
    }
}

impl Deref for InUse<'_> {
    type Target = Arc<Snapshot>;

    fn deref(&self) -> &Arc<Snapshot> {
        &self.0.snapshot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corerest_config::Config;

    fn snapshot() -> Snapshot {
        let config = Config::default();
        Snapshot {
            authenticator: Arc::new(Authenticator::new(&config).expect("it is valid")),
            config: Arc::new(config),
            role_settings: Arc::default(),
            catalog: None,
            shapes: Arc::default(),
        }
    }

    #[test]
    fn a_thread_that_is_idle_keeps_no_old_snapshot() {
        let publication = Publication::new(snapshot());
        let _idle = publication.subscribe();
        let old = Arc::downgrade(&publication.current());
        publication.publish(|_| snapshot());
        assert!(old.upgrade().is_none());
    }

    #[test]
    fn a_request_keeps_the_snapshot_that_it_has_begun_with_and_no_longer() {
        let publication = Publication::new(snapshot());
        let mut busy = publication.subscribe();
        let in_use = busy.current(&publication);
        let old = Arc::downgrade(&in_use);
        publication.publish(|_| snapshot());
        assert!(Arc::ptr_eq(&in_use, &old.upgrade().expect("it is in use")));
        drop(in_use);
        busy.renew(&publication);
        assert!(old.upgrade().is_none());
        let newest = publication.current();
        assert!(Arc::ptr_eq(&busy.current(&publication), &newest));
    }
}
