//! What the control plane knows, and tells the rest of the server.

pub(crate) mod channels;
pub(crate) mod fleet;
pub(crate) mod health;
pub(crate) mod key_board;
pub(crate) mod last_attempt;
pub(crate) mod orders;
pub(crate) mod snapshot;
