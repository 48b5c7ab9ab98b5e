//! From the row that PostgreSQL answers with to the head of the response: whatever SQL has left in
//! `response.status` and `response.headers`, and whatever it raises.
//!
//! Properties: nothing panics; a response has a status that ends a request; and its headers are
//! lines of their own, with names that are tokens, none of which says where the response ends.

use crate::choices::Choices;
use crate::statements::prepare_to;
use corerest_api::{DatabaseError, Pending, Prepared, Response, finish};

/// How deep the JSON is that stands for a mark, where the input wants some.
const DEPTHS: [usize; 4] = [100, 128, 1_000, 20_000];

/// What stands in a text for brackets within brackets.
const MARK: &[u8] = b"^";

/// Answers to start from: which request it is, and what there is in the columns.
pub(crate) const ANSWER_SEEDS: &[&[u8]] = &[
    b"\x00\x00\x01\x08\0\0\0\0\0\0\0\x09\x01\x08\0\0\0\0\0\0\0\x03\x01\x21[{\"Cache-Cont\
      rol\":\"no-store\"}]..\x01\x03201",
    b"\x01\x01\x00\x01\x08\0\0\0\0\0\0\0\x01\x01\x12[{\"X-A\":\"b\\r\\nc\"}]\x00\x01\x0a\
      [\"id\",\"1\"]",
    b"\x02\x01\x00\x01\x08\0\0\0\0\0\0\0\0\x01\x1b[{\"Content-Length\":\"0\"},{}]\x01\x04 200",
    b"\x03\x00\x00\x01\x08\0\0\0\0\0\0\0\x02\x00\x01\x04 404\x00",
    b"\x40\x03\x00\x01\x08\0\0\0\0\0\0\0\x09\x01\x08\0\0\0\0\0\0\0\x03\x01\x01^\x01\x03201",
    b"\xc5\x03\x05PGRST\x23{\"code\":\"x\",\"message\":\"a\",\"more\":^}\x01\x1a{\"status\":40\
      2,\"headers\":^}\x00",
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

/// Columns, or with the highest bit of the first byte an error; with the next one, marks in them
/// are nested deeply.
pub fn answers(data: &[u8]) {
    let mut choices = Choices::new(data);
    let choice = choices.byte();
    let depth = (choice & 0x40 != 0).then(|| DEPTHS[choices.below(DEPTHS.len())]);
    PENDING.with(|all| {
        let pending = &all[usize::from(choice & 0x3f) % all.len()];
        let response = match choice & 0x80 {
            0 => {
                let columns = columns(&mut choices, depth);
                let columns: Vec<Option<&[u8]>> = columns.iter().map(Option::as_deref).collect();
                let estimate = nested(choices.bytes(), depth);
                finish(pending, &columns, Some(&estimate))
            }
            _ => pending.database_error(error(&mut choices, depth)),
        };
        check(&response);
    });
}

/// The bytes, with brackets in the place of their first mark.
fn nested(bytes: &[u8], depth: Option<usize>) -> Vec<u8> {
    let mark = bytes.windows(MARK.len()).position(|part| part == MARK);
    let (Some(at), Some(depth)) = (mark, depth) else {
        return bytes.to_vec();
    };
    let (before, behind) = (&bytes[..at], &bytes[at + MARK.len()..]);
    [before, &b"[".repeat(depth), &b"]".repeat(depth), behind].concat()
}

fn columns(choices: &mut Choices<'_>, depth: Option<usize>) -> Vec<Option<Vec<u8>>> {
    let count = 4 + choices.below(2);
    (0..count)
        .map(|_| (choices.below(4) > 0).then(|| nested(choices.bytes(), depth)))
        .collect()
}

fn error(choices: &mut Choices<'_>, depth: Option<usize>) -> DatabaseError {
    let text = |choices: &mut Choices<'_>| {
        let text = nested(choices.text().as_bytes(), depth);
        String::from_utf8(text).expect("a mark is a character of its own")
    };
    let (code, message) = (text(choices), text(choices));
    let mut optional = || (choices.below(2) == 1).then(|| text(choices));
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
