//! The table of a core's clients.
//!
//! Resting clients are in it; a client that is served, or parked, leaves its seat reserved. With
//! the seat goes the client's place behind the [`Door`](super::door::Door), so that both are given
//! up in one step, whatever becomes of the client.
//! The lock around the table is held for an insertion or a removal, never across a system call.

use super::door::Admission;
use crate::serving::client::{Client, ClientToken};
use crate::sync::Instant;
use corerest_wire::http::Phase;

/// The clients of a core, by their token.
#[derive(Default)]
pub(crate) struct Clients {
    seats: Vec<Seat>,
    free: Vec<usize>,
}

#[derive(Default)]
struct Seat {
    generation: u32,
    resting: Option<Box<Client>>,
    /// `None` while the seat is free.
    place: Option<Admission>,
}

/// Up to which deadline clients have rested for long enough to go for others: it is as far ahead
/// as the patience with them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RestedUntil {
    /// Without a word so far.
    pub(crate) silent: Instant,
    /// With a head that is begun.
    pub(crate) head: Instant,
    /// Between two requests.
    pub(crate) idle: Instant,
    /// With a body of which little has come.
    pub(crate) body: Instant,
}

impl Clients {
    /// A seat for a new client, which is then made with the token and brought in by
    /// [`rest`](Clients::rest).
    pub(crate) fn reserve(&mut self, place: Admission) -> ClientToken {
        let index = self.free.pop().unwrap_or_else(|| {
            self.seats.push(Seat::default());
            self.seats.len() - 1
        });
        let seat = &mut self.seats[index];
        seat.place = Some(place);
        ClientToken::new(index, seat.generation)
    }

    /// Takes a resting client out; its seat stays reserved. `None` for a late event.
    pub(crate) fn take(&mut self, token: ClientToken) -> Option<Box<Client>> {
        let seat = self.seats.get_mut(token.index())?;
        if seat.generation == token.generation() {
            seat.resting.take()
        } else {
            None
        }
    }

    /// Brings a client to its seat.
    pub(crate) fn rest(&mut self, client: Box<Client>) {
        let seat = &mut self.seats[client.token.index()];
        assert!(
            seat.generation == client.token.generation(),
            "a seat is one client's at a time"
        );
        seat.resting = Some(client);
    }

    /// Gives a seat up, when its client is gone, and returns the place that went with it.
    pub(crate) fn release(&mut self, token: ClientToken) -> Admission {
        let seat = &mut self.seats[token.index()];
        assert!(
            seat.generation == token.generation(),
            "a seat is given up once"
        );
        seat.resting = None;
        seat.generation = seat.generation.wrapping_add(1);
        self.free.push(token.index());
        seat.place.take().expect("a seat that is taken has a place")
    }

    /// Takes out the resting clients for which `wanted` holds.
    #[expect(
        clippy::vec_box,
        reason = "clients live in boxes, and are moved as such"
    )]
    pub(crate) fn take_all(&mut self, wanted: impl Fn(&Client) -> bool) -> Vec<Box<Client>> {
        let seats = self.seats.iter_mut();
        seats
            .filter_map(|seat| seat.resting.take_if(|client| wanted(client)))
            .collect()
    }

    /// Takes out the resting clients that may go for others: all that have not asked for anything,
    /// and so many at the most of those that have, the ones first that have rested for the longest.
    /// Where there are none, so many of those whose bodies do not come on.
    #[expect(
        clippy::vec_box,
        reason = "clients live in boxes, and are moved as such"
    )]
    pub(crate) fn take_dispensable(
        &mut self,
        until: RestedUntil,
        at_most: usize,
    ) -> Vec<Box<Client>> {
        let phase = |client: &Client| client.is_resting().then(|| client.requests.phase());
        let mut taken = self.take_all(|client| match phase(client) {
            Some(Phase::Idle) => !client.has_asked && client.deadline <= until.silent,
            Some(Phase::Head) => client.deadline <= until.head,
            _ => false,
        });
        taken.extend(self.take_oldest(at_most, |client| {
            phase(client) == Some(Phase::Idle) && client.has_asked && client.deadline <= until.idle
        }));
        if taken.is_empty() {
            taken = self.take_oldest(at_most, |client| {
                phase(client) == Some(Phase::Body)
                    && client.upload.is_none()
                    && client.deadline <= until.body
            });
        }
        taken
    }

    /// Takes out so many of the resting clients for which `wanted` holds, those first that have
    /// rested for the longest.
    #[expect(
        clippy::vec_box,
        reason = "clients live in boxes, and are moved as such"
    )]
    fn take_oldest(
        &mut self,
        at_most: usize,
        wanted: impl Fn(&Client) -> bool,
    ) -> Vec<Box<Client>> {
        let resting = self.seats.iter().filter_map(|seat| seat.resting.as_ref());
        let mut wanted: Vec<(Instant, ClientToken)> = resting
            .filter(|client| wanted(client))
            .map(|client| (client.deadline, client.token))
            .collect();
        wanted.sort_unstable_by_key(|(deadline, _)| *deadline);
        let oldest = wanted.into_iter().take(at_most);
        oldest.filter_map(|(_, token)| self.take(token)).collect()
    }

    /// Takes out the resting clients whose deadline has passed.
    #[expect(
        clippy::vec_box,
        reason = "clients live in boxes, and are moved as such"
    )]
    pub(crate) fn take_expired(&mut self, now: Instant) -> Vec<Box<Client>> {
        self.take_all(|client| client.deadline <= now)
    }
}

#[cfg(all(test, not(feature = "model")))]
mod tests {
    use super::super::door::Door;
    use super::*;
    use crate::net::Socket;
    use crate::serving::memory::{Addresses, Memory};
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    fn client(token: ClientToken, deadline: Instant) -> Box<Client> {
        let (socket, _) = UnixStream::pair().unwrap();
        Box::new(Client::new(
            token,
            0,
            Socket::new(socket.into()),
            None,
            Memory::new(0, Addresses::Plenty).open(),
            deadline,
        ))
    }

    fn reserve(clients: &mut Clients) -> ClientToken {
        clients.reserve(Door::new(1, Vec::new()).admit())
    }

    #[test]
    fn a_late_event_does_not_reach_the_next_client_in_the_same_place() {
        let now = Instant::now();
        let mut clients = Clients::default();
        let first = reserve(&mut clients);
        clients.rest(client(first, now));
        assert!(clients.take(first).is_some());
        assert!(clients.take(first).is_none(), "it is being served");
        clients.release(first);
        let second = reserve(&mut clients);
        assert_eq!(second.index(), first.index());
        clients.rest(client(second, now));
        assert!(clients.take(first).is_none());
        assert!(clients.take(second).is_some());
        assert!(clients.take(ClientToken::new(7, 0)).is_none());
    }

    #[test]
    fn only_clients_at_rest_expire() {
        let now = Instant::now();
        let mut clients = Clients::default();
        let tokens = [
            reserve(&mut clients),
            reserve(&mut clients),
            reserve(&mut clients),
        ];
        clients.rest(client(tokens[0], now));
        clients.rest(client(tokens[1], now + Duration::from_secs(1)));
        clients.rest(client(tokens[2], now));
        let served = clients.take(tokens[2]);
        let expired = clients.take_expired(now);
        assert_eq!(
            expired.iter().map(|c| c.token).collect::<Vec<_>>(),
            [tokens[0]]
        );
        assert!(served.is_some());
    }
}
