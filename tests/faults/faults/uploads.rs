//! Bodies that come in parts end in their middle: nothing of them is left, and the next one is
//! taken as a whole.

use super::process;
use crate::fault::{Fault, Limits};
use crate::ledger::NO_CONNECTION;
use crate::world::World;
use corerest_tests::client::{Client, request};
use corerest_tests::cluster::Stop;
use corerest_tests::waiting::until;
use rustix::process::Signal;
use std::ops::Range;

/// How many are under way at a time.
const UPLOADS: usize = 3;

/// So many lines are more than one part.
const MANY: u32 = 16_000;

/// The table.
pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "uploads: their clients leave",
        act: |world| {
            for (number, client) in begin(world).into_iter().enumerate() {
                match number % 2 {
                    0 => client.reset("that is the fault"),
                    _ => client.leave("that is the fault"),
                }
            }
            world.end();
            check(world);
        },
        errors: &[],
        ..Fault::USUAL
    },
    Fault {
        name: "uploads: kill -9 of the postmaster, start",
        act: |world| {
            let mut clients = begin(world);
            world.cluster.stop(Stop::Kill);
            world.cluster.start_again();
            world.end();
            clients.iter_mut().for_each(send_rest);
            end_in_vain(world, clients);
            check(world);
        },
        ..Fault::USUAL
    },
    Fault {
        name: "uploads: SIGTERM, and another process in its place",
        act: |world| {
            let clients = begin(world);
            world.server.signal(Signal::TERM);
            end_in_vain(world, clients);
            if !process::ends(&mut world.server) {
                world.complain(process::GOES_ON);
            }
            drop(world.succeed());
            world.end();
            check(world);
        },
        errors: &[NO_CONNECTION],
        limits: Limits {
            longest: 3.0,
            ..Limits::USUAL
        },
        ..Fault::USUAL
    },
];

/// Sends more than one part of each, and returns when PostgreSQL waits for the next one.
fn begin(world: &World) -> Vec<Client> {
    let clients = (0..UPLOADS).map(|_| {
        let mut client = world.server.client();
        client.send(head());
        client.send(chunk(0..MANY));
        client
    });
    let clients = clients.collect();
    until("the transactions to be open", || open(world) == UPLOADS);
    clients
}

/// Sends the rest, as if nothing had been. Whoever is not listened to any more may have been
/// answered.
fn send_rest(client: &mut Client) {
    let _ = client.try_send(&chunk(MANY..2 * MANY));
    let _ = client.try_send(b"0\r\n\r\n");
}

/// None of them is told that it was written.
fn end_in_vain(world: &mut World, clients: Vec<Client>) {
    for mut client in clients {
        if client.try_read("POST").is_ok_and(|it| it.status < 500) {
            world.complain("an upload was written that had no end, or no connection");
        }
        client.leave("it is over");
    }
}

/// Nothing is left of those, and what is sent now is there once.
fn check(world: &mut World) {
    until("the transactions to end", || open(world) == 0);
    let count = |world: &World| {
        world
            .database
            .one("SELECT count(*)::text FROM api.uploaded")
    };
    let left = count(world);
    if left != "0" {
        world.complain(&format!("{left} rows are left of uploads without an end"));
    }
    let mut client = world.server.client();
    client.send(head());
    client.send(chunk(0..MANY));
    client.send(chunk(MANY..2 * MANY));
    client.send("0\r\n\r\n");
    let status = client.read("POST").status;
    let (written, expected) = (count(world), (2 * MANY).to_string());
    if (status, &written) != (201, &expected) {
        world.complain(&format!(
            "an upload got {status}, and {written} rows are there"
        ));
    }
    world.database.run("TRUNCATE api.uploaded");
}

/// Sessions that wait for the next part.
fn open(world: &World) -> usize {
    let sql = "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() \
               AND state = 'idle in transaction'";
    world.database.one(sql).parse().expect("it is a number")
}

fn head() -> Vec<u8> {
    let headers = [
        ("Content-Type", "application/x-ndjson"),
        ("Transfer-Encoding", "chunked"),
    ];
    request("POST", "/uploaded", &headers)
}

/// Lines with these numbers, of about 100 bytes each.
fn chunk(ids: Range<u32>) -> Vec<u8> {
    let line = "x".repeat(70);
    let lines: String = ids
        .map(|id| format!("{{\"id\":{id},\"line\":\"{line}\"}}\n"))
        .collect();
    format!("{:x}\r\n{lines}\r\n", lines.len()).into_bytes()
}
