//! What other processes cost: CPU time, context switches and memory, as the kernel counts them.
//!
//! Times come from `/proc/PID/stat` in ticks of usually 10 ms, which is precise enough for one
//! process over seconds. PostgreSQL is a tree: its backends are children of the postmaster, and
//! what a finished child has used is in the postmaster's own `cutime` and `cstime`. Of so many
//! processes the ticks would add up; the scheduler counts a single thread in nanoseconds.

use std::fs;
use std::io;
use std::time::Duration;

/// What processes have used since they started.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// User and system time.
    pub cpu: Duration,
    /// The system time in it. The kernel samples it, so it takes seconds to be right.
    pub system: Duration,
    /// Voluntary and involuntary ones, of the threads that are still alive.
    pub context_switches: u64,
}

impl Work {
    /// The work of a process with all its threads.
    pub fn of_process(pid: u32) -> io::Result<Self> {
        let stat = Stat::load(pid)?;
        Ok(Self {
            cpu: ticks(stat.own()),
            system: ticks(stat.system),
            context_switches: context_switches(pid)?,
        })
    }

    /// The work of a process and of its children, dead ones included.
    pub fn of_tree(parent: u32) -> io::Result<Self> {
        let stat = Stat::load(parent)?;
        let mut used = cpu_of_thread(parent, &stat) + ticks(stat.dead_children);
        let mut system = stat.system;
        let mut switches = context_switches(parent)?;
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            // A process may end while we look at it; then its parent has its time.
            let Ok(stat) = Stat::load(pid) else { continue };
            if stat.parent == parent {
                used += cpu_of_thread(pid, &stat);
                system += stat.system;
                switches += context_switches(pid).unwrap_or(0);
            }
        }
        Ok(Self {
            cpu: used,
            system: ticks(system),
            context_switches: switches,
        })
    }

    /// The work since an earlier look.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            system: self.system.saturating_sub(earlier.system),
            context_switches: self
                .context_switches
                .saturating_sub(earlier.context_switches),
        }
    }

    /// The user time in it.
    #[must_use]
    pub fn user(self) -> Duration {
        self.cpu.saturating_sub(self.system)
    }

    /// So many times this work.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self {
            cpu: self.cpu.mul_f64(factor),
            system: self.system.mul_f64(factor),
            context_switches: (self.context_switches as f64 * factor) as u64,
        }
    }
}

/// The time that the children of a process have used which it has seen the end of.
pub fn cpu_of_dead_children(parent: u32) -> io::Result<Duration> {
    Ok(ticks(Stat::load(parent)?.dead_children))
}

/// A process's resident memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Now.
    pub resident_kib: u64,
    /// The most there ever was.
    pub peak_kib: u64,
}

impl Memory {
    /// The memory of a process.
    pub fn of_process(pid: u32) -> io::Result<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        Ok(Self {
            resident_kib: field(&status, "VmRSS:"),
            peak_kib: field(&status, "VmHWM:"),
        })
    }
}

struct Stat {
    parent: u32,
    user: u64,
    system: u64,
    dead_children: u64,
}

impl Stat {
    fn load(pid: u32) -> io::Result<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat"))?)
            .ok_or_else(|| io::Error::other("unexpected format of /proc/PID/stat"))
    }

    /// The program's name stands in parentheses and may hold spaces and parentheses itself;
    /// the numbers begin behind the last one (proc(5): state is field 3, ppid field 4).
    fn parse(line: &str) -> Option<Self> {
        let (_, numbers) = line.rsplit_once(')')?;
        let fields: Vec<&str> = numbers.split_ascii_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            parent: u32::try_from(number(4)?).ok()?,
            user: number(14)?,
            system: number(15)?,
            dead_children: number(16)? + number(17)?,
        })
    }

    fn own(&self) -> u64 {
        self.user + self.system
    }
}

/// The time of a process that has one thread, as all of PostgreSQL's have (`schedstat`: the first
/// number is the time on a CPU, in nanoseconds); by ticks where the kernel does not count it.
fn cpu_of_thread(pid: u32, stat: &Stat) -> Duration {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
    let nanos = text.split_ascii_whitespace().next();
    let nanos = nanos.and_then(|nanos| nanos.parse().ok()).unwrap_or(0);
    if nanos == 0 {
        return ticks(stat.own());
    }
    Duration::from_nanos(nanos)
}

fn ticks(count: u64) -> Duration {
    let per_second = rustix::param::clock_ticks_per_second();
    Duration::from_secs_f64(count as f64 / per_second as f64)
}

fn context_switches(pid: u32) -> io::Result<u64> {
    let mut total = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let status = fs::read_to_string(task?.path().join("status")).unwrap_or_default();
        total += field(&status, "voluntary_ctxt_switches:");
        total += field(&status, "nonvoluntary_ctxt_switches:");
    }
    Ok(total)
}

/// The first number on the line that begins with `name`; kernel threads lack some lines.
fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let line = "7 (odd) name)) S 3 7 7 0 -1 0 0 0 0 0 40 2 500 60 20 0 1";
        let stat = Stat::parse(line).expect("complete");
        assert_eq!((stat.parent, stat.own(), stat.dead_children), (3, 42, 560));
    }

    #[test]
    fn this_process_has_memory() {
        let memory = Memory::of_process(std::process::id()).expect("procfs");
        assert!(memory.peak_kib >= memory.resident_kib && memory.resident_kib > 0);
    }

    #[test]
    fn a_line_is_found_by_its_whole_name() {
        let status = "voluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t7\n";
        assert_eq!(field(status, "voluntary_ctxt_switches:"), 5);
        assert_eq!(field(status, "VmRSS:"), 0);
    }
}
