//! What is told on channels: on `db-channel`, and on those that clients hear; and the statements
//! of who listens to them.
//!
//! Source: PostgREST's documentation, `references/schema_cache` and `references/configuration`
//! ("Reloading with NOTIFY").

use crate::error::Error;
use corerest_sql::{Ident, SqlBuf, Statement, sql};
use std::sync::Arc;

/// PostgreSQL cuts off what is longer (NAMEDATALEN), and would listen to another channel.
const NAME_BYTES_MAX: usize = 63;

/// How many channels a client may hear. Each costs memory for each client, and who wants more can
/// say in the payload what it is about.
const CHANNELS_MAX: usize = 100;

/// What a notification asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// The schema cache, before which the configuration in the database is read, too.
    SchemaCache,
    /// The configuration.
    Config,
}

impl Reload {
    /// What the text of a notification asks for; most ask for nothing of ours.
    pub fn parse(payload: &str) -> Option<Reload> {
        match payload {
            "" | "reload schema" => Some(Reload::SchemaCache),
            "reload config" => Some(Reload::Config),
            _ => None,
        }
    }
}

/// The name of a channel that clients hear: one line. Clones are cheap.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChannelName(Arc<str>);

impl ChannelName {
    /// Reads the names that a function has returned: one a line, empty lines apart.
    ///
    /// # Errors
    /// If one cannot be a channel, or there are too many.
    pub fn parse_list(text: &[u8]) -> Result<Vec<ChannelName>, Error> {
        let text = std::str::from_utf8(text).map_err(|_| Error::Channel {
            message: "The names of the channels are not UTF-8".to_owned(),
            details: format!("They have {} bytes.", text.len()),
        })?;
        let mut names: Vec<ChannelName> = Vec::new();
        for line in text.split('\n') {
            let line = line.strip_suffix('\r').unwrap_or(line);
            if line.trim().is_empty() {
                continue;
            }
            let name = ChannelName::parse(line)?;
            if !names.contains(&name) {
                names.push(name);
            }
            if names.len() > CHANNELS_MAX {
                return Err(Error::Channel {
                    message: "The function names too many channels".to_owned(),
                    details: format!("A client may hear {CHANNELS_MAX}."),
                });
            }
        }
        Ok(names)
    }

    /// Control characters would be lines of their own in the stream, or none that anybody sees.
    fn parse(name: &str) -> Result<ChannelName, Error> {
        if name.len() > NAME_BYTES_MAX {
            return Err(Error::Channel {
                message: "The name of a channel is too long".to_owned(),
                details: format!(
                    "It has {} bytes, and PostgreSQL takes {NAME_BYTES_MAX}: {name}",
                    name.len()
                ),
            });
        }
        if name.chars().any(char::is_control) {
            return Err(Error::Channel {
                message: "The name of a channel has a control character".to_owned(),
                details: format!("It is {name:?}."),
            });
        }
        Ok(ChannelName(name.into()))
    }

    /// The name of a channel on which PostgreSQL has notified.
    pub fn of_notification(name: &str) -> ChannelName {
        ChannelName(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a notification tells clients: its payload, or what is left of it behind a first line that
/// names its id. A notification has no number of its own by which a client could ask for what came
/// after it; the application's rows may have one.
pub fn id_and_data(payload: &str) -> (Option<&str>, &str) {
    let Some(rest) = payload.strip_prefix("id: ") else {
        return (None, payload);
    };
    let (id, data) = rest.split_once('\n').unwrap_or((rest, ""));
    (Some(id.strip_suffix('\r').unwrap_or(id)), data)
}

/// The statement that listens no longer.
pub fn unlisten_statement(channel: &str) -> Statement {
    let mut out = SqlBuf::new();
    sql!(out, "UNLISTEN ");
    out.ident(&Ident::before_nul(channel));
    out.finish()
}

/// The statement that begins to listen; a second time it does nothing, so that it also serves to
/// see whether the server is there.
pub fn listen_statement(channel: &str) -> Statement {
    let mut out = SqlBuf::new();
    sql!(out, "LISTEN ");
    out.ident(&Ident::before_nul(channel));
    out.finish()
}

/// The statement with which a session is not ended for being idle: who listens is, most of the
/// time, and so is who only tells that PostgreSQL is there. It does nothing in a PostgreSQL that
/// has no such setting (before 14).
pub fn stay_statement() -> Statement {
    let mut out = SqlBuf::new();
    sql!(
        out,
        "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings \
         WHERE name OPERATOR(pg_catalog.=) 'idle_session_timeout'"
    );
    out.finish()
}

/// The statement that makes PostgreSQL tidy up its queue of notifications.
///
/// A queue whose oldest entries are from a transaction that PostgreSQL has forgotten makes LISTEN
/// fail until its end is moved on, which this does as a side effect.
pub fn tidy_queue_statement() -> Statement {
    let mut out = SqlBuf::new();
    sql!(out, "SELECT pg_catalog.pg_notification_queue_usage()");
    out.finish()
}

/// Whether an error of PostgreSQL tells that its queue has to be tidied up.
pub fn is_queue_untidy(message: &str) -> bool {
    message.contains("could not access status of transaction")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_ask_for_a_reload_or_for_nothing() {
        assert_eq!(Reload::parse(""), Some(Reload::SchemaCache));
        assert_eq!(Reload::parse("reload schema"), Some(Reload::SchemaCache));
        assert_eq!(Reload::parse("reload config"), Some(Reload::Config));
        for other in ["nothing", "reload", "Reload schema", " reload schema"] {
            assert_eq!(Reload::parse(other), None, "{other}");
        }
    }

    #[track_caller]
    fn check_names(text: &str, expected: &[&str]) {
        let names = ChannelName::parse_list(text.as_bytes()).unwrap();
        let names: Vec<&str> = names.iter().map(ChannelName::as_str).collect();
        assert_eq!(names, expected, "{text:?}");
    }

    #[track_caller]
    fn check_refused(text: &[u8], expected: &str) {
        let refused = ChannelName::parse_list(text);
        let Err(Error::Channel { message, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert!(message.contains(expected), "{message}");
    }

    #[test]
    fn names_stand_one_a_line() {
        check_names("", &[]);
        check_names("\n  \n\r\n", &[]);
        check_names("a\nb\n\na", &["a", "b"]);
        check_names("a\r\nB b\r\n", &["a", "B b"]);
        check_names(" a \nü\"';--", &[" a ", "ü\"';--"]);
        let (longest, longer) = ("x".repeat(63), "x".repeat(64));
        check_names(&longest, &[&longest]);
        check_refused(longer.as_bytes(), "too long");
        check_refused("ü".repeat(32).as_bytes(), "too long");
        check_refused(b"a\rdata: b", "control");
        check_refused(b"a\tb", "control");
        check_refused("a\u{85}b".as_bytes(), "control");
        check_refused(b"\xff", "UTF-8");
        let many: Vec<String> = (0..101).map(|number| number.to_string()).collect();
        check_refused(many.join("\n").as_bytes(), "too many");
        assert_eq!(
            ChannelName::parse_list(many[1..].join("\n").as_bytes())
                .unwrap()
                .len(),
            100
        );
    }

    #[test]
    fn a_payload_may_begin_with_its_id() {
        assert_eq!(id_and_data(""), (None, ""));
        assert_eq!(id_and_data("a\nid: 1"), (None, "a\nid: 1"));
        assert_eq!(id_and_data("id:1"), (None, "id:1"));
        assert_eq!(id_and_data("id: 7\na\nb"), (Some("7"), "a\nb"));
        assert_eq!(id_and_data("id: 7\r\na"), (Some("7"), "a"));
        assert_eq!(id_and_data("id: 7"), (Some("7"), ""));
    }

    #[test]
    fn channels_are_names() {
        let unlisten = unlisten_statement("a\"b").text.as_str().to_owned();
        assert_eq!(unlisten, r#"UNLISTEN "a""b""#);
        let text = |channel| listen_statement(channel).text.as_str().to_owned();
        assert_eq!(text("pgrst"), r#"LISTEN "pgrst""#);
        assert_eq!(text("a\"; DROP TABLE b"), r#"LISTEN "a""; DROP TABLE b""#);
    }
}
