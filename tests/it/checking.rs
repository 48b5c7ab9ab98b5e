//! `corerest --check`: what it says of what exposes more than is meant, and how it ends.

use corerest_tests::cluster::Cluster;
use corerest_tests::server::command;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Output};

/// The schema `shop` is served to `anonymous` of the database where this was run.
fn checked(sql: &str, settings: &[(&str, &str)]) -> Output {
    let database = Cluster::shared().database();
    database.run(sql);
    let uri = database.uri();
    let environment = [
        ("PGRST_DB_URI", uri.as_str()),
        ("PGRST_DB_SCHEMAS", "shop"),
        ("PGRST_DB_ANON_ROLE", "anonymous"),
        ("PGRST_ADMIN_SERVER_PORT", "1"),
    ];
    let mut command = command();
    command.arg("--check").envs(environment);
    command.envs(settings.iter().copied());
    command.output().expect("the server can be started")
}

#[track_caller]
fn check(sql: &str, settings: &[(&str, &str)], status: i32, expected: &[&str]) -> String {
    let output = checked(sql, settings);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    for part in expected {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    text
}

/// One that follows, one that is the primary itself, one of another cluster, and one that is away.
#[test]
fn each_replica_is_looked_at() {
    let primary = Cluster::start(&[]);
    let database = primary.database();
    database.run("create schema shop; grant usage on schema shop to anonymous");
    let standby = primary.start_standby();
    let uri_at = |folder: &str| {
        format!(
            "postgresql://authenticator@/{}?host={folder}",
            database.name
        )
    };
    let foreign = format!(
        "postgresql://authenticator@/postgres?host={}",
        Cluster::shared().socket_folder()
    );
    let own = database.uri();
    let look = |replicas: &[&str], status: i32| {
        let replicas = replicas.join(" ");
        let settings = [
            ("PGRST_DB_URI", &*own),
            ("PGRST_DB_URI_READ_REPLICAS", &*replicas),
        ];
        check("", &settings, status, &[])
    };
    let follows = uri_at(standby.socket_folder());
    let text = look(&[&follows], 0);
    assert!(!text.contains("db-uri-read-replicas"), "{text}");
    let itself = uri_at(primary.socket_folder());
    let text = look(&[&follows, &itself], 0);
    assert!(
        text.contains("is no standby: what it reads, the primary does."),
        "{text}"
    );
    let nowhere = uri_at("/nowhere");
    let text = look(&[&foreign, &nowhere], 1);
    assert!(
        text.contains("is a part of another cluster, and is asked for nothing."),
        "{text}"
    );
    assert!(text.contains("/nowhere:5432 cannot be asked: "), "{text}");
}

/// Whoever owns the table is a role that the policies hold for only if they are forced. The first
/// role is the one that the tests load the fixture as, a superuser.
#[test]
fn views_that_row_level_security_does_not_hold_behind_are_named() {
    let sql = "
        create role keeper nologin; create role reader nologin; grant reader to anonymous;
        create schema shop; grant usage on schema shop to anonymous, keeper;
        grant create on schema shop to keeper;
        create table shop.safe (id int primary key);
        alter table shop.safe enable row level security;
        create table shop.forced (id int primary key); alter table shop.forced owner to keeper;
        alter table shop.forced enable row level security;
        alter table shop.forced force row level security;
        create table shop.kept (id int primary key); alter table shop.kept owner to keeper;
        alter table shop.kept enable row level security;
        create table shop.open (id int primary key);
        grant select on shop.safe to keeper;
        create view shop.a_superusers as select * from shop.safe;
        create view shop.b_nested as select * from shop.a_superusers;
        create view shop.c_owners as select * from shop.kept;
        create view shop.d_of_columns as select * from shop.safe;
        create view shop.e_of_keeper as select * from shop.safe;
        create view shop.f_forced as select * from shop.forced;
        create view shop.g_open as select * from shop.open;
        create view shop.h_for_nobody as select * from shop.safe;
        create view shop.i_invoker with (security_invoker = on) as select * from shop.safe;
        create view shop.j_behind with (security_invoker) as select * from shop.a_superusers;
        alter view shop.c_owners owner to keeper; alter view shop.e_of_keeper owner to keeper;
        alter view shop.f_forced owner to keeper;
        grant select on all tables in schema shop to anonymous;
        revoke select on shop.h_for_nobody, shop.d_of_columns from anonymous;
        grant select (id) on shop.d_of_columns to anonymous;";
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    let version = database.one("select current_setting('server_version_num')");
    // There is no security_invoker before.
    if version
        .parse::<u32>()
        .is_ok_and(|version| version < 150_000)
    {
        return;
    }
    database.run(sql);
    let mut command = command();
    command.arg("--check").envs([
        ("PGRST_DB_URI", database.uri().as_str()),
        ("PGRST_DB_SCHEMAS", "shop"),
        ("PGRST_DB_ANON_ROLE", "anonymous"),
    ]);
    let output = command.output().expect("the server can be started");
    let text = String::from_utf8_lossy(&output.stdout);
    let expected = "exempt from it: a_superusers, b_nested, c_owners, d_of_columns, j_behind.";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn rights_on_columns_are_rights() {
    let sql = "create schema shop; grant usage on schema shop to anonymous;
        create table shop.wide (id int primary key, name text);
        grant insert (name) on shop.wide to anonymous;";
    let text = check(sql, &[], 0, &["row-level security is off: wide"]);
    assert!(!text.contains("has no right"), "{text}");
}

/// A cluster of its own, for roles belong to all databases.
#[test]
fn a_login_role_that_inherits_is_told_of() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    let said = || {
        let mut command = command();
        command.arg("--check").envs([
            ("PGRST_DB_URI", database.uri().as_str()),
            ("PGRST_DB_SCHEMAS", "api"),
            ("PGRST_DB_ANON_ROLE", "anonymous"),
        ]);
        let output = command.output().expect("the server can be started");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let text = said();
    assert!(!text.contains("inherits"), "{text}");
    database.run(
        "alter role authenticator inherit;
         do $$ begin if current_setting('server_version_num')::int >= 160000 then
           execute 'grant gardener to authenticator with inherit true';
         end if; end $$",
    );
    let text = said();
    assert!(text.contains("without becoming them: "), "{text}");
    assert!(text.contains("gardener"), "{text}");
    // What PostgreSQL grants to a role of its own is for another purpose.
    database.run("grant pg_monitor to authenticator");
    let text = said();
    assert!(!text.contains("pg_monitor"), "{text}");
}

#[test]
fn functions_that_keys_name_must_be_one_that_can_be_called() {
    let sql = "create schema shop; create schema later;
        grant usage on schema shop, later to anonymous, gardener;
        create function shop.twice() returns void language sql as '';
        create function shop.twice(a int default 1) returns void language sql as '';
        create function shop.hidden() returns void language sql as '';
        create function later.hidden(a int default 1) returns void language sql as '';
        create function shop.fires() returns trigger language plpgsql as 'begin return new; end';";
    let path = ("PGRST_DB_EXTRA_SEARCH_PATH", "later");
    for (name, status, expected) in [
        (
            "twice",
            1,
            "Several functions twice can be called without arguments",
        ),
        (
            "shop.twice",
            1,
            "Several functions shop.twice can be called",
        ),
        (
            "fires",
            1,
            "fires is a function for triggers, and cannot be called.",
        ),
        // The first schema of the path has it.
        ("hidden", 0, ""),
    ] {
        let text = check(
            sql,
            &[path, ("PGRST_DB_PRE_REQUEST", name)],
            status,
            &[expected],
        );
        let is_told = text.contains("db-pre-request");
        assert_eq!(is_told, status == 1, "{name}: {text}");
    }
}

#[test]
fn what_is_wrong_in_the_database_is_not_said_of_the_connection() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    database.run("alter role authenticator set pgrst.jwt_secret = 'short'");
    let mut command = command();
    command.arg("--check").envs([
        ("PGRST_DB_URI", database.uri().as_str()),
        ("PGRST_DB_SCHEMAS", "api"),
    ]);
    let output = command.output().expect("the server can be started");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let expected = "error: configuration: The settings in the database are wrong: ";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("at least 32 characters"), "{text}");
    assert!(!text.contains("db-uri"), "{text}");
}

#[test]
fn a_report_that_cannot_be_written_is_a_failure_that_says_so() {
    let full = File::options().write(true).open("/dev/full");
    let mut command = command();
    command
        .arg("--check")
        .env("PGRST_DB_URI", "postgresql:///?host=/no/where");
    command.stdout(full.expect("the system has it"));
    let output = command.output().expect("the server can be started");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        text.contains("Cannot write to the standard output"),
        "{text}"
    );
}

/// Rust opens `/dev/null` in its place, where everything can be written and nothing is read.
#[test]
fn a_standard_output_that_is_closed_is_not_one_that_is_not_read() {
    let server = command().get_program().to_owned();
    for (arguments, closed, unread) in [
        ("--check", Some(2), Some(1)),
        ("--dump-config", Some(1), Some(0)),
    ] {
        for (redirection, status) in [(">&-", closed), (">/dev/null", unread)] {
            let mut shell = Command::new("sh");
            shell.env("PGRST_DB_URI", "postgresql:///?host=/no/where");
            shell.args(["-c", &format!("\"$0\" {arguments} {redirection}")]);
            let output = shell.arg(&server).output().expect("there is a shell");
            let text = String::from_utf8_lossy(&output.stderr);
            assert_eq!(
                output.status.code(),
                status,
                "{arguments} {redirection}: {text}"
            );
            let is_told = text.contains("Cannot write to the standard output: it is closed.");
            assert_eq!(
                is_told,
                redirection == ">&-",
                "{arguments} {redirection}: {text}"
            );
        }
    }
}

#[test]
fn a_variable_that_is_not_utf_8_is_named_and_not_ignored() {
    for (arguments, shows_it) in [(&["--check"][..], true), (&["--dump-config"][..], false)] {
        let mut command = command();
        command.args(arguments);
        command.env("PGRST_DB_ANON_ROLE", OsStr::from_bytes(b"caf\xe9"));
        command.env("OTHERS", OsStr::from_bytes(b"caf\xe9"));
        let output = command.output().expect("the server can be started");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let told = match shows_it {
            true => &output.stdout,
            false => &output.stderr,
        };
        let told = String::from_utf8_lossy(told);
        let expected = "The environment variable PGRST_DB_ANON_ROLE is not UTF-8";
        assert!(told.contains(expected), "{told}");
    }
}
