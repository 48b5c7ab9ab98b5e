//! The end of the process, when only the operator can help.

use crate::log;

/// Ends the process because of something that only the operator can mend.
pub(crate) fn exit_with(reason: &str) -> ! {
    log::notice(reason);
    log::flush();
    std::process::exit(1)
}
