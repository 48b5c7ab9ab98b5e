//! The byte order mark, which some write before their text, Excel's "CSV UTF-8" among them.
//!
//! RFC 8259 (8.1) lets whoever reads JSON ignore it; PostgREST does not.

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The text without it.
pub(super) fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}
