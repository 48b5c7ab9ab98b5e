//! Sessions end whose rows are on their way to clients: each of these hears that there is no end,
//! and it is counted.

use crate::fault::Fault;
use crate::world::World;
use corerest_tests::client::{Client, request};
use corerest_tests::waiting::until;
use rustix::process::{Pid, Signal, kill_process};

/// How many answers are under way at a time.
const STREAMS: usize = 3;

const THEIRS: &str = "query LIKE '%drip%'";

const CUT_OFF: &str = "corerest_responses_cut_off_total";

/// The table.
pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "streams: their sessions end among the rows",
        act: |world| {
            break_off(world, |world| world.end_sessions(THEIRS));
        },
        errors: &[],
        ..Fault::USUAL
    },
    Fault {
        name: "streams: kill -9 of a backend among the rows",
        act: |world| {
            break_off(world, |world| {
                let mut witness = world.superuser();
                let process = world.sessions(THEIRS).into_iter().find_map(Pid::from_raw);
                let killed = kill_process(process.expect("they are at work"), Signal::KILL);
                killed.expect("it is one of our cluster's");
                until("the crash", || witness.batch_execute("").is_err());
                world.cluster.await_again();
            });
        },
        ..Fault::USUAL
    },
];

fn break_off(world: &mut World, how: fn(&World)) {
    let before = world.server.metric(CUT_OFF);
    let streams: Vec<(Client, Vec<u8>)> = (0..STREAMS).map(|_| begin(world)).collect();
    how(world);
    world.end();
    for (mut client, mut bytes) in streams {
        // A connection that is reset is cut off, too.
        while let Ok(some) = client.read_some(usize::MAX)
            && !some.is_empty()
        {
            bytes.extend(some);
        }
        client.leave("it is over");
        if bytes.ends_with(b"\r\n0\r\n\r\n") {
            world.complain("a broken stream has a last chunk");
        }
    }
    let counted = world.server.metric(CUT_OFF) - before;
    if counted != STREAMS as f64 {
        world.complain(&format!(
            "{counted} of {STREAMS} streams are counted as cut off"
        ));
    }
    check_whole(world);
}

/// Asks for rows that take their time, and returns when the first ones are there.
fn begin(world: &World) -> (Client, Vec<u8>) {
    let mut client = world.server.client();
    client.send(ask("/drip"));
    let mut bytes = Vec::new();
    while !bytes.windows(2).any(|two| two == b"}\n") {
        bytes.extend(client.read_some(usize::MAX).expect("rows come"));
    }
    (client, bytes)
}

/// Rows that nobody breaks off have an end.
fn check_whole(world: &mut World) {
    let mut client = world.server.client();
    client.send(ask("/fixed?select=id"));
    let answer = client.read("GET");
    let rows = answer.text().lines().count();
    if (answer.status, rows) != (200, crate::load::FIXED_ROWS) {
        world.complain(&format!(
            "a stream has {rows} rows, and status {}",
            answer.status
        ));
    }
}

fn ask(target: &str) -> Vec<u8> {
    request("GET", target, &[("Accept", "application/x-ndjson")])
}
