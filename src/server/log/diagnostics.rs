//! A line of diagnostics, for people, for systemd's journal, or as JSON.
//!
//! ```text
//! 26/Jul/2021:01:56:38 -0500: Config reloaded
//! <5>Config reloaded
//! {"time":"2021-07-26T06:56:38.123Z","level":"notice","message":"Config reloaded"}
//! ```
//! Invariant: whatever the text, the journal gets a priority with each of its lines, and JSON is
//! one line.

use super::json::{self, Object};
use super::stream::Stream;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    /// The process ends because of this.
    Critical,
    /// A request failed, or a part of the server.
    Error,
    /// Something may be wrong.
    Warning,
    /// What every operator wants to know.
    Notice,
    /// About a request that went well.
    Info,
    /// For whoever looks for a fault.
    Debug,
}

impl Severity {
    /// As the journal has it before a line.
    pub(super) fn priority(self) -> &'static [u8] {
        match self {
            Severity::Critical => b"<2>",
            Severity::Error => b"<3>",
            Severity::Warning => b"<4>",
            Severity::Notice => b"<5>",
            Severity::Info => b"<6>",
            Severity::Debug => b"<7>",
        }
    }

    /// As `log-level` has it, where it has it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Severity::Critical => "crit",
            Severity::Error => "error",
            Severity::Warning => "warn",
            Severity::Notice => "notice",
            Severity::Info => "info",
            Severity::Debug => "debug",
        }
    }
}

/// Appends the line. The stamp is the time before a line for people, if there is to be one.
pub(super) fn write_line(out: &mut Vec<u8>, severity: Severity, stamp: Option<&str>, text: &str) {
    let is_journal = Stream::Diagnostics.is_journal();
    match (json::is_chosen(), is_journal) {
        (true, _) => {
            if is_journal {
                out.extend_from_slice(severity.priority());
            }
            write_object(out, severity, text);
        }
        (false, true) => write_for_journal(out, severity, text),
        (false, false) => write_for_people(out, stamp, text),
    }
}

fn write_for_people(out: &mut Vec<u8>, stamp: Option<&str>, text: &str) {
    if let Some(stamp) = stamp {
        out.extend_from_slice(stamp.as_bytes());
        out.extend_from_slice(b": ");
    }
    out.extend_from_slice(text.as_bytes());
    out.push(b'\n');
}

fn write_for_journal(out: &mut Vec<u8>, severity: Severity, text: &str) {
    for line in text.lines() {
        out.extend_from_slice(severity.priority());
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
}

fn write_object(out: &mut Vec<u8>, severity: Severity, text: &str) {
    let mut object = Object::begin(out, severity.word());
    object.text("message", text.as_bytes());
    object.end();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(write: impl FnOnce(&mut Vec<u8>), expected: &str) {
        let mut line = Vec::new();
        write(&mut line);
        assert_eq!(String::from_utf8_lossy(&line), expected);
    }

    #[test]
    fn people_read_the_time_and_the_journal_the_priority_of_each_line() {
        check(
            |out| write_for_people(out, Some("NOW"), "one\ntwo"),
            "NOW: one\ntwo\n",
        );
        check(|out| write_for_people(out, None, "why"), "why\n");
        check(
            |out| write_for_journal(out, Severity::Error, "one\ntwo\n"),
            "<3>one\n<3>two\n",
        );
    }

    #[test]
    fn json_is_one_line() {
        let mut line = Vec::new();
        write_object(&mut line, Severity::Warning, "one\n\"two\"");
        let line = String::from_utf8(line).expect("it is JSON");
        assert!(line.starts_with(r#"{"time":"20"#), "{line}");
        let rest = r#"Z","level":"warn","message":"one\u000a\"two\""}"#;
        assert!(line.ends_with(&format!("{rest}\n")), "{line}");
    }
}
