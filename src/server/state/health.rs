//! How the database is, as far as the control plane knows.
//!
//! Cores read it for `Retry-After`, the admin server for `/ready`; the control plane and its
//! listener write it. A core that could not reach PostgreSQL raises a suspicion, and the control
//! plane looks.

use crate::state::last_attempt::LastAttempt;
use crate::state::orders::{Order, Orders};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Instant, Mutex, lock};
use std::sync::Arc;
use std::time::Duration;

/// What clients are told at the most: the control plane never waits longer.
const RETRY_SECONDS_MAX: u64 = 32;

/// The state of the database.
#[derive(Debug)]
pub(crate) struct Health {
    connected: AtomicBool,
    catalog_loaded: AtomicBool,
    listening: Mutex<Listening>,
    /// When the control plane will try to connect again, in seconds since `made`; 0 if it need not.
    next_attempt: AtomicU64,
    made: Instant,
    suspected: AtomicBool,
    orders: Arc<Orders>,
    /// How loading the catalog went.
    pub(crate) schema_loads: SchemaLoads,
    /// How reading the configuration again went.
    pub(crate) config_reloads: ConfigReloads,
}

/// Whether notifications are heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listening {
    /// Nobody wants to hear any (`db-channel-enabled=false`).
    Off,
    /// Not at this moment.
    Down,
    /// All that were sent since this moment.
    Since(Instant),
}

/// How loading the catalog went, since the server began.
#[derive(Debug, Default)]
pub(crate) struct SchemaLoads {
    succeeded: AtomicU64,
    failed: AtomicU64,
    query_nanoseconds: AtomicU64,
    /// The last attempt, also one that could not reach PostgreSQL.
    pub(crate) attempts: LastAttempt,
}

impl SchemaLoads {
    /// It was loaded; asking PostgreSQL took so long.
    pub(crate) fn on_success(&self, query: Duration) {
        let nanoseconds = u64::try_from(query.as_nanos()).unwrap_or(u64::MAX);
        self.query_nanoseconds.store(nanoseconds, Ordering::Relaxed);
        self.succeeded.fetch_add(1, Ordering::Relaxed);
        self.attempts.on_success();
    }

    /// It was not.
    pub(crate) fn on_failure(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// How often it was loaded.
    pub(crate) fn succeeded(&self) -> u64 {
        self.succeeded.load(Ordering::Relaxed)
    }

    /// How often it was not.
    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// How long asking PostgreSQL took the last time.
    pub(crate) fn query_time(&self) -> Duration {
        Duration::from_nanos(self.query_nanoseconds.load(Ordering::Relaxed))
    }
}

/// How reading the configuration again went, since the server began.
#[derive(Debug, Default)]
pub(crate) struct ConfigReloads {
    succeeded: AtomicU64,
    failed: AtomicU64,
    /// Whether what the sources said last was wrong, so that an older configuration is in effect.
    is_outdated: AtomicBool,
    /// The last one; none since the start.
    pub(crate) attempts: LastAttempt,
}

impl ConfigReloads {
    /// What was read is in effect.
    pub(crate) fn on_success(&self) {
        self.succeeded.fetch_add(1, Ordering::Relaxed);
        self.is_outdated.store(false, Ordering::Relaxed);
        self.attempts.on_success();
    }

    /// What was read is wrong, for this reason.
    pub(crate) fn on_failure(&self, error: String) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.is_outdated.store(true, Ordering::Relaxed);
        self.attempts.on_failure(error);
    }

    /// How often another one came into effect.
    pub(crate) fn succeeded(&self) -> u64 {
        self.succeeded.load(Ordering::Relaxed)
    }

    /// How often none did.
    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Whether the last one has failed.
    pub(crate) fn is_outdated(&self) -> bool {
        self.is_outdated.load(Ordering::Relaxed)
    }
}

impl Health {
    /// Nothing is known yet.
    pub(crate) fn new(orders: Arc<Orders>) -> Health {
        Health {
            connected: AtomicBool::new(false),
            catalog_loaded: AtomicBool::new(false),
            listening: Mutex::new(Listening::Off),
            next_attempt: AtomicU64::new(0),
            made: Instant::now(),
            suspected: AtomicBool::new(false),
            orders,
            schema_loads: SchemaLoads::default(),
            config_reloads: ConfigReloads::default(),
        }
    }

    /// Asks the control plane to look after the database, once for many suspicions.
    pub(crate) fn suspect(&self) {
        if !self.suspected.swap(true, Ordering::Relaxed) {
            self.orders.give(Order::Suspect);
        }
    }

    /// A core has opened a connection, or somebody asks whether the server is ready: whoever waits
    /// before he tries to connect again need not wait longer.
    pub(crate) fn look_again(&self) {
        if !self.is_ready() {
            self.orders.give(Order::LookAgain);
        }
    }

    /// Somebody wants the catalog to be loaded, or the configuration to be read, again.
    pub(crate) fn ask_for(&self, order: Order) {
        self.orders.give(order);
    }

    /// The control plane has looked.
    pub(crate) fn clear_suspicion(&self) {
        self.suspected.store(false, Ordering::Relaxed);
    }

    /// The control plane is connected, and the catalog is loaded.
    pub(crate) fn on_loaded(&self) {
        self.connected.store(true, Ordering::Relaxed);
        self.catalog_loaded.store(true, Ordering::Relaxed);
        self.next_attempt.store(0, Ordering::Relaxed);
    }

    /// The control plane could not load the catalog, and has no connection that it could watch.
    pub(crate) fn on_failed(&self) {
        self.connected.store(false, Ordering::Relaxed);
        self.catalog_loaded.store(false, Ordering::Relaxed);
    }

    /// The control plane tries again after so many seconds.
    pub(crate) fn on_retry_in(&self, seconds: u64) {
        let next = self.made.elapsed().as_secs().saturating_add(seconds);
        self.next_attempt.store(next, Ordering::Relaxed);
    }

    /// What has become of listening.
    pub(crate) fn set_listening(&self, listening: Listening) {
        *lock(&self.listening) = listening;
    }

    /// Whether notifications are heard.
    pub(crate) fn listening(&self) -> Listening {
        *lock(&self.listening)
    }

    /// Seconds after which a client may try again: when the control plane does, at least one.
    /// It uses a clock that nobody sets.
    pub(crate) fn retry_after_seconds(&self) -> u64 {
        self.next_attempt
            .load(Ordering::Relaxed)
            .saturating_sub(self.made.elapsed().as_secs())
            .clamp(1, RETRY_SECONDS_MAX)
    }

    /// Whether requests can be answered.
    ///
    /// Parity: who listens and is cut off is not ready, even if the catalog is there (AppState.hs).
    pub(crate) fn is_ready(&self) -> bool {
        let is_connected = match self.listening() {
            Listening::Off => self.connected.load(Ordering::Relaxed),
            Listening::Down => false,
            Listening::Since(_) => true,
        };
        is_connected && self.catalog_loaded.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_who_has_a_catalog_and_hears_what_he_wants_to_hear() {
        let health = Health::new(Arc::new(Orders::default()));
        assert!(!health.is_ready());
        health.on_loaded();
        assert!(health.is_ready());
        health.set_listening(Listening::Down);
        assert!(!health.is_ready());
        health.set_listening(Listening::Since(Instant::now()));
        assert!(health.is_ready());
        health.on_failed();
        assert!(!health.is_ready());
    }

    #[test]
    fn clients_are_told_when_the_next_attempt_is() {
        let health = Health::new(Arc::new(Orders::default()));
        assert_eq!(health.retry_after_seconds(), 1);
        health.on_retry_in(32);
        assert!((31..=32).contains(&health.retry_after_seconds()));
        health.on_retry_in(u64::MAX);
        assert_eq!(health.retry_after_seconds(), 32);
        health.on_loaded();
        assert_eq!(health.retry_after_seconds(), 1);
    }

    #[test]
    fn only_who_is_not_ready_looks_again() {
        let orders = Arc::new(Orders::default());
        let health = Health::new(Arc::clone(&orders));
        health.on_loaded();
        health.look_again();
        assert_eq!(orders.next(Instant::now()), None);
        health.on_failed();
        health.look_again();
        assert_eq!(orders.next(Instant::now()), Some(Order::LookAgain));
    }
}
