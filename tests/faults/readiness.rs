//! Asks `/ready` all the time, and remembers when it changed its mind.

use corerest_tests::client::{Address, Client};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often it asks.
const PACE: Duration = Duration::from_millis(20);

/// How long it waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whoever asks.
#[derive(Debug)]
pub struct Readiness {
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    is_over: AtomicBool,
    admin: Mutex<Address>,
    /// When it said something else than before, and whether that was 200.
    changes: Mutex<Vec<(Instant, bool)>>,
}

impl Readiness {
    /// Begins.
    pub fn watch(admin: Address) -> Readiness {
        let shared = Arc::new(Shared {
            is_over: AtomicBool::new(false),
            admin: Mutex::new(admin),
            changes: Mutex::new(Vec::new()),
        });
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            while !of_thread.is_over.load(Ordering::SeqCst) {
                let admin = of_thread.admin().clone();
                of_thread.note(is_ready(&admin));
                std::thread::park_timeout(PACE);
            }
        });
        Readiness {
            thread: Some(thread),
            shared,
        }
    }

    /// From now on another server is asked.
    pub fn follow(&self, admin: Address) {
        *self.shared.admin() = admin;
    }

    /// Whether it is 200 now.
    pub fn is_ready(&self) -> bool {
        let changes = self.shared.changes();
        changes.last().is_some_and(|(_, is_ready)| *is_ready)
    }

    /// Since when it has been 200, as seen at a later time. `None` if it was not, then.
    pub fn since(&self, seen_at: Instant) -> Option<Instant> {
        let changes = self.shared.changes();
        let before = changes.iter().rev().find(|(at, _)| *at <= seen_at)?;
        before.1.then_some(before.0)
    }
}

impl Shared {
    fn admin(&self) -> MutexGuard<'_, Address> {
        self.admin.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changes(&self) -> MutexGuard<'_, Vec<(Instant, bool)>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, is_ready: bool) {
        let mut changes = self.changes();
        if changes.last().is_none_or(|(_, known)| *known != is_ready) {
            changes.push((Instant::now(), is_ready));
        }
    }
}

impl Drop for Readiness {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn is_ready(admin: &Address) -> bool {
    let Ok(mut client) = Client::try_connect(admin) else {
        return false;
    };
    client.wait_at_most(PATIENCE);
    let answer = client.try_exchange("GET", "/ready", &[]);
    client.leave("each question is asked anew");
    answer.is_ok_and(|answer| answer.status == 200)
}
