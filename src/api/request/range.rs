//! Ranges of rows: `limit`, `offset`, the `Range` header, and `Content-Range`.
//!
//! A range goes from its first row to its last, both counted from zero; without a last row it is
//! open. A range whose last row is before its first is empty. The one empty range a client may
//! ask for is `limit=0`; the others are refused with `PGRST103`.
//!
//! Numbers of any size are taken; what does not fit is brought to [`NUMBER_MAX`], which is far
//! beyond what PostgreSQL can count, so that sums of a few of them never overflow.

/// The greatest bound of a range.
const NUMBER_MAX: i128 = 1 << 100;

/// A range of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    first: i128,
    last: Option<i128>,
}

/// What `limit=0` asks for: no rows, from the start.
const LIMIT_ZERO: Range = Range {
    first: 0,
    last: Some(-1),
};

impl Range {
    /// All rows.
    pub(crate) const ALL: Range = Range {
        first: 0,
        last: None,
    };

    /// So many rows after so many, for tests.
    #[cfg(test)]
    pub(crate) fn of_limit_and_offset(limit: Option<i128>, offset: i128) -> Range {
        Range {
            first: offset,
            last: limit.map(|limit| offset + limit - 1),
        }
    }

    /// Whether nothing is cut off.
    pub(crate) fn is_all(&self) -> bool {
        *self == Range::ALL
    }

    /// How many rows are skipped. Negative only where a request says so for an embedded
    /// relation; PostgreSQL refuses that.
    pub(crate) fn offset(&self) -> i128 {
        self.first
    }

    /// How many rows at most.
    pub(crate) fn limit(&self) -> Option<i128> {
        self.last.map(|last| last - self.first + 1)
    }

    /// The range with no more rows than that, which is what `db-max-rows` does.
    pub(crate) fn restricted_to(self, rows_max: Option<i64>) -> Range {
        match rows_max {
            Some(rows_max) if !self.has_limit_zero() => {
                let last = self.first + i128::from(rows_max) - 1;
                Range {
                    last: Some(self.last.map_or(last, |ours| ours.min(last))),
                    ..self
                }
            }
            _ => self,
        }
    }

    /// The status of a read, and its `Content-Range`: `rows` came, of `total` if that is known.
    pub(crate) fn status_and_content_range(&self, rows: i64, total: Option<i64>) -> (u16, String) {
        let last = self.first + i128::from(rows) - 1;
        let status = match total.map(i128::from) {
            Some(total) if self.first > total => 416,
            Some(total) if i128::from(rows) < total => 206,
            _ => 200,
        };
        (status, content_range(self.first, last, total))
    }

    /// The status of a read whose rows are not counted before the first one is sent, and its
    /// `Content-Range`. Which rows come follows from an exact total; where there is none, only a
    /// total is told, and nothing without one: a range that is not known is none, and `*/*` is that
    /// of no rows.
    pub(crate) fn expected_status_and_content_range(
        &self,
        total: Option<i64>,
        tells_rows: bool,
    ) -> (u16, Option<String>) {
        let Some(total) = total else {
            return (200, None);
        };
        let left = (i128::from(total) - self.first).max(0);
        let rows = self.limit().map_or(left, |limit| left.min(limit));
        let rows = i64::try_from(rows).unwrap_or(i64::MAX);
        let (status, range) = self.status_and_content_range(rows, Some(total));
        match tells_rows {
            true => (status, Some(range)),
            false => (status, Some(format!("*/{total}"))),
        }
    }

    /// The rows from `offset` on.
    fn from_offset(offset: i128) -> Range {
        Range {
            first: offset,
            last: None,
        }
    }

    fn is_empty(&self) -> bool {
        self.last.is_some_and(|last| last < self.first)
    }

    /// Parity: whether the last row is the one before the first of all, whatever the first row
    /// is; so `limit=-1&offset=1` means `limit=0`, and `limit=0&offset=1` is refused.
    fn has_limit_zero(&self) -> bool {
        self.last == LIMIT_ZERO.last
    }

    fn intersection(self, other: Range) -> Option<Range> {
        let last = match (self.last, other.last) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let both = Range {
            first: self.first.max(other.first),
            last,
        };
        let any_empty = self.is_empty() || other.is_empty() || both.is_empty();
        (!any_empty).then_some(both)
    }
}

/// `0-9/100`, with `*` for what is empty or not known.
pub(crate) fn content_range(first: i128, last: i128, total: Option<i64>) -> String {
    let mut range = String::with_capacity(24);
    if total != Some(0) && first <= last {
        push_number(&mut range, first);
        range.push('-');
        push_number(&mut range, last);
    } else {
        range.push('*');
    }
    range.push('/');
    match total {
        Some(total) => push_number(&mut range, i128::from(total)),
        None => range.push('*'),
    }
    range
}

/// Divisions of 128 bits are slow, and offsets that need them are none of a database's.
fn push_number(out: &mut String, number: i128) {
    let mut digits = itoa::Buffer::new();
    out.push_str(match i64::try_from(number) {
        Ok(number) => digits.format(number),
        Err(_) => digits.format(number),
    });
}

/// The range that `limit` and `offset` of one level ask for; `None` if neither is there.
///
/// Parity: a text that is no number counts as if it were not there, except that a limit that is
/// no number beside an offset is a limit of zero.
pub(super) fn parse_limit_and_offset(limit: Option<&str>, offset: Option<&str>) -> Option<Range> {
    let offset = offset.map(|offset| parse_integer(offset).unwrap_or(0));
    let limit = limit.map(parse_integer);
    match (limit, offset) {
        (None, None) => None,
        (None, Some(offset)) => Some(Range::from_offset(offset)),
        (Some(limit), None) => Some(Range {
            first: 0,
            last: limit.map(|limit| limit - 1),
        }),
        (Some(limit), Some(offset)) => {
            let last = offset + limit.unwrap_or(0) - 1;
            Some(Range {
                first: offset,
                last: Some(last),
            })
        }
    }
}

/// Whether the value of a limit or an offset is one.
pub(super) fn is_number(value: &str) -> bool {
    parse_integer(value).is_some()
}

/// Why a range is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InvalidRange {
    /// The `Range` header ends before it begins.
    Header,
    /// The parameters leave nothing.
    Parameters,
}

/// The range of the request's own rows: what the header and the parameters both allow.
pub(super) fn top_level_range(
    header: Option<&[u8]>,
    parameters: Option<Range>,
) -> Result<Range, InvalidRange> {
    let header = header.map_or(Range::ALL, parse_header);
    let parameters = parameters.unwrap_or(Range::ALL);
    if parameters.has_limit_zero() {
        return Ok(LIMIT_ZERO);
    }
    header.intersection(parameters).ok_or(if header.is_empty() {
        InvalidRange::Header
    } else {
        InvalidRange::Parameters
    })
}

/// `0-9` or `10-`. Anything else, as the standard's `bytes=0-9`, is ignored.
fn parse_header(value: &[u8]) -> Range {
    let Some(dash) = value.iter().position(|&byte| byte == b'-') else {
        return Range::ALL;
    };
    let (first, last) = (&value[..dash], &value[dash + 1..]);
    let all_digits = |digits: &[u8]| digits.iter().all(u8::is_ascii_digit);
    if first.is_empty() || !all_digits(first) || !all_digits(last) {
        return Range::ALL;
    }
    let last = if last.is_empty() {
        None
    } else {
        Some(saturating_number(last))
    };
    Range {
        first: saturating_number(first),
        last,
    }
}

/// Parity: blanks around and behind the sign are taken, as Haskell's `read` takes them.
fn parse_integer(text: &str) -> Option<i128> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits.trim_start()),
        None => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = saturating_number(digits.as_bytes());
    Some(if negative { -number } else { number })
}

fn saturating_number(digits: &[u8]) -> i128 {
    digits.iter().fold(0, |number, digit| {
        let longer: i128 = number * 10 + i128::from(digit - b'0');
        longer.min(NUMBER_MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Header, limit and offset; the answer is `offset+limit` or the error.
    #[track_caller]
    fn check(header: &str, limit: &str, offset: &str, expected: &str) {
        let given = |text: &'static str| (!text.is_empty()).then_some(text);
        let leak = |text: &str| given(Box::leak(text.to_owned().into_boxed_str()));
        let parameters = parse_limit_and_offset(leak(limit), leak(offset));
        let range = top_level_range(leak(header).map(str::as_bytes), parameters);
        let shown = match range {
            Ok(range) => match range.limit() {
                Some(limit) => format!("{}+{limit}", range.offset()),
                None => format!("{}+", range.offset()),
            },
            Err(error) => format!("{error:?}"),
        };
        assert_eq!(shown, expected, "{header} {limit} {offset}");
    }

    #[test]
    fn parameters_make_ranges() {
        check("", "", "", "0+");
        check("", "10", "", "0+10");
        check("", "", "5", "5+");
        check("", "10", "5", "5+10");
        check("", "", "0", "0+");
        check("", " 7 ", "- 3", "0+4");
    }

    #[test]
    fn limit_zero_is_the_one_empty_range() {
        check("", "0", "", "0+0");
        check("5-9", "0", "", "0+0");
        check("9-5", "0", "", "0+0");
        check("", "0", "0", "0+0");
        check("", "0", "5", "Parameters");
    }

    #[test]
    fn negative_limits_are_refused_and_negative_offsets_are_not() {
        check("", "-1", "", "Parameters");
        check("", "-10", "5", "Parameters");
        check("", "", "-4", "0+");
        check("", "10", "-5", "0+5");
        check("", "-1", "1", "0+0");
    }

    #[test]
    fn what_is_no_number_does_not_count() {
        for text in ["abc", "1.5", "1e3", "+1", "--1", "1 2", "１"] {
            check("", text, "", "0+");
            check("", "", text, "0+");
        }
        check("", "abc", "5", "Parameters");
        check("", "abc", "0", "0+0");
    }

    #[test]
    fn headers_make_ranges() {
        check("0-9", "", "", "0+10");
        check("5-5", "", "", "5+1");
        check("10-", "", "", "10+");
        check("9-5", "", "", "Header");
        for ignored in [
            "bytes=0-9",
            "-5",
            "0-9x",
            "0--9",
            " 0-9",
            "0",
            "a-b",
            "0-9,20-29",
        ] {
            check(ignored, "", "", "0+");
        }
    }

    #[test]
    fn header_and_parameters_intersect() {
        check("0-9", "5", "", "0+5");
        check("0-9", "20", "5", "5+5");
        check("10-19", "5", "", "Parameters");
        check("9-5", "5", "", "Header");
    }

    #[test]
    fn huge_numbers_saturate() {
        let huge = "9".repeat(400);
        check(&format!("{huge}-"), "", "", &format!("{NUMBER_MAX}+"));
        check("", &huge, &huge, &format!("{NUMBER_MAX}+{NUMBER_MAX}"));
        check("", &format!("-{huge}"), &format!("-{huge}"), "Parameters");
    }

    #[test]
    fn the_maximum_of_rows_restricts() {
        let restricted = |limit, offset, rows_max| {
            let range = parse_limit_and_offset(Some(limit), Some(offset)).unwrap();
            let range = range.restricted_to(rows_max);
            (range.offset(), range.limit())
        };
        assert_eq!(restricted("10", "5", Some(3)), (5, Some(3)));
        assert_eq!(restricted("2", "5", Some(3)), (5, Some(2)));
        assert_eq!(restricted("2", "5", None), (5, Some(2)));
        assert_eq!(restricted("0", "0", Some(3)), (0, Some(0)));
        assert_eq!(Range::ALL.restricted_to(Some(3)).limit(), Some(3));
        assert_eq!(Range::ALL.restricted_to(None), Range::ALL);
    }

    #[track_caller]
    fn check_response(offset: &str, rows: i64, total: Option<i64>, status: u16, header: &str) {
        let range = parse_limit_and_offset(None, Some(offset)).unwrap();
        let answer = range.status_and_content_range(rows, total);
        assert_eq!(answer, (status, header.to_owned()));
    }

    #[test]
    fn content_range_tells_what_will_come() {
        let check = |limit, offset, total, tells_rows, status, header: Option<&str>| {
            let range = Range::of_limit_and_offset(limit, offset);
            let expected = range.expected_status_and_content_range(total, tells_rows);
            assert_eq!(expected, (status, header.map(str::to_owned)));
        };
        check(None, 0, None, true, 200, None);
        check(Some(10), 5, None, true, 200, None);
        check(None, 0, Some(7), true, 200, Some("0-6/7"));
        check(Some(3), 0, Some(7), true, 206, Some("0-2/7"));
        check(Some(3), 5, Some(7), true, 206, Some("5-6/7"));
        check(None, 0, Some(0), true, 200, Some("*/0"));
        check(None, 7, Some(7), true, 206, Some("*/7"));
        check(None, 8, Some(7), true, 416, Some("*/7"));
        check(Some(3), 0, Some(7), false, 206, Some("*/7"));
        check(None, 0, Some(7), false, 200, Some("*/7"));
    }

    #[test]
    fn content_range_tells_what_came() {
        check_response("0", 10, None, 200, "0-9/*");
        check_response("0", 10, Some(10), 200, "0-9/10");
        check_response("0", 10, Some(100), 206, "0-9/100");
        check_response("5", 5, Some(10), 206, "5-9/10");
        check_response("0", 0, Some(0), 200, "*/0");
        check_response("0", 0, None, 200, "*/*");
        check_response("10", 0, Some(10), 206, "*/10");
        check_response("11", 0, Some(10), 416, "*/10");
        check_response("100", 0, None, 200, "*/*");
    }
}
