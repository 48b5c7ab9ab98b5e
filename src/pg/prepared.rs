//! Which statements a connection has prepared, by their text.
//!
//! ```text
//! unknown ──name()──▶ parsing ──on_parsed()──▶ prepared ──(least recently used)──▶ closed
//!                        └──forget_unparsed(): the batch failed before it──▶ unknown
//! prepared ──forget(): it no longer fits──▶ closed before it is parsed again
//! ```
//! Invariant: a text is believed to be prepared only after the server has said so, or within the
//! batch that prepares it. Names are never used twice on a connection.

use corerest_sql::SqlText;
use lru::LruCache;
use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// How many statements a connection keeps. A backend spends some 20–100 KiB on each, so this is
/// at most 20 MiB per connection, and more shapes of requests than most APIs see in a day.
const PREPARED_MAX: NonZeroUsize = NonZeroUsize::new(200).expect("the number is not zero");

/// Longer texts are not kept: a backend spends a multiple of the text on a statement, and anybody
/// can make long ones, with other aliases each time. Those of everyday requests have under 2 KiB.
const TEXT_BYTES_MAX: usize = 4 << 10;

/// Whether a statement is prepared under a name, and kept.
pub(crate) fn is_kept(text: &SqlText) -> bool {
    text.as_str().len() <= TEXT_BYTES_MAX
}

/// The prepared statements of one connection.
#[derive(Debug)]
pub(crate) struct PreparedStatements {
    names: LruCache<SqlText, StatementName>,
    parsing: VecDeque<SqlText>,
    /// What is forgotten here, but perhaps not by the server.
    closing: Vec<StatementName>,
    next: u64,
}

/// What has to be sent so that a statement can be bound.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// Nothing: it is prepared under this name.
    Prepared(StatementName),
    /// A Parse with this name, and a Close for the one that had to make room.
    Parse {
        /// The new name.
        name: StatementName,
        /// The name that must be closed, if there is one.
        close: Option<StatementName>,
    },
}

/// The name of a prepared statement. Clones are cheap, and lookups make none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StatementName(Arc<str>);

impl StatementName {
    fn numbered(number: u64) -> StatementName {
        StatementName(format!("s{number}").into())
    }

    /// The name as it is sent.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl PreparedStatements {
    pub(crate) fn new() -> PreparedStatements {
        let names = LruCache::new(PREPARED_MAX);
        PreparedStatements {
            names,
            parsing: VecDeque::new(),
            closing: Vec::new(),
            next: 0,
        }
    }

    /// The name under which a statement is, or is about to be, prepared.
    pub(crate) fn look_up(&mut self, text: &SqlText) -> Lookup {
        if let Some(name) = self.names.get(text) {
            return Lookup::Prepared(name.clone());
        }
        let name = StatementName::numbered(self.next);
        self.next += 1;
        let evicted = self.names.push(text.clone(), name.clone());
        self.parsing.push_back(text.clone());
        Lookup::Parse {
            name,
            close: evicted.map(|(_, name)| name),
        }
    }

    /// The server has confirmed the oldest Parse.
    pub(crate) fn on_parsed(&mut self) {
        self.parsing.pop_front();
    }

    /// A statement no longer fits the database: it is parsed anew when it is needed.
    pub(crate) fn forget(&mut self, name: &StatementName) {
        let mut known = self.names.iter();
        let text = known.find(|(_, known)| *known == name);
        if let Some(text) = text.map(|(text, _)| text.clone()) {
            self.closing.extend(self.names.pop(&text));
        }
    }

    /// The server knows none of them any more, or other ones under their names.
    pub(crate) fn forget_all(&mut self) {
        while let Some((_, name)) = self.names.pop_lru() {
            self.closing.push(name);
        }
    }

    /// The names to be closed before the next batch.
    pub(crate) fn take_closing(&mut self) -> Vec<StatementName> {
        std::mem::take(&mut self.closing)
    }

    /// The batch is over: what was not confirmed by now was skipped.
    pub(crate) fn forget_unparsed(&mut self) {
        for text in self.parsing.drain(..) {
            self.names.pop(&text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corerest_sql::SqlBuf;

    fn text(number: usize) -> SqlText {
        let mut out = SqlBuf::new();
        for _ in 0..number {
            corerest_sql::sql!(out, "x");
        }
        out.finish().text
    }

    fn parse(name: &str, close: Option<&str>) -> Lookup {
        Lookup::Parse {
            name: StatementName(name.into()),
            close: close.map(|name| StatementName(name.into())),
        }
    }

    #[test]
    fn a_statement_is_parsed_once() {
        let mut prepared = PreparedStatements::new();
        assert_eq!(prepared.look_up(&text(1)), parse("s0", None));
        prepared.on_parsed();
        prepared.forget_unparsed();
        assert_eq!(
            prepared.look_up(&text(1)),
            Lookup::Prepared(StatementName::numbered(0))
        );
    }

    #[test]
    fn a_parse_that_was_skipped_is_sent_again_under_a_new_name() {
        let mut prepared = PreparedStatements::new();
        prepared.look_up(&text(1));
        prepared.look_up(&text(2));
        prepared.on_parsed();
        prepared.forget_unparsed();
        assert_eq!(
            prepared.look_up(&text(1)),
            Lookup::Prepared(StatementName::numbered(0))
        );
        assert_eq!(prepared.look_up(&text(2)), parse("s2", None));
    }

    #[test]
    fn what_no_longer_fits_is_closed_and_parsed_again_under_a_new_name() {
        let mut prepared = PreparedStatements::new();
        for number in 0..3 {
            prepared.look_up(&text(number));
            prepared.on_parsed();
        }
        prepared.forget(&StatementName::numbered(1));
        assert_eq!(prepared.take_closing(), [StatementName::numbered(1)]);
        assert_eq!(prepared.take_closing(), []);
        assert_eq!(prepared.look_up(&text(1)), parse("s3", None));
        prepared.on_parsed();
        prepared.forget_all();
        assert_eq!(prepared.take_closing().len(), 3);
        assert_eq!(prepared.look_up(&text(0)), parse("s4", None));
    }

    #[test]
    fn the_least_recently_used_statement_makes_room() {
        let mut prepared = PreparedStatements::new();
        for number in 0..PREPARED_MAX.get() {
            prepared.look_up(&text(number));
            prepared.on_parsed();
        }
        prepared.look_up(&text(0));
        let name = format!("s{PREPARED_MAX}");
        assert_eq!(
            prepared.look_up(&text(PREPARED_MAX.get())),
            parse(&name, Some("s1"))
        );
    }
}
