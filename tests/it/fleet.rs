//! Replicas that read, and a primary that writes: who is asked, and what becomes of requests when
//! servers lag, stop, come back or are promoted.

use crate::metrics::scrape;
use corerest_tests::client::{Answer, Client, request};
use corerest_tests::cluster::{Cluster, Database, Stop};
use corerest_tests::issuer::Authority;
use corerest_tests::proxy::Proxy;
use corerest_tests::server::{Server, command, unused_path};
use corerest_tests::waiting::until;
use rustix::process::Signal;
use rustls::{ServerConnection, StreamOwned};
use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// How long a read of four seconds may take that began on a replica that hangs: five until that is
/// known, and then it begins anew. The rest is for machines that are busy.
const HANGING_MAX: Duration = Duration::from_secs(14);

/// How long a read may take whose replica is cut off: five seconds and a half, and again the rest.
const CUT_OFF_MAX: Duration = Duration::from_secs(9);

const ON_STANDBY: &str = "/rpc/is_standby";

const FIXTURE: &str = "\
    CREATE FUNCTION api.is_standby() RETURNS boolean LANGUAGE sql STABLE \
        AS 'SELECT pg_is_in_recovery()'; \
    CREATE FUNCTION api.is_standby_perhaps() RETURNS boolean LANGUAGE sql VOLATILE \
        AS 'SELECT pg_is_in_recovery()'; \
    CREATE FUNCTION api.rests(seconds float) RETURNS boolean LANGUAGE sql STABLE \
        AS 'SELECT pg_is_in_recovery() FROM pg_sleep(seconds)'; \
    CREATE FUNCTION api.is_told() RETURNS boolean LANGUAGE plpgsql STABLE \
        AS 'BEGIN PERFORM pg_notify(''x'', ''''); RETURN pg_is_in_recovery(); END'; \
    CREATE FUNCTION api.rests_perhaps(seconds float) RETURNS boolean LANGUAGE sql VOLATILE \
        AS 'SELECT pg_is_in_recovery() FROM pg_sleep(seconds)'; \
    CREATE FUNCTION api.refuses() RETURNS void LANGUAGE plpgsql \
        AS 'BEGIN RAISE EXCEPTION USING ERRCODE = ''25006''; END'; \
    CREATE FUNCTION api.conflicts() RETURNS void LANGUAGE plpgsql STABLE AS 'BEGIN \
        RAISE EXCEPTION USING ERRCODE = ''40001'', \
        MESSAGE = format(''standby: %s'', pg_is_in_recovery()); END'; \
    CREATE FUNCTION api.conflicts_on_standby() RETURNS SETOF integer LANGUAGE plpgsql STABLE \
        AS 'BEGIN IF pg_is_in_recovery() THEN PERFORM api.conflicts(); END IF; \
        RETURN NEXT 1; END'; \
    CREATE FUNCTION api.session() RETURNS integer LANGUAGE sql STABLE \
        AS 'SELECT pg_backend_pid()'; \
    CREATE TABLE api.memos (n integer); GRANT ALL ON api.memos TO PUBLIC";

/// A line that fits into no socket, kept as it is sent.
const LONG_LINES: &str = "\
    CREATE TABLE api.long_lines (line text); \
    ALTER TABLE api.long_lines ALTER COLUMN line SET STORAGE EXTERNAL; \
    INSERT INTO api.long_lines SELECT repeat('x', 2097152); \
    GRANT SELECT ON api.long_lines TO PUBLIC";

/// A line that fits into an answer which is passed on as a whole.
const WIDE_LINE: &str = "\
    CREATE TABLE api.wide_line (line text); \
    ALTER TABLE api.wide_line ALTER COLUMN line SET STORAGE EXTERNAL; \
    INSERT INTO api.wide_line SELECT repeat('x', 102400); \
    GRANT SELECT ON api.wide_line TO PUBLIC";

const WIDE_LINE_BYTES: usize = (100 << 10) + r#"[{"line":""}]"#.len();

const LONG_LINE_BYTES: usize = (2 << 20) + r#"[{"line":""}]"#.len();

/// A primary and its standbys, with a database on all of them.
struct Fleet {
    primary: Cluster,
    standbys: Vec<Cluster>,
    database: Database,
}

impl Fleet {
    fn start(standbys: usize) -> Fleet {
        let primary = Cluster::start(&["wal_writer_delay = 10ms"]);
        let database = primary.database();
        database.run(FIXTURE);
        let standbys = (0..standbys).map(|_| primary.start_standby()).collect();
        Fleet {
            primary,
            standbys,
            database,
        }
    }

    /// The one for tests that stop nobody, and hold nobody up.
    fn shared() -> &'static Fleet {
        static SHARED: OnceLock<Fleet> = OnceLock::new();
        SHARED.get_or_init(|| Fleet::start(2))
    }

    fn uri(&self, clusters: &[&Cluster]) -> String {
        let folders: Vec<&str> = clusters.iter().map(|c| c.socket_folder()).collect();
        let name = &self.database.name;
        format!(
            "postgresql://authenticator@/{name}?host={}&port=5432",
            folders.join(",")
        )
    }

    /// A server whose replicas are all standbys, when they are known to be there.
    fn serve(&self, settings: &[(&str, &str)]) -> Server {
        self.serve_from(&self.standbys, settings)
    }

    /// The same with some of them.
    fn serve_from(&self, standbys: &[Cluster], settings: &[(&str, &str)]) -> Server {
        let replicas: Vec<String> = standbys.iter().map(|s| self.uri(&[s])).collect();
        let replicas = replicas.join(" ");
        let mut all = vec![("db-uri-read-replicas", replicas.as_str())];
        all.extend_from_slice(settings);
        let server = Server::start(&self.database, &all);
        await_replicas(&server, standbys.len());
        server
    }

    /// Waits until a table is on a standby, too.
    fn await_table(&self, standby: usize, name: &str) {
        let copy = self.standbys[standby].copy_of(&self.database);
        until(&format!("{name} to be replayed"), || {
            copy.one(&format!("SELECT (to_regclass('{name}') IS NOT NULL)::text")) == "true"
        });
    }

    /// On a standby.
    fn run_on(&self, standby: usize, sql: &str) {
        self.standbys[standby].copy_of(&self.database).run(sql);
    }
}

fn await_replicas(server: &Server, count: usize) {
    until("the replicas to be known", || usable(server) == count);
}

fn usable(server: &Server) -> usize {
    sum(&scrape(server), "corerest_replica_up{") as usize
}

/// How often who was asked.
#[derive(Debug, PartialEq)]
struct Asked {
    primary: f64,
    replicas: f64,
}

fn asked(server: &Server) -> Asked {
    let samples = scrape(server);
    let name = "corerest_server_requests_total{";
    let primary = samples[&format!("{name}server=\"primary\"}}")];
    let replicas = sum(&samples, name) - primary;
    Asked { primary, replicas }
}

fn connections_in_use(server: &Server) -> f64 {
    sum(&scrape(server), "corerest_server_connections_in_use{")
}

/// Of all samples whose names begin so.
fn sum(samples: &BTreeMap<String, f64>, prefix: &str) -> f64 {
    let samples = samples.iter().filter(|(name, _)| name.starts_with(prefix));
    samples.map(|(_, value)| value).sum()
}

/// How many sessions we have there.
fn sessions(cluster: &Cluster) -> usize {
    let ours = "SELECT count(*)::text FROM pg_stat_activity WHERE usename = 'authenticator'";
    let count = cluster.postgres().one(ours);
    count.parse().expect("it is a number")
}

/// Ends them.
fn end_sessions(cluster: &Cluster) {
    cluster.postgres().run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'authenticator'",
    );
}

fn send(
    client: &mut Client,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let length = body.len().to_string();
    let mut all = headers.to_vec();
    if method != "GET" {
        all.push(("Content-Length", &length));
    }
    let mut bytes = request(method, target, &all);
    bytes.extend(body.as_bytes());
    client.send(&bytes);
    client.read(method)
}

fn write(client: &mut Client, n: usize) -> Answer {
    let prefer = [("Prefer", "consistency=session")];
    let answer = send(
        client,
        "POST",
        "/memos",
        &prefer,
        &format!(r#"{{"n":{n}}}"#),
    );
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer
}

/// That of a write that has asked for one.
fn token_of(written: &Answer) -> &str {
    let token = written.header("Consistency-Token");
    token.expect("it was asked for")
}

fn read_after(client: &mut Client, target: &str, token: &str) -> Answer {
    let answer = send(client, "GET", target, &[("Consistency-Token", token)], "");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

#[track_caller]
fn on_standby(client: &mut Client, expected: &str) {
    assert_eq!(client.get(ON_STANDBY).text(), expected);
}

#[test]
fn reads_go_to_replicas_and_everything_else_to_the_primary() {
    let server = Fleet::shared().serve(&[("db-tx-end", "commit-allow-override")]);
    let mut client = server.client();
    on_standby(&mut client, "true");
    let answer = send(&mut client, "POST", ON_STANDBY, &[], "{}");
    assert_eq!(answer.text(), "true");
    assert_eq!(client.get("/rpc/is_standby_perhaps").text(), "false");
    for (name, value) in [("Prefer", "tx=rollback"), ("Prefer", "consistency=strong")] {
        let answer = send(&mut client, "GET", ON_STANDBY, &[(name, value)], "");
        assert_eq!(answer.text(), "false", "{value}");
        assert_eq!(answer.header("Preference-Applied"), Some(value));
    }
    let vary = client.get("/plants?limit=1");
    let vary = vary.header("Vary").expect("it varies");
    assert!(vary.ends_with(", Consistency-Token"), "{vary}");
    assert_eq!(
        send(&mut client, "POST", "/memos", &[], r#"{"n":0}"#).status,
        201
    );
    assert_eq!(
        asked(&server),
        Asked {
            primary: 4.0,
            replicas: 3.0
        }
    );
    server.stop();
}

/// NOTIFY is allowed in a transaction that only reads, and not on a standby.
#[test]
fn what_a_standby_cannot_do_is_asked_of_the_primary() {
    let server = Fleet::shared().serve(&[]);
    let mut client = server.client();
    let answer = client.get("/rpc/is_told");
    assert_eq!((answer.status, answer.text()), (200, "false"));
    assert_eq!(client.get("/plants?nothing=eq.1").status, 400);
    server.stop();
}

/// VACUUM has removed what a read on the standby may still see, and the standby does not wait.
#[test]
fn a_read_that_conflicts_with_recovery_is_asked_once_more_of_the_primary() {
    let fleet = Fleet::start(1);
    fleet.run_on(0, "ALTER SYSTEM SET max_standby_streaming_delay = 0");
    fleet.run_on(0, "SELECT pg_reload_conf()");
    let server = fleet.serve(&[]);
    fleet.database.run("INSERT INTO api.memos VALUES (1)");
    let standby = fleet.standbys[0].copy_of(&fleet.database);
    let conflicts = "SELECT confl_snapshot::text FROM pg_stat_database_conflicts \
                     WHERE datname = current_database()";
    thread::scope(|scope| {
        let read = scope.spawn(|| server.client().get("/rpc/rests?seconds=3"));
        until("the read to be under way", || {
            standby.one(
                "SELECT count(*)::text FROM pg_stat_activity \
                 WHERE usename = 'authenticator' AND wait_event = 'PgSleep'",
            ) == "1"
        });
        fleet.database.run("DELETE FROM api.memos");
        fleet.database.run("VACUUM api.memos");
        let answer = read.join().expect("it was answered");
        assert_eq!((answer.status, answer.text()), (200, "false"));
    });
    until("the conflict to be counted", || {
        standby.one(conflicts) == "1"
    });
    assert_eq!(
        asked(&server),
        Asked {
            primary: 1.0,
            replicas: 1.0
        }
    );
    // That is no fault of the replica.
    assert_eq!(usable(&server), 1);
    server.stop();
}

#[test]
fn whoever_conflicts_is_asked_again_before_the_first_byte_and_once() {
    let fleet = Fleet::start(1);
    let server = fleet.serve(&[]);
    let mut client = server.client();
    assert_eq!(client.get("/rpc/conflicts_on_standby").text(), "[1]");
    let accept = [("Accept", "application/x-ndjson")];
    let target = "/rpc/conflicts_on_standby";
    let answer = send(&mut client, "GET", target, &accept, "");
    assert_eq!((answer.status, answer.text()), (200, "1\n"));
    assert_eq!(
        asked(&server),
        Asked {
            primary: 2.0,
            replicas: 2.0
        }
    );
    // What the primary says is the answer, be it the same.
    let conflict = |client: &mut Client, standby: bool| {
        let answer = client.get("/rpc/conflicts");
        let text = answer.text();
        assert!(text.contains(r#""code":"40001""#), "{text}");
        let says = format!("standby: {}", if standby { "t" } else { "f" });
        assert!(text.contains(&says), "{text}");
    };
    conflict(&mut client, false);
    assert_eq!(
        asked(&server),
        Asked {
            primary: 3.0,
            replicas: 3.0
        }
    );
    fleet.primary.stop(Stop::Immediate);
    conflict(&mut client, true);
    server.stop();
}

#[test]
fn who_has_a_token_sees_what_was_written() {
    let server = Fleet::shared().serve(&[]);
    let mut client = server.client();
    let mut from_replica = 0;
    for n in 1000..1050 {
        let written = write(&mut client, n);
        let applied = written.header("Preference-Applied");
        assert_eq!(applied, Some("consistency=session"));
        let exposed = written.header("Access-Control-Expose-Headers");
        assert_eq!(exposed, Some("Consistency-Token"));
        let token = token_of(&written);
        let read = read_after(&mut client, &format!("/memos?n=eq.{n}"), token);
        assert_eq!(read.text(), format!(r#"[{{"n":{n}}}]"#));
        from_replica += usize::from(read_after(&mut client, ON_STANDBY, token).text() == "true");
    }
    assert!(
        from_replica > 25,
        "{from_replica} of 50 were answered by a replica"
    );
    // Nobody has asked for it, and nothing was written.
    let answer = send(&mut client, "POST", "/memos", &[], r#"{"n":0}"#);
    assert_eq!(answer.header("Consistency-Token"), None);
    let prefer = [("Prefer", "consistency=session")];
    let answer = send(&mut client, "POST", "/memos", &prefer, r#"{"n":"x"}"#);
    assert_eq!(
        (answer.status, answer.header("Consistency-Token")),
        (400, None)
    );
    server.stop();
}

#[test]
fn a_token_that_is_none_is_refused_and_one_of_another_time_is_the_primarys() {
    let server = Fleet::shared().serve(&[]);
    let mut client = server.client();
    let long = format!("1-0/{}", "0".repeat(10_000));
    let malformed = [
        "",
        "x",
        "1-0",
        "1-0/0 1-0/0",
        "0x1-0/0",
        "99999999999-0/0",
        &long,
    ];
    for token in malformed {
        let answer = send(
            &mut client,
            "GET",
            "/memos",
            &[("Consistency-Token", token)],
            "",
        );
        assert_eq!(answer.status, 400, "{token:?}: {}", answer.text());
    }
    // The beginning of time, before the first timeline, and long ago.
    assert_eq!(read_after(&mut client, ON_STANDBY, "0-0/0").text(), "false");
    assert_eq!(read_after(&mut client, ON_STANDBY, "1-0/0").text(), "true");
    // No replica will ever have replayed these.
    for token in ["1-FFFFFFFF/FFFFFFFF", "4294967295-0/0"] {
        assert_eq!(read_after(&mut client, ON_STANDBY, token).text(), "false");
    }
    server.stop();
}

/// Whoever sends tokens of the future all the time has nobody looked at all the time.
#[test]
fn tokens_that_name_what_nobody_has_written_cost_few_looks() {
    let fleet = Fleet::start(1);
    let servers = [&fleet.primary, &fleet.standbys[0]];
    for cluster in servers {
        let postgres = cluster.postgres();
        postgres.run("ALTER SYSTEM SET log_statement = 'all'");
        postgres.run("SELECT pg_reload_conf()");
    }
    let server = fleet.serve(&[]);
    let looks = |cluster: &Cluster| cluster.log().matches("pg_control_system").count();
    let before = servers.map(looks);
    let began = Instant::now();
    let until_when = began + Duration::from_secs(5);
    let answered = thread::scope(|scope| {
        let readers: Vec<_> = (0..4)
            .map(|reader| {
                let server = &server;
                scope.spawn(move || {
                    let mut client = server.client();
                    let mut count = 0;
                    while Instant::now() < until_when {
                        let token = format!("1-FFFFFFFF/{:X}", 100 * count + reader);
                        let answer = read_after(&mut client, ON_STANDBY, &token);
                        assert_eq!(answer.text(), "false");
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        let counts = readers.into_iter().map(|reader| reader.join());
        counts
            .map(|count| count.expect("all were answered"))
            .sum::<usize>()
    });
    let seconds = usize::try_from(began.elapsed().as_secs()).expect("they are few");
    // One a second as always, four for them, and a few before it was clear.
    let at_most = 5 * (seconds + 1) + 10;
    for (cluster, before) in servers.into_iter().zip(before) {
        let looks = looks(cluster) - before;
        assert!(looks <= at_most, "{looks} looks in {seconds} s");
    }
    // None of them waits for as long as one who may hope.
    assert!(answered > 2 * 4 * 5, "{answered} reads in {seconds} s");
    server.stop();
}

#[test]
fn without_replicas_nobody_knows_of_consistency() {
    let database = Cluster::shared().database();
    database.run("CREATE TABLE api.memos (n integer); GRANT ALL ON api.memos TO PUBLIC");
    let server = Server::start(&database, &[]);
    let mut client = server.client();
    let strict = [("Prefer", "handling=strict, consistency=strong")];
    let answer = send(&mut client, "GET", "/plants", &strict, "");
    assert_eq!(answer.status, 400);
    let prefer = [
        ("Prefer", "consistency=session, return=minimal"),
        ("Consistency-Token", "x"),
    ];
    let answer = send(&mut client, "POST", "/memos", &prefer, r#"{"n":1}"#);
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.header("Preference-Applied"), Some("return=minimal"));
    assert_eq!(answer.header("Consistency-Token"), None);
    assert!(
        !server
            .admin()
            .get("/metrics")
            .text()
            .contains("corerest_replica")
    );
    server.stop();
}

#[test]
fn a_replica_that_replays_nothing_delays_who_has_a_token_and_then_nobody() {
    let fleet = Fleet::start(1);
    let server = fleet.serve(&[("db-replica-max-lag", "2")]);
    let mut client = server.client();
    fleet.run_on(0, "SELECT pg_wal_replay_pause()");
    let written = write(&mut client, 1);
    let token = token_of(&written).to_owned();
    // The replica knows nothing of it, and who says nothing of what he has seen may be told so.
    assert_eq!(client.get("/memos").text(), "[]");
    let began = Instant::now();
    assert_eq!(
        read_after(&mut client, "/memos", &token).text(),
        r#"[{"n":1}]"#
    );
    let waited = began.elapsed();
    assert!(waited >= Duration::from_millis(900), "{waited:?}");
    assert!(waited <= Duration::from_secs(5), "{waited:?}");
    until("the replica to lag", || usable(&server) == 0);
    assert_eq!(client.get("/memos").text(), r#"[{"n":1}]"#);
    fleet.run_on(0, "SELECT pg_wal_replay_resume()");
    await_replicas(&server, 1);
    assert_eq!(read_after(&mut client, ON_STANDBY, &token).text(), "true");
    server.stop();
}

#[test]
fn who_waits_for_a_replica_is_answered_when_it_has_replayed() {
    let fleet = Fleet::start(1);
    let server = fleet.serve(&[("db-replica-max-lag", "60")]);
    fleet.run_on(0, "ALTER SYSTEM SET recovery_min_apply_delay = '300ms'");
    fleet.run_on(0, "SELECT pg_reload_conf()");
    let mut client = server.client();
    let mut from_replica = 0;
    for n in 0..10 {
        let written = write(&mut client, n);
        let token = token_of(&written);
        let target = format!("/memos?n=eq.{n}&select=n,tableoid");
        assert!(
            read_after(&mut client, &target, token)
                .text()
                .contains(&format!("\"n\":{n}"))
        );
        from_replica += usize::from(read_after(&mut client, ON_STANDBY, token).text() == "true");
    }
    assert!(from_replica >= 8, "{from_replica} of 10");
    server.stop();
}

#[test]
fn what_a_replica_does_not_have_yet_is_asked_of_the_primary() {
    let fleet = Fleet::start(1);
    let server = fleet.serve(&[("db-replica-max-lag", "60")]);
    let mut client = server.client();
    fleet.run_on(0, "SELECT pg_wal_replay_pause()");
    fleet.database.run(
        "ALTER TABLE api.memos ADD COLUMN fresh integer; \
         CREATE TABLE api.fresh AS SELECT 1 AS id; GRANT SELECT ON api.fresh TO PUBLIC; \
         NOTIFY pgrst, 'reload schema'",
    );
    until("the new table", || client.get("/fresh").status == 200);
    assert_eq!(client.get("/memos?select=fresh").text(), "[]");
    assert_eq!(client.get("/fresh").text(), r#"[{"id":1}]"#);
    on_standby(&mut client, "true");
    server.stop();
}

#[test]
fn a_replica_that_dies_under_load_costs_no_read() {
    let fleet = Fleet::start(2);
    let server = fleet.serve(&[("db-pool", "4")]);
    let until_when = Instant::now() + Duration::from_secs(6);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = server.client();
                    let mut count = 0;
                    while Instant::now() < until_when {
                        let answer = client.get("/plants?select=id&order=id&limit=3");
                        assert_eq!(answer.status, 200, "{}", answer.text());
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        for how in [Stop::Kill, Stop::Immediate, Stop::Fast] {
            fleet.standbys[0].stop(how);
            until("it to be left out", || usable(&server) < 2);
            fleet.standbys[0].start_again();
        }
        let counts = readers
            .into_iter()
            .map(|reader| reader.join().expect("no read failed"));
        assert!(counts.sum::<usize>() > 100);
    });
    await_replicas(&server, 2);
    fleet
        .standbys
        .iter()
        .for_each(|standby| standby.stop(Stop::Fast));
    let mut client = server.client();
    on_standby(&mut client, "false");
    server.stop();
}

#[test]
fn without_a_replica_reads_take_half_of_the_primarys_connections() {
    let fleet = Fleet::start(1);
    let settings = [("db-pool", "4"), ("server-cores", "1")];
    let server = fleet.serve(&settings);
    fleet.standbys[0].stop(Stop::Fast);
    until("it to be left out", || usable(&server) == 0);
    let slow: Vec<Client> = (0..6)
        .map(|_| {
            let mut client = server.client();
            client.send(request("GET", "/rpc/rests?seconds=3600", &[]));
            client
        })
        .collect();
    let name = "corerest_server_connections_in_use{server=\"primary\"}";
    until("the reads to be at work", || scrape(&server)[name] == 2.0);
    let written = send(&mut server.client(), "POST", "/memos", &[], r#"{"n":1}"#);
    assert_eq!(written.status, 201);
    for client in slow {
        client.leave("nobody has waited for an hour");
    }
    server.stop();
}

#[test]
fn without_a_replica_reads_are_refused_if_they_may_not_go_to_the_primary() {
    let fleet = Fleet::start(1);
    let server = fleet.serve(&[("db-replica-fallback", "false")]);
    let mut client = server.client();
    on_standby(&mut client, "true");
    fleet.standbys[0].stop(Stop::Fast);
    until("it to be left out", || usable(&server) == 0);
    let answer = client.get(ON_STANDBY);
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.header("Retry-After").is_some());
    write(&mut client, 1);
    fleet.standbys[0].start_again();
    await_replicas(&server, 1);
    on_standby(&mut client, "true");
    server.stop();
}

#[test]
fn while_the_primary_is_away_reads_go_on() {
    let fleet = Fleet::start(1);
    let server = fleet.serve(&[]);
    let mut client = server.client();
    let ready = |query: &str| server.admin().get(&format!("/ready{query}")).status;
    assert_eq!(
        (ready(""), ready("?role=read"), ready("?role=write")),
        (200, 200, 200)
    );
    assert_eq!(ready("?role=else"), 400);
    fleet.primary.stop(Stop::Immediate);
    until("it to be missed", || ready("?role=write") == 503);
    assert_eq!((ready(""), ready("?role=read")), (503, 200));
    on_standby(&mut client, "true");
    assert_eq!(
        client.get("/plants?select=id&id=eq.1").text(),
        r#"[{"id":1}]"#
    );
    // What only the primary could know better is as the replica says.
    assert_eq!(client.get("/rpc/is_told").status, 405);
    let answer = send(&mut client, "POST", "/memos", &[], r#"{"n":1}"#);
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.header("Retry-After").is_some());
    fleet.primary.start_again();
    until("it to be there", || ready("?role=write") == 200);
    write(&mut client, 2);
    server.stop();
}

#[test]
fn a_standby_that_is_promoted_takes_the_writes() {
    let fleet = Fleet::start(2);
    let primaries = fleet.uri(&[&fleet.primary, &fleet.standbys[0]]);
    let replicas = [
        fleet.uri(&[&fleet.standbys[0]]),
        fleet.uri(&[&fleet.standbys[1]]),
    ]
    .join("\n");
    let settings = [("db-uri", &*primaries), ("db-uri-read-replicas", &replicas)];
    let server = Server::start(&fleet.database, &settings);
    await_replicas(&server, 2);
    let mut client = server.client();
    let written = write(&mut client, 1);
    let old_token = token_of(&written).to_owned();
    until("the standby to have it", || {
        let copy = fleet.standbys[0].copy_of(&fleet.database);
        copy.one("SELECT count(*)::text FROM api.memos") == "1"
    });
    fleet.primary.stop(Stop::Immediate);
    on_standby(&mut client, "true");
    fleet.run_on(0, "SELECT pg_promote()");
    until("writes to be taken", || {
        let answer = send(&mut client, "POST", "/memos", &[], r#"{"n":2}"#);
        assert!([201, 503].contains(&answer.status), "{}", answer.text());
        answer.status == 201
    });
    let written = write(&mut client, 3);
    let token = token_of(&written).to_owned();
    assert!(token.starts_with("2-"), "{token}");
    let both = "[{\"n\":1}, \n {\"n\":3}]";
    let target = "/memos?n=in.(1,3)&order=n&select=n";
    assert_eq!(read_after(&mut client, target, &token).text(), both);
    // That its timeline is over is known when somebody has looked.
    until("the old token to be the primary's", || {
        read_after(&mut client, target, &old_token).text() == both
    });
    server.stop();
}

/// Its kernel takes what is sent to it, so nothing breaks. What waits for it goes on elsewhere when
/// those who look after it hear nothing, either.
#[test]
fn a_replica_that_hangs_holds_no_read_up_for_long() {
    let fleet = Fleet::start(2);
    let server = fleet.serve(&[("db-pool", "8")]);
    // What they rest in is asked of them: a connection is in use before there is anybody behind it.
    let resting = |standby: usize| {
        let resting = "SELECT count(*)::text FROM pg_stat_activity WHERE wait_event = 'PgSleep' \
                       AND datname = current_database()";
        let copy = fleet.standbys[standby].copy_of(&fleet.database);
        copy.one(resting).parse::<u32>().expect("it is a number")
    };
    let await_busy = || {
        until("both replicas to be at work", || {
            // How the clients are divided among cores is the kernel's choice.
            let (first, second) = (resting(0), resting(1));
            first + second == 4 && first > 0 && second > 0
        });
    };
    let read = || {
        let mut client = server.client();
        client.get("/rpc/rests?seconds=4").text().to_owned()
    };
    thread::scope(|scope| {
        let start_slow = || (0..4).map(|_| scope.spawn(read)).collect::<Vec<_>>();
        let asked = Instant::now();
        let slow = start_slow();
        await_busy();
        let frozen = fleet.standbys[0].freeze();
        for read in slow {
            assert_eq!(read.join().expect("it was answered"), "true");
        }
        assert!(asked.elapsed() < HANGING_MAX, "{:?}", asked.elapsed());
        assert_eq!(usable(&server), 1);
        let mut client = server.client();
        for _ in 0..20 {
            let began = Instant::now();
            on_standby(&mut client, "true");
            assert!(began.elapsed() < Duration::from_secs(1));
        }
        drop(frozen);
        await_replicas(&server, 2);
        // Both do, and the primary is left.
        let asked = Instant::now();
        let slow = start_slow();
        await_busy();
        let frozen = fleet
            .standbys
            .iter()
            .map(Cluster::freeze)
            .collect::<Vec<_>>();
        for read in slow {
            assert_eq!(read.join().expect("it was answered"), "false");
        }
        assert!(asked.elapsed() < HANGING_MAX, "{:?}", asked.elapsed());
        drop(frozen);
    });
    await_replicas(&server, 2);
    server.stop();
}

/// Whatever is between us and it takes what is sent, so nothing breaks.
#[test]
fn a_replica_that_is_cut_off_in_the_middle_of_an_answer_holds_nobody_up_for_long() {
    let fleet = Fleet::start(1);
    fleet.database.run(WIDE_LINE);
    fleet.await_table(0, "api.wide_line");
    let name = &fleet.database.name;
    let check = |cancel: &str, cuts: &[u64]| {
        let proxy = Proxy::start(fleet.standbys[0].socket());
        let port = proxy.port;
        let uri = format!("postgresql://authenticator@127.0.0.1:{port}/{name}?sslmode=disable");
        let server = Server::start(
            &fleet.database,
            &[
                ("db-uri-read-replicas", &uri),
                ("server-cancel-on-disconnect", cancel),
                ("server-cores", "1"),
            ],
        );
        for bytes in cuts {
            await_replicas(&server, 1);
            let mut client = server.client();
            on_standby(&mut client, "true");
            let before = (asked(&server).primary, proxy.silent());
            proxy.fall_silent_after(*bytes);
            let began = Instant::now();
            let answer = client.get("/wide_line");
            let found = (answer.status, answer.body.len());
            assert_eq!(found, (200, WIDE_LINE_BYTES), "cut after {bytes} bytes");
            let took = began.elapsed();
            assert!(took < CUT_OFF_MAX, "cut after {bytes} bytes: {took:?}");
            assert!(proxy.silent() > before.1, "cut after {bytes} bytes");
            assert_eq!(asked(&server).primary, before.0 + 1.0);
            proxy.thaw();
        }
        server.stop();
    };
    check("true", &[3, 20_000, 70_000]);
    check("false", &[3]);
}

/// Whoever asks for a query that takes long is left alone by those who look for replicas that hang.
#[test]
fn a_slow_read_stays_with_a_replica_that_answers_others() {
    let server = Fleet::shared().serve(&[]);
    let mut client = server.client();
    let began = Instant::now();
    assert_eq!(client.get("/rpc/rests?seconds=6").text(), "true");
    assert!(began.elapsed() >= Duration::from_secs(6));
    let Asked { primary, replicas } = asked(&server);
    assert_eq!(primary + replicas, 1.0);
    server.stop();
}

/// Whoever waits for the only connection to a replica is asked together with others that do.
#[test]
fn quick_reads_of_replicas_go_together() {
    let fleet = Fleet::start(1);
    let server = fleet.serve(&[("db-pool", "1"), ("server-cores", "1")]);
    let plant = |id: usize| format!("/plants?select=id&id=eq.{id}");
    let mut client = server.client();
    // As many quick answers make a shape one that is known as quick, and more.
    for _ in 0..400 {
        assert_eq!(client.get(&plant(1)).status, 200);
    }
    let together = || server.metric("corerest_requests_together_total");
    let ids = [1, 2, 999, 3, 1, 2, 3, 999, 2];
    let mut most = 0.0;
    until("some to go together", || {
        let before = (asked(&server).replicas, together());
        let mut occupier = server.client();
        occupier.send(request("GET", "/rpc/rests?seconds=1", &[]));
        until("the connection to be in use", || {
            connections_in_use(&server) == 1.0
        });
        let mut clients: Vec<Client> = ids.iter().map(|_| server.client()).collect();
        for (client, id) in clients.iter_mut().zip(ids) {
            client.send(request("GET", &plant(id), &[]));
        }
        // It asks whether that was replayed, and so by itself.
        let mut with_token = server.client();
        let token = [("Consistency-Token", "1-0/0")];
        with_token.send(request("GET", &plant(1), &token));
        server.await_metric("pgrst_db_pool_waiting", 1.0 + ids.len() as f64);
        assert_eq!(occupier.read("GET").text(), "true");
        for (client, id) in clients.iter_mut().zip(ids) {
            let answer = client.read("GET");
            let expected = match id {
                999 => "[]".to_owned(),
                id => format!(r#"[{{"id":{id}}}]"#),
            };
            assert_eq!((answer.status, answer.text()), (200, &*expected));
            client.expect_usable();
        }
        assert_eq!(with_token.read("GET").text(), r#"[{"id":1}]"#);
        // With the occupier and the one with the token.
        let all = ids.len() as f64 + 2.0;
        assert_eq!(asked(&server).replicas, before.0 + all);
        most = together() - before.1;
        most > 1.0
    });
    assert!(most <= ids.len() as f64, "{most}");
    assert_eq!(asked(&server).primary, 0.0);
    server.stop();
}

/// Whether they are asked together, or by themselves after all, because one of them fails.
#[test]
fn each_read_is_counted_once_however_many_there_are_at_a_time() {
    const CLIENTS: usize = 12;
    const EACH: usize = 100;
    let fleet = Fleet::shared();
    for standbys in [1, 2] {
        let settings = [("db-pool", "2"), ("server-cores", "2")];
        let server = fleet.serve_from(&fleet.standbys[..standbys], &settings);
        let together = || server.metric("corerest_requests_together_total");
        let mut sent = 0.0;
        until("some to go together", || {
            thread::scope(|scope| {
                for _ in 0..CLIENTS {
                    scope.spawn(|| {
                        let mut client = server.client();
                        for n in 0..EACH {
                            let (id, status) = if n % 10 == 9 { ("no", 400) } else { ("1", 200) };
                            let answer = client.get(&format!("/plants?select=id&id=eq.{id}"));
                            assert_eq!(answer.status, status, "{}", answer.text());
                        }
                    });
                }
            });
            sent += (CLIENTS * EACH) as f64;
            let (primary, replicas) = (0.0, sent);
            assert_eq!(asked(&server), Asked { primary, replicas });
            together() > 100.0
        });
        server.stop();
    }
}

/// The settings of a server change while it has sessions, and what they refuse the next one takes.
#[test]
fn a_write_that_a_server_takes_no_more_is_sent_to_the_one_that_does() {
    let fleet = Fleet::start(1);
    let database = &fleet.database;
    let uri = database.uri_of_many(&[&fleet.primary, &fleet.standbys[0]], "read-write");
    let server = Server::start(database, &[("db-uri", &uri), ("db-pool", "1")]);
    let mut client = server.client();
    let post = |client: &mut Client, n: usize| {
        send(client, "POST", "/memos", &[], &format!(r#"{{"n":{n}}}"#)).status
    };
    assert_eq!(post(&mut client, 0), 201);
    fleet.run_on(0, "SELECT pg_promote()");
    fleet
        .primary
        .postgres()
        .run("ALTER SYSTEM SET default_transaction_read_only = on");
    fleet.primary.postgres().run("SELECT pg_reload_conf()");
    let other = fleet.standbys[0].copy_of(database);
    let mut n = 0;
    until("the other one to be written to", || {
        n += 1;
        assert_eq!(post(&mut client, n), 201);
        other.one("SELECT count(*)::text FROM api.memos WHERE n > 0") != "0"
    });
    assert!(!server.is_silent_about("A write was refused, and is sent to another server"));
    let of_other = other.one("SELECT count(*)::text FROM api.memos WHERE n > 0");
    let of_first = database.one("SELECT count(*)::text FROM api.memos WHERE n > 0");
    let all: usize = [of_first, of_other]
        .map(|count| count.parse::<usize>().expect("it is one"))
        .iter()
        .sum();
    assert_eq!(all, n);
    // With a connection that is as it should be, this is an answer like others.
    let session = |client: &mut Client| client.get("/rpc/session").text().to_owned();
    let before = session(&mut client);
    let answer = send(&mut client, "POST", "/rpc/refuses", &[], "{}");
    assert_eq!(answer.status, 405, "{}", answer.text());
    assert_eq!(session(&mut client), before);
    server.stop();
}

/// Both take writes for a moment, and only those to one of them count: the one that was promoted,
/// for it is on a newer timeline.
#[test]
fn of_two_primaries_the_newer_one_takes_the_writes() {
    let fleet = Fleet::start(1);
    // The old one comes first, and is passed over.
    let primaries = fleet.uri(&[&fleet.primary, &fleet.standbys[0]]);
    let replicas = fleet.uri(&[&fleet.standbys[0]]);
    let settings = [("db-uri", &*primaries), ("db-uri-read-replicas", &replicas)];
    let server = Server::start(&fleet.database, &settings);
    await_replicas(&server, 1);
    let mut client = server.client();
    let timeline = |answer: &Answer| {
        let (timeline, _) = token_of(answer).split_once('-').expect("it has both");
        timeline.parse::<u32>().expect("it is a number")
    };
    assert_eq!(timeline(&write(&mut client, 1)), 1);
    fleet.run_on(0, "SELECT pg_promote()");
    until("the new one to be written to", || {
        timeline(&write(&mut client, 2)) == 2
    });
    let of_first = || fleet.database.one("SELECT count(*)::text FROM api.memos");
    let before = of_first();
    // More than there are connections, by clients who are at it all the time.
    thread::scope(|scope| {
        for client in 0..8 {
            let server = &server;
            scope.spawn(move || {
                let mut own = server.client();
                for n in 0..10 {
                    let written = write(&mut own, 100 + 10 * client + n);
                    assert_eq!(timeline(&written), 2);
                }
            });
        }
    });
    assert_eq!(of_first(), before);
    // Connections that are opened from now on go there, too.
    end_sessions(&fleet.standbys[0]);
    assert_eq!(timeline(&write(&mut client, 3)), 2);
    assert_eq!(of_first(), before);
    server.stop();
}

#[test]
fn who_prefers_standbys_comes_back_to_one() {
    let fleet = Fleet::start(1);
    let both = fleet.uri(&[&fleet.standbys[0], &fleet.primary]);
    let replicas = format!("{both}&target_session_attrs=prefer-standby");
    let settings = [("db-uri-read-replicas", replicas.as_str())];
    let server = Server::start(&fleet.database, &settings);
    await_replicas(&server, 1);
    let mut client = server.client();
    on_standby(&mut client, "true");
    fleet.standbys[0].stop(Stop::Fast);
    until("the primary to answer as a replica", || {
        usable(&server) == 1 && client.get(ON_STANDBY).text() == "false"
    });
    fleet.standbys[0].start_again();
    until("the standby to answer", || {
        client.get(ON_STANDBY).text() == "true"
    });
    server.stop();
}

/// Their answers are spooled when others wait, whichever server those wait for.
#[test]
fn slow_readers_of_replicas_hold_no_more_connections_than_there_may_be() {
    let fleet = Fleet::start(2);
    fleet.database.run(LONG_LINES);
    (0..2).for_each(|standby| fleet.await_table(standby, "api.long_lines"));
    let socket = unused_path("api");
    let server = fleet.serve(&[
        ("db-pool", "2"),
        ("server-cores", "1"),
        ("server-unix-socket", socket.to_str().expect("we chose it")),
    ]);
    let check_bounds = || {
        let samples = scrape(&server);
        let servers = samples
            .iter()
            .filter(|(name, _)| name.starts_with("corerest_server_connections{"));
        let servers: Vec<_> = servers.collect();
        assert_eq!(servers.len(), 3, "{servers:?}");
        assert!(
            servers.iter().all(|(_, count)| **count <= 2.0),
            "{servers:?}"
        );
        // Each is looked at by one more; the primary is listened to, and asked for the catalog.
        for (cluster, others) in [
            (&fleet.standbys[0], 1),
            (&fleet.standbys[1], 1),
            (&fleet.primary, 3),
        ] {
            let sessions = sessions(cluster);
            assert!(sessions <= 2 + others, "{sessions}");
        }
    };
    let mut readers: Vec<Client> = (0..12)
        .map(|_| {
            let mut reader = server.client();
            reader.send(request("GET", "/long_lines?select=line", &[]));
            check_bounds();
            reader
        })
        .collect();
    let mut client = server.client();
    for n in 0..10 {
        write(&mut client, n);
        assert_eq!(
            client.get("/plants?select=id&id=eq.1").text(),
            r#"[{"id":1}]"#
        );
        let strong = [("Prefer", "consistency=strong")];
        assert_eq!(
            send(&mut client, "GET", ON_STANDBY, &strong, "").text(),
            "false"
        );
        check_bounds();
    }
    for reader in &mut readers {
        let answer = reader.read("GET");
        assert_eq!((answer.status, answer.body.len()), (200, LONG_LINE_BYTES));
    }
    check_bounds();
    server.stop();
}

#[test]
fn a_reload_that_names_other_replicas_changes_nothing_and_says_so() {
    let fleet = Fleet::start(1);
    let path = unused_path("replicas");
    let line = format!(
        "db-uri-read-replicas = \"{}\"\n",
        fleet.uri(&[&fleet.standbys[0]])
    );
    std::fs::write(&path, &line).expect("the name is new");
    let server = Server::start_with_file(&fleet.database, &path, &[]);
    await_replicas(&server, 1);
    let others = ["", "db-uri-read-replicas = \"postgresql://x@nowhere/x\"\n"];
    let until_when = Instant::now() + Duration::from_secs(3);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = server.client();
                    while Instant::now() < until_when {
                        let written = write(&mut client, 1);
                        read_after(&mut client, "/memos?limit=1", token_of(&written));
                        on_standby(&mut client, "true");
                    }
                })
            })
            .collect();
        for text in others {
            std::fs::write(&path, text).expect("it is ours");
            let reloads = || sum(&scrape(&server), "corerest_config_reloads_total");
            let before = reloads();
            server.signal(Signal::USR2);
            until("the configuration to be reloaded", || reloads() > before);
        }
        readers
            .into_iter()
            .for_each(|reader| reader.join().expect("nothing failed"));
    });
    assert!(!server.is_silent_about("Other db-uri-read-replicas are asked after a restart"));
    std::fs::remove_file(&path).expect("it is ours");
    server.stop();
}

/// A password that is wrong, or a line of `pg_hba.conf` that is missing.
#[test]
fn a_replica_that_lets_nobody_in_is_left_out_and_comes_back() {
    let fleet = Fleet::start(1);
    let server = fleet.serve(&[]);
    let mut client = server.client();
    on_standby(&mut client, "true");
    let rules = Path::new(fleet.standbys[0].socket_folder()).join("data/pg_hba.conf");
    let before = std::fs::read_to_string(&rules).expect("initdb made it");
    let turn_away = |is_done: bool| {
        let first = if is_done {
            "local all authenticator reject\n"
        } else {
            ""
        };
        std::fs::write(&rules, format!("{first}{before}")).expect("its owner may");
        fleet.run_on(0, "SELECT pg_reload_conf()");
        end_sessions(&fleet.standbys[0]);
    };
    turn_away(true);
    until("it to be left out", || {
        assert!(["true", "false"].contains(&client.get(ON_STANDBY).text()));
        usable(&server) == 0
    });
    for _ in 0..20 {
        on_standby(&mut client, "false");
    }
    turn_away(false);
    await_replicas(&server, 1);
    on_standby(&mut client, "true");
    server.stop();
}

/// A PostgreSQL whose certificate is of this authority, and names another host. Nobody who looks at
/// it gets further.
fn start_tls(authority: &Authority) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    let port = listener.local_addr().expect("it is bound").port();
    let config = authority.server("db.internal");
    thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            // It asks whether there is TLS.
            if socket.read_exact(&mut [0; 8]).is_ok() && socket.write_all(b"S").is_ok() {
                let tls = ServerConnection::new(Arc::clone(&config)).expect("it is well");
                let _ = StreamOwned::new(tls, socket).read(&mut [0; 1]);
            }
        }
    });
    port
}

/// A password that is wrong, a database that is not there, a certificate of somebody else.
#[test]
fn a_replica_that_is_misconfigured_is_told_once_and_reads_go_on() {
    let fleet = Fleet::start(1);
    let standby = &fleet.standbys[0];
    fleet
        .database
        .run("ALTER ROLE authenticator PASSWORD 'right'");
    fleet.await_table(0, "api.memos");
    let folder = standby.socket_folder();
    let rules = Path::new(folder).join("data/pg_hba.conf");
    let before = std::fs::read_to_string(&rules).expect("initdb made it");
    let rule = "local all authenticator scram-sha-256\n";
    std::fs::write(&rules, format!("{rule}{before}")).expect("its owner may");
    standby.postgres().run("SELECT pg_reload_conf()");
    let authority = Authority::new();
    let (file, port, name) = (
        authority.file(),
        start_tls(&authority),
        &fleet.database.name,
    );
    let uri = |password: &str, name: &str| {
        format!("postgresql://authenticator:{password}@/{name}?host={folder}")
    };
    let faulty = [
        uri("wrong", name),
        uri("right", "nowhere"),
        format!(
            "postgresql://authenticator:right@127.0.0.1:{port}/{name}\
             ?sslmode=verify-full&sslrootcert={file}"
        ),
    ];
    let reasons = [
        "password authentication failed",
        "database \\\"nowhere\\\" does not exist",
        "certificate",
    ];
    let replicas = format!("{} {}", faulty.join(" "), uri("right", name));
    let server = Server::start(&fleet.database, &[("db-uri-read-replicas", &replicas)]);
    await_replicas(&server, 1);
    let mut client = server.client();
    (0..20).for_each(|_| on_standby(&mut client, "true"));
    let attempts = |said: &str| standby.log().matches(said).count();
    until("them to be tried several times", || {
        on_standby(&mut client, "true");
        attempts("password authentication failed") > 2 && attempts("\"nowhere\"") > 2
    });
    let lines = server.stderr.lines();
    let left_out = lines.iter().filter(|line| line.contains(" is left out: "));
    let left_out: Vec<_> = left_out.collect();
    // On a busy machine an attempt can take too long, which is another reason.
    let mut told = HashMap::new();
    for line in &left_out {
        let (_, what) = line.split_once(" The replica ").expect("it is named");
        let (replica, why) = what.split_once(" is left out: ").expect("it says why");
        assert_ne!(told.insert(replica, why), Some(why), "{left_out:?}");
    }
    for reason in reasons {
        assert!(
            left_out.iter().any(|line| line.contains(reason)),
            "{reason}: {left_out:?}"
        );
    }
    assert_eq!(usable(&server), 1);
    let ready = |server: &Server, query: &str| server.admin().get(&format!("/ready{query}")).status;
    assert_eq!(
        (ready(&server, ""), ready(&server, "?role=read")),
        (200, 200)
    );
    server.stop();
    // Whoever has no other replica, and may not ask the primary, cannot read.
    let settings = [
        ("db-uri-read-replicas", faulty[0].as_str()),
        ("db-replica-fallback", "false"),
    ];
    let server = Server::start(&fleet.database, &settings);
    assert_eq!(server.client().get(ON_STANDBY).status, 503);
    assert_eq!(
        (ready(&server, ""), ready(&server, "?role=read")),
        (200, 503)
    );
    server.stop();
    check_names(&fleet.database, &replicas, &reasons);
}

fn check_names(database: &Database, replicas: &str, reasons: &[&str]) {
    let uri = database.uri();
    let settings = [
        ("PGRST_DB_URI", uri.as_str()),
        ("PGRST_DB_SCHEMAS", "api"),
        ("PGRST_DB_ANON_ROLE", "anonymous"),
        ("PGRST_DB_URI_READ_REPLICAS", replicas),
    ];
    let output = command().arg("--check").envs(settings).output();
    let output = output.expect("the server can be started");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    for reason in reasons {
        let reason = reason.replace('\\', "");
        let is_told = |line: &str| line.contains(" cannot be asked: ") && line.contains(&reason);
        assert!(text.lines().any(is_told), "{reason}: {text}");
    }
}

/// The arithmetic of docs/replicas.md, for who names the primary among the replicas, too.
#[test]
fn a_primary_that_is_a_replica_has_the_connections_of_both_and_no_more() {
    let fleet = Fleet::start(0);
    let replicas = fleet.uri(&[&fleet.primary]);
    let settings = [
        ("db-uri-read-replicas", &*replicas),
        ("db-pool", "2"),
        ("server-cores", "1"),
    ];
    let server = Server::start(&fleet.database, &settings);
    await_replicas(&server, 1);
    thread::scope(|scope| {
        let read = || server.client().get("/rpc/rests?seconds=1").status;
        let write = || {
            let body = r#"{"seconds":1}"#;
            send(
                &mut server.client(),
                "POST",
                "/rpc/rests_perhaps",
                &[],
                body,
            )
            .status
        };
        let mut all: Vec<_> = (0..6).map(|_| scope.spawn(read)).collect();
        all.extend((0..6).map(|_| scope.spawn(write)));
        until("all connections to be in use", || {
            let now = sessions(&fleet.primary);
            assert!(now <= 2 * 2 + 4, "{now}");
            connections_in_use(&server) == 4.0
        });
        for one in all {
            let status = one.join().expect("it was answered");
            assert_eq!(status, 200);
            assert!(sessions(&fleet.primary) <= 2 * 2 + 4);
        }
    });
    server.stop();
}
