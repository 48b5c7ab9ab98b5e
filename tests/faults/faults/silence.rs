//! Nothing comes any more, and nobody says that it is over. Time alone tells.

use crate::fault::{Effort, Fault, Limits};
use crate::last_ms;
use crate::ledger::NO_ANSWER;
use crate::load::Habits;
use crate::stage::Stage;
use crate::wire::Weather;
use crate::world::World;
use corerest_tests::waiting::until_some;
use std::time::Duration;

/// How long what was asked may be waited for, before it is given up.
const SILENCE_MAX: f64 = 30.0;

/// How long a reload that hangs may hold up the next one.
const RELOAD_MAX: Duration = Duration::from_secs(40);

const POOL_OF_4: &[(&str, &str)] = &[("db-pool", "4")];

const PATIENT: Habits = Habits {
    patience: Duration::from_secs(60),
    ..Habits::USUAL
};

const SILENT: Fault = Fault {
    stage: Stage::Wire,
    habits: PATIENT,
    effort: Effort::AtMost(3),
    errors: &[503, 504],
    limits: Limits {
        back: SILENCE_MAX,
        longest: SILENCE_MAX + 5.0,
        ready: 1.0,
    },
    ..Fault::USUAL
};

/// The table.
pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "the newest connection goes silent",
        act: |world| {
            let connections = world.wire().connections();
            connections.last().expect("there is a load").silence();
        },
        ..SILENT
    },
    Fault {
        name: "the control plane's connection goes silent during a reload",
        settings: &[("internal-schema-cache-query-sleep", "1500")],
        act: silence_control_plane,
        errors: &[],
        limits: Limits {
            back: 0.5,
            longest: 2.0,
            ready: 1.0,
        },
        ..SILENT
    },
    Fault {
        name: "new connections go silent after the login, 4 s, and the listener's is cut",
        act: |world| {
            let listener = world.sessions("query LIKE 'LISTEN%'");
            let listener = listener.first().expect("there is one");
            world.wire().set(Weather::SilentAfterLogin);
            world.wire().connection_of(*listener).cut();
            last_ms(4000);
            world.wire().set(Weather::Fine);
        },
        errors: &[],
        limits: Limits {
            back: 0.5,
            // Of a request that has met such a connection.
            longest: SILENCE_MAX + 5.0,
            ready: SILENCE_MAX,
        },
        ..SILENT
    },
    Fault {
        name: "the whole pool goes silent, new connections are well",
        settings: POOL_OF_4,
        act: silence_all,
        ..SILENT
    },
    Fault {
        name: "the whole pool goes silent, and clients leave after 2 s",
        settings: POOL_OF_4,
        habits: Habits {
            patience: Duration::from_secs(2),
            reads_only: true,
            ..Habits::USUAL
        },
        act: silence_all,
        // Those who leave have no answer.
        errors: &[NO_ANSWER, 503, 504],
        limits: Limits {
            // The listener is well, and the silence of the others has to be noticed first.
            ready: SILENCE_MAX,
            ..SILENT.limits
        },
        ..SILENT
    },
    Fault {
        name: "black hole, 3 s",
        stage: Stage::Network,
        act: |world| black_hole(world, 3000),
        effort: Effort::Quick,
        limits: Limits {
            // TCP sends again after 3.2 s more.
            back: 4.0,
            longest: 8.0,
            ready: 1.0,
        },
        ..SILENT
    },
    Fault {
        name: "black hole, 40 s",
        stage: Stage::Network,
        act: |world| black_hole(world, 40_000),
        effort: Effort::AtMost(2),
        limits: Limits {
            back: 1.0,
            longest: SILENCE_MAX,
            ready: 1.0,
        },
        ..SILENT
    },
];

fn silence_all(world: &mut World) {
    for connection in world.wire().connections() {
        connection.silence();
    }
}

fn black_hole(world: &mut World, milliseconds: u64) {
    world.network().open();
    last_ms(milliseconds);
    world.network().close();
}

/// A reload that was asked for afterwards must come.
fn silence_control_plane(world: &mut World) {
    world.database.run("NOTIFY pgrst");
    let loading = until_some("the schema cache to be loaded", || {
        let sessions = world.sessions("state = 'active' AND query LIKE '%pg_sleep%'");
        sessions.first().copied()
    });
    world.wire().connection_of(loading).silence();
    world.end();
    world.database.run(
        "DROP TABLE IF EXISTS api.later; CREATE TABLE api.later ();
         GRANT ALL ON api.later TO PUBLIC; NOTIFY pgrst",
    );
    if !world.is_served("later", RELOAD_MAX) {
        world.complain("no reload ever since");
    }
}
