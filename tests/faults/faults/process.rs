//! The server's own process: signals, a log that nobody reads, one that takes over from another.

use crate::fault::{Effort, Fault, Limits};
use crate::last_ms;
use crate::ledger::NO_CONNECTION;
use crate::load::Habits;
use crate::stage::Stage;
use crate::world::World;
use corerest_tests::server::Server;
use rustix::process::Signal;
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// How long a server may take to end, with whatever is in flight.
const END_MAX: Duration = Duration::from_secs(5);

pub(super) const GOES_ON: &str = "SIGTERM does not end it";

const LOGS_MUCH: &[(&str, &str)] = &[("log-level", "debug"), ("log-query", "main-query")];

/// The table.
pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "SIGSTOP of the server, 1 s",
        act: |world| {
            world.server.signal(Signal::STOP);
            last_ms(1000);
            world.server.signal(Signal::CONT);
        },
        errors: &[],
        ..Fault::USUAL
    },
    Fault {
        name: "SIGHUP",
        act: |world| world.server.signal(Signal::HUP),
        errors: &[],
        limits: Limits {
            back: 0.1,
            longest: 1.0,
            ready: 0.1,
        },
        ..Fault::USUAL
    },
    Fault {
        name: "nobody reads standard error, and all sessions end",
        settings: LOGS_MUCH,
        act: |world| {
            world.server.stderr.stop_reading();
            last_ms(1000);
            world.end_sessions("true");
            world
                .database
                .run("CREATE TABLE api.unread (); GRANT ALL ON api.unread TO PUBLIC");
            last_ms(300);
            world.database.run("NOTIFY pgrst");
            if !world.is_served("unread", Duration::from_secs(5)) {
                world.complain("no reload while nobody read standard error");
            }
            world.server.stderr.read_on();
            world.end();
            world.database.run("DROP TABLE api.unread; NOTIFY pgrst");
        },
        ..Fault::USUAL
    },
    Fault {
        name: "hand-over to a second process, clients that look before they send",
        stage: Stage::SharedPort,
        act: |world| hand_over(world, false),
        errors: &[],
        ..Fault::USUAL
    },
    Fault {
        name: "hand-over to a second process, clients that do not look",
        stage: Stage::SharedPort,
        habits: Habits {
            looks_first: false,
            ..Habits::USUAL
        },
        act: |world| hand_over(world, false),
        errors: &[],
        ..Fault::USUAL
    },
    Fault {
        name: "hand-over to a second process, calls of 0.1 s, clients that do not look",
        stage: Stage::SharedPort,
        habits: Habits {
            looks_first: false,
            call: "/rpc/put_w_slowly",
            ..Habits::USUAL
        },
        act: |world| hand_over(world, false),
        effort: Effort::Long,
        errors: &[],
        ..Fault::USUAL
    },
    Fault {
        name: "SIGTERM, and another process in its place",
        act: |world| {
            if !end(&mut world.server) {
                world.complain(GOES_ON);
            }
            drop(world.succeed());
        },
        effort: Effort::Long,
        errors: &[NO_CONNECTION],
        ..Fault::USUAL
    },
    Fault {
        name: "SIGTERM to a process whose start waits for a silent port",
        act: end_while_it_starts,
        errors: &[],
        ..Fault::USUAL
    },
    Fault {
        name: "hand-over while nobody reads standard error",
        stage: Stage::SharedPort,
        settings: LOGS_MUCH,
        act: |world| hand_over(world, true),
        errors: &[],
        ..Fault::USUAL
    },
];

fn hand_over(world: &mut World, is_unread: bool) {
    if is_unread {
        world.server.stderr.stop_reading();
        last_ms(1000);
    }
    let mut old = world.succeed();
    if !end(&mut old) {
        world.complain(GOES_ON);
    }
    old.stderr.read_on();
}

/// Ends it politely. `false` if it takes long.
fn end(server: &mut Server) -> bool {
    server.signal(Signal::TERM);
    ends(server)
}

/// Whether it ends before long.
pub(super) fn ends(server: &mut Server) -> bool {
    let deadline = Instant::now() + END_MAX;
    while server.is_running() {
        if Instant::now() > deadline {
            return false;
        }
        last_ms(5);
    }
    true
}

/// Whoever listens there says nothing.
fn end_while_it_starts(world: &mut World) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    let port = listener.local_addr().expect("it is bound").port();
    let uri = world.database.uri_at_port(port);
    let mut server = Server::spawn(&[("db-uri", &uri)]);
    let knocks = listener.accept();
    last_ms(1000);
    if !end(&mut server) {
        world.complain(GOES_ON);
    }
    drop(knocks);
}
