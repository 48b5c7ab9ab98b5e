//! `--ready`: asks a running server whether it is ready, for health checks of containers that have
//! nothing else to ask with.
//!
//! Source: PostgREST's documentation, `references/cli` ("Ready flag"); the messages are its own.

use crate::net::Hasty;
use corerest_config::Config;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Hosts that name many addresses, or none that can be connected to.
const SPECIAL_HOSTS: [&str; 5] = ["*", "*4", "!4", "*6", "!6"];

/// How long connecting, and then the whole exchange, may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks, and says what was asked when the answer is yes.
///
/// # Errors
/// Why it is no.
pub(crate) fn ask(config: &Config) -> Result<String, String> {
    let host = config.admin_server_host.as_str();
    let Some(port) = config.admin_server_port else {
        let text = "ERROR: Admin server is not running. Please check admin-server-port config.";
        return Err(text.to_owned());
    };
    if SPECIAL_HOSTS.contains(&host) {
        return Err(format!(
            "ERROR: The `--ready` flag cannot be used when server-host is configured as \
             \"{host}\". Please update your server-host config to \"localhost\"."
        ));
    }
    let name = match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    };
    let url = format!("http://{name}:{port}/ready");
    let Some(number) = port.number() else {
        return Err(format!("ERROR: invalid url - {url}"));
    };
    match status(host, number, &name) {
        Ok(200..=299) => Ok(format!("OK: {url}\n")),
        Ok(_) => Err(format!("ERROR: {url}")),
        Err(_) => Err(format!("ERROR: connection refused to {url}")),
    }
}

/// The status of the answer, from the first address of the host that can be connected to.
fn status(host: &str, port: u16, name: &str) -> io::Result<u16> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(connection) => return exchange(&connection, name),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn exchange(connection: &TcpStream, name: &str) -> io::Result<u16> {
    let mut server = Hasty::new(connection, PATIENCE);
    write!(
        server,
        "GET /ready HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
    )?;
    let mut line = [0; "HTTP/1.1 200".len()];
    server.read_exact(&mut line)?;
    parse_status(&line).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn parse_status(line: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(line).ok()?;
    let (version, status) = text.split_once(' ')?;
    version
        .starts_with("HTTP/1.")
        .then(|| status.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_from_the_first_line() {
        assert_eq!(parse_status(b"HTTP/1.1 200"), Some(200));
        assert_eq!(parse_status(b"HTTP/1.0 503"), Some(503));
        assert_eq!(parse_status(b"SSH-2.0-Open"), None);
        assert_eq!(parse_status(b"HTTP/1.1 2x0"), None);
    }

    #[test]
    fn without_an_admin_server_nobody_is_asked() {
        let error = ask(&Config::default()).unwrap_err();
        assert!(error.starts_with("ERROR: Admin server is not running."));
    }
}
