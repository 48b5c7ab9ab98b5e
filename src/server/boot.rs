//! Starting and stopping: from the command line to listening sockets, and back.
//!
//! The order is PostgREST's: the admin socket first, so that orchestrators can ask; then the
//! signals; then the catalog; and the API socket when the first attempt to load it is over (with
//! `server-reuseport`, when it has succeeded, for then another process serves until that moment).

use crate::admin::Admin;
use crate::auth::Authenticator;
use crate::cli::Cli;
use crate::control::{Command, Control, Progress};
use crate::cores::placement::{Share, divide};
use crate::cores::{Cores, CoresSettings, Patience};
use crate::health::Health;
use crate::log;
use crate::net::{Listener, ReusePort, available_cpus, bind_tcp, bind_unix};
use crate::snapshot::Snapshot;
use corerest_config::{Config, File, Loaded, Port, Sources, dump, example};
use corerest_pg::connect::{Environment, OpenOptions, Target};
use corerest_pg::{Pool, PoolSettings, Preparation};
use corerest_wire::http::Limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use scheduled_thread_pool::ScheduledThreadPool;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

/// The version, as shown by `--version`.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How our sessions are called in `pg_stat_activity`, unless the user chose a name.
const APPLICATION_NAME: &str = concat!("CoreREST ", env!("CARGO_PKG_VERSION"));

/// Does what the command line asks for.
///
/// # Errors
/// A text for the operator.
pub(crate) fn run(cli: &Cli) -> Result<(), String> {
    if cli.version {
        return print(&format!("CoreREST {VERSION}\n"));
    }
    if cli.example {
        return print(&example());
    }
    let Loaded { config, warnings } = load_config(cli.file.as_deref())?;
    if cli.dump_config {
        return print(&dump(&config));
    }
    log::start();
    log::set_level(config.log_level);
    log::notice(&format!("Starting CoreREST {VERSION}..."));
    warnings.iter().for_each(|warning| log::warn(warning));
    serve(Arc::new(config))
}

/// Ends the process because of something that only the operator can mend.
pub(crate) fn exit_with(reason: &str) -> ! {
    if !reason.is_empty() {
        log::error(reason);
    }
    std::process::exit(1)
}

fn print(text: &str) -> Result<(), String> {
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| error.to_string())
}

fn load_config(file: Option<&str>) -> Result<Loaded, String> {
    let text = file.map(|path| {
        let read = std::fs::read_to_string(path);
        read.map_err(|error| format!("Cannot read the configuration file {path}: {error}"))
    });
    let text = text.transpose()?;
    let environment: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let read_file = |path: &str| std::fs::read(path).map_err(|error| error.to_string());
    let file = match (file, &text) {
        (Some(path), Some(text)) => Some(File { path, text }),
        _ => None,
    };
    let sources = Sources {
        file,
        environment: &environment,
        database: &[],
        db_uri: None,
        read_file: &read_file,
    };
    Config::load(sources).map_err(|error| error.to_string())
}

/// Serves until it is told to stop.
fn serve(config: Arc<Config>) -> Result<(), String> {
    raise_descriptor_limit();
    let target = target(&config)?;
    let (commands, received) = mpsc::channel();
    let health = Arc::new(Health::new(commands.clone()));
    let authenticator = Arc::new(Authenticator::new(&config)?);
    let cores = make_cores(&config, &authenticator, &target, &health)?;
    start_admin(&config, &cores, &health)?;
    watch_signals(&cores, commands)?;
    // Pinned beside PostgreSQL's processes, which are not, one core was left without CPU time for
    // up to a second, and its clients with it: p99 320 ms instead of 5 ms, and no more throughput.
    let pin = config.server_pin_cores && !target.is_local();
    let mut threads = cores.start(pin).map_err(text)?;
    let (progress, loading) = mpsc::sync_channel(64);
    let control = Control {
        config: config.clone(),
        authenticator,
        target,
        cores: cores.clone(),
        health,
        commands: received,
        progress,
    };
    threads.push(spawn("control", move || control.run())?);
    if wait_for_catalog(&config, &loading) {
        let listener = bind_api(&config).map_err(text)?;
        log::notice(&format!("API server listening on {listener}"));
        cores.listen(listener).map_err(text)?;
    }
    for thread in threads {
        thread
            .join()
            .map_err(|_| "A thread of the server has panicked.")?;
    }
    Ok(())
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn spawn(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> Result<thread::JoinHandle<()>, String> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(text)
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

fn target(config: &Config) -> Result<Arc<Target>, String> {
    let target = Target::parse(config.db_uri.expose(), &Environment::of_process());
    Ok(Arc::new(
        target
            .map_err(text)?
            .with_fallback_application_name(APPLICATION_NAME),
    ))
}

fn make_cores(
    config: &Arc<Config>,
    authenticator: &Arc<Authenticator>,
    target: &Arc<Target>,
    health: &Arc<Health>,
) -> Result<Arc<Cores>, String> {
    let settings = CoresSettings {
        snapshot: Snapshot {
            config: config.clone(),
            authenticator: authenticator.clone(),
            catalog: None,
        },
        health: health.clone(),
        patience: Patience {
            idle: config.server_idle_timeout,
            header: config.server_header_timeout,
            body: config.server_body_timeout,
            write: config.server_write_timeout,
            acquisition: config.db_pool_acquisition_timeout,
        },
        limits: limits(config),
        clients_max: config.server_max_connections,
    };
    let division = divide(
        &available_cpus(),
        config.server_cores.map(NonZeroUsize::get),
        config.server_threads_per_core.map(NonZeroUsize::get),
        config.db_pool.get(),
    );
    let janitor = Arc::new(ScheduledThreadPool::new(1));
    let pool = |share: &Share| Pool::new(pool_settings(config, target, share, &janitor));
    let cores = Cores::new(settings, &division.cores, pool).map_err(text)?;
    log::notice(&format!(
        "Connection Pool initialized with a maximum size of {} connections",
        config.db_pool
    ));
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
    target: &Arc<Target>,
    share: &Share,
    janitor: &Arc<ScheduledThreadPool>,
) -> PoolSettings {
    PoolSettings {
        target: target.clone(),
        options: OpenOptions {
            attempt_timeout: config.db_pool_acquisition_timeout,
        },
        size: share.connections,
        idle_max: config.db_pool_max_idletime,
        lifetime_max: config.db_pool_max_lifetime,
        preparation: match config.db_prepared_statements {
            true => Preparation::Named,
            false => Preparation::Unnamed,
        },
        janitor: janitor.clone(),
    }
}

fn start_admin(config: &Config, cores: &Arc<Cores>, health: &Arc<Health>) -> Result<(), String> {
    let listener = match (&config.admin_server_unix_socket, config.admin_server_port) {
        (Some(path), _) => {
            bind_unix(Path::new(path), config.admin_server_unix_socket_mode.bits()).map_err(text)?
        }
        (None, Some(port)) => bind_host(&config.admin_server_host, port, ReusePort::No)?,
        (None, None) => return Ok(()),
    };
    log::notice(&format!("Admin server listening on {listener}"));
    let admin = Admin {
        listener,
        cores: cores.clone(),
        health: health.clone(),
    };
    spawn("admin", move || admin.run()).map(drop)
}

fn bind_api(config: &Config) -> Result<Listener, String> {
    if let Some(path) = &config.server_unix_socket {
        return bind_unix(Path::new(path), config.server_unix_socket_mode.bits()).map_err(text);
    }
    let reuse = if config.server_reuseport {
        ReusePort::Yes
    } else {
        ReusePort::No
    };
    bind_host(&config.server_host, config.server_port, reuse)
}

fn bind_host(host: &str, port: Port, reuse: ReusePort) -> Result<Listener, String> {
    let number = port
        .number()
        .ok_or("The port is not a number from 0 to 65535.")?;
    bind_tcp(host, number, reuse).map_err(text)
}

/// Signals come to a thread of their own, for what they ask for is more than a handler may do.
fn watch_signals(cores: &Arc<Cores>, commands: Sender<Command>) -> Result<(), String> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGUSR1, SIGUSR2]).map_err(text)?;
    let cores = cores.clone();
    let watch = move || {
        for signal in signals.forever() {
            match signal {
                SIGUSR1 => {
                    let _ = commands.send(Command::ReloadCatalog);
                }
                SIGUSR2 => log::error("Reloading the configuration is not part of this version."),
                _ => {
                    let name = if signal == SIGTERM {
                        "SIGTERM"
                    } else {
                        "SIGINT"
                    };
                    log::notice(&format!("Received termination unix signal {name}"));
                    cores.stop();
                    let _ = commands.send(Command::Stop);
                    return;
                }
            }
        }
    };
    spawn("signals", watch).map(drop)
}

/// Whether to open the doors: not when the server was stopped before there was a catalog.
fn wait_for_catalog(config: &Config, loading: &Receiver<Progress>) -> bool {
    loop {
        match loading.recv() {
            Ok(Progress::Loaded) => return true,
            Ok(Progress::Attempted) if config.server_reuseport => {}
            Ok(Progress::Attempted) => return true,
            Err(_) => return false,
        }
    }
}
