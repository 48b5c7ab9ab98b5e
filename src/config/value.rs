//! A setting before it has a type, and the coercions that give it one.
//!
//! The file knows strings, numbers, booleans and lists; environment and database know strings
//! only. A key asks for what it needs, and the coercions are generous in the way PostgREST's
//! are: `"1"` is a boolean, `"10"` a number. What cannot be coerced counts as not set.

use std::borrow::Cow;
use std::fmt;

/// What stands to the right of `=`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Boolean(bool),
    Number(Decimal),
    Text(String),
    List(Vec<Value>),
}

impl Value {
    /// The value as text; a list has none.
    ///
    /// Parity: a bare number or boolean in a place for text keeps the name of its type in front,
    /// so `app.settings.debug = false` reaches SQL as `Bool False`
    /// (test/io/configs/expected/types.config), and `server-unix-socket-mode = 660` without
    /// quotes is refused.
    pub(crate) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Value::Text(text) => Some(Cow::Borrowed(text)),
            Value::Boolean(true) => Some(Cow::Borrowed("Bool True")),
            Value::Boolean(false) => Some(Cow::Borrowed("Bool False")),
            Value::Number(number) => Some(Cow::Owned(format!("Number {number}"))),
            Value::List(_) => None,
        }
    }

    /// The value as an integer. A number beyond 64 bits is none, where PostgREST wraps around.
    pub(crate) fn integer(&self) -> Option<i64> {
        match self {
            Value::Number(number) => number.integer(),
            Value::Text(text) => parse_integer(text),
            Value::Boolean(_) | Value::List(_) => None,
        }
    }

    /// The value as a boolean. Only letters count, so that `"\"True\""` is true; a text without
    /// a truth word may be an integer, and is true above zero. A bare number is none.
    pub(crate) fn boolean(&self) -> Option<bool> {
        match self {
            Value::Boolean(boolean) => Some(*boolean),
            Value::Text(text) => {
                let letters: String = text.chars().filter(|c| c.is_alphabetic()).collect();
                match letters.to_ascii_lowercase().as_str() {
                    "true" => Some(true),
                    "false" => Some(false),
                    _ => parse_integer(text).map(|number| number > 0),
                }
            }
            Value::Number(_) | Value::List(_) => None,
        }
    }
}

/// Reads an integer the way Haskell's `read` does, which PostgREST exposes to its users:
/// surrounding white space and parentheses, a minus sign, hexadecimal, octal and binary digits.
fn parse_integer(text: &str) -> Option<i64> {
    let mut text = text.trim();
    while let Some(inner) = text.strip_prefix('(') {
        text = inner.strip_suffix(')')?.trim();
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest.trim_start()),
        None => ("", text),
    };
    let prefix = digits.get(..2).unwrap_or("").to_ascii_lowercase();
    let (radix, digits) = match prefix.as_str() {
        "0x" => (16, &digits[2..]),
        "0o" => (8, &digits[2..]),
        "0b" => (2, &digits[2..]),
        _ => (10, digits),
    };
    // from_str_radix would take a second sign.
    if !digits.starts_with(|c: char| c.is_digit(radix)) {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{digits}"), radix).ok()
}

/// An exact decimal number, 0.DIGITS × 10^point, without zeros at either end of its digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    digits: String,
    point: i64,
}

impl Decimal {
    /// Reads `-? digits [. digits] [e [+-] digits]`; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Decimal> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], parse_exponent(&text[at + 1..])?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let written = format!("{whole}{fraction}");
        let significant = written.trim_start_matches('0');
        let leading_zeros = i64::try_from(written.len() - significant.len()).ok()?;
        let digits = significant.trim_end_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Decimal {
                negative: false,
                digits,
                point: 0,
            });
        }
        let point = i64::try_from(whole.len()).ok()? - leading_zeros;
        Some(Decimal {
            negative,
            digits,
            point: point.checked_add(exponent)?,
        })
    }

    /// The number if it is whole and fits.
    #[must_use]
    pub fn integer(&self) -> Option<i64> {
        if self.digits.is_empty() {
            return Some(0);
        }
        let point = usize::try_from(self.point).ok()?;
        // 20 digits never fit, and the padding below must stay small.
        if point < self.digits.len() || point > 19 {
            return None;
        }
        let sign = if self.negative { "-" } else { "" };
        format!("{sign}{:0<point$}", self.digits).parse().ok()
    }
}

fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

impl fmt::Display for Decimal {
    /// Parity: always with a fraction, and with an exponent outside 0.1 ≤ n < 10⁷, which is how
    /// numbers look in PostgREST's dump of `jwt-role-claim-key`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = if self.digits.is_empty() {
            "0"
        } else {
            &self.digits
        };
        if self.negative {
            f.write_str("-")?;
        }
        match usize::try_from(self.point) {
            Ok(0) => write!(f, "0.{digits}"),
            Ok(point) if point <= 7 && point >= digits.len() => write!(f, "{digits:0<point$}.0"),
            Ok(point) if point <= 7 => write!(f, "{}.{}", &digits[..point], &digits[point..]),
            _ => {
                let fraction = if digits.len() > 1 { &digits[1..] } else { "0" };
                write!(f, "{}.{fraction}e{}", &digits[..1], self.point - 1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_text(text: &str, integer: Option<i64>, boolean: Option<bool>) {
        let value = Value::Text(text.to_owned());
        assert_eq!(value.integer(), integer, "{text:?} as an integer");
        assert_eq!(value.boolean(), boolean, "{text:?} as a boolean");
    }

    #[test]
    fn text_is_read_as_an_integer_or_a_boolean() {
        check_text("1", Some(1), Some(true));
        check_text("0", Some(0), Some(false));
        check_text("-5", Some(-5), Some(false));
        check_text(" ( - 5 ) ", Some(-5), Some(false));
        check_text("0x1F", Some(31), Some(true));
        check_text("0o17", Some(15), Some(true));
        check_text("9223372036854775807", Some(i64::MAX), Some(true));
        check_text("-9223372036854775808", Some(i64::MIN), Some(false));
        check_text("tRuE", None, Some(true));
        check_text("\"false\"", None, Some(false));
        check_text("t.r.u.e.", None, Some(true));
    }

    #[test]
    fn other_text_is_neither() {
        for text in [
            "", " ", "yes", "1.5", "1e3", "+1", "--1", "-+1", "(1", "1)", "0x", "é1",
        ] {
            check_text(text, None, None);
        }
        check_text("9223372036854775808", None, None);
    }

    #[track_caller]
    fn check_number(text: &str, shown: &str, integer: Option<i64>) {
        let number = Decimal::parse(text).expect("the test gives a number");
        assert_eq!(
            (number.to_string().as_str(), number.integer()),
            (shown, integer),
            "{text}"
        );
    }

    #[test]
    fn numbers_are_exact_and_shown_with_a_fraction() {
        check_number("0", "0.0", Some(0));
        check_number("-0", "0.0", Some(0));
        check_number("13", "13.0", Some(13));
        check_number("-13", "-13.0", Some(-13));
        check_number("1.50", "1.5", None);
        check_number("0.05", "5.0e-2", None);
        check_number("0.5", "0.5", None);
        check_number("1e3", "1000.0", Some(1000));
        check_number("12.34e2", "1234.0", Some(1234));
        check_number("1234567", "1234567.0", Some(1_234_567));
        check_number("12345678", "1.2345678e7", Some(12_345_678));
        check_number("10000000", "1.0e7", Some(10_000_000));
        check_number("9223372036854775808", "9.223372036854775808e18", None);
        check_number("1e400", "1.0e400", None);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "",
            "-",
            ".5",
            "5.",
            "1e",
            "1e+",
            "1e+-2",
            "--1",
            "1x",
            "1e99999999999999999999",
        ] {
            assert_eq!(Decimal::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn bare_values_in_a_place_for_text_keep_the_name_of_their_type() {
        assert_eq!(Value::Boolean(false).text().as_deref(), Some("Bool False"));
        let number = Value::Number(Decimal::parse("660").expect("a number"));
        assert_eq!(number.text().as_deref(), Some("Number 660.0"));
        assert_eq!(Value::List(Vec::new()).text(), None);
    }

    #[test]
    fn a_bare_number_is_no_boolean_and_a_boolean_no_number() {
        let number = Value::Number(Decimal::parse("13").expect("a number"));
        assert_eq!((number.boolean(), number.integer()), (None, Some(13)));
        assert_eq!(Value::Boolean(true).integer(), None);
    }
}
