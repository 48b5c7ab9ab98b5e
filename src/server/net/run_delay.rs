//! For how long a thread has waited for a CPU, although it had something to do.
//!
//! Linux counts it for each thread, and so tells whether there are CPUs for more work: whoever
//! else uses them, in whatever container, behind whatever address.
//!
//! Source: the kernel's documentation, `scheduler/sched-stats`, `/proc/PID/schedstat`.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// Three numbers of 20 digits at most.
const LINE_BYTES_MAX: usize = 64;

/// The delay of one thread, which any other may read.
#[derive(Debug)]
pub(crate) struct RunDelay(File);

impl RunDelay {
    /// That of the calling thread.
    pub(crate) fn of_this_thread() -> io::Result<RunDelay> {
        Ok(RunDelay(File::open("/proc/thread-self/schedstat")?))
    }

    /// The sum since the thread began; nothing if the kernel does not tell.
    pub(crate) fn read(&self) -> Duration {
        let mut line = [0; LINE_BYTES_MAX];
        let count = self.0.read_at(&mut line, 0).unwrap_or(0);
        parse(&line[..count]).unwrap_or_default()
    }
}

/// ```text
/// time on a CPU, ns SP time waiting for one, ns SP turns LF
/// ```
fn parse(line: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(line).ok()?;
    let delay = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(Duration::from_nanos(delay))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_number_is_the_delay() {
        assert_eq!(
            parse(b"312891 66143 1\n"),
            Some(Duration::from_nanos(66_143))
        );
        for other in [&b""[..], b"1", b"1 x 2", b"1 -2 3", b"\xff \xff"] {
            assert_eq!(parse(other), None);
        }
    }

    /// Two threads want the same CPU for some time, so one of them waits.
    #[test]
    fn whoever_shares_a_cpu_has_waited_for_it() {
        let cpu = super::super::affinity::available_cpus().numbers[0];
        let work = move || {
            super::super::affinity::pin_to(cpu).unwrap();
            let delay = RunDelay::of_this_thread().unwrap();
            let began = std::time::Instant::now();
            while delay.read().is_zero() && began.elapsed() < Duration::from_secs(10) {}
            delay.read()
        };
        let both = [work, work].map(std::thread::spawn);
        let delays = both.map(|thread| thread.join().unwrap());
        assert!(delays.iter().all(|delay| !delay.is_zero()), "{delays:?}");
    }
}
