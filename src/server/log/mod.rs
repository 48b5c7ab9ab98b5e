//! What the server says: diagnostics on standard error, the access log on standard output.
//!
//! Each line of diagnostics has the local time before it. What concerns the server as a whole is
//! said at every level; what concerns single requests is subject to `log-level`. The threads of
//! the cores never write themselves ([`spool`]), so that nobody who reads slowly holds them up.
//!
//! Invariant: what is logged of a request is its target, three headers and the texts of its
//! statements. Tokens, secrets, passwords and the values of parameters are never at hand here.
//!
//! Source: PostgREST's documentation, `references/observability` ("Logs").

mod access;
mod spool;
mod stamp;
mod zone;

use corerest_api::Error as ApiError;
use corerest_config::{ErrorVerbosity, LogLevel};
use spool::Stream;
use stamp::with_stamp;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{Location, PanicHookInfo};
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;

pub(crate) use access::Access;
pub(crate) use spool::{adopt_this_thread, flush, lines_lost};

static LEVEL: AtomicU8 = AtomicU8::new(LogLevel::Error as u8);

/// Notes the local time zone. Call it before there are threads: the operating system can only be
/// asked safely then.
pub(crate) fn start() {
    stamp::start();
    std::panic::set_hook(Box::new(on_panic));
}

/// A panic is said where everything is, and not by the thread itself, which may be a core's. It may
/// have been in the middle of a line, so nothing is asked that it keeps for that. A backtrace
/// follows if the environment asks for one (`RUST_BACKTRACE`).
fn on_panic(info: &PanicHookInfo<'_>) {
    let backtrace = Backtrace::capture();
    let trace = match backtrace.status() {
        BacktraceStatus::Captured => format!("{backtrace}"),
        _ => String::new(),
    };
    let line = panic_line(thread::current().name(), info.location(), panic_text(info));
    let stamp = stamp::now();
    spool::put_from_panic(format!("{stamp}: {line}\n{trace}").as_bytes());
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

/// Sets the level (`log-level`).
pub(crate) fn set_level(level: LogLevel) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// Something that every operator wants to know, such as the address listened on.
///
/// Parity: PostgREST says what concerns the server as a whole at every level (Logger.hs).
pub(crate) fn notice(text: &str) {
    write_line(text);
}

/// The server ends because of this, whatever the level.
pub(crate) fn fatal(text: &str) {
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{text}\n").as_bytes());
}

/// Something is wrong.
pub(crate) fn error(text: &str) {
    if is_at(LogLevel::Error) {
        write_line(text);
    }
}

/// A request has failed with this, which is not the client's fault: the body of the response, but
/// with all details, whatever `client-error-verbosity` says.
pub(crate) fn api_error(error: &ApiError) {
    if is_at(LogLevel::Error) {
        let body = error.response(ErrorVerbosity::Verbose).body;
        write_line(&String::from_utf8_lossy(&body));
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
    write_line(text);
}

/// Something that only matters to whoever looks for a fault. The text is made only if it is read.
pub(crate) fn debug(text: impl FnOnce() -> String) {
    if is_at(LogLevel::Debug) {
        write_line(&text());
    }
}

/// A statement that was sent for a request that was answered with this status (`log-query`).
pub(crate) fn query(status: u16, sql: &str) {
    if is_request_logged(status) {
        write_line(&on_one_line(sql));
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
    with_stamp(|stamp| spool::put(Stream::Access, |out| access.write_line(out, stamp)));
}

fn is_at(level: LogLevel) -> bool {
    LEVEL.load(Ordering::Relaxed) >= level as u8
}

fn write_line(text: &str) {
    if cfg!(feature = "model") {
        return;
    }
    with_stamp(|stamp| {
        spool::put(Stream::Diagnostics, |out| {
            out.extend_from_slice(stamp.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(text.as_bytes());
            out.push(b'\n');
        });
    });
}

/// Parity: PostgREST joins the lines of its SQL by spaces (Logger.hs).
fn on_one_line(sql: &str) -> String {
    sql.replace(['\n', '\r'], " ")
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
        assert_eq!(
            panic_line(Some("core0-1"), Some(place), Some("no\nway")),
            format!("The thread \"core0-1\" has panicked at {place}: no way")
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
