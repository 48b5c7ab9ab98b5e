//! The story of one request.
//!
//! ```text
//! request ──prepare──▶ reply ─────────────────────────────────────▶ written
//!                └───▶ batch ──take a connection──▶ ask ──finish──▶ written, body following
//!                                  └─ none free ──▶ parked ──▶ ask, or 504 at its deadline
//! ```
//! Everything in here is straight-line and blocking, on one thread, from the bytes that came in to
//! the bytes that go out. Whatever goes wrong with one request, the thread lives on.

use crate::answer::{self, Asked};
use crate::auth::Verifier;
use crate::cores::client::{After, Client};
use crate::health::Health;
use crate::reply::{Clock, Facts, write_response};
use crate::snapshot::Snapshot;
use corerest_api::error::Error;
use corerest_api::query::Batch;
use corerest_api::request::HttpRequest;
use corerest_api::{Pending, Prepared, prepare};
use corerest_pg::{Lease, Pool};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// How much of a large body is moved at a time, and so held in memory for its client.
pub(crate) const BODY_CHUNK_BYTES: usize = 64 << 10;

/// What a thread has on its desk besides the request.
#[derive(Clone, Copy)]
pub(crate) struct Desk<'a> {
    /// What the request is answered from.
    pub(crate) snapshot: &'a Arc<Snapshot>,
    /// Whom to tell that PostgreSQL may be gone.
    pub(crate) health: &'a Health,
    /// What time it is.
    pub(crate) clock: &'a Clock,
    /// Whether this response is the connection's last.
    pub(crate) stopping: bool,
}

/// A request that waits for a connection to PostgreSQL.
pub(crate) struct Parked {
    /// What it was prepared with.
    pub(crate) snapshot: Arc<Snapshot>,
    batch: Batch,
    pending: Pending,
}

/// What has become of a request.
pub(crate) enum Handled {
    /// Its response is in the client's output.
    Written,
    /// No connection was free.
    Parked(Box<Parked>),
}

/// Answers the client's request, or finds that it has to wait.
pub(crate) fn handle(
    desk: &Desk<'_>,
    pool: &Arc<Pool>,
    verifier: &mut Verifier,
    client: &mut Client,
) -> Handled {
    let prepared = or_internal_error(|| {
        let request = client.requests.request();
        let headers: Vec<(&str, &[u8])> = request.headers.iter().collect();
        let http = HttpRequest {
            method: request.method,
            path: request.target.path,
            query: request.target.query,
            headers: &headers,
            body: request.body,
        };
        let Snapshot {
            config,
            authenticator,
            ..
        } = &**desk.snapshot;
        let authorization = http.header("authorization");
        let caller = verifier.identify(
            config,
            authenticator,
            authorization,
            desk.clock.unix_seconds(),
        );
        prepare(&desk.snapshot.context(), &http, caller)
    });
    match prepared {
        Some(Prepared::Reply(response)) => {
            let facts = Facts::of(desk, &client.requests.request());
            write_response(&mut client.output.bytes, &response, &facts);
        }
        Some(Prepared::Ask(batch, pending)) => match pool.take() {
            Some(lease) => ask(desk, client, &batch, &pending, lease),
            None => {
                let snapshot = Arc::clone(desk.snapshot);
                return Handled::Parked(Box::new(Parked {
                    snapshot,
                    batch,
                    pending,
                }));
            }
        },
        None => write_internal_error(desk, client),
    }
    finish_request(desk, client);
    Handled::Written
}

/// Answers a parked request with the connection it has got.
pub(crate) fn resume(desk: &Desk<'_>, client: &mut Client, parked: &Parked, lease: Lease) {
    ask(desk, client, &parked.batch, &parked.pending, lease);
    finish_request(desk, client);
}

/// Answers a parked request whose time is over.
pub(crate) fn give_up(desk: &Desk<'_>, client: &mut Client, parked: &Parked) {
    let response = parked.pending.error(&Error::PoolTimeout);
    let facts = Facts::of(desk, &client.requests.request());
    write_response(&mut client.output.bytes, &response, &facts);
    finish_request(desk, client);
}

/// Moves the next part of a large body from PostgreSQL to the client's output.
///
/// # Errors
/// If the connection to PostgreSQL breaks. The client has been promised a length, so all that is
/// left is to close its connection too.
pub(crate) fn take_more_body(client: &mut Client) -> Result<(), corerest_pg::Error> {
    let Some(mut lease) = client.body.take() else {
        return Ok(());
    };
    let connection = lease.connection()?;
    if connection.take_body(&mut client.output.bytes, BODY_CHUNK_BYTES)? > 0 {
        client.body = Some(lease);
        return Ok(());
    }
    answer::read_to_the_end(connection)
}

fn ask(desk: &Desk<'_>, client: &mut Client, batch: &Batch, pending: &Pending, mut lease: Lease) {
    let start = client.output.bytes.len();
    let asked = or_internal_error(|| {
        let facts = Facts::of(desk, &client.requests.request());
        answer::ask(
            desk,
            &mut lease,
            batch,
            pending,
            &facts,
            &mut client.output.bytes,
        )
    });
    match asked {
        Some(Asked::Completely) => {}
        Some(Asked::BodyFollows) => client.body = Some(lease),
        None => {
            lease.reset();
            client.output.bytes.truncate(start);
            write_internal_error(desk, client);
        }
    }
}

fn finish_request(desk: &Desk<'_>, client: &mut Client) {
    if desk.stopping || !client.requests.request().keep_alive {
        client.after = After::Close;
    }
    client.requests.finish_request();
}

/// A panic is a bug of ours. It costs one request its answer, and nobody else anything.
fn or_internal_error<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

fn write_internal_error(desk: &Desk<'_>, client: &mut Client) {
    let details = "The server has met a bug of its own.".to_owned();
    let error = Error::Internal { details };
    let response = error
        .response(desk.snapshot.config.client_error_verbosity)
        .into();
    let facts = Facts::of(desk, &client.requests.request());
    write_response(&mut client.output.bytes, &response, &facts);
}
