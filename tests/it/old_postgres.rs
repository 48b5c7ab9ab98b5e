//! A PostgreSQL that is too old, played by a script: the server says so, and ends.

use corerest_tests::server::Server;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

/// What it answers when it is asked for its version.
const VERSION: &str =
    r#"{"version_number":130009,"version":"13.9","full_version":"PostgreSQL 13.9 on a museum"}"#;

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = 4 + u32::try_from(body.len()).expect("the script is short");
    let mut bytes = vec![tag];
    bytes.extend(length.to_be_bytes());
    bytes.extend(body);
    bytes
}

/// Lets the client in.
fn welcome() -> Vec<u8> {
    let mut bytes = message(b'R', &[0; 4]);
    bytes.extend(message(b'S', b"server_version\x0013.9\0"));
    bytes.extend(message(b'K', b"\0\0\0\x07\0\0\0\x09"));
    bytes.extend(message(b'Z', b"I"));
    bytes
}

/// Answers a batch of four statements, of which the last one has one row of one column.
fn answer(value: &str) -> Vec<u8> {
    let length = u32::try_from(value.len()).expect("the script is short");
    let mut row = vec![0, 1];
    row.extend(length.to_be_bytes());
    row.extend(value.as_bytes());
    let parsed = [message(b'1', b""), message(b'2', b"")].concat();
    let without_row = [&parsed[..], &message(b'C', b"SELECT 0\0")].concat();
    let mut bytes = without_row.repeat(3);
    bytes.extend(parsed);
    bytes.extend(message(b'D', &row));
    bytes.extend(message(b'C', b"SELECT 1\0"));
    bytes.extend(message(b'Z', b"I"));
    bytes
}

/// Answers a query that it does not understand.
fn refusal() -> Vec<u8> {
    let mut bytes = message(b'E', b"SERROR\0C42883\0Mno such function\0\0");
    bytes.extend(message(b'Z', b"I"));
    bytes
}

fn read_body(client: &mut TcpStream) -> Option<()> {
    let mut length = [0; 4];
    client.read_exact(&mut length).ok()?;
    let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
    client.read_exact(&mut vec![0; length.checked_sub(4)?]).ok()
}

/// Plays until the client is gone.
fn serve(mut client: TcpStream) -> Option<()> {
    read_body(&mut client)?;
    client.write_all(&welcome()).ok()?;
    loop {
        let mut tag = [0];
        client.read_exact(&mut tag).ok()?;
        read_body(&mut client)?;
        match tag[0] {
            b'S' => client.write_all(&answer(VERSION)).ok()?,
            b'Q' => client.write_all(&refusal()).ok()?,
            _ => {}
        }
    }
}

#[test]
fn a_postgresql_before_14_is_refused_by_name() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            std::thread::spawn(|| serve(client));
        }
    });
    let uri = format!("host=127.0.0.1 port={port} user=anybody dbname=any sslmode=disable");
    let mut server = Server::spawn(&[("db-uri", &uri)]);
    assert_eq!(server.await_exit().code(), Some(1));
    let log = server.stderr.whole();
    let refusal = "Cannot run in this PostgreSQL version (13.9), CoreREST needs at least 14.0";
    // The listener, which is refused as well, may have the last word.
    assert!(log.lines().any(|line| line.ends_with(refusal)), "{log}");
    assert!(!log.contains("API server listening"), "{log}");
}
