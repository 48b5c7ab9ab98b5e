//! A blocking socket to the server, TCP or Unix, under a deadline while a session is opened.
//!
//! The deadline is for the whole attempt, not for each read: a peer that sends one byte a second
//! must not hold a thread. Without a deadline reads and writes go straight to the system.
//! Unix sockets are connected without blocking, since a server whose queue is full would
//! otherwise hold us for as long as it likes; libpq does the same.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, RecvFlags, SocketAddrUnix, SocketFlags, SocketType, sockopt};

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

#[derive(Debug)]
enum Kind {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connected socket.
#[derive(Debug)]
pub(super) struct Socket {
    kind: Kind,
    deadline: Option<Instant>,
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
        let kind = match address {
            Address::Tcp { address, .. } => {
                let left = remaining(deadline).map_err(|_| Cause::TimedOut)?;
                let stream = TcpStream::connect_timeout(address, left).map_err(unreachable)?;
                set_tcp_options(&stream, keepalive).map_err(unreachable)?;
                Kind::Tcp(stream)
            }
            Address::Unix { path } => {
                Kind::Unix(connect_unix(path.as_os_str()).map_err(unreachable)?)
            }
        };
        Ok(Socket {
            kind,
            deadline: Some(deadline),
        })
    }

    pub(super) fn set_deadline(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        self.deadline = deadline;
        if deadline.is_none() {
            self.set_read_timeout(None)?;
            self.set_write_timeout(None)?;
        }
        Ok(())
    }

    pub(super) fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match &self.kind {
            Kind::Tcp(stream) => stream.set_read_timeout(timeout),
            Kind::Unix(stream) => stream.set_read_timeout(timeout),
        }
    }

    pub(super) fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match &self.kind {
            Kind::Tcp(stream) => stream.set_write_timeout(timeout),
            Kind::Unix(stream) => stream.set_write_timeout(timeout),
        }
    }

    pub(super) fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        match &self.kind {
            Kind::Tcp(stream) => stream.set_nonblocking(nonblocking),
            Kind::Unix(stream) => stream.set_nonblocking(nonblocking),
        }
    }

    pub(super) fn shutdown(&self) {
        // It may be closed already, and then there is nothing left to do.
        let _ = match &self.kind {
            Kind::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Kind::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
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
        if let Some(deadline) = self.deadline {
            self.set_read_timeout(Some(remaining(deadline)?))?;
        }
        match &mut self.kind {
            Kind::Tcp(stream) => stream.read(buffer),
            Kind::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(deadline) = self.deadline {
            self.set_write_timeout(Some(remaining(deadline)?))?;
        }
        match &mut self.kind {
            Kind::Tcp(stream) => stream.write(bytes),
            Kind::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // Sockets have no buffer of ours.
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.kind {
            Kind::Tcp(stream) => stream.as_fd(),
            Kind::Unix(stream) => stream.as_fd(),
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

fn connect_unix(path: &std::ffi::OsStr) -> io::Result<UnixStream> {
    use std::os::unix::ffi::OsStrExt;
    let address = match path.as_bytes() {
        [b'@', name @ ..] => SocketAddrUnix::new_abstract_name(name)?,
        path => SocketAddrUnix::new(path)?,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket: OwnedFd =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &address)?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}
