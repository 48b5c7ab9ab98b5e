//! The admin server: `/live` and `/ready`, for orchestrators and load balancers.
//!
//! It has its own thread and its own socket, so that it answers when all cores are busy. Requests
//! are rare and tiny, so they are served one after the other, each within a short deadline.
//!
//! Source: PostgREST's documentation, `references/admin_server`.

use crate::cores::Cores;
use crate::health::Health;
use crate::log;
use crate::net::Listener;
use crate::reply::{Clock, SERVER, write_refusal};
use corerest_wire::http::response::{BodyFraming, ConnectionHeader, ResponseHead, write_head};
use corerest_wire::http::{Buffer, Connection, Limits, Progress};
use rustix::event::{PollFd, PollFlags, poll};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

/// How long a client may take for its request, and for our response.
const PATIENCE: Duration = Duration::from_secs(2);

/// The admin server.
pub(crate) struct Admin {
    pub(crate) listener: Listener,
    pub(crate) cores: Arc<Cores>,
    pub(crate) health: Arc<Health>,
}

impl Admin {
    /// The life of the thread.
    pub(crate) fn run(self) {
        loop {
            let mut waiting = [PollFd::new(&self.listener, PollFlags::IN)];
            let _ = poll(&mut waiting, None);
            match self.listener.accept() {
                Ok(Some(client)) => {
                    // A client that goes away is no concern of ours.
                    let _ = self.serve(client);
                }
                Ok(None) => {}
                Err(error) => {
                    log::error(&format!("The admin server cannot accept a client: {error}"));
                    // Out of descriptors: the waiting client would wake us at once again.
                    std::thread::park_timeout(Duration::from_millis(100));
                }
            }
        }
    }

    fn serve(&self, client: OwnedFd) -> io::Result<()> {
        rustix::io::ioctl_fionbio(&client, false)?;
        // Only read, write and timeouts are used, which are the same for all stream sockets.
        let mut client = TcpStream::from(client);
        client.set_read_timeout(Some(PATIENCE))?;
        client.set_write_timeout(Some(PATIENCE))?;
        let response = self.respond(&mut client)?;
        client.write_all(&response)
    }

    fn respond(&self, client: &mut TcpStream) -> io::Result<Vec<u8>> {
        let limits = Limits::default();
        let mut requests = Connection::new();
        requests.lend_buffer(Buffer::new());
        let mut clock = Clock::new();
        let mut out = Vec::new();
        loop {
            match requests.next(&limits) {
                Ok(Progress::Request) => {
                    let request = requests.request();
                    let status = self.status(request.method, request.target.path);
                    let head = ResponseHead {
                        status,
                        reason: None,
                        date: clock.refreshed().date(),
                        server: SERVER,
                        connection: ConnectionHeader::Close,
                        body: BodyFraming::of(status, request.head_only, 0),
                    };
                    write_head(&mut out, &head, []);
                    return Ok(out);
                }
                Ok(Progress::NeedMore | Progress::NeedMoreAfterContinue) => {
                    match client.read(requests.recv_space(&limits))? {
                        0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                        count => requests.received(count),
                    }
                }
                Err(refusal) => {
                    write_refusal(&mut out, refusal, clock.refreshed().date());
                    return Ok(out);
                }
            }
        }
    }

    fn status(&self, method: &str, path: &str) -> u16 {
        let live = self.cores.is_reachable();
        match (method, path) {
            ("GET" | "HEAD", "/live") if live => 200,
            ("GET" | "HEAD", "/live") => 500,
            ("GET" | "HEAD", "/ready") if !live => 500,
            ("GET" | "HEAD", "/ready") if self.health.is_ready() => 200,
            ("GET" | "HEAD", "/ready") => 503,
            _ => 404,
        }
    }
}
