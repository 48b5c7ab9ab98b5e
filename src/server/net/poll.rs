//! Waiting: epoll, and the two things besides sockets that can end a wait.
//!
//! A [`Poll`] hands out all events there are. Asked for one at a time, the kernel starves some
//! clients for seconds when many are ready (Linux 6.18), and is asked more often than needed.

use super::beside::OtherSide;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{Errno, read, write};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// How many events one call takes: more than are ready at a time on a busy core.
const EVENTS_AT_ONCE: usize = 64;

/// An epoll instance, shared by the threads of a core.
#[derive(Debug)]
pub(crate) struct Poll(OwnedFd);

/// What a resting client is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Bytes from the client, or its end.
    Read,
    /// Room for bytes to the client.
    Write,
}

impl Interest {
    /// One event, to one thread, and then silence until the client rests again.
    fn once(self) -> EventFlags {
        EventFlags::ONESHOT
            | match self {
                Interest::Read => EventFlags::IN,
                Interest::Write => EventFlags::OUT,
            }
    }
}

impl Poll {
    /// An empty one.
    pub(crate) fn new() -> io::Result<Poll> {
        Ok(Poll(epoll::create(CreateFlags::CLOEXEC)?))
    }

    /// Adds a client.
    pub(crate) fn add(&self, fd: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(
            &self.0,
            fd,
            EventData::new_u64(token),
            interest.once(),
        )?)
    }

    /// Waits for a client again.
    pub(crate) fn rearm(&self, fd: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(
            &self.0,
            fd,
            EventData::new_u64(token),
            interest.once(),
        )?)
    }

    /// Adds something that wakes one thread of one core each time it is readable.
    pub(crate) fn add_shared(&self, fd: impl AsFd, token: u64) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::EXCLUSIVE;
        Ok(epoll::add(&self.0, fd, EventData::new_u64(token), flags)?)
    }

    /// Takes out what was added.
    pub(crate) fn remove(&self, fd: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.0, fd)?)
    }

    /// Blocks until something happens, for some time at most, and hands over the tokens of what
    /// has happened, in its order, and whether its other side is there.
    pub(crate) fn wait(
        &self,
        at_most: Option<Duration>,
        mut on: impl FnMut(u64, OtherSide),
    ) -> io::Result<()> {
        let timeout = at_most.map(timespec);
        let nothing = Event {
            flags: EventFlags::empty(),
            data: EventData::new_u64(0),
        };
        let mut events = [nothing; EVENTS_AT_ONCE];
        match epoll::wait(&self.0, &mut events, timeout.as_ref()) {
            Err(Errno::INTR) => Ok(()),
            Ok(count) => {
                for event in &events[..count] {
                    let (data, flags) = (event.data, event.flags);
                    let other_side = match flags.contains(EventFlags::HUP) {
                        true => OtherSide::Gone,
                        false => OtherSide::There,
                    };
                    on(data.u64(), other_side);
                }
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Wakes a thread of a core from outside.
#[derive(Debug)]
pub(crate) struct Bell(OwnedFd);

impl Bell {
    /// A silent one.
    pub(crate) fn new() -> io::Result<Bell> {
        Ok(Bell(eventfd(
            0,
            EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK,
        )?))
    }

    /// Wakes one thread. Ringing twice before anybody comes is like ringing once.
    pub(crate) fn ring(&self) {
        // The counter is full only after 2^64 - 1 unanswered rings.
        let _ = write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Answers it.
    pub(crate) fn silence(&self) {
        let _ = read(&self.0, &mut [0_u8; 8]);
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Wakes a thread of a core at a time.
#[derive(Debug)]
pub(crate) struct Alarm(OwnedFd);

impl Alarm {
    /// One that is not set.
    pub(crate) fn new() -> io::Result<Alarm> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        Ok(Alarm(timerfd_create(TimerfdClockId::Monotonic, flags)?))
    }

    /// Goes off once, after this time.
    pub(crate) fn set(&self, after: Duration) -> io::Result<()> {
        // A time of zero would switch the alarm off.
        let it_value = timespec(after.max(Duration::from_nanos(1)));
        let it_interval = timespec(Duration::ZERO);
        let time = Itimerspec {
            it_interval,
            it_value,
        };
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &time)?;
        Ok(())
    }

    /// Whether it has gone off since it was last asked.
    pub(crate) fn has_gone_off(&self) -> bool {
        read(&self.0, &mut [0_u8; 8]).is_ok()
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
