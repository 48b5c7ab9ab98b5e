//! Batches for servers that end the session, or talk without end, before the last byte is written.

use super::{Connection, Preparation, ReadBatch, Reply, RequestBody};
use crate::connect::fake_server::{message, welcome};
use crate::connect::{Environment, OpenOptions, Target, open};
use crate::error::{Error, Retry};
use corerest_sql::{Guise, SqlBuf, SqlText, Statement, sql};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, mpsc};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

/// A certificate for nobody, and its key, made by `openssl req -x509`.
const IDENTITY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgP8Xevkp+YRNGeK4X
/4J6Rnkf2LkL4f0x4bBORHJKVbOhRANCAAQyouVMHwmyUHfaCDopICER8cepTlVz
JWikd7ajAXW9GEuFDmeNEsIkgxSNHjlHZq28GMGo9pzXm/d8xFUMZ8Ae
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBbzCCARWgAwIBAgIUFIE3W6Q7rx/m/KQuiUheOlZ+KpAwCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBeDAgFw0yNjExMjkwODU0MzZaGA8yMTI2MTEwNTA4NTQzNlow
DDEKMAgGA1UEAwwBeDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABDKi5UwfCbJQ
d9oIOikgIRHxx6lOVXMlaKR3tqMBdb0YS4UOZ40SwiSDFI0eOUdmrbwYwaj2nNeb
93zEVQxnwB6jUzBRMB0GA1UdDgQWBBQnXscgckeZaIzfrwYw/VqWRfx6WTAfBgNV
HSMEGDAWgBQnXscgckeZaIzfrwYw/VqWRfx6WTAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0gAMEUCIFIhQ9hXJPEU2oqmxkDL4XWFJBdUTnleSUsIirTE2yen
AiEA88PAsEMqvekvoORyWqqTlY4P8bpMO9iRCK6Lr7zg8Wk=
-----END CERTIFICATE-----
";

/// More than any socket holds.
const LARGE_BYTES: usize = 20 << 20;

/// The client as a server sees it.
trait Client: Read + Write {}

impl<T: Read + Write> Client for T {}

/// How they are connected.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// A write to whoever is gone fails at once here.
    Unix,
    Tcp,
    Tls,
}

const WAYS: [Way; 3] = [Way::Unix, Way::Tcp, Way::Tls];

fn statement() -> Statement {
    let mut out = SqlBuf::new();
    sql!(out, "SELECT 1");
    out.finish()
}

fn refusal(severity: &str, code: &str, words: &str) -> Vec<u8> {
    let fields = format!("S{severity}\0V{severity}\0C{code}\0M{words}\0\0");
    message(b'E', fields.as_bytes())
}

/// What PostgreSQL itself says with such a tag, as opposed to a pooler.
fn farewell(tag: u8, severity: &str, code: &str, routine: &str) -> Vec<u8> {
    let fields =
        format!("S{severity}\0V{severity}\0C{code}\0Mgoodbye\0Fpostgres.c\0L1\0R{routine}\0\0");
    message(tag, fields.as_bytes())
}

fn upload() -> Statement {
    let mut out = SqlBuf::new();
    sql!(out, "SELECT ");
    out.param_request_body();
    out.finish()
}

fn read_some(client: &mut dyn Client) {
    let count = client.read(&mut [0; 4096]).expect("something was sent");
    assert!(count > 0, "the client is gone");
}

/// Reads a message, and returns its tag.
fn read_message(client: &mut dyn Client) -> u8 {
    let mut header = [0; 5];
    client.read_exact(&mut header).expect("a message");
    let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
    let body = std::io::copy(
        &mut client.take(u64::from(length) - 4),
        &mut std::io::sink(),
    );
    body.expect("all of it");
    header[0]
}

/// Reads to the Sync of a batch.
fn read_batch(client: &mut dyn Client) {
    while read_message(client) != b'S' {}
}

/// What a server says to a batch of one statement that has no rows.
fn answer() -> Vec<u8> {
    let messages = [
        message(b'1', b""),
        message(b'2', b""),
        message(b'C', b"SELECT 0\0"),
        message(b'Z', b"I"),
    ];
    messages.concat()
}

type Script = Box<dyn FnOnce(&mut dyn Client) + Send>;

/// Listens, and returns where. The script begins when the client has been welcomed.
fn listen(way: Way, script: Script) -> (String, JoinHandle<()>) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    if let Way::Unix = way {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("batches-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("it can be made");
        let listener = UnixListener::bind(folder.join(".s.PGSQL.5432")).expect("it is unused");
        let place = format!("host={} port=5432", folder.display());
        let server = spawn(move || {
            let (mut client, _) = listener.accept().expect("a client comes");
            std::fs::remove_dir_all(&folder).expect("it is ours");
            play(&mut client, script);
        });
        return (place, server);
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("the system has a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let mode = match way {
        Way::Tls => "require",
        Way::Unix | Way::Tcp => "disable",
    };
    let server = spawn(move || {
        let (mut client, _) = listener.accept().expect("a client comes");
        match way {
            Way::Tls => {
                client.read_exact(&mut [0; 8]).expect("it asks for TLS");
                client.write_all(b"S").expect("it listens");
                play(&mut StreamOwned::new(tls_server(&[]), client), script);
            }
            Way::Unix | Way::Tcp => play(&mut client, script),
        }
    });
    (format!("host=127.0.0.1 port={port} sslmode={mode}"), server)
}

/// One that agrees on these protocols (ALPN).
fn tls_server(protocols: &[&str]) -> ServerConnection {
    let chain = CertificateDer::pem_slice_iter(IDENTITY.as_bytes()).collect::<Result<_, _>>();
    let key = PrivateKeyDer::from_pem_slice(IDENTITY.as_bytes()).expect("it is a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("it has some")
        .with_no_client_auth()
        .with_single_cert(chain.expect("it is a certificate"), key)
        .expect("they fit");
    let protocols = protocols.iter().map(|name| name.as_bytes().to_vec());
    config.alpn_protocols = protocols.collect();
    ServerConnection::new(Arc::new(config)).expect("nothing is missing")
}

fn play(client: &mut dyn Client, script: Script) {
    read_some(client);
    let welcomed = client.write_all(&welcome("off", "off"));
    welcomed.and_then(|()| client.flush()).expect("it listens");
    script(client);
}

/// A connection to a server of which the script begins when the connection is idle.
fn connect(
    way: Way,
    script: impl FnOnce(&mut dyn Client) + Send + 'static,
) -> (Connection, JoinHandle<()>) {
    let (begin, begun) = mpsc::channel();
    let script = Box::new(move |client: &mut dyn Client| {
        begun.recv().expect("it is let in");
        script(client);
    });
    let (place, server) = listen(way, script);
    let connection = connect_to(&place, OpenOptions::default());
    begin.send(()).expect("the server waits for it");
    (connection, server)
}

fn connect_to(place: &str, options: OpenOptions) -> Connection {
    let environment = Environment::default().with_user("me");
    let target = Target::parse(place, &environment).expect("it is valid");
    let attempt_timeout = Duration::from_secs(10);
    let session = open(
        &target,
        &OpenOptions {
            attempt_timeout,
            ..options
        },
    )
    .expect("it is let in");
    Connection::new(session, Preparation::Named)
}

/// Does it in a thread of its own, and fails if it takes for ever.
#[track_caller]
fn in_time<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    spawn(move || done.send(act()));
    let result = result.recv_timeout(Duration::from_secs(30));
    result.expect("it neither fails nor waits for ever")
}

/// Sends a large batch, and returns what its first reply is, in words.
fn reply_to_upload(connection: &mut Connection) -> Result<String, Error> {
    let body = vec![b'x'; LARGE_BYTES];
    connection.send(&[upload()], RequestBody::Plain(&body))?;
    Ok(match connection.next_reply()? {
        Reply::Row(_) => "row".to_owned(),
        Reply::Failed(error) => error.message,
        Reply::Settled => "settled".to_owned(),
        Reply::Done => "done".to_owned(),
    })
}

/// What may be done about a batch that a server has read and answered so, before it was gone.
#[track_caller]
fn check_retry(says: &[Vec<u8>], words: Option<&str>, retry: Retry) {
    for way in WAYS {
        let says = says.concat();
        let (mut connection, server) = connect(way, move |client| {
            read_batch(client);
            client.write_all(&says).expect("it listens");
            client.flush().expect("it listens");
        });
        let error = in_time(move || {
            let mut sent = connection.send(&[statement()], RequestBody::NONE);
            while sent.is_ok() {
                sent = connection.next_reply().map(|_| ());
            }
            assert!(connection.is_broken());
            sent.expect_err("the server is gone")
        });
        server.join().expect("it has ended");
        assert_eq!(error.retry(), retry, "{way:?}: {error}");
        let found = error.last_words().map(|words| words.message.as_str());
        assert_eq!(found, words, "{way:?}");
    }
}

#[test]
fn what_postgresql_has_not_begun_with_may_be_sent_again() {
    let killed = farewell(b'E', "FATAL", "57P01", "ProcessInterrupts");
    let crashed = farewell(b'N', "WARNING", "57P02", "quickdie");
    let notice = message(b'N', b"SNOTICE\0VNOTICE\0C00000\0Mhello\0\0");
    let setting = message(b'S', b"TimeZone\0UTC\0");
    for before in [Vec::new(), notice, setting] {
        let says = [before.clone(), killed.clone()];
        check_retry(&says, Some("goodbye"), Retry::OtherConnection);
        let says = [before, crashed.clone()];
        check_retry(&says, None, Retry::OtherConnection);
    }
}

#[test]
fn what_may_have_been_done_is_not_sent_again_if_it_writes() {
    let pooler = refusal("FATAL", "08P01", "server conn crashed?");
    check_retry(&[pooler], Some("server conn crashed?"), Retry::IfReadOnly);
    let other_warning = farewell(b'N', "WARNING", "57P02", "exec_stmt_raise");
    check_retry(&[other_warning], None, Retry::IfReadOnly);
    check_retry(&[], None, Retry::IfReadOnly);
    let crashed = farewell(b'N', "WARNING", "57P02", "quickdie");
    check_retry(&[message(b'1', b""), crashed], None, Retry::IfReadOnly);
}

/// What the last reply is, in words, to a batch that is answered so before the server is gone.
fn last_reply(says: &[Vec<u8>]) -> String {
    let says = says.concat();
    let (mut connection, server) = connect(Way::Unix, move |client| {
        read_batch(client);
        client.write_all(&says).expect("it listens");
    });
    connection
        .send(&[statement()], RequestBody::NONE)
        .expect("it is there");
    let reply = match connection.next_reply() {
        Ok(Reply::Settled) => "settled".to_owned(),
        Ok(Reply::Done) => "done".to_owned(),
        Ok(Reply::Failed(error)) => format!("failed: {}", error.message),
        Ok(Reply::Row(_)) => "row".to_owned(),
        Err(error) => format!("{:?}", error.retry()),
    };
    assert!(connection.is_broken());
    server.join().expect("it has ended");
    reply
}

/// What the replies are, in words, to a batch with a statement behind it.
fn replies_with_one_behind(says: &[Vec<u8>]) -> Vec<String> {
    let says = says.concat();
    let (mut connection, server) = connect(Way::Unix, move |client| {
        // The statement behind it has a Sync of its own.
        (0..2).for_each(|_| read_batch(client));
        client.write_all(&says).expect("it listens");
    });
    let replies = in_time(move || {
        connection.ask_behind(statement());
        let sent = connection.send(&[statement()], RequestBody::NONE);
        sent.expect("it is there");
        let mut replies = Vec::new();
        loop {
            let reply = match connection.next_reply() {
                Ok(Reply::Row(row)) => format!("row of {}", row.statement),
                Ok(Reply::Failed(error)) => error.message,
                Ok(Reply::Settled) => "settled".to_owned(),
                Ok(Reply::Done) => "done".to_owned(),
                Err(error) => format!("{:?}", error.retry()),
            };
            replies.push(reply);
            if connection.is_idle() || connection.is_broken() {
                return replies;
            }
        }
    });
    server.join().expect("it has ended");
    replies
}

#[test]
fn a_statement_behind_a_batch_is_answered_when_the_batch_is_over() {
    let parsed = [message(b'1', b""), message(b'2', b"")].concat();
    let row = message(b'D', b"\0\x01\0\0\0\x02hi");
    let ends = [message(b'C', b"SELECT 1\0"), message(b'Z', b"I")].concat();
    let one = [parsed.clone(), row.clone(), ends.clone()].concat();
    let replies = replies_with_one_behind(&[one.clone(), one.clone()]);
    assert_eq!(replies, ["row of 0", "settled", "row of 1", "done"]);
    // What is wrong with one says nothing of the other, and has nothing sent again.
    let fails = |code| {
        [
            message(b'1', b""),
            refusal("ERROR", code, "no"),
            message(b'Z', b"I"),
        ]
    };
    for code in ["22012", "42P01", "0A000", "26000"] {
        let replies = replies_with_one_behind(&[one.clone(), fails(code).concat()]);
        assert_eq!(replies, ["row of 0", "settled", "no", "done"], "{code}");
    }
    let replies = replies_with_one_behind(&[fails("22012").concat(), one.clone()]);
    assert_eq!(replies, ["no", "settled", "row of 1", "done"]);
    let replies = replies_with_one_behind(&[one]);
    assert_eq!(replies, ["row of 0", "settled", "IfReadOnly"]);
}

#[test]
fn an_end_in_the_middle_of_a_batch_is_what_it_was_when_it_came() {
    let parsed = message(b'1', b"");
    let bound = message(b'2', b"");
    let inserted = message(b'C', b"INSERT 0 1\0");
    let committed = message(b'C', b"COMMIT\0");
    let own = farewell(b'E', "FATAL", "57P01", "ProcessInterrupts");
    let poolers = refusal("FATAL", "08P01", "server conn crashed?");
    let done = [parsed, bound];
    let with = |more: &[&Vec<u8>]| {
        let more = more.iter().map(|bytes| (*bytes).clone());
        done.iter().cloned().chain(more).collect::<Vec<_>>()
    };
    assert_eq!(last_reply(&with(&[&committed, &own])), "done");
    assert_eq!(last_reply(&with(&[&committed, &poolers])), "done");
    assert_eq!(last_reply(&with(&[&inserted, &own])), "failed: goodbye");
    assert_eq!(last_reply(&with(&[&inserted, &poolers])), "IfReadOnly");
}

#[test]
fn what_never_left_may_be_sent_again() {
    let (mut connection, server) = connect(Way::Unix, |_| {});
    server.join().expect("it has ended");
    let sent = connection.send(&[statement()], RequestBody::NONE);
    let error = sent.and_then(|()| connection.next_reply().map(|_| ()));
    let error = error.expect_err("the server is gone");
    assert_eq!(error.retry(), Retry::OtherConnection, "{error}");
}

#[test]
fn the_last_words_are_heard_when_there_was_more_to_be_written() {
    let (mut connection, server) = connect(Way::Unix, |client| {
        read_some(client);
        let mut bytes = [message(b'1', b""), message(b'2', b"")].concat();
        bytes.extend(refusal("ERROR", "22P02", "no number"));
        // The transaction is left open, so the client has to write once more.
        bytes.extend(message(b'Z', b"E"));
        bytes.extend(refusal("FATAL", "08P01", "no transactions here"));
        client.write_all(&bytes).expect("it listens");
    });
    connection
        .send(&[statement()], RequestBody::NONE)
        .expect("it is there");
    server.join().expect("it has ended");
    for expected in ["no number", "no transactions here"] {
        match connection.next_reply() {
            Ok(Reply::Failed(error)) => assert_eq!(error.message, expected),
            other => panic!("{other:?}"),
        }
    }
    assert!(connection.is_broken());
}

#[test]
fn a_server_that_says_megabytes_before_it_reads_is_heard_meanwhile() {
    for way in WAYS {
        let (mut connection, server) = connect(way, |client| {
            let fields = format!("SNOTICE\0M{}\0\0", "n".repeat(1000));
            let huge = format!("SNOTICE\0M{}\0\0", "n".repeat(4 << 20));
            let mut notices = message(b'N', fields.as_bytes()).repeat(8000);
            notices.extend(message(b'N', huge.as_bytes()));
            client.write_all(&notices).expect("it listens");
            read_batch(client);
            client.write_all(&answer()).expect("it listens");
            client.flush().expect("it listens");
        });
        let (reply, connection) = in_time(move || {
            let reply = reply_to_upload(&mut connection);
            (reply, connection)
        });
        assert_eq!(reply.expect("it is answered"), "done", "{way:?}");
        assert!(connection.is_idle());
        assert!(connection.input.len() == 0);
        server.join().expect("the script ran to its end");
    }
}

#[test]
fn a_large_batch_for_a_server_that_reads_slowly_arrives_as_it_is() {
    for way in WAYS {
        let (mut connection, server) = connect(way, |client| {
            let mut bytes = Vec::new();
            while !bytes.ends_with(b"S\0\0\0\x04") {
                let start = bytes.len();
                bytes.resize(start + 8192, 0);
                let count = client.read(&mut bytes[start..]).expect("there is more");
                assert!(count > 0, "the client is gone");
                bytes.truncate(start + count);
            }
            let body = bytes.iter().filter(|byte| **byte == b'x').count();
            assert_eq!(body, LARGE_BYTES);
            client.write_all(&answer()).expect("it listens");
            client.flush().expect("it listens");
        });
        let reply = in_time(move || reply_to_upload(&mut connection));
        assert_eq!(reply.expect("it is answered"), "done", "{way:?}");
        server.join().expect("the script ran to its end");
    }
}

#[test]
fn a_server_that_says_too_much_before_it_reads_is_left() {
    for way in WAYS {
        let (mut connection, server) = connect(way, |client| {
            let settings = message(b'S', b"a\0b\0").repeat(8 << 20);
            // The client goes away in the middle of it.
            let _ = client.write_all(&settings);
        });
        let (reply, is_broken) = in_time(move || {
            let reply = reply_to_upload(&mut connection);
            (reply, connection.is_broken())
        });
        let error = reply.expect_err("it is left");
        assert!(error.to_string().contains("too much"), "{way:?}: {error}");
        assert!(is_broken);
        server.join().expect("the script ran to its end");
    }
}

#[test]
fn a_large_error_is_heard_before_the_batch_is_written() {
    let length = 15 << 20;
    let (mut connection, server) = connect(Way::Unix, move |client| {
        let words = refusal("ERROR", "22P02", &"e".repeat(length));
        let bytes = [message(b'1', b""), words].concat();
        client.write_all(&bytes).expect("it listens");
        read_batch(client);
        client.write_all(&message(b'Z', b"I")).expect("it listens");
    });
    let reply = in_time(move || {
        let reply = reply_to_upload(&mut connection);
        let is_done = matches!(connection.next_reply(), Ok(Reply::Done));
        reply.map(|words| (words.len(), is_done))
    });
    assert_eq!(reply.expect("it is answered"), (length, true));
    server.join().expect("the script ran to its end");
}

#[test]
fn the_last_words_are_heard_when_a_batch_was_written_by_half() {
    for way in WAYS {
        let (mut connection, server) = connect(way, move |client| {
            read_some(client);
            let words = refusal("FATAL", "57P01", "shutting down");
            client.write_all(&words).expect("it listens");
            client.flush().expect("it listens");
        });
        let (reply, is_broken) = in_time(move || {
            let reply = reply_to_upload(&mut connection);
            (reply, connection.is_broken())
        });
        let error = reply.expect_err("the server is gone");
        let words = error.last_words().map(|words| words.message.as_str());
        assert_eq!(words, Some("shutting down"), "{way:?}: {error}");
        assert!(is_broken);
        server.join().expect("the script ran to its end");
    }
}

#[test]
fn a_server_that_is_gone_without_a_word_in_the_middle_of_a_batch_is_lost() {
    for way in WAYS {
        let (mut connection, server) = connect(way, read_some);
        let reply = in_time(move || reply_to_upload(&mut connection));
        let error = reply.expect_err("the server is gone");
        assert!(matches!(error, Error::Lost { .. }), "{way:?}: {error}");
        server.join().expect("the script ran to its end");
    }
}

#[test]
fn replies_that_come_byte_by_byte_are_understood() {
    for way in WAYS {
        let (mut connection, server) = connect(way, |client| {
            read_batch(client);
            let mut bytes = [message(b'1', b""), message(b'2', b"")].concat();
            bytes.extend(message(b'D', b"\0\x01\0\0\0\x05hello"));
            bytes.extend(message(b'C', b"SELECT 1\0"));
            bytes.extend(message(b'Z', b"I"));
            for byte in bytes {
                client.write_all(&[byte]).expect("it listens");
                client.flush().expect("it listens");
            }
        });
        let body = in_time(move || {
            connection
                .send(&[statement()], RequestBody::NONE)
                .expect("it is there");
            assert!(matches!(connection.next_reply(), Ok(Reply::Row(_))));
            let mut body = Vec::new();
            let left = connection.take_body(&mut body, usize::MAX);
            assert_eq!(left.expect("it comes"), 0);
            assert!(matches!(connection.next_reply(), Ok(Reply::Done)));
            body
        });
        assert_eq!(body, b"hello", "{way:?}");
        server.join().expect("the script ran to its end");
    }
}

#[test]
fn who_listens_to_a_silent_server_loses_patience() {
    let (stay, stayed) = mpsc::channel::<()>();
    let (mut connection, server) = connect(Way::Unix, move |client| {
        read_batch(client);
        let _ = stayed.recv();
    });
    let patience = Duration::from_millis(20);
    connection.keep_notifications();
    connection.set_patience(patience);
    connection
        .send(&[statement()], RequestBody::NONE)
        .expect("it is there");
    let error = connection
        .next_reply()
        .map(|_| ())
        .expect_err("it is silent");
    assert!(matches!(error, Error::Lost { .. }), "{error}");
    drop(stay);
    server.join().expect("the script ran to its end");
}

#[test]
fn patience_ends_in_the_middle_of_a_body_too() {
    let (stay, stayed) = mpsc::channel::<()>();
    let (mut connection, server) = connect(Way::Unix, move |client| {
        read_batch(client);
        let mut bytes = [message(b'1', b""), message(b'2', b"")].concat();
        let row = message(b'D', b"\0\x01\0\0\0\x05hello");
        bytes.extend(&row[..row.len() - 3]);
        client.write_all(&bytes).expect("it listens");
        let _ = stayed.recv();
    });
    connection.set_patience(Duration::from_millis(20));
    connection
        .send(&[statement()], RequestBody::NONE)
        .expect("it is there");
    assert!(matches!(connection.next_reply(), Ok(Reply::Row(_))));
    let mut body = Vec::new();
    assert_eq!(connection.take_body(&mut body, 2).expect("it came"), 3);
    let error = in_time(move || connection.has_more_soon().expect_err("it is silent"));
    assert!(matches!(error, Error::Lost { .. }), "{error}");
    drop(stay);
    server.join().expect("the script ran to its end");
}

/// What a server says to a batch of one statement that is prepared and has no rows.
fn answer_of_prepared() -> Vec<u8> {
    let messages = [
        message(b'2', b""),
        message(b'C', b"SELECT 0\0"),
        message(b'Z', b"I"),
    ];
    messages.concat()
}

fn quiet(statements: &[Statement; 1]) -> ReadBatch<'_> {
    ReadBatch {
        statements,
        request_body: &[],
        guise: None,
    }
}

/// A connection that has prepared the statement, to a server that reads so many batches after that
/// and then says this.
fn connect_prepared(batches: usize, says: &[Vec<u8>]) -> (Connection, JoinHandle<()>) {
    let says = says.concat();
    let (mut connection, server) = connect(Way::Unix, move |client| {
        read_batch(client);
        client.write_all(&answer()).expect("it listens");
        (0..batches).for_each(|_| read_batch(client));
        client.write_all(&says).expect("it listens");
    });
    let sent = connection.send(&[statement()], RequestBody::NONE);
    sent.expect("it is there");
    assert!(matches!(connection.next_reply(), Ok(Reply::Done)));
    (connection, server)
}

#[test]
fn several_batches_in_one_write_are_answered_one_after_the_other() {
    let refused = [
        refusal("ERROR", "22P02", "that is no number"),
        message(b'Z', b"I"),
    ];
    let says = [answer_of_prepared(), refused.concat(), answer_of_prepared()];
    let (mut connection, server) = connect_prepared(3, &says);
    let batch = [statement()];
    let sent = connection.send_together([quiet(&batch); 3]);
    assert_eq!(sent.expect("it is there"), 3);
    assert!(matches!(connection.next_reply(), Ok(Reply::Done)));
    assert!(!connection.is_idle());
    assert!(matches!(connection.next_reply(), Ok(Reply::Failed(_))));
    assert!(matches!(connection.next_reply(), Ok(Reply::Done)));
    assert!(!connection.is_idle());
    assert!(matches!(connection.next_reply(), Ok(Reply::Done)));
    assert!(connection.is_idle());
    server.join().expect("it has ended");
}

#[test]
fn only_batches_that_are_prepared_are_sent_together() {
    let (mut connection, server) = connect_prepared(1, &[answer_of_prepared()]);
    let mut out = SqlBuf::new();
    sql!(out, "SELECT 2");
    let (known, unknown) = ([statement()], [out.finish()]);
    let sent = connection.send_together([&unknown, &known].map(quiet));
    assert_eq!(sent.expect("it is there"), 0);
    assert!(connection.is_idle());
    let sent = connection.send_together([&known, &unknown, &known].map(quiet));
    assert_eq!(sent.expect("it is there"), 1);
    assert!(matches!(connection.next_reply(), Ok(Reply::Done)));
    assert!(connection.is_idle());
    server.join().expect("it has ended");
}

#[test]
fn a_server_that_ends_between_batches_leaves_the_others_unanswered() {
    for says in [
        vec![answer_of_prepared()],
        vec![
            answer_of_prepared(),
            farewell(b'E', "FATAL", "57P01", "ProcessInterrupts"),
        ],
        // Whoever is in a transaction now would find the others in it.
        vec![
            answer_of_prepared(),
            message(b'2', b""),
            message(b'C', b"BEGIN\0"),
            message(b'Z', b"T"),
        ],
    ] {
        let (mut connection, server) = connect_prepared(3, &says);
        let batch = [statement()];
        let sent = connection.send_together([quiet(&batch); 3]);
        assert_eq!(sent.expect("it is there"), 3);
        assert!(matches!(connection.next_reply(), Ok(Reply::Done)));
        in_time(move || {
            assert!(connection.next_reply().is_err());
            assert!(connection.is_broken());
        });
        server.join().expect("it has ended");
    }
}

/// What it is asked about itself: its process, when it began, and how it sees us. The first of
/// these is as it should be.
const IDENTITIES: [[Option<&str>; 4]; 4] = [
    [Some("7"), Some("1"), None, Some("5432")],
    [Some("8"), Some("1"), None, Some("5432")],
    [Some("7"), Some("1"), Some("1234"), Some("5432")],
    [Some("7"), Some("1"), None, Some("6432")],
];

fn row(columns: [Option<&str>; 4]) -> Vec<u8> {
    let mut body = 4_i16.to_be_bytes().to_vec();
    for column in columns {
        let length = column.map_or(-1, |text| i32::try_from(text.len()).expect("it is short"));
        body.extend(length.to_be_bytes());
        body.extend(column.unwrap_or_default().as_bytes());
    }
    message(b'D', &body)
}

/// Answers as much as ends with a Sync, or a simple query, and returns the tags of its messages.
fn serve(client: &mut dyn Client) -> String {
    let mut tags = String::new();
    let mut says = Vec::new();
    loop {
        let tag = read_message(client);
        tags.push(char::from(tag));
        let done = || message(b'C', b"SELECT 0\0");
        says.extend(match tag {
            b'P' => message(b'1', b""),
            b'B' => message(b'2', b""),
            b'C' => message(b'3', b""),
            b'E' => done(),
            b'Q' => [done(), done()].concat(),
            _ => Vec::new(),
        });
        if matches!(tag, b'S' | b'Q') {
            says.extend(message(b'Z', b"I"));
            client.write_all(&says).expect("it listens");
            return tags;
        }
    }
}

/// Statements without parameters.
fn numbered(number: usize) -> Statement {
    let mut out = SqlBuf::new();
    sql!(out, "SELECT ");
    out.place(number);
    out.finish()
}

fn impossible() -> Statement {
    let mut out = SqlBuf::new();
    (0..=u16::MAX).for_each(|_| out.param(None));
    out.finish()
}

fn guise() -> &'static Guise {
    static SINGLES: LazyLock<Vec<SqlText>> = LazyLock::new(|| vec![numbered(3).text]);
    static GUISE: LazyLock<Guise> = LazyLock::new(|| Guise {
        for_session: numbered(2).text,
        single_from: 0,
        singles: &SINGLES,
    });
    &GUISE
}

fn send_quiet(connection: &mut Connection, statements: &[Statement]) -> Result<(), Error> {
    let guise = Some(guise());
    connection.send_quiet(ReadBatch {
        statements,
        request_body: &[],
        guise,
    })
}

/// A connection to a server that says this of itself, answers so many batches, and then follows the
/// script.
fn connect_with_identity(
    identity: [Option<&'static str>; 4],
    batches: usize,
    script: impl FnOnce(&mut dyn Client) + Send + 'static,
) -> (Connection, JoinHandle<()>) {
    let script = move |client: &mut dyn Client| {
        assert_eq!(read_message(client), b'Q');
        let done = message(b'C', b"SELECT 1\0");
        let says = [row(identity), done, message(b'Z', b"I")].concat();
        client.write_all(&says).expect("it listens");
        for _ in 0..batches {
            serve(client);
        }
        script(client);
    };
    let (place, server) = listen(Way::Unix, Box::new(script));
    let options = OpenOptions {
        asks_identity: true,
        ..OpenOptions::default()
    };
    (connect_to(&place, options), server)
}

/// So many quiet batches make the next one dress.
const ENOUGH: usize = 16;

fn read_done(connection: &mut Connection) {
    let done = connection.next_reply();
    assert!(matches!(done, Ok(Reply::Done)), "{done:?}");
}

/// Sends quiet batches that want the same.
fn want(connection: &mut Connection, times: usize) {
    for _ in 0..times {
        send_quiet(connection, &[statement(), numbered(1)]).expect("it is there");
        read_done(connection);
    }
}

fn send_loud(connection: &mut Connection) {
    let sent = connection.send(&[numbered(1)], RequestBody::NONE);
    sent.expect("it is there");
    read_done(connection);
}

/// What the server is sent after a connection has done this, each of it answered.
fn sent(
    identity: [Option<&'static str>; 4],
    before: usize,
    batches: usize,
    act: impl FnOnce(&mut Connection) + Send + 'static,
) -> Vec<String> {
    let (tell, told) = mpsc::channel();
    let (mut connection, server) = connect_with_identity(identity, before, move |client| {
        let all = (0..batches).map(|_| serve(client)).collect();
        tell.send(all).expect("the test waits for it");
    });
    in_time(move || {
        want(&mut connection, before);
        act(&mut connection);
    });
    server.join().expect("the script ran to its end");
    told.recv().expect("it has told")
}

#[test]
fn settings_are_made_for_the_session_where_the_server_is_known_to_be_ours() {
    let [ours, others @ ..] = IDENTITIES;
    let loud = |connection: &mut Connection| {
        want(connection, 2);
        send_loud(connection);
    };
    let dressed = ["PBEBES", "BES", "Q", "BES"];
    assert_eq!(sent(ours, ENOUGH, 4, loud), dressed);
    for other in others {
        assert_eq!(sent(other, ENOUGH, 3, loud), ["BEBES", "BEBES", "BES"]);
    }
}

#[test]
fn a_batch_that_cannot_be_written_changes_nothing_of_what_is_worn() {
    let [ours, ..] = IDENTITIES;
    let is_refused = |sent: Result<(), Error>| assert!(matches!(sent, Err(Error::Encode(_))));
    let undressing = move |connection: &mut Connection| {
        is_refused(connection.send(&[impossible()], RequestBody::NONE));
        send_loud(connection);
    };
    assert_eq!(sent(ours, ENOUGH + 1, 2, undressing), ["Q", "BES"]);
    let dressing = move |connection: &mut Connection| {
        is_refused(send_quiet(connection, &[statement(), impossible()]));
        send_loud(connection);
        want(connection, 1);
    };
    assert_eq!(sent(ours, ENOUGH, 2, dressing), ["BES", "BEBES"]);
}

#[test]
fn a_session_that_stays_dressed_is_left_and_its_batch_may_be_sent_again() {
    let [ours, ..] = IDENTITIES;
    let says = [
        refusal("ERROR", "57014", "canceling statement due to user request"),
        message(b'Z', b"I"),
        answer_of_prepared(),
    ];
    let (mut connection, server) = connect_with_identity(ours, ENOUGH + 1, move |client| {
        read_batch(client);
        client.write_all(&says.concat()).expect("it listens");
    });
    in_time(move || {
        want(&mut connection, ENOUGH + 1);
        let sent = connection.send(&[numbered(1)], RequestBody::NONE);
        sent.expect("it is there");
        let error = connection.next_reply().expect_err("it is still dressed");
        assert_eq!(error.retry(), Retry::OtherConnection, "{error}");
        assert!(connection.is_broken());
    });
    server.join().expect("the script ran to its end");
}

/// A batch that was to dress the session and has failed has not.
#[test]
fn what_a_failed_batch_was_to_put_on_is_not_worn() {
    let [ours, ..] = IDENTITIES;
    let (tell, told) = mpsc::channel();
    let says = [
        message(b'1', b""),
        message(b'2', b""),
        message(b'C', b"SELECT 1\0"),
        refusal("ERROR", "22P02", "no"),
        message(b'Z', b"I"),
    ];
    let (mut connection, server) = connect_with_identity(ours, ENOUGH, move |client| {
        read_batch(client);
        client.write_all(&says.concat()).expect("it listens");
        tell.send(serve(client)).expect("the test waits for it");
    });
    in_time(move || {
        want(&mut connection, ENOUGH);
        send_quiet(&mut connection, &[statement(), numbered(1)]).expect("it is there");
        let failed = connection.next_reply();
        assert!(matches!(failed, Ok(Reply::Failed(_))), "{failed:?}");
        read_done(&mut connection);
        want(&mut connection, 1);
    });
    server.join().expect("the script ran to its end");
    // The statement was parsed before, and what failed is parsed no more.
    assert_eq!(told.recv().expect("it has told"), "BEBES");
}

#[test]
fn of_several_batches_none_but_the_last_dresses() {
    let [ours, ..] = IDENTITIES;
    let act = |connection: &mut Connection| {
        // Now all is prepared, and the session is bare again; what was wanted is still known.
        want(connection, 1);
        send_loud(connection);
        want(connection, ENOUGH - 1);
        let own = [statement(), numbered(1)];
        let [dresses, does_not] = [Some(guise()), None].map(|guise| ReadBatch {
            statements: &own,
            request_body: &[],
            guise,
        });
        let sent = connection.send_together([dresses, does_not]);
        assert_eq!(sent.expect("it is there"), 2);
        read_done(connection);
        read_done(connection);
        send_loud(connection);
    };
    let before = 3 + ENOUGH - 1;
    let all = sent(ours, ENOUGH, before + 3, act);
    assert_eq!(all[before..], ["BEBES", "BEBES", "BES"], "{all:?}");
}

/// With as many parameters that are the same, too.
#[test]
fn settings_of_another_kind_are_not_taken_for_those_that_are_worn() {
    let [ours, ..] = IDENTITIES;
    let other = |connection: &mut Connection| {
        send_quiet(connection, &[numbered(9), numbered(1)]).expect("it is there");
        read_done(connection);
    };
    assert_eq!(sent(ours, ENOUGH + 1, 2, other), ["Q", "PBEBES"]);
}

#[test]
fn what_is_worn_is_gone_when_the_session_was_put_in_order() {
    let [ours, ..] = IDENTITIES;
    let (tell, told) = mpsc::channel();
    let heard = message(b'A', b"\0\0\0\x01channel\0payload\0");
    let says = [heard, answer_of_prepared()].concat();
    let (mut connection, server) = connect_with_identity(ours, ENOUGH + 1, move |client| {
        read_batch(client);
        client.write_all(&says).expect("it listens");
        // The reset, and what comes behind it.
        serve(client);
        tell.send(serve(client)).expect("the test waits for it");
    });
    in_time(move || want(&mut connection, ENOUGH + 3));
    server.join().expect("the script ran to its end");
    assert_eq!(told.recv().expect("it has told"), "BEBES");
}

/// Without being asked for it in PostgreSQL's protocol, the server has to say that it speaks that.
#[test]
fn tls_that_begins_at_once_needs_a_server_that_names_its_protocol() {
    for (protocols, message) in [
        (&["postgresql"][..], None),
        (&[], Some("established without ALPN")),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the system has a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let server = spawn(move || {
            let (client, _) = listener.accept().expect("a client comes");
            let mut client = StreamOwned::new(tls_server(protocols), client);
            // Whoever is not content leaves before it has said anything.
            if client.read(&mut [0; 8 << 10]).is_ok_and(|count| count > 0) {
                let welcomed = client.write_all(&welcome("off", "off"));
                welcomed.and_then(|()| client.flush()).expect("it listens");
            }
        });
        let place = format!("host=127.0.0.1 port={port} sslmode=require sslnegotiation=direct");
        let environment = Environment::default().with_user("me");
        let target = Target::parse(&place, &environment).expect("it is valid");
        let attempt_timeout = Duration::from_secs(10);
        let options = OpenOptions {
            attempt_timeout,
            ..OpenOptions::default()
        };
        let said = open(&target, &options).err().map(|error| error.message());
        match message {
            None => assert_eq!(said, None),
            Some(message) => assert!(said.as_ref().is_some_and(|said| said.contains(message))),
        }
        server.join().expect("the script ran to its end");
    }
}
