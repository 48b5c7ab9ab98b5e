//! Looks at each server once a second, where there are replicas: how far it has come, and whether
//! it will do ([`crate::state::fleet`]).
//!
//! ```text
//! not connected ──▶ connected ──look──▶ published ──a second, or somebody waits──▶ look …
//!   │   ▲                └──silent, or gone──▶ left out ──┐
//!   ▼   └─────────────────────────────────────────────────┘
//! mute
//! ```
//! Each server has a thread of its own, and a connection to it, so that one that says nothing
//! delays nobody. A pool that prefers standbys and has found none looks for one again: its
//! connections are replaced when there is one. When a new timeline begins, those to the primary are
//! replaced, for the server behind them may be one whose time is over.

use super::conversation::{Conversation, LoadError, not_decoded};
use crate::cores::Cores;
use crate::exit::spawn_vital;
use crate::log;
use crate::serving::aim::Server;
use crate::state::fleet::{LOOK, Unfit};
use corerest_api::{Standing, ask_standing, decode_standing};
use corerest_pg::Silences;
use corerest_pg::connect::SharedTarget;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// The same while somebody waits for what a replica has not replayed.
const HASTY_LOOK: Duration = Duration::from_millis(10);

/// How long a replica may take to say how it is: then it is left out. If nobody answers a new
/// connection for as long, either, it is mute, and reads to which it has said nothing for as long
/// go on elsewhere. Somebody does on a machine that is merely busy.
pub(crate) const MUTE: Duration = Duration::from_secs(2);

/// How often a standby is looked for by who prefers one.
const STANDBY_LOOK: Duration = Duration::from_secs(5);

/// Who looks at a server.
pub(crate) struct Watcher {
    pub(crate) server: Server,
    pub(crate) target: Arc<SharedTarget>,
    /// Who waits for the server.
    pub(crate) silences: Arc<Silences>,
    pub(crate) cores: Arc<Cores>,
}

/// What a watcher remembers from look to look.
#[derive(Default)]
struct Memory {
    conversation: Option<Conversation>,
    connected: Option<Instant>,
    /// Whether it could not be looked at the last time.
    has_failed: bool,
    /// What was wrong the last time, for the log.
    said: Option<String>,
}

impl Watcher {
    /// Looks from now on, as long as the process lives.
    ///
    /// # Errors
    /// If there cannot be a thread for it.
    pub(crate) fn start(self) -> io::Result<()> {
        let name = match self.server {
            Server::Primary => "primary".to_owned(),
            Server::Replica(replica) => format!("replica-{replica}"),
        };
        let (server, cores) = (self.server, Arc::clone(&self.cores));
        let thread = spawn_vital(name, move || self.run())?;
        if let Server::Replica(_) = server {
            cores.fleet().add_watcher(thread.thread().clone());
        }
        Ok(())
    }

    fn run(&self) {
        let mut memory = Memory::default();
        loop {
            match self.look(&mut memory) {
                Ok(standing) => {
                    memory.has_failed = false;
                    self.silences.on_answer();
                    self.publish(&standing, &mut memory);
                }
                Err(error) => {
                    let was_connected = memory.conversation.take().is_some();
                    let had_failed = std::mem::replace(&mut memory.has_failed, true);
                    // Perhaps it was the connection alone.
                    let looks_again = was_connected && !had_failed;
                    if let Server::Replica(replica) = self.server {
                        self.lose(replica, &error, &mut memory);
                        // Who refuses is there.
                        if !looks_again && !error.is_refusal() {
                            self.silences.on_deserted();
                        }
                    }
                    if looks_again {
                        continue;
                    }
                }
            }
            let is_awaited = memory.conversation.is_some() && self.cores.awaits_replay();
            thread::park_timeout(match self.server {
                Server::Replica(_) if is_awaited => HASTY_LOOK,
                Server::Primary | Server::Replica(_) => LOOK,
            });
        }
    }

    /// It could not be looked at, which is told as often as there is another reason.
    fn lose(&self, replica: usize, error: &LoadError, memory: &mut Memory) {
        let why = error.json();
        let said = self.cores.left_out(replica, &why);
        if !self.cores.lose(replica, &why) && memory.said.as_ref() != Some(&said) {
            log::warn(&said);
        }
        memory.said = Some(said);
    }

    fn look(&self, memory: &mut Memory) -> Result<Standing, LoadError> {
        let conversation = match &mut memory.conversation {
            Some(conversation) => conversation,
            none => {
                let target = self.target.current();
                let (conversation, _) = match self.server {
                    Server::Primary => {
                        let timeline_min = self.cores.fleet().timeline();
                        Conversation::begin_on(&target, None, timeline_min)?
                    }
                    Server::Replica(_) => Conversation::begin_shortly(&target, MUTE)?,
                };
                memory.connected = Some(Instant::now());
                none.insert(conversation)
            }
        };
        let mut document = conversation.ask(&ask_standing())?;
        decode_standing(&mut document).map_err(not_decoded)
    }

    fn publish(&self, standing: &Standing, memory: &mut Memory) {
        match self.server {
            Server::Primary => self.publish_primary(standing, memory),
            Server::Replica(replica) => self.publish_replica(replica, standing, memory),
        }
    }

    fn publish_primary(&self, standing: &Standing, memory: &mut Memory) {
        let fleet = self.cores.fleet();
        let newest = fleet.timeline();
        if standing.recovers || standing.timeline < newest {
            // It is none, or its time is over: perhaps the next connection leads to another one.
            memory.conversation = None;
            let said = format!(
                "The primary is on timeline {}, and there is {newest}",
                standing.timeline
            );
            if memory.said.as_ref() != Some(&said) {
                log::warn(&said);
                self.cores.flush_connections_to(Server::Primary);
            }
            memory.said = Some(said);
            return;
        }
        let said = format!("The primary is on timeline {}", standing.timeline);
        fleet.on_primary(standing, Instant::now());
        if memory.said.as_ref() != Some(&said) {
            log::notice(&said);
            if memory.said.is_some() {
                self.cores.flush_connections_to(Server::Primary);
            }
        }
        memory.said = Some(said);
    }

    fn publish_replica(&self, replica: usize, standing: &Standing, memory: &mut Memory) {
        let fleet = self.cores.fleet();
        let known = &fleet.replicas()[replica];
        let was_usable = known.is_usable();
        let before = known.replayed();
        let unfit = fleet.on_replica(replica, standing, Instant::now());
        if was_usable != known.is_usable() || before != standing.lsn {
            self.cores.on_fleet_changed();
        }
        let left_out = |why: &dyn fmt::Display| self.cores.left_out(replica, why);
        let said = match unfit {
            None => format!("The replica {} answers reads", known.name()),
            Some(Unfit::Unmeasured) => return,
            Some(Unfit::Lags(_)) => left_out(&"it is behind (db-replica-max-lag)"),
            Some(Unfit::Foreign) => left_out(&"it is a part of another cluster"),
            Some(Unfit::Astray) => left_out(&format_args!(
                "it is a primary of timeline {}, and there is a newer one",
                standing.timeline
            )),
            Some(Unfit::OnProbation(first)) => left_out(&format_args!(
                "it has failed, and has to be well for {} s first",
                first.as_secs()
            )),
        };
        // Perhaps a request has lost it meanwhile, which the log has.
        let is_back = !was_usable && known.is_usable();
        if is_back || memory.said.as_ref() != Some(&said) {
            log::notice(&said);
        }
        memory.said = Some(said);
        self.look_for_standby(replica, standing, memory);
    }

    /// Connections of who prefers standbys stay with a primary when there is a standby again. Ours
    /// may be with the standby while theirs are not.
    fn look_for_standby(&self, replica: usize, standing: &Standing, memory: &mut Memory) {
        let is_due = |at: Instant| at.elapsed() >= STANDBY_LOOK;
        if !self.target.current().prefers_standby() || !memory.connected.is_none_or(is_due) {
            return;
        }
        memory.connected = Some(Instant::now());
        if standing.recovers {
            if self.cores.has_met_primary(replica) {
                self.cores.flush_connections_to(Server::Replica(replica));
            }
        } else if let Ok((conversation, _)) = Conversation::begin(&self.target.current(), None)
            && conversation.is_with_standby()
        {
            memory.conversation = Some(conversation);
            self.cores.flush_connections_to(Server::Replica(replica));
        }
    }
}
