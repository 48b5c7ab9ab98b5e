//! Lines on their way out: threads put them into buffers of their own, one thread writes them.
//!
//! ```text
//! core thread ──put──▶ its spool ─┐
//! core thread ──put──▶ its spool ─┴─▶ writer: every 20 ms at most, all of them in the order of
//! other threads: written at once               their times, in one write(2) or a few
//! ```
//! A write to a pipe blocks as long as nobody reads it, and then every client of the core would
//! wait for whoever reads the log. So a core's thread only appends to memory, under a lock that
//! it shares with the writer alone, and wakes the writer at most fifty times a second. A line costs
//! it about 0.3 µs, against 1–2 µs and a switch to the reader for a write of its own.
//!
//! Invariant: a spool holds at most [`SPOOLED_BYTES_MAX`] and one line, and the writer has no more
//! than that of each spool in hand. When a spool is full, lines are lost; they are counted, and the
//! log says how many as soon as it is read again.

use super::stamp::with_stamp;
use std::cell::OnceCell;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
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

/// How long what is frequent is not said again. Parity: Logger.hs, of requests that got no
/// connection.
const FREQUENT_PAUSE: Duration = Duration::from_secs(5);

/// Where a line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// Standard output.
    Access,
    /// Standard error.
    Diagnostics,
}

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

type Spool = Arc<Mutex<Lines>>;

static SPOOLS: Mutex<Vec<Spool>> = Mutex::new(Vec::new());
static WRITER: OnceLock<Thread> = OnceLock::new();
/// Whether the writer has been woken for the lines that are there.
static WOKEN: AtomicBool = AtomicBool::new(false);
/// Held while lines are taken and written, so that they stay in order.
static WRITING: Mutex<Writing> = Mutex::new(Writing { late: None });
static LOST: AtomicU64 = AtomicU64::new(0);
/// What has happened so often that it is only said now and then.
static FREQUENT: OnceLock<fn()> = OnceLock::new();
/// Whether it has happened since it was last said.
static FREQUENT_HAPPENED: AtomicBool = AtomicBool::new(false);

thread_local! {
    static OWN: OnceCell<Spool> = const { OnceCell::new() };
}

/// What the writer remembers between two batches.
struct Writing {
    /// Lines that came while the last batch was taken, when some spools had been emptied already:
    /// others may be older.
    late: Option<Lines>,
}

/// From now on, this thread does not write its lines itself.
pub(crate) fn adopt_this_thread() {
    let Some(()) = start_writer() else {
        return;
    };
    OWN.with(|own| {
        let spool = own.get_or_init(Spool::default);
        lock(&SPOOLS).push(Arc::clone(spool));
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
        && let Some(writer) = WRITER.get()
    {
        writer.unpark();
    }
}

/// Writes what there is, before the process ends. Gives up when nobody reads.
pub(crate) fn flush() {
    let deadline = Instant::now() + FLUSH_MAX;
    loop {
        match WRITING.try_lock() {
            Ok(mut writing) => return writing.write_spooled(None),
            Err(TryLockError::Poisoned(_)) => return,
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => return,
            Err(TryLockError::WouldBlock) => thread::park_timeout(Duration::from_millis(5)),
        }
    }
}

/// Puts a line where this thread's lines go.
pub(super) fn put(stream: Stream, write_line: impl FnOnce(&mut Vec<u8>)) {
    OWN.with(|own| match own.get() {
        Some(spool) => {
            append(spool, stream, write_line);
            if !WOKEN.load(Ordering::SeqCst) && !WOKEN.swap(true, Ordering::SeqCst) {
                let writer = WRITER.get();
                writer.expect("whoever has a spool has started it").unpark();
            }
        }
        None => {
            let mut line = Vec::new();
            write_line(&mut line);
            write(stream, &line);
        }
    });
}

/// Puts a line of a thread that has panicked, perhaps with its own spool in hand: then it writes
/// the line itself.
pub(super) fn put_from_panic(line: &[u8]) {
    let is_free = OWN.try_with(|own| {
        let spool = own.get();
        spool.is_none_or(|spool| !matches!(spool.try_lock(), Err(TryLockError::WouldBlock)))
    });
    match is_free {
        Ok(true) => put(Stream::Diagnostics, |out| out.extend_from_slice(line)),
        _ => write(Stream::Diagnostics, line),
    }
}

fn append(spool: &Spool, stream: Stream, write_line: impl FnOnce(&mut Vec<u8>)) {
    let mut lines = lock(spool);
    if lines.bytes.len() < SPOOLED_BYTES_MAX {
        // The clock is looked at with the lock in hand, so that no line comes late: see `late`.
        let at = Instant::now();
        write_line(&mut lines.bytes);
        let end = lines.bytes.len();
        lines.lines.push(Line { at, stream, end });
    } else {
        lines.lost += 1;
        LOST.fetch_add(1, Ordering::Relaxed);
    }
}

/// Starts the writer, if it does not run yet; `None` if there can be no thread for it.
fn start_writer() -> Option<()> {
    if WRITER.get().is_some() {
        return Some(());
    }
    let spools = lock(&SPOOLS);
    if WRITER.get().is_none() {
        let builder = thread::Builder::new().name("log".to_owned());
        let writer = builder.spawn(write_for_ever).ok()?;
        let _ = WRITER.set(writer.thread().clone());
    }
    drop(spools);
    Some(())
}

fn write_for_ever() {
    let mut quiet_until = Instant::now();
    loop {
        let now = Instant::now();
        match FREQUENT_HAPPENED.load(Ordering::SeqCst) {
            true if now >= quiet_until => {
                FREQUENT_HAPPENED.store(false, Ordering::SeqCst);
                quiet_until = now + FREQUENT_PAUSE;
                FREQUENT.get().inspect(|say| say());
            }
            true if !WOKEN.load(Ordering::SeqCst) => thread::park_timeout(quiet_until - now),
            false if !WOKEN.load(Ordering::SeqCst) => thread::park(),
            _ => {}
        }
        // Lines that come after this wake the writer again.
        if WOKEN.swap(false, Ordering::SeqCst) {
            lock(&WRITING).write_spooled(Some(Instant::now()));
            thread::sleep(GATHERED);
        }
    }
}

impl Writing {
    /// Takes and writes all lines that are older than `until`. Any of those is in its spool by
    /// now, or the thread that puts it there has the lock; of younger ones some may be missing.
    fn write_spooled(&mut self, until: Option<Instant>) {
        let spools = lock(&SPOOLS).clone();
        let taken = spools.iter().map(|spool| std::mem::take(&mut *lock(spool)));
        let taken: Vec<Lines> = self.late.take().into_iter().chain(taken).collect();
        let mut all: Vec<(Line, &[u8])> = taken.iter().flat_map(Lines::iter).collect();
        all.sort_by_key(|(line, _)| line.at);
        let ripe = all.partition_point(|(line, _)| until.is_none_or(|until| line.at < until));
        write_lines(&all[..ripe]);
        if ripe < all.len() {
            let late = self.late.get_or_insert_default();
            all[ripe..]
                .iter()
                .for_each(|(line, bytes)| late.push(line, bytes));
        }
        let lost: u64 = taken.iter().map(|lines| lines.lost).sum();
        if lost > 0 {
            let text = format!("{lost} lines of the log were lost: they were not read in time");
            with_stamp(|stamp| {
                write(Stream::Diagnostics, format!("{stamp}: {text}\n").as_bytes());
            });
        }
        // The late lines come first, if there were any; they have no spool.
        for (spool, lines) in spools.iter().rev().zip(taken.into_iter().rev()) {
            give_back(spool, lines);
        }
    }
}

/// Writes lines, those of a stream that follow each other in one go.
fn write_lines(lines: &[(Line, &[u8])]) {
    let mut together = Vec::new();
    for run in lines.chunk_by(|(one, _), (next, _)| one.stream == next.stream) {
        together.clear();
        run.iter()
            .for_each(|(_, bytes)| together.extend_from_slice(bytes));
        write(run[0].0.stream, &together);
    }
}

impl Lines {
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
fn give_back(spool: &Spool, mut written: Lines) {
    let mut lines = lock(spool);
    if lines.bytes.capacity() == 0 && written.bytes.capacity() <= KEPT_BYTES_MAX {
        written.bytes.clear();
        written.lines.clear();
        lines.bytes = written.bytes;
        lines.lines = written.lines;
    }
}

/// Where nobody reads the log there is nobody to tell either.
fn write(stream: Stream, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let _ = match stream {
        Stream::Access => {
            let mut out = std::io::stdout().lock();
            out.write_all(bytes).and_then(|()| out.flush())
        }
        Stream::Diagnostics => std::io::stderr().lock().write_all(bytes),
    };
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
        let spool = Spool::default();
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
    fn a_panic_in_the_middle_of_a_line_does_not_wait_for_that() {
        let panicking = thread::spawn(|| {
            start_writer().expect("there can be one more thread");
            let spool = OWN.with(|own| Arc::clone(own.get_or_init(Spool::default)));
            let held = lock(&spool);
            put_from_panic(b"");
            drop(held);
            put_from_panic(b"line\n");
            lock(&spool).iter().count()
        });
        assert_eq!(panicking.join().unwrap(), 1);
    }

    #[test]
    fn buffers_are_used_again_unless_they_are_large() {
        let spool = Spool::default();
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
        let spool = Spool::default();
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
