//! A client's socket, which never blocks.
//!
//! Reads and writes say what came of them in an enum and not in an error, since a client that is
//! slow or gone is no error.

use super::beside::Beside;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::sendfile;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// A connected socket. Clones are the same socket: whoever registers it with epoll holds one, so
/// that its number cannot be given to another client in between.
#[derive(Clone, Debug)]
pub(crate) struct Socket(Arc<OwnedFd>);

/// What an attempt to read has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// So many bytes, at least one.
    Bytes(usize),
    /// There is nothing to read now.
    WouldBlock,
    /// The client has closed its side, or the connection is gone.
    Closed,
}

/// What an attempt to write has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// So many bytes.
    Bytes(usize),
    /// The client does not take more now.
    WouldBlock,
    /// The connection is gone.
    Closed,
}

impl Socket {
    /// Takes over a socket that was accepted as non-blocking.
    pub(crate) fn new(fd: OwnedFd) -> Socket {
        Socket(Arc::new(fd))
    }

    /// Reads what has arrived.
    pub(crate) fn receive(&self, space: &mut [u8]) -> Received {
        loop {
            match recv(self, &mut *space, RecvFlags::DONTWAIT).map(|(count, _)| count) {
                Ok(0) => return Received::Closed,
                Ok(count) => return Received::Bytes(count),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Received::WouldBlock,
                Err(_) => return Received::Closed,
            }
        }
    }

    /// Writes what the client takes.
    pub(crate) fn send(&self, bytes: &[u8]) -> Sent {
        loop {
            match send(self, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(count) => return Sent::Bytes(count),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Sent::WouldBlock,
                Err(_) => return Sent::Closed,
            }
        }
    }

    /// Writes what the client takes of a file, without a copy in our memory: at most `count`
    /// bytes, from `offset` on.
    pub(crate) fn send_file(&self, file: &impl AsFd, offset: u64, count: usize) -> Sent {
        loop {
            let mut position = offset;
            match sendfile(self, file, Some(&mut position), count) {
                // The file is shorter than it was.
                Ok(0) if count > 0 => return Sent::Closed,
                Ok(count) => return Sent::Bytes(count),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Sent::WouldBlock,
                Err(_) => return Sent::Closed,
            }
        }
    }

    /// Whether the client has closed its side, or the connection is gone. What it has sent before
    /// that may still be unread.
    pub(crate) fn is_gone(&self) -> bool {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let mut client = [PollFd::new(self, PollFlags::RDHUP)];
        poll(&mut client, Some(&now)).is_ok() && !client[0].revents().is_empty()
    }

    /// Blocks until there is something to read from `other`, or the client is gone, and says what
    /// has come first. An interrupted wait is over, too.
    pub(crate) fn wait_beside(&self, other: &impl AsFd, at_most: Duration) -> Beside {
        let mut both = [
            PollFd::new(self, PollFlags::RDHUP),
            PollFd::new(other, PollFlags::IN),
        ];
        let at_most = Timespec::try_from(at_most).ok();
        match poll(&mut both, at_most.as_ref()) {
            Ok(0) => Beside::Silence,
            Ok(_) if both[1].revents().is_empty() => Beside::ClientGone,
            Ok(_) | Err(_) => Beside::OtherSpeaks,
        }
    }

    /// Says that nothing more will be sent; what is under way still arrives.
    pub(crate) fn finish_sending(&self) {
        let _ = shutdown(self, Shutdown::Write);
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
