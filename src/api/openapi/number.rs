//! Numbers in the defaults of columns: which of them are numbers in JSON, too.

/// Whether it is a number in JSON.
///
/// RFC 8259, section 6: `[ "-" ] int [ "." 1*DIGIT ] [ "e" [ "-" / "+" ] 1*DIGIT ]`, of any size.
pub(super) fn is_number(text: &str) -> bool {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (text, exponent) = match text.split_once(['e', 'E']) {
        Some((text, exponent)) => (text, exponent.strip_prefix(['-', '+']).unwrap_or(exponent)),
        None => (text, "0"),
    };
    let (integer, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let has_leading_zero = integer.len() > 1 && integer.starts_with('0');
    [integer, fraction, exponent].into_iter().all(is_digits) && !has_leading_zero
}
