//! Looking up the name of a host, with a deadline.
//!
//! The system's resolver has none: it asks its servers by turns, for half a minute if nobody
//! answers. So a thread of its own asks, and whoever wants to know waits for it as long as he can.
//!
//! Invariant: a name is looked up by one thread at a time, whoever waits for it or has given up;
//! [`Lookups`] has one entry for it.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

type Answer = Result<Vec<SocketAddr>, (io::ErrorKind, String)>;

/// The names that are being looked up.
struct Lookups(Mutex<Vec<(Question, Arc<Lookup>)>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Question {
    name: String,
    port: u16,
}

/// One that is under way, or over.
#[derive(Debug, Default)]
struct Lookup {
    answer: Mutex<Option<Answer>>,
    answered: Condvar,
}

static LOOKUPS: Lookups = Lookups(Mutex::new(Vec::new()));

/// The addresses of a host.
///
/// # Errors
/// What the resolver says; `TimedOut` if it has said nothing until the deadline.
pub(super) fn look_up(name: &str, port: u16, deadline: Instant) -> io::Result<Vec<SocketAddr>> {
    let question = Question {
        name: name.to_owned(),
        port,
    };
    let ask = |question: &Question| (question.name.as_str(), question.port).to_socket_addrs();
    LOOKUPS.look_up(question, deadline, move |question| {
        ask(question).map(Iterator::collect)
    })
}

impl Lookups {
    fn look_up(
        &'static self,
        question: Question,
        deadline: Instant,
        ask: impl FnOnce(&Question) -> io::Result<Vec<SocketAddr>> + Send + 'static,
    ) -> io::Result<Vec<SocketAddr>> {
        let mut lookups = lock(&self.0);
        let under_way = lookups.iter().find(|(asked, _)| *asked == question);
        let lookup = match under_way {
            Some((_, lookup)) => Arc::clone(lookup),
            None => {
                let lookup = Arc::new(Lookup::default());
                let (asked, answered) = (question.clone(), Arc::clone(&lookup));
                thread::Builder::new()
                    .name("resolver".to_owned())
                    .spawn(move || {
                        let answer = ask(&asked).map_err(|e| (e.kind(), e.to_string()));
                        lock(&self.0).retain(|(question, _)| *question != asked);
                        answered.finish(answer);
                    })?;
                lookups.push((question, Arc::clone(&lookup)));
                lookup
            }
        };
        drop(lookups);
        lookup.wait(deadline)
    }
}

impl Lookup {
    fn finish(&self, answer: Answer) {
        *lock(&self.answer) = Some(answer);
        self.answered.notify_all();
    }

    fn wait(&self, deadline: Instant) -> io::Result<Vec<SocketAddr>> {
        let mut answer = lock(&self.answer);
        loop {
            if let Some(answer) = &*answer {
                let answer = answer.clone();
                return answer.map_err(|(kind, text)| io::Error::new(kind, text));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let waited = self.answered.wait_timeout(answer, left);
            answer = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    fn soon(milliseconds: u64) -> Instant {
        Instant::now() + Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_name_is_looked_up() {
        let found = look_up("localhost", 80, soon(20_000)).expect("everybody has it");
        assert!(found.iter().all(|address| address.ip().is_loopback()));
        assert!(!found.is_empty());
        assert!(look_up("no.such.host.invalid", 80, soon(20_000)).is_err());
    }

    /// The second one to ask starts no lookup of its own, and gets what the first one has begun.
    #[test]
    fn who_waits_too_long_gives_up_and_one_lookup_serves_all() {
        static SLOW: Lookups = Lookups(Mutex::new(Vec::new()));
        let (finish, finished) = mpsc::channel::<()>();
        let question = Question {
            name: "slow".to_owned(),
            port: 1,
        };
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let error = SLOW.look_up(question.clone(), soon(10), move |_| {
            let _ = finished.recv();
            Ok(vec![address])
        });
        let error = error.expect_err("it is slow");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        finish.send(()).expect("it waits for that");
        let found = SLOW.look_up(question, soon(20_000), move |_| Ok(vec![address]));
        assert_eq!(found.expect("it was found"), [address]);
        let is_over = || lock(&SLOW.0).is_empty();
        while !is_over() {
            thread::yield_now();
        }
    }
}
