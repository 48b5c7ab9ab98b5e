//! How the C library's allocator keeps what the server has given back.

use nix::libc;

/// A block of this size and more comes from the system and goes back to it, and so does what is
/// free at the end of a heap: it is what buffers are given back at, so none is asked for often.
const GIVEN_BACK_BYTES: i32 = 256 << 10;

/// Has memory given back to the system as soon as nobody needs it.
///
/// As it comes, glibc raises the size with each larger block that is given back, up to 32 MiB, and
/// keeps what is smaller in a heap for each thread: sixty clients who had asked for the
/// description of 6,000 objects had left, and 215 MiB were still there. Source: mallopt(3).
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "neither std nor rustix has this function")]
pub(crate) fn give_back_memory() {
    for parameter in [libc::M_MMAP_THRESHOLD, libc::M_TRIM_THRESHOLD] {
        // SAFETY: it takes two numbers, and may be called at any time. A size that the allocator
        // does not take leaves it as it was.
        unsafe { libc::mallopt(parameter, GIVEN_BACK_BYTES) };
    }
}

/// The static executable has an allocator that does so by itself.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn give_back_memory() {}
