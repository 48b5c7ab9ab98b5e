//! What the server says: diagnostics on standard error, the access log on standard output.
//!
//! What concerns the server as a whole is said at every level; what concerns single requests is
//! subject to `log-level`. No thread but the log's own writes ([`spool`]), so that nobody who
//! reads slowly holds one up. What a line looks like depends on `log-format`, and on whether
//! systemd's journal reads it.
//!
//! Invariant: what is logged of a request is its target, three headers, its role, the texts of its
//! statements, and the error with which it failed on our side; without `log-query-string` no query
//! string is ([`target`]). Tokens, secrets, passwords, claims, cookies and bodies are never at hand
//! here (`logs::what_is_secret_stands_nowhere_and_values_where_it_is_said`).
//!
//! Source: PostgREST's documentation, `references/observability` ("Logs").

mod access;
mod diagnostics;
mod json;
mod spool;
mod stamp;
mod stream;
mod target;
mod zone;

use corerest_api::Error as ApiError;
use corerest_config::{Config, ErrorVerbosity, LogLevel};
use diagnostics::Severity;
use stamp::with_stamp;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::borrow::Cow;
use std::io;
use std::panic::{Location, PanicHookInfo};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use stream::Stream;

pub(crate) use access::Access;
pub(crate) use json::json_text;
pub(crate) use spool::{adopt_this_thread, flush, lines_lost};
pub(crate) use target::are_queries_shown;

static LEVEL: AtomicU8 = AtomicU8::new(LogLevel::Error as u8);

/// Notes the local time zone and what is behind the streams, and starts the threads that write.
/// Call it before there are others: the operating system can only be asked for the zone safely
/// then. Those that it starts have nothing to do with the environment of the process.
///
/// # Errors
/// If there cannot be one more thread.
pub(crate) fn start() -> io::Result<()> {
    stamp::start();
    let journal = std::env::var("JOURNAL_STREAM");
    stream::inspect(journal.ok().as_deref());
    std::panic::set_hook(Box::new(on_panic));
    spool::start()
}

/// Does as the configuration says from now on (`log-level`, `log-format`).
pub(crate) fn configure(config: &Config) {
    set_level(config.log_level);
    json::choose(config.log_format);
    target::show_queries(config.log_query_string);
}

/// A panic is said where everything is. The thread may have been in the middle of a line, so
/// nothing is asked that it keeps for that. A backtrace follows if the environment asks for one
/// (`RUST_BACKTRACE`).
fn on_panic(info: &PanicHookInfo<'_>) {
    let backtrace = Backtrace::capture();
    let mut text = panic_line(thread::current().name(), info.location(), panic_text(info));
    if let BacktraceStatus::Captured = backtrace.status() {
        text.push_str(&format!("\n{backtrace}"));
    }
    let mut line = Vec::new();
    let stamp = stamp::now();
    diagnostics::write_line(&mut line, Severity::Error, Some(&stamp), text.trim_end());
    spool::put_from_panic(&line);
}

/// What was said to `panic!`: a literal, or a text with values in it.
fn panic_text<'a>(info: &'a PanicHookInfo<'_>) -> Option<&'a str> {
    let said = info.payload();
    let literal = said.downcast_ref::<&str>().copied();
    literal.or_else(|| said.downcast_ref::<String>().map(String::as_str))
}

fn panic_line(name: Option<&str>, place: Option<&Location<'_>>, text: Option<&str>) -> String {
    let name = name.unwrap_or("?");
    let place = place.map_or_else(|| "?".to_owned(), Location::to_string);
    let text = on_one_line(text.unwrap_or("?"));
    format!("The thread \"{name}\" has panicked at {place}: {text}")
}

fn set_level(level: LogLevel) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// Something that every operator wants to know, such as the address listened on.
///
/// Parity: PostgREST says what concerns the server as a whole at every level (Logger.hs).
pub(crate) fn notice(text: &str) {
    write_line(Severity::Notice, text);
}

/// The server ends because of this, whatever the level. Flush the log after it.
pub(crate) fn critical(text: &str) {
    write_line(Severity::Critical, text);
}

/// The process ends because of this, perhaps before it was a server, or knew its configuration.
/// People read it without the time, and on several lines if it has them.
pub(crate) fn fatal(text: &str) {
    if !spool::has_started() {
        let mut line = Vec::new();
        diagnostics::write_for_people(&mut line, None, text);
        return Stream::Diagnostics.write(&line);
    }
    spool::put(Stream::Diagnostics, |out| {
        diagnostics::write_line(out, Severity::Critical, None, text);
    });
    flush();
}

/// Something is wrong.
pub(crate) fn error(text: &str) {
    if is_at(LogLevel::Error) {
        write_line(Severity::Error, text);
    }
}

/// A request has failed with this, which is not the client's fault: the body of the response, but
/// with all details, whatever `client-error-verbosity` says.
pub(crate) fn api_error(error: &ApiError) {
    if is_at(LogLevel::Error) {
        let body = error.response(ErrorVerbosity::Verbose).body;
        write_line(Severity::Error, &String::from_utf8_lossy(&body));
    }
}

/// A request has waited for a connection in vain. When the pool is exhausted, so do hundreds: it
/// is said at once, and then every five seconds as long as it goes on.
pub(crate) fn on_pool_timeout() {
    spool::say_at_times(|| api_error(&ApiError::PoolTimeout));
}

/// Something may be wrong. The default level is `error`, and an operator who has not changed it
/// wants to know, too.
pub(crate) fn warn(text: &str) {
    write_line(Severity::Warning, text);
}

/// Remembers when something was last said that is worth saying now and then.
#[derive(Debug)]
pub(crate) struct Seldom {
    said: Mutex<Option<Instant>>,
    pause: Duration,
}

impl Seldom {
    /// Nothing has been said so far; it is worth saying once a minute.
    pub(crate) const fn new() -> Seldom {
        Seldom::every(Duration::from_secs(60))
    }

    /// The same, for what is worth saying as often as that.
    pub(crate) const fn every(pause: Duration) -> Seldom {
        Seldom {
            said: Mutex::new(None),
            pause,
        }
    }

    /// Whether it is time; never for two at once.
    fn is_due(&self) -> bool {
        let Ok(mut said) = self.said.try_lock() else {
            return false;
        };
        let is_due = said.is_none_or(|at| at.elapsed() >= self.pause);
        if is_due {
            *said = Some(Instant::now());
        }
        is_due
    }
}

/// Requests fail with this, hundreds of them while it lasts: it is said at once, and then now and
/// then.
pub(crate) fn api_error_seldom(seldom: &Seldom, error: &ApiError) {
    if is_at(LogLevel::Error) && seldom.is_due() {
        api_error(error);
    }
}

/// Something may be wrong that happens often: it is said now and then.
pub(crate) fn warn_seldom(seldom: &Seldom, text: impl FnOnce() -> String) {
    if seldom.is_due() {
        warn(&text());
    }
}

/// Something that only matters to whoever looks for a fault. The text is made only if it is read.
pub(crate) fn debug(text: impl FnOnce() -> String) {
    if is_at(LogLevel::Debug) {
        write_line(Severity::Debug, &text());
    }
}

/// A statement that was sent for a request that was answered with this status (`log-query`).
pub(crate) fn query(status: u16, sql: &str) {
    if is_request_logged(status) {
        write_line(Severity::Info, &on_one_line(sql));
    }
}

/// Whether a request that was answered with this status is logged.
pub(crate) fn is_request_logged(status: u16) -> bool {
    match status {
        500.. => is_at(LogLevel::Error),
        400..500 => is_at(LogLevel::Warn),
        0..400 => is_at(LogLevel::Info),
    }
}

/// The line of a request in the access log.
pub(crate) fn access(access: &Access<'_>) {
    if cfg!(feature = "model") {
        return;
    }
    if json::is_chosen() {
        return spool::put(Stream::Access, |out| {
            write_priority(out);
            access.write_object(out);
        });
    }
    with_stamp(|stamp| {
        spool::put(Stream::Access, |out| {
            write_priority(out);
            access.write_line(out, stamp);
        });
    });
}

/// Of a line of the access log, if the journal reads it.
fn write_priority(out: &mut Vec<u8>) {
    if Stream::Access.is_journal() {
        out.extend_from_slice(Severity::Info.priority());
    }
}

fn is_at(level: LogLevel) -> bool {
    LEVEL.load(Ordering::Relaxed) >= level as u8
}

/// What PostgreSQL says may have a client's line breaks in it.
fn write_line(severity: Severity, text: &str) {
    if cfg!(feature = "model") {
        return;
    }
    let text = match json::is_chosen() {
        true => Cow::Borrowed(text),
        false => on_one_line(text),
    };
    with_stamp(|stamp| {
        spool::put(Stream::Diagnostics, |out| {
            diagnostics::write_line(out, severity, Some(stamp), &text);
        });
    });
}

/// Parity: PostgREST joins the lines of its SQL by spaces (Logger.hs).
fn on_one_line(text: &str) -> Cow<'_, str> {
    const ENDS: [char; 2] = ['\n', '\r'];
    match text.contains(ENDS) {
        true => Cow::Owned(text.replace(ENDS, " ")),
        false => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_decides_by_the_status() {
        let logged = |level| {
            set_level(level);
            [200, 304, 404, 500, 503].map(is_request_logged)
        };
        assert_eq!(logged(LogLevel::Crit), [false; 5]);
        assert_eq!(logged(LogLevel::Error), [false, false, false, true, true]);
        assert_eq!(logged(LogLevel::Warn), [false, false, true, true, true]);
        assert_eq!(logged(LogLevel::Info), [true; 5]);
        assert_eq!(logged(LogLevel::Debug), [true; 5]);
        set_level(LogLevel::Error);
    }

    #[test]
    fn a_panic_is_one_line_of_the_log() {
        let place = Location::caller();
        let text = panic_line(Some("core0-1"), Some(place), Some("no\nway\u{1b}[2J"));
        let mut line = Vec::new();
        diagnostics::write_for_people(&mut line, None, &text);
        assert_eq!(
            String::from_utf8_lossy(&line),
            format!("The thread \"core0-1\" has panicked at {place}: no way [2J\n")
        );
        assert_eq!(
            panic_line(None, None, None),
            "The thread \"?\" has panicked at ?: ?"
        );
    }

    #[test]
    fn a_statement_is_one_line() {
        assert_eq!(on_one_line("SELECT\n  1\r\n"), "SELECT   1  ");
    }
}
