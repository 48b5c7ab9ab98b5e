//! Behind a PgBouncer: it crashes, reads its configuration again, loses its connections.

use crate::fault::{Effort, Fault};
use crate::last_ms;
use crate::stage::Stage;
use crate::world::World;
use corerest_tests::pooler::PoolMode;

const UNPREPARED: &[(&str, &str)] = &[("db-prepared-statements", "false")];

/// The table.
pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "PgBouncer in session mode: restart, reload, all sessions end",
        ..in_mode(PoolMode::Session)
    },
    Fault {
        name: "PgBouncer in session mode, unprepared: the same",
        effort: Effort::Long,
        settings: UNPREPARED,
        ..in_mode(PoolMode::Session)
    },
    Fault {
        name: "PgBouncer in transaction mode: the same",
        ..in_mode(PoolMode::Transaction)
    },
    Fault {
        name: "PgBouncer in transaction mode, unprepared: the same",
        settings: UNPREPARED,
        ..in_mode(PoolMode::Transaction)
    },
    Fault {
        name: "PgBouncer in statement mode, unprepared: the same",
        settings: UNPREPARED,
        ..in_mode(PoolMode::Statement)
    },
];

const fn in_mode(mode: PoolMode) -> Fault {
    Fault {
        stage: Stage::Pooler(mode),
        act: shake,
        ..Fault::USUAL
    }
}

fn shake(world: &mut World) {
    world.pooler().restart();
    last_ms(100);
    world.pooler().reload();
    last_ms(100);
    world.end_sessions("true");
}
