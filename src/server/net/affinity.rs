//! Which CPUs there are, staying on one of them, and when to take one from somebody else.
//!
//! Apart from the threads, because what may be used is decided outside of the process: by
//! `taskset`, by cgroups, by systemd.

use nix::libc;
use rustix::process::getpriority_process;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::io;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;
use std::time::Duration;

/// For how long a thread that waits for its turn has it: a request takes a tenth of that.
const TURN: Duration = Duration::from_micros(500);

/// The CPUs that this process may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cpus {
    /// As many as it may use at a time, in ascending order.
    pub(crate) numbers: Vec<usize>,
    /// Whether somebody has chosen them for it. All CPUs of a machine are everybody's, and so are
    /// those of which a container may use a part of the time: where each process pins its threads
    /// to the first ones, they crowd there.
    pub(crate) are_chosen: bool,
    /// Whether it may use all of their time.
    pub(crate) are_whole: bool,
}

/// The CPUs that this process may use: `taskset`, cgroups with their quotas, and systemd's
/// `CPUAffinity=` and `CPUQuota=` are respected.
pub(crate) fn available_cpus() -> Cpus {
    let allowed = sched_getaffinity(None);
    let allowed: Vec<usize> = match allowed {
        Ok(set) => (0..CpuSet::MAX_CPU)
            .filter(|&cpu| set.is_set(cpu))
            .collect(),
        Err(_) => Vec::new(),
    };
    // The standard library reads the quotas, of both versions of cgroups, and rounds them down.
    let at_a_time = available_parallelism().map_or(usize::MAX, NonZeroUsize::get);
    let online = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    choose(allowed, at_a_time, count_listed(&online))
}

fn choose(allowed: Vec<usize>, at_a_time: usize, online: Option<usize>) -> Cpus {
    let are_whole = !allowed.is_empty() && allowed.len() <= at_a_time;
    let are_chosen = are_whole && online.is_some_and(|online| allowed.len() < online);
    let mut numbers = if allowed.is_empty() { vec![0] } else { allowed };
    numbers.truncate(at_a_time.max(1));
    Cpus {
        numbers,
        are_chosen,
        are_whole,
    }
}

/// How many there are in a list such as `0-3,8,10-11`, as the kernel writes them.
fn count_listed(list: &str) -> Option<usize> {
    let count = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        Some(last.checked_sub(first)? + 1)
    };
    list.trim().split(',').map(count).sum()
}

/// Keeps the calling thread on one CPU, so that its caches stay warm.
pub(crate) fn pin_to(cpu: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    Ok(sched_setaffinity(None, &set)?)
}

/// Lets the calling thread wait for its turn when it wakes up, instead of taking the CPU from
/// whoever works there (`SCHED_BATCH`), and makes its turns short, so that they come soon.
///
/// Beside a PostgreSQL, a pooler or a proxy on the same machine, each of its replies would
/// interrupt the process that sends it, before it has gone back to waiting or has sent the rest.
/// Measured on two CPUs: 500 wide rows take 6 instead of 21 switches of threads, and requests an
/// eighth to a fifth less CPU time. With turns of the usual length the worst p99 of five runs is
/// 64 instead of 27 ms (25 rows with embedded ones); kernels before 6.12 have no others.
#[expect(unsafe_code, reason = "neither std nor rustix has this system call")]
pub(crate) fn wait_for_turn() -> io::Result<()> {
    let attributes = libc::sched_attr {
        size: size_of::<libc::sched_attr>() as u32,
        sched_policy: libc::SCHED_BATCH as u32,
        sched_flags: 0,
        sched_nice: getpriority_process(None)?,
        sched_priority: 0,
        sched_runtime: TURN.as_nanos() as u64,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the pointer is valid for the call, which keeps nothing of it and reads `size` bytes.
    // The first 0 is this thread, the second says that there are no flags.
    match unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) } {
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
    fn cpus_are_chosen_if_they_are_some_of_all_and_wholly_ours() {
        let chosen = |allowed: &[usize], at_a_time, online| {
            let Cpus {
                numbers,
                are_chosen,
                are_whole,
            } = choose(allowed.to_vec(), at_a_time, online);
            (numbers, are_chosen, are_whole)
        };
        assert_eq!(chosen(&[0, 1], 2, Some(2)), (vec![0, 1], false, true));
        assert_eq!(chosen(&[4, 5], 2, Some(64)), (vec![4, 5], true, true));
        // A quota of one and a half of them.
        assert_eq!(chosen(&[4, 5], 1, Some(64)), (vec![4], false, false));
        assert_eq!(chosen(&[4, 5], 2, None), (vec![4, 5], false, true));
        assert_eq!(chosen(&[], 2, Some(2)), (vec![0], false, false));
        assert_eq!(chosen(&[7], 0, Some(2)), (vec![7], false, false));
    }

    #[test]
    fn lists_of_cpus_are_counted() {
        assert_eq!(count_listed("0\n"), Some(1));
        assert_eq!(count_listed("0-3,8,10-11\n"), Some(7));
        for other in ["", "x", "3-1", "0-"] {
            assert_eq!(count_listed(other), None, "{other}");
        }
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
