//! The way to PostgreSQL is disturbed, and both ends hear of it sooner or later.

use crate::fault::{Effort, Fault, Limits};
use crate::last_ms;
use crate::load::Habits;
use crate::stage::Stage;
use crate::wire::Weather;
use crate::world::World;
use std::time::Duration;

const WIRE: Fault = Fault {
    stage: Stage::Wire,
    ..Fault::USUAL
};

const TLS: Fault = Fault {
    stage: Stage::Tls,
    ..Fault::USUAL
};

/// The table.
pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "all connections are cut",
        act: cut,
        ..WIRE
    },
    Fault {
        name: "all connections are reset",
        act: reset,
        ..WIRE
    },
    Fault {
        name: "all connections are cut, TLS",
        act: cut,
        ..TLS
    },
    Fault {
        name: "all connections are reset, TLS",
        effort: Effort::Long,
        act: reset,
        ..TLS
    },
    Fault {
        name: "replies end in their middle, 0.5 s",
        act: |world| weather(world, Weather::Halve, 500),
        ..WIRE
    },
    Fault {
        name: "replies come byte by byte, 1 s",
        act: |world| weather(world, Weather::Trickle, 1000),
        errors: &[],
        ..WIRE
    },
    Fault {
        name: "the port refuses, 1 s, and all connections are cut",
        act: |world| {
            world.wire().close_port();
            cut(world);
            last_ms(1000);
            world.wire().open_port();
        },
        ..WIRE
    },
    Fault {
        name: "nothing passes, 3 s, and then all",
        act: |world| weather(world, Weather::Pause, 3000),
        errors: &[],
        limits: Limits {
            longest: 4.0,
            ..Limits::USUAL
        },
        ..WIRE
    },
    Fault {
        name: "replies are late by 0–2 s, 5 s",
        act: |world| weather(world, Weather::Delay(2000), 5000),
        effort: Effort::AtMost(10),
        errors: &[],
        limits: Limits {
            back: 3.0,
            // Some replies come in several pieces.
            longest: 8.0,
            ready: 3.0,
        },
        ..WIRE
    },
    Fault {
        name: "bytes are changed in 2 % of the replies, 0.5 s",
        act: |world| weather(world, Weather::Corrupt(2), 500),
        effort: Effort::Long,
        habits: Habits {
            patience: Duration::from_secs(60),
            ..Habits::USUAL
        },
        may_be_wrong: true,
        // A reply that claims to be longer than it is does not end.
        limits: Limits {
            longest: 35.0,
            ..Limits::USUAL
        },
        // Whatever PostgreSQL is made to have said.
        errors: &[400, 403, 404, 409, 500, 503],
        ..WIRE
    },
];

fn cut(world: &mut World) {
    for connection in world.wire().connections() {
        connection.cut();
    }
}

fn reset(world: &mut World) {
    for connection in world.wire().connections() {
        connection.reset();
    }
}

fn weather(world: &mut World, weather: Weather, milliseconds: u64) {
    world.wire().set(weather);
    last_ms(milliseconds);
    world.wire().set(Weather::Fine);
}
