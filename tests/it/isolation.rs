//! Requests share connections to PostgreSQL, and nothing else: settings, statements and failures of
//! one are not seen by the next.

use corerest_tests::client::Client;
use corerest_tests::cluster::Cluster;
use corerest_tests::server::Server;

#[test]
fn settings_of_one_request_are_not_seen_by_another() {
    let settings = [
        ("db-pool", "2"),
        ("db-pre-request", "private.check_request"),
    ];
    let server = Server::start(&Cluster::shared().database(), &settings);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let server = &server;
            scope.spawn(move || {
                let mut client = server.client();
                for round in 0..40 {
                    check_own_settings(&mut client, &format!("{thread}-{round}"), round);
                }
            });
        }
    });
    server.stop();
}

/// Every third request says who it is, every fifth fails; the others must find nothing.
#[track_caller]
fn check_own_settings(client: &mut Client, name: &str, round: u32) {
    let target = "/request?select=mine:headers->>x-one,cookies,timezone";
    let (headers, expected) = match round % 3 {
        0 => (
            vec![
                ("X-One", name.to_owned()),
                ("Cookie", format!("a={name}")),
                ("Prefer", "timezone=Asia/Tokyo".to_owned()),
                ("X-Answer", name.to_owned()),
            ],
            format!(r#"[{{"mine":"{name}","cookies":{{"a":"{name}"}},"timezone":"Asia/Tokyo"}}]"#),
        ),
        _ => (
            vec![],
            r#"[{"mine":null,"cookies":{},"timezone":"UTC"}]"#.to_owned(),
        ),
    };
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let answer = client.exchange("GET", target, &headers);
    assert_eq!((answer.status, answer.text()), (200, &*expected));
    let answered = (round.is_multiple_of(3)).then_some(name);
    assert_eq!(answer.header("X-Answer"), answered);
    if round.is_multiple_of(5) {
        assert_eq!(client.get("/failures?name=eq.division").status, 400);
        assert_eq!(client.get("/sayings?name=eq.teapot").status, 418);
        assert_eq!(client.get("/nothing").status, 200);
    }
}

/// More shapes than a connection keeps statements, some of which fail when they are parsed, some
/// when they run.
#[test]
fn any_number_of_shapes_is_served_by_one_connection() {
    let server = Server::start(&Cluster::shared().database(), &[("db-pool", "1")]);
    let mut client = server.client();
    for round in 0..2 {
        for shape in 0..300 {
            let target = format!("/fifteen?select=c{shape}:id&id=eq.{}", round + 3);
            let expected = format!(r#"[{{"c{shape}":{}}}]"#, round + 3);
            assert_eq!(client.get(&target).text(), expected);
            let missing = client.get(&format!("/fifteen?select=nope{shape}"));
            assert_eq!(missing.status, 400, "{}", missing.text());
            let failing = client.get(&format!("/fifteen?select=c{shape}:id&id=eq.x"));
            assert_eq!(failing.status, 400, "{}", failing.text());
        }
    }
    assert!(server.is_silent_about("panicked"));
    server.stop();
}

#[test]
fn a_table_that_changes_is_served_as_it_is_now() {
    let database = Cluster::shared().database();
    let server = Server::start(&database, &[("db-pool", "1")]);
    let mut client = server.client();
    assert_eq!(client.get("/by_light?select=plants&limit=0").status, 200);
    assert_eq!(
        client.get("/fifteen?limit=1&order=id").text(),
        r#"[{"id":1}]"#
    );
    database.run("ALTER TABLE api.fifteen ADD COLUMN extra text DEFAULT 'new'");
    let answer = client.get("/fifteen?limit=1&order=id");
    assert_eq!(answer.text(), r#"[{"id":1,"extra":"new"}]"#);
    database.run("ALTER TABLE api.fifteen ALTER COLUMN id TYPE text");
    let answer = client.get("/fifteen?limit=1&order=id");
    assert_eq!(answer.text(), r#"[{"id":"1","extra":"new"}]"#);
    database.run("DROP TABLE api.fifteen");
    assert_eq!(client.get("/fifteen?limit=1&order=id").status, 404);
    database
        .run("CREATE TABLE api.fifteen AS SELECT 7 AS id; GRANT SELECT ON api.fifteen TO PUBLIC");
    assert_eq!(
        client.get("/fifteen?limit=1&order=id").text(),
        r#"[{"id":7}]"#
    );
    server.stop();
}

#[test]
fn what_postgresql_says_besides_the_answer_is_ignored() {
    let database = Cluster::shared().database();
    database.run(
        "CREATE FUNCTION private.chat() RETURNS int LANGUAGE plpgsql STABLE AS $$ BEGIN \
           RAISE NOTICE 'first'; RAISE WARNING 'second'; \
           PERFORM set_config('application_name', 'chatty', true); \
           PERFORM set_config('datestyle', 'German', true); RETURN 1; END $$; \
         CREATE VIEW api.chat AS SELECT n, private.chat() AS said FROM generate_series(1, 100) n; \
         GRANT SELECT ON api.chat TO anonymous; \
         GRANT EXECUTE ON FUNCTION private.chat() TO anonymous",
    );
    let server = Server::start(&database, &[("db-pool", "1")]);
    let mut client = server.client();
    for _ in 0..5 {
        assert_eq!(client.get("/chat?n=eq.5").text(), r#"[{"n":5,"said":1}]"#);
        assert_eq!(
            client.get("/plants?id=eq.2&select=planted").text(),
            r#"[{"planted":"1998-05-12"}]"#
        );
    }
    server.stop();
}

/// What the database thinks of transactions is for those that do not say what they are.
#[test]
fn writes_and_isolation_do_not_depend_on_the_defaults_of_the_database() {
    let database = Cluster::shared().database();
    database.run(
        "do $$ begin
           execute format('alter database %I set default_transaction_read_only = on',
                          current_database());
           execute format('alter database %I set default_transaction_isolation = serializable',
                          current_database());
         end $$;
         set default_transaction_read_only = off;
         create function api.plain_isolation() returns text language sql stable
           as $$ select current_setting('transaction_isolation') $$;
         create table api.scraps (id int);
         grant select, insert on api.scraps to anonymous;",
    );
    // The listener wants a session that may write, as PostgREST's does.
    let server = Server::start(&database, &[("db-channel-enabled", "false")]);
    let mut client = server.client();
    let answer = client.get("/rpc/plain_isolation");
    assert_eq!((answer.status, answer.text()), (200, r#""read committed""#));
    let body = r#"{"id":1}"#;
    client.send(format!(
        "POST /scraps HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert_eq!(client.read("POST").status, 201);
    assert_eq!(client.get("/scraps").text(), r#"[{"id":1}]"#);
    server.stop();
}
