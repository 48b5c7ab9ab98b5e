//! What a request leaves in the session of its connection, and what of that the next request, of
//! another client with another role, finds there: nothing that PostgreSQL reports, and nothing of
//! the rest with `db-session-reset`.

use crate::logs::SECRET;
use corerest_tests::client::{Answer, Client, request};
use corerest_tests::cluster::{Cluster, Database};
use corerest_tests::server::Server;

/// `{"role":"gardener"}`, signed with the secret.
const GARDENER: &str = "Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyb2xlIjoiZ2FyZGVuZXIifQ\
     .28Xidr4qr9O7_rAaaxiNLGxoxA6tmjj68pXSfQZM2-o";

/// Something that a function can leave.
struct Trace {
    name: &'static str,
    /// Leaves it.
    leaves: &'static str,
    /// An expression that shows it.
    shows: &'static str,
    /// Whether the next request finds it if nothing is put in order.
    stays: bool,
}

const fn reported(name: &'static str, leaves: &'static str, shows: &'static str) -> Trace {
    let stays = false;
    Trace {
        name,
        leaves,
        shows,
        stays,
    }
}

const fn unreported(name: &'static str, leaves: &'static str, shows: &'static str) -> Trace {
    let stays = true;
    Trace {
        name,
        leaves,
        shows,
        stays,
    }
}

/// What PostgreSQL reports, or what each request sets for itself.
const NEVER_SEEN: &[Trace] = &[
    reported(
        "client_encoding",
        "set client_encoding = 'LATIN1'",
        "current_setting('client_encoding')",
    ),
    reported(
        "time_zone",
        "set time zone 'Asia/Tokyo'",
        "current_setting('timezone')",
    ),
    reported(
        "date_style",
        "set datestyle = 'German'",
        "date '2020-02-03'",
    ),
    reported(
        "interval_style",
        "set intervalstyle = 'iso_8601'",
        "interval '1 day'",
    ),
    reported(
        "strings",
        "set standard_conforming_strings = off",
        "current_setting('standard_conforming_strings')",
    ),
    reported(
        "application_name",
        "set application_name = 'mine'",
        "current_setting('application_name')",
    ),
    reported(
        "read_only",
        "set default_transaction_read_only = on",
        "current_setting('default_transaction_read_only')",
    ),
    reported(
        "claims",
        r#"perform set_config('request.jwt.claims', '{"role":"mine"}', false)"#,
        "current_setting('request.jwt.claims')",
    ),
    reported(
        "search_path",
        "set search_path = 'mine'",
        "current_setting('search_path')",
    ),
    reported("role", "set role gardener", "current_user"),
    reported(
        "all_statements",
        "deallocate all",
        "(select count(*) from pg_prepared_statements where from_sql)",
    ),
];

/// What only `db-session-reset` removes.
const SEEN: &[Trace] = &[
    unreported(
        "custom_setting",
        "perform set_config('request.jwt.claim.sub', 'mine', false)",
        "coalesce(current_setting('request.jwt.claim.sub', true), '')",
    ),
    unreported(
        "statement_timeout",
        "set statement_timeout = '1h'",
        "current_setting('statement_timeout')",
    ),
    unreported(
        "row_security",
        "set row_security = off",
        "current_setting('row_security')",
    ),
    unreported(
        "temporary_table",
        "create temporary table mine (); grant select on mine to public",
        "to_regclass('mine')",
    ),
    unreported(
        "shadow",
        "create temporary table plants as select 7 as id; grant select on plants to public",
        "(select count(*) from plants)",
    ),
    unreported(
        "advisory_lock",
        "perform pg_advisory_lock(42)",
        "(select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid())",
    ),
    unreported(
        "listen",
        "listen gossip",
        "(select count(*) from pg_listening_channels())",
    ),
    unreported(
        "cursor",
        "execute 'declare mine cursor with hold for select 1'",
        "(select count(*) from pg_cursors where is_holdable)",
    ),
    unreported(
        "statement",
        "prepare mine as select 1",
        "(select count(*) from pg_prepared_statements where from_sql)",
    ),
    unreported(
        "sequence",
        "perform nextval('private.counter')",
        "private.last_number()",
    ),
];

/// What needs more than the rights of a usual login role.
const OF_SUPERUSERS: &[Trace] = &[
    reported(
        "session_authorization",
        "set session authorization gardener",
        "session_user",
    ),
    unreported(
        "replication_role",
        "perform private.stop_triggers()",
        "current_setting('session_replication_role')",
    ),
];

const PRIVATE_FUNCTIONS: &str = "
    create function private.last_number() returns bigint language plpgsql as $$
      begin return lastval(); exception when object_not_in_prerequisite_state then return null; end
    $$;
    create function private.stop_triggers() returns void language plpgsql security definer as $$
      begin perform set_config('session_replication_role', 'replica', false); end
    $$;
    create function api.leave_for_a_new_connection() returns text language plpgsql as $$
      begin set time zone 'Asia/Kabul'; prepare for_good as select 1; return 'left'; end
    $$;
    grant usage, select on sequence private.counter to anonymous, gardener;";

fn database_with(traces: &[&[Trace]]) -> Database {
    let database = Cluster::shared().database();
    database.run(PRIVATE_FUNCTIONS);
    for trace in traces.concat_all() {
        let Trace {
            name,
            leaves,
            shows,
            ..
        } = trace;
        database.run(&format!(
            "create function api.leave_{name}() returns text language plpgsql as $$ \
               begin {leaves}; return 'left'; end $$; \
             create function api.show_{name}() returns text language plpgsql as $$ \
               begin return ({shows})::text; end $$"
        ));
    }
    database
}

trait ConcatAll {
    fn concat_all(&self) -> Vec<&Trace>;
}

impl ConcatAll for [&[Trace]] {
    fn concat_all(&self) -> Vec<&Trace> {
        self.iter().flat_map(|part| part.iter()).collect()
    }
}

fn start(database: &Database, uri: &str, reset: &str) -> Server {
    let settings = [
        ("db-uri", uri),
        ("db-pool", "1"),
        ("jwt-secret", SECRET),
        ("db-session-reset", reset),
        ("db-aggregates-enabled", "true"),
        ("db-plan-enabled", "true"),
    ];
    Server::start(database, &settings)
}

#[track_caller]
fn post(client: &mut Client, target: &str, headers: &[(&str, &str)]) -> Answer {
    let headers = [headers, &[("Content-Length", "0")]].concat();
    client.send(request("POST", target, &headers));
    client.read("POST")
}

#[track_caller]
fn shown(gardener: &mut Client, name: &str) -> String {
    let headers = [("Authorization", GARDENER)];
    let answer = post(gardener, &format!("/rpc/show_{name}"), &headers);
    assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    answer.text().to_owned()
}

#[track_caller]
fn leave(anonymous: &mut Client, name: &str, headers: &[(&str, &str)]) {
    let answer = post(anonymous, &format!("/rpc/leave_{name}"), headers);
    assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    assert_eq!(answer.text(), r#""left""#, "{name}");
}

/// Two tenants on one connection, and another one for the next trace: a statement of SQL's is what
/// a reset cannot put in order.
fn check_traces(database: &Database, uri: &str, reset: &str, traces: &[&[Trace]]) {
    let server = start(database, uri, reset);
    let (mut anonymous, mut gardener) = (server.client(), server.client());
    for trace in traces.concat_all() {
        let clean = shown(&mut gardener, trace.name);
        leave(&mut anonymous, trace.name, &[]);
        let found = shown(&mut gardener, trace.name);
        let is_found = found != clean;
        let expected = trace.stays && reset == "none";
        assert_eq!(is_found, expected, "{}, {reset}: {found}", trace.name);
        // And the connection, or its successor, is of use.
        let answer = gardener.get("/fifteen?id=eq.3");
        assert_eq!((answer.status, answer.text()), (200, r#"[{"id":3}]"#));
        leave(&mut anonymous, "for_a_new_connection", &[]);
    }
    server.stop();
}

#[test]
fn what_postgresql_reports_is_never_left_and_the_rest_as_postgrest_leaves_it() {
    let traces = [NEVER_SEEN, SEEN];
    let database = database_with(&traces);
    check_traces(&database, &database.uri(), "none", &traces);
}

#[test]
fn nothing_is_left_after_a_call() {
    let traces = [NEVER_SEEN, SEEN];
    let database = database_with(&traces);
    check_traces(&database, &database.uri(), "touched", &traces);
}

#[test]
fn nothing_is_left_after_any_request() {
    let traces = [NEVER_SEEN, SEEN];
    let database = database_with(&traces);
    check_traces(&database, &database.uri(), "always", &traces);
}

#[test]
fn nothing_is_left_to_a_login_role_that_may_do_everything() {
    let traces = [OF_SUPERUSERS];
    let database = database_with(&traces);
    let uri = database
        .uri()
        .replace("user=authenticator", "user=postgres");
    for reset in ["none", "touched", "always"] {
        check_traces(&database, &uri, reset, &traces);
    }
}

/// A transaction that is rolled back still leaves locks and prepared statements.
#[test]
fn a_failure_leaves_nothing_either() {
    let database = database_with(&[SEEN]);
    database.run(
        "create function api.leave_and_fail() returns void language plpgsql as $$ begin
           perform pg_advisory_lock(42); perform 1 / 0; end $$",
    );
    let server = start(&database, &database.uri(), "touched");
    let (mut anonymous, mut gardener) = (server.client(), server.client());
    for headers in [&[][..], &[("Prefer", "tx=rollback")]] {
        assert_eq!(
            post(&mut anonymous, "/rpc/leave_and_fail", headers).status,
            400
        );
        assert_eq!(shown(&mut gardener, "advisory_lock"), r#""0""#);
    }
    server.stop();
}

/// What is changed for a transaction only, or put back, costs no connection; and as long as the
/// session can be put in order, neither does what stays.
#[test]
fn a_connection_is_kept_as_long_as_it_can_be() {
    let database = database_with(&[NEVER_SEEN, SEEN]);
    database.run(
        "create function api.backend() returns int language sql as 'select pg_backend_pid()';
         create function api.leave_local() returns text language plpgsql as $$ begin
           set local client_encoding = 'LATIN1'; set local time zone 'Asia/Tokyo';
           set datestyle = 'German'; reset datestyle; return 'left'; end $$",
    );
    let server = start(&database, &database.uri(), "none");
    let mut client = server.client();
    let first = client.get("/rpc/backend").text().to_owned();
    leave(&mut client, "local", &[("Prefer", "timezone=Asia/Kolkata")]);
    leave(&mut client, "custom_setting", &[]);
    assert_eq!(client.get("/rpc/backend").text(), first);
    for trace in NEVER_SEEN {
        if trace.name != "all_statements" {
            leave(&mut client, trace.name, &[]);
            assert_eq!(client.get("/rpc/backend").text(), first, "{}", trace.name);
        }
    }
    server.stop();
    let server = start(&database, &database.uri(), "touched");
    let mut client = server.client();
    let first = client.get("/rpc/backend").text().to_owned();
    for trace in [NEVER_SEEN, SEEN].concat_all() {
        if !["statement", "all_statements"].contains(&trace.name) {
            leave(&mut client, trace.name, &[]);
            assert_eq!(client.get("/rpc/backend").text(), first, "{}", trace.name);
        }
    }
    leave(&mut client, "statement", &[]);
    assert_ne!(client.get("/rpc/backend").text(), first);
    server.stop();
}

/// Writes and reads after `client_encoding` was changed, which were stored and sent as mojibake.
#[test]
fn letters_stay_what_they_are() {
    let database = database_with(&[NEVER_SEEN]);
    database.run(
        "create table api.words (id int, word text); \
         grant select, insert on api.words to anonymous; \
         insert into api.words values (1, 'é花')",
    );
    let server = start(&database, &database.uri(), "none");
    let mut client = server.client();
    leave(&mut client, "client_encoding", &[]);
    assert_eq!(
        client.get("/words?id=eq.1").text(),
        r#"[{"id":1,"word":"é花"}]"#
    );
    leave(&mut client, "client_encoding", &[]);
    let body = r#"{"id":2,"word":"é花"}"#;
    let length = body.len().to_string();
    let headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", &*length),
    ];
    client.send(
        [
            request("POST", "/words", &headers),
            body.as_bytes().to_vec(),
        ]
        .concat(),
    );
    assert_eq!(client.read("POST").status, 201);
    assert_eq!(
        database.one("select word from api.words where id = 2"),
        "é花"
    );
    server.stop();
}

/// A cookie and a status that were for one client.
#[test]
fn headers_and_status_are_for_one_client() {
    let database = Cluster::shared().database();
    database.run(
        r#"create function api.leave_response() returns text language plpgsql as $$ begin
             perform set_config('response.headers', '[{"Set-Cookie": "mine"}]', false);
             perform set_config('response.status', '418', false);
             return 'left'; end $$;
           create function api.show_response() returns text language sql as
             $$ select coalesce(current_setting('response.headers', true), 'null') $$"#,
    );
    let server = start(&database, &database.uri(), "none");
    let mut client = server.client();
    assert_eq!(client.get("/rpc/show_response").text(), r#""null""#);
    let answer = post(&mut client, "/rpc/leave_response", &[]);
    assert_eq!(
        (answer.status, answer.header("Set-Cookie")),
        (418, Some("mine"))
    );
    let headers = [("Authorization", GARDENER)];
    for target in ["/plants?id=eq.1", "/rpc/show_response"] {
        let answer = client.exchange("GET", target, &headers);
        assert_eq!((answer.status, answer.header("Set-Cookie")), (200, None));
    }
    server.stop();
}

/// It is said by whatever runs, also where the answer itself does not show it.
#[test]
fn headers_are_for_one_client_whoever_has_left_them() {
    const LEAVE: &str =
        "perform set_config('response.headers', '[{\"Set-Cookie\": \"mine\"}]', false)";
    let database = Cluster::shared().database();
    database.run(&format!(
        "create function api.leave() returns text volatile language plpgsql as
           $$ begin {LEAVE}; return 'left'; end $$;
         create table api.leaving (id integer primary key);
         create function api.leave_behind() returns trigger language plpgsql as
           $$ begin {LEAVE}; return null; end $$;
         create trigger after_row after insert on api.leaving
           for each row execute function api.leave_behind();
         create table api.leaving_late (id integer primary key);
         create constraint trigger at_commit after insert on api.leaving_late
           deferrable initially deferred for each row execute function api.leave_behind();
         grant all on api.leaving, api.leaving_late to anonymous;
         create function api.leave_hidden() returns text volatile language plpgsql as
           $$ begin {LEAVE}; perform set_config('response.headers', '', true);
              return 'left'; end $$;
         create function api.leave_at_commit() returns text volatile language plpgsql as
           $$ begin execute 'declare late cursor with hold for select api.leave()';
              return 'left'; end $$;
         create view api.leaving_view as select api.leave() as id;
         create view api.hearing as select current_setting('response.headers', true) as heard;
         create table api.hearing_policy (id integer);
         insert into api.hearing_policy values (1);
         alter table api.hearing_policy enable row level security;
         create policy p on api.hearing_policy
           using (current_setting('response.headers', true) like '%mine%');
         create view api.saying as
           select set_config('response.headers', '[{{\"X-Said\": \"yes\"}}]', true) is null as id;
         grant select on api.leaving_view, api.hearing, api.hearing_policy, api.saying to anonymous"
    ));
    let json = [("Content-Type", "application/json")];
    let plan = [("Accept", "application/vnd.pgrst.plan+text; options=analyze")];
    type Asked<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);
    let ways: [Asked<'_>; 8] = [
        ("GET", "/rpc/leave_hidden", &[], ""),
        ("GET", "/rpc/leave_at_commit", &[], ""),
        ("GET", "/rpc/leave", &[], ""),
        ("POST", "/rpc/leave", &json, "{}"),
        ("GET", "/leaving_view", &[], ""),
        ("GET", "/leaving_view", &plan, ""),
        ("POST", "/leaving", &json, r#"{"id":1}"#),
        ("POST", "/leaving_late", &json, r#"{"id":1}"#),
    ];
    for (method, target, headers, body) in ways {
        // A session of its own for each.
        let server = start(&database, &database.uri(), "none");
        let mut client = server.client();
        let length = body.len().to_string();
        let headers = [headers, &[("Content-Length", &*length)]].concat();
        client.send([request(method, target, &headers), body.as_bytes().to_vec()].concat());
        assert!(client.read(method).status < 300, "{method} {target}");
        for _ in 0..3 {
            let answer = client.get("/plants?id=eq.1");
            assert_eq!(
                (answer.status, answer.header("Set-Cookie")),
                (200, None),
                "after {method} {target}"
            );
        }
        // What reads nothing of it has left it there; whoever might read it does not find it.
        let heard = client.get("/hearing").text().to_owned();
        assert!(
            [r#"[{"heard":""}]"#, r#"[{"heard":null}]"#].contains(&&*heard),
            "after {method} {target}: {heard}"
        );
        assert_eq!(client.get("/hearing_policy").text(), "[]");
        assert_eq!(client.get("/saying").header("X-Said"), Some("yes"));
        server.stop();
    }
}

/// More settings than a function has arguments.
#[test]
fn hundreds_of_settings_are_made() {
    let database = Cluster::shared().database();
    database.run(
        "create function api.motto(number text) returns text stable language sql as
           $$ select current_setting('app.settings.s' || number) $$",
    );
    let names: Vec<String> = (0..250)
        .map(|number| format!("app.settings.s{number}"))
        .collect();
    let mut settings = vec![("db-uri", database.uri()), ("db-pool", "1".to_owned())];
    settings.extend(
        names
            .iter()
            .map(|name| (name.as_str(), format!("of {name}"))),
    );
    let settings: Vec<(&str, &str)> = settings.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let server = Server::start(&database, &settings);
    let mut client = server.client();
    for number in [0, 90, 99, 100, 191, 192, 249] {
        let answer = client.get(&format!("/rpc/motto?number={number}"));
        assert_eq!(answer.text(), format!("\"of app.settings.s{number}\""));
    }
    server.stop();
}

/// Somebody puts a statement of his own in the place of one of ours.
#[test]
fn a_forged_statement_is_not_met_after_a_reset() {
    let database = Cluster::shared().database();
    database.run(
        "create function api.forge() returns text language plpgsql as $$
         declare of_ours record; begin
           for of_ours in select name, statement from pg_prepared_statements
                           where statement like '%fifteen%' loop
             execute format('deallocate %I', of_ours.name);
             execute format('prepare %I as %s', of_ours.name,
                            replace(of_ours.statement, '\"fifteen\"', '\"forged\"'));
           end loop; return 'forged'; end $$;
         create table api.forged as select 666 as id; grant select on api.forged to anonymous",
    );
    let server = start(&database, &database.uri(), "touched");
    let mut client = server.client();
    for _ in 0..4 {
        assert_eq!(client.get("/fifteen?id=eq.3").text(), r#"[{"id":3}]"#);
    }
    assert_eq!(post(&mut client, "/rpc/forge", &[]).text(), r#""forged""#);
    assert_eq!(client.get("/fifteen?id=eq.3").text(), r#"[{"id":3}]"#);
    assert_eq!(client.get("/fifteen?id=eq.666").text(), "[]");
    server.stop();
}

/// Reads of which it is known that they run nothing of the database's own are spared, and no
/// others.
#[test]
fn only_what_may_have_run_code_is_followed_by_a_reset() {
    let database = database_with(&[SEEN]);
    database.run(
        "create function api.was_reset() returns boolean language sql as
           $$ select exists (select from pg_prepared_statements where statement = 'RESET ALL') $$;
         create function private.f(int) returns int language sql as 'select $1';
         create type private.colour as enum ('red');
         create domain private.word as text check (value <> '');
         create type private.pair as (a int, b int);
         create table api.rings (id int primary key, colour private.colour, word private.word,
                                 doc json);
         insert into api.rings values (1, 'red', 'w', '{\"a\":{\"b\":1}}');
         create table api.parts (id int primary key, ring int references api.rings);
         insert into api.parts values (1, 1);
         create function api.computed(api.rings) returns int language sql as 'select 1';
         create function api.others(api.rings) returns setof api.parts language sql as
           'select * from api.parts';
         create view api.viewed as select private.f(id) as id from api.rings;
         create view api.setting as select set_config('a.b', 'c', false) as id;
         create view api.twice as select id from api.viewed;
         create table private.guarded (id int);
         alter table private.guarded enable row level security;
         create policy p on private.guarded using (private.f(id) = id);
         create view api.hidden_guard as select id from private.guarded;
         create function private.eq(int, text) returns boolean language sql as 'select true';
         create operator private.== (leftarg = int, rightarg = text, function = private.eq);
         create view api.operated as select id from api.rings where id operator(private.==) 'x';
         create view api.seen_rings as
           select r.id, upper(r.word) as word, now() as at, count(p) as parts,
                  array_agg(p.id) as ids
             from api.rings r left join api.parts p on p.ring = r.id group by r.id;
         create view api.seen_twice as select * from api.seen_rings where id > 0;
         create function public.eq(varchar, varchar) returns boolean language sql as
           'select true';
         create operator public.= (leftarg = varchar, rightarg = varchar, function = public.eq);
         create table api.named (name varchar);
         create domain private.name as varchar;
         create table api.nicknamed (name private.name);
         create table api.guarded (id int);
         alter table api.guarded enable row level security;
         create policy p on api.guarded using (private.f(id) = id);
         create table api.pairs (id int, pair private.pair);
         create table api.guarded_links (ring int references api.rings, part int references
                                         api.parts, primary key (ring, part));
         alter table api.guarded_links enable row level security;
         create policy p on api.guarded_links using (private.f(ring) = ring);
         create domain private.checked as int check (private.f(value) > 0);
         create table api.owned (id int, owner text);
         create table api.owned_by_role (like api.owned);
         create table api.nobodys (like api.owned);
         create table api.owned_at_random (like api.owned);
         create table api.owned_by_others (like api.owned);
         create table api.owned_by_answer (like api.owned);
         create table api.owned_by_name (like api.owned);
         create policy p on api.owned using
           (owner = (select current_setting('request.jwt.claims', true)::json ->> 'sub'));
         create policy p on api.owned_by_role using (owner = current_user and id % 2 = 0);
         create policy p on api.owned_at_random using (random() < 2);
         create policy p on api.owned_by_others using (exists (select from api.rings));
         create policy p on api.owned_by_answer using
           (owner is distinct from current_setting('response.headers', true));
         create policy p on api.owned_by_name using
           (owner is distinct from current_setting('a.b', true)
            and owner is distinct from current_setting('a.' || owner, true));
         create table api.owned_by_operator (like api.owned);
         create policy p on api.owned_by_operator using (id operator(private.==) owner);
         create table api.owned_by_domain (like api.owned);
         create policy p on api.owned_by_domain using (id::private.checked > 0);
         create table api.owned_and_limited (like api.owned);
         create policy p on api.owned_and_limited using (true);
         create policy q on api.owned_and_limited as restrictive using (private.f(id) > 0);
         create table api.owned_in_parts (id int, owner text) partition by list (id);
         create policy p on api.owned_in_parts using (true);
         create table api.owned_part partition of api.owned_in_parts for values in (1);
         create policy p on api.owned_part using (private.f(id) > 0);
         create view api.owned_seen as select id from api.owned_by_name;
         do $$ declare owned regclass; begin
           foreach owned in array '{api.owned,api.owned_by_role,api.nobodys,api.owned_at_random,
             api.owned_by_others,api.owned_by_answer,api.owned_by_name,api.owned_by_operator,
             api.owned_by_domain,api.owned_and_limited,api.owned_in_parts,
             api.owned_part}'::regclass[] loop
             execute format('alter table %s enable row level security', owned);
           end loop; end $$;
         create function private.constant(int) returns int immutable language plpgsql as
           $$ begin return $1; end $$;
         create table api.indexed (id int primary key);
         create index on api.indexed ((private.constant(1) + id));
         create table api.indexed_in_part (id int primary key);
         create index on api.indexed_in_part (id) where private.constant(1) + id > 0;
         create table api.measured (id int primary key);
         create statistics api.measures on id, (private.constant(1) + id) from api.measured;
         create table api.divided (id int) partition by list ((private.constant(1) + id));
         create table api.inherited (id int);
         create table private.heir (check (private.constant(1) + id > 0)) inherits (api.inherited);
         create table api.indexed_by_ours (id int primary key, word text);
         create index on api.indexed_by_ours (lower(word)) where length(word) > 1;
         create view api.hearing as select current_setting('a.b', true) as id;
         create view api.made as select 1::private.checked as id;
         create view api.rowed as select (null::private.pair).a as id;
         create view api.named_table as select table_to_xml('api.rings', true, true, '')::text as x;
         grant select, insert, delete on all tables in schema api to anonymous;",
    );
    let quiet = [
        "/rings",
        "/rings?select=id,doc->a->>b,colour&id=eq.1&word=like.w*&order=doc->a->>b,id.desc",
        "/rings?select=id,parts!parts_ring_fkey(id)&parts.id=gt.0",
        "/parts?select=id,...rings!parts_ring_fkey(word)",
        "/parts?select=id,rings!parts_ring_fkey(word)&order=rings(word)",
        "/parts?or=(id.eq.1,and(ring.eq.2,id.not.eq.3))",
        "/seen_rings",
        "/seen_twice?select=id,word&id=gt.0",
        "/parts?select=id.count()",
        "/owned?id=eq.1",
        "/owned_by_role",
        "/nobodys",
        "/indexed_by_ours",
        "/nothing_like_that",
    ];
    let loud = [
        "/viewed",
        "/setting",
        "/hearing",
        "/made",
        "/rowed",
        "/named_table",
        "/twice",
        "/hidden_guard",
        "/operated",
        "/named?name=eq.a",
        "/nicknamed?name=eq.a",
        "/parts?select=id.max()",
        "/guarded",
        "/owned_at_random",
        "/owned_by_others",
        "/owned_by_answer",
        "/owned_by_name",
        "/owned_by_operator",
        "/owned_by_domain",
        "/owned_and_limited",
        "/owned_in_parts",
        "/owned_seen",
        "/indexed",
        "/indexed_in_part",
        "/measured",
        "/divided",
        "/inherited",
        "/pairs",
        "/rings?select=id::text",
        "/rings?select=id,computed",
        "/rings?computed=eq.1",
        "/rings?and=(or(computed.eq.1,id.eq.1),id.eq.2)",
        "/rings?order=computed",
        "/rings?select=id,others(id)",
        "/rings?select=id,parts!guarded_links(id)",
        "/parts?select=id,rings!parts_ring_fkey(id,computed)",
        "/rpc/was_reset",
    ];
    let server = start(&database, &database.uri(), "touched");
    let mut client = server.client();
    let targets = quiet.iter().map(|target| (*target, false));
    for (target, expected) in targets.chain(loud.iter().map(|target| (*target, true))) {
        // The first two times it is planned, and then it has a shape.
        for _ in 0..3 {
            leave(&mut client, "statement", &[]); // for a new connection
            let answer = client.get(target);
            let status = if target.contains("nothing") { 404 } else { 200 };
            assert_eq!(answer.status, status, "{target}: {}", answer.text());
            let answer = client.get("/rpc/was_reset");
            assert_eq!(answer.text(), expected.to_string(), "{target}");
        }
    }
    server.stop();
}
