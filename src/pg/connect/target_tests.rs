//! Tests of connection strings together with the environment.

use super::*;

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::new(variables.iter().copied())
        .with_user("osuser")
        .with_home("/home/me")
}

#[track_caller]
fn target(text: &str, variables: &[(&str, &str)]) -> Target {
    match Target::parse(text, &environment(variables)) {
        Ok(target) => target,
        Err(error) => panic!("{text}: {error}"),
    }
}

/// Compares the endpoints, written as `name place:port`.
#[track_caller]
fn check_hosts(text: &str, variables: &[(&str, &str)], expected: &[&str]) {
    let found: Vec<String> = target(text, variables)
        .endpoints
        .iter()
        .map(|endpoint| {
            let place = match &endpoint.place {
                Place::Name => "name".to_owned(),
                Place::Numeric(address) => address.to_string(),
                Place::Directory(directory) => directory.clone(),
            };
            format!("{} {place}:{}", endpoint.name, endpoint.port)
        })
        .collect();
    assert_eq!(found, expected, "{text}");
}

#[track_caller]
fn check_refused(text: &str, expected: &str) {
    let error = Target::parse(text, &environment(&[])).expect_err(text);
    assert_eq!(
        error,
        ConnectError::Parameters(expected.to_owned()),
        "{text}"
    );
}

#[test]
fn nothing_given_means_the_defaults_of_libpq() {
    let target = target("postgresql://", &[]);
    assert_eq!(target.user, "osuser");
    assert_eq!(target.database, "osuser");
    assert_eq!(target.password, None);
    assert_eq!(target.password_file, Some("/home/me/.pgpass".into()));
    assert_eq!(target.tls.mode, TlsMode::Prefer);
    assert_eq!(
        target.tls.root_file,
        Some("/home/me/.postgresql/root.crt".into())
    );
    assert_eq!(target.connect_timeout, None);
    assert_eq!(target.session_attributes, TargetSessionAttributes::Any);
    assert!(target.keepalive.enabled);
    check_hosts("", &[], &[" /var/run/postgresql:5432"]);
}

#[test]
fn the_database_is_the_user_if_it_is_not_given() {
    assert_eq!(target("user=me", &[]).database, "me");
    assert_eq!(target("user=me dbname=app", &[]).database, "app");
}

#[test]
fn a_user_is_needed() {
    let error = Target::parse("host=a", &Environment::default()).expect_err("no user");
    assert_eq!(error.message(), "no user name given\n");
}

#[test]
fn variables_fill_what_the_string_leaves_open() {
    let variables = [
        ("PGHOST", "one,two"),
        ("PGPORT", "6000"),
        ("PGUSER", "me"),
        ("PGDATABASE", "app"),
        ("PGPASSWORD", "s3cret"),
        ("PGPASSFILE", "/etc/pgpass"),
        ("PGSSLMODE", "verify-ca"),
        ("PGSSLROOTCERT", "/etc/ca.crt"),
        ("PGAPPNAME", "app name"),
        ("PGOPTIONS", "-c geqo=off"),
        ("PGTARGETSESSIONATTRS", "read-write"),
        ("PGCONNECT_TIMEOUT", "7"),
        ("PGCHANNELBINDING", "disable"),
        ("PGTZ", "Europe/Berlin"),
        ("PGDATESTYLE", "default"),
    ];
    let target = target("postgresql://", &variables);
    assert_eq!(target.user, "me");
    assert_eq!(target.database, "app");
    assert_eq!(target.password, Some(Password::new("s3cret".into())));
    assert_eq!(target.password_file, Some("/etc/pgpass".into()));
    assert_eq!(target.tls.mode, TlsMode::VerifyCa);
    assert_eq!(target.tls.root_file, Some("/etc/ca.crt".into()));
    assert_eq!(
        target.session_attributes,
        TargetSessionAttributes::ReadWrite
    );
    assert_eq!(target.connect_timeout, Some(Duration::from_secs(7)));
    assert_eq!(target.channel_binding, ChannelBindingMode::Disable);
    assert_eq!(
        target.startup_settings(),
        [
            ("client_encoding", "UTF8"),
            ("application_name", "app name"),
            ("options", "-c geqo=off"),
            ("timezone", "Europe/Berlin"),
        ]
    );
    check_hosts("", &variables, &["one name:6000", "two name:6000"]);
}

#[test]
fn the_string_overrides_variables_and_an_empty_value_hides_them() {
    let variables = [("PGUSER", "env"), ("PGHOST", "env"), ("PGPASSWORD", "env")];
    assert_eq!(target("user=me", &variables).user, "me");
    assert_eq!(target("password=''", &variables).password, None);
    check_hosts("host=''", &variables, &[" /var/run/postgresql:5432"]);
    // In a URI an empty host is a host not given.
    check_hosts("postgres:///app", &variables, &["env name:5432"]);
}

#[test]
fn hosts_are_names_addresses_or_directories() {
    check_hosts("host=db port=1", &[], &["db name:1"]);
    check_hosts("host=127.0.0.1", &[], &["127.0.0.1 127.0.0.1:5432"]);
    check_hosts("postgres://[::1]:1", &[], &["::1 ::1:1"]);
    check_hosts("host=/tmp", &[], &["/tmp /tmp:5432"]);
    check_hosts("host=@abstract", &[], &["@abstract @abstract:5432"]);
    check_hosts("postgres://%2Ftmp/app", &[], &["/tmp /tmp:5432"]);
    check_hosts("hostaddr=10.0.0.1", &[], &[" 10.0.0.1:5432"]);
    check_hosts("host=db hostaddr=10.0.0.1", &[], &["db 10.0.0.1:5432"]);
    check_hosts(
        "host=db,/tmp hostaddr=10.0.0.1,",
        &[],
        &["db 10.0.0.1:5432", "/tmp /tmp:5432"],
    );
}

#[test]
fn several_hosts_share_a_port_or_have_one_each() {
    check_hosts(
        "postgres://a:1,b,c:3",
        &[],
        &["a name:1", "b name:5432", "c name:3"],
    );
    check_hosts("host=a,b port=6000", &[], &["a name:6000", "b name:6000"]);
    check_refused(
        "host=a,b port=1,2,3",
        "could not match 3 port numbers to 2 hosts",
    );
    check_refused(
        "host=a,b hostaddr=10.0.0.1",
        "could not match 2 host names to 1 hostaddr values",
    );
    check_refused(
        "hostaddr=db",
        "could not parse network address \"db\": Name or service not known",
    );
}

#[test]
fn ports_are_numbers_from_1_to_65535() {
    for port in ["0", "65536", "99999999999999999999"] {
        let expected = format!("invalid port number: \"{port}\"");
        check_refused(&format!("port={port}"), &expected);
    }
    let text = "invalid port number (in a URI, write \"/\" in a password as %2F)";
    check_refused("postgres://me:s3c/ret@host/db", text);
    check_refused("port=-1", text);
}

#[test]
fn values_outside_of_their_set_are_refused_like_in_libpq() {
    check_refused("sslmode=on", "invalid sslmode value: \"on\"");
    check_refused(
        "target_session_attrs=rw",
        "invalid target_session_attrs value: \"rw\"",
    );
    check_refused(
        "channel_binding=yes",
        "invalid channel_binding value: \"yes\"",
    );
    check_refused(
        "require_auth=md5,!none",
        "invalid require_auth value: \"md5,!none\"",
    );
    check_refused(
        "load_balance_hosts=1",
        "invalid load_balance_hosts value: \"1\"",
    );
    check_refused(
        "connect_timeout=5s",
        "invalid integer value \"5s\" for connection option \"connect_timeout\"",
    );
    // More seconds than a clock can add would be a panic later.
    check_refused(
        "connect_timeout=9223372036854775807",
        "invalid integer value \"9223372036854775807\" for connection option \"connect_timeout\"",
    );
    check_refused(
        "keepalives=x",
        "invalid integer value \"x\" for connection option \"keepalives\"",
    );
}

#[test]
fn timeouts_follow_libpq() {
    let timeout = |text: &str| target(text, &[]).connect_timeout;
    assert_eq!(timeout("connect_timeout=0"), None);
    assert_eq!(timeout("connect_timeout=-3"), None);
    assert_eq!(timeout("connect_timeout=1"), Some(Duration::from_secs(2)));
    assert_eq!(timeout("connect_timeout=10"), Some(Duration::from_secs(10)));
}

#[test]
fn keepalives_are_read() {
    let text = "keepalives=1 keepalives_idle=10 keepalives_interval=0 keepalives_count=3 \
                tcp_user_timeout=500";
    let expected = Keepalive {
        enabled: true,
        idle: Some(Duration::from_secs(10)),
        interval: None,
        count: Some(3),
        user_timeout_ms: Some(500),
    };
    assert_eq!(target(text, &[]).keepalive, expected);
    assert!(!target("keepalives=0", &[]).keepalive.enabled);
}

#[test]
fn the_death_of_a_server_is_noticed_unless_that_is_switched_off() {
    let keepalive = target("", &[]).keepalive;
    assert!(keepalive.enabled);
    assert_eq!(keepalive.idle, Some(Duration::from_secs(15)));
    assert_eq!(keepalive.user_timeout_ms, Some(15_000));
    let off = "keepalives_idle=0 keepalives_interval=-1 keepalives_count=0 tcp_user_timeout=0";
    let system = Keepalive {
        enabled: true,
        idle: None,
        interval: None,
        count: None,
        user_timeout_ms: None,
    };
    assert_eq!(target(off, &[]).keepalive, system);
}

#[test]
fn the_fallback_name_is_used_if_there_is_no_other() {
    let name = |text: &str, variables: &[(&str, &str)]| {
        let target = target(text, variables).with_fallback_application_name("ours");
        let settings = target.startup_settings();
        let found = settings
            .iter()
            .find(|(name, _)| *name == "application_name");
        found.map(|(_, value)| (*value).to_owned())
    };
    assert_eq!(name("", &[]).as_deref(), Some("ours"));
    assert_eq!(
        name("application_name=theirs", &[]).as_deref(),
        Some("theirs")
    );
    assert_eq!(
        name("", &[("PGAPPNAME", "theirs")]).as_deref(),
        Some("theirs")
    );
}

#[test]
fn roots_of_the_system_imply_full_verification() {
    let target = target("sslrootcert=system", &[]);
    assert!(target.tls.roots_from_system);
    assert_eq!(target.tls.mode, TlsMode::VerifyFull);
    check_refused(
        "sslrootcert=system sslmode=require",
        "weak sslmode may not be used with sslrootcert=system (use \"verify-full\")",
    );
}

#[test]
fn combinations_of_tls_settings_that_cannot_work_are_refused() {
    for text in [
        "sslnegotiation=direct",
        "ssl_max_protocol_version=TLSv1.1",
        "ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2",
    ] {
        assert!(Target::parse(text, &environment(&[])).is_err(), "{text}");
    }
    target("sslnegotiation=direct sslmode=require", &[]);
    target("ssl_min_protocol_version=TLSv1", &[]);
}

#[test]
fn keywords_of_libpq_that_we_cannot_honour_are_refused_and_harmless_ones_accepted() {
    check_refused("sslcrl=/x", "connection option \"sslcrl\" is not supported");
    check_refused(
        "service=main",
        "connection option \"service\" is not supported",
    );
    check_refused(
        "gssencmode=require",
        "connection option \"gssencmode\" is not supported",
    );
    check_refused(
        "replication=database",
        "connection option \"replication\" is not supported",
    );
    let with_variable = Target::parse("", &environment(&[("PGREQUIREPEER", "postgres")]));
    assert!(with_variable.is_err());
    target(
        "gssencmode=disable sslcrl='' krbsrvname=x sslcompression=1 replication=off",
        &[],
    );
    target("client_encoding=LATIN1", &[]);
}

#[test]
fn a_zero_byte_is_refused() {
    let error = Target::parse("user=a\0b", &environment(&[])).expect_err("a zero byte");
    assert_eq!(
        error.message(),
        "a connection parameter contains a zero byte\n"
    );
}

#[test]
fn printing_a_target_does_not_show_the_password() {
    for text in ["postgres://me:s3cret@host/db", "password=s3cret"] {
        let printed = format!("{:?}", target(text, &[]));
        assert!(
            printed.contains("REDACTED") && !printed.contains("s3cret"),
            "{printed}"
        );
    }
}

#[test]
fn required_binding_leaves_only_scram() {
    let scram: AuthMethods = "scram-sha-256".parse().expect("a method");
    let methods = target("channel_binding=require", &[]).auth_methods;
    assert_ne!(methods, AuthMethods::default());
    assert_eq!(methods.clone().only_scram(), methods);
    assert_eq!(scram.clone().only_scram(), scram);
}

#[test]
fn the_session_demand_can_be_replaced() {
    let target = target("target_session_attrs=any", &[])
        .with_session_attributes(TargetSessionAttributes::ReadWrite);
    assert_eq!(
        target.session_attributes,
        TargetSessionAttributes::ReadWrite
    );
}
