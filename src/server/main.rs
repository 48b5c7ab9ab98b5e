//! The server: sockets, threads, signals, and the command line.
//!
//! ```text
//! boot ──▶ control (1 thread): connect, load configuration and catalog, publish a snapshot
//!     ├──▶ listener (1 thread): hears notifications, and passes them on to control
//!     ├──▶ ear      (1 thread): hears what clients want to hear, and tells the cores
//!     ├──▶ inquiry  (1 thread): asks about connections that say nothing
//!     ├──▶ admin   (1 thread): /live, /ready
//!     ├──▶ signals (1 thread), and those that end the server
//!     ├──▶ watchdog (1 thread): tells the service manager that the cores get on
//!     └──▶ cores   (some threads each): clients ──▶ handle ──▶ answer ──▶ reply
//! ```
//! Nothing in here knows what a request means or how SQL looks; that is `corerest-api`'s.
//!
//! With the feature `model` only what cores need is there, in a simulated world, for the tests of
//! `cores/model`.

#![cfg_attr(
    feature = "model",
    expect(dead_code, unused_imports, reason = "what a simulation has no use for")
)]

#[cfg(not(feature = "model"))]
mod admin;
mod auth;
#[cfg(not(feature = "model"))]
mod boot;
#[cfg(not(feature = "model"))]
mod check;
#[cfg(not(feature = "model"))]
mod cli;
#[cfg(not(feature = "model"))]
mod control;
mod cores;
mod exit;
mod log;
mod net;
mod observing;
#[cfg(not(feature = "model"))]
mod ready;
mod serving;
mod state;
mod sync;

use std::process::ExitCode;

/// A static executable has musl, whose own allocator has one lock for all threads, and is slow.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[cfg(feature = "model")]
fn main() -> ExitCode {
    ExitCode::FAILURE
}

#[cfg(not(feature = "model"))]
fn main() -> ExitCode {
    net::give_back_memory(serving::output::KEPT_BYTES_MAX);
    let cli = match cli::parse(std::env::args().skip(1)) {
        Ok(cli) => cli,
        Err(exit) => return cli::print_exit(&exit),
    };
    if cli.check {
        return check_only(&cli);
    }
    match boot::run(&cli) {
        Ok(()) => {
            log::flush();
            ExitCode::SUCCESS
        }
        Err(reason) => {
            log::fatal(&reason);
            ExitCode::FAILURE
        }
    }
}

/// The exit status of `--check` if nobody can read what it has found.
#[cfg(not(feature = "model"))]
const UNSAID: u8 = 2;

/// Says what is wrong, and by the exit status whether anything is.
#[cfg(not(feature = "model"))]
fn check_only(cli: &cli::Cli) -> ExitCode {
    let report = check::check(cli.file.as_deref(), cli.format);
    match boot::print(&report.text) {
        Ok(()) if report.is_good => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(reason) => {
            log::fatal(&reason);
            ExitCode::from(UNSAID)
        }
    }
}
