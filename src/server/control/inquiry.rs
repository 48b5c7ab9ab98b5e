//! Asks PostgreSQL over a new connection whether those are at work whom we wait for in silence.
//!
//! Connections for requests and those of the control plane note themselves when they have heard
//! nothing for some seconds ([`corerest_pg::Silences`]). Each server is asked about its own, by
//! the process ids that it has given, and only about those that it has started itself: the same
//! address may lead to another server. A thread of its own does it, whatever else goes on, also
//! while the server ends.

use super::conversation::{Conversation, LoadError, Testimony, Witness, not_decoded};
use crate::exit::spawn_vital;
use crate::log;
use corerest_api::{Backend, ask_backends, decode_backends};
use corerest_pg::connect::{ServerIdentity, SharedTarget};
use corerest_pg::{Connection, Finding, Silences, Silent};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// How often is looked whether somebody is silent.
const GLANCE: Duration = Duration::from_millis(500);

/// How often those who are silent are asked about: at first, and when one may wait in vain.
const PAUSE: Duration = Duration::from_secs(5);

/// The same, when their servers are at work.
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// Who asks.
pub(crate) struct Inquiry {
    pub(crate) target: Arc<SharedTarget>,
    pub(crate) silences: Arc<Silences>,
    /// Held while one is made, so that nobody is accused twice by two of them.
    under_way: Mutex<()>,
    thread: Mutex<Option<Thread>>,
}

/// Those who are silent, by number, and what was found out about them.
type Found = Vec<(u64, Silent, Testimony)>;

impl Inquiry {
    /// Asks there about these.
    pub(crate) fn new(target: Arc<SharedTarget>, silences: Silences) -> Inquiry {
        Inquiry {
            target,
            silences: Arc::new(silences),
            under_way: Mutex::new(()),
            thread: Mutex::new(None),
        }
    }

    /// Asks from now on, as long as the process lives.
    ///
    /// # Errors
    /// If there cannot be a thread for it.
    pub(crate) fn start(self: &Arc<Inquiry>) -> io::Result<()> {
        let inquiry = Arc::clone(self);
        let thread = spawn_vital("inquiry", move || inquiry.run())?;
        let mut own = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        *own = Some(thread.thread().clone());
        Ok(())
    }

    /// Something has taken one connection away without a word, and may have taken others: asks
    /// soon.
    pub(crate) fn hurry(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.iter().for_each(Thread::unpark);
    }

    fn run(&self) {
        let mut pause = Duration::ZERO;
        loop {
            // Should somebody be in a hurry, it is over at once.
            thread::park_timeout(pause);
            while self.silences.is_empty() {
                thread::park_timeout(GLANCE);
            }
            let found = self.make();
            let all_work = found.iter().all(|(.., found)| *found == Testimony::Works);
            pause = match !found.is_empty() && all_work {
                true => PAUSE_MAX,
                false => PAUSE,
            };
        }
    }

    /// Asks about all that are silent. Returns what was found out of which, and nothing of those
    /// whose servers cannot be asked.
    fn make(&self) -> Found {
        let _under_way = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut by_server: BTreeMap<String, Vec<(u64, Silent)>> = BTreeMap::new();
        for (number, silent) in self.silences.list() {
            let server = silent.address.to_string();
            by_server.entry(server).or_default().push((number, silent));
        }
        let servers = by_server.into_values();
        servers.flat_map(|silent| self.ask_about(silent)).collect()
    }

    /// Asks one server about connections to it.
    fn ask_about(&self, all: Vec<(u64, Silent)>) -> Found {
        let answer = match self.ask(&all) {
            Ok(answer) => answer,
            Err(error) => {
                log::debug(|| {
                    format!("Silent connections cannot be asked about. {}", error.json())
                });
                // Who refuses is there, and may be full; what he does, nobody knows.
                if !error.is_refusal() {
                    return Found::new();
                }
                None
            }
        };
        let judged = all.into_iter().map(|(number, silent)| {
            let testimony = match (&silent.server, &answer) {
                (Some(server), Some((started, backends))) if server.started == *started => {
                    self.judge(number, server, &silent, backends)
                }
                _ => Testimony::Uncertain,
            };
            (number, silent, testimony)
        });
        judged.collect()
    }

    /// When the server was started, and what it says about its sessions; `None` if it is not clear
    /// who it is.
    fn ask(&self, all: &[(u64, Silent)]) -> Result<Option<(String, Vec<Backend>)>, LoadError> {
        let [(_, first), ..] = all else {
            return Ok(None);
        };
        let (mut conversation, _) =
            Conversation::begin(&first.target(&self.target.current()), None)?;
        let servers = all.iter().filter_map(|(_, silent)| silent.server.as_ref());
        let process_ids: Vec<i32> = servers.map(|server| server.process_id).collect();
        let mut document = conversation.ask(&ask_backends(&process_ids))?;
        let backends = decode_backends(&mut document).map_err(not_decoded)?;
        let own = conversation.connection().server();
        Ok(own.map(|own| (own.started.clone(), backends)))
    }

    fn judge(
        &self,
        number: u64,
        server: &ServerIdentity,
        silent: &Silent,
        backends: &[Backend],
    ) -> Testimony {
        let mut backends = backends.iter();
        let finding = match backends.find(|backend| backend.pid == server.process_id) {
            Some(Backend { works: None, .. }) => return Testimony::Uncertain,
            Some(Backend {
                works: Some(true), ..
            }) => Finding::Works,
            Some(Backend {
                works: Some(false), ..
            }) => Finding::Rests,
            None => Finding::IsMissing,
        };
        if self.silences.on_finding(number, finding, Instant::now()) {
            let why = match finding {
                Finding::IsMissing => "is not there any more",
                Finding::Rests | Finding::Works => "has nothing to do",
            };
            log::warn(&format!(
                "A connection to PostgreSQL was lost without a word: process {} of the {} has \
                 said nothing for long, and {why}",
                server.process_id, silent.address,
            ));
        }
        match finding {
            Finding::Works => Testimony::Works,
            Finding::Rests | Finding::IsMissing => Testimony::Uncertain,
        }
    }
}

impl Witness for Inquiry {
    fn silences(&self) -> &Arc<Silences> {
        &self.silences
    }

    fn testify(&self, about: &Connection) -> Testimony {
        let found = self.make();
        let is_it = |silent: &Silent| {
            silent.address == *about.address() && silent.server.as_ref() == about.server()
        };
        let own = found.iter().find(|(_, silent, _)| is_it(silent));
        own.map_or(Testimony::Unwitnessed, |(.., testimony)| *testimony)
    }
}
