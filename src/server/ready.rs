//! `--ready`: asks a running server whether it is ready, for health checks of containers that have
//! nothing else to ask with.
//!
//! Source: PostgREST's documentation, `references/cli` ("Ready flag"); the messages are its own.

use corerest_config::Config;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

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
            Ok(connection) => return exchange(connection, name),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn exchange(mut connection: TcpStream, name: &str) -> io::Result<u16> {
    let deadline = Instant::now() + PATIENCE;
    connection.set_write_timeout(Some(PATIENCE))?;
    // It fits into any socket's buffer, so only reading takes time.
    write!(
        connection,
        "GET /ready HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
    )?;
    let mut line = [0; "HTTP/1.1 200".len()];
    read_until(&mut connection, &mut line, deadline)?;
    parse_status(&line).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Reads as much as there is room for, by the deadline, however it comes.
fn read_until(stream: &mut TcpStream, mut space: &mut [u8], deadline: Instant) -> io::Result<()> {
    while !space.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(space)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => space = &mut space[count..],
        }
    }
    Ok(())
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
    fn an_answer_that_comes_byte_by_byte_has_one_deadline() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let dribbler = std::thread::spawn(move || {
            let mut said = 0;
            while server.write_all(b"H").is_ok() {
                std::thread::park_timeout(Duration::from_millis(20));
                said += 1;
                assert!(said < 500, "it is listened to for ever");
            }
        });
        let deadline = Instant::now() + Duration::from_millis(200);
        let read = read_until(&mut stream, &mut [0; 1000], deadline);
        assert!(read.is_err());
        drop(stream);
        dribbler.join().unwrap();
    }

    #[test]
    fn without_an_admin_server_nobody_is_asked() {
        let error = ask(&Config::default()).unwrap_err();
        assert!(error.starts_with("ERROR: Admin server is not running."));
    }
}
