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
//! Where somebody else can be asked, nobody waits for a server that is not there any more: whoever
//! looks after it says so ([`Silences::on_deserted`]), and those that are noted are lost, unless
//! something of their answer was passed on.
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
#[derive(Debug)]
pub struct Silences {
    list: Mutex<List>,
    numbers: AtomicU64,
    noted_after: Duration,
}

#[derive(Debug, Default)]
struct List {
    noted: Vec<Noted>,
    /// Whether the server answers nobody.
    is_deserted: bool,
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
    /// Whether what it owes can be had from somebody else.
    pub is_replaceable: bool,
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

impl Default for Silences {
    fn default() -> Silences {
        Silences::after(NOTED_AFTER)
    }
}

impl Silences {
    /// Those that have said nothing for so long.
    pub fn after(noted_after: Duration) -> Silences {
        Silences {
            list: Mutex::default(),
            numbers: AtomicU64::new(0),
            noted_after,
        }
    }

    /// After how long a silence is noted.
    pub fn noted_after(&self) -> Duration {
        self.noted_after
    }

    /// Their server answers nobody: those that can be replaced are lost, now and from now on.
    pub fn on_deserted(&self) {
        let mut list = lock(&self.list);
        list.is_deserted = true;
        let replaceable = list.noted.iter().filter(|it| it.silent.is_replaceable);
        replaceable.for_each(|noted| noted.closer.close());
    }

    /// Their server has answered somebody.
    pub fn on_answer(&self) {
        lock(&self.list).is_deserted = false;
    }

    /// Those that are silent now, each with a number that no other silence ever has.
    pub fn list(&self) -> Vec<(u64, Silent)> {
        let list = lock(&self.list);
        let all = list.noted.iter();
        all.map(|noted| (noted.number, noted.silent.clone()))
            .collect()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        lock(&self.list).noted.is_empty()
    }

    /// Takes in what was found out about one, if it is still silent, and says whether that has
    /// ended it: whoever waits for it learns that the connection is lost.
    pub fn on_finding(&self, number: u64, finding: Finding, now: Instant) -> bool {
        let mut list = lock(&self.list);
        let Some(found) = list.noted.iter_mut().find(|noted| noted.number == number) else {
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
        let mut list = lock(&self.list);
        if list.is_deserted && silent.is_replaceable {
            closer.close();
        }
        list.noted.push(Noted {
            number,
            silent,
            accused: None,
            closer,
        });
        drop(list);
        Note {
            list: Arc::clone(self),
            number,
        }
    }
}

impl Silent {
    /// One with this session.
    pub(crate) fn of(session: &Session, is_replaceable: bool) -> Silent {
        Silent {
            server: session.server().cloned(),
            address: session.address.clone(),
            host: session.host.clone(),
            is_replaceable,
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
        let mut list = lock(&self.list.list);
        list.noted.retain(|noted| noted.number != self.number);
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
        let list = Arc::new(Silences::default());
        let (note, theirs) = note_in(&list, true);
        (list, note, theirs)
    }

    fn note_in(list: &Arc<Silences>, is_replaceable: bool) -> (Note, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("there are descriptors");
        theirs.set_nonblocking(true).expect("it can be set");
        let address = Address::Unix {
            path: "/tmp/.s.PGSQL.5432".into(),
        };
        let closer = Closer::of(Arc::new(OwnedFd::from(ours)));
        let silent = Silent {
            server: None,
            address,
            host: "db".to_owned(),
            is_replaceable,
        };
        (list.note(silent, closer), theirs)
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

    #[test]
    fn nobody_waits_for_a_deserted_server_who_can_ask_somebody_else() {
        let list = Arc::new(Silences::default());
        let (_replaceable, other_end) = note_in(&list, true);
        let (_passed_on, kept) = note_in(&list, false);
        assert!(!is_closed(&other_end));
        list.on_deserted();
        assert!(is_closed(&other_end) && !is_closed(&kept));
        // Whoever is silent for long enough only later is lost then.
        let (_late, late) = note_in(&list, true);
        let (_passed_on, kept) = note_in(&list, false);
        assert!(is_closed(&late) && !is_closed(&kept));
        list.on_answer();
        let (_next, next) = note_in(&list, true);
        assert!(!is_closed(&next));
    }
}
