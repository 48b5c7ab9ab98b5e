//! A line of the log as a JSON object (`log-format=json`).
//!
//! Members are written one by one into a buffer that is there already; those that there is nothing
//! to say of are left out.
//!
//! Invariant: whatever bytes a value has, the object is valid JSON on one line. What is not UTF-8
//! becomes U+FFFD.

use super::stamp::write_utc_now;
use corerest_config::LogFormat;
use std::fmt::Display;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

static IS_CHOSEN: AtomicBool = AtomicBool::new(false);

/// Sets the format of the lines from now on (`log-format`).
pub(super) fn choose(format: LogFormat) {
    let is_chosen = match format {
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    IS_CHOSEN.store(is_chosen, Ordering::Relaxed);
}

/// Whether lines are JSON.
pub(super) fn is_chosen() -> bool {
    IS_CHOSEN.load(Ordering::Relaxed)
}

/// An object that is being written.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Object<'a> {
    /// Begins with the time and the level, which every line has.
    pub(super) fn begin(out: &'a mut Vec<u8>, level: &str) -> Object<'a> {
        out.extend_from_slice(b"{\"time\":\"");
        write_utc_now(out);
        out.extend_from_slice(b"\"");
        let mut object = Object { out };
        object.text("level", level.as_bytes());
        object
    }

    /// A string.
    pub(super) fn text(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        self.out.push(b'"');
        write_escaped(self.out, value);
        self.out.push(b'"');
    }

    /// A string, if there is one.
    pub(super) fn text_if_any(&mut self, name: &str, value: Option<&[u8]>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// A number, or a string of which it is known that nothing in it needs to be escaped.
    pub(super) fn plain(&mut self, name: &str, value: impl Display) {
        self.name(name);
        // Writing into memory cannot fail.
        let _ = write!(self.out, "{value}");
    }

    /// Ends the object and the line.
    pub(super) fn end(self) {
        self.out.extend_from_slice(b"}\n");
    }

    fn name(&mut self, name: &str) {
        self.out.extend_from_slice(b",\"");
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }
}

/// A string of JSON, with its quotation marks.
pub(crate) fn json_text(text: &str) -> String {
    let mut out = vec![b'"'];
    write_escaped(&mut out, text.as_bytes());
    out.push(b'"');
    String::from_utf8_lossy(&out).into_owned()
}

fn write_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        for part in chunk.valid().split_inclusive(needs_escape) {
            let last = part.chars().next_back().filter(|last| needs_escape(*last));
            let before = part.len() - last.map_or(0, char::len_utf8);
            out.extend_from_slice(&part.as_bytes()[..before]);
            match last {
                Some('"') => out.extend_from_slice(b"\\\""),
                Some('\\') => out.extend_from_slice(b"\\\\"),
                Some(last) => drop(write!(out, "\\u{:04x}", u32::from(last))),
                None => {}
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

/// JSON does not ask for control characters behind ASCII (C1), but terminals obey them.
fn needs_escape(character: char) -> bool {
    matches!(character, '"' | '\\') || character.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        let mut out = Vec::new();
        write_escaped(&mut out, bytes);
        assert_eq!(String::from_utf8_lossy(&out), expected, "{bytes:?}");
    }

    #[test]
    fn what_would_end_a_string_or_a_line_is_escaped() {
        check(b"", "");
        check("a/b ä\u{2028}".as_bytes(), "a/b ä\u{2028}");
        check(b"\"a\"\\", r#"\"a\"\\"#);
        check(b"\r\n\0\x1b[m\x7f", r"\u000d\u000a\u0000\u001b[m\u007f");
        check("a\u{9b}m\u{85}\u{a0}".as_bytes(), "a\\u009bm\\u0085\u{a0}");
        check(b"a\xffb\xc3", "a\u{fffd}b\u{fffd}");
        check(b"\xed\xa0\x80\"", "\u{fffd}\u{fffd}\u{fffd}\\\"");
    }

    /// Any two bytes, between others: each escape and each beginning of a character meets all that
    /// may follow.
    #[test]
    fn any_bytes_are_one_valid_string() {
        for pair in 0..=u16::MAX {
            let [one, two] = pair.to_be_bytes();
            let texts = [[b'x', one, two], [two, b'"', one]];
            let mut line = Vec::new();
            let mut object = Object::begin(&mut line, "info");
            object.text("one", &texts[0]);
            object.text("two", &texts[1]);
            object.end();
            let breaks = line.iter().filter(|byte| **byte < 0x20).count();
            assert_eq!((breaks, line.last()), (1, Some(&b'\n')), "{line:?}");
            let value = simd_json::to_owned_value(&mut line).expect("it is JSON");
            assert_eq!(value["one"], *String::from_utf8_lossy(&texts[0]));
            assert_eq!(value["two"], *String::from_utf8_lossy(&texts[1]));
        }
    }
}
