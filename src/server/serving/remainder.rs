//! The remainder of a large body, which follows what is in its client's output.
//!
//! ```text
//! with PostgreSQL ──the client takes it──▶ passed on, piece by piece ──▶ nothing
//!        └─others wait for the connection──▶ spooled ──the client takes it──▶ nothing
//!                        └─ the disk is full ──▶ spooled in part; the rest is with PostgreSQL
//! ```
//! Spooling blocks on PostgreSQL and on the disk, and never on the client.
//!
//! Invariant: bytes leave in the order in which PostgreSQL sent them: the output, the file, the
//! tail, the connection. While there is a file, the output is empty.

use crate::net::{Sent, Socket};
use crate::observing::tally::Count;
use crate::serving::grant::Grant;
use crate::serving::output::{Flushed, Output};
use crate::serving::rows::{Rows, Taken};
use crate::serving::spool::{Room, SpoolFile};
use crate::serving::watch::Watch;
use crate::sync::in_simulation;
use corerest_api::AccessMode;
use corerest_pg::{Connection, Error, Reply};

/// How much of a large body is moved at a time, and so held in memory for its client.
pub(crate) const BODY_CHUNK_BYTES: usize = in_simulation(512, 64 << 10);

/// How much is written to a file at a time, and so held in memory meanwhile.
pub(super) const SPOOLED_AT_ONCE_BYTES: usize = in_simulation(1 << 10, 256 << 10);

/// How much room in the spool rows get at a time. Nobody knows how many there are.
const ROOM_FOR_ROWS_BYTES: u64 = in_simulation(8 << 10, 8 << 20) as u64;

/// How much of a file is sent before other clients have their turn: whoever sends from a file has
/// no connection in hand, and may be the only thread that the core's clients have left.
const SENT_AT_ONCE_BYTES: u64 = 4 << 20;

/// What follows the output of a client.
pub(crate) struct Remainder {
    spooled: Option<SpoolFile>,
    /// What PostgreSQL had sent when the disk refused it.
    tail: Vec<u8>,
    held: Option<Held>,
}

/// A connection that waits for its client.
struct Held {
    grant: Grant,
    core: usize,
    /// The body is rows that come one by one, and not the rest of one value.
    rows: Option<Rows>,
}

/// What comes after what was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follows {
    /// More.
    More,
    /// Nothing.
    Nothing,
    /// Nobody knows: the client is gone, and PostgreSQL was told to stop.
    ClientGone,
}

/// How far spooling has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spooling {
    /// The connection is free.
    Completely,
    /// There is no more room.
    Partly,
    /// Nobody will read it.
    ClientGone,
}

impl Remainder {
    /// What PostgreSQL still has, on a connection of this core.
    pub(crate) fn new(grant: Grant, core: usize) -> Remainder {
        Remainder {
            spooled: None,
            tail: Vec::new(),
            held: Some(Held {
                grant,
                core,
                rows: None,
            }),
        }
    }

    /// Rows that PostgreSQL still has, or has still to find, on a connection of this core.
    pub(crate) fn of_rows(grant: Grant, core: usize, rows: Rows) -> Remainder {
        Remainder {
            spooled: None,
            tail: Vec::new(),
            held: Some(Held {
                grant,
                core,
                rows: Some(rows),
            }),
        }
    }

    /// An answer that is in a file as a whole.
    pub(crate) fn spooled(file: SpoolFile) -> Remainder {
        Remainder {
            spooled: Some(file),
            tail: Vec::new(),
            held: None,
        }
    }

    /// The core whose connection it holds, if it holds one.
    pub(crate) fn core(&self) -> Option<usize> {
        self.held.as_ref().map(|held| held.core)
    }

    /// How much room in the spool it needs besides that for the output, if it can be spooled. Of
    /// rows nobody knows how many there are, so they need some to begin with.
    pub(crate) fn bytes_to_spool(&mut self) -> Option<u64> {
        let held = self.held.as_mut()?;
        let is_untouched = self.spooled.is_none() && self.tail.is_empty();
        is_untouched.then(|| match held.rows {
            None => held.grant.lease.connection().body_bytes_left() as u64,
            Some(_) => ROOM_FOR_ROWS_BYTES,
        })
    }

    /// Sends what was spooled. The output before it has been written.
    pub(crate) fn send_spooled(&mut self, socket: &Socket, sent: &Count) -> Flushed {
        let mut left = SENT_AT_ONCE_BYTES;
        while let Some(file) = self.spooled.as_mut().filter(|file| file.unsent() > 0) {
            if left == 0 {
                return Flushed::Partly;
            }
            match file.send(socket, left) {
                Sent::Bytes(count) => {
                    sent.add(count as u64);
                    left -= count as u64;
                }
                Sent::WouldBlock => return Flushed::Partly,
                Sent::Closed => return Flushed::Failed,
            }
        }
        self.spooled = None;
        Flushed::Completely
    }

    /// Moves the next part to the client's output. What was spooled has been sent.
    ///
    /// # Errors
    /// If the connection to PostgreSQL breaks, or it fails among rows. The client has been promised
    /// more, so all that is left is to close its connection too.
    pub(crate) fn take_more(
        &mut self,
        output: &mut Output,
        socket: &Socket,
    ) -> Result<Follows, Error> {
        let out = output.end();
        out.append(&mut self.tail);
        let Some(held) = &mut self.held else {
            return Ok(Follows::Nothing);
        };
        if held.rows.is_some() {
            let follows = held.take_rows(out, socket, BODY_CHUNK_BYTES)?;
            if follows != Follows::More {
                self.held = None;
            }
            return Ok(follows);
        }
        let connection = held.grant.lease.connection();
        if connection.take_body(out, BODY_CHUNK_BYTES)? > 0 {
            return Ok(Follows::More);
        }
        read_to_the_end(connection)?;
        self.held = None;
        Ok(Follows::Nothing)
    }

    /// Brings everything that the client has not taken into a file.
    ///
    /// # Errors
    /// If the connection to PostgreSQL breaks, as above.
    pub(crate) fn spool(
        &mut self,
        room: Room,
        output: &mut Output,
        socket: &Socket,
    ) -> Result<Spooling, Error> {
        let (Some(held), Some(mut file)) = (&mut self.held, SpoolFile::new(room)) else {
            return Ok(Spooling::Partly);
        };
        let mut piece = output.take_unwritten();
        if held.rows.is_some() {
            let spooling = held.spool_rows(&mut file, &mut piece, socket);
            self.tail = piece;
            self.spooled = Some(file);
            if !matches!(spooling, Ok(Spooling::Partly)) {
                self.held = None;
            }
            return spooling;
        }
        let connection = held.grant.lease.connection();
        let spooling = loop {
            let written = file.append(&piece);
            if written < piece.len() {
                self.tail = piece.split_off(written);
                break Spooling::Partly;
            }
            piece.clear();
            if connection.body_bytes_left() == 0 {
                break Spooling::Completely;
            }
            if socket.is_gone() {
                break Spooling::ClientGone;
            }
            connection.take_body(&mut piece, SPOOLED_AT_ONCE_BYTES)?;
        };
        self.spooled = Some(file);
        if spooling == Spooling::Completely {
            read_to_the_end(connection)?;
            self.held = None;
        }
        Ok(spooling)
    }
}

impl Held {
    /// Moves the rows that come next behind `out`; waits for them, if need be.
    fn take_rows(
        &mut self,
        out: &mut Vec<u8>,
        socket: &Socket,
        bytes_max: usize,
    ) -> Result<Follows, Error> {
        let rows = self.rows.as_mut().expect("whoever calls has seen them");
        // Whoever is sent rows only reads.
        let mut watch = Watch::of(AccessMode::ReadOnly, socket);
        match rows.take(&mut self.grant.lease, &mut watch, out, bytes_max)? {
            Taken::Some => Ok(Follows::More),
            Taken::All => Ok(Follows::Nothing),
            Taken::Failed(error) => {
                let connection = self.grant.lease.connection();
                if !connection.is_broken() {
                    read_to_the_end(connection)?;
                }
                match watch.has_caused(&error) {
                    true => Ok(Follows::ClientGone),
                    false => Err(Error::Server(error)),
                }
            }
        }
    }

    /// Brings rows into a file, behind this piece, as long as there is room. What the disk refuses
    /// is left in the piece.
    fn spool_rows(
        &mut self,
        file: &mut SpoolFile,
        piece: &mut Vec<u8>,
        socket: &Socket,
    ) -> Result<Spooling, Error> {
        let mut follows = Follows::More;
        loop {
            let written = file.append(piece);
            piece.drain(..written);
            if !piece.is_empty() {
                // The last rows may be among what the disk has refused.
                return Ok(match follows {
                    Follows::More => Spooling::Partly,
                    Follows::Nothing | Follows::ClientGone => Spooling::Completely,
                });
            }
            if follows == Follows::Nothing {
                return Ok(Spooling::Completely);
            }
            if follows == Follows::ClientGone || socket.is_gone() {
                return Ok(Spooling::ClientGone);
            }
            if !file.has_room(2 * SPOOLED_AT_ONCE_BYTES as u64, ROOM_FOR_ROWS_BYTES) {
                return Ok(Spooling::Partly);
            }
            follows = self.take_rows(piece, socket, SPOOLED_AT_ONCE_BYTES)?;
        }
    }
}

/// Reads what is left of a batch whose body was passed on, or is not wanted.
///
/// # Errors
/// If the connection breaks, and if there is one more row: nothing tells to whom it belongs, so
/// the connection must not be used again.
pub(super) fn read_to_the_end(connection: &mut Connection) -> Result<(), Error> {
    loop {
        match connection.next_reply()? {
            Reply::Done => return Ok(()),
            Reply::Row(_) => return Err(Error::SurplusRow),
            Reply::Failed(_) | Reply::Settled => {}
        }
        if connection.is_broken() {
            return Ok(());
        }
    }
}
