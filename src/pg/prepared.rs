//! Which statements a connection has prepared, by their text.
//!
//! ```text
//! unknown ──look_up()──▶ parsing ──on_parsed()──▶ prepared ──▶ closing
//!                           └──on_over(): the batch failed before it──▶ closing
//! prepared ──on_over(): least recently used──▶ closing ──the next batch begins──▶ unknown
//! prepared ──forget(): it no longer fits──▶ closing
//! all ──distrust(): somebody else prepares or closes on our servers──▶ closing, later given up
//! ```
//! What the server has changes in the order of the messages, and what we believe must not run
//! ahead of it: nothing is evicted while a batch is being written. The cache may grow by one batch,
//! and is brought down to its size when the batch is over; the next one begins with the Closes, so
//! that what is needed again is parsed after its Close. A Close of an unknown name does no harm,
//! so whatever is in doubt is closed.
//!
//! Invariants: a text is believed to be prepared only after the server has said so, or within the
//! batch that prepares it. A name says which text it is for: a pooler may send a batch to a server
//! where another connection, or another process, has prepared statements; whatever has the name
//! there is the same text, so that no statement is ever executed in place of another.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use corerest_sql::SqlText;
use corerest_wire::pg::StatementIndex;
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

/// After so many good batches, one mix-up is forgotten: a function that discards statements once a
/// day must not end in doing without, and behind a pooler one request in a thousand may cost two
/// flights. Each time a connection has to do without, it takes twice as many: a pooler that does
/// not go away is asked, and complained of in the log, ever more rarely.
const GOOD_BATCHES: u32 = 1_000;

/// How many values in a row may be refused before the types of the parameters are in doubt. The
/// client is wrong, most often, and is told so at once; but if a column has got another type and
/// nobody has said so, all values are refused, and the statement has to be parsed anew.
const MISFITS_MAX: u8 = 3;

/// How much of the hash is in a name. Clients choose aliases, so they choose much of the text: it
/// has to be a hash of which nobody finds two texts, and enough of it. A multiple of 3, for Base64.
const HASH_BYTES: usize = 24;

/// The prepared statements of one connection.
#[derive(Debug)]
pub(crate) struct PreparedStatements {
    /// Has no capacity of its own: it is brought down to [`PREPARED_MAX`] between batches.
    known: LruCache<SqlText, Known>,
    /// What the batch parses, in the order of the replies.
    parsing: VecDeque<(StatementIndex, SqlText)>,
    /// What is forgotten here, but not by the server.
    closing: Vec<StatementName>,
    mix_ups: u32,
    /// Since the last mix-up, or since one was forgotten.
    good_batches: u32,
    /// How many it takes to forget one.
    good_batches_wanted: u32,
    /// Whether the server has refused something of the batch.
    has_failed: bool,
    /// Whose last values were refused, and how many.
    misfits: Vec<(StatementName, u8)>,
}

/// What is known of a statement.
#[derive(Debug)]
struct Known {
    name: StatementName,
    is_prepared: bool,
    /// With which SQLSTATEs it has failed when it was bound right after it was parsed. They say
    /// nothing of changes in the database, then: parsing it anew does not help.
    own_answers: Vec<Box<str>>,
}

/// What has to be sent so that a statement can be bound.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// Nothing: an earlier batch has prepared it under this name.
    Prepared(StatementName),
    /// Nothing: this batch has a Parse of it already.
    Parsed(StatementName),
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
    pub(crate) fn of(text: &SqlText) -> StatementName {
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
            known: LruCache::unbounded(),
            parsing: VecDeque::new(),
            closing: Vec::new(),
            mix_ups: 0,
            good_batches: 0,
            good_batches_wanted: GOOD_BATCHES,
            has_failed: false,
            misfits: Vec::new(),
        }
    }

    /// Whether a statement is prepared under a name, and kept.
    pub(crate) fn keeps(&self, text: &SqlText) -> bool {
        text.as_str().len() <= TEXT_BYTES_MAX && self.mix_ups < MIX_UPS_MAX
    }

    /// Whether a statement can be bound with nothing sent before it, now that no batch is written.
    pub(crate) fn is_ready(&self, text: &SqlText) -> bool {
        let known = self.known.peek(text);
        self.closing.is_empty() && known.is_some_and(|known| known.is_prepared)
    }

    /// The name under which a statement is, or is about to be, prepared. The statement has this
    /// place in its batch.
    pub(crate) fn look_up(&mut self, text: &SqlText, index: StatementIndex) -> Lookup {
        let name = match self.known.get_mut(text) {
            Some(known) if known.is_prepared => {
                let is_new = self.parsing.iter().any(|(_, parsing)| parsing == text);
                return match is_new {
                    true => Lookup::Parsed(known.name.clone()),
                    false => Lookup::Prepared(known.name.clone()),
                };
            }
            Some(known) => {
                known.is_prepared = true;
                known.name.clone()
            }
            None => {
                let name = StatementName::of(text);
                let known = Known {
                    name: name.clone(),
                    is_prepared: true,
                    own_answers: Vec::new(),
                };
                self.known.put(text.clone(), known);
                name
            }
        };
        self.parsing.push_back((index, text.clone()));
        match self.mix_ups {
            0 => Lookup::Parse(name),
            _ => Lookup::Replace(name),
        }
    }

    /// The server has confirmed the Parse of the statement at this place, which may be unnamed.
    pub(crate) fn on_parsed(&mut self, index: StatementIndex) {
        if self
            .parsing
            .front()
            .is_some_and(|&(first, _)| first == index)
        {
            self.parsing.pop_front();
        }
    }

    /// The server has refused something of the batch.
    pub(crate) fn on_failed(&mut self) {
        self.has_failed = true;
    }

    /// A statement no longer fits the database: it is parsed anew when it is needed.
    pub(crate) fn forget(&mut self, name: &StatementName) {
        if let Some(known) = self.find(name) {
            known.is_prepared = false;
            self.closing.push(name.clone());
        }
        self.misfits.retain(|(misfit, _)| misfit != name);
    }

    /// A value did not fit the type of its parameter in a statement of an earlier batch.
    pub(crate) fn on_misfit(&mut self, name: &StatementName) {
        let misfit = self.misfits.iter_mut().find(|(misfit, _)| misfit == name);
        let times = match misfit {
            Some((_, times)) => {
                *times += 1;
                *times
            }
            None => {
                self.misfits.push((name.clone(), 1));
                1
            }
        };
        if times >= MISFITS_MAX {
            self.forget(name);
        }
    }

    /// A statement was bound: the values fit.
    pub(crate) fn on_fit(&mut self, name: &StatementName) {
        self.misfits.retain(|(misfit, _)| misfit != name);
    }

    /// Whether there is a statement whose last values were refused.
    pub(crate) fn has_misfits(&self) -> bool {
        !self.misfits.is_empty()
    }

    /// A statement that this batch has parsed cannot be bound.
    pub(crate) fn on_own_answer(&mut self, name: &StatementName, code: &str) {
        if let Some(known) = self.find(name)
            && !known.own_answers.iter().any(|own| &**own == code)
        {
            known.own_answers.push(code.into());
        }
    }

    /// Whether it has failed so although it had just been parsed.
    pub(crate) fn is_own_answer(&mut self, name: &StatementName, code: &str) -> bool {
        let known = self.find(name);
        known.is_some_and(|known| known.own_answers.iter().any(|own| &**own == code))
    }

    fn find(&mut self, name: &StatementName) -> Option<&mut Known> {
        let mut known = self.known.iter_mut().map(|(_, known)| known);
        known.find(|known| known.name == *name)
    }

    /// The server does not know what we have prepared, or knows what we have not. From now on no
    /// Parse depends on what it knows.
    pub(crate) fn distrust(&mut self) {
        self.mix_ups = self.mix_ups.saturating_add(1);
        self.good_batches = 0;
        if self.mix_ups == MIX_UPS_MAX {
            self.good_batches_wanted = self.good_batches_wanted.saturating_mul(2);
        }
        for (_, known) in &mut self.known {
            if std::mem::take(&mut known.is_prepared) {
                self.closing.push(known.name.clone());
            }
        }
    }

    /// The names to be closed at the beginning of the next batch: nothing can fail before them.
    pub(crate) fn closing(&self) -> &[StatementName] {
        &self.closing
    }

    /// A batch that begins with the Closes was written.
    pub(crate) fn on_sent(&mut self) {
        self.closing.clear();
    }

    /// The batch cannot be written, so nothing was sent of it.
    pub(crate) fn on_not_sent(&mut self) {
        for (_, text) in self.parsing.drain(..) {
            self.known.pop(&text);
        }
    }

    /// The batch is over: what was not confirmed by now was skipped, or has failed, and what is too
    /// much is closed.
    pub(crate) fn on_over(&mut self) {
        for (_, text) in self.parsing.drain(..) {
            if let Some(known) = self.known.pop(&text) {
                self.closing.push(known.name);
            }
        }
        while self.known.len() > PREPARED_MAX.get()
            && let Some((_, known)) = self.known.pop_lru()
        {
            if known.is_prepared {
                self.closing.push(known.name);
            }
        }
        if !std::mem::take(&mut self.has_failed) && self.mix_ups > 0 {
            self.on_good_batch();
        }
    }

    fn on_good_batch(&mut self) {
        self.good_batches += 1;
        if self.good_batches >= self.good_batches_wanted {
            self.good_batches = 0;
            self.mix_ups -= 1;
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

    fn at(place: u16) -> StatementIndex {
        StatementIndex(place)
    }

    /// A batch of one statement that succeeds.
    fn run(prepared: &mut PreparedStatements, number: usize) -> Lookup {
        let found = prepared.look_up(&text(number), at(0));
        prepared.on_sent();
        if matches!(found, Lookup::Parse(_) | Lookup::Replace(_)) {
            prepared.on_parsed(at(0));
        }
        prepared.on_over();
        found
    }

    fn name(number: usize) -> StatementName {
        StatementName::of(&text(number))
    }

    #[test]
    fn a_statement_is_parsed_once() {
        let mut prepared = PreparedStatements::new();
        assert_eq!(run(&mut prepared, 1), Lookup::Parse(name(1)));
        assert_eq!(run(&mut prepared, 1), Lookup::Prepared(name(1)));
        assert_eq!(prepared.look_up(&text(2), at(0)), Lookup::Parse(name(2)));
        assert_eq!(prepared.look_up(&text(2), at(1)), Lookup::Parsed(name(2)));
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
    fn a_parse_that_was_skipped_is_sent_again_after_a_close() {
        let mut prepared = PreparedStatements::new();
        prepared.look_up(&text(1), at(0));
        prepared.look_up(&text(2), at(1));
        prepared.on_parsed(at(0));
        prepared.on_over();
        assert_eq!(prepared.closing(), [name(2)]);
        assert_eq!(run(&mut prepared, 1), Lookup::Prepared(name(1)));
        assert_eq!(run(&mut prepared, 2), Lookup::Parse(name(2)));
    }

    #[test]
    fn the_parse_of_an_unnamed_statement_confirms_no_other() {
        let mut prepared = PreparedStatements::new();
        prepared.look_up(&text(1), at(1));
        prepared.on_parsed(at(0));
        prepared.on_over();
        assert_eq!(run(&mut prepared, 1), Lookup::Parse(name(1)));
    }

    #[test]
    fn what_no_longer_fits_is_closed_and_parsed_again() {
        let mut prepared = PreparedStatements::new();
        for number in 0..3 {
            run(&mut prepared, number);
        }
        prepared.forget(&name(1));
        assert_eq!(prepared.closing(), [name(1)]);
        assert_eq!(run(&mut prepared, 1), Lookup::Parse(name(1)));
        assert_eq!(prepared.closing(), []);
        assert_eq!(run(&mut prepared, 2), Lookup::Prepared(name(2)));
    }

    #[test]
    fn a_batch_that_cannot_be_written_leaves_its_closes_to_the_next() {
        let mut prepared = PreparedStatements::new();
        run(&mut prepared, 1);
        prepared.forget(&name(1));
        prepared.look_up(&text(1), at(0));
        prepared.on_not_sent();
        assert_eq!(prepared.closing(), [name(1)]);
        assert_eq!(run(&mut prepared, 1), Lookup::Parse(name(1)));
    }

    #[test]
    fn an_answer_of_its_own_is_remembered_when_the_statement_is_parsed_anew() {
        let mut prepared = PreparedStatements::new();
        run(&mut prepared, 1);
        assert!(!prepared.is_own_answer(&name(1), "42P10"));
        prepared.on_own_answer(&name(1), "42P10");
        prepared.forget(&name(1));
        assert_eq!(run(&mut prepared, 1), Lookup::Parse(name(1)));
        assert!(prepared.is_own_answer(&name(1), "42P10"));
        assert!(!prepared.is_own_answer(&name(1), "42703"));
    }

    #[test]
    fn a_statement_that_refuses_one_value_after_another_is_parsed_anew() {
        let mut prepared = PreparedStatements::new();
        run(&mut prepared, 1);
        for _ in 0..10 {
            prepared.on_misfit(&name(1));
            prepared.on_fit(&name(1));
        }
        assert!(!prepared.has_misfits());
        assert_eq!(run(&mut prepared, 1), Lookup::Prepared(name(1)));
        (0..MISFITS_MAX).for_each(|_| prepared.on_misfit(&name(1)));
        assert_eq!(run(&mut prepared, 1), Lookup::Parse(name(1)));
    }

    #[test]
    fn a_server_that_is_not_ours_alone_is_told_everything_and_soon_nothing() {
        let mut prepared = PreparedStatements::new();
        run(&mut prepared, 1);
        prepared.distrust();
        assert_eq!(prepared.closing(), [name(1)]);
        assert_eq!(run(&mut prepared, 1), Lookup::Replace(name(1)));
        assert_eq!(run(&mut prepared, 1), Lookup::Prepared(name(1)));
        assert!(prepared.keeps(&text(1)));
        (1..MIX_UPS_MAX).for_each(|_| prepared.distrust());
        assert!(!prepared.keeps(&text(1)));
    }

    #[test]
    fn mix_ups_are_forgotten_by_and_by_and_later_each_time() {
        let mut prepared = PreparedStatements::new();
        let mut rounds = Vec::new();
        for _ in 0..2 {
            while prepared.keeps(&text(1)) {
                prepared.distrust();
            }
            let mut good = 0;
            while !prepared.keeps(&text(1)) {
                prepared.on_over();
                good += 1;
            }
            rounds.push(good);
        }
        assert_eq!(rounds, [2 * GOOD_BATCHES, 4 * GOOD_BATCHES]);
        // A batch that fails says nothing of statements.
        prepared.distrust();
        for _ in 0..10 * GOOD_BATCHES {
            prepared.on_failed();
            prepared.on_over();
        }
        assert!(!prepared.keeps(&text(1)));
    }

    #[test]
    fn the_least_recently_used_statement_makes_room_between_batches() {
        let mut prepared = PreparedStatements::new();
        let last = PREPARED_MAX.get();
        (0..last).for_each(|number| drop(run(&mut prepared, number)));
        run(&mut prepared, 0);
        // In the batch that is one too much, the oldest is still there.
        assert_eq!(
            prepared.look_up(&text(last), at(0)),
            Lookup::Parse(name(last))
        );
        assert_eq!(prepared.look_up(&text(1), at(1)), Lookup::Prepared(name(1)));
        prepared.on_sent();
        prepared.on_parsed(at(0));
        assert_eq!(prepared.closing(), []);
        prepared.on_over();
        assert_eq!(prepared.closing(), [name(2)]);
        assert_eq!(run(&mut prepared, 2), Lookup::Parse(name(2)));
    }

    /// A server: it knows names, and stops at the first thing that it refuses.
    #[derive(Default)]
    struct Model {
        names: HashSet<String>,
    }

    impl Model {
        /// The numbers of the statements are run up to `fails_at`, which is refused after its
        /// Parse, or before it.
        fn run(&mut self, prepared: &mut PreparedStatements, numbers: &[usize], fails: Fails) {
            let lookups: Vec<Lookup> = (0..)
                .zip(numbers)
                .map(|(place, &number)| prepared.look_up(&text(number), at(place)))
                .collect();
            for name in prepared.closing() {
                self.names.remove(name.as_str());
            }
            prepared.on_sent();
            for (place, lookup) in (0..).zip(&lookups) {
                if fails == Fails::Before(place) {
                    break;
                }
                let name = match lookup {
                    Lookup::Prepared(name) | Lookup::Parsed(name) => name,
                    Lookup::Parse(name) | Lookup::Replace(name) => {
                        if matches!(lookup, Lookup::Replace(_)) {
                            self.names.remove(name.as_str());
                        }
                        let is_new = self.names.insert(name.as_str().to_owned());
                        assert!(is_new, "42P05: {name:?} already exists");
                        prepared.on_parsed(at(place));
                        name
                    }
                };
                let is_known = self.names.contains(name.as_str());
                assert!(is_known, "26000: {name:?} does not exist");
                if fails == Fails::After(place) {
                    break;
                }
            }
            let held = self.names.len();
            assert!(held <= PREPARED_MAX.get() + numbers.len(), "{held}");
            if fails != Fails::Never {
                prepared.on_failed();
            }
            prepared.on_over();
        }
    }

    /// Where a batch fails: at no statement, or before or after the Parse of one.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Fails {
        Never,
        Before(u16),
        After(u16),
    }

    /// Settings in two kinds, and more shapes of reads than are kept.
    #[test]
    fn an_eviction_never_meets_its_own_batch() {
        let (mut prepared, mut model) = (PreparedStatements::new(), Model::default());
        for _ in 0..4 {
            for number in 2..PREPARED_MAX.get() + 1 {
                model.run(&mut prepared, &[0, number], Fails::Never);
            }
            model.run(&mut prepared, &[1, 2], Fails::Never);
            model.run(&mut prepared, &[1, 2], Fails::Never);
        }
        assert!(prepared.keeps(&text(1)));
    }

    #[test]
    fn server_and_cache_agree_whatever_comes_and_fails() {
        for seed in 1..=20_u64 {
            let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let mut random = |below: u64| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                usize::try_from(state % below).expect("it is small")
            };
            let (mut prepared, mut model) = (PreparedStatements::new(), Model::default());
            for _ in 0..2_000 {
                let count = 2 + random(4);
                let numbers: Vec<usize> = (0..count).map(|_| random(300)).collect();
                let place = u16::try_from(random(5)).expect("it is small");
                let fails = match random(6) {
                    0 => Fails::Before(place),
                    1 => Fails::After(place),
                    _ => Fails::Never,
                };
                model.run(&mut prepared, &numbers, fails);
                match random(50) {
                    0 => prepared.forget(&name(numbers[0])),
                    1 if prepared.mix_ups == 0 => prepared.distrust(),
                    _ => {}
                }
            }
            assert!(prepared.known.len() <= PREPARED_MAX.get(), "seed {seed}");
        }
    }
}
