//! What stands around the server that is tried: a cluster of its own, and what a fault needs.

use crate::network::Network;
use crate::wire::Wire;
use corerest_tests::client::Address;
use corerest_tests::cluster::{Cluster, Database};
use corerest_tests::pooler::{PoolMode, Pooler};
use corerest_tests::server::{Server, command, unused_path};
use postgres::Client;
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

/// What the load asks for. Nothing has a key, so that what is written twice is there twice.
pub const TABLES: &str = "
  CREATE TABLE api.fixed AS SELECT n AS id, 'row ' || n AS t FROM generate_series(1, 50) n;
  CREATE TABLE api.w (id bigint NOT NULL);
  CREATE FUNCTION api.put_w(number bigint) RETURNS bigint LANGUAGE sql VOLATILE
    AS 'INSERT INTO api.w (id) VALUES (number) RETURNING id';
  GRANT ALL ON api.fixed, api.w TO PUBLIC;";

/// What stands around the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// PostgreSQL on a Unix socket.
    Direct,
    /// The same, with few connections.
    Few,
    /// PostgreSQL over TCP, with a proxy between that does what it is told.
    Wire,
    /// The same, encrypted.
    Tls,
    /// A PgBouncer between.
    Pooler(PoolMode),
    /// A primary with a synchronous standby, and `target_session_attrs`.
    Pair(&'static str),
    /// The server is in a network of its own, and packets can be dropped on the way.
    Network,
    /// PostgreSQL on a Unix socket that wants a password.
    Password,
    /// PostgreSQL on a Unix socket, and a port that two processes may share.
    SharedPort,
}

/// All of it.
#[derive(Debug)]
pub struct World {
    /// The server that is tried.
    pub server: Server,
    /// Where it has its database.
    pub database: Database,
    /// What its connection string is.
    pub uri: String,
    /// The settings it was started with, but for that.
    pub settings: Vec<(String, String)>,
    wire: Option<Wire>,
    pooler: Option<Pooler>,
    standby: Option<Cluster>,
    /// PostgreSQL.
    pub cluster: Cluster,
    network: Option<Network>,
    /// Databases that have taken its place, or it theirs.
    others: Vec<Database>,
    end: Option<Instant>,
    complaints: Vec<String>,
}

impl Stage {
    /// Why it cannot be had on this machine.
    pub fn missing(self) -> Option<String> {
        match self {
            Stage::Network => Network::missing(),
            _ => None,
        }
    }

    /// Whether a world serves for one trial only.
    pub fn is_used_up(self) -> bool {
        matches!(self, Stage::Pair(_))
    }

    fn cluster_settings(self, host: Ipv4Addr) -> Vec<String> {
        let mut lines = vec![match self {
            Stage::Few => "max_connections = 24".to_owned(),
            _ => "max_connections = 200".to_owned(),
        }];
        // Without it, what was committed a moment before a crash is lost.
        lines.push("synchronous_commit = on".to_owned());
        if matches!(self, Stage::Wire | Stage::Tls | Stage::Network) {
            lines.push(format!("listen_addresses = '{host}'"));
        }
        lines
    }
}

impl World {
    /// Builds one, and waits until the server is ready.
    ///
    /// # Panics
    /// If something of it does not work.
    pub fn build(stage: Stage, settings: &[(&str, &str)]) -> World {
        let host = unused_address();
        let lines = stage.cluster_settings(host);
        let lines: Vec<&str> = lines.iter().map(|line| &**line).collect();
        let cluster = Cluster::start(&lines);
        let database = cluster.database();
        database.run(TABLES);
        let network = (stage == Stage::Network).then(Network::make);
        let (mut wire, mut pooler, mut standby) = (None, None, None);
        let uri = match stage {
            Stage::Direct | Stage::Few | Stage::SharedPort => database.uri(),
            Stage::Password => {
                want_password(&cluster);
                format!("{} password=right", database.uri())
            }
            Stage::Wire => wire_uri(&database, wire.insert(Wire::start(host)), "disable"),
            Stage::Tls => {
                encrypt(&cluster);
                wire_uri(&database, wire.insert(Wire::start(host)), "require")
            }
            Stage::Network => {
                let network = network.as_ref().expect("it was made");
                let wire = wire.insert(Wire::start_at(network.outside(), host));
                wire_uri(&database, wire, "disable")
            }
            Stage::Pooler(mode) => {
                let pooler = pooler.insert(Pooler::start(&cluster, mode, lines_of(mode)));
                pooler.uri(&database)
            }
            Stage::Pair(attributes) => {
                let standby = standby.insert(cluster.start_standby());
                follow_closely(&cluster);
                database.uri_of_many(&[&cluster, standby], attributes)
            }
        };
        let mut all = owned(settings);
        all.extend(owned(&[("db-pool-acquisition-timeout", "10")]));
        match stage {
            Stage::Pooler(_) => all.extend(owned(&[("db-channel-enabled", "false")])),
            Stage::SharedPort => all.extend(owned(&[("server-reuseport", "true")])),
            Stage::Network => {
                let path = unused_path("api");
                let path = path.to_str().expect("we chose it");
                all.extend(owned(&[("server-unix-socket", path)]));
            }
            _ => {}
        }
        let command = match &network {
            Some(network) => network.inside(&command()),
            None => command(),
        };
        let server = start(command, &uri, &all);
        World {
            server,
            database,
            uri,
            settings: all,
            wire,
            pooler,
            standby,
            cluster,
            network,
            others: Vec::new(),
            end: None,
            complaints: Vec::new(),
        }
    }

    /// The proxy.
    ///
    /// # Panics
    /// If the stage has none, as with the following ones.
    pub fn wire(&self) -> &Wire {
        self.wire.as_ref().expect("the stage has a wire")
    }

    /// PgBouncer.
    pub fn pooler(&mut self) -> &mut Pooler {
        self.pooler.as_mut().expect("the stage has a pooler")
    }

    /// The network that packets can be dropped in.
    pub fn network(&self) -> &Network {
        self.network.as_ref().expect("the stage has a network")
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

    /// Makes a primary of the standby; from then on it is asked what was written.
    pub fn promote(&mut self) {
        let standby = self.standby.as_ref().expect("the stage has a standby");
        let copy = standby.copy_of(&self.database);
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
        let successor = start(command(), &self.uri, &settings);
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
            let rows = database.connect().query("SELECT id FROM api.w", &[]);
            for row in rows.expect("the table is there") {
                *counts.entry(row.get(0)).or_default() += 1;
            }
        }
        counts
    }

    /// The databases that know what was written: after a promotion, the one that was promoted.
    fn judges(&self) -> Vec<&Database> {
        match (&self.standby, self.others.last()) {
            (Some(_), Some(promoted)) => vec![promoted],
            _ => std::iter::once(&self.database)
                .chain(&self.others)
                .collect(),
        }
    }
}

/// In session mode each of the server's connections needs one of the pooler's.
fn lines_of(mode: PoolMode) -> &'static [&'static str] {
    match mode {
        PoolMode::Session => &["default_pool_size = 20"],
        PoolMode::Transaction if Pooler::follows_statements() => &["max_prepared_statements = 100"],
        PoolMode::Transaction | PoolMode::Statement => &[],
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

fn owned(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    let settings = settings.iter();
    settings
        .map(|&(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn wire_uri(database: &Database, wire: &Wire, encryption: &str) -> String {
    format!(
        "host={} port={} user=authenticator sslmode={encryption} dbname={}",
        wire.address.ip(),
        wire.address.port(),
        database.name
    )
}

/// An address of this machine's own that no other cluster listens on.
fn unused_address() -> Ipv4Addr {
    static LAST: AtomicU8 = AtomicU8::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, high % 200 + 1, low, number % 250 + 1)
}

/// A commit is on the standby, too, when it is told.
fn follow_closely(primary: &Cluster) {
    let mut client = primary.postgres().connect();
    for sql in [
        "ALTER SYSTEM SET synchronous_standby_names = '*'",
        "ALTER SYSTEM SET synchronous_commit = 'remote_apply'",
        "SELECT pg_reload_conf()",
    ] {
        client.batch_execute(sql).expect("a superuser may do that");
    }
    corerest_tests::waiting::until("a synchronous standby", || {
        let sql = "SELECT count(*)::text FROM pg_stat_replication WHERE sync_state = 'sync'";
        primary.postgres().one(sql) == "1"
    });
}

/// The authenticator needs a password from now on.
fn want_password(cluster: &Cluster) {
    let file = Path::new(cluster.socket_folder()).join("data/pg_hba.conf");
    let lines = std::fs::read_to_string(&file).expect("initdb made it");
    let lines = format!("local all authenticator scram-sha-256\n{lines}");
    std::fs::write(&file, lines).expect("its owner may");
    cluster
        .postgres()
        .run("ALTER ROLE authenticator PASSWORD 'right'");
    cluster.postgres().run("SELECT pg_reload_conf()");
}

/// Gives the cluster a certificate.
fn encrypt(cluster: &Cluster) {
    let folder = Path::new(cluster.socket_folder());
    let (key, certificate) = (folder.join("key"), folder.join("certificate"));
    let made = Command::new("openssl")
        .args("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=faults".split(' '))
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .expect("openssl is installed: scripts/install-dependencies does that");
    assert!(made.status.success(), "{made:?}");
    let owner = folder.metadata().expect("it is there");
    for file in [&key, &certificate] {
        let is_owned = std::fs::set_permissions(file, PermissionsExt::from_mode(0o600))
            .and_then(|()| chown(file, Some(owner.uid()), Some(owner.gid())));
        is_owned.expect("we made it");
    }
    let mut client = cluster.postgres().connect();
    for sql in [
        format!("ALTER SYSTEM SET ssl_key_file = '{}'", key.display()),
        format!(
            "ALTER SYSTEM SET ssl_cert_file = '{}'",
            certificate.display()
        ),
        "ALTER SYSTEM SET ssl = on".to_owned(),
        "SELECT pg_reload_conf()".to_owned(),
    ] {
        client.batch_execute(&sql).expect("a superuser may do that");
    }
}
