//! What a grammar says when the input cannot go on, and who listens: nobody in the first run, and
//! [`ParseError`](super::parse_error::ParseError) in the second.

/// One reason why the input could not go on. The order of the kinds is the order of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// The character, or the end, that no grammar wanted.
    Unexpected(Option<char>),
    /// A character that a grammar forbids.
    UnexpectedChar(char),
    /// The name of what could come here.
    Expected(&'static str),
    /// A text that could come here.
    ExpectedText(&'static str),
    /// A sentence of our own.
    Sentence(&'static str),
}

impl Message {
    pub(super) fn is_expectation(&self) -> bool {
        matches!(self, Message::Expected(_) | Message::ExpectedText(_))
    }
}

/// What is remembered of the reasons why the input could not go on.
pub(crate) trait Log: Sized {
    /// Whether anything is kept at all; if not, reasons need not be found out.
    const KEEPS: bool;
    /// Nothing is known yet at this place.
    fn unknown(offset: usize) -> Self;
    /// Adds a reason.
    fn add(&mut self, offset: usize, message: Message);
    /// Joins with what was known before.
    fn join_after(&mut self, earlier: Self);
    /// Replaces all expectations with one.
    fn relabel(&mut self, label: &'static str, outcome: Outcome);
}

/// Whether the labelled grammar accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It did, without consuming anything.
    Accepted,
    /// It did not.
    Refused,
}

/// The log of the first run: nothing.
pub(crate) struct Silent;

impl Log for Silent {
    const KEEPS: bool = false;
    #[inline]
    fn unknown(_: usize) -> Silent {
        Silent
    }
    #[inline]
    fn add(&mut self, _: usize, _: Message) {}
    #[inline]
    fn join_after(&mut self, _: Silent) {}
    #[inline]
    fn relabel(&mut self, _: &'static str, _: Outcome) {}
}
