//! Watches the client of a read that keeps PostgreSQL busy, so that nothing is computed for nobody.
//!
//! ```text
//! PostgreSQL answers in time ──────────▶ nobody has watched
//! silent for SLOW ──▶ waiting for both ──it answers──▶ read on
//!                           └─ the client goes ──▶ cancelled ──▶ 57014, or what came before that
//! ```
//! The thread that waits for PostgreSQL watches: there is no other thread, and nothing shared. It
//! also asks PostgreSQL to cancel, and reads what comes only when that request has been passed on,
//! so it hits no statement but the one that was meant. A fast request pays nothing for all this.
//!
//! A client that has finished sending counts as gone, for a proxy that gives up looks just so, and
//! hardly anybody else does it. nginx does the same, and logs the same status.
//!
//! Invariant: a write is never cancelled.

use crate::log;
use crate::net::{Beside, Socket};
use corerest_api::AccessMode;
use corerest_pg::{Lease, NOTED_AFTER};
use corerest_wire::pg::ServerError;
use std::time::Duration;

/// For how long nobody watches: almost all requests are answered by then, and what is cancelled
/// after it has not cost much.
pub(crate) const SLOW: Duration = Duration::from_millis(25);

/// What PostgreSQL says when it has cancelled.
pub(super) const QUERY_CANCELED: &str = "57014";

/// How the client of a request is watched.
#[derive(Debug)]
pub(crate) enum Watch<'a> {
    /// Not at all.
    Off,
    /// Whenever PostgreSQL takes its time.
    On(&'a Socket),
    /// It is gone, and PostgreSQL was asked to cancel.
    Over,
}

impl<'a> Watch<'a> {
    /// How the client of such a request is watched.
    pub(crate) fn of(access: AccessMode, client: &'a Socket) -> Watch<'a> {
        match access {
            AccessMode::ReadOnly => Watch::On(client),
            AccessMode::ReadWrite => Watch::Off,
        }
    }

    /// Whether the client is watched.
    pub(crate) fn is_on(&self) -> bool {
        matches!(self, Watch::On(_))
    }

    /// Whether the client is gone.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self, Watch::Over)
    }

    /// Whether PostgreSQL has stopped because we asked it to.
    pub(crate) fn has_caused(&self, error: &ServerError) -> bool {
        self.is_over() && error.code == QUERY_CANCELED
    }

    /// Blocks until PostgreSQL says something, has said nothing for long, or the client is gone;
    /// then PostgreSQL is asked to cancel.
    pub(crate) fn wait(&mut self, lease: &mut Lease) {
        let Watch::On(client) = self else {
            return;
        };
        let connection = lease.connection();
        let noted_after = connection.noted_after().unwrap_or(NOTED_AFTER);
        match client.wait_beside(connection, noted_after) {
            Beside::OtherSpeaks => {}
            Beside::Silence => connection.note_silence(),
            Beside::ClientGone => {
                *self = Watch::Over;
                if let Err(error) = lease.cancel() {
                    log::warn(&format!("Cannot cancel a query: {error}"));
                }
            }
        }
    }
}
