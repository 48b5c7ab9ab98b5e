//! What a thread has at hand for a request.

use crate::observing::Observer;
use crate::serving::aim::{Aim, Server, Unreachable};
use crate::serving::clock::Clock;
use crate::serving::grant::{Grant, HeldPlace};
use crate::serving::spool::Room;
use crate::state::health::Health;
use crate::state::key_board::KeyBoard;
use crate::state::snapshot::Snapshot;
use corerest_api::{AnswerSize, Position};
use std::sync::Arc;
use std::time::Duration;

/// What a request may ask of whoever serves it.
pub(crate) trait Host {
    /// A connection to PostgreSQL for an answer of this size: `None` if the request has to wait for
    /// one.
    ///
    /// # Errors
    /// If there will be none soon.
    fn connection(&self, aim: Aim, size: AnswerSize) -> Option<Result<Grant, Unreachable>>;

    /// Whether requests that may go together are gathered.
    fn gathers(&self) -> Gathers;

    /// Whether others wait whose requests may go together with this one, to this server.
    fn has_company(&self, aim: Aim) -> bool;

    /// A place for an upload, or how many there may be at a time if all are taken.
    fn upload_place(&self) -> Result<HeldPlace, usize>;

    /// Whether replicas can have replayed this.
    fn can_tell(&self, position: Position) -> bool;

    /// A replica was lost, or could not be reached.
    fn loses(&self, replica: usize);

    /// Room in the spool for an answer of so many bytes, if there is so much.
    fn spool_room(&self, bytes: u64) -> Option<Room>;

    /// The request asks this server.
    fn asks(&self, server: Server);

    /// The request is about to ask for something that makes PostgreSQL wait for the disk.
    fn expect_to_wait(&self);

    /// The request is about to ask for something else; for what PostgreSQL has been quick with, and
    /// what goes together with others if it has to wait, or not.
    fn expect(&self, is_quick: bool);

    /// PostgreSQL has taken so long for the first answer to what was sent.
    fn note_way(&self, took: Duration);

    /// Whether the server ends, and each response says that its connection does.
    fn announces_end(&self) -> bool;

    /// What is being fetched for tokens whose keys are not there.
    fn key_board(&self) -> &KeyBoard;

    /// How PostgreSQL is, and whom to tell that it may be gone.
    fn health(&self) -> &Health;
}

/// Whether requests are gathered that may be asked together ([`super::together`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gathers {
    /// Each is asked by itself.
    No,
    /// This one would be the first.
    First,
    /// Some are there already that go to this server, and nobody else may be asked before them.
    More(Aim),
}

/// What a thread has on its desk besides the request.
#[derive(Clone, Copy)]
pub(crate) struct Desk<'a> {
    /// What the request is answered from.
    pub(crate) snapshot: &'a Arc<Snapshot>,
    /// Whom it may ask.
    pub(crate) host: &'a dyn Host,
    /// The core that the thread belongs to.
    pub(crate) core: usize,
    /// What time it is.
    pub(crate) clock: &'a Clock,
    /// Who takes notes.
    pub(crate) observer: &'a Observer,
}
