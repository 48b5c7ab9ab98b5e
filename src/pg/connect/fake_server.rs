//! A server that follows a script: what it waits for, what it says, when it hangs up.
//!
//! It runs in a thread on a port the system chooses, and ends by itself: every read has a time
//! limit, so a client that misbehaves fails the test and does not stop it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

/// A running fake.
pub(super) struct FakeServer {
    pub(super) port: u16,
    thread: JoinHandle<()>,
}

impl FakeServer {
    /// Serves `connections` clients, one after the other, with the same script.
    pub(super) fn start(
        connections: usize,
        script: impl Fn(usize, &mut Client) + Send + 'static,
    ) -> FakeServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the system has a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let thread = std::thread::spawn(move || {
            for number in 0..connections {
                let (stream, _) = listener.accept().expect("a client");
                let timeout = Some(Duration::from_secs(10));
                stream.set_read_timeout(timeout).expect("not zero");
                script(number, &mut Client { stream });
            }
        });
        FakeServer { port, thread }
    }

    /// Waits until all of its clients were served; fails if a script failed.
    pub(super) fn join(self) {
        self.thread.join().expect("the script ran to its end");
    }
}

/// The client as the fake sees it.
pub(super) struct Client {
    pub(super) stream: TcpStream,
}

impl Client {
    /// Waits for a startup packet and returns its content.
    pub(super) fn startup(&mut self) -> Vec<u8> {
        let mut length = [0; 4];
        if self.stream.read_exact(&mut length).is_err() {
            return Vec::new(); // The client gave up, which some scripts provoke.
        }
        let mut content = vec![0; (u32::from_be_bytes(length) as usize).saturating_sub(4)];
        let _ = self.stream.read_exact(&mut content);
        content
    }

    /// Waits for a message and returns its body.
    pub(super) fn message(&mut self) -> Vec<u8> {
        let _ = self.stream.read_exact(&mut [0; 1]);
        self.startup()
    }

    /// Says no more and takes in what the client still sends.
    ///
    /// Closing with unread bytes would reset the connection, and the client might then lose what
    /// was said before.
    pub(super) fn hang_up(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
        let _ = self.stream.read_to_end(&mut Vec::new());
    }

    /// Sends what the client may be too broken to take.
    pub(super) fn say(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }
}

/// A server message as bytes.
pub(crate) fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = 4 + u32::try_from(body.len()).expect("scripts are short");
    let mut bytes = vec![tag];
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// What a server of today says after it has let the client in.
pub(crate) fn welcome(read_only: &str, standby: &str) -> Vec<u8> {
    let mut bytes = message(b'R', b"\0\0\0\0");
    let settings = [
        ("server_version", "15.4"),
        ("default_transaction_read_only", read_only),
        ("in_hot_standby", standby),
    ];
    for (name, value) in settings {
        bytes.extend(message(b'S', format!("{name}\0{value}\0").as_bytes()));
    }
    bytes.extend(message(b'K', b"\0\0\0\x07\0\0\0\x09"));
    bytes.extend(message(b'Z', b"I"));
    bytes
}
