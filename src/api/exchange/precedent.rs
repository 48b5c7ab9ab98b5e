//! How large the answers to requests of a shape are, and how soon they come, as far as earlier ones
//! have shown; and in what guise a session can answer them.
//!
//! It stands apart from what a request has become ([`Pending`](super::Pending)), for it is shared
//! by all requests of a shape, and says nothing of what is asked: whoever has few places for large
//! answers wants to know beforehand which they will be, and whoever lets requests wait for each
//! other, which are quick. A request whose shape is not known has no precedent, and is taken for
//! one with a usual answer that may be long in coming.

use corerest_sql::Guise;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// More quick answers are not counted: nobody wants to know of more, and who counts no more writes
/// nothing to what the threads of a core share.
const QUICK_ANSWERS_MAX: u32 = 1_000;

/// How many quick answers make up for a late one: of those that count as quick for long, one of as
/// many is late at the most.
const QUICK_FOR_LATE: u32 = 64;

/// After how many answers, of which none was quick behind another one, requests are on trial.
const TRIAL_AFTER: u32 = 1 << 10;

/// After how many when the last trials went well.
const NEXT_TRIAL_AFTER: u32 = 1 << 4;

/// How many quick answers behind others that takes: of what is slow every other time, so many
/// seldom come in a row.
const WENT_WELL: u32 = 3;

/// How large an answer is. What counts as large is the business of whoever sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerSize {
    /// One of many that are under way at a time.
    Usual,
    /// One of a few.
    Large,
}

/// Where a request stood when it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// By itself, so the time that its answer took has the way to PostgreSQL in it, and what a
    /// process there waits for a CPU.
    Alone,
    /// Before others, in one flight with them.
    Ahead,
    /// Behind others, so what passed since the answer before it is the time of its own query, or
    /// less, where nobody was there to take that one.
    Behind,
}

/// How soon an answer came. What counts as soon is the business of whoever waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As soon as many others.
    Quick,
    /// Later. A busy machine may be the cause.
    Late,
    /// So late that it was the query.
    Slow,
}

/// The last answers to requests of the same shape, and what else those have in common that changes
/// nothing of an answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Precedent(Option<Arc<Earlier>>);

#[derive(Debug, Default)]
struct Earlier {
    /// How their settings can be made for a session, if that does no harm.
    guise: Option<Guise>,
    was_large: AtomicBool,
    /// How many were quick since one was slow, less some for each that was late. Two threads that
    /// count at a time may count one answer.
    quick: AtomicU32,
    /// The same of those that were asked behind others.
    quick_behind: AtomicU32,
    /// How many answers there were since the last trial, as long as few of them were quick.
    undecided: AtomicU32,
}

impl Precedent {
    /// That of a new shape, whose first answer is expected to be of that size, and whose settings
    /// can be made for a session so.
    pub(super) fn of_shape(expected: AnswerSize, guise: Option<Guise>) -> Precedent {
        let precedent = Precedent(Some(Arc::new(Earlier {
            guise,
            ..Earlier::default()
        })));
        precedent.note(expected);
        precedent
    }

    pub(super) fn guise(&self) -> Option<&Guise> {
        self.0.as_ref()?.guise.as_ref()
    }

    pub(super) fn size(&self) -> AnswerSize {
        match &self.0 {
            Some(earlier) if earlier.was_large.load(Ordering::Relaxed) => AnswerSize::Large,
            Some(_) | None => AnswerSize::Usual,
        }
    }

    /// It is written only where it changes: the threads of a core share it.
    pub(super) fn note(&self, size: AnswerSize) {
        if let Some(earlier) = &self.0
            && self.size() != size
        {
            let is_large = size == AnswerSize::Large;
            earlier.was_large.store(is_large, Ordering::Relaxed);
        }
    }

    /// How many answers were quick of late, by the time that they took or by that of their queries.
    pub(super) fn quick_answers(&self) -> u32 {
        self.0.as_ref().map_or(0, |earlier| earlier.quick_answers())
    }

    /// Whether a request should be asked with others to see how long its query takes by itself.
    /// PostgreSQL may be so far away, or so busy, that no other answer tells.
    pub(super) fn is_on_trial(&self) -> bool {
        self.0.as_ref().is_some_and(|earlier| earlier.is_on_trial())
    }

    /// A request is asked with others: of those that come now, none is on trial any more.
    pub(super) fn note_trial(&self) {
        if let Some(earlier) = &self.0 {
            change(&earlier.undecided, |_| 0);
        }
    }

    pub(super) fn note_pace(&self, pace: Pace, company: Company) {
        if let Some(earlier) = &self.0 {
            earlier.note_pace(pace, company);
        }
    }
}

impl Earlier {
    fn quick_answers(&self) -> u32 {
        let behind = self.quick_behind.load(Ordering::Relaxed);
        self.quick.load(Ordering::Relaxed).max(behind)
    }

    fn is_on_trial(&self) -> bool {
        let undecided = self.undecided.load(Ordering::Relaxed);
        let after = match self.quick_behind.load(Ordering::Relaxed) {
            ..WENT_WELL => TRIAL_AFTER,
            _ => NEXT_TRIAL_AFTER,
        };
        undecided >= after
    }

    fn note_pace(&self, pace: Pace, company: Company) {
        match (company, pace) {
            // For want of a CPU, one of many is slow by itself, too.
            (Company::Alone, Pace::Slow) => {
                change(&self.quick, |_| 0);
                change(&self.quick_behind, |count| counted(count, Pace::Late));
                change(&self.undecided, |count| counted(count, Pace::Late));
            }
            (_, Pace::Slow) => {
                let counts = [&self.quick, &self.quick_behind, &self.undecided];
                counts.into_iter().for_each(|count| change(count, |_| 0));
            }
            // It may be the way.
            (Company::Ahead, Pace::Late) => {}
            (Company::Alone, _) => {
                change(&self.quick, |count| counted(count, pace));
                if self.quick_answers() < QUICK_ANSWERS_MAX {
                    change(&self.undecided, |count| count.saturating_add(1));
                }
            }
            (Company::Ahead, Pace::Quick) => change(&self.quick, |count| counted(count, pace)),
            (Company::Behind, _) => {
                change(&self.quick, |count| counted(count, pace));
                change(&self.quick_behind, |count| counted(count, pace));
            }
        }
    }
}

fn counted(count: u32, pace: Pace) -> u32 {
    match pace {
        Pace::Quick => (count + 1).min(QUICK_ANSWERS_MAX),
        Pace::Late => count.saturating_sub(QUICK_FOR_LATE),
        Pace::Slow => 0,
    }
}

/// It is written only where it changes: the threads of a core share it.
fn change(count: &AtomicU32, change: impl Fn(u32) -> u32) {
    let before = count.load(Ordering::Relaxed);
    let after = change(before);
    if after != before {
        count.store(after, Ordering::Relaxed);
    }
}

/// Two requests are the same whatever became of earlier ones.
impl PartialEq for Precedent {
    fn eq(&self, _: &Precedent) -> bool {
        true
    }
}

impl Eq for Precedent {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_a_shape_have_one_precedent() {
        let of_shape = Precedent::of_shape(AnswerSize::Usual, None);
        let (first, second) = (of_shape.clone(), of_shape);
        assert_eq!(second.size(), AnswerSize::Usual);
        first.note(AnswerSize::Large);
        assert_eq!(second.size(), AnswerSize::Large);
        second.note(AnswerSize::Usual);
        assert_eq!(first.size(), AnswerSize::Usual);
    }

    #[test]
    fn what_has_no_shape_has_no_precedent() {
        let none = Precedent::default();
        none.note(AnswerSize::Large);
        none.note_pace(Pace::Quick, Company::Alone);
        assert_eq!(none.size(), AnswerSize::Usual);
        assert_eq!(none.quick_answers(), 0);
    }

    #[test]
    fn a_slow_answer_is_remembered_longer_than_a_late_one() {
        let precedent = Precedent::of_shape(AnswerSize::Usual, None);
        (0..2 * QUICK_ANSWERS_MAX).for_each(|_| precedent.note_pace(Pace::Quick, Company::Alone));
        assert_eq!(precedent.quick_answers(), QUICK_ANSWERS_MAX);
        precedent.note_pace(Pace::Late, Company::Alone);
        assert_eq!(
            precedent.quick_answers(),
            QUICK_ANSWERS_MAX - QUICK_FOR_LATE
        );
        precedent.note_pace(Pace::Slow, Company::Alone);
        assert_eq!(precedent.quick_answers(), 0);
        precedent.note_pace(Pace::Late, Company::Alone);
        precedent.note_pace(Pace::Quick, Company::Alone);
        assert_eq!(precedent.quick_answers(), 1);
    }

    /// All that are asked by themselves are late, for PostgreSQL is far away.
    #[test]
    fn what_is_quick_behind_others_is_quick_however_long_the_way_is() {
        let precedent = Precedent::of_shape(AnswerSize::Usual, None);
        let alone = |count| {
            (0..count).for_each(|_| precedent.note_pace(Pace::Late, Company::Alone));
            precedent.is_on_trial()
        };
        assert!(!precedent.is_on_trial(), "nothing is known");
        assert!(!alone(TRIAL_AFTER - 1));
        assert!(alone(1));
        for count in 1..=200 {
            precedent.note_trial();
            precedent.note_pace(Pace::Late, Company::Ahead);
            precedent.note_pace(Pace::Quick, Company::Behind);
            assert_eq!(precedent.quick_answers(), count);
            let after = match count {
                ..WENT_WELL => TRIAL_AFTER,
                _ => NEXT_TRIAL_AFTER,
            };
            assert!(!alone(after - 1));
            assert!(alone(1));
            assert!(alone(1), "as long as nobody was tried");
        }
        precedent.note_pace(Pace::Slow, Company::Alone);
        assert_eq!(precedent.quick_answers(), 200 - QUICK_FOR_LATE);
        precedent.note_pace(Pace::Slow, Company::Ahead);
        assert_eq!(precedent.quick_answers(), 0, "it held up others");
    }

    #[test]
    fn what_takes_long_behind_others_is_seldom_on_trial() {
        let precedent = Precedent::of_shape(AnswerSize::Usual, None);
        let mut trials = 0;
        for _ in 0..20 * TRIAL_AFTER {
            let company = match precedent.is_on_trial() {
                true => Company::Behind,
                false => Company::Alone,
            };
            if company == Company::Behind {
                precedent.note_trial();
                trials += 1;
            }
            precedent.note_pace(Pace::Late, company);
            assert_eq!(precedent.quick_answers(), 0);
        }
        assert_eq!(trials, 19);
        (0..TRIAL_AFTER).for_each(|_| precedent.note_pace(Pace::Slow, Company::Alone));
        assert!(!precedent.is_on_trial(), "it was the query");
    }
}
