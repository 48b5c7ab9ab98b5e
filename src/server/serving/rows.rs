//! Rows on their way from PostgreSQL to a client, one by one, in chunks as they come.
//!
//! ```text
//! first row ──▶ in a row ◀──next row── between rows ──end of the batch──▶ over: the last chunk
//!                  └──────its last byte──────▶┘ └──error──▶ failed: the last chunk is missing
//! ```
//! Whatever has come is passed on before anybody waits for more. So a client has the first row when
//! PostgreSQL has sent it, and there is never more in memory than one piece.
//!
//! Invariant: the last chunk says that the batch has ended well. Everything else ends the client's
//! connection without it (`cores::model::streams`).

use crate::serving::watch::Watch;
use crate::sync::{Mutant, is_mutant};
use corerest_api::Frame;
use corerest_pg::{Connection, Error, Lease, Reply};
use corerest_wire::http::response::{LAST_CHUNK, OpenChunk};
use corerest_wire::pg::ServerError;

/// How the end of a body is told whose length nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transfer {
    /// By a chunk without data.
    Chunked,
    /// By the end of the connection.
    UntilClose,
}

/// The rows of one statement that are still to come, and what stands around them.
#[derive(Debug)]
pub(crate) struct Rows {
    statement: usize,
    frame: Frame,
    transfer: Transfer,
    /// What comes before anything else.
    opening: Vec<u8>,
    /// Whether there was a row.
    has_row: bool,
    /// Whether the end of a row is still to come.
    in_row: bool,
}

/// What has become of rows that were to be taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// There is more to come.
    Some,
    /// There is not: the response is complete.
    All,
    /// PostgreSQL has failed. What is left of the batch was not read.
    Failed(ServerError),
}

impl Rows {
    /// The rows of this statement of the batch, of which the head of the first one was read, if
    /// there is one.
    pub(crate) fn new(
        statement: usize,
        frame: Frame,
        transfer: Transfer,
        opening: &[u8],
        is_any: bool,
    ) -> Rows {
        Rows {
            statement,
            frame,
            transfer,
            opening: [frame.before.as_bytes(), opening].concat(),
            has_row: is_any,
            in_row: is_any,
        }
    }

    /// Appends what comes next, about so many bytes at the most, and waits until there is some.
    /// The client is watched meanwhile.
    ///
    /// # Errors
    /// If the connection breaks, or says what was not asked.
    pub(crate) fn take(
        &mut self,
        lease: &mut Lease,
        watch: &mut Watch<'_>,
        out: &mut Vec<u8>,
        bytes_max: usize,
    ) -> Result<Taken, Error> {
        loop {
            let length = out.len();
            let taken = self.take_arrived(lease.connection(), out, bytes_max)?;
            if taken != Taken::Some || out.len() > length {
                return Ok(taken);
            }
            if !watch.is_on() {
                lease.connection().await_arrival()?;
            } else if !lease.connection().has_arrived_soon()? {
                watch.wait(lease);
            }
        }
    }

    /// The same, but nobody waits: there may be nothing.
    ///
    /// # Errors
    /// As above.
    pub(crate) fn take_arrived(
        &mut self,
        connection: &mut Connection,
        out: &mut Vec<u8>,
        bytes_max: usize,
    ) -> Result<Taken, Error> {
        match self.transfer {
            Transfer::UntilClose => self.gather(connection, out, bytes_max),
            Transfer::Chunked => {
                let chunk = OpenChunk::begin(out);
                let taken = self.gather(connection, out, bytes_max);
                chunk.end(out);
                if let Ok(Taken::All) = taken {
                    out.extend_from_slice(LAST_CHUNK);
                }
                taken
            }
        }
    }

    fn gather(
        &mut self,
        connection: &mut Connection,
        out: &mut Vec<u8>,
        bytes_max: usize,
    ) -> Result<Taken, Error> {
        let end = out.len() + bytes_max;
        out.append(&mut self.opening);
        while out.len() < end {
            if self.in_row {
                let from = out.len();
                let is_any = connection.take_body_if_there(out, end - from)? > 0;
                if self.frame.one_line {
                    blank_line_breaks(&mut out[from..]);
                }
                if connection.body_bytes_left() == 0 {
                    self.in_row = false;
                    out.extend_from_slice(self.frame.behind_each.as_bytes());
                } else if !is_any {
                    break;
                }
                continue;
            }
            match connection.next_reply_if_there()? {
                None => break,
                Some(Reply::Row(row)) if row.statement == self.statement && self.has_row => {
                    self.in_row = true;
                    out.extend_from_slice(self.frame.between.as_bytes());
                }
                // Only writes tell a position behind their answer, and none is sent row by row.
                Some(Reply::Row(_) | Reply::Settled) => return Err(Error::SurplusRow),
                Some(Reply::Failed(_)) if is_mutant(Mutant::FailedRowsEndWell) => {}
                Some(Reply::Failed(error)) => return Ok(Taken::Failed(error)),
                Some(Reply::Done) => {
                    out.extend_from_slice(self.frame.after.as_bytes());
                    return Ok(Taken::All);
                }
            }
        }
        Ok(Taken::Some)
    }
}

/// Outside of strings a line break is as good as a blank in JSON, and inside there are none.
fn blank_line_breaks(bytes: &mut [u8]) {
    for byte in bytes {
        let is_break = matches!(*byte, b'\n' | b'\r');
        *byte = if is_break { b' ' } else { *byte };
    }
}
