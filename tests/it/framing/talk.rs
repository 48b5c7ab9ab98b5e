//! A connection of an attacker: any bytes go out, and what comes back is cut into answers.
//!
//! The client of the other tests cuts what it sends into requests, too, which is what is in doubt
//! here.

use corerest_tests::client::Address;
use corerest_tests::waiting::LONG;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;

/// An answer, as far as it matters.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// Whether it says that the connection ends.
    pub(crate) closes: bool,
}

/// A connection, and what has come through it.
#[derive(Debug)]
pub(crate) struct Talk {
    stream: Stream,
    received: Vec<u8>,
    has_ended: bool,
    /// The first request has been one for a head alone.
    is_head: bool,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Talk {
    /// Connects.
    pub(crate) fn start(address: &Address) -> Talk {
        let stream = match address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).expect("it listens");
                stream.set_nodelay(true).expect("it is a TCP socket");
                stream.set_read_timeout(Some(LONG)).expect("not zero");
                Stream::Tcp(stream)
            }
            Address::Unix(path) => {
                let stream = UnixStream::connect(path).expect("it listens");
                stream.set_read_timeout(Some(LONG)).expect("not zero");
                Stream::Unix(stream)
            }
        };
        Talk {
            stream,
            received: Vec::new(),
            has_ended: false,
            is_head: false,
        }
    }

    /// Sends the bytes in pieces of so many. The other side may have had enough before the end.
    pub(crate) fn send(&mut self, bytes: &[u8], piece: usize) {
        self.is_head |= bytes.starts_with(b"HEAD ");
        for piece in bytes.chunks(piece.max(1)) {
            let sent = match &mut self.stream {
                Stream::Tcp(stream) => stream.write_all(piece),
                Stream::Unix(stream) => stream.write_all(piece),
            };
            if sent.is_err() {
                return;
            }
        }
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish(&self) {
        // The other side may have ended it already.
        let _ = match &self.stream {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
        };
    }

    /// Reads until there are so many answers, or the other side has ended the connection.
    pub(crate) fn read_answers(&mut self, count: usize) -> Result<Vec<Answer>, String> {
        loop {
            let (answers, rest) = cut(&self.received, self.is_head)?;
            if answers.len() >= count || self.has_ended {
                let is_whole = !self.has_ended || rest.is_empty();
                return match is_whole {
                    true => Ok(answers),
                    false => Err(format!("it ends with {}", rest.escape_ascii())),
                };
            }
            self.receive()?;
        }
    }

    /// Reads the answer to the only request that is open, and checks that nothing is behind it.
    pub(crate) fn read_only_answer(&mut self) -> Result<Answer, String> {
        loop {
            let (mut answers, rest) = cut(&self.received, false)?;
            let is_silent = rest.is_empty() && answers.len() == 1;
            if let Some(answer) = answers.pop() {
                let shown = self.received.escape_ascii().to_string();
                self.received.clear();
                return is_silent.then_some(answer).ok_or(shown);
            }
            if self.has_ended {
                return Err("it has ended".to_owned());
            }
            self.receive()?;
        }
    }

    /// Reads until what has come contains this, or the other side has ended the connection.
    pub(crate) fn read_until(&mut self, text: &str) -> Result<String, String> {
        loop {
            let received = String::from_utf8_lossy(&self.received);
            if self.has_ended || received.contains(text) {
                return Ok(received.into_owned());
            }
            self.receive()?;
        }
    }

    fn receive(&mut self) -> Result<(), String> {
        let mut bytes = [0; 16 * 1024];
        let read = match &mut self.stream {
            Stream::Tcp(stream) => stream.read(&mut bytes),
            Stream::Unix(stream) => stream.read(&mut bytes),
        };
        match read {
            Ok(count) => {
                self.received.extend_from_slice(&bytes[..count]);
                self.has_ended = count == 0;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => self.has_ended = true,
            Err(error) => {
                let shown = self.received.escape_ascii();
                return Err(format!("{error}, after {shown}"));
            }
        }
        Ok(())
    }
}

/// Cuts bytes into whole answers and the rest.
fn cut(mut bytes: &[u8], mut is_head: bool) -> Result<(Vec<Answer>, &[u8]), String> {
    let mut answers = Vec::new();
    while let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
        let (head, rest) = bytes.split_at(end + 4);
        let head = String::from_utf8_lossy(head);
        let status = head
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3));
        let status: u16 = status
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| format!("no answer: {head}"))?;
        if status == 100 {
            bytes = rest;
            continue;
        }
        let field = |wanted: &str| {
            let fields = head.lines().filter_map(|line| line.split_once(": "));
            let mut same = fields.filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
            same.next().map(|(_, value)| value.to_owned())
        };
        let has_no_body = std::mem::take(&mut is_head) || status == 204;
        let length = match field("content-length") {
            _ if has_no_body => 0,
            Some(length) => length.parse().map_err(|_| format!("its length: {head}"))?,
            None => return Err(format!("no length: {head}")),
        };
        let Some((body, behind)) = rest.split_at_checked(length) else {
            break;
        };
        answers.push(Answer {
            status,
            body: body.to_owned(),
            closes: field("connection").is_some_and(|value| value == "close"),
        });
        bytes = behind;
    }
    Ok((answers, bytes))
}
