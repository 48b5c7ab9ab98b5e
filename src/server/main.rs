//! The server: sockets, threads, signals, and the command line.
//!
//! ```text
//! boot ──▶ control (1 thread): connect, load configuration and catalog, publish a snapshot
//!     ├──▶ listener (1 thread): hears notifications, and passes them on to control
//!     ├──▶ admin   (1 thread): /live, /ready
//!     ├──▶ signals (1 thread)
//!     └──▶ cores   (some pinned threads each): clients ──▶ handle ──▶ answer ──▶ reply
//! ```
//! Nothing in here knows what a request means or how SQL looks; that is `corerest-api`'s.

mod admin;
mod auth;
mod boot;
mod cli;
mod control;
mod cores;
mod exit;
mod log;
mod net;
mod observing;
mod ready;
mod serving;
mod state;
mod sync;

use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match cli::parse(std::env::args().skip(1)) {
        Ok(cli) => cli,
        Err(exit) => return cli::print_exit(&exit),
    };
    let ended = boot::run(&cli);
    log::flush();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            log::fatal(&reason);
            ExitCode::FAILURE
        }
    }
}
