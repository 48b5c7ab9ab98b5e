//! PostgreSQL's protocol as its documentation has it, for a second reading: what a client has
//! written, and what a server may say.
//!
//! Source: PostgreSQL documentation, chapter 55.7 "Message Formats".

use crate::choices::Choices;

/// What a client has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// A name and a text.
    Parse(Vec<u8>, Vec<u8>),
    /// To the unnamed portal: the statement's name, and the values as texts.
    Bind(Vec<u8>, Vec<Option<Vec<u8>>>),
    /// The unnamed portal, to its end.
    Execute,
    Sync,
    /// A statement.
    Close(Vec<u8>),
    Query(Vec<u8>),
    Password(Vec<u8>),
}

/// Takes pieces off the front.
struct Reader<'a>(&'a [u8]);

type Wrong = &'static str;

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Wrong> {
        if count > self.0.len() {
            return Err("there is less");
        }
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        Ok(taken)
    }

    fn int16(&mut self) -> Result<usize, Wrong> {
        let bytes = self.take(2)?;
        Ok(usize::from(bytes[0]) << 8 | usize::from(bytes[1]))
    }

    fn int32(&mut self) -> Result<i32, Wrong> {
        let bytes = self.take(4)?.try_into().map_err(|_| "four are four")?;
        Ok(i32::from_be_bytes(bytes))
    }

    fn string(&mut self) -> Result<Vec<u8>, Wrong> {
        let end = self.0.iter().position(|byte| *byte == 0);
        let text = self.take(end.ok_or("a string without end")?)?;
        self.take(1)?;
        Ok(text.to_vec())
    }

    fn end(&self) -> Result<(), Wrong> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err("there is more"),
        }
    }
}

/// Reads all messages.
pub(crate) fn read_all(bytes: &[u8]) -> Result<Vec<Said>, Wrong> {
    let mut stream = Reader(bytes);
    let mut all = Vec::new();
    while !stream.0.is_empty() {
        let tag = stream.take(1)?[0];
        let length = stream.int32()? - 4;
        let length = usize::try_from(length).map_err(|_| "a length below four")?;
        all.push(read(tag, Reader(stream.take(length)?))?);
    }
    Ok(all)
}

fn read(tag: u8, mut body: Reader<'_>) -> Result<Said, Wrong> {
    let said = match tag {
        b'P' => {
            let said = Said::Parse(body.string()?, body.string()?);
            expect(body.int16()? == 0, "types of parameters are told")?;
            said
        }
        b'B' => {
            expect(body.string()?.is_empty(), "a portal with a name")?;
            let statement = body.string()?;
            expect(body.int16()? == 0, "parameters with a format")?;
            let mut values = Vec::new();
            for _ in 0..body.int16()? {
                values.push(match body.int32()? {
                    -1 => None,
                    length => {
                        let length = usize::try_from(length).map_err(|_| "a negative length")?;
                        Some(body.take(length)?.to_vec())
                    }
                });
            }
            let formats = (body.int16()?, body.int16()?);
            expect(formats == (1, 1), "results that are not all binary")?;
            Said::Bind(statement, values)
        }
        b'E' => {
            expect(body.string()?.is_empty(), "a portal with a name")?;
            expect(body.int32()? == 0, "a limit")?;
            Said::Execute
        }
        b'S' => Said::Sync,
        b'C' => {
            expect(body.take(1)? == b"S", "a portal is closed")?;
            Said::Close(body.string()?)
        }
        b'Q' => Said::Query(body.string()?),
        b'p' => Said::Password(body.take(body.0.len())?.to_vec()),
        _ => return Err("nobody sends that"),
    };
    body.end()?;
    Ok(said)
}

fn expect(is_so: bool, wrong: Wrong) -> Result<(), Wrong> {
    match is_so {
        true => Ok(()),
        false => Err(wrong),
    }
}

/// The settings of a startup packet, which are strings.
pub(crate) fn read_startup(bytes: &[u8]) -> Result<&[u8], Wrong> {
    let mut packet = Reader(bytes);
    let length = usize::try_from(packet.int32()?).map_err(|_| "a negative length")?;
    expect(length == bytes.len(), "another length")?;
    expect(packet.int32()? == 3 << 16, "another protocol")?;
    let settings = packet.take(length - 9)?;
    expect(packet.take(1)? == [0], "no end")?;
    packet.end()?;
    Ok(settings)
}

/// What a server says.
#[derive(Clone, Debug)]
pub(crate) enum ServerMessage<'a> {
    Row(Vec<Option<&'a [u8]>>),
    Failure(Vec<(u8, &'a [u8])>),
    Notice(Vec<(u8, &'a [u8])>),
    Setting(&'a [u8], &'a [u8]),
    Notification(i32, &'a [u8], &'a [u8]),
    Complete(&'a [u8]),
    Key(i32, i32),
    Ready(u8),
    Parsed,
    Bound,
    Closed,
}

impl<'a> ServerMessage<'a> {
    pub(crate) fn choose(choices: &mut Choices<'a>) -> ServerMessage<'a> {
        match choices.below(11) {
            0 => ServerMessage::Row(columns(choices)),
            1 => ServerMessage::Failure(fields(choices)),
            2 => ServerMessage::Notice(fields(choices)),
            3 => ServerMessage::Setting(choices.string(), choices.string()),
            4 => ServerMessage::Notification(choices.int(), choices.string(), choices.string()),
            5 => ServerMessage::Complete(choices.string()),
            6 => ServerMessage::Key(choices.int(), choices.int()),
            7 => ServerMessage::Ready(b"ITE"[choices.below(3)]),
            8 => ServerMessage::Parsed,
            9 => ServerMessage::Bound,
            _ => ServerMessage::Closed,
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut body = Vec::new();
        let mut string = |text: &[u8]| {
            body.extend_from_slice(text);
            body.push(0);
        };
        let tag = match self {
            ServerMessage::Row(columns) => {
                body = row(columns);
                b'D'
            }
            ServerMessage::Failure(fields) => {
                body = list(fields);
                b'E'
            }
            ServerMessage::Notice(fields) => {
                body = list(fields);
                b'N'
            }
            ServerMessage::Setting(name, value) => {
                string(name);
                string(value);
                b'S'
            }
            ServerMessage::Notification(process, channel, payload) => {
                body = process.to_be_bytes().to_vec();
                body.extend([channel, &b"\0"[..], payload, &b"\0"[..]].concat());
                b'A'
            }
            ServerMessage::Complete(tag) => {
                string(tag);
                b'C'
            }
            ServerMessage::Key(process, key) => {
                body = [process.to_be_bytes(), key.to_be_bytes()].concat();
                b'K'
            }
            ServerMessage::Ready(letter) => {
                body.push(*letter);
                b'Z'
            }
            ServerMessage::Parsed => b'1',
            ServerMessage::Bound => b'2',
            ServerMessage::Closed => b'3',
        };
        out.push(tag);
        let length = u32::try_from(body.len() + 4).expect("it is short");
        out.extend(length.to_be_bytes());
        out.extend(body);
    }
}

/// Columns of a row.
pub(crate) fn columns<'a>(choices: &mut Choices<'a>) -> Vec<Option<&'a [u8]>> {
    (0..choices.below(6))
        .map(|_| (choices.below(4) > 0).then(|| choices.bytes()))
        .collect()
}

fn fields<'a>(choices: &mut Choices<'a>) -> Vec<(u8, &'a [u8])> {
    (0..choices.below(6))
        .map(|_| (choices.byte().max(1), choices.string()))
        .collect()
}

fn row(columns: &[Option<&[u8]>]) -> Vec<u8> {
    let count = u16::try_from(columns.len()).expect("there are few");
    let mut body = count.to_be_bytes().to_vec();
    for column in columns {
        match column {
            None => body.extend((-1_i32).to_be_bytes()),
            Some(value) => {
                let length = u32::try_from(value.len()).expect("it is short");
                body.extend(length.to_be_bytes());
                body.extend_from_slice(value);
            }
        }
    }
    body
}

fn list(fields: &[(u8, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (letter, value) in fields {
        body.push(*letter);
        body.extend_from_slice(value);
        body.push(0);
    }
    body.push(0);
    body
}
