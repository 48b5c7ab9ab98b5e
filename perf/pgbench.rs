//! pgbench, run and measured like a server: a time to warm up, then a time that counts.
//!
//! It reports its progress every second. The first report after the warm-up begins the
//! measurement and a later one ends it, so that connecting and preparing do not count, and the
//! work of PostgreSQL is read at the moments between which transactions are counted.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use crate::ceiling::Script;
use crate::contestant::Database;
use crate::histogram::Histogram;
use crate::processes::Work;
use crate::report::{self, Numbers};

/// pgbench ends itself this much after it is stopped, should nobody stop it.
const SPARE: Duration = Duration::from_secs(2);

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Duty {
    /// Time before counting begins.
    pub warm_up: Duration,
    /// Time of counting, in whole seconds.
    pub measured: Duration,
}

/// Runs a script with as many connections as a contestant has.
pub fn run(file: &Path, script: &Script, database: &Database, duty: Duty) -> io::Result<Numbers> {
    let time = duty.warm_up + duty.measured + SPARE;
    let mut pgbench = command(file, script, database, time)
        .args(["--progress=1", &database.name])
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| io::Error::other(format!("pgbench: {error}")))?;
    let stderr = pgbench.stderr.take().expect("it is piped");
    let numbers = measure(stderr, pgbench.id(), database, duty);
    stop(&mut pgbench)?;
    numbers
}

/// Runs a script in an open loop: at this rate on average, in random intervals. A latency begins
/// when the transaction was due.
pub fn run_at_rate(
    file: &Path,
    script: &Script,
    database: &Database,
    duty: Duty,
    rate: f64,
) -> io::Result<Numbers> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("log");
    let status = command(file, script, database, duty.warm_up + duty.measured)
        .arg(format!("--rate={rate:.0}"))
        .args(["--log", &format!("--log-prefix={}", log.display())])
        .arg(&database.name)
        .stderr(Stdio::null())
        .status()?;
    if !status.success() {
        return Err(io::Error::other(format!("pgbench: {status}")));
    }
    let mut transactions = Vec::new();
    for entry in fs::read_dir(folder.path())? {
        let lines = fs::read_to_string(entry?.path())?;
        transactions.extend(lines.lines().filter_map(Transaction::parse));
    }
    Ok(latencies(&transactions, duty))
}

fn command(file: &Path, script: &Script, database: &Database, time: Duration) -> Command {
    let mut command = Command::new("pgbench");
    command
        .env("PGOPTIONS", format!("-c role={}", script.role))
        .args(["--no-vacuum", "--protocol=prepared"])
        .arg(format!("--file={}", file.display()))
        .arg(format!("--client={}", database.pool))
        .arg("--jobs=2")
        .arg(format!("--time={}", time.as_secs()))
        .args(["--host", &database.host, "--port", &database.port])
        .args(["--username", "authenticator"])
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    for definition in &script.definitions {
        command.arg("--define").arg(definition);
    }
    command
}

/// The latencies of those that ended after the warm-up.
fn latencies(transactions: &[Transaction], duty: Duty) -> Numbers {
    let begin = transactions.iter().map(|one| one.end).min();
    let begin = begin.unwrap_or_default() + duty.warm_up;
    let mut histogram = Histogram::default();
    for one in transactions.iter().filter(|one| one.end >= begin) {
        histogram.record(one.latency);
    }
    report::rate_and_latencies(&histogram, duty.measured)
}

/// A line of the log: `client number latency script seconds microseconds [lag]`.
///
/// Source: PostgreSQL's documentation, pgbench, "Per-Transaction Logging".
#[derive(Debug, PartialEq)]
struct Transaction {
    latency: Duration,
    /// Since 1970.
    end: Duration,
}

impl Transaction {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(' ');
        let latency = fields.nth(2)?.parse().ok()?;
        let seconds: u64 = fields.nth(1)?.parse().ok()?;
        let micros: u64 = fields.next()?.parse().ok()?;
        Some(Self {
            latency: Duration::from_micros(latency),
            end: Duration::from_secs(seconds) + Duration::from_micros(micros),
        })
    }
}

fn stop(pgbench: &mut Child) -> io::Result<()> {
    pgbench.kill()?;
    pgbench.wait().map(|_| ())
}

fn measure(
    stderr: ChildStderr,
    pgbench: u32,
    database: &Database,
    duty: Duty,
) -> io::Result<Numbers> {
    let work = || io::Result::Ok((Work::of_tree(database.pid)?, Work::of_process(pgbench)?));
    let mut complaints = String::new();
    let mut begun: Option<(f64, (Work, Work))> = None;
    let mut last = 0.0;
    let mut count = 0.0;
    for line in BufReader::new(stderr).lines() {
        let line = line?;
        let Some(progress) = Progress::parse(&line) else {
            complaints.push_str(&line);
            complaints.push('\n');
            continue;
        };
        let passed = progress.at - last;
        last = progress.at;
        let Some((begin, before)) = begun else {
            if progress.at >= duty.warm_up.as_secs_f64() {
                begun = Some((progress.at, work()?));
            }
            continue;
        };
        count += progress.per_second * passed;
        // A report can be a few milliseconds late.
        if progress.at - begin > duty.measured.as_secs_f64() - 0.5 {
            let (postgres, own) = work()?;
            let cpu = |work: Work| report::per_request(work.cpu, count as u64);
            if !complaints.is_empty() {
                break;
            }
            return Ok(vec![
                ("requests_per_second", count / (progress.at - begin)),
                ("pgbench_cpu_us", cpu(own.since(before.1))),
                ("postgres_cpu_us", cpu(postgres.since(before.0))),
            ]);
        }
    }
    Err(io::Error::other(format!("pgbench failed: {complaints}")))
}

/// One report: `progress: 2.0 s, 19653.0 tps, lat 0.509 ms stddev 0.211, 0 failed`.
#[derive(Debug, PartialEq)]
struct Progress {
    /// Seconds since the beginning.
    at: f64,
    /// Transactions per second since the report before.
    per_second: f64,
}

impl Progress {
    fn parse(line: &str) -> Option<Self> {
        let (at, rest) = line.strip_prefix("progress: ")?.split_once(" s, ")?;
        let (per_second, _) = rest.split_once(" tps")?;
        Some(Self {
            at: at.parse().ok()?,
            per_second: per_second.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_those_after_the_warm_up() {
        let log = "0 1 9000 0 100 999999 3\n1 1 100 0 102 0 0\n0 2 300 0 102 5 0\nnothing";
        let transactions: Vec<_> = log.lines().filter_map(Transaction::parse).collect();
        assert_eq!(transactions.len(), 3);
        let second = Duration::from_secs(1);
        let duty = Duty {
            warm_up: second,
            measured: second,
        };
        let numbers = latencies(&transactions, duty);
        assert_eq!(report::number(&numbers, "requests_per_second"), Some(2.0));
        assert_eq!(report::number(&numbers, "max_us"), Some(300.0));
    }

    #[test]
    fn a_report_is_read() {
        let line = "progress: 2.0 s, 19653.5 tps, lat 0.509 ms stddev 0.211, 0 failed";
        let expected = Progress {
            at: 2.0,
            per_second: 19653.5,
        };
        assert_eq!(Progress::parse(line), Some(expected));
        assert_eq!(Progress::parse("pgbench: error: client 3 aborted"), None);
    }
}
