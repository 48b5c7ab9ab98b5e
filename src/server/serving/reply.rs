//! Writes responses as bytes, with what only the server knows: the date, its name, and what
//! becomes of the connection.
//!
//! ```text
//! owed ──begin()──▶ head ──body()──▶ complete, but for what follows ──finish()──▶ Answered
//!  ▲ │                │                  │
//!  │ └─lose()─▶ Answered, without a byte │
//!  └──────────── retract() ◀─────────────┘
//! ```
//! Invariant: one request, one response. [`Answered`] is the proof, without which a request cannot
//! be finished; only a [`ResponseWriter`] gives it, which refuses a second head, and gives none for
//! a body that is not as long as its head has promised.

use crate::log;
use crate::observing::Observer;
use crate::observing::timing::Phase;
use crate::serving::desk::{Desk, Host};
use crate::serving::memory::Held;
use crate::serving::output::{KEPT_BYTES_MAX, Output};
use crate::serving::rows::Transfer;
use corerest_api::{Body, CorsHeaders, Error, Response, is_vary};
use corerest_config::ErrorVerbosity;
use corerest_wire::http::event_stream::StreamFraming;
use corerest_wire::http::response::{
    BodyFraming, ConnectionHeader, ResponseHead, status_has_body, write_head as write_http_head,
};
use corerest_wire::http::{Connection, Refusal, Request, Version};
use std::fmt;

/// When somebody was told that there was no memory for an answer.
static NO_MEMORY_WARNED: log::Seldom = log::Seldom::new();

/// The value of the Server header.
pub(crate) const SERVER: &str = concat!("corerest/", env!("CARGO_PKG_VERSION"));

/// What a response depends on besides its meaning.
#[derive(Clone, Copy)]
pub(crate) struct Facts<'a> {
    host: &'a dyn Host,
    observer: &'a Observer,
    date: &'a str,
    connection: ConnectionHeader,
    head_only: bool,
    version: Version,
    verbosity: ErrorVerbosity,
    /// The header that is echoed (`server-trace-header`), and its value in the request.
    trace: Option<(&'a str, &'a [u8])>,
    /// What it says to other origins.
    cors: CorsHeaders<'a>,
}

/// The place of one response in its client's output.
pub(crate) struct ResponseWriter<'a> {
    out: &'a mut Vec<u8>,
    /// What its client makes the server hold.
    memory: &'a mut Held,
    start: usize,
    /// Where the response will end, once its head is there.
    end: Option<End>,
    /// What its head says about the connection.
    connection: ConnectionHeader,
    facts: Facts<'a>,
}

/// Where a response ends in the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Here.
    At(usize),
    /// Nobody knows yet: its body tells.
    Open,
}

/// A request has its response, or nobody waits for one any more.
#[derive(Debug)]
#[must_use = "a request is finished with it"]
pub(crate) struct Answered {
    /// Where the response begins in the output.
    start: usize,
    /// What it says about the connection.
    connection: ConnectionHeader,
}

/// A response was not what it has to be: one head, with a body of the length that it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misanswered {
    /// There is no head.
    Not,
    /// There would have been two.
    Twice,
    /// Its body has another length than its head says.
    Length,
}

impl fmt::Display for Misanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Misanswered::Not => "there is no response",
            Misanswered::Twice => "there is a second response",
            Misanswered::Length => "the body has not the length that its head says",
        })
    }
}

impl<'a> Facts<'a> {
    /// The facts about a request.
    pub(crate) fn of(desk: &Desk<'a>, request: &Request<'a>) -> Facts<'a> {
        let config = &desk.snapshot.config;
        let trace = config.server_trace_header.as_deref();
        let cors = CorsHeaders::of(config, request.method, |name| request.headers.get(name));
        Facts {
            cors,
            host: desk.host,
            observer: desk.observer,
            date: desk.clock.date(),
            connection: request.connection_header(),
            head_only: request.head_only,
            version: request.version,
            verbosity: config.client_error_verbosity,
            // Parity: an absent header is echoed as an empty one (App.hs).
            trace: trace.map(|name| (name, request.headers.get(name).unwrap_or_default())),
        }
    }

    /// What the response says about the connection. A server that stops announces it as late as
    /// it can: when it writes the head.
    fn connection(&self) -> ConnectionHeader {
        if self.host.announces_end() {
            ConnectionHeader::Close
        } else {
            self.connection
        }
    }

    /// What has passed since the last lap belongs to this phase.
    pub(crate) fn lap(&self, phase: Phase) {
        self.observer.lap(phase);
    }

    /// Whether a response of this status may carry a body.
    pub(crate) fn sends_body(&self, status: u16) -> bool {
        !self.head_only && status_has_body(status)
    }
}

impl<'a> ResponseWriter<'a> {
    /// A response is owed, behind what is in the output.
    pub(crate) fn new(
        output: &'a mut Output,
        memory: &'a mut Held,
        facts: Facts<'a>,
    ) -> ResponseWriter<'a> {
        let out = output.end();
        ResponseWriter {
            start: out.len(),
            out,
            memory,
            end: None,
            connection: facts.connection,
            facts,
        }
    }

    /// What the response depends on.
    pub(crate) fn facts(&self) -> &Facts<'a> {
        &self.facts
    }

    /// Makes room for a large answer, if there is memory for it.
    pub(crate) fn make_room(&mut self, bytes: usize) -> bool {
        let is_large = bytes > KEPT_BYTES_MAX;
        !is_large || self.memory.hold_more(bytes) && self.out.try_reserve_exact(bytes).is_ok()
    }

    /// Writes the head of a response with a body of so many bytes.
    ///
    /// # Errors
    /// If there is one already.
    pub(crate) fn begin(
        &mut self,
        response: &Response,
        body_bytes: usize,
    ) -> Result<(), Misanswered> {
        let framing = BodyFraming::of(response.status, self.facts.head_only, body_bytes as u64);
        self.begin_framed(response, framing, body_bytes)
    }

    fn begin_framed(
        &mut self,
        response: &Response,
        framing: BodyFraming,
        body_bytes: usize,
    ) -> Result<(), Misanswered> {
        if self.end.is_some() {
            return Err(Misanswered::Twice);
        }
        self.connection = self.facts.connection();
        write_head(self.out, response, &self.facts, self.connection, framing);
        self.end = Some(End::At(self.out.len() + body_bytes));
        Ok(())
    }

    /// Writes the head of a response with a body of which nobody knows how long it will be, and
    /// says how its end is told. Where that is the end of the connection, the head says so.
    ///
    /// # Errors
    /// If there is one already.
    pub(crate) fn begin_open(&mut self, response: &Response) -> Result<Transfer, Misanswered> {
        if self.end.is_some() {
            return Err(Misanswered::Twice);
        }
        let (transfer, framing) = match self.facts.version {
            Version::Http11 => (Transfer::Chunked, BodyFraming::Chunked),
            Version::Http10 => (Transfer::UntilClose, BodyFraming::UntilClose),
        };
        self.connection = match transfer {
            Transfer::Chunked => self.facts.connection(),
            Transfer::UntilClose => ConnectionHeader::Close,
        };
        write_head(self.out, response, &self.facts, self.connection, framing);
        self.end = Some(End::Open);
        Ok(transfer)
    }

    /// Where the body is appended, behind the head.
    pub(crate) fn body(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// Writes a response whose body, if it has one, is at hand. How long it is HEAD is told, too:
    /// it is an error, or an execution plan, for otherwise there is no body for HEAD. One for which
    /// there is no memory, such as the description of a large schema, becomes an error.
    ///
    /// # Errors
    /// If there is one already.
    pub(crate) fn write(&mut self, response: &Response) -> Result<(), Misanswered> {
        let body: &[u8] = match &response.body {
            Body::Bytes(bytes) if self.facts.sends_body(response.status) => {
                if !self.make_room(bytes.len()) {
                    let bytes = bytes.len();
                    let may_fit = bytes <= self.memory.memory().bytes_max();
                    let error = Error::NoMemoryForAnswer { bytes, may_fit };
                    log::warn_seldom(&NO_MEMORY_WARNED, || {
                        format!(
                            "A large answer was refused, for there is no memory for its {bytes} \
                             bytes (server-max-memory)."
                        )
                    });
                    return self.write(&error.response(self.facts.verbosity).into());
                }
                bytes
            }
            Body::Bytes(bytes) if status_has_body(response.status) => {
                let framing = BodyFraming::Length(bytes.len() as u64);
                return self.begin_framed(response, framing, 0);
            }
            Body::Bytes(_) | Body::Absent | Body::LastColumn | Body::Events => &[],
        };
        self.begin(response, body.len())?;
        self.out.extend_from_slice(body);
        Ok(())
    }

    /// Takes back what is written of the response.
    pub(crate) fn retract(&mut self) {
        self.out.truncate(self.start);
        self.end = None;
    }

    /// Writes this response, in place of what may be there.
    pub(crate) fn replace(&mut self, response: &Response) {
        self.retract();
        let written = self.write(response);
        written.expect("what was there was just taken back");
    }

    /// The response is this one, in place of what may be there.
    pub(crate) fn respond(mut self, response: &Response) -> Answered {
        self.replace(response);
        self.answered()
    }

    /// A bug of ours is the response, in place of what may be there.
    pub(crate) fn respond_internal_error(self) -> Answered {
        let details = "The server has met a bug of its own.".to_owned();
        let error = Error::Internal { details };
        let response = error.response(self.facts.verbosity).into();
        self.respond(&response)
    }

    /// The response to a visit of ourselves: that there is one.
    pub(crate) fn greet(self) -> Answered {
        let head = ResponseHead {
            status: 204,
            reason: None,
            date: self.facts.date,
            server: SERVER,
            connection: ConnectionHeader::Close,
            body: BodyFraming::None,
        };
        write_http_head(self.out, &head, []);
        Answered {
            start: self.start,
            connection: head.connection,
        }
    }

    /// The response begins here, and goes on until something ends it, and with it the connection:
    /// whoever sends another request meanwhile is told that there will be no answer.
    pub(crate) fn open_stream(mut self, response: &Response, framing: StreamFraming) -> Answered {
        self.retract();
        self.connection = ConnectionHeader::Close;
        let framing = match framing {
            StreamFraming::Chunked => BodyFraming::Chunked,
            StreamFraming::UntilClose => BodyFraming::UntilClose,
        };
        write_head(self.out, response, &self.facts, self.connection, framing);
        self.answered()
    }

    /// The client is gone, and gets nothing.
    pub(crate) fn lose(mut self) -> Answered {
        self.retract();
        self.answered()
    }

    /// The response is written, but for so many bytes of its body, which follow.
    ///
    /// # Errors
    /// If that is not so. The request still wants a response then.
    pub(crate) fn finish(&mut self, follow: usize) -> Result<Answered, Misanswered> {
        match self.end {
            None => Err(Misanswered::Not),
            Some(End::At(end)) if end == self.out.len() + follow => Ok(self.answered()),
            Some(End::At(_) | End::Open) => Err(Misanswered::Length),
        }
    }

    /// The response is written, but for what follows of its body, which tells its end itself.
    ///
    /// # Errors
    /// If that is not so. The request still wants a response then.
    pub(crate) fn finish_open(&mut self) -> Result<Answered, Misanswered> {
        match self.end {
            None => Err(Misanswered::Not),
            Some(End::Open) => Ok(self.answered()),
            Some(End::At(_)) => Err(Misanswered::Length),
        }
    }

    /// What was to follow of an open body is here.
    pub(crate) fn close(&mut self) {
        self.end = Some(End::At(self.out.len()));
    }

    fn answered(&self) -> Answered {
        Answered {
            start: self.start,
            connection: self.connection,
        }
    }
}

impl Answered {
    /// Whether the connection ends with it: when it says so, and never when it does not.
    pub(crate) fn closes(&self) -> bool {
        self.connection == ConnectionHeader::Close
    }

    /// Puts a line behind the status line, if there is a response.
    ///
    /// Server-Timing tells how long the transaction took, so it can be written only when the rest
    /// is.
    pub(crate) fn insert_header_line(&self, output: &mut Output, line: &str) {
        insert_header_line(output.end(), self.start, line);
    }
}

/// Appends the head of a response.
fn write_head(
    out: &mut Vec<u8>,
    response: &Response,
    facts: &Facts<'_>,
    connection: ConnectionHeader,
    framing: BodyFraming,
) {
    let head = ResponseHead {
        status: response.status,
        reason: response.reason.as_deref(),
        date: facts.date,
        server: SERVER,
        connection,
        body: framing,
    };
    let size = match head.body {
        BodyFraming::Length(bytes) => Some(bytes),
        BodyFraming::None | BodyFraming::Chunked | BodyFraming::UntilClose => None,
    };
    facts.observer.responds(response, size);
    // Whoever has set the header knows better than the database's health.
    let is_told = || {
        let mut headers = response.headers.iter();
        headers.any(|header| header.name.eq_ignore_ascii_case("Retry-After"))
    };
    let seconds = (response.status == 503 && !is_told())
        .then(|| facts.host.health().retry_after_seconds().to_string());
    let retry = seconds
        .as_deref()
        .map(|seconds| ("Retry-After", seconds.as_bytes()));
    let own = facts.trace.into_iter().chain(retry);
    let vary = facts.cors.vary(response);
    let headers = response
        .headers
        .iter()
        .filter(|h| vary.is_none() || !is_vary(&h.name))
        .map(|h| (h.name.as_ref(), h.value.as_bytes()));
    let vary = vary.as_deref().map(|value| ("Vary", value));
    let cors = facts.cors.added_to(response);
    write_http_head(out, &head, own.chain(headers).chain(vary).chain(cors));
}

/// Appends the response to something that is no request, or for which there is no memory. Whoever
/// may come again is told when.
pub(crate) fn refuse(
    output: &mut Output,
    requests: &Connection,
    refusal: Refusal,
    desk: &Desk<'_>,
) {
    let out = output.end();
    let date = desk.clock.date();
    if refusal == Refusal::TargetNotUtf8 {
        let verbosity = desk.snapshot.config.client_error_verbosity;
        let error = Error::target_not_utf8().response(verbosity);
        let headers = error.headers.iter();
        let headers = headers.map(|(name, value)| (&**name, value.as_bytes()));
        return write_last_response(out, requests, error.status, headers, &error.body, date);
    }
    let start = out.len();
    write_refusal(out, requests, refusal, date);
    if refusal.status() == 503 {
        let retry_after = desk.host.health().retry_after_seconds();
        insert_header_line(out, start, &format!("Retry-After: {retry_after}\r\n"));
    }
}

/// The same, for those who have no more than bytes.
pub(crate) fn write_refusal(
    out: &mut Vec<u8>,
    requests: &Connection,
    refusal: Refusal,
    date: &str,
) {
    let body = refusal.message().as_bytes();
    let headers = [("Content-Type", &b"text/plain; charset=utf-8"[..])];
    write_last_response(out, requests, refusal.status(), headers, body, date);
}

/// Appends a response with which the connection ends.
fn write_last_response<'h>(
    out: &mut Vec<u8>,
    requests: &Connection,
    status: u16,
    headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
    body: &[u8],
    date: &str,
) {
    let head = ResponseHead {
        status,
        reason: None,
        date,
        server: SERVER,
        connection: ConnectionHeader::Close,
        body: BodyFraming::Length(body.len() as u64),
    };
    write_http_head(out, &head, headers);
    if !requests.is_head() {
        out.extend_from_slice(body);
    }
}

/// Puts a line behind the status line of the response that begins at `start`, if one does.
fn insert_header_line(out: &mut Vec<u8>, start: usize, line: &str) {
    let status_line = out[start..].windows(2).position(|two| two == b"\r\n");
    if let Some(length) = status_line {
        let at = start + length + 2;
        out.splice(at..at, line.bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_goes_behind_the_status_line_of_its_own_response() {
        let mut out =
            b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nHTTP/1.1 201 Created\r\nC: d\r\n\r\n".to_vec();
        let start = 25;
        insert_header_line(&mut out, start, "X: y\r\n");
        let expected: &[u8] =
            b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nHTTP/1.1 201 Created\r\nX: y\r\nC: d\r\n\r\n";
        assert_eq!(out, expected);
    }
}
