//! Whether the process was given a standard output (`corerest --check >&-`).

use rustix::io::{Errno, fcntl_getfd};
use std::sync::atomic::{AtomicBool, Ordering};

static IS_MISSING: AtomicBool = AtomicBool::new(false);

/// The C library calls what stands in this section before Rust's runtime begins, which puts
/// `/dev/null` where there is no standard output; after that nobody can tell.
#[used]
#[expect(unsafe_code, reason = "a section that the C library goes through")]
// SAFETY: that is what it expects to find there. The function asks the kernel, and uses nothing of
// a runtime that is not there yet.
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = look;

extern "C" fn look() {
    let flags = fcntl_getfd(rustix::stdio::stdout());
    IS_MISSING.store(flags == Err(Errno::BADF), Ordering::Relaxed);
}

/// Whether the standard output was closed when the process began.
pub(crate) fn is_standard_output_missing() -> bool {
    IS_MISSING.load(Ordering::Relaxed)
}
