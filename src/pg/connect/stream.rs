//! The byte stream of a session, encrypted or not.
//!
//! To its user it is a blocking `Read + Write`. It also tells cheaply whether a connection died
//! while it lay in a pool ([`Stream::is_stale`]), which decides whether a request may use it.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustls::{ClientConnection, StreamOwned};

use super::socket::{Glance, Socket};

/// A connection to the server.
#[derive(Debug)]
pub struct Stream(Layer);

#[derive(Debug)]
enum Layer {
    Plain(Socket),
    // Boxed, since the state of TLS is a kilobyte and most streams have none.
    Tls(Box<StreamOwned<ClientConnection, Socket>>),
}

impl Stream {
    pub(super) fn plain(socket: Socket) -> Stream {
        Stream(Layer::Plain(socket))
    }

    pub(super) fn tls(connection: ClientConnection, socket: Socket) -> Stream {
        Stream(Layer::Tls(Box::new(StreamOwned::new(connection, socket))))
    }

    fn socket(&self) -> &Socket {
        match &self.0 {
            Layer::Plain(socket) => socket,
            Layer::Tls(tls) => &tls.sock,
        }
    }

    /// Sets the moment at which any read or write fails with `TimedOut` or `WouldBlock`.
    ///
    /// With a deadline each read costs one more system call, so leave it out on the fast path.
    pub fn set_deadline(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        match &mut self.0 {
            Layer::Plain(socket) => socket.set_deadline(deadline),
            Layer::Tls(tls) => tls.sock.set_deadline(deadline),
        }
    }

    /// Limits how long one read waits; it then fails with `WouldBlock`.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket().set_read_timeout(timeout)
    }

    /// Limits how long one write waits.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket().set_write_timeout(timeout)
    }

    /// Makes reads and writes fail with `WouldBlock` instead of waiting.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.socket().set_nonblocking(nonblocking)
    }

    /// Whether the stream is encrypted.
    pub fn is_encrypted(&self) -> bool {
        matches!(self.0, Layer::Tls(_))
    }

    /// Whether bytes are already decrypted and would not show in `poll` on the descriptor.
    pub fn has_buffered_bytes(&mut self) -> bool {
        match &mut self.0 {
            Layer::Plain(_) => false,
            Layer::Tls(tls) => match tls.conn.process_new_packets() {
                Ok(state) => state.plaintext_bytes_to_read() > 0,
                Err(_) => false,
            },
        }
    }

    /// Whether an idle connection is of no more use: closed, broken, or with unread bytes.
    ///
    /// An idle server says nothing, unless it is about to end the session or its configuration
    /// changed. In both cases a new connection is the simple and safe answer.
    pub fn is_stale(&mut self) -> bool {
        match (self.socket().glance(), &mut self.0) {
            (Glance::Gone, _) | (Glance::Bytes, Layer::Plain(_)) => true,
            (Glance::Quiet, Layer::Plain(_)) => false,
            (Glance::Quiet, Layer::Tls(_)) => self.has_buffered_bytes(),
            (Glance::Bytes, Layer::Tls(tls)) => is_tls_stale(tls),
        }
    }

    /// Reads once, blocking until something comes, and appends it to `out`: as much as there is
    /// capacity for, which is not cleared first. Without regard to a deadline.
    ///
    /// # Errors
    /// If the stream breaks or ends.
    pub(crate) fn append(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let count = match &mut self.0 {
            Layer::Plain(socket) => loop {
                match rustix::io::read(&*socket, spare_capacity(out)) {
                    Err(Errno::INTR) => {}
                    read => break read?,
                }
            },
            Layer::Tls(tls) => append_decrypted(tls, out)?,
        };
        match count {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Closes both directions, politely if that needs no waiting.
    pub fn shutdown(&mut self) {
        if let Layer::Tls(tls) = &mut self.0 {
            tls.conn.send_close_notify();
            if tls.sock.set_nonblocking(true).is_ok() {
                // The peer may be gone; closing goes on all the same.
                let _ = tls.conn.write_tls(&mut tls.sock);
            }
        }
        self.socket().shutdown();
    }
}

/// Decryption writes to memory that is cleared; a record has at most 16 KiB.
fn append_decrypted(
    tls: &mut StreamOwned<ClientConnection, Socket>,
    out: &mut Vec<u8>,
) -> io::Result<usize> {
    const RECORD_BYTES_MAX: usize = 16 << 10;
    let start = out.len();
    out.resize(out.capacity().min(start + RECORD_BYTES_MAX), 0);
    let read = crate::input::read_some(tls, &mut out[start..]);
    out.truncate(start + read.as_ref().copied().unwrap_or(0));
    read
}

/// TLS has messages of its own, such as session tickets, that are no bytes for us.
fn is_tls_stale(tls: &mut StreamOwned<ClientConnection, Socket>) -> bool {
    let mut digest = || -> io::Result<bool> {
        tls.sock.set_nonblocking(true)?;
        let read = tls.conn.read_tls(&mut tls.sock);
        tls.sock.set_nonblocking(false)?;
        let ended = read? == 0;
        let state = tls.conn.process_new_packets().map_err(io::Error::other)?;
        Ok(ended || state.peer_has_closed() || state.plaintext_bytes_to_read() > 0)
    };
    digest().unwrap_or(true)
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Layer::Plain(socket) => socket.read(buffer),
            Layer::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Layer::Plain(socket) => socket.write(bytes),
            Layer::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Layer::Plain(socket) => socket.flush(),
            Layer::Tls(tls) => tls.flush(),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket().as_fd()
    }
}
