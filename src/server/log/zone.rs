//! The local time zone, for as long as the process lives.
//!
//! The C library may be asked for it only while there is one thread, for another one could change
//! the environment meanwhile; but a server runs for years, and summer time begins and ends. So
//! the changes of the coming years are found once, at the start: the offset is looked up week by
//! week, and between two weeks that differ the change is found by halving.

use time::{OffsetDateTime, UtcOffset};

const WEEK_SECONDS: i64 = 7 * 24 * 60 * 60;

/// How many weeks are looked at: twenty years.
const WEEKS: i64 = 20 * 53;

/// The offsets from UTC, each from a moment on.
#[derive(Debug)]
pub(super) struct Zone {
    first: UtcOffset,
    changes: Vec<(i64, UtcOffset)>,
}

impl Zone {
    /// The zone of this process (`TZ`, or `/etc/localtime`) from now on.
    pub(super) fn of_process(now: i64) -> Zone {
        Zone::sample(now, |at| {
            let time = OffsetDateTime::from_unix_timestamp(at).ok()?;
            UtcOffset::local_offset_at(time).ok()
        })
    }

    fn sample(now: i64, offset_at: impl Fn(i64) -> Option<UtcOffset>) -> Zone {
        let offset_at = |at| offset_at(at).unwrap_or(UtcOffset::UTC);
        let mut zone = Zone {
            first: offset_at(now),
            changes: Vec::new(),
        };
        let mut before = zone.first;
        for week in 0..WEEKS {
            let (start, end) = (now + week * WEEK_SECONDS, now + (week + 1) * WEEK_SECONDS);
            let after = offset_at(end);
            if after != before {
                let change = first_second(start, end, |at| offset_at(at) == after);
                zone.changes.push((change, after));
                before = after;
            }
        }
        zone
    }

    /// The offset at a moment.
    pub(super) fn offset_at(&self, unix_seconds: i64) -> UtcOffset {
        let passed = self
            .changes
            .partition_point(|(from, _)| *from <= unix_seconds);
        match passed.checked_sub(1) {
            Some(last) => self.changes[last].1,
            None => self.first,
        }
    }
}

/// The first second after `start`, and not after `end`, for which `has_changed` holds.
fn first_second(start: i64, end: i64, has_changed: impl Fn(i64) -> bool) -> i64 {
    let (mut before, mut after) = (start, end);
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        if has_changed(middle) {
            after = middle;
        } else {
            before = middle;
        }
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summer_time_begins_and_ends_at_its_second() {
        let winter = UtcOffset::from_hms(1, 0, 0).unwrap();
        let summer = UtcOffset::from_hms(2, 0, 0).unwrap();
        let (begins, ends) = (12_345_678, 28_765_432);
        let zone = Zone::sample(1_000, |at| {
            Some(if (begins..ends).contains(&at) {
                summer
            } else {
                winter
            })
        });
        assert_eq!(zone.offset_at(0), winter);
        assert_eq!(zone.offset_at(begins - 1), winter);
        assert_eq!(zone.offset_at(begins), summer);
        assert_eq!(zone.offset_at(ends - 1), summer);
        assert_eq!(zone.offset_at(ends), winter);
        assert_eq!(zone.offset_at(i64::MAX), winter);
    }

    #[test]
    fn without_a_zone_it_is_utc() {
        let zone = Zone::sample(0, |_| None);
        assert_eq!(zone.offset_at(1 << 40), UtcOffset::UTC);
        assert!(zone.changes.is_empty());
    }
}
