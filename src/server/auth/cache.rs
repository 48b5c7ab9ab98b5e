//! The tokens that were verified not long ago, so that each is verified once.
//!
//! ```text
//! newest → … → [hand] → … → oldest        a hit marks an entry; when full, the hand goes from
//!                                         old to new, unmarks, and evicts the first unmarked
//! ```
//! This is SIEVE (<https://cachemon.github.io/SIEVE-website>), which PostgREST uses: a hit moves
//! nothing, and tokens that come once do not drive out those that come often.
//!
//! Invariant: the key is the whole token with its signature. What is in here was verified.

use std::collections::HashMap;
use std::sync::Arc;

/// Longer tokens are verified every time: a thousand of them must not fill the memory.
const TOKEN_BYTES_MAX: usize = 8192;

/// A bounded map from tokens to what is known about them.
#[derive(Debug)]
pub(super) struct Cache<V> {
    capacity: usize,
    places: HashMap<Arc<[u8]>, usize>,
    /// Linked by `newer` and `older`.
    slots: Vec<Slot<V>>,
    newest: Option<usize>,
    oldest: Option<usize>,
    hand: Option<usize>,
}

#[derive(Debug)]
struct Slot<V> {
    token: Arc<[u8]>,
    value: V,
    is_marked: bool,
    newer: Option<usize>,
    older: Option<usize>,
}

/// Whether a token made room for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evicted {
    None,
    One,
}

impl<V> Cache<V> {
    /// An empty cache; it remembers nothing if its capacity is 0.
    pub(super) fn new(capacity: usize) -> Cache<V> {
        Cache {
            capacity,
            places: HashMap::new(),
            slots: Vec::new(),
            newest: None,
            oldest: None,
            hand: None,
        }
    }

    /// How many tokens it holds at most.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// What is known about a token.
    pub(super) fn find(&mut self, token: &[u8]) -> Option<&V> {
        let place = *self.places.get(token)?;
        let slot = &mut self.slots[place];
        slot.is_marked = true;
        Some(&slot.value)
    }

    /// Remembers a token that is not there yet.
    pub(super) fn insert(&mut self, token: &[u8], value: V) -> Evicted {
        if self.capacity == 0 || token.len() > TOKEN_BYTES_MAX || self.places.contains_key(token) {
            return Evicted::None;
        }
        let token: Arc<[u8]> = token.into();
        let slot = Slot {
            token: Arc::clone(&token),
            value,
            is_marked: false,
            newer: None,
            older: self.newest,
        };
        let is_full = self.slots.len() >= self.capacity;
        let place = if !is_full {
            self.slots.push(slot);
            self.slots.len() - 1
        } else {
            let place = self.evict();
            // The slot that was evicted may have been the newest one.
            self.slots[place] = Slot {
                older: self.newest,
                ..slot
            };
            place
        };
        self.places.insert(token, place);
        match self.newest.replace(place) {
            Some(before) => self.slots[before].newer = Some(place),
            None => self.oldest = Some(place),
        }
        self.invariants();
        if is_full { Evicted::One } else { Evicted::None }
    }

    /// Takes an entry out of map and list, and gives its slot. There is one: the cache is full.
    fn evict(&mut self) -> usize {
        let mut at = self
            .hand
            .or(self.oldest)
            .expect("a full cache has an oldest entry");
        while self.slots[at].is_marked {
            self.slots[at].is_marked = false;
            at = self.slots[at].newer.or(self.oldest).expect("as above");
        }
        let Slot { newer, older, .. } = self.slots[at];
        match newer {
            Some(newer) => self.slots[newer].older = older,
            None => self.newest = older,
        }
        match older {
            Some(older) => self.slots[older].newer = newer,
            None => self.oldest = newer,
        }
        self.hand = newer;
        self.places.remove(&self.slots[at].token);
        at
    }

    fn invariants(&self) {
        debug_assert!(self.slots.len() <= self.capacity);
        debug_assert_eq!(self.slots.len(), self.places.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks tokens up in turn and inserts those that are missing; gives what is there then.
    #[track_caller]
    fn check(capacity: usize, tokens: &str, expected: &str) {
        let mut cache = Cache::new(capacity);
        for token in tokens.bytes() {
            if cache.find(&[token]).is_none() {
                cache.insert(&[token], token);
            }
            assert!(cache.slots.len() <= capacity);
        }
        let mut kept: Vec<u8> = cache
            .places
            .keys()
            .flat_map(|token| token.to_vec())
            .collect();
        kept.sort_unstable();
        assert_eq!(String::from_utf8(kept).unwrap(), expected, "{tokens}");
        for (token, place) in &cache.places {
            assert_eq!(**token, [cache.slots[*place].value]);
        }
        let mut linked = Vec::new();
        let mut at = cache.oldest;
        while let Some(place) = at {
            linked.push(cache.slots[place].value);
            at = cache.slots[place].newer;
        }
        linked.sort_unstable();
        assert_eq!(String::from_utf8(linked).unwrap(), expected, "{tokens}");
    }

    #[test]
    fn what_was_not_asked_for_again_goes_first() {
        check(0, "aab", "");
        check(1, "aab", "b");
        check(3, "abc", "abc");
        check(3, "abcd", "bcd");
        check(3, "abcad", "acd");
        check(3, "abcaade", "ade");
        check(3, "abcabcd", "bcd");
        check(2, "ababcdcdabab", "ab");
    }

    #[test]
    fn one_time_tokens_do_not_drive_out_the_frequent_ones() {
        let mut cache = Cache::new(10);
        cache.insert(b"often", 0);
        for number in 0..10_000_u32 {
            assert_eq!(cache.find(b"often"), Some(&0));
            cache.insert(&number.to_be_bytes(), number);
        }
        assert_eq!(cache.slots.len(), 10);
    }

    #[test]
    fn random_traffic_keeps_the_cache_whole() {
        let mut state = 1_u64;
        for capacity in 1..8 {
            let tokens: String = (0..2000)
                .map(|_| {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    char::from(b'a' + (state >> 60) as u8)
                })
                .collect();
            let mut cache = Cache::new(capacity);
            for token in tokens.bytes() {
                match cache.find(&[token]) {
                    Some(value) => assert_eq!(*value, token),
                    None => {
                        cache.insert(&[token], token);
                    }
                }
                assert!(cache.find(&[token]).is_some());
            }
            assert_eq!(cache.slots.len(), capacity);
        }
    }

    #[test]
    fn long_tokens_are_not_kept() {
        let mut cache = Cache::new(10);
        cache.insert(&vec![b'a'; TOKEN_BYTES_MAX], 1);
        cache.insert(&vec![b'a'; TOKEN_BYTES_MAX + 1], 2);
        assert_eq!(cache.places.len(), 1);
    }
}
