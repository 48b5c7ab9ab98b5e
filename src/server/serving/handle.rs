//! The story of one request.
//!
//! ```text
//! request ──prepare──▶ reply ─────────────────────────────────────▶ written
//!                └───▶ batch ──take a connection──▶ ask ──finish──▶ written, body following
//!                        │         └─ none free ──▶ parked ──▶ ask, or 504 at its deadline
//!                        └─ finish: channels ──▶ hears: begin_stream when they are in force
//! head of a long body ──part──▶ take a connection ──▶ upload ──parts──▶ ended ──▶ written
//! request ──its token names a key that is being fetched──▶ waits ──▶ prepare, as above
//! ```
//! Where many clients wait, quick reads are gathered after `prepare`, and asked together
//! ([`super::together`]).
//! A read that a replica cannot answer goes on elsewhere ([`super::aim`]), and may have to wait
//! again.
//! A read whose client goes away meanwhile ends there, without a response ([`super::watch`]).
//!
//! Everything in here is straight-line and blocking, on one thread, from the bytes that came in to
//! the bytes that go out. Whatever goes wrong with one request, the thread lives on.

use crate::auth::{Unidentified, Verifier};
use crate::log;
use crate::net::OtherSide;
use crate::observing::Exchange;
use crate::observing::timing::Phase;
use crate::serving::aim::{Elsewhere, Quest, Server, Unreachable, WaitsFor};
use crate::serving::answer::{self, Asked, Question};
use crate::serving::client::{After, Client, Head};
use crate::serving::desk::{Desk, Gathers};
use crate::serving::grant::Grant;
use crate::serving::hearing::Opening;
use crate::serving::output::KEPT_BYTES_MAX;
use crate::serving::remainder::Remainder;
use crate::serving::reply::{Answered, Facts, ResponseWriter};
use crate::serving::together::{is_quick_together, may_go_together, pace_of};
use crate::serving::upload::{Failure, FirstPart, PART_BYTES, Taken, Upload};
use crate::state::key_board::Advice;
use crate::state::snapshot::Snapshot;
use corerest_api::channel::ChannelName;
use corerest_api::{
    AccessMode, AnswerSize, Batch, CONSISTENCY_TOKEN, Company, Error, HttpRequest, Identity, Pace,
    Pending, Position, Prepared, Response,
};
use corerest_api::{PartEnd, PreparedUpload, RECORD_BYTES_MAX};
use corerest_api::{
    bytes_made_of, comes_in_parts, prepare_in_steps, prepare_upload, refuse_by_head,
};
use corerest_pg::ReadBatch;
use corerest_wire::http::event_stream::{Part, StreamFraming};
use corerest_wire::http::{self, Refusal, Version};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// After how long a client that hears is to come again when its connection breaks, in milliseconds.
/// Where the server ends the stream itself, it says so anew.
const RETRY_MILLISECONDS: u64 = 2_000;

/// While PostgreSQL is away every request fails with the same.
static UNREACHABLE_SAID: log::Seldom = log::Seldom::every(Duration::from_secs(5));
static NO_REPLICA_SAID: log::Seldom = log::Seldom::every(Duration::from_secs(5));

/// A request that waits for a connection to PostgreSQL.
pub(crate) struct WaitingRequest {
    /// What it was prepared with.
    pub(crate) snapshot: Arc<Snapshot>,
    batch: Batch,
    pending: Pending,
    /// What it waits for.
    pub(crate) quest: Quest,
    exchange: Exchange,
    /// Whether it was asked together with others, and got no answer.
    stays_alone: bool,
    /// The first part of its body, if more follow.
    first_part: Option<Box<FirstPart>>,
}

impl WaitingRequest {
    fn new(desk: &Desk<'_>, batch: Batch, pending: Pending, quest: Quest) -> Box<WaitingRequest> {
        Box::new(WaitingRequest {
            snapshot: Arc::clone(desk.snapshot),
            batch,
            pending,
            quest,
            exchange: desk.observer.parks(),
            stays_alone: false,
            first_part: None,
        })
    }

    /// Whether it may be asked together with others.
    pub(crate) fn may_go_together(&self, client: &Client) -> bool {
        let body = client.requests.request().body;
        !self.stays_alone && may_go_together(&self.batch, &self.pending, &self.quest, body)
    }

    /// From now on it is asked by itself: it is not to be asked together with others for ever.
    pub(crate) fn stay_alone(&mut self) {
        self.stays_alone = true;
    }

    /// It is about to be asked together with others.
    pub(crate) fn note_trial(&self) {
        self.pending.note_trial();
    }

    /// What it asks, as one of several that may go together.
    pub(crate) fn read_batch<'b>(&'b self, client: &'b Client) -> ReadBatch<'b> {
        ReadBatch {
            statements: &self.batch.statements,
            request_body: self.batch.body.part_of(client.requests.request().body),
            guise: self.pending.guise(),
        }
    }

    /// How many bytes are held for it, beside what its client has sent.
    pub(crate) fn bytes(&self) -> usize {
        let part = self.first_part.as_ref();
        self.batch.bytes() + part.map_or(0, |part| part.records.parameter_bytes)
    }

    /// How many statements that are.
    pub(crate) fn statements(&self) -> usize {
        self.batch.statements.len()
    }

    /// How large its answer will be, as far as is known.
    pub(crate) fn size_before(&self) -> AnswerSize {
        self.pending.size_before()
    }
}

/// What has become of a request.
pub(crate) enum Handled {
    /// Its response is in the client's output.
    Finished(Finished),
    /// No connection was free.
    Waits(Box<WaitingRequest>),
    /// It is to be asked together with others.
    Joins(Box<WaitingRequest>),
    /// It is to be asked by itself, behind those that are gathered.
    StandsBack(Box<WaitingRequest>),
    /// Its response begins when these channels are in force.
    Hears(Box<Opening>, Vec<ChannelName>),
    /// A key that its token names is not there.
    LacksKeys(LacksKeys),
}

/// What has become of a request that has waited for a connection, or has one.
pub(crate) enum Concluded {
    /// Its response is in the client's output.
    Finished(Finished),
    /// No connection was free, on any server that it may go to.
    Waits(Box<WaitingRequest>),
    /// Its response begins when these channels are in force.
    Hears(Box<Opening>, Vec<ChannelName>),
    /// The first part of its body is written, and it goes on with the others.
    Uploads,
}

/// What has become of a part of a body.
pub(crate) enum Parted {
    /// It has been taken, or more of it is wanted.
    Taken,
    /// The response to the request is in the client's output.
    Finished(Finished),
    /// It is the first one, and no connection was free.
    Waits(Box<WaitingRequest>),
}

/// What PostgreSQL's answer amounts to.
enum Outcome {
    /// A response.
    Answered(Answered),
    /// A response that begins when these channels are in force.
    Hears(Box<Opening>, Vec<ChannelName>),
}

/// A request whose token names a key that is not there, as far as it was looked at.
#[derive(Debug)]
pub(crate) enum LacksKeys {
    /// Its body has not come.
    Head,
    /// It is complete.
    Request(Box<Exchange>),
}

/// What a request does whose token names a key that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyPatience {
    /// It comes again when somebody has asked how many fetches have ended.
    Unasked,
    /// It waits for a fetch that had not ended when so many had, if there is one or may be.
    Until(u64),
    /// It has waited for long enough.
    Over,
}

/// A request is over: its response is in the client's output, as far as it does not follow, and
/// the next one may be read. Only [`finish_request`] makes it, of an [`Answered`].
#[derive(Debug)]
pub(crate) struct Finished {
    _private: (),
}

/// Answers the client's request, or finds that it has to wait.
pub(crate) fn handle(desk: &Desk<'_>, verifier: &mut Verifier, client: &mut Client) -> Handled {
    if client.is_visitor {
        return Handled::Finished(greet(desk, client));
    }
    desk.observer.begins(&desk.snapshot.config);
    answer_request(desk, verifier, client, KeyPatience::Unasked)
}

/// Answers a request that has lacked keys, or lets it wait for more.
pub(crate) fn handle_again(
    desk: &Desk<'_>,
    verifier: &mut Verifier,
    client: &mut Client,
    exchange: &Exchange,
    patience: KeyPatience,
) -> Handled {
    desk.observer.resumes(exchange);
    answer_request(desk, verifier, client, patience)
}

fn answer_request(
    desk: &Desk<'_>,
    verifier: &mut Verifier,
    client: &mut Client,
    patience: KeyPatience,
) -> Handled {
    let prepared = or_internal_error(|| prepare_request(desk, verifier, client, patience));
    let answered = match prepared {
        Some(None) => return Handled::LacksKeys(LacksKeys::Request(desk.observer.parks().into())),
        Some(Some(Prepared::Reply(response))) => writer(desk, client).respond(&response),
        Some(Some(Prepared::Ask(batch, _)))
            if has_left(client) && is_given_up(desk.snapshot, &batch) =>
        {
            client.after = After::Close;
            lose(desk, writer(desk, client))
        }
        Some(Some(Prepared::Ask(batch, pending))) => {
            desk.observer.wants_connection();
            let mut quest = Quest::new(&batch, |position| desk.host.can_tell(position));
            let waiting = |batch, pending, quest| WaitingRequest::new(desk, batch, pending, quest);
            let body = client.requests.request().body;
            let may_join = may_go_together(&batch, &pending, &quest, body);
            if may_join && desk.host.has_company(quest.aim()) {
                return Handled::Joins(waiting(batch, pending, quest));
            }
            if let Gathers::More(_) = desk.host.gathers() {
                return Handled::StandsBack(waiting(batch, pending, quest));
            }
            let connection = desk.host.connection(quest.aim(), pending.size_before());
            return match pursue(desk, client, &batch, &pending, &mut quest, connection) {
                Some(Outcome::Answered(answered)) => {
                    Handled::Finished(finish_request(desk, client, answered))
                }
                Some(Outcome::Hears(opening, names)) => Handled::Hears(opening, names),
                None => Handled::Waits(waiting(batch, pending, quest)),
            };
        }
        None => writer(desk, client).respond_internal_error(),
    };
    Handled::Finished(finish_request(desk, client, answered))
}

fn conclude(desk: &Desk<'_>, client: &mut Client, outcome: Outcome) -> Concluded {
    match outcome {
        Outcome::Answered(answered) => Concluded::Finished(finish_request(desk, client, answered)),
        Outcome::Hears(opening, names) => Concluded::Hears(opening, names),
    }
}

/// Begins the response of a client that hears, now that its channels are in force.
pub(crate) fn begin_stream(desk: &Desk<'_>, client: &mut Client, opening: &Opening) -> Finished {
    desk.observer.resumes(&opening.exchange);
    let framing = opening.framing;
    let answered = writer(desk, client).open_stream(&opening.response, framing);
    let finished = finish_request(desk, client, answered);
    client
        .output
        .push_part(Part::retry(RETRY_MILLISECONDS).bytes(framing));
    finished
}

/// Answers a client that was going to hear with why it cannot.
pub(crate) fn refuse_stream(
    desk: &Desk<'_>,
    client: &mut Client,
    opening: &Opening,
    error: &Error,
) -> Finished {
    desk.observer.resumes(&opening.exchange);
    log::api_error(error);
    let answered = writer(desk, client).respond(&opening.pending.error(error));
    finish_request(desk, client, answered)
}

/// Answers a request of ourselves, who wanted to see that it is answered.
fn greet(desk: &Desk<'_>, client: &mut Client) -> Finished {
    let answered = writer(desk, client).greet();
    client.after = After::Close;
    client.requests.finish_request();
    drop(answered);
    Finished { _private: () }
}

/// What becomes of a request with a large body, or one that its client holds back.
pub(crate) enum Looked {
    /// The body may come.
    Admitted,
    /// It may, in parts.
    AdmittedInParts,
    /// Its response, which did not need the body, is in the client's output.
    Finished(Finished),
    /// There is no memory for the body, now or ever.
    Refused(Refusal),
    /// A key that its token names is not there.
    LacksKeys,
}

/// Decides by its head what becomes of a request: its body is taken only if it can do any good, and
/// if there is memory for it.
pub(crate) fn look_at_head(
    desk: &Desk<'_>,
    verifier: &mut Verifier,
    client: &mut Client,
    patience: KeyPatience,
) -> Looked {
    desk.observer.looks_at_head(&desk.snapshot.config);
    let refused = or_internal_error(|| {
        with_http(client, |http| {
            let caller = identify(desk, verifier, http, client.head, patience)?;
            let context = desk.snapshot.context(desk.core);
            let is_long = (client.requests.declared_body_bytes())
                .is_none_or(|declared| declared > PART_BYTES);
            let in_parts = is_long && comes_in_parts(&context, http);
            Some((refuse_by_head(&context, http, caller), in_parts))
        })
    });
    let answered = match refused {
        Some(None) => return Looked::LacksKeys,
        Some(Some((None, true))) => {
            client.head = Head::LookedAt;
            return Looked::AdmittedInParts;
        }
        Some(Some((None, false))) => match out_of_memory(client) {
            Some(refusal) => return Looked::Refused(refusal),
            None => {
                client.head = Head::LookedAt;
                return Looked::Admitted;
            }
        },
        Some(Some((Some(response), _))) => writer(desk, client).respond(&response),
        None => writer(desk, client).respond_internal_error(),
    };
    desk.observer.counts();
    let finished = finish_request(desk, client, answered);
    // The body is on its way: whoever closed now would take the response back.
    client.after = After::Drain;
    Looked::Finished(finished)
}

/// Why the body of a request cannot come, as far as its length is known. Memory is held for what
/// has come, and not for what is said to.
fn out_of_memory(client: &Client) -> Option<Refusal> {
    let declared = client.requests.declared_body_bytes()?;
    let made = with_http(client, |http| bytes_made_of(http, declared));
    let all = declared.saturating_add(made);
    let memory = client.memory.memory();
    if all > memory.bytes_max() {
        return Some(Refusal::BodyTooLarge);
    }
    (!memory.has_room(all)).then_some(Refusal::OutOfMemory)
}

/// So much of a request is answered even where those that wait for a connection hold more than all
/// that there may be.
const SMALL_REQUEST_BYTES: usize = 8 << 10;

/// Why a request cannot be answered, if there is no memory for what is made of it. As long as it is
/// at work it holds that, too.
pub(crate) fn hold_what_is_made(client: &mut Client) -> Option<Refusal> {
    if client.requests.unanswered_bytes() <= SMALL_REQUEST_BYTES {
        return None;
    }
    if client.memory.memory().is_exceeded() {
        return Some(Refusal::OutOfMemory);
    }
    let body_bytes = client.requests.request().body.len();
    if body_bytes <= KEPT_BYTES_MAX {
        return None;
    }
    let made = with_http(client, |http| bytes_made_of(http, body_bytes));
    if client.memory.hold_more(made) {
        return None;
    }
    match made > client.memory.memory().bytes_max() {
        true => Some(Refusal::BodyTooLarge),
        false => Some(Refusal::OutOfMemory),
    }
}

/// The request as the API sees it.
fn with_http<T>(client: &Client, work: impl FnOnce(&HttpRequest<'_>) -> T) -> T {
    let request = client.requests.request();
    let target = request.target();
    let headers: Vec<(&str, &[u8])> = request.headers.iter().collect();
    work(&HttpRequest {
        method: request.method,
        path: target.path,
        query: target.query,
        headers: &headers,
        body: request.body,
    })
}

/// Whom a request is from; `None` if it is to wait for the key that tells.
fn identify(
    desk: &Desk<'_>,
    verifier: &mut Verifier,
    http: &HttpRequest<'_>,
    head: Head,
    patience: KeyPatience,
) -> Option<Result<Identity, Error>> {
    let Snapshot {
        config,
        authenticator,
        ..
    } = &**desk.snapshot;
    let authorization = http.header("authorization");
    let now = desk.clock.unix_seconds();
    // Whoever has waited for keys was looked at before, too.
    let identified = match (head, patience) {
        (Head::New, KeyPatience::Unasked) => {
            verifier.identify(config, authenticator, authorization, now)
        }
        _ => verifier.identify_again(config, authenticator, authorization, now),
    };
    let caller = match identified {
        Ok(identity) => Ok(identity),
        Err(unidentified) => Err(refusal(desk, unidentified, patience)?),
    };
    desk.observer.identified(&caller, verifier);
    if desk.snapshot.catalog.is_none() && caller.is_ok() {
        log::api_error(&Error::NoSchemaCache);
    }
    Some(caller)
}

/// What somebody is told of whom nothing is known; `None` if he is to wait until it is.
fn refusal(desk: &Desk<'_>, unidentified: Unidentified, patience: KeyPatience) -> Option<Error> {
    let lack = match unidentified {
        Unidentified::Refused(error) => return Some(error),
        Unidentified::LacksKeys(lack) => lack,
    };
    let board = desk.host.key_board();
    let advice = match patience {
        KeyPatience::Unasked => return None,
        KeyPatience::Until(ended) => board.advise(&lack, ended),
        KeyPatience::Over => Advice::GiveUp { retry_seconds: 1 },
    };
    match advice {
        Advice::Wait => None,
        Advice::GiveUp { retry_seconds } => Some(lack.into_error(retry_seconds)),
    }
}

/// Prepares a request; `None` if it is to wait for keys.
fn prepare_request(
    desk: &Desk<'_>,
    verifier: &mut Verifier,
    client: &Client,
    patience: KeyPatience,
) -> Option<Prepared> {
    let prepared = with_http(client, |http| {
        let caller = identify(desk, verifier, http, client.head, patience)?;
        let context = desk.snapshot.context(desk.core);
        let lap = || desk.observer.lap(Phase::Parse);
        Some(prepare_in_steps(&context, http, caller, &lap))
    })?;
    desk.observer.lap(Phase::Plan);
    let request = client.requests.request();
    if let Prepared::Ask(_, pending) = &prepared
        && let Some([what, instead]) = pending.deprecation(request.method, request.target().raw)
    {
        log::warn(&format!("WARNING: {what}"));
        // It has names of the query in it, and all of the target.
        if log::are_queries_shown() {
            log::warn(&instead);
        }
    }
    Some(prepared)
}

/// Takes one more part of a body; the last one ends the upload.
pub(crate) fn take_part(
    desk: &Desk<'_>,
    client: &mut Client,
    mut upload: Box<Upload>,
    end: PartEnd,
) -> Parted {
    desk.observer.resumes(&upload.exchange);
    let part = client.requests.request().body;
    let taken = or_internal_error(|| match upload.take(part, end) {
        Ok(Taken::Bytes(count)) if end == PartEnd::Last && count == part.len() => {
            upload.end().map(Ok)
        }
        taken => taken.map(Err),
    });
    match taken {
        Some(Ok(Err(taken))) => {
            match taken {
                Taken::Bytes(count) => client.requests.take_part(count, PART_BYTES),
                Taken::Wants(bytes) => client.requests.want_part(bytes),
            }
            upload.exchange = desk.observer.parks();
            client.upload = Some(upload);
            Parted::Taken
        }
        Some(Ok(Ok((response, position)))) => {
            desk.observer.database_done(upload.lease());
            log_query(desk, &upload.batch);
            drop(upload);
            let answered = writer(desk, client).respond(&response);
            tell_position(position, client, &answered);
            Parted::Finished(finish_request(desk, client, answered))
        }
        Some(Err(failure)) => Parted::Finished(fail_upload(desk, client, upload, failure)),
        // A panic, which is logged where it happens; its connection goes with it.
        None => {
            upload.lease().reset();
            drop(upload);
            let answered = writer(desk, client).respond_internal_error();
            Parted::Finished(finish_request(desk, client, answered))
        }
    }
}

/// Ends an upload before its body does, and says why.
pub(crate) fn fail_upload(
    desk: &Desk<'_>,
    client: &mut Client,
    mut upload: Box<Upload>,
    failure: Failure,
) -> Finished {
    desk.observer.resumes(&upload.exchange);
    let response = failure.response(desk.host, &upload.pending);
    let answered = writer(desk, client).respond(&response);
    desk.observer.database_done(upload.lease());
    log_query(desk, &upload.batch);
    upload.abandon();
    finish_request(desk, client, answered)
}

/// The client of an upload is gone.
pub(crate) fn lose_upload(desk: &Desk<'_>, client: &mut Client, upload: Box<Upload>) {
    desk.observer.resumes(&upload.exchange);
    let answered = lose(desk, writer(desk, client));
    upload.abandon();
    finish_request(desk, client, answered);
}

/// Prepares an upload with the first part of its body, and begins it.
pub(crate) fn begin_upload(
    desk: &Desk<'_>,
    verifier: &mut Verifier,
    client: &mut Client,
    end: PartEnd,
) -> Parted {
    desk.observer.looks_at_head(&desk.snapshot.config);
    let prepared = or_internal_error(|| {
        with_http(client, |http| {
            // It was found out when the head came, so a key that has gone since is gone.
            let patience = KeyPatience::Over;
            let caller = identify(desk, verifier, http, client.head, patience)
                .expect("whoever has no patience is told something");
            prepare_first_part(desk, http, caller, end)
        })
    });
    let first = match prepared {
        None => Err(writer(desk, client).respond_internal_error()),
        Some(Err(response)) => Err(writer(desk, client).respond(&response)),
        Some(Ok(None)) => {
            let bytes = client.requests.request().body.len();
            client.requests.want_part((2 * bytes).min(RECORD_BYTES_MAX));
            return Parted::Taken;
        }
        Some(Ok(Some(first))) => Ok(first),
    };
    desk.observer.counts();
    let (first_part, batch, pending) = match first {
        Ok(first) => first,
        Err(answered) => return Parted::Finished(finish_request(desk, client, answered)),
    };
    desk.observer.wants_connection();
    let quest = Quest::new(&batch, |position| desk.host.can_tell(position));
    let connection = desk.host.connection(quest.aim(), pending.size_before());
    let mut waiting = WaitingRequest::new(desk, batch, pending, quest);
    waiting.first_part = Some(Box::new(first_part));
    match resume(desk, client, waiting, connection) {
        Concluded::Finished(finished) => Parted::Finished(finished),
        Concluded::Waits(waiting) => Parted::Waits(waiting),
        Concluded::Uploads | Concluded::Hears(..) => Parted::Taken,
    }
}

/// Reads the first part of a body; `None` if it is too short.
fn prepare_first_part(
    desk: &Desk<'_>,
    http: &HttpRequest<'_>,
    caller: Result<Identity, Error>,
    end: PartEnd,
) -> Result<Option<(FirstPart, Batch, Pending)>, Response> {
    let context = desk.snapshot.context(desk.core);
    let (mut intake, batch, pending) = match prepare_upload(&context, http, caller, end) {
        PreparedUpload::Reply(response) => return Err(response),
        PreparedUpload::WantsMore => return Ok(None),
        PreparedUpload::Begin(intake, batch, pending) => (intake, batch, pending),
    };
    desk.observer.lap(Phase::Plan);
    let refused = |error: Error| Err(pending.error(&error));
    let whole = intake.cut(http.body, end);
    let records = match intake.read(&http.body[..whole]) {
        Ok(records) => records,
        Err(error) => return refused(error),
    };
    let place = match desk.host.upload_place() {
        Ok(place) => place,
        Err(at_most) => return refused(Error::TooManyUploads { at_most }),
    };
    let first = FirstPart {
        bytes: records.text_bytes(),
        intake,
        records,
        place,
    };
    Ok(Some((first, batch, pending)))
}

/// Begins an upload whose first part has waited for this connection.
fn resume_upload(
    desk: &Desk<'_>,
    client: &mut Client,
    mut waiting: Box<WaitingRequest>,
    first: Box<FirstPart>,
    connection: Option<Result<Grant, Unreachable>>,
) -> Concluded {
    let grant = match connection {
        None => {
            waiting.first_part = Some(first);
            waiting.exchange = desk.observer.parks();
            return Concluded::Waits(waiting);
        }
        Some(Err(unreachable)) => {
            let writer = writer(desk, client);
            let answered = respond_unreachable(desk, writer, &waiting.pending, unreachable);
            return Concluded::Finished(finish_request(desk, client, answered));
        }
        Some(Ok(grant)) => {
            desk.observer.has_connection(&grant.lease);
            desk.host.asks(grant.server);
            grant
        }
    };
    desk.host.expect_to_wait();
    let bytes = first.bytes;
    let part = client.requests.request().body;
    let begun = or_internal_error(|| {
        let asked = (&waiting.batch, &waiting.pending);
        let told = (part, desk.observer.parks());
        Upload::begin(
            desk.host,
            grant,
            desk.core,
            desk.snapshot,
            asked,
            *first,
            told,
        )
    });
    let answered = match begun {
        Some(Ok(upload)) => {
            client.requests.take_part(bytes, PART_BYTES);
            client.upload = Some(Box::new(upload));
            return Concluded::Uploads;
        }
        Some(Err(failure)) => {
            let response = failure.response(desk.host, &waiting.pending);
            writer(desk, client).respond(&response)
        }
        None => writer(desk, client).respond_internal_error(),
    };
    log_query(desk, &waiting.batch);
    Concluded::Finished(finish_request(desk, client, answered))
}

/// Answers a request that has waited, with the connection it has got, or with why there is none.
pub(crate) fn resume(
    desk: &Desk<'_>,
    client: &mut Client,
    mut waiting: Box<WaitingRequest>,
    connection: Option<Result<Grant, Unreachable>>,
) -> Concluded {
    desk.observer.resumes(&waiting.exchange);
    if let Some(first) = waiting.first_part.take() {
        return resume_upload(desk, client, waiting, first, connection);
    }
    let WaitingRequest {
        batch,
        pending,
        quest,
        ..
    } = &mut *waiting;
    match pursue(desk, client, batch, pending, quest, connection) {
        Some(outcome) => conclude(desk, client, outcome),
        None => {
            waiting.exchange = desk.observer.parks();
            Concluded::Waits(waiting)
        }
    }
}

/// Answers a request that is not to be asked together with others after all.
pub(crate) fn ask_by_itself(
    desk: &Desk<'_>,
    client: &mut Client,
    waiting: Box<WaitingRequest>,
) -> Concluded {
    let connection = desk
        .host
        .connection(waiting.quest.aim(), waiting.size_before());
    resume(desk, client, waiting, connection)
}

/// Answers a request that was sent together with others, whose first statement has this number.
/// Otherwise it is to be asked by itself, and nothing of an answer is there; this is its pace.
pub(crate) fn take_answer(
    desk: &Desk<'_>,
    client: &mut Client,
    waiting: &mut WaitingRequest,
    grant: &mut Grant,
    first: usize,
) -> Result<Finished, Pace> {
    let lease = &mut grant.lease;
    desk.observer.resumes(&waiting.exchange);
    desk.observer.has_connection(lease);
    let WaitingRequest { batch, pending, .. } = &*waiting;
    let mut writer = writer(desk, client);
    let taken =
        or_internal_error(|| answer::take_answer(lease, batch, pending, first, &mut writer));
    let answered = match taken {
        Some(Ok(())) => writer.finish(0).map_err(|_| Pace::Late),
        Some(Err(pace)) => Err(pace),
        // A panic, which is logged where it happens.
        None => {
            lease.reset();
            Err(Pace::Late)
        }
    };
    let answered = match answered {
        Ok(answered) => answered,
        Err(pace) => {
            // It is not the way that makes an answer fail; and what had to be cancelled was slow.
            pending.note_pace(pace, Company::Behind);
            writer.retract();
            waiting.exchange = desk.observer.parks();
            return Err(pace);
        }
    };
    let took = desk.observer.database_done(lease);
    // Whoever leaves something costs those behind him their answers.
    let pace = match lease.connection().has_leftovers() {
        true => Pace::Slow,
        false => pace_of(took),
    };
    let company = match first {
        0 => Company::Ahead,
        _ => Company::Behind,
    };
    if company == Company::Ahead {
        desk.host.note_way(took);
    }
    pending.note_pace(pace, company);
    log_query(desk, batch);
    // Whoever has no answer is going to ask by himself.
    desk.host.asks(grant.server);
    desk.observer.tally().together.add(1);
    Ok(finish_request(desk, client, answered))
}

/// No replica has replayed in time what the request must see: the primary has it.
pub(crate) fn ask_primary(
    desk: &Desk<'_>,
    client: &mut Client,
    mut waiting: Box<WaitingRequest>,
) -> Concluded {
    waiting.quest.on_not_replayed();
    let size = waiting.size_before();
    let connection = desk.host.connection(waiting.quest.aim(), size);
    resume(desk, client, waiting, connection)
}

/// Answers a request whose time to wait is over.
pub(crate) fn give_up(
    desk: &Desk<'_>,
    client: &mut Client,
    waiting: Box<WaitingRequest>,
) -> Concluded {
    desk.observer.resumes(&waiting.exchange);
    desk.observer.gives_up();
    let response = waiting.pending.error(&Error::PoolTimeout);
    let answered = writer(desk, client).respond(&response);
    log_query(desk, &waiting.batch);
    Concluded::Finished(finish_request(desk, client, answered))
}

/// Whether nobody waits any more for the answer to a request that waits. A write is carried out
/// all the same, as it would have been without a queue.
pub(crate) fn is_abandoned(client: &Client, waiting: &WaitingRequest) -> bool {
    is_given_up(&waiting.snapshot, &waiting.batch) && client.socket.is_gone()
}

/// Whether a request is not carried out when nobody waits for its answer.
fn is_given_up(snapshot: &Snapshot, batch: &Batch) -> bool {
    snapshot.config.server_cancel_on_disconnect && batch.access == AccessMode::ReadOnly
}

/// Whether a client was gone before its request was looked at, which costs nothing to know. Of
/// those who send requests and reset the connection, none costs PostgreSQL anything.
fn has_left(client: &Client) -> bool {
    client.other_side == OtherSide::Gone
}

/// Ends a waiting request that nobody waits for.
pub(crate) fn abandon(
    desk: &Desk<'_>,
    client: &mut Client,
    waiting: Box<WaitingRequest>,
) -> Concluded {
    desk.observer.resumes(&waiting.exchange);
    let answered = lose(desk, writer(desk, client));
    client.after = After::Close;
    Concluded::Finished(finish_request(desk, client, answered))
}

/// The response that the client's request is owed.
fn writer<'a>(desk: &Desk<'a>, client: &'a mut Client) -> ResponseWriter<'a> {
    let facts = Facts::of(desk, &client.requests.request());
    ResponseWriter::new(&mut client.output, &mut client.memory, facts)
}

/// The client is gone. It is left alone by us, too: should it only have finished sending, it must
/// not wait, so its connection is to be closed.
fn lose(desk: &Desk<'_>, writer: ResponseWriter<'_>) -> Answered {
    let answered = writer.lose();
    desk.observer.loses_client();
    answered
}

/// Asks, and goes on elsewhere as long as a server will not do. `None` if the request has to wait.
fn pursue(
    desk: &Desk<'_>,
    client: &mut Client,
    batch: &Batch,
    pending: &Pending,
    quest: &mut Quest,
    mut connection: Option<Result<Grant, Unreachable>>,
) -> Option<Outcome> {
    loop {
        let asked = match connection? {
            Ok(grant) => ask(desk, client, batch, pending, quest, grant),
            Err(unreachable) if !quest.has_refusal() => {
                let writer = writer(desk, client);
                let answered = respond_unreachable(desk, writer, pending, unreachable);
                Ok(Outcome::Answered(answered))
            }
            Err(_) => Err(Elsewhere::Unanswered),
        };
        let asked = match (asked, quest.take_refusal()) {
            (Err(Elsewhere::Unanswered), Some(refusal)) => {
                let response = pending.database_error(*refusal);
                Ok(Outcome::Answered(writer(desk, client).respond(&response)))
            }
            (asked, _) => asked,
        };
        match asked {
            Ok(outcome) => {
                log_query(desk, batch);
                return Some(outcome);
            }
            Err(why) => quest.on(why),
        }
        connection = match quest.waits_for() {
            WaitsFor::Replay => None,
            WaitsFor::Primary | WaitsFor::Replica => {
                desk.host.connection(quest.aim(), pending.size_before())
            }
        };
    }
}

fn ask(
    desk: &Desk<'_>,
    client: &mut Client,
    batch: &Batch,
    pending: &Pending,
    quest: &Quest,
    mut grant: Grant,
) -> Result<Outcome, Elsewhere> {
    let server = grant.server;
    let lease = &mut grant.lease;
    desk.observer.has_connection(lease);
    desk.host.asks(server);
    if batch.access == AccessMode::ReadWrite {
        desk.host.expect_to_wait();
    } else {
        desk.host.expect(is_quick_together(batch, pending));
    }
    let request = client.requests.request();
    let framing = match request.version {
        Version::Http10 => StreamFraming::UntilClose,
        Version::Http11 => StreamFraming::Chunked,
    };
    let facts = Facts::of(desk, &request);
    let mut writer = ResponseWriter::new(&mut client.output, &mut client.memory, facts);
    let position = Cell::new(None);
    let question = Question {
        context: desk.snapshot.context(desk.core),
        batch,
        pending,
        request_body: request.body,
        client: &client.socket,
        server,
        is_second_opinion: quest.has_refusal(),
        position: &position,
    };
    let asked = or_internal_error(|| answer::ask(desk, lease, &question, &mut writer));
    let took = desk.observer.database_done(lease);
    if asked.is_some() && !lease.is_lost() {
        desk.host.note_way(took);
    }
    pending.note_pace(pace_of(took), Company::Alone);
    let answered = match asked {
        Some(Asked::Completely) => writer.finish(0),
        Some(Asked::BodyFollows) => match writer.finish(lease.connection().body_bytes_left()) {
            Ok(answered) => {
                client.body = Some(Remainder::new(grant, desk.core));
                return Ok(Outcome::Answered(answered));
            }
            Err(error) => Err(error),
        },
        Some(Asked::RowsFollow(rows)) => match writer.finish_open() {
            Ok(answered) => {
                client.body = Some(Remainder::of_rows(grant, desk.core, rows));
                return Ok(Outcome::Answered(answered));
            }
            Err(error) => Err(error),
        },
        Some(Asked::BodySpooled(file)) => match writer.finish(file.unsent() as usize) {
            Ok(answered) => {
                client.body = Some(Remainder::spooled(file));
                tell_position(position.get(), client, &answered);
                return Ok(Outcome::Answered(answered));
            }
            Err(error) => Err(error),
        },
        Some(Asked::Hears(response, names)) => {
            let opening = Box::new(Opening {
                snapshot: Arc::clone(desk.snapshot),
                pending: pending.clone(),
                response,
                framing,
                exchange: desk.observer.parks(),
            });
            return Ok(Outcome::Hears(opening, names));
        }
        Some(Asked::Cancelled) => {
            client.after = After::Close;
            return Ok(Outcome::Answered(lose(desk, writer)));
        }
        Some(Asked::Elsewhere(why)) => {
            let is_lost = matches!(why, Elsewhere::NotBegun | Elsewhere::Lost);
            if let (Server::Replica(replica), true) = (server, is_lost) {
                desk.host.loses(replica);
            }
            return Err(why);
        }
        // A panic, which is logged where it happens.
        None => {
            lease.reset();
            return Ok(Outcome::Answered(writer.respond_internal_error()));
        }
    };
    let answered = answered.unwrap_or_else(|error| {
        log::error(&format!("A bug: {error}."));
        lease.reset();
        writer.respond_internal_error()
    });
    tell_position(position.get(), client, &answered);
    Ok(Outcome::Answered(answered))
}

/// Tells the client of a write what to ask for to see it. That is known when the head is written.
fn tell_position(position: Option<Position>, client: &mut Client, answered: &Answered) {
    if let Some(position) = position {
        // Pages of other origins may read what they are told that they may.
        let lines = format!(
            "{CONSISTENCY_TOKEN}: {position}\r\n\
             Access-Control-Expose-Headers: {CONSISTENCY_TOKEN}\r\n"
        );
        answered.insert_header_line(&mut client.output, &lines);
    }
}

fn log_query(desk: &Desk<'_>, batch: &Batch) {
    if desk.snapshot.config.log_query {
        desk.observer.queried(batch);
    }
}

/// The response is written, or as much as there is, and the next request may be read.
fn finish_request(desk: &Desk<'_>, client: &mut Client, answered: Answered) -> Finished {
    if let Some(line) = desk.observer.timing_line() {
        answered.insert_header_line(&mut client.output, &line);
    }
    let request = client.requests.request();
    desk.observer.finishes(client.peer, request);
    if answered.closes() {
        // Of a body that is still on its way the rest is thrown away: whoever closed now would
        // take the response back.
        client.after = match client.requests.phase() {
            http::Phase::Body => After::Drain,
            _ => After::Close,
        };
    }
    client.requests.finish_request();
    client.head = Head::New;
    Finished { _private: () }
}

/// A panic is a bug of ours. It costs one request its answer, and nobody else anything.
pub(crate) fn or_internal_error<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

fn respond_unreachable(
    desk: &Desk<'_>,
    writer: ResponseWriter<'_>,
    pending: &Pending,
    unreachable: Unreachable,
) -> Answered {
    let (details, said) = match unreachable {
        Unreachable::Connect(error) => {
            desk.host.health().suspect();
            (error.message(), &UNREACHABLE_SAID)
        }
        Unreachable::NoReplica => {
            let details = "no replica will do, and db-replica-fallback is off";
            (details.to_owned(), &NO_REPLICA_SAID)
        }
    };
    let details = Some(details);
    let error = Error::DatabaseConnection { details };
    log::api_error_seldom(said, &error);
    writer.respond(&pending.error(&error))
}
