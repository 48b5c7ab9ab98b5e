//! What a batch has left in its session, as far as the server tells.
//!
//! PostgreSQL reports each change of some settings, among them `client_encoding`, `TimeZone` and
//! `DateStyle`: since 14 before it is ready again, and only what is not as it was last reported;
//! before, at once, and what a transaction has set for itself is reported again when that reverts.
//! So at the end of a batch the last report of each setting is what the next one would meet.

use crate::connect::ServerParameters;
use corerest_wire::pg::Message;

/// It changes when a standby is promoted; that is nobody's doing, and changes no answer.
const OF_THE_SERVER: &[u8] = b"in_hot_standby";

/// What is not as it was when the session was opened.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    /// The reported settings that have another value now.
    settings: Vec<Box<[u8]>>,
    /// Whether there is anything else.
    others: bool,
}

impl Leftovers {
    /// Takes note of what the server says besides its replies, in a session that was opened with
    /// these settings. Who is told of notifications but has asked for none has met somebody's
    /// LISTEN.
    pub(super) fn on(&mut self, message: &Message<'_>, first: &ServerParameters, listens: bool) {
        match message {
            Message::ParameterStatus { name, value } => self.on_report(first, name, value),
            Message::NotificationResponse { .. } if !listens => self.on_other(),
            _ => {}
        }
    }

    /// A setting was reported, which had one of these values when the session was opened. One
    /// that was not reported then had another value, for all that is known.
    fn on_report(&mut self, first: &ServerParameters, name: &[u8], value: &[u8]) {
        if name == OF_THE_SERVER {
            return;
        }
        self.settings.retain(|changed| **changed != *name);
        let name_text = std::str::from_utf8(name).ok();
        let was = name_text.and_then(|name| first.value(name));
        if was.map(str::as_bytes) != Some(value) {
            self.settings.push(name.into());
        }
    }

    /// Something was found that stays until the session ends.
    pub(super) fn on_other(&mut self) {
        self.others = true;
    }

    /// The session will be put in order, and settings that are put back are reported.
    pub(super) fn on_reset(&mut self) {
        self.others = false;
    }

    /// Whether there is anything.
    pub(super) fn is_any(&self) -> bool {
        self.others || !self.settings.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened() -> ServerParameters {
        let mut first = ServerParameters::default();
        first.set(b"TimeZone", b"UTC");
        first.set(b"client_encoding", b"UTF8");
        first.set(b"in_hot_standby", b"on");
        first
    }

    fn after(reports: &[(&[u8], &[u8])]) -> bool {
        let (first, mut leftovers) = (opened(), Leftovers::default());
        for (name, value) in reports {
            leftovers.on_report(&first, name, value);
        }
        leftovers.is_any()
    }

    #[test]
    fn what_was_changed_is_left() {
        assert!(after(&[(b"TimeZone", b"Asia/Tokyo")]));
        assert!(after(&[
            (b"TimeZone", b"Asia/Tokyo"),
            (b"client_encoding", b"LATIN1"),
            (b"TimeZone", b"UTC"),
        ]));
        assert!(after(&[(b"never_heard_of", b"")]));
    }

    #[test]
    fn what_was_put_back_is_not() {
        assert!(!after(&[]));
        assert!(!after(&[
            (b"TimeZone", b"Asia/Tokyo"),
            (b"client_encoding", b"LATIN1"),
            (b"TimeZone", b"Asia/Kolkata"),
            (b"client_encoding", b"UTF8"),
            (b"TimeZone", b"UTC"),
        ]));
    }

    #[test]
    fn a_promotion_leaves_nothing() {
        assert!(!after(&[(b"in_hot_standby", b"off")]));
    }
}
