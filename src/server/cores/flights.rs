//! Gathers the requests of clients that wait, and asks them together.
//!
//! ```text
//! a client's turn ──its request may go together, others wait──▶ gathered ◀── the next in the queue
//!                                                                  │ no more wait, or enough
//!                  answered ◀──in the order of their coming── one flight
//!                                  asked by itself ◀──anything but a plain answer──┤
//!                         parked ◀──cancelled, for it would have held up others──┘
//! ```
//! Only clients are gathered that no other thread of the core would serve at once: where threads
//! are free, each request has a connection of its own sooner. While some are gathered, nothing is
//! done that could take long: whoever needs that has its turn behind the flight. Requests that are
//! parked, since all connections are in use, go together, too. Where there are replicas, those go
//! together that are for any replica, or all for the primary.

use super::shared::ParkedClient;
use super::threads::{Next, Readable, Worker, flush, line_of};
use crate::net::Interest;
use crate::serving::answer;
use crate::serving::client::Client;
use crate::serving::desk::Gathers;
use crate::serving::grant::{Grant, HeldPlace};
use crate::serving::handle::{self, or_internal_error};
use crate::serving::together::TOGETHER_MAX;
use crate::sync::atomic::Ordering;
use crate::sync::{Mutant, is_mutant};
use corerest_api::{AnswerSize, Pace};
use std::collections::VecDeque;
use std::sync::Arc;

impl Worker {
    /// Serves a client that something has come from, and perhaps others together with it.
    pub(super) fn serve_with_others(&mut self, client: Box<Client>) {
        self.gathers = match self.cores.parking.is_empty() {
            true => Gathers::First,
            false => Gathers::No,
        };
        let mut next = Some(client);
        for served in 1..=TOGETHER_MAX {
            let Some(client) = next else {
                break;
            };
            self.gather(client);
            let has_some = matches!(self.gathers, Gathers::More(_));
            let may_gather = has_some && self.gathering.behind.is_none();
            next = match may_gather && served < TOGETHER_MAX {
                true => self.next_to_gather(),
                false => None,
            };
        }
        let gathered = std::mem::replace(&mut self.gathers, Gathers::No);
        if let Gathers::More(aim) = gathered
            && self.gathering.asking.len() > 1
            && let Some(Ok(connected)) = self.cores.connection(self.index, aim)
        {
            self.go_together(Grant::new(connected, None));
        }
        self.disperse();
    }

    /// Answers a request that was parked, and others that are, with a connection that it has got.
    pub(super) fn serve_parked_together(&mut self, first: ParkedClient, grant: Grant) {
        self.in_hand = None;
        let line = line_of(first.waiting.quest.aim());
        self.gathering.asking.push_back(first);
        let size_of = |parked: &ParkedClient| {
            let may_join = parked.waiting.may_go_together(&parked.client);
            may_join.then_some(AnswerSize::Usual)
        };
        while self.gathering.asking.len() < TOGETHER_MAX {
            let no_place = || None::<HeldPlace>;
            let parking = &self.cores.parking;
            let Some((parked, _)) = parking.take_oldest(line, size_of, no_place) else {
                break;
            };
            match handle::is_abandoned(&parked.client, &parked.waiting) {
                true => self.end_waiting(parked, handle::abandon),
                false => self.gathering.asking.push_back(parked),
            }
        }
        self.go_together(grant);
        self.disperse();
    }

    /// Asks those who are gathered, and goes on with those who have their answers. The first who
    /// has none keeps the connection, so with each flight somebody gets on; it may take long, so
    /// the others do not wait for this thread. If there is no connection any more, all wait for
    /// another one, in their order.
    fn go_together(&mut self, grant: Grant) {
        let grant = self.ask_together(grant);
        if grant.is_none() && is_mutant(Mutant::FlightDropsFirst) {
            self.gathering.asking.pop_front();
        }
        self.hand_out(usize::from(grant.is_some()));
        self.go_on();
        if let Some(grant) = grant
            && let Some(first) = self.gathering.asking.pop_front()
        {
            self.end_waiting(first, |desk, client, waiting| {
                handle::resume(desk, client, waiting, Some(Ok(grant)))
            });
        }
    }

    /// Parks those who have no answer yet, but for the first ones, which may take long: another
    /// thread may serve them sooner.
    fn hand_out(&mut self, kept: usize) {
        while let Some(parked) = self.gathering.asking.remove(kept) {
            self.hand_over(parked);
        }
        while let Some(parked) = self.gathering.slow.pop_front() {
            self.hand_over(parked);
        }
        if let Some(behind) = self.gathering.behind.take() {
            match self.gathering.asking.is_empty() {
                // This thread is the next to look for it.
                true => self.leave(behind.client, Next::Park(behind.waiting)),
                false => self.hand_over(behind),
            }
        }
    }

    fn hand_over(&mut self, ParkedClient { client, waiting }: ParkedClient) {
        self.leave(client, Next::Park(waiting));
        self.core().events.ring();
    }

    /// Lets a client's request join, if it may, or else serves it.
    fn gather(&mut self, mut client: Box<Client>) {
        self.take_in_hand(&client);
        self.lend_buffers(&mut client);
        match self.advance(&mut client, Readable::Maybe) {
            Next::Join(waiting) => {
                self.gathers = Gathers::More(waiting.quest.aim());
                self.reclaim_buffers(&mut client);
                let parked = ParkedClient { client, waiting };
                self.gathering.asking.push_back(parked);
                self.in_hand = None;
            }
            Next::StandBack(waiting) => {
                self.reclaim_buffers(&mut client);
                let parked = ParkedClient { client, waiting };
                self.gathering.behind = Some(parked);
                self.in_hand = None;
            }
            next => self.leave(client, next),
        }
    }

    fn next_to_gather(&mut self) -> Option<Box<Client>> {
        let (token, other_side) = self.core().events.queued_client()?;
        let mut client = self.cores.take(self.index, token)?;
        client.other_side = other_side;
        // Of a body that follows there may be no more yet, and a part of an upload takes its time.
        if client.hearing.is_some() || client.body.is_some() || client.upload.is_some() {
            self.cores.put_back(client);
            return None;
        }
        Some(client)
    }

    /// Sends what is gathered, and takes the answers. Who gets none stays to be asked by itself.
    /// Gives the connection back if it is of use.
    fn ask_together(&mut self, mut grant: Grant) -> Option<Grant> {
        self.core().crew.expect_quick(self.number);
        let asking = &self.gathering.asking;
        asking.iter().for_each(|parked| parked.waiting.note_trial());
        let batches = asking
            .iter()
            .map(|parked| parked.waiting.read_batch(&parked.client));
        let sent = or_internal_error(|| grant.lease.connection().send_together(batches));
        // What is wrong with the connection is found out anew, by each of them.
        let mut left = sent.and_then(Result::ok).unwrap_or(0);
        let mut first = 0;
        // Whether those that are left may have met what one has left.
        let mut are_met = false;
        let mut unanswered = VecDeque::new();
        while left > 0
            && !grant.lease.is_lost()
            && let Some(mut parked) = self.gathering.asking.pop_front()
        {
            left -= 1;
            let own_first = first;
            first += parked.waiting.statements();
            are_met |= grant.lease.connection().has_leftovers();
            if are_met {
                let skipped = or_internal_error(|| answer::skip_answer(&mut grant.lease));
                unanswered.push_back(parked);
                if skipped.is_none() {
                    grant.lease.reset();
                }
                continue;
            }
            self.take_in_hand(&parked.client);
            self.lend_buffers(&mut parked.client);
            let snapshot = Arc::clone(&parked.waiting.snapshot);
            let finished = self.at_desk_of(&snapshot, |desk| {
                let ParkedClient { client, waiting } = &mut parked;
                handle::take_answer(desk, client, waiting, &mut grant, own_first)
            });
            match finished {
                Ok(_) => self.send_answer(parked.client),
                Err(pace) => {
                    self.reclaim_buffers(&mut parked.client);
                    match pace {
                        Pace::Slow => self.gathering.slow.push_back(parked),
                        Pace::Quick | Pace::Late => unanswered.push_back(parked),
                    }
                }
            }
            self.in_hand = None;
        }
        unanswered.append(&mut self.gathering.asking);
        let without_answer = unanswered.iter_mut().chain(&mut self.gathering.slow);
        without_answer.for_each(|parked| parked.waiting.stay_alone());
        self.gathering.asking = unanswered;
        if !grant.lease.is_idle() {
            grant.lease.reset();
            return None;
        }
        (!grant.lease.connection().has_leftovers()).then_some(grant)
    }

    /// Sends an answer, and no more: what the client asks next must not hold up the others. Whether
    /// the client takes it is looked at when it has its turn.
    fn send_answer(&mut self, mut client: Box<Client>) {
        let _ = flush(&mut client, self.observer.tally());
        self.reclaim_buffers(&mut client);
        self.gathering.answered.push_back(client);
        self.core().answered.fetch_add(1, Ordering::Relaxed);
    }

    /// Goes on with those who have their answers. Whoever has asked for more already could hold up
    /// the others, so it gets behind those that wait for a thread.
    fn go_on(&mut self) {
        while let Some(client) = self.gathering.answered.pop_front() {
            match client.requests.unanswered_bytes() {
                0 => self.serve(client, Readable::No),
                // It can be written to at once.
                _ => self.leave(client, Next::Rest(Interest::Write)),
            }
        }
    }

    /// Goes on with all who were gathered. Should a panic cost one of them, the others are still
    /// there.
    pub(super) fn disperse(&mut self) {
        // Of several who have found no connection, all wait for one.
        let is_alone = self.gathering.asking.len() == 1;
        self.hand_out(usize::from(is_alone));
        self.go_on();
        if let Some(alone) = self.gathering.asking.pop_front() {
            self.end_waiting(alone, handle::ask_by_itself);
        }
    }
}
