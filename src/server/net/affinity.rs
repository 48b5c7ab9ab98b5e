//! Which CPUs there are, and staying on one of them.
//!
//! Apart from the threads, because what may be used is decided outside of the process: by
//! `taskset`, by cgroups, by systemd.

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
