//! The server as a service: what the command line tells of it, what a service manager gives it and
//! hears from it, and one process that takes over from another.

use corerest_tests::client::{Address, Client, request};
use corerest_tests::cluster::{Cluster, Database};
use corerest_tests::json;
use corerest_tests::server::{Server, command, unused_path, variable};
use corerest_tests::waiting::{LONG, until};
use nix::sys::ptrace;
use nix::unistd::Pid;
use rustix::process::Signal;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn run(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let mut command = command();
    command.args(arguments);
    for (key, value) in settings {
        command.env(variable(key), value);
    }
    command.output().expect("the server can be started")
}

#[test]
fn the_schema_cache_can_be_dumped_by_command_line_and_admin_server() {
    let database = Cluster::shared().database();
    let uri = database.uri();
    let output = run(
        &["--dump-schema"],
        &[("db-uri", &uri), ("db-schemas", "api,other")],
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(json::parse(&output.stdout).is_some(), "{output:?}");
    let server = Server::start(&database, &[]);
    let answer = server.admin().get("/schema_cache");
    assert!(
        json::equal(&answer.body, &output.stdout),
        "{}",
        answer.text()
    );
    for part in [
        r#""dbTables":[[{"qiName":"Odd Names","qiSchema":"api"},{"tableColumns":{"#,
        r#""colDefault":null,"colDescription":null,"colEnum":["shade","half","sun"]"#,
        r#""tableDescription":"What grows in the garden""#,
        r#""tablePKCols":["id"]"#,
        r#"[[{"tag":"RelAnyElement"},{"tag":"MTTextCSV"}],"#,
    ] {
        assert!(
            answer.text().contains(part),
            "no {part} in {}",
            answer.text()
        );
    }
    server.stop();
    let output = run(
        &["--dump-schema"],
        &[("db-uri", &uri), ("db-schemas", "nowhere")],
    );
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("nowhere"), "{text}");
}

#[test]
fn the_dumped_configuration_has_what_the_database_says() {
    let database = Cluster::shared().database();
    database.run(&format!(
        "ALTER ROLE authenticator IN DATABASE {} SET pgrst.db_max_rows = '77'",
        database.name
    ));
    let uri = database.uri();
    let shown = |settings: &[(&str, &str)]| {
        let output = run(&["--dump-config"], settings);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8_lossy(&output.stdout).contains("db-max-rows = 77\n")
    };
    assert!(shown(&[("db-uri", &uri)]));
    assert!(!shown(&[("db-uri", &uri), ("db-config", "false")]));
    // A database that is away is told of, and the rest is shown.
    assert!(!shown(&[("db-uri", "host=/nowhere")]));
}

#[test]
fn ready_asks_the_admin_server() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    let port = taken.local_addr().expect("it is bound").port().to_string();
    drop(taken);
    let settings = [
        ("admin-server-port", &*port),
        ("admin-server-host", "127.0.0.1"),
    ];
    let check = |settings: &[(&str, &str)], status: i32, expected: &str| {
        let output = run(&["--ready"], settings);
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(
            (output.status.code(), text.trim_end()),
            (Some(status), expected)
        );
    };
    let url = format!("http://127.0.0.1:{port}/ready");
    check(&settings, 1, &format!("ERROR: connection refused to {url}"));
    let database = Cluster::shared().database();
    let uri = database.uri();
    let mut all = vec![("db-uri", &*uri), ("admin-server-unix-socket", "")];
    all.extend(settings);
    let mut server = Server::spawn(&all);
    server.await_listening();
    until("ready", || run(&["--ready"], &settings).status.success());
    check(&settings, 0, &format!("OK: {url}"));
    database.run("DROP SCHEMA other CASCADE");
    server.signal(Signal::USR1);
    server.stderr.wait_for("Failed to load the schema cache");
    check(&settings, 1, &format!("ERROR: {url}"));
    server.stop();
    let special = [settings[0], ("server-host", "*4")];
    let output = run(&["--ready"], &special);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("cannot be used when server-host is configured as \"*4\""),
        "{text}"
    );
}

#[test]
fn without_recovery_a_lost_database_ends_the_process() {
    let database = Cluster::shared().database();
    let settings = [("db-pool-automatic-recovery", "false")];
    let uri = format!("{} dbname=no_such_database", database.uri());
    let mut server = Server::spawn(&[("db-uri", &*uri), settings[0]]);
    assert_eq!(server.await_exit().code(), Some(1));
    server
        .stderr
        .wait_for("Automatic recovery disabled, exiting.");
    for channel_enabled in ["true", "false"] {
        let database = Cluster::shared().database();
        let all = [settings[0], ("db-channel-enabled", channel_enabled)];
        let mut server = Server::start(&database, &all);
        let postgres = Cluster::shared().postgres();
        let name = &database.name;
        postgres.run(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
        postgres.run(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        ));
        assert_eq!(server.await_exit().code(), Some(1));
        server
            .stderr
            .wait_for("Automatic recovery disabled, exiting.");
    }
}

#[test]
fn a_server_whose_password_is_wrong_does_not_try_again() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    let hba = database.one("SHOW hba_file");
    std::fs::write(
        &hba,
        "local all authenticator scram-sha-256\nlocal all all trust\n",
    )
    .expect("it is ours");
    database.run("SELECT pg_reload_conf()");
    let uri = format!("{} password=wrong", database.uri());
    let mut server = Server::spawn(&[("db-uri", &uri)]);
    assert_eq!(server.await_exit().code(), Some(1));
    let line = server.stderr.wait_for("Failed to establish a connection. ");
    assert!(
        line.contains("\"message\":\"Database connection error.\""),
        "{line}"
    );
    assert!(line.contains("password authentication failed"), "{line}");
    assert!(!line.contains("wrong\""), "{line}");
}

#[test]
fn a_second_signal_does_not_wait_for_requests() {
    let database = Cluster::shared().database();
    let mut server = Server::start(&database, &[]);
    let mut busy = server.client();
    busy.send(request("GET", "/naps?milliseconds=eq.30000", &[]));
    let naps = format!(
        "SELECT count(*)::text FROM pg_stat_activity \
         WHERE datname = '{}' AND wait_event = 'PgSleep'",
        database.name
    );
    until("the nap to begin", || database.one(&naps) == "1");
    server.signal(Signal::TERM);
    server
        .stderr
        .wait_for("Received termination unix signal SIGTERM");
    assert!(server.is_running());
    server.signal(Signal::INT);
    assert_eq!(server.await_exit().code(), Some(1));
    busy.leave("the server has gone before");
}

/// The next message but signs of life.
fn next_message(socket: &UnixDatagram) -> String {
    loop {
        let mut bytes = [0; 512];
        let count = socket.recv(&mut bytes).expect("there is a message");
        let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
        if text.trim_end() != "WATCHDOG=1" {
            return text;
        }
    }
}

/// A server that tells a service manager, which listens at this path, how it is, and that it lives
/// within so many microseconds.
fn start_under_manager(path: &Path, microseconds: &str) -> (UnixDatagram, Server) {
    let socket = UnixDatagram::bind(path).expect("the path is unused");
    socket.set_read_timeout(Some(LONG)).expect("it is open");
    let mut command = command();
    command
        .env("NOTIFY_SOCKET", path)
        .env("WATCHDOG_USEC", microseconds);
    let uri = Cluster::shared().database().uri();
    (socket, Server::spawn_by(command, &[("db-uri", &uri)]))
}

/// A stop takes a tenth of a second. This is for machines that have other things to do, and less
/// than what has to be noticed: a third of the watchdog's time, or that for connecting.
const STOP_MAX: Duration = Duration::from_secs(4);

/// Stops a server and checks that it takes no longer than that.
#[track_caller]
fn check_stop(server: Server) {
    let began = Instant::now();
    server.stop();
    let took = began.elapsed();
    assert!(took < STOP_MAX, "it took {took:?}");
}

#[test]
fn a_stop_does_not_wait_for_the_watchdog() {
    for has_client in [false, true] {
        let path = unused_path("notify");
        let (_socket, mut server) = start_under_manager(&path, "30000000");
        server.await_listening();
        server.await_ready();
        let idle = has_client.then(|| {
            let mut client = server.client();
            assert_eq!(client.get("/plants?select=id&id=eq.1").status, 200);
            client
        });
        check_stop(server);
        if let Some(mut idle) = idle {
            idle.expect_closed();
        }
        let _ = std::fs::remove_file(&path);
    }
}

/// Neither the listener, which is the first to connect, nor the control plane is waited for.
#[test]
fn a_stop_does_not_wait_for_postgresql() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    let port = silent.local_addr().expect("it is bound").port();
    let uri = format!("host=127.0.0.1 port={port} user=authenticator dbname=postgres");
    for count in [1, 2] {
        let server = Server::spawn(&[("db-uri", &*uri)]);
        let connected = (0..count).map(|_| silent.accept().expect("it connects"));
        let connected: Vec<_> = connected.collect();
        check_stop(server);
        drop(connected);
    }
}

#[test]
fn the_service_manager_hears_of_start_reload_life_and_end() {
    let path = unused_path("notify");
    let (socket, mut server) = start_under_manager(&path, "300000");
    assert_eq!(next_message(&socket).trim_end(), "READY=1");
    server.await_listening();
    for signal in [Signal::USR1, Signal::USR2, Signal::HUP] {
        server.signal(signal);
        let message = next_message(&socket);
        assert!(
            message.starts_with("RELOADING=1\nMONOTONIC_USEC="),
            "{message}"
        );
        assert_eq!(next_message(&socket).trim_end(), "READY=1");
    }
    let mut bytes = [0; 512];
    let count = socket.recv(&mut bytes).expect("it lives");
    assert_eq!(bytes[..count].trim_ascii_end(), b"WATCHDOG=1");
    server.signal(Signal::TERM);
    assert_eq!(next_message(&socket).trim_end(), "STOPPING=1");
    assert_eq!(server.await_exit().code(), Some(0));
    let _ = std::fs::remove_file(&path);
}

/// Sends to a socket until it takes nothing more, from anybody.
fn fill(path: &Path) {
    let is_sent_some = || {
        let sender = UnixDatagram::unbound().expect("there are descriptors");
        sender.set_nonblocking(true).expect("it is open");
        let sent = std::iter::from_fn(|| sender.send_to(b"x", path).ok());
        sent.count() > 0
    };
    while is_sent_some() {}
}

/// It would hold up whoever tells it of the end.
#[test]
fn a_service_manager_that_is_stuck_holds_up_no_end() {
    for is_busy in [false, true] {
        let path = unused_path("notify");
        let (_socket, mut server) = start_under_manager(&path, "30000000");
        server.await_listening();
        server.await_ready();
        fill(&path);
        if !is_busy {
            check_stop(server);
            continue;
        }
        let mut busy = server.client();
        busy.send(request("GET", "/naps?milliseconds=eq.30000", &[]));
        server.signal(Signal::TERM);
        until("the end to be announced", || {
            server.try_admin("/ready") == Some(503)
        });
        server.signal(Signal::TERM);
        assert_eq!(server.await_exit().code(), Some(1));
        busy.leave("the server has gone before");
        let _ = std::fs::remove_file(&path);
    }
}

/// The threads of the first core, held still by the calling thread.
fn hold_first_core(server: &Server) -> Vec<Pid> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.id())).expect("it runs");
    let threads = tasks.filter_map(|task| {
        let task = task.expect("it runs");
        // Threads that serve the clients of the admin server come and go.
        let name = std::fs::read_to_string(task.path().join("comm")).ok()?;
        let id = task.file_name().to_str()?.parse().ok()?;
        name.starts_with("core0-").then(|| Pid::from_raw(id))
    });
    let threads: Vec<Pid> = threads.collect();
    assert!(!threads.is_empty());
    for thread in &threads {
        ptrace::seize(*thread, ptrace::Options::empty()).expect("it is our child's");
        ptrace::interrupt(*thread).expect("it was seized");
    }
    threads
}

#[test]
fn a_core_that_is_stuck_is_not_spoken_for() {
    let path = unused_path("notify");
    let (socket, mut server) = start_under_manager(&path, "300000");
    server.await_listening();
    server.await_ready();
    assert_eq!(server.try_admin("/live"), Some(200));
    let hears_of_life_within = |limit: Duration| {
        socket.set_read_timeout(Some(limit)).expect("it is open");
        let mut bytes = [0; 512];
        socket.recv(&mut bytes).is_ok()
    };
    let threads = hold_first_core(&server);
    until("silence", || !hears_of_life_within(Duration::from_secs(1)));
    for probe in ["/live", "/ready"] {
        until("it to be noticed", || server.try_admin(probe) == Some(500));
    }
    for thread in threads {
        until("it to go on", || ptrace::detach(thread, None).is_ok());
    }
    assert!(hears_of_life_within(LONG));
    until("it to be noticed", || {
        server.try_admin("/live") == Some(200)
    });
    server.stop();
    let _ = std::fs::remove_file(&path);
}

/// A server with a socket that somebody else has opened.
fn start_with_socket(database: &Database, listener: OwnedFd) -> Server {
    let program = command().get_program().to_owned();
    let mut shell = Command::new("sh");
    shell
        .env_clear()
        .arg("-c")
        .arg("exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\"")
        .arg(program)
        .stdin(listener)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let uri = database.uri();
    let mut server = Server::spawn_by(shell, &[("db-uri", &uri)]);
    server.await_listening();
    server
}

/// How clients use their connections.
#[derive(Clone, Copy)]
enum Use {
    /// For one request.
    Once,
    /// Until an answer says that they end. Nobody looks whether they have before that.
    AsLongAsTheyLast,
}

/// What is asked by clients who never pause.
struct Traffic {
    answered: AtomicUsize,
    is_over: AtomicBool,
}

impl Traffic {
    /// Lets clients ask while something is done, and checks each answer. Returns how many there
    /// were.
    fn during(address: &Address, use_of: Use, work: impl FnOnce(&Traffic)) -> usize {
        let traffic = Traffic {
            answered: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| traffic.ask(address, use_of));
            }
            work(&traffic);
            traffic.is_over.store(true, Ordering::Relaxed);
        });
        traffic.answered.into_inner()
    }

    fn ask(&self, address: &Address, use_of: Use) {
        let mut client = None;
        while !self.is_over.load(Ordering::Relaxed) {
            let mut connected = client.take().unwrap_or_else(|| Client::connect(address));
            let answer = connected.get("/plants?select=id&id=eq.1");
            assert_eq!((answer.status, answer.text()), (200, r#"[{"id":1}]"#));
            if matches!(use_of, Use::AsLongAsTheyLast) && !answer.closes() {
                client = Some(connected);
            }
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until some more was answered.
    fn go_on(&self) {
        let before = self.answered.load(Ordering::Relaxed);
        until("more answers", || {
            self.answered.load(Ordering::Relaxed) > before + 50
        });
    }
}

/// Who connects while there is no process waits in the kernel's queue for the next one, and whoever
/// is in it when a process ends is not cut off.
#[test]
fn processes_with_the_same_socket_follow_each_other_without_a_lost_connection() {
    let database = Cluster::shared().database();
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    let address = Address::Tcp(listener.local_addr().expect("it is bound"));
    let start = || {
        let socket = listener.try_clone().expect("there are descriptors");
        start_with_socket(&database, socket.into())
    };
    let mut server = start();
    assert_eq!(server.address(), &address);
    for use_of in [Use::Once, Use::AsLongAsTheyLast] {
        Traffic::during(&address, use_of, |traffic| {
            for _ in 0..3 {
                traffic.go_on();
                server.signal(Signal::TERM);
                assert_eq!(server.await_exit().code(), Some(0));
                server = start();
            }
            traffic.go_on();
        });
    }
    server.stop();
}

/// `HAND_OVERS` says how many there are.
#[test]
fn a_second_process_takes_over_without_a_lost_request() {
    let count = std::env::var("HAND_OVERS").map_or(2, |count| count.parse().expect("a number"));
    let database = Cluster::shared().database();
    let mut old = Server::start(&database, &[("server-reuseport", "true")]);
    let address = old.address().clone();
    let Address::Tcp(place) = address else {
        panic!("it listens on a port");
    };
    let port = place.port().to_string();
    for use_of in [Use::Once, Use::AsLongAsTheyLast] {
        let answered = Traffic::during(&address, use_of, |traffic| {
            for _ in 0..count {
                traffic.go_on();
                let mut idle = old.client();
                idle.get("/plants?select=id&id=eq.1");
                let settings = [("server-reuseport", "true"), ("server-port", &*port)];
                let new = Server::start(&database, &settings);
                new.stderr.wait_for("API server listening on ");
                traffic.go_on();
                old.signal(Signal::TERM);
                until("the end to be announced", || {
                    old.try_admin("/ready") != Some(200)
                });
                // It has asked before, and asks again before its time is over.
                assert!(idle.get("/plants?select=id&id=eq.1").closes());
                assert_eq!(old.await_exit().code(), Some(0));
                old = new;
                traffic.go_on();
            }
        });
        eprintln!("{count} hand-overs: {answered} requests were answered");
    }
    old.stop();
}

/// With a grace, a load balancer has time to notice: from the first moment `/ready` says that no
/// more clients are wanted, and those who come are served as before.
#[test]
fn a_stop_with_a_grace_announces_the_end_and_serves_meanwhile() {
    let database = Cluster::shared().database();
    let mut server = Server::start(&database, &[("server-shutdown-grace", "3600")]);
    let target = "/plants?select=id&id=eq.1";
    let mut idle = server.client();
    assert!(!idle.get(target).closes());
    server.signal(Signal::TERM);
    until("the end to be announced", || {
        server.try_admin("/ready") == Some(503)
    });
    assert_eq!(server.try_admin("/live"), Some(200));
    for mut client in [idle, server.client()] {
        let answer = client.get(target);
        assert_eq!((answer.status, answer.closes()), (200, true));
        client.expect_closed();
    }
    assert!(server.is_running());
    server.signal(Signal::TERM);
    assert_eq!(server.await_exit().code(), Some(1));
    let server = Server::start(&database, &[("server-shutdown-grace", "1")]);
    let mut idle = server.client();
    idle.get(target);
    let began = Instant::now();
    server.stop();
    assert!(began.elapsed() >= Duration::from_secs(1));
    idle.expect_closed();
}
