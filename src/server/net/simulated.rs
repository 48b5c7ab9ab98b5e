//! The network of a simulation, in the words of the real one (feature `model`).

use super::beside::{Beside, OtherSide};
use super::ticks::Ticks;
use corerest_pg::Connection;
use corerest_simulation as world;
use corerest_simulation::{Listening, Stream, Watched};
use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub(crate) use corerest_simulation::Interest;

/// See the real one.
pub(crate) const HANDSHAKES_MAX: Duration = Duration::from_millis(500);

/// A fault that a simulation may ask for: there is no file descriptor left.
const NO_DESCRIPTORS: i32 = 24;

/// See the real one.
#[derive(Debug)]
pub(crate) struct Poll(world::Poll);

/// See the real one.
#[derive(Debug)]
pub(crate) struct Bell(world::Bell);

/// See the real one.
#[derive(Debug)]
pub(crate) struct Alarm(world::Alarm);

/// See the real one.
#[derive(Clone, Debug)]
pub(crate) struct Socket(Stream);

/// See the real one.
#[derive(Debug)]
pub(crate) struct Listener {
    door: Listening,
    /// In how many attempts to accept one fails for want of a descriptor; 0 for none.
    pub(crate) fails_one_of: usize,
    /// Whether another process has the door, too.
    pub(crate) is_taken_over: bool,
    /// Whether it is somebody else's.
    pub(crate) lives_on: bool,
}

/// See the real one.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) fd: Stream,
    pub(crate) peer: Option<IpAddr>,
    pub(crate) is_visitor: bool,
}

/// See the real one.
#[derive(Debug)]
pub(crate) struct Reserve(());

pub(crate) use corerest_simulation::{Received, Sent};

fn done(is_done: bool) -> io::Result<()> {
    match is_done {
        true => Ok(()),
        false => Err(io::ErrorKind::AlreadyExists.into()),
    }
}

impl Poll {
    pub(crate) fn new() -> io::Result<Poll> {
        Ok(Poll(world::Poll::new()))
    }

    pub(crate) fn add(&self, fd: &Socket, token: u64, interest: Interest) -> io::Result<()> {
        done(self.0.add(&fd.0, token, interest))
    }

    pub(crate) fn rearm(&self, fd: &Socket, token: u64, interest: Interest) -> io::Result<()> {
        done(self.0.rearm(&fd.0, token, interest))
    }

    pub(crate) fn add_shared(&self, fd: &impl Watched, token: u64) -> io::Result<()> {
        done(self.0.add_shared(fd, token))
    }

    pub(crate) fn remove(&self, fd: &impl Watched) -> io::Result<()> {
        done(self.0.remove(fd))
    }

    /// Nobody resets a connection here.
    pub(crate) fn wait(
        &self,
        at_most: Option<Duration>,
        mut on: impl FnMut(u64, OtherSide),
    ) -> io::Result<()> {
        let tokens = self.0.wait(at_most).into_iter();
        tokens.for_each(|token| on(token, OtherSide::There));
        Ok(())
    }

    /// Whether it is waited for.
    pub(crate) fn watches(&self, fd: &impl Watched) -> bool {
        self.0.watches(fd)
    }
}

impl Bell {
    pub(crate) fn new() -> io::Result<Bell> {
        Ok(Bell(world::Bell::new()))
    }

    pub(crate) fn ring(&self) {
        self.0.ring();
    }

    pub(crate) fn silence(&self) {
        self.0.silence();
    }
}

impl Watched for Bell {
    fn source(&self) -> world::Source {
        self.0.source()
    }
}

impl Alarm {
    pub(crate) fn new() -> io::Result<Alarm> {
        Ok(Alarm(world::Alarm::new()))
    }

    pub(crate) fn set(&self, after: Duration) -> io::Result<()> {
        self.0.set(after);
        Ok(())
    }

    pub(crate) fn has_gone_off(&self) -> bool {
        self.0.has_gone_off()
    }
}

impl Watched for Alarm {
    fn source(&self) -> world::Source {
        self.0.source()
    }
}

impl Watched for Socket {
    fn source(&self) -> world::Source {
        self.0.source()
    }
}

impl Socket {
    pub(crate) fn new(stream: Stream) -> Socket {
        Socket(stream)
    }

    pub(crate) fn receive(&self, space: &mut [u8]) -> Received {
        self.0.receive(space)
    }

    pub(crate) fn send(&self, bytes: &[u8]) -> Sent {
        self.0.send(bytes)
    }

    pub(crate) fn send_file(&self, file: &File, offset: u64, count: usize) -> Sent {
        let mut bytes = vec![0; count];
        match file.read_at(&mut bytes, offset) {
            Ok(read) if read > 0 => self.0.send(&bytes[..read]),
            _ => Sent::Closed,
        }
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.0.is_gone()
    }

    pub(crate) fn wait_beside(&self, other: &Connection, _at_most: Duration) -> Beside {
        match other.as_simulated().is_outlived_by(&self.0) {
            true => Beside::ClientGone,
            false => Beside::OtherSpeaks,
        }
    }

    pub(crate) fn finish_sending(&self) {
        self.0.finish_sending();
    }
}

impl Listener {
    /// A door of the simulation.
    pub(crate) fn new(door: Listening, fails_one_of: usize) -> Listener {
        Listener {
            door,
            fails_one_of,
            is_taken_over: false,
            lives_on: false,
        }
    }

    pub(crate) fn accept(&self) -> io::Result<Option<Accepted>> {
        if self.fails_one_of > 0 && world::is_lucky(self.fails_one_of) {
            return Err(io::Error::from_raw_os_error(NO_DESCRIPTORS));
        }
        Ok(self.take())
    }

    fn take(&self) -> Option<Accepted> {
        self.door.accept().map(|fd| Accepted {
            fd,
            peer: None,
            is_visitor: false,
        })
    }

    pub(crate) fn is_reachable(&self) -> bool {
        true
    }

    pub(crate) fn answers(&self, _patience: Duration) -> bool {
        true
    }

    pub(crate) fn leave(&self) -> bool {
        self.is_taken_over
    }

    pub(crate) fn lives_on(&self) -> bool {
        self.lives_on
    }
}

impl Watched for Listener {
    fn source(&self) -> world::Source {
        self.door.source()
    }
}

impl Reserve {
    pub(crate) fn new() -> io::Result<Reserve> {
        Ok(Reserve(()))
    }

    pub(crate) fn accept(&mut self, listener: &Listener) -> io::Result<Option<Accepted>> {
        Ok(listener.take())
    }

    pub(crate) fn put_back(&mut self, client: Stream) {
        drop(client);
    }
}

/// See the real one. Each time somebody looks, the CPUs are found as the last time but one: there,
/// or taken by others.
#[derive(Debug, Default)]
pub(crate) struct RunDelay(AtomicU64);

impl RunDelay {
    pub(crate) fn of_this_thread() -> io::Result<RunDelay> {
        Ok(RunDelay::default())
    }

    pub(crate) fn read(&self) -> Duration {
        let looks = self.0.fetch_add(1, Ordering::Relaxed);
        Duration::from_secs(looks / 2)
    }
}

/// See the real one. All of the time is idle, or none of it.
#[derive(Debug)]
pub(crate) struct CpuTimes(AtomicU64);

impl CpuTimes {
    pub(crate) fn of_ours() -> Option<CpuTimes> {
        Some(CpuTimes(AtomicU64::new(0)))
    }

    pub(crate) fn cpus(&self) -> usize {
        2
    }

    pub(crate) fn read(&self) -> Ticks {
        let all = self.0.fetch_add(1, Ordering::Relaxed);
        Ticks {
            idle: all / 2 * 2,
            all,
        }
    }
}

/// See the real one.
pub(crate) fn pin_to(_cpu: usize) -> io::Result<()> {
    Ok(())
}

/// See the real one.
pub(crate) fn wait_for_turn() -> io::Result<()> {
    Ok(())
}
