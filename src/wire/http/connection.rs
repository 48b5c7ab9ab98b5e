//! One client's connection, as a struct that is fed bytes and says what they amount to.
//!
//! ```text
//!        bytes            head complete           body complete
//! Start ───────► Head ──────────────────► Body ──────────────────► Complete
//!   ▲  ▲                                  │  ▲                         │
//!   │  │    large, or its client waits for│  │ admit_body              │
//!   │  │                        100       ▼  │                         │
//!   │  └── one empty line    Unadmitted body ── finish_request ─► Closed
//!   │      is dropped                                                  │ finish_request
//!   └──────────────────── keep-alive ──────────────────────────────────┤
//!                                                                      └─ close ─► Closed
//!        any step ── the bytes are not acceptable ─► Refused
//! ```
//! Whoever serves the client looks at the head before memory is taken for a large body, and may
//! answer without it. What counts is how large the body is said to be, or has turned out to be, and
//! not how much of it has come.
//!
//! Several requests may lie in the buffer; the first begins at `start`, and all positions of a
//! message count from there, so that the bytes can be moved at any time.
//! Invariant: no step looks at a byte that was not received, and what is said about the stream does
//! not depend on the pieces in which it came.

use std::mem;

use super::buffer::Buffer;
use super::chunked::ChunkedBody;
use super::field::{BodyLength, Expectation};
use super::head::{self, Head, HeadScan};
use super::limits::{
    BUFFER_BYTES_DOUBLED_MAX, BUFFER_BYTES_FIRST, Limits, READ_BYTES_MIN, TRAILER_BYTES_MAX,
};
use super::refusal::Refusal;
use super::request::Request;
use super::token::is_token_byte;

/// The state of one client's connection.
#[derive(Debug)]
pub struct Connection {
    buffer: Buffer,
    /// The first byte of the message being read.
    start: usize,
    /// The end of the received bytes.
    filled: usize,
    reading: Reading,
    /// Whether what was refused began like a HEAD request.
    refused_head: bool,
}

/// What the received bytes amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// No complete request yet: read on.
    NeedMore,
    /// The head of a request with a large body, or with one that its client holds back until it
    /// is told to go on: look at it ([`Connection::request`] shows an empty body), then take the
    /// body ([`Connection::admit_body`]) or answer without it ([`Connection::finish_request`],
    /// which ends the connection). Said until one of the two is done.
    Head,
    /// The body is admitted and the client waits to be told so before it sends it: write
    /// [`CONTINUE`](super::response::CONTINUE), then read on. Said once for a request.
    NeedMoreAfterContinue,
    /// A request is complete; see [`Connection::request`].
    Request,
    /// A part of a body that is taken in parts is there: [`Connection::request`] shows it as the
    /// body. Take something of it ([`Connection::take_part`]), want more of it
    /// ([`Connection::want_part`]), or answer without the rest ([`Connection::finish_request`],
    /// which ends the connection). Said until one of these is done.
    Part,
    /// The same, of the last one: the request is complete.
    LastPart,
}

/// What the client is doing, so that the right deadline can be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing of a next request has arrived.
    Idle,
    /// A head has begun, or the next request lies in the buffer.
    Head,
    /// The head is complete, the body is not.
    Body,
    /// A request is complete and is being answered.
    Answering,
    /// No further request will be read.
    Closing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Start(EmptyLine),
    Head(HeadScan),
    /// The body is not read on before somebody has looked at the head.
    Unadmitted(Head, Body),
    Body(Head, Body, Admission),
    /// What is in the buffer of the body is the part that is to be taken next.
    Parts(Head, Body, Parts),
    Complete(Head, BodyEnds),
    Refused(Refusal),
    Closed,
}

/// RFC 9112 §2.2 asks to tolerate an empty line before a request; one is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EmptyLine {
    Allowed,
    Seen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    /// Where the body, and with it the message, ends.
    Known {
        end: usize,
    },
    Chunked(ChunkedBody),
}

/// Whether somebody has looked at the head, and lets the body come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admission {
    /// Nobody, and nobody need: the body is small so far.
    Unasked,
    /// The body may come, but the client has still to be told so.
    Announced,
    /// The body may come.
    Given,
}

/// How far a body has come that is taken in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parts {
    /// The next part is longer than this, unless it is the last.
    wanted: usize,
    /// Whether one was taken. Before that, a body that fits in the first is a body like any other.
    are_begun: bool,
    /// Whether the client is still to be told that the body may come.
    announced: bool,
    /// Where body and message end, once the end has come.
    ends: Option<BodyEnds>,
}

/// Where the body ends, and where the message does: framing may lie between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct BodyEnds {
    body: usize,
    message: usize,
}

impl Default for Connection {
    fn default() -> Self {
        Connection::new()
    }
}

impl Connection {
    /// A client that has sent nothing. Allocates nothing.
    pub fn new() -> Self {
        Connection {
            buffer: Buffer::new(),
            start: 0,
            filled: 0,
            reading: Reading::Start(EmptyLine::Allowed),
            refused_head: false,
        }
    }

    /// Lends memory to read into. A client that still has bytes keeps its own, and gives this one
    /// back.
    pub fn lend_buffer(&mut self, buffer: Buffer) -> Option<Buffer> {
        if self.start < self.filled {
            return Some(buffer);
        }
        self.start = 0;
        self.filled = 0;
        let own = mem::replace(&mut self.buffer, buffer);
        (own.capacity() > 0).then_some(own)
    }

    /// Takes the memory back, if the client has no bytes in it.
    pub fn reclaim_buffer(&mut self) -> Option<Buffer> {
        let empty = self.start == self.filled && self.buffer.capacity() > 0;
        let reclaimable = match self.reading {
            Reading::Start(_) | Reading::Refused(_) | Reading::Closed => empty,
            Reading::Head(_)
            | Reading::Unadmitted(..)
            | Reading::Body(..)
            | Reading::Parts(..)
            | Reading::Complete(..) => false,
        };
        reclaimable.then(|| {
            self.start = 0;
            self.filled = 0;
            mem::take(&mut self.buffer)
        })
    }

    /// Free space to read into. Empty if no more may be read now: the read-ahead is full, or the
    /// connection is closing.
    ///
    /// The buffer grows as bytes arrive; a length that the client merely declares allocates
    /// nothing. `may_grow` is asked before it does, with the size that it will have.
    ///
    /// # Errors
    /// [`Refusal::OutOfMemory`] if it may not grow, or cannot. To be treated as one of
    /// [`Connection::next`].
    pub fn recv_space(
        &mut self,
        limits: &Limits,
        may_grow: impl FnOnce(usize) -> bool,
    ) -> Result<&mut [u8], Refusal> {
        let buffered = self.filled - self.start;
        let room = self.message_bytes_max(limits).saturating_sub(buffered);
        if room == 0 {
            return Ok(&mut []);
        }
        let wanted = room.min(self.remaining_bytes(buffered)).min(READ_BYTES_MIN);
        if self.buffer.bytes.len() - self.filled < wanted
            && !self.make_room(wanted, buffered + room, may_grow)
        {
            return Err(self.refuse(Refusal::OutOfMemory));
        }
        let end = self
            .buffer
            .bytes
            .len()
            .min(self.filled.saturating_add(room));
        Ok(&mut self.buffer.bytes[self.filled..end])
    }

    /// Tells how many bytes were read into [`Connection::recv_space`].
    pub fn received(&mut self, count: usize) {
        assert!(
            count <= self.buffer.bytes.len() - self.filled,
            "more bytes than space"
        );
        self.filled += count;
        self.invariants();
    }

    /// Says what the bytes so far amount to. A refusal is final, and after the last request of a
    /// connection there is never more than [`Progress::NeedMore`], with [`Phase::Closing`].
    pub fn next(&mut self, limits: &Limits) -> Result<Progress, Refusal> {
        let result = self.step(limits);
        if let Err(refusal) = result {
            self.refuse(refusal);
        }
        self.invariants();
        result
    }

    /// Ends the connection from our side, whatever it is doing: nothing of what came, or will come,
    /// is looked at, and its memory can be taken back.
    pub fn give_up(&mut self) {
        if self.phase() != Phase::Closing {
            self.refused_head = self.is_head();
            self.reading = Reading::Closed;
            self.start = self.filled;
        }
        self.invariants();
    }

    /// Gives the connection up. Nothing of what came is trusted any more.
    fn refuse(&mut self, refusal: Refusal) -> Refusal {
        self.refused_head |= self.is_head();
        self.reading = Reading::Refused(refusal);
        self.start = self.filled;
        refusal
    }

    /// Whether what came is, or began like, a HEAD request, whose response has no body, be it a
    /// refusal (RFC 9110 §9.3.2).
    pub fn is_head(&self) -> bool {
        self.refused_head || self.message().starts_with(b"HEAD ")
    }

    /// The complete request, or the head of one whose body is not admitted yet: a request without
    /// a body that ends the connection. If the body is taken in parts, what has come of it is the
    /// body, and the connection ends unless its end has come.
    ///
    /// # Panics
    /// Unless [`Connection::next`] said [`Progress::Request`] or [`Progress::Head`], and the
    /// request is not finished, or its body admitted; or the body is taken in parts.
    pub fn request(&self) -> Request<'_> {
        match &self.reading {
            Reading::Complete(head, ends) => {
                let message = &self.buffer.bytes[self.start..self.start + ends.message];
                let body = &message[head.length..ends.body];
                Request::new(head, message, &self.buffer.fields, body)
            }
            Reading::Unadmitted(head, _) => {
                let last = Head {
                    keep_alive: false,
                    ..*head
                };
                let message = &self.buffer.bytes[self.start..self.start + head.length];
                Request::new(&last, message, &self.buffer.fields, &[])
            }
            Reading::Parts(head, body, parts) => {
                let end = parts
                    .ends
                    .map_or_else(|| body.arrived(self.filled - self.start), |ends| ends.body);
                let shown = Head {
                    keep_alive: head.keep_alive && parts.ends.is_some(),
                    ..*head
                };
                let message = &self.buffer.bytes[self.start..self.start + end];
                Request::new(
                    &shown,
                    message,
                    &self.buffer.fields,
                    &message[head.length..],
                )
            }
            other => panic!("no complete request: {other:?}"),
        }
    }

    /// How many bytes of a body that is not admitted yet are said to come; `None` if that is not
    /// said, or not asked.
    pub fn declared_body_bytes(&self) -> Option<usize> {
        match &self.reading {
            Reading::Unadmitted(head, Body::Known { end }) => Some(end - head.length),
            _ => None,
        }
    }

    /// Lets the body come. One that is said to be longer than any may be is refused by the next
    /// step.
    ///
    /// # Panics
    /// Unless [`Connection::next`] said [`Progress::Head`].
    pub fn admit_body(&mut self) {
        let (head, body, waits) = self.unadmitted();
        let admission = if waits {
            Admission::Announced
        } else {
            Admission::Given
        };
        self.reading = Reading::Body(head, body, admission);
    }

    /// Lets the body come, of any length, to be taken in parts longer than this. If it is no
    /// longer than that itself, it is a complete request when it has come.
    ///
    /// # Panics
    /// As [`Connection::admit_body`].
    pub fn admit_body_in_parts(&mut self, part_bytes: usize) {
        let (head, body, announced) = self.unadmitted();
        let parts = Parts {
            wanted: part_bytes,
            are_begun: false,
            announced,
            ends: None,
        };
        self.reading = Reading::Parts(head, body, parts);
    }

    /// The head and the body that are to be admitted, and whether the client waits to be told so:
    /// one whose body is under way already waits for nothing.
    fn unadmitted(&self) -> (Head, Body, bool) {
        let Reading::Unadmitted(head, body) = self.reading else {
            panic!("no head to look at: {:?}", self.reading);
        };
        let waits =
            head.expectation == Expectation::Continue && self.filled - self.start == head.length;
        (head, body, waits)
    }

    /// Drops so many bytes from the beginning of the part, and wants more than so many in the
    /// next one.
    ///
    /// # Panics
    /// If the body is not taken in parts, or the part is shorter.
    pub fn take_part(&mut self, count: usize, next_bytes: usize) {
        let Reading::Parts(head, mut body, mut parts) = self.reading else {
            panic!("nothing is taken in parts: {:?}", self.reading);
        };
        let part = self.request().body;
        assert!(count <= part.len(), "more bytes than the part has");
        let from = self.start + head.length;
        self.buffer
            .bytes
            .copy_within(from + count..self.filled, from);
        self.filled -= count;
        body.shorten(count);
        if let Some(ends) = &mut parts.ends {
            ends.body -= count;
            ends.message -= count;
        }
        parts.are_begun = true;
        parts.wanted = next_bytes;
        self.reading = Reading::Parts(head, body, parts);
        self.invariants();
    }

    /// Wants the part to have more than so many bytes, for what has come is of no use yet.
    ///
    /// # Panics
    /// If the body is not taken in parts.
    pub fn want_part(&mut self, bytes: usize) {
        let Reading::Parts(_, _, parts) = &mut self.reading else {
            panic!("nothing is taken in parts: {:?}", self.reading);
        };
        parts.wanted = bytes;
    }

    /// Drops the bytes of the answered request. Bytes of the next one stay, unless this one was
    /// the last, or its body has not come as a whole.
    ///
    /// # Panics
    /// As [`Connection::request`].
    pub fn finish_request(&mut self) {
        match self.reading {
            Reading::Complete(head, ends)
            | Reading::Parts(
                head,
                _,
                Parts {
                    ends: Some(ends), ..
                },
            ) if head.keep_alive => {
                self.start += ends.message;
                self.reading = Reading::Start(EmptyLine::Allowed);
            }
            Reading::Complete(..) | Reading::Unadmitted(..) | Reading::Parts(..) => {
                self.start = self.filled;
                self.reading = Reading::Closed;
            }
            other => panic!("no complete request: {other:?}"),
        }
        if self.start == self.filled {
            self.start = 0;
            self.filled = 0;
        }
        self.invariants();
    }

    /// What the client is doing.
    pub fn phase(&self) -> Phase {
        match self.reading {
            Reading::Start(_) if self.start == self.filled => Phase::Idle,
            Reading::Start(_) | Reading::Head(_) => Phase::Head,
            Reading::Body(..) | Reading::Parts(_, _, Parts { ends: None, .. }) => Phase::Body,
            Reading::Parts(..) => Phase::Answering,
            Reading::Unadmitted(..) | Reading::Complete(..) => Phase::Answering,
            Reading::Refused(_) | Reading::Closed => Phase::Closing,
        }
    }

    fn step(&mut self, limits: &Limits) -> Result<Progress, Refusal> {
        match self.reading {
            Reading::Start(empty_line) => self.begin(empty_line, limits),
            Reading::Head(scan) => self.read_head(scan, limits),
            Reading::Unadmitted(..) => Ok(Progress::Head),
            Reading::Body(head, Body::Known { end }, _)
                if (end - head.length) as u64 > limits.body_bytes_max =>
            {
                Err(Refusal::BodyTooLarge)
            }
            Reading::Parts(head, body, parts) => self.read_part(head, body, parts, limits),
            Reading::Body(head, body, Admission::Announced) => {
                self.reading = Reading::Body(head, body, Admission::Given);
                Ok(Progress::NeedMoreAfterContinue)
            }
            Reading::Body(head, body, admission) => self.read_body(head, body, admission, limits),
            Reading::Complete(..) => Ok(Progress::Request),
            Reading::Refused(refusal) => Err(refusal),
            Reading::Closed => Ok(Progress::NeedMore),
        }
    }

    fn begin(&mut self, empty_line: EmptyLine, limits: &Limits) -> Result<Progress, Refusal> {
        match (self.message(), empty_line) {
            ([], _) | ([b'\r'], EmptyLine::Allowed) => Ok(Progress::NeedMore),
            ([b'\r', b'\n', ..], EmptyLine::Allowed) => {
                self.start += 2;
                self.reading = Reading::Start(EmptyLine::Seen);
                self.begin(EmptyLine::Seen, limits)
            }
            ([b'\r', ..], EmptyLine::Allowed) => Err(Refusal::BareCarriageReturn),
            ([b'\n', ..], EmptyLine::Allowed) => Err(Refusal::BareLineFeed),
            ([first, ..], _) if is_token_byte(*first) => {
                self.read_head(HeadScan::default(), limits)
            }
            _ => Err(Refusal::InvalidMethod),
        }
    }

    /// Tries the whole head at once first; that succeeds for all but the slow and the broken ones.
    /// What fails is read again line by line, because which fault is named must not depend on the
    /// pieces in which the head came.
    fn read_head(&mut self, mut scan: HeadScan, limits: &Limits) -> Result<Progress, Refusal> {
        let received = &self.buffer.bytes[self.start..self.filled];
        let message = &received[..received.len().min(limits.head_bytes())];
        let fields = &mut self.buffer.fields;
        let mut outline = None;
        if scan.is_fresh() {
            outline = head::outline(message, fields, limits).ok().flatten();
        }
        if outline.is_none() {
            let Some(length) = scan.advance(message, limits)? else {
                self.reading = Reading::Head(scan);
                return Ok(Progress::NeedMore);
            };
            outline = head::outline(&message[..length], fields, limits)?;
        }
        let outline = outline.expect("the empty line that ends a head was found");
        let head = head::interpret(message, fields, outline)?;
        let body = match head.body {
            BodyLength::Known(length) => Body::Known {
                end: body_end(head.length, length)?,
            },
            BodyLength::Chunked => Body::Chunked(ChunkedBody::new(head.length)),
        };
        let waits = match head.body {
            BodyLength::Known(0) => false,
            // It may be one that is taken in parts.
            BodyLength::Known(length) if length > limits.body_bytes_max => true,
            BodyLength::Known(_) | BodyLength::Chunked => head.expectation == Expectation::Continue,
        };
        if waits {
            self.reading = Reading::Unadmitted(head, body);
            return Ok(Progress::Head);
        }
        self.read_body(head, body, Admission::Unasked, limits)
    }

    fn read_body(
        &mut self,
        head: Head,
        mut body: Body,
        admission: Admission,
        limits: &Limits,
    ) -> Result<Progress, Refusal> {
        // What there is of the body, as far as that is known.
        let (ends, body_end) = match &mut body {
            Body::Known { end } => {
                let is_here = self.filled - self.start >= *end;
                let ends = is_here.then_some(BodyEnds {
                    body: *end,
                    message: *end,
                });
                (ends, *end)
            }
            Body::Chunked(chunks) => {
                let message = &mut self.buffer.bytes[self.start..self.filled];
                // What is wrong behind a body that is too large may not have come yet.
                let is_here = match chunks.advance(message, limits) {
                    Err(_) if chunks.told_bytes() > limits.body_bytes_max => {
                        return Err(Refusal::BodyTooLarge);
                    }
                    advanced => advanced?,
                };
                let ends = is_here.then(|| BodyEnds {
                    body: chunks.body_end(),
                    message: chunks.read_position(),
                });
                if !is_here {
                    self.close_gap(chunks);
                }
                (ends, chunks.body_end())
            }
        };
        let is_too_large = match &body {
            Body::Known { .. } => false, // that was seen in the head
            Body::Chunked(chunks) => chunks.told_bytes() > limits.body_bytes_max,
        };
        if is_too_large && admission != Admission::Unasked {
            return Err(Refusal::BodyTooLarge);
        }
        let is_large = is_too_large || body_end - head.length > limits.unadmitted_body_bytes_max;
        if admission == Admission::Unasked && is_large {
            self.reading = Reading::Unadmitted(head, body);
            return Ok(Progress::Head);
        }
        match ends {
            Some(ends) => {
                self.reading = Reading::Complete(head, ends);
                Ok(Progress::Request)
            }
            None => {
                self.reading = Reading::Body(head, body, admission);
                Ok(Progress::NeedMore)
            }
        }
    }

    /// The part that is there, if it is as long as is wanted, or the end has come.
    fn read_part(
        &mut self,
        head: Head,
        mut body: Body,
        mut parts: Parts,
        limits: &Limits,
    ) -> Result<Progress, Refusal> {
        if mem::take(&mut parts.announced) {
            self.reading = Reading::Parts(head, body, parts);
            return Ok(Progress::NeedMoreAfterContinue);
        }
        if parts.ends.is_none() {
            parts.ends = match &mut body {
                Body::Known { end } => (self.filled - self.start >= *end).then_some(BodyEnds {
                    body: *end,
                    message: *end,
                }),
                Body::Chunked(chunks) => {
                    let message = &mut self.buffer.bytes[self.start..self.filled];
                    let is_here = chunks.advance(message, limits)?;
                    let ends = is_here.then(|| BodyEnds {
                        body: chunks.body_end(),
                        message: chunks.read_position(),
                    });
                    if !is_here {
                        self.close_gap(chunks);
                    }
                    ends
                }
            };
        }
        self.reading = Reading::Parts(head, body, parts);
        match parts.ends {
            Some(ends) if !parts.are_begun && ends.body - head.length <= parts.wanted => {
                self.reading = Reading::Complete(head, ends);
                Ok(Progress::Request)
            }
            Some(_) => Ok(Progress::LastPart),
            None => {
                let arrived = body.arrived(self.filled - self.start) - head.length;
                Ok(match arrived > parts.wanted {
                    true => Progress::Part,
                    false => Progress::NeedMore,
                })
            }
        }
    }

    /// Moves the undecoded bytes down to the decoded ones, so that framing takes no memory. They
    /// are at most an unfinished line.
    fn close_gap(&mut self, chunks: &mut ChunkedBody) {
        let (write, read) = (
            self.start + chunks.body_end(),
            self.start + chunks.read_position(),
        );
        self.buffer.bytes.copy_within(read..self.filled, write);
        self.filled -= read - write;
        chunks.gap_closed();
    }

    /// How many bytes have come that are not answered.
    pub fn unanswered_bytes(&self) -> usize {
        self.filled - self.start
    }

    /// How much memory the client holds.
    pub fn buffer_capacity(&self) -> usize {
        self.buffer.capacity()
    }

    fn message(&self) -> &[u8] {
        &self.buffer.bytes[self.start..self.filled]
    }

    /// How many bytes from the start of the message on may be in memory.
    fn message_bytes_max(&self, limits: &Limits) -> usize {
        let message_bytes_max = match &self.reading {
            Reading::Start(_) | Reading::Head(_) => limits.head_bytes().saturating_add(2),
            Reading::Body(_, Body::Known { end }, _) => *end,
            // Undecoded is at most an unfinished line of framing, and a trailer is the longest; the
            // body itself is checked at each chunk.
            Reading::Body(_, Body::Chunked(chunks), _) => {
                chunks.body_end().saturating_add(TRAILER_BYTES_MAX)
            }
            Reading::Parts(head, body, parts) => {
                let part_end = head.length.saturating_add(parts.wanted).saturating_add(1);
                match (parts.ends, body) {
                    (Some(ends), _) => ends.message,
                    (None, Body::Known { end }) => part_end.min(*end),
                    (None, Body::Chunked(_)) => part_end.saturating_add(TRAILER_BYTES_MAX),
                }
            }
            Reading::Complete(_, ends) => ends.message,
            Reading::Unadmitted(..) | Reading::Refused(_) | Reading::Closed => return 0,
        };
        message_bytes_max.saturating_add(limits.pipelined_bytes_max)
    }

    /// How many more bytes are expected for sure, so that no memory is taken for more than them.
    fn remaining_bytes(&self, buffered: usize) -> usize {
        match &self.reading {
            Reading::Body(_, Body::Known { end }, _)
            | Reading::Parts(_, Body::Known { end }, Parts { ends: None, .. }) => *end - buffered,
            _ => READ_BYTES_MIN,
        }
    }

    /// Makes room for `wanted` more bytes, in a message that may grow to `message_bytes_max`, if
    /// it may and can.
    fn make_room(
        &mut self,
        wanted: usize,
        message_bytes_max: usize,
        may_grow: impl FnOnce(usize) -> bool,
    ) -> bool {
        if self.start > 0 {
            self.buffer.bytes.copy_within(self.start..self.filled, 0);
            self.filled -= self.start;
            self.start = 0;
        }
        let needed = self.filled + wanted;
        if self.buffer.bytes.len() >= needed {
            return true;
        }
        let grown = grown(self.buffer.bytes.len())
            .min(message_bytes_max)
            .max(needed);
        may_grow(grown) && self.buffer.grow(grown)
    }

    fn invariants(&self) {
        debug_assert!(self.start <= self.filled);
        debug_assert!(self.filled <= self.buffer.bytes.len());
        let buffered = self.filled - self.start;
        match &self.reading {
            Reading::Unadmitted(head, Body::Known { end })
            | Reading::Body(head, Body::Known { end }, _) => debug_assert!(head.length <= *end),
            Reading::Unadmitted(head, Body::Chunked(chunks))
            | Reading::Body(head, Body::Chunked(chunks), _) => {
                debug_assert!(head.length <= chunks.body_end());
                debug_assert!(chunks.body_end() <= chunks.read_position());
                debug_assert!(chunks.read_position() <= buffered);
            }
            Reading::Parts(head, Body::Known { end }, Parts { ends: None, .. }) => {
                debug_assert!(head.length <= *end);
            }
            Reading::Parts(head, Body::Chunked(chunks), Parts { ends: None, .. }) => {
                debug_assert!(head.length <= chunks.body_end());
                debug_assert!(chunks.read_position() <= buffered);
            }
            Reading::Complete(head, ends)
            | Reading::Parts(
                head,
                _,
                Parts {
                    ends: Some(ends), ..
                },
            ) => {
                debug_assert!(head.length <= ends.body);
                debug_assert!(ends.body <= ends.message);
                debug_assert!(ends.message <= buffered);
            }
            Reading::Refused(_) | Reading::Closed => debug_assert!(buffered == 0),
            Reading::Start(_) | Reading::Head(_) => {}
        }
    }
}

impl Body {
    /// Where what has come of the body ends, when so many bytes of the message have come.
    fn arrived(&self, received: usize) -> usize {
        match self {
            Body::Known { end } => received.min(*end),
            Body::Chunked(chunks) => chunks.body_end(),
        }
    }

    /// So many bytes of what has come were taken.
    fn shorten(&mut self, count: usize) {
        match self {
            Body::Known { end } => *end -= count,
            Body::Chunked(chunks) => chunks.shorten(count),
        }
    }
}

/// How large a buffer of this size becomes. A large one is moved by its pages, not copied, so it
/// need not double: it may hold 100 MiB of which no sixteenth is empty.
fn grown(size: usize) -> usize {
    let more = if size < BUFFER_BYTES_DOUBLED_MAX {
        size
    } else {
        size / 16
    };
    size.saturating_add(more).max(BUFFER_BYTES_FIRST)
}

fn body_end(head_bytes: usize, body_bytes: u64) -> Result<usize, Refusal> {
    usize::try_from(body_bytes)
        .ok()
        .and_then(|bytes| bytes.checked_add(head_bytes))
        .ok_or(Refusal::BodyTooLarge)
}
