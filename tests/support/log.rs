//! The lines that a process has written so far, and waiting for the next ones.

use crate::waiting::LONG;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The lines of one output of one process.
#[derive(Clone, Debug, Default)]
pub struct Log {
    state: Arc<(Mutex<Lines>, Condvar)>,
}

#[derive(Debug, Default)]
struct Lines {
    lines: Vec<String>,
    ended: bool,
    /// Nobody reads.
    is_unread: bool,
}

impl Log {
    /// Collects lines until the output ends, on a thread.
    pub fn collect(output: impl Read + Send + 'static) -> Log {
        let log = Log::default();
        let state = Arc::clone(&log.state);
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = Vec::new();
            // What is not UTF-8 shall not end the collecting.
            while matches!(output.read_until(b'\n', &mut line), Ok(1..)) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                line.clear();
                change(&state, |lines| lines.lines.push(text));
                await_reader(&state);
            }
            change(&state, |lines| lines.ended = true);
        });
        log
    }

    /// What stands for an output that somebody else reads: it has ended, without a line.
    pub fn elsewhere() -> Log {
        Log::collect(std::io::empty())
    }

    /// From now on nobody reads, and the pipe gets full, until [`read_on`](Log::read_on).
    pub fn stop_reading(&self) {
        change(&self.state, |lines| lines.is_unread = true);
    }

    /// Somebody reads again.
    pub fn read_on(&self) {
        change(&self.state, |lines| lines.is_unread = false);
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        let lines = self.state.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.lines.clone()
    }

    /// All lines so far as one text.
    pub fn text(&self) -> String {
        self.lines().join("\n")
    }

    /// Whether the output has ended.
    pub fn has_ended(&self) -> bool {
        let lines = self.state.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.ended
    }

    /// Waits for a line that gives an answer. `None` when the output ends before, or after
    /// [`LONG`].
    pub fn find<T>(&self, mut answer: impl FnMut(&str) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + LONG;
        let mut seen = 0;
        let mut lines = self.state.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let found = lines.lines[seen..].iter().find_map(|line| answer(line));
            seen = lines.lines.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if found.is_some() || lines.ended || left == Duration::ZERO {
                return found;
            }
            let waited = self.state.1.wait_timeout(lines, left);
            lines = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for a line that contains the text.
    ///
    /// # Panics
    /// If there is none in time.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        let found = self.find(|line| line.contains(text).then(|| line.to_owned()));
        found.unwrap_or_else(|| panic!("no line with {text:?} in:\n{}", self.text()))
    }

    /// Waits for the end of the output, and returns all of it.
    pub fn whole(&self) -> String {
        self.find(|_| None::<()>);
        self.text()
    }
}

fn await_reader(state: &(Mutex<Lines>, Condvar)) {
    let lines = state.0.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = state.1.wait_while(lines, |lines| lines.is_unread);
    drop(waited);
}

fn change(state: &(Mutex<Lines>, Condvar), change: impl FnOnce(&mut Lines)) {
    change(&mut state.0.lock().unwrap_or_else(PoisonError::into_inner));
    state.1.notify_all();
}
