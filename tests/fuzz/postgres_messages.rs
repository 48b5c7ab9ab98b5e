//! The messages of PostgreSQL's protocol, in both directions.
//!
//! Properties: nothing panics, whatever bytes come; a message of which a part is there is waited
//! for and never misread; what a server writes is read as it was meant; and what we write is read
//! so by a model of a server, which knows nothing of our code but the protocol's documentation.

use crate::choices::Choices;
use crate::server_model::{Said, ServerMessage, read_all, read_startup};
use corerest_wire::pg::frontend::{self, Parameter};
use corerest_wire::pg::{
    Authentication, BackendKey, LastColumn, Message, TransactionStatus, decode, decode_row_prefix,
    decoded_columns,
};

/// Messages to start from; the first byte says what is done with the rest.
pub(crate) const MESSAGE_SEEDS: &[&[u8]] = &[
    b"\x00Z\0\0\0\x05I1\0\0\0\x042\0\0\0\x043\0\0\0\x04n\0\0\0\x04s\0\0\0\x04I\0\0\0\x04",
    b"\x00D\0\0\0\x13\0\x03\0\0\0\x01a\xff\xff\xff\xff\0\0\0\0C\0\0\0\x0dSELECT 1\0",
    b"\x00T\0\0\0\x1a\0\x01id\0\0\0\x40\x10\0\x01\0\0\0\x17\0\x04\xff\xff\xff\xff\0\x01",
    b"\x00E\0\0\0\x1dSERROR\0VERROR\0C22P02\0Mno\0\0N\0\0\0\x0cSNOTICE\0\0",
    b"\x00R\0\0\0\x08\0\0\0\0R\0\0\0\x0c\0\0\0\x05saltR\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0",
    b"\x00R\0\0\0\x0b\0\0\0\x0bbcdK\0\0\0\x0c\0\0\0\x07\0\0\0\x09S\0\0\0\x0aTZ\0UTC\0",
    b"\x00A\0\0\0\x0d\0\0\0\x07ch\0pl\0v\0\0\0\x0e\0\0\0\x02\0\0\0\x01_x\0",
    b"\x01\x00\x03\x01a\x02bc\x00\x01\x05ERROR\x02\x03one\x03two\x04\x05\x06\x07\x08\x09",
    b"\x02\x00\x02s1\x08SELECT 1\x01\x02s1\x03\x03\x01a\x04\x02bc\x05\x02\x03\x04\x05\x06",
];

/// The first byte chooses the direction.
pub fn postgres_messages(data: &[u8]) {
    let [choice, rest @ ..] = data else {
        return;
    };
    match choice % 3 {
        0 => check_bytes(rest),
        1 => check_backend(Choices::new(rest)),
        _ => check_frontend(Choices::new(rest)),
    }
}

fn check_bytes(mut bytes: &[u8]) {
    while let Ok(Some((message, used))) = decode(bytes) {
        let shown = walk(&message);
        for end in [0, 1, 4, 5, used / 2, used - 1] {
            let part = decode(&bytes[..end.min(used - 1)]);
            assert!(matches!(part, Ok(None)), "{end} of {used}: {part:?}");
        }
        let (again, _) = decode(&bytes[..used]).ok().flatten().expect("it is whole");
        assert_eq!(walk(&again), shown);
        if let Message::DataRow(_) = message {
            check_row_prefixes(&bytes[..used], &shown.columns);
        }
        bytes = &bytes[used..];
    }
    // What is no message may be a row of which a part has come.
    let _ = decode_row_prefix(bytes);
}

/// What can be read of a message.
#[derive(Debug, Default, PartialEq, Eq)]
struct Walked {
    columns: Vec<Option<Vec<u8>>>,
    texts: Vec<Vec<u8>>,
    numbers: Vec<i64>,
}

fn walk(message: &Message<'_>) -> Walked {
    let mut walked = Walked::default();
    match message {
        Message::DataRow(row) => {
            walked.columns = row.columns().map(|it| it.map(<[u8]>::to_vec)).collect();
            assert_eq!(walked.columns.len(), row.len());
        }
        Message::ErrorResponse(fields) | Message::NoticeResponse(fields) => {
            let server_error = fields.to_server_error();
            walked.texts.push(server_error.message.into_bytes());
            for (letter, value) in *fields {
                assert!(fields.field(letter).is_some());
                walked.texts.push(value.to_vec());
            }
        }
        Message::RowDescription(description) => {
            for field in description.fields() {
                walked.texts.push(field.name.to_vec());
                walked.numbers.push(i64::from(field.type_oid));
            }
            assert_eq!(walked.texts.len(), description.len());
        }
        Message::Authentication(Authentication::Sasl(mechanisms)) => {
            walked.texts.extend(mechanisms.map(<[u8]>::to_vec));
        }
        Message::Authentication(
            Authentication::SaslContinue(bytes) | Authentication::SaslFinal(bytes),
        ) => walked.texts.push(bytes.to_vec()),
        Message::CommandComplete(tag) => {
            walked.texts.push(tag.bytes().to_vec());
            let rows = tag.rows().and_then(|rows| i64::try_from(rows).ok());
            walked.numbers.extend(rows);
        }
        Message::NotificationResponse {
            process_id,
            channel,
            payload,
        } => {
            walked.numbers.push(i64::from(*process_id));
            walked.texts = vec![channel.to_vec(), payload.to_vec()];
        }
        Message::ParameterStatus { name, value } => {
            walked.texts = vec![name.to_vec(), value.to_vec()];
        }
        other => walked.texts.push(format!("{other:?}").into_bytes()),
    }
    walked
}

/// A row whose last column has not come yet has the same columns before it.
fn check_row_prefixes(row: &[u8], columns: &[Option<Vec<u8>>]) {
    for end in [5, 7, 11, row.len() / 2, row.len() - 1, row.len()] {
        let part = &row[..end.min(row.len())];
        let Some(prefix) = decode_row_prefix(part).expect("the row is good") else {
            assert!(end < row.len(), "all of it is there");
            continue;
        };
        assert_eq!(prefix.message_bytes, row.len());
        let before: Vec<_> = prefix.columns.map(|it| it.map(<[u8]>::to_vec)).collect();
        let decoded: Vec<_> = decoded_columns(part)
            .map(|it| it.map(<[u8]>::to_vec))
            .collect();
        assert_eq!(decoded, before);
        let Some((last, others)) = columns.split_last() else {
            assert_eq!(prefix.last, LastColumn::Missing);
            continue;
        };
        assert_eq!(before, others);
        match (prefix.last, last) {
            (LastColumn::Null, None) => {}
            (
                LastColumn::Value {
                    length,
                    offset,
                    available,
                },
                Some(value),
            ) => {
                assert_eq!(length, value.len());
                assert_eq!(&part[offset..offset + available], &value[..available]);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// What a server says, as it says it.
fn check_backend(mut choices: Choices<'_>) {
    let mut stream = Vec::new();
    let mut said = Vec::new();
    while !choices.is_over() && said.len() < 8 {
        let message = ServerMessage::choose(&mut choices);
        message.write(&mut stream);
        said.push(message);
    }
    let mut rest = &stream[..];
    for expected in &said {
        let (message, used) = decode(rest).expect("it is good").expect("it is whole");
        check_meaning(expected, &message);
        rest = &rest[used..];
    }
    assert!(rest.is_empty());
}

fn check_meaning(expected: &ServerMessage<'_>, found: &Message<'_>) {
    match (expected, found) {
        (ServerMessage::Row(columns), Message::DataRow(row)) => {
            assert!(row.columns().eq(columns.iter().copied()));
        }
        (ServerMessage::Failure(fields), Message::ErrorResponse(found))
        | (ServerMessage::Notice(fields), Message::NoticeResponse(found)) => {
            assert!(found.into_iter().eq(fields.iter().copied()));
        }
        (ServerMessage::Setting(name, value), Message::ParameterStatus { name: n, value: v }) => {
            assert_eq!((n, v), (name, value));
        }
        (ServerMessage::Complete(tag), Message::CommandComplete(found)) => {
            assert_eq!(found.bytes(), *tag);
        }
        (
            ServerMessage::Notification(process, name, text),
            Message::NotificationResponse {
                process_id,
                channel,
                payload,
            },
        ) => assert_eq!((process_id, channel, payload), (process, name, text)),
        (ServerMessage::Key(process, key), Message::BackendKeyData(found)) => {
            assert_eq!((found.process_id, found.secret), (*process, *key));
        }
        (ServerMessage::Ready(letter), Message::ReadyForQuery(status)) => {
            let expected = match letter {
                b'I' => TransactionStatus::Idle,
                b'T' => TransactionStatus::InTransaction,
                _ => TransactionStatus::Failed,
            };
            assert_eq!(*status, expected);
        }
        (ServerMessage::Parsed, Message::ParseComplete)
        | (ServerMessage::Bound, Message::BindComplete)
        | (ServerMessage::Closed, Message::CloseComplete) => {}
        other => panic!("{other:?}"),
    }
}

/// What we write, as a server reads it.
fn check_frontend(mut choices: Choices<'_>) {
    let mut out = Vec::new();
    let mut expected = Vec::new();
    while !choices.is_over() && expected.len() < 8 {
        expected.extend(write_one(&mut choices, &mut out));
    }
    assert_eq!(read_all(&out).expect("it is well-formed"), expected);
    check_before_a_session(&mut choices);
}

/// Writes a message, or nothing where it is refused.
fn write_one(choices: &mut Choices<'_>, out: &mut Vec<u8>) -> Option<Said> {
    let owned = <[u8]>::to_vec;
    match choices.below(8) {
        0 => {
            let (name, text) = (choices.text(), choices.text());
            frontend::parse(out, name, text).expect("it has no NUL");
            Some(Said::Parse(owned(name.as_bytes()), owned(text.as_bytes())))
        }
        1 => {
            let name = choices.text();
            let count = choices.below(5);
            let values: Vec<Option<&[u8]>> = (0..count)
                .map(|_| (choices.below(4) > 0).then(|| choices.bytes()))
                .collect();
            let given = values
                .iter()
                .map(|value| value.map_or(Parameter::Null, Parameter::Value));
            let gap = frontend::bind(out, name, given).expect("it has no NUL");
            assert_eq!(gap, None);
            let values = values.into_iter().map(|value| value.map(owned));
            Some(Said::Bind(owned(name.as_bytes()), values.collect()))
        }
        2 => {
            frontend::execute(out);
            Some(Said::Execute)
        }
        3 => {
            frontend::sync(out);
            Some(Said::Sync)
        }
        4 => {
            let name = choices.text();
            frontend::close_statement(out, name).expect("it has no NUL");
            Some(Said::Close(owned(name.as_bytes())))
        }
        5 => {
            let text = choices.text();
            frontend::query(out, text).expect("it has no NUL");
            Some(Said::Query(owned(text.as_bytes())))
        }
        6 => {
            let response = choices.bytes();
            frontend::sasl_response(out, response).expect("it is short");
            Some(Said::Password(owned(response)))
        }
        _ => {
            // What holds a NUL is refused, and leaves nothing behind.
            let before = out.len();
            let refused = frontend::parse(out, "a", "b\0c");
            assert!(refused.is_err() && out.len() == before);
            None
        }
    }
}

fn check_before_a_session(choices: &mut Choices<'_>) {
    let settings = [("user", choices.text()), ("database", choices.text())];
    let mut out = Vec::new();
    frontend::startup(&mut out, settings).expect("it is short");
    let read = read_startup(&out).expect("it is well-formed");
    let texts = read.split(|byte| *byte == 0);
    let pairs = settings.iter().flat_map(|(name, value)| [*name, *value]);
    assert!(texts.take(4).eq(pairs.map(str::as_bytes)));
    let key = BackendKey {
        process_id: choices.int(),
        secret: choices.int(),
    };
    let mut out = Vec::new();
    frontend::cancel_request(&mut out, key);
    let numbers = [key.process_id.to_be_bytes(), key.secret.to_be_bytes()];
    assert_eq!(out[8..], numbers.concat());
}

#[cfg(test)]
mod tests {
    use super::{MESSAGE_SEEDS, postgres_messages};

    #[test]
    fn messages_mean_the_same_to_both_sides() {
        crate::smoke(postgres_messages, MESSAGE_SEEDS, 20_000);
    }
}
