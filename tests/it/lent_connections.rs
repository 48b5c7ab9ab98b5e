//! A core answers its clients while one of them takes a large answer from a connection of another
//! core, and PostgreSQL does not go on with it.

use corerest_tests::client::{Client, request};
use corerest_tests::cluster::{Cluster, Database};
use corerest_tests::server::Server;
use corerest_tests::waiting::until_some;
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;

/// How long a client waits that needs no database.
const PATIENCE: Duration = Duration::from_secs(2);

/// A session that has been stopped; it goes on when this is dropped.
struct Stopped(Pid);

impl Stopped {
    fn stop(pid: i32) -> Stopped {
        let pid = Pid::from_raw(pid).expect("it is positive");
        kill_process(pid, Signal::STOP).expect("it runs");
        Stopped(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}

#[track_caller]
fn await_session(database: &Database, wait_event: &str, count: usize) -> i32 {
    let sql = format!(
        "SELECT pid FROM pg_stat_activity
          WHERE datname = current_database() AND wait_event = '{wait_event}'"
    );
    let mut session = database.connect();
    until_some(wait_event, || {
        let rows = session.query(&sql, &[]).expect("PostgreSQL is there");
        (rows.len() == count).then(|| rows[0].get(0))
    })
}

fn begin(server: &Server, target: &str) -> Client {
    let mut client = server.client();
    client.send(request("GET", target, &[]));
    client
}

#[test]
fn a_stopped_session_of_another_core_does_not_stop_a_core() {
    let database = Cluster::shared().database();
    let settings = [
        ("db-pool", "2"),
        ("server-cores", "2"),
        ("server-max-spool-bytes", "0"),
    ];
    let server = Server::start(&database, &settings);
    // Clients go to the core with the fewest: one is the first core's, the other the second's.
    let mut one = begin(&server, "/naps?milliseconds=eq.2000");
    await_session(&database, "PgSleep", 1);
    let mut other = begin(&server, "/naps?milliseconds=eq.1000");
    await_session(&database, "PgSleep", 2);
    // The first core's again; the second one's connection is free before.
    let mut reader = begin(&server, "/huge");
    let pid = await_session(&database, "ClientWrite", 1);
    let stopped = Stopped::stop(pid);
    assert_eq!(other.read("GET").status, 200);
    assert_eq!(one.read("GET").status, 200);
    // It takes what is there, and then somebody waits for more.
    reader.wait_at_most(Duration::from_millis(500));
    while reader.read_some(1 << 20).is_ok() {}
    one.send(request("GET", "/naps?milliseconds=eq.5000", &[]));
    await_session(&database, "PgSleep", 1);
    for _ in 0..4 {
        let mut client = server.client();
        client.wait_at_most(PATIENCE);
        assert_eq!(client.exchange("OPTIONS", "/plants", &[]).status, 200);
    }
    drop(stopped);
    assert_eq!(one.read("GET").status, 200);
    reader.leave("it has taken what the test needs");
    server.stop();
}
