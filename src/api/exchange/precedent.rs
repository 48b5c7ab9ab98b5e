//! How large the answers to requests of a shape are, as far as earlier ones have shown.
//!
//! It stands apart from what a request has become ([`Pending`](super::Pending)), for it is shared
//! by all requests of a shape, and says nothing of what is asked: whoever has few places for large
//! answers wants to know beforehand which they will be. A request whose shape is not known has no
//! precedent, and is taken for one with a usual answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How large an answer is. What counts as large is the business of whoever sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerSize {
    /// One of many that are under way at a time.
    Usual,
    /// One of a few.
    Large,
}

/// The last answer to a request of the same shape.
#[derive(Clone, Debug, Default)]
pub(super) struct Precedent(Option<Arc<AtomicBool>>);

impl Precedent {
    /// That of a new shape.
    pub(super) fn of_shape() -> Precedent {
        Precedent(Some(Arc::default()))
    }

    pub(super) fn size(&self) -> AnswerSize {
        match &self.0 {
            Some(was_large) if was_large.load(Ordering::Relaxed) => AnswerSize::Large,
            Some(_) | None => AnswerSize::Usual,
        }
    }

    /// It is written only where it changes: the threads of a core share it.
    pub(super) fn note(&self, size: AnswerSize) {
        if let Some(was_large) = &self.0
            && self.size() != size
        {
            was_large.store(size == AnswerSize::Large, Ordering::Relaxed);
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
        let of_shape = Precedent::of_shape();
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
        assert_eq!(none.size(), AnswerSize::Usual);
    }
}
