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
//! have something to do wait too long for a CPU ([`cpus_by`]).
//!
//! Requests that PostgreSQL is quick with go together where they have to wait
//! ([`flights`](super::flights)). So where they are the most, fewer threads answer as many of them,
//! at a smaller price, as long as no CPU is idle for it; and behind a proxy, or a way of a
//! millisecond, those threads wait for PostgreSQL most of the time, and not for a CPU, also where
//! there is none. There the idle time of the CPUs tells what is needed ([`Idleness`]). If the way
//! is longer, few threads would wait for it, whoever else has taken the CPUs.
//!
//! A thread whose query has become slow does not count, and another one joins in its place; thus
//! all connections come to use when they should. Writes wait for the disk and not for a CPU, and
//! the more of them commit at a time the fewer times it is written; so a thread with a write does
//! not count from the beginning.

use super::idleness::{Idleness, Look};
use crate::net::RunDelay;
use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Condvar, Instant, Mutex, lock};
use std::sync::{Arc, OnceLock, PoisonError};
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

/// Beside quick requests, CPUs are plentiful where so much of their time is idle, in percent: with
/// eight threads of a core, one of five was idle beside point lookups a millisecond away.
const IDLE_PLENTY: u64 = 20;

/// They are scarce where no more is.
const IDLE_SCARCE: u64 = 5;

/// The way to PostgreSQL is short where the first answers take no longer than this. Beside two
/// processes that take all they get, three threads of a core answered as many requests as eleven
/// where it was 1 and 2 ms away, and a third to a half of them where it was 5.
const SHORT_WAY: Duration = Duration::from_millis(2);

/// A request that takes longer than this is slow. For want of a CPU, a query that works for a
/// millisecond takes 6 to 15 beside others, and a lookup behind a proxy as long: with 6 ms here,
/// all threads join, and answer 0.96 as many. Where requests wait for a lock, the others wait for
/// so long until the bench joins.
const SLOW: Duration = Duration::from_millis(15);

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
    idleness: Arc<Idleness>,
    made: Instant,
    bench: Mutex<Bench>,
    call: Condvar,
    /// Whether the watcher sleeps for long.
    is_dozing: AtomicBool,
}

/// A thread. Each has a cache line of its own.
#[derive(Debug)]
#[repr(align(64))]
struct Thread {
    /// What it is at: one of the numbers below, or since when it has been at a request, in
    /// microseconds, of which the last bit tells whether that is a [`QUICK`] one.
    at: AtomicU64,
    /// How soon PostgreSQL has answered it at the soonest of late, in microseconds.
    soonest: AtomicU64,
}

/// The thread waits for something to happen.
const WAITS: u64 = 0;

/// The thread has begun so long ago that it is slow.
const LONG_AGO: u64 = 2;

/// The thread sits on the bench.
const SITS: u64 = u64::MAX;

/// PostgreSQL has been quick with such requests.
const QUICK: u64 = 1;

#[derive(Debug, Default)]
struct Bench {
    is_watched: bool,
    is_closed: bool,
}

/// When the delays were looked at, what their sum was, and which look at the CPUs was the last.
#[derive(Debug, Default)]
struct Window {
    began: u64,
    delay: Duration,
    look: Option<Look>,
    /// Whether the way to PostgreSQL was short by that look.
    is_way_short: bool,
}

/// Whether there are CPUs for more threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cpus {
    Plenty,
    Enough,
    Scarce,
}

impl Crew {
    /// A crew of so many threads, all of them at work.
    pub(super) fn new(threads: usize, idleness: Arc<Idleness>) -> Crew {
        Crew {
            needed: AtomicUsize::new(NEEDED_MIN.min(threads)),
            at_work: AtomicUsize::new(threads),
            threads: (0..threads)
                .map(|_| Thread {
                    at: AtomicU64::new(WAITS),
                    soonest: AtomicU64::new(u64::MAX),
                })
                .collect(),
            delays: (0..threads).map(|_| OnceLock::new()).collect(),
            window_ends: AtomicU64::new(0),
            window: Mutex::default(),
            idleness,
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
        self.threads[thread].at.store(now, Ordering::SeqCst);
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
        self.threads[thread].at.store(LONG_AGO, Ordering::SeqCst);
        if self.at_work.load(Ordering::Relaxed) < self.threads.len() && self.fast() < self.needed()
        {
            drop(lock(&self.bench));
            self.call.notify_all();
        }
    }

    /// A thread that has begun asks what PostgreSQL has been quick with. Where most do, the idle
    /// time of the CPUs tells more of what is needed.
    pub(crate) fn expect_quick(&self, thread: usize) {
        if !self.has_no_bench() {
            let now = self.now() | QUICK;
            self.threads[thread].at.store(now, Ordering::Relaxed);
        }
    }

    /// The same for anything else: what it did before was quick, and this may not be.
    pub(crate) fn expect_usual(&self, thread: usize) {
        let at = &self.threads[thread].at;
        let now = at.load(Ordering::Relaxed);
        if now & QUICK != 0 {
            at.store(now & !QUICK, Ordering::Relaxed);
        }
    }

    /// PostgreSQL has taken so long for the first answer that this thread waited for.
    pub(crate) fn note_way(&self, thread: usize, took: Duration) {
        if !self.has_no_bench() {
            let soonest = &self.threads[thread].soonest;
            soonest.fetch_min(micros(took), Ordering::Relaxed);
        }
    }

    /// A thread has done what it was at. It sits on the bench if enough others are at work, until
    /// it is needed, or the bench is closed.
    pub(crate) fn end(&self, thread: usize) {
        if self.has_no_bench() {
            return;
        }
        self.threads[thread].at.store(WAITS, Ordering::SeqCst);
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
        self.threads[thread].at.store(SITS, Ordering::SeqCst);
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
        self.threads[thread].at.store(WAITS, Ordering::SeqCst);
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
        let look = self.idleness.look();
        let is_new = look != window.look;
        let seen = Window {
            began: now,
            delay,
            look,
            is_way_short: match is_new {
                true => self.is_way_short(),
                false => window.is_way_short,
            },
        };
        let is_way_short = seen.is_way_short;
        let last = std::mem::replace(&mut *window, seen);
        let passed = now.saturating_sub(last.began);
        if (micros(WINDOW)..micros(FORGOTTEN_AFTER)).contains(&passed) {
            let needed = self.needed();
            let delayed = micros(delay.saturating_sub(last.delay)) * 100 / (passed * needed as u64);
            let cpus = match look {
                Some(look) if is_way_short && self.is_quick(now) => {
                    cpus_for_quick(delayed, look.idle, is_new)
                }
                _ => cpus_by(delayed),
            };
            let is_wanted = !self.somebody_waits();
            let adjusted = adjusted(needed, self.threads.len(), cpus, is_wanted);
            self.needed.store(adjusted, Ordering::Relaxed);
        }
    }

    /// Whether most of those who are at something, and count, are at what PostgreSQL has been quick
    /// with. Whoever looks has just begun, or sits.
    fn is_quick(&self, now: u64) -> bool {
        let threads = self.threads.iter();
        let at = threads.map(|thread| thread.at.load(Ordering::Relaxed));
        let (mut quick, mut others) = (0, 0);
        for at in at.filter(|&at| at != WAITS && at < now && is_fast(at, now)) {
            match at & QUICK {
                0 => others += 1,
                _ => quick += 1,
            }
        }
        quick > others
    }

    /// Whether an answer came soon, of those since somebody has asked that the last time.
    fn is_way_short(&self) -> bool {
        let threads = self.threads.iter();
        let soonest = threads.map(|it| it.soonest.swap(u64::MAX, Ordering::Relaxed));
        soonest.min() <= Some(micros(SHORT_WAY))
    }

    fn somebody_waits(&self) -> bool {
        let mut threads = self.threads.iter();
        threads.any(|thread| thread.at.load(Ordering::SeqCst) == WAITS)
    }

    /// How many threads are at work and not slow.
    fn fast(&self) -> usize {
        let now = self.now();
        let threads = self.threads.iter();
        threads
            .filter(|thread| is_fast(thread.at.load(Ordering::Relaxed), now))
            .count()
    }

    /// Microseconds since the crew was made, in even numbers, and never [`WAITS`] or [`LONG_AGO`].
    fn now(&self) -> u64 {
        let now = micros(self.made.elapsed()) & !QUICK;
        now.max(LONG_AGO + 2)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What the threads' wait for a CPU tells, in percent of the time.
fn cpus_by(delayed: u64) -> Cpus {
    match delayed {
        ..PLENTY => Cpus::Plenty,
        PLENTY..=SCARCE => Cpus::Enough,
        _ => Cpus::Scarce,
    }
}

/// What the idle time of the CPUs tells besides, in percent, where requests are quick: once for
/// each look, for only the next one knows what that has changed.
fn cpus_for_quick(delayed: u64, idle: u64, is_new: bool) -> Cpus {
    match idle {
        ..=IDLE_SCARCE if is_new => Cpus::Scarce,
        IDLE_PLENTY.. if is_new => cpus_by(delayed),
        _ => cpus_by(delayed.max(PLENTY)),
    }
}

/// How many of so many threads are needed, when this many were, and one more would have had
/// something to do, or not.
///
/// It grows by half, for each connection that is not used is throughput given away, and becomes
/// less by an eighth, for a thread too many costs little.
fn adjusted(needed: usize, threads: usize, cpus: Cpus, is_wanted: bool) -> usize {
    match cpus {
        Cpus::Scarce => (needed - needed.div_ceil(8)).max(NEEDED_MIN),
        Cpus::Plenty if is_wanted => (needed + needed.div_ceil(2)).min(threads),
        Cpus::Plenty | Cpus::Enough => needed,
    }
}

fn is_fast(at: u64, now: u64) -> bool {
    match at {
        WAITS => true,
        SITS | LONG_AGO => false,
        began => now.saturating_sub(began) < micros(SLOW),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_thread_is_fast_until_its_query_is_slow() {
        assert!(is_fast(WAITS, 5_000_000));
        assert!(is_fast(5_000_000, 5_014_999));
        assert!(!is_fast(5_000_000, 5_015_000));
        assert!(is_fast(7, 3), "clocks of two CPUs may differ");
        assert!(!is_fast(SITS, 5));
        assert!(!is_fast(LONG_AGO, 5), "whatever the clock says");
    }

    #[test]
    fn more_are_needed_as_long_as_there_are_cpus_for_them() {
        const THREADS: usize = 11;
        let grown = |needed| adjusted(needed, THREADS, Cpus::Plenty, true);
        assert_eq!([3, 5, 8, 11].map(grown), [5, 8, 11, 11]);
        assert_eq!(
            adjusted(3, THREADS, Cpus::Plenty, false),
            3,
            "nobody wants more"
        );
        assert_eq!(adjusted(8, THREADS, Cpus::Enough, true), 8);
        let shrunk = |needed| adjusted(needed, THREADS, Cpus::Scarce, true);
        assert_eq!([21, 11, 4, 3].map(shrunk), [18, 9, 3, 3]);
    }

    #[test]
    fn delays_and_idle_time_tell_whether_there_are_cpus() {
        let by = [0, PLENTY - 1, PLENTY, SCARCE, SCARCE + 1].map(cpus_by);
        let (plenty, enough, scarce) = (Cpus::Plenty, Cpus::Enough, Cpus::Scarce);
        assert_eq!(by, [plenty, plenty, enough, enough, scarce]);
        let quick = |delayed, idle| cpus_for_quick(delayed, idle, true);
        assert_eq!(quick(0, IDLE_SCARCE), scarce, "no CPU is idle");
        assert_eq!(quick(0, IDLE_SCARCE + 1), enough);
        assert_eq!(quick(0, IDLE_PLENTY), plenty);
        assert_eq!(quick(SCARCE, IDLE_PLENTY), enough);
        assert_eq!(quick(SCARCE + 1, 100), scarce);
        let again = [0, 100].map(|idle| cpus_for_quick(0, idle, false));
        assert_eq!(again, [enough, enough], "nobody has looked since");
    }

    /// Of two who are at something, both have to be.
    #[test]
    fn the_crew_is_at_quick_requests_if_most_of_it_is() {
        let crew = crew(NEEDED_MIN + 3);
        let is_quick = |threads: &[u64]| {
            let all = threads.iter().chain(std::iter::repeat(&WAITS));
            let states = crew.threads.iter().zip(all);
            states.for_each(|(thread, at)| thread.at.store(*at, Ordering::Relaxed));
            crew.is_quick(30_000)
        };
        assert!(!is_quick(&[]), "nobody is at anything");
        assert!(is_quick(&[29_000 | QUICK]));
        assert!(!is_quick(&[29_000 | QUICK, 29_000]));
        assert!(is_quick(&[29_000 | QUICK, 29_000, 28_000 | QUICK]));
        let slow = [29_000 | QUICK, LONG_AGO, 3_000, 3_000 | QUICK, SITS];
        assert!(is_quick(&slow), "who is slow does not count");
        assert!(
            is_quick(&[29_000 | QUICK, 30_000]),
            "nor who has just begun"
        );
        assert!(!is_quick(&[30_000]));
    }

    #[test]
    fn the_way_is_as_short_as_the_soonest_answer() {
        let crew = crew(NEEDED_MIN + 1);
        assert!(!crew.is_way_short(), "nobody knows");
        crew.note_way(0, 2 * SHORT_WAY);
        assert!(!crew.is_way_short());
        crew.note_way(1, 2 * SHORT_WAY);
        crew.note_way(0, SHORT_WAY);
        crew.note_way(0, 3 * SHORT_WAY);
        assert!(crew.is_way_short());
        assert!(!crew.is_way_short(), "nobody has heard since");
    }

    fn crew(threads: usize) -> Crew {
        Crew::new(threads, Arc::new(Idleness::of_our_cpus()))
    }

    #[test]
    fn nobody_sits_while_all_are_needed() {
        for threads in 1..=NEEDED_MIN {
            let crew = crew(threads);
            crew.begin(0);
            crew.end(0);
            assert_eq!(crew.at_work.load(Ordering::Relaxed), threads);
        }
        let crew = crew(NEEDED_MIN + 1);
        crew.needed.store(NEEDED_MIN + 1, Ordering::Relaxed);
        crew.end(0);
        assert_eq!(crew.at_work.load(Ordering::Relaxed), NEEDED_MIN + 1);
    }

    /// All threads end; those too many sit, and get up when as many others have become slow.
    #[test]
    fn threads_on_the_bench_replace_slow_ones() {
        const THREADS: usize = NEEDED_MIN + 1;
        let crew = Arc::new(crew(THREADS));
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
        let crew = Arc::new(crew(THREADS));
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
        let crew = Arc::new(crew(THREADS));
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
