//! Tests of rows, whole and partial.

use super::super::samples::{description, message, row};
use super::super::{Message, decode};
use super::*;

fn columns(bytes: &[u8]) -> Vec<Option<Vec<u8>>> {
    match decode(bytes) {
        Ok(Some((Message::DataRow(row), _))) => row
            .columns()
            .map(|value| value.map(<[u8]>::to_vec))
            .collect(),
        other => panic!("not a row: {other:?}"),
    }
}

#[test]
fn columns_come_back_as_written() {
    let written: [Option<&[u8]>; 4] = [Some(b"one"), None, Some(b""), Some(b"\0\xff")];
    let expected: Vec<Option<Vec<u8>>> = written
        .iter()
        .map(|value| value.map(<[u8]>::to_vec))
        .collect();
    assert_eq!(columns(&row(&written)), expected);
    assert!(columns(&row(&[])).is_empty());
}

#[test]
fn rows_that_lie_about_themselves_are_refused() {
    let check = |body: &[u8], expected| {
        let bytes = message(b'D', body);
        assert_eq!(decode(&bytes).map(|_| ()), Err(expected), "{body:?}");
        let prefix = decode_row_prefix(&bytes).map(|_| ());
        assert_eq!(prefix, Err(expected), "prefix of {body:?}");
    };
    check(b"", DecodeError::BadLength);
    check(b"\0", DecodeError::BadLength);
    check(b"\0\x01", DecodeError::BadLength);
    check(b"\0\x01\0\0\0\x02a", DecodeError::BadLength);
    check(b"\0\x01\xff\xff\xff\xfe", DecodeError::BadLength); // -2
    check(b"\0\x01\x7f\xff\xff\xffa", DecodeError::BadLength);
    check(b"\0\x02\x7f\xff\xff\xffa", DecodeError::BadLength);
    check(b"\0\x01\0\0\0\x01ab", DecodeError::TrailingBytes);
    check(b"\0\x01\xff\xff\xff\xffa", DecodeError::TrailingBytes);
    check(b"\0\0a", DecodeError::TrailingBytes);
}

/// What the prefix must be when `arrived` bytes of `bytes` are there; the last column has `length`
/// bytes at the end of the message.
#[track_caller]
fn check_prefix(bytes: &[u8], arrived: usize, length: usize) {
    let offset = bytes.len() - length;
    let prefix = decode_row_prefix(&bytes[..arrived]).expect("valid");
    if arrived < offset {
        assert!(prefix.is_none(), "at {arrived}");
        return;
    }
    let prefix = prefix.expect("everything but the last column is there");
    let last = LastColumn::Value {
        length,
        offset,
        available: arrived - offset,
    };
    assert_eq!(prefix.last, last);
    assert_eq!(prefix.message_bytes, bytes.len());
    assert_eq!(
        prefix.columns.collect::<Vec<_>>(),
        [Some(&b"200"[..]), None]
    );
}

#[test]
fn a_row_split_at_every_byte_shows_its_prefix_as_soon_as_possible() {
    let bytes = row(&[Some(b"200"), None, Some(b"{\"id\":1}")]);
    for arrived in 0..=bytes.len() {
        check_prefix(&bytes, arrived, 8);
    }
}

#[test]
fn what_follows_the_row_is_not_counted_as_its_last_column() {
    let mut bytes = row(&[Some(b"x"), Some(b"body")]);
    let end = bytes.len();
    bytes.extend_from_slice(b"C\0\0\0\x0dSELECT 1\0");
    let prefix = decode_row_prefix(&bytes).unwrap().unwrap();
    let last = LastColumn::Value {
        length: 4,
        offset: end - 4,
        available: 4,
    };
    assert_eq!((prefix.last, prefix.message_bytes), (last, end));
}

#[test]
fn a_body_of_almost_a_gibibyte_is_announced_by_its_first_bytes() {
    let length: u32 = (1 << 30) - 100;
    let mut bytes = vec![b'D'];
    bytes.extend_from_slice(&(length + 10).to_be_bytes());
    bytes.extend_from_slice(&1_u16.to_be_bytes());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(b"[{");
    let prefix = decode_row_prefix(&bytes).unwrap().unwrap();
    let last = LastColumn::Value {
        length: length as usize,
        offset: 11,
        available: 2,
    };
    assert_eq!(prefix.last, last);
}

#[test]
fn a_last_column_may_be_null_or_missing() {
    let null = row(&[Some(b"a"), None]);
    assert_eq!(
        decode_row_prefix(&null).unwrap().unwrap().last,
        LastColumn::Null
    );
    let none = row(&[]);
    assert_eq!(
        decode_row_prefix(&none).unwrap().unwrap().last,
        LastColumn::Missing
    );
}

#[test]
fn a_column_longer_than_its_message_is_refused_before_it_arrives() {
    // The message declares 20 bytes, its first of two columns already 100.
    let bytes = b"D\0\0\0\x14\0\x02\0\0\0\x64ab";
    assert_eq!(
        decode_row_prefix(bytes).map(|_| ()),
        Err(DecodeError::BadLength)
    );
    // The last column does not end where the message does.
    let bytes = b"D\0\0\0\x14\0\x01\0\0\0\x09ab";
    assert_eq!(
        decode_row_prefix(bytes).map(|_| ()),
        Err(DecodeError::TrailingBytes)
    );
}

#[test]
fn a_prefix_is_only_taken_from_a_row() {
    let bytes = message(b'Z', b"I");
    assert_eq!(
        decode_row_prefix(&bytes).map(|_| ()),
        Err(DecodeError::NotARow(b'Z'))
    );
    assert!(decode_row_prefix(b"").unwrap().is_none());
}

#[test]
fn a_description_tells_type_and_format_of_each_column() {
    let bytes = description(&[("id", 20, 1), ("body", 114, 0)]);
    let Ok(Some((Message::RowDescription(description), _))) = decode(&bytes) else {
        panic!("not a description");
    };
    let fields: Vec<_> = description
        .fields()
        .map(|field| (field.name, field.type_oid, field.binary))
        .collect();
    assert_eq!(description.len(), 2);
    assert_eq!(fields, [(&b"id"[..], 20, true), (&b"body"[..], 114, false)]);
}

#[test]
fn a_description_with_an_unknown_format_or_a_wrong_count_is_refused() {
    let refused = |bytes: &[u8]| decode(bytes).map(|_| ()).unwrap_err();
    assert_eq!(
        refused(&description(&[("id", 20, 2)])),
        DecodeError::InvalidValue
    );
    let mut bytes = description(&[("id", 20, 1)]);
    bytes[6] = 2;
    assert_eq!(refused(&bytes), DecodeError::UnterminatedString);
    bytes[6] = 0;
    assert_eq!(refused(&bytes), DecodeError::TrailingBytes);
}
