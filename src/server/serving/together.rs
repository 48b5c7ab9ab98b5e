//! Which requests are asked together, in one flight of one connection.
//!
//! PostgreSQL wakes once for all of them, and so do we. They wait for each other, so they are few,
//! and of shapes whose answers have been quick of late, or on trial, and plain. Each is a
//! transaction by itself, and finds what it would find on this connection if it came later; so if
//! one leaves something in the session with which no other is to meet, those behind it are not
//! answered by it. Whatever becomes of one but a plain answer, it is asked again by itself, as if
//! nothing had been: nobody has to tell whose fault it was. So only those go together that may be
//! carried out twice ([`Batch::can_go_together`]): reads, and calls of functions that promise to
//! change nothing.

use crate::serving::aim::Quest;
use crate::sync::in_simulation;
use corerest_api::{AnswerSize, Batch, Pace, Pending};
use std::time::Duration;

/// How many requests go together at the most. With eight there were no more requests/s, and a p99
/// of 1.1 to 1.4 times as much.
pub(crate) const TOGETHER_MAX: usize = 4;

/// How many quick answers a shape must have had.
const QUICK_ANSWERS_MIN: u32 = in_simulation(1, 100) as u32;

/// An answer that took no longer is quick: a lookup takes 50 µs, a page with an embedded row 110,
/// and ten times that where processes wait for a CPU; but one after the other, what waits for a
/// disk must not be. With 2 ms instead of 1, pages of 25 rows came 24 to 26 % more often; with 3
/// it was the same. Without optimization, everything takes longer.
const QUICK: Duration = match cfg!(debug_assertions) {
    true => Duration::from_millis(50),
    false => Duration::from_millis(2),
};

/// One that took longer is slow, however busy the machine is.
pub(crate) const SLOW_AFTER: Duration = QUICK.saturating_mul(20);

/// A longer body is not copied, and would be.
const BODY_BYTES_MAX: usize = 16 << 10;

/// Whether the request may be asked together with others, given its body.
pub(crate) fn may_go_together(
    batch: &Batch,
    pending: &Pending,
    quest: &Quest,
    request_body: &[u8],
) -> bool {
    (has_been_quick(pending) || pending.is_on_trial())
        && batch.can_go_together()
        && pending.size_before() == AnswerSize::Usual
        && quest.is_untroubled()
        && request_body.len() <= BODY_BYTES_MAX
}

/// Whether it is quick, and would go together with others if it had to wait: so it has little need
/// of a thread more.
pub(crate) fn is_quick_together(batch: &Batch, pending: &Pending) -> bool {
    has_been_quick(pending) && batch.can_go_together()
}

/// Whether answers to requests of the same shape have been quick of late.
fn has_been_quick(pending: &Pending) -> bool {
    pending.quick_answers() >= QUICK_ANSWERS_MIN
}

/// How soon an answer came that took so long.
pub(crate) fn pace_of(took: Duration) -> Pace {
    match took {
        _ if took <= QUICK => Pace::Quick,
        _ if took <= SLOW_AFTER => Pace::Late,
        _ => Pace::Slow,
    }
}
