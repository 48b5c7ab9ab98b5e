//! A PostgreSQL of a simulation: it understands batches, and fails in every way. Who reads without
//! a role, or takes on one without being the login role, is a bug of ours.

use corerest_pg::Connector;
use corerest_pg::connect::{CancelToken, ConnectError, Session};
use corerest_simulation::{Received, Sent, Stream, choose, is_lucky, pair, sleep, spawn};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Room in each direction: a large body does not fit.
const ROOM: usize = 900;

/// The number of a row for which it takes long.
pub(super) const SLOW: usize = 901;

/// The number of one for which it takes a second.
pub(super) const SHORT: usize = 902;

/// The number of a large row in the middle of which it falls silent.
pub(super) const SILENT_IN_THE_MIDDLE: usize = 903;

/// How long it says nothing, when it does.
const SILENCE: Duration = Duration::from_secs(20);

/// How often something goes wrong.
#[derive(Clone, Copy, Debug)]
pub(super) struct Faults {
    /// In one of so many statements; 0: never.
    pub(super) one_of: usize,
    /// In how many attempts to connect we panic once, where nobody expects it; 0: never.
    pub(super) panics_one_of: usize,
}

/// What becomes of an execution.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// It takes so long.
    Slow(Duration),
    /// An error.
    Fails,
    /// Silence, and then it is gone.
    SilentAndGone,
    /// An error that ends the connection.
    Ends,
    /// Silence behind so many 256ths of the row.
    SilentWithin(u8),
    /// The connection is cut behind so many 256ths of the row.
    CutWithin(u8),
    /// Messages that nobody waits for come before the answer.
    Aside,
    /// There is no row.
    NoRow,
    /// The row comes twice.
    TwoRows,
    /// A row, and then an error.
    RowAndError,
    /// A row of so many columns.
    Columns(u8),
    /// A message of that kind, with a length that fits or does not, and then it is gone.
    Strange(u8, u32),
}

/// Who decides what goes wrong.
#[derive(Clone)]
pub(super) enum Fortune {
    /// The seed.
    Chance(Faults),
    /// A script: whether a connection is opened, and what becomes of each execution.
    Told(Arc<dyn Script>),
}

/// Tells what goes wrong next.
pub(super) trait Script: Send + Sync {
    /// Whether there is no connection to be had.
    fn is_away(&self) -> bool;

    /// What becomes of an execution.
    fn fault(&self) -> Option<Fault>;
}

impl Fortune {
    fn is_away(&self) -> bool {
        match self {
            Fortune::Told(script) => script.is_away(),
            Fortune::Chance(faults) => {
                assert!(
                    faults.panics_one_of == 0 || !is_lucky(faults.panics_one_of),
                    "a bug of ours, of which the simulation makes some"
                );
                faults.one_of > 0 && is_lucky(3 * faults.one_of)
            }
        }
    }

    fn fault(&self, is_main: bool) -> Option<Fault> {
        let faults = match self {
            Fortune::Told(script) => return script.fault(),
            Fortune::Chance(faults) => faults,
        };
        if faults.one_of == 0 || !is_lucky(faults.one_of) {
            return None;
        }
        let part = || u8::try_from(choose(256)).unwrap_or_default();
        Some(match choose(7) {
            0 => Fault::Slow(Duration::from_millis(5)),
            1 => Fault::Slow(Duration::from_secs(2)),
            2 => Fault::Fails,
            3 => Fault::SilentAndGone,
            4 => Fault::Ends,
            5 if is_main => Fault::SilentWithin(part()),
            _ => Fault::CutWithin(part()),
        })
    }
}

/// The way to it.
pub(super) struct Backend {
    pub(super) fortune: Fortune,
}

impl Connector for Backend {
    fn open(&self) -> Result<Session, ConnectError> {
        if self.fortune.is_away() {
            return Err(ConnectError::Parameters("it is away".to_owned()));
        }
        let (ours, theirs) = pair(ROOM);
        let fortune = self.fortune.clone();
        spawn(move || Serving::new(theirs, fortune).run());
        Ok(Session::simulated(ours))
    }

    fn cancel(&self, _token: &CancelToken) -> Result<(), ConnectError> {
        Ok(())
    }
}

/// How many reads had their role from an earlier one, in all worlds.
pub(super) static WORN: AtomicU64 = AtomicU64::new(0);

/// The connection is over.
struct Over;

struct Serving {
    stream: Stream,
    fortune: Fortune,
    bytes: Vec<u8>,
    /// Texts by the names of their statements.
    prepared: HashMap<String, String>,
    bound: Bound,
    is_skipping: bool,
    role: Role,
}

#[derive(Default)]
struct Bound {
    is_main: bool,
    value: String,
    takes_on: Option<Role>,
}

/// As whom a statement is executed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Role {
    /// The login role.
    #[default]
    Own,
    /// Another one, until the transaction ends.
    OfTransaction,
    /// Another one, from now on if the transaction succeeds.
    NewOfSession,
    /// Another one.
    OfSession,
}

impl Role {
    /// What a statement with this text takes on.
    fn taken_on_by(text: &str) -> Option<Role> {
        let (_, behind) = text.split_once("set_config('role', ")?;
        let (argument, _) = behind.split_once(')')?;
        Some(match argument.ends_with("true") {
            true => Role::OfTransaction,
            false => Role::NewOfSession,
        })
    }

    /// What is left of it when the transaction is over.
    fn behind_transaction(self, has_failed: bool) -> Role {
        match self {
            Role::NewOfSession if !has_failed => Role::OfSession,
            Role::OfSession => Role::OfSession,
            Role::Own | Role::OfTransaction | Role::NewOfSession => Role::Own,
        }
    }
}

impl Serving {
    fn new(stream: Stream, fortune: Fortune) -> Serving {
        Serving {
            stream,
            fortune,
            bytes: Vec::new(),
            prepared: HashMap::new(),
            bound: Bound::default(),
            is_skipping: false,
            role: Role::Own,
        }
    }

    fn run(mut self) {
        while let Ok((tag, body)) = self.message() {
            if tag == b'X' || self.on_message(tag, &body).is_err() {
                return;
            }
        }
    }

    fn message(&mut self) -> Result<(u8, Vec<u8>), Over> {
        loop {
            if let Some(length) = self.bytes.get(1..5) {
                let length = u32::from_be_bytes(length.try_into().expect("they are four"));
                let end = 1 + length as usize;
                if self.bytes.len() >= end {
                    let message: Vec<u8> = self.bytes.drain(..end).collect();
                    return Ok((message[0], message[5..].to_vec()));
                }
            }
            let mut space = [0; 512];
            match self.stream.receive(&mut space) {
                Received::Bytes(count) => self.bytes.extend_from_slice(&space[..count]),
                Received::WouldBlock => drop(self.stream.wait(false, None)),
                Received::Closed => return Err(Over),
            }
        }
    }

    fn on_message(&mut self, tag: u8, body: &[u8]) -> Result<(), Over> {
        if self.is_skipping && tag != b'S' {
            return Ok(());
        }
        match tag {
            b'P' => {
                let mut texts = body.split(|byte| *byte == 0);
                let mut text = || String::from_utf8_lossy(texts.next().unwrap_or_default()).into();
                let name: String = text();
                self.prepared.insert(name, text());
                self.say(b'1', &[])
            }
            b'B' => {
                let mut texts = body.split(|byte| *byte == 0);
                texts.next();
                let name = texts.next().unwrap_or_default();
                let name = String::from_utf8_lossy(name).into_owned();
                let Some(text) = self.prepared.get(&name) else {
                    return self.fail("26000");
                };
                self.bound = Bound {
                    is_main: text.contains(" AS body"),
                    value: last_number(body),
                    takes_on: Role::taken_on_by(text),
                };
                self.say(b'2', &[])
            }
            b'E' => self.execute(),
            b'C' => {
                let name = String::from_utf8_lossy(&body[1..body.len() - 1]).into_owned();
                self.prepared.remove(&name);
                self.say(b'3', &[])
            }
            b'S' => {
                let has_failed = std::mem::take(&mut self.is_skipping);
                self.role = self.role.behind_transaction(has_failed);
                self.say(b'Z', b"I")
            }
            b'Q' => {
                assert_eq!(body, b"RESET ROLE; RESET ALL\0");
                self.role = Role::Own;
                self.say(b'C', b"SET\0")?;
                self.say(b'C', b"RESET\0")?;
                self.say(b'Z', b"I")
            }
            other => panic!("nobody sends {:?}", char::from(other)),
        }
    }

    fn execute(&mut self) -> Result<(), Over> {
        let bound = std::mem::take(&mut self.bound);
        if let Some(role) = bound.takes_on {
            assert_eq!(self.role, Role::Own, "a role is taken on by another one");
            self.role = role;
        }
        assert!(
            !bound.is_main || self.role != Role::Own,
            "it is executed with the rights of the login role"
        );
        if bound.is_main && self.role == Role::OfSession {
            WORN.fetch_add(1, Ordering::Relaxed);
        }
        let reply = match bound.is_main {
            true => row(&bound.value),
            false => Vec::new(),
        };
        match bound.value.parse() {
            Ok(SLOW) => sleep(Duration::from_secs(10)),
            Ok(SHORT) => sleep(Duration::from_secs(1)),
            Ok(SILENT_IN_THE_MIDDLE) => {
                self.say_with_a_pause(&reply, 128)?;
                return self.say(b'C', b"SELECT 1\0");
            }
            _ => {}
        }
        if let Some(fault) = self.fortune.fault(bound.is_main)
            && self.suffer(fault, &reply)?
        {
            return Ok(());
        }
        if bound.is_main {
            self.say(b'D', &reply)?;
        }
        self.say(b'C', b"SELECT 1\0")
    }

    /// Something goes wrong; says whether that was all of the answer.
    fn suffer(&mut self, fault: Fault, reply: &[u8]) -> Result<bool, Over> {
        match fault {
            Fault::Slow(time) => sleep(time),
            Fault::Aside => {
                self.say(b'N', &error("NOTICE", "00000"))?;
                self.say(b'S', b"application_name\0x\0")?;
                self.say(b'A', b"\0\0\0\x01pgrst\0\0")?;
            }
            Fault::Fails => return self.fail("P0001").map(|()| true),
            Fault::RowAndError => {
                self.say(b'D', reply)?;
                return self.fail("22012").map(|()| true);
            }
            Fault::NoRow => return self.say(b'C', b"SELECT 0\0").map(|()| true),
            Fault::TwoRows => self.say(b'D', reply)?,
            Fault::Columns(count) => {
                let mut row = u16::from(count).to_be_bytes().to_vec();
                (0..count).for_each(|_| row.extend((-1_i32).to_be_bytes()));
                self.say(b'D', &row)?;
                return self.say(b'C', b"SELECT 1\0").map(|()| true);
            }
            Fault::SilentAndGone => {
                sleep(SILENCE);
                return Err(Over);
            }
            Fault::Ends => {
                self.send(&message(b'E', &error("FATAL", "57P01")))?;
                return Err(Over);
            }
            Fault::CutWithin(part) => {
                let whole = message(b'D', reply);
                self.send(&whole[..part_of(part, whole.len())])?;
                return Err(Over);
            }
            Fault::Strange(tag, length) => {
                self.send(&[&[tag][..], &length.to_be_bytes(), reply].concat())?;
                return Err(Over);
            }
            Fault::SilentWithin(part) => {
                self.say_with_a_pause(reply, part)?;
                return self.say(b'C', b"SELECT 1\0").map(|()| true);
            }
        }
        Ok(false)
    }

    fn say_with_a_pause(&mut self, reply: &[u8], part: u8) -> Result<(), Over> {
        let whole = message(b'D', reply);
        let (before, after) = whole.split_at(part_of(part, whole.len()));
        self.send(before)?;
        sleep(SILENCE);
        self.send(after)
    }

    fn fail(&mut self, code: &str) -> Result<(), Over> {
        self.is_skipping = true;
        self.say(b'E', &error("ERROR", code))
    }

    fn say(&mut self, tag: u8, body: &[u8]) -> Result<(), Over> {
        self.send(&message(tag, body))
    }

    fn send(&mut self, mut bytes: &[u8]) -> Result<(), Over> {
        while !bytes.is_empty() {
            match self.stream.send(bytes) {
                Sent::Bytes(count) => bytes = &bytes[count..],
                Sent::WouldBlock => self.stream.wait_to_write(),
                Sent::Closed => return Err(Over),
            }
        }
        Ok(())
    }
}

/// So many 256ths of it.
fn part_of(part: u8, whole: usize) -> usize {
    whole * usize::from(part) / 256
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("they are short");
    [&[tag][..], &length.to_be_bytes(), body].concat()
}

fn error(severity: &str, code: &str) -> Vec<u8> {
    format!("S{severity}\0V{severity}\0C{code}\0Mno\0\0").into_bytes()
}

/// The last value that is a number: that of the filter.
fn last_number(body: &[u8]) -> String {
    let runs = body.rsplit(|byte| !byte.is_ascii_digit());
    let mut numbers = runs.filter(|run| run.len() == 3);
    let number = numbers.next();
    String::from_utf8_lossy(number.unwrap_or_default()).into_owned()
}

/// The columns of a read, and a body that is known by the number; some are large.
fn row(number: &str) -> Vec<u8> {
    let mut body = format!("[{{\"id\":{number},\"name\":\"");
    if number.ends_with(['0', '3']) {
        body.push_str(&"x".repeat(4_000));
    }
    body.push_str("\"}]");
    let page = 1_i64.to_be_bytes();
    let columns = [None, Some(&page[..]), None, None, Some(body.as_bytes())];
    let mut row = u16::try_from(columns.len())
        .expect("a few")
        .to_be_bytes()
        .to_vec();
    for column in columns {
        match column {
            None => row.extend((-1_i32).to_be_bytes()),
            Some(value) => {
                row.extend(i32::try_from(value.len()).expect("short").to_be_bytes());
                row.extend(value);
            }
        }
    }
    row
}
