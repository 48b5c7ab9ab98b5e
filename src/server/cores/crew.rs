//! Which threads of a core are at work, and which sit on the bench.
//!
//! ```text
//! at work ──more are than needed──▶ on the bench: the first there watches, the others sleep
//!    ▲                                   │ the watcher sees that one more is needed
//!    └───────────────────────────────────┘
//! ```
//! Where PostgreSQL has the same CPUs as we have, more fast queries at a time than there are CPUs
//! to run them make both sides switch threads, and answer no more of them. Where it has others, or
//! waits for a disk or a lock, as many queries at a time as there are connections are best. Its
//! address does not tell which is the case, for a local one may be a pooler's or a tunnel's;
//! whether our own threads have to wait for a CPU does. So a few threads are needed to begin with;
//! more, as long as requests could use them and CPUs are there; and fewer again, when threads that
//! have something to do wait too long for a CPU ([`adjusted`]).
//!
//! A thread whose query has become slow does not count, and another one joins in its place; thus
//! all connections come to use when they should. Writes wait for the disk and not for a CPU, and
//! the more of them commit at a time the fewer times it is written; so a thread with a write does
//! not count from the beginning.

use crate::net::RunDelay;
use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Condvar, Instant, Mutex, lock};
use std::sync::{OnceLock, PoisonError};
use std::time::Duration;

/// How many threads of a core are at work at least, not counting those with a slow query: one waits
/// for clients, one is with PostgreSQL, one does our own work.
const NEEDED_MIN: usize = 3;

/// How often the delays are looked at while something happens: a few turns of any thread.
const WINDOW: Duration = Duration::from_millis(20);

/// After a pause as long as this, the delays tell nothing of what is the case now.
const FORGOTTEN_AFTER: Duration = Duration::from_millis(200);

/// CPUs are plentiful where threads wait for one for less than this part of their time, in percent:
/// three threads on one of two CPUs waited for 12 to 21 % beside queries that wait for 0.1 ms, and
/// eleven answered twice as many.
const PLENTY: u64 = 35;

/// They are scarce where threads wait for more: with point lookups of a PostgreSQL on the same CPUs
/// they waited for 67 %, however many they were, and with queries that work for 0.1 ms for 49 to
/// 77 %. Eleven threads and queries that wait for 0.1 ms had 43 %.
const SCARCE: u64 = 60;

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
    needed: AtomicUsize,
    at_work: AtomicUsize,
    threads: Vec<Thread>,
    /// For how long each of them has waited for a CPU.
    delays: Vec<OnceLock<RunDelay>>,
    /// When the delays are looked at next, in microseconds.
    window_ends: AtomicU64,
    window: Mutex<Window>,
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

/// When the delays were looked at, and what their sum was.
#[derive(Debug, Default)]
struct Window {
    began: u64,
    delay: Duration,
}

impl Crew {
    /// A crew of so many threads, all of them at work.
    pub(crate) fn new(threads: usize) -> Crew {
        Crew {
            needed: AtomicUsize::new(NEEDED_MIN.min(threads)),
            at_work: AtomicUsize::new(threads),
            threads: (0..threads)
                .map(|_| Thread(AtomicU64::new(WAITS)))
                .collect(),
            delays: (0..threads).map(|_| OnceLock::new()).collect(),
            window_ends: AtomicU64::new(0),
            window: Mutex::default(),
            made: Instant::now(),
            bench: Mutex::default(),
            call: Condvar::new(),
            is_dozing: AtomicBool::new(false),
        }
    }

    /// The calling thread has this number. Where the kernel does not tell its delay, it has none.
    pub(crate) fn enlist(&self, thread: usize) {
        if let Ok(delay) = RunDelay::of_this_thread() {
            // A number is given once, so nothing is there yet.
            let _ = self.delays[thread].set(delay);
        }
    }

    /// A thread begins with something that has happened.
    pub(crate) fn begin(&self, thread: usize) {
        if self.has_no_bench() {
            return;
        }
        // Sequentially consistent, like what the watcher does before it dozes off: one of the two
        // sees the other.
        let now = self.now();
        self.threads[thread].0.store(now, Ordering::SeqCst);
        if self.is_dozing.load(Ordering::SeqCst) && !self.somebody_waits() {
            self.is_dozing.store(false, Ordering::SeqCst);
            drop(lock(&self.bench));
            self.call.notify_all();
        }
        self.look_at_delays(now);
    }

    /// A thread that has begun will wait for the disk. Somebody from the bench joins in its place.
    pub(crate) fn expect_to_wait(&self, thread: usize) {
        if self.has_no_bench() {
            return;
        }
        self.threads[thread].0.store(LONG_AGO, Ordering::SeqCst);
        if self.at_work.load(Ordering::Relaxed) < self.threads.len() && self.fast() < self.needed()
        {
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
        let needed = self.needed();
        if self.at_work.load(Ordering::Relaxed) > needed && self.fast() > needed {
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
            self.look_at_delays(self.now());
            if self.fast() < self.needed() {
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
        self.threads.len() <= NEEDED_MIN
    }

    /// How many threads are needed at work that are not slow.
    pub(super) fn needed(&self) -> usize {
        self.needed.load(Ordering::Relaxed)
    }

    /// Adjusts that number when it is time to. Of several threads one does, and the others go on.
    fn look_at_delays(&self, now: u64) {
        let ends = self.window_ends.load(Ordering::Relaxed);
        if now < ends {
            return;
        }
        let next = now + micros(WINDOW);
        let taken =
            self.window_ends
                .compare_exchange(ends, next, Ordering::Relaxed, Ordering::Relaxed);
        if taken.is_err() {
            return;
        }
        let mut window = lock(&self.window);
        let delay: Duration = self
            .delays
            .iter()
            .filter_map(OnceLock::get)
            .map(RunDelay::read)
            .sum();
        let last = std::mem::replace(&mut *window, Window { began: now, delay });
        let passed = now.saturating_sub(last.began);
        if (micros(WINDOW)..micros(FORGOTTEN_AFTER)).contains(&passed) {
            let needed = self.needed();
            let delayed = micros(delay.saturating_sub(last.delay)) * 100 / (passed * needed as u64);
            let is_wanted = !self.somebody_waits();
            let adjusted = adjusted(needed, self.threads.len(), delayed, is_wanted);
            self.needed.store(adjusted, Ordering::Relaxed);
        }
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
        micros(self.made.elapsed()).max(LONG_AGO + 1)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// How many of so many threads are needed, when this many were, they have waited for a CPU for this
/// part of the time, in percent, and one more would have had something to do, or not.
///
/// It grows by half, for each connection that is not used is throughput given away, and becomes
/// less one by one, for a thread too many costs little.
fn adjusted(needed: usize, threads: usize, delayed: u64, is_wanted: bool) -> usize {
    if delayed > SCARCE {
        (needed - 1).max(NEEDED_MIN)
    } else if delayed < PLENTY && is_wanted {
        (needed + needed.div_ceil(2)).min(threads)
    } else {
        needed
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
    fn more_are_needed_as_long_as_there_are_cpus_for_them() {
        const THREADS: usize = 11;
        let grown = |needed| adjusted(needed, THREADS, 0, true);
        assert_eq!([3, 5, 8, 11].map(grown), [5, 8, 11, 11]);
        assert_eq!(adjusted(3, THREADS, 0, false), 3, "nobody wants more");
        assert_eq!(adjusted(3, THREADS, PLENTY, true), 3);
        assert_eq!(adjusted(8, THREADS, SCARCE, true), 8);
        let shrunk = |needed| adjusted(needed, THREADS, SCARCE + 1, true);
        assert_eq!([11, 4, 3].map(shrunk), [10, 3, 3]);
    }

    #[test]
    fn nobody_sits_while_all_are_needed() {
        for threads in 1..=NEEDED_MIN {
            let crew = Crew::new(threads);
            crew.begin(0);
            crew.end(0);
            assert_eq!(crew.at_work.load(Ordering::Relaxed), threads);
        }
        let crew = Crew::new(NEEDED_MIN + 1);
        crew.needed.store(NEEDED_MIN + 1, Ordering::Relaxed);
        crew.end(0);
        assert_eq!(crew.at_work.load(Ordering::Relaxed), NEEDED_MIN + 1);
    }

    /// All threads end; those too many sit, and get up when as many others have become slow.
    #[test]
    fn threads_on_the_bench_replace_slow_ones() {
        const THREADS: usize = NEEDED_MIN + 1;
        let crew = Arc::new(Crew::new(THREADS));
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
        assert!(crew.fast() <= NEEDED_MIN);
    }

    /// The others wait for clients; the one with a write is replaced at once.
    #[test]
    fn a_thread_on_the_bench_replaces_one_that_waits_for_the_disk() {
        const THREADS: usize = NEEDED_MIN + 1;
        let crew = Arc::new(Crew::new(THREADS));
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
        const THREADS: usize = NEEDED_MIN + 2;
        let crew = Arc::new(Crew::new(THREADS));
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
