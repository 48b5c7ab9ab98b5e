//! A non-blocking socket to the server, TCP or Unix, and the one place that waits for it.
//!
//! Reading and writing never wait: whoever writes to a server must hear it meanwhile, or both
//! wait for each other for ever. What waits is [`Socket::wait`], for either direction or for both,
//! and it has a limit as an argument; no limit lies hidden in the options of a socket.
//!
//! While a session is opened, when one side speaks at a time, `Read` and `Write` wait as a
//! blocking socket would, until the deadline of the whole attempt: a peer that sends one byte a
//! second must not hold a thread.
//! Unix sockets are connected without blocking, since a server whose queue is full would
//! otherwise hold us for as long as it likes; libpq does the same.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType, sockopt,
};

use super::address::{Address, Endpoint, Place};
use super::error::{Cause, system_text};

/// How the system notices that the peer is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Keepalive {
    pub(super) enabled: bool,
    pub(super) idle: Option<Duration>,
    pub(super) interval: Option<Duration>,
    pub(super) count: Option<u32>,
    pub(super) user_timeout_ms: Option<u32>,
}

/// A connected socket.
#[derive(Debug)]
pub(super) struct Socket {
    fd: OwnedFd,
    /// When `Read` and `Write` give up; never, once the session is open and does without them.
    deadline: Option<Instant>,
}

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Something to read.
    Reading,
    /// Room to write.
    Writing,
    /// Either.
    Both,
}

/// What waiting has come to. A broken socket is ready for whatever was waited for: trying it
/// tells what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    /// There is something to read, and perhaps room to write.
    Reading,
    /// There is room to write, and nothing to read.
    Writing,
    /// Nothing has come within the limit.
    Nothing,
}

/// What a look at the socket without waiting shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Glance {
    /// Nothing has arrived and the peer is there.
    Quiet,
    /// Something has arrived.
    Bytes,
    /// The peer closed, or the connection is broken.
    Gone,
}

/// The addresses that an endpoint stands for.
///
/// The system's resolver has no deadline; its own limits (`resolv.conf`) apply.
pub(super) fn resolve(endpoint: &Endpoint) -> Result<Vec<Address>, Cause> {
    match &endpoint.place {
        Place::Directory(directory) => {
            let path = PathBuf::from(format!("{directory}/.s.PGSQL.{}", endpoint.port));
            Ok(vec![Address::Unix { path }])
        }
        Place::Numeric(ip) => Ok(vec![Address::Tcp {
            host: ip.to_string(),
            address: SocketAddr::new(*ip, endpoint.port),
        }]),
        Place::Name => {
            let found = (endpoint.name.as_str(), endpoint.port).to_socket_addrs();
            let found = found.map_err(|error| unknown_host(endpoint, &error))?;
            let host = &endpoint.name;
            let addresses: Vec<Address> = found
                .map(|address| Address::Tcp {
                    host: host.clone(),
                    address,
                })
                .collect();
            if addresses.is_empty() {
                let reason = "no address for the name".to_owned();
                return Err(Cause::UnknownHost(endpoint.name.clone(), reason));
            }
            Ok(addresses)
        }
    }
}

fn unknown_host(endpoint: &Endpoint, error: &io::Error) -> Cause {
    let text = error.to_string();
    // The standard library puts its own words before those of the resolver.
    let reason = text.rsplit(": ").next().unwrap_or(&text);
    Cause::UnknownHost(endpoint.name.clone(), reason.to_owned())
}

impl Socket {
    /// Connects until the deadline.
    pub(super) fn connect(
        address: &Address,
        keepalive: &Keepalive,
        deadline: Instant,
    ) -> Result<Socket, Cause> {
        let unreachable = |error: io::Error| match error.kind() {
            io::ErrorKind::TimedOut => Cause::TimedOut,
            kind => Cause::Unreachable(kind, system_text(&error)),
        };
        let fd = match address {
            Address::Tcp { address, .. } => {
                let left = remaining(deadline).map_err(|_| Cause::TimedOut)?;
                let stream = TcpStream::connect_timeout(address, left).map_err(unreachable)?;
                set_tcp_options(&stream, keepalive).map_err(unreachable)?;
                stream.set_nonblocking(true).map_err(unreachable)?;
                OwnedFd::from(stream)
            }
            Address::Unix { path } => connect_unix(path.as_os_str()).map_err(unreachable)?,
        };
        Ok(Socket {
            fd,
            deadline: Some(deadline),
        })
    }

    /// Ends the time of the deadline: the session is open.
    pub(super) fn forget_deadline(&mut self) {
        self.deadline = None;
    }

    /// Reads what has arrived; 0 is the end, and `WouldBlock` says that nothing has.
    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let received =
            uninterrupted(|| rustix::net::recv(&self.fd, &mut *buffer, RecvFlags::empty()));
        received.map(|(_, count)| count)
    }

    /// As [`try_read`](Socket::try_read), to the end of `out`: as much as there is capacity for,
    /// which is not cleared first.
    pub(super) fn try_append(&self, out: &mut Vec<u8>) -> io::Result<usize> {
        uninterrupted(|| rustix::io::read(&self.fd, spare_capacity(out)))
    }

    /// Writes what there is room for; `WouldBlock` says that there is none.
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        uninterrupted(|| rustix::net::send(&self.fd, bytes, SendFlags::NOSIGNAL))
    }

    /// Blocks until the socket is ready, or for no longer than the limit. Nothing else waits for a
    /// server.
    pub(super) fn wait(&self, interest: Interest, limit: Option<Duration>) -> io::Result<Ready> {
        let flags = match interest {
            Interest::Reading => PollFlags::IN,
            Interest::Writing => PollFlags::OUT,
            Interest::Both => PollFlags::IN | PollFlags::OUT,
        };
        // One that is too long for the kernel is none.
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        let mut polled = [PollFd::new(&self.fd, flags)];
        if uninterrupted(|| poll(&mut polled, limit.as_ref()))? == 0 {
            return Ok(Ready::Nothing);
        }
        let has_bytes = !(polled[0].revents() - PollFlags::OUT).is_empty();
        match interest {
            Interest::Reading => Ok(Ready::Reading),
            Interest::Writing => Ok(Ready::Writing),
            Interest::Both if has_bytes => Ok(Ready::Reading),
            Interest::Both => Ok(Ready::Writing),
        }
    }

    /// What `Read` and `Write` do when they would block.
    pub(super) fn wait_until_deadline(&self, interest: Interest) -> io::Result<()> {
        let left = self.deadline.map(remaining).transpose()?;
        match self.wait(interest, left)? {
            Ready::Nothing => Err(io::ErrorKind::TimedOut.into()),
            Ready::Reading | Ready::Writing => Ok(()),
        }
    }

    pub(super) fn shutdown(&self) {
        // It may be closed already, and then there is nothing left to do.
        let _ = rustix::net::shutdown(&self.fd, Shutdown::Both);
    }

    /// Looks without waiting and without taking anything; one system call.
    pub(super) fn glance(&self) -> Glance {
        let mut byte = [0_u8; 1];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        match rustix::net::recv(self, &mut byte, flags) {
            Ok((_, 0)) => Glance::Gone,
            Ok(_) => Glance::Bytes,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Glance::Quiet,
            Err(_) => Glance::Gone,
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.try_read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait_until_deadline(Interest::Reading)?;
                }
                read => return read,
            }
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait_until_deadline(Interest::Writing)?;
                }
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // Sockets have no buffer of ours.
    }
}

/// The socket as rustls needs it: reads and writes that never wait.
pub(super) struct Trying<'s>(pub(super) &'s Socket);

impl Read for Trying<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Trying<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // Sockets have no buffer of ours.
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn uninterrupted<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return result.map_err(io::Error::from),
        }
    }
}

/// What is left, which is never zero: a timeout of zero would mean "for ever".
fn remaining(deadline: Instant) -> io::Result<Duration> {
    deadline
        .checked_duration_since(Instant::now())
        .filter(|left| !left.is_zero())
        .ok_or_else(|| io::ErrorKind::TimedOut.into())
}

fn set_tcp_options(stream: &TcpStream, keepalive: &Keepalive) -> io::Result<()> {
    // A batch is one write, and waiting for an acknowledgement before the next would cost 40 ms.
    stream.set_nodelay(true)?;
    if keepalive.enabled {
        sockopt::set_socket_keepalive(stream, true)?;
        if let Some(idle) = keepalive.idle {
            sockopt::set_tcp_keepidle(stream, idle)?;
        }
        if let Some(interval) = keepalive.interval {
            sockopt::set_tcp_keepintvl(stream, interval)?;
        }
        if let Some(count) = keepalive.count {
            sockopt::set_tcp_keepcnt(stream, count)?;
        }
    }
    if let Some(timeout_ms) = keepalive.user_timeout_ms {
        sockopt::set_tcp_user_timeout(stream, timeout_ms)?;
    }
    Ok(())
}

fn connect_unix(path: &std::ffi::OsStr) -> io::Result<OwnedFd> {
    use std::os::unix::ffi::OsStrExt;
    let address = match path.as_bytes() {
        [b'@', name @ ..] => SocketAddrUnix::new_abstract_name(name)?,
        path => SocketAddrUnix::new(path)?,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket: OwnedFd =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &address)?;
    Ok(socket)
}
