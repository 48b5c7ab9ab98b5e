//! One client of the soak, and what all of them have seen.

use crate::mix::Part;
use corerest_tests::client::{Address, Answer, Client};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Longer than anybody waits for a place where all are taken.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// How many requests.
    pub(crate) requests: AtomicUsize,
    is_over: AtomicBool,
    /// How often, and the first text, for each kind of client.
    failures: Mutex<BTreeMap<&'static str, (usize, String)>>,
}

/// A client.
#[derive(Debug)]
pub(crate) struct Guest<'a> {
    address: &'a Address,
    tally: &'a Tally,
    client: Option<Client>,
    /// Another one for each guest, and in each round.
    pub(crate) number: usize,
}

impl Tally {
    /// No more requests.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// How many.
    pub(crate) fn failures(&self) -> usize {
        self.lock().values().map(|(count, _)| count).sum()
    }

    /// In words.
    pub(crate) fn told(&self) -> Vec<String> {
        let failures = self.lock();
        let told = failures.iter();
        told.map(|(name, (count, text))| format!("{name}: {count}, first: {text}"))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, (usize, String)>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Guest<'a> {
    /// A new one.
    pub(crate) fn new(address: &'a Address, tally: &'a Tally, number: usize) -> Guest<'a> {
        Guest {
            address,
            tally,
            client: None,
            number,
        }
    }

    /// Does what its part is until the end.
    pub(crate) fn stay(&mut self, part: &Part) {
        while !self.tally.is_over() {
            self.tally.requests.fetch_add(1, Ordering::Relaxed);
            if let Err(text) = (part.act)(self) {
                let mut failures = self.tally.lock();
                let place = failures.entry(part.name);
                place.or_insert_with(|| (0, text)).0 += 1;
                drop(failures);
                self.go();
            }
            // A stride that meets all tokens and no other guest's number soon.
            self.number += 101;
            corerest_faults::last(part.pause);
        }
        self.go();
    }

    /// Asks and compares the status.
    pub(crate) fn ask(
        &mut self,
        (method, target): (&str, &str),
        head: &str,
        body: &[u8],
        status: u16,
    ) -> Result<Answer, String> {
        let mut client = self.connected()?;
        let sent =
            client.try_send(&[head_of(method, target, head, body.len()), body.into()].concat());
        let answer = sent.and_then(|()| client.try_read(method));
        match answer {
            Ok(answer) if answer.status == status => {
                match answer.closes() {
                    true => client.leave("the server ends it"),
                    false => self.client = Some(client),
                }
                Ok(answer)
            }
            Ok(answer) => {
                client.leave("it has failed");
                Err(format!(
                    "{method} {target}: {} {}",
                    answer.status,
                    answer.text()
                ))
            }
            Err(error) => {
                client.leave("it has failed");
                Err(format!("{method} {target}: {error}"))
            }
        }
    }

    /// The same, and compares the body.
    pub(crate) fn expect(
        &mut self,
        request: (&str, &str),
        head: &str,
        body: &[u8],
        (status, expected): (u16, &str),
    ) -> Result<(), String> {
        let answer = self.ask(request, head, body, status)?;
        match answer.text() == expected {
            true => Ok(()),
            false => Err(format!("{request:?}: {}, not {expected}", answer.text())),
        }
    }

    /// Begins a request, on a connection of its own, and sends so many bytes of its body.
    pub(crate) fn begin(
        &mut self,
        (method, target): (&str, &str),
        body: &[u8],
        sent_bytes: usize,
    ) -> Result<Client, String> {
        let mut client = self.connected()?;
        let mut bytes = head_of(method, target, "", body.len());
        bytes.extend_from_slice(&body[..sent_bytes]);
        let sent = client.try_send(&bytes);
        match sent {
            Ok(()) => Ok(client),
            Err(error) => {
                client.leave("it has failed");
                Err(format!("{method} {target}: {error}"))
            }
        }
    }

    /// Ends its connection.
    pub(crate) fn go(&mut self) {
        if let Some(client) = self.client.take() {
            client.leave("it goes");
        }
    }

    fn connected(&mut self) -> Result<Client, String> {
        if self.client.as_mut().is_some_and(Client::has_ended) {
            self.go();
        }
        if let Some(client) = self.client.take() {
            return Ok(client);
        }
        let client = Client::try_connect(self.address).map_err(|error| error.to_string())?;
        client.wait_at_most(PATIENCE);
        Ok(client)
    }
}

fn head_of(method: &str, target: &str, head: &str, body_bytes: usize) -> Vec<u8> {
    let length = match method {
        "GET" => String::new(),
        _ => format!("Content-Length: {body_bytes}\r\n"),
    };
    format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{head}{length}\r\n").into_bytes()
}
