//! Batches for servers that end the session, or have much to say, before the last byte was
//! written.

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

/// A statement with the request's body as its value.
fn upload() -> Statement {
    let mut out = SqlBuf::new();
    sql!(out, "SELECT ");
    out.param_request_body();
    out.finish()
}

/// Sends a batch that no socket has room for to a server that says this before it reads a byte, and
/// returns what comes of it. Fails when that takes for ever.
fn talk_at_the_same_time(
    connect: impl FnOnce(Script) -> Connection + Send + 'static,
    says: Vec<u8>,
) -> Result<(), String> {
    let (tell, told) = mpsc::channel();
    spawn(move || {
        let mut connection = connect(Box::new(move |peer| {
            peer.write_all(&says).expect("it listens");
            let mut left = BODY_BYTES;
            let mut space = vec![0; 1 << 20];
            while left > 0 {
                let count = peer.read(&mut space).expect("it goes on");
                left = left.saturating_sub(count);
            }
            let done = [
                message(b'1', b""),
                message(b'2', b""),
                message(b'C', b"SELECT 0\0"),
            ];
            peer.write_all(&done.concat()).expect("it listens");
            peer.write_all(&message(b'Z', b"I")).expect("it listens");
            // Closing with unread bytes would take back what was said.
            let _ = peer.read_to_end(&mut space);
        }));
        let body = vec![b'x'; BODY_BYTES];
        let sent = connection.send(&[upload()], &body);
        let done = sent.and_then(|()| match connection.next_reply()? {
            Reply::Done => Ok(()),
            other => panic!("{other:?}"),
        });
        let _ = tell.send(done.map_err(|error| error.to_string()));
    });
    let patience = Duration::from_secs(20);
    told.recv_timeout(patience)
        .expect("both sides wait for each other")
}

/// More than the buffers of both sides hold.
const BODY_BYTES: usize = 20 << 20;

/// What a server does once it has let its client in.
type Script = Box<dyn FnOnce(&mut dyn Peer) + Send>;

trait Peer: Read + Write {}

impl<T: Read + Write> Peer for T {}

fn over_unix(script: Script) -> Connection {
    connect(move |client| script(client)).0
}

fn over_tcp(script: Script) -> Connection {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let port = listener.local_addr().expect("it is bound").port();
    let (begin, begun) = mpsc::channel();
    spawn(move || {
        let (mut client, _) = listener.accept().expect("a client comes");
        let count = client.read(&mut [0; 4096]).expect("something was sent");
        assert!(count > 0);
        client
            .write_all(&welcome("off", "off"))
            .expect("it listens");
        begun.recv().expect("it is let in");
        script(&mut client);
    });
    let uri = format!("host=127.0.0.1 port={port} sslmode=disable");
    let environment = Environment::default().with_user("me");
    let target = Target::parse(&uri, &environment).expect("it is valid");
    let attempt_timeout = Duration::from_secs(10);
    let session = open(&target, &OpenOptions { attempt_timeout }).expect("it is let in");
    begin.send(()).expect("the server waits for it");
    Connection::new(session, Preparation::Named)
}

fn notices() -> Vec<u8> {
    let notice = format!("SNOTICE\0VNOTICE\0C00000\0M{}\0\0", "n".repeat(1000));
    message(b'N', notice.as_bytes()).repeat(16_000)
}

#[test]
fn a_server_that_says_much_before_it_reads_is_heard_over_a_unix_socket() {
    assert_eq!(talk_at_the_same_time(over_unix, notices()), Ok(()));
}

#[test]
fn a_server_that_says_much_before_it_reads_is_heard_over_tcp() {
    assert_eq!(talk_at_the_same_time(over_tcp, notices()), Ok(()));
}

#[test]
fn a_server_that_says_much_that_has_to_be_kept_is_left() {
    let settings = message(b'S', b"application_name\0me\0").repeat(200_000);
    let error = talk_at_the_same_time(over_unix, settings).unwrap_err();
    assert!(error.contains("it says too much"), "{error}");
}
