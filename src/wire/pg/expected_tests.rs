//! Tests of the reply queue, as conversations: what we pushed, what came, what it meant.

use super::super::samples::{all, description, message, row};
use super::super::{decode, limits::EXPECTED_REPLIES_MAX};
use super::*;

/// A conversation. Pushes: `p`arse, `b`ind, `d`escribe, `r`ows, `c`lose, `z` sync.
struct Talk(ExpectedReplies);

impl Talk {
    /// `"pbr pbr z"`: groups are statements 0, 1, …
    fn new(batch: &str) -> Talk {
        let mut talk = Talk(ExpectedReplies::default());
        talk.push(batch);
        talk
    }

    fn push(&mut self, batch: &str) {
        for (index, group) in batch.split(' ').enumerate() {
            for letter in group.chars() {
                let statement = StatementIndex(index as u16);
                match letter {
                    'p' => self.0.push(statement, Expected::ParseComplete),
                    'b' => self.0.push(statement, Expected::BindComplete),
                    'd' => self.0.push(statement, Expected::Description),
                    'r' => self.0.push(statement, Expected::Rows),
                    'c' => self.0.push(statement, Expected::CloseComplete),
                    'z' => self.0.push_sync(),
                    other => panic!("no reply is called {other}"),
                }
            }
        }
    }

    fn try_on(&mut self, tag: char) -> Result<Step, ProtocolViolation> {
        let bytes = match tag {
            'D' => row(&[Some(b"x")]),
            'T' => description(&[("x", 25, 0)]),
            'C' => message(b'C', b"SELECT 1\0"),
            'E' => message(b'E', b"SERROR\0\0"),
            'N' => message(b'N', b"SNOTICE\0\0"),
            'S' => message(b'S', b"a\0b\0"),
            'A' => message(b'A', b"\0\0\0\x01a\0b\0"),
            'Z' => message(b'Z', b"I"),
            'G' => message(b'G', b""),
            other => message(other as u8, b""),
        };
        let (message, _) = decode(&bytes).expect("valid").expect("complete");
        self.0.on(&message)
    }

    /// `"120 D0 C0 Z"` style: each reply and what it must mean.
    #[track_caller]
    fn check(&mut self, replies: &str, expected: &[Step]) -> &mut Talk {
        let steps: Vec<Step> = replies
            .chars()
            .map(|tag| self.try_on(tag).expect("the reply is due"))
            .collect();
        assert_eq!(steps, expected);
        self
    }

    #[track_caller]
    fn refuses(&mut self, tag: char, violation: ProtocolViolation) {
        assert_eq!(self.try_on(tag), Err(violation));
    }
}

const fn acknowledged(statement: u16) -> Step {
    Step::Acknowledged(StatementIndex(statement))
}
const fn a_row(statement: u16) -> Step {
    Step::Row(StatementIndex(statement))
}
const fn complete(statement: u16) -> Step {
    Step::RowsComplete(StatementIndex(statement))
}
const fn failed(statement: u16) -> Step {
    Step::Failed(Some(StatementIndex(statement)))
}
const READY: Step = Step::Ready(TransactionStatus::Idle);

#[test]
fn a_statement_with_rows() {
    let mut talk = Talk::new("pbr z");
    talk.check(
        "12DDCZ",
        &[
            acknowledged(0),
            acknowledged(0),
            a_row(0),
            a_row(0),
            complete(0),
            READY,
        ],
    );
    assert!(talk.0.is_idle());
}

#[test]
fn a_prepared_statement_without_rows() {
    Talk::new("br z").check("2CZ", &[acknowledged(0), complete(0), READY]);
}

#[test]
fn replies_belong_to_the_statement_in_turn() {
    Talk::new("br pbr br z").check(
        "2DC12DC2CZ",
        &[
            acknowledged(0),
            a_row(0),
            complete(0),
            acknowledged(1),
            acknowledged(1),
            a_row(1),
            complete(1),
            acknowledged(2),
            complete(2),
            READY,
        ],
    );
}

#[test]
fn an_empty_statement_is_complete() {
    Talk::new("pbr z").check(
        "12IZ",
        &[acknowledged(0), acknowledged(0), complete(0), READY],
    );
}

#[test]
fn a_suspended_portal_is_complete() {
    Talk::new("r z").check("DsZ", &[a_row(0), complete(0), READY]);
}

#[test]
fn a_closed_statement_is_acknowledged() {
    Talk::new("c br z").check(
        "32CZ",
        &[acknowledged(0), acknowledged(1), complete(1), READY],
    );
}

#[test]
fn a_description_is_rows_or_nothing() {
    let steps = [acknowledged(0), acknowledged(0), complete(0), READY];
    Talk::new("bdr z").check("2TCZ", &steps);
    Talk::new("bdr z").check("2nCZ", &steps);
}

#[test]
fn an_error_in_parse_skips_to_ready() {
    let mut talk = Talk::new("pbr pbr z");
    talk.check("E", &[failed(0)]);
    assert!(talk.0.is_failed());
    talk.check("Z", &[READY]);
    assert!(talk.0.is_idle() && !talk.0.is_failed());
}

#[test]
fn an_error_in_bind_skips_to_ready() {
    Talk::new("pbr z").check("1EZ", &[acknowledged(0), failed(0), READY]);
}

#[test]
fn an_error_among_rows_skips_to_ready() {
    Talk::new("br br z").check("2DEZ", &[acknowledged(0), a_row(0), failed(0), READY]);
}

#[test]
fn an_error_in_the_second_statement_names_the_second() {
    Talk::new("br br br z").check(
        "2C2EZ",
        &[
            acknowledged(0),
            complete(0),
            acknowledged(1),
            failed(1),
            READY,
        ],
    );
}

#[test]
fn an_error_at_sync_blames_no_statement() {
    Talk::new("br z").check(
        "2CEZ",
        &[acknowledged(0), complete(0), Step::Failed(None), READY],
    );
}

#[test]
fn a_second_error_blames_no_statement() {
    Talk::new("br z").check("EEZ", &[failed(0), Step::Failed(None), READY]);
}

#[test]
fn an_error_ends_only_its_own_batch() {
    let mut talk = Talk::new("br z");
    talk.push("pbr z");
    talk.check(
        "EZ12CZ",
        &[
            failed(0),
            READY,
            acknowledged(0),
            acknowledged(0),
            complete(0),
            READY,
        ],
    );
}

#[test]
fn after_an_error_rows_are_refused() {
    let mut talk = Talk::new("br z");
    talk.check("E", &[failed(0)]);
    talk.refuses('D', ProtocolViolation::OutOfTurn(Expected::ReadyForQuery));
}

#[test]
fn after_an_error_completion_is_refused() {
    let mut talk = Talk::new("br z");
    talk.check("E", &[failed(0)]);
    talk.refuses('C', ProtocolViolation::OutOfTurn(Expected::ReadyForQuery));
}

#[test]
fn asynchronous_messages_pass_while_idle() {
    let mut talk = Talk(ExpectedReplies::default());
    talk.check("NSA", &[Step::Asynchronous; 3]);
    assert!(talk.0.is_idle());
}

#[test]
fn asynchronous_messages_pass_between_all_replies() {
    Talk::new("pbr z").check(
        "N1S2AD NCSZ".replace(' ', "").as_str(),
        &[
            Step::Asynchronous,
            acknowledged(0),
            Step::Asynchronous,
            acknowledged(0),
            Step::Asynchronous,
            a_row(0),
            Step::Asynchronous,
            complete(0),
            Step::Asynchronous,
            READY,
        ],
    );
}

#[test]
fn asynchronous_messages_pass_after_an_error() {
    Talk::new("br z").check("ENZ", &[failed(0), Step::Asynchronous, READY]);
}

#[test]
fn a_row_while_idle_is_refused() {
    Talk(ExpectedReplies::default()).refuses('D', ProtocolViolation::Unsolicited);
}

#[test]
fn an_error_while_idle_is_refused() {
    Talk(ExpectedReplies::default()).refuses('E', ProtocolViolation::Unsolicited);
}

#[test]
fn ready_while_idle_is_refused() {
    Talk(ExpectedReplies::default()).refuses('Z', ProtocolViolation::Unsolicited);
}

#[test]
fn ready_before_the_statement_is_complete_is_refused() {
    let mut talk = Talk::new("br z");
    talk.check("2", &[acknowledged(0)]);
    talk.refuses('Z', ProtocolViolation::OutOfTurn(Expected::Rows));
}

#[test]
fn a_second_ready_is_refused() {
    let mut talk = Talk::new("br z");
    talk.check("2CZ", &[acknowledged(0), complete(0), READY]);
    talk.refuses('Z', ProtocolViolation::Unsolicited);
}

#[test]
fn acknowledgements_in_the_wrong_order_are_refused() {
    Talk::new("pbr z").refuses('2', ProtocolViolation::OutOfTurn(Expected::ParseComplete));
    Talk::new("br z").refuses('1', ProtocolViolation::OutOfTurn(Expected::BindComplete));
    Talk::new("c z").refuses('2', ProtocolViolation::OutOfTurn(Expected::CloseComplete));
}

#[test]
fn rows_before_bind_are_refused() {
    Talk::new("br z").refuses('D', ProtocolViolation::OutOfTurn(Expected::BindComplete));
}

#[test]
fn rows_after_completion_are_refused() {
    let mut talk = Talk::new("br z");
    talk.check("2C", &[acknowledged(0), complete(0)]);
    talk.refuses('D', ProtocolViolation::OutOfTurn(Expected::ReadyForQuery));
}

#[test]
fn a_description_nobody_asked_for_is_refused() {
    Talk::new("br z").refuses('T', ProtocolViolation::OutOfTurn(Expected::BindComplete));
}

#[test]
fn copy_is_refused() {
    let mut talk = Talk::new("r z");
    talk.refuses('G', ProtocolViolation::OutOfTurn(Expected::Rows));
}

#[test]
fn a_refused_reply_changes_nothing() {
    let mut talk = Talk::new("br z");
    talk.refuses('D', ProtocolViolation::OutOfTurn(Expected::BindComplete));
    talk.check("2CZ", &[acknowledged(0), complete(0), READY]);
}

#[test]
fn the_transaction_status_is_passed_on() {
    for (letter, status) in [
        (b"T", TransactionStatus::InTransaction),
        (b"E", TransactionStatus::Failed),
    ] {
        let mut talk = Talk::new("z");
        let bytes = message(b'Z', letter);
        let (message, _) = decode(&bytes).unwrap().unwrap();
        assert_eq!(talk.0.on(&message), Ok(Step::Ready(status)));
    }
}

#[test]
fn a_partial_row_counts_like_a_whole_one() {
    let mut talk = Talk::new("br z");
    assert_eq!(
        talk.0.on_row(),
        Err(ProtocolViolation::OutOfTurn(Expected::BindComplete))
    );
    talk.check("2", &[acknowledged(0)]);
    assert_eq!(talk.0.on_row(), Ok(a_row(0)));
    talk.check("CZ", &[complete(0), READY]);
    assert_eq!(talk.0.on_row(), Err(ProtocolViolation::Unsolicited));
}

#[test]
fn the_next_reply_can_be_looked_at() {
    let mut talk = Talk::new("br z");
    assert_eq!(
        talk.0.front(),
        Some((Expected::BindComplete, StatementIndex(0)))
    );
    talk.0.clear();
    assert_eq!(talk.0.front(), None);
}

#[test]
fn flushed_flights_of_one_transaction_follow_each_other() {
    let mut talk = Talk::new("pbr");
    talk.check("12C", &[acknowledged(0), acknowledged(0), complete(0)]);
    assert!(talk.0.is_idle());
    talk.push("br z");
    talk.check("2CZ", &[acknowledged(0), complete(0), READY]);
}

#[test]
fn what_follows_a_failed_flight_is_skipped_up_to_the_sync() {
    let mut talk = Talk::new("pbr");
    talk.check("1E", &[acknowledged(0), failed(0)]);
    assert!(!talk.0.is_idle() && talk.0.is_failed());
    talk.push("br br");
    assert_eq!(talk.0.front(), None);
    talk.refuses('2', ProtocolViolation::Unsolicited);
    talk.check("EN", &[Step::Failed(None), Step::Asynchronous]);
    talk.push("z br");
    talk.check("Z2C", &[READY, acknowledged(1), complete(1)]);
}

#[test]
#[should_panic(expected = "without reading their replies")]
fn a_queue_that_is_never_read_is_a_bug() {
    let mut replies = ExpectedReplies::default();
    for _ in 0..=EXPECTED_REPLIES_MAX {
        replies.push_sync();
    }
}

#[test]
fn no_message_at_any_moment_panics() {
    for batch in ["", "p", "b", "d", "r", "c", "z"] {
        for (_, bytes) in all() {
            let mut talk = Talk::new(batch);
            let (message, _) = decode(&bytes).unwrap().unwrap();
            let before = talk.0.front();
            if talk.0.on(&message).is_err() {
                assert_eq!(talk.0.front(), before);
            }
        }
    }
}
