//! What a thread of a core does for clients who send a body in parts.
//!
//! ```text
//! part ──▶ begun ⇄ rest: the next part ──▶ … ──the last part──▶ answered
//!            └─ refused, stop ──▶ answered, drained      └─ gone, late ──▶ rolled back
//! ```
//! A file of its own beside [`super::threads`], of which it is a part. No thread waits for such a
//! client, but a connection does: it is one of few that have one aside, and it has to bring a
//! quarter of a MiB in `server-body-timeout`.

use super::threads::{DRAINING, Next, Readable, UPLOAD_PROGRESS_BYTES, Worker};
use crate::net::Interest;
use crate::serving::client::{After, Client};
use crate::serving::desk::Gathers;
use crate::serving::handle::{self, Finished, Parted};
use crate::serving::upload::Failure;
use crate::sync::Instant;
use corerest_api::{Error, PartEnd};
use std::ops::ControlFlow;
use std::sync::Arc;

impl Worker {
    /// Takes a part of a body, unless its request has to wait for a connection.
    pub(super) fn take_part(&mut self, client: &mut Client, end: PartEnd) -> ControlFlow<Next> {
        if let Gathers::More(_) = self.gathers {
            // Others wait to be asked together. It can be written to, so its turn comes soon.
            return ControlFlow::Break(Next::Rest(Interest::Write));
        }
        if self.cores.is_stopping() && end == PartEnd::Open && client.upload.is_some() {
            self.fail_upload(client, Error::UploadEnded);
            return ControlFlow::Continue(());
        }
        let parted = match client.upload.take() {
            None => {
                self.at_desk(|desk, verifier| handle::begin_upload(desk, verifier, client, end))
            }
            Some(upload) => {
                let snapshot = Arc::clone(&upload.snapshot);
                self.at_desk_of(&snapshot, |desk| {
                    handle::take_part(desk, client, upload, end)
                })
            }
        };
        match parted {
            Parted::Taken => {
                // However long PostgreSQL has taken, the client has time for the next part.
                client.came = UPLOAD_PROGRESS_BYTES;
                ControlFlow::Continue(())
            }
            Parted::Waits(waiting) => ControlFlow::Break(Next::Park(waiting)),
            Parted::Finished(Finished { .. }) => {
                self.drain_from_now(client);
                ControlFlow::Continue(())
            }
        }
    }

    /// Ends an upload, for the server stops.
    pub(super) fn end_upload(&mut self, mut client: Box<Client>) {
        self.take_in_hand(&client);
        self.fail_upload(&mut client, Error::UploadEnded);
        self.serve(client, Readable::No);
    }

    fn fail_upload(&mut self, client: &mut Client, error: Error) {
        let Some(upload) = client.upload.take() else {
            return;
        };
        let snapshot = Arc::clone(&upload.snapshot);
        self.at_desk_of(&snapshot, |desk| {
            handle::fail_upload(desk, client, upload, Failure::Refused(error))
        });
        self.drain_from_now(client);
    }

    /// Closes the connection of a client who has left in the middle of its upload.
    pub(super) fn lose_upload(&mut self, mut client: Box<Client>) {
        if let Some(upload) = client.upload.take() {
            self.take_in_hand(&client);
            let snapshot = Arc::clone(&upload.snapshot);
            self.at_desk_of(&snapshot, |desk| {
                handle::lose_upload(desk, &mut client, upload);
            });
            self.in_hand = None;
        }
        self.cores.close(client);
    }

    /// If what a client still sends is thrown away, that has an end.
    pub(super) fn drain_from_now(&mut self, client: &mut Client) {
        if client.after == After::Drain {
            client.deadline = Instant::now() + DRAINING;
        }
    }
}
