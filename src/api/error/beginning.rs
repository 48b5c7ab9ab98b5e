//! The beginning of a text that can be of any length, where that is enough.

/// As many whole characters of a text as have so many bytes at the most.
pub(crate) fn beginning(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
