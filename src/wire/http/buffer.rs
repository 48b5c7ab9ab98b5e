//! The memory that a client's bytes are read into.
//!
//! It is a type of its own because it moves: an idle client holds none, the thread that reads lends
//! one and takes it back, with the table of field positions that belongs to it.
//! Invariant: `bytes` is initialised over its whole length; how much of it is filled is known to
//! the connection alone.

use std::fmt;

use super::span::FieldSpan;

/// Memory for one request. Made once by each thread and lent to the client it serves.
#[derive(Default)]
pub struct Buffer {
    pub(super) bytes: Vec<u8>,
    pub(super) fields: Vec<FieldSpan>,
}

impl Buffer {
    /// A buffer that has allocated nothing; the first read will.
    pub fn new() -> Self {
        Buffer::default()
    }

    /// How many bytes it holds, so that the lender can drop one that grew for a large body.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Makes it as large as this, if there is so much memory.
    pub(super) fn grow(&mut self, size: usize) -> bool {
        let more = size.saturating_sub(self.bytes.len());
        let is_there = self.bytes.try_reserve_exact(more).is_ok();
        if is_there {
            self.bytes.resize(size, 0);
        }
        is_there
    }

    /// Gives memory above this size back to the system.
    pub fn shrink_to(&mut self, bytes_max: usize) {
        if self.bytes.capacity() > bytes_max {
            self.bytes.truncate(bytes_max);
            self.bytes.shrink_to(bytes_max);
        }
    }
}

impl fmt::Debug for Buffer {
    /// Shows no bytes: among them are tokens and bodies, and debug output goes to logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer")
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}
