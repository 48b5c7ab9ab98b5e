//! Writes responses as bytes, with what only the server knows: the date, its name, and what
//! becomes of the connection.

use crate::cores::Cores;
use crate::observing::Observer;
use crate::observing::timing::Phase;
use crate::serving::desk::Desk;
use corerest_api::response::{Body, CorsHeaders, Response};
use corerest_wire::http::response::{
    BodyFraming, ConnectionHeader, ResponseHead, status_has_body, write_head as write_http_head,
};
use corerest_wire::http::{Refusal, Request};

/// The value of the Server header.
pub(crate) const SERVER: &str = concat!("corerest/", env!("CARGO_PKG_VERSION"));

/// What a response depends on besides its meaning.
#[derive(Clone, Copy)]
pub(crate) struct Facts<'a> {
    cores: &'a Cores,
    observer: &'a Observer,
    date: &'a str,
    connection: ConnectionHeader,
    head_only: bool,
    /// The header that is echoed (`server-trace-header`), and its value in the request.
    trace: Option<(&'a str, &'a [u8])>,
    /// What it says to other origins.
    cors: CorsHeaders<'a>,
}

impl<'a> Facts<'a> {
    /// The facts about a request.
    pub(crate) fn of(desk: &Desk<'a>, request: &Request<'a>) -> Facts<'a> {
        let config = &desk.snapshot.config;
        let trace = config.server_trace_header.as_deref();
        let cors = CorsHeaders::of(config, request.method, |name| request.headers.get(name));
        Facts {
            cors,
            cores: desk.cores,
            observer: desk.observer,
            date: desk.clock.date(),
            connection: request.connection_header(),
            head_only: request.head_only,
            // Parity: an absent header is echoed as an empty one (App.hs).
            trace: trace.map(|name| (name, request.headers.get(name).unwrap_or_default())),
        }
    }

    /// What the response says about the connection. A server that stops announces it as late as
    /// it can: when it writes the head.
    fn connection(&self) -> ConnectionHeader {
        if self.cores.is_stopping() {
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

/// Appends a response whose body, if it has one, is at hand.
pub(crate) fn write_response(out: &mut Vec<u8>, response: &Response, facts: &Facts<'_>) {
    let body: &[u8] = match &response.body {
        Body::Bytes(bytes) if facts.sends_body(response.status) => bytes,
        Body::Bytes(_) | Body::Absent | Body::LastColumn => &[],
    };
    write_head(out, response, facts, body.len());
    out.extend_from_slice(body);
}

/// Appends the head of a response with a body of so many bytes, which the caller appends.
pub(crate) fn write_head(
    out: &mut Vec<u8>,
    response: &Response,
    facts: &Facts<'_>,
    body_bytes: usize,
) {
    let head = ResponseHead {
        status: response.status,
        reason: response.reason.as_deref(),
        date: facts.date,
        server: SERVER,
        connection: facts.connection(),
        body: BodyFraming::of(response.status, facts.head_only, body_bytes as u64),
    };
    let size = match head.body {
        BodyFraming::Length(bytes) => Some(bytes),
        BodyFraming::None => None,
    };
    facts.observer.responds(response, size);
    let seconds =
        (response.status == 503).then(|| facts.cores.health.retry_after_seconds().to_string());
    let retry = seconds
        .as_deref()
        .map(|seconds| ("Retry-After", seconds.as_bytes()));
    let own = facts.trace.into_iter().chain(retry);
    let headers = response
        .headers
        .iter()
        .map(|h| (h.name.as_ref(), h.value.as_bytes()));
    let cors = facts.cors.added_to(response);
    write_http_head(out, &head, own.chain(headers).chain(cors));
}

/// Appends the response to something that is no request.
pub(crate) fn write_refusal(out: &mut Vec<u8>, refusal: Refusal, date: &str) {
    let body = refusal.message().as_bytes();
    let head = ResponseHead {
        status: refusal.status(),
        reason: None,
        date,
        server: SERVER,
        connection: ConnectionHeader::Close,
        body: BodyFraming::Length(body.len() as u64),
    };
    write_http_head(
        out,
        &head,
        [("Content-Type", &b"text/plain; charset=utf-8"[..])],
    );
    out.extend_from_slice(body);
}
