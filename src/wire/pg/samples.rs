//! One sample of every message a server can send, for the tests of this folder.
//!
//! Tests cut them at every byte, change each of their bytes, and decode what is left.

/// A message as bytes.
pub(super) fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = i32::try_from(body.len() + 4).expect("samples are small");
    let mut bytes = vec![tag];
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// A row as bytes.
pub(super) fn row(columns: &[Option<&[u8]>]) -> Vec<u8> {
    let count = u16::try_from(columns.len()).expect("samples are small");
    let mut body = count.to_be_bytes().to_vec();
    for column in columns {
        let length = column.map_or(-1, |value| value.len() as i32);
        body.extend_from_slice(&length.to_be_bytes());
        body.extend_from_slice(column.unwrap_or_default());
    }
    message(b'D', &body)
}

/// A RowDescription as bytes.
pub(super) fn description(fields: &[(&str, u32, i16)]) -> Vec<u8> {
    let mut body = (fields.len() as u16).to_be_bytes().to_vec();
    for (name, type_oid, format) in fields {
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(b"\0\0\0\0\x0a\0\x02");
        body.extend_from_slice(&type_oid.to_be_bytes());
        body.extend_from_slice(&(-1_i16).to_be_bytes());
        body.extend_from_slice(&(-1_i32).to_be_bytes());
        body.extend_from_slice(&format.to_be_bytes());
    }
    message(b'T', &body)
}

/// All of them, with the name that `{:?}` of the decoded message begins with.
pub(super) fn all() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("Authentication(Ok", message(b'R', b"\0\0\0\0")),
        (
            "Authentication(CleartextPassword",
            message(b'R', b"\0\0\0\x03"),
        ),
        (
            "Authentication(Md5Password",
            message(b'R', b"\0\0\0\x05salt"),
        ),
        (
            "Authentication(Sasl(",
            message(b'R', b"\0\0\0\x0aONE\0TWO\0\0"),
        ),
        (
            "Authentication(SaslContinue",
            message(b'R', b"\0\0\0\x0br=1"),
        ),
        ("Authentication(SaslFinal", message(b'R', b"\0\0\0\x0cv=1")),
        (
            "Authentication(Unsupported(7)",
            message(b'R', b"\0\0\0\x07"),
        ),
        ("BackendKeyData", message(b'K', b"\0\0\0\x07\0\0\0\x09")),
        ("BindComplete", message(b'2', b"")),
        ("CloseComplete", message(b'3', b"")),
        ("CommandComplete", message(b'C', b"SELECT 2\0")),
        ("DataRow", row(&[Some(b"one"), None, Some(b"")])),
        ("DataRow", row(&[])),
        ("EmptyQueryResponse", message(b'I', b"")),
        ("ErrorResponse", message(b'E', b"SERROR\0C42P01\0Mno\0\0")),
        (
            "NegotiateProtocolVersion",
            message(b'v', b"\0\0\0\0\0\0\0\x01_pq_.x\0"),
        ),
        ("NoData", message(b'n', b"")),
        ("NoticeResponse", message(b'N', b"SNOTICE\0C00000\0Mhi\0\0")),
        (
            "NotificationResponse",
            message(b'A', b"\0\0\0\x07pgrst\0reload\0"),
        ),
        ("ParameterStatus", message(b'S', b"TimeZone\0UTC\0")),
        ("ParseComplete", message(b'1', b"")),
        ("PortalSuspended", message(b's', b"")),
        ("ReadyForQuery(Idle", message(b'Z', b"I")),
        ("ReadyForQuery(InTransaction", message(b'Z', b"T")),
        ("ReadyForQuery(Failed", message(b'Z', b"E")),
        ("RowDescription", description(&[("a", 25, 0), ("b", 20, 1)])),
        ("Unexpected(71)", message(b'G', b"\0\0\0")),
        ("Unexpected(100)", message(b'd', b"copied")),
    ]
}

/// A small generator (xorshift) so that random tests are the same in every run.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}
