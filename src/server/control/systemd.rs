//! What a service manager gives and gets: sockets that are open already, and messages about how
//! the service is doing.
//!
//! Without systemd, whose variables are then not there, all of it does nothing. Sockets come in
//! the order of the unit's `ListenStream=` lines: the first one is the API's, the second one the
//! admin server's.
//!
//! Source: systemd's manuals, `sd_notify(3)`, `sd_listen_fds(3)`, `systemd.service(5)`.

use crate::net::Listener;
use listenfd::ListenFd;
use sd_notify::NotifyState;
use std::io;
use std::sync::OnceLock;
use std::sync::mpsc::{self, SyncSender};
use std::thread;
use std::time::Duration;

/// How many messages may wait for a service manager that is slow.
const UNTOLD_MAX: usize = 16;

/// The sockets that were open when the process began.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    /// For the API.
    pub(crate) api: Option<Listener>,
    /// For the admin server.
    pub(crate) admin: Option<Listener>,
}

impl Inherited {
    /// Takes them. Call it once, before there are threads: the variables that tell of them are
    /// removed, so that no child believes that it has them.
    ///
    /// # Errors
    /// If there is something else than a listening socket.
    pub(crate) fn take() -> io::Result<Inherited> {
        let mut given = ListenFd::from_env();
        Ok(Inherited {
            api: take(&mut given, 0)?,
            admin: take(&mut given, 1)?,
        })
    }
}

fn take(given: &mut ListenFd, index: usize) -> io::Result<Option<Listener>> {
    if let Ok(Some(socket)) = given.take_tcp_listener(index) {
        return Listener::inherited(socket.into()).map(Some);
    }
    match given.take_unix_listener(index)? {
        Some(socket) => Listener::inherited(socket.into()).map(Some),
        None => Ok(None),
    }
}

/// Clients can connect.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The configuration or the catalog is being loaded again; [`ready`] ends it.
pub(crate) fn reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// The server ends, after the requests that are under way. Blocks until that is told, for nobody
/// else may have the time to tell it.
pub(crate) fn stopping() {
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
}

/// The server is alive, and its cores get on.
pub(crate) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// How often the service manager wants to hear that, with time to spare; `None` if it does not.
pub(crate) fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|deadline| deadline / 3)
}

/// A service manager that does not listen is no reason to stop, nor to wait: a thread of its own
/// tells it, and what it is too slow for goes unsaid.
fn tell(states: &[NotifyState<'static>]) {
    static TELLER: OnceLock<Option<SyncSender<Vec<NotifyState<'static>>>>> = OnceLock::new();
    let teller = TELLER.get_or_init(|| {
        std::env::var_os("NOTIFY_SOCKET")?;
        let (teller, told) = mpsc::sync_channel::<Vec<NotifyState<'static>>>(UNTOLD_MAX);
        let tell_all = move || {
            for states in told {
                let _ = sd_notify::notify(&states);
            }
        };
        let thread = thread::Builder::new().name("service-manager".to_owned());
        thread.spawn(tell_all).ok().map(|_| teller)
    });
    if let Some(teller) = teller {
        let _ = teller.try_send(states.to_vec());
    }
}
