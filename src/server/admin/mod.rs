//! The admin server: `/live` and `/ready` for orchestrators and load balancers, `/metrics` for
//! Prometheus, `/schema_cache` for whoever wonders what is known of the database.
//!
//! ```text
//! listener ──▶ one thread accepts ──▶ a thread for each client, CLIENTS_MAX at most
//!                  └─ no more file descriptors: it serves with the one in reserve, and itself
//! ```
//! It shares nothing with the cores but what it reads, so that it answers when all of them are
//! busy; and a client that connects and says nothing keeps no probe waiting.
//!
//! Source: PostgREST's documentation, `references/admin_server`.

mod metrics;

use crate::cores::Cores;
use crate::log;
use crate::net::{Listener, Reserve};
use crate::serving::clock::Clock;
use crate::serving::reply::{SERVER, write_refusal};
use crate::state::health::Health;
use corerest_wire::http::response::{BodyFraming, ConnectionHeader, ResponseHead, write_head};
use corerest_wire::http::{Buffer, Connection, Limits, Progress};
use rustix::event::{PollFd, PollFlags, poll};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long a client may take for its request, and for our response.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a core may leave its bell unanswered. One that does so is stuck: a busy one answers in
/// milliseconds.
const CORE_PATIENCE: Duration = Duration::from_secs(5);

/// How many clients are served at a time. One more is served by the thread that accepts, and the
/// next ones wait for that.
const CLIENTS_MAX: usize = 16;

/// How long to wait before trying to accept again when it failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// The admin server.
pub(crate) struct Admin {
    pub(crate) listener: Listener,
    pub(crate) cores: Arc<Cores>,
    pub(crate) health: Arc<Health>,
}

/// What a request is answered with.
struct Answer {
    status: u16,
    content_type: Option<&'static str>,
    body: Vec<u8>,
}

impl Answer {
    fn of_status(status: u16) -> Answer {
        Answer {
            status,
            content_type: None,
            body: Vec::new(),
        }
    }
}

/// A client with a deadline for all that it says, however slowly, or for all that it is told.
struct Hasty<'a> {
    client: &'a mut TcpStream,
    deadline: Instant,
}

impl Hasty<'_> {
    /// What is left, which is never zero: that would mean "for ever".
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.deadline.checked_duration_since(Instant::now());
        match left.filter(|left| !left.is_zero()) {
            Some(left) => Ok(Some(left)),
            None => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl Read for Hasty<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.client.set_read_timeout(self.left()?)?;
        self.client.read(space)
    }
}

impl Write for Hasty<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.client.set_write_timeout(self.left()?)?;
        self.client.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.client.flush()
    }
}

impl Admin {
    /// The life of the thread.
    pub(crate) fn run(self, mut reserve: Reserve) {
        let admin = Arc::new(self);
        let served = Arc::new(AtomicUsize::new(0));
        loop {
            let mut waiting = [PollFd::new(&admin.listener, PollFlags::IN)];
            let _ = poll(&mut waiting, None);
            match admin.listener.accept() {
                Ok(Some(client)) => admin.serve_beside(&served, client.fd),
                Ok(None) => {}
                // Most likely there are no more file descriptors. Whoever wants to know how the
                // server is wants it most now.
                Err(_) => admin.serve_with(&mut reserve),
            }
        }
    }

    /// Serves a client with the file descriptor in reserve, on this thread: further clients cannot
    /// be accepted anyway.
    fn serve_with(&self, reserve: &mut Reserve) {
        reserve.renew();
        let accepted = self
            .cores
            .while_nobody_accepts(|| reserve.accept(&self.listener));
        match accepted {
            Ok(Some(client)) => {
                let mut client = TcpStream::from(client.fd);
                self.serve(&mut client);
                reserve.put_back(client.into());
            }
            Ok(None) => {}
            Err(error) => {
                log::error(&format!("The admin server cannot accept a client: {error}"));
                thread::park_timeout(ACCEPT_PAUSE);
            }
        }
    }

    /// Serves a client on a thread of its own, or, if there cannot be one, on this thread.
    fn serve_beside(self: &Arc<Admin>, served: &Arc<AtomicUsize>, client: OwnedFd) {
        if served.fetch_add(1, Ordering::Relaxed) < CLIENTS_MAX {
            // The thread gets its own handle on the client only when it is certain to run.
            let (sender, receiver) = std::sync::mpsc::sync_channel(1);
            let (admin, count) = (Arc::clone(self), Arc::clone(served));
            let work = move || {
                if let Ok(client) = receiver.recv() {
                    admin.serve(&mut TcpStream::from(client));
                }
                count.fetch_sub(1, Ordering::Relaxed);
            };
            let builder = thread::Builder::new().name("admin-client".to_owned());
            if builder.spawn(work).is_ok() {
                // Its receiver is waiting, and the channel has room for one.
                let _ = sender.send(client);
                return;
            }
        }
        self.serve(&mut TcpStream::from(client));
        served.fetch_sub(1, Ordering::Relaxed);
    }

    /// A client that goes away is no concern of ours. Only read, write and timeouts of it are used,
    /// which are the same for all stream sockets.
    fn serve(&self, client: &mut TcpStream) {
        let _ = self.try_serve(client);
    }

    fn try_serve(&self, client: &mut TcpStream) -> io::Result<()> {
        client.set_nonblocking(false)?;
        let mut client = Hasty {
            client,
            deadline: Instant::now() + PATIENCE,
        };
        let response = self.respond(&mut client)?;
        // The answer may have taken its time.
        client.deadline = Instant::now() + PATIENCE;
        client.write_all(&response)
    }

    fn respond(&self, client: &mut Hasty<'_>) -> io::Result<Vec<u8>> {
        let limits = Limits::default();
        let mut requests = Connection::new();
        requests.lend_buffer(Buffer::new());
        let mut clock = Clock::new();
        let mut out = Vec::new();
        loop {
            match requests.next(&limits) {
                // It answers without a body, whatever comes.
                Ok(Progress::Request | Progress::Head) => {
                    let request = requests.request();
                    let answer = self.answer(request.target().path);
                    write_answer(&mut out, &answer, request.head_only, clock.refreshed());
                    return Ok(out);
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
                    return Ok(out);
                }
            }
        }
    }

    /// Parity: PostgREST looks at the path only, so every method does.
    fn answer(&self, path: &str) -> Answer {
        match path {
            "/live" => Answer::of_status(if self.is_live() { 200 } else { 500 }),
            "/ready" => Answer::of_status(self.readiness()),
            "/metrics" => Answer {
                status: 200,
                content_type: Some("text/plain; charset=utf-8"),
                body: metrics::render(&self.cores.gauges(), &self.health.schema_loads).into_bytes(),
            },
            "/schema_cache" => Answer {
                status: 200,
                content_type: None,
                body: self.schema_cache(),
            },
            _ => Answer::of_status(404),
        }
    }

    /// Whether clients can reach the server, and its cores get round to them. One that ends lives
    /// as long as they do.
    fn is_live(&self) -> bool {
        self.cores.get_on(CORE_PATIENCE)
            && (self.cores.announces_end() || self.cores.serves_clients(CORE_PATIENCE))
    }

    /// Parity: a database that is away comes first (Admin.hs).
    fn readiness(&self) -> u16 {
        if self.cores.announces_end() {
            503
        } else if !self.health.is_ready() {
            self.health.look_again();
            503
        } else if self.is_live() {
            200
        } else {
            500
        }
    }

    /// The catalog as JSON; empty until it has been loaded.
    fn schema_cache(&self) -> Vec<u8> {
        let snapshot = self.cores.snapshot();
        let hoisted = &snapshot.config.db_hoisted_tx_settings;
        let catalog = snapshot.catalog.as_ref();
        catalog.map_or_else(Vec::new, |catalog| catalog.dump(hoisted).into_bytes())
    }
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
    let content_type = answer.content_type;
    let headers = content_type.map(|value| ("Content-Type", value.as_bytes()));
    write_head(out, &head, headers);
    if !head_only {
        out.extend_from_slice(&answer.body);
    }
}
