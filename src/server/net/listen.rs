//! Listening sockets.
//!
//! `server-host` takes an address, a name, or one of PostgREST's special hosts, which are those of
//! Haskell's `streaming-commons`: `*` any address, `*4` and `*6` any with one family preferred,
//! `!4` and `!6` any of one family only.

use super::hand_over;
use super::visit::{self, Visitors};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, acceptfrom_with, bind, getsockname,
    listen, socket_with, sockopt,
};
use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Connections that the kernel completes before they are accepted; `net.core.somaxconn` caps it.
const BACKLOG: i32 = 4096;

/// Why a socket cannot be listened on.
#[derive(Debug)]
pub(crate) struct BindError {
    address: String,
    source: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: {}", self.address, self.source)
    }
}

impl std::error::Error for BindError {}

impl BindError {
    /// What the system said.
    pub(crate) fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

/// A listening socket, which never blocks.
#[derive(Debug)]
pub(crate) struct Listener {
    fd: OwnedFd,
    address: Address,
    /// Whether somebody else keeps it open, and gives it to the next process.
    lives_on: bool,
    visitors: Visitors,
}

/// A client that has just connected.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// Its socket, which never blocks.
    pub(crate) fd: OwnedFd,
    /// Where it is; `None` behind a Unix socket.
    pub(crate) peer: Option<IpAddr>,
    /// Whether it is ourselves: see [`Listener::answers`].
    pub(crate) is_visitor: bool,
}

#[derive(Debug)]
enum Address {
    Tcp(SocketAddr),
    /// A port that other processes may listen on, too.
    SharedTcp(SocketAddr),
    Unix(SocketFile),
}

/// The file of a Unix socket.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    /// Its device and inode, if we have made it: another process may put its own there.
    made: Option<(u64, u64)>,
}

impl SocketFile {
    /// Whether it is still there, and leads to us as far as can be told.
    fn is_ours(&self) -> bool {
        match self.made {
            Some(made) => file_at(&self.path).is_ok_and(|there| there == made),
            None => self.path.exists(),
        }
    }
}

fn file_at(path: &Path) -> io::Result<(u64, u64)> {
    let file = fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}

impl Listener {
    /// A socket that somebody else has bound, and listens on.
    ///
    /// # Errors
    /// If it is neither TCP nor Unix.
    pub(crate) fn inherited(fd: OwnedFd) -> io::Result<Listener> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        let name = getsockname(&fd)?;
        let address = match SocketAddr::try_from(name.clone()) {
            Ok(address) => Address::Tcp(address),
            Err(_) => {
                let path = SocketAddrUnix::try_from(name)?;
                let path = path.path().map(|path| path.to_string_lossy().into_owned());
                Address::Unix(SocketFile {
                    path: path.unwrap_or_default().into(),
                    made: None,
                })
            }
        };
        let mut listener = Listener::new(fd, address);
        listener.lives_on = true;
        Ok(listener)
    }

    fn new(fd: OwnedFd, address: Address) -> Listener {
        Listener {
            fd,
            address,
            lives_on: false,
            visitors: Visitors::default(),
        }
    }

    /// The next client, if one waits.
    pub(crate) fn accept(&self) -> io::Result<Option<Accepted>> {
        match acceptfrom_with(&self.fd, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok((fd, address)) => {
                if let Address::Tcp(_) | Address::SharedTcp(_) = self.address {
                    // Responses are written whole; waiting for more would only delay them.
                    let _ = sockopt::set_tcp_nodelay(&fd, true);
                }
                let is_visitor = address
                    .as_ref()
                    .is_some_and(|address| self.visitors.include(address));
                let address = address.and_then(|address| SocketAddr::try_from(address).ok());
                let peer = address.map(|address| address.ip());
                Ok(Some(Accepted {
                    fd,
                    peer,
                    is_visitor,
                }))
            }
            // The client may have gone again before it was accepted.
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED | Errno::PROTO) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The TCP port, if it is a TCP socket.
    #[cfg(test)]
    pub(crate) fn port(&self) -> Option<u16> {
        match &self.address {
            Address::Tcp(address) | Address::SharedTcp(address) => Some(address.port()),
            Address::Unix(_) => None,
        }
    }

    /// Whether clients can still reach it: the file of a Unix socket may have been removed, or be
    /// another process's by now.
    pub(crate) fn is_reachable(&self) -> bool {
        match &self.address {
            Address::Tcp(_) | Address::SharedTcp(_) => true,
            Address::Unix(file) => file.is_ours(),
        }
    }

    /// Whether somebody who connects is answered within this time: it is tried, with a request
    /// like any other. Of a port that other processes listen on as well nobody can tell who would
    /// answer, so it counts as answered, and so it does when there is no descriptor to try with.
    pub(crate) fn answers(&self, patience: Duration) -> bool {
        match &self.address {
            Address::Tcp(address) => visit::tcp(*address, &self.visitors, patience),
            Address::Unix(file) => visit::unix(&file.path, &self.visitors, patience),
            Address::SharedTcp(_) => true,
        }
    }

    /// Lets another process that listens on the same port have all new clients, and says whether
    /// there is one. Those whose handshake is under way still come here.
    pub(crate) fn leave(&self) -> bool {
        matches!(self.address, Address::SharedTcp(_)) && hand_over::leave(self)
    }

    /// Whether those who wait to be accepted are served by somebody else when this process ends.
    pub(crate) fn lives_on(&self) -> bool {
        self.lives_on
    }
}

impl fmt::Display for Listener {
    /// The address as it is logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Tcp(address) | Address::SharedTcp(address) => write!(f, "{address}"),
            Address::Unix(file) => write!(f, "{}", file.path.display()),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Address::Unix(file) = &self.address
            && !self.lives_on
            && file.is_ours()
        {
            let _ = fs::remove_file(&file.path);
        }
    }
}

/// Whether several processes may listen on the same port (`server-reuseport`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReusePort {
    /// They may.
    Yes,
    /// The port is ours alone.
    No,
}

/// Listens on a TCP port; port 0 takes a free one.
///
/// # Errors
/// If the host has no address, or none of its addresses can be bound.
pub(crate) fn bind_tcp(host: &str, port: u16, reuse: ReusePort) -> Result<Listener, BindError> {
    let failed = |source| BindError {
        address: format!("{host}:{port}"),
        source,
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for candidate in candidates(host, port).map_err(failed)? {
        match bind_address(candidate, reuse) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}

/// The addresses to try, in order of preference.
fn candidates(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    Ok(match host {
        "*" | "*4" => vec![v4, v6],
        "*6" => vec![v6, v4],
        "!4" => vec![v4],
        "!6" => vec![v6],
        name => (name, port).to_socket_addrs()?.collect(),
    })
}

fn bind_address(address: SocketAddr, reuse: ReusePort) -> io::Result<Listener> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let fd = new_socket(family)?;
    sockopt::set_socket_reuseaddr(&fd, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&fd, true)?;
    }
    if reuse == ReusePort::Yes {
        sockopt::set_socket_reuseport(&fd, true)?;
    }
    bind(&fd, &address)?;
    listen(&fd, BACKLOG)?;
    let bound = SocketAddr::try_from(getsockname(&fd)?)?;
    Ok(match reuse {
        ReusePort::No => Listener::new(fd, Address::Tcp(bound)),
        ReusePort::Yes => {
            let address = Address::SharedTcp(bound);
            let listener = Listener::new(fd, address);
            hand_over::share(&listener);
            listener
        }
    })
}

/// Listens on a Unix socket whose file gets this mode. The file of another server is replaced, for
/// that is dead, or gives its place up; anything that is not a socket is not.
///
/// # Errors
/// If the file cannot be made.
pub(crate) fn bind_unix(path: &Path, mode: u32) -> Result<Listener, BindError> {
    bind_unix_path(path, mode).map_err(|source| BindError {
        address: path.display().to_string(),
        source,
    })
}

fn bind_unix_path(path: &Path, mode: u32) -> io::Result<Listener> {
    if fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket()) {
        fs::remove_file(path)?;
    }
    let fd = new_socket(AddressFamily::UNIX)?;
    bind(&fd, &SocketAddrUnix::new(path)?)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    listen(&fd, BACKLOG)?;
    let file = SocketFile {
        path: path.to_owned(),
        made: Some(file_at(path)?),
    };
    Ok(Listener::new(fd, Address::Unix(file)))
}

fn new_socket(family: AddressFamily) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(family, SocketType::STREAM, flags, None)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_candidates(host: &str, expected: &[&str]) {
        let got: Vec<String> = candidates(host, 80)
            .unwrap()
            .iter()
            .map(SocketAddr::to_string)
            .collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn special_hosts_choose_the_address_family() {
        check_candidates("*", &["0.0.0.0:80", "[::]:80"]);
        check_candidates("*4", &["0.0.0.0:80", "[::]:80"]);
        check_candidates("!4", &["0.0.0.0:80"]);
        check_candidates("*6", &["[::]:80", "0.0.0.0:80"]);
        check_candidates("!6", &["[::]:80"]);
        check_candidates("127.0.0.1", &["127.0.0.1:80"]);
        check_candidates("::1", &["[::1]:80"]);
    }

    #[test]
    fn a_port_of_zero_takes_a_free_one() {
        let listener = bind_tcp("127.0.0.1", 0, ReusePort::No).unwrap();
        assert_ne!(listener.port(), Some(0));
        assert!(bind_tcp("127.0.0.1", listener.port().unwrap(), ReusePort::No).is_err());
    }

    #[test]
    fn the_file_of_another_socket_is_replaced_and_no_other_file() {
        let directory = std::env::temp_dir().join(format!("listen-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("socket");
        let first = bind_unix(&path, 0o600).unwrap();
        std::mem::forget(first);
        let second = bind_unix(&path, 0o660).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o660
        );
        let third = bind_unix(&path, 0o660).unwrap();
        assert!(third.is_reachable() && !second.is_reachable());
        drop(second);
        assert!(third.is_reachable(), "the file is the third's");
        drop(third);
        assert!(!path.exists());
        fs::write(&path, "precious").unwrap();
        assert!(bind_unix(&path, 0o660).is_err());
        fs::remove_dir_all(&directory).unwrap();
    }
}
