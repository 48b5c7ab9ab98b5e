//! A primary that writes and a replica that reads: one of them dies, hangs or falls behind. Nobody
//! who reads notices, and who reads what he has written sees it.

use crate::fault::{Fault, Limits};
use crate::load::Habits;
use crate::stage::Stage;
use crate::world::World;
use corerest_tests::cluster::Stop;

/// Those of most rows here.
const READS_BACK: Habits = Habits {
    reads_back: true,
    ..Habits::USUAL
};

/// What all of them begin with. While there is no replica, nobody confirms writes, so they wait.
const WHILE_WRITES_WAIT: Fault = Fault {
    stage: Stage::Fleet,
    settings: &[("db-replica-max-lag", "1")],
    habits: READS_BACK,
    errors: &[],
    reads_go_on: true,
    limits: Limits {
        longest: 5.0,
        ..Limits::USUAL
    },
    ..Fault::USUAL
};

/// The table.
pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "fleet: kill -9 of the replica, start",
        act: |world| {
            world.await_replica(true);
            world.standby().stop(Stop::Kill);
            world.await_replica(false);
            world.standby().start_again();
            world.end();
            world.await_replica(true);
        },
        ..WHILE_WRITES_WAIT
    },
    Fault {
        name: "fleet: the replica hangs, 4 s",
        act: |world| {
            world.await_replica(true);
            let frozen = world.standby().freeze();
            crate::last_ms(4000);
            drop(frozen);
            world.end();
            world.await_replica(true);
        },
        limits: Limits {
            longest: 6.0,
            ..Limits::USUAL
        },
        ..WHILE_WRITES_WAIT
    },
    Fault {
        name: "fleet: the replica falls behind",
        act: fall_behind,
        ..WHILE_WRITES_WAIT
    },
    Fault {
        name: "fleet: stop immediate of the primary, 1 s, and the replica is promoted",
        act: |world| {
            world.await_replica(true);
            world.cluster.stop(Stop::Immediate);
            crate::last_ms(1000);
            world.promote();
        },
        errors: &[503],
        limits: Limits {
            back: 3.0,
            ready: 4.0,
            ..WHILE_WRITES_WAIT.limits
        },
        ..WHILE_WRITES_WAIT
    },
];

/// It replays nothing, and nobody waits for it but who must see what he has written.
fn fall_behind(world: &mut World) {
    world.await_replica(true);
    let primary = world.cluster.postgres();
    primary.run("ALTER SYSTEM SET synchronous_commit = 'on'");
    primary.run("SELECT pg_reload_conf()");
    let replica = world.standby().postgres();
    replica.run("SELECT pg_wal_replay_pause()");
    world.await_replica(false);
    crate::last_ms(500);
    replica.run("SELECT pg_wal_replay_resume()");
    world.end();
    world.await_replica(true);
}
