//! A client of a stream of events, which forgives nothing in it either.
//!
//! It takes the chunks apart, and the lines, as the standard says (WHATWG HTML, 9.2.6), and knows
//! whether the stream has come to its end or was cut off.

use crate::client::{Address, Client};
use std::time::Duration;

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it is called.
    pub name: String,
    /// Its data; lines end with LF.
    pub data: String,
    /// The id that was told last.
    pub id: String,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With the last chunk; or with the connection, where that is its end.
    Whole,
    /// In the middle.
    CutOff,
}

/// A stream that is being heard.
#[derive(Debug)]
pub struct Stream {
    client: Option<Client>,
    /// The head, without its last line.
    pub head: String,
    is_chunked: bool,
    /// What has come and is not yet understood: chunks, and what was in them.
    raw: Vec<u8>,
    text: Vec<u8>,
    id: String,
    /// The times to come again that were told.
    pub retries: Vec<u64>,
    /// How many comments there were.
    pub comments: usize,
    end: Option<End>,
}

impl Stream {
    /// Asks for events, and reads the head of the answer.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn open(address: &Address, target: &str, headers: &[(&str, &str)]) -> Stream {
        Stream::open_by(address, &request("HTTP/1.1", target, headers))
    }

    /// The same, with these bytes.
    ///
    /// # Panics
    /// If there is no answer.
    #[track_caller]
    pub fn open_by(address: &Address, request: &str) -> Stream {
        let mut client = Client::connect(address);
        client.send(request);
        Stream::begin(client)
    }

    /// Reads the head of the answer to what this client has sent.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn begin(mut client: Client) -> Stream {
        let mut raw = Vec::new();
        let end = loop {
            if let Some(at) = raw.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            let some = client.read_some(usize::MAX).expect("a head comes");
            assert!(!some.is_empty(), "it ends within its head");
            raw.extend(some);
        };
        let head = String::from_utf8(raw[..end].to_vec()).expect("it is text");
        raw.drain(..end + 4);
        let is_chunked = head.contains("\r\nTransfer-Encoding: chunked");
        Stream {
            client: Some(client),
            head,
            is_chunked,
            raw,
            text: Vec::new(),
            id: String::new(),
            retries: Vec::new(),
            comments: 0,
            end: None,
        }
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.split("\r\n").skip(1);
        let named = |line: &&str| {
            let (other, _) = line.split_once(": ").expect("it is a header");
            other.eq_ignore_ascii_case(name)
        };
        let line = lines.find(named)?;
        line.split_once(": ").map(|(_, value)| value)
    }

    /// The status.
    pub fn status(&self) -> &str {
        self.head.split(' ').nth(1).expect("there is a status line")
    }

    /// The client, for whatever is to be done with it.
    ///
    /// # Panics
    /// If it has left.
    pub fn client(&mut self) -> &mut Client {
        self.client.as_mut().expect("it has not left")
    }

    /// The next event.
    ///
    /// # Panics
    /// If the stream ends before, or nothing comes.
    #[track_caller]
    pub fn next_event(&mut self) -> Event {
        match self.next_or_end() {
            Ok(event) => event,
            Err(end) => panic!("the stream has ended: {end:?}"),
        }
    }

    /// The next event, or the end.
    ///
    /// # Errors
    /// How the stream has ended.
    ///
    /// # Panics
    /// If nothing comes.
    #[track_caller]
    pub fn next_or_end(&mut self) -> Result<Event, End> {
        loop {
            if let Some(event) = self.take_event() {
                return Ok(event);
            }
            if let Some(end) = self.end {
                return Err(end);
            }
            self.read();
        }
    }

    /// Reads until the end, and gives what came before it.
    ///
    /// # Panics
    /// If it does not end.
    #[track_caller]
    pub fn rest(&mut self) -> (Vec<Event>, End) {
        let mut events = Vec::new();
        loop {
            match self.next_or_end() {
                Ok(event) => events.push(event),
                Err(end) => return (events, end),
            }
        }
    }

    /// Reads until there were so many comments.
    ///
    /// # Panics
    /// If something else comes, or nothing.
    #[track_caller]
    pub fn await_comments(&mut self, count: usize, at_most: Duration) {
        self.client().wait_at_most(at_most);
        while self.comments < count {
            assert_eq!(self.take_event(), None);
            assert_eq!(self.end, None);
            if self.comments < count {
                self.read();
            }
        }
    }

    /// Closes the connection.
    pub fn leave(mut self) {
        self.let_go();
    }

    fn let_go(&mut self) {
        if let Some(client) = self.client.take() {
            client.leave("a stream has no end of its own");
        }
    }

    fn read(&mut self) {
        match self.client().read_some(usize::MAX) {
            Ok(some) if !some.is_empty() => self.raw.extend(some),
            Ok(_) => {
                let is_whole = !self.is_chunked && self.text.is_empty();
                self.end = Some(if is_whole { End::Whole } else { End::CutOff });
            }
            Err(error) => {
                assert!(
                    error.to_string().contains("ConnectionReset"),
                    "nothing comes: {error}"
                );
                self.end = Some(End::CutOff);
            }
        }
        self.take_chunks();
    }

    fn take_chunks(&mut self) {
        if !self.is_chunked {
            self.text.append(&mut self.raw);
            return;
        }
        while let Some(at) = self.raw.windows(2).position(|two| two == b"\r\n") {
            let size = std::str::from_utf8(&self.raw[..at]).expect("a size is text");
            let size = usize::from_str_radix(size, 16).expect("a size is a number");
            let end = at + 2 + size;
            if self.raw.len() < end + 2 {
                return;
            }
            assert_eq!(&self.raw[end..end + 2], b"\r\n");
            self.text.extend_from_slice(&self.raw[at + 2..end]);
            self.raw.drain(..end + 2);
            if size == 0 {
                assert!(self.raw.is_empty(), "something comes behind the end");
                assert!(self.text.is_empty() || self.has_whole_events());
                self.end = Some(End::Whole);
                return;
            }
        }
    }

    fn has_whole_events(&self) -> bool {
        self.text.ends_with(b"\n\n")
    }

    /// The next one of what has come.
    fn take_event(&mut self) -> Option<Event> {
        loop {
            self.take_chunks();
            let end = self.text.windows(2).position(|two| two == b"\n\n")?;
            let block: Vec<u8> = self.text.drain(..end + 2).collect();
            let block = String::from_utf8(block).expect("it is UTF-8");
            assert!(!block.contains('\r'), "{block:?}");
            if let Some(event) = self.understand(&block) {
                return Some(event);
            }
        }
    }

    fn understand(&mut self, block: &str) -> Option<Event> {
        let (mut name, mut data) = (String::new(), Vec::new());
        for line in block.lines().filter(|line| !line.is_empty()) {
            let (field, value) = line.split_once(':').expect("each line has a colon");
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" => self.comments += 1,
                "event" => value.clone_into(&mut name),
                "data" => data.push(value),
                "id" => value.clone_into(&mut self.id),
                "retry" => self.retries.push(value.parse().expect("it is a number")),
                other => panic!("no field: {other:?}"),
            }
        }
        (!data.is_empty()).then(|| Event {
            name,
            data: data.join("\n"),
            id: self.id.clone(),
        })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// A request for events.
pub fn request(version: &str, target: &str, headers: &[(&str, &str)]) -> String {
    let headers = headers.iter();
    let headers: String = headers
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    format!("GET {target} {version}\r\nHost: a\r\nAccept: text/event-stream\r\n{headers}\r\n")
}
