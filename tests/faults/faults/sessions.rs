//! Sessions are ended, and new ones refused.

use crate::fault::Fault;
use crate::last_ms;
use std::time::{Duration, Instant};

/// The table.
pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "two sessions end every 30 ms, 1 s",
        act: |world| {
            let mut superuser = world.superuser();
            let end = Instant::now() + Duration::from_secs(1);
            while Instant::now() < end {
                superuser
                    .batch_execute(
                        "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity
                          WHERE usename = 'authenticator' ORDER BY random() LIMIT 2) AS two",
                    )
                    .expect("a superuser may do that");
                last_ms(30);
            }
        },
        ..Fault::USUAL
    },
    Fault {
        name: "all sessions end",
        act: |world| world.end_sessions("true"),
        ..Fault::USUAL
    },
];
