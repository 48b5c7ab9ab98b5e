//! The `Date` of a response, from the number that the caller's clock gave.
//!
//! A pure function, because the caller computes it once a second and not for each response.
//! Invariant: always the 29 bytes of an IMF-fixdate (RFC 9110 §5.6.7).

use std::fmt;

/// A preformatted date, `Sun, 06 Nov 1994 08:49:37 GMT`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HttpDate([u8; 29]);

const DAYS: &[u8; 21] = b"ThuFriSatSunMonTueWed";
const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
/// 9999-12-31T23:59:59Z: the format has four digits for the year.
const UNIX_SECONDS_MAX: u64 = 253_402_300_799;

impl HttpDate {
    /// The date of this many seconds after 1970. Times after the year 9999 are shown as its end.
    pub fn from_unix_seconds(unix_seconds: u64) -> Self {
        let seconds = unix_seconds.min(UNIX_SECONDS_MAX);
        let days = seconds / 86_400;
        let second_of_day = seconds % 86_400;
        let (year, month, day) = civil_date(days);
        let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
        text[..3].copy_from_slice(name(DAYS, days % 7));
        write_digits(&mut text[5..7], day);
        text[8..11].copy_from_slice(name(MONTHS, month - 1));
        write_digits(&mut text[12..16], year);
        write_digits(&mut text[17..19], second_of_day / 3600);
        write_digits(&mut text[20..22], second_of_day / 60 % 60);
        write_digits(&mut text[23..25], second_of_day % 60);
        HttpDate(text)
    }

    /// The date as text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("digits and names are ASCII")
    }
}

impl fmt::Debug for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn name(names: &[u8], index: u64) -> &[u8] {
    let start = index as usize * 3;
    &names[start..start + 3]
}

fn write_digits(field: &mut [u8], mut number: u64) {
    for digit in field.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Year, month and day of a day counted from 1970-01-01. Years are counted from March, so that the
/// leap day is the last of its year and the months follow a linear rule.
fn civil_date(days: u64) -> (u64, u64, u64) {
    // 719,468 days lie between 0000-03-01 and 1970-01-01; 146,097 days are 400 years.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::HttpDate;

    #[track_caller]
    fn check(unix_seconds: u64, expected: &str) {
        assert_eq!(HttpDate::from_unix_seconds(unix_seconds).as_str(), expected);
    }

    #[test]
    fn dates_are_imf_fixdates() {
        check(0, "Thu, 01 Jan 1970 00:00:00 GMT");
        check(784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT");
        check(951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT");
        check(951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT");
        check(1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT");
        check(1_709_251_200, "Fri, 01 Mar 2024 00:00:00 GMT");
        check(1_767_225_599, "Wed, 31 Dec 2025 23:59:59 GMT");
        check(4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT");
    }

    #[test]
    fn a_clock_beyond_the_year_9999_still_gives_a_date() {
        check(u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
