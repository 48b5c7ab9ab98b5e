//! How many system calls a process makes, counted by `perf stat` between two moments.
//!
//! The kernel keeps no such number; perf counts the tracepoint that all system calls pass. That
//! costs the process a little, so it is done in a short run of its own, never while times are
//! measured. Where perf is missing or may not do it (it takes root, or a low
//! `kernel.perf_event_paranoid`), the number is missing, too.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

const EVENT: &str = "raw_syscalls:sys_enter";

/// A perf that watches a process, and counts when it is told to.
#[derive(Debug)]
pub struct Counter {
    perf: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Counter {
    /// Attaches to all threads of a process, and counts nothing yet.
    pub fn attach(pid: u32) -> io::Result<Self> {
        let mut perf = Command::new("perf")
            .args(["stat", "-x,", "-e", EVENT, "--delay=-1"])
            .args(["--control=fd:0,1", "--pid", &pid.to_string()])
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let orders = perf.stdin.take().expect("it is piped");
        let answers = BufReader::new(perf.stdout.take().expect("it is piped"));
        Ok(Self {
            perf,
            orders,
            answers,
        })
    }

    /// From now on, system calls count.
    pub fn enable(&mut self) -> io::Result<()> {
        self.order("enable")
    }

    /// How many there were up to now.
    pub fn finish(mut self) -> io::Result<u64> {
        self.order("disable")?;
        let pid = i32::try_from(self.perf.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("children have ids"), Signal::INT)?;
        let mut report = String::new();
        let mut stderr = self.perf.stderr.take().expect("it is piped");
        stderr.read_to_string(&mut report)?;
        parse_count(&report).ok_or_else(|| io::Error::other(format!("perf: {report}")))
    }

    fn order(&mut self, order: &str) -> io::Result<()> {
        writeln!(self.orders, "{order}")?;
        self.orders.flush()?;
        // The pipe ends when perf does, which it does at once if it may not watch.
        let mut answer = String::new();
        if self.answers.read_line(&mut answer)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        let _ = self.perf.kill();
        let _ = self.perf.wait();
    }
}

/// Says why they cannot be counted here, if so.
pub fn check_available() -> io::Result<()> {
    let mut counter = Counter::attach(std::process::id())?;
    counter.enable()?;
    counter.finish().map(|_| ())
}

/// The line `48336,,raw_syscalls:sys_enter,442275115,100.00,,` among others.
fn parse_count(report: &str) -> Option<u64> {
    let line = report.lines().find(|line| line.contains(EVENT))?;
    line.split(',').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_among_the_messages() {
        let line = "48336,,raw_syscalls:sys_enter,442275115,100.00,,\n";
        assert_eq!(
            parse_count(&format!("Events disabled\n{line}")),
            Some(48_336)
        );
        assert_eq!(
            parse_count("<not counted>,,raw_syscalls:sys_enter,0,0\n"),
            None
        );
        assert_eq!(parse_count("event syntax error"), None);
    }
}
