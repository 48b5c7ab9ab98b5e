//! The admin server, and the numbers it tells.

use crate::logs::{OLD_TOKEN, OTHER_TOKEN, SECRET, TOKEN};
use corerest_tests::client::{Address, Client, request};
use corerest_tests::cluster::{Cluster, Stop};
use corerest_tests::server::Server;
use corerest_tests::waiting::until;
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The samples by their names with labels. Checks the format by the way.
#[track_caller]
pub(crate) fn scrape(server: &Server) -> BTreeMap<String, f64> {
    let answer = server.admin().get("/metrics");
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("Content-Type"),
        Some("text/plain; charset=utf-8")
    );
    let text = answer.text();
    assert!(text.ends_with('\n'));
    let mut samples = BTreeMap::new();
    let mut family = "";
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.split(' ');
            assert!(
                ["HELP", "TYPE"].contains(&words.next().unwrap_or_default()),
                "{line}"
            );
            family = words.next().unwrap_or_default();
            continue;
        }
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        assert!(name.starts_with(family), "{line} is not of {family}");
        let value = value.parse().expect("the value is a number");
        assert_eq!(
            samples.insert(name.to_owned(), value),
            None,
            "{name} is there twice"
        );
    }
    samples
}

#[track_caller]
fn check(samples: &BTreeMap<String, f64>, name: &str, expected: f64) {
    assert_eq!(samples.get(name), Some(&expected), "{name} in {samples:#?}");
}

fn count_of(samples: &BTreeMap<String, f64>, name: &str) -> f64 {
    let parts = samples
        .iter()
        .filter(|(known, _)| known.split('{').next() == Some(name));
    parts.map(|(_, value)| value).sum()
}

#[test]
fn metrics_have_the_names_that_dashboards_know() {
    let server = Server::start(&Cluster::shared().database(), &[("db-pool", "7")]);
    let samples = scrape(&server);
    check(&samples, "pgrst_db_pool_max", 7.0);
    check(&samples, "pgrst_db_pool_waiting", 0.0);
    check(&samples, "pgrst_db_pool_available", 0.0);
    check(&samples, "pgrst_db_pool_timeouts_total", 0.0);
    check(
        &samples,
        r#"pgrst_schema_cache_loads_total{status="SUCCESS"}"#,
        1.0,
    );
    check(
        &samples,
        r#"pgrst_schema_cache_loads_total{status="FAIL"}"#,
        0.0,
    );
    for cache in ["requests", "hits", "evictions"] {
        check(&samples, &format!("pgrst_jwt_cache_{cache}_total"), 0.0);
    }
    let seconds = samples["pgrst_schema_cache_query_time_seconds"];
    assert!(seconds > 0.0 && seconds < 20.0, "{seconds} s");
    let version = concat!(
        "corerest_build_info{version=\"",
        env!("CARGO_PKG_VERSION"),
        "\""
    );
    let is_build = |name: &&String| name.starts_with(version);
    assert_eq!(samples.keys().filter(is_build).count(), 1, "{samples:#?}");
    server.stop();
}

#[test]
fn requests_are_counted_and_measured() {
    let server = Server::start(&Cluster::shared().database(), &[]);
    let mut client = server.client();
    for _ in 0..3 {
        assert_eq!(client.get("/plants?id=eq.1").status, 200);
    }
    assert_eq!(client.exchange("HEAD", "/plants", &[]).status, 200);
    assert_eq!(client.get("/naps?milliseconds=eq.300").status, 200);
    assert_eq!(client.get("/plant").status, 404);
    assert_eq!(client.exchange("BREW", "/plants", &[]).status, 405);
    client.send("nonsense\r\n\r\n");
    assert_eq!(client.read("GET").status, 400);
    let samples = scrape(&server);
    let requests = |method: &str, class: &str| {
        format!("corerest_http_requests_total{{method=\"{method}\",status=\"{class}\"}}")
    };
    check(&samples, &requests("GET", "2xx"), 4.0);
    check(&samples, &requests("HEAD", "2xx"), 1.0);
    check(&samples, &requests("GET", "4xx"), 1.0);
    check(&samples, &requests("other", "4xx"), 1.0);
    check(&samples, "corerest_http_refused_total", 1.0);
    check(&samples, "corerest_http_requests_in_flight", 0.0);
    check(
        &samples,
        "corerest_http_request_duration_seconds_count",
        7.0,
    );
    check(
        &samples,
        r#"corerest_http_request_duration_seconds_bucket{le="+Inf"}"#,
        7.0,
    );
    check(&samples, "corerest_db_duration_seconds_count", 5.0);
    check(&samples, "corerest_db_wait_duration_seconds_count", 5.0);
    let slept = samples["corerest_db_duration_seconds_sum"];
    assert!((0.3..10.0).contains(&slept), "{slept} s");
    assert!(samples["corerest_http_sent_bytes_total"] > 500.0);
    assert!(samples["corerest_http_received_bytes_total"] > 200.0);
    assert_eq!(count_of(&samples, "corerest_clients"), 1.0);
    assert!(count_of(&samples, "corerest_db_connections") >= 1.0);
    assert_eq!(
        samples["pgrst_db_pool_available"],
        count_of(&samples, "corerest_db_connections")
    );
    assert!(count_of(&samples, "corerest_core_cpu_seconds_total") > 0.0);
    assert!(samples["process_cpu_seconds_total"] > 0.0);
    assert!(samples["process_resident_memory_bytes"] > 1e6);
    server.stop();
}

#[test]
fn those_who_wait_for_a_connection_are_seen() {
    let settings = [("db-pool", "1"), ("db-pool-acquisition-timeout", "1")];
    let server = Server::start(&Cluster::shared().database(), &settings);
    let mut napping = server.client();
    napping.send(request("GET", "/naps?milliseconds=eq.2000", &[]));
    until("the connection to be used", || {
        count_of(&scrape(&server), "corerest_db_connections_in_use") == 1.0
    });
    let mut waiting = server.client();
    waiting.send(request("GET", "/plants", &[]));
    until("a request to wait", || {
        scrape(&server)["pgrst_db_pool_waiting"] == 1.0
    });
    check(&scrape(&server), "corerest_http_requests_in_flight", 2.0);
    assert_eq!(waiting.read("GET").status, 504);
    let samples = scrape(&server);
    check(&samples, "pgrst_db_pool_timeouts_total", 1.0);
    check(&samples, "pgrst_db_pool_waiting", 0.0);
    assert!(samples["corerest_db_wait_duration_seconds_sum"] > 0.9);
    assert_eq!(napping.read("GET").status, 200);
    server.stop();
}

#[test]
fn the_cache_of_tokens_is_counted() {
    const TIMES: usize = 30;
    let settings = [
        ("db-pool", "1"),
        ("jwt-secret", SECRET),
        ("jwt-cache-max-entries", "1"),
    ];
    let server = Server::start(&Cluster::shared().database(), &settings);
    let mut client = server.client();
    for (token, status) in [(TOKEN, 200), (OTHER_TOKEN, 200), (OLD_TOKEN, 401)] {
        let header = format!("Bearer {token}");
        for _ in 0..TIMES {
            let headers = [("Authorization", &*header)];
            let answer = client.exchange("GET", "/plants?id=eq.1", &headers);
            assert_eq!(answer.status, status, "{}", answer.text());
        }
    }
    assert_eq!(client.get("/plants?id=eq.1").status, 200);
    let samples = scrape(&server);
    let requests = 3.0 * TIMES as f64;
    check(&samples, "pgrst_jwt_cache_requests_total", requests);
    // Two threads with a cache each verify each token at most once, and one of them saw two.
    let hits = samples["pgrst_jwt_cache_hits_total"];
    assert!((requests - 6.0..requests - 2.0).contains(&hits), "{hits}");
    let evictions = samples["pgrst_jwt_cache_evictions_total"];
    assert!((1.0..=4.0).contains(&evictions), "{evictions}");
    server.stop();
}

/// Its head is looked at before its body comes, and once more when it is complete.
#[test]
fn a_request_with_a_large_body_looks_for_its_token_once() {
    let settings = [("jwt-secret", SECRET), ("jwt-cache-max-entries", "10")];
    let server = Server::start(&Cluster::shared().database(), &settings);
    let mut client = server.client();
    let body = format!(r#"{{"line": "{}"}}"#, "x".repeat(100_000));
    let (header, length) = (format!("Bearer {TOKEN}"), body.len().to_string());
    let headers = [
        ("Authorization", &*header),
        ("Content-Type", "application/json"),
        ("Content-Length", &length),
    ];
    client.send(request("POST", "/diary", &headers));
    client.send(body);
    let answer = client.read("POST");
    assert_eq!(answer.status, 201, "{}", answer.text());
    let samples = scrape(&server);
    check(&samples, "pgrst_jwt_cache_requests_total", 1.0);
    check(&samples, "pgrst_jwt_cache_hits_total", 0.0);
    server.stop();
}

#[test]
fn a_catalog_that_cannot_be_loaded_is_counted() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    let sleep = [("internal-schema-cache-query-sleep", "200")];
    let server = Server::start(&database, &sleep);
    // The pause is subject to it, as PostgREST's tests want.
    database.run("ALTER ROLE authenticator SET statement_timeout = '50ms'");
    server.signal(rustix::process::Signal::USR1);
    until("the failure to be counted", || {
        scrape(&server)[r#"pgrst_schema_cache_loads_total{status="FAIL"}"#] >= 1.0
    });
    database.run("ALTER ROLE authenticator RESET statement_timeout");
    until("it to be loaded again", || {
        scrape(&server)[r#"pgrst_schema_cache_loads_total{status="SUCCESS"}"#] == 2.0
    });
    server.stop();
}

#[test]
fn the_process_has_the_numbers_that_all_programs_have() {
    let began = SystemTime::now();
    let server = Server::start_with_descriptors(&Cluster::shared().database(), 200, &[]);
    let samples = scrape(&server);
    check(&samples, "process_max_fds", 200.0);
    let since_1970 = |time: SystemTime| {
        let duration = time.duration_since(UNIX_EPOCH);
        duration.expect("it is after 1970").as_secs_f64()
    };
    let start = samples["process_start_time_seconds"];
    assert!((since_1970(began)..since_1970(SystemTime::now())).contains(&start));
    let before = samples["process_open_fds"];
    let clients: Vec<Client> = (0..40).map(|_| server.client()).collect();
    // What the start needed may have been closed since.
    until("the clients to be counted", || {
        scrape(&server)["process_open_fds"] >= before + 30.0
    });
    drop(clients);
    let start_again = scrape(&server)["process_start_time_seconds"];
    assert_eq!(start.total_cmp(&start_again), std::cmp::Ordering::Equal);
    server.stop();
}

#[test]
fn what_the_control_plane_does_is_seen() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    let server = Server::start(&database, &[("db-config", "true")]);
    let reloads = |status: &str| format!("corerest_config_reloads_total{{status=\"{status}\"}}");
    until("the listener to be connected", || {
        scrape(&server)["corerest_listener_connected"] == 1.0
    });
    let samples = scrape(&server);
    check(&samples, "corerest_ready", 1.0);
    check(&samples, &reloads("FAIL"), 0.0);
    check(&samples, "corerest_config_last_reload_successful", 1.0);
    let at_start = samples[&reloads("SUCCESS")];
    // What is wrong is counted once, and told until it is right again.
    database.run("ALTER ROLE authenticator SET pgrst.db_tx_end = 'maybe'");
    server.signal(Signal::USR2);
    until("the reload to fail", || {
        scrape(&server)[&reloads("FAIL")] > 0.0
    });
    let samples = scrape(&server);
    check(&samples, &reloads("FAIL"), 1.0);
    check(&samples, &reloads("SUCCESS"), at_start);
    check(&samples, "corerest_config_last_reload_successful", 0.0);
    check(&samples, "corerest_ready", 1.0);
    database.run("ALTER ROLE authenticator RESET pgrst.db_tx_end");
    server.signal(Signal::USR2);
    until("the reload to succeed", || {
        scrape(&server)["corerest_config_last_reload_successful"] == 1.0
    });
    let samples = scrape(&server);
    check(&samples, &reloads("FAIL"), 1.0);
    check(&samples, &reloads("SUCCESS"), at_start + 1.0);
    cluster.stop(Stop::Immediate);
    until("the listener to be cut off", || {
        let samples = scrape(&server);
        samples["corerest_listener_connected"] == 0.0 && samples["corerest_ready"] == 0.0
    });
    server.stop();
}

#[test]
fn who_need_not_listen_has_no_listener_that_could_be_away() {
    let settings = [("db-channel-enabled", "false")];
    let server = Server::start(&Cluster::shared().database(), &settings);
    let samples = scrape(&server);
    check(&samples, "corerest_ready", 1.0);
    assert!(!samples.contains_key("corerest_listener_connected"));
    server.stop();
}

#[test]
fn the_admin_server_answers_four_paths_by_any_method() {
    let server = Server::start(&Cluster::shared().database(), &[]);
    for path in ["/live", "/ready", "/metrics", "/schema_cache"] {
        for method in ["GET", "HEAD", "POST"] {
            let answer = server.admin().exchange(method, path, &[]);
            assert_eq!(answer.status, 200, "{method} {path}");
            assert!(answer.closes());
        }
    }
    for path in ["/", "/config", "/live/", "/plants", "/metrics/x"] {
        let answer = server.admin().get(path);
        assert_eq!((answer.status, answer.text()), (404, ""), "{path}");
    }
    for path in ["/live", "/ready"] {
        assert_eq!(server.admin().get(path).text(), "");
    }
    let mut catalog = server.admin().get("/schema_cache").body;
    let text = String::from_utf8_lossy(&catalog).into_owned();
    assert!(text.contains(r#""dbTables":[[{"qiName":"#), "{text}");
    simd_json::to_owned_value(&mut catalog).expect("it is JSON");
    server.stop();
}

#[test]
fn it_is_not_ready_without_a_database() {
    let server = Server::spawn(&[("db-uri", "postgres://127.0.0.1:1/nowhere")]);
    until("the admin server", || server.try_admin("/ready").is_some());
    assert_eq!(server.try_admin("/ready"), Some(503));
    assert_eq!(server.try_admin("/metrics"), Some(200));
}

/// What somebody does who keeps a connection to the admin server busy, again and again.
type Nuisance = fn(&mut UnixStream);

fn to_admin(server: &Server) -> UnixStream {
    let Address::Unix(path) = server.admin_address() else {
        panic!("it listens on a Unix socket");
    };
    UnixStream::connect(path).expect("it listens")
}

/// How long the slowest of some probes takes when so many clients have connected, said something,
/// and behave like that all the time.
fn slowest_probe(server: &Server, clients: usize, says: &str, nuisance: Nuisance) -> Duration {
    let come = |_| {
        let mut stream = to_admin(server);
        stream.set_nonblocking(true).expect("it is open");
        // Some are gone by then: there are too many of them.
        let _ = stream.write_all(says.as_bytes());
        stream
    };
    let mut streams: Vec<UnixStream> = (0..clients).map(come).collect();
    let paths = ["/live", "/ready", "/metrics"].iter().cycle().take(60);
    let probe = |&path: &&str| {
        streams.iter_mut().for_each(nuisance);
        let begin = Instant::now();
        assert_eq!(server.try_admin(path), Some(200), "{path}");
        begin.elapsed()
    };
    let slowest = paths.map(probe).max();
    slowest.expect("there are some")
}

#[test]
fn no_client_of_the_admin_server_keeps_a_probe_waiting() {
    let server = Server::start(&Cluster::shared().database(), &[]);
    let nothing: Nuisance = |_| {};
    let dribble: Nuisance = |stream| drop(stream.write(b"a"));
    let sip: Nuisance = |stream| drop(stream.read(&mut [0]));
    let half_a_head = "GET /live HTTP/1.1\r\nHost: x\r\nX: ";
    for (kind, clients, says, nuisance) in [
        ("silent ones", 500, "", nothing),
        ("half heads", 500, half_a_head, nothing),
        ("dribblers", 20, half_a_head, dribble),
        ("dribblers", 500, half_a_head, dribble),
        ("slow readers", 100, "GET /metrics HTTP/1.0\r\n\r\n", sip),
        (
            "slow readers",
            100,
            "GET /schema_cache HTTP/1.0\r\n\r\n",
            sip,
        ),
    ] {
        let took = slowest_probe(&server, clients, says, nuisance);
        assert!(took < Duration::from_secs(1), "{clients} {kind}: {took:?}");
    }
    server.stop();
}

/// So long a client of the admin server may live at the most, in a busy test.
const ADMIN_LIFE: Duration = Duration::from_secs(9);

#[test]
fn a_client_of_the_admin_server_has_one_deadline_however_slowly_it_speaks() {
    let server = Server::start(&Cluster::shared().database(), &[]);
    let begin = Instant::now();
    let mut stream = to_admin(&server);
    let head = b"GET /live HTTP/1.1\r\nHost: x\r\nX: ";
    stream.write_all(head).expect("it is heard");
    while stream.write_all(b"a").is_ok() {
        let lived = begin.elapsed();
        assert!(lived < ADMIN_LIFE, "it is heard after {lived:?}");
        thread::park_timeout(Duration::from_millis(100));
    }
    server.stop();
}

#[test]
fn with_all_file_descriptors_taken_the_admin_server_answers() {
    let database = Cluster::shared().database();
    let server = Server::start_with_descriptors(&database, 120, &[("db-pool", "4")]);
    let clients: Vec<Client> = (0..150).map(|_| server.client()).collect();
    until("the clients to be counted", || {
        let samples = scrape(&server);
        count_of(&samples, "corerest_clients") >= samples["corerest_clients_max"]
    });
    for path in ["/live", "/ready", "/metrics"] {
        assert_eq!(server.try_admin(path), Some(200), "{path}");
    }
    // Whoever has asked for nothing so far may have gone for others.
    let mut served = 0;
    for mut client in clients {
        match client.try_exchange("GET", "/plants?id=eq.1", &[]) {
            Ok(answer) => served += usize::from(answer.status == 200),
            Err(error) => client.leave(&error.to_string()),
        }
    }
    assert!(served > 0);
    assert_eq!(server.client().get("/plants?id=eq.1").status, 200);
    assert_eq!(server.try_admin("/live"), Some(200));
    server.stop();
}

#[test]
fn the_admin_server_keeps_a_descriptor_for_hard_times() {
    let database = Cluster::shared().database();
    let server = Server::start(&database, &[("db-pool", "2")]);
    let pid = Pid::from_raw(server.id().cast_signed()).expect("it is positive");
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.id()))
        .expect("it runs")
        .count();
    let few = Rlimit {
        current: Some(open as u64 + 5),
        maximum: Some(open as u64 + 5),
    };
    prlimit(Some(pid), Resource::Nofile, few).expect("it is our child");
    let _clients: Vec<Client> = (0..30).map(|_| server.client()).collect();
    server.stderr.wait_for("Cannot accept a client");
    let samples = scrape(&server);
    assert!(samples["process_max_fds"] - samples["process_open_fds"] < 4.0);
    // It is asked while the cores turn the rest of the clients away, and afterwards.
    for _ in 0..10 {
        for path in ["/live", "/ready", "/metrics"] {
            assert_eq!(server.try_admin(path), Some(200), "{path}");
        }
    }
}

#[test]
fn the_phases_of_a_request_are_told_in_milliseconds() {
    let settings = [("server-timing-enabled", "true"), ("db-pool", "1")];
    let server = Server::start(&Cluster::shared().database(), &settings);
    let answer = server.client().get("/naps?milliseconds=eq.300");
    let header = answer
        .header("Server-Timing")
        .expect("it is enabled")
        .to_owned();
    let phases = header.split(", ").map(|phase| {
        let (name, duration) = phase.split_once(";dur=").expect("each has a duration");
        let duration: f64 = duration.parse().expect("it is a number");
        (name, duration)
    });
    let (names, durations): (Vec<_>, Vec<_>) = phases.unzip();
    assert_eq!(names, ["jwt", "parse", "plan", "transaction", "response"]);
    assert!((300.0..10_000.0).contains(&durations[3]), "{header}");
    // What a request waits for a connection belongs to its transaction.
    let mut napping = server.client();
    napping.send(request("GET", "/naps?milliseconds=eq.500", &[]));
    until("the connection to be used", || {
        count_of(&scrape(&server), "corerest_db_connections_in_use") == 1.0
    });
    let answer = server.client().get("/plants?id=eq.1");
    let header = answer.header("Server-Timing").expect("it is enabled");
    let (_, transaction) = header.split_once("transaction;dur=").expect("it is there");
    let (duration, _) = transaction.split_once(',').expect("one more follows");
    let duration: f64 = duration.parse().expect("it is a number");
    assert!(duration > 50.0, "{header}");
    assert_eq!(napping.read("GET").status, 200);
    server.stop();
}
