//! Outcomes as numbers with names, and as text: JSON for machines, tables for people.
//!
//! A measurement is a flat list of names and numbers, so that medians, JSON and tables need to
//! know nothing about what was measured.

use std::fmt::Write;
use std::time::Duration;

use crate::generator::{Outcome, Tally};
use crate::histogram::Histogram;

/// Names and numbers, in the order of the table's columns.
pub type Numbers = Vec<(&'static str, f64)>;

/// All that a run of the generator has found.
#[must_use]
pub fn numbers_of(outcome: &Outcome) -> Numbers {
    let requests = outcome.fast.latencies.total();
    let mut numbers = rate_and_latencies(&outcome.fast.latencies, outcome.elapsed);
    if let Some(work) = outcome.server {
        numbers.push(("server_cpu_us", per_request(work.cpu, requests)));
        numbers.push(("server_user_us", per_request(work.user(), requests)));
        numbers.push(("server_system_us", per_request(work.system, requests)));
        numbers.push((
            "server_switches",
            work.context_switches as f64 / requests.max(1) as f64,
        ));
    }
    if let Some(calls) = system_calls(outcome) {
        numbers.push(("server_system_calls", calls));
    }
    if let Some(work) = outcome.postgres {
        numbers.push(("postgres_cpu_us", per_request(work.cpu, requests)));
        numbers.push((
            "postgres_switches",
            work.context_switches as f64 / requests.max(1) as f64,
        ));
    }
    if let Some(work) = outcome.generator {
        numbers.push(("generator_cpu_us", per_request(work.cpu, requests)));
    }
    if let Some(memory) = outcome.server_memory {
        numbers.push(("server_resident_mib", memory.resident_kib as f64 / 1024.0));
        numbers.push(("server_peak_mib", memory.peak_kib as f64 / 1024.0));
    }
    if outcome.slow.latencies.total() > 0 {
        numbers.push(("slow_requests", outcome.slow.latencies.total() as f64));
        numbers.push(("slow_p50_us", percentile_us(&outcome.slow, 0.5)));
        numbers.push(("slow_max_us", micros(outcome.slow.latencies.max())));
    }
    numbers.push(("wrong", (outcome.fast.wrong + outcome.slow.wrong) as f64));
    numbers.push((
        "disconnects",
        (outcome.fast.disconnects + outcome.slow.disconnects) as f64,
    ));
    numbers.push(("idle_closed", outcome.idle_closed as f64));
    numbers
}

/// How many requests there were in a second, and how long they took.
#[must_use]
pub fn rate_and_latencies(latencies: &Histogram, elapsed: Duration) -> Numbers {
    let percentile = |fraction| micros(latencies.percentile(fraction));
    vec![
        (
            "requests_per_second",
            latencies.total() as f64 / elapsed.as_secs_f64(),
        ),
        ("p50_us", percentile(0.5)),
        ("p90_us", percentile(0.9)),
        ("p99_us", percentile(0.99)),
        ("p999_us", percentile(0.999)),
        ("max_us", micros(latencies.max())),
    ]
}

/// The system calls of the server per request, if they were counted.
#[must_use]
pub fn system_calls(outcome: &Outcome) -> Option<f64> {
    let requests = outcome.fast.latencies.total().max(1);
    outcome
        .server_system_calls
        .map(|calls| calls as f64 / requests as f64)
}

/// The number of that name.
#[must_use]
pub fn number(numbers: &Numbers, name: &str) -> Option<f64> {
    numbers
        .iter()
        .find(|(found, _)| *found == name)
        .map(|(_, value)| *value)
}

/// For each name the median over all rounds; with an even number of rounds the lower one.
#[must_use]
pub fn medians(rounds: &[Numbers]) -> Numbers {
    // A round may lack what could not be measured.
    let most = rounds.iter().max_by_key(|numbers| numbers.len());
    let names = most.into_iter().flatten().map(|(name, _)| *name);
    names
        .filter_map(|name| {
            let values = rounds.iter().filter_map(|numbers| number(numbers, name));
            Some((name, lower_median(values.collect())?))
        })
        .collect()
}

/// The value in the middle; of the two in the middle the lower one.
#[must_use]
pub fn lower_median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len().checked_sub(1)? / 2;
    values.get(middle).copied()
}

/// A JSON object; our names and numbers need no escaping.
#[must_use]
pub fn json(numbers: &Numbers) -> String {
    let fields: Vec<String> = numbers
        .iter()
        .map(|(name, value)| format!("\"{name}\": {}", rounded(*value)))
        .collect();
    format!("{{{}}}", fields.join(", "))
}

/// A table: a column of names, in the order of whoever has most, then one for each contestant.
#[must_use]
pub fn table(columns: &[(String, Numbers)]) -> String {
    let mut by_length: Vec<&Numbers> = columns.iter().map(|(_, numbers)| numbers).collect();
    by_length.sort_by_key(|numbers| std::cmp::Reverse(numbers.len()));
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in by_length.into_iter().flatten() {
        if !names.contains(name) {
            names.push(name);
        }
    }
    let mut text = format!("{:<22}", "");
    for (title, _) in columns {
        let _ = write!(text, "{title:>18}");
    }
    for name in names {
        let _ = write!(text, "\n{name:<22}");
        for (_, numbers) in columns {
            let cell = number(numbers, name).map_or_else(|| "-".to_owned(), rounded);
            let _ = write!(text, "{cell:>18}");
        }
    }
    text.push('\n');
    text
}

/// Three digits are more than these measurements can carry, as long as they are small.
#[must_use]
pub fn rounded(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 | 100.0.. => 0,
        10.0.. => 1,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

fn percentile_us(tally: &Tally, fraction: f64) -> f64 {
    micros(tally.latencies.percentile(fraction))
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// Microseconds for each request.
#[must_use]
pub fn per_request(duration: Duration, requests: u64) -> f64 {
    micros(duration) / requests.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_ignore_one_bad_round() {
        let rounds = [3.0, 900.0, 1.0].map(|value| vec![("p50_us", value)]);
        assert_eq!(medians(&rounds), vec![("p50_us", 3.0)]);
        assert_eq!(medians(&[]), vec![]);
    }

    #[test]
    fn a_missing_number_is_a_dash() {
        let columns = [
            ("a".to_owned(), vec![("x", 1.5)]),
            ("b".to_owned(), vec![("y", 120.7)]),
        ];
        let text = table(&columns);
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(
            lines,
            [
                vec!["a", "b"],
                vec!["x", "1.500", "-"],
                vec!["y", "-", "121"]
            ]
        );
        assert_eq!(json(&columns[1].1), "{\"y\": 121}");
    }
}
