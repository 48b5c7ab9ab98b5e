//! The server that is tried, a cluster of its own, and whatever a fault needs.

use crate::network::Network;
use crate::stage::{Scenery, Stage};
use crate::wire::Wire;
use corerest_tests::client::Address;
use corerest_tests::cluster::{Cluster, Database};
use corerest_tests::pooler::Pooler;
use corerest_tests::server::{Server, command};
use corerest_tests::waiting::until;
use postgres::Client;
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

/// What the load asks for. Nothing has a key, so that what is written twice is there twice.
pub const TABLES: &str = r#"
  CREATE TABLE api.fixed AS SELECT n AS id, 'row ' || n AS t FROM generate_series(1, 50) n;
  CREATE TABLE api.w (id bigint NOT NULL);
  CREATE FUNCTION api.put_w(number bigint) RETURNS bigint LANGUAGE sql VOLATILE
    AS 'INSERT INTO api.w (id) VALUES (number) RETURNING id';
  CREATE FUNCTION api.put_w_slowly(number bigint) RETURNS bigint LANGUAGE sql VOLATILE
    AS 'SELECT pg_sleep(0.1); INSERT INTO api.w (id) VALUES (number) RETURNING id';
  CREATE TABLE api.uploaded (id bigint NOT NULL, line text);
  CREATE VIEW api.drip AS
    SELECT n AS id, pg_sleep(0.002)::text AS nap FROM generate_series(1, 100000) n;
  CREATE TABLE api.told (id bigint NOT NULL);
  CREATE DOMAIN api."text/event-stream" AS text;
  CREATE FUNCTION api.hear() RETURNS api."text/event-stream" LANGUAGE sql STABLE
    AS 'SELECT ''told''';
  GRANT ALL ON api.fixed, api.w, api.uploaded, api.drip TO PUBLIC;"#;

/// All of it.
#[derive(Debug)]
pub struct World {
    /// The server that is tried.
    pub server: Server,
    /// Where it has its database.
    pub database: Database,
    /// What it was started with, but for its connection string.
    settings: Vec<(String, String)>,
    scenery: Scenery,
    /// PostgreSQL.
    pub cluster: Cluster,
    /// Databases that have taken its place, or it theirs.
    others: Vec<Database>,
    end: Option<Instant>,
    complaints: Vec<String>,
}

impl World {
    /// Builds one, with a cluster that another world had, or a new one, and waits until the server
    /// is ready.
    ///
    /// # Panics
    /// If something of it does not work.
    pub fn build(stage: Stage, settings: &[(&str, &str)], spare: Option<Cluster>) -> World {
        let host = unused_address();
        let cluster = spare.unwrap_or_else(|| {
            let lines = stage.cluster_settings(host);
            Cluster::start(&lines.iter().map(|line| &**line).collect::<Vec<_>>())
        });
        let database = cluster.database();
        database.run(TABLES);
        let scenery = stage.set(&cluster, &database, host);
        let settings = settings.iter();
        let mut settings: Vec<(String, String)> = settings
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        settings.extend_from_slice(&scenery.settings);
        let command = match &scenery.network {
            Some(network) => network.inside(&command()),
            None => command(),
        };
        let server = start(command, &scenery.uri, &settings);
        World {
            server,
            database,
            settings,
            scenery,
            cluster,
            others: Vec::new(),
            end: None,
            complaints: Vec::new(),
        }
    }

    /// Ends it. What is left is its cluster.
    pub fn into_cluster(self) -> Cluster {
        self.cluster
    }

    /// The proxy.
    ///
    /// # Panics
    /// If the stage has none, as with the following ones.
    pub fn wire(&self) -> &Wire {
        self.scenery.wire.as_ref().expect("the stage has a wire")
    }

    /// PgBouncer.
    pub fn pooler(&mut self) -> &mut Pooler {
        self.scenery
            .pooler
            .as_mut()
            .expect("the stage has a pooler")
    }

    /// The network that packets can be dropped in.
    pub fn network(&self) -> &Network {
        self.scenery
            .network
            .as_ref()
            .expect("the stage has a network")
    }

    /// Waits until there is a table, and whether it comes in time.
    pub fn is_served(&self, table: &str, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let target = format!("/{table}?limit=1");
        while Instant::now() < deadline {
            let mut client = self.server.client();
            client.wait_at_most(Duration::from_secs(5));
            let answer = client.try_exchange("GET", &target, &[]);
            client.leave("each question is asked anew");
            if answer.is_ok_and(|answer| answer.status == 200) {
                return true;
            }
            crate::last_ms(50);
        }
        false
    }

    /// The standby.
    pub fn standby(&self) -> &Cluster {
        self.scenery
            .standby
            .as_ref()
            .expect("the stage has a standby")
    }

    /// Waits until the server asks its only replica, or does not.
    ///
    /// # Panics
    /// If it does not come to that.
    pub fn await_replica(&self, is_asked: bool) {
        let state = format!(" {}", u8::from(is_asked));
        until("the replica to be asked, or not to be", || {
            let metrics = self.server.admin().get("/metrics");
            let mut lines = metrics.text().lines();
            lines.any(|line| line.starts_with("corerest_replica_up{") && line.ends_with(&state))
        });
    }

    /// Makes a primary of the standby; from then on it is asked what was written.
    pub fn promote(&mut self) {
        let copy = self.standby().copy_of(&self.database);
        copy.run("SELECT pg_promote()");
        self.others.push(copy);
    }

    /// From now on, another database is asked, too, what was written.
    pub fn also_ask(&mut self, database: Database) {
        self.others.push(database);
    }

    /// Starts another server with the same settings, in the place of the first, which is returned.
    pub fn succeed(&mut self) -> Server {
        let mut settings = self.settings.clone();
        if let Address::Tcp(place) = self.server.address() {
            settings.push(("server-port".to_owned(), place.port().to_string()));
        }
        let successor = start(command(), &self.scenery.uri, &settings);
        std::mem::replace(&mut self.server, successor)
    }

    /// A session of a superuser, in another database than the server's.
    pub fn superuser(&self) -> Client {
        self.cluster.postgres().connect()
    }

    /// Ends the server's sessions of which this condition of `pg_stat_activity` holds.
    pub fn end_sessions(&self, condition: &str) {
        let sql = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE usename = 'authenticator' AND {condition}"
        );
        let ended = self.superuser().batch_execute(&sql);
        ended.expect("a superuser may do that");
    }

    /// Process ids of the server's sessions of which this condition holds.
    pub fn sessions(&self, condition: &str) -> Vec<i32> {
        let sql = format!(
            "SELECT pid FROM pg_stat_activity WHERE usename = 'authenticator' AND {condition}"
        );
        let rows = self.superuser().query(&sql, &[]);
        let rows = rows.expect("a superuser may do that");
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Says that the fault is over now; what comes after it is tidying up.
    pub fn end(&mut self) {
        self.end = Some(Instant::now());
    }

    /// When that was said.
    pub fn take_end(&mut self) -> Option<Instant> {
        self.end.take()
    }

    /// Something is not as promised that requests do not tell.
    pub fn complain(&mut self, what: &str) {
        self.complaints.push(what.to_owned());
    }

    /// Whether there was something.
    pub fn has_complaints(&self) -> bool {
        !self.complaints.is_empty()
    }

    /// All that, and what is wrong with the server itself.
    pub fn complaints(&mut self) -> Vec<String> {
        let mut complaints = std::mem::take(&mut self.complaints);
        if !self.server.is_running() {
            complaints.push("the server has ended".to_owned());
        }
        let log = self.server.stderr.lines().into_iter();
        complaints.extend(log.filter(|line| line.contains("panicked")));
        complaints
    }

    /// How many rows there are of each id.
    pub fn rows(&self) -> HashMap<i64, usize> {
        let mut counts = HashMap::new();
        for database in self.judges() {
            let mut client = database.connect();
            await_rest(&mut client);
            let rows = client.query("SELECT id FROM api.w", &[]);
            for row in rows.expect("the table is there") {
                *counts.entry(row.get(0)).or_default() += 1;
            }
        }
        counts
    }

    /// The databases that know what was written: after a promotion, the one that was promoted.
    fn judges(&self) -> Vec<&Database> {
        match (&self.scenery.standby, self.others.last()) {
            (Some(_), Some(promoted)) => vec![promoted],
            _ => std::iter::once(&self.database)
                .chain(&self.others)
                .collect(),
        }
    }
}

/// A session whose client has gone finishes what it has. One that cannot be told does not end.
fn await_rest(client: &mut Client) {
    let busy = "SELECT FROM pg_stat_activity WHERE datname = current_database()
                  AND usename = 'authenticator' AND state <> 'idle'";
    let deadline = Instant::now() + Duration::from_secs(2);
    while Instant::now() < deadline {
        let rows = client.query(busy, &[]).expect("a superuser may");
        if rows.is_empty() {
            return;
        }
        crate::last_ms(10);
    }
}

fn start(command: Command, uri: &str, settings: &[(String, String)]) -> Server {
    let mut all = vec![("db-uri", uri)];
    all.extend(settings.iter().map(|(key, value)| (&**key, &**value)));
    let mut server = Server::spawn_by(command, &all);
    server.await_listening();
    server.await_ready();
    server
}

/// An address of this machine's own that no other cluster listens on.
fn unused_address() -> Ipv4Addr {
    static LAST: AtomicU8 = AtomicU8::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, high % 200 + 1, low, number % 250 + 1)
}
