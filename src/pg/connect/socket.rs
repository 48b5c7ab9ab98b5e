//! A socket to the server, TCP or Unix, which never blocks, and the one place that waits for it.
//!
//! Whoever reads or writes tries, and waits with [`Socket::wait`] when there is nothing to be had:
//! for either direction or for both, since who only waits for one of them may wait for ever. While
//! a session is opened, reading and writing wait by themselves, until the deadline of the whole
//! attempt: a peer that sends one byte a second must not hold a thread.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType, sockopt,
};

use super::address::{Address, Endpoint, Place};
use super::error::{Cause, system_text};
use super::lookup::look_up;

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
    fd: Arc<OwnedFd>,
    deadline: Option<Instant>,
}

/// Ends a connection that another thread waits for.
#[derive(Debug)]
pub(crate) struct Closer(Arc<OwnedFd>);

impl Closer {
    /// What closes this socket.
    #[cfg(test)]
    pub(crate) fn of(fd: Arc<OwnedFd>) -> Closer {
        Closer(fd)
    }

    /// Whoever reads what has arrived already still gets it, and then the end.
    pub(crate) fn close(&self) {
        // It may be closed already, and then there is nothing left to do.
        let _ = rustix::net::shutdown(&self.0, Shutdown::Both);
    }
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Bytes of the peer, or its end.
    Read,
    /// Room for ours.
    Write,
    /// Whichever comes first.
    Both,
}

/// What has come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Readiness {
    /// There is something to read, or the end.
    pub(crate) read: bool,
    /// There is room to write, or nobody who would take it.
    pub(crate) write: bool,
}

impl Readiness {
    /// The time has come first.
    pub(crate) const NONE: Readiness = Readiness {
        read: false,
        write: false,
    };
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

/// How long the first packet of a TCP connection is waited for before another one is begun. The
/// system sends it again after 1, 3, 7, 15 … seconds; when a network is back, that is too late.
const HANDSHAKE_MAX: Duration = Duration::from_secs(2);

/// The addresses that an endpoint stands for.
pub(super) fn resolve(endpoint: &Endpoint, deadline: Instant) -> Result<Vec<Address>, Cause> {
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
            let found = look_up(&endpoint.name, endpoint.port, deadline);
            let found = found.map_err(|error| unknown_host(endpoint, &error))?;
            let host = &endpoint.name;
            let addresses: Vec<Address> = found
                .into_iter()
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
    let text = match error.kind() {
        io::ErrorKind::TimedOut => "timeout expired".to_owned(),
        _ => error.to_string(),
    };
    // The standard library puts its own words before those of the resolver.
    let reason = text.rsplit(": ").next().unwrap_or(&text);
    Cause::UnknownHost(endpoint.name.clone(), reason.to_owned())
}

impl Socket {
    /// One that is connected, and does not block.
    #[cfg(feature = "internals")]
    pub(super) fn of(fd: OwnedFd) -> Socket {
        Socket {
            fd: Arc::new(fd),
            deadline: None,
        }
    }

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
                let stream = connect_tcp(address, deadline).map_err(unreachable)?;
                set_tcp_options(&stream, keepalive).map_err(unreachable)?;
                stream.set_nonblocking(true).map_err(unreachable)?;
                OwnedFd::from(stream)
            }
            Address::Unix { path } => connect_unix(path.as_os_str()).map_err(unreachable)?,
        };
        Ok(Socket {
            fd: Arc::new(fd),
            deadline: Some(deadline),
        })
    }

    /// The port at our end, where there is one.
    pub(super) fn local_port(&self) -> Option<u16> {
        let address = rustix::net::getsockname(&self.fd).ok()?;
        SocketAddr::try_from(address).ok().map(|own| own.port())
    }

    /// Until when [`Read`] and [`Write`] wait; without a deadline, for as long as it takes.
    pub(super) fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    /// Reads what is there; fails with `WouldBlock` if that is nothing.
    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        uninterrupted(|| rustix::io::read(&self.fd, &mut *buffer))
    }

    /// The same, behind what is in `out`, where there is capacity; that is not cleared before.
    pub(super) fn try_append(&self, out: &mut Vec<u8>) -> io::Result<usize> {
        uninterrupted(|| rustix::io::read(&self.fd, rustix::buffer::spare_capacity(out)))
    }

    /// Writes what there is room for; fails with `WouldBlock` if there is none.
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        uninterrupted(|| rustix::net::send(&self.fd, bytes, SendFlags::NOSIGNAL))
    }

    /// Waits until something can be done, for so long at the most. This is where threads wait for
    /// PostgreSQL, and the only place.
    pub(super) fn wait(
        &self,
        direction: Direction,
        limit: Option<Duration>,
    ) -> io::Result<Readiness> {
        let flags = match direction {
            Direction::Read => PollFlags::IN,
            Direction::Write => PollFlags::OUT,
            Direction::Both => PollFlags::IN | PollFlags::OUT,
        };
        // A limit that is too long for the kernel is none.
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        let mut sockets = [PollFd::new(&self.fd, flags)];
        let count = uninterrupted(|| poll(&mut sockets, limit.as_ref()))?;
        if count == 0 {
            return Ok(Readiness::NONE);
        }
        // An error or the end shows in whatever is tried next.
        let found = sockets[0].revents();
        let is_over = found.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL);
        Ok(Readiness {
            read: is_over || found.contains(PollFlags::IN),
            write: is_over || found.contains(PollFlags::OUT),
        })
    }

    /// Tries, and waits until the deadline as long as it would block.
    fn patiently<T>(
        &self,
        direction: Direction,
        mut attempt: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            match attempt() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let left = self.deadline.map(remaining).transpose()?;
                    self.wait(direction, left)?;
                }
                result => return result,
            }
        }
    }

    /// What ends the connection, to be used from another thread.
    pub(super) fn closer(&self) -> Closer {
        Closer(Arc::clone(&self.fd))
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
        self.patiently(Direction::Read, || self.try_read(buffer))
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.patiently(Direction::Write, || self.try_write(bytes))
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

fn uninterrupted<T>(mut call: impl FnMut() -> Result<T, Errno>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return Ok(result?),
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

fn connect_tcp(address: &SocketAddr, deadline: Instant) -> io::Result<TcpStream> {
    loop {
        let left = remaining(deadline)?;
        match TcpStream::connect_timeout(address, left.min(HANDSHAKE_MAX)) {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
            connected => return connected,
        }
    }
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

/// Without blocking, since a server whose queue is full would otherwise hold us for as long as it
/// likes; libpq does the same.
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
