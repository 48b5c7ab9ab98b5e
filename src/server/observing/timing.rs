//! How long each phase of a request took, for the Server-Timing header.
//!
//! Source: PostgREST's documentation, `references/observability` ("Server-Timing Header").

use std::fmt::Write;
use std::time::{Duration, Instant};

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

/// Puts a line behind the status line of the response that begins at `start`.
///
/// The header tells how long the transaction took, so it can be written only when the rest is.
pub(crate) fn insert_header_line(out: &mut Vec<u8>, start: usize, line: &str) {
    let status_line = out[start..].windows(2).position(|two| two == b"\r\n");
    if let Some(length) = status_line {
        let at = start + length + 2;
        out.splice(at..at, line.bytes());
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

    #[test]
    fn the_header_goes_behind_the_status_line_of_its_own_response() {
        let mut out =
            b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nHTTP/1.1 201 Created\r\nC: d\r\n\r\n".to_vec();
        let start = 25;
        insert_header_line(&mut out, start, "X: y\r\n");
        let expected: &[u8] =
            b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nHTTP/1.1 201 Created\r\nX: y\r\nC: d\r\n\r\n";
        assert_eq!(out, expected);
    }
}
