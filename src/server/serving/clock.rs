//! The wall clock of a thread, for what clients are told and tokens are checked against.

use crate::sync::unix_seconds;
use corerest_wire::http::HttpDate;

/// What time it is, to the second; the Date header is formatted once in each.
#[derive(Debug)]
pub(crate) struct Clock {
    unix_seconds: u64,
    date: HttpDate,
}

impl Clock {
    /// A clock that shows the time.
    pub(crate) fn new() -> Clock {
        let unix_seconds = unix_seconds();
        Clock {
            unix_seconds,
            date: HttpDate::from_unix_seconds(unix_seconds),
        }
    }

    /// The same clock, showing the time now.
    pub(crate) fn refreshed(&mut self) -> &Clock {
        let now = unix_seconds();
        if now != self.unix_seconds {
            *self = Clock {
                unix_seconds: now,
                date: HttpDate::from_unix_seconds(now),
            };
        }
        self
    }

    /// The value of the Date header.
    pub(crate) fn date(&self) -> &str {
        self.date.as_str()
    }

    /// Seconds since 1970.
    pub(crate) fn unix_seconds(&self) -> i64 {
        i64::try_from(self.unix_seconds).unwrap_or(i64::MAX)
    }
}
