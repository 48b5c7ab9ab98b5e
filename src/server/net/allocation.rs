//! How the C library's allocator keeps what the server has given back.

#[cfg(target_env = "gnu")]
use nix::libc;

/// Has memory given back to the system as soon as nobody needs it: blocks of this size and more,
/// and so much at the end of a heap.
///
/// As it comes, glibc raises the size with each larger block that is given back, up to 32 MiB, and
/// keeps what is smaller in a heap for each thread: sixty clients who had asked for the
/// description of 6,000 objects had left, and 157 MB were still there. Source: mallopt(3).
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "neither std nor rustix has this function")]
pub(crate) fn give_back_memory(block_bytes: usize) {
    let size = i32::try_from(block_bytes).unwrap_or(i32::MAX);
    for parameter in [libc::M_MMAP_THRESHOLD, libc::M_TRIM_THRESHOLD] {
        // SAFETY: it takes two numbers, and may be called at any time. A size that the allocator
        // does not take leaves it as it was.
        unsafe { libc::mallopt(parameter, size) };
    }
}

/// The static executable has an allocator that does so by itself.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn give_back_memory(_block_bytes: usize) {}
