//! The parts of pages that are made: `UPDATE=1 cargo test -p corerest-documents` writes them.

use crate::root;
use corerest_documents::keys_in_markdown;
use corerest_tests::cluster::Cluster;
use corerest_tests::server::Server;

/// Compares what stands behind the mark of a page, or writes it.
fn check(page: &str, made: &str) {
    let path = root().join(page);
    let text = std::fs::read_to_string(&path).expect("it is there");
    let (head, _) = text.split_once("<!-- Made from ").expect("it has a mark");
    let mark = text[head.len()..].split_inclusive('\n').next();
    let expected = format!("{head}{}{made}", mark.unwrap_or_default());
    if std::env::var_os("UPDATE").is_some_and(|it| !it.is_empty()) {
        // Other tests read it meanwhile.
        let new = path.with_extension("new");
        std::fs::write(&new, expected).expect("it can be written");
        std::fs::rename(new, path).expect("it is in the same folder");
    } else {
        assert!(
            text == expected,
            "{page} is not as it would be made: UPDATE=1 cargo test -p corerest-documents"
        );
    }
}

#[test]
fn the_page_of_keys_is_the_table_of_keys() {
    check("docs/configuration.md", &keys_in_markdown());
}

#[test]
fn the_page_of_metrics_is_what_the_server_tells() {
    let server = Server::start(&Cluster::shared().database(), &[]);
    let mut admin = server.admin();
    let answer = admin.get("/metrics");
    admin.leave("it has said all");
    server.stop();
    let mut made = String::from("\n| metric | type | meaning |\n|---|---|---|\n");
    let mut help = ("", "");
    for line in answer.text().lines() {
        if let Some(told) = line.strip_prefix("# HELP ") {
            help = told.split_once(' ').expect("a name and its help");
        } else if let Some((name, kind)) = line
            .strip_prefix("# TYPE ")
            .and_then(|told| told.split_once(' '))
        {
            assert_eq!(name, help.0, "the help of a metric stands before its type");
            made.push_str(&format!("| `{name}` | {kind} | {} |\n", help.1));
        }
    }
    check("docs/metrics.md", &made);
}

/// The first cells of a row of numbers, by its scenario, and the CPU time.
fn numbers(text: &str) -> Vec<(String, String)> {
    let rows = text.lines().filter(|line| line.starts_with("| "));
    let rows = rows.filter_map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let (scenario, numbers) = cells.split_first()?;
        let is_number = |cell: &&str| cell.starts_with(|letter: char| letter.is_ascii_digit());
        let cpu = if numbers.len() == 5 { 4 } else { 5 };
        let numbers = [&numbers[..4.min(numbers.len())], &[*numbers.get(cpu)?]].concat();
        let name = scenario.replace("the same with", "a row by its key, with");
        (numbers.iter().all(is_number)).then(|| (name, numbers.join(" ")))
    });
    rows.collect()
}

#[test]
fn the_numbers_of_the_readme_are_those_of_the_benchmark() {
    let read = |name: &str| std::fs::read_to_string(root().join(name)).expect("it is there");
    let (benchmark, readme) = (read("benchmark.md"), read("README.md"));
    let (_, scenarios) = benchmark
        .split_once("## All scenarios")
        .expect("it has that part");
    let (known, told) = (numbers(scenarios), numbers(&readme));
    assert!(told.len() > 4, "{told:?}");
    for row in told {
        assert!(known.contains(&row), "{row:?}");
    }
}
