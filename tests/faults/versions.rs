//! What was run, and on what.

use corerest_tests::cluster::programs;
use corerest_tests::{pooler, server};
use std::process::Command;

/// Versions of the server and what is around it, and how many processors there were.
pub fn told() -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let parts = [
        first_line(&mut server::command()),
        first_line(&mut Command::new(programs().join("postgres"))),
        first_line(&mut pooler::command()),
        format!("{processors} processors"),
    ];
    parts.join(", ")
}

fn first_line(command: &mut Command) -> String {
    let output = command.arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    text.lines().next().unwrap_or("(not there)").to_owned()
}
