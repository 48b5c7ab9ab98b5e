//! The files of `cases/framing`, and the notation in which the bytes of a client are written there.
//!
//! A block is a title, one or more templates, what becomes of them, and what stands for their `{}`:
//!
//! ```text
//! ### a length that is no number
//! GET {here} HTTP/1.1⏎Host: a⏎Content-Length: {}⏎⏎
//! ---- 400 close
//! -1
//! 99999999999999 ---- 413 close
//! ```
//!
//! Invariant: each template with each row is a case; a number of its own is in all its targets, so
//! that it is known from which case a request in a log comes.

use std::path::Path;

/// The length of what `{evil}` stands for: a request that nobody must ever answer when it is a
/// part of another one.
const EVIL_BYTES: usize = 43;

/// What separates bytes from what becomes of them.
const SEPARATOR: &str = "----";

/// What `{text}` stands for: the field with which `{keep}` gives the body back as a JSON string.
const TEXT: &str = "Content-Type: text/plain⏎";

/// Byte by byte, or cut at each place, a longer case would take longer than it is worth.
const SHORT_BYTES_MAX: usize = 500;

/// Some bytes of a client, and what becomes of them.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// The name of its file.
    pub(crate) class: String,
    /// Which it is, of all; four digits of it are in its targets.
    pub(crate) number: usize,
    /// Where it stands and what it is.
    pub(crate) title: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) outcome: Outcome,
}

/// What becomes of the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) answers: Vec<Expected>,
    pub(crate) end: End,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) status: u16,
    /// What the JSON string in it says; not looked at if it is `None`.
    pub(crate) body: Option<String>,
}

/// What becomes of a request that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It is answered as if nothing had been before.
    Open,
    /// It is not answered: the connection ends with the last of the answers.
    Close,
    /// It is not answered: its bytes belong to what has begun, and the server waits for more.
    Waits,
}

impl Case {
    pub(crate) fn is_short(&self) -> bool {
        self.bytes.len() <= SHORT_BYTES_MAX
    }
}

/// Reads all files of a folder.
pub(crate) fn load(folder: &Path) -> Vec<Case> {
    let entries = std::fs::read_dir(folder).expect("the corpus is part of the sources");
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let mut cases = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("the corpus is UTF-8");
        let class = path.file_stem().expect("it has a name").to_string_lossy();
        read(&class, &text, &mut cases);
    }
    cases
}

fn read(class: &str, text: &str, cases: &mut Vec<Case>) {
    let mut lines = text.lines().enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        let Some(title) = line.strip_prefix("### ") else {
            let is_between = line.is_empty() || line.starts_with("# ");
            assert!(is_between, "{class}:{}: {line}", index + 1);
            continue;
        };
        let place = format!("{class}:{}: {title}", index + 1);
        let mut templates = Vec::new();
        let mut usual = None;
        let mut rows = Vec::new();
        while let Some((_, line)) = lines.next_if(|(_, line)| !line.is_empty()) {
            match (line.strip_prefix(SEPARATOR), &usual) {
                (Some(outcome), None) => usual = Some(outcome),
                (_, None) => templates.push(line),
                (_, Some(usual)) => rows.push(match line.split_once(&format!(" {SEPARATOR} ")) {
                    Some((row, outcome)) => (row.trim_end(), outcome),
                    None => (line, *usual),
                }),
            }
        }
        let usual = usual.unwrap_or_else(|| panic!("{place}: what becomes of it?"));
        let has_rows = templates.iter().all(|template| template.contains("{}"));
        assert_eq!(has_rows, !rows.is_empty(), "{place}: {{}} and rows");
        if rows.is_empty() {
            rows.push(("", usual));
        }
        for template in &templates {
            for (row, outcome) in &rows {
                let number = cases.len() + 1;
                cases.push(Case {
                    class: class.to_owned(),
                    number,
                    title: format!("{place}: {row}"),
                    bytes: bytes(&template.replace("{}", row), number),
                    outcome: parse_outcome(outcome, number),
                });
            }
        }
    }
}

/// Statuses, each with `=` and its body if that matters, and what becomes of the next request.
fn parse_outcome(text: &str, number: usize) -> Outcome {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    let end = match words.pop() {
        Some("open") => End::Open,
        Some("close") => End::Close,
        Some("waits") => End::Waits,
        _ => panic!("{text}: open, close, or waits?"),
    };
    let answer = |word: &&str| {
        let (status, body) = match word.split_once('=') {
            Some((status, body)) => (status, Some(body)),
            None => (*word, None),
        };
        let body = body.map(|body| String::from_utf8_lossy(&bytes(body, number)).into_owned());
        Expected {
            status: status.parse().expect("a status"),
            body,
        }
    };
    Outcome {
        answers: words.iter().map(answer).collect(),
        end,
    }
}

/// The bytes that a text stands for.
fn bytes(text: &str, number: usize) -> Vec<u8> {
    let evil = format!("GET /vault?id=eq.{number:04} HTTP/1.1⏎Host: a⏎⏎");
    assert_eq!(evil.replace('⏎', "\r\n").len(), EVIL_BYTES);
    let text = text
        .replace("{evil}", &evil)
        .replace("{here}", &format!("/nothing?id=eq.{number:04}"))
        .replace("{text}", TEXT)
        .replace("{keep}", &format!("/rpc/keep_text?columns=eq.{number:04}"))
        .replace('⏎', "\r\n");
    unescape(&repeat(&text))
}

/// `{text*3}` is `texttexttext`.
fn repeat(text: &str) -> String {
    let mut repeated = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (inside, behind) = after.split_once('}').expect("a brace that is closed");
        let (piece, count) = inside.rsplit_once('*').expect("a piece and a count");
        repeated.push_str(before);
        repeated.push_str(&piece.repeat(count.parse().expect("a count")));
        rest = behind;
    }
    repeated.push_str(rest);
    repeated
}

/// `\r`, `\n`, `\t`, `\s` for a space, `\e` for nothing, `\\`, `\xFF`.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let (escape, after) = rest.split_first().expect("something is escaped");
        rest = after;
        match escape {
            b'r' => bytes.push(b'\r'),
            b'n' => bytes.push(b'\n'),
            b't' => bytes.push(b'\t'),
            b's' => bytes.push(b' '),
            b'e' => {}
            b'\\' => bytes.push(b'\\'),
            b'x' => {
                let (digits, after) = rest.split_at(2);
                let digits = std::str::from_utf8(digits).expect("two digits");
                bytes.push(u8::from_str_radix(digits, 16).expect("two digits"));
                rest = after;
            }
            other => panic!("what is \\{}?", char::from(*other)),
        }
    }
    bytes
}
