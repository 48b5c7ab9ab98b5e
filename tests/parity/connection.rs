//! A client for any server that speaks HTTP/1.1: with a length, in chunks, or to the end.

use std::fmt;
use std::io::{Error, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A server, and a connection to it when there is one.
#[derive(Debug)]
pub struct Connection {
    base: Base,
    stream: Option<TcpStream>,
    buffered: Vec<u8>,
    patience: Duration,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// Host and port.
    pub authority: String,
    /// What stands before all paths, without a slash at its end.
    pub path: String,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers in their order.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| &**value)
    }

    /// The body as text, as far as it is.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Base {
    /// Reads a URL.
    ///
    /// # Errors
    /// If it is none of HTTP.
    pub fn parse(url: &str) -> Result<Base, String> {
        let rest = url
            .strip_prefix("http://")
            .ok_or_else(|| format!("{url} should begin with http://"))?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.is_empty() {
            return Err(format!("{url} names no host"));
        }
        let authority = match authority.rsplit_once(':') {
            Some((_, port)) if port.parse::<u16>().is_ok() => authority.to_owned(),
            _ => format!("{authority}:80"),
        };
        let path = path.trim_end_matches('/');
        Ok(Base {
            authority,
            path: match path {
                "" => String::new(),
                path => format!("/{path}"),
            },
        })
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

impl Connection {
    /// Nothing is connected yet; for an answer it waits this long.
    pub fn new(base: Base, patience: Duration) -> Connection {
        Connection {
            base,
            stream: None,
            buffered: Vec::new(),
            patience,
        }
    }

    /// Where it leads.
    pub fn base(&self) -> &Base {
        &self.base
    }

    /// Asks, and reads the answer. The connection may have been closed since the last one: then
    /// it asks once more, on a new one.
    ///
    /// # Errors
    /// If there is no answer, in words that are the same for every server.
    pub fn ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(String, String)],
        body: Option<&str>,
    ) -> Result<Answer, String> {
        let mut text = format!(
            "{method} {}{target} HTTP/1.1\r\nHost: {}\r\n",
            self.base.path, self.base.authority
        );
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = body {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        text.push_str(body.unwrap_or_default());
        let was_open = self.stream.is_some();
        let mut answer = self.exchange(&text, method);
        if answer.is_err() {
            self.stream = None;
        }
        if was_open && answer.as_ref().is_err_and(|error| !is_late(error)) {
            answer = self.exchange(&text, method);
        }
        answer.map_err(|error| {
            self.stream = None;
            match is_late(&error) {
                true => format!("no answer in {} s", self.patience.as_secs()),
                false => format!("no answer: {error}"),
            }
        })
    }

    fn exchange(&mut self, text: &str, method: &str) -> Result<Answer, Error> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(&self.base.authority)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(self.patience))?;
            stream.set_write_timeout(Some(self.patience))?;
            self.stream = Some(stream);
            self.buffered.clear();
        }
        self.stream().write_all(text.as_bytes())?;
        let mut answer = self.head()?;
        while (100..200).contains(&answer.status) {
            answer = self.head()?;
        }
        let has_body = method != "HEAD" && !matches!(answer.status, 204 | 304);
        let is_chunked = answer.header("Transfer-Encoding").is_some();
        let length = answer
            .header("Content-Length")
            .and_then(|it| it.parse().ok());
        let mut ends = answer
            .header("Connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"));
        answer.body = match (has_body, is_chunked, length) {
            (false, _, _) => Vec::new(),
            (true, true, _) => self.chunks()?,
            (true, false, Some(length)) => self.bytes(length)?,
            (true, false, None) => {
                ends = true;
                while self.receive()? > 0 {}
                std::mem::take(&mut self.buffered)
            }
        };
        if ends {
            self.stream = None;
        }
        Ok(answer)
    }

    fn stream(&mut self) -> &mut TcpStream {
        self.stream
            .as_mut()
            .expect("it was opened for this request")
    }

    fn head(&mut self) -> Result<Answer, Error> {
        let status_line = self.line()?;
        let status = status_line.split(' ').nth(1).and_then(|it| it.parse().ok());
        let status = status.ok_or_else(|| Error::other("what came is no answer"))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        Ok(Answer {
            status,
            headers,
            body: Vec::new(),
        })
    }

    fn chunks(&mut self) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(digits, 16).map_err(Error::other)?;
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.bytes(size)?);
            self.line()?;
        }
    }

    fn line(&mut self) -> Result<String, Error> {
        let end = loop {
            if let Some(end) = self.buffered.windows(2).position(|pair| pair == b"\r\n") {
                break end;
            }
            self.receive_some()?;
        };
        let line = String::from_utf8_lossy(&self.buffered[..end]).into_owned();
        self.buffered.drain(..end + 2);
        Ok(line)
    }

    fn bytes(&mut self, count: usize) -> Result<Vec<u8>, Error> {
        while self.buffered.len() < count {
            self.receive_some()?;
        }
        Ok(self.buffered.drain(..count).collect())
    }

    fn receive_some(&mut self) -> Result<(), Error> {
        match self.receive()? {
            0 => Err(Error::other("the connection was closed")),
            _ => Ok(()),
        }
    }

    fn receive(&mut self) -> Result<usize, Error> {
        let mut bytes = vec![0; 64 * 1024];
        let count = self.stream().read(&mut bytes)?;
        self.buffered.extend_from_slice(&bytes[..count]);
        Ok(count)
    }
}

fn is_late(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::{Base, Connection};
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::time::Duration;

    #[test]
    fn urls_are_read() {
        let base = |url| Base::parse(url).map(|base| (base.authority, base.path));
        let pair = |a: &str, b: &str| Ok((a.to_owned(), b.to_owned()));
        assert_eq!(base("http://a:3000"), pair("a:3000", ""));
        assert_eq!(base("http://a:3000/"), pair("a:3000", ""));
        assert_eq!(base("http://a/rest/v1/"), pair("a:80", "/rest/v1"));
        assert!(base("https://a").is_err());
        assert!(base("http://").is_err());
    }

    /// What is read of a server that says this, and ends the connection.
    #[track_caller]
    fn check(said: &'static str, expected: Option<&str>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
        let authority = listener.local_addr().expect("it is bound").to_string();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("somebody connects");
            let _ = stream.read(&mut [0; 1000]).expect("it asks");
            stream.write_all(said.as_bytes()).expect("it reads");
        });
        let base = Base {
            authority,
            path: String::new(),
        };
        let mut connection = Connection::new(base, Duration::from_secs(10));
        let answer = connection.ask("GET", "/", &[], None);
        server.join().expect("see above");
        let body = answer.map(|answer| answer.text()).ok();
        assert_eq!(body.as_deref(), expected, "{said:?}");
    }

    #[test]
    fn answers_end_by_length_by_chunks_or_with_the_connection() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", Some("ab"));
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
            Some("abc"),
        );
        check("HTTP/1.1 200 OK\r\n\r\nabcd", Some("abcd"));
        check("HTTP/1.1 204 No Content\r\n\r\n", Some(""));
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", None);
        check("", None);
    }
}
