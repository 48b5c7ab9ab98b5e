//! Events: who hears what, how it looks, and how a stream ends.

use crate::logs::SECRET;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use corerest_tests::client::{Client, request};
use corerest_tests::cluster::{Cluster, Database, Stop};
use corerest_tests::events::{self, End, Event, Stream};
use corerest_tests::server::Server;
use corerest_tests::waiting::{LONG, until, until_some};
use rustix::process::Signal;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Functions that name channels.
const FUNCTIONS: &str = r#"
  create domain api."text/event-stream" as text;
  create function api.hear(names text default 'news') returns api."text/event-stream"
    stable language sql as $$ select replace(names, '|', E'\n') $$;
  -- What a tenant may hear stands in a table that row-level security guards.
  create table api.desks (tenant text, channel text);
  insert into api.desks values ('one', 'desk-one'), ('two', 'desk-two');
  alter table api.desks enable row level security;
  create policy mine on api.desks using
    (tenant = current_setting('request.jwt.claims', true)::json ->> 'tenant');
  grant select on api.desks to anonymous, gardener;
  create function api.desk() returns api."text/event-stream" stable language sql as
    $$ select string_agg(channel, E'\n' order by channel) from api.desks $$;
  create function api.secret_news() returns api."text/event-stream" stable language sql as
    $$ select 'secret' $$;
  revoke execute on function api.secret_news() from public;
  grant execute on function api.secret_news() to gardener;
  create function api.with_headers() returns api."text/event-stream" language plpgsql as $$
    begin
      perform set_config('response.headers',
        '[{"X-Mine": "yes"}, {"Cache-Control": "no-cache"}]', true);
      return 'news';
    end $$;
  create function api.too_much() returns api."text/event-stream" stable language sql as
    $$ select repeat(E'abc\n', 20000) $$;
  create function api.over() returns api."text/event-stream" language plpgsql as $$
    begin
      perform set_config('response.status', '403', true);
      return 'go away';
    end $$;
"#;

pub(crate) fn database(cluster: &Cluster) -> Database {
    let database = cluster.database();
    database.run(FUNCTIONS);
    database
}

pub(crate) fn start_with(database: &Database, settings: &[(&str, &str)]) -> Server {
    let usual = [("server-events-enabled", "true"), ("jwt-secret", SECRET)];
    Server::start(database, &[&usual, settings].concat())
}

/// A server of a database with the functions.
fn start(settings: &[(&str, &str)]) -> (Database, Server) {
    let database = database(Cluster::shared());
    let server = start_with(&database, settings);
    (database, server)
}

/// A token with these claims.
pub(crate) fn bearer(claims: &str) -> String {
    let encode = |text: &[u8]| URL_SAFE_NO_PAD.encode(text);
    let header = encode(br#"{"alg":"HS256","typ":"JWT"}"#);
    let signed = format!("{header}.{}", encode(claims.as_bytes()));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = encode(ring::hmac::sign(&key, signed.as_bytes()).as_ref());
    format!("Bearer {signed}.{signature}")
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("it is later than 1970").as_secs()
}

fn hear(server: &Server, names: &str) -> Stream {
    let stream = Stream::open(server.address(), &format!("/rpc/hear?names={names}"), &[]);
    assert_eq!(stream.status(), "200", "{}", stream.head);
    stream
}

pub(crate) fn notify(database: &Database, channel: &str, payload: &str) {
    let mut connection = database.connect();
    let notified = connection.execute("SELECT pg_notify($1, $2)", &[&channel, &payload]);
    notified.expect("it can be sent");
}

fn event(name: &str, data: &str) -> Event {
    Event {
        name: name.to_owned(),
        data: data.to_owned(),
        id: String::new(),
    }
}

/// A number of the metrics.
fn metric(server: &Server, name: &str) -> f64 {
    let text = server.admin().get("/metrics").text().to_owned();
    let lines = text.lines().filter(|line| line.starts_with(name));
    let numbers = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
    numbers.sum()
}

/// The channels that PostgreSQL was told of, by what it knows of the session that listens.
fn channels(server: &Server) -> f64 {
    metric(server, "corerest_event_channels ")
}

#[test]
fn what_is_notified_is_heard_at_once_by_all_who_asked_for_it() {
    let (database, server) = start(&[("server-cores", "2")]);
    let mut streams: Vec<Stream> = (0..6).map(|_| hear(&server, "news")).collect();
    let mut other = hear(&server, "other|more");
    let mut quiet = hear(&server, "quiet");
    notify(&database, "news", "first");
    notify(&database, "more", "for the other");
    notify(&database, "nobody", "lost");
    notify(&database, "news", "second");
    for stream in &mut streams {
        assert_eq!(stream.next_event(), event("news", "first"));
        assert_eq!(stream.next_event(), event("news", "second"));
    }
    assert_eq!(other.next_event(), event("more", "for the other"));
    assert_eq!(channels(&server), 4.0);
    assert_eq!(metric(&server, "corerest_event_streams{"), 8.0);
    until("the events to be counted", || {
        metric(&server, "corerest_events_sent_total") == 13.0
    });
    server.signal(Signal::TERM);
    assert_eq!(quiet.rest(), (vec![], End::Whole));
}

#[test]
fn the_head_says_what_comes_and_that_nobody_is_to_keep_it() {
    let (_database, server) = start(&[]);
    let stream = hear(&server, "news");
    let content_type = stream.header("content-type");
    assert_eq!(content_type, Some("text/event-stream"));
    let cache = stream.header("cache-control");
    assert_eq!(cache, Some("no-store, no-transform"));
    assert_eq!(stream.header("x-accel-buffering"), Some("no"));
    assert_eq!(stream.header("transfer-encoding"), Some("chunked"));
    assert_eq!(stream.header("connection"), Some("close"));
    assert_eq!(stream.header("content-range"), None);
    assert_eq!(stream.header("content-length"), None);
    let own = Stream::open(server.address(), "/rpc/with_headers", &[]);
    assert_eq!(own.header("x-mine"), Some("yes"));
    assert_eq!(own.header("cache-control"), Some("no-cache"));
    let head = server
        .client()
        .exchange("HEAD", "/rpc/hear", &[("Accept", "text/event-stream")]);
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    assert_eq!(head.header("x-accel-buffering"), Some("no"));
}

#[test]
fn browsers_of_other_origins_may_hear_as_they_may_read() {
    let (database, server) = start(&[("server-cors-allowed-origins", "http://a.example")]);
    let origin = ("Origin", "http://a.example");
    let mut stream = Stream::open(server.address(), "/rpc/hear", &[origin]);
    let allowed = stream.header("access-control-allow-origin");
    assert_eq!(allowed, Some("http://a.example"));
    notify(&database, "news", "x");
    assert_eq!(stream.next_event(), event("news", "x"));
    let origin = ("Origin", "http://b.example");
    let stream = Stream::open(server.address(), "/rpc/hear", &[origin]);
    assert_eq!(stream.header("access-control-allow-origin"), None);
}

#[test]
fn old_clients_hear_until_the_connection_ends() {
    let (database, server) = start(&[]);
    let request = events::request("HTTP/1.0", "/rpc/hear", &[]);
    let mut stream = Stream::open_by(server.address(), &request);
    assert_eq!(stream.header("transfer-encoding"), None);
    notify(&database, "news", "a\nb");
    assert_eq!(stream.next_event(), event("news", "a\nb"));
    server.signal(Signal::TERM);
    assert_eq!(stream.rest(), (vec![], End::Whole));
    assert_eq!(stream.retries.len(), 2);
}

#[test]
fn payloads_of_many_lines_arrive_as_they_were_and_may_have_an_id() {
    let (database, server) = start(&[]);
    let mut stream = hear(&server, "news");
    notify(&database, "news", "");
    assert_eq!(stream.next_event(), event("news", ""));
    notify(&database, "news", "a\r\nb\rc\n\nevent: forged\n");
    let data = "a\nb\nc\n\nevent: forged\n";
    assert_eq!(stream.next_event(), event("news", data));
    let longest = "€\n".repeat(7999 / 4);
    notify(&database, "news", &longest);
    assert_eq!(stream.next_event(), event("news", &longest));
    notify(&database, "news", &"\n".repeat(7999));
    assert_eq!(stream.next_event().data.len(), 7999);
    notify(&database, "news", "id: 42\n{\"a\":1}");
    let with_id = Event {
        id: "42".to_owned(),
        ..event("news", "{\"a\":1}")
    };
    assert_eq!(stream.next_event(), with_id);
}

#[test]
fn nobody_hears_what_his_function_did_not_name() {
    let (database, server) = start(&[]);
    let open = |tenant: &str| {
        let token = bearer(&format!(r#"{{"role":"gardener","tenant":"{tenant}"}}"#));
        Stream::open(server.address(), "/rpc/desk", &[("Authorization", &token)])
    };
    let (mut one, mut two) = (open("one"), open("two"));
    for number in 0..20 {
        notify(&database, "desk-one", &format!("one {number}"));
        notify(&database, "desk-two", &format!("two {number}"));
    }
    for number in 0..20 {
        assert_eq!(
            one.next_event(),
            event("desk-one", &format!("one {number}"))
        );
        assert_eq!(
            two.next_event(),
            event("desk-two", &format!("two {number}"))
        );
    }
    // Who has nothing to hear is told not to come again.
    let mut nobody = Client::connect(server.address());
    let nothing = nobody.exchange("GET", "/rpc/desk", &[("Accept", "text/event-stream")]);
    assert_eq!(nothing.status, 204);
    let refused = nobody.exchange(
        "GET",
        "/rpc/secret_news",
        &[("Accept", "text/event-stream")],
    );
    assert_eq!(refused.status, 401, "{}", refused.text());
    let over = nobody.exchange("GET", "/rpc/over", &[("Accept", "text/event-stream")]);
    assert_eq!((over.status, over.text()), (403, "go away"));
    server.signal(Signal::TERM);
    assert_eq!(one.rest(), (vec![], End::Whole));
    assert_eq!(two.rest(), (vec![], End::Whole));
}

#[test]
fn names_are_names_whatever_is_in_them() {
    let (database, server) = start(&[]);
    let odd = [
        "a\"b",
        "UPPER",
        "upper",
        "a b",
        " a ",
        "it's; DROP TABLE x; --",
        "ünïcödé €",
        "*",
        "pgrst",
        "🌱",
        &"x".repeat(63),
    ];
    let mut streams: Vec<Stream> = Vec::new();
    for name in odd {
        let escaped: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        streams.push(hear(&server, &escaped));
    }
    for name in odd {
        notify(&database, name, name);
    }
    for (stream, name) in streams.iter_mut().zip(odd) {
        assert_eq!(stream.next_event(), event(name, name));
    }
    let mut client = server.client();
    let mut refused = |names: &str| {
        let target = format!("/rpc/hear?names={names}");
        let answer = client.exchange("GET", &target, &[("Accept", "text/event-stream")]);
        assert_eq!(answer.status, 500, "{names}");
        answer.text().to_owned()
    };
    assert!(refused(&"x".repeat(64)).contains("too long"));
    assert!(refused("a%0Ddata:%20forged").contains("control character"));
    let many: Vec<String> = (0..101).map(|number| number.to_string()).collect();
    assert!(refused(&many.join("|")).contains("too many"));
    let target = "/rpc/too_much";
    let answer = client.exchange("GET", target, &[("Accept", "text/event-stream")]);
    assert_eq!(answer.status, 500);
    assert!(answer.text().contains("80000 bytes"), "{}", answer.text());
    let blank = "/rpc/hear?names=%20%7C%0D%7C";
    let answer = client.exchange("GET", blank, &[("Accept", "text/event-stream")]);
    assert_eq!(answer.status, 204);
}

#[test]
fn without_the_key_the_answer_is_what_the_function_returns() {
    let (_database, server) = start(&[("server-events-enabled", "false")]);
    let mut client = server.client();
    let accept = [("Accept", "text/event-stream")];
    let answer = client.exchange("GET", "/rpc/hear?names=a%7Cb", &accept);
    assert_eq!((answer.status, answer.text()), (200, "a\nb"));
    assert_eq!(answer.header("content-range"), Some("0-0/*"));
    assert_eq!(answer.header("x-accel-buffering"), None);
    assert_eq!(metric(&server, "corerest_event_channels "), 0.0);
    // With it, whoever does not ask for events gets what he asks for.
    let (_database, server) = start(&[]);
    let mut client = server.client();
    let json = client.get("/rpc/hear?names=a");
    assert_eq!(json.text(), "\"a\"");
    let posted = client.exchange("POST", "/rpc/hear", &accept);
    assert_eq!((posted.status, posted.text()), (200, "news"));
}

#[test]
fn there_are_so_many_channels_and_those_that_nobody_hears_are_forgotten() {
    let (database, server) = start(&[("server-max-channels", "2")]);
    let first = hear(&server, "a");
    let mut second = hear(&server, "b|a");
    let mut client = server.client();
    let accept = [("Accept", "text/event-stream")];
    let refused = client.exchange("GET", "/rpc/hear?names=c", &accept);
    assert_eq!(refused.status, 503);
    assert!(refused.text().contains("server-max-channels"));
    assert!(refused.header("retry-after").is_some());
    // Many of them at once are answered one after the other.
    let many = events::request("HTTP/1.1", "/rpc/hear?names=c", &[]);
    client.send(many.repeat(500));
    for _ in 0..500 {
        assert_eq!(client.read("GET").status, 503);
    }
    first.leave();
    notify(&database, "a", "still");
    assert_eq!(second.next_event(), event("a", "still"));
    second.leave();
    until("the channels to be free", || channels(&server) == 0.0);
    let mut third = hear(&server, "c|d");
    notify(&database, "a", "nobody");
    notify(&database, "d", "somebody");
    assert_eq!(third.next_event(), event("d", "somebody"));
    // PostgreSQL was told so, too: its own view knows only the session, so it is asked to tell.
    let listening = database.one(
        "select count(*)::text from pg_stat_activity where query ilike 'listen%' \
         and datname = current_database()",
    );
    assert!(listening.parse::<i32>().expect("it is a number") <= 2);
}

#[test]
fn a_stream_ends_when_its_token_expires() {
    let (database, server) = start(&[]);
    let open = |exp: u64| {
        let token = bearer(&format!(r#"{{"role":"gardener","exp":{exp}}}"#));
        Stream::open(
            server.address(),
            "/rpc/secret_news",
            &[("Authorization", &token)],
        )
    };
    let mut stream = open(now() + 2);
    let mut longer = open(now() + 3600);
    let mut within_skew = open(now() - 1);
    notify(&database, "secret", "in time");
    let in_time = vec![event("secret", "in time")];
    assert_eq!(stream.rest(), (in_time, End::Whole));
    assert_eq!(stream.retries.len(), 2);
    notify(&database, "secret", "later");
    assert_eq!(longer.next_event(), event("secret", "in time"));
    assert_eq!(longer.next_event(), event("secret", "later"));
    assert_eq!(within_skew.next_event(), event("secret", "in time"));
}

#[test]
fn a_stop_ends_all_streams_with_when_to_come_again() {
    let (database, mut server) = start(&[("server-shutdown-grace", "2")]);
    let mut streams: Vec<Stream> = (0..8).map(|_| hear(&server, "news")).collect();
    notify(&database, "news", "last");
    server.signal(Signal::TERM);
    let mut retries = Vec::new();
    for stream in &mut streams {
        assert_eq!(stream.rest(), (vec![event("news", "last")], End::Whole));
        assert_eq!(stream.retries.len(), 2);
        retries.push(stream.retries[1]);
    }
    assert!(retries.iter().all(|retry| (1_000..5_000).contains(retry)));
    retries.sort_unstable();
    retries.dedup();
    assert!(
        retries.len() > 4,
        "they come one after the other: {retries:?}"
    );
    assert!(server.await_exit().success());
}

#[test]
fn a_reload_ends_all_streams_so_that_everybody_is_asked_anew() {
    let (database, server) = start(&[]);
    let token = bearer(r#"{"role":"gardener"}"#);
    let authorization = [("Authorization", token.as_str())];
    let open = || Stream::open(server.address(), "/rpc/secret_news", &authorization);
    let mut stream = open();
    database.run("revoke execute on function api.secret_news() from gardener");
    notify(&database, "secret", "before the reload");
    assert_eq!(stream.next_event(), event("secret", "before the reload"));
    server.signal(Signal::USR1);
    assert_eq!(stream.rest(), (vec![], End::Whole));
    assert_eq!(open().status(), "403");
    // The configuration counts as well as the catalog.
    let mut stream = hear(&server, "news");
    server.signal(Signal::USR2);
    assert_eq!(stream.rest(), (vec![], End::Whole));
    let mut stream = hear(&server, "news");
    notify(&database, "news", "again");
    assert_eq!(stream.next_event(), event("news", "again"));
}

#[test]
fn whoever_says_something_after_his_request_has_heard_enough() {
    let (database, server) = start(&[]);
    let mut stream = hear(&server, "news");
    notify(&database, "news", "x");
    assert_eq!(stream.next_event(), event("news", "x"));
    stream.client().send(request("GET", "/plants", &[]));
    assert_eq!(stream.rest(), (vec![], End::Whole));
    let both = events::request("HTTP/1.1", "/rpc/hear", &[]).repeat(2);
    let mut stream = Stream::open_by(server.address(), &both);
    assert_eq!(stream.rest(), (vec![], End::Whole));
    until("nobody to hear anything", || channels(&server) == 0.0);
}

#[test]
fn whoever_leaves_is_forgotten() {
    let (database, server) = start(&[]);
    let mut stays = hear(&server, "news");
    let streams: Vec<Stream> = (0..50).map(|_| hear(&server, "news|other")).collect();
    assert_eq!(channels(&server), 2.0);
    streams.into_iter().for_each(Stream::leave);
    until("the others to be forgotten", || {
        metric(&server, "corerest_event_streams{") == 1.0
    });
    assert_eq!(channels(&server), 1.0);
    notify(&database, "news", "x");
    assert_eq!(stays.next_event(), event("news", "x"));
    until("nothing to be held", || {
        metric(&server, "corerest_client_memory_bytes") == 0.0
    });
}

#[test]
fn whoever_takes_nothing_is_cut_off_and_costs_the_others_nothing() {
    let (database, server) = start(&[]);
    let deaf: Vec<Stream> = (0..3).map(|_| hear(&server, "news")).collect();
    let mut listens = hear(&server, "news");
    // The kernel takes some MB for a client before anything waits here.
    let mut connection = database.connect();
    let payload = "x".repeat(7_900);
    let mut sent = 0;
    while metric(&server, "corerest_event_streams_dropped_total") < 3.0 {
        assert!(sent < 10_000, "nobody is cut off");
        for _ in 0..50 {
            let text = format!("{sent} {payload}");
            connection
                .execute("SELECT pg_notify('news', $1)", &[&text])
                .expect("it can be sent");
            let heard = listens.next_event();
            assert!(heard.data.starts_with(&format!("{sent} ")));
            sent += 1;
        }
    }
    for mut stream in deaf {
        let (events, end) = stream.rest();
        assert_eq!(end, End::CutOff);
        assert!(events.len() < sent);
    }
    let held = metric(&server, "corerest_client_memory_bytes");
    assert!(held <= 64.0 * 1024.0, "{held}");
    assert_eq!(metric(&server, "corerest_event_streams{"), 1.0);
}

#[test]
fn when_the_listener_was_away_everybody_is_told() {
    let (database, server) = start(&[("db-channel-enabled", "false"), ("db-pool", "2")]);
    let mut streams: Vec<Stream> = (0..3).map(|_| hear(&server, "news")).collect();
    notify(&database, "news", "before");
    for stream in &mut streams {
        assert_eq!(stream.next_event(), event("news", "before"));
    }
    // With `db-channel-enabled=false` there is a second idle session, that of the control plane.
    database.run(
        "select pg_terminate_backend(pid) from pg_stat_activity \
         where datname = current_database() and pid <> pg_backend_pid() \
         and query ilike 'listen %'",
    );
    for stream in &mut streams {
        assert_eq!(stream.next_event(), event("reconnected", ""));
    }
    notify(&database, "news", "after");
    for stream in &mut streams {
        assert_eq!(stream.next_event(), event("news", "after"));
    }
}

#[test]
fn a_postgresql_that_is_started_again_is_heard_again() {
    let cluster = Cluster::start(&[]);
    let database = database(&cluster);
    let server = start_with(&database, &[]);
    let mut stream = hear(&server, "news");
    notify(&database, "news", "before");
    assert_eq!(stream.next_event(), event("news", "before"));
    cluster.stop(Stop::Immediate);
    cluster.start_again();
    // The catalog is loaded again, so the stream may end, as with any reload.
    let told = stream.next_or_end();
    assert!(
        told == Ok(event("reconnected", "")) || told == Err(End::Whole),
        "{told:?}"
    );
    let mut stream = hear_when_possible(&server);
    let deadline = std::time::Instant::now() + LONG;
    loop {
        notify(&database, "news", "after");
        match stream.next_or_end() {
            Ok(told) if told.name == "news" => break,
            Ok(_) => {}
            Err(_) => stream = hear_when_possible(&server),
        }
        assert!(std::time::Instant::now() < deadline);
    }
}

/// What `EventSource` does, and more: it comes again whatever the answer was.
fn hear_when_possible(server: &Server) -> Stream {
    until_some("the stream to be open again", || {
        let stream = Stream::open(server.address(), "/rpc/hear", &[]);
        (stream.status() == "200").then_some(stream)
    })
}

#[test]
fn whoever_cannot_be_told_in_time_hears_that_and_no_more() {
    let database = database(Cluster::shared());
    // Requests are answered, and there is no session that can write.
    database.run(&format!(
        "alter database {} set default_transaction_read_only = on",
        database.name
    ));
    let settings = [
        ("db-channel-enabled", "false"),
        ("db-pool-acquisition-timeout", "1"),
    ];
    let server = start_with(&database, &settings);
    let mut client = server.client();
    let accept = [("Accept", "text/event-stream")];
    let refused = client.exchange("GET", "/rpc/hear", &accept);
    assert_eq!(refused.status, 503);
    assert!(refused.text().contains("PGRSTX12"), "{}", refused.text());
    assert_eq!(metric(&server, "corerest_event_listener_connected"), 0.0);
    assert_eq!(client.get("/plants?limit=1").status, 200);
    let waits = hear_in_vain(&server);
    waits.leave("it goes before it has an answer");
    until("nobody to wait", || {
        metric(&server, "corerest_event_streams{") == 0.0
    });
    assert_eq!(channels(&server), 0.0);
}

/// A client that waits for its channels.
fn hear_in_vain(server: &Server) -> Client {
    let mut client = server.client();
    client.send(events::request("HTTP/1.1", "/rpc/hear", &[]));
    until("a client to wait", || {
        metric(server, "corerest_event_streams{") > 0.0
    });
    client
}

#[test]
fn the_key_can_be_switched_while_the_server_runs() {
    let cluster = Cluster::shared();
    let database = database(cluster);
    let file = corerest_tests::server::unused_path("config");
    let write = |enabled: &str| {
        std::fs::write(&file, format!("server-events-enabled = {enabled}\n"))
            .expect("the temporary folder can be written");
    };
    write("true");
    let server = Server::start_with_file(&database, &file, &[]);
    let mut stream = hear(&server, "news");
    write("false");
    server.signal(Signal::USR2);
    assert_eq!(stream.rest(), (vec![], End::Whole));
    let accept = [("Accept", "text/event-stream")];
    let answer = server.client().exchange("GET", "/rpc/hear", &accept);
    assert_eq!(answer.text(), "news");
    write("true");
    server.signal(Signal::USR2);
    until("the key to count", || {
        metric(&server, "corerest_event_listener_connected") == 1.0
    });
    let mut stream = hear(&server, "news");
    notify(&database, "news", "x");
    assert_eq!(stream.next_event(), event("news", "x"));
    let _ = std::fs::remove_file(&file);
}

#[test]
fn a_sign_of_life_comes_every_fifteen_seconds() {
    let (_database, server) = start(&[]);
    let mut stream = hear(&server, "news");
    stream.await_comments(1, Duration::from_secs(18));
}

#[test]
fn those_who_hear_leave_places_for_those_who_ask() {
    let (_database, server) = start(&[("server-max-connections", "8")]);
    let _streams: Vec<Stream> = (0..6).map(|_| hear(&server, "news")).collect();
    let mut client = server.client();
    let accept = [("Accept", "text/event-stream")];
    let refused = client.exchange("GET", "/rpc/hear", &accept);
    assert_eq!(refused.status, 503);
    assert!(refused.text().contains("PGRSTX13"), "{}", refused.text());
    assert_eq!(client.get("/plants?limit=1").status, 200);
}
