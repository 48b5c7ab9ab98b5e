//! What the CPUs that this process may use have done with their time.
//!
//! Linux tells it of each CPU, whoever has used it. It says nothing to a process that may use only
//! a part of their time: such a one is stopped while they are idle.
//!
//! Source: proc(5), `/proc/stat`.

use super::affinity::available_cpus;
use super::ticks::Ticks;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// A line of a CPU is a hundred bytes long; of more CPUs than fit, the others are left out.
const BYTES_MAX: usize = 32 << 10;

/// Which of the numbers are times in which a CPU had nothing to do: `idle` and `iowait`.
const IDLE: [usize; 2] = [3, 4];

/// The numbers behind those are parts of others.
const NUMBERS: usize = 8;

/// Where the times are read.
#[derive(Debug)]
pub(crate) struct CpuTimes {
    file: File,
    cpus: Vec<usize>,
}

impl CpuTimes {
    /// Those of the CPUs that this process may use: `None` if it may use a part of their time only,
    /// or the kernel does not tell.
    pub(crate) fn of_ours() -> Option<CpuTimes> {
        let cpus = available_cpus();
        let file = File::open("/proc/stat").ok()?;
        let cpus = cpus.are_whole.then_some(cpus.numbers)?;
        Some(CpuTimes { file, cpus })
    }

    /// How many CPUs that are.
    pub(crate) fn cpus(&self) -> usize {
        self.cpus.len()
    }

    /// What they are now; nothing if the kernel does not tell.
    pub(crate) fn read(&self) -> Ticks {
        let mut text = vec![0; BYTES_MAX];
        let count = self.file.read_at(&mut text, 0).unwrap_or(0);
        parse(&text[..count], &self.cpus)
    }
}

/// ```text
/// cpu7 SP user SP nice SP system SP idle SP iowait SP irq SP softirq SP steal …
/// ```
fn parse(text: &[u8], cpus: &[usize]) -> Ticks {
    let mut ticks = Ticks::default();
    // The last line may not be there as a whole.
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let lines = lines.filter_map(|line| std::str::from_utf8(line.strip_suffix(b"\n")?).ok());
    for line in lines {
        let mut words = line.split_ascii_whitespace();
        let cpu = words.next().and_then(|name| name.strip_prefix("cpu"));
        if !cpu.is_some_and(|cpu| cpu.parse().is_ok_and(|cpu| cpus.contains(&cpu))) {
            continue;
        }
        for (index, time) in words.take(NUMBERS).enumerate() {
            let time = time.parse().unwrap_or(0);
            ticks.all += time;
            if IDLE.contains(&index) {
                ticks.idle += time;
            }
        }
    }
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_our_cpus_are_added_up() {
        let text = b"cpu  9 9 9 9 9 9 9 9 9 9\n\
            cpu0 1 2 3 40 5 6 7 8 100 100\n\
            cpu1 1 1 1 10 1 1 1 1 0 0\n\
            cpu12 1 0 0 0 0\nintr 5 6\nctxt 1\n";
        let ticks = |cpus: &[usize]| {
            let Ticks { idle, all } = parse(text, cpus);
            (idle, all)
        };
        assert_eq!(ticks(&[0]), (45, 72));
        assert_eq!(ticks(&[0, 1]), (56, 89));
        assert_eq!(ticks(&[12, 2]), (0, 1));
        assert_eq!(parse(b"cpu0 x\ncpu0 1 1 1 1", &[0]), Ticks::default());
    }

    #[test]
    fn the_kernel_tells_them() {
        let times = CpuTimes {
            file: File::open("/proc/stat").unwrap(),
            cpus: available_cpus().numbers,
        };
        let ticks = times.read();
        assert!(ticks.all > ticks.idle, "{ticks:?}");
    }
}
