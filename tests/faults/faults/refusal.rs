//! PostgreSQL is there, and lets the server wait or not in.

use crate::fault::{Fault, Limits};
use crate::last_ms;
use crate::load::Habits;
use crate::stage::Stage;
use crate::world::{TABLES, World};
use corerest_tests::waiting::until;
use std::time::Duration;

/// The table.
pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "max_connections taken by others, 1 s, and all sessions end",
        stage: Stage::Few,
        act: |world| {
            let mut own = world.superuser();
            let database = world.cluster.postgres();
            let mut others = Vec::new();
            for _ in 0..2 {
                while let Ok(other) = database.try_connect() {
                    others.push(other);
                }
                own.batch_execute(END_ALL).expect("a superuser may do that");
                last_ms(20);
            }
            last_ms(1000);
        },
        limits: Limits {
            longest: 3.0,
            ..Limits::USUAL
        },
        ..Fault::USUAL
    },
    Fault {
        name: "ALTER ROLE NOLOGIN, 1.5 s, and all sessions end",
        act: |world| {
            let mut superuser = world.superuser();
            let mut run = |sql| superuser.batch_execute(sql).expect("a superuser may");
            run("ALTER ROLE authenticator NOLOGIN");
            run(END_ALL);
            last_ms(1500);
            run("ALTER ROLE authenticator LOGIN");
        },
        ..Fault::USUAL
    },
    Fault {
        name: "another password, 1 s, and all sessions end",
        stage: Stage::Password,
        act: |world| {
            let mut superuser = world.superuser();
            let mut run = |sql| superuser.batch_execute(sql).expect("a superuser may");
            run("ALTER ROLE authenticator PASSWORD 'another'");
            run(END_ALL);
            last_ms(1000);
            run("ALTER ROLE authenticator PASSWORD 'right'");
        },
        ..Fault::USUAL
    },
    Fault {
        name: "CONNECTION LIMIT 2 of 10, 1 s, and all sessions end",
        act: |world| {
            let mut superuser = world.superuser();
            let mut run = |sql| superuser.batch_execute(sql).expect("a superuser may");
            run("ALTER ROLE authenticator CONNECTION LIMIT 2");
            run(END_ALL);
            last_ms(1000);
            run("ALTER ROLE authenticator CONNECTION LIMIT -1");
        },
        ..Fault::USUAL
    },
    Fault {
        name: "the database is dropped and made anew",
        act: replace_database,
        // The new one's tables are not known before the schema cache is made from it.
        errors: &[503, 404],
        limits: Limits {
            back: 3.0,
            ..Limits::USUAL
        },
        ..Fault::USUAL
    },
    Fault {
        name: "idle_session_timeout 200 ms, clients that pause 0.6 s",
        habits: Habits {
            pause: Duration::from_millis(600),
            ..Habits::USUAL
        },
        act: |world| {
            let role = format!(
                "ALTER ROLE authenticator IN DATABASE {}",
                world.database.name
            );
            world
                .superuser()
                .batch_execute(&format!("{role} SET idle_session_timeout = 200"))
                .expect("PostgreSQL 14 knows it");
            world.end_sessions("query LIKE 'LISTEN%'");
            world.end_sessions("state = 'idle'");
            last_ms(3000);
            world
                .superuser()
                .batch_execute(&format!("{role} RESET idle_session_timeout"))
                .expect("a superuser may");
        },
        errors: &[],
        ..Fault::USUAL
    },
    Fault {
        name: "ACCESS EXCLUSIVE lock, 1 s",
        act: |world| {
            let mut superuser = world.database.connect();
            let locked = superuser.batch_execute("BEGIN; LOCK api.w IN ACCESS EXCLUSIVE MODE");
            locked.expect("a superuser may");
            last_ms(1000);
            superuser.batch_execute("COMMIT").expect("it was begun");
        },
        errors: &[],
        ..Fault::USUAL
    },
];

const END_ALL: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                        WHERE usename = 'authenticator'";

/// What was written must be asked for, so the old one gets another name instead.
fn replace_database(world: &mut World) {
    let spare = world.cluster.database();
    spare.run(TABLES);
    let (name, mut gone) = (&world.database.name, world.database.clone());
    gone.name = format!("gone_for_{}", spare.name);
    let mut superuser = world.superuser();
    let mut try_run = |sql: &str| superuser.batch_execute(sql);
    // Otherwise whoever wants in waits, while PostgreSQL waits for those who are in.
    let closed = try_run(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
    closed.expect("a superuser may");
    until("the database to be dropped", || {
        let _ = try_run(END_ALL);
        world.sessions("true").is_empty()
            && try_run(&format!("ALTER DATABASE {name} RENAME TO {}", gone.name)).is_ok()
    });
    let opened = try_run(&format!(
        "ALTER DATABASE {} ALLOW_CONNECTIONS true",
        gone.name
    ));
    opened.expect("a superuser may");
    last_ms(300);
    let made = try_run(&format!("ALTER DATABASE {} RENAME TO {name}", spare.name));
    made.expect("nobody is in it");
    world.also_ask(gone);
}
