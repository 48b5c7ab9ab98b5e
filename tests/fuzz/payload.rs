//! Request bodies: whatever comes is refused, or is JSON that PostgreSQL can read.
//!
//! Properties: nothing panics; JSON goes on as it came and is judged as simd-json judges it; its
//! columns are the keys that simd-json finds; what is written for CSV and forms is JSON of the
//! kind that was announced, and is judged so again; a body that is blank in front means the same.

use corerest_api::Error;
use corerest_api::internals::{
    Action, Content, Invocation, JsonForm, JsonLinesName, MediaType, Mutation, Payload,
};
use corerest_sql::{Ident, QualifiedName};
use simd_json::BorrowedValue;
use simd_json::prelude::{ValueAsArray, ValueAsObject};
use std::collections::BTreeSet;

/// Bodies to start from, good and bad; the first byte chooses the media type.
pub(crate) const PAYLOAD_SEEDS: &[&[u8]] = &[
    b"\x00{\"id\":1,\"name\":\"\\u00e9\\ud83d\\ude00\\n\",\"tags\":[true,false,null,{}]}",
    b"\x00[{\"a\":1,\"b\":-0.5e+7},{\"b\":[[]],\"\\u0061\":\"x\"}, {\"a\":{\"c\":0},\"b\":10}]",
    b"\x00 [ { } , { } ] ",
    b"\x00\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\"",
    b"\x00[]",
    b"\x00[{\"a\":1,\"a\":2},{\"a\":3}]",
    b"\x01id,name\r\n1,\"a \"\"b\"\", c\"\r\n\r\nNULL,\xc3\xa9\r\n",
    b"\x01a,a,b\n1,2\n1,2,3,4\n\"\n\"\n",
    b"\x02a=1&b=x+y%20%c3%a9&a=2;c",
    b"\x03<a/>",
    b"\x00\xef\xbb\xbf{\"a\":1}",
    b"\x01\xef\xbb\xbfa\n1\n",
    b"\x04{\"a\":1}\n\r\n {\"a\":[2]}",
];

/// The first byte chooses the media type, and whom the body is for.
pub fn payload(data: &[u8]) {
    let [choice, body @ ..] = data else {
        return;
    };
    let content_type = match choice % 5 {
        0 => MediaType::ApplicationJson,
        1 => MediaType::TextCsv,
        2 => MediaType::UrlEncoded,
        4 => MediaType::JsonLines(JsonLinesName::NdJson),
        _ => MediaType::TextPlain,
    };
    let parsed = parse(choice >> 2, &content_type, body);
    if content_type == MediaType::ApplicationJson {
        let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        check_json(choice >> 2, text, parsed.as_ref());
    }
    let Ok(payload) = parsed else {
        return;
    };
    let mut written = Vec::new();
    payload.content.write(&mut written);
    match payload.content {
        Content::Csv(_) | Content::Form(_) | Content::Lines { .. } => {
            let again = parse(choice >> 2, &MediaType::ApplicationJson, &written);
            let again = again.expect("what is written for PostgreSQL is JSON");
            assert_eq!(again.content.shape(), payload.content.shape());
            assert_eq!(again.columns, payload.columns);
        }
        Content::Json { .. } => {
            let mark = body.len() - written.len();
            assert!(mark == 0 || body[..mark] == *b"\xef\xbb\xbf");
            assert!(written == body[mark..]);
        }
        Content::Empty => assert!(written == b"[]"),
        Content::Raw(_) => assert_eq!(written, body),
        Content::Parts(_) => unreachable!("it is here as a whole"),
    }
}

fn parse<'a>(choice: u8, content_type: &MediaType, body: &'a [u8]) -> Result<Payload<'a>, String> {
    let name = QualifiedName::bare(Ident::before_nul("films"));
    let action = match choice % 2 {
        0 => Action::MutateRelation {
            name,
            mutation: Mutation::Create,
        },
        _ => Action::CallRoutine {
            name,
            invocation: Invocation::Post,
        },
    };
    match Payload::parse(&action, content_type, None, body) {
        Ok(payload) => Ok(payload.expect("these actions have a body")),
        Err(Error::InvalidBody { message } | Error::InvalidRecord { message, .. }) => Err(message),
        Err(other) => panic!("{other:?}"),
    }
}

fn check_json(choice: u8, body: &[u8], parsed: Result<&Payload<'_>, &String>) {
    let blank_in_front = [b" \t\r\n", body].concat();
    let again = parse(choice, &MediaType::ApplicationJson, &blank_in_front);
    match (parsed, &again) {
        (Ok(one), Ok(other)) => assert_eq!(one.columns, other.columns),
        (Err(one), Err(other)) => assert_eq!(one, other),
        _ => assert!(body.is_empty(), "no body is a call without arguments"),
    }
    let mut copy = body.to_vec();
    let Ok(value) = simd_json::to_borrowed_value(&mut copy) else {
        let valid = parsed.is_ok() && !body.is_empty();
        // It refuses numbers that a double cannot hold, and more than 1,024 levels.
        assert!(!valid || may_be_too_much(body), "simd-json refuses it");
        return;
    };
    match parsed {
        Ok(payload) => check_columns(payload, &value),
        Err(message) => match message.as_str() {
            "All object keys must match" => assert!(value.as_array().is_some()),
            _ => assert!(may_be_too_little(body), "simd-json takes it"),
        },
    }
}

fn check_columns(payload: &Payload<'_>, value: &BorrowedValue<'_>) {
    let keys_of = |value: &BorrowedValue<'_>| -> BTreeSet<Ident> {
        let object = value.as_object().expect("only objects have columns");
        object.keys().map(|key| Ident::before_nul(key)).collect()
    };
    match (payload.content.shape(), value.as_array()) {
        (JsonForm::Object, _) => assert_eq!(keys_of(value), payload.columns),
        (JsonForm::Array, Some(objects)) => {
            for object in objects {
                assert_eq!(keys_of(object), payload.columns);
            }
        }
        (JsonForm::Array, None) => assert!(value.as_object().is_none()),
    }
}

fn may_be_too_much(body: &[u8]) -> bool {
    let digits = body.iter().filter(|byte| byte.is_ascii_digit()).count();
    let has_exponent = body.iter().any(|byte| matches!(byte, b'e' | b'E'));
    (has_exponent && digits > 2) || has_long_number(body) || digits > 300 || body.len() > 1024
}

/// Whether there is a number with more digits than 64 bits always hold.
fn has_long_number(body: &[u8]) -> bool {
    body.split(|byte| !byte.is_ascii_digit() && *byte != b'.')
        .any(|digits| digits.len() > 15)
}

/// It takes some surrogates that have no partner, a NUL for the end of a number, and anything
/// behind one that does not fit 64 bits.
fn may_be_too_little(body: &[u8]) -> bool {
    let is_surrogate = |six: &[u8]| matches!(six, [b'\\', b'u', b'd' | b'D', ..]);
    body.contains(&0) || has_long_number(body) || body.windows(6).any(is_surrogate)
}

#[cfg(test)]
mod tests {
    use super::{PAYLOAD_SEEDS, payload};

    #[test]
    fn a_body_is_refused_or_is_json() {
        crate::smoke(payload, PAYLOAD_SEEDS, 50_000);
    }
}
