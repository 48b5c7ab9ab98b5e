//! A parameter that is made of a body, piece by piece, so that it never lies in memory as a whole,
//! however long a single value of it is.

use crate::error::beginning;
use crate::json::write_json_characters;
use std::ops::ControlFlow;

/// How much is written at a time.
const PIECE_BYTES: usize = 64 << 10;

/// How much of a value is written between two looks at the piece. It may become six times as long.
const CHUNK_BYTES: usize = 16 << 10;

/// A piece that grows, and whom it is for.
pub(super) struct Pieces<'s> {
    piece: Vec<u8>,
    sink: &'s mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    flow: ControlFlow<()>,
}

impl<'s> Pieces<'s> {
    /// For a text of about so many bytes.
    pub(super) fn new(
        bytes: usize,
        sink: &'s mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Pieces<'s> {
        Pieces {
            piece: Vec::with_capacity(PIECE_BYTES.min(bytes)),
            sink,
            flow: ControlFlow::Continue(()),
        }
    }

    /// Whether no more is wanted.
    pub(super) fn is_over(&self) -> bool {
        self.flow.is_break()
    }

    /// Appends some bytes, which are no longer than a name or a mark between two values.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.pass_on();
        }
    }

    /// Appends a string of JSON, of any length.
    pub(super) fn push_string(&mut self, mut text: &str) {
        self.piece.push(b'"');
        while !text.is_empty() {
            let (chunk, rest) = text.split_at(beginning(text, CHUNK_BYTES).len());
            write_json_characters(&mut self.piece, chunk);
            text = rest;
            if self.piece.len() >= PIECE_BYTES {
                self.pass_on();
            }
        }
        self.piece.push(b'"');
    }

    /// Appends bytes as PostgreSQL reads them, two digits each.
    pub(super) fn push_digits(&mut self, bytes: &[u8]) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        for chunk in bytes.chunks(CHUNK_BYTES) {
            for byte in chunk {
                self.piece.push(DIGITS[usize::from(byte >> 4)]);
                self.piece.push(DIGITS[usize::from(byte & 15)]);
            }
            if self.piece.len() >= PIECE_BYTES {
                self.pass_on();
            }
        }
    }

    /// Ends the text.
    pub(super) fn finish(mut self) {
        self.pass_on();
    }

    fn pass_on(&mut self) {
        if self.flow.is_continue() {
            self.flow = (self.sink)(&self.piece);
        }
        self.piece.clear();
    }
}

/// How long a text is as a string of JSON.
pub(super) fn json_string_bytes(text: &str) -> usize {
    let bytes = text.bytes().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
        0..b' ' => 6,
        _ => 1,
    });
    bytes.sum::<usize>() + 2
}
