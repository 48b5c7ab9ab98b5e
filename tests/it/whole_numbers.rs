//! Every key whose value is a whole number, at the ends: the server starts with it, or ends with a
//! message that names the key.

use corerest_config::{KEYS, Kind, Origin};
use corerest_tests::cluster::{Cluster, Database};
use corerest_tests::server::Server;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many servers are started at a time.
const STARTING: usize = 6;

/// The keys whose values are whole numbers. Those of PostgREST's own tests exist to hold the server
/// up for that time, and which ports may be had is the machine's business.
fn integer_keys() -> Vec<&'static str> {
    let keys = KEYS
        .iter()
        .filter(|key| key.kind == Kind::Integer && key.origin != Origin::PostgRestTests);
    keys.map(|key| key.name)
        .filter(|name| !name.ends_with("-port"))
        .collect()
}

/// What became of a server that was started with a value.
enum Start {
    Answered,
    /// It ended with a message; this is the greatest value, if the message tells it.
    Refused(Option<String>),
    Wrong(String),
}

fn start_with(database: &Database, key: &str, value: &str) -> Start {
    let uri = database.uri();
    let mut server = Server::spawn(&[("db-uri", &uri), ("db-pool", "2"), (key, value)]);
    let place = format!("{key}={value}");
    let listens = |line: &str| line.contains("API server listening on ").then_some(());
    if server.stderr.find(listens).is_none() {
        if !server.stderr.has_ended() {
            return Start::Wrong(format!("{place}: it neither ends nor listens"));
        }
        let (status, log) = (server.await_exit(), server.stderr.whole());
        if status.code() != Some(1) || !log.contains(key) || log.contains("panicked") {
            return Start::Wrong(format!("{place}: {status}: {log}"));
        }
        let greatest = log.split(" and ").nth(1);
        let greatest = greatest.and_then(|rest| rest.split_whitespace().next());
        return Start::Refused(greatest.map(str::to_owned));
    }
    server.await_listening();
    let mut client = server.client();
    let answer = client.try_exchange("GET", "/no/such/path", &[]);
    let log = server.stderr.text();
    if answer.is_err() || !server.is_running() || log.contains("panicked") {
        return Start::Wrong(format!("{place}: {answer:?}: {log}"));
    }
    server.signal(rustix::process::Signal::TERM);
    let is_patient = key == "server-shutdown-grace";
    if is_patient {
        // It may be an hour, which ends with the second one.
        server.stderr.wait_for("Received termination unix signal");
        server.signal(rustix::process::Signal::TERM);
    }
    let status = server.await_exit();
    match status.code() {
        Some(0) => Start::Answered,
        Some(1) if is_patient => Start::Answered,
        _ => Start::Wrong(format!("{place}: {status}: {}", server.stderr.text())),
    }
}

/// Starts it with the least values and the greatest, and says what was wrong.
fn check_key(database: &Database, key: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let greatest = i64::MAX.to_string();
    for value in ["0", "1", &greatest] {
        let start = start_with(database, key, value);
        let start = match start {
            Start::Refused(Some(max)) if value == greatest => start_with(database, key, &max),
            start => start,
        };
        if let Start::Wrong(why) = start {
            wrong.push(why);
        }
    }
    wrong
}

#[test]
fn every_whole_number_is_accepted_or_refused_by_name_at_its_ends() {
    let database = Cluster::shared().database();
    let keys = integer_keys();
    assert!(keys.len() > 10, "{keys:?}");
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..STARTING {
            scope.spawn(|| {
                while let Some(key) = keys.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = check_key(&database, key);
                    wrong.lock().expect("nobody panics with it").extend(found);
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("nobody panics with it");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
