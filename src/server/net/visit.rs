//! Visits to one's own door: whether somebody who connects is answered.
//!
//! Whoever looks at the server from inside sees threads that turn, and not a socket that nobody
//! listens to. So it is tried as a client would: connect, ask, read the answer. A visitor is known
//! by the address that it connects from, which is ours while it does, so that its request is
//! neither counted nor logged.

use crate::sync::{Mutex, lock};
use rustix::net::{
    AddressFamily, SocketAddrAny, SocketAddrUnix, SocketFlags, SocketType, bind, connect,
    getsockname, socket_with,
};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What a visitor asks. Any answer will do.
const REQUEST: &[u8] = b"OPTIONS / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// The visitors that are under way.
#[derive(Debug, Default)]
pub(super) struct Visitors {
    addresses: Mutex<Vec<SocketAddrAny>>,
    /// Their number, for those who accept and have nothing to do with visitors.
    count: AtomicUsize,
}

impl Visitors {
    /// Whether the client with this address is one of them.
    pub(super) fn include(&self, address: &SocketAddrAny) -> bool {
        self.count.load(Ordering::Acquire) > 0 && lock(&self.addresses).contains(address)
    }

    fn announce(&self, address: SocketAddrAny) -> Visit<'_> {
        let mut addresses = lock(&self.addresses);
        addresses.push(address.clone());
        self.count.store(addresses.len(), Ordering::Release);
        Visit {
            visitors: self,
            address,
        }
    }
}

/// A visit that was announced; it is over when this is dropped.
struct Visit<'a> {
    visitors: &'a Visitors,
    address: SocketAddrAny,
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let mut addresses = lock(&self.visitors.addresses);
        addresses.retain(|address| *address != self.address);
        self.visitors
            .count
            .store(addresses.len(), Ordering::Release);
    }
}

/// Whether a visitor to this address is answered in time, or cannot set out.
pub(super) fn tcp(address: SocketAddr, visitors: &Visitors, patience: Duration) -> bool {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let family = match ip {
        IpAddr::V4(_) => AddressFamily::INET,
        IpAddr::V6(_) => AddressFamily::INET6,
    };
    let target = SocketAddr::new(ip, address.port());
    let Ok(socket) = new_socket(family) else {
        return true;
    };
    let visit = || -> io::Result<()> {
        bind(&socket, &SocketAddr::new(ip, 0))?;
        let _announced = visitors.announce(getsockname(&socket)?);
        // The kernel completes the handshake, whether or not anybody accepts.
        connect(&socket, &target)?;
        ask(&mut TcpStream::from(socket), patience)
    };
    visit().is_ok()
}

/// The same, to the Unix socket with this file.
pub(super) fn unix(path: &Path, visitors: &Visitors, patience: Duration) -> bool {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let Ok(socket) = new_socket(AddressFamily::UNIX) else {
        return true;
    };
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("corerest-visit-{}-{number}", std::process::id());
    let visit = || -> io::Result<()> {
        bind(
            &socket,
            &SocketAddrUnix::new_abstract_name(name.as_bytes())?,
        )?;
        let _announced = visitors.announce(getsockname(&socket)?);
        let mut stream = UnixStream::from(socket);
        // A queue that is full would hold us up.
        stream.set_nonblocking(true)?;
        connect(&stream, &SocketAddrUnix::new(path)?)?;
        stream.set_nonblocking(false)?;
        ask(&mut stream, patience)
    };
    visit().is_ok()
}

fn new_socket(family: AddressFamily) -> io::Result<OwnedFd> {
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    Ok(socket)
}

/// How long a read may take.
trait Patient: Read + Write {
    fn set_patience(&self, left: Duration) -> io::Result<()>;
}

impl Patient for TcpStream {
    fn set_patience(&self, left: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(left))
    }
}

impl Patient for UnixStream {
    fn set_patience(&self, left: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(left))
    }
}

/// The request fits into any socket's buffer, so only reading takes time. One deadline for all.
///
/// Whoever is turned away, as when there are no more descriptors, was noticed, too.
fn ask(stream: &mut impl Patient, patience: Duration) -> io::Result<()> {
    const ANSWER: &[u8] = b"HTTP/1.1 ";
    let deadline = Instant::now() + patience;
    stream.write_all(REQUEST)?;
    let mut answer = [0; ANSWER.len()];
    let mut got = 0;
    while got < answer.len() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_patience(left)?;
        match stream.read(&mut answer[got..]) {
            Ok(0) => return Ok(()),
            Ok(count) => got += count,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    match answer == ANSWER {
        true => Ok(()),
        false => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ReusePort, bind_tcp, bind_unix};
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::time::{Duration, Instant};

    const SHORT: Duration = Duration::from_millis(50);

    #[test]
    fn nobody_is_answered_where_nobody_accepts() {
        let listener = bind_tcp("127.0.0.1", 0, ReusePort::No).unwrap();
        let begin = Instant::now();
        assert!(!listener.answers(SHORT));
        assert!(begin.elapsed() >= SHORT);
        let path = std::env::temp_dir().join(format!("visit-{}", std::process::id()));
        let listener = bind_unix(&path, 0o600).unwrap();
        assert!(!listener.answers(SHORT));
        std::fs::remove_file(&path).unwrap();
        assert!(!listener.answers(SHORT), "its file is gone");
    }

    #[test]
    fn a_visitor_is_known_and_hears_an_answer() {
        let listener = bind_tcp("*", 0, ReusePort::No).unwrap();
        std::thread::scope(|scope| {
            let visit = scope.spawn(|| listener.answers(Duration::from_secs(20)));
            let accepted = loop {
                match listener.accept().unwrap() {
                    Some(accepted) => break accepted,
                    None => std::thread::yield_now(),
                }
            };
            assert!(accepted.is_visitor);
            let mut client = TcpStream::from(accepted.fd);
            client.set_nonblocking(false).unwrap();
            assert!(client.read(&mut [0; 4096]).unwrap() > 0);
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            assert!(visit.join().unwrap());
        });
        let port = listener.port().unwrap();
        let _other = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let accepted = loop {
            if let Some(accepted) = listener.accept().unwrap() {
                break accepted;
            }
        };
        assert!(!accepted.is_visitor);
    }
}
