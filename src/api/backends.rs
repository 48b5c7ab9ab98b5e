//! Whether those sessions are at work whose server owes us something and has said nothing for long.
//!
//! It is asked over another connection. A pooler gives process ids that it has invented; so the
//! answer tells that of the session which asks, to be compared with what its server has told.

use crate::catalog::DecodeError;
use crate::document::OneDocument;
use corerest_sql::{SqlBuf, sql};
use serde::Deserialize;

/// The sessions of a server that were asked about.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Backends {
    /// The process id of the session that has asked.
    pub own: i32,
    /// Those that are there.
    pub there: Vec<Backend>,
}

/// A session.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct Backend {
    /// Its process id.
    pub pid: i32,
    /// Whether it is at work; `None` if the login role may not know.
    pub works: Option<bool>,
}

/// Asks for the document for [`decode_backends`], about sessions with these process ids.
///
/// Who waits for its client to take something in is not at work: we would have taken it.
///
/// Source: PostgreSQL's documentation, "The Cumulative Statistics System" (`pg_stat_activity`).
pub fn ask_backends(process_ids: &[i32]) -> OneDocument {
    let list: Vec<String> = process_ids.iter().map(i32::to_string).collect();
    let list = format!("{{{}}}", list.join(","));
    OneDocument::of(Vec::new(), |out: &mut SqlBuf| {
        sql!(
            out,
            "
SELECT pg_catalog.json_build_object(
  'own', pg_catalog.pg_backend_pid(),
  'there', coalesce(
    pg_catalog.json_agg(pg_catalog.json_build_object(
      'pid', activity.pid,
      'works', activity.state = 'active' AND activity.wait_event IS DISTINCT FROM 'ClientWrite')),
    '[]'))
FROM pg_catalog.pg_stat_activity AS activity
WHERE activity.pid = ANY("
        );
        out.param(Some(list.as_bytes()));
        sql!(out, "::pg_catalog.int4[])");
    })
}

/// Decodes the answer, and leaves its bytes in disorder.
///
/// # Errors
/// If it is not what the statement answers with.
pub fn decode_backends(document: &mut [u8]) -> Result<Backends, DecodeError> {
    simd_json::serde::from_slice(document)
        .map_err(|error| DecodeError::Malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_are_there_are_decoded() {
        let text = r#"{"own": 1, "there": [{"pid": 7, "works": true}, {"pid": 8, "works": null}]}"#;
        let expected = Backends {
            own: 1,
            there: vec![
                Backend {
                    pid: 7,
                    works: Some(true),
                },
                Backend {
                    pid: 8,
                    works: None,
                },
            ],
        };
        assert_eq!(decode_backends(&mut text.as_bytes().to_vec()), Ok(expected));
        assert!(decode_backends(&mut b"null".to_vec()).is_err());
    }

    #[test]
    fn process_ids_are_a_value() {
        let question = ask_backends(&[7, -8]);
        let statement = &question.statements()[question.asks()];
        assert_eq!(statement.params.len(), 1);
        assert!(statement.text.as_str().contains("ANY($1::"));
    }
}
