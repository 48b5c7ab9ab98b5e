//! The server as a service: what the command line tells of it, what a service manager gives it and
//! hears from it, and one process that takes over from another.

use corerest_tests::client::{Address, request};
use corerest_tests::cluster::Cluster;
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
use std::time::Duration;

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

/// A server that tells a service manager, which listens at this path, how it is.
fn start_under_manager(path: &Path) -> (UnixDatagram, Server) {
    let socket = UnixDatagram::bind(path).expect("the path is unused");
    socket.set_read_timeout(Some(LONG)).expect("it is open");
    let mut command = command();
    command
        .env("NOTIFY_SOCKET", path)
        .env("WATCHDOG_USEC", "300000");
    let uri = Cluster::shared().database().uri();
    (socket, Server::spawn_by(command, &[("db-uri", &uri)]))
}

#[test]
fn the_service_manager_hears_of_start_reload_life_and_end() {
    let path = unused_path("notify");
    let (socket, mut server) = start_under_manager(&path);
    assert_eq!(next_message(&socket).trim_end(), "READY=1");
    server.await_listening();
    for signal in [Signal::USR1, Signal::USR2] {
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
    let (socket, mut server) = start_under_manager(&path);
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

#[test]
fn sockets_can_be_inherited() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    let address = Address::Tcp(listener.local_addr().expect("it is bound"));
    let program = command().get_program().to_owned();
    let mut shell = Command::new("sh");
    shell
        .env_clear()
        .arg("-c")
        .arg("exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\"")
        .arg(program)
        .stdin(OwnedFd::from(listener))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let uri = Cluster::shared().database().uri();
    let mut server = Server::spawn_by(shell, &[("db-uri", &uri)]);
    server.await_listening();
    assert_eq!(server.address(), &address);
    assert_eq!(
        server.client().get("/plants?select=id&id=eq.1").text(),
        r#"[{"id":1}]"#
    );
    server.stop();
}

#[test]
fn a_second_process_takes_over_without_a_lost_connection() {
    let database = Cluster::shared().database();
    let mut old = Server::start(&database, &[("server-reuseport", "true")]);
    let Address::Tcp(place) = old.address().clone() else {
        panic!("it listens on a port");
    };
    let port = place.port().to_string();
    let (answered, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    // A connection for each request: these are what a hand-over could lose.
                    let mut client = corerest_tests::client::Client::connect(&Address::Tcp(place));
                    let answer = client.get("/plants?select=id&id=eq.1");
                    assert_eq!((answer.status, answer.text()), (200, r#"[{"id":1}]"#));
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let go_on = || {
            let before = answered.load(Ordering::Relaxed);
            until("more answers", || {
                answered.load(Ordering::Relaxed) > before + 50
            });
        };
        go_on();
        for _ in 0..3 {
            let settings = [("server-reuseport", "true"), ("server-port", &*port)];
            let new = Server::start(&database, &settings);
            new.stderr.wait_for("API server listening on ");
            go_on();
            std::mem::replace(&mut old, new).stop();
            go_on();
        }
        over.store(true, Ordering::Relaxed);
    });
    old.stop();
}
