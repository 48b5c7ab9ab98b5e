//! Lines on their way out: threads put them into spools, writers take them from there.
//!
//! ```text
//! core thread ──put──▶ its spool ──────────┐
//! core thread ──put──▶ its spool ──────────┤
//! other threads ──put──▶ the shared spool ─┼─▶ writer: every 20 ms at most, all of them in the
//! panics ──put──▶ a spool for panics ──────┘   order of their times, in one write(2) or a few
//! ```
//! A write to a pipe blocks as long as nobody reads it, and then everybody who depends on the
//! thread would wait for whoever reads the log: all clients of a core, or who reloads the catalog,
//! or who stops the server. So a thread only appends to memory, under a lock that it shares with
//! few others for as long as that takes, and wakes the writer at most fifty times a second. A line
//! costs it about 0.3 µs, against 1–2 µs and a switch to the reader for a write of its own.
//!
//! Each of the two streams has all of this for itself, so that one that nobody reads does not
//! silence the other; where both are the same file, one writer has both, in order.
//!
//! Invariant: only writers write. A spool holds at most [`SPOOLED_BYTES_MAX`] and one line, and a
//! writer has no more than that of each spool in hand. When a spool is full, lines are lost; they
//! are counted, and the log says how many as soon as it is read again.

use super::diagnostics::{self, Severity};
use super::stamp::with_stamp;
use super::stream::{self, Stream};
use std::cell::OnceCell;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// About five thousand lines.
const SPOOLED_BYTES_MAX: usize = 1 << 20;

/// Buffers that grew beyond this are given back.
const KEPT_BYTES_MAX: usize = 64 << 10;

/// How long lines are gathered before they are written, but for the first ones after a pause.
const GATHERED: Duration = Duration::from_millis(20);

/// How long the end of the process may wait for whoever reads the log.
const FLUSH_MAX: Duration = Duration::from_secs(1);

/// The same for whoever reads nothing at all.
const UNREAD_MAX: Duration = Duration::from_millis(100);

/// How long what is frequent is not said again. Parity: Logger.hs, of requests that got no
/// connection.
const FREQUENT_PAUSE: Duration = Duration::from_secs(5);

/// The lines of one thread that are not yet written.
#[derive(Debug, Default)]
struct Lines {
    bytes: Vec<u8>,
    /// In order; each line begins where the one before ends.
    lines: Vec<Line>,
    lost: u64,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    at: Instant,
    stream: Stream,
    end: usize,
}

/// It lives as long as the process: only the threads of the cores have one, and so do they.
type Spool = &'static Mutex<Lines>;

/// What one writer writes, and how to reach it.
struct Outlet {
    /// Those of the threads of the cores.
    spools: Mutex<Vec<Spool>>,
    /// For all other threads.
    shared: Mutex<Lines>,
    /// For the last words of threads that may have another spool in hand.
    panics: Mutex<Lines>,
    writer: OnceLock<Thread>,
    /// Whether the writer has been woken for the lines that are there.
    woken: AtomicBool,
    flushes: Mutex<Flushes>,
    /// Rung for the writer when a flush is asked for, and for who waits when it is done.
    flushes_changed: Condvar,
}

#[derive(Clone, Copy, Debug)]
struct Flushes {
    asked: u64,
    done: u64,
}

static OUTLETS: [Outlet; 2] = [const { Outlet::new() }; 2];
static LOST: AtomicU64 = AtomicU64::new(0);
/// What has happened so often that it is only said now and then.
static FREQUENT: OnceLock<fn()> = OnceLock::new();
/// Whether it has happened since it was last said.
static FREQUENT_HAPPENED: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// One for each outlet.
    static OWN: OnceCell<[Spool; 2]> = const { OnceCell::new() };
}

/// Starts the writers. Lines that were put before wait for them.
///
/// # Errors
/// If there cannot be one more thread.
pub(super) fn start() -> io::Result<()> {
    Outlet::start_writer(Stream::Diagnostics, "log")?;
    if !stream::are_one() {
        Outlet::start_writer(Stream::Access, "access-log")?;
    }
    Ok(())
}

/// Whether there is anybody who writes what is put.
pub(super) fn has_started() -> bool {
    Outlet::of(Stream::Diagnostics).writer.get().is_some()
}

/// From now on, this thread, which is a core's, has a spool of its own.
pub(crate) fn adopt_this_thread() {
    OWN.with(|own| {
        own.get_or_init(|| {
            OUTLETS.each_ref().map(|outlet| {
                let spool: Spool = Box::leak(Box::default());
                lock(&outlet.spools).push(spool);
                spool
            })
        });
    });
}

/// How many lines were lost because nobody read the log.
pub(crate) fn lines_lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Has the writer say something that may happen hundreds of times a second: at once, and then every
/// five seconds as long as it goes on. There is one such thing.
pub(super) fn say_at_times(say: fn()) {
    FREQUENT.get_or_init(|| say);
    if !FREQUENT_HAPPENED.swap(true, Ordering::SeqCst)
        && let Some(writer) = Outlet::of(Stream::Diagnostics).writer.get()
    {
        writer.unpark();
    }
}

/// Waits until what there is has been written, before the process ends, as long as somebody reads
/// it, and for [`FLUSH_MAX`] at the most.
pub(crate) fn flush() {
    let deadline = Instant::now() + FLUSH_MAX;
    let asked = OUTLETS.each_ref().map(Outlet::ask_for_flush);
    for (outlet, number) in OUTLETS.iter().zip(asked) {
        outlet.await_flush(number, deadline);
    }
}

/// Puts a line where this thread's lines go.
pub(super) fn put(stream: Stream, write_line: impl FnOnce(&mut Vec<u8>)) {
    let outlet = Outlet::of(stream);
    let own = OWN.with(|own| own.get().map(|spools| spools[outlet.index()]));
    append(own.unwrap_or(&outlet.shared), stream, write_line);
    outlet.wake();
}

/// Puts a line of a thread that has panicked, perhaps with its own spool in hand.
pub(super) fn put_from_panic(line: &[u8]) {
    let outlet = Outlet::of(Stream::Diagnostics);
    append(&outlet.panics, Stream::Diagnostics, |out| {
        out.extend_from_slice(line);
    });
    outlet.wake();
}

fn append(spool: &Mutex<Lines>, stream: Stream, write_line: impl FnOnce(&mut Vec<u8>)) {
    let mut lines = lock(spool);
    if lines.bytes.len() < SPOOLED_BYTES_MAX {
        // The clock is looked at with the lock in hand, so that no line comes late: see
        // `write_spooled`.
        let at = Instant::now();
        write_line(&mut lines.bytes);
        let end = lines.bytes.len();
        lines.lines.push(Line { at, stream, end });
    } else {
        lines.lost += 1;
        LOST.fetch_add(1, Ordering::Relaxed);
    }
}

impl Outlet {
    const fn new() -> Outlet {
        Outlet {
            spools: Mutex::new(Vec::new()),
            shared: Mutex::new(Lines::new()),
            panics: Mutex::new(Lines::new()),
            writer: OnceLock::new(),
            woken: AtomicBool::new(false),
            flushes: Mutex::new(Flushes { asked: 0, done: 0 }),
            flushes_changed: Condvar::new(),
        }
    }

    /// The one that a stream's lines go to.
    fn of(stream: Stream) -> &'static Outlet {
        match stream {
            Stream::Access if !stream::are_one() => &OUTLETS[1],
            Stream::Access | Stream::Diagnostics => &OUTLETS[0],
        }
    }

    fn index(&self) -> usize {
        usize::from(std::ptr::eq(self, &raw const OUTLETS[1]))
    }

    fn start_writer(stream: Stream, name: &str) -> io::Result<()> {
        let outlet = Outlet::of(stream);
        let builder = thread::Builder::new().name(name.to_owned());
        let writer = builder.spawn(move || outlet.write_for_ever(stream))?;
        // It cannot have been set: the log is started once.
        let _ = outlet.writer.set(writer.thread().clone());
        Ok(())
    }

    fn wake(&self) {
        if !self.woken.load(Ordering::SeqCst)
            && !self.woken.swap(true, Ordering::SeqCst)
            && let Some(writer) = self.writer.get()
        {
            writer.unpark();
        }
    }

    /// The number of the flush, if there is anybody to do it.
    fn ask_for_flush(&self) -> Option<u64> {
        self.writer.get()?;
        let mut flushes = lock(&self.flushes);
        flushes.asked += 1;
        let number = flushes.asked;
        drop(flushes);
        self.flushes_changed.notify_all();
        self.wake();
        Some(number)
    }

    fn await_flush(&self, number: Option<u64>, deadline: Instant) {
        let Some(number) = number else {
            return;
        };
        let is_under_way = |flushes: &mut Flushes| flushes.done < number;
        loop {
            let written = stream::writes();
            let left = deadline.saturating_duration_since(Instant::now());
            let flushes = lock(&self.flushes);
            let waited = self.flushes_changed.wait_timeout_while(
                flushes,
                left.min(UNREAD_MAX),
                is_under_way,
            );
            let is_timeout = waited.is_ok_and(|(_, waited)| waited.timed_out());
            if !is_timeout || left <= UNREAD_MAX || written == stream::writes() {
                return;
            }
        }
    }

    /// The life of the writer of a stream.
    fn write_for_ever(&self, stream: Stream) {
        let mut quiet_until = Instant::now();
        // Lines that came while the last batch was taken, when some spools had been emptied
        // already: others may be older.
        let mut late = None;
        loop {
            let now = Instant::now();
            let is_woken = self.woken.load(Ordering::SeqCst);
            let says_what_is_frequent = stream == Stream::Diagnostics;
            match says_what_is_frequent && FREQUENT_HAPPENED.load(Ordering::SeqCst) {
                true if now >= quiet_until => {
                    FREQUENT_HAPPENED.store(false, Ordering::SeqCst);
                    quiet_until = now + FREQUENT_PAUSE;
                    FREQUENT.get().inspect(|say| say());
                }
                true if !is_woken => thread::park_timeout(quiet_until - now),
                false if !is_woken => thread::park(),
                _ => {}
            }
            // Lines that come after this wake the writer again.
            if self.woken.swap(false, Ordering::SeqCst) {
                self.do_round(&mut late);
            }
        }
    }

    /// Writes what there is, and waits for more of it. All that was put before a flush was asked
    /// for is written before it counts as done.
    fn do_round(&self, late: &mut Option<Lines>) {
        let Flushes { asked, done } = *lock(&self.flushes);
        let until = (asked == done).then(Instant::now);
        let lost = self.write_spooled(late, until);
        if lost > 0 {
            say_lost(lost);
            if until.is_none() {
                self.write_spooled(late, None);
            }
        }
        let mut flushes = lock(&self.flushes);
        flushes.done = asked;
        self.flushes_changed.notify_all();
        let is_all_done = |flushes: &mut Flushes| flushes.asked == flushes.done;
        let gathered = self
            .flushes_changed
            .wait_timeout_while(flushes, GATHERED, is_all_done);
        drop(gathered);
    }

    /// Takes and writes all lines that are older than `until`, and returns how many were lost. Any
    /// of those is in its spool by now, or the thread that puts it there has the lock; of younger
    /// ones some may be missing.
    fn write_spooled(&self, late: &mut Option<Lines>, until: Option<Instant>) -> u64 {
        let own = lock(&self.spools).clone();
        let common = [&self.shared, &self.panics];
        let spools: Vec<&Mutex<Lines>> = common.into_iter().chain(own).collect();
        let taken = spools.iter().map(|spool| std::mem::take(&mut *lock(spool)));
        let taken: Vec<Lines> = late.take().into_iter().chain(taken).collect();
        let mut all: Vec<(Line, &[u8])> = taken.iter().flat_map(Lines::iter).collect();
        all.sort_by_key(|(line, _)| line.at);
        let ripe = all.partition_point(|(line, _)| until.is_none_or(|until| line.at < until));
        write_lines(&all[..ripe]);
        if ripe < all.len() {
            let late = late.get_or_insert_default();
            all[ripe..]
                .iter()
                .for_each(|(line, bytes)| late.push(line, bytes));
        }
        let lost = taken.iter().map(|lines| lines.lost).sum();
        // The late lines come first, if there were any; they have no spool.
        for (spool, lines) in spools.iter().rev().zip(taken.into_iter().rev()) {
            give_back(spool, lines);
        }
        lost
    }
}

fn say_lost(count: u64) {
    let text = format!("{count} lines of the log were lost: they were not read in time");
    with_stamp(|stamp| {
        put(Stream::Diagnostics, |out| {
            diagnostics::write_line(out, Severity::Warning, Some(stamp), &text);
        });
    });
}

/// Writes lines, those of a stream that follow each other in one go.
fn write_lines(lines: &[(Line, &[u8])]) {
    let mut together = Vec::new();
    for run in lines.chunk_by(|(one, _), (next, _)| one.stream == next.stream) {
        together.clear();
        run.iter()
            .for_each(|(_, bytes)| together.extend_from_slice(bytes));
        run[0].0.stream.write(&together);
    }
}

impl Lines {
    const fn new() -> Lines {
        Lines {
            bytes: Vec::new(),
            lines: Vec::new(),
            lost: 0,
        }
    }

    fn iter(&self) -> impl Iterator<Item = (Line, &[u8])> {
        let mut start = 0;
        self.lines.iter().map(move |line| {
            let bytes = &self.bytes[start..line.end];
            start = line.end;
            (*line, bytes)
        })
    }

    fn push(&mut self, line: &Line, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        let end = self.bytes.len();
        self.lines.push(Line { end, ..*line });
    }
}

/// Memory that was written to is used again, unless it is a lot.
fn give_back(spool: &Mutex<Lines>, mut written: Lines) {
    let mut lines = lock(spool);
    if lines.bytes.capacity() == 0 && written.bytes.capacity() <= KEPT_BYTES_MAX {
        written.bytes.clear();
        written.lines.clear();
        lines.bytes = written.bytes;
        lines.lines = written.lines;
    }
}

/// The log is real in a simulation, too, and so are its locks: not those of [`crate::sync`].
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_spool_loses_lines_and_counts_them() {
        let spool = Mutex::default();
        let line = [b'x'; 1000];
        for _ in 0..SPOOLED_BYTES_MAX / line.len() + 8 {
            append(&spool, Stream::Access, |out| out.extend_from_slice(&line));
        }
        let lines = lock(&spool);
        assert!(lines.bytes.len() < SPOOLED_BYTES_MAX + line.len());
        assert!((1..=8).contains(&lines.lost), "{}", lines.lost);
        assert!(lines_lost() >= lines.lost);
        assert!(lines.iter().all(|(_, bytes)| bytes == line));
    }

    #[test]
    fn a_thread_has_its_own_spool_or_the_shared_one() {
        let outlet = Outlet::of(Stream::Access);
        let count = |spool: &Mutex<Lines>| {
            let lines = lock(spool);
            lines.iter().filter(|(_, bytes)| *bytes == b"mine").count()
        };
        let adopted = thread::spawn(move || {
            adopt_this_thread();
            put(Stream::Access, |out| out.extend_from_slice(b"mine"));
            OWN.with(|own| count(own.get().expect("it was adopted")[outlet.index()]))
        });
        assert_eq!(adopted.join().expect("it does not panic"), 1);
        assert_eq!(count(&outlet.shared), 0);
        put(Stream::Access, |out| out.extend_from_slice(b"mine"));
        assert_eq!(count(&outlet.shared), 1);
    }

    #[test]
    fn a_panic_in_the_middle_of_a_line_does_not_wait_for_that() {
        let outlet = Outlet::of(Stream::Diagnostics);
        let panicking = thread::spawn(move || {
            let held = lock(&outlet.shared);
            put_from_panic(b"last words");
            drop(held);
        });
        panicking.join().expect("it does not panic");
        let panics = lock(&outlet.panics);
        assert!(panics.iter().any(|(_, bytes)| bytes == b"last words"));
    }

    #[test]
    fn buffers_are_used_again_unless_they_are_large() {
        let spool = Mutex::default();
        append(&spool, Stream::Access, |out| {
            out.extend_from_slice(b"one\n")
        });
        let written = std::mem::take(&mut *lock(&spool));
        give_back(&spool, written);
        assert!(lock(&spool).bytes.capacity() >= 4);
        assert_eq!(lock(&spool).iter().count(), 0);
        append(&spool, Stream::Access, |out| {
            out.resize(KEPT_BYTES_MAX + 1, b'x')
        });
        let written = std::mem::take(&mut *lock(&spool));
        give_back(&spool, written);
        assert_eq!(lock(&spool).bytes.capacity(), 0);
    }

    #[test]
    fn lines_keep_their_order_and_their_stream() {
        let spool = Mutex::default();
        append(&spool, Stream::Diagnostics, |out| {
            out.extend_from_slice(b"sql\n")
        });
        append(&spool, Stream::Access, |out| {
            out.extend_from_slice(b"get\n")
        });
        let lines = lock(&spool);
        let found: Vec<_> = lines
            .iter()
            .map(|(line, bytes)| (line.stream, bytes))
            .collect();
        assert_eq!(
            found,
            [
                (Stream::Diagnostics, &b"sql\n"[..]),
                (Stream::Access, b"get\n")
            ]
        );
    }
}
