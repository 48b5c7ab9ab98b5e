//! The headers of a request that have a meaning: `Accept`, `Prefer`, `Content-Type`, `Cookie`; and
//! all of them as the settings that PostgreSQL gets.
//!
//! Properties: nothing panics; a media type is shown as one that is read as the same; preferences
//! mean the same in one header and in several; those that were applied are preferences; and what
//! PostgreSQL gets to see is JSON with the last header, and the last cookie, of each name.

use crate::statements::prepare_with_headers;
use corerest_api::internals::{MediaType, ParsedPreferences, accepted};
use corerest_api::{HttpRequest, Prepared};
use corerest_sql::Param;
use simd_json::prelude::ValueAsObject;
use std::collections::BTreeMap;

/// Headers to start from, each on a line.
pub(crate) const HEADER_SEEDS: &[&[u8]] = &[
    b"Accept: text/csv;q=0.5, application/json; x=y,*/*;q=0.1,application/vnd.pgrst.arra\
      y+json;nulls=stripped",
    b"Accept: application/x-ndjson, application/jsonl;q=0.5\nPrefer: stream, count=exact",
    b"Accept: application/vnd.pgrst.plan+json; for=\"text/csv; charset=utf-8\"; options=\
      analyze|verbose|wal",
    b"Prefer: return=representation, count=exact,handling=strict\nPrefer: max-affected=-3, odd",
    b"Prefer: timezone=America/Los_Angeles; x, tx=commit, resolution=ignore-duplicates,m\
      issing=default",
    b"Cookie: a=b; c=d=e;f; a=\"g\" ;;=h\nX-A: 1\nx-a: 2\nHost: a\nhost: b",
    b"Content-Type: Application/JSON ; charset=\"utf-8\"\nRange: 3-8\nX: \xff\xe9\"\\\x1f",
];

/// Headers, each on a line.
pub fn headers(data: &[u8]) {
    let lines = data.split(|byte| *byte == b'\n');
    let headers: Vec<(&str, &[u8])> = lines.filter_map(header).take(64).collect();
    for (name, value) in &headers {
        match name.to_ascii_lowercase().as_str() {
            "accept" => check_accept(value),
            "content-type" => check_media_type(value),
            _ => {}
        }
    }
    check_preferences(&headers);
    check_settings(&headers);
}

fn header(line: &[u8]) -> Option<(&str, &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = std::str::from_utf8(&line[..colon]).ok()?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    // The wire lets no other bytes pass.
    let value = line[colon + 1..].trim_ascii();
    let is_value = |byte: &u8| !byte.is_ascii_control() || *byte == b'\t';
    (is_name && value.iter().all(is_value)).then_some((name, value))
}

fn check_accept(value: &[u8]) {
    let types = accepted(value);
    let commas = value.iter().filter(|byte| **byte == b',').count();
    assert_eq!(types.len(), if value.is_empty() { 0 } else { commas + 1 });
    let wide: Vec<u8> = value.iter().flat_map(|byte| [b' ', *byte]).collect();
    if !value.is_empty() {
        assert_eq!(accepted(&wide), types, "with blanks between");
    }
}

fn check_media_type(value: &[u8]) {
    let media_type = MediaType::parse(value);
    let shown = media_type.to_string();
    // What is read is Latin-1.
    if shown.is_ascii() {
        assert_eq!(MediaType::parse(shown.as_bytes()), media_type, "{shown}");
    }
}

fn check_preferences(headers: &[(&str, &[u8])]) {
    let parse = |headers: &[(&str, &[u8])]| {
        ParsedPreferences::parse(&HttpRequest {
            headers,
            ..HttpRequest::default()
        })
    };
    let parsed = parse(headers);
    let mut one_by_one: Vec<(&str, &[u8])> = Vec::new();
    for (name, value) in headers {
        if name.eq_ignore_ascii_case("prefer") && !value.is_empty() {
            let parts = value.split(|byte| *byte == b',');
            // An empty header says nothing, and an empty preference is an unknown one.
            one_by_one.extend(parts.map(|part| {
                let is_empty = part.is_empty();
                ("Prefer", if is_empty { &b" "[..] } else { part })
            }));
        }
    }
    assert_eq!(parse(&one_by_one), parsed);
    if let Some(applied) = parsed.applied() {
        let again = parse(&[("Prefer", applied.as_bytes())]);
        assert_eq!(again.applied().as_deref(), Some(&*applied));
        assert!(again.invalid().is_empty(), "{applied}");
    }
}

/// Where the settings statement of a read has its parameters.
const HEADERS_AT: usize = 5;
const COOKIES_AT: usize = 6;

fn check_settings(headers: &[(&str, &[u8])]) {
    let Prepared::Ask(batch, _) = prepare_with_headers(headers) else {
        return;
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let others = headers.iter().filter(|(name, _)| !is_cookie(name));
    let expected = others.map(|(name, value)| (name.to_ascii_lowercase(), text(value)));
    let params = &batch.statements[0].params;
    assert_eq!(members(params.iter().nth(HEADERS_AT)), expected.collect());
    let cookies = headers.iter().find(|(name, _)| is_cookie(name));
    let cookies = cookies.map(|(_, value)| text(value)).unwrap_or_default();
    let mut expected = BTreeMap::new();
    for cookie in cookies.split(';') {
        let at = cookie.find('=').unwrap_or(cookie.len());
        let name = cookie[..at].trim_start_matches(' ');
        let value = cookie.get(at + 1..).unwrap_or_default();
        let is_quoted = value.len() > 1 && value.starts_with('"') && value.ends_with('"');
        let value = if is_quoted {
            &value[1..value.len() - 1]
        } else {
            value
        };
        expected.insert(name.to_owned(), value.to_owned());
    }
    let found = members(params.iter().nth(COOKIES_AT));
    if cookies.is_empty() || cookies.ends_with(';') {
        // What follows the last separator is no cookie; there may be another one without a name.
        expected.remove("");
        let mut found = found;
        found.remove("");
        assert_eq!(found, expected);
    } else {
        assert_eq!(found, expected);
    }
}

fn is_cookie(name: &str) -> bool {
    name.eq_ignore_ascii_case("cookie")
}

/// The members of an object, each of which is there once.
fn members(param: Option<Param<'_>>) -> BTreeMap<String, String> {
    let Some(Param::Value(json)) = param else {
        panic!("the setting is not there");
    };
    let mut copy = json.to_vec();
    let value = simd_json::to_borrowed_value(&mut copy).expect("a setting is JSON");
    let object = value.as_object().expect("it is an object");
    let commas = object.len();
    let members: BTreeMap<String, String> = object
        .iter()
        .map(|(name, value)| {
            let value = simd_json::prelude::ValueAsScalar::as_str(value);
            (name.to_string(), value.expect("it is a text").to_owned())
        })
        .collect();
    assert_eq!(members.len(), commas);
    members
}

#[cfg(test)]
mod tests {
    use super::{HEADER_SEEDS, headers};

    #[test]
    fn headers_mean_the_same_however_they_are_written() {
        crate::smoke(headers, HEADER_SEEDS, 10_000);
    }
}
