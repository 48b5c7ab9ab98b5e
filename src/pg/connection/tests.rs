//! Batches for servers that have ended the session before the last byte was written.

use super::{Connection, Preparation, Reply};
use crate::connect::fake_server::{message, welcome};
use crate::connect::{Environment, OpenOptions, Target, open};
use crate::error::Retry;
use corerest_sql::{SqlBuf, Statement, sql};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

fn statement() -> Statement {
    let mut out = SqlBuf::new();
    sql!(out, "SELECT 1");
    out.finish()
}

fn refusal(severity: &str, code: &str, words: &str) -> Vec<u8> {
    let fields = format!("S{severity}\0V{severity}\0C{code}\0M{words}\0\0");
    message(b'E', fields.as_bytes())
}

fn read_some(client: &mut UnixStream) {
    let count = client.read(&mut [0; 4096]).expect("something was sent");
    assert!(count > 0, "the client is gone");
}

/// A connection to a server on a Unix socket, where a write to whoever is gone fails at once. The
/// script begins when the connection is idle.
fn connect(script: impl FnOnce(&mut UnixStream) + Send + 'static) -> (Connection, JoinHandle<()>) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("last-words-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("it can be made");
    let listener = UnixListener::bind(folder.join(".s.PGSQL.5432")).expect("it is unused");
    let (begin, begun) = mpsc::channel();
    let server = spawn(move || {
        let (mut client, _) = listener.accept().expect("a client comes");
        read_some(&mut client);
        client
            .write_all(&welcome("off", "off"))
            .expect("it listens");
        begun.recv().expect("it is let in");
        script(&mut client);
    });
    let uri = format!("host={} port=5432", folder.display());
    let environment = Environment::default().with_user("me");
    let target = Target::parse(&uri, &environment).expect("it is valid");
    let attempt_timeout = Duration::from_secs(10);
    let session = open(&target, &OpenOptions { attempt_timeout }).expect("it is let in");
    begin.send(()).expect("the server waits for it");
    std::fs::remove_dir_all(&folder).expect("it is ours");
    (Connection::new(session, Preparation::Named), server)
}

/// The batch was not looked at, so it may be sent again to another server if it only reads.
#[track_caller]
fn check_not_begun(says: Vec<u8>, expected: Option<&str>) {
    let (mut connection, server) = connect(move |client| {
        client.write_all(&says).expect("it listens");
    });
    server.join().expect("it has ended");
    let sent = connection.send(&[statement()], &[]);
    let error = sent.and_then(|()| connection.next_reply().map(|_| ()));
    let error = error.expect_err("the server is gone");
    assert_eq!(error.retry(), Retry::IfReadOnly, "{error}");
    let words = error.last_words().map(|words| words.message.as_str());
    assert_eq!(words, expected);
    assert!(connection.is_broken());
}

#[test]
fn the_last_words_of_a_server_that_is_gone_are_heard() {
    let words = refusal("FATAL", "57P01", "shutting down");
    check_not_begun(words, Some("shutting down"));
    check_not_begun(Vec::new(), None);
}

#[test]
fn the_last_words_are_heard_when_there_was_more_to_be_written() {
    let (mut connection, server) = connect(|client| {
        read_some(client);
        let mut bytes = [message(b'1', b""), message(b'2', b"")].concat();
        bytes.extend(refusal("ERROR", "22P02", "no number"));
        // The transaction is left open, so the client has to write once more.
        bytes.extend(message(b'Z', b"E"));
        bytes.extend(refusal("FATAL", "08P01", "no transactions here"));
        client.write_all(&bytes).expect("it listens");
    });
    connection.send(&[statement()], &[]).expect("it is there");
    server.join().expect("it has ended");
    for expected in ["no number", "no transactions here"] {
        match connection.next_reply() {
            Ok(Reply::Failed(error)) => assert_eq!(error.message, expected),
            other => panic!("{other:?}"),
        }
    }
    assert!(connection.is_broken());
}
