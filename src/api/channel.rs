//! What is told on `db-channel`, and the statements of who listens to it.
//!
//! Source: PostgREST's documentation, `references/schema_cache` and `references/configuration`
//! ("Reloading with NOTIFY").

use corerest_sql::{Ident, SqlBuf, Statement, sql};

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

    #[test]
    fn channels_are_names() {
        let text = |channel| listen_statement(channel).text.as_str().to_owned();
        assert_eq!(text("pgrst"), r#"LISTEN "pgrst""#);
        assert_eq!(text("a\"; DROP TABLE b"), r#"LISTEN "a""; DROP TABLE b""#);
    }
}
