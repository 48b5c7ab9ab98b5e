//! A file descriptor for hard times: when there are no more, it is given up for the next client.
//!
//! Invariant: nobody else who accepts can take it. It is given up while the others are kept from
//! accepting, and it comes back by `dup3`, which closes the client and reserves its number in one
//! step. Only something else that opens a descriptor just between giving up and accepting could
//! take it; then it is reserved again as soon as there is one.

use super::{Accepted, Listener};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{DupFlags, dup3};
use std::io;
use std::os::fd::OwnedFd;

/// A descriptor in reserve.
#[derive(Debug)]
pub(crate) struct Reserve {
    /// What the reserved descriptor is a copy of. It is of no other use, and of no file: in an
    /// empty root there may be none, not even `/dev/null`.
    idle: OwnedFd,
    reserved: Option<OwnedFd>,
}

impl Reserve {
    /// Reserves one.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn new() -> io::Result<Reserve> {
        let idle = eventfd(0, EventfdFlags::CLOEXEC)?;
        let reserved = Some(idle.try_clone()?);
        Ok(Reserve { idle, reserved })
    }

    /// Accepts a client when there are no descriptors but this one. Until [`put_back`] there is
    /// none in reserve.
    ///
    /// [`put_back`]: Reserve::put_back
    pub(crate) fn accept(&mut self, listener: &Listener) -> io::Result<Option<Accepted>> {
        self.reserved = None;
        let accepted = listener.accept();
        if !matches!(accepted, Ok(Some(_))) {
            self.renew();
        }
        accepted
    }

    /// Ends the connection of a client, whose descriptor is in reserve from now on.
    pub(crate) fn put_back(&mut self, mut client: OwnedFd) {
        self.reserved = match dup3(&self.idle, &mut client, DupFlags::CLOEXEC) {
            Ok(()) => Some(client),
            Err(_) => None,
        };
    }

    /// Closes a socket, or keeps its descriptor in reserve if there is none.
    pub(crate) fn receive(&mut self, socket: OwnedFd) {
        match self.reserved {
            Some(_) => drop(socket),
            None => self.put_back(socket),
        }
    }

    /// Tries to reserve one if there is none.
    pub(crate) fn renew(&mut self) {
        if self.reserved.is_none() {
            self.reserved = self.idle.try_clone().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ReusePort, bind_tcp};
    use super::*;
    use std::io::Read;
    use std::net::TcpStream;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_client_is_ended_by_being_put_back() {
        let listener = bind_tcp("127.0.0.1", 0, ReusePort::No).unwrap();
        let mut reserve = Reserve::new().unwrap();
        assert!(reserve.accept(&listener).unwrap().is_none());
        assert!(reserve.reserved.is_some(), "nobody came");
        let mut client = TcpStream::connect(("127.0.0.1", listener.port().unwrap())).unwrap();
        let accepted = reserve.accept(&listener).unwrap().unwrap();
        assert!(reserve.reserved.is_none());
        let number = accepted.fd.as_raw_fd();
        reserve.put_back(accepted.fd);
        assert_eq!(reserve.reserved.as_ref().unwrap().as_raw_fd(), number);
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }
}
