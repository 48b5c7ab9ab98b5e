//! The scripts say how they are called, and are called as they say, also by each other.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Those with arguments that somebody may want to ask for before anything happens.
const EXPLAIN: [&str; 14] = [
    "bare-machine",
    "check",
    "demo",
    "faults",
    "fuzz",
    "install",
    "package",
    "parity",
    "publish",
    "release",
    "soak",
    "test-emulated",
    "test-image",
    "test-package",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts")
}

#[test]
fn help_is_told_and_nothing_else_is_done() {
    for name in EXPLAIN {
        let mut command = Command::new("bash");
        let output = command.arg(folder().join(name)).arg("--help").output();
        let output = output.expect("there is a bash");
        let told = String::from_utf8_lossy(&output.stdout);
        let script = std::fs::read_to_string(folder().join(name)).expect("it is there");
        assert!(output.status.success(), "{name}: {output:?}");
        assert!(output.stderr.is_empty(), "{name}: {output:?}");
        assert!(told.contains(&format!("scripts/{name}")), "{name}: {told}");
        // Of the header, from its first line on, and no line that is none of it.
        for line in told.lines().filter(|line| !line.is_empty()) {
            assert!(script.contains(&format!("# {line}\n")), "{name}: {line}");
        }
    }
}

/// `scripts/parity` once asked for what there was not, and nobody noticed: tests call what is
/// behind it.
#[test]
fn dependencies_are_asked_for_by_names_that_there_are() {
    let asked = "scripts/install-dependencies";
    let known = std::fs::read_to_string(folder().join("install-dependencies"));
    let known = known.expect("it is there");
    let known = known.lines().find_map(|line| {
        let (names, rest) = line.trim().split_once(')')?;
        rest.contains("extent=").then_some(names)
    });
    let known: Vec<&str> = known.expect("it takes some").split(" | ").collect();
    let mut calls = 0;
    for entry in std::fs::read_dir(folder()).expect("it is there") {
        let path = entry.expect("it can be read").path();
        let Ok(script) = std::fs::read_to_string(&path) else {
            continue;
        };
        for line in script.lines().filter(|line| line.starts_with(asked)) {
            calls += 1;
            let mut words = line[asked.len()..].split_whitespace();
            let is_known = |word| known.contains(&word) || word == "\"$@\"";
            assert!(words.all(is_known), "{}: {line}", path.display());
        }
    }
    assert!(calls > 3, "{calls} calls were found");
}
