//! Threads of a core that step back, for others get on better without them
//! ([`Worker::let_others_go_first`](super::threads)).
//!
//! ```text
//! steps back ──somebody looks already──▶ waits behind him ──he goes on──▶ looks, every millisecond
//!                                                        goes on ◀──nothing moves any more──┘
//! ```
//! One at a time looks: each who wakes up for that costs as much as what is saved.

use crate::sync::{Condvar, Mutex, lock};
use std::sync::PoisonError;
use std::time::Duration;

/// How often is looked: a few fast queries, and so little that nobody notices when they were slow
/// ones.
const LOOK: Duration = Duration::from_millis(1);

/// Where they stand.
#[derive(Default)]
pub(super) struct Rear {
    lookout: Mutex<Lookout>,
    call: Condvar,
}

#[derive(Default)]
struct Lookout {
    /// Whether somebody looks.
    is_there: bool,
    /// What was seen last.
    seen: u64,
}

impl Rear {
    /// Waits as long as there is a number, and it is another one each time.
    pub(super) fn wait_while_changing(&self, number: impl Fn() -> Option<u64>) {
        let mut lookout = lock(&self.lookout);
        while lookout.is_there {
            let waited = self.call.wait(lookout);
            lookout = waited.unwrap_or_else(PoisonError::into_inner);
        }
        lookout.is_there = true;
        while let Some(now) = number()
            && now != lookout.seen
        {
            lookout.seen = now;
            // Nobody calls but whoever looks, when he goes.
            let waited = self.call.wait_timeout(lookout, LOOK);
            lookout = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        lookout.is_there = false;
        drop(lookout);
        self.call.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::thread;

    #[test]
    fn whoever_sees_nothing_move_goes_on_and_so_does_who_comes_next() {
        let rear = Rear::default();
        let looks = Cell::new(0);
        let number = |at_most: u64| {
            looks.set(looks.get() + 1);
            Some(looks.get().min(at_most))
        };
        rear.wait_while_changing(|| number(5));
        assert_eq!(looks.get(), 6);
        // Nothing has moved since.
        rear.wait_while_changing(|| number(5));
        assert_eq!(looks.get(), 7);
        rear.wait_while_changing(|| None);
    }

    #[test]
    fn one_looks_at_a_time_and_in_the_end_all_go_on() {
        const THREADS: usize = 4;
        let rear = Rear::default();
        let looks = Mutex::new(Vec::new());
        let look = || {
            let mut looks = lock(&looks);
            looks.push(thread::current().id());
            (looks.len() <= 20).then_some(looks.len() as u64)
        };
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| rear.wait_while_changing(look));
            }
        });
        let looks = lock(&looks);
        assert_eq!(looks.len(), 20 + THREADS);
        let turns = looks.chunk_by(|one, next| one == next).count();
        assert_eq!(turns, THREADS);
    }
}
