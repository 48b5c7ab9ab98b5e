//! A line of diagnostics, for people, for systemd's journal, or as JSON.
//!
//! ```text
//! 26/Jul/2021:01:56:38 -0500: Config reloaded
//! <5>Config reloaded
//! {"time":"2021-07-26T06:56:38.123Z","level":"notice","message":"Config reloaded"}
//! ```
//! Invariant: whatever the text, the journal gets a priority with each of its lines, JSON is one
//! line, and a terminal gets no commands: `without_commands` and `Object::text` see to it.

use super::json::{self, Object};
use super::stream::Stream;
use std::borrow::Cow;

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

/// Appends the line as people read it.
pub(super) fn write_for_people(out: &mut Vec<u8>, stamp: Option<&str>, text: &str) {
    if let Some(stamp) = stamp {
        out.extend_from_slice(stamp.as_bytes());
        out.extend_from_slice(b": ");
    }
    out.extend_from_slice(without_commands(text).as_bytes());
    out.push(b'\n');
}

fn write_for_journal(out: &mut Vec<u8>, severity: Severity, text: &str) {
    for line in without_commands(text).lines() {
        out.extend_from_slice(severity.priority());
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
}

/// Control characters but the ends of lines are commands to a terminal. They become blanks.
fn without_commands(text: &str) -> Cow<'_, str> {
    let is_command = |char: char| char.is_control() && char != '\n';
    match text.contains(is_command) {
        true => Cow::Owned(text.replace(is_command, " ")),
        false => Cow::Borrowed(text),
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
    fn a_terminal_gets_no_commands() {
        let text = "one\u{1b}[2J\r\n\ttwo\u{9b}2J";
        check(
            |out| write_for_people(out, None, text),
            "one [2J \n two 2J\n",
        );
        check(
            |out| write_for_journal(out, Severity::Error, text),
            "<3>one [2J \n<3> two 2J\n",
        );
        let mut line = Vec::new();
        write_object(&mut line, Severity::Error, text);
        let line = String::from_utf8(line).expect("it is JSON");
        let told = r#""message":"one\u001b[2J\u000d\u000a\u0009two\u009b2J""#;
        assert!(line.contains(told), "{line}");
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
