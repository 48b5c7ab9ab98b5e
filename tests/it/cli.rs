//! The command line, the start, and the end of the process.

use corerest_tests::client::request;
use corerest_tests::cluster::Cluster;
use corerest_tests::server::{Server, command, unused_path};
use corerest_tests::waiting::until;
use std::process::Output;
use std::time::Duration;

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = command();
    command.args(arguments).envs(environment.iter().copied());
    command.output().expect("the server can be started")
}

#[track_caller]
fn check_success(arguments: &[&str], expected: &[&str]) {
    let output = run(arguments, &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    for part in expected {
        assert!(text.contains(part), "{arguments:?}: no {part:?} in {text}");
    }
}

#[test]
fn what_the_command_line_shows() {
    let version = concat!("CoreREST ", env!("CARGO_PKG_VERSION"));
    check_success(&["--version"], &[version]);
    check_success(&["-v"], &[version]);
    check_success(&["--help"], &["--dump-config", "--example", "--version"]);
    check_success(&["-h"], &["--dump-config"]);
    check_success(
        &["--example"],
        &["db-uri", "db-schemas", "db-anon-role", "server-port"],
    );
    check_success(&["-e"], &["db-uri"]);
    check_success(
        &["--dump-config"],
        &["db-pool = 10\n", "server-port = 3000\n", "db-uri = \""],
    );
}

#[test]
fn of_two_commands_none_is_done() {
    for (first, second) in [
        ("--dump-config", "--dump-schema"),
        ("--dump-schema", "--dump-config"),
        ("--ready", "--dump-config"),
    ] {
        let output = run(&[first, second], &[]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(output.stdout, b"");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(
            told.starts_with(&format!("Invalid option `{second}'\n")),
            "{told}"
        );
    }
    check_success(
        &["--dump-config", "--dump-schema", "--version"],
        &["CoreREST"],
    );
}

#[test]
fn the_dump_shows_file_and_environment() {
    let file = unused_path("config");
    std::fs::write(
        &file,
        "db-pool = 5\nserver-port = 4000\ndb-anon-role = \"nobody\"\n",
    )
    .expect("the temporary folder can be written");
    let name = file.to_str().expect("we chose it");
    let environment = [("PGRST_SERVER_PORT", "4001"), ("PGRST_DB_CONFIG", "false")];
    let output = run(&["--dump-config", name], &environment);
    std::fs::remove_file(&file).expect("it was just written");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for line in [
        "db-pool = 5",
        "server-port = 4001",
        "db-anon-role = \"nobody\"",
    ] {
        assert!(
            text.lines().any(|known| known == line),
            "{line} is not in {text}"
        );
    }
    assert!(text.lines().is_sorted(), "{text}");
}

#[test]
fn the_dumped_configuration_can_be_read_again() {
    let first = run(&["--dump-config"], &[("PGRST_DB_CONFIG", "false")]);
    let file = unused_path("config");
    std::fs::write(&file, &first.stdout).expect("the temporary folder can be written");
    let second = run(&["--dump-config", file.to_str().expect("we chose it")], &[]);
    std::fs::remove_file(&file).expect("it was just written");
    let (first, second) = (
        String::from_utf8_lossy(&first.stdout),
        String::from_utf8_lossy(&second.stdout),
    );
    assert_eq!(first, second);
}

/// What `--check` says of a database in which anonymous may do this, as JSON.
fn checked(sql: &str, settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let database = Cluster::shared().database();
    database.run(sql);
    let uri = database.uri();
    let environment = [
        ("PGRST_DB_URI", uri.as_str()),
        ("PGRST_DB_SCHEMAS", "shop"),
        ("PGRST_DB_ANON_ROLE", "anonymous"),
        ("PGRST_ADMIN_SERVER_PORT", "1"),
    ];
    let environment = [&environment, settings].concat();
    let output = run(&["--check", "--format", "json"], &environment);
    let text = String::from_utf8(output.stdout).expect("it is JSON");
    (output.status.code(), text)
}

#[test]
fn a_check_says_what_is_wrong() {
    let open = "create schema shop; create table shop.open (id int); \
                grant usage on schema shop to anonymous; grant insert on shop.open to anonymous; \
                create function shop.as_owner() returns int security definer \
                  language sql as 'select 1'; \
                create function shop.of_few() returns int language sql as 'select 1'; \
                revoke execute on function shop.of_few() from public; \
                create function shop.of_one(int) returns int language sql as 'select 1'";
    for (settings, status, parts) in [
        (
            &[][..],
            0,
            &[
                "row-level security is off: open",
                "SECURITY DEFINER functions of shop: as_owner",
                "No primary key in shop: open",
            ][..],
        ),
        (
            &[("PGRST_DB_ANON_ROLE", "nobody_knows")],
            1,
            &["There is no role nobody_knows.\",\"remedy\":\"CREATE ROLE nobody_knows NOLOGIN;"],
        ),
        (
            &[("PGRST_DB_SCHEMAS", "shop, Private \\x")],
            1,
            &[r"There is no schema Private \\x."],
        ),
        (
            &[("PGRST_DB_POOL", "10000")],
            0,
            &["10002 connections are wanted"],
        ),
        (&[("PGRST_DB_POOL", "0")], 1, &["Invalid db-pool"]),
        (
            &[
                ("PGRST_DB_PRE_REQUEST", "no_such"),
                ("PGRST_DB_PRE_CONFIG", "auth.no_such"),
                ("PGRST_DB_ROOT_SPEC", "of_one"),
            ],
            1,
            &[
                r#""db-pre-request","message":"There is no function no_such in shop, public.""#,
                r#""db-pre-config","message":"There is no function auth.no_such in auth.""#,
                r#""db-root-spec","message":"of_one cannot be called without arguments.""#,
            ],
        ),
        (
            &[
                ("PGRST_DB_PRE_REQUEST", "shop.of_few"),
                ("PGRST_DB_PRE_CONFIG", "shop.of_few"),
            ],
            1,
            &[
                "shop.of_few may not be called by anonymous",
                "shop.of_few may not be called by authenticator.",
                "GRANT EXECUTE ON FUNCTION shop.of_few() TO authenticator;",
            ],
        ),
        (
            &[
                ("PGRST_DB_PRE_REQUEST", "as_owner"),
                ("PGRST_DB_ROOT_SPEC", "as_owner"),
                ("PGRST_DB_PRE_CONFIG", "version"),
            ],
            0,
            &["SECURITY DEFINER functions of shop: as_owner"],
        ),
        (
            &[("PGRST_DB_POL", "3")],
            0,
            &["did you mean PGRST_DB_POOL?"],
        ),
        (
            &[("PGRST_DB_URI", "postgresql:///?host=/no/where")],
            1,
            &["/no/where"],
        ),
    ] {
        let (code, text) = checked(open, settings);
        assert_eq!(code, Some(status), "{settings:?}: {text}");
        for part in parts {
            assert!(text.contains(part), "{settings:?}: no {part} in {text}");
        }
    }
}

#[track_caller]
fn check_failure(arguments: &[&str], environment: &[(&str, &str)], expected: &str) {
    let output = run(arguments, environment);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(1),
        "{arguments:?} {environment:?}: {output:?}"
    );
    assert!(text.contains(expected), "no {expected:?} in {text}");
    assert!(!text.contains("panicked"), "{text}");
}

#[test]
fn a_bad_configuration_ends_the_process_with_a_reason() {
    check_failure(&["/no/such/file"], &[], "/no/such/file");
    // A terminal's commands are none when they are told of.
    check_failure(&["/no/\u{1b}[2Jfile"], &[], "/no/ [2Jfile");
    check_failure(&["--nonsense"], &[], "nonsense");
    check_failure(&[], &[("PGRST_DB_SCHEMAS", "pg_catalog")], "pg_catalog");
    check_failure(
        &[],
        &[("PGRST_JWT_SECRET", "short")],
        "at least 32 characters",
    );
    check_failure(
        &[],
        &[(
            "PGRST_JWT_SECRET",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPy0PXFeT+v8oQVxYCZQlqTYUf",
        )],
        "it is a key of SSH; write it as a JSON Web Key",
    );
    check_failure(
        &[],
        &[
            ("PGRST_JWT_SECRET", r#"{"kty":"oct","k":"YQ"}"#),
            ("PGRST_JWT_STRICT_KEYS", "true"),
        ],
        "jwt-strict-keys refuses that.",
    );
    check_failure(
        &[],
        &[("PGRST_DB_TX_END", "maybe")],
        "transaction termination",
    );
    check_failure(
        &[],
        &[
            ("PGRST_SERVER_PORT", "3001"),
            ("PGRST_ADMIN_SERVER_PORT", "3001"),
        ],
        "admin-server-port cannot be the same as server-port",
    );
}

#[test]
fn a_taken_port_ends_the_process_with_a_reason() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    let port = taken.local_addr().expect("it is bound").port().to_string();
    let uri = Cluster::shared().database().uri();
    let mut server = Server::spawn(&[("db-uri", &uri), ("server-port", &port)]);
    let status = server.await_exit();
    assert_ne!(status.code(), Some(0));
    let log = server.stderr.whole();
    assert!(log.to_lowercase().contains("in use"), "{log}");
    assert!(
        log.contains("end it, or choose another one by server-port."),
        "{log}"
    );
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn what_cannot_be_opened_is_named_with_the_key_that_names_it() {
    let taken = unused_path("taken");
    std::fs::write(&taken, "precious").expect("the temporary folder can be written");
    let folder = unused_path("folder");
    std::fs::create_dir(&folder).expect("the temporary folder can be written");
    let import = unused_path("import");
    std::fs::write(&import, "import \"/no/import\"\n").expect("it can be written");
    let name = |path: &std::path::Path| path.to_str().expect("we chose it").to_owned();
    let (taken, folder, import) = (name(&taken), name(&folder), name(&import));
    let at_folder = format!("@{folder}");
    let is_folder = format!("cannot read {folder} (jwt-secret): Is a directory");
    let is_taken = format!("cannot listen on {taken}: Address already in use");
    for (argument, variable, value, parts) in [
        ("/no/config", "", "", &["/no/config: No such file"][..]),
        (&folder, "", "", &[&*folder, "Is a directory"]),
        (&import, "", "", &["cannot import /no/import: No such file"]),
        (
            "",
            "PGRST_DB_URI",
            "@/no/uri",
            &["/no/uri (db-uri): No such"],
        ),
        ("", "PGRST_JWT_SECRET", &at_folder, &[&*is_folder]),
        (
            "",
            "PGRST_ADMIN_SERVER_UNIX_SOCKET",
            "/no/socket",
            &[
                "cannot listen on /no/socket: No such",
                "(admin-server-unix-socket)",
            ],
        ),
        (
            "",
            "PGRST_ADMIN_SERVER_UNIX_SOCKET",
            &taken,
            &[&*is_taken, "another one by admin-server-unix-socket"],
        ),
        (
            "",
            "PGRST_ADMIN_SERVER_HOST",
            "192.0.2.1",
            &[
                "192.0.2.1:3999",
                "admin-server-host must be an address of this machine",
            ],
        ),
    ] {
        let mut environment = vec![("PGRST_ADMIN_SERVER_PORT", "3999")];
        environment.push((variable, value));
        environment.retain(|(name, _)| !name.is_empty());
        let arguments: Vec<&str> = [argument].into_iter().filter(|it| !it.is_empty()).collect();
        for part in parts {
            check_failure(&arguments, &environment, part);
        }
    }
    let text = std::fs::read_to_string(&taken).expect("it is there");
    assert_eq!(text, "precious");
    let _ = std::fs::remove_file(taken);
    let _ = std::fs::remove_file(import);
    let _ = std::fs::remove_dir(folder);
}

#[test]
fn the_log_tells_what_the_server_does() {
    let server = Server::start(&Cluster::shared().database(), &[]);
    server.stderr.wait_for("Starting CoreREST ");
    server
        .stderr
        .wait_for("Successfully connected to PostgreSQL ");
    server.stderr.wait_for("Schema cache loaded ");
    server.stop();
}

#[test]
fn the_end_waits_for_answers_that_are_due() {
    let database = Cluster::shared().database();
    let mut server = Server::start(&database, &[]);
    let mut idle = server.client();
    idle.expect_usable();
    let mut busy = server.client();
    busy.send(request("GET", "/naps?milliseconds=eq.1000", &[]));
    let naps = format!(
        "SELECT count(*)::text FROM pg_stat_activity \
         WHERE datname = '{}' AND wait_event = 'PgSleep'",
        database.name
    );
    until("the nap to begin", || database.one(&naps) == "1");
    server.signal(rustix::process::Signal::TERM);
    server
        .stderr
        .wait_for("Received termination unix signal SIGTERM");
    idle.wait_at_most(Duration::from_millis(900));
    idle.expect_closed();
    let answer = busy.read("GET");
    assert_eq!(answer.text(), r#"[{"milliseconds":1000,"slept":1}]"#);
    assert!(answer.closes());
    busy.expect_closed();
    assert_eq!(server.await_exit().code(), Some(0));
}

#[test]
fn an_interrupt_ends_the_process_as_well() {
    let mut server = Server::start(&Cluster::shared().database(), &[]);
    server.signal(rustix::process::Signal::INT);
    assert_eq!(server.await_exit().code(), Some(0));
}

#[test]
fn a_server_that_waits_for_postgresql_can_be_ended() {
    let nowhere = unused_path("nowhere");
    let uri = format!("host={} user=authenticator", nowhere.display());
    let mut server = Server::spawn(&[("db-uri", &uri)]);
    server
        .stderr
        .wait_for("Attempting to reconnect to the database in ");
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.await_exit().code(), Some(0));
}

#[test]
fn the_admin_server_answers_what_it_knows() {
    let server = Server::start(&Cluster::shared().database(), &[]);
    for (path, status) in [
        ("/live", 200),
        ("/ready", 200),
        ("/nothing", 404),
        ("/", 404),
    ] {
        let answer = server.admin().get(path);
        assert_eq!((answer.status, answer.text()), (status, ""), "{path}");
    }
    server.stop();
}
