//! An HTTP/1.1 client that sends what it is told and forgives nothing in the answer.
//!
//! It is not a client for any use but this: bytes go out as they are, and an answer with a wrong
//! framing, with a body where none may be, or with bytes behind its end is an error. It knows how
//! many answers it is owed, because it cuts what it sends into requests ([`owed`]).
//! Invariant: a test that ends well has read each answer that it asked for, and there was nothing
//! else to read, unless it says by [`Client::leave`] why it does not wait for that.

mod owed;

use self::owed::Owed;
use crate::waiting::LONG;
use rustix::net::sockopt;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Once;
use std::time::Duration;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An address and a port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// Parses an address as the server's log tells it.
    ///
    /// # Panics
    /// If it is neither `host:port` nor a path.
    #[track_caller]
    pub fn parse(text: &str) -> Address {
        if text.starts_with('/') {
            return Address::Unix(text.into());
        }
        let address: SocketAddr = text
            .parse()
            .unwrap_or_else(|_| panic!("no address: {text:?}"));
        Address::Tcp(address)
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its reason phrase.
    pub reason: String,
    /// Its headers in their order.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| &**value)
    }

    /// The body as text.
    ///
    /// # Panics
    /// If it is not UTF-8.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("an answer is UTF-8")
    }

    /// Whether the connection ends with it.
    pub fn closes(&self) -> bool {
        self.header("Connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientError {
    /// The connection was refused or broke.
    Broken(ErrorKind),
    /// The server closed the connection before the first byte.
    Closed,
    /// Nothing came for [`LONG`], or for the time that was set.
    TimedOut,
    /// The bytes are no answer; the text says why.
    Malformed(String),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Broken(kind) => write!(f, "the connection broke: {kind}"),
            ClientError::Closed => f.write_str("the connection was closed without an answer"),
            ClientError::TimedOut => f.write_str("no answer in time"),
            ClientError::Malformed(why) => write!(f, "malformed answer: {why}"),
        }
    }
}

impl std::error::Error for ClientError {}

impl From<std::io::Error> for ClientError {
    fn from(error: std::io::Error) -> ClientError {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => ClientError::TimedOut,
            kind => ClientError::Broken(kind),
        }
    }
}

/// What an answer begins with.
const VERSION: &[u8] = b"HTTP/1.1 ";

/// What comes before a body that waits for it.
const INTERIM: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// So many bytes of what nobody has asked for are shown.
const SHOWN_BYTES_MAX: usize = 500;

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection to a server.
#[derive(Debug)]
pub struct Client {
    stream: Stream,
    buffered: Vec<u8>,
    owed: Owed,
    /// Nothing is expected of it any more: it broke, or the test has left.
    is_over: bool,
}

/// All tests of a run share what is usual for one program, 1,024, and one of them has a thousand
/// clients.
fn raise_descriptor_limit() {
    static RAISED: Once = Once::new();
    RAISED.call_once(|| {
        let maximum = getrlimit(Resource::Nofile).maximum;
        let raised = Rlimit {
            current: maximum,
            maximum,
        };
        setrlimit(Resource::Nofile, raised).expect("a soft limit may be raised");
    });
}

impl Client {
    /// Connects.
    ///
    /// # Panics
    /// If that fails.
    #[track_caller]
    pub fn connect(address: &Address) -> Client {
        Client::try_connect(address).unwrap_or_else(|error| panic!("{address:?}: {error}"))
    }

    /// Connects.
    ///
    /// # Errors
    /// If nobody listens.
    pub fn try_connect(address: &Address) -> Result<Client, ClientError> {
        raise_descriptor_limit();
        let stream = match address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                Stream::Tcp(stream)
            }
            Address::Unix(path) => Stream::Unix(UnixStream::connect(path)?),
        };
        let client = Client {
            stream,
            buffered: Vec::new(),
            owed: Owed::default(),
            is_over: false,
        };
        client.wait_at_most(LONG);
        Ok(client)
    }

    /// How long it waits for the next bytes, and for room for those it sends.
    ///
    /// # Panics
    /// If it is zero.
    pub fn wait_at_most(&self, time: Duration) {
        let set = match &self.stream {
            Stream::Tcp(stream) => stream
                .set_read_timeout(Some(time))
                .and(stream.set_write_timeout(Some(time))),
            Stream::Unix(stream) => stream
                .set_read_timeout(Some(time))
                .and(stream.set_write_timeout(Some(time))),
        };
        set.expect("it is not zero");
    }

    /// Sends bytes.
    ///
    /// # Panics
    /// If the connection is broken.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes.as_ref())
            .unwrap_or_else(|error| panic!("{error}"));
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// If the connection is broken, or if bytes have come that nobody has asked for.
    pub fn try_send(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        let sent = self.send_unsurprised(bytes);
        self.is_over |= sent.is_err();
        sent
    }

    fn send_unsurprised(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        if !self.owed.is_any() {
            self.check_silence()?;
        }
        self.owed.on_sent(bytes);
        match &mut self.stream {
            Stream::Tcp(stream) => stream.write_all(bytes)?,
            Stream::Unix(stream) => stream.write_all(bytes)?,
        }
        Ok(())
    }

    /// Says that the test does not wait for what it has asked for, and why.
    ///
    /// # Panics
    /// If there is no reason.
    pub fn leave(mut self, why: &str) {
        assert_ne!(why, "", "a reason");
        self.is_over = true;
    }

    /// Goes without a word, and without taking what is still sent. Why is said for whoever reads
    /// the test.
    pub fn reset(self, why: &str) {
        if let Stream::Tcp(stream) = &self.stream {
            let at_once = Some(Duration::ZERO);
            sockopt::set_socket_linger(stream, at_once).expect("the socket is open");
        }
        self.leave(why);
    }

    /// Says that nothing more will be sent.
    pub fn finish_sending(&self) {
        let _ = match &self.stream {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
        };
    }

    /// Sends a request without a body and reads its answer.
    ///
    /// # Panics
    /// If there is none, or it is malformed.
    #[track_caller]
    pub fn exchange(&mut self, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
        let answer = self.try_exchange(method, target, headers);
        answer.unwrap_or_else(|error| panic!("{method} {target}: {error}"))
    }

    /// GETs a target.
    ///
    /// # Panics
    /// If there is no answer, or it is malformed.
    #[track_caller]
    pub fn get(&mut self, target: &str) -> Answer {
        self.exchange("GET", target, &[])
    }

    /// Sends a request without a body and reads its answer.
    ///
    /// # Errors
    /// If there is none, or it is malformed.
    pub fn try_exchange(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> Result<Answer, ClientError> {
        self.try_send(&request(method, target, headers))?;
        self.try_read(method)
    }

    /// Reads the answer to a request with this method.
    ///
    /// # Panics
    /// If there is none, or it is malformed.
    #[track_caller]
    pub fn read(&mut self, method: &str) -> Answer {
        self.try_read(method)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Reads the answer to a request with this method.
    ///
    /// # Errors
    /// If there is none, or it is malformed, or bytes come behind it that nobody has asked for.
    pub fn try_read(&mut self, method: &str) -> Result<Answer, ClientError> {
        let answer = self.read_owed(method);
        self.is_over |= !matches!(answer, Ok(_) | Err(ClientError::TimedOut));
        answer
    }

    fn read_owed(&mut self, method: &str) -> Result<Answer, ClientError> {
        // Without a request there may be an end, and nothing else.
        let is_asked = self.owed.is_any();
        let answer = self.read_one(method)?;
        if !is_asked {
            return Err(malformed("it was not asked for"));
        }
        if let Some(owed) = self.owed.pop() {
            let is_right = (owed == "HEAD") == (method == "HEAD");
            assert!(is_right, "{method} is read, but {owed} was asked");
        }
        if answer.closes() {
            self.owed.clear();
        }
        self.check_next()?;
        Ok(answer)
    }

    /// What has come behind an answer is the next one, which is owed.
    fn check_next(&self) -> Result<(), ClientError> {
        let count = self.buffered.len().min(VERSION.len());
        let is_answer = self.buffered[..count] == VERSION[..count];
        if is_answer && (count == 0 || self.owed.is_any()) {
            return Ok(());
        }
        Err(self.surplus())
    }

    fn surplus(&self) -> ClientError {
        let shown = &self.buffered[..self.buffered.len().min(SHOWN_BYTES_MAX)];
        malformed(&format!("behind the last answer: {}", shown.escape_ascii()))
    }

    /// Looks, without waiting, whether something has come that nobody has asked for.
    fn check_silence(&mut self) -> Result<(), ClientError> {
        self.set_nonblocking(true);
        let received = match self.buffered.is_empty() {
            true => self.receive().map(drop),
            false => Ok(()),
        };
        self.set_nonblocking(false);
        match received {
            Ok(()) if self.buffered.is_empty() => Ok(()),
            Ok(()) => Err(self.surplus()),
            Err(ClientError::TimedOut) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Looks, without waiting, whether the server has ended the connection: a client that does so
    /// before it sends loses less.
    pub fn has_ended(&mut self) -> bool {
        self.set_nonblocking(true);
        let received = self.receive();
        self.set_nonblocking(false);
        matches!(received, Ok(0) | Err(ClientError::Broken(_)))
    }

    fn set_nonblocking(&self, is_on: bool) {
        let set = match &self.stream {
            Stream::Tcp(stream) => stream.set_nonblocking(is_on),
            Stream::Unix(stream) => stream.set_nonblocking(is_on),
        };
        set.expect("a socket can be switched");
    }

    fn read_one(&mut self, method: &str) -> Result<Answer, ClientError> {
        let head_end = loop {
            if let Some(at) = self
                .buffered
                .windows(4)
                .position(|bytes| bytes == b"\r\n\r\n")
            {
                break at;
            }
            match self.receive()? {
                0 if self.buffered.is_empty() => return Err(ClientError::Closed),
                0 => return Err(malformed("it ends within its head")),
                _ => {}
            }
        };
        let head = &self.buffered[..head_end];
        let head = std::str::from_utf8(head).map_err(|_| malformed("the head is not UTF-8"))?;
        let mut answer = parse_head(head)?;
        let body_start = head_end + 4;
        if is_chunked(method, &answer)? {
            self.buffered.drain(..body_start);
            answer.body = self.read_chunks()?;
            return Ok(answer);
        }
        let length = body_length(method, &answer)?;
        while self.buffered.len() < body_start + length {
            if self.receive()? == 0 {
                let got = self.buffered.len() - body_start;
                return Err(malformed(&format!("{got} of {length} bytes of the body")));
            }
        }
        let mut bytes: Vec<u8> = self.buffered.drain(..body_start + length).collect();
        answer.body = bytes.split_off(body_start);
        Ok(answer)
    }

    /// Reads chunks to the last one, in the strictest reading: sizes as they are written by whoever
    /// has nothing to hide, no extensions and no trailers.
    fn read_chunks(&mut self) -> Result<Vec<u8>, ClientError> {
        let mut body = Vec::new();
        loop {
            let line = self.read_chunk_part(|bytes| {
                let end = bytes.windows(2).position(|two| two == b"\r\n");
                end.map(|end| end + 2)
            })?;
            let text = String::from_utf8_lossy(&line[..line.len() - 2]).into_owned();
            let size = usize::from_str_radix(&text, 16).ok();
            let size = size.filter(|size| format!("{size:x}") == text);
            let size = size.ok_or_else(|| malformed(&format!("the size of a chunk: {text:?}")))?;
            let data =
                self.read_chunk_part(|bytes| (bytes.len() >= size + 2).then_some(size + 2))?;
            if &data[size..] != b"\r\n" {
                return Err(malformed("a chunk is longer than it says"));
            }
            if size == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&data[..size]);
        }
    }

    /// Takes as many bytes from the front as are said to be a part, when they have come.
    fn read_chunk_part(
        &mut self,
        part: impl Fn(&[u8]) -> Option<usize>,
    ) -> Result<Vec<u8>, ClientError> {
        loop {
            if let Some(count) = part(&self.buffered) {
                return Ok(self.buffered.drain(..count).collect());
            }
            if self.receive()? == 0 {
                return Err(malformed("it ends without its last chunk"));
            }
        }
    }

    /// Reads the bytes of `100 Continue`, which is no answer yet.
    ///
    /// # Panics
    /// If something else comes.
    #[track_caller]
    pub fn read_continue(&mut self) {
        let interim = self.read_some(INTERIM.len()).expect("it is sent at once");
        assert_eq!(
            interim.escape_ascii().to_string(),
            INTERIM.escape_ascii().to_string()
        );
    }

    /// Reads what has come, but not more than so many bytes.
    ///
    /// # Errors
    /// If nothing comes in time.
    pub fn read_some(&mut self, bytes_max: usize) -> Result<Vec<u8>, ClientError> {
        if self.buffered.is_empty() {
            self.receive()?;
        }
        let count = self.buffered.len().min(bytes_max);
        Ok(self.buffered.drain(..count).collect())
    }

    /// Checks that the server closes the connection without another byte, whatever was asked.
    ///
    /// # Panics
    /// If it sends something, or leaves it open.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        assert!(self.buffered.is_empty(), "{}", self.surplus());
        match self.receive() {
            Ok(0) | Err(ClientError::Broken(ErrorKind::ConnectionReset)) => self.owed.clear(),
            Ok(_) => panic!("{}", self.surplus()),
            Err(error) => panic!("it should be closed: {error}"),
        }
    }

    /// Checks that nothing came behind the last answer, and that it is still open, by one more
    /// request.
    #[track_caller]
    pub fn expect_usable(&mut self) {
        assert_eq!(self.owed.count(), 0, "answers are owed");
        assert_eq!(self.get("/no/such/path").status, 404);
    }

    fn receive(&mut self) -> Result<usize, ClientError> {
        let mut bytes = [0; 64 * 1024];
        let count = loop {
            let read = match &mut self.stream {
                Stream::Tcp(stream) => stream.read(&mut bytes),
                Stream::Unix(stream) => stream.read(&mut bytes),
            };
            match read {
                // A machine that stood still for a moment: see signal(7), "Interruption by stop
                // signals".
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.buffered.extend_from_slice(&bytes[..count]);
        Ok(count)
    }
}

/// A test that ends well has read what it asked for, and nothing more has come.
impl Drop for Client {
    fn drop(&mut self) {
        if self.is_over || std::thread::panicking() {
            return;
        }
        assert_eq!(self.owed.count(), 0, "answers were not read: see `leave`");
        assert!(
            !self.owed.has_begun(),
            "a request was not ended: see `leave`"
        );
        match self.check_silence() {
            Ok(()) | Err(ClientError::Broken(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// The bytes of a request without a body.
pub fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.into_bytes()
}

fn malformed(why: &str) -> ClientError {
    ClientError::Malformed(why.to_owned())
}

fn parse_head(head: &str) -> Result<Answer, ClientError> {
    let mut lines = head.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let status = status_line
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.split_once(' '));
    let status = status.and_then(|(code, reason)| {
        let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
        let is_reason = !reason.contains(char::is_control) && reason.trim() == reason;
        let code: u16 = code.parse().ok().filter(|code| (200..600).contains(code))?;
        (is_code && is_reason).then(|| (code, reason.to_owned()))
    });
    let (status, reason) = status.ok_or_else(|| malformed(&format!("{status_line:?}")))?;
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(": ").ok_or_else(|| malformed(line))?;
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(is_token) {
            return Err(malformed(&format!("header name {name:?}")));
        }
        if value.contains(|c: char| c.is_control() && c != '\t') || value.trim() != value {
            return Err(malformed(&format!("header value {value:?}")));
        }
        let is_single = !["set-cookie", "access-control-expose-headers"]
            .iter()
            .any(|many| name.eq_ignore_ascii_case(many));
        if is_single
            && headers
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(name))
        {
            return Err(malformed(&format!("{name} twice")));
        }
        headers.push((name.to_owned(), value.to_owned()));
    }
    for name in ["Date", "Server"] {
        if !headers.iter().any(|(known, _)| known == name) {
            return Err(malformed(&format!("no {name}")));
        }
    }
    Ok(Answer {
        status,
        reason,
        headers,
        body: Vec::new(),
    })
}

/// Whether the body is chunks. It is never said where there is none.
fn is_chunked(method: &str, answer: &Answer) -> Result<bool, ClientError> {
    let Some(encoding) = answer.header("Transfer-Encoding") else {
        return Ok(false);
    };
    let has_body = method != "HEAD" && !matches!(answer.status, 204 | 304);
    if encoding != "chunked" || !has_body || answer.header("Content-Length").is_some() {
        return Err(malformed(
            "Transfer-Encoding of which nobody can make anything",
        ));
    }
    Ok(true)
}

/// How long the body is, after RFC 9112, section 6.3, in the strictest reading.
fn body_length(method: &str, answer: &Answer) -> Result<usize, ClientError> {
    let length = answer.header("Content-Length");
    if answer.status == 204 {
        return match length {
            Some(_) => Err(malformed("Content-Length where no body can be")),
            None => Ok(0),
        };
    }
    if method == "HEAD" || answer.status == 304 {
        return Ok(0);
    }
    let digits = length.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let length = digits.and_then(|text| text.parse().ok());
    length.ok_or_else(|| malformed("no usable Content-Length"))
}

#[cfg(test)]
mod tests;
