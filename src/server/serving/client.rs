//! One client: its socket, what it has sent, and what it is still to be sent.
//!
//! ```text
//!            readable                     written
//! resting ─────────────▶ being served ─────────────▶ resting
//!    │                    │        │ no connection free
//!    │ deadline           │        └──▶ parked ──▶ being served
//!    └──▶ closed ◀────────┘ error, end, Connection: close
//! ```
//! One that hears events rests, too ([`super::hearing`]), and is served when something is told.
//!
//! A client is owned by exactly one place at a time: the table of its core while it rests, the
//! thread that serves it, or the queue of parked requests. So it needs no lock.

use crate::net::{OtherSide, Socket};
use crate::serving::hearing::Hearing;
use crate::serving::memory::Held;
use crate::serving::output::Output;
use crate::serving::remainder::Remainder;
use crate::serving::upload::Upload;
use crate::state::channels::Place;
use crate::sync::Instant;
use corerest_wire::http;
use std::net::IpAddr;

/// Names a client towards epoll: its place in the table of its core, and how often that place was
/// used before, so that a late event for an earlier client is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientToken(u64);

impl ClientToken {
    pub(crate) fn new(index: usize, generation: u32) -> ClientToken {
        let index = u32::try_from(index).expect("a table has fewer than 2^32 places");
        ClientToken(u64::from(generation) << 32 | u64::from(index))
    }

    pub(crate) fn from_event(number: u64) -> ClientToken {
        ClientToken(number)
    }

    pub(crate) fn from_place(place: Place) -> ClientToken {
        ClientToken(place.number)
    }

    pub(crate) fn number(self) -> u64 {
        self.0
    }

    pub(crate) fn index(self) -> usize {
        (self.0 & u64::from(u32::MAX)) as usize
    }

    pub(crate) fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// A connected client.
pub(crate) struct Client {
    /// Its place in the table of its core.
    pub(crate) token: ClientToken,
    /// Its core, to which it returns wherever it is served.
    pub(crate) home: usize,
    /// Its socket.
    pub(crate) socket: Socket,
    /// Its address; `None` behind a Unix socket.
    pub(crate) peer: Option<IpAddr>,
    /// Whether it is ourselves, who try whether clients are answered: nobody else wants to know.
    pub(crate) is_visitor: bool,
    /// Whether it is there, by the last event.
    pub(crate) other_side: OtherSide,
    /// The requests it sends.
    pub(crate) requests: http::Connection,
    /// When its patience, or ours, ends.
    pub(crate) deadline: Instant,
    /// What it was doing when the deadline was set.
    pub(crate) phase: http::Phase,
    /// Whether it has brought a request to its end, or one with a large body to its head's.
    pub(crate) has_asked: bool,
    /// What is known of the head of its request.
    pub(crate) head: Head,
    /// How many bytes have come since the deadline was set.
    pub(crate) came: usize,
    /// What it makes the server hold.
    pub(crate) memory: Held,
    /// Responses that are not yet written.
    pub(crate) output: Output,
    /// The rest of a large body, which follows the output.
    pub(crate) body: Option<Remainder>,
    /// What has become of the body that it sends in parts.
    pub(crate) upload: Option<Box<Upload>>,
    /// What it hears, if it asked for events.
    pub(crate) hearing: Option<Box<Hearing>>,
    /// Whether more requests are read after the output is written.
    pub(crate) after: After,
}

/// Whether the head of a request was looked at before the request is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// No.
    New,
    /// Yes, and its body was let come.
    LookedAt,
}

/// What happens when everything is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// The next request.
    KeepAlive,
    /// The connection is closed, as was announced.
    Close,
    /// What the client still sends is thrown away before the connection is closed: it was refused,
    /// or has sent more than was taken.
    Drain,
}

impl Client {
    pub(crate) fn new(
        token: ClientToken,
        home: usize,
        socket: Socket,
        peer: Option<IpAddr>,
        memory: Held,
        deadline: Instant,
    ) -> Client {
        Client {
            token,
            home,
            socket,
            peer,
            is_visitor: false,
            other_side: OtherSide::There,
            requests: http::Connection::new(),
            deadline,
            phase: http::Phase::Idle,
            has_asked: false,
            head: Head::New,
            came: 0,
            memory,
            output: Output::default(),
            body: None,
            upload: None,
            hearing: None,
            after: After::KeepAlive,
        }
    }

    /// How much memory stays with it when its thread goes on.
    pub(crate) fn bytes_held(&self) -> usize {
        let waiting = self
            .hearing
            .as_ref()
            .map_or(0, |hearing| hearing.mailbox.bytes());
        self.requests.buffer_capacity() + self.output.capacity() + waiting
    }

    /// The core whose connection waits for it, if one does.
    pub(crate) fn connected_to(&self) -> Option<usize> {
        let of_upload = || self.upload.as_ref().map(|upload| upload.core());
        self.body
            .as_ref()
            .and_then(Remainder::core)
            .or_else(of_upload)
    }

    /// Whether it waits for nothing from us, and has not been told to go.
    pub(crate) fn is_resting(&self) -> bool {
        self.is_done() && self.after == After::KeepAlive
    }

    /// Whether there is nothing that it has still to be sent.
    pub(crate) fn is_done(&self) -> bool {
        self.output.is_empty() && self.body.is_none()
    }
}
