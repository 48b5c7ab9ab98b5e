//! Clients that ask all the time: reads whose answer is known, and writes of unique ids.
//!
//! Each is a thread with a connection of its own, which it keeps for as long as the server does.
//! Invariant: whatever happens is written down, and each request has one entry.

use crate::ledger::{Entry, Kind, Outcome};
use corerest_tests::client::{Address, Client, ClientError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How many clients there are.
pub const CLIENTS: usize = 8;

/// How many rows the table has that is read.
pub const FIXED_ROWS: usize = 50;

/// How a client asks.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// How long it pauses between an answer and the next request.
    pub pause: Duration,
    /// How long it waits for an answer.
    pub patience: Duration,
    /// Whether it looks, before it sends, if the server has ended the connection.
    pub looks_first: bool,
    /// Whether it only reads.
    pub reads_only: bool,
    /// The function it calls, which writes.
    pub call: &'static str,
    /// Whether it reads what it has inserted, wherever that is answered.
    pub reads_back: bool,
}

impl Habits {
    /// Those of most rows.
    pub const USUAL: Habits = Habits {
        pause: Duration::from_millis(8),
        patience: Duration::from_secs(30),
        looks_first: true,
        reads_only: false,
        call: "/rpc/put_w",
        reads_back: false,
    };
}

/// The clients.
#[derive(Debug)]
pub struct Load {
    threads: Vec<JoinHandle<Vec<Entry>>>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    address: Address,
    habits: Habits,
    is_over: AtomicBool,
    /// How many good answers each client has had.
    good: Vec<AtomicU64>,
}

/// One client.
#[derive(Debug)]
struct Visitor<'a> {
    shared: &'a Shared,
    client: Option<Client>,
    /// What it has inserted last, and the token that it was given for it.
    inserted: Option<(i64, String)>,
}

/// A request and what must come.
struct Ask {
    id: Option<i64>,
    kind: Kind,
    bytes: Vec<u8>,
    method: &'static str,
    status: u16,
    body: String,
}

impl Load {
    /// Starts it.
    pub fn start(address: &Address, habits: Habits) -> Load {
        let shared = Arc::new(Shared {
            address: address.clone(),
            habits,
            is_over: AtomicBool::new(false),
            good: (0..CLIENTS).map(|_| AtomicU64::new(0)).collect(),
        });
        let threads = (0..CLIENTS).map(|number| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || keep_asking(&shared, number))
        });
        Load {
            threads: threads.collect(),
            shared,
        }
    }

    /// How many good answers each client has had.
    pub fn good(&self) -> Vec<u64> {
        let counts = self.shared.good.iter();
        counts.map(|count| count.load(Ordering::SeqCst)).collect()
    }

    /// Ends it when each client has its last answer, and returns all entries.
    ///
    /// # Panics
    /// If a client did.
    pub fn finish(mut self) -> Vec<Entry> {
        self.shared.is_over.store(true, Ordering::SeqCst);
        let ended = self.threads.drain(..).map(JoinHandle::join);
        ended
            .flat_map(|entries| entries.expect("clients do not panic"))
            .collect()
    }
}

/// Whoever does not finish it does not want to know; but it ends.
impl Drop for Load {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
    }
}

fn keep_asking(shared: &Shared, number: usize) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut visitor = Visitor {
        shared,
        client: None,
        inserted: None,
    };
    for round in number.. {
        if shared.is_over.load(Ordering::SeqCst) {
            break;
        }
        let ask = match visitor.inserted.take() {
            Some((id, token)) => Ask::read_back(id, &token),
            None => Ask::of_round(round, shared.habits),
        };
        let began = Instant::now();
        let outcome = visitor.ask(&ask);
        if outcome.is_good() {
            shared.good[number].fetch_add(1, Ordering::SeqCst);
        }
        entries.push(Entry {
            id: ask.id,
            kind: ask.kind,
            began,
            ended: Instant::now(),
            outcome,
        });
        std::thread::park_timeout(shared.habits.pause);
    }
    visitor.leave("the load is over");
    entries
}

impl Visitor<'_> {
    fn ask(&mut self, ask: &Ask) -> Outcome {
        let looks_first = self.shared.habits.looks_first;
        if looks_first && self.client.as_mut().is_some_and(Client::has_ended) {
            self.leave("the server has ended it");
        }
        let Some(mut client) = self.client.take().or_else(|| self.connect()) else {
            return Outcome::NotSent;
        };
        let answer = client
            .try_send(&ask.bytes)
            .and_then(|()| client.try_read(ask.method));
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                client.leave("there is no answer");
                return Outcome::CutOff(told(&error));
            }
        };
        match answer.closes() {
            true => client.leave("the server ends it"),
            false => self.client = Some(client),
        }
        if self.shared.habits.reads_back
            && let (Some(id), Some(token)) = (ask.id, answer.header("Consistency-Token"))
        {
            self.inserted = Some((id, token.to_owned()));
        }
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        match answer.status {
            status if status == ask.status && text == ask.body => Outcome::Good,
            status @ 200..300 => Outcome::Wrong(format!("{status} {text}, not {}", ask.body)),
            status => Outcome::Refused { status, text },
        }
    }

    fn connect(&self) -> Option<Client> {
        let client = Client::try_connect(&self.shared.address).ok()?;
        client.wait_at_most(self.shared.habits.patience);
        Some(client)
    }

    fn leave(&mut self, why: &str) {
        if let Some(client) = self.client.take() {
            client.leave(why);
        }
    }
}

fn told(error: &ClientError) -> String {
    match error {
        ClientError::TimedOut => "no answer in time".to_owned(),
        ClientError::Closed | ClientError::Broken(_) => "cut off".to_owned(),
        ClientError::Malformed(why) => format!("malformed: {why}"),
    }
}

impl Ask {
    /// Two reads, an insert and a call, in turn.
    fn of_round(round: usize, habits: Habits) -> Ask {
        match round % 4 {
            1 if !habits.reads_only => Ask::insert(habits.reads_back),
            3 if !habits.reads_only => Ask::call(habits.call),
            _ => Ask::read(round % FIXED_ROWS + 1),
        }
    }

    fn read(key: usize) -> Ask {
        let target = format!("/fixed?select=id,t&id=eq.{key}");
        Ask {
            id: None,
            kind: Kind::Read,
            bytes: format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes(),
            method: "GET",
            status: 200,
            body: format!(r#"[{{"id":{key},"t":"row {key}"}}]"#),
        }
    }

    /// What was inserted, as whoever has this token must see it.
    fn read_back(id: i64, token: &str) -> Ask {
        let target = format!("/w?select=id&id=eq.{id}");
        let head = format!("Host: localhost\r\nConsistency-Token: {token}\r\n\r\n");
        Ask {
            id: None,
            kind: Kind::ReadBack,
            bytes: format!("GET {target} HTTP/1.1\r\n{head}").into_bytes(),
            method: "GET",
            status: 200,
            body: format!(r#"[{{"id":{id}}}]"#),
        }
    }

    fn insert(wants_token: bool) -> Ask {
        let id = new_id();
        let prefer = match wants_token {
            true => "Prefer: consistency=session\r\n",
            false => "",
        };
        Ask {
            id: Some(id),
            kind: Kind::Insert,
            bytes: post("/w", prefer, &format!(r#"{{"id":{id}}}"#)),
            method: "POST",
            status: 201,
            body: String::new(),
        }
    }

    fn call(function: &str) -> Ask {
        let id = new_id();
        Ask {
            id: Some(id),
            kind: Kind::Call,
            bytes: post(function, "", &format!(r#"{{"number":{id}}}"#)),
            method: "POST",
            status: 200,
            body: id.to_string(),
        }
    }
}

fn post(target: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         {headers}Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Another one for each write of this process.
fn new_id() -> i64 {
    static LAST: AtomicI64 = AtomicI64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}
