//! Positions in PostgreSQL's log (WAL): how far a primary has written, and a replica replayed.
//!
//! ```text
//! write with Prefer: consistency=session ──▶ Consistency-Token: 3-0/16B3D80
//! read with Consistency-Token: 3-0/16B3D80 ──▶ guard, then the read itself, on a replica
//! ```
//! A position means something only on its timeline, which PostgreSQL begins anew when a standby is
//! promoted. So a token has both, and a replica has replayed it only if it is on that timeline, or
//! on a later one: one that still follows an old primary may have come further, elsewhere.
//!
//! Source: PostgreSQL's documentation, "System Administration Functions".

use crate::catalog::DecodeError;
use crate::document::OneDocument;
use corerest_sql::{SqlBuf, Statement, SystemBuf, sql, system_sql};
use serde::Deserialize;
use std::fmt;

/// The header of a token, in responses to writes and in reads.
pub const CONSISTENCY_TOKEN: &str = "Consistency-Token";

/// A position in the log of a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The timeline.
    pub timeline: u32,
    /// The position in its log.
    pub lsn: u64,
}

impl Position {
    /// Reads a token as it is printed, and nothing else.
    pub fn parse(text: &str) -> Option<Position> {
        let (timeline, lsn) = text.split_once('-')?;
        let is_number = !timeline.is_empty() && timeline.bytes().all(|b| b.is_ascii_digit());
        let timeline = is_number.then(|| timeline.parse().ok())??;
        let lsn = parse_lsn(lsn)?;
        Some(Position { timeline, lsn })
    }

    /// The position that the statement of [`ask_position`] has answered with.
    pub fn of_answer(timeline: &[u8], lsn: &[u8]) -> Option<Position> {
        let timeline = u32::from_str_radix(str::from_utf8(timeline).ok()?, 16).ok()?;
        let lsn = parse_lsn(str::from_utf8(lsn).ok()?)?;
        Some(Position { timeline, lsn })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (high, low) = (self.lsn >> 32, self.lsn & 0xFFFF_FFFF);
        write!(f, "{}-{high:X}/{low:X}", self.timeline)
    }
}

fn parse_lsn(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    let half = |half: &str| {
        let is_half = (1..=8).contains(&half.len()) && half.bytes().all(|b| b.is_ascii_hexdigit());
        is_half.then(|| u64::from_str_radix(half, 16).ok())?
    };
    Some(half(high)? << 32 | half(low)?)
}

/// Asks a primary where its log ends, which is behind all that has been committed: two columns, for
/// [`Position::of_answer`].
///
/// It is where the next record goes, and not what is on the disk: with `synchronous_commit=off` a
/// transaction is over before it is there.
pub fn ask_position() -> Statement {
    let mut out = SqlBuf::new();
    sql!(
        out,
        "SELECT pg_catalog.substr(pg_catalog.pg_walfile_name(\
         pg_catalog.pg_current_wal_insert_lsn()), 1, 8), \
         pg_catalog.pg_current_wal_insert_lsn()::pg_catalog.text"
    );
    out.finish()
}

/// Fails with 22012 on a server that has not replayed this position. It stands before the
/// statements of a read, each of which sees at least as much.
///
/// The timeline of a standby is known to everybody as of its last restart point, and at once to
/// roles that may see `pg_stat_wal_receiver`: whoever knows nothing newer takes a standby for one
/// of the old timeline, and the read goes to the primary.
pub fn guard_position(position: Position) -> Statement {
    let mut out = SqlBuf::new();
    sql!(
        out,
        "SELECT 1 OPERATOR(pg_catalog./) (CASE WHEN (CASE WHEN pg_catalog.pg_is_in_recovery() \
         THEN pg_catalog.pg_last_wal_replay_lsn() \
         ELSE pg_catalog.pg_current_wal_insert_lsn() END) OPERATOR(pg_catalog.>=) "
    );
    let Position { timeline, lsn } = position;
    let lsn = format!("{:X}/{:X}", lsn >> 32, lsn & 0xFFFF_FFFF);
    out.param(Some(lsn.as_bytes()));
    sql!(
        out,
        "::pg_catalog.pg_lsn AND (SELECT pg_catalog.max(timeline) FROM \
         (SELECT timeline_id AS timeline FROM pg_catalog.pg_control_checkpoint() \
         UNION ALL SELECT min_recovery_end_timeline FROM pg_catalog.pg_control_recovery() \
         UNION ALL SELECT received_tli FROM pg_catalog.pg_stat_wal_receiver) AS known) \
         OPERATOR(pg_catalog.>=) "
    );
    out.param(Some(timeline.to_string().as_bytes()));
    sql!(out, "::pg_catalog.int8 THEN 1 ELSE 0 END)");
    out.finish()
}

/// How a server stands.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Standing {
    /// Which cluster it is a part of.
    pub system: String,
    /// Whether it is a standby.
    pub recovers: bool,
    /// How far it has come: what is replayed, or written to disk.
    #[serde(deserialize_with = "lsn")]
    pub lsn: u64,
    /// Where the next record goes, for which there may be tokens before it is on the disk.
    #[serde(deserialize_with = "lsn")]
    pub end: u64,
    /// On which timeline, as far as it tells.
    pub timeline: u32,
}

fn lsn<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_lsn(&text).ok_or_else(|| serde::de::Error::custom("a position is malformed"))
}

/// Asks for the document for [`decode_standing`].
pub fn ask_standing() -> OneDocument {
    OneDocument::of(Vec::new(), |out: &mut SystemBuf| {
        system_sql!(
            out,
            "
SELECT json_build_object(
  'system', (SELECT system_identifier::text FROM pg_control_system()),
  'recovers', pg_is_in_recovery(),
  'lsn', coalesce(
    CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
      ELSE pg_current_wal_flush_lsn() END,
    '0/0'),
  'end', coalesce(
    CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
      ELSE pg_current_wal_insert_lsn() END,
    '0/0'),
  'timeline', CASE WHEN pg_is_in_recovery()
    THEN greatest(
      (SELECT timeline_id FROM pg_control_checkpoint()),
      (SELECT min_recovery_end_timeline FROM pg_control_recovery()),
      (SELECT received_tli FROM pg_stat_wal_receiver))
    ELSE ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::integer
    END)"
        );
    })
}

/// Decodes the answer, and leaves its bytes in disorder.
///
/// # Errors
/// If it is not what the statement answers with.
pub fn decode_standing(document: &mut [u8]) -> Result<Standing, DecodeError> {
    simd_json::serde::from_slice(document)
        .map_err(|error| DecodeError::Malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_is_printed_and_nothing_else_is_one() {
        for text in ["1-0/0", "3-0/16B3D80", "4294967295-FFFFFFFF/FFFFFFFF"] {
            let position = Position::parse(text).expect("it is a token");
            assert_eq!(position.to_string(), text);
        }
        let malformed = [
            "",
            "1",
            "1-",
            "-0/0",
            "1-0",
            "1-0/",
            "1-/0",
            "x-0/0",
            "+1-0/0",
            " 1-0/0",
            "1-0/0 ",
            "1-0/0/0",
            "1-G/0",
            "1-+1/0",
            "1-000000000/0",
            "4294967296-0/0",
            "1-0/0,2-0/0",
        ];
        for text in malformed {
            assert_eq!(Position::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_a_primary_answers_is_a_position() {
        let position = Position::of_answer(b"0000000A", b"1/2F").expect("it is one");
        assert_eq!(position.to_string(), "10-1/2F");
        assert_eq!(Position::of_answer(b"", b"1/2F"), None);
        assert_eq!(Position::of_answer(b"00000001", b"\xFF"), None);
    }

    #[test]
    fn positions_are_values_of_the_guard() {
        let guard = |text| guard_position(Position::parse(text).expect("it is a token"));
        let (one, other) = (guard("1-0/0"), guard("3-0/16B3D80"));
        assert_eq!(one.text, other.text);
        assert_eq!(other.params.len(), 2);
    }

    #[test]
    fn a_standing_is_decoded() {
        let text =
            r#"{"system": "7", "recovers": true, "lsn": "1/2F", "end": "1/3F", "timeline": 3}"#;
        let standing = decode_standing(&mut text.as_bytes().to_vec()).expect("it is one");
        assert_eq!((standing.lsn, standing.timeline), (0x1_0000_002F, 3));
        assert_eq!(standing.end, 0x1_0000_003F);
        assert!(decode_standing(&mut text.replace("1/2F", "12").into_bytes()).is_err());
    }
}
