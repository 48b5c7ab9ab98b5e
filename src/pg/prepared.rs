//! Which statements a connection has prepared, by their text.
//!
//! ```text
//! unknown ──look_up()──▶ parsing ──on_parsed()──▶ prepared ──(least recently used)──▶ closing
//!                           └──forget_unparsed(): the batch failed before it──▶ unknown
//! prepared ──forget(): it no longer fits──▶ closing ──the next batch begins──▶ unknown
//! all ──distrust(): somebody else prepares on our servers──▶ unknown, later given up
//! ```
//! Invariants: a text is believed to be prepared only after the server has said so, or within the
//! batch that prepares it. A name says which text it is for: a pooler may send a batch to a server
//! where another connection, or another process, has prepared statements; whatever has the name
//! there is the same text, so that no statement is ever executed in place of another.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use corerest_sql::SqlText;
use lru::LruCache;
use ring::digest::{SHA256, digest};
use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// How many statements a connection keeps. A backend spends some 20–100 KiB on each, so this is
/// at most 20 MiB per connection, and more shapes of requests than most APIs see in a day.
const PREPARED_MAX: NonZeroUsize = NonZeroUsize::new(200).expect("the number is not zero");

/// Longer texts are not kept: a backend spends a multiple of the text on a statement, and anybody
/// can make long ones, with other aliases each time. Those of everyday requests have under 2 KiB.
const TEXT_BYTES_MAX: usize = 4 << 10;

/// How often a connection may find its statements missing, or somebody else's, before it does
/// without. Each time costs a request a second flight; a pooler would go on with it for ever.
const MIX_UPS_MAX: u32 = 3;

/// How much of the hash is in a name. Clients choose aliases, so they choose much of the text: it
/// has to be a hash of which nobody finds two texts, and enough of it. A multiple of 3, for Base64.
const HASH_BYTES: usize = 24;

/// The prepared statements of one connection.
#[derive(Debug)]
pub(crate) struct PreparedStatements {
    names: LruCache<SqlText, StatementName>,
    parsing: VecDeque<SqlText>,
    /// What is forgotten here, but not by the server.
    closing: Vec<StatementName>,
    mix_ups: u32,
}

/// What has to be sent so that a statement can be bound.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// Nothing: it is prepared under this name.
    Prepared(StatementName),
    /// A Parse with this name.
    Parse(StatementName),
    /// A Close of this name, which the server may or may not know, and then a Parse.
    Replace(StatementName),
}

/// The name of a prepared statement. Clones are cheap, and lookups make none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StatementName(Arc<str>);

impl StatementName {
    /// The name for a text. PostgreSQL tells names apart by their first 63 bytes.
    fn of(text: &SqlText) -> StatementName {
        let hash = digest(&SHA256, text.as_str().as_bytes());
        let mut name = String::from("corerest_");
        URL_SAFE_NO_PAD.encode_string(&hash.as_ref()[..HASH_BYTES], &mut name);
        StatementName(name.into())
    }

    /// The name as it is sent.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl PreparedStatements {
    pub(crate) fn new() -> PreparedStatements {
        PreparedStatements {
            names: LruCache::new(PREPARED_MAX),
            parsing: VecDeque::new(),
            closing: Vec::new(),
            mix_ups: 0,
        }
    }

    /// Whether a statement is prepared under a name, and kept.
    pub(crate) fn keeps(&self, text: &SqlText) -> bool {
        text.as_str().len() <= TEXT_BYTES_MAX && self.mix_ups < MIX_UPS_MAX
    }

    /// The name under which a statement is, or is about to be, prepared.
    pub(crate) fn look_up(&mut self, text: &SqlText) -> Lookup {
        if let Some(name) = self.names.get(text) {
            return Lookup::Prepared(name.clone());
        }
        let name = StatementName::of(text);
        if let Some((_, evicted)) = self.names.push(text.clone(), name.clone()) {
            self.closing.push(evicted);
        }
        self.parsing.push_back(text.clone());
        match self.mix_ups {
            0 => Lookup::Parse(name),
            _ => Lookup::Replace(name),
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

    /// The server does not know what we have prepared, or knows what we have not. From now on no
    /// Parse depends on what it knows.
    pub(crate) fn distrust(&mut self) {
        self.mix_ups = self.mix_ups.saturating_add(1);
        self.names.clear();
        self.closing.clear();
    }

    /// The names to be closed at the beginning of the next batch: nothing can fail before them.
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
    use std::collections::HashSet;

    fn text(number: usize) -> SqlText {
        let mut out = SqlBuf::new();
        for _ in 0..number {
            corerest_sql::sql!(out, "x");
        }
        out.finish().text
    }

    fn name(number: usize) -> StatementName {
        StatementName::of(&text(number))
    }

    #[test]
    fn a_statement_is_parsed_once() {
        let mut prepared = PreparedStatements::new();
        assert_eq!(prepared.look_up(&text(1)), Lookup::Parse(name(1)));
        prepared.on_parsed();
        prepared.forget_unparsed();
        assert_eq!(prepared.look_up(&text(1)), Lookup::Prepared(name(1)));
    }

    #[test]
    fn names_are_for_their_texts_alone_and_short_enough_for_postgresql() {
        let names: HashSet<String> = (0..100).map(|n| name(n).as_str().to_owned()).collect();
        assert_eq!(names.len(), 100);
        assert!(names.iter().all(|name| name.len() == 9 + 32));
        // Another process, perhaps of another version, gives the same text the same name.
        let known = "corerest_47DEQpj8HBSa-_TImW-5JCeuQeRkm5NM";
        assert_eq!(name(0).as_str(), known);
    }

    #[test]
    fn a_parse_that_was_skipped_is_sent_again() {
        let mut prepared = PreparedStatements::new();
        prepared.look_up(&text(1));
        prepared.look_up(&text(2));
        prepared.on_parsed();
        prepared.forget_unparsed();
        assert_eq!(prepared.look_up(&text(1)), Lookup::Prepared(name(1)));
        assert_eq!(prepared.look_up(&text(2)), Lookup::Parse(name(2)));
    }

    #[test]
    fn what_no_longer_fits_is_closed_and_parsed_again() {
        let mut prepared = PreparedStatements::new();
        for number in 0..3 {
            prepared.look_up(&text(number));
            prepared.on_parsed();
        }
        prepared.forget(&name(1));
        assert_eq!(prepared.take_closing(), [name(1)]);
        assert_eq!(prepared.take_closing(), []);
        assert_eq!(prepared.look_up(&text(1)), Lookup::Parse(name(1)));
        assert_eq!(prepared.look_up(&text(2)), Lookup::Prepared(name(2)));
    }

    #[test]
    fn a_server_that_is_not_ours_alone_is_told_everything_and_soon_nothing() {
        let mut prepared = PreparedStatements::new();
        prepared.look_up(&text(1));
        prepared.on_parsed();
        prepared.distrust();
        assert_eq!(prepared.take_closing(), []);
        assert_eq!(prepared.look_up(&text(1)), Lookup::Replace(name(1)));
        prepared.on_parsed();
        assert_eq!(prepared.look_up(&text(1)), Lookup::Prepared(name(1)));
        assert!(prepared.keeps(&text(1)));
        (1..MIX_UPS_MAX).for_each(|_| prepared.distrust());
        assert!(!prepared.keeps(&text(1)));
    }

    #[test]
    fn the_least_recently_used_statement_makes_room() {
        let mut prepared = PreparedStatements::new();
        for number in 0..PREPARED_MAX.get() {
            prepared.look_up(&text(number));
            prepared.on_parsed();
        }
        prepared.look_up(&text(0));
        let last = PREPARED_MAX.get();
        assert_eq!(prepared.look_up(&text(last)), Lookup::Parse(name(last)));
        assert_eq!(prepared.take_closing(), [name(1)]);
        assert_eq!(prepared.look_up(&text(1)), Lookup::Parse(name(1)));
    }
}
