//! The sources keep the rules of the house that no compiler checks.
//!
//! Each test is one rule. An exception is an entry in a list here, with its reason.

mod uses;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use uses::Uses;

const LINE_CHARS_MAX: usize = 100;

/// Which of our own crates a crate may use.
const WALLS: [(&str, &[&str]); 6] = [
    ("sql", &[]),
    ("wire", &[]),
    ("config", &[]),
    ("api", &["sql", "config"]),
    // The simulation is for their feature `model` alone, and optional.
    ("pg", &["wire", "sql", "config", "simulation"]),
    (
        "server",
        &["sql", "wire", "config", "api", "pg", "simulation"],
    ),
];

/// Crates of which no two files use each other, directly or through others.
const CRATES_WITHOUT_CIRCLES: [&str; 6] = ["sql", "config", "wire", "api", "pg", "server"];

/// The rooms of a crate, floor by floor from the top; a room uses only what is on floors below.
/// A room is a folder with all that lies in it, or a file.
type Floors<'a> = &'a [&'a [&'a str]];

/// The crates whose rooms stand on floors.
const CRATES_WITH_ROOMS: [(&str, Floors<'_>); 2] = [("api", API_ROOMS), ("server", SERVER_ROOMS)];

/// Bottom up, this is the line in ARCHITECTURE.md: what is on its left is below.
const API_ROOMS: Floors<'_> = &[
    &["lib"],
    &["internals"],
    &["exchange"],
    &["console"],
    &["response"],
    &["query"],
    &["plan"],
    &["openapi", "request"],
    &[
        "backends",
        "position",
        "channel",
        "database_config",
        "facts",
        "role_settings",
    ],
    &["catalog", "auth"],
    &["document", "error"],
    &["json"],
];

/// `serving` does not know `cores`: a desk hands it what it may use.
const SERVER_ROOMS: Floors<'_> = &[
    &["main"],
    &["check"],
    &["boot"],
    &["admin", "control", "ready"],
    &["cores"],
    &["serving"],
    &["observing", "state", "exit"],
    &["auth", "log", "net", "cli"],
    &["sync"],
];

/// Files that may switch a lint off, in an attribute of several lines with its reason. Elsewhere
/// the code changes, not the lint.
const LINTS_OFF: [&str; 2] = ["perf/bench.rs", "perf/load.rs"];

/// Where `unsafe` may be written.
const UNSAFE: [&str; 2] = ["src/wire/", "src/server/net/"];

struct Source {
    /// From the root of the repository.
    path: String,
    text: String,
}

impl Source {
    /// The text before the first test module.
    fn without_tests(&self) -> &str {
        self.text
            .split("\n#[cfg(test)]\nmod tests {")
            .next()
            .unwrap_or_default()
    }

    fn is_tests(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        self.path.contains("/tests/") || name.ends_with("tests.rs") || !self.path.starts_with("src")
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are in the repository")
}

fn files(folders: &[&str], extension: &str) -> Vec<Source> {
    let mut pending: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut sources = Vec::new();
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_built = path.ends_with("target");
            if path.is_dir() && !is_built {
                pending.push(path);
            } else if path.extension().is_some_and(|it| it == extension) {
                let text = std::fs::read_to_string(&path).expect("sources are UTF-8");
                let path = path.strip_prefix(root()).expect("it is below").to_owned();
                sources.push(Source {
                    path: path.to_string_lossy().into_owned(),
                    text,
                });
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn rust() -> Vec<Source> {
    let sources = files(&["src", "tests", "perf"], "rs");
    assert!(
        sources.len() > 50,
        "the sources are not where they should be"
    );
    sources
}

#[track_caller]
fn report(rule: &str, offenders: Vec<String>) {
    assert!(
        offenders.is_empty(),
        "{rule}:\n  {}",
        offenders.join("\n  ")
    );
}

/// The lines that contain one of the words, as `path:line: word`.
fn lines_with(sources: &[Source], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        for (index, line) in source.text.lines().enumerate() {
            let word = words.iter().find(|word| line.contains(**word));
            found.extend(word.map(|word| format!("{}:{}: {word}", source.path, index + 1)));
        }
    }
    found
}

fn src() -> Vec<Source> {
    rust()
        .into_iter()
        .filter(|source| source.path.starts_with("src/"))
        .collect()
}

/// The sources of the server without those of their tests.
fn outside_tests() -> Vec<Source> {
    let sources = src().into_iter().filter(|source| !source.is_tests());
    let sources = sources.map(|source| Source {
        text: source.without_tests().to_owned(),
        path: source.path,
    });
    sources.collect()
}

#[test]
fn crates_use_only_what_the_table_allows() {
    let mut offenders = Vec::new();
    for (name, allowed) in WALLS {
        let path = root().join("src").join(name).join("Cargo.toml");
        let manifest = std::fs::read_to_string(path).expect("each crate has one");
        let own = manifest
            .lines()
            .filter_map(|line| line.strip_prefix("corerest-"));
        for used in own.filter_map(|line| line.split(['.', ' ', '=']).next()) {
            if !allowed.contains(&used) {
                offenders.push(format!("{name} uses {used}"));
            }
        }
    }
    report("a crate reaches through a wall", offenders);
}

#[test]
fn rooms_use_only_what_is_below() {
    let mut offenders = Vec::new();
    let tables = CRATES_WITH_ROOMS.iter();
    for (name, floors) in tables.filter(|(_, floors)| !floors.is_empty()) {
        offenders.extend(uses_upwards(
            name,
            &Uses::of_crate(&crate_folder(name)),
            floors,
        ));
    }
    report("a room uses what is not on a floor below", offenders);
}

/// The uses of a crate that lead to the same floor or upwards, and the files that have no room.
fn uses_upwards(name: &str, uses: &Uses, floors: Floors<'_>) -> Vec<String> {
    let room = |file: &str| {
        let room = file.split(['/', '.']).next().unwrap_or_default().to_owned();
        let floor = floors.iter().position(|rooms| rooms.contains(&&*room));
        (floor, room)
    };
    let mut offenders = Vec::new();
    for (file, used) in &uses.of {
        let (Some(floor), own) = room(file) else {
            offenders.push(format!("{name}/{file} has no room"));
            continue;
        };
        for (other, path) in used {
            let (other_floor, other_room) = room(other);
            if own != other_room && other_floor.is_some_and(|other| other <= floor) {
                offenders.push(format!("{name}/{file} uses {other} ({path})"));
            }
        }
    }
    offenders
}

fn crate_folder(name: &str) -> PathBuf {
    root().join("src").join(name)
}

#[test]
fn no_circle_of_files() {
    let mut offenders = Vec::new();
    for name in CRATES_WITHOUT_CIRCLES {
        let circles = Uses::of_crate(&crate_folder(name)).circles();
        let circles = circles.iter();
        offenders.extend(circles.map(|circle| format!("{name}: {}", circle.join("\n      "))));
    }
    report("files that use each other", offenders);
}

#[test]
fn lines_are_short() {
    let mut offenders = Vec::new();
    for source in rust() {
        for (index, line) in source.text.lines().enumerate() {
            if line.chars().count() > LINE_CHARS_MAX {
                offenders.push(format!("{}:{}", source.path, index + 1));
            }
        }
    }
    report("longer than 100 columns", offenders);
}

#[test]
fn files_say_what_they_are() {
    let offenders = rust().into_iter().filter(|source| {
        let head = source
            .text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .count();
        head == 0 && !source.path.contains("/fuzz_targets/")
    });
    let offenders = offenders.map(|source| source.path).collect();
    report("files that do not begin with //!", offenders);
}

#[test]
fn files_are_named_by_a_noun() {
    let vague = ["utils", "util", "common", "helpers", "helper", "misc"];
    let offenders = rust()
        .into_iter()
        .map(|source| source.path)
        .filter(|path| path.split(['/', '.']).any(|part| vague.contains(&part)));
    report("names that say nothing", offenders.collect());
}

#[test]
fn nothing_unfinished_lands() {
    // In pieces, for this file is a source as well.
    let words = [
        concat!("todo", "!("),
        concat!("dbg", "!("),
        concat!("unimplemented", "!("),
        concat!("FIX", "ME"),
        concat!("#[ig", "nore"),
        concat!("TO", "DO"),
    ];
    report("unfinished", lines_with(&rust(), &words));
}

#[test]
fn tests_do_not_sleep_and_hope() {
    let word = concat!("thread::", "sleep");
    let tests = rust()
        .into_iter()
        .filter(|source| !source.path.starts_with("perf/"));
    let mut offenders = Vec::new();
    for source in tests {
        let text = match source.is_tests() {
            true => &source.text[..],
            false => &source.text[source.without_tests().len()..],
        };
        if text.contains(word) {
            offenders.push(source.path.clone());
        }
    }
    report("tests that sleep", offenders);
}

#[test]
fn unsafe_code_is_where_it_may_be() {
    let word = concat!("un", "safe ");
    let offenders = lines_with(&src(), &[word]).into_iter().filter(|line| {
        let is_allowed = UNSAFE.iter().any(|folder| line.starts_with(folder));
        !is_allowed
    });
    let offenders = offenders.filter(|line| !is_comment(line)).collect();
    report("unsafe code", offenders);
}

/// Whether the line that `lines_with` found is a comment.
fn is_comment(found: &str) -> bool {
    let mut parts = found.split(':');
    let (Some(path), Some(Ok(line))) = (parts.next(), parts.next().map(str::parse::<usize>)) else {
        return false;
    };
    let text = std::fs::read_to_string(root().join(path)).expect("it was just read");
    text.lines()
        .nth(line - 1)
        .is_some_and(|line| line.trim_start().starts_with("//"))
}

/// Whoever writes there waits for whoever reads.
#[test]
fn only_the_log_writes_to_the_standard_outputs() {
    let words = [
        concat!("std", "out()"),
        concat!("std", "err()"),
        concat!("print", "ln!("),
        concat!("eprint", "ln!("),
    ];
    // What the command line shows is not the log, and to ask whether there is one is not to write.
    let allowed = [
        "src/server/net/standard_output.rs",
        "src/server/log/stream.rs",
        "src/server/cli.rs",
        "src/server/boot/mod.rs",
    ];
    let offenders = lines_with(&src(), &words).into_iter();
    let offenders = offenders.filter(|line| !is_comment(line));
    let offenders = offenders.filter(|line| !allowed.iter().any(|file| line.starts_with(file)));
    report("writes to a standard output", offenders.collect());
}

#[test]
fn catalog_sql_is_made_in_one_place() {
    let offenders = lines_with(&src(), &["CatalogSql::from_postgresql"]).into_iter();
    let offenders = offenders
        .filter(|line| !line.starts_with("src/api/catalog/text.rs") && !is_comment(line))
        .filter(|line| !line.starts_with("src/sql/"));
    report("CatalogSql made elsewhere", offenders.collect());
}

/// The file says what is left to the search path of a request, and why.
#[test]
fn what_is_looked_up_in_the_search_path_is_in_one_place() {
    let offenders = lines_with(&src(), &["sql_text_by_path!("]).into_iter();
    let offenders = offenders
        .filter(|line| !line.starts_with("src/api/query/by_path.rs") && !is_comment(line))
        .filter(|line| !line.starts_with("src/sql/"));
    report("SQL by the search path elsewhere", offenders.collect());
}

/// The readers of `simd_json` that build a tree recurse as deep as the text is nested, and a
/// function of the database would end the process by it. `Json::parse` has a limit.
#[test]
fn json_is_read_without_endless_recursion() {
    let words = [
        "to_owned_value",
        "to_borrowed_value",
        "OwnedValue",
        "BorrowedValue",
    ];
    report("trees of any depth", lines_with(&outside_tests(), &words));
}

#[test]
fn sql_is_not_formatted() {
    let verbs = [
        "SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "SET ", "BEGIN", "LISTEN", "CALL",
    ];
    let words: Vec<String> = verbs
        .iter()
        .map(|verb| format!("format!(\"{verb}"))
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    report("SQL from format!", lines_with(&outside_tests(), &words));
}

#[test]
fn lints_are_switched_off_only_where_listed() {
    let mut offenders = Vec::new();
    for source in rust() {
        for (index, line) in source.text.lines().enumerate() {
            let code = line.trim_start();
            let lint = code
                .strip_prefix("#[allow(")
                .or_else(|| code.strip_prefix("#![allow("));
            if let Some(lint) = lint
                && !(lint.is_empty() && LINTS_OFF.contains(&&*source.path))
            {
                offenders.push(format!("{}:{}: {code}", source.path, index + 1));
            }
        }
    }
    report("allow(…): `expect` with a reason says more", offenders);
}

#[test]
fn the_project_speaks_of_itself_alone() {
    let mut sources = rust();
    sources.extend(files(&["src", "tests", "perf"], "toml"));
    sources.extend(
        files(&["", "docs", "tests"], "md")
            .into_iter()
            .filter(|source| !source.path.starts_with("target/")),
    );
    sources.extend(files(&["tests"], "sql"));
    sources.extend(files(&["tests"], "case"));
    let words = [
        concat!("/wo", "rk/"),
        concat!("/tmp/", "brief"),
        concat!("PGRST_", "UPSTREAM"),
        concat!("work", "place"),
    ];
    let offenders = lines_with(&sources, &words).into_iter().filter(|line| {
        !(line.contains("UPSTREAM") && line.split(':').next().is_some_and(|p| p.ends_with(".md")))
    });
    report("words about other things", offenders.collect());
}

#[test]
fn every_error_code_has_a_case() {
    let cases: String = files(&["tests/cases"], "case")
        .into_iter()
        .map(|file| file.text)
        .collect();
    let later: BTreeMap<&str, &str> = BTreeMap::from([
        ("PGRST000", "postgres_away.rs"),
        ("PGRST001", "postgres_away.rs"),
        ("PGRST002", "postgres_away.rs"),
        ("PGRST003", "parking.rs"),
        ("PGRST120", "PostgREST documents it, and does not give it"),
        ("PGRSTX01", "memory.rs"),
        ("PGRSTX02", "jwks.rs"),
        ("PGRSTX03", "uploads.rs"),
        ("PGRSTX04", "uploads.rs"),
        ("PGRSTX05", "memory.rs"),
        ("PGRSTX10", "events.rs"),
        ("PGRSTX11", "events.rs"),
        ("PGRSTX12", "events.rs"),
        ("PGRSTX13", "events.rs"),
        ("PGRSTX00", "only a bug of the server gives it"),
    ]);
    let offenders = corerest_api::internals::error_codes()
        .filter(|code| !cases.contains(code) && !later.contains_key(code));
    report(
        "error codes without a case",
        offenders.map(str::to_owned).collect(),
    );
}
