//! A row by its key under other circumstances, one of which changes from column to column.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::{Column, Setup};
use crate::contestant::{Database, Ended, Variant};
use crate::generator::Options;
use crate::scenario::POINT;
use crate::target;

/// In `connections`: so many clients.
const CONNECTIONS: [usize; 5] = [1, 8, 32, 256, 1024];
/// In `remote`: connections to PostgreSQL; a request holds one for at least a millisecond, so ten
/// of them would be the limit, whatever the server does.
const REMOTE_POOL: usize = 40;
/// In `remote`: so many clients, more than there are connections.
const REMOTE_CONNECTIONS: usize = 128;
const DELAY_US: u64 = 1_000;
/// In `remote`: threads of a core. Two cores have 20 connections each, so 21 is the default.
const THREADS: [usize; 4] = [4, 8, 16, 21];

pub(super) fn connections(setup: &Setup) -> io::Result<Vec<Column>> {
    let names = CONNECTIONS.map(|count| count.to_string());
    setup.rounds(&names, |name| {
        let connections = name.parse().map_err(io::Error::other)?;
        setup.load(&setup.server()?, &POINT, |options| Options {
            connections,
            ..options
        })
    })
}

pub(super) fn cores(setup: &Setup) -> io::Result<Vec<Column>> {
    setup.rounds(&["1 core", "2 cores"], |name| {
        let count = name.split(' ').next().unwrap_or_default();
        let variant = Variant {
            settings: vec![("PGRST_SERVER_CORES", count.to_owned())],
            ..Variant::default()
        };
        setup.load(&setup.server_with(&variant)?, &POINT, |options| options)
    })
}

pub(super) fn unix(setup: &Setup) -> io::Result<Vec<Column>> {
    setup.rounds(&["tcp", "unix socket"], |name| {
        let socket = (name != "tcp").then(free_socket).transpose()?;
        let variant = Variant {
            socket,
            ..Variant::default()
        };
        // The server removes it when it ends.
        setup.load(&setup.server_with(&variant)?, &POINT, |options| options)
    })
}

fn free_socket() -> io::Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("corerest-bench-{}.socket", std::process::id()));
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(path),
    }
}

pub(super) fn remote(setup: &Setup) -> io::Result<Vec<Column>> {
    let threads = THREADS.map(|threads| format!("{threads} threads"));
    let names: Vec<&str> = ["near", "proxy"]
        .into_iter()
        .chain(threads.iter().map(String::as_str))
        .collect();
    setup.rounds(&names, |name| {
        let near = Database {
            pool: REMOTE_POOL,
            ..setup.database.clone()
        };
        let threads = name.strip_suffix(" threads");
        let delay_us = threads.map_or(0, |_| DELAY_US);
        let far = (name != "near").then(|| put_away(setup, &near, delay_us));
        let (database, _proxy) = match far.transpose()? {
            None => (near, None),
            Some((far, proxy)) => (far, Some(proxy)),
        };
        // PostgreSQL is on this machine, which the server cannot know, but its processes move all
        // the same: threads that stay on their CPU would measure that.
        let mut settings = vec![("PGRST_SERVER_PIN_CORES", "false".to_owned())];
        let threads = threads.map(|count| ("PGRST_SERVER_THREADS_PER_CORE", count.to_owned()));
        settings.extend(threads);
        let variant = Variant {
            settings,
            ..Variant::default()
        };
        let running = setup.server_at(&database, &variant)?;
        setup.load(&running, &POINT, |options| Options {
            connections: REMOTE_CONNECTIONS,
            ..options
        })
    })
}

/// The same database behind a proxy.
pub(super) fn put_away(
    setup: &Setup,
    near: &Database,
    delay_us: u64,
) -> io::Result<(Database, Ended)> {
    let listen = SocketAddr::new(own_address()?, target::free_port()?);
    let socket = format!("{}/.s.PGSQL.{}", near.host, near.port);
    let proxy = Command::new(setup.program("proxy"))
        .args(["--listen", &listen.to_string(), "--socket", &socket])
        .args(["--delay-us", &delay_us.to_string()])
        .stdin(Stdio::null())
        .spawn()?;
    let far = Database {
        host: listen.ip().to_string(),
        port: listen.port().to_string(),
        ..near.clone()
    };
    Ok((far, Ended(proxy)))
}

/// An address of this machine that the server takes for another one: not a loopback address. To
/// connect a UDP socket sends nothing; it only asks for the way (the address is one for
/// documentation, RFC 5737).
fn own_address() -> io::Result<IpAddr> {
    let socket = UdpSocket::bind(("0.0.0.0", 0))?;
    let found = socket.connect(("198.51.100.1", 9));
    found.map_err(|_| io::Error::other("this machine has no address but loopback ones"))?;
    Ok(socket.local_addr()?.ip())
}
