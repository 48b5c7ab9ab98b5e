//! What the control plane is asked to do, and has not begun.
//!
//! Asking twice before it has begun is like asking once: after a burst of notifications there is
//! one reload at once and one at the end, which sees everything. What was just done rests for a
//! moment before it is done again.
//!
//! Invariant: a reload that was asked for begins after it was asked for.

use crate::sync::{Condvar, Instant, Mutex, lock};
use std::sync::PoisonError;
use std::time::Duration;

/// What the control plane can be asked for, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// The server ends.
    Stop,
    /// Read the configuration again.
    ReloadConfig,
    /// Load the catalog again.
    ReloadCatalog,
    /// The listener listens again, or has failed to: see what was missed.
    Listener,
    /// A core could not reach PostgreSQL: see whether it is gone.
    Suspect,
    /// Somebody has reached PostgreSQL, or wants to know whether it is back: do not wait longer.
    LookAgain,
}

const ORDERS: [Order; 6] = [
    Order::Stop,
    Order::ReloadConfig,
    Order::ReloadCatalog,
    Order::Listener,
    Order::Suspect,
    Order::LookAgain,
];

/// The orders that were given and not taken.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    is_given: [bool; ORDERS.len()],
    /// Before which moment an order is not taken.
    rests_until: [Option<Instant>; ORDERS.len()],
}

impl Waiting {
    fn take(&mut self, now: Instant) -> Option<Order> {
        let due = |order: &Order| {
            let at = *order as usize;
            self.is_given[at] && self.rests_until[at].is_none_or(|until| until <= now)
        };
        let order = ORDERS.into_iter().find(due)?;
        self.is_given[order as usize] = false;
        Some(order)
    }

    /// When the next of the given orders has rested.
    fn next_due(&self) -> Option<Instant> {
        let given = self.is_given.iter().zip(self.rests_until);
        given
            .filter_map(|(is_given, until)| until.filter(|_| *is_given))
            .min()
    }
}

impl Orders {
    /// Gives an order.
    pub(crate) fn give(&self, order: Order) {
        let mut waiting = lock(&self.waiting);
        waiting.is_given[order as usize] = true;
        drop(waiting);
        self.changed.notify_all();
    }

    /// Withdraws an order that has been done on the way.
    pub(crate) fn withdraw(&self, order: Order) {
        let mut waiting = lock(&self.waiting);
        waiting.is_given[order as usize] = false;
    }

    /// Lets an order rest for some time, should it be given again.
    pub(crate) fn rest(&self, order: Order, pause: Duration) {
        let mut waiting = lock(&self.waiting);
        waiting.rests_until[order as usize] = Some(Instant::now() + pause);
    }

    /// The most urgent order, waited for until the deadline.
    pub(crate) fn next(&self, deadline: Instant) -> Option<Order> {
        let mut waiting = lock(&self.waiting);
        loop {
            let now = Instant::now();
            if let Some(order) = waiting.take(now) {
                return Some(order);
            }
            if now >= deadline {
                return None;
            }
            let wake = waiting.next_due().map_or(deadline, |due| due.min(deadline));
            let left = wake.saturating_duration_since(now);
            let waited = self.changed.wait_timeout(waiting, left);
            waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn a_burst_is_one_order_and_the_urgent_comes_first() {
        let orders = Orders::default();
        for _ in 0..3 {
            orders.give(Order::Suspect);
            orders.give(Order::ReloadCatalog);
            orders.give(Order::ReloadConfig);
        }
        assert_eq!(orders.next(soon()), Some(Order::ReloadConfig));
        assert_eq!(orders.next(soon()), Some(Order::ReloadCatalog));
        assert_eq!(orders.next(soon()), Some(Order::Suspect));
        assert_eq!(orders.next(Instant::now()), None);
        orders.give(Order::Suspect);
        orders.give(Order::Stop);
        assert_eq!(orders.next(Instant::now()), Some(Order::Stop));
        orders.withdraw(Order::Suspect);
        assert_eq!(orders.next(Instant::now()), None);
    }

    #[test]
    fn an_order_that_rests_is_taken_afterwards() {
        let orders = Orders::default();
        let pause = Duration::from_millis(30);
        let begin = Instant::now();
        orders.rest(Order::ReloadCatalog, pause);
        orders.give(Order::ReloadCatalog);
        assert_eq!(orders.next(begin), None);
        orders.give(Order::Suspect);
        assert_eq!(orders.next(begin), Some(Order::Suspect));
        assert_eq!(orders.next(soon()), Some(Order::ReloadCatalog));
        assert!(begin.elapsed() >= pause);
    }

    #[test]
    fn an_order_wakes_who_waits_for_one() {
        let orders = Orders::default();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| orders.next(soon()));
            orders.give(Order::Stop);
            assert_eq!(waiting.join().unwrap(), Some(Order::Stop));
        });
    }
}
