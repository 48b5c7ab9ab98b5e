//! The table of a core's clients.
//!
//! Resting clients are in it; a client that is served, or parked, leaves its place reserved.
//! The lock around the table is held for an insertion or a removal, never across a system call.

use crate::serving::client::{Client, Token};
use std::time::Instant;

/// The clients of a core, by their token.
#[derive(Default)]
pub(crate) struct Clients {
    places: Vec<Place>,
    free: Vec<usize>,
}

#[derive(Default)]
struct Place {
    generation: u32,
    resting: Option<Box<Client>>,
}

impl Clients {
    /// A place for a new client, which is then made with the token and brought in by
    /// [`rest`](Clients::rest).
    pub(crate) fn reserve(&mut self) -> Token {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::default());
            self.places.len() - 1
        });
        Token::new(index, self.places[index].generation)
    }

    /// Takes a resting client out; its place stays reserved. `None` for a late event.
    pub(crate) fn take(&mut self, token: Token) -> Option<Box<Client>> {
        let place = self.places.get_mut(token.index())?;
        if place.generation == token.generation() {
            place.resting.take()
        } else {
            None
        }
    }

    /// Brings a client to its place.
    pub(crate) fn rest(&mut self, client: Box<Client>) {
        let place = &mut self.places[client.token.index()];
        assert!(
            place.generation == client.token.generation(),
            "a place is one client's at a time"
        );
        place.resting = Some(client);
    }

    /// Gives a place up, when its client is gone.
    pub(crate) fn release(&mut self, token: Token) {
        let place = &mut self.places[token.index()];
        assert!(
            place.generation == token.generation(),
            "a place is given up once"
        );
        place.resting = None;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(token.index());
    }

    /// Takes out the resting clients for which `wanted` holds.
    #[expect(
        clippy::vec_box,
        reason = "clients live in boxes, and are moved as such"
    )]
    pub(crate) fn take_all(&mut self, wanted: impl Fn(&Client) -> bool) -> Vec<Box<Client>> {
        let places = self.places.iter_mut();
        places
            .filter_map(|place| place.resting.take_if(|client| wanted(client)))
            .collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Socket;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    fn client(token: Token, deadline: Instant) -> Box<Client> {
        let (socket, _) = UnixStream::pair().unwrap();
        Box::new(Client::new(token, 0, Socket::new(socket.into()), deadline))
    }

    #[test]
    fn a_late_event_does_not_reach_the_next_client_in_the_same_place() {
        let now = Instant::now();
        let mut clients = Clients::default();
        let first = clients.reserve();
        clients.rest(client(first, now));
        assert!(clients.take(first).is_some());
        assert!(clients.take(first).is_none(), "it is being served");
        clients.release(first);
        let second = clients.reserve();
        assert_eq!(second.index(), first.index());
        clients.rest(client(second, now));
        assert!(clients.take(first).is_none());
        assert!(clients.take(second).is_some());
        assert!(clients.take(Token::new(7, 0)).is_none());
    }

    #[test]
    fn only_clients_at_rest_expire() {
        let now = Instant::now();
        let mut clients = Clients::default();
        let tokens = [clients.reserve(), clients.reserve(), clients.reserve()];
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
