//! Which server a request is for, and where it goes on when that server would not do.
//!
//! ```text
//!    ┌────────────── refused, or lost twice ──────────────┐
//!    ▼                                                    │
//! Primary ◀──not in time── waits for replay ◀──behind── Replica ◀──┐
//!                                 └──replayed──────────────▲ └─lost─┘
//! ```
//! Nothing of an answer is passed on before it is clear that there will be one, so a read can go on
//! elsewhere as long as that. A read that has cost a replica its connection is asked for once more
//! and not again: it may be the query that brings servers down.

use corerest_api::{Batch, DatabaseError, Position, Reach};
use corerest_pg::Lease;
use corerest_pg::connect::ConnectError;

/// How many replicas that cannot be reached a request looks for before it asks the primary.
const MISSED_MAX: usize = 8;

/// What a request needs a connection to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// The primary.
    Primary,
    /// A replica, rather one that has replayed this.
    Replica {
        /// What it must have replayed.
        after: Option<Position>,
    },
}

/// A server that a connection leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    /// The primary.
    Primary,
    /// The replica with this number.
    Replica(usize),
}

/// A connection, and what it leads to.
pub(crate) struct Connected {
    /// The connection.
    pub(crate) lease: Lease,
    /// The server.
    pub(crate) server: Server,
}

/// Why there is no connection, and will be none soon.
#[derive(Debug)]
pub(crate) enum Unreachable {
    /// PostgreSQL could not be reached.
    Connect(ConnectError),
    /// No replica will do, and the primary is not to be asked instead.
    NoReplica,
}

/// Why a request goes on elsewhere.
#[derive(Debug)]
pub(crate) enum Elsewhere {
    /// The replica could not be reached; nothing was begun.
    NotBegun,
    /// The replica was lost with it.
    Lost,
    /// The replica has said this, and the primary may say something else.
    Refused(Box<DatabaseError>),
    /// The replica has not replayed what it must have.
    Behind,
    /// The primary, which might have said something else than a replica, was not there.
    Unanswered,
}

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitsFor {
    /// A connection to the primary.
    Primary,
    /// A connection to any server that answers reads.
    Replica,
    /// A replica that has replayed what it must have.
    Replay,
}

/// A request on its way from server to server.
#[derive(Debug)]
pub(crate) struct Quest {
    aim: Aim,
    was_lost: bool,
    /// How many replicas could not be reached.
    missed: usize,
    has_waited: bool,
    waits_for_replay: bool,
    /// How many looks at the primary had begun when it began to wait for that.
    looks_before: u64,
    /// What a replica has said, should the primary not be there.
    refusal: Option<Box<DatabaseError>>,
}

impl Quest {
    /// The beginning, for this batch. `can_tell` says whether a replica may know the position.
    pub(crate) fn new(batch: &Batch, can_tell: impl Fn(Position) -> bool) -> Quest {
        let aim = match (batch.reach, batch.after) {
            (Reach::Primary, _) => Aim::Primary,
            (Reach::Replica | Reach::ReplicaAsItIs, Some(after)) if !can_tell(after) => {
                Aim::Primary
            }
            (Reach::Replica | Reach::ReplicaAsItIs, after) => Aim::Replica { after },
        };
        Quest::aiming(aim)
    }

    fn aiming(aim: Aim) -> Quest {
        Quest {
            aim,
            was_lost: false,
            missed: 0,
            has_waited: false,
            waits_for_replay: false,
            looks_before: 0,
            refusal: None,
        }
    }

    /// Where it goes now.
    pub(crate) fn aim(&self) -> Aim {
        self.aim
    }

    /// Whether any server of those that it is for will do, and none has failed it.
    pub(crate) fn is_untroubled(&self) -> bool {
        let is_fresh = self.missed == 0 && !self.was_lost && self.refusal.is_none();
        is_fresh && self.after().is_none()
    }

    /// What it waits for, now that it has to.
    pub(crate) fn waits_for(&self) -> WaitsFor {
        match self.aim {
            _ if self.waits_for_replay => WaitsFor::Replay,
            Aim::Primary => WaitsFor::Primary,
            Aim::Replica { .. } => WaitsFor::Replica,
        }
    }

    /// What it must have replayed that answers.
    pub(crate) fn after(&self) -> Option<Position> {
        match self.aim {
            Aim::Primary => None,
            Aim::Replica { after } => after,
        }
    }

    /// It goes on.
    pub(crate) fn on(&mut self, why: Elsewhere) {
        match why {
            Elsewhere::NotBegun if self.missed >= MISSED_MAX => self.aim = Aim::Primary,
            Elsewhere::NotBegun => self.missed += 1,
            Elsewhere::Lost if self.was_lost => self.aim = Aim::Primary,
            Elsewhere::Lost => self.was_lost = true,
            Elsewhere::Refused(refusal) => {
                self.refusal = Some(refusal);
                self.aim = Aim::Primary;
            }
            Elsewhere::Behind if self.has_waited => self.aim = Aim::Primary,
            Elsewhere::Behind => self.waits_for_replay = true,
            // There is nobody left.
            Elsewhere::Unanswered => {}
        }
    }

    /// It begins to wait for a replica, after so many looks at the primary.
    pub(crate) fn awaits_replay(&mut self, looks: u64) {
        self.looks_before = looks;
    }

    /// Whether it waits for what nobody has ever written, as a look at the primary has shown, of
    /// this number, which has found the end of its log here.
    pub(crate) fn is_hopeless(&self, look: u64, end: Position) -> bool {
        let is_beyond = |after: Position| after.timeline <= end.timeline && after > end;
        self.looks_before < look && self.after().is_some_and(is_beyond)
    }

    /// A replica has replayed it.
    pub(crate) fn on_replayed(&mut self) {
        self.waits_for_replay = false;
        self.has_waited = true;
    }

    /// None has in time.
    pub(crate) fn on_not_replayed(&mut self) {
        self.waits_for_replay = false;
        self.aim = Aim::Primary;
    }

    /// Whether a replica has said something.
    pub(crate) fn has_refusal(&self) -> bool {
        self.refusal.is_some()
    }

    /// What a replica has said, now that nobody else says anything.
    pub(crate) fn take_refusal(&mut self) -> Option<Box<DatabaseError>> {
        self.refusal.take()
    }
}

/// Whether what a replica has said may be otherwise on the primary: what it lacks because it is
/// behind (tables, rights, roles), what it cannot do because it is a standby, a conflict with what
/// it replays, or a fault of its own.
pub(crate) fn is_of_replicas(code: &str) -> bool {
    let classes = ["25", "3F", "40", "42", "55", "58", "XX"];
    matches!(code, "0A000" | "22023") || classes.iter().any(|class| code.starts_with(class))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quest(after: Option<Position>) -> Quest {
        Quest::aiming(Aim::Replica { after })
    }

    fn at(timeline: u32, lsn: u64) -> Position {
        Position { timeline, lsn }
    }

    /// One that began to wait after seven looks at the primary.
    fn waiting(timeline: u32, lsn: u64) -> Quest {
        let mut quest = quest(Some(at(timeline, lsn)));
        quest.awaits_replay(7);
        quest
    }

    #[test]
    fn only_a_look_that_has_begun_later_shows_that_nobody_has_written_something() {
        let end = at(2, 100);
        assert!(waiting(2, 101).is_hopeless(8, end));
        assert!(!waiting(2, 101).is_hopeless(7, end));
        assert!(!waiting(2, 100).is_hopeless(8, end));
        // There may be a primary that was not seen yet.
        assert!(!waiting(3, 1).is_hopeless(8, end));
        let mut asks_primary = waiting(2, 101);
        asks_primary.on_not_replayed();
        assert!(!asks_primary.is_hopeless(8, end));
    }

    #[test]
    fn whoever_was_failed_by_a_server_or_has_a_token_goes_by_himself() {
        assert!(quest(None).is_untroubled());
        assert!(!quest(Some(at(1, 1))).is_untroubled());
        for why in [Elsewhere::NotBegun, Elsewhere::Lost] {
            let mut quest = quest(None);
            quest.on(why);
            assert!(!quest.is_untroubled());
        }
    }
}
