//! Starting and stopping: from the command line to listening sockets, and back.
//!
//! The order is PostgREST's: the admin socket first, so that orchestrators can ask; then the
//! signals; then the catalog; and the API socket when the first attempt to load it is over (with
//! `server-reuseport`, when it has succeeded, for then another process serves until that moment).
//! The end is told in [`ending`].

mod ebb;
mod ending;
mod memory_limit;

use crate::admin::Admin;
use crate::cli::{COMMIT, Cli, VERSION, version_line};
use crate::control::conversation::{Conversation, LoadError};
use crate::control::ear::Ear;
use crate::control::following::{MUTE, Watcher};
use crate::control::inquiry::Inquiry;
use crate::control::keys::KeyKeeper;
use crate::control::listener::{self, Wanted};
use crate::control::loading;
use crate::control::reload::{Configuration, log_database_unreadable};
use crate::control::sources::ConfigSources;
use crate::control::systemd::{self, Inherited};
use crate::control::{Control, Progress, preparation};
use crate::cores::{self, Cores, CoresSettings, Footing, Patience, Share, divide};
use crate::exit::spawn_vital;
use crate::log;
use crate::net::{
    Listener, Reserve, ReusePort, available_cpus, bind_tcp, bind_unix, is_standard_output_missing,
    share_heaps,
};
use crate::observing::on_connection_event;
use crate::ready;
use crate::serving::aim::Server;
use crate::serving::memory::{Addresses, Memory};
use crate::serving::spool::Spool;
use crate::serving::watch::SLOW;
use crate::state::fleet::Fleet;
use crate::state::health::Health;
use crate::state::orders::Orders;
use crate::state::snapshot::Snapshot;
use crate::sync::unix_time;
use corerest_api::PgVersion;
use corerest_config::{Config, Port, dump, example};
use corerest_pg::connect::{ConnectError, Environment, OpenOptions, SharedTarget, Target};
use corerest_pg::{Pool, PoolSettings, Silences, TargetConnector};
use corerest_wire::http::Limits;
use ending::{Concerned, await_control, watch_signals};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use scheduled_thread_pool::ScheduledThreadPool;
use std::io::{self, ErrorKind, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// How our sessions are called in `pg_stat_activity`, unless the user chose a name.
const APPLICATION_NAME: &str = concat!("CoreREST ", env!("CARGO_PKG_VERSION"));

/// One thread waits for each connection to PostgreSQL. The system lets a process have some 16,000
/// (`vm.max_map_count`), and ends it with a signal where one is started beyond that; PostgreSQL
/// seldom has more than a few hundred connections.
const THREADS_MAX: usize = 8_192;

/// How long connecting to a replica may take: there is somebody else to ask.
const REPLICA_CONNECT_MAX: Duration = Duration::from_secs(2);

/// Does what the command line asks for.
///
/// # Errors
/// A text for the operator.
pub(crate) fn run(cli: &Cli) -> Result<(), String> {
    if cli.version {
        return print(&version_line(VERSION, COMMIT));
    }
    if cli.example {
        return print(&example());
    }
    log::start().map_err(cannot("start the log"))?;
    let configuration = Configuration::load(ConfigSources::of_process(cli.file.as_deref()))?;
    let config = &configuration.config;
    log::configure(config);
    if cli.ready {
        return print(&ready::ask(config)?);
    }
    if cli.dump_config {
        return print(&dump(&with_database(configuration)?.config));
    }
    if cli.dump_schema {
        return dump_schema(&with_database(configuration)?.config);
    }
    let target = target(config).map_err(text)?;
    log::notice(&format!("Starting CoreREST {VERSION}..."));
    configuration.warn();
    serve(configuration, target)
}

/// Shows what the command line asks for.
pub(crate) fn print(text: &str) -> Result<(), String> {
    if is_standard_output_missing() {
        return Err("Cannot write to the standard output: it is closed.".to_owned());
    }
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(cannot("write to the standard output"))
}

/// The configuration with what the database says.
///
/// Parity: a database that is away is told of on standard error, and the rest is shown.
fn with_database(mut configuration: Configuration) -> Result<Configuration, String> {
    if configuration.config.db_config {
        let target = target(&configuration.config).map_err(LoadError::Connect);
        match target.and_then(begin) {
            Ok((mut conversation, version)) => {
                configuration.read_database(&mut conversation, &version);
            }
            Err(error) => log_database_unreadable(&error),
        }
        configuration.reload()?;
    }
    Ok(configuration)
}

fn dump_schema(config: &Config) -> Result<(), String> {
    let failed = |error: LoadError| error.json();
    let target = target(config).map_err(text)?;
    let (mut conversation, _) = begin(target).map_err(failed)?;
    let loaded = loading::load_catalog(&mut conversation, config).map_err(failed)?;
    print(&loaded.catalog.dump(&config.db_hoisted_tx_settings))?;
    print("\n")
}

/// A conversation for what a command wants to know.
fn begin(target: Target) -> Result<(Conversation, PgVersion), LoadError> {
    let target = SharedTarget::new(target);
    let inquiry = Arc::new(Inquiry::new(Arc::new(target), Silences::default()));
    Conversation::begin(&inquiry.target.current(), Some(inquiry))
}

/// Serves until it is told to stop.
fn serve(configuration: Configuration, target: Target) -> Result<(), String> {
    raise_descriptor_limit();
    if memory_limit::addresses() == Addresses::Limited {
        share_heaps();
    }
    let mut inherited = Inherited::take().map_err(cannot("take the service manager's sockets"))?;
    let config = Arc::clone(&configuration.config);
    let orders = Arc::new(Orders::default());
    let wanted = Arc::new(Wanted::new(&config).map_err(cannot("prepare the listener"))?);
    let health = Arc::new(Health::new(Arc::clone(&orders)));
    let replicas = replica_targets(&config).map_err(text)?;
    let target = match replicas.is_empty() {
        true => target,
        false => target.for_primary(),
    };
    let is_local = target.is_local() && replicas.iter().all(Target::is_local);
    let names = replicas.iter().map(Target::hosts).collect();
    let target = Arc::new(SharedTarget::new(target));
    let inquiry = Arc::new(Inquiry::new(Arc::clone(&target), Silences::default()));
    let inquiries: Vec<Arc<Inquiry>> = replicas
        .into_iter()
        .map(|target| Inquiry::new(Arc::new(SharedTarget::new(target)), Silences::after(MUTE)))
        .map(Arc::new)
        .collect();
    let fleet = Arc::new(Fleet::new(
        names,
        config.db_replica_max_lag,
        config.db_replica_fallback,
    ));
    let cores = make_cores(&configuration, &inquiry, &inquiries, fleet, &health)?;
    start_admin(&config, inherited.admin.take(), &cores, &health)?;
    let (progress, loading) = mpsc::sync_channel(64);
    let concerned = Concerned {
        cores: Arc::clone(&cores),
        orders: Arc::clone(&orders),
        wanted: Arc::clone(&wanted),
        progress: progress.clone(),
    };
    let last_words = watch_signals(concerned).map_err(cannot("watch for signals"))?;
    let is_pinned = config.server_pin_cores && available_cpus().are_chosen && !is_local;
    let footing = match is_pinned {
        true => Footing::Pinned,
        false => Footing::InTurn,
    };
    let threads = cores::start(&cores, footing).map_err(cannot("start the cores' threads"))?;
    for inquiry in [&inquiry].into_iter().chain(&inquiries) {
        inquiry
            .start()
            .map_err(cannot("start the inquiry's thread"))?;
    }
    follow(&cores, &inquiry, &inquiries).map_err(cannot("start a thread for each replica"))?;
    start_listener(&target, &wanted, &health, &orders)?;
    start_ear(&target, &cores)?;
    let mut keys = KeyKeeper::new(Arc::clone(&cores));
    keys.configure(&configuration);
    let control = Control {
        configuration,
        target,
        inquiry,
        cores: cores.clone(),
        health,
        orders,
        wanted,
        progress,
        keys,
        catalog: None,
        watched: None,
        loaded_since: None,
        has_made_room: false,
        has_published: false,
    };
    spawn_vital("control", move || control.run())
        .map_err(cannot("start the control plane's thread"))?;
    if wait_for_catalog(&config, &loading, inherited.api.is_some()) {
        let listener = match inherited.api.take() {
            Some(listener) => listener,
            None => bind_api(&config)?,
        };
        log::notice(&format!("API server listening on {listener}"));
        // Whoever is served after this finds it said.
        log::flush();
        cores.listen(listener).map_err(cannot("wait for clients"))?;
        systemd::ready();
    }
    speak_for_cores(&cores)?;
    let ebbing = Arc::clone(&cores);
    spawn("ebb", move || ebb::watch(&ebbing))?;
    join(threads)?;
    await_control(&loading);
    last_words.wait();
    Ok(())
}

/// Waits for the threads of the cores, which end when the server was stopped and all clients are
/// gone.
fn join(threads: Vec<thread::JoinHandle<()>>) -> Result<(), String> {
    for thread in threads {
        let joined = thread.join();
        joined.map_err(|_| "A thread of the server has panicked.")?;
    }
    Ok(())
}

/// Tells the service manager that the cores live, as long as they do: those that do not get on are
/// not spoken for. It has a thread of its own, for whose sleep no end has to wait.
fn speak_for_cores(cores: &Arc<Cores>) -> Result<(), String> {
    let Some(interval) = systemd::watchdog_interval() else {
        return Ok(());
    };
    let cores = Arc::clone(cores);
    let speak = move || {
        loop {
            let patience = interval / 2;
            let is_open = || cores.announces_end() || cores.serves_clients(patience);
            if cores.get_on(patience) && is_open() {
                systemd::alive();
            }
            thread::park_timeout(interval);
        }
    };
    spawn("watchdog", speak).map(drop)
}

fn start_listener(
    target: &Arc<SharedTarget>,
    wanted: &Arc<Wanted>,
    health: &Arc<Health>,
    orders: &Arc<Orders>,
) -> Result<(), String> {
    let listener = listener::ChannelListener {
        target: Arc::clone(target),
        wanted: Arc::clone(wanted),
        health: Arc::clone(health),
        orders: Arc::clone(orders),
    };
    let started = spawn_vital("listener", move || listener.run());
    started
        .map(drop)
        .map_err(cannot("start the listener's thread"))
}

fn start_ear(target: &Arc<SharedTarget>, cores: &Arc<Cores>) -> Result<(), String> {
    let ear = Ear {
        target: Arc::clone(target),
        cores: Arc::clone(cores),
    };
    let started = spawn_vital("ear", move || ear.run());
    started
        .map(drop)
        .map_err(cannot("start the thread that hears what clients hear"))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// What could not be done: what the system says of it, such as "No such file or directory", does
/// not tell.
fn cannot<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> String {
    move |error| format!("Cannot {what}: {error}")
}

fn spawn(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> Result<thread::JoinHandle<()>, String> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| format!("Cannot start the thread {name}: {error}"))
}

/// Each client is a file descriptor, and the usual soft limit of 1,024 is for programs that use
/// `select`.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        log::warn(&format!("Cannot raise the limit of open files: {error}"));
    }
}

/// Where the configuration leads to.
pub(crate) fn target(config: &Config) -> Result<Target, ConnectError> {
    let target = Target::parse(config.db_uri.expose(), &Environment::of_process())?;
    Ok(target.with_fallback_application_name(APPLICATION_NAME))
}

/// Where the configuration leads to for reads.
pub(crate) fn replica_targets(config: &Config) -> Result<Vec<Target>, ConnectError> {
    let uris = config.db_uri_read_replicas.iter();
    let targets = uris.map(|uri| Target::parse(uri.expose(), &Environment::of_process()));
    targets
        .map(|target| Ok(target?.with_fallback_application_name(APPLICATION_NAME)))
        .collect()
}

/// Has each server looked at, if there are replicas.
fn follow(cores: &Arc<Cores>, primary: &Inquiry, replicas: &[Arc<Inquiry>]) -> io::Result<()> {
    if replicas.is_empty() {
        return Ok(());
    }
    let watcher = |server, inquiry: &Inquiry| Watcher {
        server,
        target: Arc::clone(&inquiry.target),
        silences: Arc::clone(&inquiry.silences),
        cores: Arc::clone(cores),
    };
    watcher(Server::Primary, primary).start()?;
    let mut replicas = replicas.iter().enumerate();
    replicas.try_for_each(|(replica, inquiry)| watcher(Server::Replica(replica), inquiry).start())
}

fn make_cores(
    configuration: &Configuration,
    inquiry: &Inquiry,
    replicas: &[Arc<Inquiry>],
    fleet: Arc<Fleet>,
    health: &Arc<Health>,
) -> Result<Arc<Cores>, String> {
    let config = &configuration.config;
    let settings = CoresSettings {
        snapshot: Snapshot {
            config: Arc::clone(config),
            authenticator: Arc::clone(&configuration.authenticator),
            role_settings: Arc::clone(&configuration.role_settings),
            catalog: None,
            shapes: Arc::default(),
        },
        key_board: Arc::default(),
        health: health.clone(),
        fleet: Arc::clone(&fleet),
        patience: Patience {
            idle: config.server_idle_timeout,
            header: config.server_header_timeout,
            body: config.server_body_timeout,
            write: config.server_write_timeout,
            acquisition: config.db_pool_acquisition_timeout,
            shutdown: config.server_shutdown_grace,
        },
        limits: limits(config),
        clients_max: config.server_max_connections,
        memory: Memory::new(
            memory_limit::clients_bytes_max(config),
            memory_limit::addresses(),
        ),
        spool: Arc::new(Spool::open(config)),
        slow_readers_max: config
            .server_max_slow_readers
            .unwrap_or(config.db_pool.get() / 2),
    };
    let division = divide(
        &available_cpus().numbers,
        config.server_cores.map(NonZeroUsize::get),
        config.server_threads_per_core.map(NonZeroUsize::get),
        config.db_pool.get(),
        1 + replicas.len(),
    );
    let threads: usize = division.cores.iter().map(|share| share.threads).sum();
    if threads > THREADS_MAX {
        return Err(format!(
            "db-pool={} would need {threads} threads for {} server(s), and there may be \
             {THREADS_MAX} at most.",
            config.db_pool,
            1 + replicas.len()
        ));
    }
    let janitor = Arc::new(ScheduledThreadPool::new(1));
    let timeline_min: Arc<dyn Fn() -> u32 + Send + Sync> = Arc::new(move || fleet.timeline());
    let pool = |share: &Share, server| {
        let (inquiry, patience) = match server {
            Server::Primary => (inquiry, config.db_pool_acquisition_timeout),
            Server::Replica(replica) => (
                &*replicas[replica],
                config.db_pool_acquisition_timeout.min(REPLICA_CONNECT_MAX),
            ),
        };
        let options = OpenOptions {
            attempt_timeout: patience,
            asks_identity: true,
            timeline_min: 0,
        };
        let connector = TargetConnector {
            target: Arc::clone(&inquiry.target),
            options,
            timeline_min: match server {
                Server::Primary if !replicas.is_empty() => Some(timeline_min.clone()),
                Server::Primary | Server::Replica(_) => None,
            },
        };
        Pool::new(pool_settings(config, inquiry, connector, share, &janitor))
    };
    let cores = Cores::new(settings, &division.cores, pool).map_err(cannot("make the cores"))?;
    Ok(Arc::new(cores))
}

/// A request line may be almost as long as the whole head.
fn limits(config: &Config) -> Limits {
    Limits {
        line_bytes_max: config.server_max_header_bytes - config.server_max_header_bytes / 8,
        header_bytes_max: config.server_max_header_bytes,
        body_bytes_max: config.server_max_body_bytes as u64,
        ..Limits::default()
    }
}

fn pool_settings(
    config: &Config,
    inquiry: &Inquiry,
    connector: TargetConnector,
    share: &Share,
    janitor: &Arc<ScheduledThreadPool>,
) -> PoolSettings {
    PoolSettings {
        connector: Arc::new(connector),
        size: share.connections,
        idle_max: config.db_pool_max_idletime,
        lifetime_max: config.db_pool_max_lifetime,
        preparation: preparation(config),
        silence: config.server_cancel_on_disconnect.then_some(SLOW),
        silences: Arc::clone(&inquiry.silences),
        janitor: janitor.clone(),
        watch: on_connection_event,
    }
}

fn start_admin(
    config: &Config,
    inherited: Option<Listener>,
    cores: &Arc<Cores>,
    health: &Arc<Health>,
) -> Result<(), String> {
    let listener = match inherited {
        Some(listener) => listener,
        None => match bind_admin(config)? {
            Some(listener) => listener,
            None => return Ok(()),
        },
    };
    log::notice(&format!("Admin server listening on {listener}"));
    let admin = Admin {
        listener,
        cores: cores.clone(),
        health: health.clone(),
        started: unix_time(),
    };
    let reserve = Reserve::new().map_err(cannot("keep a file descriptor in reserve"))?;
    admin
        .start(reserve)
        .map_err(cannot("start the admin server's threads"))
}

fn bind_admin(config: &Config) -> Result<Option<Listener>, String> {
    let keys = PlaceKeys {
        host: "admin-server-host",
        port: "admin-server-port",
        socket: "admin-server-unix-socket",
    };
    let listener = match (&config.admin_server_unix_socket, config.admin_server_port) {
        (Some(path), _) => bind_path(path, config.admin_server_unix_socket_mode.bits(), &keys)?,
        (None, Some(port)) => bind_host(&config.admin_server_host, port, ReusePort::No, &keys)?,
        (None, None) => return Ok(None),
    };
    Ok(Some(listener))
}

fn bind_api(config: &Config) -> Result<Listener, String> {
    let keys = PlaceKeys {
        host: "server-host",
        port: "server-port",
        socket: "server-unix-socket",
    };
    if let Some(path) = &config.server_unix_socket {
        return bind_path(path, config.server_unix_socket_mode.bits(), &keys);
    }
    let reuse = if config.server_reuseport {
        ReusePort::Yes
    } else {
        ReusePort::No
    };
    bind_host(&config.server_host, config.server_port, reuse, &keys)
}

/// The keys that say where to listen.
struct PlaceKeys {
    host: &'static str,
    port: &'static str,
    socket: &'static str,
}

fn bind_path(path: &str, mode: u32, keys: &PlaceKeys) -> Result<Listener, String> {
    bind_unix(Path::new(path), mode).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => format!(
            "{error}. A file that is no socket has that name: choose another one by {}.",
            keys.socket
        ),
        _ => format!("{error} ({})", keys.socket),
    })
}

fn bind_host(
    host: &str,
    port: Port,
    reuse: ReusePort,
    keys: &PlaceKeys,
) -> Result<Listener, String> {
    let number = port
        .number()
        .ok_or("The port is not a number from 0 to 65535.")?;
    bind_tcp(host, number, reuse).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => format!(
            "{error}. Another program has that port: end it, or choose another one by {}.",
            keys.port
        ),
        ErrorKind::AddrNotAvailable => format!(
            "{error}. {} must be an address of this machine, or one of *, *4, *6, !4, !6.",
            keys.host
        ),
        ErrorKind::PermissionDenied => format!(
            "{error}. Ports below 1024 need CAP_NET_BIND_SERVICE: choose another one by {}.",
            keys.port
        ),
        _ => format!("{error} ({}, {})", keys.host, keys.port),
    })
}

/// How long the doors stay shut for a catalog that is being loaded. Behind them nobody hears that
/// the server lives, and somebody may end it for that.
const SHUT_MAX: Duration = Duration::from_secs(5);

/// Whether to open the doors: not when the server was stopped before there was a catalog. If
/// somebody else serves meanwhile, or keeps the clients waiting, they stay shut for as long as it
/// takes.
fn wait_for_catalog(config: &Config, loading: &Receiver<Progress>, is_inherited: bool) -> bool {
    let is_somebody_there = config.server_reuseport || is_inherited;
    loop {
        match loading.recv_timeout(SHUT_MAX) {
            Ok(Progress::Loaded) => return true,
            Ok(Progress::Attempted) if config.server_reuseport => {}
            Ok(Progress::Attempted) => return true,
            Err(RecvTimeoutError::Timeout) if is_somebody_there => {}
            Err(RecvTimeoutError::Timeout) => return true,
            Ok(Progress::Stopped) | Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}
