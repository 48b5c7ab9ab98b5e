//! PostgreSQL dies, stops, comes back, is full: the server neither crashes nor hangs, says 503
//! meanwhile, and serves again without being started again.

use corerest_tests::client::{Answer, request};
use corerest_tests::cluster::{Cluster, Database, Stop};
use corerest_tests::server::Server;
use corerest_tests::waiting::until;
use rustix::process::Signal;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const PLANT: &str = "/plants?select=id&id=eq.1";

/// Ends all sessions of the server.
const TERMINATE: &str =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'authenticator'";

#[track_caller]
fn check_answer(answer: &Answer) {
    match answer.status {
        200 => assert_eq!(answer.text(), r#"[{"id":1}]"#),
        503 => {
            let code = answer.header("Proxy-Status").unwrap_or_default();
            let known = [
                "PGRST000", "PGRST001", "PGRST002", "57P01", "57P02", "57P03",
            ];
            assert!(
                known.iter().any(|known| code.ends_with(known)),
                "{code}: {}",
                answer.text()
            );
            let patience = answer.header("Retry-After").unwrap_or_default();
            assert!(
                patience.parse::<u32>().is_ok(),
                "Retry-After is {patience:?}"
            );
        }
        504 => assert!(answer.text().contains("PGRST003"), "{}", answer.text()),
        status => panic!("{status}: {}", answer.text()),
    }
}

/// Runs `trouble` while clients ask all the time; returns how many answers were 200 and not.
fn under_load(server: &Server, trouble: impl FnOnce()) -> (usize, usize) {
    let (good, bad) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let mut client = server.client();
                while !over.load(Ordering::Relaxed) {
                    let answer = client.exchange("GET", PLANT, &[]);
                    check_answer(&answer);
                    let counter = if answer.status == 200 { &good } else { &bad };
                    counter.fetch_add(1, Ordering::Relaxed);
                    if answer.closes() {
                        client = server.client();
                    }
                }
            });
        }
        // Also when it panics, or the clients would never end.
        let _end = OnDrop(|| over.store(true, Ordering::Relaxed));
        until("the first answers", || good.load(Ordering::Relaxed) > 20);
        trouble();
        let before = good.load(Ordering::Relaxed);
        until("answers after the trouble", || {
            good.load(Ordering::Relaxed) > before + 20
        });
    });
    (good.into_inner(), bad.into_inner())
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// The query for how many sessions of the server there are whose last one was about this.
fn sessions_after(database: &Database, subject: &str) -> String {
    format!(
        "SELECT count(*)::text FROM pg_stat_activity \
         WHERE usename = 'authenticator' AND datname = '{}' AND query LIKE '%{subject}%'",
        database.name
    )
}

#[test]
fn terminated_sessions_under_load_cost_some_answers_at_most() {
    let database = Cluster::shared().database();
    let mut server = Server::start(&database, &[("db-pool", "4")]);
    let terminate = format!("{TERMINATE} AND datname = '{}'", database.name);
    under_load(&server, || {
        for _ in 0..20 {
            database.run(&terminate);
        }
    });
    assert!(server.is_running());
    assert_eq!(server.client().get(PLANT).status, 200);
    server.stop();
}

#[test]
fn an_idle_session_that_was_terminated_costs_no_answer() {
    let database = Cluster::shared().database();
    let server = Server::start(&database, &[("db-pool", "2")]);
    let sessions = sessions_after(&database, "plants");
    let mut client = server.client();
    for _ in 0..10 {
        let answer = client.get(PLANT);
        assert_eq!((answer.status, answer.text()), (200, r#"[{"id":1}]"#));
        database.run(&format!("{TERMINATE} AND datname = '{}'", database.name));
        until("the sessions to end", || database.one(&sessions) == "0");
    }
    server.stop();
}

/// Nor a write, though nobody has looked at its connection for less than a second: PostgreSQL
/// says that it had ended before it began.
#[test]
fn a_write_on_a_session_that_was_ended_before_is_done_on_another_one() {
    let database = Cluster::shared().database();
    // Of this database alone: the others of the cluster are other tests'.
    database.run(&format!(
        "ALTER ROLE authenticator IN DATABASE {} SET idle_session_timeout = '100ms'",
        database.name
    ));
    let server = Server::start(&database, &[("db-pool", "1")]);
    let sessions = sessions_after(&database, "diary");
    let mut client = server.client();
    let mut write = |line: &str| {
        let body = format!(r#"{{"line": "{line}"}}"#);
        let head = "Content-Type: application/json\r\nPrefer: return=minimal\r\n";
        client.send(format!(
            "POST /diary HTTP/1.1\r\nHost: localhost\r\n{head}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        let answer = client.read("POST");
        assert_eq!(answer.status, 201, "{line}: {}", answer.text());
    };
    for number in 0..20 {
        write(&format!("slow {number}"));
        until("the session to end", || database.one(&sessions) == "0");
    }
    let count = "SELECT count(*) || ' ' || count(DISTINCT line) FROM api.diary \
                 WHERE line LIKE 'slow %'";
    assert_eq!(database.one(count), "20 20");
    server.stop();
}

#[test]
fn killed_backends_and_a_crash_recovery_are_survived() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    let mut server = Server::start(&database, &[("db-pool", "4")]);
    under_load(&server, || {
        // PostgreSQL ends all sessions and recovers when one of its processes is killed.
        let pid = database
            .one("SELECT pid::text FROM pg_stat_activity WHERE usename = 'authenticator' LIMIT 1");
        let pid = pid.parse().expect("it is a number");
        let pid = rustix::process::Pid::from_raw(pid).expect("it is not 0");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL)
            .expect("it is PostgreSQL's, and we may");
    });
    assert!(server.is_running());
    server.stop();
}

#[test]
fn a_stopped_postgresql_is_503_until_it_is_back() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    let mut server = Server::start(&database, &[("db-pool", "4")]);
    let (_, bad) = under_load(&server, || {
        cluster.stop(Stop::Fast);
        let mut client = server.client();
        until("a 503", || {
            let answer = client.get(PLANT);
            check_answer(&answer);
            answer.status == 503
        });
        // What needs no database is answered as always.
        assert_eq!(client.get("/no/such/path").status, 404);
        assert_eq!(client.get("/plants?id=foo.1").status, 400);
        assert_eq!(client.get("/plant").status, 404);
        until("not ready", || server.try_admin("/ready") == Some(503));
        assert_eq!(server.try_admin("/live"), Some(200));
        cluster.start_again();
        until("ready again", || server.try_admin("/ready") == Some(200));
    });
    assert!(bad > 0, "nobody noticed");
    assert!(server.is_running());
    cluster.stop(Stop::Immediate);
    let answer = server.client().get(PLANT);
    assert_eq!(answer.status, 503);
    check_answer(&answer);
    server.stop();
}

#[test]
fn a_server_that_starts_before_postgresql_waits_for_it() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    cluster.stop(Stop::Fast);
    let uri = database.uri();
    let mut server = Server::spawn(&[("db-uri", &uri)]);
    server.await_listening();
    let answer = server.client().get(PLANT);
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("PGRST002"), "{}", answer.text());
    check_answer(&answer);
    until("not ready", || server.try_admin("/ready") == Some(503));
    cluster.start_again();
    server.await_ready();
    assert_eq!(server.client().get(PLANT).text(), r#"[{"id":1}]"#);
    server.stop();
}

#[test]
fn a_full_postgresql_is_503_or_waited_for_and_then_served() {
    let cluster = Cluster::start(&["max_connections = 8", "superuser_reserved_connections = 3"]);
    let database = cluster.database();
    let mut server = Server::start(&database, &[("db-pool", "20")]);
    std::thread::scope(|scope| {
        for _ in 0..15 {
            scope.spawn(|| {
                let mut client = server.client();
                for _ in 0..3 {
                    let answer = client.get("/naps?milliseconds=eq.100");
                    match answer.status {
                        200 => assert_eq!(answer.text(), r#"[{"milliseconds":100,"slept":0.1}]"#),
                        // Too many connections.
                        503 => assert!(answer.header("Retry-After").is_some()),
                        status => panic!("{status}: {}", answer.text()),
                    }
                }
            });
        }
    });
    assert!(server.is_running());
    until("service as usual", || {
        server.client().get(PLANT).status == 200
    });
    server.stop();
}

/// Cores have connections of their own, but the limit is PostgreSQL's and common to all.
#[test]
fn no_core_is_without_a_connection_because_another_keeps_an_idle_one() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    let server = Server::start(&database, &[("db-pool", "4")]);
    assert_eq!(server.client().get(PLANT).status, 200);
    // Those that are open stay, and no other one can be opened.
    database.run("ALTER ROLE authenticator CONNECTION LIMIT 1");
    let mut clients: Vec<_> = (0..8).map(|_| server.client()).collect();
    for client in &mut clients {
        let answer = client.get(PLANT);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    server.stop();
}

/// As many as PostgREST needs: those of the pool, and the listener's.
#[test]
fn a_reload_does_with_the_connections_that_there_may_be() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    let server = Server::start(&database, &[("db-pool", "4")]);
    database.run("ALTER ROLE authenticator CONNECTION LIMIT 5");
    let open = "SELECT count(*)::text FROM pg_stat_activity WHERE usename = 'authenticator'";
    let reload = |table: &str| {
        database.run(&format!(
            "CREATE TABLE api.{table} (n integer); GRANT SELECT ON api.{table} TO anonymous; \
             NOTIFY pgrst"
        ));
        let mut client = server.client();
        until("the new table to be known", || {
            client.get(&format!("/{table}")).status == 200
        });
    };
    let fill = || {
        until("all connections", || {
            let mut naps: Vec<_> = (0..4).map(|_| server.client()).collect();
            for nap in &mut naps {
                nap.send(request("GET", "/naps?milliseconds=eq.100", &[]));
            }
            let statuses = naps.iter_mut().map(|nap| nap.read("GET").status);
            assert!(statuses.eq([200; 4]));
            database.one(open) == "5"
        });
    };
    fill();
    let (_, bad) = under_load(&server, || reload("while_busy"));
    assert_eq!(bad, 0);
    fill();
    reload("while_idle");
    server.stop();
}

/// Others take whatever there is. A reload has to wait for them, and requests are answered.
#[test]
fn a_reload_that_finds_no_room_gives_up_one_connection_at_most() {
    let cluster = Cluster::start(&["max_connections = 12", "superuser_reserved_connections = 0"]);
    let database = cluster.database();
    let server = Server::start(&database, &[("db-pool", "4")]);
    let mut naps: Vec<_> = (0..4).map(|_| server.client()).collect();
    for nap in &mut naps {
        nap.send(request("GET", "/naps?milliseconds=eq.200", &[]));
    }
    assert!(naps.iter_mut().all(|nap| nap.read("GET").status == 200));
    let mut session = database.connect();
    let mut count = move || -> i64 {
        let own = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'authenticator'";
        session.query_one(own, &[]).expect("it is there").get(0)
    };
    let before = count();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut kept = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                kept.extend(database.try_connect());
            }
        });
        let _end = OnDrop(|| is_over.store(true, Ordering::Relaxed));
        until("no room", || database.try_connect().is_err());
        server.signal(Signal::USR1);
        until("two attempts", || {
            let log = server.stderr.text();
            log.matches("Failed to query the PostgreSQL version")
                .count()
                >= 2
        });
        assert!(count() >= before - 1, "{} of {before}", count());
        assert_eq!(server.client().get(PLANT).status, 200);
    });
    until("the reload", || server.try_admin("/ready") == Some(200));
    server.stop();
}

/// Somebody keeps what the catalog is read from. Who asks meanwhile is told, and nobody takes the
/// server for dead.
#[test]
fn a_catalog_that_is_long_in_coming_does_not_keep_the_doors_shut() {
    let database = Cluster::shared().database();
    let mut keeper = database.connect();
    let mut lock = keeper.transaction().unwrap();
    lock.batch_execute("LOCK TABLE pg_catalog.pg_description IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    let mut server = Server::spawn(&[("db-uri", &database.uri())]);
    server.await_listening();
    // The line stands in the log just before the cores take the listener.
    until("/live", || server.try_admin("/live") == Some(200));
    let answer = server.client().get("/plants?id=eq.1");
    assert_eq!(answer.status, 503);
    lock.rollback().unwrap();
    server.await_ready();
    assert_eq!(server.client().get("/plants?id=eq.1").status, 200);
    server.stop();
}
