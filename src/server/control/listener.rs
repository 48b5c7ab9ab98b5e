//! The listener: hears what is told on `db-channel`, and passes it on to the control plane.
//!
//! ```text
//! start ──▶ connecting ──▶ listening ──notification──▶ order for the control plane
//!             │  ▲            │ └─ quiet: asks whether the server is there
//!      failed │  │ 1, 2 … 32 s│
//!             ▼  └────────────┴─ lost, no answer, or another channel is wanted
//!           waiting
//! ```
//! It has a thread and a connection of its own, which must be able to write: a standby notifies
//! nobody. What was told while nobody listened is lost, so the control plane loads everything anew
//! when its last load is older than the listening.
//!
//! A connection can go silent without ending, behind a firewall that has forgotten it. So the
//! server is asked for a sign of life when it was quiet for a while; the question is LISTEN again,
//! which changes nothing and keeps `pg_stat_activity` telling what the connection is for.

use crate::control::backoff::Backoff;
use crate::control::conversation::{self, Conversation, LoadError};
use crate::exit::exit_with;
use crate::log;
use crate::net::Bell;
use crate::state::health::{Health, Listening};
use crate::state::orders::{Order, Orders};
use corerest_api::channel::{self, Reload};
use corerest_config::Config;
use corerest_pg::Connection;
use corerest_pg::connect::{Address, SharedTarget, Target, TargetSessionAttributes};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the server may be quiet before it is asked whether it is there.
pub(super) const QUIET_MAX: Duration = Duration::from_secs(5);

/// What the listener is to do, told by the control plane.
#[derive(Debug)]
pub(crate) struct Wanted {
    wanted: Mutex<Wish>,
    bell: Bell,
}

/// One state of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wish {
    /// The channel; `None` to listen to nothing.
    channel: Option<String>,
    /// Whether to try again when the connection is lost (`db-pool-automatic-recovery`).
    recovers: bool,
    is_over: bool,
}

impl Wish {
    fn of(config: &Config) -> Wish {
        Wish {
            channel: config.db_channel_enabled.then(|| config.db_channel.clone()),
            recovers: config.db_pool_automatic_recovery,
            is_over: false,
        }
    }
}

impl Wanted {
    /// What this configuration wants.
    pub(crate) fn new(config: &Config) -> io::Result<Wanted> {
        Ok(Wanted {
            wanted: Mutex::new(Wish::of(config)),
            bell: Bell::new()?,
        })
    }

    /// Another configuration is in effect.
    pub(crate) fn update(&self, config: &Config) {
        self.change(|wish| {
            let is_over = wish.is_over;
            *wish = Wish {
                is_over,
                ..Wish::of(config)
            };
        });
    }

    /// The server ends.
    pub(crate) fn end(&self) {
        self.change(|wish| wish.is_over = true);
    }

    /// Do not wait any longer before trying again.
    pub(crate) fn hurry(&self) {
        self.bell.ring();
    }

    fn change(&self, change: impl FnOnce(&mut Wish)) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let before = wanted.clone();
        change(&mut wanted);
        if *wanted != before {
            self.bell.ring();
        }
    }

    fn current(&self) -> Wish {
        let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.clone()
    }
}

/// The listener.
pub(crate) struct ChannelListener {
    /// What to connect to, with a session that can write.
    pub(crate) target: Arc<SharedTarget>,
    pub(crate) wanted: Arc<Wanted>,
    pub(crate) health: Arc<Health>,
    pub(crate) orders: Arc<Orders>,
}

/// Why the listener is awake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// The server has said something.
    Heard,
    /// Something else may be wanted.
    Rung,
    /// Nothing has happened for as long as it wanted to wait.
    Quiet,
}

/// Why it stopped listening, if nobody wanted it to.
pub(super) struct Lost {
    pub(super) text: String,
    /// Whether PostgreSQL was there, and has refused.
    is_refused: bool,
}

impl ChannelListener {
    /// The life of the thread.
    pub(crate) fn run(self) {
        let mut backoff = Backoff::new();
        let mut is_queue_untidy = false;
        loop {
            let wish = self.wanted.current();
            if wish.is_over {
                return;
            }
            let Some(channel) = &wish.channel else {
                self.health.set_listening(Listening::Off);
                self.wait(None);
                continue;
            };
            let Err(lost) = self.listen(channel, &wish, is_queue_untidy, &mut backoff) else {
                continue;
            };
            let retry_seconds = backoff.next();
            self.on_lost(channel, &wish, &lost, retry_seconds);
            is_queue_untidy = channel::is_queue_untidy(&lost.text);
            self.pause(&wish, &lost, Duration::from_secs(retry_seconds));
        }
    }

    /// Waits before it tries again; not longer than until PostgreSQL is back, if somebody says so.
    fn pause(&self, wish: &Wish, lost: &Lost, at_most: Duration) {
        let deadline = Instant::now() + at_most;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.wait(Some(left)) == Woken::Quiet {
                return;
            }
            if self.wanted.current() != *wish {
                return;
            }
            if !lost.is_refused && Conversation::begin(&self.writable(), None).is_ok() {
                return;
            }
        }
    }

    /// Waits for the bell, without a connection.
    fn wait(&self, at_most: Option<Duration>) -> Woken {
        wait(&self.wanted.bell, None, at_most)
    }

    fn writable(&self) -> Target {
        let target = Target::clone(&self.target.current());
        target.with_session_attributes(TargetSessionAttributes::ReadWrite)
    }

    fn on_lost(&self, channel: &str, wish: &Wish, lost: &Lost, retry_seconds: u64) {
        if self.wanted.current().is_over {
            return;
        }
        self.health.set_listening(Listening::Down);
        log::warn(&format!(
            "Failed listening for database notifications on the {channel:?} channel. {}",
            lost.text
        ));
        if channel::is_queue_untidy(&lost.text) {
            log::notice(
                "This is likely a PostgreSQL bug in the notification queue, executing the \
                 following to try to solve it: SELECT pg_notification_queue_usage();",
            );
        }
        if !wish.recovers {
            exit_with("Automatic recovery disabled, exiting.");
        }
        self.orders.give(Order::Listener);
        self.health.suspect();
        log::notice(&format!(
            "Retrying listening for database notifications in {retry_seconds} seconds..."
        ));
    }

    /// Listens until something else is wanted.
    fn listen(
        &self,
        channel: &str,
        wish: &Wish,
        is_queue_untidy: bool,
        backoff: &mut Backoff,
    ) -> Result<(), Lost> {
        self.health.set_listening(Listening::Down);
        let (mut conversation, version) = Conversation::begin(&self.writable(), None)?;
        conversation.connection().keep_notifications();
        if is_queue_untidy {
            let statement = channel::tidy_queue_statement();
            conversation.execute(&[statement], None)?;
        }
        let listen = [channel::listen_statement(channel)];
        let stay_and_listen = [channel::stay_statement(), listen[0].clone()];
        conversation.execute(&stay_and_listen, None)?;
        self.health.set_listening(Listening::Since(Instant::now()));
        self.orders.give(Order::Listener);
        *backoff = Backoff::new();
        log::notice(&format!(
            "Listener connected to {} on {:?} and listening for database notifications on the \
             {channel:?} channel",
            version.full_text,
            place(conversation.connection().address()),
        ));
        while self.wanted.current() == *wish {
            let connection = conversation.connection();
            while let Some(notification) = connection.next_notification() {
                self.pass_on(channel, &notification.payload);
            }
            match wait(&self.wanted.bell, Some(connection), Some(QUIET_MAX)) {
                Woken::Heard => connection.hear().map_err(lost)?,
                Woken::Rung => {}
                Woken::Quiet => drop(conversation.execute(&listen, None)?),
            }
        }
        Ok(())
    }

    fn pass_on(&self, channel: &str, payload: &str) {
        match Reload::parse(payload) {
            Some(Reload::SchemaCache) => {
                log::notice(&format!(
                    "Received a schema cache reload message on the {channel:?} channel"
                ));
                self.orders.give(Order::ReloadCatalog);
            }
            Some(Reload::Config) => {
                log::notice(&format!(
                    "Received a config reload message on the {channel:?} channel"
                ));
                self.orders.give(Order::ReloadConfig);
            }
            None => {}
        }
    }
}

/// Waits for the connection, if there is one, for the bell, and for the time.
pub(super) fn wait(
    bell: &Bell,
    mut connection: Option<&mut Connection>,
    at_most: Option<Duration>,
) -> Woken {
    let timeout = at_most.and_then(|at_most| Timespec::try_from(at_most).ok());
    let mut waiting = vec![PollFd::new(bell, PollFlags::IN)];
    if connection
        .as_mut()
        .is_some_and(|connection| connection.has_unheard())
    {
        return Woken::Heard;
    }
    waiting.extend(
        connection
            .iter()
            .map(|connection| PollFd::new(connection, PollFlags::IN)),
    );
    // An interrupted wait is like one in which something else was wanted: all is looked at.
    let Ok(_) = poll(&mut waiting, timeout.as_ref()) else {
        return Woken::Rung;
    };
    let is_ready = |fd: Option<&PollFd<'_>>| fd.is_some_and(|fd| !fd.revents().is_empty());
    let (is_rung, is_heard) = (is_ready(waiting.first()), is_ready(waiting.get(1)));
    // A bell that rings again and again must not keep anybody from hearing.
    if is_heard {
        Woken::Heard
    } else if is_rung {
        bell.silence();
        Woken::Rung
    } else {
        Woken::Quiet
    }
}

impl From<LoadError> for Lost {
    fn from(error: LoadError) -> Lost {
        let is_refused = error.is_answer();
        let text = match error {
            LoadError::Connect(error) => error.message(),
            LoadError::Query(error) => error.to_string(),
            LoadError::Server(error) => error.to_string(),
            LoadError::Decode(text) => text,
            LoadError::Silent(time) => conversation::silent_text(time),
            LoadError::Gone => conversation::GONE.to_owned(),
        };
        Lost {
            text: on_one_line(&text),
            is_refused,
        }
    }
}

pub(super) fn lost(error: corerest_pg::Error) -> Lost {
    LoadError::from(error).into()
}

/// Parity: libpq's messages have tabs and several lines; PostgREST logs them in one (Logger.hs).
fn on_one_line(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| line.replace('\t', "")).collect();
    lines.join(" ")
}

/// Host and port as the log tells them; the host of a Unix socket is its folder.
fn place(address: &Address) -> String {
    match address {
        Address::Tcp { host, address } => format!("{host}:{}", address.port()),
        Address::Unix { path } => {
            let text = path.display().to_string();
            match text.rsplit_once("/.s.PGSQL.") {
                Some((folder, port)) => format!("{folder}:{port}"),
                None => text,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_host_and_port() {
        let tcp = Address::Tcp {
            host: "db.example".to_owned(),
            address: "127.0.0.1:6543".parse().unwrap(),
        };
        assert_eq!(place(&tcp), "db.example:6543");
        let unix = Address::Unix {
            path: "/run/postgresql/.s.PGSQL.5432".into(),
        };
        assert_eq!(place(&unix), "/run/postgresql:5432");
    }

    #[test]
    fn messages_of_libpq_become_one_line() {
        let text = "connection to server failed: refused\n\tIs the server running?\n";
        let expected = "connection to server failed: refused Is the server running?";
        assert_eq!(on_one_line(text), expected);
    }

    #[test]
    fn only_what_concerns_listening_rings() {
        let config = Config::default();
        let wanted = Wanted::new(&config).unwrap();
        let before = wanted.current();
        wanted.update(&Config {
            db_max_rows: Some(1),
            ..Config::default()
        });
        assert_eq!(wanted.current(), before);
        wanted.update(&Config {
            db_channel: "other".to_owned(),
            ..Config::default()
        });
        assert_eq!(wanted.current().channel.as_deref(), Some("other"));
        wanted.update(&Config {
            db_channel_enabled: false,
            ..Config::default()
        });
        assert_eq!(wanted.current().channel, None);
        wanted.end();
        wanted.update(&config);
        assert!(wanted.current().is_over);
    }
}
