//! How long each phase of a request took, for the Server-Timing header.
//!
//! Source: PostgREST's documentation, `references/observability` ("Server-Timing Header").

use crate::sync::Instant;
use std::fmt::Write;
use std::time::Duration;

/// The phases of a request, in the order of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Finding out who asks.
    Jwt,
    /// Reading the URL, the headers and the body.
    Parse,
    /// Finding what is asked for in the catalog, and writing SQL.
    Plan,
    /// Waiting for a connection, and for PostgreSQL, until the transaction has ended.
    Transaction,
    /// Making the head of the response.
    Response,
}

const PHASES: [(Phase, &str); 5] = [
    (Phase::Jwt, "jwt"),
    (Phase::Parse, "parse"),
    (Phase::Plan, "plan"),
    (Phase::Transaction, "transaction"),
    (Phase::Response, "response"),
];

/// Measures the phases of one request. One that is off looks at no clock.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stopwatch {
    running: Option<Running>,
}

#[derive(Clone, Debug)]
struct Running {
    last: Instant,
    phases: [Duration; PHASES.len()],
}

impl Stopwatch {
    /// A stopwatch that was started at this moment.
    pub(crate) fn started(at: Instant) -> Stopwatch {
        Stopwatch {
            running: Some(Running {
                last: at,
                phases: [Duration::ZERO; PHASES.len()],
            }),
        }
    }

    /// What has passed since the last lap belongs to this phase.
    pub(crate) fn lap(&mut self, phase: Phase) {
        if let Some(running) = &mut self.running {
            running.lap(phase, Instant::now());
        }
    }

    /// The header as a line, if it runs.
    pub(crate) fn header_line(&self) -> Option<String> {
        let running = self.running.as_ref()?;
        let mut line = "Server-Timing: ".to_owned();
        for (phase, name) in PHASES {
            let milliseconds = running.phases[phase as usize].as_secs_f64() * 1000.0;
            let separator = if phase == Phase::Jwt { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = write!(line, "{separator}{name};dur={milliseconds:.1}");
        }
        line.push_str("\r\n");
        Some(line)
    }
}

impl Running {
    fn lap(&mut self, phase: Phase, now: Instant) {
        self.phases[phase as usize] += now.duration_since(self.last);
        self.last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_gets_the_time_since_the_last_lap() {
        let begin = Instant::now();
        let at = |milliseconds| begin + Duration::from_millis(milliseconds);
        let mut running = Stopwatch::started(begin).running.unwrap();
        running.lap(Phase::Jwt, at(1));
        running.lap(Phase::Transaction, at(11));
        running.lap(Phase::Response, at(12));
        running.lap(Phase::Transaction, at(32));
        let stopwatch = Stopwatch {
            running: Some(running),
        };
        assert_eq!(
            stopwatch.header_line().unwrap(),
            "Server-Timing: jwt;dur=1.0, parse;dur=0.0, plan;dur=0.0, \
             transaction;dur=30.0, response;dur=1.0\r\n"
        );
    }

    #[test]
    fn a_stopwatch_that_is_off_has_no_header() {
        let mut stopwatch = Stopwatch::default();
        stopwatch.lap(Phase::Jwt);
        assert_eq!(stopwatch.header_line(), None);
    }
}
