//! What was measured: a line every ten seconds, a picture, and how fast the memory grows.

use crate::guest::Tally;
use corerest_perf::plot::{Axis, Line, Panel, Series, svg};
use corerest_tests::cluster::Database;
use corerest_tests::server::Server;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// At one time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    seconds: f64,
    memory_kb: f64,
    descriptors: f64,
    threads: f64,
    sessions: f64,
    requests: f64,
    failures: f64,
}

/// In their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Curve {
    samples: Vec<Sample>,
}

impl Sample {
    /// Takes one.
    pub(crate) fn take(
        server: &Server,
        database: &Database,
        elapsed: Duration,
        tally: &Tally,
    ) -> Sample {
        let process = format!("/proc/{}", server.id());
        let entries = |folder: &str| {
            let entries = std::fs::read_dir(format!("{process}/{folder}"));
            entries.map_or(0, Iterator::count) as f64
        };
        let sql = "SELECT count(*)::text FROM pg_stat_activity WHERE usename = 'authenticator'";
        Sample {
            seconds: elapsed.as_secs_f64(),
            memory_kb: (server.resident_bytes() / 1024) as f64,
            descriptors: entries("fd"),
            threads: entries("task"),
            sessions: database.one(sql).parse().unwrap_or(0.0),
            requests: tally.requests.load(Ordering::SeqCst) as f64,
            failures: tally.failures() as f64,
        }
    }

    fn line(&self) -> String {
        let Sample {
            seconds,
            memory_kb,
            descriptors,
            threads,
            sessions,
            requests,
            failures,
        } = self;
        format!("{seconds:.0},{memory_kb},{descriptors},{threads},{sessions},{requests},{failures}")
    }
}

impl Curve {
    /// Adds one.
    pub(crate) fn add(&mut self, sample: Sample) {
        self.samples.push(sample);
    }

    /// The last one as a line of the table.
    pub(crate) fn last_line(&self) -> String {
        self.samples.last().map(Sample::line).unwrap_or_default()
    }

    /// The table.
    pub(crate) fn csv(&self) -> String {
        let head = "seconds,memory_kb,descriptors,threads,sessions,requests,failures";
        let lines = self.samples.iter().map(Sample::line);
        let mut lines: Vec<String> = std::iter::once(head.to_owned()).chain(lines).collect();
        lines.push(String::new());
        lines.join("\n")
    }

    /// kB per minute, by least squares over the second half.
    pub(crate) fn slope_of_memory(&self) -> f64 {
        let half = &self.samples[self.samples.len() / 2..];
        let points: Vec<(f64, f64)> = half
            .iter()
            .map(|sample| (sample.seconds / 60.0, sample.memory_kb))
            .collect();
        slope(&points)
    }

    /// The picture.
    pub(crate) fn svg(&self) -> String {
        let of = |name: &str, number: fn(&Sample) -> f64| Series {
            name: name.to_owned(),
            points: self
                .samples
                .iter()
                .map(|sample| (sample.seconds / 60.0, number(sample)))
                .collect(),
            line: Line::Straight,
        };
        let memory = vec![of("resident memory", |sample| sample.memory_kb / 1024.0)];
        let counts = vec![
            of("descriptors", |sample| sample.descriptors),
            of("threads", |sample| sample.threads),
            of("sessions of PostgreSQL", |sample| sample.sessions),
        ];
        svg(&[
            panel("Memory", "MiB", memory),
            panel("What else could leak", "count", counts),
        ])
    }
}

fn panel(title: &str, unit: &str, series: Vec<Series>) -> Panel {
    let points = || series.iter().flat_map(|series| &series.points);
    Panel {
        title: title.to_owned(),
        x: Axis::linear("minutes", points().map(|point| point.0)),
        y: Axis::linear(unit, points().map(|point| point.1)),
        series: series.clone(),
        size: (420.0, 260.0),
    }
}

/// Of the straight line that is nearest to the points.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |number: fn(&(f64, f64)) -> f64| points.iter().map(number).sum::<f64>() / count;
    let (x_mean, y_mean) = (mean(|point| point.0), mean(|point| point.1));
    let (mut both, mut squares) = (0.0, 0.0);
    for (x, y) in points {
        both += (x - x_mean) * (y - y_mean);
        squares += (x - x_mean).powi(2);
    }
    if squares > 0.0 { both / squares } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::slope;

    #[test]
    fn the_slope_is_that_of_the_nearest_line() {
        assert_eq!(slope(&[(1.0, 10.0), (2.0, 12.0), (3.0, 14.0)]), 2.0);
        assert_eq!(slope(&[(1.0, 10.0)]), 0.0);
    }
}
