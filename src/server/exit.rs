//! The end of the process, when only the operator can help, and threads that it ends with.

use crate::log;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

/// Ends the process because of something that only the operator can mend.
pub(crate) fn exit_with(reason: &str) -> ! {
    log::critical(reason);
    log::flush();
    std::process::exit(1)
}

/// Starts a thread that the server is of no use without. Should it panic, which is a bug of ours,
/// the process ends, for a service manager can start it again and nobody can mend it.
///
/// # Errors
/// If there cannot be one more.
pub(crate) fn spawn_vital(
    name: impl Into<String>,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<thread::JoinHandle<()>> {
    let name = name.into();
    let guarded = {
        let name = name.clone();
        move || {
            if catch_unwind(AssertUnwindSafe(work)).is_err() {
                exit_with(&format!("The thread \"{name}\" has panicked, exiting."));
            }
        }
    };
    thread::Builder::new().name(name).spawn(guarded)
}
