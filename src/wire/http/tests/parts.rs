//! Bodies that are taken in parts: whatever the pieces in which they come, the parts together are
//! the body, none is shorter than was wanted, and no more than that stays in memory.

use super::{chunked, get, limits, post, space_of};
use crate::http::{Connection, Limits, Phase, Progress, Refusal};

/// How long a part is at least.
const WANTED: usize = 10;

/// What came of a body.
#[derive(Debug, Default, PartialEq, Eq)]
struct Taken {
    body: Vec<u8>,
    parts: usize,
    /// Whether it was a request like any other.
    is_whole: bool,
    /// What came behind it.
    next: Option<String>,
    refused: Option<Refusal>,
    /// How much was in memory at most.
    buffered_max: usize,
}

/// Takes a body, always all but the last three bytes of a part, as one does who looks for lines.
fn take(pieces: &[&[u8]], limits: &Limits) -> Taken {
    let mut connection = Connection::new();
    let mut taken = Taken::default();
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let space = space_of(&mut connection, limits);
            let count = space.len().min(rest.len());
            if count == 0 {
                return taken;
            }
            space[..count].copy_from_slice(&rest[..count]);
            connection.received(count);
            rest = &rest[count..];
            look(&mut connection, limits, &mut taken);
        }
    }
    taken
}

fn look(connection: &mut Connection, limits: &Limits, taken: &mut Taken) {
    loop {
        taken.buffered_max = taken.buffered_max.max(connection.buffer_capacity());
        match connection.next(limits) {
            Ok(Progress::NeedMore | Progress::NeedMoreAfterContinue) => return,
            Ok(Progress::Head) => connection.admit_body_in_parts(WANTED),
            Ok(Progress::Part) => {
                assert_eq!(connection.phase(), Phase::Body);
                let part = connection.request().body;
                assert!(part.len() >= WANTED, "{}", part.escape_ascii());
                assert!(!connection.request().keep_alive, "its end has not come");
                let count = part.len() - 3;
                taken.body.extend_from_slice(&part[..count]);
                taken.parts += 1;
                connection.take_part(count, WANTED);
            }
            Ok(Progress::LastPart) => {
                assert_eq!(connection.phase(), Phase::Answering);
                taken.body.extend_from_slice(connection.request().body);
                taken.parts += 1;
                connection.finish_request();
            }
            Ok(Progress::Request) => {
                let request = connection.request();
                if request.method == "GET" {
                    taken.next = Some(request.target().path.to_owned());
                } else {
                    taken.body.extend_from_slice(request.body);
                    taken.is_whole = true;
                }
                connection.finish_request();
            }
            Err(refusal) => {
                taken.refused = Some(refusal);
                return;
            }
        }
    }
}

/// What comes of the input, whatever the pieces.
#[track_caller]
fn check(input: &[u8], body: &[u8], is_whole: bool) {
    let limits = Limits {
        body_bytes_max: 50,
        unadmitted_body_bytes_max: 4,
        ..limits()
    };
    let seen = |pieces: &[&[u8]]| {
        let taken = take(pieces, &limits);
        assert_eq!(
            taken.body.escape_ascii().to_string(),
            body.escape_ascii().to_string()
        );
        assert_eq!(taken.is_whole, is_whole);
        assert_eq!(taken.refused, None);
        assert_eq!(taken.next.as_deref(), Some("/"), "the connection goes on");
    };
    seen(&[input]);
    for at in 0..=input.len() {
        seen(&[&input[..at], &input[at..]]);
    }
    seen(&input.chunks(1).collect::<Vec<_>>());
}

#[test]
fn the_parts_together_are_the_body() {
    for length in [5, 9, 10, 11, 12, 13, 30, 49, 50, 51, 200] {
        let body: String = ('a'..='z').cycle().take(length).collect();
        let is_whole = length <= WANTED;
        let known = post(&format!("Content-Length: {length}\r\n"), &body);
        check((known + &get("")).as_bytes(), body.as_bytes(), is_whole);
        let chunks: String = body
            .as_bytes()
            .chunks(7)
            .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), chunk.escape_ascii()))
            .collect();
        let chunks = chunked(&format!("{chunks}0\r\nX: trailer\r\n\r\n")) + &get("");
        check(chunks.as_bytes(), body.as_bytes(), is_whole);
    }
}

#[test]
fn a_body_of_any_length_takes_no_more_memory_than_a_part() {
    let limits = limits();
    let body = "x".repeat(1 << 20);
    for input in [
        post(&format!("Content-Length: {}\r\n", body.len()), &body),
        chunked(&format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())),
    ] {
        let limits = Limits {
            body_bytes_max: u64::MAX,
            ..limits
        };
        let taken = take(&[input.as_bytes()], &limits);
        assert_eq!(taken.body.len(), body.len());
        assert!(taken.parts > 1);
        assert!(taken.buffered_max <= 16 << 10, "{}", taken.buffered_max);
    }
}

#[test]
fn more_of_a_part_can_be_wanted() {
    let limits = limits();
    let input = post("Content-Length: 900\r\n", &"y".repeat(300));
    let mut connection = super::fed(input.as_bytes(), &limits);
    assert_eq!(connection.next(&limits), Ok(Progress::Head));
    connection.admit_body_in_parts(100);
    assert_eq!(connection.next(&limits), Ok(Progress::Part));
    assert_eq!(
        connection.next(&limits),
        Ok(Progress::Part),
        "until something is done"
    );
    connection.want_part(301);
    assert_eq!(connection.next(&limits), Ok(Progress::NeedMore));
    connection.finish_request();
    assert_eq!(connection.phase(), Phase::Closing);
}

#[test]
fn a_client_that_waits_is_told_to_go_on_once() {
    let limits = limits();
    let input = post("Content-Length: 900\r\nExpect: 100-continue\r\n", "");
    let mut connection = super::fed(input.as_bytes(), &limits);
    assert_eq!(connection.next(&limits), Ok(Progress::Head));
    connection.admit_body_in_parts(100);
    assert_eq!(
        connection.next(&limits),
        Ok(Progress::NeedMoreAfterContinue)
    );
    assert_eq!(connection.next(&limits), Ok(Progress::NeedMore));
}

#[test]
fn what_is_wrong_with_the_framing_is_refused_in_the_middle() {
    let limits = Limits {
        unadmitted_body_bytes_max: 4,
        ..limits()
    };
    let input = chunked("14\r\nabcdefghijklmnopqrst\r\n");
    let taken = take(&[input.as_bytes(), b"zz\r\n"], &limits);
    assert_eq!(taken.parts, 1);
    assert_eq!(taken.refused, Some(Refusal::InvalidChunkSize));
}
