//! The schema changes under the load, and the server is told of it or not.

use crate::fault::Fault;
use crate::last_ms;
use crate::world::World;
use rustix::process::Signal;
use std::time::Duration;

const NONE: Fault = Fault {
    errors: &[],
    ..Fault::USUAL
};

/// The table.
pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "columns are added and dropped",
        act: |world| add_and_drop(world, ""),
        ..NONE
    },
    Fault {
        name: "columns are added and dropped, with NOTIFY",
        act: |world| add_and_drop(world, "; NOTIFY pgrst"),
        ..NONE
    },
    Fault {
        name: "columns change their types, there and back",
        act: |world| {
            for (t, id) in [("varchar", "numeric"), ("text", "bigint")] {
                world.database.run(&format!(
                    "ALTER TABLE api.fixed ALTER t TYPE {t}; ALTER TABLE api.w ALTER id TYPE {id}"
                ));
                last_ms(100);
            }
        },
        ..NONE
    },
    Fault {
        name: "a function is dropped and created",
        act: |world| {
            for _ in 0..5 {
                world.database.run(
                    "DROP FUNCTION api.put_w;
                     CREATE FUNCTION api.put_w(number bigint) RETURNS bigint LANGUAGE sql VOLATILE
                       AS 'INSERT INTO api.w (id) VALUES (number) RETURNING id'",
                );
                last_ms(40);
            }
        },
        ..NONE
    },
    Fault {
        name: "a table is renamed away, 0.3 s, and back",
        act: |world| {
            world.database.run("ALTER TABLE api.fixed RENAME TO away");
            last_ms(300);
            world.database.run("ALTER TABLE api.away RENAME TO fixed");
        },
        errors: &[404],
        ..Fault::USUAL
    },
    Fault {
        name: "a table is swapped in one transaction",
        act: |world| {
            for _ in 0..5 {
                world.database.run(
                    "CREATE TABLE api.next AS TABLE api.fixed;
                     GRANT ALL ON api.next TO PUBLIC;
                     ALTER TABLE api.fixed RENAME TO last;
                     ALTER TABLE api.next RENAME TO fixed;
                     DROP TABLE api.last",
                );
                last_ms(40);
            }
        },
        ..NONE
    },
    Fault {
        name: "3,000 NOTIFYs and 200 signals",
        act: |world| {
            let mut superuser = world.database.connect();
            for number in 0..200 {
                let notified = superuser.batch_execute(&"NOTIFY pgrst;".repeat(15));
                notified.expect("anybody may");
                let is_even = number % 2 == 0;
                world
                    .server
                    .signal(if is_even { Signal::USR1 } else { Signal::USR2 });
                last_ms(2);
            }
            world
                .database
                .run("CREATE TABLE api.notified (); GRANT ALL ON api.notified TO PUBLIC");
            world.database.run("NOTIFY pgrst");
            if !world.is_served("notified", Duration::from_secs(5)) {
                world.complain("the last NOTIFY was not heeded");
            }
            world.database.run("DROP TABLE api.notified; NOTIFY pgrst");
        },
        ..NONE
    },
    Fault {
        name: "broken settings in the database, reload, and mended",
        act: |world| {
            let role = format!(
                "ALTER ROLE authenticator IN DATABASE {}",
                world.database.name
            );
            world.database.run(&format!(
                "{role} SET pgrst.db_max_rows = 'none'; {role} SET pgrst.jwt_aud = '';
                 NOTIFY pgrst, 'reload config'"
            ));
            last_ms(200);
            world.database.run(&format!(
                "{role} RESET pgrst.db_max_rows; {role} RESET pgrst.jwt_aud;
                 NOTIFY pgrst, 'reload config'"
            ));
        },
        ..NONE
    },
];

fn add_and_drop(world: &mut World, then: &str) {
    for change in ["ADD extra int DEFAULT 1", "DROP extra"] {
        for table in ["fixed", "w"] {
            world
                .database
                .run(&format!("ALTER TABLE api.{table} {change}{then}"));
            last_ms(50);
        }
    }
}
