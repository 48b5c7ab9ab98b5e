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

/// Whether any byte may not stand in a field value. Looks at all bytes without branching, which
/// the compiler turns into vector instructions.
pub(super) fn has_control(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .fold(false, |found, byte| found | is_control(*byte))
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
