//! The session that listens for those who hear events ends: all of them are told, or come again,
//! and hear everything from then on, once.

use crate::fault::Fault;
use crate::last_ms;
use crate::world::World;
use corerest_tests::client::Client;
use corerest_tests::cluster::Stop;
use corerest_tests::events::{End, Event, Stream, request};
use corerest_tests::waiting::until_some;
use postgres::Client as Session;

/// How many hear.
const STREAMS: usize = 10;

/// How much they are told.
const EVENTS: i64 = 50;

/// What is told to find out who hears begins with this.
const MARK: &str = "mark ";

const WITH_EVENTS: Fault = Fault {
    settings: &[("server-events-enabled", "true")],
    ..Fault::USUAL
};

/// The table.
pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "events: the session that listens ends",
        act: |world| {
            let mut streams: Vec<Stream> = (0..STREAMS).map(|_| hear(world)).collect();
            // That of the catalog's listener goes on, or a reload would send all of them away.
            world.end_sessions("query ILIKE 'listen %told%'");
            let told = streams
                .iter_mut()
                .filter_map(|stream| stream.next_or_end().ok());
            let told = told.filter(|event| event.name == "reconnected").count();
            if told != STREAMS {
                world.complain(&format!(
                    "{told} of {STREAMS} heard that something was missed"
                ));
            }
            world.end();
            check(world, streams);
        },
        errors: &[],
        ..WITH_EVENTS
    },
    Fault {
        name: "events: stop fast, 0.3 s, start",
        act: |world| {
            let streams = (0..STREAMS).map(|_| hear(world)).collect();
            world.cluster.stop(Stop::Fast);
            last_ms(300);
            world.cluster.start_again();
            world.end();
            check(world, streams);
        },
        ..WITH_EVENTS
    },
];

/// Comes until it may stay, as `EventSource` does, and later.
fn hear(world: &World) -> Stream {
    until_some("somebody to be heard", || {
        let mut client = Client::connect(world.server.address());
        client.send(request("HTTP/1.1", "/rpc/hear", &[]));
        let stream = Stream::begin(client);
        (stream.status() == "200").then_some(stream)
    })
}

/// All hear what is told from now on, which is in the database, each of it once.
fn check(world: &mut World, mut streams: Vec<Stream>) {
    let mut next = 1;
    let mut session = world.database.connect();
    // A reload sends everybody away; whoever tries again is there after it.
    let heard = until_some("all to hear everything", || {
        let mark = format!("{MARK}{next}");
        for stream in &mut streams {
            settle(world, &mut session, stream, &mark);
        }
        let numbers = next..next + EVENTS;
        next = numbers.end;
        world.database.run(&format!(
            "INSERT INTO api.told SELECT generate_series({}, {});
             SELECT pg_notify('told', id::text) FROM api.told WHERE id >= {} ORDER BY id",
            numbers.start,
            numbers.end - 1,
            numbers.start
        ));
        let heard = streams.iter_mut().map(|stream| hear_all(stream, EVENTS));
        heard.collect::<Option<Vec<_>>>()
    });
    let told = "SELECT string_agg(id::text, ' ' ORDER BY id) FROM api.told";
    let told = format!("{told} WHERE id >= {}", next - EVENTS);
    let told = world.database.one(&told);
    let wrong = heard.iter().filter(|heard| heard.join(" ") != told).count();
    if wrong > 0 {
        world.complain(&format!(
            "{wrong} of {STREAMS} heard something else than was told"
        ));
    }
    world.database.run("TRUNCATE api.told");
}

/// Waits until a client hears what is told, and has heard what was before.
fn settle(world: &World, session: &mut Session, stream: &mut Stream, mark: &str) {
    until_some("a client to hear", || {
        let notified = session.execute("SELECT pg_notify('told', $1)", &[&mark]);
        notified.expect("anybody may do that");
        match stream.next_or_end() {
            Ok(event) => (event.data == mark).then_some(()),
            Err(_) => {
                *stream = hear(world);
                None
            }
        }
    });
}

/// So many numbers; `None` if the client is sent away before.
fn hear_all(stream: &mut Stream, count: i64) -> Option<Vec<String>> {
    let mut heard = Vec::new();
    while (heard.len() as i64) < count {
        match stream.next_or_end() {
            Ok(Event { data, .. }) if data.starts_with(MARK) => {}
            Ok(Event { name, data, .. }) if name == "told" => heard.push(data),
            Ok(_) | Err(End::Whole | End::CutOff) => return None,
        }
    }
    Some(heard)
}
