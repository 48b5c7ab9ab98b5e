//! Which CPUs there are, staying on one of them, and when to take one from somebody else.
//!
//! Apart from the threads, because what may be used is decided outside of the process: by
//! `taskset`, by cgroups, by systemd.

use nix::libc;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::io;

/// The CPUs that this process may use, in ascending order: `taskset`, cgroups and systemd's
/// `CPUAffinity=` are respected.
pub(crate) fn available_cpus() -> Vec<usize> {
    let allowed = sched_getaffinity(None);
    let cpus: Vec<usize> = match allowed {
        Ok(set) => (0..CpuSet::MAX_CPU)
            .filter(|&cpu| set.is_set(cpu))
            .collect(),
        Err(_) => Vec::new(),
    };
    if cpus.is_empty() { vec![0] } else { cpus }
}

/// Keeps the calling thread on one CPU, so that its caches stay warm.
pub(crate) fn pin_to(cpu: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    Ok(sched_setaffinity(None, &set)?)
}

/// Lets the calling thread wait for its turn when it wakes up, instead of taking the CPU from
/// whoever works there (`SCHED_BATCH`).
///
/// For threads beside a PostgreSQL on the same machine: each of its replies would interrupt the
/// process that sends it, before it has gone back to waiting or has sent the rest. Measured on two
/// CPUs: 500 wide rows take 6 instead of 21 switches of threads, and requests an eighth to a fifth
/// less CPU time.
#[expect(unsafe_code, reason = "neither std nor rustix has this system call")]
pub(crate) fn wait_for_turn() -> io::Result<()> {
    let parameter = libc::sched_param { sched_priority: 0 };
    // SAFETY: the pointer is valid for the call, which keeps nothing of it. 0 is this thread.
    match unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameter) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The policy of the calling thread, as the kernel tells it (proc(5), `/proc/PID/stat`).
    fn policy() -> i32 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        fields.split_whitespace().nth(38).unwrap().parse().unwrap()
    }

    #[test]
    fn a_thread_that_waits_for_its_turn_is_a_batch_thread() {
        let thread = std::thread::spawn(|| {
            wait_for_turn().unwrap();
            policy()
        });
        assert_eq!(thread.join().unwrap(), libc::SCHED_BATCH);
        assert_eq!(policy(), libc::SCHED_OTHER, "others are as they were");
    }
}
