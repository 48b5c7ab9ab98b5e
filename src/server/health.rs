//! How the database is, as far as the control plane knows.
//!
//! Cores read it for `Retry-After`, the admin server for `/ready`; the control plane writes it.
//! A core that could not reach PostgreSQL raises a suspicion, and the control plane looks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::control::Command;

/// The state of the database.
#[derive(Debug)]
pub(crate) struct Health {
    connected: AtomicBool,
    catalog_loaded: AtomicBool,
    /// When the control plane will try to connect again, in seconds since 1970; 0 if it need not.
    next_attempt: AtomicU64,
    suspected: AtomicBool,
    commands: Sender<Command>,
}

impl Health {
    /// Nothing is known yet.
    pub(crate) fn new(commands: Sender<Command>) -> Health {
        Health {
            connected: AtomicBool::new(false),
            catalog_loaded: AtomicBool::new(false),
            next_attempt: AtomicU64::new(0),
            suspected: AtomicBool::new(false),
            commands,
        }
    }

    /// Asks the control plane to look after the database, once for many suspicions.
    pub(crate) fn suspect(&self) {
        if !self.suspected.swap(true, Ordering::Relaxed) {
            // It fails only when the server is stopping.
            let _ = self.commands.send(Command::Suspect);
        }
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

    /// The control plane has failed, and tries again after so many seconds.
    pub(crate) fn on_failed(&self, retry_seconds: u64) {
        self.connected.store(false, Ordering::Relaxed);
        self.next_attempt
            .store(unix_seconds() + retry_seconds, Ordering::Relaxed);
    }

    /// Seconds after which a client may try again: when the control plane does, at least one.
    pub(crate) fn retry_after_seconds(&self) -> u64 {
        self.next_attempt
            .load(Ordering::Relaxed)
            .saturating_sub(unix_seconds())
            .max(1)
    }

    /// Whether requests can be answered.
    pub(crate) fn is_ready(&self) -> bool {
        self.connected.load(Ordering::Relaxed) && self.catalog_loaded.load(Ordering::Relaxed)
    }
}

fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
