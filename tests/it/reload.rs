//! The configuration and the schema cache change while the server runs: by signal, by
//! notification, from file, environment and database; and requests go on meanwhile.

use corerest_api::internals::IsolationLevel;
use corerest_api::{RoleSettings, ask_role_settings, decode_role_settings};
use corerest_tests::client::Client;
use corerest_tests::cluster::{Cluster, Database};
use corerest_tests::proxy::Proxy;
use corerest_tests::server::{Server, unused_path};
use corerest_tests::waiting::until;
use rustix::process::Signal;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const NUMBERS: &str = "/numbers?select=n&order=n";

/// A configuration file, which is removed at the end.
struct File(PathBuf);

impl File {
    fn new(text: &str) -> File {
        let file = File(unused_path("config"));
        file.write(text);
        file
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.0, text).expect("the temporary folder can be written");
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn rows(client: &mut Client) -> usize {
    client.get(NUMBERS).text().matches("\"n\"").count()
}

/// How often the log says that.
fn count(server: &Server, text: &str) -> usize {
    let lines = server.stderr.lines();
    lines.iter().filter(|line| line.contains(text)).count()
}

/// What the settings of roles are, asked as the login role.
fn role_settings(database: &Database) -> RoleSettings {
    let mut connection = database.connect();
    let version: i32 = connection
        .query_one("SELECT current_setting('server_version_num')::integer", &[])
        .expect("there is one")
        .get(0);
    connection
        .batch_execute("SET SESSION AUTHORIZATION authenticator")
        .expect("a superuser may");
    let asked = ask_role_settings(version);
    let statement = &asked.statements()[asked.asks()];
    let row = connection.query_one(statement.text.as_str(), &[]);
    let document: String = row.expect("the query is right").get(0);
    decode_role_settings(&mut document.into_bytes()).expect("it is the document")
}

#[test]
fn roles_have_the_settings_that_the_login_role_may_make() {
    // Roles belong to the whole cluster.
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    database.run(
        "ALTER ROLE anonymous SET statement_timeout = '5s'; \
         ALTER ROLE anonymous SET work_mem = '3MB'; \
         ALTER ROLE anonymous SET default_transaction_isolation = 'REPEATABLE READ'; \
         ALTER ROLE anonymous SET app.own = 'x'; \
         ALTER ROLE gardener SET log_min_messages = 'fatal'; \
         ALTER ROLE gardener SET datestyle = 'German, DMY'; \
         CREATE ROLE stranger; ALTER ROLE stranger SET work_mem = '9MB'",
    );
    let settings = role_settings(&database);
    let expected = [("statement_timeout", "5s"), ("work_mem", "3MB")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(settings.settings("anonymous"), expected);
    let level = settings.isolation_level("anonymous");
    assert_eq!(level, Some(IsolationLevel::RepeatableRead));
    let style = ("DateStyle".to_owned(), "German, DMY".to_owned());
    assert_eq!(settings.settings("gardener"), std::slice::from_ref(&style));
    assert_eq!(settings.isolation_level("gardener"), None);
    assert_eq!(settings.settings("stranger"), []);
    let version = database.one("SHOW server_version_num");
    if version.parse::<u32>().expect("it is a number") >= 150_000 {
        database.run("GRANT SET ON PARAMETER log_min_messages TO authenticator");
        let level = ("log_min_messages".to_owned(), "fatal".to_owned());
        assert_eq!(
            role_settings(&database).settings("gardener"),
            [level, style]
        );
    }
}

/// Does something that reloads the configuration, and waits until it is reloaded.
fn reload_config(server: &Server, cause: impl FnOnce()) {
    let before = count(server, "Config reloaded");
    cause();
    until("the configuration to be reloaded", || {
        count(server, "Config reloaded") > before
    });
}

fn set(database: &Database, setting: &str, value: &str) {
    database.run(&format!(
        "ALTER ROLE authenticator IN DATABASE {} SET pgrst.{setting} = '{value}'",
        database.name
    ));
}

#[test]
fn the_database_goes_before_the_environment_and_that_before_the_file() {
    let database = Cluster::shared().database();
    let file = File::new("db-max-rows = 2\nserver-trace-header = \"X-File\"\n");
    let server =
        Server::start_with_file(&database, &file.0, &[("client-error-verbosity", "verbose")]);
    let mut client = server.client();
    assert_eq!(rows(&mut client), 2);
    file.write("db-max-rows = 3\nclient-error-verbosity = \"minimal\"\n");
    reload_config(&server, || server.signal(Signal::USR2));
    assert_eq!(rows(&mut client), 3);
    assert!(client.get("/plants?id=foo.1").text().contains("details"));
    set(&database, "db_max_rows", "4");
    set(&database, "client_error_verbosity", "minimal");
    set(&database, "db_uri", "nowhere");
    set(&database, "not_a_key", "1");
    reload_config(&server, || server.signal(Signal::USR2));
    assert_eq!(rows(&mut client), 4);
    assert!(!client.get("/plants?id=foo.1").text().contains("details"));
    server.stop();
}

#[test]
fn the_role_in_this_database_goes_before_the_role_and_that_before_the_function() {
    // The settings of the role are for all databases of the cluster, so it is one of our own.
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    database.run(&format!(
        "GRANT USAGE ON SCHEMA private TO authenticator; \
         CREATE FUNCTION private.pre_config() RETURNS void LANGUAGE sql AS $$ \
           SELECT set_config('pgrst.db_max_rows', '2', true), \
                  set_config('pgrst.db_anon_role', 'gardener', true) $$; \
         ALTER DATABASE {} SET pgrst.server_trace_header = 'X-Database'",
        database.name
    ));
    let server = Server::start(&database, &[("db-pre-config", "private.pre_config")]);
    let mut client = server.client();
    assert_eq!(rows(&mut client), 2);
    assert_eq!(
        client.get("/vault").text(),
        r#"[{"id":1,"content":"gold"}]"#
    );
    database.run("ALTER ROLE authenticator SET pgrst.db_max_rows = '3'");
    reload_config(&server, || server.signal(Signal::USR2));
    assert_eq!(rows(&mut client), 3);
    set(&database, "db_max_rows", "4");
    reload_config(&server, || server.signal(Signal::USR2));
    assert_eq!(rows(&mut client), 4);
    server.stop();
}

#[test]
fn a_setting_of_the_database_alone_has_no_effect() {
    let database = Cluster::shared().database();
    let name = &database.name;
    database.run(&format!(
        "ALTER DATABASE {name} SET pgrst.db_max_rows = '1'"
    ));
    let server = Server::start(&database, &[("db-max-rows", "5")]);
    assert_eq!(rows(&mut server.client()), 5);
    server.stop();
}

#[test]
fn without_db_config_the_database_has_no_say() {
    let database = Cluster::shared().database();
    set(&database, "db_max_rows", "1");
    let settings = [("db-config", "false"), ("db-max-rows", "5")];
    let server = Server::start(&database, &settings);
    assert_eq!(rows(&mut server.client()), 5);
    server.stop();
}

#[test]
fn a_configuration_that_is_wrong_is_logged_and_changes_nothing() {
    let database = Cluster::shared().database();
    let file = File::new("db-max-rows = 2\n");
    let server = Server::start_with_file(&database, &file.0, &[]);
    let mut client = server.client();
    for (number, text) in [
        "db-max-rows = 3\njwt-secret = \"short\"",
        "no grammar",
        "db-tx-end = \"x\"",
        "db-max-rows = 3\njwt-secret = \"-----BEGIN CERTIFICATE----- MIIBbjCCAROg\"",
        "db-max-rows = 3\njwt-secret = \"{'kty':'oct','k':'aSecretOf32CharactersOrMore'}\"",
        "db-max-rows = 3\njwt-strict-keys = true\n\
         jwt-secret = \"{\\\"kty\\\":\\\"oct\\\",\\\"k\\\":\\\"YQ\\\"}\"",
    ]
    .into_iter()
    .enumerate()
    {
        file.write(text);
        server.signal(Signal::USR2);
        until("the refusal", || {
            count(&server, "Failed reloading config: ") == number + 1
        });
        assert_eq!(rows(&mut client), 2, "{text}");
    }
    std::fs::remove_file(&file.0).expect("it was just written");
    server.signal(Signal::USR2);
    server.stderr.wait_for("Cannot read the configuration file");
    assert_eq!(rows(&mut client), 2);
    file.write("db-max-rows = 4\n");
    reload_config(&server, || server.signal(Signal::USR2));
    assert_eq!(rows(&mut client), 4);
    set(&database, "db_schemas", "pg_catalog");
    server.signal(Signal::USR2);
    server
        .stderr
        .wait_for("does not allow schema: 'pg_catalog'");
    assert_eq!(rows(&mut client), 4);
    assert_eq!(server.try_admin("/ready"), Some(200));
    server.stop();
}

#[test]
fn weak_keys_are_warned_of_once() {
    let database = Cluster::shared().database();
    let weak = "jwt-secret = \"{\\\"kty\\\":\\\"oct\\\",\\\"k\\\":\\\"YQ\\\"}\"\n";
    let file = File::new(weak);
    let server = Server::start_with_file(&database, &file.0, &[]);
    let warning = "The JWT secret is only 1 bytes long, and shorter than the hash";
    server.stderr.wait_for(warning);
    reload_config(&server, || server.signal(Signal::USR2));
    assert_eq!(count(&server, warning), 1);
    file.write(&format!("{weak}jwt-strict-keys = true\n"));
    server.signal(Signal::USR2);
    server
        .stderr
        .wait_for("Failed reloading config: The JWT secret is only 1 bytes long");
    file.write("");
    reload_config(&server, || server.signal(Signal::USR2));
    file.write(weak);
    reload_config(&server, || server.signal(Signal::USR2));
    until("the second warning", || count(&server, warning) == 3);
    server.stop();
}

#[test]
fn a_pre_config_function_that_fails_leaves_what_was_known() {
    let database = Cluster::shared().database();
    database.run(
        "GRANT USAGE ON SCHEMA private TO authenticator; \
         CREATE FUNCTION private.pre_config() RETURNS void LANGUAGE sql AS \
           $$ SELECT set_config('pgrst.db_max_rows', '2', true) $$",
    );
    let settings = [
        ("db-pre-config", "private.pre_config"),
        ("db-max-rows", "9"),
    ];
    let server = Server::start(&database, &settings);
    let mut client = server.client();
    assert_eq!(rows(&mut client), 2);
    database.run("DROP FUNCTION private.pre_config");
    reload_config(&server, || server.signal(Signal::USR2));
    let line = server
        .stderr
        .wait_for("Failed to query database settings for the config parameters.");
    assert!(
        line.contains("function private.pre_config() does not exist"),
        "{line}"
    );
    assert_eq!(rows(&mut client), 2);
    server.stop();
}

#[test]
fn secrets_in_files_are_read_again_and_standard_input_is_not() {
    let database = Cluster::shared().database();
    let secret = File::new("a secret that is long enough for it");
    let path = format!("@{}", secret.0.display());
    let server = Server::start(&database, &[("jwt-secret", &path)]);
    secret.write("short");
    server.signal(Signal::USR2);
    server
        .stderr
        .wait_for("Failed reloading config: Error in config The JWT secret must be");
    server.stop();

    let mut command = corerest_tests::server::command();
    command.stdin(std::fs::File::open(&secret.0).expect("it was just written"));
    secret.write("a secret that is long enough for it");
    let uri = database.uri();
    let (read, mut write) = std::io::pipe().expect("there are pipes");
    std::io::Write::write_all(&mut write, b"another secret that is long enough")
        .expect("it is open");
    drop(write);
    command.stdin(read);
    let settings = [("db-uri", &*uri), ("jwt-secret", "@/dev/stdin")];
    let mut server = Server::spawn_by(command, &settings);
    server.await_listening();
    server.await_ready();
    reload_config(&server, || server.signal(Signal::USR2));
    assert!(server.is_silent_about("Failed reloading config"));
    server.stop();
}

#[test]
fn notifications_reload_what_they_name() {
    let database = Cluster::shared().database();
    let server = Server::start(&database, &[]);
    let mut client = server.client();
    database.run("CREATE TABLE api.fresh AS SELECT 1 AS id; GRANT SELECT ON api.fresh TO PUBLIC");
    assert_eq!(client.get("/fresh").status, 404);
    database.run("NOTIFY pgrst, 'something else'; NOTIFY other, 'reload schema'");
    database.run("NOTIFY pgrst, 'reload schema'");
    server
        .stderr
        .wait_for("Received a schema cache reload message on the \"pgrst\" channel");
    until("the new table", || client.get("/fresh").status == 200);
    set(&database, "db_max_rows", "4");
    reload_config(&server, || database.run("NOTIFY pgrst, 'reload config'"));
    server
        .stderr
        .wait_for("Received a config reload message on the \"pgrst\" channel");
    assert_eq!(rows(&mut client), 4);
    // Without a text it is the schema cache, before which the configuration is read.
    set(&database, "db_max_rows", "5");
    database.run("DROP TABLE api.fresh; NOTIFY pgrst");
    until("the table to be gone", || {
        client.get("/fresh").text().contains("PGRST205")
    });
    assert_eq!(rows(&mut client), 5);
    assert_eq!(count(&server, "Received a"), 3);
    server.stop();
}

#[test]
fn a_reload_gives_requests_sessions_with_the_settings_of_now() {
    let database = Cluster::shared().database();
    let server = Server::start(&database, &[("db-pool", "2")]);
    let mut client = server.client();
    let nap = "/naps?milliseconds=eq.500";
    assert_eq!(client.get(nap).status, 200);
    database.run(&format!(
        "ALTER ROLE authenticator IN DATABASE {} SET statement_timeout = '300ms'",
        database.name
    ));
    let loads = count(&server, "Schema cache loaded in");
    server.signal(Signal::USR1);
    until("a load", || {
        count(&server, "Schema cache loaded in") > loads
    });
    let answer = client.get(nap);
    assert!(answer.text().contains("57014"), "{}", answer.text());
    server.stop();
}

#[test]
fn a_burst_of_notifications_is_few_loads_and_the_last_one_counts() {
    let database = Cluster::shared().database();
    let server = Server::start(&database, &[]);
    let mut connection = database.connect();
    for number in 0..60 {
        connection
            .batch_execute(&format!(
                "CREATE TABLE api.burst_{number} (id integer); \
                 GRANT SELECT ON api.burst_{number} TO PUBLIC; NOTIFY pgrst, 'reload schema'"
            ))
            .expect("the tables are new");
    }
    let mut client = server.client();
    until("the last table", || client.get("/burst_59").status == 200);
    let loads = count(&server, "Schema cache queried");
    assert!((2..=20).contains(&loads), "{loads} loads");
    server.stop();
}

#[test]
fn a_listener_that_was_cut_off_comes_back_and_sees_what_it_missed() {
    let database = Cluster::shared().database();
    let server = Server::start(&database, &[]);
    let mut client = server.client();
    database.run(&format!(
        "CREATE TABLE api.missed AS SELECT 1 AS id; GRANT SELECT ON api.missed TO PUBLIC; \
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = '{}' AND query = 'LISTEN \"pgrst\"'",
        database.name
    ));
    server
        .stderr
        .wait_for("Failed listening for database notifications on the \"pgrst\" channel. ");
    server
        .stderr
        .wait_for("Retrying listening for database notifications in 1 seconds...");
    until("the table that was made meanwhile", || {
        client.get("/missed").status == 200
    });
    server.await_ready();
    assert_eq!(count(&server, "Listener connected to PostgreSQL "), 2);
    server.stop();
}

/// Neither the listener, nor the connection that is there in its place: each end of it would cost
/// a reload of everything.
#[test]
fn what_is_idle_most_of_the_time_is_not_ended_for_it() {
    let database = Cluster::shared().database();
    database.run(&format!(
        "ALTER ROLE authenticator IN DATABASE {} SET idle_session_timeout = '200ms'",
        database.name
    ));
    for (is_enabled, query) in [("true", "LISTEN%"), ("false", "%idle\\_session\\_timeout%")] {
        let server = Server::start(&database, &[("db-channel-enabled", is_enabled)]);
        let idle = format!(
            "SELECT count(*)::text FROM pg_stat_activity WHERE usename = 'authenticator' \
             AND datname = '{}' AND query LIKE '{query}' AND state = 'idle' \
             AND clock_timestamp() - state_change > '1 s'",
            database.name
        );
        until("a session to be idle for a second", || {
            database.one(&idle) == "1"
        });
        assert_eq!(count(&server, "Schema cache queried"), 1);
        server.stop();
    }
}

#[test]
fn a_listener_whose_connection_has_gone_silent_finds_out() {
    let cluster = Cluster::shared();
    let database = cluster.database();
    let proxy = Proxy::start(cluster.socket());
    let uri = database.uri_at_port(proxy.port);
    let mut server = Server::spawn(&[("db-uri", &uri)]);
    server.await_listening();
    server.await_ready();
    proxy.freeze();
    let line = server
        .stderr
        .wait_for("Failed listening for database notifications");
    assert!(line.contains("connection to the server was lost"), "{line}");
    until("not ready", || server.try_admin("/ready") == Some(503));
    proxy.thaw();
    server.await_ready();
    server.stop();
}

#[test]
fn the_channel_can_be_changed_and_switched_off() {
    let database = Cluster::shared().database();
    let file = File::new("db-channel = \"one\"\n");
    let server = Server::start_with_file(&database, &file.0, &[]);
    server
        .stderr
        .wait_for("listening for database notifications on the \"one\" channel");
    file.write("db-channel = \"two\"\n");
    reload_config(&server, || server.signal(Signal::USR2));
    server
        .stderr
        .wait_for("listening for database notifications on the \"two\" channel");
    reload_config(&server, || database.run("NOTIFY two, 'reload config'"));
    file.write("db-channel-enabled = false\n");
    reload_config(&server, || server.signal(Signal::USR2));
    let listeners = format!(
        "SELECT count(*)::text FROM pg_stat_activity \
         WHERE datname = '{}' AND query LIKE 'LISTEN%'",
        database.name
    );
    until("the listener to be gone", || {
        database.one(&listeners) == "0"
    });
    server.await_ready();
    server.stop();
}

#[test]
fn reloads_under_load_fail_no_request() {
    let database = Cluster::shared().database();
    let server = Server::start(&database, &[("db-pool", "4")]);
    let (answered, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = server.client();
                while !over.load(Ordering::Relaxed) {
                    let answer = client.get("/plants?select=id&id=eq.1");
                    assert_eq!((answer.status, answer.text()), (200, r#"[{"id":1}]"#));
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for number in 0..20 {
            let loads = count(&server, "Schema cache loaded in");
            server.signal(Signal::USR1);
            if number % 3 == 0 {
                server.signal(Signal::USR2);
            }
            until("a load", || {
                count(&server, "Schema cache loaded in") > loads
            });
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(answered.into_inner() > 100);
    server.stop();
}

#[test]
fn statements_that_no_longer_fit_are_prepared_anew_without_a_failed_request() {
    let database = Cluster::shared().database();
    let create = |id_type: &str, id: &str| {
        database.run(&format!(
            "DROP TABLE IF EXISTS api.pets; CREATE TABLE api.pets (id {id_type}, name text); \
             INSERT INTO api.pets VALUES ({id}, 'Tom'); GRANT SELECT ON api.pets TO PUBLIC"
        ));
    };
    create("text", "7");
    let server = Server::start(&database, &[("db-pool", "1")]);
    let mut client = server.client();
    let target = "/pets?select=name&id=eq.7";
    assert_eq!(client.get(target).text(), r#"[{"name":"Tom"}]"#);
    // Nobody is told, and the same statement is asked for a number.
    create("bigint", "7");
    let answer = client.get("/pets?select=name&id=eq.7");
    assert_eq!(answer.text(), r#"[{"name":"Tom"}]"#);
    create("text", "7");
    assert_eq!(client.get(target).text(), r#"[{"name":"Tom"}]"#);
    server.stop();
}

#[test]
fn statements_that_somebody_has_discarded_are_prepared_anew() {
    let database = Cluster::shared().database();
    database.run(
        "CREATE FUNCTION private.discard() RETURNS void LANGUAGE plpgsql AS \
           $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$; \
         GRANT EXECUTE ON FUNCTION private.discard() TO anonymous",
    );
    let settings = [("db-pool", "1"), ("db-pre-request", "private.discard")];
    let server = Server::start(&database, &settings);
    let mut client = server.client();
    for _ in 0..5 {
        let answer = client.get("/plants?select=id&id=eq.1");
        assert_eq!((answer.status, answer.text()), (200, r#"[{"id":1}]"#));
    }
    server.stop();
}
