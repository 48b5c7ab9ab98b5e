//! What was asked, what was answered, and, of each write, whether it was carried out.
//!
//! Invariant: each write has an id of its own, and the table has no key, so that a row that is
//! there twice is seen.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

/// What an answer says when the server cannot know.
const UNKNOWN: &str = "it is unknown whether the request was carried out";

/// Stands for the status where there was no answer.
pub const NO_ANSWER: u16 = 0;
/// Stands for the status where there was no connection, and nothing was sent.
pub const NO_CONNECTION: u16 = 1;

/// One request and what came of it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The id that was to be written; a read has none.
    pub id: Option<i64>,
    /// What it was.
    pub kind: Kind,
    /// When it was sent.
    pub began: Instant,
    /// When its answer was there.
    pub ended: Instant,
    /// What came.
    pub outcome: Outcome,
}

/// What a request was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A read that any server may answer.
    Read,
    /// A read of what the client has written, with the token that it was given for it.
    ReadBack,
    /// A row is written.
    Insert,
    /// A function that writes a row is called.
    Call,
}

/// What came of a request.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The answer that had to come.
    Good,
    /// Another status.
    Refused {
        /// The status.
        status: u16,
        /// The body.
        text: String,
    },
    /// A good status with something wrong in it.
    Wrong(String),
    /// No answer; the request was sent.
    CutOff(String),
    /// There was no connection, so it was not sent.
    NotSent,
}

/// What a row of the report says of its requests.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// How many.
    pub requests: usize,
    /// How many errors, by status and code.
    pub errors: BTreeMap<String, usize>,
    /// Writes of which the client was told that nobody knows, or nothing.
    pub unknown: usize,
    /// How many of those were carried out.
    pub unknown_done: usize,
    /// Writes that succeeded and are not there.
    pub lost: usize,
    /// Rows that are there more than once.
    pub twice: usize,
    /// Writes that were refused and are there all the same.
    pub definite_but_done: usize,
    /// Good statuses with something wrong in them.
    pub wrong: Vec<String>,
}

impl Outcome {
    /// Whether the answer was the right one.
    pub fn is_good(&self) -> bool {
        matches!(self, Outcome::Good)
    }

    /// Whether it is no answer, or one that says so.
    pub fn is_error(&self) -> bool {
        !matches!(self, Outcome::Good | Outcome::Wrong(_))
    }

    /// The status, or what stands for it.
    pub fn status(&self) -> u16 {
        match self {
            Outcome::Good | Outcome::Wrong(_) => 200,
            Outcome::Refused { status, .. } => *status,
            Outcome::CutOff(_) => NO_ANSWER,
            Outcome::NotSent => NO_CONNECTION,
        }
    }

    /// Whether the client cannot know what came of it.
    fn is_unknown(&self) -> bool {
        match self {
            Outcome::Refused { text, .. } => text.contains(UNKNOWN),
            Outcome::CutOff(_) => true,
            Outcome::Good | Outcome::Wrong(_) | Outcome::NotSent => false,
        }
    }

    /// In a few words, if it is an error.
    fn kind(&self) -> Option<String> {
        match self {
            Outcome::Good => None,
            Outcome::Wrong(_) => Some("wrong".to_owned()),
            Outcome::CutOff(why) => Some(why.clone()),
            Outcome::NotSent => Some("not connected".to_owned()),
            Outcome::Refused { status, text } => {
                let code = text.split(r#""code":""#).nth(1).unwrap_or_default();
                let code = code.split('"').next().unwrap_or_default();
                Some(format!("{status} {code}").trim_end().to_owned())
            }
        }
    }
}

/// Compares what clients were told with how many rows of each id there are.
pub fn audit(entries: &[Entry], rows: &HashMap<i64, usize>) -> Audit {
    let mut audit = Audit {
        requests: entries.len(),
        ..Audit::default()
    };
    for Entry { id, outcome, .. } in entries {
        if let Some(kind) = outcome.kind() {
            *audit.errors.entry(kind).or_default() += 1;
        }
        if let Outcome::Wrong(text) = outcome {
            audit.wrong.push(text.clone());
        }
        if let Some(id) = id {
            audit.write(outcome, rows.get(id).copied().unwrap_or(0));
        }
    }
    audit
}

impl Audit {
    fn write(&mut self, outcome: &Outcome, rows: usize) {
        let is_done = rows > 0;
        self.twice += usize::from(rows > 1);
        if outcome.is_unknown() {
            self.unknown += 1;
            self.unknown_done += usize::from(is_done);
        } else if !outcome.is_error() {
            self.lost += usize::from(!is_done);
        } else {
            self.definite_but_done += usize::from(is_done);
        }
    }

    /// What must never be, in words.
    pub fn crimes(&self, may_be_wrong: bool) -> Vec<String> {
        let mut crimes = Vec::new();
        let mut accuse = |count: usize, what: &str| {
            if count > 0 {
                crimes.push(format!("{count} {what}"));
            }
        };
        accuse(self.lost, "lost");
        accuse(self.twice, "written twice");
        accuse(self.definite_but_done, "refused, but carried out");
        if !may_be_wrong {
            accuse(self.wrong.len(), "wrong answers");
            crimes.extend(self.wrong.first().map(|text| format!("first: {text}")));
        }
        crimes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: i64, outcome: Outcome) -> Entry {
        let now = Instant::now();
        Entry {
            id: Some(id),
            kind: Kind::Insert,
            began: now,
            ended: now,
            outcome,
        }
    }

    fn refused(text: &str) -> Outcome {
        Outcome::Refused {
            status: 503,
            text: text.to_owned(),
        }
    }

    #[test]
    fn each_untruth_is_counted() {
        let entries = [
            entry(1, Outcome::Good),
            entry(2, Outcome::Good),
            entry(3, refused(r#"{"code":"PGRST001"}"#)),
            entry(4, refused(UNKNOWN)),
            entry(5, Outcome::CutOff("closed".to_owned())),
            entry(6, Outcome::NotSent),
            entry(7, Outcome::Good),
        ];
        let rows = HashMap::from([(1, 1), (3, 1), (4, 1), (6, 1), (7, 2)]);
        let audit = audit(&entries, &rows);
        assert_eq!(
            (audit.lost, audit.twice, audit.definite_but_done),
            (1, 1, 2)
        );
        assert_eq!((audit.unknown, audit.unknown_done), (2, 1));
        assert_eq!(audit.errors["503 PGRST001"], 1);
    }
}
