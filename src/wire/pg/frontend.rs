//! What we say: each function appends one message to a `Vec<u8>`.
//!
//! A batch is written into one buffer and sent with one system call, so nothing here writes to a
//! socket. Every length is counted in `usize` and checked before it becomes an `i32`: a length that
//! wraps would let the server read a parameter as further messages.
//! Invariant: after an error the buffer is as long as before, so a refused message leaves no part.

use super::backend::BackendKey;
use super::limits::{
    PARAMETER_BYTES_MAX, PARAMETERS_MAX, SENT_MESSAGE_BYTES_MAX, STARTUP_BYTES_MAX,
};

const PROTOCOL_3_0: i32 = 3 << 16;
const SSL_REQUEST: i32 = (1234 << 16) | 5679;
const CANCEL_REQUEST: i32 = (1234 << 16) | 5678;

/// Why a message cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// A name, a statement or a setting contains a zero byte, which ends strings on the wire.
    ZeroByte,
    /// One parameter is longer than PostgreSQL can take.
    ParameterTooLong,
    /// There are more parameters than the protocol can count.
    TooManyParameters,
    /// The message as a whole is longer than PostgreSQL accepts.
    MessageTooLong,
}

impl std::fmt::Display for EncodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            EncodeError::ZeroByte => "a string for the server contains a zero byte",
            EncodeError::ParameterTooLong => "a parameter is longer than 1 GiB",
            EncodeError::TooManyParameters => "a statement has more than 65535 parameters",
            EncodeError::MessageTooLong => "a message to the server is longer than 1 GiB",
        })
    }
}

impl std::error::Error for EncodeError {}

/// Asks for a prepared statement; the server infers the types of all parameters.
pub fn parse(out: &mut Vec<u8>, name: &str, sql: &str) -> Result<(), EncodeError> {
    message(out, b'P', |out| {
        put_string(out, name.as_bytes())?;
        put_string(out, sql.as_bytes())?;
        out.extend_from_slice(&0_i16.to_be_bytes());
        Ok(())
    })
}

/// A parameter in text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter<'p> {
    /// NULL.
    Null,
    /// These bytes.
    Value(&'p [u8]),
    /// So many bytes, which the caller sends when the message has come to that place. At most one
    /// in a message.
    Elsewhere(usize),
}

/// Binds parameters to the unnamed portal; all result columns come back as binary. Returns where
/// in `out` the bytes of a parameter that is elsewhere belong.
///
/// Binary results cost nothing for `text`, `json` and `bytea`, whose two formats are the same bytes
/// (or better: `bytea` is not escaped), and spare the server's formatting of numbers.
pub fn bind<'p, P>(
    out: &mut Vec<u8>,
    statement: &str,
    parameters: P,
) -> Result<Option<usize>, EncodeError>
where
    P: IntoIterator<Item = Parameter<'p>>,
{
    let mut gap = Gap::default();
    out.push(b'B');
    let start = out.len();
    untagged_with_gap(out, |out| {
        put_string(out, b"")?;
        put_string(out, statement.as_bytes())?;
        out.extend_from_slice(&0_i16.to_be_bytes()); // no formats: all parameters are text
        put_parameters(out, parameters.into_iter(), &mut gap)?;
        out.extend_from_slice(&1_i16.to_be_bytes()); // one format for all columns:
        out.extend_from_slice(&1_i16.to_be_bytes()); // binary
        Ok(gap.bytes)
    })
    .inspect_err(|_| out.truncate(start - 1))?;
    Ok(gap.at)
}

/// What a message leaves out.
#[derive(Clone, Copy, Debug, Default)]
struct Gap {
    at: Option<usize>,
    bytes: usize,
}

/// Asks what the rows of the unnamed portal look like.
pub fn describe_portal(out: &mut Vec<u8>) {
    out.extend_from_slice(b"D\0\0\0\x06P\0");
}

/// Runs the unnamed portal to its end.
pub fn execute(out: &mut Vec<u8>) {
    out.extend_from_slice(b"E\0\0\0\x09\0\0\0\0\0");
}

/// Ends the batch: commits or rolls back the implicit transaction and asks for ReadyForQuery.
pub fn sync(out: &mut Vec<u8>) {
    out.extend_from_slice(b"S\0\0\0\x04");
}

/// Asks for the replies so far without ending the batch.
pub fn flush(out: &mut Vec<u8>) {
    out.extend_from_slice(b"H\0\0\0\x04");
}

/// Announces that the connection is about to be closed.
pub fn terminate(out: &mut Vec<u8>) {
    out.extend_from_slice(b"X\0\0\0\x04");
}

/// Drops a prepared statement.
pub fn close_statement(out: &mut Vec<u8>, name: &str) -> Result<(), EncodeError> {
    message(out, b'C', |out| {
        out.push(b'S');
        put_string(out, name.as_bytes())
    })
}

/// Runs a string of statements in the simple protocol.
pub fn query(out: &mut Vec<u8>, sql: &str) -> Result<(), EncodeError> {
    message(out, b'Q', |out| put_string(out, sql.as_bytes()))
}

/// Opens a session; `parameters` are `user`, `database` and settings.
pub fn startup<'p, P>(out: &mut Vec<u8>, parameters: P) -> Result<(), EncodeError>
where
    P: IntoIterator<Item = (&'p str, &'p str)>,
{
    let start = out.len();
    untagged(out, |out| {
        out.extend_from_slice(&PROTOCOL_3_0.to_be_bytes());
        for (name, value) in parameters {
            put_string(out, name.as_bytes())?;
            put_string(out, value.as_bytes())?;
        }
        out.push(0);
        if out.len() - start > STARTUP_BYTES_MAX {
            return Err(EncodeError::MessageTooLong);
        }
        Ok(())
    })
}

/// Asks whether the server speaks TLS; it answers with the single byte `S` or `N`.
pub fn ssl_request(out: &mut Vec<u8>) {
    out.extend_from_slice(&8_i32.to_be_bytes());
    out.extend_from_slice(&SSL_REQUEST.to_be_bytes());
}

/// Asks the server, on a connection of its own, to cancel what a session is doing.
pub fn cancel_request(out: &mut Vec<u8>, key: BackendKey) {
    out.extend_from_slice(&16_i32.to_be_bytes());
    out.extend_from_slice(&CANCEL_REQUEST.to_be_bytes());
    out.extend_from_slice(&key.process_id.to_be_bytes());
    out.extend_from_slice(&key.secret.to_be_bytes());
}

/// Sends a password, plain or hashed.
pub fn password(out: &mut Vec<u8>, password: &[u8]) -> Result<(), EncodeError> {
    message(out, b'p', |out| put_string(out, password))
}

/// Begins a SASL exchange with the chosen mechanism and its first message.
pub fn sasl_initial_response(
    out: &mut Vec<u8>,
    mechanism: &str,
    response: &[u8],
) -> Result<(), EncodeError> {
    message(out, b'p', |out| {
        put_string(out, mechanism.as_bytes())?;
        put_value(out, Some(response))
    })
}

/// Continues a SASL exchange.
pub fn sasl_response(out: &mut Vec<u8>, response: &[u8]) -> Result<(), EncodeError> {
    message(out, b'p', |out| {
        out.extend_from_slice(response);
        Ok(())
    })
}

/// Appends the tag and an [`untagged`] message; on an error nothing is appended.
fn message(
    out: &mut Vec<u8>,
    tag: u8,
    body: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    out.push(tag);
    untagged(out, body).inspect_err(|_| {
        out.pop();
    })
}

/// Appends the length and the body; on an error nothing is appended.
fn untagged(
    out: &mut Vec<u8>,
    body: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    untagged_with_gap(out, |out| body(out).map(|()| 0))
}

/// The same for a body of which so many bytes as it returns are left out.
fn untagged_with_gap(
    out: &mut Vec<u8>,
    body: impl FnOnce(&mut Vec<u8>) -> Result<usize, EncodeError>,
) -> Result<(), EncodeError> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    let written = body(out)
        .and_then(|left_out| wire_length(out.len() - start + left_out, SENT_MESSAGE_BYTES_MAX));
    match written {
        Ok(length) => {
            out[start..start + 4].copy_from_slice(&length.to_be_bytes());
            Ok(())
        }
        Err(error) => {
            out.truncate(start);
            Err(error)
        }
    }
}

/// The only place where a length becomes the 32 bits of the wire.
fn wire_length(length: usize, max: usize) -> Result<i32, EncodeError> {
    if length > max {
        return Err(EncodeError::MessageTooLong);
    }
    i32::try_from(length).map_err(|_| EncodeError::MessageTooLong)
}

fn put_string(out: &mut Vec<u8>, text: &[u8]) -> Result<(), EncodeError> {
    if text.contains(&0) {
        return Err(EncodeError::ZeroByte);
    }
    out.extend_from_slice(text);
    out.push(0);
    Ok(())
}

fn put_parameters<'p>(
    out: &mut Vec<u8>,
    parameters: impl Iterator<Item = Parameter<'p>>,
    gap: &mut Gap,
) -> Result<(), EncodeError> {
    let count_at = out.len();
    out.extend_from_slice(&[0; 2]);
    let mut count = 0_usize;
    for parameter in parameters {
        count += 1;
        if count > PARAMETERS_MAX {
            return Err(EncodeError::TooManyParameters);
        }
        match parameter {
            Parameter::Null => put_value(out, None)?,
            Parameter::Value(value) => put_value(out, Some(value))?,
            Parameter::Elsewhere(bytes) => {
                assert!(gap.at.is_none(), "one parameter at most is elsewhere");
                put_value_length(out, bytes)?;
                *gap = Gap {
                    at: Some(out.len()),
                    bytes,
                };
            }
        }
        // Stop at the first byte too many rather than after copying all of them.
        if out.len() - count_at > SENT_MESSAGE_BYTES_MAX {
            return Err(EncodeError::MessageTooLong);
        }
    }
    let count = u16::try_from(count).map_err(|_| EncodeError::TooManyParameters)?;
    out[count_at..count_at + 2].copy_from_slice(&count.to_be_bytes());
    Ok(())
}

fn put_value(out: &mut Vec<u8>, value: Option<&[u8]>) -> Result<(), EncodeError> {
    let Some(value) = value else {
        out.extend_from_slice(&(-1_i32).to_be_bytes());
        return Ok(());
    };
    put_value_length(out, value.len())?;
    out.extend_from_slice(value);
    Ok(())
}

fn put_value_length(out: &mut Vec<u8>, bytes: usize) -> Result<(), EncodeError> {
    let length =
        wire_length(bytes, PARAMETER_BYTES_MAX).map_err(|_| EncodeError::ParameterTooLong)?;
    out.extend_from_slice(&length.to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use postgres_protocol::message::frontend as reference;

    /// Compares our bytes with those of the encoder of `postgres-protocol`.
    #[track_caller]
    fn check(ours: impl FnOnce(&mut Vec<u8>), reference: impl FnOnce(&mut bytes::BytesMut)) {
        let mut out = b"before".to_vec();
        ours(&mut out);
        let mut expected = bytes::BytesMut::from(&b"before"[..]);
        reference(&mut expected);
        assert_eq!(out, expected);
    }

    #[test]
    fn messages_without_content_match_the_reference() {
        check(sync, reference::sync);
        check(flush, reference::flush);
        check(terminate, reference::terminate);
        check(ssl_request, reference::ssl_request);
        check(execute, |out| reference::execute("", 0, out).unwrap());
        check(describe_portal, |out| {
            reference::describe(b'P', "", out).unwrap();
        });
    }

    #[test]
    fn messages_with_strings_match_the_reference() {
        check(
            |out| parse(out, "s1", "SELECT $1").unwrap(),
            |out| reference::parse("s1", "SELECT $1", [], out).unwrap(),
        );
        check(
            |out| close_statement(out, "s1").unwrap(),
            |out| reference::close(b'S', "s1", out).unwrap(),
        );
        check(
            |out| query(out, "SELECT 1").unwrap(),
            |out| reference::query("SELECT 1", out).unwrap(),
        );
        check(
            |out| startup(out, [("user", "me"), ("database", "mine")]).unwrap(),
            |out| {
                reference::startup_message([("user", "me"), ("database", "mine")], out).unwrap();
            },
        );
    }

    #[test]
    fn authentication_matches_the_reference() {
        check(
            |out| password(out, b"secret").unwrap(),
            |out| reference::password_message(b"secret", out).unwrap(),
        );
        check(
            |out| sasl_initial_response(out, "SCRAM-SHA-256", b"n,,n=,r=x").unwrap(),
            |out| {
                reference::sasl_initial_response("SCRAM-SHA-256", b"n,,n=,r=x", out).unwrap();
            },
        );
        check(
            |out| sasl_response(out, b"c=biws").unwrap(),
            |out| reference::sasl_response(b"c=biws", out).unwrap(),
        );
        let key = BackendKey {
            process_id: 7,
            secret: -9,
        };
        check(
            |out| cancel_request(out, key),
            |out| reference::cancel_request(7, -9, out),
        );
    }

    fn parameter(value: Option<&[u8]>) -> Parameter<'_> {
        value.map_or(Parameter::Null, Parameter::Value)
    }

    #[test]
    fn bytes_that_are_elsewhere_are_counted_and_their_place_is_told() {
        let value = [b'x'; 300];
        let mut whole = Vec::new();
        let given = [Parameter::Value(&value), Parameter::Null];
        assert_eq!(bind(&mut whole, "s1", given), Ok(None));
        let mut parts = Vec::new();
        let left_out = [Parameter::Elsewhere(value.len()), Parameter::Null];
        let at = bind(&mut parts, "s1", left_out).unwrap().unwrap();
        let rest = parts.split_off(at);
        assert_eq!([&parts[..], &value, &rest].concat(), whole);
        let mut out = b"before".to_vec();
        let too_long = [Parameter::Elsewhere(PARAMETER_BYTES_MAX + 1)];
        assert_eq!(
            bind(&mut out, "", too_long),
            Err(EncodeError::ParameterTooLong)
        );
        let with_others = [
            Parameter::Value(&value),
            Parameter::Elsewhere(PARAMETER_BYTES_MAX),
        ];
        assert_eq!(
            bind(&mut out, "", with_others),
            Err(EncodeError::MessageTooLong)
        );
        assert_eq!(out, b"before");
    }

    #[test]
    fn bind_matches_the_reference() {
        let values: [Option<&[u8]>; 3] = [Some(b"one"), None, Some(b"")];
        check(
            |out| {
                bind(out, "s1", values.map(parameter)).unwrap();
            },
            |out| {
                let put = |value: Option<&[u8]>, out: &mut bytes::BytesMut| {
                    Ok(match value {
                        Some(bytes) => {
                            out.extend_from_slice(bytes);
                            postgres_protocol::IsNull::No
                        }
                        None => postgres_protocol::IsNull::Yes,
                    })
                };
                let written = reference::bind("", "s1", [], values, put, [1], out);
                assert!(written.is_ok());
            },
        );
    }

    #[test]
    fn a_zero_byte_in_a_string_is_refused_and_leaves_no_part() {
        let mut out = b"before".to_vec();
        assert_eq!(parse(&mut out, "a\0b", ""), Err(EncodeError::ZeroByte));
        assert_eq!(parse(&mut out, "a", "x\0y"), Err(EncodeError::ZeroByte));
        assert_eq!(bind(&mut out, "a\0", []), Err(EncodeError::ZeroByte));
        assert_eq!(query(&mut out, "\0"), Err(EncodeError::ZeroByte));
        assert_eq!(password(&mut out, b"\0"), Err(EncodeError::ZeroByte));
        assert_eq!(
            startup(&mut out, [("user", "\0")]),
            Err(EncodeError::ZeroByte)
        );
        assert_eq!(out, b"before");
    }

    #[test]
    fn a_zero_byte_in_a_parameter_is_content() {
        let mut out = Vec::new();
        bind(&mut out, "", [parameter(Some(b"\0"))]).unwrap();
        assert_eq!(&out[11..16], b"\0\0\0\x01\0");
    }

    #[test]
    fn exactly_65535_parameters_fit() {
        let mut out = Vec::new();
        bind(
            &mut out,
            "",
            std::iter::repeat_n(Parameter::Null, PARAMETERS_MAX),
        )
        .unwrap();
        assert_eq!(&out[9..11], [0xff, 0xff]);
        let before = out.clone();
        let refused = bind(
            &mut out,
            "",
            std::iter::repeat_n(Parameter::Null, PARAMETERS_MAX + 1),
        );
        assert_eq!(refused, Err(EncodeError::TooManyParameters));
        assert_eq!(out, before);
    }

    #[test]
    fn lengths_beyond_a_gibibyte_are_refused_before_they_wrap() {
        let check = |length, max, expected: Result<i32, EncodeError>| {
            assert_eq!(wire_length(length, max), expected);
        };
        check(PARAMETER_BYTES_MAX, PARAMETER_BYTES_MAX, Ok((1 << 30) - 1));
        let too_long = Err(EncodeError::MessageTooLong);
        check(PARAMETER_BYTES_MAX + 1, PARAMETER_BYTES_MAX, too_long);
        check(1 << 32, SENT_MESSAGE_BYTES_MAX, too_long);
        check((1 << 32) + 5, SENT_MESSAGE_BYTES_MAX, too_long);
        check(usize::MAX, SENT_MESSAGE_BYTES_MAX, too_long);
    }

    #[test]
    fn a_parameter_over_a_gibibyte_is_refused_without_copying_it() {
        // The kernel maps zeroed pages lazily and the refusal reads none of them.
        let huge = vec![0_u8; PARAMETER_BYTES_MAX + 1];
        let mut out = Vec::new();
        let refused = bind(&mut out, "", [parameter(Some(&huge))]);
        assert_eq!(refused, Err(EncodeError::ParameterTooLong));
        assert!(out.is_empty() && out.capacity() < 1024);
    }

    #[test]
    fn a_startup_packet_that_the_server_would_refuse_is_not_sent() {
        let long = "x".repeat(STARTUP_BYTES_MAX);
        let mut out = Vec::new();
        let refused = startup(&mut out, [("user", long.as_str())]);
        assert_eq!(refused, Err(EncodeError::MessageTooLong));
        assert!(out.is_empty());
    }

    #[test]
    fn what_we_write_can_be_read_back_by_length() {
        let mut out = Vec::new();
        parse(&mut out, "a", "SELECT 1").unwrap();
        bind(&mut out, "a", [parameter(Some(b"x")), Parameter::Null]).unwrap();
        execute(&mut out);
        sync(&mut out);
        let mut tags = Vec::new();
        let mut rest = &out[..];
        while let Some((tag, length)) = super::super::peek_header(rest) {
            tags.push(tag);
            rest = &rest[1 + length..];
        }
        assert_eq!(tags, b"PBES");
        assert!(rest.is_empty());
    }
}
