//! Asks PostgreSQL over a new connection whether those are at work whom we wait for in silence.
//!
//! Connections for requests and those of the control plane note themselves when they have heard
//! nothing for some seconds ([`corerest_pg::Silences`]). Each server is asked about its own, by
//! the process ids that it has given. Of those that a pooler has invented nobody knows anything.

use super::conversation::{Conversation, LoadError, Testimony, Witness, not_decoded};
use crate::log;
use corerest_api::{Backends, ask_backends, decode_backends};
use corerest_pg::connect::{Address, SharedTarget};
use corerest_pg::{Connection, Finding, Silences, Silent};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Who asks.
pub(crate) struct Inquiry {
    pub(crate) target: Arc<SharedTarget>,
    pub(crate) silences: Arc<Silences>,
}

impl Inquiry {
    /// Asks there; nobody is silent yet.
    pub(crate) fn new(target: Arc<SharedTarget>) -> Inquiry {
        Inquiry {
            target,
            silences: Arc::default(),
        }
    }

    /// Asks about all that are silent. Returns what was found out of which, and nothing of those
    /// whose servers cannot be asked.
    pub(crate) fn make(&self) -> Vec<(Silent, Testimony)> {
        let mut by_server: BTreeMap<String, Vec<Silent>> = BTreeMap::new();
        for silent in self.silences.list() {
            let server = silent.address.to_string();
            by_server.entry(server).or_default().push(silent);
        }
        let servers = by_server.into_values();
        servers.flat_map(|silent| self.ask_about(silent)).collect()
    }

    /// Asks one server about connections to it.
    fn ask_about(&self, all: Vec<Silent>) -> Vec<(Silent, Testimony)> {
        let backends = match self.ask(&all) {
            Ok(backends) => backends,
            Err(error) => {
                log::debug(|| {
                    format!("Silent connections cannot be asked about. {}", error.json())
                });
                // Who refuses is there, and may be full; what he does, nobody knows.
                if !error.is_refusal() {
                    return Vec::new();
                }
                None
            }
        };
        let judged = all.into_iter().map(|silent| {
            let testimony = match &backends {
                Some(backends) => self.judge(&silent, backends),
                None => Testimony::Uncertain,
            };
            (silent, testimony)
        });
        judged.collect()
    }

    /// `None` if process ids mean nothing there.
    fn ask(&self, all: &[Silent]) -> Result<Option<Backends>, LoadError> {
        let [first, ..] = all else {
            return Ok(None);
        };
        let (mut conversation, _) =
            Conversation::begin(&first.target(&self.target.current()), None)?;
        let process_ids: Vec<i32> = all.iter().map(|silent| silent.process_id).collect();
        let mut document = conversation.ask(&ask_backends(&process_ids))?;
        let backends = decode_backends(&mut document).map_err(not_decoded)?;
        let is_true = backends.own == conversation.connection().server_process();
        Ok(is_true.then_some(backends))
    }

    fn judge(&self, silent: &Silent, backends: &Backends) -> Testimony {
        let found = backends.there.iter();
        let found = found
            .clone()
            .find(|backend| backend.pid == silent.process_id);
        let finding = match found.map(|backend| backend.works) {
            Some(None) => return Testimony::Uncertain,
            Some(Some(true)) => Finding::Works,
            Some(Some(false)) => Finding::Rests,
            None => Finding::IsMissing,
        };
        if self.silences.on_finding(silent.number, finding) {
            log::warn(&format!(
                "A connection to PostgreSQL was lost without a word: the {} of process {} has \
                 said nothing for long, and {}",
                silent.address,
                silent.process_id,
                match finding {
                    Finding::IsMissing => "it is not there any more",
                    Finding::Rests | Finding::Works => "it has nothing to do",
                }
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
        let (process_id, address): (i32, &Address) = (about.server_process(), about.address());
        let found = self.make();
        let mut own = found
            .iter()
            .filter(|(silent, _)| silent.process_id == process_id && silent.address == *address);
        own.next()
            .map_or(Testimony::Unwitnessed, |(_, testimony)| *testimony)
    }
}
