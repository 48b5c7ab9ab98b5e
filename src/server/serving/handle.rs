//! The story of one request.
//!
//! ```text
//! request ──prepare──▶ reply ─────────────────────────────────────▶ written
//!                └───▶ batch ──take a connection──▶ ask ──finish──▶ written, body following
//!                                  └─ none free ──▶ parked ──▶ ask, or 504 at its deadline
//! ```
//! A read whose client goes away meanwhile ends there, without a response ([`crate::serving::watch`]).
//!
//! Everything in here is straight-line and blocking, on one thread, from the bytes that came in to
//! the bytes that go out. Whatever goes wrong with one request, the thread lives on.

use crate::auth::Verifier;
use crate::log;
use crate::observing::Exchange;
use crate::observing::timing::{Phase, insert_header_line};
use crate::serving::answer::{self, Asked, Question};
use crate::serving::client::{After, Client};
use crate::serving::desk::Desk;
use crate::serving::remainder::Remainder;
use crate::serving::reply::{Facts, write_response};
use crate::state::snapshot::Snapshot;
use corerest_api::error::Error;
use corerest_api::query::{AccessMode, Batch};
use corerest_api::request::HttpRequest;
use corerest_api::response::Response;
use corerest_api::{Pending, Prepared, prepare_in_steps};
use corerest_pg::Lease;
use corerest_pg::connect::ConnectError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A request that waits for a connection to PostgreSQL.
pub(crate) struct Parked {
    /// What it was prepared with.
    pub(crate) snapshot: Arc<Snapshot>,
    batch: Batch,
    pending: Pending,
    exchange: Exchange,
}

/// What has become of a request.
pub(crate) enum Handled {
    /// Its response is in the client's output.
    Written,
    /// No connection was free.
    Parked(Box<Parked>),
}

/// Answers the client's request, or finds that it has to wait.
pub(crate) fn handle(desk: &Desk<'_>, verifier: &mut Verifier, client: &mut Client) -> Handled {
    desk.observer.begins(&desk.snapshot.config);
    let start = client.output.bytes.len();
    match or_internal_error(|| prepare_request(desk, verifier, client)) {
        Some(Prepared::Reply(response)) => write(desk, client, &response),
        Some(Prepared::Ask(batch, pending)) => {
            desk.observer.wants_connection();
            let Some(connection) = desk.cores.connection(desk.core) else {
                return Handled::Parked(Box::new(Parked {
                    snapshot: Arc::clone(desk.snapshot),
                    batch,
                    pending,
                    exchange: desk.observer.parks(),
                }));
            };
            ask_if_connected(desk, client, &batch, &pending, connection);
        }
        None => write_internal_error(desk, client),
    }
    finish_request(desk, client, start);
    Handled::Written
}

fn prepare_request(desk: &Desk<'_>, verifier: &mut Verifier, client: &Client) -> Prepared {
    let request = client.requests.request();
    let target = request.target();
    let headers: Vec<(&str, &[u8])> = request.headers.iter().collect();
    let http = HttpRequest {
        method: request.method,
        path: target.path,
        query: target.query,
        headers: &headers,
        body: request.body,
    };
    let Snapshot {
        config,
        authenticator,
        ..
    } = &**desk.snapshot;
    let authorization = http.header("authorization");
    let now = desk.clock.unix_seconds();
    let caller = verifier.identify(config, authenticator, authorization, now);
    desk.observer.identified(&caller, verifier);
    let context = desk.snapshot.context(desk.core);
    if context.catalog.is_none() && caller.is_ok() {
        log::api_error(&Error::NoSchemaCache);
    }
    let prepared = prepare_in_steps(&context, &http, caller, &|| desk.observer.lap(Phase::Parse));
    desk.observer.lap(Phase::Plan);
    if let Prepared::Ask(_, pending) = &prepared
        && let Some([what, instead]) = pending.deprecation(request.method, target.raw)
    {
        log::warn(&format!("WARNING: {what}"));
        log::warn(&instead);
    }
    prepared
}

/// Answers a parked request with the connection it has got, or with why there is none.
pub(crate) fn resume(
    desk: &Desk<'_>,
    client: &mut Client,
    parked: &Parked,
    connection: Result<Lease, ConnectError>,
) {
    desk.observer.resumes(&parked.exchange);
    let start = client.output.bytes.len();
    ask_if_connected(desk, client, &parked.batch, &parked.pending, connection);
    finish_request(desk, client, start);
}

/// Answers a parked request whose time is over.
pub(crate) fn give_up(desk: &Desk<'_>, client: &mut Client, parked: &Parked) {
    desk.observer.resumes(&parked.exchange);
    desk.observer.gives_up();
    let start = client.output.bytes.len();
    write(desk, client, &parked.pending.error(&Error::PoolTimeout));
    log_query(desk, &parked.batch);
    finish_request(desk, client, start);
}

/// Whether nobody waits any more for the answer to a parked request. A write is carried out all
/// the same, as it would have been without a queue.
pub(crate) fn is_abandoned(client: &Client, parked: &Parked) -> bool {
    parked.snapshot.config.server_cancel_on_disconnect
        && parked.batch.access == AccessMode::ReadOnly
        && client.socket.is_gone()
}

/// Ends a parked request that nobody waits for.
pub(crate) fn abandon(desk: &Desk<'_>, client: &mut Client, parked: &Parked) {
    desk.observer.resumes(&parked.exchange);
    let start = client.output.bytes.len();
    lose(desk, client);
    finish_request(desk, client, start);
}

/// The client is gone. It is left alone by us, too: should it only have finished sending, it must
/// not wait.
fn lose(desk: &Desk<'_>, client: &mut Client) {
    desk.observer.loses_client();
    client.after = After::Close;
}

fn ask_if_connected(
    desk: &Desk<'_>,
    client: &mut Client,
    batch: &Batch,
    pending: &Pending,
    connection: Result<Lease, ConnectError>,
) {
    match connection {
        Ok(lease) => ask(desk, client, batch, pending, lease),
        Err(error) => write_unreachable(desk, client, pending, &error),
    }
    log_query(desk, batch);
}

fn ask(desk: &Desk<'_>, client: &mut Client, batch: &Batch, pending: &Pending, mut lease: Lease) {
    desk.observer.has_connection(&lease);
    if batch.access == AccessMode::ReadWrite {
        desk.cores.expect_to_wait(desk.core, desk.thread);
    }
    let start = client.output.bytes.len();
    let asked = or_internal_error(|| {
        let request = client.requests.request();
        let facts = Facts::of(desk, &request);
        let question = Question {
            context: desk.snapshot.context(desk.core),
            batch,
            pending,
            request_body: request.body,
            client: &client.socket,
        };
        answer::ask(
            desk,
            &mut lease,
            &question,
            &facts,
            &mut client.output.bytes,
        )
    });
    desk.observer.database_done(&lease);
    match asked {
        Some(Asked::Completely) => {}
        Some(Asked::BodyFollows) => client.body = Some(Remainder::new(lease, desk.core)),
        Some(Asked::Cancelled) => lose(desk, client),
        None => {
            lease.reset();
            client.output.bytes.truncate(start);
            write_internal_error(desk, client);
        }
    }
}

fn log_query(desk: &Desk<'_>, batch: &Batch) {
    if desk.snapshot.config.log_query {
        desk.observer.queried(batch);
    }
}

/// The response that begins at `start` of the client's output is written, or as much as there is.
fn finish_request(desk: &Desk<'_>, client: &mut Client, start: usize) {
    if let Some(line) = desk.observer.timing_line() {
        insert_header_line(&mut client.output.bytes, start, &line);
    }
    let request = client.requests.request();
    desk.observer.finishes(client.peer, request);
    if desk.cores.is_stopping() || !request.keep_alive {
        client.after = After::Close;
    }
    client.requests.finish_request();
}

/// A panic is a bug of ours. It costs one request its answer, and nobody else anything.
pub(crate) fn or_internal_error<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

fn write(desk: &Desk<'_>, client: &mut Client, response: &Response) {
    let facts = Facts::of(desk, &client.requests.request());
    write_response(&mut client.output.bytes, response, &facts);
}

fn write_unreachable(
    desk: &Desk<'_>,
    client: &mut Client,
    pending: &Pending,
    error: &ConnectError,
) {
    desk.cores.health.suspect();
    let details = Some(error.message());
    let error = Error::DatabaseConnection { details };
    log::api_error(&error);
    write(desk, client, &pending.error(&error));
}

fn write_internal_error(desk: &Desk<'_>, client: &mut Client) {
    let details = "The server has met a bug of its own.".to_owned();
    let error = Error::Internal { details };
    let verbosity = desk.snapshot.config.client_error_verbosity;
    write(desk, client, &error.response(verbosity).into());
}
