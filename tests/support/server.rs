//! The server under test, as a black box: the executable, its environment, its logs, its end.

use crate::client::{Address, Client};
use crate::cluster::Database;
use crate::log::Log;
use crate::waiting::{until, until_some};
use crate::watchdog;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A running server. It is killed when it is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: Option<Address>,
    admin: PathBuf,
    ended: bool,
    /// Its access log.
    pub stdout: Log,
    /// Everything else it says.
    pub stderr: Log,
}

impl Server {
    /// Starts it for a database with the fixture, with these settings besides the usual ones, and
    /// waits until it is ready.
    pub fn start(database: &Database, settings: &[(&str, &str)]) -> Server {
        let uri = database.uri();
        let mut all = vec![("db-uri", uri.as_str())];
        all.extend_from_slice(settings);
        let mut server = Server::spawn(&all);
        server.await_listening();
        server.await_ready();
        server
    }

    /// Starts it for a database with the fixture, with so many file descriptors, and waits until it
    /// is ready.
    pub fn start_with_descriptors(
        database: &Database,
        descriptors: usize,
        settings: &[(&str, &str)],
    ) -> Server {
        Server::start_limited(database, &format!("ulimit -n {descriptors}"), settings)
    }

    /// Starts it for a database with the fixture, with an address space of so many bytes, and waits
    /// until it is ready.
    pub fn start_with_memory(
        database: &Database,
        bytes: usize,
        settings: &[(&str, &str)],
    ) -> Server {
        Server::start_limited(database, &format!("ulimit -v {}", bytes / 1024), settings)
    }

    fn start_limited(database: &Database, limit: &str, settings: &[(&str, &str)]) -> Server {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("{limit}; exec \"$0\"")])
            .arg(command().get_program())
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let uri = database.uri();
        let mut all = vec![("db-uri", uri.as_str())];
        all.extend_from_slice(settings);
        let mut server = Server::spawn_by(shell, &all);
        server.await_listening();
        server.await_ready();
        server
    }

    /// Starts it for a database with the fixture, by a command that has sent its log elsewhere, and
    /// waits until it is ready. It listens on a Unix socket, since it cannot say where it listens.
    pub fn start_unheard(
        database: &Database,
        command: Command,
        settings: &[(&str, &str)],
    ) -> Server {
        let (uri, socket) = (database.uri(), unused_path("api"));
        let socket_text = socket.to_str().expect("we chose it");
        let mut all = vec![
            ("db-uri", uri.as_str()),
            ("server-unix-socket", socket_text),
        ];
        all.extend_from_slice(settings);
        let mut server = Server::spawn_by(command, &all);
        server.address = Some(Address::Unix(socket));
        server.await_ready();
        server
    }

    /// Starts it with these settings and the usual ones, and waits for nothing.
    pub fn spawn(settings: &[(&str, &str)]) -> Server {
        Server::spawn_by(command(), settings)
    }

    /// Starts it for a database with the fixture and a configuration file, and waits until it is
    /// ready.
    pub fn start_with_file(database: &Database, file: &Path, settings: &[(&str, &str)]) -> Server {
        let uri = database.uri();
        let mut all = vec![("db-uri", uri.as_str())];
        all.extend_from_slice(settings);
        let mut command = command();
        command.arg(file);
        let mut server = Server::spawn_by(command, &all);
        server.await_listening();
        server.await_ready();
        server
    }

    /// The same, by a command that sets the stage for it: see [`command`].
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn spawn_by(mut command: Command, settings: &[(&str, &str)]) -> Server {
        let admin = unused_path("admin");
        let usual = [
            ("db-anon-role", "anonymous"),
            ("db-schemas", "api,other"),
            ("server-host", "127.0.0.1"),
            ("server-port", "0"),
            (
                "admin-server-unix-socket",
                admin.to_str().expect("we chose it"),
            ),
        ];
        for (key, value) in usual.iter().chain(settings) {
            command.env(variable(key), value);
        }
        let mut child = command.spawn().expect("the server can be started");
        watchdog::watch(child.id());
        let stdout = child
            .stdout
            .take()
            .map_or_else(Log::elsewhere, Log::collect);
        let stderr = child
            .stderr
            .take()
            .map_or_else(Log::elsewhere, Log::collect);
        Server {
            child,
            address: None,
            admin,
            ended: false,
            stdout,
            stderr,
        }
    }

    /// Waits until it says where it listens.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn await_listening(&mut self) {
        let line = self.stderr.wait_for("API server listening on ");
        let (_, place) = line
            .split_once("listening on ")
            .expect("that was waited for");
        // With `log-format=json` the line goes on after that.
        self.address = Some(Address::parse(place.trim_end_matches("\"}")));
    }

    /// Waits until the admin server says that it is ready.
    #[track_caller]
    pub fn await_ready(&self) {
        until(
            &format!("/ready; the log is:\n{}", self.stderr.text()),
            || self.try_admin("/ready").is_some_and(|status| status == 200),
        );
    }

    /// The status that the admin server answers with, if it answers.
    pub fn try_admin(&self, path: &str) -> Option<u16> {
        let mut client = Client::try_connect(&Address::Unix(self.admin.clone())).ok()?;
        client
            .try_exchange("GET", path, &[])
            .ok()
            .map(|answer| answer.status)
    }

    /// A connection to the admin server.
    pub fn admin(&self) -> Client {
        Client::connect(&self.admin_address())
    }

    /// A number of the metrics, by its name, with its labels as they are written.
    ///
    /// # Panics
    /// If there is none.
    pub fn metric(&self, name: &str) -> f64 {
        let answer = self.admin().get("/metrics");
        let mut lines = answer.text().lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let value = value.and_then(|value| value.parse().ok());
        value.unwrap_or_else(|| panic!("no metric {name}"))
    }

    /// Waits until a number of the metrics has this value.
    ///
    /// # Panics
    /// If it does not get it.
    #[track_caller]
    pub fn await_metric(&self, name: &str, value: f64) {
        until(&format!("{name} {value}"), || self.metric(name) == value);
    }

    /// Where the admin server listens.
    pub fn admin_address(&self) -> Address {
        Address::Unix(self.admin.clone())
    }

    /// Where it listens.
    ///
    /// # Panics
    /// If that has not been waited for.
    pub fn address(&self) -> &Address {
        self.address
            .as_ref()
            .expect("it listens, and we waited for it")
    }

    /// A new connection to it.
    #[track_caller]
    pub fn client(&self) -> Client {
        Client::connect(self.address())
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process id is positive"), signal).expect("it is our child");
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_none()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn await_exit(&mut self) -> ExitStatus {
        let status = until_some("the server to end", || {
            self.child.try_wait().expect("it is our child")
        });
        self.ended = true;
        watchdog::forget(self.child.id());
        status
    }

    /// Stops it politely, and checks that it ends well.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn stop(mut self) {
        self.signal(Signal::TERM);
        let status = self.await_exit();
        let log = self.stderr.whole();
        assert_eq!(
            status.code(),
            Some(0),
            "signal {:?}; {log}",
            status.signal()
        );
        assert!(!log.contains("panicked"), "{log}");
    }

    /// Whether nothing in its log contains the text.
    pub fn is_silent_about(&self, text: &str) -> bool {
        !self.stderr.text().contains(text)
    }

    /// Its resident memory now.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
        number
            .and_then(|kib| kib.parse::<u64>().ok())
            .expect("the kernel says so")
            * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.child.kill();
            let _ = self.child.wait();
            watchdog::forget(self.child.id());
        }
        let _ = std::fs::remove_file(&self.admin);
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.stderr.text());
        }
    }
}

/// The executable with an empty environment, and its outputs as pipes.
pub fn command() -> Command {
    let mut command = Command::new(executable());
    command
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The environment variable of a key.
pub fn variable(key: &str) -> String {
    format!("PGRST_{}", key.to_uppercase().replace(['-', '.'], "_"))
}

/// A path in the folder of this run that nobody else uses.
pub fn unused_path(purpose: &str) -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    watchdog::folder().join(format!("{purpose}-{number}"))
}

/// `COREREST_BIN`, or the one that cargo builds next to the tests. It is built each time, because
/// an old one would answer as it did then.
fn executable() -> &'static Path {
    static EXECUTABLE: OnceLock<PathBuf> = OnceLock::new();
    EXECUTABLE.get_or_init(|| {
        if let Some(path) = std::env::var_os("COREREST_BIN") {
            return path.into();
        }
        let test = std::env::current_exe().expect("the kernel knows");
        // target/debug/deps/it-…, or target/debug/faults
        let folder = test.parent().expect("it is in a folder");
        let folder = match folder.ends_with("deps") {
            true => folder.parent().expect("cargo put it there"),
            false => folder,
        };
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--package", "corerest"]);
        // What cargo says of the test: ring's build looks at it, and would be repeated, with all
        // that uses ring.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                build.env_remove(name);
            }
        }
        if folder.file_name() == Some(OsStr::new("release")) {
            build.arg("--release");
        }
        build
            .arg("--target-dir")
            .arg(folder.parent().expect("it has a name"));
        build.current_dir(env!("CARGO_MANIFEST_DIR"));
        assert!(
            build.status().expect("cargo ran us").success(),
            "the server does not build"
        );
        folder.join("corerest")
    })
}
