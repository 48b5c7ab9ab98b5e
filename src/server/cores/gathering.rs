//! The clients whose requests a thread asks together ([`flights`](super::flights)).

use super::shared::ParkedClient;
use crate::serving::client::Client;
use std::collections::VecDeque;

/// Requests that are asked together, and what becomes of them.
#[derive(Default)]
pub(super) struct Gathering {
    /// Those that were not answered yet, in the order of their coming.
    pub(super) asking: VecDeque<ParkedClient>,
    /// Those of them that would have held up the others.
    pub(super) slow: VecDeque<ParkedClient>,
    /// Clients that have their answers.
    pub(super) answered: VecDeque<Box<Client>>,
    /// Who has its turn behind them: it has a request that is asked by itself.
    pub(super) behind: Option<ParkedClient>,
}
