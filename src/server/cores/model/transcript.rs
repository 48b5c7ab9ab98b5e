//! What a client of a script has sent and got, and whether the one belongs to the other.
//!
//! What it has asked is known by reading its bytes with our own parser, which has a fuzz target of
//! its own. What it has got is read by the plain rules of HTTP/1.1.

use corerest_wire::http::{Connection, Limits, Phase, Progress, Request};

/// What a client has sent, got and done.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    pub(super) sent: Vec<u8>,
    pub(super) got: Vec<u8>,
    /// It has said that it sends nothing more, or left: nobody owes it anything.
    pub(super) is_over: bool,
    /// It was slow to read, or the server had reasons of its own to end it.
    pub(super) may_be_cut_off: bool,
}

/// A request that was sent.
#[derive(Debug)]
struct Asked {
    method: String,
    text: Vec<u8>,
    /// The row that it asks for, if it asks for one.
    id: Option<String>,
    expects_continue: bool,
}

/// What was sent, in requests.
struct Sent {
    asked: Vec<Asked>,
    /// Whether there is more: a part of a request, or something that is none.
    has_more: bool,
}

impl Transcript {
    /// Panics unless each request has its answer, in order, and nothing else was said; or there is
    /// a reason why the end is missing.
    pub(super) fn check(&self, limits: &Limits) {
        let sent = read_requests(&self.sent, limits);
        let shown = || {
            let [sent, got] = [&self.sent, &self.got].map(|bytes| bytes.escape_ascii());
            format!("sent: {sent}\ngot: {got}")
        };
        let mut rest = &*self.got;
        let mut answered = 0;
        let mut has_ended = false;
        while !rest.is_empty() {
            assert!(!has_ended, "more behind the end\n{}", shown());
            let asked = sent.asked.get(answered);
            let Some(answer) = Answer::read(&mut rest, asked) else {
                assert!(
                    self.is_over || self.may_be_cut_off,
                    "it ends within a head\n{}",
                    shown()
                );
                return;
            };
            if answer.status == 100 {
                let is_expected = match asked {
                    Some(asked) => asked.expects_continue,
                    None => sent.has_more,
                };
                assert!(is_expected, "go on with what?\n{}", shown());
                continue;
            }
            answer.check_ids(asked, &shown);
            match asked {
                Some(_) => {}
                None => assert!(
                    sent.has_more && answer.status >= 400,
                    "an answer to nothing\n{}",
                    shown()
                ),
            }
            has_ended = answer.closes || answer.is_cut_off || asked.is_none();
            answered += 1;
        }
        assert!(
            answered >= sent.asked.len() || has_ended || self.is_over || self.may_be_cut_off,
            "{answered} answers for {} requests\n{}",
            sent.asked.len(),
            shown()
        );
    }
}

fn read_requests(bytes: &[u8], limits: &Limits) -> Sent {
    let mut connection = Connection::new();
    let mut sent = Sent {
        asked: Vec::new(),
        has_more: false,
    };
    let mut rest = bytes;
    while !rest.is_empty() && connection.phase() != Phase::Closing {
        let Ok(space) = connection.recv_space(limits, |_| true) else {
            break;
        };
        let count = space.len().min(rest.len());
        space[..count].copy_from_slice(&rest[..count]);
        connection.received(count);
        rest = &rest[count..];
        loop {
            match connection.next(limits) {
                Ok(Progress::NeedMore | Progress::NeedMoreAfterContinue) => break,
                Ok(Progress::Head) => connection.admit_body(),
                Ok(Progress::Part | Progress::LastPart) => {
                    unreachable!("no body is taken in parts")
                }
                Ok(Progress::Request) => {
                    sent.asked.push(Asked::of(&connection.request()));
                    connection.finish_request();
                }
                Err(_) => {
                    sent.has_more = true;
                    return sent;
                }
            }
        }
    }
    sent.has_more = matches!(connection.phase(), Phase::Head | Phase::Body);
    sent
}

impl Asked {
    fn of(request: &Request<'_>) -> Asked {
        let target = request.target();
        let only = target
            .query
            .strip_prefix("select=id,name&id=eq.")
            .filter(|id| target.path == "/plants" && id.len() == 3)
            .filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()))
            .filter(|_| request.method == "GET");
        Asked {
            method: request.method.to_owned(),
            text: [target.raw.as_bytes(), b"\n", request.body].concat(),
            id: only.map(str::to_owned),
            expects_continue: request.headers.get("expect").is_some(),
        }
    }
}

struct Answer {
    status: u16,
    closes: bool,
    is_cut_off: bool,
    body: Vec<u8>,
}

impl Answer {
    /// Takes an answer off the bytes; none if they end within its head.
    fn read(rest: &mut &[u8], asked: Option<&Asked>) -> Option<Answer> {
        let end = rest.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let (head, behind) = rest.split_at(end);
        let head = std::str::from_utf8(head).expect("heads are ASCII");
        let status: u16 = head
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .unwrap_or_else(|| panic!("no status line: {head:?}"));
        let lengths: Vec<usize> = head
            .lines()
            .filter_map(|line| line.strip_prefix("Content-Length: "))
            .map(|length| length.parse().expect("it is a number"))
            .collect();
        assert!(lengths.len() <= 1, "two lengths: {head:?}");
        let has_no_body = matches!(status, 100..200 | 204 | 304);
        let is_head_only = asked.is_some_and(|asked| asked.method == "HEAD");
        assert!(
            has_no_body || is_head_only || !lengths.is_empty(),
            "how long is it? {head:?}"
        );
        let length = match has_no_body || is_head_only {
            true => 0,
            false => lengths[0],
        };
        let body = &behind[..length.min(behind.len())];
        *rest = &behind[body.len()..];
        Some(Answer {
            status,
            closes: head.contains("\r\nConnection: close\r\n"),
            is_cut_off: body.len() < length,
            body: body.to_vec(),
        })
    }

    /// The row in it, if there is one, is the one that was asked for.
    fn check_ids(&self, asked: Option<&Asked>, shown: &impl Fn() -> String) {
        let row = self.body.strip_prefix(b"[{\"id\":");
        let id = row.map(|row| {
            let digits = row.iter().take_while(|byte| byte.is_ascii_digit());
            &row[..digits.count()]
        });
        let (Some(id), false) = (id, self.is_cut_off && self.body.len() < 16) else {
            let needs_row = self.status == 200 && !self.is_cut_off;
            let wants_row = asked.is_some_and(|asked| asked.id.is_some());
            assert!(!needs_row || !wants_row, "it has no row\n{}", shown());
            return;
        };
        let asked = asked.unwrap_or_else(|| panic!("a row for nobody\n{}", shown()));
        match &asked.id {
            Some(own) => assert_eq!(id, own.as_bytes(), "another one's row\n{}", shown()),
            None => {
                let mut places = asked.text.windows(id.len().max(1));
                let is_own = id.is_empty() || places.any(|place| place == id);
                assert!(is_own, "another one's row\n{}", shown());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Transcript;
    use corerest_wire::http::Limits;
    use std::panic::catch_unwind;

    fn get(id: &str) -> String {
        format!("GET /plants?select=id,name&id=eq.{id} HTTP/1.1\r\nHost: x\r\n\r\n")
    }

    fn row(id: &str) -> String {
        let body = format!("[{{\"id\":{id},\"name\":\"x\"}}]");
        let length = body.len();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}")
    }

    #[track_caller]
    fn check(is_right: bool, sent: &[String], got: &[String]) {
        let [sent, got] = [sent, got].map(|texts| texts.concat().into_bytes());
        let looked = catch_unwind(|| {
            let transcript = Transcript {
                sent,
                got,
                ..Transcript::default()
            };
            transcript.check(&Limits::default());
        });
        assert_eq!(looked.is_ok(), is_right);
    }

    #[test]
    fn answers_that_do_not_belong_to_their_requests_are_found() {
        let (one, two) = (get("101"), get("102"));
        let both = [one.clone(), two.clone()];
        check(true, &both, &[row("101"), row("102")]);
        check(false, &both, &[row("102"), row("101")]);
        check(false, &both, &[row("101"), row("101")]);
        check(false, &both, &[row("101")]);
        check(false, &both, &[]);
        check(false, &both, &[row("101"), row("102"), row("102")]);
        let last = row("101").replacen("\r\n", "\r\nConnection: close\r\n", 1);
        check(true, &both, std::slice::from_ref(&last));
        check(false, &both, &[last, row("102")]);
        let head = two.replacen("GET", "HEAD", 1);
        check(false, &[head, one.clone()], &[row("102"), row("101")]);
        let go_on = "HTTP/1.1 100 Continue\r\n\r\n".to_owned();
        check(false, std::slice::from_ref(&one), &[go_on, row("101")]);
        let late = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n".to_owned();
        check(
            true,
            &[one.clone(), "GET".to_owned()],
            &[row("101"), late.clone()],
        );
        check(false, std::slice::from_ref(&one), &[row("101"), late]);
    }
}
