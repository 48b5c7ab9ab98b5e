//! The shapes that are known, and what each consists of. How one is learned and what comes of it is
//! [`shape`](super)'s.

use super::outline::Outline;
use crate::exchange::pending::Pending;
use crate::query::Batch;
use corerest_sql::Ident;
use lru::LruCache;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many shapes are known, at some 4 KiB each: more than an application has.
const KNOWN_MAX: NonZeroUsize = NonZeroUsize::new(256).expect("the number is not zero");

/// How many outlines are remembered as seen once. Whoever sends no two alike makes us learn none.
const SEEN: usize = 1024;

/// The shapes that are known, for the threads of a core.
pub struct Shapes {
    kept: Mutex<Kept>,
    hashing: RandomState,
}

pub(super) struct Kept {
    /// `None`: requests with this outline have no shape.
    pub(super) known: LruCache<Box<[u8]>, Option<Arc<Shape>>>,
    /// Hashes of outlines that were seen once, in a place that the hash chooses.
    seen: Box<[u64; SEEN]>,
}

/// What is known of an outline.
pub(in crate::exchange) enum Found {
    /// Its shape.
    Known(Arc<Shape>),
    /// Nothing, and it is worth learning.
    New,
    /// It is planned each time, or has not been seen often enough.
    Unknown,
}

impl Shapes {
    /// None yet.
    pub fn new() -> Shapes {
        Shapes {
            kept: Mutex::new(Kept {
                known: LruCache::new(KNOWN_MAX),
                seen: Box::new([0; SEEN]),
            }),
            hashing: RandomState::new(),
        }
    }

    pub(in crate::exchange) fn find(&self, outline: &Outline<'_>) -> Found {
        let mut kept = self.kept();
        if let Some(known) = kept.known.get(&*outline.key) {
            return known.clone().map_or(Found::Unknown, Found::Known);
        }
        let hash = self.hashing.hash_one(&outline.key);
        let seen = &mut kept.seen[hash as usize % SEEN];
        if *seen == hash {
            return Found::New;
        }
        *seen = hash;
        Found::Unknown
    }

    pub(in crate::exchange) fn keep(&self, outline: Outline<'_>, shape: Option<Shape>) {
        let key = outline.key.into_boxed_slice();
        self.kept().known.put(key, shape.map(Arc::new));
    }

    /// A panic while the lock was held leaves a table that is whole.
    pub(super) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Shapes {
    fn default() -> Shapes {
        Shapes::new()
    }
}

impl fmt::Debug for Shapes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.kept().known.len();
        f.debug_struct("Shapes").field("known", &known).finish()
    }
}

/// What all requests of an outline have in common.
pub(in crate::exchange) struct Shape {
    /// The batch of one of them, whose values are replaced. Its settings have none: they were that
    /// request's own, its token among them.
    pub(super) batch: Batch,
    /// Where the values are in each statement of the batch.
    pub(super) places: Vec<Vec<ValuePlace>>,
    pub(super) schema: Ident,
    pub(super) timezone: Option<String>,
    pub(super) pending: Pending,
    pub(super) location: Option<ContentLocation>,
}

/// The parameter of a statement, from 0, that is a value of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ValuePlace {
    pub(super) parameter: usize,
    pub(super) value: usize,
}

/// The value of `Content-Location`: texts, and between them values of the request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ContentLocation {
    pub(super) pieces: Vec<(String, usize)>,
    pub(super) end: String,
}
