//! The ear: hears the channels that clients want to hear, on one connection for all of them.
//!
//! ```text
//! start ──▶ deaf ⇄ connecting ──▶ listening ──notification──▶ every core
//!   server-events-  ▲  │            │ ├─ a channel is wanted, or no longer: LISTEN, UNLISTEN
//!   enabled=false   │  │ failed     │ └─ quiet: asks whether the server is there
//!                   └──┴────────────┘ lost
//! ```
//! It has a thread and a connection of its own beside the [listener](super::listener) of
//! `db-channel`: what clients want to hear must not hold up reloads. Like that one it must be able
//! to write, for a standby notifies nobody. What was told while it did not listen is lost, and all
//! who hear are told that something may be.
//!
//! Invariant: a client is told that its channels are in force after PostgreSQL has confirmed the
//! LISTEN of each of them on the connection that there is now.

use crate::control::backoff::Backoff;
use crate::control::conversation::{Conversation, LoadError};
use crate::control::listener::{Lost, QUIET_MAX, Woken, lost, wait};
use crate::cores::Cores;
use crate::log;
use crate::serving::hearing::Word;
use crate::state::channels::Channels;
use corerest_api::channel::{self, ChannelName};
use corerest_pg::Notification;
use corerest_pg::connect::{SharedTarget, Target, TargetSessionAttributes};
use corerest_sql::Statement;
use corerest_wire::http::event_stream::Part;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many channels PostgreSQL is told of at a time.
const TOLD_AT_ONCE: usize = 500;

/// The longest pause before it tries to connect again: clients wait for it, and give up after
/// `db-pool-acquisition-timeout`.
const PAUSE_MAX: u64 = 2;

/// What all who hear are told when something may have been missed.
const RECONNECTED: &str = "reconnected";

/// The ear.
pub(crate) struct Ear {
    /// What to connect to, with a session that can write.
    pub(crate) target: Arc<SharedTarget>,
    pub(crate) cores: Arc<Cores>,
}

/// What is remembered from one connection to the next.
struct Past {
    backoff: Backoff,
    /// Whether there was one while clients may have heard, so that they may have missed something.
    has_listened: bool,
    is_queue_untidy: bool,
    /// Why the last one was lost, so that it is said once.
    said: Option<String>,
}

impl Ear {
    /// The life of the thread.
    pub(crate) fn run(self) {
        let mut past = Past {
            backoff: Backoff::new(),
            has_listened: false,
            is_queue_untidy: false,
            said: None,
        };
        loop {
            if !self.is_wanted() {
                self.channels().set_listening(None);
                past.has_listened = false;
                wait(self.channels().bell(), None, None);
                continue;
            }
            self.channels().set_listening(Some(false));
            let Err(lost) = self.listen(&mut past) else {
                // The connection is closed, and nobody hears: the configuration has changed.
                self.channels().on_lost();
                continue;
            };
            self.channels().on_lost();
            self.channels().set_listening(Some(false));
            past.is_queue_untidy = channel::is_queue_untidy(&lost.text);
            self.on_lost(&lost, &mut past);
            self.pause(Duration::from_secs(past.backoff.next().min(PAUSE_MAX)));
        }
    }

    fn channels(&self) -> &Channels {
        self.cores.channels()
    }

    fn is_wanted(&self) -> bool {
        self.cores.snapshot().config.server_events_enabled
    }

    fn on_lost(&self, lost: &Lost, past: &mut Past) {
        let is_new = past.said.as_ref() != Some(&lost.text);
        if is_new && !self.cores.announces_end() {
            log::warn(&format!(
                "Failed listening for the notifications that clients hear \
                 (server-events-enabled), and trying again. {}",
                lost.text
            ));
        }
        past.said = Some(lost.text.clone());
    }

    /// Waits before it tries again, whatever is wanted meanwhile.
    fn pause(&self, at_most: Duration) {
        let deadline = Instant::now() + at_most;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || wait(self.channels().bell(), None, Some(left)) == Woken::Quiet {
                return;
            }
        }
    }

    /// Listens until nobody is to hear anything any more.
    fn listen(&self, past: &mut Past) -> Result<(), Lost> {
        let target = Target::clone(&self.target.current());
        let target = target.with_session_attributes(TargetSessionAttributes::ReadWrite);
        let (mut conversation, _) = Conversation::begin(&target, None)?;
        conversation.connection().keep_notifications();
        if past.is_queue_untidy {
            conversation.execute(&[channel::tidy_queue_statement()], None)?;
        }
        let stay = [channel::stay_statement()];
        conversation.execute(&stay, None)?;
        self.tell_postgresql(&mut conversation)?;
        if past.has_listened {
            self.cores
                .tell(&Word::ToAll(Part::event(RECONNECTED, None, "")));
        }
        log::notice("Listening for the notifications that clients hear");
        past.backoff = Backoff::new();
        past.has_listened = true;
        past.said = None;
        self.channels().set_listening(Some(true));
        loop {
            while let Some(notification) = conversation.connection().next_notification() {
                self.pass_on(&notification);
            }
            if !self.is_wanted() {
                return Ok(());
            }
            self.tell_postgresql(&mut conversation)?;
            let connection = conversation.connection();
            match wait(self.channels().bell(), Some(connection), Some(QUIET_MAX)) {
                Woken::Heard => connection.hear().map_err(lost)?,
                Woken::Rung => {}
                Woken::Quiet => drop(conversation.execute(&stay, None)?),
            }
        }
    }

    /// Tells those who hear it. It is written once for all.
    fn pass_on(&self, notification: &Notification) {
        let (id, data) = channel::id_and_data(&notification.payload);
        let part = Part::event(&notification.channel, id, data);
        let channel = ChannelName::of_notification(&notification.channel);
        self.cores.tell(&Word::Event(channel, part));
    }

    /// Tells PostgreSQL of channels that are wanted, and of those that nobody wants any more.
    fn tell_postgresql(&self, conversation: &mut Conversation) -> Result<(), Lost> {
        loop {
            let unwanted = self.channels().take_unwanted();
            for some in unwanted.chunks(TOLD_AT_ONCE) {
                conversation.execute(&statements(some, channel::unlisten_statement), None)?;
            }
            let mut wanted = self.channels().to_listen();
            if wanted.is_empty() {
                return Ok(());
            }
            wanted.truncate(TOLD_AT_ONCE);
            self.begin_to_listen(conversation, &wanted)?;
        }
    }

    /// One name that PostgreSQL refuses, such as one that its encoding lacks, must not be
    /// everybody's loss.
    fn begin_to_listen(
        &self,
        conversation: &mut Conversation,
        names: &[ChannelName],
    ) -> Result<(), Lost> {
        let listen = statements(names, channel::listen_statement);
        match conversation.execute(&listen, None) {
            Ok(_) => {
                for place in self.channels().on_listening(names) {
                    self.cores.tell_one(place, Word::Ready(place));
                }
                Ok(())
            }
            Err(LoadError::Server(error)) if is_about_a_name(&error.code) => match names {
                [name] => {
                    for place in self.channels().on_refused(name) {
                        let word = Word::Refused(place, error.message.clone());
                        self.cores.tell_one(place, word);
                    }
                    Ok(())
                }
                _ => {
                    let mut each = names.chunks(1);
                    each.try_for_each(|name| self.begin_to_listen(conversation, name))
                }
            },
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether an error is about what was asked for (a character that the encoding lacks, a syntax
/// error), and not about the server.
fn is_about_a_name(code: &str) -> bool {
    code.starts_with("22") || code.starts_with("42")
}

fn statements(names: &[ChannelName], statement: fn(&str) -> Statement) -> Vec<Statement> {
    let names = names.iter();
    names.map(|name| statement(name.as_str())).collect()
}
