//! When something was tried the last time, and what was wrong with it: what the log has said, for
//! whoever looks at the server's page instead.

use crate::sync::{Mutex, lock, unix_time};
use std::time::Duration;

/// An attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// When it ended, since 1970.
    pub(crate) at: Duration,
    /// Why it failed, if it did.
    pub(crate) error: Option<String>,
}

/// The last attempt at something, if there was one.
#[derive(Debug, Default)]
pub(crate) struct LastAttempt(Mutex<Option<Attempt>>);

impl LastAttempt {
    /// It went well.
    pub(super) fn on_success(&self) {
        self.note(None);
    }

    /// It failed, for this reason.
    pub(crate) fn on_failure(&self, error: String) {
        self.note(Some(error));
    }

    /// The last one.
    pub(crate) fn last(&self) -> Option<Attempt> {
        lock(&self.0).clone()
    }

    fn note(&self, error: Option<String>) {
        let at = unix_time();
        *lock(&self.0) = Some(Attempt { at, error });
    }
}
