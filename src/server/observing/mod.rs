//! What is noted of requests: events in, numbers and lines of the log out.
//!
//! ```text
//! begins ─▶ identified ─▶ wants_connection ─▶ has_connection ─▶ database_done ─▶ finishes
//!                                └─ parks ─▶ resumes, perhaps with the observer of another thread
//! ```
//! The story of a request (`serving/handle.rs`) names its events and knows nothing of metrics; what
//! becomes of them is decided here. An event costs a few additions to numbers of the thread's own
//! ([`Tally`]); four of them look at the clock, which is 30 ns each.

pub(crate) mod gauges;
pub(crate) mod tally;
pub(crate) mod timing;

use crate::auth::{Lookups, Verifier};
use crate::log::{self, Access};
use crate::sync::Instant;
use corerest_api::{Batch, Error, Identity, Response};
use corerest_config::Config;
use corerest_pg::{Closing, ConnectionEvent, Lease};
use corerest_wire::http::Request;
use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tally::Tally;
use timing::{Phase, Stopwatch};

/// What the log says of a request whose client did not wait for the answer.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// A thread's observer of the requests it serves, one after the other.
#[derive(Debug)]
pub(crate) struct Observer {
    tally: Arc<Tally>,
    lookups: Cell<Lookups>,
    exchange: RefCell<Exchange>,
    /// Whether a request was begun, or resumed, and is not finished.
    is_at_a_request: Cell<bool>,
}

/// What is noted of a request until it is answered.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    began: Instant,
    /// Since when it waits for what it waits for now.
    since: Instant,
    /// When PostgreSQL had answered.
    done: Option<Instant>,
    /// Empty until it is known.
    role: String,
    stopwatch: Stopwatch,
    answer: Answer,
}

/// What is noted of a response.
#[derive(Clone, Copy, Debug)]
struct Answer {
    status: u16,
    size: Option<u64>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Success,
    /// One of PostgREST's errors, and not only a status that SQL has set.
    Error,
    /// To a browser that asks whether it may ask.
    Preflight,
}

impl Observer {
    /// An observer that counts here.
    pub(crate) fn new(tally: Arc<Tally>) -> Observer {
        Observer {
            tally,
            lookups: Cell::default(),
            exchange: RefCell::new(Exchange::beginning_at(Instant::now())),
            is_at_a_request: Cell::new(false),
        }
    }

    /// A panic has come between; a request that had begun counts as one that has failed.
    pub(crate) fn recovers(&self) {
        if self.is_at_a_request.take() {
            self.tally.answered("", 500);
        }
    }

    /// The numbers of this thread, for what happens between requests.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// A request is complete, and is looked at for the first time.
    pub(crate) fn begins(&self, config: &Config) {
        self.looks_at_head(config);
        self.counts();
    }

    /// The head of a request is looked at. It is no request yet: its body may never come.
    pub(crate) fn looks_at_head(&self, config: &Config) {
        let now = Instant::now();
        let mut exchange = self.exchange.borrow_mut();
        // The memory of the last role is used again.
        let role = std::mem::take(&mut exchange.role);
        *exchange = Exchange::beginning_at(now);
        exchange.role = role;
        exchange.role.clear();
        if config.server_timing_enabled {
            exchange.stopwatch = Stopwatch::started(now);
        }
    }

    /// There is a request: it is complete, or answered by its head.
    pub(crate) fn counts(&self) {
        self.tally.begun.add(1);
        self.is_at_a_request.set(true);
    }

    /// It was found out whom the request is from, or that nobody can tell.
    pub(crate) fn identified(&self, caller: &Result<Identity, Error>, verifier: &Verifier) {
        self.lap(Phase::Jwt);
        if let Ok(identity) = caller {
            self.exchange.borrow_mut().role.push_str(&identity.role);
        }
        let (now, before) = (verifier.lookups(), self.lookups.get());
        if now == before {
            return;
        }
        self.lookups.set(now);
        self.tally.jwt_requests.set(now.requests);
        self.tally.jwt_hits.set(now.hits);
        self.tally.jwt_evictions.set(now.evictions);
        if now.requests != before.requests {
            log::debug(|| "Looked up a JWT in JWT cache".to_owned());
        }
        if now.evictions != before.evictions {
            log::debug(|| "Evicted entry from JWT cache".to_owned());
        }
    }

    /// What has passed since the last lap belongs to this phase.
    pub(crate) fn lap(&self, phase: Phase) {
        self.exchange.borrow_mut().stopwatch.lap(phase);
    }

    /// The request needs PostgreSQL.
    pub(crate) fn wants_connection(&self) {
        self.exchange.borrow_mut().since = Instant::now();
        log::debug(|| "Trying to borrow a connection from pool".to_owned());
    }

    /// What is noted of a request that has to wait for a connection.
    pub(crate) fn parks(&self) -> Exchange {
        self.is_at_a_request.set(false);
        self.exchange.borrow().clone()
    }

    /// The request has waited, perhaps with another thread.
    pub(crate) fn resumes(&self, exchange: &Exchange) {
        self.is_at_a_request.set(true);
        self.exchange.borrow_mut().clone_from(exchange);
    }

    /// The request has a connection.
    pub(crate) fn has_connection(&self, lease: &Lease) {
        self.stops_waiting();
        log::debug(|| format!("Connection {} is used", lease.id()));
    }

    /// The request has waited in vain.
    pub(crate) fn gives_up(&self) {
        self.stops_waiting();
        self.tally.pool_timeouts.add(1);
        log::on_pool_timeout();
    }

    /// The client is gone before there was an answer. The status is nginx's, for the log.
    pub(crate) fn loses_client(&self) {
        self.exchange.borrow_mut().answer = Answer {
            status: CLIENT_CLOSED_REQUEST,
            size: None,
            kind: Kind::Error,
        };
        self.tally.cancelled.add(1);
    }

    /// An upload that has been set aside ends in the middle of its body, with this status.
    pub(crate) fn breaks_off(&self, status: u16) {
        self.tally.answered("POST", status);
    }

    fn stops_waiting(&self) {
        let now = Instant::now();
        let mut exchange = self.exchange.borrow_mut();
        self.tally
            .waiting
            .record(now.duration_since(exchange.since));
        exchange.since = now;
    }

    /// PostgreSQL has answered, or will not. Says how long that took.
    pub(crate) fn database_done(&self, lease: &Lease) -> Duration {
        let now = Instant::now();
        let mut exchange = self.exchange.borrow_mut();
        let took = now.duration_since(exchange.since);
        self.tally.database.record(took);
        exchange.done = Some(now);
        exchange.stopwatch.lap(Phase::Transaction);
        if lease.is_idle() {
            let outcome = match exchange.answer.kind {
                Kind::Success => "session success",
                Kind::Error | Kind::Preflight => "session failure",
            };
            log::debug(|| format!("Connection {} is available due to {outcome}", lease.id()));
        }
        log::debug(|| "Borrowed a connection from the pool".to_owned());
        took
    }

    /// The head of a response is written. Should another one replace it, that one counts.
    pub(crate) fn responds(&self, response: &Response, size: Option<u64>) {
        self.exchange.borrow_mut().answer = Answer {
            status: response.status,
            size,
            kind: Kind::of(response),
        };
    }

    /// The Server-Timing header of the response, if it has one.
    ///
    /// Parity: errors have none (App.hs: only what has passed all phases is timed).
    pub(crate) fn timing_line(&self) -> Option<String> {
        let exchange = self.exchange.borrow();
        match exchange.answer.kind {
            Kind::Success => exchange.stopwatch.header_line(),
            Kind::Error | Kind::Preflight => None,
        }
    }

    /// These statements were sent for the request, or would have been (`log-query`).
    pub(crate) fn queried(&self, batch: &Batch) {
        let status = self.exchange.borrow().answer.status;
        for text in batch.texts() {
            log::query(status, text.as_str());
        }
    }

    /// The response is written into the client's output.
    pub(crate) fn finishes(&self, peer: Option<IpAddr>, request: Request<'_>) {
        self.is_at_a_request.set(false);
        let exchange = self.exchange.borrow();
        let Answer { status, size, kind } = exchange.answer;
        let end = exchange.done.unwrap_or_else(Instant::now);
        let duration = end.duration_since(exchange.began);
        self.tally.total.record(duration);
        self.tally.answered(request.method, status);
        // Parity: preflights are answered by a middleware that does not log.
        if kind != Kind::Preflight && log::is_request_logged(status) {
            log::access(&Access {
                peer,
                role: (!exchange.role.is_empty()).then_some(&exchange.role),
                request,
                status,
                size,
                duration,
                shows_queries: log::are_queries_shown(),
            });
        }
    }
}

/// When somebody was told that connections are closed for what was left in them.
static LEFTOVERS_WARNED: log::Seldom = log::Seldom::new();

/// A connection was opened or closed.
pub(crate) fn on_connection_event(event: ConnectionEvent) {
    match event {
        ConnectionEvent::Opened(id) => {
            log::debug(|| format!("Connection {id} is being established"));
            let available = "is available due to connection establishment";
            log::debug(|| format!("Connection {id} {available}"));
        }
        ConnectionEvent::Closed(id, why) => {
            let why = match why {
                Closing::Lifetime => "max lifetime",
                Closing::Idle => "max idletime",
                Closing::Broken => "network error",
                Closing::Release => "release",
                Closing::Leftovers => {
                    log::warn_seldom(&LEFTOVERS_WARNED, || {
                        "A connection to PostgreSQL was closed, for a request has left something \
                         in its session that cannot be put in order, such as a statement that \
                         SQL has prepared. A new connection costs some milliseconds."
                            .to_owned()
                    });
                    "what a request has left in its session"
                }
            };
            log::debug(|| format!("Connection {id} is terminated due to {why}"));
        }
    }
}

impl Exchange {
    fn beginning_at(now: Instant) -> Exchange {
        Exchange {
            began: now,
            since: now,
            done: None,
            role: String::new(),
            stopwatch: Stopwatch::default(),
            answer: Answer {
                status: 500,
                size: None,
                kind: Kind::Error,
            },
        }
    }
}

impl Kind {
    /// A response says itself what it is: only errors have a Proxy-Status, and only answers to
    /// preflights list methods for other origins.
    fn of(response: &Response) -> Kind {
        let has = |name: &str| {
            let mut headers = response.headers.iter();
            headers.any(|header| header.name.eq_ignore_ascii_case(name))
        };
        if has("Proxy-Status") {
            Kind::Error
        } else if has("Access-Control-Allow-Methods") {
            Kind::Preflight
        } else {
            Kind::Success
        }
    }
}
