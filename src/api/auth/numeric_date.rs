//! Points in time as tokens have them (NumericDate, RFC 7519 section 2): any number of JSON, so
//! with fractions and exponents, and of any size. Nothing is rounded on the way to the comparison.

/// The two whole seconds around a number, or the same one twice; what is beyond 64 bits counts as
/// the last second that there is, which no clock shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NumericDate {
    /// A whole second is after the number if and only if it is after this.
    pub(super) floor: i64,
    /// A whole second is before the number if and only if it is before this.
    pub(super) ceiling: i64,
}

impl NumericDate {
    /// Reads a number as JSON has it.
    pub(super) fn of(number: &str) -> NumericDate {
        let (is_negative, number) = match number.strip_prefix('-') {
            Some(number) => (true, number),
            None => (false, number),
        };
        let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = [whole, fraction].concat();
        let zeros = digits.len() - digits.trim_start_matches('0').len();
        let digits = &digits[zeros..];
        // The point stands behind so many of the digits; an exponent may move it anywhere.
        let point = count(whole).saturating_add(exponent_of(exponent)) - (zeros as i64);
        let (whole, has_fraction) = split_at_point(digits, point);
        let above = whole.saturating_add(i64::from(has_fraction));
        if is_negative {
            NumericDate {
                floor: -above,
                ceiling: -whole,
            }
        } else {
            NumericDate {
                floor: whole,
                ceiling: above,
            }
        }
    }
}

/// The whole part of `0.digits × 10^point`, and whether anything is left of it. The first digit is
/// not 0.
fn split_at_point(digits: &str, point: i64) -> (i64, bool) {
    if digits.is_empty() {
        return (0, false);
    }
    let Ok(point) = usize::try_from(point) else {
        return (0, true);
    };
    // 19 digits are the most that may fit, and the padding must stay small.
    if point > 19 {
        return (i64::MAX, false);
    }
    let (whole, fraction) = digits.split_at(point.min(digits.len()));
    let has_fraction = fraction.bytes().any(|digit| digit != b'0');
    if point == 0 {
        return (0, has_fraction);
    }
    let whole = format!("{whole:0<point$}").parse().unwrap_or(i64::MAX);
    (whole, has_fraction)
}

fn exponent_of(text: &str) -> i64 {
    let out_of_range = if text.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    };
    text.parse().unwrap_or(out_of_range)
}

fn count(digits: &str) -> i64 {
    i64::try_from(digits.len()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(number: &str, floor: i64, ceiling: i64) {
        assert_eq!(
            NumericDate::of(number),
            NumericDate { floor, ceiling },
            "{number}"
        );
        if floor != i64::MAX && floor != 0 && !number.starts_with('-') {
            let (floor, ceiling) = (-ceiling, -floor);
            assert_eq!(
                NumericDate::of(&format!("-{number}")),
                NumericDate { floor, ceiling }
            );
        }
    }

    #[test]
    fn numbers_lie_between_two_seconds() {
        check("0", 0, 0);
        check("-0", 0, 0);
        check("-0.0e9", 0, 0);
        check("0e99999999999999999999", 0, 0);
        check("1700000000", 1_700_000_000, 1_700_000_000);
        check("1700000000.0", 1_700_000_000, 1_700_000_000);
        check("1.7e9", 1_700_000_000, 1_700_000_000);
        check("1.7E+9", 1_700_000_000, 1_700_000_000);
        check("17000000000e-1", 1_700_000_000, 1_700_000_000);
        check("17000000005e-1", 1_700_000_000, 1_700_000_001);
        check("1700000000.5", 1_700_000_000, 1_700_000_001);
        check(
            "1700000000.000000000000000000000000001",
            1_700_000_000,
            1_700_000_001,
        );
        check("0.5", 0, 1);
        check("0.05", 0, 1);
        check("0.05e1", 0, 1);
        check("0.05e2", 5, 5);
        check("0.05e3", 50, 50);
        check("0.00012e4", 1, 2);
        check("1e-400", 0, 1);
        check("1e-99999999999999999999", 0, 1);
        check("-0.5", -1, 0);
        check("-1e-400", -1, 0);
        check("9223372036854775806.5", i64::MAX - 1, i64::MAX);
        check("9223372036854775807", i64::MAX, i64::MAX);
        check("9223372036854775808", i64::MAX, i64::MAX);
        check("18446744073709551616", i64::MAX, i64::MAX);
        check("1e300", i64::MAX, i64::MAX);
        check("1e9223372036854775807", i64::MAX, i64::MAX);
        check("1e99999999999999999999", i64::MAX, i64::MAX);
        check("-1e300", -i64::MAX, -i64::MAX);
        check("-9223372036854775808", -i64::MAX, -i64::MAX);
        check(&"9".repeat(60_000), i64::MAX, i64::MAX);
        check(&format!("{}e-59999", "9".repeat(60_000)), 9, 10);
        check(
            &format!("0.{}17e60010", "0".repeat(60_000)),
            1_700_000_000,
            1_700_000_000,
        );
    }
}
