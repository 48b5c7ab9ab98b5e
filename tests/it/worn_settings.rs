//! Settings that stay in a session from one read to the next, so that they need not be made anew:
//! each request finds its own, whatever others on its connection want, fail at, or leave.

use crate::events::bearer;
use crate::logs::SECRET;
use crate::one_answer_each::Chance;
use corerest_tests::client::{Client, request};
use corerest_tests::cluster::{Cluster, Database, Stop};
use corerest_tests::server::Server;
use corerest_tests::waiting::until;

/// Of the values that a request can have, a client is shown its own. It is told by a policy, so
/// that what shows them is a read of a plain table.
const MIRRORS: &str = "
    CREATE TABLE api.mirrors (number int DEFAULT 1, kind text, value text);
    INSERT INTO api.mirrors (kind, value)
      SELECT kind, value FROM (VALUES
        ('tenant', ARRAY['a', 'b', 'c', 'leaked']), ('part', ARRAY['a', 'b', 'c']),
        ('crumb', ARRAY['a', 'b', 'c']), ('path', ARRAY['/mirrors', '/panes']),
        ('method', ARRAY['GET', 'POST', 'HEAD']), ('read_only', ARRAY['on', 'off']),
        ('role', ARRAY['anonymous', 'gardener', 'authenticator', 'postgres']),
        ('search_path', ARRAY['\"api\", \"public\"', '\"$user\", public'])
      ) AS kinds (kind, all_values), unnest(all_values) AS value;
    CREATE TABLE api.panes (LIKE api.mirrors);
    INSERT INTO api.panes SELECT * FROM api.mirrors;
    GRANT SELECT ON api.mirrors, api.panes TO anonymous, gardener;
    CREATE TABLE private.reflections (what json);
    GRANT INSERT ON private.reflections TO anonymous, gardener;
    CREATE FUNCTION api.reflect() RETURNS json LANGUAGE plpgsql AS $$
      DECLARE what json := json_build_object(
        'tenant', current_setting('request.jwt.claims')::json ->> 'tenant',
        'part', current_setting('request.headers')::json ->> 'x-part',
        'crumb', current_setting('request.cookies')::json ->> 'crumb',
        'path', current_setting('request.path'), 'method', current_setting('request.method'),
        'role', current_user, 'search_path', current_setting('search_path'),
        'read_only', current_setting('transaction_read_only'));
      BEGIN INSERT INTO private.reflections VALUES (what); RETURN what; END $$;
    CREATE FUNCTION api.leak() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
      PERFORM set_config('role', 'gardener', false),
              set_config('request.jwt.claims', '{\"tenant\":\"leaked\"}', false),
              set_config('request.headers', '{\"x-part\":\"leaked\"}', false),
              set_config('search_path', 'private', false);
      RETURN 'leaked'; END $$;";

fn make_mirrors(database: &Database) {
    database.run(MIRRORS);
    for table in ["mirrors", "panes"] {
        database.run(&format!(
            "ALTER TABLE api.{table} ENABLE ROW LEVEL SECURITY;
             CREATE POLICY own ON api.{table} USING (value = CASE kind
               WHEN 'tenant' THEN current_setting('request.jwt.claims')::json ->> 'tenant'
               WHEN 'part' THEN current_setting('request.headers')::json ->> 'x-part'
               WHEN 'crumb' THEN current_setting('request.cookies')::json ->> 'crumb'
               WHEN 'path' THEN current_setting('request.path')
               WHEN 'method' THEN current_setting('request.method')
               WHEN 'role' THEN current_user::text
               WHEN 'search_path' THEN current_setting('search_path')
               WHEN 'read_only' THEN current_setting('transaction_read_only') END)"
        ));
    }
}

/// Somebody who asks.
struct Caller {
    client: Client,
    tokens: Vec<String>,
}

/// Which of the values somebody has who asks.
#[derive(Clone, Copy)]
struct Own {
    role: usize,
    tenant: usize,
    part: usize,
    crumb: usize,
}

const ROLES: [&str; 2] = ["anonymous", "gardener"];
const VALUES: [&str; 3] = ["a", "b", "c"];

impl Own {
    fn by(chance: &mut Chance) -> Own {
        Own {
            role: chance.below(2),
            tenant: chance.below(3),
            part: chance.below(3),
            crumb: chance.below(3),
        }
    }
}

impl Caller {
    fn new(server: &Server) -> Caller {
        let all = ROLES
            .iter()
            .flat_map(|role| VALUES.map(|tenant| (role, tenant)));
        let token = |(role, tenant)| bearer(&format!(r#"{{"role":"{role}","tenant":"{tenant}"}}"#));
        Caller {
            client: server.client(),
            tokens: all.map(token).collect(),
        }
    }

    fn ask(&mut self, method: &str, target: &str, own: Own) -> (u16, String) {
        let token = self.tokens[own.role * VALUES.len() + own.tenant].clone();
        let crumb = format!("crumb={}", VALUES[own.crumb]);
        let headers = [
            ("Authorization", token.as_str()),
            ("X-Part", VALUES[own.part]),
            ("Cookie", crumb.as_str()),
            ("Content-Length", "0"),
        ];
        self.client.send(request(method, target, &headers));
        let answer = self.client.read(method);
        (answer.status, answer.text().to_owned())
    }

    #[track_caller]
    fn check_read(&mut self, path: &str, own: Own) {
        let target = format!("{path}?select=kind,value&order=kind");
        let (tenant, part, crumb) = (VALUES[own.tenant], VALUES[own.part], VALUES[own.crumb]);
        let rows = [
            ("crumb", crumb),
            ("method", "GET"),
            ("part", part),
            ("path", path),
            ("read_only", "on"),
            ("role", ROLES[own.role]),
            ("search_path", r#"\"api\", \"public\""#),
            ("tenant", tenant),
        ];
        let rows = rows.map(|(kind, value)| format!(r#"{{"kind":"{kind}","value":"{value}"}}"#));
        let expected = format!("[{}]", rows.join(", \n "));
        assert_eq!(self.ask("GET", &target, own), (200, expected));
    }

    /// A call that writes: it does not see what is worn.
    #[track_caller]
    fn check_call(&mut self, own: Own) {
        let (tenant, part, crumb) = (VALUES[own.tenant], VALUES[own.part], VALUES[own.crumb]);
        let role = ROLES[own.role];
        let expected = format!(
            "{{\"tenant\" : \"{tenant}\", \"part\" : \"{part}\", \"crumb\" : \"{crumb}\", \
             \"path\" : \"/rpc/reflect\", \"method\" : \"POST\", \"role\" : \"{role}\", \
             \"search_path\" : \"\\\"api\\\", \\\"public\\\"\", \"read_only\" : \"off\"}}"
        );
        assert_eq!(self.ask("POST", "/rpc/reflect", own), (200, expected));
    }

    /// What one after the other may ask: mostly the same, as clients do.
    #[track_caller]
    fn go_on(&mut self, chance: &mut Chance, own: &mut Own) {
        if chance.below(20) == 0 {
            *own = Own::by(chance);
        }
        match chance.below(60) {
            0 => self.check_call(*own),
            1 => assert_eq!(self.ask("POST", "/rpc/leak", *own).0, 200),
            2 | 3 => assert_eq!(self.ask("GET", "/mirrors?number=eq.no", *own).0, 400),
            4 => assert_eq!(self.ask("GET", "/nowhere", *own).0, 404),
            5..=9 => self.check_read("/panes", *own),
            10..=14 => {
                let part = chance.below(3);
                self.check_read("/mirrors", Own { part, ..*own });
            }
            _ => self.check_read("/mirrors", *own),
        }
    }
}

fn start(database: &Database, uri: &str, settings: &[(&str, &str)]) -> Server {
    let own = [("db-uri", uri), ("jwt-secret", SECRET)];
    Server::start(database, &[&own, settings].concat())
}

#[test]
fn each_finds_its_own_settings_one_after_the_other() {
    let database = Cluster::shared().database();
    make_mirrors(&database);
    let uris = [
        database.uri(),
        // What a superuser takes on is reported, too.
        database
            .uri()
            .replace("user=authenticator", "user=postgres"),
    ];
    for uri in uris {
        let server = start(&database, &uri, &[("db-pool", "1")]);
        let mut caller = Caller::new(&server);
        for seed in 1..=4 {
            let mut chance = Chance(seed);
            let mut own = Own::by(&mut chance);
            for _ in 0..300 {
                caller.go_on(&mut chance, &mut own);
            }
        }
        server.stop();
    }
}

#[test]
fn each_finds_its_own_settings_where_reads_go_together() {
    let database = Cluster::shared().database();
    make_mirrors(&database);
    let settings = [("db-pool", "2"), ("server-cores", "1")];
    let server = start(&database, &database.uri(), &settings);
    until("some to go together", || {
        std::thread::scope(|scope| {
            for number in 0..12 {
                let server = &server;
                scope.spawn(move || {
                    let mut caller = Caller::new(server);
                    let mut chance = Chance(number);
                    // Half of them are the same, so that there is something to be worn.
                    let mut own = Own::by(&mut Chance(number / 6));
                    for _ in 0..200 {
                        caller.go_on(&mut chance, &mut own);
                    }
                });
            }
        });
        server.metric("corerest_requests_together_total") > 100.0
    });
    server.stop();
}

/// How often a role was taken on.
fn times_dressed(log: &str) -> usize {
    let makes_role = |line: &&str| line.contains("execute ") && line.contains("set_config('role'");
    log.lines().filter(makes_role).count()
}

/// How often a role was taken on for 200 reads that differ in one of their settings.
fn times_dressed_in_reads(cluster: &Cluster, caller: &mut Caller, own: Own) -> usize {
    let before = times_dressed(&cluster.log());
    for number in 0..200 {
        let part = number % VALUES.len();
        caller.check_read("/mirrors", Own { part, ..own });
    }
    times_dressed(&cluster.log()) - before
}

#[test]
fn what_all_want_is_made_once_for_many() {
    let cluster = Cluster::start(&["log_statement = all"]);
    let database = cluster.database();
    make_mirrors(&database);
    let settings = [("db-pool", "1"), ("db-channel-enabled", "false")];
    let server = start(&database, &database.uri(), &settings);
    let mut caller = Caller::new(&server);
    let own = Own::by(&mut Chance(1));
    until("a role to be kept", || {
        times_dressed_in_reads(&cluster, &mut caller, own) < 100
    });
    // And whoever writes between them does so with his own.
    caller.check_call(own);
    caller.check_read("/panes", own);
    server.stop();
    for (reason, change) in [
        (
            "writes do not depend on what is the default",
            "ALTER ROLE authenticator SET default_transaction_read_only = on",
        ),
        (
            "another owner can put something in the place of what is believed to be there",
            "ALTER ROLE authenticator RESET default_transaction_read_only;
             ALTER TABLE api.plants OWNER TO gardener; ALTER TABLE api.fifteen OWNER TO anonymous",
        ),
    ] {
        database.run(change);
        let server = start(&database, &database.uri(), &settings);
        let mut caller = Caller::new(&server);
        let times = times_dressed_in_reads(&cluster, &mut caller, own);
        assert!(times >= 200, "{times}, although {reason}");
        server.stop();
    }
    cluster.stop(Stop::Fast);
}

#[test]
fn a_role_that_is_taken_from_the_login_role_is_not_worn_for_long() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    make_mirrors(&database);
    let server = start(&database, &database.uri(), &[("db-pool", "1")]);
    let mut caller = Caller::new(&server);
    let own = Own::by(&mut Chance(1));
    for _ in 0..100 {
        caller.check_read("/mirrors", own);
    }
    database.run(&format!("REVOKE {} FROM authenticator", ROLES[own.role]));
    until("the role to be refused", || {
        let (status, text) = caller.ask("GET", "/mirrors?select=kind,value&order=kind", own);
        assert!(
            status == 200 || text.contains("permission denied to set role"),
            "{text}"
        );
        status == 403
    });
    server.stop();
    cluster.stop(Stop::Fast);
}

/// The settings of a request are made with the rights of the login role.
#[test]
fn a_role_needs_no_right_to_make_settings() {
    let database = Cluster::shared().database();
    make_mirrors(&database);
    let function = "pg_catalog.set_config(text, text, boolean)";
    database.run(&format!(
        "REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC;
         GRANT EXECUTE ON FUNCTION {function} TO authenticator"
    ));
    let server = start(&database, &database.uri(), &[("db-pool", "1")]);
    let mut caller = Caller::new(&server);
    let own = Own::by(&mut Chance(1));
    for number in 0..200 {
        let part = number % VALUES.len();
        caller.check_read("/mirrors", Own { part, ..own });
    }
    caller.check_call(own);
    server.stop();
}

/// Settings of a role count where it is worn, and nowhere else.
#[test]
fn settings_of_roles_and_of_applications_come_and_go_with_them() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    make_mirrors(&database);
    database.run(
        "ALTER ROLE gardener SET statement_timeout = '1234s';
         ALTER ROLE gardener SET default_transaction_read_only = off;
         CREATE FUNCTION api.limits() RETURNS text LANGUAGE sql AS $$
           SELECT current_setting('statement_timeout') || ' ' ||
                  current_setting('app.settings.colour') || ' ' ||
                  current_setting('default_transaction_read_only') $$",
    );
    let colour = [("db-pool", "1"), ("app.settings.colour", "green")];
    let server = start(&database, &database.uri(), &colour);
    let mut caller = Caller::new(&server);
    for role in [1, 0, 1, 0] {
        let own = Own {
            role,
            ..Own::by(&mut Chance(1))
        };
        for _ in 0..60 {
            caller.check_read("/mirrors", own);
        }
        let other = Own {
            role: 1 - role,
            ..own
        };
        for own in [own, other] {
            let timeout = ["0", "1234s"][own.role];
            let expected = format!("\"{timeout} green off\"");
            assert_eq!(caller.ask("POST", "/rpc/limits", own), (200, expected));
        }
    }
    server.stop();
    cluster.stop(Stop::Fast);
}
