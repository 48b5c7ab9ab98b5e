//! What the book says is so: its made parts are as they would be made today, its links lead
//! somewhere, and its commands, statements and files are given to whom they are for.

mod made;
mod page;
mod stage;

use corerest_documents::links;
use page::{Block, Page};
use stage::Stage;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Pages beside those of the book.
const BESIDE: [&str; 6] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "SECURITY.md",
    "benchmark.md",
];

/// Beginnings of lines that are not run, and why.
const NOT_RUN: [(&str, &str); 28] = [
    ("git clone", "needs the network"),
    ("cd corerest", "the same"),
    ("cargo build", "this test has built it"),
    ("UPDATE=1", "it writes what tests compare"),
    ("install ", "changes the machine"),
    ("apt install", "scripts/test-package does that"),
    ("rustup", "changes the machine"),
    ("useradd", "changes the machine"),
    ("tar -xzf", "tests/it/package.rs looks into it"),
    ("cd target/package", "tests/it/package.rs makes packages"),
    ("git tag", "changes the repository"),
    ("podman", "scripts/test-image does that, as root"),
    ("docker", "scripts/test-image has podman-compose do it"),
    ("promtool", "tests/it/alerts.rs runs it, where there is one"),
    ("scripts/bench", "takes 25 minutes"),
    ("scripts/check", "runs this test's like"),
    ("scripts/demo", "scripts/bare-machine runs it"),
    ("scripts/install", "tests/it/install.rs runs it"),
    ("scripts/package", "tests/it/package.rs runs it"),
    ("scripts/publish", "runs this test, and needs a tag"),
    ("scripts/parity", "tests/it/parity.rs runs it"),
    ("scripts/release", "takes ten minutes"),
    ("scripts/test-package", "needs root and a minute"),
    ("scripts/test", "runs this test"),
    ("PGRST_DB_URI=", "the demo of README; needs its database"),
    ("COREREST_BIN=", "takes 25 minutes"),
    ("systemctl", "needs a machine with a systemd that runs"),
    ("journalctl", "the same"),
];

fn root() -> &'static Path {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("the tests are in the repository")
}

/// The pages of the book in its order, and those beside it.
fn pages() -> Vec<Page> {
    let summary = std::fs::read_to_string(root().join("docs/SUMMARY.md")).expect("it is there");
    let names = summary.split("](").skip(1);
    let names = names.filter_map(|rest| Some(format!("docs/{}", rest.split_once(')')?.0)));
    let beside = BESIDE.iter().map(|name| (*name).to_owned());
    names
        .chain(beside)
        .map(|name| Page::read(root(), &name))
        .collect()
}

#[test]
fn the_book_has_all_its_pages() {
    let in_summary: BTreeSet<PathBuf> =
        pages().iter().map(|page| root().join(&page.name)).collect();
    for entry in std::fs::read_dir(root().join("docs")).expect("it is there") {
        let path = entry.expect("it can be read").path();
        let is_page = path.extension().is_some_and(|it| it == "md");
        let is_listed = in_summary.contains(&path) || path.ends_with("SUMMARY.md");
        assert!(!is_page || is_listed, "{}", path.display());
    }
}

/// And what is called by its name is there.
#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    let beyond = ["perf/sql/README.md", "tests/README.md"].map(str::to_owned);
    for name in pages().into_iter().map(|page| page.name).chain(beyond) {
        let file = root().join(name);
        let found = links::broken_in_markdown(&file, root());
        broken.extend(found.expect("it can be read"));
        let missing = links::missing_sources(&file, root());
        broken.extend(missing.expect("it can be read"));
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// Names of packages and images have a version, which is this one.
#[test]
fn what_is_installed_has_the_version_of_today() {
    let version = env!("CARGO_PKG_VERSION");
    let is_number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    let mut seen = 0;
    for page in pages().iter().filter(|page| page.name != "CHANGELOG.md") {
        let text = std::fs::read_to_string(root().join(&page.name)).expect("it is there");
        for (index, line) in text.lines().enumerate() {
            for before in ["corerest_", "corerest-", "corerest:"] {
                for named in line.split(before).skip(1).filter(|rest| is_number(rest)) {
                    seen += 1;
                    let place = format!("{}:{}", page.name, index + 1);
                    assert!(named.starts_with(version), "{place}: {before}{named}");
                }
            }
        }
    }
    assert!(seen > 5, "{seen} names were found");
}

/// Whether a block is among those that are not run. All of its lines are, or none.
fn is_not_run(block: &Block, seen: &mut BTreeSet<&str>) -> bool {
    let mut listed = 0;
    let lines = block.commands();
    for line in &lines {
        if let Some((start, _)) = NOT_RUN.iter().find(|(start, _)| line.starts_with(start)) {
            seen.insert(start);
            listed += 1;
        }
    }
    assert!(
        listed == 0 || listed == lines.len(),
        "{}: some of these lines are run, and some are not",
        block.place
    );
    listed > 0
}

/// One story from the first page to the last: what one page has made, the next ones find.
#[test]
fn what_the_book_tells_to_do_can_be_done() {
    let mut stage = Stage::new(root());
    let mut seen = BTreeSet::new();
    for page in pages() {
        let mut blocks = page.blocks.iter().peekable();
        while let Some(block) = blocks.next() {
            match &*block.language {
                "sh" if stage.starts_the_server(block) => stage.start_server(block),
                "sh" if is_not_run(block, &mut seen) => {}
                "sh" => {
                    let answers = ["json", "text"];
                    let answer = blocks.next_if(|next| answers.contains(&&*next.language));
                    stage.run(block, answer);
                }
                "sql" => stage.sql(block),
                "ini" => stage.configuration(block),
                "nginx" => stage.nginx(block),
                "haproxy" => stage.haproxy(block),
                "yaml" => stage.yaml(block),
                // Figures and maps.
                "" => {}
                // tests/it/browser.rs has a browser do the like.
                "js" => {}
                // Of ARCHITECTURE and tests, which compile.
                "rust" => {}
                other => panic!("{}: what is to be done with {other}?", block.place),
            }
        }
    }
    stage.end();
    let unused: Vec<&str> = NOT_RUN
        .iter()
        .map(|(start, _)| *start)
        .filter(|start| !seen.contains(start))
        .collect();
    assert!(unused.is_empty(), "in the list, and in no page: {unused:?}");
}
