//! Where things lie in a head: positions, from the first byte of the request line.

use std::ops::Range;

/// A part of the head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        debug_assert!(start <= end && end <= u32::MAX as usize);
        Span {
            start: start as u32,
            end: end as u32,
        }
    }

    pub(super) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The same part, counted from the start of a larger part that contains it.
    pub(super) fn within(self, outer: Span) -> Range<usize> {
        (self.start - outer.start) as usize..(self.end - outer.start) as usize
    }

    pub(super) fn shifted(self, by: usize) -> Self {
        Span::new(self.start as usize + by, self.end as usize + by)
    }
}

/// Where the name and the value of a field lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FieldSpan {
    pub(super) name: Span,
    pub(super) value: Span,
}
