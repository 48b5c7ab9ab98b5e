//! The primary dies, and its synchronous standby becomes the primary.

use crate::fault::Fault;
use crate::load::Habits;
use crate::stage::Stage;
use crate::world::World;
use corerest_tests::cluster::Stop;

/// The table.
pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "failover, target_session_attrs=read-write",
        stage: Stage::Pair("read-write"),
        act: fail_over,
        ..Fault::USUAL
    },
    Fault {
        name: "failover, target_session_attrs=prefer-standby",
        stage: Stage::Pair("prefer-standby"),
        // A standby takes no writes.
        habits: Habits {
            reads_only: true,
            ..Habits::USUAL
        },
        act: fail_over,
        ..Fault::USUAL
    },
];

fn fail_over(world: &mut World) {
    world.cluster.stop(Stop::Immediate);
    world.promote();
}
