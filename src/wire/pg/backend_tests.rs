//! Tests of the decoder: every message, every split, and everything that is not a message.

use super::super::limits::CONTROL_MESSAGE_BYTES_MAX;
use super::super::samples::{Random, all, message, row};
use super::super::{decode_row_prefix, fields::ServerError};
use super::*;

#[track_caller]
fn decoded(bytes: &[u8]) -> Message<'_> {
    let (message, used) = decode(bytes).expect("valid").expect("complete");
    assert_eq!(used, bytes.len());
    message
}

#[track_caller]
fn check_refused(bytes: &[u8], expected: DecodeError) {
    assert_eq!(decode(bytes).map(|_| ()), Err(expected), "{bytes:?}");
}

#[test]
fn every_message_is_recognized() {
    for (name, bytes) in all() {
        let text = format!("{:?}", decoded(&bytes));
        assert!(text.starts_with(name), "{name}: {text}");
    }
}

#[test]
fn every_message_split_at_every_byte_asks_for_more_and_is_never_misread() {
    for (name, bytes) in all() {
        for split in 0..bytes.len() {
            let part = decode(&bytes[..split]);
            assert!(matches!(part, Ok(None)), "{name} at {split}: {part:?}");
        }
    }
}

#[test]
fn bytes_after_a_message_do_not_matter() {
    for (name, bytes) in all() {
        let mut longer = bytes.clone();
        longer.extend_from_slice(b"\xff\xff\xff\xff\xff\xff");
        let (message, used) = decode(&longer).expect(name).expect(name);
        assert_eq!(used, bytes.len());
        assert_eq!(format!("{message:?}"), format!("{:?}", decoded(&bytes)));
    }
}

#[test]
fn a_stream_of_all_messages_decodes_one_by_one() {
    let samples = all();
    let stream: Vec<u8> = samples
        .iter()
        .flat_map(|(_, bytes)| bytes.clone())
        .collect();
    let mut rest = &stream[..];
    for (name, _) in &samples {
        let (message, used) = decode(rest).expect(name).expect(name);
        assert!(format!("{message:?}").starts_with(name));
        rest = &rest[used..];
    }
    assert!(rest.is_empty());
}

#[test]
fn a_tag_that_does_not_exist_is_refused_at_the_first_byte() {
    check_refused(b"\0", DecodeError::UnknownTag(0));
    check_refused(b"<html>", DecodeError::UnknownTag(b'<'));
    check_refused(b"\x15\x03\x01", DecodeError::UnknownTag(0x15));
}

#[test]
fn lengths_are_refused_before_the_body_is_waited_for() {
    for length in [
        0_u32,
        1,
        2,
        3,
        0x4000_0001,
        0x7fff_ffff,
        0x8000_0000,
        u32::MAX,
    ] {
        for tag in *b"12CDEZRKTSNA" {
            let mut bytes = vec![tag];
            bytes.extend_from_slice(&length.to_be_bytes());
            check_refused(&bytes, DecodeError::BadLength);
        }
    }
}

#[test]
fn messages_of_fixed_size_have_that_size() {
    check_refused(&message(b'1', b"x"), DecodeError::BadLength);
    check_refused(&message(b'Z', b""), DecodeError::BadLength);
    check_refused(&message(b'Z', b"II"), DecodeError::BadLength);
    check_refused(&message(b'K', b"\0\0\0\x01\0\0\0"), DecodeError::BadLength);
}

#[test]
fn only_rows_may_be_large() {
    let large = (CONTROL_MESSAGE_BYTES_MAX as u32 + 1).to_be_bytes();
    let header = |tag: u8| [tag, large[0], large[1], large[2], large[3]];
    assert!(matches!(decode(&header(b'D')), Ok(None)));
    check_refused(&header(b'E'), DecodeError::BadLength);
    check_refused(&header(b'S'), DecodeError::BadLength);
}

#[test]
fn a_length_beyond_the_content_is_refused() {
    check_refused(&message(b'C', b"SELECT 1\0x"), DecodeError::TrailingBytes);
    check_refused(&message(b'S', b"a\0b\0c"), DecodeError::TrailingBytes);
    check_refused(&message(b'R', b"\0\0\0\0x"), DecodeError::TrailingBytes);
    check_refused(
        &message(b'R', b"\0\0\0\x0aA\0\0x"),
        DecodeError::TrailingBytes,
    );
}

#[test]
fn strings_end_inside_their_message() {
    check_refused(&message(b'C', b"SELECT 1"), DecodeError::UnterminatedString);
    check_refused(&message(b'S', b"a\0b"), DecodeError::UnterminatedString);
    check_refused(
        &message(b'R', b"\0\0\0\x0aA\0B"),
        DecodeError::UnterminatedString,
    );
    check_refused(
        &message(b'R', b"\0\0\0\x0aA\0"),
        DecodeError::UnterminatedString,
    );
    // A zero byte after the message must not be taken for the end of the string.
    let mut bytes = message(b'C', b"SELECT 1");
    bytes.push(0);
    check_refused(&bytes, DecodeError::UnterminatedString);
}

#[test]
fn short_authentication_messages_are_refused() {
    check_refused(&message(b'R', b"\0\0\0"), DecodeError::BadLength);
    check_refused(&message(b'R', b"\0\0\0\x05sal"), DecodeError::BadLength);
}

#[test]
fn a_negotiation_cannot_claim_more_options_than_it_has() {
    let bytes = message(b'v', b"\0\0\0\0\xff\xff\xff\xff_pq_.x\0");
    check_refused(&bytes, DecodeError::UnterminatedString);
}

#[test]
fn an_unknown_transaction_status_is_refused() {
    check_refused(
        &message(b'Z', b"X"),
        DecodeError::UnknownTransactionStatus(b'X'),
    );
}

#[test]
fn mechanisms_are_listed_in_order() {
    let bytes = message(b'R', b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0");
    let Message::Authentication(Authentication::Sasl(mechanisms)) = decoded(&bytes) else {
        panic!("not SASL");
    };
    let names: Vec<&[u8]> = mechanisms.collect();
    assert_eq!(names, [&b"SCRAM-SHA-256-PLUS"[..], b"SCRAM-SHA-256"]);
}

#[test]
fn command_tags_tell_the_number_of_rows() {
    let check = |tag: &[u8], rows| assert_eq!(CommandTag(tag).rows(), rows);
    check(b"SELECT 3", Some(3));
    check(b"INSERT 0 12", Some(12));
    check(b"BEGIN", None);
    check(b"", None);
    check(b"SELECT +3", None);
    check(b"SELECT 99999999999999999999999", None);
}

#[test]
fn the_secret_of_a_key_is_not_printed() {
    let bytes = message(b'K', &[0, 0, 0, 7, 0x12, 0x34, 0x56, 0x78]);
    let text = format!("{:?}", decoded(&bytes));
    assert!(text.contains("REDACTED") && !text.contains(&0x12345678.to_string()));
}

#[test]
fn an_error_becomes_an_owned_one() {
    let bytes = message(b'E', b"SERROR\0C22012\0Mdivision by zero\0\0");
    let Message::ErrorResponse(fields) = decoded(&bytes) else {
        panic!("not an error");
    };
    let expected = ServerError {
        severity: "ERROR".into(),
        code: "22012".into(),
        message: "division by zero".into(),
        ..ServerError::default()
    };
    assert_eq!(fields.to_server_error(), expected);
}

/// Walks over everything a message offers, so that a panic hidden in an iterator would show.
fn visit(message: Message<'_>) -> usize {
    match message {
        Message::DataRow(row) => row.columns().flatten().map(<[u8]>::len).sum(),
        Message::RowDescription(row) => row.fields().map(|field| field.name.len()).sum(),
        Message::ErrorResponse(fields) | Message::NoticeResponse(fields) => {
            fields.to_server_error().message.len() + fields.into_iter().count()
        }
        Message::Authentication(Authentication::Sasl(mechanisms)) => mechanisms.count(),
        Message::CommandComplete(tag) => tag.rows().map_or(0, |_| 1),
        _ => 0,
    }
}

#[test]
fn mutated_messages_never_panic_and_never_claim_more_than_there_is() {
    let mut random = Random::new(0x5eed);
    let samples = all();
    for _ in 0..100_000 {
        let mut bytes = samples[random.below(samples.len())].1.clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[at] = random.next() as u8,
                1 => bytes[at] ^= 1 << random.below(8),
                2 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, random.next() as u8),
            }
        }
        if let Ok(Some((message, used))) = decode(&bytes) {
            assert!(used <= bytes.len());
            assert!(visit(message) <= bytes.len() * 2);
        }
        if let Ok(Some(prefix)) = decode_row_prefix(&bytes) {
            assert!(prefix.columns.flatten().map(<[u8]>::len).sum::<usize>() <= bytes.len());
        }
    }
}

#[test]
fn a_row_and_its_prefix_agree_on_random_input() {
    let mut random = Random::new(77);
    for _ in 0..20_000 {
        let mut bytes = row(&[Some(b"ab"), None, Some(b"cdef")]);
        let at = 1 + random.below(bytes.len() - 1);
        bytes[at] = random.below(8) as u8;
        let whole = decode(&bytes).map(|found| found.map(|(_, used)| used));
        let prefix = decode_row_prefix(&bytes).map(|found| found.map(|row| row.message_bytes));
        match (whole, prefix) {
            (Ok(Some(whole)), Ok(Some(prefix))) => assert_eq!(whole, prefix),
            (Err(_), Err(_)) | (Ok(None), _) => {}
            (whole, prefix) => panic!("{whole:?} but {prefix:?} for {bytes:?}"),
        }
    }
}
