//! The differential mode of `scripts/parity`, tried on two of our own servers: equal ones give
//! equal answers to everything that it asks, and one that is not equal is found out.

use corerest_parity::catalog::Catalog;
use corerest_parity::cli;
use corerest_parity::connection::{Base, Connection};
use corerest_parity::json::Json;
use corerest_parity::report::Report;
use corerest_parity::requests::{Choice, Kind, Request, generate};
use corerest_parity::run::{Outcomes, rolls_back, run};
use corerest_tests::client::Address;
use corerest_tests::cluster::{Cluster, Database};
use corerest_tests::server::Server;
use std::time::Duration;

/// So many of the requests for the fixture, which are some ten thousand.
const REQUESTS: usize = 1500;
/// What takes long, or is large, or runs a program, or counts on when it is asked.
const SKIPPED: [&str; 8] = [
    "huge",
    "naps",
    "lines",
    "count_up",
    "short_nap",
    "next_number",
    "numbers",
    "request",
];

fn choice(limit: usize) -> Choice {
    Choice {
        schemas: vec!["api".to_owned(), "other".to_owned()],
        profile: None,
        only: None,
        skip: SKIPPED.map(str::to_owned).to_vec(),
        seed: 1,
        limit: Some(limit),
    }
}

fn catalog(database: &Database) -> Catalog {
    let choice = choice(0);
    Catalog::read(&database.superuser_uri(), &choice.schemas).expect("it is a database")
}

fn connection(server: &Server) -> Connection {
    let Address::Tcp(address) = server.address() else {
        panic!("it listens on a port");
    };
    let base = Base::parse(&format!("http://{address}")).expect("it is a URL");
    Connection::new(base, Duration::from_secs(30))
}

fn compare(requests: Vec<Request>, ours: &Server, others: &Server) -> (Outcomes, String) {
    let (mut ours, mut others) = (connection(ours), connection(others));
    for server in [&mut ours, &mut others] {
        assert_eq!(rolls_back(server, &requests, None), Ok(true));
    }
    let outcomes = run(requests, None, &mut ours, &mut others);
    let report = Report {
        ours: ours.base(),
        others: others.base(),
        token: None,
        shown: 10,
    };
    let text = report.text(&outcomes);
    (outcomes, text)
}

const ROLLING_BACK: [(&str, &str); 1] = [("db-tx-end", "commit-allow-override")];

#[test]
fn two_copies_of_the_server_give_the_same_answers_to_everything() {
    let (one, other) = (Cluster::shared().database(), Cluster::shared().database());
    let requests = generate(&catalog(&one), &choice(REQUESTS));
    assert_eq!(requests.len(), REQUESTS);
    let ours = Server::start(&one, &ROLLING_BACK);
    let others = Server::start(&other, &ROLLING_BACK);
    let (outcomes, text) = compare(requests, &ours, &others);
    assert!(outcomes.differences.is_empty(), "{text}");
    for kind in Kind::ALL {
        let counts = outcomes.counts.get(&kind).copied().unwrap_or_default();
        assert!(counts.asked > 0, "{kind}");
        assert_eq!(counts.unsteady, 0, "{kind}");
    }
    // Two servers that refuse everything would be equal as well.
    for status in ["200", "201", "204", "206", "400", "404", "406"] {
        let count = outcomes.statuses.get(status).copied().unwrap_or_default();
        assert!(count > 10, "{status}: {text}");
    }
    // And nothing has been written.
    let seeds = "select count(*)::text from api.seeds";
    assert_eq!(
        (one.one(seeds), other.one(seeds)),
        ("3".to_owned(), "3".to_owned())
    );
    ours.stop();
    others.stop();
}

#[test]
fn a_server_that_answers_otherwise_is_found_out() {
    let (one, other) = (Cluster::shared().database(), Cluster::shared().database());
    other.run("update api.plants set name = 'Oak' where id = 1; drop table api.portraits");
    let ours = Server::start(&one, &ROLLING_BACK);
    let others = Server::start(&other, &[ROLLING_BACK[0], ("db-max-rows", "2")]);
    let (status, text) = program(&one, [&ours, &others], &["--limit", "300"]);
    assert_eq!(status, 1, "{text}");
    for shown in [
        "curl -i -g 'http://127.0.0.1:",
        "CoreREST: 200",
        "(not listed in docs/differences.md)",
        "answers differ in ways that docs/differences.md does not list",
    ] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    let (_, json) = program(
        &one,
        [&ours, &others],
        &["--limit", "300", "--format", "json"],
    );
    assert!(Json::parse(&json).is_some(), "{json}");
    ours.stop();
    others.stop();
}

#[test]
fn nothing_is_written_where_nothing_is_rolled_back() {
    let database = Cluster::shared().database();
    let server = Server::start(&database, &[]);
    let before = database.one("select sum(xmin::text::bigint)::text from api.seeds");
    let both = [&server, &server];
    let (status, text) = program(&database, both, &["--limit", "200", "--profile", "api"]);
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("does not roll back on demand"), "{text}");
    assert!(text.contains("writes, rolled back          0"), "{text}");
    let after = database.one("select sum(xmin::text::bigint)::text from api.seeds");
    assert_eq!(before, after);
    // And where the database or a server cannot be asked, nothing is said of either.
    let (status, text) = program(&database, both, &["--schemas", "no_such_schema"]);
    assert_eq!(
        (status, text.contains("nothing to ask for")),
        (2, true),
        "{text}"
    );
    let (status, text) = program(&database, both, &["--no-such-option"]);
    assert_eq!(
        (status, text.contains("no-such-option")),
        (2, true),
        "{text}"
    );
    server.stop();
}

/// The program as it is called: its exit status and what it says.
fn program(database: &Database, [ours, others]: [&Server; 2], options: &[&str]) -> (u8, String) {
    let url = |server: &Server| connection(server).base().to_string();
    let (ours, others, uri) = (url(ours), url(others), database.superuser_uri());
    let mut words = vec!["--ours", &ours, "--against", &others, "--db", &uri];
    if !options.contains(&"--schemas") {
        words.extend(["--schemas", "api,other"]);
    }
    for name in SKIPPED {
        words.extend(["--skip", name]);
    }
    words.extend(options);
    let (mut out, mut complaints) = (Vec::new(), Vec::new());
    let status = cli::run(&words, &mut out, &mut complaints);
    out.extend(complaints);
    (status, String::from_utf8(out).expect("it is text"))
}
