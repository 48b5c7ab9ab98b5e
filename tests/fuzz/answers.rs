//! From the row that PostgreSQL answers with to the head of the response: whatever SQL has left in
//! `response.status` and `response.headers`, and whatever it raises.
//!
//! Properties: nothing panics; a response has a status that ends a request; and its headers are
//! lines of their own, with names that are tokens, none of which says where the response ends.

use crate::choices::Choices;
use crate::statements::prepare_to;
use corerest_api::{DatabaseError, Pending, Prepared, Response, finish};

/// Answers to start from: which request it is, and what there is in the columns.
pub(crate) const ANSWER_SEEDS: &[&[u8]] = &[
    b"\x00\x00\x01\x08\0\0\0\0\0\0\0\x09\x01\x08\0\0\0\0\0\0\0\x03\x01\x21[{\"Cache-Cont\
      rol\":\"no-store\"}]..\x01\x03201",
    b"\x01\x01\x00\x01\x08\0\0\0\0\0\0\0\x01\x01\x12[{\"X-A\":\"b\\r\\nc\"}]\x00\x01\x0a\
      [\"id\",\"1\"]",
    b"\x02\x01\x00\x01\x08\0\0\0\0\0\0\0\0\x01\x1b[{\"Content-Length\":\"0\"},{}]\x01\x04 200",
    b"\x03\x00\x00\x01\x08\0\0\0\0\0\0\0\x02\x00\x01\x04 404\x00",
    b"\x84\x05PT402\x02no\x01\x04more\x01\x05help!",
    b"\x85\x05PGRST\x1f{\"code\":\"x\",\"message\":\"a\\nb\"}\x01\x3f{\"status\":402,\"h\
      eaders\":{\"X-Y\":\"a\\r\\nb\"},\"status_text\":\"P\\nQ\"}\x00",
];

const REQUESTS: [(&str, &str, &[u8]); 6] = [
    ("GET", "/plants?id=gt.1&limit=3", b""),
    ("POST", "/seeds?select=id", br#"{"id":1}"#),
    ("DELETE", "/seeds?id=eq.1", b""),
    ("GET", "/rpc/evergreens", b""),
    ("PATCH", "/seeds?id=eq.1", br#"{"name":"b"}"#),
    ("POST", "/rpc/greet", br#"{"name":"b"}"#),
];

thread_local! {
    static PENDING: Vec<Pending> = REQUESTS.iter().map(|(method, target, body)| {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        match prepare_to(method, path, query, body) {
            Prepared::Ask(_, pending) => pending,
            Prepared::Reply(response) => panic!("{target}: {response:?}"),
        }
    }).collect();
}

/// Columns, or with the highest bit of the first byte an error.
pub fn answers(data: &[u8]) {
    let mut choices = Choices::new(data);
    let choice = choices.byte();
    PENDING.with(|all| {
        let pending = &all[usize::from(choice & 0x7f) % all.len()];
        let response = match choice & 0x80 {
            0 => finish(pending, &columns(&mut choices), choices.bytes().into()),
            _ => pending.database_error(error(&mut choices)),
        };
        check(&response);
    });
}

fn columns<'a>(choices: &mut Choices<'a>) -> Vec<Option<&'a [u8]>> {
    let count = 4 + choices.below(2);
    (0..count)
        .map(|_| (choices.below(4) > 0).then(|| choices.bytes()))
        .collect()
}

fn error(choices: &mut Choices<'_>) -> DatabaseError {
    let mut text = || choices.text().to_owned();
    let (code, message) = (text(), text());
    let mut optional = || (choices.below(2) == 1).then(|| choices.text().to_owned());
    DatabaseError {
        code,
        message,
        detail: optional(),
        hint: optional(),
        authenticated: choices.below(2) == 1,
    }
}

/// RFC 9110: a status of three digits that is final; tokens; no line breaks.
fn check(response: &Response) {
    assert!((200..=999).contains(&response.status), "{response:?}");
    let breaks_lines = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
    let reason = response.reason.as_deref().unwrap_or_default();
    assert!(!reason.bytes().any(|byte| breaks_lines(&byte)), "{reason}");
    for header in &response.headers {
        let name = &*header.name;
        let is_token =
            |byte: u8| byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(&byte);
        assert!(!name.is_empty() && name.bytes().all(is_token), "{name}");
        let lower = name.to_ascii_lowercase();
        let framing = ["content-length", "transfer-encoding", "connection"];
        assert!(!framing.contains(&&*lower), "{name}");
        assert!(!header.value.as_bytes().iter().any(breaks_lines));
    }
}

#[cfg(test)]
mod tests {
    use super::{ANSWER_SEEDS, answers};

    #[test]
    fn whatever_sql_says_the_response_is_a_response() {
        crate::smoke(answers, ANSWER_SEEDS, 20_000);
    }
}
