//! Quick reads that are sent to PostgreSQL together, in one flight: each gets its own answer,
//! whatever becomes of the others.

use corerest_tests::client::{Client, request};
use corerest_tests::cluster::{Cluster, Database};
use corerest_tests::proxy::Proxy;
use corerest_tests::server::Server;
use corerest_tests::waiting::{until, until_some};

/// As many quick answers make a shape one that is known as quick, and more.
const QUICK: usize = 400;

fn plant(id: &str) -> String {
    format!("/plants?select=id&id=eq.{id}")
}

/// A server with one connection that knows the plants as quick.
fn start(database: &Database) -> Server {
    start_with(database, &[("db-pool", "1"), ("server-cores", "1")])
}

fn start_with(database: &Database, settings: &[(&str, &str)]) -> Server {
    let server = Server::start(database, settings);
    let mut client = server.client();
    for _ in 0..QUICK {
        assert_eq!(client.get(&plant("1")).status, 200);
    }
    server
}

/// Asks for plants while the only connection is in use.
fn ask_while_occupied(server: &Server, database: &Database, ids: &[&str]) -> (Vec<String>, f64) {
    let requests = ids.iter().map(|id| request("GET", &plant(id), &[]));
    send_while_occupied(server, database, &requests.collect::<Vec<_>>())
}

/// All connections of a server are in use.
struct Occupied<'s> {
    server: &'s Server,
    keeper: postgres::Client,
    occupiers: Vec<Client>,
}

impl<'s> Occupied<'s> {
    fn new(server: &'s Server, database: &Database) -> Occupied<'s> {
        Occupied::with_connections(1, server, database)
    }

    fn with_connections(
        connections: usize,
        server: &'s Server,
        database: &Database,
    ) -> Occupied<'s> {
        let mut keeper = database.connect();
        keeper
            .batch_execute("BEGIN; LOCK TABLE private.naps IN ACCESS EXCLUSIVE MODE")
            .expect("nobody has it");
        let mut occupiers: Vec<Client> = (0..connections).map(|_| server.client()).collect();
        for occupier in &mut occupiers {
            occupier.send(request("GET", "/naps?milliseconds=eq.0", &[]));
        }
        let waiting = "SELECT count(*)::text FROM pg_stat_activity
                        WHERE datname = current_database() AND wait_event_type = 'Lock'";
        until("the connections to be in use", || {
            database.one(waiting) == connections.to_string()
        });
        Occupied {
            server,
            keeper,
            occupiers,
        }
    }

    /// Has clients wait for it, in this order.
    fn queue(&self, requests: &[Vec<u8>]) -> Vec<Client> {
        let waiting = requests.iter().zip(1..).map(|(request, number)| {
            let mut client = self.server.client();
            client.send(request);
            let count = f64::from(number);
            self.server.await_metric("pgrst_db_pool_waiting", count);
            client
        });
        waiting.collect()
    }

    fn release(mut self) {
        self.keeper
            .batch_execute("ROLLBACK")
            .expect("PostgreSQL is there");
        for occupier in &mut self.occupiers {
            assert_eq!(occupier.read("GET").status, 200);
        }
    }
}

/// Sends them while the only connection is in use, so that all of them wait; says how many went
/// together.
fn send_while_occupied(
    server: &Server,
    database: &Database,
    requests: &[Vec<u8>],
) -> (Vec<String>, f64) {
    let before = server.metric("corerest_requests_together_total");
    let occupied = Occupied::new(server, database);
    let mut clients = occupied.queue(requests);
    occupied.release();
    let answers = clients.iter_mut().map(|client| {
        let answer = client.read("GET");
        client.expect_usable();
        let seed = answer.header("X-Seed").unwrap_or_default();
        format!("{} {}{seed}", answer.status, answer.text())
    });
    let answers = answers.collect();
    let after = server.metric("corerest_requests_together_total");
    (answers, after - before)
}

/// Asks until some have gone together, and checks what all got each time.
#[track_caller]
fn check(server: &Server, database: &Database, ids: &[&str], expected: &[&str]) {
    until("some to go together", || {
        let (answers, together) = ask_while_occupied(server, database, ids);
        assert_eq!(answers, expected);
        together > 1.0
    });
}

#[test]
fn those_who_wait_together_get_each_their_own_answer() {
    let database = Cluster::shared().database();
    let server = start(&database);
    let ids = ["1", "2", "999", "3", "1", "2", "3", "999", "2", "1"];
    let answers = ids.map(|id| match id {
        "999" => "200 []".to_owned(),
        id => format!(r#"200 [{{"id":{id}}}]"#),
    });
    check(
        &server,
        &database,
        &ids,
        &answers.each_ref().map(|it| it.as_str()),
    );
    server.stop();
}

#[test]
fn a_request_that_fails_concerns_nobody_else() {
    let database = Cluster::shared().database();
    let server = start(&database);
    let refused = "400 {\"code\":\"22P02\",\"details\":null,\"hint\":null,\
                   \"message\":\"invalid input syntax for type integer: \\\"no\\\"\"}";
    let ids = ["1", "no", "2", "no", "3"];
    let expected = [
        r#"200 [{"id":1}]"#,
        refused,
        r#"200 [{"id":2}]"#,
        refused,
        r#"200 [{"id":3}]"#,
    ];
    check(&server, &database, &ids, &expected);
    server.stop();
}

/// By itself, a value of this length would be sent from where it is.
#[test]
fn long_values_go_together_too() {
    let database = Cluster::shared().database();
    let settings = [
        ("db-pool", "1"),
        ("server-cores", "1"),
        ("server-max-header-bytes", "1048576"),
    ];
    let server = start_with(&database, &settings);
    let named = |id: u32, name: &str| format!("{id}&name=neq.{name}");
    let mut client = server.client();
    for _ in 0..QUICK {
        assert_eq!(client.get(&plant(&named(1, "nobody"))).status, 200);
    }
    let sessions = "SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity
                     WHERE usename = 'authenticator' AND datname = current_database()";
    let before = database.one(sessions);
    let long = "x".repeat(100_000);
    let ids = [named(1, &long), named(2, "nobody"), named(3, &long)];
    let expected = [1, 2, 3].map(|id| format!(r#"200 [{{"id":{id}}}]"#));
    let (ids, expected) = (ids.each_ref(), expected.each_ref());
    check(
        &server,
        &database,
        &ids.map(|id| id.as_str()),
        &expected.map(|it| it.as_str()),
    );
    assert_eq!(database.one(sessions), before);
    server.stop();
}

#[test]
fn a_table_that_changes_meanwhile_costs_nobody_an_answer() {
    let database = Cluster::shared().database();
    let server = start(&database);
    let ids = ["1", "2", "3", "1"];
    let expected = [1, 2, 3, 1].map(|id| format!(r#"200 [{{"id":{id}}}]"#));
    let expected = expected.each_ref().map(|it| it.as_str());
    check(&server, &database, &ids, &expected);
    // Statements are outdated by that, and nobody tells the server.
    database.run(
        "CREATE TABLE api.bulbs (LIKE api.plants INCLUDING ALL);
         INSERT INTO api.bulbs SELECT * FROM api.plants;
         ALTER TABLE api.plants RENAME TO old_plants;
         ALTER TABLE api.bulbs ALTER COLUMN id TYPE bigint;
         ALTER TABLE api.bulbs RENAME TO plants;
         GRANT SELECT ON api.plants TO PUBLIC",
    );
    let (answers, _) = ask_while_occupied(&server, &database, &ids);
    assert_eq!(answers, expected);
    check(&server, &database, &ids, &expected);
    server.stop();
}

#[test]
fn a_session_that_ends_costs_nobody_an_answer() {
    let database = Cluster::shared().database();
    let server = start(&database);
    let ids = ["1", "2", "3", "1"];
    let expected = [1, 2, 3, 1].map(|id| format!(r#"200 [{{"id":{id}}}]"#));
    let expected = expected.each_ref().map(|it| it.as_str());
    check(&server, &database, &ids, &expected);
    let mut session = database.connect();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE usename = 'authenticator' AND datname = current_database()
                  AND query LIKE '%plants%'";
    until_some("the session", || {
        let ended = session.query(end, &[]).expect("PostgreSQL is there");
        (!ended.is_empty()).then_some(())
    });
    let mut clients: Vec<Client> = ids.iter().map(|_| server.client()).collect();
    for (client, id) in clients.iter_mut().zip(ids) {
        client.send(request("GET", &plant(id), &[]));
    }
    for (client, expected) in clients.iter_mut().zip(expected) {
        let answer = client.read("GET");
        assert_eq!(format!("{} {}", answer.status, answer.text()), expected);
    }
    server.stop();
}

/// What is called in these tests, and a policy that calls a function.
const FUNCTIONS: &str = "
    CREATE FUNCTION api.sow(seed text) RETURNS text STABLE LANGUAGE plpgsql AS $$
      BEGIN
        IF seed = 'tomorrow' THEN
          PERFORM set_config('TimeZone', 'Asia/Tokyo', false);
        ELSIF seed = 'acorn' THEN
          PERFORM pg_sleep(3600);
        ELSIF seed = 'thistle' THEN
          LOOP
            BEGIN
              PERFORM pg_sleep(0.2);
              RAISE WARNING 'still here';
            EXCEPTION WHEN query_canceled THEN NULL;
            END;
          END LOOP;
        ELSIF seed = 'stone' THEN
          RAISE 'no seed' USING ERRCODE = 'PT422';
        ELSIF seed = 'tagged' THEN
          PERFORM set_config('response.headers', '[{\"X-Seed\": \"7\"}]', true);
        END IF;
        RETURN seed || ' ' || current_setting('TimeZone');
      END $$;
    CREATE FUNCTION private.forget(is_wanted boolean) RETURNS integer VOLATILE LANGUAGE plpgsql AS
      $$ BEGIN IF is_wanted THEN EXECUTE 'DEALLOCATE ALL'; END IF; RETURN 0; END $$;
    CREATE VIEW api.fields AS SELECT id, private.forget(id = 9) FROM generate_series(1, 9) AS id;
    GRANT SELECT ON api.fields TO PUBLIC;
    CREATE FUNCTION api.statements() RETURNS bigint STABLE LANGUAGE sql
      AS 'SELECT count(*) FROM pg_prepared_statements';
    CREATE FUNCTION api.session() RETURNS integer STABLE LANGUAGE sql AS 'SELECT pg_backend_pid()';
    CREATE FUNCTION api.plough() RETURNS integer VOLATILE LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION private.is_watched() RETURNS boolean STABLE LANGUAGE sql
      AS $$ SELECT current_setting('request.method') = 'GET' $$;
    GRANT USAGE ON SCHEMA private TO PUBLIC;
    CREATE TABLE api.plots (id integer PRIMARY KEY);
    INSERT INTO api.plots VALUES (1), (2), (3);
    ALTER TABLE api.plots ENABLE ROW LEVEL SECURITY;
    CREATE POLICY watched ON api.plots USING (private.is_watched());
    GRANT SELECT ON api.plots TO PUBLIC;
    ALTER DATABASE CURRENT SET timezone = 'UTC';";

fn with_functions() -> Database {
    let database = Cluster::shared().database();
    let name = database.one("SELECT quote_ident(current_database())");
    database.run(&FUNCTIONS.replace("CURRENT SET", &format!("{name} SET")));
    database
}

fn by_post(seed: &str) -> Vec<u8> {
    let body = format!(r#"{{"seed":"{seed}"}}"#);
    let length = body.len().to_string();
    let fields = [
        ("Content-Type", "application/json"),
        ("Content-Length", &length),
    ];
    let mut bytes = request("POST", "/rpc/sow", &fields);
    bytes.extend(body.bytes());
    bytes
}

fn by_get(seed: &str) -> Vec<u8> {
    request("GET", &format!("/rpc/sow?seed={seed}"), &[])
}

/// A server with one connection that knows this request as quick.
fn start_knowing(database: &Database, quick: &[u8], settings: &[(&str, &str)]) -> Server {
    let mut all = vec![("db-pool", "1"), ("server-cores", "1")];
    all.extend(settings);
    let server = Server::start(database, &all);
    let mut client = server.client();
    for _ in 0..QUICK {
        client.send(quick);
        assert_eq!(client.read("GET").status, 200);
    }
    server
}

#[track_caller]
fn check_calls(by: fn(&str) -> Vec<u8>, seeds: &[&str], expected: &[&str]) {
    let database = with_functions();
    let server = start_knowing(&database, &by("oak"), &[]);
    let requests: Vec<Vec<u8>> = seeds.iter().map(|seed| by(seed)).collect();
    until("some to go together", || {
        let (answers, together) = send_while_occupied(&server, &database, &requests);
        assert_eq!(answers, expected);
        // Whoever has failed made the function seem late.
        let mut client = server.client();
        for _ in 0..QUICK {
            client.send(by("oak"));
            assert_eq!(client.read("GET").status, 200);
        }
        together > 1.0
    });
    server.stop();
}

#[test]
fn calls_of_functions_that_change_nothing_go_together() {
    let seeds = ["oak", "tagged", "ash", "yew", "elm"];
    let expected = [
        r#"200 "oak UTC""#,
        r#"200 "tagged UTC"7"#,
        r#"200 "ash UTC""#,
        r#"200 "yew UTC""#,
        r#"200 "elm UTC""#,
    ];
    check_calls(by_get, &seeds, &expected);
    check_calls(by_post, &seeds, &expected);
}

#[test]
fn a_call_that_fails_concerns_nobody_else() {
    let expected = [
        r#"200 "oak UTC""#,
        r#"422 {"code":"PT422","details":null,"hint":null,"message":"no seed"}"#,
        r#"200 "ash UTC""#,
        r#"200 "yew UTC""#,
    ];
    check_calls(by_post, &["oak", "stone", "ash", "yew"], &expected);
}

#[test]
fn what_a_call_leaves_is_not_met_by_those_behind_it() {
    let expected = [
        r#"200 "oak UTC""#,
        r#"200 "tomorrow Asia/Tokyo""#,
        r#"200 "ash UTC""#,
        r#"200 "yew UTC""#,
        r#"200 "elm UTC""#,
    ];
    check_calls(by_get, &["oak", "tomorrow", "ash", "yew", "elm"], &expected);
}

/// Nor does it cost them the session.
#[test]
fn a_session_in_which_a_call_leaves_something_is_put_in_order() {
    let database = with_functions();
    let server = start_knowing(&database, &by_get("oak"), &[]);
    let session = || server.client().get("/rpc/session").text().to_owned();
    let before = session();
    let requests = ["oak", "tomorrow", "ash", "yew"].map(by_get);
    until("some to go together", || {
        let (_, together) = send_while_occupied(&server, &database, &requests);
        together > 1.0
    });
    assert_eq!(session(), before);
    // It would cost others their answers again and again.
    let (_, together) = send_while_occupied(&server, &database, &requests);
    assert_eq!(together, 0.0);
    server.stop();
}

/// The first one would hold up the others for an hour.
#[test]
fn who_takes_long_holds_up_nobody_and_is_cancelled_when_he_leaves() {
    let database = with_functions();
    let server = start_knowing(&database, &by_get("oak"), &[]);
    let occupied = Occupied::new(&server, &database);
    let mut clients = occupied.queue(&["acorn", "oak", "ash", "yew"].map(by_get));
    let sleeper = clients.remove(0);
    occupied.release();
    for (client, seed) in clients.iter_mut().zip(["oak", "ash", "yew"]) {
        assert_eq!(client.read("GET").text(), format!(r#""{seed} UTC""#));
    }
    until("it to sleep by itself", || database.one(SLEEPERS) == "1");
    sleeper.leave("it is not going to wait for an hour");
    server.await_metric("corerest_requests_cancelled_total", 1.0);
    assert_eq!(database.one(SLEEPERS), "0");
    server.stop();
}

/// It does not stop when it is asked to, and talks all the time. Nor does the end wait for it.
#[test]
fn who_does_not_stop_holds_up_nobody_for_ever() {
    let database = with_functions();
    let server = start_knowing(&database, &by_get("oak"), &[]);
    let occupied = Occupied::new(&server, &database);
    let mut clients = occupied.queue(&["thistle", "oak", "ash", "yew"].map(by_get));
    let stubborn = clients.remove(0);
    occupied.release();
    for (client, seed) in clients.iter_mut().zip(["oak", "ash", "yew"]) {
        assert_eq!(client.read("GET").text(), format!(r#""{seed} UTC""#));
    }
    stubborn.leave("it is not going to stop");
    server.stop();
    database.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND usename = 'authenticator'",
    );
}

/// One of them has asked for more already, which takes an hour. The others wait for nobody.
#[test]
fn who_has_asked_for_more_holds_up_nobody_who_has_an_answer() {
    let database = with_functions();
    let server = start_knowing(&database, &by_get("oak"), &[("db-pool", "2")]);
    let both = [by_get("oak"), by_get("acorn")].concat();
    let requests = [both, by_get("ash"), by_get("yew"), by_get("elm")];
    // At first, one of the connections does not know the statements yet.
    for _ in 0..5 {
        let occupied = Occupied::with_connections(2, &server, &database);
        let mut clients = occupied.queue(&requests);
        occupied.release();
        for (client, seed) in clients.iter_mut().zip(["oak", "ash", "yew", "elm"]) {
            assert_eq!(client.read("GET").text(), format!(r#""{seed} UTC""#));
        }
        until("one to sleep", || database.one(SLEEPERS) == "1");
        let sleeper = clients.remove(0);
        for (client, seed) in clients.iter_mut().zip(["ash", "yew", "elm"]) {
            client.send(by_get(seed));
            assert_eq!(client.read("GET").text(), format!(r#""{seed} UTC""#));
        }
        sleeper.leave("it is not going to wait for an hour");
        until("nobody to sleep", || {
            wake_sleepers(&database);
            database.one(SLEEPERS) == "0"
        });
    }
    server.stop();
}

/// How many sleep.
const SLEEPERS: &str = "SELECT count(*)::text FROM pg_stat_activity
                         WHERE datname = current_database() AND wait_event = 'PgSleep'";

/// Nobody else would, where nobody watches their clients.
fn wake_sleepers(database: &Database) {
    database.run(
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND wait_event = 'PgSleep'",
    );
}

/// Neither does one of several, nor whoever waits behind it, and whatever watches clients.
#[test]
fn those_who_take_long_hold_up_nobody_who_has_no_answer_yet() {
    for watches in ["true", "false"] {
        let database = with_functions();
        let settings = [("db-pool", "4"), ("server-cancel-on-disconnect", watches)];
        let server = start_knowing(&database, &by_get("oak"), &settings);
        for seeds in [
            ["acorn", "stone", "acorn", "yew"],
            ["stone", "acorn", "yew", "acorn"],
        ] {
            let mut clients: Vec<Client> = seeds.iter().map(|_| server.client()).collect();
            for (client, seed) in clients.iter_mut().zip(seeds) {
                client.send(by_get(seed));
            }
            for (mut client, seed) in clients.into_iter().zip(seeds) {
                match seed {
                    "acorn" => client.leave("nobody waits for an hour"),
                    "stone" => assert_eq!(client.read("GET").status, 422),
                    _ => assert_eq!(client.read("GET").status, 200),
                }
            }
            until("nobody to be at work", || {
                wake_sleepers(&database);
                let at_work = server.metric("corerest_db_connections_in_use{core=\"0\"}");
                at_work + server.metric("pgrst_db_pool_waiting") == 0.0
            });
        }
        server.stop();
    }
}

/// With one connection, all of these are in one flight or behind it.
#[test]
fn who_takes_long_is_cancelled_whether_clients_are_watched_or_not() {
    let database = with_functions();
    let settings = [("server-cancel-on-disconnect", "false")];
    let server = start_knowing(&database, &by_get("oak"), &settings);
    let occupied = Occupied::new(&server, &database);
    let mut clients = occupied.queue(&["oak", "acorn", "stone", "yew"].map(by_get));
    let sleeper = clients.remove(1);
    occupied.release();
    for (client, status) in clients.iter_mut().zip([200, 422, 200]) {
        assert_eq!(client.read("GET").status, status);
    }
    sleeper.leave("nobody waits for an hour");
    until("it to sleep by itself", || database.one(SLEEPERS) == "1");
    wake_sleepers(&database);
    server.stop();
}

/// Each statement of those behind it is missing then.
#[test]
fn statements_that_one_has_deallocated_are_prepared_again() {
    let database = with_functions();
    let field = |id: u32| request("GET", &format!("/fields?id=eq.{id}"), &[]);
    let server = start_knowing(&database, &field(1), &[]);
    let requests = [9, 1, 2, 3].map(field);
    until("some to go together", || {
        let (_, together) = send_while_occupied(&server, &database, &requests);
        together > 0.0
    });
    let mut client = server.client();
    for _ in 0..10 {
        client.send(field(1));
        assert_eq!(client.read("GET").status, 200);
    }
    assert_ne!(client.get("/rpc/statements").text(), "0");
    server.stop();
}

#[test]
fn reads_behind_a_policy_that_calls_a_function_go_together() {
    let database = with_functions();
    let plot = |id: u32| request("GET", &format!("/plots?id=eq.{id}"), &[]);
    let server = start_knowing(&database, &plot(1), &[]);
    let requests = [1, 2, 3, 4, 1].map(plot);
    let expected = [1, 2, 3, 4, 1].map(|id| match id {
        4 => "200 []".to_owned(),
        id => format!(r#"200 [{{"id":{id}}}]"#),
    });
    until("some to go together", || {
        let (answers, together) = send_while_occupied(&server, &database, &requests);
        assert_eq!(answers, expected);
        together > 1.0
    });
    server.stop();
}

/// They may do something each time, and only one of two is asked for.
#[test]
fn what_promises_nothing_goes_by_itself() {
    let database = with_functions();
    let call = request("GET", "/rpc/plough", &[]);
    let server = start_knowing(&database, &call, &[]);
    let requests = vec![call; 5];
    let (answers, together) = send_while_occupied(&server, &database, &requests);
    assert_eq!((answers, together), (vec!["200 1".to_owned(); 5], 0.0));
    server.stop();
    let settings = [("db-pre-request", "api.plough")];
    let server = start_knowing(&database, &by_get("oak"), &settings);
    let (answers, together) = send_while_occupied(&server, &database, &vec![by_get("oak"); 5]);
    let expected = vec![r#"200 "oak UTC""#.to_owned(); 5];
    assert_eq!((answers, together), (expected, 0.0));
    server.stop();
}

/// How far away PostgreSQL is: no answer comes as soon as a quick one does.
const WAY_MILLISECONDS: u64 = 60;

/// Connections, which are all in use most of the time.
const POOL: usize = 40;

/// By itself none of them is quick; it is known to be from those that were asked behind others, as
/// a trial.
#[test]
fn what_is_quick_goes_together_however_far_away_postgres_is() {
    let cluster = Cluster::shared();
    let database = cluster.database();
    let proxy = Proxy::start(cluster.socket());
    let uri = database.uri_at_port(proxy.port);
    let pool = POOL.to_string();
    let settings = [
        ("db-uri", uri.as_str()),
        ("db-pool", &pool),
        ("server-cores", "1"),
    ];
    let server = Server::start(&database, &settings);
    let mut clients: Vec<Client> = (0..3 * POOL).map(|_| server.client()).collect();
    proxy.delay_replies(WAY_MILLISECONDS);
    // Two of three have to wait.
    until("most of them to go together", || {
        let before = server.metric("corerest_requests_together_total");
        let ids = (1..=3).cycle();
        let asked = clients.iter_mut().zip(ids).map(|(client, id)| {
            client.send(request("GET", &plant(&id.to_string()), &[]));
            (client, id)
        });
        for (client, id) in asked.collect::<Vec<_>>() {
            assert_eq!(client.read("GET").text(), format!(r#"[{{"id":{id}}}]"#));
        }
        let after = server.metric("corerest_requests_together_total");
        after - before > 1.5 * POOL as f64
    });
    server.stop();
}
