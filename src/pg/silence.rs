//! Connections whose server owes something and has said nothing for a while.
//!
//! ```text
//! asked ──silent for NOTED_AFTER──▶ noted ──it says something──▶ forgotten
//!                                    │ ▲
//!                            accused ▼ │ acquitted: its server is at work
//!                                   accused ──once more──▶ closed: the connection is lost
//! ```
//! A query may take an hour, so silence alone means nothing. But a firewall can forget a
//! connection, and a pooler or a proxy can acknowledge what it never passes on: then nobody will
//! ever say anything. Whoever has another way to the server asks it there
//! ([`Silences::list`], [`Silences::on_finding`]); the threads that wait need not do anything.
//!
//! A server that rests is accused twice, for what it has said may have been on its way.
//!
//! Invariant: what is in the list is waited for at this moment: a [`Note`] takes it out when it is
//! dropped, and its connection drops it when there is something to be read.

use crate::connect::{Address, Closer, ServerIdentity, Session, Target};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long silence lasts before it is noted: longer than almost all queries.
pub const NOTED_AFTER: Duration = Duration::from_secs(5);

/// How long after its first accusation a second one counts.
const ACCUSED_FOR: Duration = Duration::from_secs(4);

/// All connections that are silent at this moment.
#[derive(Debug, Default)]
pub struct Silences {
    noted: Mutex<Vec<Noted>>,
    numbers: AtomicU64,
}

#[derive(Debug)]
struct Noted {
    number: u64,
    silent: Silent,
    accused: Option<Instant>,
    closer: Closer,
}

/// A connection that is silent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silent {
    /// Who its server is, if that is known for certain; behind a pooler it is not.
    pub server: Option<ServerIdentity>,
    /// Where its server is.
    pub address: Address,
    /// How the user has called that.
    pub host: String,
}

/// What has been found out about the server of a silent connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is at work.
    Works,
    /// It rests, or waits for its client.
    Rests,
    /// There is no such process.
    IsMissing,
}

impl Silences {
    /// Those that are silent now, each with a number that no other silence ever has.
    pub fn list(&self) -> Vec<(u64, Silent)> {
        let noted = lock(&self.noted);
        let all = noted.iter();
        all.map(|noted| (noted.number, noted.silent.clone()))
            .collect()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        lock(&self.noted).is_empty()
    }

    /// Takes in what was found out about one, if it is still silent, and says whether that has
    /// ended it: whoever waits for it learns that the connection is lost.
    pub fn on_finding(&self, number: u64, finding: Finding, now: Instant) -> bool {
        let mut noted = lock(&self.noted);
        let Some(found) = noted.iter_mut().find(|noted| noted.number == number) else {
            return false;
        };
        let is_lost = match (finding, found.accused) {
            (Finding::IsMissing, _) => true,
            (Finding::Rests, Some(since)) => now.duration_since(since) >= ACCUSED_FOR,
            (Finding::Rests | Finding::Works, _) => false,
        };
        found.accused = match finding {
            Finding::Works => None,
            Finding::Rests | Finding::IsMissing => found.accused.or(Some(now)),
        };
        if is_lost {
            found.closer.close();
        }
        is_lost
    }

    /// Notes one.
    pub(crate) fn note(self: &Arc<Silences>, silent: Silent, closer: Closer) -> Note {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        lock(&self.noted).push(Noted {
            number,
            silent,
            accused: None,
            closer,
        });
        Note {
            list: Arc::clone(self),
            number,
        }
    }
}

impl Silent {
    /// One with this session.
    pub(crate) fn of(session: &Session) -> Silent {
        Silent {
            server: session.server().cloned(),
            address: session.address.clone(),
            host: session.host.clone(),
        }
    }

    /// The same server as a target, whatever other hosts there are.
    pub fn target(&self, target: &Target) -> Target {
        target.clone().at(&self.host, &self.address)
    }
}

/// That a connection is noted; it is no more when this is dropped.
#[derive(Debug)]
pub(crate) struct Note {
    list: Arc<Silences>,
    number: u64,
}

impl Drop for Note {
    fn drop(&mut self) {
        let mut noted = lock(&self.list.noted);
        noted.retain(|noted| noted.number != self.number);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    fn silent() -> (Arc<Silences>, Note, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("there are descriptors");
        theirs.set_nonblocking(true).expect("it can be set");
        let list = Arc::new(Silences::default());
        let address = Address::Unix {
            path: "/tmp/.s.PGSQL.5432".into(),
        };
        let closer = Closer::of(Arc::new(OwnedFd::from(ours)));
        let silent = Silent {
            server: None,
            address,
            host: "db".to_owned(),
        };
        let note = list.note(silent, closer);
        (list, note, theirs)
    }

    fn is_closed(mut other_end: &UnixStream) -> bool {
        match other_end.read(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                false
            }
        }
    }

    #[test]
    fn a_server_that_rests_is_accused_twice_and_one_that_is_missing_once() {
        use Finding::{IsMissing, Rests, Works};
        for (findings, ends) in [
            (&[Works, Works][..], false),
            (&[Rests], false),
            (&[Rests, Works, Rests], false),
            (&[Rests, Rests], true),
            (&[IsMissing], true),
        ] {
            let (list, _note, other_end) = silent();
            let (number, _) = list.list()[0];
            let (mut now, mut ended) = (Instant::now(), false);
            for finding in findings {
                ended = list.on_finding(number, *finding, now);
                assert!(ended || !list.on_finding(number, *finding, now));
                now += ACCUSED_FOR;
            }
            assert_eq!(ended, ends, "{findings:?}");
            assert_eq!(is_closed(&other_end), ends, "{findings:?}");
        }
    }

    #[test]
    fn who_has_spoken_is_not_in_the_list_any_more() {
        let (list, note, _other_end) = silent();
        let (number, _) = list.list()[0];
        assert!(!list.is_empty());
        drop(note);
        assert!(list.is_empty());
        assert!(!list.on_finding(number, Finding::IsMissing, Instant::now()));
    }
}
