//! What a thread has at hand for a request.

use crate::cores::Cores;
use crate::observing::Observer;
use crate::serving::clock::Clock;
use crate::state::snapshot::Snapshot;
use std::sync::Arc;

/// What a thread has on its desk besides the request.
#[derive(Clone, Copy)]
pub(crate) struct Desk<'a> {
    /// What the request is answered from.
    pub(crate) snapshot: &'a Arc<Snapshot>,
    /// All cores, and which of them the thread belongs to.
    pub(crate) cores: &'a Cores,
    /// Its number.
    pub(crate) core: usize,
    /// The number of the thread within it.
    pub(crate) thread: usize,
    /// What time it is.
    pub(crate) clock: &'a Clock,
    /// Who takes notes.
    pub(crate) observer: &'a Observer,
}
