//! The character classes of RFC 9110 that several parsers here need.
//!
//! Tables instead of comparisons: one load answers for a byte, and a table can be read against the
//! grammar. Invariant: bytes of 0x80 and above belong to none of these classes.

/// `tchar` of RFC 9110 §5.6.2:
/// `"!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "." / "^" / "_" / "`" / "|" / "~"`,
/// digits and letters.
static TOKEN: [bool; 256] = class(b"!#$%&'*+-.^_`|~");

/// `reg-name` of RFC 3986 §3.2.2 without a check of `%` escapes: unreserved and sub-delims.
static REG_NAME: [bool; 256] = class(b"-._~!$&'()*+,;=%");

const fn class(punctuation: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut index = 0;
    while index < punctuation.len() {
        table[punctuation[index] as usize] = true;
        index += 1;
    }
    table
}

/// Whether the byte may stand in a method or a field name.
pub(super) fn is_token_byte(byte: u8) -> bool {
    TOKEN[byte as usize]
}

/// Whether these bytes are a token: one or more token bytes.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_token_byte(*byte))
}

/// Whether the byte may stand in the name of a host.
pub(super) fn is_reg_name_byte(byte: u8) -> bool {
    REG_NAME[byte as usize]
}

/// Whether the byte may not stand in a field value: control bytes except HTAB.
pub(super) fn is_control(byte: u8) -> bool {
    (byte < b' ' && byte != b'\t') || byte == 0x7f
}

/// Whether any byte may not stand in a field value. Values are short, so eight bytes are looked at
/// at a time, and one by one only if there seems to be such a byte among them.
pub(super) fn has_control(bytes: &[u8]) -> bool {
    let (chunks, rest) = bytes.as_chunks::<8>();
    let mut last = [b' '; 8];
    last[..rest.len()].copy_from_slice(rest);
    let is_suspicious = |chunk: &[u8; 8]| may_have_control(u64::from_ne_bytes(*chunk));
    (chunks.iter().any(is_suspicious) || is_suspicious(&last))
        && bytes.iter().any(|byte| is_control(*byte))
}

/// `false` only if none of eight bytes is a control byte. The highest bit of a byte tells: it is
/// set by a subtraction that needs to borrow, and the bytes that had it before are left out.
///
/// Source: Bit Twiddling Hacks, "Determine if a word has a byte less than n".
fn may_have_control(bytes: u64) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let is_below_space = bytes.wrapping_sub(ONES * 0x20) & !bytes;
    let differs_from_delete = bytes ^ (ONES * 0x7f);
    let is_delete = differs_from_delete.wrapping_sub(ONES) & !differs_from_delete;
    (is_below_space | is_delete) & (ONES * 0x80) != 0
}

/// Without the optional white space (SP and HTAB) on both sides.
pub(super) fn trim_whitespace(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_byte_is_found_wherever_it_stands() {
        for length in 0..20 {
            for byte in 0..=255 {
                for other in [b' ', b'~', b'\t', 0x80, 0xff] {
                    let mut value = vec![other; length];
                    assert!(!has_control(&value));
                    for at in 0..length {
                        value[at] = byte;
                        assert_eq!(has_control(&value), is_control(byte), "{value:?}");
                        value[at] = other;
                    }
                }
            }
        }
    }
}
