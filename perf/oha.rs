//! `oha`, a load generator that others know, run at a fixed rate.
//!
//! It is a second opinion on our own open loop: with `--latency-correction` it, too, counts from
//! the moment at which a request was due. It has one worker thread here, as our generator has.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use simd_json::OwnedValue;
use simd_json::prelude::{ValueAsObject, ValueAsScalar, ValueObjectAccess};

use crate::contestant::Running;
use crate::pgbench::Duty;
use crate::processes::{self, Work};
use crate::report::{self, Numbers};
use crate::scenario::Scenario;
use crate::target::Target;

/// Its binary: the one that was asked for, or the one in the PATH.
pub fn find(asked: Option<&Path>) -> io::Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut candidates = asked.map(Path::to_owned).into_iter().chain(
        env::split_paths(&path)
            .map(|folder| folder.join("oha"))
            .filter(|_| asked.is_none()),
    );
    candidates.find(|path| path.is_file()).ok_or_else(|| {
        io::Error::other(
            "oha is missing: install it with `cargo install oha --locked`, or name its binary \
             with --oha",
        )
    })
}

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    /// Whom it asks.
    pub running: &'a Running,
    /// What it asks; a GET without headers.
    pub scenario: &'a Scenario,
    /// Keep-alive connections.
    pub connections: usize,
    /// Requests per second.
    pub rate: f64,
}

/// Runs it twice, first to warm up.
pub fn run(binary: &Path, load: &Load<'_>, duty: Duty) -> io::Result<Numbers> {
    measure(binary, load, duty.warm_up)?;
    let server_pid = load.running.pid();
    let own_pid = std::process::id();
    let before = Work::of_process(server_pid)?;
    let children_before = processes::cpu_of_dead_children(own_pid)?;
    let mut numbers = measure(binary, load, duty.measured)?;
    let work = Work::of_process(server_pid)?.since(before);
    let own = processes::cpu_of_dead_children(own_pid)?.saturating_sub(children_before);

    let rate = report::number(&numbers, "requests_per_second").unwrap_or_default();
    let requests = (rate * duty.measured.as_secs_f64()) as u64;
    numbers.push(("server_cpu_us", report::per_request(work.cpu, requests)));
    numbers.push(("generator_cpu_us", report::per_request(own, requests)));
    Ok(numbers)
}

fn measure(binary: &Path, load: &Load<'_>, time: Duration) -> io::Result<Numbers> {
    let Target::Tcp(address) = &load.running.target else {
        return Err(io::Error::other("oha is told of TCP addresses only"));
    };
    let path = pattern(load.scenario.target);
    let mut command = Command::new(binary);
    command
        .args(["--no-tui", "--output-format=json", "--worker-threads=1"])
        .args(["-z", &format!("{}ms", time.as_millis())])
        .args(["-c", &load.connections.to_string()])
        .args(["-q", &format!("{:.0}", load.rate), "--latency-correction"])
        .args(["--rand-regex-url", &format!("http://{address}{path}")])
        .stdin(Stdio::null());
    let output = command.output()?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(io::Error::other(format!("oha: {complaint}")));
    }
    numbers_of(output.stdout, load.scenario.status)
}

/// A target as the regular expression that oha makes random ones from; a dot is a dot to it.
fn pattern(target: &str) -> String {
    let escaped = target.replace('?', "[?]").replace('*', "[*]");
    escaped.replace("{id}", "[1-9][0-9]{0,4}")
}

fn numbers_of(mut report: Vec<u8>, status: u16) -> io::Result<Numbers> {
    let report = simd_json::to_owned_value(&mut report).map_err(io::Error::other)?;
    let number = |group: &str, name: &str| report.get(group)?.get(name)?.cast_f64();
    let micros = |name: &str| number("latencyPercentiles", name).map(|seconds| seconds * 1e6);
    let slowest = number("summary", "slowest").map(|seconds| seconds * 1e6);
    let found = [
        ("requests_per_second", number("summary", "requestsPerSec")),
        ("p50_us", micros("p50")),
        ("p90_us", micros("p90")),
        ("p99_us", micros("p99")),
        ("p999_us", micros("p99.9")),
        ("max_us", slowest),
        ("wrong", Some(wrong(&report, status))),
    ];
    let missing = |name: &str| io::Error::other(format!("oha does not tell {name}"));
    let complete = found.map(|(name, value)| Ok((name, value.ok_or_else(|| missing(name))?)));
    complete.into_iter().collect()
}

/// Responses with another status than the expected one.
fn wrong(report: &OwnedValue, expected: u16) -> f64 {
    let statuses = report.get("statusCodeDistribution");
    let statuses = statuses.and_then(ValueAsObject::as_object);
    let others = statuses.into_iter().flatten().filter(|(status, _)| {
        let status: &str = status.as_ref();
        status != expected.to_string()
    });
    // Not `sum`, which makes -0 of nothing.
    let counts = others.filter_map(|(_, count)| count.cast_f64());
    counts.fold(0.0, |total, count| total + count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_becomes_a_pattern() {
        assert_eq!(
            pattern("/items?id=eq.{id}"),
            "/items[?]id=eq.[1-9][0-9]{0,4}"
        );
    }

    #[test]
    fn its_report_is_understood() {
        let report = r#"{
            "summary": {"slowest": 0.008, "requestsPerSec": 3994.5},
            "latencyPercentiles": {"p50": 0.0001, "p90": 0.0002, "p99": 0.001, "p99.9": 0.0064},
            "statusCodeDistribution": {"200": 7990, "400": 5}
        }"#;
        let numbers = numbers_of(report.into(), 200).expect("complete");
        assert_eq!(
            report::number(&numbers, "requests_per_second"),
            Some(3994.5)
        );
        assert_eq!(report::number(&numbers, "p99_us"), Some(1000.0));
        assert_eq!(report::number(&numbers, "wrong"), Some(5.0));
        assert!(numbers_of("{}".into(), 200).is_err());
    }

    #[test]
    fn a_binary_that_is_not_there_is_said_to_be_missing() {
        let error = find(Some(Path::new("/nowhere/oha"))).expect_err("nowhere");
        assert!(error.to_string().contains("cargo install oha"));
    }
}
