//! Who is served by the admin server, and who goes when one more comes.
//!
//! ```text
//! comes ──▶ is heard ──▶ is answered ──▶ is told ──▶ gone
//!              └── the oldest of these goes ──┘ when all threads are taken
//! ```
//! There are as many threads as clients at a time, and all of them are there from the beginning:
//! when things are bad there may be no more to be had. A client is sent away by ending its
//! connection, so whichever thread waits for it wakes up, and has the next one.
//!
//! Invariant: nobody whose question is known is sent away before the answer is; whoever has not
//! asked, or does not take the answer, keeps nobody waiting.

use std::collections::VecDeque;
use std::net::{Shutdown, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a client is let be, to say what it has come for: were many to come at once, each would
/// otherwise be sent away by the next ones before it was heard.
const SPARED: Duration = Duration::from_millis(10);

/// The clients of the admin server, and the threads that wait for them.
#[derive(Debug)]
pub(super) struct Reception {
    guests: Mutex<Guests>,
    changed: Condvar,
    places: usize,
}

#[derive(Debug, Default)]
struct Guests {
    /// The one who came first is the first.
    list: VecDeque<Guest>,
    came: u64,
}

#[derive(Debug)]
struct Guest {
    number: u64,
    socket: Arc<TcpStream>,
    came: Instant,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No thread has begun with it.
    Comes,
    /// It is listened to, or takes the answer: its own pace.
    AtItsPace,
    /// The answer is made, at ours.
    AtOurs,
    /// Its connection was ended, and its thread is about to notice.
    SentAway,
}

/// A client in the hands of a thread.
#[derive(Debug)]
pub(super) struct Visit {
    number: u64,
    pub(super) socket: Arc<TcpStream>,
}

impl Reception {
    /// One for so many clients at a time.
    pub(super) fn new(places: usize) -> Reception {
        Reception {
            guests: Mutex::default(),
            changed: Condvar::new(),
            places,
        }
    }

    /// Whether nobody is served.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().list.is_empty()
    }

    /// Whether all threads are taken.
    pub(super) fn is_full(&self) -> bool {
        self.lock().list.len() >= self.places
    }

    /// A client comes, for whom there is a thread.
    pub(super) fn welcome(&self, socket: TcpStream) {
        let mut guests = self.lock();
        guests.came += 1;
        let number = guests.came;
        guests.list.push_back(Guest {
            number,
            socket: Arc::new(socket),
            came: Instant::now(),
            stage: Stage::Comes,
        });
        drop(guests);
        self.changed.notify_all();
    }

    /// Waits until somebody has gone, for so long at the most, and sends the oldest away for it.
    /// Those who are being answered are waited for.
    pub(super) fn make_way(&self, at_most: Duration) {
        let deadline = Instant::now() + at_most;
        let mut guests = self.lock();
        let before = guests.list.len();
        while guests.list.len() >= before {
            guests.send_oldest_away();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            // Somebody may be spared no longer after that.
            let waited = self.changed.wait_timeout(guests, left.min(SPARED));
            guests = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The next client for a thread, which waits for one as long as it takes.
    pub(super) fn next(&self) -> Visit {
        let mut guests = self.lock();
        loop {
            let mut list = guests.list.iter_mut();
            if let Some(guest) = list.find(|guest| guest.stage == Stage::Comes) {
                guest.stage = Stage::AtItsPace;
                return Visit {
                    number: guest.number,
                    socket: Arc::clone(&guest.socket),
                };
            }
            guests = self
                .changed
                .wait(guests)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Makes an answer, during which its client is not sent away; `None` if it was before.
    pub(super) fn while_answering<T>(
        &self,
        visit: &Visit,
        answer: impl FnOnce() -> T,
    ) -> Option<T> {
        self.turn(visit, Stage::AtOurs)?;
        let answer = answer();
        self.turn(visit, Stage::AtItsPace)?;
        Some(answer)
    }

    fn turn(&self, visit: &Visit, stage: Stage) -> Option<()> {
        let mut guests = self.lock();
        let mut list = guests.list.iter_mut();
        let guest = list.find(|guest| guest.number == visit.number)?;
        if guest.stage == Stage::SentAway {
            return None;
        }
        guest.stage = stage;
        drop(guests);
        // One that was waited for may be sent away now.
        self.changed.notify_all();
        Some(())
    }

    /// A thread is done with its client, whose socket is closed. Whoever waits for that sees both
    /// the place and the descriptor free.
    pub(super) fn part(&self, visit: Visit, close: impl FnOnce(OwnedFd)) {
        let mut guests = self.lock();
        guests.list.retain(|guest| guest.number != visit.number);
        if let Some(socket) = Arc::into_inner(visit.socket) {
            close(socket.into());
        }
        drop(guests);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guests {
    /// Sends the oldest away who may be, unless one is on the way out already.
    fn send_oldest_away(&mut self) {
        let mut list = self.list.iter();
        if list.any(|guest| guest.stage == Stage::SentAway) {
            return;
        }
        let mut list = self.list.iter_mut();
        if let Some(oldest) = list.find(|guest| guest.may_go()) {
            oldest.stage = Stage::SentAway;
            // It fails only where the client has gone by itself.
            let _ = oldest.socket.shutdown(Shutdown::Both);
        }
    }
}

impl Guest {
    fn may_go(&self) -> bool {
        self.stage == Stage::AtItsPace && self.came.elapsed() >= SPARED
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::TcpListener;

    /// The two ends of a connection.
    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    /// Guests who have all been received by a thread, and their clients.
    fn guests(reception: &Reception, count: usize) -> (Vec<TcpStream>, Vec<Visit>) {
        let arrive = |_| {
            let (client, socket) = pair();
            reception.welcome(socket);
            (client, reception.next())
        };
        (0..count).map(arrive).unzip()
    }

    #[test]
    fn the_oldest_goes_whose_answer_is_not_being_made() {
        let reception = Reception::new(3);
        let (mut clients, mut visits) = guests(&reception, 3);
        assert!(reception.is_full());
        let second = visits.remove(1);
        std::thread::scope(|scope| {
            let answer = reception.while_answering(&visits[0], || {
                let reception = &reception;
                let gone = scope.spawn(move || {
                    assert_eq!((&*second.socket).read(&mut [0]).unwrap(), 0, "it wakes up");
                    assert_eq!(reception.while_answering(&second, || ()), None);
                    reception.part(second, drop);
                });
                reception.make_way(Duration::from_secs(20));
                assert!(!reception.is_full());
                gone.join().unwrap();
                7
            });
            assert_eq!(answer, Some(7), "it stays until it is answered");
        });
        assert_eq!(clients[1].read(&mut [0]).unwrap(), 0);
        reception.make_way(2 * SPARED);
        assert_eq!(clients[0].read(&mut [0]).unwrap(), 0, "then it may go");
    }

    #[test]
    fn those_who_are_answered_are_waited_for() {
        let reception = Reception::new(1);
        let (_clients, visits) = guests(&reception, 1);
        let answer = reception.while_answering(&visits[0], || {
            reception.make_way(2 * SPARED);
        });
        assert_eq!(answer, Some(()));
        assert!(reception.is_full());
    }
}
