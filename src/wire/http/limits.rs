//! How much of anything a client may send.
//!
//! They stand in one place so that nobody has to look for the number that bounds a buffer. What an
//! operator may want to change is in [`Limits`]; what only an attacker would reach is a constant.
//! Invariant: memory held for a client is bounded by these, whatever lengths the client declares.

/// The limits an operator can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest request line, without its line end. Beyond it: 414.
    pub line_bytes_max: usize,
    /// Longest head: the request line, all fields and the empty line. Beyond it: 431.
    pub header_bytes_max: usize,
    /// Most header fields. Beyond it: 431. Never more than 256.
    pub headers_max: usize,
    /// Longest body, decoded. Beyond it: 413.
    pub body_bytes_max: u64,
    /// How long a body may be, decoded, of which nobody has admitted more.
    pub unadmitted_body_bytes_max: usize,
    /// How many bytes behind the current request are read ahead. Beyond it reading pauses.
    pub pipelined_bytes_max: usize,
}

/// Warp takes heads of 50 KiB, and long `in.(…)` filters make use of that.
const HEADER_BYTES_DEFAULT: usize = 64 * 1024;
/// The rest of the head must find room behind the longest line.
const LINE_BYTES_DEFAULT: usize = 56 * 1024;

/// Most fields that can ever be allowed: the array for them lies on the stack (32 bytes each).
pub(super) const HEADERS_CEILING: usize = 256;
/// Positions inside a head are kept as `u32`; far below that, a head is an attack.
pub(super) const HEADER_BYTES_CEILING: usize = 16 * 1024 * 1024;

/// A chunk size has at most 16 digits (64 bits), written with no more zeros than that.
pub(super) const CHUNK_SIZE_DIGITS_MAX: usize = 16;
/// One line of chunk framing: size, extensions and line end. Extensions are dropped unread, so
/// nobody needs long ones.
pub(super) const CHUNK_LINE_BYTES_MAX: usize = 256;
/// Extensions of all chunks of one body: one-byte chunks with long extensions cost the sender
/// nothing and us much (CVE-2023-39326 was this in another server).
pub(super) const CHUNK_EXTENSION_BYTES_MAX: usize = 8 * 1024;
/// The whole trailer section. It is dropped, and a part of it is scanned again at each read.
pub(super) const TRAILER_BYTES_MAX: usize = 4 * 1024;

/// The first buffer of a client: a browser's request with its cookies fits.
pub(super) const BUFFER_BYTES_FIRST: usize = 8 * 1024;
/// Up to here a buffer doubles; beyond, it grows by a sixteenth.
pub(super) const BUFFER_BYTES_DOUBLED_MAX: usize = 1024 * 1024;
/// With less free space than this a read is not worth its system call.
pub(super) const READ_BYTES_MIN: usize = 2 * 1024;

const _: () = assert!(LINE_BYTES_DEFAULT < HEADER_BYTES_DEFAULT);
const _: () = assert!(HEADER_BYTES_DEFAULT <= HEADER_BYTES_CEILING);
const _: () = assert!(HEADER_BYTES_CEILING <= u32::MAX as usize);
const _: () = assert!(CHUNK_SIZE_DIGITS_MAX + 2 < CHUNK_LINE_BYTES_MAX);
const _: () = assert!(CHUNK_LINE_BYTES_MAX <= CHUNK_EXTENSION_BYTES_MAX);
const _: () = assert!(CHUNK_LINE_BYTES_MAX <= TRAILER_BYTES_MAX);
const _: () = assert!(READ_BYTES_MIN < BUFFER_BYTES_FIRST);

impl Default for Limits {
    fn default() -> Self {
        Limits {
            line_bytes_max: LINE_BYTES_DEFAULT,
            header_bytes_max: HEADER_BYTES_DEFAULT,
            headers_max: HEADERS_CEILING,
            // A PostgreSQL value cannot be longer than this, so a longer body could not be used.
            body_bytes_max: 1024 * 1024 * 1024,
            // As much as a head, which is taken from everybody, too.
            unadmitted_body_bytes_max: 64 * 1024,
            pipelined_bytes_max: 64 * 1024,
        }
    }
}

impl Limits {
    /// The longest head that is really allowed.
    pub(super) fn head_bytes(&self) -> usize {
        self.header_bytes_max.min(HEADER_BYTES_CEILING)
    }

    /// Within how many bytes the request line and its line end must be complete.
    pub(super) fn request_line_bytes(&self) -> usize {
        self.line_bytes_max.saturating_add(2).min(self.head_bytes())
    }
}
