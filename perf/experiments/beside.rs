//! A row by its key, beside clients that must not matter: slow ones and idle ones.

use std::io;

use super::{Column, Setup};
use crate::generator::Options;
use crate::scenario::POINT;

/// In `stall`: so many measured clients …
const STALL_CONNECTIONS: usize = 64;
/// … beside so many whose queries take a second.
const SLOW_CONNECTIONS: usize = 4;
const ALONE: &str = "alone";

pub(super) fn stall(setup: &Setup) -> io::Result<Vec<Column>> {
    let together = format!("beside {SLOW_CONNECTIONS} slow");
    setup.rounds(&[ALONE, &together], |name| {
        let slow_connections = if name == ALONE { 0 } else { SLOW_CONNECTIONS };
        setup.load(&setup.server()?, &POINT, |options| Options {
            connections: STALL_CONNECTIONS,
            slow_connections,
            ..options
        })
    })
}

pub(super) fn idle(setup: &Setup) -> io::Result<Vec<Column>> {
    let together = format!("beside {} idle", setup.arguments.idle);
    setup.rounds(&[ALONE, &together], |name| {
        let idle = setup.arguments.idle;
        let idle_connections = if name == ALONE { 0 } else { idle };
        setup.load(&setup.server()?, &POINT, |options| Options {
            idle_connections,
            ..options
        })
    })
}
