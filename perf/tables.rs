//! The table of all scenarios, from the raw results that are kept beside it.
//!
//! It is made of the files, not of the run: a scenario that is measured again replaces its row.

use std::io;
use std::path::Path;

use crate::report::rounded;
use crate::results::Results;
use crate::scenario::{Goal, SCENARIOS, Scenario};

const HEAD: &str = "\
| scenario | requests/s | of the ceiling | p50, ms | p99, ms | p99.9, ms | CPU of the server, µs \
| goal | CPU of PostgreSQL, µs | of that in the ceiling (goal: ≤ 1.1) |
|---|---|---|---|---|---|---|---|---|---|
";
const COSTS_HEAD: &str = "
What a request takes of the server (system calls are counted in a second of their own):

| scenario | CPU in user space, µs | in the kernel, µs | system calls | context switches | RSS, MiB |
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
            "ceiling": [{"requests_per_second": 20000, "postgres_cpu_us": 50.0}],
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
             | 55.0 | 1.100 |\n"
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
