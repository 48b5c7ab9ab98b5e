//! What is heard of other sessions.

/// What another session has told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The channel.
    pub channel: String,
    /// The text with it; empty if there was none.
    pub payload: String,
}
