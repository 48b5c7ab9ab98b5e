//! Clients that rest although a connection to PostgreSQL waits for them with the rest of an answer.
//!
//! Each core has a list for the connections of its pool, so a list is never longer than the pool,
//! wherever the clients are at home. Nobody looks at it as long as no request is parked.

use super::lock;
use crate::serving::client::Token;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// The slow readers of a core, the one that has not been served for the longest time first.
#[derive(Debug, Default)]
pub(crate) struct SlowReaders {
    list: Mutex<Vec<SlowReader>>,
    /// Their number. Sequentially consistent: who adds one looks for parked requests after it, and
    /// who parks a request looks for slow readers after it; one of the two sees the other.
    count: AtomicUsize,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlowReader {
    /// The client.
    pub(crate) token: Token,
    /// The core at which it rests.
    pub(crate) home: usize,
    /// Since when it rests.
    pub(crate) since: Instant,
    /// How much it has still to be sent; `None` if it cannot be spooled.
    pub(crate) bytes: Option<u64>,
}

impl SlowReaders {
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// A client rests.
    pub(crate) fn add(&self, reader: SlowReader) {
        let mut list = lock(&self.list);
        list.push(reader);
        self.count.store(list.len(), Ordering::SeqCst);
    }

    /// A client is served.
    pub(crate) fn remove(&self, home: usize, token: Token) {
        let mut list = lock(&self.list);
        list.retain(|reader| (reader.home, reader.token) != (home, token));
        self.count.store(list.len(), Ordering::SeqCst);
    }

    /// The first one.
    pub(crate) fn first(&self) -> Option<SlowReader> {
        lock(&self.list).first().copied()
    }

    /// The first one that is chosen, with what it is chosen for. It stays in the list.
    pub(crate) fn find<T>(
        &self,
        mut choose: impl FnMut(&SlowReader) -> Option<T>,
    ) -> Option<(SlowReader, T)> {
        let list = lock(&self.list);
        list.iter()
            .find_map(|reader| choose(reader).map(|chosen| (*reader, chosen)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_is_wanted_is_found() {
        let since = Instant::now();
        let reader = |index: usize, bytes: u64| SlowReader {
            token: Token::new(index, 0),
            home: 0,
            since,
            bytes: Some(bytes),
        };
        let readers = SlowReaders::default();
        assert!(readers.is_empty());
        readers.add(reader(1, 50));
        readers.add(reader(2, 10));
        readers.add(reader(3, 10));
        let small = |r: &SlowReader| r.bytes.filter(|bytes| *bytes < 20);
        assert_eq!(readers.find(small), Some((reader(2, 10), 10)));
        readers.remove(0, Token::new(2, 0));
        readers.remove(1, Token::new(3, 0));
        assert_eq!(readers.find(small), Some((reader(3, 10), 10)));
        assert_eq!(readers.first(), Some(reader(1, 50)));
        assert_eq!(readers.len(), 2);
    }
}
