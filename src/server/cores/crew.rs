//! Which threads of a core are at work, and which sit on the bench.
//!
//! ```text
//! at work ──more are than needed──▶ on the bench: the first there watches, the others sleep
//!    ▲                                   │ the watcher sees that one more is needed
//!    └───────────────────────────────────┘
//! ```
//! A PostgreSQL on the same machine shares its CPUs with us: more fast queries at a time than there
//! are CPUs to run them make both sides switch threads, and answer no more of them. So only a few
//! threads are at work as long as queries are fast. A thread whose query has become slow does not
//! count, and another one joins in its place; thus all connections come to use when they should.
//!
//! Writes wait for the disk and not for a CPU, and the more of them commit at a time the fewer
//! times it is written; so a thread with a write does not count from the beginning.
//!
//! With a PostgreSQL somewhere else, nobody sits on the bench.

use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Condvar, Instant, Mutex, lock};
use std::sync::PoisonError;
use std::time::Duration;

/// How many threads of a core are at work beside a PostgreSQL on the same machine, not counting
/// those with a slow query: one waits for clients, one is with PostgreSQL, one does our own work.
const AT_WORK_BESIDE_POSTGRESQL: usize = 3;

/// A request that takes longer than this is slow. On a busy machine queries of half a millisecond
/// take up to five, and must not bring all threads to work: with 3 ms here, the p99 of 25 rows
/// with embedded ones is 12.6 instead of 9.3 ms, and with an exact count 14.7 instead of 12.2.
const SLOW: Duration = Duration::from_millis(6);

/// How often the watcher looks while nobody waits for clients.
const NAP: Duration = Duration::from_millis(1);

/// How long the watcher sleeps while a thread waits for clients. It is woken when the last of
/// those gets one.
const DOZE: Duration = Duration::from_secs(1);

/// The threads of a core.
pub(crate) struct Crew {
    needed: usize,
    at_work: AtomicUsize,
    threads: Vec<Thread>,
    made: Instant,
    bench: Mutex<Bench>,
    call: Condvar,
    /// Whether the watcher sleeps for long.
    is_dozing: AtomicBool,
}

/// What a thread is at: one of the two numbers below, or since when it has been at a request, in
/// microseconds. Each has a cache line of its own.
#[derive(Debug)]
#[repr(align(64))]
struct Thread(AtomicU64);

/// The thread waits for something to happen.
const WAITS: u64 = 0;

/// The thread has begun so long ago that it is slow.
const LONG_AGO: u64 = 1;

/// The thread sits on the bench.
const SITS: u64 = u64::MAX;

#[derive(Debug, Default)]
struct Bench {
    is_watched: bool,
    is_closed: bool,
}

/// How many threads are needed at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CrewSize {
    /// All: PostgreSQL is on another machine.
    All,
    /// A few, as long as queries are fast.
    Few,
}

impl CrewSize {
    /// How many large answers a core with so many connections brings at a time: one fewer than it
    /// could, for whoever wants little.
    pub(crate) fn large_at_once(self, connections: usize) -> usize {
        let at_once = match self {
            CrewSize::All => connections,
            CrewSize::Few => connections.min(AT_WORK_BESIDE_POSTGRESQL),
        };
        at_once.saturating_sub(1).max(1)
    }
}

impl Crew {
    /// A crew of so many threads, all of them at work.
    pub(crate) fn new(size: CrewSize, threads: usize) -> Crew {
        let needed = match size {
            CrewSize::All => threads,
            CrewSize::Few => AT_WORK_BESIDE_POSTGRESQL,
        };
        Crew {
            needed,
            at_work: AtomicUsize::new(threads),
            threads: (0..threads)
                .map(|_| Thread(AtomicU64::new(WAITS)))
                .collect(),
            made: Instant::now(),
            bench: Mutex::default(),
            call: Condvar::new(),
            is_dozing: AtomicBool::new(false),
        }
    }

    /// A thread begins with something that has happened.
    pub(crate) fn begin(&self, thread: usize) {
        if self.has_no_bench() {
            return;
        }
        // Sequentially consistent, like what the watcher does before it dozes off: one of the two
        // sees the other.
        self.threads[thread].0.store(self.now(), Ordering::SeqCst);
        if self.is_dozing.load(Ordering::SeqCst) && !self.somebody_waits() {
            self.is_dozing.store(false, Ordering::SeqCst);
            drop(lock(&self.bench));
            self.call.notify_all();
        }
    }

    /// A thread that has begun will wait for the disk. Somebody from the bench joins in its place.
    pub(crate) fn expect_to_wait(&self, thread: usize) {
        if self.has_no_bench() {
            return;
        }
        self.threads[thread].0.store(LONG_AGO, Ordering::SeqCst);
        if self.at_work.load(Ordering::Relaxed) < self.threads.len() && self.fast() < self.needed {
            drop(lock(&self.bench));
            self.call.notify_all();
        }
    }

    /// A thread has done what it was at. It sits on the bench if enough others are at work, until
    /// it is needed, or the bench is closed.
    pub(crate) fn end(&self, thread: usize) {
        if self.has_no_bench() {
            return;
        }
        self.threads[thread].0.store(WAITS, Ordering::SeqCst);
        if self.at_work.load(Ordering::Relaxed) > self.needed && self.fast() > self.needed {
            self.sit(thread);
        }
    }

    /// The server ends: everybody gets up.
    pub(crate) fn close_bench(&self) {
        lock(&self.bench).is_closed = true;
        self.call.notify_all();
    }

    fn sit(&self, thread: usize) {
        let mut bench = lock(&self.bench);
        if bench.is_closed {
            return;
        }
        self.at_work.fetch_sub(1, Ordering::Relaxed);
        self.threads[thread].0.store(SITS, Ordering::SeqCst);
        // It may have been the one whom the watcher counted on.
        if self.is_dozing.load(Ordering::SeqCst) && !self.somebody_waits() {
            self.is_dozing.store(false, Ordering::SeqCst);
            self.call.notify_all();
        }
        while !bench.is_closed {
            if bench.is_watched {
                bench = self
                    .call
                    .wait(bench)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            bench.is_watched = true;
            let waited = self.call.wait_timeout(bench, self.nap());
            bench = waited.unwrap_or_else(PoisonError::into_inner).0;
            bench.is_watched = false;
            if self.fast() < self.needed {
                break;
            }
        }
        self.threads[thread].0.store(WAITS, Ordering::SeqCst);
        self.at_work.fetch_add(1, Ordering::Relaxed);
        drop(bench);
        // The next one on the bench watches now.
        self.call.notify_one();
    }

    /// How long the watcher sleeps.
    fn nap(&self) -> Duration {
        self.is_dozing.store(true, Ordering::SeqCst);
        if self.somebody_waits() {
            return DOZE;
        }
        self.is_dozing.store(false, Ordering::SeqCst);
        NAP
    }

    fn has_no_bench(&self) -> bool {
        self.needed >= self.threads.len()
    }

    fn somebody_waits(&self) -> bool {
        let mut threads = self.threads.iter();
        threads.any(|thread| thread.0.load(Ordering::SeqCst) == WAITS)
    }

    /// How many threads are at work and not slow.
    fn fast(&self) -> usize {
        let now = self.now();
        let threads = self.threads.iter();
        threads
            .filter(|thread| is_fast(thread.0.load(Ordering::Relaxed), now))
            .count()
    }

    /// Microseconds since the crew was made, and never [`WAITS`] or [`LONG_AGO`].
    fn now(&self) -> u64 {
        let micros = self.made.elapsed().as_micros();
        u64::try_from(micros).map_or(LONG_AGO + 1, |micros| micros.max(LONG_AGO + 1))
    }
}

fn is_fast(began: u64, now: u64) -> bool {
    let slow = SLOW.as_micros() as u64;
    match began {
        WAITS => true,
        SITS | LONG_AGO => false,
        began => now.saturating_sub(began) < slow,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;

    #[test]
    fn a_thread_is_fast_until_its_query_is_slow() {
        assert!(is_fast(WAITS, 5_000_000));
        assert!(is_fast(5_000_000, 5_005_999));
        assert!(!is_fast(5_000_000, 5_006_000));
        assert!(is_fast(7, 3), "clocks of two CPUs may differ");
        assert!(!is_fast(SITS, 5));
        assert!(!is_fast(LONG_AGO, 5), "whatever the clock says");
    }

    #[test]
    fn large_answers_leave_a_connection_and_a_thread_to_others() {
        let check = |size: CrewSize, connections, expected| {
            assert_eq!(
                size.large_at_once(connections),
                expected,
                "{size:?} {connections}"
            );
        };
        check(CrewSize::All, 5, 4);
        check(CrewSize::All, 2, 1);
        check(CrewSize::All, 1, 1);
        check(CrewSize::Few, 5, AT_WORK_BESIDE_POSTGRESQL - 1);
        check(CrewSize::Few, 2, 1);
        check(CrewSize::Few, 1, 1);
    }

    #[test]
    fn nobody_sits_while_all_are_needed() {
        let crew = Crew::new(CrewSize::All, 2);
        crew.begin(0);
        crew.end(0);
        crew.end(1);
        let small = Crew::new(CrewSize::Few, AT_WORK_BESIDE_POSTGRESQL);
        small.end(0);
        assert_eq!(
            small.at_work.load(Ordering::Relaxed),
            AT_WORK_BESIDE_POSTGRESQL
        );
    }

    /// All threads end; those too many sit, and get up when as many others have become slow.
    #[test]
    fn threads_on_the_bench_replace_slow_ones() {
        const THREADS: usize = AT_WORK_BESIDE_POSTGRESQL + 1;
        let crew = Arc::new(Crew::new(CrewSize::Few, THREADS));
        let last = THREADS - 1;
        let sitting = {
            let crew = Arc::clone(&crew);
            thread::spawn(move || crew.end(last))
        };
        while crew.at_work.load(Ordering::Relaxed) == THREADS {
            thread::yield_now();
        }
        (0..last).for_each(|thread| crew.begin(thread));
        sitting.join().unwrap();
        assert_eq!(crew.at_work.load(Ordering::Relaxed), THREADS);
        assert!(crew.fast() <= AT_WORK_BESIDE_POSTGRESQL);
    }

    /// The others wait for clients; the one with a write is replaced at once.
    #[test]
    fn a_thread_on_the_bench_replaces_one_that_waits_for_the_disk() {
        const THREADS: usize = AT_WORK_BESIDE_POSTGRESQL + 1;
        let crew = Arc::new(Crew::new(CrewSize::Few, THREADS));
        let sitting = {
            let crew = Arc::clone(&crew);
            thread::spawn(move || crew.end(THREADS - 1))
        };
        while crew.at_work.load(Ordering::Relaxed) == THREADS {
            thread::yield_now();
        }
        crew.begin(0);
        crew.expect_to_wait(0);
        sitting.join().unwrap();
        assert_eq!(crew.at_work.load(Ordering::Relaxed), THREADS);
    }

    #[test]
    fn a_closed_bench_is_empty() {
        const THREADS: usize = AT_WORK_BESIDE_POSTGRESQL + 2;
        let crew = Arc::new(Crew::new(CrewSize::Few, THREADS));
        let sitting: Vec<_> = (0..2)
            .map(|thread| {
                let crew = Arc::clone(&crew);
                thread::spawn(move || crew.end(thread))
            })
            .collect();
        crew.close_bench();
        sitting
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        crew.end(0);
        assert_eq!(crew.at_work.load(Ordering::Relaxed), THREADS);
    }
}
