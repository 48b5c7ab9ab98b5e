//! Where the server is: an address, or a Unix socket's path after `unix:`.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// A server's address.
#[derive(Clone, Debug)]
pub enum Target {
    /// `127.0.0.1:3000`
    Tcp(SocketAddr),
    /// `unix:/run/server.socket`
    Unix(PathBuf),
}

impl Target {
    /// A port of this machine.
    #[must_use]
    pub fn local(port: u16) -> Self {
        Self::Tcp(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    /// Opens a connection, which blocks until it is told otherwise.
    pub fn connect(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            Self::Unix(path) => UnixStream::connect(path).map(Stream::Unix),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some(path) => Ok(Self::Unix(path.into())),
            None => text
                .parse()
                .map(Self::Tcp)
                .map_err(|error| format!("{text}: {error}")),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(out, "{address}"),
            Self::Unix(path) => write!(out, "unix:{}", path.display()),
        }
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// A connection to a target.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
}

impl Stream {
    /// From now on, reads and writes answer `WouldBlock` instead of waiting.
    pub fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nonblocking(true),
            Self::Unix(stream) => stream.set_nonblocking(true),
        }
    }

    /// How long a read may wait.
    pub fn set_read_timeout(&self, wait_max: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(Some(wait_max)),
            Self::Unix(stream) => stream.set_read_timeout(Some(wait_max)),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(buffer),
            Self::Unix(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // sockets have nothing to flush
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn addresses_are_printed_as_they_are_written() {
        for text in ["127.0.0.1:3000", "[::1]:80", "unix:/run/server.socket"] {
            let target: Target = text.parse().expect("well-formed");
            assert_eq!(target.to_string(), text);
        }
        assert!("localhost".parse::<Target>().is_err());
    }

    #[test]
    fn a_unix_socket_carries_bytes_both_ways() {
        let path = std::env::temp_dir().join(format!("target-{}.socket", std::process::id()));
        let listener = UnixListener::bind(&path).expect("a free name");
        let mut client = Target::Unix(path.clone()).connect().expect("it listens");
        let (mut server, _) = listener.accept().expect("a client waits");
        std::fs::remove_file(&path).expect("ours");

        client.write_all(b"?").expect("open");
        let mut received = [0];
        server.read_exact(&mut received).expect("open");
        server.write_all(b"!").expect("open");
        client.read_exact(&mut received).expect("open");
        assert_eq!(&received, b"!");
    }
}
