//! The requests that clients send: one text for all, with a number that is another one each time.
//!
//! The generator and the maker of the ceiling's statements read the same [`Request`], so that
//! both are about the same thing. A request is cut at its numbers once; writing it then copies
//! the pieces, without allocating.

use std::io::Write;

/// Stands for the number, in a target or a body.
const ID: &str = "{id}";

/// The value of the header Host, which every request has.
pub const HOST: &str = "localhost";

/// A request; `{id}` in its target or body becomes a number.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Headers besides Host and Content-Length.
    pub headers: Vec<(String, String)>,
    /// The body; without one there is no Content-Length either.
    pub body: String,
}

impl Request {
    /// A GET without headers of its own.
    #[must_use]
    pub fn get(target: &str) -> Self {
        Self {
            method: "GET".to_owned(),
            target: target.to_owned(),
            ..Self::default()
        }
    }

    /// The request with this number in it.
    #[must_use]
    pub fn with_id(&self, id: u32) -> Self {
        let id = id.to_string();
        Self {
            target: self.target.replace(ID, &id),
            body: self.body.replace(ID, &id),
            ..self.clone()
        }
    }
}

/// A request, cut at its numbers.
#[derive(Clone, Debug)]
pub struct Pieces {
    head: Vec<String>,
    body: Vec<String>,
}

impl Pieces {
    /// Cuts a request.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let Request { method, target, .. } = request;
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {HOST}\r\n");
        for (name, value) in &request.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let cut = |text: &str| text.split(ID).map(str::to_owned).collect();
        Self {
            head: cut(&head),
            body: cut(&request.body),
        }
    }

    /// Appends the request with this number.
    pub fn write(&self, id: u32, out: &mut Vec<u8>) {
        write_joined(&self.head, id, out);
        let body_bytes = self.body_bytes(id);
        if body_bytes > 0 {
            write_number("Content-Length: ", body_bytes, out);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
        write_joined(&self.body, id, out);
    }

    fn body_bytes(&self, id: u32) -> usize {
        let digits = id.checked_ilog10().unwrap_or(0) as usize + 1;
        let fixed: usize = self.body.iter().map(String::len).sum();
        fixed + digits * (self.body.len() - 1)
    }
}

fn write_joined(pieces: &[String], id: u32, out: &mut Vec<u8>) {
    for (index, piece) in pieces.iter().enumerate() {
        if index > 0 {
            write_number("", id as usize, out);
        }
        out.extend_from_slice(piece.as_bytes());
    }
}

fn write_number(label: &str, number: usize, out: &mut Vec<u8>) {
    write!(out, "{label}{number}").expect("memory takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(request: &Request, id: u32, expected: &str) {
        let mut out = Vec::new();
        Pieces::of(request).write(id, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn a_request_without_a_body_has_no_length() {
        check(
            &Request::get("/items?id=eq.{id}"),
            42,
            "GET /items?id=eq.42 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        );
    }

    #[test]
    fn the_length_counts_the_digits_of_each_number() {
        let request = Request {
            method: "POST".to_owned(),
            target: "/entries".to_owned(),
            headers: vec![("Prefer".to_owned(), "return=minimal".to_owned())],
            body: "[{id},{id}]".to_owned(),
        };
        let head = "POST /entries HTTP/1.1\r\nHost: localhost\r\nPrefer: return=minimal\r\n";
        check(
            &request,
            7,
            &format!("{head}Content-Length: 5\r\n\r\n[7,7]"),
        );
        check(
            &request,
            100,
            &format!("{head}Content-Length: 9\r\n\r\n[100,100]"),
        );
        assert_eq!(request.with_id(10).body, "[10,10]");
    }
}
