//! The keys that others publish: fetched in time, and published to the cores.
//!
//! ```text
//!            ┌────────── due ◀── fresh for 4/5 of max-age, 1 to 60 minutes ──────┐
//! source ──▶ due ──▶ under way (a thread of its own) ──came──▶ published ────────┤
//!             ▲                └──failed──▶ 1, 2, 4 … 32 s ──▶ due               │
//!             └──a token names a key that is unknown (`state::key_board`) ───────┘
//! ```
//! One thread decides, and never waits for a server: each fetch has a thread of its own, so that
//! one who does not answer delays nobody else's keys. A failure leaves the keys that are there.
//!
//! Invariant: no thread of a core waits for any of this.

pub(crate) mod fetching;
mod schedule;

use crate::auth::{PublishedKeys, Source};
use crate::control::backoff::Backoff;
use crate::control::reload::Configuration;
use crate::cores::Cores;
use crate::exit::spawn_vital;
use crate::log;
use crate::state::key_board::{Ended, KeyBoard};
use crate::state::snapshot::Snapshot;
use fetching::{Edition, Fetched, Fetcher};
use schedule::refresh_after;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// What the thread is told.
enum Message {
    /// Fetch from these sources from now on.
    Configured(Vec<Arc<Source>>, Arc<Fetcher>),
    /// Fetch from all of them now.
    FetchAll,
    /// A fetch has ended.
    Ended(Arc<Source>, Result<Fetched, String>),
}

/// Who has the thread that fetches keys, once there is something to fetch.
pub(crate) struct KeyKeeper {
    cores: Arc<Cores>,
    thread: Option<Sender<Message>>,
}

impl KeyKeeper {
    /// One that has nothing to fetch.
    pub(crate) fn new(cores: Arc<Cores>) -> KeyKeeper {
        KeyKeeper {
            cores,
            thread: None,
        }
    }

    /// Fetches what a configuration says from now on, and at once what is new in it.
    pub(crate) fn configure(&mut self, configuration: &Configuration) {
        let sources = configuration.authenticator.sources();
        if sources.is_empty() && self.thread.is_none() {
            return;
        }
        if self.thread.is_none() {
            match start(&self.cores) {
                Ok(thread) => self.thread = Some(thread),
                Err(error) => {
                    return log::error(&format!("Cannot start the thread for keys: {error}"));
                }
            }
        }
        self.cores.key_board().set_sources(&sources);
        let fetcher = Arc::clone(&configuration.fetcher);
        self.tell(Message::Configured(sources, fetcher));
    }

    /// Fetches all keys at once: whoever has the configuration read again wants to see what there
    /// is.
    pub(crate) fn fetch_all(&self) {
        self.tell(Message::FetchAll);
    }

    fn tell(&self, message: Message) {
        if let Some(thread) = &self.thread {
            // It lives as long as the process.
            let _ = thread.send(message);
            self.cores.key_board().call();
        }
    }
}

fn start(cores: &Arc<Cores>) -> std::io::Result<Sender<Message>> {
    let (outbox, inbox) = mpsc::channel();
    let thread = KeyThread {
        board: Arc::clone(cores.key_board()),
        cores: Arc::clone(cores),
        inbox,
        outbox: outbox.clone(),
        fetcher: None,
        kept: Vec::new(),
    };
    spawn_vital("keys", move || thread.run())?;
    Ok(outbox)
}

/// The thread.
struct KeyThread {
    cores: Arc<Cores>,
    board: Arc<KeyBoard>,
    inbox: Receiver<Message>,
    outbox: Sender<Message>,
    fetcher: Option<Arc<Fetcher>>,
    kept: Vec<Kept>,
}

/// What is kept of a source.
struct Kept {
    source: Arc<Source>,
    keys: Option<Arc<PublishedKeys>>,
    edition: Option<Edition>,
    due: Instant,
    is_under_way: bool,
    /// It is to be fetched once more: somebody wanted that after it was begun.
    is_outdated: bool,
    backoff: Backoff,
    is_failing: bool,
}

impl KeyThread {
    fn run(mut self) {
        loop {
            while let Ok(message) = self.inbox.try_recv() {
                match message {
                    Message::Configured(sources, fetcher) => self.configure(sources, fetcher),
                    Message::FetchAll => self.fetch_all(),
                    Message::Ended(source, result) => self.on_ended(&source, result),
                }
            }
            self.begin_due();
            let idle = self.kept.iter().filter(|kept| !kept.is_under_way);
            self.board.await_call(idle.map(|kept| kept.due).min());
        }
    }

    fn configure(&mut self, sources: Vec<Arc<Source>>, fetcher: Arc<Fetcher>) {
        let now = Instant::now();
        let mut old = std::mem::take(&mut self.kept);
        for source in sources {
            let known = old.iter().position(|kept| kept.source == source);
            self.kept.push(match known {
                Some(at) => old.swap_remove(at),
                None => Kept::new(source, now),
            });
        }
        self.fetcher = Some(fetcher);
    }

    fn fetch_all(&mut self) {
        let now = Instant::now();
        for kept in &mut self.kept {
            kept.due = now;
            kept.is_outdated = kept.is_under_way;
        }
    }

    fn begin_due(&mut self) {
        let Some(fetcher) = &self.fetcher else { return };
        let now = Instant::now();
        for kept in self.kept.iter_mut().filter(|kept| !kept.is_under_way) {
            if kept.due > now && !self.board.is_ordered(&kept.source) {
                continue;
            }
            kept.is_under_way = true;
            self.board.begin(&kept.source);
            let source = Arc::clone(&kept.source);
            let edition = kept.edition.clone();
            let fetcher = Arc::clone(fetcher);
            let outbox = self.outbox.clone();
            let board = Arc::clone(&self.board);
            let fetch = move || {
                let fetched = catch_unwind(AssertUnwindSafe(|| {
                    fetcher.fetch(&source, edition.as_ref())
                }));
                let result = fetched.unwrap_or_else(|_| Err("a bug of this server".to_owned()));
                let _ = outbox.send(Message::Ended(source, result));
                board.call();
            };
            let spawned = thread::Builder::new().name("fetch".to_owned()).spawn(fetch);
            if let Err(error) = spawned {
                let failed = Err(format!("Cannot start a thread: {error}"));
                let _ = self
                    .outbox
                    .send(Message::Ended(Arc::clone(&kept.source), failed));
                self.board.call();
            }
        }
    }

    fn on_ended(&mut self, source: &Arc<Source>, result: Result<Fetched, String>) {
        let mut kept = self.kept.iter_mut();
        // It may be none of ours any more.
        let Some(kept) = kept.find(|kept| kept.source == *source) else {
            return;
        };
        kept.is_under_way = false;
        let (ended, pause) = match result {
            Ok(fetched) => {
                let pause = refresh_after(fetched.fresh_for);
                (kept.on_fetched(fetched), pause)
            }
            Err(why) => (Ended::Failed, kept.on_failed(&why)),
        };
        let now = Instant::now();
        kept.due = match std::mem::take(&mut kept.is_outdated) {
            true => now,
            false => now + pause,
        };
        let (due, keys) = (kept.due, kept.keys.clone());
        if let (Ended::Changed, Some(keys)) = (ended, &keys) {
            self.cores.publish(|current| Snapshot {
                config: Arc::clone(&current.config),
                authenticator: Arc::new(current.authenticator.with_fetched(source, keys)),
                role_settings: Arc::clone(&current.role_settings),
                catalog: current.catalog.clone(),
                shapes: Arc::clone(&current.shapes),
            });
            // They may hear by a key that is gone, and are asked anew.
            self.cores.end_streams();
        }
        let count = keys.map_or(0, |keys| keys.count());
        self.board.end(source, ended, due, count);
        self.cores.rouse_awaiting();
    }
}

impl Kept {
    fn new(source: Arc<Source>, now: Instant) -> Kept {
        Kept {
            source,
            keys: None,
            edition: None,
            due: now,
            is_under_way: false,
            is_outdated: false,
            backoff: Backoff::new(),
            is_failing: false,
        }
    }

    fn on_fetched(&mut self, fetched: Fetched) -> Ended {
        self.edition = fetched.edition;
        self.backoff = Backoff::new();
        let is_news = std::mem::take(&mut self.is_failing);
        let keys = fetched
            .keys
            .filter(|keys| self.keys.as_deref() != Some(keys));
        let Some(keys) = keys else {
            if is_news {
                log::notice(&format!("The keys of {} can be fetched again", self.source));
            }
            return Ended::Unchanged;
        };
        let count = keys.count();
        log::notice(&format!("Keys of {} fetched: {count}", self.source));
        if count == 0 {
            log::warn(&format!("{} has no key that verifies tokens", self.source));
        }
        for remark in keys.remarks() {
            log::warn(&format!("{}: {remark}", self.source));
        }
        self.keys = Some(Arc::new(keys));
        Ended::Changed
    }

    /// Gives the time until the next attempt.
    fn on_failed(&mut self, why: &str) -> Duration {
        if !std::mem::replace(&mut self.is_failing, true) {
            let left = match &self.keys {
                Some(_) => "Those that are there stay.",
                None => "Its tokens get 503 until they come.",
            };
            log::warn(&format!(
                "Cannot fetch the keys of {}. {why}. {left}",
                self.source
            ));
        }
        Duration::from_secs(self.backoff.next())
    }
}
