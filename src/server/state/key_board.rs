//! What requests and the thread that fetches keys tell each other.
//!
//! ```text
//! new ──the thread hears of it──▶ under way
//!
//! at rest ──a kid is unknown, 30 s after the last such──▶ ordered ──▶ under way ──▶ at rest
//!    │  ▲──────────────────────────────────────────────────────────────────┘  ▲
//!    └──a kid is unknown, sooner──▶ wanted ──30 s over──▶ ordered             │
//!    └──it is time─────────────────────────────────────────────────────────────
//! ```
//! Requests look here only when a key is lacking. A request that waits knows how many fetches had
//! ended when it looked for its key, and looks again when there are more.
//!
//! Invariant: keys are published before their fetch is said to have ended, so whoever has seen
//! that number and then the newest snapshot, and lacks a key, waits for a fetch that has not ended.
//! Invariant: however many tokens name keys that nobody has, one fetch in 30 s is because of them;
//! the sources have their turn.

use crate::auth::{Lack, Source};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Condvar, Instant, Mutex, lock};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// How long after a fetch because of an unknown kid the next one is begun.
const UNKNOWN_PAUSE: Duration = Duration::from_secs(30);

/// What a request that lacks keys is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advice {
    /// Wait until one more fetch has ended.
    Wait,
    /// Nothing is under way. Somebody whose keys never came is asked again in so many seconds.
    GiveUp { retry_seconds: u64 },
}

/// How a fetch has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// There are other keys.
    Changed,
    /// They are as they were.
    Unchanged,
    /// Nothing came that is of use.
    Failed,
}

/// What is known of a source, for the metrics.
#[derive(Clone, Debug)]
pub(crate) struct SourceReport {
    /// Its name.
    pub(crate) name: String,
    /// How often a fetch has ended in each way, in the order of [`Ended`].
    pub(crate) fetches: [u64; 3],
    /// How old its keys are, if they ever came.
    pub(crate) age: Option<Duration>,
    /// How many there are.
    pub(crate) keys: usize,
}

/// The board.
#[derive(Debug, Default)]
pub(crate) struct KeyBoard {
    notes: Mutex<Notes>,
    changed: Condvar,
    ended: AtomicU64,
}

#[derive(Debug, Default)]
struct Notes {
    sources: Vec<Note>,
    /// Before which moment no fetch is begun because of an unknown kid.
    rests_until: Option<Instant>,
    /// Somebody has something to say to the thread that fetches.
    is_called: bool,
}

#[derive(Debug)]
struct Note {
    source: Arc<Source>,
    fetch: Fetch,
    /// When it is asked again, as far as that is known.
    due: Option<Instant>,
    fetches: [u64; 3],
    came: Option<Instant>,
    keys: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fetch {
    AtRest,
    /// Somebody has named a key that is unknown, too soon after the last one.
    Wanted,
    Ordered,
    UnderWay,
}

impl KeyBoard {
    /// How many fetches have ended. To be asked before the snapshot in which a key is looked for.
    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::SeqCst)
    }

    /// What a request is to do that has found keys lacking when so many fetches had ended.
    pub(crate) fn advise(&self, lack: &Lack, ended_seen: u64) -> Advice {
        let now = Instant::now();
        let mut notes = lock(&self.notes);
        // While this lock is held, none ends.
        if self.ended() != ended_seen {
            return Advice::Wait;
        }
        let sources = &mut notes.sources;
        let is_noted = |source: &Arc<Source>| sources.iter().any(|note| note.source == *source);
        // It is new in the configuration, and about to be fetched.
        if !lack.sources.iter().all(is_noted) {
            return Advice::Wait;
        }
        let is_lacking = |note: &&mut Note| lack.sources.contains(&note.source);
        let mut retry_seconds = 1;
        for note in sources.iter_mut().filter(is_lacking) {
            match note.fetch {
                Fetch::UnderWay | Fetch::Ordered => return Advice::Wait,
                Fetch::AtRest | Fetch::Wanted => {}
            }
            let left = note.due.map(|due| due.saturating_duration_since(now));
            let seconds = left.map_or(1, |left| left.as_secs() + 1);
            retry_seconds = retry_seconds.max(seconds);
        }
        // Whoever has never answered is asked often enough.
        let has_come = |note: &&mut Note| note.came.is_some();
        let lacking = sources.iter_mut().filter(is_lacking).filter(has_come);
        lacking.for_each(|note| note.fetch = Fetch::Wanted);
        notes.order(now);
        let is_ordered = notes.is_ordered(lack);
        drop(notes);
        self.changed.notify_all();
        match is_ordered {
            true => Advice::Wait,
            false => Advice::GiveUp { retry_seconds },
        }
    }

    /// What is known of all sources.
    pub(crate) fn reports(&self) -> Vec<SourceReport> {
        let now = Instant::now();
        let notes = lock(&self.notes);
        let report = |note: &Note| SourceReport {
            name: note.source.name().to_owned(),
            fetches: note.fetches,
            age: note.came.map(|came| now.saturating_duration_since(came)),
            keys: note.keys,
        };
        notes.sources.iter().map(report).collect()
    }

    /// There is something for the thread that fetches.
    pub(crate) fn call(&self) {
        lock(&self.notes).is_called = true;
        self.changed.notify_all();
    }

    /// The thread waits: until it is called, or this moment, or it gets an order.
    pub(crate) fn await_call(&self, until: Option<Instant>) {
        let mut notes = lock(&self.notes);
        loop {
            let now = Instant::now();
            notes.order(now);
            let is_ordered = notes.sources.iter().any(|it| it.fetch == Fetch::Ordered);
            if std::mem::take(&mut notes.is_called) || is_ordered {
                return;
            }
            let is_wanted = notes.sources.iter().any(|it| it.fetch == Fetch::Wanted);
            let turn = notes.rests_until.filter(|_| is_wanted);
            let wake = [until, turn].into_iter().flatten().min();
            if wake.is_some_and(|wake| wake <= now) {
                return;
            }
            let left = wake.map_or(UNKNOWN_PAUSE, |wake| wake.saturating_duration_since(now));
            let waited = self.changed.wait_timeout(notes, left);
            notes = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// These are the sources from now on; what is known of those that stay is kept.
    pub(crate) fn set_sources(&self, sources: &[Arc<Source>]) {
        let mut notes = lock(&self.notes);
        let mut old = std::mem::take(&mut notes.sources);
        for source in sources {
            let known = old.iter().position(|note| note.source == *source);
            notes.sources.push(match known {
                Some(at) => old.swap_remove(at),
                None => Note::new(source),
            });
        }
    }

    /// A fetch is begun.
    pub(crate) fn begin(&self, source: &Source) {
        lock(&self.notes).change(source, |note| note.fetch = Fetch::UnderWay);
    }

    /// Whether a request has asked for one.
    pub(crate) fn is_ordered(&self, source: &Source) -> bool {
        let notes = lock(&self.notes);
        let mut sources = notes.sources.iter();
        sources.any(|note| *note.source == *source && note.fetch == Fetch::Ordered)
    }

    /// A fetch has ended, and what came is published. The next one is due then; there are so many
    /// keys now.
    pub(crate) fn end(&self, source: &Source, ended: Ended, due: Instant, keys: usize) {
        let mut notes = lock(&self.notes);
        notes.change(source, |note| {
            note.fetch = Fetch::AtRest;
            note.due = Some(due);
            note.fetches[ended as usize] += 1;
            note.keys = keys;
            if ended != Ended::Failed {
                note.came = Some(Instant::now());
            }
        });
        self.ended.fetch_add(1, Ordering::SeqCst);
    }
}

impl Notes {
    /// Orders a fetch of the first source that is wanted, if it is time for one. It comes last for
    /// the next one, so that nobody's tokens can keep the keys of others from being fetched.
    fn order(&mut self, now: Instant) {
        if self.rests_until.is_some_and(|until| until > now) {
            return;
        }
        let wanted = self.sources.iter().position(|it| it.fetch == Fetch::Wanted);
        if let Some(at) = wanted {
            let mut note = self.sources.remove(at);
            note.fetch = Fetch::Ordered;
            self.sources.push(note);
            self.rests_until = Some(now + UNKNOWN_PAUSE);
        }
    }

    fn is_ordered(&self, lack: &Lack) -> bool {
        let mut sources = self.sources.iter();
        sources.any(|it| it.fetch == Fetch::Ordered && lack.sources.contains(&it.source))
    }

    fn change(&mut self, source: &Source, change: impl FnOnce(&mut Note)) {
        let mut sources = self.sources.iter_mut();
        sources.find(|note| *note.source == *source).map(change);
    }
}

impl Note {
    fn new(source: &Arc<Source>) -> Note {
        Note {
            source: Arc::clone(source),
            // It is fetched as soon as the thread hears of it.
            fetch: Fetch::Ordered,
            due: None,
            fetches: [0; 3],
            came: None,
            keys: 0,
        }
    }
}
