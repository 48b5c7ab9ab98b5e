//! The byte stream of a session, encrypted or not.
//!
//! Reading and writing never wait; [`Stream::wait`] does, for as long as its caller says. Only
//! while a session is opened, `Read` and `Write` wait until the attempt's deadline.
//! The stream also tells cheaply whether a connection died while it lay in a pool
//! ([`Stream::is_stale`]), which decides whether a request may use it.
//!
//! Invariant: TLS holds no more than its buffer's limit of what was written and not yet sent:
//! nothing is encrypted before all that was encrypted earlier has left.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustls::ClientConnection;

use super::socket::{Glance, Interest, Ready, Socket, Trying};

/// A connection to the server.
#[derive(Debug)]
pub struct Stream(Layer);

#[derive(Debug)]
enum Layer {
    Plain(Socket),
    // Boxed, since the state of TLS is a kilobyte and most streams have none.
    Tls(Box<Tls>),
}

#[derive(Debug)]
struct Tls {
    connection: ClientConnection,
    socket: Socket,
}

impl Stream {
    pub(super) fn plain(socket: Socket) -> Stream {
        Stream(Layer::Plain(socket))
    }

    pub(super) fn tls(connection: ClientConnection, socket: Socket) -> Stream {
        Stream(Layer::Tls(Box::new(Tls { connection, socket })))
    }

    fn socket(&self) -> &Socket {
        match &self.0 {
            Layer::Plain(socket) => socket,
            Layer::Tls(tls) => &tls.socket,
        }
    }

    /// Ends the time of the deadline: the session is open, and nothing of it reads or writes but
    /// the functions that do not wait.
    pub(super) fn forget_deadline(&mut self) {
        match &mut self.0 {
            Layer::Plain(socket) => socket.forget_deadline(),
            Layer::Tls(tls) => tls.socket.forget_deadline(),
        }
    }

    /// Whether the stream is encrypted.
    pub fn is_encrypted(&self) -> bool {
        matches!(self.0, Layer::Tls(_))
    }

    /// Whether bytes are already decrypted and would not show in `poll` on the descriptor.
    pub fn has_buffered_bytes(&mut self) -> bool {
        match &mut self.0 {
            Layer::Plain(_) => false,
            Layer::Tls(tls) => match tls.connection.process_new_packets() {
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
            (Glance::Bytes, Layer::Tls(tls)) => tls.is_stale(),
        }
    }

    /// Blocks until there is what is waited for, or for no longer than the limit.
    pub(crate) fn wait(
        &mut self,
        interest: Interest,
        limit: Option<Duration>,
    ) -> io::Result<Ready> {
        if interest != Interest::Writing && self.has_buffered_bytes() {
            return Ok(Ready::Reading);
        }
        self.socket().wait(interest, limit)
    }

    /// Reads what has arrived; 0 is the end, and `WouldBlock` says that nothing has.
    pub(crate) fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Layer::Plain(socket) => socket.try_read(buffer),
            Layer::Tls(tls) => tls.try_read(buffer),
        }
    }

    /// As [`try_read`](Stream::try_read), to the end of `out`: as much as there is capacity for.
    pub(crate) fn try_append(&mut self, out: &mut Vec<u8>) -> io::Result<usize> {
        match &mut self.0 {
            Layer::Plain(socket) => socket.try_append(out),
            Layer::Tls(tls) => tls.try_append(out),
        }
    }

    /// Writes what there is room for, and takes it from the front of `bytes`. `WouldBlock` says
    /// that there is more to be written, which may be here when `bytes` is empty: encrypted.
    pub(crate) fn try_write(&mut self, bytes: &mut &[u8]) -> io::Result<()> {
        match &mut self.0 {
            Layer::Plain(socket) => {
                while !bytes.is_empty() {
                    let count = socket.try_write(bytes)?;
                    *bytes = &bytes[count..];
                }
                Ok(())
            }
            Layer::Tls(tls) => tls.try_write(bytes),
        }
    }

    /// Closes both directions, politely if that needs no waiting.
    pub fn shutdown(&mut self) {
        if let Layer::Tls(tls) = &mut self.0 {
            tls.connection.send_close_notify();
            // The peer may be gone; closing goes on all the same.
            let _ = tls.try_send();
        }
        self.socket().shutdown();
    }
}

impl Tls {
    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.connection.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            self.connection.read_tls(&mut Trying(&self.socket))?;
            let processed = self.connection.process_new_packets();
            // TLS may have something to answer, such as an alert or a new key. What does not leave
            // now does so with what is written next.
            let _ = self.try_send();
            processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
    }

    /// Decryption writes to memory that is cleared; a record has at most 16 KiB.
    fn try_append(&mut self, out: &mut Vec<u8>) -> io::Result<usize> {
        const RECORD_BYTES_MAX: usize = 16 << 10;
        let start = out.len();
        out.resize(out.capacity().min(start + RECORD_BYTES_MAX), 0);
        let read = self.try_read(&mut out[start..]);
        out.truncate(start + read.as_ref().copied().unwrap_or(0));
        read
    }

    fn try_write(&mut self, bytes: &mut &[u8]) -> io::Result<()> {
        self.try_send()?;
        while !bytes.is_empty() {
            // It takes as much as its buffer may hold, which is empty now.
            let count = self.connection.writer().write(bytes)?;
            *bytes = &bytes[count..];
            self.try_send()?;
        }
        Ok(())
    }

    /// Sends what is encrypted; `WouldBlock` says that there is no room for all of it.
    fn try_send(&mut self) -> io::Result<()> {
        while self.connection.wants_write() {
            if self.connection.write_tls(&mut Trying(&self.socket))? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// TLS has messages of its own, such as session tickets, that are no bytes for us.
    fn is_stale(&mut self) -> bool {
        let mut digest = || -> io::Result<bool> {
            let ended = self.connection.read_tls(&mut Trying(&self.socket))? == 0;
            let processed = self.connection.process_new_packets();
            let state = processed.map_err(io::Error::other)?;
            Ok(ended || state.peer_has_closed() || state.plaintext_bytes_to_read() > 0)
        };
        digest().unwrap_or(true)
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.try_read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.socket().wait_until_deadline(Interest::Reading)?;
                }
                read => return read,
            }
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        loop {
            match self.try_write(&mut rest) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.socket().wait_until_deadline(Interest::Writing)?;
                }
                written => return written.map(|()| bytes.len()),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // `write` has sent everything.
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket().as_fd()
    }
}
