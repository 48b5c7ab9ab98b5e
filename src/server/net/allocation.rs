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

/// Has all threads share two heaps, where addresses are limited: glibc sets 64 MiB of them aside
/// for each heap, and makes eight for each CPU. Source: mallopt(3).
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "neither std nor rustix has this function")]
pub(crate) fn share_heaps() {
    // SAFETY: as above.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 2) };
}

/// Gives back the pages in all heaps that nothing lies in. Source: malloc_trim(3).
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "neither std nor rustix has this function")]
pub(crate) fn return_free_memory() {
    // SAFETY: it takes a number, may be called by any thread at any time, and touches no memory
    // that is in use.
    unsafe { libc::malloc_trim(0) };
}

/// The static executable has an allocator that does so by itself.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn give_back_memory(_block_bytes: usize) {}

/// It sets nothing aside, either.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn share_heaps() {}

/// The same.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn return_free_memory() {}
