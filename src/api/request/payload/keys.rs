//! The keys of objects: those of the first one as columns, and whether the others have the same.
//!
//! Objects of one array nearly always name their keys in the same order. So each key is first
//! compared, as it is written, with the one expected at that place; only if it differs is it
//! unescaped and looked for. Repeated keys count once, as in PostgREST and in PostgreSQL, where
//! the last value wins.

use crate::error::beginning;
use corerest_sql::Ident;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// PostgreSQL has at most 1,600 columns in a table, 1,664 in a view, and 100 arguments.
///
/// An object can have millions of keys, for a function that takes JSON. Of more than a table can
/// have, one is unknown, and the first unknown one is among the first of them: so the others can
/// be left out without a change of the answer, and an object of 100 MB does not become a set of
/// several times that.
pub(super) const COLUMNS_MAX: usize = 2048;

/// PostgreSQL's names have at most 63 bytes. A longer one is unknown, and its beginning says so as
/// well, in less memory.
const NAME_BYTES_MAX: usize = 256;

/// With how many keys of the first object those of the others are compared. Each needs 32 bytes,
/// and can be written in nine. No table has as many columns; a function that takes JSON gets
/// objects with more of them as they are.
const KEYS_MAX: usize = 1 << 16;

/// The first names in their order, each once.
pub(super) fn first_columns(names: impl Iterator<Item = impl AsRef<str>>) -> BTreeSet<Ident> {
    let mut columns = BTreeSet::new();
    for name in names {
        add_column(&mut columns, name.as_ref());
    }
    columns
}

/// Adds a name, unless there are enough before it.
///
/// Parity: a name with a NUL is cut there. PostgREST keeps it and says that there is no such
/// column; here PostgreSQL refuses the text (22P05) if the rest is one.
pub(super) fn add_column(columns: &mut BTreeSet<Ident>, name: &str) {
    let name = beginning(name, NAME_BYTES_MAX);
    let is_full = columns.len() == COLUMNS_MAX;
    let is_behind = || columns.last().is_some_and(|last| last.as_str() <= name);
    if columns.contains(name) || (is_full && is_behind()) {
        return;
    }
    columns.insert(Ident::before_nul(name));
    if columns.len() > COLUMNS_MAX {
        columns.pop_last();
    }
}

/// A key as it is written, without its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key<'a> {
    pub(super) written: &'a str,
    pub(super) escapes: Escapes,
}

/// Whether a string has escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escapes {
    No,
    Some,
}

impl<'a> Key<'a> {
    /// The text that is meant.
    pub(super) fn text(&self) -> Cow<'a, str> {
        match self.escapes {
            Escapes::No => Cow::Borrowed(self.written),
            Escapes::Some => Cow::Owned(unescape(self.written).collect()),
        }
    }

    /// As much of the text as a name can have.
    pub(super) fn name(&self) -> Cow<'a, str> {
        match self.escapes {
            Escapes::No => Cow::Borrowed(self.written),
            Escapes::Some => Cow::Owned(unescape(self.written).take(NAME_BYTES_MAX).collect()),
        }
    }

    /// Compares what is meant. Without a copy, for it is done often, and the client chooses how
    /// many keys there are.
    fn order(&self, other: &Key<'_>) -> Ordering {
        match (self.escapes, other.escapes) {
            (Escapes::No, Escapes::No) => self.written.cmp(other.written),
            _ => unescape(self.written).cmp(unescape(other.written)),
        }
    }
}

/// The keys of the first object while it is read. A client can repeat one as often as it likes, so
/// from time to time the repeated ones are dropped.
pub(super) struct KeyList<'a> {
    /// `None` when there are too many.
    keys: Option<Vec<Key<'a>>>,
    /// How many are kept before it is looked for repeated ones.
    room: usize,
}

impl<'a> KeyList<'a> {
    pub(super) fn new() -> KeyList<'a> {
        KeyList {
            keys: Some(Vec::new()),
            room: COLUMNS_MAX,
        }
    }

    /// Takes a key, unless there are too many.
    pub(super) fn push(&mut self, key: Key<'a>) {
        let Some(keys) = &mut self.keys else {
            return;
        };
        if keys.len() == self.room {
            *keys = distinct(keys);
            if keys.len() > KEYS_MAX {
                self.keys = None;
                return;
            }
            self.room = (2 * keys.len()).max(COLUMNS_MAX);
        }
        keys.push(key);
    }

    /// All keys, some of them repeated; `None` if there are too many for others to be compared
    /// with them.
    pub(super) fn finish(self) -> Option<Vec<Key<'a>>> {
        self.keys
    }
}

/// The keys of the first object, and which of them the present object has.
pub(super) struct FirstKeys<'a> {
    /// In their order, each once.
    keys: Vec<Key<'a>>,
    /// Indices into `keys`, ordered by text; empty until an object has another order.
    by_text: Vec<u32>,
    /// The number of the last object that has the key.
    seen_in: Vec<u32>,
    /// The number of the present object.
    object: u32,
    /// Which key is expected next.
    next: usize,
    /// How many of the keys the present object has.
    seen: usize,
    /// How many others it has.
    strays: usize,
}

impl<'a> FirstKeys<'a> {
    /// Takes the keys of the first object, and its columns, which tell if a key is repeated.
    pub(super) fn new(mut keys: Vec<Key<'a>>, columns: &BTreeSet<Ident>) -> FirstKeys<'a> {
        if columns.len() != keys.len() {
            keys = distinct(&keys);
        }
        FirstKeys {
            seen_in: vec![0; keys.len()],
            keys,
            by_text: Vec::new(),
            object: 1,
            next: 0,
            seen: 0,
            strays: 0,
        }
    }

    /// Takes a key of the present object.
    pub(super) fn see(&mut self, key: Key<'_>) {
        let index = match self.keys.get(self.next) {
            Some(expected) if expected.written == key.written => self.next,
            _ => match self.find(key) {
                Some(index) => index,
                None => {
                    self.strays += 1;
                    return;
                }
            },
        };
        self.next = index + 1;
        if self.seen_in[index] != self.object {
            self.seen_in[index] = self.object;
            self.seen += 1;
        }
    }

    /// Ends the present object and says whether its keys are those of the first.
    pub(super) fn finish_object(&mut self) -> bool {
        let is_same = self.strays == 0 && self.seen == self.keys.len();
        self.object += 1;
        (self.next, self.seen, self.strays) = (0, 0, 0);
        is_same
    }

    fn find(&mut self, key: Key<'_>) -> Option<usize> {
        if self.by_text.is_empty() {
            self.by_text = ordered(&self.keys);
        }
        let found = self
            .by_text
            .binary_search_by(|&index| at(&self.keys, index).order(&key));
        found.ok().map(|place| self.by_text[place] as usize)
    }
}

/// The keys in their order, each once.
fn distinct<'a>(keys: &[Key<'a>]) -> Vec<Key<'a>> {
    let mut indices = ordered(keys);
    indices.dedup_by(|a, b| at(keys, *a).order(at(keys, *b)).is_eq());
    indices.sort_unstable();
    indices.iter().map(|&index| *at(keys, index)).collect()
}

/// The indices of the keys, ordered by text.
fn ordered(keys: &[Key<'_>]) -> Vec<u32> {
    let end = u32::try_from(keys.len()).expect("a list has an end long before");
    let mut indices: Vec<u32> = (0..end).collect();
    indices.sort_by(|&a, &b| at(keys, a).order(at(keys, b)));
    indices
}

fn at<'k, 'a>(keys: &'k [Key<'a>], index: u32) -> &'k Key<'a> {
    &keys[index as usize]
}

/// The characters a string means. Its escapes have been checked.
pub(super) fn unescape(written: &str) -> impl Iterator<Item = char> {
    let mut rest = written.chars();
    std::iter::from_fn(move || match rest.next()? {
        '\\' => Some(match rest.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => match unit(&mut rest)? {
                high @ 0xd800..0xdc00 => {
                    rest.nth(1)?;
                    let low = unit(&mut rest)?;
                    char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))?
                }
                other => char::from_u32(other)?,
            },
            itself => itself,
        }),
        plain => Some(plain),
    })
}

/// Four hexadecimal digits.
fn unit(rest: &mut std::str::Chars<'_>) -> Option<u32> {
    let mut unit = 0;
    for _ in 0..4 {
        unit = unit * 16 + rest.next()?.to_digit(16)?;
    }
    Some(unit)
}
