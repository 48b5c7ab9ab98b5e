//! Hearing what other sessions tell (LISTEN).

use super::{Connection, Notification, State};
use crate::error::Error;
use corerest_wire::pg::{self, Message};
use std::collections::VecDeque;
use std::io;

/// So many notifications at a time are a mistake, or an attack on our memory.
const NOTIFICATIONS_MAX: usize = 10_000;

impl Connection {
    /// From now on notifications are kept.
    pub fn keep_notifications(&mut self) {
        self.notifications = Some(VecDeque::new());
    }

    /// Whether there is something to be heard that the descriptor does not show.
    pub fn has_unheard(&mut self) -> bool {
        self.input.len() > 0 || self.session.stream.has_buffered_bytes()
    }

    /// Takes in what has arrived; to be called when the descriptor is readable, or when there is
    /// something [unheard](Connection::has_unheard).
    ///
    /// # Errors
    /// If the connection has ended. What the server says about that is an [`Error::Server`].
    ///
    /// # Panics
    /// If a batch is being answered.
    pub fn hear(&mut self) -> Result<(), Error> {
        assert!(
            self.state == State::Idle,
            "the last batch was read to its end"
        );
        if !self.hear_buffered()? {
            self.fill()?;
            self.hear_buffered()?;
        }
        Ok(())
    }

    /// Takes in the messages that have been read, and says whether there was one.
    fn hear_buffered(&mut self) -> Result<bool, Error> {
        let mut is_any = false;
        while let Some((message, length)) = pg::decode(self.input.bytes())? {
            is_any = true;
            if let Message::ErrorResponse(fields) = message {
                let error = fields.to_server_error();
                return Err(self.broken(Error::Server(error)));
            }
            let notification = self.notification_of(&message);
            let step = self.expected.on(&message);
            self.input.consume(length);
            step.map_err(|violation| self.broken(violation.into()))?;
            if let Some(notification) = notification {
                self.keep(notification)?;
            }
        }
        Ok(is_any)
    }

    /// The next one that was heard.
    pub fn next_notification(&mut self) -> Option<Notification> {
        self.notifications.as_mut()?.pop_front()
    }

    pub(super) fn notification_of(&self, message: &Message<'_>) -> Option<Notification> {
        let Message::NotificationResponse {
            channel, payload, ..
        } = message
        else {
            return None;
        };
        self.notifications.as_ref()?;
        Some(Notification {
            channel: String::from_utf8_lossy(channel).into_owned(),
            payload: String::from_utf8_lossy(payload).into_owned(),
        })
    }

    pub(super) fn keep(&mut self, notification: Notification) -> Result<(), Error> {
        let kept = self.notifications.get_or_insert_default();
        if kept.len() >= NOTIFICATIONS_MAX {
            let source = io::Error::other("too many notifications at a time");
            return Err(self.lost(source));
        }
        kept.push_back(notification);
        Ok(())
    }
}
