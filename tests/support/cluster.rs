//! A throw-away PostgreSQL: a new cluster in a temporary folder, on a private Unix socket.
//!
//! A shell process is between us and the postmaster. It starts, stops and reaps it on command, and
//! removes everything when its input ends, which is when we do, however we end.

use crate::waiting::until_some;
use postgres::{Client, NoTls};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The tables and roles that the tests ask for.
const FIXTURE: &str = include_str!("../fixtures/api.sql");
/// The database that the others are copies of.
const TEMPLATE: &str = "fixture";
/// The socket's name ends with it; nobody else is in the folder.
const PORT: u16 = 5432;

const SCRIPT: &str = r#"
start() { "$BIN/postgres" -D "$FOLDER/data" >>"$FOLDER/log" 2>&1 </dev/null & pid=$!; }
start
while read -r command; do
  case $command in
    start) start ;;
    again) case $(cat "/proc/$pid/stat" 2>/dev/null) in "" | *") Z "*) wait $pid; start ;; esac ;;
    fast) kill -INT $pid; wait $pid ;;
    immediate) kill -QUIT $pid; wait $pid ;;
    kill) kill -KILL $pid; wait $pid ;;
  esac
  echo done
done
kill -QUIT $pid 2>/dev/null
wait $pid
rm -rf "$FOLDER"
"#;

/// A PostgreSQL server with its data.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    watchdog: Mutex<Watchdog>,
}

#[derive(Debug)]
struct Watchdog {
    process: Child,
    /// `None` once it has been told to end.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// A database in a cluster.
#[derive(Clone, Debug)]
pub struct Database {
    socket_folder: String,
    /// Its name.
    pub name: String,
}

/// How a cluster stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Connections are ended politely.
    Fast,
    /// As in a crash.
    Immediate,
    /// By a crash: the postmaster is killed, and nobody tells the sessions.
    Kill,
}

impl Cluster {
    /// The one that all tests share that do it no harm.
    pub fn shared() -> &'static Cluster {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Cluster::start(&["max_connections = 300"]))
    }

    /// A new one with these lines in its `postgresql.conf`, and the fixture in its template.
    ///
    /// # Panics
    /// If it does not work, with PostgreSQL's words.
    pub fn start(settings: &[&str]) -> Cluster {
        let cluster = Cluster::start_empty(settings);
        cluster.load_fixture();
        cluster
    }

    /// A new one with these lines in its `postgresql.conf`, and nothing in it.
    ///
    /// # Panics
    /// If it does not work, with PostgreSQL's words.
    pub fn start_empty(settings: &[&str]) -> Cluster {
        let owner = Owner::choose();
        let folder = owner.make_folder();
        let bin = programs();
        let mut initdb = owner.command(bin.join("initdb"), &folder);
        initdb.arg("--pgdata").arg(folder.join("data")).args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]);
        let made = initdb.output().expect("initdb can be started");
        assert!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        write_settings(&folder, settings);
        let cluster = Cluster::run(&owner, folder, &bin);
        cluster.postgres().await_connection();
        cluster
    }

    /// A new one that follows this one, read-only, and has what is in it now.
    ///
    /// # Panics
    /// If it does not work, with PostgreSQL's words.
    pub fn start_standby(&self) -> Cluster {
        let owner = Owner::choose();
        let folder = owner.make_folder();
        let bin = programs();
        let mut copy = owner.command(bin.join("pg_basebackup"), &folder);
        copy.arg("--pgdata").arg(folder.join("data")).args([
            "--host",
            self.socket_folder(),
            &format!("--port={PORT}"),
            "--username=postgres",
            "--checkpoint=fast",
            "--write-recovery-conf",
            "--no-sync",
        ]);
        let made = copy.output().expect("pg_basebackup can be started");
        assert!(
            made.status.success(),
            "pg_basebackup: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        write_settings(&folder, &[]);
        let standby = Cluster::run(&owner, folder, &bin);
        standby.postgres().await_connection();
        standby
    }

    /// Starts PostgreSQL on the data that are in a folder.
    fn run(owner: &Owner, folder: PathBuf, bin: &Path) -> Cluster {
        let mut shell = owner.command("sh".into(), &folder);
        shell
            .args(["-c", SCRIPT])
            .env("BIN", bin)
            .env("FOLDER", &folder)
            .process_group(0);
        let shell = shell
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = shell.spawn().expect("there is a shell");
        let answers = process.stdout.take().expect("its output is a pipe");
        Cluster {
            folder,
            watchdog: Mutex::new(Watchdog {
                commands: process.stdin.take(),
                answers: BufReader::new(answers),
                process,
            }),
        }
    }

    fn load_fixture(&self) {
        let mut client = self.postgres().await_connection();
        client
            .batch_execute(&format!("CREATE DATABASE {TEMPLATE}"))
            .expect("it is new");
        let template = Database {
            name: TEMPLATE.to_owned(),
            ..self.postgres()
        };
        if let Err(error) = template.connect().batch_execute(FIXTURE) {
            panic!("tests/fixtures/api.sql: {error:?}");
        }
    }

    /// A new database with the fixture in it.
    pub fn database(&self) -> Database {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        // One copy at a time, for the template must not be in use.
        static COPYING: Mutex<()> = Mutex::new(());
        let _copying = COPYING.lock().unwrap_or_else(PoisonError::into_inner);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let create = format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}");
        self.postgres()
            .connect()
            .batch_execute(&create)
            .expect("the template is not in use");
        Database {
            name,
            ..self.postgres()
        }
    }

    /// The database `postgres`, for everything that concerns the cluster.
    pub fn postgres(&self) -> Database {
        Database {
            socket_folder: self.socket_folder().to_owned(),
            name: "postgres".to_owned(),
        }
    }

    /// The folder of the socket it listens on: what `host` is for it.
    pub fn socket_folder(&self) -> &str {
        self.folder.to_str().expect("we chose it")
    }

    /// A database of another cluster, as it is in this one, which follows the other.
    pub fn copy_of(&self, database: &Database) -> Database {
        Database {
            name: database.name.clone(),
            ..self.postgres()
        }
    }

    /// The socket it listens on.
    pub fn socket(&self) -> PathBuf {
        self.folder.join(format!(".s.PGSQL.{PORT}"))
    }

    /// What it has logged so far.
    ///
    /// # Panics
    /// If it never ran.
    pub fn log(&self) -> String {
        let log = std::fs::read(self.folder.join("log")).expect("PostgreSQL writes it");
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Stops it, and returns when it has stopped.
    pub fn stop(&self, how: Stop) {
        self.command(match how {
            Stop::Fast => "fast",
            Stop::Immediate => "immediate",
            Stop::Kill => "kill",
        });
    }

    /// The process id of its postmaster.
    ///
    /// # Panics
    /// If it does not run.
    pub fn postmaster(&self) -> i32 {
        let file = std::fs::read_to_string(self.folder.join("data/postmaster.pid"));
        let file = file.expect("it runs");
        let line = file.lines().next().unwrap_or_default();
        line.trim().parse().expect("its first line is a number")
    }

    /// Has all of its processes stand still, as those of a machine that hangs. The kernel goes on,
    /// and takes connections and what is sent on them.
    ///
    /// # Panics
    /// If it does not run.
    pub fn freeze(&self) -> Frozen {
        let postmaster = self.postmaster();
        let mut all: Vec<Pid> = Pid::from_raw(postmaster).into_iter().collect();
        // The postmaster comes first, for it has no more children then.
        signal_all(&all, Signal::STOP);
        let children = children_of(postmaster);
        signal_all(&children, Signal::STOP);
        all.extend(children);
        Frozen(all)
    }

    /// Starts it again, and returns when it accepts connections. One that was killed leaves
    /// processes behind, and as long as one of them lives, another does not start.
    pub fn start_again(&self) {
        self.command("start");
        let postgres = self.postgres();
        until_some("PostgreSQL to start", || {
            self.command("again");
            postgres.try_connect().ok()
        });
    }

    /// Waits until it accepts connections.
    pub fn await_again(&self) {
        self.postgres().await_connection();
    }

    fn command(&self, command: &str) {
        let mut watchdog = self.watchdog.lock().unwrap_or_else(PoisonError::into_inner);
        let commands = watchdog.commands.as_mut().expect("it has not ended");
        writeln!(commands, "{command}").expect("the shell reads until we end");
        let mut answer = String::new();
        watchdog
            .answers
            .read_line(&mut answer)
            .expect("the shell answers");
        assert_eq!(answer, "done\n");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let watchdog = self
            .watchdog
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        watchdog.commands = None;
        let _ = watchdog.process.wait();
    }
}

impl Database {
    /// A connection as superuser.
    ///
    /// # Panics
    /// If that fails.
    pub fn connect(&self) -> Client {
        self.try_connect()
            .unwrap_or_else(|error| panic!("{}: {error:?}", self.name))
    }

    /// A connection as superuser.
    ///
    /// # Errors
    /// If that fails.
    pub fn try_connect(&self) -> Result<Client, postgres::Error> {
        let mut config = postgres::Config::new();
        config
            .host(&self.socket_folder)
            .port(PORT)
            .user("postgres")
            .dbname(&self.name);
        config.connect(NoTls)
    }

    fn await_connection(&self) -> Client {
        until_some("PostgreSQL to start", || self.try_connect().ok())
    }

    /// Runs statements as superuser.
    pub fn run(&self, sql: &str) {
        self.connect()
            .batch_execute(sql)
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// The first column of the only row, as text.
    pub fn one(&self, sql: &str) -> String {
        let row = self.connect().query_one(sql, &[]);
        row.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
            .get(0)
    }

    /// What `db-uri` is for it.
    pub fn uri(&self) -> String {
        format!(
            "host={} port={PORT} user=authenticator dbname={}",
            self.socket_folder, self.name
        )
    }

    /// A connection string for who may see everything.
    pub fn superuser_uri(&self) -> String {
        format!(
            "host={} port={PORT} user=postgres dbname={}",
            self.socket_folder, self.name
        )
    }

    /// What `db-uri` is for it and its copies in other clusters, which are tried in this order,
    /// with `target_session_attrs`.
    pub fn uri_of_many(&self, clusters: &[&Cluster], attributes: &str) -> String {
        let folders: Vec<&str> = clusters
            .iter()
            .map(|cluster| cluster.socket_folder())
            .collect();
        format!(
            "host={} port={PORT} user=authenticator dbname={} \
             target_session_attrs={attributes}",
            folders.join(","),
            self.name
        )
    }

    /// What `db-uri` is for it behind a proxy on this port of 127.0.0.1.
    pub fn uri_at_port(&self, port: u16) -> String {
        format!(
            "host=127.0.0.1 port={port} user=authenticator sslmode=disable dbname={}",
            self.name
        )
    }
}

/// A PostgreSQL that says nothing, until this is dropped.
#[derive(Debug)]
pub struct Frozen(Vec<Pid>);

impl Drop for Frozen {
    fn drop(&mut self) {
        signal_all(&self.0, Signal::CONT);
    }
}

fn signal_all(processes: &[Pid], signal: Signal) {
    for process in processes {
        // One that has ended meanwhile needs none.
        let _ = kill_process(*process, signal);
    }
}

/// Which processes a process has started, as the kernel knows.
fn children_of(process: i32) -> Vec<Pid> {
    let folders = std::fs::read_dir("/proc").expect("Linux has it");
    let numbers = folders
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_child = |child: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        // The name of the program stands in brackets, and may have anything in it.
        let parent = stat.rsplit_once(") ").map(|(_, rest)| rest);
        let parent = parent.and_then(|rest| rest.split(' ').nth(1)?.parse::<i32>().ok());
        parent == Some(process)
    };
    numbers.filter(is_child).filter_map(Pid::from_raw).collect()
}

/// The user that PostgreSQL runs as: it refuses root, and so does PgBouncer.
#[derive(Debug)]
pub(crate) struct Owner {
    ids: Option<(u32, u32)>,
}

impl Owner {
    pub(crate) fn choose() -> Owner {
        if !rustix::process::geteuid().is_root() {
            return Owner { ids: None };
        }
        let users = std::fs::read_to_string("/etc/passwd").expect("Linux has it");
        let ids_of = |name: &str| {
            let line = users
                .lines()
                .find(|line| line.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        };
        let ids = ids_of("postgres").or_else(|| ids_of("nobody"));
        Owner {
            ids: Some(ids.expect("there is a user that is not root")),
        }
    }

    /// A short path: a Unix socket's name must fit into 107 bytes.
    pub(crate) fn make_folder(&self) -> PathBuf {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("corerest-tests-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::DirBuilder::new()
            .mode(0o755)
            .create(&folder)
            .expect("the name is new");
        if let Some((user, group)) = self.ids {
            chown(&folder, Some(user), Some(group)).expect("we are root");
        }
        folder
    }

    pub(crate) fn command(&self, program: PathBuf, folder: &Path) -> Command {
        let mut command = Command::new(program);
        // The owner may not be allowed to be in our folder.
        command.current_dir(folder).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        if let Some((user, group)) = self.ids {
            command.uid(user).gid(group);
        }
        command
    }
}

fn write_settings(folder: &Path, settings: &[&str]) {
    let mut lines = vec![
        format!("unix_socket_directories = '{}'", folder.display()),
        format!("port = {PORT}"),
    ];
    // Nobody will miss these data when the machine ends. When PostgreSQL does, they are there: what
    // is committed is written, though not to the disk.
    for name in ["fsync", "full_page_writes", "autovacuum"] {
        lines.push(format!("{name} = off"));
    }
    lines.extend(["listen_addresses = ''", "timezone = 'UTC'"].map(str::to_owned));
    lines.extend(settings.iter().map(|&line| line.to_owned()));
    let file = std::fs::OpenOptions::new()
        .append(true)
        .open(folder.join("data/postgresql.conf"));
    let written = file.and_then(|mut file| file.write_all((lines.join("\n") + "\n").as_bytes()));
    written.expect("initdb made the file");
}

/// The folder of PostgreSQL's programs. Debian keeps it out of the PATH, one per version.
///
/// # Panics
/// If they are not installed.
pub fn programs() -> PathBuf {
    let in_path = std::env::var_os("PATH").unwrap_or_default();
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut debian: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    debian.sort_by_key(|path| {
        let version = path
            .parent()
            .and_then(Path::file_name)
            .map(|name| name.to_string_lossy());
        version.and_then(|version| version.parse::<u32>().ok())
    });
    let named = std::env::var_os("POSTGRES_BIN").map(PathBuf::from);
    let folders = named.into_iter().chain(debian.into_iter().rev());
    folders
        .chain(std::env::split_paths(&in_path))
        .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
        .expect("PostgreSQL is installed: scripts/install-dependencies does that")
}
