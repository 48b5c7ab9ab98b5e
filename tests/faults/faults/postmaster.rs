//! PostgreSQL as a whole goes away and comes back.

use crate::fault::{Effort, Fault, Limits};
use crate::last_ms;
use corerest_tests::cluster::Stop;

/// The table.
pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "kill -9 of the postmaster, start",
        act: |world| {
            world.cluster.stop(Stop::Kill);
            last_ms(300);
            world.cluster.start_again();
        },
        ..Fault::USUAL
    },
    Fault {
        name: "stop fast, 0.3 s, start",
        act: |world| {
            world.cluster.stop(Stop::Fast);
            last_ms(300);
            world.cluster.start_again();
        },
        ..Fault::USUAL
    },
    Fault {
        name: "stop immediate, 0.3 s, start",
        act: |world| {
            world.cluster.stop(Stop::Immediate);
            last_ms(300);
            world.cluster.start_again();
        },
        ..Fault::USUAL
    },
    Fault {
        name: "restart",
        act: |world| {
            world.cluster.stop(Stop::Fast);
            world.cluster.start_again();
        },
        ..Fault::USUAL
    },
    Fault {
        name: "8 s of outage",
        act: |world| {
            world.cluster.stop(Stop::Fast);
            last_ms(8000);
            world.cluster.start_again();
        },
        effort: Effort::AtMost(4),
        limits: Limits {
            ready: 1.0,
            ..Limits::USUAL
        },
        ..Fault::USUAL
    },
];
