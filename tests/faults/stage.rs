//! What can stand around the server, and how it is set up.

use crate::network::Network;
use crate::wire::Wire;
use corerest_tests::cluster::{Cluster, Database, programs};
use corerest_tests::pooler::{PoolMode, Pooler};
use corerest_tests::server::unused_path;
use corerest_tests::waiting::until;
use std::net::Ipv4Addr;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

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
    /// The same, and reads go to the standby: it is a replica, and both are in `db-uri`.
    Fleet,
    /// The server is in a network of its own, and packets can be dropped on the way.
    Network,
    /// PostgreSQL on a Unix socket that wants a password.
    Password,
    /// PostgreSQL on a Unix socket, and a port that two processes may share.
    SharedPort,
}

/// What a stage has besides PostgreSQL and the server.
#[derive(Debug, Default)]
pub(crate) struct Scenery {
    /// What the server's connection string is.
    pub(crate) uri: String,
    /// Settings of the server that go with it.
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) wire: Option<Wire>,
    pub(crate) pooler: Option<Pooler>,
    pub(crate) standby: Option<Cluster>,
    pub(crate) network: Option<Network>,
}

impl Stage {
    /// Why it cannot be had on this machine.
    pub fn missing(self) -> Option<String> {
        match self {
            Stage::Network => Network::missing(),
            Stage::Pair(_) | Stage::Fleet if !programs().join("pg_basebackup").exists() => {
                Some("there is no pg_basebackup of this version".to_owned())
            }
            _ => None,
        }
    }

    /// Whether the cluster is one as most stages have it, and can be had again by the next.
    pub(crate) fn has_usual_cluster(self) -> bool {
        matches!(self, Stage::Direct | Stage::SharedPort | Stage::Pooler(_))
    }

    /// Whether a world serves for one trial only.
    pub fn is_used_up(self) -> bool {
        matches!(self, Stage::Pair(_) | Stage::Fleet)
    }

    /// Lines of PostgreSQL's configuration; where it listens on an address, on this one.
    pub(crate) fn cluster_settings(self, host: Ipv4Addr) -> Vec<String> {
        let mut lines = vec![match self {
            Stage::Few => "max_connections = 24".to_owned(),
            _ => "max_connections = 200".to_owned(),
        }];
        if matches!(self, Stage::Wire | Stage::Tls | Stage::Network) {
            lines.push(format!("listen_addresses = '{host}'"));
        }
        lines
    }

    /// Sets it around a cluster that listens on this address.
    pub(crate) fn set(self, cluster: &Cluster, database: &Database, host: Ipv4Addr) -> Scenery {
        let mut scenery = Scenery::default();
        scenery.uri = match self {
            Stage::Direct | Stage::Few => database.uri(),
            Stage::SharedPort => {
                scenery.setting("server-reuseport", "true");
                database.uri()
            }
            Stage::Password => {
                want_password(cluster);
                format!("{} password=right", database.uri())
            }
            Stage::Wire => wire_uri(database, scenery.wire.insert(Wire::start(host)), "disable"),
            Stage::Tls => {
                encrypt(cluster);
                wire_uri(database, scenery.wire.insert(Wire::start(host)), "require")
            }
            Stage::Network => {
                // Its clients are outside: a socket in a file system knows no networks.
                let path = unused_path("api");
                scenery.setting("server-unix-socket", path.to_str().expect("we chose it"));
                let network = scenery.network.insert(Network::make());
                let wire = scenery.wire.insert(Wire::start_at(network.outside(), host));
                wire_uri(database, wire, "disable")
            }
            Stage::Pooler(mode) => {
                // It would hear nothing: PgBouncer does not pass notifications on.
                scenery.setting("db-channel-enabled", "false");
                let pooler = Pooler::start(cluster, mode, lines_of(mode));
                scenery.pooler.insert(pooler).uri(database)
            }
            Stage::Pair(attributes) => {
                let standby = scenery.standby.insert(cluster.start_standby());
                follow_closely(cluster);
                database.uri_of_many(&[cluster, standby], attributes)
            }
            Stage::Fleet => {
                let standby = cluster.start_standby();
                follow_closely(cluster);
                let replica = format!(
                    "postgresql://authenticator@/{}?host={}",
                    database.name,
                    standby.socket_folder()
                );
                scenery.setting("db-uri-read-replicas", &replica);
                let standby = scenery.standby.insert(standby);
                database.uri_of_many(&[cluster, standby], "any")
            }
        };
        scenery
    }
}

impl Scenery {
    fn setting(&mut self, key: &str, value: &str) {
        self.settings.push((key.to_owned(), value.to_owned()));
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

fn wire_uri(database: &Database, wire: &Wire, encryption: &str) -> String {
    format!(
        "host={} port={} user=authenticator sslmode={encryption} dbname={}",
        wire.address.ip(),
        wire.address.port(),
        database.name
    )
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
    until("a synchronous standby", || {
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
