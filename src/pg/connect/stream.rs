//! The byte stream of a session, encrypted or not.
//!
//! [`Stream::try_read`] and [`Stream::try_write`] never wait, and [`Stream::wait`] does, for both
//! directions at once where both matter. While a session is opened, it is a `Read + Write` that
//! waits until a deadline. It also tells cheaply whether a connection died while it lay in a pool
//! ([`Stream::is_stale`]), which decides whether a request may use it.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustls::{ClientConnection, StreamOwned};

use super::socket::{Closer, Direction, Glance, Readiness, Socket};

/// How much is encrypted before it is sent: a record of TLS has at most as much.
const RECORD_BYTES_MAX: usize = 16 << 10;

/// A connection to the server.
#[derive(Debug)]
pub struct Stream(Layer);

#[derive(Debug)]
enum Layer {
    Plain(Socket),
    // Boxed, since the state of TLS is a kilobyte and most streams have none.
    Tls(Box<StreamOwned<ClientConnection, Socket>>),
    #[cfg(feature = "model")]
    Simulated(corerest_simulation::Stream),
}

/// A socket as TLS sees it when nobody is to wait.
struct Trying<'a>(&'a Socket);

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
        Ok(())
    }
}

impl Stream {
    pub(super) fn plain(socket: Socket) -> Stream {
        Stream(Layer::Plain(socket))
    }

    #[cfg(feature = "internals")]
    pub(super) fn of_socket(socket: std::os::fd::OwnedFd) -> Stream {
        Stream::plain(Socket::of(socket))
    }

    pub(super) fn tls(connection: ClientConnection, socket: Socket) -> Stream {
        Stream(Layer::Tls(Box::new(StreamOwned::new(connection, socket))))
    }

    fn socket(&self) -> &Socket {
        match &self.0 {
            Layer::Plain(socket) => socket,
            Layer::Tls(tls) => &tls.sock,
            #[cfg(feature = "model")]
            Layer::Simulated(_) => unreachable!("a simulated stream has no socket"),
        }
    }

    /// A stream of a simulation.
    #[cfg(feature = "model")]
    pub fn simulated(stream: corerest_simulation::Stream) -> Stream {
        Stream(Layer::Simulated(stream))
    }

    /// The stream of the simulation.
    ///
    /// # Panics
    /// If it is none.
    #[cfg(feature = "model")]
    pub fn as_simulated(&self) -> &corerest_simulation::Stream {
        match &self.0 {
            Layer::Simulated(stream) => stream,
            Layer::Plain(_) | Layer::Tls(_) => panic!("a simulation has no other streams"),
        }
    }

    /// Until when [`Read`] and [`Write`] wait; then they fail with `TimedOut`.
    pub(super) fn set_deadline(&mut self, deadline: Option<Instant>) {
        match &mut self.0 {
            Layer::Plain(socket) => socket.set_deadline(deadline),
            Layer::Tls(tls) => tls.sock.set_deadline(deadline),
            #[cfg(feature = "model")]
            Layer::Simulated(_) => {}
        }
    }

    /// Reads what is there; fails with `WouldBlock` if that is nothing.
    ///
    /// # Errors
    /// If the stream breaks.
    pub(crate) fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Layer::Plain(socket) => socket.try_read(buffer),
            Layer::Tls(tls) => try_decrypt(tls, buffer),
            #[cfg(feature = "model")]
            Layer::Simulated(stream) => simulated::receive(stream, buffer),
        }
    }

    /// The same, behind what is in `out`: as much as there is capacity for.
    ///
    /// # Errors
    /// If the stream breaks.
    pub(crate) fn try_append(&mut self, out: &mut Vec<u8>) -> io::Result<usize> {
        match &mut self.0 {
            Layer::Plain(socket) => socket.try_append(out),
            // Decryption writes to memory that is cleared.
            Layer::Tls(tls) => {
                let start = out.len();
                out.resize(out.capacity().min(start + RECORD_BYTES_MAX), 0);
                let read = try_decrypt(tls, &mut out[start..]);
                out.truncate(start + read.as_ref().copied().unwrap_or(0));
                read
            }
            #[cfg(feature = "model")]
            Layer::Simulated(stream) => {
                let start = out.len();
                out.resize(out.capacity(), 0);
                let read = simulated::receive(stream, &mut out[start..]);
                out.truncate(start + read.as_ref().copied().unwrap_or(0));
                read
            }
        }
    }

    /// Writes what there is room for; fails with `WouldBlock` if there is none. What is encrypted
    /// and not yet sent is sent first, so there is never more of it than a record.
    ///
    /// # Errors
    /// If the stream breaks.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Layer::Plain(socket) => socket.try_write(bytes),
            Layer::Tls(tls) => {
                try_flush(tls)?;
                let count = bytes.len().min(RECORD_BYTES_MAX);
                let count = tls.conn.writer().write(&bytes[..count])?;
                match try_flush(tls) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(count),
                    flushed => flushed.map(|()| count),
                }
            }
            #[cfg(feature = "model")]
            Layer::Simulated(stream) => simulated::send(stream, bytes),
        }
    }

    /// Sends what was written and not sent; fails with `WouldBlock` if there is no room for it.
    ///
    /// # Errors
    /// If the stream breaks.
    pub(crate) fn try_flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Layer::Plain(_) => Ok(()),
            Layer::Tls(tls) => try_flush(tls),
            #[cfg(feature = "model")]
            Layer::Simulated(_) => Ok(()),
        }
    }

    /// Waits until something can be done, for so long at the most.
    ///
    /// # Errors
    /// If the operating system cannot wait.
    pub(crate) fn wait(
        &mut self,
        direction: Direction,
        limit: Option<Duration>,
    ) -> io::Result<Readiness> {
        if direction != Direction::Write && self.has_buffered_bytes() {
            return Ok(Readiness {
                read: true,
                write: false,
            });
        }
        #[cfg(feature = "model")]
        if let Layer::Simulated(stream) = &self.0 {
            return Ok(simulated::wait(stream, direction, limit));
        }
        self.socket().wait(direction, limit)
    }

    /// Whether the stream is encrypted.
    pub fn is_encrypted(&self) -> bool {
        matches!(self.0, Layer::Tls(_))
    }

    /// Whether bytes are already decrypted and would not show in `poll` on the descriptor.
    pub fn has_buffered_bytes(&mut self) -> bool {
        match &mut self.0 {
            Layer::Plain(_) => false,
            #[cfg(feature = "model")]
            Layer::Simulated(_) => false,
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
        #[cfg(feature = "model")]
        if let Layer::Simulated(stream) = &self.0 {
            return stream.is_gone();
        }
        match (self.socket().glance(), &mut self.0) {
            (Glance::Gone, _) | (Glance::Bytes, Layer::Plain(_)) => true,
            (Glance::Quiet, Layer::Plain(_)) => false,
            (Glance::Quiet, Layer::Tls(_)) => self.has_buffered_bytes(),
            (Glance::Bytes, Layer::Tls(tls)) => is_tls_stale(tls),
            #[cfg(feature = "model")]
            (_, Layer::Simulated(_)) => unreachable!("it was looked at before"),
        }
    }

    /// What ends the connection, to be used from another thread; nothing does in a simulation.
    pub(crate) fn closer(&self) -> Option<Closer> {
        #[cfg(feature = "model")]
        if let Layer::Simulated(_) = &self.0 {
            return None;
        }
        Some(self.socket().closer())
    }

    /// Closes both directions, politely if that needs no waiting.
    pub fn shutdown(&mut self) {
        if let Layer::Tls(tls) = &mut self.0 {
            tls.conn.send_close_notify();
            // The peer may be gone; closing goes on all the same.
            let _ = try_flush(tls);
        }
        self.socket().closer().close();
    }
}

/// Sends what is encrypted.
fn try_flush(tls: &mut StreamOwned<ClientConnection, Socket>) -> io::Result<()> {
    while tls.conn.wants_write() {
        tls.conn.write_tls(&mut Trying(&tls.sock))?;
    }
    Ok(())
}

/// Reads and decrypts what is there.
fn try_decrypt(
    tls: &mut StreamOwned<ClientConnection, Socket>,
    buffer: &mut [u8],
) -> io::Result<usize> {
    loop {
        match tls.conn.reader().read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return read,
        }
        if tls.conn.read_tls(&mut Trying(&tls.sock))? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        tls.conn.process_new_packets().map_err(io::Error::other)?;
        // TLS answers some of its own messages. If there is no room now, it is sent with the next
        // batch.
        let _ = try_flush(tls);
    }
}

/// TLS has messages of its own, such as session tickets, that are no bytes for us.
fn is_tls_stale(tls: &mut StreamOwned<ClientConnection, Socket>) -> bool {
    let mut digest = || -> io::Result<bool> {
        let ended = tls.conn.read_tls(&mut Trying(&tls.sock))? == 0;
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
            #[cfg(feature = "model")]
            Layer::Simulated(stream) => simulated::receive(stream, buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Layer::Plain(socket) => socket.write(bytes),
            Layer::Tls(tls) => tls.write(bytes),
            #[cfg(feature = "model")]
            Layer::Simulated(stream) => simulated::send(stream, bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Layer::Plain(socket) => socket.flush(),
            Layer::Tls(tls) => tls.flush(),
            #[cfg(feature = "model")]
            Layer::Simulated(_) => Ok(()),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket().as_fd()
    }
}

/// What a stream of a simulation does, in the words of the operating system.
#[cfg(feature = "model")]
mod simulated {
    use super::{Direction, Duration, Readiness, io};
    use corerest_simulation::{Received, Sent, Stream};

    pub(super) fn receive(stream: &Stream, buffer: &mut [u8]) -> io::Result<usize> {
        match stream.receive(buffer) {
            Received::Bytes(count) => Ok(count),
            Received::WouldBlock => Err(io::ErrorKind::WouldBlock.into()),
            Received::Closed => Ok(0),
        }
    }

    pub(super) fn send(stream: &Stream, bytes: &[u8]) -> io::Result<usize> {
        match stream.send(bytes) {
            Sent::Bytes(count) => Ok(count),
            Sent::WouldBlock => Err(io::ErrorKind::WouldBlock.into()),
            Sent::Closed => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    pub(super) fn wait(
        stream: &Stream,
        direction: Direction,
        limit: Option<Duration>,
    ) -> Readiness {
        let ready = match direction {
            Direction::Read => stream.wait(false, limit),
            Direction::Write | Direction::Both => stream.wait(true, limit),
        };
        ready.map_or(Readiness::NONE, |ready| Readiness {
            read: ready.read,
            write: ready.write,
        })
    }
}
