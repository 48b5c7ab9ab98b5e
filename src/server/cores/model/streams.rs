//! Whole cores whose clients want rows as they come, or send bodies in parts, in a world where as
//! much goes wrong as in [`super::core`], and where the server may stop in the middle.
//!
//! What has to hold: rows are the ones that were asked for, in their order, and an answer that is
//! whole has all of them; an upload is there as a whole or not at all, as its client was told; and
//! in the end no client, no connection and no place is missing.

use super::super::threads::start_simulated;
use super::core::{Answer, CLIENT_ROOM, LONGEST, More, Plan, Reader, end, make_cores, send};
use super::postgresql::{Faults, Table, row_of, rows_of};
use super::{SIMULATED_STEPS_MAX, check_is_found, check_runs};
use crate::net::Listener;
use crate::sync::{Instant, Mutant};
use corerest_simulation::{Listening, Stream, choose, is_lucky, sleep, spawn};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How many worlds there are.
const RUNS: u64 = 3_000;

const CLIENTS: usize = 4;

/// The most records of an upload: more than three parts of a simulation.
const RECORDS_MAX: usize = 60;

/// What a client is told who cannot know.
const UNKNOWN: &str = "it is unknown whether";

/// What has come of all worlds, so that none of it is left untried.
struct Seen {
    whole: AtomicU64,
    cut_off: AtomicU64,
    written: AtomicU64,
    in_vain: AtomicU64,
}

static SEEN: Seen = Seen {
    whole: AtomicU64::new(0),
    cut_off: AtomicU64::new(0),
    written: AtomicU64::new(0),
    in_vain: AtomicU64::new(0),
};

fn note(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

/// What the client of an upload knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Written,
    NotWritten,
    Unknown,
}

/// An upload of records with these numbers.
struct Sent {
    numbers: Vec<usize>,
    fate: Fate,
}

/// A client that wants rows.
fn reads(stream: &Stream, number: usize) {
    let began = Instant::now();
    let asked = 100 * (number + 1) + choose(10);
    let request = format!(
        "GET /plants?select=id,name&id=eq.{asked} HTTP/1.1\r\nHost: x\r\n\
         Accept: application/x-ndjson\r\n\r\n"
    );
    if !send(stream, request.as_bytes()) {
        return;
    }
    if is_lucky(6) {
        return sleep(Duration::from_millis(choose(50) as u64));
    }
    let mut reader = Reader {
        stream,
        bytes: Vec::new(),
        is_slow: is_lucky(3),
    };
    match reader.chunked() {
        Chunked::None => {}
        Chunked::Refused(status) => assert!(matches!(status, 400 | 500 | 503 | 504), "{status}"),
        Chunked::Begun(text, is_whole) => {
            let rows = (0..rows_of(asked)).map(|index| row_of(asked, index) + "\n");
            let expected = rows.collect::<String>();
            assert!(expected.starts_with(&text), "{asked} has {text:?}");
            assert!(
                !is_whole || text == expected,
                "{asked} lacks rows: {text:?}"
            );
            note(if is_whole { &SEEN.whole } else { &SEEN.cut_off });
        }
    }
    let took = began.elapsed();
    assert!(took < LONGEST, "client {number} was served in {took:?}");
}

/// What has come of an answer whose length is not told before.
enum Chunked {
    None,
    /// An error, with this status.
    Refused(u16),
    /// What has come, and whether it has an end.
    Begun(String, bool),
}

impl Reader<'_> {
    fn chunked(&mut self) -> Chunked {
        let Some(head_end) = self.find(b"\r\n\r\n") else {
            return Chunked::None;
        };
        let head = String::from_utf8_lossy(&self.bytes[..head_end]).into_owned();
        if !head.contains("\r\nTransfer-Encoding: chunked\r\n") {
            return match self.answer() {
                Answer::Whole(answer) => Chunked::Refused(answer.status),
                Answer::CutOff | Answer::None => Chunked::None,
            };
        }
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        self.bytes.drain(..head_end);
        let mut text = Vec::new();
        let is_whole = loop {
            match self.chunk() {
                None => break false,
                Some(chunk) if chunk.is_empty() => break true,
                Some(chunk) => text.extend(chunk),
            }
        };
        let text = String::from_utf8(text).expect("it is ASCII");
        Chunked::Begun(text, is_whole)
    }

    fn chunk(&mut self) -> Option<Vec<u8>> {
        let begin = self.find(b"\r\n")?;
        let size = std::str::from_utf8(&self.bytes[..begin - 2]).expect("it is ASCII");
        let size = usize::from_str_radix(size, 16).expect("it is the size of a chunk");
        let whole = begin + size + 2;
        while self.bytes.len() < whole {
            if matches!(self.more(), More::End) {
                return None;
            }
        }
        let chunk: Vec<u8> = self.bytes.drain(..whole).skip(begin).collect();
        assert_eq!(chunk[size..], *b"\r\n");
        Some(chunk[..size].to_vec())
    }
}

/// A client that sends records, and goes away in their middle or waits for what becomes of them.
fn uploads(stream: &Stream, number: usize) -> Sent {
    let count = 1 + choose(RECORDS_MAX);
    let numbers: Vec<usize> = (0..count).map(|index| 100 * (number + 1) + index).collect();
    let began = Instant::now();
    let leaves_behind = if is_lucky(4) { choose(count) } else { count };
    let is_sent = send_records(stream, &numbers[..leaves_behind], leaves_behind == count);
    let mut reader = Reader {
        stream,
        bytes: Vec::new(),
        is_slow: false,
    };
    let answer = match leaves_behind == count {
        true => reader.answer(),
        false => Answer::None,
    };
    let took = began.elapsed();
    assert!(took < LONGEST, "client {number} was served in {took:?}");
    let fate = match answer {
        Answer::Whole(answer) if answer.status == 201 => Fate::Written,
        Answer::Whole(answer) => {
            let body = String::from_utf8_lossy(&answer.body);
            let is_error = matches!(answer.status, 400 | 408 | 500 | 503 | 504);
            assert!(is_error, "status {}: {body}", answer.status);
            match body.contains(UNKNOWN) {
                true => Fate::Unknown,
                false => Fate::NotWritten,
            }
        }
        Answer::CutOff | Answer::None if is_sent => Fate::Unknown,
        Answer::CutOff | Answer::None => Fate::NotWritten,
    };
    Sent { numbers, fate }
}

/// Says whether all was sent that there is, with its end.
fn send_records(stream: &Stream, numbers: &[usize], is_all: bool) -> bool {
    let head = "POST /plants?columns=id,name HTTP/1.1\r\nHost: x\r\n\
                Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n";
    if !send(stream, head.as_bytes()) {
        return false;
    }
    for numbers in numbers.chunks(7) {
        let records: String = numbers
            .iter()
            .map(|number| format!("{{\"id\":{number},\"name\":\"fern {number}\"}}\n"))
            .collect();
        let chunk = format!("{:x}\r\n{records}\r\n", records.len());
        if is_lucky(4) {
            sleep(Duration::from_millis(choose(100) as u64));
        }
        if !send(stream, chunk.as_bytes()) {
            return false;
        }
    }
    is_all && send(stream, b"0\r\n\r\n")
}

/// An upload is there as a whole, or not at all, as its client was told.
fn check_table(table: &Table, sent: &[Sent]) {
    let rows = table.rows();
    for Sent { numbers, fate } in sent {
        let found = rows.iter().filter(|row| numbers.contains(row));
        let found: Vec<usize> = found.copied().collect();
        let is_there = match found.is_empty() {
            true => false,
            false => {
                assert_eq!(found, *numbers, "a part of an upload was written");
                true
            }
        };
        match fate {
            Fate::Written => assert!(is_there, "{numbers:?} are not there: {rows:?}"),
            Fate::NotWritten => assert!(!is_there, "an upload was written after all"),
            Fate::Unknown => {}
        }
        note(if is_there {
            &SEEN.written
        } else {
            &SEEN.in_vain
        });
    }
}

fn rows_and_records_come_and_go() {
    let plan = Plan {
        connections: 1 + choose(3),
        faults: Faults {
            one_of: [0, 0, 8, 20][choose(4)],
            panics_one_of: 0,
        },
        places: 2 * CLIENTS,
        requests: 1,
        fails_to_accept_one_of: 0,
    };
    let at_door = Listening::new();
    let backend = plan.backend();
    let cores = make_cores(plan, &backend);
    let threads = start_simulated(&cores);
    cores
        .listen(Listener::new(at_door.another(), 0))
        .expect("it is simulated");
    let sent = Arc::new(Mutex::new(Vec::new()));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (stream, sent) = (at_door.connect(CLIENT_ROOM), Arc::clone(&sent));
            spawn(move || match is_lucky(2) {
                true => reads(&stream, number),
                false => {
                    let upload = uploads(&stream, number);
                    sent.lock().expect("nobody panics").push(upload);
                }
            })
        })
        .collect();
    if is_lucky(4) {
        sleep(Duration::from_millis(choose(300) as u64));
        cores.stop();
    }
    clients.into_iter().for_each(|client| client.join());
    end(&cores, threads);
    check_table(&backend.table, &sent.lock().expect("nobody panics"));
}

#[test]
fn rows_are_whole_or_cut_off_and_uploads_are_there_or_not() {
    let name = "rows_are_whole_or_cut_off_and_uploads_are_there_or_not";
    check_runs(
        name,
        RUNS,
        SIMULATED_STEPS_MAX,
        rows_and_records_come_and_go,
    );
    let seen = [&SEEN.whole, &SEEN.cut_off, &SEEN.written, &SEEN.in_vain];
    let seen = seen.map(|count| count.load(Ordering::Relaxed));
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
}

#[test]
fn rows_that_end_well_though_they_failed_are_found() {
    let name = "rows_and_records_come_and_go";
    let run = rows_and_records_come_and_go;
    check_is_found(name, Mutant::FailedRowsEndWell, SIMULATED_STEPS_MAX, run);
}

#[test]
fn an_upload_that_is_written_though_its_client_left_is_found() {
    let name = "rows_and_records_come_and_go";
    let run = rows_and_records_come_and_go;
    check_is_found(name, Mutant::LostUploadIsWritten, SIMULATED_STEPS_MAX, run);
}
