//! One process of PostgreSQL dies, or stands still.

use crate::fault::{Effort, Fault, Limits};
use crate::last_ms;
use crate::world::World;
use corerest_tests::waiting::until;
use rustix::process::{Pid, Signal, kill_process};

/// The table.
pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "kill -9 of a backend",
        act: |world| {
            let mut witness = world.superuser();
            signal(first(world), Signal::KILL);
            // All other sessions are ended, too, and nobody is let in until the log is replayed.
            until("the crash", || witness.batch_execute("").is_err());
            world.cluster.await_again();
        },
        ..Fault::USUAL
    },
    Fault {
        name: "SIGSTOP of a backend, 1 s",
        act: |world| stand_still(first(world), 1000),
        errors: &[],
        ..Fault::USUAL
    },
    Fault {
        name: "SIGSTOP of the postmaster, 1.5 s",
        act: |world| stand_still(world.cluster.postmaster(), 1500),
        errors: &[],
        ..Fault::USUAL
    },
    Fault {
        name: "SIGSTOP of the postmaster, 3 s, and three sessions end",
        act: |world| {
            let postmaster = world.cluster.postmaster();
            let mut superuser = world.superuser();
            signal(postmaster, Signal::STOP);
            superuser
                .batch_execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                      WHERE usename = 'authenticator' AND query NOT LIKE 'LISTEN%' LIMIT 3",
                )
                .expect("a superuser may do that");
            last_ms(3000);
            signal(postmaster, Signal::CONT);
        },
        effort: Effort::Long,
        limits: Limits {
            longest: 5.0,
            ..Limits::USUAL
        },
        ..Fault::USUAL
    },
];

/// One of the sessions that requests run in.
fn first(world: &World) -> i32 {
    let sessions = world.sessions("query NOT LIKE 'LISTEN%'");
    *sessions.first().expect("there is a load")
}

fn stand_still(process: i32, milliseconds: u64) {
    signal(process, Signal::STOP);
    last_ms(milliseconds);
    signal(process, Signal::CONT);
}

fn signal(process: i32, signal: Signal) {
    let process = Pid::from_raw(process).expect("a process id is not 0");
    kill_process(process, signal).expect("it is one of our cluster's");
}
