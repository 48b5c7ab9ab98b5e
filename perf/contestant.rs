//! The programs that are compared, started with equal means and stopped again.
//!
//! Each gets the same database, the same number of connections to it, and a port of its own.
//! They run one after the other, never together, and each round starts them afresh, so that no
//! one profits from a cache that another one has filled, except for PostgreSQL's, which all share.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::request::Request;
use crate::response;
use crate::scenario::SETTINGS;
use crate::target::{self, Target};

const START_WAIT_MAX: Duration = Duration::from_secs(120);
const START_POLL_INTERVAL: Duration = Duration::from_millis(20);

/// PostgreSQL, as all contestants see it.
#[derive(Clone, Debug)]
pub struct Database {
    /// Folder of the Unix socket.
    pub host: String,
    /// Port, which is part of the socket's name.
    pub port: String,
    /// Name of the database.
    pub name: String,
    /// The postmaster.
    pub pid: u32,
    /// Connections that a contestant may have.
    pub pool: usize,
}

impl Database {
    /// How a server logs in.
    #[must_use]
    pub fn connection_string(&self) -> String {
        let Self {
            host, port, name, ..
        } = self;
        format!("postgresql:///{name}?host={host}&port={port}&user=authenticator")
    }

    /// The same, for sessions that begin with the role of the requests.
    fn connection_string_of_role(&self) -> String {
        format!("{}&options=-c%20role%3Dweb_anon", self.connection_string())
    }
}

/// A process that ends with this value.
#[derive(Debug)]
pub struct Ended(pub Child);

impl Drop for Ended {
    /// It is asked first: a server that is built for it writes its profile when it ends.
    fn drop(&mut self) {
        const PATIENCE: Duration = Duration::from_secs(5);
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::TERM);
        }
        let asked = Instant::now();
        while matches!(self.0.try_wait(), Ok(None)) && asked.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server that accepts requests. It ends with this value: nothing of it is needed any more, and
/// PostgreSQL notices by itself that its clients are gone.
#[derive(Debug)]
pub struct Running {
    process: Ended,
    /// Where it listens.
    pub target: Target,
    /// Where its admin server does; of a service that has none, the same.
    pub admin: Target,
}

impl Running {
    /// The server's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Waits until its admin server answers 200 to this.
    fn wait_until_ready(mut self, path: &str) -> io::Result<Self> {
        let deadline = Instant::now() + START_WAIT_MAX;
        let request = Request::get(path);
        while !matches!(response::fetch(&self.admin, &request), Ok((200, _))) {
            if let Some(status) = self.process.0.try_wait()? {
                return Err(io::Error::other(format!(
                    "the server ended at once: {status}"
                )));
            }
            if Instant::now() > deadline {
                return Err(io::Error::other("the server did not get ready in time"));
            }
            thread::sleep(START_POLL_INTERVAL);
        }
        Ok(self)
    }
}

/// What is different about a server, if anything.
#[derive(Clone, Debug, Default)]
pub struct Variant {
    /// Listens on this Unix socket instead of a port.
    pub socket: Option<PathBuf>,
    /// Settings beyond those that all have, by their names in the environment.
    pub settings: Vec<(&'static str, String)>,
}

/// A program in a session of its own, as services are: Linux shares CPUs between sessions
/// (`sched_autogroup`), PostgreSQL's processes have one each, and a server must not have to share
/// its own with the load generator. setsid(1) becomes the program, so its process id is the same.
fn in_own_session(program: &Path) -> Command {
    let mut command = Command::new("setsid");
    command.arg(program);
    command
}

/// Starts a server that is configured like PostgREST: ours, or PostgREST itself.
pub fn start_server(binary: &Path, database: &Database, variant: &Variant) -> io::Result<Running> {
    start_configured(in_own_session(binary), database, variant)
}

/// Starts whatever a shell's command starts, which is configured like PostgREST, too. It takes the
/// shell's place, so that its process is the one that is measured.
pub fn start_command(command: &str, database: &Database) -> io::Result<Running> {
    let mut shell = in_own_session(Path::new("sh"));
    shell.args(["-c", &format!("exec {command}")]);
    start_configured(shell, database, &Variant::default())
}

fn start_configured(
    mut command: Command,
    database: &Database,
    variant: &Variant,
) -> io::Result<Running> {
    let program = format!("{:?}", command.get_args().next().unwrap_or_default());
    let port = target::free_port()?;
    let admin_port = target::free_port()?;
    let target = match &variant.socket {
        None => Target::local(port),
        Some(path) => {
            command.env("PGRST_SERVER_UNIX_SOCKET", path);
            Target::Unix(path.clone())
        }
    };
    let child = command
        .envs(SETTINGS)
        .env("PGRST_DB_URI", database.connection_string())
        .env("PGRST_DB_POOL", database.pool.to_string())
        .env("PGRST_SERVER_HOST", "127.0.0.1")
        .env("PGRST_SERVER_PORT", port.to_string())
        .env("PGRST_ADMIN_SERVER_PORT", admin_port.to_string())
        .envs(variant.settings.iter().cloned())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| io::Error::other(format!("{program}: {error}")))?;
    let running = Running {
        process: Ended(child),
        target,
        admin: Target::local(admin_port),
    };
    running.wait_until_ready("/ready")
}

/// Starts the baseline. It prepares its statements before it has switched roles, which takes
/// a role that may see the table; so its sessions begin with that role, as pgbench's do.
/// Without a number of workers it has those that may gives it.
pub fn start_baseline(
    binary: &Path,
    database: &Database,
    workers: Option<usize>,
) -> io::Result<Running> {
    let workers = workers.map(|workers| ["--workers".to_owned(), workers.to_string()]);
    start_service(binary, database, workers.into_iter().flatten())
}

/// What a service keeps that was written by hand (`peers/peer.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promises {
    /// What the server does: a transaction, the role, and the settings of the request.
    Kept,
    /// Nothing: the query alone.
    None,
}

/// Starts a service that was written by hand. Its sessions begin with the role of the requests, as
/// the baseline's do.
pub fn start_peer(binary: &Path, database: &Database, promises: Promises) -> io::Result<Running> {
    let promises = match promises {
        Promises::Kept => "kept",
        Promises::None => "none",
    };
    start_service(binary, database, ["--promises", promises])
}

/// Starts a service that answers `GET /items?id=eq.N` and nothing else, on a free port.
fn start_service(
    binary: &Path,
    database: &Database,
    more: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> io::Result<Running> {
    let port = target::free_port()?;
    let child = in_own_session(binary)
        .args(["--database", &database.connection_string_of_role()])
        .args(["--port", &port.to_string()])
        .args(["--pool", &database.pool.to_string()])
        .args(more)
        .stdin(Stdio::null())
        .spawn()
        .map_err(|error| io::Error::other(format!("{}: {error}", binary.display())))?;
    let running = Running {
        process: Ended(child),
        target: Target::local(port),
        admin: Target::local(port),
    };
    running.wait_until_ready("/items?id=eq.1")
}
