//! Batches on one connection to PostgreSQL, and what it answers.
//!
//! The server is a model at the other end of a socket. It reads what the connection has written
//! as PostgreSQL would, keeps the statements that it was told to prepare, and answers as the input
//! says: with rows, with errors, with notices in between, or with bytes that are no protocol.
//!
//! Properties: nothing panics; a batch means, to the model, the statements that were given, each
//! with its own text and values, and one Sync; nothing is prepared that is there already, unless
//! the server has said that it does not have it; each answer is heard as it was said, and a batch
//! that was answered leaves a connection that is idle, or broken.

use crate::choices::Choices;
use crate::server_model::{Said, ServerMessage, columns, read_all};
use corerest_pg::internals::session;
use corerest_pg::{Connection, Error, Preparation, Reply, RequestBody};
use corerest_sql::{Ident, Param, SqlBuf, Statement, sql};
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

/// Conversations to start from: the way of preparing, and batches with their answers.
pub(crate) const CONVERSATION_SEEDS: &[&[u8]] = &[
    b"\x00\x01\x01a\x02\x01\x02one\x00\x00\x00\x02\x01\x01x\x01\x03body\x00\x01\x01a\x00\x00\x00",
    b"\x00\x02\x01a\x00\x01b\x01\x01\x01\x31\x00\x01\x00\x00\x00\x01\x01\x01\x02xy\x00\x00\x00",
    b"\x01\x01\x01q\x01\x02\x00\x05bytes\x00\x00\x00\x01\x01\x01r\x00\x00\x00\x00\x00\x00\x00\x00",
    b"\x00\x01\x01a\x00\x02\x00\x03\x01\x01a\x00\x02\x01\x01\x01a\x00\x02\x02\x04\x01\x01a\x00\x00",
    b"\x00\x01\x01a\x00\x03\x08Z\0\0\0\x05I\0\0",
];

/// No conversation is longer.
const BATCHES_MAX: usize = 8;

/// Bytes that choose what is asked and what is answered.
pub fn conversation(data: &[u8]) {
    let mut choices = Choices::new(data);
    let preparation = match choices.below(2) {
        0 => Preparation::Named,
        _ => Preparation::Unnamed,
    };
    let (ours, theirs) = UnixStream::pair().expect("there are file descriptors");
    for socket in [&ours, &theirs] {
        socket.set_nonblocking(true).expect("it is a socket");
    }
    let mut connection = Connection::new(session(ours.into()), preparation);
    let mut server = Server {
        socket: theirs,
        prepared: HashMap::new(),
        has_lied: false,
    };
    for _ in 0..BATCHES_MAX {
        if choices.is_over() || connection.is_broken() {
            return;
        }
        ask(&mut connection, &mut server, &mut choices);
    }
}

/// What the server does with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Conduct {
    Answers,
    /// With an error at this statement.
    Fails(usize),
    /// With bytes of the input, and then it is gone.
    TalksNonsense,
    IsGone,
}

struct Server {
    socket: UnixStream,
    prepared: HashMap<Vec<u8>, Vec<u8>>,
    /// It has said something of a prepared statement that was not so.
    has_lied: bool,
}

fn ask(connection: &mut Connection, server: &mut Server, choices: &mut Choices<'_>) {
    let count = choices.below(3) + 1;
    let body = b"the body of the request";
    let statements: Vec<Statement> = (0..count).map(|_| statement(choices)).collect();
    if connection
        .send(&statements, RequestBody::Plain(body))
        .is_err()
    {
        assert!(connection.is_broken());
        return;
    }
    let said = server.hear();
    let conduct = match choices.below(5) {
        0 | 1 => Conduct::Answers,
        2 => Conduct::Fails(choices.below(count)),
        3 => Conduct::TalksNonsense,
        _ => Conduct::IsGone,
    };
    let executed = server.read_batch(&said, &statements, body);
    match conduct {
        Conduct::TalksNonsense => {
            server.say(choices.bytes());
            server.hang_up();
            listen_to_nonsense(connection);
        }
        Conduct::IsGone => {
            server.hang_up();
            listen_to_nonsense(connection);
            assert!(connection.is_broken());
        }
        Conduct::Answers | Conduct::Fails(_) => {
            let answer = server.answer(&said, &executed, conduct, choices);
            server.say(&answer.bytes);
            listen(connection, &answer, server);
        }
    }
}

/// A statement whose text is of the input, with a parameter or some.
fn statement(choices: &mut Choices<'_>) -> Statement {
    let mut out = SqlBuf::new();
    sql!(out, "SELECT ");
    out.ident(&Ident::before_nul(choices.text()));
    let mut has_body = false;
    for _ in 0..choices.below(4) {
        sql!(out, ", ");
        match choices.below(4) {
            0 => out.param(None),
            1 if !has_body => {
                has_body = true;
                out.param_request_body();
            }
            _ => out.param(Some(choices.bytes())),
        }
    }
    out.finish()
}

/// What the server has said, and what is to be heard of it.
#[derive(Default)]
struct Answer<'a> {
    bytes: Vec<u8>,
    rows: Vec<(usize, Vec<Option<&'a [u8]>>)>,
    /// The code of the error.
    fails: Option<&'static str>,
}

/// Errors that say something of a prepared statement, and others.
const CODES: [&str; 6] = ["P0001", "22P02", "26000", "42P05", "0A000", "42703"];

impl Server {
    fn hear(&mut self) -> Vec<Said> {
        let mut bytes = Vec::new();
        let mut space = [0; 4096];
        loop {
            match self.socket.read(&mut space) {
                Ok(count) => bytes.extend_from_slice(&space[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        read_all(&bytes).expect("it is well-formed")
    }

    fn say(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).expect("there is room");
    }

    fn hang_up(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Compares what was written with what was meant. Returns the place of the statement that
    /// each message is about.
    fn read_batch(&mut self, said: &[Said], meant: &[Statement], body: &[u8]) -> Vec<usize> {
        let mut known = self.prepared.clone();
        let mut places = Vec::new();
        let mut place = 0;
        for message in said {
            places.push(place);
            match message {
                Said::Close(name) => {
                    known.remove(name);
                }
                Said::Parse(name, text) => {
                    let before = known.insert(name.clone(), text.clone());
                    let is_new = name.is_empty() || before.is_none();
                    assert!(is_new || self.has_lied, "it is prepared already");
                }
                Said::Bind(name, values) => {
                    let statement = &meant[place];
                    let text = known.get(name).map(Vec::as_slice);
                    let is_right = text == Some(statement.text.as_str().as_bytes());
                    assert!(is_right || self.has_lied, "another text");
                    let expected = statement.params.iter().map(|param| match param {
                        Param::Null => None,
                        Param::Value(value) => Some(value),
                        Param::RequestBody => Some(body),
                    });
                    assert!(values.iter().map(Option::as_deref).eq(expected));
                }
                Said::Execute => place += 1,
                Said::Sync => {}
                Said::Query(_) | Said::Password(_) => panic!("that is no batch"),
            }
        }
        assert_eq!(place, meant.len(), "each is executed once");
        let syncs = said.iter().filter(|said| **said == Said::Sync).count();
        assert!(syncs == 1 && said.last() == Some(&Said::Sync));
        places
    }

    fn answer<'a>(
        &mut self,
        said: &[Said],
        places: &[usize],
        conduct: Conduct,
        choices: &mut Choices<'a>,
    ) -> Answer<'a> {
        let mut answer = Answer::default();
        for (message, place) in said.iter().zip(places) {
            let bytes = &mut answer.bytes;
            if choices.below(8) == 1 {
                // Nobody's doing, so it is not put back: that would be a flight of its own.
                ServerMessage::Setting(b"in_hot_standby", b"off").write(bytes);
                ServerMessage::Notice(vec![(b'M', b"careful")]).write(bytes);
            }
            if *message == Said::Sync {
                ServerMessage::Ready(b'I').write(bytes);
                continue;
            }
            if answer.fails.is_some() {
                continue;
            }
            let is_last_chance = conduct == Conduct::Fails(*place) && *message == Said::Execute;
            let is_chosen = conduct == Conduct::Fails(*place) && choices.below(3) == 1;
            if is_last_chance || is_chosen {
                answer.fails = Some(self.fail(bytes, choices));
                continue;
            }
            match message {
                Said::Close(name) => {
                    self.prepared.remove(name);
                    ServerMessage::Closed.write(bytes);
                }
                Said::Parse(name, text) => {
                    self.prepared.insert(name.clone(), text.clone());
                    ServerMessage::Parsed.write(bytes);
                }
                Said::Bind(..) => ServerMessage::Bound.write(bytes),
                Said::Execute => {
                    for _ in 0..choices.below(3) {
                        let mut columns = columns(choices);
                        columns.push(Some(choices.bytes()));
                        ServerMessage::Row(columns.clone()).write(bytes);
                        answer.rows.push((*place, columns));
                    }
                    ServerMessage::Complete(b"SELECT 1").write(bytes);
                }
                other => panic!("{other:?} is no part of a batch"),
            }
        }
        answer
    }

    fn fail(&mut self, bytes: &mut Vec<u8>, choices: &mut Choices<'_>) -> &'static str {
        let code = CODES[choices.below(CODES.len())];
        // From now on what we think that it has may not be what it has.
        self.has_lied |= matches!(code, "26000" | "42P05" | "0A000" | "42703" | "22P02");
        let mut fields: Vec<(u8, &[u8])> = vec![
            (b'S', b"ERROR"),
            (b'V', b"ERROR"),
            (b'C', code.as_bytes()),
            (b'M', b"no"),
        ];
        if choices.below(2) == 1 {
            fields.push((b'W', b"somewhere"));
        }
        if choices.below(2) == 1 {
            fields.push((b'R', b"RevalidateCachedQuery"));
        }
        ServerMessage::Failure(fields).write(bytes);
        code
    }
}

/// Hears what was said, to the end.
fn listen(connection: &mut Connection, answer: &Answer<'_>, server: &Server) {
    let mut rows = answer.rows.iter();
    let mut has_failed = false;
    loop {
        let (place, columns, body_bytes) = match connection.next_reply() {
            Ok(Reply::Row(row)) => {
                let columns = row.columns.map(|column| column.map(<[u8]>::to_vec));
                (row.statement, columns.collect::<Vec<_>>(), row.body_bytes)
            }
            Ok(Reply::Failed(error)) => {
                assert_eq!(Some(&*error.code), answer.fails);
                has_failed = true;
                continue;
            }
            Ok(Reply::Settled) => panic!("nothing was asked behind the batch"),
            Ok(Reply::Done) => break,
            Err(Error::Outdated { .. }) => {
                assert!(server.has_lied && answer.fails.is_some());
                has_failed = true;
                break;
            }
            Err(error) => panic!("{error}"),
        };
        let (expected_place, expected) = rows.next().expect("no more rows were said");
        let (last, before) = expected.split_last().expect("there is a last column");
        assert_eq!(place, *expected_place);
        assert!(
            columns
                .iter()
                .map(Option::as_deref)
                .eq(before.iter().copied())
        );
        let mut body = Vec::new();
        while connection.take_body(&mut body, 7).expect("it was said") > 0 {}
        assert_eq!(body_bytes.map(|_| &body[..]), *last);
    }
    assert!(rows.next().is_none(), "a row was not heard");
    assert_eq!(has_failed, answer.fails.is_some());
    assert!(connection.is_idle() && !connection.is_broken());
}

/// Hears whatever it is, until it ends.
fn listen_to_nonsense(connection: &mut Connection) {
    loop {
        match connection.next_reply() {
            Ok(Reply::Done) | Err(_) => return,
            Ok(Reply::Row(_)) => {
                let mut body = Vec::new();
                let _ = connection.take_body(&mut body, 16);
            }
            Ok(Reply::Failed(_) | Reply::Settled) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CONVERSATION_SEEDS, conversation};

    #[test]
    fn batches_mean_what_was_meant_and_answers_are_heard_as_they_were_said() {
        crate::smoke(conversation, CONVERSATION_SEEDS, 10_000);
    }
}
