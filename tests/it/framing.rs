//! A corpus of attacks on where a request ends: the server alone, and behind proxies that may
//! read the bytes in another way.
//!
//! Each case is some bytes, and behind them a canary: a request with an answer that nobody else
//! gets. The answers before it are known exactly, and the canary is either answered rightly or not
//! at all. The notation stands in [`corpus`], the cases in `cases/framing`.
//! `cargo test … framing:: -- --nocapture` shows the table that is in `tests/README.md`.

mod corpus;
mod talk;

use corerest_fuzz::http_in_any_pieces;
use corerest_tests::client::{Address, request};
use corerest_tests::cluster::Cluster;
use corerest_tests::front::{Front, Program};
use corerest_tests::server::Server;
use corerest_tests::waiting::until;
use corpus::{Case, End};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use talk::Talk;

/// How many cases there have to be.
const CASES_MIN: usize = 500;

/// So many clients attack at a time.
const ATTACKERS: usize = 16;

/// So often at least each canary asks; mostly it is some ten thousand times.
const CANARIES_MIN: usize = 100;

/// What a proxy answers when the server has ended the connection on which it asked.
const PROXYS_OWN: [u16; 3] = [502, 503, 504];

fn cases() -> &'static [Case] {
    static CASES: OnceLock<Vec<Case>> = OnceLock::new();
    CASES.get_or_init(|| corpus::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/framing")))
}

/// A server that goes on with what it does for a client that says that it has finished sending,
/// and logs every request.
fn start() -> Server {
    let settings = [
        ("db-schemas", "api"),
        ("log-level", "info"),
        ("server-cancel-on-disconnect", "false"),
    ];
    Server::start(&Cluster::shared().database(), &settings)
}

/// The request behind a case, and its answer.
fn canary(number: usize) -> (String, String) {
    let request = format!("GET /numbers?select=n&n=eq.{number:04} HTTP/1.1\r\nHost: a\r\n\r\n");
    (request, format!("[{{\"n\":{number}}}]"))
}

/// Has each case done by one of several threads. Returns what was wrong.
fn for_each_case(work: impl Fn(&Case) -> Result<(), String> + Sync) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut wrong = Vec::new();
        while let Some(case) = cases().get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = work(case) {
                wrong.push(format!("{}\n  {error}", case.title));
            }
        }
        wrong
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..ATTACKERS).map(|_| scope.spawn(run)).collect();
        let results = threads.into_iter().map(|thread| thread.join());
        results
            .flat_map(|wrong| wrong.expect("see above"))
            .collect()
    })
}

#[track_caller]
fn expect_none(wrong: &[String]) {
    let count = wrong.len();
    assert!(wrong.is_empty(), "{}\n{count} are wrong", wrong.join("\n"));
}

#[test]
fn there_are_cases_of_all_kinds() {
    assert!(cases().len() >= CASES_MIN, "{} cases", cases().len());
    let ends = |end| {
        cases()
            .iter()
            .filter(|case| case.outcome.end == end)
            .count()
    };
    assert!(ends(End::Open) > CASES_MIN / 10 && ends(End::Close) > CASES_MIN / 10);
}

#[test]
fn wherever_the_bytes_are_cut_they_mean_the_same() {
    for case in cases().iter().filter(|case| case.is_short()) {
        let mut bytes = case.bytes.clone();
        bytes.extend(canary(case.number).0.bytes());
        http_in_any_pieces(&bytes);
    }
}

#[test]
fn every_attack_has_the_outcome_it_must_have() {
    let server = start();
    expect_none(&for_each_case(|case| {
        check_direct(&server, case, usize::MAX)
    }));
    expect_none(&for_each_case(|case| match case.is_short() {
        true => check_direct(&server, case, 1),
        false => Ok(()),
    }));
    server.client().expect_usable();
    server.stop();
}

/// Sends a case and its canary in pieces of so many bytes, and compares all that comes back.
fn check_direct(server: &Server, case: &Case, piece: usize) -> Result<(), String> {
    let (request, body) = canary(case.number);
    let mut bytes = case.bytes.clone();
    bytes.extend(request.bytes());
    let mut talk = Talk::start(server.address());
    talk.send(&bytes, piece);
    let expected = &case.outcome.answers;
    let is_answered = case.outcome.end == End::Open;
    let wanted = expected.len() + usize::from(is_answered);
    if case.outcome.end != End::Close {
        talk.read_answers(wanted)?;
        talk.finish();
    }
    let answers = talk.read_answers(usize::MAX)?;
    let got: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    let mut statuses: Vec<u16> = expected.iter().map(|answer| answer.status).collect();
    statuses.extend(is_answered.then_some(200));
    if got != statuses {
        return Err(format!("in pieces of {piece}: {got:?}, not {statuses:?}"));
    }
    for (answer, expected) in answers.iter().zip(expected) {
        // ASCII text is escaped in Rust as in JSON.
        let body = expected.body.as_ref().map(|text| format!("{text:?}"));
        if body.is_some_and(|body| body.as_bytes() != answer.body) {
            return Err(format!("the body is {}", answer.body.escape_ascii()));
        }
    }
    let closes: Vec<bool> = answers.iter().map(|answer| answer.closes).collect();
    let last_only: Vec<bool> = (1..=answers.len())
        .map(|count| case.outcome.end == End::Close && count == answers.len())
        .collect();
    if closes != last_only {
        return Err(format!("it is said to close: {closes:?}"));
    }
    match answers.last() {
        Some(last) if is_answered && last.body != body.as_bytes() => Err(format!(
            "the canary is answered with {}",
            last.body.escape_ascii()
        )),
        _ => Ok(()),
    }
}

#[test]
fn nobody_gets_another_ones_answer_behind_nginx() {
    check_behind(Program::Nginx);
}

#[test]
fn nobody_gets_another_ones_answer_behind_haproxy() {
    check_behind(Program::Haproxy);
}

/// Plays the corpus through a proxy, at each of its doors, while two clients ask through the same
/// connections for what only they can get. Then what the proxy says that it has given to the server
/// is compared with what the server says that it has got.
fn check_behind(program: Program) {
    let mut server = start();
    let Address::Tcp(address) = *server.address() else {
        panic!("it listens on a port");
    };
    let front = Front::start(program, address);
    for name in program.doors() {
        let door = front.door(name);
        let is_over = &AtomicBool::new(false);
        let wrong = std::thread::scope(|scope| {
            let canaries: Vec<_> = (0..2)
                .map(|first| {
                    scope.spawn({
                        let door = &door;
                        move || ask_until_over(door, first, is_over)
                    })
                })
                .collect();
            let wrong = for_each_case(|case| attack(&door, case));
            is_over.store(true, Ordering::Relaxed);
            for canary in canaries {
                canary.join().expect("it asks");
            }
            wrong
        });
        expect_none(&wrong);
    }
    let given = front.stop();
    server.signal(Signal::TERM);
    server.await_exit();
    until("the end of the log", || server.stdout.has_ended());
    let got = server.stdout.lines();
    compare(&given, &got);
    tell_table(program, &given);
}

/// Asks for a number, and for another one, until the others are done. A proxy may say that
/// the server has closed its connection; it may not say so often.
fn ask_until_over(door: &Address, first: usize, is_over: &AtomicBool) {
    let mut talk = Talk::start(door);
    let (mut count, mut unanswered) = (0, 0);
    while count < CANARIES_MIN || !is_over.load(Ordering::Relaxed) {
        let number = 1 + (first + 2 * count) % 3000;
        let target = format!("/numbers?select=n&n=in.({number})");
        talk.send(&request("GET", &target, &[]), usize::MAX);
        let answer = talk.read_only_answer().expect("the answer to a canary");
        count += 1;
        if answer.closes {
            talk = Talk::start(door);
        }
        if PROXYS_OWN.contains(&answer.status) {
            unanswered += 1;
            continue;
        }
        let expected = format!("[{{\"n\":{number}}}]");
        let got = String::from_utf8_lossy(&answer.body);
        assert_eq!((answer.status, &*got), (200, &*expected), "of a canary");
    }
    assert!(unanswered * 20 <= count, "{unanswered} of {count} canaries");
    eprintln!("{count} canaries, {unanswered} not answered by the server");
}

/// Sends a case and its canary to a proxy, which may answer as it likes; but the number of a canary
/// is only this one's.
fn attack(door: &Address, case: &Case) -> Result<(), String> {
    let (request, body) = canary(case.number);
    let mut bytes = case.bytes.clone();
    bytes.extend(request.bytes());
    let mut talk = Talk::start(door);
    talk.send(&bytes, usize::MAX);
    let received = talk.read_until(&body)?;
    let others = received.replace(&body, "");
    match others.contains("[{\"n\":") {
        true => Err(format!("another canary's answer: {received}")),
        false => Ok(()),
    }
}

/// What a line of a log is about: the case, and which of its targets; or one of the others.
fn subject(line: &str) -> String {
    let is_digits = |four: &&str| four.bytes().all(|byte| byte.is_ascii_digit());
    let number = line.split_once("eq.").and_then(|(_, rest)| rest.get(..4));
    match number.filter(is_digits) {
        Some(number) => {
            let targets = ["vault", "nothing", "keep_text", "numbers"];
            let target = targets.iter().find(|target| line.contains(**target));
            format!("{} {number}", target.unwrap_or(&"other"))
        }
        None if line.contains("n=in.(") => "canaries".to_owned(),
        None => "unmarked".to_owned(),
    }
}

fn count_subjects(lines: &[String]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in lines {
        *counts.entry(subject(line)).or_default() += 1;
    }
    counts
}

/// The server has seen nothing that the proxy has not given to it, and nothing twice.
#[track_caller]
fn compare(given: &[String], got: &[String]) {
    let given = count_subjects(given);
    let mut wrong = Vec::new();
    for (subject, count) in count_subjects(got) {
        let allowed = given.get(&subject).copied().unwrap_or(0);
        if count > allowed {
            wrong.push(format!("{subject}: {count} came, {allowed} were given"));
        }
    }
    expect_none(&wrong);
}

/// A line for each class: how many cases there are, and of how many the proxy gave something on.
fn tell_table(program: Program, given: &[String]) {
    let given = count_subjects(given);
    let mut classes: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for case in cases() {
        let number = format!(" {:04}", case.number);
        let is_given = given
            .keys()
            .any(|subject| !subject.starts_with("numbers") && subject.ends_with(&number));
        let (all, passed) = classes.entry(&case.class).or_default();
        *all += 1;
        *passed += usize::from(is_given);
    }
    for (class, (all, passed)) in classes {
        eprintln!("{program:?} | {class} | {all} | {passed}");
    }
    let canaries = given.get("canaries").copied().unwrap_or(0);
    eprintln!("{program:?} | canaries | {canaries}");
}
