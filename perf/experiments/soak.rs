//! Everything at once for minutes: does the server's memory stay where it is?
//!
//! Some clients for each of several scenarios, and a look at the resident memory every second.
//! The series is kept as `soak_rss.csv`; what it amounts to is a growth per minute, by least
//! squares over the second half, when all that is allocated once has been allocated.

use std::fmt::Write;
use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::{Column, Setup};
use crate::generator::{self, Options};
use crate::processes::Memory;
use crate::report::{self, Numbers};
use crate::scenario::Scenario;

const MIX: [&str; 10] = [
    "point",
    "page",
    "wide_page",
    "embed_to_one",
    "embed_to_many",
    "insert",
    "update",
    "rpc_rows",
    "read_token",
    "not_found",
];
const CONNECTIONS_EACH: usize = 4;
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
/// What is known of each scenario when all run together; CPU time is everybody's.
const OWN_NUMBERS: [&str; 8] = [
    "requests_per_second",
    "p50_us",
    "p90_us",
    "p99_us",
    "p999_us",
    "max_us",
    "wrong",
    "disconnects",
];

/// Seconds since the beginning, and the resident memory in MiB.
type Sample = (f64, f64);

pub(super) fn run(setup: &Setup) -> io::Result<Vec<Column>> {
    let measured = Duration::from_secs_f64(setup.arguments.soak_minutes * 60.0);
    let running = setup.server()?;
    let mut loads = Vec::new();
    for scenario in MIX.iter().filter_map(|name| Scenario::find(name)) {
        setup.reset(scenario)?;
        let options = Options {
            connections: CONNECTIONS_EACH,
            measured,
            server_pid: None,
            postgres_pid: None,
            ..setup.options(&running, scenario)
        };
        let load = thread::spawn(move || generator::run(&options));
        loads.push((scenario.name, load));
    }
    let samples = watch(running.pid(), measured)?;
    fs::write(setup.results.join("soak_rss.csv"), csv(&samples))?;
    let mut columns = vec![("memory".to_owned(), vec![memory_numbers(&samples)])];
    for (name, load) in loads {
        let outcome = load
            .join()
            .map_err(|_| io::Error::other("a load panicked"))??;
        let mut numbers = report::numbers_of(&outcome);
        numbers.retain(|(name, _)| OWN_NUMBERS.contains(name));
        columns.push((name.to_owned(), vec![numbers]));
    }
    Ok(columns)
}

fn watch(pid: u32, measured: Duration) -> io::Result<Vec<Sample>> {
    let begin = Instant::now();
    let mut samples = Vec::new();
    while begin.elapsed() < measured {
        thread::sleep(SAMPLE_INTERVAL);
        let resident_kib = Memory::of_process(pid)?.resident_kib;
        samples.push((begin.elapsed().as_secs_f64(), resident_kib as f64 / 1024.0));
    }
    Ok(samples)
}

fn memory_numbers(samples: &[Sample]) -> Numbers {
    let (first, second) = samples.split_at(samples.len() / 2);
    let most = |part: &[Sample]| part.iter().map(|sample| sample.1).fold(0.0, f64::max);
    let per_minute_kib = slope(second) * 60.0 * 1024.0;
    vec![
        ("first_half_max_mib", most(first)),
        ("second_half_max_mib", most(second)),
        ("growth_kib_a_minute", per_minute_kib),
    ]
}

/// By least squares; of fewer than two samples none.
fn slope(samples: &[Sample]) -> f64 {
    let count = samples.len().max(1) as f64;
    let x_mean = samples.iter().map(|(x, _)| x).sum::<f64>() / count;
    let y_mean = samples.iter().map(|(_, y)| y).sum::<f64>() / count;
    let product = |(x, y): &Sample| (x - x_mean) * (y - y_mean);
    let square = |(x, _): &Sample| (x - x_mean).powi(2);
    let squares: f64 = samples.iter().map(square).sum();
    match squares > 0.0 {
        true => samples.iter().map(product).sum::<f64>() / squares,
        false => 0.0,
    }
}

fn csv(samples: &[Sample]) -> String {
    let mut text = String::from("seconds,resident_mib\n");
    for (seconds, resident) in samples {
        let _ = writeln!(text, "{seconds:.1},{resident:.3}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_slope_and_a_point_has_none() {
        assert!((slope(&[(0.0, 7.0), (1.0, 9.0), (2.0, 11.0)]) - 2.0).abs() < 1e-9);
        assert!(slope(&[(3.0, 7.0)]).abs() < 1e-9 && slope(&[]).abs() < 1e-9);
    }

    #[test]
    fn memory_is_judged_by_the_second_half() {
        let samples = [(1.0, 5.0), (2.0, 9.0), (3.0, 9.0), (4.0, 9.0)];
        let numbers = memory_numbers(&samples);
        assert_eq!(report::number(&numbers, "second_half_max_mib"), Some(9.0));
        assert_eq!(report::number(&numbers, "growth_kib_a_minute"), Some(0.0));
    }
}
