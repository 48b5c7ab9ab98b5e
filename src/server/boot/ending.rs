//! The end: signals, and what becomes of the server when they ask for it.
//!
//! ```text
//! SIGTERM ─▶ thread "signals" ─┬─▶ thread "stop": Cores::stop ──▶ the threads of the cores end
//!                              ├─▶ thread "last-words": service manager, log
//!                              ├─▶ control plane, listener: to end if they are waiting
//!                              └─▶ whoever waits for the first catalog: there will be none
//! a second one ─▶ the process ends, [`WORDS_MAX`] later at most
//! ```
//! Invariant: the thread of the signals never waits for anybody, neither for the log nor for the
//! service manager, nor for PostgreSQL, so a second signal ends the process whatever hangs; and
//! whatever the end waits for has a limit, but for requests that are under way.

use crate::control::Progress;
use crate::control::listener::Wanted;
use crate::control::systemd;
use crate::cores::Cores;
use crate::exit::exit_with;
use crate::log;
use crate::state::orders::{Order, Orders};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

/// How long the end waits for those who hear of it: the service manager, and whoever reads the log.
const WORDS_MAX: Duration = Duration::from_secs(1);

/// How long it waits for the control plane. One that is idle takes a millisecond to say goodbye to
/// PostgreSQL, which would log a lost connection otherwise; one that waits for PostgreSQL itself
/// may do so for half a minute, and has nothing to say that anybody would miss.
const GOODBYE_MAX: Duration = Duration::from_millis(100);

/// Whom a signal concerns.
pub(super) struct Concerned {
    pub(super) cores: Arc<Cores>,
    pub(super) orders: Arc<Orders>,
    pub(super) wanted: Arc<Wanted>,
    /// Whoever waits for the first catalog.
    pub(super) progress: SyncSender<Progress>,
}

/// Tells when it has been told that the server ends.
pub(super) struct LastWords(Receiver<()>);

impl LastWords {
    /// Waits for them, but not without end.
    pub(super) fn wait(&self) {
        // It ends when the sender is gone.
        let _ = self.0.recv_timeout(WORDS_MAX);
    }
}

/// Signals come to a thread of their own, for what they ask for is more than a handler may do.
pub(super) fn watch_signals(concerned: Concerned) -> io::Result<LastWords> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2])?;
    let (words, said) = mpsc::sync_channel(1);
    let watch = move || {
        let orders = Arc::clone(&concerned.orders);
        let mut first = Some((concerned, words));
        for signal in signals.forever() {
            match (signal, first.take_if(|_| is_termination(signal))) {
                (SIGUSR1, _) => orders.give(Order::ReloadCatalog),
                (SIGUSR2 | SIGHUP, _) => orders.give(Order::ReloadConfig),
                (_, Some((concerned, words))) => stop(signal, concerned, words),
                (_, None) => end_at_once(signal),
            }
        }
    };
    spawn("signals", watch)?;
    Ok(LastWords(said))
}

fn is_termination(signal: i32) -> bool {
    matches!(signal, SIGINT | SIGTERM)
}

/// Asks everybody to end. Nobody is waited for.
fn stop(signal: i32, concerned: Concerned, words: SyncSender<()>) {
    let Concerned {
        cores,
        orders,
        wanted,
        progress,
    } = concerned;
    let stopping = Arc::clone(&cores);
    if spawn("stop", move || stopping.stop()).is_err() {
        cores.stop();
    }
    wanted.end();
    orders.give(Order::Stop);
    // Should there be no room, nobody waits for it.
    let _ = progress.try_send(Progress::Stopped);
    let say = move || {
        log_termination(signal);
        systemd::stopping();
        drop(words);
    };
    // Without a thread it goes unsaid.
    let _ = spawn("last-words", say);
}

/// Whoever asks a second time does not want to wait for requests that are under way.
fn end_at_once(signal: i32) -> ! {
    let (words, said) = mpsc::sync_channel::<()>(1);
    let say = move || {
        let _words = words;
        log_termination(signal);
        exit_with("Ending before the requests that are under way.");
    };
    // Without a thread the sender is gone at once.
    let _ = spawn("last-words", say).map(|_| said.recv_timeout(WORDS_MAX));
    signal_hook::low_level::exit(1)
}

fn log_termination(signal: i32) {
    let name = match signal {
        SIGTERM => "SIGTERM",
        _ => "SIGINT",
    };
    log::notice(&format!("Received termination unix signal {name}"));
}

/// The control plane drops its end of the channel when it ends.
pub(super) fn await_control(progress: &Receiver<Progress>) {
    let deadline = Instant::now() + GOODBYE_MAX;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if progress.recv_timeout(left).is_err() {
            return;
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let builder = thread::Builder::new().name(name.to_owned());
    builder.spawn(work).map(drop)
}
