//! How large the answers to requests of a shape are, and how soon they come, as far as earlier ones
//! have shown.
//!
//! It stands apart from what a request has become ([`Pending`](super::Pending)), for it is shared
//! by all requests of a shape, and says nothing of what is asked: whoever has few places for large
//! answers wants to know beforehand which they will be, and whoever lets requests wait for each
//! other, which are quick. A request whose shape is not known has no precedent, and is taken for
//! one with a usual answer that may be long in coming.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// More quick answers are not counted: nobody wants to know of more, and who counts no more writes
/// nothing to what the threads of a core share.
const QUICK_ANSWERS_MAX: u32 = 1_000;

/// How many quick answers make up for a late one: of those that count as quick for long, one of as
/// many is late at the most.
const QUICK_FOR_LATE: u32 = 64;

/// How large an answer is. What counts as large is the business of whoever sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerSize {
    /// One of many that are under way at a time.
    Usual,
    /// One of a few.
    Large,
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

/// The last answers to requests of the same shape.
#[derive(Clone, Debug, Default)]
pub(super) struct Precedent(Option<Arc<Answers>>);

#[derive(Debug, Default)]
struct Answers {
    was_large: AtomicBool,
    /// How many were quick since one was slow, less some for each that was late. Two threads that
    /// count at a time may count one answer.
    quick: AtomicU32,
}

impl Precedent {
    /// That of a new shape, whose first answer is expected to be of that size.
    pub(super) fn of_shape(expected: AnswerSize) -> Precedent {
        let precedent = Precedent(Some(Arc::default()));
        precedent.note(expected);
        precedent
    }

    pub(super) fn size(&self) -> AnswerSize {
        match &self.0 {
            Some(answers) if answers.was_large.load(Ordering::Relaxed) => AnswerSize::Large,
            Some(_) | None => AnswerSize::Usual,
        }
    }

    /// It is written only where it changes: the threads of a core share it.
    pub(super) fn note(&self, size: AnswerSize) {
        if let Some(answers) = &self.0
            && self.size() != size
        {
            let is_large = size == AnswerSize::Large;
            answers.was_large.store(is_large, Ordering::Relaxed);
        }
    }

    /// How many answers were quick of late.
    pub(super) fn quick_answers(&self) -> u32 {
        let answers = self.0.as_ref();
        answers.map_or(0, |answers| answers.quick.load(Ordering::Relaxed))
    }

    pub(super) fn note_pace(&self, pace: Pace) {
        let Some(answers) = &self.0 else {
            return;
        };
        let before = self.quick_answers();
        let after = match pace {
            Pace::Quick => (before + 1).min(QUICK_ANSWERS_MAX),
            Pace::Late => before.saturating_sub(QUICK_FOR_LATE),
            Pace::Slow => 0,
        };
        if after != before {
            answers.quick.store(after, Ordering::Relaxed);
        }
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
        let of_shape = Precedent::of_shape(AnswerSize::Usual);
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
        none.note_pace(Pace::Quick);
        assert_eq!(none.size(), AnswerSize::Usual);
        assert_eq!(none.quick_answers(), 0);
    }

    #[test]
    fn a_slow_answer_is_remembered_longer_than_a_late_one() {
        let precedent = Precedent::of_shape(AnswerSize::Usual);
        (0..2 * QUICK_ANSWERS_MAX).for_each(|_| precedent.note_pace(Pace::Quick));
        assert_eq!(precedent.quick_answers(), QUICK_ANSWERS_MAX);
        precedent.note_pace(Pace::Late);
        assert_eq!(
            precedent.quick_answers(),
            QUICK_ANSWERS_MAX - QUICK_FOR_LATE
        );
        precedent.note_pace(Pace::Slow);
        assert_eq!(precedent.quick_answers(), 0);
        precedent.note_pace(Pace::Late);
        precedent.note_pace(Pace::Quick);
        assert_eq!(precedent.quick_answers(), 1);
    }
}
