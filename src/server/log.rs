//! Lines for the operator, on standard error, each with the local time before it.
//!
//! Source: PostgREST's documentation, `references/observability` ("Logs").

use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

use corerest_config::LogLevel;

const TIME: &[BorrowedFormatItem<'_>] = format_description!(
    "[day]/[month repr:short]/[year]:[hour]:[minute]:[second] \
     [offset_hour sign:mandatory][offset_minute]"
);

static LEVEL: AtomicU8 = AtomicU8::new(LogLevel::Error as u8);
static OFFSET: OnceLock<UtcOffset> = OnceLock::new();

/// Notes the local time zone. Call it before there are threads: the operating system can only be
/// asked safely then.
pub(crate) fn start() {
    let _ = OFFSET.set(UtcOffset::current_local_offset().unwrap_or(UtcOffset::UTC));
}

/// Sets the level (`log-level`).
pub(crate) fn set_level(level: LogLevel) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// Something that every operator wants to know, such as the address listened on.
pub(crate) fn notice(text: &str) {
    write_line(LogLevel::Error, text);
}

/// The server ends because of this, whatever the level.
pub(crate) fn fatal(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Something is wrong.
pub(crate) fn error(text: &str) {
    write_line(LogLevel::Error, text);
}

/// Something may be wrong.
pub(crate) fn warn(text: &str) {
    write_line(LogLevel::Warn, text);
}

fn write_line(level: LogLevel, text: &str) {
    if LEVEL.load(Ordering::Relaxed) < level as u8 {
        return;
    }
    let now = OffsetDateTime::now_utc().to_offset(*OFFSET.get().unwrap_or(&UtcOffset::UTC));
    let time = now.format(TIME).unwrap_or_default();
    // Where nobody reads the log there is nobody to tell either.
    let _ = writeln!(std::io::stderr().lock(), "{time}: {text}");
}
