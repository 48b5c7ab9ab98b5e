//! The tables of all scenarios and experiments, from the raw results that are kept beside them.
//!
//! They are made of the files, not of the run: what is measured again replaces its own rows.

use std::io;
use std::path::Path;

use crate::experiments;
use crate::report::rounded;
use crate::results::Results;
use crate::scenario::{Goal, SCENARIOS, Scenario};

const HEAD: &str = "\
| scenario | requests/s | of the ceiling | p50, ms | p99, ms | p99.9, ms | CPU of the server, µs \
| goal | CPU of pgbench, µs | CPU of PostgreSQL, µs | of that in the ceiling (goal: ≤ 1.1) |
|---|---|---|---|---|---|---|---|---|---|---|
";
const COSTS_HEAD: &str = "
What a request takes of the server (system calls are counted in a second of their own):

| scenario | CPU in user space, µs | in the kernel, µs | system calls | context switches \
| peak RSS, MiB |
|---|---|---|---|---|---|
";

/// The tables as Markdown: of each scenario that has a file in `folder`, the medians.
pub fn markdown(folder: &Path) -> io::Result<String> {
    let mut table = String::from(HEAD);
    let mut costs = String::from(COSTS_HEAD);
    for scenario in &SCENARIOS {
        if let Some(results) = Results::load(folder, scenario.name)? {
            table.push_str(&row(scenario, &results));
            costs.push_str(&costs_row(scenario, &results));
        }
    }
    table.push_str(&costs);
    if let Some(token) = Results::load(folder, "read_token")? {
        table.push_str(&cost_of_token(&token));
    }
    Ok(table)
}

/// What the numbers of the other experiments are called, in the order of their rows; the
/// microseconds, system calls and context switches are those of a request.
const TITLES: [(&str, &str); 33] = [
    ("ready_ms", "from its start until it is ready, ms"),
    ("resident_mib", "RSS then, MiB"),
    (
        "unknown_ms",
        "a relation that is not there, with the hint, ms",
    ),
    ("reload_ms", "the catalog loaded anew, ms"),
    ("asked_per_second", "requests/s that were due"),
    ("requests_per_second", "requests/s"),
    ("p50_us", "p50, µs"),
    ("p90_us", "p90, µs"),
    ("p99_us", "p99, µs"),
    ("p999_us", "p99.9, µs"),
    ("max_us", "maximum, µs"),
    ("server_cpu_us", "CPU of the server, µs"),
    ("server_user_us", "… in user space"),
    ("server_system_us", "… in the kernel"),
    ("server_system_calls", "system calls of the server"),
    ("postgres_cpu_us", "CPU of PostgreSQL, µs"),
    ("generator_cpu_us", "CPU of the generator, µs"),
    ("slow_requests", "slow requests answered"),
    ("body_mib", "body, MiB"),
    ("seconds", "seconds"),
    ("mib_per_second", "MiB/s"),
    ("first_byte_ms", "first byte, ms"),
    ("peak_growth_mib", "growth of the peak RSS, MiB"),
    ("growth_over_body", "… over the body"),
    ("resident_after_mib", "RSS afterwards, MiB"),
    ("server_cpu_ms", "CPU of the server, ms"),
    ("server_switches", "context switches of the server"),
    ("server_peak_mib", "peak RSS, MiB"),
    ("first_half_max_mib", "most RSS in the first half, MiB"),
    ("second_half_max_mib", "… in the second half"),
    (
        "growth_kib_a_minute",
        "growth in the second half, KiB a minute",
    ),
    ("wrong", "wrong answers"),
    ("disconnects", "connections lost"),
];

/// A table in Markdown of each experiment that is no scenario and has a file in `folder`.
pub fn experiments(folder: &Path) -> io::Result<String> {
    let mut text = String::new();
    for name in experiments::names().filter(|name| Scenario::find(name).is_none()) {
        if let Some(results) = Results::load(folder, name)? {
            let about = experiments::about(name).unwrap_or_default();
            text.push_str(&format!("**{name}**: {about}\n\n{}\n", columns(&results)));
        }
    }
    Ok(text)
}

/// Who took part across, and down what there is of the numbers.
fn columns(results: &Results) -> String {
    let names: Vec<&str> = results.contestants().collect();
    let rule = "---|".repeat(names.len() + 1);
    let mut table = format!("| | {} |\n|{rule}\n", names.join(" | "));
    for (number, title) in TITLES {
        let cells = names.iter().map(|name| results.median(name, number));
        let cells: Vec<String> = cells.map(shown).collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            table.push_str(&format!("| {title} | {} |\n", cells.join(" | ")));
        }
    }
    table
}

/// Both were measured in turn.
fn cost_of_token(results: &Results) -> String {
    let cpu = |contestant: &str| results.median(contestant, "server_cpu_us");
    let cost = |(with, without): (f64, f64)| {
        let cost = rounded(with - without);
        format!("\nA token costs the server {cost} µs per request (goal: at most 5).\n")
    };
    let both = cpu("server").zip(cpu("read_open"));
    both.map(cost).unwrap_or_default()
}

fn row(scenario: &Scenario, results: &Results) -> String {
    let server = |number: &str| results.median("server", number);
    let ceiling = |number: &str| results.median("ceiling", number);
    let of_ceiling = |number: &str| Some(server(number)? / ceiling(number)?);
    let milliseconds = |number: &str| server(number).map(|micros| micros / 1e3);
    let cells = [
        shown(server("requests_per_second")),
        shown(of_ceiling("requests_per_second")),
        shown(milliseconds("p50_us")),
        shown(milliseconds("p99_us")),
        shown(milliseconds("p999_us")),
        shown(server("server_cpu_us")),
        verdict(scenario.goal, results),
        shown(ceiling("pgbench_cpu_us")),
        // Where the database is not asked, what it does is its own business.
        shown(server("postgres_cpu_us").filter(|_| ceiling("postgres_cpu_us").is_some())),
        shown(of_ceiling("postgres_cpu_us")),
    ];
    format!("| {} | {} |\n", scenario.title, cells.join(" | "))
}

fn costs_row(scenario: &Scenario, results: &Results) -> String {
    let cells = [
        "server_user_us",
        "server_system_us",
        "server_system_calls",
        "server_switches",
        "server_peak_mib",
    ]
    .map(|number| shown(results.median("server", number)));
    format!("| {} | {} |\n", scenario.title, cells.join(" | "))
}

fn verdict(goal: Option<Goal>, results: &Results) -> String {
    let (text, reached) = match goal {
        None => return String::new(),
        Some(Goal::ServerCpuUs(most)) => {
            let found = results.median("server", "server_cpu_us");
            (
                format!("≤ {most} µs"),
                found.is_some_and(|found| found <= most),
            )
        }
        Some(Goal::RequestsPerSecond(least)) => {
            let found = results.median("server", "requests_per_second");
            (
                format!("≥ {least}/s"),
                found.is_some_and(|found| found >= least),
            )
        }
    };
    let verdict = if reached { "met" } else { "not met" };
    format!("{text}: {verdict}")
}

fn shown(number: Option<f64>) -> String {
    number.map(rounded).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results() -> Results {
        let text = r#"{
            "ceiling": [{"requests_per_second": 20000, "postgres_cpu_us": 50.0,
                         "pgbench_cpu_us": 11.5}],
            "server": [
                {"requests_per_second": 10000, "p50_us": 3000, "p99_us": 9000, "p999_us": 12000,
                 "server_cpu_us": 20.5, "postgres_cpu_us": 55.0, "server_system_calls": 7.5},
                {"requests_per_second": 99999, "p50_us": 3000, "p99_us": 9000,
                 "server_cpu_us": 25.5, "postgres_cpu_us": 65.0}]
        }"#;
        Results::parse(text.into()).expect("valid")
    }

    #[test]
    fn a_row_compares_medians_with_the_ceiling() {
        let scenario = Scenario::find("point").expect("it is there");
        assert_eq!(
            row(scenario, &results()),
            "| a row by its key | 10000 | 0.500 | 3.000 | 9.000 | 12.0 | 20.5 | ≤ 25 µs: met \
             | 11.5 | 55.0 | 1.100 |\n"
        );
    }

    #[test]
    fn what_was_not_counted_is_an_empty_cell() {
        let scenario = Scenario::find("point").expect("it is there");
        assert_eq!(
            costs_row(scenario, &results()),
            "| a row by its key |  |  | 7.500 |  |  |\n"
        );
    }

    #[test]
    fn a_goal_that_is_not_reached_says_so() {
        let goal = Some(Goal::RequestsPerSecond(60_000.0));
        assert_eq!(verdict(goal, &results()), "≥ 60000/s: not met");
    }

    #[test]
    fn only_numbers_that_somebody_has_are_a_row() {
        let text = r#"{"tcp": [{"p99_us": 900}], "unix socket": [{"p99_us": 800}]}"#;
        let results = Results::parse(text.into()).expect("valid");
        assert_eq!(
            columns(&results),
            "| | tcp | unix socket |\n|---|---|---|\n| p99, µs | 900 | 800 |\n"
        );
    }

    #[test]
    fn a_token_is_compared_with_the_same_without() {
        let text =
            r#"{"server": [{"server_cpu_us": 24.0}], "read_open": [{"server_cpu_us": 20.5}]}"#;
        let both = Results::parse(text.into()).expect("valid");
        assert!(cost_of_token(&both).contains(" 3.500 µs "));
        assert_eq!(cost_of_token(&results()), "");
    }

    #[test]
    fn without_results_there_is_no_row() {
        let nowhere = Path::new("nowhere");
        assert_eq!(
            markdown(nowhere).expect("nothing to read"),
            format!("{HEAD}{COSTS_HEAD}")
        );
    }
}
