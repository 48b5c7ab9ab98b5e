//! A blocking socket with one deadline for a whole exchange. A time-out of the socket itself begins
//! again with each byte.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A peer with a deadline for all that it says and takes, however slowly.
pub(crate) struct Hasty<'a> {
    peer: &'a TcpStream,
    deadline: Instant,
}

impl Hasty<'_> {
    /// The deadline is so far away.
    pub(crate) fn new(peer: &TcpStream, patience: Duration) -> Hasty<'_> {
        Hasty {
            peer,
            deadline: Instant::now() + patience,
        }
    }

    /// So much time was not the peer's.
    pub(crate) fn spare(&mut self, time: Duration) {
        self.deadline += time;
    }

    /// What is left, which is never zero: that would mean "for ever".
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.deadline.checked_duration_since(Instant::now());
        match left.filter(|left| !left.is_zero()) {
            Some(left) => Ok(Some(left)),
            None => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl Read for Hasty<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.peer.set_read_timeout(self.left()?)?;
        self.peer.read(space)
    }
}

impl Write for Hasty<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.peer.set_write_timeout(self.left()?)?;
        self.peer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.peer.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_byte_by_byte_has_one_deadline() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let dribbler = std::thread::spawn(move || {
            let mut said = 0;
            while server.write_all(b"H").is_ok() {
                std::thread::park_timeout(Duration::from_millis(20));
                said += 1;
                assert!(said < 500, "it is listened to for ever");
            }
        });
        let patience = Duration::from_millis(200);
        let read = Hasty::new(&stream, patience).read_exact(&mut [0; 1000]);
        assert!(read.is_err());
        drop(stream);
        dribbler.join().unwrap();
    }
}
