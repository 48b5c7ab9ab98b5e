//! Looks at each server once a second, where there are replicas: how far it has come, and whether
//! it will do ([`crate::state::fleet`]).
//!
//! ```text
//! not connected ──▶ connected ──look──▶ published ──a second, or less ([`Pace`])──▶ look …
//!   │   ▲                └──silent, or gone──▶ left out ──┐
//!   ▼   └─────────────────────────────────────────────────┘
//! mute
//! ```
//! Each server has a thread of its own, and a connection to it, so that one that says nothing
//! delays nobody. A pool that prefers standbys and has found none looks for one again: its
//! connections are replaced when there is one. When a new timeline begins, those to the primary are
//! replaced, for the server behind them may be one whose time is over.

use super::conversation::{Conversation, LoadError, not_decoded};
use crate::cores::{Awaited, Cores};
use crate::exit::spawn_vital;
use crate::log;
use crate::serving::aim::Server;
use crate::state::fleet::{LOOK, Unfit};
use corerest_api::{Position, Standing, ask_standing, decode_standing};
use corerest_pg::Silences;
use corerest_pg::connect::SharedTarget;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// The same while somebody waits for what a replica has not replayed.
const HASTY_LOOK: Duration = Duration::from_millis(10);

/// The same at the least while those who wait ask for what nobody has written: four times a second,
/// for that may be many who do it all the time.
const DOUBTFUL_LOOK_MAX: Duration = Duration::from_millis(250);

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
    pace: Pace,
}

/// How soon a server is looked at again.
///
/// ```text
/// token ──▶ written, as far as is known? ──yes──▶ replicas: at once, and every 10 ms
///                    └─no──▶ primary: at once ──it was──▶ as above
///                               └─it was not: the next time after 20, 40 … 250 ms
/// ```
/// A token may name what was written a moment ago, which a look at the primary shows; one that
/// names what nobody has written must not cost a look each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pace {
    /// How soon those are looked after who wait for what is not known to be written.
    doubtful: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            doubtful: HASTY_LOOK,
        }
    }
}

impl Pace {
    /// How long after the last look the next one is.
    fn pause(self, server: Server, awaited: Awaited) -> Duration {
        match server {
            Server::Replica(_) if awaited.is_written => HASTY_LOOK,
            Server::Primary | Server::Replica(_) if awaited.beyond.is_some() => self.doubtful,
            Server::Primary | Server::Replica(_) => LOOK,
        }
    }

    /// Whether whoever has just begun to wait need not wait for that.
    fn is_urgent(self, server: Server, awaited: Awaited) -> bool {
        let is_written = matches!(server, Server::Replica(_)) && awaited.is_written;
        is_written || awaited.beyond.is_some() && self.doubtful == HASTY_LOOK
    }

    /// There was a look while this was waited for, and it has shown that some of it was written, or
    /// not.
    fn after(self, awaited: Awaited, has_shown: bool) -> Pace {
        Pace {
            doubtful: match awaited.beyond.is_some() && !has_shown {
                true => (2 * self.doubtful).min(DOUBTFUL_LOOK_MAX),
                false => HASTY_LOOK,
            },
        }
    }
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
        let cores = Arc::clone(&self.cores);
        let thread = spawn_vital(name, move || self.run())?;
        cores.fleet().add_watcher(thread.thread().clone());
        Ok(())
    }

    fn run(&self) {
        let mut memory = Memory::default();
        loop {
            let awaited = self.cores.awaited();
            let number = match self.server {
                Server::Primary => self.cores.fleet().begin_primary_look(),
                Server::Replica(_) => 0,
            };
            let mut has_shown = false;
            match self.look(&mut memory) {
                Ok(standing) => {
                    memory.has_failed = false;
                    self.silences.on_answer();
                    has_shown = awaited.is_shown_by(&standing);
                    match self.server {
                        Server::Primary => {
                            self.publish_primary(number, &standing, &mut memory);
                            if has_shown {
                                self.cores.fleet().hurry();
                            }
                        }
                        Server::Replica(replica) => {
                            self.publish_replica(replica, &standing, &mut memory);
                        }
                    }
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
            memory.pace = memory.pace.after(awaited, has_shown);
            self.rest(&memory);
        }
    }

    /// Waits until there is a reason to look again.
    fn rest(&self, memory: &Memory) {
        let began = Instant::now();
        let was_usable = self.is_usable();
        let mut is_waked = false;
        loop {
            let awaited = match memory.conversation {
                Some(_) => self.cores.awaited(),
                None => Awaited::default(),
            };
            let pause = memory.pace.pause(self.server, awaited);
            let left = pause.saturating_sub(began.elapsed());
            let is_urgent = is_waked && memory.pace.is_urgent(self.server, awaited);
            let is_lost = was_usable && !self.is_usable();
            if left.is_zero() || is_urgent || is_lost {
                return;
            }
            thread::park_timeout(left);
            is_waked = true;
        }
    }

    fn is_usable(&self) -> bool {
        match self.server {
            Server::Primary => true,
            Server::Replica(replica) => self.cores.fleet().replicas()[replica].is_usable(),
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

    fn publish_primary(&self, number: u64, standing: &Standing, memory: &mut Memory) {
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
        let end = Position {
            timeline: standing.timeline,
            lsn: standing.end,
        };
        self.cores.end_hopeless(number, end);
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

#[cfg(test)]
mod tests {
    use super::*;

    const REPLICA: Server = Server::Replica(0);

    const WRITTEN: Awaited = Awaited {
        is_written: true,
        beyond: None,
    };

    const BEYOND: Awaited = Awaited {
        is_written: false,
        beyond: Some(Position {
            timeline: 1,
            lsn: 1,
        }),
    };

    /// How often a server is looked at within so many seconds, while somebody new waits for this
    /// every millisecond.
    fn looks(server: Server, awaited: Awaited, shows: bool, seconds: u32) -> u32 {
        let mut pace = Pace::default();
        let mut since_look = LOOK;
        let mut looks = 0;
        for _ in 0..1000 * seconds {
            since_look += Duration::from_millis(1);
            let is_due = since_look >= pace.pause(server, awaited);
            if is_due || pace.is_urgent(server, awaited) {
                pace = pace.after(awaited, shows);
                since_look = Duration::ZERO;
                looks += 1;
            }
        }
        looks
    }

    #[test]
    fn who_asks_for_what_nobody_has_written_costs_a_few_looks_a_second() {
        for server in [Server::Primary, REPLICA] {
            let many = looks(server, BEYOND, false, 10);
            assert!(many <= 50, "{server:?}: {many}");
            let (none, usual) = (Awaited::default(), 10);
            assert_eq!(looks(server, none, false, 10), usual, "{server:?}");
        }
        // To wait for a replica is nothing to the primary.
        assert_eq!(looks(Server::Primary, WRITTEN, false, 10), 10);
    }

    #[test]
    fn who_waits_for_what_was_written_is_not_kept_waiting() {
        let mut pace = Pace::default();
        for _ in 0..10 {
            assert!(pace.is_urgent(REPLICA, WRITTEN));
            assert_eq!(pace.pause(REPLICA, WRITTEN), HASTY_LOOK);
            pace = pace.after(BEYOND, false);
        }
        assert_eq!(pace.pause(REPLICA, BEYOND), DOUBTFUL_LOOK_MAX);
        assert!(!pace.is_urgent(Server::Primary, BEYOND));
        // Others have asked for what was written, or nobody for anything.
        for pace in [pace.after(BEYOND, true), pace.after(WRITTEN, false)] {
            assert!(pace.is_urgent(Server::Primary, BEYOND));
            assert_eq!(pace.pause(Server::Primary, BEYOND), HASTY_LOOK);
        }
    }
}
