//! The admin server: `/live` and `/ready` for orchestrators and load balancers, `/metrics` for
//! Prometheus, `/schema_cache` for whoever wonders what is known of the database, and with
//! `server-console-enabled` a page for people ([`console`]).
//!
//! ```text
//! listener ──▶ one thread accepts, and does nothing else ──▶ CLIENTS_MAX threads serve
//!                  ├─ all of them are taken: the oldest client goes ([`reception`])
//!                  └─ no more file descriptors: there is one in reserve
//! ```
//! It shares nothing with the cores but what it reads, so that it answers when all of them are
//! busy; and clients that say nothing, or slowly, or take nothing, keep no probe waiting, however
//! many they are: there is one deadline for all that a client does, and it is the first to go.
//!
//! Source: PostgREST's documentation, `references/admin_server`.

mod console;
mod metrics;
mod own_host;
mod reception;

use crate::cores::Cores;
use crate::log;
use crate::net::{Hasty, Listener, Reserve};
use crate::serving::clock::Clock;
use crate::serving::reply::{SERVER, write_refusal};
use crate::state::health::Health;
use corerest_api::ConsoleFile;
use corerest_wire::http::response::{BodyFraming, ConnectionHeader, ResponseHead, write_head};
use corerest_wire::http::{Buffer, Connection, Limits, Progress, Request};
use reception::{Reception, Visit};
use rustix::event::{PollFd, PollFlags, poll};
use std::borrow::Cow;
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a client may take to ask and to take the answer, all together. What we take to find the
/// answer does not count.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a core may leave its bell unanswered. One that does so is stuck: a busy one answers in
/// milliseconds.
const CORE_PATIENCE: Duration = Duration::from_secs(5);

/// How many clients are served at a time, each by a thread of its own.
const CLIENTS_MAX: usize = 16;

/// How long the thread that accepts waits for one of them to go before it looks again.
const WAY_OUT: Duration = Duration::from_millis(100);

/// How long to wait before trying to accept again when it failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// The admin server.
pub(crate) struct Admin {
    pub(crate) listener: Listener,
    pub(crate) cores: Arc<Cores>,
    pub(crate) health: Arc<Health>,
    /// When the process was started, since 1970.
    pub(crate) started: Duration,
}

/// The admin server at work.
struct Office {
    admin: Admin,
    reception: Reception,
    reserve: Mutex<Reserve>,
}

/// What a request is answered with.
struct Answer {
    status: u16,
    headers: Vec<(&'static str, Cow<'static, str>)>,
    body: Cow<'static, [u8]>,
}

impl Answer {
    fn of_status(status: u16) -> Answer {
        Answer {
            status,
            headers: Vec::new(),
            body: Cow::Borrowed(&[]),
        }
    }

    fn of_file(file: ConsoleFile) -> Answer {
        Answer {
            status: 200,
            headers: file.headers(false).collect(),
            body: Cow::Borrowed(file.bytes),
        }
    }
}

impl Admin {
    /// Starts its threads.
    ///
    /// # Errors
    /// If there cannot be so many.
    pub(crate) fn start(self, reserve: Reserve) -> io::Result<()> {
        let office = Arc::new(Office {
            admin: self,
            reception: Reception::new(CLIENTS_MAX),
            reserve: Mutex::new(reserve),
        });
        for number in 0..CLIENTS_MAX {
            let office = Arc::clone(&office);
            let name = format!("admin-{number}");
            thread::Builder::new()
                .name(name)
                .spawn(move || office.serve_for_ever())?;
        }
        let builder = thread::Builder::new().name("admin".to_owned());
        builder.spawn(move || office.accept_for_ever()).map(drop)
    }

    /// Parity: PostgREST looks at the path only, so every method does.
    fn answer(&self, request: &Request<'_>) -> Answer {
        let target = request.target();
        match target.path {
            "/live" => Answer::of_status(if self.is_live() { 200 } else { 500 }),
            "/ready" => Answer::of_status(self.readiness(target.query)),
            "/metrics" => Answer {
                status: 200,
                headers: vec![("Content-Type", "text/plain; charset=utf-8".into())],
                body: self.metrics().into_bytes().into(),
            },
            "/schema_cache" => Answer {
                status: 200,
                headers: Vec::new(),
                body: self.schema_cache().into(),
            },
            _ => self.console(request),
        }
    }

    fn metrics(&self) -> String {
        metrics::render(&metrics::Asked {
            gauges: &self.cores.gauges(),
            fleet: self.cores.fleet(),
            health: &self.health,
            keys: &self.cores.key_board().reports(),
            is_ready: !self.cores.announces_end() && self.health.is_ready(),
            started: self.started,
        })
    }

    /// Whether clients can reach the server, and its cores get round to them. One that ends lives
    /// as long as they do.
    fn is_live(&self) -> bool {
        self.cores.get_on(CORE_PATIENCE)
            && (self.cores.announces_end() || self.cores.serves_clients(CORE_PATIENCE))
    }

    /// Parity: a database that is away comes first (Admin.hs).
    fn readiness(&self, query: &str) -> u16 {
        let is_ready = match role_of(query) {
            None | Some("write") => self.health.is_ready(),
            Some("read") => self.can_read(),
            Some(_) => return 400,
        };
        if self.cores.announces_end() {
            503
        } else if !is_ready {
            self.health.look_again();
            503
        } else if self.is_live() {
            200
        } else {
            500
        }
    }

    /// Whether reads are answered, by whomever.
    fn can_read(&self) -> bool {
        let fleet = self.cores.fleet();
        let by_primary = fleet.replicas().is_empty() || fleet.falls_back();
        by_primary && self.health.is_ready()
            || fleet.has_usable() && self.cores.snapshot().catalog.is_some()
    }

    /// The catalog as JSON; empty until it has been loaded.
    fn schema_cache(&self) -> Vec<u8> {
        let snapshot = self.cores.snapshot();
        let hoisted = &snapshot.config.db_hoisted_tx_settings;
        let catalog = snapshot.catalog.as_ref();
        catalog.map_or_else(Vec::new, |catalog| catalog.dump(hoisted).into_bytes())
    }
}

impl Office {
    /// The life of the thread that accepts. It waits for nobody but for those who are on the way
    /// out, and for answers that are being made.
    fn accept_for_ever(&self) {
        loop {
            let mut waiting = [PollFd::new(&self.admin.listener, PollFlags::IN)];
            let _ = poll(&mut waiting, None);
            if self.reception.is_full() {
                self.reception.make_way(WAY_OUT);
                continue;
            }
            match self.admin.listener.accept() {
                Ok(Some(client)) => self.reception.welcome(client.fd.into()),
                Ok(None) => {}
                // Most likely there are no more file descriptors. Whoever wants to know how the
                // server is wants it most now.
                Err(_) => self.accept_with_reserve(),
            }
        }
    }

    /// Accepts a client with the file descriptor in reserve; if somebody has that, or another one,
    /// it is the newcomer's turn.
    fn accept_with_reserve(&self) {
        let accepted = {
            let mut reserve = self.reserve();
            reserve.renew();
            let cores = &self.admin.cores;
            cores.while_nobody_accepts(|| reserve.accept(&self.admin.listener))
        };
        match accepted {
            Ok(Some(client)) => self.reception.welcome(client.fd.into()),
            Ok(None) => {}
            Err(_) if !self.reception.is_empty() => self.reception.make_way(WAY_OUT),
            Err(error) => {
                log::error(&format!("The admin server cannot accept a client: {error}"));
                thread::park_timeout(ACCEPT_PAUSE);
            }
        }
    }

    /// The life of a thread that serves. A panic costs it a client, and nothing else.
    fn serve_for_ever(&self) {
        loop {
            let visit = self.reception.next();
            // A client that goes away is no concern of ours.
            let _ = catch_unwind(AssertUnwindSafe(|| self.serve(&visit)));
            self.reception
                .part(visit, |socket| self.reserve().receive(socket));
        }
    }

    fn reserve(&self) -> MutexGuard<'_, Reserve> {
        self.reserve.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Only read, write, timeouts and the end of the socket are used, which are the same for all
    /// stream sockets.
    fn serve(&self, visit: &Visit) -> io::Result<()> {
        visit.socket.set_nonblocking(false)?;
        let mut client = Hasty::new(&visit.socket, PATIENCE);
        match self.response(visit, &mut client)? {
            Some(response) => client.write_all(&response),
            None => Ok(()),
        }
    }

    /// What the client is to be told; `None` if it was sent away.
    fn response(&self, visit: &Visit, client: &mut Hasty<'_>) -> io::Result<Option<Vec<u8>>> {
        let limits = Limits::default();
        let mut requests = Connection::new();
        requests.lend_buffer(Buffer::new());
        let mut clock = Clock::new();
        let mut out = Vec::new();
        loop {
            match requests.next(&limits) {
                // It answers without a body, whatever comes.
                Ok(Progress::Request | Progress::Head | Progress::Part | Progress::LastPart) => {
                    let request = requests.request();
                    let began = Instant::now();
                    let answer = self
                        .reception
                        .while_answering(visit, || self.admin.answer(&request));
                    client.spare(began.elapsed());
                    return Ok(answer.map(|answer| {
                        write_answer(&mut out, &answer, request.head_only, clock.refreshed());
                        out
                    }));
                }
                Ok(Progress::NeedMore | Progress::NeedMoreAfterContinue) => {
                    let space = requests.recv_space(&limits, |_| true);
                    match client.read(space.unwrap_or_default())? {
                        0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                        count => requests.received(count),
                    }
                }
                Err(refusal) => {
                    write_refusal(&mut out, &requests, refusal, clock.refreshed().date());
                    return Ok(Some(out));
                }
            }
        }
    }
}

/// What somebody wants to know of who asks for readiness: whether the server can read, or write.
fn role_of(query: &str) -> Option<&str> {
    let mut pairs = query.split('&');
    pairs.find_map(|pair| pair.strip_prefix("role="))
}

fn write_answer(out: &mut Vec<u8>, answer: &Answer, head_only: bool, clock: &Clock) {
    let body_bytes = answer.body.len() as u64;
    let head = ResponseHead {
        status: answer.status,
        reason: None,
        date: clock.date(),
        server: SERVER,
        connection: ConnectionHeader::Close,
        body: BodyFraming::of(answer.status, head_only, body_bytes),
    };
    let headers = answer.headers.iter();
    write_head(
        out,
        &head,
        headers.map(|(name, value)| (*name, value.as_bytes())),
    );
    if !head_only {
        out.extend_from_slice(&answer.body);
    }
}
