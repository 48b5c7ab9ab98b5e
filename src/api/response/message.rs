//! What a response is: its head, and where its body comes from. The kinds of responses, each with a
//! file of its own, are made of it.

use crate::error::{ErrorResponse, HeaderValue};
use std::borrow::Cow;

/// The head of a response, and its body or where that comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// A reason phrase other than the usual one.
    pub reason: Option<String>,
    /// The headers in their order, without those about framing, Date and Server.
    pub headers: Vec<Header>,
    /// The body.
    pub body: Body,
}

/// A header of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Its value.
    pub value: HeaderValue,
}

/// The body of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// There is none, and no Content-Length: the answer to HEAD.
    Absent,
    /// These bytes.
    Bytes(Vec<u8>),
    /// The last column of the main row.
    LastColumn,
    /// What is notified on the channels that the last column of the main row names, from now on.
    Events,
}

impl Header {
    pub(crate) fn constant(name: &'static str, value: HeaderValue) -> Header {
        Header {
            name: Cow::Borrowed(name),
            value,
        }
    }

    pub(crate) fn new(name: &'static str, value: impl Into<Vec<u8>>) -> Header {
        Header {
            name: Cow::Borrowed(name),
            value: HeaderValue::sanitized(value),
        }
    }
}

impl From<ErrorResponse> for Response {
    fn from(error: ErrorResponse) -> Response {
        let headers = error.headers.into_iter();
        Response {
            status: error.status,
            reason: error.reason,
            headers: headers
                .map(|(name, value)| Header { name, value })
                .collect(),
            body: Body::Bytes(error.body),
        }
    }
}
