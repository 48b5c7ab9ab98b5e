//! The time in each line of the log: local, as in an Apache log; or UTC to the millisecond, where
//! machines read it.

use super::zone::Zone;
use crate::sync::unix_time;
use std::cell::RefCell;
use std::io::Write;
use std::sync::OnceLock;
use std::time::Duration;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

const TIME: &[BorrowedFormatItem<'_>] = format_description!(
    "[day]/[month repr:short]/[year]:[hour]:[minute]:[second] \
     [offset_hour sign:mandatory][offset_minute]"
);

static ZONE: OnceLock<Zone> = OnceLock::new();

/// Notes the local time zone: see [`super::start`].
pub(super) fn start() {
    let _ = ZONE.set(Zone::of_process(seconds_now()));
}

/// The time now, formatted for this once.
pub(super) fn now() -> String {
    local_time(seconds_now())
}

/// The time as it stands in the log. Each thread formats it once per second.
pub(super) fn with_stamp<T>(use_it: impl FnOnce(&str) -> T) -> T {
    thread_local! {
        static STAMP: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
    }
    STAMP.with_borrow_mut(|(second, text)| {
        let now = seconds_now();
        if *second != now {
            *second = now;
            *text = local_time(now);
        }
        use_it(text)
    })
}

/// Appends the time now as RFC 3339 has it.
pub(super) fn write_utc_now(out: &mut Vec<u8>) {
    write_utc(out, unix_time());
}

fn write_utc(out: &mut Vec<u8>, since_1970: Duration) {
    let time = OffsetDateTime::UNIX_EPOCH + since_1970;
    let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
    let (hour, minute, second) = time.to_hms();
    let millisecond = time.millisecond();
    // Writing into memory cannot fail.
    let _ = write!(
        out,
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z"
    );
}

fn local_time(unix_seconds: i64) -> String {
    let zone = ZONE.get();
    let offset = zone.map_or(UtcOffset::UTC, |zone| zone.offset_at(unix_seconds));
    format_time(unix_seconds, offset)
}

fn format_time(unix_seconds: i64, offset: UtcOffset) -> String {
    let time = OffsetDateTime::from_unix_timestamp(unix_seconds);
    let time = time.unwrap_or(OffsetDateTime::UNIX_EPOCH).to_offset(offset);
    time.format(TIME).unwrap_or_default()
}

fn seconds_now() -> i64 {
    i64::try_from(unix_time().as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_written_as_in_an_apache_log() {
        let offset = UtcOffset::from_hms(-5, -30, 0).unwrap();
        assert_eq!(
            format_time(1_627_282_598, UtcOffset::UTC),
            "26/Jul/2021:06:56:38 +0000"
        );
        assert_eq!(
            format_time(1_627_282_598, offset),
            "26/Jul/2021:01:26:38 -0530"
        );
    }

    #[test]
    fn the_time_for_machines_is_utc_with_milliseconds() {
        let mut out = Vec::new();
        write_utc(&mut out, Duration::from_millis(1_627_282_598_009));
        assert_eq!(out, b"2021-07-26T06:56:38.009Z");
    }
}
