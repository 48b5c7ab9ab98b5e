//! What another session has told with NOTIFY, and a bounded queue of it.

use corerest_wire::pg::Message;
use std::collections::VecDeque;

/// So many at a time are a mistake, or an attack on our memory.
const KEPT_MAX: usize = 10_000;

/// What another session has told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The channel.
    pub channel: String,
    /// The text with it; empty if there was none.
    pub payload: String,
}

impl Notification {
    /// The notification that a message is.
    pub(super) fn of(message: &Message<'_>) -> Option<Notification> {
        let Message::NotificationResponse {
            channel, payload, ..
        } = message
        else {
            return None;
        };
        Some(Notification {
            channel: String::from_utf8_lossy(channel).into_owned(),
            payload: String::from_utf8_lossy(payload).into_owned(),
        })
    }
}

/// Notifications that nobody has taken yet, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Notifications(VecDeque<Notification>);

/// There are more than anybody could mean.
#[derive(Debug)]
pub(super) struct TooMany;

impl Notifications {
    pub(super) fn keep(&mut self, notification: Notification) -> Result<(), TooMany> {
        if self.0.len() >= KEPT_MAX {
            return Err(TooMany);
        }
        self.0.push_back(notification);
        Ok(())
    }

    pub(super) fn take_next(&mut self) -> Option<Notification> {
        self.0.pop_front()
    }
}
