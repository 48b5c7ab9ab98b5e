//! A PgBouncer between the server under test and a cluster.
//!
//! It has few connections to PostgreSQL and takes them in turns, so that a client meets another
//! server with almost every transaction, and what other clients have left there.

use crate::cluster::{Cluster, Database, Owner};
use crate::log::Log;
use crate::waiting::until;
use crate::watchdog;
use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Its socket's name ends with it; nobody else is in the folder.
const PORT: u16 = 6432;

/// The file with its settings.
const CONFIGURATION: &str = "pgbouncer.ini";

/// How many connections to PostgreSQL it has.
const SERVERS: u16 = 3;

/// The first version that follows statements from server to server.
const FOLLOWS_STATEMENTS_SINCE: (u32, u32) = (1, 21);

/// A running PgBouncer. It is killed when it is dropped.
#[derive(Debug)]
pub struct Pooler {
    folder: PathBuf,
    child: Child,
    log: Log,
}

/// For how long a client keeps a connection to PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolMode {
    /// For a transaction.
    Transaction,
    /// For a statement: those that would need more are refused.
    Statement,
    /// For as long as the client has its own.
    Session,
}

impl Pooler {
    /// Starts one for a cluster, with these lines in its configuration, and waits until it
    /// listens.
    ///
    /// # Panics
    /// If it does not.
    pub fn start(cluster: &Cluster, mode: PoolMode, settings: &[&str]) -> Pooler {
        let owner = Owner::choose();
        let folder = owner.make_folder();
        let file = folder.join(CONFIGURATION);
        let socket_folder = cluster.socket_folder();
        std::fs::write(&file, configuration(&folder, socket_folder, mode, settings))
            .and_then(|()| std::fs::write(folder.join("users"), "\"authenticator\" \"\"\n"))
            .expect("the folder is ours");
        let (child, log) = spawn(&folder);
        Pooler { folder, child, log }
    }

    /// Ends it at once, as in a crash, and starts it again.
    pub fn restart(&mut self) {
        self.end();
        let _ = std::fs::remove_file(self.folder.join(format!(".s.PGSQL.{PORT}")));
        (self.child, self.log) = spawn(&self.folder);
    }

    /// Lets it read its configuration again.
    pub fn reload(&self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process id is positive"), Signal::HUP).expect("it is our child");
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        watchdog::forget(self.child.id());
    }

    /// Whether the one that is installed follows statements from server to server, if
    /// `max_prepared_statements` is set.
    pub fn follows_statements() -> bool {
        let output = command()
            .arg("--version")
            .output()
            .expect("it is installed");
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.split_whitespace().nth(1).expect("PgBouncer 1.18.0");
        let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        version >= FOLLOWS_STATEMENTS_SINCE
    }

    /// What `db-uri` is for a database behind it.
    pub fn uri(&self, database: &Database) -> String {
        format!(
            "host={} port={PORT} user=authenticator dbname={}",
            self.folder.display(),
            database.name
        )
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.end();
        let _ = std::fs::remove_dir_all(&self.folder);
        if std::thread::panicking() {
            eprintln!("PgBouncer's log:\n{}", self.log.text());
        }
    }
}

/// Starts it with the configuration in this folder, and waits until it listens.
fn spawn(folder: &Path) -> (Child, Log) {
    let mut command = Owner::choose().command(program(), folder);
    let command = command.arg(folder.join(CONFIGURATION));
    let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .expect("PgBouncer is installed: scripts/install-dependencies does that");
    watchdog::watch(child.id());
    let log = Log::collect(child.stderr.take().expect("its output is a pipe"));
    let socket = folder.join(format!(".s.PGSQL.{PORT}"));
    until("PgBouncer to listen", || socket.exists());
    (child, log)
}

fn configuration(folder: &Path, socket_folder: &str, mode: PoolMode, settings: &[&str]) -> String {
    let folder = folder.display();
    let mode = match mode {
        PoolMode::Transaction => "transaction",
        PoolMode::Statement => "statement",
        PoolMode::Session => "session",
    };
    let mut text = format!(
        "[databases]\n* = host={socket_folder} port=5432\n[pgbouncer]\n\
         unix_socket_dir = {folder}\nlisten_port = {PORT}\nlisten_addr =\n\
         auth_type = trust\nauth_file = {folder}/users\npool_mode = {mode}\n\
         default_pool_size = {SERVERS}\nserver_round_robin = 1\n"
    );
    settings.iter().for_each(|line| {
        text.push_str(line);
        text.push('\n');
    });
    text
}

/// The program that is run, as a user who is not root.
pub fn command() -> Command {
    Owner::choose().command(program(), Path::new("/"))
}

/// `PGBOUNCER_BIN`, or the one that is installed. Debian keeps it out of the PATH of ordinary
/// users.
fn program() -> PathBuf {
    let debian = PathBuf::from("/usr/sbin/pgbouncer");
    match std::env::var_os("PGBOUNCER_BIN") {
        Some(path) => path.into(),
        None if debian.exists() => debian,
        None => "pgbouncer".into(),
    }
}
