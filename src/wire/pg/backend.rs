//! What the server says: `decode` turns bytes into one borrowed [`Message`].
//!
//! A message is `tag: u8, length: i32, body: [u8; length - 4]`. Tag and length are judged as soon
//! as they have arrived, so garbage is refused without waiting for the rest of it.
//! Everything inside a body is checked here once; the iterators handed out cannot fail afterwards.
//! Invariant: no allocation, no panic, no byte read beyond the declared length.

use super::decode_error::DecodeError;
use super::fields::ErrorFields;
use super::header::{HEADER_BYTES, check_length, check_tag, peek_header};
use super::row::{DataRow, RowDescription};
use super::scan::Scan;

/// One message of the server, borrowed from the receive buffer.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// A step of the authentication exchange.
    Authentication(Authentication<'a>),
    /// The key that a later cancel request needs.
    BackendKeyData(BackendKey),
    /// Bind succeeded.
    BindComplete,
    /// Close succeeded.
    CloseComplete,
    /// A statement has run to its end.
    CommandComplete(CommandTag<'a>),
    /// One row of a result.
    DataRow(DataRow<'a>),
    /// The statement was an empty string.
    EmptyQueryResponse,
    /// The batch failed; the server skips everything up to the next Sync.
    ErrorResponse(ErrorFields<'a>),
    /// The server does not speak the minor version or an option that we asked for.
    NegotiateProtocolVersion {
        /// Newest minor version that the server speaks.
        newest_minor: u32,
        /// Number of options it did not understand.
        unrecognized_options: u32,
    },
    /// The described statement returns no rows.
    NoData,
    /// A warning or a message of `RAISE NOTICE`; may come at any time.
    NoticeResponse(ErrorFields<'a>),
    /// A `NOTIFY` on a channel we listen to; may come at any time.
    NotificationResponse {
        /// Process that notified.
        process_id: i32,
        /// Name of the channel.
        channel: &'a [u8],
        /// The payload, empty if none was given.
        payload: &'a [u8],
    },
    /// A setting the server reports; may come at any time.
    ParameterStatus {
        /// Name of the setting.
        name: &'a [u8],
        /// Its value now.
        value: &'a [u8],
    },
    /// Parse succeeded.
    ParseComplete,
    /// Execute stopped at its row limit.
    PortalSuspended,
    /// The server waits for the next batch.
    ReadyForQuery(TransactionStatus),
    /// The columns of the rows to come.
    RowDescription(RowDescription<'a>),
    /// A message that exists but that nothing we send can provoke (COPY, function calls).
    Unexpected(u8),
}

/// A step of the authentication exchange.
#[derive(Clone, Copy, Debug)]
pub enum Authentication<'a> {
    /// The server is satisfied.
    Ok,
    /// The server wants the password as it is.
    CleartextPassword,
    /// The server wants the password hashed with this salt.
    Md5Password {
        /// Four random bytes.
        salt: [u8; 4],
    },
    /// The server offers these SASL mechanisms.
    Sasl(Mechanisms<'a>),
    /// The server's challenge.
    SaslContinue(&'a [u8]),
    /// The server's proof.
    SaslFinal(&'a [u8]),
    /// A method that we do not speak (Kerberos, GSSAPI, SSPI, or a new one), by its number.
    Unsupported(i32),
}

impl Authentication<'_> {
    /// The name libpq uses for the method in `require_auth` and in its messages.
    pub fn method_name(&self) -> &'static str {
        match self {
            Authentication::Ok => "none",
            Authentication::CleartextPassword => "password",
            Authentication::Md5Password { .. } => "md5",
            Authentication::Sasl(_)
            | Authentication::SaslContinue(_)
            | Authentication::SaslFinal(_) => "scram-sha-256",
            Authentication::Unsupported(7 | 8) => "gss",
            Authentication::Unsupported(9) => "sspi",
            Authentication::Unsupported(_) => "unknown",
        }
    }
}

/// The SASL mechanisms on offer, most wanted first.
#[derive(Clone, Copy, Debug)]
pub struct Mechanisms<'a> {
    list: Scan<'a>,
}

impl<'a> Iterator for Mechanisms<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.list.string().ok().filter(|name| !name.is_empty())
    }
}

/// Identifies a session towards its server, for a cancel request.
///
/// Protocol 3.0 fixes the key at four bytes. It is a secret: who has it can cancel our queries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BackendKey {
    /// Process id of the backend.
    pub process_id: i32,
    /// The secret that a cancel request must repeat.
    pub secret: i32,
}

impl std::fmt::Debug for BackendKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackendKey")
            .field("process_id", &self.process_id)
            .field("secret", &"REDACTED")
            .finish()
    }
}

/// What a finished statement was, such as `SELECT 3` or `INSERT 0 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandTag<'a>(&'a [u8]);

impl<'a> CommandTag<'a> {
    /// The tag as sent.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// The number of rows the statement returned or touched, if its tag ends in one.
    pub fn rows(self) -> Option<u64> {
        let digits = self.0.rsplit(|&byte| byte == b' ').next()?;
        let digits = std::str::from_utf8(digits).ok()?;
        if digits.starts_with('+') {
            return None; // `parse` would take a sign, a command tag has none.
        }
        digits.parse().ok()
    }
}

/// Where the session stands, as ReadyForQuery tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    /// Outside of a transaction.
    Idle,
    /// Inside a transaction block.
    InTransaction,
    /// Inside a transaction block that failed; only a rollback is accepted.
    Failed,
}

/// Decodes the first message of `buf` and tells how many bytes it takes up.
///
/// `Ok(None)` means that the message has not arrived completely.
pub fn decode(buf: &[u8]) -> Result<Option<(Message<'_>, usize)>, DecodeError> {
    let Some(&tag) = buf.first() else {
        return Ok(None);
    };
    check_tag(tag)?;
    let Some((tag, length)) = peek_header(buf) else {
        return Ok(None);
    };
    check_length(tag, length)?;
    let total = 1 + length;
    let Some(body) = buf.get(HEADER_BYTES..total) else {
        return Ok(None);
    };
    Ok(Some((decode_body(tag, body)?, total)))
}

fn decode_body(tag: u8, body: &[u8]) -> Result<Message<'_>, DecodeError> {
    let mut scan = Scan::new(body);
    let message = match tag {
        b'1' => Message::ParseComplete,
        b'2' => Message::BindComplete,
        b'3' => Message::CloseComplete,
        b'C' => Message::CommandComplete(CommandTag(scan.string()?)),
        b'D' => return DataRow::decode(body).map(Message::DataRow),
        b'E' => return ErrorFields::decode(body).map(Message::ErrorResponse),
        b'N' => return ErrorFields::decode(body).map(Message::NoticeResponse),
        b'T' => return RowDescription::decode(body).map(Message::RowDescription),
        b'R' => return decode_authentication(scan).map(Message::Authentication),
        b'v' => return decode_negotiation(scan),
        b'I' => Message::EmptyQueryResponse,
        b'K' => Message::BackendKeyData(BackendKey {
            process_id: scan.int()?,
            secret: scan.int()?,
        }),
        b'n' => Message::NoData,
        b'A' => Message::NotificationResponse {
            process_id: scan.int()?,
            channel: scan.string()?,
            payload: scan.string()?,
        },
        b'S' => Message::ParameterStatus {
            name: scan.string()?,
            value: scan.string()?,
        },
        b's' => Message::PortalSuspended,
        b'Z' => Message::ReadyForQuery(decode_transaction_status(scan.byte()?)?),
        _ => return Ok(Message::Unexpected(tag)),
    };
    scan.end()?;
    Ok(message)
}

fn decode_transaction_status(letter: u8) -> Result<TransactionStatus, DecodeError> {
    match letter {
        b'I' => Ok(TransactionStatus::Idle),
        b'T' => Ok(TransactionStatus::InTransaction),
        b'E' => Ok(TransactionStatus::Failed),
        _ => Err(DecodeError::UnknownTransactionStatus(letter)),
    }
}

fn decode_authentication(mut scan: Scan<'_>) -> Result<Authentication<'_>, DecodeError> {
    let authentication = match scan.int()? {
        0 => Authentication::Ok,
        3 => Authentication::CleartextPassword,
        5 => {
            let salt = scan.oid()?.to_be_bytes();
            Authentication::Md5Password { salt }
        }
        10 => return decode_mechanisms(scan),
        11 => return Ok(Authentication::SaslContinue(scan.rest())),
        12 => return Ok(Authentication::SaslFinal(scan.rest())),
        // The content of a method we do not speak is its own business.
        other => return Ok(Authentication::Unsupported(other)),
    };
    scan.end()?;
    Ok(authentication)
}

/// The list is `{ name NUL } NUL`.
fn decode_mechanisms(scan: Scan<'_>) -> Result<Authentication<'_>, DecodeError> {
    let mut walk = scan;
    while !walk.string()?.is_empty() {}
    walk.end()?;
    Ok(Authentication::Sasl(Mechanisms { list: scan }))
}

fn decode_negotiation(mut scan: Scan<'_>) -> Result<Message<'_>, DecodeError> {
    let newest_minor = scan.oid()?;
    let unrecognized_options = scan.oid()?;
    for _ in 0..unrecognized_options {
        scan.string()?; // Fails at the end of the body, so the count cannot keep us busy.
    }
    scan.end()?;
    Ok(Message::NegotiateProtocolVersion {
        newest_minor,
        unrecognized_options,
    })
}

#[cfg(test)]
#[path = "backend_tests.rs"]
mod tests;
