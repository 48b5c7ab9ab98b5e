//! Which diagrams are drawn of the raw results: one function for each file.
//!
//! Like the tables they are made of the files, not of the run, and show medians. What has not
//! been measured is left out, and so is a figure of which nothing has been measured.

use std::fs;
use std::io;
use std::path::Path;

use crate::plot::{self, Axis, Line, Panel, Scale, Series};
use crate::results::Results;
use crate::scenario::SCENARIOS;

const SIZE: (f64, f64) = (420.0, 300.0);
/// The height of a scenario's row.
const ROW: f64 = 22.0;
/// Where percentiles are on their axis: each nine is a step.
const PERCENTILES: [(&str, f64, &str); 5] = [
    ("p50_us", 0.3, "50 %"),
    ("p90_us", 1.0, "90 %"),
    ("p99_us", 2.0, "99 %"),
    ("p999_us", 3.0, "99.9 %"),
    ("max_us", 3.8, "maximum"),
];

/// Draws all figures of which there is something in `folder`, into that folder.
pub fn draw(folder: &Path) -> io::Result<()> {
    for (name, panels) in [
        ("scenarios", scenarios(folder)?),
        ("latency", latency(folder)?),
        ("connections", connections(folder)?),
        ("soak", soak(folder)?),
    ] {
        if !panels.is_empty() {
            let path = folder.join(name).with_extension("svg");
            fs::write(path, plot::svg(&panels))?;
        }
    }
    Ok(())
}

/// Requests per second, and CPU time per request, by scenario.
fn scenarios(folder: &Path) -> io::Result<Vec<Panel>> {
    let mut found = Vec::new();
    for scenario in &SCENARIOS {
        if let Some(results) = Results::load(folder, scenario.name)? {
            found.push((scenario.title.to_owned(), results));
        }
    }
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let series = |name: &str, contestant: &str, number: &str| {
        let points = found.iter().enumerate().filter_map(|(row, (_, results))| {
            let value = results.median(contestant, number)?;
            (value >= 1.0).then_some((value, -(row as f64)))
        });
        Series {
            name: name.to_owned(),
            points: points.collect(),
            line: Line::None,
        }
    };
    let names = || found.iter().map(|(title, _)| title.clone());
    let panel = |title: &str, unit: &str, y: Axis, series: Vec<Series>| Panel {
        title: title.to_owned(),
        x: Axis::logarithmic(unit, numbers(&series, |point| point.0)),
        y,
        series,
        size: (SIZE.0, ROW * found.len() as f64),
    };
    Ok(vec![
        panel(
            "Throughput",
            "requests per second (logarithmic)",
            Axis::names(names()),
            vec![
                series("server", "server", "requests_per_second"),
                series(
                    "ceiling: pgbench with the same statements",
                    "ceiling",
                    "requests_per_second",
                ),
            ],
        ),
        panel(
            "CPU time of a request",
            "µs (logarithmic)",
            Axis::names(names().map(|_| String::new())),
            vec![
                series("server", "server", "server_cpu_us"),
                series("PostgreSQL, behind the server", "server", "postgres_cpu_us"),
                series("PostgreSQL, behind pgbench", "ceiling", "postgres_cpu_us"),
            ],
        ),
    ])
}

/// Latency by percentile, of a row by its key: contestants, and kinds of loops.
fn latency(folder: &Path) -> io::Result<Vec<Panel>> {
    let mut panels = Vec::new();
    for (scenario, title) in [
        ("point", "A row by its key, as fast as it is answered"),
        (
            "open",
            "A row by its key, at half the rate of the closed loop",
        ),
    ] {
        let Some(results) = Results::load(folder, scenario)? else {
            continue;
        };
        let series: Vec<Series> = results
            .contestants()
            .map(|contestant| percentiles(&results, contestant))
            .filter(|series| !series.points.is_empty())
            .collect();
        let ticks = PERCENTILES.map(|(_, at, text)| (at, text.to_owned()));
        panels.push(Panel {
            title: title.to_owned(),
            x: Axis {
                label: "part of the requests".to_owned(),
                scale: Scale::Linear,
                range: (0.0, 4.0),
                ticks: ticks.into(),
            },
            y: Axis::logarithmic(
                "latency at most, ms (logarithmic)",
                numbers(&series, |point| point.1),
            ),
            series,
            size: SIZE,
        });
    }
    Ok(panels)
}

fn percentiles(results: &Results, contestant: &str) -> Series {
    let points = PERCENTILES.iter().filter_map(|(name, at, _)| {
        let micros = results.median(contestant, name)?;
        Some((*at, micros / 1e3))
    });
    Series {
        name: contestant.to_owned(),
        points: points.collect(),
        line: Line::Straight,
    }
}

/// Throughput and latency by the number of connections.
fn connections(folder: &Path) -> io::Result<Vec<Panel>> {
    let Some(results) = Results::load(folder, "connections")? else {
        return Ok(Vec::new());
    };
    let counts: Vec<f64> = results
        .contestants()
        .filter_map(|count| count.parse().ok())
        .collect();
    let series = |name: &str, number: &str, divisor: f64| Series {
        name: name.to_owned(),
        points: counts
            .iter()
            .filter_map(|count| {
                let value = results.median(&count.to_string(), number)?;
                Some((*count, value / divisor))
            })
            .collect(),
        line: Line::Straight,
    };
    let x = || Axis {
        ticks: counts
            .iter()
            .map(|count| (*count, count.to_string()))
            .collect(),
        range: (
            counts.iter().copied().fold(f64::INFINITY, f64::min) / 1.3,
            counts.iter().copied().fold(1.0, f64::max) * 1.3,
        ),
        label: "connections (logarithmic)".to_owned(),
        scale: Scale::Logarithmic,
    };
    let rate = vec![series("server", "requests_per_second", 1.0)];
    let latencies = vec![
        series("50 %", "p50_us", 1e3),
        series("99 %", "p99_us", 1e3),
        series("99.9 %", "p999_us", 1e3),
    ];
    Ok(vec![
        Panel {
            title: "A row by its key: throughput".to_owned(),
            x: x(),
            y: Axis::linear("requests per second", numbers(&rate, |point| point.1)),
            series: rate,
            size: SIZE,
        },
        Panel {
            title: "A row by its key: latency of so many of the requests at most".to_owned(),
            x: x(),
            y: Axis::logarithmic("ms (logarithmic)", numbers(&latencies, |point| point.1)),
            series: latencies,
            size: SIZE,
        },
    ])
}

/// The resident memory over the time of a soak.
fn soak(folder: &Path) -> io::Result<Vec<Panel>> {
    let path = folder.join("soak_rss.csv");
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(path)?;
    let points = text.lines().filter_map(|line| {
        let (seconds, resident) = line.split_once(',')?;
        let seconds: f64 = seconds.parse().ok()?;
        Some((seconds / 60.0, resident.parse().ok()?))
    });
    let series = vec![Series {
        name: "server".to_owned(),
        points: points.collect(),
        line: Line::Straight,
    }];
    Ok(vec![Panel {
        title: "Resident memory while ten scenarios run".to_owned(),
        x: Axis::linear("minutes", numbers(&series, |point| point.0)),
        y: Axis::linear("MiB", numbers(&series, |point| point.1)),
        series,
        size: SIZE,
    }])
}

/// One coordinate of all points.
fn numbers(series: &[Series], of: fn(&(f64, f64)) -> f64) -> impl Iterator<Item = f64> {
    let points = series.iter().flat_map(|series| &series.points);
    points.map(of).collect::<Vec<f64>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_drawn_of_nothing() {
        let nowhere = Path::new("nowhere");
        assert!(draw(nowhere).is_ok() && !nowhere.exists());
    }

    #[test]
    fn the_recorded_results_can_be_drawn() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
        let panels = scenarios(&folder).expect("readable");
        assert_eq!(panels.len(), 2);
        let server = &panels[0].series[0];
        assert_eq!(server.points.len(), SCENARIOS.len());
        let file = plot::svg(&panels);
        assert!(!file.contains("NaN") && !file.contains("inf"));
    }
}
