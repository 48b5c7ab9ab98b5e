//! A PostgreSQL of a simulation: it understands batches and transactions, and fails in every way.
//! Who asks without a role, or takes on one without being the login role, is a bug of ours. What
//! was written stands in its [`Table`] when its transaction has been committed.

use corerest_pg::Connector;
use corerest_pg::connect::{CancelToken, ConnectError, Session};
use corerest_simulation::{Received, Sent, Stream, choose, is_lucky, pair, sleep, spawn};
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
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

impl Faults {
    pub(super) const NONE: Faults = Faults {
        one_of: 0,
        panics_one_of: 0,
    };
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

/// Where rows are written, which are known by their numbers: those of the transactions that have
/// been committed.
#[derive(Clone, Debug, Default)]
pub(super) struct Table(Arc<Mutex<Vec<usize>>>);

impl Table {
    /// All of them, in the order in which they were written.
    pub(super) fn rows(&self) -> Vec<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn add(&self, rows: &mut Vec<usize>) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.append(rows);
    }
}

/// How many rows a read has that wants them as they come.
pub(super) fn rows_of(number: usize) -> usize {
    number % 5
}

/// One of those.
pub(super) fn row_of(number: usize, index: usize) -> String {
    let filler = match index % 3 {
        0 => 700,
        _ => 3,
    };
    format!(
        r#"{{"id":{number},"index":{index},"name":"{}"}}"#,
        "x".repeat(filler)
    )
}

/// The way to it.
#[derive(Clone)]
pub(super) struct Backend {
    pub(super) fortune: Fortune,
    pub(super) table: Table,
}

impl Backend {
    /// One where nothing has been written.
    pub(super) fn new(fortune: Fortune) -> Backend {
        let table = Table::default();
        Backend { fortune, table }
    }
}

impl Connector for Backend {
    fn open(&self) -> Result<Session, ConnectError> {
        if self.fortune.is_away() {
            return Err(ConnectError::Parameters("it is away".to_owned()));
        }
        let (ours, theirs) = pair(ROOM);
        let (fortune, table) = (self.fortune.clone(), self.table.clone());
        spawn(move || Serving::new(theirs, fortune, table).run());
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
    table: Table,
    bytes: Vec<u8>,
    /// Texts by the names of their statements.
    prepared: HashMap<String, String>,
    bound: Bound,
    is_skipping: bool,
    role: Role,
    block: Block,
    /// What its transaction has written.
    written: Vec<usize>,
}

#[derive(Default)]
struct Bound {
    kind: Kind,
    numbers: Vec<usize>,
    takes_on: Option<Role>,
}

/// What a statement does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    /// Something that is not simulated.
    #[default]
    Other,
    /// Reads what is one row, with all of the answer.
    Read,
    /// Reads rows as they come.
    Rows,
    /// Writes rows.
    Insert,
    Begin,
    Commit,
    Rollback,
}

impl Kind {
    fn of(text: &str) -> Kind {
        let is_read = text.contains(" AS body");
        match text {
            _ if text.contains("INSERT INTO") => Kind::Insert,
            _ if is_read && text.contains("row_to_json(_row) AS body") => Kind::Rows,
            _ if is_read => Kind::Read,
            _ if text.starts_with("BEGIN") => Kind::Begin,
            _ if text.starts_with("COMMIT") => Kind::Commit,
            _ if text.starts_with("ROLLBACK") => Kind::Rollback,
            _ => Kind::Other,
        }
    }

    /// Whether it is what a client wants.
    fn is_main(self) -> bool {
        matches!(self, Kind::Read | Kind::Rows | Kind::Insert)
    }
}

/// Whether there is a transaction that outlives its batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Block {
    #[default]
    None,
    Open,
    Failed,
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
    fn new(stream: Stream, fortune: Fortune, table: Table) -> Serving {
        Serving {
            stream,
            fortune,
            table,
            bytes: Vec::new(),
            prepared: HashMap::new(),
            bound: Bound::default(),
            is_skipping: false,
            role: Role::Own,
            block: Block::None,
            written: Vec::new(),
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
                    kind: Kind::of(text),
                    numbers: numbers(body),
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
                match self.block {
                    Block::None => self.end_transaction(has_failed),
                    Block::Open if has_failed => self.block = Block::Failed,
                    Block::Open | Block::Failed => {}
                }
                let state = match self.block {
                    Block::None => b"I",
                    Block::Open => b"T",
                    Block::Failed => b"E",
                };
                self.say(b'Z', state)
            }
            b'Q' => {
                assert_eq!(self.block, Block::None, "a transaction is still open");
                assert_eq!(body, b"RESET ROLE; RESET ALL\0");
                self.role = Role::Own;
                self.say(b'C', b"SET\0")?;
                self.say(b'C', b"RESET\0")?;
                self.say(b'Z', b"I")
            }
            other => panic!("nobody sends {:?}", char::from(other)),
        }
    }

    fn end_transaction(&mut self, has_failed: bool) {
        self.block = Block::None;
        self.role = self.role.behind_transaction(has_failed);
        match has_failed {
            true => self.written.clear(),
            false => self.table.add(&mut self.written),
        }
    }

    fn execute(&mut self) -> Result<(), Over> {
        let Bound {
            kind,
            numbers,
            takes_on,
        } = std::mem::take(&mut self.bound);
        let ends_block = matches!(kind, Kind::Commit | Kind::Rollback);
        if self.block == Block::Failed && !ends_block {
            return self.fail("25P02");
        }
        if let Some(role) = takes_on {
            assert_eq!(self.role, Role::Own, "a role is taken on by another one");
            self.role = role;
        }
        assert!(
            !kind.is_main() || self.role != Role::Own,
            "it is executed with the rights of the login role"
        );
        if kind == Kind::Read && self.role == Role::OfSession {
            WORN.fetch_add(1, Ordering::Relaxed);
        }
        let number = numbers.last().copied();
        let mut rows = rows(kind, number);
        match number {
            Some(SLOW) => sleep(Duration::from_secs(10)),
            Some(SHORT) => sleep(Duration::from_secs(1)),
            Some(SILENT_IN_THE_MIDDLE) => {
                self.say_with_a_pause(&rows[0], 128)?;
                return self.say(b'C', b"SELECT 1\0");
            }
            _ => {}
        }
        if let Some(fault) = self.fortune.fault(kind.is_main()) {
            match (kind, fault) {
                (Kind::Commit, Fault::Slow(_)) => {}
                (Kind::Commit, Fault::Fails) => self.end_transaction(true),
                // It is gone before it tells whether it has done it.
                (Kind::Commit, _) if is_lucky(2) => self.end_transaction(false),
                _ => {}
            }
            let before = match kind {
                Kind::Rows => choose(rows.len()),
                _ => 0,
            };
            for row in rows.drain(..before) {
                self.say(b'D', &row)?;
            }
            let next = rows.first().cloned().unwrap_or_default();
            match fault {
                Fault::SilentWithin(part) if !rows.is_empty() => {
                    self.say_with_a_pause(&rows.remove(0), part)?;
                }
                fault if self.suffer(fault, &next)? => return Ok(()),
                _ => {}
            }
        }
        match kind {
            Kind::Begin => self.block = Block::Open,
            Kind::Insert => {
                // Each is there twice: in its own column, and in its name.
                let numbers: BTreeSet<usize> = numbers.into_iter().collect();
                self.written.extend(numbers);
            }
            Kind::Commit | Kind::Rollback => {
                let has_failed = self.block == Block::Failed || kind == Kind::Rollback;
                self.end_transaction(has_failed);
            }
            Kind::Read | Kind::Rows | Kind::Other => {}
        }
        for row in rows {
            self.say(b'D', &row)?;
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

/// The values that are such numbers as rows have; the last one is that of a filter.
fn numbers(body: &[u8]) -> Vec<usize> {
    let runs = body.split(|byte| !byte.is_ascii_digit());
    let numbers = runs.filter(|run| run.len() == 3);
    let texts = numbers.filter_map(|run| std::str::from_utf8(run).ok());
    texts.filter_map(|text| text.parse().ok()).collect()
}

/// What a statement returns about this number.
fn rows(kind: Kind, number: Option<usize>) -> Vec<Vec<u8>> {
    let id = number.map(|number| number.to_string()).unwrap_or_default();
    let number = number.unwrap_or(1);
    let page = 1_i64.to_be_bytes();
    match kind {
        Kind::Read => {
            let filler = if matches!(number % 10, 0 | 3) {
                4_000
            } else {
                0
            };
            let name = "x".repeat(filler);
            let body = format!(r#"[{{"id":{id},"name":"{name}"}}]"#);
            vec![row(&[None, Some(&page), None, None, Some(body.as_bytes())])]
        }
        Kind::Rows if rows_of(number) == 0 => vec![row(&[None; 5])],
        Kind::Rows => {
            let bodies = (0..rows_of(number)).map(|index| row_of(number, index));
            let columns = bodies.map(|body| row(&[None, None, None, None, Some(body.as_bytes())]));
            columns.collect()
        }
        Kind::Insert => vec![row(&[None, Some(&page), None, None, None, Some(b"")])],
        Kind::Begin | Kind::Commit | Kind::Rollback | Kind::Other => Vec::new(),
    }
}

fn row(columns: &[Option<&[u8]>]) -> Vec<u8> {
    let count = u16::try_from(columns.len()).expect("a few");
    let mut row = count.to_be_bytes().to_vec();
    for column in columns {
        match column {
            None => row.extend((-1_i32).to_be_bytes()),
            Some(value) => {
                row.extend(i32::try_from(value.len()).expect("short").to_be_bytes());
                row.extend(*value);
            }
        }
    }
    row
}
