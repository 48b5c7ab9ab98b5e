//! As many clients as are allowed, and more, coming and going for as long as it takes to be sure:
//! whoever waits for a place gets one when another has gone.

use corerest_tests::client::{Client, ClientError, request};
use corerest_tests::cluster::Cluster;
use corerest_tests::server::Server;
use corerest_tests::waiting::until;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// So long clients come and go, or so often, whichever is first.
const CHURN_TIME: Duration = Duration::from_secs(10);
const CHURN_REQUESTS: usize = 40_000;

/// A client that waits longer for its place and its answer waits in vain.
const PATIENCE: Duration = Duration::from_secs(4);

/// So many places are left when the others are taken by clients that stay.
const PLACES_LEFT: usize = 3;

/// More cores than this machine may have: what they do at the same time is what is looked for.
const MANY_CORES: [(&str, &str); 2] = [("server-cores", "8"), ("db-pool", "16")];

fn options(client: &mut Client) -> Result<u16, ClientError> {
    let answer = client.try_exchange("OPTIONS", "/plants", &[])?;
    Ok(answer.status)
}

/// Clients that are connected, as the metrics have it.
fn clients(server: &Server) -> f64 {
    let answer = server.admin().get("/metrics");
    let lines = answer.text().lines();
    let counts = lines.filter_map(|line| line.strip_prefix("corerest_clients{"));
    let counts = counts.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
    counts.sum()
}

/// A number among the metrics.
fn metric(server: &Server, name: &str) -> usize {
    let answer = server.admin().get("/metrics");
    let mut lines = answer.text().lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value = value.expect("there is such a metric");
    value.parse().expect("it is a whole number")
}

/// As many clients as there may be, which are answered and stay.
fn fill(server: &Server) -> Vec<Client> {
    let places = metric(server, "corerest_clients_max");
    let clients = (0..places).map(|_| {
        let mut client = server.client();
        assert_eq!(options(&mut client), Ok(200));
        client
    });
    clients.collect()
}

/// How long a client stays away after a request. Without that, clients and cores take turns at so
/// few CPUs that hardly anything happens at the same time: this found in seconds what 20,000
/// requests without it did not (a listener that nobody took up again).
const PAUSE: Duration = Duration::from_micros(100);

fn pauses(number: usize) -> u32 {
    u32::try_from(number * 7 % 13).expect("it is small")
}

/// Comes, asks and goes, until it is over. `false` if it was not answered. By turns the client is
/// the first to close the connection, and the server.
fn come_and_go(server: &Server, over: &AtomicBool, asked: &AtomicUsize, end: Instant) -> bool {
    while !over.load(Ordering::Relaxed) && Instant::now() < end {
        let number = asked.fetch_add(1, Ordering::Relaxed);
        if number >= CHURN_REQUESTS {
            over.store(true, Ordering::Relaxed);
        }
        let headers: &[_] = match number % 2 {
            0 => &[("Connection", "close")],
            _ => &[],
        };
        std::thread::park_timeout(PAUSE * pauses(number));
        let mut client = server.client();
        client.wait_at_most(PATIENCE);
        match client.try_exchange("OPTIONS", "/plants", headers) {
            Ok(answer) => assert_eq!(answer.status, 200),
            Err(ClientError::TimedOut) => {
                over.store(true, Ordering::Relaxed);
                client.leave("it was waited for in vain");
                return false;
            }
            // Turned away, which is an answer.
            Err(_) => {}
        }
    }
    true
}

/// Lets clients come and go beside others that stay, and checks that it goes on afterwards.
#[track_caller]
fn check_churn(server: Server, churning: usize, staying: Vec<Client>) {
    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let end = Instant::now() + CHURN_TIME;
    let all_answered = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..churning)
            .map(|_| scope.spawn(|| come_and_go(&server, &over, &asked, end)))
            .collect();
        let ends = runs.into_iter().map(|run| run.join().expect("it returns"));
        ends.filter(|answered| !answered).count() == 0
    });
    let asked = asked.into_inner();
    assert!(
        all_answered,
        "no client is accepted any more, after {asked} requests"
    );
    let mut fresh = server.client();
    fresh.wait_at_most(PATIENCE);
    assert_eq!(options(&mut fresh), Ok(200), "after {asked} requests");
    drop((fresh, staying));
    until("the clients to be gone", || clients(&server) == 0.0);
    server.stop();
}

fn start_with_max(connections: &str) -> Server {
    let mut settings = MANY_CORES.to_vec();
    settings.push(("server-max-connections", connections));
    Server::start(&Cluster::shared().database(), &settings)
}

#[test]
fn a_dozen_clients_come_and_go_where_three_may_be() {
    check_churn(start_with_max("3"), 12, Vec::new());
}

#[test]
fn a_score_of_clients_come_and_go_where_ten_may_be() {
    check_churn(start_with_max("10"), 20, Vec::new());
}

#[test]
fn a_dozen_clients_come_and_go_beside_those_that_stay() {
    let server = start_with_max("100");
    let mut staying = fill(&server);
    assert_eq!(staying.len(), 100);
    staying.truncate(100 - PLACES_LEFT);
    check_churn(server, 12, staying);
}

#[test]
fn clients_come_and_go_where_file_descriptors_are_the_limit() {
    let database = Cluster::shared().database();
    let server = Server::start_with_descriptors(&database, 256, &MANY_CORES);
    let mut staying = fill(&server);
    assert!((100..256).contains(&staying.len()), "{}", staying.len());
    staying.truncate(staying.len() - PLACES_LEFT);
    check_churn(server, 12, staying);
}

/// Their answers lie in files, which are descriptors, too.
#[test]
fn clients_who_do_not_read_keep_nobody_out_where_file_descriptors_are_few() {
    let database = Cluster::shared().database();
    let settings = [("db-pool", "4")];
    let server = Server::start_with_descriptors(&database, 256, &settings);
    let places = metric(&server, "corerest_clients_max");
    let readers: Vec<Client> = (5..places)
        .map(|_| {
            let mut client = server.client();
            client.send(request("GET", "/huge?limit=8000", &[]));
            client
        })
        .collect();
    until("all to have something of their answers", || {
        metric(&server, "corerest_spool_bytes") > 0 && metric(&server, "pgrst_db_pool_waiting") == 0
    });
    for _ in 0..30 {
        let answer = server.client().get("/plants?select=id&id=eq.1");
        assert_eq!((answer.status, answer.text()), (200, r#"[{"id":1}]"#));
    }
    for client in readers {
        client.leave("it does not read its answer");
    }
    server.stop();
}

/// Whoever has sent a whole request is answered, whenever its end has come.
#[test]
fn a_body_that_comes_on_in_time_is_answered_although_all_places_are_taken() {
    let server = start_small(&[("server-max-connections", "4")]);
    let head = "POST /plants HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    let mut slow: Vec<Client> = (0..4).map(|_| server.client()).collect();
    for client in &mut slow {
        client.send(format!("{head}Content-Length: 20\r\n\r\n["));
    }
    let mut good = server.client();
    good.wait_at_most(Duration::from_secs(10));
    assert_eq!(options(&mut good), Ok(200));
    let answered = slow.into_iter().filter_map(|mut client| {
        client.try_send(b"                  ]").ok()?;
        Some(client.try_read("POST").map(|answer| answer.status))
    });
    let statuses: Vec<_> = answered.collect();
    // At least one had to go, and is told so; the others may not write, which is an answer.
    let answered = statuses.iter().filter(|status| **status == Ok(401));
    assert!((1..4).contains(&answered.count()), "{statuses:?}");
    server.stop();
}

fn start_small(settings: &[(&str, &str)]) -> Server {
    let mut all = vec![("server-max-connections", "40"), ("db-pool", "4")];
    all.extend_from_slice(settings);
    Server::start(&Cluster::shared().database(), &all)
}

/// Many more than there are places, none of whom asks for anything, keep nobody out.
#[track_caller]
fn check_crowd(server: Server, says: &str, count: usize) {
    let crowd: Vec<Client> = (0..count)
        .map(|_| {
            let mut client = server.client();
            // It may have been sent away already.
            let _ = client.try_send(says.as_bytes());
            client
        })
        .collect();
    let mut good = server.client();
    good.wait_at_most(Duration::from_secs(10));
    assert_eq!(options(&mut good), Ok(200));
    let places = metric(&server, "corerest_clients_max");
    assert!(metric(&server, "corerest_clients_evicted_total") > count - places);
    for client in crowd {
        client.leave("it has asked for nothing");
    }
    let warnings = server.stderr.text();
    let warnings = warnings
        .matches("As many clients are connected as there may be")
        .count();
    assert_eq!(warnings, 1, "once a minute");
    server.stop();
}

#[test]
fn clients_that_ask_nothing_keep_nobody_out() {
    check_crowd(start_small(&[]), "", 300);
}

#[test]
fn clients_that_begin_and_do_not_go_on_keep_nobody_out() {
    check_crowd(start_small(&[]), "GET /plants HTTP/1.1\r\nHost:", 300);
}

#[test]
fn clients_whose_bodies_do_not_come_keep_nobody_out() {
    let head = "POST /plants HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    let says = format!("{head}Content-Length: 1000\r\n\r\n[");
    check_crowd(start_small(&[]), &says, 100);
}

#[test]
fn silent_clients_keep_nobody_out_where_file_descriptors_are_few() {
    let database = Cluster::shared().database();
    let server = Server::start_with_descriptors(&database, 80, &[("db-pool", "4")]);
    check_crowd(server, "", 300);
}

/// At the limit the one goes that has been idle for the longest, and none that waits for an answer.
#[test]
fn the_client_that_has_been_idle_for_the_longest_goes_for_a_new_one() {
    let database = Cluster::shared().database();
    database.run(
        "create function api.nap(s float) returns text language sql as \
         $$select 'x' from pg_sleep(s)$$",
    );
    let server = Server::start(
        &database,
        &[("server-max-connections", "3"), ("db-pool", "4")],
    );
    let mut first = server.client();
    assert_eq!(options(&mut first), Ok(200));
    let mut at_work = server.client();
    at_work.send(request("GET", "/rpc/nap?s=3", &[]));
    let mut second = server.client();
    assert_eq!(options(&mut second), Ok(200));
    let mut new = server.client();
    new.wait_at_most(Duration::from_secs(10));
    assert_eq!(options(&mut new), Ok(200));
    first.expect_closed();
    assert_eq!(at_work.read("GET").status, 200);
    server.stop();
}
